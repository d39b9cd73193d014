"""Images and patterns made ready: backgrounds, hot pixels, trends, beams."""

from ._background import flatten
from ._hot import despike
from ._trend import detrend

__all__ = ["despike", "detrend", "flatten"]
