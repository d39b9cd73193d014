"""Smoothing and medians of images that know what is missing: NaN, and what lies outside."""

from __future__ import annotations

from math import ceil
from typing import Any

import numpy as np

from .._arrays import as_float, from_host, namespace_of
from .._errors import ParameterError
from .._typing import Array, HostArray

REACH = 4
"""Where a Gaussian is cut off, in standard deviations."""

LEAST_BLOCK = 64
"""Pixels along an axis that one matrix product smooths."""

Inner = tuple[slice, slice]


def gaussian_reach(sigma: float) -> int:
    """Return how many pixels to each side a Gaussian takes in."""
    return ceil(REACH * sigma)


def smoothed(image: Array, sigma: tuple[float, float], inner: Inner | None = None) -> Array:
    r"""Smooth images by a Gaussian, by normalised convolution.

    What is missing has no weight: each value is the weighted mean of the pixels that are there,
    G * (m z) / G * m, where m is 0 at NaN and outside of the image.

    Parameters
    ----------
    image : array
        Shape (..., y, x), real.
    sigma : (float, float)
        Standard deviations in pixels, (y, x). The Gaussian ends at four of them.
    inner : (slice, slice), optional
        The rows and columns to return. Default: all.

    Returns
    -------
    array
        Shape (..., y, x) of ``inner``, in the computing type; NaN where no pixel is within reach.

    References
    ----------
    Knutsson and Westin, Proc. CVPR, 515 (1993), with an applicability of a Gaussian.

    Examples
    --------
    >>> import numpy as np
    >>> import unmix as um
    >>> um.ops.smoothed(np.asarray([[1.0, np.nan, 1.0, 1.0]]), (1, 1))
    array([[1., 1., 1., 1.]])
    """
    values = as_float(image)
    xp = namespace_of(values)
    rows, columns = inner or (slice(0, values.shape[-2]), slice(0, values.shape[-1]))

    def both(a: Array) -> Array:
        return _along(_along(a, sigma[1], columns, -1), sigma[0], rows, -2)

    missing = xp.isnan(values)
    if xp.any(missing):
        there = xp.astype(xp.logical_not(missing), values.dtype)
        total, weight = both(xp.where(missing, xp.zeros_like(values), values)), both(there)
    else:
        axes = zip(sigma, (rows, columns), values.shape[-2:], strict=True)
        total = both(values)
        weight = from_host(np.multiply.outer(*(_weights(*a) for a in axes)), total, total.dtype)
    seen = weight > 0
    mean = total / xp.where(seen, weight, xp.ones_like(weight))
    return xp.where(seen, mean, xp.full_like(mean, xp.nan))


def _along(values: Array, sigma: float, part: slice, axis: int) -> Array:
    """Multiply by the Gaussian along one axis: blocks of a band matrix, whose terms all add."""
    xp, reach = namespace_of(values), gaussian_reach(sigma)
    step, n, done = max(LEAST_BLOCK, reach), values.shape[axis], []
    for start in range(part.start, part.stop, step):
        stop = min(start + step, part.stop)
        low, high = max(0, start - reach), min(n, stop + reach)
        band = from_host(_band(sigma, (low, high), (start, stop)), values, values.dtype)
        if axis == -1:
            done.append(xp.matmul(values[..., low:high], band))
        else:
            done.append(xp.matmul(band.T, values[..., low:high, :]))
    return done[0] if len(done) == 1 else xp.concat(done, axis=values.ndim + axis)


def _band(sigma: float, given: tuple[int, int], asked: tuple[int, int]) -> HostArray:
    """Return the weights (given, asked) of the pixels that are given to those that are asked."""
    away = np.arange(*given)[:, None] - np.arange(*asked)
    gaussian = np.exp(-0.5 * (away / sigma) ** 2)
    return np.where(np.abs(away) <= gaussian_reach(sigma), gaussian, 0)


def _weights(sigma: float, part: slice, n: int) -> HostArray:
    """Return the sums of the weights of pixels that are there, of a whole axis of ``n``."""
    reach = gaussian_reach(sigma)
    sums = np.cumsum(np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2))
    at = np.arange(n)[part]
    low, high = np.maximum(at - reach, 0) - at + reach, np.minimum(at + reach, n - 1) - at + reach
    return np.asarray(sums[high] - np.where(low > 0, sums[low - 1], 0))


