"""zarr stores of both versions: what is read, along which chunks, and with which axes."""

from __future__ import annotations

import json

import numpy as np
import pytest
import zarr

import unmix as um

SCAN = np.random.default_rng(0).integers(0, 99, (9, 10, 12, 14)).astype(np.uint16)
MOVIE = np.random.default_rng(1).random((5, 24, 34)).astype(np.float32)


def write(path, data, version=3, **options):
    return zarr.create_array(str(path), data=data, zarr_format=version, **options)


class TestReading:
    @pytest.mark.parametrize("version", [2, 3])
    @pytest.mark.parametrize("compressors", ["auto", None])
    def test_one_array(self, tmp_path, version, compressors):
        write(tmp_path / "a.zarr", SCAN, version, chunks=(2, 3, 12, 14), compressors=compressors)
        samples = um.open(tmp_path / "a.zarr")
        assert repr(samples) == (
            "<Samples scan_y 9 x scan_x 10 (px) | det_y 12 x det_x 14 (px), float32, numpy>"
        )
        assert samples.source.chunks == (2, 3)
        assert samples.record.steps[0].run["reader"] == f"zarr {zarr.__version__}"
        np.testing.assert_array_equal(samples.to_array(), SCAN)
        part = samples[1:8, ::2, 3:9, 5]
        np.testing.assert_array_equal(part.to_array(), SCAN[1:8, ::2, 3:9, 5])

    def test_shards(self, tmp_path):
        write(tmp_path / "a.zarr", SCAN, chunks=(1, 2, 12, 14), shards=(4, 4, 12, 14))
        samples = um.open(tmp_path / "a.zarr")
        assert samples.source.chunks == (1, 2)
        np.testing.assert_array_equal(samples.to_array(), SCAN)

    @pytest.mark.parametrize("version", [2, 3])
    def test_groups(self, tmp_path, version):
        group = zarr.open_group(str(tmp_path / "run"), mode="w", zarr_format=version)
        group.create_array("entry/scan", data=SCAN)
        group.create_array("entry/time", data=np.arange(9.0))
        np.testing.assert_array_equal(um.open(tmp_path / "run").to_array(), SCAN)
        group.create_array("movie", data=MOVIE)
        with pytest.raises(um.FileError, match=r"2 data sets .*entry/scan \(9 x 10 x 12 x 14\)"):
            um.open(tmp_path / "run")
        np.testing.assert_array_equal(um.open(f"{tmp_path}/run::/entry/scan").to_array(), SCAN)
        np.testing.assert_array_equal(um.open(f"{tmp_path}/run::movie").to_array(), MOVIE)
        with pytest.raises(um.FileError, match="there is no data set 'film'"):
            um.open(f"{tmp_path}/run::film")

    def test_analysis_equals_that_in_memory(self, tmp_path):
        write(tmp_path / "a.zarr", MOVIE, chunks=(1, 10, 10))
        images = (um.open(tmp_path / "a.zarr"), MOVIE)
        one, two = (um.pca(um.window_fft(um.sliding_windows(i, 8, 2)), 3) for i in images)
        np.testing.assert_array_equal(one.maps, two.maps)

    def test_values_of_another_kind(self, tmp_path):
        write(tmp_path / "a.zarr", MOVIE.astype(np.complex64))
        with pytest.raises(um.DTypeError, match="complex64"):
            um.open(tmp_path / "a.zarr")


