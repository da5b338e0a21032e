"""The RP2040's clocks, resets, watchdog and timer against the datasheet's own examples and a tiny model."""

from __future__ import annotations

from fractions import Fraction

import pytest
from device_host import FakeHost
from hypothesis import given, settings
from hypothesis import strategies as st

from m0sim.chip.devices.board import Board
from m0sim.chip.devices.rp2040.board import build

XOSC, RESETS, CLOCKS, PLL_SYS, WATCHDOG, TIMER = (
    0x4002_4000, 0x4000_C000, 0x4000_8000, 0x4002_8000, 0x4005_8000, 0x4005_4000,
)  # fmt: skip
PSM_WDSEL, ALL_STAGES = 0x4001_0008, 0x1_FFFF
XOR, SET, CLR = 0x1000, 0x2000, 0x3000


class Chip:
    """A board that a test drives as a program would."""

    def __init__(self, host: FakeHost | None = None) -> None:
        self.host = FakeHost() if host is None else host
        self.board: Board = build(self.host)
        self.board.bus.reset()

    @property
    def hz(self) -> Fraction:
        return self.board.clock.hz

    def load(self, address: int, size: int = 4) -> int:
        return self.host.load(self.board.bus, address, size)

    def store(self, address: int, value: int, size: int = 4) -> None:
        self.host.store(self.board.bus, address, value, size)

    def run(self, cycles: int) -> None:
        self.host.run(self.board.bus, cycles)

    def wait(self, address: int, bits: int) -> int:
        """Poll until all bits are set; cycles that it took."""
        begin, polls = self.host.now, 0
        while self.load(address) & bits != bits:
            polls += 1
            assert polls < 5_000, "it never comes"
            self.run(8 if polls < 3_000 else 8_000)
        return self.host.now - begin

    def start_xosc(self) -> None:
        self.store(XOSC + 0x0C, 47)
        self.store(XOSC, 0xFABAA0)
        self.wait(XOSC + 0x04, 1 << 31)
        self.store(CLOCKS + 0x30, 2)

    def start_pll(self, fbdiv: int, postdiv1: int, postdiv2: int, refdiv: int = 1) -> None:
        self.store(RESETS + CLR, 1 << 12)
        self.store(PLL_SYS, refdiv)
        self.store(PLL_SYS + 8, fbdiv)
        self.store(PLL_SYS + CLR + 4, 0x21)
        self.wait(PLL_SYS, 1 << 31)
        self.store(PLL_SYS + 0x0C, postdiv1 << 16 | postdiv2 << 12)
        self.store(PLL_SYS + CLR + 4, 0x08)
        self.store(CLOCKS + 0x3C, 0)
        self.store(CLOCKS + SET + 0x3C, 1)

    def start_timer(self) -> None:
        self.store(RESETS + CLR, 1 << 21)
        self.store(WATCHDOG + 0x2C, 0x200 | 12)


@pytest.fixture
def chip() -> Chip:
    return Chip()


# -- clocks


