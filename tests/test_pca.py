"""`pca` against NumPy's SVD and scikit-learn, by every solver, on every kind of samples."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from backends import Backend
from sklearn.decomposition import PCA

import unmix as um
from unmix.decompose._passes import Passes, few_samples

host = Backend.numpy
SOLVERS = ("covariance", "randomized")


def low_rank(n=300, f=40, rank=6, noise=0.01, offset=3.0):
    """Return a table whose leading variances stand apart."""
    rng, rank = np.random.default_rng(4), min(rank, f)
    scores = rng.standard_normal((n, rank)) * 2.0 ** -np.arange(rank)
    table = scores @ np.linalg.qr(rng.standard_normal((f, rank)))[0].T
    return table + noise * rng.standard_normal((n, f)) + offset * rng.random(f)


def expected_of(table, n, center=True):
    """Mean, scores, components, variances and their ratio by NumPy's SVD."""
    table = table.astype(np.float64)
    mean = table.mean(axis=0) if center else np.zeros(table.shape[1])
    _, s, vt = np.linalg.svd(table - mean, full_matrices=False)
    vt *= np.sign(np.take_along_axis(vt, np.abs(vt).argmax(axis=1)[:, None], axis=1))
    variance = s**2 / (len(table) - center)
    return {
        "mean": mean,
        "maps": ((table - mean) @ vt[:n].T).T,
        "components": vt[:n],
        "explained_variance": variance[:n],
        "explained_variance_ratio": (variance / variance.sum())[:n],
        "singular_values": s[:n],
    }


def assert_model(model, expected, eps):
    for name, value in expected.items():
        got = getattr(model, name)
        if name == "mean" and got is None:
            assert not value.any()
            continue
        size = np.abs(value).max()
        np.testing.assert_allclose(host(got), value, rtol=0, atol=eps * size, err_msg=name)


class TestAgainstNumpy:
    @pytest.mark.parametrize("solver", SOLVERS)
    @pytest.mark.parametrize("center", [True, False])
    @pytest.mark.parametrize("shape", [(300, 40), (40, 90), (7, 5), (5, 30)])
    def test_svd(self, backend, solver, center, shape):
        table = low_rank(*shape)
        n = min(4, shape[0] - 1, shape[1])
        model = um.pca(backend.asarray(table), n, center=center, solver=solver)
        eps = 1e-10 if solver == "covariance" else 1e-3  # which stops at 1e-4 of the variance
        assert_model(model, expected_of(table, n, center), eps)
        assert (model.mean is None) == (not center)
        for name in ("maps", "components", "explained_variance", "singular_values"):
            assert backend.owns(getattr(model, name))

    def test_scikit_learn(self, backend):
        table = low_rank()
        model = um.pca(backend.asarray(table), 5)
        reference = PCA(5, svd_solver="full").fit(table)
        for name, value in [
            ("explained_variance", reference.explained_variance_),
            ("explained_variance_ratio", reference.explained_variance_ratio_),
            ("singular_values", reference.singular_values_),
            ("mean", reference.mean_),
        ]:
            np.testing.assert_allclose(host(getattr(model, name)), value, rtol=1e-9)
        cosines = np.abs(np.sum(host(model.components) * reference.components_, axis=1))
        np.testing.assert_allclose(cosines, 1, rtol=1e-10)

    @pytest.mark.parametrize("solver", SOLVERS)
    @pytest.mark.parametrize("dtype", [np.float16, np.uint8, np.uint16, ">i2", ">f4", np.float32])
    def test_any_type_gives_the_answer_of_float64(self, solver, dtype):
        table = low_rank(noise=0.1)
        table = ((table - table.min()) * 20).astype(dtype)
        expected = expected_of(table, 3)
        for given in (table, np.asfortranarray(table), np.repeat(table, 2, axis=0)[::2]):
            model = um.pca(given, 3, solver=solver, loss=1e-10)
            assert model.maps.dtype == model.components.dtype == np.float32
            assert model.explained_variance.dtype == np.float64
            assert_model(model, expected, 3e-5)

    @pytest.mark.parametrize("solver", SOLVERS)
    def test_a_large_offset_costs_no_variance(self, backend, solver):
        table = low_rank(noise=0.1).astype(np.float32)
        far = (table + np.float32(1000)).astype(np.float32)
        model = um.pca(backend.asarray(far), 3, solver=solver)
        expected = expected_of(far, 3)
        np.testing.assert_allclose(
            host(model.explained_variance), expected["explained_variance"], rtol=1e-3
        )
        cosines = np.abs(np.sum(host(model.components) * expected["components"], axis=1))
        np.testing.assert_allclose(cosines, 1, atol=1e-5)


