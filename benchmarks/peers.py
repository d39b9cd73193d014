"""Time `unmix` beside what users would pick instead: ``python -m benchmarks.peers --write``.

Installs the peers into virtual environments, runs each contender of each workload in a fresh
process, interleaved (A B C A B C), and writes time, peak memory and agreement of the answers into
docs/performance.md. What each workload is, and what counts as agreement, is in peers_*.py.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tqdm import tqdm

from . import peers_table as tables
from .peers_all import WORKLOADS
from .peers_common import Contender, Row, Workload
from .peers_environment import REQUIREMENTS, ROOT, Environment, interrupt_when_terminated

PAGE = ROOT / "docs" / "performance.md"
MOST_SECONDS = 300.0
"""A run that takes longer is given up, and the table says so."""


class Runner:
    """Runs contenders, and remembers what stays open between them."""

    def __init__(self, environments: dict[str, Environment], scratch: Path, scale: float) -> None:
        self.environments = environments
        self.scratch = scratch
        self.scale = scale
        (scratch / "numba").mkdir()

    def python(self, environment: str, *arguments: str) -> str:
        """Run the worker; return why it failed, or an empty string."""
        return self.environments[environment].run(
            ["-m", "benchmarks.peers_worker", *arguments],
            MOST_SECONDS,
            # compiled once in this run, and loaded by all later processes
            NUMBA_CACHE_DIR=str(self.scratch / "numba"),
        )

    def compare(self, workload: Workload, repeats: int) -> list[Row]:
        """Run all contenders in turn, ``repeats`` times over."""
        found = {c.name: Row(c.name) for c in workload.contenders}
        with tempfile.TemporaryDirectory(dir=self.scratch) as name:
            folder = Path(name)
            why = self.python("peers", "make", workload.name, name, str(self.scale))
            if why:
                return [Row(c.name, why=f"no input: {why}") for c in workload.contenders]
            rounds = [c for i in range(repeats) for c in workload.contenders if i < c.most_runs]
            for contender in tqdm(rounds, desc=workload.name, leave=False, disable=None):
                found[contender.name] = self._again(
                    workload, contender, folder, found[contender.name]
                )
        return list(found.values())

    def _again(self, workload: Workload, contender: Contender, folder: Path, so_far: Row) -> Row:
        if so_far.why:
            return so_far
        answer = self.scratch / "answer.json"
        answer.unlink(missing_ok=True)
        environment = contender.environment
        why = self.python(
            environment, "run", workload.name, contender.name, str(folder), str(answer)
        )
        if why:
            missing = self.environments[environment].missing.values()
            return Row(contender.name, why="; ".join([why, *missing]))
        new = Row(**json.loads(answer.read_text()))
        if not so_far.seconds:
            return new
        kept = ("seconds", "extra", "peak", "others")
        return Row(
            contender.name,
            agreement=new.agreement,
            first=max(so_far.first, new.first),
            **{name: getattr(so_far, name) + getattr(new, name) for name in kept},
        )


def chosen(only: str | None) -> list[Workload]:
    """Return the workloads whose names start with one of the words."""
    words = tuple((only or "").split(","))
    return [workload for name, workload in WORKLOADS.items() if name.startswith(words)]


def facts(environments: dict[str, Environment], scale: float) -> dict[str, Any]:
    """Say where and with what this run is made."""
    versions: dict[str, str] = {}
    for environment in reversed(environments.values()):
        versions |= environment.versions()
    return tables.machine() | {"scale": scale, "versions": versions}


def environments_for(
    workloads: Iterable[Workload], folders: dict[str, Path]
) -> dict[str, Environment]:
    """Make the environments that some workloads need, or take them as they are."""
    needed = {c.environment for workload in workloads for c in workload.contenders}
    return {name: Environment(name, folders[name]) for name in REQUIREMENTS if name in needed}


def main(arguments: list[str] | None = None) -> int:
    """Measure, print, and write if asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--venv", type=Path, help="environment of the peers; used as it is if it exists"
    )
    parser.add_argument(
        "--pycroscopy", type=Path, help="the same for pycroscopy, whose pins exclude the others"
    )
    parser.add_argument("--only", help="beginnings of names, with commas: " + ", ".join(WORKLOADS))
    parser.add_argument("--repeats", type=int, default=5, help="runs of each contender")
    parser.add_argument("--scale", type=float, default=1.0, help="shrinks the sizes, for a trial")
    parser.add_argument("--results", type=Path, default=tables.RESULTS, help="folder of JSON files")
    parser.add_argument("--write", action="store_true", help=f"write the tables into {PAGE.name}")
    asked = parser.parse_args(arguments)
    workloads = chosen(asked.only)
    if not workloads:
        parser.error(f"no workload starts with {asked.only!r}")
    interrupt_when_terminated()
    with tempfile.TemporaryDirectory(prefix="unmix-peers-") as name:
        scratch = Path(name)
        folders = {"peers": asked.venv or scratch / "venv"}
        folders["pycroscopy"] = asked.pycroscopy or scratch / "venv-pycroscopy"
        environments = environments_for(workloads, folders)
        runner = Runner(environments, scratch, asked.scale)
        said = facts(environments, asked.scale)
        for workload in tqdm(workloads, desc="workloads", disable=None):
            rows = runner.compare(workload, asked.repeats)
            tables.save(workload.name, rows, said, asked.results)
    text = tables.page_text(WORKLOADS.values(), asked.results)
    print(text)
    if asked.write:
        tables.write_between(PAGE, "peers", text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
