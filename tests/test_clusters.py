"""`kmeans` end to end: scikit-learn's answer from the same start, on any samples, by any tiles."""

from __future__ import annotations

import numpy as np
import pytest
from backends import Backend
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import KMeans

import unmix as um

host = Backend.numpy


def blobs(n=300, k=4, f=6, spread=0.3, seed=1):
    return um.synthetic.blobs(n, k, f, spread=spread, rng=seed)


def by_size(labels, k):
    """Number labels by falling size, of equals by the first sample."""
    _, first = np.unique(labels, return_index=True)
    order = np.lexsort((first, -np.bincount(labels, minlength=k)))
    return np.argsort(order)[labels], order


class TestAgainstScikitLearn:
    @pytest.mark.parametrize("k", [1, 2, 4, 7])
    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_the_same_start_gives_the_same_answer(self, backend, k, dtype):
        table = blobs()[0].astype(dtype)
        start = table[:: len(table) // k][:k].copy()
        reference = KMeans(k, init=start, n_init=1, tol=1e-4, algorithm="lloyd").fit(table)
        model = um.kmeans(backend.asarray(table), k, init=backend.asarray(start))
        expected, order = by_size(reference.labels_, k)
        np.testing.assert_array_equal(host(model.labels), expected)
        eps = 1e-5 if dtype is np.float32 else 1e-10
        np.testing.assert_allclose(model.inertia, reference.inertia_, rtol=eps)
        np.testing.assert_allclose(
            host(model.centers), reference.cluster_centers_[order], rtol=0, atol=eps * 10
        )
        assert str(model.labels.dtype).endswith("int32")
        for array in (model.labels, model.maps, model.centers):
            assert backend.owns(array)

    @pytest.mark.parametrize("max_iter", [1, 2, 3])
    def test_step_by_step(self, backend, max_iter):
        table = np.random.default_rng(0).random((200, 3))
        reference = KMeans(5, init=table[:5], n_init=1, tol=0, max_iter=max_iter)
        reference.fit(table)
        model = um.kmeans(
            backend.asarray(table), 5, init=backend.asarray(table[:5]), tol=0, max_iter=max_iter
        )
        expected, order = by_size(reference.labels_, 5)
        np.testing.assert_array_equal(host(model.labels), expected)
        np.testing.assert_allclose(host(model.centers), reference.cluster_centers_[order])
        assert model.n_iter == max_iter

    def test_starts_that_rest_at_different_steps_do_not_disturb_one_another(self, backend):
        """Tight groups rest at once and loose ones late; the best of all starts alone is kept."""
        table = np.random.default_rng(3).random((400, 3))
        together = um.kmeans(backend.asarray(table), 5, n_starts=6, tol=0, rng=4)
        reference = KMeans(5, init=host(together.centers), n_init=1, tol=0).fit(table)
        np.testing.assert_allclose(host(together.centers), reference.cluster_centers_)
        np.testing.assert_allclose(together.inertia, reference.inertia_)

    @pytest.mark.parametrize("n_features", [3, 40])
    def test_no_number_of_threads_and_no_missing_library_changes_a_label(
        self, monkeypatch, n_features
    ):
        table = np.random.default_rng(0).random((3000, n_features), dtype=np.float32)
        models = []
        for workers, has_numba in ((1, True), (3, True), (2, False)):
            with monkeypatch.context() as patch:
                patch.setattr("unmix._executors.threads.default_workers", lambda _, n=workers: n)
                patch.setattr("unmix._declines.has_numba", lambda found=has_numba: found)
                patch.setattr("unmix.config.TILE_BYTES", 1 << 16)
                models.append(um.kmeans(table, 7, init=table[:7], tol=0, max_iter=30))
        one, three, plain = models
        np.testing.assert_array_equal(one.labels, three.labels)
        np.testing.assert_array_equal(one.centers, three.centers)
        assert one.inertia == three.inertia
        np.testing.assert_array_equal(one.labels, plain.labels)
        np.testing.assert_allclose(one.centers, plain.centers, rtol=1e-5)

    def test_any_type(self):
        table = np.round(blobs()[0] * 20)
        table -= table.min()
        expected = um.kmeans(table, 4)
        for dtype in (np.uint8, ">u2", np.float16, np.float32, ">f8"):
            model = um.kmeans(np.asfortranarray(table.astype(dtype)), 4)
            np.testing.assert_array_equal(model.labels, expected.labels)
            np.testing.assert_allclose(model.inertia, expected.inertia, rtol=1e-5)

    def test_an_offset_changes_nothing(self, backend):
        table = np.round(blobs()[0].astype(np.float32) * 64) / 64
        far = table + np.float32(4096)  # exact in float32
        near, moved = (um.kmeans(backend.asarray(t), 4) for t in (table, far))
        np.testing.assert_array_equal(host(near.labels), host(moved.labels))
        np.testing.assert_allclose(near.inertia, moved.inertia, rtol=1e-3)


class TestResult:
    def test_labels_are_ordered_by_size(self, backend):
        table, truth = blobs(n=200, k=4, spread=0.05)
        model = um.kmeans(backend.asarray(table), 4)
        labels = host(model.labels)
        sizes = np.bincount(labels)
        assert (np.diff(sizes) <= 0).all()
        np.testing.assert_array_equal(labels, by_size(truth, 4)[0])
        maps = host(model.maps)
        np.testing.assert_array_equal(maps, labels == np.arange(4)[:, None])
        centers = [table[labels == i].mean(axis=0) for i in range(4)]
        np.testing.assert_allclose(host(model.centers), centers, atol=1e-12)
        distances = np.sum((table - host(model.centers)[labels]) ** 2)
        assert model.inertia == pytest.approx(distances)
        assert model.components is model.centers

    def test_of_equal_sizes_the_first_sample_decides(self, backend):
        table = np.asarray([[5.0], [0.0], [9.0], [5.1], [0.1], [9.1]])
        for start in ([0, 5, 9], [9, 5, 0], [5, 9, 0]):
            init = backend.asarray(np.asarray(start, float)[:, None])
            labels = um.kmeans(backend.asarray(table), 3, init=init).labels
            np.testing.assert_array_equal(host(labels), [0, 1, 2, 0, 1, 2])

    def test_one_cluster_is_the_mean(self, backend):
        table = blobs()[0]
        model = um.kmeans(backend.asarray(table), 1)
        np.testing.assert_allclose(host(model.centers)[0], table.mean(axis=0), atol=1e-12)
        assert model.inertia == pytest.approx(np.sum((table - table.mean(axis=0)) ** 2))
        assert not host(model.labels).any()

    def test_as_many_clusters_as_samples(self, backend):
        table = np.random.default_rng(0).random((6, 3))
        model = um.kmeans(backend.asarray(table), 6)
        assert sorted(host(model.labels)) == list(range(6))
        assert model.inertia == pytest.approx(0, abs=1e-14)

    @settings(max_examples=8)
    @given(seed=st.integers(0, 999), k=st.integers(1, 5))
    def test_inertia_never_rises(self, backend, seed, k):
        table = np.random.default_rng(seed).random((40, 3))
        init = backend.asarray(table[:k])
        inertia = [
            um.kmeans(backend.asarray(table), k, init=init, max_iter=i, tol=0).inertia
            for i in (1, 2, 4, 20)
        ]
        assert (np.diff(inertia) <= 1e-12).all()

    def test_more_starts_are_never_worse(self):
        table = np.random.default_rng(1).random((150, 4))
        inertia = [um.kmeans(table, 9, n_starts=n, rng=3).inertia for n in (1, 2, 4)]
        assert inertia[0] >= inertia[1] >= inertia[2]
        assert inertia[2] < inertia[0]

    def test_the_same_rng_gives_the_same_bits(self, backend):
        table = backend.asarray(np.random.default_rng(1).random((150, 4)))
        a, b, other = (um.kmeans(table, 9, n_starts=1, rng=r) for r in (3, 3, 4))
        np.testing.assert_array_equal(host(a.centers), host(b.centers))
        assert a.inertia != other.inertia
        drawn = um.kmeans(table, 9, n_starts=1, rng=np.random.default_rng(0))
        again = um.kmeans(table, 9, n_starts=1, rng=drawn.record.steps[-1].parameters["rng"])
        np.testing.assert_array_equal(host(drawn.centers), host(again.centers))

    def test_every_backend_draws_the_same_starts(self, backend):
        table = np.round(np.random.default_rng(1).random((150, 4)) * 256) / 256
        expected = um.kmeans(table, 6, n_starts=2)
        model = um.kmeans(backend.asarray(table), 6, n_starts=2)
        np.testing.assert_array_equal(host(model.labels), expected.labels)

    def test_starts_follow_the_distances(self):
        # one sample in 200 is far away: k-means++ nearly always takes it, uniform draws rarely
        table = np.random.default_rng(0).random((200, 2))
        table[77] += 100
        for seed in range(10):
            model = um.kmeans(table, 2, n_starts=1, max_iter=1, rng=seed)
            assert np.flatnonzero(model.labels == 1).tolist() == [77]

    def test_is_recorded(self, backend):
        model = um.kmeans(backend.asarray(blobs()[0]), 3, n_starts=2, max_iter=9, tol=0.1, rng=4)
        step = model.record.steps[-1]
        assert step.operation == "kmeans"
        assert step.parameters == {
            "n_clusters": 3,
            "init": "k-means++",
            "n_starts": 2,
            "max_iter": 9,
            "tol": 0.1,
            "rng": 4,
        }


class TestOnMaps:
    def test_masked_samples_and_entries_are_as_if_they_were_not_there(self, backend):
        rng = np.random.default_rng(1)
        values = blobs(n=300, f=24, seed=3)[0].reshape(15, 20, 4, 6)
        mask, entries = rng.random((15, 20)) < 0.6, rng.random((4, 6)) < 0.7
        samples = um.samples(backend.asarray(values), 2).where(mask).features(entries)
        start = values[mask][:4]
        model = um.kmeans(samples, 4, init=backend.asarray(start))
        alone = um.kmeans(
            backend.asarray(values[mask][:, entries]), 4, init=backend.asarray(start[:, entries])
        )
        labels = host(model.labels)
        np.testing.assert_array_equal(labels[mask], host(alone.labels))
        assert (labels[~mask] == -1).all()
        assert np.isnan(host(model.maps)[:, ~mask]).all()
        np.testing.assert_allclose(host(model.centers)[:, entries], host(alone.centers), atol=1e-12)
        assert np.isnan(host(model.centers)[:, ~entries]).all()
        assert model.inertia == pytest.approx(alone.inertia)
        np.testing.assert_array_equal(host(um.kmeans(samples, 4).labels)[~mask], -1)

    def test_half_planes_find_what_full_planes_find(self, backend):
        image = np.random.default_rng(3).random((32, 40))
        samples = um.window_fft(um.sliding_windows(backend.asarray(image), (8, 9), 4))
        full = um.samples(samples.to_array(), 2)
        init = full.to_array()[0, :3, ...]
        a, b = um.kmeans(samples, 3, init=init), um.kmeans(full, 3, init=init)
        np.testing.assert_array_equal(host(a.labels), host(b.labels))
        np.testing.assert_allclose(host(a.centers), host(b.centers), atol=1e-12)
        assert a.inertia == pytest.approx(b.inertia)

    def test_kept_or_computed_again_are_the_same_bits(self, backend, monkeypatch):
        monkeypatch.setattr(um.config, "TILE_BYTES", 1 << 14)
        kept = []
        true = um.Samples.keep
        monkeypatch.setattr(um.Samples, "keep", lambda self: kept.append(1) or true(self))
        image = backend.asarray(np.random.default_rng(3).random((36, 40)), np.float32)
        samples = um.window_fft(um.sliding_windows(image, (12, 9), 2))
        assert len(samples.plan()) > 5
        in_memory = um.kmeans(samples, 3, n_starts=2, max_iter=4)
        assert kept
        kept.clear()
        monkeypatch.setattr(um.config, "current_budget", lambda: 1 << 12)
        again = um.kmeans(samples, 3, n_starts=2, max_iter=4)
        assert not kept
        np.testing.assert_array_equal(host(again.labels), host(in_memory.labels))
        np.testing.assert_array_equal(host(again.centers), host(in_memory.centers))
        assert again.inertia == in_memory.inertia

    def test_tiles_change_no_label(self, backend, monkeypatch):
        samples = um.samples(backend.asarray(blobs(n=400)[0].reshape(20, 20, 6)), 2)
        whole = um.kmeans(samples, 4)
        monkeypatch.setattr(um.config, "TILE_BYTES", 1 << 12)
        assert len(samples.plan()) > 5
        tiled = um.kmeans(samples, 4)
        np.testing.assert_array_equal(host(tiled.labels), host(whole.labels))
        np.testing.assert_allclose(host(tiled.centers), host(whole.centers), atol=1e-12)
        assert tiled.inertia == pytest.approx(whole.inertia)

    def test_of_movies(self, backend):
        table, truth = blobs(n=60, k=3, spread=0.05)
        movie = um.samples(
            backend.asarray(table.reshape(3, 4, 5, 6)), 3, map_names=("frame", "y", "x")
        )
        labels = host(um.kmeans(movie, 3).labels)
        np.testing.assert_array_equal(labels.ravel(), by_size(truth, 3)[0])
        assert labels.shape == (3, 4, 5)


class TestInit:
    def test_a_model_is_an_init(self, backend):
        table = backend.asarray(blobs()[0])
        for model in (um.kmeans(table, 4), um.nfindr(table, 4), um.pca(table, 4)):
            by_model = um.kmeans(table, 4, init=model)
            by_array = um.kmeans(table, 4, init=model.components)
            np.testing.assert_array_equal(host(by_model.labels), host(by_array.labels))
        rested = um.kmeans(table, 4, init=um.kmeans(table, 4, tol=0))
        assert rested.n_iter == 1

    def test_equal_and_far_centres_are_moved_to_samples(self, backend):
        table = blobs(k=3, spread=0.05)[0]
        init = np.full((3, 6), 1e3)
        model = um.kmeans(backend.asarray(table), 3, init=backend.asarray(init))
        assert len(np.unique(host(model.labels))) == 3

    @pytest.mark.parametrize(
        ("init", "error", "message"),
        [
            ("random", um.ParameterError, r"init is 'random'; expected 'k-means\+\+', a model or"),
            (np.zeros((2, 6)), um.ParameterError, "init has 2 centres; expected n_clusters=3"),
            (np.zeros((3, 5)), um.ShapeError, r"have shape \(3, 5\); expected \(k, 6\)"),
            (np.full((3, 6), np.nan), um.DataError, "the centres of init holds 18 values that"),
            (np.zeros((3, 6), complex), um.DTypeError, "is complex"),
            ([[0] * 6] * 3, um.BackendError, "as a model or an array, but got list"),
            (None, um.BackendError, "as a model or an array, but got NoneType"),
        ],
    )
    def test_refusals(self, init, error, message):
        with pytest.raises(error, match=message):
            um.kmeans(blobs()[0], 3, init=init)

    def test_models_of_other_descriptors_are_refused(self):
        image = np.random.default_rng(3).random((32, 40))
        windows = um.sliding_windows(image, (8, 9), 4)
        model = um.kmeans(um.window_fft(windows), 2)
        with pytest.raises(um.ShapeError, match="leave out other entries"):
            um.kmeans(um.window_fft(windows, k_min=0.2), 2, init=model)


class TestProject:
    def test_new_samples_take_the_nearest_centre(self, backend):
        table = blobs(k=3, spread=0.1)[0]
        model = um.kmeans(backend.asarray(table[:200]), 3)
        mask = np.arange(100) % 7 > 0
        projected = model.project(
            um.samples(
                backend.asarray(table[200:]), 1, map_names=["sample"], descriptor_names=["feature"]
            ).where(mask)
        )
        distances = np.sum((table[200:, None] - host(model.centers)) ** 2, axis=2)
        expected = np.where(mask, distances.argmin(axis=1), -1)
        np.testing.assert_array_equal(host(projected.labels), expected)
        maps = host(projected.maps)
        np.testing.assert_array_equal(maps[:, mask], expected[mask] == np.arange(3)[:, None])
        assert np.isnan(maps[:, ~mask]).all()
        assert np.isnan(projected.inertia)
        np.testing.assert_array_equal(host(projected.centers), host(model.centers))

    def test_the_same_samples_keep_their_labels(self, backend):
        table = backend.asarray(blobs()[0])
        model = um.kmeans(table, 4)
        np.testing.assert_array_equal(host(model.project(table).labels), host(model.labels))


class TestRefusals:
    @pytest.mark.parametrize("n", [1, 3])
    def test_too_few_different_samples(self, backend, n):
        table = np.repeat(np.random.default_rng(0).random((n, 3)), 5, axis=0)
        with pytest.raises(
            um.DataError,
            match=f"{5 * n} samples are only {n} different ones for {n + 1} clusters; ask for at "
            f"most {n}",
        ):
            um.kmeans(backend.asarray(table), n + 1)
        assert len(np.unique(host(um.kmeans(backend.asarray(table), n).labels))) == n

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"n_clusters": 0}, "n_clusters is 0; expected a whole number from 1 to 300"),
            ({"n_clusters": 301}, "n_clusters is 301; expected a whole number from 1 to 300"),
            ({"n_clusters": 2.0}, r"n_clusters is 2\.0; expected"),
            ({"n_starts": 0}, "n_starts is 0; expected a whole number from 1"),
            ({"max_iter": 0}, "max_iter is 0; expected a whole number from 1"),
            ({"tol": -1e-9}, "tol is -1e-09; expected zero or more"),
            ({"tol": np.nan}, "tol is nan; expected zero or more"),
            ({"tol": "auto"}, "tol is 'auto'; expected zero or more"),
            ({"rng": 1.5}, r"rng is 1\.5; expected a whole number"),
        ],
    )
    def test_numbers_out_of_range(self, options, message):
        with pytest.raises(um.ParameterError, match=message):
            um.kmeans(blobs()[0], **{"n_clusters": 3, **options})
