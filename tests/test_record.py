"""Records: what they hold, that JSON keeps every bit of it, and that they run again."""

from __future__ import annotations

import json

import numpy as np
import pytest
from backends import Backend
from hypothesis import given
from hypothesis import strategies as st

import unmix as um
from unmix import _record

host = Backend.numpy
WINDOW, STEP = (8, 9), (4, 5)


def picture(seed=0, shape=(36, 44)):
    return np.random.default_rng(seed).random(shape)


def spectra(image, **options):
    return um.window_fft(um.sliding_windows(image, WINDOW, STEP), **options)


def some(samples, share=0.8, seed=0):
    return np.random.default_rng(seed).random(samples.layout.map_shape) < share


def masked(image):
    samples = spectra(image, k_max=0.3)
    entries = np.random.default_rng(1).random(samples.layout.descriptor_shape) < 0.7
    return samples.where(some(samples)).features(entries)


def changed(image):
    samples = spectra(image, k_min=0.1, pad=(16, 12), taper="blackman")
    return samples.transform("log1p", scale=0.5).normalize("standard", over="feature").keep()


def sliced(image):
    samples = um.sliding_windows(image, WINDOW, STEP, edges="reflect")[..., 1:, ::2, :, :]
    return um.window_fft(samples.normalize("minmax"), output="power").crop(k_y=(-0.3, 0.3))[1]


def nfindr_by_pca(image):
    samples = masked(image)
    return um.nfindr(samples, 3, average=2, pca=um.pca(samples, 4, rng=3), rng=5)


def abundances_of_model(image):
    samples = spectra(image).transform("sqrt").keep()
    return um.abundances(samples, um.nfindr(samples, 3, n_starts=2), constraint="nonnegative")


def abundances_of_array(image):
    samples = spectra(image)
    xp = samples.xp
    planes = samples[0, :2].to_array()
    return um.abundances(samples, xp.stack([planes[0, ...], planes[1, ...]]), constraint="none")


def kmeans_of_scores(image):
    samples = masked(image)
    scores = um.pca(samples, 3, solver="randomized", rng=np.random.default_rng(4)).scores
    return um.kmeans(scores, 3, init=um.nfindr(scores, 3))


def kmeans_of_array(image):
    samples = changed(image)
    return um.kmeans(samples, 2, init=samples.to_array()[0, :2, ...], max_iter=7, tol=0)


def laid_back(image):
    windows = um.sliding_windows(image, WINDOW, 3, edges="periodic").transform("clip", high=0.7)
    return um.overlap_add(windows)


CHAINS = {
    "described": spectra,
    "complex": lambda image: spectra(image, output="complex")[1:, ..., 2:5],
    "masked": masked,
    "changed": changed,
    "sliced": sliced,
    "laid back": laid_back,
    "scores": lambda image: um.pca(spectra(image), 3).scores[1:],
    "pca": lambda image: um.pca(changed(image), 3, center=False),
    "nfindr": lambda image: um.nfindr(sliced(image), 3, raw=True),
    "nfindr by pca": nfindr_by_pca,
    "abundances of a model": abundances_of_model,
    "abundances of an array": abundances_of_array,
    "kmeans": lambda image: um.kmeans(spectra(image), 3, n_starts=2, rng=9),
    "kmeans of scores": kmeans_of_scores,
    "kmeans of an array": kmeans_of_array,
    "ica": lambda image: um.ica(spectra(image), 2, n_runs=3, contrast="exp", rng=6),
    "nmf": lambda image: um.nmf(sliced(image), 2, init="random", rng=5),
    "nmf of a model": lambda image: um.nmf(spectra(image), 2, init=um.nmf(spectra(image), 2)),
    "gmm": lambda image: um.gmm(masked(image), 2, covariance="diag", n_starts=2, rng=8),
    "gmm of a model": lambda image: um.gmm(
        spectra(image), 2, covariance="low_rank", rank=2, init=um.gmm(spectra(image), 2)
    ),
    "a movie by frames": lambda movie: um.pca(spectra(movie).normalize("unit_sum", over="all"), 2),
}


