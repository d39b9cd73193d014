"""Spectra of windows."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np

from .. import ops
from .._dispatch import explain
from .._errors import BackendError, ParameterError, ShapeError
from .._samples import Samples
from .._sources import empty_like
from .._windows import ImageBlocks, SpectrumSource, WindowSource, WindowStack
from ..layout import HalfPlane


def window_fft(
    samples: Samples,
    *,
    taper: str = "hann",
    output: ops.Output = "amplitude",
    k_min: float = 0,
    k_max: float | None = None,
    pad: int | tuple[int, int] | None = None,
    impl: str | None = None,
) -> Samples:
    r"""Describe windows by their Fourier transform: mean off, taper, FFT, modulus.

    A shift of the window's content does not change the modulus, which is why windows of one phase
    look alike wherever they lie in its lattice.

    Parameters
    ----------
    samples : Samples
        Windows, from `sliding_windows`.
    taper : str
        ``"hann"``, ``"hamming"``, ``"blackman"``, ``"boxcar"``, ``"nuttall"``, ``"blackmanharris"``
        or ``"flattop"``: periodic, of mean square one.
    output : {"amplitude", "power", "complex"}
        \|F\|, \|F\|^2 or F. Decompositions take the first two.
    k_min : float
        Leave out the disc of smaller \|k\| around zero.
    k_max : float, optional
        Keep the square \|k_y\|, \|k_x\| <= ``k_max``.
    pad : int or (int, int), optional
        Size of the transform in pixels, (y, x); larger than the window it interpolates the
        spectrum.
    impl : str, optional
        Force one implementation; see `explain`.

    Returns
    -------
    Samples
        The same map axes; descriptor axes (k_y, k_x), ascending, in cycles per pixel or per unit of
        the image. The transform is unitary: the power of the whole plane sums to the sum of squares
        of the tapered window. Real spectra are stored as half planes whose distances, Gram matrices
        and angles are those of the full plane.

    Raises
    ------
    ShapeError
        If the samples are not windows, ``pad`` is smaller than a window, or k_min and k_max leave
        nothing.
    ParameterError
        If taper, output or impl is unknown, or a limit is negative.
    BackendError
        If ``impl`` cannot run on these arrays.

    Examples
    --------
    >>> import numpy as np
    >>> import unmix as um
    >>> image = np.random.default_rng(0).random((64, 96), dtype=np.float32)
    >>> um.window_fft(um.sliding_windows(image, 16, 8), k_max=0.25)
    <Samples grid_y 7 x grid_x 11 (px) | k_y 9 x k_x 9 (1/px), float32, numpy>
    """
    pixels, layout = _pixels(samples), samples.layout
    window = pixels.window
    fft_shape = window if pad is None else ops.pair(pad)
    if fft_shape[0] < window[0] or fft_shape[1] < window[1]:
        raise ShapeError(
            f"pad is {pad}; expected at least the window's {window[0]} x {window[1]} pixels"
        )
    limits = (k_min, 1 if k_max is None else k_max)
    if not all(isinstance(k, Real) for k in limits) or not (limits[0] >= 0 and limits[1] > 0):
        raise ParameterError(f"k_min is {k_min!r} and k_max is {k_max!r}; expected positive limits")
    for n in window:
        ops.taper_weights(taper, n)
    ops.modulus(np.zeros(1, complex), output)
    like = pixels.source.like
    if impl is not None:  # one window now, not an error at the first tile
        one = empty_like(like, window, 0, like.dtype)
        options = {"taper": taper, "output": output, "fft_shape": fft_shape}
        ops.window_fft(one, window, 1, impl=impl, **options)
    win_y, win_x = layout.descriptor_axes
    units = f"1/{win_y.units}" if win_y.units else ""
    plane = HalfPlane.of(fft_shape, (win_y.spacing, win_x.spacing), units, k_max)
    asked = {"taper": taper, "output": output, "window": window, "fft_shape": fft_shape}
    route = impl or explain("window_fft", like, **asked)[-1][0]
    _require_more_than_zero(fft_shape, (win_y.spacing, win_x.spacing), plane, k_max)
    # a complex spectrum has a phase for every entry
    index = None if output == "complex" else plane.index
    parameters = {"taper": taper, "output": output, "k_min": k_min, "k_max": k_max, "pad": pad}
    described = Samples(
        source=SpectrumSource(pixels, plane, taper, output, impl),
        layout=layout.with_descriptor(*plane.axes, index=index),
        record=samples.record.then("window_fft", parameters, route=route),
        nonnegative=True if output != "complex" else None,
    )
    return described if k_min == 0 else _without_disc(described, k_min)


def _pixels(samples: Any) -> ImageBlocks | WindowStack:
    """Return where the pixels of windows come from: an image with overlaps, if it can be."""
    if not isinstance(samples, Samples):
        raise BackendError(
            f"expected windows, but got {type(samples).__name__}; "
            "cut them first with unmix.sliding_windows(image, window, step)"
        )
    if [a.name for a in samples.layout.descriptor_axes] != ["win_y", "win_x"]:
        raise ShapeError(f"expected windows, from unmix.sliding_windows, but got {samples!r}")
    shape = samples.layout.descriptor_shape
    if samples.layout.index is not None:
        raise ShapeError(
            "pixels of the windows are left out; a Fourier transform needs all of them"
        )
    if isinstance(samples.source, WindowSource):
        return samples.source.image
    return WindowStack(samples.source, (shape[0], shape[1]))


def _without_disc(described: Samples, k_min: float) -> Samples:
    k_y, k_x = (a.values for a in described.layout.descriptor_axes)
    outside = np.hypot(k_y[:, None], k_x) >= k_min * (1 - 1e-9)
    if not outside.any():
        raise ShapeError(f"k_min={k_min} leaves no entry of the spectrum; take a smaller one")
    rest = described.features(outside)
    # one step of the record, not two: the disc is a parameter of this one
    return Samples(
        source=rest.source,
        layout=rest.layout,
        record=described.record,
        nonnegative=described.nonnegative,
    )


def _require_more_than_zero(
    fft_shape: tuple[int, int], pitch: tuple[float, float], plane: HalfPlane, k_max: float | None
) -> None:
    """Raise where a limit, in the wrong unit perhaps, leaves nothing of a spectrum but its zero."""
    steps = [1 / (n * p) for n, p in zip(fft_shape, pitch, strict=True) if n > 1]
    if k_max is not None and plane.index.size == 1 and steps:
        unit = plane.axes[0].units
        raise ParameterError(
            f"k_max={k_max:g} {unit} keeps only k = 0 of a spectrum with steps of {min(steps):.3g} "
            f"{unit}; take a larger one: k is in cycles per unit of the image"
        )
