"""STM32 and its like: clocks, frames and periods against the reference manuals' formulas, by hand."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from part_chip import PartChip

from m0sim.chip.devices.stm32 import board, f0, g0, l0, py32
from m0sim.chip.devices.stm32.part import Part
from m0sim.chip.devices.stm32.parts import PARTS as PROFILES

RCC, FLASH, PWR = 0x4002_1000, 0x4002_2000, 0x4000_7000
CR1, CR2, CR3, BRR, ISR, ICR, RDR, TDR = 0x00, 0x04, 0x08, 0x0C, 0x1C, 0x20, 0x24, 0x28
RXNE, TC, TXE = 1 << 5, 1 << 6, 1 << 7
DIER, SR, EGR, CNT, PSC, ARR = 0x0C, 0x10, 0x14, 0x24, 0x28, 0x2C
USART1 = 0x4001_3800


@dataclass(frozen=True)
class Addresses:
    """Where the tests find things: written down again from the reference manuals."""

    part: Part
    usart_enable: int
    """USART1EN is bit 14 in all of them."""
    timer: int
    timer_enable: int
    timer_bit: int
    timer_line: int
    gpio: int
    gpio_enable: int
    gpio_bit: int


PARTS = {
    "g071": Addresses(g0.STM32G071, 0x40, 0x4000_1000, 0x3C, 4, 17, 0x5000_0000, 0x34, 0),
    "g030": Addresses(g0.STM32G030, 0x40, 0x4000_2000, 0x40, 15, 19, 0x5000_0000, 0x34, 0),
    "f072": Addresses(f0.STM32F072, 0x18, 0x4000_1000, 0x1C, 4, 17, 0x4800_0000, 0x14, 17),
    "f031": Addresses(f0.STM32F031, 0x18, 0x4000_2000, 0x1C, 8, 19, 0x4800_0000, 0x14, 17),
    "l073": Addresses(l0.STM32L073, 0x34, 0x4000_1000, 0x38, 4, 17, 0x5000_0000, 0x2C, 0),
}
each = pytest.mark.parametrize("name", PARTS)


def test_every_profile_with_blocks_of_this_kind() -> None:
    """The profile's name leads to the part; its flash and SRAM are not the blocks'."""
    assert set(PROFILES) == {"stm32f0", "stm32f031", "stm32g0", "stm32g030", "stm32l0", "py32f002b"}


def chip_of(name: str) -> PartChip:
    return PartChip(partial(board.build, PARTS[name].part))


def with_usart(name: str, brr: int, cr1: int = 0xD, cr2: int = 0) -> PartChip:
    chip = chip_of(name)
    chip.set(RCC + PARTS[name].usart_enable, 1 << 14)
    chip.store(USART1 + BRR, brr)
    chip.store(USART1 + CR2, cr2)
    chip.store(USART1 + CR1, cr1)
    chip.run(2000)  # the idle frame
    return chip


def with_timer(name: str) -> tuple[PartChip, int]:
    chip = chip_of(name)
    chip.store(RCC + PARTS[name].timer_enable, 1 << PARTS[name].timer_bit)
    return chip, PARTS[name].timer


# -- clocks: each number is worked out by hand from the manual's formula


@pytest.mark.parametrize(("name", "hz"), [("g071", 16), ("g030", 16), ("f072", 8), ("f031", 8), ("l073", 2.097152)])
def test_the_clock_after_a_reset(name: str, hz: float) -> None:
    assert chip_of(name).hz == hz * 1_000_000


@each
def test_blocks_do_not_overlap(name: str) -> None:
    devices = sorted(chip_of(name).board.bus.devices, key=lambda device: device.base)
    for lower, upper in pairwise(devices):
        assert lower.base + lower.size <= upper.base, (lower.name, upper.name)


def test_g0_pll_from_hsi16_is_64_mhz() -> None:
    """16 MHz / 1 * 8 / 2, as the HAL's SystemClock_Config does it: ready flags are polled, and come."""
    chip = chip_of("g071")
    chip.store(RCC + 0x0C, 2 | 0 << 4 | 8 << 8 | 1 << 29)
    chip.set(RCC, 1 << 24)
    chip.set(RCC + 0x0C, 1 << 28)  # PLLREN, which the HAL sets last
    assert chip.notes == []
    assert not chip.load(RCC) & 1 << 25
    assert chip.wait(RCC, 1 << 25) == 240  # 15 microseconds at 16 MHz
    chip.store(FLASH, 0x40602)
    assert chip.load(FLASH) & 7 == 2
    chip.store(RCC + 8, 2)
    assert chip.load(RCC + 8) >> 3 & 7 == 2
    assert chip.hz == 64_000_000
    chip.store(RCC + 8, 2 | 0b1001 << 8)  # HPRE: / 4
    assert chip.hz == 16_000_000


