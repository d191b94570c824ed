"""What every way to balance tasks does: absent tasks are dropped, a single one is trained as ever, a state goes on."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
import torch
from torch import Tensor

from search.balancing import Balancing, BalancingName
from search.training.balancing import METHODS, Balancer, make_balancer
from search.training.balancing.balancer import Setting

WAYS = [
    *map(Balancing, get_args(BalancingName)),
    Balancing("mgda", normalise="loss+"),
    Balancing("mgda", normalise="l2"),
]
ways = pytest.mark.parametrize("way", WAYS, ids=str)


class Toy:
    """Three regressions: a shared vector, one that only the first two tasks use, and a head of each."""

    def __init__(self, seed: int = 0, n_tasks: int = 3) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.targets_TP = torch.randn(n_tasks, 4, generator=generator)
        self.trunk = [torch.randn(4, generator=generator, requires_grad=True) for _ in range(2)]
        self.heads = [torch.randn(n_tasks, generator=generator, requires_grad=True)]

    def losses(self) -> Tensor:
        shared, partly = self.trunk
        features = [shared + partly if t < 2 else shared for t in range(len(self.targets_TP))]
        return torch.stack(
            [
                (own - f).square().mean() + h.square() + 0.1
                for own, f, h in zip(self.targets_TP, features, self.heads[0], strict=True)
            ]
        )

    def gradients(self, balancer: Balancer, present: list[bool]) -> list[Tensor]:
        torch.manual_seed(5)
        return balancer.gradients(self.losses(), torch.tensor(present), self.trunk, self.heads)


def balancer_of(way: Balancing, n_tasks: int = 3) -> Balancer:
    return make_balancer(way, Setting(n_tasks, [False] * n_tasks, [False] * n_tasks, 0.1, torch.device("cpu")))


def walk(toy: Toy, balancer: Balancer, steps: int, first: int = 0) -> None:
    for step in range(first, first + steps):
        present = [True, True, step % 3 != 0]
        found = toy.gradients(balancer, present)
        with torch.no_grad():
            for parameter, gradient in zip([*toy.trunk, *toy.heads], found, strict=True):
                parameter -= 0.05 * gradient
            if balancer.looks_again:
                balancer.after_step(toy.losses(), torch.tensor(present))
        if step % 2:
            balancer.epoch_ended(toy.losses().detach().double().numpy())


def test_every_name_has_a_method() -> None:
    assert set(METHODS) == set(get_args(BalancingName))


@ways
def test_training_makes_every_loss_smaller(way: Balancing) -> None:
    toy, balancer = Toy(), balancer_of(way)
    before = toy.losses().detach()
    walk(toy, balancer, 60)
    assert float(toy.losses().detach().sum()) < 0.9 * float(before.sum())
    assert all(torch.isfinite(parameter).all() for parameter in [*toy.trunk, *toy.heads])


@ways
def test_a_single_task_is_trained_along_its_own_gradient(way: Balancing) -> None:
    toy = Toy(n_tasks=1)
    plain = torch.autograd.grad(toy.losses()[0], [*toy.trunk, *toy.heads])
    found = toy.gradients(balancer_of(way, 1), [True])
    for one, other in zip(found, plain, strict=True):
        cosine = torch.nn.functional.cosine_similarity(one.flatten(), other.flatten(), dim=0)
        assert float(cosine) == pytest.approx(1.0, abs=1e-5)


@ways
def test_an_absent_task_is_dropped(way: Balancing) -> None:
    """As if the others were alone: whatever its loss is, and its head rests."""
    toy, other = Toy(), Toy()
    other.targets_TP[2] += 100
    one, two = (t.gradients(balancer_of(way), [True, True, False]) for t in (toy, other))
    for a, b in zip(one, two, strict=True):
        assert torch.allclose(a, b, atol=1e-6)
    assert float(one[-1][2]) == 0.0
    assert float(one[0].norm()) > 0


@ways
def test_a_parameter_gets_the_gradients_of_its_users_only(way: Balancing) -> None:
    """The vector that the third task does not use does not hear of its direction."""
    toy, other = Toy(), Toy()
    shared = toy.trunk[0].detach()
    other.targets_TP[2] = 2 * shared - other.targets_TP[2]  # the same loss, the opposite gradient
    if way.name in {"gradnorm", "graddrop"}:
        pytest.skip("its weights look at what all tasks share" if way.name == "gradnorm" else "drops signs at random")
    one, two = (t.gradients(balancer_of(way), [True] * 3) for t in (toy, other))
    assert torch.allclose(one[1], two[1], atol=1e-5)
    assert not torch.allclose(one[0], two[0], atol=1e-3)


@ways
def test_it_goes_on_from_a_state_as_if_it_had_never_stopped(way: Balancing) -> None:
    whole, begun = Toy(), Toy()
    walk(whole, balancer_of(way), 9)
    first = balancer_of(way)
    walk(begun, first, 4)
    second = balancer_of(way)
    second.restore({name: np.array(values) for name, values in first.state().items()})
    walk(begun, second, 5, first=4)
    for one, other in zip([*whole.trunk, *whole.heads], [*begun.trunk, *begun.heads], strict=True):
        assert torch.equal(one, other)


@ways
def test_tasks_that_are_alike_are_treated_alike(way: Balancing) -> None:
    if way.name in {"random", "graddrop"}:
        pytest.skip("treats tasks alike on average only")
    toy, balancer = Toy(n_tasks=2), balancer_of(way, 2)
    with torch.no_grad():
        toy.targets_TP[1] = toy.targets_TP[0]
        toy.heads[0].fill_(0.7)
    for _ in range(5):
        found = toy.gradients(balancer, [True, True])
        assert torch.allclose(found[-1][0], found[-1][1], rtol=1e-5)


@ways
def test_its_text_is_read_back(way: Balancing) -> None:
    assert Balancing.parse(str(way)) == way
