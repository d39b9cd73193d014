"""Memory and load as Linux counts them."""

from __future__ import annotations

import os
from pathlib import Path


def memory(field: str) -> float:
    """Return a figure of Linux's /proc/self/status in bytes; NaN on other systems."""
    status = Path("/proc/self/status")
    if not status.exists():
        return float("nan")
    return int(status.read_text().split(field + ":")[1].split()[0]) * 1024.0


def busy() -> float:
    """Return the seconds that all processors have worked; NaN where Linux's /proc is missing."""
    stat = Path("/proc/stat")
    if not stat.exists():
        return float("nan")
    user, nice, system, _idle, _wait, irq, softirq, *_ = map(int, stat.read_text().split()[1:9])
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


def forget_peak() -> None:
    """Let the peak of memory start anew."""
    peaks = Path("/proc/self/clear_refs")
    if peaks.exists():
        peaks.write_text("5")
