"""A GPU's streams: while one tile is computed, the next is read and copied to the device."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from functools import partial
from typing import Any

import numpy as np

from .._sources import ArraySource, Uploaded
from .._typing import HostArray, Slices
from ..cuda.uploads import Uploads
from .work import Asked, Work, asked_of_leaf, moved_on, progress, reduce_tree


def run(work: Work, leaf: Uploaded, label: str) -> Any:
    """Run a pass on streams of a GPU, and return the one part that is left."""
    plan = work.plan()
    asked = list(map(asked_of_leaf(work.samples), plan))
    capacity = max(_bytes_of(leaf.host, block) for block in asked)
    with (
        progress(len(plan), label) as moved,
        Uploads(leaf.like, capacity) as uploads,
        closing(_parts(work, leaf, plan, asked, uploads)) as parts,
    ):
        return reduce_tree(moved_on(parts, moved), work.merged)


def _parts(
    work: Work, leaf: Uploaded, plan: list[Slices], asked: list[Asked], uploads: Uploads
) -> Generator[Any, None, None]:
    """Yield what each tile adds; blocks are sent as far ahead as there are slots."""
    pool = ThreadPoolExecutor(1)
    waiting: deque[Future[None]] = deque()

    def send(number: int) -> None:
        if number < len(asked):
            read = partial(_rows_of, leaf.host, *asked[number])
            waiting.append(pool.submit(uploads.send, number, read))

    try:
        for number in range(uploads.slots):
            send(number)
        for number, where in enumerate(plan):
            waiting.popleft().result()
            rows = uploads.take(number)
            send(number + uploads.slots)
            yield work.run(work.tile(where, rows, leaf))
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _rows_of(host: ArraySource, *asked: Any) -> HostArray:
    """Read a block of the host's array in the byte order of the device."""
    rows = host.read(*asked)
    return np.asarray(rows, rows.dtype.newbyteorder("="))


def _bytes_of(host: ArraySource, asked: Asked) -> int:
    """Return how much memory a block takes as it is stored."""
    part = (len(range(n)[s]) for n, s in zip(host.array.shape, host.place(asked[0]), strict=True))
    return math.prod(part) * int(host.array.dtype.itemsize)
