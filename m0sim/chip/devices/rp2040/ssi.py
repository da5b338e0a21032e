"""XIP_SSI, the serial interface to the flash (Synopsys DW_apb_ssi): RP2040 datasheet, section 4.10.

Modelled in standard SPI, to send and receive: frames of 8 to 32 bits, of SCKDV cycles a bit. With two or four lines it
is set up for reading memory (XIP): frames take their time then, and the chip does not see them. But for one kind of
those, which reads many frames of memory by one address without an instruction: that gives what the flash holds.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from m0sim.chip.devices.block import Block, Register
from m0sim.chip.devices.rp2040.dreq import Dreq
from m0sim.chip.devices.rp2040.flash_chip import FlashChip
from m0sim.chip.devices.rp2040.interposer import INTERPOSER_CYCLES

FIFO_DEPTH = 16
_BUSY, _TFNF, _TFE, _RFNE, _RFF = 1, 2, 4, 8, 16
_LINES = {0: 1, 1: 2, 2: 4}
"""By SPI_FRF."""
_TRANSMIT_AND_RECEIVE, _TRANSMIT_ONLY, _EEPROM_READ = 0, 1, 3
_RDMAE, _TDMAE = 1, 2
_ADDRESS_BITS = 32
"""24 of address, and 8 that keep the chip in this mode."""


@dataclass(frozen=True, slots=True)
class _Reading:
    """Frames of memory that are still to come."""

    ends: int
    """The cycle in which the next one has come,"""
    frame: int
    """and those that one takes."""
    count: int
    offset: int
    """Where in the flash it begins."""
    size: int
    """Bytes of one."""

    def behind(self) -> _Reading | None:
        """What is left behind the next one."""
        if self.count == 1:
            return None
        return _Reading(self.ends + self.frame, self.frame, self.count - 1, self.offset + self.size, self.size)


class Ssi(Block):
    """The controller. The chip is selected while frames follow each other, or as long as a program forces it."""

    alias_stall = INTERPOSER_CYCLES
    CTRLR0, CTRLR1, SSIENR, SER, BAUDR = 0x00, 0x04, 0x08, 0x10, 0x14
    TXFLR, RXFLR, SR, DMACR, DR0, DR35, SPI_CTRLR0 = 0x20, 0x24, 0x28, 0x4C, 0x60, 0xEC, 0xF4

    def __init__(self, chip: FlashChip) -> None:
        stored = (
            (0x0C, "MWCR", 0), (0x18, "TXFTLR", 0), (0x1C, "RXFTLR", 0), (0x54, "DMARDLR", 4), (0x50, "DMATDLR", 0),
            (0xF0, "RX_SAMPLE_DLY", 0), (0xF4, "SPI_CTRLR0", 0x300_0000), (0xF8, "TXD_DRIVE_EDGE", 0),
        )  # fmt: skip
        interrupts = ("IMR", "ISR", "RISR", "TXOICR", "RXOICR", "RXUICR", "MSTICR", "ICR")
        data = range(self.DR0, self.DR35 + 4, 4)
        super().__init__(
            "XIP_SSI",
            0x1800_0000,
            (
                Register(self.CTRLR0, "CTRLR0", 0x7, writable=0x17F_FFFF),
                Register(self.CTRLR1, "CTRLR1", writable=0xFFFF),
                Register(self.SSIENR, "SSIENR", writable=1),
                Register(self.SER, "SER", writable=1),
                Register(self.BAUDR, "BAUDR", writable=0xFFFF),
                Register(self.TXFLR, "TXFLR", writable=0),
                Register(self.RXFLR, "RXFLR", writable=0),
                Register(self.SR, "SR", writable=0),
                Register(0x58, "IDR", 0x5153_5049, writable=0),
                Register(0x5C, "SSI_VERSION_ID", 0x3430_312A, writable=0),
                *(Register(offset, f"DR{(offset - self.DR0) // 4}", writable=0) for offset in data),
                *(Register(offset, name, reset) for offset, name, reset in stored),
                Register(self.DMACR, "DMACR", writable=3),
                *(Register(0x2C + 4 * i, name, effect=False) for i, name in enumerate(interrupts)),
            ),
        )
        self._chip = chip
        self._is_forced = False
        self._ends: deque[int] = deque()
        """Cycles in which frames end that have not ended."""
        self._coming: deque[int] = deque()
        """What those receive that receive anything."""
        self._receives: deque[bool] = deque()
        self._received: deque[int] = deque()
        self._read_on: _Reading | None = None
        """What is being read of memory, by many frames."""
        self.loads = {
            self.TXFLR: lambda: max(0, len(self._ends) - 1),
            self.RXFLR: lambda: len(self._received),
            self.SR: self._status,
            **dict.fromkeys(data, self._read),
        }
        self.stores = {self.SSIENR: self._enable, **dict.fromkeys(data, self._write)}
        self.volatile = set(data)

    def reset(self) -> None:
        """Off and empty."""
        super().reset()
        self._empty()

    def select(self, forced: bool) -> None:
        """A program forces the select line low, or does not any more."""
        if forced != self._is_forced:
            self._is_forced = forced
            if forced:
                self._chip.select()
            else:
                self._chip.deselect()

    def requests(self) -> tuple[Dreq, Dreq]:
        """For places in the transmit FIFO, and for frames that came, however few: section 4.10."""
        return (
            Dreq("XIP_SSITX", self, self._places, self._next_end),
            Dreq("XIP_SSIRX", self, self._to_be_read, self._next_end),
        )

    def _places(self) -> int:
        self._settle()
        return max(0, FIFO_DEPTH + 1 - len(self._ends)) if self.words[self.DMACR] & _TDMAE else 0

    def _to_be_read(self) -> int:
        self._settle()
        return len(self._received) if self.words[self.DMACR] & _RDMAE else 0

    def _next_end(self) -> int | None:
        if self._read_on is not None:
            return self._read_on.ends
        return self._ends[0] if self._ends else None

    def load(self, offset: int) -> int:
        """The register at `offset`, as of now."""
        self._settle()
        return super().load(offset)

    def store(self, offset: int, value: int) -> None:
        """Store to the register at `offset`."""
        self._settle()
        super().store(offset, value)

    def at(self) -> None:
        """The last frame has ended."""
        self._settle()

    def steady(self, offset: int) -> tuple[bool, int | None]:
        """Levels and flags change at the end of a frame."""
        return super().steady(offset)[0], self._next_end()

    def _settle(self) -> None:
        now, depth = self.bus.clock.now, FIFO_DEPTH
        while self._ends and self._ends[0] <= now:
            self._ends.popleft()
            if self._receives.popleft():
                value = self._coming.popleft()
                if len(self._received) < depth:
                    self._received.append(value)
        if not self._ends and not self._is_forced:
            self._chip.deselect()
        while self._read_on is not None and self._read_on.ends <= now:
            reading = self._read_on
            data = self.bus.host.read_flash(reading.offset, reading.size)
            if len(self._received) < depth:
                self._received.append(int.from_bytes(data, "big"))
            self._read_on = reading.behind()

    def _status(self) -> int:
        waiting = max(0, len(self._ends) - 1)
        flags = (
            (_BUSY if self._ends or self._read_on else 0)
            | (_TFE if waiting == 0 else 0)
            | (_TFNF if waiting < FIFO_DEPTH else 0)
        )
        received = len(self._received)
        return flags | (_RFNE if received else 0) | (_RFF if received == FIFO_DEPTH else 0)

    def _write(self, value: int) -> None:
        control, divider = self.words[self.CTRLR0], self.words[self.BAUDR] & ~1
        if not self.words[self.SSIENR] or not self.words[self.SER] or not divider:
            self.bus.unmodelled(self, self.DR0, value, "data while the interface is off or has no clock")
            return
        if len(self._ends) > FIFO_DEPTH:
            return  # it is lost
        lines, bits = _LINES.get(control >> 21 & 3, 1), (control >> 16 & 0x1F) + 1
        mode = control >> 8 & 3
        now = self.bus.clock.now
        if lines > 1 and mode == _EEPROM_READ and self._reads_by_address:
            self._begin_to_read(value, lines, bits, divider)
            return
        if not self._ends and not self._is_forced:
            self._chip.select()
        begin = self._ends[-1] if self._ends else now
        self._ends.append(begin + -(-bits // lines) * divider)
        receives = lines == 1 and mode == _TRANSMIT_AND_RECEIVE
        self._receives.append(receives)
        if lines == 1:
            answer = self._exchange(value, bits)
            if receives:
                self._coming.append(answer)
            if mode not in (_TRANSMIT_AND_RECEIVE, _TRANSMIT_ONLY):
                self.bus.unmodelled(self, self.CTRLR0, control, "receiving without sending, on one line")
        if not self._is_forced:
            self.schedule(self._ends[-1])  # the chip is deselected then, and begins what it was told

    @property
    def _reads_by_address(self) -> bool:
        """Whether a frame is an address alone, as code runs from flash."""
        form = self.words[self.SPI_CTRLR0]
        return form >> 8 & 3 == 0 and 4 * (form >> 2 & 0xF) == _ADDRESS_BITS

    def _begin_to_read(self, value: int, lines: int, bits: int, divider: int) -> None:
        """CTRLR1 and one frames of memory, behind an address and the cycles that the chip waits."""
        waits = self.words[self.SPI_CTRLR0] >> 11 & 0x1F
        frame, size = -(-bits // lines) * divider, -(-bits // 8)
        first = self.bus.clock.now + (_ADDRESS_BITS // lines + waits) * divider + frame
        self._read_on = _Reading(first, frame, self.words[self.CTRLR1] + 1, value >> 8 & 0xFF_FFFF, size)

    def _exchange(self, value: int, bits: int) -> int:
        """A frame, most significant bit first, in whole bytes."""
        size = -(-bits // 8)
        sent = (value & (1 << bits) - 1).to_bytes(size, "big")
        return int.from_bytes(bytes(self._chip.exchange(byte) for byte in sent), "big")

    def _read(self) -> int:
        if not self._received:
            return 0
        self.bus.changed(self)
        return self._received.popleft()

    def _enable(self, value: int) -> None:
        if not value & 1:
            self._empty()

    def _empty(self) -> None:
        for queue in (self._ends, self._coming, self._receives, self._received):
            queue.clear()
        self._read_on = None
        if not self._is_forced:
            self._chip.deselect()
