"""A training that was stopped and carried on is bitwise the one that never stopped, in every engine and any company."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from search.training.experiment import Experiment
from search.training.fused import train_fused
from search.training.packs import TrainPack, train_plain
from search.trials import Course, TrainingState, Trial, TrialResult
from tests.search.training.planted import planted, planted_experiment

TRIALS = (
    Trial(("t0",), 1.0, 1),
    Trial(("t1", "t2"), 1.0, 1),
    Trial(("t0", "t1", "t2", "t3"), 1.0, 2),
    Trial(("t3",), 1.0, 3),
)
ENGINES: Sequence[TrainPack] = (train_plain, train_fused)


def stopped_experiment(**training: Any) -> Experiment:
    """9 steps of an epoch, read after 5 and 9 of them: a third of the readings ends within an epoch."""
    settings = {"epochs": 3, "batch_size": 34, "readings_per_epoch": 2, "weight_decay": 0.01} | training
    return planted_experiment(planted(missing=0.2), **settings)


def results(train: TrainPack, experiment: Experiment, courses: Sequence[Course]) -> list[TrialResult]:
    found = train(experiment, tuple(courses))
    assert all(isinstance(result, TrialResult) for result in found), found
    return [result for result in found if isinstance(result, TrialResult)]


def part(trial: Trial, fraction: float, start: TrainingState | None = None) -> Course:
    return Course(replace(trial, fraction=fraction), start, keep_state=True)


def state_of(result: TrialResult) -> TrainingState:
    """Where a result stopped, after a journey to another process."""
    assert result.state is not None
    state = pickle.loads(pickle.dumps(result.state))  # noqa: S301  (our own bytes)
    assert isinstance(state, TrainingState)
    return state


def assert_same_place(one: TrialResult, other: TrialResult) -> None:
    assert one.steps_S.tobytes() == other.steps_S.tobytes()
    assert one.curve_TS.tobytes() == other.curve_TS.tobytes()
    mine, theirs = state_of(one), state_of(other)
    assert (mine.trial, mine.loss_limits) == (theirs.trial, theirs.loss_limits)
    (here,), (there,) = mine.networks, theirs.networks
    assert (here.step, here.streams) == (there.step, there.streams)
    for name in ("values", "means", "squares"):
        arrays, expected = getattr(here, name), getattr(there, name)
        assert list(arrays) == list(expected)
        assert all(array.tobytes() == expected[key].tobytes() for key, array in arrays.items())


@pytest.mark.parametrize("train", ENGINES)
@pytest.mark.parametrize("cuts", [(1 / 3, 1.0), (0.5, 1.0), (1 / 6, 0.5, 2 / 3, 1.0)])
def test_carrying_on_is_bitwise_never_having_stopped(train: TrainPack, cuts: Sequence[float]) -> None:
    experiment = stopped_experiment()
    courses = [part(trial, cuts[0]) for trial in TRIALS]
    for cut in cuts[1:]:
        states = [state_of(result) for result in results(train, experiment, courses)]
        courses = [part(trial, cut, state) for trial, state in zip(TRIALS, states, strict=True)]
    whole = results(train, experiment, [part(trial, 1.0) for trial in TRIALS])
    for carried, expected in zip(results(train, experiment, courses), whole, strict=True):
        assert_same_place(carried, expected)


def test_survivors_go_on_in_another_pack_than_they_came_from() -> None:
    experiment = stopped_experiment()
    first = results(train_fused, experiment, [part(trial, 0.5) for trial in TRIALS])
    survivors = [3, 1]
    second = [part(TRIALS[place], 1.0, state_of(first[place])) for place in survivors]
    for place, carried in zip(survivors, results(train_fused, experiment, second), strict=True):
        (alone,) = results(train_fused, experiment, [part(TRIALS[place], 1.0)])
        assert_same_place(carried, alone)


def test_an_engine_goes_on_from_the_state_of_another_up_to_rounding() -> None:
    experiment = stopped_experiment()
    (plain,) = results(train_plain, experiment, [part(TRIALS[1], 0.5)])
    (carried,) = results(train_fused, experiment, [part(TRIALS[1], 1.0, state_of(plain))])
    (whole,) = results(train_plain, experiment, [part(TRIALS[1], 1.0)])
    assert carried.curve_TS == pytest.approx(whole.curve_TS, rel=1e-5)


def test_what_exploded_losses_are_measured_by_is_remembered() -> None:
    for train in ENGINES:
        (first,) = results(train, stopped_experiment(), [part(TRIALS[0], 0.5)])
        state = state_of(first)
        assert state.loss_limits[0] >= 1e6
        (failed,) = train(stopped_experiment(), (part(TRIALS[0], 1.0, replace(state, loss_limits=(1e-9,))),))
        assert "exploding loss at step" in getattr(failed, "reason", "")


def test_a_state_is_given_only_when_asked_for() -> None:
    for train in ENGINES:
        (result,) = results(train, stopped_experiment(), [Course(TRIALS[0])])
        assert result.state is None


def test_only_single_search_trials_are_carried_on_and_only_further() -> None:
    (result,) = results(train_plain, stopped_experiment(), [part(TRIALS[0], 0.5)])
    carried = partial(Course, start=state_of(result))
    for wrong in (TRIALS[1], replace(TRIALS[0], seed=9), replace(TRIALS[0], fraction=0.25)):
        with pytest.raises(ValueError, match="is no start for"):
            carried(wrong)
    for unfit in (replace(TRIALS[0], copies=2), replace(TRIALS[0], phase="confirm", reference=(1.0,))):
        with pytest.raises(ValueError, match="only search trials of one copy"):
            Course(unfit, keep_state=True)


def test_trials_of_different_age_do_not_meet_in_a_pack() -> None:
    (result,) = results(train_fused, stopped_experiment(), [part(TRIALS[0], 0.5)])
    with pytest.raises(ValueError, match="unequal sharing, capacity, fraction, split or start"):
        train_fused(stopped_experiment(), (part(TRIALS[0], 1.0, state_of(result)), part(TRIALS[1], 1.0)))
