"""S(x, R) into maps and components."""

from ._rank_table import RankRule, RankTable
from ._sweep import sweep
from .abundances import abundances
from .agglomerative import agglomerative
from .bayesian import bayesian_unmixing
from .compare import compare
from .extraction import atgp, vca
from .gmm import MixtureTable, gmm, gmm_table
from .ica import ica
from .kmeans import kmeans
from .match import match_components
from .nfindr import nfindr
from .nmf import nmf
from .pca import pca
from .purity import ppi
from .rank import rank

__all__ = [
    "MixtureTable",
    "RankRule",
    "RankTable",
    "abundances",
    "agglomerative",
    "atgp",
    "bayesian_unmixing",
    "compare",
    "gmm",
    "gmm_table",
    "ica",
    "kmeans",
    "match_components",
    "nfindr",
    "nmf",
    "pca",
    "ppi",
    "rank",
    "sweep",
    "vca",
]
