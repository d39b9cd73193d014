"""Gaussian classes, and where samples belong: what a mixture is, read and projected."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from . import _edits, ops
from ._arrays import from_host, namespace_of, to_host
from ._fold import fold
from ._samples import Samples
from ._sources import empty_like
from ._tiles import Tile
from ._typing import Array, HostArray
from ._unmixing import Unmixing, maps_of
from .layout import Layout

Covariance = Literal["full", "tied", "diag", "spherical", "low_rank"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Mixture(Unmixing):
    """Gaussian classes and the posterior of each sample, the largest class first.

    Parameters
    ----------
    maps, components, mean, layout, record
        See `Unmixing`; ``maps`` are the posteriors, which sum to one, and ``components`` the means
        of the classes. There is no mean beside them.
    labels : array
        Most probable class, shape of the map, int32; -1 at samples that were left out.
    weights : array
        Share of each class, (k,), float64.
    covariance : {"full", "tied", "diag", "spherical", "low_rank"}
        Which form covariances have.
    covariances : array
        Of the features as decompositions see them: half planes stored once, with weights. Float64:
        (k, f, f); (1, f, f) for ``"tied"``; variances (k, f) for ``"diag"``; one variance for all
        features, (k, 1), for ``"spherical"``; for ``"low_rank"`` the same of what is left beside
        the directions.
    directions : array, optional
        For ``"low_rank"``: how each class varies, (k, rank, *descriptor_shape), orthogonal, the
        largest first, as long as the standard deviation that they add.
    log_likelihood : float
        Sum over the samples of the logarithm of the density of their features.
    entropy : float
        Sum of the entropies of the posteriors: what is doubtful.
    n_iter : int
        Passes that were taken.
    converged : bool
        Whether the tolerance stopped them.
    """

    labels: Array
    weights: Array
    covariance: Covariance
    covariances: Array
    directions: Array | None = None
    log_likelihood: float
    entropy: float
    n_iter: int
    converged: bool

    extras: ClassVar[tuple[str, ...]] = (
        "labels",
        "weights",
        "covariance",
        "covariances",
        "directions",
        "log_likelihood",
        "entropy",
        "n_iter",
        "converged",
    )
    along: ClassVar[Mapping[str, int]] = {"weights": 0, "directions": 0}
    together: ClassVar[Mapping[str, Any]] = dict.fromkeys(
        ("log_likelihood", "entropy"), float("nan")
    )
    noun: ClassVar[str] = "Cluster"

    def _renumbered(self, numbers: Sequence[int]) -> dict[str, Any]:
        """Return the fields that change when class i becomes ``numbers[i]``; -1 is left out."""
        changed: dict[str, Any] = {"labels": _edits.relabelled(self.labels, numbers)}
        if self.covariance != "tied":  # which all classes share
            old = sorted((n, i) for i, n in enumerate(numbers) if n >= 0)
            places = from_host([i for _, i in old], self.covariances)
            changed["covariances"] = namespace_of(places).take(self.covariances, places, axis=0)
        return changed

    @property
    def n_parameters(self) -> int:
        """Number of free parameters."""
        k, f = len(self), self.layout.n_features
        rank = 0 if self.directions is None else int(self.directions.shape[1])
        each = {
            "full": k * f * (f + 1) // 2,
            "tied": f * (f + 1) // 2,
            "diag": k * f,
            "spherical": k,
            "low_rank": k * (f * rank - rank * (rank - 1) // 2 + 1),
        }
        return k - 1 + k * f + each[self.covariance]

    @property
    def bic(self) -> float:
        """Bayesian information criterion, the smaller the better: Schwarz, Ann. Stat. 6, 461."""
        return self.n_parameters * math.log(self.layout.n_samples) - 2 * self.log_likelihood

    @property
    def icl(self) -> float:
        """BIC plus twice the entropy: Biernacki et al., IEEE PAMI 22, 719 (2000)."""
        return self.bic + 2 * self.entropy

    def rows(self, packed: Array) -> Array:
        return ops.assigned(packed, ops.brought_to(self._densities(), packed)).posteriors

    def _densities(self) -> Any:
        return ops.densities(
            classes_of(
                self.layout, self.weights, self.components, self.covariances, self.directions
            )
        )

    def _read(self, samples: Samples) -> dict[str, Any]:
        return read_mixture(samples, self._densities())


def classes_of(
    layout: Layout, weights: Array, components: Array, covariances: Array, directions: Array | None
) -> ops.Gaussians:
    """Return the fields of a mixture as classes of packed rows, on the host in float64."""

    def packed(entries: Array) -> HostArray:
        return np.asarray(to_host(layout.pack(entries)), dtype=np.float64)

    means, turned = packed(components), None
    if directions is not None:
        flat = namespace_of(directions).reshape(directions, (-1, *layout.descriptor_shape))
        turned = packed(flat).reshape(len(means), -1, means.shape[1])
    return ops.Gaussians(to_host(weights), means, to_host(covariances), turned)


def read_mixture(samples: Samples, densities: Any) -> dict[str, Any]:
    """Return the fields of a mixture that depend on the samples."""
    xp, like = samples.xp, samples.source.like
    k = densities.constants.shape[0]
    out = empty_like(like, (*samples.layout.map_shape, k), float("nan"), samples.dtype)

    def update(tile: Tile, _: Array, ready: Any) -> tuple[tuple[Array, Array], Array]:
        found = ops.assigned(tile.rows, ready)
        return (found.log_likelihood, found.entropy), found.posteriors

    (likelihood, entropy), _ = fold(
        samples,
        update,
        lambda a, b: (a[0] + b[0], a[1] + b[1]),
        state=(ops.brought_to(densities, like),),
        out=out,
        width=densities.width,
        label="posteriors",
    )
    outside = xp.isnan(out[..., 0])
    labels = xp.astype(xp.argmax(xp.where(outside[..., None], 0.0, out), axis=-1), xp.int32)
    return {
        "maps": maps_of(out),
        "labels": xp.where(outside, xp.full_like(labels, -1), labels),
        "log_likelihood": float(likelihood),
        "entropy": float(entropy),
    }
