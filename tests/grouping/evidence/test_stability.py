"""Selection frequencies: certain where the choice is clear, even where nothing differs, honest with three seeds."""

from __future__ import annotations

import numpy as np
import pytest

from grouping.candidates import Candidates, FloatArray
from grouping.errors import InputError
from grouping.evidence import bootstrap, selection_frequency
from grouping.losses import LossTable, single_task_losses
from grouping.solver.baselines import exhaustive
from grouping.solver.solution import Solution

MEMBERS = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [1, 0, 1], [0, 1, 1]], dtype=bool)


def table(mean_C: list[float], noise: float, seeds: int = 3, seed: int = 0) -> LossTable:
    """Three tasks alone and in pairs; every member of a candidate has the same mean loss."""
    rng = np.random.default_rng(seed)
    losses_RCT = np.array(mean_C)[:, None] + noise * rng.standard_normal((seeds, 6, 3))
    return LossTable(
        Candidates(("a", "b", "c"), MEMBERS, np.ones(6)),
        np.where(MEMBERS, losses_RCT, np.nan),
        tuple(map(str, range(seeds))),
    )


def choose(drawn: LossTable) -> Solution:
    """The best two networks for relative losses, the reference measured anew."""
    relative_CT = drawn.scaled(single_task_losses(drawn)).mean_CT
    objective, chosen = exhaustive(relative_CT, drawn.candidates.cost_C, 2.0)
    members_GT = drawn.candidates.members_CT[list(chosen)]
    offered_GT = np.where(members_GT, relative_CT[list(chosen)], np.inf)
    losses_T = offered_GT.min(axis=0)
    return Solution(
        objective, objective, 2.0, 2.0, np.array(chosen), offered_GT.argmin(axis=0), members_GT, losses_T, 0.0
    )


CLEAR = [1.0, 1.0, 1.0, 0.9, 1.2, 1.2]
TIED = [1.0, 1.0, 1.0, 1.1, 1.1, 1.1]


def test_a_clear_choice_is_made_every_time() -> None:
    found = selection_frequency(table(CLEAR, 0.005), choose, 50, np.random.default_rng(0))
    assert found.grouping == ("a+b", "c")
    assert (found.frequency, found.draws) == (1.0, 50)
    assert found.groupings == {("a+b", "c"): 1.0}
    assert found.pairs == {("a", "b"): 1.0}


def test_choices_that_are_all_the_same_are_made_about_equally_often() -> None:
    shares = []
    for seed in range(30):
        found = selection_frequency(table(TIED, 0.02, seed=seed), choose, 40, np.random.default_rng(seed))
        shares.append(found.frequency)
        assert sum(found.groupings.values()) == pytest.approx(1)
        assert found.frequency == found.groupings.get(found.grouping, 0.0)
    assert 0.4 < np.mean(shares) < 0.8  # the measured winner is ahead by the noise that made it win; three can win


def test_a_task_trained_for_the_others_sake_counts_as_together_where_one_of_them_is_served() -> None:
    def overlapping(drawn: LossTable) -> Solution:
        members_GT = np.array([[True, True, False], [False, True, True]])
        return Solution(1, 1, 2, 2, np.array([3, 5]), np.array([0, 1, 1]), members_GT, np.ones(3), 0.0)

    found = selection_frequency(table(CLEAR, 0.01), overlapping, 4, np.random.default_rng(0))
    assert found.grouping == ("a+b", "b+c")
    assert found.pairs == {("a", "b"): 1.0, ("b", "c"): 1.0}


@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_resampled_means_vary_as_the_means_of_fresh_seeds_would(seeds: int) -> None:
    deviations = []
    for seed in range(12):
        drawn_means: list[FloatArray] = []
        measured = table(CLEAR, 0.05, seeds, seed)

        def remember(drawn: LossTable, to: list[FloatArray] = drawn_means) -> Solution:
            to.append(drawn.mean_CT)
            return choose(drawn)

        selection_frequency(measured, remember, 100, np.random.default_rng(seed))
        deviations.append(np.array(drawn_means[1:]) - measured.mean_CT)
    spread = np.nanstd(np.concatenate(deviations))
    assert spread == pytest.approx(0.05 / np.sqrt(seeds), rel=0.15)


def test_what_a_seed_does_to_all_candidates_alike_does_not_unsettle_the_choice() -> None:
    calm = table(CLEAR, 0.002)
    luck_R = np.array([0.7, 1.3, 1.0])[:, None, None]
    shifted = LossTable(calm.candidates, calm.losses_RCT + luck_R, calm.seeds)
    assert selection_frequency(shifted, choose, 50, np.random.default_rng(0)).frequency == 1.0


def test_the_same_generator_gives_the_same_frequencies_in_any_unit() -> None:
    measured = table(TIED, 0.02)
    hundred_T = np.array([1.0, 100.0, 1.0])
    scaled = LossTable(measured.candidates, measured.losses_RCT * hundred_T, measured.seeds)
    found = [selection_frequency(t, choose, 40, np.random.default_rng(0)) for t in (measured, measured, scaled)]
    assert found[0] == found[1] == found[2]


def test_cells_keep_their_missing_seeds_and_losses_stay_positive() -> None:
    measured = table(CLEAR, 0.9, seed=5)
    losses_RCT = np.abs(measured.losses_RCT)
    losses_RCT[2, 4] = np.nan

    def check(drawn: LossTable) -> Solution:
        assert np.array_equal(np.isnan(drawn.losses_RCT), np.isnan(losses_RCT))
        assert np.nanmin(drawn.losses_RCT) > 0
        return choose(drawn)

    selection_frequency(LossTable(measured.candidates, losses_RCT, measured.seeds), check, 50, np.random.default_rng(0))


def test_one_seed_says_nothing_about_another() -> None:
    with pytest.raises(InputError, match="two seeds"):
        selection_frequency(table(CLEAR, 0.1, seeds=1), choose, 10, np.random.default_rng(0))
    with pytest.raises(InputError, match="0 draws"):
        selection_frequency(table(CLEAR, 0.1), choose, 0, np.random.default_rng(0))


def test_plain_arrays_give_the_same_kind_of_answer() -> None:
    measured = table(CLEAR, 0.005)
    found = bootstrap(measured.losses_RCT, measured.candidates.cost_C, budget=2.0, draws=20)
    assert found.grouping == ("0+1", "2")
    assert found.frequency == 1.0
    assert found == bootstrap(measured.losses_RCT, measured.candidates.cost_C, budget=2.0, draws=20)
    alone = bootstrap(measured.losses_RCT, measured.candidates.cost_C, budget=3.0, max_networks=2, draws=20)
    assert len(alone.grouping) == 2
    with pytest.raises(InputError, match="expected"):
        bootstrap(measured.mean_CT, measured.candidates.cost_C, budget=2.0)
