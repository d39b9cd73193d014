"""Blocks of host arrays on their way to a GPU: two pinned buffers, and streams of their own."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any

import numpy as np

from .._errors import BackendError
from .._typing import Array, HostArray


def _cupy() -> Any:
    try:
        import cupy
    except ImportError:
        raise BackendError(
            "on('cuda') needs CuPy, which is not installed: pip install \"unmix[cuda12]\" or "
            '"unmix[cuda13]", whichever CUDA the driver has'
        ) from None
    return cupy


def like_on_device(like: Array) -> Array:
    """Return an empty CuPy array of the dtype of a host array, on the current device."""
    cupy = _cupy()
    try:
        return cupy.empty((0,) * like.ndim, like.dtype.newbyteorder("="))
    except cupy.cuda.runtime.CUDARuntimeError as error:
        raise BackendError(
            f"on('cuda') found no GPU to compute on ({error}); leave it out, or look at what "
            "nvidia-smi says"
        ) from None


def on_device(block: HostArray) -> Array:
    """Copy a block of host memory to the current device."""
    return _cupy().asarray(np.ascontiguousarray(block, block.dtype.newbyteorder("=")))


class _Slot:
    """Memory that one block at a time passes through."""

    def __init__(self, cupy: Any, capacity: int) -> None:
        self.pinned = cupy.cuda.alloc_pinned_memory(capacity)
        self.device = cupy.empty(capacity, np.uint8)
        self.copied = cupy.cuda.Event(disable_timing=True)
        self.taken = cupy.cuda.Event(disable_timing=True)
        self.rows: Array = None


class Uploads:
    """Copies blocks to a device while it computes on those before.

    Each block goes through one of two slots: pinned host memory, from where a stream copies it to
    a buffer on the device. From there the stream that computes takes a copy of its own, which is
    cheap there, so that the slot is soon free and nothing that a tile leaves behind lies in it.
    Only memory that is still being copied from makes the host wait.

    Parameters
    ----------
    like : array
        Any CuPy array on the device.
    capacity : int
        Bytes of the largest block.
    """

    slots = 2

    def __init__(self, like: Array, capacity: int) -> None:
        cupy, self._device = _cupy(), like.device
        with self._device:
            self._before = cupy.cuda.get_current_stream()
            self._copying = cupy.cuda.Stream(non_blocking=True)
            self._computing = cupy.cuda.Stream(non_blocking=True)
            self._slots = [_Slot(cupy, capacity) for _ in range(self.slots)]

    def __enter__(self) -> Uploads:
        """Compute on the stream of this pass, after all that was given to the current one."""
        self._device.__enter__()
        ready = self._before.record()
        self._copying.wait_event(ready)
        self._computing.wait_event(ready)
        self._computing.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Wait for the end of the pass: then results and buffers are anybody's."""
        self._computing.__exit__(kind, error, trace)
        self._copying.synchronize()
        self._computing.synchronize()
        self._device.__exit__(kind, error, trace)

    def send(self, number: int, read: Callable[[], HostArray]) -> None:
        """Read a block and start to copy it to the device, through the slot of its number."""
        slot = self._slots[number % self.slots]
        rows = read()
        with self._device:  # which is current in one thread only
            slot.copied.synchronize()
            staged = np.frombuffer(slot.pinned, rows.dtype, rows.size).reshape(rows.shape)
            staged[...] = rows
            self._copying.wait_event(slot.taken)
            slot.rows = slot.device[: rows.nbytes].view(rows.dtype).reshape(rows.shape)
            slot.rows.set(staged, stream=self._copying)
            slot.copied.record(self._copying)

    def take(self, number: int) -> Array:
        """Return the block that was sent, in memory of the stream that computes."""
        slot = self._slots[number % self.slots]
        self._computing.wait_event(slot.copied)
        rows = slot.rows.copy()
        slot.taken.record(self._computing)
        return rows
