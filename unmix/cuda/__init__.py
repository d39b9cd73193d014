"""Twins of `unmix.ops` for CuPy arrays; the only package that imports cupy."""
