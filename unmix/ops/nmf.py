"""Non-negative matrix factorisation: what one pass over the rows does to the maps and components.

Rows V (n, f) are explained by maps W (n, k) and components H (k, f), neither below zero. A pass
brings the rows' maps up to date and sums what the components need; then they follow without the
rows. So the table is read once for each step of both.
"""

from __future__ import annotations

from typing import NamedTuple

from .._arrays import device_of, namespace_of
from .._typing import Array
from .abundances import fcls

SWEEPS = 2
"""Updates of all maps in one pass: they cost no read of the table, and save passes."""
MAPS_STEPS = 500
MAPS_TOLERANCE = 1e-6
"""Where maps on components that stay are good enough, as a fraction of all counts."""
TIGHTENINGS = 20
NOTHING = 1e-6
"""Turns of tightening; and parts of the largest entry of a map below which it is zero."""
NEWTON_STEPS = 8
"""Of the multiplier that makes maps sum to one: it converges from one side, quadratically."""


class FactorSums(NamedTuple):
    """What a pass gives; parts are merged by adding them."""

    gram: Array
    """Frobenius: sum of a a^T, (k, k), float64. Kullback-Leibler: sum of a, (k,)."""
    product: Array
    """Sum of a r^T, (k, f), float64; Kullback-Leibler: r over what explains it instead of r."""
    violation: Array
    """Sum of what the optimality conditions of the maps are missed by, before the pass."""


def merge_factor_sums(a: FactorSums, b: FactorSums) -> FactorSums:
    """Sum of two parts."""
    return FactorSums(*(x + y for x, y in zip(a, b, strict=True)))


def hals(values: Array, gram: Array, target: Array, n_sweeps: int = SWEEPS) -> Array:
    """Lower 1/2 a^T G a - t^T a for many a >= 0, one entry after the other.

    Parameters
    ----------
    values : array
        Shape (k, n): the start, not negative.
    gram : array
        G, shape (k, k).
    target : array
        t, shape (k, n).
    n_sweeps : int
        How often each entry has its turn.

    Returns
    -------
    array
        Shape (k, n), in the dtype of ``values``.

    Notes
    -----
    Cichocki and Phan, IEICE Trans. Fundam. E92-A, 708 (2009), algorithm 2; repeated sweeps after
    Gillis and Glineur, Neural Comput. 24, 1085 (2012).

    Examples
    --------
    >>> import numpy as np
    >>> import unmix as um
    >>> um.ops.hals(np.zeros((2, 1)), np.eye(2), np.asarray([[3.0], [-1.0]]))
    array([[3.],
           [0.]])
    """
    xp = namespace_of(values)
    values = xp.asarray(values, copy=True)
    for _ in range(n_sweeps):
        for j in range(values.shape[0]):
            if gram[j, j] > 0:  # else nothing depends on this entry
                missing = target[j, :] - xp.matmul(gram[j : j + 1, :], values)[0, :]
                values[j, :] = xp.clip(values[j, :] + missing / gram[j, j], 0, None)
    return values


def projected_gradient(values: Array, gradient: Array) -> Array:
    """Sum of squares of the gradient, where it points to where ``values`` may go (Lin 2007)."""
    xp = namespace_of(values)
    free = xp.where(values > 0, gradient, xp.clip(gradient, None, 0))
    return xp.sum(free * free, dtype=xp.float64)


