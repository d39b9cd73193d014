"""Shapes of labels (y, x) on the host; -1 is no class. SciPy and scikit-image do the work."""

from __future__ import annotations

import numpy as np

from .._typing import HostArray
from ..decompose._common import require_reading


def disc(radius: float) -> HostArray:
    """Return the mask of a disc."""
    reach = np.arange(-int(radius), int(radius) + 1)
    return np.asarray(np.hypot(reach[:, None], reach) <= radius)


def opened(labels: HostArray, kept: HostArray, shape: HostArray) -> HostArray:
    """Keep of each class what a shape fits into."""
    from scipy import ndimage

    out = np.full_like(labels, -1)
    for i in range(labels.max() + 1):
        inner = ndimage.binary_erosion((labels == i) | ~kept, shape, border_value=1)
        # dilated one entry beyond the border, where the shape may lie in part
        out[ndimage.binary_dilation(inner, shape, mask=labels == i)] = i
    return np.where(labels >= 0, out, -1)


def closed(labels: HostArray, kept: HostArray, shape: HostArray) -> HostArray:
    """Give each class the unclassified entries that no shape in its outside reaches."""
    from scipy import ndimage

    out = labels.copy()
    for i in range(labels.max() + 1):
        wide = ndimage.binary_dilation(labels == i, shape) | ~kept
        gained = ndimage.binary_erosion(wide, shape, border_value=1) & (out < 0) & kept
        out[gained] = i
    return out


def pieces(labels: HostArray, diagonal: bool) -> HostArray:
    """Number connected pieces from 0, class by class."""
    from scipy import ndimage

    near = ndimage.generate_binary_structure(2, 2 if diagonal else 1)
    out, n = np.full(labels.shape, -1), 0
    for i in range(labels.max() + 1):
        numbers, found = ndimage.label(labels == i, near)
        out[numbers > 0] = numbers[numbers > 0] - 1 + n
        n += found
    return out


def without_small(labels: HostArray, size: int, diagonal: bool) -> HostArray:
    """Take pieces of less than a size away."""
    numbers = pieces(labels, diagonal)
    sizes = np.bincount(numbers.ravel() + 1)
    sizes[0] = 0
    return np.where(sizes[numbers + 1] >= size, labels, -1)


def filled(labels: HostArray, kept: HostArray) -> HostArray:
    """Give unclassified entries the class that is nearest."""
    from scipy import ndimage

    if not (labels >= 0).any():
        return labels
    y, x = ndimage.distance_transform_edt(labels < 0, return_distances=False, return_indices=True)
    return np.where(kept, labels[y, x], -1)


def cut(labels: HostArray, kept: HostArray, distance: int) -> HostArray:
    """Number the watersheds of the distance to the border of each class."""
    require_reading("scikit-image", "skimage", "watersheds")
    from scipy import ndimage
    from skimage.feature import peak_local_max
    from skimage.segmentation import watershed

    out, n = np.full(labels.shape, -1), 0
    for i in range(labels.max() + 1):
        mask = labels == i
        depth = ndimage.distance_transform_edt(np.pad(mask | ~kept, 1, mode="edge"))[1:-1, 1:-1]
        whole, _ = ndimage.label(mask)
        peaks = peak_local_max(depth, min_distance=distance, labels=whole, exclude_border=False)
        markers = np.zeros(labels.shape, np.int32)
        markers[tuple(peaks.T)] = 1 + np.arange(len(peaks))
        numbers = watershed(-depth, markers, mask=mask)
        out[numbers > 0] = numbers[numbers > 0] - 1 + n
        n += len(peaks)
    return out


def nearest_window(corners: HostArray, centers: HostArray, window: int, n: int) -> HostArray:
    """Return for each pixel of a line the window with the nearest middle; -1 where none lies."""
    pixels = np.arange(n)
    nearest = np.searchsorted((centers[1:] + centers[:-1]) / 2, pixels, side="right")
    covered = (pixels >= corners[nearest]) & (pixels < corners[nearest] + window)
    return np.where(covered, nearest, -1)
