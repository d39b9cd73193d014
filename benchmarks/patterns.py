"""4D-STEM in memory, and from files."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

import unmix as um

from .peers_patterns import patterns, write_hdf5

SCAN, DETECTOR = 128, 64


def unmixed(samples: um.Samples, method: str) -> Any:
    """Run one decomposition."""
    if method == "pca":
        return um.pca(samples, 8)
    if method == "kmeans":
        return um.kmeans(samples, 4, n_starts=1, max_iter=20, tol=0)
    return um.nfindr(samples, 4)


class FourDStem:
    """Decompositions of 128 x 128 patterns of 64 x 64 counts (134 MB)."""

    params: ClassVar[list[list[str]]] = [["pca", "nfindr", "kmeans"], ["uint16", "float32"]]
    param_names = ("method", "dtype")

    def setup(self, method: str, dtype: str) -> None:
        data = patterns(SCAN, DETECTOR, slice(0, SCAN), np.dtype(dtype))
        self.samples = um.samples(data, 2)

    def time_unmix(self, method: str, dtype: str) -> None:
        unmixed(self.samples, method)

    def peakmem_unmix(self, method: str, dtype: str) -> None:
        unmixed(self.samples, method)


class Files:
    """Components of the same patterns, read tile by tile in every pass."""

    params: ClassVar[list[str]] = ["npy", "hdf5", "hdf5, gzip"]
    param_names = ("file",)

    def setup(self, file: str) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="unmix-asv-")
        self.path = Path(self.folder.name) / ("data.npy" if file == "npy" else "data.h5")
        if file == "npy":
            data = patterns(SCAN, DETECTOR, slice(0, SCAN), np.dtype(np.uint16))
            np.save(self.path, data)
        else:
            packed = "gzip" if file.endswith("gzip") else None
            write_hdf5(self.path, (SCAN, SCAN), DETECTOR, np.dtype(np.uint16), packed)

    def teardown(self, file: str) -> None:
        self.folder.cleanup()

    def run(self, file: str) -> None:
        with um.config.memory_budget(128 << 20):  # too little to keep them
            um.pca(um.open(self.path), 8)

    def time_pca(self, file: str) -> None:
        self.run(file)

    def peakmem_pca(self, file: str) -> None:
        self.run(file)
