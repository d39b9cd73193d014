"""Every backend that the tests run on, variants included, as one Enum."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from importlib import import_module
from typing import Any

import array_api_compat
import fakecupy
import numpy as np


class Backend(Enum):
    """A namespace, and how its arrays are made for a test."""

    NUMPY = "numpy"
    NUMPY_READONLY = "numpy:readonly"
    """Arrays that refuse to be written to: no function may change its input."""
    STRICT = "array_api_strict"
    STRICTEST = "array_api_strict:strictest"
    """No boolean indexing, no data-dependent shapes, no fft and linalg extensions."""
    TORCH = "torch"
    CUPY = "cupy"
    EMULATED = "cupy:emulated"
    """A strict stand-in for CuPy, whose kernels run on the processor."""

    @property
    def module(self) -> str:
        """Name of the library."""
        return self.value.partition(":")[0]

    @property
    def xp(self) -> Any:
        """The Array API namespace."""
        if self.module == "array_api_strict":
            return import_module(self.module)
        return import_module(f"array_api_compat.{self.module}")

    def asarray(self, values: Any, dtype: Any = None) -> Any:
        """Make an array of this backend of anything that NumPy takes."""
        values = np.array(values, dtype=dtype)
        if self.module == "numpy":
            values.flags.writeable = self is not Backend.NUMPY_READONLY
            return values
        return self.xp.asarray(values)

    @staticmethod
    def numpy(array: Any) -> np.ndarray[Any, Any]:
        """Bring an array of any backend to NumPy."""
        if isinstance(array, np.ndarray):
            return array
        if hasattr(array, "get"):
            return np.asarray(array.get())
        return np.from_dlpack(array)

    def owns(self, array: Any) -> bool:
        """Tell whether an array is one of this backend."""
        return array_api_compat.array_namespace(array) is array_api_compat.array_namespace(
            self.asarray([0.0])
        )

    @contextmanager
    def flags(self) -> Iterator[None]:
        """Make the namespace as strict as this variant asks."""
        if self is Backend.EMULATED:
            with fakecupy.installed():
                yield
            return
        if self is not Backend.STRICTEST:
            yield
            return
        strict = import_module("array_api_strict")
        with strict.ArrayAPIStrictFlags(
            boolean_indexing=False, data_dependent_shapes=False, enabled_extensions=()
        ):
            yield
