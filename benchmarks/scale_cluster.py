"""Weak and strong scaling on a Dask LocalCluster with one and two workers."""

from __future__ import annotations

import operator
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

import unmix as um

from .peers_patterns import AS_PEERS, patterns
from .scale_measure import COLUMNS, timed
from .scale_model import CHUNK, ENTRY, FEATURES, Cluster, K

NOTHING = 1000
"""Tasks that do nothing, to time the scheduler."""


@contextmanager
def cluster(workers: int) -> Iterator[Any]:
    """Start workers of one thread, each a process, and end them."""
    from distributed import Client, LocalCluster

    with (
        LocalCluster(
            n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=None
        ) as local,
        Client(local) as client,
    ):
        yield client


def block(block_info: Any = None) -> Any:
    """Return the counts of one chunk of the scan."""
    start, stop = block_info[None]["array-location"][0]
    return patterns(COLUMNS, 128, slice(start, stop), np.dtype(np.uint16))


def stack(size: float) -> Any:
    """Return a dask array of about ``size`` bytes, held by the workers."""
    import dask.array as da
    from distributed import wait

    row = COLUMNS * FEATURES * ENTRY
    per_chunk = max(1, round(CHUNK / row / 4))
    rows = max(1, round(size / row / per_chunk)) * per_chunk
    chunks = ((per_chunk,) * (rows // per_chunk), COLUMNS, 128, 128)
    made = da.map_blocks(block, chunks=chunks, dtype=np.uint16, meta=np.empty((0,) * 4, np.uint16))
    made = made.persist()
    wait(made)
    return made


def seconds(size: float, workers: int) -> float:
    """Seconds of the analysis of data that the workers hold."""
    with cluster(workers):
        data = stack(size)
        return timed(lambda: um.pca(um.samples(data, 2), K, loss=AS_PEERS))


def scheduler(workers: int) -> float:
    """Seconds per task that does nothing."""
    with cluster(workers) as client:
        client.gather(client.map(operator.neg, range(10)))
        began = time.perf_counter()
        client.gather(client.map(operator.neg, range(10, 10 + NOTHING)))
        return (time.perf_counter() - began) / NOTHING


def constants() -> Cluster:
    """Measure what tasks cost."""
    return Cluster(task=scheduler(1), scheduler=1 / scheduler(2))


def scaling(size: float) -> dict[str, float]:
    """Seconds of ``size`` bytes on one and two workers, and of half of it on one."""
    return {"one": seconds(size, 1), "two": seconds(size, 2), "half": seconds(size / 2, 1)}
