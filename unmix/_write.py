"""Writing files and folders whole or not at all."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from ._errors import FileError


def _beside(path: Path, suffix: str) -> Path:
    """Return a new, hidden name in the same folder, and so on the same disk."""
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}.{suffix}")


@contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """Write a file under another name and rename it when it is whole; remove it after an error."""
    part = _beside(path, "part")
    try:
        with part.open("x+b") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(path)
    except BaseException as error:
        part.unlink(missing_ok=True)
        if isinstance(error, OSError) and not isinstance(error, FileError):
            raise FileError(
                f"cannot write {path}: {error.strerror or error}; name a file in a folder that "
                "exists, has room and may be written to"
            ) from error
        raise


def require_free(path: Path, replaceable: set[str] | None) -> None:
    """Raise unless a folder of this name can be made, or holds only files that may be replaced.

    ``replaceable`` names them; None lets nothing be replaced.
    """
    if path.exists() and not path.is_dir():
        raise FileError(f"{path} is a file; expected the name of a new folder")
    held = sorted(p.name for p in path.iterdir()) if path.exists() else []
    if not held:
        return
    if replaceable is None:
        raise FileError(
            f"the folder {path} is not empty; name a new one, or replace it with --force"
        )
    others = [name for name in held if name not in replaceable]
    if others:
        raise FileError(
            f"the folder {path} holds what unmix did not write ({', '.join(others[:5])}), so that "
            "it is not replaced; name a new one"
        )


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Fill a folder under another name and rename it at the end; after an error nothing is left.

    A folder that is there already is replaced at the end.
    """
    path = path.resolve()
    made = [p for p in path.parents if not p.exists()]
    part = _beside(path, "part")
    try:
        try:
            part.mkdir(parents=True)
        except OSError as error:
            raise FileError(
                f"cannot make the folder {path}: {error.strerror or error}; name one where files "
                "may be written"
            ) from error
        yield part
        _swap(part, path)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        for parent in made:
            with suppress(OSError):
                parent.rmdir()
        raise


def _swap(part: Path, path: Path) -> None:
    old = _beside(path, "old")
    try:
        if path.exists():
            path.rename(old)
        part.rename(path)
    except BaseException:
        if old.exists() and not path.exists():
            old.rename(path)
        raise
    shutil.rmtree(old, ignore_errors=True)
