"""The file ``m0sim.toml``: which functions to measure, with what, and how much each may cost."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeVar, cast, get_args

import numpy as np

from m0sim.bounds.annotations import KEYS as ANNOTATIONS
from m0sim.bounds.annotations import Annotations
from m0sim.check import limits, matrix
from m0sim.check.bench import Bench, CallBench, Place, RunBench
from m0sim.check.limits import CALL_FIGURES, RUN_FIGURES, Limits
from m0sim.chip import arguments, device, operands, output, replies
from m0sim.chip.cost import FindingKind, finding_kinds_of
from m0sim.chip.device import DEFAULT
from m0sim.chip.durations import seconds_of
from m0sim.chip.machine import DEFAULT_MAX_CYCLES
from m0sim.chip.operands import Operand
from m0sim.chip.options import ENGINES, FLASH_MODELS, Engine, FlashModel
from m0sim.chip.replies import Replies
from m0sim.errors import UsageError, did_you_mean
from m0sim.toml import Table, read

K = TypeVar("K")
_EXIT_CODES = (-(1 << 31), (1 << 31) - 1)
FILE_NAME = "m0sim.toml"

_EVERYWHERE = ("image", "symbols", "base", "profile", "tolerance", "stop_after", "flash", "engine", "clock", "bootrom")
TOP_KEYS = ("build", *_EVERYWHERE, *ANNOTATIONS, "bench")
_ALWAYS = ("name", *_EVERYWHERE)
_CALL_KEYS = (
    *("function", "args", "result", "expect", "startup", "before", "stubs", "registers", "stdout", "fail_on"),
    *(f"max_{figure}" for figure in CALL_FIGURES),
    *_ALWAYS,
)
_RUN_KEYS = (
    *("run", "until", "until_output", "for", "from", "to", "stdin", "expect"),
    *(f"max_{figure}" for figure in RUN_FIGURES),
    *_ALWAYS,
)
_BENCH_KEYS = tuple(dict.fromkeys((*_CALL_KEYS, *_RUN_KEYS, "matrix")))
_KEYS = tuple(dict.fromkeys((*TOP_KEYS, *_BENCH_KEYS)))
"""Wherever they belong: one in the wrong place is no unknown one."""
_INTEGERS = {"s32": (-(1 << 31), 1 << 31), "u32": (0, 1 << 32), "s64": (-(1 << 63), 1 << 63), "u64": (0, 1 << 64)}


@dataclass(frozen=True, slots=True)
class Manifest:
    """A file of benches."""

    path: Path
    build: str
    """A command for the shell, run in the manifest's folder before anything else; empty for none."""
    image: Path | None
    """The image of all benches that name none."""
    benches: tuple[Bench, ...]

    @property
    def folder(self) -> Path:
        return self.path.parent

    @property
    def baseline(self) -> Path:
        """Where the baseline is unless a user says otherwise: one for each manifest of a folder."""
        return self.folder / f"{self.path.stem}-baseline.json"

    def only(self, names: Sequence[str]) -> tuple[Bench, ...]:
        """The benches of these names, or all where there are none; of a matrix's name, all its combinations.

        Raises `UsageError` for an unknown one.
        """
        named = [{bench.name, bench.case.family if bench.case else bench.name} for bench in self.benches]
        known = sorted(set().union(*named))
        for name in names:
            if name not in known:
                raise UsageError(f"{self.path}: no bench {name!r}{did_you_mean(name, known)}")
        return tuple(b for b, own in zip(self.benches, named, strict=True) if not names or own.intersection(names))


def load(path: Path) -> Manifest:
    """Read a manifest. Raises `UsageError`, one line with file, line, bench and key. Reads no other file."""
    if path.is_dir():
        path = path / FILE_NAME
    if not path.exists():
        raise UsageError(f"{path}: no such file: `m0sim init app.elf` writes one (docs/check.md)")
    top = read(path, "the manifest", _KEYS)
    for key in top.raw:
        if key not in TOP_KEYS:
            remedy = "write [bench.matrix] below its [[bench]]" if key == "matrix" else "write it below its [[bench]]"
            top.fail(key, f"belongs into a bench: {remedy}")
    told = Annotations.of(top)
    written = top.tables("bench", _KEYS, named_by="name")
    benches = [replace(_bench(top, t, told), case=case) for each in written for t, case in matrix.expanded(each)]
    if not benches:
        top.fail("bench", "missing: add a [[bench]] with a name and a function")
    _reject_repeated_names(top, benches)
    image = top.text("image", "")
    return Manifest(path, top.text("build", ""), path.parent / image if image else None, tuple(benches))


