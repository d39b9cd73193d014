"""Gaussian classes of low rank: mixtures of probabilistic principal component analysers.

The covariance of a class is v I + sum of d d^T over a few directions d. Densities need products of
the rows with the directions alone, and so does the next covariance: no f x f matrix is ever made.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from .._arrays import linalg, namespace_of
from .._typing import Array
from .gaussians import EMPTY, Gaussians, log_weights, origin_of, posteriors

SMALLEST = 1e-3
"""Variance along a direction of the start over that beside all: none may be nothing for ever."""


class SubspaceSums(NamedTuple):
    """What a pass gives about the means of the pass, float64; parts are merged by adding them."""

    counts: Array
    """Sum of r, (k,)."""
    first: Array
    """Sum of r (x - m), (k, f)."""
    product: Array
    """Sum of r p (x - m)^T, (k, rank, f), where p = u . (x - m) along each unit direction."""
    squares: Array
    r"""Sum of r \|x - m\|^2, (k,)."""
    log_likelihood: Array
    """Sum over the rows; zero where the posteriors were given."""


class Subspaces(NamedTuple):
    """Densities of classes of low rank, ready for rows."""

    origin: Array
    """A point amid the means, (f,)."""
    away: Array
    """m - origin, (k, f)."""
    units: Array
    """Unit vectors along the directions, (k, rank, f)."""
    gains: Array
    """What p^2 takes off the exponent, (k, rank)."""
    variance: Array
    """v, (k, 1)."""
    constants: Array
    """Logarithm of weight times density at the mean, (k,)."""

    @property
    def width(self) -> int:
        """How many numbers a pass makes of each row: itself from the origin, and p a few times."""
        k, rank, f = self.units.shape
        return int(f + 4 * k * (rank + 1))

    def sums(self, rows: Array, given: Array | None = None) -> SubspaceSums:
        """Sums over rows (n, f) under their posteriors, or under ``given`` ones, (k, n)."""
        xp = namespace_of(rows)
        k, rank, f = self.units.shape
        near, along, squared = self._along(rows)
        if given is None:
            r, logs = posteriors(self._log_joint(along, squared))
            likelihood = xp.sum(logs)
        else:
            r, likelihood = given, xp.zeros_like(self.constants[0])
        # beside each other, so that one read of the rows gives both sums
        shared = xp.concat([along * r[:, None, :], xp.astype(r, along.dtype)[:, None, :]], axis=1)
        shares = xp.reshape(xp.astype(shared, rows.dtype), (k * (rank + 1), -1))
        seen = xp.reshape(xp.astype(xp.matmul(shares, near), xp.float64), (k, rank + 1, f))
        about = seen - xp.sum(shared, axis=2)[:, :, None] * self.away[:, None, :]
        return SubspaceSums(
            xp.sum(r, axis=1, dtype=xp.float64),
            about[:, rank, :],
            about[:, :rank, :],
            xp.sum(r * squared, axis=1),
            likelihood,
        )

    def log_joint(self, rows: Array) -> Array:
        """Logarithm of weight times density, (k, n), float64."""
        _, along, squared = self._along(rows)
        return self._log_joint(along, squared)

    def _along(self, rows: Array) -> tuple[Array, Array, Array]:
        r"""Rows from the origin; p, (k, rank, n), and \|x - m\|^2, (k, n), both float64."""
        xp = namespace_of(rows)
        k, rank, f = self.units.shape
        near = rows - xp.astype(self.origin, rows.dtype)
        both = xp.reshape(xp.concat([self.units, self.away[:, None, :]], axis=1), (-1, f))
        seen = xp.astype(xp.matmul(xp.astype(both, rows.dtype), near.T), xp.float64)
        seen = xp.reshape(seen, (k, rank + 1, -1))
        own = xp.matmul(self.units, self.away[:, :, None])
        norms = xp.astype(xp.vecdot(near, near), xp.float64)
        squared = norms - 2 * seen[:, rank, :] + xp.vecdot(self.away, self.away)[:, None]
        return near, seen[:, :rank, :] - own, xp.clip(squared, 0, None)

    def _log_joint(self, along: Array, squared: Array) -> Array:
        xp = namespace_of(along)
        saved = xp.sum(self.gains[:, :, None] * along * along, axis=1)
        return self.constants[:, None] - (squared / self.variance - saved) / 2


def subspaces(gaussians: Gaussians) -> Subspaces:
    """Make densities of low rank ready for rows."""
    xp = namespace_of(gaussians.means)
    directions: Any = gaussians.directions
    variance = gaussians.covariances
    f = gaussians.means.shape[1]
    lengths = xp.vecdot(directions, directions)
    safe = xp.where(lengths > 0, lengths, xp.ones_like(lengths))
    size = xp.sum(xp.log(variance + lengths), axis=1)
    size = size + (f - lengths.shape[1]) * xp.log(variance[:, 0]) + f * math.log(2 * math.pi)
    origin = origin_of(gaussians.means)
    return Subspaces(
        origin,
        gaussians.means - origin,
        directions / xp.sqrt(safe)[:, :, None],
        1 / variance - 1 / (variance + lengths),
        variance,
        log_weights(gaussians.weights) - size / 2,
    )


class _Scatter(NamedTuple):
    """Scatter matrices S about the new means, as far as the sums know them."""

    weights: Array
    means: Array
    product: Array
    """Rows (S u)^T, (k, rank, f)."""
    trace: Array
    """Sum of the variances of all features, (k,)."""
    there: Array
    """Whether the class has any sample, (k,)."""


def _scatter(gaussians: Gaussians, ready: Subspaces, sums: SubspaceSums) -> _Scatter:
    xp = namespace_of(sums.counts)
    there = sums.counts > EMPTY
    n = xp.where(there, sums.counts, xp.ones_like(sums.counts))
    shift = xp.where(there[:, None], sums.first / n[:, None], xp.zeros_like(sums.first))
    off = xp.matmul(ready.units, shift[:, :, None]) * shift[:, None, :]
    return _Scatter(
        sums.counts / xp.sum(sums.counts),
        gaussians.means + shift,
        sums.product / n[:, None, None] - off,
        xp.clip(sums.squares / n - xp.vecdot(shift, shift), 0, None),
        there,
    )


def updated_subspaces(
    gaussians: Gaussians, ready: Subspaces, sums: SubspaceSums, regularization: float
) -> Gaussians:
    """One step of the classes of low rank towards a larger likelihood.

    Parameters
    ----------
    gaussians, ready : Gaussians, Subspaces
        Those of the pass.
    sums : SubspaceSums
        Of all rows.
    regularization : float
        Added to the variance beside the directions.

    Returns
    -------
    Gaussians
        Directions are orthogonal, the longest first.

    Notes
    -----
    Tipping and Bishop, Neural Comput. 11, 443 (1999), eqs. C.14 and C.15.
    """
    xp = namespace_of(sums.counts)
    seen = _scatter(gaussians, ready, sums)
    directions: Any = gaussians.directions
    variance = gaussians.covariances
    _, rank, f = directions.shape
    lengths = xp.vecdot(directions, directions)
    product = seen.product * xp.sqrt(lengths)[:, :, None]  # rows (S d)^T
    inside = xp.matmul(product, xp.matrix_transpose(directions))
    precision = 1 / (variance + lengths)
    system = inside * precision[:, None, :] + variance[:, :, None] * xp.eye(rank, dtype=xp.float64)
    new = linalg(product).solve(system, product)
    explained = xp.sum(precision * xp.vecdot(product, new), axis=1)
    left = xp.clip(seen.trace - explained, 0, None)[:, None] / f + regularization
    there = seen.there
    return Gaussians(
        seen.weights,
        seen.means,
        xp.where(there[:, None], left, variance),
        xp.where(there[:, None, None], _orthogonal(new), directions),
    )


def _orthogonal(rows: Array) -> Array:
    """Orthogonal rows with the same sum of outer products, the longest first."""
    _, lengths, units = linalg(rows).svd(rows, full_matrices=False)
    return lengths[:, :, None] * units


def turned_subspaces(gaussians: Gaussians, ready: Subspaces, sums: SubspaceSums) -> Gaussians:
    """Unit directions that span the products of the classes' scatter with the old directions."""
    seen = _scatter(gaussians, ready, sums)
    _, _, units = linalg(seen.product).svd(seen.product, full_matrices=False)
    return Gaussians(seen.weights, seen.means, gaussians.covariances, units)


def first_subspaces(
    gaussians: Gaussians, ready: Subspaces, sums: SubspaceSums, regularization: float
) -> Gaussians:
    """Principal components of the classes inside the span of unit directions (Rayleigh-Ritz).

    Notes
    -----
    Tipping and Bishop, J. R. Stat. Soc. B 61, 611 (1999), eqs. 7 and 8.
    """
    xp = namespace_of(sums.counts)
    seen = _scatter(gaussians, ready, sums)
    units = ready.units
    _, rank, f = units.shape
    small = xp.matmul(seen.product, xp.matrix_transpose(units))
    values, vectors = linalg(small).eigh((small + xp.matrix_transpose(small)) / 2)
    values = xp.clip(xp.flip(values, axis=1), 0, None)
    turned = xp.matmul(xp.matrix_transpose(xp.flip(vectors, axis=2)), units)
    rest = xp.clip(seen.trace - xp.sum(values, axis=1), 0, None)
    left = rest[:, None] / (f - rank) + regularization
    lengths = xp.where(values - left > SMALLEST * left, values - left, SMALLEST * left)
    return Gaussians(seen.weights, seen.means, left, xp.sqrt(lengths)[:, :, None] * turned)
