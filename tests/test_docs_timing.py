"""docs/timing.md, followed command by command in an empty folder: every line of output that it shows is printed."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import found_toolchain
from test_cli import ROOT, Run, run  # noqa: F401
from transcripts import BLOCK, GAP, blocks, commands, missing

PAGE = (ROOT / "docs/timing.md").read_text(encoding="utf-8")
COMPILERS = {
    "zig": "python -m ziglang cc -target thumb-freestanding-eabi -mcpu=cortex_m0plus",
    "gnu": "arm-none-eabi-gcc -mcpu=cortex-m0plus -mthumb",
}
SHOWS_CODE = '; echo "exit code $?"'


@pytest.mark.parametrize("toolchain", ["zig", pytest.param("gnu", marks=pytest.mark.long)])
def test_the_page_is_what_its_commands_print(
    toolchain: str,
    tmp_path: Path,
    run: Run,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert follow(PAGE, toolchain, run) >= 8


def follow(page: str, toolchain: str, run: Run) -> int:  # noqa: F811
    """Write a page's files into the current folder, and run its commands: how many of m0sim's there were."""
    found_toolchain(toolchain)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "CC": COMPILERS[toolchain]}
    followed = 0
    for kind, contents, before in blocks(page):
        if kind != "console":
            if kind in ("asm", "ld", "text", "toml"):
                Path(re.findall(r"`(\w+\.(?:S|ld|toml))`", before)[-1]).write_text(contents)
            continue
        for command, shown in commands(contents):
            typed = command.removesuffix(SHOWS_CODE)
            words = shlex.split(typed)
            if words[0] == "m0sim":
                done = run(*words[1:])
                printed = done.out.splitlines()
                if typed != command:
                    printed.append(f"exit code {done.code}")
                else:
                    assert done.code == 0, (command, done.err)
                assert (missing(shown, printed), command) == (None, command)
                followed += 1
            elif not command.startswith("CC="):
                done = subprocess.run(
                    ["bash", "-c", command], env=environment, check=True, capture_output=True, text=True
                )
                assert (missing(shown, done.stdout.splitlines()), command) == (None, command)
    return followed


def test_the_page_names_both_compilers() -> None:
    assert all(f'CC="{compiler}"' in PAGE for compiler in COMPILERS.values())


def test_figures_in_the_prose_are_those_of_the_commands() -> None:
    printed = " ".join(contents for kind, contents, _ in blocks(PAGE) if kind == "console")
    prose = BLOCK.sub("", PAGE)
    figures = set(re.findall(r"\d+,\d{3}", prose)) - {"1,024"}  # sets of the cache
    assert figures
    assert figures <= set(re.findall(r"\d+,\d{3}", printed))


def test_what_a_gap_stands_for() -> None:
    assert missing(["a", GAP, "c"], ["a", "b", "c"]) is None
    assert missing(["a", "c"], ["a", "b", "c"]) == "c"
    assert missing([GAP, "c", "a"], ["a", "b", "c"]) == "a"
    assert missing(["a"], ["a", "b"]) == "(end, but 'b' follows)"
    assert missing([], ["a"]) is None
