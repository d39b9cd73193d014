"""What a model leaves of each sample."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._arrays import namespace_of
from .._door import as_table
from .._errors import ParameterError, ShapeError
from .._fold import PerSample, fold
from .._record import Clock
from .._samples import Samples
from .._sources import ArraySource, empty_like
from .._tiles import Tile
from .._typing import Array
from .._unmixing import Unmixing


def residual_map(samples: Samples | Array, model: Unmixing) -> Samples:
    """Measure how far each sample is from what a model makes of it.

    Parameters
    ----------
    samples : Samples or array
        What the model was fitted to, or projected on: described in the same way, on the same map.
    model : Unmixing
        Its maps are taken as they are.

    Returns
    -------
    Samples
        An image in memory, map axes (*map axes): the root of the mean square over the descriptor,
        in the unit of the values; NaN at samples that were left out. In the namespace, on the
        device and in the computing type of the samples.

    Raises
    ------
    ParameterError
        If ``model`` is none.
    ShapeError
        If the samples have another map, or are described otherwise.

    Notes
    -----
    One pass. Entries of the descriptor that were left out do not count; of spectra all entries of
    the full plane do.

    Examples
    --------
    >>> import unmix as um
    >>> scene = um.synthetic.two_phases((128, 160))
    >>> samples = um.window_fft(um.sliding_windows(scene.image, 32, 16))
    >>> um.residual_map(samples, um.pca(samples, 3))
    <Samples grid_y 7 x grid_x 9 (px), float32, numpy>
    """
    clock = Clock()
    if not isinstance(model, Unmixing):
        raise ParameterError(f"expected a fitted model, but got {type(model).__name__}")
    samples = as_table(samples, least=1)
    model.require_same_description(samples)
    layout = samples.layout
    if model.layout.map_shape != layout.map_shape:
        raise ShapeError(
            f"the samples have a map of {layout.map_shape} and the model one of "
            f"{model.layout.map_shape}; expected the samples that it was fitted to: project it on "
            "others with model.project(samples)"
        )
    xp = namespace_of(model.maps)
    components = xp.astype(model.packed(model.components), samples.dtype)
    mean = None if model.mean is None else model.packed(model.mean[None, ...])
    n_entries = int(np.prod(layout.descriptor_shape))
    if layout.index is not None:
        n_entries = int((layout.index >= 0).sum())

    def update(tile: Tile, _: Any, maps: Array) -> tuple[None, Array]:
        left = tile.rows - xp.matmul(xp.astype(maps, tile.rows.dtype), components)
        if mean is not None:
            left = left - xp.astype(mean, left.dtype)
        return None, xp.sqrt(xp.sum(left * left, axis=1, keepdims=True) / n_entries)

    out = empty_like(samples.source.like, (*layout.map_shape, 1), float("nan"), samples.dtype)
    table = PerSample(xp.moveaxis(model.maps, 0, -1))
    fold(samples, update, state=(table,), out=out, label="residuals")
    image = out[..., 0]
    record = samples.record.then("residual_map", {"model": model}, **clock.facts(out))
    return Samples(
        source=ArraySource(image, tuple(range(image.ndim)), image.ndim),
        layout=layout.with_descriptor(),
        record=record,
        nonnegative=True,
    )
