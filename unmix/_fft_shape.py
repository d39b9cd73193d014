"""What a block of ``kernels/window_fft.cu`` holds. Nothing here imports cupy."""

from __future__ import annotations

from typing import NamedTuple

SIDES = (8, 16, 32, 64, 128)
"""Sides of windows that the kernel is written for."""
PITCH = {8: 11, 16: 19, 32: 36, 64: 72, 128: 136}
"""Complex numbers from one row of the buffer to the next; as in the kernel."""
PIXELS, ROOTS, BATCH, PARTS = 32, 128, 8, 64
"""Pixels of a thread, twiddles, windows that are multiplied at once, partial sums; as there."""
LEAST_THREADS, MOST_THREADS = 128, 512


SM_SHARED, SM_THREADS = 228 * 1024, 1024
"""What blocks at a time share: shared memory of a large card, and threads of 64 registers."""


def threads(window: tuple[int, int]) -> int:
    """Threads of a block: one for 32 pixels of its windows."""
    return max(LEAST_THREADS, window[0] * window[1] // PIXELS)


def together(window: tuple[int, int], n_threads: int) -> int:
    """Windows that a block of so many threads transforms at a time."""
    return n_threads * PIXELS // (window[0] * window[1])


def quadruples(features: int) -> int:
    """Round up to whole quadruples of features."""
    return -(-features // 4) * 4


def fft_shared(window: tuple[int, int], columns: int, n_threads: int | None = None) -> int:
    """Bytes of shared memory of a block of `window_fft`; as the kernel lays them out."""
    n_y, n_x = window
    windows = together(window, threads(window) if n_threads is None else n_threads)
    buffer = windows * (1 + n_y // 2 * PITCH[n_x]) * 8
    return ROOTS * 8 + buffer + (n_y + n_x + PARTS + columns + n_y) * 4


class ProjectBlock(NamedTuple):
    """What a block of `window_project` is."""

    n_threads: int
    windows: int
    """Windows that share one read of the vectors."""
    shared: int
    """Bytes of shared memory."""


def project_block(window: tuple[int, int], rows: int, columns: int, limit: int) -> ProjectBlock:
    """Choose the block that shares the vectors among most windows, and then has most threads.

    At most ``limit`` bytes of shared memory, unless the least block needs more.
    """

    def block(n_threads: int, windows: int) -> ProjectBlock:
        described = windows * quadruples(rows * columns) * 4
        return ProjectBlock(n_threads, windows, fft_shared(window, columns, n_threads) + described)

    def worth(b: ProjectBlock) -> tuple[int, int]:
        return min(b.windows, BATCH), min(SM_SHARED // b.shared * b.n_threads, SM_THREADS)

    least = threads(window)
    fitting = [block(least, together(window, least))]
    for n_threads in (least, min(2 * least, MOST_THREADS)):
        number = max(together(window, n_threads), BATCH)
        while number > together(window, n_threads) and block(n_threads, number).shared > limit:
            number //= 2
        if block(n_threads, number).shared <= limit:
            fitting.append(block(n_threads, number))
    return max(fitting, key=worth)
