"""Methods on mixtures with known abundances: one table from one command.

    python -m benchmarks.mixtures --max-iter 2000 --write   # into docs/methods.md: 15 minutes
    python -m benchmarks.mixtures --size 32 --members 3 5

For each set: the root mean square error of the abundances, the mean spectral angle of the
endmembers in degrees, seconds, and for Bayesian unmixing the share of true abundances inside of the
90 % intervals, R-hat and sweeps. `pure`: one sample of each endmember is pure. `mixed`: no sample
holds more than 0.8 of any endmember.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

import unmix as um

Host = np.ndarray[Any, Any]

PAGE = Path(__file__).parents[1] / "docs" / "methods.md"
BEGIN, END = "<!-- mixtures -->", "<!-- end mixtures -->"

HEAD = """\
| endmembers | SNR dB | samples | method | RMSE | angle | inside | R-hat | sweeps | s |
|---|---|---|---|---|---|---|---|---|---|"""


def simplex_nmf(samples: um.Samples, k: int) -> um.Unmixing:
    """Factors on the simplex; noise below zero is taken as zero."""
    return um.nmf(um.samples(np.maximum(samples.to_array(), 0), 2), k, simplex=True)


METHODS: dict[str, Callable[[um.Samples, int], um.Unmixing]] = {
    "N-FINDR + FCLS": um.nfindr,
    "VCA + FCLS": um.vca,
    "NMF (simplex)": simplex_nmf,
    "Bayesian": um.bayesian_unmixing,
}
"""Name -> function of the samples and the number of endmembers."""


def compare(model: um.Unmixing, truth: um.synthetic.Mixtures) -> dict[str, float]:
    """Return the scores of a model against the truth, endmembers matched by their angles."""
    found, true = np.asarray(model.components), truth.endmembers
    cosines = found @ true.T / np.outer(*(np.linalg.norm(x, axis=1) for x in (found, true)))
    angles = np.degrees(np.arccos(np.clip(cosines, -1, 1)))
    rows, order = linear_sum_assignment(angles)
    maps = truth.abundances.T[order].reshape(model.maps.shape)
    scores = {
        "rmse": float(np.sqrt(np.mean((np.asarray(model.maps) - maps) ** 2))),
        "angle": float(angles[rows, order].mean()),
    }
    if isinstance(model, um.Posterior):
        low, high = model.interval(0.9)
        scores["inside"] = float(np.mean((low <= maps) & (maps <= high)))
        scores["r_hat"], scores["sweeps"] = float(model.r_hat.max()), float(model.n_iter)
    return scores


def main() -> None:
    """Print the table, a set as soon as it is there."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--size", type=int, default=64, help="samples along y and x")
    parser.add_argument("--features", type=int, default=200)
    parser.add_argument("--members", type=int, nargs="+", default=[3, 5, 8])
    parser.add_argument("--snr", type=float, nargs="+", default=[20, 30, 40])
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--max-iter", type=int, default=20_000, help="sweeps at the most")
    parser.add_argument("--write", action="store_true", help=f"into {PAGE.name}, set after set")
    given = parser.parse_args()
    warnings.simplefilter("ignore", RuntimeWarning)  # R-hat is in the table
    METHODS["Bayesian"] = lambda s, k: um.bayesian_unmixing(s, k, max_iter=given.max_iter)
    print(HEAD)
    lines = [HEAD]
    kinds = {"pure": 1.0, "mixed": 0.8}
    for p, snr, kind, seed in product(given.members, given.snr, kinds, range(given.seeds)):
        truth = um.synthetic.simplex_mixtures(
            given.size**2,
            p,
            given.features,
            snr_db=snr,
            pure=kind == "pure",
            largest=kinds[kind],
            rng=seed,
        )
        new = _rows(truth, given.size, f"| {p} | {snr:g} | {kind} {seed}")
        print("\n".join(new), flush=True)
        lines += new
        if given.write:
            _write("\n".join(lines))


def _rows(truth: um.synthetic.Mixtures, size: int, begin: str) -> list[str]:
    """Return a row for each method."""
    samples, rows = um.samples(truth.samples.reshape(size, size, -1), 2), []
    for name, method in METHODS.items():
        start = time.perf_counter()
        scores = compare(method(samples, truth.endmembers.shape[0]), truth)
        seconds = time.perf_counter() - start
        more = [
            f"{scores[key]:{form}}" if key in scores else ""
            for key, form in (("inside", ".3f"), ("r_hat", ".3f"), ("sweeps", ".0f"))
        ]
        figures = [f"{scores['rmse']:.5f}", f"{scores['angle']:.3f}", *more, f"{seconds:.1f}"]
        rows.append(f"{begin} | {name} | {' | '.join(figures)} |")
    return rows


def _write(table: str) -> None:
    """Put the table between its marks in the page."""
    text = PAGE.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"{PAGE} has no {BEGIN} with {END} after it")
    PAGE.write_text(f"{before}{BEGIN}\n{table}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
