"""What mixtures of Gaussian classes are fitted with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np

from .. import config, ops
from .._arrays import device_of, from_host, generator, namespace_of, to_host
from .._errors import DataError, ParameterError
from .._fold import fold, single_threaded
from .._mixture import Covariance, Mixture, classes_of, read_mixture
from .._record import Clock
from .._samples import Samples
from .._tiles import Tile
from .._typing import Array, HostArray
from .._unmixing import Unmixing
from ._common import kept_if_it_fits, not_negative, whole_number
from .kmeans import _given, _norms, kmeans

RANK = 5
"""Directions of a class of low rank, unless another number is asked for."""
KMEANS_STEPS = 20
"""Of a start: further ones take longer than the passes that they save."""
COPIES = 12
"""Arrays of the size of all classes' covariances that a pass and an update hold at a time."""


def number_of_classes(n_clusters: int, samples: Samples, covariance: Covariance) -> int:
    """Return a number of classes as an int, or say what it should have been."""
    n, f = samples.layout.n_samples, samples.layout.n_features
    k = whole_number(n_clusters, 1, n, "n_clusters", f"{n} samples")
    if covariance in ("full", "tied") and 8 * COPIES * k * f * f > config.current_budget():
        raise ParameterError(
            f"covariances of {f} x {f} features for {k} classes do not fit the memory budget; "
            "expected covariance='low_rank', or fewer features (the scores of a PCA)"
        )
    return k


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Samples, and the options that mixtures are fitted to them with."""

    samples: Samples
    covariance: Covariance
    rank: int
    """Zero but for classes of low rank."""
    n_starts: int
    max_iter: int
    tol: float
    regularization: float
    key: int
    variance: float
    """Mean variance of a feature."""

    @classmethod
    def checked(
        cls,
        samples: Samples,
        covariance: Covariance,
        rank: int | None,
        n_starts: int,
        max_iter: int,
        tol: float,
        regularization: float,
        key: int,
    ) -> Problem:
        """Take the options of users, and keep the table where it fits."""
        if covariance not in get_args(Covariance):
            raise ParameterError(
                f"covariance is {covariance!r}; expected one of {', '.join(get_args(Covariance))}"
            )
        f = samples.layout.n_features
        if covariance == "low_rank":
            rank = min(RANK, f - 1) if rank is None else rank
            rank = whole_number(rank, 1, f - 1, "rank", f"{f} features")
        elif rank is not None:
            raise ParameterError(
                f"rank is {rank!r} with covariance={covariance!r}; "
                "expected none, or covariance='low_rank'"
            )
        n_starts = whole_number(n_starts, 1, 10_000, "n_starts", "starts")
        max_iter = whole_number(max_iter, 1, 10**9, "max_iter", "passes")
        tol, regularization = (
            not_negative(tol, "tol"),
            not_negative(regularization, "regularization"),
        )
        if regularization == 0:
            raise ParameterError(
                "regularization is 0; expected more, or a class of equal samples has no density"
            )
        table = kept_if_it_fits(samples, max_iter + 2)
        variance = _norms(table)[2]
        if variance == 0:
            raise DataError("all samples are the same; expected some variance")
        return cls(
            samples=table,
            covariance=covariance,
            rank=rank or 0,
            n_starts=n_starts,
            max_iter=max_iter,
            tol=tol,
            regularization=regularization,
            key=key,
            variance=variance,
        )

    def best(self, n_clusters: int) -> ops.Fitted:
        """Start from k-means, as often as asked for, and keep the largest likelihood."""
        found = []
        for i in range(self.n_starts):
            key = (self.key + i) % 2**63
            model = kmeans(self.samples, n_clusters, n_starts=1, max_iter=KMEANS_STEPS, rng=key)
            found.append(self.solve(*self.given(model, n_clusters)))
        return max(found, key=lambda f: f.log_likelihood)

    def given(
        self, init: Unmixing | Array, n_clusters: int
    ) -> tuple[HostArray, Callable[[Array], Array]]:
        """Return means, and the function from rows to posteriors (k, n) of a start."""
        centers = _given(init, self.samples, n_clusters)
        if isinstance(init, Mixture):
            return to_host(centers), lambda rows: init.rows(rows).T
        rows_of = namespace_of(centers).astype(centers, self.samples.dtype)

        def nearest(rows: Array) -> Array:
            xp = namespace_of(rows)
            labels, _ = ops.nearest(rows, rows_of[None, ...], xp.mean(rows_of, axis=0))
            numbers = xp.arange(n_clusters, dtype=labels.dtype, device=device_of(labels))
            return xp.astype(labels[:, 0] == numbers[:, None], xp.float64)

        return to_host(centers), nearest

    def solve(self, means: HostArray, belong: Callable[[Array], Array]) -> ops.Fitted:
        """Fit classes to the posteriors of a start, and go on from there."""
        # BLAS threads that were woken for the small matrices would spin into the next pass
        with single_threaded(self.samples):
            return ops.expectation_maximization(
                self.sums,
                self._start(means, belong),
                self.regularization * self.variance,
                self.samples.layout.n_samples,
                max_iter=self.max_iter,
                tolerance=self.tol,
            )

    def sums(self, ready: Any, belong: Callable[[Array], Array] | None = None) -> Any:
        """Pass over the samples: sums on the host, under posteriors of these densities or given."""

        def update(tile: Tile, _: None, ready: Any) -> Any:
            return ready.sums(tile.rows, None if belong is None else belong(tile.rows))

        moved = ops.brought_to(ready, self.samples.source.like)
        total, _ = fold(
            self.samples,
            update,
            ops.merge_mixture,
            state=(moved,),
            width=ready.width,
            label="GMM",
        )
        return type(total)(*map(to_host, total))

    def _start(self, means: HostArray, belong: Callable[[Array], Array]) -> ops.Gaussians:
        added = self.regularization * self.variance
        classes = self._unit(means)
        if self.covariance != "low_rank":
            ready = ops.densities(classes)
            return ops.updated(classes, ready, self.sums(ready, belong), added)
        ready = ops.subspaces(classes)
        classes = ops.turned_subspaces(classes, ready, self.sums(ready, belong))
        ready = ops.subspaces(classes)
        return ops.first_subspaces(classes, ready, self.sums(ready, belong), added)

    def _unit(self, means: HostArray) -> ops.Gaussians:
        """Classes that differ in their means alone."""
        k, f = means.shape
        shapes = {"full": (k, f), "tied": (1, f), "diag": (k, f)}
        spread = np.full(shapes.get(self.covariance, (k, 1)), self.variance)
        if self.covariance in ("full", "tied"):
            spread = spread[:, :, None] * np.eye(f)
        directions = None
        if self.covariance == "low_rank":
            drawn = generator(self.key, 1).standard_normal((self.rank, f))
            directions = np.broadcast_to(drawn, (k, self.rank, f))
        return ops.Gaussians(np.full(k, 1 / k), means, spread, directions)

    def model(self, found: ops.Fitted, samples: Samples, init: Any, clock: Clock) -> Mixture:
        """Return the result: classes by falling weight, and where the samples belong."""
        parts = self._parts(found.gaussians)
        read = read_mixture(self.samples, ops.densities(classes_of(samples.layout, **parts)))
        parameters = {
            "n_clusters": parts["weights"].shape[0],
            "covariance": self.covariance,
            "rank": self.rank or None,
            "init": init,
            "n_starts": self.n_starts,
            "max_iter": self.max_iter,
            "tol": self.tol,
            "regularization": self.regularization,
            "rng": self.key,
        }
        return Mixture(
            **parts,
            **read,
            layout=samples.layout,
            record=samples.record.then("gmm", parameters, **clock.facts(read["maps"])),
            covariance=self.covariance,
            n_iter=found.n_iter,
            converged=found.converged,
        )

    def _parts(self, gaussians: ops.Gaussians) -> dict[str, Any]:
        """Fields of a mixture: classes by falling weight, in the namespace of the data."""
        like, layout = self.samples.source.like, self.samples.layout
        order = np.argsort(-gaussians.weights, kind="stable")
        k = len(order)

        def entries(rows: HostArray) -> Array:
            return layout.unpack(from_host(rows, like, self.samples.dtype))

        covariances, directions = gaussians.covariances, None
        if gaussians.directions is not None:
            flat = ops.fix_signs(gaussians.directions[order].reshape(k * self.rank, -1))
            directions = namespace_of(like).reshape(
                entries(flat), (k, self.rank, *layout.descriptor_shape)
            )
        return {
            "weights": from_host(gaussians.weights[order], like),
            "components": entries(gaussians.means[order]),
            "covariances": from_host(
                covariances[order] if len(covariances) == k else covariances, like
            ),
            "directions": directions,
        }
