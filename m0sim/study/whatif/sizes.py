"""Memory sizes as people type them: 16K, 264K, 0x4000, or banks such as 256K+4K+4K. K = 1024."""

from __future__ import annotations

import re
from dataclasses import dataclass

from m0sim.errors import UsageError

_UNITS = {"": 1, "K": 1024, "M": 1024 * 1024}
_SIZE = re.compile(r"(0x[0-9a-f]+|[0-9]+(?:_[0-9]+)*(?:\.[0-9]+)?) ?([km]?)(?:i?b)?", re.IGNORECASE | re.ASCII)
_LARGEST = 1 << 32


@dataclass(frozen=True, slots=True)
class SramRoom:
    """SRAM that a budget allows: one stretch, or banks that no tensor may cross."""

    text: str
    """As it was typed."""
    banks: tuple[int, ...]
    """Bytes of each; the stack is at the end of the last."""

    @property
    def size(self) -> int:
        """Bytes in all."""
        return sum(self.banks)


def size(text: str, what: str = "") -> int:
    """Bytes of a size such as ``64K``. UsageError, one line that begins with `what`, for what is none, or not from 1 to
    4G."""
    said = f"{what}: {text.strip()!r}" if what else repr(text.strip())
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise UsageError(f"{said} is no size in bytes, such as 65536 or 64K (K = 1024)")
    number, unit = match.groups()
    is_hex = number[:2].lower() == "0x"
    if is_hex and number[-1] in "bB":
        raise UsageError(f"{said}: the b at the end is a digit there, not the unit: type the size in decimal")
    value = int(number, 16) if is_hex else float(number)
    bytes_ = value * _UNITS[unit.upper()]
    if not 1 <= bytes_ <= _LARGEST or bytes_ != int(bytes_):
        raise UsageError(f"{said} must be a whole number of bytes from 1 to 4096M")
    return int(bytes_)


def rooms(text: str) -> tuple[SramRoom, ...]:
    """Budgets from a list such as ``16K,64K,256K+4K+4K``; the same one twice counts once."""
    parts = [part.strip() for part in text.split(",")]
    if not all(parts):
        raise UsageError(f"--sram {text!r}: name one budget or several, such as 16K,64K,264K")
    found = [SramRoom(part, _banks(part)) for part in parts]
    return tuple({room.banks: room for room in found}.values())


def _banks(part: str) -> tuple[int, ...]:
    banks = part.split("+")
    if not all(bank.strip() for bank in banks):
        raise UsageError(f"--sram {part!r}: there is no size on one side of a +, as in 256K+4K+4K")
    return tuple(size(bank, "--sram") for bank in banks)


def kib(room: SramRoom) -> str:
    """A budget in KiB, its banks apart: ``16`` or ``256+4+4``."""
    return "+".join(f"{bank / 1024:,.10g}" for bank in room.banks)
