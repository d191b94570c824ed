"""Workers share a GPU by what one of them was seen to take of it, told by a stand-in for the device's counters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import torch

from search import work
from search.decision.gpu_measured import GpuShare, measured_share
from search.desk import Desk, Unseen
from search.documents import dump_spec, parse_spec
from search.errors import TrialError
from search.execution.executor import InlineExecutor
from search.job import Job, prepare
from search.output.folder import RunFolder
from search.store.store import Store
from search.training.engines import ENGINES, Engine
from search.training.experiment import Experiment
from search.training.fused import train_fused
from search.training.gpu_share import data_bytes
from search.training.packs import Pack, train_plain
from search.training.stack_memory import pack_room
from search.trials import Course, TrialFailure, TrialResult
from tests.search.test_run import resolved

GIB = 2**30
PEAK, OTHERS = 10 * GIB, GIB


class Meter:
    """A device on which every training takes ``PEAK`` for a moment, keeps half of it, and others take ``OTHERS``."""

    def __init__(self) -> None:
        self._reserved = self._peak = 0
        self.packs: list[Pack] = []

    def reset(self) -> None:
        self._peak = self._reserved

    def trained(self) -> None:
        self._reserved, self._peak = PEAK // 2, PEAK

    def reserved(self) -> int:
        return self._reserved

    def peak(self) -> int:
        return self._peak

    def used(self) -> int:
        return self._reserved + OTHERS


class Workers(InlineExecutor):
    """Remembers how its workers were to share GPUs."""

    def __init__(self, *_: object) -> None:
        self.asked: list[tuple[float, int | None]] = []

    def share_gpus(self, share: float, workers: int | None) -> int:
        self.asked.append((share, workers))
        return min(workers or 1, int(2 / share))


@pytest.fixture
def meter(monkeypatch: pytest.MonkeyPatch) -> Meter:
    """Two GPUs of 80 GiB; every engine takes of them what the meter says."""
    meter = Meter()

    def train(experiment: Experiment, pack: Pack) -> Sequence[TrialResult | TrialFailure]:
        meter.trained()
        meter.packs.append(pack)
        return [TrialFailure("")] * len(pack)

    for name, engine in list(ENGINES.items()):
        monkeypatch.setitem(ENGINES, name, Engine(train, engine.pack_size, engine.exact))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    properties = type("Properties", (), {"total_memory": 80 * GIB})
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda gpu: properties)
    return meter


@pytest.fixture
def job(meter: Meter) -> Job:
    return prepare(resolved(cluster={"gpus_per_worker": "auto", "workers": 32}), Path())


def test_the_share_follows_what_was_measured_with_a_margin_and_the_whole_data(meter: Meter, job: Job) -> None:
    assert job.spec.cluster.gpus_per_worker == 1 / 16, "2.0 GiB are predicted, and 16 workers a GPU wanted"
    workers = Workers()
    found = measured_share(job.plan, job.experiments[0], workers, counters=meter)
    assert found.measured == int(1.25 * (PEAK + OTHERS)) + data_bytes(job.experiments[0].dataset)
    assert (found.share, found.workers) == (1 / 5, 10)
    assert workers.asked == [(1.0, 1), (1 / 5, 32)], "nobody shared a GPU before it was known"
    for part in ("10 workers with 0.2 GPU each", "13.75 GiB measured", "2.00 GiB predicted", "32 were asked for"):
        assert part in found.text


def test_the_largest_network_is_measured_in_a_full_pack_of_every_engine_in_question(meter: Meter, job: Job) -> None:
    measured_share(job.plan, job.experiments[0], Workers(), counters=meter)
    packs = meter.packs
    everything, largest = [task.name for task in job.plan.tasks], max(job.spec.network.capacities)
    assert all(list(course.trial.tasks) == everything for pack in packs for course in pack)
    assert {course.trial.capacity for pack in packs for course in pack} == {largest}
    room = pack_room(job.experiments[0], packs[0][0].trial)
    exact = [engine for engine in ENGINES.values() if engine.exact]
    assert [len(pack) for pack in packs] == [min(engine.networks(1.0), room) for engine in exact]


def test_what_cannot_be_measured_stays_as_predicted_and_is_said(
    meter: Meter, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hopeless(experiment: Experiment, pack: Pack) -> Sequence[TrialResult | TrialFailure]:
        raise TrialError("no")

    for name, engine in list(ENGINES.items()):
        monkeypatch.setitem(ENGINES, name, Engine(hopeless, engine.pack_size, engine.exact))
    found = measured_share(job.plan, job.experiments[0], Workers(), counters=meter)
    assert (found.share, found.workers, found.measured) == (1 / 16, 32, None)
    assert "2.00 GiB predicted, not measured (no pack could be trained on the GPU: no)" in found.text


@pytest.fixture
def desk(tmp_path: Path, job: Job) -> Iterator[Desk]:
    spec = job.spec.model_copy(update={"cluster": job.spec.cluster.model_copy(update={"gpus_per_worker": "auto"})})
    with Store.open(tmp_path) as store:
        run = store.create_run("planted", "recommend", dump_spec(spec), {})
        store.set_state(run, "running")
        said: list[str] = []
        yield Desk(store, store.run(run), RunFolder(tmp_path / run), Unseen(), said.append, said.append)


def test_a_run_measures_once_and_its_history_knows_both_figures(
    desk: Desk, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    executor = Workers()
    found = GpuShare(1 / 5, 10, 32, 2 * GIB, 13 * GIB, PEAK, OTHERS)
    measured: list[object] = []

    def measure(*asked: object) -> GpuShare:
        measured.append(asked)
        return found

    monkeypatch.setattr(work, "RayExecutor", lambda *_, **__: executor)
    monkeypatch.setattr(work, "measured_share", measure)
    for _ in range(2):
        with work._workers(desk, job.plan, job.experiments[0]) as (_, cluster):
            assert (cluster.gpus_per_worker, cluster.workers) == (1 / 5, 10)
    assert len(measured) == 1
    assert executor.asked == [(1 / 5, 32)], "a resumed run does as it did"
    seen: list[Job] = []
    monkeypatch.setattr(work, "run_recommendation", lambda job, *_, **__: seen.append(job))
    work.recommend(desk, job)
    stored = parse_spec(desk.store.run(desk.run).spec, "the store").cluster
    assert stored == seen[0].spec.cluster == seen[0].plan.spec.cluster
    assert (stored.gpus_per_worker, stored.workers) == (1 / 5, 10), "so that a training is reproduced as it was made"
    (event,) = [event for event in desk.store.events(desk.run) if event.kind == "gpu"]
    assert event.payload["predicted"] == 2 * GIB
    assert event.payload["measured"] == 13 * GIB


def test_a_pack_that_does_not_fit_a_gpu_says_so_and_its_networks_are_tried_alone(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    pack = tuple(Course(trial) for trial in job.plan.search_trials()[:2])
    monkeypatch.setattr("search.training.fused._train", full)
    (together,) = InlineExecutor().run(train_fused, job.experiments[0], [pack])
    assert together.result is None, "which is what makes a pack be tried trial by trial"
    assert together.failure.startswith("out of GPU memory: 2 networks side by side do not fit")
    monkeypatch.setattr("search.training.packs.train", full)
    (alone,) = train_plain(job.experiments[0], pack[:1])
    assert isinstance(alone, TrialFailure)
    assert alone.reason.startswith("out of GPU memory: the network does not fit")
    assert "cluster.gpus_per_worker" in alone.reason
