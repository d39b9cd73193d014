"""Compile every CUDA kernel with the NVRTC wheel alone, and hold what it takes against a table.

    python ci/compile_kernels.py            compare with ci/kernel_resources.json
    python ci/compile_kernels.py --write    make the table anew

No GPU, no driver and no CuPy: the compiler is one shared library of the wheel nvidia-cuda-nvrtc,
which ci/constraints.txt pins. A kernel that compiles can still have become slow: registers that no
longer fit are spilled to memory, and nothing else here would show it.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import re
import sys
import time
from ctypes import CDLL, byref, c_char_p, c_int, c_size_t, c_void_p, create_string_buffer
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
TABLE = ROOT / "ci" / "kernel_resources.json"
ARCHITECTURES = (75, 80, 90, 100)
# What CuPy hands to NVRTC for a RawModule beside OPTIONS of unmix/cuda/_load.py.
CUPY = ("-ftz=true", "--device-as-default-execution-space")
# Say what is taken; and a constant that this one kernel of the file has no use for is no mistake.
REPORT = ("--ptxas-options=-v", "--diag-suppress=177")
BAND = 8  # registers: what another release of the compiler may make of the same text
MOST_SHARED = 48 * 1024
PROCESSES = 2


class Resources(NamedTuple):
    """What one instance takes on one architecture: registers of a thread, and bytes."""

    registers: int
    spill_stores: int
    spill_loads: int
    stack: int
    shared: int


class Unit(NamedTuple):
    """What is compiled at once: all instances of one kernel for one architecture."""

    file: str
    kernel: str
    architecture: int


Table = dict[str, dict[str, Resources]]  # instance -> architecture -> what it takes


def load(name: str, path: Path) -> ModuleType:
    """Import one file by itself: neither the package nor what it depends on is needed here."""
    spec = importlib.util.spec_from_file_location(name, path, submodule_search_locations=[])
    if spec is None or spec.loader is None:
        raise ImportError(path)
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    module.__path__ = [str(path.parent)]
    spec.loader.exec_module(module)
    return module


@cache
def kernels() -> ModuleType:
    """Return ``kernels/__init__.py``: what there is to compile."""
    return load("unmix_kernels", ROOT / "kernels" / "__init__.py")


@cache
def own_options() -> tuple[str, ...]:
    """Return the options of the launchers, read from text that cannot be imported by itself."""
    text = (ROOT / "unmix" / "cuda" / "_load.py").read_text()
    (options,) = re.findall(r"^OPTIONS = \((.*)\)$", text, re.MULTILINE)
    return tuple(re.findall(r'"([^"]*)"', options))


@cache
def nvrtc() -> CDLL:
    """Return the compiler's library from the wheel, wherever pip has put it."""
    for folder in map(Path, sys.path):
        for path in sorted(folder.glob("nvidia/*/lib/libnvrtc.so.*")):
            # It looks for this one by its bare name: whoever has it loaded already finds it.
            for builtins in path.parent.glob("libnvrtc-builtins.so.*"):
                CDLL(str(builtins))
            return CDLL(str(path))
    sys.exit("the wheel nvidia-cuda-nvrtc is not installed: pip install -e '.[test-cuda]'")


def version() -> str:
    """Return the version of the compiler."""
    major, minor = c_int(), c_int()
    nvrtc().nvrtcVersion(byref(major), byref(minor))
    return f"{major.value}.{minor.value}"


def compile_unit(unit: Unit) -> tuple[Unit, float, str, dict[str, Resources]]:
    """Return how long it took, what the compiler complains of, and what each instance takes."""
    start, names = time.perf_counter(), kernels().ENTRY_POINTS[unit.file][unit.kernel]
    options = (*own_options(), *CUPY, f"-arch=sm_{unit.architecture}", *REPORT)
    program, size, lowered = c_void_p(), c_size_t(), {}
    text = kernels().source(unit.file).encode()
    nvrtc().nvrtcCreateProgram(byref(program), text, unit.file.encode(), 0, None, None)
    for name in names:
        nvrtc().nvrtcAddNameExpression(program, name.encode())
    given = (c_char_p * len(options))(*(o.encode() for o in options))
    failed = nvrtc().nvrtcCompileProgram(program, len(options), given)
    nvrtc().nvrtcGetProgramLogSize(program, byref(size))
    log = create_string_buffer(size.value)
    nvrtc().nvrtcGetProgramLog(program, log)
    if not failed:
        for name in names:
            symbol = c_char_p()
            nvrtc().nvrtcGetLoweredName(program, name.encode(), byref(symbol))
            lowered[(symbol.value or b"").decode()] = name
    nvrtc().nvrtcDestroyProgram(byref(program))
    said = log.value.decode()
    own = "\n".join(line for line in said.splitlines() if not line.startswith("ptxas"))
    complaint = own if failed or "warning" in said else ""
    return unit, time.perf_counter() - start, complaint, parse(said, lowered)


