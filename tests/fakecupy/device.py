"""Devices, streams, events and kernels of the stand-in, and what they were asked to do."""

from __future__ import annotations

import re
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, NamedTuple

import numpy as np
from hostcuda import HostKernels


class Launch(NamedTuple):
    """One launch of a kernel."""

    name: str
    grid: tuple[int, ...]
    block: tuple[int, ...]
    shared: int
    stream: int


class Watch:
    """What happens while somebody watches."""

    def __init__(self) -> None:
        self.launches: list[Launch] = []
        self.waits: list[str] = []
        """What makes the host wait for the device."""
        self.allocated = 0
        """Bytes of all arrays that are made, temporary ones too."""


_WATCHES: list[Watch] = []


@contextmanager
def watched() -> Iterator[Watch]:
    """Note the launches and the waits of a block of code."""
    watch = Watch()
    _WATCHES.append(watch)
    try:
        yield watch
    finally:
        _WATCHES.remove(watch)


def waited(why: str) -> None:
    """Note that the host waits for the device."""
    for watch in _WATCHES:
        watch.waits.append(why)


def allocated(nbytes: int) -> None:
    """Note that an array is made."""
    for watch in _WATCHES:
        watch.allocated += nbytes


def launched(launch: Launch) -> None:
    """Note a launch."""
    for watch in _WATCHES:
        watch.launches.append(launch)


class CUDARuntimeError(RuntimeError):
    """An error of the runtime, such as one of a device that is not there."""

    status = 0


class Device:
    """The one device of the stand-in: what an H100 says of itself where launchers ask."""

    attributes: ClassVar = {
        "MaxSharedMemoryPerBlock": 48 * 1024,
        "MaxSharedMemoryPerBlockOptin": 227 * 1024,
        "MultiProcessorCount": 132,
    }
    compute_capability = "90"
    mem_info = (8 << 30, 8 << 30)

    def __init__(self, device: Any = None) -> None:
        self.id = 0 if device is None else int(device)
        if self.id != 0:
            raise CUDARuntimeError("cudaErrorInvalidDevice: invalid device ordinal")

    def __enter__(self) -> Device:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def __int__(self) -> int:
        return self.id

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Device) and self.id == other.id

    def __hash__(self) -> int:
        return self.id

    def __repr__(self) -> str:
        return f"<CUDA Device {self.id}>"

    def use(self) -> None:
        pass

    def synchronize(self) -> None:
        waited("Device.synchronize")


class Stream:
    """A queue of work: all of it is done when it is given, but copies from pinned memory as late as
    may be: who reads what was not waited for, or writes to memory that is still copied from, is
    seen.
    """

    null: ClassVar[Stream]
    _entered: ClassVar[threading.local] = threading.local()
    _last: ClassVar[int] = 0x1000

    def __init__(self, null: bool = False, non_blocking: bool = False) -> None:
        Stream._last += 0 if null else 16
        self.ptr = 0 if null else Stream._last
        self._waiting: list[Callable[[], None]] = []
        self._done = 0

    def __enter__(self) -> Stream:
        streams().append(self)
        return self

    def __exit__(self, *_: object) -> None:
        assert streams().pop() is self

    def synchronize(self) -> None:
        waited("Stream.synchronize")
        self._work_to(self._given)

    def record(self, event: Event | None = None) -> Event:
        event = event or Event()
        event.record(self)
        return event

    def wait_event(self, event: Event) -> None:
        event._happen()

    @property
    def _given(self) -> int:
        return self._done + len(self._waiting)

    def _work_to(self, number: int) -> None:
        while self._done < number:
            self._done += 1
            self._waiting.pop(0)()


def streams() -> list[Stream]:
    """Return the streams that this thread has entered: each thread has a current one of its own."""
    if not hasattr(Stream._entered, "list"):
        Stream._entered.list = []
    return Stream._entered.list


class ExternalStream(Stream):
    """A stream of somebody else's."""

    def __init__(self, ptr: int) -> None:
        super().__init__(null=True)
        self.ptr = ptr


