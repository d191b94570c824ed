"""Packs hold every trial once, of one kind each, and a failure in one is nobody else's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from search.errors import TrialError
from search.training.experiment import Experiment
from search.training.packs import OneByOne, packed
from search.trials import Course, Trial, TrialFailure, TrialResult

trials = st.lists(
    st.builds(
        Trial,
        tasks=st.just(("a",)),
        capacity=st.sampled_from([0.5, 1.0]),
        seed=st.integers(0, 99),
        copies=st.integers(1, 4),
        fraction=st.sampled_from([0.25, 1.0]),
        split=st.integers(0, 1),
    ),
    max_size=40,
    unique=True,
)


@given(trials, st.dictionaries(st.integers(1, 4), st.integers(1, 8)), st.integers(1, 4))
def test_every_trial_is_in_one_pack_of_its_kind(asked: list[Trial], rooms: dict[int, int], workers: int) -> None:
    def room(trial: Trial) -> int:
        return rooms.get(trial.copies, 5)

    packs = packed(map(Course, asked), room, workers)
    assert sorted((course.trial for pack in packs for course in pack), key=repr) == sorted(asked, key=repr)
    for pack in packs:
        assert len({course.kind for course in pack}) == 1
        assert len(pack) == 1 or sum(course.trial.copies for course in pack) <= min(room(c.trial) for c in pack)


def eight(trial: Trial) -> int:
    return 8


def test_packs_are_as_large_as_allowed_but_leave_work_for_every_worker() -> None:
    many = [Course(Trial(("a",), 1.0, seed)) for seed in range(64)]
    assert [len(pack) for pack in packed(many, eight, 2)] == [8] * 8
    assert [len(pack) for pack in packed(many[:37], eight, 2)] == [7, 6, 6, 6, 6, 6]
    assert [len(pack) for pack in packed(many[:8], eight, 2)] == [4] * 2
    assert [len(pack) for pack in packed(many[:2], eight, 2)] == [1, 1]
    assert packed([], eight, 2) == []


def test_what_one_trial_raises_is_its_own_failure() -> None:
    def moody(experiment: Experiment, trial: Trial) -> TrialResult:
        if trial.seed == 1:
            raise TrialError("hopeless")
        return TrialResult(np.array([1]), np.array([[0.5]]), 0.1, "w:1")

    pack = tuple(Course(Trial(("a",), 1.0, seed)) for seed in range(3))
    found = OneByOne(moody)(Experiment.__new__(Experiment), pack)
    assert [isinstance(result, TrialFailure) for result in found] == [False, True, False]
    failure = found[1]
    assert isinstance(failure, TrialFailure)
    assert failure.reason == "hopeless"
    assert Path(__file__).name in failure.detail
