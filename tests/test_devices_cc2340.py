"""CC2340: frames, periods and gates against the reference manual's formulas, by hand."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from part_chip import PartChip

from m0sim.chip.devices.cc2340 import build

CLKCTL, UART0, LGPT0, GPIO = 0x4002_0000, 0x4003_4000, 0x4006_0000, 0x4002_3000


def chip_with(*bits: int) -> PartChip:
    chip = PartChip(build)
    chip.store(CLKCTL + 0x14, sum(1 << bit for bit in bits))
    return chip


def with_uart(ibrd: int, fbrd: int, lcrh: int) -> PartChip:
    chip = chip_with(2)
    for offset, value in ((0x24, ibrd), (0x28, fbrd), (0x2C, lcrh), (0x30, 0x301)):
        chip.store(UART0 + offset, value)
    return chip


def test_frames() -> None:
    chip = with_uart(26, 3, 0x70)  # 16 * 10 * (26 + 3/64) is 4,167.5
    chip.store(UART0, ord("x"))
    assert chip.host.sent == [(0, "UART0", b"x")]
    chip.run(4167)
    assert chip.load(UART0 + 0x18) & 8
    chip.run(1)
    assert not chip.load(UART0 + 0x18) & 8


def test_the_fifo_and_its_interrupts() -> None:
    chip = with_uart(1, 0, 0x70)
    chip.store(UART0 + 0x34, 2)  # half: 4
    chip.store(UART0 + 0x38, 1 << 5 | 1 << 11)
    for _ in range(9):
        assert not chip.load(UART0 + 0x18) & 1 << 5
        chip.store(UART0, 1)
    assert chip.load(UART0 + 0x18) & 1 << 5
    chip.run(4 * 160 - 1)
    assert not chip.host.lines[11]
    chip.run(1)
    assert chip.host.lines[11]
    chip.store(UART0 + 0x44, 1 << 5)
    assert not chip.host.lines[11]
    chip.run(5 * 160)
    assert chip.load(UART0 + 0x40) == 1 << 11


def test_receiving() -> None:
    chip = with_uart(1, 0, 0x60)
    chip.store(UART0 + 0x38, 1 << 4)
    chip.board.receivers["UART0"].receive(b"ab")
    chip.run(159)
    assert not chip.host.lines[11]
    chip.run(1)
    assert chip.host.lines[11]
    assert chip.load(UART0) == ord("a")
    assert not chip.host.lines[11]
    chip.run(160)
    assert chip.load(UART0) == ord("b")
    assert chip.notes == []


@given(st.integers(1, 12), st.integers(0, 4), st.lists(st.integers(0, 40), max_size=15))
@settings(max_examples=40, deadline=None)
def test_a_timer_is_what_a_clock_by_clock_one_is(target: int, divider: int, steps: list[int]) -> None:
    """0 clears all flags, anything else lets as many clocks pass."""
    chip = chip_with(27)
    for offset, value in ((0x18, divider << 8), (0x13C, target), (0x7C, 3), (0x0C, 2)):
        chip.store(LGPT0 + offset, value)
    count = part = flags = 0
    for step in steps:
        if step == 0:
            chip.store(LGPT0 + 0x78, 3)
            flags = 0
        for _ in range(step):
            part = (part + 1) % (divider + 1)
            if part == 0:
                count = (count + 1) % (target + 1)
                flags |= (count == target) | (count == 0) << 1
        chip.run(step)
        assert chip.host.lines[13] == bool(flags)
        assert (chip.load(LGPT0 + 0x14), chip.load(LGPT0 + 0x6C)) == (count, flags)


def test_once() -> None:
    chip = chip_with(28)
    timer = LGPT0 + 0x1000
    chip.store(timer + 0x13C, 9)
    chip.store(timer + 0x0C, 1)
    chip.run(9)
    assert chip.load(timer + 0x6C) == 1
    chip.run(1)
    assert (chip.load(timer + 0x6C), chip.load(timer + 0x0C)) == (3, 0)
    chip.run(50)
    assert chip.load(timer + 0x14) == 0


def test_gates_pins_and_what_is_not_modelled() -> None:
    chip = chip_with(0)
    chip.store(GPIO + 0x510, 2)
    chip.store(GPIO + 0x210, 2)
    assert chip.load(GPIO + 0x700) == 2
    chip.store(GPIO + 0x220, 2)
    chip.store(GPIO + 0x230, 6)
    assert (chip.load(GPIO + 0x200), chip.load(GPIO + 0x700)) == (6, 2)
    assert chip.notes == []
    assert chip.load(UART0 + 0x18) == 0
    chip.store(0x4000_1084, 1)
    assert chip.notes == ["UART0+0x18 while its clock is off (CLKCTL)", "CKMD+0x84"]
