"""`abundances` end to end: optimal under each constraint, from arrays and models, on any map."""

from __future__ import annotations

import numpy as np
import pytest
from backends import Backend
from scipy.optimize import nnls

import unmix as um

host = Backend.numpy
CONSTRAINTS = ("sum_to_one", "nonnegative", "none")


def problem(n=60, p=4, f=12, outside=0.5, seed=2):
    """Return samples inside and outside of a simplex, and its vertices."""
    rng = np.random.default_rng(seed)
    endmembers = rng.random((p, f))
    samples = rng.dirichlet(np.full(p, 0.6), n) @ endmembers
    return samples + outside * rng.standard_normal((n, f)) * (np.arange(n) % 2)[:, None], endmembers


def assert_optimal(samples, endmembers, abundances, constraint, eps=1e-9):
    """Meet the Karush-Kuhn-Tucker conditions of least squares under a constraint."""
    scale = np.abs(endmembers @ endmembers.T).max()
    slope = (abundances @ endmembers - samples) @ endmembers.T
    size = eps * scale * max(1, np.abs(abundances).max())
    if constraint == "none":
        np.testing.assert_allclose(slope, 0, atol=size)
        return
    assert abundances.min() >= 0
    used = abundances > 1e-10
    level = np.zeros((len(samples), 1))
    if constraint == "sum_to_one":
        np.testing.assert_allclose(abundances.sum(axis=1), 1, atol=1e-12)
        level = np.sum(slope * used, axis=1, keepdims=True) / used.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(np.where(used, slope - level, 0), 0, atol=size)
    assert np.where(used, 0, slope - level).min() >= -size


class TestOptimal:
    @pytest.mark.parametrize("constraint", CONSTRAINTS)
    @pytest.mark.parametrize("p", [1, 2, 4, 7])
    def test_karush_kuhn_tucker(self, backend, constraint, p):
        samples, endmembers = problem(p=p)
        model = um.abundances(
            backend.asarray(samples), backend.asarray(endmembers), constraint=constraint
        )
        assert backend.owns(model.abundances)
        assert tuple(model.abundances.shape) == (p, 60)
        assert model.constraint == constraint
        assert_optimal(samples, endmembers, host(model.abundances).T, constraint)

    def test_scipy_agrees(self, backend):
        samples, endmembers = problem()
        expected = [nnls(endmembers.T, x)[0] for x in samples]
        model = um.abundances(
            backend.asarray(samples), backend.asarray(endmembers), constraint="nonnegative"
        )
        np.testing.assert_allclose(host(model.maps).T, expected, atol=1e-9)
        # a heavy row for the sum makes fractions of amounts
        heavy = np.vstack([endmembers.T, np.full(4, 1e5)])
        expected = [nnls(heavy, np.append(x, 1e5))[0] for x in samples]
        model = um.abundances(backend.asarray(samples), backend.asarray(endmembers))
        np.testing.assert_allclose(host(model.maps).T, expected, atol=1e-6)

    @pytest.mark.parametrize("constraint", CONSTRAINTS)
    def test_exact_mixtures_are_recovered(self, backend, constraint):
        truth = um.synthetic.simplex_mixtures(80, 4, 20, rng=1)
        model = um.abundances(
            backend.asarray(truth.samples), backend.asarray(truth.endmembers), constraint=constraint
        )
        np.testing.assert_allclose(host(model.maps).T, truth.abundances, atol=1e-10)

    @pytest.mark.parametrize("dtype", [np.uint8, ">i2", np.float16, np.float32, ">f8"])
    def test_any_type(self, dtype):
        samples, endmembers = (np.abs(a) * 50 for a in problem())
        samples, endmembers = samples.astype(dtype), np.round(endmembers).astype(dtype)
        model = um.abundances(samples, endmembers)
        wide = samples.astype(np.float64), endmembers.astype(np.float64)
        np.testing.assert_allclose(model.maps, um.abundances(*wide).maps, atol=2e-4)
        assert model.maps.dtype == (np.float64 if dtype == ">f8" else np.float32)


