"""The baseline: figures of every bench in one JSON file, sorted, a line a figure, the same bytes for the same figures.

``{"schema": 1, "benches": {NAME: BENCH}}``, a BENCH having `Figures`' fields by name, its functions ``{NAME:
{"self_cycles": N, "bytes": N, "rows": [ROW]}}``, with ``"inlined": {NAME: N}`` where something was, and a ROW being an
array of `InstructionRow`'s fields, the offset in hex. One of a run has an object ``run`` with `RunFigures`' fields by
name. ``"stacks": [[DEPTH, NAME, SELF_CYCLES]]`` are `Figures.stacks`. Files of an older m0sim have neither ``bytes``
nor ``stacks``.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Any, NoReturn

from m0sim import files
from m0sim.check.figures import NUMBERS, Figures, FunctionFigures, InstructionRow, RunFigures
from m0sim.chip.options import FlashModel, flash_model_of
from m0sim.errors import UsageError
from m0sim.report.stack_nodes import StackNode

SCHEMA = 1
"""Goes up when an older m0sim could misread the file."""

Baseline = Mapping[str, Figures]
"""By the benches' names."""


def exists(path: Path) -> bool:
    """Whether there is something to read; also where the system does not let us know, as reading then says why."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        pass
    return True


def read(path: Path, update: str = "m0sim check --update") -> dict[str, Figures]:
    """The baseline in a file; empty where there is none.

    Raises `UsageError`, one line, for a damaged one; `update` is the command that writes a new one.
    """
    if not exists(path):
        return {}
    reader = _Reader(path, f"restore it from git, or delete it and run `{update}`")
    return reader.benches(reader.json())


def read_any(path: Path) -> dict[str, Figures] | Figures:
    """What ``m0sim diff`` takes: a baseline, or the object of ``m0sim call --json``.

    The latter is one run, without instructions. Raises `UsageError`.
    """
    reader = _Reader(path, "give a baseline, or what `m0sim call --json` printed")
    found = reader.json()
    is_call = isinstance(found, dict) and "function" in found and "benches" not in found
    return reader.call(found) if is_call else reader.benches(found)


def figures_of(bench: dict[str, Any]) -> Figures:
    """The figures that `bench_object` made the object from."""
    return _Reader(Path(), "").figures(bench, "")


def to_bytes(baseline: Baseline) -> bytes:
    """The content of a baseline's file."""
    benches = {name: bench_object(baseline[name]) for name in sorted(baseline)}
    text = "".join(_layout({"schema": SCHEMA, "benches": benches})) + "\n"
    return text.encode("utf-8", "backslashreplace")  # half a surrogate pair becomes the escape that JSON has for it


def write(path: Path, baseline: Baseline) -> bool:
    """Write a baseline, whole or not at all; False where the file has these bytes already. Raises `UsageError`."""
    content = to_bytes(baseline)
    try:
        if path.read_bytes() == content:
            return False
    except OSError:
        pass  # what it is, writing tells
    files.write(path, content)
    return True


def update(path: Path, found: Baseline, *, keeps_others: bool, command: str = "m0sim check --update") -> bool:
    """Store figures, and keep those of other benches or not; False where nothing changed.

    The file is read anew, for another process may have written to it since. Raises `UsageError`; see `read`.
    """
    with files.locked(path):
        kept = read(path, command) if keeps_others else {}
        return write(path, {**kept, **found})


def bench_object(figures: Figures) -> dict[str, Any]:
    """What JSON has of one bench."""
    return {
        "function": figures.function,
        "profile": figures.profile,
        **_waiting(figures),
        **{name: getattr(figures, name) for name in NUMBERS},
        **({} if figures.run is None else {"run": run_object(figures.run)}),
        **({"stacks": [[n.depth, n.name, n.self_cycles] for n in figures.stacks]} if figures.stacks else {}),
        "functions": {name: _function(function) for name, function in sorted(figures.functions.items())},
    }


def _function(function: FunctionFigures) -> dict[str, Any]:
    size = {} if function.bytes is None else {"bytes": function.bytes}
    inlined = {"inlined": dict(function.inlined)} if function.inlined else {}  # files of an older m0sim have neither
    return {"self_cycles": function.self_cycles, **size, **inlined, "rows": [_row(row) for row in function.rows]}


def run_object(run: RunFigures) -> dict[str, Any]:
    """What JSON has of a run of whole firmware: names in their order, handlers and stacks sorted."""
    return {name: dict(sorted(v.items())) if isinstance(v, dict) else v for name, v in asdict(run).items()}


def _waiting(figures: Figures) -> dict[str, str | int]:
    """Of cycles that wait for flash, for what; nothing of others, which files of an older m0sim have only."""
    return {} if figures.flash == "ideal" else {"flash": figures.flash, "wait_states": figures.wait_states}


