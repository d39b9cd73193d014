"""What a block of ``kernels/window_fft.cu`` holds. Nothing here imports cupy."""

from __future__ import annotations

SIDES = (8, 16, 32, 64, 128)
"""Sides of windows that the kernel is written for."""
PITCH = {8: 11, 16: 19, 32: 36, 64: 72, 128: 136}
"""Complex numbers from one row of the buffer to the next; as in the kernel."""
PIXELS, ROOTS, BATCH, PARTS = 32, 128, 8, 64
"""Pixels of a thread, twiddles, windows that are multiplied at once, partial sums; as there."""
LEAST_THREADS = 128


def threads(window: tuple[int, int]) -> int:
    """Threads of a block: one for 32 pixels of its windows."""
    return max(LEAST_THREADS, window[0] * window[1] // PIXELS)


def together(window: tuple[int, int]) -> int:
    """Windows that a block transforms at a time."""
    return threads(window) * PIXELS // (window[0] * window[1])


def quadruples(features: int) -> int:
    """Round up to whole quadruples of features."""
    return -(-features // 4) * 4


def fft_shared(window: tuple[int, int], columns: int) -> int:
    """Bytes of shared memory of a block of `window_fft`; as the kernel lays them out."""
    n_y, n_x = window
    buffer = together(window) * (1 + n_y // 2 * PITCH[n_x]) * 8
    return ROOTS * 8 + buffer + (n_y + n_x + PARTS + columns + n_y) * 4


def project_shared(window: tuple[int, int], rows: int, columns: int, per_block: int) -> int:
    """Bytes of shared memory of a block of `window_project`; as the kernel lays them out."""
    return fft_shared(window, columns) + per_block * quadruples(rows * columns) * 4


def windows_per_block(window: tuple[int, int], rows: int, columns: int, limit: int) -> int:
    """Choose how many windows share one read of the vectors: 8, or as many as fit at a time."""
    number = max(together(window), BATCH)
    while number > together(window) and project_shared(window, rows, columns, number) > limit:
        number //= 2
    return number
