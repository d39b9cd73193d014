"""Time of factors and mixtures: NMF, ICA, Gaussian mixtures, Bayesian unmixing, and their peers."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from sklearn.decomposition import NMF, FastICA
from sklearn.mixture import GaussianMixture

import unmix as um

from .common import image, mixtures


class NonnegativeFactors:
    """Twenty passes from the same start, for squared errors and for counts."""

    params: ClassVar[list[list[str]]] = [
        ["unmix", "scikit-learn"],
        ["frobenius", "kullback-leibler"],
    ]
    param_names = ("side", "loss")

    def setup(self, side: str, loss: str) -> None:
        self.table = np.maximum(mixtures(60_000, 5, 256).samples, 0).astype(np.float32)
        self.time_fit(side, loss)

    def time_fit(self, side: str, loss: str) -> None:
        if side == "unmix":
            um.nmf(self.table, 5, loss=loss, init="nndsvda", max_iter=20, tol=0)
        else:
            solver = "cd" if loss == "frobenius" else "mu"
            options: dict[str, Any] = {"beta_loss": loss, "solver": solver, "init": "nndsvda"}
            NMF(5, max_iter=20, tol=0, **options).fit_transform(self.table)

    def peakmem_fit(self, side: str, loss: str) -> None:
        self.time_fit(side, loss)


class IndependentComponents:
    """FastICA of a table: whitening, rotation, and the maps."""

    params: ClassVar[list[str]] = ["unmix", "scikit-learn"]
    param_names = ("side",)

    def setup(self, side: str) -> None:
        draws = np.random.default_rng(0)
        sources = draws.laplace(size=(62_001, 16)) @ draws.standard_normal((16, 256))
        self.table = (sources + 0.1 * draws.standard_normal(sources.shape)).astype(np.float32)
        self.time_fit(side)

    def time_fit(self, side: str) -> None:
        if side == "unmix":
            um.ica(self.table, 16)
        else:
            FastICA(16, whiten_solver="eigh", random_state=0).fit_transform(self.table)

    def peakmem_fit(self, side: str) -> None:
        self.time_fit(side)


class BayesianUnmixing:
    """A hundred sweeps of four chains over 4,096 samples of 200 features."""

    params: ClassVar[list[int]] = [3, 8]
    param_names = ("n_endmembers",)
    timeout = 300

    def setup(self, n_endmembers: int) -> None:
        self.table = mixtures(4_096, n_endmembers, 200).samples

    def time_sweeps(self, n_endmembers: int) -> None:
        um.bayesian_unmixing(self.table, n_endmembers, max_iter=100)

    def peakmem_sweeps(self, n_endmembers: int) -> None:
        self.time_sweeps(n_endmembers)


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
    """Eight classes of 20,164 windows of 64 x 64: a full covariance of each would be 134 MB."""

    timeout = 300

    def setup(self) -> None:
        self.windows = um.sliding_windows(image(1051), 64, 7)

    def time_fit(self) -> None:
        um.gmm(self.windows, 8, covariance="low_rank", max_iter=20, tol=0)

    def peakmem_fit(self) -> None:
        self.time_fit()
