"""Policies as values: how they are written, which steps their networks run, what tasks have in common."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grouping.errors import InputError
from grouping.policy import MODES, Mode, Policy, without_modes


def policies(most_tasks: int = 4, most_units: int = 5) -> st.SearchStrategy[Policy]:
    modes = st.sampled_from(MODES)
    return st.integers(1, most_units).flatmap(
        lambda n: st.lists(st.tuples(*[modes] * n), min_size=1, max_size=most_tasks).map(lambda t: Policy(tuple(t)))
    )


@given(policies())
def test_its_text_is_read_back(policy: Policy) -> None:
    assert Policy.parse(str(policy)) == policy


@given(policies())
def test_every_task_takes_one_step_a_unit_in_its_own_mode(policy: Policy) -> None:
    for task, modes_L in enumerate(policy.modes_TL):
        taken: list[Mode] = []
        step = policy.ends_T[task]
        while step >= 0:
            one = policy.steps[step]
            assert one.level == policy.n_units - 1 - len(taken)
            assert one.task == (task if one.mode == "own" else -1)
            taken.append(one.mode)
            step = one.source
        assert tuple(reversed(taken)) == modes_L


@given(policies())
def test_a_way_that_tasks_have_in_common_is_gone_once(policy: Policy) -> None:
    steps = [(step.level, step.mode, step.task, step.source) for step in policy.steps]
    assert len(steps) == len(set(steps))
    for one in range(policy.n_tasks):
        for other in range(one):
            pairs = zip(policy.modes_TL[one], policy.modes_TL[other], strict=True)
            apart = any(pair[0] != pair[1] or pair[0] == "own" for pair in pairs)
            assert (policy.ends_T[one] != policy.ends_T[other]) == apart


@given(policies())
def test_ways_through_what_is_shared_are_numbered(policy: Policy) -> None:
    for level in range(policy.n_units):
        for mode in ("shared", "skip"):
            paths = [step.path for step in policy.steps if (step.level, step.mode) == (level, mode)]
            assert paths == list(range(len(paths)))


def test_hard_sharing_is_one_step_a_unit() -> None:
    hard = Policy.all_shared(5, 3)
    assert hard.is_hard
    assert len(hard.steps) == 3
    assert hard.shared_with(0, 4) == 1


def test_what_two_tasks_have_in_common_is_counted_over_the_units_that_either_uses() -> None:
    policy = Policy.parse("ss-o,s--s,----")
    assert policy.shared_with(0, 1) == pytest.approx(1 / 3)  # units 1, 2 and 4 are used, the first by both
    assert policy.shared_with(0, 2) == 0
    assert policy.shared_with(2, 2) == 0  # two that use nothing have nothing in common


@pytest.mark.parametrize("text", ["", "ss,s", "sx", "ss, s"])
def test_what_is_no_policy_is_refused(text: str) -> None:
    with pytest.raises(InputError) as refused:
        Policy.parse(text)
    assert refused.value.fix


def test_it_says_why_a_trunk_cannot_have_it() -> None:
    policy = Policy.parse("s-,ss")
    assert policy.refusal([False, True]) == ""
    assert "2 units, the trunk has 3" in policy.refusal([False, True, True])
    assert policy.refusal([True, False]) == "unit 2 cannot be skipped"


@pytest.mark.parametrize(
    ("label", "way"),
    [
        ("", ""),
        ("mtan", "mtan"),
        ("adashare modes=ss,s-", "adashare"),
        ("automtl modes=so,s- rate=0.5", "automtl rate=0.5"),
    ],
)
def test_networks_of_one_way_may_differ_in_what_was_found(label: str, way: str) -> None:
    assert without_modes(label) == way