class TestProperties:
    @pytest.mark.parametrize("solver", SOLVERS)
    def test_components_are_orthonormal_and_variances_fall(self, backend, solver):
        model = um.pca(backend.asarray(low_rank()), 12, solver=solver)
        components, maps = host(model.components), host(model.maps)
        np.testing.assert_allclose(components @ components.T, np.eye(12), atol=1e-12)
        variance = host(model.explained_variance)
        assert (np.diff(variance) <= 0).all()
        np.testing.assert_allclose(maps.var(axis=1, ddof=1), variance, rtol=1e-6)
        np.testing.assert_allclose(maps.mean(axis=1), 0, atol=1e-12)

    def test_the_largest_entry_of_a_component_is_positive(self, backend):
        for table in (low_rank(), -low_rank(), low_rank()[:, ::-1]):
            components = host(um.pca(backend.asarray(table), 5).components)
            largest = np.abs(components).argmax(axis=1)
            assert (components[np.arange(5), largest] > 0).all()

    @pytest.mark.parametrize("solver", SOLVERS)
    def test_the_ratio_is_to_the_variance_of_all_features(self, backend, solver):
        table = low_rank(noise=0.3)
        model = um.pca(backend.asarray(table), 2, solver=solver)
        ratio = host(model.explained_variance_ratio)
        total = table.var(axis=0, ddof=1).sum()
        np.testing.assert_allclose(ratio, host(model.explained_variance) / total, rtol=1e-10)
        assert ratio.sum() < 0.9

    @pytest.mark.parametrize("solver", SOLVERS)
    def test_all_components_give_the_samples_back(self, backend, solver):
        table = low_rank(50, 8)
        model = um.pca(backend.asarray(table), 8, solver=solver)
        back = host(model.maps).T @ host(model.components) + host(model.mean)
        np.testing.assert_allclose(back, table, atol=1e-12)
        np.testing.assert_allclose(host(model.explained_variance_ratio).sum(), 1, rtol=1e-12)

    @pytest.mark.parametrize("solver", SOLVERS)
    @pytest.mark.parametrize("rank", [1, 2, 5])
    def test_rank_below_the_number_of_components(self, backend, solver, rank):
        table = low_rank(60, 30, rank, noise=0)
        model = um.pca(backend.asarray(table), 9, solver=solver)
        components, variance = host(model.components), host(model.explained_variance)
        np.testing.assert_allclose(components @ components.T, np.eye(9), atol=1e-10)
        assert (variance >= 0).all()
        np.testing.assert_allclose(variance[rank:], 0, atol=1e-14)
        np.testing.assert_allclose(host(model.maps)[rank:], 0, atol=1e-7)
        back = host(model.maps).T @ components + host(model.mean)
        np.testing.assert_allclose(back, table, atol=1e-8)

    @pytest.mark.parametrize("solver", SOLVERS)
    def test_constant_samples(self, backend, solver):
        model = um.pca(backend.asarray(np.full((20, 6), 0.1)), 3, solver=solver)
        np.testing.assert_allclose(host(model.explained_variance), 0, atol=1e-28)
        assert np.isfinite(host(model.explained_variance_ratio)).all()
        components = host(model.components)
        np.testing.assert_allclose(components @ components.T, np.eye(3), atol=1e-12)
        np.testing.assert_allclose(host(model.mean), 0.1)

    def test_auto_takes_the_exact_solver_up_to_512_features(self):
        rng = np.random.default_rng(0)
        for f, same in ((512, "covariance"), (513, "randomized")):
            table = rng.standard_normal((40, f))
            auto = um.pca(table, 3)
            np.testing.assert_array_equal(auto.maps, um.pca(table, 3, solver=same).maps)


