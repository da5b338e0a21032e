"""XIP_SSI, the serial interface to the flash (Synopsys DW_apb_ssi): RP2040 datasheet, section 4.10.

Modelled in standard SPI, to send and receive: frames of 8 to 32 bits, of SCKDV cycles a bit. With two or four lines it
is set up for reading memory (XIP): frames take their time then, and the chip does not see them.
"""

from __future__ import annotations

from collections import deque

from m0sim.chip.devices.block import Block, Register
from m0sim.chip.devices.rp2040.flash_chip import FlashChip
from m0sim.chip.devices.rp2040.interposer import INTERPOSER_CYCLES

FIFO_DEPTH = 16
_BUSY, _TFNF, _TFE, _RFNE, _RFF = 1, 2, 4, 8, 16
_LINES = {0: 1, 1: 2, 2: 4}
"""By SPI_FRF."""
_TRANSMIT_AND_RECEIVE, _TRANSMIT_ONLY = 0, 1


class Ssi(Block):
    """The controller. The chip is selected while frames follow each other, or as long as a program forces it."""

    alias_stall = INTERPOSER_CYCLES
    CTRLR0, CTRLR1, SSIENR, SER, BAUDR = 0x00, 0x04, 0x08, 0x10, 0x14
    TXFLR, RXFLR, SR, DR0, DR35 = 0x20, 0x24, 0x28, 0x60, 0xEC

    def __init__(self, chip: FlashChip) -> None:
        stored = (
            (0x0C, "MWCR", 0), (0x18, "TXFTLR", 0), (0x1C, "RXFTLR", 0), (0x54, "DMARDLR", 4), (0x50, "DMATDLR", 0),
            (0xF0, "RX_SAMPLE_DLY", 0), (0xF4, "SPI_CTRLR0", 0x300_0000), (0xF8, "TXD_DRIVE_EDGE", 0),
        )  # fmt: skip
        interrupts = ("IMR", "ISR", "RISR", "TXOICR", "RXOICR", "RXUICR", "MSTICR", "ICR", "DMACR")
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
        return super().steady(offset)[0], self._ends[0] if self._ends else None

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

    def _status(self) -> int:
        waiting = max(0, len(self._ends) - 1)
        flags = (_BUSY if self._ends else 0) | (_TFE if waiting == 0 else 0) | (_TFNF if waiting < FIFO_DEPTH else 0)
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
        if not self._is_forced:
            self._chip.deselect()
