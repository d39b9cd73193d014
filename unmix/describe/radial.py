"""Radial and azimuthal descriptors of spectra, diffraction patterns and windows."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Literal, get_args

import numpy as np

from .. import ops
from .._arrays import namespace_of
from .._axes import Axis
from .._errors import ParameterError
from .._samples import Samples
from .._typing import Array, HostArray
from ._planes import Circles, described, require_real_samples

Statistic = Literal["mean", "variance"]


def radial_profile(
    samples: Samples,
    *,
    statistic: Statistic = "mean",
    center: tuple[float, float] | None = None,
    r_min: float = 0,
    r_max: float | None = None,
    width: float | None = None,
) -> Samples:
    """Describe a plane by its mean, or its variance, over rings about a centre.

    The mean says at which distances there is signal, and no rotation changes it. The variance says
    how far each ring is from an even one: that of diffraction patterns tells crystals, whose rings
    are spots, from glass.

    Parameters
    ----------
    samples : Samples
        With two descriptor axes of one unit: spectra of windows, diffraction patterns, windows,
        correlations.
    statistic : {"mean", "variance"}
        Of all entries of a ring, alike.
    center : (float, float), optional
        Coordinates, (y, x), in the axes' unit. Default: zero of spectra and correlations, else the
        middle.
    r_min, r_max : float
        Smallest and largest radius in the axes' unit. Default: from the centre to the nearest side.
    width : float, optional
        Of a ring, in the axes' unit. Default: the distance of entries, the larger one of both axes.

    Returns
    -------
    Samples
        The same map axes; one descriptor axis ``radius`` in the axes' unit. A ring holds the
        entries that are nearer to its radius than to others; the ring of radius zero is the centre.
        Entries that are left out do not count, and rings without any are left out (NaN). In the
        namespace, on the device and in the computing type of the samples.

    Raises
    ------
    ShapeError
        If there are not two descriptor axes of one unit, or no entry is in a ring.
    ParameterError
        If a number is none or out of range, or there is no such statistic.
    BackendError, DTypeError
        If these are no samples, or complex ones.

    Notes
    -----
    NaN in a sample makes all of its rings NaN. Means are one matrix product for each tile.

    Examples
    --------
    >>> import numpy as np
    >>> import unmix as um
    >>> y, x = np.mgrid[-4:5, -4:5]
    >>> disc = (np.hypot(y, x) < 2.5).astype(float)
    >>> um.radial_profile(um.samples(disc[None, None], 2)).to_array()[0, 0]
    array([1., 1., 1., 0., 0.])
    """
    samples = require_real_samples(samples)
    if statistic not in get_args(Statistic):
        raise ParameterError(f"statistic is {statistic!r}; expected 'mean' or 'variance'")
    circles = Circles.of(samples, center, r_min, r_max, width)
    layout = samples.layout
    shares = circles.shares(layout.features, layout.n_features)
    used = np.asarray(shares.any(axis=0))
    function = ops.ring_means if statistic == "mean" else ops.ring_variances
    parameters = {
        "statistic": statistic,
        "center": center,
        "r_min": r_min,
        "r_max": r_max,
        "width": width,
    }
    return described(
        samples,
        partial(function, weights=shares[:, used]),
        (circles.axis,),
        used,
        ("radial_profile", parameters),
        values=layout.n_features * (1 if statistic == "mean" else 4),
        nonnegative=True if statistic == "variance" else samples.nonnegative or None,
    )


def polar_transform(
    samples: Samples,
    *,
    n_angles: int = 180,
    center: tuple[float, float] | None = None,
    r_min: float = 0,
    r_max: float | None = None,
    width: float | None = None,
) -> Samples:
    """Resample a plane on circles about a centre: a rotation becomes a shift along the angle.

    Parameters
    ----------
    samples : Samples
        With two descriptor axes of one unit: spectra of windows, diffraction patterns, windows,
        correlations.
    n_angles : int
        Points on each circle.
    center : (float, float), optional
        Coordinates, (y, x), in the axes' unit. Default: zero of spectra and correlations, else the
        middle.
    r_min, r_max : float
        Smallest and largest radius in the axes' unit. Default: from the centre to the nearest side.
    width : float, optional
        Distance of circles, in the axes' unit. Default: that of entries, the larger one of both
        axes.

    Returns
    -------
    Samples
        The same map axes; descriptor axes (radius, angle): radii in the axes' unit, angles in
        degrees from x towards y, 0 included and 360 not. Values are interpolated between the four
        entries around (bilinear); at sides and beside entries that are left out, between those that
        there are. Points without any are left out (NaN). At radius zero all angles are alike.

    Raises
    ------
    ShapeError
        If there are not two descriptor axes of one unit, or no entry is near a circle.
    ParameterError
        If a number is none or out of range.
    BackendError, DTypeError
        If these are no samples, or complex ones.

    Notes
    -----
    NaN spreads to the points beside it. Narrow spots lose height between entries, as with any
    interpolation by lines.

    Examples
    --------
    >>> import numpy as np
    >>> import unmix as um
    >>> y, x = np.mgrid[-4.0:5, -4.0:5]
    >>> um.polar_transform(um.samples((x + 0 * y)[None, None], 2), n_angles=4).to_array()[0, 0, 2]
    array([ 2.,  0., -2.,  0.])
    """
    samples = require_real_samples(samples)
    circles = Circles.of(samples, center, r_min, r_max, width)
    n_angles = _count(n_angles)
    places, weights, inside = circles.corners(samples.layout.features, n_angles)
    kept = inside.ravel()
    parameters = {
        "n_angles": n_angles,
        "center": center,
        "r_min": r_min,
        "r_max": r_max,
        "width": width,
    }
    angles = Axis.regular("angle", n_angles, spacing=360 / n_angles, units="deg")
    return described(
        samples,
        partial(ops.interpolated, places=places[:, kept], weights=weights[:, kept]),
        (circles.axis, angles),
        inside,
        ("polar_transform", parameters),
        values=4 * places.shape[1],
        nonnegative=samples.nonnegative or None,
    )


def angular_orders(
    samples: Samples,
    orders: Sequence[int] = (2, 3, 4, 6),
    *,
    n_angles: int = 180,
    center: tuple[float, float] | None = None,
    r_min: float = 0,
    r_max: float | None = None,
    width: float | None = None,
) -> Samples:
    r"""Describe a plane by how strongly it repeats along circles: no rotation changes that.

    Parameters
    ----------
    samples : Samples
        With two descriptor axes of one unit: spectra of windows, diffraction patterns, windows,
        correlations.
    orders : sequence of int
        How often a pattern repeats in a full turn: 4 for a square lattice, 6 for a triangular one.
        0 is the mean. Spectra and autocorrelations have even orders alone.
    n_angles : int
        Points on each circle, more than twice the largest order.
    center, r_min, r_max, width
        As for `polar_transform`.

    Returns
    -------
    Samples
        The same map axes; descriptor axes (order, radius). Values, in the unit of the samples, are
        \|mean over the angle of x exp(-i order angle)\|, so never below zero. Circles with a point
        beside no entry are left out (NaN). At radius zero all orders but 0 are zero.

    Raises
    ------
    ShapeError
        If there are not two descriptor axes of one unit, or no whole circle of entries.
    ParameterError
        If a number is none or out of range.
    BackendError, DTypeError
        If these are no samples, or complex ones.

    Notes
    -----
    Circles are interpolated as by `polar_transform`: a plane that depends on the radius alone has
    orders of 4, 8 ... of what interpolation leaves of its curvature. NaN in a sample makes the
    circles beside it NaN.

    Examples
    --------
    >>> import numpy as np
    >>> import unmix as um
    >>> y, x = np.mgrid[-8.0:9, -8.0:9]
    >>> scan = um.samples(np.cos(2 * np.arctan2(y, x))[None, None], 2)
    >>> um.angular_orders(scan, (2, 4), r_min=6).to_array()[0, 0].round(1)
    array([[0.5, 0.5, 0.5],
           [0. , 0. , 0. ]])
    """
    samples = require_real_samples(samples)
    circles = Circles.of(samples, center, r_min, r_max, width)
    n_angles, orders = _count(n_angles), _orders(orders, n_angles)
    places, weights, inside = circles.corners(samples.layout.features, n_angles)
    whole = np.asarray(inside.all(axis=1))
    kept = np.repeat(whole, n_angles)
    function = partial(
        _moduli,
        places=places[:, kept],
        weights=weights[:, kept],
        n_angles=n_angles,
        orders=orders,
    )
    parameters = {
        "orders": orders,
        "n_angles": n_angles,
        "center": center,
        "r_min": r_min,
        "r_max": r_max,
        "width": width,
    }
    return described(
        samples,
        function,
        (Axis("order", np.asarray(orders, float), ""), circles.axis),
        np.broadcast_to(whole, (len(orders), len(whole))),
        ("angular_orders", parameters),
        values=4 * places.shape[1],
        nonnegative=True,
    )


def _moduli(
    rows: Array,
    *,
    places: HostArray,
    weights: HostArray,
    n_angles: int,
    orders: tuple[int, ...],
) -> Array:
    xp, b = namespace_of(rows), rows.shape[0]
    circles = xp.reshape(ops.interpolated(rows, places, weights), (b, -1, n_angles))
    return xp.reshape(ops.angular_moduli(circles, orders), (b, -1))


def _count(n_angles: Any) -> int:
    whole = isinstance(n_angles, (int, np.integer)) and not isinstance(n_angles, bool)
    if not whole or n_angles < 1:
        raise ParameterError(f"n_angles is {n_angles!r}; expected a whole number of at least 1")
    return int(n_angles)


def _orders(orders: Any, n_angles: int) -> tuple[int, ...]:
    given = tuple(orders) if isinstance(orders, (Sequence, np.ndarray)) else (orders,)
    whole = all(isinstance(n, (int, np.integer)) and not isinstance(n, bool) for n in given)
    if (
        not given
        or not whole
        or len(set(given)) < len(given)
        or not (min(given) >= 0 and 2 * max(given) < n_angles)
    ):
        raise ParameterError(
            f"orders is {orders!r} at {n_angles} angles; expected different whole numbers from 0 "
            f"to {(n_angles - 1) // 2}: take more angles for higher ones"
        )
    return tuple(int(n) for n in given)