def _row(row: InstructionRow) -> list[str | int]:
    return [f"{row.offset:04x}", row.code, row.source, row.executions, row.cycles]


def _layout(value: Any, indent: str = "") -> Iterator[str]:
    """JSON with a line for every figure and for every row, which `json.dumps` would spread over seven."""
    inner = indent + " "
    if isinstance(value, dict) and value:
        yield "{"
        for i, (key, item) in enumerate(value.items()):
            yield f"{',' if i else ''}\n{inner}{json.dumps(key, ensure_ascii=False)}: "
            yield from _layout(item, inner)
        yield f"\n{indent}}}"
    elif isinstance(value, list) and value:
        lines = f",\n{inner}".join(json.dumps(item, ensure_ascii=False) for item in value)
        yield f"[\n{inner}{lines}\n{indent}]"
    else:
        yield json.dumps(value, ensure_ascii=False)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A merge by hand may leave a key twice, of which Python would silently take the last."""
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(name for name in names if names.count(name) > 1)!r} is there twice")
    return found


class _Reader:
    """Turns JSON that anyone may have edited into figures, or says what is wrong with it."""

    def __init__(self, path: Path, remedy: str) -> None:
        self._path = path
        self._remedy = remedy

    def json(self) -> Any:
        """What the file has, unchecked."""
        try:
            text = files.read(self._path).decode()
        except UnicodeDecodeError:
            self._fail("no text in UTF-8")
        marker = re.search(r"^(<{7}|={7}|>{7})( |$)", text, re.MULTILINE)
        if marker:
            self._fail("has merge conflict markers", line=text.count("\n", 0, marker.start()) + 1)
        try:
            return json.loads(text, object_pairs_hook=_unique)
        except (ValueError, RecursionError) as error:
            self._fail(f"no valid JSON ({error})")

    def benches(self, found: Any) -> dict[str, Figures]:
        """Those of a baseline."""
        if not isinstance(found, dict) or type(found.get("schema")) is not int:
            self._fail('is no baseline: it has no integer "schema"')
        if found["schema"] != SCHEMA:
            self._fail(f"has schema {found['schema']}, and this m0sim reads {SCHEMA}", "use the m0sim that wrote it")
        benches = self._object(found.get("benches"), "benches")
        return {name: self.figures(value, f"bench {name!r}: ") for name, value in benches.items()}

    def call(self, found: dict[str, Any]) -> Figures:
        """One run, from the object that ``m0sim call --json`` prints."""
        memory = self._object(found.get("memory"), "memory")
        sizes = {name: self._integer(memory, name, "memory: ") for name in ("sram_total", "flash_code", "sram_code")}
        listed = found.get("functions")
        rows = [self._object(row, "functions") for row in (listed if isinstance(listed, list) else [])]
        functions = {self._text(row, "name", ""): self._function_of_call(row) for row in rows}
        model, states = self._waiting_of_call(found.get("flash"))
        return Figures(
            function=self._text(found, "function", ""),
            profile=self._text(found, "profile", ""),
            cycles=self._integer(found, "cycles", ""),
            instructions=self._integer(found, "instructions", ""),
            stack_bytes=self._integer(found, "stack_bytes", ""),
            sram_bytes=sizes["sram_total"],
            code_bytes=sizes["flash_code"] + sizes["sram_code"],
            functions=functions,
            flash=model,
            wait_states=states,
        )

    def _function_of_call(self, row: dict[str, Any]) -> FunctionFigures:
        cycles: Counter[str] = Counter()
        listed = row.get("inlined")
        for part in listed if isinstance(listed, list) else []:
            found = self._object(part, "inlined")
            cycles[self._text(found, "name", "inlined: ")] += self._integer(found, "self_cycles", "inlined: ")
        return FunctionFigures(self._integer(row, "self_cycles", ""), inlined=dict(cycles))

    def _waiting_of_call(self, flash: Any) -> tuple[FlashModel, int]:
        """Model and wait states from the object `flash` of a call, which is null where nothing waits."""
        if flash is None:
            return "ideal", 0
        model = self._flash(self._object(flash, "flash"), "model", "flash: ")
        waits = None if model == "ideal" else flash.get("waits")
        place = "flash: waits"
        return model, 0 if waits is None else self._integer(self._object(waits, place), "states", f"{place}: ")

    def _flash(self, table: dict[str, Any], key: str, place: str) -> FlashModel:
        text = self._text(table, key, place)
        try:
            return flash_model_of(text)
        except UsageError as error:
            self._fail(f"{place}{key}: {error}")

    def figures(self, value: Any, place: str) -> Figures:
        """Those of one bench; `place` goes before what is wrong."""
        bench = self._object(value, place.removesuffix(": "))
        functions = self._object(bench.get("functions"), f"{place}functions")
        return Figures(
            function=self._text(bench, "function", place),
            profile=self._text(bench, "profile", place),
            **{name: self._integer(bench, name, place) for name in NUMBERS},
            functions={name: self._function(item, f"{place}{name}: ") for name, item in functions.items()},
            flash=self._flash({"flash": "ideal"} | bench, "flash", place),
            wait_states=self._integer({"wait_states": 0} | bench, "wait_states", place),
            run=self._run(bench["run"], f"{place}run: ") if "run" in bench else None,
            stacks=self._stacks(bench, place) if "stacks" in bench else (),
        )

    def _stacks(self, bench: dict[str, Any], place: str) -> tuple[StackNode, ...]:
        """One root, each node right below one of those before it, and all cycles of the bench in them."""
        place = f"{place}stacks: "
        rows = bench["stacks"]
        found = [self._stack(row, place) for row in (rows if isinstance(rows, list) else [rows])]
        if any((node.depth == 0) != (i == 0) for i, node in enumerate(found)):
            self._fail(f"{place}must have one row of depth 0, the first")
        for above, node in pairwise(found):
            if node.depth > above.depth + 1:
                self._fail(f"{place}{node.name!r} of depth {node.depth} has no caller of depth {node.depth - 1}")
        cycles = sum(node.self_cycles for node in found)
        if cycles != bench["cycles"]:
            self._fail(f"{place}add up to {cycles:,} cycles, not to the bench's {bench['cycles']:,}")
        return tuple(found)

    def _stack(self, row: Any, place: str) -> StackNode:
        types = [type(item) for item in row] if isinstance(row, list) else []
        if types != [int, str, int] or row[0] < 0 or row[2] < 0:
            self._fail(f"{place}{row!r} is no row of a depth, a name and self cycles")
        return StackNode(*row)

    def _run(self, value: Any, place: str) -> RunFigures:
        run = self._object(value, place.removesuffix(": "))
        return RunFigures(
            exit=self._text(run, "exit", place),
            sleep_cycles=self._integer(run, "sleep_cycles", place),
            first_output_cycle=self._optional(run, "first_output_cycle", place),
            energy_nanojoules=self._optional(run, "energy_nanojoules", place),
            **{name: self._integers(run, name, place) for name in ("latencies", "entries", "stacks")},
        )

    def _optional(self, table: dict[str, Any], key: str, place: str) -> int | None:
        return None if key in table and table[key] is None else self._integer(table, key, place)

    def _integers(self, table: dict[str, Any], key: str, place: str) -> dict[str, int]:
        inside = f"{place}{key}: "
        found = self._object(table.get(key), inside.removesuffix(": "))
        return {name: self._integer(found, name, inside) for name in found}

    def _function(self, value: Any, place: str) -> FunctionFigures:
        function = self._object(value, place.removesuffix(": "))
        rows = function.get("rows")
        if not isinstance(rows, list):
            self._fail(f"{place}rows: must be an array")
        size = self._integer(function, "bytes", place) if "bytes" in function else None
        inlined = self._integers({"inlined": {}} | function, "inlined", place)
        cycles = self._integer(function, "self_cycles", place)
        if sum(inlined.values()) > cycles:
            self._fail(f"{place}inlined: more cycles than self_cycles")
        return FunctionFigures(cycles, tuple(self._row(r, place) for r in rows), inlined, size)

    def _row(self, row: Any, place: str) -> InstructionRow:
        types = [type(item) for item in row] if isinstance(row, list) else []
        if types != [str, str, str, int, int] or not re.fullmatch("[0-9a-f]{1,8}", row[0]) or min(row[3:]) < 0:
            self._fail(f"{place}{row!r} is no row of an offset, code, source, executions and cycles")
        return InstructionRow(int(row[0], 16), *row[1:])

    def _object(self, value: Any, place: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            self._fail(f"{place}: must be an object")
        return value

    def _text(self, table: dict[str, Any], key: str, place: str) -> str:
        value = table.get(key)
        if not isinstance(value, str):
            self._fail(f"{place}{key}: must be a string, not {value!r}")
        return value

    def _integer(self, table: dict[str, Any], key: str, place: str) -> int:
        value = table.get(key)
        if type(value) is not int or value < 0:
            self._fail(f"{place}{key}: must be an integer from 0, not {value!r}")
        return value

    def _fail(self, what: str, remedy: str = "", *, line: int | None = None) -> NoReturn:
        place = self._path if line is None else f"{self._path}:{line}"
        raise UsageError(f"{place}: {what}: {remedy or self._remedy}")
