"""A cost in Python: JSON's object, columns, HTML, and what `help` says of every field."""

from __future__ import annotations

import dataclasses
import importlib
import json
import pydoc
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from conftest import Build
from json_schemas import require
from test_cli import Run, elf, run
from test_firmware import Built, built

import m0sim
from m0sim import Cost, Firmware, Machine, RunCost, UsageError
from m0sim.chip import cost as costs
from m0sim.chip.field_docs import field_docs
from m0sim.report.page import page

__all__ = ["built", "elf", "run"]


@pytest.fixture(scope="module")
def machine(elf: Path) -> Machine:
    return Machine.from_elf(elf)


@pytest.fixture(scope="module")
def called(machine: Machine) -> Cost:
    return machine.call("calls_tails", 5, level="memory")


@pytest.fixture(scope="module")
def firmware(built: Built) -> tuple[Firmware, RunCost]:
    made = Firmware.from_elf(built("tasks"))
    return made, made.run(until_output="both worked", seconds=0.05)


def test_the_object_is_that_of_json(run: Run, elf: Path, machine: Machine) -> None:
    printed = run("call", elf, "calls_tails", 5, "--json").json
    cost = machine.call("calls_tails", 5)
    found = cost.to_dict(machine)
    require(found, "call")
    alone = cost.to_dict()
    require(alone, "call")
    assert "inlined" not in alone["functions"][0], "without the image nobody knows"
    # of a call from Python nobody typed anything, and no flash was asked about
    for key in ("outputs", "provenance", "flash"):
        printed.pop(key, None)
        found.pop(key, None)
    assert found == printed
    assert json.loads(json.dumps(found)) == found, "Python's own types"


def test_the_object_of_a_run_is_that_of_its_schema(firmware: tuple[Firmware, RunCost]) -> None:
    found = firmware[1].to_dict()
    require(found, "run")
    assert found["exit"]["reason"] == "output"
    assert len(found["handlers"]) == len(firmware[1].handlers) > 0


@pytest.mark.parametrize("table", ["functions", "calls", "call_tree", "instructions", "traffic"])
def test_columns_are_rows_turned(called: Cost, table: str) -> None:
    rows = {
        "functions": list(called.functions.values()),
        "calls": list(called.edges),
        "call_tree": list(called.call_tree),
        "instructions": list(called.instruction_table.rows),
        "traffic": list(called.traffic),
    }[table]
    assert rows
    columns = called.to_columns(table)
    assert set(columns) == {field.name for field in dataclasses.fields(rows[0])}
    for name, values in columns.items():
        assert [getattr(row, name) for row in rows] == list(values), name


def test_columns_of_a_run(firmware: tuple[Firmware, RunCost]) -> None:
    _, done = firmware
    columns = done.to_columns("handlers")
    assert columns["entries"] == [handler.entries for handler in done.handlers]
    assert columns["latency_max"] == [h.latency.max if h.latency else None for h in done.handlers]
    assert sum(done.to_columns()["self_cycles"]) + done.sleep_cycles + done.overhead_cycles == done.cycles


def test_a_table_that_is_not_there(called: Cost) -> None:
    for name in ("function", "handlers", ""):
        with pytest.raises(
            UsageError, match=r"^no table .*\(there are functions, calls, call_tree, instructions, traffic\)$"
        ):
            called.to_columns(name)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_data_frames_take_the_columns(called: Cost, library: str) -> None:
    frames = pytest.importorskip(library)
    for table in ("functions", "instructions", "traffic"):
        frame = frames.DataFrame(called.to_columns(table))
        assert frame.shape == (len(next(iter(called.to_columns(table).values()))), len(called.to_columns(table)))
    assert int(frames.DataFrame(called.to_columns())["self_cycles"].sum()) == called.cycles


def test_numbers_of_instructions_are_arrays(called: Cost) -> None:
    columns = called.to_columns("instructions")
    assert columns["cycles"].dtype == np.int64
    assert int(columns["cycles"].sum()) == called.cycles


class Seen(HTMLParser):
    """The tags of a text, and what is open at its end."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_a_notebook_shows_figures_and_functions(called: Cost, firmware: tuple[Firmware, RunCost]) -> None:
    for cost, some in ((called, "calls_tails on rp2040"), (firmware[1], "asleep")):
        shown = Seen(cost._repr_html_())
        assert not shown.open
        assert not {"script", "html", "body", "img", "link"} & set(shown.tags)
        assert some in shown.text
        assert f"{cost.cycles:,}" in shown.text
        assert len(cost._repr_html_()) < 8_000
        assert "#" not in cost._repr_html_().partition("</style>")[0], "colours are the notebook's own"


def test_names_of_a_file_are_text(called: Cost) -> None:
    evil = "<img src=x onerror=alert(1)>\x1b[31m"
    named = dataclasses.replace(
        called,
        function=evil,
        functions={evil: dataclasses.replace(called.functions["leaf"], name=evil)},
        warnings=(evil,),
    )
    for text in (named._repr_html_(), named.to_html()):
        assert "<img" not in text
        assert "\x1b" not in text
        assert text.count("&lt;img") >= 3


def test_pages(called: Cost, machine: Machine, firmware: tuple[Firmware, RunCost]) -> None:
    alone = Seen(called.to_html())
    assert alone.tags[0] == "html"
    assert not alone.open
    assert called.to_html(machine) == page(called, machine)
    made, done = firmware
    assert done.to_html(made) == page(done.cost, made, run=done)
    with pytest.raises(UsageError, match=r"^the cost is of .*: other bytes$"):
        done.to_html(machine)
    with pytest.raises(UsageError, match=r"^the cost is of .*: other bytes$"):
        done.to_dict(machine)
    assert done.to_dict(made)["functions"][0]["own_cycles"] <= done.to_dict(made)["functions"][0]["self_cycles"]


PUBLIC = [
    *(m0sim.Cost, m0sim.FunctionCost, m0sim.RunCost),
    *(costs.CallEdge, costs.CallNode, costs.InstructionTable, costs.MemoryUse, costs.TrafficCost),
]


@pytest.mark.parametrize("kind", PUBLIC, ids=lambda kind: kind.__name__)
def test_help_has_every_field_with_its_meaning(kind: type) -> None:
    text = pydoc.plain(pydoc.render_doc(kind))
    joined = " ".join(text.replace("|", " ").split())
    for name, said in field_docs(kind).items():
        assert said, f"{kind.__name__}.{name} has no docstring"
        assert f"{name}: " in joined
        assert said in joined, name


def test_help_without_source_has_what_python_has(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(_: object) -> str:
        raise OSError("no source")

    monkeypatch.setattr("m0sim.chip.field_docs.inspect.getsource", gone)
    assert (m0sim.Cost.__doc__ or "").startswith("Everything counted in one call.")


def test_the_chip_imports_no_report() -> None:
    code = "import sys, m0sim.chip.machine; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not [name for name in done.stdout.split() if name.startswith("m0sim.report")]
    assert importlib.import_module("m0sim.report.views")


def test_the_program_of_the_page(
    build: Build, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = Path(__file__).parents[1]
    program = (root / "docs/python.md").read_text().split("```python\n")[1].split("```")[0]
    monkeypatch.chdir(root)
    names: dict[str, Cost] = {}
    exec(program, names)
    said, cycles, columns = capsys.readouterr().out.splitlines()
    assert said == repr(names["cost"])
    assert int(cycles) == names["cost"].cycles
    assert columns.startswith("['name', 'address', 'calls'")
