"""How a run ends: as a `Cost`, or as a `Fault` with the cost until then."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy.typing as npt

from m0sim.chip.call import Call
from m0sim.chip.cost import Cost
from m0sim.chip.engine.emulator import RETURN_ADDRESS, Emulator
from m0sim.chip.fault import CallSite, Fault, Interrupted
from m0sim.chip.results.costs import Ended, cost_of
from m0sim.chip.results.flash import FlashCounts
from m0sim.chip.stops import Cause, FaultKind

# A heap that ran into something explains what happens later, but for these.
_NOT_OF_THE_HEAP = (FaultKind.HEAP_COLLISION, FaultKind.STACK_OVERFLOW, FaultKind.INTERRUPTED)
_NAMES = (*(f"r{i}" for i in range(13)), "sp", "lr")


class Cpu(Protocol):
    """What executed the run, and has its registers."""

    @property
    def pc(self) -> int:
        """Where it stopped."""

    def registers(self) -> tuple[int, ...]:
        """r0 to r12, SP and LR as they are."""

    def flags(self) -> int:
        """N, Z, C and V in bits 31 to 28."""

    def executed(self) -> npt.NDArray[Any] | None:
        """What it executed, rows of `layout.EXECUTED`; None where the counters know."""

    def flash(self) -> FlashCounts | None:
        """What waited for flash; None where nothing does on this engine, or was to."""

    def end_at(self, address: int, *, block_is_complete: bool) -> None:
        """Count what was begun and is not yet counted, before control came to an address."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is to be told of one run."""

    _emulator: Emulator
    _cpu: Cpu
    _call: Call
    _sp: int
    """At entry, an address."""
    _stack_argument_bytes: int
    _semihosting_calls: int
    _vector_stalls: int
    """What fetching vectors from flash waited; no instruction has it."""

    def cost(self) -> Cost:
        """All that was counted until now."""
        call, emulator = self._call, self._emulator
        space, registers = emulator.space, self._cpu.registers()
        flash = self._cpu.flash()
        flash = None if flash is None else replace(flash, vector_stalls=self._vector_stalls)
        notes = [warning for stub in call.stubs for warning in stub.warnings()]
        ended = Ended(
            function=call.entry.name,
            level=call.level,
            result=call.returned(registers[0], registers[1]),
            result_type=call.result,
            registers=registers,
            is_initialised=emulator.is_initialised,
            has_started=emulator.started is not None,
            has_returned=self._cpu.pc == RETURN_ADDRESS,
            sp=self._sp,
            stack_base=space.stack_top,
            stack_region=space.stack_region,
            argument_bytes=space.allocated_bytes + self._stack_argument_bytes,
            heap_bytes=emulator.heap.bytes_used,
            heap_bytes_in_free_sram=emulator.heap.bytes_in_free_sram,
            output=emulator.output.kept,
            output_dropped=emulator.output.dropped,
            semihosting_calls=self._semihosting_calls,
            stubs=tuple(stub.symbol.name for stub in call.stubs),
            register_uses=emulator.peripherals.uses(),
            notes=(*notes, *emulator.peripherals.warnings(() if flash is None else emulator.device.buses)),
            provenance=call.provenance,
            boot_rom=space.boot_rom,
            flash=flash,
        )
        counts = emulator.counters.counts(with_traffic=call.level == "memory", executed=self._cpu.executed())
        return cost_of(emulator.image, emulator.device, counts, ended)

    def ended_by(self, cause: Cause, *, block_is_complete: bool = True) -> Fault:
        """End the run at the cause's address, and give what to raise; the newest block counts whole, or up to there."""
        counters, heap = self._emulator.counters, self._emulator.heap
        self._cpu.end_at(cause.address, block_is_complete=block_is_complete)
        if counters.cycles >= self._call.max_cycles and cause.kind is not FaultKind.INTERRUPTED:
            cause = self._call.limit_at(cause.address)  # this came behind the limit, before it was looked at
        open_calls = counters.call_stack()
        counters.close_frames()
        heap.look(counters.stack_low, cause.address)
        if heap.collision and cause.kind not in _NOT_OF_THE_HEAP:
            cause = Cause(FaultKind.HEAP_COLLISION, f"{heap.collision.reason}; then: {cause.reason}", cause.address)
        return self.fault(cause, open_calls)

    def fault(self, cause: Cause, open_calls: Sequence[tuple[str, int]] = ()) -> Fault:
        """What to raise of a run that has ended."""
        image, kind = self._emulator.image, cause.kind
        cost = self.cost()
        function, entry = self._emulator.counters.functions.around(cause.address)
        sites = tuple(
            CallSite(name, None if back == RETURN_ADDRESS else back, image.source_line(back - 2))
            for name, back in open_calls
        )
        return (Interrupted if kind is FaultKind.INTERRUPTED else Fault)(
            kind,
            cause.reason,
            address=cause.address,
            function=function,
            offset=cause.address - entry,
            source=image.source_line(cause.address),
            registers=self._registers(cause.address, is_thumb=kind is not FaultKind.ARM_STATE),
            call_stack=sites,
            cost=cost,
        )

    def _registers(self, pc: int, is_thumb: bool) -> dict[str, int]:
        """All registers as ARMv6-M has them. A call runs in Thread mode: IPSR, the low bits of xPSR, is 0."""
        flags = self._cpu.flags()
        registers = dict(zip(_NAMES, self._cpu.registers(), strict=True))
        return registers | {"pc": pc, "xpsr": flags | is_thumb << 24}
