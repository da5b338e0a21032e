"""The words of PIO instructions: table 365 of the RP2040 datasheet, a function an instruction.

`side` puts a side-set value into a word, for so many bits of side-set, and `delay` is what every function takes.
"""

from __future__ import annotations

_CONDITIONS = ("", "!x", "x--", "!y", "y--", "x!=y", "pin", "!osre")
_WAITS = ("gpio", "pin", "irq")
_INS = {"pins": 0, "x": 1, "y": 2, "null": 3, "isr": 6, "osr": 7}
_OUTS = {"pins": 0, "x": 1, "y": 2, "null": 3, "pindirs": 4, "pc": 5, "isr": 6, "exec": 7}
_MOV_TO = {"pins": 0, "x": 1, "y": 2, "exec": 4, "pc": 5, "isr": 6, "osr": 7}
_MOV_FROM = {"pins": 0, "x": 1, "y": 2, "null": 3, "status": 5, "isr": 6, "osr": 7}
_SETS = {"pins": 0, "x": 1, "y": 2, "pindirs": 4}
REL = 16


def _word(code: int, middle: int, low: int, delay: int) -> int:
    return code << 13 | delay << 8 | middle << 5 | low


def jmp(to: int, when: str = "", delay: int = 0) -> int:
    return _word(0, _CONDITIONS.index(when), to, delay)


def wait(polarity: int, source: str, index: int, delay: int = 0) -> int:
    return _word(1, polarity << 2 | _WAITS.index(source), index, delay)


def in_(source: str, count: int, delay: int = 0) -> int:
    return _word(2, _INS[source], count % 32, delay)


def out(to: str, count: int, delay: int = 0) -> int:
    return _word(3, _OUTS[to], count % 32, delay)


def push(block: bool = True, iffull: bool = False, delay: int = 0) -> int:
    return _word(4, iffull << 1 | block, 0, delay)


def pull(block: bool = True, ifempty: bool = False, delay: int = 0) -> int:
    return _word(4, 4 | ifempty << 1 | block, 0, delay)


def mov(to: str, source: str, operation: str = "", delay: int = 0) -> int:
    return _word(5, _MOV_TO[to], ("", "!", "::").index(operation) << 3 | _MOV_FROM[source], delay)


def irq(index: int, clear: bool = False, wait_for: bool = False, delay: int = 0) -> int:
    return _word(6, clear << 1 | wait_for, index, delay)


def set_(to: str, value: int, delay: int = 0) -> int:
    return _word(7, _SETS[to], value, delay)


def nop(delay: int = 0) -> int:
    return mov("y", "y", delay=delay)


def side(word: int, value: int, bits: int = 1) -> int:
    return word | value << 13 - bits
