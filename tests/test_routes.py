"""Which implementation runs for which array, that it says why, and that all give the same."""

from __future__ import annotations

import re
from importlib.util import find_spec
from inspect import signature
from pathlib import Path

import numpy as np
import pytest
from backends import Backend
from hypothesis import given
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
def calls(draw, op):
    """Draw a host image and how an operation is called on it."""
    least = 2 if op == "window_fft" else 1
    geometry = draw(geometries(most=16, least_window=least))
    image = table(draw(seeds), geometry.shape, draw(computing_types))
    options = {}
    if op == "window_fft":
        n_y, n_x = pad = tuple(w + draw(st.integers(0, 4)) for w in geometry.window)
        options = {
            "taper": draw(st.sampled_from(["hann", "boxcar", "flattop"])),
            "output": draw(st.sampled_from(["amplitude", "power", "complex"])),
            "fft_shape": draw(st.sampled_from([None, pad])),
        }
        n_y, n_x = options["fft_shape"] or geometry.window
        if draw(st.booleans()):
            rows = draw(st.lists(st.integers(0, n_y - 1), min_size=1, max_size=5))
            options["rows"] = np.array(rows)
        if draw(st.booleans()):
            columns = draw(st.lists(st.integers(0, n_x // 2), min_size=1, max_size=5))
            options["columns"] = np.array(columns)
    return image, (geometry.window, geometry.step), options


TOLERANCE_OF = {"window_fft": "window_fft"}
"""Operation -> its row of the table; one without a row must agree to the bit."""


class TestAgreement:
    @pytest.mark.parametrize("op", sorted(ROUTES))
    def test_every_operation_is_drawn_here(self, op):
        assert op in ("sliding_windows", "window_fft"), "draw calls of it in `calls`"
        assert op in OPERATIONS

    @pytest.mark.parametrize(("op", "target"), [(op, route.target) for op, route in ALL])
    @given(data=st.data())
    def test_each_route_equals_the_generic_function(self, backend, op, target, data):
        image, args, options = data.draw(calls(op))
        x = backend.asarray(image)
        route = next(r for r in ROUTES[op] if r.target == target)
        function = OPERATIONS[op]
        if not route.takes(backend.xp):
            with pytest.raises(
                BackendError, match=f"{op} cannot run as '{target}' here: it is not"
            ):
                function(x, *args, impl=target, **options)
            return
        generic = backend.numpy(function(x, *args, impl="generic", **options))
        got = function(x, *args, impl=target, **options)
        assert backend.owns(got)
        host = backend.numpy(got)
        assert host.shape == generic.shape
        assert host.dtype == generic.dtype
        atol = 0.0
        if op in TOLERANCE_OF:
            # of a power the relative error is twice that of the amplitude
            power = 2 * max(np.abs(generic).max(), 1)
            atol = tolerance(TOLERANCE_OF[op], image.dtype) * max(power, np.abs(image).max())
        np.testing.assert_allclose(host, generic, rtol=0, atol=atol)
        np.testing.assert_array_equal(backend.numpy(x), image)

    @pytest.mark.parametrize("backend_", [Backend.NUMPY, Backend.TORCH])
    @pytest.mark.parametrize("op", sorted(ROUTES))
    def test_some_route_is_taken(self, op, backend_):
        """Else the test above would compare the generic function with itself."""
        if op == "window_fft" and backend_ is Backend.TORCH:
            return
        (*_, (chosen, _)) = um.explain(op, backend_.asarray(np.ones((8, 8))))
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
            "unmix.host.windows:sliding_windows",
            "unmix.host.spectra:window_fft",
        }
        assert taken[Backend.TORCH] == {"unmix.host.windows:sliding_windows_torch"}
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
                assert re.fullmatch(r"it is not for arrays of [a-z_]+", why)
                assert why.endswith(backend.module)

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
