"""Passes of block Krylov iteration over samples, and the few samples that it starts from."""

from __future__ import annotations

from functools import partial

import numpy as np

from .. import config, ops
from .._arrays import device_of, from_host, namespace_of
from .._executors.work import leaf_of
from .._fold import fold
from .._samples import Samples
from .._sources import empty_like
from .._tiles import Tile
from .._typing import Array
from ..ops.svd import MAX_BLOCKS
from ._common import kept_if_it_fits
from ._poisson import PoissonScaling

SHARE = 16
"""One sample in so many gives the directions that the passes start from."""
SUBSET_LOSS = 1e-3
"""More accuracy is lost on them: the other samples differ by more."""
RANDOM = 2
"""Directions of the start that are random: they find what the few samples do not show."""
IN_CACHE = 1 << 17
"""Values that are centred in one go where a centred copy is needed."""

Part = tuple[ops.Sketch, float]


class Passes:
    """Products with the scatter matrix, one pass over the samples each.

    Projections of the rows on the directions can be kept: the maps are sums of them, and take no
    pass of their own.

    Parameters
    ----------
    samples : Samples
        The table.
    scaling : PoissonScaling or None
        How rows are scaled.
    center : bool
        Whether the centre is to be found; else sums stay about the one that is given.
    keep : bool
        Whether projections are kept, which pays where rows are made or read again in every pass.
    """

    def __init__(
        self, samples: Samples, scaling: PoissonScaling | None, *, center: bool, keep: bool
    ) -> None:
        self.samples, self.scaling, self.center = samples, scaling, center
        self.kept: list[tuple[Array, Array, Array]] | None = [] if keep else None
        self.squares: tuple[float, Array] | None = None

    def __call__(self, q: Array, center: Array) -> ops.Sketch:
        """Return the sketch of all samples."""
        out = self._room(q.shape[1])
        update = partial(
            _sketched, scaling=self.scaling, count=self.squares is None, keep=out is not None
        )
        # in the type of the rows once, and not for every tile
        state = namespace_of(q).astype(q, self.samples.dtype), center
        (seen, squares), _ = fold(
            self.samples, update, _merged, state=state, out=out, label="sketch"
        )
        if self.squares is None:
            self.squares = squares, center
        if self.kept is not None and out is not None:
            self.kept.append((out, q, center))
        result: ops.Sketch = seen
        return result if self.center else result._replace(total=namespace_of(q).zeros_like(center))

    def _room(self, width: int) -> Array | None:
        """Return memory for the projections, as long as all of them take little of the budget."""
        shape, dtype = (*self.samples.layout.map_shape, width), self.samples.dtype
        like, xp = self.samples.source.like, self.samples.xp
        if self.kept is None:
            return None
        size = int(np.prod(shape)) * (4 if dtype == xp.float32 else 8)
        if size * (len(self.kept) + 1) > config.current_budget() // 4:
            self.kept = None
            return None
        if self.samples.layout.mask is None:  # all of it is written
            return xp.empty(shape, dtype=dtype, device=device_of(like))
        return empty_like(like, shape, float("nan"), dtype)

    def total(self, found: ops.Subspace) -> float:
        """Return the squares of all rows about the centre that was found."""
        squares, about = self.squares or (0.0, found.mean)
        shift = found.mean - about
        return squares - found.n * float(namespace_of(shift).sum(shift * shift))

    def rows(self, mean: Array, vectors: Array) -> Array | None:
        """Return (*map_shape, k) of the rows about ``mean`` along vectors (k, f), if kept."""
        if self.kept is None:
            return None
        xp, rows = namespace_of(vectors), None
        for y, q, center in self.kept:
            forms = xp.matmul(q.T, vectors.T)
            shift = xp.matmul(xp.matmul((mean - center)[None, :], q), forms)
            part = xp.matmul(y, xp.astype(forms, y.dtype)) - xp.astype(shift[0, :], y.dtype)
            rows = part if rows is None else rows + part
        return rows


def _sketched(
    tile: Tile,
    _: Array | None,
    q: Array,
    center: Array,
    *,
    scaling: PoissonScaling | None,
    count: bool,
    keep: bool,
) -> Part | tuple[Part, Array]:
    """Sketch of a tile, its squares where they are counted, and its projections."""
    rows, view = tile.rows, {}
    if scaling is not None:
        view = {"scale": scaling.scale, "weights": scaling.weights(rows)}
    seen = ops.sketch(rows, q, center, **view)
    squares = _squares(rows, center, **view) if count else 0.0
    part = seen._replace(y=None), squares
    return (part, seen.y) if keep else part


def _squares(
    rows: Array, center: Array, scale: Array | None = None, weights: Array | None = None
) -> float:
    """Sum of squares about a centre: sums about zero would cancel."""
    xp, (n, f) = namespace_of(rows), rows.shape
    origin, total = xp.astype(center, rows.dtype), 0.0
    step = max(1, IN_CACHE // f)
    for i in range(0, n, step):
        stop = min(i + step, n)
        part = rows[i:stop, :]
        if scale is not None:
            part = part * xp.astype(scale, rows.dtype)
        squares = ops.squared_norms(part, origin)
        if weights is not None:
            squares = squares * weights[i:stop]
        total += float(xp.sum(squares, dtype=xp.float64))
    return total


def _merged(a: Part, b: Part) -> Part:
    mine, theirs = a[0], b[0]
    product = mine.product
    product += theirs.product  # in place: new memory for each sum would cost more than adding
    return ops.Sketch(mine.n + theirs.n, mine.total + theirs.total, product), a[1] + b[1]


def start_of(
    samples: Samples,
    n_components: int,
    key: int,
    scaling: PoissonScaling | None,
    center: Array | None,
) -> tuple[Array, Array]:
    """Return directions (f, l) to start from and a point near the mean.

    The directions are the components of a few samples, and some random ones.
    """
    xp = samples.xp
    directions = ops.random_directions(samples.layout.n_features, n_components, key)
    few = few_samples(samples, 4 * directions.shape[1])
    first, near = samples if few is None else kept_if_it_fits(few, MAX_BLOCKS), center
    if near is None:
        near = ops.mean_row(first.tile(first.plan()[0]).rows)
    start = from_host(directions, near, xp.float64)
    if few is None:
        return start, near
    n = max(n_components, start.shape[1] - RANDOM)
    passes = Passes(first, scaling, center=center is None, keep=False)
    found = ops.block_krylov(passes, start, near, n, SUBSET_LOSS)
    return xp.concat([found.vectors.T, start[:, n:]], axis=1), found.mean


def few_samples(samples: Samples, least: int) -> Samples | None:
    """Return a small share of the samples from all over the map, or None if it is under ``least``.

    What is stored in chunks is read in whole tiles.
    """
    shape, mask = samples.layout.map_shape, samples.layout.mask
    chosen = np.zeros(shape, bool)
    if leaf_of(samples.source).chunks is not None:
        for where in samples.plan()[SHARE // 2 :: SHARE]:
            chosen[where] = True
        both = chosen if mask is None else chosen & mask
        return samples.where(chosen) if both.sum() >= least else None
    key, share = [], float(SHARE)
    for i, n in enumerate(shape):
        step = min(n, round(share ** (1 / (len(shape) - i))))
        key.append(slice(None, None, step))
        share /= step
    chosen[tuple(key)] = True
    both = chosen if mask is None else chosen & mask
    return samples[tuple(key)] if both.sum() >= least else None
