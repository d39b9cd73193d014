"""NumPy's own files: .npy as a memory map, .npz member by member; never unpickled."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from .._errors import FileError
from .._stored import bounded
from .._typing import HostArray
from ._opened import Opened, choose, unreadable

MODEL = "unmix.json"
"""Member of an .npz that makes it a saved model."""

LIBRARY = f"numpy {np.__version__}"


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
            return Opened(read_member(archive, choose(path, name, numeric)), LIBRARY)
    except FileError:
        raise
    except Exception as error:
        raise unreadable(path, "a NumPy archive", error) from error


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
