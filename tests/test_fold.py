"""The one loop over tiles: order, bits, rows in place, errors, budgets and how maps are cut."""

from __future__ import annotations

import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import fakecupy
import numpy as np
import pytest
from backends import Backend
from hypothesis import given
from hypothesis import strategies as st

import unmix as um
from unmix import _tiles, config
from unmix._executors import threads, work
from unmix.host import _blas

host = Backend.numpy


@pytest.fixture
def tile_bytes(monkeypatch):
    """Set the size of tiles, which a budget alone cannot lower so far."""
    return lambda n: monkeypatch.setattr(config, "TILE_BYTES", n)


def table(shape=(7, 11, 5), dtype=np.float32):
    return np.random.default_rng(3).random(shape).astype(dtype)


def samples_of(backend, values=None, n_map=2):
    return um.samples(backend.asarray(table() if values is None else values), n_map)


def column_sums(samples, **options):
    xp = samples.xp
    return um.fold(samples, lambda t, _: xp.sum(t.rows, axis=0), lambda a, b: a + b, **options)[0]


class TestMerging:
    def test_a_fold_sees_every_sample_once(self, backend, tile_bytes):
        tile_bytes(1 << 8)
        samples = samples_of(backend)
        assert len(samples.plan()) > 10
        np.testing.assert_allclose(host(column_sums(samples)), table().sum(axis=(0, 1)), rtol=1e-5)

    def test_parts_are_merged_in_the_order_of_the_tiles(self, backend, tile_bytes):
        tile_bytes(1 << 8)
        mask = np.random.default_rng(0).random((7, 11)) < 0.5
        samples = samples_of(backend).where(mask)
        for workers in (1, 3):
            numbers, _ = um.fold(
                samples, lambda t, _: list(t.numbers), lambda a, b: a + b, workers=workers
            )
            expected = np.concatenate(
                [np.arange(77).reshape(7, 11)[w][mask[w]] for w in samples.plan()]
            )
            np.testing.assert_array_equal(numbers, expected)
            np.testing.assert_array_equal(sorted(numbers), np.flatnonzero(mask))

    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_no_number_of_workers_changes_a_bit(self, tile_bytes, dtype):
        tile_bytes(1 << 10)
        values = table((40, 30, 5), dtype)
        rng = np.random.default_rng(0)

        def update(tile, _):
            time.sleep(rng.random() * 1e-3)  # tiles end in any order
            return tile.rows.T @ tile.rows

        samples = samples_of(Backend.NUMPY, values)
        results = [
            um.fold(samples, update, lambda a, b: a + b, workers=w)[0] for w in (1, 2, 3, 8, 64)
        ]
        for result in results[1:]:
            np.testing.assert_array_equal(result, results[0])

    @pytest.mark.parametrize("budget", [1 << 20, 3 << 20, 64 << 20, 2 << 30])
    def test_no_number_of_workers_changes_the_tiles(self, budget):
        samples = samples_of(Backend.NUMPY, table((300, 40, 50)))
        blocks = []
        for workers in (1, 2, 64):
            with config.memory_budget(budget):
                blocks.append(
                    um.fold(samples, lambda t, _: [t.where], lambda a, b: a + b, workers=workers)[0]
                )
        assert blocks[0] == blocks[1] == blocks[2]

    def test_any_tiling_agrees_to_rounding(self, backend, tile_bytes):
        values = table((30, 20, 16))
        results = []
        for n in (1 << 9, 1 << 12, 1 << 15, 32 << 20):
            tile_bytes(n)
            samples = samples_of(backend, values)
            pca = um.pca(samples, 3)
            results.append((column_sums(samples), pca.maps, pca.explained_variance))
        for result in results[1:]:
            for got, expected in zip(result, results[0], strict=True):
                scale = np.abs(host(expected)).max()
                np.testing.assert_allclose(host(got), host(expected), rtol=0, atol=2e-5 * scale)

    @given(n=st.integers(0, 70))
    def test_reduce_tree(self, n):
        depth = []

        def merge(a, b):
            depth.append((len(a), len(b)))
            return a + b

        got = work.reduce_tree(([i] for i in range(n)), merge)
        assert got == (list(range(n)) or None)
        # a balanced tree: whole powers of two come first
        assert all(a >= b and a & (a - 1) == 0 for a, b in depth)

    def test_tiles_that_add_nothing_keep_their_place_in_the_tree(self, tile_bytes):
        tile_bytes(16)
        samples = samples_of(Backend.NUMPY, np.zeros((7, 1)), 1)

        def update(tile, _):
            number = tile.where[0].start
            return None if number in (1, 4, 5) else str(number)

        for workers in (1, 3):
            tree, _ = um.fold(samples, update, lambda a, b: f"({a}{b})", workers=workers)
            assert tree == "((0(23))6)"  # and not ((02)(36))

    def test_only_a_few_parts_are_alive_at_a_time(self, tile_bytes):
        tile_bytes(1 << 8)
        alive, most = set(), []

        class Part:
            def __init__(self, n):
                self.n = n
                alive.add(id(self))
                most.append(len(alive))

            def __del__(self):
                alive.discard(id(self))

        samples = samples_of(Backend.NUMPY, table((64, 11, 5)))
        assert len(samples.plan()) >= 64
        merged, _ = um.fold(
            samples, lambda t, _: Part(len(t.rows)), lambda a, b: Part(a.n + b.n), workers=2
        )
        assert merged.n == 64 * 11
        assert max(most) <= 16  # log2 of the number of tiles, and those in flight