@pytest.mark.parametrize(("hsidiv", "hz"), [(0, 16_000_000), (1, 8_000_000), (7, 125_000)])
def test_g0_hsidiv(hsidiv: int, hz: int) -> None:
    chip = chip_of("g071")
    chip.store(RCC, 0x500 | hsidiv << 11)
    assert chip.hz == hz


def test_g0_hse() -> None:
    chip = chip_of("g030")
    chip.set(RCC, 1 << 16)
    chip.store(RCC + 8, 1)
    assert chip.load(RCC + 8) >> 3 & 7 == 0  # not before it is ready
    assert chip.wait(RCC, 1 << 17) == 32_000  # 2 ms
    assert chip.load(RCC + 8) >> 3 & 7 == 1
    assert chip.hz == 8_000_000
    chip.store(RCC, chip.load(RCC) & ~(1 << 16))
    assert chip.load(RCC) & 1 << 16  # the system clock cannot be turned off


@pytest.mark.parametrize(
    ("cfgr", "cfgr2", "hz"),
    [
        (0 << 15 | 10 << 18, 0, 48_000_000),  # 8 MHz / 2 * 12
        (1 << 15 | 4 << 18, 0, 48_000_000),  # 8 MHz / 1 * 6
        (0 << 15 | 15 << 18, 0, 64_000_000),  # both 14 and 15 are 16
        (1 << 15 | 1 << 18, 3, 6_000_000),  # 8 MHz / 4 * 3
    ],
)
def test_f0_pll(cfgr: int, cfgr2: int, hz: int) -> None:
    chip = chip_of("f072")
    chip.store(RCC + 0x2C, cfgr2)
    chip.store(RCC + 4, cfgr)
    chip.set(RCC, 1 << 24)
    assert chip.wait(RCC, 1 << 25) == 1600  # 200 microseconds
    chip.store(RCC + 4, cfgr | 2)
    assert chip.load(RCC + 4) >> 2 & 3 == 2
    assert chip.hz == hz


def test_f0_hsi48() -> None:
    chip = chip_of("f072")
    chip.set(RCC + 0x34, 1 << 16)
    assert chip.wait(RCC + 0x34, 1 << 17) == 48
    chip.store(RCC + 4, 3)
    assert chip.hz == 48_000_000


@pytest.mark.parametrize(("range_", "hz"), [(0, 65_536), (5, 2_097_152), (6, 4_194_304)])
def test_l0_msi(range_: int, hz: int) -> None:
    chip = chip_of("l073")
    chip.store(RCC + 4, range_ << 13)
    assert chip.hz == hz


def test_l0_pll_from_hsi16_is_32_mhz() -> None:
    """16 MHz * 4 / 2."""
    chip = chip_of("l073")
    chip.store(FLASH, 1)
    assert chip.load(FLASH) == 1
    chip.set(RCC, 1)
    chip.wait(RCC, 1 << 2)
    chip.store(RCC + 0x0C, 1 << 18 | 1 << 22)
    chip.set(RCC, 1 << 24)
    chip.wait(RCC, 1 << 25)
    chip.set(RCC + 0x0C, 3)
    assert chip.load(RCC + 0x0C) >> 2 & 3 == 3
    assert chip.hz == 32_000_000


