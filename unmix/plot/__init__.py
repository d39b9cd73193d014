"""Pictures of results, drawn with matplotlib, which is imported when one is asked for.

Each function returns a `matplotlib.figure.Figure` of its own: no pyplot, no global settings, and no
screen is needed.
"""

from .comparison import compare
from .families import families
from .maps import unmixing
from .overlay import abundances
from .ranks import rank
from .scatter import simplex
from .strips import representatives
from .variance import scree

__all__ = [
    "abundances",
    "compare",
    "families",
    "rank",
    "representatives",
    "scree",
    "simplex",
    "unmixing",
]
