"""What runs on a GPU machine, as far as it can be tried on one without."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import fakecupy
import pytest

from unmix.cuda import check

pytestmark = pytest.mark.kernels

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def benchmarks(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    from benchmarks import gpu

    return gpu


def test_the_benchmarks_agree_on_small_sizes(benchmarks, tmp_path, capsys):
    with fakecupy.installed():
        arguments = ["--scale", "3e-4", "--results", str(tmp_path), "--note", "memcheck=passed"]
        assert benchmarks.main(arguments) == 0, capsys.readouterr().out
    record = json.loads((tmp_path / "emulated.json").read_text())
    assert record["card"] == "emulated"
    assert record["notes"] == {"memcheck": "passed"}
    assert record["copy_bytes_per_s"] > 0
    operations = {found["name"]: found for found in record["operations"]}
    assert {*operations} >= {"window_fft", "window_project", "largest_forms", "assign", "sketch"}
    for found in operations.values():
        assert found["agrees"]
        assert found["rivals"]["cupy"]["seconds"] > 0
        assert found["fraction_of_copy"] == found["bytes_per_s"] / record["copy_bytes_per_s"]


def test_a_benchmark_that_fails_stops_no_other(benchmarks, tmp_path, monkeypatch, capsys):
    def broken(bench):
        raise MemoryError("too large")

    monkeypatch.setattr(benchmarks, "OPERATIONS", (broken, benchmarks.OPERATIONS[3]))
    with fakecupy.installed():
        assert benchmarks.main(["--scale", "1e-5", "--results", str(tmp_path)]) == 1
    broken, simplex = json.loads((tmp_path / "emulated.json").read_text())["operations"]
    assert broken["error"] == "MemoryError: too large"
    assert simplex["agrees"]
    with fakecupy.installed():
        arguments = ["--scale", "1e-5", "--seconds", "0", "--results", str(tmp_path)]
        assert benchmarks.main(arguments) == 1
    assert "out of time" in capsys.readouterr().out


@pytest.mark.skipif(check.missing() is None, reason="needs a CUDA GPU to be absent")
def test_without_a_gpu_they_say_so(benchmarks, tmp_path, capsys):
    assert benchmarks.main(["--results", str(tmp_path)]) == 2
    assert "finds no GPU" in capsys.readouterr().out
    run = subprocess.run(
        ["bash", str(ROOT / "ci" / "gpu.sh")],
        env=os.environ | {"UNMIX_PYTHON": sys.executable, "UNMIX_RESULTS": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 2
    assert "finds no GPU" in run.stderr
    assert not [*tmp_path.iterdir()]
