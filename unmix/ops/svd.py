"""Principal components of a table: covariance in one pass, or block Krylov iteration.

Both take the table in parts. A part's moments can be merged with another's, and a product with the
covariance is the sum of the parts' products, so that the same code serves one array and a hundred
tiles.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from .._arrays import as_float, device_of, from_host, generator, linalg, namespace_of
from .._dispatch import dispatched
from .._typing import Array, HostArray

OVERSAMPLING = 10
"""Extra directions in the sketch: Halko, Martinsson and Tropp, SIAM Rev. 53, 217 (2011), 4.2."""
MAX_BLOCKS = 10
"""Products with the covariance at the most."""
KRYLOV_TOLERANCE = 1e-4
"""Stop when one more block captures less than this fraction more of the variance."""


class Moments(NamedTuple):
    """Number of rows, their mean, and the scatter about it: float64, host scalar or array."""

    n: int
    mean: Array
    scatter: Array


@dispatched
def covariance(rows: Array) -> Moments:
    """Moments of a table.

    Parameters
    ----------
    rows : array
        Shape (n, f), floating.

    Returns
    -------
    Moments
        ``n``, ``mean`` (f,) and ``scatter`` (f, f) = sum of (x - mean)(x - mean)^T in float64.
        Divided by n - 1 the scatter is the covariance.

    Examples
    --------
    >>> import numpy as np
    >>> import unmix as um
    >>> um.ops.covariance(np.asarray([[0.0, 1.0], [2.0, 1.0]])).scatter
    array([[2., 0.],
           [0., 0.]])
    """
    xp = namespace_of(rows)
    mean = _mean(rows)
    centred = rows - xp.astype(mean, rows.dtype)
    # the mean in the rows' own type is off by half a last digit; the scatter is about the exact one
    rest = _mean(centred)
    scatter = xp.astype(xp.matmul(centred.T, centred), xp.float64)
    scatter = scatter - rows.shape[0] * rest[:, None] * rest
    return Moments(rows.shape[0], mean, scatter)


def merge_covariance(a: Moments, b: Moments) -> Moments:
    """Moments of two tables together.

    Chan, Golub and LeVeque, Am. Stat. 37, 242 (1983), eq. 2.1: no cancellation, whatever the mean.
    """
    n = a.n + b.n
    shift = b.mean - a.mean
    scatter = a.scatter + b.scatter + (a.n * b.n / n) * (shift[:, None] * shift)
    return Moments(n, a.mean + shift * (b.n / n), scatter)


def eigenpairs(symmetric: Array, n: int) -> tuple[Array, Array]:
    """Largest ``n`` eigenvalues, falling, and their vectors as rows."""
    xp = namespace_of(symmetric)
    values, vectors = linalg(symmetric).eigh(symmetric)
    return xp.flip(values, axis=0)[:n], xp.flip(vectors, axis=1)[:, :n].T


class Sketch(NamedTuple):
    """What one pass over a table gives: all sums about a provisional centre c."""

    n: int
    total: Array
    """Sum of x - c, shape (f,), float64."""
    product: Array
    """Sum of (x - c)(x - c)^T Q, shape (f, l), float64."""


@dispatched
def sketch(rows: Array, q: Array, center: Array, scale: Array | None = None) -> Sketch:
    """One part of a product with the scatter matrix: one read of ``rows``, no centred copy.

    Parameters
    ----------
    rows : array
        Shape (n, f), floating, or counts.
    q : array
        Shape (f, l): the directions.
    center : array
        Shape (f,): a point near the mean, which keeps the sums short of cancellation.
    scale : array, optional
        Shape (f,): what rows are multiplied by first, such as one over the standard deviation.

    Returns
    -------
    Sketch
        The sums; parts are merged by adding them.
    """
    xp = namespace_of(rows)
    rows = as_float(rows)
    if scale is not None:
        rows = rows * xp.astype(scale, rows.dtype)
    q, c = (xp.astype(a, rows.dtype) for a in (q, center))
    n = rows.shape[0]
    y = xp.matmul(rows, q) - xp.matmul(c[None, :], q)
    # a column of ones beside y: the same read of the rows gives their sum
    both = xp.concat([y, xp.ones_like(y[:, :1])], axis=1)
    products = xp.astype(xp.matmul(rows.T, both), xp.float64)
    product = products[:, :-1] - center[:, None] * xp.sum(y, axis=0, dtype=xp.float64)
    total = products[:, -1] - n * center
    return Sketch(n, total, product)


def merge_sketch(a: Sketch, b: Sketch) -> Sketch:
    """Sum of two parts."""
    return Sketch(a.n + b.n, a.total + b.total, a.product + b.product)


def _mean(rows: Array) -> Array:
    """Mean row in float64: one that is off in float32 turns whole components."""
    xp = namespace_of(rows)
    return xp.sum(rows, axis=0, dtype=xp.float64) / rows.shape[0]


class Subspace(NamedTuple):
    """Leading eigenpairs of a scatter matrix about the exact mean."""

    n: int
    mean: Array
    values: Array
    vectors: Array


def block_krylov(
    pass_over: Callable[[Array, Array], Sketch],
    omega: Array,
    center: Array,
    n_components: int,
) -> Subspace:
    """Leading eigenpairs of the scatter matrix from a few passes over the table.

    Every block of the Krylov space is kept and the pairs are read off by Rayleigh-Ritz, which needs
    no pass of its own: Musco and Musco, NeurIPS 28 (2015), algorithm 2.

    Parameters
    ----------
    pass_over : callable
        (q, center) -> `Sketch` of the whole table.
    omega : array
        Shape (f, l), float64: the first, random directions.
    center : array
        Shape (f,), float64: provisional centre.
    n_components : int
        Number of pairs, at most l.

    Returns
    -------
    Subspace
        Values (n_components,) falling and vectors (n_components, f), orthonormal, float64.
    """
    xp = namespace_of(omega)
    f, width = omega.shape
    basis = xp.zeros_like(omega[:, :0])
    product = basis
    block, captured = omega, -1.0
    while True:
        # the last block takes what is left of the space
        block = _orthonormalised(block[:, : min(width, f - basis.shape[1])], basis)
        seen = pass_over(block, center)
        shift = seen.total / seen.n
        # about the exact mean: (x - m) = (x - c) - shift
        block_product = seen.product - seen.n * shift[:, None] * xp.matmul(shift[None, :], block)
        basis = xp.concat([basis, block], axis=1)
        product = xp.concat([product, block_product], axis=1)
        small = xp.matmul(basis.T, product)
        values, vectors = eigenpairs((small + small.T) / 2, n_components)
        now = float(xp.sum(values))
        full = basis.shape[1] >= min(f, MAX_BLOCKS * width)
        if full or now - captured <= KRYLOV_TOLERANCE * abs(now):
            break
        block, captured = block_product, now
    return Subspace(seen.n, center + shift, values, xp.matmul(vectors, basis.T))


def _orthonormalised(block: Array, basis: Array) -> Array:
    """Orthonormal columns that span ``block`` outside of ``basis``; twice is enough."""
    xp = namespace_of(block)
    for _ in range(2):
        block = block - xp.matmul(basis, xp.matmul(basis.T, block))
        block = orthonormal(block)
    return block


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
    mean = _mean(x) if center else xp.zeros_like(_mean(x))
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
