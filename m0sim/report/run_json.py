"""The JSON object of ``m0sim run``: docs/json.md. The names are fixed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from m0sim.chip.devices.moved import Moved
from m0sim.chip.run_cost import (
    Contention,
    CoreCost,
    HandlerCost,
    LoadOverTime,
    MachineCost,
    RunCost,
    StackOverTime,
    StackUse,
)
from m0sim.report import cost_json, flash
from m0sim.report.inlined import Inlining

_OF_A_CALL = ("function", "result", "result_type", "fault", "stubs", "registers", "output", "output_dropped")


def run(
    done: RunCost, notes: Sequence[str] = (), found: Inlining | None = None, on_second: Inlining | None = None
) -> dict[str, Any]:
    """The object that ``m0sim run --json`` prints; `found` and `on_second` are what was inlined, by core."""
    whole = cost_json.call(done.cost, notes=notes, found=found)
    cost = {key: value for key, value in whole.items() if key not in _OF_A_CALL}
    return cost | {
        "seconds": done.seconds,
        "exit": {"reason": done.exit.reason, "code": done.exit.code, "detail": done.exit.detail},
        "output": done.output,
        "outputs": [{"source": p.source, "text": p.data.decode("utf-8", "replace")} for p in done.printed],
        "first_output_cycle": done.first_output_cycle,
        "handlers": [_handler(handler) for handler in done.handlers],
        "sleep_cycles": done.sleep_cycles,
        "stack": _stacks(done.stacks),
        "flash": None if done.cost.flash is None else flash.as_object(done.cost.flash),
        "heap": [asdict(size) for size in done.heap],
        "clocks": [asdict(clock) for clock in done.clocks],
        "unmodelled": [asdict(use) for use in done.unmodelled],
        "resets": [asdict(reset) for reset in done.resets],
        "load": _load(done.load),
        "stack_over_time": None if done.stack_over_time is None else _stack_over_time(done.stack_over_time),
        "moved": [_moved(each) for each in done.moved],
        "contention": None if done.contention is None else _contention(done.contention),
        "pio": [_machine(each) for each in done.pio],
        "faults": list(done.faults),
        "missed": list(done.missed),
        **(
            {"cores": [_core(core, known) for core, known in zip(done.cores, (found, on_second), strict=True)]}
            if done.cores
            else {}
        ),
    }


def _core(core: CoreCost, found: Inlining | None) -> dict[str, Any]:
    cost = core.cost
    return {
        "core": core.number,
        "cycles": cost.cycles,
        "sleep_cycles": core.sleep_cycles,
        "overhead_cycles": core.overhead_cycles,
        "load": core.load,
        "instructions": cost.instructions,
        "stall_cycles": cost.stall_cycles,
        "loads": cost.loads,
        "stores": cost.stores,
        "functions": cost_json.functions(cost, found),
        "handlers": [_handler(handler) for handler in core.handlers],
        "stack": _stacks(core.stacks),
    }


def _stacks(stacks: Sequence[StackUse]) -> dict[str, Any]:
    msp, *tasks = stacks
    return {"msp": _stack(msp), "psp": [_stack(task) for task in tasks]}


def _handler(handler: HandlerCost) -> dict[str, Any]:
    return asdict(handler)


def _stack_over_time(found: StackOverTime) -> dict[str, Any]:
    cores = [{"core": number, "bytes": marks} for number, marks in enumerate(found.cores)]
    return {"begin": found.begin, "bucket_cycles": found.bucket_cycles, "cores": cores}


def _load(load: LoadOverTime) -> dict[str, Any]:
    cores = [{"core": core.number, "busy": core.busy, "handlers": core.handlers} for core in load.cores]
    return {"bucket_cycles": load.bucket_cycles, "cores": cores}


def _moved(moved: Moved) -> dict[str, Any]:
    return asdict(moved) | {
        "waited": [{"name": name, "cycles": cycles} for name, cycles in moved.waited],
        "started": [{"by": by, "times": times} for by, times in moved.started],
        "ways": [{"source": source, "target": target, "bytes": size} for source, target, size in moved.ways],
    }


def _contention(contention: Contention) -> dict[str, Any]:
    return {
        "waits": [asdict(wait) for wait in contention.waits],
        "ports": [asdict(port) for port in contention.ports],
    }


def _machine(machine: MachineCost) -> dict[str, Any]:
    return asdict(machine) | {"waited": [{"name": name, "steps": steps} for name, steps in machine.waited]}


def _stack(stack: StackUse) -> dict[str, Any]:
    return asdict(stack) | {"bytes": stack.bytes}
