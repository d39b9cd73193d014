"""Data in chunks: what a pass reads, counted chunk by chunk."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import unmix as um
from unmix import _chunks
from unmix._chunks import ChunkCache, pieces


class Stored:
    """An array in chunks that counts, for each of them, how often it is read."""

    def __init__(self, values, chunks):
        self.values, self.chunks = values, chunks
        self.shape, self.dtype = values.shape, values.dtype
        self.forget()

    def forget(self):
        self.counts = np.zeros(
            [-(-n // c) for n, c in zip(self.shape, self.chunks, strict=True)], int
        )
        self.lock = threading.Lock()

    def __getitem__(self, key):
        touched = []
        for s, n, c in zip(key, self.shape, self.chunks, strict=True):
            touched.append(np.unique(np.arange(n)[s] // c))
        with self.lock:
            self.counts[np.ix_(*touched)] += 1
        return self.values[key]

    def amplification(self, within=None):
        """Chunks that were read per chunk that holds what was asked for."""
        needed = self.counts if within is None else self.counts[within]
        assert (needed > 0).all()
        return self.counts.sum() / needed.size


def constant(shape, dtype=np.uint16):
    return np.broadcast_to(np.asarray(3, dtype), shape)


SCANS = [
    ((33, 40, 128, 128), (16, 16, 128, 128)),
    ((33, 40, 70, 70), (5, 7, 32, 32)),
    ((12, 13, 128, 128), (1, 1, 64, 64)),
    ((20, 21, 128, 128), (8, 8, 16, 16)),
    ((20, 21, 64, 64), (20, 21, 4, 64)),
]


class TestPasses:
    @pytest.mark.parametrize(("shape", "chunks"), SCANS)
    @pytest.mark.parametrize("dtype", [np.uint16, np.float32])
    @pytest.mark.parametrize("budget", [2 << 30, 64 << 20])
    def test_a_pass_over_a_scan(self, shape, chunks, dtype, budget):
        data = Stored(constant(shape, dtype), chunks)
        with um.config.memory_budget(budget):
            samples = um.samples(data, 2)
            data.forget()
            um.fold(samples, lambda tile, _: None)
        assert data.amplification() <= 1.3

    @pytest.mark.parametrize(("shape", "chunks"), SCANS)
    def test_a_crop_reads_what_it_holds(self, shape, chunks):
        data = Stored(constant(shape), chunks)
        samples = um.samples(data, 2)[3:11, 5:, 10:50, 20:60]
        data.forget()
        um.fold(samples, lambda tile, _: None)
        box = ((3, 11), (5, shape[1]), (10, 50), (20, 60))
        within = tuple(slice(a // c, -(-b // c)) for (a, b), c in zip(box, chunks, strict=True))
        assert data.amplification(within) <= 1.3

    @pytest.mark.parametrize("chunks", [(1, 512, 512), (2, 128, 128), (3, 100, 200), (6, 512, 64)])
    def test_windows_of_a_movie(self, chunks):
        data = Stored(constant((6, 512, 512)), chunks)
        samples = um.sliding_windows(um.samples(data, 3), 64, 8)
        data.forget()
        um.fold(samples, lambda tile, _: None)
        assert len(samples.plan()) > 6
        assert data.amplification() <= 1.3

    @pytest.mark.parametrize("chunks", [(16, 16, 32, 32), (5, 7, 9, 11)])
    def test_bins(self, chunks):
        data = Stored(constant((32, 48, 64, 64)), chunks)
        samples = um.samples(data, 2).bin(scan_y=2, scan_x=3, det_y=4, det_x=4)
        data.forget()
        um.fold(samples, lambda tile, _: None)
        assert data.amplification() <= 1.3

    def test_rows_are_those_of_the_array(self, monkeypatch):
        monkeypatch.setattr(um.config, "TILE_BYTES", 1 << 15)
        monkeypatch.setattr(_chunks, "CACHE_BYTES", 3000)
        values = np.random.default_rng(0).random((9, 10, 11, 12))
        for chunks in [(2, 3, 4, 5), (9, 10, 1, 1), (4, 10, 11, 12), (20, 20, 20, 20)]:
            samples = um.samples(Stored(values, chunks), 2)
            np.testing.assert_array_equal(samples.to_array(), values)
            key = (slice(1, 9, 2), slice(3, None), slice(2, 9), slice(0, 12, 3))
            np.testing.assert_array_equal(samples[key].to_array(), values[key])
            again = samples[key][1:, 2, :, 1]
            np.testing.assert_array_equal(again.to_array(), values[key][1:, 2, :, 1])


class TestPlans:
    def test_chunks_are_cut_where_positions_are_taken(self):
        assert um._chunks.cut_chunks(4, range(3, 14, 2)) == (1, 2, 2, 1)
        assert um._chunks.cut_chunks((3, 5, 2), range(1, 10)) == (2, 5, 2)
        assert um._chunks.cut_chunks((3, 5, 2), range(8, 10)) == (2,)

    @given(
        shape=st.tuples(st.integers(1, 40), st.integers(1, 40)),
        chunks=st.tuples(st.integers(1, 50), st.integers(1, 50)),
        n=st.integers(1, 500),
        data=st.data(),
    )
    def test_blocks_cover_the_map_once_and_follow_chunks(self, shape, chunks, n, data):
        # where a crop began, the first chunk is a part of one
        starts = [data.draw(st.integers(0, c - 1)) for c in chunks]
        cut = tuple(
            um._chunks.cut_chunks(c, range(i, i + size))
            for c, i, size in zip(chunks, starts, shape, strict=True)
        )
        cut = data.draw(st.sampled_from([cut, chunks]))
        largest = data.draw(st.integers(0, 900))
        blocks = um._tiles.plan_blocks(shape, cut, n, largest_chunk=largest)
        seen = np.zeros(shape, int)
        one = np.prod(np.minimum([max(np.atleast_1d(c)) for c in cut], shape))
        for b in blocks:
            seen[b] += 1
            assert seen[b].size <= max(n, one if one <= largest else 0)
            if one <= max(n, largest):
                for s, c, size in zip(b, cut, shape, strict=True):
                    ends = range(0, size, c) if isinstance(c, int) else [0, *np.cumsum(c)]
                    assert s.start in ends
                    assert s.stop == size or s.stop in ends
        assert (seen == 1).all()


class TestCache:
    @given(
        n=st.integers(1, 30),
        chunk=st.integers(1, 35),
        start=st.integers(0, 29),
        step=st.integers(1, 9),
        length=st.integers(1, 30),
    )
    def test_pieces_are_the_slice(self, n, chunk, start, step, length):
        where = slice(min(start, n - 1), min(start + length, n), step)
        wanted = np.arange(n)[where]
        got = np.full(len(wanted), -1)
        for number, place, part, whole in pieces(where, chunk, n):
            block = np.arange(number * chunk, min((number + 1) * chunk, n))
            got[place] = block[part]
            assert whole == (len(block[part]) == len(block))
        np.testing.assert_array_equal(got, wanted)

    def test_threads_share_what_one_reads(self):
        values = np.random.default_rng(0).random((64, 64))
        data, cache = Stored(values, (16, 64)), ChunkCache((16, 64))
        places = [(slice(i, i + 3), slice(j, j + 5)) for i in range(60) for j in (0, 20, 59)]
        with ThreadPoolExecutor(8) as pool:
            blocks = list(pool.map(lambda p: cache.read(data, p), places))
        for place, block in zip(places, blocks, strict=True):
            np.testing.assert_array_equal(block, values[place])
        np.testing.assert_array_equal(data.counts, 1)

    def test_holds_no_more_than_it_may(self, monkeypatch):
        monkeypatch.setattr(_chunks, "CACHE_BYTES", 2 * 8 * 4 * 4)
        values = np.random.default_rng(0).random((64, 4))
        data, cache = Stored(values, (4, 4)), ChunkCache((4, 4))
        for i in range(62):
            np.testing.assert_array_equal(
                cache.read(data, (slice(i, i + 3), slice(0, 3))), values[i : i + 3, :3]
            )
            assert len(cache._held) <= 2
        np.testing.assert_array_equal(data.counts, 1)

    def test_an_error_is_told_to_all_and_forgotten(self):
        class Broken(Stored):
            def __getitem__(self, key):
                if self.counts.sum() == 0:
                    super().__getitem__(key)
                    raise OSError("the disk is away")
                return super().__getitem__(key)

        data, cache = Broken(np.arange(6.0), (6,)), ChunkCache((6,))
        with pytest.raises(OSError, match="the disk is away"):
            cache.read(data, (slice(0, 3),))
        np.testing.assert_array_equal(cache.read(data, (slice(0, 3),)), [0, 1, 2])

    def test_goes_to_other_processes_empty(self):
        import pickle

        cache = ChunkCache((6,))
        cache.read(Stored(np.arange(6.0), (6,)), (slice(0, 3),))
        other = pickle.loads(pickle.dumps(cache))
        assert other.chunks == (6,)
        assert not other._held


class TestHdf5:
    @pytest.mark.parametrize("dtype", ["<u2", ">f4", "<f8", "u1"])
    @pytest.mark.parametrize("shuffle", [False, True])
    def test_gzip_is_unpacked_as_its_own_library_does(self, tmp_path, dtype, shuffle):
        values = np.random.default_rng(0).integers(0, 99, (7, 9, 10, 11)).astype(dtype)
        with h5py.File(tmp_path / "a.h5", "w") as file:
            options = {"compression": "gzip", "shuffle": shuffle, "chunks": (3, 4, 10, 6)}
            data = file.create_dataset("data", values.shape, dtype, **options)
            data[:3] = values[:3]  # the rest was never written
        values[3:] = 0
        samples = um.open(tmp_path / "a.h5")
        np.testing.assert_array_equal(samples.to_array(), values)
        np.testing.assert_array_equal(samples[1:6, ::2, 3:, 5].to_array(), values[1:6, ::2, 3:, 5])

    def test_a_chunk_that_skipped_its_filters(self, tmp_path):
        values = np.arange(16, dtype="<f4").reshape(4, 4)
        with h5py.File(tmp_path / "a.h5", "w") as file:
            data = file.create_dataset("data", (4, 4), "<f4", chunks=(2, 4), compression="gzip")
            data.id.write_direct_chunk((0, 0), values[:2].tobytes(), filter_mask=1)
            data[2:] = values[2:]
        np.testing.assert_array_equal(um.open(tmp_path / "a.h5").to_array(), values)

    @pytest.mark.parametrize("options", [{"compression": "lzf"}, {"fletcher32": True}, {}])
    def test_other_filters_are_left_to_the_library(self, tmp_path, options):
        values = np.random.default_rng(0).random((5, 6, 7))
        with h5py.File(tmp_path / "a.h5", "w") as file:
            file.create_dataset("data", data=values, chunks=(2, 3, 4), **options)
        np.testing.assert_array_equal(um.open(tmp_path / "a.h5").to_array(), values)


def test_a_crop_of_a_memory_map_reads_the_place_it_says(tmp_path):
    values = np.ones((6, 7, 8, 9))
    values[4, 5, 6, 7] = np.nan
    np.save(tmp_path / "a.npy", values)
    samples = um.open(tmp_path / "a.npy")
    for part in (samples[2:, 1::2, 3:, 7], samples[1:][1:, :, 2:][..., 1:, 2:]):
        with pytest.raises(um.DataError, match=r"the first at \(4, 5, 6, 7\)"):
            part.to_array()
    assert np.all(samples[:, :, :, 8].to_array() == 1)


class TestWhatIsKept:
    """Copies between passes: only where they gain something, and only of what takes part."""

    @pytest.fixture
    def copies(self, monkeypatch):
        copies, true = [], um.Samples.keep
        monkeypatch.setattr(um.Samples, "keep", lambda self: copies.append(self) or true(self))
        return copies

    @pytest.mark.parametrize(("packed", "copied"), [(None, 0), ("gzip", 1)])
    def test_a_file_is_copied_if_it_is_packed(self, tmp_path, copies, packed, copied):
        values = np.random.default_rng(0).random((6, 7, 4, 5))
        with h5py.File(tmp_path / "a.h5", "w") as file:
            file.create_dataset("data", data=values, chunks=(2, 3, 4, 5), compression=packed)
        model = um.kmeans(um.open(tmp_path / "a.h5", axes="scan_y scan_x | det_y det_x"), 2)
        assert len(copies) == copied
        copies.clear()
        np.save(tmp_path / "a.npy", values)
        again = um.kmeans(um.open(tmp_path / "a.npy", axes="scan_y scan_x | det_y det_x"), 2)
        assert not copies
        np.testing.assert_array_equal(again.labels, model.labels)

    def test_samples_that_are_left_out_do_not_count(self, copies):
        """Of a table of 32 MiB 1 row in 256 takes part: it is kept in a budget of 8 MiB."""
        rows = np.random.default_rng(0).random((1, 64), dtype=np.float32)
        table = np.broadcast_to(rows, (1 << 16, 64))
        samples = um.samples(table, [0]).transform("sqrt")
        some = samples.where(np.arange(1 << 16) % 4096 < 16)
        with um.config.memory_budget(8 << 20):
            um.kmeans(some, 1, n_starts=1)
        assert len(copies) == 1
        assert np.isnan(some.keep().to_array()).any(axis=1).sum() == (1 << 16) - 256
