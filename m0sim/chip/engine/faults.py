"""What led to a HardFault, in words."""

from __future__ import annotations

from collections.abc import Callable

from m0sim.chip.engine.processor import HardFault
from m0sim.chip.isa import describe_undefined
from m0sim.chip.native.layout import FaultCause

_TEXTS = {
    FaultCause.UNALIGNED: "unaligned",
    FaultCause.BUS: "nothing answers",
    FaultCause.UNPRIVILEGED: "unprivileged code may not",
    FaultCause.SUPERVISOR: "SVC where its handler has not enough priority",
    FaultCause.BREAKPOINT: "BKPT without a debugger",
    FaultCause.STACKING: "exception entry could not write its frame to the stack",
    FaultCause.UNSTACKING: "exception return could not read its frame from the stack",
    FaultCause.VECTOR: "the vector of an exception could not be read",
    FaultCause.RETURN: "exception return with a value that does not fit what is active",
    FaultCause.FETCH: "control came to where no memory is",
    FaultCause.ARM_STATE: "control came to an even address, which asks for Arm state",
}
_HANDLERS = "in the handler of exception"


def text(fault: HardFault | None, place: Callable[[int], str], halfword: Callable[[int], int]) -> str:
    """One line; `place` tells an address as a person reads it, `halfword` what is there."""
    if fault is None:
        return "no fault is known"
    if fault.cause is FaultCause.UNDEFINED:
        what = describe_undefined(halfword(fault.pc), halfword(fault.pc + 2))
    else:
        what = _TEXTS.get(fault.cause, fault.cause.name.lower())
    if fault.address is not None:
        access = f"{'store' if fault.is_store else 'load'} of {fault.size} bytes at {fault.address:#010x}"
        null = " (a null pointer?)" if fault.address < 0x100 else ""
        what = f"{access}: {what}{null}"
    where = f"at {fault.pc:#010x}, {place(fault.pc)}"
    if fault.jumped_from is not None:
        where = f"{fault.pc:#010x}, from {place(fault.jumped_from)}"
    handler = f", {_HANDLERS} {fault.exception}" if fault.exception else ""
    return f"{what}, {where}{handler} (cycle {fault.cycle:,})"
