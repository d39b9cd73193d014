"""Results on disk, and as tables between two markers of a page."""

from __future__ import annotations

import json
import math
import os
import platform
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any

from .peers_common import Row, Workload, median

RESULTS = Path(__file__).resolve().parent / "results" / "peers"
LOUD = 0.2
"""Processors kept busy by others from which on a figure is marked."""

PACKAGES = (
    "numpy",
    "scipy",
    "numba",
    "scikit-learn",
    "torch",
    "faiss-cpu",
    "spams-bin",
    "pysptools",
)
PACKAGES += ("hyperspy", "fbpca", "dask-ml", "h5py", "threadpoolctl", "pycroscopy")


def machine() -> dict[str, Any]:
    """Describe this machine: processor, cores, memory; not its name."""
    model = platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = (line.partition(":") for line in info.read_text().splitlines())
        model = next((v.strip() for k, _, v in lines if k.strip() == "model name"), model)
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "processor": model,
        "cores": cores,
        "memory_gib": round(pages / 2**30),
        "system": platform.system(),
        "python": platform.python_version(),
        "date": date.today().isoformat(),
    }


def write_between(page: Path, name: str, text: str) -> None:
    """Replace what stands between the two comments ``<!-- name -->`` and ``<!-- /name -->``."""
    before, start, rest = page.read_text(encoding="utf-8").partition(f"<!-- {name} -->\n")
    _, end, after = rest.partition(f"<!-- /{name} -->")
    if not start or not end:
        raise ValueError(f"{page} has no pair of comments <!-- {name} --> and <!-- /{name} -->")
    page.write_text(f"{before}{start}\n{text.strip()}\n\n{end}{after}", encoding="utf-8")


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a table in Markdown."""
    head = list(head)
    lines = [head, ["---"] * len(head), *map(list, rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def number(value: float, digits: int = 3) -> str:
    """Format a number of about unit size; an empty string for none."""
    if math.isnan(value):
        return ""
    if value == 0 or 1e-2 <= abs(value) < 1e5:
        shown = f"{value:.{digits}g}"
        return f"{float(shown):,.0f}" if "e" in shown or abs(value) >= 1000 else shown
    return f"{value:.1e}"


def seconds(row: Row) -> str:
    """Format the median and the fastest run."""
    if row.why:
        return "did not run"
    return f"{number(median(row.seconds))} ({number(min(row.seconds))})"


def remarks(workload: Workload, row: Row) -> str:
    """Say what must be known of a figure."""
    contender = next(c for c in workload.contenders if c.name == row.name)
    said = [contender.remark] if contender.remark else []
    if contender.part < 1 and not row.why:
        said.append(f"timed on {number(100 * contender.part, 2)} % and scaled")
    if row.seconds and row.first > 2 * median(row.seconds) + 1:
        said.append(f"the very first call took {number(row.first, 2)} s (loading, compiling)")
    if row.others and median(row.others) > LOUD:
        said.append(f"others kept {number(median(row.others), 2)} cores busy")
    if row.why:
        said.append(row.why)
    elif len(row.seconds) == 1:
        said.append("one run")
    return "; ".join(said).replace("|", "\\|")


def lines(workload: Workload, rows: dict[str, Row]) -> Iterable[list[str]]:
    """Return the rows of one workload."""
    yield [f"**{workload.title}**", "", "", "", workload.checked, ""]
    first = next(iter(rows.values()))
    for row in rows.values():
        ratio = median(row.seconds) / median(first.seconds) if row.seconds else float("nan")
        yield [
            row.name,
            seconds(row),
            number(ratio),
            number(median(row.extra) / 1e6),
            number(row.agreement),
            remarks(workload, row),
        ]


def goals(workload: Workload, rows: dict[str, Row]) -> Iterable[list[str]]:
    """Return one line for each goal."""
    for goal in workload.goals:
        value = goal.measure(rows)
        limit = (
            f"at least {number(goal.least)}"
            if goal.least is not None
            else f"at most {number(goal.most)}"
        )
        verdict = (
            "not measured" if math.isnan(value) else "yes" if goal.reached(value) else "**no**"
        )
        yield [workload.name, goal.what, limit, number(value), verdict]


def save(workload: str, rows: Iterable[Row], facts: dict[str, Any], folder: Path = RESULTS) -> None:
    """Keep what was found of one workload."""
    folder.mkdir(parents=True, exist_ok=True)
    found = {"facts": facts, "rows": [vars(row) for row in rows]}
    (folder / f"{workload}.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def page_text(workloads: Iterable[Workload], folder: Path = RESULTS) -> str:
    """Return both tables of all that was measured, with when and where."""
    said: dict[str, list[str]] = {}
    rows: list[list[str]] = []
    reached: list[list[str]] = []
    for workload in workloads:
        path = folder / f"{workload.name}.json"
        if not path.exists():
            continue
        found = json.loads(path.read_text(encoding="utf-8"))
        by_name = {row["name"]: Row(**row) for row in found["rows"]}
        if set(by_name) != {c.name for c in workload.contenders}:
            continue  # of an older comparison
        said.setdefault(_where(found["facts"]), []).append(workload.name)
        rows += lines(workload, by_name)
        if found["facts"]["scale"] == 1:
            reached += goals(workload, by_name)
    where = "\n".join(f"* {', '.join(names)}: {facts}" for facts, names in said.items())
    head = ["", "median s (fastest)", "times the first", "extra MB", "agreement", ""]
    compared = table(head, rows)
    limits = table(["workload", "figure", "goal", "measured", "reached"], reached)
    return f"{where}\n\n{compared}\n\n### Goals\n\n{limits}"


def _where(facts: dict[str, Any]) -> str:
    versions = ", ".join(f"{n} {facts['versions'][n]}" for n in PACKAGES if n in facts["versions"])
    part = "" if facts["scale"] == 1 else f"; **sizes times {facts['scale']}**"
    return (
        f"{facts['date']}, {facts['processor']}, {facts['cores']} cores, "
        f"{facts['memory_gib']} GiB, {facts['system']}, Python {facts['python']}, {versions}{part}"
    )
