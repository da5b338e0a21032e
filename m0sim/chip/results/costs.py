"""A whole `Cost`, from the counts of a run and the rest that it left."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain

from m0sim.chip.bootrom.rom import BootRom
from m0sim.chip.cost import Cost, Provenance, RegisterUse
from m0sim.chip.device import Device
from m0sim.chip.results import warnings
from m0sim.chip.results.calls import call_edges, call_tree, functions, links
from m0sim.chip.results.counts import Counts
from m0sim.chip.results.findings import findings
from m0sim.chip.results.flash import FlashCounts, flash_cost
from m0sim.chip.results.instructions import instruction_table, totals
from m0sim.chip.results.memory_use import cycles_by_memory, memory_use, traffic_costs
from m0sim.image import Image
from m0sim.image.heap_and_stack import StackRegion


@dataclass(frozen=True, slots=True)
class Ended:
    """What a run was and left, beside its counts."""

    function: str
    level: str
    result: int | float | bytes | None
    result_type: str
    registers: tuple[int, ...]
    """r0 to r12, SP, LR."""
    is_initialised: bool
    """Whether the image's own start-up function ran since memory was as loaded."""
    has_started: bool
    """Whether all of its start-up code did, from reset on."""
    has_returned: bool
    sp: int
    """At entry."""
    stack_base: int
    """Where the stack begins: SP at entry, and the arguments passed on the stack."""
    stack_region: StackRegion | None
    argument_bytes: int
    """Of buffers, and of arguments on the stack."""
    heap_bytes: int | None
    heap_bytes_in_free_sram: int
    output: bytes
    output_dropped: int
    semihosting_calls: int
    stubs: tuple[str, ...]
    register_uses: tuple[RegisterUse, ...]
    notes: tuple[str, ...]
    """Warnings of stubs and registers."""
    provenance: Provenance | None
    boot_rom: BootRom | None = None
    flash: FlashCounts | None = None
    """None where nothing waited for flash, by intent."""


def cost_of(image: Image, device: Device, counts: Counts, ended: Ended) -> Cost:
    """All that was counted in a run."""
    table = instruction_table(counts)
    sums, linked = totals(table), links(table)
    flash_cycles, sram_cycles = cycles_by_memory(table, device)
    found = findings(counts, image, device)
    energy = device.energy_use(counts.cycles, sram_cycles)
    return Cost(
        function=ended.function,
        profile=device.name,
        level=ended.level,
        result=ended.result,
        result_type=ended.result_type,
        cycles=counts.cycles,
        instructions=sums.instructions,
        loads=sums.loads,
        stores=sums.stores,
        bytes_loaded=sums.bytes_loaded,
        bytes_stored=sums.bytes_stored,
        branches_taken=sums.branches_taken,
        branches_not_taken=sums.branches_not_taken,
        stack_bytes=counts.stack_bytes,
        stack_top=ended.sp,
        seconds=device.seconds(counts.cycles),
        energy_joules=None if energy is None else energy.joules,
        energy_joules_low=None if energy is None else energy.low_joules,
        energy_joules_high=None if energy is None else energy.high_joules,
        energy_source=None if energy is None else energy.source,
        energy_bounds_source=None if energy is None else energy.bounds_source,
        memory=memory_use(
            image,
            device,
            arguments=ended.argument_bytes,
            stack=counts.stack_bytes,
            heap=ended.heap_bytes_in_free_sram,
        ),
        functions=functions(counts, table),
        edges=call_edges(counts, linked),
        call_tree=call_tree(counts, linked),
        instruction_table=table,
        traffic=() if counts.traffic is None else traffic_costs(counts, counts.traffic),
        findings=found,
        flash=None if ended.flash is None else flash_cost(ended.flash, table, image, device),
        stubs=ended.stubs,
        registers=ended.register_uses,
        heap_bytes=ended.heap_bytes,
        output=ended.output,
        output_dropped=ended.output_dropped,
        warnings=(
            *_warnings(image, counts, ended),
            *warnings.own_boot_rom(table, ended.boot_rom),
            *warnings.of_findings(found, counts.traffic),
            *(warnings.flash_waits(device) if flash_cycles and ended.flash is None else ()),
        ),
        provenance=ended.provenance,
    )


def _warnings(image: Image, counts: Counts, ended: Ended) -> chain[str]:
    return chain(
        () if ended.has_started else image.warnings,
        warnings.other_architecture(image),
        () if ended.is_initialised else warnings.blank_variables(image),
        ended.notes,
        warnings.semihosting(ended.semihosting_calls),
        warnings.of_counts(counts),
        warnings.beyond_stack_region(image, ended.stack_region, ended.stack_base - counts.stack_low),
        warnings.callee_saved(ended.function, ended.registers, ended.sp) if ended.has_returned else (),
    )
