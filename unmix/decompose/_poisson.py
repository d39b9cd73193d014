"""Scaling that makes the noise of counts alike everywhere, for `pca`, `ica` and `nmf`."""

from __future__ import annotations

from typing import NamedTuple

from .._arrays import namespace_of
from .._errors import DataError
from .._fold import fold
from .._samples import Samples
from .._tiles import Tile
from .._typing import Array


class PoissonScaling(NamedTuple):
    """What samples and features are multiplied by: x r_i s_j has noise of variance one.

    The variance of a count x_ij is near g_i h_j / m, where g_i is the mean of sample i, h_j that of
    feature j and m that of all: Keenan and Kotula, Surf. Interface Anal. 36, 203 (2004).
    """

    mean: Array
    """Mean of the rows as decompositions see them, shape (f,), float64."""
    scale: Array
    """s_j = h_j^(-1/2), shape (f,), float64; zero for features without a count."""
    packing: Array
    """Weights of the features in the rows, shape (f,), float64: those of the layout."""
    grand_mean: float
    """m."""

    def unpacked(self, samples: Samples) -> Array:
        """Return the scale of each entry of the descriptor, in the type of the samples."""
        scale = samples.xp.astype(self.scale[None, :], samples.dtype)
        return samples.layout.unpack(scale, weighted=False)[0, ...]

    def undone(self, values: Array) -> Array:
        """Return values (..., f) over the scale; zero for features without a count."""
        xp, counted = namespace_of(values), self.scale > 0
        return xp.where(counted, values / xp.where(counted, self.scale, 1.0), xp.zeros_like(values))

    def weights(self, rows: Array) -> Array:
        """Return r_i^2 = m / g_i of rows (n, f): shape (n,); zero for samples without a count."""
        xp = namespace_of(rows)
        means = xp.matmul(rows, xp.astype(self.packing, rows.dtype))
        means = means / float(xp.sum(self.packing**2))
        counted = means > 0
        means = xp.where(counted, means, xp.ones_like(means))
        return xp.where(counted, self.grand_mean / means, xp.zeros_like(means))


def poisson_scaling(samples: Samples) -> PoissonScaling:
    """Find the scaling in one pass over the samples.

    Raises
    ------
    DataError
        If a value is below zero, or none is above.
    """
    xp = samples.xp
    (total, least), _ = fold(samples, _counts, _merged, label="counts")
    if least < 0:
        raise DataError(
            f"noise='poisson' is the noise of counts, and the least value is {least:g}; expected "
            "no value below zero: leave noise out, or take off no background before"
        )
    mean = total / samples.layout.n_samples
    packing = samples.layout.weights(mean)
    packing = xp.ones_like(mean) if packing is None else packing
    spectrum = mean / packing
    grand_mean = float(xp.sum(packing * mean) / xp.sum(packing**2))
    if grand_mean == 0:
        raise DataError(
            "noise='poisson' is the noise of counts, and all values are zero; expected some counts"
        )
    counted = spectrum > 0
    root = xp.sqrt(xp.where(counted, spectrum, xp.ones_like(spectrum)))
    scale = xp.where(counted, 1 / root, xp.zeros_like(root))
    return PoissonScaling(mean, scale, packing, grand_mean)


def _counts(tile: Tile, _: None) -> tuple[Array, float]:
    """Sum of the rows and the least value of a tile."""
    xp = namespace_of(tile.rows)
    return xp.sum(tile.rows, axis=0, dtype=xp.float64), float(xp.min(tile.rows))


def _merged(a: tuple[Array, float], b: tuple[Array, float]) -> tuple[Array, float]:
    return a[0] + b[0], min(a[1], b[1])
