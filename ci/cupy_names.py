"""Freeze what CuPy's modules hold, from the installed wheel: no GPU is needed for it.

    python ci/cupy_names.py            compare with tests/cupy_names.txt
    python ci/cupy_names.py --write    make the list anew

The stand-in of the tests (tests/fakecupy) has these names and these parameters, and no others.
"""

from __future__ import annotations

import inspect
import sys
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

LIST = Path(__file__).resolve().parent.parent / "tests" / "cupy_names.txt"
WHEEL = "cupy-cuda13x"
MODULES = ("cupy", "cupy.cuda", "cupy.cuda.device", "cupy.cuda.runtime", "cupy.fft")
MODULES += ("cupy.lib", "cupy.lib.stride_tricks", "cupy.linalg")
CLASSES = ("cupy.ndarray", "cupy.RawKernel", "cupy.RawModule", "cupy.cuda.Device")
CLASSES += ("cupy.cuda.Stream", "cupy.cuda.ExternalStream", "cupy.cuda.Event")
# what a class has from the interpreter, whose releases differ
PYTHON = {*dir(object), "__annotations__", "__firstlineno__", "__static_attributes__", "__dict__"}
PYTHON |= {"__module__", "__pyx_vtable__", "__weakref__", "__slots__", "__getstate__"}


def parameters(function: Any) -> str:
    """Return the names of the parameters: ``a axis= / * dtype=``, or ``...`` where nobody says."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return "..."
    words: list[str] = []
    kind = inspect.Parameter.POSITIONAL_ONLY
    for name, p in signature.parameters.items():
        if kind == p.POSITIONAL_ONLY != p.kind and words:
            words.append("/")
        if p.kind == p.KEYWORD_ONLY and kind < p.VAR_POSITIONAL:
            words.append("*")
        star = {p.VAR_POSITIONAL: "*", p.VAR_KEYWORD: "**"}.get(p.kind, "")
        words.append(f"{star}{name}{'' if p.default is p.empty else '='}")
        kind = p.kind
    return " ".join([*words, "/"] if words and kind == inspect.Parameter.POSITIONAL_ONLY else words)


def describe(value: Any) -> str:
    """Return what kind of thing a name stands for."""
    if inspect.ismodule(value):
        return "module"
    if type(value).__name__ == "ufunc":
        return f"ufunc {value.nin} {value.nout}"
    if (getattr(value, "__module__", None) or "").partition(".")[0] == "numpy":
        return "numpy"
    if isinstance(value, type):
        return "class"
    if isinstance(value, bool | int | float | None):
        return f"value {value}"
    if callable(value):
        return f"function {parameters(value)}".strip()
    return "object"


def listing() -> str:
    """Return all names, a line for each, in a section for each module and class."""
    lines = [f"# What {WHEEL} {version(WHEEL)} holds; made by ci/cupy_names.py"]
    for module in MODULES:
        lines.append(f"\n[{module}]")
        content = import_module(module)
        names = sorted(n for n in dir(content) if not n.startswith("_"))
        described = ((name, describe(getattr(content, name))) for name in names)
        # the runtime's constants are legion, and a launcher has no use for them
        lines += [
            f"{name} {what}"
            for name, what in described
            if not (module == "cupy.cuda.runtime" and what.startswith("value"))
        ]
    for path in CLASSES:
        module, _, name = path.rpartition(".")
        content = getattr(import_module(module), name)
        lines.append(f"\n[{path}]")
        lines += [n for n in sorted(set(dir(content)) - PYTHON) if n[0] != "_" or n[-2:] == "__"]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Compare or write; return 1 where the list is another wheel's."""
    now = listing()
    if sys.argv[1:] == ["--write"]:
        LIST.write_text(now)
        return 0
    kept = LIST.read_text()
    for line in sorted(set(now.splitlines()) ^ set(kept.splitlines())):
        print("only in the list:" if line in kept else "only in the wheel:", line)
    print("the list is the wheel's" if now == kept else "python ci/cupy_names.py --write renews it")
    return int(now != kept)


if __name__ == "__main__":
    sys.exit(main())
