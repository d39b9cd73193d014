"""`Unmixing`: maps a_i(x) and components w_i(R), frozen, in the namespace of the data."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, Self

import numpy as np

from . import ops
from ._arrays import from_host, namespace_of, to_host
from ._axes import Axis
from ._door import as_table
from ._errors import ShapeError
from ._fold import fold, map_rows
from ._record import Record
from ._samples import Samples
from ._sources import ArraySource, empty_like
from ._tiles import Tile
from ._typing import Array, HostArray
from .layout import Layout

Loss = Literal["frobenius", "kullback-leibler"]
Covariance = Literal["full", "tied", "diag", "spherical", "low_rank"]
Constraint = Literal["sum_to_one", "nonnegative", "none"]

SOLVERS = {"sum_to_one": ops.fcls, "nonnegative": ops.nnls, "none": ops.ucls}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Unmixing:
    """S(x, R) = sum_i a_i(x) w_i(R) + N: maps and components.

    Parameters
    ----------
    maps : array
        a_i(x), shape (k, *map_shape); NaN at samples that were left out.
    components : array
        w_i(R), shape (k, *descriptor_shape); NaN at entries that were left out. Spectra are full
        centred planes, unweighted.
    mean : array, optional
        Shape (*descriptor_shape): what was taken off before; None where nothing was.
    layout : Layout
        Axes of both.
    record : Record
        How it was made.
    """

    maps: Array
    components: Array
    mean: Array | None = None
    layout: Layout
    record: Record

    extras: ClassVar[tuple[str, ...]] = ()
    """Names of a child's own fields, which are saved beside maps and components."""

    def __repr__(self) -> str:
        """Return the kind, the number of components and the axes."""
        names = " x ".join(f"{a.name} {a.size}" for a in self.layout.map_axes)
        entries = " x ".join(f"{a.name} {a.size}" for a in self.layout.descriptor_axes)
        return f"<{type(self).__name__}: {len(self)} maps of {names}, components of {entries}>"

    def __len__(self) -> int:
        """Return the number of components."""
        return int(self.components.shape[0])

    @property
    def scores(self) -> Samples:
        """The maps as samples again: map axes | component."""
        xp = namespace_of(self.maps)
        table = xp.moveaxis(self.maps, 0, -1)
        n = len(self.layout.map_axes)
        axis = Axis.regular("component", len(self), units="")
        return Samples(
            source=ArraySource(table, tuple(range(n + 1)), n),
            layout=self.layout.with_descriptor(axis),
            record=self.record.then("scores", {}),
        )

    def project(self, samples: Samples | Array) -> Self:
        """Describe new samples by these components.

        Parameters
        ----------
        samples : Samples or array
            Described by the same entries of the same axes as those that the model was fitted to; or
            a table (sample, feature), if that was a table.

        Returns
        -------
        Unmixing
            Of the same kind: maps of the new samples, the old components.

        Raises
        ------
        ShapeError
            If the descriptor is another one, or was made in another way (taper, transform ...).
        BackendError
            If the model is of another namespace or device than the samples.
        """
        samples = as_table(samples, least=1)
        self.require_same_description(samples)
        layout = replace(
            self.layout,
            map_axes=samples.layout.map_axes,
            mask=samples.layout.mask,
            windows=samples.layout.windows,
        )
        record = samples.record.then("project", {"model": self})
        return replace(self, layout=layout, record=record, **self._read(samples))

    def require_same_description(self, samples: Samples) -> None:
        """Raise unless the samples' values mean what those of the model's samples meant."""
        self.layout.require_same_descriptor(samples.layout)
        mine, theirs = self.record.description(), samples.record.description()
        if mine != theirs:
            raise ShapeError(
                f"the samples are described by {theirs}, but the model by {mine}; describe both in "
                "the same way"
            )
        namespace_of(self.components, samples.source.like)

    def _read(self, samples: Samples) -> dict[str, Any]:
        """Return the fields that depend on the samples."""
        return {"maps": maps_of(map_rows(samples, self.rows, len(self), label="projecting"))}

    def rows(self, packed: Array) -> Array:
        """Return the values (n, k) of all components for rows as decompositions see them.

        Plain least squares, unless a child knows better.
        """
        components = namespace_of(packed).astype(self.packed(self.components), packed.dtype)
        mean = None if self.mean is None else self.packed(self.mean[None, ...])
        return ops.ucls(packed if mean is None else packed - mean, components)

    def packed(self, entries: Array) -> Array:
        """Return components (k, *descriptor_shape) as rows like those of tiles."""
        return self.layout.pack(entries)


