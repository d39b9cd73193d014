"""Where the beam lies on each diffraction pattern, and patterns made comparable."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from numbers import Real
from typing import Any, Literal, get_args

import numpy as np

from .. import ops
from .._arrays import from_host, is_array, namespace_of, to_host
from .._axes import Axis
from .._door import descriptor_plane
from .._errors import DataError, ParameterError, ShapeError
from .._fold import map_rows
from .._samples import Samples
from .._sources import ArraySource, Mapped
from .._typing import Array, HostArray, Slices

Method = Literal["center_of_mass", "correlation"]


def find_beam(
    samples: Samples,
    method: Method = "center_of_mass",
    *,
    radius: float | None = None,
    mask: Array | None = None,
    smooth: Literal["plane"] | None = None,
) -> Samples:
    """Find where the beam lies on each pattern, to a fraction of a pixel.

    Parameters
    ----------
    samples : Samples
        Such as (scan_y, scan_x | det_y, det_x), with all detector pixels.
    method : {"center_of_mass", "correlation"}
        The centre of mass, of what lies in ``mask``: exact where the beam is all that is there,
        and drawn aside by what else there is. Or where a disc of ``radius`` fits best, with an
        even background taken off.
    radius : float, optional
        Of the beam's disc, in the unit of the detector's axes; for ``"correlation"``.
    mask : array of bool, optional
        Of the detector: where to look, such as a `detector_mask`. Default: everywhere.
    smooth : {"plane"}, optional
        Put a plane through the positions of each scan: descan moves the beam evenly, and the
        specimen does not.

    Returns
    -------
    Samples
        Map axes as before; one descriptor axis ``coordinate`` of two, (y, x), in the unit of the
        detector's axes, in memory; NaN where a pattern holds nothing, or was left out, unless
        ``smooth`` fills it in. In the namespace and on the device of the samples, and in their
        computing type.

    Raises
    ------
    ParameterError
        If method or smooth is unknown, or the radius is missing or no positive number.
    ShapeError
        If there are not two descriptor axes of one unit with all pixels, or a mask of another
        shape.
    BackendError
        If these are no samples.

    Examples
    --------
    >>> import numpy as np
    >>> import unmix as um
    >>> patterns = np.zeros((2, 3, 8, 8))
    >>> patterns[..., 4:6, 2] = 1
    >>> um.find_beam(um.samples(patterns, 2)).to_array()[0, 0]
    array([4.5, 2. ])
    """
    y, x = _all_of_detector(samples)
    shape = (y.size, x.size)
    if method not in get_args(Method) or smooth not in (None, "plane"):
        raise ParameterError(
            f"method is {method!r} and smooth is {smooth!r}; expected 'center_of_mass' or "
            "'correlation', and None or 'plane'"
        )
    weights = None if mask is None else _mask(mask, shape)
    find: Callable[[Array], HostArray] = partial(ops.center_of_mass, weights=weights)
    if method == "correlation":
        pixels = _radius(radius) / abs(y.spacing)
        find = partial(ops.disc_positions, radius=pixels, weights=weights)
    start = np.asarray([y.values[0], x.values[0]])
    spacing = np.asarray([y.spacing, x.spacing])

    def positions(rows: Array) -> Array:
        found = find(namespace_of(rows).reshape(rows, (rows.shape[0], *shape)))
        return from_host(start + spacing * found, rows, rows.dtype)

    found = map_rows(samples, positions, 2, dtype=samples.dtype, label="finding the beam")
    layout = replace(samples.layout, index=None)
    if smooth is not None:
        found = from_host(_planes(to_host(found)), found, found.dtype)
        layout = replace(layout, mask=None)
    axis = Axis.regular("coordinate", 2, units=y.units)
    parameters = {"method": method, "radius": radius, "mask": weights, "smooth": smooth}
    n = len(layout.map_axes)
    return Samples(
        source=ArraySource(found, tuple(range(n + 1)), n),
        layout=layout.with_descriptor(axis),
        record=samples.record.then("find_beam", parameters),
    )


def _planes(found: HostArray) -> HostArray:
    """Put a plane through each coordinate of (..., y, x, 2); along one axis it is a line."""
    values = found.astype(np.float64)
    n_y, n_x = (1, *values.shape[:-1])[-2:]
    y, x = (np.linspace(-1, 1, n) for n in (n_y, n_x))
    frames = np.moveaxis(values.reshape(-1, n_y, n_x, 2), -1, 1).reshape(-1, n_y, n_x)
    planes = [ops.plane_of(to_host(ops.plane_moments(f, y, x))) for f in frames]
    smooth = np.stack([a + b * y[:, None] + c * x for a, b, c in planes])
    smooth = np.moveaxis(smooth.reshape(-1, 2, n_y, n_x), 1, -1)
    return np.asarray(smooth.reshape(values.shape))


def center_beam(
    samples: Samples,
    positions: Samples | None = None,
    *,
    interpolation: ops.Interpolation = "bilinear",
    **options: Any,
) -> Samples:
    """Move each pattern so that the beam lies in the middle of the detector.

    Parameters
    ----------
    samples : Samples
        Such as (scan_y, scan_x | det_y, det_x), with all detector pixels.
    positions : Samples, optional
        Where the beam is, from `find_beam`. Default: it is looked for, with ``options``.
    interpolation : {"bilinear", "fourier"}
        Between four pixels, with zero where the pattern ends, which keeps values from zero up and
        smooths a little; or by phases of the Fourier transform, which smooths nothing, rings at
        sharp edges, and takes what leaves on one side in from the other.
    **options
        Of `find_beam`.

    Returns
    -------
    Samples
        The same axes, whose coordinates on the detector count from the beam: zero is in the middle,
        between two pixels where their number is even. Patterns are moved block by block, when they
        are read. A pattern in which no beam was found is moved by the mean of all others.

    Raises
    ------
    ParameterError
        If the interpolation is unknown, or there are options beside positions.
    ShapeError
        If positions are of another map or in another unit, or entries of the detector are left out.
    DataError
        If no beam was found at all.

    Examples
    --------
    >>> import numpy as np
    >>> import unmix as um
    >>> patterns = np.zeros((2, 3, 5, 5))
    >>> patterns[..., 3, 1] = 1
    >>> centred = um.center_beam(um.samples(patterns, 2))
    >>> float(centred.to_array()[0, 0, 2, 2]), centred.axes[2].values
    (1.0, array([-2., -1.,  0.,  1.,  2.]))
    """
    y, x = _all_of_detector(samples)
    if interpolation not in get_args(ops.Interpolation):
        raise ParameterError(
            f"interpolation is {interpolation!r}; expected 'bilinear' or 'fourier'"
        )
    if positions is not None and options:
        raise ParameterError(
            f"positions came with {', '.join(options)}; expected either positions, from "
            "find_beam, or how to find them"
        )
    parameters: dict[str, Any] = {"positions": positions, "interpolation": interpolation, **options}
    if positions is None:
        positions = find_beam(samples, **options)
    places = _places(positions, samples, (y, x))
    axes = [
        Axis.regular(
            a.name, a.size, start=-(a.size - 1) / 2 * a.spacing, spacing=a.spacing, units=a.units
        )
        for a in (y, x)
    ]
    middle = np.asarray([(y.size - 1) / 2, (x.size - 1) / 2])
    whole = replace(samples.layout, mask=None)
    shape = (y.size, x.size)

    def center(rows: Array, by: HostArray, where: Slices, kept: HostArray | None) -> Array:
        numbers = whole.numbers(where)
        mine = by[numbers if kept is None else numbers[kept]]
        patterns = namespace_of(rows).reshape(rows, (rows.shape[0], *shape))
        out = ops.moved(patterns, mine, interpolation)
        return namespace_of(rows).reshape(out, rows.shape)

    return replace(
        samples,
        source=Mapped(samples.source, center, lambda _: places - middle, []),
        layout=samples.layout.with_descriptor(*axes),
        record=samples.record.then("center_beam", parameters),
        nonnegative=samples.nonnegative if interpolation == "bilinear" else None,
    )


def _places(positions: Any, samples: Samples, axes: tuple[Axis, Axis]) -> HostArray:
    """Return the beam's positions (n, 2) in pixels, those that are missing from the others."""
    shape = (*samples.layout.map_shape, 2)
    fits = isinstance(positions, Samples) and positions.shape == shape
    if not fits or positions.axes[-1].units != axes[0].units:
        raise ShapeError(
            f"positions are {positions!r}; expected those of a map {shape[:-1]} in "
            f"{axes[0].units or 'no unit'}, from unmix.find_beam"
        )
    found = to_host(positions.to_array()).reshape(-1, 2).astype(np.float64)
    there = ~np.isnan(found[:, 0])
    if not there.any():
        raise DataError("no pattern holds a beam; expected counts above zero in the mask")
    found = np.where(there[:, None], found, found[there].mean(axis=0))
    start = np.asarray([a.values[0] for a in axes])
    return np.asarray((found - start) / [a.spacing for a in axes])


