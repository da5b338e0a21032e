"""A first ``m0sim.toml`` for an image: which of its functions look worth a bench, and what they could be called with.

What only its author knows, such as data that a pointer leads to, is not guessed: such a bench is written as a comment
that wants its operands. One whose arguments are plain numbers is tried, and stands if it returns.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import get_args

from m0sim.chip import operands
from m0sim.chip.arguments import ResultType
from m0sim.chip.fault import Fault
from m0sim.chip.machine import Machine
from m0sim.errors import UsageError
from m0sim.image.signatures import Kind, Signature, Type
from m0sim.image.symbols import Symbol

MOST = 12
"""Benches of a first manifest: the largest functions. More are easier to copy than to delete."""
_TRY_CYCLES = 1_000_000
_COUNT = re.compile(r"(?:^|_)(?:n|k|len|length|size|count|num|samples|bytes|words|width|height|rows|cols)\w*$", re.I)
_NOT_OURS = re.compile(
    r"_|.*_(?:irq)?handler$|isr_|main$|reset|systeminit|hardfault|exit$|abort$|atexit$|init_array"
    r"|mem(?:cpy|set|move|cmp|chr)\w*$|str[a-z]{2,5}$|[sv]{0,2}n?f?i?printf$|puts$|putchar$|f?scanf$"
    r"|(?:m|c|re)alloc$|free$|qsort$|bsearch$|ato[ifl]$|strto\w+$|rand$|srand$|time$",
    re.IGNORECASE,
)
"""Names of start-up code, handlers and the C library: what begins with an underscore is the implementation's."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A bench for one function."""

    function: str
    declared: str
    """As C has it; empty where the debug information does not tell."""
    args: tuple[int | str, ...]
    result: ResultType | None
    """None for a type that a manifest cannot say: what r0 has as s32."""
    missing: str
    """Why it is a comment yet, in words; empty for one that runs."""
    returned: int | float | None = None
    """What it returned when it was tried."""


def proposals(machine: Machine) -> tuple[Proposal, ...]:
    """Benches for the functions of the machine's image, by address; those that can be are tried on it."""
    image = machine.image
    declared = image.signatures()
    own = [f for f in image.functions if f.is_global and f.name.isprintable() and not _NOT_OURS.match(f.name)]
    if any(declared.get(f.name) is not None for f in own):  # then what has no debug information is a library's
        own = [f for f in own if declared.get(f.name) is not None]
    largest = sorted(own, key=lambda f: (-f.size, f.address))[:MOST]
    return tuple(_proposal(machine, f, declared.get(f.name)) for f in sorted(largest, key=lambda f: f.address))


def _proposal(machine: Machine, function: Symbol, declared: Signature | None) -> Proposal:
    if declared is None:
        return Proposal(function.name, "", (), None, "its arguments, which no debug information tells")
    args = tuple(_guess(parameter.name, parameter.type) for parameter in declared.parameters)
    made = Proposal(function.name, str(declared), args, _result(declared.result), _missing(declared))
    return made if made.missing else _tried(machine, made)


def _missing(declared: Signature) -> str:
    """What of a function's arguments only a person knows; empty where numbers will do."""
    kinds = {kind: [p.name or "?" for p in declared.parameters if p.type.kind == kind] for kind in get_args(Kind)}
    wanted = []
    if kinds["pointer"]:
        names = ", ".join(kinds["pointer"])
        wanted.append(f"what {names} should point to (out:N are N zeros, @FILE is what a file has)")
    if others := [*kinds["struct"], *kinds["array"], *kinds["unknown"]]:
        wanted.append(f"a value for {', '.join(others)}")
    if declared.is_variadic:
        wanted.append("what follows in the place of ...")
    if declared.has_hidden_result:
        wanted.append("how to take its result, a struct")
    return "; ".join(wanted)


def _guess(name: str, type_: Type) -> int | str:
    """An argument for a parameter, as `m0sim call` has them."""
    number = 16 if _COUNT.search(name) else 1
    if type_.kind in ("signed", "unsigned", "bool") and type_.size <= 8:
        wide = "i64" if type_.kind == "signed" else "u64"
        return number if type_.size <= 4 else f"{wide}:{number}"
    if type_.kind == "float" and type_.size in (4, 8):
        return f"f{8 * type_.size}:1.5"
    if type_.kind == "pointer":
        return f"out:{max(64, 0 if type_.target is None else type_.target.size)}"
    return 0


def _result(type_: Type) -> ResultType | None:
    if type_.kind == "void":
        return "void"
    if type_.kind == "float":
        return "f32" if type_.size == 4 else "f64"
    wide = type_.size == 8
    if type_.kind == "signed":
        return "s64" if wide else "s32"
    if type_.kind in ("unsigned", "bool", "pointer"):
        return "u64" if wide else "u32"
    return None


def _tried(machine: Machine, made: Proposal) -> Proposal:
    """The same with what it returned, or with why it did not."""
    try:
        values, _ = operands.parse(machine, [str(argument) for argument in made.args], made.function)
        cost = machine.call(made.function, *values, result=made.result or "s32", max_cycles=_TRY_CYCLES)
    except Fault as fault:
        return replace(made, missing=f"other arguments, or registers and stubs: these end in a fault ({fault.reason})")
    except UsageError as error:
        return replace(made, missing=f"other arguments: {error}")
    returned = cost.result if isinstance(cost.result, int | float) else None
    return replace(made, returned=returned)


def text(found: Sequence[Proposal], settings: Sequence[tuple[str, str | int]]) -> str:
    """The manifest: keys for all benches, such as ``image``, then the benches, those that are not ready as comments."""
    lines = [
        "# What `m0sim check` measures; docs/check.md has every key. `m0sim check --update` stores what it costs",
        "# now in the baseline beside this file: from then on `m0sim check` fails where it costs more.",
        *(f"{key} = {_value(value)}" for key, value in settings),
        '# build = "make"          # run before measuring',
        '# tolerance = "1%"        # how far cycles may rise above the baseline; 0% where nothing is said',
    ]
    for each in found:
        lines += ["", *_bench(each)]
    return "\n".join(lines) + "\n"


def _bench(made: Proposal) -> list[str]:
    head = [f"# {made.declared}"] if made.declared else []
    if made.missing:
        head.append(f"# It wants {' '.join(made.missing.split())}:")
    body = ["[[bench]]", f"name = {_value(made.function)}", f"function = {_value(made.function)}"]
    if made.args or made.missing:
        body.append(f"args = [{', '.join(map(_value, made.args))}]")
    if made.result not in (None, "s32"):
        body.append(f"result = {_value(made.result or '')}")
    if any(isinstance(argument, str) and argument.startswith("out:") for argument in made.args):
        # A length that is more than the buffer has is the mistake of who writes operands: its cycles would look right.
        body.append('fail_on = ["outside"]')
    if made.missing:
        return [*head, *(f"# {line}" for line in body)]
    if made.returned is not None:
        body.append(f"# expect = {_number(made.returned)}")
    return [*head, *body]


def _number(value: int | float) -> str:
    """As TOML has it, where ``nan`` and ``inf`` are numbers."""
    return repr(value)


def _value(value: str | int) -> str:
    """A basic string of TOML has JSON's escapes, and may not have DEL as it is."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f") if isinstance(value, str) else str(value)
