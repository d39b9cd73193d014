"""Abundances of given endmembers."""

from __future__ import annotations

from .. import ops
from .._arrays import require_finite
from .._door import as_table
from .._endmembers import Endmembers
from .._errors import ParameterError
from .._fold import map_rows
from .._record import Clock
from .._results import SOLVERS
from .._samples import Samples
from .._sources import in_memory
from .._typing import Array
from .._unmixing import Unmixing, maps_of
from ._common import packed_endmembers


def abundances(
    samples: Samples | Array,
    endmembers: Unmixing | Array,
    *,
    constraint: ops.Constraint = "sum_to_one",
) -> Endmembers:
    """Explain every sample as a mixture of given endmembers, by least squares under constraints.

    Parameters
    ----------
    samples : Samples or array
        Described samples, or a table (sample, feature).
    endmembers : Unmixing or array
        A model, or an array (k, *descriptor_shape); spectra are full centred planes.
    constraint : {"sum_to_one", "nonnegative", "none"}
        Fractions: not negative, sum one; amounts: not negative; or plain least squares.

    Returns
    -------
    Endmembers
        ``abundances`` (k, *map_shape) in the namespace, on the device and in the computing type of
        the data. They are exact: they meet the Karush-Kuhn-Tucker conditions to rounding.

    Raises
    ------
    ShapeError
        If the endmembers are of another descriptor.
    DataError
        If the endmembers depend on one another, so that abundances are not unique, or the data
        holds NaN or infinity.

    Notes
    -----
    Heinz and Chang, IEEE Trans. Geosci. Remote Sens. 39, 529 (2001).

    Examples
    --------
    >>> import numpy as np
    >>> import unmix as um
    >>> table = np.asarray([[1.0, 0.0], [0.5, 0.5], [0.0, 2.0]])
    >>> um.abundances(table, np.eye(2)).abundances
    array([[1. , 0.5, 0. ],
           [0. , 0.5, 1. ]])
    """
    clock = Clock()
    table, samples = samples, as_table(samples, finite=False)
    if constraint not in SOLVERS:
        raise ParameterError(f"constraint is {constraint!r}; expected one of {', '.join(SOLVERS)}")
    packed = packed_endmembers(endmembers, samples)
    problem = ops.mixing(packed, samples.dtype, constraint, samples.layout.n_samples)
    rows = map_rows(samples, lambda r: ops.mixed(r, problem), packed.shape[0], label="abundances")
    if samples is not table and in_memory(table):
        xp = samples.xp
        # one endmember alone has abundance one, whatever the sample
        if packed.shape[0] == 1 or not xp.all(xp.isfinite(rows)):
            require_finite(table, "the data")
    parameters = {"endmembers": endmembers, "constraint": constraint}
    return Endmembers(
        maps=maps_of(rows),
        components=samples.layout.unpack(packed),
        layout=samples.layout,
        record=samples.record.then("abundances", parameters, **clock.facts(packed)),
        constraint=constraint,
    )
