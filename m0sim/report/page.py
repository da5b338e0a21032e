"""The HTML report of one call: a single file that opens without a network, and reads without its script."""

from __future__ import annotations

from dataclasses import dataclass

from m0sim.chip.cost import Cost
from m0sim.chip.fault import Fault
from m0sim.chip.firmware import Firmware
from m0sim.chip.machine import Machine
from m0sim.chip.run_cost import RunCost
from m0sim.image import Image
from m0sim.names import printable_lines
from m0sim.report import annotate_data, flash, run_load, run_memory
from m0sim.report.annotate import listing
from m0sim.report.annotate_data import Listing
from m0sim.report.figures import Figure, figures
from m0sim.report.inlined import inlining, stacks
from m0sim.report.page_flame import FlameGraph, flame_graph
from m0sim.report.page_memory import MemoryMap, memory_maps, stack_room
from m0sim.report.page_source import SourceView, source_view
from m0sim.report.page_template import render
from m0sim.report.run_figures import figures as figures_of_run
from m0sim.report.run_figures import handlers_of, stacks_of
from m0sim.report.sources import Sources
from m0sim.report.units import size_exactly

_NARROWEST_PART = 4.0  # of 1,000: what is smaller is drawn that wide, or nobody would see it


@dataclass(frozen=True, slots=True)
class _Bar:
    """A part of a memory as it is drawn: `left` and `width` of 1,000."""

    kind: str
    left: float
    width: float
    title: str


@dataclass(frozen=True, slots=True)
class _Code:
    """What a core ran, and where."""

    cost: Cost
    listing: Listing
    views: dict[str, SourceView]
    """Lines of the source beside the instructions, by function."""
    flame: FlameGraph


def page(
    cost: Cost,
    machine: Machine | Firmware,
    *,
    fault: Fault | None = None,
    sources: Sources | None = None,
    run: RunCost | None = None,
    command: str = "",
) -> str:
    """The report of a call, or of a whole run whose cost it is. The same run gives the same bytes.

    `sources` says which source text may be read, as for `annotate.listing`; `command` is what makes the cost again.
    """
    sources = sources or Sources(machine.program.path)
    listed = listing(cost, machine.program, fault=fault, sources=sources)
    maps = memory_maps(cost, machine)
    found = inlining(cost, machine.program)
    with_inlined = stacks(cost, found)
    views = {function.name: source_view(function, sources) for function in listed.functions}
    code = _Code(cost, listed, views, flame_graph(with_inlined.tree))
    second = _second_core(run, machine.program, sources) if run is not None and run.cores else None
    return render(
        "call.html.j2",
        cost=cost,
        device=machine.device,
        image=machine.image.path.name,
        arguments=() if cost.provenance is None else cost.provenance.arguments,
        fault=fault,
        output=printable_lines(cost.output),
        figures=_figures(cost, fault) if run is None else figures_of_run(run),
        run=run,
        load=run_load.chart(run) if run is not None and run_load.is_told(run) else "",
        stack_chart="" if run is None else run_memory.stack_chart(run),
        heap_chart="" if run is None else run_memory.heap_chart(run),
        stacks=() if run is None else stacks_of(run),
        handlers=() if run is None else handlers_of(run),
        flame=code.flame,
        flame_note=with_inlined.note,
        inlining=found,
        calls=sorted(cost.edges, key=lambda edge: (-edge.inclusive_cycles, edge.call_address, edge.callee)),
        listing=listed,
        views=code.views,
        code=[code] if second is None else [code, second],
        second=second,
        annotate=annotate_data,
        memories=[(memory, _bars(memory)) for memory in maps],
        stack_room=stack_room(machine),
        command=command,
        flash_lines=[] if cost.flash is None else flash.lines(cost.flash),
    )


def _second_core(run: RunCost, program: Image, sources: Sources) -> _Code:
    cost = run.cores[1].cost
    listed = listing(cost, program, sources=sources)
    views = {function.name: source_view(function, sources) for function in listed.functions}
    return _Code(cost, listed, views, flame_graph(stacks(cost, inlining(cost, program)).tree))


def _figures(cost: Cost, fault: Fault | None) -> list[Figure]:
    return [f for f in figures(cost) if f.label != "result" or not (fault or cost.result is None)]


def _bars(memory: MemoryMap) -> list[_Bar]:
    """The parts of a memory to scale; what is free stays blank. Thin ones stand side by side, not on each other."""
    parts = memory.taken
    widths = [max(1000 * part.size / memory.size, _NARROWEST_PART) for part in parts]
    places = [1000 * (part.address - memory.base) / memory.size for part in parts]
    behind = 0.0
    for i, width in enumerate(widths):
        places[i] = max(places[i], behind)
        behind = places[i] + width
    ahead = 1000.0
    for i in reversed(range(len(parts))):  # what came out behind the end moves back, and pushes what is before it
        places[i] = min(places[i], ahead - widths[i])
        ahead = places[i]
    bars = []
    for part, left, width in zip(parts, places, widths, strict=True):
        title = f"{part.name}: {size_exactly(part.size)} at 0x{part.address:08x}"
        bars.append(_Bar(part.kind, round(left, 2), round(width, 2), title))
    return bars
