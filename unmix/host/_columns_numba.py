"""Transforms along y compiled by numba: FFTs of many columns side by side, in cache."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numba
import numpy as np

from .._typing import HostArray
from ._row_spectra import Block, Job, RowSpectra

KINDS = {"amplitude": 0, "power": 1, "complex": 2}
SIDE_BY_SIDE = 32
"""Columns that are transformed together, unless one window has more: they stay in cache."""

compiled: Callable[[Any], Any] = numba.njit(
    cache=True, nogil=True, error_model="numpy", fastmath={"contract"}
)


def factors(n: int) -> list[int]:
    """Return the lengths whose transforms make one of length ``n``, fours first."""
    found = []
    for r in (4, *range(2, n + 1)):
        while n % r == 0:
            found.append(r)
            n //= r
    return found


class Task(NamedTuple):
    """What the loops are told of a job."""

    step: int
    taper: HostArray
    flat: HostArray
    radices: HostArray
    turn: HostArray
    """Real and imaginary part of exp(-2 pi i k / n)."""
    rows: HostArray
    kind: int


class Transforms:
    """Mixed-radix FFTs of columns, with the taper before and the modulus after."""

    across = 512

    def __init__(self, job: Job) -> None:
        n = job.fft_shape[0]
        turn = np.exp(-2j * np.pi / n * np.arange(n))
        self.dtype = job.dtype
        self.task = Task(
            step=job.step[0],
            taper=job.taper[0],
            flat=np.stack([job.flat.real, job.flat.imag]).astype(job.dtype),
            radices=np.array(factors(n), dtype=np.int64),
            turn=np.stack([turn.real, turn.imag]).astype(job.dtype),
            rows=job.rows.astype(np.int64),
            kind=KINDS[job.output],
        )

    def __call__(self, spectra: RowSpectra, out: HostArray, block: Block) -> None:
        """Transform the columns of a block into their place."""
        real = out.view(self.dtype)
        grid = (*out.shape[1:3], block[1].stop - block[1].start, block[2].stop - block[2].start)
        first = (block[0].start, block[1].start, block[2].start)
        places = real.reshape(-1, *real.shape[3:])
        transform_block(spectra.planes, spectra.means, self.task, grid, first, places)


@compiled
def load(planes, means, y, x, few, taper, flat, out):  # type: ignore[no-untyped-def]
    """Gather the rows of some windows, less their means, under the taper along y."""
    columns, w = planes.shape[3], len(taper)
    width = few * columns
    for i in range(few):
        mean = 0.0
        for j in range(w):
            mean += means[y + j, x + i]
        mean /= w
        for j in range(w):
            rest = planes.dtype.type(taper[j] * (means[y + j, x + i] - mean))
            for part in range(2):
                row = planes[y + j, part, x + i]
                to = out[part, j * width + i * columns : j * width + (i + 1) * columns]
                for k in range(columns):
                    to[k] = taper[j] * row[k] + rest * flat[part, k]
    out[:, w * width :] = 0


@compiled
def pass_4(a, b, n, stride, turn):  # type: ignore[no-untyped-def]
    """Split transforms of length ``n`` in four, for ``stride`` numbers side by side (Stockham)."""
    m, unit = n // 4, turn.shape[1] // n
    size = n * stride
    ar, ai = a[0][:size].reshape(4, m, stride), a[1][:size].reshape(4, m, stride)
    br, bi = b[0][:size].reshape(m, 4, stride), b[1][:size].reshape(m, 4, stride)
    for p in range(m):
        u1, v1 = turn[0, p * unit], turn[1, p * unit]
        u2, v2 = turn[0, 2 * p * unit], turn[1, 2 * p * unit]
        u3, v3 = turn[0, 3 * p * unit], turn[1, 3 * p * unit]
        for q in range(stride):
            even_r, even_i = ar[0, p, q] + ar[2, p, q], ai[0, p, q] + ai[2, p, q]
            less_r, less_i = ar[0, p, q] - ar[2, p, q], ai[0, p, q] - ai[2, p, q]
            odd_r, odd_i = ar[1, p, q] + ar[3, p, q], ai[1, p, q] + ai[3, p, q]
            turn_r, turn_i = ai[1, p, q] - ai[3, p, q], ar[3, p, q] - ar[1, p, q]
            br[p, 0, q], bi[p, 0, q] = even_r + odd_r, even_i + odd_i
            r, i = less_r + turn_r, less_i + turn_i
            br[p, 1, q], bi[p, 1, q] = u1 * r - v1 * i, v1 * r + u1 * i
            r, i = even_r - odd_r, even_i - odd_i
            br[p, 2, q], bi[p, 2, q] = u2 * r - v2 * i, v2 * r + u2 * i
            r, i = less_r - turn_r, less_i - turn_i
            br[p, 3, q], bi[p, 3, q] = u3 * r - v3 * i, v3 * r + u3 * i


@compiled
def pass_any(a, b, radix, n, stride, turn):  # type: ignore[no-untyped-def]
    """Split transforms of length ``n`` in ``radix``, by the definition of the transform."""
    m, unit = n // radix, turn.shape[1] // n
    size = n * stride
    ar, ai = a[0][:size].reshape(radix, m, stride), a[1][:size].reshape(radix, m, stride)
    br, bi = b[0][:size].reshape(m, radix, stride), b[1][:size].reshape(m, radix, stride)
    for p in range(m):
        for j in range(radix):
            to_r, to_i = br[p, j], bi[p, j]
            to_r[:], to_i[:] = 0, 0
            for k in range(radix):
                at = j * (p + k * m) * unit % turn.shape[1]
                u, v = turn[0, at], turn[1, at]
                for q in range(stride):
                    to_r[q] += u * ar[k, p, q] - v * ai[k, p, q]
                    to_i[q] += v * ar[k, p, q] + u * ai[k, p, q]


@compiled
def store(a, at, width, columns, rows, kind, window):  # type: ignore[no-untyped-def]
    """Write what was asked for of one window's transform to its place."""
    for r in range(len(rows)):
        first = rows[r] * width + at
        real, imaginary = a[0, first : first + columns], a[1, first : first + columns]
        to = window[r]
        if kind == 0:
            for k in range(columns):
                to[k] = np.sqrt(real[k] * real[k] + imaginary[k] * imaginary[k])
        elif kind == 1:
            for k in range(columns):
                to[k] = real[k] * real[k] + imaginary[k] * imaginary[k]
        else:
            for k in range(columns):
                to[2 * k] = real[k]
                to[2 * k + 1] = imaginary[k]


@compiled
def transform_block(planes, means, task, grid, first, out):  # type: ignore[no-untyped-def]
    """Transform all windows of a block, a few side by side."""
    across, columns = planes.shape[2:]
    n, most = task.turn.shape[1], max(1, SIDE_BY_SIDE // columns)
    one = np.empty((2, n * most * columns), planes.dtype)
    other = np.empty_like(one)
    for y in range(grid[2]):
        for x in range(0, across, most):
            few = min(most, across - x)
            load(planes, means, y * task.step, x, few, task.taper, task.flat, one)
            a, b = one, other
            stride = few * columns
            done = 1
            for r in task.radices:
                if r == 4:
                    pass_4(a, b, n // done, stride, task.turn)
                else:
                    pass_any(a, b, r, n // done, stride, task.turn)
                a, b = b, a
                stride *= r
                done *= r
            for i in range(few):
                image = first[0] + (x + i) // grid[3]
                number = (image * grid[0] + first[1] + y) * grid[1] + first[2] + (x + i) % grid[3]
                store(a, i * columns, few * columns, columns, task.rows, task.kind, out[number])
