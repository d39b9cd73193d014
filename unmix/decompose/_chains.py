"""Markov chains of Bayesian unmixing: sweep after sweep until they agree."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from .. import ops
from .._arrays import from_host, generator, namespace_of
from .._executors.threads import in_order
from .._executors.work import reduce_tree
from .._typing import Array, HostArray, Slices

BLOCK = 1 << 11
"""Samples that are drawn together: their arrays stay in the cache, and each has its own draws."""

STREAM = 16
"""The first stream of random numbers of the sweeps; those below are of N-FINDR and the starts."""

FIRST = 100
"""Sweeps of the first window."""

LEAST = 4
"""Sweeps that a window must have: R-hat splits it in two, and needs a variance of each."""


class Moments(NamedTuple):
    """Sums of the abundances of one block over the sweeps of a window."""

    n: int
    total: Array
    squares: Array
    """(chains, p, b)"""


@dataclass(slots=True)
class Window:
    """What is kept of consecutive sweeps."""

    moments: list[Moments]
    stride: int
    """Sweeps from one draw that is kept to the next."""
    abundances: list[list[Array]] = field(default_factory=list)
    """Draws, each with the blocks (chains, p, b), float32."""
    vertices: list[HostArray] = field(default_factory=list)
    concentrations: list[HostArray] = field(default_factory=list)
    variances: list[HostArray] = field(default_factory=list)
    """Of every sweep: (chains, p, d), (chains, p) and (chains,)."""

    def __len__(self) -> int:
        """Return the number of sweeps."""
        return len(self.variances)

    def orders(self) -> HostArray:
        """The endmembers of each chain in the order of those of the first, (chains, p)."""
        from scipy.optimize import linear_sum_assignment

        means = np.mean(self.vertices, axis=0)
        costs = np.sum((means[0][None, :, None] - means[:, None]) ** 2, axis=-1)
        return np.stack([linear_sum_assignment(cost)[1] for cost in costs])

    def matched(self, values: list[HostArray]) -> HostArray:
        """Stack values (chains, p, ...) of every sweep, all in the order of the first chain."""
        chains = np.arange(len(self.vertices[0]))[:, None]
        return np.stack(values)[:, chains, self.orders()]

    def scalars(self) -> HostArray:
        """Coordinates of the vertices, and logarithms of all else, in every sweep."""
        vertices = self.matched(self.vertices)
        concentrations = np.log(self.matched(self.concentrations))
        noise = np.log(np.stack(self.variances))[..., None]
        flat = vertices.reshape(*vertices.shape[:2], -1)
        return np.concatenate([flat, concentrations, noise], axis=2)

    def moments_of_all(self) -> tuple[Array, Array]:
        """Means and standard deviations of the abundances over all chains, (p, n)."""
        means, squares = (
            self._joined([getattr(m, name) / m.n for m in self.moments])
            for name in ("total", "squares")
        )
        xp = namespace_of(means)
        mean = xp.mean(means, axis=0)
        return mean, xp.sqrt(xp.clip(xp.mean(squares, axis=0) - mean**2, 0, None))

    def draws(self) -> Array:
        """All draws of the abundances that were kept, (n_draws, p, n)."""
        joined = [self._joined(draw) for draw in self.abundances]
        return namespace_of(joined[0]).concat(joined, axis=0)

    def _joined(self, blocks: list[Array]) -> Array:
        """Put blocks side by side, with all chains in the order of the first, (chains, p, n)."""
        xp, both = namespace_of(blocks[0]), []
        for chain, order in enumerate(self.orders()):
            whole = xp.concat([block[chain, ...] for block in blocks], axis=-1)
            both.append(xp.take(whole, from_host(order, whole), axis=0))
        return xp.stack(both)


@dataclass(slots=True)
class Chains:
    """The state of all chains, and how it moves."""

    points: list[Array]
    """Blocks (d, b), float64."""
    abundances: list[Array]
    """Blocks (chains, p, b), float64; changed in place."""
    pure: list[HostArray]
    """Blocks (chains, b): the vertex of each pure sample, and -1 for mixed ones."""
    vertices: HostArray
    concentration: HostArray
    variance: HostArray
    bound: ops.Bound
    residual: float
    freedom: float
    key: int
    workers: int
    sweeps: int = 0

    @property
    def n_samples(self) -> int:
        """Number of samples."""
        return sum(int(block.shape[1]) for block in self.points)

    def sweep(self, window: Window) -> None:
        """Draw everything once, and add it to a window."""
        stream = STREAM + self.sweeps
        draws = generator(self.key, stream)
        order = draws.permutation(self.vertices.shape[1]).tolist()
        pairs = list(pairwise([*order, order[0]] if len(order) > 2 else order))
        sums = self._draw_abundances(stream, pairs)
        self.variance = ops.draw_variance(sums, self.vertices, self.residual, self.freedom, draws)
        self.vertices = ops.draw_vertices(self.vertices, sums, self.variance, self.bound, draws)
        self.concentration = ops.draw_concentration(
            self.concentration, sums.logarithms, sums.n_mixed, draws
        )
        mixed = [from_host((b == ops.MIXED).astype(float), self.points[0]) for b in self.pure]
        for i, j in pairs:
            self._slide(i, j, sums, mixed, draws)
            self._slide(j, i, sums, mixed, draws)
        self.sweeps += 1
        self._record(window)

    def _draw_abundances(self, stream: int, pairs: ops.Pairs) -> ops.Products:
        """Draw the abundances, block by block side by side, and sum what the others need."""

        def run(where: Slices) -> ops.Products:
            block = where[0].start
            points, abundances = self.points[block], self.abundances[block]
            shape = (len(pairs), 3, len(self.vertices), points.shape[1])
            own = generator(self.key, stream, block + 1)
            given = self.vertices, self.variance, self.concentration
            uniform = from_host(own.random(shape), points)
            ops.draw_abundances(points, abundances, *given, pairs, uniform)
            share = 1 / self.n_samples  # one pure sample of each endmember is expected
            pure = ops.draw_pure(points, abundances, self.pure[block], *given, share, own)
            self.pure[block] = pure
            return ops.products(points, abundances, pure)

        plan: list[Slices] = [(slice(i, i + 1),) for i in range(len(self.points))]
        sums: ops.Products = reduce_tree(in_order(run, plan, self.workers), ops.merge_products)
        return sums

    def _slide(
        self, i: int, j: int, sums: ops.Products, mixed: list[Array], draws: np.random.Generator
    ) -> None:
        """Move vertex i along its edge to j at fixed points of mixed samples."""
        edge = self.vertices[:, i] - self.vertices[:, j]
        values = self.vertices[:, i] @ self.bound.basis + self.bound.offset
        limits = ops.step_limits(values, edge @ self.bound.basis)
        ratios = [ops.ratios(*each, i, j) for each in zip(self.abundances, mixed, strict=True)]
        nearest = np.min([ops.least_distance(ratio) for ratio in ratios], axis=0)
        share, odds = ops.try_share(nearest, limits, draws.standard_normal(len(edge)))
        growth = np.sum([ops.log_growth(ratio, share) for ratio in ratios], axis=0)
        both = self.concentration[:, i], self.concentration[:, j]
        move = (share / (1 - share))[:, None] * edge
        odds = odds + ops.log_pull(sums, self.vertices[:, i], move, i, self.variance)
        uniform = draws.random(len(edge))
        share = ops.take_share(share, odds, growth, both, sums.n_mixed, uniform)
        self.vertices[:, i] += (share / (1 - share))[:, None] * edge
        for block, ratio in zip(self.abundances, ratios, strict=True):
            ops.move_share(block, ratio, i, j, share)

    def _record(self, window: Window) -> None:
        xp = namespace_of(self.points[0])
        for i, block in enumerate(self.abundances):
            n, total, squares = window.moments[i]
            window.moments[i] = Moments(n + 1, total + block, squares + block * block)
        if len(window) % window.stride == 0:
            window.abundances.append([xp.astype(b, xp.float32) for b in self.abundances])
        window.vertices.append(self.vertices.copy())
        window.concentrations.append(self.concentration)
        window.variances.append(self.variance)


def run(chains: Chains, max_iter: int, r_hat: float, n_kept: int) -> Window:
    """Sweep until the chains agree, and return the last window of sweeps.

    Each window is as long as all sweeps before it, which so become its burn-in, and the chains are
    asked half way through and at its end. An interrupt ends the run too.
    """
    from tqdm import tqdm

    window, before, length = _window(chains, FIRST, n_kept), None, FIRST
    bar = tqdm(total=max_iter, desc="bayesian unmixing", delay=1, disable=None, leave=False)
    with bar:
        for _ in range(LEAST):  # an interrupt before that has nothing to keep
            chains.sweep(window)
        try:
            while chains.sweeps < max_iter:
                chains.sweep(window)
                bar.update(chains.sweeps - bar.n)
                if len(window) in (length // 2, length) and before is not None:
                    reached = _worst(window)
                    bar.set_postfix(r_hat=f"{reached:.3f}")
                    if reached < r_hat:
                        return window
                if len(window) == length and chains.sweeps * 3 // 2 <= max_iter:
                    before, length = window, chains.sweeps
                    window = _window(chains, length, n_kept)
        except KeyboardInterrupt:
            if before is not None and len(window) < length // 2:
                window = before
    _warn(chains, window, r_hat, max_iter)
    return window


def _window(chains: Chains, length: int, n_kept: int) -> Window:
    """Return an empty window of about ``length`` sweeps."""
    xp = namespace_of(chains.points[0])
    moments = [Moments(0, z, z) for z in map(xp.zeros_like, chains.abundances)]
    return Window(moments, stride=max(1, length // n_kept))


def _worst(window: Window) -> float:
    """Largest R-hat of all scalars."""
    return float(np.max(ops.split_r_hat(window.scalars())))


def _warn(chains: Chains, window: Window, r_hat: float, max_iter: int) -> None:
    """Say that the chains do not agree yet, and what to do."""
    ended = "interrupted" if chains.sweeps < max_iter else "ended"
    warnings.warn(
        f"{ended} after {chains.sweeps} sweeps with R-hat {_worst(window):.3f}; below {r_hat} was "
        f"asked: the result is of the last {len(window)} sweeps, and its deviations may be too "
        "small; raise max_iter, or ask for fewer endmembers",
        RuntimeWarning,
        stacklevel=4,
    )
