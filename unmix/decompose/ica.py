"""Independent component analysis."""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np

from .. import ops
from .._arrays import from_host, namespace_of, rng_key, to_host
from .._door import as_table
from .._errors import ParameterError
from .._fold import map_rows
from .._record import Clock
from .._results import IndependentComponents, PrincipalComponents
from .._samples import Samples
from .._typing import RNG, Array
from .._unmixing import maps_of
from ._common import not_negative, require_noise, whole_number
from ._rotation import Rotated, rotate
from ._vertices import subspace
from .pca import pca as fit_pca


def ica(
    samples: Samples | Array,
    n_components: int,
    *,
    n_runs: int = 1,
    contrast: ops.Contrast = "logcosh",
    noise: Literal["poisson"] | None = None,
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
    noise : {"poisson"}, optional
        Scale counts so that their noise is alike before the principal components are chosen: see
        `pca`. Maps and components are in counts all the same, and the samples as they are count one
        each in what the rotation looks at. Values below zero are refused.
    max_iter : int
        Most passes.
    tol : float
        Stop when no component of any run turns by more: one minus the modulus of the cosine.
    pca : PrincipalComponents, optional
        A model fitted to these samples, with at least ``n_components`` components; saves its
        passes. Where it was fitted with a ``noise``, leave that out here.
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
        If the samples span fewer than ``n_components`` dimensions; with ``noise``, if a value is
        below zero or none is above.
    ParameterError
        If an option or a number is out of range, or both ``noise`` and ``pca`` are given.
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
    require_noise(noise)
    if noise is not None and pca is not None:
        raise ParameterError(
            f"noise is {noise!r}, and pca is given as well; expected one of them: leave noise out "
            f"here and fit the pca with noise={noise!r}"
        )
    model = fit_pca(samples, n_components, noise=noise, rng=key) if pca is None else pca
    model = subspace(model, samples, n_components + 1)
    found = rotate(model, n_runs, contrast, max_iter, tol, key)
    parameters = {
        "n_components": n_components,
        "n_runs": n_runs,
        "contrast": contrast,
        "noise": noise,
        "max_iter": max_iter,
        "tol": tol,
        "pca": pca,
        "rng": key,
    }
    return _model(model, samples, found, parameters, clock)


def _model(
    model: PrincipalComponents,
    samples: Samples,
    found: Rotated,
    parameters: dict[str, Any],
    clock: Clock,
) -> IndependentComponents:
    xp = namespace_of(model.maps)
    basis = model.packed(model.components)
    mixing = found.directions @ found.white.back
    packed = xp.matmul(from_host(mixing, basis, basis.dtype), basis)
    fixed = ops.fix_signs(packed)
    sign = np.sign(to_host(xp.sum(fixed * packed, axis=1, keepdims=True)))
    turn = from_host((sign * found.directions @ found.white.turn).T, basis, basis.dtype)
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
        scale=model.scale,
    )
