"""The memory budget: one place, one number, in bytes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

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
        If ``n_bytes`` is under 1 MiB.

    Examples
    --------
    >>> import unmix as um
    >>> with um.config.memory_budget(256 << 20):
    ...     um.config.current_budget()
    268435456
    """
    if n_bytes < 1 << 20:
        raise ParameterError(
            f"memory_budget is {n_bytes} bytes; expected at least {1 << 20} (1 MiB)"
        )
    token = _budget.set(int(n_bytes))
    try:
        yield
    finally:
        _budget.reset(token)


def current_budget() -> int:
    """Return the budget in bytes that holds here."""
    return _budget.get()


def tile_bytes(workers: int) -> int:
    """Return the working memory of each of ``workers`` tiles in flight."""
    return min(TILE_BYTES, max(1 << 18, current_budget() // (4 * workers)))
