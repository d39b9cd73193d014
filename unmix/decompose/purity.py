"""The pixel purity index: endmembers among the samples that are often extreme."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np

from .. import ops
from .._arrays import from_host, generator, rng_key, to_host
from .._door import as_table
from .._endmembers import PixelPurity
from .._fold import fold
from .._record import Clock
from .._results import PrincipalComponents
from .._samples import Samples
from .._tiles import Tile
from .._typing import RNG, Array, HostArray
from ._common import whole_number
from ._vertices import endmember_count, mixed_of, subspace
from .pca import pca as fit_pca

STREAM = 2
"""Stream of the random directions."""


def ppi(
    samples: Samples | Array,
    n_endmembers: int,
    *,
    n_skewers: int = 10_000,
    average: int = 1,
    pca: PrincipalComponents | None = None,
    raw: bool = False,
    rng: RNG = 0,
) -> PixelPurity:
    """Count how often each sample is extreme along random directions: pure ones are often.

    Parameters
    ----------
    samples : Samples or array
        Described samples, or a table (sample, feature).
    n_endmembers : int
        Number of endmembers, at least 2. The samples are projected on their first
        ``n_endmembers - 1`` principal components.
    n_skewers : int
        Random directions; each counts for the two samples at its ends.
    average : int
        Take the mean of this many samples nearest to each vertex as the endmember.
    pca : PrincipalComponents, optional
        A model fitted to these samples, with at least ``n_endmembers - 1`` components; saves its
        passes.
    raw : bool
        Return the samples themselves, noise included, and not their projections on the subspace,
        which are set to zero where they are negative if none of these samples is.
    rng : int or numpy.random.Generator
        Directions (and sketch).

    Returns
    -------
    PixelPurity
        `Endmembers` in the order of their numbers in the map, with the map of ``counts``. The first
        chosen has the largest count, and each next one the largest product of its count and its
        squared distance from the flat through those before, so that they are distinct.

    Raises
    ------
    DataError
        If the samples span fewer than ``n_endmembers - 1`` dimensions, or there were too few
        directions.
    ParameterError
        If a number is out of range, or ``pca`` has too few components.
    ShapeError
        If ``pca`` is of other samples.

    Notes
    -----
    Boardman, Kruse and Green, Summaries 5th JPL Airborne Earth Science Workshop 1, 23 (1995).

    Examples
    --------
    >>> import numpy as np
    >>> import unmix as um
    >>> mixtures = um.synthetic.simplex_mixtures(500, 3, rng=1)
    >>> model = um.ppi(mixtures.samples, 3, n_skewers=500)
    >>> bool(np.all(model.indices == np.sort(mixtures.pure_indices)))
    True
    >>> int(np.sum(model.counts))
    1000
    """
    clock, key = Clock(), rng_key(rng)
    samples = as_table(samples)
    n = samples.layout.n_samples
    n_endmembers = endmember_count(samples, n_endmembers)
    n_skewers = whole_number(n_skewers, 1, 10**9, "n_skewers", "random directions")
    average = whole_number(average, 1, n, "average", f"{n} samples")
    model = fit_pca(samples, n_endmembers - 1, rng=key) if pca is None else pca
    model = subspace(model, samples, n_endmembers)
    numbers, counts = _extreme_counts(model.scores, n_skewers, key)
    points = to_host(model.scores.rows(numbers)).astype(float)
    chosen = np.sort(numbers[ops.purest(points, counts, n_endmembers)])
    fitted = mixed_of(samples, model, chosen, average=average, raw=raw)
    parameters = {
        "n_endmembers": n_endmembers,
        "n_skewers": n_skewers,
        "average": average,
        "pca": pca,
        "raw": raw,
        "rng": key,
    }
    fitted = replace(
        fitted, record=samples.record.then("ppi", parameters, **clock.facts(fitted.maps))
    )
    mapped = np.zeros(samples.layout.map_shape, dtype=np.int32)
    mapped.ravel()[numbers] = counts
    if samples.layout.mask is not None:
        mapped[~samples.layout.mask] = -1
    same = {field.name: getattr(fitted, field.name) for field in fields(fitted)}
    return PixelPurity(**same, counts=from_host(mapped, fitted.maps))


def _extreme_counts(scores: Samples, n_skewers: int, key: int) -> tuple[HostArray, HostArray]:
    """Numbers of all samples that are extreme along some direction, and how often each is."""
    directions = generator(key, STREAM).standard_normal((n_skewers, scores.layout.n_features))
    forms = np.concatenate([directions, -directions])

    def update(tile: Tile, _: None, forms: HostArray) -> ops.Found:
        values, at = (to_host(a) for a in ops.highest_forms(tile.rows, forms))
        return ops.Found(values.astype(float), tile.numbers[at], np.empty((len(at), 0)))

    found, _ = fold(scores, update, ops.merge_found, state=(forms,), label="skewers")
    numbers, counts = np.unique(found.number, return_counts=True)
    return numbers, counts
