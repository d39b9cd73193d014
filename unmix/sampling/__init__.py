"""Where samples are taken: windows on a grid."""

from .grid import overlap_add, sliding_windows

__all__ = ["overlap_add", "sliding_windows"]