def parse(log: str, lowered: dict[str, str]) -> dict[str, Resources]:
    """Read what ptxas says of each entry function; those that were not asked for are left out."""
    found = {}
    frame = r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads"
    for block in log.split("Compiling entry function '")[1:]:
        symbol = block.partition("'")[0]
        stack = re.search(frame, block)
        registers = re.search(r"Used (\d+) registers", block)
        shared = re.search(r"(\d+) bytes smem", block)
        if symbol in lowered and stack and registers:
            numbers = (int(registers[1]), int(stack[2]), int(stack[3]), int(stack[1]))
            found[lowered[symbol]] = Resources(*numbers, int(shared[1]) if shared else 0)
    return found


def measure() -> tuple[Table, list[str]]:
    """Compile everything, the longest first, and return the table and the compiler's complaints."""
    entries = kernels().ENTRY_POINTS
    units = [Unit(f, k, a) for f in entries for k in entries[f] for a in ARCHITECTURES]
    # a guess at the time: text times instances
    units.sort(key=lambda u: -len(kernels().source(u.file)) * len(entries[u.file][u.kernel]))
    by_name: Table = {name: {} for f in entries for name in kernels().instances(f)}
    complaints, seconds = [], dict.fromkeys(entries, 0.0)
    with get_context("spawn").Pool(PROCESSES) as pool:
        for unit, took, complaint, found in pool.imap_unordered(compile_unit, units):
            seconds[unit.file] += took
            if complaint:
                complaints.append(f"{unit.file} {unit.kernel} sm_{unit.architecture}:\n{complaint}")
            for name, resources in found.items():
                by_name[name][str(unit.architecture)] = resources
    print(", ".join(f"{file} {took:.0f} s" for file, took in seconds.items()), "of processor time")
    return by_name, complaints


def differences(now: Table, table: Table) -> list[str]:
    """Return what is wrong with ``now`` in the light of the table."""
    problems = [f"{name}: not in the table" for name in now.keys() - table.keys()]
    problems += [f"{name}: in the table, but no kernel" for name in table.keys() - now.keys()]
    for name in sorted(now.keys() & table.keys()):
        for arch in map(str, ARCHITECTURES):
            if arch not in now[name] or arch not in table[name]:
                problems.append(f"{name} sm_{arch}: not compiled, or not in the table")
                continue
            new, old = now[name][arch], table[name][arch]
            where = f"{name} sm_{arch}:"
            if abs(new.registers - old.registers) > BAND:
                problems.append(f"{where} {new.registers} registers; the table has {old.registers}")
            for what in ("spill_stores", "spill_loads", "stack"):
                taken = getattr(new, what)
                if taken and not getattr(old, what):
                    problems.append(f"{where} {taken} bytes of {what}; the table has none")
            if new.shared > MOST_SHARED >= old.shared:
                problems.append(f"{where} {new.shared} bytes of static shared memory")
    return sorted(problems)


def render(table: Table) -> str:
    """Return the table as text, a line for each instance."""
    cells: dict[str, list[str]] = {name: [] for name in table}
    for name, by_arch in table.items():
        for arch in map(str, ARCHITECTURES):
            r = by_arch.get(arch)
            spilled = f" SPILL {r.spill_stores}/{r.spill_loads}" if r and r.spill_stores else ""
            stack = f" STACK {r.stack}" if r and r.stack and not spilled else ""
            cells[name].append(f"{r.registers:4} {r.shared:6}{spilled}{stack}" if r else "  -")
    width = max(map(len, table))
    head = f"{'registers, static shared bytes':{width}}"
    head += "".join(f"  {f'sm_{a}':>11}" for a in ARCHITECTURES)
    return "\n".join([head, *(f"{n:{width}}  " + "  ".join(c) for n, c in cells.items())])


def read_table() -> Table:
    """Return the checked-in table."""
    stored: dict[str, Any] = json.loads(TABLE.read_text())["instances"]
    return {
        name: {arch: Resources(*numbers) for arch, numbers in by_arch.items()}
        for name, by_arch in stored.items()
    }


def write_table(table: Table) -> None:
    """Write the table, a line for each instance."""
    lines = [f"  {json.dumps(n)}: {json.dumps(by_arch)}" for n, by_arch in table.items()]
    columns = json.dumps(Resources._fields)
    head = f'{{\n "compiler": "NVRTC {version()}",\n "columns": {columns},\n "instances": {{\n'
    TABLE.write_text(head + ",\n".join(lines) + "\n }\n}\n")


def main() -> int:
    """Print the table; return 1 if it is not the checked-in one within the band."""
    as_written = argparse.RawTextHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=as_written)
    parser.add_argument("--write", action="store_true", help="make the table anew")
    start, asked = time.perf_counter(), parser.parse_args()
    now, problems = measure()
    print(render(now))
    if asked.write and not problems:
        write_table(now)
    problems += differences(now, read_table() if TABLE.exists() else {})
    print("\n".join(problems))
    count, spent = sum(map(len, now.values())), time.perf_counter() - start
    verdict = f"{len(problems)} problems" if problems else "as in the table"
    print(f"NVRTC {version()}, {len(now)} instances, {count} times in {spent:.0f} s: {verdict}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
