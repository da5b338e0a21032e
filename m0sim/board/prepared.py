"""A call as the board makes it, and what it costs in simulation."""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from zlib import crc32

from m0sim.board.layout import Layout
from m0sim.board.request import Request
from m0sim.chip import operands
from m0sim.chip.call import Passed, initialiser
from m0sim.chip.cost import Cost
from m0sim.chip.device import Device
from m0sim.chip.fault import Fault, Interrupted
from m0sim.chip.machine import Machine
from m0sim.chip.memory import AddressSpace
from m0sim.chip.options import FlashModel
from m0sim.errors import UsageError
from m0sim.image import Image, Range
from m0sim.image.ranges import merged_ranges

_HEAP_MARGIN = 256
"""Bytes that nothing takes behind what a heap needed."""
_ELSEWHERE = (
    (0xFFFF, 0xBF20, "WFE, which waits for an event on a board"),
    (0xFFFF, 0xBF30, "WFI, which waits for an interrupt on a board"),
    (0xFF00, 0xDF00, "SVC, for which the image has no handler"),
)
"""Mask, first halfword, and what it is: DDI 0419, A5.2."""
_MOST_CYCLES = (1 << 32) - 1
_WORDS = {"s32": "<i", "u32": "<I", "f32": "<f", "s64": "<q", "u64": "<Q", "f64": "<d"}


@dataclass(frozen=True, slots=True)
class Fill:
    """Memory that is written before each repeat."""

    address: int
    content: bytes


@dataclass(frozen=True, slots=True)
class Prepared:
    """One bench on the board."""

    name: str
    fills: tuple[Fill, ...]
    """All that the call may read or write besides its stack, as it is before it."""
    calls: tuple[Passed, ...]
    """The last one is measured."""
    cycles: int
    """Of the first repeat."""
    later_cycles: int
    """Of all others: fewer where a cache is warm then."""
    result: tuple[int, ...]
    """The words of r0 and r1 that are the result."""
    memory: int
    """CRC-32 of what `fills` filled, one after the other, after the call."""
    taken: tuple[Range, ...]
    """SRAM that buffers and the heap have, besides what the program has."""
    stack_top: int
    stack_bytes: int
    warnings: tuple[str, ...]

    @property
    def result_text(self) -> str:
        """The result as the board prints it, in hexadecimal; ``-`` for none."""
        return "".join(f"{word:08x}" for word in reversed(self.result)) or "-"


def prepare(request: Request, program: Image, layout: Layout, chip: Device) -> Prepared:
    """Call it in simulation, where the program was linked for and where it is on the board: both must cost the same.

    Raises `Fault` for a call that goes wrong by itself, and `UsageError` for one that cannot be made on the board.
    """
    asked = _Asked(request, Machine(program, chip))
    first = asked.call()
    moved = _moved(request, layout)
    there = _Asked(moved, Machine(layout.program, chip))
    fills = there.fills(layout)
    try:
        cost = there.call(fail_on=("outside",))
    except Interrupted:
        raise
    except Fault as fault:
        raise UsageError(_not_movable(program, fault)) from fault
    if (cost.cycles, cost.instructions) != (first.cycles, first.instructions):
        raise UsageError(
            f"takes {first.cycles:,} cycles where it was linked for and {cost.cycles:,} where the board has it: "
            "its way depends on addresses, so it is not measured"
        )
    _refuse_instructions(cost)
    for segment in layout.loaded:
        if there.machine.read(segment.address, len(segment.data)).tobytes() != segment.data:
            raise UsageError(
                f"writes to memory that the program does not claim, from {segment.address:#010x} to "
                f"{segment.end - 1:#010x}, where the image has what measures it"
            )
    cold, warm = (cost.cycles, cost.cycles) if layout.code == "sram" else _with_flash(request, program, layout, chip)
    if cold > _MOST_CYCLES:
        raise UsageError(f"takes {cold:,} cycles: the board counts up to {_MOST_CYCLES:,}")
    return Prepared(
        name=request.name,
        fills=fills,
        calls=tuple(there.passed),
        cycles=cold,
        later_cycles=warm,
        result=_result_words(cost),
        memory=crc32(b"".join(there.machine.read(f.address, len(f.content)).tobytes() for f in fills)),
        taken=_taken(there.machine.space),
        stack_top=there.machine.space.stack_top,
        stack_bytes=cost.stack_bytes,
        warnings=cost.warnings,
    )


