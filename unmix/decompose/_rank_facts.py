"""What the rules of `unmix.rank` know of the samples, from one pass over them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import config, ops
from .._arrays import from_host, generator, to_host
from .._errors import DataError
from .._fold import all_numbers, fold
from .._results import PrincipalComponents
from .._samples import Samples
from .._tiles import Tile
from .._typing import HostArray
from ._vertices import dimensions

SAMPLE = 2048
"""Samples that rules look at which would need the whole table in memory."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the rules know of the samples: on the host, float64."""

    n: int
    f: int
    most: int
    spanned: int
    """Dimensions, up to most + 1, along which samples differ by more than rounding."""
    leading: HostArray
    """Eigenvalues of the covariance, (most + 1,)."""
    total: float
    """Sum of all eigenvalues."""
    numbers: HostArray
    """Of the samples in ``rows``."""
    rows: HostArray
    """Some of the samples, (m, f), centred."""
    covariance: HostArray | None
    """(f, f); None where there are too many features."""
    n_seen: int
    """Samples that the next two are of: all, or those in ``rows`` where there is no covariance."""
    variances: HostArray
    """Of each feature, (f,)."""
    eigenvalues: HostArray
    """All that are not zero for certain."""

    @property
    def limit(self) -> int:
        """Largest answer that makes sense."""
        return min(self.most, self.spanned)

    def note(self, n_seen: int) -> str:
        """Say how many samples were looked at, if that was not all."""
        return "" if n_seen == self.n else f"looked at {n_seen} of the samples"


def gather_facts(table: Samples, model: PrincipalComponents, most: int, key: int) -> Facts:
    """Read the table once for what all rules need."""
    n, f = table.layout.n_samples, table.layout.n_features
    leading = to_host(model.explained_variance).astype(float)
    spanned = dimensions(model, most + 1)
    if not spanned:
        raise DataError(
            f"all {n} samples are the same; expected some that differ: look for a constant image, "
            "or a mask that leaves nothing else"
        )
    total = float(leading[0] / to_host(model.explained_variance_ratio)[0])
    exact = 16 * 8 * f * f <= config.current_budget()
    numbers = spread_over_map(table, key)
    covariance, rows = _read(table, numbers, exact)
    rows -= np.mean(rows, axis=0)
    if covariance is None:
        # the eigenvalues of few samples are those of the products of their rows
        n_seen, seen = len(rows), rows @ rows.T / (len(rows) - 1)
        variances = np.sum(rows**2, axis=0) / (len(rows) - 1)
    else:
        n_seen, seen, variances = n, covariance, np.diagonal(covariance)
    eigenvalues = np.clip(np.linalg.eigvalsh(seen)[::-1][: min(n_seen - 1, f)], 0, None)
    return Facts(
        n=n,
        f=f,
        most=most,
        spanned=spanned,
        leading=leading[: most + 1],
        total=total,
        numbers=numbers,
        rows=rows,
        covariance=covariance,
        n_seen=n_seen,
        variances=variances,
        eigenvalues=eigenvalues,
    )


def spread_over_map(table: Samples, key: int) -> HostArray:
    """Numbers of some samples: one at a random place of each of equal stretches of the map."""
    n, f = table.layout.n_samples, table.layout.n_features
    m = min(n, SAMPLE, max(3, config.current_budget() // (16 * 8 * f)))
    edges = np.arange(m + 1) * n // m
    places = edges[:-1] + np.floor(generator(key, 2).random(m) * np.diff(edges)).astype(int)
    return np.asarray(all_numbers(table)[places])


def _read(table: Samples, numbers: HostArray, exact: bool) -> tuple[HostArray | None, HostArray]:
    """Covariance of all samples, if asked for, and the rows of some: in one pass."""
    xp = table.xp

    def update(tile: Tile, _: None) -> tuple[Any, list[tuple[HostArray, HostArray]]]:
        at = np.flatnonzero(np.isin(tile.numbers, numbers, assume_unique=True))
        rows = to_host(xp.take(tile.rows, from_host(at, tile.rows), axis=0))
        moments = ops.covariance(tile.rows) if exact else None
        return moments, [(tile.numbers[at], rows)]

    def merge(a: Any, b: Any) -> Any:
        return ops.merge_covariance(a[0], b[0]) if exact else None, a[1] + b[1]

    (moments, found), _ = fold(table, update, merge, label="rank")
    order = np.argsort(np.concatenate([numbers for numbers, _ in found]))
    rows = np.concatenate([rows for _, rows in found])[order].astype(float)
    covariance = to_host(moments.scatter) / (moments.n - 1) if exact else None
    return covariance, rows
