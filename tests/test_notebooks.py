"""Notebooks of docs/ stay short and leave shapes and loops to the library."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*_*.py"))
LOOPS = (ast.For, ast.While, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
SHAPING = {"reshape", "ravel", "flatten", "transpose", "T", "mT", "swapaxes", "moveaxis"}
SILENT = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.ENCODING, tokenize.ENDMARKER}


def lines_of_code(text: str) -> int:
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    spans = (range(t.start[0], t.end[0] + 1) for t in tokens if t.type not in SILENT)
    return len({line for span in spans for line in span})


def complaints(text: str) -> list[str]:
    """Say what a notebook does by hand, and where it looks behind the public names."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, LOOPS):
            found.append(f"line {node.lineno}: a loop")
        elif isinstance(node, ast.Attribute):
            theirs = isinstance(node.value, ast.Name) and node.value.id == "um"
            if node.attr.startswith("_") or (node.attr in SHAPING and not theirs):
                found.append(f"line {node.lineno}: {node.attr}")
        elif isinstance(node, ast.ImportFrom) and str(node.module).startswith("unmix"):
            found.append(f"line {node.lineno}: from {node.module}")
    return sorted(found)


def test_there_are_six_and_the_table_shows_each() -> None:
    table = (ROOT / "docs" / "notebooks" / "README.md").read_text(encoding="utf-8")
    assert len(NOTEBOOKS) == 6
    listed = re.findall(r"\| \[(\w+\.py)\]\(\1\)", table)
    assert sorted(listed) == [n.name for n in NOTEBOOKS]
    pictures = re.findall(r"\.\./images/notebooks/\w+\.png", table)
    assert len(pictures) >= 6
    for picture in pictures:
        assert (ROOT / "docs" / "notebooks" / picture).stat().st_size < 150_000


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda n: n.stem)
def test_a_notebook_is_short_and_plain(notebook: Path) -> None:
    text = notebook.read_text(encoding="utf-8")
    assert lines_of_code(text) <= 25
    assert complaints(text) == []


def test_what_is_by_hand_is_found() -> None:
    text = "import unmix as um\n\n# no code\nx = um.flatten(\n    y.reshape(2, 3)\n).T\n"
    assert lines_of_code(text) == 4
    assert complaints(text) == ["line 4: T", "line 5: reshape"]
    assert complaints("a = [b for b in c]\nfrom unmix._tiles import Tile\num._door") == [
        "line 1: a loop",
        "line 2: from unmix._tiles",
        "line 3: _door",
    ]


@pytest.mark.parametrize("name", ["lattice_nmf", "scores_gmm"])
def test_a_notebook_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those on data of the repository do."""
    pytest.importorskip("matplotlib")
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    pictures = tmp_path / "docs" / "images" / "notebooks"
    pictures.mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    (notebook,) = (n for n in NOTEBOOKS if n.stem == name)
    exec(compile(notebook.read_text(encoding="utf-8"), notebook.name, "exec"), {})
    assert (pictures / f"{name}.png").stat().st_size > 10_000
