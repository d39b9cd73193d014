"""Files: every format in, models out and in again, and what damaged files say."""

import io
import json
import pickle
import re
import struct
import subprocess
import sys
import tracemalloc
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import array_api_strict
import h5py
import numpy as np
import pytest
import tifffile
from PIL import Image

import unmix as um
from unmix import _stored, _write
from unmix.io import _hdf5, _model, _opened, _pictures, _rosetta, _tiff_scale

RNG = np.random.default_rng(0)
FRAMES = RNG.integers(0, 60_000, (5, 24, 34)).astype(np.uint16)
IMAGE = FRAMES[0]
GREY = (IMAGE >> 8).astype(np.uint8)
SCAN = RNG.integers(0, 99, (4, 5, 6, 7)).astype(np.uint16)


def names(samples):
    """Return the names of the axes with a bar before the descriptor."""
    described = [a.name for a in samples.layout.descriptor_axes]
    return " ".join(
        [a.name for a in samples.layout.map_axes] + (["|"] if described else []) + described
    )


def scales(samples):
    """Return start, spacing and unit of each axis."""
    return [(round(a.values[0], 9), round(a.spacing, 9), a.units) for a in samples.axes]


def held(folder):
    """Return the names in a folder."""
    return sorted(p.name for p in folder.iterdir())


def assert_holds(samples, expected):
    np.testing.assert_array_equal(samples.to_array(), expected)


def write_h5(path, **datasets):
    with h5py.File(path, "w") as file:
        for name, (data, options) in datasets.items():
            file.create_dataset(name, data=data, **options)
    return path


def write_mrc(path, data, angstroms=(50, 200, 300)):
    header = bytearray(1024)
    n_z, n_y, n_x = data.shape
    header[0:16] = struct.pack("<4i", n_x, n_y, n_z, 1)
    header[28:40] = struct.pack("<3i", n_x, n_y, n_z)
    header[40:52] = struct.pack("<3f", *angstroms[::-1])
    header[208:212] = b"MAP "
    path.write_bytes(bytes(header) + data.astype("<i2").tobytes())
    return path


def signal(data, navigate, axes, title=""):
    """Return a signal as rosettasciio's writers take it; axes are (name, scale, offset, units)."""
    return {
        "data": data,
        "axes": [
            {
                "_type": "UniformDataAxis",
                "name": name,
                "size": size,
                "scale": scale,
                "offset": offset,
                "units": units,
                "navigate": i < navigate,
                "index_in_array": i,
                "is_binned": False,
            }
            for i, ((name, scale, offset, units), size) in enumerate(
                zip(axes, data.shape, strict=True)
            )
        ],
        "metadata": {"General": {"title": title}, "Signal": {"signal_type": ""}},
        "original_metadata": {},
        "attributes": {"_lazy": False, "ragged": False},
        "tmp_parameters": {},
        "package_info": {"package": "hyperspy", "package_version": "2.0"},
        "learning_results": {},
        "models": {},
    }


def write_hspy(path, *args, **options):
    from rsciio.hspy import file_writer

    file_writer(path, signal(*args, **options), show_progressbar=False)
    return path


class TestNumpy:
    def test_npy_is_mapped(self, tmp_path):
        np.save(tmp_path / "a.npy", IMAGE)
        samples = um.open(tmp_path / "a.npy")
        assert names(samples) == "y x"
        assert isinstance(samples.source.array, np.memmap)
        assert not samples.source.array.flags.writeable
        assert_holds(samples, IMAGE)

    @pytest.mark.parametrize("suffix", ["npy", "tif"])
    @pytest.mark.parametrize("order", ["C", "F"])
    def test_a_map_larger_than_the_budget_stays_out_of_memory(self, tmp_path, suffix, order):
        frames = np.asarray(np.tile(FRAMES, (2, 20, 10)), order=order)  # 3 MiB
        path = tmp_path / f"a.{suffix}"
        if suffix == "npy":
            np.save(path, frames)
        else:
            tifffile.imwrite(path, frames, photometric="minisblack")
        with um.config.memory_budget(1 << 20):
            samples = um.open(path)
            assert isinstance(samples.source.array, _stored.MappedBlocks)
            block = samples.source.array[1:3, :, 4:9]
            assert type(block) is np.ndarray
            assert block.base is None
            np.testing.assert_array_equal(block, frames[1:3, :, 4:9])
            path.unlink()  # it is held open
            assert_holds(samples, frames)

    @pytest.mark.parametrize(
        "array",
        [
            IMAGE.astype(">u2"),
            IMAGE.astype(">f4"),
            np.asfortranarray(IMAGE),
            IMAGE.astype(np.float16),
            IMAGE.astype(np.int64),
            (IMAGE % 100).astype(np.int8),
        ],
        ids=lambda a: f"{a.dtype.str}{'F' if a.flags.f_contiguous else ''}",
    )
    def test_npy_of_any_type_and_order(self, tmp_path, array):
        np.save(tmp_path / "a.npy", array)
        assert_holds(um.open(tmp_path / "a.npy"), array)

    @pytest.mark.parametrize(
        ("shape", "expected"),
        [
            ((6, 7), "y x"),
            ((5, 6, 7), "frame y x"),
            ((4, 5, 6, 7), "scan_y scan_x | det_y det_x"),
        ],
    )
    def test_bare_axes(self, tmp_path, shape, expected):
        np.save(tmp_path / "a.npy", np.ones(shape))
        assert names(um.open(tmp_path / "a.npy")) == expected

    @pytest.mark.parametrize("shape", [(7,), (2, 3, 4, 5, 6), ()])
    def test_other_numbers_of_axes_must_be_named(self, tmp_path, shape):
        np.save(tmp_path / "a.npy", np.ones(shape))
        with pytest.raises(um.ShapeError, match=r"expected 2 to 4: say what they are"):
            um.open(tmp_path / "a.npy")

    def test_npz_with_one_image(self, tmp_path):
        np.savez_compressed(tmp_path / "a.npz", image=IMAGE, pitch=np.float64(0.1), x=np.arange(34))
        samples = um.open(tmp_path / "a.npz")
        assert_holds(samples, IMAGE)
        assert_holds(um.open(f"{tmp_path}/a.npz::image"), IMAGE)

    def test_npz_with_several(self, tmp_path):
        np.savez(tmp_path / "a.npz", image=IMAGE, frames=FRAMES)
        with pytest.raises(
            um.FileError,
            match=r"2 data sets .*unmix\.open\('.*a\.npz::image'\), of image \(24 x 34\), frames",
        ):
            um.open(tmp_path / "a.npz")
        assert_holds(um.open(f"{tmp_path}/a.npz::frames"), FRAMES)
        with pytest.raises(um.FileError, match=r"no data set 'movie' .* name one after two colons"):
            um.open(f"{tmp_path}/a.npz::movie")

    def test_npz_without_numbers(self, tmp_path):
        np.savez(tmp_path / "a.npz", text=np.asarray(["a", "b"]))
        with pytest.raises(um.FileError, match=r"no data set .* there are no numbers in it"):
            um.open(tmp_path / "a.npz")

    def test_npy_has_no_names(self, tmp_path):
        np.save(tmp_path / "a.npy", IMAGE)
        with pytest.raises(um.FileError, match=r"an \.npy file holds one array"):
            um.open(f"{tmp_path / 'a.npy'}::image")

    def test_header_of_version_two(self, tmp_path):
        with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive, archive.open("a.npy", "w") as f:
            np.lib.format.write_array(f, IMAGE, version=(2, 0))
        assert_holds(um.open(tmp_path / "a.npz"), IMAGE)

    def test_member_that_goes_on_is_refused(self, tmp_path):
        with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive, archive.open("a.npy", "w") as f:
            np.lib.format.write_array(f, IMAGE)
            f.write(b"more")
        with pytest.raises(um.FileError, match="a goes on after its end"):
            um.open(tmp_path / "a.npz")


