"""N-FINDR: endmembers among the samples, and their abundances."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np

from .. import ops
from .._arrays import rng_key, to_host
from .._door import as_table
from .._endmembers import Endmembers
from .._fold import all_numbers
from .._record import Clock
from .._results import PrincipalComponents
from .._samples import Samples
from .._typing import RNG, Array
from ._common import signed_since, whole_number
from ._vertices import endmember_count, farthest_from, mixed_of, search_over, subspace
from .pca import pca as fit_pca


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
        Return the samples themselves, noise included, and not their projections on the subspace,
        which are set to zero where they are negative if none of these samples is.
    rng : int or numpy.random.Generator
        Random starts (and sketch).

    Returns
    -------
    Endmembers
        In the order of their numbers in the map. ``endmembers`` and ``abundances`` (fractions) are
        in the namespace, on the device and in the computing type of the data; ``indices``,
        ``positions`` (in the axes' units), ``volume`` and ``volume_history`` on the host.

    Warns
    -----
    UserWarning
        If values are below zero since a step such as ``normalize("standard")``.

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
    if since := signed_since(samples):
        warnings.warn(
            f"the samples hold values below zero since {since}: abundances are fractions still, "
            "but endmembers are no spectra or counts any more; normalize('unit_sum') or 'minmax' "
            "keep values above zero",
            stacklevel=2,
        )
    n = samples.layout.n_samples
    n_endmembers = endmember_count(samples, n_endmembers)
    n_starts = whole_number(n_starts, 0, 10_000, "n_starts", "random starts")
    average = whole_number(average, 1, n, "average", f"{n} samples")
    model = fit_pca(samples, n_endmembers - 1, rng=key) if pca is None else pca
    model = subspace(model, samples, n_endmembers)
    found = largest_simplex(model.scores, n_endmembers, n_starts, key)
    fitted = mixed_of(samples, model, found.numbers, average=average, raw=raw)
    parameters = {
        "n_endmembers": n_endmembers,
        "n_starts": n_starts,
        "average": average,
        "pca": pca,
        "raw": raw,
        "rng": key,
    }
    return replace(
        fitted,
        record=samples.record.then("nfindr", parameters, **clock.facts(fitted.maps)),
        volume=found.volume,
        volume_history=found.history,
    )


def largest_simplex(scores: Samples, n_endmembers: int, n_starts: int, key: int) -> ops.Simplex:
    """Find the largest simplex of samples in the coordinates of their subspace."""
    search = search_over(scores)
    # scores are distances from the mean
    first, point = farthest_from(scores, np.empty((0, n_endmembers - 1)))
    start = ops.grow_simplex(search, first, point)
    drawn = ops.random_starts(scores.layout.n_samples, n_endmembers, n_starts, key)
    numbers = all_numbers(scores)[drawn]
    points = to_host(scores.rows(numbers.ravel())).astype(float) if n_starts else np.empty(0)
    points = points.reshape(n_starts, n_endmembers, n_endmembers - 1)
    return ops.largest_simplex(
        search, np.concatenate([start[0][None], numbers]), np.concatenate([start[1][None], points])
    )
