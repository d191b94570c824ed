"""Random numbers that modules of other packages take from torch's own generators (``nn.Dropout``), made repeatable.

Every network has a stream of its own: torch's generators are set to it while the network is trained, and given back
afterwards, so that a result depends neither on the process nor on other networks.
"""

from __future__ import annotations

from types import TracebackType
from typing import Self

import numpy as np
import torch
from torch import Tensor

__all__ = ["Noise"]


class Noise:
    """One network's stream, which holds inside ``with``.

    Args:
        device: Where the network is trained; the CPU's generator is set too.
        seed: Of the stream.
    """

    def __init__(self, device: torch.device, seed: int) -> None:
        self._devices = [torch.device("cpu"), *([device] if device.type == "cuda" else [])]
        self._first = [torch.Generator(each).manual_seed(seed).get_state() for each in self._devices]
        self._own = self._first
        self._before: list[Tensor] = []

    def __enter__(self) -> Self:
        self._before = self._exchanged(self._own)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._own = self._exchanged(self._before)

    def state(self) -> bytes:
        """Where the stream is; empty if nothing was drawn."""
        if all(map(torch.equal, self._own, self._first)):
            return b""
        return b"".join(state.numpy().tobytes() for state in self._own)

    def restore(self, state: bytes) -> None:
        """Go on where ``state`` was given."""
        if state:
            sizes = [len(own) for own in self._first]
            self._own = list(torch.split(torch.tensor(np.frombuffer(state, np.uint8)), sizes))

    def _exchanged(self, states: list[Tensor]) -> list[Tensor]:
        """Set torch's generators; what they were before."""
        before = []
        for device, state in zip(self._devices, states, strict=True):
            if device.type == "cuda":
                before.append(torch.cuda.get_rng_state(device))
                torch.cuda.set_rng_state(state, device)
            else:
                before.append(torch.get_rng_state())
                torch.set_rng_state(state)
        return before
