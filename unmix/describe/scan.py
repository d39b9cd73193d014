"""The Fourier transform of a scan, for every detector pixel."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from .. import config, ops
from .._arrays import device_of, from_host, to_host
from .._axes import Axis
from .._chunks import largest
from .._errors import BackendError, DTypeError, ParameterError, ShapeError
from .._fold import fold
from .._record import Record
from .._samples import Samples
from .._sources import ArraySource, stored_source
from .._stored import new_array, stored
from .._tiles import Tile, plan_blocks
from .._typing import Array, Slices
from .._windows import SpectrumSource, WindowStack
from ..layout import HalfPlane, Layout

OUT_CHUNK = 16
"""Entries along k_y and k_x of a chunk of a result in a .zarr file."""


def scan_fft(
    samples: Samples,
    *,
    taper: str = "hann",
    output: ops.Output = "amplitude",
    out: str | os.PathLike[str] | None = None,
) -> Samples:
    r"""Fourier transform the scan of every descriptor entry: mean off, taper, FFT, modulus.

    Detector pixels that vary with the lattice of the specimen show its spots, each with its own
    strength: `pca` and `nfindr` of the result tell which part of a diffraction pattern goes with
    which periodicity.

    Parameters
    ----------
    samples : Samples
        Map axes (..., y, x), all of them: a whole scan, such as (scan_y, scan_x | det_y, det_x).
    taper : str
        Of the scan; see `unmix.ops.taper_weights`.
    output : {"amplitude", "power", "complex"}
        \|F\|, \|F\|^2 or F. Decompositions take the first two.
    out : path, optional
        A new file for the result: ``.npy`` (a memory map), or ``.zarr``, which holds the axes too
        and which `unmix.open` reads. It is there whole or not at all. Default: in memory.

    Returns
    -------
    Samples
        Map axes (..., k_y, k_x): the full centred plane, ascending, in cycles per unit of the scan;
        the same descriptor. As many values as before, in the computing type. The transform is
        unitary. In memory in the namespace and on the device of the samples, else read from the
        file block by block as a NumPy array.

    Raises
    ------
    BackendError, DTypeError
        If these are no samples, or complex ones.
    ShapeError
        If there is no scan of two axes, if a sample is left out, or if the descriptor has an axis
        k_y or k_x itself.
    ParameterError
        If taper or output is unknown, or the result does not fit the memory budget and there is no
        ``out``.
    FileError
        If ``out`` exists, or cannot be written.

    Notes
    -----
    Blocks of detector pixels are transformed one after the other; half of the memory budget goes to
    a block. A file whose chunks hold all of the detector is read once for every block: the record
    says how many ``passes`` that were.

    Examples
    --------
    >>> import numpy as np
    >>> import unmix as um
    >>> scan = um.samples(np.random.default_rng(0).random((16, 16, 4, 4)), 2, pitch=0.5, units="nm")
    >>> um.scan_fft(scan)
    <Samples k_y 16 x k_x 16 (1/nm) | det_y 4 x det_x 4 (px), float64, numpy>
    """
    layout = _require_scan(samples)
    y, x = layout.map_axes[-2:]
    for n in (y.size, x.size):
        ops.taper_weights(taper, n)
    ops.modulus(np.zeros(1, complex), output)
    units = f"1/{y.units}" if y.units else ""
    plane = HalfPlane.of((y.size, x.size), (y.spacing, x.spacing), units, None)
    plain = samples if layout.index is None else samples.unweighted()
    blocks, passes = _blocks(plain, plane)
    itemsize = _item_size(samples) * (2 if output == "complex" else 1)
    map_axes = (*layout.map_axes[:-2], *plane.axes)

    def transform(block: Samples) -> Array:
        return _transformed(block, plane, taper, output)

    axes = tuple(range(len(plain.shape)))
    facts: dict[str, Any] = {"passes": passes}
    if out is None:
        array = _in_memory(plain, blocks, transform, itemsize)
        source = ArraySource(array, axes, len(map_axes))
    else:
        dtype = f"complex{8 * itemsize}" if output == "complex" else f"float{8 * itemsize}"
        array = _to_file(Path(out), plain, blocks, transform, map_axes, dtype)
        source = stored_source(array, axes, len(map_axes))
        facts["out"] = os.fspath(out)
    return Samples(
        source=source,
        layout=replace(layout, map_axes=map_axes, windows=None, images=None),
        record=samples.record.then("scan_fft", {"taper": taper, "output": output}, **facts),
        nonnegative=True if output != "complex" else None,
    )


def _require_scan(samples: Any) -> Layout:
    if not isinstance(samples, Samples):
        raise BackendError(
            f"expected Samples, but got {type(samples).__name__}; make them of an array with "
            "unmix.samples(array, map_axes)"
        )
    layout = samples.layout
    if samples.is_complex:
        raise DTypeError("these samples are complex; take output='amplitude' or 'power'")
    if len(layout.map_axes) < 2:
        raise ShapeError(f"expected a scan, (..., y, x), but got {samples!r}")
    if layout.mask is not None:
        raise ShapeError("some samples are left out; a Fourier transform needs all of a scan")
    taken = {"k_y", "k_x"} & {a.name for a in (*layout.map_axes[:-2], *layout.descriptor_axes)}
    if taken:
        raise ShapeError(
            f"the samples have an axis {min(taken)} already; expected a scan that is described "
            "otherwise, by detector pixels or as a plain image"
        )
    return layout


def _blocks(samples: Samples, plane: HalfPlane) -> tuple[list[Slices], int]:
    """Cut the scan's frames and the detector into blocks; also return how often data is read."""
    layout = samples.layout
    chunks = samples.source.entry_chunks if isinstance(samples.source, ArraySource) else None
    room = config.current_budget() // 2 // (plane.index.size * _item_size(samples))
    pixels = plan_blocks(layout.descriptor_shape, chunks, max(1, room))
    passes = 1
    if chunks is not None:
        first = [along[0] for along in chunks]
        passes = sum(all(s.start < n for s, n in zip(b, first, strict=True)) for b in pixels)
    frames = np.ndindex(layout.map_shape[:-2])
    lead = [tuple(slice(i, i + 1) for i in frame) for frame in frames]
    return [(*f, slice(None), slice(None), *b) for f in lead for b in pixels], passes


