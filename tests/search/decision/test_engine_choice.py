"""The engine of a run: timed on packs like its own, chosen once, obeyed ever after."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from search.data.dataset import load_dataset
from search.data.resolution import resolve
from search.decision import engine_choice
from search.decision.engine_choice import choose_engine
from search.decision.enumeration import make_plan
from search.decision.phases import phases_of
from search.decision.plan import Plan
from search.documents import dump_spec, parse_spec
from search.errors import SpecError, TrialError
from search.execution.executor import InlineExecutor
from search.job import prepare
from search.output.folder import RunFolder
from search.run import run_recommendation
from search.spec import EngineName, Spec
from search.store.store import Store
from search.training.engines import ENGINES, Engine
from search.training.experiment import Experiment
from search.training.packs import Pack
from search.trials import TrialFailure, TrialResult
from tests.search.decision.test_measurement import Quiet
from tests.search.planted import planted


class Clock:
    """An engine that says how long it took; ``asked`` are the engines' names in the experiments it was given."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.asked: list[str] = []
        self.packs: list[Pack] = []

    def __call__(self, experiment: Experiment, pack: Pack) -> Sequence[TrialResult | TrialFailure]:
        self.asked.append(experiment.training.engine)
        self.packs.append(pack)
        found = [planted(experiment, course.trial) for course in pack]
        return [TrialResult(r.steps_S, r.curve_TS, self.seconds, "w:1", r.kept, r.test, r.weights) for r in found]


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> dict[str, Clock]:
    """Every engine's place is taken by one that takes a second a network, and says so."""
    made: dict[str, Clock] = {name: Clock(1.0) for name in ENGINES}
    for name, engine in list(ENGINES.items()):
        monkeypatch.setitem(ENGINES, name, Engine(made[name], engine.pack_size, engine.exact))
    return made


def spec_of(**training: Any) -> Spec:
    document = {
        "name": "x",
        "data": {"source": "synthetic"},
        "budget": {"inference": 2},
        "training": {"epochs": 8, "seeds": 2, **training},
        "evidence": {"seeds": 2, "random_groupings": 2, "draws": 10},
    }
    return resolve(Spec.model_validate(document))


def job_of(**training: Any) -> tuple[Plan, Experiment]:
    spec = spec_of(**training)
    dataset = load_dataset(spec, Path())
    plan = make_plan(spec, dataset.tasks, len(dataset.input_names), dataset.classes_T)
    return plan, Experiment(dataset, spec.network, spec.training)


def test_the_fastest_is_chosen(clocks: dict[str, Clock]) -> None:
    clocks["fused"].seconds, clocks["fused-onednn"].seconds = 0.5, 0.4
    choice = choose_engine(*job_of(), InlineExecutor())
    assert choice.engine == "fused-onednn"
    assert choice.seconds["plain"] / choice.seconds["fused-onednn"] == pytest.approx(2.5)
    assert "2.5 times as fast" in choice.reason


def test_a_gain_too_small_to_be_sure_of_keeps_the_plain_engine(clocks: dict[str, Clock]) -> None:
    clocks["fused"].seconds, clocks["fused-onednn"].seconds = 0.97, 1.3
    assert choose_engine(*job_of(), InlineExecutor()).engine == "plain"


def test_a_run_that_is_over_soon_is_not_worth_a_choice(clocks: dict[str, Clock]) -> None:
    for name, seconds in (("plain", 0.001), ("fused", 0.0001), ("fused-onednn", 0.0001)):
        clocks[name].seconds = seconds
    assert choose_engine(*job_of(), InlineExecutor()).engine == "plain"
    assert not clocks["fused"].packs


def test_an_engine_that_may_round_is_never_chosen_unasked(clocks: dict[str, Clock]) -> None:
    clocks["fused-relaxed"].seconds = 0.01
    assert choose_engine(*job_of(), InlineExecutor()).engine == "plain"
    assert not clocks["fused-relaxed"].packs
    assert choose_engine(*job_of(engine="fused-relaxed"), InlineExecutor()).engine == "fused-relaxed"


