"""What of overlapping windows is independent, which the rules of `unmix.rank` take for granted."""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np

from .._arrays import to_host
from .._samples import Samples
from ._vertices import host_rows
from .pca import pca

LEAST_WINDOWS = 9
"""Windows that do not overlap, below which all are looked at."""

SPREAD = 3
"""Frequencies that a taper of a cosine mixes: noise of every third is independent."""

LEAST_FEATURES = 32
"""Of a spectrum, below which all are looked at."""

LEAKAGE = 5e-3
"""Variance of one component, in parts of the power of the mean, that windows of one lattice may
have from where they lie in it: tails of its spots add up differently. They have up to 4.3e-3 where
it repeats every 5 pixels, and 1.9e-3 from 6 pixels on."""


class Independent(NamedTuple):
    """What the rules look at."""

    samples: Samples
    whole: Samples | None
    """The same windows with all frequencies, where these are amplitudes of spectra as they came."""
    note: str


def independent(samples: Samples) -> Independent:
    """Take windows side by side, and of spectra every third frequency; say what was taken."""
    grid = samples.layout.windows
    if grid is None:
        return Independent(samples, None, "")
    apart = [-(-w // s) for w, s in zip(grid.window, grid.step, strict=True)]
    if max(apart) == 1:
        return Independent(samples, None, "")
    lead = (slice(None),) * (len(samples.layout.map_axes) - 2)
    # centred: of what is left over at the borders there is as much on both sides
    starts = [(n - 1) % a // 2 for n, a in zip(samples.layout.map_shape[-2:], apart, strict=True)]
    chosen = (*lead, *(slice(i, None, a) for i, a in zip(starts, apart, strict=True)))
    kept = samples.layout.mask
    kept = np.ones(samples.layout.map_shape, dtype=bool) if kept is None else kept
    size = int(np.sum(kept[chosen]))
    if size < LEAST_WINDOWS:
        warnings.warn(
            f"only {size} of the windows do not overlap: rules count the noise that the others "
            "share; take smaller windows, or a larger image",
            stacklevel=3,
        )
        return Independent(samples, None, "")
    note = f"windows that do not overlap: every {apart[0]} x {apart[1]}"
    whole = samples[chosen]
    if [a.name for a in samples.layout.descriptor_axes] != ["k_y", "k_x"]:
        return Independent(whole, None, note)
    steps = {step.operation for step in samples.record.steps}
    known = None if steps & {"transform", "normalize"} else whole  # else no power to compare with
    third = [np.arange(n) % SPREAD == n // 2 % SPREAD for n in samples.layout.descriptor_shape]
    entries = np.logical_and.outer(*third)
    left = samples.layout.index
    if np.sum(entries if left is None else entries & (left >= 0)) < LEAST_FEATURES:
        return Independent(whole, known, note)
    taken = samples.features(entries)[chosen]
    return Independent(taken, known, f"{note}, every {SPREAD}rd frequency")


def above_leakage(whole: Samples, most: int, key: int) -> int:
    """Count the components, up to ``most``, that windows of one lattice alone cannot have."""
    model = pca(whole, most, rng=key)
    _, mean = host_rows(model)
    variances = to_host(model.explained_variance).astype(float)
    return int(np.sum(variances > LEAKAGE * np.sum(mean**2)))