class TestRandomness:
    def test_the_same_rng_gives_the_same_bits(self, backend):
        table = backend.asarray(low_rank(60, 50))
        first, same, other = (um.pca(table, 3, solver="randomized", rng=rng) for rng in (7, 7, 8))
        np.testing.assert_array_equal(host(first.maps), host(same.maps))
        assert not np.array_equal(host(first.maps), host(other.maps))
        np.testing.assert_allclose(host(first.maps), host(other.maps), atol=1e-6)

    def test_a_generator_gives_its_next_key_which_is_recorded(self):
        table = low_rank(60, 50)
        rng = np.random.default_rng(3)
        key = int(np.random.default_rng(3).integers(0, 2**63 - 1))
        model = um.pca(table, 3, solver="randomized", rng=rng)
        assert model.record.steps[-1].parameters["rng"] == key
        again = um.pca(table, 3, solver="randomized", rng=key)
        np.testing.assert_array_equal(model.maps, again.maps)
        later = um.pca(table, 3, solver="randomized", rng=rng)
        assert later.record.steps[-1].parameters["rng"] != key

    def test_global_random_numbers_stay_untouched(self):
        before = np.random.get_state()  # noqa: NPY002
        um.pca(low_rank(60, 50), 3, solver="randomized")
        after = np.random.get_state()  # noqa: NPY002
        np.testing.assert_array_equal(before[1], after[1])


def pictures(seed=0, shape=(40, 52)):
    return np.random.default_rng(seed).random(shape)


def spectra(backend, seed=0, **options):
    windows = um.sliding_windows(backend.asarray(pictures(seed)), (8, 9), (4, 3))
    return um.window_fft(windows, **options)


class TestSamples:
    @pytest.mark.parametrize("solver", SOLVERS)
    @pytest.mark.parametrize("limits", [{}, {"k_max": 0.3, "k_min": 0.1}])
    def test_half_planes_are_as_good_as_full_ones(self, backend, solver, limits):
        samples = spectra(backend, **limits)
        model = um.pca(samples, 4, solver=solver)
        full = host(samples.to_array())
        inside = ~np.isnan(full).any(axis=(0, 1))
        expected = expected_of(full[..., inside].reshape(-1, inside.sum()), 4)
        components = host(model.components)
        assert components.shape == (4, *samples.layout.descriptor_shape)
        np.testing.assert_array_equal(
            np.isnan(components), np.broadcast_to(~inside, components.shape)
        )
        np.testing.assert_allclose(
            host(model.explained_variance), expected["explained_variance"], rtol=1e-3
        )
        flat = components[:, inside]
        np.testing.assert_allclose(flat @ flat.T, np.eye(4), atol=1e-10)
        np.testing.assert_allclose(host(model.mean)[inside], expected["mean"], atol=1e-12)
        if solver == "covariance":
            cosines = np.abs(np.sum(flat * expected["components"], axis=1))
            np.testing.assert_allclose(cosines, 1, atol=1e-9)
            np.testing.assert_allclose(
                np.abs(host(model.maps).reshape(4, -1)), np.abs(expected["maps"]), atol=1e-9
            )

    @pytest.mark.parametrize("solver", SOLVERS)
    def test_masked_samples_and_entries_are_as_if_they_were_not_there(self, backend, solver):
        rng = np.random.default_rng(1)
        values = low_rank(60, 24, noise=0.1).reshape(6, 10, 4, 6)
        mask, entries = rng.random((6, 10)) < 0.7, rng.random((4, 6)) < 0.6
        samples = um.samples(backend.asarray(values), 2)
        model = um.pca(samples.where(mask).features(entries), 3, solver=solver)
        alone = um.pca(backend.asarray(values[mask][:, entries]), 3, solver=solver)
        np.testing.assert_allclose(host(model.maps)[:, mask], host(alone.maps), rtol=0, atol=1e-9)
        np.testing.assert_allclose(
            host(model.components)[:, entries], host(alone.components), rtol=0, atol=1e-9
        )
        for name in ("explained_variance", "explained_variance_ratio", "singular_values"):
            np.testing.assert_allclose(host(getattr(model, name)), host(getattr(alone, name)))
        assert np.isnan(host(model.maps)[:, ~mask]).all()
        assert np.isnan(host(model.components)[:, ~entries]).all()
        assert np.isnan(host(model.mean)[~entries]).all()

    def test_movies(self, backend):
        movie = np.random.default_rng(0).random((3, 24, 30))
        samples = um.window_fft(um.sliding_windows(backend.asarray(movie), 8, 4))
        model = um.pca(samples, 3)
        assert tuple(model.maps.shape) == (3, 3, 5, 6)
        assert repr(model) == (
            "<PrincipalComponents: 3 maps of frame 3 x grid_y 5 x grid_x 6, "
            "components of k_y 8 x k_x 8>"
        )
        assert len(model) == 3

    def test_budgets_change_only_rounding(self, backend, monkeypatch):
        samples = spectra(backend)
        expected = um.pca(samples, 3)
        monkeypatch.setattr(um.config, "TILE_BYTES", 1 << 13)
        with um.config.memory_budget(1 << 20):
            tiled = um.pca(samples, 3)
        np.testing.assert_allclose(host(tiled.maps), host(expected.maps), atol=1e-10)

    def test_the_fit_is_recorded(self, backend):
        model = um.pca(spectra(backend), 3, center=False, solver="randomized", rng=5)
        step = model.record.steps[-1]
        assert step.operation == "pca"
        assert step.parameters == {
            "n_components": 3,
            "center": False,
            "noise": None,
            "solver": "randomized",
            "loss": 1e-6,
            "rng": 5,
        }
        assert step.run["namespace"] == backend.module
        assert step.run["seconds"] >= 0
        assert step.run["versions"]["numpy"] == np.__version__


