"""Principal component analysis."""

from __future__ import annotations

import sys
from typing import Any, Literal

from .. import ops
from .._arrays import from_host, rng_key
from .._door import as_table
from .._errors import ParameterError
from .._fold import fold, single_threaded
from .._record import Clock
from .._results import PrincipalComponents, maps_of
from .._samples import Samples
from .._sources import empty_like
from .._tiles import Tile
from .._typing import RNG, Array
from ..ops.svd import MAX_BLOCKS
from ._common import kept_if_it_fits, whole_number

Solver = Literal["auto", "covariance", "randomized"]

MOST_FEATURES_FOR_COVARIANCE = 512
"""Up to here one exact pass costs less than a few passes with a sketch of 26 columns."""


def pca(
    samples: Samples | Array,
    n_components: int,
    *,
    center: bool = True,
    solver: Solver = "auto",
    rng: RNG = 0,
) -> PrincipalComponents:
    """Find the orthonormal components that explain most of the variance.

    Parameters
    ----------
    samples : Samples or array
        Described samples, or a table (sample, feature).
    n_components : int
        Number of components, at most the number of features and, centred, one less than that of
        samples.
    center : bool
        Take the mean off, by a correction of sums: no centred copy is made.
    solver : {"auto", "covariance", "randomized"}
        One exact pass over the samples that sums their covariance; or a few passes with a random
        sketch (block Krylov), until one more changes the captured variance by less than 1e-4.
        ``"auto"`` takes the first up to 512 features.
    rng : int or numpy.random.Generator
        Start of the sketch.

    Returns
    -------
    PrincipalComponents
        Maps (the scores), components, mean, variances: in the namespace and on the device of the
        data, in its computing type. The largest entry of a component is positive. The explained
        variance ratio is that to the variance of all features.

    Raises
    ------
    ParameterError
        If ``n_components`` is out of range or there is no such solver.
    DataError
        If values are NaN or infinite.

    Notes
    -----
    Halko, Martinsson and Tropp, SIAM Rev. 53, 217 (2011); Musco and Musco, NeurIPS 28 (2015).

    Examples
    --------
    >>> import numpy as np
    >>> import unmix as um
    >>> table = np.outer(np.arange(5.0), [3.0, 4.0])
    >>> model = um.pca(table, 1)
    >>> model.components
    array([[0.6, 0.8]])
    >>> model.explained_variance_ratio.round(6)
    array([1.])
    """
    clock, key = Clock(), rng_key(rng)
    samples = as_table(samples)
    n, f = samples.layout.n_samples, samples.layout.n_features
    most = min(f, n - 1 if center else n)
    n_components = whole_number(
        n_components, 1, most, "n_components", f"{n} samples with {f} features"
    )
    if solver not in ("auto", "covariance", "randomized"):
        raise ParameterError(f"solver is {solver!r}; expected 'auto', 'covariance' or 'randomized'")
    exact = solver == "covariance" or (solver == "auto" and f <= MOST_FEATURES_FOR_COVARIANCE)
    table = kept_if_it_fits(samples, 2 if exact else MAX_BLOCKS + 1)
    found = (
        _exact(table, n_components, center)
        if exact
        else _sketched(table, n_components, center, key)
    )
    parameters: dict[str, Any] = {
        "n_components": n_components,
        "center": center,
        "solver": solver,
        "rng": key,
    }
    return _model(table, samples, found, center, parameters, clock)


def _exact(samples: Samples, n_components: int, center: bool) -> ops.Subspace:
    moments, _ = fold(
        samples,
        lambda tile, _: ops.covariance(tile.rows),
        ops.merge_covariance,
        label="covariance",
    )
    xp = samples.xp
    scatter, mean = moments.scatter, moments.mean
    if not center:
        scatter = scatter + moments.n * (mean[:, None] * mean)
        mean = xp.zeros_like(mean)
    values, vectors = ops.eigenpairs(scatter, n_components)
    return ops.Subspace(moments.n, mean, values, vectors)


def _sketched(samples: Samples, n_components: int, center: bool, key: int) -> ops.Subspace:
    xp = samples.xp
    start = ops.random_directions(samples.layout.n_features, n_components, key)
    first = samples.tile(samples.plan()[0]).rows
    near = xp.mean(xp.astype(first, xp.float64), axis=0)

    def pass_over(q: Array, c: Array) -> ops.Sketch:
        seen, _ = fold(
            samples,
            lambda tile, _, q, c: ops.sketch(tile.rows, q, c),
            ops.merge_sketch,
            state=(q, c),
            label="sketch",
        )
        result: ops.Sketch = seen if center else seen._replace(total=xp.zeros_like(seen.total))
        return result

    origin = near if center else xp.zeros_like(near)
    # BLAS threads that were woken for the small products between two passes spin into the next one
    with single_threaded(samples):
        directions = from_host(start, near, xp.float64)
        return ops.block_krylov(pass_over, directions, origin, n_components)


def _model(
    table: Samples,
    samples: Samples,
    found: ops.Subspace,
    center: bool,
    parameters: dict[str, Any],
    clock: Clock,
) -> PrincipalComponents:
    xp = samples.xp
    vectors = xp.astype(ops.fix_signs(found.vectors), samples.dtype)
    mean = xp.astype(found.mean, samples.dtype)[None, :]
    offset = xp.matmul(mean, vectors.T)
    shape = (*samples.layout.map_shape, vectors.shape[0])
    rows = empty_like(samples.source.like, shape, float("nan"), samples.dtype)

    def update(tile: Tile, _: Array) -> tuple[Array, Array]:
        # the variance of all features, about the mean itself: sums about zero would cancel
        squares = ops.squared_norms(tile.rows, mean[0, :])
        return xp.sum(squares, dtype=xp.float64), xp.matmul(tile.rows, vectors.T) - offset

    squares, _ = fold(table, update, lambda a, b: a + b, out=rows, label="scores")
    values = xp.clip(found.values, 0, None)
    total = max(float(squares), float(xp.sum(values)), sys.float_info.min)
    return PrincipalComponents(
        maps=maps_of(rows),
        components=samples.layout.unpack(vectors),
        mean=samples.layout.unpack(mean)[0, ...] if center else None,
        layout=samples.layout,
        record=samples.record.then("pca", parameters, **clock.facts(vectors)),
        explained_variance=values / max(found.n - (1 if center else 0), 1),
        explained_variance_ratio=values / total,
        singular_values=xp.sqrt(values),
    )
