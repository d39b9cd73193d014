"""Gaussian classes: densities of rows, and the sums that the next classes are made of.

With a covariance matrix everything is measured in units of the class that it belongs to:
y = W (x - m), with W^T W the inverse of the covariance. The sums are about the means of this pass
and of order one, so that neither a large offset nor a narrow class costs digits.
"""

from __future__ import annotations

import math
from functools import reduce
from typing import Any, NamedTuple

from .._arrays import linalg, namespace_of
from .._typing import Array

BLOCK = 1 << 17
"""Numbers y of all classes that are computed together: they stay in the cache."""
FEWEST = 256
"""Rows of a block at the least: products of fewer are slow."""
EMPTY = 1e-20
"""A class with less than this of a sample keeps its mean and its covariance."""


class Gaussians(NamedTuple):
    """Classes of a mixture; all float64."""

    weights: Array
    """Share of each class, (k,)."""
    means: Array
    """Shape (k, f)."""
    covariances: Array
    """Shape (k, f, f), or (1, f, f) for one that all share; diagonal: (k, f), or (k, 1) where all
    features have the same. With directions: what is left beside them, (k, 1)."""
    directions: Array | None = None
    """Shape (k, rank, f): the sum of d d^T over these is added to the covariance."""


class GaussianSums(NamedTuple):
    """What a pass gives, all float64; parts are merged by adding them."""

    counts: Array
    """Sum of r, (k,): what each class has of the samples."""
    first: Array
    """Sum of r y, (k, f); independent features: of r (x - m)."""
    second: Array
    """Sum of r y y^T, (k, f, f); independent features: of r (x - m)^2, (k, f)."""
    log_likelihood: Array
    """Sum over the rows; zero where the posteriors were given."""


