"""Trainings that are killed on their way: each goes on from its last whole checkpoint, to the same bits."""

from __future__ import annotations

import errno
import os
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from search.decision.measurement import Measurement
from search.desk import Unseen
from search.execution.executor import InlineExecutor
from search.networks.sharing import Sharing
from search.policy.searched_trial import train_policies
from search.spec import EngineName, NetworkSpec
from search.store.store import Store
from search.training import state_files
from search.training.engines import ENGINES
from search.training.experiment import Experiment
from search.training.foreign.train import train_foreign
from search.training.packs import TrainPack, train_plain
from search.training.state_files import StateFiles
from search.trials import Course, Trial, TrialResult
from search.tuning.network import SearchedNetwork
from search.tuning.trainings import JointTraining
from tests.contract.trainings import digest
from tests.search.training.foreign.offered import experiment_of, spec_of
from tests.search.training.planted import planted, planted_experiment

TRIALS = (
    Trial(("t0",), 1.0, 1),
    Trial(("t1", "t2"), 1.0, 1, "confirm", copies=2, reference=(1.0, 1.0)),
    Trial(("t0", "t1", "t2"), 1.0, 2, "confirm", reference=(1.0, 0.5, 1.0)),
    Trial(("t3",), 1.0, 3, "measure"),
)
Kill = Callable[[int], None]


class Killed(BaseException):
    """As far as everything that runs in this process can see: the end."""


@pytest.fixture
def kill_at(monkeypatch: pytest.MonkeyPatch) -> Kill:
    """Ends whatever runs right after so many checkpoints from now; 0: never."""

    def arm(passages: int) -> None:
        seen = 0

        def passing(point: str) -> None:
            nonlocal seen
            if point == "checkpoint.after":
                seen += 1
                if seen == passages:
                    raise Killed

        monkeypatch.setattr(state_files, "passing", passing)

    return arm


def common(engine: EngineName = "plain", **training: Any) -> Experiment:
    """6 readings, every other one within an epoch."""
    settings = {"epochs": 3, "batch_size": 34, "readings_per_epoch": 2, "weight_decay": 0.01, "engine": engine}
    return planted_experiment(planted(missing=0.2), **settings | training)


def checkpointed(experiment: Experiment, folder: Path) -> Experiment:
    """The same with a checkpoint after every reading."""
    return replace(experiment, state_files=StateFiles(folder, 0.0))


def trained(train: TrainPack, experiment: Experiment, trials: Sequence[Trial]) -> list[TrialResult]:
    found = train(experiment, tuple(map(Course, trials)))
    assert all(isinstance(result, TrialResult) for result in found), found
    return [result for result in found if isinstance(result, TrialResult)]


def bits(result: TrialResult) -> tuple[object, ...]:
    tested = None if result.test_curve_TS is None else result.test_curve_TS.tobytes()
    return digest(result), tested, {name: values.tobytes() for name, values in result.seen.items()}


def said(results: Sequence[TrialResult], kind: str) -> list[str]:
    return [remark.text for result in results for remark in result.remarks if remark.kind == kind]


@pytest.mark.fault("R1", "every engine ends in mid-pack, some of its checkpoints one reading ahead")
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("again", [(TRIALS,), tuple((trial,) for trial in reversed(TRIALS))], ids=["pack", "apart"])
def test_a_killed_pack_goes_on_to_the_bits_of_an_undisturbed_one_in_whatever_packs(
    engine: EngineName, again: tuple[tuple[Trial, ...], ...], tmp_path: Path, kill_at: Kill
) -> None:
    experiment, train = common(engine), ENGINES[engine].train
    if ENGINES[engine].obstacle(experiment):
        pytest.skip(ENGINES[engine].obstacle(experiment))
    kill_at(7)
    with pytest.raises(Killed):
        trained(train, checkpointed(experiment, tmp_path), TRIALS)
    kill_at(0)
    found = {
        trial: result
        for pack in again
        for trial, result in zip(pack, trained(train, checkpointed(experiment, tmp_path), pack), strict=True)
    }
    for trial, whole in zip(TRIALS, trained(train, experiment, TRIALS), strict=True):
        assert bits(found[trial]) == bits(whole)
    # Of those that train side by side one was a reading ahead, of those that train in turn the first was done.
    assert len({text.rpartition(": went on after ")[2] for text in said(list(found.values()), "note")}) == 2