def _item_size(samples: Samples) -> int:
    """Bytes of a real value of the computing type."""
    return 4 if str(samples.dtype).endswith("32") else 8


def _in_memory(
    samples: Samples, blocks: list[Slices], transform: Callable[[Samples], Array], itemsize: int
) -> Array:
    size, budget = prod(samples.shape) * itemsize, config.current_budget()
    if size > budget:
        raise ParameterError(
            f"the result takes {size >> 20} MiB, and the memory budget is {budget >> 20} MiB; name "
            "a new file with out=, bin or crop the descriptor, or raise unmix.config.memory_budget"
        )
    if len(blocks) == 1:
        return transform(samples)
    whole = None
    for where in blocks:
        block = transform(samples[where])
        if whole is None:
            xp = samples.xp
            whole = xp.empty(samples.shape, dtype=block.dtype, device=device_of(block))
        whole[where] = block
    return whole


def _to_file(
    path: Path,
    samples: Samples,
    blocks: list[Slices],
    transform: Callable[[Samples], Array],
    map_axes: tuple[Axis, ...],
    dtype: str,
) -> Any:
    axes, n = (*map_axes, *samples.layout.descriptor_axes), len(map_axes)
    largest = [len(range(a.size)[s]) for a, s in zip(axes, blocks[0], strict=True)]
    near = [min(OUT_CHUNK, size) for size in largest[:n]]
    with new_array(path, dtype, axes, n, (*near, *largest[n:])) as array:
        for where in blocks:
            array[where] = to_host(transform(samples[where]))
    return stored(path)


def _values(block: Samples) -> Array:
    """Return a block of detector pixels at all positions."""
    shape, chunks = block.layout.map_shape, block.source.chunks
    chunk = prod(min(c, n) for c, n in zip(largest(chunks or ()), shape, strict=False))
    first = prod(s.stop - s.start for s in block.plan()[0])
    if chunks is None or first >= chunk:
        return block.to_array()
    # tiles would cut chunks that hold much of a scan, and unpack each of them many times
    rows = block.source.read(tuple(slice(0, n) for n in shape), None)
    return block.xp.astype(rows, block.dtype, copy=True)  # it will be written over


def _transformed(block: Samples, plane: HalfPlane, taper: str, output: ops.Output) -> Array:
    """Return the whole plane (..., k_y, k_x, *descriptor) of samples of one frame."""
    xp, size = block.xp, plane.index.size
    values = xp.reshape(_values(block), (size, -1))
    n_pixels = values.shape[1]
    images = ArraySource(xp.reshape(values, (*plane.index.shape, n_pixels)), (2, 0, 1), 1)
    spectra = SpectrumSource(WindowStack(images, plane.fft_shape), plane, taper, output, None)
    stored_features = size if output == "complex" else len(plane.rows) * len(plane.columns)
    layout = Layout((Axis.regular("site", n_pixels),), (Axis.regular("feature", stored_features),))
    # a pixel's values are read before its spectrum takes their place
    out = values
    if output == "complex":
        dtype = spectra.like.dtype
        out = xp.empty(values.shape, dtype=dtype, device=device_of(values))

    def update(tile: Tile, _: None) -> None:
        rows = tile.rows
        if output != "complex":
            rows = xp.take(rows, from_host(plane.index.ravel(), rows), axis=1)
        out[:, tile.where[0]] = rows.T

    fold(Samples(spectra, layout, Record()), update, label="scan FFT")
    return xp.reshape(out, block.shape)
