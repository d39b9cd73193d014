"""Dask: a task for each tile, and merges of their parts as a tree of tasks.

Dask alone says where they run: in threads or processes of this machine or on a cluster. A task that
is lost with its worker is run again, from the same chunks and with the same state.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import config
from .._sources import ArraySource, Given, empty_like
from .._tiles import Tile, as_block, write_rows
from .._typing import Array, Slices
from ..host._blas import one_blas_thread
from .threads import single_threaded
from .work import Asked, Found, PerSample, Work, asked_of_leaf, progress, reduce_tree

if TYPE_CHECKING:
    from .._samples import Samples

SHARE = 0.5
"""Part of the workers' memory that a table may take: the rest is for work on it."""

LARGE = {"distributed.admin.large-graph-warning-threshold": "1 GiB"}
"""The state of a pass travels with its graph: unlike scattered data it outlives every worker."""


@dataclass(frozen=True, slots=True)
class Absent:
    """An array that is not sent, but for its shape: each task gets the part that it reads."""

    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Sent:
    """What all tasks of a pass share: the work and a leaf, without any array of the whole map."""

    work: Work
    leaf: ArraySource

    @classmethod
    def of(cls, work: Work, leaf: ArraySource) -> Sent:
        """Take from a pass what its tasks need."""
        nothing = Given(None, leaf.like, leaf.weighted)
        samples = replace(work.samples, source=work.samples.source.rebuilt(lambda _: nothing))
        state = tuple(PerSample(None) if isinstance(s, PerSample) else s for s in work.state)
        out = None if work.out is None else work.out[:0, ...]
        absent = replace(leaf, array=Absent(leaf.array.shape))
        return cls(replace(work, samples=samples, state=state, out=out), absent)

    def compute(
        self, where: Slices, asked: Asked, previous: Array | None, beside: list[Array], part: Array
    ) -> Found:
        """Return what a tile adds, and its rows, from its part of the array."""
        with one_blas_thread():
            rows = self.leaf.rows_of(part, *asked)
            return self.work.compute(self.work.tile(where, rows, self.leaf), previous, beside)

    def merge(self, a: Found, b: Found) -> Found:
        """Merge two parts; Dask may hold on to the first, which a merge may change."""
        return self.work.merged(deepcopy(a[0]), b[0]), None


def run(work: Work, leaf: ArraySource, label: str) -> Any:
    """Run a pass as tasks of Dask, and return the one part that is left."""
    import dask

    tiles = [work.place(where) for where in work.plan()]
    sent, found = tile_tasks(work, leaf, tiles)
    merge = dask.delayed(_merge)
    root = reduce_tree(found, lambda a, b: merge(sent, a, b))

    def done(number: int, rows: Array | None) -> None:
        if work.out is not None:
            write_rows(work.out, tiles[number], rows)
        moved()

    client = cluster()
    with (
        single_threaded(work.samples),
        progress(len(tiles), label) as moved,
        dask.config.set(LARGE),
    ):
        if client is None:
            return _in_this_process(root, found, done)
        rows = dask.delayed(_rows)
        return _on_cluster(client, root, [rows(f) for f in found], done)


def tile_tasks(work: Work, leaf: ArraySource, tiles: list[Tile]) -> tuple[Any, list[Any]]:
    """Return what the tasks share, as one of them, and a task for each tile."""
    import dask

    sent = dask.delayed(Sent.of(work, leaf), traverse=False)
    asked, sees = asked_of_leaf(work.samples), _sees_previous(work.update)
    (array,) = dask.optimize(leaf.array)
    tasks = []
    for tile in tiles:
        block = asked(tile.where)
        part = array[leaf.place(block[0])]
        # in one chunk; graphs that are not optimised one by one share the chunks that they read
        (one,) = part.rechunk(part.shape).to_delayed(optimize_graph=False).ravel()
        previous = work.previous(tile) if sees else None
        own = partial(_compute, tile.where, block, previous, work.beside(tile))
        tasks.append(dask.delayed(own)(sent, one))
    return sent, tasks


def _compute(
    where: Slices,
    asked: Asked,
    previous: Array | None,
    beside: list[Array],
    sent: Sent,
    part: Array,
) -> Found:
    return sent.compute(where, asked, previous, beside, part)


def _merge(sent: Sent, a: Found, b: Found) -> Found:
    return sent.merge(a, b)


def _rows(found: Found) -> Array | None:
    return found[1]