@pytest.mark.parametrize("sampling", ["rows", "loss-slope"])
@pytest.mark.parametrize("balancing", ["equal", "gradnorm", "famo"])
def test_what_balances_and_samples_the_tasks_goes_on_too(
    sampling: str, balancing: str, tmp_path: Path, kill_at: Kill
) -> None:
    experiment = common(balancing=balancing, sampling=sampling)
    kill_at(3)
    with pytest.raises(Killed):
        trained(train_plain, checkpointed(experiment, tmp_path), TRIALS[2:3])
    (found,) = trained(train_plain, checkpointed(experiment, tmp_path), TRIALS[2:3])
    (whole,) = trained(train_plain, experiment, TRIALS[2:3])
    assert bits(found) == bits(whole)
    assert "after 3 of 6 readings" in said([found], "note")[0]


def truncated(data: bytes) -> bytes:
    return data[: len(data) // 2]


def emptied(data: bytes) -> bytes:
    return b""


def flipped(data: bytes) -> bytes:
    place = random.Random(len(data)).randrange(len(data))
    return data[:place] + bytes([data[place] ^ 4]) + data[place + 1 :]


def overwritten(data: bytes) -> bytes:
    return random.Random(1).randbytes(len(data))


@pytest.mark.fault("R8", "a checkpoint cut short, emptied, one bit flipped, overwritten; then the one before it too")
@pytest.mark.parametrize("damage", [truncated, emptied, flipped, overwritten])
def test_a_damaged_checkpoint_is_told_and_the_one_before_it_used(
    damage: Callable[[bytes], bytes], tmp_path: Path, kill_at: Kill
) -> None:
    experiment, trial = common(), TRIALS[2]
    whole = bits(*trained(train_plain, experiment, [trial]))
    for damaged, used in ((1, "after 3 of 6 readings"), (2, "")):
        folder = tmp_path / str(damaged)
        folder.mkdir()
        kill_at(4)
        with pytest.raises(Killed):
            trained(train_plain, checkpointed(experiment, folder), [trial])
        kill_at(0)
        kept = sorted(folder.iterdir())
        assert len(kept) == 3  # the newest, the one before, and one that would have been removed in the next moment
        kept[0].unlink()
        for path in kept[-damaged:]:
            path.write_bytes(damage(path.read_bytes()))
        (found,) = trained(train_plain, checkpointed(experiment, folder), [trial])
        assert bits(found) == whole
        warnings = said([found], "warning")
        for path, warning in zip(reversed(kept[-damaged:]), warnings, strict=True):
            assert str(path) in warning
            assert "have another SHA-256" in warning
            assert warning.endswith("the one before it is used" if used else "training begins anew")
        assert [text.endswith(used) for text in said([found], "note")] == [True] * bool(used)


@pytest.mark.fault("R8", "a checkpoint under the name of another training")
def test_the_checkpoint_of_another_training_is_not_taken(tmp_path: Path, kill_at: Kill) -> None:
    experiment, trial = checkpointed(common(), tmp_path), TRIALS[0]
    kill_at(2)
    with pytest.raises(Killed):
        trained(train_plain, experiment, [trial])
    for other in (replace(trial, seed=9), replace(trial, tasks=("t1",)), replace(trial, split=1)):
        assert experiment.state_files is not None
        assert experiment.state_files.newest(other.key(experiment.context)) == (None, ())
    newest = max(tmp_path.iterdir())
    other = replace(trial, seed=9)
    newest.rename(tmp_path / newest.name.replace(newest.name[:32], other.key(experiment.context)))
    (found,) = trained(train_plain, experiment, [other])
    assert bits(found) == bits(*trained(train_plain, common(), [other]))
    assert said([found], "note") == []
    assert "was written for another training" in said([found], "warning")[0]


@pytest.mark.fault("R7", "no space for a checkpoint")
def test_a_full_disk_costs_checkpoints_and_no_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    engines: tuple[EngineName, ...] = ("plain", "fused")
    for engine in engines:
        experiment, train = common(engine), ENGINES[engine].train
        (found,) = trained(train, checkpointed(experiment, tmp_path), TRIALS[:1])
        assert bits(found) == bits(*trained(train, experiment, TRIALS[:1]))
        (warning,) = said([found], "warning")
        assert "No space left on device" in warning
        assert str(tmp_path) in warning
    assert list(tmp_path.iterdir()) == []


def test_a_machine_that_does_not_see_the_folder_says_so_and_leaves_nothing(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    (found,) = trained(train_plain, checkpointed(common(), elsewhere), TRIALS[:1])
    (warning,) = said([found], "warning")
    assert f"does not see {elsewhere}" in warning
    assert not elsewhere.exists()


@pytest.mark.fault("R2", "the driver ends right after a checkpoint; resumed with packs of another size")
def test_a_resumed_run_goes_on_in_other_packs_tells_what_was_damaged_and_leaves_no_file(
    tmp_path: Path, kill_at: Kill
) -> None:
    experiment = common("fused")
    trials = [Trial((f"t{seed % 4}",), 1.0, seed) for seed in range(6)]
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    with Store.open(tmp_path) as store:
        run = store.create_run("x", "recommend", "", {})
        store.set_state(run, "running")

        def measured(pack_size: int) -> dict[Trial, TrialResult]:
            own = Measurement(store, run, InlineExecutor(), ENGINES["fused"].train, Unseen(), pack_size)
            return own.measure(checkpointed(experiment, folder), "search", "x", trials)

        kill_at(6 + 6 + 3)  # two checkpoints of every training of the pack, and of half of them a third
        with pytest.raises(Killed):
            measured(6)
        kill_at(0)
        damaged = max(folder.iterdir())
        damaged.write_bytes(b"")
        found = measured(2)
        texts = [event.payload["text"] for event in store.events(run) if event.kind in {"note", "warning"}]
        assert len(store.finished_trials(run)) == len(trials)
    assert list(folder.iterdir()) == []
    assert sum("went on after" in text for text in texts) == len(trials)
    assert [str(damaged) in text for text in texts].count(True) == 1
    for trial, whole in zip(trials, trained(ENGINES["fused"].train, experiment, trials), strict=True):
        assert bits(found[trial]) == bits(whole)


def test_a_search_of_a_policy_goes_on(tmp_path: Path, kill_at: Kill) -> None:
    network = NetworkSpec(trunk="resmlp", widths=(12,) * 3, dropout=0.1)
    experiment = replace(planted_experiment(planted(rows=200), epochs=3), network=network)
    trial = Trial(("t0", "t1", "t2"), 1.0, 1, "policy", sharing="automtl sparsity=0.01 start=searched")
    kill_at(7)
    with pytest.raises(Killed):
        trained(train_policies, checkpointed(experiment, tmp_path), [trial])
    kill_at(0)
    (found,) = trained(train_policies, checkpointed(experiment, tmp_path), [trial])
    assert "went on after" in said([found], "note")[0]
    assert bits(found) == bits(*trained(train_policies, experiment, [trial]))


@pytest.mark.parametrize("way", ["hard", "adashare"])
def test_a_configuration_goes_on_and_gives_its_earlier_readings_again(way: str, tmp_path: Path, kill_at: Kill) -> None:
    experiment = replace(common("fused"), network=NetworkSpec(trunk="resmlp", widths=(12, 12)))

    def training(experiment: Experiment) -> JointTraining:
        weights_T = np.full(4, 0.25)
        return JointTraining(experiment, ENGINES["fused"].train, 8, (1, 2), weights_T, np.ones(4), (0.34, 0.67, 1.0))

    network = SearchedNetwork(Sharing.parse(way), 1.0)
    whole = [(reading["loss"], reading["found"]) for reading in training(experiment)(network)]
    own = training(checkpointed(experiment, tmp_path))
    steps = 0
    for kills in (1, 4, 17):  # at once, and in the last third; where a policy is searched, twice in its search
        kill_at(kills)
        try:
            list(own(network))
        except Killed:
            steps += 1
    assert steps >= 2
    kill_at(0)
    again = list(own(network))
    assert [(reading["loss"], reading["found"]) for reading in again] == whole
    assert all(reading["seconds"] > 0 for reading in again)
    assert any(reading["remarks"] for reading in again)
    assert len(list(tmp_path.iterdir())) == 1
    own.forget(network)
    assert list(tmp_path.iterdir()) == []


def test_a_foreign_trainer_finds_the_folder_that_a_killed_attempt_left(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(
        "import json, os, sys\n_, folder, out, tasks, seed = sys.argv\n"
        "left = os.path.exists(folder + '/left')\n"
        "json.dump({tasks: 0.5 if left else 1.0}, open(out, 'w'))\n"
    )
    spec = spec_of({"command": "python own.py {folder} {out} {tasks} {seed}"}, tasks="ab")
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    experiment = replace(experiment_of(spec, tmp_path), state_files=StateFiles(folder, 1.0))
    trial = Trial(("a",), 1.0, 3)
    left = folder / f"folder-{trial.key(experiment.context)}"
    left.mkdir()
    (left / "left").touch()
    losses = [float(*trained(train_foreign, experiment, [trial])[0].curve_TS[0]) for _ in range(2)]
    assert losses == [0.5, 1.0]  # the second began when the first had ended by itself, in an empty folder
    assert list(folder.iterdir()) == []
