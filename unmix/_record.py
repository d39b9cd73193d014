"""What was done, in JSON types: steps, and the record that they make."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np

from ._arrays import device_of, is_array, is_dask, namespace_name, namespace_of, to_host
from ._errors import FileError
from ._typing import Array, HostArray

DESCRIBING = (
    "join",
    "to_descriptor",
    "window_fft",
    "scan_fft",
    "virtual_image",
    "radial_profile",
    "polar_transform",
    "angular_orders",
    "correlation",
    "intensity_histogram",
    "intensity_moments",
    "symmetry_scores",
    "bin",
    "transform",
    "normalize",
)
"""Operations that give values another meaning."""

CHOOSING = ("keep", "on", "where", "features")
"""Operations that leave the values as they are; what they leave out is in the layout."""

BLOCK = 1 << 16
"""Elements of each block that a fingerprint hashes."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of an analysis.

    Parameters
    ----------
    operation : str
        Name of the function or of the method of `Samples` that was called.
    parameters : dict
        What it was called with, in JSON types (see `encode`).
    run : dict
        What cannot be chosen: route, namespace, device, tile, versions, seconds.
    """

    operation: str
    parameters: dict[str, Any] = field(default_factory=dict)
    run: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Record:
    """All steps from the data to a result."""

    steps: tuple[Step, ...] = ()

    def then(self, operation: str, parameters: Mapping[str, Any], **run: Any) -> Record:
        """Return the record with one more step."""
        step = Step(operation, {k: encode(v) for k, v in parameters.items()}, run)
        return Record((*self.steps, step))

    def description(self) -> str:
        """Return the steps that say what the values of samples mean, as text."""
        said = []
        for step in self.steps:
            if step.operation in DESCRIBING:
                told = {k: _said(v) for k, v in step.parameters.items() if v not in (None, 0)}
                given = [f"{k}={v}" for k, v in told.items()]
                said.append(f"{step.operation}({', '.join(given)})")
        return " -> ".join(said) or "plain values"

    def same_samples(self, other: Record) -> bool:
        """Tell whether both records make the same values of the same data, masks apart."""
        a, b = ([s for s in r.steps if s.operation not in CHOOSING] for r in (self, other))
        return len(a) == len(b) and all(
            x.operation == y.operation
            and x.parameters == y.parameters
            and x.run.get("data") == y.run.get("data")
            for x, y in zip(a, b, strict=True)
        )

    def to_list(self) -> list[dict[str, Any]]:
        """Return the steps as JSON types."""
        return [
            {"operation": s.operation, "parameters": s.parameters, "run": s.run} for s in self.steps
        ]

    def to_json(self) -> str:
        """Return the record as JSON text."""
        return json.dumps(self.to_list(), indent=1)

    @classmethod
    def from_list(cls, steps: list[dict[str, Any]]) -> Record:
        """Read what `to_list` gives."""
        return cls(tuple(Step(s["operation"], s["parameters"], s.get("run", {})) for s in steps))

    @classmethod
    def from_json(cls, text: str) -> Record:
        """Read what `to_json` gives."""
        try:
            steps = json.loads(text)
            if not isinstance(steps, list):
                raise TypeError(f"expected a list of steps, but got {type(steps).__name__}")
            return cls.from_list(steps)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise FileError(f"this text is not a record of unmix: {error}") from error


def _said(value: Any) -> Any:
    """Return a parameter as it tells what values mean: other samples by their own description."""
    if isinstance(value, list):
        return [_said(v) for v in value]
    if isinstance(value, dict) and "record" in value:
        return Record.from_list(value["record"]).description()
    return value


def encode(value: Any) -> Any:
    """Turn a parameter into JSON types; arrays keep every bit, and results become their records."""
    if isinstance(value, (np.generic,)):
        return value.item()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, slice):
        return {"slice": [encode(v) for v in (value.start, value.stop, value.step)]}
    if isinstance(value, Mapping):
        return {str(k): encode(v) for k, v in value.items()}
    if isinstance(value, (tuple, list)):
        return [encode(v) for v in value]
    if value is Ellipsis:
        return {"ellipsis": True}
    if hasattr(value, "record"):
        return {"record": value.record.to_list()}
    host = np.asarray(to_host(value), order="C")
    data = base64.b64encode(host.tobytes()).decode()
    return {"array": {"dtype": host.dtype.str, "shape": list(host.shape), "data": data}}


def decode_array(coded: Mapping[str, Any]) -> HostArray:
    """Read an array that `encode` wrote."""
    raw = np.frombuffer(base64.b64decode(coded["data"]), dtype=np.dtype(coded["dtype"]))
    return raw.reshape(coded["shape"]).copy()


def fingerprint(array: Array) -> dict[str, Any]:
    """Shape, dtype and the hash of the first, middle and last elements of an array.

    Nothing of a dask array is computed: its name is the hash of what it is computed from.
    """
    facts = {
        "shape": [int(n) for n in array.shape],
        "dtype": str(array.dtype).split(".")[-1],
    }
    if is_dask(array):
        return {**facts, "name": array.name}
    whole = int(np.prod(array.shape)) <= 3 * BLOCK
    parts = [array[(slice(None),) * len(array.shape)]] if whole else _blocks(array)
    digest = hashlib.sha256()
    for part in parts:
        host = to_host(part) if is_array(part) else np.asarray(part)
        digest.update(np.ascontiguousarray(host).tobytes())
    return {**facts, "sha256": digest.hexdigest()[:16]}


def _blocks(array: Any) -> list[Any]:
    """Cut a few fixed blocks from an array of any size, without reading the rest."""
    blocks = []
    for at in (0.0, 0.5, 1.0):
        block, place = array, []
        budget = BLOCK
        for n in reversed(array.shape):
            take = max(1, min(n, budget))
            start = int(at * (n - take))
            place.append(slice(start, start + take))
            budget //= take
        blocks.append(block[tuple(reversed(place))])
    return blocks


class Clock:
    """Notes what an eager step ran on and how long it took."""

    def __init__(self) -> None:
        self._start = time.perf_counter()

    def facts(self, like: Array) -> dict[str, Any]:
        """Return namespace, device, versions and the seconds since the clock was made."""
        return {
            "namespace": namespace_name(namespace_of(like)),
            "device": str(device_of(like)),
            "versions": versions(),
            "seconds": round(time.perf_counter() - self._start, 4),
        }


@cache
def _version(name: str) -> str:
    from importlib.metadata import PackageNotFoundError, version  # 10 ms to import

    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def versions() -> dict[str, str]:
    """Versions of the libraries that decide the numbers."""
    return {name: _version(name) for name in ("unmix", "numpy", "scipy", "array-api-compat")}
