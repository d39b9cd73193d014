"""S(x, R) into maps and components."""

from .abundances import abundances
from .compare import compare
from .ica import ica
from .kmeans import kmeans
from .match import match_components
from .nfindr import nfindr
from .nmf import nmf
from .pca import pca

__all__ = ["abundances", "compare", "ica", "kmeans", "match_components", "nfindr", "nmf", "pca"]
