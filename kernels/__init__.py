"""CUDA sources, and what can be compiled of them; installed as ``unmix._kernels``.

The sources include nothing, so that a compiler with no CUDA headers is enough. `source` puts
``common.cuh`` in front of each, and ``#line`` keeps the numbers of lines true in messages.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

FLOATS = ("float", "double")


def _each(pattern: str, *values: object, types: tuple[str, ...] = FLOATS) -> tuple[str, ...]:
    """Fill a pattern in with every type and every value."""
    return tuple(pattern.format(t, v) for t in types for v in values or (None,))


COUNTS = ("unsigned char", "unsigned short", "float")
PIXELS = ("unsigned char", "unsigned short", "short", "half_bits", "float")

# File -> kernel template -> instances: all that is ever compiled. Append one entry per file.
ENTRY_POINTS: dict[str, dict[str, tuple[str, ...]]] = {
    "simplex.cu": {
        "simplex_search": _each("simplex_search<{}, {}>", 4, 8, 12, 16, 20, 24),
        "simplex_wide": _each("simplex_wide<{}>"),
        "simplex_finish": _each("simplex_finish<{}>"),
    },
    "kmeans.cu": {
        "kmeans_offsets": _each("kmeans_offsets<{}>"),
        "kmeans_fused": (
            *_each("kmeans_fused<{}, {}>", 4, 8, types=("float",)),
            *_each("kmeans_fused<{}, {}>", 4, types=("double",)),
        ),
        "kmeans_nearest": (
            *_each("kmeans_nearest<{}, {}>", 4, 8, types=("float",)),
            *_each("kmeans_nearest<{}, {}>", 4, types=("double",)),
        ),
        "kmeans_spread": _each("kmeans_spread<{}>"),
        "kmeans_spread_finish": _each("kmeans_spread_finish<{}>"),
        "kmeans_sums": _each("kmeans_sums<{}>"),
        "kmeans_total": ("kmeans_total",),
        "kmeans_count": ("kmeans_count",),
        "kmeans_place": ("kmeans_place",),
        "kmeans_segments": _each("kmeans_segments<{}>"),
        "kmeans_join": ("kmeans_join",),
        "kmeans_race": _each("kmeans_race<{}>"),
        "kmeans_race_finish": _each("kmeans_race_finish<{}>"),
    },
    "window_fft.cu": {
        "window_fft": _each("window_fft<{}>", types=PIXELS),
        "window_project": _each("window_project<{}>", types=PIXELS),
        "window_gather": (
            *_each("window_gather<{}, float>", types=PIXELS),
            "window_gather<double, double>",
        ),
        "spectrum_parts": _each("spectrum_parts<{}>"),
    },
    "sketch.cu": {
        "sketch_rows": _each("sketch_rows<{}, {}>", 16, 32, 64, types=COUNTS),
        "sketch_features": _each("sketch_features<{}, {}>", 16, 32, 64, types=COUNTS),
        "sketch_sum": _each("sketch_sum<{}>"),
    },
}


@cache
def source(file: str) -> str:
    """Return what is handed to the compiler: ``common.cuh`` and then ``file``."""
    if file not in ENTRY_POINTS:
        raise KeyError(f"there is no kernel file {file!r}; there are {', '.join(ENTRY_POINTS)}")
    folder = files(__name__)
    parts = []
    for name in ("common.cuh", file):
        text = folder.joinpath(name).read_text(encoding="utf-8")
        parts.append(f'#line 1 "{name}"\n{text}')
    return "\n".join(parts)


def instances(file: str) -> tuple[str, ...]:
    """Return every instance of every kernel of ``file``, in the order of `ENTRY_POINTS`."""
    return tuple(name for names in ENTRY_POINTS[file].values() for name in names)
