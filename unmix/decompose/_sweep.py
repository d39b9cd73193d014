"""One method with several numbers of components."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from inspect import signature
from typing import Any, TypeVar

from .._door import as_table
from .._errors import ParameterError
from .._samples import Samples
from .._typing import Array
from .._unmixing import Unmixing
from ._common import kept_if_it_fits
from .pca import pca

Model = TypeVar("Model", bound=Unmixing)


def sweep(
    fit: Callable[..., Model], samples: Samples | Array, numbers: Sequence[int], **options: Any
) -> list[Model]:
    """Fit a method with several numbers of components, and compute what comes before it once.

    Parameters
    ----------
    fit : callable
        `nmf`, `nfindr`, `kmeans` or any other ``fit(samples, n, **options)``.
    samples : Samples or array
        Described samples, or a table (sample, feature).
    numbers : sequence of int
        Numbers of components, such as ``range(3, 9)``.
    **options
        For each fit.

    Returns
    -------
    list
        A model for each number.

    Raises
    ------
    ParameterError
        If there are no numbers.

    Notes
    -----
    The table is kept in memory where the budget allows it, so that windows are cut and described
    once; for a larger one call ``samples.keep(out="table.npy")`` before. Methods that take a
    ``pca`` get one with as many components as the largest number needs, unless it is given.

    Examples
    --------
    >>> import numpy as np
    >>> import unmix as um
    >>> image = np.random.default_rng(0).random((64, 64))
    >>> models = um.sweep(um.nmf, um.window_fft(um.sliding_windows(image, 16, 8)), range(2, 5))
    >>> [len(model) for model in models]
    [2, 3, 4]
    """
    counts = list(numbers)
    if not counts:
        raise ParameterError("numbers is empty; expected at least one number of components")
    described = as_table(samples)
    table = kept_if_it_fits(described, len(counts))
    if "pca" in signature(fit).parameters and "pca" not in options:
        most = min(table.layout.n_features, table.layout.n_samples - 1)
        options["pca"] = pca(table, min(max(counts), most), rng=options.get("rng", 0))
    return [fit(table, n, **options) for n in counts]
