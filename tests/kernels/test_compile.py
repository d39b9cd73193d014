"""Every kernel compiles for four architectures, and takes what the table says; no GPU is needed."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.kernels

SCRIPT = Path(__file__).resolve().parents[2] / "ci" / "compile_kernels.py"
LOG = """\
ptxas info    : 32 bytes gmem
ptxas info    : Compiling entry function '_Z3oneIfE' for 'sm_75'
ptxas info    : Function properties for _Z3oneIfE
ptxas         .     24 bytes stack frame, 16 bytes spill stores, 20 bytes spill loads
ptxas info    : Used 42 registers, used 1 barriers, 96 bytes smem
ptxas info    : Compiling entry function '_Z3two' for 'sm_75'
ptxas info    : Function properties for _Z3two
ptxas         .     0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 8 registers, used 0 barriers
"""


def _script():
    spec = importlib.util.spec_from_file_location("compile_kernels", SCRIPT)
    module = sys.modules["compile_kernels"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


script = _script()


def test_all_instances_take_what_the_table_says():
    run = subprocess.run([sys.executable, str(SCRIPT)], capture_output=True, text=True, check=False)
    assert run.returncode == 0, f"{run.stdout}\n{run.stderr}"


def test_the_page_has_the_numbers_of_the_table():
    script = SCRIPT.with_name("kernel_docs.py")
    run = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False)
    assert run.returncode == 0, f"{run.stdout}\n{run.stderr}"


def test_no_instance_spills_and_all_fit():
    table = script.read_table()
    assert table
    for name, by_architecture in table.items():
        for architecture, taken in by_architecture.items():
            where = f"{name} sm_{architecture}"
            assert (taken.spill_stores, taken.spill_loads, taken.stack) == (0, 0, 0), where
            assert taken.shared <= 48 * 1024, where


def test_reads_what_the_assembler_says():
    found = script.parse(LOG, {"_Z3oneIfE": "one<float>"})  # `two` was not asked for
    assert found == {"one<float>": script.Resources(42, 16, 20, 24, 96)}


class TestDifferences:
    def _table(self, **changed):
        taken = script.Resources(40, 0, 0, 0, 1024)._replace(**changed)
        return {"one<float>": {str(a): taken for a in script.ARCHITECTURES}}

    @pytest.mark.parametrize("change", [{}, {"registers": 48}, {"registers": 32}, {"shared": 2048}])
    def test_what_a_compiler_may_do_otherwise(self, change):
        assert script.differences(self._table(**change), self._table()) == []

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            ({"registers": 49}, "49 registers; the table has 40"),
            ({"registers": 31}, "31 registers; the table has 40"),
            ({"spill_stores": 4}, "4 bytes of spill_stores; the table has none"),
            ({"spill_loads": 8}, "8 bytes of spill_loads; the table has none"),
            ({"stack": 16}, "16 bytes of stack; the table has none"),
            ({"shared": 49153}, "49153 bytes of static shared memory"),
        ],
    )
    def test_what_a_kernel_must_not_become(self, change, words):
        problems = script.differences(self._table(**change), self._table())
        assert problems == [
            f"one<float> sm_{a}: {words}" for a in sorted(map(str, script.ARCHITECTURES))
        ]

    def test_instances_that_come_and_go(self):
        ours, theirs = self._table(), {"two": self._table()["one<float>"]}
        assert script.differences(ours, theirs) == [
            "one<float>: not in the table",
            "two: in the table, but no kernel",
        ]
        del ours["one<float>"]["90"]
        assert script.differences(ours, self._table()) == [
            "one<float> sm_90: not compiled, or not in the table"
        ]
