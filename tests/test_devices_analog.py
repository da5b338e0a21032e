"""The RP2040's PWM, ADC and RTC against models that move tick by tick."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_devices_rp2040 import CLOCKS, CLR, RESETS, SET, Chip

from m0sim.chip.native import layout

PWM, ADC, RTC, IO = 0x4005_0000, 0x4004_C000, 0x4005_C000, 0x4001_4000


def chip() -> Chip:
    """On the crystal, 12 MHz, with clk_adc and clk_rtc from it."""
    made = Chip()
    made.start_xosc()
    made.store(RESETS + CLR, 1 << 14 | 1 << 15 | 1 << 0 | 1 << 5 | 1 << 8)
    made.store(CLOCKS + 0x60, 1 << 11 | 3 << 5)
    made.store(CLOCKS + 0x6C, 1 << 11 | 3 << 5)
    return made


# -- PWM


class SlowSlice:
    """A slice that moves cycle by cycle."""

    def __init__(self, divider: int, top: int, compare: int, phase_correct: bool) -> None:
        self.divider, self.top, self.compare, self.phase_correct = divider, top, compare, phase_correct
        self.next_top, self.next_compare = top, compare
        self.count = self.sixteenths = self.wraps = 0
        self.down = False

    def cycle(self) -> None:
        self.sixteenths += 16
        if self.sixteenths < self.divider:
            return
        self.sixteenths -= self.divider
        wraps = False
        if not self.phase_correct:
            wraps = self.count == self.top
            self.count = 0 if wraps else self.count + 1
        elif not self.down and self.count == self.top:
            self.down = True
        elif self.down and self.count == 0:
            self.down, wraps = False, True
        else:
            self.count += -1 if self.down else 1
        if wraps:
            self.wraps += 1
            self.top, self.compare = self.next_top, self.next_compare


@given(
    st.integers(0, 7), st.integers(16, 80), st.integers(0, 12), st.integers(0, 14), st.booleans(), st.booleans(),
    st.lists(st.tuples(st.sampled_from(["run", "top", "compare", "clear"]), st.integers(0, 40)), max_size=14),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_pwm(
    i: int, divider: int, top: int, compare: int, correct: bool, interrupts: bool, steps: list[tuple[str, int]]
) -> None:
    made, base = chip(), PWM + 0x14 * i
    log = np.zeros(1 << 12, layout.PIN_CHANGE)
    made.host.pins.log, made.host.pins.log_capacity = log.ctypes.data, len(log)
    made.store(IO + 8 * (2 * i + 1) + 4, 4)  # its B output
    made.store(base + 4, divider)
    made.store(base + 0x10, top)
    made.store(base + 0x0C, compare << 16)
    made.store(PWM + 0xA8, interrupts << i)
    made.store(base, 1 | correct << 1)
    slow, raw, begin, levels = SlowSlice(divider, top, compare, correct), 0, made.host.now, []
    for what, value in steps:
        if what == "top":
            made.store(base + 0x10, value % 13)
            slow.next_top = value % 13
        elif what == "compare":
            made.store(base + 0x0C, (value % 15) << 16)
            slow.next_compare = value % 15
        elif what == "clear":
            made.store(PWM + 0xA4, 1 << i)
            raw = 0
        else:
            made.run(value)
            before = slow.wraps
            for _ in range(value):
                levels.append(int(slow.count < slow.compare))
                slow.cycle()
            raw |= slow.wraps > before
        assert made.load(base + 8) == slow.count
        assert made.load(PWM + 0xA4) == raw << i
        assert made.host.lines.get(4, False) == bool(raw and interrupts)
    rows, pin = log[: made.host.pins.log_count], 2 * i + 1
    seen = [(int(row["cycle"]), int(row["level"]) >> pin & 1) for row in rows]
    drawn = [next(level for at, level in reversed(seen) if at <= begin + cycle) for cycle in range(len(levels))]
    assert drawn == levels


def test_compare_and_top_are_taken_over_at_the_wrap() -> None:
    made = chip()
    log = np.zeros(64, layout.PIN_CHANGE)
    made.host.pins.log, made.host.pins.log_capacity = log.ctypes.data, len(log)
    made.store(IO + 4, 4)
    made.store(PWM + 0x10, 9)
    made.store(PWM + 0x0C, 3)
    begin = made.host.now
    made.store(PWM, 1)
    made.run(5)
    made.store(PWM + 0x0C, 7)
    made.store(PWM + 0x10, 19)
    made.run(60)
    edges = [int(row["cycle"]) - begin for row in log[: made.host.pins.log_count]]
    assert edges[-6:] == [10, 17, 30, 37, 50, 57]


class SlowInput(SlowSlice):
    """One that counts what comes in at its B pin, DIVMODE as in section 4.5.2.5: that goes to its divider."""

    def __init__(self, divider: int, top: int, mode: int) -> None:
        super().__init__(divider, top, 0, phase_correct=False)
        self.mode, self.level = mode, 0

    def see(self, level: int) -> None:
        if level != self.level and self.mode == (2 if level else 3):
            self.cycle()
        self.level = level

    def wait(self, cycles: int) -> None:
        for _ in range(cycles if self.mode == 0 or (self.mode == 1 and self.level) else 0):
            self.cycle()


@given(
    st.integers(0, 7), st.integers(16, 80), st.integers(0, 12), st.integers(0, 3), st.booleans(),
    st.lists(st.tuples(st.integers(0, 1), st.integers(0, 30)), max_size=20),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_a_slice_counts_what_comes_in(
    i: int, divider: int, top: int, mode: int, interrupts: bool, steps: list[tuple[int, int]]
) -> None:
    made, base, pin = chip(), PWM + 0x14 * i, 2 * i + 1
    made.store(IO + 8 * pin + 4, 4)
    made.store(base + 4, divider)
    made.store(base + 0x10, top)
    made.store(base + 0x0C, 0xFFFF_0000)  # ignored: the pin is an input
    made.store(PWM + 0xA8, interrupts << i)
    made.store(base, 1 | mode << 4)
    slow = SlowInput(divider, top, mode)
    for level, cycles in steps:
        if mode != 0:
            made.board.pins.drive(pin, level)  # type: ignore[union-attr]
            slow.see(level)
            assert made.host.pins.level >> pin & 1 == level
        made.run(cycles)
        slow.wait(cycles)
        assert made.host.lines.get(4, False) == bool(interrupts and slow.wraps)
        assert made.load(base + 8) == slow.count
        assert made.load(PWM + 0xA4) == (slow.wraps > 0) << i


def test_of_two_b_pins_a_slice_sees_the_or() -> None:
    """Section 4.5.2: GPIO1 and GPIO17 are both of slice 0."""
    made = chip()
    for pin in (1, 17):
        made.store(IO + 8 * pin + 4, 4)
    made.store(PWM, 1 | 2 << 4)  # rises
    for pin, level, count in ((1, 1, 1), (17, 1, 1), (1, 0, 1), (17, 0, 1), (17, 1, 2)):
        made.board.pins.drive(pin, level)  # type: ignore[union-attr]
        assert made.load(PWM + 8) == count
    made.store(IO + 8 * 17 + 4, 0x1F)  # it has another function: low
    assert made.load(PWM + 8) == 2
    made.board.pins.drive(1, 1)  # type: ignore[union-attr]
    assert made.load(PWM + 8) == 3


# -- ADC


def test_one_conversion_takes_96_cycles() -> None:
    made = chip()
    made.store(ADC, 1 | 2 | 4 << 12)
    assert made.load(ADC) & 1 << 8
    made.store(ADC + SET, 4)
    made.run(95)
    assert made.load(ADC) & 1 << 8 == 0
    made.run(1)
    assert made.load(ADC) & 1 << 8
    celsius = 27 - (made.load(ADC + 4) * 3.3 / 4096 - 0.706) / 0.001721
    assert celsius == pytest.approx(27, abs=0.5)


@given(
    st.integers(0, 31), st.integers(0, 4), st.integers(0, 300), st.integers(1, 4), st.booleans(),
    st.lists(st.tuples(st.booleans(), st.integers(0, 400)), max_size=20),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_adc_into_its_fifo(
    robin: int, channel: int, div: int, threshold: int, shift: bool, steps: list[tuple[bool, int]]
) -> None:
    made = chip()
    device = next(d for d in made.board.bus.devices if d.name == "ADC")
    device.values[:] = [0x123, 0x234, 0x345, 0x456, 0x567]  # type: ignore[attr-defined]
    made.store(ADC + 0x18, 1)
    made.store(ADC + 8, threshold << 24 | shift << 1 | 1)
    made.store(ADC + 0x10, div << 8)
    made.store(ADC, 1 | 2 | 8 | channel << 12 | robin << 16)
    fifo: list[int] = []
    over = under = 0
    left, pace = 96, 0

    def tick() -> None:
        """The pacing timer fires every div + 1 cycles, and is ignored while a conversion goes on."""
        nonlocal channel, over, left, pace
        pace += 1
        if left:
            left -= 1
            if left == 0:
                value = (0x123, 0x234, 0x345, 0x456, 0x567)[channel]
                if len(fifo) < 4:
                    fifo.append(value >> 4 if shift else value)
                else:
                    over = 1
                enabled = [c for c in range(5) if robin >> c & 1]
                channel = next((c for c in enabled if c > channel), enabled[0]) if enabled else channel
        if left == 0 and (div == 0 or pace % (div + 1) == 0):
            left = 96

    for is_read, cycles in steps:
        if is_read:
            expected = fifo.pop(0) if fifo else 0
            under |= not fifo and expected == 0
            assert made.load(ADC + 0x0C) == expected
        else:
            made.run(cycles)
            for _ in range(cycles):
                tick()
        status = made.load(ADC + 8)
        assert status >> 16 & 0xF == len(fifo)
        assert (status >> 8 & 1, status >> 9 & 1) == (len(fifo) == 0, len(fifo) == 4)
        assert (status >> 11 & 1, status >> 10 & 1) == (over, under)
        assert made.load(ADC) >> 12 & 7 == channel
        assert made.host.lines[22] == (len(fifo) >= threshold)


# -- RTC


def moment(made: Chip) -> datetime:
    low, high = made.load(RTC + 0x1C), made.load(RTC + 0x18)
    return datetime(
        high >> 12, high >> 8 & 15, high & 31, low >> 16 & 31, low >> 8 & 63, low & 63
    )  # fmt: skip


def set_time(made: Chip, when: datetime) -> None:
    """The clock at 12 MHz / 256, 46,875 Hz, as the datasheet's own example (4.8.4); but a second of 5 ticks here."""
    made.store(CLOCKS + 0x70, 256 << 8)
    made.store(RTC, 4)
    made.store(RTC + 4, when.year << 12 | when.month << 8 | when.day)
    dotw = when.isoweekday() % 7
    made.store(RTC + 8, dotw << 24 | when.hour << 16 | when.minute << 8 | when.second)
    made.store(RTC + SET + 0x0C, 1 << 4)
    made.store(RTC + SET + 0x0C, 1)


