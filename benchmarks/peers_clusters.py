"""k-means: twenty steps from the same start."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from .peers_common import (
    Contender,
    Goal,
    Host,
    Inputs,
    Workload,
    faster,
    first_rows,
    lean,
    no_worse,
    ours,
)
from .peers_components import spectra

STEPS = 20
INERTIA = "inertia per sample"


def _make(n: int, f: int, k: int) -> Any:
    def make(folder: Path, scale: float) -> None:
        if f == 2112:
            table = spectra(scale)
        else:  # classes that overlap: no start comes to rest within twenty steps
            draws = np.random.default_rng(0)
            table = draws.standard_normal((int(n * scale), f), dtype=np.float32)
            table += draws.standard_normal((k, f), dtype=np.float32)[
                draws.integers(k, size=len(table))
            ]
        np.save(folder / "table.npy", table)
        np.save(folder / "start.npy", table[:: len(table) // k][:k])

    return make


def inertia(inputs: Inputs, centers: Host) -> float:
    """Return the mean squared distance to the nearest centre, in float64."""
    total, table, c = 0.0, inputs["table"], np.asarray(centers, dtype=np.float64)
    for i in range(0, len(table), 8192):
        block = table[i : i + 8192].astype(np.float64)
        squared = (c**2).sum(1) - 2 * block @ c.T
        total += float((squared.min(axis=1) + (block**2).sum(1)).sum())
    return total / len(table)


def _unmix(inputs: Inputs) -> Any:
    import unmix as um

    start = inputs["start"]
    return um.kmeans(inputs["table"], len(start), init=start, max_iter=STEPS, tol=0)


def _sklearn(inputs: Inputs) -> Any:
    from sklearn.cluster import KMeans

    start = inputs["start"]
    return KMeans(len(start), init=start, n_init=1, max_iter=STEPS, tol=0).fit(inputs["table"])


def _faiss(inputs: Inputs) -> Host:
    import faiss

    table, start = inputs["table"], inputs["start"]
    model = faiss.Kmeans(
        table.shape[1],
        len(start),
        niter=STEPS,
        max_points_per_centroid=len(table),
        min_points_per_centroid=1,
    )
    model.train(table, init_centroids=start)
    model.index.search(table, 1)  # the labels that the others return too
    return np.asarray(model.centroids)


SKLEARN = Contender("scikit-learn, Lloyd", _sklearn, lambda model: model.cluster_centers_)
FAISS = Contender("faiss", _faiss)


def _kmeans(n: int, f: int, k: int, goals: tuple[Goal, ...]) -> Workload:
    return Workload(
        f"kmeans-{f}",
        f"k-means, {STEPS} steps from the same start: {n:,} x {f:,} float32, {k} clusters",
        _make(n, f, k),
        first_rows("table"),
        lambda inputs: len(inputs["table"]),
        inertia,
        INERTIA,
        (*ours("unmix", _unmix, lambda model: np.asarray(model.centers)), SKLEARN, FAISS),
        (*goals, no_worse("unmix", SKLEARN.name, INERTIA, slack=1e-3)),
    )


WORKLOADS = (
    _kmeans(
        62_001,
        2112,
        8,
        (faster("unmix", SKLEARN.name, 1.3), faster("unmix", FAISS.name, 1.3), lean("unmix", 20)),
    ),
    _kmeans(
        1_000_000, 16, 32, (faster("unmix", SKLEARN.name, 1.0), faster("unmix", FAISS.name, 1.0))
    ),
    _kmeans(262_144, 64, 8, (faster("unmix", SKLEARN.name, 0.9), faster("unmix", FAISS.name, 0.9))),
)
