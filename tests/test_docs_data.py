"""docs/data.md, followed in an empty folder: its Python, its study's file, and every command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from test_cli import ROOT, Run, run  # noqa: F401
from transcripts import Reader

PAGE = (ROOT / "docs/data.md").read_text(encoding="utf-8")


@pytest.mark.long
def test_the_page_is_followed(readers_folder: Path, run: Run) -> None:  # noqa: F811
    commands = [typed for typed in Reader(run, readers_folder).follow(PAGE) if typed.startswith("m0sim ")]
    assert [typed.split()[1] for typed in commands] == ["pretrain", "train", "compare", "compare", "study"]
    trained = json.loads(Path("out/train.json").read_text())
    assert (sum(trained["split"]["counts"].values()), trained["split"]["counts"]["test"]) == (300, 75)
    assert trained["accuracy"][-1] > trained["accuracy_before"] > 0.4  # it has learned something to be judged
