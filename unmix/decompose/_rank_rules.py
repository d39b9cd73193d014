"""The rules of `unmix.rank`, one function each."""

from __future__ import annotations

import numpy as np

from .. import ops
from .._samples import Samples
from .._typing import HostArray
from ._rank_facts import Facts
from ._rank_table import RankRule

DRAWS, LEVEL = 20, 0.95
"""Tables of noise; and the part of them that a component must exceed."""


def first_below(values: HostArray, threshold: HostArray, most: int) -> int:
    """Count the leading values above a threshold."""
    below = np.flatnonzero(~(values > threshold))
    return min(most, int(below[0]) if len(below) else most)


def elbow(facts: Facts) -> RankRule:
    return bend(np.arange(1, facts.most + 2), facts.leading, "")


def _above(facts: Facts, noise: float, note: str) -> RankRule:
    """Singular values against the best threshold for noise of this standard deviation."""
    large, small = max(facts.n - 1, facts.f), min(facts.n - 1, facts.f)
    threshold = ops.optimal_threshold(small / large) * noise * np.sqrt(large)
    values = np.sqrt(np.clip(facts.leading, 0, None) * (facts.n - 1))
    return RankRule(
        answer=first_below(values, threshold, facts.limit),
        note=note,
        components=np.arange(1, facts.most + 2),
        curve=values,
        threshold=np.full(len(values), threshold),
    )


def gavish_donoho(facts: Facts) -> RankRule:
    large, small = max(facts.n_seen - 1, facts.f), min(facts.n_seen - 1, facts.f)
    squared = np.median(facts.eigenvalues) * (facts.n_seen - 1)
    noise = np.sqrt(squared / (large * ops.marchenko_pastur_median(small / large)))
    return _above(facts, float(noise), facts.note(facts.n_seen))


def gavish_donoho_known(facts: Facts, samples: Samples, noise: float | None) -> RankRule:
    if noise is None:
        return silent("give noise=, the standard deviation of the noise of each value")
    shared = samples.layout.multiplicity  # a feature that stands for two counts as two
    return _above(facts, noise if shared is None else noise * float(np.sqrt(np.mean(shared))), "")


def parallel_analysis(facts: Facts, key: int) -> RankRule:
    values = facts.eigenvalues[: facts.most + 1]
    drawn = ops.noise_eigenvalues(
        facts.variances, facts.n_seen, len(values), n_draws=DRAWS, key=key
    )
    threshold = np.quantile(drawn, LEVEL, axis=0)
    return RankRule(
        answer=first_below(values, threshold, facts.limit),
        note=facts.note(facts.n_seen),
        components=np.arange(1, len(values) + 1),
        curve=values,
        threshold=threshold,
    )


def mdl(facts: Facts) -> RankRule:
    curve = ops.description_length(facts.leading[:-1], facts.total, facts.n, facts.f)
    answer = int(np.argmin(curve[: facts.limit + 1]))
    return RankRule(answer=answer, components=np.arange(len(curve)), curve=curve)


def hysime(facts: Facts) -> RankRule:
    if facts.covariance is None:
        return silent(f"the covariance of {facts.f} features is over the memory budget")
    if facts.n <= facts.f:
        return silent(f"needs more samples than features: {facts.n} are no more than {facts.f}")
    curve = ops.hysime(facts.covariance, facts.n)[: facts.most + 1]
    return RankRule(
        answer=first_below(curve, np.asarray(1.0), facts.limit),
        components=np.arange(1, len(curve) + 1),
        curve=curve,
        threshold=np.ones(len(curve)),
    )


def cross_validation(facts: Facts, key: int) -> RankRule:
    errors = ops.bicross_validation(facts.rows, facts.most, key=key)
    curve = np.sum(errors, axis=0) / ops.HALVINGS
    limit = "" if len(curve) > facts.most else f"up to {len(curve) - 1}: half of the table"
    return RankRule(
        answer=ops.fewest_components(errors),
        note="; ".join(filter(None, (facts.note(len(facts.rows)), limit))),
        components=np.arange(len(curve)),
        curve=curve,
    )


def silent(reason: str) -> RankRule:
    return RankRule(note=reason, components=np.empty(0, dtype=int), curve=np.empty(0))


def bend(components: HostArray, curve: HostArray, note: str) -> RankRule:
    """Elbow of a curve on a logarithmic scale; what is lost in rounding is no more than that."""
    limits = np.finfo(float)
    least = max(limits.eps * np.max(curve), limits.tiny)
    answer = ops.elbow(np.log(np.clip(curve, least, None)))
    return RankRule(
        answer=answer,
        note="the curve has no bend that stands out" if answer is None else note,
        components=components,
        curve=curve,
    )
