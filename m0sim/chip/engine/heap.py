"""The heap of the program: how far it grew, and what it ran into."""

from __future__ import annotations

from collections.abc import Callable

from unicorn import UC_HOOK_CODE, Uc
from unicorn.arm_const import UC_ARM_REG_R0, UC_ARM_REG_SP

from m0sim.chip import isa
from m0sim.chip.isa import Kind
from m0sim.chip.memory import AddressSpace
from m0sim.chip.stops import Cause, FaultKind
from m0sim.image import Range
from m0sim.image.heap_and_stack import sbrk_of

_SP = 13
_RETURNS = (Kind.BRANCH_EXCHANGE, Kind.POP_PC, Kind.WRITE_PC)


class HeapWatch:
    """Follows the program's `sbrk`, and looks at which bytes of the heap were written.

    `sbrk(n)` returns where the n bytes begin that it adds to the heap. A hook over its instructions alone sees both.
    Allocators that have no such function, or in which it is inlined, are seen by what they write.
    """

    def __init__(self, space: AddressSpace, limit_stack: Callable[[int], None]) -> None:
        """`limit_stack` is called with the new limit when the heap took room that was the stack's."""
        self._space = space
        self._limit_stack = limit_stack
        self._sbrk = sbrk_of(space.image.symbols)
        self._size = 0 if self._sbrk is None else max(2, self._sbrk[0].size)
        self.begin()

    def begin(self) -> None:
        """Forget what was seen: memory is as loaded."""
        self._first = self._highest = self._written = 0
        self.clear()

    def resume(self, handed_out: Range) -> None:
        """Start-up code ran, and `sbrk` gave it so much."""
        self._first, self._highest = handed_out

    def clear(self) -> None:
        """Forget what went wrong, before another run."""
        self._increment = 0
        self.collision: Cause | None = None
        """What the heap ran into; where `sbrk` did it, the run was stopped."""

    def mark(self) -> Callable[[], None]:
        """What puts back what was seen until now."""
        seen = self._first, self._highest, self._written, self._increment, self.collision

        def put_back() -> None:
            self._first, self._highest, self._written, self._increment, self.collision = seen

        return put_back

    def attach(self, uc: Uc) -> list[int]:
        """Install the hook. Returns what `uc.hook_del` takes."""
        if self._sbrk is None:
            return []
        return [uc.hook_add(UC_HOOK_CODE, self._on_instruction, None, self.watched[0], self.watched[-1])]

    @property
    def watched(self) -> range:
        """The addresses before whose instructions `see` is to be called."""
        return range(0) if self._sbrk is None else range(self._sbrk[0].address, self._sbrk[0].address + self._size)

    @property
    def handed_out(self) -> Range:
        """The memory that `sbrk` gave out; an empty range where it gave none, or nobody saw it."""
        return self._first, self._highest

    def _on_instruction(self, uc: Uc, address: int, size: int, data: object) -> None:
        self.see(address, lambda number: uc.reg_read(UC_ARM_REG_SP if number == _SP else UC_ARM_REG_R0 + number))
        if self.collision:
            uc.emu_stop()

    def see(self, address: int, register: Callable[[int], int]) -> None:
        """Look at an instruction of `sbrk` before it runs; `register` reads one by its number. Sets `collision`."""
        assert self._sbrk is not None
        symbol, argument = self._sbrk
        first = self._space.halfword(address)
        if address == symbol.address:
            self._increment = _signed(register(argument))
        elif not isa.is_wide(first) and isa.FIRST[first, isa.KIND] in _RETURNS:
            begin = register(0)
            if self._space.is_sram(begin):  # else it is a way to say that there is no more, such as -1
                self._grow(register(_SP), address, begin, begin + self._increment)

    def _grow(self, sp: int, at: int, begin: int, end: int) -> None:
        self._first = min(self._first or begin, begin)
        self._highest = max(self._highest, begin, end)
        if end <= begin:
            return
        space = self._space
        hit = next((a for a in space.allocations if begin < a.end and a.begin < end), None)
        if hit is not None:
            place = f"{hit.name} ({hit.size} bytes at {hit.address:#010x})"
            self._stop(at, f"heap and buffer collide: the heap grew up to {end:#010x}, into {place}")
        elif begin <= space.stack_top and space.stack_limit <= sp < end:
            self._stop(at, f"heap and stack collide: the heap grew up to {end:#010x}, and SP is {sp:#010x}")
        elif space.heap_base is not None and space.heap_base <= begin and space.heap_end < end <= space.stack_top:
            space.heap_end = end
            self._limit_stack(space.stack_limit)

    def _stop(self, at: int, reason: str) -> None:
        self.collision = Cause(FaultKind.HEAP_COLLISION, reason, at)

    def look(self, sp: int, at: int) -> None:
        """Find out how far the heap was written, after a run whose stack came down to `sp`.

        `at` is the address to name for a collision: nobody knows which instruction it was.
        """
        span = self._space.heap_span()
        if span is None:
            return
        base, end = span
        if self._space.heap_base is not None and base < sp < end:
            end = sp
        written = self._space.changed_end(base, end)
        self._written = written - base
        if self._space.heap_base is None:
            return
        self._space.heap_end = max(self._space.heap_end, written)
        if written == end and not self._first and not self.collision:
            self._note_collision(end, at)

    def _note_collision(self, end: int, at: int) -> None:
        """The heap was written to its end: what is there?"""
        buffer = next((a.name for a in self._space.allocations if a.begin == end), "")
        if buffer and not self._space.overruns():
            return
        what = "buffer" if buffer else "stack"
        where = f"and on into {buffer}" if buffer else "where the stack was"
        reason = f"heap and {what} collide: the heap was written up to {end:#010x}, {where}"
        self.collision = Cause(FaultKind.HEAP_COLLISION, reason, at)

    @property
    def bytes_used(self) -> int | None:
        """High-water mark in bytes: what `sbrk` gave, or up to the highest byte written; None without a heap."""
        if self._space.heap is None and self._sbrk is None:
            return None
        return max(self._highest - self._first, self._written)

    @property
    def bytes_in_free_sram(self) -> int:
        """The same, of a heap in memory that no object or section of the image is counted for; else 0."""
        base = self._space.heap_base
        return 0 if base is None else self._space.heap_end - base


def _signed(word: int) -> int:
    return word - (1 << 32) if word >> 31 else word
