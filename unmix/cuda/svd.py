"""Sketches of tables of counts as they come from a detector, and bases: ``kernels/sketch.cu``."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._typing import Array
from ..ops.svd import Sketch
from ._load import Kernels, flattened, kernels_for, on_torch, rows_per_block

FILE = "sketch.cu"
ROW_TYPES = {"uint8": "unsigned char", "uint16": "unsigned short", "float32": "float"}
WIDTHS = (16, 32, 64)
"""Numbers of directions that kernels are instantiated for."""
TILE, DEPTH, THREADS = 128, 32, 128
LEAST_SLICE, MOST_SLICE, LEAST_GROUP = 256, 2048, 256
MOST_BLOCKS = 1024
MOST_DEFECT = 0.1
"""A basis is orthonormal to rounding after a second pass if it was to this after the first."""


def sketch(
    rows: Array,
    q: Array,
    center: Array,
    scale: Array | None = None,
    weights: Array | None = None,
) -> Sketch:
    """One part of a product with the scatter matrix of CuPy rows; see `unmix.ops.sketch`.

    Rows of uint8, uint16 or float32 with any steps but negative ones, converted and centred as they
    are loaded, twice; up to 64 directions. Allocates the results, one row of 16, 32 or 64 float32
    for each sample and 2048 features (more for few samples, in all up to 32 MiB), and partial
    products in float64 of at most 64 MiB, or of the size of one.
    """
    with kernels_for(rows) as kernels:
        return sketch_part(kernels, rows, q, center, scale, weights)


def sketch_torch(
    rows: Array,
    q: Array,
    center: Array,
    scale: Array | None = None,
    weights: Array | None = None,
) -> Sketch:
    """One part of a product with the scatter matrix of a CUDA tensor; see `sketch`."""
    given = {"scale": scale, "weights": weights}
    names = [name for name, values in given.items() if values is not None]

    def launch(rows: Array, q: Array, center: Array, *rest: Array) -> tuple[Array, ...]:
        return sketch(rows, q, center, **dict(zip(names, rest, strict=True)))[1:]

    sums = on_torch(launch, rows, q, center, *(given[name] for name in names))
    return Sketch(rows.shape[0], *sums)


def orthonormal(block: Array) -> Array:
    """Orthonormal columns of a CuPy array; see `unmix.ops.orthonormal`.

    Waits for one number: whether `cholesky_qr2` was accurate enough.
    """
    with kernels_for(block) as kernels:
        return cholesky_qr2(kernels, block)


def sketch_part(
    kernels: Kernels,
    rows: Array,
    q: Array,
    center: Array,
    scale: Array | None = None,
    weights: Array | None = None,
) -> Sketch:
    """Sum about the centre rounded to float32, then move the sums to the exact one."""
    xp = kernels.xp
    (n, f), number = rows.shape, q.shape[1]
    width = next(w for w in WIDTHS if number <= w)
    directions = xp.zeros((f, width), dtype=np.float32)
    directions[:, :number] = q
    about = xp.ascontiguousarray(center, dtype=np.float32)
    factors = xp.ones(f, np.float32) if scale is None else _float32(xp, scale)
    flat, steps = flattened(kernels, rows)
    args = (flat, n, f, *steps, factors, about)
    name = f"<{ROW_TYPES[rows.dtype.name]}, {width}>"
    y = _y(kernels, name, args, directions)

    center = center.astype(np.float64)
    shift = about.astype(np.float64) - center  # x - center = (x - about) + shift
    y = y + xp.matmul(shift, directions.astype(np.float64)).astype(np.float32)
    counted = y if weights is None else y * _float32(xp, weights)[:, None]
    product, sums = _sums(kernels, name, args, counted)
    product += shift[:, None] * xp.sum(counted, axis=0, dtype=np.float64)
    return Sketch(n, sums + n * shift, product[:, :number], y[:, :number])


def _float32(xp: Any, values: Array) -> Array:
    return xp.ascontiguousarray(values, dtype=np.float32)


def _y(kernels: Kernels, name: str, args: tuple[Any, ...], directions: Array) -> Array:
    """Centred rows times directions, (n, width)."""
    _, n, f, *_ = args
    width = directions.shape[1]
    blocks = -(-n // TILE)
    slice_ = rows_per_block(
        f, most_blocks=-(-MOST_BLOCKS // blocks), least=LEAST_SLICE, most=MOST_SLICE, step=DEPTH
    )
    slices = -(-f // slice_)
    y = kernels.xp.empty((slices, n, width), dtype=np.float32)
    kernel = kernels.get(FILE, f"sketch_rows{name}")
    kernel((blocks, slices), (THREADS,), (*args, directions, slice_, y))
    return _summed(kernels, y)


def _sums(kernels: Kernels, name: str, args: tuple[Any, ...], y: Array) -> tuple[Array, Array]:
    """Sums over all rows: x y (f, width), and x (f,)."""
    xp = kernels.xp
    _, n, f, *_ = args
    chunks = -(-f // TILE)
    group = rows_per_block(n, most_blocks=-(-MOST_BLOCKS // chunks), least=LEAST_GROUP, step=DEPTH)
    groups = -(-n // group)
    product = xp.empty((groups, f, y.shape[1]), dtype=np.float64)
    total = xp.empty((groups, f), dtype=np.float64)
    kernel = kernels.get(FILE, f"sketch_features{name}")
    kernel((chunks, groups), (THREADS,), (*args, y, group, product, total))
    return _summed(kernels, product), _summed(kernels, total)


def _summed(kernels: Kernels, parts: Array) -> Array:
    """Sum over the first axis, in order."""
    if parts.shape[0] == 1:
        return parts[0]
    out = kernels.xp.empty(parts.shape[1:], dtype=parts.dtype)
    real = "float" if parts.dtype == np.float32 else "double"
    kernel = kernels.get(FILE, f"sketch_sum<{real}>")
    blocks = min(-(-out.size // 256), 2**16)
    kernel((blocks,), (256,), (parts, parts.shape[0], out.size, out))
    return out


def cholesky_qr2(kernels: Kernels, block: Array) -> Array:
    """Orthonormal columns by Cholesky QR, twice: Yamamoto et al., ETNA 44, 306 (2015), algorithm 4.

    Nearly all of the work are matrix products, in float64. Columns are brought to equal length
    first, which leaves their span as it is. Where they are too nearly dependent for the second pass
    to make up for the first, Householder's QR does the work again.
    """
    xp = kernels.xp
    basis = block.astype(np.float64)
    try:
        for _ in range(2):
            gram = xp.matmul(basis.T, basis)
            length = xp.sqrt(xp.diagonal(gram))
            length = xp.where(length > 0, length, 1)
            factor = xp.linalg.cholesky(gram / (length[:, None] * length))
            basis = xp.matmul(basis / length, xp.linalg.inv(factor).T)
        # of the basis that went into the second pass; NaN where the first one broke down
        defect = float(xp.max(xp.abs(gram - xp.eye(gram.shape[0]))))
    except np.linalg.LinAlgError:
        defect = np.inf
    return basis if defect < MOST_DEFECT else xp.linalg.qr(block)[0]
