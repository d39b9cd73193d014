"""What maps say: residuals, regions and their areas, labels that stay."""

from ._classify import classify, threshold
from ._hierarchy import Hierarchy, Silhouette, hierarchy, silhouette
from ._regions import Regions, regions
from .fractions import AreaFractions, area_fractions
from .match import match_labels
from .means import class_means
from .profile import LineProfile, line_profile
from .residuals import residual_map

__all__ = [
    "AreaFractions",
    "Hierarchy",
    "LineProfile",
    "Regions",
    "Silhouette",
    "area_fractions",
    "class_means",
    "classify",
    "hierarchy",
    "line_profile",
    "match_labels",
    "regions",
    "residual_map",
    "silhouette",
    "threshold",
]