def frobenius_pass(
    rows: Array,
    maps: Array,
    components: Array,
    simplex: bool,
    scale: Array | None = None,
    weights: Array | None = None,
) -> tuple[FactorSums, Array]:
    """Bring the maps of some rows up to date under the squared error.

    Parameters
    ----------
    rows : array
        Shape (n, f), floating.
    maps : array
        Shape (n, k): from the pass before.
    components : array
        Shape (k, f), float64.
    simplex : bool
        Maps sum to one; they are then exact (FCLS), and are no part of the violation.
    scale, weights : array, optional
        Shapes (f,) and (n, 1): the error of a feature is multiplied by ``scale``, and the squared
        error of a row by its weight. Weights change the sums and no map.

    Returns
    -------
    sums : FactorSums
        Of these rows, with the new maps.
    maps : array
        Shape (n, k).
    """
    xp = namespace_of(rows)
    forms = components if scale is None else components * scale
    h = xp.astype(forms, rows.dtype)
    if simplex:
        scaled = rows if scale is None else rows * xp.astype(scale, rows.dtype)
        new = xp.astype(fcls(scaled, h), rows.dtype).T
        violation = xp.zeros_like(components[0, 0])
    else:
        gram = xp.astype(xp.matmul(forms, forms.T), rows.dtype)
        # rows are read as they are: it is the components that are scaled once more
        target = xp.matmul(h if scale is None else xp.astype(forms * scale, rows.dtype), rows.T)
        old = maps.T
        gradient = xp.matmul(gram, old) - target
        if weights is not None:
            gradient = gradient * xp.sqrt(weights.T)
        violation = projected_gradient(old, gradient)
        new = hals(old, gram, target)
    counted = new if weights is None else new * weights.T
    gram = xp.astype(xp.matmul(counted, new.T), xp.float64)
    product = xp.astype(xp.matmul(counted, rows), xp.float64)
    return FactorSums(gram, product, violation), new.T


def tightened(maps: Array, components: Array) -> tuple[Array, Array]:
    """Let each component take in what comes with it wherever it is, at the same product.

    Parameters
    ----------
    maps, components : array
        Shapes (n, k) and (k, f), not negative.

    Returns
    -------
    maps, components : array
        Not negative.

    Notes
    -----
    Of maps a_i >= c a_j everywhere the part c a_j belongs to component j as well: it becomes w_j +
    c w_i, and a_i becomes a_i - c a_j. Two components end as the spectra of the purest samples, the
    inner limit of all answers of Lawton and Sylvestre, Technometrics 13, 617 (1971). Answers with
    a sample free of i among those that hold j, for all i and j, stay as they are.

    Examples
    --------
    >>> import numpy as np
    >>> import unmix as um
    >>> shared_and_difference = np.asarray([[1.0, 0.0], [1.0, 0.5], [1.0, 1.0]])
    >>> um.ops.tightened(shared_and_difference, np.eye(2))
    (array([[1. , 0. ],
           [0.5, 0.5],
           [0. , 1. ]]), array([[1., 0.],
           [1., 1.]]))
    """
    xp = namespace_of(maps)
    columns, rows = xp.asarray(maps.T, copy=True), xp.asarray(components, copy=True)
    k = columns.shape[0]
    for _ in range(TIGHTENINGS):
        before = xp.sum(rows)
        for j in range(k):
            least = NOTHING * xp.max(columns[j, :])
            held = columns[j, :] > least
            # what a sample without j holds of the others does not count
            part = xp.where(held, columns / xp.where(held, columns[j, :], 1.0), xp.inf)
            shared = xp.min(part, axis=1)
            others = xp.arange(k, device=device_of(columns)) != j
            shared = xp.where(others & xp.isfinite(shared), shared, xp.zeros_like(shared))
            columns = xp.clip(columns - shared[:, None] * columns[j, :], 0, None)
            taken = xp.sum(xp.astype(shared[:, None], rows.dtype) * rows, axis=0)
            rows[j, :] = rows[j, :] + taken
        if float(xp.sum(rows) - before) <= NOTHING * float(before):
            break
    return columns.T, rows


def squared_error(
    rows: Array,
    maps: Array,
    components: Array,
    scale: Array | None = None,
    weights: Array | None = None,
) -> Array:
    """Squared error of rows explained by maps x components, as in `frobenius_pass`: float64."""
    xp = namespace_of(rows)
    rest = rows - xp.matmul(maps, xp.astype(components, maps.dtype))
    if scale is not None:
        rest = rest * xp.astype(scale, rest.dtype)
    squares = xp.vecdot(rest, rest)
    if weights is not None:
        squares = squares * weights[:, 0]
    return xp.sum(squares, dtype=xp.float64)


