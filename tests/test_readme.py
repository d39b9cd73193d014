"""The README's Python and its first command do what they say."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

import unmix as um
from unmix.cli import main

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder that looks like the checkout and may be written to."""
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def test_the_pipeline_runs(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = blocks("python")
    assert len([line for line in code.splitlines() if line.strip()]) <= 12
    exec(compile(code, "README.md", "exec"), {})
    assert capsys.readouterr().out == "(3, 57, 57) (3, 33, 33) (57, 57)\n"
    assert (checkout / "maps.png").stat().st_size > 10_000
    assert len(um.load(checkout / "model.npz")) == 3


def test_the_first_command_writes_maps_and_components(checkout: Path) -> None:
    install, command = blocks("sh")[0].split("&&")
    assert install.split() == ["pip", "install", '".[io,plot]"']
    words = shlex.split(command)
    assert words.pop(0) == "unmix"
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output
    model = um.load(checkout / "result" / "model.npz")
    # the dark layer above, the bright film below
    top, bottom = model.abundances[:, :15].mean((1, 2)), model.abundances[:, 45:].mean((1, 2))
    assert top.argmax() != bottom.argmax()
    assert top.max() > 0.8
    assert (checkout / "result" / "maps.png").exists()


def test_the_second_command_is_what_ci_runs() -> None:
    assert blocks("sh")[1].strip() == "bash ci/test.sh"
    assert "bash ci/test.sh" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
