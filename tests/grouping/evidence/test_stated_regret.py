"""Stated regret: what a choice may lose is said beforehand, and comes out so on planted tables."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from grouping.candidates import Candidates
from grouping.errors import InputError
from grouping.evidence import TableBelief, stated_regret
from grouping.losses import LossTable
from grouping.solver.solution import Solution
from grouping.solver.solve import solve
from tests.grouping.posterior.planted import every_group, planted_losses


def measured(true_CT: np.ndarray, seeds: int, noise: float, share: float, rng: np.random.Generator) -> LossTable:
    candidates = every_group(true_CT.shape[1])
    size_C = candidates.size_C
    known_C = (size_C == 1) | (size_C == candidates.n_tasks) | (rng.random(len(size_C)) < share)
    losses_RCT = true_CT * np.exp(noise * rng.standard_normal((seeds, *true_CT.shape)))
    return LossTable(candidates, np.where(known_C[:, None], losses_RCT, np.nan), tuple(map(str, range(seeds))))


def belief_of(table: LossTable) -> TableBelief:
    return TableBelief(table, np.ones(len(table.candidates), dtype=bool))


def trained(table: LossTable) -> np.ndarray:
    return np.asarray((table.replicates_CT > 0).any(axis=1))


def chosen_by(losses_CT: np.ndarray, table: LossTable) -> Solution:
    """The best two trained networks."""
    index, candidates = np.flatnonzero(trained(table)), table.candidates
    found = solve(losses_CT[index], candidates.cost_C[index], 2.0, members_CT=candidates.members_CT[index])
    return replace(found, chosen=index[found.chosen])


def test_the_realised_regret_lies_within_the_interval_nine_times_in_ten() -> None:
    covered, shrunk, raw = [], [], []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        true_CT = planted_losses(every_group(5), rng)
        table = measured(true_CT, 2, 0.04, 0.6, rng)
        cost_C = table.candidates.cost_C
        belief = belief_of(table)
        choice = chosen_by(belief.mean_CT(), table)
        naive = chosen_by(table.mean_CT, table)
        best = solve(true_CT, cost_C, 2.0).objective
        regrets = [true_CT[s.chosen[s.serves_T], np.arange(5)].sum() - best for s in (choice, naive)]
        found = stated_regret(belief, choice, cost_C, 2.0, rng, draws=60)
        covered.append(found.low - 1e-12 <= regrets[0] <= found.high + 1e-12)
        shrunk.append(regrets[0])
        raw.append(regrets[1])
    assert np.mean(covered) >= 0.8  # nine in ten, less three standard errors of forty tables
    assert np.mean(shrunk) < np.mean(raw), "expected losses choose better than noisy ones"


def test_a_table_known_exactly_leaves_no_regret() -> None:
    rng = np.random.default_rng(0)
    table = measured(planted_losses(every_group(4), rng), 3, 1e-6, 1.0, rng)
    choice = chosen_by(belief_of(table).mean_CT(), table)
    found = stated_regret(belief_of(table), choice, table.candidates.cost_C, 2.0, rng, draws=30)
    assert found.best == 1.0
    assert found.high < 1e-4
    assert not found.untrained


def test_untrained_groups_are_rivals_and_never_chosen() -> None:
    rng = np.random.default_rng(3)
    table = measured(planted_losses(every_group(5), rng), 2, 0.02, 0.2, rng)
    choice = chosen_by(belief_of(table).mean_CT(), table)
    assert trained(table)[choice.chosen].all()
    everyone = stated_regret(belief_of(table), choice, table.candidates.cost_C, 2.0, np.random.default_rng(0))
    few = TableBelief(table, trained(table))
    among = stated_regret(few, choice, table.candidates.cost_C, 2.0, np.random.default_rng(0))
    assert everyone.untrained
    assert not among.untrained
    assert everyone.expected >= among.expected


def test_a_bad_choice_has_more_regret_than_a_good_one() -> None:
    rng = np.random.default_rng(4)
    table = measured(planted_losses(every_group(5), rng), 3, 0.01, 1.0, rng)
    members_CT, cost_C = table.candidates.members_CT, table.candidates.cost_C
    good = solve(table.mean_CT, cost_C, 2.0, members_CT=members_CT)
    bad = solve(-table.mean_CT, cost_C, 2.0, members_CT=members_CT, partition=True)
    stated = [stated_regret(belief_of(table), s, cost_C, 2.0, rng, draws=40) for s in (good, bad)]
    assert stated[1].low > stated[0].high
    assert stated[1].best == 0.0


def test_networks_of_another_cost_are_believed_by_themselves() -> None:
    rng = np.random.default_rng(5)
    table = measured(planted_losses(every_group(4), rng), 2, 0.01, 1.0, rng)
    c = table.candidates
    wide = np.flatnonzero(c.size_C >= 3)
    both = Candidates(c.tasks, np.vstack([c.members_CT, c.members_CT[wide]]), np.r_[c.cost_C, np.full(len(wide), 2.0)])
    losses_RCT = np.concatenate([table.losses_RCT, 0.5 * table.losses_RCT[:, wide]], axis=1)
    mean_CT = belief_of(LossTable(both, losses_RCT, table.seeds)).mean_CT()
    alone_CT = belief_of(table).mean_CT()
    assert mean_CT[: len(c)] == pytest.approx(alone_CT, nan_ok=True)
    assert mean_CT[len(c) :] == pytest.approx(0.5 * table.mean_CT[wide], rel=0.03, nan_ok=True)


def test_a_choice_that_is_not_drawn_is_refused() -> None:
    rng = np.random.default_rng(6)
    table = measured(planted_losses(every_group(4), rng), 2, 0.01, 1.0, rng)
    choice = solve(table.mean_CT, table.candidates.cost_C, 2.0)
    rivals_C = np.ones(len(table.candidates), dtype=bool)
    rivals_C[choice.chosen[0]] = False
    with pytest.raises(InputError, match="not among those that are drawn"):
        stated_regret(TableBelief(table, rivals_C), choice, table.candidates.cost_C, 2.0, rng)


def test_the_same_random_numbers_say_the_same() -> None:
    rng = np.random.default_rng(7)
    table = measured(planted_losses(every_group(4), rng), 2, 0.05, 0.5, rng)
    choice = chosen_by(belief_of(table).mean_CT(), table)
    one, other = (
        stated_regret(belief_of(table), choice, table.candidates.cost_C, 2.0, np.random.default_rng(1)) for _ in "ab"
    )
    assert vars(one) == vars(other)
