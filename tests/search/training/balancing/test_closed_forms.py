"""Ways to balance against formulas worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from search.balancing import Balancing
from search.training.balancing import Balancer, make_balancer
from search.training.balancing.balancer import Setting
from search.training.balancing.weights import MovingAverage, Uncertainty

CPU = torch.device("cpu")


def setting(n_tasks: int, classes: bool = False, rate: float = 0.1) -> Setting:
    return Setting(n_tasks, [classes] * n_tasks, [False] * n_tasks, rate, CPU)


def merged(balancer: Balancer, rows: list[list[float]], losses: list[float] | None = None) -> Tensor:
    """What becomes of tasks with these gradients (and losses) at one shared vector."""
    shared, head = torch.zeros(len(rows[0]), requires_grad=True), torch.zeros(1, requires_grad=True)
    at = torch.tensor(losses or [1.0] * len(rows))
    losses_T = torch.stack([value + torch.tensor(row) @ shared for value, row in zip(at, rows, strict=True)]) + 0 * head
    return balancer.gradients(losses_T, torch.ones(len(rows), dtype=torch.bool), [shared], [head])[0]


def test_dwa_weights_are_those_of_the_hand_calculation() -> None:
    average = MovingAverage(Balancing("dwa"), setting(2))
    assert average.all_weights().tolist() == [1, 1]
    average.epoch_ended(np.array([2.0, 2.0]))
    assert average.all_weights().tolist() == [1, 1], "two epochs are needed"
    average.epoch_ended(np.array([2.0, 1.0]))
    assert average.all_weights() == pytest.approx([1.1244, 0.8756], abs=5e-5)
    assert average.all_weights().sum() == pytest.approx(2.0)


def test_dwa_tells_nothing_from_an_epoch_without_labels() -> None:
    average = MovingAverage(Balancing("dwa"), setting(3))
    average.epoch_ended(np.array([2.0, 2.0, np.nan]))
    average.epoch_ended(np.array([2.0, 1.0, 3.0]))
    assert average.all_weights() == pytest.approx([1.1244, 0.8756, 1.0], abs=5e-5)


@pytest.mark.parametrize(("classes", "factor"), [(False, 0.5), (True, 1.0)])
def test_uncertainty_weights_find_the_noise_of_each_task(classes: bool, factor: float) -> None:
    """At the optimum of ``factor e^-s L + s / 2`` the noise variance is ``2 factor L``."""
    learnt = Uncertainty(Balancing("uncertainty"), setting(2, classes, rate=0.01))
    losses_K = torch.tensor([0.5, 3.0])
    for _ in range(2000):
        learnt.weights(losses_K, torch.tensor([True, True]), [])
    assert learnt.values_T.exp() == pytest.approx(2 * factor * losses_K, rel=0.01)
    assert learnt.weights(losses_K, torch.tensor([True, True]), []) == pytest.approx(0.5 / losses_K, rel=0.01)


def test_the_geometric_mean_is_blind_to_the_unit_of_a_loss() -> None:
    way = Balancing("geometric-mean")
    one = merged(make_balancer(way, setting(2)), [[1.0, 0.0], [0.0, 1.0]], [2.0, 8.0])
    assert one == pytest.approx(torch.tensor([4.0 / 2, 4.0 / 8]))
    thousandfold = merged(make_balancer(way, setting(2)), [[1000.0, 0.0], [0.0, 1.0]], [2000.0, 8.0])
    assert thousandfold / thousandfold.norm() == pytest.approx(one / one.norm(), rel=1e-5)


def test_imtl_l_makes_scaled_losses_1() -> None:
    balancer = make_balancer(Balancing("imtl-l"), setting(2, rate=0.02))
    for _ in range(800):
        found = merged(balancer, [[1.0, 0.0], [0.0, 1.0]], [0.5, 4.0])
    assert found == pytest.approx(torch.tensor([2.0, 0.25]), rel=0.02)


def test_famo_gives_more_to_the_loss_that_falls_less() -> None:
    balancer, everybody = make_balancer(Balancing("famo"), setting(2)), torch.tensor([True, True])
    for _ in range(50):
        found = merged(balancer, [[1.0, 0.0], [0.0, 1.0]], [1.0, 1.0])
        balancer.after_step(torch.tensor([0.5, 0.99]), everybody)
    assert found[1] > found[0]
    assert float(found.sum()) == pytest.approx(2.0, rel=1e-5)


def test_gradnorm_takes_its_first_step_along_the_formula() -> None:
    """Norms 4 and 1, equal rates: the target is their mean, so the first weight falls and the second grows."""
    balancer = make_balancer(Balancing("gradnorm"), setting(2, rate=0.1))
    first = merged(balancer, [[4.0, 0.0], [0.0, 1.0]])
    assert first == pytest.approx(torch.tensor([4.0, 1.0])), "weights are 1 in the first step"
    second = merged(balancer, [[4.0, 0.0], [0.0, 1.0]])
    assert second == pytest.approx(torch.tensor([4 * 0.9, 1 * 1.1]), rel=1e-4)


def test_gradnorm_gives_more_to_the_task_that_lags() -> None:
    balancer = make_balancer(Balancing("gradnorm"), setting(2, rate=0.05))
    merged(balancer, [[1.0, 0.0], [0.0, 1.0]], [1.0, 1.0])
    for _ in range(20):
        found = merged(balancer, [[1.0, 0.0], [0.0, 1.0]], [0.2, 0.9])
    assert found[1] > 1.2 * found[0]


def test_mgda_finds_the_shortest_mixture_of_two_gradients() -> None:
    one, other = np.array([3.0, 1.0]), np.array([-1.0, 1.0])
    share = np.clip((other - one) @ other / ((one - other) @ (one - other)), 0, 1)
    found = merged(make_balancer(Balancing("mgda"), setting(2)), [one.tolist(), other.tolist()])
    assert found.numpy() == pytest.approx(share * one + (1 - share) * other, abs=1e-3)


@pytest.mark.parametrize("normalise", ["l2", "loss"])
def test_mgda_normalised_is_blind_to_scale(normalise: str) -> None:
    way = Balancing.parse(f"mgda normalise={normalise}")
    one = merged(make_balancer(way, setting(2)), [[3.0, 1.0], [-1.0, 1.0]], [2.0, 1.0])
    other = merged(make_balancer(way, setting(2)), [[300.0, 100.0], [-1.0, 1.0]], [200.0, 1.0])
    assert other / other.norm() == pytest.approx(one / one.norm(), abs=2e-3)


def test_pcgrad_takes_the_conflict_out_of_two_gradients() -> None:
    one, other = np.array([1.0, 0.0]), np.array([-1.0, 1.0])
    wanted = (one - (one @ other) / (other @ other) * other) + (other - (one @ other) / (one @ one) * one)
    found = merged(make_balancer(Balancing("pcgrad"), setting(2)), [one.tolist(), other.tolist()])
    assert found.numpy() == pytest.approx(wanted, abs=1e-5)


@pytest.mark.parametrize("name", ["upgrad", "mgda", "cagrad", "nash-mtl", "imtl-g", "aligned-mtl"])
def test_no_task_is_harmed_where_two_conflict(name: str) -> None:
    rows = [[1.0, 0.2], [-0.5, 1.0]]
    found = merged(make_balancer(Balancing.parse(name), setting(2)), rows)
    assert all(float(torch.tensor(row) @ found) > -1e-4 for row in rows)


@pytest.mark.parametrize("name", ["cagrad", "nash-mtl", "upgrad", "imtl-g", "aligned-mtl", "mgda", "pcgrad"])
def test_a_gradient_that_is_no_number_is_passed_on_and_breaks_no_solver(name: str) -> None:
    found = merged(make_balancer(Balancing.parse(name), setting(2)), [[1.0, math.nan], [-0.5, 1.0]])
    assert found.isnan().any()


def test_random_weights_differ_from_step_to_step_and_average_to_1() -> None:
    torch.manual_seed(0)
    balancer = make_balancer(Balancing("random"), setting(2))
    found = torch.stack([merged(balancer, [[1.0, 0.0], [0.0, 1.0]]) for _ in range(400)])
    assert found.sum(dim=1) == pytest.approx(torch.full((400,), 2.0))
    assert float(found[:, 0].std()) > 0.1
    assert found.mean(dim=0) == pytest.approx(torch.ones(2), abs=3 * 0.5 / math.sqrt(400) + 0.02)


def helped(rows: list[list[float]], auxiliary: list[bool]) -> Tensor:
    balancer = make_balancer(Balancing("agreement"), Setting(len(rows), [False] * len(rows), auxiliary, 0.1, CPU))
    return merged(balancer, rows)


def test_an_auxiliary_task_counts_as_far_as_it_agrees_with_the_main_ones() -> None:
    main, diagonal = [1.0, 0.0], [1.0, 1.0]
    cosine = 1 / math.sqrt(2)
    assert helped([main, diagonal], [False, True]) == pytest.approx(torch.tensor([1 + cosine, cosine]), abs=1e-6)
    assert helped([main, [0.0, 5.0]], [False, True]) == pytest.approx(torch.tensor(main))
    assert helped([main, [-1.0, 5.0]], [False, True]) == pytest.approx(torch.tensor(main))


def test_a_step_of_auxiliary_tasks_alone_is_held_against_the_main_tasks_last_gradient() -> None:
    """Where every step is of one task, they would never be heard otherwise."""
    balancer = make_balancer(Balancing("agreement"), Setting(2, [False] * 2, [False, True], 0.1, CPU))

    def taken(own: Balancer, rows: list[list[float]], present: list[bool]) -> Tensor:
        shared, head = torch.zeros(2, requires_grad=True), torch.zeros(1, requires_grad=True)
        losses_T = torch.stack([torch.tensor(row) @ shared for row in rows]) + 0 * head
        return own.gradients(losses_T, torch.tensor(present), [shared], [head])[0]

    rows, cosine = [[2.0, 0.0], [1.0, 1.0]], 1 / math.sqrt(2)
    assert not taken(balancer, rows, [False, True]).any(), "nothing is known of the main task yet"
    assert taken(balancer, rows, [True, False]) == pytest.approx(torch.tensor([2.0, 0.0]))
    again = make_balancer(Balancing("agreement"), Setting(2, [False] * 2, [False, True], 0.1, CPU))
    again.restore(balancer.state())
    for own in (balancer, again):
        assert taken(own, rows, [False, True]) == pytest.approx(torch.tensor([cosine, cosine]), abs=1e-6)


def test_without_auxiliary_tasks_agreement_is_the_sum_and_without_main_ones_the_trunk_rests() -> None:
    assert helped([[1.0, 0.0], [-3.0, 1.0]], [False, False]) == pytest.approx(torch.tensor([-2.0, 1.0]))
    assert not helped([[1.0, 0.0], [-3.0, 1.0]], [True, True]).any()
