"""Agglomerative clusters of neighbours: regions that are connected."""

from __future__ import annotations

import warnings
from typing import Any, Literal

import numpy as np

from .._arrays import from_host, to_host
from .._door import as_table
from .._errors import ParameterError
from .._record import Clock
from .._results import Clusters, one_hot
from .._samples import Samples
from .._typing import Array, HostArray
from ..layout import Layout
from ._common import require_reading, whole_number

Linkage = Literal["ward", "average", "complete", "single"]


def agglomerative(
    samples: Samples | Array, n_clusters: int, *, linkage: Linkage = "ward"
) -> Clusters:
    """Join neighbours on the map that are alike, until so many clusters are left.

    Parameters
    ----------
    samples : Samples or array
        Described samples, such as a model's ``scores``; they are held in memory.
    n_clusters : int
        Number of clusters.
    linkage : {"ward", "average", "complete", "single"}
        What the distance of two clusters is.

    Returns
    -------
    Clusters
        The largest first. Each is connected along the axes of the map, but for what samples that
        are left out cut apart. ``project`` gives new samples the nearest centre.

    Raises
    ------
    BackendError
        If scikit-learn is not installed.
    ParameterError
        If the linkage is none of these, or ``n_clusters`` out of range.

    Notes
    -----
    On the host, whatever the namespace of the samples. A table (sample, feature) has its order for
    neighbourhood.

    References
    ----------
    Ward, J. Am. Stat. Assoc. 58, 236 (1963).

    Examples
    --------
    >>> import unmix as um
    >>> scene = um.synthetic.two_phases((128, 160))
    >>> samples = um.window_fft(um.sliding_windows(scene.image, 32, 8))
    >>> um.agglomerative(um.pca(samples, 4).scores, 3)
    <Clusters: 3 maps of grid_y 13 x grid_x 17, components of component 4>
    """
    clock = Clock()
    require_reading("scikit-learn", "sklearn", "agglomerative clusters")
    if linkage not in ("ward", "average", "complete", "single"):
        raise ParameterError(
            f"linkage is {linkage!r}; expected 'ward', 'average', 'complete' or 'single'"
        )
    samples = as_table(samples)
    layout = samples.layout
    n = layout.n_samples
    n_clusters = whole_number(n_clusters, 1, n, "n_clusters", f"{n} samples")
    like = samples.table()
    rows = np.asarray(to_host(like), np.float64)
    flat = _joined(rows, neighbours(layout), n_clusters, linkage)
    order = np.argsort(-np.bincount(flat, minlength=n_clusters), kind="stable")
    flat = np.argsort(order)[flat].astype(np.int32)
    sums = np.zeros((n_clusters, rows.shape[1]))
    np.add.at(sums, flat, rows)
    centers = sums / np.bincount(flat)[:, None]
    labels = np.full(layout.map_shape, -1, np.int32)
    labels[np.ones(layout.map_shape, bool) if layout.mask is None else layout.mask] = flat
    on_device = from_host(labels, like)
    parameters = {"n_clusters": n_clusters, "linkage": linkage}
    return Clusters(
        maps=one_hot(on_device, n_clusters, like.dtype),
        components=layout.unpack(from_host(centers, like, like.dtype)),
        layout=layout,
        record=samples.record.then("agglomerative", parameters, **clock.facts(like)),
        labels=on_device,
        inertia=float(((rows - centers[flat]) ** 2).sum()),
        n_iter=n - n_clusters,
    )


def _joined(rows: HostArray, graph: Any, n_clusters: int, linkage: str) -> HostArray:
    from sklearn.cluster import AgglomerativeClustering

    with warnings.catch_warnings():
        # islands are joined over the shortest gap, as is said above
        warnings.filterwarnings("ignore", "the number of connected components", UserWarning)
        fitted = AgglomerativeClustering(n_clusters, connectivity=graph, linkage=linkage).fit(rows)
    return np.asarray(fitted.labels_)


def neighbours(layout: Layout) -> Any:
    """Sparse matrix of which samples that take part lie side by side."""
    from scipy.sparse import coo_array

    numbers = np.full(layout.map_shape, -1)
    kept = np.ones(layout.map_shape, bool) if layout.mask is None else layout.mask
    numbers[kept] = np.arange(layout.n_samples)
    pairs = []
    for axis in range(numbers.ndim):
        along = np.moveaxis(numbers, axis, 0)
        both = np.stack([along[:-1].ravel(), along[1:].ravel()])
        pairs.append(both[:, (both >= 0).all(axis=0)])
    first, second = np.concatenate(pairs, axis=1)
    n = layout.n_samples
    graph = coo_array((np.ones(len(first)), (first, second)), shape=(n, n))
    return (graph + graph.T).tocsr()
