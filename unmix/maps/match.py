"""The same phase in the same colour: components of two runs, or of two images, in one order."""

from __future__ import annotations

from typing import Any, Literal, TypeVar, cast

import numpy as np

from .._arrays import is_array, to_host
from .._errors import ParameterError, ShapeError
from .._results import IndependentComponents, PrincipalComponents
from .._typing import HostArray
from .._unmixing import Unmixing

By = Literal["maps", "components"]
Matched = TypeVar("Matched")


def match_labels(model: Matched, reference: Any, *, by: By | None = None) -> Matched:
    """Put components, or labels, in the order and the colours of those of a reference.

    Parameters
    ----------
    model : Unmixing or array
        A model; or labels of whole numbers, negative where there are none.
    reference : Unmixing or array
        A model of the same or of other samples with the same descriptor; or labels of the same
        shape.
    by : {"maps", "components"}, optional
        What has to be alike: the maps, which have to be of the same samples, or the components.
        Default: the maps where both are of the same data, else the components.

    Returns
    -------
    Unmixing or numpy.ndarray
        The model: matched components first, in the order of the reference, in its colours and under
        its names; then those without a match, in colours that the reference has not. Or the labels
        as int64: matched ones have the number of the reference, others follow its largest.

    Raises
    ------
    ParameterError
        If one is a model and one are labels, labels are no whole numbers, or ``by`` is none of the
        two.
    ShapeError
        If the shapes, or the descriptors, differ.

    Notes
    -----
    Hungarian assignment of the largest sum of correlations: of maps over the samples that both
    know, of components over the descriptor, less the mean of all of them. Components that
    correlate with none of the reference above zero stay without a match. Principal and independent
    components are matched whatever their sign.

    References
    ----------
    Crouse, IEEE Trans. Aerosp. Electron. Syst. 52, 1679 (2016), the algorithm of SciPy.

    Examples
    --------
    >>> import numpy as np
    >>> import unmix as um
    >>> um.match_labels(np.array([1, 1, 0, 0, 2, -1]), np.array([0, 0, 1, 1, 1, 1]))
    array([ 0,  0,  1,  1,  2, -1])
    """
    if by not in (None, "maps", "components"):
        raise ParameterError(f"by is {by!r}; expected 'maps' or 'components'")
    if isinstance(model, Unmixing) and isinstance(reference, Unmixing):
        return cast(Matched, _matched_model(model, reference, by))
    if isinstance(model, Unmixing) or isinstance(reference, Unmixing):
        raise ParameterError(
            f"got {type(model).__name__} and {type(reference).__name__}; expected two models, or "
            "the labels of both"
        )
    if by == "components":
        raise ParameterError("labels have no components; expected two models, or by='maps'")
    return cast(Matched, _matched_labels(model, reference))


def _matched_model(model: Unmixing, reference: Unmixing, by: By | None) -> Unmixing:
    same = model.layout.map_shape == reference.layout.map_shape
    if by is None:
        both = [m.record.steps[0].run.get("data") for m in (model, reference)]
        by = "maps" if same and both[0] == both[1] else "components"
    if by == "maps" and not same:
        raise ShapeError(
            f"the maps have the shapes {model.layout.map_shape} and {reference.layout.map_shape}; "
            "expected two models of the same samples, or by='components'"
        )
    if by == "maps":
        alike = _correlations(_flat(model.maps), _flat(reference.maps))
    else:
        reference.layout.require_same_descriptor(model.layout)
        alike = _common_correlations(
            *(np.asarray(to_host(m.packed(m.components)), float) for m in (model, reference))
        )
    if isinstance(model, (PrincipalComponents, IndependentComponents)):
        alike = np.abs(alike)
    of = assigned(alike)
    left = [i for i in range(len(model)) if i not in of]
    order = [*sorted(of, key=lambda i: of[i]), *left]
    taken = reference.color_numbers
    free = (c for c in range(len(model) + len(reference) + max(taken)) if c not in taken)
    colors = [taken[of[i]] if i in of else next(free) for i in order]
    matched = model.reorder(order).recolor(colors)
    if reference.names is None:
        return matched
    names = [reference.names[of[i]] if i in of else model.name(i) for i in order]
    doubled = {name for name in names if names.count(name) > 1}
    return matched.rename(
        [
            f"{n} (unmatched)" if i not in of and n in doubled else n
            for i, n in zip(order, names, strict=True)
        ]
    )


def _matched_labels(labels: Any, reference: Any) -> HostArray:
    host, other = (np.asarray(to_host(v) if is_array(v) else v) for v in (labels, reference))
    if host.shape != other.shape:
        raise ShapeError(
            f"the labels have the shapes {host.shape} and {other.shape}; expected two labels of "
            "the same samples"
        )
    if host.dtype.kind not in "iu" or other.dtype.kind not in "iu":
        raise ParameterError(
            f"the labels have dtypes {host.dtype} and {other.dtype}; expected whole numbers"
        )
    (mine, own), (theirs, them) = (_one_hot(v) for v in (host, other))
    of = assigned(_correlations(own, them)) if len(mine) and len(theirs) else {}
    new = int(theirs.max(initial=-1)) + 1
    out = np.full(host.shape, -1, np.int64)
    for i, label in enumerate(mine):
        out[host == label] = theirs[of[i]] if i in of else new
        new += i not in of
    return out


def assigned(alike: HostArray) -> dict[int, int]:
    """Return the columns of the rows whose sum is largest, those above zero."""
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(alike, maximize=True)
    pairs = zip(rows.tolist(), columns.tolist(), strict=True)
    return {i: j for i, j in pairs if alike[i, j] > 0}


def _one_hot(labels: HostArray) -> tuple[HostArray, HostArray]:
    known = np.unique(labels[labels >= 0])
    return known, (labels.ravel() == known[:, None]).astype(float)


def _flat(maps: Any) -> HostArray:
    host = np.asarray(to_host(maps), float)
    return host.reshape(len(host), -1)


def _correlations(a: HostArray, b: HostArray) -> HostArray:
    """Correlations (k, r) of rows over the columns that both know.

    Of a row that is constant, such as a class of all samples, cosines.
    """
    known = np.isfinite(a).all(axis=0) & np.isfinite(b).all(axis=0)
    a, b = a[:, known], b[:, known]
    constant = np.logical_or.outer(*(np.ptp(v, axis=1) == 0 for v in (a, b)))
    centred = (v - v.mean(axis=1, keepdims=True) for v in (a, b))
    return np.where(constant, _cosines(a, b), _cosines(*centred))


def _common_correlations(a: HostArray, b: HostArray) -> HostArray:
    """Cosines (k, r) of rows less the mean of all of them."""
    middle = (a.mean(axis=0) + b.mean(axis=0)) / 2
    return _cosines(a - middle, b - middle)


def _cosines(a: HostArray, b: HostArray) -> HostArray:
    a, b = (
        np.divide(v, n, out=np.zeros_like(v), where=n > 0)
        for v, n in ((v, np.linalg.norm(v, axis=1, keepdims=True)) for v in (a, b))
    )
    return np.asarray(a @ b.T)