def test_a_pll_that_is_set_while_it_is_on_is_noted() -> None:
    chip = chip_of("f072")
    chip.store(RCC + 4, 10 << 18)
    chip.set(RCC, 1 << 24)
    assert chip.notes == []
    chip.store(RCC + 4, 9 << 18)
    assert chip.notes == ["RCC+0x4 the PLL set while it is on"]


@each
def test_a_block_whose_clock_is_off_does_nothing(name: str) -> None:
    chip = chip_of(name)
    chip.store(USART1 + BRR, 100)
    assert chip.load(USART1 + ISR) == 0
    assert all("its clock is off" in note for note in chip.notes)
    assert len(chip.notes) == 2
    chip.set(RCC + PARTS[name].usart_enable, 1 << 14)
    assert chip.load(USART1 + BRR) == 0
    assert chip.load(USART1 + ISR) == 0xC0


# -- USART


@pytest.mark.parametrize(
    ("cr1", "cr2", "bits"),
    [(0xD, 0, 10), (0x100D, 0, 11), (0x1000_000D, 0, 9), (0xD, 2 << 12, 11), (0xD, 3 << 12, 10.5), (0xD, 1 << 12, 9.5)],
)
@each
def test_a_frame(name: str, cr1: int, cr2: int, bits: float) -> None:
    """BRR is the kernel clock's cycles of a bit; with a start bit, M, and STOP."""
    chip = with_usart(name, 138, cr1, cr2)  # 16 MHz / 138 is 115,942 baud
    chip.store(USART1 + TDR, ord("x"))
    assert chip.host.sent == [(chip.host.now, "USART1", b"x")]
    assert chip.load(USART1 + ISR) & (TXE | TC) == TXE
    assert chip.wait(USART1 + ISR, TC) == bits * 138


def test_oversampling_by_8() -> None:
    """RM0444, 33.5.7: BRR[2:0] is USARTDIV[3:0] shifted to the right; a bit is USARTDIV / 2 cycles."""
    chip = with_usart("g071", 0x113, 0x800D)  # USARTDIV is 0x116: 139 cycles
    chip.store(USART1 + TDR, 1)
    assert chip.wait(USART1 + ISR, TC) == 1390


def test_the_kernel_clock_and_the_prescaler() -> None:
    chip = with_usart("g071", 40, 0xD)
    chip.store(RCC + 8, 0b100 << 12)  # PCLK is 8 MHz, of 16 MHz
    chip.store(USART1 + TDR, 1)
    assert chip.wait(USART1 + ISR, TC) == 800
    chip.store(RCC + 0x54, 1)  # SYSCLK
    chip.store(USART1 + TDR, 1)
    assert chip.wait(USART1 + ISR, TC) == 400
    chip.store(USART1 + 0x2C, 2)  # / 4
    chip.store(USART1 + TDR, 1)
    assert chip.wait(USART1 + ISR, TC) == 1600


def test_the_idle_frame_comes_first() -> None:
    """RM0444, 33.5.5: setting TE sends an idle frame before the first data."""
    chip = with_usart("g071", 100, 0)
    chip.store(USART1 + CR1, 0x9)
    assert chip.load(USART1 + ISR) == TXE | TC | 1 << 21  # TEACK
    chip.run(300)
    chip.store(USART1 + TDR, 1)
    assert not chip.load(USART1 + ISR) & TXE
    assert chip.wait(USART1 + ISR, TXE) == 700
    assert chip.wait(USART1 + ISR, TC) == 1000


