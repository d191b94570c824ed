"""The pieces of a policy search against closed forms: samples, losses on policies, schedule, draws."""

from __future__ import annotations

import math
from itertools import combinations
from typing import get_args

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from grouping.errors import InfeasibleError
from grouping.policy import Mode, Policy
from search.networks.cost import trunk_layers
from search.networks.shape import TrunkShape
from search.networks.sharing import Sampling
from search.networks.sharing_cost import policy_cost
from search.networks.units import built_in_units
from search.policy.draws import capped, drawn_policies, guarded, likeliest
from search.policy.logits import PolicyLogits, allowed_modes, prefixed
from search.policy.regularizers import (
    Regularizer,
    expected_cost,
    official_sharing,
    official_sparsity,
    unlikeness,
)
from search.policy.schedule import Schedule

SHAPE = TrunkShape("resmlp", 9, (12, 12, 12, 12))
UNITS = built_in_units(SHAPE, 0, 0)
SELECT: tuple[Mode, ...] = ("shared", "skip")
ALL: tuple[Mode, ...] = ("shared", "own", "skip")
BRANCH: tuple[Mode, ...] = ("shared", "own")


def logits_of(modes: tuple[Mode, ...], n_tasks: int = 3, seed: int = 0, *, prefix: bool = False) -> PolicyLogits:
    logits = PolicyLogits(allowed_modes(UNITS, modes), n_tasks, prefix=prefix)
    with torch.no_grad():
        logits.values_LTM.normal_(generator=torch.Generator().manual_seed(seed))
    return logits


def test_modes_that_a_unit_cannot_have_have_no_probability() -> None:
    probability_LTM = logits_of(ALL).probabilities()
    assert (probability_LTM[0, :, 2] == 0).all()
    assert (probability_LTM[1:] > 0).all()
    assert torch.allclose(probability_LTM.sum(dim=2), torch.ones(4, 3))


@pytest.mark.parametrize("modes", [SELECT, ALL])
def test_samples_choose_as_often_as_the_probabilities_say(modes: tuple[Mode, ...]) -> None:
    logits, generator = logits_of(modes), torch.Generator().manual_seed(1)
    samples = [logits.sample(1.0, "straight-through", generator).detach() for _ in range(4000)]
    drawn = torch.stack(samples).mean(dim=0)
    assert torch.allclose(drawn, logits.probabilities().detach(), atol=0.04)


def test_straight_through_samples_are_one_mode_with_the_gradient_of_soft_ones() -> None:
    gradients: list[torch.Tensor] = []
    for sampling in get_args(Sampling):
        logits = logits_of(ALL)
        sample_LTM = logits.sample(0.7, sampling, torch.Generator().manual_seed(2))
        assert torch.allclose(sample_LTM.sum(dim=2), torch.ones(4, 3))
        if sampling == "straight-through":
            assert torch.minimum(sample_LTM.abs(), (1 - sample_LTM).abs()).max() < 1e-6
        gradients += torch.autograd.grad((sample_LTM * torch.arange(3)).sum(), logits.values_LTM)
    assert gradients[0].any()
    assert torch.allclose(gradients[0], gradients[1], atol=1e-6)


def test_a_cold_soft_sample_is_one_mode() -> None:
    sample_LTM = logits_of(SELECT).sample(1e-4, "soft", torch.Generator().manual_seed(3))
    assert torch.minimum(sample_LTM, 1 - sample_LTM).max() < 1e-3


def test_what_is_own_stays_own() -> None:
    weights_LTM = torch.tensor([[[0.9, 0.1]], [[0.5, 0.5]], [[1.0, 0.0]]])
    assert torch.allclose(prefixed(weights_LTM)[:, 0, 0], torch.tensor([0.9, 0.45, 0.45]))
    logits = logits_of(BRANCH, prefix=True)
    shared_LT = logits.probabilities()[..., 0]
    assert (shared_LT.diff(dim=0) <= 1e-7).all()
    probability_LTM = torch.softmax(logits.masked(), dim=2)
    for policy in drawn_policies(probability_LTM, BRANCH, 20, torch.Generator().manual_seed(0), prefix=True):
        assert all("os" not in task for task in str(policy).split(","))


# Losses on policies


