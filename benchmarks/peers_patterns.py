"""4D-STEM: eight principal components of patterns, in memory and from files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from .peers_common import Contender, Goal, Host, Inputs, Rows, Workload, faster, lean, ours

K = 8
BUDGET = 128 << 20
CAPTURED = "variance captured per pattern"
AS_PEERS = 1e-3
"""`loss` at which no less variance is captured than by the peers: half of the components are of
noise, and the default goes on until those have converged too."""
CHUNK = (16, 16)
"""Scan positions of a chunk of the files."""


def patterns(columns: int, detector: int, rows: slice, dtype: Any) -> Host:
    """Return counts of four mixed patterns at some rows of the scan: (rows, columns, det, det)."""
    y, x = np.mgrid[:detector, :detector] / detector - 0.5
    mean = 20 * np.exp(-8 * (y**2 + x**2))
    disks = [mean * (1 + 0.8 * np.cos(2 * np.pi * (i * y + (3 - i) * x))) for i in range(4)]
    flat = np.asarray(disks, np.float32)
    sx = 2 * np.pi * np.arange(columns) / columns
    out = np.empty((rows.stop - rows.start, columns, detector, detector), dtype)
    for row, sy in zip(out, range(rows.start, rows.stop), strict=True):
        phases = [(i + 1) * (0.05 * sy + i * sx) for i in range(4)]
        amounts = np.sin(np.asarray(phases, np.float32)) + np.float32(1.01)
        rates = np.tensordot((amounts / amounts.sum(axis=0)).T, flat, axes=1)
        # a Poisson number of this mean is normal but for the tail, at a tenth of the time
        noise = np.random.default_rng(sy).standard_normal(rates.shape, dtype=np.float32)
        row[...] = np.rint(np.clip(rates + np.sqrt(rates) * noise, 0, None))
    return out


def write_hdf5(
    path: Path, scan: tuple[int, int], detector: int, dtype: Any, packed: str | None = None
) -> None:
    """Write such a set, row of chunks by row of chunks."""
    import h5py

    with h5py.File(path, "w") as file:
        chunks = (*(min(c, n) for c, n in zip(CHUNK, scan, strict=True)), detector, detector)
        shape = (*scan, detector, detector)
        data = file.create_dataset("data", shape, dtype, chunks=chunks, compression=packed)
        for start in range(0, scan[0], CHUNK[0]):
            rows = slice(start, min(start + CHUNK[0], scan[0]))
            data[rows] = patterns(scan[1], detector, rows, dtype)


def _sizes(scale: float) -> tuple[int, int]:
    return max(16, int(128 * scale)), max(16, int(128 * scale))


def _array(dtype: Any) -> Any:
    def make(folder: Path, scale: float) -> None:
        scan, detector = _sizes(scale)
        shape = (scan, scan, detector, detector)
        out = np.lib.format.open_memmap(folder / "data.npy", "w+", dtype, shape)
        for start in range(0, scan, 16):
            rows = slice(start, min(start + 16, scan))
            out[rows] = patterns(scan, detector, rows, dtype)
        out.flush()

    return make


def _file(dtype: Any, packed: str | None) -> Any:
    def make(folder: Path, scale: float) -> None:
        scan, detector = _sizes(scale)
        write_hdf5(folder / "data.h5", (scan, scan), detector, dtype, packed)
        write_hdf5(folder / "small.h5", CHUNK, detector, dtype, packed)

    return make


def captured(inputs: Inputs, components: Host) -> float:
    """Return the variance about the mean along orthonormal components, in float64."""
    basis = np.linalg.qr(components.reshape(len(components), -1).astype(np.float64).T)[0]
    scores = []
    if "data.h5" in str(inputs["data"]):
        import h5py

        with h5py.File(inputs["data"]) as file:
            data = file["data"]
            blocks = (data[i : i + CHUNK[0]] for i in range(0, len(data), CHUNK[0]))
            scores = [b.reshape(-1, len(basis)).astype(np.float32) @ basis for b in blocks]
    else:
        blocks = np.array_split(inputs["data"], 32)
        scores = [b.reshape(-1, len(basis)).astype(np.float32) @ basis for b in blocks]
    return float(np.concatenate(scores).var(axis=0).sum())


def _unmix(inputs: Inputs) -> Any:
    import unmix as um

    return um.pca(um.samples(inputs["data"], 2), K, loss=AS_PEERS)


def _unmix_default(inputs: Inputs) -> Any:
    import unmix as um

    return um.pca(um.samples(inputs["data"], 2), K)


def _unmix_file(inputs: Inputs) -> Any:
    import unmix as um

    return um.pca(um.open(inputs["data"]), K, loss=AS_PEERS)


def _unmix_file_streamed(inputs: Inputs) -> Any:
    import unmix as um

    with um.config.memory_budget(BUDGET):  # too little to keep the data between passes
        return um.pca(um.open(inputs["data"]), K, loss=AS_PEERS)


def _unmix_components(model: Any) -> Host:
    return np.asarray(model.components)


def _decompose(signal: Any) -> Host:
    signal.decomposition(
        algorithm="SVD", svd_solver="randomized", output_dimension=K, print_info=False
    )
    return np.asarray(signal.learning_results.factors[:, :K].T)


def _hyperspy(inputs: Inputs) -> Host:
    import hyperspy.api as hs

    signal = hs.signals.Signal2D(inputs["data"])
    if signal.data.dtype.kind != "f":  # decomposition takes floats only
        signal.change_dtype("float32")
    return _decompose(signal)


def _hyperspy_file(inputs: Inputs) -> Host:
    import dask.array as da
    import h5py
    import hyperspy.api as hs

    with h5py.File(inputs["data"]) as file:
        signal = hs.signals.Signal2D(da.from_array(file["data"])).as_lazy()
        return _decompose(signal)


def _torch(inputs: Inputs) -> Host:
    import torch

    torch.manual_seed(0)
    data = inputs["data"].reshape(-1, inputs["data"][0, 0].size).astype(np.float32, copy=False)
    u, s, v = torch.pca_lowrank(torch.from_numpy(data), q=K + 10, niter=2)
    _scores = u[:, :K] * s[:K]
    return np.asarray(v[:, :K].T)


def _sklearn(inputs: Inputs) -> Any:
    from sklearn.decomposition import PCA

    data = inputs["data"].reshape(-1, inputs["data"][0, 0].size).astype(np.float32, copy=False)
    model = PCA(K, svd_solver="randomized", random_state=0)
    return model, model.fit_transform(data)


def _part(inputs: Inputs, share: float) -> Inputs:
    if "small" in inputs:
        return inputs | {"data": inputs["small"]}
    return {"data": inputs["data"][: max(4, int(len(inputs["data"]) * share))]}


def short_of(our: str, peer: str) -> Goal:
    """Expect no less variance than the peer captures, to a thousandth of it."""

    def measure(rows: Rows) -> float:
        return rows[our].agreement / rows[peer].agreement

    return Goal(f"{CAPTURED}, {our} / {peer}", measure, least=0.999)


DEFAULT = "unmix, default loss"
HYPERSPY = "hyperspy, randomized"
STREAMED = "unmix in 128 MiB"
LAZY = "hyperspy lazy, randomized"
TORCH = "torch.pca_lowrank, 2 passes"
SKLEARN = "scikit-learn, randomized"
_NOT_CENTRED = "not centred, its default"


def _in_memory(dtype: str, size: str, goals: tuple[Goal, ...]) -> Workload:
    return Workload(
        f"4d-{dtype}",
        f"8 principal components of 4D-STEM: 128 x 128 x 128 x 128 {dtype} ({size})",
        _array(np.dtype(dtype)),
        _part,
        lambda inputs: inputs["data"].size,
        captured,
        CAPTURED,
        (
            *ours("unmix", _unmix, _unmix_components),
            Contender(DEFAULT, _unmix_default, _unmix_components, most_runs=2),
            Contender(HYPERSPY, _hyperspy, remark=_NOT_CENTRED),
            Contender(TORCH, _torch),
            Contender(SKLEARN, _sklearn, lambda answer: answer[0].components_, most_runs=2),
        ),
        (
            faster("unmix", HYPERSPY, 5),
            faster("unmix", TORCH, 1.5),
            lean("unmix", 60),
            short_of("unmix", TORCH),
            *goals,
        ),
    )


def _on_disk(dtype: str, packed: str | None) -> Workload:
    kind = packed or "plain"
    return Workload(
        f"4d-hdf5-{kind}",
        f"The same from HDF5, {dtype}, {kind}, chunks of 16 x 16 positions",
        _file(np.dtype(dtype), packed),
        _part,
        lambda _: 1.0,
        captured,
        CAPTURED,
        (
            *ours(STREAMED, _unmix_file_streamed, _unmix_components),
            Contender("unmix, default budget", _unmix_file, _unmix_components),
            Contender(LAZY, _hyperspy_file, remark=_NOT_CENTRED, most_runs=5),
        ),
        (
            faster(STREAMED, LAZY, 1.5),
            lean(STREAMED, 350, "peak"),
            short_of(STREAMED, LAZY),
        ),
    )


WORKLOADS = (
    _in_memory("float32", "1 GiB", ()),
    _in_memory("uint16", "0.5 GiB", ()),
    _on_disk("float32", None),
    _on_disk("float32", "gzip"),
)
