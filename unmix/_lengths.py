"""Lengths that users give in pixels, in the image's unit or in lattice periods."""

from __future__ import annotations

import re
from collections.abc import Callable
from numbers import Real
from typing import Any

import numpy as np

from ._axes import Axis
from ._errors import ParameterError

METRES = {
    "pm": 1e-12,
    "a": 1e-10,
    "å": 1e-10,
    "angstrom": 1e-10,
    "nm": 1e-9,
    "um": 1e-6,
    "µm": 1e-6,
    "μm": 1e-6,
    "mm": 1e-3,
    "m": 1.0,
}
"""Units of length, in small letters, which may be turned into one another."""

PIXELS, PERIODS = ("px", "pixel", "pixels"), ("period", "periods")


def in_pixels(
    value: Any, axes: tuple[Axis, Axis], what: str, period: Callable[[], float] | None = None
) -> tuple[float, float]:
    """Return a length in pixels along y and along x.

    Parameters
    ----------
    value : float, str or pair of them
        A number of pixels, or a number with a unit: that of the axes, one that it can be turned
        into, ``"px"`` or, where ``period`` is given, ``"periods"``.
    axes : (Axis, Axis)
        Those of the image, (y, x).
    what : str
        Name of the parameter, for messages.
    period : callable, optional
        Finds the period of the image's lattice in pixels.
    """
    both = tuple(value) if isinstance(value, (tuple, list)) else (value, value)
    if len(both) != 2:
        raise ParameterError(f"{what} is {value!r}; expected one length or two, (y, x)")
    y, x = (_one(v, a, what, period) for v, a in zip(both, axes, strict=True))
    return y, x


def _one(value: Any, axis: Axis, what: str, period: Callable[[], float] | None) -> float:
    if isinstance(value, Real) and not isinstance(value, bool):
        number, unit = float(value), "px"
    else:
        said = re.fullmatch(r"\s*([0-9.]+(?:e[+-]?\d+)?)\s*([^\W\d_]+)\s*", str(value))
        try:
            number, unit = (float(said[1]), said[2]) if said else (np.nan, "")
        except ValueError:
            number, unit = np.nan, ""
    if not 0 < number < np.inf:
        wanted = "a number of pixels, or with a unit, such as '3 nm'"
        if period is not None:
            wanted += " or '6 periods'"
        raise ParameterError(f"{what} is {value!r}; expected {wanted}, above zero")
    if unit.lower() in PIXELS:
        return number
    if unit.lower() in PERIODS and period is not None:
        return number * period()
    return number * _factor(unit, axis, what) / abs(axis.spacing)


def _factor(unit: str, axis: Axis, what: str) -> float:
    """Return how many of the axis' units are one ``unit``."""
    if unit == axis.units:
        return 1.0
    mine, theirs = METRES.get(axis.units.lower()), METRES.get(unit.lower())
    if mine is None or theirs is None:
        raise ParameterError(
            f"{what} is given in {unit}, and the image's {axis.name} axis is in "
            f"{axis.units or 'no unit'}; give pixels, or the image its pitch and units with "
            "unmix.samples"
        )
    return theirs / mine
