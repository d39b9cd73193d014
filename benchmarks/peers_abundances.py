"""Abundances that are not negative and sum to one."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from .peers_common import (
    Contender,
    Goal,
    Host,
    Inputs,
    Workload,
    as_good,
    faster,
    first_rows,
    ours,
)

ERROR = "largest error of an abundance"


def _mixed(n_endmembers: int, reduced: bool) -> Any:
    """Write noisy mixtures, half of which lack some endmembers; reduced: in p features."""

    def make(folder: Path, scale: float) -> None:
        from .common import mixtures

        n, f = int(62_001 * scale), n_endmembers if reduced else 2112
        endmembers = mixtures(2 * n_endmembers, n_endmembers, 2112).endmembers.astype(np.float32)
        if reduced:
            endmembers = np.ascontiguousarray(np.linalg.qr(endmembers.T)[1].T)
        draws = np.random.default_rng(0)
        amounts = draws.dirichlet(np.ones(n_endmembers), n)
        lacking = draws.uniform(size=amounts.shape) < 0.4
        lacking[n // 2 :] = False
        lacking[np.arange(n), amounts.argmax(axis=1)] = False
        amounts[lacking] = 0
        amounts /= amounts.sum(axis=1, keepdims=True)
        table = amounts.astype(np.float32) @ endmembers
        noise = np.float32(0.03 * endmembers.std())
        for i in range(n):
            table[i] += noise * draws.standard_normal(f, dtype=np.float32)
        np.save(folder / "table.npy", table.reshape(n, f))
        np.save(folder / "endmembers.npy", endmembers)
        np.save(folder / "exact.npy", by_supports(table[:: max(1, n // 500)], endmembers))

    return make


def by_supports(table: Host, endmembers: Host) -> Host:
    """Return exact abundances in float64: the best of the solutions on all supports."""
    x, e = table.astype(np.float64), endmembers.astype(np.float64)
    p = len(e)
    best, answer = np.full(len(x), np.inf), np.zeros((len(x), p))
    gram, cross = e @ e.T, x @ e.T
    for size in range(1, p + 1):
        for support in combinations(range(p), size):
            s = list(support)
            system = np.block([[gram[np.ix_(s, s)], np.ones((size, 1))], [np.ones((1, size)), 0]])
            right = np.hstack([cross[:, s], np.ones((len(x), 1))])
            a = np.linalg.solve(system, right.T).T[:, :size]
            cost = np.einsum("ni,ij,nj->n", a, gram[np.ix_(s, s)], a) - 2 * (a * cross[:, s]).sum(1)
            better = (a >= 0).all(axis=1) & (cost < best)
            best[better] = cost[better]
            answer[better] = 0
            answer[np.ix_(better, s)] = a[better]
    return answer


def abundance_error(inputs: Inputs, found: Host) -> float:
    """Return the largest difference from the exact abundances of about 500 samples."""
    exact = inputs["exact"]
    n = int(inputs["n_all"]) if "n_all" in inputs else len(inputs["table"])
    step = max(1, n // 500)
    picked = found[::step]
    return float(np.abs(picked - exact[: len(picked)]).max())


def _part(inputs: Inputs, share: float) -> Inputs:
    return first_rows("table")(inputs, share) | {"n_all": len(inputs["table"])}


def _unmix_fcls(inputs: Inputs) -> Any:
    import unmix as um

    return um.abundances(inputs["table"], inputs["endmembers"])


def _scipy_nnls(inputs: Inputs) -> Host:
    from scipy.optimize import nnls

    endmembers = inputs["endmembers"].astype(np.float64)
    weight = 1e3 * np.abs(endmembers).max()
    system = np.vstack([endmembers.T, np.full(len(endmembers), weight)])
    return np.stack([nnls(system, np.append(row, weight))[0] for row in inputs["table"]])


def _pysptools_fcls(inputs: Inputs) -> Host:
    from pysptools.abundance_maps.amaps import FCLS

    return np.asarray(FCLS(inputs["table"], inputs["endmembers"]))


def _spams(inputs: Inputs) -> Host:
    import spams

    x = np.asfortranarray(inputs["table"].T, dtype=np.float64)
    e = np.asfortranarray(inputs["endmembers"].T, dtype=np.float64)
    return spams.decompSimplex(x, e, numThreads=2).toarray().T


def _product(inputs: Inputs) -> Host:
    return inputs["table"] @ inputs["endmembers"].T


def _fcls(
    name: str,
    title: str,
    p: int,
    reduced: bool,
    peers: tuple[Contender, ...],
    goals: tuple[Goal, ...],
) -> Workload:
    mine = ours("unmix", _unmix_fcls, lambda model: np.asarray(model.maps).T)
    return Workload(
        name,
        title,
        _mixed(p, reduced),
        _part,
        lambda inputs: len(inputs["table"]),
        lambda inputs, found: float("nan") if found is None else abundance_error(inputs, found),
        ERROR,
        (*mine, *peers),
        (*goals, as_good("unmix", ERROR, 1e-5)),
    )


SPAMS = Contender("spams.decompSimplex, 2 threads", _spams)

WORKLOADS = (
    _fcls(
        "fcls-5",
        "Abundances (not negative, sum one) of 5 endmembers: 62,001 x 2,112 float32",
        5,
        False,
        (
            SPAMS,
            Contender("scipy nnls loop", _scipy_nnls, part=1 / 16),
            Contender("pysptools", _pysptools_fcls, part=1 / 16),
            Contender("Gram product alone", _product, lambda _: None),
        ),
        (
            faster("unmix", "scipy nnls loop", 40),
            faster("unmix", "pysptools", 200),
            faster("unmix", SPAMS.name, 20),
            faster("unmix", "Gram product alone", 0.5),
        ),
    ),
    _fcls(
        "fcls-12",
        "Abundances of 12 endmembers, from the reduced table that spams likes: 62,001 x 12 float32",
        12,
        True,
        (SPAMS,),
        (faster("unmix", SPAMS.name, 1),),
    ),
)
