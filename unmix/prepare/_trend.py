"""Slopes taken off windows."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from .. import ops
from .._errors import BackendError, ShapeError
from .._samples import Samples
from .._sources import Mapped


def detrend(windows: Samples) -> Samples:
    """Take the plane of least squares off each window: its mean and its slope.

    A gradient of illumination leaks along the axes of a window's spectrum. `window_fft` takes off
    the mean by itself, and no more than that.

    Parameters
    ----------
    windows : Samples
        Windows, from `sliding_windows`, with all of their pixels.

    Returns
    -------
    Samples
        The same windows, lazily. Each is read by itself from here on, so that `window_fft` cannot
        share work between windows that overlap.

    Raises
    ------
    BackendError, ShapeError
        If these are no windows, or pixels of them are left out.

    Examples
    --------
    >>> import numpy as np
    >>> import unmix as um
    >>> image = np.arange(64.0)[:, None] + np.random.default_rng(0).random((64, 96))
    >>> um.window_fft(um.detrend(um.sliding_windows(image, 16, 8)))
    <Samples grid_y 7 x grid_x 11 (px) | k_y 16 x k_x 16 (1/px), float64, numpy>
    """
    if not isinstance(windows, Samples):
        raise BackendError(
            f"expected windows, but got {type(windows).__name__}; "
            "cut them first with unmix.sliding_windows(image, window, step)"
        )
    layout = windows.layout
    if [a.name for a in layout.descriptor_axes] != ["win_y", "win_x"]:
        raise ShapeError(f"expected windows, from unmix.sliding_windows, but got {windows!r}")
    if layout.index is not None:
        raise ShapeError("pixels of the windows are left out; a plane is taken off whole ones")
    n_y, n_x = layout.descriptor_shape
    return replace(
        windows,
        source=Mapped(windows.source, partial(ops.detrended, window=(n_y, n_x))),
        nonnegative=None,
        record=windows.record.then("detrend", {}),
    )