class TestAxes:
    @pytest.fixture
    def cube(self, tmp_path):
        np.save(tmp_path / "a.npy", np.arange(24.0).reshape(2, 3, 4))
        return tmp_path / "a.npy"

    @pytest.mark.parametrize("axes", ["y x | bin", "frame y x", "site | lag_y lag_x", "  a b|c "])
    def test_names_given(self, cube, axes):
        samples = um.open(cube, axes=axes)
        assert names(samples).split() == axes.replace("|", " | ").split()
        assert_holds(samples, np.arange(24.0).reshape(2, 3, 4))

    @pytest.mark.parametrize(
        "axes", ["", "| y x bin", "y y x", "y x | bin | bin", "y x 3", "y, x, bin", "y x | x"]
    )
    def test_names_that_are_none(self, cube, axes):
        with pytest.raises(um.ParameterError, match=r"axes is .*; expected different names"):
            um.open(cube, axes=axes)

    @pytest.mark.parametrize("axes", ["y x", "a b c d", "a | b c d"])
    def test_too_many_or_few(self, cube, axes):
        with pytest.raises(um.ShapeError, match=r"names \d axes, but .* holds 3, \(2, 3, 4\)"):
            um.open(cube, axes=axes)


class TestRecord:
    def test_first_step(self, tmp_path):
        np.save(tmp_path / "a.npy", IMAGE)
        (step,) = um.open(tmp_path / "a.npy", axes="y x").record.steps
        assert step.operation == "open"
        expected = {"path": str(tmp_path / "a.npy"), "axes": "y x", "nan": "raise"}
        assert step.parameters == expected
        assert step.run["data"] == um.samples(IMAGE, 2).record.steps[0].run["data"]
        assert step.run["reader"] == f"numpy {np.__version__}"

    def test_the_rest_follows(self, tmp_path):
        np.save(tmp_path / "a.npy", IMAGE)
        record = um.sliding_windows(um.open(tmp_path / "a.npy"), 8, 4).record
        assert [s.operation for s in record.steps] == ["open", "sliding_windows"]
        assert um.Record.from_json(record.to_json()) == record

    def test_unsigned_is_nonnegative(self, tmp_path):
        np.save(tmp_path / "a.npy", IMAGE)
        np.save(tmp_path / "b.npy", IMAGE.astype(np.float32))
        assert um.open(tmp_path / "a.npy").nonnegative
        assert um.open(tmp_path / "b.npy").nonnegative is None


class TestTiff:
    @pytest.mark.parametrize("data", [IMAGE, FRAMES, IMAGE.astype(np.float32)])
    @pytest.mark.parametrize("byteorder", "<>")
    def test_uncompressed_is_mapped(self, tmp_path, data, byteorder):
        tifffile.imwrite(tmp_path / "a.tif", data, photometric="minisblack", byteorder=byteorder)
        samples = um.open(tmp_path / "a.tif")
        assert isinstance(samples.source.array, np.memmap)
        assert names(samples) == ("y x" if data.ndim == 2 else "frame y x")
        assert_holds(samples, data)

    @pytest.mark.parametrize("options", [{"compression": "zlib"}, {"tile": (16, 16)}])
    def test_compressed_or_tiled(self, tmp_path, options):
        tifffile.imwrite(tmp_path / "a.TIFF", FRAMES, photometric="minisblack", **options)
        assert_holds(um.open(tmp_path / "a.TIFF"), FRAMES)

    def test_large_compressed_stack_is_read_page_by_page(self, tmp_path):
        tifffile.imwrite(
            tmp_path / "a.tif",
            np.tile(FRAMES, (1, 40, 20)),
            photometric="minisblack",
            compression="zlib",
        )
        with um.config.memory_budget(1 << 20):
            samples = um.open(tmp_path / "a.tif")
        assert samples.source.chunks == (1, 960, 680)
        assert_holds(samples, np.tile(FRAMES, (1, 40, 20)))
        with ThreadPoolExecutor(8) as pool:
            frames = list(
                pool.map(lambda i: samples.source.array[i : i + 1, 3:9], [0, 1, 2, 3, 4] * 8)
            )
        for i, frame in zip([0, 1, 2, 3, 4] * 8, frames, strict=True):
            np.testing.assert_array_equal(frame, np.tile(FRAMES, (1, 40, 20))[i : i + 1, 3:9])

    def test_imagej(self, tmp_path):
        tifffile.imwrite(
            tmp_path / "a.tif",
            FRAMES,
            imagej=True,
            resolution=(1 / 0.25, 1 / 0.5),
            metadata={"unit": "nm", "axes": "TYX", "finterval": 0.2},
        )
        samples = um.open(tmp_path / "a.tif")
        assert scales(samples) == [(0, 0.2, "s"), (0, 0.5, "nm"), (0, 0.25, "nm")]
        assert_holds(samples, FRAMES)

    def test_imagej_volume_of_channels(self, tmp_path):
        data = np.stack([FRAMES, FRAMES + 1], axis=1)
        tifffile.imwrite(
            tmp_path / "a.tif",
            data,
            imagej=True,
            resolution=(4, 4),
            metadata={"unit": "micron", "axes": "ZCYX", "spacing": 2.0},
        )
        samples = um.open(tmp_path / "a.tif")
        assert names(samples) == "slice channel y x"
        assert scales(samples)[0] == (0, 2, "µm")
        assert scales(samples)[2:] == [(0, 0.25, "µm")] * 2

    def test_ome(self, tmp_path):
        tifffile.imwrite(
            tmp_path / "a.ome.tif",
            FRAMES,
            photometric="minisblack",
            metadata={
                "axes": "TYX",
                "PhysicalSizeX": 0.5,
                "PhysicalSizeXUnit": "nm",
                "PhysicalSizeY": 0.25,
                "TimeIncrement": 3.0,
            },
        )
        expected = [(0, 3, "s"), (0, 0.25, "µm"), (0, 0.5, "nm")]
        assert scales(um.open(tmp_path / "a.ome.tif")) == expected

    @pytest.mark.parametrize(
        ("resolution", "unit", "expected"),
        [
            ((1e8, 2e8), 3, [(0, 0.05, "nm"), (0, 0.1, "nm")]),
            ((25.4e6, 25.4e6), 2, [(0, 1, "nm"), (0, 1, "nm")]),
            ((72, 72), 2, [(0, 1, "px"), (0, 1, "px")]),  # of a screen
            ((118, 118), 3, [(0, 1, "px"), (0, 1, "px")]),  # of a printer
            ((1e8, 1e8), 1, [(0, 1, "px"), (0, 1, "px")]),  # of no unit
        ],
    )
    def test_resolution(self, tmp_path, resolution, unit, expected):
        tifffile.imwrite(tmp_path / "a.tif", IMAGE, resolution=resolution, resolutionunit=unit)
        assert scales(um.open(tmp_path / "a.tif")) == expected

    def test_names_keep_scales(self, tmp_path):
        tifffile.imwrite(tmp_path / "a.tif", IMAGE, resolution=(1e8, 2e8), resolutionunit=3)
        samples = um.open(tmp_path / "a.tif", axes="site | bin")
        assert names(samples) == "site | bin"
        assert scales(samples) == [(0, 0.05, "nm"), (0, 0.1, "nm")]

    @pytest.mark.parametrize("planar", ["contig", "separate"])
    @pytest.mark.parametrize("alpha", [False, True])
    def test_equal_channels_are_one(self, tmp_path, planar, alpha):
        channels = [GREY] * 3 + ([np.full_like(GREY, 255)] if alpha else [])
        data = np.stack(channels, axis=-1 if planar == "contig" else 0)
        tifffile.imwrite(tmp_path / "a.tif", data, photometric="rgb", planarconfig=planar)
        samples = um.open(tmp_path / "a.tif")
        assert names(samples) == "y x"
        assert_holds(samples, GREY)

    def test_equal_channels_of_a_stack(self, tmp_path):
        data = np.stack([FRAMES] * 3, axis=-1)
        tifffile.imwrite(tmp_path / "a.tif", data, photometric="rgb", compression="zlib")
        samples = um.open(tmp_path / "a.tif")
        assert names(samples) == "frame y x"
        assert_holds(samples, FRAMES)

    def test_colour(self, tmp_path, monkeypatch):
        monkeypatch.setattr(_pictures, "BLOCK", 500)
        data = np.stack([GREY] * 3, axis=-1)
        data[17, 5, 2] ^= 1
        tifffile.imwrite(tmp_path / "a.tif", data, photometric="rgb")
        with pytest.raises(
            um.FileError, match=r"in colour: .* first at \(17, 5\); .*take the channel"
        ):
            um.open(tmp_path / "a.tif")

    def test_example(self):
        path = Path(__file__).parents[1] / "examples" / "mos2_re05_haadf.tiff"
        samples = um.open(path)
        assert repr(samples) == "<Samples y 761 x x 762 (px), float32, numpy>"

    def test_series(self, tmp_path):
        with tifffile.TiffWriter(tmp_path / "a.tif") as tif:
            tif.write(IMAGE)
            tif.write(FRAMES[:, :8], photometric="minisblack")
        with pytest.raises(um.FileError, match=r"2 data sets .*a.tif::0'\), of 0 \(24 x 34\), 1"):
            um.open(tmp_path / "a.tif")
        assert_holds(um.open(f"{tmp_path / 'a.tif'}::1"), FRAMES[:, :8])

    @pytest.mark.parametrize("value", [None, (1,), (1, 0), (0, 1), ("a", "b"), 7])
    def test_resolution_that_is_none(self, value):
        assert _tiff_scale._ratio(value) is None

    def test_damaged_ome(self):
        with pytest.raises(um.FileError, match="its OME metadata is no XML"):
            _tiff_scale._ome("<OME")
        assert _tiff_scale._ome("<OME></OME>") == {}


