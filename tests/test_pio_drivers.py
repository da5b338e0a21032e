"""PIO on programs whose times are known: a WS2812 driver, a UART, a square wave, and the datasheet's own examples."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import pytest
from pio_assembler import REL, in_, irq, jmp, mov, nop, out, pull, push, set_, side, wait
from pio_programs import Fast

CTRL, FSTAT, FDEBUG, FLEVEL, TXF, RXF, IRQ, IRQ_FORCE, BYPASS = 0, 4, 8, 0xC, 0x10, 0x20, 0x30, 0x34, 0x38
MEMORY, CLKDIV, EXECCTRL, SHIFTCTRL, ADDR, INSTR, PINCTRL = 0x48, 0xC8, 0xCC, 0xD0, 0xD4, 0xD8, 0xDC
INTR, IRQ0_INTE, IRQ0_INTF, IRQ0_INTS = 0x128, 0x12C, 0x130, 0x134
AUTOPUSH, AUTOPULL, IN_RIGHT, OUT_RIGHT, FJOIN_TX, FJOIN_RX = 1 << 16, 1 << 17, 1 << 18, 1 << 19, 1 << 30, 1 << 31
RXSTALL, RXUNDER, TXOVER, TXSTALL = 1, 1 << 8, 1 << 16, 1 << 24


class Pio(Fast):
    """PIO0 with all pins, and a clock that the test moves."""

    def __init__(self, program: Sequence[int] = ()) -> None:
        super().__init__([0] * 30)
        self.now = 0
        for i, word in enumerate(program):
            self.store(MEMORY + 4 * i, word)
        self.store(EXECCTRL, max(len(program) - 1, 0) << 12)

    def store(self, offset: int, value: int, machine: int = 0, block: int = 0) -> None:
        """Of a register that each machine has, that of `machine`."""
        offset += 0x18 * machine if CLKDIV <= offset < INTR else 0
        self.sio.store_pio(block, offset, value, self.now)

    def load(self, offset: int, machine: int = 0) -> int:
        offset += 0x18 * machine if CLKDIV <= offset < INTR else 0
        return self.sio.load_pio(0, offset, self.now)

    def run(self, cycles: int) -> None:
        self.now += cycles
        self.sio.settle_pio(self.now)

    def start(self, machines: int = 1) -> None:
        """With their dividers in phase."""
        self.store(CTRL, machines | machines << 8)

    def execute(self, word: int) -> None:
        self.store(INSTR, word)
        self.run(1)

    def put(self, word: int) -> None:
        """As a program that waits for room."""
        while self.load(FSTAT) >> 16 & 1:
            self.run(1)
        self.store(TXF, word)

    def drive(self, levels: int) -> None:
        self.sio.settle_pio(self.now)
        self.pins.outside = levels
        self.sio.update_pins(self.now)

    def edges(self, pin: int) -> list[tuple[int, int]]:
        """Cycle and level of each change of a pin from 0."""
        found, level = [], 0
        for row in self.log[: self.pins.log_count]:
            if int(row["level"]) >> pin & 1 != level:
                level ^= 1
                found.append((int(row["cycle"]), level))
        return found


def pulse(number: int, divisor: Fraction) -> int:
    """Cycles from a restart to a pulse of the divider: each period's fraction counts once it has ended (3.5.5)."""
    whole, fraction = divmod(divisor * 256, 256)
    return 0 if number == 0 else int(whole) * number + (number - 1) * int(fraction) // 256


def clkdiv(divisor: Fraction) -> int:
    return int(divisor * 256) << 8


@pytest.mark.parametrize("divisor", [Fraction(1), Fraction(2), Fraction(5, 2), Fraction(257, 256), Fraction(65535)])
def test_square_wave(divisor: Fraction) -> None:
    pio = Pio([set_("pins", 1, delay=1), set_("pins", 0, delay=1)])
    pio.store(PINCTRL, 1 << 26 | 4 << 5)
    pio.execute(set_("pindirs", 1))
    pio.store(CLKDIV, clkdiv(divisor))
    pio.start()
    begin = pio.now
    pio.run(int(40 * divisor))
    expected = [(begin + pulse(2 * i, divisor) + 1, 1 - i % 2) for i in range(19)]
    assert pio.edges(4)[:19] == expected


