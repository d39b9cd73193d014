"""Bayesian linear unmixing: endmembers and abundances with their uncertainty."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np

from .. import config, ops
from .._arrays import from_host, generator, namespace_of, rng_key
from .._door import as_table
from .._endmembers import Posterior
from .._errors import DataError, ParameterError
from .._executors.threads import default_workers, single_threaded
from .._fold import all_numbers
from .._record import Clock, Record
from .._results import PrincipalComponents
from .._samples import Samples
from .._typing import RNG, Array, HostArray
from ._chains import BLOCK, LEAST, Chains, Window, run
from ._common import whole_number
from ._vertices import endmember_count, require_orthonormal, subspace
from ._white import WhiteSubspace, white_subspace
from .nfindr import largest_simplex
from .pca import pca as fit_pca

STARTS = 10
"""Random starts of N-FINDR."""

STREAM = 3
"""Stream of the random sizes of the first simplices."""

SPREAD = 0.1
"""The first simplex of each chain is that of N-FINDR, larger or smaller by up to so much."""

ALLOWANCE = 5
"""Standard errors of an endmember's entries by which they may be negative: the subspace is wrong
by so much, and a bound at zero would push endmembers with many zeros away from the truth."""

MOST_KEPT = 100
"""Draws of the abundances of one chain that are kept."""


def bayesian_unmixing(
    samples: Samples | Array,
    n_endmembers: int,
    *,
    n_chains: int = 4,
    max_iter: int = 20_000,
    r_hat: float = 1.05,
    nonnegative: bool = True,
    pca: PrincipalComponents | None = None,
    rng: RNG = 0,
) -> Posterior:
    """Draw endmembers, abundances and noise from their posterior distribution.

    Endmembers need not be among the samples: of all simplices around the samples small ones are the
    most probable.

    Parameters
    ----------
    samples : Samples or array
        Described samples, or a table (sample, feature).
    n_endmembers : int
        Number of endmembers, at least 2.
    n_chains : int
        Markov chains, at least 2, drawn at once. Each starts from the simplex of N-FINDR, made
        larger or smaller by up to a tenth.
    max_iter : int
        Sweeps of each chain at the most, at least 8.
    r_hat : float
        Stop when split R-hat of the endmembers' coordinates, of the concentrations and of the
        noise is below this.
    nonnegative : bool
        Endmembers are not negative, but by 5 standard errors: their subspace is not known better.
    pca : PrincipalComponents, optional
        A centred model fitted to these samples, with at least ``n_endmembers - 1`` components;
        saves its passes.
    rng : int or numpy.random.Generator
        All draws (and the sketch).

    Returns
    -------
    Posterior
        Means, standard deviations and draws of ``abundances`` and ``endmembers``, in the namespace
        and on the device of the data, in the order in which N-FINDR's stand in the map; `interval`
        for each abundance; ``noise``, ``concentration``, ``r_hat``, ``ess``. An interrupt returns
        what there is.

    Raises
    ------
    DataError
        If the samples span fewer than ``n_endmembers - 1`` dimensions, or their mean is negative
        where endmembers must not be.
    ParameterError
        If a number is out of range, or ``pca`` has too few components or a noise.
    ShapeError
        If ``pca`` is of other samples.

    Warns
    -----
    RuntimeWarning
        If the chains did not agree before ``max_iter`` or an interrupt.

    Notes
    -----
    Dobigeon, Moussaoui, Coulon, Tourneret and Hero, IEEE Trans. Signal Process. 57, 4355 (2009):
    endmembers lie in the subspace of the first ``n_endmembers - 1`` principal components, where
    they are not negative, and noise is normal with Jeffreys' prior on its scale. Their normal prior
    of the endmembers is so wide that it is flat here. Their abundances lie evenly on the simplex;
    here they follow a Dirichlet distribution, with a concentration for each endmember that is drawn
    too (exponential with mean one, and at least 0.1). So maps of phases, where most samples are
    nearly pure, get endmembers amid the pure ones and not beyond.

    Samples may be pure, too: at a vertex itself, to which a Dirichlet distribution gives no
    probability. Such a point mass beside a density is the prior of Mitchell and Beauchamp, J. Am.
    Stat. Assoc. 83, 1023 (1988). One pure sample of each endmember is expected; were their number
    drawn, it would take the place of the concentrations in maps of phases, and chains would be slow
    to tell one from the other. Which samples are pure is drawn with abundances from a pseudo-prior
    (Carlin and Chib, J. R. Stat. Soc. B 57, 473 (1995)). Without the point mass, one pure sample of
    each of 8 endmembers among thousands of even mixtures draws all vertices 0.3 % too far outward
    at 40 dB, seven times the error of one sample in that direction: a Dirichlet distribution
    expects none so near to a corner.

    What the samples have outside of the subspace depends on the noise alone, so that chains see the
    samples' scores only, whatever the number of features. The noise is that of all of them: what
    the components leave of each feature's variance measures its noise, which makes that of the
    scores known and so white, and one factor to all of it is drawn with ``(n - n_endmembers)
    (f - n_endmembers + 1)`` degrees of freedom outside, because the mean and the subspace were
    fitted to the n samples.

    Endmembers are drawn at fixed abundances and, along the edges of the simplex, at fixed points
    (Yu and Meng, J. Comput. Graph. Stat. 20, 531 (2011)). Each time that the number of sweeps has
    doubled, all of them become burn-in. Draws are Philox numbers made on the host, so that every
    namespace gives the same result to rounding.

    Intervals are as good as the model is. If no sample lies near some face of the simplex, the
    simplex is too small. If brightness varies, or noise with the abundances, intervals are too
    narrow.

    Examples
    --------
    >>> import unmix as um
    >>> mixtures = um.synthetic.simplex_mixtures(300, 3, 20, snr_db=30, pure=False)
    >>> model = um.bayesian_unmixing(mixtures.samples, 3)
    >>> low, high = model.interval(0.9)
    >>> bool(((low <= model.abundances) & (model.abundances <= high)).mean() > 0.95)
    True
    """
    clock, key = Clock(), rng_key(rng)
    samples = as_table(samples)
    n_endmembers = endmember_count(samples, n_endmembers)
    n_chains = whole_number(n_chains, 2, 1000, "n_chains", "chains that are compared")
    max_iter = whole_number(max_iter, 2 * LEAST, 10**9, "max_iter", "sweeps")
    if not isinstance(r_hat, Real) or not r_hat > 1:
        raise ParameterError(f"r_hat is {r_hat!r}; expected a number above 1")
    model = fit_pca(samples, n_endmembers - 1, rng=key) if pca is None else pca
    model = subspace(model, samples, n_endmembers)
    require_orthonormal(model)
    white = white_subspace(samples, model)
    chains = _start(model.scores, white, n_chains, nonnegative, key)
    with single_threaded(samples):
        window = run(chains, max_iter, float(r_hat), _kept(chains))
    parameters = {
        "n_endmembers": n_endmembers,
        "n_chains": n_chains,
        "max_iter": max_iter,
        "r_hat": float(r_hat),
        "nonnegative": bool(nonnegative),
        "pca": pca,
        "rng": key,
    }
    record = samples.record.then("bayesian_unmixing", parameters, **clock.facts(model.maps))
    return _posterior(window, chains.sweeps, white, samples, record)


def _start(
    scores: Samples, white: WhiteSubspace, n_chains: int, nonnegative: bool, key: int
) -> Chains:
    """Return all chains at simplices of about the size of N-FINDR's."""
    n, d = scores.layout.n_samples, len(white.basis)
    bound = _bound(white, n) if nonnegative else ops.Bound(white.basis[:, :0], white.mean[:0])
    corners = largest_simplex(scores, d + 1, STARTS, key).points @ white.turn
    draws = generator(key, STREAM)
    sizes = draws.uniform(1 - SPREAD, 1 + SPREAD, (n_chains, 1, 1))
    center = corners.mean(axis=0)
    vertices = _shrunk(center + sizes * (corners - center), bound)
    table = scores.table()
    xp = namespace_of(table)
    table = xp.matmul(xp.astype(table, xp.float64), from_host(white.turn, table))
    points = [table[i : min(i + BLOCK, n), :].T for i in range(0, n, BLOCK)]
    return Chains(
        points=points,
        abundances=[_mixed(block, vertices) for block in points],
        pure=[np.full((n_chains, block.shape[1]), ops.MIXED) for block in points],
        vertices=vertices,
        concentration=draws.uniform(0.5, 1, (n_chains, d + 1)),
        variance=np.ones(n_chains),
        bound=bound,
        residual=white.freedom,
        freedom=white.freedom + n * d,
        key=key,
        workers=default_workers(scores.xp),
    )