class TestPictures:
    @pytest.mark.parametrize("data", [IMAGE, GREY], ids=["16 bit", "8 bit"])
    def test_grey(self, tmp_path, data):
        Image.fromarray(data).save(tmp_path / "a.png")
        samples = um.open(tmp_path / "a.png")
        assert samples.source.array.dtype == data.dtype
        assert_holds(samples, data)

    @pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "P"])
    def test_equal_channels_are_one(self, tmp_path, mode):
        Image.fromarray(GREY).convert(mode).save(tmp_path / "a.png")
        assert_holds(um.open(tmp_path / "a.png"), GREY)

    def test_bmp(self, tmp_path):
        Image.fromarray(GREY).save(tmp_path / "a.bmp")
        assert_holds(um.open(tmp_path / "a.bmp"), GREY)

    @pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
    def test_colour(self, tmp_path, mode):
        data = np.stack([GREY, GREY, 255 - GREY], axis=-1)
        Image.fromarray(data).convert(mode).save(tmp_path / "a.png")
        with pytest.raises(um.FileError, match="is in colour"):
            um.open(tmp_path / "a.png")

    def test_alpha_that_varies(self, tmp_path):
        Image.fromarray(np.stack([GREY, GREY], axis=-1)).save(tmp_path / "a.png")
        with pytest.raises(um.FileError, match="alpha channel that varies"):
            um.open(tmp_path / "a.png")

    def test_many_channels(self):
        with pytest.raises(um.FileError, match="has 5 values per pixel"):
            _pictures.one_channel(np.ones((4, 4, 5)), Path("a.tif"))

    def test_deep_colour_is_not_cut_to_8_bits(self, tmp_path):
        Image.fromarray(GREY).save(tmp_path / "a.png")
        raw = bytearray((tmp_path / "a.png").read_bytes())
        raw[24:26] = 16, 2
        (tmp_path / "a.png").write_bytes(raw)
        with pytest.raises(um.FileError, match="colour PNG of 16 bits per channel"):
            um.open(tmp_path / "a.png")

    def test_animation(self, tmp_path):
        frames = [Image.fromarray(f) for f in (GREY, 255 - GREY)]
        frames[0].save(tmp_path / "a.png", save_all=True, append_images=frames[1:])
        with pytest.raises(um.FileError, match="animation of 2 frames"):
            um.open(tmp_path / "a.png")

    def test_one_bit(self, tmp_path):
        Image.fromarray(GREY > 99).save(tmp_path / "a.png")
        with pytest.raises(um.DTypeError, match="boolean"):
            um.open(tmp_path / "a.png")

    def test_no_names(self, tmp_path):
        Image.fromarray(GREY).save(tmp_path / "a.png")
        with pytest.raises(um.FileError, match=r"\.png files hold one image"):
            um.open(f"{tmp_path / 'a.png'}::0")


