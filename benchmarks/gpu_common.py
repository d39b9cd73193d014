"""Inputs and shapes of the GPU benchmarks, fitted to the card."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Parts = Iterator[tuple[Any, Any]]
"""A result in parts, ``(place, part)``: a whole one may not fit beside a rival's temporaries."""


@dataclass
class Operation:
    """One operation at one size."""

    name: str
    size: str
    bytes: float
    flop: float
    """What it cannot do without (docs/kernels.md), not what an implementation moves."""
    ours: Callable[[], Any]
    rivals: dict[str, Callable[[], Parts]]
    tolerance: float
    notes: dict[str, Any] = field(default_factory=dict)


@dataclass
class Bench:
    """The namespace, and how much of the full sizes this card or this test has room for."""

    cp: Any
    scale: float
    """1 for the full sizes."""
    memory: float
    """Bytes that inputs, results and temporaries may take together."""

    def fitted(self, n: int, per_item: float, least: int = 64) -> int:
        """Scale a number of items, and let it fit into memory."""
        return max(least, min(int(n * self.scale), int(self.memory / per_item)))

    def numbers(self, shape: tuple[int, ...], dtype: Any, top: int = 256) -> Any:
        """Whole numbers below ``top``, by a hash of their place: no cuRAND is needed."""
        cp = self.cp
        out = cp.empty(shape, dtype)
        flat, block = out.reshape(-1), 2**26
        for first in range(0, flat.size, block):
            stop = min(first + block, flat.size)
            x = cp.arange(first, stop, dtype=np.uint64).astype(np.uint32)
            for factor in (0x7FEB352D, 0x846CA68B):
                x ^= x >> np.uint32(16)
                x *= np.uint32(factor)
            flat[first:stop] = (x >> np.uint32(8)) % np.uint32(top)
        return out

    def portion(self, per_item: float) -> int:
        """Items of a rival that take a quarter of the memory."""
        return max(1, int(self.memory / 4 / per_item))
