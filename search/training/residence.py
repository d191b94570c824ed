"""The data where the networks live: brought there once for each worker, however many packs it trains.

Axes: ``N`` rows, ``F`` inputs, ``T`` tasks.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

import torch
from torch import Tensor
from torch.nn import functional

from search.data.dataset import Part

__all__ = ["PaddedPart", "ResidentPart", "resident"]


@dataclass(frozen=True, eq=False)
class PaddedPart:
    """A part in the layout that stacks gather from; the last row is a phantom: inputs 0, no label.

    Args:
        inputs_NF: Rows, with columns of 0 up to the padded number of inputs.
        labels_TN: Targets of every task, then 1 where the label exists.
    """

    inputs_NF: Tensor
    labels_TN: Tensor


@dataclass(frozen=True, eq=False)
class ResidentPart:
    """A part as tensors where the network lives.

    Args:
        inputs_NF: Encoded rows.
        targets_NT: Targets of the trial's tasks, 0 where the label is missing.
        labelled_NT: 1 where the label exists, else 0 (float, because it multiplies losses).
    """

    inputs_NF: Tensor
    targets_NT: Tensor
    labelled_NT: Tensor
    _padded: dict[tuple[int, torch.dtype], PaddedPart] = field(default_factory=dict, init=False, repr=False)

    def padded(self, n_inputs: int, dtype: torch.dtype) -> PaddedPart:
        """The same with phantom row and columns, made once."""
        if (n_inputs, dtype) not in self._padded:
            columns = n_inputs - self.inputs_NF.shape[1]
            inputs_NF = functional.pad(self.inputs_NF.to(dtype), (0, columns, 0, 1))
            labels = torch.stack((self.targets_NT.T, self.labelled_NT.T)).to(dtype)
            self._padded[n_inputs, dtype] = PaddedPart(inputs_NF, functional.pad(labels, (0, 1)).flatten(0, 1))
        return self._padded[n_inputs, dtype]


_WHOLE: WeakKeyDictionary[Part, dict[torch.device, ResidentPart]] = WeakKeyDictionary()
"""Parts with all of their tasks, as long as somebody holds the part."""


def resident(part: Part, columns: Sequence[int], device: torch.device) -> ResidentPart:
    """Inputs and the targets in ``columns``; inputs are shared with the NumPy array on CPU, never copied.

    The part is brought to the device when it is first asked for and stays there as long as it lives.
    """
    devices = _WHOLE.setdefault(part, {})
    if device not in devices:
        devices[device] = _brought(part, device)
    whole = devices[device]
    if list(columns) == list(range(whole.targets_NT.shape[1])):
        return whole
    index = torch.tensor(list(columns), device=device)
    return ResidentPart(whole.inputs_NF, whole.targets_NT[:, index], whole.labelled_NT[:, index])


def _brought(part: Part, device: torch.device) -> ResidentPart:
    with warnings.catch_warnings():
        # Arrays out of Ray's object store are read-only; nothing here writes to them.
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        inputs_NF, targets_NT = (_moved(torch.from_numpy(array), device) for array in (part.inputs_NF, part.targets_NT))
    missing_NT = targets_NT.isnan()
    return ResidentPart(inputs_NF, targets_NT.masked_fill(missing_NT, 0), (~missing_NT).float())


def _moved(array: Tensor, device: torch.device) -> Tensor:
    """On a GPU by way of page-locked memory, which the transfer need not copy again."""
    return array if device.type == "cpu" else array.pin_memory().to(device, non_blocking=True)
