"""What a principal component analysis of 4D-STEM costs on other machines, and at other sizes."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, log2

FEATURES = 128 * 128
K = 8
DIRECTIONS = K + 10
ENTRY = 2
"""Bytes of a count, uint16."""

LINK, HBM, FLOPS, CARD = 64e9, 3.35e12, 60e12, 64e9
"""Of one H100, from its data sheet: PCIe 5 one way, memory, float32; and data that it can hold."""

STORAGE, NETWORK, NODE = 20e9, 1.25e9, 16e9
"""Assumed: bytes/s of a shared file system, of a worker's network; data that a worker holds."""

CHUNK = 256e6
MOST_TASKS = 100_000
"""Tasks of a pass beyond which chunks are made larger."""


@dataclass(frozen=True)
class Constants:
    """What was measured on one machine. Rates are per second; _1 and _2 are threads."""

    read_1: float
    """Bytes of a file in the page cache that come as tiles."""
    read_2: float
    flops_1: float
    """Of a fused pass over tiles in memory."""
    flops_2: float
    disk: float
    """Bytes of a file that is not in the page cache."""
    tile: float
    """Seconds of a tile that holds next to nothing."""
    squares: float
    """Bytes per second of a pass that sums squares about a centre, one thread."""
    fixed: float
    """Seconds that do not depend on the size: orthonormal blocks, Rayleigh-Ritz."""
    merge: float
    """Seconds to make one part of two."""
    passes: float
    """Times that all bytes are read."""
    products: float
    """Times that all samples are multiplied: those that the passes start from are held."""
    tile_bytes: float
    """Bytes of a tile as the file has it."""
    extra: float
    """Peak of memory beside libraries, bytes."""
    memory: float
    """Of the machine, bytes."""


@dataclass(frozen=True)
class Cluster:
    """What was measured of a scheduler and its workers on one machine."""

    task: float
    """Seconds of a task that does nothing, with one worker."""
    scheduler: float
    """Tasks per second, with two."""


def flops(size: float, products: float) -> float:
    """Return the flop of all products with ``size`` bytes."""
    return size / ENTRY * 4 * DIRECTIONS * products


def part_bytes() -> float:
    """Return the bytes of what one tile adds to a pass: sums and products in float64."""
    return 8.0 * FEATURES * (DIRECTIONS + 1)


def local(c: Constants, size: float, threads: int) -> float:
    """Seconds on this machine.

    A pass takes its arithmetic and its share of reading, and no less than reading alone; what
    does not fit the page cache comes from the disk each time.
    """
    read, rate = (c.read_1, c.flops_1) if threads == 1 else (c.read_2, c.flops_2)
    computing = flops(size, c.products) / rate + size / c.squares / threads
    tiles = c.passes * ceil(size / c.tile_bytes) * c.tile / threads
    reading = c.passes * size / c.read_1 / threads
    alone = c.passes * size / read
    from_disk = c.passes * size / c.disk if size > c.memory / 2 else 0.0
    return max(reading + computing + tiles, alone, from_disk) + c.fixed


def on_cards(c: Constants, size: float, cards: int) -> float:
    """Seconds on GPUs, floors: what the cards hold crosses the link once, other data always."""
    fits = size <= cards * CARD
    crossing = min(cards * LINK, STORAGE if size > 1e12 else cards * LINK)
    link = (1 if fits else c.passes) * size / crossing
    memory = c.passes * size / (cards * HBM)
    arithmetic = flops(size, c.products) / (cards * FLOPS)
    return max(link, memory, arithmetic)


def chunks(size: float) -> int:
    """Return the number of tasks of a pass."""
    return ceil(size / max(CHUNK, size / MOST_TASKS))


def on_workers(c: Constants, d: Cluster, size: float, workers: int) -> float:
    """Seconds on Dask workers of one core: read once where they hold it, else in each pass."""
    tasks = c.passes * chunks(size)
    one = c.passes * size / c.read_1 + flops(size, c.products) / c.flops_1 + size / c.squares
    computing = one / workers
    scheduling = max(tasks / d.scheduler, tasks * d.task / workers)
    reading = (1 if size <= workers * NODE else c.passes) * size / STORAGE
    depth = ceil(log2(max(workers, 2)))
    merging = c.passes * depth * (c.merge + part_bytes() / NETWORK)
    return max(computing, scheduling, reading) + merging + c.fixed


def network(c: Constants, workers: int) -> float:
    """Bytes between workers in all: directions to each, and one part from each, in each pass."""
    return c.passes * workers * (part_bytes() + 8.0 * FEATURES * DIRECTIONS)


def worker_memory(c: Constants, size: float, workers: int) -> float:
    """Bytes of a worker: two chunks, parts on the way, and its share of data that is held."""
    held = size / workers if size <= workers * NODE else 0.0
    chunk = size / chunks(size)
    return held + 2 * chunk + (2 + log2(max(chunks(size), 2))) * part_bytes() + c.extra
