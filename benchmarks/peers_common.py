"""What the comparison with peers is made of: workloads, contenders and goals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

Host = np.ndarray[Any, Any]

Inputs = dict[str, Any]
"""Name of a file of the workload -> its array (.npy) or its path (any other)."""


@dataclass(frozen=True)
class Contender:
    """One way to do the work, run in a process of its own."""

    name: str
    run: Callable[[Inputs], Any]
    """What is timed."""
    read: Callable[[Any], Any] = lambda answer: answer
    """The answer as the workload's check takes it; not timed."""
    part: float = 1.0
    """Share of the samples that is timed, where all would take minutes; seconds are scaled."""
    most_runs: int = 1000
    hidden: tuple[str, ...] = ()
    """Modules that cannot be imported."""
    environment: str = "peers"
    remark: str = ""


def ours(name: str, run: Callable[[Inputs], Any], read: Callable[[Any], Any]) -> list[Contender]:
    """Return `unmix` with numba and without."""
    bare = Contender(f"{name}, no numba", run, read, hidden=("numba",))
    return [Contender(name, run, read), bare]


@dataclass(frozen=True)
class Row:
    """What was found of one contender: one entry for each run, or why there is none."""

    name: str
    seconds: list[float] = field(default_factory=list)
    extra: list[float] = field(default_factory=list)
    """Peak of memory over what was held before the run, bytes."""
    peak: list[float] = field(default_factory=list)
    """Peak of memory in all, with the libraries and the input, bytes."""
    agreement: float = float("nan")
    first: float = float("nan")
    """Seconds of the very first call, on a small part of the input: compilation shows here."""
    others: list[float] = field(default_factory=list)
    """Processors that other processes kept busy during the run."""
    why: str = ""
    remark: str = ""


Rows = dict[str, Row]


@dataclass(frozen=True)
class Goal:
    """A figure that `unmix` should reach."""

    what: str
    measure: Callable[[Rows], float]
    least: float | None = None
    most: float | None = None

    def reached(self, value: float) -> bool:
        """Whether a figure is inside of the limits; NaN is not."""
        above = self.least is None or value >= self.least
        return above and (self.most is None or value <= self.most)


@dataclass(frozen=True)
class Workload:
    """One piece of work, its inputs, and all who do it."""

    name: str
    title: str
    make: Callable[[Path, float], None]
    """Write the inputs into a folder; the number shrinks them."""
    part: Callable[[Inputs, float], Inputs]
    """A share of the inputs."""
    work: Callable[[Inputs], float]
    """What seconds are proportional to."""
    check: Callable[[Inputs, Any], float]
    checked: str
    """What the number that `check` returns is."""
    contenders: tuple[Contender, ...]
    goals: tuple[Goal, ...] = ()


def faster(our: str, peer: str, least: float, our_words: str = "") -> Goal:
    """Expect the peer to take ``least`` times as long, run by run."""

    def measure(rows: Rows) -> float:
        pairs = zip(rows[peer].seconds, rows[our].seconds, strict=False)
        ratios = [theirs / mine for theirs, mine in pairs]
        return float(np.median(ratios)) if ratios else float("nan")

    return Goal(f"{peer} / {our_words or our}", measure, least=least)


def lean(our: str, megabytes: float, which: str = "extra") -> Goal:
    """Expect at most this much memory beside the input, or in all (``which="peak"``)."""
    words = "extra MB" if which == "extra" else "MB in all"
    return Goal(
        f"{words}, {our}", lambda rows: median(getattr(rows[our], which)) / 1e6, most=megabytes
    )


def within(our: str, seconds: float) -> Goal:
    """Expect at most these seconds."""
    return Goal(f"seconds, {our}", lambda rows: median(rows[our].seconds), most=seconds)


def as_good(our: str, checked: str, most: float) -> Goal:
    """Expect an agreement at most this far off."""
    return Goal(f"{checked}, {our}", lambda rows: rows[our].agreement, most=most)


def no_worse(our: str, peer: str, checked: str, slack: float = 0.0) -> Goal:
    """Expect a number of ``check`` that is not above the peer's."""
    return Goal(
        f"{checked}, {our} less {peer}",
        lambda rows: rows[our].agreement - rows[peer].agreement,
        most=slack,
    )


def median(values: list[float]) -> float:
    """Median, NaN of none."""
    return float(np.median(values)) if values else float("nan")


def load(folder: Path) -> Inputs:
    """Read the inputs of a workload into memory; files other than .npy stay paths."""
    return {p.stem: np.load(p) if p.suffix == ".npy" else p for p in sorted(folder.iterdir())}


def first_rows(name: str) -> Callable[[Inputs, float], Inputs]:
    """Return a `Workload.part` that takes the first share of the rows of one input."""

    def part(inputs: Inputs, share: float) -> Inputs:
        table = inputs[name]
        return inputs | {name: table[: max(64, round(len(table) * share))]}

    return part


def captured_loss(table: Host, components: Host, exact: float, step: int = 4096) -> float:
    """Return the share of the variance that the exact components capture and these do not."""
    mean = table.mean(axis=0, dtype=np.float64)
    basis = np.linalg.qr(components.astype(np.float64).T)[0]
    offset = mean @ basis
    blocks = (table[i : i + step] for i in range(0, len(table), step))
    captured = sum(float(np.sum((b.astype(np.float64) @ basis - offset) ** 2)) for b in blocks)
    return 1 - captured / exact


def exact_captured(table: Host, n_components: int, step: int = 4096) -> float:
    """Return the sum of the largest squared singular values of the centred table, in float64."""
    mean = table.mean(axis=0, dtype=np.float64)
    scatter = np.zeros((table.shape[1], table.shape[1]))
    for i in range(0, len(table), step):
        block = table[i : i + step].astype(np.float64) - mean
        scatter += block.T @ block
    return float(np.linalg.eigvalsh(scatter)[-n_components:].sum())