def assert_same_bits(got, expected):
    assert type(got) is type(expected)
    if isinstance(expected, um.Samples):
        np.testing.assert_array_equal(host(got.to_array()), host(expected.to_array()))
        axes = got.axes, expected.axes
    else:
        for name in ("maps", "components", *expected.extras):
            a, b = getattr(got, name), getattr(expected, name)
            if b is None or isinstance(b, (str, int, float)):
                assert a == b
            else:
                np.testing.assert_array_equal(host(a), host(b), err_msg=name)
        both = got.layout, expected.layout
        axes = [layout.map_axes + layout.descriptor_axes for layout in both]
    for a, b in zip(*axes, strict=True):
        assert a.same_as(b)


def without_runs(record):
    """Operations and parameters, of nested records too."""

    def plain(value):
        if isinstance(value, dict):
            return {k: plain(v) for k, v in value.items() if k != "run"}
        return [plain(v) for v in value] if isinstance(value, list) else value

    return plain(record.to_list())


class TestReplay:
    @pytest.mark.parametrize("name", list(CHAINS))
    def test_on_the_same_data_gives_the_same_bits(self, backend, name):
        image = backend.asarray(picture())
        expected = CHAINS[name](image)
        text = expected.record.to_json()
        got = um.Pipeline.from_json(text).run(image)
        assert_same_bits(got, expected)
        assert without_runs(got.record) == without_runs(expected.record)
        assert_same_bits(um.Pipeline.from_record(expected.record).run(image), expected)

    @pytest.mark.parametrize("name", list(CHAINS))
    def test_on_another_image_is_the_chain_on_that_image(self, backend, name):
        other = backend.asarray(picture(7))
        recipe = um.Pipeline.from_record(CHAINS[name](backend.asarray(picture())).record)
        got = recipe.run(other)
        if name in ("abundances of an array", "kmeans of an array", "kmeans of scores"):
            # what was given as an array is given again; and a generator gave a key
            assert got.record.steps[-1].operation in ("abundances", "kmeans")
            values = host(got.maps)
            assert np.isfinite(values[~np.isnan(values)]).all()
            return
        assert_same_bits(got, CHAINS[name](other))

    @pytest.mark.filterwarnings("ignore:the samples hold values below zero")
    def test_on_images_of_other_sizes(self):
        recipe = um.Pipeline.from_record(um.nfindr(changed(picture()), 3).record)
        other = picture(3, (60, 50))
        assert_same_bits(recipe.run(other), um.nfindr(changed(other), 3))

    @pytest.mark.parametrize("name", ["pca", "kmeans", "nfindr by pca", "kmeans of scores"])
    def test_of_movies(self, backend, name):
        movie = backend.asarray(picture(2, (3, 36, 44)))
        expected = CHAINS[name](movie)
        got = um.Pipeline.from_json(expected.record.to_json()).run(movie)
        assert_same_bits(got, expected)

    def test_of_models_of_other_data(self):
        model = um.abundances(spectra(picture()), um.nfindr(spectra(picture(1)), 2))
        again = um.Pipeline.from_json(model.record.to_json()).run(picture(), picture(1))
        assert_same_bits(again, model)

    def test_of_projections(self):
        model = um.pca(spectra(picture()), 2).project(spectra(picture(1)))
        recipe = um.Pipeline.from_json(model.record.to_json())
        assert_same_bits(recipe.run(picture(1), picture()), model)
        with pytest.raises(um.ParameterError, match="made of 2 data sets, and 1 came"):
            recipe.run(picture(1))

    def test_by_frames(self):
        movie = picture(2, (3, 36, 44))
        expected = um.kmeans(spectra(movie).normalize("standard", over="frame"), 2)
        assert_same_bits(um.Pipeline.from_record(expected.record).run(movie), expected)

    def test_of_tables_and_arrays_of_any_axes(self, backend):
        values = np.random.default_rng(0).random((6, 7, 4, 5))
        for make in (
            lambda x: um.samples(x, (2, 3), pitch=0.5, units="nm"),
            lambda x: um.samples(x, (3, 1), map_names=("a", "b"), descriptor_names=("c", "d")),
            lambda x: um.samples(x, 2),
        ):
            expected = um.pca(make(backend.asarray(values)), 2)
            got = um.Pipeline.from_json(expected.record.to_json()).run(backend.asarray(values))
            assert_same_bits(got, expected)
        table = backend.asarray(values.reshape(42, 20))
        expected = um.nfindr(table, 3)
        assert_same_bits(um.Pipeline.from_record(expected.record).run(table), expected)

    def test_in_another_namespace(self, backend):
        expected = nfindr_by_pca(picture())
        got = um.Pipeline.from_record(expected.record).run(backend.asarray(picture()))
        assert backend.owns(got.maps)
        np.testing.assert_array_equal(got.indices, expected.indices)
        np.testing.assert_allclose(host(got.maps), expected.maps, atol=1e-9)

    def test_on_samples_with_units(self):
        recipe = um.Pipeline.from_record(um.pca(spectra(picture()), 2).record)
        image = um.samples(picture(), 2, pitch=0.5, units="nm")
        got = recipe.run(image)
        assert [a.units for a in got.layout.descriptor_axes] == ["1/nm", "1/nm"]
        assert_same_bits(got, um.pca(spectra(image), 2))

    def test_of_files(self, tmp_path):
        for i in range(2):
            np.save(tmp_path / f"{i}.npy", picture(i))
        first, second = (tmp_path / f"{i}.npy" for i in range(2))
        expected = nfindr_by_pca(um.open(first))
        recipe = um.Pipeline.from_json(expected.record.to_json())
        assert_same_bits(recipe.run(first), expected)
        assert_same_bits(recipe.run(str(second)), nfindr_by_pca(um.open(second)))
        assert_same_bits(recipe.run(picture()), expected)

    def test_stages_that_steps_share_are_computed_once(self, monkeypatch):
        image, calls = picture(), []
        expected = kmeans_of_scores(image)
        true = um.ops.covariance, um.ops.sketch
        for op in true:
            monkeypatch.setattr(
                um.ops, op.__name__, lambda *a, op=op: calls.append(op.__name__) or op(*a)
            )
        kmeans_of_scores(image)
        direct, calls[:] = calls[:], []
        assert_same_bits(um.Pipeline.from_record(expected.record).run(image), expected)
        assert calls == direct

    def test_describe_stops_before_the_first_fit(self, backend):
        image = backend.asarray(picture())
        for name in ("pca", "nfindr by pca", "kmeans of scores", "changed"):
            recipe = um.Pipeline.from_record(CHAINS[name](image).record)
            got = recipe.describe(image)
            expected = changed(image) if name in ("pca", "changed") else masked(image)
            assert_same_bits(got, expected)


