"""Measure the constants of docs/scale.md, check its model, and write its tables.

``python -m benchmarks.scale --write``; ``--part model`` or ``--part cluster`` does one half.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from . import scale_cluster, scale_measure
from . import scale_model as model
from .peers_environment import ROOT, interrupt_when_terminated
from .peers_table import machine, number, table, write_between

PAGE = ROOT / "docs" / "scale.md"
RESULTS = Path(__file__).resolve().parent / "results" / "scale"
SIZES = {"1 GB": 1e9, "100 GB": 1e11, "10 TB": 1e13, "1 PB": 1e15}
WORKERS = 100


def measure_model(sizes: list[float]) -> dict[str, Any]:
    """Measure constants with the smallest size, and the analysis at each, in 1 and 2 threads."""
    with tempfile.TemporaryDirectory(prefix="unmix-scale-") as name:
        path, runs = Path(name) / "data.h5", []
        constants = None
        for wanted in tqdm(sorted(sizes), desc="sizes", disable=None):
            size = scale_measure.write(path, wanted * 1e9)
            constants = constants or scale_measure.constants(path, size)
            runs += scale_measure.checked(path, size)
    return {"facts": machine(), "constants": asdict(constants), "runs": runs}


def measure_cluster(size: float) -> dict[str, Any]:
    """Measure what tasks cost, and how two workers compare with one."""
    found = {"facts": machine(), "constants": asdict(scale_cluster.constants())}
    return found | {"size": size, "scaling": scale_cluster.scaling(size)}


def duration(seconds: float) -> str:
    """Format seconds for people."""
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{number(seconds / length, 2)} {unit}"
    return f"{number(seconds, 2)} s"


def bytes_of(value: float) -> str:
    """Format bytes for people."""
    for unit, size in (("PB", 1e15), ("TB", 1e12), ("GB", 1e9)):
        if value >= size:
            return f"{number(value / size)} {unit}"
    return f"{number(value / 1e6)} MB"


def where(facts: dict[str, Any]) -> str:
    """Say when and on what a table was measured."""
    return (
        f"{facts['date']}, {facts['processor']}, {facts['cores']} cores, "
        f"{facts['memory_gib']} GiB, {facts['system']}, Python {facts['python']}."
    )


def constants_table(c: model.Constants, d: model.Cluster | None) -> str:
    """Return what was measured."""
    rates = [f"{bytes_of(rate)}/s" for rate in (c.read_1, c.read_2, c.disk)]
    speeds = [number(speed / 1e9) for speed in (c.flops_1, c.flops_2)]
    rows = [
        ["tiles of a file in the page cache, 1 / 2 threads", f"{rates[0]} / {rates[1]}"],
        ["reading a file from the disk", rates[2]],
        ["a fused pass, 1 / 2 threads", f"{speeds[0]} / {speeds[1]} GFLOP/s"],
        ["a tile, beside its work", f"{number(c.tile * 1e3)} ms"],
        ["sums of squares", f"{bytes_of(c.squares)}/s"],
        ["what does not depend on the size", f"{number(c.fixed)} s"],
        ["merging two parts", f"{number(c.merge * 1e3)} ms"],
        ["passes / products", f"{number(c.passes)} / {number(c.products)}"],
        ["bytes of a tile", bytes_of(c.tile_bytes)],
        ["peak of memory, beside libraries", bytes_of(c.extra)],
    ]
    if d is not None:
        rows += [
            ["a Dask task, one worker", f"{number(d.task * 1e3)} ms"],
            ["tasks of the scheduler, two workers", f"{number(d.scheduler)} per s"],
        ]
    return table(["measured", ""], rows)


def check_table(c: model.Constants, runs: Iterable[dict[str, float]]) -> str:
    """Return what the model says beside what was measured."""
    rows = []
    for run in runs:
        counted = replace(c, passes=run["passes"], products=run["products"])
        said = model.local(counted, run["size"], int(run["threads"]))
        ratio = said / run["seconds"]
        sizes = [bytes_of(run["size"]), number(run["passes"]), str(int(run["threads"]))]
        verdict = "yes" if 1 / 1.3 <= ratio <= 1.3 else "**no**"
        figures = [run["seconds"], said, ratio, run["others"]]
        rows.append([*sizes, *map(number, figures), verdict])
    head = ["size", "passes", "threads", "measured, s", "model, s", "ratio"]
    head += ["cores that others kept busy", "within 30 %"]
    return table(head, rows)


def sizes_table(c: model.Constants, d: model.Cluster) -> str:
    """Return what each size costs on each machine."""
    rows = [
        [
            name,
            number(c.passes),
            bytes_of(c.passes * size),
            duration(model.local(c, size, 1)),
            duration(model.local(c, size, 2)),
            duration(model.on_cards(c, size, 1)),
            duration(model.on_cards(c, size, 8)),
            duration(model.on_workers(c, d, size, WORKERS)),
            bytes_of(model.network(c, WORKERS)),
            bytes_of(model.worker_memory(c, size, WORKERS)),
        ]
        for name, size in SIZES.items()
    ]
    head = ["data", "passes", "bytes read", "1 core", "2 cores", "1 GPU", "8 GPUs"]
    return table([*head, f"{WORKERS} workers", "network", "memory of a worker"], rows)


def scaling_table(found: dict[str, Any]) -> str:
    """Return strong and weak scaling from one worker to two."""
    size, taken = found["size"], found["scaling"]
    strong = [bytes_of(size), number(taken["one"]), bytes_of(size), number(taken["two"])]
    weak = [bytes_of(size / 2), number(taken["half"]), bytes_of(size), number(taken["two"])]
    rows = [
        ["strong", *strong, f"{100 * taken['one'] / taken['two'] / 2:.0f} %"],
        ["weak", *weak, f"{100 * taken['half'] / taken['two']:.0f} %"],
    ]
    head = ["scaling", "one worker", "s", "two workers", "s", "efficiency"]
    return table(head, rows)


def page_texts(folder: Path) -> dict[str, str]:
    """Return the text between each pair of markers, of all that was measured."""
    found = {p.stem: json.loads(p.read_text(encoding="utf-8")) for p in folder.glob("*.json")}
    texts: dict[str, str] = {}
    if "model" not in found:
        return texts
    c = model.Constants(**found["model"]["constants"])
    d = model.Cluster(**found["cluster"]["constants"]) if "cluster" in found else None
    said = where(found["model"]["facts"])
    texts["constants"] = f"{said}\n\n{constants_table(c, d)}"
    texts["check"] = f"{said}\n\n{check_table(c, found['model']['runs'])}"
    if d is not None:
        texts["sizes"] = sizes_table(c, d)
        cluster = found["cluster"]
        texts["scaling"] = f"{where(cluster['facts'])}\n\n{scaling_table(cluster)}"
    return texts


def main(arguments: list[str] | None = None) -> int:
    """Measure, print, and write if asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", choices=["model", "cluster"], help="measure one half only")
    parser.add_argument("--sizes", default="0.25,1,4", help="GB of the runs that check the model")
    parser.add_argument("--cluster-size", type=float, default=1.0, help="GB on two workers")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of JSON files")
    parser.add_argument("--write", action="store_true", help=f"write the tables into {PAGE.name}")
    asked = parser.parse_args(arguments)
    interrupt_when_terminated()
    found: dict[str, Any] = {}
    if asked.part != "cluster":
        found["model"] = measure_model([float(s) for s in asked.sizes.split(",")])
    if asked.part != "model":
        found["cluster"] = measure_cluster(asked.cluster_size * 1e9)
    asked.results.mkdir(parents=True, exist_ok=True)
    for name, values in found.items():
        path = asked.results / f"{name}.json"
        path.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
    for name, text in page_texts(asked.results).items():
        print(f"{text}\n")
        if asked.write:
            write_between(PAGE, name, text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
