"""The comparison with peers runs, says what is missing, and leaves nothing behind."""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
COMMAND = [sys.executable, "-m", "benchmarks.peers", "--venv", sys.prefix, "--repeats", "1"]


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that imports a module of benchmarks."""
    monkeypatch.syspath_prepend(str(ROOT))
    return lambda name: importlib.import_module(f"benchmarks.{name}")


def variables(scratch: Path) -> dict[str, str]:
    return os.environ | {"TMPDIR": str(scratch)}


@pytest.mark.skipif(os.name == "nt", reason="the processes of a session are ended as POSIX does")
def test_it_compares_answers_and_says_who_is_missing(tmp_path: Path) -> None:
    scratch, results = tmp_path / "scratch", tmp_path / "results"
    scratch.mkdir()
    command = [*COMMAND, "--only", "kmeans-64", "--scale", "0.01", "--results", str(results)]
    done = subprocess.run(
        command, cwd=ROOT, env=variables(scratch), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads((results / "kmeans-64.json").read_text())
    rows = {row["name"]: row for row in found["rows"]}
    mine, theirs = rows["unmix"], rows["scikit-learn, Lloyd"]
    assert mine["seconds"][0] > 0
    assert mine["agreement"] == pytest.approx(theirs["agreement"], rel=1e-4)
    assert "No module named 'faiss'" in rows["faiss"]["why"]
    assert "| unmix, no numba |" in done.stdout
    assert "| faiss | did not run |" in done.stdout
    assert list(scratch.iterdir()) == []


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs /proc of Linux")
def test_an_interrupt_leaves_no_process_and_no_file(tmp_path: Path) -> None:
    command = [*COMMAND, "--only", "kmeans-16", "--results", str(tmp_path / "results")]
    process = subprocess.Popen(
        command, cwd=ROOT, env=variables(tmp_path), stderr=subprocess.DEVNULL
    )
    while not workers_of(tmp_path):
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=10) != 0
    assert workers_of(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def workers_of(scratch: Path) -> list[str]:
    """Return the commands of processes that were given files in a folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_text()
        except OSError:
            continue
        if "benchmarks.peers_worker" in command and str(scratch) in command:
            found.append(command)
    return found


def test_the_exact_abundances_are_those_of_known_mixtures(module: Any) -> None:
    endmembers = np.random.default_rng(0).random((4, 9))
    amounts = np.random.default_rng(1).dirichlet(np.ones(4), 50)
    amounts[:20, 0] = 0
    amounts /= amounts.sum(axis=1, keepdims=True)
    found = module("peers_abundances").by_supports(amounts @ endmembers, endmembers)
    np.testing.assert_allclose(found, amounts, atol=1e-9)


def test_the_missing_volume_of_a_unit_simplex(module: Any) -> None:
    table = np.vstack([np.eye(3), np.full((5, 3), 1 / 3)]).astype(np.float32)
    found = module("peers_simplex").missing_volume(
        {"table": table, "n_endmembers": 3}, np.arange(3)
    )
    assert found == pytest.approx(-np.log(np.sqrt(3) / 2), abs=1e-6)


def test_the_loss_of_exact_components_is_zero(module: Any) -> None:
    common = module("peers_common")
    table = np.random.default_rng(0).standard_normal((400, 12)).astype(np.float32) + 5
    exact = common.exact_captured(table, 3)
    vectors = np.linalg.svd(table - table.mean(axis=0), full_matrices=False)[2]
    assert common.captured_loss(table, vectors[:3], exact) == pytest.approx(0, abs=1e-6)
    assert common.captured_loss(table, vectors[1:4], exact) > 0.01


def test_a_page_keeps_what_is_outside_of_the_markers(module: Any, tmp_path: Path) -> None:
    write = module("peers_table").write_between
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- peers -->\nold\n<!-- /peers -->\nafter\n")
    write(page, "peers", "new")
    assert page.read_text() == "before\n<!-- peers -->\n\nnew\n\n<!-- /peers -->\nafter\n"
    with pytest.raises(ValueError, match="no pair of comments"):
        write(page, "other", "new")
