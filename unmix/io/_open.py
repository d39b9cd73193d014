"""`open`: any file to `Samples`."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from .._axes import Axis
from .._door import samples as make_samples
from .._errors import FileError, ParameterError, ShapeError
from .._record import Record, fingerprint
from .._samples import Samples
from ._folder import FRAMES, frames_in, read_folder
from ._hdf5 import read_hdf5
from ._in_chunks import in_chunks
from ._numpy import read_npy, read_npz
from ._opened import Opened
from ._rosetta import read_rosetta, readers
from ._zarr import is_zarr, read_zarr

DEFAULT_AXES = {2: "y x", 3: "frame y x", 4: "scan_y scan_x | det_y det_x"}
"""Number of axes -> their names, where the file has none."""

READERS: dict[str, Callable[[Path, str | None], Opened]] = {
    ".npy": read_npy,
    ".npz": read_npz,
    **FRAMES,
    ".h5": read_hdf5,
    ".hdf5": read_hdf5,
    ".hdf": read_hdf5,
    ".zarr": read_zarr,
}
"""Extension -> reader; all others go to rosettasciio."""

PICKLES = (".pkl", ".pickle", ".joblib", ".dill")


def open(
    path: str | os.PathLike[str],
    *,
    axes: str | None = None,
    chunks: Any = None,
    nan: Literal["raise", "skip"] = "raise",
) -> Samples:
    """Open a file of measured data.

    Parameters
    ----------
    path : str or path-like
        ``.npy``, ``.npz``, ``.tif``, ``.png``, ``.jpg``, ``.bmp``, ``.h5`` / ``.hdf5``, a zarr
        folder (version 2 or 3, OME-Zarr too), a folder of pictures of one kind, which are frames in
        natural order (2 before 10), and where rosettasciio is installed what it reads
        (``.dm3``, ``.dm4``, ``.emd``, ``.mib``, ``.mrc``, ``.hspy``, ``.blo``, ``.ser`` ...). Of a
        file with several data sets, name one after two colons: ``"scan.h5::/entry/data"``,
        ``"scan.zarr::entry/data"``, ``"all.npz::image"``.
    axes : str, optional
        Names of the file's axes, slow to fast, with a bar between map and descriptor:
        ``"frame y x"``, ``"scan_y scan_x | det_y det_x"``, ``"y x | bin"``. Default: what the file
        says of itself, else ``"y x"``, ``"frame y x"`` or ``"scan_y scan_x | det_y det_x"`` by the
        number of axes.
    chunks : optional
        Read the file as a dask array with these chunks: ``"auto"``, a size, or sizes for each axis,
        as `dask.array.from_array` takes them. Every worker opens the file itself, under the same
        path; a chunk of the file, or several, make a good one. Default: no Dask.
    nan : {"raise", "skip"}
        What is done about NaN and infinity: see `unmix.samples`. To skip them reads all of the file
        once.

    Returns
    -------
    Samples
        With the axes' coordinates and units where the file has them. USID files, of positions by
        values, have them in their tables, which also give the grid. An ``.npz`` has them beside its
        array: the size of pixels in ``pixel_size`` or ``pitch``, with ``units`` or as
        ``pixel_size_nm``; and the coordinates of any axis in an array with the axis' name, with its
        unit or without, such as ``energy_ev`` for ``axes="y x | energy"``. Where no ``axes`` are
        given there, ``energy`` or ``wavelength`` beside an array make its last axis the descriptor,
        and ``temperature`` or ``time`` its first the frames.
        ``.npy``, ``.tif``, HDF5, zarr, folders of pictures and most of rosettasciio's formats are
        read block by block, along their chunks, when values are asked for; pictures, ``.npz`` and
        small compressed ``.tif`` are read at once.

    Raises
    ------
    FileError
        If the file is missing, empty, truncated, in colour, a pickle or of an unknown kind, or if a
        library is not installed.
    ShapeError
        If ``axes`` does not fit the data.
    ParameterError
        If ``axes`` are no names, or dask cannot cut the data into such ``chunks``.
    DTypeError, DataError
        If the values are complex, boolean or not finite (which is found when they are read).

    Notes
    -----
    Nothing in a file is ever executed: pickles are refused.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> import unmix as um
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "movie.npz"
    ...     np.savez(path, frames=np.zeros((5, 64, 96), np.uint16))
    ...     um.open(path)
    <Samples frame 5 x y 64 x x 96 (px), float32, numpy>
    """
    file, name = _find(path)
    reader = _reader(file)
    opened = reader(file, name)
    map_names, entries = _names(axes, opened, file)
    array = opened.array
    if chunks is not None:
        array = in_chunks(reader, file, name, array, chunks)
    samples = make_samples(
        array, len(map_names), map_names=map_names, descriptor_names=entries, nan=nan
    )
    facts = {"data": fingerprint(opened.array), "reader": opened.library}
    record = Record().then("open", {"path": os.fspath(path), "axes": axes, "nan": nan}, **facts)
    scaled = tuple(_scaled(i, a, opened) for i, a in enumerate(samples.axes))
    n = len(map_names)
    layout = replace(samples.layout, map_axes=scaled[:n], descriptor_axes=scaled[n:])
    return replace(samples, layout=layout, record=record)


def _scaled(number: int, axis: Axis, opened: Opened) -> Axis:
    """Return an axis with the coordinates that the file has for it."""
    beside = opened.beside.get(axis.name)
    known = beside if beside is not None and beside.size == axis.size else axis
    return replace(opened.scales.get(number, known), name=axis.name)


def _find(path: str | os.PathLike[str]) -> tuple[Path, str | None]:
    """Return the file and the name of the data set in it, if one is named."""
    if not isinstance(path, (str, os.PathLike)):
        raise ParameterError(
            f"expected a path, but got {type(path).__name__}; arrays need no opening: hand them in "
            "as they are, or through unmix.samples"
        )
    text = os.fspath(path)
    file, name = Path(text), None
    if not file.exists() and "::" in text:
        before, _, name = text.rpartition("::")
        file = Path(before)
    if not file.exists():
        raise FileError(f"there is no file {file}; check its name and the folder ({Path.cwd()})")
    if file.is_dir() and file.suffix != ".zspy" and not is_zarr(file) and not frames_in(file):
        raise FileError(
            f"{file} is a folder; expected a file, a zarr store or a folder of pictures: name one "
            "in it"
        )
    if file.is_file() and file.stat().st_size == 0:
        raise FileError(f"{file} is empty (0 bytes); expected data: copy or export it again")
    return file, name


def _reader(file: Path) -> Callable[[Path, str | None], Opened]:
    suffix = file.suffix.lower()
    if suffix in PICKLES:
        raise FileError(
            f"{file} is a pickle; expected plain numbers: reading a pickle can run any code, so "
            "unmix never does; convert it with numpy.save where it was made"
        )
    if suffix in READERS:
        return READERS[suffix]
    if file.is_dir() and suffix != ".zspy":
        return read_zarr if is_zarr(file) else read_folder
    if readers(suffix):
        return read_rosetta
    raise FileError(
        f"{file} has the extension {suffix!r}; expected one of {', '.join(READERS)}, or one that "
        'rosettasciio reads (pip install "unmix[io]"): convert the file, or read it yourself and '
        "hand in the array"
    )


def _names(axes: str | None, opened: Opened, file: Path) -> tuple[list[str], list[str]]:
    """Return the names of the map axes and of the descriptor axes."""
    shape = tuple(opened.array.shape)
    text = axes if axes is not None else opened.axes or DEFAULT_AXES.get(len(shape))
    if text is None:
        raise ShapeError(
            f"{file} holds {len(shape)} axes, {shape}; expected 2 to 4: say what they are, such as "
            "axes='frame y x' or axes='scan_y scan_x | det_y det_x'"
        )
    parts = [part.split() for part in str(text).split("|")]
    names = [name for part in parts for name in part]
    valid = len(parts) <= 2 and parts[0] and len(set(names)) == len(names)
    if not valid or not all(name.isidentifier() for name in names):
        raise ParameterError(
            f"axes is {axes!r}; expected different names, slow to fast, with one bar before those "
            "of the descriptor, such as 'frame y x' or 'scan_y scan_x | det_y det_x'"
        )
    if len(names) != len(shape):
        raise ShapeError(
            f"axes {text!r} names {len(names)} axes, but {file} holds {len(shape)}, {shape}; "
            "name each of them"
        )
    return parts[0], parts[1] if len(parts) == 2 else []
