"""What the steps on images share: a bare array in and out, or `Samples` in and out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .._arrays import namespace_of
from .._door import as_image
from .._errors import DataError
from .._samples import Samples
from .._typing import Array


def on_image(image: Any, step: Callable[[Samples], Samples]) -> Any:
    """Run a step on an image; NaN may be in it, and means that a pixel is missing."""
    source = as_image(image, finite=False)
    if isinstance(image, Samples):
        return step(source)
    _require_no_infinity(image)
    return step(source).to_array()


def _require_no_infinity(image: Array) -> None:
    xp = namespace_of(image)
    if xp.isdtype(image.dtype, "real floating") and xp.any(xp.isinf(image)):
        raise DataError(
            "the image holds infinite values; expected finite ones, or NaN where pixels are missing"
        )
