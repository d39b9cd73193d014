"""Sliding windows of images, and their inverse."""

from __future__ import annotations

from operator import index

import numpy as np

from .._arrays import as_float, device_of, from_host, namespace_of
from .._dispatch import dispatched
from .._errors import ShapeError
from .._typing import Array, HostArray


def pair(value: int | tuple[int, int]) -> tuple[int, int]:
    """Return (y, x) from one number or from two."""
    try:
        y, x = (value, value) if isinstance(value, (int, np.integer)) else value
        return index(y), index(x)
    except (TypeError, ValueError):
        raise ShapeError(
            f"{value!r} came as a size in pixels; expected a whole number or two, (y, x)"
        ) from None


def corners(size: int, window: int, step: int) -> HostArray:
    """First pixels of all windows that lie wholly inside ``size`` pixels."""
    return np.arange(0, size - window + 1, step)


@dispatched
def sliding_windows(
    image: Array, window: int | tuple[int, int], step: int | tuple[int, int]
) -> Array:
    """Cut all windows that lie wholly inside an image.

    Parameters
    ----------
    image : array
        Shape (..., y, x), any real dtype.
    window, step : int or (int, int)
        Size of a window and distance between windows in pixels, (y, x).

    Returns
    -------
    array
        Shape (..., grid_y, grid_x, win_y, win_x), same namespace, device and dtype: a view where
        the backend has strided views, else a copy.

    Raises
    ------
    ShapeError
        If a window is larger than the image, or a size or step is not positive.

    Examples
    --------
    >>> import numpy as np
    >>> import unmix as um
    >>> um.ops.sliding_windows(np.arange(30.0).reshape(5, 6), 3, 2).shape
    (2, 2, 3, 3)
    """
    (w_y, w_x), (s_y, s_x) = pair(window), pair(step)
    require_windows_fit(image.shape, (w_y, w_x), (s_y, s_x))
    xp = namespace_of(image)
    *lead, n_y, n_x = image.shape
    rows = corners(n_y, w_y, s_y)[:, None] + np.arange(w_y)
    columns = corners(n_x, w_x, s_x)[:, None] + np.arange(w_x)
    out = xp.take(image, from_host(rows.ravel(), image), axis=-2)
    out = xp.take(out, from_host(columns.ravel(), image), axis=-1)
    out = xp.reshape(out, (*lead, len(rows), w_y, len(columns), w_x))
    return xp.permute_dims(out, (*range(len(lead)), *(len(lead) + i for i in (0, 2, 1, 3))))


def require_windows_fit(
    shape: tuple[int, ...], window: tuple[int, int], step: tuple[int, int]
) -> None:
    """Raise unless windows of this size and step can be cut from an image of this shape."""
    if len(shape) < 2:
        raise ShapeError(
            f"the image has shape {tuple(shape)}; expected at least two axes (..., y, x)"
        )
    if min(window) < 1 or min(step) < 1:
        raise ShapeError(
            f"window is {window} and step is {step} pixels; expected whole numbers of at least 1"
        )
    if window[0] > shape[-2] or window[1] > shape[-1]:
        raise ShapeError(
            f"the window of {window[0]} x {window[1]} pixels is larger than the image of "
            f"{shape[-2]} x {shape[-1]}; take a smaller window"
        )


def overlap_add(
    windows: Array, corners_y: HostArray, corners_x: HostArray, shape: tuple[int, int]
) -> Array:
    """Lay windows back where they were cut and average them where they overlap.

    Parameters
    ----------
    windows : array
        Shape (..., grid_y, grid_x, win_y, win_x).
    corners_y, corners_x : numpy.ndarray
        First row and first column of the windows inside ``shape``, equally spaced.
    shape : (int, int)
        Size (y, x) of the image in pixels.

    Returns
    -------
    array
        Shape (..., y, x), floating; NaN where no window lies.

    Examples
    --------
    >>> import numpy as np
    >>> import unmix as um
    >>> image = np.arange(30.0).reshape(5, 6)
    >>> windows = um.ops.sliding_windows(image, 2, 1)
    >>> back = um.ops.overlap_add(windows, np.arange(4), np.arange(5), (5, 6))
    >>> bool(np.all(back == image))
    True
    """
    xp = namespace_of(windows)
    if not xp.isdtype(windows.dtype, "complex floating"):
        windows = as_float(windows)
    rows = _add_along(windows, corners_y, shape[0], axis=-2)
    total = _add_along(rows, corners_x, shape[1], axis=-1)
    count = np.multiply.outer(
        _coverage(corners_y, windows.shape[-2], shape[0]),
        _coverage(corners_x, windows.shape[-1], shape[1]),
    ).astype(np.float64)
    count[count == 0] = np.nan
    return total / from_host(count, total, total.dtype)


def _add_along(windows: Array, corners: HostArray, size: int, axis: int) -> Array:
    """Sum windows along one axis: (..., grid_y, grid_x, y, x) loses its grid axis of that name.

    One slice-add for each position inside the window, whatever the number of windows.
    """
    xp = namespace_of(windows)
    grid_axis = windows.ndim - 4 if axis == -2 else windows.ndim - 3
    n, w = windows.shape[grid_axis], windows.shape[axis]
    step = int(corners[1] - corners[0]) if n > 1 else 1
    # grid axis last, position inside the window first: each addition is one strided slice
    moved = xp.moveaxis(windows, (axis, grid_axis), (0, -1))
    out = xp.zeros((*moved.shape[1:-1], size), dtype=windows.dtype, device=device_of(windows))
    first = int(corners[0])
    for i in range(w):
        stop = first + i + (n - 1) * step + 1
        out[..., first + i : stop : step] += moved[i, ...]
    return out if axis == -1 else xp.moveaxis(out, -1, -2)


def _coverage(corners: HostArray, window: int, size: int) -> HostArray:
    covered = np.zeros(size)
    for c in corners:
        covered[c : c + window] += 1
    return covered
