"""docs/timing.md, followed command by command in an empty folder: every line of output that it shows is printed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from conftest import found_toolchain
from test_cli import ROOT, Run, run  # noqa: F401
from transcripts import COMPILERS, FENCE, Reader, blocks

PAGE = (ROOT / "docs/timing.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("toolchain", ["zig", pytest.param("gnu", marks=pytest.mark.long)])
def test_the_page_is_what_its_commands_print(
    toolchain: str,
    readers_folder: Path,
    run: Run,  # noqa: F811
) -> None:
    found_toolchain(toolchain)
    followed = Reader(run, readers_folder, toolchain=toolchain).follow(PAGE)
    assert sum(command.startswith("m0sim ") for command in followed) >= 8


def test_the_page_names_both_compilers() -> None:
    assert all(f'CC="{compiler}"' in PAGE for compiler in COMPILERS.values())


def test_figures_in_the_prose_are_those_of_the_commands() -> None:
    printed = " ".join(contents for kind, contents, _ in blocks(PAGE) if kind == "console")
    prose = FENCE.sub("", PAGE)
    figures = set(re.findall(r"\d+,\d{3}", prose)) - {"1,024"}  # sets of the cache
    assert figures
    assert figures <= set(re.findall(r"\d+,\d{3}", printed))
