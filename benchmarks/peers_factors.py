"""Factors of a table: non-negative ones to the same loss, and independent ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from .peers_common import (
    Contender,
    Host,
    Inputs,
    Workload,
    as_good,
    faster,
    first_rows,
    lean,
    no_worse,
)

N, FEATURES = 62_001, 256
PARTS = 5
SOURCES = 16
RELATIVE = "squared error, relative"
OFF = "1 - correlation with the true sources, worst"


def bands(draws: np.random.Generator, n: int) -> Host:
    """Return spectra of a few overlapping bands each, (n, FEATURES)."""
    k = np.arange(FEATURES)
    each = [
        draws.gamma(1, 1, (n, 1))
        * np.exp(-(((k - draws.uniform(0, FEATURES, (n, 1))) / draws.uniform(4, 20, (n, 1))) ** 2))
        for _ in range(6)
    ]
    return np.asarray(sum(each) + 0.05)


def _make_mixtures(folder: Path, scale: float) -> None:
    draws = np.random.default_rng(0)
    maps = draws.dirichlet([0.5] * PARTS, int(N * scale))
    table = (maps @ bands(draws, PARTS)).astype(np.float32)
    table += 0.01 * table.max() * draws.standard_normal(table.shape, dtype=np.float32)
    np.save(folder / "table.npy", np.maximum(table, 0))


def squared_error(inputs: Inputs, factors: tuple[Host, Host]) -> float:
    """Return the squared error over the squares of the table, in float64."""
    maps, components = (a.astype(np.float64) for a in factors)
    error, squares = 0.0, 0.0
    for i in range(0, len(maps), 8192):
        block = inputs["table"][i : i + 8192].astype(np.float64)
        error += float(np.sum((block - maps[i : i + 8192] @ components) ** 2))
        squares += float(np.sum(block**2))
    return error / squares


def _unmix_nmf(inputs: Inputs) -> Any:
    import unmix as um

    # by default it stops at an error that is larger by 0.03 %
    return um.nmf(inputs["table"], PARTS, tol=5e-5)


def _sklearn_nmf(solver: str) -> Any:
    def run(inputs: Inputs) -> Any:
        from sklearn.decomposition import NMF

        model = NMF(PARTS, init="nndsvda", solver=solver, random_state=0, max_iter=500)
        return model.fit_transform(inputs["table"]), model.components_

    return run


def _make_sources(folder: Path, scale: float) -> None:
    draws = np.random.default_rng(0)
    n = int(N * scale)
    sources = np.concatenate(
        [draws.laplace(size=(n, SOURCES // 2)), draws.uniform(-2, 2, (n, SOURCES // 2))], axis=1
    )
    table = sources @ draws.standard_normal((SOURCES, FEATURES))
    table += 0.1 * draws.standard_normal(table.shape)
    np.save(folder / "table.npy", table.astype(np.float32))
    np.save(folder / "sources.npy", sources.astype(np.float32))


def off(inputs: Inputs, maps: Host) -> float:
    """Return how far from one the correlation of the worst source with the nearest map is."""
    k = len(maps)
    correlations = np.corrcoef(maps.astype(np.float64), inputs["sources"].T.astype(np.float64))
    return float(1 - np.abs(correlations[:k, k:]).max(axis=0).min())


def _unmix_ica(inputs: Inputs) -> Any:
    import unmix as um

    return um.ica(inputs["table"], SOURCES)


def _sklearn_ica(solver: str) -> Any:
    def run(inputs: Inputs) -> Host:
        from sklearn.decomposition import FastICA

        model = FastICA(SOURCES, whiten_solver=solver, random_state=0)
        return np.asarray(model.fit_transform(inputs["table"]).T)

    return run


NMF = "scikit-learn, coordinate descent"
ICA = "scikit-learn, whitened by eigh"

WORKLOADS = (
    Workload(
        "nmf",
        f"Non-negative factors of rank {PARTS}: {N:,} x {FEATURES} float32, to no larger an error",
        _make_mixtures,
        first_rows("table"),
        lambda inputs: len(inputs["table"]),
        squared_error,
        RELATIVE,
        (
            Contender("unmix", _unmix_nmf, lambda m: (np.asarray(m.maps.T), m.components)),
            Contender(NMF, _sklearn_nmf("cd")),
            Contender("scikit-learn, multiplicative updates", _sklearn_nmf("mu")),
        ),
        (
            faster("unmix", NMF, 1.2),
            no_worse("unmix", NMF, RELATIVE),
            lean("unmix", 40),
        ),
    ),
    Workload(
        "ica",
        f"{SOURCES} independent components: {N:,} x {FEATURES} float32",
        _make_sources,
        first_rows("table"),
        lambda inputs: len(inputs["table"]),
        off,
        OFF,
        (
            Contender("unmix", _unmix_ica, lambda model: np.asarray(model.maps)),
            Contender(ICA, _sklearn_ica("eigh")),
            Contender("scikit-learn, whitened by svd", _sklearn_ica("svd")),
        ),
        (
            faster("unmix", ICA, 1),
            no_worse("unmix", ICA, OFF, slack=1e-4),
            as_good("unmix", OFF, 1e-2),
        ),
    ),
)
