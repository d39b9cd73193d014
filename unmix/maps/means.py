"""Means of the classes that somebody else found: labels become a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from .._arrays import from_host
from .._door import as_table
from .._errors import ParameterError
from .._fold import PerSample, fold
from .._record import Clock
from .._results import Clusters, one_hot
from .._samples import Samples
from .._tiles import Tile
from .._typing import Array, HostArray
from ._regions import Regions, laid_out


def class_means(
    samples: Samples | Array,
    labels: Regions | Clusters | Array,
    *,
    names: Sequence[str] | None = None,
) -> Clusters:
    """Take labels of others for clusters: describe each class by the mean of its samples.

    Parameters
    ----------
    samples : Samples or array
        Described samples, or a table.
    labels : Regions, Clusters or array
        A class for each sample, in the map's shape or flat, in the order of the samples that take
        part, as scikit-learn or HDBSCAN give; negative where there is none.
    names : sequence of str, optional
        Of the classes. Default: those of the regions, "Cluster 0" and so on.

    Returns
    -------
    Clusters
        One for each class that has samples, in the colour of its label. Every picture takes them,
        and ``project`` gives new samples the nearest mean. Samples with no class are left out. The
        inertia is NaN, for labels need not be those of the nearest mean.

    Raises
    ------
    ShapeError
        If the labels do not fit the map.
    ParameterError
        If they are no whole numbers, none of them is a class, or names do not fit.

    Notes
    -----
    One pass.

    Examples
    --------
    >>> import numpy as np
    >>> import unmix as um
    >>> um.class_means(np.array([[0.0, 1], [0, 3], [8, 8]]), np.array([0, 0, -1])).centers
    array([[0., 2.]])
    """
    clock = Clock()
    samples = as_table(samples, least=1)
    layout, own = samples.layout, isinstance(labels, (Regions, Clusters))
    host = laid_out(labels.labels if own else labels, layout)
    counts = np.bincount(host.ravel() + 1, minlength=2)[1:]
    present = np.flatnonzero(counts)
    if not len(present):
        raise ParameterError("no sample has a class; expected labels from 0")
    rank = np.full(len(counts) + 1, -1, np.int32)
    rank[present] = np.arange(len(present))
    compact = rank[host]
    inside = compact >= 0
    known = replace(samples, layout=replace(layout, mask=None if inside.all() else inside))
    on_device = from_host(compact, samples.source.like)
    means = _means(known, on_device, counts[present])
    record = samples.record.then("class_means", {"labels": host}, **clock.facts(means))
    model = Clusters(
        maps=one_hot(on_device, len(present), samples.dtype),
        components=layout.unpack(samples.xp.astype(means, samples.dtype)),
        layout=known.layout,
        record=record,
        labels=on_device,
        inertia=float("nan"),
        n_iter=1,
    )
    if names is None and own:
        names = [labels.name(int(i)) for i in present]
    elif names is None and len(present) < len(counts):
        names = [f"Cluster {i}" for i in present]
    colors = [labels.color_numbers[i] if own else int(i) for i in present]
    model = model if names is None else model.rename(names)
    return model if colors == list(range(len(model))) else model.recolor(colors)


def _means(samples: Samples, labels: Array, counts: HostArray) -> Array:
    """Mean of the samples of each class, (n, n_features), float64."""
    xp, n = samples.xp, len(counts)

    def update(tile: Tile, _: Any, own: Array) -> Array:
        members = xp.stack([xp.astype(own[:, 0] == i, tile.rows.dtype) for i in range(n)])
        return xp.astype(xp.matmul(members, tile.rows), xp.float64)

    state = (PerSample(labels[..., None]),)
    sums, _ = fold(samples, update, lambda a, b: a + b, state=state, label="class means")
    return sums / from_host(counts[:, None], sums, xp.float64)
