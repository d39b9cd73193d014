"""Files as dask arrays: every worker opens the file itself, when it reads its first chunk."""

from __future__ import annotations

import threading
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from .._errors import FileError, ParameterError
from .._typing import Array, HostArray
from ._opened import Opened

Reader = Callable[[Path, str | None], Opened]


class FileOnDemand:
    """Data of a file that slices like an array and can be sent anywhere: the file stays behind.

    Parameters
    ----------
    reader : callable
        Opens the file.
    file, name : Path and str
        The file, under a path that holds on every worker, and the data set in it.
    array : array
        What the reader found in it here.
    """

    def __init__(self, reader: Reader, file: Path, name: str | None, array: Any) -> None:
        self.reader, self.file, self.name = reader, file, name
        self.shape, self.dtype = tuple(array.shape), np.dtype(array.dtype)
        self.ndim, self.chunks = len(self.shape), getattr(array, "chunks", None)
        self._array, self._lock = array, threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        """Leave behind what is open."""
        return {**self.__dict__, "_array": None, "_lock": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take what was sent."""
        self.__dict__.update(state, _lock=threading.Lock())

    def __getitem__(self, key: Any) -> HostArray:
        """Read a block."""
        with self._lock:
            if self._array is None:
                self._array = self.reader(self.file, self.name).array
        return np.asarray(self._array[key])


def in_chunks(reader: Reader, file: Path, name: str | None, array: Any, chunks: Any) -> Array:
    """Return the data of an open file as a dask array, whose name is that of the file's state."""
    try:
        da, tokenize = import_module("dask.array"), import_module("dask.base").tokenize
    except ImportError:
        raise FileError(
            'chunks= needs dask, which is not installed: pip install "unmix[dask]", or leave '
            "chunks out to read block by block here"
        ) from None
    file = file.resolve()
    state = file.stat()
    data = FileOnDemand(reader, file, name, array)
    meta = np.empty((0,) * data.ndim, data.dtype)
    token = tokenize(str(file), name, state.st_size, state.st_mtime_ns)
    try:
        return da.from_array(data, chunks, name=f"open-{token}", meta=meta)
    except (ValueError, TypeError, NotImplementedError) as error:
        raise ParameterError(
            f"chunks is {chunks!r}, which dask does not take for an array of {data.shape} "
            f"({error}); expected 'auto', a size, or sizes for each axis"
        ) from None
