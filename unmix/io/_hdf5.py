"""HDF5: one data set, read block by block."""

from __future__ import annotations

import contextlib
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from .._axes import Axis
from .._errors import FileError
from ._opened import FileArray, Opened, choose, library, unreadable

CHUNK_CACHE = 32 << 20
"""Bytes of unpacked chunks that are kept: what neighbouring blocks share is unpacked once."""

CACHE_SLOTS = 10_007


def read_hdf5(path: Path, name: str | None) -> Opened:
    """Open one data set; the file stays open for as long as somebody holds the samples."""
    h5py, version = library("h5py")
    with contextlib.suppress(ImportError):
        import_module("hdf5plugin")  # more compressions, where it is installed
    try:
        file = h5py.File(path, "r", rdcc_nbytes=CHUNK_CACHE, rdcc_nslots=CACHE_SLOTS)
    except (OSError, RuntimeError) as error:
        raise unreadable(path, "an HDF5 file", error) from error
    try:
        dataset = file[choose(path, name, _numeric(h5py, file, name))]
        array = FileArray(
            path,
            "an HDF5 file",
            dataset.shape,
            dataset.dtype,
            dataset.__getitem__,
            chunks=dataset.chunks,
            close=file.close,
        )
        return Opened(array, version, scales=_scales(dataset))
    except FileError:
        file.close()
        raise
    except Exception as error:  # damage inside of the file shows anywhere
        file.close()
        raise unreadable(path, "an HDF5 file", error) from error


def _numeric(h5py: Any, file: Any, name: str | None) -> dict[str, tuple[int, ...]]:
    """Find all data sets of numbers, and the named one also where a link leads to it."""
    found: dict[str, tuple[int, ...]] = {}

    def visit(path: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and item.shape and item.dtype.kind in "iufcb":
            found[path] = tuple(item.shape)

    if name:
        visit(name, file.get(name))
        if found:
            return found
    file.visititems(lambda path, item: visit(f"/{path}", item))
    return found


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