class TestRefusals:
    def test_of_other_axes(self):
        recipe = um.Pipeline.from_record(um.pca(spectra(picture()), 2).record)
        for other in (picture(0, (2, 36, 44)), picture(0, (90,)), 3.0):
            with pytest.raises(
                um.ShapeError, match="made of an array with 2 axes, and this one has"
            ):
                recipe.run(other)
        with pytest.raises(um.ShapeError, match="larger than the image of 6 x 6; take a smaller"):
            recipe.run(np.ones((6, 6)))

    def test_of_masks_that_do_not_fit(self):
        recipe = um.Pipeline.from_record(masked(picture()).record)
        with pytest.raises(um.ShapeError, match=r"mask of samples has shape \(8, 8\).* \(14, 8\)"):
            recipe.run(picture(0, (60, 44)))

    @pytest.mark.parametrize(
        "fit",
        [
            um.abundances,
            lambda s, model: um.kmeans(s, 2, init=model),
        ],
    )
    def test_of_models_of_other_data(self, fit):
        model = fit(spectra(picture()), um.nfindr(spectra(picture(1)), 2))
        recipe = um.Pipeline.from_json(model.record.to_json())
        with pytest.raises(um.ParameterError, match="made of 2 data sets, and 1 came; hand in one"):
            recipe.run(picture())

    def test_of_steps_after_a_fit(self):
        model = um.pca(spectra(picture()), 2)
        record = model.record.then("keep", {})
        with pytest.raises(um.ParameterError, match="the step 'keep' of the record cannot follow"):
            um.Pipeline.from_record(record).run(picture())

    def test_of_unknown_steps_and_beginnings(self):
        record = spectra(picture()).record.then("deconvolve", {})
        with pytest.raises(
            um.ParameterError, match="has the step 'deconvolve', which this version"
        ):
            um.Pipeline.from_record(record).run(picture())
        later = um.Record(spectra(picture()).record.steps[1:])
        with pytest.raises(um.ParameterError, match="begins with 'sliding_windows'; expected one"):
            um.Pipeline.from_record(later).run(picture())
        with pytest.raises(um.ParameterError, match="the record has no steps; expected that of"):
            um.Pipeline.from_record(um.Record()).run(picture())

    @pytest.mark.parametrize("text", ["", "{", "{}", "3", "null", '[{"operation": 1}]', "[3]"])
    def test_of_other_texts(self, text):
        with pytest.raises(um.FileError, match="this text is not a record of unmix"):
            um.Pipeline.from_json(text)


