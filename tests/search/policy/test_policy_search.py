"""Whole searches: planted policies are found, limits hold exactly, and a search goes on as if it had never stopped."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor

from grouping.policy import Mode, Policy
from search.errors import TrialError
from search.networks.hard_sharing import hard_sharing
from search.networks.heads import Heads
from search.networks.shape import Norm, TrunkShape
from search.networks.sharing import Sampling
from search.networks.units import built_in_units
from search.policy.draws import likeliest
from search.policy.policy_search import PolicySearch, SearchState, in_two
from search.policy.regularizers import Regularizer
from search.policy.schedule import Schedule
from search.policy.supernet import Supernet, weights_of
from search.training.adam import Adam
from search.training.loop import batches
from search.training.losses import TaskBlock
from search.training.residence import ResidentPart
from search.trials import stream_seed

SELECT: tuple[Mode, ...] = ("shared", "skip")
ALL: tuple[Mode, ...] = ("shared", "own", "skip")
SHAPE = TrunkShape("resmlp", 8, (16,) * 7)
"""A stem and six blocks that can be skipped."""


def supernet_of(n_tasks: int, modes: Sequence[Mode] = SELECT, shape: TrunkShape = SHAPE, seed: int = 0) -> Supernet:
    heads = [torch.Generator().manual_seed(100 + seed + t) for t in range(n_tasks)]
    outputs = [1] * n_tasks
    return Supernet(built_in_units(shape, seed, seed), Heads(shape.widths[-1], outputs, heads), outputs, modes)


def block(n_tasks: int) -> list[TaskBlock]:
    return [TaskBlock("regression", slice(0, n_tasks), slice(0, n_tasks))]


def random_policy(n_tasks: int, seed: int) -> Policy:
    rng = np.random.default_rng(seed)
    return Policy(
        tuple(tuple("skip" if level and rng.random() < 0.5 else "shared" for level in range(7)) for _ in range(n_tasks))
    )


def taught(teacher: Supernet, policy: Policy, rows: int = 800, seed: int = 0) -> ResidentPart:
    """What a network of a policy says of random rows; its heads are scaled so that targets vary by 1."""
    inputs_NF = torch.randn(rows, SHAPE.n_inputs, generator=torch.Generator().manual_seed(seed))
    weights_LTM = weights_of(policy, teacher.modes)
    with torch.no_grad():
        spread_T = teacher.eval()(inputs_NF, weights_LTM).std(dim=0)
        teacher.heads.weight.div_(spread_T[:, None])
        teacher.heads.bias.div_(spread_T)
        targets_NT = teacher(inputs_NF, weights_LTM)
    return ResidentPart(inputs_NF, targets_NT, torch.ones_like(targets_NT))


def only_policy(steps: int, n_units: int = 7) -> Schedule:
    """Weights are never touched: every turn is one step of the policy."""
    return Schedule(0, steps, 0, 1, n_units, curriculum=0, decay=0.99)


def search_of(
    supernet: Supernet,
    part: ResidentPart,
    schedule: Schedule,
    *,
    sparsity: float = 0.0,
    alike: float = 0.0,
    sampling: Sampling = "soft",
    seed: int = 0,
    start: SearchState | None = None,
) -> PolicySearch:
    return PolicySearch(
        supernet,
        block(supernet.n_tasks),
        part,
        schedule,
        Regularizer(supernet.modes, sparsity, alike),
        batch_size=256,
        learning_rate=1e-2,
        sampling=sampling,
        seed=seed,
        start=start,
    )


@pytest.mark.parametrize("seed", range(5))
def test_a_planted_policy_is_found_whole_where_the_weights_are_the_teachers(seed: int) -> None:
    """It can end in a local optimum: of the first 16 seeds one does, with 16 of 18 choices right."""
    policy = random_policy(3, seed)
    teacher = supernet_of(3, seed=seed)
    part = taught(teacher, policy, seed=seed)
    search = search_of(teacher, part, only_policy(300), seed=seed)
    search.advance(300)
    assert likeliest(search.probabilities().detach(), SELECT) == policy


def likeness(probability_LTM: Tensor) -> float:
    return 1 - float((probability_LTM[1:, 0, 0] - probability_LTM[1:, 1, 0]).abs().mean())


def found_likeness(policies: tuple[Policy, Policy], seed: int, alike: float = 0.0) -> float:
    """Of two tasks that policies of one teacher taught."""
    teacher = supernet_of(2, seed=seed)
    with torch.no_grad():  # equal heads: tasks differ by their ways only
        teacher.heads.weight[1], teacher.heads.bias[1] = teacher.heads.weight[0], teacher.heads.bias[0]
    both = Policy((policies[0].modes_TL[0], policies[1].modes_TL[0]))
    search = search_of(teacher, taught(teacher, both, seed=seed), only_policy(200), alike=alike, seed=seed)
    search.advance(200)
    return likeness(search.probabilities().detach())


def test_unrelated_tasks_differ_more_than_identical_ones() -> None:
    """Without the loss that draws tasks together: with it, unrelated tasks come out alike as well."""
    identical, unrelated = [], []
    for seed in range(5):
        one, other = random_policy(1, seed), random_policy(1, seed + 50)
        identical.append(found_likeness((one, one), seed))
        unrelated.append(found_likeness((one, other), seed))
    assert np.mean(unrelated) < np.mean(identical) - 0.1


def test_identical_tasks_come_out_alike_with_the_loss_for_it() -> None:
    one = random_policy(1, 1)
    assert found_likeness((one, one), 1, alike=0.05) >= 0.98


def test_the_more_sparsity_weighs_the_less_is_run() -> None:
    """At a fixed seed, mean probabilities never rise by more than a hair."""
    part = taught(supernet_of(2), random_policy(2, 3))
    means = []
    for sparsity in (0.0, 0.005, 0.02, 0.1, 0.5):
        search = search_of(supernet_of(2, seed=9), part, Schedule(20, 10, 8, 8, 7, 0, decay=0.8), sparsity=sparsity)
        search.advance(10_000)
        means.append(float(search.probabilities().detach()[1:, :, 0].mean()))
    assert all(later <= earlier + 0.02 for earlier, later in pairwise(means))
    assert means[-1] < means[0] - 0.2


def test_with_a_huge_weight_everything_is_skipped_but_the_guarded_minimum() -> None:
    part = taught(supernet_of(2), random_policy(2, 3))
    search = search_of(supernet_of(2), part, only_policy(300), sparsity=1000.0)
    search.advance(300)
    probability_LTM = search.probabilities().detach()
    assert (probability_LTM[1:, :, 0] < 0.05).all()
    assert str(likeliest(probability_LTM, SELECT)) == "s------,s------"


def test_with_every_unit_closed_it_is_the_training_of_hard_sharing() -> None:
    part = taught(supernet_of(2), random_policy(2, 3))
    supernet = supernet_of(2, seed=5)
    hard = hard_sharing(SHAPE, [1, 1], 5, [105, 106])
    search = search_of(supernet, part, Schedule(30, 0, 0, 0, 7))
    search.advance(30)
    optimizer = Adam(hard.parameters(), 1e-2)
    rows = batches(part, 256, stream_seed(0, "order", "warm-up"), 0)
    for _ in range(30):
        inputs_NF, targets_NT, _ = next(rows)
        optimizer.step((hard(inputs_NF) - targets_NT).square().mean(dim=0).sum())
    theirs = dict(hard.named_parameters())
    shared = [value for name, value in supernet.named_parameters() if "-skip" not in name and "heads" not in name]
    for ours, trunk in zip(shared, [v for name, v in theirs.items() if "heads" not in name], strict=True):
        assert torch.equal(ours, trunk)


def test_one_task_alone_can_be_searched() -> None:
    policy = random_policy(1, 4)
    teacher = supernet_of(1, seed=2)
    part = taught(teacher, policy)
    search = search_of(teacher, part, only_policy(300))
    search.advance(300)
    assert likeliest(search.probabilities().detach(), SELECT) == policy


def test_closed_units_are_shared_exactly_and_their_logits_stand_still() -> None:
    part = taught(supernet_of(2), random_policy(2, 3))
    schedule = Schedule(4, 3, 2, 2, 7, curriculum=1)
    search = search_of(supernet_of(2), part, schedule)
    for turn in range(3):
        search.advance(4 + (turn + 1) * 4)
        probability_LTM = search.history_RLTM[turn]
        n_open = turn + 1
        assert (probability_LTM[: 7 - n_open, :, 0] == 1).all()
        assert (search.logits.values_LTM[: 7 - n_open] == 0).all()
        assert (search.logits.values_LTM[7 - n_open :] != 0).any()


@pytest.mark.parametrize("sampling", ["soft", "straight-through"])
@pytest.mark.parametrize("modes", [SELECT, ALL])
@pytest.mark.parametrize("stop", [3, 7, 9, 16, 22])
def test_it_goes_on_in_every_phase_as_if_it_had_never_stopped(
    stop: int, modes: tuple[Mode, ...], sampling: Sampling
) -> None:
    """Stops in the warm-up, between phases, within weights and within the policy's turn; with masks and statistics."""
    shape = TrunkShape("resmlp", 8, (16,) * 4, norm="batch", dropout=0.1)
    part = taught(supernet_of(2), random_policy(2, 3))
    schedule = Schedule(5, 4, 3, 2, 4, curriculum=1, decay=0.7)

    def search(start: SearchState | None = None) -> PolicySearch:
        own = supernet_of(2, modes, shape, seed=3)
        return search_of(own, part, schedule, sparsity=0.1, alike=0.01, sampling=sampling, start=start)

    whole = search()
    whole.advance(schedule.steps)
    first = search()
    first.advance(stop)
    second = search(first.state())
    assert second.done == stop
    second.advance(schedule.steps)
    for one, other in zip(whole.supernet.state_dict().values(), second.supernet.state_dict().values(), strict=True):
        assert torch.equal(one, other)
    assert torch.equal(whole.logits.values_LTM, second.logits.values_LTM)
    assert np.array_equal(whole.history_RLTM, second.history_RLTM)
    assert len(whole.history_RLTM) == 4