def _reject_repeated_names(top: Table, benches: list[Bench]) -> None:
    first: dict[str, Bench] = {}
    for bench in benches:
        other = first.setdefault(bench.name, bench)
        if other is not bench:
            raise bench.place.error("name", f"is already taken in line {other.place.line}")


def _bench(top: Table, table: Table, told: Annotations) -> Bench:
    is_run = table.flag("run", False)
    known, other = (_RUN_KEYS, "a call's") if is_run else (_CALL_KEYS, "a run's")
    for key in table.raw:
        if key not in _BENCH_KEYS:
            table.fail(key, "belongs to the top of the file: write it above the first [[bench]]")
        if key not in known and key != "run":
            remedy = "leave it out" if is_run else "say run = true, or leave it out"
            table.fail(key, f"belongs to {other} bench only: {remedy}")
    return _run(top, table) if is_run else _call(top, table, told)


def _common(top: Table, table: Table) -> dict[str, Any]:
    """The fields of every bench."""
    name = _name(table, "name")
    return {
        "name": name,
        "limits": _limits(top, table),
        "stop_after": _stop_after(top, table),
        "image": table.path.parent / _inherited(top, table, "image", None),
        "base": _base(top, table),
        "symbols": _symbols(top, table),
        "profile": _profile(top, table),
        "clock_hz": _clock(top, table),
        "bootrom": _file(_owner(top, table, "bootrom"), "bootrom"),
        "engine": _engine(top, table),
        "place": _place(top, table, name),
    }


def _call(top: Table, table: Table, told: Annotations) -> CallBench:
    result = table.choice("result", get_args(arguments.ResultType), "s32")
    return CallBench(
        function=_name(table, "function"),
        args=_args(table),
        result=result,
        expect=_expect(table, result),
        startup=_startup(table),
        before=_before(table),
        stubs=_replies(table, "stubs", str),
        registers=_replies(table, "registers", replies.address),
        stdout=_stdout(table),
        fail_on=_fail_on(table),
        flash=_flash(top, table) or "ideal",
        told=told,
        **_common(top, table),
    )


def _run(top: Table, table: Table) -> RunBench:
    bench = RunBench(
        until=_name(table, "until") if "until" in table.raw else None,
        until_output=table.text("until_output", ""),
        seconds=_seconds(table),
        begin=_name(table, "from") if "from" in table.raw else None,
        end=_name(table, "to") if "to" in table.raw else None,
        stdin=_file(table, "stdin"),
        expect=table.integer("expect", *_EXIT_CODES, default=0),
        flash=_flash(top, table),
        **_common(top, table),
    )
    if bench.flash == "warm":
        _owner(top, table, "flash").fail("flash", "firmware finds its cache cold after a reset: cold or ideal")
    return bench


def _flash(top: Table, table: Table) -> FlashModel | None:
    owner = _owner(top, table, "flash")
    return cast(FlashModel, owner.choice("flash", FLASH_MODELS)) if "flash" in owner.raw else None


def _file(table: Table, key: str) -> Path | None:
    """A path is from the manifest's folder on."""
    return table.path.parent / table.text(key) if key in table.raw else None


def _seconds(table: Table) -> Fraction | None:
    if "for" not in table.raw:
        return None
    text = table.text("for")
    try:
        return seconds_of(text)
    except UsageError as error:
        table.fail("for", str(error))


def _place(top: Table, table: Table, name: str) -> Place:
    inherited = frozenset(key for key in _EVERYWHERE if key in top.raw and key not in table.raw)
    return Place(table.path, table.lines, table.at, inherited, name)


def _name(table: Table, key: str) -> str:
    name = table.text(key)
    if not name or not name.isprintable():
        table.fail(key, f"must be a name, not {name!r}")
    return name


def _owner(top: Table, table: Table, key: str) -> Table:
    """Which of the two says it: the bench where it does, else the top of the file, which may not either."""
    return table if key in table.raw else top


def _inherited(top: Table, table: Table, key: str, default: str | None) -> str:
    return _owner(top, table, key).text(key, default)


def _base(top: Table, table: Table) -> int | None:
    owner = _owner(top, table, "base")
    return owner.integer("base", 0, (1 << 32) - 1) if "base" in owner.raw else None


def _symbols(top: Table, table: Table) -> Path | None:
    """A bench with an image of its own does not get the names of another."""
    owner = table if "symbols" in table.raw or "image" in table.raw else top
    return table.path.parent / owner.text("symbols") if "symbols" in owner.raw else None


