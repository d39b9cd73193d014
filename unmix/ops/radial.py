"""Rings and circles about the centre of a plane: means, variances, angular Fourier orders."""

from __future__ import annotations

import numpy as np

from .._arrays import from_host, namespace_of
from .._typing import Array, HostArray


def ring_means(rows: Array, weights: HostArray) -> Array:
    """Return the mean over each ring.

    Parameters
    ----------
    rows : array
        Shape (b, f), floating.
    weights : numpy.ndarray
        Shape (f, n): the share of each feature in each ring; columns sum to one.

    Returns
    -------
    array
        Shape (b, n) in the dtype of ``rows``.
    """
    return namespace_of(rows).matmul(rows, from_host(weights, rows, rows.dtype))


def ring_variances(rows: Array, weights: HostArray) -> Array:
    """Return the variance over each ring; parameters as for `ring_means`.

    Squares are of what is left when each feature has lost the mean of its ring, so that a common
    offset costs no digits.
    """
    xp = namespace_of(rows)
    share = from_host(weights, rows, rows.dtype)
    ring = from_host(np.argmax(weights, axis=1), rows)
    rest = rows - xp.take(xp.matmul(rows, share), ring, axis=1)
    # a feature that stands for entries of two rings lost the mean of one
    offset = xp.matmul(rest, share)
    return xp.clip(xp.matmul(rest * rest, share) - offset * offset, 0, None)


def interpolated(rows: Array, places: HostArray, weights: HostArray) -> Array:
    """Return weighted sums of a few features each.

    Parameters
    ----------
    rows : array
        Shape (b, f), floating.
    places, weights : numpy.ndarray
        Shape (p, m): the p features that each of m results is made of, and their weights.

    Returns
    -------
    array
        Shape (b, m) in the dtype of ``rows``.
    """
    xp, total = namespace_of(rows), None
    for place, weight in zip(places, weights, strict=True):
        part = xp.take(rows, from_host(place, rows), axis=1) * from_host(weight, rows, rows.dtype)
        total = part if total is None else total + part
    return total


def angular_moduli(circles: Array, orders: tuple[int, ...]) -> Array:
    r"""Return the moduli of angular Fourier orders.

    Parameters
    ----------
    circles : array
        Shape (b, r, a): values at a angles, equally spaced over the full circle.
    orders : tuple of int
        The orders n.

    Returns
    -------
    array
        Shape (b, len(orders), r): \|mean over the angle of x exp(-i n angle)\|.
    """
    xp = namespace_of(circles)
    b, r, a = circles.shape
    phase = 2 * np.pi * np.arange(a)[:, None] * np.asarray(orders) / a
    waves = np.concatenate([np.cos(phase), np.sin(phase)], axis=1) / a
    flat = xp.matmul(xp.reshape(circles, (b * r, a)), from_host(waves, circles, circles.dtype))
    parts = xp.reshape(flat, (b, r, 2, len(orders)))
    return xp.permute_dims(xp.sqrt(xp.sum(parts * parts, axis=2)), (0, 2, 1))
