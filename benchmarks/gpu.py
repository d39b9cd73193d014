"""Measure every hot operation on this machine's GPU: ``python -m benchmarks.gpu``.

Each runs beside stock CuPy, and beside cuML and PyTorch where they are installed, on the same
buffers; results are compared. Bandwidth and arithmetic are given as fractions of a copy and of a
matrix product that are measured in the same run. One JSON file per card: see ci/gpu.sh.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

import unmix as um

from . import gpu_tables as tables
from . import gpu_windows as windows
from .gpu_common import Bench, Operation

OPERATIONS = (
    windows.spectra,
    windows.projections,
    windows.any_windows,
    tables.simplex,
    tables.clusters,
    tables.race,
    tables.sketch,
    tables.components,
)
RESULTS = Path(__file__).resolve().parent / "results" / "gpu"
MOST_RUNS, ENOUGH_SECONDS, MOST_SECONDS = 15, 0.5, 10.0


def seconds(cp: Any, function: Callable[[], Any]) -> float:
    """Median time of a call on the device, after one call to warm up."""
    function()
    taken: list[float] = []
    began = time.perf_counter()
    while len(taken) < MOST_RUNS and (len(taken) < 3 or sum(taken) < ENOUGH_SECONDS):
        start, end = cp.cuda.Event(), cp.cuda.Event()
        start.record()
        function()
        end.record()
        end.synchronize()
        taken.append(cp.cuda.get_elapsed_time(start, end) / 1e3)
        if time.perf_counter() - began > MOST_SECONDS:
            break
    return max(statistics.median(taken), 1e-9)


def copy_speed(bench: Bench) -> float:
    """Bytes read and written per second by a copy."""
    cp = bench.cp
    source = cp.zeros(bench.fitted(2**30, 16, 1024), np.float32)
    target = cp.empty_like(source)

    def copy() -> None:
        target[...] = source

    return 2 * source.nbytes / seconds(cp, copy)


def product_speed(bench: Bench) -> float:
    """Flop per second of a product of float32 matrices."""
    n = max(64, int(8192 * min(1, bench.scale ** (1 / 3))))
    a = bench.numbers((n, n), np.float32)
    return 2 * n**3 / seconds(bench.cp, lambda: bench.cp.matmul(a, a))


def difference(cp: Any, ours: Any, theirs: Any) -> float:
    """Largest difference relative to the largest number."""
    scale = float(cp.abs(theirs).max())
    return float(cp.abs(ours - theirs).max()) / (scale or 1.0)


def measured(bench: Bench, operation: Operation, speeds: dict[str, float | None]) -> dict[str, Any]:
    """Compare an operation with its rivals, then time all of them."""
    cp = bench.cp
    result = operation.ours()
    out: dict[str, Any] = {"name": operation.name, "size": operation.size, **operation.notes}
    out |= {"bytes": operation.bytes, "flop": operation.flop, "tolerance": operation.tolerance}
    out["rivals"] = {}
    for name, rival in operation.rivals.items():
        if name in ("torch", "cuml") and find_spec(name) is None:
            continue
        try:
            errors = [difference(cp, result[place], part) for place, part in rival()]
            taken = seconds(cp, lambda rival=rival: [None for _ in rival()])
            out["rivals"][name] = {"seconds": taken, "difference": max(errors)}
        except Exception as error:  # out of memory, a library that is not there: others go on
            out["rivals"][name] = {"error": _words(error)}
        cp.get_default_memory_pool().free_all_blocks()
    del result
    taken = seconds(cp, operation.ours)
    out |= {"seconds": taken, "bytes_per_s": operation.bytes / taken}
    out["flop_per_s"] = operation.flop / taken
    for what, speed in speeds.items():
        if speed:
            unit = "bytes_per_s" if what == "copy" else "flop_per_s"
            out[f"fraction_of_{what}"] = out[unit] / speed
    agreed = [r["difference"] for r in out["rivals"].values() if "difference" in r]
    out["agrees"] = bool(agreed) and max(agreed) <= operation.tolerance
    return out


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:300]


def attempt(function: Callable[[], Any]) -> Any:
    """Return what a function returns, or the words of its error."""
    try:
        return function()
    except Exception as error:
        return {"error": _words(error)}


def card(cp: Any) -> dict[str, Any]:
    """Say what the run was made on."""
    runtime = cp.cuda.runtime
    free, total = runtime.memGetInfo()
    return {
        "card": runtime.getDeviceProperties(cp.cuda.Device().id)["name"].decode(),
        "compute_capability": cp.cuda.Device().compute_capability,
        "memory": total,
        "memory_free": free,
        "driver": runtime.driverGetVersion(),
        "runtime": runtime.runtimeGetVersion(),
        "cupy": cp.__version__,
        "unmix": um.__version__,
    }


def line(found: dict[str, Any]) -> str:
    """Return one line for people."""
    if "error" in found:
        return f"{found['name']:16} {found['error']}"
    rivals = (
        f"{name} {r['seconds'] * 1e3:.2f} ms" if "seconds" in r else f"{name}: {r['error'][:60]}"
        for name, r in found["rivals"].items()
    )
    share = (
        f"{100 * found[key]:.0f} % of the {what}"
        for key, what in (("fraction_of_copy", "copy"), ("fraction_of_product", "matrix product"))
        if key in found
    )
    verdict = "agrees" if found["agrees"] else "DIFFERS"
    return (
        f"{found['name']:16} {found['seconds'] * 1e3:9.2f} ms  {', '.join(share)}  {verdict}  "
        f"[{'; '.join(rivals)}]  {found['size']}"
    )


def run(cp: Any, asked: argparse.Namespace) -> dict[str, Any]:
    """Measure everything that there is time for."""
    began = time.perf_counter()
    bench = Bench(cp, asked.scale, 0.8 * cp.cuda.runtime.memGetInfo()[0])
    speeds = {
        "copy": attempt(lambda: copy_speed(bench)),
        "product": attempt(lambda: product_speed(bench)),
    }
    record = card(cp) | {"notes": dict(note.split("=", 1) for note in asked.note)}
    record |= {"scale": asked.scale, "copy_bytes_per_s": speeds["copy"]}
    record |= {"product_flop_per_s": speeds["product"], "operations": []}
    print(f"{record['card']}: copy {speeds['copy']} bytes/s, product {speeds['product']} flop/s")
    usable = {what: speed if isinstance(speed, float) else None for what, speed in speeds.items()}
    for make in OPERATIONS:
        cp.get_default_memory_pool().free_all_blocks()
        found = {"error": "not started: out of time"}
        if time.perf_counter() - began < asked.seconds:
            found = attempt(lambda make=make: measured(bench, make(bench), usable))
        record["operations"].append({"name": make.__name__} | found)
        print(line(record["operations"][-1]), flush=True)
    return record


def main(arguments: list[str] | None = None) -> int:
    """Measure, print and write; return 1 if an operation differs or fails, 2 without a GPU."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the JSON file")
    parser.add_argument("--scale", type=float, default=1.0, help="fraction of the full sizes")
    parser.add_argument("--seconds", type=float, default=200, help="start nothing after these")
    parser.add_argument("--note", action="append", default=[], help="name=value for the file")
    asked = parser.parse_args(arguments)
    from unmix.cuda.check import missing

    if why := missing():
        print(why)
        return 2
    import cupy

    record = run(cupy, asked)
    asked.results.mkdir(parents=True, exist_ok=True)
    name = re.sub(r"[^a-z0-9]+", "-", record["card"].lower()).strip("-")
    path = asked.results / f"{name}.json"
    path.write_text(json.dumps(record, indent=1) + "\n")
    print("wrote", path)
    return 0 if all(found.get("agrees") for found in record["operations"]) else 1


if __name__ == "__main__":
    sys.exit(main())