class Whitened(NamedTuple):
    """Densities of classes with a covariance matrix, ready for rows."""

    origin: Array
    """A point amid the means, (f,)."""
    factors: Array
    """W, (k, f, f), or (1, f, f)."""
    offsets: Array
    """W (m - origin), (k, f)."""
    constants: Array
    """Logarithm of weight times density at the mean, (k,)."""

    @property
    def width(self) -> int:
        """How many numbers a pass makes of each row: y, its squares, and both weighted."""
        k, f = self.offsets.shape
        return int(4 * k * f)

    def sums(self, rows: Array, given: Array | None = None) -> GaussianSums:
        """Sums over rows (n, f) under their posteriors, or under ``given`` ones, (k, n)."""
        parts = (
            self._part(rows[i:j, :], None if given is None else given[:, i:j])
            for i, j in self._blocks(rows)
        )
        total: GaussianSums = reduce(merge_mixture, parts)
        return total

    def _part(self, rows: Array, given: Array | None) -> GaussianSums:
        xp = namespace_of(rows)
        y = self._away(rows)
        if given is None:
            r, logs = posteriors(self._log_joint(y))
            likelihood = xp.sum(logs)
        else:
            r, likelihood = given, xp.zeros_like(self.constants[0])
        shares = xp.astype(r, rows.dtype)
        shared = y * shares[:, None, :]
        return GaussianSums(
            xp.sum(r, axis=1, dtype=xp.float64),
            xp.astype(xp.matmul(y, shares[:, :, None])[..., 0], xp.float64),
            xp.astype(xp.matmul(shared, xp.matrix_transpose(y)), xp.float64),
            likelihood,
        )

    def log_joint(self, rows: Array) -> Array:
        """Logarithm of weight times density, (k, n), float64."""
        xp = namespace_of(rows)
        parts = [self._log_joint(self._away(rows[i:j, :])) for i, j in self._blocks(rows)]
        return xp.concat(parts, axis=1)

    def _blocks(self, rows: Array) -> list[tuple[int, int]]:
        k, f = self.offsets.shape
        step = max(FEWEST, BLOCK // (k * f))
        return [(i, min(i + step, rows.shape[0])) for i in range(0, rows.shape[0], step)]

    def _away(self, rows: Array) -> Array:
        """Return y, (k, f, n): rows lie along the last axis, where sums over features are fast."""
        xp = namespace_of(rows)
        origin, factors, offsets = (
            xp.astype(a, rows.dtype) for a in (self.origin, self.factors, self.offsets)
        )
        near = (rows - origin).T
        stacked = xp.reshape(factors, (-1, factors.shape[-1]))
        turned = xp.reshape(xp.matmul(stacked, near), (-1, *near.shape))
        return turned - offsets[:, :, None]

    def _log_joint(self, away: Array) -> Array:
        xp = namespace_of(away)
        squared = xp.sum(away * away, axis=1)
        return self.constants[:, None] - xp.astype(squared, xp.float64) / 2


def posteriors(log_joint: Array) -> tuple[Array, Array]:
    """Posteriors (k, n) and log-likelihoods (n,) of logarithms of weight times density, (k, n)."""
    xp = namespace_of(log_joint)
    top = xp.max(log_joint, axis=0)
    each = xp.exp(log_joint - top)
    total = xp.sum(each, axis=0)
    return each / total, top + xp.log(total)


def merge_mixture(a: Any, b: Any) -> Any:
    """Sum of two parts of one kind."""
    return type(a)(*(x + y for x, y in zip(a, b, strict=True)))


def origin_of(means: Array) -> Array:
    """Return a point amid the means that float32 holds too, in float64."""
    xp = namespace_of(means)
    return xp.astype(xp.astype(xp.mean(means, axis=0), xp.float32), xp.float64)


def log_weights(weights: Array) -> Array:
    """Logarithms of the classes' shares; finite where a class has none."""
    xp = namespace_of(weights)
    return xp.log(xp.clip(weights, xp.finfo(weights.dtype).smallest_normal, None))


def whitened(gaussians: Gaussians) -> Whitened:
    """Make densities ready for rows: W from the eigenvectors of each covariance."""
    means = gaussians.means
    xp = namespace_of(means)
    origin = origin_of(means)
    values, vectors = linalg(means).eigh(gaussians.covariances)
    factors = xp.matrix_transpose(vectors / xp.sqrt(values)[:, None, :])
    offsets = xp.matmul(factors, (means - origin)[:, :, None])[..., 0]
    size = xp.sum(xp.log(2 * math.pi * values), axis=1)
    return Whitened(origin, factors, offsets, log_weights(gaussians.weights) - size / 2)


def updated_gaussians(
    gaussians: Gaussians, ready: Whitened, sums: GaussianSums, regularization: float
) -> Gaussians:
    """Classes of the largest likelihood under the posteriors that ``sums`` were made with.

    Parameters
    ----------
    gaussians, ready : Gaussians, Whitened
        Those of the pass.
    sums : GaussianSums
        Of all rows.
    regularization : float
        Added to every variance.

    Returns
    -------
    Gaussians
        With covariances of the same form.

    Notes
    -----
    Dempster, Laird and Rubin, J. R. Stat. Soc. B 39, 1 (1977).
    """
    xp = namespace_of(sums.counts)
    counts, old = sums.counts, gaussians.covariances
    there = counts > EMPTY
    n = xp.where(there, counts, xp.ones_like(counts))
    shift = xp.where(there[:, None], sums.first / n[:, None], xp.zeros_like(sums.first))
    w = ready.factors  # orthogonal rows, each of length one over a standard deviation
    back = xp.matrix_transpose(w / xp.vecdot(w, w)[:, :, None])
    means = gaussians.means + xp.matmul(back, shift[:, :, None])[..., 0]
    scatter = sums.second - counts[:, None, None] * shift[:, :, None] * shift[:, None, :]
    if old.shape[0] == 1:
        spread = xp.sum(scatter, axis=0, keepdims=True) / xp.sum(counts)
    else:
        spread = scatter / n[:, None, None]
    new = _raised(xp.matmul(xp.matmul(back, spread), xp.matrix_transpose(back)), regularization)
    if new.shape[0] == counts.shape[0]:
        new = xp.where(there[:, None, None], new, old)
    return Gaussians(counts / xp.sum(counts), means, new)


def _raised(symmetric: Array, by: float) -> Array:
    """Add to all eigenvalues, none of which should be below zero but for rounding."""
    xp = namespace_of(symmetric)
    values, vectors = linalg(symmetric).eigh(symmetric)
    values = xp.clip(values, 0, None) + by
    return xp.matmul(vectors * values[:, None, :], xp.matrix_transpose(vectors))
