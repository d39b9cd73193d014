"""A window and a step that suit the lattice in an image."""

from __future__ import annotations

from typing import NamedTuple

from .._door import as_image
from .._lattice import lattice_period
from .._samples import Samples
from .._typing import Array

LEAST_PERIODS = 4.5
"""Periods in a window: at 3.4 phases cannot be told apart yet, at 4.6 they can."""

STEPS = 8
"""Steps in a window."""

KERNELS = (8, 16, 32, 64, 128)
"""Sizes that the compiled and the CUDA transforms are fastest for."""


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
        where the image has room for three windows; up to 128 pixels it is a power of two, and
        beyond a product of 2, 3 and 5. The step is an eighth of it.

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
    least = LEAST_PERIODS * period
    size = next((n for n in KERNELS if n >= least), None) or _even_product(least)
    return size if 3 * size <= room else max(8, room // 6 * 2)


def _even_product(least: float) -> int:
    """Return the next even product of 2, 3 and 5."""
    size = 2 * int(-(-least // 2))
    while True:
        rest = size
        for factor in (2, 3, 5):
            while rest % factor == 0:
                rest //= factor
        if rest == 1:
            return size
        size += 2
