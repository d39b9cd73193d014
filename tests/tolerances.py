"""How closely backends and routes agree, by operation and computing type, each with its reason."""

from __future__ import annotations

import numpy as np

# float32 carries 6e-8 and float64 1.1e-16 of relative rounding; an operation multiplies that by
# what it sums over, and by the condition of its problem.
TOLERANCES: dict[str, dict[str, float]] = {
    # log2(4096) butterflies of random sign, relative to the largest entry
    "window_fft": {"float32": 2e-6, "float64": 1e-14},
    # sums over up to 1e4 features in the computing type, relative to the sum of their moduli
    "window_project": {"float32": 3e-6, "float64": 1e-13},
    # two products in a row, each over up to 2048 terms in the computing type, relative to the norms
    # of the factors; counts repeat, and so do roundings
    "sketch": {"float32": 5e-6, "float64": 1e-13},
    # sums over up to 1e4 samples in the computing type, merged in float64
    "covariance": {"float32": 5e-6, "float64": 1e-12},
    # singular values; vectors turn by rounding over the relative gap
    "randomized_svd": {"float32": 1e-5, "float64": 1e-10},
    # squared distances relative to the largest squared norm about the origin
    "kmeans": {"float32": 1e-5, "float64": 1e-12},
    # products in the computing type, solver in float64
    "abundances": {"float32": 2e-4, "float64": 1e-9},
    # volumes are determinants of float64 coordinates that came in the computing type
    "nfindr": {"float32": 1e-5, "float64": 1e-10},
    # twenty passes over sums of the computing type, in a flat valley of the loss
    "nmf": {"float32": 1e-3, "float64": 1e-10},
    # rotations are those of float64; scores come in the computing type
    "ica": {"float32": 1e-3, "float64": 1e-9},
    # averages of at most a few hundred overlapping values
    "overlap_add": {"float32": 1e-5, "float64": 1e-13},
    "scaling": {"float32": 1e-5, "float64": 1e-12},
}


def tolerance(op: str, dtype: object) -> float:
    """Return the tolerance of an operation for a computing type."""
    name = (
        np.dtype(dtype).name if isinstance(dtype, (np.dtype, type)) else str(dtype).split(".")[-1]
    )
    return TOLERANCES[op][name]