def _sees_previous(update: Callable[..., Any]) -> bool:
    """Tell whether an update reads the rows of the previous pass: an unused parameter is ``_``."""
    return list(inspect.signature(update).parameters)[1] != "_"


def _in_this_process(root: Any, found: list[Any], done: Callable[[int, Any], None]) -> Any:
    """Compute with the scheduler of this process that Dask is set to."""
    from dask.callbacks import Callback

    numbers = {task.key: i for i, task in enumerate(found)}

    def note(key: Any, result: Any, *_: Any) -> None:
        if key in numbers:
            done(numbers[key], result[1])

    with Callback(posttask=note):
        return root.compute()[0]


def _on_cluster(client: Any, root: Any, ticks: list[Any], done: Callable[[int, Any], None]) -> Any:
    """Compute on a cluster; rows are fetched and let go as they come."""
    from distributed import as_completed

    whole, *futures = client.compute([root, *ticks])
    waiting = {future.key: (i, future) for i, future in enumerate(futures)}
    coming = as_completed(futures)
    del futures
    try:
        for future in coming:
            done(waiting[future.key][0], future.result())
            del waiting[future.key]
            future.release()
        return whole.result()[0]
    except BaseException:
        client.cancel([whole, *(future for _, future in waiting.values())], force=True)
        raise


def cluster() -> Any:
    """Return the client of the cluster that Dask computes on, or None for this process."""
    from dask.base import get_scheduler

    client = getattr(get_scheduler(), "__self__", None)
    return client if hasattr(client, "scheduler_info") else None


def kept(samples: Samples, leaf: ArraySource) -> Array:
    """Compute a table and leave it on the workers: (*map_shape, n_features), a chunk for a tile."""
    import dask
    import dask.array as da

    whole = replace(samples, layout=replace(samples.layout, mask=None)).plan()
    samples.source.prepare()
    work = Work(samples, lambda tile, _: as_block(tile), None, (), None)
    tiles = [work.place(where) for where in whole]
    _, found = tile_tasks(work, leaf, tiles)
    n, like = samples.layout.n_features, samples.source.like
    meta = empty_like(like, (0,) * (len(samples.layout.map_shape) + 1), 0, samples.dtype)
    blocks = np.empty(len(found), dtype=object)
    for i, (tile, task) in enumerate(zip(tiles, found, strict=True)):
        shape = tuple(s.stop - s.start for s in tile.where)
        blocks[i] = da.from_delayed(task[0], (*shape, n), meta=meta)
    counts = [len({where[axis].start for where in whole}) for axis in range(len(whole[0]))]
    with single_threaded(samples), dask.config.set(LARGE):
        return da.block(blocks.reshape(*counts, 1).tolist()).persist()


def kept_if_workers_hold_it(samples: Samples, leaf: ArraySource, passes: int) -> Samples:
    """Keep the table, or else the array that it is made of, where there is room on the workers.

    Where there is none, warn of what ``passes`` passes cost.
    """
    array, room = leaf.array, _room()
    if _is_held(array) and samples.source is leaf:
        return samples
    size = np.prod(samples.layout.map_shape) * samples.layout.n_features
    if size * np.dtype(str(samples.dtype)).itemsize <= room:
        return samples.keep()
    if _is_held(array):
        return samples
    if array.nbytes <= room:
        persisted = replace(leaf, array=array.persist())
        return replace(samples, source=samples.source.rebuilt(lambda _: persisted))
    warnings.warn(
        f"the dask array of {_gib(array.nbytes)} does not fit in the {_gib(room)} that its workers "
        f"may keep of it: each of up to {passes} passes computes all of it again, by "
        f"{len(dict(array.__dask_graph__()))} tasks; give it more workers or "
        "unmix.config.memory_budget more bytes, or store it as zarr or HDF5 where it is cheap to "
        "read",
        stacklevel=5,
    )
    return samples


def _room() -> float:
    """Return the bytes that tables may take where Dask computes."""
    client = cluster()
    if client is None:
        return config.current_budget()
    workers = client.scheduler_info()["workers"].values()
    return SHARE * sum(w["memory_limit"] or config.current_budget() for w in workers)


def _is_held(array: Any) -> bool:
    """Tell whether the chunks of a dask array lie where they are computed, ready to be used."""
    ready = "shape" if cluster() is None else "client"  # an array, or a future
    return all(hasattr(value, ready) for value in dict(array.__dask_graph__()).values())


def _gib(nbytes: float) -> str:
    return f"{nbytes / 2**30:.3g} GiB"
