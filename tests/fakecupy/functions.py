"""CuPy's functions by their frozen names and parameters, on top of NumPy's."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from .array import elementwise, ndarray, plain, quiet, wrap
from .device import waited

NAMES = Path(__file__).resolve().parent.parent / "cupy_names.txt"
WAITING = {"argwhere", "array_equal", "flatnonzero", "nonzero", "unique", "unique_values"}
HOST_SIDE = {"cupy.array", "cupy.asarray", "cupy.asanyarray", "cupy.asfortranarray"}
HOST_SIDE |= {"cupy.ascontiguousarray"}
NO_ARRAYS = {"arange", "linspace", "logspace", "eye", "identity", "tri", "zeros", "ones", "full"}
NO_ARRAYS |= {"indices", "fftfreq", "rfftfreq", "broadcast_shapes", "result_type", "promote_types"}
NO_ARRAYS |= {"can_cast", "isdtype", "issubdtype", "isscalar", "min_scalar_type", "common_type"}


@cache
def frozen() -> dict[str, dict[str, str]]:
    """Return module or class -> name -> what it is, as in the list of the wheel's names."""
    sections: dict[str, dict[str, str]] = {}
    for line in NAMES.read_text().splitlines():
        if line.startswith("["):
            section = sections[line.strip("[]")] = {}
        elif line and not line.startswith("#"):
            name, _, what = line.partition(" ")
            section[name] = what
    return sections


def signature(words: str) -> inspect.Signature | None:
    """Return the parameters that a line of the list names, or None where it names none."""
    if words == "...":
        return None
    parts, kind = [], inspect.Parameter.POSITIONAL_OR_KEYWORD
    for word in words.split():
        if word == "/":
            parts = [p.replace(kind=p.POSITIONAL_ONLY) for p in parts]
        elif word == "*":
            kind = inspect.Parameter.KEYWORD_ONLY
        elif word.startswith("**"):
            parts.append(inspect.Parameter(word[2:], inspect.Parameter.VAR_KEYWORD))
        elif word.startswith("*"):
            parts.append(inspect.Parameter(word[1:], inspect.Parameter.VAR_POSITIONAL))
            kind = inspect.Parameter.KEYWORD_ONLY
        else:
            default = None if word.endswith("=") else inspect.Parameter.empty
            parts.append(inspect.Parameter(word.rstrip("="), kind, default=default))
    return inspect.Signature(parts)


def arrays_in(values: Any) -> Iterator[ndarray]:
    """Yield the device arrays among arguments."""
    for value in values:
        if isinstance(value, ndarray):
            yield value
        elif isinstance(value, tuple | list):
            yield from arrays_in(value)


def call_numpy(function: Callable[..., Any], bound: inspect.BoundArguments, unwrap: Any) -> Any:
    """Call NumPy's function: names of required parameters differ, those of options do not."""
    args: list[Any] = []
    options: dict[str, Any] = {}
    for name, p in bound.signature.parameters.items():
        if name not in bound.arguments:
            continue
        value = bound.arguments[name]
        if p.kind is p.VAR_POSITIONAL:
            args += map(unwrap, value)
        elif p.kind is p.VAR_KEYWORD:
            options |= {key: unwrap(v) for key, v in value.items()}
        elif (p.default is p.empty and p.kind is not p.KEYWORD_ONLY) or function is np.where:
            args.append(unwrap(value))
        elif name not in ("blocking", "stream"):
            options[name] = unwrap(value)
    with quiet():
        return function(*args, **options)


def numpy_function(module: str, name: str, words: str, function: Callable[..., Any]) -> Any:
    """Make CuPy's function of NumPy's function of the same name."""
    parameters, path = signature(words), f"{module}.{name}"

    def call(*args: Any, **options: Any) -> Any:
        if parameters is None:
            return wrap(function(*map(plain, args), **options))
        bound = parameters.bind(*args, **options)
        if path in HOST_SIDE:
            return from_host(function, bound)
        if name not in NO_ARRAYS and next(arrays_in(bound.arguments.values()), None) is None:
            raise TypeError(f"{path} takes device arrays, but got {[type(a) for a in args]}")
        if name in WAITING or (name == "where" and len(args) == 1):
            waited(path)
        result = call_numpy(function, bound, plain)
        out = bound.arguments.get("out")
        return wrap(result) if out is None else out

    call.__name__ = call.__qualname__ = name
    return call


def from_host(function: Callable[..., Any], bound: inspect.BoundArguments) -> Any:
    """Make a device array of what lies anywhere; host memory is never shared."""
    given = next(iter(bound.arguments.values()))

    def unwrap(value: Any) -> Any:
        if isinstance(value, list | tuple):
            return [unwrap(v) for v in value]
        return value._memory if isinstance(value, ndarray) else value

    result = call_numpy(function, bound, unwrap)
    if isinstance(given, ndarray):
        return given if result is given._memory else wrap(result)
    return wrap(result.copy() if isinstance(given, np.ndarray) else result)


def ufunc(name: str) -> Any:
    """Make CuPy's ufunc of NumPy's."""

    def call(*args: Any, **options: Any) -> Any:
        if any(isinstance(a, list | tuple) for a in args):
            raise TypeError(f"cupy.{name} takes device arrays and scalars, not lists")
        return elementwise(getattr(np, name), *args, **options)

    call.__name__ = call.__qualname__ = name
    return call


def missing(path: str) -> Callable[..., Any]:
    """Stand for a name of CuPy's that the stand-in has no meaning for yet."""

    def call(*_: Any, **__: Any) -> Any:
        raise NotImplementedError(f"{path} is in CuPy, but its stand-in has no meaning for it yet")

    return call


def content(module: str, name: str, what: str) -> Any:
    """Return what a name of the list stands for, as far as NumPy has it."""
    kind, _, words = what.partition(" ")
    inside = module.partition(".")[2]  # cupy.linalg -> numpy.linalg
    source = getattr(np, inside, None) if inside else np
    if inside == "lib.stride_tricks":
        source = np.lib.stride_tricks
    found = getattr(source, name, None)
    if kind == "numpy":
        places = (np, np.exceptions, np.linalg, np.lib)
        return found or next((getattr(p, name) for p in places if hasattr(p, name)), missing(name))
    if kind == "value":
        words = {"True": "true", "False": "false", "None": "null", "nan": "NaN"}.get(words, words)
        return json.loads(words.replace("inf", "Infinity"))
    if kind == "ufunc" and found is not None:
        return ufunc(name)
    if kind == "function" and found is not None:
        return numpy_function(module, name, words, found)
    return missing(f"{module}.{name}")