def kullback_leibler_pass(
    rows: Array, maps: Array, components: Array, weights: Array, simplex: bool
) -> tuple[FactorSums, Array]:
    """Bring the maps of some rows up to date under the Kullback-Leibler divergence.

    Parameters
    ----------
    rows, maps, components, simplex
        As for `frobenius_pass`.
    weights : array
        Shape (f,): what the divergence of each feature counts.

    Returns
    -------
    sums, maps
        As for `frobenius_pass`.

    Notes
    -----
    Lee and Seung, NIPS 13, 556 (2001), eq. 5; on the simplex the same majorant is minimised with
    a multiplier for the sum, after Leplat, Gillis and Idier, SIAM J. Matrix Anal. Appl. 42, 730
    (2021).
    """
    xp = namespace_of(rows)
    h, w = (xp.astype(a, rows.dtype) for a in (components, weights))
    pull = xp.matmul(w * _ratio(rows, maps, h), h.T)
    push = xp.matmul(h, w)
    violation = xp.sum(xp.abs(maps * (push - pull)), dtype=xp.float64)
    new = _on_simplex(maps * pull, push) if simplex else maps * pull / _positive(push)
    product = xp.astype(xp.matmul(new.T, _ratio(rows, new, h)), xp.float64)
    return FactorSums(xp.sum(new, axis=0, dtype=xp.float64), product, violation), new


def kullback_leibler(rows: Array, maps: Array, components: Array, weights: Array) -> Array:
    """Weighted divergence of rows from maps x components: float64, no axes."""
    xp = namespace_of(rows)
    h, w = (xp.astype(a, rows.dtype) for a in (components, weights))
    explained = _positive(xp.matmul(maps, h))
    logs = xp.log(xp.where(rows > 0, rows / explained, xp.ones_like(rows)))
    return xp.sum(w * (rows * logs - rows + explained), dtype=xp.float64)


def kullback_leibler_maps(
    rows: Array, components: Array, weights: Array | None, simplex: bool
) -> Array:
    """Maps (n, k) of rows on components that stay; see `kullback_leibler_pass`."""
    xp = namespace_of(rows)
    weights = xp.ones_like(components[0, :]) if weights is None else weights
    level = xp.sum(rows, axis=1, keepdims=True) / _positive(xp.sum(components))
    maps = level + xp.zeros_like(rows[:, :1]) * components[:, 0]
    for _ in range(MAPS_STEPS):
        sums, maps = kullback_leibler_pass(rows, maps, components, weights, simplex)
        if float(sums.violation) <= MAPS_TOLERANCE * float(xp.sum(rows, dtype=xp.float64)):
            break
    return maps


def _ratio(rows: Array, maps: Array, components: Array) -> Array:
    xp = namespace_of(rows)
    return rows / _positive(xp.matmul(maps, components))


def _positive(values: Array) -> Array:
    """Keep divisors off zero."""
    xp = namespace_of(values)
    return xp.clip(values, xp.finfo(values.dtype).smallest_normal, None)


def _on_simplex(weights: Array, push: Array) -> Array:
    """Return a = weights / (push + m), with the multiplier m of each row that makes it sum to one.

    The sum falls with m and is convex, so that Newton's steps from the left stay on the left.
    """
    xp = namespace_of(weights)
    # at this m one entry alone is one already, so that the sum is at least one
    shift = xp.max(weights - push, axis=1, keepdims=True)
    for _ in range(NEWTON_STEPS):
        each = weights / _positive(push + shift)
        slope = xp.sum(each / _positive(push + shift), axis=1, keepdims=True)
        shift = shift + (xp.sum(each, axis=1, keepdims=True) - 1) / _positive(slope)
    values = weights / _positive(push + shift)
    return values / _positive(xp.sum(values, axis=1, keepdims=True))
