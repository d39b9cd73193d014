"""Dask arrays go through the same fold: the bits of the same tiles in memory, wherever they run."""

from __future__ import annotations

import threading
import warnings
from dataclasses import replace

import cloudpickle
import fakecupy
import numpy as np
import pytest
from methods import METHODS

import unmix as um
from unmix import _fold, config
from unmix._executors import tasks
from unmix.host import _blas

dask = pytest.importorskip("dask")
da = pytest.importorskip("dask.array")

CHUNKS = ((7, 13, 4), (9, 21, 3), (2, 6))
"""Not two alike, and the descriptor is cut too."""


@pytest.fixture
def small_tiles(monkeypatch):
    monkeypatch.setattr(config, "TILE_BYTES", 1 << 14)


def mixtures(shape=(24, 33), n_features=8):
    n = int(np.prod(shape))
    return um.synthetic.simplex_mixtures(n, 4, rng=1, n_features=n_features).samples.reshape(
        *shape, n_features
    )


def in_both(values, n_map=2, chunks=CHUNKS):
    """Return samples of a dask array and of an array in memory, with the same tiles."""
    lazy = um.samples(da.from_array(values, chunks=chunks), n_map)
    source = um.samples(values, n_map).source
    return lazy, um.Samples(
        source=replace(source, chunks=lazy.source.chunks),
        layout=lazy.layout,
        record=lazy.record,
        nonnegative=lazy.nonnegative,
    )


ANALYSES = {
    "values": lambda s: s.to_array(),
    "pca": lambda s: um.pca(s, 3).maps,
    "kmeans": lambda s: um.kmeans(s, 3, n_starts=2).labels,
    "nfindr": lambda s: um.nfindr(s, 4).abundances,
    "raw endmembers": lambda s: um.nfindr(s, 3, raw=True, average=3).endmembers,
    "abundances": lambda s: um.abundances(s, np.eye(4, s.shape[-1])).maps,
    "a projection": lambda s: um.pca(s, 2).project(s[3:, ::2]).maps,
    "labels of others": lambda s: um.kmeans(s, 3, n_starts=1).project(s[3:]).labels,
    "a block": lambda s: s[3:20:2, 5].to_array(),
    "some samples": lambda s: s.where(np.arange(792).reshape(24, 33) % 5 > 0).to_array(),
    "some entries": lambda s: s.features(np.arange(8) > 2).to_array(),
    "standardised": lambda s: s.normalize("standard", over="feature").to_array(),
    "scaled by all": lambda s: s.transform("sqrt").normalize("minmax", over="all").to_array(),
    "kept": lambda s: s.where(np.arange(792).reshape(24, 33) > 300).keep().to_array(),
    **METHODS,
}


LARGE = {"some samples", "kept", "a posterior"}
"""Masks of the whole map do go with the functions; and chains of many samples take long."""


@pytest.mark.parametrize("dtype", [np.float32, np.uint16])
@pytest.mark.parametrize("name", list(ANALYSES))
def test_has_the_bits_of_the_same_tiles_in_memory(small_tiles, name, dtype):
    values = mixtures()
    values = (values * (1 if dtype is np.float32 else 900)).astype(dtype)
    lazy, loaded = in_both(values)
    assert lazy.plan() == loaded.plan()
    assert len(lazy.plan()) >= 4
    got, expected = ANALYSES[name](lazy), ANALYSES[name](loaded)
    assert isinstance(got, np.ndarray)
    assert got.dtype == expected.dtype
    np.testing.assert_array_equal(got, expected)