class TestRows:
    def test_previous_rows_may_be_returned_as_they_are(self, backend, tile_bytes):
        samples = samples_of(backend, table((6, 4, 5)))
        expected = np.arange(48.0).reshape(6, 4, 2)
        for n in (1 << 8, 1 << 9, 1 << 20):  # blocks of part of a line, of a line, and all
            tile_bytes(n)
            out = backend.xp.asarray(backend.asarray(expected), copy=True)
            um.fold(samples, lambda t, previous: (None, previous), out=out)
            np.testing.assert_array_equal(host(out), expected)
            um.fold(samples, lambda t, previous: (None, samples.xp.flip(previous, axis=1)), out=out)
            np.testing.assert_array_equal(host(out), expected[..., ::-1])

    def test_are_written_in_place_and_come_back(self, backend, tile_bytes):
        tile_bytes(1 << 8)
        mask = np.random.default_rng(0).random((7, 11)) < 0.6
        samples = samples_of(backend).where(mask)
        xp = samples.xp
        out = backend.xp.full((7, 11, 2), -1.0, dtype=xp.float32)
        seen = []

        def update(tile, previous, scale):
            seen.append(host(previous).copy())
            sums = xp.sum(tile.rows, axis=1, keepdims=True) * scale
            return None, xp.concat([sums, previous[:, :1]], axis=1)

        merged, returned = um.fold(samples, update, state=(1.0,), out=out)
        assert merged is None
        assert returned is out
        sums = table().sum(axis=2)
        expected = np.full((7, 11, 2), -1.0)
        expected[mask, 0] = sums[mask]
        np.testing.assert_allclose(host(out), expected, rtol=1e-5)
        assert all((s == -1).all() for s in seen)
        um.fold(samples, update, state=(2.0,), out=out)
        expected[mask] = np.stack([2 * sums[mask], sums[mask]], axis=-1)
        np.testing.assert_allclose(host(out), expected, rtol=1e-5)

    def test_without_out_there_are_no_previous_rows(self, backend):
        found, none = um.fold(samples_of(backend), lambda t, p: [p], lambda a, b: a + b)
        assert found == [None]
        assert none is None

    def test_take_the_type_of_out(self, backend):
        samples = samples_of(backend)
        out = backend.xp.zeros((7, 11, 1), dtype=backend.xp.int32)
        um.fold(samples, lambda t, _: (None, t.rows[:, :1] * 10), out=out)
        np.testing.assert_array_equal(host(out)[..., 0], (table()[..., 0] * 10).astype(int))

    def test_parts_and_rows_together(self, tile_bytes):
        tile_bytes(1 << 8)
        out = np.zeros((7, 11, 1))
        samples = samples_of(Backend.NUMPY, np.arange(77 * 5.0).reshape(7, 11, 5))
        merged, _ = um.fold(
            samples,
            lambda t, _: (len(t.rows), t.rows[:, :1]),
            lambda a, b: a + b,
            out=out,
            workers=4,
        )
        assert merged == 77
        np.testing.assert_array_equal(out[..., 0], np.arange(0, 385, 5).reshape(7, 11))


class Stop(Exception):
    """Raised by the tests' own tiles."""


