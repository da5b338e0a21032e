"""One call on both engines: whether they agree in all that is counted, returned and left in memory."""

from __future__ import annotations

from dataclasses import fields

import numpy as np

from m0sim.chip.cost import Cost
from m0sim.chip.machine import Machine


def engine_of(cost: Cost) -> str:
    """What executed a call: ``unicorn`` or ``timed``."""
    return "" if cost.provenance is None else cost.provenance.engine


def difference(cost: Cost, machine: Machine, other: Cost, its: Machine) -> str:
    """What differs, in one line; empty where nothing does. Both machines are as the calls left them."""
    names = f"on {engine_of(cost)}", f"on {engine_of(other)}"
    for field in fields(Cost):
        ours, theirs = getattr(cost, field.name), getattr(other, field.name)
        if not field.compare or ours == theirs or (ours != ours and theirs != theirs):  # nan is not itself
            continue
        if isinstance(ours, int):
            return f"{field.name}: {ours:,} {names[0]}, {theirs:,} {names[1]}"
        if field.name == "result":
            return f"result: {cost.result_text} {names[0]}, {other.result_text} {names[1]}"
        return f"{field.name} {names[0]} are not those {names[1]}"
    for bank, its_bank in zip(machine.space.banks, its.space.banks, strict=True):
        if not np.array_equal(bank.data, its_bank.data):
            at = bank.base + int(np.flatnonzero(bank.data != its_bank.data)[0])
            return f"memory at {at:#010x}: {_byte(machine, at)} {names[0]}, {_byte(its, at)} {names[1]}"
    return ""


def _byte(machine: Machine, address: int) -> str:
    return f"{int(machine.read(address, 1)[0]):#04x}"
