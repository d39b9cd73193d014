"""Where the beam lies on patterns, and patterns moved and stretched."""

from __future__ import annotations

from math import prod
from typing import Literal

import numpy as np

from .._arrays import as_float, fft, from_host, namespace_of, to_host
from .._typing import Array, HostArray

Interpolation = Literal["bilinear", "fourier"]

EDGE = 1.5
"""Half the pixels over which the rim of a disc rises, so that its match has a round top."""


def center_of_mass(patterns: Array, weights: HostArray | None = None) -> HostArray:
    """Return the centre of mass of patterns.

    Parameters
    ----------
    patterns : array
        Shape (n, y, x), real.
    weights : numpy.ndarray, optional
        Shape (y, x): what each pixel counts. Default: all the same.

    Returns
    -------
    numpy.ndarray
        Shape (n, 2), float64: (y, x) in pixels; NaN where the sum of a pattern is not above zero.

    Examples
    --------
    >>> import numpy as np
    >>> import unmix as um
    >>> um.ops.center_of_mass(np.asarray([[[0.0, 0.0], [1.0, 3.0]]]))
    array([[1.  , 0.75]])
    """
    values = as_float(patterns)
    n_y, n_x = values.shape[-2:]
    mask = np.ones((n_y, n_x)) if weights is None else np.asarray(weights, dtype=np.float64)
    y, x = np.mgrid[:n_y, :n_x]
    # moments about the middle: no digits are lost to a far origin
    middle = np.asarray([(n_y - 1) / 2, (n_x - 1) / 2])
    forms = np.stack([mask, mask * (y - middle[0]), mask * (x - middle[1])]).reshape(3, -1)
    xp = namespace_of(values)
    rows = xp.reshape(values, (values.shape[0], n_y * n_x))
    sums = to_host(xp.matmul(rows, from_host(forms.T, rows, rows.dtype))).astype(np.float64)
    lit = sums[:, :1] > 0
    return np.where(lit, middle + sums[:, 1:] / np.where(lit, sums[:, :1], 1), np.nan)


def disc_positions(patterns: Array, radius: float, weights: HostArray | None = None) -> HostArray:
    """Return where patterns match a disc best.

    Parameters
    ----------
    patterns : array
        Shape (n, y, x), real.
    radius : float
        Of the disc, in pixels.
    weights : numpy.ndarray, optional
        Shape (y, x): patterns are multiplied by it first.

    Returns
    -------
    numpy.ndarray
        Shape (n, 2), float64: the centre of the disc, (y, x) in pixels, NaN where a pattern is
        zero.

    Notes
    -----
    The disc is matched against a ring of equal area around it, so that an even background counts
    for nothing. The maximum of the correlation is refined by a parabola along each axis.
    """
    values = as_float(patterns)
    xp, shape = namespace_of(values), tuple(values.shape[-2:])
    if weights is not None:
        values = values * from_host(weights, values, values.dtype)
    transform, axes = fft(values), (-2, -1)
    disc = from_host(np.conj(np.fft.rfft2(_disc(shape, radius))), values)
    spectra = transform.rfftn(values, axes=axes)
    match = transform.irfftn(spectra * xp.astype(disc, spectra.dtype), s=shape, axes=axes)
    flat = xp.reshape(match, (match.shape[0], prod(shape)))
    y, x = np.unravel_index(to_host(xp.argmax(flat, axis=1)), shape)
    around = [(0, 0), (-1, 0), (1, 0), (0, -1), (0, 1)]
    places = [((y + i) % shape[0]) * shape[1] + (x + j) % shape[1] for i, j in around]
    at = np.stack(places, axis=1) + np.arange(len(y))[:, None] * prod(shape)
    taken = xp.take(xp.reshape(flat, (-1,)), from_host(at.ravel(), flat), axis=0)
    top, *sides = to_host(taken).astype(np.float64).reshape(at.shape).T
    parts = [_vertex(a, top, b) for a, b in ((sides[0], sides[1]), (sides[2], sides[3]))]
    found = np.stack([y + parts[0], x + parts[1]], axis=1)
    return np.where(top[:, None] > 0, found, np.nan)


def _disc(shape: tuple[int, int], radius: float) -> HostArray:
    """Return a disc about the corner (0, 0), and a ring of the same area taken off."""
    y, x = (np.fft.fftfreq(n, 1 / n) for n in shape)
    r = np.hypot(y[:, None], x)

    def filled(to: float) -> HostArray:
        return np.asarray(np.clip((to + EDGE - r) / (2 * EDGE), 0, 1))

    disc = filled(radius)
    ring = filled(np.sqrt(2) * radius + EDGE) - disc
    return np.asarray(disc / disc.sum() - ring / ring.sum())


