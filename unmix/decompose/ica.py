"""Independent component analysis."""

from __future__ import annotations

from typing import Any, NamedTuple, get_args

import numpy as np

from .. import ops
from .._arrays import (
    from_host,
    generator,
    namespace_of,
    rng_key,
    to_host,
    uniform_per_sample,
)
from .._door import as_table
from .._errors import ParameterError
from .._fold import fold, map_rows
from .._record import Clock
from .._results import IndependentComponents, PrincipalComponents, maps_of
from .._samples import Samples
from .._tiles import Tile
from .._typing import RNG, Array, HostArray
from ._common import not_negative, whole_number
from ._vertices import subspace
from .pca import pca as fit_pca

POISSON = np.cumsum(np.exp(-1) / np.cumprod([1.0, *range(1, 20)]))
"""Distribution of how often a sample is drawn in a bootstrap of many."""


def ica(
    samples: Samples | Array,
    n_components: int,
    *,
    n_runs: int = 1,
    contrast: ops.Contrast = "logcosh",
    max_iter: int = 200,
    tol: float = 1e-4,
    pca: PrincipalComponents | None = None,
    rng: RNG = 0,
) -> IndependentComponents:
    """Find the directions among the first principal components that are least Gaussian.

    Parameters
    ----------
    samples : Samples or array
        Described samples, or a table (sample, feature).
    n_components : int
        Number of components; the samples are first projected on as many principal components.
    n_runs : int
        The first run takes all samples and is returned. Further ones start elsewhere and count each
        sample 0, 1, 2 ... times (bootstrap); the estimates of all are clustered, so that each
        component has a stability.
    contrast : {"logcosh", "exp"}
        What departs from its mean over a Gaussian: the second is more robust.
    max_iter : int
        Most passes.
    tol : float
        Stop when no component of any run turns by more: one minus the modulus of the cosine.
    pca : PrincipalComponents, optional
        A model fitted to these samples, with at least ``n_components`` components; saves its
        passes.
    rng : int or numpy.random.Generator
        Starts (and sketch).

    Returns
    -------
    IndependentComponents
        Maps of mean zero and variance one, and components with the units of the samples, least
        Gaussian first, in the namespace, on the device and in the computing type of the data. The
        largest entry of a component is positive.

    Raises
    ------
    DataError
        If the samples span fewer than ``n_components`` dimensions.
    ParameterError
        If an option or a number is out of range.
    ShapeError
        If ``pca`` is of other samples.

    Notes
    -----
    Parallel FastICA: Hyvarinen, IEEE Trans. Neural Netw. 10, 626 (1999). Stability: Himberg,
    Hyvarinen and Esposito, NeuroImage 22, 1214 (2004), eq. 4: mean similarity inside a
    cluster of estimates less that to the others; 1 for a component that every run finds, near 0 for
    an accident.

    Maps are taken to be independent, which abundances that sum to one are not: components of such
    sets often are differences of phases.

    Examples
    --------
    >>> import numpy as np
    >>> import unmix as um
    >>> sources = np.random.default_rng(0).uniform(-1, 1, (2000, 2))
    >>> model = um.ica(sources @ np.asarray([[2.0, 0.0, 1.0], [0.0, 3.0, 0.0]]), 2)
    >>> np.abs(model.components / np.linalg.norm(model.components, axis=1)[:, None]).round(1)
    array([[0.9, 0. , 0.4],
           [0. , 1. , 0. ]])
    """
    clock, key = Clock(), rng_key(rng)
    samples = as_table(samples)
    n = samples.layout.n_samples
    most = min(n - 1, samples.layout.n_features)
    why = f"{n} samples with {samples.layout.n_features} features"
    n_components = whole_number(n_components, 1, most, "n_components", why)
    n_runs = whole_number(n_runs, 1, 10_000, "n_runs", "runs")
    max_iter = whole_number(max_iter, 1, 10**9, "max_iter", "passes")
    tol = not_negative(tol, "tol")
    if contrast not in get_args(ops.Contrast):
        raise ParameterError(f"contrast is {contrast!r}; expected 'logcosh' or 'exp'")
    model = fit_pca(samples, n_components, rng=key) if pca is None else pca
    model = subspace(model, samples, n_components + 1)
    found = _rotate(model, n_runs, contrast, max_iter, tol, key)
    parameters = {
        "n_components": n_components,
        "n_runs": n_runs,
        "contrast": contrast,
        "max_iter": max_iter,
        "tol": tol,
        "pca": pca,
        "rng": key,
    }
    return _model(model, samples, found, parameters, clock)


