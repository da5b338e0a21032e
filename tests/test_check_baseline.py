"""The baseline's file: the same bytes for the same figures, never half of it, and no damage goes unnoticed."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from m0sim.check import baseline
from m0sim.check.figures import Figures, FunctionFigures, InstructionRow, RunFigures
from m0sim.errors import UsageError
from m0sim.report.stack_nodes import StackNode

COUNTS = st.integers(0, 2**63)
NAMES = st.text(st.characters(exclude_categories=()), min_size=1, max_size=8)  # half surrogate pairs as well
ROWS = st.builds(InstructionRow, st.integers(0, 0xFFFFFFFF), NAMES, st.text(max_size=8), COUNTS, COUNTS)
FUNCTIONS = st.builds(FunctionFigures, COUNTS, st.lists(ROWS, max_size=3).map(tuple), bytes=st.none() | COUNTS)
PARTS = st.dictionaries(NAMES, COUNTS, max_size=3)
RUNS = st.builds(RunFigures, NAMES, COUNTS, st.none() | COUNTS, st.none() | COUNTS, PARTS, PARTS, PARTS)
PATHS = st.dictionaries(st.lists(NAMES, max_size=3).map(tuple), st.integers(1, 2**60), max_size=4)


def with_stacks(figures: Figures, paths: dict[tuple[str, ...], int]) -> Figures:
    """As if cycles had been counted at these calling contexts below a root; as they are where there are none."""
    if not paths:
        return figures
    tree: dict[tuple[str, ...], int] = {}
    for path, cycles in paths.items():
        for length in range(len(path) + 1):
            tree.setdefault(path[:length], 0)
        tree[path] += cycles
    stacks = tuple(StackNode(len(path), (figures.function, *path)[-1], tree[path]) for path in sorted(tree))
    return dataclasses.replace(figures, cycles=sum(tree.values()), stacks=stacks)


FIGURES = st.builds(
    *(Figures, NAMES, NAMES, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS, st.dictionaries(NAMES, FUNCTIONS, max_size=3)),
    run=st.none() | RUNS,
)
FIGURES = st.builds(with_stacks, FIGURES, PATHS)
ONE = Figures(
    *("dot_s8", "rp2040", 13, 9, 8, 24, 52),
    {
        "dot_s8": FunctionFigures(
            10, (InstructionRow(0, "b570", "dot.c:9", 1, 4), InstructionRow(4, "bl mul", "dot.c:13", 2, 6)), bytes=48
        )
    },
)
LAYOUT = """\
{
 "schema": 1,
 "benches": {
  "dot 1k": {
   "function": "dot_s8",
   "profile": "rp2040",
   "cycles": 13,
   "instructions": 9,
   "stack_bytes": 8,
   "sram_bytes": 24,
   "code_bytes": 52,
   "functions": {
    "dot_s8": {
     "self_cycles": 10,
     "bytes": 48,
     "rows": [
      ["0000", "b570", "dot.c:9", 1, 4],
      ["0004", "bl mul", "dot.c:13", 2, 6]
     ]
    }
   }
  }
 }
}
"""


@settings(deadline=None)
@given(st.dictionaries(NAMES, FIGURES, max_size=3))
def test_round_trip(tmp_path_factory: pytest.TempPathFactory, benches: dict[str, Figures]) -> None:
    file = tmp_path_factory.getbasetemp() / "round-trip.json"
    file.unlink(missing_ok=True)
    assert baseline.write(file, benches)
    assert baseline.read(file) == benches
    assert baseline.to_bytes(dict(reversed(benches.items()))) == file.read_bytes()
    assert all(baseline.figures_of(baseline.bench_object(figures)) == figures for figures in benches.values())
    parsed = json.loads(file.read_text(encoding="utf-8"))
    assert list(parsed["benches"]) == sorted(benches)


def test_layout_is_a_line_a_figure() -> None:
    assert baseline.to_bytes({"dot 1k": ONE}).decode() == LAYOUT
    assert baseline.to_bytes({}).decode() == '{\n "schema": 1,\n "benches": {}\n}\n'
    assert "größe" in baseline.to_bytes({"größe": ONE}).decode()


def test_stacks_are_a_line_each(tmp_path: Path) -> None:
    file = tmp_path / "b.json"
    stacks = (StackNode(0, "dot_s8", 7), StackNode(1, "mul", 4), StackNode(2, "add", 0), StackNode(1, "neg", 2))
    content = baseline.to_bytes({"dot 1k": dataclasses.replace(ONE, stacks=stacks)})
    lines = content.decode().splitlines()
    at = lines.index('   "stacks": [')
    assert lines[at + 1 : at + 6] == [
        *('    [0, "dot_s8", 7],', '    [1, "mul", 4],', '    [2, "add", 0],', '    [1, "neg", 2]', "   ],"),
    ]
    file.write_bytes(content)
    assert baseline.read(file)["dot 1k"].stacks == stacks
    file.write_text(LAYOUT)  # as an older m0sim wrote it
    assert baseline.read(file)["dot 1k"].stacks == ()


def test_a_run_has_its_own_object(tmp_path: Path) -> None:
    file = tmp_path / "b.json"
    file.write_text(with_run())
    found = baseline.read(file)["dot 1k"]
    assert found.run == RunFigures("until", 5, None, 7, {"SysTick": 15}, {"SysTick": 2}, {"msp": 8})
    assert json.loads(baseline.to_bytes({"dot 1k": found}))["benches"]["dot 1k"]["run"] == RUN


def test_the_same_content_is_not_written_again(tmp_path: Path) -> None:
    file = tmp_path / "b.json"
    assert baseline.write(file, {"dot 1k": ONE})
    before = file.stat()
    assert not baseline.write(file, {"dot 1k": ONE})
    assert (file.stat().st_ino, file.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert baseline.write(file, {"dot": ONE})


def test_no_file_is_an_empty_baseline(tmp_path: Path) -> None:
    assert baseline.read(tmp_path / "b.json") == {}


@pytest.mark.parametrize("step", ["fsync", "replace"])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_crash_while_writing_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, error: BaseException
) -> None:
    file = tmp_path / "b.json"
    baseline.write(file, {"old": ONE})
    content = file.read_bytes()

    def crash(*_: object) -> None:
        raise error

    monkeypatch.setattr(os, step, crash)
    with pytest.raises((UsageError, KeyboardInterrupt)):
        baseline.write(file, {"new": ONE})
    assert file.read_bytes() == content
    assert os.listdir(tmp_path) == ["b.json"]


def changed(path: str, value: object) -> str:
    """The layout above with another value at a path such as ``benches/dot 1k/cycles``; None removes it."""
    whole: Any = json.loads(LAYOUT)
    inner = whole
    *way, last = path.split("/")
    for key in way:
        inner = inner[int(key) if isinstance(inner, list) else key]
    if value is None:
        del inner[int(last) if isinstance(inner, list) else last]
    else:
        inner[int(last) if isinstance(inner, list) else last] = value
    return json.dumps(whole)


RUN = {
    "exit": "until",
    "sleep_cycles": 5,
    "first_output_cycle": None,
    "energy_nanojoules": 7,
    "latencies": {"SysTick": 15},
    "entries": {"SysTick": 2},
    "stacks": {"msp": 8},
}


def with_run(**fields: object) -> str:
    return changed("benches/dot 1k/run", RUN | fields)


def with_rows(rows: object) -> str:
    return changed("benches/dot 1k/stacks", rows)


ROW = "benches/dot 1k/functions/dot_s8/rows/0"
DAMAGE = [
    ("", "JSON"),
    ("{}", "schema"),
    ("[]", "schema"),
    (LAYOUT[:-3], "JSON"),
    (LAYOUT.replace("13,", "13 ,,"), "line 7"),
    (LAYOUT.replace('"cycles": 13', '"cycles": NaN'), "cycles"),
    (LAYOUT.replace('"instructions"', '"cycles"'), "'cycles' is there twice"),
    ("[" * 100_000, "JSON"),
    (LAYOUT.replace("13", "9" * 5000), "JSON"),
    (LAYOUT.replace("  }\n", "<<<<<<< HEAD\n  }\n=======\n  }\n>>>>>>> theirs\n", 1), "merge conflict"),
    (changed("schema", 2), "schema 2"),
    (changed("schema", "1"), "schema"),
    (changed("schema", True), "schema"),
    (changed("benches", []), "benches"),
    (changed("benches/dot 1k", 5), "bench 'dot 1k': must be an object"),
    (changed("benches/dot 1k/cycles", None), "bench 'dot 1k': cycles"),
    (changed("benches/dot 1k/cycles", -1), "bench 'dot 1k': cycles"),
    (changed("benches/dot 1k/cycles", 1.5), "bench 'dot 1k': cycles"),
    (changed("benches/dot 1k/cycles", True), "bench 'dot 1k': cycles"),
    (changed("benches/dot 1k/function", 5), "bench 'dot 1k': function"),
    (changed("benches/dot 1k/functions", []), "bench 'dot 1k': functions"),
    (changed("benches/dot 1k/functions/dot_s8", []), "bench 'dot 1k': dot_s8"),
    (changed("benches/dot 1k/functions/dot_s8/self_cycles", "1"), "self_cycles"),
    (changed("benches/dot 1k/functions/dot_s8/rows", {}), "rows"),
    (changed("benches/dot 1k/run", 5), "bench 'dot 1k': run: must be"),
    (with_run(exit=1), "run: exit"),
    (with_run(sleep_cycles=-1), "run: sleep_cycles"),
    (with_run(energy_nanojoules=1.5), "run: energy_nanojoules"),
    (with_run(latencies=[]), "run: latencies"),
    (with_run(stacks={"msp": "8"}), "run: stacks: msp"),
    (with_run(entries=None), "run: entries"),
    (with_rows(5), "stacks: 5 is no row"),
    (with_rows([]), "stacks: add up to 0 cycles, not to the bench's 13"),
    (with_rows([[0, "f"]]), "stacks: [0, 'f'] is no row"),
    (with_rows([[0, "f", True]]), "is no row"),
    (with_rows([[0, "f", -13]]), "is no row"),
    (with_rows([[-1, "f", 13]]), "is no row"),
    (with_rows([[1, "f", 13]]), "stacks: must have one row of depth 0"),
    (with_rows([[0, "f", 6], [0, "g", 7]]), "stacks: must have one row of depth 0"),
    (with_rows([[0, "f", 6], [2, "g", 7]]), "stacks: 'g' of depth 2 has no caller of depth 1"),
    (with_rows([[0, "f", 6], [1, "g", 8]]), "stacks: add up to 14 cycles, not to the bench's 13"),
    (changed(ROW, 5), "row"),
    (changed(ROW, []), "row"),
    (changed(f"{ROW}/4", None), "row"),
    (changed(f"{ROW}/0", "x"), "row"),
    (changed(f"{ROW}/0", 0), "row"),
    (changed(f"{ROW}/3", -1), "row"),
    (changed(f"{ROW}/4", 1.0), "row"),
]


@pytest.mark.parametrize(("text", "named"), DAMAGE)
def test_damage_is_told_in_one_line(tmp_path: Path, text: str, named: str) -> None:
    file = tmp_path / "b.json"
    file.write_text(text)
    with pytest.raises(UsageError) as caught:
        baseline.read(file)
    message = str(caught.value)
    assert message.startswith(f"{file}:")
    assert named in message
    assert "\n" not in message
    assert any(advice in message for advice in ("m0sim check --update", "use the m0sim that wrote it"))


def test_the_remedy_is_that_of_the_program(tmp_path: Path) -> None:
    file = tmp_path / "b.json"
    file.write_text("{")
    with pytest.raises(UsageError, match=r"run `pytest --m0sim-update`$"):
        baseline.read(file, "pytest --m0sim-update")
    with pytest.raises(UsageError, match=r"`m0sim call --json`") as caught:
        baseline.read_any(file)
    assert "--update" not in str(caught.value)


def test_what_cannot_be_looked_at_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "stat", refuse)
    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(UsageError, match="cannot read it: Permission denied"):
        baseline.read(tmp_path / "b.json")


def test_the_line_of_a_conflict(tmp_path: Path) -> None:
    file = tmp_path / "b.json"
    file.write_text("{\n<<<<<<< HEAD\n")
    with pytest.raises(UsageError, match=r"b\.json:2: has merge conflict"):
        baseline.read(file)


def test_files_that_are_no_text(tmp_path: Path) -> None:
    file = tmp_path / "b.json"
    file.write_bytes(b"\xff")
    for path in (file, tmp_path):
        with pytest.raises(UsageError, match=r"UTF-8|cannot read"):
            baseline.read(path)


@settings(max_examples=examples(300), deadline=None)
@given(st.data())
def test_any_damage_is_told_or_harmless(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    content = bytearray(LAYOUT.encode())
    at = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        del content[at : at + data.draw(st.integers(1, 40))]
    else:
        content[at] = data.draw(st.integers(0, 255))
    file = tmp_path_factory.getbasetemp() / "damaged.json"
    file.write_bytes(content)
    try:
        found = baseline.read(file)
    except UsageError as error:
        assert "\n" not in str(error)  # noqa: PT017
        return
    assert baseline.write(file.with_name("again.json"), found) in (True, False)


STORE = """
import sys
from pathlib import Path
from m0sim.check import baseline
found = baseline.read(Path(sys.argv[1]))["dot 1k"]
for i in range(10):
    baseline.update(Path(sys.argv[1]), {f"{sys.argv[2]} {i}": found}, keeps_others=True)
"""


def test_two_processes_at_once_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "b.json"
    path.write_text(LAYOUT)
    environment = os.environ | {"PYTHONPATH": str(Path(baseline.__file__).parents[2])}
    processes = [subprocess.Popen([sys.executable, "-c", STORE, path, name], env=environment) for name in "ab"]
    assert [process.wait(timeout=60) for process in processes] == [0, 0]
    assert baseline.read(path).keys() == {"dot 1k", *(f"{name} {i}" for name in "ab" for i in range(10))}


def test_updating_all_forgets_what_is_gone(tmp_path: Path) -> None:
    path = tmp_path / "b.json"
    path.write_text(LAYOUT)
    assert baseline.update(path, {"new": ONE}, keeps_others=False)
    assert baseline.read(path) == {"new": ONE}
    assert not baseline.update(path, {"new": ONE}, keeps_others=True)