class TestHdf5:
    @pytest.mark.parametrize("suffix", ["h5", "hdf5", "hdf", "HDF5"])
    def test_only_data_set(self, tmp_path, suffix):
        path = write_h5(
            tmp_path / f"a.{suffix}",
            **{
                "entry/data": (FRAMES, {}),
                "entry/time": (np.arange(5.0), {}),
                "note": ("text", {}),
            },
        )
        samples = um.open(path)
        assert names(samples) == "frame y x"
        assert_holds(samples, FRAMES)
        assert samples.source.chunks is None

    def test_chunks_are_tiles(self, tmp_path):
        options = {"chunks": (1, 8, 34), "compression": "gzip", "shuffle": True}
        samples = um.open(write_h5(tmp_path / "a.h5", data=(FRAMES, options)))
        assert samples.source.chunks == (1, 8, 34)
        assert_holds(samples, FRAMES)
        scan = um.open(
            write_h5(
                tmp_path / "b.h5", data=(SCAN, {"chunks": (2, 5, 6, 7), "compression": "gzip"})
            )
        )
        assert scan.source.chunks == (2, 5)
        assert_holds(scan, SCAN)

    def test_named(self, tmp_path):
        path = write_h5(tmp_path / "a.h5", **{"entry/a": (FRAMES, {}), "b": (IMAGE, {})})
        with pytest.raises(um.FileError, match=r"2 data sets .*/b \(24 x 34\), /entry/a \(5 x 24"):
            um.open(path)
        assert_holds(um.open(f"{path}::/entry/a"), FRAMES)
        assert_holds(um.open(f"{path}::b"), IMAGE)

    @pytest.mark.parametrize("name", ["/entry", "/nothing", "/note"])
    def test_named_wrongly(self, tmp_path, name):
        path = write_h5(tmp_path / "a.h5", **{"entry/a": (FRAMES, {}), "note": ("text", {})})
        with pytest.raises(um.FileError, match=f"no data set '{name}' in .*a.h5::/entry/a'"):
            um.open(f"{path}::{name}")

    def test_link(self, tmp_path):
        path = write_h5(tmp_path / "a.h5", a=(FRAMES, {}), b=(IMAGE, {}))
        with h5py.File(path, "a") as file:
            file["link"] = h5py.SoftLink("/a")
        assert_holds(um.open(f"{path}::link"), FRAMES)

    def test_many_candidates_are_cut(self, tmp_path):
        path = write_h5(tmp_path / "a.h5", **{f"d{i:02}": (IMAGE, {}) for i in range(25)})
        with pytest.raises(um.FileError, match=r"25 data sets .* and 5 more"):
            um.open(path)

    def test_dimension_scales(self, tmp_path):
        path = write_h5(tmp_path / "a.h5", data=(FRAMES, {}), t=([0, 1, 4, 9, 16], {}))
        with h5py.File(path, "a") as file:
            file["x"] = 0.5 + 0.1 * np.arange(34)
            file["x"].attrs["units"] = np.bytes_(b"nm")
            for axis, name in ((0, "t"), (2, "x")):
                file[name].make_scale()
                file["data"].dims[axis].attach_scale(file[name])
        samples = um.open(path)
        np.testing.assert_array_equal(samples.axes[0].values, [0, 1, 4, 9, 16])
        assert scales(samples)[1:] == [(0, 1, "px"), (0.5, 0.1, "nm")]

    @pytest.mark.parametrize(
        ("data", "word"), [(IMAGE.astype(np.complex64), "complex64"), (IMAGE > 9, "bool")]
    )
    def test_values_of_another_kind(self, tmp_path, data, word):
        with pytest.raises(um.DTypeError, match=word):
            um.open(write_h5(tmp_path / "a.h5", data=(data, {})))

    def test_nan_is_found_when_it_is_read(self, tmp_path):
        data = IMAGE.astype(np.float32)
        data[3, 4] = np.nan
        samples = um.open(write_h5(tmp_path / "a.h5", data=(data, {})))
        with pytest.raises(um.DataError, match="1 values that are NaN"):
            samples.to_array()

    def test_file_closes_with_the_samples(self, tmp_path):
        samples = um.open(write_h5(tmp_path / "a.h5", data=(IMAGE, {})))
        dataset = samples.source.array._read.__self__
        assert dataset
        assert repr(samples.source.array) == "<a.h5: 24 x 34, uint16>"
        del samples
        assert not dataset

    def test_damaged_chunk(self, tmp_path):
        options = {"chunks": (1, 24, 34), "compression": "gzip"}
        path = write_h5(tmp_path / "a.h5", data=(FRAMES, options))
        with h5py.File(path) as file:
            chunk = file["data"].id.get_chunk_info(1)
        with path.open("r+b") as stream:
            stream.seek(chunk.byte_offset)
            stream.write(b"\0" * 40)
        with pytest.raises(um.FileError, match=r"cannot read .* as an HDF5 file"):
            um.open(path)

    def test_damage_that_shows_late(self, tmp_path, monkeypatch):
        path = write_h5(tmp_path / "a.h5", data=(IMAGE, {}))

        def fail(dataset):
            raise RuntimeError("bad object header")

        monkeypatch.setattr(_hdf5, "_scales", fail)
        with pytest.raises(um.FileError, match="bad object header"):
            um.open(path)

    def test_threads_read_at_once(self, tmp_path):
        options = {"chunks": (1, 8, 8), "compression": "gzip"}
        samples = um.open(write_h5(tmp_path / "a.h5", data=(FRAMES, options)))
        places = [
            (slice(i % 5, i % 5 + 1), slice(i % 20, i % 20 + 4), slice(0, 34)) for i in range(200)
        ]
        with ThreadPoolExecutor(8) as pool:
            blocks = list(pool.map(samples.source.array.__getitem__, places))
        for place, block in zip(places, blocks, strict=True):
            np.testing.assert_array_equal(block, FRAMES[place])

    def test_analysis_equals_that_in_memory(self, tmp_path):
        options = {"chunks": (1, 8, 8), "compression": "gzip"}
        lazy = um.open(write_h5(tmp_path / "a.h5", data=(FRAMES, options)))
        one, two = (
            um.pca(um.window_fft(um.sliding_windows(image, 8, 2)), 3) for image in (lazy, FRAMES)
        )
        np.testing.assert_array_equal(one.maps, two.maps)
        np.testing.assert_array_equal(one.components, two.components)


