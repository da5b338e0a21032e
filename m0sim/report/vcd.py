"""Pins over time as a value change dump, for GTKWave, PulseView and the like: IEEE 1364-2005, 18."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from heapq import merge

from m0sim.chip.run_cost import MachineStep, PinChange

_FIRST = 33  # identifiers are of the characters from '!' on
_PINS = 32
_PC_BITS = 5


@dataclass(frozen=True, slots=True)
class _Signal:
    """One variable of the dump."""

    identifier: str
    declaration: str
    idle: str
    """Its value while nothing drives it, as the dump has it."""


def vcd(pins: Sequence[PinChange], steps: Sequence[MachineStep] = (), *, name: str = "chip") -> str:
    """The dump, in nanoseconds: every pin that was ever driven, ``z`` while it is not driven.

    `steps` adds the program counter of each state machine of PIO that ran, ``x`` while it is not enabled.
    """
    used = 0
    for change in pins:
        used |= change.driven
    signals = {n: _pin(n) for n in range(_PINS) if used >> n & 1}
    machines = {machine: _machine(i, machine) for i, machine in enumerate(sorted({step.machine for step in steps}))}
    heads = [*signals.values(), *machines.values()]
    changes = merge(_of_pins(pins, signals), _of_machines(steps, machines), key=lambda change: change[0])
    return "\n".join(_lines(heads, changes, name)) + "\n"


def _pin(number: int) -> _Signal:
    identifier = chr(_FIRST + number)
    return _Signal(identifier, f"wire 1 {identifier} gpio{number}", f"z{identifier}")


def _machine(number: int, name: str) -> _Signal:
    identifier = chr(_FIRST + _PINS + number)
    variable = f"{name.lower().replace(' ', '_')}_pc"
    return _Signal(identifier, f"reg {_PC_BITS} {identifier} {variable}", f"bx {identifier}")


def _of_pins(pins: Sequence[PinChange], signals: dict[int, _Signal]) -> Iterator[tuple[float, list[str]]]:
    levels = dict.fromkeys(signals, "z")
    for change in pins:
        moved = {n: level for n in signals if (level := _level(change, n)) != levels[n]}
        levels |= moved
        yield change.seconds, [f"{level}{signals[n].identifier}" for n, level in moved.items()]


def _of_machines(steps: Sequence[MachineStep], signals: dict[str, _Signal]) -> Iterator[tuple[float, list[str]]]:
    for step in steps:
        signal = signals[step.machine]
        yield step.seconds, [signal.idle if step.pc is None else f"b{step.pc:b} {signal.identifier}"]


def _lines(signals: Sequence[_Signal], changes: Iterator[tuple[float, list[str]]], name: str) -> Iterator[str]:
    yield "$timescale 1 ns $end"
    yield f"$scope module {name.replace(' ', '_')} $end"
    yield from (f"$var {signal.declaration} $end" for signal in signals)
    yield "$upscope $end"
    yield "$enddefinitions $end"
    yield "#0"
    yield "$dumpvars"
    yield from (signal.idle for signal in signals)
    yield "$end"
    written = 0
    for seconds, values in changes:
        at = round(seconds * 1e9)
        if values and at != written:
            yield f"#{at}"
            written = at
        yield from values


def _level(change: PinChange, number: int) -> str:
    return "z" if not change.driven >> number & 1 else str(change.out >> number & 1)
