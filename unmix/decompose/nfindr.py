"""N-FINDR: endmembers among the samples, and their abundances."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from .. import ops
from .._arrays import namespace_of, rng_key, to_host
from .._door import as_table
from .._errors import DataError, ParameterError, ShapeError
from .._fold import all_numbers, fold, map_rows
from .._nearest import nearest_samples
from .._record import Clock, Record
from .._results import Endmembers, PrincipalComponents, maps_of
from .._samples import Samples
from .._tiles import Tile
from .._typing import RNG, Array, HostArray
from ._common import whole_number
from .abundances import abundances
from .pca import pca as fit_pca

MOST_ENDMEMBERS = 62
"""A support of endmembers is kept as the bits of one integer."""

ROUNDING = 16
"""Spreads under this many units in the last place of the largest values are none."""


def nfindr(
    samples: Samples | Array,
    n_endmembers: int,
    *,
    n_starts: int = 10,
    average: int = 1,
    pca: PrincipalComponents | None = None,
    raw: bool = False,
    rng: RNG = 0,
) -> Endmembers:
    """Find the samples that span the simplex of largest volume: the purest ones.

    Parameters
    ----------
    samples : Samples or array
        Described samples, or a table (sample, feature).
    n_endmembers : int
        Number of endmembers, at least 2. The samples are projected on their first
        ``n_endmembers - 1`` principal components, where the simplex has a volume.
    n_starts : int
        Random starts beside the deterministic one (ATGP); the largest volume is kept.
    average : int
        Take the mean of this many samples nearest to each vertex as the endmember: single noisy
        samples bias the maps.
    pca : PrincipalComponents, optional
        A model fitted to these samples, with at least ``n_endmembers - 1`` components; saves its
        passes.
    raw : bool
        Return the samples themselves, noise included, and not their projections on the subspace.
    rng : int or numpy.random.Generator
        Random starts (and sketch).

    Returns
    -------
    Endmembers
        In the order of their numbers in the map. ``endmembers`` and ``abundances`` (fractions) are
        in the namespace, on the device and in the computing type of the data; ``indices``,
        ``positions`` (in the axes' units), ``volume`` and ``volume_history`` on the host.

    Raises
    ------
    DataError
        If the samples span fewer than ``n_endmembers - 1`` dimensions.
    ParameterError
        If a number is out of range, or ``pca`` has too few components.
    ShapeError
        If ``pca`` is of other samples.

    Notes
    -----
    Winter, Proc. SPIE 3753, 266 (1999). Exchanging a vertex for a sample multiplies the volume by
    one of the sample's barycentric coordinates, so that one sweep over all samples is a matrix
    product.

    Examples
    --------
    >>> import numpy as np
    >>> import unmix as um
    >>> mixtures = um.synthetic.simplex_mixtures(500, 3, rng=1)
    >>> model = um.nfindr(mixtures.samples, 3)
    >>> bool(np.all(model.indices == np.sort(mixtures.pure_indices)))
    True
    """
    clock, key = Clock(), rng_key(rng)
    samples = as_table(samples)
    n = samples.layout.n_samples
    f = samples.layout.n_features
    limits = f"{n} samples with {f} features, and {MOST_ENDMEMBERS} have abundances"
    most = min(n, f + 1, MOST_ENDMEMBERS)
    n_endmembers = whole_number(n_endmembers, 2, most, "n_endmembers", limits)
    n_starts = whole_number(n_starts, 0, 10_000, "n_starts", "random starts")
    average = whole_number(average, 1, n, "average", f"{n} samples")
    model = fit_pca(samples, n_endmembers - 1, rng=key) if pca is None else pca
    model = _subspace(model, samples, n_endmembers)
    found = find_simplex(model.scores, n_endmembers, n_starts, key)
    groups, _ = nearest_samples(model.scores, found.points, average)
    parameters = {
        "n_endmembers": n_endmembers,
        "n_starts": n_starts,
        "average": average,
        "pca": pca,
        "raw": raw,
        "rng": key,
    }
    if raw:
        fitted = abundances(samples, samples.layout.unpack(_means(samples, groups)))
    else:
        fitted = _projected(model, _means(model.scores, groups))
    return replace(
        fitted,
        layout=samples.layout,
        record=samples.record.then("nfindr", parameters, **clock.facts(fitted.maps)),
        indices=found.numbers,
        positions=samples.layout.positions(found.numbers),
        volume=found.volume,
        volume_history=found.history,
    )


def _subspace(
    model: PrincipalComponents, samples: Samples, n_endmembers: int
) -> PrincipalComponents:
    """Return the model of the first ``n_endmembers - 1`` components, if the samples fill them."""
    d = n_endmembers - 1
    require_same_samples(model, samples, d)
    spanned = dimensions(model, d)
    if spanned < d:
        raise DataError(
            f"the samples span {spanned} dimensions, and {n_endmembers} endmembers need {d}; "
            f"ask for at most {spanned + 1} endmembers, or look for constant or repeated samples"
        )
    return replace(model, maps=model.maps[:d, ...], components=model.components[:d, ...])


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


def _spread(scores: Samples) -> HostArray:
    """Standard deviation of each score: that of eigenvalues ends at the root of their rounding."""
    seen, _ = fold(scores, lambda t, _: ops.column_statistics(t.rows), ops.merge_statistics)
    n, total, squares = (to_host(s)[0, :] for s in seen[:3])
    return np.asarray(np.sqrt(np.clip(squares / n - (total / n) ** 2, 0, None)))


def _search(scores: Samples) -> Callable[[HostArray, HostArray], ops.Found]:
    """Search all tiles for the best sample of each linear form; ties go to the lowest number."""

    def update(tile: Tile, _: None, forms: HostArray, offsets: HostArray) -> ops.Found:
        values, at = ops.largest_forms(tile.rows, forms, offsets)
        points = to_host(namespace_of(values).take(tile.rows, at, axis=0)).astype(float)
        return ops.Found(to_host(values).astype(float), tile.numbers[to_host(at)], points)

    def merge(a: ops.Found, b: ops.Found) -> ops.Found:
        later = (b.value > a.value) | ((b.value == a.value) & (b.number < a.number))
        chosen = (
            np.where(later.reshape((-1,) + (1,) * (x.ndim - 1)), y, x)
            for x, y in zip(a, b, strict=True)
        )
        return ops.Found(*chosen)

    def search(forms: HostArray, offsets: HostArray) -> ops.Found:
        found, _ = fold(scores, update, merge, state=(forms, offsets), label="simplex")
        result: ops.Found = found
        return result

    return search


def find_simplex(scores: Samples, n_endmembers: int, n_starts: int, key: int) -> ops.Simplex:
    """Search the scores, which have one coordinate less than there are endmembers."""
    search = _search(scores)
    first, point = _farthest_from_mean(scores)
    start = ops.grow_simplex(search, first, point)
    drawn = ops.random_starts(scores.layout.n_samples, n_endmembers, n_starts, key)
    numbers = all_numbers(scores)[drawn]
    points = to_host(scores.rows(numbers.ravel())).astype(float) if n_starts else np.empty(0)
    points = points.reshape(n_starts, n_endmembers, n_endmembers - 1)
    return ops.largest_simplex(
        search, np.concatenate([start[0][None], numbers]), np.concatenate([start[1][None], points])
    )


def _farthest_from_mean(scores: Samples) -> tuple[int, HostArray]:
    """The sample of the largest score: scores are distances from the mean."""

    def update(tile: Tile, _: None) -> tuple[float, int, HostArray]:
        squared, at = ops.farthest_point(tile.rows, np.zeros(tile.rows.shape[1]))
        return -squared, int(tile.numbers[at]), to_host(tile.rows[at, :]).astype(float)

    (_, number, point), _ = fold(scores, update, lambda a, b: min(a, b, key=lambda part: part[:2]))
    return number, point


def _projected(model: PrincipalComponents, corners: Array) -> Endmembers:
    """Endmembers inside the subspace, from their scores (k, k - 1).

    What a sample has outside of it is orthogonal to all differences between mixtures, so that the
    abundances of its scores are exactly those of the sample.
    """
    scores = model.scores
    xp = namespace_of(corners)
    packed = xp.matmul(corners, model.packed(model.components))
    if model.mean is not None:
        packed = packed + model.packed(model.mean[None, ...])
    rows = map_rows(scores, lambda r: ops.fcls(r, corners), corners.shape[0], label="abundances")
    return Endmembers(
        maps=maps_of(rows),
        components=model.layout.unpack(packed),
        layout=model.layout,
        record=model.record,
    )


def _means(samples: Samples, groups: HostArray) -> Array:
    """Mean row of each group of samples, (k, n_features)."""
    xp = samples.xp
    return xp.stack([xp.mean(samples.rows(g), axis=0) for g in groups])
