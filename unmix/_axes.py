"""Named axes with coordinates and units, and how keys select from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ._errors import ShapeError
from ._typing import HostArray, Slices


@dataclass(frozen=True, slots=True, eq=False)
class Axis:
    """One named axis with the coordinate of every entry.

    Parameters
    ----------
    name : str
        The axis' name, such as ``"grid_y"`` or ``"k_x"``.
    values : numpy.ndarray
        Coordinate of every entry, shape (size,), float64.
    units : str
        Unit of ``values``; ``"px"`` where no scale is known.
    """

    name: str
    values: HostArray
    units: str = "px"

    @classmethod
    def regular(
        cls, name: str, size: int, *, start: float = 0.0, spacing: float = 1.0, units: str = "px"
    ) -> Axis:
        """Return an axis of ``size`` entries at equal spacing."""
        return cls(name, start + spacing * np.arange(size, dtype=np.float64), units)

    @property
    def size(self) -> int:
        """Number of entries."""
        return len(self.values)

    @property
    def spacing(self) -> float:
        """Mean distance between entries; 1 for an axis of one entry."""
        if self.size < 2:
            return 1.0
        return float(self.values[-1] - self.values[0]) / (self.size - 1)

    def same_as(self, other: Axis) -> bool:
        """Tell whether both axes have the same name, unit and coordinates."""
        if (self.name, self.units, self.size) != (other.name, other.units, other.size):
            return False
        # a thousandth of a spacing, whatever the unit: coordinates in metres are tiny numbers
        near = abs(self.spacing if self.size > 1 else float(self.values.sum())) / 1000
        return bool(np.allclose(self.values, other.values, rtol=0, atol=near))


def normal_slices(key: tuple[Any, ...], shape: tuple[int, ...]) -> tuple[Slices, tuple[int, ...]]:
    """Turn a key of whole numbers, slices and an ellipsis into one forward slice per axis.

    Also return the axes that a whole number drops.
    """
    if any(k is Ellipsis for k in key):
        at = next(i for i, k in enumerate(key) if k is Ellipsis)
        fill = len(shape) - len(key) + 1
        key = (*key[:at], *(slice(None),) * fill, *key[at + 1 :])
    if len(key) > len(shape):
        raise ShapeError(f"{len(key)} indices came for {len(shape)} axes of sizes {shape}")
    key = (*key, *(slice(None),) * (len(shape) - len(key)))
    slices, dropped = [], []
    for axis, (k, n) in enumerate(zip(key, shape, strict=True)):
        if isinstance(k, (int, np.integer)) and not isinstance(k, bool):
            if not -n <= k < n:
                raise ShapeError(f"index {k} is outside of axis {axis} of {n} entries")
            slices.append(slice(int(k) % n, int(k) % n + 1, 1))
            dropped.append(axis)
        elif isinstance(k, slice):
            start, stop, step = k.indices(n)
            if step < 1 or not range(start, stop, step):
                raise ShapeError(
                    f"the slice {k} of axis {axis} of {n} entries is empty or runs backwards; "
                    "expected at least one entry, in ascending order"
                )
            slices.append(slice(start, stop, step))
        else:
            said = " ".join(repr(k).split())  # of an array many lines
            raise ShapeError(
                f"the index {said[:40]} is a {type(k).__name__}; expected whole numbers and slices "
                "(for masks there are where() and features())"
            )
    return tuple(slices), tuple(dropped)


def describe_axes(axes: tuple[Axis, ...]) -> str:
    """Return axes as text, such as ``k_y 32 x k_x 32 (1/nm)``."""
    if not axes:
        return "no axes"
    units = " (" + axes[-1].units + ")" if axes[-1].units else ""
    return " x ".join(f"{a.name} {a.size}" for a in axes) + units
