"""Semihosting: what ``BKPT 0xAB`` asks of a debugger, as far as it prints.

Source: Arm, Semihosting for AArch32 and AArch64 (the operation is in r0, its parameter in r1, the result comes in r0).
"""

from __future__ import annotations

import struct

from m0sim.chip.answers import Memory
from m0sim.chip.output import Output, c_string

BKPT = 0xBEAB
_OPEN, _CLOSE, _WRITEC, _WRITE0, _WRITE, _ISTTY = 0x01, 0x02, 0x03, 0x04, 0x05, 0x09
_NAMES = {
    0x06: "SYS_READ",
    0x07: "SYS_READC",
    0x08: "SYS_ISERROR",
    0x0A: "SYS_SEEK",
    0x0C: "SYS_FLEN",
    0x0D: "SYS_TMPNAM",
    0x0E: "SYS_REMOVE",
    0x0F: "SYS_RENAME",
    0x10: "SYS_CLOCK",
    0x11: "SYS_TIME",
    0x12: "SYS_SYSTEM",
    0x13: "SYS_ERRNO",
    0x15: "SYS_GET_CMDLINE",
    0x16: "SYS_HEAPINFO",
    0x30: "SYS_ELAPSED",
    0x31: "SYS_TICKFREQ",
}
_EXITS = {0x18: "SYS_EXIT", 0x20: "SYS_EXIT_EXTENDED"}
_APPLICATION_EXIT = 0x20026  # ADP_Stopped_ApplicationExit; every other reason is a failure
_STDIN, _STDOUT, _STDERR = 3, 1, 2  # handles; 0 is none


def answer(operation: int, parameter: int, memory: Memory, output: Output | None) -> int | str:
    """What r0 is afterwards; a reason where this is not answered.

    The console opens and prints (to nowhere where `output` is None: then it is noted already); no other file is there.
    Raises `UsageError` for an address where there is no memory.
    """
    if operation == _WRITEC:
        _print(output, memory.read(parameter, 1).tobytes())
        return operation
    if operation == _WRITE0:
        _print(output, c_string(memory, parameter))
        return operation
    if operation == _WRITE:
        handle, begin, size = _words(memory, parameter, 3)
        if handle not in (_STDOUT, _STDERR):
            return size  # bytes that were not written
        _print(output, memory.read(begin, size).tobytes())
        return 0
    if operation == _OPEN:
        return _open(memory, *_words(memory, parameter, 3))
    if operation in (_CLOSE, _ISTTY):
        return int(operation == _ISTTY)
    if operation in _EXITS:
        return f"the program ended itself: semihosting {_EXITS[operation]}"
    name = _NAMES.get(operation, "unknown")
    return f"semihosting operation {operation:#04x} ({name}), of which m0sim answers those that print"


def exit_code(operation: int, parameter: int, memory: Memory) -> int | None:
    """The exit code of a program that ends itself so; None for other operations. Raises `UsageError` as `answer`."""
    if operation not in _EXITS:
        return None
    reason, code = (parameter, 0) if operation == 0x18 else _words(memory, parameter, 2)
    return _signed(code) if reason == _APPLICATION_EXIT else 1


def _signed(word: int) -> int:
    return word - (word >> 31 << 32)


def _open(memory: Memory, name: int, mode: int, size: int) -> int:
    """The console, ":tt", by fopen's modes r, w and a with their variants, four of each; -1 for any other file."""
    if memory.read(name, size).tobytes() != b":tt" or mode > 11:
        return 0xFFFFFFFF
    return (_STDIN, _STDOUT, _STDERR)[mode // 4]


def _words(memory: Memory, address: int, count: int) -> tuple[int, ...]:
    return struct.unpack(f"<{count}I", memory.read(address, 4 * count).tobytes())


def _print(output: Output | None, data: bytes) -> None:
    if output is not None:
        output.add(data)
