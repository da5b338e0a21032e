"""The figures of one run that are kept and compared: few enough to commit, enough to say where a cost moved."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath, PureWindowsPath

from m0sim.check.limits import FIGURES
from m0sim.chip import isa
from m0sim.chip.cost import Cost, InstructionCost
from m0sim.chip.isa import Kind, branch_target
from m0sim.chip.options import FlashModel
from m0sim.chip.run_cost import RunCost
from m0sim.image import Image
from m0sim.image.extents import function_bytes
from m0sim.report.inlined import SourceCosts, inlining
from m0sim.report.inlined import stacks as with_inlined
from m0sim.report.stack_nodes import StackNode, nodes

NUMBERS = ("cycles", "instructions", "stack_bytes", "sram_bytes", "code_bytes")
"""The fields of `Figures` that are numbers, as files and JSON objects have them."""

RESET = "(reset)"
"""Where whole firmware begins: what the figures of a run have instead of a function."""
MOST_STACKS = 10_000
"""Calling contexts that are kept: a file with more would be no pleasure to commit."""
_CONDITIONS = "eq ne cs cc mi pl vs vc hi ls ge lt gt le".split()


@dataclass(frozen=True, slots=True)
class InstructionRow:
    """One instruction that was executed."""

    offset: int
    """Bytes behind its function's entry."""
    code: str
    """Its halfwords in hex, such as ``5c83``; of a branch out of the function, whose bits change when the linker moves
    either, the instruction with the name of its target, such as ``bl filter``."""
    source: str
    """Such as ``dot.c:13``; empty where the image does not tell."""
    executions: int
    cycles: int


@dataclass(frozen=True, slots=True)
class FunctionFigures:
    """One function's own instructions, by offset; none where the figures come from a summary."""

    self_cycles: int
    rows: tuple[InstructionRow, ...] = ()
    inlined: Mapping[str, int] = field(default_factory=dict)
    """Those of the self cycles that are of inlined functions, by the names of these."""
    bytes: int | None = None
    """In the image, literal pools included: 0 of a boot ROM's, of code without a symbol the instructions that ran. None
    where nobody wrote it down, as in a summary or a baseline of an older m0sim."""

    @property
    def own_cycles(self) -> int:
        """Self cycles of the source of the function itself."""
        return self.self_cycles - sum(self.inlined.values())


@dataclass(frozen=True, slots=True)
class RunFigures:
    """What a run of whole firmware has besides."""

    exit: str
    """What ended it, such as ``until``."""
    sleep_cycles: int
    """Of the cycles, asleep."""
    first_output_cycle: int | None
    """None where nothing was printed."""
    energy_nanojoules: int | None
    """None where the profile has no current at this clock."""
    latencies: Mapping[str, int]
    """The worst of each exception, in cycles, by its name, such as ``SysTick``, or ``SysTick on core 1``; SVC and
    HardFault have none."""
    entries: Mapping[str, int]
    """By exception."""
    stacks: Mapping[str, int]
    """Bytes at the deepest, of ``msp`` and of each task, by the function that it begins in."""

    @classmethod
    def of(cls, done: RunCost) -> RunFigures:
        """What of a run is kept."""
        joules = done.cost.energy_joules
        handlers = {h.exception: h for h in done.handlers}
        stacks = [(stack.name, stack.bytes) for stack in done.stacks]
        for core in done.cores[1:]:
            handlers |= {f"{h.exception} on core {core.number}": h for h in core.handlers}
            stacks += [(f"{stack.name} on core {core.number}", stack.bytes) for stack in core.stacks]
        return cls(
            exit=done.exit.reason,
            sleep_cycles=done.sleep_cycles,
            first_output_cycle=done.first_output_cycle,
            energy_nanojoules=None if joules is None else round(joules * 1e9),
            latencies={name: h.latency.max for name, h in handlers.items() if h.latency is not None},
            entries={name: handler.entries for name, handler in handlers.items()},
            stacks=dict(_numbered(stacks)),
        )

    @property
    def values(self) -> dict[str, int]:
        """What limits can be for, beside the figures that every bench has, and `Figures.awake_cycles`."""
        single = {"first_output": self.first_output_cycle, "energy": self.energy_nanojoules}
        several = {"latency": self.latencies, "entries": self.entries, "stack": self.stacks}
        return {
            **{name: value for name, value in single.items() if value is not None},
            **{f"{name}.{part}": value for name, parts in several.items() for part, value in parts.items()},
        }


