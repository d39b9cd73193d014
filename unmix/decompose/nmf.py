"""Non-negative matrix factorisation."""

from __future__ import annotations

from functools import partial
from typing import Literal, NamedTuple, get_args

import numpy as np

from .. import ops
from .._arrays import from_host, generator, namespace_of, rng_key, uniform_per_sample
from .._door import as_table
from .._errors import DataError, ParameterError, ShapeError
from .._fold import all_numbers, fold
from .._record import Clock
from .._results import Loss, NonnegativeFactors, Unmixing, maps_of
from .._samples import Samples
from .._tiles import Tile
from .._typing import RNG, Array
from ..layout import Layout
from ._common import (
    kept_if_it_fits,
    not_negative,
    packed_endmembers,
    signed_since,
    whole_number,
)
from .nfindr import nfindr
from .pca import pca

Start = Literal["nndsvda", "random", "nfindr"]

LIFT = 0.01
TINY = np.finfo(np.float32).tiny
"""What halves of singular vectors are divided by where they are nothing."""


def nmf(
    samples: Samples | Array,
    n_components: int,
    *,
    loss: Loss = "frobenius",
    init: Start | Unmixing | None = None,
    simplex: bool = False,
    max_iter: int = 500,
    tol: float = 1e-4,
    rng: RNG = 0,
) -> NonnegativeFactors:
    """Explain non-negative samples by non-negative components in non-negative amounts.

    Parameters
    ----------
    samples : Samples or array
        Described samples, or a table (sample, feature), without values below zero.
    n_components : int
        Number of components.
    loss : {"frobenius", "kullback-leibler"}
        Squared error; or the divergence that suits counts.
    init : {"nndsvda", "random", "nfindr"} or Unmixing, optional
        Start: signed halves of singular vectors with zeros filled by the mean (the default);
        random numbers; the samples that span the largest simplex (the default with ``simplex``); or
        the maps and components of a model of these samples, whose zeros stay zero under
        ``"kullback-leibler"``.
    simplex : bool
        The maps of each sample sum to one: abundances.
    max_iter : int
        Most passes over the samples.
    tol : float
        Stop when the projected gradient (for Kullback-Leibler: values times gradient) has fallen
        to this fraction of what it was in the first pass.
    rng : int or numpy.random.Generator
        Random start, and the sketch or the starts behind the others.

    Returns
    -------
    NonnegativeFactors
        Maps and components in the namespace, on the device and in the computing type of the data,
        in the order of the signal that they carry. A component has norm one and its map the units
        of the samples; with ``simplex`` the maps are fractions and the components have the units.

    Raises
    ------
    DataError
        If a sample holds a value below zero, or all are zero.
    ParameterError
        If an option or a number is out of range.
    ShapeError
        If ``init`` is a model of another map or descriptor.

    Notes
    -----
    Frobenius: hierarchical alternating least squares (Cichocki and Phan, IEICE Trans. Fundam.
    E92-A, 708 (2009)); on the simplex maps are exact (FCLS). Kullback-Leibler: multiplicative
    updates (Lee and Seung, NIPS 13, 556 (2001)). Start: Boutsidis and Gallopoulos, Pattern
    Recognit. 41, 1350 (2008). Each step of both factors reads the table once.

    Without ``simplex`` the factors of a set that fills its cone are not unique, and neither is the
    answer of any method.

    Examples
    --------
    >>> import numpy as np
    >>> import unmix as um
    >>> parts = np.asarray([[3.0, 4.0, 0.0], [0.0, 0.0, 1.0]])
    >>> model = um.nmf(np.asarray([[1.0, 0.0], [2.0, 0.0], [0.0, 1.0]]) @ parts, 2)
    >>> model.components.round(3)
    array([[0.6, 0.8, 0. ],
           [0. , 0. , 1. ]])
    """
    clock, key = Clock(), rng_key(rng)
    samples = as_table(samples)
    if since := signed_since(samples):
        raise DataError(
            f"the samples hold values below zero since {since}; expected none: take "
            "normalize('minmax'), 'unit_sum' or 'unit_norm', or transform('clip', low=0)"
        )
    most = min(samples.layout.n_samples, samples.layout.n_features)
    why = f"{samples.layout.n_samples} samples with {samples.layout.n_features} features"
    n_components = whole_number(n_components, 1, most, "n_components", why)
    max_iter = whole_number(max_iter, 1, 10**9, "max_iter", "passes")
    if loss not in get_args(Loss):
        raise ParameterError(f"loss is {loss!r}; expected one of {', '.join(get_args(Loss))}")
    tol = not_negative(tol, "tol")
    table = kept_if_it_fits(samples, max_iter + 2)
    start = _start(table, samples, n_components, init, simplex, key)
    problem = _Problem(table, loss, simplex)
    factors, n_iter = problem.solve(start, max_iter, tol)
    divergence = problem.divergence(factors)
    maps, components = _in_order(factors, simplex)
    parameters = {
        "n_components": n_components,
        "loss": loss,
        "init": init,
        "simplex": simplex,
        "max_iter": max_iter,
        "tol": tol,
        "rng": key,
    }
    return NonnegativeFactors(
        maps=maps_of(maps),
        components=samples.layout.unpack(components),
        layout=samples.layout,
        record=samples.record.then("nmf", parameters, **clock.facts(maps)),
        loss=loss,
        simplex=simplex,
        divergence=divergence,
        n_iter=n_iter,
    )


