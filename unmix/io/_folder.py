"""A folder of pictures as a movie: one frame in each file."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from .._axes import Axis
from .._errors import FileError
from .._typing import HostArray
from ._opened import FileArray, Opened
from ._pictures import read_picture
from ._tiff import read_tiff

FRAMES: dict[str, Callable[[Path, str | None], Opened]] = {
    ".png": read_picture,
    ".jpg": read_picture,
    ".jpeg": read_picture,
    ".bmp": read_picture,
    ".tif": read_tiff,
    ".tiff": read_tiff,
}
"""Extension -> reader of one frame."""


def frames_in(folder: Path) -> list[Path]:
    """Return the pictures in a folder in natural order: 2 before 10."""
    files = (p for p in folder.iterdir() if p.is_file() and not p.name.startswith("."))
    return sorted((p for p in files if p.suffix.lower() in FRAMES), key=_natural)


def _natural(path: Path) -> list[tuple[int, str]]:
    parts = re.split(r"(\d+)", path.name.lower())
    return [(int(p), "") if p.isdecimal() else (-1, p) for p in parts]


def read_folder(path: Path, name: str | None) -> Opened:
    """Open the pictures of a folder as frames, each read when it is asked for."""
    if name is not None:
        raise FileError(f"a folder of pictures has no parts; expected {path} without '::{name}'")
    files = frames_in(path)
    kinds = sorted({p.suffix.lower() for p in files})
    if len(kinds) != 1:
        raise FileError(
            f"the folder {path} holds pictures of several kinds ({', '.join(kinds)}); expected one "
            "kind: move the others away, or open a file in it"
        )
    read = FRAMES[kinds[0]]
    first = read(files[0], None)
    if len(first.array.shape) != 2:
        raise FileError(
            f"{files[0]} holds an array of {tuple(first.array.shape)}; expected one image in each "
            "file of a folder: open the file itself"
        )

    def frames(key: tuple[slice, ...]) -> HostArray:
        return np.stack([_frame(read, f, first.array)[key[1:]] for f in files[key[0]]])

    shape = (len(files), *first.array.shape)
    array = FileArray(
        path, "a folder of pictures", shape, first.array.dtype, frames, chunks=(1, *shape[1:])
    )
    scales: dict[int, Axis] = {i + 1: axis for i, axis in first.scales.items()}
    return Opened(array, first.library, "frame y x", scales)


def _frame(read: Callable[[Path, str | None], Opened], file: Path, first: Any) -> Any:
    array = read(file, None).array
    if (array.shape, array.dtype) != (first.shape, first.dtype):
        raise FileError(
            f"{file} holds {array.dtype} of {tuple(array.shape)}, and the first frame "
            f"{first.dtype} of {tuple(first.shape)}; expected frames of one size and type"
        )
    return array
