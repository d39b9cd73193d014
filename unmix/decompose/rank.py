"""How many components: every rule of the field on the same samples."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from .. import ops
from .._arrays import rng_key, to_host
from .._door import as_table
from .._errors import ShapeError
from .._record import Clock
from .._results import PrincipalComponents
from .._samples import Samples
from .._typing import RNG, Array, HostArray
from ..ops.svd import MAX_BLOCKS
from . import _rank_rules as rules
from ._common import kept_if_it_fits, not_negative, whole_number
from ._rank_facts import Facts, gather_facts
from ._rank_table import RankRule, RankTable
from ._rank_windows import Independent, above_leakage, independent
from ._vertices import MOST_ENDMEMBERS, ROUNDING, require_same_samples
from .nfindr import largest_simplex
from .pca import pca as fit_pca

MOST = 20
"""Components that are looked at unless a number is given."""

FITTED = 512
"""Samples whose abundances are fitted for what simplices leave: many vertices take long."""

STARTS = 3
"""Random starts of each simplex, beside the deterministic one."""

SURE = 4.0
"""Standard deviations by which a map must be more alike its neighbour than noise is."""


def rank(
    samples: Samples | Array,
    most: int | None = None,
    *,
    pca: PrincipalComponents | None = None,
    noise: float | None = None,
    rng: RNG = 0,
) -> RankTable:
    r"""Ask every rule of the field how many components the samples have.

    Every answer is the number of signal components of the *centred* samples, as for `unmix.pca`.
    Mixtures whose abundances sum to one have one endmember more than that.

    Parameters
    ----------
    samples : Samples or array
        Described samples, or a table (sample, feature).
    most : int, optional
        Largest number that is looked at, less than there are features, and than samples by two.
        Default: 20, or as many as there can be. Elbows are read from the first ``most + 1``
        components.
    pca : PrincipalComponents, optional
        A centred model of these samples with at least ``most + 1`` components; saves its passes.
    noise : float, optional
        Standard deviation of the noise of each value, where it is known.
    rng : int or numpy.random.Generator
        Sketch, subsample, tables of noise, held-out blocks and starts.

    Returns
    -------
    RankTable
        Printed, it is a table; `unmix.plot.rank` draws it. On the host, whatever the samples' own
        namespace.

    Warns
    -----
    UserWarning
        If fewer than nine windows do not overlap: all of them are looked at then.

    Raises
    ------
    ParameterError
        If a number is out of range, or ``pca`` has too few components.
    ShapeError
        If the table is too small for any rule, or ``pca`` is of other samples.
    DataError
        If all samples are the same, or hold NaN or infinity.

    Notes
    -----
    ``elbow``: the eigenvalue, on a logarithmic scale, farthest below the line from the first to the
    last. ``gavish_donoho``: singular values above the best hard threshold (IEEE Trans. Inf. Theory
    60, 5040 (2014)), with the noise from their median, or ``gavish_donoho_known`` with ``noise``.
    ``parallel_analysis``: eigenvalues above the 95 % quantile of those of noise with the features'
    variances (Horn, Psychometrika 30, 179 (1965)). ``mdl``: the smallest description length (Wax
    and Kailath, IEEE Trans. ASSP 33, 387 (1985)). ``hysime``: directions with more signal than
    noise, which is what other features do not predict (Bioucas-Dias and Nascimento, IEEE Trans.
    Geosci. Remote Sens. 46, 2435 (2008)). ``cross_validation``: the
    fewest components that predict held-out blocks as well as the best number does, to a standard
    error (Owen and Perry, Ann. Appl. Stat. 3, 564 (2009)). ``nfindr_volume``, ``nfindr_residual``:
    elbows of how far a further vertex lies outside of the simplex, and of what the simplex leaves
    unexplained. ``autocorrelation``: leading components whose maps are more alike at neighbours
    than those of independent noise (Moran, Biometrika 37, 17 (1950)).

    Windows that overlap share pixels, and frequencies that a taper mixes share noise, while all
    rules take samples, and most of them features, to be independent. So rules look at windows side
    by side, and at every third frequency of their spectra; ``table.note`` says so. Windows of one
    lattice differ by where they lie in it, so that components with less than 0.5 % of the power of
    the mean spectrum are none, unless spectra were normalized or transformed. Read the smaller
    answer of ``parallel_analysis`` and ``mdl`` there: the others count more of the windows across
    borders, which are no mixtures. One lattice alone has no component, and is one phase:
    ``table.endmembers``. A model given as ``pca`` is taken as it is, of all windows.

    One pass over the samples, beside those of PCA. ``cross_validation`` looks at no more than 2,048
    samples, drawn evenly over the map, and ``nfindr_residual`` at 512 of those. Where the
    covariance of all features is over a sixteenth of the memory budget (more than 4,096 features),
    ``gavish_donoho`` (for its noise) and ``parallel_analysis`` look at the 2,048, and ``hysime``
    has no answer. The notes of the table say so.

    Examples
    --------
    >>> import unmix as um
    >>> mixtures = um.synthetic.simplex_mixtures(500, 4, 30, snr_db=30)
    >>> table = um.rank(mixtures.samples, 10)
    >>> table.answers["mdl"], table.answers["hysime"], table.answers["cross_validation"]
    (3, 3, 3)
    """
    clock, key = Clock(), rng_key(rng)
    given = as_table(samples)
    # a model of all windows is taken at its word
    looked_at = independent(given) if pca is None else Independent(given, None, "")
    samples = looked_at.samples
    most = _most(samples, most, pca)
    noise = None if noise is None else not_negative(noise, "noise")
    table = kept_if_it_fits(samples, MAX_BLOCKS + 2)
    model = fit_pca(table, most + 1, rng=key) if pca is None else pca
    require_same_samples(model, samples, most + 1)
    facts = gather_facts(table, model, most, key)
    if looked_at.whole is not None:
        spanned = above_leakage(looked_at.whole, facts.spanned, key)
        facts = replace(facts, spanned=spanned)
    autocorrelation = _autocorrelation(model, most)
    answers = {
        "elbow": rules.elbow(facts),
        "gavish_donoho": rules.gavish_donoho(facts),
        "gavish_donoho_known": rules.gavish_donoho_known(facts, samples, noise),
        "parallel_analysis": rules.parallel_analysis(facts, key),
        "mdl": rules.mdl(facts),
        "hysime": rules.hysime(facts),
        "cross_validation": rules.cross_validation(facts, key),
        **_simplices(facts, model, key),
        "autocorrelation": _spatial(autocorrelation, samples.layout.mask, model),
    }
    answers = {name: _within(rule, facts.limit) for name, rule in answers.items()}
    parameters: dict[str, Any] = {"most": most, "pca": pca, "noise": noise, "rng": key}
    return RankTable(
        rules=answers,
        most=most,
        n_samples=facts.n,
        n_features=facts.f,
        autocorrelation=autocorrelation,
        note=looked_at.note,
        record=given.record.then(
            "rank", parameters, **clock.facts(model.maps), looked_at=looked_at.note
        ),
    )


def _within(rule: RankRule, limit: int) -> RankRule:
    return rule if rule.answer is None else replace(rule, answer=min(rule.answer, limit))


def _most(samples: Samples, most: int | None, pca: PrincipalComponents | None) -> int:
    n, f = samples.layout.n_samples, samples.layout.n_features
    limit = min(f, n - 1) - 1
    if limit < 1:
        raise ShapeError(
            f"the table has {n} samples with {f} features; expected at least 3 samples with at "
            "least 2: fewer have no components to count"
        )
    if most is None:
        fitted = len(pca) - 1 if isinstance(pca, PrincipalComponents) else MOST
        return max(1, min(MOST, limit, fitted))
    return whole_number(most, 1, limit, "most", f"{n} samples with {f} features")


def _simplices(facts: Facts, model: PrincipalComponents, key: int) -> dict[str, RankRule]:
    """Simplices of 2 to most + 2 vertices: how far each vertex lies out, and what they leave."""
    limit = min(facts.most + 1, MOST_ENDMEMBERS - 1)
    numbers = facts.numbers[:: -(-len(facts.numbers) // FITTED)]
    scores = to_host(model.scores.rows(numbers))
    rows = scores.astype(float)
    volumes, left = [0.0], [facts.total]
    for k in range(1, min(facts.spanned, limit) + 1):
        part = replace(model, maps=model.maps[:k, ...], components=model.components[:k, ...])
        found = largest_simplex(part.scores, k + 1, STARTS, key)
        volumes.append(float(ops.log_volumes(found.points[None])[0]))
        inside = rows[:, :k] - ops.fcls(rows[:, :k], found.points) @ found.points
        left.append(np.sum(inside**2) / len(rows) + facts.total - np.sum(facts.leading[:k]))
    heights = np.zeros(limit)  # none beyond the dimensions that the samples span
    heights[: len(volumes) - 1] = np.exp(np.diff(volumes)) * np.arange(1, len(volumes))
    squares = np.zeros(limit + 1)
    squares[: len(left)] = left
    rounding = ROUNDING * np.finfo(scores.dtype).eps * facts.total
    residual = np.sqrt(np.clip(squares, rounding, None) / facts.f)
    counts = np.arange(limit + 1)
    return {
        "nfindr_volume": rules.bend(counts[1:], heights, ""),
        "nfindr_residual": rules.bend(counts, residual, facts.note(len(rows))),
    }


def _autocorrelation(model: PrincipalComponents, most: int) -> HostArray | None:
    if len(model.layout.map_axes) < 2:
        return None
    kept = model.layout.mask
    return np.asarray([ops.morans_i(model.maps[i, ...], kept) for i in range(most + 1)])


def _spatial(
    values: HostArray | None, mask: HostArray | None, model: PrincipalComponents
) -> RankRule:
    if values is None:
        return rules.silent("the samples lie on no map of two axes")
    kept = np.ones(model.layout.map_shape, dtype=bool) if mask is None else mask
    n_pairs = ops.neighbour_pairs(kept)
    if not n_pairs:
        return rules.silent("no two samples are neighbours on the map")
    threshold = SURE / np.sqrt(n_pairs)
    return RankRule(
        answer=rules.first_below(values, np.asarray(threshold), len(values) - 1),
        components=np.arange(1, len(values) + 1),
        curve=values,
        threshold=np.full(len(values), threshold),
    )
