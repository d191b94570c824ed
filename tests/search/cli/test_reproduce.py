"""``taskgroup reproduce``: a row of a run again, bit for bit or said where not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from grouping.errors import InputError, NoResultError
from search.cli.app import run as run_cli
from search.data.resolution import resolve
from search.documents import dump_spec, spec_from
from search.execution.executor import InlineExecutor
from search.job import prepare
from search.reproduction import Wanted, find_training, reproduce
from search.store.store import Store
from search.training.packs import train_plain
from search.trials import Course, Trial, TrialFailure, TrialResult

TASKS = ("g0_0", "g0_1", "g1_0")
CONFIRMED = Trial(TASKS[:2], 1.0, 10_003, "confirm", reference=(1.0, 1.0))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TASKGROUP_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def kept(home: Path) -> Iterator[tuple[Store, str]]:
    """A run with some trainings of its own, one of which was not written down as it was."""
    document = {
        "name": "again",
        "data": {"source": "synthetic"},
        "tasks": [{"name": task} for task in TASKS],
        "network": {"widths": [8], "capacities": [1.0, 2.0]},
        "training": {"epochs": 2, "seeds": 2, "engine": "plain"},
        "budget": {"inference": 2},
    }
    spec = resolve(spec_from(document), home)
    experiment = prepare(spec, home).experiments[0]
    with Store.open(home) as store:
        run = store.create_run("again", "recommend", dump_spec(spec), {"base": str(home)}, tasks=TASKS)
        lease = store.take(run)
        trials = [Trial(TASKS[:1], 1.0, 0), Trial(TASKS[:1], 2.0, 0), Trial(TASKS, 1.0, 1), CONFIRMED]
        for trial, result in zip(trials, train_plain(experiment, tuple(map(Course, trials))), strict=True):
            assert isinstance(result, TrialResult)
            altered = replace(result, curve_TS=result.curve_TS * (1 + 1e-6))
            key = trial.key(experiment.context)
            store.record_result(run, "search", trial, key, altered if trial.tasks == TASKS else result)
        failed, failure = Trial(TASKS[1:2], 1.0, 1), TrialFailure("non-finite loss at step 7")
        store.record_failure(run, "search", failed, failed.key(experiment.context), failure)
        stray = Trial(TASKS[1:], 1.0, 0)
        two_tasks = store.result(run, CONFIRMED.key(experiment.context))
        store.record_result(run, "search", stray, stray.key("other data"), two_tasks)
        lease.release("finished")
        yield store, run


@pytest.mark.parametrize("wanted", [Wanted("g0_0", 0, capacity=2.0), Wanted("g0_1+g0_0", 10_003)])
def test_a_training_comes_out_bit_for_bit(kept: tuple[Store, str], wanted: Wanted) -> None:
    store, run = kept[0], kept[0].run(kept[1])
    found = reproduce(store, run, find_training(store, run, wanted), InlineExecutor())
    assert found.differences == ()
    assert found.again.weights == found.stored.weights


def test_what_differs_is_said_and_by_how_much(kept: tuple[Store, str]) -> None:
    store, run = kept[0], kept[0].run(kept[1])
    found = reproduce(store, run, find_training(store, run, Wanted("+".join(TASKS), 1)), InlineExecutor())
    (difference,) = found.differences
    assert difference.part == "validation losses"
    assert difference.largest == pytest.approx(1e-6, rel=0.01)


def test_other_data_are_no_ground_to_compare(kept: tuple[Store, str]) -> None:
    store, run = kept[0], kept[0].run(kept[1])
    with pytest.raises(NoResultError, match="not as it was"):
        reproduce(store, run, find_training(store, run, Wanted("g0_1+g1_0", 0)), InlineExecutor())


@pytest.mark.parametrize(
    ("wanted", "where", "words"),
    [
        (Wanted("g0_9", 0), "--network", "Did you mean"),
        (Wanted("g0_0+g0_0", 0), "--network", "twice"),
        (Wanted("g0_0", 7), "--seed", "with the seeds 0"),
        (Wanted("g0_0+g1_0", 0), "--network", "was not trained"),
        (Wanted("g0_0", 0), "--capacity", "Give one of 1, 2"),
        (Wanted("g0_0", 0, capacity=3.0), "--capacity", "none of 3"),
        (Wanted("g0_0", 0, capacity=1.0, candidate="mtan"), "--candidate", "none of mtan"),
    ],
)
def test_a_training_must_be_there_and_alone(kept: tuple[Store, str], wanted: Wanted, where: str, words: str) -> None:
    with pytest.raises(InputError) as raised:
        find_training(kept[0], kept[0].run(kept[1]), wanted)
    assert raised.value.where == where
    assert words in str(raised.value)


def test_one_that_failed_then_has_nothing_to_compare(kept: tuple[Store, str]) -> None:
    with pytest.raises(NoResultError, match="non-finite loss at step 7"):
        find_training(kept[0], kept[0].run(kept[1]), Wanted("g0_1", 1))


@pytest.mark.parametrize(("network", "code", "identical"), [("g0_0", 0, True), ("g0_0+g0_1+g1_0", 3, False)])
def test_the_exit_code_says_whether_it_is_the_same(
    kept: tuple[Store, str],
    network: str,
    code: int,
    identical: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    import search.execution.ray_executor as rays

    monkeypatch.setattr(rays, "RayExecutor", lambda *_: InlineExecutor())
    options = ["--network", network, "--seed", "0" if identical else "1", "--capacity", "1"]
    assert run_cli(["reproduce", kept[1], *options, "--json"]) == code
    shown = json.loads(capsys.readouterr().out)
    assert shown["identical"] is identical
    assert bool(shown["differences"]) is not identical
    assert run_cli(["reproduce", kept[1], *options]) == code
    text = capsys.readouterr().out
    assert ("bit for bit what is stored" in text) is identical
    assert ("validation losses differ by up to 1.0e-06" in text) is not identical