class TestErrors:
    @pytest.fixture(autouse=True)
    def no_thread_is_left(self, tile_bytes):
        tile_bytes(1 << 8)
        before = set(threading.enumerate())
        yield
        assert set(threading.enumerate()) <= before

    @pytest.mark.parametrize("workers", [1, 2, 5])
    @pytest.mark.parametrize("error", [Stop, KeyboardInterrupt])
    def test_of_a_tile_ends_the_pass(self, workers, error):
        ran = []

        def update(tile, _):
            ran.append(1)
            if len(ran) == 4:
                raise error
            return 1

        samples = samples_of(Backend.NUMPY, table((64, 11, 5)))
        before = set(threading.enumerate())
        with pytest.raises(error) as caught:  # which holds on to every frame
            um.fold(samples, update, lambda a, b: a + b, workers=workers)
        assert set(threading.enumerate()) <= before
        assert len(ran) <= 4 + 2 * workers + 1
        assert caught.value is not None

    @pytest.mark.parametrize("workers", [1, 3])
    def test_of_a_merge_ends_the_pass(self, workers):
        ran = []

        def merge(a, b):
            raise Stop

        samples = samples_of(Backend.NUMPY, table((64, 11, 5)))
        before = set(threading.enumerate())
        with pytest.raises(Stop):
            um.fold(samples, lambda t, _: ran.append(1) or 1, merge, workers=workers)
        assert set(threading.enumerate()) <= before
        assert len(ran) < 20

    def test_the_error_is_that_of_the_first_tile(self):
        def update(tile, _):
            raise Stop(int(tile.numbers[0]))

        with pytest.raises(Stop, match=r"^0$"):
            um.fold(samples_of(Backend.NUMPY), update, workers=4)

    def test_an_interrupt_of_the_waiting_thread(self):
        main = threading.main_thread().ident
        ran = []

        def update(tile, _):
            ran.append(1)
            if len(ran) == 3:
                signal.pthread_kill(main, signal.SIGINT)
            time.sleep(0.01)
            return 1

        samples = samples_of(Backend.NUMPY, table((64, 11, 5)))
        # a shell's background jobs start with interrupts ignored
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            with pytest.raises(KeyboardInterrupt):
                um.fold(samples, update, lambda a, b: a + b, workers=2)
        finally:
            signal.signal(signal.SIGINT, before)
        assert len(ran) < 20

    def test_a_fold_inside_a_fold(self):
        samples = samples_of(Backend.NUMPY)
        inner = um.fold(samples, lambda t, _: t.rows.sum(), lambda a, b: a + b)[0]

        def update(tile, _):
            return um.fold(samples, lambda t, _: t.rows.sum(), lambda a, b: a + b, workers=2)[0]

        outer, _ = um.fold(samples, update, lambda a, b: a + b, workers=2)
        assert outer == pytest.approx(inner * len(samples.plan()))

    def test_refuses_what_are_no_samples(self):
        with pytest.raises(um.BackendError, match=r"expected Samples, but got ndarray; make them"):
            um.fold(table(), lambda t, _: None)


class TestWorkers:
    def test_one_for_namespaces_with_threads_of_their_own(self):
        assert threads.default_workers(samples_of(Backend.STRICT).xp) == 1
        assert threads.default_workers(samples_of(Backend.NUMPY).xp) >= 1

    def test_run_side_by_side(self, tile_bytes):
        tile_bytes(1 << 8)
        meeting = threading.Barrier(3, timeout=10)
        samples = samples_of(Backend.NUMPY, table((6, 1, 5)))
        tile_bytes(96)
        assert len(samples.plan()) == 6
        um.fold(samples, lambda t, _: meeting.wait(), workers=3)

    def test_are_as_many_as_the_budget_has_room_for(self, monkeypatch):
        asked = []

        class Pool(ThreadPoolExecutor):
            def __init__(self, n):
                asked.append(n)
                super().__init__(n)

        monkeypatch.setattr(threads, "ThreadPoolExecutor", Pool)
        samples = samples_of(Backend.NUMPY, table((300, 40, 50)))
        for budget in (4 << 20, 16 << 20):
            with config.memory_budget(budget):
                um.fold(samples, lambda t, _: None, workers=64)
                assert 64 > asked[-1] >= 2
                assert asked[-1] * config.tile_bytes() <= budget / 4
        with config.memory_budget(1 << 20):
            um.fold(samples, lambda t, _: None, workers=64)
        assert len(asked) == 2  # no pool for one tile at a time


