"""Endmembers among the samples, found one by one: VCA and ATGP."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .. import ops
from .._arrays import from_host, generator, namespace_of, rng_key, to_host
from .._door import as_table
from .._endmembers import Endmembers
from .._fold import fold
from .._nearest import nearest_samples
from .._record import Clock
from .._results import PrincipalComponents
from .._samples import Samples
from .._typing import RNG, Array, HostArray
from ._common import whole_number
from ._vertices import (
    endmember_count,
    farthest_from,
    host_rows,
    means,
    mixed_of,
    require_orthonormal,
    search_over,
    subspace,
)
from .abundances import abundances
from .pca import pca as fit_pca

STREAM = 2
"""Stream of the random directions."""


def vca(
    samples: Samples | Array,
    n_endmembers: int,
    *,
    average: int = 1,
    pca: PrincipalComponents | None = None,
    raw: bool = False,
    rng: RNG = 0,
) -> Endmembers:
    """Find endmembers one by one: the extreme sample along a random direction orthogonal to all.

    Parameters
    ----------
    samples : Samples or array
        Described samples, or a table (sample, feature).
    n_endmembers : int
        Number of endmembers, at least 2.
    average : int
        Take the mean of this many samples nearest to each vertex as the endmember.
    pca : PrincipalComponents, optional
        A centred model fitted to these samples, with at least ``n_endmembers - 1`` components;
        saves its passes.
    raw : bool
        Return the samples themselves, noise included, and not their projections on the subspace,
        which are set to zero where they are negative if none of these samples is.
    rng : int or numpy.random.Generator
        Directions (and sketch).

    Returns
    -------
    Endmembers
        In the order of their numbers in the map; as of `nfindr`, without a volume.

    Raises
    ------
    DataError
        If the samples span fewer than ``n_endmembers - 1`` dimensions.
    ParameterError
        If a number is out of range, or ``pca`` has too few components or a noise.
    ShapeError
        If ``pca`` is of other samples.

    Notes
    -----
    Vertex component analysis, Nascimento and Bioucas-Dias, IEEE Trans. Geosci. Remote Sens. 43, 898
    (2005). Above a signal-to-noise ratio of ``15 + 10 log10(n_endmembers)`` dB, as estimated from
    the power inside and outside of the subspace, samples are divided by their product with the mean
    on ``n_endmembers`` components about zero, which takes off their brightness. Below it they are
    taken on ``n_endmembers - 1`` centred components.

    Examples
    --------
    >>> import numpy as np
    >>> import unmix as um
    >>> mixtures = um.synthetic.simplex_mixtures(500, 3, rng=1)
    >>> model = um.vca(mixtures.samples, 3)
    >>> bool(np.all(model.indices == np.sort(mixtures.pure_indices)))
    True
    """
    clock, key = Clock(), rng_key(rng)
    samples = as_table(samples)
    n, f = samples.layout.n_samples, samples.layout.n_features
    n_endmembers = endmember_count(samples, n_endmembers)
    average = whole_number(average, 1, n, "average", f"{n} samples")
    model = fit_pca(samples, min(n_endmembers, f, n - 1), rng=key) if pca is None else pca
    centred = subspace(model, samples, n_endmembers)
    require_orthonormal(model)
    ratio = _signal_to_noise(model, n_endmembers, samples)
    projective = ratio > 15 + 10 * np.log10(n_endmembers) and n_endmembers <= f
    model = fit_pca(samples, n_endmembers, center=False, rng=key) if projective else centred
    numbers = _extremes(model.scores, n_endmembers, projective, key)
    fitted = mixed_of(samples, model, numbers, average=average, raw=raw)
    parameters = {
        "n_endmembers": n_endmembers,
        "average": average,
        "pca": pca,
        "raw": raw,
        "rng": key,
    }
    return replace(
        fitted, record=samples.record.then("vca", parameters, **clock.facts(fitted.maps))
    )


def _signal_to_noise(model: PrincipalComponents, n_endmembers: int, samples: Samples) -> float:
    """Estimate the signal-to-noise ratio from the variance that the components leave."""
    variance = to_host(model.explained_variance).astype(float)
    ratio = to_host(model.explained_variance_ratio).astype(float)
    offset = float(np.sum(host_rows(model)[1] ** 2))
    total = offset + float(np.sum(variance) / np.sum(ratio))
    inside = offset + float(np.sum(variance[:n_endmembers]))
    return ops.signal_to_noise(total, inside, n_endmembers / samples.layout.n_features)


def _extremes(scores: Samples, n_endmembers: int, projective: bool, key: int) -> HostArray:
    """Numbers of the samples that VCA finds, ascending."""
    draws = generator(key, STREAM).standard_normal((n_endmembers, n_endmembers))
    zeros = np.zeros(1)
    if projective:
        seen, _ = fold(scores, lambda t, _: ops.column_statistics(t.rows), ops.merge_statistics)
        mean = to_host(seen[1])[0, :] / to_host(seen[0])[0, :]

        def prepare(rows: Array) -> Array:
            xp = namespace_of(rows)
            along = xp.matmul(rows, from_host(mean, rows, rows.dtype))
            return rows / along[:, None]

        whole = search_over(scores, prepare)
        found = ops.vca(lambda form: whole(form, zeros), n_endmembers, draws)
        return np.sort(found.number)
    # a constant last coordinate, as large as the largest norm, carries the affine part
    constant = float(np.linalg.norm(farthest_from(scores, np.empty((0, n_endmembers - 1)))[1]))
    search = search_over(scores)

    def lifted(form: HostArray) -> ops.Found:
        seen = search(form[:, :-1], form[:, -1] * constant)
        return seen._replace(point=np.append(seen.point, [[constant]], axis=1))

    return np.sort(ops.vca(lifted, n_endmembers, draws).number)


def atgp(samples: Samples | Array, n_endmembers: int, *, average: int = 1) -> Endmembers:
    """Find endmembers one by one: the sample farthest from the span of all found before.

    Parameters
    ----------
    samples : Samples or array
        Described samples, or a table (sample, feature).
    n_endmembers : int
        Number of endmembers, at least 2.
    average : int
        Take the mean of this many samples nearest to each target as the endmember.

    Returns
    -------
    Endmembers
        The samples themselves, in the order in which they were found: the first is the one of the
        largest norm. Abundances are fractions.

    Raises
    ------
    DataError
        If the endmembers depend on one another.
    ParameterError
        If a number is out of range.

    Notes
    -----
    Automatic target generation process, Ren and Chang, IEEE Trans. Aerosp. Electron. Syst. 39, 1232
    (2003). It works on all features, noise included, in one pass for each endmember, and nothing is
    random.

    Examples
    --------
    >>> import numpy as np
    >>> import unmix as um
    >>> um.atgp(np.asarray([[1.0, 0.0], [0.5, 0.5], [0.0, 2.0]]), 2).indices
    array([2, 0])
    """
    clock = Clock()
    samples = as_table(samples)
    n = samples.layout.n_samples
    n_endmembers = endmember_count(samples, n_endmembers)
    average = whole_number(average, 1, n, "average", f"{n} samples")
    numbers, rows = _targets(samples, n_endmembers)
    groups, _ = nearest_samples(samples, rows, average)
    fitted = abundances(samples, samples.layout.unpack(means(samples, groups)))
    parameters = {"n_endmembers": n_endmembers, "average": average}
    return replace(
        fitted,
        record=samples.record.then("atgp", parameters, **clock.facts(fitted.maps)),
        indices=numbers,
        positions=samples.layout.positions(numbers),
    )


def _targets(samples: Samples, n_endmembers: int) -> tuple[HostArray, HostArray]:
    """Numbers and rows of the targets."""
    numbers: list[int] = []
    rows = np.empty((0, samples.layout.n_features))
    for _ in range(n_endmembers):
        basis = np.linalg.svd(rows, full_matrices=False)[2]
        number, row = farthest_from(samples, basis)
        numbers.append(number)
        rows = np.concatenate([rows, row[None]])
    return np.asarray(numbers), rows
