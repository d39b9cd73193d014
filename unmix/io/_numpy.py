"""NumPy's own files: .npy as a memory map, .npz member by member; never unpickled."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from .._axes import Axis
from .._errors import FileError
from .._stored import bounded
from .._typing import HostArray
from ._opened import Opened, choose, unreadable

MODEL = "unmix.json"
"""Member of an .npz that makes it a saved model."""

LIBRARY = f"numpy {np.__version__}"

UNITS = {"um": "µm", "A": "Å", "ev": "eV", "kev": "keV", "c": "°C", "C": "°C", "k": "K"}
"""Units as they stand in names, where they are written otherwise."""

SPECTRA, SERIES = ("energy", "wavelength"), ("temperature", "time")
"""Coordinates that make an axis the descriptor of spectra, and those that make one the frames."""


def read_npy(path: Path, name: str | None) -> Opened:
    """Map an .npy file into memory: its values are read when they are used."""
    if name is not None:
        raise FileError(f"an .npy file holds one array; expected {path} without '::{name}'")
    try:
        array: Any = np.lib.format.open_memmap(path, mode="r")
    except Exception as error:  # damage to a header shows anywhere in its parser
        if "Python objects" in str(error):
            raise _pickled(path) from None
        raise unreadable(path, "a NumPy file", error) from error
    return Opened(bounded(array), LIBRARY)


def read_npz(path: Path, name: str | None) -> Opened:
    """Read one array of an .npz file into memory."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.namelist()
            if MODEL in members:
                raise FileError(f"{path} is a saved model and no data; read it with unmix.load")
            headers = {
                n.removesuffix(".npy"): _header(archive, n) for n in members if n[-4:] == ".npy"
            }
            numeric = {k: shape for k, (shape, dtype) in headers.items() if dtype.kind in "iufcb"}
            if name in headers and name not in numeric and headers[name][1].hasobject:
                raise _pickled(path)
            array = read_member(archive, choose(path, name, numeric))
            plain = [k for k, (_, dtype) in headers.items() if dtype.kind in "iufU"]
            lines = [k for k, shape in numeric.items() if len(shape) == 1]
            beside = _coordinates(archive, [k for k in lines if numeric[k][0] in array.shape])
            return Opened(
                array,
                LIBRARY,
                _axes(array.shape, beside),
                _scales(archive, plain, array, path),
                beside,
            )
    except FileError:
        raise
    except Exception as error:
        raise unreadable(path, "a NumPy archive", error) from error


def _scales(
    archive: zipfile.ZipFile, names: list[str], array: HostArray, path: Path
) -> dict[int, Axis]:
    """Read a pixel size that lies beside an image or a movie, and its unit.

    It is called ``pixel_size`` or ``pitch``, with a unit in the name (``pixel_size_nm``) or in
    ``units``, and is one number or two, (y, x).
    """
    found = [(n, m) for n in names if (m := re.fullmatch(r"(?:pixel_size|pitch)(?:_(\w+))?", n))]
    if len(found) != 1 or array.ndim not in (2, 3):
        return {}
    (name, said), units = found[0], ""
    value = np.ravel(read_member(archive, name))
    if value.dtype.kind not in "iuf" or value.size not in (1, 2) or not np.all(value > 0):
        raise FileError(
            f"{path} holds the pixel size {name} = {value.tolist()!r}; expected one or two numbers "
            "above zero: hand in the array with unmix.samples, and say there how large pixels are"
        )
    beside = [n for n in ("units", "unit") if n in names]
    if said[1]:
        units = UNITS.get(said[1], said[1])
    elif beside:
        units = str(np.ravel(read_member(archive, beside[0]))[0])
    sizes = zip((-2, -1), np.broadcast_to(value, 2), strict=True)
    return {
        array.ndim + axis: Axis.regular("", array.shape[axis], spacing=float(size), units=units)
        for axis, size in sizes
    }


def _coordinates(archive: zipfile.ZipFile, names: list[str]) -> dict[str, Axis]:
    """Read the arrays of one axis, by their names and by their names without the unit."""
    found: dict[str, Axis] = {}
    for name in names:
        values = np.asarray(read_member(archive, name))
        if values.dtype.kind not in "iuf" or not np.isfinite(values).all():
            continue
        said, _, unit = name.rpartition("_")
        if said:
            found.setdefault(said, Axis("", values.astype(np.float64), UNITS.get(unit, unit)))
        found[name] = Axis("", values.astype(np.float64), "")
    return found


def _axes(shape: tuple[int, ...], beside: dict[str, Axis]) -> str | None:
    """Name the axes of an array by what lies beside it."""
    maps = {2: "site", 3: "y x", 4: "frame y x"}.get(len(shape))
    for name in SPECTRA:
        if maps and name in beside and beside[name].size == shape[-1]:
            return f"{maps} | {name}"
    series = [n for n in SERIES if n in beside and beside[n].size == shape[0]]
    return f"{series[0]} y x" if len(series) == 1 and len(shape) == 3 else None


def read_member(archive: zipfile.ZipFile, name: str) -> HostArray:
    """Read one array of an open archive, to its last byte so that its checksum is compared."""
    with archive.open(f"{name}.npy") as stream:
        array: HostArray = np.lib.format.read_array(stream, allow_pickle=False)
        if stream.read(1):
            msg = f"{name} goes on after its end"
            raise ValueError(msg)
    return array


def _header(archive: zipfile.ZipFile, member: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
    with archive.open(member) as stream:
        version = np.lib.format.read_magic(stream)
        read = (
            np.lib.format.read_array_header_1_0
            if version == (1, 0)
            else np.lib.format.read_array_header_2_0
        )
        shape, _, dtype = read(stream)
    return shape, dtype


def _pickled(path: Path) -> FileError:
    return FileError(
        f"{path} holds pickled Python objects; expected plain numbers: reading a pickle can run "
        "any code, so unmix never does; convert it with numpy.save(path, array.astype(float)) "
        "where it was made"
    )