def _numbered(pairs: Iterable[tuple[str, int]]) -> Iterator[tuple[str, int]]:
    """Several tasks may begin in one function: from the second one on, they have a number."""
    seen: Counter[str] = Counter()
    for name, value in pairs:
        seen[name] += 1
        yield (f"{name} {seen[name]}" if seen[name] > 1 else name), value


@dataclass(frozen=True, slots=True)
class Figures:
    """One call, or one run of whole firmware."""

    function: str
    profile: str
    cycles: int
    instructions: int
    stack_bytes: int
    sram_bytes: int
    """Code, data and bss in SRAM, arguments and observed stack."""
    code_bytes: int
    """Code of the whole image, in flash and SRAM. It tells of the image, and limits nothing: see `executed_bytes`."""
    functions: Mapping[str, FunctionFigures]
    flash: FlashModel = "ideal"
    """What flash did to `cycles`."""
    wait_states: int = 0
    """Of the flash, at the clock of the run, where they are in `cycles`; 0 behind a cache."""
    run: RunFigures | None = None
    """None of a call."""
    stacks: tuple[StackNode, ...] = ()
    """Calling contexts, whose self cycles add up to `cycles`. None where nobody wrote them down, as in a summary or a
    baseline of an older m0sim, and where there are more than `MOST_STACKS`."""
    stack_static_bytes: int | None = None
    """The deepest stack by the code alone; None where nobody asked. No baseline has it."""

    @property
    def waits(self) -> str:
        """What the cycles wait for, such as ``warm flash``; empty for memory without wait states."""
        if self.flash == "ideal":
            return ""
        states = f", {self.wait_states} wait state{'s' * (self.wait_states != 1)}" if self.wait_states else ""
        return f"{self.flash} flash{states}"

    @property
    def executed_bytes(self) -> int | None:
        """The code that it needs: all of each function of which an instruction ran. None where sizes are not known."""
        sizes = [function.bytes for function in self.functions.values()]
        known = [size for size in sizes if size is not None]
        return sum(known) if known and len(known) == len(sizes) else None

    def value(self, name: str) -> int | None:
        """The figure of a column: `name` is cycles, stack (the deepest), sram or code, None where it is not known.

        All but cycles are bytes.
        """
        fields = {"cycles": "cycles", "code": "executed_bytes"}
        value: int | None = getattr(self, fields.get(name, f"{name}_bytes"))
        return value

    @property
    def awake_cycles(self) -> int:
        """All of a call; of a run, those that it did not sleep."""
        return self.cycles - (0 if self.run is None else self.run.sleep_cycles)

    @property
    def values(self) -> dict[str, int]:
        """All that limits can be for. A run has one of each stack, such as ``stack.msp``."""
        return {name: value for name, value in self.shown.items() if self.run is None or name != "stack"}

    @property
    def details(self) -> dict[str, int]:
        """Of these, those that only a run has."""
        return {} if self.run is None else {"awake": self.awake_cycles} | self.run.values

    @property
    def shown(self) -> dict[str, int]:
        """The figures of the columns, and `details`; none that is not known."""
        columns = {name: self.value(name) for name in FIGURES} | {"stack_static": self.stack_static_bytes}
        return {name: value for name, value in columns.items() if value is not None} | self.details

    @classmethod
    def of(cls, cost: Cost | RunCost, image: Image, folder: Path) -> Figures:
        """What of `cost`, a call in `image` or a run of it, is kept.

        Source paths are made relative to `folder`, or else cut to the name, so that they are the same everywhere.
        """
        if isinstance(cost, RunCost):
            run = RunFigures.of(cost)
            deepest = max(run.stacks.values())
            return replace(cls.of(cost.cost, image, folder), function=RESET, stack_bytes=deepest, run=run)
        sizes = _sizes(cost, image)
        rows: defaultdict[str, list[InstructionRow]] = defaultdict(list)
        places = _Sources(image, folder)
        found = inlining(cost, image)
        sources, stacks = found.functions, nodes(with_inlined(cost, found).tree)
        for one in cost.instruction_table.rows:
            offset = one.address - cost.functions[one.function].address
            row = InstructionRow(offset, _code(one, image), places.at(one.address), one.executions, one.cycles)
            rows[one.function].append(row)
        return cls(
            function=cost.function,
            profile=cost.profile,
            cycles=cost.cycles,
            instructions=cost.instructions,
            stack_bytes=cost.stack_bytes,
            sram_bytes=cost.memory.sram_total,
            code_bytes=cost.memory.flash_code + cost.memory.sram_code,
            functions={
                name: FunctionFigures(
                    cost.functions[name].self_cycles, tuple(rows[name]), _inlined(sources[name]), sizes.get(name, 0)
                )
                for name in sorted(cost.functions)
            },
            flash=cost.flash_model,
            wait_states=wait_states_in(cost),
            stacks=stacks if len(stacks) <= MOST_STACKS else (),
        )


