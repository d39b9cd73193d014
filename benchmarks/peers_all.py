"""All workloads, by name."""

from __future__ import annotations

from . import (
    peers_abundances,
    peers_clusters,
    peers_components,
    peers_factors,
    peers_patterns,
    peers_simplex,
    peers_windows,
)
from .peers_common import Workload

MODULES = (
    peers_windows,
    peers_components,
    peers_factors,
    peers_simplex,
    peers_abundances,
    peers_clusters,
    peers_patterns,
)

WORKLOADS: dict[str, Workload] = {
    workload.name: workload for module in MODULES for workload in module.WORKLOADS
}
