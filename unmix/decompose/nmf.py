"""Non-negative matrix factorisation."""

from __future__ import annotations

from typing import Any, Literal, get_args

from .. import ops
from .._arrays import namespace_of, rng_key
from .._door import as_table
from .._errors import DataError, ParameterError
from .._record import Clock
from .._results import Loss, NonnegativeFactors
from .._samples import Samples
from .._typing import RNG, Array
from .._unmixing import Unmixing, maps_of
from ._common import kept_if_it_fits, not_negative, require_noise, signed_since, whole_number
from ._factor_starts import Start, start_of
from ._factors import Divergence, Factors, SquaredError, take_turns
from ._poisson import PoissonScaling, poisson_scaling


def nmf(
    samples: Samples | Array,
    n_components: int,
    *,
    loss: Loss = "frobenius",
    init: Start | Unmixing | None = None,
    simplex: bool = False,
    noise: Literal["poisson"] | None = None,
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
    noise : {"poisson"}, optional
        Scale counts so that the squared error weighs all of them by their noise; see the notes. Not
        with ``"kullback-leibler"``, which is the likelihood of counts already.
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
        If an option or a number is out of range, or options exclude each other.
    ShapeError
        If ``init`` is a model of another map or descriptor.

    Notes
    -----
    Frobenius: hierarchical alternating least squares (Cichocki and Phan, IEICE Trans. Fundam.
    E92-A, 708 (2009)); on the simplex maps are exact (FCLS). Kullback-Leibler: multiplicative
    updates (Lee and Seung, NIPS 13, 556 (2001)). Start: Boutsidis and Gallopoulos, Pattern
    Recognit. 41, 1350 (2008). Each step of both factors reads the table once.

    *Poisson noise.* A count of sample i in feature j has a variance near g_i h_j / m, where g_i is
    the mean of the sample, h_j that of the feature and m that of all. ``noise="poisson"`` divides
    squared errors by that: it factors the table scaled by (m / g_i)^(1/2) and h_j^(-1/2) and scales
    the factors back, which keeps them non-negative (Keenan and Kotula, Surf. Interface Anal. 36,
    203 (2004)). Maps and components are in counts, and with ``simplex`` it is these maps that sum
    to one. ``divergence`` is of the scaled table: as far as samples are alike, noise has one for
    each value. Samples without a count have no weight, and entries without a count are zero in
    all components.

    Without ``simplex`` the factors of a set that does not fill its cone are not unique: a lattice
    and its superlattice are two phases, or what both share and what one has besides. So at the end
    a component takes in what comes with it in all samples that hold it, at the same loss, which
    makes components phases: the largest map says where each is (`ops.tightened`). From a
    model as the start the answer is left as it came.

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
    _require_known(loss, noise)
    tol = not_negative(tol, "tol")
    table = kept_if_it_fits(samples, max_iter + 2)
    scaling = None if noise is None else poisson_scaling(table)
    default: Start = "nfindr" if simplex and n_components > 1 else "nndsvda"
    begin = default if init is None else init
    start = start_of(table, samples, n_components, begin, simplex, scaling, key)
    problem = _problem(samples, loss, simplex, scaling, start)
    factors, n_iter, divergence = take_turns(table, problem, start, max_iter, tol)
    if not simplex and not isinstance(init, Unmixing):  # who gives a model wants what is near it
        factors = _tightened(factors)
    maps, components = _in_order(factors, simplex)
    parameters = {
        "n_components": n_components,
        "loss": loss,
        "init": init,
        "simplex": simplex,
        "noise": noise,
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
        scale=None if scaling is None else scaling.unpacked(samples),
    )


def _require_known(loss: Any, noise: Any) -> None:
    if loss not in get_args(Loss):
        raise ParameterError(f"loss is {loss!r}; expected one of {', '.join(get_args(Loss))}")
    require_noise(noise)
    if noise is not None and loss == "kullback-leibler":
        raise ParameterError(
            "noise='poisson' came with loss='kullback-leibler', which is the likelihood of Poisson "
            "counts already; leave noise out, or take loss='frobenius'"
        )


def _problem(
    samples: Samples, loss: Loss, simplex: bool, scaling: PoissonScaling | None, start: Factors
) -> SquaredError | Divergence:
    if loss == "frobenius":
        return SquaredError(simplex, scaling)
    weights = samples.layout.weights(start.components)
    if weights is None:
        weights = namespace_of(start.components).ones_like(start.components[0, :])
    return Divergence(simplex, weights)


def _tightened(factors: Factors) -> Factors:
    """Let components take in what always comes with them, so that they are phases."""
    maps, h = factors
    xp, k = namespace_of(maps), maps.shape[-1]
    flat = xp.reshape(maps, (-1, k))
    left_out = xp.isnan(flat)
    flat, h = ops.tightened(xp.where(left_out, xp.zeros_like(flat), flat), h)
    flat = xp.where(left_out, xp.full_like(flat, xp.nan), flat)
    return Factors(xp.reshape(flat, maps.shape), h)


def _in_order(factors: Factors, simplex: bool) -> tuple[Array, Array]:
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
