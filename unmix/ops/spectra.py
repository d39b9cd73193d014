"""Spectra of windows: mean off, taper, FFT, modulus."""

from __future__ import annotations

from typing import Literal

import numpy as np

from .._arrays import as_float, fft, from_host, namespace_of
from .._dispatch import dispatched
from .._errors import ParameterError, ShapeError
from .._typing import Array, HostArray
from .windows import pair, sliding_windows

Output = Literal["amplitude", "power", "complex"]

COSINE_SUMS: dict[str, tuple[float, ...]] = {
    "boxcar": (1.0,),
    "hann": (0.5, 0.5),
    "hamming": (0.54, 0.46),
    "blackman": (0.42, 0.5, 0.08),
    "nuttall": (0.3635819, 0.4891775, 0.1365995, 0.0106411),
    "blackmanharris": (0.35875, 0.48829, 0.14128, 0.01168),
    "flattop": (0.21557895, 0.41663158, 0.277263158, 0.083578947, 0.006947368),
}
"""Tapers as sums a_0 - a_1 cos(t) + a_2 cos(2 t) - ... over one period."""


def taper_weights(name: str, size: int) -> HostArray:
    """Return a periodic taper whose mean square is one.

    Parameters
    ----------
    name : str
        One of ``"boxcar"``, ``"hann"``, ``"hamming"``, ``"blackman"``, ``"nuttall"``,
        ``"blackmanharris"``, ``"flattop"``.
    size : int
        Number of pixels.

    Returns
    -------
    numpy.ndarray
        Shape (size,), float64. White noise keeps its variance under it, whatever the taper.

    Raises
    ------
    ParameterError
        If there is no such taper, or if it is zero everywhere (a Hann taper of one pixel).

    Notes
    -----
    Harris, Proc. IEEE 66, 51 (1978), eqs. 26-33, in the periodic form that the FFT implies.

    Examples
    --------
    >>> import unmix as um
    >>> (um.ops.taper_weights("hann", 4) ** 2).round(3)
    array([0.   , 0.667, 2.667, 0.667])
    """
    if name not in COSINE_SUMS:
        raise ParameterError(f"taper is {name!r}; expected one of {', '.join(COSINE_SUMS)}")
    phase = 2 * np.pi * np.arange(size) / size
    terms = [(-1) ** i * a * np.cos(i * phase) for i, a in enumerate(COSINE_SUMS[name])]
    weights = np.sum(terms, axis=0)
    energy = np.mean(weights**2)
    if energy < 1e-12:
        raise ParameterError(
            f"a {name} taper of {size} pixel is zero; take a larger window or 'boxcar'"
        )
    return np.asarray(weights / np.sqrt(energy))


@dispatched
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
    r"""Fourier transform of every sliding window of an image: mean off, taper, FFT, modulus.

    Parameters
    ----------
    image : array
        Shape (..., y, x), real.
    window, step : int or (int, int)
        Size of a window and distance between windows in pixels, (y, x).
    taper : str
        See `taper_weights`.
    output : {"amplitude", "power", "complex"}
        \|F\|, \|F\|^2 or F.
    fft_shape : (int, int), optional
        Size of the transform; larger than the window it interpolates the spectrum.
    rows, columns : numpy.ndarray of int, optional
        The rows of the FFT and the columns of the real FFT to keep, in this order. Default: all.

    Returns
    -------
    array
        Shape (..., grid_y, grid_x, rows, columns), same namespace and device; float32 for input of
        up to 32-bit floats or 16-bit integers, else float64 (complex64 and complex128). The
        transform is unitary: the sum of the power over the whole plane is the sum of squares of the
        tapered window.

    Raises
    ------
    ShapeError, ParameterError
        As `sliding_windows` and `taper_weights` do.

    Examples
    --------
    >>> import numpy as np
    >>> import unmix as um
    >>> image = np.cos(np.arange(64) * np.pi / 4) + np.zeros((32, 1))
    >>> spectra = um.ops.window_fft(image, 16, 8, taper="boxcar")
    >>> spectra.shape
    (3, 7, 16, 9)
    >>> int(np.argmax(spectra[0, 0, 0]))
    2
    """
    xp = namespace_of(image)
    cut = as_float(sliding_windows(image, window, step))
    mean = xp.mean(cut, axis=(-2, -1), keepdims=True)
    w_y, w_x = (from_host(taper_weights(taper, n), cut, cut.dtype) for n in pair(window))
    cut = (cut - mean) * (w_y[:, None] * w_x)
    n_y, n_x = transform_shape(window, fft_shape)
    spectrum = fft(cut).rfft(cut, n=n_x, axis=-1)
    if columns is not None:
        spectrum = xp.take(spectrum, from_host(columns, cut), axis=-1)
    spectrum = fft(cut).fft(spectrum, n=n_y, axis=-2)
    if rows is not None:
        spectrum = xp.take(spectrum, from_host(rows, cut), axis=-2)
    return modulus(spectrum / float(np.sqrt(n_y * n_x)), output)


