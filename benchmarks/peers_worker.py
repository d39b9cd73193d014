"""Make the inputs of a workload, or run one contender on them, in a process of its own."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict
from pathlib import Path

from .meter import busy, forget_peak, memory
from .peers_all import WORKLOADS
from .peers_common import Contender, Row, Workload, load

WARM_UP = 0.3
"""Share of the input of a first call, enough for the code that the whole takes: libraries load and
compile what they need."""


def run(workload: Workload, contender: Contender, folder: Path) -> Row:
    """Run once: a first call on a small part, then the one that is timed."""
    inputs = load(folder)
    began = time.perf_counter()
    contender.run(workload.part(inputs, min(WARM_UP, contender.part)))
    first = time.perf_counter() - began
    whole = workload.work(inputs)
    if contender.part < 1:
        inputs = workload.part(inputs, contender.part)
    times = whole / workload.work(inputs)
    forget_peak()
    before, own, all_before = memory("VmRSS"), time.process_time(), busy()
    began = time.perf_counter()
    answer = contender.run(inputs)
    seconds = time.perf_counter() - began
    peak, others = memory("VmHWM"), busy() - all_before - (time.process_time() - own)
    return Row(
        contender.name,
        seconds=[seconds * times],
        extra=[peak - before],
        peak=[peak],
        others=[max(others, 0) / seconds],
        first=first,
        agreement=workload.check(inputs, contender.read(answer)),
    )


def main(arguments: list[str]) -> None:
    """``make WORKLOAD FOLDER SCALE`` or ``run WORKLOAD CONTENDER FOLDER ANSWER``."""
    what, name, *rest = arguments
    workload = WORKLOADS[name]
    if what == "make":
        workload.make(Path(rest[0]), float(rest[1]))
        return
    contender = next(c for c in workload.contenders if c.name == rest[0])
    for module in contender.hidden:
        sys.modules[module] = None  # type: ignore[assignment]
    row = run(workload, contender, Path(rest[1]))
    Path(rest[2]).write_text(json.dumps(asdict(row)))


if __name__ == "__main__":
    main(sys.argv[1:])
