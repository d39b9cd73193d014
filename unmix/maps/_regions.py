"""`Regions`: a class for each entry of a map, and what can be done with its shapes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .._arrays import is_array, to_host
from .._errors import ParameterError, ShapeError
from .._record import Record, fingerprint
from .._samples import Samples
from .._typing import Array, HostArray
from .._unmixing import Unmixing
from ..decompose._common import whole_number
from ..layout import Layout, field_of_view
from . import _shapes as shapes


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Regions:
    """A class for each entry of a map; -1 where there is none.

    Every method gives new regions, and appends a step to the record. Shapes are looked at frame by
    frame; what was left out of the analysis counts as outside of the map.

    Parameters
    ----------
    labels : numpy.ndarray
        Number of the class, shape of the map, int32; -1 where there is none: unclassified, or left
        out where ``layout.mask`` is False.
    names : tuple of str
        Of the classes.
    colors : tuple of int
        Which of the classes' colours each class has in pictures.
    layout : Layout
        The map, with no descriptor.
    record : Record
        How it was made.
    overlap : float
        Entries of the map that one window covers: so many neighbours say much the same.
    classes : numpy.ndarray, optional
        Of connected pieces: number of the class that each was a part of.
    """

    labels: HostArray
    names: tuple[str, ...]
    colors: tuple[int, ...]
    layout: Layout
    record: Record
    overlap: float = 1.0
    classes: HostArray | None = None

    def __len__(self) -> int:
        """Return the number of classes."""
        return len(self.names)

    def name(self, number: int) -> str:
        """Return what a class is called."""
        return self.names[number]

    @property
    def color_numbers(self) -> tuple[int, ...]:
        """Which of the classes' colours each class has in pictures."""
        return self.colors

    def __repr__(self) -> str:
        """Return the number of classes and the axes."""
        axes = " x ".join(f"{a.name} {a.size}" for a in self.layout.map_axes)
        kind = "classes" if self.classes is None else "pieces"
        return f"<Regions: {len(self)} {kind} on {axes}>"

    @property
    def kept(self) -> HostArray:
        """Which entries of the map take part, bool."""
        mask = self.layout.mask
        return np.ones(self.labels.shape, bool) if mask is None else mask

    @property
    def sizes(self) -> HostArray:
        """Number of entries of the map in each class, (n,)."""
        return np.bincount(self.labels.ravel() + 1, minlength=len(self) + 1)[1:]

    @property
    def areas(self) -> HostArray:
        """Area of each class in the squared unit of the map, (n,)."""
        y, x = self.layout.map_axes[-2:]
        return self.sizes * abs(y.spacing * x.spacing)

    def opened(self, radius: float = 1) -> Regions:
        """Take away what is narrower than a disc; it becomes unclassified.

        Parameters
        ----------
        radius : float
            Of the disc, in entries of the map.

        Returns
        -------
        Regions
            At the border of the map nothing is taken away.
        """
        disc = shapes.disc(_radius(radius))
        labels = self._by_frame(lambda part, kept: shapes.opened(part, kept, disc))
        return self._with(labels, "opened", radius=radius)

    def closed(self, radius: float = 1) -> Regions:
        """Give gaps that are narrower than a disc to the class around them.

        Parameters
        ----------
        radius : float
            Of the disc, in entries of the map.

        Returns
        -------
        Regions
            Classes take what is unclassified only, never from each other; what two could take goes
            to the lower number.
        """
        disc = shapes.disc(_radius(radius))
        labels = self._by_frame(lambda part, kept: shapes.closed(part, kept, disc))
        return self._with(labels, "closed", radius=radius)

    def without_small(self, size: int, *, diagonal: bool = False) -> Regions:
        """Take away connected pieces of fewer entries; they become unclassified.

        Parameters
        ----------
        size : int
            Entries that a piece needs to stay.
        diagonal : bool
            Whether entries that share a corner alone are connected.

        Returns
        -------
        Regions
            `filled` gives what is lost to the neighbours.
        """
        size = whole_number(size, 1, 1 << 31, "size", "entries of the map")
        labels = self._by_frame(lambda part, _: shapes.without_small(part, size, diagonal))
        return self._with(labels, "without_small", size=size, diagonal=diagonal)

    def filled(self) -> Regions:
        """Give what is unclassified to the nearest class; what was left out stays so.

        Returns
        -------
        Regions
            Frames with no class at all stay as they are.
        """
        return self._with(self._by_frame(shapes.filled), "filled")

    def pieces(self, *, diagonal: bool = False) -> Regions:
        """Number the connected pieces, class by class and frame by frame.

        Parameters
        ----------
        diagonal : bool
            Whether entries that share a corner alone are connected.

        Returns
        -------
        Regions
            Every piece is a class of its own; ``classes`` tells which one it was a part of, whose
            name and colour it keeps.
        """
        labels, classes = self._numbered(lambda part, _: shapes.pieces(part, diagonal))
        return self._pieces(labels, classes, "pieces", diagonal=diagonal)

    def watershed(self, distance: int = 3) -> Regions:
        """Cut pieces that touch where they are narrow.

        Parameters
        ----------
        distance : int
            Least distance in entries of the map between the middles of two pieces.

        Returns
        -------
        Regions
            Pieces, as `pieces` gives: the watersheds of the distance to the border of each class,
            of which the middles are the maxima.

        Raises
        ------
        BackendError
            If scikit-image is not installed.
        """
        most = max(self.labels.shape[-2:])
        distance = whole_number(distance, 1, most, "distance", "entries of the map")
        labels, classes = self._numbered(lambda part, kept: shapes.cut(part, kept, distance))
        return self._pieces(labels, classes, "watershed", distance=distance)

    def on_pixels(self) -> Regions:
        """Lay the classes of windows back on the image.

        Returns
        -------
        Regions
            On the map (..., y, x) of the image: each pixel that a window covers has the class of
            the window with the nearest middle; others are left out.

        Raises
        ------
        ShapeError
            If the entries of the map are no windows of an image.
        """
        grid = self.layout.windows
        if grid is None:
            raise ShapeError(f"{self!r} is no map of windows; its entries are its pixels already")
        along = zip(grid.corners, grid.centers, grid.window, grid.image_shape, strict=True)
        rows, columns = (shapes.nearest_window(*each) for each in along)
        covered = (rows >= 0)[:, None] & (columns >= 0)
        kept = self.kept[..., rows[:, None], columns] & covered
        labels = np.where(kept, self.labels[..., rows[:, None], columns], -1)
        y, x = field_of_view(self.layout)
        pixels = (replace(y, name="y"), replace(x, name="x"))
        layout = Layout(
            (*self.layout.map_axes[:-2], *pixels), (), mask=None if kept.all() else kept
        )
        return replace(
            self,
            labels=labels.astype(np.int32),
            layout=layout,
            overlap=float(np.prod(grid.window)),
            record=self.record.then("on_pixels", {}),
        )

    def _by_frame(self, change: Callable[[HostArray, HostArray], HostArray]) -> HostArray:
        """Apply a function of labels (y, x) and what takes part to every frame."""
        shape = self.labels.shape[-2:]
        frames = zip(self.labels.reshape(-1, *shape), self.kept.reshape(-1, *shape), strict=True)
        return np.stack([change(*each) for each in frames]).reshape(self.labels.shape)

    def _numbered(
        self, find: Callable[[HostArray, HostArray], HostArray]
    ) -> tuple[HostArray, HostArray]:
        """Number pieces over all frames; also return the class of each."""
        n = 0

        def next_numbers(part: HostArray, kept: HostArray) -> HostArray:
            nonlocal n
            found = find(part, kept)
            found = np.where(found >= 0, found + n, -1)
            n = max(n, int(found.max(initial=-1)) + 1)
            return found

        labels = self._by_frame(next_numbers).astype(np.int32)
        found, first = np.unique(labels, return_index=True)
        return labels, self.labels.ravel()[first[found >= 0]]

    def _pieces(
        self, labels: HostArray, classes: HostArray, operation: str, **parameters: Any
    ) -> Regions:
        whole = self._with(labels, operation, **parameters)
        own = classes if self.classes is None else self.classes[classes]
        names = tuple(self.names[i] for i in classes)
        return replace(
            whole, classes=own, names=names, colors=tuple(self.colors[i] for i in classes)
        )

    def _with(self, labels: HostArray, operation: str, **parameters: Any) -> Regions:
        record = self.record.then(operation, parameters)
        return replace(self, labels=labels.astype(np.int32), record=record)


