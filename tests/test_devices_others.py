"""UART, timer and clocks of the SAM D21 and the nRF51, against figures of their manuals and slow timers."""

from __future__ import annotations

from fractions import Fraction

import pytest
from device_host import FakeHost
from hypothesis import given, settings
from hypothesis import strategies as st

from m0sim.chip import device
from m0sim.chip.devices.parts import board_of
from m0sim.errors import UsageError


class Part:
    """A part that a test drives as a program would."""

    def __init__(self, name: str) -> None:
        self.host = FakeHost()
        self.board = board_of(device.load(name), self.host)
        self.board.bus.reset()

    def load(self, address: int, size: int = 4) -> int:
        return self.host.load(self.board.bus, address, size)

    def store(self, address: int, value: int, size: int = 4) -> None:
        self.host.store(self.board.bus, address, value, size)

    def run(self, cycles: int) -> None:
        self.host.run(self.board.bus, cycles)


def test_a_part_without_peripherals_is_refused() -> None:
    with pytest.raises(UsageError, match=r"m0plus-slowmul: it knows those of rp2040, .* and "):
        Part("m0plus-slowmul")


# -- SAM D21

GCLK, PM, SYSCTRL, SERCOM0, TC3 = 0x4000_0C00, 0x4000_0400, 0x4000_0800, 0x4200_0800, 0x4200_2C00


def samd21() -> Part:
    """At 48 MHz from the DFLL, with SERCOM0 and TC3 on generator 0."""
    part = Part("samd21")
    assert part.board.clock.hz == 1_000_000
    part.store(SYSCTRL + 0x24, 2, 2)
    assert part.load(SYSCTRL + 0x0C) & 1 << 4
    part.store(GCLK + 4, 0 | 7 << 8 | 1 << 16)
    part.store(GCLK + 2, 0x14 | 1 << 14, 2)
    part.store(GCLK + 2, 0x1B | 1 << 14, 2)
    assert part.board.clock.hz == 48_000_000
    return part


def test_samd21_usart_at_9600_baud() -> None:
    """Section 27.6.2.3: BAUD = 65536 * (1 - 16 * 9600 / 48 MHz) is 65326."""
    part = samd21()
    assert round(65_536 * (1 - Fraction(16 * 9600, 48_000_000))) == 65_326
    part.store(SERCOM0 + 0x0C, 65_326, 2)
    part.store(SERCOM0 + 4, 1 << 16 | 1 << 17)
    part.store(SERCOM0, 1 << 30 | 1 << 2 | 2)
    assert part.load(SERCOM0 + 0x18, 1) == 1
    part.store(SERCOM0 + 0x28, ord("h"), 2)
    part.store(SERCOM0 + 0x28, ord("i"), 2)
    assert part.load(SERCOM0 + 0x18, 1) == 0
    frame = round(160 * Fraction(65_536, 65_536 - 65_326))
    assert abs(frame - 48_000_000 / 960) < 150
    part.run(frame)
    assert part.load(SERCOM0 + 0x18, 1) == 1
    part.run(frame)
    assert part.load(SERCOM0 + 0x18, 1) == 1 | 2
    assert [data for _, _, data in part.host.sent] == [b"h", b"i"]
    part.store(SERCOM0 + 0x16, 4, 1)
    part.board.receivers["SERCOM0"].receive(b"!")
    part.run(frame)
    assert part.host.lines[9]
    assert part.load(SERCOM0 + 0x28, 2) == ord("!")
    assert not part.host.lines[9]


def test_samd21_registers_lie_side_by_side() -> None:
    part = samd21()
    part.store(TC3 + 0x18, 0xBEEF_1234)
    assert (part.load(TC3 + 0x18, 2), part.load(TC3 + 0x1A, 2)) == (0x1234, 0xBEEF)
    part.store(TC3 + 0x19, 0x56, 1)
    assert part.load(TC3 + 0x18) == 0xBEEF_5634
    part.store(TC3 + 0x0D, 1, 1)
    assert part.load(TC3 + 0x0C, 1) == 1
    part.store(TC3 + 0x0C, 1, 1)
    assert part.load(TC3 + 0x0D, 1) == 0


