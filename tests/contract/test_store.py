"""What every store keeps: the promises in ``Store``'s docstring, one test each, for every database engine."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from grouping.errors import InputError
from search.errors import StoreError, TrialError
from search.store.records import CurveReading
from search.store.store import Store
from search.trials import LARGEST_LOSS, TestScores, Trial, TrialFailure, TrialResult

TRIAL = Trial(("temp", "rain"), 0.1 + 0.2, 7, reference=(0.1, 1 / 3))
KEY = TRIAL.key("context")


def _result(curve_TS: np.ndarray[tuple[int, ...], np.dtype[np.float64]] | None = None) -> TrialResult:
    curve_TS = np.array([[0.3, 0.2, -0.0], [1e-300, 0.1 + 0.2, 1e99]]) if curve_TS is None else curve_TS
    scores = TestScores(np.array([[1 / 3], [2.0]]), np.array([[4.0], [0.0]]), {"temp": {"RMSE": 4.2}, "rain": {}})
    return TrialResult(np.array([10, 20, 40]), curve_TS, 1.5, "host:1", kept=2, test=scores, weights=b"\x00\xff\x00")


def _assert_same(given: TrialResult, kept: TrialResult) -> None:
    """Equal to the last bit, in kind of number and shape too."""
    assert (kept.seconds, kept.worker, kept.kept, kept.weights) == (
        given.seconds,
        given.worker,
        given.kept,
        given.weights,
    )
    pairs = [(given.steps_S, kept.steps_S), (given.curve_TS, kept.curve_TS)]
    assert (given.test is None) == (kept.test is None)
    if given.test is not None and kept.test is not None:
        assert kept.test.metrics == given.test.metrics
        pairs.append((given.test.cluster_sum_TG, kept.test.cluster_sum_TG))
        pairs.append((given.test.cluster_count_TG, kept.test.cluster_count_TG))
    for one, other in pairs:
        assert (one.dtype, one.shape, one.tobytes()) == (other.dtype, other.shape, other.tobytes())


def test_a_new_run_is_queued_and_remembers_what_was_asked(store: Store) -> None:
    run = store.create_run("Größe ☀", "search", "name: g\n", {"trainings": 3, "f": 0.1}, tasks=["ä"], planned=3)
    record = store.run(run)
    assert (record.name, record.kind, record.state, record.spec) == ("Größe ☀", "search", "queued", "name: g\n")
    assert (record.plan, record.tasks, record.planned) == ({"trainings": 3, "f": 0.1}, ("ä",), 3)
    assert (record.finished, record.failed, record.best, record.started, record.seconds) == (0, 0, None, None, 0.0)


def test_a_result_comes_back_bit_for_bit_after_reopening(store: Store, run: str, reopen: Callable[[], Store]) -> None:
    store.record_result(run, "pairs", TRIAL, KEY, _result())
    with reopen() as again:
        _assert_same(_result(), again.finished_trials(run)[KEY])


_FINITE = st.floats(allow_nan=False, allow_infinity=False, width=64)
_LOSSES = st.floats(-LARGEST_LOSS, LARGEST_LOSS)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    curve_TS=arrays.arrays(np.float64, st.tuples(st.integers(1, 3), st.integers(0, 5)), elements=_LOSSES),
    seconds=_FINITE,
    weights=st.binary(max_size=50),
    metric=_FINITE,
)
def test_every_finite_result_survives_bit_for_bit(
    store: Store,
    run: str,
    curve_TS: np.ndarray[tuple[int, int], np.dtype[np.float64]],
    seconds: float,
    weights: bytes,
    metric: float,
) -> None:
    tasks = tuple(f"task {t}" for t in range(len(curve_TS)))
    scores = TestScores(curve_TS.copy(), np.abs(curve_TS), {"task 0": {"RMSE": metric}})
    result = TrialResult(np.arange(curve_TS.shape[1]), curve_TS, seconds, "h:1", test=scores, weights=weights)
    trial = Trial(tasks, 1.0, 0)
    key = trial.key(f"{curve_TS.tobytes().hex()} {seconds!r} {weights.hex()} {metric!r}")
    store.record_result(run, "pairs", trial, key, result)
    _assert_same(result, store.finished_trials(run)[key])


def test_a_search_result_without_test_scores_and_weights_survives(store: Store, run: str) -> None:
    result = dataclasses.replace(_result(), test=None, weights=b"", kept=-1)
    store.record_result(run, "pairs", TRIAL, KEY, result)
    _assert_same(result, store.finished_trials(run)[KEY])


def test_a_trial_is_listed_as_it_was_trained(store: Store, run: str) -> None:
    store.record_result(run, "pairs", TRIAL, KEY, _result())
    (record,) = store.trials(run)
    assert record.trial == TRIAL
    assert (record.key, record.phase, record.state, record.attempts) == (KEY, "pairs", "finished", 1)
    assert (record.seconds, record.worker, record.kept, record.reason) == (1.5, "host:1", 2, "")


def test_curves_are_rows_by_trial_task_and_step(store: Store, run: str) -> None:
    store.record_result(run, "pairs", TRIAL, KEY, _result(np.array([[3.0, 2.0, 1.0], [6.0, 5.0, 4.0]])))
    assert store.curves(run) == [
        CurveReading(KEY, "rain", 10, 6.0),
        CurveReading(KEY, "rain", 20, 5.0),
        CurveReading(KEY, "rain", 40, 4.0),
        CurveReading(KEY, "temp", 10, 3.0),
        CurveReading(KEY, "temp", 20, 2.0),
        CurveReading(KEY, "temp", 40, 1.0),
    ]


def test_recording_a_finished_trial_again_changes_nothing(store: Store, run: str) -> None:
    store.record_result(run, "pairs", TRIAL, KEY, _result())
    trials, curves = store.trials(run), store.curves(run)
    store.record_result(run, "pairs", TRIAL, KEY, _result(np.full((2, 3), 9.0)))
    store.record_failure(run, "pairs", TRIAL, KEY, TrialFailure("came too late"))
    assert store.trials(run) == trials
    assert store.curves(run) == curves
    _assert_same(_result(), store.finished_trials(run)[KEY])


def test_a_failure_gives_its_reason_and_the_next_attempt_replaces_it(store: Store, run: str) -> None:
    store.record_failure(run, "pairs", TRIAL, KEY, TrialFailure("non-finite loss at step 3", "detail \ud800"))
    (failed,) = store.trials(run)
    assert (failed.state, failed.reason, failed.attempts) == ("failed", "non-finite loss at step 3", 1)
    assert (store.finished_trials(run), store.run(run).failed) == ({}, 1)
    told = store.events(run)[-1]
    assert (told.kind, told.payload["key"], told.payload["reason"]) == ("trial_failed", KEY, failed.reason)
    store.record_result(run, "pairs", TRIAL, KEY, _result())
    (finished,) = store.trials(run)
    assert (finished.state, finished.reason, finished.detail, finished.attempts) == ("finished", "", "", 2)
    assert (store.run(run).finished, store.run(run).failed) == (1, 0)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_losses_that_are_not_finite_are_refused_whole(store: Store, run: str, bad: float) -> None:
    scores = TestScores(np.array([[bad], [1.0]]), np.ones((2, 1)), {})
    with pytest.raises(TrialError, match="test loss is not finite"):
        store.record_result(run, "pairs", TRIAL, KEY, dataclasses.replace(_result(), test=scores))
    curve_TS = np.ones((2, 3))
    result = _result(curve_TS)
    curve_TS[0, 0] = bad  # after the result was made: the store looks for itself
    with pytest.raises(TrialError, match="validation loss is not finite"):
        store.record_result(run, "pairs", TRIAL, KEY, result)
    assert store.trials(run) == []


def test_several_trials_are_kept_together_or_not_at_all(store: Store, run: str) -> None:
    trials = [dataclasses.replace(TRIAL, seed=seed) for seed in range(3)]
    results = [(trial, trial.key("x"), _result()) for trial in trials]
    scores = TestScores(np.array([[np.nan], [1.0]]), np.ones((2, 1)), {})
    bad = (TRIAL, KEY, dataclasses.replace(_result(), test=scores))
    with pytest.raises(TrialError, match="test loss is not finite"):
        store.record_results(run, "pairs", [*results, bad])
    assert store.trials(run) == []
    store.record_results(run, "pairs", results)
    assert list(store.finished_trials(run)) == [key for _, key, _ in results]
    assert len(store.curves(run)) == 3 * _result().curve_TS.size


def test_trials_of_different_runs_do_not_meet(store: Store, run: str) -> None:
    other = store.create_run("other", "recommend", "", {})
    store.set_state(other, "running")
    store.record_result(run, "pairs", TRIAL, KEY, _result())
    store.record_failure(other, "pairs", TRIAL, KEY, TrialFailure("x"))
    assert list(store.finished_trials(run)) == [KEY]
    assert (store.finished_trials(other), store.curves(other)) == ({}, [])


def test_trials_are_accepted_only_while_the_run_is_running(store: Store) -> None:
    run = store.create_run("x", "recommend", "", {})
    for state in ("queued", "cancelled"):
        store.set_state(run, state)
        with pytest.raises(StoreError, match=f"is {state}, nothing was written"):
            store.record_result(run, "pairs", TRIAL, KEY, _result())
    assert store.trials(run) == []


def test_progress_is_kept_and_may_be_given_in_parts(store: Store, run: str) -> None:
    store.set_progress(run, best=0.97)
    store.set_progress(run, planned=40)
    assert (store.run(run).best, store.run(run).planned) == (0.97, 40)


def test_events_come_in_order_and_can_be_continued(store: Store, run: str) -> None:
    store.add_event(run, "phase", {"label": "pairs", "trials": 28})
    events = store.events(run)
    assert [event.kind for event in events] == ["state", "state", "phase"]
    assert [event.payload for event in events] == [
        {"to": "queued"},
        {"from": "queued", "to": "running"},
        {"label": "pairs", "trials": 28},
    ]
    assert store.events(run, after=events[1].number) == events[2:]


def test_latest_and_any_unique_beginning_name_a_run(store: Store) -> None:
    first, second = (store.create_run(name, "recommend", "", {}) for name in ("one", "two"))
    assert store.run("latest").id == second
    assert store.run(first).id == first
    assert store.run(second[: len(second) - 4]).id == second


def test_a_run_is_found_by_its_whole_id_and_by_nobody_else(store: Store) -> None:
    run = store.create_run("one", "recommend", "", {}, principal="ada")
    assert store.find(run) == store.run(run) == store.find(run, principal="ada")
    assert store.find(run, principal="bob") is None
    assert [store.find(text) for text in (run[:-1], "latest", "", "%", "\ud800", "2\x00")] == [None] * 6


@pytest.mark.parametrize("text", ["", "%", "_", "../x", "\ud800", "9" * 400, "2\x00", "LATEST"])
def test_texts_that_are_no_id_name_no_run(store: Store, run: str, text: str) -> None:
    with pytest.raises(InputError, match="there is no run") as caught:
        store.run(text)
    assert run in caught.value.fix


def test_an_ambiguous_beginning_and_a_slip_of_the_pen_are_told(store: Store, run: str) -> None:
    store.create_run("other", "recommend", "", {})
    with pytest.raises(InputError, match="fits 2 runs"):
        store.run("2")
    with pytest.raises(InputError) as caught:
        store.run(run[:-2] + "xy")
    assert caught.value.fix == f"Did you mean '{run}'?"


def test_without_runs_the_way_to_a_first_one_is_shown(store: Store) -> None:
    with pytest.raises(InputError, match="there are no runs yet") as caught:
        store.run("latest")
    assert "taskgroup recommend" in caught.value.fix


def test_runs_are_listed_newest_first_in_pages_with_the_true_total(store: Store) -> None:
    ids = [store.create_run(f"run {i}", "recommend", "", {}) for i in range(5)]
    page = store.list_runs(limit=2, offset=1)
    assert [record.id for record in page.runs] == [ids[3], ids[2]]
    assert page.total == 5


def test_runs_are_filtered_by_state_and_by_a_part_of_the_name(store: Store) -> None:
    weather = store.create_run("NYC Weather", "recommend", "", {})
    percent = store.create_run("100 % sun", "recommend", "", {})
    store.set_state(weather, "running")
    assert [record.id for record in store.list_runs(state="running").runs] == [weather]
    assert [record.id for record in store.list_runs(name="weather").runs] == [weather]
    assert [record.id for record in store.list_runs(name="%").runs] == [percent]
    assert store.list_runs(state="failed") == ((), 0)


def test_runs_are_sorted_as_asked_and_those_without_a_best_come_last(store: Store) -> None:
    runs = {name: store.create_run(name, "recommend", "", {}) for name in ("b", "C", "a")}
    for name, best in (("b", 0.9), ("a", 0.8)):
        store.set_state(runs[name], "running")
        store.set_progress(runs[name], best=best)
    names = {sort: "".join(run.name for run in store.list_runs(sort=sort).runs) for sort in ("created", "name", "best")}
    assert names == {"created": "bCa", "name": "abC", "best": "abC"}
    names = {
        sort: "".join(run.name for run in store.list_runs(sort=sort).runs) for sort in ("-created", "-name", "-best")
    }
    assert names == {"-created": "aCb", "-name": "Cba", "-best": "baC"}
    assert [run.state for run in store.list_runs(sort="state").runs] == ["queued", "running", "running"]


@pytest.mark.parametrize("sort", ["", "-", "name;drop table runs", "number", "--name", "\ud800"])
def test_an_order_that_does_not_exist_is_an_input_error(store: Store, sort: str) -> None:
    with pytest.raises(InputError, match="cannot be sorted by"):
        store.list_runs(sort=sort)


def test_trials_come_in_pages_with_the_true_total(store: Store, run: str) -> None:
    trials = [dataclasses.replace(TRIAL, seed=seed) for seed in range(5)]
    store.record_results(run, "pairs", [(trial, trial.key("x"), _result()) for trial in trials])
    store.record_failure(run, "pairs", TRIAL, KEY, TrialFailure("no"))
    page = store.trial_page(run, limit=2, offset=1)
    assert ([record.trial.seed for record in page.trials], page.total) == ([1, 2], 6)
    failed = store.trial_page(run, state="failed")
    assert ([record.key for record in failed.trials], failed.total) == ([KEY], 1)


@pytest.mark.parametrize("text", ["half \ud800", "nul \0", "line\n\x1b[2J", "'; drop table runs --", "", "\U0001f600"])
def test_any_text_can_be_a_name_and_be_looked_for(store: Store, text: str) -> None:
    run = store.create_run(text, "recommend", text, {"text": text}, tasks=[text], principal=text, request_key=text)
    store.add_event(run, "note", {"text": text})
    assert store.list_runs(name=text, principal=text, kind="recommend").total == 1
    record = store.run(run)
    assert (record.plan, record.tasks) == ({"text": text}, (text,))
    assert store.events(run)[-1].payload == {"text": text}


def test_writers_on_many_threads_take_turns_and_lose_nothing(store: Store, run: str) -> None:
    def write(thread: int) -> None:
        for seed in range(5):
            trial = dataclasses.replace(TRIAL, seed=100 * thread + seed)
            store.record_result(run, "pairs", trial, trial.key("context"), _result())

    threads = [threading.Thread(target=write, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(store.finished_trials(run)) == 20
    assert len(store.curves(run)) == 20 * 6
