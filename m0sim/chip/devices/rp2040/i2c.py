"""I2C0 and I2C1 (Synopsys DW_apb_i2c) as masters that nobody answers: RP2040 datasheet, section 4.3.

A transfer sends its address, is not acknowledged, and is aborted, after the time of a start
and nine bits.
"""

from __future__ import annotations

from collections.abc import Callable

from m0sim.chip.devices.block import Block, Register
from m0sim.chip.devices.rp2040.interposer import INTERPOSER_CYCLES

_TX_EMPTY, _TX_ABRT, _ACTIVITY, _STOP_DET, _START_DET = 1 << 4, 1 << 6, 1 << 8, 1 << 9, 1 << 10
_ABRT_7B_ADDR_NOACK, _ABRT_10ADDR1_NOACK = 1, 2
_10BITADDR_MASTER, _SPEED_STANDARD = 1 << 4, 1
_TFE, _TFNF, _STATUS_ACTIVITY, _MST_ACTIVITY = 4, 2, 1, 32
_ADDRESS_BITS = 9
_CLEARS = {
    0x44: 1 << 0, 0x48: 1 << 1, 0x4C: 1 << 3, 0x50: 1 << 5, 0x54: _TX_ABRT, 0x58: 1 << 7, 0x5C: _ACTIVITY,
    0x60: _STOP_DET, 0x64: _START_DET, 0x68: 1 << 11, 0xA8: 1 << 12,
}  # fmt: skip
"""Registers that clear an interrupt when they are read."""
_CLEAR_NAMES = (
    "RX_UNDER RX_OVER TX_OVER RD_REQ TX_ABRT RX_DONE ACTIVITY STOP_DET START_DET GEN_CALL RESTART_DET".split()
)


