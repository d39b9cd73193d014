"""The one loop over tiles in the library.

Every decomposition is a fold: it says what one tile adds (``update``) and how two parts become one
(``merge``). Parts are merged in the order of the tiles as a fixed tree, so that neither the number
of threads nor their order changes a bit.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, nullcontext
from functools import cache
from typing import TYPE_CHECKING, Any

from . import config
from ._arrays import device_of, is_numpy
from ._errors import BackendError
from ._sources import empty_like
from ._tiles import read_rows, write_rows
from ._typing import Array, HostArray, Slices

if TYPE_CHECKING:
    from ._samples import Samples


def fold(
    samples: Samples,
    update: Callable[..., Any],
    merge: Callable[[Any, Any], Any] | None = None,
    *,
    state: tuple[Any, ...] = (),
    out: Array | None = None,
    width: int = 0,
    workers: int | None = None,
    label: str | None = None,
) -> tuple[Any, Array | None]:
    """Pass over all tiles of ``samples`` once.

    Parameters
    ----------
    samples : Samples
        The table.
    update : callable
        ``update(tile, previous, *state)`` returns the tile's part, or ``(part, rows)`` where
        ``out`` is given. ``previous`` holds the tile's rows of ``out``, or None.
    merge : callable, optional
        Makes one part of two; the first may be changed in place. Not needed where parts are None.
    state : tuple
        What this pass needs: centres, directions.
    out : array, optional
        Shape (*map_shape, width): rows are written here in place.
    width : int
        How many numbers ``update`` makes of each sample, where these are more than its features:
        tiles are cut smaller for it.
    workers : int, optional
        Tiles in flight, as far as the budget has room. Default: the processors for NumPy, one for
        other namespaces. Each tile is computed by one thread, and no number changes a bit.
    label : str, optional
        What a progress bar says when the pass takes over a second.

    Returns
    -------
    merged, out
        The one part that is left (None where there were none), and ``out``.
    """
    if not hasattr(samples, "source"):
        raise BackendError(
            f"expected Samples, but got {type(samples).__name__}; make them of an array with "
            "unmix.samples(array, map_axes)"
        )
    samples.source.prepare()
    workers = default_workers(samples) if workers is None else workers
    workers = min(workers, config.tiles_in_flight())
    plan = samples.plan(width)

    def run(where: Slices) -> Any:
        tile = samples.tile(where)
        if out is None:
            return update(tile, None, *state)
        part, rows = update(tile, read_rows(out, tile), *state)
        write_rows(out, tile, rows)
        return part

    with single_threaded(samples), closing(in_order(run, plan, workers)) as parts:
        return reduce_tree(with_progress(parts, len(plan), label), merge), out


def default_workers(samples: Samples) -> int:
    """Return the number of processors for NumPy's arrays, and one for any other namespace."""
    if not is_numpy(samples.xp):
        return 1
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def in_order(
    run: Callable[[Slices], Any], plan: list[Slices], workers: int
) -> Generator[Any, None, None]:
    """Yield ``run(where)`` for each block in turn, a few ahead of the one that is asked for."""
    if workers <= 1 or len(plan) == 1:
        yield from map(run, plan)
        return
    pool = ThreadPoolExecutor(workers)
    waiting: deque[Any] = deque()
    try:
        for where in plan:
            waiting.append(pool.submit(run, where))
            if len(waiting) > workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        # after an error or an interrupt nothing is started any more, and no thread is left behind
        pool.shutdown(wait=True, cancel_futures=True)


def reduce_tree(parts: Iterable[Any], merge: Callable[[Any, Any], Any] | None) -> Any:
    """Merge parts as a binary tree: 1 with 2, 3 with 4, and then those; few are alive at a time."""
    stack: list[tuple[int, Any]] = []
    for new in parts:
        level, part = 0, new
        if merge is None or part is None:
            continue
        while stack and stack[-1][0] == level:
            part = merge(stack.pop()[1], part)
            level += 1
        stack.append((level, part))
    if not stack or merge is None:
        return None
    total = stack.pop()[1]
    while stack:
        total = merge(stack.pop()[1], total)
    return total


def map_rows(
    samples: Samples,
    function: Callable[[Array], Array],
    width: int,
    *,
    dtype: Any = None,
    fill: float = float("nan"),
    label: str | None = None,
) -> Array:
    """Apply a function (b, n_features) -> (b, width) to every sample.

    Returns
    -------
    array
        Shape (*map_shape, width); ``fill`` for samples that are left out.
    """
    like, shape = samples.source.like, (*samples.layout.map_shape, width)
    dtype = dtype or samples.dtype
    if samples.layout.mask is None:  # every row is written: filling first would touch it twice
        out = samples.xp.empty(shape, dtype=dtype, device=device_of(like))
    else:
        out = empty_like(like, shape, fill, dtype)
    fold(samples, lambda tile, _: (None, function(tile.rows)), out=out, label=label)
    return out


def single_threaded(samples: Samples) -> AbstractContextManager[Any]:
    """Give each tile one BLAS thread: two tiles side by side beat one with two threads."""
    if not is_numpy(samples.xp):
        return nullcontext()
    controller: AbstractContextManager[Any] = _controller().limit(limits=1, user_api="blas")
    return controller


@cache
def _controller() -> Any:
    from threadpoolctl import ThreadpoolController  # scans all loaded libraries: some milliseconds

    return ThreadpoolController()


def with_progress(parts: Iterable[Any], total: int, label: str | None) -> Iterable[Any]:
    """Show a bar for passes of over a second, on a terminal only."""
    if label is None or total < 4:
        return parts
    from tqdm import tqdm

    bar: Iterable[Any] = tqdm(parts, total=total, desc=label, delay=1, disable=None, leave=False)
    return bar


def all_numbers(samples: Samples) -> HostArray:
    """Numbers of all samples that take part, in the whole map, ascending."""
    return samples.layout.numbers(tuple(slice(0, n) for n in samples.layout.map_shape))
