"""Keep the table of docs/kernels.md what the compiler says.

    python ci/kernel_docs.py            compare
    python ci/kernel_docs.py --write    write it anew, from ci/kernel_resources.json

Occupancy is counted by the rules of the CUDA programming guide, for launches of a usual size.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import unmix as um

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))
import fakecupy  # noqa: E402

PAGE, TABLE = ROOT / "docs" / "kernels.md", ROOT / "ci" / "kernel_resources.json"
BEGIN, END = "<!-- from ci/kernel_resources.json by ci/kernel_docs.py -->\n", "<!-- end -->\n"


class Processor(NamedTuple):
    """A streaming multiprocessor: most warps and blocks, shared bytes, and those a block costs."""

    warps: int
    blocks: int
    shared: int
    reserved: int
    unit: int


PROCESSORS = {
    "75": Processor(32, 16, 64 << 10, 0, 256),
    "80": Processor(64, 32, 164 << 10, 1 << 10, 128),
    "90": Processor(64, 32, 228 << 10, 1 << 10, 128),
    "100": Processor(64, 32, 228 << 10, 1 << 10, 128),
}


class Usual(NamedTuple):
    """A launch of a usual size, and how to see it."""

    kernel: str
    what: str
    call: Callable[[Any], Any]


def _image(cp: Any, dtype: Any = np.float32) -> Any:
    return cp.zeros((128, 128), dtype)


def _project(cp: Any) -> Any:
    return um.ops.window_project(_image(cp), 64, 16, cp.zeros((64 * 33, 26), np.float32))


def _sketch(cp: Any) -> Any:
    rows, q = cp.zeros((300, 3000), np.uint16), cp.zeros((3000, 26))
    return um.ops.sketch(rows, q, cp.zeros(3000))


def _search(d: int, s: int) -> Callable[[Any], Any]:
    forms, offsets = np.zeros((s, d)), np.zeros(s)
    return lambda cp: um.ops.largest_forms(cp.zeros((9, d), np.float32), forms, offsets)


def _assign(f: int, k: int) -> Callable[[Any], Any]:
    def call(cp: Any) -> Any:
        rows, centers = cp.zeros((k, f), np.float32), cp.zeros((1, k, f), np.float32)
        return um.ops.assign(rows, centers, rows[0], cp.zeros(k, np.float32))

    return call


def _race(cp: Any) -> Any:
    return um.ops.race(*(cp.ones((9, 10), np.float32) for _ in range(3)))


USUAL = (
    Usual("window_fft<", "16 x 16", lambda cp: um.ops.window_fft(_image(cp), 16, 16)),
    Usual("window_fft<", "64 x 64", lambda cp: um.ops.window_fft(_image(cp), 64, 16)),
    Usual("window_fft<", "128 x 128", lambda cp: um.ops.window_fft(_image(cp), 128, 1)),
    Usual("window_project<", "64 x 64, 26 vectors", _project),
    Usual("window_gather<", "48 x 48", lambda cp: um.ops.window_fft(_image(cp), 48, 40)),
    Usual("spectrum_parts<", "48 x 48", lambda cp: um.ops.window_fft(_image(cp), 48, 40)),
    Usual("sketch_rows<", "uint16, 26 directions", _sketch),
    Usual("sketch_features<", "uint16, 26 directions", _sketch),
    Usual("simplex_search<", "8 endmembers, one start", _search(7, 8)),
    Usual("simplex_search<", "25 endmembers, one start", _search(24, 25)),
    Usual("simplex_wide<", "31 endmembers, one start", _search(30, 31)),
    Usual("kmeans_fused<", "f = 64, k = 32", _assign(64, 32)),
    Usual("kmeans_nearest<", "f = 256, k = 40", _assign(256, 40)),
    Usual("kmeans_sums<", "f = 256, k = 40", _assign(256, 40)),
    Usual("kmeans_segments<", "f = 256, k = 200", _assign(256, 200)),
    Usual("kmeans_race<", "ten starts", _race),
)


def launches() -> Iterator[tuple[str, fakecupy.Launch]]:
    """Yield the usual launches, as the launchers make them on the stand-in for CuPy."""
    with fakecupy.installed() as cupy:
        for kernel, what, call in USUAL:
            with fakecupy.watched() as watch:
                call(cupy)
            yield what, next(found for found in watch.launches if found.name.startswith(kernel))


def resident(processor: Processor, warps: int, registers: int, wanted: int) -> int:
    """Return how many blocks of so many warps and shared bytes a processor holds at once."""
    of_warp = -(-registers * 32 // 256) * 256
    by_registers = 65536 // of_warp // 4 * 4 // warps
    shared = -(-(wanted + processor.reserved) // processor.unit) * processor.unit
    by_shared = processor.shared // shared if shared else processor.blocks
    return min(processor.blocks, processor.warps // warps, by_registers, by_shared)


def table() -> str:
    """Return the table."""
    taken = json.loads(TABLE.read_text())
    rows = [
        f"| kernel | launch | threads | KiB | {' | '.join(f'sm_{a}' for a in PROCESSORS)} |",
        "| --- | --- | --- | --- |" + " --- |" * len(PROCESSORS),
    ]
    for what, launch in launches():
        by_arch, threads = taken["instances"][launch.name], math.prod(launch.block)
        cells, warps = [], -(-threads // 32)
        for arch, processor in PROCESSORS.items():
            registers, *_, static = by_arch[arch]
            blocks = resident(processor, warps, registers, static + launch.shared)
            share = f"{blocks} ({100 * blocks * warps / processor.warps:.0f} %)"
            cells.append(f"{registers}: {share if blocks else 'too large'}")
        shared = f"{(by_arch['90'][-1] + launch.shared) / 1024:.1f}"
        row = (f"`{launch.name}`", what, str(threads), shared, *cells)
        rows.append(f"| {' | '.join(row)} |")
    spills = sum(n[1] + n[2] for of in taken["instances"].values() for n in of.values())
    count = len(taken["instances"])
    rows.append(f"\n{taken['compiler']}: {count} instances, {spills} bytes spilled in all of them.")
    return "\n".join(rows) + "\n"


def main() -> int:
    """Compare or write; return 1 where the page says something else."""
    page = PAGE.read_text()
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    now = f"{before}{BEGIN}{table()}{END}{after}"
    if sys.argv[1:] == ["--write"]:
        PAGE.write_text(now)
    elif now != page:
        print("docs/kernels.md has other numbers: python ci/kernel_docs.py --write renews them")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
