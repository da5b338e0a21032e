"""What a reader of a cost should know: lines for `Cost.warnings`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from m0sim.chip.bootrom.rom import BootRom
from m0sim.chip.cost import Finding, InstructionTable
from m0sim.chip.device import Device
from m0sim.chip.native.tables import CONTEXT_LIMIT
from m0sim.chip.results.counts import Counts, Traffic
from m0sim.image import Image
from m0sim.image.heap_and_stack import StackRegion

_MOST_FINDINGS = 5


def other_architecture(image: Image) -> Iterator[str]:
    """Of code whose compiler was free to use instructions that this core does not have."""
    if image.compiled_for:
        yield (
            f"the image was compiled for {image.compiled_for}: code for a Cortex-M0+ (-mcpu=cortex-m0plus) is other "
            "code, and costs something else"
        )


def blank_variables(image: Image) -> Iterator[str]:
    """Of an image whose start-up function has not run."""
    if image.initialiser is not None:
        yield (
            "variables with a first value are blank: IAR's start-up code puts it there; run that first, with "
            f"--startup, or --before {image.initialiser.name}"
        )


def semihosting(calls: int) -> Iterator[str]:
    """About `calls` semihosting calls."""
    if calls:
        text = "1 semihosting call" if calls == 1 else f"{calls:,} semihosting calls"
        yield f"{text} took no cycle: a debugger halts the core for as long as it likes"


def own_boot_rom(table: InstructionTable, rom: BootRom | None) -> Iterator[str]:
    """Of a run in whose boot ROM is m0sim's code: that does the same as the vendor's, and takes its own time.

    The way from reset and the flash functions are not meant: those wait for the chip most of the time.
    """
    if rom is None:
        return

    def cycles(begin: int, end: int) -> int:
        return int(table.cycles[(table.address >= begin) & (table.address < end)].sum())

    spent, on_floats = cycles(*rom.helpers), cycles(*rom.float_code)
    if spent:
        floats = f", {on_floats:,} of them of floating point" if on_floats else ""
        yield (
            f"{spent:,} cycles were spent in functions of m0sim's own boot ROM{floats}: the vendor's take others; "
            "give it with --bootrom FILE"
        )


def of_counts(counts: Counts) -> Iterator[str]:
    """About what was counted, and what had no room."""
    if counts.divider_early:
        function, entry = counts.functions.around(counts.divider_early_at)
        yield (
            f"the SIO divider was read before its 8 cycles were over, {counts.divider_early} times, "
            f"first in {function}+{counts.divider_early_at - entry:#x}: the value read is not the quotient"
        )
    if counts.contexts_refused:
        yield (
            f"more than {CONTEXT_LIMIT:,} calling contexts: in call_tree, the cycles of {counts.contexts_refused:,} "
            "calls are their callers' own"
        )


def of_findings(findings: Sequence[Finding], traffic: Traffic | None) -> Iterator[str]:
    """The first ones, and how many there are more."""
    for finding in findings[:_MOST_FINDINGS]:
        yield f"{finding.kind}: {finding.text}"
    if len(findings) > _MOST_FINDINGS:
        yield f"{len(findings) - _MOST_FINDINGS:,} more instructions read what they should not (--json has them all)"
    if traffic is not None and traffic.findings_refused:
        yield f"{traffic.findings_refused:,} more such reads are in no finding: too many instructions made some"


def beyond_stack_region(image: Image, region: StackRegion | None, depth: int) -> Iterator[str]:
    """Where the stack is deeper than what the image keeps for it; the simulated one has more room."""
    if region is None or depth <= region.size:
        return
    low, high = region.top - depth, region.limit
    over = [s.name for s in image.symbols if s.kind == "object" and s.address < high and low < s.address + s.size]
    names = ", ".join(over[:4]) + (f" and {len(over) - 4} more" if len(over) > 4 else "")
    yield (
        f"the stack is {depth:,} bytes deep, {depth - region.size:,} more than the {region.size:,} that the image "
        f"keeps for it, down to {region.name} ({region.limit:#010x})"
        + (f": on the chip it overwrites {names}" if names else "")
    )


def callee_saved(function: str, registers: tuple[int, ...], sp_at_entry: int) -> Iterator[str]:
    """After a return, where r4 to r11 (0 at entry) or SP were not restored; `registers` from r0 on, SP the 14th."""
    changed = [f"r{n}" for n in range(4, 12) if registers[n] != 0]
    if changed:
        yield f"{function} did not restore {', '.join(changed)}, as the AAPCS asks"
    if registers[13] != sp_at_entry:
        yield f"{function} returned with another SP than it was called with"


def flash_waits(device: Device) -> Iterator[str]:
    """Of a call that ran code in flash, which waits at the device's clock."""
    timing = device.flash_timing
    if timing is not None and timing.wait_states:
        states = f"{timing.wait_states} wait state" + "s" * (timing.wait_states > 1)
        yield (
            f"flash has {states} at {device.clock_hz / 1e6:g} MHz, which are in no figure here: "
            "code and constants in flash take longer"
        )
