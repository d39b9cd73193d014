"""The command line: what it writes, what it says, and that nothing is left of what fails."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile
from click.testing import CliRunner

import unmix as um
from unmix import cli

EXAMPLE = Path(__file__).parents[1] / "examples" / "mos2_re05_haadf.tiff"
WRITTEN = {
    "nfindr": {
        "abundances.png",
        "maps.png",
        "model.npz",
        "record.json",
        "representatives.png",
        "scree.png",
        "simplex.png",
    },
    "pca": {"maps.png", "model.npz", "record.json", "scree.png"},
    "kmeans": {"maps.png", "model.npz", "record.json", "representatives.png"},
}


@pytest.fixture
def image(tmp_path):
    """Return the path of a small part of the real micrograph."""
    path = tmp_path / "image.tif"
    tifffile.imwrite(path, tifffile.imread(EXAMPLE)[:160, :200, 0])
    return path


@pytest.fixture
def quick(monkeypatch):
    """Draw empty pictures, and return the names of those that were asked for."""
    from matplotlib.figure import Figure

    asked = []

    def draws(name):
        def draw(*args, **options):
            asked.append((name, args, options))
            return Figure(figsize=(1, 1))

        return draw

    for name in ("unmixing", "abundances", "scree", "simplex", "representatives"):
        monkeypatch.setattr(um.plot, name, draws(name), raising=False)
    monkeypatch.setitem(vars(um), "representatives", lambda *args: args)
    return asked


def call(*arguments):
    """Run the command in this process."""
    return CliRunner().invoke(cli.main, [str(a) for a in arguments])


def run(image, out, *more, window=32, step=16, n=2):
    return call("run", image, "--out", out, "--window", window, "--step", step, "-n", n, *more)


def held(folder):
    """Return the names in a folder."""
    return sorted(p.name for p in folder.iterdir())


def assert_fails(result, status, *words):
    """Check for one line of error and no traceback."""
    assert result.exit_code == status, result.output
    assert "Traceback" not in result.output
    last = result.output.splitlines()[-1]
    assert last.startswith("Error: " if status != 130 else "Interrupted")
    for word in words:
        assert word in last


class TestRun:
    @pytest.mark.parametrize("method", ["nfindr", "pca", "kmeans"])
    def test_writes_model_record_and_pictures(self, image, tmp_path, method):
        result = run(image, tmp_path / "out", "--method", method)
        assert result.exit_code == 0, result.output
        assert set(held(tmp_path / "out")) == WRITTEN[method]
        assert held(tmp_path) == ["image.tif", "out"]
        for picture in (tmp_path / "out").glob("*.png"):
            assert picture.stat().st_size > 3000
        model = um.load(tmp_path / "out" / "model.npz")
        assert model.maps.shape == (2, 9, 11)
        text = (tmp_path / "out" / "record.json").read_text(encoding="utf-8")
        assert um.Record.from_json(text) == model.record
        operations = [s.operation for s in model.record.steps]
        assert operations == ["open", "sliding_windows", "window_fft", method]
        assert model.record.steps[0].parameters["path"] == str(image)

    def test_says_what_nfindr_found(self, image, tmp_path, quick):
        lines = run(image, tmp_path / "out").output.splitlines()
        assert lines[0] == "99 samples: grid_y 9 x grid_x 11 (windows of 32 x 32 pixels, every 16)"
        assert lines[1].startswith("volume of the simplex: ")
        assert lines[2].startswith("endmember 0: mean abundance 0.")
        assert "purest at grid_y " in lines[2]
        assert lines[4].startswith("variance explained by 8 principal components: ")
        assert lines[5].startswith(f"wrote {tmp_path / 'out'}: abundances.png, maps.png, model.npz")

    def test_says_what_kmeans_found(self, image, tmp_path, quick):
        lines = run(image, tmp_path / "out", "--method", "kmeans", n=3).output.splitlines()
        counts = [int(line.split()[2]) for line in lines[1:4]]
        assert sum(counts) == 99
        assert lines[1].startswith("cluster 0: ")
        assert lines[1].endswith("%)")

    def test_says_what_pca_found(self, image, tmp_path, quick):
        lines = run(image, tmp_path / "out", "--method", "pca", n=3).output.splitlines()
        assert lines[1].startswith("variance explained by 3 principal components: ")

    def test_options_reach_their_steps(self, image, tmp_path, quick):
        more = ["--taper", "blackman", "--k-min", "0.05", "--k-max", "0.3", "--edges", "reflect"]
        more += ["--average", "3", "--rng", "7", "--axes", "y x"]
        result = run(image, tmp_path / "out", *more, window="32x48", step="16×24", n=3)
        assert result.exit_code == 0, result.output
        opened, windows, spectra, model = um.load(tmp_path / "out" / "model.npz").record.steps
        assert opened.parameters["axes"] == "y x"
        assert windows.parameters == {"window": [32, 48], "step": [16, 24], "edges": "reflect"}
        expected = {"taper": "blackman", "k_min": 0.05, "k_max": 0.3}
        assert expected.items() <= spectra.parameters.items()
        assert model.parameters["average"] == 3
        assert model.parameters["rng"] == 7
        assert model.parameters["pca"]["record"][-1]["parameters"]["n_components"] == 8

    def test_same_answer_as_python(self, image, tmp_path, quick):
        run(image, tmp_path / "out")
        spectra = um.window_fft(um.sliding_windows(tifffile.imread(image), 32, 16))
        expected = um.nfindr(spectra, 2, pca=um.pca(spectra, 8))
        model = um.load(tmp_path / "out" / "model.npz")
        np.testing.assert_array_equal(model.maps, expected.maps)
        np.testing.assert_array_equal(model.components, expected.components)

    def test_budget(self, image, tmp_path, quick, monkeypatch):
        seen, pca = [], um.pca

        def spy(*args, **options):
            seen.append(um.config.current_budget())
            return pca(*args, **options)

        monkeypatch.setattr(um, "pca", spy)
        assert run(image, tmp_path / "out", "--budget", "5").exit_code == 0
        assert seen == [5 << 20]
        assert um.config.current_budget() == um.config.DEFAULT_BUDGET

    def test_pictures_get_the_image_and_the_components(self, image, tmp_path, quick):
        run(image, tmp_path / "out")
        given = {name: (args, options) for name, args, options in quick}
        assert set(given) == {"unmixing", "abundances", "scree", "simplex", "representatives"}
        assert given["abundances"][1]["image"].shape == (160, 200)
        model, pca = given["simplex"][0]
        assert isinstance(model, um.Endmembers)
        assert isinstance(pca, um.PrincipalComponents)
        assert given["scree"][0] == (pca,)
        assert given["representatives"][0][0][2] == 4

    def test_few_windows_for_eight_components(self, image, tmp_path, quick):
        result = run(image, tmp_path / "out", window=100, step=50)
        assert result.exit_code == 0, result.output
        assert "6 samples" in result.output

    def test_picture_that_has_no_meaning_is_left_out(self, image, tmp_path, quick, monkeypatch):
        def refuse(*args, **options):
            raise um.ShapeError("a map with three axes")

        monkeypatch.setattr(um.plot, "abundances", refuse)
        result = run(image, tmp_path / "out")
        assert result.exit_code == 0
        assert "without abundances.png: a map with three axes" in result.output
        assert set(held(tmp_path / "out")) == WRITTEN["nfindr"] - {"abundances.png"}

    def test_data_set_of_a_file(self, tmp_path, image, quick):
        with h5py.File(tmp_path / "a.h5", "w") as file:
            file["entry/one"] = tifffile.imread(image)
            file["entry/two"] = tifffile.imread(image)
        result = run(f"{tmp_path / 'a.h5'}::/entry/two", tmp_path / "out")
        assert result.exit_code == 0, result.output
        assert_fails(run(tmp_path / "a.h5", tmp_path / "b"), 1, "a.h5::/entry/one")

    def test_in_a_process_of_its_own(self, image, tmp_path):
        command = [sys.executable, "-W", "error", "-m", "unmix.cli", "run", image.name]
        command += [
            "--window",
            "32",
            "--step",
            "16",
            "--method",
            "kmeans",
            "-n",
            "2",
            "--out",
            "out",
        ]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        assert "wrote out: " in done.stdout
        assert set(held(tmp_path / "out")) == WRITTEN["kmeans"]


class TestErrors:
    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({"window": 300}, ["300", "window"]),
            ({"step": 0}, ["step"]),
            ({"window": -4}, ["window"]),
            ({"n": 1000}, ["n_endmembers", "1000"]),
            ({"n": 0}, ["n_endmembers"]),
        ],
    )
    def test_numbers(self, image, tmp_path, options, words):
        assert_fails(run(image, tmp_path / "out", **options), 1, *words)
        assert held(tmp_path) == ["image.tif"]

    @pytest.mark.parametrize(
        ("more", "word"),
        [
            (["--taper", "hat"], "hat"),
            (["--k-min", "9"], "k_min"),
            (["--k-max", "-1"], "k_max"),
            (["--axes", "frame y x"], "names 3 axes"),
            (["--rng", "-1"], "rng"),
            (["--average", "0"], "average"),
        ],
    )
    def test_options(self, image, tmp_path, more, word):
        assert_fails(run(image, tmp_path / "out", *more), 1, word)
        assert held(tmp_path) == ["image.tif"]

    @pytest.mark.parametrize(
        ("array", "word"),
        [
            (np.ones((64, 64), np.complex64), "complex"),
            (np.ones((64, 64), bool), "bool"),
            (np.full((64, 64), np.nan), "NaN"),
            (np.ones((64, 64)), "dimension"),
            (np.ones((4, 5, 64, 64)), "expected an image"),
            (np.ones(64), "expected 2 to 4"),
        ],
        ids=["complex", "boolean", "nan", "constant", "described", "line"],
    )
    def test_data(self, tmp_path, array, word):
        np.save(tmp_path / "a.npy", array)
        assert_fails(run(tmp_path / "a.npy", tmp_path / "out"), 1, word)
        assert held(tmp_path) == ["a.npy"]

    def test_one_window(self, image, tmp_path):
        assert_fails(run(image, tmp_path / "out", window=160, step=100), 1, "there is 1 sample")

    def test_files(self, tmp_path, image):
        assert_fails(run(tmp_path / "b.tif", tmp_path / "out"), 1, "there is no file")
        image.write_bytes(image.read_bytes()[:5000])
        assert_fails(run(image, tmp_path / "out"), 1, "truncated")
        assert held(tmp_path) == ["image.tif"]

    def test_debug_shows_where(self, image, tmp_path):
        result = run(image, tmp_path / "out", "--debug", step=0)
        assert isinstance(result.exception, um.ShapeError)
        assert held(tmp_path) == ["image.tif"]

    def test_what_nobody_expected(self, image, tmp_path, monkeypatch):
        def fail(*args, **options):
            raise ZeroDivisionError("division\nby zero")

        monkeypatch.setattr(um, "pca", fail)
        result = run(image, tmp_path / "out")
        assert_fails(result, 1, "unexpected ZeroDivisionError: division by zero", "--debug")
        assert held(tmp_path) == ["image.tif"]
        assert isinstance(run(image, tmp_path / "o", "--debug").exception, ZeroDivisionError)

    @pytest.mark.parametrize(
        "arguments",
        [
            ["run", "a.tif", "-n", "2"],
            ["run", "a.tif", "--out", "x"],
            ["run", "--out", "x", "-n", "2"],
            ["run", "a.tif", "--out", "x", "-n", "2", "--method", "nmf"],
            ["run", "a.tif", "--out", "x", "-n", "2", "--window", "64x"],
            ["run", "a.tif", "--out", "x", "-n", "2", "--window", "6x4x2"],
            ["run", "a.tif", "--out", "x", "-n", "2", "--budget", "0"],
            ["run", "a.tif", "--out", "x", "-n", "2", "--method", "pca", "--average", "2"],
            ["info"],
            ["nothing"],
        ],
    )
    def test_usage(self, arguments):
        result = call(*arguments)
        assert result.exit_code == 2
        assert "Usage: " in result.output

    def test_matplotlib_is_missing(self, image, tmp_path, monkeypatch):
        monkeypatch.setattr(cli, "find_spec", lambda name: None)
        monkeypatch.setattr(um, "sliding_windows", None)  # no work is done
        assert_fails(run(image, tmp_path / "out"), 1, 'pip install "unmix[plot]"')


class TestInterrupted:
    @pytest.mark.parametrize("stage", ["sliding_windows", "pca", "nfindr", "save", "plot"])
    def test_nothing_is_left(self, image, tmp_path, quick, monkeypatch, stage):
        def interrupt(*args, **options):
            raise KeyboardInterrupt

        where, name = (um.plot, "scree") if stage == "plot" else (um, stage)
        # not as an item: those are undone after attributes, and would bring a stand-in back
        monkeypatch.setattr(where, name, interrupt)
        result = run(image, tmp_path / "a" / "out")
        assert_fails(result, 130, "nothing was written")
        assert held(tmp_path) == ["image.tif"]

    @pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
    @pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
    def test_by_a_signal(self, tmp_path, number, status):
        np.save(tmp_path / "a.npy", np.random.default_rng(0).random((3000, 3000), np.float32))
        command = [sys.executable, "-m", "unmix.cli", "run", "a.npy", "--out", "out", "-n", "3"]
        command += ["--step", "4"]
        # a shell's background jobs ignore interrupts, and would hand that on
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
        signal.signal(signal.SIGINT, before)
        until = time.monotonic() + 60
        while len(held(tmp_path)) == 1 and time.monotonic() < until:
            time.sleep(0.01)
        time.sleep(0.5)  # the folder is there, and the work has begun
        assert process.poll() is None
        process.send_signal(number)
        _, errors = process.communicate(timeout=60)
        assert process.returncode == status
        assert "Traceback" not in errors
        assert held(tmp_path) == ["a.npy"]


class TestOut:
    def test_folder_that_is_not_empty_is_refused_before_any_work(
        self, image, tmp_path, monkeypatch
    ):
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "model.npz").touch()
        monkeypatch.setattr(um, "sliding_windows", None)
        assert_fails(run(image, tmp_path / "out"), 1, "is not empty", "--force")
        assert held(tmp_path / "out") == ["model.npz"]

    def test_empty_folder_is_taken(self, image, tmp_path, quick):
        (tmp_path / "out").mkdir()
        assert run(image, tmp_path / "out", "--method", "pca").exit_code == 0
        assert set(held(tmp_path / "out")) == WRITTEN["pca"]

    def test_force_replaces_at_the_end(self, image, tmp_path, quick):
        run(image, tmp_path / "out")
        assert run(image, tmp_path / "out", "--method", "pca", "--force").exit_code == 0
        assert set(held(tmp_path / "out")) == WRITTEN["pca"]
        assert held(tmp_path) == ["image.tif", "out"]

    def test_force_keeps_the_old_results_until_then(self, image, tmp_path, quick, monkeypatch):
        run(image, tmp_path / "out")
        before = (tmp_path / "out" / "model.npz").read_bytes()

        def interrupt(*args, **options):
            assert (tmp_path / "out" / "model.npz").read_bytes() == before
            raise KeyboardInterrupt

        monkeypatch.setattr(um.plot, "scree", interrupt)
        assert_fails(run(image, tmp_path / "out", "--force", n=3), 130)
        assert (tmp_path / "out" / "model.npz").read_bytes() == before
        assert set(held(tmp_path / "out")) == WRITTEN["nfindr"]
        assert held(tmp_path) == ["image.tif", "out"]

    def test_force_never_removes_what_unmix_did_not_write(self, image, tmp_path):
        assert_fails(run(image, tmp_path, "--force"), 1, "image.tif", "did not write")
        assert held(tmp_path) == ["image.tif"]

    def test_name_of_a_file(self, image):
        assert_fails(run(image, image), 1, "is a file")

    def test_folders_above_are_made(self, image, tmp_path, quick):
        assert run(image, tmp_path / "a" / "b", "--method", "pca").exit_code == 0
        assert set(held(tmp_path / "a" / "b")) == WRITTEN["pca"]


class TestInfo:
    def test_image(self):
        result = call("info", EXAMPLE)
        assert result.exit_code == 0
        lines = result.output.splitlines()
        assert lines[0].startswith(f"file     {EXAMPLE} (tifffile ")
        assert lines[1].split() == ["map", "y", "761,", "0", "to", "760", "px"]
        assert lines[3] == "type     uint8, 0.5799 MB, read block by block"
        assert lines[4] == "values   0 to 255, mean 58.419"

    def test_scales_and_descriptor(self, tmp_path):
        tifffile.imwrite(
            tmp_path / "a.tif", np.ones((6, 40), ">u2"), resolution=(1e8, 2e8), resolutionunit=3
        )
        result = call("info", tmp_path / "a.tif", "--axes", "site | bin")
        lines = result.output.splitlines()
        assert lines[1] == "map      site       6, 0 to 0.25 nm (0.05 apart)"
        assert lines[2] == "each     bin      40, 0 to 3.9 nm (0.1 apart)"

    def test_picture(self, tmp_path):
        from PIL import Image

        Image.fromarray(np.ones((6, 7), np.uint8)).save(tmp_path / "a.png")
        assert "uint8, 4.2e-05 MB, in memory" in call("info", tmp_path / "a.png").output

    def test_many_blocks(self, tmp_path):
        data = np.zeros((60, 300, 300), np.uint8)
        data[7, 8, 9], data[50, 1, 1] = 200, 3
        np.save(tmp_path / "a.npy", data)
        assert "values   0 to 200, mean 3.75926e-05" in call("info", tmp_path / "a.npy").output

    def test_values_that_cannot_be_used(self, tmp_path):
        np.save(tmp_path / "a.npy", np.asarray([[1.0, np.nan], [0, 3]]))
        result = call("info", tmp_path / "a.npy")
        assert result.exit_code == 0
        assert "values   cannot be used: the data holds 1 values that are NaN" in result.output

    def test_errors(self, tmp_path):
        assert_fails(call("info", tmp_path / "a.npy"), 1, "there is no file")
        (tmp_path / "a.npz").write_bytes(b"PK\x03\x04")
        assert_fails(call("info", tmp_path / "a.npz"), 1, "cannot read")
        result = call("info", tmp_path / "b.npy", "--debug")
        assert isinstance(result.exception, um.FileError)

    def test_models(self, tmp_path):
        spectra = um.window_fft(um.sliding_windows(um.synthetic.two_phases((96, 144)).image, 16, 8))
        mask = np.ones(spectra.layout.map_shape, bool)
        mask[0, 0] = False
        spectra = spectra.where(mask)
        first = um.nfindr(spectra, 2)
        models = {
            "nfindr": first,
            "project": first.project(spectra),
            "kmeans": um.kmeans(spectra, 3),
            "pca": um.pca(spectra, 2),
            "abundances": um.abundances(spectra, first),
        }
        for name, model in models.items():
            um.save(tmp_path / f"{name}.npz", model)
            result = call("info", tmp_path / f"{name}.npz")
            assert result.exit_code == 0, result.output
            lines = result.output.splitlines()
            assert lines[0] == repr(model).strip("<>")
            assert lines[1] == "map       grid_y      11, 7.5 to 87.5 px (8 apart)"
            assert lines[3].startswith("component k_y      16, -0.5 to 0.4375 1/px")
            assert "186 samples: grid_y 11 x grid_x 17" in lines[5]
            assert any("where(mask=<array 11 x 17 bool>)" in line for line in lines)
            assert f". {name}(" in lines[-1]
        assert "endmembers=<nfindr of 5 steps>" in lines[-1]

    def test_model_of_a_table(self, tmp_path):
        um.save(tmp_path / "a.npz", um.pca(np.random.default_rng(0).random((9, 4)), 2))
        result = call("info", tmp_path / "a.npz")
        assert "9 samples: sample 9\n" in result.output
        json_like = [line for line in result.output.splitlines() if "pca(" in line]
        assert "center=True" in json_like[0]


class TestHelp:
    def test_version(self):
        assert call("--version").output == f"unmix, version {um.__version__}\n"

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (["--help"], ["unmix run image.tif", "info", "run"]),
            (["-h"], ["unmix run image.tif"]),
            (["run", "--help"], ["--window", "--step", "--k-max", "default: 64", "rosettasciio"]),
            (["info", "--help"], ["--axes", "--debug"]),
        ],
    )
    def test_texts(self, arguments, words):
        result = call(*arguments)
        assert result.exit_code == 0
        for word in words:
            assert word in " ".join(result.output.split())

    def test_loads_nothing_heavy(self):
        code = "import sys, unmix.cli; print(*sys.modules)"
        loaded = subprocess.check_output([sys.executable, "-c", code], text=True).split()
        assert not {"matplotlib", "tifffile", "h5py", "PIL", "rsciio", "tqdm"} & set(loaded)


def test_record_is_plain_json(image, tmp_path, quick):
    run(image, tmp_path / "out", "--method", "pca")
    steps = json.loads((tmp_path / "out" / "record.json").read_text(encoding="utf-8"))
    assert [s["operation"] for s in steps] == ["open", "sliding_windows", "window_fft", "pca"]
