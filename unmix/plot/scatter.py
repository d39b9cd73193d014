"""The simplex: samples between the endmembers, in the first two principal components."""

from __future__ import annotations

from itertools import combinations, pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from .._arrays import to_host
from .._errors import ParameterError, ShapeError
from .._results import PrincipalComponents
from .._typing import HostArray
from .._unmixing import Unmixing
from . import _panels as panels
from . import _style as style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_POINTS = 20_000
"""Of more samples every second, third ... is drawn."""

MOST_STRETCHED = 4.0
"""Up to here the two ranges have one scale, so that distances are true."""


def simplex(model: Unmixing, scores: PrincipalComponents) -> Figure:
    """Draw the samples in the first two principal components, and the endmembers among them.

    Parameters
    ----------
    model : Endmembers or Clusters
        Its components are the vertices, joined by lines, those of the hull stronger; its maps give
        each sample the colour of the component that it holds most of.
    scores : PrincipalComponents
        Of the same samples, with two components or more: `unmix.pca` of what was unmixed.

    Returns
    -------
    matplotlib.figure.Figure
        At most 20,000 samples are drawn, evenly spaced in the map.

    Raises
    ------
    ParameterError
        If ``scores`` is no PCA of two components, or the model is one.
    ShapeError
        If the two are of other samples, or these described otherwise.
    BackendError
        If matplotlib is not installed.

    Examples
    --------
    >>> import unmix as um
    >>> mixtures = um.synthetic.simplex_mixtures(200, 3, rng=1)
    >>> figure = um.plot.simplex(um.nfindr(mixtures.samples, 3), um.pca(mixtures.samples, 2))
    >>> len(figure.axes), figure.axes[0].get_xlabel()
    (1, 'Component 0 (... %)')
    """
    _check(model, scores)
    points, dominant = _points(model, scores)
    vertices = _vertices(model, scores)
    colors = style.colors_of(model.color_numbers)
    wide, high = np.ptp(np.concatenate([points, vertices]), axis=0)
    true = 0 < max(wide, high) <= MOST_STRETCHED * min(wide, high)
    figure = style.new_figure(4.2, 3.4 * min(max(high / wide, 0.6), 1.0) + 0.5 if true else 3.4)
    ax = figure.add_subplot()
    dots = {"s": 5, "alpha": 0.5, "linewidths": 0, "rasterized": True}
    _dots(ax, points, colors[dominant], "samples", **dots)
    _lines(ax, vertices)
    _dots(ax, vertices, colors, "vertices", s=42, edgecolors="black", linewidths=1, zorder=4)
    _numbers(ax, vertices)
    x, y = (
        f"Component {i} ({style.percent(float(scores.explained_variance_ratio[i]))})"
        for i in (0, 1)
    )
    ax.set_xlabel(x, fontsize=style.TEXT)
    ax.set_ylabel(y, fontsize=style.TEXT)
    panels.plain_axes(ax)
    ax.margins(0.1)
    if true:
        ax.set_aspect("equal", adjustable="datalim")
    return figure


def _check(model: Unmixing, scores: Any) -> None:
    if not isinstance(scores, PrincipalComponents) or len(scores) < 2:
        raise ParameterError(
            f"scores is {scores!r}; expected unmix.pca of the samples with at least 2 components"
        )
    if isinstance(model, PrincipalComponents):
        raise ParameterError(f"{model!r} has no vertices; expected endmembers or clusters")
    if model.layout.map_shape != scores.layout.map_shape:
        raise ShapeError(
            f"the model has a map of {model.layout.map_shape} and scores one of "
            f"{scores.layout.map_shape}; expected two results of the same samples"
        )


def _points(model: Unmixing, scores: PrincipalComponents) -> tuple[HostArray, HostArray]:
    """Scores (n, 2) of the samples that both models know, and the largest component of each."""
    points = to_host(scores.maps)[:2].reshape(2, -1).T
    maps = to_host(model.maps).reshape(len(model), -1).T
    known = np.flatnonzero(np.isfinite(points).all(axis=1) & np.isfinite(maps).all(axis=1))
    known = known[:: -(-len(known) // MOST_POINTS) or 1]
    return points[known], np.argmax(maps[known], axis=1)


def _vertices(model: Unmixing, scores: PrincipalComponents) -> HostArray:
    """Coordinates (k, 2) of the model's components."""
    axes = model.layout.descriptor_axes
    if [a.name for a in axes] == ["component"] and axes[0].size == len(scores):
        return to_host(model.components)[:, :2]  # found among these scores themselves
    scores.layout.require_same_descriptor(model.layout)
    return to_host(scores.rows(scores.packed(model.components)))[:, :2]


def _dots(ax: Axes, points: HostArray, colors: HostArray, name: str, **options: Any) -> None:
    ax.scatter(points[:, 0], points[:, 1], c=colors, gid=name, **options)


def _lines(ax: Axes, vertices: HostArray) -> None:
    """Join all vertices, those of the hull by stronger lines."""
    hull = _hull(vertices)
    for i, j in combinations(range(len(vertices)), 2):
        outer = {i, j} in hull
        ax.plot(
            *vertices[[i, j]].T,
            color="black",
            linewidth=1 if outer else 0.5,
            alpha=1 if outer else 0.4,
            zorder=3,
            gid="hull" if outer else "edge",
        )


def _hull(points: HostArray) -> list[set[int]]:
    """Edges of the convex hull of points (k, 2), as pairs of numbers."""
    order = np.lexsort(points.T[::-1])

    def chain(numbers: HostArray) -> list[int]:
        found: list[int] = []
        for new in numbers:
            while len(found) > 1 and _turn(*points[[found[-2], found[-1], new]]) <= 0:
                found.pop()
            found.append(int(new))
        return found

    lower, upper = chain(order), chain(order[::-1])
    around = lower[:-1] + upper
    return [{i, j} for i, j in pairwise(around)]


def _turn(a: HostArray, b: HostArray, c: HostArray) -> float:
    """Return above zero where the way from a over b to c turns left."""
    return float((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]))


def _numbers(ax: Axes, vertices: HostArray) -> None:
    """Write the number of each vertex beside it, away from the middle."""
    away = vertices - vertices.mean(axis=0)
    scale = np.ptp(vertices, axis=0)
    away = away / np.where(scale > 0, scale, 1)
    away /= np.maximum(np.linalg.norm(away, axis=1, keepdims=True), 1e-12)
    for i, (vertex, way) in enumerate(zip(vertices, away, strict=True)):
        ax.annotate(
            str(i),
            vertex,
            xytext=11 * way,
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=style.TITLE,
            fontweight="bold",
            path_effects=style.halo("black", 2),
            zorder=5,
        )
