"""Several methods on the same samples, side by side."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from .._arrays import namespace_of, to_host
from .._door import as_table
from .._errors import ParameterError, ShapeError
from .._fold import fold
from .._samples import Samples
from .._tiles import Tile, read_rows
from .._typing import Array, HostArray
from .._unmixing import Unmixing
from ._common import kept_if_it_fits

HEADINGS = ("method", "n", "error", "maps < 0", "components < 0", "smoothness", "seconds")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Comparison:
    """What several methods make of the same samples: printed, it is a table.

    Parameters
    ----------
    models : dict of str to Unmixing
        The result of each method by its name, in the order that they were given in.
    n_components : numpy.ndarray
        (methods,), int.
    error : numpy.ndarray
        Norm of what maps and components leave of the samples over the norm of the samples,
        (methods,), float64.
    negative_maps, negative_components : numpy.ndarray
        Fraction of the values that are below zero, (methods,).
    smoothness : numpy.ndarray
        Correlation of the values of neighbours along y and x, mean over the maps, (methods,): near
        1 for structure, near 0 for noise; NaN for maps without two axes.
    seconds : numpy.ndarray
        How long the method took, (methods,).
    columns : numpy.ndarray
        Which component of each method stands in each column, (methods, columns), int: components
        in one column are alike; -1 where a method has none.
    """

    models: dict[str, Unmixing]
    n_components: HostArray
    error: HostArray
    negative_maps: HostArray
    negative_components: HostArray
    smoothness: HostArray
    seconds: HostArray
    columns: HostArray

    def __repr__(self) -> str:
        """Return the table as text."""
        rows: list[tuple[str, ...]] = [HEADINGS]
        for i, name in enumerate(self.models):
            shares = (self.error, self.negative_maps, self.negative_components)
            figures = [f"{100 * share[i]:.2f} %" for share in shares]
            figures += [f"{self.smoothness[i]:.3f}", f"{self.seconds[i]:.2f}"]
            rows.append((name, str(self.n_components[i]), *figures))
        wide = [max(map(len, column)) for column in zip(*rows, strict=True)]
        return "\n".join(
            "  ".join([row[0].ljust(wide[0]), *map(str.rjust, row[1:], wide[1:])]) for row in rows
        )


def compare(
    samples: Samples | Array, methods: Mapping[str, Callable[[Samples], Unmixing] | Unmixing]
) -> Comparison:
    """Run several methods on the same samples and compare what they find.

    Parameters
    ----------
    samples : Samples or array
        Described samples, or a table (sample, feature).
    methods : dict of str to callable or Unmixing
        What to call with the samples, by a name; or a model that was fitted to them.

    Returns
    -------
    Comparison
        A table of figures on the host, and the models; `unmix.plot.compare` draws them.

    Raises
    ------
    ParameterError
        If there is no method, or one gives no maps and components.
    ShapeError
        If a model is of other samples.

    Notes
    -----
    Samples are rebuilt tile by tile in one pass for all methods. The error of hard clusters is that
    of the nearest centre. The method with the most components sets the columns. Those of the others
    are put there in turn by linear assignment, where they are most like one that stands there
    already: the correlation of their maps times that of their components, which no sign that a
    method leaves open changes. Models of before have the seconds of their record.

    Examples
    --------
    >>> import unmix as um
    >>> scene = um.synthetic.two_phases((128, 160))
    >>> samples = um.window_fft(um.sliding_windows(scene.image, 32, 16), k_max=0.2)
    >>> found = um.compare(
    ...     samples,
    ...     {"N-FINDR": lambda s: um.nfindr(s, 2), "ICA": lambda s: um.ica(s, 2)},
    ... )
    >>> found
    method   n    error  maps < 0  components < 0  smoothness  seconds
    N-FINDR  2 ...
    ICA      2 ...
    >>> bool(found.error[1] < found.error[0])
    True
    """
    samples = kept_if_it_fits(as_table(samples, least=1), 2)
    if not hasattr(methods, "items") or not methods:
        raise ParameterError(
            f"methods is a {type(methods).__name__} or empty; expected a dict of names and "
            "functions of samples, such as {'N-FINDR': lambda samples: unmix.nfindr(samples, 3)}"
        )
    models, seconds = {}, []
    for name, method in methods.items():
        start = time.perf_counter()
        models[name] = method if isinstance(method, Unmixing) else method(samples)
        seconds.append(_seconds(method, time.perf_counter() - start))
        _require_fits(name, models[name], samples)
    found = list(models.values())
    maps = [to_host(m.maps) for m in found]
    components = [to_host(m.components) for m in found]
    return Comparison(
        models=models,
        n_components=np.asarray([len(m) for m in found]),
        error=_errors(samples, found),
        negative_maps=np.asarray([_negative(values) for values in maps]),
        negative_components=np.asarray([_negative(values) for values in components]),
        smoothness=np.asarray([_smoothness(values) for values in maps]),
        seconds=np.asarray(seconds),
        columns=_columns(maps, components),
    )


def _seconds(method: Callable[[Samples], Unmixing] | Unmixing, taken: float) -> float:
    if not isinstance(method, Unmixing):
        return taken
    return float(method.record.steps[-1].run.get("seconds", float("nan")))


def _require_fits(name: str, model: Unmixing, samples: Samples) -> None:
    """Raise unless a model has maps of these very samples."""
    if not isinstance(model, Unmixing):
        raise ParameterError(
            f"the method {name!r} gave {type(model).__name__}; expected a model with maps and "
            "components"
        )
    model.require_same_description(samples)
    mine, theirs = model.layout, samples.layout
    a, b = (np.ones(x.map_shape, bool) if x.mask is None else x.mask for x in (mine, theirs))
    if not np.array_equal(a, b):
        raise ShapeError(
            f"the model {name!r} is of {mine.n_samples} samples of a map {mine.map_shape}; "
            f"expected one of these {theirs.n_samples} of {theirs.map_shape}, with the same mask"
        )


class _Basis(NamedTuple):
    """What a model rebuilds rows of."""

    maps: Array
    components: Array
    mean: Array | None


def _errors(samples: Samples, models: list[Unmixing]) -> HostArray:
    """Relative error of each model, in one pass."""
    xp = samples.xp
    bases = [
        _Basis(
            xp.moveaxis(m.maps, 0, -1),
            xp.astype(m.packed(m.components), samples.dtype),
            None if m.mean is None else xp.astype(m.packed(m.mean[None, ...]), samples.dtype),
        )
        for m in models
    ]

    def update(tile: Tile, _: None) -> HostArray:
        left = [tile.rows - _rebuilt(tile, basis) for basis in bases]
        return np.asarray([_squared(rows) for rows in (tile.rows, *left)])

    sums, _ = fold(samples, update, lambda a, b: a + b, label="comparing")
    # nothing is left of nothing
    return np.asarray(np.sqrt(sums[1:] / (sums[0] if sums[0] > 0 else 1.0)))


def _rebuilt(tile: Tile, basis: _Basis) -> Array:
    """Return the rows that maps and components stand for."""
    xp = namespace_of(tile.rows)
    maps = xp.astype(read_rows(basis.maps, tile), tile.rows.dtype)
    rows = xp.matmul(maps, basis.components)
    return rows if basis.mean is None else rows + basis.mean


def _squared(rows: Array) -> float:
    xp = namespace_of(rows)
    return float(xp.sum(xp.astype(rows, xp.float64) ** 2))


def _negative(values: HostArray) -> float:
    """Fraction of what is known that is below zero."""
    known = values[np.isfinite(values)]
    return float(np.mean(known < 0))


def _smoothness(maps: HostArray) -> float:
    """Mean over maps (k, ..., y, x) of the correlation of neighbours along y and x."""
    if maps.ndim < 3:
        return float("nan")
    correlations = [_neighbours(values) for values in maps]
    known = [c for c in correlations if np.isfinite(c)]
    return float(np.mean(known)) if known else float("nan")


def _neighbours(values: HostArray) -> float:
    """Correlation of neighbours; NaN for a map of one value."""
    along = [(values[..., 1:, :], values[..., :-1, :]), (values[..., 1:], values[..., :-1])]
    a, b = (np.concatenate([pair[i].ravel() for pair in along]) for i in range(2))
    known = np.isfinite(a) & np.isfinite(b)
    a, b = (x[known] - np.nanmean(values) for x in (a, b))
    norm = np.sqrt((a @ a) * (b @ b))
    return float(a @ b / norm) if norm > 0 else float("nan")


def _columns(maps: list[HostArray], components: list[HostArray]) -> HostArray:
    """Give like components of all methods the same column, (methods, columns)."""
    from scipy.optimize import linear_sum_assignment

    sides = [_standard(maps), _standard(components)]
    sizes = [len(values) for values in maps]
    most = int(np.argmax(sizes))
    columns = np.full((len(maps), sizes[most]), -1)
    columns[most] = np.arange(sizes[most])
    placed = [most]
    for i in [i for i in range(len(maps)) if i != most]:
        alike = np.zeros((sizes[i], sizes[most]))
        for j in placed:
            inside = columns[j] >= 0
            both = [side[i] @ side[j][columns[j, inside]].T for side in sides]
            alike[:, inside] = np.maximum(alike[:, inside], both[0] * both[1])
        numbers, places = linear_sum_assignment(-alike)
        columns[i, places] = numbers
        placed.append(i)
    return columns


def _standard(values: list[HostArray]) -> list[HostArray]:
    """Scale the rows of each (k, ...) to mean zero and norm one, where all are known."""
    rows = [v.reshape(len(v), -1).astype(float) for v in values]
    known = np.all([np.isfinite(r).all(axis=0) for r in rows], axis=0)
    centred = [r[:, known] - r[:, known].mean(axis=1, keepdims=True) for r in rows]
    norms = [np.linalg.norm(r, axis=1, keepdims=True) for r in centred]
    return [r / np.where(n > 0, n, 1) for r, n in zip(centred, norms, strict=True)]
