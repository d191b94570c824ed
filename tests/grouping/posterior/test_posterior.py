"""The posterior over a loss table: calibrated on planted tables, exact where nothing is noisy, blind to units."""

from __future__ import annotations

import numpy as np
import pytest

from grouping.candidates import FloatArray
from grouping.errors import InputError
from grouping.posterior import CellModel, Observations, Posterior, Variances
from grouping.posterior.kernel import LUCK_L, PARTS, PRIOR_LUCK_L, PRIOR_VARIANCE_P, Cells, likeness, self_likeness
from tests.grouping.posterior.planted import every_group, planted_losses, planted_table


def model_of(n_tasks: int) -> CellModel:
    return CellModel(every_group(n_tasks).members_CT)


def posterior_from(model: CellModel, losses_CT: FloatArray, trained: list[int]) -> Posterior:
    """From cells that are known exactly."""
    trained_C = np.isin(np.arange(len(losses_CT)), trained)
    losses_RA = model.cell_of(np.where(trained_C[:, None], losses_CT, np.nan)[None])
    return model.condition(Observations.of(losses_RA, exact=True), model.fit(losses_RA, exact=True))


def lucky(true_CT: FloatArray, seeds: int, alike: float, own: float, rng: np.random.Generator) -> FloatArray:
    """Losses [R, C, T] with two kinds of luck: a seed's price of company, and every training's own."""
    company_C = (~np.isnan(true_CT)).sum(axis=1) - 1
    slope_RT = alike * rng.standard_normal((seeds, true_CT.shape[1]))
    noise_RCT = own * rng.standard_normal((seeds, *true_CT.shape))
    return np.asarray(true_CT + slope_RT[:, None] * company_C[:, None] + noise_RCT)


def some(n_candidates: int, share: float, rng: np.random.Generator) -> list[int]:
    return [int(c) for c in rng.permutation(n_candidates)[: int(share * n_candidates)]]


def test_likeness_is_a_covariance_in_every_respect() -> None:
    cells = Cells.of(every_group(5).members_CT)
    for name, like_AA, variance_A in zip(PARTS, likeness(cells, cells), self_likeness(cells), strict=True):
        assert np.allclose(like_AA, like_AA.T), name
        assert np.linalg.eigvalsh(like_AA).min() > -1e-9, name
        assert np.allclose(np.diag(like_AA), variance_A), name
        assert variance_A.max() == pytest.approx(1.0), name
    assert len(PRIOR_VARIANCE_P) == len(PARTS)
    assert len(PRIOR_LUCK_L) == len(LUCK_L)


def test_large_groups_are_not_expected_to_vary_more_than_small_ones_but_for_the_price_of_size() -> None:
    cells = Cells.of(every_group(6).members_CT)
    size_A = cells.members_AT.sum(axis=1)
    for name, variance_A in zip(PARTS, self_likeness(cells), strict=True):
        if not name.startswith("size"):
            assert variance_A[size_A == 6].max() <= variance_A[size_A == 2].max() + 1e-12


def test_what_was_measured_without_noise_is_known() -> None:
    candidates = every_group(5)
    true_CT = planted_losses(candidates, np.random.default_rng(0))
    posterior = posterior_from(CellModel(candidates.members_CT), true_CT, list(range(15)))
    assert posterior.mean_CT[:15] == pytest.approx(true_CT[:15], abs=1e-4, nan_ok=True)
    assert np.nanmax(posterior.sd_CT[:15]) < 0.05 * np.nanmin(posterior.sd_CT[20:])


def test_intervals_cover_what_was_not_trained() -> None:
    covered = []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        candidates = every_group(6)
        true_CT, trained = planted_losses(candidates, rng), some(63, 0.4, rng)
        posterior = posterior_from(CellModel(candidates.members_CT), true_CT, trained)
        rest = [c for c in range(63) if c not in trained]
        inside_CT = np.abs(posterior.mean_CT - true_CT)[rest] <= 1.645 * posterior.sd_CT[rest]
        covered.append(inside_CT[candidates.members_CT[rest]].mean())
    assert 0.85 <= np.mean(covered) <= 0.96


def test_it_predicts_far_better_than_the_mean() -> None:
    rng = np.random.default_rng(3)
    candidates = every_group(6)
    true_CT, trained = planted_losses(candidates, rng), some(63, 0.4, rng)
    posterior = posterior_from(CellModel(candidates.members_CT), true_CT, trained)
    rest = np.array([c for c in range(63) if c not in trained])
    inside = candidates.members_CT[rest]
    error = (posterior.mean_CT - true_CT)[rest][inside]
    assert (error**2).mean() < 0.35 * true_CT[rest][inside].var()


@pytest.mark.parametrize(("factor", "shift"), [(1000.0, 0.0), (1e-4, 0.0), (1.0, 50.0)])
def test_units_and_zero_points_do_not_matter(factor: float, shift: float) -> None:
    candidates = every_group(5)
    true_CT = planted_losses(candidates, np.random.default_rng(1))
    model, trained = CellModel(candidates.members_CT), list(range(0, 31, 2))
    one, other = posterior_from(model, true_CT, trained), posterior_from(model, factor * true_CT + shift, trained)
    assert other.mean_CT == pytest.approx(factor * one.mean_CT + shift, rel=1e-3, nan_ok=True)
    assert other.sd_CT == pytest.approx(factor * one.sd_CT, rel=5e-2, nan_ok=True)