def test_scores_that_passes_leave_behind_agree_to_rounding(small_tiles):
    """Where rows are computed again in every pass, scores are sums of what the passes saw."""
    lazy, loaded = in_both(mixtures())
    got, expected = (um.pca(s, 2, solver="randomized").maps for s in (lazy, loaded))
    np.testing.assert_allclose(got, expected, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("scheduler", ["synchronous", "threads"])
@pytest.mark.parametrize("edges", ["valid", "reflect", "periodic", "constant"])
def test_windows_read_the_pixels_around_their_tile(small_tiles, edges, scheduler):
    image = np.random.default_rng(0).random((61, 75), dtype=np.float32)

    def analysis(data):
        spectra = um.window_fft(um.sliding_windows(data, (9, 8), 3, edges=edges), k_max=0.3)
        return um.kmeans(spectra.normalize("minmax", over="all").transform("sqrt"), 3, n_starts=1)

    with dask.config.set(scheduler=scheduler):
        got = analysis(da.from_array(image, chunks=((20, 41), (33, 33, 9))))
    expected = analysis(image)
    np.testing.assert_array_equal(got.labels, expected.labels)
    np.testing.assert_array_equal(got.centers, expected.centers)
    assert got.layout.map_axes[0].same_as(expected.layout.map_axes[0])


class TestTiles:
    def test_are_whole_chunks_where_those_are_alike(self, small_tiles):
        samples, _ = in_both(mixtures(), chunks=(5, 12, 4))
        for rows, columns in samples.plan():
            assert rows.start % 5 == columns.start % 12 == 0
            assert rows.stop % 5 == 0 or rows.stop == 24
            assert columns.stop % 12 == 0 or columns.stop == 33

    def test_a_chunk_is_computed_once_in_a_pass(self, small_tiles):
        counts, lock = {}, threading.Lock()

        def load(block, block_info=None):
            with lock:
                place = block_info[0]["chunk-location"]
                counts[place] = counts.get(place, 0) + 1
            return block

        image = da.zeros((60, 70), chunks=30, dtype=np.float32).map_blocks(load, dtype=np.float32)
        counts.clear()
        windows = um.sliding_windows(image, 8, 2)
        assert len(windows.plan()) > 9
        um.fold(windows, lambda tile, _: len(tile.rows), lambda a, b: a + b)
        assert set(counts.values()) == {1}
        assert len(counts) == 6

    def test_no_array_in_memory_is_made_of_the_table(self, small_tiles):
        largest = []

        def update(tile, _):
            largest.append(tile.rows.nbytes)
            return len(tile.rows)

        samples, _ = in_both(mixtures((120, 66)), chunks=(30, 33, 8))
        n, _ = um.fold(samples, update, lambda a, b: a + b)
        assert n == 120 * 66
        assert max(largest) <= config.TILE_BYTES


class TestSamples:
    def test_keep_axes_units_and_a_fingerprint_that_computes_nothing(self):
        def never(block):
            raise AssertionError("it was computed")

        array = da.zeros((6, 4, 5), chunks=2, dtype=np.uint16).map_blocks(
            never, meta=np.empty((0, 0, 0), np.uint16)
        )
        samples = um.samples(array, 2, pitch=0.5, units=["nm", "nm", "eV"])
        assert repr(samples) == "<Samples scan_y 6 x scan_x 4 (nm) | bin 5 (eV), float32, numpy>"
        assert samples.nonnegative
        facts = samples.record.steps[0].run["data"]
        assert facts == {"shape": [6, 4, 5], "dtype": "uint16", "name": array.name}

    def test_of_equal_arrays_are_the_same(self):
        values = mixtures()
        a, b = (um.samples(da.from_array(values, chunks=9), 2) for _ in range(2))
        model = um.pca(a, 3)
        assert um.nfindr(b, 4, pca=model).volume > 0
        other = um.samples(da.from_array(values + 1, chunks=9), 2)
        with pytest.raises(um.ShapeError, match="fitted to other data"):
            um.nfindr(other, 4, pca=model)

    def test_refuse_nan_where_it_is_read(self, small_tiles):
        values = mixtures()
        values[17, 29, 3] = np.nan
        lazy = um.samples(da.from_array(values, chunks=CHUNKS), 2)
        with pytest.raises(um.DataError, match=r"1 values .* the first at \(17, 29, 3\)"):
            um.pca(lazy, 2)
        whole = lazy.where(np.arange(792).reshape(24, 33) != 17 * 33 + 29)
        assert np.isfinite(um.pca(whole, 2).components).all()
        image = um.sliding_windows(da.from_array(values[..., 3], chunks=11), 4, 2)
        with pytest.raises(um.DataError, match=r"the first at \(17, 29\)"):
            um.fold(um.window_fft(image), lambda tile, _: None)

    def test_refuse_types_without_numbers(self):
        with pytest.raises(um.DTypeError, match="complex64"):
            um.samples(da.zeros((4, 4), dtype=np.complex64), 1)


class TestFold:
    def test_previous_rows_and_rows_beside(self, small_tiles):
        lazy, loaded = in_both(mixtures())
        beside = np.arange(24 * 33.0).reshape(24, 33, 1)
        results = []
        for samples in (lazy, loaded):
            out = np.ones((24, 33, 2), np.float32)

            def update(tile, previous, factor, own):
                return own.sum(), previous * factor + own + tile.rows[:, :2]

            for _ in range(2):
                total, _ = um.fold(
                    samples,
                    update,
                    lambda a, b: a + b,
                    state=(3.0, _fold.PerSample(beside)),
                    out=out,
                )
            assert total == beside.sum()
            results.append(out)
        np.testing.assert_array_equal(*results)

    def test_a_merge_may_change_its_first_part(self, small_tiles):
        samples, _ = in_both(mixtures())

        def merge(a, b):
            a += b
            return a

        held = da.from_array(mixtures(), chunks=CHUNKS).persist()
        samples = um.samples(held, 2)
        for _ in range(2):
            found, _ = um.fold(samples, lambda tile, _: tile.rows[0], merge)
        first = [mixtures()[b[0].start, b[1].start] for b in samples.plan()]
        np.testing.assert_allclose(found, np.sum(first, axis=0), rtol=1e-6)
        np.testing.assert_array_equal(held.compute(), mixtures())

    def test_blas_has_one_thread_in_a_task_and_all_of_them_afterwards(self, small_tiles):
        def blas():
            return {i["num_threads"] for i in _blas._controller().info() if i["user_api"] == "blas"}

        samples, _ = in_both(mixtures())
        before = blas()
        seen, _ = um.fold(samples, lambda tile, _: blas(), lambda a, b: a | b)
        assert seen <= {1}
        assert blas() == before

    @pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
    def test_an_error_ends_the_pass(self, small_tiles, error):
        ran = []

        def update(tile, _):
            ran.append(1)
            if len(ran) == 3:
                raise error("stop")
            return 1

        samples, _ = in_both(mixtures((200, 33)), chunks=(5, 33, 8))
        with pytest.raises(error), dask.config.set(scheduler="synchronous"):
            um.fold(samples, update, lambda a, b: a + b)
        assert len(ran) == 3
        assert not _blas.one_blas_thread()._inside

    def test_rows_are_written_as_they_come(self, small_tiles):
        out, seen = np.zeros((24, 33, 1), np.float32), []

        def update(tile, _):
            seen.append(int((out != 0).sum()))
            return None, tile.rows[:, :1] + 1

        samples, _ = in_both(mixtures())
        with dask.config.set(scheduler="synchronous"):
            um.fold(samples, update, out=out)
        assert (out >= 1).all()
        assert 0 < seen[-1] < out.size


class TestSending:
    """What goes to the workers of a cluster: checked by its size, without one."""

    @pytest.fixture
    def sent(self, monkeypatch):
        sizes = []
        of = tasks.Sent.of.__func__

        def noted(cls, given, leaf):
            found = of(cls, given, leaf)
            sizes.append(len(cloudpickle.dumps(found)))
            return found

        monkeypatch.setattr(tasks.Sent, "of", classmethod(noted))
        return sizes

    @pytest.mark.parametrize("name", sorted({*ANALYSES} - LARGE))
    def test_no_array_of_the_map_goes_with_the_functions(self, sent, name):
        values = np.tile(mixtures((24, 33)), (16, 16, 1))  # 200 thousand samples, 6.5 MB
        samples = um.samples(da.from_array(values, chunks=(96, 132, 8)), 2)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            ANALYSES[name](samples)
        assert sent
        assert max(sent) < 40_000

    def test_rows_of_the_last_pass_go_only_to_who_reads_them(self):
        assert tasks._sees_previous(lambda tile, previous, state: None)
        assert not tasks._sees_previous(lambda tile, _, state: None)


class TestKeeping:
    def counted(self, shape=(24, 33, 8)):
        counts = []

        def load(block):
            counts.append(1)
            return block

        array = da.from_array(mixtures(shape[:2]), chunks=12).map_blocks(load, dtype=np.float64)
        counts.clear()
        return array, counts

    def test_an_array_that_fits_is_computed_once_by_a_method_of_many_passes(self):
        array, counts = self.counted()
        um.kmeans(um.samples(array, 2), 3)
        assert len(counts) == array.npartitions

    def test_the_image_is_kept_where_its_windows_do_not_fit(self):
        counts = []

        def load(block):
            counts.append(1)
            return block

        image = np.random.default_rng(0).random((160, 160))
        array = da.from_array(image, chunks=80).map_blocks(load, dtype=np.float64)
        counts.clear()
        spectra = um.window_fft(um.sliding_windows(array, 16, 2))
        with config.memory_budget(1 << 20):
            um.kmeans(spectra, 3, max_iter=2, n_starts=1)
        assert len(counts) == 4

    def test_the_cost_is_told_where_nothing_fits(self):
        values = np.tile(mixtures(), (6, 6, 1))
        samples = um.samples(da.from_array(values, chunks=(72, 66, 8)).map_blocks(np.abs), 2)
        with (
            config.memory_budget(1 << 20),
            pytest.warns(UserWarning, match=r"array of .* does not fit .* up to 7 passes .* tasks"),
        ):
            um.kmeans(samples, 3, max_iter=2, n_starts=1)

    def test_what_is_held_already_is_not_held_again(self):
        held = da.from_array(mixtures(), chunks=CHUNKS).persist()
        samples = um.samples(held, 2)
        assert tasks.kept_if_workers_hold_it(samples, samples.source, 2) is samples

    def test_keep_leaves_the_chunks_with_dask(self, small_tiles):
        lazy, loaded = in_both(mixtures())
        kept = lazy.keep()
        assert isinstance(kept.source.array, da.Array)
        assert tasks._is_held(kept.source.array)
        assert kept.plan() == lazy.plan()
        np.testing.assert_array_equal(um.pca(kept, 2).maps, um.pca(loaded.keep(), 2).maps)
        image = np.random.default_rng(0).random((40, 50))
        spectra = um.window_fft(um.sliding_windows(da.from_array(image, chunks=20), 8, 4))
        again = spectra.keep()
        np.testing.assert_allclose(again.to_array(), spectra.to_array(), rtol=1e-12)
        np.testing.assert_array_equal(again.table(), spectra.table())


@pytest.mark.kernels
def test_chunks_on_a_gpu_take_its_routes(small_tiles):
    values = mixtures().astype(np.float32)
    with fakecupy.installed() as cupy, fakecupy.watched() as watch:
        array = da.from_array(values, chunks=CHUNKS).map_blocks(cupy.asarray, meta=cupy.empty(0))
        chunked = um.samples(array, 2)
        moved = um.samples(da.from_array(values, chunks=CHUNKS), 2).on("cuda")
        models = [um.kmeans(s, 3, n_starts=1, max_iter=5) for s in (chunked, moved)]
        for model in models:
            assert isinstance(model.labels, cupy.ndarray)
        labels = [model.labels.get() for model in models]
    expected = um.kmeans(values.reshape(-1, 8), 3, n_starts=1, max_iter=5).labels
    for found in labels:
        np.testing.assert_array_equal(found.ravel(), expected)
    assert watch.launches


class TestOpen:
    def test_a_file_as_a_dask_array(self, tmp_path):
        h5py = pytest.importorskip("h5py")
        values = mixtures().astype(np.float32)
        with h5py.File(tmp_path / "a.h5", "w") as file:
            file.create_dataset("scan", data=values, chunks=(6, 11, 8))
        path = f"{tmp_path / 'a.h5'}::/scan"
        lazy, plain = (um.open(path, axes="y x | bin", chunks=c) for c in ((12, 11, 8), None))
        assert lazy.source.array.chunks == ((12, 12), (11, 11, 11), (8,))
        assert lazy.record == plain.record
        np.testing.assert_array_equal(lazy.to_array(), values)
        np.testing.assert_allclose(um.pca(lazy, 2).maps, um.pca(plain, 2).maps, atol=1e-5)

    def test_opens_the_file_itself_where_it_is_sent(self, tmp_path):
        np.save(tmp_path / "a.npy", mixtures())
        samples = um.open(tmp_path / "a.npy", axes="y x | bin", chunks="auto")
        (data,) = (v for v in dict(samples.source.array.dask).values() if hasattr(v, "reader"))
        sent = cloudpickle.loads(cloudpickle.dumps(data))
        assert len(cloudpickle.dumps(data)) < 2000
        assert sent._array is None
        np.testing.assert_array_equal(sent[3:5, 2], mixtures()[3:5, 2])

    def test_refuses_chunks_that_do_not_fit(self, tmp_path):
        np.save(tmp_path / "a.npy", mixtures())
        with pytest.raises(um.ParameterError, match=r"chunks is \(3, 3\), which dask does not tak"):
            um.open(tmp_path / "a.npy", axes="y x | bin", chunks=(3, 3))

    def test_says_that_dask_is_missing(self, tmp_path, monkeypatch):
        np.save(tmp_path / "a.npy", mixtures())
        monkeypatch.setitem(__import__("sys").modules, "dask.array", None)
        with pytest.raises(um.FileError, match=r"needs dask, .* pip install \"unmix\[dask\]\""):
            um.open(tmp_path / "a.npy", axes="y x | bin", chunks="auto")
