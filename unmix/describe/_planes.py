"""Planes that samples are described by: detectors, spectra, windows; and circles on them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from numbers import Real
from typing import Any

import numpy as np

from .._axes import Axis
from .._described import Described
from .._door import descriptor_plane, require_samples
from .._errors import DTypeError, ParameterError, ShapeError
from .._samples import Samples
from .._typing import HostArray


def require_real_samples(samples: Any) -> Samples:
    """Return samples of real values."""
    checked = require_samples(samples)
    if checked.is_complex:
        raise DTypeError("these samples are complex; take output='amplitude' or 'power'")
    return checked


@dataclass(frozen=True, slots=True, eq=False)
class Circles:
    """Circles about a centre of a plane, equally spaced.

    Parameters
    ----------
    plane : (Axis, Axis)
        y and x.
    center : (float, float)
        Coordinates on them.
    radii : numpy.ndarray
        Of the circles, in the axes' unit, ascending.
    width : float
        Distance between circles.
    """

    plane: tuple[Axis, Axis]
    center: tuple[float, float]
    radii: HostArray
    width: float

    @classmethod
    def of(cls, samples: Samples, center: Any, r_min: Any, r_max: Any, width: Any) -> Circles:
        """Take the parameters of the public functions."""
        y, x = descriptor_plane(samples)
        if center is None:
            center = (_middle(y), _middle(x))
        step = max(a.spacing for a in (y, x) if a.size > 1 or max(y.size, x.size) == 1)
        width = step if width is None else width
        inside = [
            reach
            for a, c in zip((y, x), center, strict=False)
            if isinstance(c, Real)
            for reach in (c - a.values[0], a.values[-1] - c)
        ]
        r_max = min(inside, default=-1) if r_max is None else r_max
        numbers = (*center, r_min, r_max, width)
        numeric = all(isinstance(v, Real) and np.isfinite(float(v)) for v in numbers)
        if not numeric or len(numbers) != 5 or not (0 <= r_min <= r_max * (1 + 1e-9) and width > 0):
            raise ParameterError(
                f"center is {center!r}, radii go from {r_min!r} to {r_max!r} in steps of {width!r} "
                f"{y.units}; expected (y, x) inside of {y.name} and {x.name}, 0 <= r_min <= r_max "
                "and a step above zero, in the axes' unit"
            )
        first, last = int(np.ceil(r_min / width - 1e-9)), int(r_max / width + 1e-9)
        radii = np.arange(first, max(first, last) + 1) * width
        return cls((y, x), (float(center[0]), float(center[1])), radii, float(width))

    @property
    def axis(self) -> Axis:
        """The axis of the radii."""
        return Axis("radius", self.radii, self.plane[0].units)

    def rings(self) -> HostArray:
        """Return the number of the ring that each entry lies in, -1 for none, (y, x)."""
        y, x = self.plane
        r = np.hypot(y.values[:, None] - self.center[0], x.values - self.center[1])
        # the border between two rings belongs to the outer one, rounding aside
        ring = np.floor(r / self.width + 0.5 + 1e-9).astype(int) - round(self.radii[0] / self.width)
        return np.where((ring >= 0) & (ring < len(self.radii)), ring, -1)

    def shares(self, features: HostArray, n_features: int) -> HostArray:
        """Return the share of each feature in the mean of each ring, (n_features, n_rings).

        Columns of rings without entries are zero.
        """
        ring = self.rings()
        used = (ring >= 0) & (features >= 0)
        shares = np.zeros((n_features, len(self.radii)))
        np.add.at(shares, (features[used], ring[used]), 1)
        return np.asarray(shares / np.maximum(shares.sum(axis=0), 1))

    def corners(self, features: HostArray, n_angles: int) -> tuple[HostArray, HostArray, HostArray]:
        """Return what bilinear interpolation on the circles reads.

        Returns
        -------
        places, weights : numpy.ndarray
            Shape (4, n_radii * n_angles): features, and weights that sum to one.
        inside : numpy.ndarray
            Bool, (n_radii, n_angles): points with an entry beside them. The weights of others are
            zero.
        """
        angle = 2 * np.pi * np.arange(n_angles) / n_angles
        points = [
            (c + self.radii[:, None] * wave(angle) - a.values[0]) / a.spacing
            for a, c, wave in zip(self.plane, self.center, (np.sin, np.cos), strict=True)
        ]
        # rounding must not reach for a neighbour that it has no use for
        points = [np.where(np.abs(p - np.rint(p)) < 1e-9, np.rint(p), p) for p in points]
        places, weights = [], []
        for up in (0, 1):
            for right in (0, 1):
                at, weight, there = [], np.ones_like(points[0]), True
                for p, step, a in zip(points, (up, right), self.plane, strict=True):
                    corner = np.floor(p).astype(int) + step
                    weight = weight * np.clip(1 - np.abs(p - corner), 0, None)
                    there = there & (corner >= 0) & (corner < a.size)
                    at.append(np.clip(corner, 0, a.size - 1))
                place = features[at[0], at[1]]
                places.append(np.where(place < 0, 0, place))
                weights.append(np.where(there & (place >= 0), weight, 0))
        total = np.sum(weights, axis=0)
        inside = total > 1e-9
        scaled = np.stack(weights) / np.where(inside, total, 1)
        return np.stack(places).reshape(4, -1), scaled.reshape(4, -1), inside


def _middle(axis: Axis) -> float:
    """Return where a plane's centre lies: at k = 0 of spectra, else amid the coordinates."""
    if axis.name.startswith(("k_", "lag_")):
        return 0.0
    return float(axis.values[0] + axis.values[-1]) / 2


def described(
    samples: Samples,
    function: Any,
    axes: tuple[Axis, ...],
    used: HostArray,
    step: tuple[str, dict[str, Any]],
    *,
    values: int,
    nonnegative: bool | None,
) -> Samples:
    """Return samples of which ``function`` makes one feature for each entry that is ``used``.

    Parameters
    ----------
    samples : Samples
        What is described, by the values that `Samples.unweighted` holds.
    function : callable
        (b, n_features) -> (b, number of used entries).
    axes : tuple of Axis
        The new descriptor.
    used : numpy.ndarray
        Bool, its shape: which entries there are; NaN will stand for the others.
    step : (str, dict)
        Operation and parameters, for the record.
    values : int
        How many values the function holds at a time for each sample.
    nonnegative : bool or None
        Whether no result is below zero.
    """
    if not used.any():
        raise ShapeError(
            f"{step[0]} finds no entry of the descriptor there; take radii inside of it, and leave "
            "fewer entries out"
        )
    index = None
    if not used.all():
        index = np.where(used, np.cumsum(used).reshape(used.shape) - 1, -1)
    return replace(
        samples,
        source=Described(samples.unweighted().source, function, values),
        layout=samples.layout.with_descriptor(*axes, index=index),
        record=samples.record.then(*step),
        nonnegative=nonnegative,
    )
