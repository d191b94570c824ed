"""Anybody's module as a chain of units: MLPs, plain CNNs, residual networks, transformer encoders."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from grouping.errors import InputError
from grouping.policy import Policy
from search.networks.cut import cut
from search.networks.policy_network import PolicyNetwork
from search.networks.units import Unit


class Block(nn.Module):
    """A residual block of somebody else's."""

    def __init__(self, fan_in: int, fan_out: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(fan_in, fan_out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(fan_out)
        self.conv2 = nn.Conv2d(fan_out, fan_out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(fan_out)
        self.down = None if stride == 1 else nn.Conv2d(fan_in, fan_out, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        aside = x if self.down is None else self.down(x)
        found: Tensor = torch.relu(self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x))))) + aside)
        return found


class ResNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 4, 3, padding=1)
        self.layer1 = nn.Sequential(Block(4, 4), Block(4, 4))
        self.layer2 = nn.Sequential(Block(4, 8, 2), Block(8, 8))

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.stem(x))
        x = self.layer2(self.layer1(x))
        return x.mean(dim=(2, 3))


class Plain(nn.Module):
    """A CNN without skips, functions in between."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 3, padding=1)
        self.norm = nn.BatchNorm2d(6)
        self.conv2 = nn.Conv2d(6, 6, 3, padding=1)
        self.conv3 = nn.Conv2d(6, 12, 3, stride=2, padding=1)
        self.last = nn.Linear(12 * 16, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.norm(self.conv1(x)))
        x = torch.relu(self.conv2(x))
        x = torch.relu(self.conv3(x))
        return torch.relu(self.last(x.flatten(1)))


class Tokens(nn.Module):
    """A transformer encoder over the columns of a row; its layers cannot be traced."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Sequential(nn.Unflatten(1, (8, 1)), nn.Linear(1, 16))
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(16, 2, 32, dropout=0.0, batch_first=True) for _ in range(3)
        )

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x)
        for layer in self.layers:
            x = layer(x)
        return x


def mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 8), nn.ReLU())


IMAGE = torch.randn(3, 1, 8, 8, generator=torch.Generator().manual_seed(0))
ROW = torch.randn(3, 8, generator=torch.Generator().manual_seed(0))
BLOCKS = ["layer1.0", "layer1.1", "layer2.0", "layer2.1"]
LAYERS = ["embed", "layers.0", "layers.1", "layers.2"]
CASES = {
    "mlp": (mlp, ROW, None),
    "plain cnn": (Plain, IMAGE, None),
    "resnet by name": (ResNet, IMAGE, BLOCKS),
    "resnet by itself": (ResNet, IMAGE, None),
    "transformer": (Tokens, ROW, LAYERS),
}
cases = pytest.mark.parametrize("case", CASES)


def units_of(case: str) -> tuple[list[Unit], nn.Module, Tensor]:
    make, example, at = CASES[case]
    torch.manual_seed(1)
    module = make()
    return cut(module, example, at), module, example


def searched(units: list[Unit]) -> list[str]:
    return [unit.name for unit in units if unit.searchable]


@cases
def test_the_chain_gives_what_the_module_gives(case: str) -> None:
    units, module, example = units_of(case)
    values = example
    for unit in units:
        values = unit.module.eval()(values)
    expected = module.eval()(example)
    assert torch.allclose(values, expected if expected.dim() == 2 else expected.mean(dim=1), atol=1e-5)
    assert values.dim() == 2


@cases
def test_a_way_round_gives_the_same_shape_for_fewer_flops(case: str) -> None:
    units, _, values = units_of(case)
    skippable = 0
    for unit in units:
        after = unit.module.eval()(values)
        if unit.skip is not None:
            skippable += 1
            assert unit.skip.eval()(values).shape == after.shape
            assert unit.skip_flops < unit.flops
        else:
            assert unit.why_not
        values = after
    assert skippable


@cases
def test_it_is_a_network_of_every_policy(case: str) -> None:
    units, module, example = units_of(case)
    hard = Policy.all_shared(2, len(units))
    shared = PolicyNetwork([unit.copy() for unit in units], hard).eval()(example)
    assert torch.equal(shared[0], shared[1])
    level = next(level for level, unit in enumerate(units) if unit.skip is not None)
    apart = hard.with_mode(1, level, "skip").with_mode(0, level, "own")
    one, other = PolicyNetwork(units, apart).eval()(example)
    assert torch.allclose(one, shared[0], atol=1e-5)  # a copy starts from the same values
    assert not torch.allclose(other, shared[0], atol=1e-3)
    del module


def test_blocks_by_name_and_by_themselves() -> None:
    assert searched(units_of("resnet by name")[0]) == BLOCKS
    by_itself = units_of("resnet by itself")[0]
    assert searched(by_itself) == ["stem", "layer1.0.conv1", "layer1.1.conv1", "layer2.0.down", "layer2.1.conv1"]
    assert [unit.skip is not None for unit in by_itself] == [True, True, True, True, True, False]
    assert isinstance(by_itself[1].skip, nn.Identity)
    assert isinstance(by_itself[3].skip, nn.Sequential), "this block halves the image"


def test_what_cannot_be_skipped_says_why() -> None:
    units = {unit.name: unit for unit in units_of("plain cnn")[0]}
    assert [name for name, unit in units.items() if unit.skip is None] == ["between 3", "last"]
    assert units["last"].why_not == "a way round it would cost as much"
    tokens = {unit.name: unit for unit in units_of("transformer")[0]}
    assert tokens["embed"].why_not == "it changes the number of dimensions"
    assert isinstance(tokens["layers.0"].skip, nn.Identity)
    narrow = cut(nn.Sequential(nn.Linear(8, 4), nn.Linear(4, 4)), ROW)
    assert narrow[0].why_not == "a way round it would cost as much"
    numbers = cut(nn.Sequential(nn.Embedding(5, 4), nn.Linear(4, 4)), torch.zeros(2, 3, dtype=torch.long))
    assert numbers[0].why_not == "what comes in are no real numbers"


@pytest.mark.parametrize(
    ("at", "message"),
    [
        (["layer1.7"], "no submodule 'layer1.7'"),
        (["layer1.0.conv1"], "more than one value passes by the submodule 'layer1.0.conv1'"),
    ],
)
def test_what_cannot_be_cut_so_is_refused(at: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message) as refused:
        cut(ResNet(), IMAGE, at)
    assert refused.value.fix


def test_a_module_with_control_flow_is_refused_with_a_way_out() -> None:
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one = nn.Linear(8, 8)

        def forward(self, x: Tensor) -> Tensor:
            found: Tensor = self.one(x) if x.sum() > 0 else self.one(-x)
            return found

    with pytest.raises(InputError, match="cannot be traced") as refused:
        cut(Odd(), ROW)
    assert "Name submodules" in (refused.value.fix or "")
