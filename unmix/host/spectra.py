"""Spectra of windows with SciPy's FFT, which transforms many rows at once."""

from __future__ import annotations

import numpy as np

from .._arrays import as_float
from .._typing import Array, HostArray
from ..ops.spectra import Output, modulus, taper_weights, transform_shape
from ..ops.windows import pair
from .windows import sliding_windows


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
    """Spectra of the windows of a NumPy image; see `unmix.ops.window_fft`.

    Few columns survive a crop, so that they are chosen before the second direction is transformed.
    Every temporary but the windows themselves is written over.
    """
    from scipy.fft import fft, rfft  # 0.3 s to import

    cut = sliding_windows(as_float(image), window, step)
    mean = np.mean(cut, axis=(-2, -1), keepdims=True)
    n_y, n_x = transform_shape(window, fft_shape)
    w_y, w_x = (taper_weights(taper, n) for n in pair(window))
    weights = (w_y[:, None] * w_x / np.sqrt(n_y * n_x)).astype(cut.dtype)
    tapered = cut - mean
    tapered *= weights
    spectrum = rfft(tapered, n=n_x, axis=-1, overwrite_x=True)
    if columns is not None:
        spectrum = spectrum[..., _as_slice(columns)]
    spectrum = fft(spectrum, n=n_y, axis=-2, overwrite_x=True)
    described = modulus(spectrum, output)  # half the bytes of the spectrum, so rows are moved last
    return described if rows is None else described[..., rows, :]


def _as_slice(numbers: HostArray) -> slice | HostArray:
    """Columns that follow one another are a view, not a copy."""
    first, stop = int(numbers[0]), int(numbers[-1]) + 1
    return slice(first, stop) if np.array_equal(numbers, np.arange(first, stop)) else numbers
