"""The one loop over tiles in the library.

Every decomposition is a fold: it says what one tile adds (``update``) and how two parts become one
(``merge``). Parts are merged in the order of the tiles as a fixed tree, so that neither the number
of threads or workers nor their order changes a bit. Who runs it depends on where the data lies.
"""

from __future__ import annotations

import math
import mmap
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np

from ._arrays import device_of, is_numpy
from ._errors import BackendError
from ._executors import threads
from ._executors.threads import single_threaded
from ._executors.work import PerSample, Work, leaf_of, reads_dask
from ._sources import Uploaded, empty_like
from ._typing import Array, HostArray

if TYPE_CHECKING:
    from ._samples import Samples

__all__ = ["PerSample", "all_numbers", "fold", "kept_rows", "map_rows", "single_threaded"]


def fold(
    samples: Samples,
    update: Callable[..., Any],
    merge: Callable[[Any, Any], Any] | None = None,
    *,
    state: tuple[Any, ...] = (),
    out: Array | None = None,
    width: int = 0,
    workers: int | None = None,
    label: str = "samples",
) -> tuple[Any, Array | None]:
    """Pass over all tiles of ``samples`` once.

    Parameters
    ----------
    samples : Samples
        The table. Arrays in memory and files are read by threads of this process, Dask's arrays by
        its tasks, and what was put `on` a GPU by streams of it.
    update : callable
        ``update(tile, previous, *state)`` returns the tile's part, or ``(part, rows)`` where
        ``out`` is given. ``previous`` holds the tile's rows of ``out``, or None. On a cluster it is
        sent to the workers: what it closes over is small, and arrays of the map go into ``state``.
        It is not sent ``previous`` where it names that parameter ``_``.
    merge : callable, optional
        Makes one part of two; the first may be changed in place. Not needed where parts are None.
    state : tuple
        What this pass needs: centres, directions; in place of a `PerSample` its rows of the tile.
    out : array, optional
        Shape (*map_shape, width): rows are written here in place.
    width : int
        How many numbers ``update`` makes of each sample, where these are more than its features:
        tiles are cut smaller for it.
    workers : int, optional
        Tiles in flight in this process, as far as the budget has room. Default: the processors for
        NumPy, one for other namespaces. Each tile is computed by one thread, and no number changes
        a bit. Dask and a GPU have workers of their own.
    label : str
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
    work, leaf = Work(samples, update, merge, state, out, width), leaf_of(samples.source)
    if isinstance(leaf, Uploaded):
        from ._executors import streams

        found = streams.run(work, leaf, label)
    elif reads_dask(leaf):
        from ._executors import tasks

        found = tasks.run(work, leaf, label)
    else:
        found = threads.run(work, leaf, workers, label)
    return (None if merge is None else found), out


def map_rows(
    samples: Samples,
    function: Callable[[Array], Array],
    width: int,
    *,
    dtype: Any = None,
    fill: float = float("nan"),
    label: str = "samples",
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


def kept_rows(samples: Samples) -> Array:
    """Compute all rows, (*map_shape, n_features); those of a dask array stay on its workers."""
    leaf = leaf_of(samples.source)
    if reads_dask(leaf):
        from ._executors import tasks

        return tasks.kept(samples, leaf)
    shape = (*samples.layout.map_shape, samples.layout.n_features)
    if samples.layout.mask is not None and is_numpy(samples.xp):
        out = _sparse(shape, np.dtype(samples.dtype))
    else:
        out = samples.xp.empty(shape, dtype=samples.dtype, device=device_of(samples.source.like))
    fold(samples, lambda tile, _: (None, tile.rows), out=out, label="keeping samples")
    return out


def _sparse(shape: tuple[int, ...], dtype: np.dtype[Any]) -> HostArray:
    """Return an array that takes memory where it is written: a part of a large map can be kept.

    NumPy asks for pages of 2 MB, of which a few rows here and there fill a multiple of themselves.
    """
    memory = mmap.mmap(-1, math.prod(shape) * dtype.itemsize)
    if hasattr(mmap, "MADV_NOHUGEPAGE"):
        with suppress(OSError):  # a kernel without large pages
            memory.madvise(mmap.MADV_NOHUGEPAGE)
    return np.frombuffer(memory, dtype).reshape(shape)


def all_numbers(samples: Samples) -> HostArray:
    """Numbers of all samples that take part, in the whole map, ascending."""
    return samples.layout.numbers(tuple(slice(0, n) for n in samples.layout.map_shape))
