"""TIFF: images and stacks with their pixel size, mapped into memory where the file allows it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from .. import config
from .._axes import Axis
from .._errors import FileError
from .._stored import bounded
from ._opened import FileArray, Opened, choose, library, unreadable
from ._pictures import one_channel
from ._tiff_scale import pixel_sizes

NAMES = {"T": "frame", "Z": "slice", "C": "channel"}
"""Names of leading axes where there are several."""


def read_tiff(path: Path, name: str | None) -> Opened:
    """Read one image or stack."""
    tifffile, version = library("tifffile")
    try:
        with _complaints() as complaints:
            tif = tifffile.TiffFile(path)
            try:
                n = len(tif.pages)  # walks to the last page, which a truncated file has lost
                series = tif.series
                if complaints or not n:
                    raise unreadable(path, "a TIFF file", (*complaints, "it has no pages")[0])
                opened = _read(tif, series, path, name, version)
            except BaseException:
                tif.close()
                raise
            if not isinstance(opened.array, FileArray):
                tif.close()
    except FileError:
        raise
    except Exception as error:  # a damaged file breaks tifffile anywhere
        raise unreadable(path, "a TIFF file", error) from error
    return opened


@contextmanager
def _complaints() -> Iterator[list[str]]:
    """Collect what tifffile logs as errors (pages that are not there) and keep it off stderr."""
    said: list[str] = []
    handler = logging.Handler(logging.ERROR)
    handler.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("tifffile")
    before = logger.propagate
    logger.addHandler(handler)
    logger.propagate = False
    try:
        yield said
    finally:
        logger.removeHandler(handler)
        logger.propagate = before


def _read(tif: Any, all_series: Any, path: Path, name: str | None, version: str) -> Opened:
    if name is None and _are_frames(all_series):
        return _frames(tif, all_series, path, version)
    found = {str(i): tuple(s.shape) for i, s in enumerate(all_series)}
    series = all_series[int(choose(path, name, found))]
    _require_whole(tif, series, path)
    axes, array = series.axes, _array(tif, series, path)
    if "S" in axes:
        array = one_channel(np.moveaxis(array, axes.index("S"), -1), path)
        axes = axes.replace("S", "")
    names = None
    if len(axes) == 3 and axes[1:] == "YX":
        names = "frame y x"
    elif len(axes) > 3 and axes[-2:] == "YX" and set(axes[:-2]) <= set(NAMES):
        names = " ".join([*(NAMES[a] for a in axes[:-2]), "y x"])
    scales = _scales(tif, series, axes, array.shape)
    return Opened(array, version, names, scales)


def _scales(tif: Any, series: Any, axes: str, shape: tuple[int, ...]) -> dict[int, Axis]:
    """Read the distance between entries of the axes that have one."""
    sizes = pixel_sizes(tif, series.keyframe)
    return {
        i: Axis.regular(letter, n, spacing=sizes[letter][0], units=sizes[letter][1])
        for i, (letter, n) in enumerate(zip(axes, shape, strict=True))
        if letter in sizes
    }


def _are_frames(all_series: Any) -> bool:
    """Tell whether a file holds equal images that were written one after the other."""
    kinds = {(s.axes, s.shape, s.dtype) for s in all_series}
    return len(all_series) > 1 and len(kinds) == 1 and all_series[0].axes == "YX"


def _frames(tif: Any, all_series: Any, path: Path, version: str) -> Opened:
    """Return the images of a file as a stack."""
    for series in all_series:
        _require_whole(tif, series, path)
    first = all_series[0]
    tif.filehandle.set_lock(True)  # the file has one position

    def read(key: tuple[slice, ...]) -> Any:
        return np.stack([s.asarray(maxworkers=1)[key[1:]] for s in all_series[key[0]]])

    shape = (len(all_series), *first.shape)
    array = FileArray(
        path, "a TIFF file", shape, first.dtype, read, chunks=(1, *first.shape), close=tif.close
    )
    return Opened(array, version, "frame y x", _scales(tif, first, "IYX", shape))


def _require_whole(tif: Any, series: Any, path: Path) -> None:
    """Raise unless the file reaches to the end of its last strip."""
    if series.dataoffset is not None:
        end = series.dataoffset + series.nbytes
    else:
        segments = [
            o + n
            for page in series.pages
            if page is not None
            for o, n in zip(page.dataoffsets, page.databytecounts, strict=False)
        ]
        end = max(segments, default=tif.filehandle.size + 1)
    if end > tif.filehandle.size:
        raise unreadable(
            path, "a TIFF file", f"pixels end at byte {end} of {tif.filehandle.size} bytes"
        )


def _array(tif: Any, series: Any, path: Path) -> Any:
    """Return the pixels: as a memory map, else in memory, or page by page where they are many."""
    if series.dataoffset is not None:
        dtype = tif.byteorder + series.dtype.char
        mapped = np.memmap(path, dtype, "r", offset=series.dataoffset, shape=series.shape)
        return mapped if "S" in series.axes else bounded(mapped)
    pages = series.pages
    plain = series.axes[1:] == "YX" and len(pages) == series.shape[0] and all(pages)
    if not plain or series.nbytes <= config.current_budget() // 4:
        return series.asarray()
    tif.filehandle.set_lock(True)  # the file has one position; pages are unpacked side by side

    def read(key: tuple[slice, ...]) -> Any:
        return np.stack([page.asarray(maxworkers=1)[key[1:]] for page in pages[key[0]]])

    chunks = (1, *series.shape[1:])
    return FileArray(
        path, "a TIFF file", series.shape, series.dtype, read, chunks=chunks, close=tif.close
    )