def test_interrupts_of_the_transmitter() -> None:
    chip = with_usart("g071", 100)
    chip.store(USART1 + CR1, 0x8D)  # TXEIE
    assert chip.host.lines[27]
    chip.store(USART1 + TDR, 1)
    assert chip.host.lines[27]
    chip.store(USART1 + TDR, 2)
    assert not chip.host.lines[27]
    chip.run(999)
    assert not chip.host.lines[27]
    chip.run(1)
    assert chip.host.lines[27]
    chip.store(USART1 + CR1, 0x4D)  # TCIE
    assert not chip.host.lines[27]
    chip.run(999)
    assert not chip.host.lines[27]
    chip.run(1)
    assert chip.host.lines[27]
    chip.store(USART1 + ICR, TC)
    assert not chip.host.lines[27]
    assert chip.load(USART1 + ISR) & (TXE | TC) == TXE


@each
def test_receiving(name: str) -> None:
    chip = with_usart(name, 100, 0x2D)  # RXNEIE
    begin = chip.host.now
    chip.board.receivers["USART1"].receive(b"ab")
    chip.run(999)
    assert not chip.host.lines.get(27)
    chip.run(1)
    assert chip.host.lines[27]
    chip.run(5000)  # the second one waits until the first is read
    assert chip.load(USART1 + RDR) == ord("a")
    assert not chip.host.lines[27]
    assert chip.wait(USART1 + ISR, RXNE) == 1000
    assert chip.load(USART1 + RDR, 1) == ord("b")
    assert chip.host.now - begin == 7000


def test_what_is_not_modelled_of_the_usart_is_noted() -> None:
    chip = with_usart("g071", 100, 0x2000_000D)
    assert chip.notes == ["USART1+0x0 FIFO mode, mute mode, or an interrupt other than TXE, TC, RXNE, PE"]
    chip = with_usart("g071", 100)
    assert chip.notes == []
    chip.store(USART1 + CR3, 1 << 7)
    assert len(chip.notes) == 1


# -- timers


@each
def test_the_period_of_a_timer(name: str) -> None:
    """(PSC + 1) * (ARR + 1) clocks, the first of them one clock after CEN; both are shadowed until the first update."""
    chip, timer = with_timer(name)
    line = PARTS[name].timer_line
    chip.store(timer + PSC, 15)
    chip.store(timer + ARR, 99)
    chip.store(timer + EGR, 1)
    assert chip.load(timer + SR) == 1
    chip.store(timer + SR, 0)
    chip.store(timer + DIER, 1)
    chip.store(timer, 1)
    for wait in (1601, 1600, 1600):
        chip.run(wait - 1)
        assert not chip.host.lines.get(line)
        chip.run(1)
        assert chip.host.lines[line]
        chip.store(timer + SR, 0xFFFE)
        assert not chip.host.lines[line]


def test_without_ug_the_prescaler_waits_for_an_update() -> None:
    """The first period is counted with a prescaler of 1, as its shadow has it."""
    chip, timer = with_timer("g071")
    chip.store(timer + PSC, 9)
    chip.store(timer + ARR, 9)
    chip.store(timer, 1)
    assert chip.wait(timer + SR, 1) == 11
    chip.store(timer + SR, 0)
    assert chip.wait(timer + SR, 1) == 100


def test_one_pulse_and_urs() -> None:
    chip, timer = with_timer("g071")
    chip.store(timer + ARR, 49)
    chip.store(timer, 1 << 2)
    chip.store(timer + EGR, 1)
    assert chip.load(timer + SR) == 0  # URS: UG is no reason
    chip.store(timer, 1 | 1 << 3)
    assert chip.wait(timer + SR, 1) == 51
    assert chip.load(timer) == 1 << 3
    chip.run(100)
    assert chip.load(timer + CNT) == 0


def test_timers_run_twice_as_fast_as_a_divided_bus() -> None:
    chip, timer = with_timer("g071")
    chip.store(RCC + 8, 0b110 << 12)  # PPRE: / 8, so the timer has / 4
    chip.store(timer, 1)
    chip.run(4 + 400)
    assert chip.load(timer + CNT) == 100


def test_tim2_has_32_bits_where_the_part_does() -> None:
    for name, bits in (("g071", 32), ("f072", 32), ("l073", 16)):
        chip = chip_of(name)
        chip.store(RCC + {"g071": 0x3C, "f072": 0x1C, "l073": 0x38}[name], 1)
        assert chip.load(0x4000_0000 + ARR) == (1 << bits) - 1


