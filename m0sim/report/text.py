"""Reports for a person: rich tables on a terminal, plain aligned text anywhere else."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator, Sequence

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from m0sim.chip.cost import Cost
from m0sim.chip.device import Device
from m0sim.chip.energy import bounds, described
from m0sim.chip.fault import Fault
from m0sim.image import Image
from m0sim.names import printable_lines
from m0sim.report.figures import figures
from m0sim.report.flash import lines as flash_lines
from m0sim.report.inlined import InlinedCost, Inlining
from m0sim.report.units import count, share

_MAX_FUNCTIONS = 20
_MAX_INLINED = 5
_PLAIN_WIDTH = 1000  # wide enough that nothing is cut or wrapped
_MAX_CALLS = 10


def grid(*columns: str) -> Table:
    """A table without lines: names to the left, numbers to the right."""
    table = Table(box=None, show_header=any(columns), header_style="bold", pad_edge=False, padding=(0, 3, 0, 0))
    for i, heading in enumerate(columns):
        table.add_column(heading, justify="right" if i else "left", no_wrap=True)
    return table


def pairs(rows: Sequence[tuple[str, str, str]]) -> Table:
    """Label, figure, remark."""
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 3, 0, 0))
    table.add_column(justify="left", no_wrap=True)
    table.add_column(justify="right", style="bold", no_wrap=True)
    table.add_column(justify="left", style="dim")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    return table


def call(cost: Cost, profile: Device, found: Inlining | None = None) -> RenderableType:
    """The report of ``m0sim call``; `found` says what of it was inlined."""
    parts: list[RenderableType] = [
        Text.assemble((cost.function, "bold"), f" on {profile.name} ({profile.core}, {profile.clock_hz / 1e6:g} MHz)"),
        Text(),
        pairs([(f.label, f.value, f.remark) for f in figures(cost)]),
        Text(),
        memory(cost, profile),
        Text(),
        functions(cost, found),
    ]
    if cost.traffic:
        parts += [Text(), _traffic(cost)]
    if cost.flash is not None:
        parts += [Text(), *map(Text, flash_lines(cost.flash))]
    if cost.stubs:
        parts += [Text(), Text(f"replaced by a return: {', '.join(cost.stubs)}", style="yellow")]
    if cost.registers:
        parts += [Text(), _registers(cost)]
    if cost.output:
        parts += [Text(), output(cost)]
    parts += [Text(f"warning: {warning}", style="yellow") for warning in cost.warnings]
    return Group(*parts)


def memory(cost: Cost, profile: Device) -> Table:
    use = cost.memory
    reserved = ("reserved",) if use.sram_reserved else ()
    heap = ("heap",) if use.sram_heap else ()
    table = grid("memory", "code", "rodata", "data", "bss", "arguments", "stack", *heap, "total", "of", *reserved)
    flash = [use.flash_code, use.flash_rodata, use.flash_data]
    sram = [use.sram_code, use.sram_rodata, use.sram_data, use.sram_bss, use.sram_arguments, use.sram_stack]
    if heap:
        sram.append(use.sram_heap)
    unused = [""] * (len(sram) - len(flash))
    table.add_row("flash", *map(count, flash), *unused, count(use.flash_total), count(profile.flash_bytes))
    kept = (count(use.sram_reserved),) if reserved else ()
    table.add_row("SRAM", *map(count, sram), count(use.sram_total), count(profile.sram_bytes), *kept)
    return table


def functions(cost: Cost, found: Inlining | None = None, title: str = "function") -> RenderableType:
    """The functions with most self cycles; where code was inlined, below each what its self cycles are made of."""
    has_stalls = cost.stall_cycles > 0
    sources = {} if found is None or found.is_empty else found.functions
    stalls = ("stalls",) if has_stalls else ()
    by_source = ("by source",) if sources else ()
    table = grid(title, "calls", "self cycles", "", *stalls, *by_source, "inclusive cycles", "")
    rows = list(cost.functions.values())
    for f in rows[:_MAX_FUNCTIONS]:
        table.add_row(
            Text(f.name),
            count(f.calls),
            count(f.self_cycles),
            share(f.self_cycles, cost.cycles),
            *([count(f.stall_cycles)] if has_stalls else []),
            *([count(sources[f.name].own_cycles)] if sources else []),
            count(f.inclusive_cycles),
            share(f.inclusive_cycles, cost.cycles),
        )
        for name, cycles, waited in _inlined(sources[f.name].inlined) if sources else ():
            table.add_row(Text(name), "", "", "", *([count(waited)] if has_stalls else []), count(cycles), style="dim")
    if len(rows) <= _MAX_FUNCTIONS:
        return table
    rest = sum(f.self_cycles for f in rows[_MAX_FUNCTIONS:])
    more = f"... and {len(rows) - _MAX_FUNCTIONS} more functions with {count(rest)} self cycles (--json has them all)"
    return Group(table, Text(more, style="dim"))


def _inlined(parts: Sequence[InlinedCost]) -> Iterator[tuple[str, int, int]]:
    """Names, cycles and stalls of the rows below a function."""
    shown, rest = parts[:_MAX_INLINED], parts[_MAX_INLINED:]
    yield from ((f"  {part.label}", part.self_cycles, part.stall_cycles) for part in shown)
    if rest:
        cycles, waited = sum(part.self_cycles for part in rest), sum(part.stall_cycles for part in rest)
        yield f"  {len(rest)} more (inlined)", cycles, waited


def _traffic(cost: Cost) -> Table:
    table = grid("traffic", "loads", "bytes", "stores", "bytes", "touched")
    for t in cost.traffic:
        row = (t.loads, t.bytes_loaded, t.stores, t.bytes_stored, t.bytes_touched)
        table.add_row(Text(t.name), *map(count, row))
    return table


def _registers(cost: Cost) -> Table:
    table = grid("register", "loads", "stores", "last stored")
    for r in cost.registers:
        last = "" if r.last_stored is None else f"{r.last_stored:#x}"
        table.add_row(f"{r.address:#010x}", count(r.loads), count(r.stores), last)
    return table


def output(cost: Cost) -> RenderableType:
    """What the call printed, line by line."""
    lines: list[RenderableType] = [Text("output", style="bold")]
    lines += [Text(f"  {line}") for line in printable_lines(cost.output)]
    if cost.output_dropped:
        lines.append(Text(f"  ... and {count(cost.output_dropped)} bytes more, which are not kept", style="dim"))
    return Group(*lines)


def fault(error: Fault) -> RenderableType:
    """A few lines: what happened and where, the open calls, the registers, and what had run by then."""
    lines: list[RenderableType] = [Text.assemble(("fault: ", "bold red"), f"{error.reason}")]
    lines.append(Text(f"  at {error.address:#010x}, {error.place}"))
    callers = error.call_stack[:0:-1]
    for site in callers[:_MAX_CALLS]:
        lines.append(Text(f"  in {site.place}"))
    if len(callers) > _MAX_CALLS:
        lines.append(Text(f"  ... and {count(len(callers) - _MAX_CALLS)} more open calls (--json has them all)"))
    names = [name for name in error.registers if name != "xpsr"]
    for i in range(0, len(names), 4):
        row = "  ".join(f"{name:>3} {error.registers[name]:08x}" for name in names[i : i + 4])
        lines.append(Text(f"  {row}", style="dim"))
    lines.append(Text(f"  {_program_status(error.registers['xpsr'])}", style="dim"))
    ran = f"{count(error.cost.instructions)} instructions, {count(error.cost.cycles)} cycles"
    lines.append(Text(f"  counted until then: {ran}, {count(error.cost.stack_bytes)} bytes of stack"))
    return Group(*lines)


def _program_status(xpsr: int) -> str:
    """The flags as letters, large where set, and IPSR: DDI 0419, B1.4.2."""
    flags = "".join(
        letter if xpsr >> bit & 1 else letter.lower() for bit, letter in ((31, "N"), (30, "Z"), (29, "C"), (28, "V"))
    )
    number = xpsr & 0x3F
    return f"xpsr {xpsr:08x}  flags {flags}, IPSR {number} ({f'exception {number}' if number else 'Thread mode'})"


def listing(image: Image, *, signatures: bool = False) -> RenderableType:
    """The report of ``m0sim list``."""
    sections = grid("section", "kind", "address", "bytes", "loaded from")
    for s in image.sections:
        loaded = "" if s.load_address in (None, s.address) else f"{s.load_address:#010x}"
        sections.add_row(Text(s.name), s.kind, f"{s.address:#010x}", count(s.size), loaded)
    functions = grid("function", "address", "bytes", *(["signature"] if signatures else []))
    functions.columns[-1].justify = "left" if signatures else "right"
    declared = image.signatures() if signatures else {}
    for f in image.functions:
        signature = [Text(str(declared[f.name] or ""))] if signatures else []
        functions.add_row(Text(f.name), f"{f.address:#010x}", count(f.size), *signature)
    warnings = (Text(f"warning: {warning}", style="yellow") for warning in image.warnings)
    return Group(sections, Text(), functions, *warnings)


def profiles(devices: Sequence[Device]) -> RenderableType:
    """The report of ``m0sim profiles``."""
    table = grid("profile", "core", "MHz", "multiplier", "flash", "SRAM", "energy")
    for d in devices:
        point = None if d.energy is None else d.energy.at(d.clock_hz, "flash")
        energy = "unknown" if point is None else f"{point.current_amperes * 1e3:.3g} mA"
        multiplier = f"{d.multiplier_cycles} cycle" + "s" * (d.multiplier_cycles > 1)
        mhz = f"{d.clock_hz / 1e6:g}"
        table.add_row(d.name, d.core, mhz, multiplier, count(d.flash_bytes), count(d.sram_bytes), energy)
    return table


def profile(device: Device) -> RenderableType:
    """The report of ``m0sim profiles NAME``."""
    rows = [
        ("core", device.core),
        ("multiplier", f"{device.multiplier_cycles} cycle(s)"),
        ("clock", f"{device.clock_hz / 1e6:g} MHz"),
        ("zero wait states", device.zero_wait or "not said"),
        *(_currents(device) or [("energy", "unknown: no current with a source")]),
        *_flash_waits(device),
    ]
    rows += [(r.name, f"{r.kind} {r.base:#010x}, {count(r.size)} bytes") for r in device.regions]
    rows += [(f"{a.of} again", f"at {a.base:#010x}") for a in device.aliases]
    if device.io_port is not None:
        rows.append(("I/O port", f"{device.io_port.base:#010x}, single-cycle"))
    for bus in device.buses:
        rows.append(
            (f"bus {bus.name}".rstrip(), f"{bus.base:#010x}, reads {bus.read_cycles}, writes {bus.write_cycles} cycles")
        )
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 3, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column()
    for label, value in rows:
        table.add_row(Text(label), Text(value))
    return Group(Text(f"{device.name}: {device.description}", style="bold"), Padding(table, (0, 0, 0, 2)))


def _currents(device: Device) -> list[tuple[str, str]]:
    points = () if device.energy is None else device.energy.points
    lines = ["; ".join(filter(None, (f"{p.clock_hz / 1e6:g} MHz: {described(p)}", bounds(p)))) for p in points]
    return [("" if i else "energy", line) for i, line in enumerate(lines)]


def _flash_waits(device: Device) -> list[tuple[str, str]]:
    timing = device.flash_timing
    if timing is None:
        return []
    waits = ", ".join(f"{row.cycles} up to {row.up_to_hz / 1e6:g} MHz" for row in timing.rows)
    known = "exact" if timing.is_described_exactly else "what overlaps is an estimate"
    return [("flash wait states", f"{waits}; {known}"), ("", timing.source)]


def show(report: RenderableType, *, stderr: bool = False) -> None:
    """Print a report: styled on a terminal; elsewhere plain, unwrapped and without trailing blanks.

    rich leaves colours out where NO_COLOR is set.
    """
    console = Console(stderr=stderr, highlight=False)
    if console.is_terminal:
        console.print(report)
        return
    text = io.StringIO()
    Console(file=text, highlight=False, width=_PLAIN_WIDTH, color_system=None).print(report)
    lines = text.getvalue().splitlines()
    print("\n".join(line.rstrip() for line in lines), file=sys.stderr if stderr else sys.stdout)
