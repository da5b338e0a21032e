"""Instructions as text: Capstone's, with the names and values that an address or a literal stands for."""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

import capstone

from m0sim.chip import isa
from m0sim.chip.isa import Kind, branch_target
from m0sim.image import Image, Symbol

_DATA_DIRECTIVES = {4: ".word", 2: ".short", 1: ".byte"}


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction, or one piece of data between instructions."""

    address: int
    size: int
    """Bytes: 2 or 4; of data also 1."""
    encoding: int
    """First halfword in bits 0..15, second in bits 16..31; of data its value, little-endian."""
    is_data: bool
    text: str
    """Mnemonic and operands. Branch targets and calls are addresses with names behind them."""
    remark: str = ""
    """What a literal load, an ADR or a data word stands for; empty where there is nothing to say."""
    target: int | None = None
    """Where B and B<cond> go; None for all else."""


class Disassembler:
    """Turns encodings into text with the names of one image."""

    def __init__(self, image: Image) -> None:
        self._image = image
        self._capstone = capstone.Cs(capstone.CS_ARCH_ARM, capstone.CS_MODE_THUMB | capstone.CS_MODE_MCLASS)
        self._objects = [s for s in image.symbols if s.kind == "object" and s.size]
        self._object_starts = [s.address for s in self._objects]

    def instruction(self, address: int, encoding: int) -> Instruction:
        """`encoding` as in `Instruction`, executed at `address`."""
        first, second = encoding & 0xFFFF, encoding >> 16
        size = 4 if isa.is_wide(first) else 2
        kind = isa.kind_of(first, second)
        if kind is Kind.INVALID:
            text = f".inst.w 0x{first:04x}{second:04x}" if size == 4 else f".inst.n 0x{first:04x}"
            return Instruction(address, size, encoding, False, text, "not an ARMv6-M instruction")
        target = branch_target(address, encoding)
        mnemonic, operands = self._decoded(address, first, second)
        if target is not None:
            operands = f"0x{target:08x}{self._code_name(target)}"
        is_jump = kind in (Kind.BRANCH, Kind.BRANCH_CONDITIONAL)
        remark = self._remark(address, first)
        return Instruction(
            address, size, encoding, False, f"{mnemonic} {operands}".rstrip(), remark, target if is_jump else None
        )

    def at(self, address: int) -> Instruction | None:
        """The instruction that the image has at `address`; None where it has no bytes."""
        data = content(self._image, address, 4)
        if len(data) < 2:
            return None
        first, second = struct.unpack("<HH", data.ljust(4, b"\0")[:4])
        return self.instruction(address, first | second << 16 if isa.is_wide(first) else first)

    def data(self, begin: int, end: int) -> Iterator[Instruction]:
        """The bytes of the image from `begin` to `end` as words, and what is not aligned as halfwords and bytes."""
        while begin < end:
            size = next(s for s in (4, 2, 1) if begin % s == 0 and begin + s <= end)
            value = int.from_bytes(content(self._image, begin, size), "little")
            text = f"{_DATA_DIRECTIVES[size]} 0x{value:0{2 * size}x}"
            yield Instruction(begin, size, value, True, text, self._value_name(value) if size == 4 else "")
            begin += size

    def _decoded(self, address: int, first: int, second: int) -> tuple[str, str]:
        found = next(self._capstone.disasm_lite(struct.pack("<HH", first, second), address, 1), None)
        return (f".inst.n 0x{first:04x}", "") if found is None else (found[2], found[3])

    def _remark(self, address: int, first: int) -> str:
        """What the PC-relative LDR and ADR refer to."""
        place = (address + 4 & ~3) + 4 * (first & 0xFF)
        if first & 0xF800 == 0x4800:
            data = content(self._image, place, 4)
            if len(data) < 4:
                return f"[0x{place:08x}]"
            value = int.from_bytes(data, "little")
            name = self._value_name(value)
            return f"=0x{value:08x}{' ' + name if name else ''}"
        if first & 0xF800 == 0xA000:
            return f"=0x{place:08x}{self._code_name(place)}"
        return ""

    def _code_name(self, address: int) -> str:
        symbol = self._image.function_at(address)
        return "" if symbol is None else " " + _name(symbol, address)

    def _value_name(self, value: int) -> str:
        """The variable that `value` points into, or the function that it calls: any other number is just a number."""
        at = bisect_right(self._object_starts, value) - 1
        if at >= 0 and value < self._objects[at].address + self._objects[at].size:
            return _name(self._objects[at], value)
        function = self._image.function_at(value & ~1) if value & 1 else None
        return _name(function, value & ~1) if function is not None and function.address == value & ~1 else ""


def content(image: Image, address: int, size: int) -> bytes:
    """Up to `size` bytes that the image puts at `address`, those it fills with zeros included."""
    for segment in image.segments:
        if segment.address <= address < segment.end:
            at = address - segment.address
            size = min(size, segment.end - address)
            return segment.data[at : at + size].ljust(size, b"\0")
    return b""


def _name(symbol: Symbol, address: int) -> str:
    offset = address - symbol.address
    return f"<{symbol.name}+0x{offset:x}>" if offset else f"<{symbol.name}>"