class TestEndmembers:
    def test_of_models(self, backend):
        image = np.random.default_rng(3).random((32, 40))
        samples = um.window_fft(um.sliding_windows(backend.asarray(image), (8, 9), 4), k_min=0.1)
        for model in (um.nfindr(samples, 3), um.kmeans(samples, 3), um.pca(samples, 3)):
            found = um.abundances(samples, model)
            full = np.nan_to_num(host(samples.to_array())).reshape(-1, 72)
            endmembers = np.nan_to_num(host(model.components)).reshape(3, 72)
            assert_optimal(full, endmembers, host(found.maps).reshape(3, -1).T, "sum_to_one")
            np.testing.assert_allclose(host(found.endmembers), host(model.components), rtol=1e-12)

    def test_given_planes_are_full_and_unweighted(self, backend):
        image = np.random.default_rng(3).random((32, 40))
        samples = um.window_fft(um.sliding_windows(backend.asarray(image), (8, 9), 4))
        full = host(samples.to_array())
        vertices = full[[0, 2, 5], [1, 3, 0]]
        for constraint in CONSTRAINTS:
            model = um.abundances(samples, backend.asarray(vertices), constraint=constraint)
            maps = host(model.maps)
            np.testing.assert_allclose(maps[:, [0, 2, 5], [1, 3, 0]], np.eye(3), atol=1e-9)
            flat = maps.reshape(3, -1).T
            assert_optimal(full.reshape(-1, 72), vertices.reshape(3, 72), flat, constraint)

    def test_come_in_any_type_and_order(self, backend):
        samples, endmembers = problem(outside=0)
        table = backend.asarray(samples.astype(np.float32))
        model = um.abundances(table, backend.asarray(endmembers[::-1]))
        assert str(model.maps.dtype).endswith("float32")
        expected = um.abundances(samples, endmembers).maps[::-1]
        np.testing.assert_allclose(host(model.maps), expected, atol=1e-4)

    def test_project_on_other_samples(self, backend):
        samples, endmembers = problem()
        other, _ = problem(seed=3)
        for constraint in CONSTRAINTS:
            model = um.abundances(
                backend.asarray(samples), backend.asarray(endmembers), constraint=constraint
            )
            projected = model.project(backend.asarray(other))
            assert_optimal(other, endmembers, host(projected.maps).T, constraint)
            again = model.project(backend.asarray(samples))
            np.testing.assert_allclose(host(again.maps), host(model.maps), atol=1e-12)

    def test_is_recorded(self, backend):
        samples, endmembers = problem()
        model = um.abundances(
            backend.asarray(samples), backend.asarray(endmembers), constraint="none"
        )
        step = model.record.steps[-1]
        assert step.operation == "abundances"
        assert step.parameters["constraint"] == "none"
        assert step.parameters["endmembers"]["array"]["shape"] == [4, 12]
        assert step.run["namespace"] == backend.module


class TestOnMaps:
    @pytest.mark.parametrize("constraint", CONSTRAINTS)
    def test_masked_samples_and_entries_are_as_if_they_were_not_there(self, backend, constraint):
        table, vertices = problem(f=24)
        values, endmembers = table.reshape(6, 10, 4, 6), vertices.reshape(4, 4, 6)
        rng = np.random.default_rng(1)
        mask, entries = rng.random((6, 10)) < 0.6, rng.random((4, 6)) < 0.6
        samples = um.samples(backend.asarray(values), 2).where(mask).features(entries)
        model = um.abundances(samples, backend.asarray(endmembers), constraint=constraint)
        alone = um.abundances(
            backend.asarray(values[mask][:, entries]),
            backend.asarray(endmembers[:, entries]),
            constraint=constraint,
        )
        np.testing.assert_allclose(host(model.maps)[:, mask], host(alone.maps), atol=1e-10)
        assert np.isnan(host(model.maps)[:, ~mask]).all()
        np.testing.assert_array_equal(host(model.components), np.where(entries, endmembers, np.nan))

    @pytest.mark.parametrize("constraint", CONSTRAINTS)
    def test_tiles_change_only_rounding(self, backend, monkeypatch, constraint):
        table, endmembers = problem(n=400)
        samples = um.samples(backend.asarray(table.reshape(20, 20, 12)), 2)
        whole = um.abundances(samples, backend.asarray(endmembers), constraint=constraint)
        monkeypatch.setattr(um.config, "TILE_BYTES", 1 << 12)
        assert len(samples.plan()) > 10
        tiled = um.abundances(samples, backend.asarray(endmembers), constraint=constraint)
        np.testing.assert_allclose(host(tiled.maps), host(whole.maps), atol=1e-9)

    def test_of_movies(self, backend):
        table, endmembers = problem()
        movie = um.samples(
            backend.asarray(table.reshape(3, 4, 5, 12)), 3, map_names=("frame", "y", "x")
        )
        model = um.abundances(movie, backend.asarray(endmembers))
        flat = um.abundances(backend.asarray(table), backend.asarray(endmembers))
        np.testing.assert_allclose(
            host(model.maps), host(flat.maps).reshape(4, 3, 4, 5), atol=1e-12
        )
        assert [a.name for a in model.scores.axes] == ["frame", "y", "x", "component"]


