"""Numbers that a scene is asked for, checked at the door."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._errors import ParameterError

ABOVE_0 = np.finfo(float).tiny
LAYOUT, NOISE = 0, 1  # streams of random numbers: the layout stays when only the noise changes


def number(
    name: str, value: Any, expected: str, low: float = -np.inf, high: float = np.inf
) -> float:
    """Return a finite number from ``low`` to ``high``."""
    real = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
    if not (real and np.isfinite(value) and low <= value <= high):
        raise ParameterError(f"{name} is {value!r}; expected {expected}")
    return float(value)


def whole(name: str, value: Any, low: int, high: float = np.inf) -> int:
    """Return a whole number from ``low`` to ``high``."""
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not (whole and low <= value <= high):
        limits = f"of at least {low}" if high == np.inf else f"from {low} to {high}"
        raise ParameterError(f"{name} is {value!r}; expected a whole number {limits}")
    return int(value)


def pair(name: str, value: Any, low: int) -> tuple[int, int]:
    """Return a (y, x) pair of whole numbers; one number stands for both."""
    pair = value if isinstance(value, (tuple, list)) else (value, value)
    if len(pair) != 2:
        raise ParameterError(f"{name} is {value!r}; expected a (y, x) pair of whole numbers")
    return whole(f"{name} along y", pair[0], low), whole(f"{name} along x", pair[1], low)
