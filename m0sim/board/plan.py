"""The plan: what the runtime is told to do, as it lies in memory. runtime/main.c has the same structures."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from m0sim.board.prepared import Fill, Prepared
from m0sim.chip.call import Passed

_FILL, _CALL, _BENCH, _PLAN = "<3I", "<7I", "<11I", "<7I"


OWN_STACK = 512
"""Bytes of stack that the runtime has for itself."""


class _Bytes:
    """Memory that is written from an address on; the same content is there once."""

    def __init__(self, address: int) -> None:
        self._begin = address
        self._data = bytearray()
        self._known: dict[bytes, int] = {}

    def put(self, content: bytes) -> int:
        """The address where these bytes are, a multiple of 4."""
        if content not in self._known:
            self._data += bytes(-len(self._data) % 4)
            self._known[content] = self._begin + len(self._data)
            self._data += content
        return self._known[content]

    def room(self, size: int) -> int:
        """The address of so many bytes that nothing else is told of, a multiple of 4."""
        self._data += bytes(-len(self._data) % 4 + size)
        return self._begin + len(self._data) - size

    def __bytes__(self) -> bytes:
        return bytes(self._data)


def plan_at(
    address: int, benches: Sequence[Prepared], *, title: str, flushes: bool, repeats: int, stack_top: int
) -> bytes:
    """The bytes of a plan that begins at `address`, and behind it the runtime's stack.

    `title` is the first line of the log, without its end, `flushes` says whether the flash cache is emptied before the
    first repeat, `stack_top` is where measured functions have their stack.
    """
    memory = _Bytes(address + struct.calcsize(_PLAN))
    table = memory.put(b"".join(_bench(memory, bench) for bench in benches))
    at = memory.put(title.encode() + b"\0")
    own_stack = memory.room(OWN_STACK) + OWN_STACK
    return struct.pack(_PLAN, own_stack & -8, stack_top, at, flushes, repeats, len(benches), table) + bytes(memory)


def _bench(memory: _Bytes, bench: Prepared) -> bytes:
    fills = b"".join(_fills(memory, fill) for fill in bench.fills)
    calls = b"".join(_call(memory, call) for call in bench.calls)
    low, high = (*bench.result, 0, 0)[:2]
    return struct.pack(
        _BENCH,
        memory.put(bench.name.encode() + b"\0"),
        len(fills) // struct.calcsize(_FILL),
        memory.put(fills),
        len(bench.calls),
        memory.put(calls),
        len(bench.result),
        bench.cycles,
        bench.later_cycles,
        low,
        high,
        bench.memory,
    )


def _fills(memory: _Bytes, fill: Fill) -> bytes:
    """What is not zeros, and the zeros behind it."""
    content = fill.content.rstrip(b"\0")
    rest = len(fill.content) - len(content)
    parts = []
    if content:
        parts.append(struct.pack(_FILL, fill.address, memory.put(content), len(content)))
    if rest:
        parts.append(struct.pack(_FILL, fill.address + len(content), 0, rest))
    return b"".join(parts)


def _call(memory: _Bytes, call: Passed) -> bytes:
    stack = call.stack + bytes(-len(call.stack) % 8)  # SP is a multiple of 8 at a call: AAPCS32, 6.2.1.2
    registers = (*call.registers, 0, 0, 0, 0)[:4]
    return struct.pack(_CALL, call.entry, len(stack) // 4, memory.put(stack) if stack else 0, *registers)
