"""A trained network as bytes and back: safetensors weights with a JSON header, checked by sha256.

safetensors itself has no checksum, so a flipped bit would load silently: keep ``sha256`` of the bytes beside the file
and pass it to ``load_checkpoint``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import torch
from pydantic import TypeAdapter
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from grouping.errors import InputError
from grouping.tasks import TaskType
from search.networks.architectures import Network, make_network
from search.networks.shape import ImageShape, Norm, TrunkShape
from search.networks.sharing import HARD, Sharing
from search.training.losses import averaged_outputs, task_blocks

__all__ = ["Checkpoint", "NetworkHeader", "load_checkpoint", "save_checkpoint", "sha256"]

_METADATA_KEY = "taskgrouping"  # one key only: safetensors does not keep the order of several, and bytes must not vary


@dataclass(frozen=True)
class NetworkHeader:
    """What must be known to use the weights.

    Args:
        tasks: Names, in the order of the outputs, length T.
        types: Their types, length T.
        outputs: Network outputs of each task, length T.
        trunk: Name of the trunk.
        n_inputs: Columns of an input row.
        widths: Hidden widths of the trunk.
        target_mean: What standardising subtracted from each target, length T (0 where not regression).
        target_scale: What it divided by, length T (1 where not regression).
        copies: Networks whose predictions are averaged.
        image: What an input row is to a CNN: channels, height, width.
        norm: Normalisation in the trunk.
        dropout: Probability of dropping a feature in training.
        sharing: What the tasks share.
        units: Submodules of the trunk that are its units.
    """

    tasks: tuple[str, ...]
    types: tuple[TaskType, ...]
    outputs: tuple[int, ...]
    trunk: str
    n_inputs: int
    widths: tuple[int, ...]
    target_mean: tuple[float, ...]
    target_scale: tuple[float, ...]
    copies: int = 1
    image: ImageShape | None = None
    norm: Norm = "none"
    dropout: float = 0.0
    sharing: str = HARD
    units: tuple[str, ...] = ()

    @property
    def shape(self) -> TrunkShape:
        """Of the trunk."""
        return TrunkShape(self.trunk, self.n_inputs, self.widths, self.image, self.norm, self.dropout, self.units)


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A network that can be used: header and modules (one, or the copies of a seed ensemble)."""

    header: NetworkHeader
    networks: tuple[Network, ...]

    def outputs(self, inputs_NF: Tensor) -> Tensor:
        """Raw outputs [N, O] for encoded, standardised rows; copies averaged."""
        blocks = task_blocks(self.header.types, self.header.outputs)
        with torch.inference_mode():
            return averaged_outputs(blocks, [network(inputs_NF) for network in self.networks])


def sha256(data: bytes) -> str:
    """Fingerprint to keep beside the bytes, 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def save_checkpoint(header: NetworkHeader, states: Sequence[Mapping[str, Tensor]]) -> bytes:
    """Header and the state of every copy as safetensors; tensor names are ``<copy>.<parameter>``."""
    tensors = {
        f"{copy}.{name}": tensor.detach().cpu().contiguous()
        for copy, state in enumerate(states)
        for name, tensor in state.items()
    }
    return save(tensors, metadata={_METADATA_KEY: json.dumps(asdict(header), sort_keys=True)})


def load_checkpoint(data: bytes, expected_sha256: str | None = None, *, where: str = "checkpoint") -> Checkpoint:
    """The network in the bytes.

    Args:
        data: What ``save_checkpoint`` gave.
        expected_sha256: The fingerprint kept beside the file.
        where: The file's name, for messages.

    Raises:
        InputError: another fingerprint, not safetensors, a foreign header, weights that do not fit it, or a trunk of a
            package that is not installed.
    """
    if expected_sha256 is not None and sha256(data) != expected_sha256:
        raise InputError(
            f"the file is damaged: its sha256 is {sha256(data)[:12]}..., expected {expected_sha256[:12]}...",
            where=where,
            fix="Restore it from a backup, or train that network again",
        )
    try:
        tensors = load(data)
        header = _read_header(data)
        networks = []
        for copy in range(header.copies):
            network = make_network(Sharing.parse(header.sharing), header.shape, header.outputs)
            prefix = f"{copy}."
            network.load_state_dict(
                {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
            )
            networks.append(network.eval())
    except InputError as error:
        what = f"its network cannot be built here ({error.what})"
        raise InputError(what, where=where, fix="Install the package that offers its trunk") from error
    except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f"not a network that this version can read ({reason})",
            where=where,
            fix="Give a .safetensors file written by taskgroup recommend",
        ) from error
    return Checkpoint(header, tuple(networks))


def _read_header(data: bytes) -> NetworkHeader:
    # The safetensors layout: 8 bytes of little-endian length, then that many bytes of JSON.
    length = int.from_bytes(data[:8], "little")
    metadata = json.loads(data[8 : 8 + length])["__metadata__"]
    return TypeAdapter(NetworkHeader).validate_json(metadata[_METADATA_KEY])
