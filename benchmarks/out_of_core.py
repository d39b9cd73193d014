"""4D-STEM data larger than memory: peak memory, what a kill leaves, and the time beside HyperSpy.

    python benchmarks/out_of_core.py generated --gigabytes 24
    python benchmarks/out_of_core.py killed --gigabytes 2
    python benchmarks/out_of_core.py hdf5 --folder /tmp/scans --peer-python .../bin/python

Each run prints one line of JSON. Peak memory is that of a whole fresh process, read from Linux.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

DETECTOR = 128
PATTERNS = 4
PERIOD = 61
"""Noise is drawn for so many positions and repeated: a pass is no test of NumPy's draws."""

BUDGET = 256 << 20

HYPERSPY = """
import sys, time, json
from pathlib import Path
import dask.array as da, h5py, hyperspy.api as hs, numpy as np
data = h5py.File(sys.argv[1])["data"]
signal = hs.signals.Signal2D(da.from_array(data, chunks=data.chunks)).as_lazy()
start = time.perf_counter()
signal.decomposition(algorithm="SVD", output_dimension=8, svd_solver="randomized",
                     print_info=False)
np.save(sys.argv[2], np.asarray(signal.learning_results.factors).T)
seconds = time.perf_counter() - start
peak = int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 1024
print(json.dumps({"seconds": seconds, "peak_mib": peak}))
"""


class Generated:
    """Mixtures of a few patterns with noise, (scan_y, scan_x, det_y, det_x), made when it is read.

    Values depend on their place alone.
    """

    def __init__(self, side: int, dtype: str = "float32") -> None:
        rng = np.random.default_rng(7)
        pixels = DETECTOR * DETECTOR
        self.shape, self.dtype = (side, side, DETECTOR, DETECTOR), np.dtype(dtype)
        self.patterns = rng.gamma(2.0, 20.0, (PATTERNS, pixels)).astype(np.float32)
        self.noise = rng.normal(0, 4, (PERIOD, pixels)).astype(np.float32)

    def maps(self, y: Any, x: Any) -> Any:
        """Return the shares of the patterns, (b, PATTERNS)."""
        n = self.shape[0]
        waves = [1.5 + np.sin(2 * np.pi * ((i + 1) * y + i * x) / n) for i in range(PATTERNS)]
        shares = np.stack(waves, axis=-1)
        return (shares / shares.sum(axis=-1, keepdims=True)).astype(np.float32)

    def __getitem__(self, key: tuple[slice, ...]) -> Any:
        along = [np.arange(n)[s] for n, s in zip(self.shape[:2], key[:2], strict=True)]
        y, x = np.meshgrid(*along, indexing="ij")
        rows = self.maps(y.ravel(), x.ravel()) @ self.patterns
        rows += self.noise[(y.ravel() * 37 + x.ravel()) % PERIOD]
        np.maximum(rows, 0, out=rows)
        block = rows.reshape(*y.shape, DETECTOR, DETECTOR)[(..., *key[2:])]
        return block.astype(self.dtype, copy=False)


def peak_mib() -> float:
    """Return the peak of this process' memory."""
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 1024


def digest(*arrays: Any) -> str:
    """Return a hash of all bits."""
    together = hashlib.sha256()
    for array in arrays:
        together.update(np.ascontiguousarray(array).tobytes())
    return together.hexdigest()[:16]


def generated(gigabytes: float) -> dict[str, Any]:
    """Run PCA(8) and k-means on generated data of so many gigabytes."""
    import unmix as um

    side = int(np.sqrt(gigabytes * 1e9 / (DETECTOR * DETECTOR * 4)))
    samples = um.samples(Generated(side), 2)
    start = time.perf_counter()
    with um.config.memory_budget(BUDGET):
        pca = um.pca(samples, 8)
        fitted = time.perf_counter()
        clusters = um.kmeans(samples, 4, n_starts=1, max_iter=5)
    return {
        "gigabytes": round(side * side * DETECTOR * DETECTOR * 4 / 1e9, 2),
        "pca_seconds": round(fitted - start, 1),
        "kmeans_seconds": round(time.perf_counter() - fitted, 1),
        "peak_mib": round(peak_mib()),
        "bits": digest(pca.maps, pca.components, clusters.labels, clusters.centers),
    }


def killed(gigabytes: float) -> dict[str, Any]:
    """Run three times, of which the second is killed in the middle, and compare the others."""
    command = [sys.executable, __file__, "generated", "--gigabytes", str(gigabytes)]
    start = time.perf_counter()
    first = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    whole = time.perf_counter() - start
    victim = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    time.sleep(whole / 2)
    victim.kill()
    victim.wait()
    again = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return {"first": first, "again": again, "same_bits": first["bits"] == again["bits"]}


