"""Sliding windows as strided views of CuPy arrays: no pixel is copied."""

from __future__ import annotations

from cupy.lib.stride_tricks import sliding_window_view

from .._typing import Array
from ..ops.windows import pair, require_windows_fit


def sliding_windows(
    image: Array, window: int | tuple[int, int], step: int | tuple[int, int]
) -> Array:
    """View of all windows of a CuPy image; see `unmix.ops.sliding_windows`."""
    require_windows_fit(image.shape, pair(window), pair(step))
    s_y, s_x = pair(step)
    return sliding_window_view(image, pair(window), axis=(-2, -1))[..., ::s_y, ::s_x, :, :]
