"""Transforms along y compiled by numba: FFTs of many columns side by side, in cache."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numba
import numpy as np

from .._typing import HostArray
from ._row_spectra import Block, Job, RowSpectra

KINDS = {"amplitude": 0, "power": 1, "complex": 2}
SIDE_BY_SIDE = 128
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
            flat=job.flat,
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
        planes = np.stack([spectra.rows.real, spectra.rows.imag], axis=1)
        planes = planes.reshape(*planes.shape[:2], -1)
        transform_block(planes, spectra.means, self.task, grid, first, places)


@compiled
def load(planes, means, y, x, few, taper, flat, out):  # type: ignore[no-untyped-def]
    """Gather the rows of some windows, less their means, under the taper along y."""
    columns, w, lines = planes.shape[2] // means.shape[1], len(taper), flat.shape[1]
    width = few * columns
    for j in range(w):
        for part in range(2):
            row = planes[y + j, part][x * columns : x * columns + width]
            to = out[part][j * width : (j + 1) * width]
            for q in range(width):
                to[q] = taper[j] * row[q]
    for i in range(few):
        mean = 0.0
        for j in range(w):
            mean += means[y + j, x + i]
        mean /= w
        for j in range(w):
            rest = taper.dtype.type(taper[j] * (means[y + j, x + i] - mean))
            for part in range(2):
                for k in range(lines):
                    out[part, j * width + i * columns + k] += rest * flat[part, k]
    out[:, w * width :] = 0


@compiled
def pass_4(a, b, n, s, turn):  # type: ignore[no-untyped-def]
    """Split transforms of length ``n`` in four, for ``s`` numbers side by side (Stockham)."""
    t, unit = n // 4 * s, turn.shape[1] // n
    xr, xi, yr, yi = a[0], a[1], b[0], b[1]
    for p in range(n // 4):
        u1, v1 = turn[0, p * unit], turn[1, p * unit]
        u2, v2 = turn[0, 2 * p * unit], turn[1, 2 * p * unit]
        u3, v3 = turn[0, 3 * p * unit], turn[1, 3 * p * unit]
        i, o = p * s, 4 * p * s
        a0r, a0i = xr[i : i + s], xi[i : i + s]
        a1r, a1i = xr[i + t : i + t + s], xi[i + t : i + t + s]
        a2r, a2i = xr[i + 2 * t : i + 2 * t + s], xi[i + 2 * t : i + 2 * t + s]
        a3r, a3i = xr[i + 3 * t : i + 3 * t + s], xi[i + 3 * t : i + 3 * t + s]
        br, bi = yr[o : o + 4 * s], yi[o : o + 4 * s]
        for q in range(s):
            even_r, even_i = a0r[q] + a2r[q], a0i[q] + a2i[q]
            less_r, less_i = a0r[q] - a2r[q], a0i[q] - a2i[q]
            odd_r, odd_i = a1r[q] + a3r[q], a1i[q] + a3i[q]
            turn_r, turn_i = a1i[q] - a3i[q], a3r[q] - a1r[q]
            br[q], bi[q] = even_r + odd_r, even_i + odd_i
            zr, zi = less_r + turn_r, less_i + turn_i
            br[q + s], bi[q + s] = u1 * zr - v1 * zi, v1 * zr + u1 * zi
            zr, zi = even_r - odd_r, even_i - odd_i
            br[q + 2 * s], bi[q + 2 * s] = u2 * zr - v2 * zi, v2 * zr + u2 * zi
            zr, zi = less_r - turn_r, less_i - turn_i
            br[q + 3 * s], bi[q + 3 * s] = u3 * zr - v3 * zi, v3 * zr + u3 * zi


@compiled
def pass_any(a, b, radix, n, s, turn):  # type: ignore[no-untyped-def]
    """Split transforms of length ``n`` in ``radix``, by the definition of the transform."""
    m, unit = n // radix, turn.shape[1] // n
    xr, xi, yr, yi = a[0], a[1], b[0], b[1]
    for p in range(m):
        for j in range(radix):
            o = (radix * p + j) * s
            br, bi = yr[o : o + s], yi[o : o + s]
            br[:], bi[:] = 0, 0
            for k in range(radix):
                i, at = (p + k * m) * s, j * (p + k * m) * unit % turn.shape[1]
                ar, ai = xr[i : i + s], xi[i : i + s]
                u, v = turn[0, at], turn[1, at]
                for q in range(s):
                    br[q] += u * ar[q] - v * ai[q]
                    bi[q] += v * ar[q] + u * ai[q]


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
    across = means.shape[1]
    columns = planes.shape[2] // across
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
