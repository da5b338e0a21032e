"""MSPM0: clocks, frames and periods against the reference manual's formulas, by hand."""

from __future__ import annotations

from functools import partial
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from part_chip import PartChip

from m0sim.chip.devices.mspm0.board import PARTS, build

SYSCTL, UART0, GPIOA, TIMER = 0x400A_F000, 0x4010_8000, 0x400A_0000, 0x4008_4000
MCLKCFG, HSCLKEN, HSCLKCFG, CFG0, CFG1, CLKSTATUS = 0x1104, 0x1108, 0x110C, 0x1120, 0x1124, 0x1204
IIDX, IMASK, RIS, ICLR = 0x1020, 0x1028, 0x1030, 0x1048
BUSCLK = 1 << 3
each = pytest.mark.parametrize("name", PARTS)


def chip_of(name: str = "mspm0g3507") -> PartChip:
    return PartChip(partial(build, PARTS[name]))


def power(chip: PartChip, base: int) -> None:
    chip.store(base + 0x804, 0xB100_0003)
    chip.store(base + 0x800, 0x2600_0001)


def with_uart(ibrd: int, fbrd: int = 0, ctl0: int = 0x18, lcrh: int = 0x30, clksel: int = BUSCLK) -> PartChip:
    chip = chip_of()
    power(chip, UART0)
    chip.store(UART0 + 0x1008, clksel)
    chip.store(UART0 + 0x1100, ctl0)
    chip.store(UART0 + 0x1110, ibrd)
    chip.store(UART0 + 0x1114, fbrd)
    chip.store(UART0 + 0x1104, lcrh)
    chip.store(UART0 + 0x1100, ctl0 | 1)
    return chip


@each
def test_blocks_do_not_overlap(name: str) -> None:
    devices = sorted(chip_of(name).board.bus.devices, key=lambda device: device.base)
    for lower, upper in pairwise(devices):
        assert lower.base + lower.size <= upper.base, (lower.name, upper.name)


def test_clocks_after_a_reset() -> None:
    assert (chip_of().hz, chip_of("mspm0c1104").hz) == (32_000_000, 24_000_000)
    assert chip_of().host.flash_waits == 1  # 32 MHz: up to 24 MHz there are none
    assert chip_of("mspm0c1104").host.flash_waits == 0


@pytest.mark.parametrize(
    ("config0", "config1", "hz"),
    [
        (3 << 16 | 1 << 6 | 1 << 1, 9 << 8 | 1, 80_000_000),  # 32 / 2 * 10 * 2 / 4
        (0 << 8 | 1 << 4, 9 << 8 | 1, 80_000_000),  # 32 / 2 * 10 / 2
        (2 << 8 | 1 << 4, 8 << 8 | 2, 12_000_000),  # 32 / 4 * 9 / 6
    ],
)
def test_the_pll(config0: int, config1: int, hz: int) -> None:
    chip = chip_of()
    chip.store(SYSCTL + CFG1, config1)
    chip.store(SYSCTL + CFG0, config0)
    chip.store(SYSCTL + MCLKCFG, 2 << 8)
    chip.store(SYSCTL + HSCLKEN, 1 << 8)
    assert chip.wait(SYSCTL + CLKSTATUS, 1 << 9) == 640  # 20 microseconds
    assert chip.load(SYSCTL + CLKSTATUS) & 1 << 21
    chip.set(SYSCTL + MCLKCFG, 1 << 16)
    assert chip.load(SYSCTL + CLKSTATUS) & 1 << 4
    assert chip.hz == hz
    assert chip.host.flash_waits == 2
    assert chip.notes == []


def test_sysosc_at_4_mhz_divided_and_the_low_frequency_clock() -> None:
    chip = chip_of("mspm0c1104")
    chip.store(SYSCTL + 0x1100, 1)
    chip.store(SYSCTL + MCLKCFG, 3)
    assert chip.hz == 1_000_000
    chip.store(SYSCTL + MCLKCFG, 1 << 20)
    assert chip.hz == 32_768
    assert chip.load(SYSCTL + CLKSTATUS) & 1 << 17


