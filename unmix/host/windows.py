"""Sliding windows as strided views: no pixel is copied."""

from __future__ import annotations

from numpy.lib.stride_tricks import sliding_window_view

from .._typing import Array
from ..ops.windows import pair, require_windows_fit


def sliding_windows(
    image: Array, window: int | tuple[int, int], step: int | tuple[int, int]
) -> Array:
    """View of all windows of a NumPy image; see `unmix.ops.sliding_windows`."""
    require_windows_fit(image.shape, pair(window), pair(step))
    s_y, s_x = pair(step)
    return sliding_window_view(image, pair(window), axis=(-2, -1))[..., ::s_y, ::s_x, :, :]


def sliding_windows_torch(
    image: Array, window: int | tuple[int, int], step: int | tuple[int, int]
) -> Array:
    """View of all windows of a torch image; see `unmix.ops.sliding_windows`."""
    require_windows_fit(tuple(image.shape), pair(window), pair(step))
    (w_y, w_x), (s_y, s_x) = pair(window), pair(step)
    return image.unfold(-2, w_y, s_y).unfold(-2, w_x, s_x)
