"""What can go wrong between a launch and its result."""

from __future__ import annotations


class HostCudaError(Exception):
    """Any error of the emulator's."""


class BuildError(HostCudaError):
    """The host compiler refuses the kernel."""


class LaunchError(HostCudaError, TypeError, ValueError):
    """A call that CuPy or the device would refuse, or would misread: no thread has run."""


class KernelError(HostCudaError, RuntimeError):
    """What a kernel did wrong.

    ``kind`` is one of "access" (out of bounds), "canary" (bytes beside an array were overwritten),
    "divergence" (a barrier or a warp operation that cannot complete), "race", "sanitizer"
    (undefined behaviour), "shared" (too much shared memory), "memory" (too little of the host's),
    "stack" (full), "time" (hung) and "trap". ``line`` is the line in the kernel's file, if known;
    ``block`` and ``thread`` are where it happened, if it was one place.
    """

    def __init__(
        self,
        message: str,
        *,
        kind: str,
        line: int | None = None,
        block: tuple[int, ...] | None = None,
        thread: tuple[int, ...] | None = None,
    ) -> None:
        super().__init__(message)
        self.kind, self.line, self.block, self.thread = kind, line, block, thread