def test_the_official_losses_on_the_same_logits() -> None:
    """Written out as the official code computes them, unit by unit and pair by pair."""
    logits_LTM = torch.randn(5, 3, 2, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    n_open = 3
    sparsity = 0.0
    for task in range(3):
        entropies = []
        for unit in range(5 - n_open, 5):
            select, skip = logits_LTM[unit, task].tolist()
            alpha = math.exp(select) / (math.exp(select) + math.exp(skip))
            entropies.append(-math.log(1 - alpha))
        sparsity += sum(entropies) / n_open
    sharing = sum(
        (unit + 1) / 5 * abs(float(logits_LTM[unit, i, 0]) - float(logits_LTM[unit, j, 0]))
        for i, j in combinations(range(3), 2)
        for unit in range(5)
    )
    assert float(official_sparsity(logits_LTM, n_open)) == pytest.approx(sparsity, abs=1e-6)
    assert float(official_sharing(logits_LTM)) == pytest.approx(sharing, abs=1e-6)
    both = Regularizer(SELECT, 0.05, 0.02, variant="official-code")
    found = both(logits_LTM, torch.softmax(logits_LTM, dim=2), UNITS, n_open)
    assert float(found) == pytest.approx(0.05 * sparsity + 0.02 * sharing, abs=1e-6)


@pytest.mark.parametrize(("n_open", "sparsity"), [(4, 3.9793407917022705), (2, 4.428510665893555)])
def test_the_official_losses_are_the_numbers_that_the_official_functions_give(n_open: int, sparsity: float) -> None:
    """``get_sparsity_loss2`` and ``get_hamming_loss`` with the options of the shipped settings, on these logits."""
    logits_LTM = torch.tensor(
        [[[0.5 + 0.3 * unit - 0.2 * task, 0.1 * task * unit - 0.4] for task in range(3)] for unit in range(4)]
    )
    assert float(official_sparsity(logits_LTM, n_open)) == pytest.approx(sparsity, abs=1e-6)
    assert float(official_sharing(logits_LTM)) == pytest.approx(2.0, abs=1e-6)


def test_unlikeness_is_the_papers_for_share_or_skip() -> None:
    probability_LTM = logits_of(SELECT).probabilities().detach()
    alpha_LT = probability_LTM[..., 0]
    by_hand = sum(
        (4 - unit) / 4 * abs(float(alpha_LT[unit, i] - alpha_LT[unit, j]))
        for i, j in combinations(range(3), 2)
        for unit in range(4)
    )
    assert float(unlikeness(probability_LTM, SELECT)) == pytest.approx(by_hand, abs=1e-6)


def test_copies_of_ones_own_are_not_alike() -> None:
    own_LTM = torch.tensor([[[0.0, 1.0, 0.0]] * 2] * 4)
    shared_LTM = torch.tensor([[[1.0, 0.0, 0.0]] * 2] * 4)
    assert float(unlikeness(shared_LTM, ALL)) == 0
    assert float(unlikeness(own_LTM, ALL)) == pytest.approx(1 + 0.75 + 0.5 + 0.25)


def test_expected_cost_counts_flops() -> None:
    stem, block = 2 * 9 * 12, 2 * 2 * 12 * 12
    all_shared = torch.tensor([[[1.0, 0.0]] * 3] * 4)
    assert float(expected_cost(all_shared, UNITS, SELECT)) == pytest.approx(1.0)
    half = all_shared.clone()
    half[1:] = 0.5
    assert float(expected_cost(half, UNITS, SELECT)) == pytest.approx((stem + 1.5 * block) / (stem + 3 * block))
    own = torch.tensor([[[0.0, 1.0]] * 3] * 4)
    assert float(expected_cost(own, UNITS, BRANCH)) == pytest.approx(1.0)
    assert float(expected_cost(all_shared, UNITS, BRANCH)) == pytest.approx(1 / 3)


def test_below_the_target_there_is_nothing_to_gain() -> None:
    logits = logits_of(SELECT)
    for target, pulls in ((0.99, False), (0.1, True)):
        loss = Regularizer(SELECT, 1.0, 0.0, target)(logits.values_LTM, logits.probabilities(), UNITS, 4)
        (gradient_LTM,) = torch.autograd.grad(loss, logits.values_LTM)
        assert bool(gradient_LTM.any()) == pulls


# Schedule


@settings(max_examples=50)
@given(
    warm_up=st.integers(0, 5),
    rounds=st.integers(1, 6),
    weight_steps=st.integers(1, 4),
    policy_steps=st.integers(1, 4),
    n_units=st.integers(1, 5),
    curriculum=st.integers(0, 3),
)
def test_units_open_from_the_last_on_and_steps_are_counted(
    warm_up: int, rounds: int, weight_steps: int, policy_steps: int, n_units: int, curriculum: int
) -> None:
    schedule = Schedule(warm_up, rounds, weight_steps, policy_steps, n_units, curriculum)
    counts = {"warm-up": 0, "weights": 0, "policy": 0}
    for step in range(schedule.steps):
        assert schedule.done(step) == tuple(counts.values())
        place = schedule.place(step)
        counts[place.phase] += 1
        if place.phase == "warm-up":
            assert place.n_open == 0
        else:
            opened = n_units if curriculum == 0 else min(n_units, place.round // curriculum + 1)
            assert place.n_open == opened
            assert place.temperature == max(0.3, 5.0 * 0.965**place.round)
    assert counts == {"warm-up": warm_up, "weights": rounds * weight_steps, "policy": rounds * policy_steps}
    assert schedule.done(schedule.steps) == tuple(counts.values())


def test_a_search_like_a_training_opens_every_unit_by_half_and_ends_cold() -> None:
    schedule = Schedule.like_a_training(12, 2000, 256, 4)
    assert schedule.warm_up == 2 * 8
    assert schedule.warm_up + schedule.rounds * schedule.weight_steps >= 12 * 8
    half = schedule.warm_up + (schedule.rounds // 2 + 1) * (schedule.weight_steps + schedule.policy_steps)
    assert schedule.place(half).n_open == 4
    assert schedule.place(schedule.steps - 1).temperature == 0.3


# Draws


def test_every_task_keeps_a_path() -> None:
    probability_LTM = torch.tensor([[[1.0, 0.0]] * 2, [[0.2, 0.8]] * 2, [[0.4, 0.6]] * 2, [[0.1, 0.9]] * 2])
    empty = Policy.parse("s---,s---")
    assert str(guarded(empty, probability_LTM, SELECT)) == "s-s-,s-s-"
    assert likeliest(probability_LTM, SELECT) == empty
    for policy in drawn_policies(probability_LTM, SELECT, 30, torch.Generator().manual_seed(0)):
        assert all("s" in task[1:] for task in str(policy).split(","))


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 10_000), share=st.floats(0.3, 2.0), modes=st.sampled_from([SELECT, ALL]))
def test_no_draw_ever_costs_more_than_the_cap(seed: int, share: float, modes: tuple[Mode, ...]) -> None:
    layers = trunk_layers(SHAPE)
    full = sum(layer.flops for layer in layers)
    probability_LTM = logits_of(modes, seed=seed).probabilities().detach()

    def cost(policy: Policy) -> float:
        return policy_cost(policy, layers).flops / full

    generator = torch.Generator().manual_seed(seed)
    least = min(cost(Policy.parse(task)) for task in ("ss--", "s-s-", "s--s"))
    if share < least:
        with pytest.raises(InfeasibleError) as refused:
            drawn_policies(probability_LTM, modes, 4, generator, cost=cost, cap=share)
        assert (refused.value.minimum_budget or 0) > share
    else:
        drawn = drawn_policies(probability_LTM, modes, 4, generator, cost=cost, cap=share)
        assert drawn
        assert all(cost(policy) <= share for policy in drawn)


def test_one_trunk_can_be_made_cheaper_though_leaving_it_alone_costs_more() -> None:
    layers = trunk_layers(SHAPE)
    full = sum(layer.flops for layer in layers)
    probability_LTM = torch.full((4, 3, 2), 0.5)
    probability_LTM[0] = torch.tensor([1.0, 0.0])
    hard = Policy.all_shared(3, 4)
    found = capped(hard, probability_LTM, SELECT, lambda p: policy_cost(p, layers).flops / full, 0.5)
    assert policy_cost(found, layers).flops <= 0.5 * full
