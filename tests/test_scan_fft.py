"""The Fourier transform of a scan, against NumPy and against a lattice that is known."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from backends import Backend

import unmix as um
from unmix import _chunks

host = Backend.numpy


def by_the_book(values, taper, output):
    """Full centred planes over the two axes before the last two."""
    n_y, n_x = values.shape[-4:-2]
    weights = np.outer(um.ops.taper_weights(taper, n_y), um.ops.taper_weights(taper, n_x))
    values = values - values.mean(axis=(-4, -3), keepdims=True)
    plane = np.fft.fft2(values * weights[..., None, None], axes=(-4, -3)) / np.sqrt(n_y * n_x)
    plane = np.fft.fftshift(plane, axes=(-4, -3))
    return {"complex": plane, "amplitude": np.abs(plane), "power": np.abs(plane) ** 2}[output]


def scan(shape=(12, 9, 4, 5), dtype=np.float64):
    return np.random.default_rng(0).random(shape).astype(dtype)


class TestValues:
    @pytest.mark.parametrize("output", ["amplitude", "power", "complex"])
    @pytest.mark.parametrize("shape", [(12, 9, 4, 5), (9, 12, 3, 2), (8, 8, 1, 6)])
    def test_full_centred_planes(self, backend, output, shape):
        samples = um.samples(backend.asarray(scan(shape)), 2, pitch=(0.5, 2, 1, 1), units="nm")
        got = um.scan_fft(samples, output=output, taper="hamming")
        assert repr(got).startswith(f"<Samples k_y {shape[0]} x k_x {shape[1]} (1/nm) | det_y")
        array = got.to_array()
        assert backend.owns(array)
        expected = by_the_book(scan(shape), "hamming", output)
        np.testing.assert_allclose(host(array), expected, atol=1e-12)
        for axis, n, pitch in zip(got.axes, shape, (0.5, 2), strict=False):
            np.testing.assert_allclose(axis.values, np.fft.fftshift(np.fft.fftfreq(n, pitch)))

    def test_each_frame_by_itself(self):
        values = scan((3, 8, 6, 4, 5))
        samples = um.samples(values, 3, map_names=["frame", "scan_y", "scan_x"])
        got = um.scan_fft(samples)
        assert [a.name for a in got.axes][:3] == ["frame", "k_y", "k_x"]
        np.testing.assert_allclose(got.to_array(), by_the_book(values, "hann", "amplitude"))

    def test_power_is_the_energy(self):
        values = scan()
        power = um.scan_fft(um.samples(values, 2), taper="boxcar", output="power").to_array()
        energy = np.sum((values - values.mean(axis=(0, 1))) ** 2, axis=(0, 1))
        np.testing.assert_allclose(power.sum(axis=(0, 1)), energy)

    def test_a_plain_image_and_entries_that_are_left_out(self):
        values = scan()
        image = um.scan_fft(um.samples(values[..., 0, 0], 2)).to_array()
        np.testing.assert_allclose(image, by_the_book(values, "hann", "amplitude")[..., 0, 0])
        mask = np.random.default_rng(1).random((4, 5)) < 0.6
        got = um.scan_fft(um.samples(values, 2).features(mask)).to_array()
        expected = by_the_book(values, "hann", "amplitude")
        np.testing.assert_allclose(got, np.where(mask, expected, np.nan))

    def test_float32_stays(self):
        got = um.scan_fft(um.samples(scan(dtype=np.float32), 2)).to_array()
        assert got.dtype == np.float32
        np.testing.assert_allclose(got, by_the_book(scan(), "hann", "amplitude"), atol=3e-6)


class TestBlocks:
    @pytest.mark.parametrize("suffix", ["npy", "zarr"])
    @pytest.mark.parametrize("output", ["amplitude", "complex"])
    def test_out_of_core_gives_the_same(self, tmp_path, suffix, output):
        values = scan((64, 48, 12, 20), np.float32)  # 2.8 MiB
        np.save(tmp_path / "in.npy", values)
        with um.config.memory_budget(1 << 20):
            samples = um.open(tmp_path / "in.npy")
            got = um.scan_fft(samples, output=output, out=tmp_path / f"out.{suffix}")
            assert not got.source.in_memory
        np.testing.assert_array_equal(
            got.to_array(), um.scan_fft(um.samples(values, 2), output=output).to_array()
        )
        assert {p.name for p in tmp_path.iterdir()} == {"in.npy", f"out.{suffix}"}

    def test_a_zarr_result_opens_with_its_axes(self, tmp_path):
        samples = um.samples(scan(), 2, pitch=(0.5, 0.5, 1, 1), units=("nm", "nm", "mrad", "mrad"))
        got = um.scan_fft(samples, out=tmp_path / "out.zarr")
        again = um.open(tmp_path / "out.zarr")
        assert repr(again) == repr(got)
        for a, b in zip(again.axes, got.axes, strict=True):
            assert a.same_as(b)
        np.testing.assert_array_equal(again.to_array(), got.to_array())

    @pytest.mark.parametrize(
        ("chunks", "passes"),
        [((8, 8, 12, 20), 2), ((64, 48, 3, 4), 1), ((4, 4, 6, 20), 1), ((64, 48, 2, 20), 1)],
    )
    def test_says_how_often_the_file_is_read(self, monkeypatch, chunks, passes):
        monkeypatch.setattr(_chunks, "CACHE_BYTES", 1 << 14)
        values = scan((64, 48, 12, 20), np.float32)
        reads = np.zeros([-(-n // c) for n, c in zip(values.shape, chunks, strict=True)], int)

        class Data:
            shape, dtype = values.shape, values.dtype

            def __getitem__(self, key):
                touched = [
                    np.unique(np.arange(n)[s] // c)
                    for s, n, c in zip(key, values.shape, chunks, strict=True)
                ]
                reads[np.ix_(*touched)] += 1
                return values[key]

        Data.chunks = chunks
        samples = um.samples(Data(), 2)
        reads[:] = 0
        with um.config.memory_budget(3 << 20):
            got = um.scan_fft(samples)
        assert got.record.steps[-1].run["passes"] == passes
        np.testing.assert_array_equal(reads, passes)
        np.testing.assert_array_equal(values, scan(values.shape, np.float32))
        np.testing.assert_array_equal(got.to_array(), um.scan_fft(um.samples(values, 2)).to_array())

    @pytest.mark.parametrize("suffix", ["npy", "zarr"])
    def test_nothing_is_left_after_an_error(self, tmp_path, suffix):
        values = scan()
        values[3, 4, 2, 1] = np.nan
        np.save(tmp_path / "in.npy", values)
        with pytest.raises(um.DataError, match=r"the first at \(3, 4, 2, 1\)"):
            um.scan_fft(um.open(tmp_path / "in.npy"), out=tmp_path / f"out.{suffix}")
        assert [p.name for p in tmp_path.iterdir()] == ["in.npy"]
        (tmp_path / f"there.{suffix}").touch()
        with pytest.raises(um.FileError, match="is there already; expected the name of a new file"):
            um.scan_fft(um.samples(scan(), 2), out=tmp_path / f"there.{suffix}")
        with pytest.raises(um.FileError, match=r"expected a name that ends in \.npy or \.zarr"):
            um.scan_fft(um.samples(scan(), 2), out=tmp_path / "out.tif")

    def test_zarr_that_is_not_installed(self, tmp_path, monkeypatch):
        monkeypatch.setitem(sys.modules, "zarr", None)
        with pytest.raises(um.FileError, match="needs zarr, which is not installed"):
            um.scan_fft(um.samples(scan(), 2), out=tmp_path / "out.zarr")
        assert not list(tmp_path.iterdir())

    def test_record_runs_again_in_memory(self, tmp_path):
        got = um.scan_fft(um.samples(scan(), 2), taper="boxcar", out=tmp_path / "a.npy")
        again = um.Pipeline.from_record(got.record).run(scan())
        np.testing.assert_array_equal(again.to_array(), got.to_array())
        assert again.source.in_memory


class TestLattice:
    """Two lattices in scan space, each on detector pixels of its own."""

    N, SPOTS = 48, ((6, 0), (3, 8))

    @pytest.fixture
    def data(self):
        y, x = np.mgrid[: self.N, : self.N]
        waves = [np.cos(2 * np.pi * (a * y + b * x) / self.N + 0.4) for a, b in self.SPOTS]
        rng = np.random.default_rng(3)
        patterns = np.zeros((2, 6, 8))
        patterns[0, :3], patterns[1, 2:] = rng.random((3, 8)), rng.random((4, 8))
        # a phase of its own for each pixel does not change the modulus
        values = 5 + np.einsum("pyx,pij->yxij", np.asarray(waves), patterns)
        return values + rng.normal(0, 0.01, values.shape), patterns

    def places(self, spot):
        half = self.N // 2
        return (half + spot[0], half + spot[1]), (half - spot[0], half - spot[1])

    def test_spots_hold_the_strength_of_each_pixel(self, data):
        values, patterns = data
        plane = um.scan_fft(um.samples(values, 2), taper="boxcar").to_array()
        for spot, pattern in zip(self.SPOTS, patterns, strict=True):
            for place in self.places(spot):
                np.testing.assert_allclose(plane[place], pattern * self.N / 2, atol=0.05)

    def test_pca_and_nfindr_tell_the_lattices_apart(self, data):
        values, patterns = data
        samples = um.scan_fft(um.samples(values, 2), taper="boxcar")
        span = np.linalg.qr(patterns.reshape(2, -1).T)[0]
        found = um.pca(samples, 2).components.reshape(2, -1)
        np.testing.assert_allclose(np.linalg.norm(found @ span, axis=1), 1, atol=1e-3)
        model = um.nfindr(samples, 3, raw=True)
        spots = {p for spot in self.SPOTS for p in self.places(spot)}
        taken = {
            tuple(int(i) for i in np.unravel_index(i, (self.N, self.N))) for i in model.indices
        }
        assert len(taken & spots) == 2
        assert len({frozenset(self.places(s)) & taken for s in self.SPOTS} - {frozenset()}) == 2
