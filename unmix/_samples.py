"""`Samples`: S(x, R), a lazy table of samples by features that knows its axes and its history."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from . import config, ops
from ._arrays import (
    as_float,
    from_host,
    is_array,
    is_cupy,
    is_numpy,
    namespace_name,
    namespace_of,
    to_host,
)
from ._axes import Axis, describe_axes, normal_slices
from ._binning import binned, crop_source
from ._errors import BackendError, DTypeError, FileError, ParameterError, ShapeError
from ._executors.work import leaf_of, reads_dask
from ._fold import fold, kept_rows, map_rows
from ._normalize import logarithm, scaler
from ._record import Record
from ._sources import (
    ArraySource,
    Mapped,
    Selected,
    Source,
    flat_rows,
    in_memory,
    stored_source,
    upload,
)
from ._stacked import stacked
from ._stored import new_array, stored
from ._tiles import Tile, as_block, plan_blocks
from ._typing import Array, HostArray, Namespace, Slices
from .layout import Layout


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Samples:
    """S(x, R): samples taken at positions x, each described by values at parameters R.

    Nothing is computed until somebody asks. Every method gives a new `Samples` that keeps axes,
    units and the shape of the map, and has one more step in its record.

    Parameters
    ----------
    source : Source
        Where the rows come from.
    layout : Layout
        Map axes and descriptor axes.
    record : Record
        What was done so far.
    nonnegative : bool, optional
        True where no value is below zero, False where some will be; None where it is not known.

    Examples
    --------
    >>> import numpy as np
    >>> import unmix as um
    >>> image = np.random.default_rng(0).random((64, 96), dtype=np.float32)
    >>> um.window_fft(um.sliding_windows(image, 16, 8))
    <Samples grid_y 7 x grid_x 11 (px) | k_y 16 x k_x 16 (1/px), float32, numpy>
    """

    source: Source
    layout: Layout
    record: Record
    nonnegative: bool | None = None

    def __repr__(self) -> str:
        """Return axes, dtype and namespace."""
        axes = describe_axes(self.layout.map_axes)
        if self.layout.descriptor_axes:
            axes += " | " + describe_axes(self.layout.descriptor_axes)
        dtype = str(self.dtype).removeprefix("torch.").removeprefix("array_api_strict.")
        name = self.xp.__name__.removeprefix("array_api_compat.")
        return f"<Samples {axes}, {dtype}, {name}>"

    def __array__(self, *_: Any, **__: Any) -> HostArray:
        """Refuse: a lazy table is computed by `to_array` alone."""
        raise BackendError("samples are no array until they are computed; call to_array()")

    @property
    def xp(self) -> Namespace:
        """The namespace of the rows."""
        return namespace_of(self.source.like)

    @property
    def dtype(self) -> Any:
        """The type that values are computed in."""
        like = self.source.like
        return like.dtype if self.is_complex else as_float(like).dtype

    @property
    def is_complex(self) -> bool:
        """Whether the values are complex."""
        return bool(self.xp.isdtype(self.source.like.dtype, "complex floating"))

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of the map axes and of the descriptor axes."""
        return self.layout.map_shape + self.layout.descriptor_shape

    @property
    def axes(self) -> tuple[Axis, ...]:
        """Map axes and descriptor axes."""
        return self.layout.map_axes + self.layout.descriptor_axes

    # -- reading -----------------------------------------------------------------------------------

    def plan(self, width: int = 0) -> list[Slices]:
        """Return the blocks of the map that are read one at a time.

        ``width`` numbers that are made of each sample have room in the memory of a tile, too.
        """
        row = max(self.layout.n_features, width) * 8
        n = config.tile_bytes() // max(self.source.bytes_per_sample, row, 1)
        blocks = plan_blocks(
            self.layout.map_shape,
            self.source.chunks,
            max(1, n),
            largest_chunk=n * (4 if str(self.dtype).endswith("32") else 2),
        )
        mask = self.layout.mask
        return [b for b in blocks if mask is None or mask[b].any()]

    def tile(self, where: Slices) -> Tile:
        """Read one block of the map."""
        rows = self.source.read(where, self.layout.kept(where))
        rows = rows if self.is_complex else as_float(rows)
        weights = None if self._holds_weighted else self.layout.weights(rows)
        if weights is not None:
            rows *= weights  # in place: rows that share features were just computed
        return Tile(where, rows, self.layout)

    @property
    def _holds_weighted(self) -> bool:
        return bool(getattr(self.source, "weighted", False))

    @property
    def _values(self) -> Source:
        """The source of unweighted values."""
        if not self._holds_weighted:
            return self.source
        layout = self.layout
        return Mapped(self.source, lambda rows: rows / layout.weights(rows))

    def tiles(self) -> Iterator[Tile]:
        """Read block after block."""
        self.source.prepare()
        return map(self.tile, self.plan())

    def table(self) -> Array:
        """Return all rows that take part, (n_samples, n_features), as decompositions see them.

        They are in the order of the samples' numbers in the whole map.
        """
        rows = map_rows(self, lambda r: r, self.layout.n_features, dtype=self.dtype)
        every = tuple(slice(0, n) for n in self.layout.map_shape)
        return flat_rows(rows, rows.ndim - 1, self.layout.kept(every))

    def rows(self, numbers: HostArray) -> Array:
        """Return the rows of single samples by their numbers in the whole map, (k, n_features).

        The tiles that hold them are read, so that they have the bits of every other pass.
        """
        self.source.prepare()
        places = np.unravel_index(numbers, self.layout.map_shape)
        read, asked = [], []
        for where in self.plan():
            within = [(p >= s.start) & (p < s.stop) for p, s in zip(places, where, strict=True)]
            inside = np.flatnonzero(np.all(within, axis=0))
            if len(inside):
                tile = self.tile(where)
                at = from_host(np.searchsorted(tile.numbers, numbers[inside]), tile.rows)
                read.append(self.xp.take(tile.rows, at, axis=0))
                asked.append(inside)
        rows = self.xp.concat(read, axis=0)
        return self.xp.take(rows, from_host(np.argsort(np.concatenate(asked)), rows), axis=0)

    def to_array(self) -> Array:
        """Return all values as one array.

        Returns
        -------
        array
            Shape (*map_shape, *descriptor_shape) in the namespace of the data, in its computing
            type: the full centred plane, unweighted, for spectra; NaN for samples and entries left
            out.
        """
        n = self.layout.n_features
        rows = map_rows(
            self.unweighted(), lambda r: r, n, dtype=self.dtype, label="computing samples"
        )
        flat = self.layout.unpack(self.xp.reshape(rows, (-1, n)), weighted=False)
        return self.xp.reshape(flat, self.shape)

    def on(self, device: str) -> Samples:
        """Compute on a GPU, to which blocks are sent as they are read.

        Parameters
        ----------
        device : {"cuda"}
            The current CUDA device. What is in memory or in a file goes there block by block,
            through pinned buffers, while the block before is computed: the table may be larger than
            its memory. Blocks of a dask array go to the device of the worker that computes them.

        Returns
        -------
        Samples
            The same samples; results are CuPy arrays.

        Raises
        ------
        BackendError
            If CuPy is not installed or there is no GPU, or the samples lie on another device.
        ParameterError
            If there is no such device.
        """
        if device != "cuda":
            raise ParameterError(f"device is {device!r}; expected 'cuda'")
        if is_cupy(self.xp):
            return self
        if not is_numpy(self.xp):
            raise BackendError(
                f"these samples are of {namespace_name(self.xp)}, which moves its arrays itself; "
                "move the array to the GPU before making samples of it"
            )
        return replace(
            self,
            source=self.source.rebuilt(upload),
            record=self.record.then("on", {"device": device}),
        )

    def keep(self, out: str | os.PathLike[str] | None = None) -> Samples:
        """Compute the table once and hold it in memory, or in a file.

        Parameters
        ----------
        out : path, optional
            A new ``.npy`` file: for data that is packed, or costly to describe, and larger than
            memory. It is a scratch copy, which is yours to remove. Default: in memory.

        Returns
        -------
        Samples
            The same samples; passes over them then cost no description.

        Raises
        ------
        FileError
            If ``out`` exists, cannot be written, or does not end in ``.npy``.
        """
        n = len(self.layout.map_axes)
        axes = tuple(range(n + 1))
        if out is None:
            rows = kept_rows(self)
            source = ArraySource(rows, axes, n, in_memory=in_memory(rows))
        else:
            source = stored_source(self._written(Path(out)), axes, n)
        source = replace(
            source,
            chunks=self.source.chunks,
            weighted=self.layout.multiplicity is not None,
            kept_from=self.source.bytes_per_sample,
        )
        return replace(self, source=source, record=self.record.then("keep", {}))

    def _written(self, path: Path) -> Any:
        """Write all rows to a new file, and return what is read from it."""
        if path.suffix != ".npy":
            raise FileError(f"out is {path}; expected a name that ends in .npy")
        if reads_dask(leaf_of(self.source)):
            raise BackendError(
                "these samples are of a dask array, whose rows keep() leaves where Dask computes; "
                "leave out= away"
            )
        axes = (*self.layout.map_axes, Axis.regular("feature", self.layout.n_features))
        dtype = str(self.dtype).rpartition(".")[2]

        def write(tile: Tile, _: None) -> None:
            array[tile.where] = to_host(as_block(tile))

        with new_array(path, dtype, axes, len(axes) - 1, ()) as array:
            fold(self, write, label="keeping samples")
        return stored(path)

    def unweighted(self) -> Samples:
        """Return the same rows without their weights, as plain features."""
        flat = Axis.regular("feature", self.layout.n_features)
        return replace(self, source=self._values, layout=self.layout.with_descriptor(flat))

    # -- choosing ----------------------------------------------------------------------------------

    def where(self, mask: Array) -> Samples:
        """Leave out the samples where ``mask`` is False.

        Parameters
        ----------
        mask : array of bool
            Shape of the map. Masks add up.

        Returns
        -------
        Samples
            The map keeps its shape; results hold NaN (labels: -1) where samples were left out.
        """
        host = self._mask(mask, self.layout.map_shape, "samples")
        both = host if self.layout.mask is None else host & self.layout.mask
        if not both.any():
            raise ShapeError("the mask leaves no sample; keep at least one")
        record = self.record.then("where", {"mask": host})
        return replace(self, layout=replace(self.layout, mask=both), record=record)

    def features(self, mask: Array) -> Samples:
        """Leave out the descriptor entries where ``mask`` is False.

        Parameters
        ----------
        mask : array of bool
            Shape of the descriptor (for spectra: of the full centred plane). Masks add up.

        Returns
        -------
        Samples
            The descriptor keeps its shape; components hold NaN where entries were left out.
        """
        host = self._mask(mask, self.layout.descriptor_shape, "descriptor entries")
        layout, features = self.layout.select_entries(host)
        return self._selected(None, (), layout, features, "features", {"mask": host})

    def _mask(self, mask: Array, shape: tuple[int, ...], what: str) -> HostArray:
        host = np.array(to_host(mask) if is_array(mask) else mask)  # theirs may change later
        if host.dtype != np.bool_ or host.shape != shape:
            raise ShapeError(
                f"the mask of {what} has shape {host.shape} and dtype {host.dtype}; "
                f"expected shape {shape} and bool"
            )
        return host

    def __getitem__(self, key: Any) -> Samples:
        """Slice by position, map axes before descriptor axes; a whole number drops its axis."""
        key = key if isinstance(key, tuple) else (key,)
        slices, dropped = normal_slices(key, self.shape)
        n = len(self.layout.map_axes)
        cropped = None
        if self.layout.index is None:
            cropped = crop_source(self.source, slices, dropped)
        layout = self.layout.select_map(slices[:n], tuple(i for i in dropped if i < n))
        features = None
        if self.layout.descriptor_axes:
            inner = tuple(i - n for i in dropped if i >= n)
            layout, features = layout.crop_entries(slices[n:], inner)
        if cropped is not None:
            record = self.record.then("__getitem__", {"key": key})
            return replace(self, source=cropped, layout=layout, record=record)
        return self._selected(
            slices[:n],
            tuple(i for i in dropped if i < n),
            layout,
            features,
            "__getitem__",
            {"key": key},
        )

    def to_descriptor(self, axis: str) -> Samples:
        """Make a map axis part of the descriptor: channels of one sample, or its frames.

        Parameters
        ----------
        axis : str
            A map axis, such as ``"channel"``: class maps of a network, HAADF and ABF.

        Returns
        -------
        Samples
            The other map axes; descriptor axes (axis, *descriptor axes). A sample takes part where
            it does at every entry of the axis.

        Raises
        ------
        ParameterError
            If there is no such map axis.
        ShapeError
            If it is the only one, or no sample takes part at every entry of it.

        Examples
        --------
        >>> import numpy as np
        >>> import unmix as um
        >>> both = um.samples(np.random.default_rng(0).random((2, 48, 48)), 3,
        ...     map_names=("channel", "y", "x"))
        >>> um.window_fft(um.sliding_windows(both, 16, 8), k_max=0.2).to_descriptor("channel")
        <Samples grid_y 5 x grid_x 5 (px) | channel 2 x k_y 7 x k_x 7 (1/px), float64, numpy>
        """
        return stacked(self, axis)

    def bin(self, *, how: str = "sum", **factors: int) -> Samples:
        """Bin axes by name: join neighbouring entries.

        Parameters
        ----------
        how : {"sum", "mean"}
            Add what is joined, or average it.
        **factors : int
            How many entries become one, such as ``det_y=2, det_x=2``. Entries at the end that do
            not fill a bin are left out; the record says how many.

        Returns
        -------
        Samples
            Coordinates are the centres of the bins. Values are in the computing type: float32 for
            integers of up to 16 bits, else float64, which no sum of them overflows.

        Raises
        ------
        ParameterError
            If there is no such axis, or a factor is no whole number from 1 to the axis' size.
        ShapeError
            If samples or entries are left out along the axes, or share features as those of spectra
            do.

        Examples
        --------
        >>> import numpy as np
        >>> import unmix as um
        >>> scan = um.samples(np.ones((8, 9, 32, 32), np.uint16), 2)
        >>> scan.bin(scan_x=2, det_y=4, det_x=4)
        <Samples scan_y 8 x scan_x 4 (px) | det_y 8 x det_x 8 (px), float32, numpy>
        """
        return binned(self, factors, how)

    def crop(self, **bounds: tuple[float, float]) -> Samples:
        """Crop axes by name to a range of their coordinates, both ends included.

        Parameters
        ----------
        **bounds : (float, float)
            Lowest and highest coordinate in the axis' unit, such as ``k_y=(-0.2, 0.2)``.

        Returns
        -------
        Samples
            The block.

        Raises
        ------
        ParameterError
            If there is no such axis, or a bound is no pair of numbers.
        ShapeError
            If no coordinate lies between the bounds, or those that do are no one block.
        """
        names = [a.name for a in self.axes]
        key = [slice(None)] * len(names)
        for name, bound in bounds.items():
            if name not in names:
                raise ParameterError(f"there is no axis {name!r}; there are {', '.join(names)}")
            try:
                low, high = (float(b) for b in bound)
            except (TypeError, ValueError):
                raise ParameterError(
                    f"{name} is {bound!r}; expected the lowest and the highest coordinate"
                ) from None
            values = self.axes[names.index(name)].values
            inside = np.flatnonzero((values >= low) & (values <= high))
            if not len(inside):
                raise ShapeError(
                    f"no coordinate of {name} lies in {low} to {high}; "
                    f"they reach from {values.min():g} to {values.max():g}"
                )
            if inside[-1] - inside[0] + 1 > len(inside):
                raise ShapeError(
                    f"the coordinates of {name} that lie in {low} to {high} are no one block, for "
                    "they go up and down; slice by position"
                )
            key[names.index(name)] = slice(int(inside[0]), int(inside[-1]) + 1)
        return self[tuple(key)]

    def _selected(
        self,
        slices: Slices | None,
        dropped: tuple[int, ...],
        layout: Layout,
        features: HostArray | None,
        operation: str,
        parameters: dict[str, Any],
    ) -> Samples:
        if features is not None and len(features) == self.layout.n_features:
            features = None
        source = Selected(self._values, slices, self.layout.map_shape, dropped, features)
        if slices is None:
            source = replace(source, chunks=self.source.chunks)
        record = self.record.then(operation, parameters)
        return replace(self, source=source, layout=layout, record=record)

    # -- changing values ---------------------------------------------------------------------------

    def transform(self, name: str, **options: float) -> Samples:
        """Change each value by itself.

        Parameters
        ----------
        name : {"log1p", "sqrt", "clip"}
            ``log1p``: log(1 + value / scale), linear far below the scale and logarithmic far above;
            ``sqrt``, which makes the noise of counts alike; ``clip``.
        **options : float
            ``low`` and ``high`` of ``clip``. ``scale`` of ``log1p``: above the noise, or the
            logarithm lifts the noise to the height of what is measured. Default: the root mean
            square of all values, for which one pass is made before the first block is read. Give a
            number where values of several data sets are compared.

        Returns
        -------
        Samples
            Zero stays zero (but for ``clip``). Values below zero (log1p: below -scale) are refused
            when they are read.

        Notes
        -----
        On spectra the transform acts on the amplitudes themselves, not on the packed half plane.
        A scale of one is that of counts of single events, a few in each entry. Amplitudes have the
        unit of the image: of one in millions of counts their noise is some thousands.

        Examples
        --------
        An image in thousands of counts gives what the same in counts gives:

        >>> import numpy as np
        >>> import unmix as um
        >>> counts = um.samples(np.random.default_rng(0).poisson(5.0, (8, 9, 20)), 2)
        >>> logs = counts.transform("log1p").to_array()
        >>> kilo = um.samples(counts.to_array() / 1000, 2).transform("log1p").to_array()
        >>> bool(np.allclose(logs, kilo))
        True
        """
        function, statistics = ops.transform(name, **options), None
        if name == "log1p" and "scale" not in options:
            function, statistics = logarithm(self)
        stays = True if name == "sqrt" else self.nonnegative
        if name == "clip":
            low, high = options.get("low"), options.get("high")
            raised = True if low is not None and low >= 0 else self.nonnegative
            stays = raised if high is None or high >= 0 else False
        return self._mapped(function, statistics, stays, "transform", {"name": name, **options})

    def normalize(self, kind: str, *, over: str = "sample") -> Samples:
        """Scale values by statistics of a sample, of a feature, of a frame or of all.

        Parameters
        ----------
        kind : {"minmax", "unit_sum", "unit_norm", "standard", "robust"}
            To the range 0 to 1; to a sum of one; to a root of the sum of squares of one; to mean
            zero and standard deviation one; to median zero and a distance of one between the
            quartiles, which a few outliers do not move. Constant values become zero (minmax,
            standard, robust) or stay; so does what has a sum of zero.
        over : {"sample", "feature", "all"} or the name of a map axis
            What is scaled by itself: of an axis, such as ``"frame"``, each of its entries. All but
            ``"sample"`` take one pass over the samples before the first block is read; ``"robust"``
            takes 13, so `keep` what is costly to describe.

        Returns
        -------
        Samples
            Statistics of spectra are those of the full plane. A quartile is the least value that
            as many do not exceed. Values below zero come of ``"standard"`` and ``"robust"``: `nmf`
            then refuses the samples, and `nfindr` warns.
        """
        function, statistics = scaler(self, kind, over)
        stays = True if kind == "minmax" else self.nonnegative
        if kind in ("standard", "robust"):
            stays = False
        return self._mapped(function, statistics, stays, "normalize", {"kind": kind, "over": over})

    def _mapped(
        self,
        function: Callable[..., Array],
        statistics: Callable[[Source], Any] | None,
        nonnegative: bool | None,
        operation: str,
        parameters: dict[str, Any],
    ) -> Samples:
        if self.is_complex:
            raise DTypeError(f"complex samples have no {operation}; take output='amplitude' first")
        cache: list[Any] | None = None if statistics is None else []
        source = Mapped(self._values, function, statistics, cache)
        record = self.record.then(operation, parameters)
        return replace(self, source=source, nonnegative=nonnegative, record=record)
