"""Launch code on a strict stand-in for CuPy: routes, launches, waits, memory, whole analyses."""

from __future__ import annotations

import re
import sys

import fakecupy
import numpy as np
import pytest
from hostcuda import LaunchError
from tolerances import tolerance

import unmix as um
from unmix import _kernels
from unmix.cuda import _load, check

pytestmark = pytest.mark.kernels

MIB = 2**20


@pytest.fixture
def cupy():
    """Give the stand-in's namespace."""
    with fakecupy.installed() as module:
        yield module


def integers(shape, dtype=np.float32, seed=0):
    return np.random.default_rng(seed).integers(-9, 9, shape).astype(dtype)


def one_of_each_operation():
    """The cases of the self-test, one for each target."""
    return {
        f"{c.target}:{c.op}".replace(":window_fft_any:window_fft", ":any"): c for c in check.cases()
    }


class TestExplain:
    KERNEL, ANY = "unmix.cuda.spectra:window_fft", "unmix.cuda.spectra:window_fft_any"

    def test_a_window_that_the_kernel_is_for(self, cupy):
        said = um.explain("window_fft", cupy.zeros((256, 256), cupy.float32), window=64, step=4)
        assert said[-1] == (self.KERNEL, "runs")

    @pytest.mark.parametrize(
        ("dtype", "window", "words"),
        [
            ("float32", 48, "8, 16, 32, 64 or 128 pixels a side, and these are 48 x 48"),
            ("float64", 64, "computes in float32 .* and the image is float64"),
        ],
    )
    def test_why_the_other_route_is_taken(self, cupy, dtype, window, words):
        said = um.explain("window_fft", cupy.zeros((256, 256), dtype), window=window, step=4)
        reasons = dict(said)
        assert re.search(words, reasons[self.KERNEL])
        assert said[-1] == (self.ANY, "runs")

    def test_the_record_says_which_one_ran(self, cupy):
        image = cupy.asarray(integers((96, 96)))
        for window, expected in ((32, self.KERNEL), (24, self.ANY)):
            described = um.window_fft(um.sliding_windows(image, window, 8))
            assert described.record.steps[-1].run["route"] == expected

    def test_a_forced_route_says_why_it_cannot(self, cupy):
        with pytest.raises(
            um.BackendError, match="reads float32 and float64, and the rows are int"
        ):
            um.ops.largest_forms(
                cupy.zeros((4, 2), cupy.int32),
                np.ones((1, 2)),
                np.zeros(1),
                impl="unmix.cuda.simplex:largest_forms",
            )


class TestLaunch:
    @pytest.mark.parametrize("name", one_of_each_operation())
    def test_nobody_waits_and_work_goes_to_the_current_stream(self, cupy, name):
        case = one_of_each_operation()[name]
        loader = _load.cupy_kernels(0)
        stream = cupy.cuda.Stream(non_blocking=True)
        with fakecupy.watched() as watch, stream:
            arrays = [cupy.asarray(a) if isinstance(a, np.ndarray) else a for a in case.args]
            if case.op == "largest_forms":
                arrays[1:] = case.args[1:]
            target = case.target if ":" in case.target else f"{case.target}:{case.op}"
            getattr(um.ops, case.op)(*arrays, impl=f"unmix.cuda.{target}", **case.options)
        assert watch.waits == []
        assert watch.launches
        assert {launch.stream for launch in watch.launches} == {stream.ptr}
        assert loader is _load.cupy_kernels(0)  # and each kernel was compiled once

    def test_a_kernel_is_compiled_once(self, cupy):
        loader = _load.cupy_kernels(0)
        assert loader.get("simplex.cu", "simplex_finish<float>") is loader.get(
            "simplex.cu", "simplex_finish<float>"
        )

    def test_only_instances_that_ci_compiles(self, cupy):
        known = {name for file in _kernels.ENTRY_POINTS for name in _kernels.instances(file)}
        with fakecupy.watched() as watch:
            check.check()
        assert {launch.name for launch in watch.launches} == known

    def test_the_compiler_is_told_of_wrong_types(self, cupy):
        kernel = _load.cupy_kernels(0).get("simplex.cu", "simplex_finish<float>")
        best, rows = cupy.zeros((1, 2), cupy.float32), cupy.zeros((1, 2), cupy.int64)
        values, positions = cupy.zeros(1, cupy.float32), cupy.zeros(1, cupy.int64)
        kernel((1,), (128,), (best, rows, 2, values, positions))
        for wrong in (
            (best.astype(cupy.float64), rows, 2, values, positions),
            (best, rows.astype(cupy.int32), 2, values, positions),
            (best, rows, 2.0, values, positions),
            (best, rows, np.int32(2), values, positions),
            (best, rows, 2, values, positions, 0),
        ):
            with pytest.raises(LaunchError):
                kernel((1,), (128,), wrong)
        with pytest.raises(TypeError, match="main memory"):
            kernel((1,), (128,), (np.zeros((1, 2), np.float32), rows, 2, values, positions))


