"""UART, timer and clocks of STM32 parts and of the PY32F002B, against figures of their manuals and a slow timer."""

from __future__ import annotations

from fractions import Fraction

import pytest
from device_host import FakeHost
from hypothesis import given, settings
from hypothesis import strategies as st

from m0sim.chip.devices.other.stm32_parts import PARTS, build

RCC, USART1, TIM1, TIM14 = 0x4002_1000, 0x4001_3800, 0x4001_2C00, 0x4000_2000


class Part:
    """A part that a test drives as a program would."""

    def __init__(self, name: str) -> None:
        self.host = FakeHost()
        self.board = build(name, self.host)
        self.board.bus.reset()

    def load(self, address: int, size: int = 4) -> int:
        return self.host.load(self.board.bus, address, size)

    def store(self, address: int, value: int, size: int = 4) -> None:
        self.host.store(self.board.bus, address, value, size)

    def run(self, cycles: int) -> None:
        self.host.run(self.board.bus, cycles)


@pytest.mark.parametrize(
    ("name", "at_reset", "stores", "hz", "status"),
    [
        # RM0091, 6.4.2: HSI / 2 * 12; SWS is PLL
        ("stm32f0", 8_000_000, [(0x04, 10 << 18), (0x00, 1 << 24 | 1), (0x04, 10 << 18 | 2)], 48_000_000, (4, 2, 2, 2)),
        ("stm32f031", 8_000_000, [(0x04, 10 << 18), (0, 1 << 24 | 1), (0x04, 10 << 18 | 2)], 48_000_000, (4, 2, 2, 2)),
        # RM0367, 7.3.3: HSI16 * 4 / 2
        ("stm32l0", 2_097_152, [(0x00, 1), (0x0C, 1 << 18 | 1 << 22), (0x00, 1 << 24 | 1),
                                (0x0C, 1 << 18 | 1 << 22 | 3)], 32_000_000, (0x0C, 2, 2, 3)),
        # RM0444, 5.4.4: HSI16 / 1 * 8 / 2
        ("stm32g0", 16_000_000, [(0x0C, 2 | 8 << 8 | 1 << 28 | 1 << 29), (0x00, 1 << 24 | 1 << 8), (0x08, 2)],
         64_000_000, (8, 3, 3, 2)),
        ("stm32g030", 16_000_000, [(0x00, 2 << 11 | 1 << 8)], 4_000_000, (8, 3, 3, 0)),
        ("py32f002b", 24_000_000, [(0x08, 8 << 8)], 12_000_000, (8, 3, 3, 0)),
    ],
)  # fmt: skip
def test_clocks(
    name: str, at_reset: int, stores: list[tuple[int, int]], hz: int, status: tuple[int, int, int, int]
) -> None:
    part = Part(name)
    assert part.board.clock.hz == at_reset
    for offset, value in stores:
        part.store(RCC + offset, value)
    assert part.board.clock.hz == hz
    offset, low, width, expected = status
    assert part.load(RCC + offset) >> low & (1 << width) - 1 == expected


@pytest.mark.parametrize("name", list(PARTS))
def test_a_uart_of_every_part(name: str) -> None:
    part = Part(name)
    hz = part.board.clock.hz
    older = name == "py32f002b"
    status, receive, transmit, divisor, control = (0, 4, 4, 8, 0xC) if older else (0x1C, 0x24, 0x28, 0xC, 0)
    brr = round(hz / 9600)
    part.store(USART1 + divisor, brr)
    part.store(USART1 + control, (1 << 13 if older else 1) | 1 << 3 | 1 << 2)
    assert part.load(USART1 + status) & 0xC0 == 0xC0
    part.store(USART1 + transmit, ord("o"), 2)
    assert part.load(USART1 + status) & 0xC0 == 0x80  # the shift register has it
    part.store(USART1 + transmit, ord("k"), 2)
    assert part.load(USART1 + status) & 0xC0 == 0
    part.run(10 * brr - 1)
    assert part.load(USART1 + status) & 0xC0 == 0
    part.run(1)
    assert part.load(USART1 + status) & 0xC0 == 0x80
    part.run(10 * brr)
    assert part.load(USART1 + status) & 0xC0 == 0xC0
    assert [(source, data) for _, source, data in part.host.sent] == [("USART1", b"o"), ("USART1", b"k")]
    assert abs(Fraction(hz, brr) / 9600 - 1) < Fraction(1, 50)
    part.store(USART1 + control, part.load(USART1 + control) | 1 << 5)
    part.board.receivers["USART1"].receive(b"!?")
    part.run(10 * brr - 1)
    assert not part.host.lines[27]
    part.run(1)
    assert part.host.lines[27]
    assert part.load(USART1 + receive) == ord("!")
    assert not part.host.lines[27]
    part.run(10 * brr)
    assert part.load(USART1 + receive) == ord("?")


