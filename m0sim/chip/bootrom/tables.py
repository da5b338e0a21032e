"""The tables of a boot ROM, by which programs find its functions: RP2040 datasheet, 2.8.3."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from m0sim.image import Symbol

#: Functions by their code (2.8.3.1, tables 164 to 168).
FUNCTIONS = {
    "P3": "popcount32",
    "R3": "reverse32",
    "L3": "clz32",
    "T3": "ctz32",
    "MS": "memset",
    "S4": "memset4",
    "MC": "memcpy",
    "C4": "memcpy44",
    "UB": "reset_to_usb_boot",
    "DT": "debug_trampoline",
    "DE": "debug_trampoline_end",
    "WV": "wait_for_vector",
    "IF": "connect_internal_flash",
    "EX": "flash_exit_xip",
    "RE": "flash_range_erase",
    "RP": "flash_range_program",
    "FC": "flash_flush_cache",
    "CX": "flash_enter_cmd_xip",
}

#: Functions of the table of floats, word by word (2.8.3.2.2, table 169). None: deprecated.
FLOAT = (
    *("fadd", "fsub", "fmul", "fdiv", None, None, "fsqrt"),
    *("float2int", "float2fix", "float2uint", "float2ufix", "int2float", "fix2float", "uint2float", "ufix2float"),
    *("fcos", "fsin", "ftan", "fsincos", "fexp", "fln", "fcmp", "fatan2"),
    *("int642float", "fix642float", "uint642float", "ufix642float"),
    *("float2int64", "float2fix64", "float2uint64", "float2ufix64", "float2double"),
)

#: The same of doubles (table 170).
DOUBLE = (
    *("dadd", "dsub", "dmul", "ddiv", None, None, "dsqrt"),
    *("double2int", "double2fix", "double2uint", "double2ufix", "int2double", "fix2double"),
    *("uint2double", "ufix2double", "dcos", "dsin", "dtan", "dsincos", "dexp", "dln", "dcmp", "datan2"),
    *("int642double", "fix642double", "uint642double", "ufix642double"),
    *("double2int64", "double2fix64", "double2uint64", "double2ufix64", "double2float"),
)


class RomExit(NamedTuple):
    """Where m0sim's own boot ROM ends a run."""

    what: str
    """What a chip does there."""
    is_wanted: bool
    """By the program; else something is wrong."""


#: By the number of the BKPT there.
EXITS = {
    0xB0: RomExit("reset to USB boot", is_wanted=True),
    0xB1: RomExit(
        "no boot2 in flash (its checksum is wrong): reset to USB boot; m0sim call needs none", is_wanted=False
    ),
}

_HEADER = 0x14  # halfwords: function table, data table, the function that looks up in either


def code(letters: str) -> int:
    """What a program looks up for two letters, the first in the lower byte."""
    return ord(letters[0]) | ord(letters[1]) << 8


def look_up(rom: bytes, table: int, letters: str) -> int:
    """The halfword beside a code in the table at `table`; 0 where there is none."""
    return next((value for number, value in _entries(rom, table) if number == code(letters)), 0)


def names_in(rom: bytes) -> tuple[Symbol, ...]:
    """The functions that the tables of a whole ROM lead to, by address. Each reaches up to the next one."""
    functions, data, lookup = struct.unpack_from("<3H", rom, _HEADER)
    found = {lookup & ~1: "table_lookup"}
    by_code = {code(letters): name for letters, name in FUNCTIONS.items()}
    for number, address in _entries(rom, functions):
        found.setdefault(address & ~1, by_code.get(number, f"{number:04x}"))
    for letters, names in (("SF", FLOAT), ("SD", DOUBLE)):
        table = look_up(rom, data, letters)
        if table and table + 4 * len(names) <= len(rom):
            words = struct.unpack_from(f"<{len(names)}I", rom, table)
            for address, name in zip(words, names, strict=True):
                if name is not None and address < len(rom):
                    found.setdefault(address & ~1, name)
    begins = sorted(found)
    ends = [*begins[1:], len(rom)]
    return tuple(
        Symbol(f"bootrom_{found[at]}", f"bootrom_{found[at]}", at, end - at, "function", True, True, "")
        for at, end in zip(begins, ends, strict=True)
    )


def _entries(rom: bytes, table: int) -> Iterator[tuple[int, int]]:
    """Code and value of each row up to the code 0, or the end of the ROM."""
    for at in range(table, len(rom) - 3, 4):
        number, value = struct.unpack_from("<2H", rom, at)
        if number == 0:
            return
        yield number, value
