"""Tiles side by side in threads, each with one BLAS thread; files are read ahead."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, nullcontext
from typing import TYPE_CHECKING, Any

from .. import config
from .._arrays import is_numpy
from .._sources import ArraySource, Source
from .._typing import Namespace, Slices
from ..host._blas import one_blas_thread
from .work import Work, asked_of_leaf, moved_on, progress, reduce_tree

if TYPE_CHECKING:
    from .._samples import Samples


def run(work: Work, leaf: Source, workers: int | None, label: str) -> Any:
    """Run a pass in threads of this process, and return the one part that is left."""
    samples = work.samples
    workers = default_workers(samples.xp) if workers is None else workers
    workers = min(workers, config.tiles_in_flight())
    plan = work.plan()
    loaded = isinstance(leaf, ArraySource) and leaf.in_memory
    step = (lambda w: work.run(samples.tile(w))) if loaded else _read_ahead(work, leaf, workers)
    threads = workers if loaded else workers + 1
    with (
        single_threaded(samples),
        progress(len(plan), label) as moved,
        closing(in_order(step, plan, threads)) as parts,
    ):
        return reduce_tree(moved_on(parts, moved), work.merged)


def _read_ahead(work: Work, leaf: Source, workers: int) -> Callable[[Slices], Any]:
    """Read in one thread more than compute: the next tile is read while this one is computed."""
    asked = asked_of_leaf(work.samples)
    computing = threading.Semaphore(workers)

    def step(where: Slices) -> Any:
        rows = leaf.read(*asked(where))
        with computing:
            return work.run(work.tile(where, rows, leaf))

    return step


def default_workers(xp: Namespace) -> int:
    """Return the number of processors for NumPy's arrays, and one for any other namespace."""
    if not is_numpy(xp):
        return 1
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def in_order(
    run: Callable[[Slices], Any], plan: list[Slices], threads: int
) -> Generator[Any, None, None]:
    """Yield ``run(where)`` for each block in turn, a few ahead of the one that is asked for."""
    if threads <= 1 or len(plan) == 1:
        yield from map(run, plan)
        return
    pool = ThreadPoolExecutor(threads)
    waiting: deque[Any] = deque()
    try:
        for where in plan:
            waiting.append(pool.submit(run, where))
            if len(waiting) > threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        # after an error or an interrupt nothing is started any more, and no thread is left behind
        pool.shutdown(wait=True, cancel_futures=True)


def single_threaded(samples: Samples) -> AbstractContextManager[Any]:
    """Give each tile one BLAS thread: two tiles side by side beat one with two threads."""
    return one_blas_thread() if is_numpy(samples.xp) else nullcontext()
