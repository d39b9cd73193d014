"""Folders of pictures, pixel sizes in .npz, and USID files."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
import tifffile
from PIL import Image

import unmix as um

RNG = np.random.default_rng(0)
FRAMES = RNG.integers(0, 255, (12, 20, 26)).astype(np.uint8)
CUBE = RNG.random((4, 5, 3, 6)).astype(np.float32)


def names(samples):
    described = [a.name for a in samples.layout.descriptor_axes]
    return " ".join([a.name for a in samples.layout.map_axes] + ["|"] * bool(described) + described)


class TestFolders:
    def pictures(self, folder, suffix="png"):
        folder.mkdir()
        for i, frame in enumerate(FRAMES):
            Image.fromarray(frame).save(folder / f"{i + 1}.{suffix}")
        return folder

    def test_frames_come_in_natural_order(self, tmp_path):
        folder = self.pictures(tmp_path / "Ramp_Up")
        (folder / "notes.txt").write_text("no picture")
        (folder / ".hidden.png").write_bytes(b"")
        movie = um.open(folder)
        assert names(movie) == "frame y x"
        np.testing.assert_array_equal(movie.to_array(), FRAMES)
        np.testing.assert_array_equal(movie[9, 3:5, ::2].to_array(), FRAMES[9, 3:5, ::2])
        binned = movie.bin(how="mean", frame=2).crop(y=(4, 9))
        expected = FRAMES.reshape(6, 2, 20, 26).mean(axis=1)[:, 4:10]
        np.testing.assert_allclose(binned.to_array(), expected)

    def test_files_are_opened_when_they_are_needed(self, tmp_path):
        folder = self.pictures(tmp_path / "ramp")
        movie = um.open(folder)
        (folder / "7.png").unlink()
        np.testing.assert_array_equal(movie[:6].to_array(), FRAMES[:6])
        with pytest.raises(um.FileError, match=r"7\.png"):
            movie[6].to_array()

    def test_pixel_size_of_tiff(self, tmp_path):
        for i, frame in enumerate(FRAMES[:3]):
            options = {"imagej": True, "resolution": (4, 2), "metadata": {"unit": "nm"}}
            tifffile.imwrite(tmp_path / f"f{i}.tif", frame, **options)
        movie = um.open(tmp_path)
        assert [(a.spacing, a.units) for a in movie.axes] == [(1, ""), (0.5, "nm"), (0.25, "nm")]
        np.testing.assert_array_equal(movie.to_array(), FRAMES[:3])

    def test_by_dask(self, tmp_path):
        movie = um.open(self.pictures(tmp_path / "ramp"), chunks=(4, 20, 26))
        np.testing.assert_array_equal(movie.to_array(), FRAMES)

    def test_pictures_of_two_kinds(self, tmp_path):
        folder = self.pictures(tmp_path / "ramp")
        tifffile.imwrite(folder / "mean.tif", FRAMES[0])
        with pytest.raises(
            um.FileError, match=r"several kinds \(\.png, \.tif\); expected one kind"
        ):
            um.open(folder)

    def test_frames_of_another_size(self, tmp_path):
        folder = self.pictures(tmp_path / "ramp")
        Image.fromarray(FRAMES[0, :9]).save(folder / "3.png")
        with pytest.raises(um.FileError, match=r"3\.png holds uint8 of \(9, 26\), and the first"):
            um.open(folder).to_array()

    def test_stacks_are_no_frames(self, tmp_path):
        tifffile.imwrite(tmp_path / "a.tif", FRAMES, photometric="minisblack")
        with pytest.raises(um.FileError, match=r"\(12, 20, 26\); expected one image in each"):
            um.open(tmp_path)

    def test_no_parts(self, tmp_path):
        folder = self.pictures(tmp_path / "ramp")
        with pytest.raises(um.FileError, match="without '::3'"):
            um.open(f"{folder}::3")

    def test_no_pictures(self, tmp_path):
        with pytest.raises(um.FileError, match="expected a file, a zarr store or a folder of pict"):
            um.open(tmp_path)

    def test_pages_of_a_tiff_are_frames(self, tmp_path):
        with tifffile.TiffWriter(tmp_path / "pages.tif") as tif:
            for frame in FRAMES:
                tif.write(frame, contiguous=False)
        movie = um.open(tmp_path / "pages.tif")
        assert names(movie) == "frame y x"
        np.testing.assert_array_equal(movie.to_array(), FRAMES)


class TestCoordinatesOfNpz:
    @pytest.mark.parametrize(
        ("shape", "beside", "axes", "expected"),
        [
            ((3, 4, 5), "energy_ev", None, ("y x | energy", "eV")),
            ((4, 5), "wavelength_nm", None, ("site | wavelength", "nm")),
            ((2, 3, 4, 5), "energy", None, ("frame y x | energy", "")),
            ((5, 3, 4), "temperature", None, ("temperature y x", "")),
            ((5, 3, 4), "time_s", None, ("time y x", "s")),
            ((3, 4, 5), "lag_um", "y x | lag", ("y x | lag", "µm")),
            ((3, 4, 5), "mean_energy", "y x | mean_energy", ("y x | mean_energy", "")),
        ],
    )
    def test_lie_in_an_array_with_the_name_of_the_axis(
        self, tmp_path, shape, beside, axes, expected
    ):
        along = np.asarray([1.0, 1.5, 3.0, 2.5, 9.0])
        np.savez(tmp_path / "a.npz", data=np.ones(shape), **{beside: along})
        samples = um.open(tmp_path / "a.npz", axes=axes)
        assert names(samples) == expected[0]
        axis = samples.axes[shape.index(5)]
        np.testing.assert_array_equal(axis.values, along)
        assert axis.units == expected[1]

    def test_of_another_length_or_of_no_numbers_belong_to_nothing(self, tmp_path):
        beside = {"energy_ev": np.arange(6.0), "time": np.full(3, np.nan), "label": ["a"] * 3}
        np.savez(tmp_path / "a.npz", data=np.ones((3, 4, 5)), **beside)
        samples = um.open(tmp_path / "a.npz")
        assert names(samples) == "frame y x"
        assert [a.values[-1] for a in samples.axes] == [2, 3, 4]

    def test_two_of_the_frames_name_none_of_them(self, tmp_path):
        beside = {"temperature_c": [20.0, 90.0], "time_s": [0.0, 1.0]}
        np.savez(tmp_path / "a.npz", data=np.ones((2, 4, 5)), **beside)
        assert names(um.open(tmp_path / "a.npz")) == "frame y x"
        heated = um.open(tmp_path / "a.npz", axes="temperature y x")
        assert (heated.axes[0].values.tolist(), heated.axes[0].units) == ([20, 90], "°C")

    def test_stay_with_components_in_files_and_on_the_axis_of_a_picture(self, tmp_path):
        energy = 350 + 0.5 * np.arange(12)
        cube = np.random.default_rng(0).random((6, 7, 12))
        np.savez(tmp_path / "a.npz", cube=cube, energy_ev=energy)
        model = um.nmf(um.open(tmp_path / "a.npz").crop(energy=(351, 354)), 2, rng=0)
        um.save(tmp_path / "model.npz", model)
        loaded = um.load(tmp_path / "model.npz")
        np.testing.assert_array_equal(loaded.layout.descriptor_axes[0].values, energy[2:9])
        frame = um.plot.components(loaded).axes[0]
        np.testing.assert_array_equal(frame.lines[0].get_xdata(), energy[2:9])
        assert frame.get_xlabel() == "energy (eV)"
        again = um.Pipeline.from_record(model.record).run(tmp_path / "a.npz")
        np.testing.assert_array_equal(again.maps, model.maps)


class TestPixelSizeOfNpz:
    @pytest.mark.parametrize(
        ("beside", "expected"),
        [
            ({"pixel_size": 0.2, "units": "nm"}, (0.2, 0.2, "nm")),
            ({"pixel_size_nm": np.float32(0.5)}, (0.5, 0.5, "nm")),
            ({"pitch": [0.2, 0.4], "unit": np.asarray(["um"])}, (0.2, 0.4, "um")),
            ({"pixel_size": 3}, (3, 3, "")),
            ({"temperature": 0.2}, (1, 1, "px")),
        ],
    )
    def test_is_that_of_y_and_x(self, tmp_path, beside, expected):
        np.savez(tmp_path / "a.npz", image=FRAMES, **beside)
        movie = um.open(tmp_path / "a.npz")
        y, x = movie.axes[-2:]
        assert (y.spacing, x.spacing, x.units) == pytest.approx(expected)
        np.testing.assert_array_equal(movie.to_array(), FRAMES)

    def test_that_is_none(self, tmp_path):
        np.savez(tmp_path / "a.npz", image=FRAMES, pixel_size=[0.1, 0])
        with pytest.raises(um.FileError, match=r"pixel_size = \[0\.1, 0\.0\]; expected one or two"):
            um.open(tmp_path / "a.npz")


def table(sizes):
    """Indices (entries, dimensions) as USID writes them: the first dimension is the fastest."""
    grid = np.indices(sizes).reshape(len(sizes), -1)
    return grid[::-1].T.astype(np.uint32)


def write_usid(path, cube=CUBE, keep=None):
    rows = cube.reshape(cube.shape[0] * cube.shape[1], -1)
    places, entries = table(cube.shape[:2]), table(cube.shape[2:])
    rows, places = rows[:keep], places[:keep]
    with h5py.File(path, "w") as file:
        group = file.create_group("Measurement_000/Channel_000")
        main = group.create_dataset("Raw_Data", data=rows)
        parts = {
            "Position_Indices": (places, ["X", "Y"], ["um", "um"]),
            "Position_Values": (places * [0.5, 2.0], ["X", "Y"], ["um", "um"]),
            "Spectroscopic_Indices": (entries.T, ["DC Bias", "Cycle"], ["V", ""]),
            "Spectroscopic_Values": (entries.T * [[0.1], [1]], ["DC Bias", "Cycle"], ["V", ""]),
        }
        for name, (data, labels, units) in parts.items():
            dataset = group.create_dataset(name, data=data)
            dataset.attrs["labels"], dataset.attrs["units"] = labels, units
            main.attrs[name] = dataset.ref
    return path


class TestUsid:
    def test_grid_of_positions_and_values(self, tmp_path):
        samples = um.open(write_usid(tmp_path / "a.h5"))
        assert names(samples) == "y x | cycle dc_bias"
        assert samples.shape == CUBE.shape
        y, x, _, bias = samples.axes
        np.testing.assert_allclose(x.values, 0.5 * np.arange(5))
        np.testing.assert_allclose(y.values, 2 * np.arange(4))
        np.testing.assert_allclose(bias.values, 0.1 * np.arange(6))
        assert (x.units, bias.units) == ("um", "V")
        np.testing.assert_array_equal(samples.to_array(), CUBE)

    @pytest.mark.parametrize(
        "key",
        [
            np.s_[1:3],
            np.s_[:, 1:4:2],
            np.s_[::2, 3, :, 2:5],
            np.s_[2, 2, 1],
            np.s_[..., ::3],
        ],
    )
    def test_blocks(self, tmp_path, key):
        samples = um.open(write_usid(tmp_path / "a.h5"))
        np.testing.assert_array_equal(samples[key].to_array(), CUBE[key])

    def test_a_scan_that_was_stopped_is_a_list_of_sites(self, tmp_path):
        samples = um.open(write_usid(tmp_path / "a.h5", keep=17))
        assert names(samples) == "site | cycle dc_bias"
        expected = CUBE.reshape(20, 3, 6)[:17]
        np.testing.assert_array_equal(samples.to_array(), expected)

    def test_an_image(self, tmp_path):
        image = CUBE[..., :1, :1]
        samples = um.open(write_usid(tmp_path / "a.h5", cube=image))
        assert names(samples) == "y x"
        np.testing.assert_array_equal(samples.to_array(), image[..., 0, 0])

    def test_analysis_equals_that_in_memory(self, tmp_path):
        samples = um.open(write_usid(tmp_path / "a.h5"))
        other = um.samples(CUBE, 2)
        np.testing.assert_array_equal(um.pca(samples, 2).maps, um.pca(other, 2).maps)
