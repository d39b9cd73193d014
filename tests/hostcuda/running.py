"""Run the text of a kernel: what the tests of the emulator itself share."""

from __future__ import annotations

from functools import cache
from typing import Any

from .errors import KernelError
from .kernels import HostKernels

FILE = "test.cu"
ORDERS: tuple[Any, ...] = ("ascending", "descending", *(("random", seed) for seed in range(4)))


@cache
def loader(
    text: str, mode: str, order: Any, seconds: float = 60, flags: tuple[str, ...] = ()
) -> HostKernels:
    """Return a loader of one text."""
    return HostKernels(mode, order, source=lambda _: text, seconds=seconds, flags=flags)


def run(
    text: str,
    instance: str,
    threads: Any,
    *args: Any,
    blocks: Any = 1,
    mode: str = "plain",
    order: Any = "ascending",
    shared: int = 0,
    **options: Any,
) -> None:
    """Launch one instance."""
    grid, block = (n if isinstance(n, tuple) else (n,) for n in (blocks, threads))
    kernel = loader(text, mode, order, **options).get(FILE, instance)
    kernel(grid, block, args, shared_mem=shared)


def fault(text: str, instance: str, threads: Any, *args: Any, **options: Any) -> KernelError:
    """Launch one instance that goes wrong, and return what it did."""
    try:
        run(text, instance, threads, *args, **options)
    except KernelError as error:
        return error
    raise AssertionError("the kernel did nothing wrong")


def line_of(text: str, mark: str) -> int:
    """Return the number of the one line that holds ``mark``."""
    (number,) = (n for n, line in enumerate(text.splitlines(), 1) if mark in line)
    return number
