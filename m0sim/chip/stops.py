"""Why a run ends before the function returns: every kind of fault, and what the core's stop reasons mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from m0sim.chip.native.layout import Stop


class FaultKind(StrEnum):
    """What went wrong; its value is `Fault.kind` in JSON, its meaning a row of docs/json.md."""

    meaning: str
    """One line, in Markdown."""

    def __new__(cls, value: str, meaning: str) -> FaultKind:
        kind = str.__new__(cls, value)
        kind._value_ = value
        kind.meaning = meaning
        return kind

    UNALIGNED = "unaligned", "a load or store at an address that is no multiple of its size"
    UNMAPPED = "unmapped", "a load or store where there is no memory, or a peripheral without an answer"
    READ_ONLY = "read-only", "a store to flash"
    UNDEFINED = "undefined", "an encoding that ARMv6-M does not have, or UDF"
    BREAKPOINT = "breakpoint", "BKPT; of semihosting, what m0sim does not answer, the program's exit among it"
    SUPERVISOR_CALL = (
        "supervisor-call",
        "SVC where no exception is taken: on Unicorn, at level memory, without vectors",
    )
    ASLEEP = "asleep", "WFI: nothing is there to wake the core"
    ARM_STATE = "arm-state", "a jump, call or return to an even address, which asks for Arm state"
    NOT_CODE = "not-code", "execution reached data, erased memory, or no memory"
    STACK_OVERFLOW = "stack-overflow", "SP came down to data, a buffer or the heap, or left SRAM"
    HEAP_COLLISION = "heap-collision", "the heap grew into the stack or a buffer"
    CYCLE_LIMIT = "cycle-limit", "`--max-cycles` was reached"
    CALL_DEPTH = "call-depth", "more than 65,536 calls are open"
    PERIPHERAL = "peripheral", "an access to a register of the single-cycle I/O port that is not modelled"
    RED_ZONE = "red-zone", "the call returned, and had written directly before or behind a buffer"
    OUTSIDE = "outside", "the call returned, and had read memory that belongs to nothing; only where that was asked for"
    UNINITIALISED = "uninitialised", "the call returned, and had read SRAM that nothing was written to; the same"
    EXCEPTION = "exception", "the emulator stopped for another reason"
    INTERRUPTED = "interrupted", "Ctrl-C"


#: What stops of the core are to whoever asked for the call. After those that are not here, the run goes on.
KIND_OF_STOP: Mapping[Stop, FaultKind] = {
    Stop.INVALID: FaultKind.UNDEFINED,
    Stop.DATA: FaultKind.NOT_CODE,
    Stop.STACK: FaultKind.STACK_OVERFLOW,
    Stop.DEPTH: FaultKind.CALL_DEPTH,
    Stop.PORT: FaultKind.PERIPHERAL,
}


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a run cannot go on."""

    kind: FaultKind
    reason: str
    """A sentence without its place."""
    address: int
    """Of the instruction."""
