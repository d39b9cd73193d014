"""Tiles of host arrays stream through a GPU: on the stand-in, whose copies come late."""

from __future__ import annotations

import sys
import threading

import fakecupy
import numpy as np
import pytest

import unmix as um
from unmix import config
from unmix.cuda import uploads

pytestmark = pytest.mark.kernels


@pytest.fixture
def cupy(monkeypatch):
    monkeypatch.setattr(config, "TILE_BYTES", 1 << 13)
    with fakecupy.installed() as module:
        yield module


def values(dtype=np.float32):
    return (np.random.default_rng(0).random((19, 23, 12)) * 900).astype(dtype)


def column_sums(samples):
    return um.fold(samples, lambda t, _: samples.xp.sum(t.rows, axis=0), lambda a, b: a + b)[0]


class TestAnswers:
    @pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint16, ">f4", np.int32])
    def test_are_those_of_the_host(self, cupy, dtype):
        host = um.samples(values(dtype), 2)
        samples = host.on("cuda")
        assert len(samples.plan()) > 10
        assert repr(samples) == repr(host).replace("numpy", "cupy")
        found = samples.to_array()
        assert isinstance(found, cupy.ndarray)
        np.testing.assert_array_equal(found.get(), values(dtype))

    @pytest.mark.parametrize(
        "analysis",
        [
            lambda s: um.pca(s, 3).maps,
            lambda s: um.kmeans(s, 3, n_starts=1).labels,
            lambda s: um.nfindr(s, 4, n_starts=2).abundances,
            lambda s: s[2:17:3, 4].to_array(),
            lambda s: s.where(np.arange(437).reshape(19, 23) % 7 > 0).keep().to_array(),
            lambda s: s.normalize("standard", over="feature").to_array(),
        ],
    )
    def test_of_analyses_are_those_of_the_host(self, cupy, analysis):
        host = um.samples(values(), 2)
        expected = analysis(host)
        found = analysis(host.on("cuda"))
        assert isinstance(found, cupy.ndarray)
        np.testing.assert_allclose(found.get(), expected, rtol=1e-4, atol=1e-4)

    def test_of_windows_of_an_image(self, cupy):
        image = values()[..., 0].repeat(3, axis=0)

        def spectra(samples):
            windows = um.sliding_windows(samples, (6, 8), 3, edges="reflect")
            return column_sums(um.window_fft(windows))

        host = um.samples(image, 2)
        np.testing.assert_allclose(spectra(host.on("cuda")).get(), spectra(host), rtol=1e-5)

    def test_statistics_of_the_host_are_found_again_on_the_device(self, cupy):
        host = um.samples(values(), 2).normalize("minmax", over="all")
        expected = host.to_array()
        np.testing.assert_allclose(host.on("cuda").to_array().get(), expected, rtol=1e-5)

    def test_of_a_kept_table_and_single_rows(self, cupy):
        image = values()[..., 0]
        kept = um.window_fft(um.sliding_windows(image, 8, 2)).keep()
        numbers = np.asarray([5, 0, 11])
        moved = kept.on("cuda")
        np.testing.assert_array_equal(moved.rows(numbers).get(), kept.rows(numbers))
        np.testing.assert_array_equal(moved.table().get(), kept.table())

    def test_are_replayed(self, cupy):
        samples = um.samples(values(), 2).on("cuda")
        model = um.pca(samples, 2)
        again = um.Pipeline.from_record(model.record).run(values())
        np.testing.assert_array_equal(again.maps.get(), model.maps.get())
        assert samples.on("cuda") is samples