class TestRefusals:
    def test_other_descriptors(self):
        image = np.random.default_rng(3).random((32, 40))
        windows = um.sliding_windows(image, (8, 9), 4)
        model = um.nfindr(um.window_fft(windows), 2)
        with pytest.raises(
            um.ShapeError, match=r"described by k_y 16 x k_x 16 .* but the model by"
        ):
            um.abundances(um.window_fft(windows, pad=16), model)
        with pytest.raises(
            um.ShapeError, match=r"leave out other entries .* the same masks, k_min"
        ):
            um.abundances(um.window_fft(windows, k_min=0.2), model)
        with pytest.raises(um.ShapeError, match=r"have shape \(2, 72\); expected \(k, 8, 9\): one"):
            um.abundances(um.window_fft(windows), model.endmembers.reshape(2, 72))

    @pytest.mark.parametrize(
        ("endmembers", "error", "message"),
        [
            ([[1.0, 0, 0]], um.BackendError, "endmembers as a model or an array, but got list; wr"),
            (np.eye(3)[0], um.ShapeError, r"have shape \(3,\); expected \(k, 3\)"),
            (np.eye(4), um.ShapeError, r"have shape \(4, 4\); expected \(k, 3\)"),
            (np.eye(3) + 0j, um.DTypeError, r"the endmembers is complex \(complex128\); expected"),
            (np.eye(3) > 0, um.DTypeError, "the endmembers is boolean; expected integers or real"),
            (np.full((2, 3), np.nan), um.DataError, r"the endmembers holds 6 values .* \(0, 0\)"),
            (np.ones((2, 3)), um.DataError, "the 2 endmembers are affinely dependent"),
        ],
    )
    def test_other_endmembers(self, endmembers, error, message):
        with pytest.raises(error, match=message):
            um.abundances(np.random.default_rng(0).random((9, 3)), endmembers)

    def test_other_namespaces(self):
        with pytest.raises(um.BackendError, match=r"different namespaces .* convert them to one"):
            um.abundances(np.ones((9, 3)), Backend.STRICT.asarray(np.eye(3)))

    @pytest.mark.parametrize(("constraint", "how"), [("sum_to_one", "aff"), ("none", "lin")])
    def test_dependent_endmembers(self, backend, constraint, how):
        table = backend.asarray(np.random.default_rng(0).random((9, 3)))
        dependent = backend.asarray([[1.0, 0, 0], [0, 1, 0], [0.5, 0.5, 0]])
        with pytest.raises(um.DataError, match=f"3 endmembers are {how}.* dependent.* drop dupl"):
            um.abundances(table, dependent, constraint=constraint)

    def test_unknown_constraint(self):
        with pytest.raises(
            um.ParameterError, match="constraint is 'sum'; expected one of sum_to_on"
        ):
            um.abundances(*problem(), constraint="sum")


class TestNotFinite:
    """A table is read once: NaN is seen in what comes out, and its place is then looked for."""

    @pytest.mark.parametrize("constraint", CONSTRAINTS)
    @pytest.mark.parametrize("p", [1, 3])
    @pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
    def test_is_refused_with_its_place(self, backend, constraint, p, bad):
        samples, endmembers = problem(p=p)
        samples[[7, 50], [3, 0]] = bad
        with pytest.raises(um.DataError, match=r"the data holds 2 values .* the first at \(7, 3\)"):
            um.abundances(
                backend.asarray(samples), backend.asarray(endmembers), constraint=constraint
            )

    def test_of_samples_that_are_left_out_is_no_matter(self):
        samples, endmembers = problem()
        mask = np.arange(60) != 3
        model = um.abundances(um.samples(samples, 1).where(mask), endmembers)
        assert np.all(np.isnan(model.maps[:, 3]))
        assert np.all(np.isfinite(model.maps[:, mask]))
