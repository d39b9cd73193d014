"""Arrays in files that are too large for memory: new ones, whole or not at all, and memory maps."""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from . import config
from ._axes import Axis
from ._errors import FileError
from ._typing import HostArray
from ._write import new_file, new_folder

Order = Literal["C", "F"]

DATA = "data"
"""Name of the array in a zarr group, beside the coordinates of its axes."""


@contextmanager
def new_array(
    path: Path, dtype: Any, axes: tuple[Axis, ...], n_map: int, chunks: tuple[int, ...]
) -> Iterator[Any]:
    """Write an array block by block; it gets its name when all of it is there.

    Parameters
    ----------
    path : Path
        ``.npy``, or ``.zarr``, which holds the axes too.
    dtype : dtype
        NumPy's.
    axes : tuple of Axis
        Map axes and descriptor axes.
    n_map : int
        Number of map axes.
    chunks : tuple of int
        Of ``.zarr``: blocks that are written at a time must hold whole chunks.
    """
    if path.exists():
        raise FileError(f"{path} is there already; expected the name of a new file")
    shape = tuple(a.size for a in axes)
    if path.suffix == ".npy":
        with new_file(path) as stream:
            header = np.lib.format.header_data_from_array_1_0(np.empty(0, dtype))
            np.lib.format.write_array_header_2_0(stream, {**header, "shape": shape})
            yield _mapped(stream, dtype, shape)
    elif path.suffix == ".zarr":
        with new_folder(path) as folder:
            yield _zarr_array(folder, dtype, axes, n_map, chunks)
    else:
        raise FileError(f"out is {path}; expected a name that ends in .npy or .zarr")


def _mapped(stream: Any, dtype: Any, shape: tuple[int, ...]) -> MappedBlocks:
    start, size = stream.tell(), int(np.prod(shape)) * np.dtype(dtype).itemsize
    stream.truncate(start + size)
    if hasattr(os, "posix_fallocate"):  # a full disk is an error now, and no bus error later
        os.posix_fallocate(stream.fileno(), 0, start + size)
    stream.flush()
    return MappedBlocks(stream, np.dtype(dtype), shape, start, mode="r+")


def _zarr_array(
    folder: Path, dtype: Any, axes: tuple[Axis, ...], n_map: int, chunks: tuple[int, ...]
) -> Any:
    try:
        import zarr
    except ImportError:
        raise FileError(
            'a .zarr file needs zarr, which is not installed: pip install "unmix[io]"'
        ) from None
    group = zarr.open_group(str(folder), mode="a")
    for axis in axes:
        values = group.create_array(axis.name, data=axis.values, dimension_names=[axis.name])
        values.attrs["units"] = axis.units
    names = [a.name for a in axes]
    array = group.create_array(
        DATA,
        shape=tuple(a.size for a in axes),
        chunks=chunks,
        dtype=dtype,
        compressors=None,  # noise does not shrink
        dimension_names=names,
    )
    parts = [" ".join(names[:n_map]), " ".join(names[n_map:])]
    array.attrs["axes"] = " | ".join(p for p in parts if p)
    return array


def stored(path: Path) -> Any:
    """Return what `new_array` wrote, to be read block by block."""
    if path.suffix == ".npy":
        return bounded(np.load(path, mmap_mode="r"))
    import zarr

    return zarr.open_group(str(path), mode="r")[DATA]


def bounded(mapped: np.memmap[Any, Any]) -> Any:
    """Return a memory map of a file, or what slices like it where the budget has no room for all.

    Pages of a map count as the process' memory for as long as it is there.
    """
    if mapped.nbytes <= config.current_budget():
        return mapped
    file = Path(str(mapped.filename)).open("rb")  # noqa: SIM115 - for every block
    order: Order = "C" if mapped.flags.c_contiguous else "F"
    blocks = MappedBlocks(file, mapped.dtype, mapped.shape, mapped.offset, order=order)
    weakref.finalize(blocks, file.close)
    return blocks


class MappedBlocks:
    """An array in an open file, of which each block is mapped for itself and copied."""

    __slots__ = ("__weakref__", "_map", "dtype", "shape")

    packed = False

    def __init__(
        self,
        file: Any,
        dtype: np.dtype[Any],
        shape: tuple[int, ...],
        offset: int,
        *,
        order: Order = "C",
        mode: Literal["r", "r+"] = "r",
    ) -> None:
        self.shape, self.dtype = shape, dtype
        self._map = partial(np.memmap, file, dtype, mode, offset, shape, order)

    def __getitem__(self, key: Any) -> HostArray:
        """Read a block."""
        return np.array(self._map()[key])

    def __setitem__(self, key: Any, block: HostArray) -> None:
        """Write a block."""
        self._map()[key] = block
