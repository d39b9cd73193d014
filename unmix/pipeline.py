"""A record read as a recipe: the same steps on the same or on other data."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from os import PathLike
from typing import Any, Self

from . import _door, combine, decompose, describe, maps, prepare, sampling
from ._arrays import from_host, is_array
from ._errors import ParameterError, ShapeError
from ._record import Record, Step, decode_array
from ._samples import Samples
from ._unmixing import Unmixing

FUNCTIONS: dict[str, Callable[..., Any]] = {
    "flatten": prepare.flatten,
    "despike": prepare.despike,
    "detrend": prepare.detrend,
    "find_beam": prepare.find_beam,
    "center_beam": prepare.center_beam,
    "affine": prepare.affine,
    "sliding_windows": sampling.sliding_windows,
    "overlap_add": sampling.overlap_add,
    "window_fft": describe.window_fft,
    "scan_fft": describe.scan_fft,
    "virtual_image": describe.virtual_image,
    "radial_profile": describe.radial_profile,
    "polar_transform": describe.polar_transform,
    "angular_orders": describe.angular_orders,
    "correlation": describe.correlation,
    "intensity_histogram": describe.intensity_histogram,
    "intensity_moments": describe.intensity_moments,
    "symmetry_scores": describe.symmetry_scores,
    "join": lambda samples, others, **options: combine.join(samples, *others, **options),
    "concat": lambda samples, others, **options: combine.concat([samples, *others], **options),
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
    "gmm": decompose.gmm,
    "rank": decompose.rank,
    "agglomerative": decompose.agglomerative,
    "class_means": maps.class_means,
    "residual_map": maps.residual_map,
    "threshold": maps.threshold,
    "regions": maps.regions,
}
METHODS = (
    "__getitem__",
    "bin",
    "where",
    "features",
    "transform",
    "normalize",
    "to_descriptor",
    "on",
    "keep",
)
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
    "gmm",
    "rank",
    "agglomerative",
    "class_means",
)
"""Steps that turn samples into a model, or a table."""


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

    def run(self, *data: Any) -> Any:
        """Run all steps on data.

        Parameters
        ----------
        *data : Samples, array or path
            What takes the place of the data that the record began with: what `unmix.open` returns,
            an array with the same axes, or a path to open. A record of several data sets, that were
            joined or put together or whose models were used, takes one for each, in the order in
            which the steps call for them.

        Returns
        -------
        Samples or Unmixing
            What the last step gives. On the same data it has the same bits; stages that several
            steps share are computed once.

        Raises
        ------
        ParameterError
            If a step cannot be run again because it is unknown, or there is not one data set for
            each of the record's.
        """
        return _run(self.record.steps, _Data(self.record.steps, data))

    def describe(self, *data: Any) -> Samples:
        """Run the steps before the first fit, and return the described samples."""
        names = [s.operation for s in self.record.steps]
        stop = next((i for i, name in enumerate(names) if name in (*FITS, "project")), len(names))
        steps = self.record.steps[:stop]
        described: Samples = _run(steps, _Data(steps, data))
        return described


class _Data:
    """The data sets that steps begin with, and the result of every chain of steps on them."""

    def __init__(self, steps: tuple[Step, ...], given: tuple[Any, ...]) -> None:
        if not steps:
            raise ParameterError("the record has no steps; expected that of samples or of a model")
        names = list(dict.fromkeys(_beginnings(steps)))
        if len(given) != len(names):
            raise ParameterError(
                f"the record was made of {len(names)} data sets, and {len(given)} came; hand in "
                "one for each, in the order in which the steps call for them"
            )
        self.of = dict(zip(names, given, strict=True))
        self.memo: dict[str, Any] = {}


def _name(step: Step) -> str:
    """Return what tells the data set of a first step from others."""
    return json.dumps(step.run.get("data"))


def _beginnings(steps: tuple[Step, ...]) -> Iterator[str]:
    """Find the data sets that steps begin with, those of their parameters too."""
    yield _name(steps[0])
    for step in steps:
        for value in step.parameters.values():
            for one in value if isinstance(value, list) else [value]:
                if isinstance(one, dict) and "record" in one:
                    yield from _beginnings(Record.from_list(one["record"]).steps)


def _run(steps: tuple[Step, ...], data: _Data) -> Any:
    """Run steps; chains of steps that were run before are not run again."""
    result: Any = None
    for i, step in enumerate(steps):
        chain = [[s.operation, s.parameters] for s in steps[: i + 1]]
        key = json.dumps([_name(steps[0]), chain])
        if key not in data.memo:
            if i == 0:
                data.memo[key] = _begin(step, data.of[_name(step)])
            else:
                data.memo[key] = _apply(step, result, data)
        result = data.memo[key]
    return result


def _begin(step: Step, data: Any) -> Samples:
    if step.operation not in SOURCES:
        raise ParameterError(
            f"the record begins with {step.operation!r}; expected one of {', '.join(SOURCES)}"
        )
    if isinstance(data, (str, PathLike)):
        from .io import open as open_file

        return open_file(data, **{k: v for k, v in step.parameters.items() if k != "path"})
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


def _apply(step: Step, given: Any, data: _Data) -> Any:
    name = step.operation
    if isinstance(given, Unmixing):
        return _apply_to_model(step, given)
    if isinstance(given, maps.Regions) and name in SHAPES:
        return getattr(given, name)(**step.parameters)
    options = {k: _decoded(v, given, data) for k, v in step.parameters.items()}
    if name in FUNCTIONS:
        return FUNCTIONS[name](given, **options)
    if name == "project":
        return options["model"].project(given)
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
    if name == "split":
        return combine.split(model)[options["number"]]
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


def _decoded(value: Any, given: Samples, data: _Data) -> Any:
    if isinstance(value, list):
        return [_decoded(v, given, data) for v in value]
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
    return _run(Record.from_list(value["record"]).steps, data)
