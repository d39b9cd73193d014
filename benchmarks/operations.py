"""Time of each operation beside the peer that a user would pick instead.

The side is a parameter, so that both are timed in one run; the ratio is the figure to read.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch
from scipy.optimize import nnls
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA

import unmix as um

from .common import (
    image,
    mixtures,
    on_faces,
    scan,
    spectra_by_rows,
    spectra_one_by_one,
    table,
)


class WindowFFT:
    """All spectra of an image, in memory."""

    params: ClassVar[list[list[Any]]] = [
        ["kept", "kept, no numba", "one call", "one call, no numba", "scipy by rows", "one by one"],
        [(1024, 64, 8), (2048, 64, 8), (1024, 32, 2)],
    ]
    param_names = ("side", "image, window, step")

    def setup(self, side: str, case: tuple[int, int, int]) -> None:
        if side == "one by one" and case != (1024, 64, 8):
            raise NotImplementedError  # a loop of many seconds; asv leaves the case out
        self.image = image(case[0])
        self.run(side, case)

    def run(self, side: str, case: tuple[int, int, int]) -> Any:
        _, window, step = case
        if side == "scipy by rows":
            return spectra_by_rows(self.image, window, step)
        if side == "one by one":
            return spectra_one_by_one(self.image, window, step)
        impl = "unmix.host.spectra:window_fft" if "no numba" in side else None
        if side.startswith("one call"):
            return um.ops.window_fft(self.image, window, step, impl=impl)
        return um.window_fft(um.sliding_windows(self.image, window, step), impl=impl).keep()

    def time_all(self, side: str, case: tuple[int, int, int]) -> None:
        self.run(side, case)

    def peakmem_all(self, side: str, case: tuple[int, int, int]) -> None:
        self.run(side, case)


class PrincipalComponents:
    """Sixteen components of a table of spectra."""

    params: ClassVar[list[str]] = [
        "unmix",
        "scikit-learn randomized",
        "scikit-learn covariance",
        "torch, 2 iterations",
        "torch, 7 iterations",
    ]
    param_names = ("side",)

    def setup(self, side: str) -> None:
        self.table = table(1024, 64, 8)

    def run(self, side: str) -> None:
        if side == "unmix":
            um.pca(self.table, 16)
        elif side == "scikit-learn randomized":
            PCA(16, svd_solver="randomized", random_state=0).fit_transform(self.table)
        elif side.startswith("torch"):
            torch.pca_lowrank(torch.from_numpy(self.table), 26, niter=int(side.split()[1]))
        else:
            PCA(16, svd_solver="covariance_eigh").fit_transform(self.table)

    def time_fit(self, side: str) -> None:
        self.run(side)

    def peakmem_fit(self, side: str) -> None:
        self.run(side)


class ScanPrincipalComponents:
    """Eight components of a 4D-STEM scan, whole counts as they come or converted before."""

    params: ClassVar[list[list[Any]]] = [
        ["unmix", "unmix, poisson", "torch"],
        ["uint16", "float32"],
    ]
    param_names = ("side", "counts")

    def setup(self, side: str, counts: str) -> None:
        if (side, counts) == ("torch", "uint16"):
            raise NotImplementedError  # it decomposes floats alone
        self.data = scan(64, 128).astype(counts, copy=False)

    def run(self, side: str) -> None:
        if side == "torch":
            torch.pca_lowrank(torch.from_numpy(self.data.reshape(64 * 64, -1)), 18, niter=2)
        else:
            noise = "poisson" if side.endswith("poisson") else None
            um.pca(um.samples(self.data, 2), 8, noise=noise, loss=1e-3)

    def time_fit(self, side: str, counts: str) -> None:
        self.run(side)

    def peakmem_fit(self, side: str, counts: str) -> None:
        self.run(side)


class ImagePrincipalComponents:
    """Sixteen components of the spectra of an image, kept in memory or made in every pass."""

    params: ClassVar[list[list[Any]]] = [["default budget", "128 MiB"], [1e-3, 1e-6]]
    param_names = ("memory", "loss")

    def setup(self, memory: str, loss: float) -> None:
        self.image = image(1024)

    def run(self, memory: str, loss: float) -> None:
        samples = um.window_fft(um.sliding_windows(self.image, 64, 8))
        with um.config.memory_budget((128 << 20) if memory == "128 MiB" else (2 << 30)):
            um.pca(samples, 16, loss=loss)

    def time_fit(self, memory: str, loss: float) -> None:
        self.run(memory, loss)

    def peakmem_fit(self, memory: str, loss: float) -> None:
        self.run(memory, loss)


class KMeansClusters:
    """Twenty steps from the same start."""

    params: ClassVar[list[list[Any]]] = [
        ["unmix", "scikit-learn"],
        [("spectra", 8), ("narrow", 32), ("scores", 8)],
    ]
    param_names = ("side", "table, n_clusters")

    def setup(self, side: str, case: tuple[str, int]) -> None:
        which, k = case
        if which == "spectra":
            self.table = table(1024, 64, 8)
        else:
            f = 16 if which == "narrow" else 64
            self.table = mixtures(100_000, 8, f).samples.astype(np.float32)
        self.start = self.table[:: len(self.table) // k][:k]
        self.run(side, k)  # numba compiles

    def run(self, side: str, k: int) -> None:
        if side == "unmix":
            um.kmeans(self.table, k, init=self.start, max_iter=20, tol=0)
        else:
            KMeans(k, init=self.start, n_init=1, max_iter=20, tol=0).fit(self.table)

    def time_fit(self, side: str, case: tuple[str, int]) -> None:
        self.run(side, case[1])

    def peakmem_fit(self, side: str, case: tuple[str, int]) -> None:
        self.run(side, case[1])


class KMeansStarts:
    """One k-means++ start and one step."""

    params: ClassVar[list[str]] = ["unmix", "scikit-learn"]
    param_names = ("side",)

    def setup(self, side: str) -> None:
        self.table = mixtures(100_000, 8, 16).samples.astype(np.float32)
        self.time_start(side)

    def time_start(self, side: str) -> None:
        if side == "unmix":
            um.kmeans(self.table, 16, n_starts=1, max_iter=1)
        else:
            KMeans(16, n_init=1, max_iter=1, random_state=0).fit(self.table)


class Simplex:
    """N-FINDR with ten random starts, and abundances of all samples."""

    params: ClassVar[list[int]] = [3, 5, 8]
    param_names = ("n_endmembers",)

    def setup(self, n_endmembers: int) -> None:
        self.mixtures = mixtures(60_000, n_endmembers, 256)
        self.pca = um.pca(self.mixtures.samples, n_endmembers - 1)

    def time_nfindr(self, n_endmembers: int) -> None:
        um.nfindr(self.mixtures.samples, n_endmembers, pca=self.pca)

    def time_fcls(self, n_endmembers: int) -> None:
        um.ops.fcls(self.mixtures.samples, self.mixtures.endmembers)

    def time_gram_product_alone(self, n_endmembers: int) -> None:
        _ = self.mixtures.samples @ self.mixtures.endmembers.T

    def peakmem_nfindr(self, n_endmembers: int) -> None:
        um.nfindr(self.mixtures.samples, n_endmembers, pca=self.pca)

    def peakmem_fcls(self, n_endmembers: int) -> None:
        um.ops.fcls(self.mixtures.samples, self.mixtures.endmembers)


class LargestSimplex:
    """N-FINDR of a table and of its scores, with one random start and with ten."""

    params: ClassVar[list[list[int]]] = [[60_000, 1_000_000], [3, 5, 8], [1, 10]]
    param_names = ("n_samples", "n_endmembers", "n_starts")

    def setup(self, n_samples: int, n_endmembers: int, n_starts: int) -> None:
        self.table = mixtures(n_samples, n_endmembers, 16).samples.astype(np.float32)
        self.pca = um.pca(self.table, n_endmembers - 1)

    def time_nfindr(self, n_samples: int, n_endmembers: int, n_starts: int) -> None:
        um.nfindr(self.table, n_endmembers, n_starts=n_starts)

    def time_nfindr_of_scores(self, n_samples: int, n_endmembers: int, n_starts: int) -> None:
        um.nfindr(self.table, n_endmembers, n_starts=n_starts, pca=self.pca)


class Abundances:
    """Fully constrained abundances, half of the samples on faces.

    Beside the product that no method can do without, and SciPy's solver on one sample in 50.
    """

    params: ClassVar[list[list[Any]]] = [
        ["unmix", "product alone", "SciPy, 1 in 50"],
        [(5, 2112), (8, 256), (12, 256)],
    ]
    param_names = ("side", "endmembers, features")

    def setup(self, side: str, case: tuple[int, int]) -> None:
        self.table, self.endmembers = on_faces(62_001, *case)
        self.run(side, case)

    def run(self, side: str, case: tuple[int, int]) -> None:
        if side == "unmix":
            um.abundances(self.table, self.endmembers)
        elif side == "product alone":
            _ = self.table @ self.endmembers.T
        else:
            # a heavy row asks for the sum of one
            heavy = 1e3 * self.endmembers.max()
            lifted = np.pad(self.endmembers.T, [(0, 1), (0, 0)], constant_values=heavy)
            for sample in self.table[::50]:
                nnls(lifted, np.append(sample, heavy))

    def time_fcls(self, side: str, case: tuple[int, int]) -> None:
        self.run(side, case)

    def peakmem_fcls(self, side: str, case: tuple[int, int]) -> None:
        self.run(side, case)