class _Factors(NamedTuple):
    maps: Array
    """(*map_shape, k), NaN at samples that were left out."""
    components: Array
    """(k, n_features), packed, float64."""


def _mean_of_nonnegative(samples: Samples) -> float:
    """Mean of all values as decompositions see them; values below zero are refused."""
    xp = samples.xp

    def update(tile: Tile, _: None) -> tuple[float, float]:
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
    return float(total / (samples.layout.n_samples * samples.layout.n_features))


class _Problem(NamedTuple):
    """The two factors' turns over a table."""

    samples: Samples
    loss: Loss
    simplex: bool

    def solve(self, start: _Factors, max_iter: int, tol: float) -> tuple[_Factors, int]:
        """Take turns until the optimality conditions are missed by little."""
        maps, h = start
        update = partial(_updated, loss=self.loss, simplex=self.simplex)
        first, n = 0.0, 0
        for n in range(1, max_iter + 1):
            sums, maps = fold(
                self.samples, update, ops.merge_factor_sums, state=(h,), out=maps, label="NMF"
            )
            h, missed = self.step(h, sums)
            missed += float(sums.violation)
            first = missed if n == 1 else first
            # Frobenius: squares of the gradient, and the tolerance is of the gradient
            if missed <= first * (tol**2 if self.loss == "frobenius" else tol):
                break
        return _Factors(maps, h), n

    def step(self, h: Array, sums: ops.FactorSums) -> tuple[Array, float]:
        """Bring the components up to date; also return what they missed before."""
        xp = namespace_of(h)
        if self.loss == "frobenius":
            gradient = xp.matmul(sums.gram, h) - sums.product
            missed = ops.projected_gradient(h, gradient)
            return ops.hals(h, sums.gram, sums.product), float(missed)
        # push and pull are weighted alike, and the weights cancel in the step
        pull, push = sums.product, sums.gram[:, None]
        missed = xp.sum(xp.abs(h * (push - pull)) * _counts(self.samples.layout, h))
        return h * pull / xp.where(push > 0, push, xp.ones_like(push)), float(missed)

    def divergence(self, factors: _Factors) -> float:
        """Value of the loss: squared error, or weighted divergence, over the full descriptor."""
        value, _ = fold(
            self.samples,
            partial(_divergence, loss=self.loss),
            lambda a, b: a + b,
            state=(factors.components,),
            out=factors.maps,
            label="NMF",
        )
        return float(value)


def _updated(
    tile: Tile, maps: Array, h: Array, *, loss: Loss, simplex: bool
) -> tuple[ops.FactorSums, Array]:
    """Bring a tile's maps up to date."""
    if loss == "frobenius":
        return ops.frobenius_pass(tile.rows, maps, h, simplex)
    return ops.kullback_leibler_pass(tile.rows, maps, h, _counts(tile.layout, h), simplex)


def _divergence(tile: Tile, maps: Array, h: Array, *, loss: Loss) -> tuple[Array, Array]:
    xp = namespace_of(h)
    if loss == "kullback-leibler":
        return ops.kullback_leibler(tile.rows, maps, h, _counts(tile.layout, h)), maps
    rest = tile.rows - xp.matmul(maps, xp.astype(h, maps.dtype))
    return xp.sum(xp.astype(xp.sum(rest * rest, axis=1), xp.float64)), maps


def _counts(layout: Layout, like: Array) -> Array:
    """Return what each feature's divergence counts."""
    weights = layout.weights(like)
    return namespace_of(like).ones_like(like[0, :]) if weights is None else weights


