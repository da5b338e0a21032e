"""A whole `RunCost`, from the counts of a run and the rest that it left."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy.typing as npt

from m0sim.chip.bootrom.rom import BootRom
from m0sim.chip.cost import Provenance
from m0sim.chip.device import Device
from m0sim.chip.devices.moved import Moved
from m0sim.chip.results.costs import Ended, cost_of
from m0sim.chip.results.counts import Counts
from m0sim.chip.results.flash import FlashCounts
from m0sim.chip.results.handlers import handlers, own_cycles, task_stacks
from m0sim.chip.results.load import LoadCounts, over_time
from m0sim.chip.results.run_energy import with_energy
from m0sim.chip.run_cost import (
    ChipReset,
    ClockRate,
    Contention,
    CoreCost,
    Exit,
    HeapSize,
    MachineCost,
    MachineStep,
    PinChange,
    Printed,
    RunCost,
    StackUse,
    UnmodelledUse,
)
from m0sim.image import Image
from m0sim.image.heap_and_stack import StackRegion


@dataclass(frozen=True, eq=False, slots=True)
class Left:
    """What a run left, beside its counts."""

    exit: Exit
    seconds: float
    first_cycle: int
    """From which on it was counted."""
    sleep_cycles: int
    load: LoadCounts
    overhead_cycles: int
    exceptions: npt.NDArray[Any]
    tasks: npt.NDArray[Any]
    registers: tuple[int, ...]
    sp: int
    """MSP at reset, or where the stack of the image begins."""
    msp_low: int
    stack_region: StackRegion | None
    heap_bytes: int | None
    heap_bytes_in_free_sram: int
    printed: tuple[Printed, ...]
    printed_dropped: int
    first_output_cycle: int | None
    interrupts: tuple[str, ...]
    """Their names, by number."""
    unmodelled: tuple[UnmodelledUse, ...]
    clocks: tuple[ClockRate, ...]
    pins: tuple[PinChange, ...]
    state_machines: tuple[MachineStep, ...]
    heap: tuple[HeapSize, ...]
    resets: tuple[ChipReset, ...]
    faults: tuple[str, ...]
    moved: tuple[Moved, ...]
    pio: tuple[MachineCost, ...]
    missed: tuple[str, ...]
    notes: tuple[str, ...]
    provenance: Provenance
    boot_rom: BootRom | None
    flash: FlashCounts | None
    contention: Contention | None = None


def run_cost(
    image: Image, device: Device, counts: Counts, left: Left, second: tuple[Counts, Left] | None = None
) -> RunCost:
    """All of a run; `second` is of core 1, where that ran."""
    first = _core_cost(0, image, device, counts, left)
    cost = replace(first.cost, seconds=left.seconds)
    cost = with_energy(cost, device, left.clocks, left.first_cycle, left.sleep_cycles)
    cores: tuple[CoreCost, ...] = ()
    loads, cycles = [left.load], [cost.cycles]
    if second is not None:
        other = _core_cost(1, image, device, *second)
        cores = (replace(first, cost=cost), replace(other, cost=replace(other.cost, seconds=left.seconds)))
        loads, cycles = [*loads, second[1].load], [*cycles, other.cost.cycles]
        more = (f"core 1: {line}" for line in cores[1].cost.warnings)
        cost = replace(cost, warnings=(*cost.warnings, *more))
    return RunCost(
        cost=cost,
        exit=left.exit,
        seconds=left.seconds,
        sleep_cycles=left.sleep_cycles,
        overhead_cycles=left.overhead_cycles,
        printed=left.printed,
        handlers=first.handlers,
        stacks=first.stacks,
        unmodelled=left.unmodelled,
        clocks=left.clocks,
        first_output_cycle=left.first_output_cycle,
        pins=left.pins,
        state_machines=left.state_machines,
        heap=left.heap,
        resets=left.resets,
        faults=left.faults,
        moved=left.moved,
        pio=left.pio,
        missed=left.missed,
        load=over_time(loads, cycles),
        cores=cores,
        contention=left.contention,
    )


def _core_cost(number: int, image: Image, device: Device, counts: Counts, left: Left) -> CoreCost:
    cost = cost_of(image, device, counts, _ended(image, left))
    own = own_cycles(cost.call_tree, counts)
    main = StackUse("msp", left.sp, left.msp_low)
    return CoreCost(
        number=number,
        cost=cost,
        sleep_cycles=left.sleep_cycles,
        overhead_cycles=left.overhead_cycles,
        handlers=handlers(counts, left.exceptions, left.interrupts, own),
        stacks=(main, *task_stacks(left.tasks, lambda number: counts.functions.names[number])),
    )


def _ended(image: Image, left: Left) -> Ended:
    return Ended(
        function=image.path.name,
        level="cycles",
        result=None,
        result_type="void",
        registers=left.registers,
        is_initialised=True,
        has_started=True,
        has_returned=False,
        sp=left.sp,
        stack_base=left.sp,
        stack_region=left.stack_region,
        argument_bytes=0,
        heap_bytes=left.heap_bytes,
        heap_bytes_in_free_sram=left.heap_bytes_in_free_sram,
        output=b"".join(printed.data for printed in left.printed),
        output_dropped=left.printed_dropped,
        semihosting_calls=0,
        stubs=(),
        register_uses=(),
        notes=(*left.missed, *left.notes),
        provenance=left.provenance,
        boot_rom=left.boot_rom,
        flash=left.flash,
    )