class CountingTimer:
    """A timer that is moved clock by clock, as the manual's figures show it."""

    def __init__(self) -> None:
        self.psc = self.arr = self.cnt = self.cr1 = 0
        self.prescale, self.reload, self.part, self.uif, self.delay = 0, 0xFFFF, 0, 0, 0
        self.arr = 0xFFFF
        self.ccr = self.dier = 0

    def clock(self) -> None:
        if not self.cr1 & 1:
            return
        if self.delay:
            self.delay -= 1
            return
        if self.reload == 0:
            return
        self.part += 1
        if self.part <= self.prescale:
            return
        self.part = 0
        if self.cnt == self.reload:
            self.cnt, self.uif = 0, self.uif | 1
            self.prescale, self.reload = self.psc, self.arr
        else:
            self.cnt = self.cnt + 1 & 0xFFFF
        if self.cnt == self.ccr:
            self.uif |= 2

    def store(self, name: str, value: int) -> None:
        if name == "psc":
            self.psc = value
        elif name == "arr":
            self.arr = value
            if not self.cr1 & 0x80:
                self.reload = value
        elif name == "ug":
            self.cnt = self.part = 0
            self.prescale, self.reload, self.uif = self.psc, self.arr, self.uif | 1
        elif name == "uif":
            self.uif &= value
        elif name == "ccr":
            self.ccr = value
        elif name == "dier":
            self.dier = value
        else:
            if value & 1 and not self.cr1 & 1:
                self.delay = 1
            self.cr1 = value
            if not value & 0x80:
                self.reload = self.arr


STEPS = st.one_of(
    st.tuples(st.just("psc"), st.integers(0, 5)),
    st.tuples(st.just("arr"), st.integers(1, 20)),
    st.tuples(st.just("ug"), st.just(1)),
    st.tuples(st.just("uif"), st.integers(0, 3)),
    st.tuples(st.just("ccr"), st.integers(0, 22)),
    st.tuples(st.just("dier"), st.integers(0, 3)),
    st.tuples(st.just("cr1"), st.sampled_from([0, 1, 0x80, 0x81])),
    st.tuples(st.just("run"), st.integers(1, 90)),
)


@example([("cr1", 1), ("run", 2), ("cr1", 0), ("cr1", 1)])
@given(st.lists(STEPS, max_size=40))
@settings(max_examples=40, deadline=None)
def test_a_timer_is_what_a_clock_by_clock_one_is(steps: list[tuple[str, int]]) -> None:
    chip, timer = with_timer("g030")  # TIM14, which has a channel
    model = CountingTimer()
    offsets = {"psc": PSC, "arr": ARR, "ug": EGR, "uif": SR, "cr1": CR1, "ccr": 0x34, "dier": DIER}
    for name, value in steps:
        if name == "run":
            chip.run(value)
            for _ in range(value):
                model.clock()
        elif name == "ug" and model.delay:
            continue  # within the one clock after CEN
        else:
            chip.store(timer + offsets[name], value)
            model.store(name, value)
        assert (chip.load(timer + CNT), chip.load(timer + SR)) == (model.cnt, model.uif)
        assert chip.host.lines.get(19, False) == bool(model.uif & model.dier)


# -- pins


