"""The turns that both factors of a non-negative factorisation take, one pass for each of both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from .. import ops
from .._arrays import namespace_of
from .._fold import PerSample, fold, map_rows
from .._samples import Samples
from .._tiles import Tile
from .._typing import Array
from ._poisson import PoissonScaling


class Factors(NamedTuple):
    """Maps and components, neither below zero."""

    maps: Array
    """(*map_shape, k), NaN at samples that were left out."""
    components: Array
    """(k, n_features), packed, float64."""


@dataclass(frozen=True, slots=True)
class SquaredError:
    """Squared error, of samples that may be scaled: hierarchical alternating least squares."""

    simplex: bool
    scaling: PoissonScaling | None
    power = 2
    """What is missed are squares of the gradient, and the tolerance is of the gradient."""

    @property
    def scale(self) -> Array | None:
        """What the error of each feature is multiplied by."""
        return None if self.scaling is None else self.scaling.scale

    def beside(self, samples: Samples) -> tuple[PerSample, ...]:
        """Return what the squared error of each sample counts, unless all count one."""
        scaling = self.scaling
        if scaling is None:
            return ()
        weights = map_rows(samples, lambda rows: scaling.weights(rows)[:, None], 1, label="counts")
        return (PerSample(weights),)

    def turn(
        self, tile: Tile, maps: Array, h: Array, weights: Array | None = None
    ) -> tuple[ops.FactorSums, Array]:
        """Bring the maps of a tile up to date."""
        return ops.frobenius_pass(tile.rows, maps, h, self.simplex, self.scale, weights)

    def step(self, h: Array, sums: ops.FactorSums) -> tuple[Array, float]:
        """Bring the components up to date; also return what they missed before."""
        gradient = namespace_of(h).matmul(sums.gram, h) - sums.product
        if self.scale is not None:  # it is common to all entries of a feature, and changes no step
            gradient = gradient * self.scale
        missed = ops.projected_gradient(h, gradient)
        return ops.hals(h, sums.gram, sums.product), float(missed)

    def loss(
        self, tile: Tile, maps: Array, h: Array, weights: Array | None = None
    ) -> tuple[Array, Array]:
        """Return the value of the loss over a tile."""
        return ops.squared_error(tile.rows, maps, h, self.scale, weights), maps


@dataclass(frozen=True, slots=True)
class Divergence:
    """Kullback-Leibler divergence: multiplicative updates."""

    simplex: bool
    counts: Array
    """How often the full descriptor has each feature, as a weight, (n_features,)."""
    power = 1
    """What is missed are values times gradient."""

    def beside(self, _: Samples) -> tuple[PerSample, ...]:
        """All samples count one."""
        return ()

    def turn(self, tile: Tile, maps: Array, h: Array) -> tuple[ops.FactorSums, Array]:
        """Bring the maps of a tile up to date."""
        return ops.kullback_leibler_pass(tile.rows, maps, h, self.counts, self.simplex)

    def step(self, h: Array, sums: ops.FactorSums) -> tuple[Array, float]:
        """Bring the components up to date; also return what they missed before."""
        xp = namespace_of(h)
        # push and pull are weighted alike, and the weights cancel in the step
        pull, push = sums.product, sums.gram[:, None]
        missed = xp.sum(xp.abs(h * (push - pull)) * self.counts)
        return h * pull / xp.where(push > 0, push, xp.ones_like(push)), float(missed)

    def loss(self, tile: Tile, maps: Array, h: Array) -> tuple[Array, Array]:
        """Return the value of the loss over a tile."""
        return ops.kullback_leibler(tile.rows, maps, h, self.counts), maps


def take_turns(
    samples: Samples,
    problem: SquaredError | Divergence,
    start: Factors,
    max_iter: int,
    tol: float,
) -> tuple[Factors, int, float]:
    """Take turns until the optimality conditions are missed by little.

    Returns
    -------
    factors : Factors
        The maps are those of ``start``, in place.
    n_iter : int
        Passes that were taken.
    loss : float
        Over the full descriptor.
    """
    beside = problem.beside(samples)
    maps, h = start
    first, n = 0.0, 0
    for n in range(1, max_iter + 1):
        sums, _ = fold(
            samples,
            problem.turn,
            ops.merge_factor_sums,
            state=(h, *beside),
            out=maps,
            label="NMF",
        )
        h, missed = problem.step(h, sums)
        missed += float(sums.violation)
        first = missed if n == 1 else first
        if missed <= first * tol**problem.power:
            break
    loss, _ = fold(
        samples,
        problem.loss,
        lambda a, b: a + b,
        state=(h, *beside),
        out=maps,
        label="NMF",
    )
    return Factors(maps, h), n, float(loss)
