"""What every strategy keeps to, and what the better ones reach that the plainest does not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from grouping.acquisition import STRATEGIES, Goals, Situation
from grouping.acquisition.expected_improvement import ExpectedImprovement, improvement_C
from grouping.candidates import BoolArray, Candidates, FloatArray
from grouping.losses import LossTable
from grouping.posterior import Belief
from tests.grouping.posterior.planted import every_group, planted_losses, planted_table

NAMES = list(STRATEGIES)


def situation(trained: list[int], *, seeds: int = 1, n_tasks: int = 5, seed: int = 0, unit: float = 1.0) -> Situation:
    """Singles, the all-in-one and some others are trained, each with every seed."""
    table, _ = planted_table(n_tasks, seeds, 0.0 if seeds == 1 else 0.02, np.random.default_rng(seed))
    sizes_C = table.candidates.size_C
    free_C = (sizes_C == 1) | (sizes_C == n_tasks)
    known_C = free_C | np.isin(np.arange(len(sizes_C)), trained)
    losses_RCT = unit * np.where(known_C[:, None], table.losses_RCT, np.nan)
    goals = Goals(table.candidates, (2.0, 3.0))
    trainable_C: BoolArray = ~free_C if seeds > 1 else ~known_C
    return Situation(goals, replace(table, losses_RCT=losses_RCT), trainable_C, np.ones(len(sizes_C)), exact=seeds == 1)


def propose(name: str, here: Situation, count: int, seed: int = 0) -> list[int]:
    return STRATEGIES[name]().propose(here, count, np.random.default_rng(seed))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("seeds", [1, 3])
def test_it_proposes_as_many_as_asked_each_once_and_only_what_can_be_trained(name: str, seeds: int) -> None:
    here = situation([6, 7, 20], seeds=seeds)
    for count in (1, 4):
        chosen = propose(name, here, count)
        assert len(chosen) == len(set(chosen)) == count
        assert here.trainable_C[chosen].all()


@pytest.mark.parametrize("name", NAMES)
def test_the_last_groups_are_found(name: str) -> None:
    here = situation([c for c in range(31) if c not in (8, 17)])
    assert sorted(propose(name, here, 5)) == [8, 17]


@pytest.mark.parametrize("name", NAMES)
def test_the_same_random_numbers_give_the_same_proposal(name: str) -> None:
    assert propose(name, situation([9]), 3, seed=4) == propose(name, situation([9]), 3, seed=4)


@pytest.mark.parametrize("name", ["expected-improvement", "pairs"])
def test_the_unit_of_the_losses_does_not_matter(name: str) -> None:
    one, other = situation([9, 10, 22]), situation([9, 10, 22], unit=1000.0)
    assert propose(name, one, 3) == propose(name, other, 3)


def test_pairs_come_first_and_then_what_they_promise() -> None:
    here = situation([])
    assert (here.goals.candidates.size_C[propose("pairs", here, 10)] == 2).all()
    larger = propose("pairs", situation(list(range(5, 15))), 2)
    assert (here.goals.candidates.size_C[larger] > 2).all()


def test_the_dearest_of_equals_is_worth_least() -> None:
    here = situation([9, 10, 22])
    first = ExpectedImprovement().propose(here, 1, np.random.default_rng(0))[0]
    seconds_C = np.ones(31)
    seconds_C[first] = 1e6
    dear = replace(here, seconds_C=seconds_C)
    assert ExpectedImprovement().propose(dear, 1, np.random.default_rng(0))[0] != first


def test_nothing_is_gained_from_measuring_exactly_once_more() -> None:
    here = situation([9, 10, 22])
    everything = replace(here, trainable_C=np.ones(31, dtype=bool))
    believed = Belief(here.goals.candidates.members_CT).of(here.measured, exact=True)
    gain_C = improvement_C(everything, believed)
    assert (gain_C >= 0).all()
    assert gain_C[here.trained_C].max() < 1e-9


def test_a_noisy_member_of_a_close_call_is_worth_another_seed() -> None:
    here = situation(list(range(5, 30)), seeds=3, seed=1)
    once = np.where(np.arange(3)[:, None, None] < 1, here.measured.losses_RCT, np.nan)
    free_C = ~here.trainable_C
    losses_RCT = np.where(free_C[None, :, None], here.measured.losses_RCT, once)
    noisy = replace(here, measured=replace(here.measured, losses_RCT=losses_RCT))
    believed = Belief(here.goals.candidates.members_CT).of(noisy.measured, exact=False)
    assert improvement_C(noisy, believed)[noisy.trained_C].max() > 0


def test_a_network_that_fills_the_budget_does_not_end_the_search() -> None:
    here = situation([9, 10, 22])
    candidates, whole = here.goals.candidates, 30
    members_CT = np.vstack([candidates.members_CT, candidates.members_CT[whole]])
    wide = Candidates(candidates.tasks, members_CT, np.append(candidates.cost_C, 3.0))
    perfect_RCT = 0.1 * here.measured.losses_RCT[:, [whole]]
    measured = LossTable(wide, np.concatenate([here.measured.losses_RCT, perfect_RCT], axis=1), ("0",))
    goals, trainable_C = Goals(wide, (3.0,)), np.append(here.trainable_C, False)
    beside = Situation(goals, measured, trainable_C, np.ones(32), exact=True)
    believed = Belief(members_CT).of(measured, exact=True)
    plain = replace(here, goals=Goals(candidates, (3.0,)))
    alone = Belief(candidates.members_CT).of(plain.measured, exact=True)
    known_CT = np.vstack([alone.mean_CT, measured.mean_CT[-1:]])
    sd_CT = np.vstack([alone.sd_CT, np.zeros((1, 5))])
    gain_C = improvement_C(beside, replace(believed, mean_CT=known_CT, sd_CT=sd_CT))
    assert gain_C[:31] == pytest.approx(improvement_C(plain, alone))
    assert gain_C.max() > 0


def test_where_nothing_trained_fits_what_would_is_worth_a_finite_gain() -> None:
    here = situation([9, 10, 22])
    losses_RCT = here.measured.losses_RCT.copy()
    losses_RCT[:, here.goals.candidates.size_C > 1] = np.nan  # five single tasks are left, and room for three networks
    stuck = replace(here, measured=replace(here.measured, losses_RCT=losses_RCT))
    stuck = replace(stuck, trainable_C=here.goals.candidates.size_C > 1)
    gain_C = improvement_C(stuck, Belief(here.goals.candidates.members_CT).of(stuck.measured, exact=True))
    assert np.isfinite(gain_C).all()
    assert gain_C.max() > 0


def captured(name: str, losses_CT: FloatArray, groups: int, seed: int) -> float:
    candidates = every_group(losses_CT.shape[1])
    goals = Goals(candidates, (2.0, 3.0))
    sizes_C = candidates.size_C
    known_C = (sizes_C == 1) | (sizes_C == candidates.n_tasks)
    strategy, rng = STRATEGIES[name](), np.random.default_rng(seed)

    def total(usable_C: BoolArray) -> float:
        found = [goals.best(losses_CT, limit, usable_C) for limit in goals.limit_K]
        return float(sum(solution.objective for solution in found if solution is not None))

    start, best = total(known_C), total(np.ones(len(sizes_C), dtype=bool))
    for _ in range(groups):
        table = LossTable(candidates, np.where(known_C[:, None], losses_CT, np.nan)[None], ("0",))
        here = Situation(goals, table, ~known_C, np.ones(len(sizes_C)), exact=True)
        known_C[strategy.propose(here, 1, rng)] = True
    return (start - total(known_C)) / (start - best)


def test_expected_improvement_finds_more_than_random_groups_on_planted_tables() -> None:
    reached: dict[str, list[float]] = {"random": [], "expected-improvement": []}
    for seed in range(6):
        losses_CT = planted_losses(every_group(5), np.random.default_rng(seed))
        for name, values in reached.items():
            values.append(captured(name, losses_CT, 8, seed))
    assert np.mean(reached["expected-improvement"]) > np.mean(reached["random"]) + 0.15
