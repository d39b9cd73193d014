"""The stand-in for CuPy has the wheel's names and refuses what CuPy refuses."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import array_api_compat
import fakecupy
import numpy as np
import pytest

pytestmark = pytest.mark.kernels

SCRIPT = Path(__file__).resolve().parents[2] / "ci" / "cupy_names.py"


@pytest.fixture
def cupy():
    with fakecupy.installed() as module:
        yield module


def test_the_names_are_those_of_the_wheel():
    run = subprocess.run([sys.executable, str(SCRIPT)], capture_output=True, text=True, check=False)
    assert run.returncode == 0, f"{run.stdout}\n{run.stderr}"


@pytest.mark.parametrize(
    ("section", "thing"),
    [
        ("cupy.ndarray", "ndarray"),
        ("cupy.RawKernel", "RawKernel"),
        ("cupy.RawModule", "RawModule"),
        ("cupy.cuda.Device", "cuda.Device"),
        ("cupy.cuda.Event", "cuda.Event"),
    ],
)
def test_it_has_no_names_of_its_own(cupy, section, thing):
    from operator import attrgetter

    ours = {n for n in vars(attrgetter(thing)(cupy)) if not n.startswith("_") or n.endswith("__")}
    ours -= {*dir(object), "__annotations__", "__module__", "__dict__", "__weakref__", "__slots__"}
    assert ours <= {*fakecupy.frozen()[section]}


def test_its_modules_have_every_name_of_the_wheel(cupy):
    for path, module in fakecupy.modules().items():
        names = {n for n in vars(module) if not n.startswith("_")}
        modules = {n for n, what in fakecupy.frozen()[path].items() if what == "module"}
        assert names | modules == {*fakecupy.frozen()[path]}


def test_array_api_compat_takes_it_for_cupy(cupy):
    x = cupy.zeros((2, 3), cupy.float32)
    assert array_api_compat.is_cupy_array(x)
    xp = array_api_compat.array_namespace(x)
    assert xp.__name__ == "array_api_compat.cupy"
    assert isinstance(xp.sum(x, axis=0), cupy.ndarray)


def test_it_is_gone_afterwards():
    before = sys.modules.get("cupy")
    with fakecupy.installed() as module:
        assert sys.modules["cupy"] is module
    assert sys.modules.get("cupy") is before


class TestRefuses:
    @pytest.fixture
    def x(self, cupy):
        return cupy.asarray(np.arange(6.0).reshape(2, 3))

    def test_implicit_copies_to_the_host(self, x):
        with pytest.raises(TypeError, match=r"Please use `.get\(\)`"):
            np.asarray(x)
        with pytest.raises(BufferError):
            np.from_dlpack(x)

    @pytest.mark.parametrize(
        "mix", ["x + n", "n + x", "x @ n.T", "n @ x.T", "x == n", "x.dot(n.T)"]
    )
    def test_host_arrays_in_arithmetic(self, x, mix):
        with pytest.raises(TypeError):
            eval(mix, {"x": x, "n": np.ones((2, 3))})

    def test_host_arrays_in_place_and_as_arguments(self, cupy, x):
        n = np.ones((2, 3))
        with pytest.raises(TypeError):
            x += n
        with pytest.raises(ValueError, match=r"non-scalar numpy\.ndarray"):
            x[:] = n
        for call in (cupy.sum, cupy.sqrt, cupy.linalg.svd, cupy.fft.fft):
            with pytest.raises(TypeError):
                call(n)
        with pytest.raises(TypeError):
            cupy.concatenate([x, n])
        with pytest.raises(TypeError):
            cupy.where(x > 0, n, x)

    def test_lists_and_names_that_numpy_takes(self, cupy, x):
        for call in (
            lambda: x * [1, 2, 3],
            lambda: cupy.sum([1, 2]),
            lambda: cupy.sum(x, where=True),
            lambda: cupy.sqrt(x, where=True),
            lambda: cupy.max(x, initial=0),
        ):
            with pytest.raises(TypeError):
                call()
        for name in ("float128", "matvec", "recarray", "vecdot"):
            assert not hasattr(cupy, name)
        assert not hasattr(x, "to_device")

    def test_arrays_without_axes_as_whole_numbers(self, cupy, x):
        one = cupy.asarray(1)
        for use in (lambda: [0, 1][one], lambda: range(one), lambda: x.shape[one], lambda: x[:one]):
            with pytest.raises(TypeError):
                use()

    def test_kinds_of_numbers_that_no_device_has(self, cupy):
        for dtype in (np.longdouble, "U3", object, ">f4"):
            with pytest.raises((ValueError, TypeError)):
                cupy.asarray(np.zeros(2, dtype))

    def test_what_it_has_no_meaning_for_yet(self, cupy, x):
        with pytest.raises(NotImplementedError, match=r"cupy\.ElementwiseKernel is in CuPy"):
            cupy.ElementwiseKernel("T x", "T y", "y = x", "k")


class TestCounts:
    @pytest.mark.parametrize(
        "use",
        [
            float,
            int,
            bool,
            str,
            "{}".format,
            lambda a: a.get(),
            lambda a: a.item(),
            lambda a: a.tolist(),
        ],
    )
    def test_waits(self, cupy, use):
        with fakecupy.watched() as watch:
            use(cupy.ones(()))
        assert len(watch.waits) >= 1

    def test_waits_for_sizes(self, cupy):
        x = cupy.asarray(np.arange(4))
        with fakecupy.watched() as watch:
            x[x > 1]
            cupy.nonzero(x)
            cupy.cuda.get_current_stream().synchronize()
        assert watch.waits == ["boolean index", "cupy.nonzero", "Stream.synchronize"]

    def test_memory(self, cupy):
        x = cupy.ones((10, 10), cupy.float32)
        with fakecupy.watched() as watch:
            x.T[1:]
            x.reshape(-1)
        assert watch.allocated == 0
        with fakecupy.watched() as watch:
            cupy.empty(5)
            x + 1
        assert watch.allocated == 40 + 400

    def test_memory_is_not_zero_at_first(self, cupy):
        assert np.isnan(cupy.empty((3, 4)).get()).all()
        assert (cupy.empty(3, cupy.int32).get() == -1).all()


def test_streams_nest(cupy):
    a, b = cupy.cuda.Stream(), cupy.cuda.ExternalStream(1234)
    assert cupy.cuda.get_current_stream() is cupy.cuda.Stream.null
    with a:
        with b:
            assert cupy.cuda.get_current_stream().ptr == 1234
        assert cupy.cuda.get_current_stream() is a
    assert cupy.cuda.get_current_stream().ptr == 0


def test_nothing_of_the_real_one_is_left_to_be_looked_at():
    """Hypothesis looks at every module, and some of CuPy's load when they are looked at."""
    import cupy

    roots = (cupy.__name__, "cupyx", "cupy_backends")
    with fakecupy.installed():
        names = {name for name in sys.modules if name.partition(".")[0] in roots}
        assert names == {*fakecupy.modules()}
    assert "cupyx" in sys.modules
