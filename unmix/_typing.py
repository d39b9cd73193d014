"""Names for the types that the whole library speaks of."""

from typing import Any, TypeAlias

import numpy as np

Array: TypeAlias = Any
"""An array of any namespace that follows the Array API standard."""

Namespace: TypeAlias = Any
"""The module that an array's functions live in (``numpy``, ``cupy``, ``torch`` ...)."""

HostArray: TypeAlias = np.ndarray[Any, Any]
"""A NumPy array: geometry, masks, coordinates and small results live on the host."""

RNG: TypeAlias = int | np.random.Generator
"""What a user gives as ``rng``: a whole number or a generator."""

Slices: TypeAlias = tuple[slice, ...]
"""One slice per map axis."""
