"""S(x, R) into maps and components."""

from .abundances import abundances
from .kmeans import kmeans
from .nfindr import nfindr
from .nmf import nmf
from .pca import pca

__all__ = ["abundances", "kmeans", "nfindr", "nmf", "pca"]
