"""S(x, R) into maps and components."""

from .abundances import abundances
from .agglomerative import agglomerative
from .bayesian import bayesian_unmixing
from .extraction import atgp, vca
from .ica import ica
from .kmeans import kmeans
from .nfindr import nfindr
from .nmf import nmf
from .pca import pca
from .purity import ppi

__all__ = [
    "abundances",
    "agglomerative",
    "atgp",
    "bayesian_unmixing",
    "ica",
    "kmeans",
    "nfindr",
    "nmf",
    "pca",
    "ppi",
    "vca",
]
