"""Which implementation runs for which array, that it says why, and that all give the same."""

from __future__ import annotations

import re
from importlib.util import find_spec
from inspect import signature
from pathlib import Path

import numpy as np
import pytest
from backends import Backend
from hypothesis import given, reject
from hypothesis import strategies as st
from strategies import computing_types, geometries, seeds, table
from tolerances import tolerance

import unmix as um
from unmix import _dispatch, ops, routes
from unmix._dispatch import OPERATIONS, ROUTES, Route, dispatched
from unmix._errors import BackendError, ParameterError

ALL = [(op, route) for op, found in ROUTES.items() for route in found]
TARGETS = [route.target for _, route in ALL]


@st.composite
def image_calls(draw, op):
    """Draw a host image, the windows of an operation on it, and its options."""
    least = 1 if op == "sliding_windows" else 2
    geometry = draw(geometries(most=16, least_window=least))
    if draw(st.booleans()):  # windows that the FFT kernels are for
        window = tuple(draw(st.sampled_from([8, 16])) for _ in range(2))
        shape = tuple(w + draw(st.integers(0, 9)) for w in window)
        geometry = geometry._replace(image=shape, window=window)
    image = table(draw(seeds), geometry.shape, draw(computing_types))
    args, options = [geometry.window, geometry.step], {}
    n_y, n_x = geometry.window
    if op != "sliding_windows":
        options["taper"] = draw(st.sampled_from(["hann", "boxcar", "flattop"]))
        outputs = ["amplitude", "power"] + ["complex"] * (op == "window_fft")
        options["output"] = draw(st.sampled_from(outputs))
    if op == "window_fft":
        pad = tuple(w + draw(st.integers(0, 4)) for w in geometry.window)
        options["fft_shape"] = draw(st.sampled_from([None, pad]))
        n_y, n_x = options["fft_shape"] or geometry.window
        if draw(st.booleans()):
            rows = draw(st.lists(st.integers(0, n_y - 1), min_size=1, max_size=5))
            options["rows"] = np.array(rows)
        if draw(st.booleans()):
            columns = draw(st.lists(st.integers(0, n_x // 2), min_size=1, max_size=5))
            options["columns"] = np.array(columns)
    if op == "window_project":
        args.append(
            table(draw(seeds), (n_y * (n_x // 2 + 1), draw(st.integers(1, 9))), image.dtype)
        )
    return image, tuple(args), options


@st.composite
def table_calls(draw, op):
    """Draw a host table of whole numbers, whose sums are exact, and what goes with it."""
    n, f, s, k = (draw(st.integers(1, most)) for most in (40, 9, 3, 4))
    dtype, random = draw(computing_types), np.random.default_rng(draw(seeds))

    def whole(*shape, low=-3):
        return random.integers(low, 4, shape).astype(dtype)

    if op == "active_set":
        return draw(mixing_calls())
    rows, origin = whole(n, f), whole(f)
    known = np.repeat(random.integers(-1, k, (n, s)), 2, axis=1).reshape(n, s, 2)
    known[..., 1] = np.where(known[..., 0] < 0, -1, random.integers(0, 5, (n, s)))
    known = np.moveaxis(known, 2, 1).reshape(n, 2 * s).astype(dtype)
    if op == "orthonormal":
        return random.standard_normal((n + f, f)), (), {}
    args = {
        "largest_forms": (whole(s, f), whole(s)),
        "nearest": (whole(s, k, f), origin),
        "assign": (whole(s, k, f), origin, ops.squared_norms(rows, origin)),
        "reassign": (
            whole(s, k, f),
            origin,
            ops.squared_norms(rows, origin),
            known,
            random.integers(0, 5, (s, k)).astype(dtype),
        ),
        "race": (whole(n, s, low=0), whole(n, s, low=1)),
        "sketch": (whole(f, s), whole(f).astype(float)),
    }[op]
    return rows, args, {}


@st.composite
def mixing_calls(draw):
    """Draw points, as `active_set` takes them, and the problem: also on faces and at vertices.

    On small whole numbers abundances and multipliers vanish together; bumps depend on one another
    nearly.
    """
    p, f, random = draw(st.integers(1, 7)), draw(st.integers(8, 12)), draw(seeds)
    random = np.random.default_rng(random)
    whole = 4 * np.eye(p, f) + (random.random((p, f)) < 0.1)
    bumps = np.exp(-(((np.arange(f) - np.linspace(2, f - 3, p)[:, None]) / 3) ** 2) / 2)
    endmembers = draw(st.sampled_from([whole, bumps, random.random((p, f))]))
    shares = random.dirichlet(np.full(p, 0.3), 40) * (random.random((40, p)) < 0.7)
    mixed = (shares / np.maximum(shares.sum(axis=1, keepdims=True), 1e-3)) @ endmembers
    far = random.integers(-2, 6, (40, f))
    constraint = draw(st.sampled_from(["sum_to_one", "nonnegative"]))
    try:
        problem = ops.mixing(
            endmembers, np.dtype(float), constraint, draw(st.sampled_from([1, 999]))
        )
    except um.DataError:
        reject()
    samples = np.concatenate([mixed, endmembers, far])
    return ops.points_of(problem.basis @ samples.T, problem), (problem,), {}


IMAGES = ("sliding_windows", "window_fft", "window_project")
TABLES = (
    "active_set",
    "assign",
    "largest_forms",
    "nearest",
    "orthonormal",
    "race",
    "reassign",
    "sketch",
)
ON_HOST = ("largest_forms",)
"""Operations whose arguments after the first stay in main memory."""
TOLERANCE_OF = {
    "active_set": "abundances",
    "window_fft": "window_fft",
    "window_project": "window_project",
    "orthonormal": "randomized_svd",
    "reassign": "kmeans",  # for its limits; labels and sums are whole numbers
}
"""Operation -> its row of the table; one without a row must agree to the bit."""


def on_gpu(op):
    """Tell whether an operation has a kernel for CuPy's arrays."""
    return any(route.takes(Backend.EMULATED.xp) for route in ROUTES[op])


def parts_of(backend, op, result):
    """Return the arrays of a result on the host; a basis only as what it spans."""
    parts = result if isinstance(result, tuple) else (result,)
    host = [p if isinstance(p, (int, float)) else backend.numpy(p) for p in parts]
    return [host[0] @ host[0].T] if op == "orthonormal" else [np.asarray(h) for h in host]


class TestAgreement:
    @pytest.mark.parametrize("op", sorted(ROUTES))
    def test_every_operation_is_drawn_here(self, op):
        assert op in (*IMAGES, *TABLES), "draw calls of it above"
        assert op in OPERATIONS

    @pytest.mark.parametrize(("op", "target"), [(op, route.target) for op, route in ALL])
    @given(data=st.data())
    def test_each_route_equals_the_generic_function(self, backend, op, target, data):
        image, args, options = data.draw(image_calls(op) if op in IMAGES else table_calls(op))
        x, function = backend.asarray(image), OPERATIONS[op]
        route = next(r for r in ROUTES[op] if r.target == target)
        if op not in ON_HOST:
            args = [backend.asarray(a) if isinstance(a, np.ndarray) else a for a in args]
        try:
            got = function(x, *args, impl=target, **options)
        except BackendError as error:
            said = str(error).removeprefix(f"{op} cannot run as '{target}' here: ")
            names = list(signature(function).parameters)[1:]
            asked = dict(zip(names, args, strict=False)) | options
            why = route.declines(x, **asked) if route.takes(backend.xp) else None
            assert said == why or (why is None and said.startswith("it is not for arrays of"))
            return
        assert route.takes(backend.xp)
        generic = function(x, *args, impl="generic", **options)
        arrays = [a for a in (got if isinstance(got, tuple) else (got,)) if hasattr(a, "dtype")]
        assert all(backend.owns(a) for a in arrays)
        for ours, theirs in zip(
            parts_of(backend, op, got), parts_of(backend, op, generic), strict=True
        ):
            assert ours.shape == theirs.shape
            assert ours.dtype == theirs.dtype or ours.ndim == 0
            atol = 0.0
            if op in TOLERANCE_OF:
                # of a power the relative error is twice that of the amplitude
                power = 2 * np.max(np.abs(theirs), where=np.isfinite(theirs), initial=1)
                atol = tolerance(TOLERANCE_OF[op], image.dtype) * max(power, np.abs(image).max())
            if op == "window_project":
                atol *= np.abs(backend.numpy(args[-1])).sum(axis=0).max()
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=atol)
        np.testing.assert_array_equal(backend.numpy(x), image)

    @pytest.mark.parametrize(
        ("op", "backend_"),
        [
            *(
                (op, Backend.NUMPY)
                for op in ("largest_forms", "nearest", "reassign", "sliding_windows", "window_fft")
            ),
            ("sliding_windows", Backend.TORCH),
            *((op, Backend.EMULATED) for op in sorted(ROUTES) if on_gpu(op)),
        ],
    )
    def test_some_route_is_taken(self, op, backend_):
        """Else the test above would compare the generic function with itself."""
        with backend_.flags():
            (*_, (chosen, _)) = um.explain(op, backend_.asarray(np.ones((8, 8), np.float32)))
            assert chosen != "generic"


class TestTable:
    @pytest.mark.parametrize(("op", "route"), ALL, ids=TARGETS)
    def test_twins_have_the_name_and_the_arguments_of_the_operation(self, op, route):
        module, _, name = route.target.partition(":")
        assert name.startswith(op)
        assert Path(*module.split(".")).parent.parts[:1] == ("unmix",)
        assert module.split(".")[1] in ("host", "cuda")
        if module.startswith("unmix.cuda") and find_spec("cupy") is None:
            assert find_spec(module) is not None
            return
        twin = signature(route.load()).parameters.values()
        if any(p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in twin):
            return  # it hands all of them on
        generic = signature(OPERATIONS[op].__wrapped__).parameters.values()
        assert [(p.name, p.kind, p.default) for p in twin] == [
            (p.name, p.kind, p.default) for p in generic
        ]

    def test_targets_are_unique(self):
        assert len(set(TARGETS)) == len(TARGETS)

    def test_each_namespace_has_the_routes_that_are_written_for_it(self):
        taken = {
            backend: {route.target for _, route in ALL if route.takes(backend.xp)}
            for backend in (Backend.NUMPY, Backend.STRICT, Backend.TORCH)
        }
        assert taken[Backend.NUMPY] == {
            "unmix.host.abundances:active_set",
            "unmix.host.simplex:largest_forms",
            "unmix.host.windows:sliding_windows",
            "unmix.host.spectra:window_fft_compiled",
            "unmix.host.spectra:window_fft",
            *(
                f"unmix.host.{module}:{op}"
                for module in ("kmeans", "kmeans_compiled")
                for op in ("nearest", "reassign")
            ),
        }
        assert all(target.endswith("_torch") for target in taken[Backend.TORCH])
        assert "unmix.host.windows:sliding_windows_torch" in taken[Backend.TORCH]
        assert taken[Backend.STRICT] == set()

    def test_never_declines_nothing(self):
        assert routes.never(1, 2, a=3) is None


class TestExplain:
    def test_ends_with_what_runs(self, backend):
        x = backend.asarray(np.ones((9, 9)))
        for op in OPERATIONS:
            said = um.explain(op, x)
            assert said[-1][1] == "runs"
            assert all(why != "runs" for _, why in said[:-1])
            order = [route.target for route in ROUTES.get(op, ())] + ["generic"]
            assert [target for target, _ in said] == order[: len(said)]

    def test_gives_reasons_in_words(self, backend):
        for op in OPERATIONS:
            for _, why in um.explain(op, backend.asarray(np.ones((9, 9))))[:-1]:
                assert re.match(r"its kernels? |it is not for arrays of ", why)
                assert why.startswith("its") or why.endswith(backend.module)

    def test_lists_what_is_passed_over(self):
        said = um.explain("sliding_windows", Backend.STRICT.asarray([[1.0]]))
        assert said == [
            ("unmix.host.windows:sliding_windows", "it is not for arrays of array_api_strict"),
            (
                "unmix.host.windows:sliding_windows_torch",
                "it is not for arrays of array_api_strict",
            ),
            ("unmix.cuda.windows:sliding_windows", "it is not for arrays of array_api_strict"),
            ("generic", "runs"),
        ]

    def test_says_where_numba_is_missing(self, monkeypatch):
        monkeypatch.setattr("unmix._declines.has_numba", lambda: False)
        assert um.explain("reassign", np.ones((9, 9))) == [
            (
                "unmix.host.kmeans_compiled:reassign",
                "its kernel is compiled by numba, which is not installed: pip install 'unmix[cpu]'",
            ),
            ("unmix.host.kmeans:reassign", "runs"),
        ]

    def test_of_an_unknown_operation_lists_the_known(self):
        with pytest.raises(ParameterError, match=r"no operation 'fft'; there are .*window_fft"):
            um.explain("fft", np.ones((4, 4)))

    def test_of_mixed_namespaces_is_refused(self):
        with pytest.raises(BackendError, match="different namespaces"):
            um.explain("window_fft", np.ones((4, 4)), Backend.STRICT.asarray([1.0]))


class TestForced:
    @pytest.mark.parametrize("op", [ops.sliding_windows, ops.window_fft])
    def test_unknown_implementation_lists_the_known(self, backend, op):
        with pytest.raises(ParameterError) as error:
            op(backend.asarray(np.ones((8, 8))), 4, 2, impl="fast")
        known = ", ".join([r.target for r in ROUTES[op.__name__]] + ["generic"])
        assert str(error.value) == f"{op.__name__} has no implementation 'fast'; it has {known}"

    def test_of_another_namespace_says_the_reason(self):
        with pytest.raises(BackendError) as error:
            ops.window_fft(
                Backend.STRICT.asarray(np.ones((8, 8))), 4, 2, impl="unmix.host.spectra:window_fft"
            )
        assert str(error.value) == (
            "window_fft cannot run as 'unmix.host.spectra:window_fft' here: "
            "it is not for arrays of array_api_strict"
        )

    def test_on_no_array_at_all(self):
        with pytest.raises(BackendError, match=r"but got list; wrap it with numpy\.asarray"):
            ops.window_fft([[1.0, 2.0]], 1, 1)


@pytest.fixture
def halved(monkeypatch):
    """Add an operation with two routes, the first of which declines long arrays."""

    def halve(array, *, by=2):
        """Halve an array."""
        return ("generic", array, by)

    def long(array, *, by=2):
        return "it takes at most 3 values" if array.shape[0] > 3 or by > 2 else None

    monkeypatch.setattr(_dispatch, "OPERATIONS", {})
    own = [
        Route("nowhere:short", lambda xp: True, long),
        Route("nowhere:strict", lambda xp: xp.__name__ == "array_api_strict", routes.never),
    ]
    monkeypatch.setattr(_dispatch, "ROUTES", {"halve": own})
    monkeypatch.setattr(Route, "load", lambda self: lambda a, by=2: (self.target, a, by))
    return dispatched(halve)


class TestDispatch:
    def test_takes_the_first_that_does_not_decline(self, halved):
        short, long = np.ones(2), np.ones(4)
        assert halved(short)[0] == "nowhere:short"
        assert halved(long)[0] == "generic"
        assert halved(short, by=3)[::2] == ("generic", 3)
        assert halved(Backend.STRICT.asarray(long))[0] == "nowhere:strict"

    def test_explains_the_decline(self, halved):
        assert _dispatch.explain("halve", np.ones(4)) == [
            ("nowhere:short", "it takes at most 3 values"),
            ("nowhere:strict", "it is not for arrays of numpy"),
            ("generic", "runs"),
        ]
        assert _dispatch.explain("halve", np.ones(2)) == [("nowhere:short", "runs")]
        assert _dispatch.explain("halve", np.ones(2), by=5)[-1] == ("generic", "runs")

    def test_refuses_a_forced_route_that_declines(self, halved):
        with pytest.raises(
            BackendError,
            match="halve cannot run as 'nowhere:short' here: it takes at most 3 values",
        ):
            halved(np.ones(4), impl="nowhere:short")
        assert halved(np.ones(4), impl="generic")[0] == "generic"
        assert halved(np.ones(2), impl="nowhere:short")[0] == "nowhere:short"

    def test_keeps_name_and_documentation(self, halved):
        assert halved.__name__ == "halve"
        assert halved.__doc__ == "Halve an array."

    def test_loads_nothing_before_it_is_called(self):
        assert Route("no.such.module:f", lambda xp: True, routes.never).target == "no.such.module:f"
        with pytest.raises(ModuleNotFoundError):
            Route("no.such.module:f", lambda xp: True, routes.never).load()