class TestProject:
    @pytest.mark.parametrize("center", [True, False])
    def test_the_same_samples_have_the_same_maps(self, backend, center):
        samples = spectra(backend, k_max=0.3)
        mask = np.random.default_rng(0).random(samples.layout.map_shape) < 0.8
        model = um.pca(samples.where(mask), 3, center=center)
        again = model.project(samples.where(mask))
        np.testing.assert_allclose(host(again.maps), host(model.maps), atol=1e-12)
        np.testing.assert_array_equal(again.layout.mask, mask)
        assert model.project(samples).layout.mask is None
        everywhere = host(model.project(samples).maps)
        np.testing.assert_allclose(everywhere[:, mask], host(model.maps)[:, mask], atol=1e-12)
        assert np.isfinite(everywhere).all()

    def test_other_images_are_read_with_the_old_components(self, backend):
        model = um.pca(spectra(backend), 3)
        other = um.window_fft(
            um.sliding_windows(backend.asarray(pictures(1, (2, 20, 30))), (8, 9), 5)
        )
        projected = model.project(other)
        assert isinstance(projected, um.PrincipalComponents)
        assert tuple(projected.maps.shape) == (3, 2, 3, 5)
        full = host(other.to_array()) - host(model.mean)
        expected = np.einsum("fyxab,kab->kfyx", full, host(model.components))
        np.testing.assert_allclose(host(projected.maps), expected, atol=1e-12)
        np.testing.assert_array_equal(host(projected.components), host(model.components))
        assert projected.record.steps[-1].operation == "project"

    def test_one_sample_and_bare_tables(self, backend):
        table = low_rank(40, 8)
        model = um.pca(backend.asarray(table), 2)
        one = model.project(backend.asarray(table[7:8]))
        np.testing.assert_allclose(host(one.maps)[:, 0], host(model.maps)[:, 7], atol=1e-12)

    @pytest.mark.parametrize(
        "other",
        [
            lambda w: um.window_fft(w, pad=16),
            lambda w: um.window_fft(w, k_max=0.3),
            lambda w: um.window_fft(w, k_min=0.2),
            lambda w: w,
        ],
    )
    def test_other_descriptors_are_refused(self, other):
        windows = um.sliding_windows(pictures(), (8, 9), (4, 3))
        model = um.pca(um.window_fft(windows), 2)
        with pytest.raises(um.ShapeError, match=r"describ|leave out other entries"):
            model.project(other(windows))

    def test_other_units_are_refused(self):
        model = um.pca(spectra(Backend.NUMPY), 2)
        image = um.samples(pictures(), 2, pitch=0.5, units="nm")
        with pytest.raises(um.ShapeError, match=r"k_y 8 x k_x 9 \(1/nm\), but the model by k_y 8"):
            model.project(um.window_fft(um.sliding_windows(image, (8, 9), 4)))


