"""The report of ``m0sim run`` for a person."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from m0sim.chip.device import Device
from m0sim.chip.run_cost import Contention, HandlerCost, RunCost
from m0sim.report.figures import Figure
from m0sim.report.flash import lines as flash_lines
from m0sim.report.inlined import Inlining
from m0sim.report.run_figures import figures, handlers_of, stacks_of
from m0sim.report.run_load import LoadTable, is_told
from m0sim.report.text import functions, grid, memory, pairs
from m0sim.report.units import count, share, si

_MAX_UNMODELLED = 10
_MAX_RESETS = 5


def run(
    done: RunCost, device: Device, found: Inlining | None = None, on_second: Inlining | None = None
) -> RenderableType:
    """The report; what the firmware printed was shown as it came. `found`, `on_second`: what was inlined, by core."""
    cost = done.cost
    parts: list[RenderableType] = [
        Text.assemble((cost.function, "bold"), f" on {device.name} ({device.core})"),
        Text(f"ended by {done.exit.reason}: {done.exit.detail}", style="" if done.exit.is_good else "bold red"),
        *_resets(done),
        Text(),
        pairs([_row(figure) for figure in figures(done)]),
        Text(),
        *_cores(done),
        *_load(done),
        memory(cost, device),
        Text(),
        _stacks(done),
    ]
    if handlers_of(done):
        parts += [Text(), _handlers(done)]
    if done.moved:
        parts += [Text(), _moved(done)]
    if done.contention is not None:
        parts += [Text(), _waits(done.contention)]
    if done.pio:
        parts += [Text(), _machines(done)]
    parts += [Text(), functions(cost, found, "function, core 0" if done.cores else "function")]
    parts += [part for core in done.cores[1:] for part in (Text(), functions(core.cost, on_second, "function, core 1"))]
    if cost.flash is not None:
        parts += [Text(), *map(Text, flash_lines(cost.flash))]
    if done.unmodelled:
        parts += [Text(), _unmodelled(done)]
    parts += [Text(f"fault: {line}", style="bold red") for line in done.faults]
    parts += [Text(f"warning: {line}", style="yellow") for line in cost.warnings]
    return Group(*parts)


def _resets(done: RunCost) -> list[Text]:
    """Those on the way, one a line."""
    lines = [Text(f"reset at {si(reset.seconds, 's')}: {reset.reason}") for reset in done.resets[:_MAX_RESETS]]
    left = len(done.resets) - _MAX_RESETS
    return [*lines, Text(f"... and {left} more resets", style="dim")] if left > 0 else lines


def _row(figure: Figure) -> tuple[str, str, str]:
    return figure.label, figure.value, figure.remark


def _cores(done: RunCost) -> list[RenderableType]:
    """How busy each of two was."""
    if not done.cores:
        return []
    table = grid("core", "load", "awake", "asleep", "instructions", "stalls")
    for core in done.cores:
        cost, awake = core.cost, core.cost.cycles - core.sleep_cycles
        figures = map(count, (awake, core.sleep_cycles, cost.instructions, cost.stall_cycles))
        table.add_row(Text(f"core {core.number}"), share(awake, cost.cycles), *figures)
    return [table, Text()]


def _load(done: RunCost) -> list[RenderableType]:
    return [LoadTable(done), Text()] if is_told(done) else []


def _stacks(done: RunCost) -> Table:
    table = grid("stack", "bytes", "from", "down to")
    for stack in stacks_of(done):
        table.add_row(Text(stack.name), count(stack.bytes), f"{stack.top:#010x}", f"{stack.low:#010x}")
    return table


def _handlers(done: RunCost) -> Table:
    table = grid("handler", "number", "entries", "self cycles", "inclusive cycles", "latency: least", "mean", "most")
    for handler in handlers_of(done):
        figures = map(count, (handler.number, handler.entries, handler.self_cycles, handler.inclusive_cycles))
        table.add_row(Text(handler.name), *figures, *_latency(handler))
    return table


def _latency(handler: HandlerCost) -> tuple[str, str, str]:
    latency = handler.latency
    if latency is None:
        return "-", "-", "-"
    held = f" ({latency.held_by})" if latency.held_by else ""
    return count(latency.min), f"{latency.mean:,.1f}", f"{count(latency.max)}{held}"


def _moved(done: RunCost) -> Table:
    table = grid("moved by", "started", "transfers", "read", "written", "cycles: from", "to", "waited", "for", "way")
    for moved in done.moved:
        figures = (moved.sequences, moved.transfers, moved.read_bytes, moved.written_bytes)
        waits = [*moved.waited, *([("other channels", moved.queued)] if moved.queued else [])]
        errors = f", {count(moved.errors)} bus errors" if moved.errors else ""
        table.add_row(
            Text(moved.name + errors),
            *map(count, figures),
            *map(count, (moved.first_cycle, moved.last_cycle)),
            "\n".join(count(cycles) for _, cycles in waits) or "-",
            "\n".join(name for name, _ in waits),
            "\n".join(f"{source} to {target}" for source, target, _ in moved.ways),
        )
    return table


def _waits(contention: Contention) -> RenderableType:
    """Who waited for whom."""
    if not contention.waits:
        accesses = sum(port.accesses for port in contention.ports)
        return Text(f"nobody waited for the bus in {count(accesses)} accesses (an estimate)")
    table = grid("waited for the bus", "at", "cycles", "while it was taken by")
    for wait in contention.waits:
        table.add_row(Text(wait.master), Text(wait.port), count(wait.cycles), Text(wait.against))
    return table


def _machines(done: RunCost) -> Table:
    """Steps are pulses of the machine's divider."""
    table = grid(
        "state machine",
        "enabled",
        "steps",
        "executed",
        "delay",
        "waited",
        "for",
        "words: written",
        "pulled",
        "pushed",
        "read",
    )
    for machine in done.pio:
        lost = machine.written_full + machine.pushed_full
        table.add_row(
            Text(machine.name + (f", {count(lost)} words lost" if lost else "")),
            *map(count, (machine.enabled_cycles, machine.steps, machine.executed, machine.delayed)),
            "\n".join(count(steps) for _, steps in machine.waited) or "-",
            "\n".join(name for name, _ in machine.waited),
            *map(count, (machine.written, machine.pulled, machine.pushed, machine.read)),
        )
    return table


def _unmodelled(done: RunCost) -> RenderableType:
    table = grid("not modelled", "loads", "stores", "first by")
    for use in done.unmodelled[:_MAX_UNMODELLED]:
        table.add_row(f"{use.register} ({use.address:#010x})", count(use.loads), count(use.stores), Text(use.function))
    left = len(done.unmodelled) - _MAX_UNMODELLED
    if left <= 0:
        return table
    return Group(table, Text(f"... and {left} more registers (--json has them all)", style="dim"))
