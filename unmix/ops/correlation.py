"""Correlations of windows with themselves and with other windows, by FFT."""

from __future__ import annotations

import numpy as np

from .._arrays import fft, from_host, namespace_of
from .._typing import Array


def fast_size(n: int) -> int:
    """Return the smallest size from ``n`` on without prime factors over 5: its FFT is fast."""
    while True:
        rest = n
        for prime in (2, 3, 5):
            while rest % prime == 0:
                rest //= prime
        if rest == 1:
            return n
        n += 1


def padded_shape(window: tuple[int, int], max_lag: tuple[int, int]) -> tuple[int, int]:
    """Return the size of the transforms in which lags do not wrap around."""
    y, x = (fast_size(n + m) for n, m in zip(window, max_lag, strict=True))
    return y, x


def correlate(
    windows: Array, others: Array | None, max_lag: tuple[int, int], *, normalize: bool
) -> Array:
    r"""Correlate windows that have lost their mean with themselves, or with others.

    Parameters
    ----------
    windows : array
        Shape (b, y, x), floating.
    others : array, optional
        The same shape. Default: the windows themselves.
    max_lag : (int, int)
        Largest lags (y, x) in pixels, below the window's size.
    normalize : bool
        Divide by both standard deviations; where one is zero the correlation is.

    Returns
    -------
    array
        Shape (b, 2 * max_lag[0] + 1, 2 * max_lag[1] + 1), in the dtype of the windows: at each lag
        l the mean of a(r) b(r + l) over the pixels r at which both lie in their windows.
    """
    xp, (_, n_y, n_x) = namespace_of(windows), windows.shape
    shape = padded_shape((n_y, n_x), max_lag)
    first, spread = _centred(windows)
    second, other = (first, spread) if others is None else _centred(others)
    transform = _transformed(first, shape)
    product = xp.conj(transform) * (transform if others is None else _transformed(second, shape))
    sums = fft(product).ifft(product, axis=-2)
    sums = fft(sums).irfft(sums, n=shape[1], axis=-1)
    for axis, (m, n) in enumerate(zip(max_lag, shape, strict=True), start=1):
        sums = xp.take(sums, from_host(np.arange(-m, m + 1) % n, sums), axis=axis)
    lags = [np.abs(np.arange(-m, m + 1)) for m in max_lag]
    overlap = np.multiply.outer(n_y - lags[0], n_x - lags[1])
    means = sums / from_host(overlap, sums, sums.dtype)
    if not normalize:
        return means
    size = spread * other
    return means / xp.where(size > 0, size, xp.full_like(size, np.inf))


def _centred(windows: Array) -> tuple[Array, Array]:
    """Take the mean off each window; also return its standard deviation, (b, 1, 1)."""
    xp = namespace_of(windows)
    mean = xp.mean(windows, axis=(1, 2), keepdims=True)
    rest = windows - mean
    spread = xp.sqrt(xp.mean(rest * rest, axis=(1, 2), keepdims=True))
    # what rounding leaves of a constant is none
    none = spread <= 4 * xp.finfo(rest.dtype).eps * xp.abs(mean)
    return xp.where(none, xp.zeros_like(rest), rest), xp.where(none, xp.zeros_like(spread), spread)


def _transformed(windows: Array, shape: tuple[int, int]) -> Array:
    spectrum = fft(windows).rfft(windows, n=shape[1], axis=-1)
    return fft(spectrum).fft(spectrum, n=shape[0], axis=-2)
