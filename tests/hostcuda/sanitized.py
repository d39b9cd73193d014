"""Launch a kernel that is a program of its own, built with a sanitizer, and read its report."""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from .arguments import Packed, Signature
from .build import OWN_FILES
from .errors import HostCudaError, KernelError
from .plain import Argument, Buffer, Geometry, Report, kernel_error

OPTIONS = {
    "ASAN_OPTIONS": "detect_leaks=0:detect_stack_use_after_return=0:exitcode=66",
    "UBSAN_OPTIONS": "print_stacktrace=1:exitcode=66",
    "TSAN_OPTIONS": "halt_on_error=1:exitcode=66:history_size=4:atexit_sleep_ms=0:"
    "report_signal_unsafe=0",
}
_FRAME = re.compile(r"^\s+#\d+ .*?([^\s/]+):(\d+)(?::\d+)?(?: \(.*)?$")
_RACE = re.compile(
    r"^  (?P<what>(?:Previous )?(?:atomic )?(?:read|write)) of size (?P<size>\d+) at \S+ by "
    r"(?:main thread|thread (?P<who>\w+))",
    re.IGNORECASE,
)
_NAME = re.compile(r"^  Thread (\w+) '([^']*)'", re.MULTILINE)
_UB = re.compile(r"^(?:\S*/)?([^\s/:]+):(\d+):\d+: runtime error: (.*)$", re.MULTILINE)
_ASAN = re.compile(r"ERROR: AddressSanitizer:? (\S+)")
_ACCESS = re.compile(r"^(READ|WRITE) of size (\d+)", re.MULTILINE)


def _first_frame(lines: Sequence[str]) -> tuple[str, int] | None:
    """Return file and line of the innermost frame that is in a kernel."""
    for line in lines:
        frame = _FRAME.match(line)
        if frame and frame[1] not in OWN_FILES:
            return frame[1], int(frame[2])
        if not line.strip():
            return None
    return None


def _at(frame: tuple[str, int] | None) -> str:
    return f" at {frame[0]}:{frame[1]}" if frame else ""


def _note(log: str, word: str) -> str:
    """Return what the runner said beside the sanitizer."""
    found = re.search(rf"^hostcuda-{word}: (.*)$", log, re.MULTILINE)
    return found[1] if found else ""


def race_error(name: str, log: str) -> KernelError | None:
    """Return TSan's report as an exception."""
    lines, names = log.splitlines(), dict(_NAME.findall(log))
    sides, first = [], None
    for number, line in enumerate(lines):
        if found := _RACE.match(line):
            frame = _first_frame(lines[number + 1 :])
            first = first or frame
            what = found["what"].lower().removeprefix("previous ")
            sides.append(f"{what} by {names.get(found['who'], 'the launch')}{_at(frame)}")
    if not sides:
        return None
    place = _note(log, "place")
    text = f"{name}: race{f' on {place}' if place else ''}: {' and '.join(sides)}"
    return KernelError(text, kind="race", line=first and first[1])


def address_error(name: str, log: str) -> KernelError | None:
    """Return a report of ASan or UBSan as an exception."""
    where, block, thread = "", None, None
    if numbers := _note(log, "thread").split():
        block, thread = (tuple(int(n) for n in part) for part in (numbers[:3], numbers[3:]))
        where = f", block {block} thread {thread}"
    if found := _UB.search(log):
        text = f"{name}: {found[3]} at {found[1]}:{found[2]}{where}"
        return KernelError(text, kind="sanitizer", line=int(found[2]), block=block, thread=thread)
    if not (found := _ASAN.search(log)):
        return None
    lines = log[found.end() :].splitlines()
    start = next((n for n, line in enumerate(lines) if line.lstrip().startswith("#0")), 0)
    frame = _first_frame(lines[start:])
    access = _ACCESS.search(log)
    what = f"{found[1]}: {access[1].lower()} of {access[2]} bytes" if access else found[1]
    place = _note(log, "place")
    text = f"{name}: {what}{f', {place}' if place else ''}{_at(frame)}{where}"
    return KernelError(text, kind="access", line=frame and frame[1], block=block, thread=thread)


class SanitizedProgram:
    """A compiled program; each launch is a process."""

    def __init__(self, path: Path, name: str) -> None:
        self._path, self._name = path, name

    def _run(self, *words: str, seconds: float | None = None) -> subprocess.CompletedProcess[str]:
        command = [str(self._path), *words]
        environment = os.environ | OPTIONS
        run = subprocess.run(
            command, capture_output=True, text=True, check=False, env=environment, timeout=seconds
        )
        # TSan before GCC 13 cannot live with the address randomization of newer kernels.
        if "unexpected memory mapping" in run.stderr and (tool := shutil.which("setarch")):
            run = subprocess.run(
                [tool, "-R", *command],
                capture_output=True,
                text=True,
                check=False,
                env=environment,
                timeout=seconds,
            )
        return run

    @cached_property
    def signature(self) -> Signature:
        """What the kernel takes, as the program lists it."""
        run = self._run()
        if run.returncode:
            raise HostCudaError(f"{self._name}: {run.stderr[:2000]}")
        return Signature.parse(run.stdout)

    def launch(self, geometry: Geometry, packed: Packed) -> None:
        """Run the kernel in a process, or raise what it did wrong."""
        with tempfile.TemporaryDirectory(prefix="unmix-hostcuda-") as folder:
            given, taken = Path(folder) / "input", Path(folder) / "output"
            given.write_bytes(self._serialized(geometry, packed))
            try:
                run = self._run(str(given), str(taken), seconds=geometry.seconds)
            except subprocess.TimeoutExpired:
                text = f"{self._name}: still running after {geometry.seconds} s"
                raise KernelError(text, kind="time") from None
            output = taken.read_bytes() if taken.exists() else b""
        for error in (race_error(self._name, run.stderr), address_error(self._name, run.stderr)):
            if error:
                raise error
        if run.returncode or not output:
            text = f"{self._name}: exit status {run.returncode}\n{run.stderr[-3000:]}"
            raise HostCudaError(text)
        report = Report.from_buffer_copy(output)
        if report.failed:
            raise kernel_error(self._name, self._path, report)
        self._copy_back(packed, memoryview(output)[ctypes.sizeof(Report) :])

    def _serialized(self, geometry: Geometry, packed: Packed) -> bytes:
        launch = bytes(geometry.structure(packed))
        arguments = b""
        for buffer, offset, value in packed.arguments:
            arguments += bytes(Argument(buffer, 0, offset))[: Argument.value.offset]
            arguments += value.ljust(16, b"\0")
        place = len(launch) + len(packed.buffers) * ctypes.sizeof(Buffer) + len(arguments)
        buffers, data = b"", []
        for address, nbytes, skew, constant in packed.buffers:
            buffers += bytes(Buffer(place, nbytes, skew, constant))
            data.append(ctypes.string_at(address, nbytes))
            place += nbytes
        return b"".join([launch, buffers, arguments, *data])

    @staticmethod
    def _copy_back(packed: Packed, data: memoryview) -> None:
        start = 0
        for address, nbytes, _, constant in packed.buffers:
            if not constant:
                ctypes.memmove(address, bytes(data[start : start + nbytes]), nbytes)
            start += nbytes
