"""Exact cost of Cortex-M0+ code: cycles, instructions, memory traffic, stack, SRAM and energy.

    from m0sim import Machine
    machine = Machine.from_elf("firmware.elf", profile="rp2040")
    cost = machine.call("dot_s8", machine.alloc(a), machine.alloc(b), 1000)

Names are imported when first used: ``import m0sim`` alone is cheap.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from m0sim.chip.arguments import f32, f64, i64, u64
    from m0sim.chip.buffer import Buffer
    from m0sim.chip.cost import Cost, FunctionCost
    from m0sim.chip.fault import Fault, Interrupted
    from m0sim.chip.firmware import Firmware
    from m0sim.chip.machine import Machine
    from m0sim.chip.run_cost import RunCost
    from m0sim.errors import M0simError, UsageError

__all__ = [
    "Buffer",
    "Cost",
    "Fault",
    "Firmware",
    "FunctionCost",
    "Interrupted",
    "M0simError",
    "Machine",
    "RunCost",
    "UsageError",
    "f32",
    "f64",
    "i64",
    "u64",
]
__version__ = "0.1.0"

_HOMES = {
    "Buffer": "chip.buffer",
    "Cost": "chip.cost",
    "Fault": "chip.fault",
    "Firmware": "chip.firmware",
    "FunctionCost": "chip.cost",
    "Interrupted": "chip.fault",
    "M0simError": "errors",
    "Machine": "chip.machine",
    "RunCost": "chip.run_cost",
    "UsageError": "errors",
    "f32": "chip.arguments",
    "f64": "chip.arguments",
    "i64": "chip.arguments",
    "u64": "chip.arguments",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'm0sim' has no attribute {name!r}")
    return getattr(import_module(f"m0sim.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