def write_scans(folder: Path) -> list[Path]:
    """Write 128^4 Poisson counts, 1 GiB, plain and packed, unless they are there."""
    import h5py

    side, paths = 128, [folder / "plain.h5", folder / "gzip.h5"]
    folder.mkdir(parents=True, exist_ok=True)
    if all(p.exists() for p in paths):
        return paths
    source, rng = Generated(side), np.random.default_rng(0)
    files = [h5py.File(p, "w") for p in paths]
    chunks = (16, 16, DETECTOR, DETECTOR)
    data = [
        file.create_dataset("data", source.shape, "float32", chunks=chunks, compression=packed)
        for file, packed in zip(files, (None, "gzip"), strict=True)
    ]
    for y in range(0, side, 16):
        for x in range(0, side, 16):
            where = (slice(y, y + 16), slice(x, x + 16), slice(None), slice(None))
            block = rng.poisson(source[where] / 10).astype(np.float32)
            for dataset in data:
                dataset[where] = block
    for file in files:
        file.close()
    return paths


def pca_of_file(path: Path, out: Path, scratch: Path | None) -> dict[str, Any]:
    """Run PCA(8) of a file, which may be unpacked into a scratch file first."""
    import unmix as um

    start = time.perf_counter()
    with um.config.memory_budget(BUDGET):
        samples = um.open(path)
        model = um.pca(samples if scratch is None else samples.keep(scratch), 8)
    seconds = time.perf_counter() - start
    if scratch is not None:
        scratch.unlink()
    np.save(out, model.components.reshape(8, -1))
    return {"seconds": seconds, "peak_mib": peak_mib()}


def captured(path: Path, components: Path) -> float:
    """Return the variance about the mean that components span, summed over all positions."""
    import unmix as um

    basis = np.linalg.qr(np.load(components).T)[0].astype(np.float32)
    with um.config.memory_budget(BUDGET):
        moments, _ = um.fold(
            um.open(path),
            lambda tile, _: um.ops.covariance(tile.rows @ basis),
            um.ops.merge_covariance,
        )
    return float(np.trace(moments.scatter))


def hdf5(folder: Path, peer_python: str | None, repeats: int) -> dict[str, Any]:
    """Time PCA(8) of both files, in fresh processes, in turn with HyperSpy's lazy signals."""
    table: dict[str, Any] = {}
    for path in write_scans(folder):
        names = ("unmix", "unmix_scratch", "hyperspy")
        runs: dict[str, list[dict[str, float]]] = {name: [] for name in names}
        found = {name: folder / f"{path.stem}_{name}.npy" for name in runs}
        ours = [sys.executable, __file__, "pca", str(path)]
        scratch = str(folder / "scratch.npy")
        commands = {
            "unmix": [*ours, str(found["unmix"])],
            "unmix_scratch": [*ours, str(found["unmix_scratch"]), "--scratch", scratch],
            "hyperspy": [peer_python, "-c", HYPERSPY, str(path), str(found["hyperspy"])],
        }
        for _ in range(repeats):
            for name, command in commands.items():
                if command[0] is not None:
                    done = subprocess.run(command, check=True, capture_output=True, text=True)
                    runs[name].append(json.loads(done.stdout.splitlines()[-1]))
        table[path.stem] = {
            name: {
                "seconds": round(statistics.median(r["seconds"] for r in each), 2),
                "all_seconds": [round(r["seconds"], 2) for r in each],
                "peak_mib": round(max(r["peak_mib"] for r in each)),
                "captured": captured(path, found[name]),
            }
            for name, each in runs.items()
            if each
        }
    return table


def main() -> None:
    """Run what the command line names and print its figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("generated", "killed"):
        one = commands.add_parser(name)
        one.add_argument("--gigabytes", type=float, default=24)
    one = commands.add_parser("hdf5")
    one.add_argument("--folder", type=Path, required=True)
    one.add_argument("--peer-python", help="an interpreter with hyperspy, dask and h5py")
    one.add_argument("--repeats", type=int, default=5)
    one = commands.add_parser("pca")
    one.add_argument("path", type=Path)
    one.add_argument("out", type=Path)
    one.add_argument("--scratch", type=Path)
    given = vars(parser.parse_args())
    functions = {"generated": generated, "killed": killed, "hdf5": hdf5, "pca": pca_of_file}
    print(json.dumps(functions[given.pop("command")](**given)))


if __name__ == "__main__":
    main()