def _vertex(before: HostArray, top: HostArray, after: HostArray) -> HostArray:
    """Return where a parabola through three values has its vertex, from -0.5 to 0.5."""
    bend = before - 2 * top + after
    flat = bend >= 0
    offset = (before - after) / (2 * np.where(flat, -1, bend))
    return np.where(flat, 0, np.clip(offset, -0.5, 0.5))


def moved(patterns: Array, by: HostArray, interpolation: Interpolation = "bilinear") -> Array:
    """Read each pattern at places that are moved by a vector of its own.

    Parameters
    ----------
    patterns : array
        Shape (n, y, x), real.
    by : numpy.ndarray
        Shape (n, 2): out[i, r] = patterns[i, r + by[i]], (y, x) in pixels.
    interpolation : {"bilinear", "fourier"}
        Between four pixels, with zero outside; or by the phase of the Fourier transform, which is
        exact for what is sampled finely enough and takes what leaves on one side from the other.

    Returns
    -------
    array
        Shape (n, y, x), in the computing type.

    Examples
    --------
    >>> import numpy as np
    >>> import unmix as um
    >>> um.ops.moved(np.asarray([[[0.0, 4.0, 0.0]]]), np.asarray([[0, 0.25]]))
    array([[[1., 3., 0.]]])
    """
    values = as_float(patterns)
    xp = namespace_of(values)
    by = np.asarray(by, dtype=np.float64)
    if interpolation == "fourier":
        return _by_phase(values, by)
    turned = xp.permute_dims(_along_rows(values, by[:, 0]), (0, 2, 1))
    return xp.permute_dims(_along_rows(turned, by[:, 1]), (0, 2, 1))


def _along_rows(values: Array, by: HostArray) -> Array:
    """Interpolate between the rows of each pattern."""
    xp = namespace_of(values)
    n, n_rows, width = values.shape
    flat = xp.reshape(values, (n * n_rows, width))
    whole = np.floor(by).astype(np.int64)
    share, out = by - whole, None
    for step, part in ((0, 1 - share), (1, share)):
        at = np.arange(n_rows) + whole[:, None] + step
        weight = np.where((at >= 0) & (at < n_rows), part[:, None], 0)
        index = np.clip(at, 0, n_rows - 1) + n_rows * np.arange(n)[:, None]
        rows = xp.take(flat, from_host(index.ravel(), flat), axis=0)
        rows = xp.reshape(rows, values.shape) * from_host(weight, flat, flat.dtype)[..., None]
        out = rows if out is None else out + rows
    return out


def _by_phase(values: Array, by: HostArray) -> Array:
    xp, transform, axes = namespace_of(values), fft(values), (-2, -1)
    n_y, n_x = values.shape[-2:]
    k_y, k_x = np.fft.fftfreq(n_y), np.fft.rfftfreq(n_x)
    turns = [np.exp(2j * np.pi * by[:, i, None] * k) for i, k in enumerate((k_y, k_x))]
    if n_y % 2 == 0:  # the highest frequency stands for both signs of it
        turns[0][:, n_y // 2] = turns[0][:, n_y // 2].real
    spectra = transform.rfftn(values, axes=axes)
    along_y, along_x = (xp.astype(from_host(t, values), spectra.dtype) for t in turns)
    spectra = spectra * along_y[:, :, None] * along_x[:, None, :]
    return transform.irfftn(spectra, s=(n_y, n_x), axes=axes)


def stretched(patterns: Array, at: HostArray) -> Array:
    """Read all patterns at the same places, between four pixels, with zero outside.

    Parameters
    ----------
    patterns : array
        Shape (n, y, x), real.
    at : numpy.ndarray
        Shape (2, y, x): where the pixels of the result lie on the patterns, (y, x) in pixels.

    Returns
    -------
    array
        Shape (n, y, x) of ``at``, in the computing type.
    """
    values = as_float(patterns)
    xp = namespace_of(values)
    n_y, n_x = values.shape[-2:]
    rows = xp.reshape(values, (values.shape[0], n_y * n_x))
    low = np.floor(at).astype(np.int64)
    share, out = at - low, None
    for step in np.ndindex(2, 2):
        y, x = low[0] + step[0], low[1] + step[1]
        weight = np.abs(1 - step[0] - share[0]) * np.abs(1 - step[1] - share[1])
        weight = np.where((y >= 0) & (y < n_y) & (x >= 0) & (x < n_x), weight, 0).ravel()
        index = np.clip(y, 0, n_y - 1) * n_x + np.clip(x, 0, n_x - 1)
        taken = xp.take(rows, from_host(index.ravel(), rows), axis=1)
        taken = taken * from_host(weight, rows, rows.dtype)
        out = taken if out is None else out + taken
    return xp.reshape(out, (values.shape[0], *at.shape[1:]))
