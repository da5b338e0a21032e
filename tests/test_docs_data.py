"""docs/data.md, followed in an empty folder: its Python, its study's file, and every command."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from test_cli import ROOT, Run, run  # noqa: F401
from transcripts import blocks, commands, missing

PAGE = (ROOT / "docs/data.md").read_text(encoding="utf-8")


def test_the_page_is_followed(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    monkeypatch.chdir(tmp_path)
    followed = []
    for kind, contents, _ in blocks(PAGE):
        if kind == "python":
            exec(contents, {})
        elif kind == "toml":
            Path("study.toml").write_text(contents)
        for command, shown in commands(contents) if kind == "console" else ():
            done = run(*shlex.split(command)[1:])
            assert done.code == 0, (command, done.err)
            assert missing(shown, done.out.splitlines()) is None
            followed.append(command.split()[1])
    assert followed == ["pretrain", "train", "compare", "compare", "study"]
    trained = json.loads(Path("out/train.json").read_text())
    assert (sum(trained["split"]["counts"].values()), trained["split"]["counts"]["test"]) == (300, 75)
    assert trained["accuracy"][-1] > trained["accuracy_before"] > 0.4  # it has learned something to be judged
