"""What components look like in real space: the windows that stand for them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from . import ops
from ._arrays import as_float, from_host, namespace_of, to_host
from ._axes import Axis, describe_axes
from ._endmembers import Endmembers
from ._errors import ParameterError, ShapeError
from ._mixture import Mixture
from ._nearest import nearest_samples
from ._record import Record
from ._results import Clusters
from ._samples import Samples
from ._typing import Array, HostArray
from ._unmixing import Unmixing
from .decompose._common import whole_number
from .layout import Layout
from .pipeline import FITS, Pipeline


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Representatives:
    """The windows nearest to each component.

    Parameters
    ----------
    windows : array
        Shape (k, n, win_y, win_x), in the namespace, on the device and of the type of the image;
        the nearest first.
    average : array
        Mean of the n windows of each component in register, (k, win_y, win_x), floating.
    shifts : numpy.ndarray
        Whole pixels (y, x) that each window was shifted by to lie on the nearest one, (k, n, 2),
        int: windows of one phase lie anywhere in its lattice, and unshifted they would fade.
    positions : numpy.ndarray
        Coordinates of the windows on the map axes, (k, n, n_map_axes).
    numbers : numpy.ndarray
        Numbers of the windows in the whole map, (k, n).
    distances : numpy.ndarray
        Distances in the descriptor space, (k, n), float64.
    axes : tuple of Axis
        ``win_y`` and ``win_x``: distances from the centre of a window.
    names : tuple of str
        Of the components.
    colors : tuple of int
        Which of the classes' colours each component has in pictures.
    """

    windows: Array
    average: Array
    shifts: HostArray
    positions: HostArray
    numbers: HostArray
    distances: HostArray
    axes: tuple[Axis, Axis]
    names: tuple[str, ...]
    colors: tuple[int, ...]

    def __repr__(self) -> str:
        """Return the sizes."""
        k, n, y, x = self.windows.shape
        return f"<Representatives: {n} windows of {y} x {x} pixels for each of {k} components>"


def representatives(model: Unmixing, image: Samples | Array, n: int = 4) -> Representatives:
    """Find the real-space windows that are nearest to each endmember or centre.

    Parameters
    ----------
    model : Endmembers, Clusters or Mixture
        Of windows of an image, or of stack of images.
    image : Samples or array
        What the model was made of, whole: it is described again as the model's record says.
    n : int
        Number of windows for each component.

    Returns
    -------
    Representatives
        The windows, their average, and where they lie. Of equally near windows the first in the map
        comes first; samples that were left out are never taken.

    Raises
    ------
    ParameterError
        If the model is of another kind, or ``n`` is out of range.
    ShapeError
        If the model's samples are no windows, or the image has another shape than it was made of.

    Examples
    --------
    >>> import unmix as um
    >>> scene = um.synthetic.two_phases((128, 160))
    >>> model = um.kmeans(um.window_fft(um.sliding_windows(scene.image, 32, 16)), 2)
    >>> um.representatives(model, scene.image, 3)
    <Representatives: 3 windows of 32 x 32 pixels for each of 2 components>
    """
    if not isinstance(model, (Endmembers, Clusters, Mixture)):
        raise ParameterError(
            f"a {type(model).__name__} has no windows that stand for its components: principal "
            "components are directions and not samples; expected endmembers (unmix.nfindr) or "
            "clusters (unmix.kmeans)"
        )
    cut, described = _described_again(model, image)
    n_samples = described.layout.n_samples
    n = whole_number(n, 1, n_samples, "n", f"{n_samples} windows")
    numbers, squared = nearest_samples(described, model.packed(model.components), n)
    windows = _read(cut, described, numbers)
    average, shifts = _averages(as_float(windows))
    y, x = cut.layout.descriptor_axes
    return Representatives(
        windows=windows,
        average=average,
        shifts=shifts,
        positions=described.layout.positions(numbers),
        numbers=numbers,
        distances=np.sqrt(squared),
        axes=(y, x),
        names=tuple(model.name(i) for i in range(len(model))),
        colors=model.color_numbers,
    )


def _described_again(model: Unmixing, image: Samples | Array) -> tuple[Samples, Samples]:
    """Return the windows of the image, and the samples that the model was fitted to."""
    steps = [s for s in model.record.steps if s.operation != "keep"]
    names = [s.operation for s in steps]
    if model.layout.windows is None or "sliding_windows" not in names:
        raise ShapeError(
            f"the samples of {model!r} are not windows of an image; expected a model of what "
            "unmix.sliding_windows gives"
        )
    # the last fit made the model; those before it (a PCA whose scores it took) are run again
    last = max(i for i, name in enumerate(names) if name in (*FITS, "project"))
    at = max(i for i, name in enumerate(names[:last]) if name == "sliding_windows")

    def replayed(stop: int) -> Samples:
        result: Samples = Pipeline.from_record(Record(tuple(steps[:stop]))).run(image)
        return result

    shape, (height, width) = replayed(at).layout.map_shape, model.layout.windows.image_shape
    fits = shape[-2:] == (height, width)
    described = replayed(last) if fits else None
    if described is None or described.layout.map_shape != model.layout.map_shape:
        raise ShapeError(
            f"the image has the shape {shape}, but the model is of windows of (..., {height}, "
            f"{width}) on a map {model.layout.map_shape}; expected the image that it was made of"
        )
    return replayed(at + 1), described


def _read(cut: Samples, described: Samples, numbers: HostArray) -> Array:
    """Read windows (k, n, win_y, win_x) by the numbers of the described samples."""
    corners = _corners(described.layout, numbers.ravel())
    lead, grid = cut.layout.map_axes[:-2], cut.layout.windows
    if [a.name for a in described.layout.map_axes[:-2]] != [a.name for a in lead] or grid is None:
        raise ShapeError(
            f"the samples have the map axes {describe_axes(described.layout.map_axes)} and the "
            f"windows {describe_axes(cut.layout.map_axes)}; choose frames before cutting windows"
        )
    along = [*(a.values for a in lead), *grid.corners]
    places = [np.searchsorted(values, c) for values, c in zip(along, corners, strict=True)]
    cut.source.prepare()
    read = [
        cut.source.read(tuple(slice(int(i), int(i) + 1) for i in place), None)
        for place in zip(*places, strict=True)
    ]
    xp = namespace_of(read[0])
    return xp.reshape(xp.concat(read, axis=0), (*numbers.shape, *grid.window))


def _corners(layout: Layout, numbers: HostArray) -> list[HostArray]:
    """Where windows begin: coordinates on the axes before the grid, then pixels y and x."""
    places = np.unravel_index(numbers, layout.map_shape)
    along = [a.values for a in layout.map_axes[:-2]]
    if layout.windows is not None:
        along += layout.windows.corners
    return [values[i] for values, i in zip(along, places, strict=True)]


def _averages(windows: Array) -> tuple[Array, HostArray]:
    """Mean of the windows (k, n, y, x) of each component in register, and the shifts (k, n, 2)."""
    host = to_host(windows).astype(np.float64)
    shifts = np.stack([[_shift(each[0], window) for window in each] for each in host])
    means = [_mean_shifted(each, s) for each, s in zip(host, shifts, strict=True)]
    return from_host(np.stack(means), windows, windows.dtype), shifts


def _shift(reference: HostArray, window: HostArray) -> tuple[int, int]:
    """Whole pixels that lay a window on the reference: the peak of their cross-correlation.

    A lattice has as many peaks as cells. Of those within 5 % of the highest the nearest is taken,
    which keeps the largest part of the window.
    """
    tapers = (ops.taper_weights("hann", n) if n > 1 else np.ones(1) for n in window.shape)
    taper = np.multiply.outer(*tapers)
    a, b = (np.fft.rfft2((w - w.mean()) * taper) for w in (reference, window))
    correlation = np.fft.irfft2(a * b.conj(), s=window.shape)
    steps = [np.fft.fftfreq(n, 1 / n).round().astype(int) for n in window.shape]
    distance = np.hypot(steps[0][:, None], steps[1])
    high = correlation >= 0.95 * max(correlation.max(), 0.0)
    at = np.unravel_index(np.argmin(np.where(high, distance, np.inf)), high.shape)
    return int(steps[0][at[0]]), int(steps[1][at[1]])


def _mean_shifted(windows: HostArray, shifts: HostArray) -> HostArray:
    """Mean of shifted windows, of each pixel over those that reach it: the first always does."""
    total, count = np.zeros(windows.shape[1:]), np.zeros(windows.shape[1:])
    for window, shift in zip(windows, shifts, strict=True):
        sizes = list(zip(shift, window.shape, strict=True))
        reached = tuple(slice(max(s, 0), n + min(s, 0)) for s, n in sizes)
        taken = tuple(slice(max(-s, 0), n - max(s, 0)) for s, n in sizes)
        total[reached] += window[taken]
        count[reached] += 1
    return total / count
