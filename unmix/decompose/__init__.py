"""S(x, R) into maps and components."""

from ._sweep import sweep
from .abundances import abundances
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
    "atgp",
    "bayesian_unmixing",
    "ica",
    "kmeans",
    "nfindr",
    "nmf",
    "pca",
    "ppi",
    "sweep",
    "vca",
]