def _refuse_instructions(cost: Cost) -> None:
    """Those that do something else on a board than in a call. Raises `UsageError`."""
    if cost.output:
        raise UsageError("prints, by semihosting or _write: on a board nobody answers")
    for row in cost.instruction_table.rows:
        for mask, encoding, what in _ELSEWHERE:
            if row.encoding & mask == encoding:
                raise UsageError(f"executes {what}, in {row.function}")


def _moved(request: Request, layout: Layout) -> Request:
    """The same where the board has it."""
    before = tuple(
        replace(c, name=layout.name_there(c.name), text=layout.name_there(c.text) if c.text == c.name else c.text)
        for c in request.before
    )
    return replace(request, function=layout.name_there(request.function), before=before)


def _taken(space: AddressSpace) -> tuple[Range, ...]:
    buffers = [(allocation.begin, allocation.end) for allocation in space.allocations]
    heap = [] if space.heap_base is None else [(space.heap_base, space.heap_end + _HEAP_MARGIN)]
    return merged_ranges([*buffers, *heap])


def _with_flash(request: Request, program: Image, layout: Layout, chip: Device) -> tuple[int, int]:
    """Cycles with an empty cache, and with what the same call left in it."""
    if request.before:
        raise UsageError("calls other functions first, which change what the flash cache has: leave them out")
    linked = _Asked(request, Machine(program, chip)).call(flash="cold").cycles
    moved = _moved(request, layout)
    cold = _Asked(moved, Machine(layout.program, chip)).call(flash="cold").cycles
    if cold != linked:
        raise UsageError(
            f"takes {linked:,} cycles with cold flash where it was linked for, {cold:,} where the board has it"
        )
    return cold, _Asked(moved, Machine(layout.program, chip)).call(flash="warm").cycles


class _Asked:
    """A request in a machine."""

    def __init__(self, request: Request, machine: Machine) -> None:
        self._request, self.machine = request, machine
        types = operands.types_of(machine, request.function, len(request.args))
        self._values = [operands.place(machine, arg, [], type_) for arg, type_ in zip(request.args, types, strict=True)]
        self._before = [operands.place_call(machine, call, []) for call in request.before]
        first = [machine.passed(name, *values) for name, values in map(initialiser, self._before)]
        self.passed = [*first, machine.passed(request.function, *self._values)]

    def call(self, fail_on: tuple[str, ...] = (), flash: FlashModel = "ideal") -> Cost:
        request = self._request
        return self.machine.call(
            request.function,
            *self._values,
            result=request.result,
            before=self._before,
            max_cycles=request.stop_after,
            fail_on=fail_on,
            flash=flash,
        )

    def fills(self, layout: Layout) -> tuple[Fill, ...]:
        """The program's own memory in SRAM, and all buffers."""
        spans = [(s.address, s.size) for s in layout.own]
        spans += [(a.address, a.size) for a in self.machine.space.allocations]
        return tuple(Fill(address, self.machine.read(address, size).tobytes()) for address, size in spans if size)


def _not_movable(program: Image, fault: Fault) -> str:
    what = f"does not run where the board has it: {fault.reason}, in {fault.place}"
    if program.address_words is None:
        return f"{what}; link it with -Wl,--emit-relocs, which says what holds addresses"
    return what


def _result_words(cost: Cost) -> tuple[int, ...]:
    layout = _WORDS.get(cost.result_type)
    if layout is None or cost.result is None or isinstance(cost.result, bytes):
        return ()
    data = struct.pack(layout, cost.result)
    return struct.unpack(f"<{len(data) // 4}I", data)