class TestContents:
    def test_every_step_is_there_once_in_order(self, backend):
        image = backend.asarray(picture())
        operations = [s.operation for s in um.pca(changed(image), 2).scores.record.steps]
        assert operations == [
            "samples",
            "sliding_windows",
            "window_fft",
            "transform",
            "normalize",
            "keep",
            "pca",
            "scores",
        ]
        assert [s.operation for s in sliced(image).record.steps] == [
            "samples",
            "sliding_windows",
            "__getitem__",
            "normalize",
            "window_fft",
            "__getitem__",  # crop
            "__getitem__",
        ]

    def test_eager_steps_say_what_they_ran_on(self, backend):
        image = backend.asarray(picture())
        for model in (
            um.pca(spectra(image), 2),
            um.nfindr(spectra(image), 2),
            um.kmeans(spectra(image), 2),
            abundances_of_array(image),
        ):
            run = model.record.steps[-1].run
            assert run["namespace"] == backend.module
            assert ("cuda" if backend.module == "cupy" else "cpu") in run["device"].lower()
            assert run["seconds"] >= 0
            assert set(run["versions"]) >= {"unmix", "numpy", "array-api-compat"}
            assert run["versions"]["numpy"] == np.__version__
        assert spectra(image).record.steps[1].run == {}

    def test_nested_models_are_whole_records(self):
        model = nfindr_by_pca(picture())
        nested = model.record.steps[-1].parameters["pca"]["record"]
        assert [s["operation"] for s in nested][-1] == "pca"
        assert nested[0] == model.record.to_list()[0]

    @pytest.mark.parametrize("name", list(CHAINS))
    def test_json_round_trip(self, name):
        record = CHAINS[name](picture()).record
        text = record.to_json()
        json.loads(text, parse_constant=lambda c: pytest.fail(f"{c} is not JSON"))
        again = um.Record.from_json(text)
        assert again == record
        assert again.to_json() == text
        assert um.Record.from_list(record.to_list()) == record

    def test_does_not_change_with_what_it_was_made_of(self):
        mask = np.ones((8, 8), bool)
        mask[0] = False
        samples = spectra(picture()).where(mask)
        before = samples.record.to_json()
        mask[:] = False
        assert samples.record.to_json() == before
        assert samples.layout.n_samples == 56

    def test_records_share_no_steps(self):
        first = spectra(picture())
        second = first.keep()
        assert len(second.record.steps) == len(first.record.steps) + 1


