"""Pictures as files for papers: vectors or pixels, as wide as a column."""

from __future__ import annotations

import os
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from .._errors import FileError, ParameterError
from .._write import new_file
from ._style import require_matplotlib

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTHS = {"single": 86.0, "double": 178.0}
"""Of a column and of a page of most journals, in millimetres."""

METADATA: dict[str, dict[str, Any]] = {
    ".pdf": {"CreationDate": None},
    ".svg": {"Date": None},
    ".png": {},
}
"""Of each kind of file, without a date."""

MM = 1 / 25.4
"""Inches."""


def save(
    fig: Figure,
    path: str | os.PathLike[str],
    width: Literal["single", "double"] | float = "single",
    *,
    dpi: float = 600,
) -> None:
    """Write a picture as wide as a column of a journal, as vectors or as pixels.

    Parameters
    ----------
    fig : matplotlib.figure.Figure
        From any function of `unmix.plot`. It stays as it is.
    path : str or path-like
        Ends in ``.pdf`` or ``.svg``, for vectors, or in ``.png``. A file of this name is replaced,
        whole or not at all.
    width : {"single", "double"} or float
        One column, 86 mm, or two, 178 mm; or millimetres. The height follows, and letters keep
        their size in points, 7 to 9, so that panels are laid out anew around them.
    dpi : float
        Pixels per inch of a ``.png``, from 50 to 2400: 86 mm are 2031 pixels at 600.

    Raises
    ------
    ParameterError
        If the width or the dpi is none of these.
    FileError
        If the path ends otherwise, or cannot be written.

    Notes
    -----
    Letters stay letters (TrueType in a PDF, text in an SVG), which journals ask for; images in them
    keep their pixels. The same picture gives the same file.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> import unmix as um
    >>> figure = um.plot.scree(um.pca(np.random.default_rng(0).normal(size=(50, 6)), 4))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     um.plot.save(figure, Path(folder) / "scree.pdf", width="single")
    ...     (Path(folder) / "scree.pdf").read_bytes()[:5]
    b'%PDF-'
    """
    require_matplotlib()
    import matplotlib as mpl

    file = Path(path)
    kind = file.suffix.lower()
    if kind not in METADATA:
        raise FileError(
            f"cannot write a picture as {file}; expected a name that ends in .pdf or .svg, for "
            "vectors, or in .png"
        )
    wide = WIDTHS.get(width) if isinstance(width, str) else width
    if not isinstance(wide, (int, float)) or not 10 <= wide <= 1000:
        raise ParameterError(
            f"width is {width!r}; expected 'single', 'double' or millimetres from 10 to 1000"
        )
    if not isinstance(dpi, Real) or not 50 <= dpi <= 2400:
        raise ParameterError(f"dpi is {dpi!r}; expected pixels per inch from 50 to 2400")
    before = fig.get_size_inches()
    fonts: Any = {"pdf.fonttype": 42, "svg.fonttype": "none", "svg.hashsalt": "unmix"}
    try:
        fig.set_size_inches(wide * MM, wide * MM * before[1] / before[0])
        with mpl.rc_context(fonts), new_file(file) as stream:
            fig.savefig(stream, format=kind[1:], dpi=dpi, metadata=METADATA[kind])
    finally:
        fig.set_size_inches(*before)