def _stop_after(top: Table, table: Table) -> int:
    return _owner(top, table, "stop_after").integer("stop_after", 1, (1 << 63) - 1, default=DEFAULT_MAX_CYCLES)


def _fail_on(table: Table) -> tuple[FindingKind, ...]:
    given = table.array("fail_on")
    try:
        return finding_kinds_of(given)
    except UsageError as error:
        table.fail("fail_on", str(error))


def _profile(top: Table, table: Table) -> str:
    """A path is from the manifest's folder on."""
    profile = _inherited(top, table, "profile", DEFAULT)
    is_path = profile.endswith(".toml") or "/" in profile or "\\" in profile
    return str(table.path.parent / profile) if is_path else profile


def _clock(top: Table, table: Table) -> int | None:
    """Hertz, as an integer or as a text such as "64M"; None for a run of firmware, which chooses its clock itself."""
    if table.flag("run", False):
        if "clock" in table.raw:
            table.fail("clock", "the firmware that runs chooses its clock: leave it out")
        return None
    owner = _owner(top, table, "clock")
    value = owner.raw.get("clock")
    if value is None:
        return None
    if type(value) not in (int, str):
        owner.fail("clock", f'must be hertz, or a text such as "64M", not {value!r}')
    try:
        return device.clock(str(value))
    except UsageError as error:
        owner.fail("clock", str(error))


def _engine(top: Table, table: Table) -> Engine | None:
    owner = _owner(top, table, "engine")
    return cast(Engine, owner.choice("engine", ENGINES)) if "engine" in owner.raw else None


def _args(table: Table) -> tuple[Operand, ...]:
    found = []
    for value in table.array("args"):
        try:
            operand = operands.read(value, table.path.parent)
        except UsageError as error:
            table.fail("args", f"{value!r}: {error}")
        _reject_files_written(table, "args", value, [operand])
        found.append(operand)
    return tuple(found)


def _reject_files_written(table: Table, key: str, value: object, given: Sequence[Operand]) -> None:
    for part in (part for operand in given for part in operands.parts(operand)):
        if isinstance(part, operands.Zeroed) and part.path is not None:
            table.fail(key, f"{value!r}: a bench writes no files: leave out the file name")


def _startup(table: Table) -> str | None:
    """true, or the function that start-up code comes to."""
    value = table.raw.get("startup", False)
    if isinstance(value, bool):
        return "main" if value else None
    return _name(table, "startup")


def _before(table: Table) -> tuple[operands.Call, ...]:
    calls = []
    for text in table.array("before"):
        if not isinstance(text, str):
            table.fail("before", f'must be an array of texts such as "init" or "init(1, @file)", not of {text!r}')
        calls.append(operands.read_call(text, table.path.parent))
        _reject_files_written(table, "before", text, calls[-1].args)
    return tuple(calls)


def _stdout(table: Table) -> tuple[str, ...]:
    given = table.array("stdout")
    for text in given:
        if not isinstance(text, str):
            table.fail("stdout", f"must be an array of functions' names, not of {text!r}")
        try:
            output.named(text)
        except UsageError as error:
            table.fail("stdout", str(error))
    return tuple(given)


def _replies(table: Table, key: str, name: Callable[[str], K]) -> dict[K, Replies]:
    """A table of numbers, texts and arrays of them; `name` understands its keys."""
    given = table.table(key)
    if given is None:
        return {}
    found = {}
    for text, value in given.raw.items():
        try:
            found[name(text)] = replies.read(value)
        except UsageError as error:
            given.fail(text, str(error))
    return found


def _expect(table: Table, result: str) -> int | float | None:
    value = table.raw.get("expect")
    if value is None:
        return None
    if result == "void":
        table.fail("expect", 'a void function returns nothing to expect: leave out expect, or result = "void"')
    if result in _INTEGERS:
        low, end = _INTEGERS[result]
        return table.integer("expect", low, end - 1)
    if type(value) not in (int, float):
        table.fail("expect", f"must be a number, not {value!r}")
    try:
        number = float(value)
    except OverflowError:  # an integer that no float reaches
        number = math.inf if value > 0 else -math.inf
    with np.errstate(over="ignore"):
        return float(np.float32(number)) if result == "f32" else number


def _limits(top: Table, table: Table) -> Limits:
    tolerances = limits.tolerances(top.raw, top.fail) | limits.tolerances(table.raw, table.fail)
    return Limits(limits.budgets(table.raw, table.fail), limits.DEFAULT | tolerances)