def _bound(white: WhiteSubspace, n: int) -> ops.Bound:
    """Return what endmembers must not fall below.

    The standard error of an entry of an endmember is that of the noise times ``p / sqrt(n)``: of n
    samples that lie evenly on the simplex, each endmember has ``n / p^2`` to itself.
    """
    usual = np.sqrt(np.mean(white.noise**2))
    noise = np.maximum(white.noise, 0.1 * usual)  # where nothing was seen, nothing is known to be 0
    offset = white.mean + ALLOWANCE * (len(white.basis) + 1) / np.sqrt(n) * noise
    if np.any(offset < 0):
        raise DataError(
            f"the mean of the samples is negative at {np.sum(offset < 0)} of {len(offset)} "
            "features, but endmembers must not be; pass nonnegative=False, or leave values as they "
            "were measured"
        )
    return ops.Bound(white.basis, offset)


def _shrunk(vertices: HostArray, bound: ops.Bound) -> HostArray:
    """Draw vertices that are below the bound towards the mean until they are not."""
    flat = vertices.reshape(-1, vertices.shape[2])
    slopes = flat @ bound.basis
    _, high = ops.step_limits(np.broadcast_to(bound.offset, slopes.shape), slopes)
    return (flat * np.minimum(1.0, 0.99 * high)[:, None]).reshape(vertices.shape)


