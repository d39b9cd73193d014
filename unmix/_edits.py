"""Components chosen, merged, named and added up again: what the methods of a model do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from ._arrays import as_float, from_host, namespace_of, to_host
from ._errors import ParameterError
from ._samples import Samples
from ._sources import ArraySource, Source
from ._typing import Array, Chunks, HostArray, Slices

if TYPE_CHECKING:
    from ._unmixing import Unmixing

Model = TypeVar("Model", bound="Unmixing")


def numbers_of(model: Unmixing, given: Any, least: int = 1, *, every: bool = False) -> list[int]:
    """Return the numbers of components that are given by number or by name, each once.

    Fewer than ``least``, or with ``every`` less than all, are refused.
    """
    least = len(model) if every else least
    known = [model.name(i) for i in range(len(model))]
    several = isinstance(given, Iterable) and not isinstance(given, str)
    found = list(given) if several else [given]
    numbers: list[Any] = [known.index(c) if c in known else c for c in found]
    inside = all(is_whole(i) and 0 <= i < len(model) for i in numbers)
    if not inside or len(set(numbers)) < len(numbers) or len(numbers) < least:
        wanted = "all" if every else f"{least} or more"
        raise ParameterError(
            f"components is {given!r}; expected {wanted} of the numbers 0 to {len(model) - 1}, or "
            f"of the names {', '.join(known)}, each once"
        )
    return [int(i) for i in numbers]


def taken(model: Model, numbers: list[int], operation: str, parameters: Mapping[str, Any]) -> Model:
    """Return the model of some components, in this order."""
    fields = {"maps": 0, "components": 0, **model.along}
    changed: dict[str, Any] = {
        name: _along(getattr(model, name), numbers, axis) for name, axis in fields.items()
    }
    if len(numbers) < len(model):
        changed |= model.together
    places = [numbers.index(i) if i in numbers else -1 for i in range(len(model))]
    changed |= model._renumbered(places)
    names = None if model.names is None else tuple(model.names[i] for i in numbers)
    colors = tuple(model.color_numbers[i] for i in numbers)
    record = model.record.then(operation, parameters)
    return replace(model, record=record, names=names, colors=colors, **changed)


def merged(model: Model, groups: Sequence[Any], names: Sequence[str] | None) -> Model:
    """Return the model with each group of components made one."""
    if not model.merges:
        raise ParameterError(
            f"components of {model!r} do not add up to one of their kind; expected endmembers, "
            "factors of NMF or clusters: drop() components, or reconstruct() from some of them"
        )
    numbers = [numbers_of(model, group) for group in groups]
    together = [i for group in numbers for i in group]
    if not numbers or len(set(together)) < len(together):
        raise ParameterError(f"the groups are {groups!r}; expected some that share no component")
    given = _checked(names, len(numbers))
    own = [model.name(i) for i in range(len(model))]
    joined = given or [" + ".join(own[i] for i in group) for group in numbers]
    called = dict(enumerate(own)) | {min(g): n for g, n in zip(numbers, joined, strict=True)}
    named = given is not None or model.names is not None
    firsts = {min(group): group for group in numbers}
    left = [i for i in range(len(model)) if i in firsts or i not in together]
    sums = [_sum_of(model, firsts.get(i, [i])) for i in left]
    xp = namespace_of(model.maps)
    place = {j: left.index(i) for i in left for j in firsts.get(i, [i])}
    changed: dict[str, Any] = {
        "maps": xp.stack([m for m, _ in sums]),
        "components": xp.stack([c for _, c in sums]),
        **dict.fromkeys(model.along),  # what is merged was found at no one sample
        **model.together,
        **model._renumbered([place[i] for i in range(len(model))]),
        "names": _checked([called[i] for i in left], len(left)) if named else None,
        "colors": tuple(model.color_numbers[i] for i in left),
    }
    record = model.record.then("merge", {"components": numbers, "names": given})
    return replace(model, record=record, **changed)


def _sum_of(model: Unmixing, numbers: list[int]) -> tuple[Array, Array]:
    """Sum of the maps of components, and their mean weighted by how much there is of each."""
    maps, components = (_along(v, numbers, 0) for v in (model.maps, model.components))
    if len(numbers) == 1:
        return maps[0, ...], components[0, ...]
    amounts, signal = (_total(v) for v in (maps, components))
    if getattr(model, "simplex", True) or not np.all(signal * amounts > 0):
        signal = np.ones(len(numbers))  # fractions are in one unit; factors are in that of signal
    shares = np.clip(amounts * signal, 0, None)
    shares = shares / shares.sum() if shares.sum() > 0 else np.full(len(numbers), 1 / len(numbers))
    unit = shares @ signal
    return _mix(signal / unit, maps), _mix(shares * unit / signal, components)


def _total(values: Array) -> HostArray:
    """Sum of each entry (k, ...) beside what is left out."""
    host = to_host(values)
    return np.asarray(np.nansum(host.reshape(len(host), -1), axis=1, dtype=np.float64))


def _mix(weights: HostArray, values: Array) -> Array:
    """Weighted sum of (k, ...) over k."""
    xp = namespace_of(values)
    along = from_host(weights.reshape(-1, *[1] * (values.ndim - 1)), values, values.dtype)
    return xp.sum(along * values, axis=0)


def _along(values: Array, numbers: Sequence[int], axis: int) -> Array:
    """Return entries along an axis, in this order; None of None."""
    if values is None:
        return None
    xp = namespace_of(values)
    return xp.take(values, from_host(np.asarray(numbers), values), axis=axis)


def relabelled(labels: Array, numbers: Sequence[int]) -> Array:
    """Return labels once component i has become ``numbers[i]``; -1 is left out."""
    xp = namespace_of(labels)
    table = from_host([-1, *numbers], labels, labels.dtype)
    return xp.reshape(xp.take(table, xp.reshape(labels, (-1,)) + 1, axis=0), labels.shape)


def renamed(model: Model, given: Mapping[int | str, str] | Sequence[str]) -> Model:
    """Return the model with other names."""
    names = [model.name(i) for i in range(len(model))]
    if isinstance(given, Mapping):
        for component, name in given.items():
            names[numbers_of(model, component)[0]] = name
    else:
        names = list(given)
    checked = _checked(names, len(model))
    return replace(model, names=checked, record=model.record.then("rename", {"names": checked}))


def _checked(names: Sequence[str] | None, n: int) -> tuple[str, ...] | None:
    """Return names as a tuple, if there is a different one for each component."""
    if names is None:
        return None
    text = all(isinstance(name, str) for name in names) and "" not in names
    if isinstance(names, str) or not text or len(names) != n or len(set(names)) < n:
        raise ParameterError(f"names are {names!r}; expected {n} different names")
    return tuple(names)


def recolored(model: Model, given: Sequence[int]) -> Model:
    """Return the model in other colours."""
    colors = list(given)
    known = {c for c in colors if is_whole(c) and c >= 0}
    if len(known) < len(model) or len(colors) > len(model):
        raise ParameterError(
            f"colors is {given!r}; expected {len(model)} different whole numbers from 0"
        )
    colors = [int(c) for c in colors]
    return replace(
        model, colors=tuple(colors), record=model.record.then("recolor", {"colors": colors})
    )


def is_whole(value: Any) -> bool:
    """Tell whether a value is a whole number, and no truth value."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def reconstructed(model: Unmixing, components: Sequence[int | str] | None) -> Samples:
    """Return mean plus maps times components, row by row as they are asked for."""
    numbers = None if components is None else numbers_of(model, components)
    chosen = range(len(model)) if numbers is None else numbers
    xp, n = namespace_of(model.maps), len(model.layout.map_axes)
    dtype = as_float(model.maps).dtype
    maps, forms = (_along(v, chosen, 0) for v in (model.maps, model.components))
    forms = xp.astype(model.layout.pack(forms, weighted=False), dtype)
    mean = None
    if model.mean is not None:
        mean = xp.astype(model.layout.pack(model.mean[None, ...], weighted=False), dtype)
    table = xp.astype(xp.moveaxis(maps, 0, -1), dtype)
    positive = mean is None and all(bool(xp.all(~(v < 0))) for v in (table, forms))
    return Samples(
        source=Sums(ArraySource(table, tuple(range(n + 1)), n), forms, mean),
        layout=model.layout,
        record=model.record.then("reconstruct", {"components": numbers}),
        nonnegative=True if positive else None,
    )


