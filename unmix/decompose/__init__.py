"""S(x, R) into maps and components."""

from .abundances import abundances
from .ica import ica
from .kmeans import kmeans
from .nfindr import nfindr
from .nmf import nmf
from .pca import pca

__all__ = ["abundances", "ica", "kmeans", "nfindr", "nmf", "pca"]
