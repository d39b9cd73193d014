"""The model of docs/scale.md: its arithmetic, and the tables that are made of it."""

from __future__ import annotations

import importlib
import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that imports a module of benchmarks."""
    monkeypatch.syspath_prepend(str(ROOT))
    return lambda name: importlib.import_module(f"benchmarks.{name}")


@pytest.fixture
def constants(module: Any) -> Any:
    """Return constants of a machine that can be reckoned with in one's head."""
    return module("scale_model").Constants(
        read_1=2e9,
        read_2=3e9,
        flops_1=4e10,
        flops_2=8e10,
        disk=1e9,
        tile=0.0,
        squares=1e10,
        fixed=0.5,
        merge=0.0,
        passes=5.0,
        products=4.0,
        tile_bytes=4e6,
        extra=1e8,
        memory=16e9,
    )


def test_a_pass_takes_its_flop_and_its_share_of_reading(module: Any, constants: Any) -> None:
    model = module("scale_model")
    flop = 0.5e9 * 4 * 18 * 4
    assert model.flops(1e9, 4) == pytest.approx(flop)
    assert model.local(constants, 1e9, 1) == pytest.approx(flop / 4e10 + 0.1 + 5 / 2 + 0.5)
    assert model.local(constants, 1e9, 2) == pytest.approx(flop / 8e10 + 0.05 + 5 / 4 + 0.5)


def test_reading_and_the_disk_are_limits(module: Any, constants: Any) -> None:
    model = module("scale_model")
    fast = replace(constants, flops_1=1e15, flops_2=1e15, squares=1e15, fixed=0.0)
    assert model.local(fast, 1e9, 2) == pytest.approx(5 / 3, rel=1e-3)
    assert model.local(fast, 1e11, 2) == pytest.approx(500)


def test_what_the_cards_hold_crosses_the_link_once(module: Any, constants: Any) -> None:
    model = module("scale_model")
    assert model.on_cards(constants, 1e9, 1) == pytest.approx(1e9 / 64e9)
    assert model.on_cards(constants, 1e11, 1) == pytest.approx(5e11 / 64e9)
    assert model.on_cards(constants, 1e13, 8) == pytest.approx(5e13 / 20e9)


def test_workers_share_the_work_and_not_the_scheduler(module: Any, constants: Any) -> None:
    model = module("scale_model")
    idle = model.Cluster(task=0.0, scheduler=1e12)
    slow = model.Cluster(task=0.0, scheduler=100.0)
    merging = 5 * 7 * model.part_bytes() / 1.25e9
    constants = replace(constants, fixed=0.0)
    computing = model.local(constants, 1e11, 1)
    assert model.on_workers(constants, idle, 1e11, 100) == pytest.approx(computing / 100 + merging)
    tasks = 5 * model.chunks(1e11)
    assert model.on_workers(constants, slow, 1e11, 100) == pytest.approx(tasks / 100 + merging)
    assert model.chunks(1e15) == 100_000


def test_each_table_has_its_place_in_the_page(module: Any, constants: Any, tmp_path: Path) -> None:
    scale, tables = module("scale"), module("peers_table")
    facts = tables.machine()
    run = {"size": 1e9, "threads": 2, "passes": 5.0, "products": 4.0}
    runs = [{**run, "seconds": 3.5, "others": 0.0}]
    cluster = asdict(module("scale_model").Cluster(task=1e-3, scheduler=1e3))
    found = {
        "model": {"facts": facts, "constants": asdict(constants), "runs": runs},
        "cluster": {
            "facts": facts,
            "constants": cluster,
            "size": 1e9,
            "scaling": {"one": 4.0, "two": 2.5, "half": 2.0},
        },
    }
    for name, values in found.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(values))
    page = tmp_path / "scale.md"
    page.write_text((ROOT / "docs" / "scale.md").read_text())
    texts = scale.page_texts(tmp_path)
    for name, text in texts.items():
        tables.write_between(page, name, text)
    written = page.read_text()
    assert "Not measured yet" not in written
    assert "| 1 GB | 5 | 2 | 3.5 | 3.6 | 1.03 | 0 | yes |" in written
    assert "| strong | 1 GB | 4 | 1 GB | 2.5 | 80 % |" in written
    assert "| weak | 500 MB | 2 | 1 GB | 2.5 | 80 % |" in written
    assert "| 1 PB | 5 | 5 PB |" in written
