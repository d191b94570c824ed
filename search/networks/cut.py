"""Anybody's module cut into units for a policy: at submodules by name, or wherever a single tensor passes (torch.fx).

Shapes are probed by sending an example through. Where a unit changes them, the way round it is the least that does so
too: a strided 1 x 1 convolution with normalisation, or a product over the last dimension.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy

import torch
from torch import Tensor, fx, nn
from torch.fx.passes.shape_prop import ShapeProp
from torch.fx.passes.split_module import split_module
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from grouping.errors import InputError
from grouping.tasks import nearest_name
from search.networks.trunks import convolution, linear
from search.networks.units import Unit

__all__ = ["Averaged", "counted_flops", "cut"]

_WHERE = "module"


class Averaged(nn.Module):
    """Features [N, H]: the mean over the positions of an image [N, H, ...] or over tokens [N, S, H]."""

    def forward(self, values: Tensor) -> Tensor:
        return values.mean(dim=1) if values.dim() == 3 else values.flatten(2).mean(dim=2)


def cut(
    module: nn.Module, example: Tensor, at: Sequence[str] | None = None, generator: torch.Generator | None = None
) -> list[Unit]:
    """The module as a chain of units that ends in features [N, H].

    Args:
        module: From rows to features. The units are made of a copy of it, which is put in evaluation for the probe.
        example: A row or more, [N, ...].
        at: Names of the submodules that are searched, as in ``named_modules``; what lies between them always runs.
            Default: every product or convolution with what follows it, or whole blocks where a value passes by.
        generator: Where initial values of ways round come from; default: one of its own.

    Raises:
        InputError: an unknown name; a module that cannot be traced; a value that passes by a named submodule.
    """
    module = deepcopy(module)
    training = module.training
    module.eval()
    with torch.no_grad():
        expected = module(example)
        chain = _chain(module, example, expected, at) or _traced(module, example, at)
        units = _probed(chain, example, expected, generator or torch.Generator().manual_seed(0))
    for part in (part for unit in units for part in (unit.module, unit.skip) if part is not None):
        part.train(training)
    return units


_Part = tuple[str, nn.Module, bool]
"""Name, module, whether it is searched."""


def _chain(module: nn.Module, example: Tensor, expected: Tensor, at: Sequence[str] | None) -> list[_Part] | None:
    """The named submodules one after the other, where that is all there is to the module; else None."""
    if at is None:
        if not isinstance(module, nn.Sequential):
            return None
        return [(name, child, _has_weights(child)) for name, child in module.named_children()]
    known = dict(module.named_modules())
    for name in at:
        if name not in known or not name:
            fix = nearest_name(name, [other for other in known if other])
            raise InputError(f"the module has no submodule '{name}'", where=_WHERE, fix=fix)
    values = example
    try:
        for name in at:
            values = known[name](values)
    except Exception:  # noqa: BLE001  (then it is no chain, and tracing will tell)
        return None
    same = values.shape == expected.shape and torch.allclose(values, expected, atol=1e-5)
    return [(name, known[name], True) for name in at] if same else None


class _Tracer(fx.Tracer):
    """Takes named submodules as they are."""

    def __init__(self, at: Sequence[str]) -> None:
        super().__init__()
        self._at = frozenset(at)

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return module_qualified_name in self._at or bool(super().is_leaf_module(m, module_qualified_name))


def _traced(module: nn.Module, example: Tensor, at: Sequence[str] | None) -> list[_Part]:
    """Parts between the places where a single tensor passes."""
    try:
        graph = _Tracer(at or ()).trace(module)
    except Exception as error:  # control flow that depends on values, for example
        reason = str(error).splitlines()[0][:200]
        raise InputError(
            f"the module cannot be traced by torch.fx ({reason})",
            where=_WHERE,
            fix="Name submodules that follow one another and make up the whole module",
        ) from error
    traced = fx.GraphModule(module, graph)
    ShapeProp(traced).propagate(example)
    nodes = [node for node in graph.nodes if node.op not in {"placeholder", "output", "get_attr"}]
    starts = _starts(module, nodes, at)
    part, numbers = 0, dict[fx.Node, int]()
    for index, node in enumerate(nodes):
        part += index in starts and index > 0
        numbers[node] = part
    split = split_module(traced, module, lambda node: numbers.get(node, 0))
    named: dict[int, str] = {}
    for node in nodes:
        if node.op == "call_module" and _searched(module, str(node.target), at):
            named.setdefault(numbers[node], str(node.target))
    return [
        (named.get(number, f"between {number}"), getattr(split, f"submod_{number}"), number in named)
        for number in range(part + 1)
    ]


def _starts(module: nn.Module, nodes: Sequence[fx.Node], at: Sequence[str] | None) -> set[int]:
    """Where parts begin: at named submodules and after them, or at whatever has weights; one tensor passes there.

    What turns images or tokens into features is a part by itself, so that the block before it can be skipped.
    """
    starts: set[int] = set()
    for index, node in enumerate(nodes):
        chosen = node.op == "call_module" and _searched(module, str(node.target), at)
        if at is None:
            if (chosen or _rank(node) != _rank(*node.all_input_nodes)) and len(_passing(nodes, index)) <= 1:
                starts.add(index)
        elif chosen:
            for place in (index, index + 1):
                passing = _passing(nodes, place)
                if 0 < place < len(nodes) and len(passing) > 1:
                    names = ", ".join(sorted(str(other) for other in passing))
                    raise InputError(
                        f"more than one value passes by the submodule '{node.target}' ({names})",
                        where=_WHERE,
                        fix="Name the whole block that those values belong to",
                    )
                starts.add(place)
    return {0, *(start for start in starts if start < len(nodes))}


def _searched(module: nn.Module, name: str, at: Sequence[str] | None) -> bool:
    return _has_weights(module.get_submodule(name)) if at is None else name in at


def _rank(*nodes: fx.Node) -> int:
    """Dimensions of a node's tensor, of the first of several; 0 where it is none."""
    shape = getattr(nodes[0].meta.get("tensor_meta"), "shape", ()) if nodes else ()
    return len(shape)


