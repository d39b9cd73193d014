"""Principal components of a table by block Krylov iteration.

It takes the table in parts: a product with the scatter matrix is the sum of the parts' products, so
that the same code serves one array and a hundred tiles.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from math import inf
from typing import NamedTuple

from .._arrays import as_float, device_of, from_host, generator, linalg, namespace_of
from .._dispatch import dispatched
from .._typing import Array, HostArray
from .covariance import eigenpairs, mean_row

OVERSAMPLING = 10
"""Extra directions in the sketch: Halko, Martinsson and Tropp, SIAM Rev. 53, 217 (2011), 4.2."""
MAX_BLOCKS = 24
"""Products with the scatter matrix at the most."""
LOSS = 1e-6
"""Fraction of the variance of the best subspace that may be lost, as it is estimated."""


class Sketch(NamedTuple):
    """What one pass over a table gives: all sums about a provisional centre c."""

    n: int
    total: Array
    """Sum of x - c, shape (f,), float64."""
    product: Array
    """Sum of (x - c)(x - c)^T Q, weighted, shape (f, l), float64."""
    y: Array | None = None
    """(x - c)^T Q of each row, unweighted, shape (n, l); None in what was merged."""


@dispatched
def sketch(
    rows: Array,
    q: Array,
    center: Array,
    scale: Array | None = None,
    weights: Array | None = None,
) -> Sketch:
    """One part of a product with the scatter matrix: one read of ``rows``, no centred copy.

    Parameters
    ----------
    rows : array
        Shape (n, f), floating, or counts.
    q : array
        Shape (f, l): the directions.
    center : array
        Shape (f,), float64: a point near the mean, which keeps the sums short of cancellation.
    scale : array, optional
        Shape (f,): what rows are multiplied by first, such as one over the standard deviation.
    weights : array, optional
        Shape (n,): how much each row counts in ``product``.

    Returns
    -------
    Sketch
        The sums; parts are merged by `merge_sketch`.
    """
    xp = namespace_of(rows)
    rows = as_float(rows)
    # the directions are scaled and the results weighted, so that the rows are read as they are
    forms = xp.astype(q if scale is None else q * scale[:, None], rows.dtype, copy=False)
    near = xp.astype(center[None, :], q.dtype, copy=False)
    y = xp.matmul(rows, forms) - xp.astype(xp.matmul(near, q), rows.dtype, copy=False)
    counted = y if weights is None else y * xp.astype(weights, rows.dtype)[:, None]
    # a row of ones beside them: the same read of the rows gives their sum
    both = xp.concat([counted.T, xp.ones_like(y[:, :1]).T], axis=0)
    # the same sums: of few and wide rows the first takes BLAS half as long, of many a little longer
    wide = rows.shape[0] < rows.shape[1]
    products = xp.matmul(both, rows) if wide else xp.matmul(rows.T, both.T).T
    if scale is not None:
        products *= xp.astype(scale, rows.dtype)
    # in place, as these are large where there are many features
    product = -xp.sum(counted, axis=0, dtype=xp.float64)[:, None] * center
    product += products[:-1, :]
    total = xp.astype(products[-1, :], xp.float64) - rows.shape[0] * center
    return Sketch(rows.shape[0], total, product.T, y)


def merge_sketch(a: Sketch, b: Sketch) -> Sketch:
    """Sum of two parts."""
    return Sketch(a.n + b.n, a.total + b.total, a.product + b.product)


class Subspace(NamedTuple):
    """Leading eigenpairs of a scatter matrix about the exact mean."""

    n: int
    mean: Array
    values: Array
    vectors: Array


def block_krylov(
    pass_over: Callable[[Array, Array], Sketch],
    start: Array,
    center: Array,
    n_components: int,
    loss: float = LOSS,
) -> Subspace:
    """Leading eigenpairs of the scatter matrix from a few passes over the table.

    Every block of the Krylov space is kept and the pairs are read off by Rayleigh-Ritz, which needs
    no pass of its own: Musco and Musco, NeurIPS 28 (2015), algorithm 2. What the pairs leave of the
    last product says how much variance a further block would add.

    Parameters
    ----------
    pass_over : callable
        (q, center) -> `Sketch` of the whole table.
    start : array
        Shape (f, l), float64: the first directions. Some of them are random, so that they overlap
        with every component.
    center : array
        Shape (f,), float64: provisional centre. From the second pass on it is the exact one.
    n_components : int
        Number of pairs, at most l.
    loss : float
        Stop when no more than this fraction of the variance is missing, as it is estimated.

    Returns
    -------
    Subspace
        Values (n_components,) falling and vectors (n_components, f), orthonormal, float64.
    """
    xp = namespace_of(start)
    f, width = start.shape
    basis: list[Array] = []
    small = xp.zeros_like(start[:0, :0])
    block, captured = _orthonormalised(start, basis), [0.0, 0.0]
    while True:
        seen = pass_over(block, center)
        shift = seen.total / seen.n
        # about the exact mean: (x - m) = (x - c) - shift
        product = seen.product - seen.n * shift[:, None] * xp.matmul(shift[None, :], block)
        center = center + shift
        basis.append(block)
        small = _bordered(small, xp.concat([xp.matmul(b.T, product) for b in basis], axis=0))
        values, vectors = eigenpairs(small, small.shape[0])
        captured.append(float(xp.sum(values[:n_components])))
        beyond = _beyond(product, basis)
        last = xp.matmul(beyond, vectors[:n_components, -block.shape[1] :].T)
        residuals = xp.sum(last * last, axis=0)
        left = f - small.shape[0]
        enough = _missing(values, residuals, captured) <= loss * captured[-1]
        if enough or left == 0 or len(basis) == MAX_BLOCKS:
            break
        # the last block takes what is left of the space
        block = _orthonormalised(beyond[:, : min(width, left)], basis)
    found = xp.matmul(vectors[:n_components, :], xp.concat(basis, axis=1).T)
    return Subspace(seen.n, center, values[:n_components], found)


def _bordered(small: Array, column: Array) -> Array:
    """Add a block of columns to a symmetric matrix, and the rows that mirror it."""
    xp = namespace_of(small)
    n = small.shape[0]
    corner = (column[n:, :] + column[n:, :].T) / 2
    upper = xp.concat([small, column[:n, :]], axis=1)
    return xp.concat([upper, xp.concat([column[:n, :].T, corner], axis=1)], axis=0)


def _missing(values: Array, residuals: Array, captured: list[float]) -> float:
    """Estimate the variance that the leading pairs miss, given what was captured pass by pass.

    To second order an eigenvalue is off by its squared residual over the distance to what the
    residual is made of, for which the mean of all lower values stands. Where values lie close
    together that is too little, but gains that fall by some factor go on falling by it.
    """
    xp = namespace_of(values)
    k = residuals.shape[0]
    rest = float(xp.mean(values[k:])) if values.shape[0] > k else 0.0
    least = float(values[0]) * 1e-15 + sys.float_info.min
    by_residuals = float(xp.sum(residuals / xp.clip(values[:k] - rest, least, None)))
    before, gain = captured[-2] - captured[-3], abs(captured[-1] - captured[-2])
    by_gains = gain * gain / (before - gain) if gain < before else inf
    # no gain is as good as its rounding, and none is left where the space holds all products
    return min(max(by_residuals, by_gains), MAX_BLOCKS * gain, 1e4 * by_residuals)


def _beyond(block: Array, basis: list[Array]) -> Array:
    """Take off what lies in the space of the blocks of a basis."""
    xp = namespace_of(block)
    for known in basis:
        block = block - xp.matmul(known, xp.matmul(known.T, block))
    return block


def _orthonormalised(block: Array, basis: list[Array]) -> Array:
    """Orthonormal columns that span ``block`` outside of ``basis``; twice is enough."""
    return orthonormal(_beyond(orthonormal(block), basis))


@dispatched
def orthonormal(block: Array) -> Array:
    """Orthonormal columns that span what the columns of ``block`` span.

    Parameters
    ----------
    block : array
        Shape (f, l), floating, l <= f.

    Returns
    -------
    array
        Shape (f, l).

    Examples
    --------
    >>> import numpy as np
    >>> import unmix as um
    >>> abs(um.ops.orthonormal(np.asarray([[3.0], [4.0]]))).round(3)
    array([[0.6],
           [0.8]])
    """
    return linalg(block).qr(block)[0]


def random_directions(n_features: int, n_components: int, key: int) -> HostArray:
    """Return the random start of `block_krylov`: (f, n_components + 10) normal numbers."""
    width = min(n_components + OVERSAMPLING, n_features)
    return generator(key, 0).standard_normal((n_features, width))


def randomized_svd(
    x: Array, n_components: int, *, center: bool = False, key: int = 0
) -> tuple[Array, Array, Array]:
    """Truncated singular value decomposition of a table by block Krylov iteration.

    Parameters
    ----------
    x : array
        Shape (n, f), floating.
    n_components : int
        Number of singular triplets, at most min(n, f).
    center : bool
        Take the mean row off first, without making a centred copy.
    key : int
        Key of the random start.

    Returns
    -------
    u, s, vt : array
        Shapes (n, n_components), (n_components,) and (n_components, f), in the namespace and dtype
        of ``x``. The largest entry of each row of ``vt`` is positive.

    Examples
    --------
    >>> import numpy as np
    >>> import unmix as um
    >>> u, s, vt = um.ops.randomized_svd(np.diag([3.0, 2.0, 1.0]), 2)
    >>> s.round(6)
    array([3., 2.])
    """
    xp = namespace_of(x)
    omega = from_host(random_directions(x.shape[1], n_components, key), x, xp.float64)
    mean = mean_row(x) if center else xp.zeros_like(mean_row(x))
    found = block_krylov(lambda q, c: _about(sketch(x, q, c), center), omega, mean, n_components)
    vt = xp.astype(fix_signs(found.vectors), x.dtype)
    s = xp.astype(xp.sqrt(xp.clip(found.values, 0, None)), x.dtype)
    scores = xp.matmul(x, vt.T) - xp.matmul(xp.astype(mean, x.dtype)[None, :], vt.T)
    return scores / xp.where(s > 0, s, xp.ones_like(s)), s, vt


def _about(part: Sketch, center: bool) -> Sketch:
    """Keep the provisional centre for the exact one where no mean is to be taken off."""
    xp = namespace_of(part.total)
    return part if center else part._replace(total=xp.zeros_like(part.total))


def fix_signs(vectors: Array) -> Array:
    """Turn each row so that its entry of largest modulus is positive."""
    xp = namespace_of(vectors)
    largest = xp.argmax(xp.abs(vectors), axis=1)
    columns = xp.arange(vectors.shape[1], device=device_of(vectors))
    hit = xp.astype(columns[None, :] == largest[:, None], vectors.dtype)
    sign = xp.sign(xp.sum(vectors * hit, axis=1))
    return vectors * xp.where(sign == 0, xp.ones_like(sign), sign)[:, None]