class TestScores:
    def test_are_samples_with_the_maps_axes(self, backend):
        mask = np.random.default_rng(0).random((9, 15)) < 0.8
        model = um.pca(spectra(backend).where(mask), 3)
        scores = model.scores
        assert [a.name for a in scores.axes] == ["grid_y", "grid_x", "component"]
        np.testing.assert_array_equal(scores.layout.mask, mask)
        np.testing.assert_array_equal(host(scores.to_array()), np.moveaxis(host(model.maps), 0, -1))
        assert scores.record.steps[-1].operation == "scores"

    def test_pca_then_kmeans_are_two_lines(self, backend):
        table, truth = um.synthetic.blobs(200, 3, 12, spread=0.05, rng=1)
        model = um.pca(um.samples(backend.asarray(table.reshape(10, 20, 12)), 2), 2)
        labels = host(um.kmeans(model.scores, 3).labels)
        assert labels.shape == (10, 20)
        sizes = np.argsort(-np.bincount(truth), kind="stable")
        np.testing.assert_array_equal(sizes[labels.ravel()], truth)


class TestRefusals:
    @pytest.mark.parametrize(
        ("shape", "n", "center", "most"),
        [((10, 4), 5, True, 4), ((5, 30), 5, True, 4), ((5, 30), 6, False, 5)],
    )
    def test_too_many_components(self, shape, n, center, most):
        table = np.random.default_rng(0).random(shape)
        with pytest.raises(
            um.ParameterError,
            match=f"n_components is {n}; expected a whole number from 1 to {most}",
        ):
            um.pca(table, n, center=center)
        assert len(um.pca(table, most, center=center)) == most

    @pytest.mark.parametrize("n", [0, -1, 2.0, "2", None, True])
    def test_no_number_of_components(self, n):
        with pytest.raises(um.ParameterError, match=r"n_components is .* expected a whole number"):
            um.pca(low_rank(), n)

    def test_masks_count(self):
        samples = um.samples(low_rank(10, 8), 1).where(np.arange(10) < 4)
        with pytest.raises(um.ParameterError, match=r"from 1 to 3 \(4 samples with 8 features\)"):
            um.pca(samples, 4)

    def test_unknown_solver(self):
        with pytest.raises(um.ParameterError, match="solver is 'full'; expected 'auto', 'covaria"):
            um.pca(low_rank(), 2, solver="full")

    @pytest.mark.parametrize("rng", [-1, 2**63, None, True, 1.0, "0"])
    def test_rng(self, rng):
        with pytest.raises(um.ParameterError, match=r"rng is .* or a numpy\.random\.Generator"):
            um.pca(low_rank(), 2, rng=rng)


@pytest.mark.parametrize("solver", ["covariance", "randomized"])
def test_the_ratio_survives_a_large_offset(solver):
    table = np.random.default_rng(0).normal(size=(400, 60)) * 0.3 + 1000
    exact = um.pca(table, 3, solver="covariance").explained_variance_ratio
    single = um.pca(table.astype(np.float32), 3, solver=solver).explained_variance_ratio
    np.testing.assert_allclose(single, exact, rtol=0.01)


