"""Spectra of windows: what overlapping windows share is computed once, block by block in cache."""

from __future__ import annotations

from .._arrays import as_float
from .._typing import Array, HostArray
from ..ops.spectra import Output
from ._blas import one_blas_thread
from ._row_spectra import describe, plan_job


def window_fft(
    image: Array,
    window: int | tuple[int, int],
    step: int | tuple[int, int],
    *,
    taper: str = "hann",
    output: Output = "amplitude",
    fft_shape: tuple[int, int] | None = None,
    rows: HostArray | None = None,
    columns: HostArray | None = None,
) -> Array:
    """Spectra of the windows of a NumPy image by SciPy's FFT and BLAS; see `unmix.ops.window_fft`.

    Rows are transformed once for all windows that share them, columns by matrix products.
    """
    from . import _columns

    image = as_float(image)
    job = plan_job(
        image.dtype,
        window,
        step,
        taper=taper,
        output=output,
        fft_shape=fft_shape,
        rows=rows,
        columns=columns,
    )
    with one_blas_thread():
        return describe(image, job, _columns.columns(job))


def window_fft_compiled(
    image: Array,
    window: int | tuple[int, int],
    step: int | tuple[int, int],
    *,
    taper: str = "hann",
    output: Output = "amplitude",
    fft_shape: tuple[int, int] | None = None,
    rows: HostArray | None = None,
    columns: HostArray | None = None,
) -> Array:
    """Spectra of the windows of a NumPy image, by numba's loops; see `unmix.ops.window_fft`.

    Rows are transformed once for all windows that share them, by SciPy, columns a few at a time.
    """
    from . import _columns_numba

    image = as_float(image)
    job = plan_job(
        image.dtype,
        window,
        step,
        taper=taper,
        output=output,
        fft_shape=fft_shape,
        rows=rows,
        columns=columns,
    )
    return describe(image, job, _columns_numba.Transforms(job))
