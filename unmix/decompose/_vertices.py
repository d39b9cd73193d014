"""What all methods share that find endmembers among the samples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from .. import ops
from .._arrays import namespace_of, to_host
from .._endmembers import Endmembers
from .._errors import DataError, ParameterError, ShapeError
from .._fold import fold, map_rows
from .._nearest import nearest_samples
from .._record import Record
from .._results import PrincipalComponents
from .._samples import Samples
from .._tiles import Tile
from .._typing import Array, HostArray
from .._unmixing import maps_of
from ._common import whole_number
from .abundances import abundances

MOST_ENDMEMBERS = 62
"""A support of endmembers is kept as the bits of one integer."""

ROUNDING = 16
"""Spreads under this many units in the last place of the largest values are none."""


def endmember_count(samples: Samples, n_endmembers: Any) -> int:
    """Return the number of endmembers, or say what it should have been."""
    n, f = samples.layout.n_samples, samples.layout.n_features
    limits = f"{n} samples with {f} features, and {MOST_ENDMEMBERS} have abundances"
    return whole_number(n_endmembers, 2, min(n, f + 1, MOST_ENDMEMBERS), "n_endmembers", limits)


def subspace(
    model: PrincipalComponents, samples: Samples, n_endmembers: int
) -> PrincipalComponents:
    """Return the model of the first ``n_endmembers - 1`` components, if the samples fill them."""
    d = n_endmembers - 1
    require_same_samples(model, samples, d)
    spanned = dimensions(model, d)
    if spanned < d:
        raise DataError(
            f"the samples span {spanned} dimensions; expected {d}: ask for {d - spanned} fewer, or "
            "look for constant or repeated samples"
        )
    each = ("maps", "components", "explained_variance", "explained_variance_ratio")
    first = {name: getattr(model, name)[:d, ...] for name in (*each, "singular_values")}
    return replace(model, **first)


def require_same_samples(model: PrincipalComponents, samples: Samples, d: int) -> None:
    """Raise unless a centred model of these samples has at least ``d`` components."""
    if not isinstance(model, PrincipalComponents):
        raise ParameterError(f"pca is {model!r}; expected what unmix.pca returns")
    mine, theirs = model.layout, samples.layout
    everywhere = (slice(None),) * len(theirs.map_axes)
    if mine.map_shape != theirs.map_shape or not np.array_equal(
        mine.numbers(everywhere), theirs.numbers(everywhere)
    ):
        raise ShapeError(
            f"pca is of {mine.n_samples} samples of a map {mine.map_shape}; expected a model of "
            f"these {theirs.n_samples} of {theirs.map_shape}: fit it to them, with the same mask"
        )
    mine.require_same_descriptor(theirs)
    if not Record(model.record.steps[:-1]).same_samples(samples.record):
        raise ShapeError(
            "pca was fitted to other data than these samples, or to another description; expected "
            "a model of the same: fit it to them, or leave it out"
        )
    if model.mean is None or len(model) < d:
        centred = "" if model.mean is not None else ", fitted without centring"
        raise ParameterError(
            f"pca has {len(model)} components{centred}; expected a centred model with at least {d}"
        )


def dimensions(model: PrincipalComponents, most: int) -> int:
    """Count those of the first ``most`` components along which the samples spread."""
    spread = _spread(model.scores)[:most]
    offset = float(np.linalg.norm(np.nan_to_num(to_host(model.mean))))
    eps = np.finfo(to_host(model.maps[:0, ...]).dtype).eps
    return int(np.sum(spread > ROUNDING * eps * (offset + spread[0])))


def require_orthonormal(model: PrincipalComponents) -> None:
    """Raise if the components are orthonormal only once they are scaled."""
    if model.scale is not None:
        raise ParameterError(
            "pca was fitted with noise='poisson', and variances of scaled counts say nothing of "
            "the noise of these samples; fit it without, or leave pca out"
        )


def _spread(scores: Samples) -> HostArray:
    """Standard deviation of each score: that of eigenvalues ends at the root of their rounding."""

    def update(tile: Tile, _: None) -> Array:
        rows = namespace_of(tile.rows).astype(tile.rows, float64)
        return rows.T @ rows  # scores have no mean

    float64 = scores.xp.float64
    squares, _ = fold(scores, update, lambda a, b: a + b)
    return np.asarray(np.sqrt(np.diag(to_host(squares)) / scores.layout.n_samples))


def search_over(
    scores: Samples, prepare: Callable[[Array], Array] | None = None
) -> Callable[[HostArray, HostArray], ops.Found]:
    """Search all tiles for the best sample of each linear form; ties go to the lowest number."""

    def update(tile: Tile, _: None, forms: HostArray, offsets: HostArray) -> ops.Found:
        rows = tile.rows if prepare is None else prepare(tile.rows)
        values, at = ops.largest_forms(rows, forms, offsets)
        points = to_host(namespace_of(values).take(rows, at, axis=0)).astype(float)
        return ops.Found(to_host(values).astype(float), tile.numbers_at(to_host(at)), points)

    def search(forms: HostArray, offsets: HostArray) -> ops.Found:
        found, _ = fold(scores, update, ops.merge_found, state=(forms, offsets), label="simplex")
        result: ops.Found = found
        return result

    return search


def farthest_from(samples: Samples, basis: HostArray) -> tuple[int, HostArray]:
    """Find the sample farthest from the span of orthonormal rows: its number and its row."""

    def update(tile: Tile, _: None, basis: HostArray) -> tuple[float, int, HostArray]:
        squared, at = ops.farthest_from_span(tile.rows, basis)
        number = int(tile.numbers_at(np.asarray([at]))[0])
        return -squared, number, to_host(tile.rows[at, :]).astype(float)

    (_, number, row), _ = fold(
        samples,
        update,
        lambda a, b: min(a, b, key=lambda part: part[:2]),
        state=(basis,),
        label="farthest",
    )
    return number, row


def mixed_of(
    samples: Samples,
    model: PrincipalComponents,
    numbers: HostArray,
    *,
    average: int,
    raw: bool,
) -> Endmembers:
    """Explain the samples by those of some numbers, or by means of the ones nearest to each.

    ``raw`` takes the samples themselves, and not their projections on the subspace of ``model``,
    which are not negative if these samples are not. The record is left to the caller.
    """
    groups = numbers[:, None]  # the nearest sample to a vertex is the vertex
    if average > 1:
        groups, _ = nearest_samples(model.scores, model.scores.rows(numbers), average)
    if raw:
        packed = means(samples, groups)
    else:
        corners = means(model.scores, groups)
        packed = _spectra(model, corners)
    below = not raw and _below_samples(packed, samples, groups)
    if below:  # never farther from spectra that are not negative, but outside of the subspace
        packed = samples.xp.clip(packed, 0, None)
    if raw or below:
        fitted = abundances(samples, samples.layout.unpack(packed))
    else:
        fitted = _projected(model, corners, packed)
    return replace(
        fitted,
        layout=samples.layout,
        indices=numbers,
        positions=samples.layout.positions(numbers),
    )


def host_rows(model: PrincipalComponents) -> tuple[HostArray, HostArray]:
    """Return the components (d, n_features) and the mean (n_features,) of a model, in float64."""
    basis = to_host(model.packed(model.components)).astype(float)
    if model.mean is None:
        return basis, np.zeros(basis.shape[1])
    return basis, to_host(model.packed(model.mean[None, ...]))[0].astype(float)


def _spectra(model: PrincipalComponents, corners: Array) -> Array:
    """Packed spectra (k, n_features) of scores (k, d)."""
    packed = namespace_of(corners).matmul(corners, model.packed(model.components))
    return packed if model.mean is None else packed + model.packed(model.mean[None, ...])


def _below_samples(packed: Array, samples: Samples, groups: HostArray) -> bool:
    """Whether spectra are negative somewhere, and the samples that they stand for nowhere."""
    xp = samples.xp
    return bool(xp.any(packed < 0)) and not bool(xp.any(samples.rows(groups.ravel()) < 0))


def _projected(model: PrincipalComponents, corners: Array, packed: Array) -> Endmembers:
    """Endmembers inside the subspace, from their scores (k, k - 1) and spectra.

    What a sample has outside of it is orthogonal to all differences between mixtures, so that the
    abundances of its scores are exactly those of the sample.
    """
    scores = model.scores
    n = scores.layout.n_samples
    problem = ops.mixing(corners, scores.dtype, "sum_to_one", n)
    rows = map_rows(scores, lambda r: ops.mixed(r, problem), corners.shape[0], label="abundances")
    return Endmembers(
        maps=maps_of(rows),
        components=model.layout.unpack(packed),
        layout=model.layout,
        record=model.record,
    )


def means(samples: Samples, groups: HostArray) -> Array:
    """Mean row of each group of samples, (k, n_features)."""
    xp = samples.xp
    return xp.stack([xp.mean(samples.rows(g), axis=0) for g in groups])
