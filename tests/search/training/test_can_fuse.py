"""What cannot be trained side by side is found by trying, before any training; what can is trained as if alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.metadata import EntryPoint

import pytest
import torch
from torch import nn

from search.networks import foreign
from search.spec import NetworkSpec
from search.training.experiment import Experiment
from search.training.progress import network_state, restore
from search.training.stacks import can_fuse
from tests.search.training.planted import planted, planted_experiment
from tests.search.training.test_fused import both, search

Build = Callable[[int, Sequence[int], torch.Generator], nn.Module]


def ends_in_linear(n_inputs: int, widths: Sequence[int], generator: torch.Generator) -> nn.Module:
    return nn.Sequential(nn.Linear(n_inputs, widths[0]), nn.ReLU(), nn.Linear(widths[0], widths[-1]))


def other_widths(n_inputs: int, widths: Sequence[int], generator: torch.Generator) -> nn.Module:
    return nn.Sequential(nn.Linear(n_inputs, 50), nn.ReLU(), nn.Linear(50, widths[-1]), nn.ReLU())


def tied(n_inputs: int, widths: Sequence[int], generator: torch.Generator) -> nn.Module:
    twice = nn.Linear(widths[-1], widths[-1])
    return nn.Sequential(nn.Linear(n_inputs, widths[-1]), nn.ReLU(), twice, nn.ReLU(), twice, nn.ReLU())


def images_of_features(n_inputs: int, widths: Sequence[int], generator: torch.Generator) -> nn.Module:
    return nn.Sequential(
        nn.Linear(n_inputs, 50), nn.Unflatten(1, (2, 5, 5)), nn.Conv2d(2, 3, 3), nn.Flatten(), nn.Linear(27, widths[-1])
    )


def seeded(build: Build) -> Build:
    """The same initial values for the same generator."""

    def trunk(n_inputs: int, widths: Sequence[int], generator: torch.Generator) -> nn.Module:
        module = build(n_inputs, widths, generator)
        with torch.no_grad():
            for parameter in module.parameters():
                parameter.uniform_(-0.3, 0.3, generator=generator)
        return module

    return trunk


def experiment(build: Build, monkeypatch: pytest.MonkeyPatch) -> Experiment:
    points = [EntryPoint("odd", "package:odd", foreign.ENTRY_POINTS)]
    monkeypatch.setattr(foreign, "entry_points", lambda group, name=None: points)
    monkeypatch.setattr(EntryPoint, "load", lambda self: seeded(build))
    made = planted_experiment(planted(), epochs=2)
    return replace(made, network=NetworkSpec.model_validate({"trunk": "odd", "widths": [16, 8]}))


@pytest.mark.parametrize("build", [ends_in_linear, other_widths, tied])
def test_a_trunk_of_known_layers_in_an_unknown_order_is_trained_as_if_alone(
    build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    common = experiment(build, monkeypatch)
    assert can_fuse(common) == ""
    both(common, [search("t0"), search("t1", "t2", seed=2), search()])


def test_a_trunk_that_fails_side_by_side_is_refused_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "invalid for input of size" in can_fuse(experiment(images_of_features, monkeypatch))


def test_a_buffer_that_no_checkpoint_holds_is_carried_on_too() -> None:
    class Counting(nn.Module):
        seen: torch.Tensor

        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(1))
            self.register_buffer("seen", torch.zeros(1), persistent=False)

    before, after = Counting(), Counting()
    before.seen += 3
    restore(after, network_state(before, 1, [torch.zeros(1)], [torch.zeros(1)]))
    assert after.seen.item() == 3
