"""docs/import.md, followed in an empty folder: its Python and every command."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from test_cli import ROOT, Run, run  # noqa: F401
from transcripts import blocks, commands, missing

pytest.importorskip("onnx")
PAGE = (ROOT / "docs/import.md").read_text(encoding="utf-8")
HAS_GNU = shutil.which("arm-none-eabi-gcc") is not None


def test_the_page_is_followed(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    monkeypatch.chdir(tmp_path)
    followed = []
    for kind, contents, _ in blocks(PAGE):
        if kind == "python":
            exec(contents, {})
        for command, shown in commands(contents) if kind == "console" else ():
            words = shlex.split(command)
            if words[0] == "make":
                made = HAS_GNU and subprocess.run(words, capture_output=True, text=True, check=True)
                assert not made or (made.stdout, made.stderr) == ("", "")
            elif words[1] != "call" or HAS_GNU:
                done = run(*words[1:])
                printed = (done.err if done.code else done.out).splitlines()
                assert missing(shown, printed) is None, (command, printed)
            followed.append(words[1])
    assert followed == ["import", "import", "train", "export-model", "-s", "call"]
    header = Path("firmware/model.h").read_text(encoding="utf-8")
    for line in [line for kind, contents, _ in blocks(PAGE) if kind == "c" for line in contents.splitlines()[2:]]:
        assert line in header