def test_too_few_wait_states_are_noted() -> None:
    chip = chip_of()
    chip.store(SYSCTL + CFG1, 9 << 8 | 1)
    chip.store(SYSCTL + CFG0, 1 << 4)
    chip.store(SYSCTL + HSCLKEN, 1 << 8)
    chip.wait(SYSCTL + CLKSTATUS, 1 << 9)
    chip.store(SYSCTL + MCLKCFG, 1 << 16 | 1 << 8)
    assert chip.notes == ["SYSCTL+0x1104 FLASHWAIT 1 at 80 MHz: hardware reads wrong"]


def test_the_frequency_clock_counter() -> None:
    """SYSOSC over 4 periods of LFCLK: 32 MHz * 4 / 32,768 Hz is 3,906.25."""
    chip = chip_of()
    chip.store(SYSCTL + 0x1138, 3 << 24 | 1 << 20 | 1 << 16)
    chip.store(SYSCTL + 0x132C, 0x0E00_0001)
    assert chip.wait(SYSCTL + CLKSTATUS, 1 << 25) >= 3907
    assert chip.load(SYSCTL + 0x1150) == 3906


@each
def test_without_power_a_block_does_nothing(name: str) -> None:
    chip = chip_of(name)
    chip.store(UART0 + 0x1110, 5)
    chip.store(UART0 + 0x800, 1)  # no key
    assert chip.load(UART0 + 0x1110) == 0
    assert len(chip.notes) == 1
    power(chip, UART0)
    assert chip.load(UART0 + 0x814) == 0x1_0000  # RESETSTKY
    chip.store(UART0 + 0x1110, 5)
    assert chip.load(UART0 + 0x1110) == 5
    chip.store(UART0 + 0x804, 0xB100_0001)
    assert chip.load(UART0 + 0x1110) == 0


@pytest.mark.parametrize(
    ("ctl0", "lcrh", "cycles"),
    [
        (0x18, 0x30, 10 * 16 * 5),
        (0x8018, 0x30, 10 * 8 * 5),
        (0x1_0018, 0x30, 10 * 3 * 5),
        (0x18, 0x3A, 12 * 16 * 5),
        (0x18, 0x00, 7 * 16 * 5),
    ],
)
def test_a_frame(ctl0: int, lcrh: int, cycles: int) -> None:
    """IBRD 5: a bit is 16, 8 or 3 times 5 cycles."""
    chip = with_uart(5, 0, ctl0, lcrh)
    chip.store(UART0 + 0x1120, ord("x"))
    assert chip.host.sent == [(chip.host.now, "UART0", b"x")]
    assert chip.wait(UART0 + 0x1108, 1, 0) == cycles


def test_a_fraction_of_the_divisor_and_other_clocks() -> None:
    chip = with_uart(2, 32)  # 2.5 * 16 * 10
    chip.store(UART0 + 0x1120, 1)
    assert chip.wait(UART0 + 0x1108, 1, 0) == 400
    chip = with_uart(1, 0, clksel=1 << 2)  # MFCLK: 4 MHz, an eighth
    chip.store(UART0 + 0x1120, 1)
    assert chip.wait(UART0 + 0x1108, 1, 0) == 8 * 160


def test_the_fifo_and_its_events() -> None:
    chip = with_uart(1, 0, 0x2_0018)
    chip.store(UART0 + IMASK, 1 << 11 | 1 << 12)
    for _ in range(5):
        assert not chip.load(UART0 + 0x1108) & 1 << 7
        chip.store(UART0 + 0x1120, 1)
    assert chip.load(UART0 + 0x1108) & 1 << 7  # four wait
    chip.run(2 * 160 - 1)
    assert not chip.host.lines.get(15)
    chip.run(1)  # two wait: half of the FIFO
    assert chip.host.lines[15]
    assert chip.load(UART0 + IIDX) == 12
    assert not chip.host.lines[15]
    assert chip.load(UART0 + IIDX) == 0
    chip.run(3 * 160 - 1)
    assert not chip.host.lines[15]
    chip.run(1)
    assert chip.load(UART0 + IIDX) == 13


