"""S(x, R) into maps and components."""

from ._rank_table import RankRule, RankTable
from .abundances import abundances
from .ica import ica
from .kmeans import kmeans
from .nfindr import nfindr
from .nmf import nmf
from .pca import pca
from .rank import rank

__all__ = [
    "RankRule",
    "RankTable",
    "abundances",
    "ica",
    "kmeans",
    "nfindr",
    "nmf",
    "pca",
    "rank",
]