def counts(n=2000, f=60, seed=0):
    """Poisson counts of a bright and a faint component, and what they are without noise.

    Half of the features are so bright that the noise of each exceeds the faint component.
    """
    rng = np.random.default_rng(seed)
    bright, faint = np.zeros(f), np.zeros(f)
    bright[: f // 2], bright[f // 2 :] = 400.0, 0.5
    faint[f // 2 :: 4] = 4.0
    a, b = rng.uniform(0.9, 1.1, n), rng.random(n) < 0.3
    truth = np.outer(a, bright) + np.outer(b, faint)
    return rng.poisson(truth).astype(np.uint16), faint, b


def scaled_by_hand(table, center):
    """The scaling of Keenan and Kotula as it is defined, with NumPy alone."""
    table = table.astype(float)
    image, spectrum, mean = table.mean(axis=1), table.mean(axis=0), table.mean()
    with np.errstate(divide="ignore"):
        r = np.where(image > 0, np.sqrt(mean / image), 0)
        s = np.where(spectrum > 0, 1 / np.sqrt(spectrum), 0)
    return (table - center * spectrum) * r[:, None] * s, s


class TestPoissonNoise:
    @pytest.mark.parametrize("solver", SOLVERS)
    @pytest.mark.parametrize("center", [True, False])
    def test_is_the_decomposition_of_the_scaled_table(self, backend, solver, center):
        table = counts(200, 40)[0].astype(float)
        table[7], table[:, 31] = 0, 0  # a sample and a feature without a count
        model = um.pca(
            backend.asarray(table), 3, center=center, noise="poisson", solver=solver, loss=1e-12
        )
        scaled, s = scaled_by_hand(table, center)
        _, values, vt = np.linalg.svd(scaled, full_matrices=False)
        variance = values**2 / (len(table) - center)
        got = {name: host(getattr(model, name)) for name in model.extras}
        np.testing.assert_allclose(got["singular_values"], values[:3], rtol=1e-5)
        np.testing.assert_allclose(got["explained_variance"], variance[:3], rtol=1e-5)
        np.testing.assert_allclose(
            got["explained_variance_ratio"], (variance / variance.sum())[:3], rtol=1e-5
        )
        np.testing.assert_allclose(got["scale"], s, rtol=1e-6)
        components, maps = host(model.components), host(model.maps)
        np.testing.assert_allclose(components * s @ (components * s).T, np.eye(3), atol=1e-5)
        cosines = np.abs(np.sum(components * s * vt[:3], axis=1))
        np.testing.assert_allclose(cosines, 1, atol=1e-4)
        assert (components[:, 31] == 0).all()
        # maps have no weight: the empty sample has its place
        mean = table.mean(axis=0) if center else np.zeros(40)
        expected = (table - mean) * s @ (components * s).T
        np.testing.assert_allclose(maps.T, expected, atol=1e-4 * np.abs(expected).max())
        if center:
            np.testing.assert_allclose(host(model.mean), mean, rtol=1e-6)
            np.testing.assert_allclose(maps.mean(axis=1), 0, atol=1e-4 * np.abs(maps).max())
        else:
            assert model.mean is None

    @pytest.mark.parametrize("solver", SOLVERS)
    def test_finds_what_bright_noise_hides(self, solver):
        table, faint, b = counts()
        plain = um.pca(table, 2, solver=solver)
        scaled = um.pca(table, 2, noise="poisson", solver=solver)

        def likeness(model):
            return [
                (abs(np.corrcoef(c, faint)[0, 1]), abs(np.corrcoef(m, b)[0, 1]))
                for c, m in zip(model.components, model.maps, strict=True)
            ]

        assert max(likeness(plain)[1]) < 0.3
        assert max(w for w, _ in likeness(scaled)) > 0.8
        assert max(a for _, a in likeness(scaled)) > 0.8

    def test_noise_alone_has_a_variance_near_one(self):
        rng = np.random.default_rng(1)
        rates = np.outer(rng.uniform(20, 200, 3000), rng.uniform(0.2, 5, 40))
        model = um.pca(rng.poisson(rates), 40, center=False, noise="poisson")
        assert 0.8 < model.explained_variance[-1] < model.explained_variance[1] < 1.25

    def test_samples_are_the_mean_plus_maps_times_components(self, backend):
        table, *_ = counts(60, 12)
        model = um.pca(backend.asarray(table), 12, noise="poisson")
        back = host(model.maps).T @ host(model.components) + host(model.mean)
        np.testing.assert_allclose(back, table, atol=0.02)

    @pytest.mark.parametrize("solver", SOLVERS)
    def test_tiles_change_only_rounding(self, backend, monkeypatch, solver):
        table, *_ = counts()
        samples = um.samples(backend.asarray(table.reshape(40, 50, 60)), 2)
        mask = np.random.default_rng(0).random((40, 50)) < 0.8
        samples = samples.where(mask)
        options = {"noise": "poisson", "solver": solver, "loss": 1e-10}
        expected = um.pca(samples, 2, **options)
        monkeypatch.setattr(um.config, "TILE_BYTES", 1 << 13)
        assert len(samples.plan()) > 20
        tiled = um.pca(samples, 2, **options)
        for name in ("maps", "components"):
            a, b = host(getattr(tiled, name)), host(getattr(expected, name))
            np.testing.assert_allclose(a, b, atol=1e-4 * np.nanmax(np.abs(b)))

    @pytest.mark.parametrize("center", [True, False])
    def test_other_samples_are_read_in_the_same_way(self, backend, center, tmp_path):
        table, *_ = counts()
        model = um.pca(backend.asarray(table), 2, noise="poisson", center=center)
        um.save(tmp_path / "model.npz", model)
        loaded = um.load(tmp_path / "model.npz")
        np.testing.assert_array_equal(loaded.scale, host(model.scale))
        again = model.project(backend.asarray(table[50:90]))
        near = 1e-4 * np.abs(host(model.maps)).max()
        np.testing.assert_allclose(host(again.maps), host(model.maps)[:, 50:90], atol=near)
        np.testing.assert_allclose(loaded.project(table).maps, host(model.maps), atol=near)

    def test_half_planes_are_as_good_as_full_ones(self, backend):
        samples = spectra(backend)
        model = um.pca(samples, 2, noise="poisson", solver="covariance")
        full = host(samples.to_array()).reshape(samples.layout.n_samples, -1)
        plain = um.pca(backend.asarray(full), 2, noise="poisson", solver="covariance")
        near = 1e-8 * np.abs(host(plain.maps)).max()
        np.testing.assert_allclose(host(model.maps).reshape(2, -1), host(plain.maps), atol=near)
        np.testing.assert_allclose(host(model.scale).ravel(), host(plain.scale), rtol=1e-10)
        again = model.project(samples)
        np.testing.assert_allclose(host(again.maps), host(model.maps), atol=near)

    def test_is_recorded_and_replayed(self):
        table, *_ = counts(200, 30)
        model = um.pca(table, 2, noise="poisson")
        assert model.record.steps[-1].parameters["noise"] == "poisson"
        again = um.Pipeline.from_record(model.record).run(table)
        np.testing.assert_array_equal(again.maps, model.maps)


class TestPasses:
    """What block Krylov saves: directions from few samples, and maps without a pass."""

    def described(self, shape=(200, 232)):
        windows = um.sliding_windows(pictures(3, shape), 32, 4)
        return um.window_fft(windows)

    def test_kept_projections_are_the_maps(self, monkeypatch):
        samples = self.described()
        mask = np.random.default_rng(0).random(samples.layout.map_shape) < 0.9
        for given in (samples, samples.where(mask)):
            with um.config.memory_budget(8 << 20):
                kept = um.pca(given, 4, solver="randomized")
                again = kept.project(given)
            near = 2e-5 * np.nanmax(np.abs(again.maps))
            np.testing.assert_allclose(kept.maps, again.maps, atol=near)
            assert np.isnan(kept.maps).any() == (given is not samples)

    def test_rows_are_made_once_for_each_product(self, monkeypatch):
        samples, made, products = self.described(), [], []
        read, product = type(samples.source).read, Passes.__call__

        def counted_read(self, where, kept):
            made.append(read(self, where, kept))
            return made[-1]

        def counted_product(self, q, center):
            products.append(self.samples.layout.n_samples)
            return product(self, q, center)

        monkeypatch.setattr(type(samples.source), "read", counted_read)
        monkeypatch.setattr(Passes, "__call__", counted_product)
        with um.config.memory_budget(8 << 20):
            um.pca(samples, 4, solver="randomized", loss=1e-3)
        n = samples.layout.n_samples
        passes = products.count(n)
        assert passes >= 2
        # and the few samples once, whose table is kept
        rows = sum(len(part) for part in made)
        few = next(p for p in products if p < n)
        assert rows <= n * passes + 2 * few

    def test_without_room_for_projections_the_maps_take_a_pass(self):
        samples = self.described()
        with um.config.memory_budget(1 << 20):
            small = um.pca(samples, 4, solver="randomized")
        large = um.pca(samples, 4, solver="randomized")
        for model in (small, large):
            scores = model.project(samples).maps
            np.testing.assert_allclose(model.maps, scores, atol=1e-5 * np.abs(scores).max())

    def test_what_few_samples_do_not_show_is_found(self, backend):
        """One sample far from all others, which is not among those that the start is made of."""
        rng = np.random.default_rng(0)
        table = rng.standard_normal((2000, 60))
        table[777, 5] += 1000
        model = um.pca(backend.asarray(table), 2, solver="randomized")
        assert host(model.components)[0, 5] > 0.999

    def test_few_samples_are_from_all_over_the_map(self, monkeypatch):
        samples = um.samples(low_rank(4000, 16).reshape(40, 100, 16), 2)
        few = few_samples(samples, 100)
        assert few.layout.map_shape == (10, 25)
        assert few_samples(samples, 251) is None
        # of chunks whole tiles
        monkeypatch.setattr(um.config, "TILE_BYTES", 1 << 14)
        stored = replace(samples, source=replace(samples.source, chunks=(5, 10)))
        few = few_samples(stored, 100)
        tiles = [few.layout.mask[where] for where in stored.plan()]
        assert {(t.any(), t.all()) for t in tiles} == {(False, False), (True, True)}
        assert sum(t.any() for t in tiles) == round(len(tiles) / 16)
