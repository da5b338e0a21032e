"""The call of a function that several verbs make: its arguments and options, and what came of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from m0sim.cli import options, voice
from m0sim.cli.options import PATH
from m0sim.cli.shared import Progress, integer_of, machine_of
from m0sim.names import printable

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from m0sim.chip.cost import Cost
    from m0sim.chip.engine.held import Debugger
    from m0sim.chip.fault import Fault
    from m0sim.chip.machine import Machine
    from m0sim.chip.operands import Output

_NUMBER = re.compile(r"-\d")
_STARTUP = "--startup"
_MARK = "\0"
"""Put before a negative number, so that the parser finds no options in it. No word on a command line has a NUL."""


class CallCommand(click.Command):
    """A verb that calls a function: words such as -5, -0x10 and -0o17 are arguments, never options."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        rest = super().parse_args(ctx, [_plain(word) for word in args])
        ctx.params = {name: _unmarked(value) for name, value in ctx.params.items()}
        return rest


def _plain(word: str) -> str:
    """A word as the parser can take it. ``--startup`` alone has its usual value, and not the word behind it."""
    if word == _STARTUP:
        return f"{_STARTUP}=main"
    return _MARK + word if _NUMBER.match(word) else word


def _unmarked(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(map(_unmarked, value))
    if isinstance(value, str):
        return value.removeprefix(_MARK)
    return Path(_unmarked(str(value))) if isinstance(value, Path) else value


@dataclass(frozen=True, slots=True)
class Asked:
    """What was typed of a call: the fields are the parameters that `asked` gives to a verb."""

    image_file: Path
    function: str
    args: tuple[str, ...]
    profile: str
    clock: str | None
    base: str | None
    symbols: Path | None
    bootrom: Path | None
    result: str | None
    startup: str | None
    before: tuple[str, ...]
    stub: tuple[str, ...]
    register: tuple[str, ...]
    stdout: tuple[str, ...]
    max_cycles: str
    flash: str
    engine: str | None

    def noted(self, cost: Cost) -> Cost:
        """The cost with these words in its provenance: a machine has only the values of them."""
        if cost.provenance is None:
            return cost
        noted = replace(cost.provenance, arguments=self.args, stubs=self.stub, registers=self.register)
        return replace(cost, provenance=noted)


def _files(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from click.shell_completion import CompletionItem

    return [CompletionItem(incomplete, type="file")]


_PREPARATION = (
    click.option(
        "--result",
        metavar="TYPE",
        help="Type of the result: s32, u32, s64, u64, f32, f64, void. Default: as declared, or s32.",
    ),
    click.option(
        _STARTUP,
        metavar="[=SYMBOL]",
        help="Run the image's own start-up code first, uncounted: from reset to main, or to SYMBOL.",
    ),
    click.option(
        "--before",
        multiple=True,
        metavar="FUNC",
        help='Run this first, uncounted: init or "init(1, @file)". May be repeated.',
    ),
    click.option(
        "--stub",
        multiple=True,
        metavar="NAME=VALUE[,VALUE...]",
        help="Replace a function by a return of these in turn. Repeatable.",
    ),
    click.option(
        "--register",
        multiple=True,
        metavar="ADDR=VALUE[,VALUE...]",
        help="Loads from a peripheral's register give these. Repeatable.",
    ),
    click.option(
        "--stdout",
        multiple=True,
        metavar="FUNC[:char|:str]",
        help="Replace a function that prints, and show what. Repeatable.",
    ),
    click.option("--max-cycles", metavar="N", default="10000000000", help="Fault after this many."),
)
"""What is done before a call and around it."""
_ASKED = (
    options.image_file,
    click.argument("function", metavar="FUNCTION", help="Its name as `m0sim list` shows it, or an address."),
    click.argument(
        "args", nargs=-1, shell_complete=_files, help="What it is called with, such as 5, @file.bin or out:4K."
    ),
    options.profile,
    options.clock,
    *_PREPARATION,
    options.flash,
    options.engine,
    options.base,
    options.symbols,
    options.bootrom,
)


def asked(verb: Callable[..., None]) -> Callable[..., None]:
    """The arguments and options of a call, for a verb that makes an `Asked` of them."""
    return _decorated(verb, _ASKED)


def preparation(verb: Callable[..., None]) -> Callable[..., None]:
    """Those of the options that say what is done before a call and around it."""
    return _decorated(verb, _PREPARATION)


def _decorated(verb: Callable[..., None], decorators: Sequence[options.Decorator]) -> Callable[..., None]:
    for decorate in reversed(decorators):
        verb = decorate(verb)
    return verb


source_root = click.option(
    "--source-root",
    metavar="DIR",
    type=PATH,
    multiple=True,
    help="Source text may be read from this folder, too. Repeatable.",
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a call cost, and the fault that ended it if one did."""

    machine: Machine
    cost: Cost
    fault: Fault | None
    outputs: list[Output]


def run(
    asked: Asked,
    level: str = "cycles",
    fail_on: Sequence[str] = (),
    *,
    flash_report: bool = False,
    debugger: Debugger | None = None,
) -> Outcome:
    """Call a function as the user asked; `out:` buffers are written after a call that returned.

    `flash_report` and `debugger` are as for `Machine.call`.
    """
    from m0sim.chip import arguments, operands, replies
    from m0sim.chip.fault import Fault
    from m0sim.chip.options import engine_of, flash_model_of, level_of

    stubs, registers = replies.stubs(asked.stub), replies.registers(asked.register)
    machine = machine_of(asked.image_file, asked.base, asked.profile, asked.symbols, asked.clock, bootrom=asked.bootrom)
    if asked.startup:
        with Progress(machine):
            machine.start_up(asked.startup)  # before buffers are there: they keep clear of what it took
    values, outputs = operands.parse(machine, list(asked.args), asked.function)
    if asked.args:
        _say_unchecked(machine, asked.function)
    initialisers = [operands.place_call(machine, operands.read_call(text), outputs) for text in asked.before]
    with Progress(machine):
        try:
            cost = machine.call(
                asked.function,
                *values,
                result=arguments.result_type(asked.result) if asked.result else None,
                level=level_of(level),
                fail_on=fail_on,
                before=initialisers,
                stubs=replies.placed(machine, stubs),
                registers=replies.placed(machine, registers),
                stdout=asked.stdout,
                max_cycles=integer_of("--max-cycles", asked.max_cycles),
                engine=None if asked.engine is None else engine_of(asked.engine),
                flash=flash_model_of(asked.flash),
                flash_report=flash_report,
                startup=asked.startup or False,
                debugger=debugger,
            )
        except Fault as fault:
            fault.cost = asked.noted(fault.cost)
            _say_engine(fault.cost)
            return Outcome(machine, fault.cost, fault, outputs)
    _say_engine(cost)
    for out in outputs:
        out.save()
        if out.path is not None:
            voice.detail(f"written: {out.path}, {out.buffer.size:,} bytes")
    return Outcome(machine, asked.noted(cost), None, outputs)


def _say_unchecked(machine: Machine, name: str) -> None:
    """Too many or too few arguments are no error where no debug information tells. Lines of assembly tell of none."""
    if machine.signature(name) is None and machine.program.source_line(machine.symbol(name).address) is None:
        voice.note(f"note: {printable(name)} has no debug information (-g): its arguments are not checked")


def _say_engine(cost: Cost) -> None:
    if cost.provenance is not None:
        voice.detail(
            f"{cost.function} on engine {cost.provenance.engine}, level {cost.level}, flash {cost.flash_model}"
        )


def show_fault(fault: Fault) -> None:
    """Say on stderr what went wrong."""
    from m0sim.report import text

    text.show(text.fault(fault), stderr=True)