def test_engines_are_timed_on_the_same_networks_of_the_run_in_packs_of_their_own(clocks: dict[str, Clock]) -> None:
    plan, experiment = job_of()
    choose_engine(plan, experiment, InlineExecutor())
    networks = {(trial.tasks, trial.capacity) for phase in phases_of(plan) for trial in phase.trials}
    tried = {name: [c.trial for pack in clocks[name].packs for c in pack] for name in ("plain", "fused")}
    assert tried["plain"] == tried["fused"]
    assert len({len(trial.tasks) for trial in tried["plain"]}) > 1
    for name in ("plain", "fused"):
        assert set(clocks[name].asked) == {name}
        for pack in clocks[name].packs:
            assert len(pack) == ENGINES[name].pack_size
            assert {(course.trial.tasks, course.trial.capacity) for course in pack} <= networks
            assert {course.trial.phase for course in pack} == {"probe"}


def test_an_engine_that_cannot_train_these_networks_is_not_tried(
    clocks: dict[str, Clock], monkeypatch: pytest.MonkeyPatch
) -> None:
    clocks["fused"].seconds = 0.1
    monkeypatch.setitem(ENGINES, "fused", Engine(clocks["fused"], 8, obstacle=lambda experiment: "no such layer"))
    assert choose_engine(*job_of(), InlineExecutor()).engine == "plain"
    assert not clocks["fused"].packs
    with pytest.raises(SpecError, match="the engine 'fused' cannot train these networks: no such layer") as refused:
        choose_engine(*job_of(engine="fused"), InlineExecutor())
    assert refused.value.where == "training.engine"


def test_an_engine_that_fails_here_is_left_out(clocks: dict[str, Clock], monkeypatch: pytest.MonkeyPatch) -> None:
    def exhausted(experiment: Experiment, pack: Pack) -> list[TrialResult | TrialFailure]:
        raise MemoryError

    monkeypatch.setitem(ENGINES, "fused", Engine(exhausted, 8))
    clocks["fused-onednn"].seconds = 0.5
    assert choose_engine(*job_of(), InlineExecutor()).engine == "fused-onednn"


def test_networks_that_fill_the_memory_are_timed_alone(
    clocks: dict[str, Clock], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_choice, "pack_room", lambda experiment, trial: 1)
    choose_engine(*job_of(), InlineExecutor())
    assert {len(pack) for pack in clocks["fused"].packs} == {1}


def test_trainings_that_all_fail_say_why_before_the_run_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    def hopeless(experiment: Experiment, pack: Pack) -> list[TrialResult | TrialFailure]:
        return [TrialFailure("hopeless")] * len(pack)

    monkeypatch.setitem(ENGINES, "plain", Engine(hopeless, 1))
    with pytest.raises(TrialError, match="the first trainings failed: hopeless"):
        choose_engine(*job_of(), InlineExecutor())


def test_the_choice_is_kept_in_the_runs_spec_and_obeyed_by_whoever_goes_on(
    clocks: dict[str, Clock], tmp_path: Path
) -> None:
    def work(spec: Spec, store: Store, run: str) -> EngineName | str:
        store.set_state(run, "running")
        folder = RunFolder(tmp_path / run)
        run_recommendation(prepare(spec, tmp_path), store, run, folder, InlineExecutor(), Quiet())
        store.set_state(run, "interrupted")
        kept = parse_spec(store.run(run).spec, "run")
        assert (folder.path / "spec.yaml").read_text() == dump_spec(kept)
        return kept.training.engine

    clocks["fused"].seconds = 0.2
    with Store.open(tmp_path) as store:
        run = store.create_run("x", "recommend", dump_spec(spec_of()), {})
        assert work(spec_of(), store, run) == "fused"
        (event,) = [event for event in store.events(run) if event.kind == "engine"]
        assert event.payload["engine"] == "fused"
        clocks["fused"].seconds, clocks["plain"].seconds = 5.0, 0.1  # another machine, later
        before = len(clocks["plain"].packs)
        assert work(parse_spec(store.run(run).spec, "run"), store, run) == "fused"
        assert len(clocks["plain"].packs) == before


def test_whole_runs_are_timed_on_a_few_steps(clocks: dict[str, Clock]) -> None:
    seen: list[int] = []

    class Rows(Clock):
        def __call__(self, experiment: Experiment, pack: Pack) -> Sequence[TrialResult | TrialFailure]:
            seen.append(len(experiment.dataset.train) * experiment.training.epochs)
            return super().__call__(experiment, pack)

    ENGINES["plain"] = Engine(Rows(0.01), 1)
    _, experiment = job_of(batch_size=8, epochs=300)
    choose_engine(*job_of(batch_size=8, epochs=300), InlineExecutor())
    assert max(seen) == min(320, len(experiment.dataset.train))
