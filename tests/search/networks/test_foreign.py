"""Trunks of other packages: found by name, built from the given generator, held to what they promise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.metadata import EntryPoint
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import nn

from grouping.errors import InputError
from grouping.policy import Policy
from search.networks import foreign
from search.networks.architectures import make_network
from search.networks.cost import network_cost, reached_capacity, scaled_widths
from search.networks.hard_sharing import hard_sharing
from search.networks.policy_network import trunk_units
from search.networks.shape import TrunkShape
from search.networks.sharing import Sharing
from search.networks.sharing_cost import shared_cost
from search.networks.trunks import linear
from search.spec import NetworkSpec
from search.training.checkpoint import NetworkHeader, load_checkpoint, save_checkpoint
from tests.search.messages import assert_one_clear_message

Offer = Callable[[Any], None]


class Residual(nn.Module):
    """As another package would offer it: a wide first layer, and a second one around which its input is added."""

    def __init__(self, n_inputs: int, widths: Sequence[int], generator: torch.Generator) -> None:
        super().__init__()
        self.first = linear(n_inputs, widths[-1], generator)
        self.second = linear(widths[-1], widths[-1], generator)

    def forward(self, rows_NF: torch.Tensor) -> torch.Tensor:
        features_NH = self.first(rows_NF).relu()
        return features_NH + self.second(features_NH).relu()  # type: ignore[no-any-return]


@pytest.fixture
def offer(monkeypatch: pytest.MonkeyPatch) -> Offer:
    """Have another package offer something as the trunk ``theirs``."""

    def offered(what: object) -> None:
        points = [EntryPoint(name="theirs", value="their_package:trunk", group=foreign.ENTRY_POINTS)]
        monkeypatch.setattr(foreign, "entry_points", lambda group, name=None: points)
        monkeypatch.setattr(EntryPoint, "load", lambda self: what)

    return offered


def test_a_trunk_of_another_package_is_built_and_counted(offer: Offer) -> None:
    offer(Residual)
    shape = TrunkShape("theirs", 6, (8,))
    network = hard_sharing(shape, [1, 3], trunk_seed=1)
    assert network(torch.zeros(4, 6)).shape == (4, 4)
    assert network.training
    assert torch.equal(hard_sharing(shape, [1, 3], trunk_seed=1)(torch.ones(4, 6)), network(torch.ones(4, 6)))
    cost = network_cost(shape, [1, 3])
    assert (cost.trunk_flops, cost.trunk_parameters) == (2 * (6 * 8 + 8 * 8), 6 * 8 + 8 + 8 * 8 + 8)
    assert reached_capacity(shape, scaled_widths(shape, 3.0)) == pytest.approx(3, rel=0.05)


def test_which_code_a_name_stands_for_can_be_told(offer: Offer) -> None:
    offer(Residual)
    assert foreign.version("theirs") == "their_package:trunk"


def _fails(n_inputs: int, widths: Sequence[int], generator: torch.Generator) -> nn.Module:
    raise RuntimeError("no weights\nfor that size")


def _no_module(n_inputs: int, widths: Sequence[int], generator: torch.Generator) -> Any:
    return "a trunk"


def _too_wide(n_inputs: int, widths: Sequence[int], generator: torch.Generator) -> nn.Module:
    return linear(n_inputs, widths[-1] + 1, generator)


@pytest.mark.parametrize(
    ("trunk", "words"),
    [
        (_fails, "RuntimeError: no weights for that size"),
        (_no_module, "gave a str, not a torch.nn.Module"),
        (_too_wide, "gave features (2, 9) for 2 rows and widths [8], not (2, 8)"),
    ],
)
def test_a_trunk_that_breaks_its_word_is_named_with_the_reason(offer: Offer, trunk: object, words: str) -> None:
    offer(trunk)
    with pytest.raises(InputError) as refused:
        hard_sharing(TrunkShape("theirs", 6, (8,)), [1])
    assert_one_clear_message(refused.value, "network.trunk", "'theirs' of their_package:trunk", words)


def test_a_trunk_that_cannot_be_loaded_is_named_with_the_reason(offer: Offer, monkeypatch: pytest.MonkeyPatch) -> None:
    load = EntryPoint.load
    offer(Residual)
    monkeypatch.setattr(EntryPoint, "load", load)
    with pytest.raises(InputError) as refused:
        hard_sharing(TrunkShape("theirs", 6, (8,)), [1])
    assert_one_clear_message(refused.value, "network.trunk", "their_package:trunk", "ModuleNotFoundError")


def test_a_trunk_whose_size_cannot_be_counted_is_refused(offer: Offer) -> None:
    offer(lambda n_inputs, widths, generator: nn.Identity())
    with pytest.raises(InputError) as refused:
        network_cost(TrunkShape("theirs", 5, (5,)), [1])
    assert_one_clear_message(refused.value, "network.trunk", "cannot be counted")


@pytest.mark.parametrize("option", [{"norm": "batch"}, {"dropout": 0.1}, {"image": (1, 2, 3)}])
def test_options_of_the_built_in_trunks_are_not_for_others(offer: Offer, option: dict[str, Any]) -> None:
    offer(Residual)
    with pytest.raises(InputError) as refused:
        TrunkShape("theirs", 6, (8,), **option)
    assert_one_clear_message(refused.value, f"network.{next(iter(option))}", "Leave it out")


def test_it_can_have_a_policy_that_costs_what_torch_counts(offer: Offer) -> None:
    offer(Residual)
    shape = TrunkShape("theirs", 6, (8,))
    assert [unit.skip is not None for unit in trunk_units(shape, 0, 0)] == [False, True]
    sharing, rows_NF = Sharing.parse("automtl modes=ss,s-,so"), torch.randn(3, 6)
    network = make_network(sharing, shape, [1, 1, 1], trunk_seed=1)
    assert torch.equal(network(rows_NF), make_network(sharing, shape, [1, 1, 1], trunk_seed=1)(rows_NF))
    cost = shared_cost(sharing, shape, [1, 1, 1])
    assert cost.trunk_flops == 2 * (6 * 8 + 2 * 8 * 8)
    assert cost.trunk_parameters == sum(parameter.numel() for parameter in network.trunk.parameters())


class Encoder(nn.Module):
    """A transformer encoder over the columns of a row, as another package would offer it."""

    def __init__(self, n_inputs: int, widths: Sequence[int], generator: torch.Generator) -> None:
        super().__init__()
        self.embed = nn.Sequential(nn.Unflatten(1, (n_inputs, 1)), nn.Linear(1, widths[-1]))
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(widths[-1], 2, 2 * widths[-1], dropout=0.0, batch_first=True) for _ in widths[1:]
        )
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.normal_(parameter, 0, 0.3, generator=generator)

    def forward(self, rows_NF: torch.Tensor) -> torch.Tensor:
        tokens_NSH = self.embed(rows_NF)
        for layer in self.layers:
            tokens_NSH = layer(tokens_NSH)
        return tokens_NSH.mean(dim=1)  # type: ignore[no-any-return]


def test_a_transformer_has_a_policy_of_its_layers_and_one_trunk_costs_what_sharing_all_of_it_costs(
    offer: Offer,
) -> None:
    """Cut by torch.fx: attention is counted alike in the whole trunk and in its units, fused in evaluation or not."""
    offer(Encoder)
    shape = TrunkShape("theirs", 6, (8, 8, 8))
    units = trunk_units(shape, 0, 0)
    can_skip = [level for level, unit in enumerate(units) if unit.skip is not None]
    assert [units[level].name for level in can_skip] == ["layers.0", "layers.1"]
    hard = Policy.all_shared(2, len(units))
    shared = shared_cost(Sharing("automtl").found(hard), shape, [1, 1])
    assert network_cost(shape, [1, 1]) == shared
    layer = 2 * 6 * (4 * 8 * 8 + 2 * 6 * 8 + 2 * 8 * 16)
    skipped = hard.with_mode(0, can_skip[0], "skip").with_mode(1, can_skip[0], "skip")
    less = shared_cost(Sharing("automtl").found(skipped), shape, [1, 1])
    assert shared.trunk_flops - less.trunk_flops == layer
    network = make_network(Sharing("automtl").found(skipped), shape, [1, 1]).train()
    network(torch.randn(5, 6)).square().sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


class Branching(nn.Module):
    """What torch.fx cannot trace, because its way depends on values; its blocks follow one another all the same."""

    def __init__(self, n_inputs: int, widths: Sequence[int], generator: torch.Generator) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            nn.Sequential(linear(fan_in, fan_out, generator), nn.ReLU())
            for fan_in, fan_out in pairwise((n_inputs, *widths))
        )

    def forward(self, rows_NF: torch.Tensor) -> torch.Tensor:
        for block in self.blocks:
            rows_NF = block(rows_NF) if rows_NF.isfinite().all() else rows_NF
        return rows_NF


def test_units_are_named_where_they_cannot_be_found(offer: Offer) -> None:
    offer(Branching)
    shape, sharing = TrunkShape("theirs", 6, (9, 9, 9)), Sharing.parse("automtl modes=ss-,sos")
    with pytest.raises(InputError, match="cannot be traced") as refused:
        shared_cost(sharing, shape, [1, 1])
    assert_one_clear_message(refused.value, "network.units")
    named = replace(shape, units=("blocks.0", "blocks.1", "blocks.2"))
    network = make_network(sharing, named, [1, 1], trunk_seed=1)
    cost = shared_cost(sharing, named, [1, 1])
    assert cost.trunk_parameters == sum(parameter.numel() for parameter in network.trunk.parameters())
    header = NetworkHeader(
        ("a", "b"), ("regression",) * 2, (1, 1), "theirs", 6, named.widths, (0.0, 0.0), (1.0, 1.0),
        sharing=str(sharing), units=named.units,
    )  # fmt: skip
    rows_NF = torch.randn(3, 6)
    kept = load_checkpoint(save_checkpoint(header, [network.state_dict()]))
    assert torch.equal(kept.networks[0](rows_NF), network.eval()(rows_NF))
    with pytest.raises(InputError, match=r"no submodule 'blocks\.7'") as refused:
        shared_cost(sharing, replace(shape, units=("blocks.7",)), [1, 1])
    assert_one_clear_message(refused.value, "network.units")
    with pytest.raises(InputError, match="the units of the trunk mlp are its layers") as refused:
        NetworkSpec(units=("0",))
    assert_one_clear_message(refused.value, "network.units")
    assert NetworkSpec(trunk="theirs", units=("blocks.0",)).shape(6).units == ("blocks.0",)


def test_it_is_shared_by_one_trunk_or_by_a_policy_only(offer: Offer) -> None:
    offer(Residual)
    with pytest.raises(InputError, match="cannot be shared by 'mtan'") as refused:
        shared_cost(Sharing("mtan"), TrunkShape("theirs", 6, (8,)), [1, 1])
    assert "adashare" in (refused.value.fix or "")