def wait_states_in(cost: Cost) -> int:
    """Wait states of the flash that are in the cycles of a cost."""
    waits = None if cost.flash is None or cost.flash_model == "ideal" else cost.flash.waits
    return 0 if waits is None else waits.states


def _inlined(costs: SourceCosts) -> dict[str, int]:
    """Self cycles by name: two functions of one name in different files are one."""
    cycles: Counter[str] = Counter()
    for part in costs.inlined:
        cycles[part.name] += part.self_cycles
    return dict(sorted(cycles.items()))


def _sizes(cost: Cost, image: Image) -> dict[str, int]:
    """Bytes of the functions that ran. Code without a symbol has those of its instructions, a boot ROM's has none."""
    known = function_bytes(image)
    unnamed = [row for row in cost.instruction_table.rows if row.function not in known]
    for address, row in {row.address: row for row in unnamed}.items():
        if any(s.address <= address < s.address + s.size for s in image.sections):
            known[row.function] = known.get(row.function, 0) + (4 if isa.is_wide(row.encoding & 0xFFFF) else 2)
    return known


class _Sources:
    """Source lines as ``file:line`` that do not depend on where the project lies."""

    def __init__(self, image: Image, folder: Path) -> None:
        self._image = image
        self._folder = PurePosixPath(folder.resolve().as_posix())
        self._short: dict[str, str] = {}

    def at(self, address: int) -> str:
        found = self._image.source_line(address)
        if found is None:
            return ""
        name, line = found
        if name not in self._short:
            self._short[name] = self._shortened(name)
        return f"{self._short[name]}:{line}"

    def _shortened(self, name: str) -> str:
        path = PurePosixPath(name.replace("\\", "/"))
        if path.is_relative_to(self._folder):
            return str(path.relative_to(self._folder))
        if path.is_absolute() or PureWindowsPath(name).is_absolute() or ".." in path.parts:
            return path.name
        return str(path)


def _code(one: InstructionCost, image: Image) -> str:
    first, second = one.encoding & 0xFFFF, one.encoding >> 16
    target = branch_target(one.address, one.encoding)
    symbol = None if target is None else image.function_at(target)
    is_link = isa.kind_of(first, second) is Kind.BRANCH_LINK
    if target is not None and symbol is not None and (is_link or symbol.name != one.function):
        offset = target - symbol.address
        return f"{_mnemonic(first)} {symbol.name}" + (f"+{offset:#x}" if offset else "")
    return f"{first:04x}{second:04x}" if isa.is_wide(first) else f"{first:04x}"


def _mnemonic(first: int) -> str:
    """Of B, B<cond> or BL."""
    match isa.kind_of(first):
        case Kind.BRANCH_CONDITIONAL:
            return "b" + _CONDITIONS[first >> 8 & 0xF]
        case Kind.BRANCH:
            return "b"
    return "bl"
