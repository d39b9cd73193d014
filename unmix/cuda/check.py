"""Compile and self-test every kernel on this machine's GPU: ``python -m unmix.cuda.check``.

Each kernel runs on data whose answer the generic operation knows, on the processor and in float64.
The exit code is 0 if all agree, 1 if one does not, and 2 if there is no GPU to run on.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from importlib import import_module
from time import perf_counter
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from .. import ops
from .._typing import HostArray

TOLERANCE = {"float32": 2e-5, "float64": 1e-11}
"""Largest error relative to the largest number of a result, by the type that is computed in."""

INSTALL = """
    pip install "unmix[cuda13]"    where nvidia-smi says CUDA 13
    pip install "unmix[cuda12]"    where it says CUDA 12
"""


class Case(NamedTuple):
    """One call of an operation that has a twin for CuPy."""

    op: str
    target: str
    args: tuple[Any, ...]
    options: Mapping[str, Any] = MappingProxyType({})


class Row(NamedTuple):
    """What the table says of one instance of a kernel."""

    kernel: str
    instance: str
    seconds: float
    error: float
    verdict: str


def cases() -> Iterator[Case]:
    """Yield calls that together launch every instance there is."""
    draw = np.random.default_rng(0)
    for dtype in (np.float32, np.float64):
        for d in (3, 8, 11, 16, 20, 23, 40):
            points, forms = draw.integers(-9, 9, (1001, d)), draw.integers(-3, 3, (5, d))
            yield Case("largest_forms", "simplex", (points.astype(dtype), forms, np.arange(5)))
        for f, s, k in ((5, 2, 3), (16, 5, 9), (200, 2, 3), (200, 5, 9), (60, 1, 131)):
            rows, centers = draw.integers(-9, 9, (777, f)), draw.integers(-9, 9, (s, k, f))
            given = tuple(a.astype(dtype) for a in (rows, centers, rows[0]))
            yield Case("nearest", "kmeans", given)
            norms = ops.squared_norms(given[0], given[2])
            yield Case("assign", "kmeans", (*given, norms))
        rows, squared = draw.integers(-9, 9, (9001, 3)), draw.integers(0, 3, (9001, 4))
        times = draw.permutation(4 * 9001).reshape(9001, 4) + 1
        yield Case("race", "kmeans", tuple(a.astype(dtype) for a in (rows, squared, times)))
    yield from _spectra(draw)
    for kind in ("uint8", "uint16", "float32"):
        for n, f, width in ((333, 300, 5), (333, 300, 20), (300, 2500, 40)):
            rows, q = draw.integers(0, 200, (n, f)).astype(kind), draw.standard_normal((f, width))
            yield Case("sketch", "svd", (rows, q, np.full(f, 99.5)))


def _spectra(draw: np.random.Generator) -> Iterator[Case]:
    for kind in ("uint8", "uint16", "int16", "float16", "float32", "float64"):
        image = draw.integers(0, 200, (150, 170)).astype(kind)
        yield Case("window_fft", "spectra:window_fft_any", (image, (12, 20), 9))
        yield Case("window_fft", "spectra:window_fft_any", (image, 9, 40), {"output": "complex"})
        if kind == "float64":
            continue
        for window in ((8, 8), (16, 64), (32, 16), (64, 32), (128, 128)):
            yield Case("window_fft", "spectra", (image, window, 11))
        vectors = draw.standard_normal((32 * 17, 13))
        yield Case("window_project", "spectra", (image, 32, 17, vectors), {"output": "power"})


def missing() -> str | None:
    """Return what a GPU run lacks here and how to get it, or None."""
    try:
        import cupy
    except ImportError as error:
        return f"CuPy cannot be imported: {error}. It comes with{INSTALL}"
    try:
        cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError as error:
        return (
            f"CuPy {cupy.__version__} finds no GPU: {error}. It needs an NVIDIA GPU with its "
            f"driver, and must be the CuPy for that driver:{INSTALL}"
        )
    try:
        nothing = 'extern "C" __global__ void nothing() {}'
        cupy.RawKernel(nothing, "nothing", ("-std=c++17",)).compile()
    except Exception as error:
        return f"CuPy cannot compile a kernel: {error}. The compiler, NVRTC, comes with{INSTALL}"
    return None


def check() -> list[Row]:
    """Compile and run every instance on the current device."""
    import cupy

    from ._load import cupy_kernels

    kernels, rows = import_module("unmix._kernels"), {}
    loader: Any = cupy_kernels(cupy.cuda.Device().id)
    for file, of_file in kernels.ENTRY_POINTS.items():
        for kernel, instances in of_file.items():
            for instance in instances:
                start = perf_counter()
                loader.get(file, instance).compile()
                spent = perf_counter() - start
                rows[instance] = Row(kernel, instance, spent, 0.0, "no case runs it")
    for case in cases():
        error, same, used = run(case, loader)
        close = error <= TOLERANCE["float64" if case.args[0].dtype == "float64" else "float32"]
        for instance in used:
            seen = rows[instance]
            bad = {"wrong", "other bits each time"} & {seen.verdict}
            verdict = "other bits each time" if not same else "ok" if close else "wrong"
            rows[instance] = seen._replace(
                error=max(error, seen.error), verdict=bad.pop() if bad else verdict
            )
    return list(rows.values())


def run(case: Case, loader: Any) -> tuple[float, bool, list[str]]:
    """Run a case twice: its error, whether the bits were the same, and what it launched."""
    import cupy

    used: list[str] = []
    get = loader.get

    def noted(file: str, instance: str) -> Any:
        used.append(instance)
        return get(file, instance)

    op, target = getattr(ops, case.op), case.target
    target = target if ":" in target else f"{target}:{case.op}"
    # the forms of largest_forms stay on the host
    last = 1 if case.op == "largest_forms" else len(case.args)
    moved = [cupy.asarray(a) if isinstance(a, np.ndarray) else a for a in case.args[:last]]
    loader.get = noted
    try:
        results = [
            op(*moved, *case.args[last:], impl=f"unmix.cuda.{target}", **case.options)
            for _ in range(2)
        ]
    finally:
        del loader.get
    first, second = (_on_host(result) for result in results)
    same = all(a.tobytes() == b.tobytes() for a, b in zip(first, second, strict=True))
    exact = [_exact(a) for a in case.args]
    expected = _on_host(op(*exact, impl="generic", **case.options))
    return max(map(difference, first, expected)), same, used


def _exact(value: Any) -> Any:
    """Floats as float64, whose rounding is none beside that of a kernel."""
    real = isinstance(value, np.ndarray) and value.dtype.kind in "iuf"
    return value.astype(np.float64) if real else value


def _on_host(result: Any) -> list[HostArray]:
    parts = result if isinstance(result, tuple) else (result,)
    return [np.asarray(p.get() if hasattr(p, "get") else p) for p in parts]


def difference(ours: HostArray, theirs: HostArray) -> float:
    """Largest difference relative to the largest number; whole numbers must be the same."""
    if ours.shape != theirs.shape:
        return np.inf
    if ours.dtype.kind in "iu":
        return 0.0 if np.array_equal(ours, theirs) else np.inf
    scale = float(np.max(np.abs(theirs), initial=0.0)) or 1.0
    worst = float(np.max(np.abs(ours - theirs), initial=0.0)) / scale
    return worst if np.isfinite(worst) else np.inf


def main() -> int:
    """Print the table and return the exit code."""
    import click

    why = missing()
    if why is not None:
        click.echo(why)
        return 2
    import cupy

    name = cupy.cuda.runtime.getDeviceProperties(cupy.cuda.Device().id)["name"].decode()
    click.echo(f"{name}, CuPy {cupy.__version__}, runtime {cupy.cuda.runtime.runtimeGetVersion()}")
    rows = check()
    width = max(len(row.instance) for row in rows)
    click.echo(f"{'kernel':22}{'instance':{width}}  compile s  max error  verdict")
    for kernel, instance, seconds, error, verdict in rows:
        click.echo(f"{kernel:22}{instance:{width}}  {seconds:9.2f}  {error:9.1e}  {verdict}")
    bad = sum(row.verdict != "ok" for row in rows)
    click.echo(f"{len(rows)} instances, {bad} not ok")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
