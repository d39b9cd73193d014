"""What defaults make of images of one, two and three lattices: ``python -m benchmarks.lattices``.

Two tables for docs/methods.md. The first: of how many images each rule of `unmix.rank` names the
number of phases, with + or - where most of its errors are too many or too few. The second: of the
windows, the percentage that the larger of two NMF maps gives to the phase at their centre. Lattices
repeat every 5 to 60 pixels; without noise, with Gaussian noise of 20 and 5 dB, and of 3 counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np

import unmix as um

from .common import Host

SIDES = {5: 256, 8: 256, 14: 400, 30: 700, 60: 1000}
"""Pixels along an image, for each period."""

NOISES = ("none", "20 dB", "5 dB", "counts")

ONE: tuple[tuple[str, ...], ...] = (("hexagonal",), ("square",))
TWO: tuple[tuple[str, ...], ...] = (
    ("hexagonal", "square"),
    ("hexagonal", "turned"),
    ("square", "dimmed rows"),
)
THREE: tuple[tuple[str, ...], ...] = (("hexagonal", "square", "turned"),)

Case = tuple[tuple[str, ...], int, str]
"""Names of the phases, the period and the noise."""


def lattice(name: str, side: int, period: float) -> Host:
    """Return atoms of height one, a fifth of the period wide."""
    y, x = np.mgrid[:side, :side]
    between, turn = (np.pi / 2, 0.35) if name in ("square", "dimmed rows") else (np.pi / 3, 0.12)
    angles = turn + (0.4 if name == "turned" else 0) + between * np.arange(3)
    rows = [(np.cos(a) * x + np.sin(a) * y) / period for a in angles[: 2 if between > 1.5 else 3]]
    atoms = np.exp(sum(np.cos(2 * np.pi * r) - 1 for r in rows))
    return np.asarray(atoms * (1 + 0.5 * np.cos(np.pi * rows[0]) * (name == "dimmed rows")))


def image(case: Case) -> tuple[Host, Host]:
    """Return phases beside one another, with winding borders, and the number of each pixel's."""
    names, period, noise = case
    side = SIDES[period]
    y, x = np.mgrid[:side, :side] / side
    labels = np.clip((x + 0.05 * np.sin(5 * y)) * len(names), 0, len(names) - 1).astype(int)
    clean = np.choose(labels, [lattice(name, side, period) for name in names])
    draws = np.random.default_rng(0)
    if noise == "counts":
        return draws.poisson(3 * clean / clean.mean()).astype(np.float32), labels
    level = 0.0 if noise == "none" else 10 ** (-float(noise.split()[0]) / 20)
    noisy = clean + level * clean.std() * draws.standard_normal(clean.shape)
    return noisy.astype(np.float32), labels


def answers(case: Case) -> dict[str, int | None]:
    """Return the number of phases by each rule, and by the two that windows are read by."""
    found = um.rank(um.window_fft(um.sliding_windows(image(case)[0]))).endmembers
    both = [n for n in (found["parallel_analysis"], found["mdl"]) if n is not None]
    return {"smaller of `parallel_analysis` and `mdl`": min(both, default=None), **found}


def accuracy(case: Case) -> float:
    """Return the share of windows whose larger map is that of the phase at their centre."""
    pixels, labels = image(case)
    model = um.nmf(um.window_fft(um.sliding_windows(pixels)), 2)
    at = [np.rint(axis.values).astype(int) for axis in model.layout.map_axes]
    right = float(np.mean(np.asarray(model.maps).argmax(axis=0) == labels[np.ix_(*at)]))
    return max(right, 1 - right)


def cell(said: list[int | None], true: int) -> str:
    """Count the right answers, and say where the others lie."""
    given = [n for n in said if n is not None]
    over, under = sum(n > true for n in given), sum(n < true for n in given)
    sign = "+" if over > under else "-" if under else ""
    silent = f", {len(said) - len(given)} without" if len(given) < len(said) else ""
    return f"{given.count(true)}{sign}{silent}"


def tables() -> Iterator[str]:
    """Make both tables line by line."""
    groups = [list(product(g, SIDES, NOISES)) for g in (ONE, TWO, THREE)]
    said = [[answers(case) for case in group] for group in groups]
    heads = [
        f"{n}, of {len(g)}" for n, g in zip(("one phase", "two", "three"), groups, strict=True)
    ]
    yield f"| rule | {' | '.join(heads)} |\n|---|---|---|---|"
    for rule in said[0][0]:
        cells = [cell([a[rule] for a in group], i) for i, group in enumerate(said, 1)]
        yield f"| {rule if '`' in rule else f'`{rule}`'} | {' | '.join(cells)} |"
    yield f"\n| period | {' | '.join(' and '.join(names) for names in TWO)} |\n|---|---|---|---|"
    for period in SIDES:
        found = [[accuracy((names, period, noise)) for noise in NOISES] for names in TWO]
        cells = [f"{100 * min(f):.0f} to {100 * max(f):.0f}" for f in found]
        yield f"| {period} | {' | '.join(cells)} |"


if __name__ == "__main__":
    for line in tables():
        print(line, flush=True)
