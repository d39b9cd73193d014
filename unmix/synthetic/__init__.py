"""Seeded scenes with known phases, maps and endmembers: for tests, benchmarks and examples."""

from ._mixtures import Mixtures, blobs, simplex_mixtures
from ._movies import Movie, phase_movie
from ._scene import Scene
from ._scenes import superlattice_phases, two_phases

__all__ = [
    "Mixtures",
    "Movie",
    "Scene",
    "blobs",
    "phase_movie",
    "simplex_mixtures",
    "superlattice_phases",
    "two_phases",
]