@dataclass(frozen=True, slots=True, eq=False)
class Sums:
    """Rows of sums of components: those of another table, times a matrix, plus a mean."""

    parent: Source
    components: Array
    """Shape (k, n_features)."""
    mean: Array | None
    """Shape (1, n_features)."""

    @property
    def like(self) -> Array:
        return self.parent.like

    @property
    def bytes_per_sample(self) -> int:
        return self.parent.bytes_per_sample + 16 * int(self.components.shape[1])

    @property
    def chunks(self) -> Chunks | None:
        return self.parent.chunks

    def read(self, where: Slices, kept: HostArray | None) -> Array:
        rows = self.parent.read(where, kept)
        sums = namespace_of(rows).matmul(rows, self.components)
        return sums if self.mean is None else sums + self.mean

    def prepare(self) -> None:
        self.parent.prepare()

    def rebuilt(self, change: Callable[[Source], Source]) -> Source:
        parent = self.parent.rebuilt(change)
        mean = None if self.mean is None else _moved(self.mean, parent.like)
        return replace(
            self, parent=parent, components=_moved(self.components, parent.like), mean=mean
        )


def _moved(array: Array, like: Array) -> Array:
    """Return an array in the namespace of another: samples may go to a GPU."""
    if namespace_of(array) is namespace_of(like):
        return array
    return from_host(to_host(array), like, like.dtype)
