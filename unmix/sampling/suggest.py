"""A window and a step that suit the lattice in an image."""

from __future__ import annotations

from math import ceil
from typing import NamedTuple

from .._door import as_image
from .._lattice import lattice_period
from .._samples import Samples
from .._typing import Array

LEAST_PERIODS = 4.5
"""Periods in a window: at 3.4 phases cannot be told apart yet, at 4.6 they can."""

STEPS = 8
"""Steps in a window."""


class SuggestedWindow(NamedTuple):
    """What `suggest_window` proposes, in pixels."""

    window: int
    step: int
    period: float


def suggest_window(image: Samples | Array) -> SuggestedWindow:
    r"""Propose a window and a step from the period of an image's lattice.

    Parameters
    ----------
    image : Samples or array
        Image (..., y, x), real. Of a movie the frame in the middle is looked at, and of a large
        frame its middle.

    Returns
    -------
    SuggestedWindow
        ``window`` and ``step`` in whole pixels, and the ``period`` that they are for: the largest
        spacing of lattice planes, 1 / \|k\| of the innermost spot of the power spectrum. Where two
        phases or a superlattice have several, all of them fit. A window holds at least 4.5 periods,
        where the image has room for three windows, and hardly more: windows across a border are of
        no phase. It is a multiple of 8 and a product of 2, 3, 5 and 7. The step is an eighth.

    Raises
    ------
    ParameterError
        If no period stands out: of white noise one does in a thousand images.
    ShapeError, DTypeError, DataError, BackendError
        If this is no image of finite, real values.

    Examples
    --------
    >>> import unmix as um
    >>> scene = um.synthetic.two_phases((256, 256), period=8)
    >>> window, step, period = um.suggest_window(scene.image)
    >>> window, step, round(period, 1)
    (64, 8, 13.9)
    """
    source = as_image(image)
    period = lattice_period(source)
    window = good_size(period, min(source.shape[-2:]))
    return SuggestedWindow(window, max(1, window // STEPS), period)


def good_size(period: float, room: int) -> int:
    """Return the size of a window for a period, in an image of ``room`` pixels."""
    size = STEPS * max(1, ceil(LEAST_PERIODS * period / STEPS))
    while not _is_product(size):
        size += STEPS
    return size if 3 * size <= room else max(STEPS, room // 6 * 2)


def _is_product(size: int) -> bool:
    """Whether a size is a product of 2, 3, 5 and 7, which a fast Fourier transform is fast for."""
    for factor in (2, 3, 5, 7):
        while size % factor == 0:
            size //= factor
    return size == 1
