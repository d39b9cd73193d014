"""Steps of Lloyd's iteration over a table: from centres to the means of their members."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .. import ops
from .._arrays import is_numpy, namespace_of
from .._fold import PerSample, fold
from .._samples import Samples
from .._sources import empty_like
from .._tiles import Tile
from .._typing import Array, HostArray

Step = Callable[[Array, list[int]], Array]
"""Centres (s, k, f) and which of all starts they are of -> the centres' new places, float64."""


def steps_over(
    samples: Samples, n_starts: int, n_clusters: int, origin: Array, norms: Array
) -> Step:
    """Return the step for a table.

    On the host most samples are not read again. On a GPU a whole step is one kernel at the speed of
    memory, which to choose samples would only hold up.
    """
    if is_numpy(samples.xp):
        return Remembered(samples, n_starts, n_clusters, origin, norms)
    return lambda centers, _: whole_step(samples, centers, origin, norms)


def whole_step(samples: Samples, centers: Array, origin: Array, norms: Array) -> Array:
    """Look at every sample."""
    rows = namespace_of(centers).astype(centers, samples.dtype)
    seen, _ = fold(
        samples,
        lambda tile, _, c, o, squared: ops.assign(tile.rows, c, o, squared[:, 0]),
        ops.merge_assignments,
        state=(rows, origin, PerSample(norms)),
        label="k-means",
    )
    return ops.moved_centers(seen)


class Remembered:
    """Steps that remember each sample's label, and how far centres may move before it can change.

    ``known`` holds both for `ops.reassign`; counts and sums are those of all steps so far.
    """

    def __init__(
        self, samples: Samples, n_starts: int, n_clusters: int, origin: Array, norms: Array
    ) -> None:
        self.samples, self.origin, self.norms = samples, origin, norms
        shape = (n_starts, n_clusters, samples.layout.n_features)
        width = (*samples.layout.map_shape, 2 * n_starts)
        self.known = empty_like(samples.source.like, width, -1.0, samples.dtype)
        self.previous: HostArray | None = None
        self.drift, self.counts, self.sums = (
            np.zeros(shape[:2]),
            np.zeros(shape[:2]),
            np.zeros(shape),
        )

    def __call__(self, centers: HostArray, which: list[int]) -> Array:
        """Move the centres of some starts."""
        rows = centers.astype(self.samples.dtype)
        if self.previous is None:
            self.previous = rows.copy()
        self.drift[which] += ops.drifts(rows, self.previous[which])
        self.previous[which] = rows
        every = len(which) == len(self.counts)
        columns = np.concatenate([which, np.asarray(which) + len(self.counts)])
        drift = self.drift[which].astype(self.samples.dtype)

        def update(
            tile: Tile,
            known: HostArray,
            rows: HostArray,
            origin: HostArray,
            drift: HostArray,
            norms: HostArray,
        ) -> tuple[tuple[HostArray, HostArray], HostArray]:
            moving = known if every else known[:, columns]
            seen = ops.reassign(tile.rows, rows, origin, norms[:, 0], moving, drift)
            if every:  # to choose columns takes longer than all the rest
                return (seen.counts, seen.sums), seen.known
            new = known.copy()
            new[:, columns] = seen.known
            return (seen.counts, seen.sums), new

        (counts, sums), _ = fold(
            self.samples,
            update,
            lambda a, b: (a[0] + b[0], a[1] + b[1]),
            state=(rows, self.origin, drift, PerSample(self.norms)),
            out=self.known,
            label="k-means",
        )
        self.counts[which] += counts
        self.sums[which] += sums
        counts, sums = self.counts[which], self.sums[which]
        if not counts.all():  # an empty cluster asks for the farthest sample of all
            return whole_step(self.samples, centers, self.origin, self.norms)
        return sums / counts[:, :, None]