Stream.null = Stream(null=True)


def get_current_stream() -> Stream:
    """Return the stream that work goes to."""
    return streams()[-1] if streams() else Stream.null


class Event:
    """A moment in a stream."""

    def __init__(self, block: bool = False, disable_timing: bool = False) -> None:
        self._seconds = 0.0
        self._stream: Stream | None = None
        self._number = 0

    def record(self, stream: Stream | None = None) -> None:
        self._seconds = time.perf_counter()
        self._stream = stream or get_current_stream()
        self._number = self._stream._given

    def synchronize(self) -> None:
        waited("Event.synchronize")
        self._happen()

    def _happen(self) -> None:
        if self._stream is not None:  # one that was never recorded is over
            self._stream._work_to(self._number)


def get_elapsed_time(start: Event, end: Event) -> float:
    """Milliseconds from one event to another."""
    return (end._seconds - start._seconds) * 1e3


_PINNED: list[weakref.ref[Any]] = []


def alloc_pinned_memory(size: int) -> np.ndarray[Any, Any]:
    """Host memory that a stream may copy from while the host goes on."""
    memory = np.full(-(-size // 512) * 512, 0xFF, np.uint8)
    _PINNED[:] = [ref for ref in _PINNED if ref() is not None]
    _PINNED.append(weakref.ref(memory))
    return memory


def is_pinned(values: np.ndarray[Any, Any]) -> bool:
    """Tell whether an array lies in pinned memory."""
    held = [memory for ref in _PINNED if (memory := ref()) is not None]
    return any(np.may_share_memory(memory, values) for memory in held)


class RawKernel:
    """One instance of a kernel, which the emulator runs."""

    def __init__(self, code: str, name: str, options: tuple[str, ...] = ()) -> None:
        for what in (code, name):
            if not isinstance(what, str):
                raise TypeError(f"expected str, not {type(what).__name__}")
        if not isinstance(options, tuple):
            raise TypeError(f"options is a tuple of str, not {type(options).__name__}")
        self.code, self.name, self.options = code, name, options
        self._kernel: Any = None

    @property
    def _host(self) -> Any:
        if self._kernel is None:
            file = re.findall(r'^#line 1 "(.*)"$', self.code, re.MULTILINE) or ["kernel.cu"]
            self._kernel = HostKernels(source=lambda _: self.code).get(file[-1], self.name)
        return self._kernel

    def compile(self, log_stream: Any = None) -> None:
        self._kernel = None
        assert self._host is not None

    @property
    def max_dynamic_shared_size_bytes(self) -> int:
        return self._host.max_dynamic_shared_size_bytes

    @max_dynamic_shared_size_bytes.setter
    def max_dynamic_shared_size_bytes(self, nbytes: int) -> None:
        self._host.max_dynamic_shared_size_bytes = nbytes

    def __call__(self, grid: Any, block: Any, args: Any, *, shared_mem: int = 0) -> None:
        from .array import ndarray

        for i, value in enumerate(args):
            if isinstance(value, np.ndarray):
                raise TypeError(f"{self.name}: argument {i} is an array in main memory")
        given = tuple(a._memory if isinstance(a, ndarray) else a for a in args)
        launched(Launch(self.name, grid, block, shared_mem, get_current_stream().ptr))
        self._host(grid, block, given, shared_mem=shared_mem)


class RawModule:
    """The text of several kernels, of which those are compiled that were named."""

    def __init__(
        self,
        *,
        code: str,
        options: tuple[str, ...] = (),
        backend: str = "nvrtc",
        name_expressions: Any = None,
    ) -> None:
        if "-std=c++17" not in options:
            raise ValueError("the kernels are C++17, and CuPy's default is older")
        self.code, self.options = code, options
        self.name_expressions = tuple(name_expressions or ())

    def get_function(self, name: str) -> RawKernel:
        """Return a kernel by the very text that it was asked for with."""
        if name not in self.name_expressions:
            raise KeyError(f"{name!r} is not among the name expressions {self.name_expressions}")
        return RawKernel(self.code, name, self.options)
