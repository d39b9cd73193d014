"""HDF5: one data set, read block by block."""

from __future__ import annotations

import contextlib
import itertools
import zlib
from collections.abc import Callable
from functools import partial
from importlib import import_module
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from .._axes import Axis
from .._chunks import pieces
from .._errors import FileError
from .._typing import HostArray
from ._opened import FileArray, Opened, choose, library, unreadable
from ._usid import grids, is_main, read_block

UNPACKED = ({"gzip"}, {"gzip", "shuffle"})
"""Filters that are undone here, by any number of threads; HDF5's own library lets in only one."""


def read_hdf5(path: Path, name: str | None) -> Opened:
    """Open one data set; the file stays open for as long as somebody holds the samples."""
    h5py, version = library("h5py")
    with contextlib.suppress(ImportError):
        import_module("hdf5plugin")  # more compressions, where it is installed
    try:
        file = h5py.File(path, "r", rdcc_nbytes=0)  # shared chunks are kept by who reads
    except (OSError, RuntimeError) as error:
        raise unreadable(path, "an HDF5 file", error) from error
    try:
        dataset = file[choose(path, name, _numeric(h5py, file, name))]
        if is_main(dataset):
            return _opened_grid(path, file, dataset, version)
        array = FileArray(
            path,
            "an HDF5 file",
            dataset.shape,
            dataset.dtype,
            _reader(dataset),
            chunks=dataset.chunks,
            packed=bool(_filters(dataset)),
            close=file.close,
        )
        return Opened(array, version, scales=_scales(dataset))
    except FileError:
        file.close()
        raise
    except Exception as error:  # damage inside of the file shows anywhere
        file.close()
        raise unreadable(path, "an HDF5 file", error) from error


def _opened_grid(path: Path, file: Any, dataset: Any, version: str) -> Opened:
    """Open a data set of positions by values as the grid that it is."""
    positions, within = grids(file, dataset)
    axes = positions + within
    shape = tuple(a.size for a in axes)
    read = partial(read_block, dataset, shape, len(positions))
    array = FileArray(path, "a USID file", shape, dataset.dtype, read, close=file.close)
    names = [" ".join(a.name for a in part) for part in (positions, within) if part]
    plain = len({a.name for a in axes}) == len(axes)
    return Opened(array, version, " | ".join(names) if plain else None, dict(enumerate(axes)))


def _reader(dataset: Any) -> Callable[[Any], Any]:
    """Return the function that reads a block."""
    filters = _filters(dataset)
    if filters in UNPACKED:
        return partial(_inflated, dataset, "shuffle" in filters)
    read: Callable[[Any], Any] = dataset.__getitem__
    return read


def _filters(dataset: Any) -> set[str]:
    """Return the names of the filters that a data set's chunks went through."""
    plist = dataset.id.get_create_plist()
    known = {1: "gzip", 2: "shuffle"}  # HDF5's own numbers
    numbers = [plist.get_filter(i)[0] for i in range(plist.get_nfilters())]
    return {known.get(number, str(number)) for number in numbers}


def _inflated(dataset: Any, shuffled: bool, where: Any) -> HostArray:
    """Read a block chunk by chunk; nothing but the reading of packed bytes is one at a time."""
    along = [
        list(pieces(s, c, n)) for s, c, n in zip(where, dataset.chunks, dataset.shape, strict=True)
    ]
    out = np.empty([axis[-1][1].stop for axis in along], dataset.dtype)
    for chunk in itertools.product(*along):
        number, place, part, _ = zip(*chunk, strict=True)
        start = tuple(i * c for i, c in zip(number, dataset.chunks, strict=True))
        out[place] = _unpack(dataset, start, shuffled)[part]
    return out


def _unpack(dataset: Any, start: tuple[int, ...], shuffled: bool) -> HostArray:
    """Return one chunk, of full size also at the end of an axis."""
    ends = zip(start, dataset.chunks, dataset.shape, strict=True)
    try:
        skipped, raw = dataset.id.read_direct_chunk(start)
    except (OSError, RuntimeError):  # never written, or damaged: its own library knows
        skipped = 1
    if skipped:
        whole = tuple(slice(a, min(a + c, n)) for a, c, n in ends)
        return np.asarray(dataset[whole])
    size = dataset.dtype.itemsize
    unpacked = zlib.decompress(raw, bufsize=prod(dataset.chunks) * size)
    plain = np.frombuffer(unpacked, np.uint8)
    if shuffled:  # first bytes of all values, then second bytes
        plain = np.ascontiguousarray(plain.reshape(size, -1).T)
    chunk: HostArray = plain.view(dataset.dtype).reshape(dataset.chunks)
    return chunk


def _numeric(h5py: Any, file: Any, name: str | None) -> dict[str, tuple[int, ...]]:
    """Find all data sets of numbers, and the named one also where a link leads to it."""
    found: dict[str, tuple[int, ...]] = {}
    main: dict[str, tuple[int, ...]] = {}

    def visit(path: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and item.shape and item.dtype.kind in "iufcb":
            found[path] = tuple(item.shape)
            if is_main(item):
                main[path] = tuple(item.shape)

    if name:
        visit(name, file.get(name))
        if found:
            return found
    file.visititems(lambda path, item: visit(f"/{path}", item))
    return main or found  # the others are tables of its dimensions


def _scales(dataset: Any) -> dict[int, Axis]:
    """Read the dimension scales that are attached to axes."""
    scales = {}
    for i, (dimension, n) in enumerate(zip(dataset.dims, dataset.shape, strict=True)):
        if not len(dimension) or dimension[0].shape != (n,) or dimension[0].dtype.kind not in "iuf":
            continue
        values = np.asarray(dimension[0][()], dtype=np.float64)
        units = dimension[0].attrs.get("units", "")
        units = units.decode() if isinstance(units, bytes) else str(units)
        if np.all(np.isfinite(values)):
            scales[i] = Axis("", values, units)
    return scales
