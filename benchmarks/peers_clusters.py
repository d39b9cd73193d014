"""k-means: twenty steps from the same start; Gaussian mixtures: twenty passes from k-means."""

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
CLASSES = 8
"""Of a mixture."""
INERTIA = "inertia per sample"
SURPRISE = "negative log-likelihood per sample"


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


def _make_overlapping(folder: Path, scale: float) -> None:
    import unmix as um

    table = um.synthetic.blobs(int(27_000 * scale), CLASSES, 16, spread=0.5, rng=0)[0]
    np.save(folder / "table.npy", table.astype(np.float32))


def surprise(inputs: Inputs, classes: tuple[Host, Host, Host]) -> float:
    """Return the mean negative log-likelihood of weights, means and covariances, in float64."""
    from scipy.special import logsumexp
    from scipy.stats import multivariate_normal

    table = inputs["table"].astype(np.float64)
    each = [
        np.log(weight) + multivariate_normal(mean, covariance).logpdf(table)
        for weight, mean, covariance in zip(*classes, strict=True)
    ]
    return -float(logsumexp(each, axis=0).mean())


def _unmix_mixture(inputs: Inputs) -> Any:
    import unmix as um

    return um.gmm(inputs["table"], CLASSES, max_iter=STEPS, tol=0)


def _parts(model: Any) -> tuple[Host, Host, Host]:
    return model.weights, model.components, model.covariances


def _sklearn_mixture(inputs: Inputs) -> Any:
    from sklearn.mixture import GaussianMixture

    model = GaussianMixture(CLASSES, max_iter=STEPS, tol=0, random_state=0).fit(inputs["table"])
    return model, model.predict_proba(inputs["table"])


MIXTURE = Contender(
    "scikit-learn",
    _sklearn_mixture,
    lambda found: (found[0].weights_, found[0].means_, found[0].covariances_),
)
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
    Workload(
        "gmm-16",
        f"Gaussian mixture, full covariances, {STEPS} passes from k-means, with posteriors: 27,000 "
        f"x 16 float32, {CLASSES} classes that overlap",
        _make_overlapping,
        first_rows("table"),
        lambda inputs: len(inputs["table"]),
        surprise,
        SURPRISE,
        (*ours("unmix", _unmix_mixture, _parts), MIXTURE),
        (faster("unmix", MIXTURE.name, 2), no_worse("unmix", MIXTURE.name, SURPRISE, slack=1e-2)),
    ),
)
