"""Where a non-negative factorisation starts."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

from .._arrays import from_host, generator, namespace_of, uniform_per_sample
from .._errors import DataError, ParameterError, ShapeError
from .._fold import all_numbers, fold
from .._samples import Samples
from .._tiles import Tile
from .._typing import Array
from .._unmixing import Unmixing
from ._common import packed_endmembers
from ._factors import Factors
from ._poisson import PoissonScaling
from .nfindr import nfindr
from .pca import pca

Start = Literal["nndsvda", "random", "nfindr"]

LIFT = 0.01
"""Share of the largest value that the others of a start from samples are lifted to."""
TINY = np.finfo(np.float32).tiny
"""What halves of singular vectors are divided by where they are nothing."""


def start_of(
    table: Samples,
    samples: Samples,
    n_components: int,
    init: Start | Unmixing,
    simplex: bool,
    scaling: PoissonScaling | None,
    key: int,
) -> Factors:
    """Return maps and components to start from; ``table`` holds the samples, kept if they fit."""
    mean = _level(table, scaling)
    if isinstance(init, Unmixing):
        start = _given(init, samples, n_components)
    elif init == "nndsvda":
        start = _nndsvda(table, n_components, scaling, mean, key)
    elif init == "random":
        start = _random(table, n_components, scaling, mean, key)
    elif init == "nfindr":
        start = _purest(table, samples, n_components, scaling, key)
    else:
        raise ParameterError(
            f"init is {init!r}; expected one of {', '.join(get_args(Start))}, or a model of these "
            "samples"
        )
    return _on_simplex(start) if simplex else start


def _level(samples: Samples, scaling: PoissonScaling | None) -> float:
    """Mean of all values as they are explained; values below zero are refused."""
    f = samples.layout.n_features
    if scaling is not None:  # which met them already
        return float(samples.xp.sum(scaling.mean * scaling.scale)) / f

    def update(tile: Tile, _: None) -> tuple[float, float]:
        xp = namespace_of(tile.rows)
        total = xp.sum(xp.astype(xp.sum(tile.rows, axis=1), xp.float64))
        return float(total), float(xp.min(tile.rows))

    (total, lowest), _ = fold(
        samples, update, lambda a, b: (a[0] + b[0], min(a[1], b[1])), label="NMF"
    )
    if lowest < 0:
        raise DataError(
            f"the samples hold values down to {lowest:g}; expected none below zero: "
            "take output='amplitude', normalize('minmax') or transform('clip', low=0)"
        )
    if total == 0:
        raise DataError("all values of the samples are zero; expected some signal")
    return float(total / (samples.layout.n_samples * f))


def _given(model: Unmixing, samples: Samples, n_components: int) -> Factors:
    """Start where another model of these samples ended."""
    if len(model) != n_components:
        raise ParameterError(
            f"init has {len(model)} components; expected n_components={n_components}"
        )
    if model.layout.map_shape != samples.layout.map_shape:
        raise ShapeError(
            f"init is of a map {model.layout.map_shape}; expected a model of these samples of "
            f"{samples.layout.map_shape}"
        )
    xp = namespace_of(model.maps)
    packed = packed_endmembers(model, samples, "the components of init")
    maps = xp.moveaxis(model.maps, 0, -1)
    return Factors(
        xp.clip(xp.asarray(maps, copy=True), 0, None),
        xp.clip(xp.astype(packed, xp.float64), 0, None),
    )


def _purest(
    table: Samples, samples: Samples, n_components: int, scaling: PoissonScaling | None, key: int
) -> Factors:
    """Start from the samples that span the largest simplex, lifted off zero."""
    model = None
    if scaling is not None:
        model = pca(table, n_components - 1, noise="poisson", rng=key)
    found = nfindr(table, n_components, pca=model, raw=True, rng=key)
    return Factors(*(_lifted(a) for a in _given(found, samples, n_components)))


def _lifted(values: Array) -> Array:
    """Lift what is near zero to a hundredth of the largest: products cannot leave zero."""
    xp = namespace_of(values)
    largest = float(xp.max(xp.where(xp.isnan(values), xp.zeros_like(values), values)))
    return xp.clip(values, LIFT * largest, None)


def _nndsvda(
    samples: Samples, n_components: int, scaling: PoissonScaling | None, mean: float, key: int
) -> Factors:
    """Take the half of each pair of singular vectors that carries more, and the mean for zeros."""
    noise: Literal["poisson"] | None = None if scaling is None else "poisson"
    model = pca(samples, n_components, center=False, noise=noise, rng=key)
    xp = samples.xp
    u = xp.moveaxis(model.maps, 0, -1)
    v = xp.astype(model.packed(model.components), xp.float64)
    v = v if scaling is None else v * scaling.scale
    filled = xp.where(xp.isnan(u), xp.zeros_like(u), u)
    columns, rows = [], []
    for j in range(n_components):
        halves = [
            (xp.clip(sign * filled[..., j], 0, None), xp.clip(sign * v[j, :], 0, None))
            for sign in (1, -1)
        ]
        carried = [float(_norm(a)) * float(_norm(b)) for a, b in halves]
        (a, b), size = halves[int(carried[1] > carried[0])], max(carried) ** 0.5
        columns.append(a * (size / max(float(_norm(a)), TINY)))
        rows.append(b * (size / max(float(_norm(b)), TINY)))
    maps, h = xp.stack(columns, axis=-1), xp.stack(rows)
    maps = xp.where(maps > 0, maps, xp.full_like(maps, mean))
    h = xp.where(h > 0, h, xp.full_like(h, mean))
    return Factors(xp.where(xp.isnan(u), u, maps), h if scaling is None else scaling.undone(h))


def _norm(values: Array) -> Array:
    xp = namespace_of(values)
    return xp.sqrt(xp.sum(values * values, dtype=xp.float64))


def _random(
    samples: Samples, n_components: int, scaling: PoissonScaling | None, mean: float, key: int
) -> Factors:
    """Draw both factors, of the size that explains the mean."""
    xp, f = samples.xp, samples.layout.n_features
    size = (mean / n_components) ** 0.5
    h = from_host(2 * size * generator(key, 0).random((n_components, f)), samples.source.like)
    maps = np.full((*samples.layout.map_shape, n_components), np.nan)
    numbers = all_numbers(samples)
    drawn = 2 * size * uniform_per_sample(key, 1, numbers, n_components)
    maps.reshape(-1, n_components)[numbers] = drawn
    h = xp.astype(h, xp.float64)
    h = h if scaling is None else scaling.undone(h)
    return Factors(from_host(maps, samples.source.like, samples.dtype), h)


def _on_simplex(start: Factors) -> Factors:
    """Turn amounts into fractions; the components take the mean of what these lose."""
    maps, h = start
    xp = namespace_of(maps)
    total = xp.sum(maps, axis=-1, keepdims=True)
    seen = xp.where(xp.isnan(total), xp.zeros_like(total), total)
    n = float(xp.sum(xp.astype(~xp.isnan(total), xp.float64)))
    share = maps / xp.where(seen > 0, seen, xp.ones_like(seen))
    return Factors(share, h * (float(xp.sum(seen, dtype=xp.float64)) / n))
