"""Gaussian classes of independent features: products of the rows and of their squares.

Sums of squares about an origin lose digits where classes are narrow and far apart, so all is done
in float64: it costs little, as there are as few products as in k-means.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from .._arrays import namespace_of
from .._typing import Array
from .gaussians import EMPTY, Gaussians, GaussianSums, log_weights, origin_of, posteriors


class Independent(NamedTuple):
    """Densities of classes of independent features, ready for rows."""

    origin: Array
    """A point amid the means, (f,)."""
    away: Array
    """m - origin, (k, f)."""
    precisions: Array
    """One over the variances, (k, f)."""
    constants: Array
    """Logarithm of weight times density at the mean, (k,)."""

    @property
    def width(self) -> int:
        """How many numbers a pass makes of each row: its powers twice, and its posteriors."""
        k, f = self.away.shape
        return int(4 * (k + f))

    def sums(self, rows: Array, given: Array | None = None) -> GaussianSums:
        """Sums over rows (n, f) under their posteriors, or under ``given`` ones, (k, n)."""
        xp = namespace_of(rows)
        powers = self._powers(rows)
        if given is None:
            r, logs = posteriors(self._log_joint(powers))
            likelihood = xp.sum(logs)
        else:
            r, likelihood = given, xp.zeros_like(self.constants[0])
        counts, f = xp.sum(r, axis=1), rows.shape[1]
        seen = xp.matmul(r, powers)
        total, squares, away = seen[:, :f], seen[:, f:], self.away
        carried = counts[:, None] * away
        return GaussianSums(
            counts, total - carried, squares - away * (2 * total - carried), likelihood
        )

    def log_joint(self, rows: Array) -> Array:
        """Logarithm of weight times density, (k, n), float64."""
        return self._log_joint(self._powers(rows))

    def _powers(self, rows: Array) -> Array:
        """Rows from the origin and their squares side by side, (n, 2 f), float64."""
        xp = namespace_of(rows)
        near = xp.astype(rows - xp.astype(self.origin, rows.dtype), xp.float64)
        return xp.concat([near, near * near], axis=1)

    def _log_joint(self, powers: Array) -> Array:
        xp = namespace_of(powers)
        pull = self.precisions * self.away
        forms = xp.concat([pull, -self.precisions / 2], axis=1)
        constants = self.constants - xp.vecdot(pull, self.away) / 2
        return xp.matmul(forms, powers.T) + constants[:, None]


def independent(gaussians: Gaussians) -> Independent:
    """Make densities of independent features ready for rows."""
    xp = namespace_of(gaussians.means)
    variances = xp.broadcast_to(gaussians.covariances, gaussians.means.shape)
    size = xp.sum(xp.log(2 * math.pi * variances), axis=1)
    origin = origin_of(gaussians.means)
    constants = log_weights(gaussians.weights) - size / 2
    return Independent(origin, gaussians.means - origin, 1 / variances, constants)


def updated_independent(
    gaussians: Gaussians, sums: GaussianSums, regularization: float
) -> Gaussians:
    """Return classes of the largest likelihood, as `updated_gaussians` does."""
    xp = namespace_of(sums.counts)
    counts, old = sums.counts, gaussians.covariances
    there = counts > EMPTY
    n = xp.where(there, counts, xp.ones_like(counts))[:, None]
    shift = xp.where(there[:, None], sums.first / n, xp.zeros_like(sums.first))
    variances = xp.clip(sums.second / n - shift * shift, 0, None)
    if old.shape[1] == 1:
        variances = xp.mean(variances, axis=1, keepdims=True)
    new = xp.where(there[:, None], variances + regularization, old)
    return Gaussians(counts / xp.sum(counts), gaussians.means + shift, new)