def test_the_crystal_is_stable_after_its_startup_delay(chip: Chip) -> None:
    """Datasheet 2.16.3: 1 ms at 12 MHz are 47 times 256 cycles, 1.0027 ms."""
    assert chip.hz == 6_500_000
    chip.store(XOSC + 0x0C, 47)
    chip.store(XOSC, 0xFABAA0)
    begin = chip.host.now
    while not chip.load(XOSC + 4) >> 31:
        chip.run(1)
    expected = Fraction(47 * 256, 12_000_000) * 6_500_000
    assert chip.host.now - begin == -(-expected // 1)


@pytest.mark.parametrize(
    ("fbdiv", "postdiv1", "postdiv2", "hz"),
    [
        (100, 6, 2, 100_000_000),  # section 2.18.2
        (133, 6, 2, 133_000_000),  # section 2.18.2.1
        (125, 6, 2, 125_000_000),  # the SDK's default
        (118, 7, 2, Fraction(1_416_000_000, 14)),
    ],
)
def test_clk_sys_follows_the_pll(chip: Chip, fbdiv: int, postdiv1: int, postdiv2: int, hz: Fraction) -> None:
    chip.start_xosc()
    assert chip.hz == 12_000_000
    assert chip.load(CLOCKS + 0x38) == 1 << 2
    chip.start_pll(fbdiv, postdiv1, postdiv2)
    assert chip.hz == hz
    assert chip.load(CLOCKS + 0x44) == 1 << 1
    chip.store(CLOCKS + 0x40, 2 << 8 | 128)
    assert chip.hz == Fraction(hz) / Fraction(5, 2)


def test_a_pll_that_is_powered_down_does_not_lock(chip: Chip) -> None:
    chip.start_xosc()
    chip.store(RESETS + CLR, 1 << 12)
    chip.store(PLL_SYS + 8, 100)
    chip.run(1_000_000)
    assert chip.load(PLL_SYS) >> 31 == 0


@pytest.mark.parametrize(("interval", "khz"), [(10, 133_000), (0, 132_096), (15, 133_000)])
def test_the_frequency_counter_has_the_resolution_of_table_206(chip: Chip, interval: int, khz: int) -> None:
    """An interval of 2**n * 0.98 us: its count is a multiple of 1024 kHz at n = 0, of 1 kHz at n = 10."""
    chip.start_xosc()
    chip.start_pll(133, 6, 2)
    chip.store(CLOCKS + 0x80, 12_000)
    chip.store(CLOCKS + 0x90, interval)
    chip.store(CLOCKS + 0x94, 9)
    assert chip.load(CLOCKS + 0x98) == 1 << 8
    waited = chip.wait(CLOCKS + 0x98, 1 << 4)
    assert abs(chip.load(CLOCKS + 0x9C) / 32 - khz) <= 1024 >> interval
    assert waited == pytest.approx(133_000 * 2**interval / 1024, abs=40 if interval == 0 else 8_000)


def test_stopping_clk_sys_ends_the_run_or_resuscitates_it(chip: Chip) -> None:
    chip.start_xosc()
    chip.start_pll(125, 6, 2)
    chip.store(CLOCKS + 0x78, 0x100 | 0xFF)
    chip.store(CLOCKS + 0xBC, 1)
    before = chip.board.clock.seconds(chip.host.now)
    chip.store(PLL_SYS + SET + 4, 0x21)
    assert chip.host.halts == []
    assert chip.hz == 12_000_000
    assert chip.load(CLOCKS + 0x7C) == 1
    assert chip.host.lines[17]
    assert chip.board.clock.seconds(chip.host.now) - before == Fraction(255, 12_000_000)
    chip.store(CLOCKS + 0x3C, 0)
    chip.store(CLOCKS + SET + 0x78, 1 << 16)
    assert chip.load(CLOCKS + 0x7C) == 0
    assert not chip.host.lines[17]
    chip.store(CLOCKS + CLR + 0x78, 1 << 8)
    chip.store(CLOCKS + 0x3C, 1)
    assert len(chip.host.halts) == 1


def test_blocks_in_reset_lose_what_they_are_told(chip: Chip) -> None:
    chip.store(TIMER + 0x38, 0xF)
    assert chip.load(TIMER + 0x38) == 0
    assert [(n.device, n.offset, n.what) for n in chip.board.bus.notes.values()] == [
        ("TIMER", 0x38, "while the block is held in reset")
    ]
    chip.start_timer()
    chip.store(TIMER + 0x38, 0xF)
    assert chip.load(TIMER + 0x38) == 0xF
    chip.store(RESETS + SET, 1 << 21)
    assert chip.load(RESETS + 8) == 0
    assert chip.load(TIMER + 0x38) == 0


# -- the bus


def test_narrow_stores_come_in_all_lanes(chip: Chip) -> None:
    """Datasheet 2.1.4: the example's own values."""
    scratch = WATCHDOG + 0x0C
    chip.store(scratch, 0xDEADBEEF)
    assert [chip.load(scratch + i, 1) for i in range(4)] == [0xEF, 0xBE, 0xAD, 0xDE]
    assert chip.load(scratch + 2, 2) == 0xDEAD
    chip.store(scratch, 0xA5, 1)
    assert chip.load(scratch) == 0xA5A5A5A5
    chip.store(scratch + 1, 0x3C, 1)
    assert chip.load(scratch) == 0x3C3C3C3C
    chip.store(scratch, 0xF00D, 2)
    assert chip.load(scratch) == 0xF00DF00D


@given(st.lists(st.tuples(st.sampled_from([0, XOR, SET, CLR]), st.integers(0, 0xFFFF_FFFF)), max_size=8))
@settings(max_examples=30)
def test_aliases(stores: list[tuple[int, int]]) -> None:
    chip, expected = Chip(), 0
    for alias, value in stores:
        chip.store(WATCHDOG + alias + 0x10, value)
        expected = {0: value, XOR: expected ^ value, SET: expected | value, CLR: expected & ~value}[alias]
        assert chip.load(WATCHDOG + 0x10) == chip.load(WATCHDOG + alias + 0x10) == expected


def test_no_device_is_a_bus_fault(chip: Chip) -> None:
    assert chip.board.bus.load(0x4007_0000, 4) is None
    assert chip.board.bus.store(0x5050_0000, 1, 4) is False


def test_what_is_not_modelled_is_named(chip: Chip) -> None:
    chip.host.pc = 0x1000_0234
    chip.store(0x5000_0F00, 7)
    chip.store(0x5000_0F00, 8)
    assert chip.load(0x5000_0F00) == 8
    (note,) = chip.board.bus.notes.values()
    assert (note.device, note.pc, note.loads, note.stores, note.first_value) == ("DMA", 0x1000_0234, 1, 2, 7)


# -- the watchdog


def test_the_watchdog_counts_twice_a_tick_and_resets(chip: Chip) -> None:
    """Erratum RP2040-E1."""
    chip.store(PSM_WDSEL, ALL_STAGES)
    chip.start_xosc()
    chip.start_timer()
    chip.store(WATCHDOG + 4, 2_000)
    chip.store(WATCHDOG + SET, 1 << 30)
    chip.run(500 * 12)
    assert chip.load(WATCHDOG) & 0xFF_FFFF == 1_000
    chip.store(WATCHDOG + 4, 2_000)
    chip.run(999 * 12)
    assert chip.host.restarts == []
    chip.run(12)
    assert len(chip.host.restarts) == 1
    chip.store(WATCHDOG + 0x1C, 0xB007C0D3)
    chip.board.bus.reset()
    assert chip.load(WATCHDOG + 8) == 1
    assert chip.load(WATCHDOG + 0x1C) == 0xB007C0D3
    assert chip.load(WATCHDOG) & 1 << 30 == 0
    assert chip.load(WATCHDOG + 0x2C) & 0x7FF == 0x600 | 12  # the tick runs on: section 2.13.1, rst_n_run
    chip.board.pressed()
    assert [chip.load(WATCHDOG + offset) for offset in (0, 8, 0x1C, 0x2C)] == [7 << 24, 0, 0, 1 << 9]


@pytest.mark.parametrize(
    ("selected", "reached", "port"),
    [
        (0, None, None),
        (1 << 16, None, None),  # core 1 alone
        (1 << 15, {"WATCHDOG"}, False),
        (1 << 14 | 1 << 16, {"WATCHDOG"}, True),
        (1 << 13, {"WATCHDOG", "VREG_AND_CHIP_RESET"}, True),
        (1 << 4, {"WATCHDOG", "VREG_AND_CHIP_RESET", "XIP_CTRL", "XIP_SSI"}, True),
    ],
)
def test_the_watchdog_resets_the_first_stage_selected_and_all_behind_it(
    chip: Chip, selected: int, reached: set[str] | None, port: bool | None
) -> None:
    """Section 2.13.4; with the processor not among them, the program runs on."""
    chip.store(PSM_WDSEL, selected)
    chip.store(WATCHDOG + SET, 1 << 31)
    assert len(chip.host.restarts) == (reached is not None)
    for _, reach in chip.host.restarts:
        assert reach.devices is not None
        assert {device.name for device in reach.devices} == reached  # type: ignore[attr-defined]
        assert reach.port is port


def test_the_watchdog_resets_blocks_that_resets_selects(chip: Chip) -> None:
    chip.store(RESETS + CLR, 1 << 21 | 1 << 12)
    chip.store(RESETS + 4, 1 << 21)
    chip.store(WATCHDOG + SET, 1 << 31)
    assert chip.load(RESETS + 8) == 1 << 12
    assert not chip.host.restarts


def test_a_reset_takes_all_requests_back(chip: Chip) -> None:
    chip.host.lines.update(dict.fromkeys(chip.host.lines, True))
    assert {0, 4, 13, 17, 20, 21, 22, 25} <= set(chip.host.lines)
    chip.board.bus.reset()
    assert not any(chip.host.lines.values())


def test_a_disabled_watchdog_stands(chip: Chip) -> None:
    chip.store(PSM_WDSEL, ALL_STAGES)
    chip.start_xosc()
    chip.start_timer()
    chip.store(WATCHDOG + 4, 2_000)
    chip.run(100_000)
    assert chip.load(WATCHDOG) & 0xFF_FFFF == 2_000
    chip.store(WATCHDOG + SET, 1 << 31)
    assert len(chip.host.restarts) == 1
    assert chip.load(WATCHDOG + 8) == 2


# -- the timer


def test_the_timer_counts_microseconds_through_changes_of_the_clock(chip: Chip) -> None:
    chip.start_xosc()
    chip.start_timer()
    first, begin = chip.load(TIMER + 0x28), chip.board.clock.seconds(chip.host.now)
    for fbdiv, cycles in ((125, 300_000), (133, 7), (100, 123_457)):
        chip.start_pll(fbdiv, 6, 2)
        chip.run(cycles)
    passed = (chip.board.clock.seconds(chip.host.now) - begin) * 1_000_000
    assert chip.load(TIMER + 0x28) - first in (int(passed), int(passed) + 1)
    asked = chip.host.asked
    chip.load(TIMER + 0x28), chip.load(TIMER + 0x24)
    assert chip.host.asked == asked
    for address in chip.host.counters:
        assert chip.load(address) == chip.board.bus.load(address, 4)


def test_the_law_of_the_counter_is_the_counter(chip: Chip) -> None:
    """After changes of the clock in the middle of a tick, in each of 300 cycles."""
    chip.start_xosc()
    chip.start_timer()
    for fbdiv, cycles in ((125, 61), (133, 47), (100, 29)):
        chip.store(CLOCKS + CLR + 0x3C, 1)
        chip.start_pll(fbdiv, 6, 2)
        chip.run(cycles)
        for _ in range(300):
            chip.run(1)
            assert chip.load(TIMER + 0x28) == chip.board.bus.load(TIMER + 0x28, 4)


@pytest.mark.parametrize("alias", [0, CLR, SET, XOR])
def test_bits_that_are_cleared_by_1_take_the_value_through_any_alias(chip: Chip, alias: int) -> None:
    chip.start_xosc()
    chip.start_timer()
    now = chip.load(TIMER + 0x28)
    for i in range(3):
        chip.store(TIMER + 0x10 + 4 * i, now + 3)
    chip.run(60)
    assert chip.load(TIMER + 0x34) == 7
    chip.store(TIMER + alias + 0x34, 2)
    assert chip.load(TIMER + 0x34) == 5


def test_an_integer_divisor_of_0_is_65536(chip: Chip) -> None:
    chip.start_xosc()
    chip.store(CLOCKS + 0x40, 0)
    assert chip.hz == Fraction(12_000_000, 65_536)


def test_timelr_latches_timehr_and_timehw_sets_both(chip: Chip) -> None:
    chip.start_xosc()
    chip.start_timer()
    chip.store(TIMER + 4, 0xFFFF_FFFF)
    chip.store(TIMER + 0, 5)
    assert chip.load(TIMER + 0x0C) == 0xFFFF_FFFF
    chip.run(24)
    assert chip.load(TIMER + 8) == 5
    assert chip.load(TIMER + 0x24) == 6
    chip.store(TIMER + 0x30, 1)
    before = chip.load(TIMER + 0x28)
    chip.run(10_000)
    assert chip.load(TIMER + 0x28) == before
    chip.store(TIMER + 0x30, 0)
    chip.run(1_200)
    assert chip.load(TIMER + 0x28) - before in (100, 101)


_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("arm"), st.integers(0, 3), st.integers(1, 40)),
        st.tuples(st.just("disarm"), st.integers(0, 15), st.just(0)),
        st.tuples(st.just("enable"), st.integers(0, 15), st.just(0)),
        st.tuples(st.just("force"), st.integers(0, 15), st.just(0)),
        st.tuples(st.just("clear"), st.integers(0, 15), st.just(0)),
        st.tuples(st.just("pass"), st.integers(1, 30), st.just(0)),
    ),
    min_size=12,
    max_size=30,
)


