"""Quartiles of rows, and of columns that are only seen part by part."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .._arrays import from_host, namespace_of
from .._typing import Array, HostArray

FRACTIONS = (0.25, 0.5, 0.75)

GUESSES = 15
"""A pass leaves one sixteenth of where a quartile may be."""

PASSES = 12
"""After so many 2**-47 of the range is left, or nothing between two numbers."""


class Quartiles(NamedTuple):
    """The least values that a quarter, a half and three quarters of all do not exceed, float64."""

    low: Array
    middle: Array
    high: Array


def row_quartiles(rows: Array, counts: HostArray | None) -> Quartiles:
    """Quartiles of each row, (b, 1); ``counts`` says how often each feature counts."""
    xp = namespace_of(rows)
    if counts is not None:
        every = np.repeat(np.arange(rows.shape[1]), counts)
        rows = xp.take(rows, from_host(every, rows), axis=1)
    n = rows.shape[1]
    ordered = xp.astype(xp.sort(rows, axis=1), xp.float64)
    low, middle, high = (ordered[:, i : i + 1] for i in (_rank(q, n) - 1 for q in FRACTIONS))
    return Quartiles(low, middle, high)


def _rank(fraction: float, n: int) -> int:
    return max(1, int(np.ceil(fraction * n)))


class Bracket(NamedTuple):
    """Where the quartiles of columns lie: above ``low`` and at most at ``high``, (3, 1, f)."""

    low: Array
    high: Array

    @classmethod
    def of(cls, least: Array, greatest: Array) -> Bracket:
        """Begin with the extremes of the columns, (1, f)."""
        xp = namespace_of(least)
        shape = (3, *least.shape)
        # the least value may be a quartile itself
        return cls(xp.broadcast_to(2 * least - greatest, shape), xp.broadcast_to(greatest, shape))

    def guesses(self, dtype: object) -> Array:
        """Return values inside the brackets, (3, `GUESSES`, f), that ``dtype`` holds exactly."""
        xp = namespace_of(self.low)
        part = np.arange(1, GUESSES + 1)[None, :, None] / (GUESSES + 1)
        inside = self.low + (self.high - self.low) * from_host(part, self.low, xp.float64)
        return xp.astype(inside, dtype)

    def narrowed(self, guesses: Array, below: Array, n: Array) -> Bracket:
        """Return narrower brackets.

        Parameters
        ----------
        guesses : array
            As `guesses` gave them.
        below : array
            How many values are at most at each guess, (3, `GUESSES`, f), float64.
        n : array
            How many values there are, broadcasting against ``below``.
        """
        xp = namespace_of(below)
        at = xp.astype(guesses, xp.float64)
        fractions = from_host(np.asarray(FRACTIONS)[:, None, None], at, xp.float64)
        reached = below >= xp.clip(xp.ceil(fractions * n), 1, None)
        low = xp.max(xp.where(reached, self.low, at), axis=1, keepdims=True)
        high = xp.min(xp.where(reached, at, self.high), axis=1, keepdims=True)
        return Bracket(xp.maximum(low, self.low), xp.minimum(high, self.high))

    def quartiles(self) -> Quartiles:
        """Return the upper ends, (1, f) each."""
        return Quartiles(self.high[0, ...], self.high[1, ...], self.high[2, ...])


def count_below(rows: Array, guesses: Array) -> Array:
    """Count, for each column of ``rows`` (b, n), the values at most at each guess.

    ``guesses`` has shape (3, g, f), where f is n or 1; the counts (3, g, n) are float64.
    """
    xp = namespace_of(rows)
    flat = xp.reshape(guesses, (-1, guesses.shape[-1]))
    counts = [
        xp.sum(xp.astype(rows <= flat[i : i + 1, :], xp.float64), axis=0)
        for i in range(flat.shape[0])
    ]
    return xp.reshape(xp.stack(counts), (*guesses.shape[:2], rows.shape[1]))
