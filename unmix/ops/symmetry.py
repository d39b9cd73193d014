"""How well values on circles repeat under rotations and mirrors."""

from __future__ import annotations

import numpy as np

from .._arrays import from_host, namespace_of
from .._typing import Array, HostArray


def symmetry_scores(
    circles: Array, areas: HostArray, folds: tuple[int, ...], *, mirror: bool
) -> Array:
    r"""Correlate values on circles with themselves, rotated and mirrored.

    Parameters
    ----------
    circles : array
        Shape (b, r, a): values at a angles, equally spaced over the full circle.
    areas : numpy.ndarray
        Weight of each circle, (r,).
    folds : tuple of int
        Rotations by 360 degrees over each of these.
    mirror : bool
        Whether mirrors come last: the best of those at a angles over half a turn.

    Returns
    -------
    array
        Shape (b, len(folds) + mirror), -1 to 1; zero where circles do not vary along the angle.

    Notes
    -----
    With the angular Fourier coefficients c_k of a circle f, k > 0, the correlation of f(t) with
    f(t + s) is the sum of \|c_k\|^2 cos(k s), and that with f(s - t) is the real part of the sum of
    c_k^2 exp(i k s): all rotations and mirrors come of one product.
    """
    xp = namespace_of(circles)
    b, r, a = circles.shape
    k = np.arange(1, a // 2 + 1)
    phase = 2 * np.pi * np.outer(np.arange(a), k) / a
    waves = from_host(
        np.concatenate([np.cos(phase), np.sin(phase)], axis=1), circles, circles.dtype
    )
    mean = xp.mean(circles, axis=2, keepdims=True)
    rest = xp.reshape(circles - mean, (b * r, a))
    parts = xp.reshape(xp.matmul(rest, waves), (b, r, 2, len(k)))
    cosine, sine = parts[:, :, 0, :], parts[:, :, 1, :]
    weight = from_host(areas[:, None] * np.where(2 * k == a, 1, 2), circles, circles.dtype)
    power = xp.sum((cosine**2 + sine**2) * weight, axis=1)
    turns = np.cos(2 * np.pi * k[:, None] / np.asarray(folds, float))
    scores = xp.matmul(power, from_host(turns, circles, circles.dtype))
    if mirror:
        even = xp.sum((cosine**2 - sine**2) * weight, axis=1)
        odd = xp.sum(2 * cosine * sine * weight, axis=1)
        squares = xp.concat([even, odd], axis=1)
        mirrored = xp.max(xp.matmul(squares, waves.T), axis=1, keepdims=True)
        scores = xp.concat([scores, mirrored], axis=1)
    total = xp.sum(power, axis=1, keepdims=True)
    # what rounding leaves of even circles is no variation
    size = xp.sum(mean**2 * from_host(areas[:, None], circles, circles.dtype)[None, :, :], axis=1)
    eps = xp.finfo(circles.dtype).eps
    varies = total > (16 * eps * a) ** 2 * size
    return xp.where(
        varies, scores / xp.where(varies, total, xp.ones_like(total)), xp.zeros_like(scores)
    )
