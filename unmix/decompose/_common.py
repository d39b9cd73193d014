"""What every decomposition does at its beginning and end."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import numpy as np

from .. import config
from .._arrays import from_host, is_array, namespace_of, require_finite, require_real
from .._errors import BackendError, ParameterError, ShapeError
from .._executors.tasks import kept_if_workers_hold_it
from .._executors.work import leaf_of, reads_dask
from .._samples import Samples
from .._sources import ArraySource, Selected, Source
from .._typing import Array
from .._unmixing import Unmixing


def whole_number(value: Any, least: int, most: int, what: str, why: str) -> int:
    """Return ``value`` as an int, or say what it should have been."""
    is_whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not is_whole or not least <= value <= most:
        raise ParameterError(
            f"{what} is {value!r}; expected a whole number from {least} to {most} ({why})"
        )
    return int(value)


def require_reading(library: str, module: str, what: str) -> None:
    """Raise if a library is missing that reads maps."""
    if find_spec(module) is None:
        raise BackendError(
            f'{what} need {library}, which is not installed: pip install "unmix[reading]"'
        )


def rows_are_at_hand(source: Source) -> bool:
    """Tell whether rows lie in memory as they are, so that nothing is gained by keeping them."""
    if isinstance(source, Selected):
        return source.features is None and rows_are_at_hand(source.parent)
    return isinstance(source, ArraySource) and source.in_memory


def reads_as_stored(source: Source) -> bool:
    """Tell whether rows are read from a file that holds them as they are.

    The system holds what was read of it in its page cache, so that a copy would gain nothing.
    """
    if isinstance(source, Selected):
        return reads_as_stored(source.parent)
    if not isinstance(source, ArraySource):
        return False
    return isinstance(source.array, np.memmap) or not getattr(source.array, "packed", True)


def not_negative(value: Any, what: str) -> float:
    """Return ``value`` as a float, or say what it should have been."""
    is_real = isinstance(value, (int, float, np.integer, np.floating))
    if not is_real or not value >= 0:
        raise ParameterError(f"{what} is {value!r}; expected zero or more")
    return float(value)


def require_noise(noise: Any) -> None:
    """Raise unless the noise is one that decompositions know."""
    if noise not in (None, "poisson"):
        raise ParameterError(f"noise is {noise!r}; expected None or 'poisson'")


def signed_since(samples: Samples) -> str | None:
    """Return the step that left values below zero, or None where none is known to have."""
    if samples.nonnegative is not False:
        return None
    steps = [s for s in samples.record.steps if s.operation in ("normalize", "transform")]
    options = ", ".join(f"{k}={v!r}" for k, v in steps[-1].parameters.items()) if steps else ""
    return f"{steps[-1].operation}({options})" if steps else "they were made"


def kept_if_it_fits(samples: Samples, passes: int) -> Samples:
    """Hold the table in memory for a method with many passes, where the budget allows it.

    The tiles stay those of the samples that were given, and so do all the bits of the answer. A
    dask array is kept on its workers; who asks for more than they hold is told what it costs.
    """
    if rows_are_at_hand(samples.source) or reads_as_stored(samples.source):
        return samples
    leaf = leaf_of(samples.source)
    if reads_dask(leaf):
        return kept_if_workers_hold_it(samples, leaf, passes)
    size = samples.layout.n_samples * samples.layout.n_features * 8
    return samples.keep() if size <= config.current_budget() else samples


def packed_endmembers(
    endmembers: Unmixing | Array, samples: Samples, what: str = "the endmembers"
) -> Array:
    """Take endmembers or centres, of a model or an array, as rows like those of tiles."""
    if isinstance(endmembers, Unmixing):
        endmembers.require_same_description(samples)
        endmembers = endmembers.components
    if not is_array(endmembers):
        raise BackendError(
            f"expected {what} as a model or an array, but got {type(endmembers).__name__}; "
            "wrap it with numpy.asarray"
        )
    xp = namespace_of(endmembers, samples.source.like)
    expected = samples.layout.descriptor_shape
    if tuple(endmembers.shape[1:]) != expected:
        raise ShapeError(
            f"{what} have shape {tuple(endmembers.shape)}; expected (k, "
            f"{', '.join(map(str, expected))}): one full descriptor each"
        )
    left_out = None if samples.layout.index is None else samples.layout.index < 0
    used = require_real(endmembers, what)
    if left_out is not None:  # what is left out may hold NaN, as components do
        used = xp.where(from_host(left_out, used), xp.zeros_like(used), used)
    require_finite(used, what)
    return samples.layout.pack(xp.astype(endmembers, samples.dtype))