class TestPipeline:
    def test_waits_for_nothing_but_its_buffers_and_the_end(self, cupy):
        samples = um.samples(values(), 2).on("cuda")
        n = len(samples.plan())
        with fakecupy.watched() as watch:
            column_sums(samples)
        # each block waits until the one before it in its pinned buffer was copied
        assert sorted(watch.waits) == ["Event.synchronize"] * n + ["Stream.synchronize"] * 2

    def test_takes_two_buffers_of_the_device_however_many_tiles(self, cupy, monkeypatch):
        made = []
        slot = uploads._Slot

        def noted(xp, capacity):
            made.append(capacity)
            return slot(xp, capacity)

        monkeypatch.setattr(uploads, "_Slot", noted)
        samples = um.samples(values(np.uint16), 2).on("cuda")
        column_sums(samples)
        largest = max(np.prod([s.stop - s.start for s in block]) for block in samples.plan())
        assert made == [largest * 12 * 2] * 2

    def test_without_waiting_for_the_copies_there_would_be_no_numbers(self, cupy, monkeypatch):
        monkeypatch.setattr(cupy.cuda.Stream, "wait_event", lambda self, event: None)
        found = um.samples(values(), 2).on("cuda").to_array().get()
        assert not np.array_equal(found, values())

    def test_buffers_are_reused_in_the_order_of_the_stream(self, cupy, monkeypatch):
        """A copy into a buffer waits until the tile before was taken out of it."""
        said = []
        stream, event = cupy.cuda.Stream, cupy.cuda.Event
        wait, record = stream.wait_event, event.record

        def waits(self, what):
            said.append(("waits", self.ptr, id(what)))
            wait(self, what)

        def records(self, on=None):
            said.append(("records", on.ptr, id(self)))
            record(self, on)

        monkeypatch.setattr(stream, "wait_event", waits)
        monkeypatch.setattr(event, "record", records)
        samples = um.samples(values(), 2).on("cuda")
        column_sums(samples)
        copying, computing = sorted({ptr for kind, ptr, _ in said if ptr})
        for name in {e for kind, ptr, e in said if (kind, ptr) == ("records", computing)}:
            turns = [(kind, ptr) for kind, ptr, e in said if e == name]
            # each time it is taken, the next copy waits for that; the first waits for nothing
            both = [("waits", copying), ("records", computing)]
            assert turns == (both * len(turns))[: len(turns)]

    def test_parts_do_not_lie_in_the_buffers(self, cupy):
        samples = um.samples(values(), 2).on("cuda")
        rows, _ = um.fold(samples, lambda t, _: [t.rows], lambda a, b: a + b)
        found = np.concatenate([r.get() for r in rows])
        expected = np.concatenate([t.rows for t in um.samples(values(), 2).tiles()])
        np.testing.assert_array_equal(found, expected)

    @pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
    def test_an_error_leaves_no_thread_and_no_stream(self, cupy, error):
        before = set(threading.enumerate())
        ran = []

        def update(tile, _):
            ran.append(1)
            if len(ran) == 3:
                raise error
            return 1

        with pytest.raises(error):
            um.fold(um.samples(values(), 2).on("cuda"), update, lambda a, b: a + b)
        assert len(ran) == 3
        assert set(threading.enumerate()) <= before
        assert cupy.cuda.get_current_stream() is cupy.cuda.Stream.null

    def test_nan_in_a_file_is_refused_with_its_place(self, cupy, tmp_path):
        bad = values()
        bad[11, 20, 3] = np.nan
        np.save(tmp_path / "a.npy", bad)
        samples = um.open(tmp_path / "a.npy", axes="y x | bin").on("cuda")
        with pytest.raises(um.DataError, match=r"the first at \(11, 20, 3\)"):
            um.pca(samples, 2)


class TestRefuses:
    def test_where_cupy_is_not_installed(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "cupy", None)
        with pytest.raises(
            um.BackendError, match=r"needs CuPy, which is not installed: pip install"
        ):
            um.samples(values(), 2).on("cuda")

    def test_where_there_is_no_gpu(self, cupy, monkeypatch):
        def empty(*_):
            raise cupy.cuda.runtime.CUDARuntimeError("cudaErrorNoDevice: no device")

        monkeypatch.setattr(cupy, "empty", empty)
        with pytest.raises(um.BackendError, match=r"found no GPU .*cudaErrorNoDevice.*nvidia-smi"):
            um.samples(values(), 2).on("cuda")