class TestMemory:
    """No more than the twins say that they allocate, temporary arrays included."""

    def watched(self, function, *args, **options):
        with fakecupy.watched() as watch:
            function(*args, **options)
        return watch.allocated

    def test_spectra_and_nothing_but_small_tables(self, cupy):
        image = cupy.asarray(integers((128, 160)))
        spectra = (13 * 17) * (32 * 17) * 4
        assert self.watched(um.ops.window_fft, image, 32, 8) - spectra < 4096

    def test_projections_keep_no_spectrum(self, cupy):
        image, vectors = cupy.asarray(integers((128, 160))), cupy.asarray(integers((32 * 17, 13)))
        matrix = 32 * 17 * 16 * 4
        taken = self.watched(um.ops.window_project, image, 32, 8, vectors)
        assert taken - 13 * 17 * 13 * 4 - matrix < 4096

    def test_a_search(self, cupy):
        points, forms = cupy.asarray(integers((50_000, 9))), integers((7, 9))
        taken = self.watched(um.ops.largest_forms, points, forms, np.zeros(7))
        assert taken <= 7 * (16 * 1024 + 12 + 10 * 4)

    def test_a_step_of_k_means(self, cupy):
        n, f, s, k = 20_000, 8, 2, 4
        rows, centers = cupy.asarray(integers((n, f))), cupy.asarray(integers((s, k, f)))
        norms = um.ops.squared_norms(rows, rows[0])
        taken = self.watched(um.ops.assign, rows, centers, rows[0], norms)
        assert taken <= 2 * (f + 1) * n + 8 * s * k * (f + 1) * 40
        taken = self.watched(um.ops.nearest, rows, centers, rows[0])
        assert taken - s * n * 8 - s * k * (f + 1) * 4 < 4096

    def test_a_sketch_of_counts_makes_no_floats_of_them(self, cupy):
        n, f = 3000, 2000
        counts = cupy.asarray(np.full((n, f), 3, np.uint16))
        q, center = cupy.asarray(integers((f, 12))), cupy.zeros(f)
        taken = self.watched(um.ops.sketch, counts, q, center)
        assert taken < n * f * 4  # one copy as float32


class TestAnalyses:
    """Whole functions on the stand-in give what they give on NumPy's arrays."""

    def same(self, ours, theirs, op, dtype=np.float32):
        ours = np.asarray(ours.get())
        scale = np.max(np.abs(theirs))
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=scale * tolerance(op, dtype))

    def scene(self):
        rows, columns = np.mgrid[:96, :128]
        image = np.where(columns < 64, np.cos(np.pi * columns / 4), np.cos(np.pi * rows / 3))
        return (image + np.random.default_rng(0).normal(0, 0.05, image.shape)).astype(np.float32)

    @pytest.mark.parametrize("window", [16, 12])
    def test_windows_to_endmembers(self, cupy, window):
        scene = self.scene()
        ours, theirs = (
            um.nfindr(um.window_fft(um.sliding_windows(image, window, 8)), 2)
            for image in (cupy.asarray(scene), scene)
        )
        np.testing.assert_array_equal(ours.indices, theirs.indices)
        self.same(ours.abundances, theirs.abundances, "abundances")
        assert isinstance(ours.components, cupy.ndarray)

    @pytest.mark.parametrize("solver", ["covariance", "randomized"])
    def test_components(self, cupy, solver):
        table = np.random.default_rng(0).normal(size=(500, 3)) @ integers((3, 40)) + 100
        table = table.astype(np.float32)
        ours, theirs = (um.pca(t, 3, solver=solver) for t in (cupy.asarray(table), table))
        self.same(ours.explained_variance, theirs.explained_variance, "randomized_svd")
        self.same(ours.components, theirs.components, "randomized_svd")

    def test_clusters(self, cupy):
        draw = np.random.default_rng(0)
        table = (draw.integers(0, 4, (400, 1)) * 10 + draw.normal(size=(400, 6))).astype(np.float32)
        ours, theirs = (um.kmeans(t, 4, n_starts=3) for t in (cupy.asarray(table), table))
        np.testing.assert_array_equal(ours.labels.get(), theirs.labels)
        self.same(ours.centers, theirs.centers, "kmeans")


class TestCheck:
    def test_all_kernels_pass_on_the_stand_in(self, cupy, capsys):
        assert check.main() == 0
        said = capsys.readouterr().out
        assert said.startswith("emulated, CuPy")
        assert said.endswith("instances, 0 not ok\n")

    def test_a_wrong_kernel_is_found(self, cupy, monkeypatch, capsys):
        names = ("simplex_search<float, 4>", "simplex_finish<float>", "simplex_finish<double>")
        text = re.sub(r"positions\[blockIdx.x\] = row", r"\g<0> + 1", _kernels.source("simplex.cu"))
        monkeypatch.setattr(_kernels, "ENTRY_POINTS", {"simplex.cu": {"simplex": names}})
        monkeypatch.setattr(_kernels, "source", lambda _: text)
        first = next(check.cases())
        monkeypatch.setattr(check, "cases", lambda: iter([first]))
        assert check.main() == 1
        *_, search, finish, other, last = capsys.readouterr().out.splitlines()
        assert search.endswith("inf  wrong")
        assert finish.endswith("inf  wrong")
        assert other.endswith("no case runs it")
        assert last == "3 instances, 3 not ok"

    def test_without_a_gpu_it_says_what_is_missing(self, capsys, monkeypatch):
        if check.missing() is None:
            pytest.skip("this machine has a GPU; needs a CUDA GPU to be absent")
        assert check.main() == 2
        said = capsys.readouterr().out
        assert "finds no GPU" in said
        assert 'pip install "unmix[cuda13]"' in said
        monkeypatch.setitem(sys.modules, "cupy", None)
        assert check.main() == 2
        said = capsys.readouterr().out
        assert "CuPy cannot be imported" in said
        assert 'pip install "unmix[cuda12]"' in said
