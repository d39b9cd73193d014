"""What the readers share: data and axes of a file, blocks on demand, errors, optional libraries."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from .._axes import Axis
from .._errors import FileError
from .._typing import HostArray

MOST_LISTED = 20
"""Names of data sets in one message."""


@dataclass(frozen=True, slots=True)
class Opened:
    """What a reader found in a file.

    Parameters
    ----------
    array : array
        In memory, or anything that slices.
    library : str
        Name and version of the library that read it.
    axes : str, optional
        Names of its axes as for `unmix.open`; None where the file says nothing.
    scales : mapping
        Position of an axis -> its coordinates and unit (its name is not used); others have none.
    beside : mapping
        Coordinates that lie beside the data, by the name of the axis that they may belong to: of
        one that has this name and size, and no scale.
    """

    array: Any
    library: str
    axes: str | None = None
    scales: Mapping[int, Axis] = field(default_factory=dict)
    beside: Mapping[str, Axis] = field(default_factory=dict)


class FileArray:
    """Data in an open file that slices like an array: every block is read when it is asked for.

    Parameters
    ----------
    path, kind : Path and str
        The file and what it should be, for messages.
    shape, dtype
        Of the whole.
    read : callable
        Takes a tuple of slices and returns the block. Several threads may call it at once.
    chunks : tuple of int, optional
        Sizes along all axes in which the data is stored.
    packed : bool
        Whether the file holds something else than the values themselves, from which they are made.
    close : callable, optional
        Called when nobody holds this object any more.
    """

    __slots__ = ("__weakref__", "_read", "chunks", "dtype", "kind", "packed", "path", "shape")

    def __init__(
        self,
        path: Path,
        kind: str,
        shape: tuple[int, ...],
        dtype: Any,
        read: Callable[[Any], Any],
        *,
        chunks: tuple[int, ...] | None = None,
        packed: bool = True,
        close: Callable[[], Any] | None = None,
    ) -> None:
        self.path, self.kind, self.chunks = path, kind, chunks
        self.shape, self.dtype = shape, np.dtype(dtype)
        self.packed, self._read = packed, read
        if close is not None:
            weakref.finalize(self, close)

    def __repr__(self) -> str:
        """Return file, shape and dtype."""
        return f"<{self.path.name}: {' x '.join(map(str, self.shape))}, {self.dtype}>"

    def __getitem__(self, key: Any) -> HostArray:
        """Read a block."""
        try:
            return np.asarray(self._read(key))
        except FileError:
            raise
        except Exception as error:  # whatever a third party's decoder raises
            raise unreadable(self.path, self.kind, error) from error


def unreadable(path: Path, kind: str, error: BaseException | str) -> FileError:
    """Return the error for a file that a reader gave up on."""
    reason = " ".join(str(error).split()) or type(error).__name__
    return FileError(
        f"cannot read {path} as {kind}: {reason.rstrip('.')}; expected a whole file of that kind: "
        "it may be truncated, damaged, or of another kind than its name says; copy or export it "
        "again"
    )


def library(name: str, *, distribution: str | None = None) -> tuple[ModuleType, str]:
    """Import an optional library; also return its name and version."""
    distribution = distribution or name
    try:
        module = import_module(name)
    except ImportError:
        raise FileError(
            f"reading this file needs {distribution}, which is not installed: "
            'pip install "unmix[io]"'
        ) from None
    return module, f"{distribution} {getattr(module, '__version__', '')}".strip()


def choose(path: Path, name: str | None, found: Mapping[str, tuple[int, ...]]) -> str:
    """Return the name of the one data set to read, of those ``found`` (name -> shape).

    Parameters
    ----------
    path : Path
        The file, for messages.
    name : str, optional
        What the user asked for. Default: the only one, or the only one with at least two axes.
    found : mapping
        All numeric data sets.
    """
    if name is not None:
        if name in found:
            return name
        raise FileError(f"there is no data set {name!r} in {path}; {_listed(path, found)}")
    candidates = {k: shape for k, shape in found.items() if len(shape) > 1}
    candidates = candidates or (dict(found) if len(found) == 1 else {})
    if len(candidates) == 1:
        return next(iter(candidates))
    many = f"{len(candidates)} data sets" if candidates else "no data set"
    raise FileError(
        f"{path} holds {many} with two or more axes; expected one: "
        f"{_listed(path, candidates or found)}"
    )


def _listed(path: Path, found: Mapping[str, tuple[int, ...]]) -> str:
    if not found:
        return "there are no numbers in it"
    names = [f"{k} ({' x '.join(map(str, shape))})" for k, shape in found.items()]
    more = f" and {len(names) - MOST_LISTED} more" if len(names) > MOST_LISTED else ""
    first = next(iter(found))
    call = f"unmix.open('{path}::{first}')"
    return f"name one after two colons, as in {call}, of {', '.join(names[:MOST_LISTED])}{more}"
