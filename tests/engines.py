"""One call on either engine, and all that can be seen of it: tests compare the engines by it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import fields
from typing import Any
from unittest import mock

from unicorn.arm_const import UC_ARM_REG_CONTROL, UC_ARM_REG_MSP, UC_ARM_REG_PRIMASK, UC_ARM_REG_PSP

import m0sim.chip.engine.flash_runs
import m0sim.chip.machine
from m0sim import Cost, Fault, Machine
from m0sim.chip.engine.interpreter import Interpreter

FORMS = ("unicorn", "fast", "simple")
"""Unicorn, and the two forms of the timed engine."""
TIMED = FORMS[1:]
_SPECIAL = {
    "primask": UC_ARM_REG_PRIMASK,
    "control": UC_ARM_REG_CONTROL,
    "msp": UC_ARM_REG_MSP,
    "psp": UC_ARM_REG_PSP,
}
_COUNTED = tuple(field.name for field in fields(Cost) if field.compare)


def simple_form() -> Any:
    """While this is active, the timed engine executes one instruction after the other, whoever makes its runs."""
    begin = Interpreter.begin

    def begin_simple(interpreter: Interpreter, *given: Any, **options: Any) -> None:
        begin(interpreter, *given, **options | {"is_simple": True})

    return mock.patch.object(Interpreter, "begin", begin_simple)


@contextmanager
def default_engine(form: str) -> Iterator[None]:
    """While this is active, calls that name no engine run on that one."""
    if form == "unicorn":
        yield
        return
    chosen = m0sim.chip.machine.chosen_engine
    with (
        mock.patch.object(m0sim.chip.machine, "chosen_engine", lambda text, *rest: chosen(text or "timed", *rest)),
        simple_form() if form == "simple" else nullcontext(),
    ):
        yield


def seen(machine: Machine, form: str, *request: Any, **options: Any) -> dict[str, Any]:
    """Everything that a call in that form shows: its cost or fault, registers, flags and memory behind it."""
    with default_engine(form):
        try:
            # Named: where no engine is, some requests choose one, and it would be compared with itself.
            engine = "unicorn" if form == "unicorn" else "timed"
            cost = machine.call(*request, engine=engine, **options)
            cpu = machine._emulator if form == "unicorn" else machine.interpreter
            found = {"core registers": cpu.registers(), "flags": cpu.flags()}
        except Fault as fault:
            cost = fault.cost
            found = {"kind": fault.kind, "reason": fault.reason, "address": fault.address, "place": fault.place}
            found |= {"core registers": fault.registers, "call stack": fault.call_stack}
    found |= {name: getattr(cost, name) for name in _COUNTED}
    found |= {name: machine._emulator.uc.reg_read(number) for name, number in _SPECIAL.items()}
    found |= {f"bank {i}": bytes(bank.data) for i, bank in enumerate(machine.space.banks) if bank.kind == "sram"}
    port = machine.counters.core.port
    if port.size:
        divider = {name: getattr(port.divider, name) for name, _ in port.divider._fields_}
        found |= {"port": bytes(machine.counters.tables["words"]), "divider": divider}
    return found


def different(expected: dict[str, Any], found: dict[str, Any], *, but: tuple[str, ...] = ()) -> dict[str, Any]:
    """What differs of two calls."""
    names = sorted((expected.keys() | found.keys()) - set(but))
    nothing = object()
    pairs = {name: (expected.get(name, nothing), found.get(name, nothing)) for name in names}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
