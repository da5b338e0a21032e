"""A serial flash chip as boards carry it: Winbond W25Q16JV, in its size or that of the profile.

Source: W25Q16JV datasheet, revision H: commands in section 8.1.2, times in 9.6 (typical). Commands that use more than
one data line are the XIP hardware's, which reads memory directly; the chip does not see them here.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Protocol

from m0sim.chip.devices.clock import SystemClock

PAGE, SECTOR, BLOCK32, BLOCK64 = 256, 4096, 32 << 10, 64 << 10
PAGE_PROGRAM_SECONDS = Fraction(4, 10_000)
SECTOR_ERASE_SECONDS = Fraction(45, 1_000)
BLOCK32_ERASE_SECONDS = Fraction(120, 1_000)
BLOCK64_ERASE_SECONDS = Fraction(150, 1_000)
CHIP_ERASE_SECONDS = Fraction(5)
WRITE_STATUS_SECONDS = Fraction(10, 1_000)

UNIQUE_ID = bytes.fromhex("4d3053494d000001")
"""Real chips have one each; this one is ``M0SIM`` and a number."""

_BUSY, _WRITE_ENABLED = 1, 2
_QUAD_ENABLED = 2
"""Of status register 2; set in parts that are sold as IQ, which boards have."""
_ERASES = {
    0x20: (SECTOR, SECTOR_ERASE_SECONDS),
    0x52: (BLOCK32, BLOCK32_ERASE_SECONDS),
    0xD8: (BLOCK64, BLOCK64_ERASE_SECONDS),
}
_CHIP_ERASE = (0x60, 0xC7)
_STATUS = {0x05: 0, 0x35: 1, 0x15: 2}
_WRITE_STATUS = {0x01: 0, 0x31: 1, 0x11: 2}
_ADDRESS_BYTES = 3


class FlashMemory(Protocol):
    """Where the chip's contents are."""

    def read_flash(self, offset: int, size: int) -> bytes:
        """Bytes of it; behind its end it repeats."""

    def write_flash(self, offset: int, data: bytes) -> None:
        """Change it."""


class FlashChip:
    """The chip: bytes go in and come out while it is selected, and what was asked for begins when that ends."""

    def __init__(self, size: int, clock: SystemClock) -> None:
        self.size = size
        self.memory: FlashMemory
        self.unknown: set[int] = set()
        """Commands that it was sent and does not have."""
        self._clock = clock
        self._is_selected = False
        self._command: int | None = None
        self._bytes = bytearray()
        self._status = [0, _QUAD_ENABLED, 0]
        self._busy_until = Fraction(-1)
        self._busy_before: int | None = 0
        """The same as a cycle; None while the clock stands."""
        clock.watch(self._retime)
        self._identity = bytes((0xEF, 0x40, size.bit_length() - 1))
        self.erased = self.programmed = 0
        """Bytes so far."""

    def select(self) -> None:
        """The select line falls: a command begins."""
        self._is_selected, self._command = True, None
        self._bytes.clear()

    def deselect(self) -> None:
        """It rises: the command is carried out."""
        if self._is_selected and self._command is not None:
            self._carry_out(self._command)
        self._is_selected = False

    def exchange(self, sent: int) -> int:
        """A byte goes in on one line, and one comes out."""
        if not self._is_selected:
            return 0xFF
        if self._command is None:
            self._command = sent
            return 0xFF
        self._bytes.append(sent)
        if self.is_busy and self._command not in _STATUS:
            return 0xFF
        return self._answer(self._command, len(self._bytes) - 1)

    @property
    def is_busy(self) -> bool:
        """Erasing, programming or writing a status register."""
        return self._busy_before is None or self._clock.now < self._busy_before

    def _retime(self) -> None:
        self._busy_before = self._clock.cycle_at(self._busy_until)

    def _answer(self, command: int, index: int) -> int:
        """What byte number `index` behind the command is."""
        if command in _STATUS:
            number = _STATUS[command]
            return self._status[number] | (_BUSY if number == 0 and self.is_busy else 0)
        if command == 0x9F:
            return self._identity[index] if index < 3 else 0xFF
        if command == 0x90:
            return (0xEF, self._identity[2] - 1)[(index - _ADDRESS_BYTES) & 1] if index >= _ADDRESS_BYTES else 0xFF
        if command == 0xAB:
            return self._identity[2] - 1 if index >= _ADDRESS_BYTES else 0xFF
        if command == 0x4B:
            return UNIQUE_ID[index - 4] if 4 <= index < 12 else 0xFF
        skipped = {0x03: _ADDRESS_BYTES, 0x0B: _ADDRESS_BYTES + 1}.get(command)
        if skipped is not None and index >= skipped:
            return self.memory.read_flash((self._address() + index - skipped) % self.size, 1)[0]
        return 0xFF

    def _address(self) -> int:
        return int.from_bytes(self._bytes[:_ADDRESS_BYTES], "big") % self.size

    def _carry_out(self, command: int) -> None:
        if self.is_busy:
            return
        if command == 0x06:
            self._status[0] |= _WRITE_ENABLED
        elif command == 0x04:
            self._status[0] &= ~_WRITE_ENABLED
        elif command in _ERASES and len(self._bytes) == _ADDRESS_BYTES:
            size, seconds = _ERASES[command]
            self._write(seconds, self._address() & -size, b"\xff" * size)
        elif command in _CHIP_ERASE and not self._bytes:
            self._write(CHIP_ERASE_SECONDS, 0, b"\xff" * self.size)
        elif command == 0x02 and len(self._bytes) > _ADDRESS_BYTES:
            self._program(self._address(), bytes(self._bytes[_ADDRESS_BYTES:]))
        elif command in _WRITE_STATUS and self._bytes:
            self._set_status(_WRITE_STATUS[command])
        elif command not in _KNOWN:
            self.unknown.add(command)

    def _write(self, seconds: Fraction, offset: int, data: bytes) -> None:
        if self._status[0] & _WRITE_ENABLED:
            self.memory.write_flash(offset, data)
            self.erased += len(data)
            self._begin(seconds)

    def _program(self, address: int, data: bytes) -> None:
        """Clears bits; an address that runs over the end of its page begins again at the page's start."""
        if not self._status[0] & _WRITE_ENABLED:
            return
        page = address & -PAGE
        now = bytearray(self.memory.read_flash(page, PAGE))
        latched: dict[int, int] = {}
        for i, byte in enumerate(data):
            latched[(address + i) % PAGE] = byte
        for i, byte in latched.items():
            now[i] &= byte
        self.memory.write_flash(page, bytes(now))
        self.programmed += len(latched)
        self._begin(PAGE_PROGRAM_SECONDS)

    def _set_status(self, number: int) -> None:
        if self._status[0] & _WRITE_ENABLED:
            for i, byte in enumerate(self._bytes[: 2 if number == 0 else 1]):
                self._status[number + i] = byte & (0xFC if number + i == 0 else 0xFF)
            self._begin(WRITE_STATUS_SECONDS)

    def _begin(self, seconds: Fraction) -> None:
        self._status[0] &= ~_WRITE_ENABLED
        self._busy_until = self._clock.seconds() + seconds
        self._retime()


_KNOWN = {
    *_STATUS, *_WRITE_STATUS, *_ERASES, *_CHIP_ERASE, 0x02, 0x03, 0x04, 0x06, 0x0B, 0x4B, 0x50, 0x66, 0x90, 0x99, 0x9F,
    0xAB, 0xFF, 0x00,
}  # fmt: skip
"""0xff and 0x00 are what a way out of continuous reading looks like to a chip that is not in it."""
