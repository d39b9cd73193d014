"""Planes through images and through windows, by least squares."""

from __future__ import annotations

import numpy as np

from .._arrays import as_float, from_host, namespace_of
from .._typing import Array, HostArray


def detrended(windows: Array, window: tuple[int, int]) -> Array:
    """Take the plane of least squares off each window.

    Parameters
    ----------
    windows : array
        Shape (n, n_y * n_x), real: a window in each row.
    window : (int, int)
        Size of a window in pixels, (y, x).

    Returns
    -------
    array
        The same shape, in the computing type: no mean and no slope is left. A window with NaN is
        NaN.

    Examples
    --------
    >>> import numpy as np
    >>> import unmix as um
    >>> bool(np.allclose(um.ops.detrended(np.arange(12.0).reshape(1, 12), (3, 4)), 0))
    True
    """
    values = as_float(windows)
    xp = namespace_of(values)
    y, x = (np.arange(n) - (n - 1) / 2 for n in window)
    # 1, y and x on a whole grid are orthogonal: their products with a window are its plane
    terms = [np.multiply.outer(a, b).ravel() for a, b in ((y**0, x**0), (y, x**0), (y**0, x))]
    unit = np.stack([t / np.linalg.norm(t) for t in terms if t.any()])
    basis = from_host(unit, values, values.dtype)
    return values - xp.matmul(xp.matmul(values, basis.T), basis)


def plane_moments(image: Array, y: HostArray, x: HostArray) -> Array:
    """Return what the plane of least squares through a block of an image is found from.

    Parameters
    ----------
    image : array
        Shape (y, x), real; NaN is passed over.
    y, x : numpy.ndarray
        Coordinates of its rows and columns.

    Returns
    -------
    array
        Shape (3, 4), float64: the sums over pixels of the products of (1, y, x) with (1, y, x, z).
        Those of blocks add up.
    """
    xp = namespace_of(image)
    values = xp.astype(image, xp.float64)
    missing = xp.isnan(values)
    there = xp.astype(xp.logical_not(missing), xp.float64)
    values = xp.where(missing, xp.zeros_like(values), values)
    rows, columns = (from_host(np.stack([a**0, a, a**2]), values, xp.float64) for a in (y, x))
    count = xp.matmul(xp.matmul(rows, there), columns.T)  # of y**i x**j
    total = xp.matmul(xp.matmul(rows[:2, :], values), columns[:2, :].T)
    terms = [(0, 0), (1, 0), (0, 1)]
    normal = [xp.stack([count[i + k, j + m] for k, m in terms]) for i, j in terms]
    right = xp.stack([total[i, j] for i, j in terms])
    return xp.concat([xp.stack(normal), right[:, None]], axis=1)


def plane_of(moments: HostArray) -> HostArray:
    """Return the coefficients of 1, y and x of a plane, from its `plane_moments`, (3,)."""
    found: HostArray = np.linalg.lstsq(moments[:, :3], moments[:, 3], rcond=None)[0]
    return found
