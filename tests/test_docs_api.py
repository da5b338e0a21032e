"""docs/api.md: its program runs and type-checks, and the columns that it lists are those of the tables."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from test_cli import ROOT
from transcripts import blocks

PAGE = (ROOT / "docs/api.md").read_text(encoding="utf-8")
PROGRAM = next(text for kind, text, _ in blocks(PAGE) if kind == "python")


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The program's names after it ran in an empty folder."""
    names: dict[str, Any] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("api"))
        exec(PROGRAM, names)
        names["written"] = {str(path) for path in Path().rglob("*")}
    return names


def test_the_program_runs(ran: dict[str, Any]) -> None:
    assert ran["written"] >= {"small.npz", "run/train.json", "run/state.npz", "run/learned.npz", "run/checkpoint.npz"}
    assert ran["trained"].is_finished


@pytest.mark.parametrize("result", ["compared", "trained", "fits"])
def test_the_columns_are_those_of_the_tables(ran: dict[str, Any], result: str) -> None:
    kind = type(ran[result]).__name__
    section = PAGE.split(f"`{kind}.table(")[1]
    table = section[section.index("| column") :].split("\n\n")[0]
    cells = [line.split("|")[1] for line in table.splitlines()[2:]]
    listed = {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}
    ours = ran[result].to_dict() if kind == "Training" else {}
    found = set(ran[result].table()[0])
    optional = {"pruned_0", "pruned_1"} if ours else {"sram_scores", "options_mask", "options_weights"}
    assert listed - found <= optional
    families = ("sram_", "phases_", "pruned_", "options_", "energy_", "flash_")
    assert {name for name in found - listed if not name.startswith(families)} == set()


@pytest.mark.long
def test_the_program_type_checks(tmp_path: Path) -> None:
    """As strictly as can be, for somebody who has m0sim installed: its types are public (py.typed)."""
    api = pytest.importorskip("mypy.api")
    (tmp_path / "program.py").write_text(PROGRAM)
    (tmp_path / "wrong.py").write_text("from m0sim.study import compare\n\ncompare(steps='two').tabel()\n")
    common = ("--strict", "--config-file=", "--cache-dir", str(tmp_path / "cache"))
    assert api.run([*common, str(tmp_path / "program.py")])[0].startswith("Success")
    wrong = api.run([*common, str(tmp_path / "wrong.py")])[0]
    assert 'incompatible type "str"' in wrong
    assert 'has no attribute "tabel"' in wrong
