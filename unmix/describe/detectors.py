"""Virtual detectors: images of what falls on a part of the detector."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np

from .._arrays import from_host, is_array, to_host
from .._axes import Axis
from .._door import descriptor_plane
from .._errors import DataError, ParameterError, ShapeError
from .._fold import map_rows
from .._samples import Samples
from .._sources import ArraySource
from .._typing import Array, HostArray
from ..layout import Layout
from ._planes import require_real_samples


def detector_mask(
    samples: Samples,
    *,
    center: tuple[float, float] | None = None,
    inner: float = 0,
    outer: float | None = None,
) -> HostArray:
    """Return the mask of a disc or a ring on the detector.

    Parameters
    ----------
    samples : Samples
        With two descriptor axes, (det_y, det_x) or (k_y, k_x).
    center : (float, float), optional
        Its coordinates, (y, x), in the axes' unit. Default: the middle of the detector.
    inner, outer : float
        Distances from the centre in the axes' unit: entries at inner <= r < outer are in the mask,
        so that a ring that begins where a disc ends shares none with it. Default: a disc without
        end.

    Returns
    -------
    numpy.ndarray
        Bool, the descriptor's shape.

    Raises
    ------
    ShapeError
        If there are not two descriptor axes of one unit, or no entry is in the mask.
    ParameterError
        If a number is none, or the radii are not 0 <= inner < outer.

    Examples
    --------
    >>> import numpy as np
    >>> import unmix as um
    >>> scan = um.samples(np.ones((8, 9, 5, 5)), 2)
    >>> um.detector_mask(scan, outer=1.5).astype(int)
    array([[0, 0, 0, 0, 0],
           [0, 1, 1, 1, 0],
           [0, 1, 1, 1, 0],
           [0, 1, 1, 1, 0],
           [0, 0, 0, 0, 0]])
    """
    y, x = descriptor_plane(samples)
    if center is None:
        center = (float(y.values[0] + y.values[-1]) / 2, float(x.values[0] + x.values[-1]) / 2)
    numbers: list[Any] = [*center, inner, *([] if outer is None else [outer])]
    numeric = all(isinstance(v, Real) and np.isfinite(float(v)) for v in numbers)
    if not numeric or len(numbers) != 3 + (outer is not None):
        raise ParameterError(
            f"center is {center!r}, inner is {inner!r} and outer is {outer!r}; expected two "
            "coordinates, (y, x), and two radii"
        )
    end = np.inf if outer is None else outer
    if not 0 <= inner < end:
        raise ParameterError(
            f"inner is {inner!r} and outer is {outer!r}; expected 0 <= inner < outer"
        )
    radius = np.hypot(y.values[:, None] - center[0], x.values - center[1])
    mask = (radius >= inner) & (radius < end)
    if not mask.any():
        raise ShapeError(
            f"no entry of the detector lies {inner:g} to {end:g} {y.units} from {center}; "
            f"it reaches from {y.values[0]:g} to {y.values[-1]:g} along {y.name}: "
            "give center, inner and outer in the axes' unit"
        )
    return np.asarray(mask)


def virtual_image(samples: Samples, mask: Array) -> Samples:
    """Sum up what falls on a part of the detector, at every position of the scan.

    Parameters
    ----------
    samples : Samples
        Described samples, such as (scan_y, scan_x | det_y, det_x).
    mask : array
        Bool or real weights, (*descriptor_shape); or several, (n, *descriptor_shape). Of spectra it
        is of the full centred plane. See `detector_mask`.

    Returns
    -------
    Samples
        An image in memory, map axes (*map axes); several masks give (detector, *map axes). In the
        namespace, on the device and in the computing type of the samples; NaN at samples that were
        left out. Entries that were left out do not count.

    Raises
    ------
    ShapeError
        If the mask has another shape.
    DataError
        If no weight differs from zero, or one is not finite.
    BackendError, DTypeError
        If these are no samples, or complex ones.

    Notes
    -----
    One pass, of no more than the rectangle around all masks.

    Examples
    --------
    >>> import numpy as np
    >>> import unmix as um
    >>> scan = um.samples(np.ones((8, 9, 16, 16), np.uint16), 2)
    >>> um.virtual_image(scan, um.detector_mask(scan, outer=4))
    <Samples scan_y 8 x scan_x 9 (px), float32, numpy>
    """
    samples = require_real_samples(samples)
    weights = _weights(mask, samples.layout.descriptor_shape)
    several = weights.ndim > len(samples.layout.descriptor_shape)
    stack = weights if several else weights[None]
    seen, sums = _used_part(samples, stack)
    rows = map_rows(
        seen.unweighted(),
        lambda rows: rows @ from_host(sums, rows, rows.dtype),
        len(stack),
        dtype=samples.dtype,
        label="virtual image",
    )
    images = samples.xp.moveaxis(rows, -1, 0) if several else rows[..., 0]
    lead = (Axis.regular("detector", len(stack), units=""),) if several else ()
    left_out = samples.layout.mask
    layout = Layout(
        (*lead, *samples.layout.map_axes),
        (),
        mask=None if left_out is None else np.broadcast_to(left_out, images.shape),
        windows=samples.layout.windows,
        images=None if several else samples.layout.images,
    )
    return Samples(
        source=ArraySource(images, tuple(range(images.ndim)), images.ndim),
        layout=layout,
        record=samples.record.then("virtual_image", {"mask": weights}),
        nonnegative=True if samples.nonnegative and np.all(weights >= 0) else None,
    )


def _weights(mask: Any, shape: tuple[int, ...]) -> HostArray:
    """Return a mask, or several, on the host: bool or float64."""
    host = np.array(to_host(mask) if is_array(mask) else mask)  # theirs may change later
    fits = host.ndim in (len(shape), len(shape) + 1) and host.shape[host.ndim - len(shape) :]
    if not shape or fits != shape or not len(host) or host.dtype.kind not in "biuf":
        raise ShapeError(
            f"the mask has shape {host.shape} and dtype {host.dtype}; expected bool or real "
            f"numbers of the descriptor's shape {shape}, or several of them, (n, ...)"
        )
    if not np.isfinite(host).all() or not host.any():
        raise DataError("the mask is zero everywhere, or holds NaN or infinity; expected weights")
    return host if host.dtype == np.bool_ else host.astype(np.float64)


def _used_part(samples: Samples, stack: HostArray) -> tuple[Samples, HostArray]:
    """Return the samples on the rectangle around all masks, and weights (n_features, n)."""
    layout = samples.layout
    if layout.index is None:
        used = np.any(stack, axis=0)
        box = []
        for axis in range(used.ndim):
            others = tuple(i for i in range(used.ndim) if i != axis)
            inside = np.flatnonzero(np.any(used, axis=others))
            box.append(slice(int(inside[0]), int(inside[-1]) + 1))
        part = stack[(slice(None), *box)]
        return samples[(..., *box)], part.reshape(len(stack), -1).T
    # an entry and its mirror image may be one feature
    kept = layout.index >= 0
    sums = [np.bincount(layout.index[kept], w[kept], layout.n_features) for w in stack]
    return samples, np.stack(sums, axis=1)
