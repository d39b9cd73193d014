"""Images and patterns made ready: backgrounds, hot pixels, trends, beams."""

from ._background import flatten
from ._beams import affine, center_beam, ellipse, find_beam
from ._hot import despike
from ._trend import detrend

__all__ = ["affine", "center_beam", "despike", "detrend", "ellipse", "find_beam", "flatten"]
