"""N-FINDR."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace
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
    no_worse,
    ours,
    within,
)

SHORTFALL = "log of the volume that is missing"


def _scores(n_endmembers: int) -> Any:
    """Write the first 16 scores of the spectra of a micrograph, or mixtures of 8 features."""

    def make(folder: Path, scale: float) -> None:
        import unmix as um

        from .common import image, mixtures

        if n_endmembers == 5:
            windows = um.sliding_windows(image(int(64 + 1984 * scale)), 64, 8)
            scores = um.pca(um.window_fft(windows), 16).scores
            table = np.asarray(scores.table())
        else:
            table = mixtures(int(1e6 * scale), n_endmembers, 8).samples
        np.save(folder / "table.npy", table.astype(np.float32))
        np.save(folder / "n_endmembers.npy", n_endmembers)

    return make


def missing_volume(inputs: Inputs, numbers: Host) -> float:
    """Return minus the log of the volume of a simplex in the space of p - 1 components."""
    table, p = inputs["table"], int(inputs["n_endmembers"])
    centred = table - table.mean(axis=0, dtype=np.float64)
    vectors = np.linalg.eigh(centred.T @ centred)[1][:, -(p - 1) :]
    corners = centred[numbers] @ vectors
    matrix = np.vstack([np.ones(p), corners.T])
    return float(-np.linalg.slogdet(matrix)[1] + math.lgamma(p))


def _unmix_nfindr(inputs: Inputs) -> Any:
    import unmix as um

    return um.nfindr(inputs["table"], int(inputs["n_endmembers"]), n_starts=10)


def _pysptools_nfindr(inputs: Inputs) -> Host:
    import random

    import scipy.linalg
    from pysptools.eea import nfindr
    from scipy.linalg.lapack import sgetrf

    def determinant(matrix: Host) -> tuple[float]:
        return (math.prod(sgetrf(matrix)[0].diagonal().tolist()),)

    scipy.linalg._flinalg = SimpleNamespace(sdet_c=determinant)
    random.seed(0)
    table, p = inputs["table"], int(inputs["n_endmembers"])
    return np.asarray(nfindr.NFINDR(table, p)[2])


def _nfindr(name: str, title: str, p: int, most_runs: int, goals: tuple[Goal, ...]) -> Workload:
    patched = "one start; scipy.linalg._flinalg, which SciPy removed, put back as LAPACK's getrf"
    peer = Contender("pysptools", _pysptools_nfindr, most_runs=most_runs, remark=patched)
    return Workload(
        name,
        title,
        _scores(p),
        first_rows("table"),
        lambda inputs: len(inputs["table"]),
        missing_volume,
        SHORTFALL,
        (*ours("unmix", _unmix_nfindr, lambda model: np.asarray(model.indices)), peer),
        (*goals, no_worse("unmix", "pysptools", SHORTFALL, slack=1e-6)),
    )


WORKLOADS = (
    _nfindr(
        "nfindr-5",
        "N-FINDR, 5 endmembers, 62,001 scores x 16, ten starts",
        5,
        1000,
        (faster("unmix", "pysptools", 50, "ten starts of unmix"),),
    ),
    _nfindr(
        "nfindr-8",
        "N-FINDR, 8 endmembers, 1,000,000 x 8, ten starts",
        8,
        1,
        (within("unmix", 1.0),),
    ),
)
