"""Time of each operation beside the peer that a user would pick instead.

The side is a parameter, so that both are timed in one run; the ratio is the figure to read.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.mixture import GaussianMixture

import unmix as um

from .common import image, mixtures, spectra_by_rows, table


class WindowFFT:
    """All spectra of an image, kept in memory."""

    params: ClassVar[list[list[Any]]] = [["unmix", "scipy by rows"], [(1024, 64, 8), (1024, 32, 4)]]
    param_names = ("side", "image, window, step")

    def setup(self, side: str, case: tuple[int, int, int]) -> None:
        self.image = image(case[0])
        self.run(side, case)

    def run(self, side: str, case: tuple[int, int, int]) -> Any:
        _, window, step = case
        if side == "unmix":
            return um.window_fft(um.sliding_windows(self.image, window, step)).keep()
        return spectra_by_rows(self.image, window, step)

    def time_keep(self, side: str, case: tuple[int, int, int]) -> None:
        self.run(side, case)

    def peakmem_keep(self, side: str, case: tuple[int, int, int]) -> None:
        self.run(side, case)


class PrincipalComponents:
    """Sixteen components of a table of spectra."""

    params: ClassVar[list[str]] = ["unmix", "scikit-learn randomized", "scikit-learn covariance"]
    param_names = ("side",)

    def setup(self, side: str) -> None:
        self.table = table(1024, 64, 8)

    def run(self, side: str) -> None:
        if side == "unmix":
            um.pca(self.table, 16)
        elif side == "scikit-learn randomized":
            PCA(16, svd_solver="randomized", random_state=0).fit_transform(self.table)
        else:
            PCA(16, svd_solver="covariance_eigh").fit_transform(self.table)

    def time_fit(self, side: str) -> None:
        self.run(side)

    def peakmem_fit(self, side: str) -> None:
        self.run(side)


class KMeansClusters:
    """Twenty steps from the same start."""

    params: ClassVar[list[list[Any]]] = [["unmix", "scikit-learn"], ["spectra", "scores"]]
    param_names = ("side", "table")

    def setup(self, side: str, which: str) -> None:
        spectra = table(1024, 64, 8)
        scores = mixtures(100_000, 8, 16).samples.astype(np.float32)
        self.table = spectra if which == "spectra" else scores
        self.start = self.table[:: len(self.table) // 8][:8]

    def run(self, side: str) -> None:
        if side == "unmix":
            um.kmeans(self.table, 8, init=self.start, max_iter=20, tol=0)
        else:
            KMeans(8, init=self.start, n_init=1, max_iter=20, tol=0).fit(self.table)

    def time_fit(self, side: str, which: str) -> None:
        self.run(side)

    def peakmem_fit(self, side: str, which: str) -> None:
        self.run(side)


class GaussianMixtures:
    """Twenty passes over classes that overlap, k-means and posteriors included."""

    params: ClassVar[list[list[Any]]] = [
        ["unmix", "scikit-learn"],
        ["full", "tied", "diag", "spherical"],
    ]
    param_names = ("side", "covariance")

    def setup(self, side: str, covariance: str) -> None:
        self.table = um.synthetic.blobs(27_000, 8, 16, spread=3.0, rng=0)[0]

    def time_fit(self, side: str, covariance: str) -> None:
        if side == "unmix":
            um.gmm(self.table, 8, covariance=covariance, max_iter=20, tol=0)
        else:
            model = GaussianMixture(8, covariance_type=covariance, max_iter=20, tol=0)
            model.fit(self.table).predict_proba(self.table)


class LowRankMixture:
    """Eight classes of windows of 64 x 64 pixels: a full covariance of each would be 134 MB."""

    timeout = 300

    def setup(self) -> None:
        self.windows = um.sliding_windows(image(1024), 64, 7)

    def time_fit(self) -> None:
        um.gmm(self.windows, 8, covariance="low_rank", max_iter=20, tol=0)

    def peakmem_fit(self) -> None:
        self.time_fit()


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

    def peakmem_fcls(self, n_endmembers: int) -> None:
        um.ops.fcls(self.mixtures.samples, self.mixtures.endmembers)