@given(_STEPS)
@settings(max_examples=60, deadline=None)
def test_alarms(steps: list[tuple[str, int, int]]) -> None:
    """Against a model that looks at every microsecond."""
    chip = Chip()
    chip.start_xosc()
    chip.start_timer()
    chip.run(12 - (chip.host.now - chip.host.counters[TIMER + 0x28][1]) % 12)
    alarms: dict[int, int] = {}
    raw = enabled = forced = 0
    now = chip.load(TIMER + 0x28)
    for what, a, b in steps:
        if what == "arm":
            chip.store(TIMER + 0x10 + 4 * a, now + b)
            alarms[a] = now + b
        elif what == "disarm":
            chip.store(TIMER + 0x20, a)
            alarms = {i: at for i, at in alarms.items() if not a >> i & 1}
        elif what == "enable":
            chip.store(TIMER + 0x38, a)
            enabled = a
        elif what == "force":
            chip.store(TIMER + 0x3C, a)
            forced = a
        elif what == "clear":
            chip.store(TIMER + CLR + 0x34, a)
            raw &= ~a
        for _ in range(a if what == "pass" else 0):
            chip.run(12)
            now += 1
            for i in [i for i, at in alarms.items() if at == now]:
                del alarms[i]
                raw |= 1 << i
        status = raw & enabled | forced
        assert chip.load(TIMER + 0x28) == now
        assert chip.load(TIMER + 0x20) == sum(1 << i for i in alarms)
        assert chip.load(TIMER + 0x34) == raw
        assert chip.load(TIMER + 0x40) == status
        assert [chip.host.lines.get(i, False) for i in range(4)] == [bool(status >> i & 1) for i in range(4)]


def test_an_alarm_fires_in_the_cycle_of_its_tick(chip: Chip) -> None:
    chip.start_xosc()
    chip.start_pll(125, 6, 2)
    chip.start_timer()
    chip.store(TIMER + 0x38, 1)
    now = chip.load(TIMER + 0x28)
    chip.store(TIMER + 0x10, now + 3)
    while not chip.host.lines[0]:
        chip.run(1)
    assert chip.load(TIMER + 0x28) == now + 3
    chip.host.now -= 1
    assert chip.load(TIMER + 0x28) == now + 2