@given(st.datetimes(datetime(2001, 1, 1), datetime(2099, 12, 30)), st.integers(0, 200))
@settings(max_examples=50, deadline=None)
def test_the_calendar(when: datetime, seconds: int) -> None:
    made, when = chip(), when.replace(microsecond=0)
    set_time(made, when)
    assert moment(made) == when
    made.run(256 * 5 * seconds)
    expected = when + timedelta(seconds=seconds)
    assert moment(made) == expected
    assert made.load(RTC + 0x1C) >> 24 == expected.isoweekday() % 7


@pytest.mark.parametrize(
    ("begin", "end"),
    [
        (datetime(2024, 2, 28, 23, 59, 59), datetime(2024, 2, 29)),
        (datetime(2023, 2, 28, 23, 59, 59), datetime(2023, 3, 1)),
        (datetime(2023, 12, 31, 23, 59, 59), datetime(2024, 1, 1)),
        (datetime(2023, 4, 30, 23, 59, 59), datetime(2023, 5, 1)),
    ],
)
def test_ends_of_months(begin: datetime, end: datetime) -> None:
    made = chip()
    set_time(made, begin)
    made.run(256 * 5 - 1)
    assert moment(made) == begin
    made.run(256)
    assert moment(made) == end


def test_it_says_that_it_runs_after_two_ticks_and_wakes_at_a_match() -> None:
    made = chip()
    set_time(made, datetime(2023, 6, 1, 12, 0, 58))
    made.run(256)
    assert made.load(RTC + 0x0C) & 2 == 0
    made.run(256)
    assert made.load(RTC + 0x0C) & 2
    made.store(RTC + 0x24, 1)
    made.store(RTC + 0x14, 1 << 28 | 1)  # at second 1 of every minute
    made.store(RTC + 0x10, 1 << 28)
    assert made.load(RTC + 0x10) & 1 << 29
    made.run(256 * 5 * 3 - 512 - 1)
    assert not made.host.lines[25]
    made.run(256)
    assert made.host.lines[25]
    assert moment(made).second == 1
    made.store(RTC + CLR + 0x10, 1 << 28)
    assert not made.host.lines[25]
    made.store(RTC + SET + 0x10, 1 << 28)
    made.run(256 * 5 * 59)
    assert not made.host.lines[25]
    made.run(256 * 5)
    assert made.host.lines[25]


@pytest.mark.parametrize(("force", "expected"), [(0, (2100, 2, 29)), (1 << 8, (2100, 3, 1))])
def test_a_century_is_a_leap_year_unless_it_is_told(force: int, expected: tuple[int, int, int]) -> None:
    """Every fourth year is one; software sets FORCE_NOTLEAPYEAR where a century is none: section 4.8.2."""
    made = chip()
    set_time(made, datetime(2100, 2, 28, 23, 59, 59))
    made.store(RTC + SET + 0x0C, force)
    made.run(256 * 5)
    made.load(RTC + 0x1C)  # latches the other
    date = made.load(RTC + 0x18)
    assert (date >> 12, date >> 8 & 15, date & 31) == expected
