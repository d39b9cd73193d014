"""How often each rule of `unmix.rank` is right: ``python -m benchmarks.ranks``.

Fifty sets of known rank: half of them mixtures on a simplex, half of them low rank, all on a map
with structure, of 400 to 1,600 samples with 20 to 120 features and 1 to 7 components. The noise is
white; or its standard deviation differs fourfold between features; or it is the same for
neighbours in part, as in windows that overlap by three quarters. A cell is the percentage of sets
that a rule counts right, with + or - where most of its errors are too many or too few.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

import unmix as um

from .common import Host, mixtures

N_SETS = 50
SNRS = (15, 20, 30, 40)
MOST = 15
OVERLAP = 4


def blurred(values: Host) -> Host:
    """Sum 4 x 4 neighbours along the first two axes, at the same variance: 3 shorter each."""
    for axis in (0, 1):
        values = sliding_window_view(values, OVERLAP, axis=axis).sum(axis=-1)
    return np.asarray(values / OVERLAP)


def white(rng: np.random.Generator, shape: tuple[int, int, int]) -> Host:
    """Return noise of the same variance everywhere."""
    return rng.standard_normal(shape)


def unequal(rng: np.random.Generator, shape: tuple[int, int, int]) -> Host:
    """Return noise that is up to four times as strong in some features as in others."""
    strength = 4 ** rng.random(shape[2])
    return rng.standard_normal(shape) * strength / np.sqrt(np.mean(strength**2))


def correlated(rng: np.random.Generator, shape: tuple[int, int, int]) -> Host:
    """Return noise that neighbours on the map share in part."""
    y, x, f = shape
    return blurred(rng.standard_normal((y + OVERLAP - 1, x + OVERLAP - 1, f)))


NOISES: dict[str, Callable[[np.random.Generator, tuple[int, int, int]], Host]] = {
    "white": white,
    "unequal": unequal,
    "correlated": correlated,
}


def signal(number: int) -> tuple[Host, int]:
    """Return a set without noise, (y, x, f), and its rank when centred."""
    rng = np.random.default_rng([number, 0])
    y, x, f = (int(n) for n in rng.integers((20, 20, 20), (41, 41, 121)))
    k = int(rng.integers(1, 8))
    if number % 2:
        shares = um.synthetic.simplex_mixtures(y * x, k + 1, f, rng=number)
        # phases one after the other, so that neighbours are alike
        order = np.argsort(shares.abundances.argmax(axis=1), kind="stable")
        return shares.samples[order].reshape(y, x, f), k
    maps = blurred(rng.standard_normal((y + OVERLAP - 1, x + OVERLAP - 1, k)))
    directions = np.linalg.qr(rng.standard_normal((f, k)))[0].T
    return maps * np.geomspace(1, rng.uniform(0.2, 1), k) @ directions, k


def answers(number: int, noise: str, snr: float) -> tuple[dict[str, int | None], int]:
    """Return what every rule says of one set, and the truth."""
    clean, k = signal(number)
    sigma = np.sqrt(np.mean(clean**2) / 10 ** (snr / 10))
    drawn = NOISES[noise](np.random.default_rng([number, 1]), clean.shape)
    samples = um.samples(clean + sigma * drawn, 2)
    return um.rank(samples, MOST, noise=float(sigma), rng=number).answers, k


def cell(found: list[tuple[int | None, int]]) -> str:
    """Write how many of (answer, truth) agree, and where the others lie."""
    off = [answer - truth for answer, truth in found if answer is not None]
    hits, over, under = (sum(map(t, off)) for t in ((0).__eq__, (0).__lt__, (0).__gt__))
    sign = "+" if over > under else "-" if under > over else ""
    return f"{100 * hits / len(found):.0f}{sign if hits < len(found) else ''}"


def main(n_sets: int = N_SETS, snrs: tuple[float, ...] = SNRS) -> dict[str, dict[Any, str]]:
    """Print the table, and return it as rule -> (noise, dB) -> cell."""
    table: dict[str, dict[Any, str]] = {}
    for noise in NOISES:
        for snr in snrs:
            seen = [answers(number, noise, snr) for number in range(n_sets)]
            for rule in seen[0][0]:
                found = [(said[rule], truth) for said, truth in seen]
                table.setdefault(rule, {})[noise, snr] = cell(found)
    print("% right".ljust(20), *(f"{noise:{6 * len(snrs)}}" for noise in NOISES))
    print("dB".ljust(20), *(f"{snr:<5}" for _ in NOISES for snr in snrs))
    for rule, cells in table.items():
        print(rule.ljust(20), *(f"{c:5}" for c in cells.values()))
    return table


class Rank:
    """All rules on one table."""

    params: ClassVar[list[tuple[int, int]]] = [(2000, 50), (20_000, 256)]
    param_names = ("samples x features",)
    timeout = 120

    def setup(self, shape: tuple[int, int]) -> None:
        self.table = mixtures(shape[0], 5, shape[1]).samples

    def time_rank(self, shape: tuple[int, int]) -> None:
        um.rank(self.table)

    def peakmem_rank(self, shape: tuple[int, int]) -> None:
        um.rank(self.table)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
