"""The subspace of the endmembers in coordinates where the noise is white."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .. import ops
from .._arrays import to_host
from .._fold import fold
from .._results import PrincipalComponents
from .._samples import Samples
from .._typing import HostArray
from ._vertices import host_rows

LEAST_OUTSIDE = 1e-3
"""Least share of a feature's noise outside of the subspace that its estimate is divided by."""


class WhiteSubspace(NamedTuple):
    """Scores to points with white noise of about one, and points to spectra."""

    turn: HostArray
    """(d, d): ``points = scores @ turn``."""
    basis: HostArray
    """(d, n_features): ``spectra = points @ basis + mean``."""
    mean: HostArray
    noise: HostArray
    """(n_features,), the standard deviation of each feature's noise."""
    freedom: float
    """Independent residuals outside of the subspace."""

    def spectra(self, points: HostArray) -> HostArray:
        """Return spectra (k, n_features) of points (k, d)."""
        return np.asarray(points @ self.basis + self.mean)


def white_subspace(samples: Samples, model: PrincipalComponents) -> WhiteSubspace:
    """Measure the noise of each feature by what the components leave, in one pass.

    The mean and the d components were fitted to the same n samples, so that ``n - 1 - d`` residuals
    of a feature are independent, and of its noise the share ``1 - sum_k v_k^2`` is outside of the
    subspace.
    """
    basis, mean = host_rows(model)
    (d, f), n = basis.shape, samples.layout.n_samples
    seen, _ = fold(
        samples, lambda t, _: ops.column_statistics(t.rows), ops.merge_statistics, label="noise"
    )
    total, squares = to_host(seen.total)[0], to_host(seen.squares)[0]
    scatter = to_host(model.explained_variance).astype(float) * (n - 1)
    residual = np.maximum(squares - total**2 / n - scatter @ basis**2, 0)
    outside = np.maximum(1 - np.sum(basis**2, axis=0), LEAST_OUTSIDE)
    variance = residual / max(n - 1 - d, 1) / outside
    # noise without any estimate is next to none
    covariance = (basis * variance) @ basis.T
    covariance += np.eye(d) * np.finfo(float).eps * scatter.sum() / (n * d)
    values, vectors = np.linalg.eigh(covariance)
    turn = vectors / np.sqrt(values)
    freedom = float(max(n - 1 - d, 0) * (f - d))
    return WhiteSubspace(turn, np.linalg.inv(turn) @ basis, mean, np.sqrt(variance), freedom)