def _mixed(points: Array, vertices: HostArray) -> Array:
    """Abundances of a block of points (d, b) inside of each simplex, (chains, p, b)."""
    xp = namespace_of(points)
    each = [ops.fcls(points.T, from_host(v, points)).T for v in vertices]
    p = vertices.shape[1]
    return (xp.stack(each) + 1e-3) / (1 + p * 1e-3)  # not in a face, where draws would begin slowly


def _kept(chains: Chains) -> int:
    """How many draws of each chain the budget has room for."""
    size = chains.vertices.shape[0] * chains.vertices.shape[1] * chains.n_samples * 4
    return int(max(10, min(MOST_KEPT, config.current_budget() // 4 // size)))


def _posterior(
    window: Window, n_iter: int, white: WhiteSubspace, samples: Samples, record: Record
) -> Posterior:
    """Sum up a window of sweeps: chains are matched to the first, and pooled."""
    scalars = window.scalars()
    means, deviations = window.moments_of_all()
    vertices = window.matched(window.vertices)
    p, d = vertices.shape[2:]
    center, spread = _endmembers(vertices.reshape(-1, p, d), white)
    drawn = vertices[:: window.stride].reshape(-1, d)
    like, layout, dtype = means, samples.layout, samples.dtype
    xp = samples.xp

    def entries(rows: HostArray, dtype: Any) -> Array:
        return layout.unpack(from_host(rows, like, dtype))

    rows = entries(white.spectra(drawn), xp.float32)
    return Posterior(
        maps=_scattered(xp.astype(means, dtype), samples),
        components=entries(center, dtype),
        layout=layout,
        record=record,
        components_std=entries(spread, dtype),
        components_draws=xp.reshape(rows, (-1, p, *layout.descriptor_shape)),
        noise=float(np.mean(np.sqrt(window.variances)) * np.sqrt(np.mean(white.noise**2))),
        concentration=window.matched(window.concentrations).mean(axis=(0, 1)),
        r_hat=ops.split_r_hat(scalars),
        ess=ops.effective_sample_size(scalars),
        n_iter=n_iter,
        abundances_std=_scattered(xp.astype(deviations, dtype), samples),
        abundances_draws=_scattered(window.draws(), samples),
    )


def _endmembers(vertices: HostArray, white: WhiteSubspace) -> tuple[HostArray, HostArray]:
    """Means and standard deviations (p, n_features) of endmembers over draws (n, p, d)."""
    center = vertices.mean(axis=0)
    away = np.swapaxes(vertices - center, 0, 1)
    covariance = np.swapaxes(away, 1, 2) @ away / len(vertices)
    variance = np.sum((covariance @ white.basis) * white.basis, axis=1)
    return white.spectra(center), np.sqrt(np.maximum(variance, 0))


def _scattered(values: Array, samples: Samples) -> Array:
    """Put values (..., n) of the samples of a table to their places: (..., *map_shape)."""
    xp, shape = namespace_of(values), samples.layout.map_shape
    places = np.full(int(np.prod(shape)), values.shape[-1])
    places[all_numbers(samples)] = np.arange(values.shape[-1])
    outside = xp.full_like(values[..., :1], xp.nan)
    both = xp.concat([values, outside], axis=-1) if samples.layout.mask is not None else values
    taken = xp.take(both, from_host(places, values), axis=values.ndim - 1)
    return xp.reshape(taken, (*values.shape[:-1], *shape))
