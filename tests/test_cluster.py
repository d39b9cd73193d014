"""A cluster of two workers gives the answer that memory gives, even when one of them dies."""

from __future__ import annotations

import os
import signal
import threading
import time
import warnings

import numpy as np
import pytest
from methods import METHODS

import unmix as um
from unmix import config
from unmix._executors import tasks

distributed = pytest.importorskip("distributed")
da = pytest.importorskip("dask.array")

pytestmark = pytest.mark.filterwarnings("default")  # of processes that end while others start

CHUNKS = ((7, 13, 4), (9, 21, 3), 8)


@pytest.fixture(scope="module")
def client():
    """Two workers with a thread each, on ports that are free."""
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None, memory_limit="1GiB"
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@pytest.fixture(autouse=True)
def small_tiles(monkeypatch):
    monkeypatch.setattr(config, "TILE_BYTES", 1 << 14)


def mixtures():
    found = um.synthetic.simplex_mixtures(24 * 33, 4, rng=1, n_features=8)
    return found.samples.astype(np.float32).reshape(24, 33, 8)


def lazily(values, chunks=CHUNKS):
    return um.samples(da.from_array(values, chunks=chunks), 2)


def slowly(tile, _):
    time.sleep(0.03)
    rows = tile.rows.astype(float)
    return rows.T @ rows, tile.rows[:, :2]


def added(a, b):
    a += b
    return a


class TestAnswers:
    def test_of_pca(self, client):
        got, expected = um.pca(lazily(mixtures()), 3), um.pca(um.samples(mixtures(), 2), 3)
        np.testing.assert_allclose(got.maps, expected.maps, atol=1e-5)
        np.testing.assert_allclose(got.components, expected.components, atol=1e-5)
        np.testing.assert_allclose(got.explained_variance, expected.explained_variance, rtol=1e-5)

    def test_of_kmeans(self, client):
        got, expected = (um.kmeans(s, 3, n_starts=2) for s in (lazily(mixtures()), self.loaded))
        np.testing.assert_array_equal(got.labels, expected.labels)
        np.testing.assert_allclose(got.centers, expected.centers, rtol=1e-5)
        assert got.inertia == pytest.approx(expected.inertia, rel=1e-5)

    def test_of_nfindr_and_abundances(self, client):
        got, expected = (um.nfindr(s, 4) for s in (lazily(mixtures()), self.loaded))
        np.testing.assert_array_equal(got.indices, expected.indices)
        np.testing.assert_allclose(got.abundances, expected.abundances, atol=1e-4)
        fitted = um.abundances(lazily(mixtures()), got)
        np.testing.assert_allclose(fitted.maps, expected.abundances, atol=1e-4)

    @pytest.mark.parametrize("name", list(METHODS))
    def test_of_every_way_to_unmix(self, client, name):
        values = mixtures().astype(float)
        got, expected = (METHODS[name](s) for s in (lazily(values), um.samples(values, 2)))
        np.testing.assert_allclose(got, expected, atol=1e-6 * np.abs(expected).max())

    def test_of_windows(self, client):
        image = np.random.default_rng(0).random((61, 75), dtype=np.float32)

        def analysis(data):
            spectra = um.window_fft(um.sliding_windows(data, 12, 8, edges="reflect"))
            return um.pca(spectra.normalize("standard", over="feature"), 2)

        got, expected = analysis(da.from_array(image, chunks=30)), analysis(image)
        np.testing.assert_allclose(np.abs(got.maps), np.abs(expected.maps), atol=1e-3)

    @property
    def loaded(self):
        return um.samples(mixtures(), 2)

    def test_of_a_file_that_each_worker_opens(self, client, tmp_path):
        np.save(tmp_path / "a.npy", mixtures())
        samples = um.open(tmp_path / "a.npy", axes="y x | bin", chunks=(12, 11, 8))
        np.testing.assert_array_equal(samples.to_array(), mixtures())


class TestWorkers:
    def test_keep_the_table(self, client):
        kept = lazily(mixtures()).keep()
        futures = distributed.futures_of(kept.source.array)
        assert len(futures) == len(kept.plan())
        np.testing.assert_array_equal(kept.to_array(), mixtures())

    def test_hold_half_of_their_memory(self, client):
        assert tasks._room() == 1 << 30
        values = da.zeros((3, 1 << 13, 1 << 14), chunks=(1, 1 << 13, 1 << 14))  # never computed
        samples = um.samples(values, 2)
        with pytest.warns(UserWarning, match=r"3 GiB does not fit in the 1 GiB .* up to 4 passes"):
            assert tasks.kept_if_workers_hold_it(samples, samples.source, 4) is samples

    def test_compute_in_other_processes_with_one_blas_thread(self, client):
        from threadpoolctl import threadpool_info

        def update(tile, _):
            blas = {i["num_threads"] for i in threadpool_info() if i["user_api"] == "blas"}
            return {(os.getpid(), *blas)}

        seen, _ = um.fold(lazily(mixtures()), update, lambda a, b: a | b)
        assert all(pid != os.getpid() and threads == [1] for pid, *threads in seen)

    def test_refuse_nan_with_its_place(self, client):
        values = mixtures()
        values[17, 29, 3] = np.nan
        with pytest.raises(um.DataError, match=r"the first at \(17, 29, 3\)"):
            um.pca(lazily(values).transform("sqrt"), 2)

    def test_are_not_warned_of_a_large_state(self, client):
        state = np.random.default_rng(0).random(2_000_000)  # 16 MB
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)
            found, _ = um.fold(lazily(mixtures()), lambda t, _, s: s.sum(), max, state=(state,))
        assert found == state.sum()


def test_a_worker_that_dies_changes_no_bit(client):
    samples = lazily(mixtures())
    out = [np.zeros((24, 33, 2), np.float32) for _ in range(2)]
    expected, _ = um.fold(lazily(mixtures()), slowly, added, out=out[0])
    pid = next(iter(client.run(os.getpid).values()))
    killed = []

    def kill():
        os.kill(pid, signal.SIGKILL)
        killed.append(time.perf_counter())

    timer = threading.Timer(0.2, kill)
    timer.start()
    got, _ = um.fold(samples, slowly, added, out=out[1])
    ended = time.perf_counter()
    timer.join()
    assert killed[0] < ended - 0.03, "the pass was over before the worker died"
    np.testing.assert_array_equal(got, expected)
    np.testing.assert_array_equal(*out)
    client.wait_for_workers(2, timeout=30)
    assert pid not in client.run(os.getpid).values()


def test_an_interrupt_leaves_no_tasks(client):
    def tasks_there():
        return {*client.run_on_scheduler(lambda dask_scheduler: [*dask_scheduler.tasks])}

    others = tasks_there()  # of results of other tests, which somebody holds still
    main = threading.main_thread().ident
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    timer = threading.Timer(0.15, lambda: signal.pthread_kill(main, signal.SIGINT))
    timer.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            um.fold(lazily(mixtures()), slowly, added, out=np.zeros((24, 33, 2), np.float32))
    finally:
        signal.signal(signal.SIGINT, before)
        timer.join()
    end = time.monotonic() + 10
    while tasks_there() - others:
        assert time.monotonic() < end, "tasks are left on the scheduler"
        time.sleep(0.05)