def test_receiving() -> None:
    chip = with_uart(1)
    chip.store(UART0 + IMASK, 1 << 10)
    chip.board.receivers["UART0"].receive(b"ab")
    chip.run(159)
    assert not chip.host.lines.get(15)
    chip.run(1)
    assert chip.host.lines[15]
    assert chip.load(UART0 + IIDX) == 11
    assert chip.load(UART0 + 0x1124) == ord("a")
    assert chip.wait(UART0 + 0x1108, 1 << 2, 0) == 160
    assert chip.load(UART0 + 0x1124) == ord("b")
    assert chip.notes == []


def with_timer(load: int, control: int, clkdiv: int = 0, cps: int = 0) -> PartChip:
    chip = chip_of()
    power(chip, TIMER)
    chip.store(TIMER + 0x1008, BUSCLK)
    chip.store(TIMER + 0x1000, clkdiv)
    chip.store(TIMER + 0x110C, cps)
    chip.store(TIMER + 0x1808, load)
    chip.store(TIMER + 0x1108, 1)
    chip.store(TIMER + 0x1804, control)
    return chip


def test_the_period_of_a_timer() -> None:
    """LOAD + 1 counts, each of CLKDIV + 1 times CPS + 1 clocks; the first zero comes after LOAD of them."""
    chip = with_timer(99, 1 << 1 | 1, clkdiv=1, cps=4)
    chip.store(TIMER + IMASK, 1)
    for cycles in (990, 1000, 1000):
        chip.run(cycles - 1)
        assert not chip.host.lines.get(16)
        chip.run(1)
        assert chip.host.lines[16]
        assert chip.load(TIMER + IIDX) == 1
        assert not chip.host.lines[16]


def test_once() -> None:
    chip = with_timer(50, 1)
    assert chip.wait(TIMER + RIS, 1) == 50
    assert not chip.load(TIMER + 0x1804) & 1
    chip.run(500)
    assert chip.load(TIMER + 0x1800) == 0
    chip.store(TIMER + ICLR, 3)
    chip.store(TIMER + 0x1804, 1)
    assert chip.load(TIMER + 0x1800) == 50
    assert chip.wait(TIMER + RIS, 1) == 50


@given(st.integers(1, 12), st.booleans(), st.integers(0, 14), st.lists(st.integers(0, 40), max_size=15))
@settings(max_examples=40, deadline=None)
def test_a_timer_is_what_a_clock_by_clock_one_is(load: int, up: bool, compare: int, steps: list[int]) -> None:
    """0 clears all flags, anything else lets as many clocks pass."""
    chip = with_timer(load, 0)
    chip.store(TIMER + 0x1810, compare)
    chip.store(TIMER + 0x1804, 1 << 1 | 1 | (1 << 5 | 2 << 28 if up else 0))
    chip.store(TIMER + ICLR, 0xFFFF)
    chip.store(TIMER + 0x1814, load + 1)  # the other channel never matches
    count, flags = 0 if up else load, 0
    for step in steps:
        if step == 0:
            chip.store(TIMER + ICLR, 0xFFFF)
            flags = 0
        for _ in range(step):
            count = (count + 1 if up else count - 1) % (load + 1)
            flags |= (count == 0) | (count == load) << 1
            flags |= (1 << 8 if up else 1 << 4) * (count == compare)
        chip.run(step)
        assert (chip.load(TIMER + 0x1800), chip.load(TIMER + RIS)) == (count, flags)


@each
def test_pins(name: str) -> None:
    chip = chip_of(name)
    power(chip, GPIOA)
    chip.store(GPIOA + 0x12D0, 1 << 3)
    chip.store(GPIOA + 0x1290, 1 << 3)
    assert chip.load(GPIOA + 0x1380) == 1 << 3
    assert chip.board.pins is not None
    chip.board.pins.drive(0, 1)
    assert chip.load(GPIOA + 0x1380) == 1 << 3 | 1
    chip.store(GPIOA + 0x12B0, 1 << 3)
    assert chip.load(GPIOA + 0x1380) == 1
    assert chip.notes == []
    chip.store(GPIOA + IMASK, 1)
    assert chip.notes == ["GPIOA+0x1028 an event that never comes"]


def test_a_reset_by_command() -> None:
    chip = chip_of()
    chip.store(SYSCTL + 0x1304, 1)
    assert chip.host.restarts == []
    chip.store(SYSCTL + 0x1304, 0xE400_0001)
    assert len(chip.host.restarts) == 1