class I2c(Block):
    """One I2C. What it would do as a slave, or with somebody who acknowledges, is not modelled."""

    alias_stall = INTERPOSER_CYCLES
    CON, TAR, DATA_CMD, SS_HCNT, SS_LCNT, FS_HCNT, FS_LCNT = 0x00, 0x04, 0x10, 0x14, 0x18, 0x1C, 0x20
    INTR_STAT, INTR_MASK, RAW_INTR_STAT, CLR_INTR = 0x2C, 0x30, 0x34, 0x40
    ENABLE, STATUS, TXFLR, RXFLR, TX_ABRT_SOURCE, ENABLE_STATUS, FS_SPKLEN = 0x6C, 0x70, 0x74, 0x78, 0x80, 0x9C, 0xA0

    def __init__(self, number: int) -> None:
        plain = (
            (self.CON, "IC_CON", 0x65), (self.TAR, "IC_TAR", 0x55), (0x08, "IC_SAR", 0x55),
            (self.SS_HCNT, "IC_SS_SCL_HCNT", 0x28), (self.SS_LCNT, "IC_SS_SCL_LCNT", 0x2F),
            (self.FS_HCNT, "IC_FS_SCL_HCNT", 0x06), (self.FS_LCNT, "IC_FS_SCL_LCNT", 0x0D),
            (self.INTR_MASK, "IC_INTR_MASK", 0x8FF), (0x38, "IC_RX_TL", 0), (0x3C, "IC_TX_TL", 0),
            (self.ENABLE, "IC_ENABLE", 0), (0x7C, "IC_SDA_HOLD", 1), (0x84, "IC_SLV_DATA_NACK_ONLY", 0),
            (0x88, "IC_DMA_CR", 0), (0x8C, "IC_DMA_TDLR", 0), (0x90, "IC_DMA_RDLR", 0), (0x94, "IC_SDA_SETUP", 0x64),
            (0x98, "IC_ACK_GENERAL_CALL", 1), (self.FS_SPKLEN, "IC_FS_SPKLEN", 7),
        )  # fmt: skip
        fixed = (
            (self.DATA_CMD, "IC_DATA_CMD", 0), (self.INTR_STAT, "IC_INTR_STAT", 0),
            (self.RAW_INTR_STAT, "IC_RAW_INTR_STAT", 0), (self.CLR_INTR, "IC_CLR_INTR", 0),
            (self.STATUS, "IC_STATUS", 0x6), (self.TXFLR, "IC_TXFLR", 0), (self.RXFLR, "IC_RXFLR", 0),
            (self.TX_ABRT_SOURCE, "IC_TX_ABRT_SOURCE", 0), (self.ENABLE_STATUS, "IC_ENABLE_STATUS", 0),
            (0xF4, "IC_COMP_PARAM_1", 0), (0xF8, "IC_COMP_VERSION", 0x3230_312A), (0xFC, "IC_COMP_TYPE", 0x4457_0140),
            *((offset, f"IC_CLR_{name}", 0) for offset, name in zip(_CLEARS, _CLEAR_NAMES, strict=True)),
        )  # fmt: skip
        super().__init__(
            f"I2C{number}",
            0x4004_4000 + 0x4000 * number,
            (
                *(Register(offset, name, reset) for offset, name, reset in plain),
                *(Register(offset, name, reset, writable=0) for offset, name, reset in fixed),
            ),
        )
        self._line = 23 + number
        self._raw = self._source = 0
        self._is_busy = False
        self.loads = {
            self.INTR_STAT: lambda: self._state() & self.words[self.INTR_MASK],
            self.RAW_INTR_STAT: self._state,
            self.STATUS: lambda: _TFE | _TFNF | (_STATUS_ACTIVITY | _MST_ACTIVITY if self._is_busy else 0),
            self.CLR_INTR: self._clear_all,
            self.TX_ABRT_SOURCE: lambda: self._source,
            self.ENABLE_STATUS: lambda: self.words[self.ENABLE] & 1,
            self.RXFLR: lambda: 0,
        }
        for offset, bit in _CLEARS.items():
            self.loads[offset] = self._clear_of(bit)
        self.stores = {
            self.DATA_CMD: self._command,
            self.ENABLE: self._enable,
            self.INTR_MASK: lambda _: self._tell(),
        }
        self.volatile = {*_CLEARS, self.CLR_INTR}

    def reset(self) -> None:
        """Off."""
        super().reset()
        self._raw = self._source = 0
        self._is_busy = False
        self.bus.host.set_line(self._line, False)

    def at(self) -> None:
        """Nobody has acknowledged the address."""
        self._is_busy = False
        ten = self.words[self.CON] & _10BITADDR_MASTER
        self._source = _ABRT_10ADDR1_NOACK if ten else _ABRT_7B_ADDR_NOACK
        self._raw |= _TX_ABRT | _STOP_DET
        self._tell()

    def _state(self) -> int:
        is_empty = self.words[self.ENABLE] & 1 and not self._is_busy
        return self._raw | (_TX_EMPTY if is_empty else 0)

    def _tell(self) -> None:
        self.bus.host.set_line(self._line, bool(self._state() & self.words[self.INTR_MASK]))

    def _command(self, _: int) -> None:
        """The first of a transfer begins it; the rest is flushed with it, as long as the abort is not cleared."""
        if not self.words[self.ENABLE] & 1 or self._is_busy or self._raw & _TX_ABRT:
            return
        self._is_busy = True
        self._raw |= _START_DET | _ACTIVITY
        self.schedule(self.bus.clock.now + (_ADDRESS_BITS + 1) * self._period())
        self._tell()

    def _period(self) -> int:
        """Cycles of clk_sys of one bit: section 4.3.14.1, without the time that edges take."""
        is_standard = self.words[self.CON] >> 1 & 3 == _SPEED_STANDARD
        high, low = (self.SS_HCNT, self.SS_LCNT) if is_standard else (self.FS_HCNT, self.FS_LCNT)
        return self.words[high] + self.words[self.FS_SPKLEN] + 7 + self.words[low] + 1

    def _enable(self, value: int) -> None:
        if not value & 1:
            self._is_busy = False
            self.schedule(None)
        self._tell()

    def _clear_of(self, bit: int) -> Callable[[], int]:
        def clear() -> int:
            was = bool(self._raw & bit)
            self._raw &= ~bit
            if bit == _TX_ABRT:
                self._source = 0
            self.bus.changed(self)
            self._tell()
            return int(was)

        return clear

    def _clear_all(self) -> int:
        was = bool(self._raw)
        self._raw = self._source = 0
        self.bus.changed(self)
        self._tell()
        return int(was)