@each
def test_pins(name: str) -> None:
    chip = chip_of(name)
    gpio, pins = PARTS[name].gpio, chip.board.pins
    assert pins is not None
    chip.set(RCC + PARTS[name].gpio_enable, 1 << PARTS[name].gpio_bit)
    chip.store(gpio, 1 << 2 * 5)  # pin 5 out, the others in
    chip.store(gpio + 0x0C, 1 << 2 * 3)  # pin 3 pulled up
    chip.store(gpio + 0x18, 1 << 5)
    assert chip.load(gpio + 0x14) == 1 << 5
    assert chip.load(gpio + 0x10) == 1 << 5 | 1 << 3
    pins.drive(3, 0)
    pins.drive(0, 1)
    assert chip.load(gpio + 0x10) == 1 << 5 | 1
    chip.store(gpio + 0x1A, 1 << 5, 2)  # the upper half of BSRR
    assert chip.load(gpio + 0x14) == 0
    chip.store(gpio + 0x15, 0x80, 1)  # a byte of ODR
    chip.store(gpio + 0x18, 1 << 6)
    assert chip.load(gpio + 0x14, 2) == 0x8040
    chip.store(gpio + 0x28, 1 << 15)
    assert chip.load(gpio + 0x14) == 0x0040
    assert chip.notes == []


@each
def test_registers_that_a_hal_writes_as_they_are_leave_no_note(name: str) -> None:
    """What HAL_TIM_Base_Init and HAL_UART_Init write besides: values as after a reset."""
    chip, timer = with_timer(name)
    chip.set(RCC + PARTS[name].usart_enable, 1 << 14)
    for offset in (CR2, CR3, 0x10, 0x14):
        chip.store(USART1 + offset, 0)
    chip.store(timer + 0x04, 0)
    assert chip.notes == []
    chip.store(timer + 0x04, 0x20)
    assert len(chip.notes) == 1


def test_blocks_that_are_not_modelled_are_named() -> None:
    chip = chip_of("g071")
    chip.store(0x4002_1800, 7)
    assert chip.load(0x4002_1800) == 7
    assert chip.notes == ["EXTI+0x0"]


def test_two_usarts_on_one_interrupt() -> None:
    chip = chip_of("f072")
    chip.store(RCC + 0x1C, 3 << 18)
    for base in (0x4000_4800, 0x4000_4C00):
        chip.store(base + BRR, 100)
        chip.store(base + CR1, 0x89)
    chip.run(1000)
    assert chip.host.lines[29]
    chip.store(0x4000_4800 + CR1, 9)
    assert chip.host.lines[29]  # USART4 still asks for it
    chip.store(0x4000_4C00 + CR1, 9)
    assert not chip.host.lines[29]


def test_tim1_has_an_interrupt_for_matches() -> None:
    chip = chip_of("g071")
    chip.store(RCC + 0x40, 1 << 11)
    timer = 0x4001_2C00
    chip.store(timer + ARR, 99)
    chip.store(timer + 0x3C, 30)  # CCR3
    chip.store(timer + DIER, 1 | 1 << 3)
    chip.store(timer, 1)
    chip.run(31)
    assert (chip.host.lines.get(13, False), chip.host.lines[14]) == (False, True)
    chip.run(70)
    assert chip.host.lines[13]


def test_the_py32f002b() -> None:
    """24 MHz from HSI, and the older USART: 24 MHz / 104 is 230,769 baud; UE is bit 13 of CR1."""
    chip = PartChip(partial(board.build, py32.PY32F002B))
    assert chip.hz == 24_000_000
    chip.store(RCC + 4, chip.load(0x1FFF_0100))  # as SystemInit does
    assert chip.hz == 24_000_000
    chip.store(RCC + 8, 0b1000 << 8)
    assert chip.hz == 12_000_000
    chip.store(RCC + 8, 0)
    chip.store(RCC + 0x40, 1 << 14)
    chip.store(USART1 + 8, 104)
    chip.store(USART1 + 0x0C, 1 << 13 | 1 << 3 | 1 << 2)
    chip.run(3000)
    assert chip.load(USART1) == TC | TXE
    chip.store(USART1 + 4, ord("x"), 1)
    assert chip.host.sent[0][1:] == ("USART1", b"x")
    assert chip.wait(USART1, TC) == 1040
    chip.store(USART1, 0)
    assert chip.load(USART1) == TXE
    chip.board.receivers["USART1"].receive(b"y")
    assert chip.wait(USART1, RXNE) == 1040
    assert chip.load(USART1 + 4) == ord("y")
    assert chip.notes == []