UART = (
    side(pull(delay=7), 1 << 1 | 1, 2),  # the stop bit, and idle
    side(set_("x", 7, delay=7), 1 << 1 | 0, 2),  # the start bit
    out("pins", 1),
    jmp(2, "x--", delay=6),
)


@pytest.mark.parametrize(("hertz", "baud"), [(125_000_000, 921_600), (125_000_000, 115_200), (48_000_000, 3_000_000)])
def test_uart_transmitter(hertz: int, baud: int) -> None:
    divisor = Fraction(hertz * 256 // (8 * baud), 256)
    pio = Pio(UART)
    pio.store(EXECCTRL, 1 << 30 | 3 << 12)
    pio.store(SHIFTCTRL, OUT_RIGHT)
    pio.store(PINCTRL, 1 << 26 | 7 << 5)
    pio.execute(set_("pins", 1))
    pio.execute(set_("pindirs", 1))
    pio.store(PINCTRL, 2 << 29 | 7 << 10 | 1 << 20 | 7)
    pio.store(CLKDIV, clkdiv(divisor))
    data = b"\x55\x00\xffPIO"
    pio.store(TXF, data[0])
    pio.start()
    begin = pio.now
    for byte in data[1:]:
        pio.put(byte)
    pio.run(int(10 * 8 * divisor) * 8)
    bits = [bit for byte in data for bit in (1, 0, *(byte >> i & 1 for i in range(8)))] + [1]
    expected = [(begin + pulse(8 * i, divisor) + 1, bits[i]) for i in range(1, len(bits)) if bits[i] != bits[i - 1]]
    assert pio.edges(7)[1:] == expected
    assert abs(Fraction(hertz, 8 * baud) - divisor) < Fraction(1, 256)


WS2812 = (
    side(out("x", 1, delay=2), 0),
    side(jmp(3, "!x", delay=2), 1),
    side(jmp(0, delay=3), 1),
    side(nop(delay=3), 0),
)


def test_ws2812_driver() -> None:
    """800 kHz out of 125 MHz: ten pulses of 8 MHz a bit, of which 7 or 3 are high; the colour's highest bit first."""
    divisor, colours = Fraction(125, 8), [0xFF00AA, 0x000001, 0x800000, 0x123456, 0xFEDCBA, 0x0F0F0F]
    pio = Pio(WS2812)
    pio.store(SHIFTCTRL, AUTOPULL | 24 << 25)
    pio.store(PINCTRL, 1 << 26 | 2 << 5)
    pio.execute(set_("pindirs", 1))
    pio.store(PINCTRL, 1 << 29 | 2 << 10)
    pio.store(CLKDIV, clkdiv(divisor))
    pio.store(TXF, colours[0] << 8)
    pio.start()
    begin = pio.now
    for colour in colours[1:]:
        pio.put(colour << 8)
    pio.run(24 * 157 * 6)
    bits = [colour >> i & 1 for colour in colours for i in range(23, -1, -1)]
    expected = []
    for i, bit in enumerate(bits):
        first = 10 * i + 1 + 3  # one pulse fills the OSR; three are low
        expected.append((begin + pulse(first, divisor) + 1, 1))
        expected.append((begin + pulse(first + (7 if bit else 3), divisor) + 1, 0))
    assert pio.edges(2) == expected
    assert pio.load(FDEBUG) & TXSTALL  # and then it waits, low


class TestDatasheet:
    """Its own examples: what they say of themselves."""

    def test_autopush_and_autopull(self) -> None:
        """3.5.4: a word in two cycles, in figure 44's order, after one in which the OSR is filled."""
        pio = Pio([out("x", 32), in_("x", 32)])
        pio.store(SHIFTCTRL, AUTOPUSH | AUTOPULL | IN_RIGHT | OUT_RIGHT)
        for i in range(4):
            pio.store(TXF, i)
        pio.start()
        levels = []
        for _ in range(10):
            pio.run(1)
            levels.append(pio.load(FLEVEL) & 0xFF)
        #                 fill  out   in    out   in    out   in    out   in    stall
        assert levels == [0x03, 0x02, 0x12, 0x11, 0x21, 0x20, 0x30, 0x30, 0x40, 0x40]
        assert pio.load(FDEBUG) == TXSTALL
        pio.store(TXF, 4)
        assert [pio.load(RXF) for _ in range(4)] == [0, 1, 2, 3]
        pio.run(3)
        assert pio.load(RXF) == 4

    def test_manual_pull(self) -> None:
        """3.5.4, figure 43: a bit in four cycles across words, and it stalls with its clock high."""
        program = [set_("x", 2), side(pull(delay=1), 3, 2), side(out("pins", 1, delay=1), 2, 2),
                   side(jmp(2, "x--", delay=1), 3, 2), side(out("pins", 1), 2, 2)]  # fmt: skip
        pio = Pio(program)
        pio.store(SHIFTCTRL, OUT_RIGHT)
        pio.store(PINCTRL, 2 << 26)
        pio.execute(set_("pindirs", 3))
        pio.store(PINCTRL, 2 << 29 | 1 << 20 | 1 << 10)  # the clock on pin 1, data on pin 0
        pio.store(EXECCTRL, 1 << 30 | 4 << 12)
        pio.store(TXF, 0b0101)
        pio.store(TXF, 0b1010)
        pio.start()
        begin = pio.now
        pio.run(60)
        data, clock = pio.edges(0), pio.edges(1)
        bits = [1, 0, 1, 0, 0, 1, 0, 1]
        changes = [(begin + 4 + 4 * i, bit) for i, bit in enumerate(bits) if bit != ([0, *bits])[i]]
        assert data == changes
        assert clock == [(begin + 2 + 2 * i, 1 - i % 2) for i in range(17)]

    def test_exec(self) -> None:
        """3.5.7: it prints 12345678."""
        pio = Pio([jmp(0), out("exec", 32), jmp(1)])
        pio.store(EXECCTRL, 31 << 12)
        pio.store(SHIFTCTRL, AUTOPULL | OUT_RIGHT)
        pio.start()
        pio.run(5)
        assert pio.load(ADDR) == 0
        pio.store(INSTR, jmp(1))
        for word in (out("x", 32), 12345678, in_("x", 32), push()):
            pio.store(TXF, word)
        pio.run(40)
        assert pio.load(RXF) == 12345678

    def test_side_set_at_full_speed(self) -> None:
        """3.5.1: a bit in two cycles, its clock beside it."""
        pio = Pio([side(out("pins", 1), 0), side(jmp(0), 1)])
        pio.store(SHIFTCTRL, AUTOPULL)
        pio.store(PINCTRL, 2 << 26)
        pio.execute(set_("pindirs", 3))
        pio.store(PINCTRL, 1 << 29 | 1 << 20 | 1 << 10)
        pio.store(TXF, 0xA5A5_A5A5)
        pio.start()
        begin = pio.now
        pio.run(65)
        bits = [0xA5A5_A5A5 >> i & 1 for i in range(31, -1, -1)]
        assert pio.edges(0) == [(begin + 2 + 2 * i, bit) for i, bit in enumerate(bits) if bit != ([0, *bits])[i]]
        assert pio.edges(1)[:4] == [(begin + 3, 1), (begin + 4, 0), (begin + 5, 1), (begin + 6, 0)]


class TestPins:
    @pytest.mark.parametrize(("bypass", "delay"), [(0, 2), (1, 0)])
    def test_inputs_come_through_two_flip_flops(self, bypass: int, delay: int) -> None:
        pio = Pio([in_("pins", 1), push()])
        pio.store(EXECCTRL, 0)  # in again and again: bit n is of cycle n
        pio.store(SHIFTCTRL, IN_RIGHT)
        pio.store(BYPASS, bypass)
        pio.start()
        pio.run(10)
        pio.drive(1)
        pio.run(3)
        pio.drive(0)
        pio.run(19)
        pio.store(CTRL, 0)
        pio.execute(push())
        assert pio.load(RXF) == 0b111 << 10 + delay

    def test_a_machine_sees_its_own_pin_three_cycles_later(self) -> None:
        pio = Pio([set_("pins", 1), wait(1, "gpio", 0), nop(delay=31)])
        pio.store(PINCTRL, 1 << 26)
        pio.execute(set_("pindirs", 1))
        pio.start()
        pio.run(3)
        assert pio.load(ADDR) == 1
        pio.run(1)
        assert pio.load(ADDR) == 2

    def test_the_highest_machine_is_the_strongest_and_side_set_stronger_than_set(self) -> None:
        pio = Pio([side(set_("pins", 0b11), 0), side(set_("pins", 0b10), 0), nop(), nop()])
        for machine in (0, 1):
            pio.store(EXECCTRL, machine << 12 | machine << 7, machine)
            pio.store(INSTR, jmp(machine), machine)
        pio.run(1)
        pio.store(PINCTRL, 2 << 26 | 1 << 29 | 5 << 10, 0)
        pio.store(PINCTRL, 1 << 26 | 1 << 29 | 1 << 10, 1)
        pio.start(3)
        pio.run(1)
        assert pio.load(0x3C) == 0b00  # pin 0: machine 1's SET; pin 1: its side-set, not machine 0's SET
        pio.store(CTRL, 1)
        pio.run(1)
        assert pio.load(0x3C) == 0b11

    def test_out_sticky_and_inline_enable(self) -> None:
        """Table 381: machine 1 holds what it wrote over machine 0's, until it writes with an enable of 0."""
        pio = Pio([set_("pins", 0), nop(), out("pins", 2), nop()])
        pio.store(EXECCTRL, 1 << 12, 0)
        pio.store(PINCTRL, 1 << 26, 0)
        pio.store(EXECCTRL, 3 << 12 | 3 << 7 | 1 << 17 | 1 << 18 | 1 << 19, 1)  # bit 1 of the data enables
        pio.store(PINCTRL, 1 << 20, 1)
        pio.store(SHIFTCTRL, AUTOPULL | OUT_RIGHT | 2 << 25, 1)
        pio.store(TXF + 4, 0b11)
        pio.store(TXF + 4, 0b00)
        pio.store(INSTR, jmp(2), 1)
        pio.run(1)
        pio.start(3)
        pio.run(4)
        for _ in range(4):
            assert pio.load(0x3C) == 1
            pio.run(1)
        pio.store(INSTR, jmp(2), 1)
        pio.run(4)
        assert pio.load(0x3C) == 0


class TestFlags:
    def test_irq_between_machines(self) -> None:
        """3.4.9: relative to the machine, modulo 4; a flag that is set in a cycle is seen in the next."""
        pio = Pio([irq(REL | 1, delay=5), wait(1, "irq", 1), set_("x", 1), jmp(3)])
        pio.store(EXECCTRL, 31 << 12, 1)
        pio.store(INSTR, jmp(1), 1)
        pio.run(1)
        pio.store(EXECCTRL, 0)
        pio.start(1)
        pio.run(1)
        assert pio.load(IRQ) == 2
        pio.store(CTRL, 2)
        pio.run(1)
        assert (pio.load(IRQ), pio.load(ADDR, 1)) == (0, 2)

    def test_a_flag_that_is_set_and_cleared_in_one_cycle_is_set(self) -> None:
        pio = Pio([irq(2, clear=True), irq(2)])
        for machine in (0, 1):
            pio.store(EXECCTRL, machine << 12 | machine << 7, machine)
            pio.store(INSTR, jmp(machine), machine)
            pio.run(1)
        pio.start(3)
        pio.run(1)
        assert pio.load(IRQ) == 4
        pio.store(CTRL, 1)
        pio.run(1)
        assert pio.load(IRQ) == 0

    def test_irq_wait(self) -> None:
        pio = Pio([irq(3, wait_for=True), jmp(1)])
        pio.store(IRQ0_INTE, 1 << 11)
        pio.start()
        pio.run(1)
        assert (pio.load(IRQ), pio.load(ADDR), pio.load(IRQ0_INTS), pio.core.pio.lines) == (8, 0, 1 << 11, 1)
        pio.run(10)
        pio.store(IRQ, 8)
        assert pio.core.pio.lines == 0
        pio.run(1)
        assert pio.load(ADDR) == 1

    def test_forced_interrupts_need_no_enable(self) -> None:
        pio = Pio()
        pio.store(IRQ0_INTF, 1 << 5)
        assert (pio.load(IRQ0_INTS), pio.core.pio.lines) == (1 << 5, 1)
        assert pio.load(IRQ0_INTS + 12) == 0
        assert pio.load(INTR) == 0xF0

    def test_fifo_errors(self) -> None:
        pio = Pio([pull(), push(block=False)])
        for i in range(5):
            pio.store(TXF, i)
        assert pio.load(FDEBUG) == TXOVER
        assert pio.load(RXF) == 0
        assert pio.load(FDEBUG) == TXOVER | RXUNDER
        pio.start()
        pio.run(9)
        assert pio.load(FDEBUG) == TXOVER | RXUNDER | TXSTALL
        assert pio.load(FLEVEL) == 0x40
        pio.execute(push(block=False))
        assert pio.load(FDEBUG) == TXOVER | RXUNDER | TXSTALL | RXSTALL
        pio.store(FDEBUG, TXOVER | RXSTALL)
        assert pio.load(FDEBUG) == RXUNDER | TXSTALL
        pio.store(SHIFTCTRL, FJOIN_TX)
        assert (pio.load(FLEVEL), pio.load(FSTAT)) == (0, 0x0F00_0F01)
        for i in range(8):
            pio.store(TXF + 4, i)
            pio.store(TXF, i)
        assert pio.load(FLEVEL) & 0xFFFF == 0x0408

    def test_a_stored_instruction_that_waits(self) -> None:
        """3.5.7: EXEC_STALLED until it is done, or another one is stored; it needs no enabled machine, and no pulse."""
        pio = Pio()
        pio.store(CLKDIV, 0xFFFF << 16)
        pio.execute(pull())
        pio.run(5)
        assert pio.load(EXECCTRL) >> 31 == 1
        pio.store(TXF, 7)
        pio.run(1)
        assert pio.load(EXECCTRL) >> 31 == 0
        assert pio.load(FLEVEL) == 0
        pio.execute(wait(1, "irq", 4))
        assert pio.load(EXECCTRL) >> 31 == 1
        pio.execute(nop())
        assert pio.load(EXECCTRL) >> 31 == 0
        pio.execute(mov("isr", "osr"))
        pio.execute(push())
        assert pio.load(RXF) == 7

    def test_restart(self) -> None:
        """Table 367: what SM_RESTART clears, and what not."""
        pio = Pio([set_("x", 9), in_("x", 8), irq(0, wait_for=True)])
        pio.start()
        pio.run(6)
        pio.store(CTRL, 1 << 4)
        assert (pio.load(ADDR), pio.load(IRQ), pio.load(CTRL)) == (2, 1, 0)
        pio.store(SHIFTCTRL, 8 << 20)
        pio.execute(push(iffull=True))
        assert pio.load(FLEVEL) == 0  # nothing was shifted in
        pio.execute(in_("x", 32))
        pio.execute(push())
        assert pio.load(RXF) == 9

    def test_aliases(self) -> None:
        pio = Pio()
        pio.store(SHIFTCTRL, 0)
        pio.sio.store_pio(0, SHIFTCTRL, 0xF000_0000, 0, alias=2)
        pio.sio.store_pio(0, SHIFTCTRL, 0x5000_0000, 0, alias=3)
        pio.sio.store_pio(0, SHIFTCTRL, 0x3001_0000, 0, alias=1)
        assert pio.load(SHIFTCTRL) == 0x9001_0000
        pio.store(IRQ_FORCE, 0xFF)
        pio.sio.store_pio(0, IRQ, 0x0F, 0, alias=3)
        assert pio.load(IRQ) == 0xF0


def test_a_divider_that_is_changed_ends_its_period_first() -> None:
    """3.5.5, table 367: it runs freely, enabled or not, until CLKDIV_RESTART."""
    pio = Pio([set_("pins", 1), set_("pins", 0)])
    pio.store(PINCTRL, 1 << 26)
    pio.execute(set_("pindirs", 1))
    pio.store(CLKDIV, 100 << 16)
    pio.start()
    begin = pio.now
    pio.run(50)
    pio.store(CLKDIV, 10 << 16)
    pio.run(60)
    pio.store(CTRL, 0)
    pio.run(1_000_003)
    pio.store(CTRL, 1)
    pio.run(20)
    assert [cycle - begin - 1 for cycle, _ in pio.edges(0)] == [0, 100, 1_000_120, 1_000_130]