def maps_of(rows: Array) -> Array:
    """Turn (*map_shape, k) into (k, *map_shape)."""
    return namespace_of(rows).moveaxis(rows, -1, 0)


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
    """

    explained_variance: Array
    explained_variance_ratio: Array
    singular_values: Array

    extras: ClassVar[tuple[str, ...]] = (
        "explained_variance",
        "explained_variance_ratio",
        "singular_values",
    )

    def rows(self, packed: Array) -> Array:
        xp = namespace_of(packed)
        components = xp.astype(self.packed(self.components), packed.dtype).T
        scores = xp.matmul(packed, components)
        if self.mean is None:
            return scores
        mean = xp.astype(self.packed(self.mean[None, ...]), packed.dtype)
        return scores - xp.matmul(mean, components)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Endmembers(Unmixing):
    """Endmembers and the abundances of each sample.

    Parameters
    ----------
    maps, components, mean, layout, record
        See `Unmixing`; also called ``abundances`` and ``endmembers``. There is no mean.
    constraint : {"sum_to_one", "nonnegative", "none"}
        What the abundances obey.
    indices : numpy.ndarray, optional
        Number of the sample that each endmember was taken at, in the whole map, (k,).
    positions : numpy.ndarray, optional
        Its coordinates on the map axes, (k, n_map_axes).
    volume : float, optional
        Volume of the simplex in the subspace of the first k - 1 principal components.
    volume_history : numpy.ndarray, optional
        Volume at the start and after each sweep; never falls.
    """

    constraint: Constraint = "sum_to_one"
    indices: HostArray | None = None
    positions: HostArray | None = None
    volume: float | None = None
    volume_history: HostArray | None = None

    extras: ClassVar[tuple[str, ...]] = (
        "constraint",
        "indices",
        "positions",
        "volume",
        "volume_history",
    )

    @property
    def endmembers(self) -> Array:
        """The components."""
        return self.components

    @property
    def abundances(self) -> Array:
        """The maps."""
        return self.maps

    def rows(self, packed: Array) -> Array:
        endmembers = namespace_of(packed).astype(self.packed(self.components), packed.dtype)
        return SOLVERS[self.constraint](packed, endmembers)

    def _read(self, samples: Samples) -> dict[str, Any]:
        # these samples are not the ones that the endmembers were found among
        found = dict.fromkeys(("indices", "positions", "volume", "volume_history"))
        return {**Unmixing._read(self, samples), **found}


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
    """

    negentropy: HostArray
    stability: HostArray | None = None
    n_iter: int
    converged: bool

    extras: ClassVar[tuple[str, ...]] = ("negentropy", "stability", "n_iter", "converged")


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
    """

    loss: Loss
    simplex: bool
    divergence: float
    n_iter: int

    extras: ClassVar[tuple[str, ...]] = ("loss", "simplex", "divergence", "n_iter")

    def rows(self, packed: Array) -> Array:
        components = namespace_of(packed).astype(self.packed(self.components), packed.dtype)
        if self.loss == "kullback-leibler":
            return ops.kullback_leibler_maps(
                packed, components, self.layout.weights(packed), self.simplex
            )
        return SOLVERS["sum_to_one" if self.simplex else "nonnegative"](packed, components)

    def _read(self, samples: Samples) -> dict[str, Any]:
        # the loss of these samples would take a second pass
        return {**Unmixing._read(self, samples), "divergence": float("nan")}


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

    @property
    def centers(self) -> Array:
        """The components."""
        return self.components

    def rows(self, packed: Array) -> Array:
        xp = namespace_of(packed)
        centers = xp.astype(self.packed(self.components), packed.dtype)
        labels, _ = ops.nearest(packed, centers[None, ...], xp.mean(centers, axis=0))
        return labels

    def _read(self, samples: Samples) -> dict[str, Any]:
        dtype = namespace_of(self.labels).int32
        rows = map_rows(samples, self.rows, 1, dtype=dtype, fill=-1, label="labels")
        labels = rows[..., 0]
        return {
            "labels": labels,
            "maps": one_hot(labels, len(self), self.maps.dtype),
            "inertia": float("nan"),
        }


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
        return ops.assigned(packed, ops.moved(self._densities(), packed)).posteriors

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
        state=(ops.moved(densities, like),),
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


def one_hot(labels: Array, n: int, dtype: Any) -> Array:
    """Turn labels (*map_shape) into maps (n, *map_shape); NaN where the label is -1."""
    xp = namespace_of(labels)
    numbers = from_host(np.arange(n).reshape((n,) + (1,) * labels.ndim), labels, labels.dtype)
    maps = xp.astype(labels[None, ...] == numbers, dtype)
    return xp.where(labels[None, ...] < 0, xp.nan, maps)
