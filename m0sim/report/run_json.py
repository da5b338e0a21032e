"""The JSON object of ``m0sim run``: docs/json.md. The names are fixed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from m0sim.chip.devices.moved import Moved
from m0sim.chip.run_cost import HandlerCost, RunCost, StackUse
from m0sim.report import cost_json, flash
from m0sim.report.inlined import Inlining

_OF_A_CALL = ("function", "result", "result_type", "fault", "stubs", "registers", "output", "output_dropped")


def run(done: RunCost, notes: Sequence[str] = (), found: Inlining | None = None) -> dict[str, Any]:
    """The object that ``m0sim run --json`` prints."""
    whole = cost_json.call(done.cost, notes=notes, found=found)
    cost = {key: value for key, value in whole.items() if key not in _OF_A_CALL}
    msp, *tasks = done.stacks
    return cost | {
        "seconds": done.seconds,
        "exit": {"reason": done.exit.reason, "code": done.exit.code, "detail": done.exit.detail},
        "output": done.output,
        "outputs": [{"source": p.source, "text": p.data.decode("utf-8", "replace")} for p in done.printed],
        "first_output_cycle": done.first_output_cycle,
        "handlers": [_handler(handler) for handler in done.handlers],
        "sleep_cycles": done.sleep_cycles,
        "stack": {"msp": _stack(msp), "psp": [_stack(task) for task in tasks]},
        "flash": None if done.cost.flash is None else flash.as_object(done.cost.flash),
        "heap": [asdict(size) for size in done.heap],
        "clocks": [asdict(clock) for clock in done.clocks],
        "unmodelled": [asdict(use) for use in done.unmodelled],
        "resets": [asdict(reset) for reset in done.resets],
        "moved": [_moved(each) for each in done.moved],
        "faults": list(done.faults),
        "missed": list(done.missed),
    }


def _handler(handler: HandlerCost) -> dict[str, Any]:
    return asdict(handler)


def _moved(moved: Moved) -> dict[str, Any]:
    return asdict(moved) | {"waited": [{"name": name, "cycles": cycles} for name, cycles in moved.waited]}


def _stack(stack: StackUse) -> dict[str, Any]:
    return asdict(stack) | {"bytes": stack.bytes}
