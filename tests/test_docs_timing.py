"""docs/timing.md, followed command by command in an empty folder: every line of output that it shows is printed."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import found_toolchain
from test_cli import ROOT, Run, run  # noqa: F401

PAGE = (ROOT / "docs/timing.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMPILERS = {
    "zig": "python -m ziglang cc -target thumb-freestanding-eabi -mcpu=cortex_m0plus",
    "gnu": "arm-none-eabi-gcc -mcpu=cortex-m0plus -mthumb",
}
GAP = "..."


def blocks() -> Iterator[tuple[str, str, str]]:
    """Kind, contents, and the text before it back to the block before."""
    behind = 0
    for block in BLOCK.finditer(PAGE):
        yield block[1], block[2], PAGE[behind : block.start()]
        behind = block.end()


def commands(console: str) -> Iterator[tuple[str, list[str]]]:
    """Each command, and the lines that the page shows of what it prints."""
    for part in console.removeprefix("$ ").split("\n$ "):
        command, *output = part.rstrip("\n").split("\n")
        yield command, output


def missing(shown: list[str], printed: list[str]) -> str | None:
    """The first line shown that was not printed where it has to be: behind the one before, or behind a gap later."""
    at, may_skip = 0, False
    for line in shown:
        if line == GAP:
            may_skip = True
            continue
        found = next((i for i in range(at, len(printed)) if printed[i] == line), None)
        if found is None or (found != at and not may_skip):
            return line
        at, may_skip = found + 1, False
    return None if may_skip or at == len(printed) or not shown else f"(end, but {printed[at]!r} follows)"


@pytest.mark.parametrize("toolchain", COMPILERS)
def test_the_page_is_what_its_commands_print(
    toolchain: str,
    tmp_path: Path,
    run: Run,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found_toolchain(toolchain)
    monkeypatch.chdir(tmp_path)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "CC": COMPILERS[toolchain]}
    followed = 0
    for kind, contents, before in blocks():
        if kind != "console":
            name = re.findall(r"`(\w+\.(?:S|ld))`", before)[-1]
            Path(name).write_text(contents)
            continue
        for command, shown in commands(contents):
            words = shlex.split(command)
            if words[0] == "m0sim":
                done = run(*words[1:])
                assert done.code == 0, (command, done.err)
                printed = done.out.splitlines()
                assert (missing(shown, printed), command) == (None, command)
                followed += 1
            elif not command.startswith("CC="):
                assert not shown
                subprocess.run(["bash", "-c", command], env=environment, check=True)
    assert followed >= 8


def test_the_page_names_both_compilers() -> None:
    assert all(f'CC="{compiler}"' in PAGE for compiler in COMPILERS.values())


def test_figures_in_the_prose_are_those_of_the_commands() -> None:
    printed = " ".join(contents for kind, contents, _ in blocks() if kind == "console")
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
