"""Small devices to attach: EEPROMs with I2C and SPI, and a wire from MOSI to MISO."""

from __future__ import annotations

from fractions import Fraction

from m0sim.chip.attached import I2cDevice, SpiDevice
from m0sim.errors import UsageError

WRITE_SECONDS = Fraction(5, 1000)
"""The longest write cycle of a 24LC256 and a 25LC256 (Microchip DS20001203, DS20001822)."""
SIZES = {"24c02": 256, "24c32": 4096, "24c64": 8192, "24c256": 32768, "25c256": 32768}
"""Bytes."""
PAGES = {"24c02": 8, "24c32": 32, "24c64": 32, "24c256": 64, "25c256": 64}
"""Bytes of a write page: a write goes round in it."""


class _Memory:
    """Bytes, the page that is being written, and until when that takes."""

    def __init__(self, kind: str, content: bytes, write_seconds: Fraction) -> None:
        size = SIZES[kind]
        if len(content) > size:
            raise UsageError(f"{kind} has {size:,} bytes, not the {len(content):,} that it is to begin with")
        self.data = bytearray(content.ljust(size, b"\xff"))
        self.page = PAGES[kind]
        self._takes = write_seconds
        self._pending: dict[int, int] = {}
        self._busy_until = Fraction(0)

    def is_busy(self, seconds: Fraction) -> bool:
        return seconds < self._busy_until

    def put(self, address: int, value: int) -> int:
        """Take a byte for the page; the address of the next one."""
        self._pending[address] = value
        low = address - address % self.page
        return low + (address + 1) % self.page

    def commit(self, seconds: Fraction) -> None:
        """Write what was taken."""
        for address, value in self._pending.items():
            self.data[address] = value
        if self._pending:
            self._busy_until = seconds + self._takes
        self._pending.clear()

    def drop(self) -> None:
        """Forget it."""
        self._pending.clear()


class I2cEeprom(I2cDevice):
    """A 24C02, 24C32, 24C64 or 24C256: `data` is what it holds.

    While a page is written, 5 ms from the stop on, it acknowledges nothing. A write goes round in its page, a read in
    the whole memory. Without a stop behind the last byte nothing is written.
    """

    def __init__(self, kind: str = "24c32", content: bytes = b"", write_seconds: Fraction = WRITE_SECONDS) -> None:
        """One with `content` in front, and 0xff behind it. Raises `UsageError` where that is too long."""
        if not kind.startswith("24") or kind not in SIZES:
            raise UsageError(f"unknown EEPROM {kind!r}: 24c02, 24c32, 24c64 or 24c256")
        self._memory = _Memory(kind, content, write_seconds)
        self._address_bytes = 1 if SIZES[kind] <= 256 else 2
        self._address = self._missing = 0

    @property
    def data(self) -> bytearray:
        """All that it holds."""
        return self._memory.data

    def start(self, reads: bool, seconds: Fraction) -> bool:
        """It acknowledges its address while it writes no page."""
        self._memory.drop()  # of a write that no stop ended
        if self._memory.is_busy(seconds):
            return False
        self._missing = 0 if reads else self._address_bytes
        return True

    def write(self, value: int) -> bool:
        """First the address, high byte first, then data."""
        if self._missing:
            self._missing -= 1
            kept = 0 if self._missing == self._address_bytes - 1 else self._address
            self._address = (kept << 8 | value) % len(self.data)
        else:
            self._address = self._memory.put(self._address, value)
        return True

    def read(self) -> int:
        """The byte at the address, which goes on."""
        value = self.data[self._address]
        self._address = (self._address + 1) % len(self.data)
        return value

    def stop(self, seconds: Fraction) -> None:
        """The page is written from now on."""
        self._memory.commit(seconds)


_WRSR, _WRITE, _READ, _WRDI, _RDSR, _WREN = 1, 2, 3, 4, 5, 6
_WIP, _WEL, _STATUS_WRITABLE = 1, 2, 0x8C


class SpiEeprom(SpiDevice):
    """A 25C256: READ, WRITE, WREN, WRDI, RDSR and WRSR, in frames of 8 bits; `data` is what it holds.

    A page is written from the rise of chip select on, for 5 ms. Protection of blocks is kept in the status, and
    protects nothing.
    """

    def __init__(self, kind: str = "25c256", content: bytes = b"", write_seconds: Fraction = WRITE_SECONDS) -> None:
        """One with `content` in front, and 0xff behind it. Raises `UsageError` where that is too long."""
        if not kind.startswith("25") or kind not in SIZES:
            raise UsageError(f"unknown EEPROM {kind!r}: 25c256")
        self._memory = _Memory(kind, content, write_seconds)
        self._status = 0
        self._received: list[int] = []
        self._address = 0
        self._began = Fraction(0)

    @property
    def data(self) -> bytearray:
        """All that it holds."""
        return self._memory.data

    def select(self, seconds: Fraction) -> None:
        """An instruction begins."""
        self._received, self._began = [], seconds

    def exchange(self, value: int, bits: int) -> int:
        """A byte of an instruction, and what comes back: 0xff where nothing does."""
        place = len(self._received)
        self._received.append(value & 0xFF)
        is_busy = self._memory.is_busy(self._began)
        instruction = self._received[0]
        if place == 0:
            return 0xFF
        if instruction == _RDSR:
            return self._status | (_WIP if is_busy else 0)
        if is_busy or instruction not in (_READ, _WRITE):
            return 0xFF
        if place <= 2:
            self._address = (self._address << 8 | value & 0xFF) % len(self.data)
        elif instruction == _READ:
            found = self.data[self._address]
            self._address = (self._address + 1) % len(self.data)
            return found
        elif self._status & _WEL:
            self._address = self._memory.put(self._address, value & 0xFF)
        return 0xFF

    def deselect(self, seconds: Fraction) -> None:
        """What was asked for is done."""
        if not self._received or self._memory.is_busy(self._began):
            return
        instruction, *operands = self._received
        if instruction in (_WREN, _WRDI):
            self._status = self._status & ~_WEL | (_WEL if instruction == _WREN else 0)
        elif instruction == _WRSR and operands and self._status & _WEL:
            self._status = operands[0] & _STATUS_WRITABLE
        elif instruction == _WRITE and self._status & _WEL:
            self._memory.commit(seconds)
            self._status &= ~_WEL
        self._received = []


class SpiLoopback(SpiDevice):
    """A wire from MOSI to MISO."""

    def exchange(self, value: int, bits: int) -> int:
        """What is sent."""
        return value
