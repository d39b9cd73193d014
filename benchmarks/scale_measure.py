"""The constants of the model, and the runs that it is checked against."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import numpy as np

import unmix as um

from .meter import busy, forget_peak, memory
from .peers_patterns import AS_PEERS, write_hdf5
from .scale_model import DIRECTIONS, ENTRY, FEATURES, Constants, K, flops

COLUMNS = 128
BUDGET = 256 << 20
"""Too little to keep any of the sizes in memory: all are streamed."""

FEW = 2048
"""Patterns whose passes cost little beside what does not depend on their number."""

REPEATS = 3


class Counted:
    """An array that counts the bytes that are read of it."""

    def __init__(self, array: Any) -> None:
        self.array, self.bytes = array, 0
        self.shape, self.dtype = array.shape, array.dtype
        self.chunks = getattr(array, "chunks", None)

    def __getitem__(self, key: Any) -> Any:
        values = self.array[key]
        self.bytes += values.nbytes
        return values


def write(path: Path, size: float) -> float:
    """Write a set of about ``size`` bytes, whole chunks; return its bytes."""
    rows = max(16, round(size / (COLUMNS * FEATURES * ENTRY) / 16) * 16)
    write_hdf5(path, (rows, COLUMNS), 128, np.dtype(np.uint16))
    return float(rows * COLUMNS * FEATURES * ENTRY)


def timed(run: Callable[[], Any], repeats: int = REPEATS) -> float:
    """Return the fastest of a few runs, after one that is not counted: load of others only adds."""
    taken = []
    for _ in range(repeats + 1):
        began = time.perf_counter()
        run()
        taken.append(time.perf_counter() - began)
    return min(taken[1:])


@contextmanager
def cores(n: int) -> Iterator[None]:
    """Run on ``n`` processors: threads are counted by what the process may use."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, set(sorted(before)[:n]))
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def analysis(path: Path) -> None:
    """Do what is modelled."""
    with um.config.memory_budget(BUDGET):
        um.pca(um.open(path), K, loss=AS_PEERS)


def disk_rate(path: Path) -> float:
    """Bytes per second of a file that is not in the page cache."""
    with path.open("rb", buffering=0) as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        block = bytearray(16 << 20)
        began = time.perf_counter()
        while file.readinto(block):
            pass
        return path.stat().st_size / (time.perf_counter() - began)


class Counts(NamedTuple):
    """How often all of the data is read, and how often all samples are multiplied."""

    passes: float
    products: float


def counts(array: Any, map_axes: int, budget: int = BUDGET) -> Counts:
    """Count what an analysis does with an array that is read block by block."""
    counted, multiplied = Counted(array), []
    sketch = um.ops.sketch

    def counting(rows: Any, *args: Any, **options: Any) -> Any:
        multiplied.append(len(rows))
        return sketch(rows, *args, **options)

    with um.config.memory_budget(budget), mock.patch.object(um.ops, "sketch", counting):
        um.pca(um.samples(counted, map_axes), K, loss=AS_PEERS)
    n_bytes = float(np.prod(array.shape) * array.dtype.itemsize)
    return Counts(counted.bytes / n_bytes, sum(multiplied) / float(np.prod(array.shape[:map_axes])))


def fixed(rows: Any, rate: float) -> float:
    """Seconds that do not depend on the size: an analysis of few rows, less its products."""
    budget = rows.nbytes // 2  # too little to keep them
    found = counts(rows, 1, budget)
    streamed = um.samples(Counted(rows), 1)
    with um.config.memory_budget(budget):
        seconds = timed(lambda: um.pca(streamed, K, loss=AS_PEERS))
    return max(0.0, seconds - flops(rows.size * ENTRY, found.products) / rate)


def directions() -> Any:
    """Return orthonormal directions of a pass."""
    draws = np.random.default_rng(0).standard_normal((FEATURES, DIRECTIONS))
    return np.linalg.qr(draws)[0]


def passes(samples: um.Samples, held: um.Samples, threads: int) -> tuple[float, float]:
    """Seconds to read samples once, and to multiply those held in memory, in some threads."""
    q, center = directions(), np.zeros(FEATURES)

    def read() -> None:
        um.fold(samples, lambda _tile, _: None, workers=threads)

    def compute() -> None:
        um.fold(
            held,
            lambda tile, _: um.ops.sketch(tile.rows, q, center),
            um.ops.merge_sketch,
            workers=threads,
        )

    with cores(threads):
        return timed(read), timed(compute)


def constants(path: Path, size: float) -> Constants:
    """Measure with one file of ``size`` bytes, which then is in the page cache."""
    import h5py

    disk = disk_rate(path)
    with h5py.File(path) as file:
        found = counts(file["data"], 2)
    samples, q, center = um.open(path), directions(), np.zeros(FEATURES)
    plan = samples.plan()
    rows = np.concatenate([samples.tile(w).rows for w in plan[:32]])
    held = um.samples(rows, 1)
    part = um.ops.sketch(held.tile(held.plan()[0]).rows, q, center)
    (read_1, compute_1), (read_2, compute_2) = (passes(samples, held, n) for n in (1, 2))
    tiles = [held.tile(where).rows for where in held.plan()]

    def squares() -> None:
        for rows in tiles:
            um.ops.squared_norms(rows, center.astype(rows.dtype))

    flop = 4.0 * held.layout.n_samples * FEATURES * DIRECTIONS
    small = um.samples(np.ones((4096, 4)) * np.arange(4.0), 1)
    with um.config.memory_budget(1 << 20):
        n_small = len(small.plan())
        tile = timed(lambda: um.fold(small, lambda _tile, _: None, workers=1)) / n_small
    forget_peak()
    before = memory("VmRSS")
    analysis(path)
    return Constants(
        read_1=size / read_1,
        read_2=size / read_2,
        flops_1=flop / compute_1,
        flops_2=flop / compute_2,
        disk=disk,
        tile=tile,
        squares=held.layout.n_samples * FEATURES * ENTRY / timed(squares),
        fixed=fixed(rows[:FEW], flop / compute_2),
        merge=timed(lambda: um.ops.merge_sketch(part, part)),
        passes=found.passes,
        products=found.products,
        tile_bytes=size / len(plan),
        extra=memory("VmHWM") - before,
        memory=float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")),
    )


def checked(path: Path, size: float) -> list[dict[str, float]]:
    """Time the analysis of a file in one and two threads, and count its passes and others' load."""
    import h5py

    with h5py.File(path) as file:
        found = counts(file["data"], 2)
    runs = []
    for threads in (1, 2):
        began, own, all_before = time.perf_counter(), time.process_time(), busy()
        with cores(threads):
            seconds = timed(lambda: analysis(path))
        others = busy() - all_before - (time.process_time() - own)
        others = max(0.0, others) / (time.perf_counter() - began)
        runs.append(
            {
                "size": size,
                "threads": threads,
                **found._asdict(),
                "seconds": seconds,
                "others": others,
            }
        )
    return runs
