"""docs/firmware.md, followed command by command in an empty folder, and its Python."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

import pytest
from conftest import found_toolchain
from test_cli import ROOT, Run, run  # noqa: F401
from transcripts import Reader

PAGE = (ROOT / "docs/firmware.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("toolchain", ["zig", pytest.param("gnu", marks=pytest.mark.long)])
def test_the_page_is_what_its_commands_print(
    toolchain: str,
    readers_folder: Path,
    run: Run,  # noqa: F811
) -> None:
    found_toolchain(toolchain)
    *followed, program = Reader(run, readers_folder, toolchain=toolchain).follow(PAGE)
    assert sum(command.startswith("m0sim ") for command in followed) >= 3
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(program, {})
    lines = printed.getvalue().splitlines()
    assert lines[0].startswith("exit 0.01")
    assert lines[-1].startswith("systick (SysTick) 5 Latency(min=15,")