@dispatched
def window_project(
    image: Array,
    window: int | tuple[int, int],
    step: int | tuple[int, int],
    vectors: Array,
    *,
    offset: Array | None = None,
    taper: str = "hann",
    output: Output = "amplitude",
    rows: HostArray | None = None,
    columns: HostArray | None = None,
) -> Array:
    r"""Project the spectra of every sliding window on some vectors.

    Parameters
    ----------
    image, window, step, taper, output, rows, columns
        As for `window_fft`; ``output`` is ``"amplitude"`` or ``"power"``.
    vectors : array
        Shape (rows * columns, l): one vector in each column, of what features are multiplied with.
        The weights of a packed half plane are part of it.
    offset : array, optional
        Shape (l,): taken off the projections.

    Returns
    -------
    array
        Shape (..., grid_y, grid_x, l), same namespace and device, float32 or float64 as
        `window_fft`.

    Raises
    ------
    ShapeError, ParameterError
        As `window_fft` does; if ``output`` is complex or ``vectors`` are of another length.

    Examples
    --------
    >>> import numpy as np
    >>> import unmix as um
    >>> image = np.cos(np.arange(32) * np.pi / 4) + np.zeros((16, 1))
    >>> um.ops.window_project(image, 8, 8, np.ones((40, 1)), taper="boxcar").round(3)
    array([[[4.],
            [4.],
            [4.],
            [4.]],
    <BLANKLINE>
           [[4.],
            [4.],
            [4.],
            [4.]]])
    """
    if output == "complex":
        raise ParameterError("output is 'complex'; expected 'amplitude' or 'power'")
    spectra = window_fft(
        image, window, step, taper=taper, output=output, rows=rows, columns=columns
    )
    xp = namespace_of(spectra, vectors)
    features = spectra.shape[-2] * spectra.shape[-1]
    require_features(vectors, features)
    spectra = xp.reshape(spectra, (*spectra.shape[:-2], features))
    projected = xp.matmul(spectra, xp.astype(vectors, spectra.dtype))
    return projected if offset is None else projected - xp.astype(offset, spectra.dtype)


def require_features(vectors: Array, features: int) -> None:
    """Raise unless ``vectors`` has one row for each of so many features."""
    if vectors.ndim != 2 or vectors.shape[0] != features:
        raise ShapeError(
            f"the vectors have shape {tuple(vectors.shape)}; expected ({features}, l): "
            "one entry for each row and column of the spectrum"
        )


def transform_shape(
    window: int | tuple[int, int], fft_shape: tuple[int, int] | None
) -> tuple[int, int]:
    """Return the size of the transform, which must hold a window."""
    least = pair(window)
    n_y, n_x = least if fft_shape is None else pair(fft_shape)
    if n_y < least[0] or n_x < least[1]:
        raise ShapeError(
            f"the transform of {n_y} x {n_x} is smaller than the window of "
            f"{least[0]} x {least[1]} pixels; expected at least that"
        )
    return n_y, n_x


def modulus(spectrum: Array, output: Output) -> Array:
    """Turn F into what was asked for."""
    xp = namespace_of(spectrum)
    if output == "complex":
        return spectrum
    if output == "amplitude":
        return xp.abs(spectrum)
    if output == "power":
        return xp.real(spectrum) ** 2 + xp.imag(spectrum) ** 2
    raise ParameterError(f"output is {output!r}; expected 'amplitude', 'power' or 'complex'")
