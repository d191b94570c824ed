"""Least regret over draws: what trying every routing finds, for the expectation and for the worst draws, proven."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from grouping.candidates import FloatArray
from grouping.errors import InfeasibleError, InputError
from grouping.evidence import Regrets, least_regret
from grouping.evidence.tail import cvar
from grouping.solver.solve import solve


def draws(rng: np.random.Generator, n_tasks: int, count: int) -> tuple[FloatArray, FloatArray]:
    """Draws whose spread differs a lot between candidates, and costs; every task has a network of its own."""
    extra_CT = rng.random((5, n_tasks)) < 0.5
    members_CT = np.vstack([np.eye(n_tasks, dtype=bool), extra_CT[extra_CT.any(axis=1)]])
    mean_CT = np.where(members_CT, rng.uniform(0.5, 1.5, members_CT.shape), np.nan)
    spread_C1 = rng.uniform(0, 0.6, (len(mean_CT), 1))
    losses_DCT = mean_CT + spread_C1 * rng.standard_normal((count, *mean_CT.shape))
    return losses_DCT, rng.choice([0.5, 1.0, 2.0], len(mean_CT))


def routings(losses_DCT: FloatArray, cost_C: FloatArray, budget: float, options: dict[str, Any]) -> FloatArray:
    """Weighted losses of every routing that the rules allow, [routings, D], found by trying them all."""
    known_CT = ~np.isnan(losses_DCT[0])
    mean_CT = losses_DCT.mean(axis=0)
    tasks = [t for t in range(known_CT.shape[1]) if t not in options.get("auxiliary", ())]
    weight_T = np.array(options.get("weights_T") or np.ones(known_CT.shape[1]))
    found = []
    for servers in itertools.product(*(np.flatnonzero(known_CT[:, t]).tolist() for t in tasks)):
        chosen = sorted(set(servers))
        limits = options.get("at_most", {})
        if cost_C[chosen].sum() > budget * (1 + 1e-11) or len(chosen) > options.get("max_networks", 9):
            continue
        if any(mean_CT[c, t] > limits.get(t, np.inf) for c, t in zip(servers, tasks, strict=True)):
            continue
        if options.get("partition") and (known_CT[np.ix_(chosen, tasks)].sum(axis=0) != 1).any():
            continue
        found.append(losses_DCT[:, list(servers), tasks] @ weight_T[tasks])
    return np.array(found)


RULES: list[dict[str, Any]] = [
    {},
    {"weights_T": [2.0, 1.0, 0.5, 1.5]},
    {"partition": True},
    {"max_networks": 2},
    {"auxiliary": [1]},
    {"at_most": {0: 0.9}},
]


@pytest.mark.parametrize("rules", RULES, ids=lambda rules: next(iter(rules), "plain"))
@pytest.mark.parametrize("tail", [None, 0.1, 0.3, 1.0])
def test_no_routing_has_less_regret(rules: dict[str, Any], tail: float | None) -> None:
    rng = np.random.default_rng([71, len(str(rules))])
    compared = 0
    for _ in range(6):
        losses_DCT, cost_C = draws(rng, 4, int(rng.integers(3, 30)))
        budget = float(rng.choice([3.0, 4.0]))
        value_ND = routings(losses_DCT, cost_C, budget, rules)
        if not len(value_ND):
            with pytest.raises(InfeasibleError):
                least_regret(losses_DCT, cost_C, budget, tail=tail, **rules)
            continue
        optimal_D = value_ND.min(axis=0)
        regret_ND = value_ND - optimal_D
        least = min(float(r.mean()) if tail is None else cvar(r, tail) for r in regret_ND)
        found = least_regret(losses_DCT, cost_C, budget, tail=tail, **rules)
        assert found.optimal_D == pytest.approx(optimal_D, rel=1e-9)
        assert found.value == pytest.approx(least, abs=1e-8)
        assert found.bound == pytest.approx(least, abs=1e-8)
        assert any(np.allclose(found.regret_D, regret_D) for regret_D in regret_ND)
        assert cost_C[found.solution.chosen].sum() <= budget * (1 + 1e-11)
        compared += 1
    assert compared >= 3


@pytest.mark.parametrize("seed", range(4))
def test_the_best_grouping_of_mean_losses_has_the_least_expected_regret(seed: int) -> None:
    losses_DCT, cost_C = draws(np.random.default_rng([72, seed]), 4, 50)
    found = least_regret(losses_DCT, cost_C, 4.0)
    best = solve(losses_DCT.mean(axis=0), cost_C, 4.0)
    assert found.solution.chosen.tolist() == best.chosen.tolist()
    assert found.solution.objective == pytest.approx(best.objective)
    assert found.expected == pytest.approx(best.objective - found.optimal_D.mean())
    assert found.gap == pytest.approx(0, abs=1e-12)


def test_the_tail_trades_mean_loss_for_safety() -> None:
    rng = np.random.default_rng(73)
    losses_DCT, cost_C = draws(rng, 4, 200)
    regrets = Regrets(losses_DCT, cost_C, 4.0)
    mean, safe = regrets.least(), regrets.least(tail=0.1)
    assert safe.value == safe.cvar(0.1) <= mean.cvar(0.1)
    assert safe.expected >= mean.expected
    assert safe.solution.objective >= mean.solution.objective == pytest.approx(safe.solution.bound)


def test_the_tail_of_all_draws_is_the_mean_and_grows_as_it_narrows() -> None:
    regret_D = np.random.default_rng(74).exponential(size=37)
    assert cvar(regret_D, 1.0) == pytest.approx(regret_D.mean())
    assert cvar(regret_D, 1 / 37) == pytest.approx(regret_D.max())
    values = [cvar(regret_D, tail) for tail in np.linspace(0.01, 1, 50)]
    assert values == sorted(values, reverse=True)
    worst = np.sort(regret_D)[::-1]
    assert cvar(regret_D, 3.5 / 37) == pytest.approx((worst[:3].sum() + 0.5 * worst[3]) / 3.5)


def test_a_search_that_runs_out_says_what_it_proved() -> None:
    compared = 0
    for seed in range(4):
        losses_DCT, cost_C = draws(np.random.default_rng([75, seed]), 4, 25)
        whole = least_regret(losses_DCT, cost_C, 4.0, tail=0.2)
        values = []
        for searches in (0, 3, 20):
            cut = least_regret(losses_DCT, cost_C, 4.0, tail=0.2, searches=searches)
            assert cut.bound <= whole.value + 1e-9
            assert cut.value >= whole.value - 1e-9
            values.append(cut.gap)
        compared += values[0] > values[-1]
    assert compared


def test_draws_that_agree_leave_no_regret() -> None:
    losses_DCT, cost_C = draws(np.random.default_rng(76), 4, 1)
    for tail in (None, 0.1):
        found = least_regret(np.repeat(losses_DCT, 5, axis=0), cost_C, 4.0, tail=tail)
        assert found.regret_D.tolist() == [0.0] * 5
        assert (found.value, found.gap, found.error) == (0.0, 0.0, 0.0)
    assert least_regret(losses_DCT, cost_C, 4.0).error == float("inf")


def test_the_standard_error_is_that_of_a_mean() -> None:
    rng = np.random.default_rng(77)
    losses_DCT, cost_C = draws(rng, 3, 1000)
    solution = solve(losses_DCT.mean(axis=0), cost_C, 3.0)
    parts = [Regrets(part, cost_C, 3.0).judge(solution) for part in np.split(losses_DCT, 50)]
    spread = np.std([part.expected for part in parts])
    assert np.mean([part.error for part in parts]) == pytest.approx(spread, rel=0.3)


def test_pairs_that_must_share_and_unused_members_are_respected() -> None:
    rng = np.random.default_rng(78)
    losses_DCT, cost_C = draws(rng, 4, 20)
    pair = next(
        (a, b) for a, b in itertools.combinations(range(4), 2) if (~np.isnan(losses_DCT[0][:, [a, b]])).all(1).any()
    )
    for tail in (None, 0.2):
        found = least_regret(losses_DCT, cost_C, 8.0, tail=tail, together=[pair])
        assert found.solution.members_GT[:, list(pair)].all(axis=1).any()
        assert found.gap < 1e-9


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda losses: losses[0], "expected"),
        (lambda losses: losses[:0], "expected"),
        (lambda losses: np.where(np.arange(3)[:, None, None] == 1, np.nan, losses), "some draws only"),
        (lambda losses: np.where(np.isnan(losses), np.nan, np.inf), "infinite"),
    ],
)
def test_what_is_no_set_of_draws_is_refused(change: Any, message: str) -> None:
    losses_DCT, cost_C = draws(np.random.default_rng(79), 3, 3)
    with pytest.raises(InputError, match=message):
        least_regret(change(losses_DCT), cost_C, 3.0)


@pytest.mark.parametrize("tail", [0.0, 1.5, -0.1, float("nan")])
def test_a_tail_is_a_share(tail: float) -> None:
    losses_DCT, cost_C = draws(np.random.default_rng(79), 3, 3)
    with pytest.raises(InputError, match="share of draws"):
        least_regret(losses_DCT, cost_C, 3.0, tail=tail)


@pytest.mark.parametrize("option", [{"objective": "max"}, {"top": 3}])
def test_regret_is_of_a_sum_and_of_one_grouping(option: dict[str, Any]) -> None:
    losses_DCT, cost_C = draws(np.random.default_rng(79), 3, 3)
    with pytest.raises(InputError, match="takes no"):
        least_regret(losses_DCT, cost_C, 3.0, **option)