def affine(
    samples: Samples, matrix: Array, *, center: tuple[float, float] | None = None
) -> Samples:
    """Undo a linear distortion of all patterns, such as that of an elliptical lens.

    Parameters
    ----------
    samples : Samples
        Such as (scan_y, scan_x | det_y, det_x), with all detector pixels.
    matrix : array
        Shape (2, 2): the place on the detector, from the centre, of what belongs to a true place,
        (y, x). See `ellipse`.
    center : (float, float), optional
        What stays in place, (y, x), in the axes' unit. Default: the middle of the detector.

    Returns
    -------
    Samples
        The same axes; patterns are interpolated between four pixels, with zero where they end, when
        they are read. Counts of a pixel are not scaled by its area.

    Raises
    ------
    ParameterError
        If matrix or center are no finite numbers, or the matrix has no inverse.
    ShapeError
        If there are not two descriptor axes of one unit with all pixels.

    Examples
    --------
    >>> import numpy as np
    >>> import unmix as um
    >>> scan = um.samples(np.ones((2, 3, 8, 8)), 2)
    >>> um.affine(scan, um.ellipse(1.05, 30))
    <Samples scan_y 2 x scan_x 3 (px) | det_y 8 x det_x 8 (px), float64, numpy>
    """
    y, x = _all_of_detector(samples)
    if center is None:
        center = (float(y.values[0] + y.values[-1]) / 2, float(x.values[0] + x.values[-1]) / 2)
    linear = _numbers(matrix, (2, 2), "matrix")
    origin = _numbers(center, (2,), "center")
    if abs(np.linalg.det(linear)) < 1e-12:
        raise ParameterError(f"matrix is {linear.tolist()}; expected one that has an inverse")
    true = np.stack(np.meshgrid(y.values - origin[0], x.values - origin[1], indexing="ij"))
    measured = np.tensordot(linear, true, 1) + origin[:, None, None]
    start = np.asarray([y.values[0], x.values[0]])[:, None, None]
    at = (measured - start) / np.asarray([y.spacing, x.spacing])[:, None, None]

    def resample(rows: Array) -> Array:
        xp = namespace_of(rows)
        return xp.reshape(
            ops.stretched(xp.reshape(rows, (rows.shape[0], y.size, x.size)), at), rows.shape
        )

    parameters = {"matrix": linear.tolist(), "center": origin.tolist()}
    return replace(
        samples,
        source=Mapped(samples.source, resample),
        record=samples.record.then("affine", parameters),
    )