class Stored:
    """An array that is read block by block, and notes when."""

    def __init__(self, values, reading=lambda: None):
        self.values, self.shape, self.dtype = values, values.shape, values.dtype
        self.reading = reading

    def __getitem__(self, key):
        self.reading()
        return self.values[key]


class TestReadingAhead:
    @pytest.fixture(autouse=True)
    def small(self, tile_bytes):
        tile_bytes(1 << 10)

    @pytest.mark.parametrize("workers", [1, 2])
    def test_the_next_tile_is_read_while_this_one_is_computed(self, workers):
        reads, changed = [0], threading.Condition()

        def reading():
            time.sleep(1e-3)
            with changed:
                reads[0] += 1
                changed.notify_all()

        samples = um.samples(Stored(table((16, 11, 5)), reading), 2)
        reads[0], plan = 0, samples.plan()
        assert len(plan) == 16

        def update(tile, _):
            ahead = plan.index(tile.where) + 2
            with changed:
                return int(changed.wait_for(lambda: reads[0] >= ahead, timeout=0.2))

        met, _ = um.fold(samples, update, lambda a, b: a + b, workers=workers)
        assert met > 8  # threads may overtake one another; without reading ahead it is none

    @pytest.mark.parametrize("workers", [1, 2, 5])
    def test_no_more_tiles_are_computed_at_a_time_than_workers(self, workers):
        now, most, lock = [0], [0], threading.Lock()

        def update(tile, _):
            with lock:
                now[0] += 1
                most[0] = max(most[0], now[0])
            time.sleep(2e-3)
            with lock:
                now[0] -= 1

        um.fold(um.samples(Stored(table((64, 11, 5))), 2), update, workers=workers)
        assert most[0] <= workers

    def test_gives_the_bits_of_memory(self):
        image = table((40, 50, 1))[..., 0]

        def analysis(array):
            windows = um.sliding_windows(um.samples(array, 2), (6, 9), 2, edges="reflect")
            spectra = um.window_fft(windows, k_max=0.4)[::2, 1:].transform("log1p")
            return um.pca(spectra.normalize("standard", over="feature"), 3)

        got, expected = analysis(Stored(image)), analysis(image)
        np.testing.assert_array_equal(got.maps, expected.maps)
        np.testing.assert_array_equal(got.components, expected.components)

    def test_an_error_of_reading_leaves_no_thread(self):
        reads = []

        def reading():
            reads.append(1)
            if len(reads) == 5:
                raise Stop

        samples = um.samples(Stored(table((64, 11, 5)), reading), 2)
        reads.clear()
        before = set(threading.enumerate())
        with pytest.raises(Stop):
            um.fold(samples, lambda t, _: None, workers=2)
        assert set(threading.enumerate()) <= before
        assert len(reads) < 12


class TestBlasThreads:
    def test_are_limited_until_the_last_pass_ends(self):
        def blas():
            return {i["num_threads"] for i in _blas._controller().info() if i["user_api"] == "blas"}

        before, limit = blas(), _blas.one_blas_thread()
        with limit:
            with limit:
                assert blas() == {1}
            assert blas() == {1}
        assert blas() == before


class TestProgress:
    class Bar:
        """Stands for tqdm's."""

        def __init__(self, *, total, desc, delay, disable, leave):
            assert (delay, disable, leave) == (1, None, False)  # after a second, on a terminal
            self.said, self.moved = (desc, total), 0
            TestProgress.bars.append(self)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.said += (self.moved,)

        def update(self):
            self.moved += 1

    @pytest.mark.parametrize("where", ["memory", "file", "dask", "gpu"])
    def test_every_executor_moves_the_bar_for_each_tile(self, tile_bytes, monkeypatch, where):
        tile_bytes(1 << 9)
        TestProgress.bars = []
        monkeypatch.setattr("tqdm.tqdm", self.Bar)
        with fakecupy.installed():
            if where == "dask":
                pytest.importorskip("dask.array")
                samples = um.samples(__import__("dask.array").array.from_array(table()), 2)
            else:
                samples = um.samples(Stored(table()) if where == "file" else table(), 2)
            samples = samples.on("cuda") if where == "gpu" else samples
            um.fold(samples, lambda t, _: None, label="a pass")
        n = len(samples.plan())
        assert n > 4
        assert [bar.said for bar in TestProgress.bars] == [("a pass", n, n)]

    def test_short_passes_have_none(self, monkeypatch):
        TestProgress.bars = []
        monkeypatch.setattr("tqdm.tqdm", self.Bar)
        um.fold(samples_of(Backend.NUMPY), lambda t, _: None)
        assert TestProgress.bars == []


