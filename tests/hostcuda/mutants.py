"""Bugs of the kind that kernels have, one at a time, in the project's own kernels.

A mutant is a piece of text put in the place of another, which must occur exactly once, and the
small problem that runs it. ``python -m hostcuda.mutants``, in the folder of the tests, prints which
mode sees which.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

from .cases import CASES
from .errors import KernelError, LaunchError
from .kernels import HostKernels, own_source

MODES: dict[str, tuple[str, Any]] = {
    "ascending": ("plain", "ascending"),
    "descending": ("plain", "descending"),
    "random": ("plain", ("random", 1)),
    "asan": ("asan", "ascending"),
    "tsan": ("tsan", "ascending"),
}


@dataclass(frozen=True)
class Mutant:
    """One bug, and the mode that must see it, the cheapest that does."""

    name: str
    file: str
    case: str
    mode: str
    old: str
    new: str

    def source(self, file: str) -> str:
        """Return the text of a file, with the bug in its place."""
        text = own_source(file)
        if file != self.file:
            return text
        if text.count(self.old) != 1:
            raise ValueError(f"{self.name}: {self.file} has {text.count(self.old)} of {self.old!r}")
        return text.replace(
            self.old, "\n" * (self.old.count("\n") - self.new.count("\n")) + self.new
        )

    def seen(self, mode: str) -> str | None:
        """Return how one mode sees it, or None."""
        kind, order = MODES[mode]
        kernels = HostKernels(kind, order, source=self.source)
        try:
            CASES[self.case](kernels)
        except KernelError as error:
            return error.kind
        except LaunchError:
            return "launch"
        except (AssertionError, IndexError):  # the latter from a position that is none
            return "result"
        return None


MUTANTS = (
    # ---- barriers that are missing ----
    Mutant(
        "tables of forms are used before they are full",
        *("simplex.cu", "search dense", "descending"),
        "    __syncthreads();\n\n    const bool packed",
        "    const bool packed",
    ),
    Mutant(
        "peaks of other warps are read too early",
        *("simplex.cu", "search dense", "ascending"),
        "    __syncthreads();\n    for (int form = threadIdx.x; form < count",
        "    for (int form = threadIdx.x; form < count",
    ),
    Mutant(
        "staged rows are overwritten while they are read",
        *("simplex.cu", "search dense", "ascending"),
        "__syncwarp();  // the rows before these were read",
        "",
    ),
    Mutant(
        "a vote in the place of a barrier of the warp",
        *("simplex.cu", "search dense", "tsan"),
        "__syncwarp();  // every lane has read the old peak",
        "",
    ),
    Mutant(
        "columns are staged while those before are read",
        *("simplex.cu", "search wide", "ascending"),
        "__syncthreads();  // what was staged before was read",
        "",
    ),
    Mutant(
        "the next tile comes before the sums of this one",
        *("kmeans.cu", "fused", "ascending"),
        "__syncthreads();  // the rows and labels before these were read",
        "",
    ),
    Mutant(
        "products of a tile that is not there yet",
        *("kmeans.cu", "labels", "ascending"),
        "                __syncthreads();\n                if (warp * 2 * C < count) {",
        "                if (warp * 2 * C < count) {",
    ),
    Mutant(
        "a count is read after it was lowered",
        *("kmeans.cu", "sorted", "ascending"),
        "__syncwarp();  // every lane has read the count",
        "",
    ),
    Mutant(
        "the second pass over columns before the first",
        *("window_fft.cu", "fft 64 x 32", "ascending"),
        "    if constexpr (D > 1) {\n        __syncthreads();\n",
        "    if constexpr (D > 1) {\n",
    ),
    Mutant(
        "a row is written while its lanes read it",
        *("window_fft.cu", "fft 32 x 64", "ascending"),
        "__syncwarp();  // the A lanes of this row have read it: it may be written in plain order",
        "",
    ),
    Mutant(
        "partial sums are read before they are written",
        *("window_fft.cu", "project", "ascending"),
        "        __syncthreads();\n        for (int e = threadIdx.x; e < here * width;",
        "        for (int e = threadIdx.x; e < here * width;",
    ),
    Mutant(
        "sums over features lie in a tile that is still read",
        *("sketch.cu", "sketch", "ascending"),
        "        __syncthreads();\n#pragma unroll\n        for (int j = 0; j < EACH; ++j) tile[",
        "#pragma unroll\n        for (int j = 0; j < EACH; ++j) tile[",
    ),
    # ---- lost updates ----
    Mutant(
        "members of a cluster are counted without an atomic",
        *("kmeans.cu", "fused", "tsan"),
        "atomicAdd(members + its_first + number, 1);",
        "members[its_first + number] += 1;",
    ),
    Mutant(
        "labels are counted without an atomic",
        *("kmeans.cu", "sorted", "tsan"),
        "atomicAdd(counts + labels[row] * index_t(gridDim.x) + blockIdx.x, 1);",
        "counts[labels[row] * index_t(gridDim.x) + blockIdx.x] += 1;",
    ),
    Mutant(
        "two blocks write one cell",
        *("kmeans.cu", "race", "tsan"),
        "best_row[(first + own) * gridDim.x + blockIdx.x] = row;",
        "best_row[(first + own) * gridDim.x] = row;",
    ),
    # ---- bounds ----
    Mutant(
        "one row too many",
        *("simplex.cu", "search strided", "ascending"),
        "row[r] = mine < last ? mine : last - 1;",
        "row[r] = mine <= last ? mine : last - 1;",
    ),
    Mutant(
        "one row too many is staged",
        *("kmeans.cu", "fused", "ascending"),
        "if (r + u * down < end) held[u]",
        "if (r + u * down <= end) held[u]",
    ),
    Mutant(
        "one sample too many is written",
        *("sketch.cu", "sketch", "ascending"),
        "if (row >= n) continue;",
        "if (row > n) continue;",
    ),
    Mutant(
        "the window after the last",
        *("window_fft.cu", "any complex", "ascending"),
        "if (line >= count * rows) return;",
        "if (line > count * rows) return;",
    ),
    Mutant(
        "a tile whose rows overlap the next array",
        *("kmeans.cu", "labels", "ascending"),
        "__shared__ __align__(16) T table[CHUNK * STRIDE];",
        "__shared__ __align__(16) T table[CHUNK * (STRIDE - 1)];",
    ),
    # ---- divergence ----
    Mutant(
        "only some lanes come to a shuffle",
        *("simplex.cu", "search dense", "ascending"),
        "if (__any_sync(ALL_LANES, top > peak[warp * count + form])) {",
        "if (top > peak[warp * count + form]) {",
    ),
    Mutant(
        "a shuffle of the lanes that are above",
        *("kmeans.cu", "fused", "ascending"),
        "if (above) warp_best(squared, row);",
        "if (squared > far[search]) warp_best(squared, row);",
    ),
    Mutant(
        "only some threads come to a barrier",
        *("kmeans.cu", "sorted", "ascending"),
        "        part[threadIdx.x] = sum;\n        __syncthreads();",
        "        part[threadIdx.x] = sum;\n        if (column <= f) __syncthreads();",
    ),
    Mutant(
        "threads leave before a barrier",
        *("simplex.cu", "search dense", "ascending"),
        "    if (threadIdx.x % LANES == 0) {\n        warp_value[threadIdx.x / LANES] = value;",
        "    if (threadIdx.x >= 96) return;\n    if (threadIdx.x % LANES == 0) {\n"
        "        warp_value[threadIdx.x / LANES] = value;",
    ),
    # ---- shared memory that nobody has filled ----
    Mutant(
        "members are counted from what was there",
        *("kmeans.cu", "fused", "ascending"),
        "for (int e = threadIdx.x; e < centers; e += THREADS) members[e] = 0;",
        "",
    ),
    Mutant(
        "peaks begin as what was there",
        *("simplex.cu", "search wide", "ascending"),
        "        peak[e] = T(-1);\n        peak_row[e] = first;\n    }\n\n    // the tiles",
        "        peak_row[e] = first;\n    }\n\n    // the tiles",
    ),
    Mutant(
        "features that pad the last quadruple",
        *("window_fft.cu", "project", "ascending"),
        "described[e / over * feature_step + features + e % over] = 0.0f;",
        "",
    ),
    # ---- ties, and numbers ----
    Mutant(
        "the highest row of equals",
        *("simplex.cu", "search dense", "ascending"),
        "(value == other && index < other_index)",
        "(value == other && index > other_index)",
    ),
    Mutant(
        "the last centre of equals",
        *("kmeans.cu", "labels", "ascending"),
        "if (j == 0 || value < least) {",
        "if (j == 0 || value <= least) {",
    ),
    Mutant(
        "the last of a lane's equal rows",
        *("simplex.cu", "search ties", "ascending"),
        "if (modulus(value[r]) > best) {",
        "if (modulus(value[r]) >= best) {",
    ),
    Mutant(
        "positions of 32 bits",
        *("sketch.cu", "sketch", "ascending"),
        "typedef long long index_t;",
        "typedef int index_t;",
    ),
    Mutant(
        "a twiddle too many",
        *("window_fft.cu", "fft 64 x 32", "ascending"),
        "z[3] = times(z[3], three);",
        "z[3] = times(z[3], two);",
    ),
)


def main() -> int:
    """Print a table of mutants and modes; return how many no mode sees."""
    out, unseen = sys.stdout, 0
    for mutant in MUTANTS:
        seen = {mode: mutant.seen(mode) or "-" for mode in MODES}
        unseen += set(seen.values()) == {"-"}
        cells = "  ".join(f"{how:10}" for how in seen.values())
        out.write(f"{mutant.file:14} {mutant.name:52} {cells}\n")
        out.flush()
    out.write(f"{' ' * 67} {'  '.join(f'{mode:10}' for mode in MODES)}\n")
    return unseen


if __name__ == "__main__":
    sys.exit(main())
