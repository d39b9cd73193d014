"""Pictures of results, drawn with matplotlib, which is imported when one is asked for.

Each function returns a `matplotlib.figure.Figure` of its own: no pyplot, no global settings, and no
screen is needed.
"""

from ._style import class_colors
from .atoms import sites
from .classes import labels
from .comparison import compare
from .curves import components, profile, tinted
from .families import families
from .files import save
from .maps import unmixing
from .overlay import abundances
from .pixels import image
from .ranks import rank
from .scatter import simplex
from .strips import representatives
from .trends import area_fractions, dendrogram, silhouette
from .variance import scree

__all__ = [
    "abundances",
    "area_fractions",
    "class_colors",
    "compare",
    "components",
    "dendrogram",
    "families",
    "image",
    "labels",
    "profile",
    "rank",
    "representatives",
    "save",
    "scree",
    "silhouette",
    "simplex",
    "sites",
    "tinted",
    "unmixing",
]
