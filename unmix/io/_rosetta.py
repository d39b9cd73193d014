"""Whatever rosettasciio reads: Digital Micrograph, Velox, MRC, HyperSpy, blockfiles and others."""

from __future__ import annotations

import inspect
import warnings
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from .._axes import Axis
from .._errors import FileError
from ._opened import FileArray, Opened, choose, library, unreadable
from ._pictures import one_channel

REFUSED = {"netCDF": "its reader runs text of the file as code"}
"""Readers that are never called, and why."""

PREFERRED = ("MRC", "HSPY")
"""Where several readers take one extension, these come first."""

CHUNK = "8MiB"
"""Size of what is read at a time from files without chunks of their own."""

NAMES = {
    (0, 2): "y x",
    (1, 1): "site | bin",
    (1, 2): "frame y x",
    (2, 0): "y x",
    (2, 1): "scan_y scan_x | bin",
    (2, 2): "scan_y scan_x | det_y det_x",
    (3, 0): "frame y x",
    (3, 1): "frame scan_y scan_x | bin",
    (3, 2): "frame scan_y scan_x | det_y det_x",
}
"""Numbers of navigation and of signal axes -> our names."""


def readers(suffix: str) -> list[dict[str, Any]]:
    """Return the plugins that read an extension, the likeliest first; none without the library."""
    if find_spec("rsciio") is None:
        return []
    plugins: list[dict[str, Any]] = import_module("rsciio").IO_PLUGINS
    extension = suffix.removeprefix(".").lower()
    fitting = [p for p in plugins if extension in {e.lower() for e in p["file_extensions"]}]
    return sorted(fitting, key=lambda p: p["name"] not in PREFERRED)


def read_rosetta(path: Path, name: str | None) -> Opened:
    """Read one signal with the first reader of the extension that can."""
    _, version = library("rsciio", distribution="rosettasciio")
    failures, missing = [], []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # some readers forget to close the file
        for plugin in readers(path.suffix):
            if plugin["name"] in REFUSED:
                failures.append(f"{plugin['name']} files are refused, {REFUSED[plugin['name']]}")
                continue
            try:
                signals = _signals(plugin["api"], path)
            except ImportError as error:
                missing.append(str(error.name or error))
            except Exception as error:  # each reader fails in its own way
                failures.append(str(error) or type(error).__name__)
            else:
                return _opened(path, name, signals, f"{version} ({plugin['name']})")
    if missing and not failures:
        raise FileError(
            f"reading {path} needs {missing[0]}, which is not installed: pip install {missing[0]}"
        )
    raise unreadable(path, f"a {path.suffix} file", "; ".join(failures))


def _signals(api: str, path: Path) -> list[dict[str, Any]]:
    """Call a reader, lazily if it can be."""
    read = import_module(api).file_reader
    lazy = "lazy" in inspect.signature(read).parameters and find_spec("dask") is not None
    if not lazy:
        return list(read(str(path)))
    with import_module("dask").config.set({"array.chunk-size": CHUNK}):
        try:
            return list(read(str(path), lazy=True))
        except (NotImplementedError, TypeError):
            return list(read(str(path)))


def _opened(path: Path, name: str | None, signals: list[dict[str, Any]], version: str) -> Opened:
    found = {_title(i, signals): s for i, s in enumerate(signals)}
    shapes = {title: tuple(s["data"].shape) for title, s in found.items()}
    if name is not None and name not in shapes and name.isdecimal() and int(name) < len(signals):
        name = list(shapes)[int(name)]
    signal = found[choose(path, name, shapes)]
    axes = [_axis(a, n) for a, n in zip(_in_order(signal), signal["data"].shape, strict=False)]
    navigate = [bool(a.get("navigate")) for a in _in_order(signal)]
    data = signal["data"]
    if data.dtype.names and {*"RGB"} <= set(data.dtype.names):
        array = np.asarray(data)
        data = one_channel(np.stack([array[c] for c in "RGB"], axis=-1), path)
    order = sorted(range(len(axes)), key=lambda i: not navigate[i])  # map axes first, else as it is
    data = data.transpose(order)
    names = NAMES.get((sum(navigate), len(axes) - sum(navigate)))
    scales = {new: axes[old] for new, old in enumerate(order)}
    return Opened(_sliceable(data, path), version, names, scales)


def _title(number: int, signals: list[dict[str, Any]]) -> str:
    """Return the signal's own title where it tells it from the others, else its number."""
    titles = [s.get("metadata", {}).get("General", {}).get("title", "") for s in signals]
    title = str(titles[number])
    return title if title and titles.count(titles[number]) == 1 else str(number)


def _in_order(signal: dict[str, Any]) -> list[dict[str, Any]]:
    axes: list[dict[str, Any]] = signal["axes"]
    return sorted(axes, key=lambda a: a.get("index_in_array") or 0)


def _axis(axis: dict[str, Any], size: int) -> Axis:
    units = str(axis.get("units") or "")
    units = "" if units in ("<undefined>", "None", "none", "t.Undefined") else units
    if axis.get("axis") is not None:
        return Axis("", np.asarray(axis["axis"], dtype=np.float64), units)
    scale, offset = float(axis.get("scale", 1) or 1), float(axis.get("offset", 0) or 0)
    if not units and (scale, offset) == (1, 0):
        units = "px"
    return Axis.regular("", size, start=offset, spacing=scale, units=units)


def _sliceable(data: Any, path: Path) -> Any:
    """Return a NumPy array as it is, and a dask array as blocks that any thread may read."""
    if isinstance(data, np.ndarray):
        return data
    if not hasattr(data, "compute"):
        raise FileError(
            f"{path} holds a {type(data).__name__}; expected a dense array of equal rows"
        )
    # a grid of equal chunks, but for the last ones
    even = all(set(along[:-1]) <= {along[0]} and along[-1] <= along[0] for along in data.chunks)
    chunks = tuple(along[0] for along in data.chunks) if even else None
    return FileArray(
        path,
        f"a {path.suffix} file",
        data.shape,
        data.dtype,
        lambda key: data[key].compute(scheduler="single-threaded"),
        chunks=chunks,
    )