class TestBudget:
    def test_lowers_tiles_and_never_raises_them(self):
        samples = samples_of(Backend.NUMPY, table((300, 40, 50)))
        plans = []
        for budget in (1 << 20, 8 << 20, 256 << 20, 8 << 30):
            with config.memory_budget(budget):
                plans.append(len(samples.plan()))
                assert config.current_budget() == budget
                assert config.tile_bytes() <= config.TILE_BYTES
        assert plans[0] > plans[1] > plans[2] == plans[3] == len(samples.plan())

    @pytest.mark.parametrize(("width", "most"), [(0, 33), (5, 33), (20, 11), (400, 1)])
    def test_has_room_for_what_an_update_makes(self, backend, tile_bytes, width, most):
        tile_bytes(8 * 400)
        sizes, _ = um.fold(
            samples_of(backend),
            lambda tile, _: [tile.rows.shape[0]],
            lambda a, b: a + b,
            width=width,
        )
        assert sum(sizes) == 77
        assert max(sizes) == most

    def test_holds_inside_its_block_alone(self):
        before = config.current_budget()
        with config.memory_budget(1 << 21):
            with config.memory_budget(1 << 20):
                assert config.current_budget() == 1 << 20
            assert config.current_budget() == 1 << 21
        with pytest.raises(Stop), config.memory_budget(1 << 20):
            raise Stop
        assert config.current_budget() == before

    def test_holds_in_the_threads_of_a_fold(self, tile_bytes):
        tile_bytes(1 << 8)
        samples = samples_of(Backend.NUMPY)
        plain = um.fold(samples, lambda t, _: len(t.rows), max)[0]
        assert plain * 5 * 16 <= 1 << 8


def shapes_and_chunks():
    shapes = st.lists(st.integers(1, 24), min_size=1, max_size=4)
    return shapes.flatmap(
        lambda s: st.tuples(
            st.just(tuple(s)),
            st.none() | st.tuples(*(st.integers(1, n + 3) for n in s)),
            st.integers(1, 2000),
        )
    )


class TestPlan:
    @given(shapes_and_chunks())
    def test_blocks_cover_every_sample_once_within_the_size(self, case):
        shape, chunks, n = case
        count = np.zeros(shape, int)
        for block in _tiles.plan_blocks(shape, chunks, n):
            count[block] += 1
            size = np.prod([s.stop - s.start for s in block])
            assert 1 <= size <= n
            assert all(0 <= s.start < s.stop <= m for s, m in zip(block, shape, strict=True))
        assert (count == 1).all()

    @given(shapes_and_chunks())
    def test_blocks_are_whole_chunks_where_those_fit(self, case):
        shape, chunks, n = case
        chunks = tuple(min(c, m) for c, m in zip(chunks or (1,) * len(shape), shape, strict=True))
        if np.prod(chunks) > n:
            return
        for block in _tiles.plan_blocks(shape, chunks, n):
            for s, c, m in zip(block, chunks, shape, strict=True):
                assert s.start % c == 0
                assert s.stop % c == 0 or s.stop == m

    @given(shapes_and_chunks())
    def test_blocks_are_as_large_as_the_size_allows(self, case):
        shape, _, n = case
        sizes = [np.prod([s.stop - s.start for s in b]) for b in _tiles.plan_blocks(shape, None, n)]
        assert max(sizes) * 2 > min(n, np.prod(shape))

    def test_chunks_larger_than_a_tile_are_cut_along_slow_axes(self):
        blocks = _tiles.plan_blocks((8, 8), (4, 8), 16)
        assert list(blocks) == [(slice(i, i + 2), slice(0, 8)) for i in range(0, 8, 2)]

    def test_fast_axes_grow_first(self):
        blocks = _tiles.plan_blocks((3, 4, 10), None, 25)
        assert blocks[0] == (slice(0, 1), slice(0, 2), slice(0, 10))
        assert len(blocks) == 6

    def test_of_no_map_axes(self):
        assert _tiles.plan_blocks((), None, 7) == ((),)
