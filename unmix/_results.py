"""Kinds of `Unmixing`: principal and independent components, factors, clusters."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np

from . import _edits, ops
from ._arrays import device_of, namespace_of, to_host
from ._executors.threads import default_workers, in_order
from ._fold import map_rows
from ._samples import Samples
from ._typing import Array, HostArray, Slices
from ._unmixing import Unmixing

Loss = Literal["frobenius", "kullback-leibler"]

SOLVERS = {"sum_to_one": ops.fcls, "nonnegative": ops.nnls, "none": ops.ucls}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class PrincipalComponents(Unmixing):
    """Principal components: orthonormal, in the order of the variance that they explain.

    Parameters
    ----------
    maps, components, mean, layout, record
        See `Unmixing`; ``maps`` are the scores.
    explained_variance : array
        Variance along each component, (k,), float64.
    explained_variance_ratio : array
        The same as a fraction of the variance of all features, (k,), float64.
    singular_values : array
        Of the centred table, (k,), float64.
    scale : array, optional
        Shape (*descriptor_shape): what entries were multiplied by before the fit, which made the
        noise of counts alike; None where none were. Samples are ``mean`` plus maps times components
        all the same, in counts. The *scaled* components are the orthonormal ones, maps are
        projections of scaled samples on them, and variances are those of samples that were scaled
        and weighted.
    """

    explained_variance: Array
    explained_variance_ratio: Array
    singular_values: Array
    scale: Array | None = None

    extras: ClassVar[tuple[str, ...]] = (
        "explained_variance",
        "explained_variance_ratio",
        "singular_values",
        "scale",
    )
    along: ClassVar[Mapping[str, int]] = {
        "explained_variance": 0,
        "explained_variance_ratio": 0,
        "singular_values": 0,
    }

    def rows(self, packed: Array) -> Array:
        xp = namespace_of(packed)
        forms = self.packed(self.components)
        if self.scale is not None:
            forms = forms * self.layout.pack(self.scale[None, ...], weighted=False) ** 2
        forms = xp.astype(forms, packed.dtype).T
        scores = xp.matmul(packed, forms)
        if self.mean is None:
            return scores
        mean = xp.astype(self.packed(self.mean[None, ...]), packed.dtype)
        return scores - xp.matmul(mean, forms)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class IndependentComponents(Unmixing):
    """Components whose maps are as far from Gaussian as they can be, the farthest first.

    Parameters
    ----------
    maps, components, mean, layout, record
        See `Unmixing`; maps have mean zero and variance one and do not correlate.
    negentropy : numpy.ndarray
        How far each map is from a Gaussian, (k,).
    stability : numpy.ndarray, optional
        1 for a component that all runs find, near 0 for an accident, (k,); None after one run.
    n_iter : int
        Passes over the scores that were taken.
    converged : bool
        Whether the run that is returned stopped by the tolerance.
    scale : array, optional
        As of `PrincipalComponents`: of those that were rotated.
    """

    negentropy: HostArray
    stability: HostArray | None = None
    n_iter: int
    converged: bool
    scale: Array | None = None

    extras: ClassVar[tuple[str, ...]] = (
        "negentropy",
        "stability",
        "n_iter",
        "converged",
        "scale",
    )
    along: ClassVar[Mapping[str, int]] = {"negentropy": 0, "stability": 0}

    def rows(self, packed: Array) -> Array:
        components = namespace_of(packed).astype(self.packed(self.components), packed.dtype)
        mean = 0.0 if self.mean is None else self.packed(self.mean[None, ...])
        return ops.ucls(*_scaled(self, packed - mean, components))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class NonnegativeFactors(Unmixing):
    """Non-negative maps and components, in the order of the signal that they carry.

    Parameters
    ----------
    maps, components, mean, layout, record
        See `Unmixing`. There is no mean.
    loss : {"frobenius", "kullback-leibler"}
        What was made small.
    simplex : bool
        Whether the maps sum to one.
    divergence : float
        Squared error, or divergence, of all samples over the full descriptor.
    n_iter : int
        Passes that were taken.
    scale : array, optional
        Shape (*descriptor_shape): what entries were multiplied by before the fit, which made the
        noise of counts alike; None where none were. Maps and components are in counts all the same.
    """

    loss: Loss
    simplex: bool
    divergence: float
    n_iter: int
    scale: Array | None = None

    extras: ClassVar[tuple[str, ...]] = ("loss", "simplex", "divergence", "n_iter", "scale")
    together: ClassVar[Mapping[str, Any]] = {"divergence": float("nan")}
    merges: ClassVar[bool] = True

    def rows(self, packed: Array) -> Array:
        components = namespace_of(packed).astype(self.packed(self.components), packed.dtype)
        if self.loss == "kullback-leibler":
            return ops.kullback_leibler_maps(
                packed, components, self.layout.weights(packed), self.simplex
            )
        packed, components = _scaled(self, packed, components)
        return SOLVERS["sum_to_one" if self.simplex else "nonnegative"](packed, components)

    def _read(self, samples: Samples) -> dict[str, Any]:
        # the loss of these samples would take a second pass
        return {**Unmixing._read(self, samples), "divergence": float("nan")}


def _scaled(model: IndependentComponents | NonnegativeFactors, *rows: Array) -> tuple[Array, ...]:
    """Multiply rows by the scale that made the noise of counts alike, if there was one."""
    if model.scale is None:
        return rows
    scale = model.layout.pack(model.scale[None, ...], weighted=False)
    return tuple(r * namespace_of(r).astype(scale, r.dtype) for r in rows)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Clusters(Unmixing):
    """Cluster centres and the label of each sample, the largest cluster first.

    Parameters
    ----------
    maps, components, mean, layout, record
        See `Unmixing`; ``maps`` are one where the label is that of the map and zero elsewhere, and
        ``components`` are also called ``centers``.
    labels : array
        Number of the nearest centre, shape of the map, int32; -1 at samples that were left out.
    inertia : float
        Sum of squared distances to the nearest centre.
    n_iter : int
        Steps that were taken.
    """

    labels: Array
    inertia: float
    n_iter: int

    extras: ClassVar[tuple[str, ...]] = ("labels", "inertia", "n_iter")
    per_sample: ClassVar[tuple[str, ...]] = ("maps", "labels")
    together: ClassVar[Mapping[str, Any]] = {"inertia": float("nan")}
    merges: ClassVar[bool] = True
    noun: ClassVar[str] = "Cluster"

    @property
    def centers(self) -> Array:
        """The components."""
        return self.components

    def rows(self, packed: Array) -> Array:
        xp = namespace_of(packed)
        centers = xp.astype(self.packed(self.components), packed.dtype)
        labels, _ = ops.nearest(packed, centers[None, ...], xp.mean(centers, axis=0))
        return labels

    def _renumbered(self, numbers: Sequence[int]) -> dict[str, Any]:
        """Return the fields that change when cluster i becomes ``numbers[i]``; -1 is left out."""
        labels = _edits.relabelled(self.labels, numbers)
        layout = self.layout
        if -1 in numbers:
            layout = replace(layout, mask=np.asarray(to_host(labels) >= 0))
        maps = one_hot(labels, max(numbers) + 1, self.maps.dtype)
        return {"labels": labels, "maps": maps, "layout": layout}

    def _read(self, samples: Samples) -> dict[str, Any]:
        dtype = namespace_of(self.labels).int32
        alone = replace(self, maps=self.maps[:, :0, ...], labels=self.labels[:0, ...])
        rows = map_rows(samples, alone.rows, 1, dtype=dtype, fill=-1, label="labels")
        labels = rows[..., 0]
        return {
            "labels": labels,
            "maps": one_hot(labels, len(self), self.maps.dtype),
            "inertia": float("nan"),
        }


def one_hot(labels: Array, n: int, dtype: Any) -> Array:
    """Turn labels (*map_shape) into maps (n, *map_shape); NaN where the label is -1."""
    xp = namespace_of(labels)
    maps = xp.empty((n, *labels.shape), dtype=dtype, device=device_of(labels))
    left_out = labels < 0 if xp.any(labels < 0) else None

    def fill(one: Slices) -> None:
        j = one[0].start
        members = xp.astype(labels == j, dtype)
        maps[j, ...] = members if left_out is None else xp.where(left_out, xp.nan, members)

    plan: list[Slices] = [(slice(j, j + 1),) for j in range(n)]
    # new memory takes longer than what is written to it: side by side
    deque(in_order(fill, plan, default_workers(xp)), maxlen=0)
    return maps
