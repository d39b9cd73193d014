"""PNG, JPEG and BMP through Pillow, and the rule for colour that TIFF shares."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np

from .._errors import FileError
from ._opened import Opened, library, unreadable

BLOCK = 1 << 22
"""Pixels that are compared at a time."""


def read_picture(path: Path, name: str | None) -> Opened:
    """Read a picture into memory, as one value per pixel."""
    if name is not None:
        raise FileError(f"{path.suffix} files hold one image; expected {path} without '::{name}'")
    image, version = library("PIL.Image", distribution="pillow")
    _refuse_deep_colour(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", image.DecompressionBombWarning)
            with image.open(path) as picture:
                if getattr(picture, "n_frames", 1) > 1:
                    raise FileError(
                        f"{path} is an animation of {picture.n_frames} frames; expected one image: "
                        "export the frames as a TIFF stack"
                    )
                mode = picture.mode
                if mode in ("P", "PA", "CMYK", "YCbCr"):
                    mode = "RGBA" if picture.has_transparency_data else "RGB"
                    picture = picture.convert(mode)  # noqa: PLW2901
                array = np.asarray(picture)
    except FileError:
        raise
    except Exception as error:  # Pillow's plugins raise what they like
        raise unreadable(path, "a picture", error) from error
    return Opened(array if array.ndim == 2 else one_channel(array, path), version)


def _refuse_deep_colour(path: Path) -> None:
    """Refuse what Pillow would cut to 8 bits without a word."""
    with path.open("rb") as stream:
        head = stream.read(26)
    if head[:8] == b"\x89PNG\r\n\x1a\n" and len(head) == 26 and head[24] == 16 and head[25] != 0:
        raise FileError(
            f"{path} is a colour PNG of 16 bits per channel; expected a grey one, or 8 bits: "
            "save it as 16-bit grey or as TIFF"
        )


def one_channel(array: Any, path: Path) -> Any:
    """Turn (..., channel) into one value per pixel: grey or RGB of equal channels, and alpha.

    An alpha channel must be constant. Nothing is copied.
    """
    n = array.shape[-1]
    if n not in (1, 2, 3, 4):
        raise FileError(
            f"{path} has {n} values per pixel; expected one, or equal colour channels: take one of "
            "them with numpy and hand in the array"
        )
    rows = max(1, BLOCK // max(1, int(np.prod(array.shape[1:]))))
    first = array[(0,) * (array.ndim - 1)]
    for start in range(0, array.shape[0], rows):
        block = array[start : start + rows]
        grey = block[..., 0]
        for channel in range(1, 3 if n > 2 else 1):
            if not np.array_equal(grey, block[..., channel]):
                place = np.argwhere(grey != block[..., channel])[0]
                place[0] += start
                raise FileError(
                    f"{path} is in colour: its channels differ, first at {tuple(map(int, place))}; "
                    "expected one value per pixel: take the channel (or the mean) that is the "
                    "signal and hand in the array"
                )
        if n in (2, 4) and not np.all(block[..., -1] == first[-1]):
            raise FileError(
                f"{path} has an alpha channel that varies; expected opaque pixels: flatten the "
                "image, or hand in the array and leave samples out with where(mask)"
            )
    return array[..., 0]
