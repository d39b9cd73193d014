"""Cross-validation of a low-rank model: blocks of a table are held out and predicted."""

from __future__ import annotations

import numpy as np

from .._arrays import generator
from .._typing import HostArray
from .rank import MOST_EXACT
from .svd import randomized_svd

HALVINGS = 3
"""Ways of cutting a table into four blocks; each block is held out once."""

EPS = 1e-12
"""Singular values under this part of the largest are none."""


def bicross_validation(table: HostArray, most: int, *, key: int = 0) -> HostArray:
    """Errors of predicting held-out blocks of a table by 0 to ``most`` components of the rest.

    Parameters
    ----------
    table : numpy.ndarray
        (n, f), centred, at least 2 x 2.
    most : int
        Most components; there are at most half as many as samples or features.
    key : int
        Key of the halves.

    Returns
    -------
    numpy.ndarray
        (blocks, components + 1): squared errors in parts of the table's squares.

    Notes
    -----
    Owen and Perry, Ann. Appl. Stat. 3, 564 (2009), eq. 3.3 and 3.4: each half of the samples by
    each half of the features is held out in turn, for several ways of halving. A block A beside B
    and above C is predicted from those and the k leading singular triplets of D, which shares
    neither samples nor features with it: B D_k^+ C.

    Examples
    --------
    >>> import numpy as np
    >>> import unmix as um
    >>> rng = np.random.default_rng(0)
    >>> table = rng.normal(size=(60, 1)) @ rng.normal(size=(1, 40)) + rng.normal(size=(60, 40)) / 5
    >>> um.ops.fewest_components(um.ops.bicross_validation(table, 3))
    1
    """
    draw = generator(key, 4)
    n_values = min(most, table.shape[0] // 2, table.shape[1] // 2)
    errors = []
    for _ in range(HALVINGS):
        (top, bottom), (left, right) = (np.array_split(draw.permutation(n), 2) for n in table.shape)
        for rows, others in ((top, bottom), (bottom, top)):
            for columns, rest in ((left, right), (right, left)):
                u, s, vt = _triplets(table[np.ix_(others, rest)], n_values, key)
                inverse = np.divide(1, s, out=np.zeros_like(s), where=s > EPS * s[0])
                aside = table[np.ix_(rows, rest)] @ vt.T * inverse
                below = u.T @ table[np.ix_(others, columns)]
                errors.append(_errors(table[np.ix_(rows, columns)], aside, below))
    return np.asarray(np.asarray(errors) / np.sum(table**2))


def _triplets(table: HostArray, n_values: int, key: int) -> tuple[HostArray, ...]:
    """Leading singular triplets."""
    if min(table.shape) > MOST_EXACT:
        return randomized_svd(table, n_values, key=key)
    u, s, vt = np.linalg.svd(table, full_matrices=False)
    return u[:, :n_values], s[:n_values], vt[:n_values]


def _errors(held: HostArray, aside: HostArray, below: HostArray) -> list[float]:
    """Squared errors when ``held`` is predicted by none, one, two ... of the products."""
    errors = [float(np.sum(held**2))]
    for column, row in zip(aside.T, below, strict=True):
        held = held - column[:, None] * row
        errors.append(float(np.sum(held**2)))
    return errors


def fewest_components(errors: HostArray) -> int:
    """Find the simplest model that is no worse than the best by more than one standard error.

    Parameters
    ----------
    errors : numpy.ndarray
        (blocks, components + 1), at least two blocks.

    Returns
    -------
    int
        Breiman, Friedman, Olshen and Stone, Classification and Regression Trees (1984), 3.4.3; the
        standard error is that of the difference.
    """
    excess = errors - errors[:, [int(np.argmin(np.mean(errors, axis=0)))]]
    unsure = np.std(excess, axis=0, ddof=1) / np.sqrt(len(errors))
    return int(np.argmax(np.mean(excess, axis=0) <= unsure))
