"""Operators and plain methods of the array: NumPy's, for device arrays and scalars alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .array import elementwise, ndarray, plain, quiet, wrap
from .device import waited

ARITHMETIC = {
    "add": "add",
    "sub": "subtract",
    "mul": "multiply",
    "truediv": "true_divide",
    "floordiv": "floor_divide",
    "mod": "remainder",
    "pow": "power",
    "matmul": "matmul",
    "and": "bitwise_and",
    "or": "bitwise_or",
    "xor": "bitwise_xor",
    "lshift": "left_shift",
    "rshift": "right_shift",
}
COMPARISONS = {"lt": "less", "le": "less_equal", "eq": "equal", "ne": "not_equal"}
COMPARISONS |= {"gt": "greater", "ge": "greater_equal"}
UNARY = {"neg": "negative", "pos": "positive", "abs": "absolute", "invert": "invert"}
METHODS = "all any argmax argmin argsort clip conj conjugate copy cumprod cumsum diagonal dot fill "
METHODS += "flatten max mean min nonzero prod ravel repeat reshape round sort squeeze std sum "
METHODS += "swapaxes trace transpose var view"


def unary(ufunc: Any) -> Callable[..., Any]:
    """Return ``op a``."""
    return lambda self: elementwise(ufunc, self)


def binary(ufunc: Any) -> Callable[..., Any]:
    """Return ``a op b``."""
    return lambda self, other: elementwise(ufunc, self, other)


def reflected(ufunc: Any) -> Callable[..., Any]:
    """Return ``b op a``."""
    return lambda self, other: elementwise(ufunc, other, self)


def in_place(ufunc: Any) -> Callable[..., Any]:
    """Return ``a op= b``."""
    return lambda self, other: elementwise(ufunc, self, other, out=self)


def method(name: str) -> Callable[..., Any]:
    """Return a method of NumPy's arrays."""

    def call(self: ndarray, *args: Any, **options: Any) -> Any:
        if name == "nonzero":
            waited(name)
        given = {key: plain(value) for key, value in options.items()}
        with quiet():
            return wrap(getattr(self._memory, name)(*map(plain, args), **given))

    return call


for _name, _ufunc in (ARITHMETIC | COMPARISONS).items():
    setattr(ndarray, f"__{_name}__", binary(getattr(np, _ufunc)))
for _name, _ufunc in ARITHMETIC.items():
    setattr(ndarray, f"__r{_name}__", reflected(getattr(np, _ufunc)))
    if _name != "matmul":
        setattr(ndarray, f"__i{_name}__", in_place(getattr(np, _ufunc)))
for _name, _ufunc in UNARY.items():
    setattr(ndarray, f"__{_name}__", unary(getattr(np, _ufunc)))
for _name in METHODS.split():
    setattr(ndarray, _name, method(_name))
