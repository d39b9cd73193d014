"""Spectra of windows: what overlapping windows share is computed once, block by block in cache."""

from __future__ import annotations

from typing import Any

from .._arrays import as_float
from .._typing import Array
from ._row_spectra import describe, plan_job

Pair = int | tuple[int, int]


def window_fft(image: Array, window: Pair, step: Pair, **options: Any) -> Array:
    """Spectra of the windows of a NumPy image, by SciPy's FFT; see `unmix.ops.window_fft`.

    Rows are transformed once for all windows that share them.
    """
    from ._columns import Transforms

    image = as_float(image)
    job = plan_job(image.dtype, window, step, **options)
    return describe(image, job, Transforms(job))


def window_fft_compiled(image: Array, window: Pair, step: Pair, **options: Any) -> Array:
    """Spectra of the windows of a NumPy image, by numba's loops; see `unmix.ops.window_fft`.

    Rows are transformed once for all windows that share them, by SciPy, columns a few at a time.
    """
    from ._columns_numba import Transforms

    image = as_float(image)
    job = plan_job(image.dtype, window, step, **options)
    return describe(image, job, Transforms(job))
