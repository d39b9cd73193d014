"""Mixtures of Gaussian classes of any covariance: expectation and maximisation in turn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from .._arrays import from_host, namespace_of
from .._typing import Array
from .diagonal import Independent, independent, updated_independent
from .gaussians import (
    Gaussians,
    GaussianSums,
    Whitened,
    posteriors,
    updated_gaussians,
    whitened,
)
from .ppca import Subspaces, SubspaceSums, subspaces, updated_subspaces

Densities = Whitened | Independent | Subspaces


class Assigned(NamedTuple):
    """Where rows belong, and how well the classes explain them."""

    posteriors: Array
    """Shape (n, k), in the dtype of the rows."""
    log_likelihood: Array
    """Sum over the rows, float64."""
    entropy: Array
    """Sum of the entropies of the posteriors, float64."""


class Fitted(NamedTuple):
    """Where expectation and maximisation ended."""

    gaussians: Gaussians
    log_likelihood: float
    """Mean over the rows, under the classes of the last pass."""
    n_iter: int
    converged: bool


def densities(gaussians: Gaussians) -> Densities:
    """Make the densities of classes ready for rows."""
    if gaussians.directions is not None:
        return subspaces(gaussians)
    return whitened(gaussians) if gaussians.covariances.ndim == 3 else independent(gaussians)


def brought_to(ready: Any, like: Array) -> Any:
    """Bring densities from the host into the namespace and onto the device of ``like``."""
    return type(ready)(*(from_host(a, like) for a in ready))


def assigned(rows: Array, ready: Densities) -> Assigned:
    """Posteriors of rows (n, f).

    Examples
    --------
    >>> import numpy as np
    >>> import unmix as um
    >>> classes = um.ops.Gaussians(np.full(2, 0.5), np.asarray([[0.0], [4.0]]), np.ones((2, 1)))
    >>> um.ops.assigned(np.asarray([[0.0], [2.0]]), um.ops.densities(classes)).posteriors.round(3)
    array([[1. , 0. ],
           [0.5, 0.5]])
    """
    xp = namespace_of(rows)
    log_joint = ready.log_joint(rows)
    shares, logs = posteriors(log_joint)
    entropy = xp.sum(shares * (logs - log_joint))
    return Assigned(xp.astype(shares, rows.dtype).T, xp.sum(logs), entropy)


def updated(gaussians: Gaussians, ready: Any, sums: Any, regularization: float) -> Gaussians:
    """Return the next classes from the sums of a pass."""
    if isinstance(ready, Independent):
        return updated_independent(gaussians, sums, regularization)
    step = updated_gaussians if isinstance(ready, Whitened) else updated_subspaces
    return step(gaussians, ready, sums, regularization)


def expectation_maximization(
    pass_over: Callable[[Densities], GaussianSums | SubspaceSums],
    start: Gaussians,
    regularization: float,
    n: int,
    *,
    max_iter: int,
    tolerance: float,
) -> Fitted:
    """Move the classes until their likelihood rests.

    Parameters
    ----------
    pass_over : callable
        densities -> sums over all rows.
    start : Gaussians
        The first classes.
    regularization : float
        Added to every variance.
    n : int
        Number of rows.
    max_iter : int
        Passes at the most.
    tolerance : float
        Stop when the mean log-likelihood of a row changes by less than this.

    Returns
    -------
    Fitted
        The last classes.
    """
    gaussians, before = start, float("-inf")
    for n_iter in range(1, max_iter + 1):
        ready = densities(gaussians)
        sums = pass_over(ready)
        gaussians = updated(gaussians, ready, sums, regularization)
        now = float(sums.log_likelihood) / n
        if abs(now - before) < tolerance:
            return Fitted(gaussians, now, n_iter, True)
        before = now
    return Fitted(gaussians, before, max_iter, False)
