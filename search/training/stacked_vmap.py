"""Stacks of any trunk: the module of one network, mapped over the parameters of all (``torch.func``).

Whether that works is found by trying once (``unmappable``): the module of two networks is mapped, and must give what
each of them gives alone. Modules that draw random numbers of their own, decide by the values of data, or replace
buffers instead of changing them in place are refused: the plain engine trains those.

Axes: ``K`` networks, ``B`` rows of a batch, ``F`` inputs, ``H`` features of the trunk.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.nn import functional

from grouping.errors import InputError
from search.networks.hard_sharing import HardSharing
from search.training.progress import trainable
from search.training.stack import padded
from search.training.stack_autograd import AutogradNetworks

__all__ = ["MappedNetworks", "unmappable"]

_TRIED = 5  # rows of a trial
_TOGETHER = 8  # networks that are mapped over at once on a CPU: always as many, so that nobody's company shows


class MappedNetworks(AutogradNetworks):
    """As ``AutogradNetworks``, for any trunk about which ``unmappable`` has nothing to say.

    A trunk whose rows influence each other in training (batch normalisation) is shown the real rows only.

    Raises:
        InputError: the trunk cannot be mapped over.
    """

    def _plan(self, n_inputs: int) -> None:
        trunk = copy.deepcopy(self._template.trunk)
        reason = unmappable([trunk, trunk], n_inputs)
        if reason:
            raise InputError(
                f"networks with the trunk {type(trunk).__name__} cannot be trained side by side: {reason}",
                where="training.engine",
                fix="Use the engine 'plain'",
            )
        self.n_inputs = n_inputs
        self._trunk = trunk
        self._names = list(trainable(trunk))
        self._other_names = list(_others(trunk))
        self._shapes = [tuple(value.shape) for value in trainable(trunk).values()]
        self._buffer_shapes = [
            (tuple(value.shape), None if value.is_floating_point() else value.dtype)
            for value in _others(trunk).values()
        ]
        self._n_features = self._template.heads.weight.shape[1]
        self._rows_mix = _rows_mix(trunk, n_inputs)

    def _places(self, size: int) -> int:
        return padded(size, _TOGETHER) if self._device == "cpu" else size

    def _buffers_of(self, network: HardSharing) -> list[Tensor]:
        return list(_others(network.trunk).values())

    def _features(self, inputs_KBF: Tensor, rows: int, *, training: bool) -> Tensor:
        n_rows = inputs_KBF.shape[1]
        real_KBF = inputs_KBF[:, :rows] if training and self._rows_mix else inputs_KBF
        together = _TOGETHER if self._device == "cpu" else None
        parameters = dict(zip(self._names, self._leaves, strict=False))  # those of the heads come last
        others = dict(zip(self._other_names, self._buffers, strict=True))
        # Shared inputs are no exception: modules may compute what is alike for all in other ways.
        inputs_KBF = self._filled(real_KBF).expand(self.places, -1, -1)
        features_KBH = _mapped(self._trunk.train(training), parameters, others, inputs_KBF, together)
        return functional.pad(features_KBH.mT, (0, n_rows - features_KBH.shape[1]))


def unmappable(trunks: Sequence[nn.Module], n_inputs: int) -> str:
    """Why a trunk cannot be mapped over, in one line; empty if it can.

    Args:
        trunks: Those of two networks, or twice the same; not changed.
        n_inputs: Columns of an input row.
    """
    inputs_KBF = torch.randn(2, _TRIED, n_inputs, generator=torch.Generator().manual_seed(0))
    trunks = [copy.deepcopy(trunk).float() for trunk in trunks]
    parameters = _together([dict(trainable(trunk)) for trunk in trunks])
    others = _together([_others(trunk) for trunk in trunks])
    before = torch.get_rng_state()
    try:
        for training in (True, False):
            mapped_KBH = _mapped(copy.deepcopy(trunks[0]).train(training), parameters, others, inputs_KBF)
            torch.autograd.grad(mapped_KBH.sum(), list(parameters.values()), allow_unused=True)
            for trunk, inputs_BF, mapped_BH in zip(trunks, inputs_KBF, mapped_KBH, strict=True):
                if not torch.allclose(trunk.train(training)(inputs_BF), mapped_BH, rtol=1e-4, atol=1e-5):
                    return f"mapped over, it gives other features in {'training' if training else 'evaluation'}"
        for name, mapped_K in others.items():
            if not torch.allclose(torch.stack([_others(trunk)[name] for trunk in trunks]), mapped_K, rtol=1e-4):
                return f"mapped over, it keeps another '{name}'"
    except Exception as error:  # noqa: BLE001  (other people's modules: anything may come out of them)
        return " ".join(f"{type(error).__name__}: {error}".split())[:200]
    finally:
        torch.set_rng_state(before)
    return ""


def _mapped(
    trunk: nn.Module,
    parameters: dict[str, Tensor],
    others: dict[str, Tensor],
    inputs_KBF: Tensor,
    together: int | None = None,
) -> Tensor:
    """Features [K, B, H] of all networks; ``others`` are changed in place where the module does so."""

    def one(parameters: dict[str, Tensor], others: dict[str, Tensor], inputs_BF: Tensor) -> Tensor:
        features_BH: Tensor = functional_call(trunk, (parameters, others), (inputs_BF,))
        return features_BH

    features_KBH: Tensor = vmap(one, chunk_size=together)(parameters, others, inputs_KBF)
    return features_KBH


def _together(networks: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    return {
        name: torch.stack([network[name].detach() for network in networks]).requires_grad_(value.requires_grad)
        for name, value in networks[0].items()
    }


def _others(trunk: nn.Module) -> dict[str, Tensor]:
    """What a trunk holds beside its trained parameters: frozen parameters and buffers."""
    frozen = {name: value.detach() for name, value in trunk.named_parameters() if not value.requires_grad}
    return frozen | dict(trunk.named_buffers())


def _rows_mix(trunk: nn.Module, n_inputs: int) -> bool:
    """Whether a row's features, or what the module remembers, depend on other rows in training."""
    inputs_BF = torch.randn(_TRIED, n_inputs, generator=torch.Generator().manual_seed(0))
    found = []
    for rows_BF in (inputs_BF, functional.pad(inputs_BF, (0, 0, 0, 3))):
        own = copy.deepcopy(trunk).float().train()
        with torch.no_grad():
            features_BH = own(rows_BF)[:_TRIED]
        found.append([features_BH, *_others(own).values()])
    return not all(torch.allclose(one, other, rtol=1e-4, atol=1e-5) for one, other in zip(*found, strict=True))