def test_frames_of_seven_and_nine_bits_and_oversampling_by_eight() -> None:
    part = Part("stm32g0")
    for control, control2, brr, cycles in (
        (1 | 8 | 1 << 12, 0, 100, 1100),
        (1 | 8 | 1 << 28, 0, 100, 900),
        (1 | 8, 2 << 12, 100, 1100),
        (1 | 8 | 1 << 15, 0, 0x104, 10 * 0x108 // 2),  # RM0444, 33.5.5: BRR[2:0] is USARTDIV[3:0] >> 1
    ):
        part.store(USART1 + 4, control2)
        part.store(USART1 + 0xC, brr)
        part.store(USART1, control)
        part.store(USART1 + 0x28, 1)
        part.run(cycles - 1)
        assert not part.load(USART1 + 0x1C) & 0x40
        part.run(1)
        assert part.load(USART1 + 0x1C) & 0x40


class SlowTim:
    """A timer that moves cycle by cycle."""

    def __init__(self) -> None:
        self.count = self.ticks = self.flags = 0
        self.prescale = self.next_prescale = self.period = 0
        self.compare = 0
        self.runs = False

    def cycle(self) -> None:
        if not self.runs:
            return
        self.ticks += 1
        if self.ticks <= self.prescale:
            return
        self.ticks = 0
        if self.count >= self.period:
            self.count = 0
            self.flags |= 1
            self.prescale = self.next_prescale
        else:
            self.count += 1
        if self.count == self.compare:
            self.flags |= 2


@pytest.mark.parametrize("name", list(PARTS))
@given(
    st.integers(0, 6), st.integers(1, 9), st.integers(1, 12), st.integers(0, 3),
    st.lists(st.tuples(st.sampled_from(["run", "clear", "prescale", "update"]), st.integers(0, 60)), max_size=12),
)  # fmt: skip
@settings(max_examples=12, deadline=None)
def test_timer(name: str, prescale: int, period: int, compare: int, enabled: int, steps: list[tuple[str, int]]) -> None:
    part, slow = Part(name), SlowTim()
    base, line, match_line = (TIM14, 19, 19) if name != "stm32l0" else (0x4001_0800, 20, 20)
    part.store(base + 0x28, prescale)
    part.store(base + 0x2C, period)
    part.store(base + 0x34, compare)
    part.store(base + 0x14, 1)
    part.store(base + 0x10, 0)
    part.store(base + 0x0C, enabled)
    part.store(base, 1)
    slow.prescale = slow.next_prescale = prescale
    slow.period, slow.compare, slow.runs = period, compare, True
    for what, value in steps:
        if what == "run":
            part.run(value)
            for _ in range(value):
                slow.cycle()
        elif what == "clear":
            part.store(base + 0x10, ~1 & 0xFFFF_FFFF)
            slow.flags &= ~1
        elif what == "prescale":
            part.store(base + 0x28, value % 7)
            slow.next_prescale = value % 7
        else:
            part.store(base + 0x14, 1)
            slow.count = slow.ticks = 0
            slow.prescale = slow.next_prescale
            slow.flags |= 1
        assert part.load(base + 0x24) == slow.count
        assert part.load(base + 0x10) & 3 == slow.flags
        requested = slow.flags & enabled
        assert part.host.lines.get(line, False) == bool(requested if line == match_line else requested & 1)


def test_ports_and_what_is_not_modelled() -> None:
    part = Part("stm32f0")
    port = 0x4800_0000
    part.store(port, 1 << 10)
    part.store(port + 0x18, 1 << 5)
    assert part.load(port + 0x10) == 1 << 5
    part.store(port + 0x18, 1 << 21)
    assert part.load(port + 0x14) == 0
    part.store(port + 0x14, 0xA5, 1)
    assert part.load(port + 0x14) == 0xA5  # the AHB stores single bytes
    assert part.board.bus.notes == {}
    part.store(0x4000_5400, 1)  # I2C1
    assert [(n.device, n.offset) for n in part.board.bus.notes.values()] == [("peripherals at 0x40000000", 0x5400)]
    assert part.board.bus.load(0x6000_0000, 4) is None