def neighbour_medians(image: Array, size: int, inner: Inner | None = None) -> Array:
    """Return the median of each pixel's neighbours, itself left out.

    Parameters
    ----------
    image : array
        Shape (..., y, x), real. It is mirrored at its edges; NaN is no neighbour.
    size : int
        Side of the square around a pixel that holds its neighbours, odd.
    inner : (slice, slice), optional
        The rows and columns to return. Default: all.

    Returns
    -------
    array
        Shape (..., y, x) of ``inner``, in the computing type; NaN where there are no neighbours.

    Raises
    ------
    ParameterError
        If ``size`` is not odd, or below 3.

    Examples
    --------
    >>> import numpy as np
    >>> import unmix as um
    >>> um.ops.neighbour_medians(np.asarray([[1.0, 9.0, 2.0], [1.0, 1.0, 1.0]]), 3)
    array([[1., 1., 2.],
           [1., 1., 1.]])
    """
    given: Any = size
    whole = isinstance(given, (int, np.integer)) and not isinstance(given, bool)
    if not whole or size < 3 or size % 2 == 0:
        raise ParameterError(f"size is {size!r}; expected an odd number of pixels from 3")
    values, reach = as_float(image), int(size) // 2
    shape = values.shape[-2:]
    rows, columns = inner or (slice(0, shape[0]), slice(0, shape[1]))
    wide = _mirrored(_mirrored(values, rows, reach, -2), columns, reach, -1)
    n_y, n_x = rows.stop - rows.start, columns.stop - columns.start
    away = [(i, j) for i in range(size) for j in range(size) if (i, j) != (reach, reach)]
    around = [wide[..., i : i + n_y, j : j + n_x] for i, j in away]
    xp = namespace_of(values)
    if not xp.any(xp.isnan(wide)):
        low, high = _middle_two(around)
        return (low + high) / 2
    filled, odd, some = _filled(around)
    low, high = _middle_two(filled)
    median = xp.where(odd, low, (low + high) / 2)
    return xp.where(some, median, xp.full_like(median, xp.nan))


def _mirrored(values: Array, part: slice, reach: int, axis: int) -> Array:
    """Return a part of an axis and what lies around it, mirrored at the ends."""
    n = values.shape[axis]
    at = np.arange(part.start - reach, part.stop + reach) % (2 * n)
    index = np.minimum(at, 2 * n - 1 - at)
    return namespace_of(values).take(values, from_host(index, values), axis=values.ndim + axis)


def _filled(around: list[Array]) -> tuple[list[Array], Array, Array]:
    """Put infinity and minus infinity in turn where there is none, so that the middle stays.

    Also return where an odd number is there, whose median is the lower of the middle two, and where
    there is any.
    """
    xp = namespace_of(around[0])
    none, filled = xp.zeros_like(around[0], dtype=xp.bool), []
    odd, some = none, none
    for a in around:
        missing = xp.isnan(a)
        infinity = xp.where(odd, xp.full_like(a, -xp.inf), xp.full_like(a, xp.inf))
        filled.append(xp.where(missing, infinity, a))
        odd = xp.logical_xor(odd, missing)
        some = xp.logical_or(some, xp.logical_not(missing))
    # with none at all the middle two are infinities of both signs, and have no mean
    filled = [xp.where(some, a, xp.zeros_like(a)) for a in filled]
    return filled, odd, some


def _middle_two(values: list[Array]) -> tuple[Array, Array]:
    """Return the middle two of an even number of values, pixel by pixel.

    The lowest and the highest of more than half of them are none of these, and are forgotten: one
    value after the other takes their place.
    """
    held, rest = values[: len(values) // 2 + 2], values[len(values) // 2 + 2 :]
    xp = namespace_of(held[0])
    for new in [*rest, None]:
        for i in range(1, len(held)):  # the highest to the end
            held[i - 1], held[i] = (
                xp.minimum(held[i - 1], held[i]),
                xp.maximum(held[i - 1], held[i]),
            )
        held.pop()
        for i in range(len(held) - 1, 0, -1):  # the lowest to the front
            held[i - 1], held[i] = (
                xp.minimum(held[i - 1], held[i]),
                xp.maximum(held[i - 1], held[i]),
            )
        held.pop(0)
        if new is not None:
            held.append(new)
    low, high = held
    return low, high
