"""Independent components of white rows: the fixed-point iteration of FastICA.

All runs go side by side: they share each read of the rows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np

from .._arrays import linalg, namespace_of
from .._typing import Array

Contrast = Literal["logcosh", "exp"]

GAUSSIAN_VALUE: dict[str, float] = {"logcosh": 0.37456721, "exp": -np.sqrt(0.5)}
"""Mean of each contrast over the standard normal distribution."""


class ContrastSums(NamedTuple):
    """What one pass gives for each direction, summed over the rows; parts are merged by adding."""

    product: Array
    """Sum of g(y) x, (m, k), float64."""
    slope: Array
    """Sum of g'(y), (m,), float64."""


class Rotation(NamedTuple):
    """Where runs of the fixed-point iteration ended."""

    directions: Array
    """Orthonormal rows, (n_runs, k, k)."""
    n_iter: int
    converged: Array
    """Whether each run stopped by the tolerance, (n_runs,), bool."""


def contrast_pass(
    rows: Array, directions: Array, contrast: Contrast, weights: Array | None = None
) -> ContrastSums:
    """Sums of the derivatives of a contrast function along directions.

    Parameters
    ----------
    rows : array
        Shape (n, k), floating.
    directions : array
        Shape (m, k): y = rows . direction should have variance one.
    contrast : {"logcosh", "exp"}
        G(y) = log cosh y, or -exp(-y^2 / 2).
    weights : array, optional
        Shape (m, n): how often each row counts for each direction.

    Returns
    -------
    ContrastSums
        Sums over the rows.

    Notes
    -----
    Hyvarinen, IEEE Trans. Neural Netw. 10, 626 (1999), eqs. 25 and 26.

    Examples
    --------
    >>> import numpy as np
    >>> import unmix as um
    >>> um.ops.contrast_pass(np.zeros((3, 2)), np.eye(2), "logcosh").slope
    array([3., 3.])
    """
    xp = namespace_of(rows)
    y = xp.matmul(xp.astype(directions, rows.dtype), rows.T)
    counts = xp.ones_like(y[:, :1]) if weights is None else weights
    # g' is written by g itself, so that its sum takes one more product and no more arrays
    if contrast == "logcosh":
        g = xp.tanh(y)
        counted = g * counts
        slope = xp.sum(xp.broadcast_to(counts, y.shape), axis=1) - xp.vecdot(counted, g)
    else:
        bell = counts * xp.exp(-y * y / 2)
        counted = y * bell
        slope = xp.sum(bell, axis=1) - xp.vecdot(counted, y)
    product = xp.astype(xp.matmul(counted, rows), xp.float64)
    return ContrastSums(product, xp.astype(slope, xp.float64))


def contrast_sums(rows: Array, directions: Array, contrast: Contrast) -> Array:
    """Sum of the contrast function itself along directions, (m,), float64."""
    xp = namespace_of(rows)
    y = xp.matmul(xp.astype(directions, rows.dtype), rows.T)
    if contrast == "logcosh":
        size = xp.abs(y)  # log cosh y without overflow
        value = size + xp.log1p(xp.exp(-2 * size)) - float(np.log(2))
    else:
        value = -xp.exp(-y * y / 2)
    return xp.sum(value, axis=1, dtype=xp.float64)


def merge_contrast(a: ContrastSums, b: ContrastSums) -> ContrastSums:
    """Sum of two parts."""
    return ContrastSums(*(x + y for x, y in zip(a, b, strict=True)))


def decorrelated(w: Array) -> Array:
    """Nearest orthonormal rows: (W W^T)^(-1/2) W, for each matrix of (..., k, k)."""
    xp = namespace_of(w)
    values, vectors = linalg(w).eigh(xp.matmul(w, xp.matrix_transpose(w)))
    scale = 1 / xp.sqrt(xp.clip(values, xp.finfo(values.dtype).eps, None))
    root = xp.matmul(vectors * scale[..., None, :], xp.matrix_transpose(vectors))
    return xp.matmul(root, w)


def fastica(
    pass_over: Callable[[Array], ContrastSums],
    start: Array,
    n: int,
    *,
    max_iter: int,
    tolerance: float,
) -> Rotation:
    """Turn directions until each is a fixed point, all of a run at once (parallel FastICA).

    Parameters
    ----------
    pass_over : callable
        (m, k) directions -> `ContrastSums` of all white rows.
    start : array
        Shape (n_runs, k, k), float64.
    n : int
        Number of rows.
    max_iter : int
        Most passes.
    tolerance : float
        Stop when no direction of any run has turned so that one minus the modulus of its cosine is
        more.

    Returns
    -------
    Rotation
        Of all runs.
    """
    xp = namespace_of(start)
    shape = start.shape
    w, n_iter = decorrelated(start), 0
    converged = xp.zeros(shape[0], dtype=xp.bool)
    while n_iter < max_iter and not xp.all(converged):
        sums = pass_over(xp.reshape(w, (-1, shape[-1])))
        slope = xp.reshape(sums.slope, shape[:-1])[..., None]
        new = decorrelated((xp.reshape(sums.product, shape) - slope * w) / n)
        turned = xp.max(xp.abs(xp.abs(xp.sum(new * w, axis=-1)) - 1), axis=-1)
        w, n_iter, converged = new, n_iter + 1, turned <= tolerance
    return Rotation(w, n_iter, converged)


def negentropy(value: Array, contrast: Contrast) -> Array:
    """How far from Gaussian: squared distance of the contrast's mean from that of a Gaussian."""
    return (value - GAUSSIAN_VALUE[contrast]) ** 2