class _Rotated(NamedTuple):
    directions: HostArray
    """Rows (k, k) that turn white scores into sources."""
    scale: HostArray
    """Standard deviation of each score, (k,)."""
    negentropy: HostArray
    stability: HostArray | None
    n_iter: int
    converged: bool


def _rotate(
    model: PrincipalComponents,
    n_runs: int,
    contrast: ops.Contrast,
    max_iter: int,
    tol: float,
    key: int,
) -> _Rotated:
    scores, k = model.scores, len(model)
    n = scores.layout.n_samples
    seen, _ = fold(scores, lambda t, _: ops.column_statistics(t.rows), ops.merge_statistics)
    total, squares = (to_host(s)[0, :] for s in seen[1:3])
    scale = np.sqrt(squares / n - (total / n) ** 2)
    start = generator(key, 1).standard_normal((n_runs, k, k))

    def update(tile: Tile, _: None, directions: Array) -> ops.ContrastSums:
        weights = None if n_runs == 1 else _bootstrap(tile, key, n_runs, k)
        return ops.contrast_pass(tile.rows, directions, contrast, weights)

    def pass_over(directions: Array) -> ops.ContrastSums:
        # rows are white when they are divided by the scale, and so is what is summed over them
        white = from_host(directions / scale, model.maps)
        sums, _ = fold(scores, update, ops.merge_contrast, state=(white,), label="ICA")
        return ops.ContrastSums(to_host(sums.product) / scale, to_host(sums.slope))

    found = ops.fastica(pass_over, start, n, max_iter=max_iter, tolerance=tol)
    first = from_host(found.directions[0] / scale, model.maps)
    value, _ = fold(
        scores,
        lambda tile, _: ops.contrast_sums(tile.rows, first, contrast),
        lambda a, b: a + b,
        label="ICA",
    )
    far = ops.negentropy(to_host(value) / n, contrast)
    order = np.argsort(-far, kind="stable")
    stability = None
    if n_runs > 1:
        stability = _stability(found.directions.reshape(-1, k), k)[:k][order]
    return _Rotated(
        found.directions[0][order],
        scale,
        far[order],
        stability,
        found.n_iter,
        bool(found.converged[0]),
    )


def _bootstrap(tile: Tile, key: int, n_runs: int, k: int) -> Array:
    """How often each sample counts for each direction, (n_runs k, n): once in the first run."""
    uniform = uniform_per_sample(key, 2, tile.numbers, n_runs - 1)
    counts = np.searchsorted(POISSON, uniform, side="right")
    counts = np.concatenate([np.ones((len(counts), 1), dtype=counts.dtype), counts], axis=1)
    return from_host(np.repeat(counts.T, k, axis=0), tile.rows, tile.rows.dtype)


def _stability(directions: HostArray, n_clusters: int) -> HostArray:
    """Stability of the cluster that each estimate of all runs is in, (n_runs k,)."""
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    # of white rows, so that this is the modulus of the correlation of two sources
    similar = np.clip(np.abs(directions @ directions.T), 0, 1)
    apart = squareform(1 - similar, checks=False)
    labels = fcluster(linkage(apart, "average"), n_clusters, "maxclust")
    stability = np.empty(len(labels))
    for label in np.unique(labels):
        inside = labels == label
        outside = similar[np.ix_(inside, ~inside)]
        rest = outside.mean() if outside.size else 0.0
        stability[inside] = similar[np.ix_(inside, inside)].mean() - rest
    return stability


def _model(
    model: PrincipalComponents,
    samples: Samples,
    found: _Rotated,
    parameters: dict[str, Any],
    clock: Clock,
) -> IndependentComponents:
    xp = namespace_of(model.maps)
    basis = model.packed(model.components)
    mixing = found.directions * found.scale
    packed = xp.matmul(from_host(mixing, basis, basis.dtype), basis)
    fixed = ops.fix_signs(packed)
    sign = np.sign(to_host(xp.sum(fixed * packed, axis=1, keepdims=True)))
    turn = from_host((sign * found.directions / found.scale).T, basis, basis.dtype)
    maps = map_rows(model.scores, lambda rows: xp.matmul(rows, turn), len(sign), label="sources")
    return IndependentComponents(
        maps=maps_of(maps),
        components=samples.layout.unpack(fixed),
        mean=model.mean,
        layout=samples.layout,
        record=samples.record.then("ica", parameters, **clock.facts(maps)),
        negentropy=found.negentropy,
        stability=found.stability,
        n_iter=found.n_iter,
        converged=found.converged,
    )
