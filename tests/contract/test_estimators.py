"""What every estimator promises: it fills gaps, says which, touches nothing else, and finds effects that are there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import pytest
from scipy.stats import spearmanr

from grouping.candidates import BoolArray, Candidates, FloatArray, IntArray
from grouping.errors import InputError
from grouping.estimators.early_stopping import early_stopping
from grouping.estimators.higher_order import higher_order
from grouping.estimators.linear_surrogate import linear_surrogate
from grouping.estimators.linearised import Expansion, Linearisation, linearised, subset_ratios
from grouping.estimators.one_run import from_runs
from grouping.estimators.pair_scores import from_pair_scores
from grouping.losses import LossTable

TASKS = ("a", "b", "c", "d", "e")
N = len(TASKS)
SEEDS = ("0", "1", "2")
GROUPS = [group for size in range(1, N + 1) for group in combinations(range(N), size)]
DIRECTIONS = 6


@dataclass(frozen=True, eq=False)
class World:
    """Tasks that gain from each partner by itself, in equal shares of the group, with a little noise."""

    gain_TT: FloatArray
    truth: LossTable

    @property
    def candidates(self) -> Candidates:
        return self.truth.candidates

    def measured(self, known_C: BoolArray) -> LossTable:
        return replace(self.truth, losses_RCT=np.where(known_C[:, None], self.truth.losses_RCT, np.nan))

    def reordered(self, order_T: IntArray) -> World:
        """The same world with its tasks in another order."""
        members_CT = self.candidates.members_CT[:, order_T]
        names = tuple(TASKS[t] for t in order_T)
        candidates = Candidates(names, members_CT, self.candidates.cost_C)
        truth = LossTable(candidates, self.truth.losses_RCT[:, :, order_T], SEEDS)
        return World(self.gain_TT[np.ix_(order_T, order_T)], truth)


def world(seed: int, noise: float = 0.0) -> World:
    rng = np.random.default_rng(seed)
    gain_TT = rng.normal(0, 0.1, (N, N))
    np.fill_diagonal(gain_TT, 0.0)
    members_CT = np.array([[t in group for t in range(N)] for group in GROUPS])
    candidates = Candidates(TASKS, members_CT, np.ones(len(GROUPS)))
    share_CT = np.maximum(members_CT.sum(axis=1) - 1, 1)[:, None]
    relative_CT = 1 - (members_CT @ gain_TT.T) / share_CT
    level_T = rng.uniform(0.5, 3.0, N)
    losses_RCT = relative_CT * level_T * (1 + noise * rng.standard_normal((len(SEEDS), len(GROUPS), N)))
    return World(gain_TT, LossTable(candidates, np.where(members_CT, losses_RCT, np.nan), SEEDS))


def singles_and_all(table: LossTable) -> BoolArray:
    sizes_C = table.candidates.size_C
    return np.asarray((sizes_C == 1) | (sizes_C == N))


def with_pairs(made: World) -> LossTable:
    return made.measured(made.candidates.size_C <= 2)


def some_groups(made: World) -> LossTable:
    """Every third group of two or more: which ones does not depend on the order of the tasks."""
    return made.measured(singles_and_all(made.truth) | (np.arange(len(GROUPS)) % 2 == 0))


def directions(made: World) -> Linearisation:
    """Each task pulls along its own direction; one that helps another pulls it the right way too."""
    pull_TD = np.zeros((N, DIRECTIONS))
    order = [TASKS.index(task) for task in made.candidates.tasks]
    for t, u in np.ndindex(N, N):
        pull_TD[t, order[u]] = 1.0 if t == u else 4 * made.gain_TT[t, u]
    # Hardly any ridge is felt: each task moves its own direction by a fixed amount, and the others read its effect.
    training = Expansion(np.ones(N), -np.eye(N, DIRECTIONS)[order], np.stack([np.eye(DIRECTIONS)] * N) / 10)
    return Linearisation(training, Expansion(np.ones(N), -pull_TD / 50, np.zeros((N, DIRECTIONS, DIRECTIONS))))


def scores(made: World, table: LossTable, name: str) -> LossTable:
    runs = dict.fromkeys(table.seeds, made.gain_TT)
    return from_runs(table, name, runs)


def from_linearisation(made: World, table: LossTable) -> LossTable:
    ratio_CT = subset_ratios(directions(made), table.candidates.members_CT)
    return linearised(table, np.stack([ratio_CT] * len(table.seeds)))


@dataclass(frozen=True)
class Estimator:
    """One of them: what it is given of a world, what it makes of that, and how well it must rank what is left.

    The mean over partners is this world's own law; a sum (the surrogate) and losses alone only come near it.
    """

    given: Callable[[World], LossTable]
    run: Callable[[World, LossTable], LossTable]
    ranks: float
    described: Callable[..., LossTable]


ESTIMATORS = {
    "higher-order": Estimator(with_pairs, lambda w, t: higher_order(t), 0.99, higher_order),
    "linear-surrogate": Estimator(some_groups, lambda w, t: linear_surrogate(t), 0.65, linear_surrogate),
    "look-ahead": Estimator(
        lambda w: w.measured(singles_and_all(w.truth)), lambda w, t: scores(w, t, "look-ahead"), 0.6, from_pair_scores
    ),
    "first-order": Estimator(
        lambda w: w.measured(singles_and_all(w.truth)), lambda w, t: scores(w, t, "first-order"), 0.6, from_pair_scores
    ),
    "cosine": Estimator(
        lambda w: w.measured(singles_and_all(w.truth)), lambda w, t: scores(w, t, "cosine"), 0.6, from_pair_scores
    ),
    "linearised": Estimator(lambda w: w.measured(singles_and_all(w.truth)), from_linearisation, 0.6, linearised),
}
each = pytest.mark.parametrize("name", ESTIMATORS)


@each
def test_what_was_measured_stays_and_every_gap_is_filled_and_marked(name: str) -> None:
    made, estimator = world(0, noise=0.02), ESTIMATORS[name]
    given = estimator.given(made)
    full = estimator.run(made, given)
    known_CT = given.replicates_CT > 0
    assert full.estimated_CT is not None
    np.testing.assert_array_equal(full.losses_RCT[:, known_CT], given.losses_RCT[:, known_CT])
    np.testing.assert_array_equal(full.estimated_CT, made.candidates.members_CT & ~known_CT)
    np.testing.assert_array_equal(~np.isnan(full.losses_RCT).all(axis=0), made.candidates.members_CT)
    assert full.seeds == SEEDS


@each
def test_effects_of_single_partners_are_found(name: str) -> None:
    estimator = ESTIMATORS[name]
    found = []
    for seed in range(6):
        made = world(seed)
        given = estimator.given(made)
        full = estimator.run(made, given)
        assert full.estimated_CT is not None
        for t in range(N):
            open_C = full.estimated_CT[:, t]
            found.append(spearmanr(full.mean_CT[open_C, t], made.truth.mean_CT[open_C, t])[0])
    assert np.mean(found) >= estimator.ranks


@each
def test_the_order_of_the_tasks_does_not_matter(name: str) -> None:
    made, estimator = world(1, noise=0.02), ESTIMATORS[name]
    order_T = np.array([3, 0, 4, 1, 2])
    turned = made.reordered(order_T)
    one = estimator.run(made, estimator.given(made)).mean_CT
    other = estimator.run(turned, estimator.given(turned)).mean_CT
    np.testing.assert_allclose(other, one[:, order_T], rtol=1e-9)


@each
def test_the_unit_of_a_task_does_not_matter(name: str) -> None:
    made, estimator = world(2, noise=0.02), ESTIMATORS[name]
    unit_T = np.array([1.0, 10.0, 0.1, 3.0, 7.0])
    larger = replace(made, truth=replace(made.truth, losses_RCT=made.truth.losses_RCT * unit_T))
    one = estimator.run(made, estimator.given(made)).mean_CT
    other = estimator.run(larger, estimator.given(larger)).mean_CT
    # The penalty of a ridge regression is on gains, not on units; nothing else depends on them at all.
    np.testing.assert_allclose(other, one * unit_T, rtol=1e-9)


@each
def test_a_complete_table_stays_as_it_is(name: str) -> None:
    made = world(3, noise=0.02)
    full = ESTIMATORS[name].run(made, made.truth)
    np.testing.assert_array_equal(full.losses_RCT, made.truth.losses_RCT)
    assert full.estimated_CT is not None
    assert not full.estimated_CT.any()


@each
def test_spread_over_seeds_is_the_uncertainty(name: str) -> None:
    quiet, loud = world(4, noise=0.0), world(4, noise=0.1)
    estimator = ESTIMATORS[name]
    spread = []
    for made in (quiet, loud):
        full = estimator.run(made, estimator.given(made))
        assert full.estimated_CT is not None
        spread.append(float(full.losses_RCT[:, full.estimated_CT].std(axis=0).mean()))
    assert spread[0] < 1e-9
    if name in {"higher-order", "linear-surrogate"}:
        assert spread[1] > 0.01
    else:  # what was seen was the same with every seed here
        assert spread[1] < 1e-9


@each
def test_its_docs_say_what_it_costs_and_when_it_fails(name: str) -> None:
    text = ESTIMATORS[name].described.__doc__ or ""
    assert "Cost:" in text
    assert "Fails where" in text


@pytest.mark.parametrize("name", sorted(set(ESTIMATORS) - {"higher-order"}))
def test_nothing_to_start_from_is_refused(name: str) -> None:
    made = world(5)
    nothing = made.measured(made.candidates.size_C < 0)
    with pytest.raises(InputError, match=r"measured|trained groups"):
        ESTIMATORS[name].run(made, nothing)


def test_scores_of_another_task_set_are_refused() -> None:
    made = world(6)
    table = made.measured(singles_and_all(made.truth))
    with pytest.raises(InputError, match="shape"):
        from_pair_scores(table, np.zeros((3, 4, 4)))


def test_a_pair_that_was_never_seen_together_is_named() -> None:
    made = world(6)
    unseen_TT = made.gain_TT.copy()
    unseen_TT[1, 2] = np.nan
    with pytest.raises(InputError, match="'b' gains from 'c'"):
        from_runs(made.measured(singles_and_all(made.truth)), "cosine", {"0": unseen_TT})


def test_a_seed_without_a_run_gets_anothers() -> None:
    made = world(7)
    table = made.measured(singles_and_all(made.truth))
    np.testing.assert_array_equal(
        from_runs(table, "cosine", {"1": made.gain_TT}).losses_RCT, scores(made, table, "cosine").losses_RCT
    )


def test_no_run_at_all_is_refused() -> None:
    with pytest.raises(InputError, match="could be looked at"):
        from_runs(world(7).truth, "cosine", {})


def test_early_losses_are_marked_whatever_they_are() -> None:
    early = early_stopping(world(8).truth)
    assert early.estimated_CT is not None
    np.testing.assert_array_equal(early.estimated_CT, early.candidates.members_CT)
