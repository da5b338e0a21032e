"""I2C0 and I2C1 (Synopsys DW_apb_i2c) as masters: RP2040 datasheet, section 4.3. Who answers, is attached from outside.

A bit takes HCNT + SPKLEN + 7 + LCNT + 1 cycles of clk_sys (section 4.3.14.1), without the time that edges take on the
wire. Assumed: a start, a repeated start and a stop take a bit each, a byte and its acknowledgement nine, with nothing
in between; a command leaves the transmit FIFO where its byte begins. Between commands without a stop the bus is held;
turned off then, the master lets go of it without a stop.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial

from m0sim.chip.attached import I2cDevice
from m0sim.chip.devices.block import Register, TimedBlock
from m0sim.chip.devices.rp2040.dreq import Dreq
from m0sim.chip.devices.rp2040.interposer import INTERPOSER_CYCLES

FIFO_DEPTH = 16
_RX_UNDER, _RX_OVER, _RX_FULL, _TX_OVER, _TX_EMPTY = 1, 2, 4, 8, 16
_TX_ABRT, _ACTIVITY, _STOP_DET, _START_DET, _RESTART_DET = 1 << 6, 1 << 8, 1 << 9, 1 << 10, 1 << 12
_LEVELS = _RX_FULL | _TX_EMPTY
_ABRT_7B_ADDR_NOACK, _ABRT_10ADDR1_NOACK, _ABRT_TXDATA_NOACK, _ABRT_USER = 1, 2, 8, 1 << 16
_MASTER_MODE, _10BITADDR_MASTER, _SLAVE_DISABLE, _TX_EMPTY_CTRL, _RX_FULL_HOLDS = 1, 1 << 4, 1 << 6, 1 << 8, 1 << 9
_SPEED_STANDARD, _SPECIAL = 1, 1 << 11
_CMD, _STOP, _RESTART = 1 << 8, 1 << 9, 1 << 10
_ENABLE, _ABORT = 1, 2
_STATUS_ACTIVITY, _TFNF, _TFE, _RFNE, _RFF, _MST_ACTIVITY = 1, 2, 4, 8, 16, 32
_RDMAE, _TDMAE = 1, 2
_BYTE_BITS = 9
_CLEARS = {
    0x44: _RX_UNDER, 0x48: _RX_OVER, 0x4C: _TX_OVER, 0x50: 1 << 5, 0x54: _TX_ABRT, 0x58: 1 << 7, 0x5C: _ACTIVITY,
    0x60: _STOP_DET, 0x64: _START_DET, 0x68: 1 << 11, 0xA8: _RESTART_DET,
}  # fmt: skip
"""Registers that clear an interrupt when they are read."""
_CLEAR_NAMES = (
    "RX_UNDER RX_OVER TX_OVER RD_REQ TX_ABRT RX_DONE ACTIVITY STOP_DET START_DET GEN_CALL RESTART_DET".split()
)
_RESTART_EN = 1 << 5
_NAMED_CON = _MASTER_MODE | _SLAVE_DISABLE


class I2c(TimedBlock):
    """One I2C. What it would do as a slave is not modelled."""

    alias_stall = INTERPOSER_CYCLES
    CON, TAR, DATA_CMD, SS_HCNT, SS_LCNT, FS_HCNT, FS_LCNT = 0x00, 0x04, 0x10, 0x14, 0x18, 0x1C, 0x20
    INTR_STAT, INTR_MASK, RAW_INTR_STAT, RX_TL, TX_TL, CLR_INTR = 0x2C, 0x30, 0x34, 0x38, 0x3C, 0x40
    ENABLE, STATUS, TXFLR, RXFLR, TX_ABRT_SOURCE = 0x6C, 0x70, 0x74, 0x78, 0x80
    DMA_CR, DMA_TDLR, DMA_RDLR, ENABLE_STATUS, FS_SPKLEN = 0x88, 0x8C, 0x90, 0x9C, 0xA0

    def __init__(self, number: int) -> None:
        super().__init__(f"I2C{number}", 0x4004_4000 + 0x4000 * number, _registers())
        self.device_at: Callable[[int], I2cDevice | None] = lambda address: None
        """Who is at an address, as far as its pins reach."""
        self.is_connected: Callable[[], bool] = lambda: True
        """Whether pins are its SDA and SCL."""
        self._line = 23 + number
        self._commands: deque[int] = deque()
        self._received: deque[int] = deque()
        self._raw = self._source = 0
        self._target: I2cDevice | None = None
        """Who has acknowledged its address."""
        self._is_open = self._reads = self._is_silent = False
        """Whether a start was sent and no stop yet; whether the master reads then; whether a command is cut off."""
        self._ends: int | None = None
        """The cycle in which what is on the wire has been sent; then `_then` is done."""
        self._then: Callable[[int], None] = lambda now: None
        self._is_stopping = False
        self.loads = {
            self.DATA_CMD: self._read,
            self.INTR_STAT: lambda: self._state() & self.words[self.INTR_MASK],
            self.RAW_INTR_STAT: self._state,
            self.STATUS: self._status,
            self.CLR_INTR: self._clear_all,
            self.TX_ABRT_SOURCE: lambda: self._source,
            self.ENABLE_STATUS: lambda: self.words[self.ENABLE] & _ENABLE,
            self.TXFLR: lambda: len(self._commands),
            self.RXFLR: lambda: len(self._received),
        }
        for offset, bit in _CLEARS.items():
            self.loads[offset] = partial(self._clear, bit)
        self.stores = {self.DATA_CMD: self._command, self.ENABLE: self._enable}
        self.volatile = {*_CLEARS, self.CLR_INTR, self.DATA_CMD}

    def reset(self) -> None:
        """Off."""
        super().reset()
        self._forget()
        self._received.clear()
        self._raw = self._source = 0
        self.bus.host.set_line(self._line, False)

    def _forget(self) -> None:
        self._commands.clear()
        self._is_open = self._is_silent = self._is_stopping = False
        self._target, self._ends = None, None

    # -- requests to the DMA: section 4.3.12

    def requests(self) -> tuple[Dreq, Dreq]:
        """For commands, and for bytes that came."""
        return (
            Dreq(f"{self.name}_TX", self, self._places, lambda: self._ends),
            Dreq(f"{self.name}_RX", self, self._to_be_read, lambda: self._ends),
        )

    def _places(self) -> int:
        self._settle()
        is_wanted = self.words[self.DMA_CR] & _TDMAE and len(self._commands) <= self.words[self.DMA_TDLR]
        return FIFO_DEPTH - len(self._commands) if is_wanted and self.words[self.ENABLE] & _ENABLE else 0

    def _to_be_read(self) -> int:
        self._settle()
        is_wanted = self.words[self.DMA_CR] & _RDMAE and len(self._received) > self.words[self.DMA_RDLR]
        return len(self._received) if is_wanted else 0

    # -- the wire

    def _settle(self) -> None:
        now = self.bus.clock.now
        while self._ends is not None and self._ends <= now:
            at, self._ends = self._ends, None
            self._then(at)
            self._go_on(at)
        self._tell()

    def _plan(self) -> None:
        self._go_on(self.bus.clock.now)
        self._tell()
        self.schedule(self._ends)

    def _send(self, at: int, bits: int, then: Callable[[int], None]) -> None:
        self._ends, self._then = at + bits * self._period(), then

    def _go_on(self, at: int) -> None:
        """Begin what comes next on the wire, if nothing is on it."""
        if self._ends is not None or not self._commands or self._is_silent or not self.words[self.ENABLE] & _ENABLE:
            return
        command = self._commands[0]
        reads = bool(command & _CMD)
        begins = not self._is_open or command & _RESTART or reads != self._reads
        if begins and self._is_open and not self.words[self.CON] & _RESTART_EN:
            self._end(at)  # a stop and a start instead, IC_DATA_CMD.RESTART says
            return
        if begins:
            self._raw |= _ACTIVITY | (_RESTART_DET if self._is_open else _START_DET)
            self._is_open, self._reads = True, reads
            self._commands[0] &= ~_RESTART
            address_bytes = (3 if reads else 2) if self._is_ten_bits else 1
            restarts = 2 if self._is_ten_bits and reads else 1  # to read, a second start comes behind the address
            self._send(at, restarts + address_bytes * _BYTE_BITS, self._addressed)
            return
        if reads and len(self._received) >= FIFO_DEPTH and self.words[self.CON] & _RX_FULL_HOLDS:
            return
        self._commands.popleft()
        self._send(at, _BYTE_BITS, partial(self._transferred, command))

    @property
    def _is_ten_bits(self) -> bool:
        return bool(self.words[self.CON] & _10BITADDR_MASTER)

    def _addressed(self, at: int) -> None:
        if not self.is_connected():
            self.bus.unmodelled(self, self.DATA_CMD, 0, "sent, and no pins are this I2C's SDA and SCL: nobody answers")
        address = self.words[self.TAR] & (0x3FF if self._is_ten_bits else 0x7F)
        device = self.device_at(address)
        self._target = device
        if device is None or not device.start(self._reads, self.bus.clock.seconds(at)):
            self._target = None
            self._fail(at, _ABRT_10ADDR1_NOACK if self._is_ten_bits else _ABRT_7B_ADDR_NOACK)

    def _transferred(self, command: int, at: int) -> None:
        assert self._target is not None
        if command & _CMD:
            self._receive(self._target.read() & 0xFF)
        elif not self._target.write(command & 0xFF):
            self._fail(at, _ABRT_TXDATA_NOACK)
            return
        if command & _STOP:
            self._end(at)

    def _receive(self, value: int) -> None:
        if len(self._received) < FIFO_DEPTH:
            self._received.append(value)
        else:
            self._raw |= _RX_OVER

    def _fail(self, at: int, source: int) -> None:
        """The transfer is aborted, with a stop; what waits is flushed until the abort is cleared."""
        behind = len(self._commands) - (source in (_ABRT_7B_ADDR_NOACK, _ABRT_10ADDR1_NOACK))
        self._source = source | max(0, behind) << 23
        self._commands.clear()
        self._is_silent = True
        self._raw |= _TX_ABRT
        self._end(at)

    def _end(self, at: int) -> None:
        self._is_stopping = True
        self._send(at, 1, self._stopped)

    def _stopped(self, at: int) -> None:
        if self._target is not None:
            self._target.stop(self.bus.clock.seconds(at))
        self._is_open = self._is_stopping = False
        self._target = None
        self._raw |= _STOP_DET

    def _period(self) -> int:
        """Cycles of clk_sys of one bit."""
        is_standard = self.words[self.CON] >> 1 & 3 == _SPEED_STANDARD
        high, low = (self.SS_HCNT, self.SS_LCNT) if is_standard else (self.FS_HCNT, self.FS_LCNT)
        return self.words[high] + self.words[self.FS_SPKLEN] + 7 + self.words[low] + 1

    # -- registers

    def _state(self) -> int:
        """IC_RAW_INTR_STAT."""
        is_sending = self._ends is not None and not self._is_stopping
        is_empty = len(self._commands) <= self.words[self.TX_TL]
        if self.words[self.CON] & _TX_EMPTY_CTRL:
            is_empty &= not is_sending
        state = self._raw | (_TX_EMPTY if is_empty and self.words[self.ENABLE] & _ENABLE else 0)
        return state | (_RX_FULL if len(self._received) > self.words[self.RX_TL] else 0)

    def _tell(self) -> None:
        self.bus.host.set_line(self._line, bool(self._state() & self.words[self.INTR_MASK]))

    def _status(self) -> int:
        waiting, came = len(self._commands), len(self._received)
        flags = (_TFE if waiting == 0 else 0) | (_TFNF if waiting < FIFO_DEPTH else 0)
        flags |= (_RFNE if came else 0) | (_RFF if came == FIFO_DEPTH else 0)
        is_active = self._is_open or self._ends is not None
        return flags | (_STATUS_ACTIVITY | _MST_ACTIVITY if is_active else 0)

    def _command(self, value: int) -> None:
        if not self.words[self.ENABLE] & _ENABLE or self._is_silent:
            return
        if self.words[self.CON] & _NAMED_CON != _NAMED_CON:
            self.bus.unmodelled(self, self.CON, self.words[self.CON], "being a slave")
        if self.words[self.TAR] & _SPECIAL:
            self.bus.unmodelled(self, self.TAR, self.words[self.TAR], "general calls and START bytes")
        if len(self._commands) >= FIFO_DEPTH:
            self._raw |= _TX_OVER
            return
        self._commands.append(value & 0x7FF)

    def _read(self) -> int:
        if not self._received:
            self._raw |= _RX_UNDER if self.words[self.ENABLE] & _ENABLE else 0
            return 0
        value = self._received.popleft()
        self.bus.changed(self)
        self._plan()
        return value

    def _enable(self, value: int) -> None:
        if not value & _ENABLE:
            self._forget()
            self._received.clear()
            return
        if value & _ABORT:
            self.words[self.ENABLE] &= ~_ABORT
            if self._is_open and not self._is_stopping:
                self._fail(self.bus.clock.now, _ABRT_USER)

    def _clear(self, bit: int) -> int:
        was = bool(self._raw & bit)
        self._raw &= ~bit
        if bit == _TX_ABRT:
            self._source, self._is_silent = 0, False
        self.bus.changed(self)
        self._tell()
        return int(was)

    def _clear_all(self) -> int:
        was = bool(self._raw)
        self._raw = self._source = 0
        self._is_silent = False
        self.bus.changed(self)
        self._tell()
        return int(was)


def _registers() -> list[Register]:
    plain = (
        (I2c.CON, "IC_CON", 0x65), (I2c.TAR, "IC_TAR", 0x55), (0x08, "IC_SAR", 0x55),
        (I2c.SS_HCNT, "IC_SS_SCL_HCNT", 0x28), (I2c.SS_LCNT, "IC_SS_SCL_LCNT", 0x2F),
        (I2c.FS_HCNT, "IC_FS_SCL_HCNT", 0x06), (I2c.FS_LCNT, "IC_FS_SCL_LCNT", 0x0D),
        (I2c.INTR_MASK, "IC_INTR_MASK", 0x8FF), (I2c.RX_TL, "IC_RX_TL", 0), (I2c.TX_TL, "IC_TX_TL", 0),
        (I2c.ENABLE, "IC_ENABLE", 0), (0x7C, "IC_SDA_HOLD", 1), (0x84, "IC_SLV_DATA_NACK_ONLY", 0),
        (I2c.DMA_CR, "IC_DMA_CR", 0), (I2c.DMA_TDLR, "IC_DMA_TDLR", 0), (I2c.DMA_RDLR, "IC_DMA_RDLR", 0),
        (0x94, "IC_SDA_SETUP", 0x64), (0x98, "IC_ACK_GENERAL_CALL", 1), (I2c.FS_SPKLEN, "IC_FS_SPKLEN", 7),
    )  # fmt: skip
    fixed = (
        (I2c.DATA_CMD, "IC_DATA_CMD", 0), (I2c.INTR_STAT, "IC_INTR_STAT", 0),
        (I2c.RAW_INTR_STAT, "IC_RAW_INTR_STAT", 0), (I2c.CLR_INTR, "IC_CLR_INTR", 0),
        (I2c.STATUS, "IC_STATUS", 0x6), (I2c.TXFLR, "IC_TXFLR", 0), (I2c.RXFLR, "IC_RXFLR", 0),
        (I2c.TX_ABRT_SOURCE, "IC_TX_ABRT_SOURCE", 0), (I2c.ENABLE_STATUS, "IC_ENABLE_STATUS", 0),
        (0xF4, "IC_COMP_PARAM_1", 0), (0xF8, "IC_COMP_VERSION", 0x3230_312A), (0xFC, "IC_COMP_TYPE", 0x4457_0140),
        *((offset, f"IC_CLR_{name}", 0) for offset, name in zip(_CLEARS, _CLEAR_NAMES, strict=True)),
    )  # fmt: skip
    return [
        *(Register(offset, name, reset) for offset, name, reset in plain),
        *(Register(offset, name, reset, writable=0) for offset, name, reset in fixed),
    ]