def test_parts_for_weights_and_policy_share_no_row() -> None:
    part = ResidentPart(torch.arange(50.0)[:, None], torch.zeros(50, 1), torch.ones(50, 1))
    weights, policy = (set(own.inputs_NF[:, 0].tolist()) for own in in_two(part, 3))
    assert not weights & policy
    assert (len(weights), len(policy)) == (40, 10)


def test_a_task_without_labels_for_the_policy_is_refused_with_a_way_out() -> None:
    part = taught(supernet_of(2), random_policy(2, 3), rows=50)
    part.labelled_NT[:, 1] = 0
    part.labelled_NT[0, 1] = 1
    with pytest.raises(TrialError, match="no label in one of them") as refused:
        search_of(supernet_of(2), part, only_policy(3))
    assert refused.value.fix


@pytest.mark.parametrize("norm", ["none", "batch"])
def test_a_network_of_the_searched_weights_says_what_the_search_says(norm: Norm) -> None:
    """With normalisation for each task, tasks that come the same way take over the first one's."""
    shape = TrunkShape("resmlp", 8, (16,) * 4, norm=norm)
    supernet = supernet_of(3, ALL, shape, seed=3)
    part = taught(supernet_of(3), random_policy(3, 3))
    search_of(supernet, part, Schedule(5, 4, 3, 2, 4, decay=0.7)).advance(100)
    supernet.eval()
    for text in ("sss-,soss,s-os", "ssss,s---,so-o", "ooo-,sss-,s-so"):
        policy = Policy.parse(text)
        features = supernet.static(policy).eval()(part.inputs_NF)
        theirs = supernet(part.inputs_NF, weights_of(policy, ALL))
        apart = 3 if norm == "none" else 1 + (text[0] == "o")
        for t, values in enumerate(features[:apart]):
            heads = supernet.heads.weight[t : t + 1], supernet.heads.bias[t : t + 1]
            assert torch.allclose(torch.nn.functional.linear(values, *heads)[:, 0], theirs[:, t], atol=1e-5)
