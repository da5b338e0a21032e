"""Many random programs in one image: a machine takes longer to make than a program to run."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from random_guests import program
from reference.programs import DATA_SIZE, build

from m0sim import Machine
from m0sim.chip import device, isa
from m0sim.image import Symbol, load_raw

SRAM, FLASH = 0x20000000, 0x10000000
_ROOM = 0x480  # of a guest: what it runs on into behind its 512 bytes is noise
_NOP = 0xBF00
_ARGUMENTS = (0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


def function(name: str, address: int, size: int) -> Symbol:
    return Symbol(name, name, address, size, "function", is_thumb=True, is_global=True, source_file="")


def with_functions(code: bytes, base: int, functions: list[Symbol], profile: str = "rp2040") -> Machine:
    return Machine(replace(load_raw(code, base), symbols=tuple(functions)), device.load(profile))


def programs_that_return(seed: int, count: int, profile: str) -> Iterator[tuple[Machine, int, list[object]]]:
    """Machine, entry and arguments of programs as tests/reference makes them: they return, and go wrong nowhere."""
    rng = random.Random(seed)
    base = device.load(profile).flash.base
    image, functions, calls = bytearray(), [], []
    for number in range(count):
        made = build(
            rng.randbytes(rng.choice((40, 80, 160, 300, 600))), rng.randbytes(64) * (DATA_SIZE // 64), (0, 0, 0)
        )
        image += bytes(-len(image) % 16 + 16 * rng.randrange(5))  # literals and BLs at every place of a line
        at = base + len(image)
        functions += [function(f"p{number}.{name}", at + offset, size) for name, offset, size in made.functions]
        words = [rng.choice((*_ARGUMENTS, rng.getrandbits(32))) for _ in range(3)]
        calls.append((at + made.entry, made.data, words))
        image += made.code
    machine = with_functions(bytes(image), base, functions, profile)
    buffer = machine.alloc(np.zeros(DATA_SIZE, np.uint8))
    for entry, data, words in calls:
        buffer.write(np.frombuffer(data, np.uint8))
        yield machine, entry, [buffer, *words]


def calmed(rng: np.random.Generator, code: np.ndarray) -> np.ndarray:
    """The same with most accesses through r0 and r1, and most jumps through r3 and LR: it runs for longer."""
    code = code.copy()
    top, is_wild = code >> 12, rng.random(len(code)) < 0.1
    code[(top == 5) & ~is_wild] = 0x6000 | code[(top == 5) & ~is_wild] & 0x0FFF
    top = code >> 12
    based, listed = np.isin(top, (6, 7, 8)) & ~is_wild, (top == 12) & ~is_wild
    code[based] &= 0xFFCF  # from r0 or r1
    code[listed] = code[listed] & 0xF8FE | rng.choice([0, 0x100], int(listed.sum()))
    jumps = (code & 0xFF07 == 0x4700) & ~is_wild
    code[jumps] = code[jumps] & 0xFF87 | rng.choice([3 << 3, 14 << 3], int(jumps.sum()))
    code[top == 9] &= 0xFF3F  # of what is passed on the stack
    # Data processing and loads write r2 and r4 to r7.
    low = (code < 0x2000) | (code >> 10 == 0b010000) | based & (code >> 11 & 1 == 1)
    wide = (top == 2) | (top == 3) | (code >> 11 == 0b10011) | (code >> 11 == 0b01001) | (top == 10)
    code[low & ~is_wild] |= 4
    code[wide & ~is_wild] |= 4 << 8
    return code


@dataclass(frozen=True)
class Guest:
    """One random program of `guests`."""

    machine: Machine
    entry: int
    arguments: list[int]
    writes_sp: bool
    """SP takes values from registers in it."""


def guests(seed: int, count: int, base: int) -> Iterator[Guest]:
    """Random guests: see random_guests.py. Most end by a fault.

    Every other image has no names, but pointers to the I/O port; every other pair of images has no code that gives SP a
    value.
    """
    rng = np.random.default_rng(seed)
    has_names, writes_sp = seed % 2 == 0, seed // 2 % 2 == 1
    image = rng.integers(0, 256, count * _ROOM + 0x1000, np.uint8).view(np.uint16)
    starts = [number * _ROOM + int(rng.choice([0, 0x20, 0x3A, 0x3E, 0x40, 0x7E])) for number in range(count)]
    for number, start in enumerate(starts):
        if number % 8 == 0:  # over the end of a page
            start = starts[number] = (start | 0xFFF) - int(rng.choice([1, 3, 5, 31])) if number % 16 == 0 else start
        code = calmed(rng, program(rng))
        image[start // 2 : start // 2 + len(code)] = code
    if not writes_sp:
        for i in range(len(image) - 1):
            if isa.writes_sp(int(image[i]), int(image[i + 1])):
                image[i] = _NOP
    functions, at = [], 0
    while has_names and at < image.nbytes:
        size = int(rng.choice([2, 4, 8, 10, 20, 34, 64]))
        functions += [function(f"f{at:x}", base + at, size)] if rng.random() < 0.85 else []
        at += size
    machine = with_functions(image.tobytes(), base, functions)
    for start in starts:
        code_at = base + start + 2 * int(rng.integers(0, 32))
        data = (0x2000C000, 0x2000C100, 0x20041FFC, *(() if has_names else (0xD0000000, 0xD0000060)))
        data += (code_at & ~3,) * 3 if base == SRAM else ()  # it rewrites itself
        given = [int(rng.choice(data)), int(rng.choice(data)), code_at, code_at + 1]
        if rng.random() < 0.3:
            given = [int(value) for value in rng.choice((*given, base, 0), 4)]
        yield Guest(machine, base + start, given + [0] * 80, writes_sp)