def test_noise_is_learnt_and_more_seeds_leave_less_doubt() -> None:
    table, _ = planted_table(6, 9, 0.05, np.random.default_rng(2))
    model = CellModel(table.candidates.members_CT)
    losses_RA = model.cell_of(table.losses_RCT)
    variances = model.fit(losses_RA, exact=False)
    one, all_ = (model.condition(Observations.of(some, exact=False), variances) for some in (losses_RA[:1], losses_RA))
    assert np.nanmean(all_.noise_CT) == pytest.approx(0.05, rel=0.2)
    assert (all_.variance_A < one.variance_A).all()


def test_means_say_as_much_as_single_trainings_where_all_have_the_same_seeds() -> None:
    table, _ = planted_table(5, 3, 0.05, np.random.default_rng(3))
    model = CellModel(table.candidates.members_CT)
    losses_RA = model.cell_of(table.losses_RCT)
    losses_RA[:, 20:] = np.nan
    variances = model.fit(losses_RA, exact=False)
    means, single = Observations.of(losses_RA, exact=False), Observations.singly(losses_RA)
    assert len(means.cell_N) * 3 == len(single.cell_N)
    one, other = model.condition(means, variances), model.condition(single, variances)
    assert one.mean_A == pytest.approx(other.mean_A, abs=1e-4)
    assert one.variance_A == pytest.approx(other.variance_A, abs=1e-5)


def test_luck_that_groups_share_is_told_from_that_of_a_single_training() -> None:
    rng = np.random.default_rng(4)
    candidates = every_group(5)
    model, true_CT = CellModel(candidates.members_CT), planted_losses(candidates, rng)
    shared = model.fit(model.cell_of(lucky(true_CT, 6, 0.05, 0.005, rng)), exact=False).luck_L
    own = model.fit(model.cell_of(lucky(true_CT, 6, 0.0, 0.05, rng)), exact=False).luck_L
    names = [PARTS[p] for p in LUCK_L]
    assert names[int(shared.argmax())] == "size for the task"
    assert names[int(own.argmax())] == "cell"


def test_shared_luck_is_not_taken_for_an_effect_of_company() -> None:
    """A seed that makes all company look cheap leaves more doubt than luck of each training by itself."""
    candidates = every_group(5)
    model = CellModel(candidates.members_CT)
    inside: dict[str, list[float]] = {"shared": [], "own": []}
    for seed in range(20):
        rng = np.random.default_rng(seed)
        true_CT = planted_losses(candidates, rng)
        losses_RA = model.cell_of(lucky(true_CT, 3, 0.04, 0.01, rng))
        variances = model.fit(losses_RA, exact=False)
        honest = model.condition(Observations.of(losses_RA, exact=False), variances)
        own_L = np.where(PARTS.index("cell") == LUCK_L, np.nanmean(honest.noise_CT) ** 2, 0.0)
        naive = model.condition(Observations.of(losses_RA, exact=False), Variances(variances.part_P, own_L))
        whole = candidates.size_C == 5
        for name, posterior in (("shared", honest), ("own", naive)):
            inside[name].extend((np.abs(posterior.mean_CT - true_CT) < 1.645 * posterior.sd_CT)[whole].ravel())
    assert np.mean(inside["shared"]) > 0.7  # of nominally 0.9: three seeds say little about what seeds do
    assert np.mean(inside["own"]) < 0.4


def test_draws_have_the_means_and_deviations_they_come_from() -> None:
    candidates = every_group(4)
    true_CT = planted_losses(candidates, np.random.default_rng(4))
    posterior = posterior_from(CellModel(candidates.members_CT), true_CT, [0, 1, 2, 3, 5, 7])
    drawn_DCT = posterior.draws(4000, np.random.default_rng(0))
    assert np.isnan(drawn_DCT[:, ~candidates.members_CT]).all()
    inside = candidates.members_CT
    scale = float(np.nanmax(posterior.sd_CT))
    assert drawn_DCT.mean(axis=0)[inside] == pytest.approx(posterior.mean_CT[inside], abs=0.06 * scale)
    assert drawn_DCT.std(axis=0)[inside] == pytest.approx(posterior.sd_CT[inside], abs=0.06 * scale)


def test_cells_beyond_what_memory_holds_are_refused_for_draws_only() -> None:
    candidates = every_group(10)
    true_CT = planted_losses(candidates, np.random.default_rng(5))
    few = candidates.size_C <= 2
    model = CellModel(np.vstack([candidates.members_CT, candidates.members_CT[~few]]))
    posterior = posterior_from(model, np.vstack([true_CT, true_CT[~few]]), list(np.flatnonzero(few)))
    assert np.isfinite(posterior.sd_CT[model.members_CT]).all()
    with pytest.raises(InputError, match="cannot be drawn together"):
        posterior.draws(1, np.random.default_rng(0))
