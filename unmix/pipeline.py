"""A record read as a recipe: the same steps on the same or on other data."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from os import PathLike
from typing import Any, Self

from . import _door, decompose, describe, maps, sampling
from ._arrays import from_host, is_array
from ._errors import ParameterError, ShapeError
from ._record import Record, Step, decode_array
from ._results import Unmixing
from ._samples import Samples

FUNCTIONS: dict[str, Callable[..., Any]] = {
    "sliding_windows": sampling.sliding_windows,
    "overlap_add": sampling.overlap_add,
    "window_fft": describe.window_fft,
    "scan_fft": describe.scan_fft,
    "virtual_image": describe.virtual_image,
    "pca": decompose.pca,
    "nfindr": decompose.nfindr,
    "vca": decompose.vca,
    "atgp": decompose.atgp,
    "ppi": decompose.ppi,
    "bayesian_unmixing": decompose.bayesian_unmixing,
    "abundances": decompose.abundances,
    "kmeans": decompose.kmeans,
    "nmf": decompose.nmf,
    "ica": decompose.ica,
    "agglomerative": decompose.agglomerative,
    "class_means": maps.class_means,
    "residual_map": maps.residual_map,
    "threshold": maps.threshold,
    "regions": maps.regions,
}

METHODS = ("__getitem__", "bin", "where", "features", "transform", "normalize", "on", "keep")
EDITS = ("select", "drop", "reorder", "merge", "rename", "recolor", "reconstruct")
"""Methods of a model."""
SHAPES = ("opened", "closed", "without_small", "filled", "pieces", "watershed", "on_pixels")
"""Methods of regions."""
SOURCES = ("samples", "open")
FITS = (
    "pca",
    "nfindr",
    "vca",
    "atgp",
    "ppi",
    "bayesian_unmixing",
    "abundances",
    "kmeans",
    "nmf",
    "ica",
    "agglomerative",
    "class_means",
)
"""Steps that turn samples into a model."""


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Steps that can be run on data.

    Parameters
    ----------
    record : Record
        The steps, from the data to a result.

    Examples
    --------
    >>> import numpy as np
    >>> import unmix as um
    >>> image = np.random.default_rng(0).random((64, 64))
    >>> model = um.kmeans(um.window_fft(um.sliding_windows(image, 16, 8)), 2)
    >>> again = um.Pipeline.from_record(model.record).run(image)
    >>> bool(np.all(again.labels == model.labels))
    True
    """

    record: Record

    @classmethod
    def from_record(cls, record: Record) -> Self:
        """Read a record as a recipe."""
        if not isinstance(record, Record):
            raise ParameterError(
                f"got {type(record).__name__}; expected the record of a result: hand in "
                "result.record, or read the text of one with Pipeline.from_json"
            )
        return cls(record)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read the text that `Record.to_json` wrote."""
        return cls(Record.from_json(text))

    def run(self, data: Any) -> Any:
        """Run all steps on data.

        Parameters
        ----------
        data : Samples, array or path
            What takes the place of the data that the record began with: what `unmix.open` returns,
            an array with the same axes, or a path to open.

        Returns
        -------
        Samples or Unmixing
            What the last step gives. On the same data it has the same bits; stages that several
            steps share are computed once.

        Raises
        ------
        ParameterError
            If a step cannot be run again: it is unknown, or it used a model of other data.
        """
        return _run(self.record.steps, data, {})

    def describe(self, data: Any) -> Samples:
        """Run the steps before the first fit, and return the described samples."""
        names = [s.operation for s in self.record.steps]
        stop = next((i for i, name in enumerate(names) if name in (*FITS, "project")), len(names))
        described: Samples = _run(self.record.steps[:stop], data, {})
        return described


def _run(steps: tuple[Step, ...], data: Any, memo: dict[str, Any]) -> Any:
    """Run steps; ``memo`` holds the result of every chain of steps that was run on ``data``."""
    if not steps:
        raise ParameterError("the record has no steps; expected that of samples or of a model")
    result: Any = None
    for i, step in enumerate(steps):
        key = json.dumps([[s.operation, s.parameters] for s in steps[: i + 1]])
        if key not in memo:
            if i == 0:
                memo[key] = _begin(step, data)
            else:
                memo[key] = _apply(step, result, steps[0], data, memo)
        result = memo[key]
    return result


def _begin(step: Step, data: Any) -> Samples:
    if step.operation not in SOURCES:
        raise ParameterError(
            f"the record begins with {step.operation!r}; expected one of {', '.join(SOURCES)}"
        )
    if isinstance(data, (str, PathLike)):
        from .io import open as open_file

        return open_file(data, axes=step.parameters.get("axes"))
    if isinstance(data, Samples):
        return data
    if step.operation == "samples":
        expected = len(step.parameters["pitch"])
        if len(getattr(data, "shape", ())) != expected:
            raise ShapeError(
                f"the record was made of an array with {expected} axes, and this one has shape "
                f"{tuple(getattr(data, 'shape', ()))}"
            )
        return _door.samples(data, **step.parameters)
    return _door.as_image(data)


def _apply(step: Step, given: Any, source: Step, data: Any, memo: dict[str, Any]) -> Any:
    name = step.operation
    if isinstance(given, Unmixing):
        return _apply_to_model(step, given)
    if isinstance(given, maps.Regions) and name in SHAPES:
        return getattr(given, name)(**step.parameters)
    if name == "project":
        raise ParameterError(
            "a record does not hold the model that was projected; call its project()"
        )
    options = {k: _decoded(v, given, source, data, memo) for k, v in step.parameters.items()}
    if name in FUNCTIONS:
        return FUNCTIONS[name](given, **options)
    if name == "__getitem__":
        key = options["key"]
        return given[tuple(key) if isinstance(key, list) else key]
    if name in METHODS:
        return getattr(given, name)(**options)
    raise ParameterError(f"the record has the step {name!r}, which this version does not know")


def _apply_to_model(step: Step, model: Unmixing) -> Any:
    name, options = step.operation, step.parameters
    if name == "scores":
        return model.scores
    if name == "merge":
        return model.merge(*options["components"], names=options["names"])
    if name in EDITS:
        return getattr(model, name)(**options)
    if name == "classify":
        return maps.classify(model, **options)
    if name == "regions":
        labels = decode_array(options["labels"]["array"])
        return maps.regions(model, labels, names=options["names"])
    raise ParameterError(f"the step {name!r} of the record cannot follow a fit")


def _decoded(value: Any, given: Samples, source: Step, data: Any, memo: dict[str, Any]) -> Any:
    if isinstance(value, list):
        return [_decoded(v, given, source, data, memo) for v in value]
    if not isinstance(value, dict):
        return value
    if "slice" in value:
        return slice(*value["slice"])
    if "ellipsis" in value:
        return Ellipsis
    if "array" in value:
        array = decode_array(value["array"])
        like = given.source.like
        return array if array.dtype == bool or not is_array(like) else from_host(array, like)
    inner = Record.from_list(value["record"]).steps
    if inner[0].run.get("data") != source.run.get("data"):
        raise ParameterError(
            "a step of the record used a model of other data, which the record does not hold; "
            "run the steps by hand with that model"
        )
    return _run(inner, data, memo)
