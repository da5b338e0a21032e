"""The call of a function that several verbs make: its arguments and options, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from m0sim.cli.shared import Progress, machine_of, reject_unknown_options

if TYPE_CHECKING:
    from m0sim.chip.cost import Cost
    from m0sim.chip.fault import Fault
    from m0sim.chip.machine import Machine
    from m0sim.chip.operands import Output

Function = Annotated[str, typer.Argument(help="Its name as `m0sim list` shows it, or an address.")]
Arguments = Annotated[list[str] | None, typer.Argument(help="What it is called with, such as 5, @file.bin or out:4K.")]
Result = Annotated[
    str, typer.Option(help="Type of the result: s32, u32, s64, u64, f32, f64, void. Default: as declared, or s32.")
]
Before = Annotated[
    list[str] | None,
    typer.Option(metavar="FUNC", help='Run this first, uncounted: init or "init(1, @file)". May be repeated.'),
]
Stub = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=VALUE[,VALUE...]", help="Replace a function by a return of these in turn. Repeatable."),
]
Register = Annotated[
    list[str] | None,
    typer.Option(metavar="ADDR=VALUE[,VALUE...]", help="Loads from a peripheral's register give these. Repeatable."),
]
Stdout = Annotated[
    list[str] | None,
    typer.Option(metavar="FUNC[:char|:str]", help="Replace a function that prints, and show what. Repeatable."),
]
SourceRoot = Annotated[
    list[Path] | None,
    typer.Option("--source-root", metavar="DIR", help="Source text may be read from this folder, too. Repeatable."),
]
MaxCycles = Annotated[str, typer.Option(metavar="N", help="Fault after this many.")]
MAX_CYCLES = "10000000000"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a call cost, and the fault that ended it if one did."""

    machine: Machine
    cost: Cost
    fault: Fault | None
    outputs: list[Output]


@dataclass(frozen=True, slots=True)
class Typed:
    """The words on the command line that a machine has only the values of."""

    arguments: tuple[str, ...]
    stubs: tuple[str, ...]
    registers: tuple[str, ...]

    def noted(self, cost: Cost) -> Cost:
        """The cost with these words in its provenance."""
        if cost.provenance is None:
            return cost
        noted = replace(cost.provenance, arguments=self.arguments, stubs=self.stubs, registers=self.registers)
        return replace(cost, provenance=noted)


def run(
    command: str,
    image_file: Path,
    function: str,
    args: list[str] | None,
    *,
    profile: str,
    base: str,
    symbols: Path | None = None,
    result: str | None,
    before: list[str] | None,
    stub: list[str] | None,
    register: list[str] | None,
    stdout: list[str] | None,
    max_cycles: str,
    level: str = "cycles",
) -> Outcome:
    """Call a function as the verb `command` was told to; `out:` buffers are written after a call that returned."""
    reject_unknown_options([str(image_file), function, *(args or [])], command)
    from m0sim.chip import accounting, arguments, operands, replies
    from m0sim.chip.fault import Fault

    stubs, registers = replies.stubs(stub or []), replies.registers(register or [])
    machine = machine_of(image_file, base, profile, symbols)
    values, outputs = operands.parse(machine, args or [], function)
    initialisers = [operands.place_call(machine, operands.read_call(text), outputs) for text in before or []]
    typed = Typed(tuple(args or ()), tuple(stub or ()), tuple(register or ()))
    with Progress(machine):
        try:
            cost = machine.call(
                function,
                *values,
                result=arguments.result_type(result) if result else None,
                level=accounting.level_of(level),
                before=initialisers,
                stubs=replies.placed(machine, stubs),
                registers=replies.placed(machine, registers),
                stdout=stdout or [],
                max_cycles=operands.integer(max_cycles),
            )
        except Fault as fault:
            fault.cost = typed.noted(fault.cost)
            return Outcome(machine, fault.cost, fault, outputs)
    for out in outputs:
        out.save()
    return Outcome(machine, typed.noted(cost), None, outputs)


def show_fault(fault: Fault) -> None:
    """Say on stderr what went wrong."""
    from m0sim.report import text

    text.show(text.fault(fault), stderr=True)