class TestEncode:
    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            (3, 3),
            (None, None),
            (True, True),
            (0.1, 0.1),
            ("hann", "hann"),
            (np.float64(0.1), 0.1),
            (np.int64(3), 3),
            (np.bool_(True), True),
            ((1, (2.5, None)), [1, [2.5, None]]),
            (slice(1, None, np.int64(2)), {"slice": [1, None, 2]}),
            (..., {"ellipsis": True}),
        ],
    )
    def test_plain_values(self, value, expected):
        got = _record.encode(value)
        assert got == expected
        assert type(got) is type(expected)
        json.dumps(got)

    @given(
        dtype=st.sampled_from(["bool", "uint8", "<i4", ">i4", "float16", "float32", ">f8", "<c16"]),
        shape=st.sampled_from([(), (0,), (3,), (2, 3), (2, 1, 3)]),
        order=st.sampled_from("CF"),
    )
    def test_arrays_keep_every_bit(self, dtype, shape, order):
        values = np.random.default_rng(0).random(shape) * 3
        if np.dtype(dtype).kind in "fc" and values.size:
            values.ravel()[0] = np.nan
        array = np.asarray(values).astype(dtype, order=order)
        coded = json.loads(json.dumps(_record.encode(array)))
        got = _record.decode_array(coded["array"])
        assert got.dtype == array.dtype
        assert got.shape == array.shape
        assert got.tobytes() == np.ascontiguousarray(array).tobytes()
        assert got.flags.writeable

    def test_arrays_of_any_namespace(self, backend):
        values = np.random.default_rng(0).random((2, 3))
        coded = _record.encode(backend.asarray(values))
        np.testing.assert_array_equal(_record.decode_array(coded["array"]), values)


class Huge:
    """An array of a petabyte that says how much of it is read."""

    def __init__(self, shape):
        self.shape, self.dtype, self.read = shape, np.dtype("uint16"), []

    def __getitem__(self, key):
        sizes = [len(range(*s.indices(n))) for s, n in zip(key, self.shape, strict=True)]
        self.read.append((key, int(np.prod(sizes))))
        return np.zeros(sizes, np.uint16)


class TestFingerprint:
    def test_is_that_of_the_values_in_every_namespace(self, backend):
        values = picture()
        expected = _record.fingerprint(values)
        assert _record.fingerprint(backend.asarray(values)) == expected
        assert expected["shape"] == [36, 44]
        assert expected["dtype"] == "float64"

    def test_tells_shapes_types_and_values_apart(self):
        values = np.zeros((40, 60))
        seen = [_record.fingerprint(values)]
        others = (values.reshape(60, 40), values.astype(np.float32), values + 1e-300)
        seen.extend(map(_record.fingerprint, others))
        changed_values = values.copy()
        changed_values[20, 20] = 1
        seen.append(_record.fingerprint(changed_values))
        assert all(a != b for i, a in enumerate(seen) for b in seen[:i])

    @pytest.mark.parametrize("shape", [(1 << 20, 1 << 15, 1 << 14), (1 << 49,), (1 << 12,) * 4])
    def test_reads_a_few_blocks_of_a_file_of_any_size(self, shape):
        data = Huge(shape)
        found = _record.fingerprint(data)
        assert found["shape"] == list(shape)
        assert sum(n for _, n in data.read) <= 3 * _record.BLOCK
        first, last = data.read[0][0], data.read[-1][0]
        assert all(s.start == 0 for s in first)
        assert all(s.stop == n for s, n in zip(last, shape, strict=True))

    def test_of_a_memory_map_is_that_of_the_array(self, tmp_path):
        values = np.random.default_rng(0).random((500, 700)).astype(np.float32)
        np.save(tmp_path / "big.npy", values)
        lazy = np.load(tmp_path / "big.npy", mmap_mode="r")
        assert values.size > 3 * _record.BLOCK
        assert _record.fingerprint(lazy) == _record.fingerprint(values)
        for place in ((0, 0), (250, 350), (499, 699)):
            other = values.copy()
            other[place] += 1
            assert _record.fingerprint(other) != _record.fingerprint(values)

    def test_is_in_the_first_step(self, backend):
        step = spectra(backend.asarray(picture())).record.steps[0]
        assert step.run["data"] == _record.fingerprint(picture())