def ellipse(ratio: float, angle: float) -> HostArray:
    """Return the matrix of a distortion that makes an ellipse of a circle, for `affine`.

    Parameters
    ----------
    ratio : float
        The axis at ``angle`` over the other one. The ellipse's area is the circle's.
    angle : float
        Of that axis in degrees, from x towards y.

    Returns
    -------
    numpy.ndarray
        Shape (2, 2), (y, x).

    Raises
    ------
    ParameterError
        If the ratio is not above zero, or a number is none.

    Examples
    --------
    >>> import unmix as um
    >>> um.ellipse(1.21, 0).round(3)
    array([[0.909, 0.   ],
           [0.   , 1.1  ]])
    """
    numbers = all(isinstance(v, Real) and np.isfinite(float(v)) for v in (ratio, angle))
    if not numbers or ratio <= 0:
        raise ParameterError(
            f"ratio is {ratio!r} and angle is {angle!r}; expected a ratio above zero and degrees"
        )
    turn = np.deg2rad(angle)
    axes = np.asarray([[np.sin(turn), np.cos(turn)], [np.cos(turn), -np.sin(turn)]])
    stretch = np.sqrt(ratio) ** np.asarray([1.0, -1.0])
    return np.asarray((axes.T * stretch) @ axes)


def _all_of_detector(samples: Any) -> tuple[Axis, Axis]:
    """Return the detector's axes, of which every pixel must be there."""
    axes = descriptor_plane(samples)
    if samples.layout.index is not None:
        raise ShapeError(
            "entries of the descriptor are left out, or share features as those of spectra do; "
            "move patterns before that"
        )
    return axes


def _radius(radius: Any) -> float:
    if not isinstance(radius, Real) or not 0 < float(radius) < np.inf:
        raise ParameterError(
            f"radius is {radius!r}; expected that of the beam's disc, in the detector's unit"
        )
    return float(radius)


def _mask(mask: Any, shape: tuple[int, int]) -> HostArray:
    host = np.array(to_host(mask) if is_array(mask) else mask)
    if host.shape != shape or host.dtype != np.bool_ or not host.any():
        raise ShapeError(
            f"the mask has shape {host.shape} and dtype {host.dtype}; expected bool of the "
            f"detector's shape {shape}, not all of it False"
        )
    return host


def _numbers(values: Any, shape: tuple[int, ...], what: str) -> HostArray:
    try:
        host = np.asarray(to_host(values) if is_array(values) else values, dtype=np.float64)
    except (TypeError, ValueError):
        host = np.empty(0)
    if host.shape != shape or not np.isfinite(host).all():
        said = " ".join(repr(values).split())[:60]
        raise ParameterError(f"{what} is {said}; expected finite numbers of shape {shape}")
    return host