class TestAxes:
    @pytest.mark.parametrize("version", [2, 3])
    def test_names_and_coordinates_as_xarray_writes_them(self, tmp_path, version):
        names = ["frame", "y", "x"]
        group = zarr.open_group(str(tmp_path / "a.zarr"), mode="w", zarr_format=version)
        options = {"dimension_names": names} if version == 3 else {}
        data = group.create_array("counts", data=MOVIE, **options)
        if version == 2:
            data.attrs["_ARRAY_DIMENSIONS"] = names
        x = group.create_array("x", data=2 + 0.5 * np.arange(34))
        x.attrs["units"] = "nm"
        samples = um.open(tmp_path / "a.zarr")
        assert [a.name for a in samples.axes] == names
        assert (samples.axes[2].values[0], samples.axes[2].spacing) == (2, 0.5)
        assert [a.units for a in samples.axes] == ["", "px", "nm"]

    def test_names_that_say_nothing_of_a_descriptor(self, tmp_path):
        write(tmp_path / "a.zarr", SCAN, dimension_names=["a", "b", "c", "d"])
        assert um.open(tmp_path / "a.zarr").axes[0].name == "scan_y"
        write(tmp_path / "b.zarr", MOVIE, dimension_names=["my time", "y", "x"])
        assert um.open(tmp_path / "b.zarr").axes[0].name == "frame"

    @pytest.mark.parametrize("version", [2, 3])
    def test_ome(self, tmp_path, version):
        group = zarr.open_group(str(tmp_path / "a.zarr"), mode="w", zarr_format=version)
        axes = [
            {"name": "t", "type": "time", "unit": "second"},
            {"name": "y", "type": "space", "unit": "nanometer"},
            {"name": "x", "type": "space"},
        ]
        scales = [
            {
                "path": str(i),
                "coordinateTransformations": [
                    {"type": "scale", "scale": [3.0, 0.5 * 2**i, 0.25 * 2**i]},
                    {"type": "translation", "translation": [0, 1.0, 0]},
                ],
            }
            for i in range(2)
        ]
        about = {"multiscales": [{"axes": axes, "datasets": scales}]}
        group.attrs.update(about if version == 2 else {"ome": {**about, "version": "0.5"}})
        group.create_array("0", data=MOVIE)
        group.create_array("1", data=MOVIE[:, ::2, ::2])
        samples = um.open(tmp_path / "a.zarr")
        assert samples.shape == MOVIE.shape
        assert [a.name for a in samples.axes] == ["frame", "y", "x"]
        assert [(a.values[0], a.spacing, a.units) for a in samples.axes] == [
            (0, 3, "s"),
            (1, 0.5, "nm"),
            (0, 0.25, "px"),
        ]
        assert um.open(f"{tmp_path}/a.zarr::1").axes[1].spacing == 1


class TestDamage:
    def test_a_folder_that_is_none(self, tmp_path):
        (tmp_path / "a").mkdir()
        said = "is a folder; expected a file, a zarr store or a folder of pictures"
        with pytest.raises(um.FileError, match=said):
            um.open(tmp_path / "a")
        with pytest.raises(um.FileError, match=said):
            um.open(tmp_path)

    def test_metadata(self, tmp_path):
        write(tmp_path / "a.zarr", MOVIE)
        (tmp_path / "a.zarr" / "zarr.json").write_text("{")
        with pytest.raises(um.FileError, match=r"cannot read .* as a zarr store"):
            um.open(tmp_path / "a.zarr")

    def test_a_chunk(self, tmp_path):
        write(tmp_path / "a.zarr", MOVIE, chunks=(1, 24, 34))
        samples = um.open(tmp_path / "a.zarr")
        (tmp_path / "a.zarr" / "c" / "2" / "0" / "0").write_bytes(b"nothing")
        with pytest.raises(um.FileError, match=r"cannot read .* as a zarr store"):
            samples.to_array()

    @pytest.mark.parametrize("place", ["filters", "compressor"])
    def test_pickles_are_refused(self, tmp_path, place):
        write(tmp_path / "a.zarr", MOVIE, 2)
        header = tmp_path / "a.zarr" / ".zarray"
        about = json.loads(header.read_text())
        coder = {"id": "pickle", "protocol": 5}
        about[place] = [coder] if place == "filters" else coder
        header.write_text(json.dumps(about))
        with pytest.raises(um.FileError, match=r"cannot read .* as a zarr store: .*pickle"):
            um.open(tmp_path / "a.zarr")