def _in_order(factors: _Factors, simplex: bool) -> tuple[Array, Array]:
    """Order by the signal that components carry, and give the components norm one."""
    maps, h = factors
    xp = namespace_of(maps)
    flat = xp.reshape(maps, (-1, maps.shape[-1]))
    flat = xp.where(xp.isnan(flat), xp.zeros_like(flat), flat)
    norm = xp.sqrt(xp.sum(h * h, axis=1))
    carried = norm * xp.sqrt(xp.sum(xp.astype(flat * flat, xp.float64), axis=0))
    order = xp.argsort(-carried, stable=True)
    maps, h, norm = (
        xp.take(a, order, axis=i) for a, i in ((maps, maps.ndim - 1), (h, 0), (norm, 0))
    )
    if not simplex:
        scale = xp.where(norm > 0, norm, xp.ones_like(norm))
        maps, h = maps * xp.astype(scale, maps.dtype), h / scale[:, None]
    return maps, xp.astype(h, maps.dtype)


def _start(
    table: Samples,
    samples: Samples,
    n_components: int,
    init: Start | Unmixing | None,
    simplex: bool,
    key: int,
) -> _Factors:
    mean = _mean_of_nonnegative(table)
    if init is None:
        init = "nfindr" if simplex else "nndsvda"
    if isinstance(init, Unmixing):
        start = _given(init, samples, n_components)
    elif init == "nndsvda":
        start = _nndsvda(table, n_components, mean, key)
    elif init == "random":
        start = _random(table, n_components, mean, key)
    elif init == "nfindr":
        found = nfindr(table, n_components, raw=True, rng=key)
        start = _Factors(*(_lifted(a) for a in _given(found, samples, n_components)))
    else:
        raise ParameterError(
            f"init is {init!r}; expected one of {', '.join(get_args(Start))}, or a model of these "
            "samples"
        )
    return _on_simplex(start) if simplex else start


def _lifted(values: Array) -> Array:
    """Lift what is near zero to a hundredth of the largest: products cannot leave zero."""
    xp = namespace_of(values)
    largest = float(xp.max(xp.where(xp.isnan(values), xp.zeros_like(values), values)))
    return xp.clip(values, LIFT * largest, None)


def _given(model: Unmixing, samples: Samples, n_components: int) -> _Factors:
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
    return _Factors(
        xp.clip(xp.asarray(maps, copy=True), 0, None),
        xp.clip(xp.astype(packed, xp.float64), 0, None),
    )


def _nndsvda(samples: Samples, n_components: int, mean: float, key: int) -> _Factors:
    """Take the half of each pair of singular vectors that carries more, and the mean for zeros."""
    model = pca(samples, n_components, center=False, rng=key)
    xp = samples.xp
    u = xp.moveaxis(model.maps, 0, -1)
    v = xp.astype(model.packed(model.components), xp.float64)
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
    return _Factors(xp.where(xp.isnan(u), u, maps), xp.where(h > 0, h, xp.full_like(h, mean)))


def _norm(values: Array) -> Array:
    xp = namespace_of(values)
    return xp.sqrt(xp.sum(values * values, dtype=xp.float64))


def _random(samples: Samples, n_components: int, mean: float, key: int) -> _Factors:
    """Draw both factors, of the size that explains the mean."""
    xp, f = samples.xp, samples.layout.n_features
    size = (mean / n_components) ** 0.5
    h = from_host(2 * size * generator(key, 0).random((n_components, f)), samples.source.like)
    maps = np.full((*samples.layout.map_shape, n_components), np.nan)
    numbers = all_numbers(samples)
    drawn = 2 * size * uniform_per_sample(key, 1, numbers, n_components)
    maps.reshape(-1, n_components)[numbers] = drawn
    return _Factors(from_host(maps, samples.source.like, samples.dtype), xp.astype(h, xp.float64))


def _on_simplex(start: _Factors) -> _Factors:
    """Turn amounts into fractions; the components take the mean of what these lose."""
    maps, h = start
    xp = namespace_of(maps)
    total = xp.sum(maps, axis=-1, keepdims=True)
    seen = xp.where(xp.isnan(total), xp.zeros_like(total), total)
    n = float(xp.sum(xp.astype(~xp.isnan(total), xp.float64)))
    share = maps / xp.where(seen > 0, seen, xp.ones_like(seen))
    return _Factors(share, h * (float(xp.sum(seen, dtype=xp.float64)) / n))