def _passing(nodes: Sequence[fx.Node], place: int) -> set[fx.Node]:
    """Values that are known before a place and used from there on."""
    later = set(nodes[place:])
    outputs = {user for node in nodes[:place] for user in node.users if user.op == "output"}
    before = {node for node in nodes[:place] if any(user in later or user in outputs for user in node.users)}
    inputs = {argument for node in later for argument in node.all_input_nodes if argument.op == "placeholder"}
    return before | inputs


def _has_weights(module: nn.Module) -> bool:
    """Whether a module has weights of its own kind: normalisation belongs to what comes before it."""
    norms = (nn.modules.batchnorm._BatchNorm, nn.LayerNorm, nn.GroupNorm)
    return not isinstance(module, norms) and any(True for _ in module.parameters())


def _probed(parts: Sequence[_Part], example: Tensor, expected: Tensor, generator: torch.Generator) -> list[Unit]:
    units: list[Unit] = []
    values = example
    for name, module, searched in parts:
        before = values
        flops = counted_flops(module, before[:1])
        values = module(before)
        if not isinstance(values, Tensor):
            what = f"'{name}' gives a {type(values).__name__}, not a tensor"
            raise InputError(what, where=_WHERE, fix="Name submodules that give one tensor")
        skip, why = (
            _way_round(before, values, generator) if searched else (None, "it is not among those that are searched")
        )
        skip_flops = 0
        if skip is not None:
            skip_flops = counted_flops(skip.eval(), before[:1])
            if skip_flops and skip_flops >= flops:
                skip, skip_flops, why = None, 0, "a way round it would cost as much"
        units.append(Unit(name, module, skip, flops, skip_flops, why, searched))
    if not torch.allclose(values, expected, atol=1e-4):
        raise InputError(
            "the parts one after the other give something else than the module",
            where=_WHERE,
            fix="Check that a row's features depend on that row alone in evaluation",
        )
    if values.dim() > 2:
        units.append(Unit("mean over positions", Averaged(), None, 0, 0, "it is not searched", searchable=False))
    return units


def counted_flops(module: nn.Module, row: Tensor) -> int:
    """FLOPs of one row; attention is counted by its products, not hidden in fused operations."""
    fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
            module(row)
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)
    return int(counter.get_total_flops())


def _way_round(before: Tensor, after: Tensor, generator: torch.Generator) -> tuple[nn.Module | None, str]:
    """The least that changes the shape as a unit does, or why there is nothing."""
    if not before.is_floating_point():
        return None, "what comes in are no real numbers"
    if before.shape[1:] == after.shape[1:]:
        return nn.Identity(), ""
    if before.dim() != after.dim():
        return None, "it changes the number of dimensions"
    if before.dim() == 4:
        strides = [-(-b // a) for b, a in zip(before.shape[2:], after.shape[2:], strict=True)]
        sizes = zip(before.shape[2:], after.shape[2:], strides, strict=True)
        if len(set(strides)) > 1 or any(-(-b // s) != a for b, a, s in sizes):
            large, small = (" x ".join(map(str, values.shape[2:])) for values in (before, after))
            return None, f"no stride makes an image {small} of one {large}"
        channels = before.shape[1], after.shape[1]
        narrow = convolution(*channels, generator, kernel=1, bias=False, stride=strides[0])
        return nn.Sequential(narrow, nn.BatchNorm2d(after.shape[1])), ""
    if before.shape[1:-1] != after.shape[1:-1]:
        return None, "it changes the number of tokens"
    return linear(before.shape[-1], after.shape[-1], generator, bias=False), ""
