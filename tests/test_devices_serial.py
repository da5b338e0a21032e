"""The RP2040's SPI and I2C with nobody at the other end."""

from __future__ import annotations

import pytest
from test_devices_rp2040 import CLOCKS, CLR, RESETS, SET, Chip

SPI0, I2C0 = 0x4003_C000, 0x4004_4000
TFE, TNF, RNE, RFF, BSY = 1, 2, 4, 8, 16


def spi(loopback: bool = False, bits: int = 8, prescale: int = 4, rate: int = 2) -> Chip:
    made = Chip()
    made.start_xosc()
    made.store(CLOCKS + 0x48, 1 << 11)
    made.store(RESETS + CLR, 1 << 16)
    made.store(SPI0 + 0x10, prescale)
    made.store(SPI0, rate << 8 | bits - 1)
    made.store(SPI0 + 4, 2 | loopback)
    return made


@pytest.mark.parametrize(("bits", "prescale", "rate"), [(8, 2, 0), (8, 4, 2), (16, 254, 255), (4, 6, 1)])
def test_a_frame_takes_its_bits(bits: int, prescale: int, rate: int) -> None:
    made = spi(bits=bits, prescale=prescale, rate=rate)
    made.store(SPI0 + 8, 0x55)
    made.run(bits * prescale * (1 + rate) - 1)
    assert made.load(SPI0 + 0x0C) == BSY | TFE | TNF
    made.run(1)
    assert made.load(SPI0 + 0x0C) == TFE | TNF | RNE
    assert made.load(SPI0 + 8) == 0


def test_fifos_of_eight_and_loopback() -> None:
    made = spi(loopback=True)
    for value in range(12):
        made.store(SPI0 + 8, 0x100 + value)
    assert made.load(SPI0 + 0x0C) & (TFE | TNF) == 0
    made.run(100 * 8 * 12)
    assert made.load(SPI0 + 0x0C) == TFE | TNF | RNE | RFF
    assert made.load(SPI0 + 0x18) & 1  # the ninth frame overran
    assert [made.load(SPI0 + 8) for _ in range(8)] == list(range(8))
    made.store(SPI0 + 0x20, 1)
    assert made.load(SPI0 + 0x18) == 1 << 3


def test_interrupts_at_half() -> None:
    made = spi()
    made.store(SPI0 + 0x14, 4)
    for value in range(4):
        made.store(SPI0 + 8, value)
    made.run(8 * 12 * 4 - 1)
    assert not made.host.lines[18]
    made.run(1)
    assert made.host.lines[18]
    made.load(SPI0 + 8)
    assert not made.host.lines[18]


def test_nobody_acknowledges_an_address() -> None:
    """As the SDK's i2c_write_blocking asks: TX_EMPTY, the abort's source, and the stop."""
    made = Chip()
    made.start_xosc()
    made.store(RESETS + CLR, 1 << 3)
    made.store(I2C0 + 0x1C, 12)
    made.store(I2C0 + 0x20, 18)
    made.store(I2C0 + 0xA0, 1)
    made.store(I2C0 + 0x04, 0x42)
    made.store(I2C0 + 0x6C, 1)
    assert made.load(I2C0 + 0x34) == 1 << 4
    made.store(I2C0 + 0x10, 0x155)
    assert made.load(I2C0 + 0x34) & (1 << 4 | 1 << 6 | 1 << 9) == 0
    period = 12 + 1 + 7 + 18 + 1
    made.run(10 * period - 1)
    assert made.load(I2C0 + 0x80) == 0
    made.run(1)
    assert made.load(I2C0 + 0x80) == 1
    assert made.load(I2C0 + 0x34) & (1 << 4 | 1 << 6 | 1 << 9) == 1 << 4 | 1 << 6
    made.run(period)
    assert made.load(I2C0 + 0x34) & (1 << 4 | 1 << 6 | 1 << 9) == 1 << 4 | 1 << 6 | 1 << 9
    assert made.host.lines[23]
    made.load(I2C0 + 0x54)
    made.load(I2C0 + 0x60)
    assert made.load(I2C0 + 0x80) == 0
    assert made.load(I2C0 + 0x34) & (1 << 6 | 1 << 9) == 0


def test_counters_of_the_bus_are_named() -> None:
    made = Chip()
    made.store(RESETS + CLR, 1 << 1)
    made.store(0x4003_0000 + SET, 0x10)
    assert made.load(0x4003_0000 + 4) == 1
    made.load(0x4003_0008)
    assert [(n.device, n.offset) for n in made.board.bus.notes.values()] == [("BUSCTRL", 8)]