def _radius(value: Any) -> float:
    if not isinstance(value, (int, float, np.integer, np.floating)) or not 1 <= value < 1000:
        raise ParameterError(
            f"radius is {value!r}; expected a number from 1, in entries of the map"
        )
    return float(value)


def map_of(source: Samples | Unmixing) -> tuple[Layout, Record, float]:
    """Layout with no descriptor, record, and entries of the map that a window covers."""
    layout, grid = source.layout.with_descriptor(), source.layout.windows
    if len(layout.map_axes) < 2:
        raise ShapeError(
            f"the map has the shape {layout.map_shape}; expected (..., y, x), for regions lie in a "
            "plane"
        )
    overlap = 1.0
    if grid is not None:
        shares = [max(1.0, w / s) for w, s in zip(grid.window, grid.step, strict=True)]
        overlap = float(np.prod(shares))
    return layout, source.record, overlap


def regions(
    samples: Samples | Unmixing,
    labels: Array,
    *,
    names: Sequence[str] | None = None,
) -> Regions:
    """Take labels that were found elsewhere.

    Parameters
    ----------
    samples : Samples or Unmixing
        Whose map the labels lie on.
    labels : array
        Whole numbers of the map's shape, or flat (n_samples,) in the order of the samples that take
        part, as scikit-learn or HDBSCAN give; negative ones are unclassified.
    names : sequence of str, optional
        Of the classes. Default: "Class 0" and so on.

    Returns
    -------
    Regions
        Of as many classes as the largest label says, or as there are names.

    Raises
    ------
    ShapeError
        If the labels do not fit the map.
    ParameterError
        If they are no whole numbers, or there are fewer names than classes.

    Examples
    --------
    >>> import numpy as np
    >>> import unmix as um
    >>> image = um.samples(np.zeros((3, 4)), 2)
    >>> um.regions(image, np.repeat([0, 1, -1], 4))
    <Regions: 2 classes on y 3 x x 4>
    """
    if not isinstance(samples, (Samples, Unmixing)):
        raise ParameterError(
            "expected the samples or the model that the labels lie on, but got "
            f"{type(samples).__name__}"
        )
    layout, record, overlap = map_of(samples)
    host = laid_out(labels, layout)
    n = max(int(host.max(initial=-1)) + 1, 0 if names is None else len(names))
    called = [f"Class {i}" for i in range(n)] if names is None else list(names)
    if len(called) < n or not all(isinstance(name, str) for name in called):
        raise ParameterError(f"names are {names!r}; expected one for each of {n} classes")
    step = record.then("regions", {"labels": host, "names": called}, data=fingerprint(host))
    return Regions(
        labels=host,
        names=tuple(called),
        colors=tuple(range(n)),
        layout=layout,
        record=step,
        overlap=overlap,
    )


def laid_out(labels: Any, layout: Layout) -> HostArray:
    """Return labels as int32 of the map's shape, -1 for all that are negative or left out."""
    host = np.asarray(to_host(labels) if is_array(labels) else labels)
    if host.dtype.kind not in "iu":
        raise ParameterError(f"the labels have dtype {host.dtype}; expected whole numbers")
    if host.shape == layout.map_shape:
        whole = np.where(host < 0, -1, host)
    elif host.shape == (layout.n_samples,):
        whole = np.full(layout.map_shape, -1)
        kept = np.ones(layout.map_shape, bool) if layout.mask is None else layout.mask
        whole[kept] = np.where(host < 0, -1, host)
    else:
        raise ShapeError(
            f"the labels have shape {host.shape}; expected that of the map, {layout.map_shape}, or "
            f"one for each of the {layout.n_samples} samples that take part"
        )
    if layout.mask is not None:
        whole = np.where(layout.mask, whole, -1)
    return whole.astype(np.int32)
