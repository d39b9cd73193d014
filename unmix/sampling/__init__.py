"""Where samples are taken: windows on a grid."""

from .grid import overlap_add, sliding_windows
from .suggest import SuggestedWindow, suggest_window

__all__ = ["SuggestedWindow", "overlap_add", "sliding_windows", "suggest_window"]
