"""All workloads, by name."""

from __future__ import annotations

from . import peers_clusters, peers_components, peers_patterns, peers_simplex, peers_windows
from .peers_common import Workload

WORKLOADS: dict[str, Workload] = {
    workload.name: workload
    for module in (peers_windows, peers_components, peers_simplex, peers_clusters, peers_patterns)
    for workload in module.WORKLOADS
}
