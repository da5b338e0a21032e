"""Functions of the firmware that are replaced: each call costs the return only, and gets a value from outside."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from m0sim.chip.answers import Answers, Memory
from m0sim.chip.arguments import Words
from m0sim.errors import UsageError
from m0sim.image import Symbol

#: What a replaced function begins with.
BX_LR = 0x4770


@dataclass(frozen=True, slots=True)
class StubCall:
    """One call of a stub, as the host's function that answers it sees it."""

    name: str
    """The replaced function."""
    args: tuple[int, int, int, int]
    """r0 to r3, each from 0 to 2**32 - 1. A 64-bit argument takes two; arguments behind the fourth word are at `sp`."""
    sp: int
    return_address: int
    """Where the call comes from: the address behind it, bit 0 cleared."""
    count: int
    """Which call of this stub it is, from 1, those of functions that ran `before` included."""
    _memory: Memory = field(repr=False)

    def read(self, address: int, size: int) -> npt.NDArray[np.uint8]:
        """A copy of `size` bytes of memory, ``uint8[size]``. Raises `UsageError` where there is none."""
        return self._memory.read(address, size)

    def write(self, address: int, data: npt.ArrayLike | bytes) -> None:
        """Write an array's bytes to SRAM. Raises `UsageError` where there is none, and for code."""
        self._memory.write(address, data)


class Stub:
    """A replaced function, and what it answers."""

    def __init__(self, symbol: Symbol, given: object, convert: Callable[[object], Words]) -> None:
        self.symbol = symbol
        self._answers = Answers(f"the stub {symbol.name}", given, convert, words=2)

    def enter(self, args: tuple[int, int, int, int], sp: int, return_address: int, memory: Memory) -> tuple[int, ...]:
        """The words to return in r0 and r1; with none, the registers stay as they are."""
        count = self._answers.count + 1
        return self._answers.next(StubCall(self.symbol.name, args, sp, return_address & ~1, count, memory))

    def mark(self) -> Callable[[], None]:
        """What puts back how many calls were answered until now."""
        answers, count = self._answers, self._answers.count
        return lambda: setattr(answers, "count", count)

    def warnings(self) -> tuple[str, ...]:
        """What a reader of the cost should know."""
        if not self._answers.count:
            return (f"the stub {self.symbol.name} was never called: is it inlined?",)
        return self._answers.warnings()


def reject_twins(stubs: list[Stub]) -> None:
    """Raises `UsageError` where two stubs replace one function under different names."""
    seen: set[int] = set()
    for stub in stubs:
        if stub.symbol.address in seen:
            raise UsageError(f"two stubs are for {stub.symbol.name}: leave one out")
        seen.add(stub.symbol.address)
