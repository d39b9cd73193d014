"""The memory budget: one place, one number, in bytes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from numbers import Real

from ._errors import ParameterError

DEFAULT_BUDGET = 2 << 30
"""Two GiB: what a laptop can spare beside the data."""

TILE_BYTES = 32 << 20
"""Working memory of one tile. A constant, so that the same call gives the same bits anywhere."""

_budget: ContextVar[int] = ContextVar("unmix_memory_budget", default=DEFAULT_BUDGET)


@contextmanager
def memory_budget(n_bytes: int) -> Iterator[None]:
    """Limit the working memory of the calls inside a ``with`` block.

    A budget decides whether an iterative method keeps a described table in memory or computes it
    again in every pass, and it can lower the size of a tile. It never raises it.

    Parameters
    ----------
    n_bytes : int
        Bytes beside the data that was given and the results that are returned; at least 1 MiB.

    Raises
    ------
    ParameterError
        If ``n_bytes`` is not a number, or under 1 MiB.

    Examples
    --------
    >>> import unmix as um
    >>> with um.config.memory_budget(256 << 20):
    ...     um.config.current_budget()
    268435456
    """
    if not isinstance(n_bytes, Real) or not 1 << 20 <= n_bytes < float("inf"):
        raise ParameterError(
            f"memory_budget is {n_bytes!r}; expected a number of bytes, at least {1 << 20} (1 MiB)"
        )
    token = _budget.set(int(n_bytes))
    try:
        yield
    finally:
        _budget.reset(token)


def current_budget() -> int:
    """Return the budget in bytes that holds here."""
    return _budget.get()


def tile_bytes() -> int:
    """Return the working memory of one tile, whatever the number of workers.

    An eighth of the budget at the most: two tiles in flight, and as much again for what is merged.
    """
    return min(TILE_BYTES, max(1 << 18, current_budget() // 8))


def tiles_in_flight() -> int:
    """Return how many tiles the budget has room for at a time."""
    return max(1, current_budget() // (4 * tile_bytes()))