class TestRosettasciio:
    def test_hspy_scan(self, tmp_path):
        axes = [("y", 0.1, 1, "nm"), ("x", 0.2, 0, "nm"), ("ky", 2, -6, "1/nm"), ("kx", 3, 0, "")]
        samples = um.open(write_hspy(tmp_path / "a.hspy", SCAN, 2, axes))
        assert names(samples) == "scan_y scan_x | det_y det_x"
        expected = [(1, 0.1, "nm"), (0, 0.2, "nm"), (-6, 2, "1/nm"), (0, 3, "")]
        assert scales(samples) == expected
        assert isinstance(samples.source.array, _opened.FileArray)
        assert samples.record.steps[0].run["reader"].startswith("rosettasciio ")
        assert_holds(samples, SCAN)

    @pytest.mark.parametrize(
        ("shape", "navigate", "expected"),
        [
            ((6, 7), 0, "y x"),
            ((6, 7), 2, "y x"),
            ((6, 7), 1, "site | bin"),
            ((5, 6, 7), 1, "frame y x"),
            ((5, 6, 7), 2, "scan_y scan_x | bin"),
            ((3, 4, 5, 6), 3, "frame scan_y scan_x | bin"),
            ((2, 3, 4, 5, 6), 3, "frame scan_y scan_x | det_y det_x"),
        ],
    )
    def test_names(self, tmp_path, shape, navigate, expected):
        data = RNG.random(shape)
        axes = [(f"a{i}", 1.0, 0.0, "") for i in range(len(shape))]
        samples = um.open(write_hspy(tmp_path / "a.hspy", data, navigate, axes))
        assert names(samples) == expected
        assert {a.units for a in samples.axes} == {"px"}
        assert_holds(samples, data)

    def test_names_given(self, tmp_path):
        axes = [("z", 0.5, 0, "s"), ("y", 1, 0, ""), ("x", 1, 0, "")]
        path = write_hspy(tmp_path / "a.hspy", FRAMES, 1, axes)
        samples = um.open(path, axes="site | det_y det_x")
        assert names(samples) == "site | det_y det_x"
        assert scales(samples)[0] == (0, 0.5, "s")

    def test_mrc(self, tmp_path):
        data = (FRAMES // 4).astype(np.int16)
        samples = um.open(write_mrc(tmp_path / "a.mrc", data, (50, 240, 680)))
        assert names(samples) == "frame y x"
        assert scales(samples) == [(0, 1, "px"), (0, 1, "nm"), (0, 2, "nm")]
        assert_holds(samples, data)

    def test_threads_read_at_once(self, tmp_path):
        data = (FRAMES // 4).astype(np.int16)
        samples = um.open(write_mrc(tmp_path / "a.mrc", data))
        with ThreadPoolExecutor(8) as pool:
            blocks = list(pool.map(lambda i: samples.source.array[i % 5 : i % 5 + 1], range(50)))
        for i, block in enumerate(blocks):
            np.testing.assert_array_equal(block, data[i % 5 : i % 5 + 1])

    def opened(self, *signals, name=None):
        return _rosetta._opened(Path("a.emd"), name, list(signals), "rosettasciio")

    def test_map_axes_come_first(self):
        given = signal(
            np.arange(24.0).reshape(2, 3, 4), 0, [("e", 1, 0, "eV")] + [("y", 1, 0, "")] * 2
        )
        given["axes"][1]["navigate"] = given["axes"][2]["navigate"] = True
        opened = self.opened(given)
        assert opened.axes == "scan_y scan_x | bin"
        assert opened.array.shape == (3, 4, 2)
        assert opened.scales[2].units == "eV"

    def test_uneven_axis(self):
        given = signal(IMAGE, 1, [("site", 1, 0, ""), ("e", 1, 0, "eV")])
        given["axes"][1]["axis"] = np.arange(34.0) ** 2
        np.testing.assert_array_equal(self.opened(given).scales[1].values, np.arange(34.0) ** 2)

    def test_several_signals(self):
        axes = [("y", 1, 0, "")] * 2
        given = [signal(IMAGE, 0, axes, title=t) for t in ("HAADF", "BF", "", "")]
        with pytest.raises(
            um.FileError, match=r"4 data sets .*a.emd::HAADF'\), of HAADF .*, 2 .*, 3 "
        ):
            self.opened(*given)
        given[1]["data"] = GREY
        for name in ("BF", "1"):
            assert self.opened(*given, name=name).array is not IMAGE
            np.testing.assert_array_equal(self.opened(*given, name=name).array, GREY)
        with pytest.raises(um.FileError, match="no data set '7'"):
            self.opened(*given, name="7")

    def test_colour_pixels(self):
        rgb = np.zeros((4, 5), dtype=[(c, "u1") for c in "RGB"])
        for c in "RGB":
            rgb[c] = GREY[:4, :5]
        axes = [("y", 1, 0, "")] * 2
        np.testing.assert_array_equal(self.opened(signal(rgb, 0, axes)).array, GREY[:4, :5])
        rgb["G"] += 1
        with pytest.raises(um.FileError, match="is in colour"):
            self.opened(signal(rgb, 0, axes))

    def test_no_dense_array(self):
        class Sparse:
            shape, dtype = (4, 5), np.dtype("u1")

            def transpose(self, order):
                return self

        given = signal(IMAGE[:4, :5], 0, [("y", 1, 0, "")] * 2)
        given["data"] = Sparse()
        with pytest.raises(um.FileError, match="holds a Sparse; expected a dense array"):
            self.opened(given)

    def test_reader_that_cannot_be_lazy(self, tmp_path, monkeypatch):
        calls = []

        def eager(filename):
            return [signal(IMAGE, 0, [("y", 1, 0, ""), ("x", 1, 0, "")])]

        def file_reader(filename, lazy=False):
            calls.append(lazy)
            if lazy:
                raise NotImplementedError
            return eager(filename)

        monkeypatch.setattr(sys.modules["rsciio.mrc"], "file_reader", file_reader)
        (tmp_path / "a.mrc").write_bytes(b"data")
        assert_holds(um.open(tmp_path / "a.mrc"), IMAGE)
        assert calls == [True, False]
        monkeypatch.setattr(sys.modules["rsciio.mrc"], "file_reader", eager)
        assert_holds(um.open(tmp_path / "a.mrc"), IMAGE)

    def test_library_of_a_reader_is_missing(self, tmp_path, monkeypatch):
        def file_reader(filename, lazy=False):
            raise ImportError("no such module", name="mrcthing")

        monkeypatch.setattr(sys.modules["rsciio.mrc"], "file_reader", file_reader)
        (tmp_path / "a.mrc").write_bytes(b"data")
        with pytest.raises(um.FileError, match=r"needs mrcthing, .*: pip install mrcthing"):
            um.open(tmp_path / "a.mrc")

    def test_reader_that_runs_code_is_never_called(self, tmp_path):
        (tmp_path / "a.nc").write_bytes(b"CDF\x01" + bytes(100))
        with pytest.raises(um.FileError, match="netCDF files are refused, its reader runs text"):
            um.open(tmp_path / "a.nc")


class TestLazy:
    def test_file_larger_than_memory(self, tmp_path):
        path = tmp_path / "huge.npy"
        with path.open("wb") as stream:
            header = {"descr": "<u2", "fortran_order": False, "shape": (200_000, 1024, 1024)}
            np.lib.format.write_array_header_1_0(stream, header)
            stream.truncate(stream.tell() + 200_000 * 1024 * 1024 * 2)  # 400 GB of holes
        samples = um.open(path)
        windows = um.sliding_windows(samples[123_456], 64, 32)
        assert windows[3, 5].to_array().sum() == 0
        assert samples[150_000, 7:9, 5].to_array().shape == (2,)

    @pytest.mark.parametrize("chunks", [(4, 256, 256), None])
    def test_hdf5_is_never_held_at_once(self, tmp_path, chunks):
        path = tmp_path / "a.h5"
        with h5py.File(path, "w") as file:  # holes, so that nothing is written
            file.create_dataset("data", (400, 256, 256), "f4", chunks=chunks, fillvalue=2.0)
        tracemalloc.start()
        try:
            samples = um.open(path)
            assert tracemalloc.get_traced_memory()[1] < 20e6
            total, _ = um.fold(
                samples, lambda tile, _: float(tile.rows.sum()), lambda a, b: a + b, workers=2
            )
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert total == 2 * 400 * 256 * 256
        assert peak < 60e6  # the data is 105 MB

    def test_a_block_reads_what_it_needs(self, tmp_path, monkeypatch):
        asked = []
        read = _opened.FileArray.__getitem__

        def counted(self, key):
            asked.append(tuple(range(n)[k] for k, n in zip(key, self.shape, strict=True)))
            return read(self, key)

        path = write_h5(tmp_path / "a.h5", data=(FRAMES, {}))
        samples = um.open(path)
        monkeypatch.setattr(_opened.FileArray, "__getitem__", counted)
        windows = um.window_fft(um.sliding_windows(samples, 8, 4))[2, 1:3, 2]
        assert asked == []
        windows.to_array()
        assert asked == [(range(2, 3), range(4, 16), range(8, 16))]


def raw_of(kind, folder):
    """Return the bytes of a small file of a kind, and what it holds."""
    path = folder / f"whole.{kind}"
    if kind == "npy":
        np.save(path, FRAMES)
    elif kind == "npz":
        np.savez_compressed(path, frames=FRAMES)
    elif kind in ("tif", "tiff"):
        options = {"compression": "zlib"} if kind == "tiff" else {}
        tifffile.imwrite(path, FRAMES, photometric="minisblack", **options)
    elif kind == "png":
        Image.fromarray(IMAGE).save(path)
        return path.read_bytes(), IMAGE
    elif kind == "h5":
        write_h5(path, data=(FRAMES, {"chunks": (1, 24, 34), "compression": "gzip"}))
    elif kind == "hspy":
        write_hspy(path, FRAMES, 1, [(n, 1.0, 0.0, "") for n in "zyx"])
    else:
        write_mrc(path, FRAMES // 4)
        return path.read_bytes(), FRAMES // 4
    return path.read_bytes(), FRAMES


KINDS = ["npy", "npz", "tif", "tiff", "png", "h5", "hspy", "mrc"]


def opened_or_error(path):
    """Return the samples, or the text of our error."""
    try:
        return um.open(path)
    except um.UnmixError as error:
        return str(error)


class TestDamage:
    @pytest.mark.parametrize("kind", KINDS)
    def test_truncated(self, tmp_path, kind):
        raw, data = raw_of(kind, tmp_path)
        n = len(raw)
        for size in (1, 7, 8, 100, 200, 1023, 1025, n // 3, n // 2, n - 100, n - 20, n - 1):
            path = tmp_path / f"cut.{kind}"
            path.unlink(missing_ok=True)
            path.write_bytes(raw[:size])
            said = opened_or_error(path)
            if isinstance(said, um.Samples):  # what is lost is no data
                assert_holds(said, data)
                assert size > 0.9 * n
            else:
                assert re.search(r"cannot read .* as an? .*; expected a whole file", said)

    @pytest.mark.parametrize("kind", KINDS)
    def test_other_bytes(self, tmp_path, kind):
        path = tmp_path / f"a.{kind}"
        for content in (b"hello, this is no data\n" * 9, bytes(range(256)) * 8, b"PK\x03\x04"):
            path.write_bytes(content)
            with pytest.raises(um.FileError, match="cannot read"):
                um.open(path)

    @pytest.mark.parametrize("kind", ["npy", "npz", "tif", "tiff", "png", "mrc"])
    def test_flipped_bytes_give_data_or_our_error(self, tmp_path, kind):
        raw, _ = raw_of(kind, tmp_path)
        rng = np.random.default_rng(1)
        path = tmp_path / f"a.{kind}"
        for _ in range(40):
            changed = bytearray(raw)
            for place in rng.integers(0, min(len(raw), 500), 3):
                changed[place] = rng.integers(256)
            path.unlink(missing_ok=True)
            path.write_bytes(changed)
            assert opened_or_error(path)

    @pytest.mark.parametrize("kind", [*KINDS, "dm4"])
    def test_empty(self, tmp_path, kind):
        (tmp_path / f"a.{kind}").touch()
        with pytest.raises(um.FileError, match=r"is empty \(0 bytes\)"):
            um.open(tmp_path / f"a.{kind}")

    def test_missing(self, tmp_path):
        with pytest.raises(um.FileError, match=r"there is no file .*a\.tif; check its name"):
            um.open(tmp_path / "a.tif")
        with pytest.raises(um.FileError, match=r"there is no file .*a\.h5; check"):
            um.open(f"{tmp_path / 'a.h5'}::data")

    def test_folder(self, tmp_path):
        with pytest.raises(um.FileError, match="is a folder; expected a file"):
            um.open(tmp_path)

    @pytest.mark.parametrize("name", ["a.docx", "a", "a.txt"])
    def test_unknown_kind(self, tmp_path, name):
        (tmp_path / name).write_text("text")
        with pytest.raises(um.FileError, match=r"expected one of \.npy, .*unmix\[io\]"):
            um.open(tmp_path / name)

    @pytest.mark.parametrize("given", [IMAGE, None, 3])
    def test_no_path(self, given):
        with pytest.raises(um.ParameterError, match="arrays need no opening"):
            um.open(given)

    def test_page_that_is_lost(self, tmp_path):
        tifffile.imwrite(tmp_path / "a.tif", FRAMES, photometric="minisblack", metadata=None)
        with tifffile.TiffFile(tmp_path / "a.tif") as tif:
            last = tif.pages[4].offset
        raw = (tmp_path / "a.tif").read_bytes()
        at = raw.rindex(struct.pack("<I", last))
        (tmp_path / "a.tif").write_bytes(raw[:at] + struct.pack("<I", 10**8) + raw[at + 4 :])
        with pytest.raises(um.FileError, match="invalid page offset"):
            um.open(tmp_path / "a.tif")


class Bomb:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


class TestPickles:
    @pytest.mark.parametrize("name", ["a.pkl", "a.pickle", "a.PKL"])
    def test_by_name(self, tmp_path, name):
        (tmp_path / name).write_bytes(pickle.dumps(Bomb(tmp_path / "gone off")))
        with pytest.raises(um.FileError, match="is a pickle; expected plain numbers"):
            um.open(tmp_path / name)
        assert not (tmp_path / "gone off").exists()

    def test_inside_of_npy_and_npz(self, tmp_path):
        bombs = np.asarray([[Bomb(tmp_path / "gone off")] * 2] * 2, dtype=object)
        np.save(tmp_path / "a.npy", bombs)
        np.savez(tmp_path / "a.npz", image=bombs)
        (tmp_path / "b.npy").write_bytes(pickle.dumps(bombs))
        for name in ("a.npy", "a.npz::image"):
            with pytest.raises(um.FileError, match="holds pickled Python objects"):
                um.open(f"{tmp_path}/{name}")
        for name in ("a.npz", "b.npy"):
            with pytest.raises(um.FileError):
                um.open(tmp_path / name)
        assert not (tmp_path / "gone off").exists()

    def test_inside_of_a_model(self, tmp_path):
        um.save(tmp_path / "a.npz", um.pca(RNG.random((9, 4)), 2))
        bombs = np.asarray([[Bomb(tmp_path / "gone off")]], dtype=object)
        replace_member(tmp_path / "a.npz", "maps.npy", npy_of(bombs))
        with pytest.raises(um.FileError, match=r"cannot read .* as a model"):
            um.load(tmp_path / "a.npz")
        assert not (tmp_path / "gone off").exists()


class TestMissingLibraries:
    @pytest.mark.parametrize(
        ("name", "module", "library"),
        [
            ("a.tif", "tifffile", "tifffile"),
            ("a.png", "PIL.Image", "pillow"),
            ("a.h5", "h5py", "h5py"),
        ],
    )
    def test_message(self, tmp_path, monkeypatch, name, module, library):
        (tmp_path / name).write_bytes(b"data")
        monkeypatch.setitem(sys.modules, module, None)
        with pytest.raises(um.FileError, match=rf'needs {library}, .*: pip install "unmix\[io\]"'):
            um.open(tmp_path / name)

    def test_rosettasciio(self, tmp_path, monkeypatch):
        (tmp_path / "a.dm4").write_bytes(b"data")
        monkeypatch.setattr(_rosetta, "find_spec", lambda name: None)
        with pytest.raises(um.FileError, match=r'rosettasciio reads \(pip install "unmix\[io\]"\)'):
            um.open(tmp_path / "a.dm4")

    def test_numpy_files_need_none(self, tmp_path, monkeypatch):
        for module in ("tifffile", "h5py", "PIL", "rsciio"):
            monkeypatch.setitem(sys.modules, module, None)
        np.save(tmp_path / "a.npy", IMAGE)
        assert_holds(um.open(tmp_path / "a.npy"), IMAGE)


# -- models ----------------------------------------------------------------------------------------


def npy_of(array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def replace_member(path, name, content):
    """Change one member of an archive; None takes it out."""
    with zipfile.ZipFile(path) as archive:
        members = {n: archive.read(n) for n in archive.namelist()} | {name: content}
    with zipfile.ZipFile(path, "w") as archive:
        for n, raw in members.items():
            if raw is not None:
                archive.writestr(n, raw)


def described(xp=np, *, masked=True, frames=False):
    """Return spectra of windows of an image in a namespace, with a mask and left-out entries."""
    scene = um.synthetic.two_phases((96, 144), rng=1)
    image = np.stack([scene.image] * 2) if frames else scene.image
    samples = um.window_fft(
        um.sliding_windows(um.samples(xp.asarray(image), image.ndim, pitch=0.5, units="nm"), 16, 8),
        k_min=0.1,
        k_max=0.5,
    )
    if not masked:
        return samples
    mask = np.ones(samples.layout.map_shape, bool)
    mask[..., 2:4, 5] = False
    return samples.where(mask)


MAKE = {
    "pca": lambda s: um.pca(s, 3),
    "nfindr": lambda s: um.nfindr(s, 3, average=2),
    "abundances": lambda s: um.abundances(s, um.nfindr(s, 2), constraint="nonnegative"),
    "kmeans": lambda s: um.kmeans(s, 3),
    "gmm": lambda s: um.gmm(s, 2, covariance="diag", max_iter=20),
    "gmm of low rank": lambda s: um.gmm(s, 2, covariance="low_rank", rank=2, max_iter=20),
    "pca of counts": lambda s: um.pca(s, 2, noise="poisson"),
    "nmf": lambda s: um.nmf(s, 2, simplex=True, max_iter=20),
    "ica": lambda s: um.ica(s, 2, n_runs=2),
    "ppi": lambda s: um.ppi(s, 3, n_skewers=50),
}


def assert_same(one, two):
    """Compare two models to the last bit."""
    assert type(one) is type(two)
    assert one.record == two.record
    for name in ("maps", "components", "mean", *one.extras):
        a, b = getattr(one, name), getattr(two, name)
        if a is None or isinstance(a, (str, int, float)):
            assert type(a) is type(b), name
            assert repr(a) == repr(b), name
            continue
        host = np.asarray(a)
        assert isinstance(b, np.ndarray)
        assert (host.dtype, host.shape) == (b.dtype, b.shape)
        assert host.tobytes() == b.tobytes(), name
    for a, b in zip(
        one.layout.map_axes + one.layout.descriptor_axes,
        two.layout.map_axes + two.layout.descriptor_axes,
        strict=True,
    ):
        assert (a.name, a.units, a.values.tobytes()) == (b.name, b.units, b.values.tobytes())
    for name in ("index", "mask"):
        np.testing.assert_array_equal(getattr(one.layout, name), getattr(two.layout, name))
    a, b = one.layout.windows, two.layout.windows
    assert (a is None) == (b is None)
    if a is not None:
        assert (a.image_shape, a.window, a.step, a.edges) == (
            b.image_shape,
            b.window,
            b.step,
            b.edges,
        )
        np.testing.assert_array_equal(a.corners[0], b.corners[0])
        np.testing.assert_array_equal(a.corners[1], b.corners[1])


class TestSaveAndLoad:
    @pytest.mark.parametrize("masked", [False, True])
    @pytest.mark.parametrize("kind", MAKE)
    def test_round_trip(self, tmp_path, kind, masked):
        model = MAKE[kind](described(masked=masked))
        um.save(tmp_path / "a.npz", model)
        assert_same(model, um.load(tmp_path / "a.npz"))
        assert held(tmp_path) == ["a.npz"]

    @pytest.mark.parametrize("kind", MAKE)
    def test_project_works_after_loading(self, tmp_path, kind):
        model = MAKE[kind](described())
        um.save(tmp_path / "a.npz", model)
        loaded = um.load(tmp_path / "a.npz")
        other = described(masked=False, frames=True)
        assert_same(model.project(other), loaded.project(other))
        um.save(tmp_path / "b.npz", loaded.project(other))
        assert_same(model.project(other), um.load(tmp_path / "b.npz"))

    @pytest.mark.parametrize("kind", ["pca", "nfindr", "kmeans"])
    def test_other_namespaces_load_as_numpy(self, tmp_path, kind):
        model = MAKE[kind](described(array_api_strict))
        assert not isinstance(model.maps, np.ndarray)
        um.save(tmp_path / "a.npz", model)
        assert_same(model, um.load(tmp_path / "a.npz"))

    def test_table(self, tmp_path):
        model = um.pca(RNG.random((20, 5)), 2, center=False)
        um.save(str(tmp_path / "a.npz"), model)
        loaded = um.load(str(tmp_path / "a.npz"))
        assert loaded.mean is None
        assert loaded.layout.windows is None
        assert_same(model, loaded)

    def test_scores_and_plain_steps_go_on(self, tmp_path):
        model = um.pca(described(), 3)
        um.save(tmp_path / "a.npz", model)
        one, two = um.kmeans(model.scores, 2), um.kmeans(um.load(tmp_path / "a.npz").scores, 2)
        np.testing.assert_array_equal(one.labels, two.labels)

    def test_numpy_reads_it_alone(self, tmp_path):
        model = um.nfindr(described(), 2)
        um.save(tmp_path / "a.npz", model)
        with np.load(tmp_path / "a.npz", allow_pickle=False) as file:
            np.testing.assert_array_equal(file["maps"], model.maps)
            np.testing.assert_array_equal(file["axis0"], model.layout.map_axes[0].values)
            assert str(file["constraint"]) == "sum_to_one"
            said = json.loads(file["unmix.json"])
        assert said["kind"] == "Endmembers"
        assert said["descriptor_axes"][0] == {"name": "k_y", "units": "1/nm"}
        assert said["record"] == model.record.to_list()

    def test_same_model_same_file(self, tmp_path):
        model = um.pca(described(), 2)
        for name in ("a.npz", "b.npz"):
            um.save(tmp_path / name, model)
        assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()

    def test_file_has_the_usual_rights(self, tmp_path):
        um.save(tmp_path / "a.npz", um.pca(RNG.random((9, 4)), 2))
        (tmp_path / "plain").touch()
        assert (tmp_path / "a.npz").stat().st_mode == (tmp_path / "plain").stat().st_mode


class TestSaveRefuses:
    @pytest.fixture
    def model(self):
        return um.pca(RNG.random((9, 4)), 2)

    @pytest.mark.parametrize("name", ["a", "a.h5", "a.npz.bak", "a.NPZ"])
    def test_other_names(self, tmp_path, model, name):
        with pytest.raises(um.FileError, match=r"expected a name that ends in \.npz"):
            um.save(tmp_path / name, model)
        assert held(tmp_path) == []

    @pytest.mark.parametrize("thing", [IMAGE, None, {"maps": IMAGE}])
    def test_what_is_no_model(self, tmp_path, thing):
        with pytest.raises(um.ParameterError, match="expected a fitted model"):
            um.save(tmp_path / "a.npz", thing)

    def test_samples(self, tmp_path):
        with pytest.raises(um.ParameterError, match="but got Samples"):
            um.save(tmp_path / "a.npz", um.samples(IMAGE, 2))

    def test_folder_that_is_not_there(self, tmp_path, model):
        with pytest.raises(um.FileError, match=r"cannot write .*: No such file"):
            um.save(tmp_path / "nowhere" / "a.npz", model)

    def test_name_of_a_folder(self, tmp_path, model):
        (tmp_path / "a.npz").mkdir()
        with pytest.raises(um.FileError, match=r"cannot write .*a\.npz"):
            um.save(tmp_path / "a.npz", model)
        assert held(tmp_path) == ["a.npz"]

    @pytest.mark.parametrize(
        ("error", "seen"),
        [
            (KeyboardInterrupt(), KeyboardInterrupt),
            (OSError(28, "No space left on device"), um.FileError),
            (MemoryError(), MemoryError),
        ],
    )
    def test_nothing_is_left_after_an_error(self, tmp_path, model, monkeypatch, error, seen):
        um.save(tmp_path / "a.npz", model)
        before = (tmp_path / "a.npz").read_bytes()
        write, calls = np.lib.format.write_array, []

        def fail(*args, **options):
            if len(calls) == 2:
                raise error
            calls.append(1)
            write(*args, **options)

        monkeypatch.setattr(_model.np.lib.format, "write_array", fail)
        with pytest.raises(seen):
            um.save(tmp_path / "a.npz", um.pca(RNG.random((9, 4)), 1))
        assert held(tmp_path) == ["a.npz"]
        assert (tmp_path / "a.npz").read_bytes() == before


class TestLoadRefuses:
    @pytest.fixture
    def path(self, tmp_path):
        um.save(tmp_path / "a.npz", um.nfindr(described(), 2))
        return tmp_path / "a.npz"

    def header(self, path, **changes):
        with zipfile.ZipFile(path) as archive:
            said = json.loads(archive.read("unmix.json")) | changes
        replace_member(path, "unmix.json", json.dumps(said).encode())

    def test_missing_file(self, tmp_path):
        with pytest.raises(um.FileError, match="there is no model"):
            um.load(tmp_path / "b.npz")
        with pytest.raises(um.FileError, match="there is no model"):
            um.load(tmp_path)

    def test_truncated(self, path):
        raw = path.read_bytes()
        for size in (0, 1, 30, len(raw) // 2, len(raw) - 30, len(raw) - 1):
            path.write_bytes(raw[:size])
            with pytest.raises(um.FileError, match=r"cannot read .* as a model of unmix"):
                um.load(path)

    def test_changed_bytes(self, path):
        raw = bytearray(path.read_bytes())
        raw[len(raw) // 2] ^= 1
        path.write_bytes(raw)
        with pytest.raises(um.FileError, match="Bad CRC-32"):
            um.load(path)

    def test_data(self, tmp_path):
        np.savez(tmp_path / "b.npz", maps=IMAGE)
        with pytest.raises(um.FileError, match=r"no model of unmix; read data with unmix\.open"):
            um.load(tmp_path / "b.npz")

    def test_open_sends_models_here(self, path):
        with pytest.raises(um.FileError, match=r"saved model .*unmix\.load"):
            um.open(path)

    @pytest.mark.parametrize(
        ("changes", "match"),
        [
            ({"version": 2}, r"version 2 of the format; this unmix reads up to 1"),
            ({"format": "other"}, "another unmix.json"),
            ({"kind": "Samples"}, "no kind of model 'Samples'"),
            ({"kind": "os"}, "no kind of model 'os'"),
            ({"map_axes": []}, "do not fit the axes"),
            ({"windows": {"window": [1]}}, "image_shape"),
            ({"windows": 3}, "as a model"),
            ({"record": [{}]}, "operation"),
            ({"version": "a"}, "as a model"),
        ],
    )
    def test_other_headers(self, path, changes, match):
        self.header(path, **changes)
        with pytest.raises(um.FileError, match=match):
            um.load(path)

    def test_header_that_is_no_json(self, path):
        replace_member(path, "unmix.json", b"[1, ")
        with pytest.raises(um.FileError, match="as a model"):
            um.load(path)
        replace_member(path, "unmix.json", b"[1]")
        with pytest.raises(um.FileError, match=r"another unmix\.json"):
            um.load(path)

    @pytest.mark.parametrize("name", ["maps", "components", "axis0", "corners_x"])
    def test_missing_member(self, path, name):
        replace_member(path, f"{name}.npy", None)
        with pytest.raises(um.FileError, match="as a model"):
            um.load(path)

    def test_maps_of_another_shape(self, path):
        replace_member(path, "maps.npy", npy_of(np.ones((2, 3, 4))))
        with pytest.raises(um.FileError, match="do not fit the axes"):
            um.load(path)


class TestWriting:
    def test_folder_appears_whole(self, tmp_path):
        with _write.new_folder(tmp_path / "a" / "b") as folder:
            (folder / "one").touch()
            assert not (tmp_path / "a" / "b").exists()
        assert held(tmp_path / "a") == ["b"]
        assert held(tmp_path / "a" / "b") == ["one"]

    def test_folder_and_its_new_parents_go_after_an_error(self, tmp_path):
        with pytest.raises(KeyboardInterrupt), _write.new_folder(tmp_path / "a" / "b"):
            raise KeyboardInterrupt
        assert held(tmp_path) == []

    def test_old_folder_is_replaced_at_the_end(self, tmp_path):
        (tmp_path / "a").mkdir()
        (tmp_path / "a" / "old").touch()
        with _write.new_folder(tmp_path / "a") as folder:
            (folder / "new").touch()
            assert held(tmp_path / "a") == ["old"]
        assert held(tmp_path / "a") == ["new"]
        assert held(tmp_path) == ["a"]

    def test_old_folder_comes_back_after_an_error(self, tmp_path, monkeypatch):
        (tmp_path / "a").mkdir()
        (tmp_path / "a" / "old").touch()
        rename = Path.rename

        def fail(self, target):
            if self.name.endswith(".part"):
                raise KeyboardInterrupt
            return rename(self, target)

        monkeypatch.setattr(Path, "rename", fail)
        with pytest.raises(KeyboardInterrupt), _write.new_folder(tmp_path / "a"):
            pass
        assert held(tmp_path) == ["a"]
        assert held(tmp_path / "a") == ["old"]

    def test_folder_below_a_file(self, tmp_path):
        (tmp_path / "a").touch()
        with (
            pytest.raises(um.FileError, match="cannot make the folder"),
            _write.new_folder(tmp_path / "a" / "b"),
        ):
            pass
        with pytest.raises(um.FileError, match="is a file; expected the name of a new folder"):
            _write.require_free(tmp_path / "a", None)


def test_readers_are_imported_when_they_are_needed():
    code = "import sys, unmix.io; print(*sys.modules)"
    loaded = subprocess.check_output([sys.executable, "-c", code], text=True).split()
    assert not {"tifffile", "h5py", "PIL", "rsciio", "dask"} & set(loaded)
