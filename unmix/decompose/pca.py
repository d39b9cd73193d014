"""Principal component analysis."""

from __future__ import annotations

import sys
from functools import partial
from numbers import Real
from typing import Any, Literal, NamedTuple

from .. import ops
from .._arrays import device_of, namespace_of, rng_key
from .._door import as_table
from .._errors import ParameterError
from .._fold import fold, map_rows, single_threaded
from .._record import Clock
from .._results import PrincipalComponents
from .._samples import Samples
from .._tiles import Tile
from .._typing import RNG, Array
from .._unmixing import maps_of
from ..ops.svd import MAX_BLOCKS
from ._common import kept_if_it_fits, require_noise, rows_are_at_hand, whole_number
from ._passes import Passes, start_of
from ._poisson import PoissonScaling, poisson_scaling

Solver = Literal["auto", "covariance", "randomized"]

MOST_FEATURES_FOR_COVARIANCE = 512
"""Up to here one exact pass costs less than a few passes with a sketch of 26 columns."""


def pca(
    samples: Samples | Array,
    n_components: int,
    *,
    center: bool = True,
    noise: Literal["poisson"] | None = None,
    solver: Solver = "auto",
    loss: float = ops.LOSS,
    rng: RNG = 0,
) -> PrincipalComponents:
    r"""Find the orthonormal components that explain most of the variance.

    Parameters
    ----------
    samples : Samples or array
        Described samples, or a table (sample, feature).
    n_components : int
        Number of components, at most the number of features and, centred, one less than that of
        samples.
    center : bool
        Take the mean off, by a correction of sums: no centred copy is made.
    noise : {"poisson"}, optional
        Scale counts so that their noise is alike everywhere before components are compared; see
        the notes. Values below zero are refused.
    solver : {"auto", "covariance", "randomized"}
        One exact pass over the samples that sums their covariance; or a few passes with a sketch
        (block Krylov). ``"auto"`` takes the first up to 512 features.
    loss : float
        What the sketch may miss of the variance that as many components can explain, as a fraction,
        by its own estimate: it passes over the samples until no more is missing, 24 times at the
        most. 1e-3 takes half as many passes as 1e-6.
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
        If ``n_components`` or ``loss`` is out of range, or there is no such solver or noise.
    DataError
        If values are NaN or infinite; with ``noise``, if one is below zero or none is above.

    Notes
    -----
    Halko, Martinsson and Tropp, SIAM Rev. 53, 217 (2011); Musco and Musco, NeurIPS 28 (2015).

    *Poisson noise.* A count of sample i in feature j has a variance near g_i h_j / m, where g_i is
    the mean of the sample (the mean image), h_j that of the feature (the mean spectrum) and m that
    of all. With ``noise="poisson"`` the components are those of (x_ij - mean_j) r_i s_j with
    r_i = (m / g_i)^(1/2) and s_j = h_j^(-1/2), where noise has the variance one: Keenan and Kotula,
    Surf. Interface Anal. 36, 203 (2004). The scaling is undone in the result: samples are the mean,
    still the plain mean spectrum, plus maps times components, all in counts. So components are
    orthonormal once entries are multiplied by s_j, which is the model's ``scale``; maps are sums of
    (x_ij - mean_j) s_j times such a component, and `project` reads other samples in the same way.
    ``explained_variance`` and its ratio are of the scaled and weighted samples: noise alone has one
    on the average, and (1 + (features / samples)^(1/2))^2 at the most.
    Samples without a count have no weight in the fit but have their place in the maps and in the
    mean; entries without a count have no part, and components are zero there.

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
    require_noise(noise)
    _require_known(solver, loss)
    exact = solver == "covariance" or (solver == "auto" and f <= MOST_FEATURES_FOR_COVARIANCE)
    table = kept_if_it_fits(samples, 2 if exact else MAX_BLOCKS + 1)
    view = _view(table, noise, center)
    if exact:
        found = _exact(table, n_components, view)
    else:
        # BLAS threads that were woken for the small products between passes spin into the next one
        with single_threaded(samples):
            found = _sketched(table, samples, n_components, view, key, loss)
    parameters: dict[str, Any] = {
        "n_components": n_components,
        "center": center,
        "noise": noise,
        "solver": solver,
        "loss": loss,
        "rng": key,
    }
    return _model(samples, found, view, center, parameters, clock)


class _View(NamedTuple):
    """What of the rows is decomposed: scaled and weighted, and about which centre."""

    scaling: PoissonScaling | None
    center: Array | None
    """Of scaled rows, shape (f,), float64; None where it is yet to be found."""


class _Found(NamedTuple):
    """The leading pairs, the squares of the whole table, and the rows along the vectors."""

    subspace: ops.Subspace
    vectors: Array
    total: float
    rows: Array


def _require_known(solver: Any, loss: Any) -> None:
    if solver not in ("auto", "covariance", "randomized"):
        raise ParameterError(f"solver is {solver!r}; expected 'auto', 'covariance' or 'randomized'")
    if not isinstance(loss, Real) or not 0 <= float(loss) < 1:
        raise ParameterError(f"loss is {loss!r}; expected a fraction from 0 to below 1")


def _view(samples: Samples, noise: str | None, center: bool) -> _View:
    if noise is None:
        zero = samples.xp.zeros(
            samples.layout.n_features,
            dtype=samples.xp.float64,
            device=device_of(samples.source.like),
        )
        return _View(None, None if center else zero)
    scaling = poisson_scaling(samples)
    mean = scaling.mean * scaling.scale
    return _View(scaling, mean if center else samples.xp.zeros_like(mean))


def _exact(samples: Samples, n_components: int, view: _View) -> _Found:
    """Decompose the scatter matrix, summed in one pass."""
    moments, _ = fold(
        samples, partial(_moments, view=view), ops.merge_covariance, label="covariance"
    )
    scatter, mean = moments.scatter, moments.mean
    if view.center is not None:
        scatter, mean = scatter + moments.n * (mean[:, None] * mean), view.center
    values, vectors = ops.eigenpairs(scatter, scatter.shape[0])
    total = float(namespace_of(values).sum(values))
    found = ops.Subspace(moments.n, mean, values[:n_components], vectors[:n_components, :])
    vectors = ops.fix_signs(found.vectors)
    return _Found(found, vectors, total, _projected(samples, mean, vectors, view))


def _moments(tile: Tile, _: None, *, view: _View) -> ops.Moments:
    """Moments of a tile: of counts, about zero once they are centred, scaled and weighted."""
    rows = tile.rows
    if view.scaling is not None:
        xp = namespace_of(rows)
        scale, center = (xp.astype(a, rows.dtype) for a in (view.scaling.scale, view.center))
        weights = view.scaling.weights(rows)
        rows = (rows * scale - center) * xp.sqrt(weights)[:, None]
    moments: ops.Moments = ops.covariance(rows)
    return moments


def _sketched(
    table: Samples, samples: Samples, n_components: int, view: _View, key: int, loss: float
) -> _Found:
    """Find the leading pairs by block Krylov iteration.

    What is done does not depend on whether the table of the samples was kept, and so no bit does.
    """
    start, near = start_of(samples, n_components, key, view.scaling, view.center)
    keep = not rows_are_at_hand(samples.source)
    passes = Passes(table, view.scaling, center=view.center is None, keep=keep)
    found = ops.block_krylov(passes, start, near, n_components, loss)
    vectors = ops.fix_signs(found.vectors)
    rows = passes.rows(found.mean, vectors)
    if rows is None:
        rows = _projected(table, found.mean, vectors, view)
    return _Found(found, vectors, passes.total(found), rows)


def _projected(samples: Samples, mean: Array, vectors: Array, view: _View) -> Array:
    """Return (*map_shape, k): scaled rows about their mean along the vectors."""
    xp = samples.xp
    offset = xp.astype(xp.matmul(vectors, mean), samples.dtype)
    forms = vectors if view.scaling is None else vectors * view.scaling.scale
    forms = xp.astype(forms, samples.dtype).T
    return map_rows(
        samples, lambda rows: xp.matmul(rows, forms) - offset, forms.shape[1], label="scores"
    )


def _model(
    samples: Samples,
    found: _Found,
    view: _View,
    center: bool,
    parameters: dict[str, Any],
    clock: Clock,
) -> PrincipalComponents:
    xp, layout, dtype = samples.xp, samples.layout, samples.dtype
    components, mean, scale = found.vectors, found.subspace.mean, None
    if view.scaling is not None:
        mean = view.scaling.mean
        components, scale = view.scaling.undone(components), view.scaling.unpacked(samples)
    components, mean = xp.astype(components, dtype), xp.astype(mean[None, :], dtype)
    values = xp.clip(found.subspace.values, 0, None)
    total = max(found.total, float(xp.sum(values)), sys.float_info.min)
    return PrincipalComponents(
        maps=maps_of(found.rows),
        components=layout.unpack(components),
        mean=layout.unpack(mean)[0, ...] if center else None,
        layout=layout,
        record=samples.record.then("pca", parameters, **clock.facts(components)),
        explained_variance=values / max(found.subspace.n - (1 if center else 0), 1),
        explained_variance_ratio=values / total,
        singular_values=xp.sqrt(values),
        scale=scale,
    )
