"""Launch a kernel that is a shared library, in this process."""

from __future__ import annotations

import ctypes
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path
from shutil import which

from .arguments import Packed, Signature
from .build import OWN_FILES
from .errors import KernelError

u32, i32, u64 = ctypes.c_uint32, ctypes.c_int32, ctypes.c_uint64
LOCK = threading.Lock()  # the runtime runs one launch at a time


class Buffer(ctypes.Structure):
    """See runtime.h, as for those below."""

    _fields_ = (("data", u64), ("bytes", u64), ("skew", i32), ("constant", i32))


class Argument(ctypes.Structure):
    _fields_ = (("buffer", i32), ("padding", i32), ("offset", u64), ("value", ctypes.c_char * 16))


class Launch(ctypes.Structure):
    _fields_ = (
        *(("grid", u32 * 3), ("block", u32 * 3)),
        *(("order", i32), ("buffers", i32), ("arguments", i32), ("padding", i32)),
        *(("seed", u64), ("dynamic_bytes", u64), ("shared_limit", u64)),
        ("seconds", ctypes.c_double),
    )


class Report(ctypes.Structure):
    _fields_ = (
        *(("failed", i32), ("located", i32), ("line", i32), ("padding", i32)),
        *(("block", u32 * 3), ("thread", u32 * 3), ("pc", u64)),
        *(
            ("kind", ctypes.c_char * 16),
            ("file", ctypes.c_char * 64),
            ("text", ctypes.c_char * 1000),
        ),
    )


@dataclass(frozen=True)
class Geometry:
    """How a kernel is launched."""

    grid: tuple[int, int, int]
    block: tuple[int, int, int]
    shared: int
    shared_limit: int
    order: int
    seed: int
    seconds: float

    def structure(self, packed: Packed) -> Launch:
        """Return the struct that the runtime reads."""
        counts = (len(packed.buffers), len(packed.arguments), 0)
        grid, block = (u32 * 3)(*self.grid), (u32 * 3)(*self.block)
        seed = self.seed & (2**64 - 1)
        limits = (self.shared, self.shared_limit, self.seconds)
        return Launch(grid, block, self.order, *counts, seed, *limits)


def source_line(library: Path, pc: int) -> tuple[str, int] | None:
    """Return file and line of a place in the machine code; within the kernel, if it was inlined."""
    tool = which("addr2line")
    if not pc or tool is None:
        return None
    command = [tool, "-i", "-e", str(library), hex(pc)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    for place in run.stdout.splitlines():
        path, _, line = place.split(" ")[0].rpartition(":")
        if line.isdigit() and Path(path).name not in OWN_FILES:
            return Path(path).name, int(line)
    return None


def kernel_error(name: str, library: Path, report: Report) -> KernelError:
    """Return the report as an exception."""
    text, kind = report.text.decode(), report.kind.decode()
    place = source_line(library, report.pc)
    if report.line:
        place = report.file.decode(), report.line
    where = f" at {place[0]}:{place[1]}" if place else ""
    block = thread = None
    if report.located:
        block, thread = tuple(report.block), tuple(report.thread)
        where += f", block {block} thread {thread}"
    return KernelError(
        f"{name}: {text}{where}", kind=kind, line=place and place[1], block=block, thread=thread
    )


class PlainProgram:
    """A loaded library."""

    def __init__(self, path: Path, name: str) -> None:
        self._path, self._name = path, name
        library = ctypes.CDLL(str(path))
        self._entry = ctypes.byref(ctypes.c_char.in_dll(library, "hostcuda_entry"))
        self._launch = library.hostcuda_launch
        describe = library.hostcuda_describe
        describe.restype = ctypes.c_char_p
        self.signature = Signature.parse(describe(self._entry).decode())

    def launch(self, geometry: Geometry, packed: Packed) -> None:
        """Run the kernel, or raise what it did wrong."""
        buffers = (Buffer * len(packed.buffers))(*(Buffer(*b) for b in packed.buffers))
        arguments = (Argument * len(packed.arguments))()
        for argument, (buffer, offset, value) in zip(arguments, packed.arguments, strict=True):
            argument.buffer, argument.offset = buffer, offset
            ctypes.memmove(ctypes.addressof(argument) + Argument.value.offset, value, len(value))
        launch, report = geometry.structure(packed), Report()
        pointers = (ctypes.byref(launch), buffers, arguments, ctypes.byref(report))
        with LOCK:
            failed = self._launch(self._entry, *pointers)
        if failed:
            raise kernel_error(self._name, self._path, report)