@given(st.integers(0, 3), st.integers(1, 20), st.integers(0, 25), st.lists(st.integers(1, 400), max_size=8))
@settings(max_examples=25, deadline=None)
def test_samd21_timer(prescaler: int, top: int, compare: int, steps: list[int]) -> None:
    part = samd21()
    part.store(TC3 + 0x18, top, 2)
    part.store(TC3 + 0x1A, compare, 2)
    part.store(TC3 + 0x0D, 1 | 32, 1)
    part.store(TC3, prescaler << 8 | 1 << 5 | 2, 2)
    count = ticks = flags = 0
    for cycles in steps:
        part.run(cycles)
        for _ in range(cycles):
            ticks += 1
            if ticks % (1 << prescaler) == 0:
                flags |= count == top
                count = 0 if count == top else count + 1
                flags |= (16 if count == top else 0) | (32 if count == compare else 0)
        assert part.load(TC3 + 0x10, 2) == count
        assert part.load(TC3 + 0x0E, 1) == flags | 8
        assert part.host.lines.get(18, False) == bool(flags & 33)
        part.store(TC3 + 0x0E, 1 | 32, 1)
        flags &= ~33


# -- nRF51

CLOCK, UART0, TIMER0, RTC1 = 0x4000_0000, 0x4000_2000, 0x4000_8000, 0x4001_1000


def test_nrf51_uart() -> None:
    """BAUDRATE 0x01D7E000 is 115,200 baud by the manual, 115,203 by arithmetic: a frame of 10 bits, 1,389 cycles."""
    part = Part("nrf51")
    part.store(CLOCK, 1)
    assert part.load(CLOCK + 0x100) == 1
    part.store(UART0 + 0x524, 0x01D7_E000)
    part.store(UART0 + 0x500, 4)
    part.store(UART0 + 0x08, 1)
    part.store(UART0, 1)
    part.store(UART0 + 0x304, 1 << 7 | 1 << 2)
    part.store(UART0 + 0x51C, ord("n"))
    part.run(1388)
    assert part.load(UART0 + 0x11C) == 0
    part.run(1)
    assert part.load(UART0 + 0x11C) == 1
    assert part.host.lines[2]
    part.store(UART0 + 0x11C, 0)
    assert not part.host.lines[2]
    assert part.host.sent[0][1:] == ("UART0", b"n")
    part.board.receivers["UART0"].receive(b"ab")
    part.run(2 * 1389)
    assert part.host.lines[2]
    part.store(UART0 + 0x108, 0)
    assert part.load(UART0 + 0x518) == ord("a")
    assert part.load(UART0 + 0x108) == 1  # the next one
    assert part.load(UART0 + 0x518) == ord("b")


@given(
    st.integers(0, 4), st.lists(st.integers(1, 60), min_size=4, max_size=4), st.integers(0, 15), st.integers(0, 15),
    st.lists(st.integers(1, 300), max_size=8),
)  # fmt: skip
@settings(max_examples=25, deadline=None)
def test_nrf51_timer(prescaler: int, compare: list[int], clears: int, enabled: int, steps: list[int]) -> None:
    part = Part("nrf51")
    part.store(TIMER0 + 0x510, prescaler)
    for i, value in enumerate(compare):
        part.store(TIMER0 + 0x540 + 4 * i, value)
    part.store(TIMER0 + 0x200, clears)
    part.store(TIMER0 + 0x304, enabled << 16)
    part.store(TIMER0, 1)
    count = ticks = 0
    events = [0, 0, 0, 0]
    for cycles in steps:
        part.run(cycles)
        for _ in range(cycles):
            ticks += 1
            if ticks % (1 << prescaler) == 0:
                count += 1
                matched = [i for i in range(4) if compare[i] == count]
                for i in matched:
                    events[i] = 1
                if any(clears >> i & 1 for i in matched):
                    count = 0
        assert [part.load(TIMER0 + 0x140 + 4 * i) for i in range(4)] == events
        assert part.host.lines[8] == any(events[i] and enabled >> i & 1 for i in range(4))
        cc = part.load(TIMER0 + 0x54C)
        part.store(TIMER0 + 0x4C, 1)
        assert part.load(TIMER0 + 0x54C) == count
        part.store(TIMER0 + 0x54C, cc)


def test_nrf51_rtc_matches_after_its_ticks() -> None:
    part = Part("nrf51")
    part.store(CLOCK + 8, 1)
    part.store(RTC1 + 0x508, 31)  # 1,024 Hz
    part.store(RTC1 + 0x540, 10)
    part.store(RTC1 + 0x304, 1 << 16)
    part.store(RTC1, 1)
    expected = -(-10 * 32 * 16_000_000 // 32_768)
    part.run(expected - 1)
    assert not part.host.lines[17]
    part.run(1)
    assert part.host.lines[17]
    assert part.load(RTC1 + 0x504) == 10
