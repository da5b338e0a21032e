"""The RP2040's UARTs: the datasheet's own figures, and flags against a model that looks at every bit."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_devices_rp2040 import CLOCKS, CLR, RESETS, SET, Chip

UART0, UART1 = 0x4003_4000, 0x4003_8000
FR, IBRD, FBRD, LCR_H, CR, IFLS, IMSC, RIS, MIS, ICR = 0x18, 0x24, 0x28, 0x2C, 0x30, 0x34, 0x38, 0x3C, 0x40, 0x44
BUSY, RXFE, TXFF, RXFF, TXFE = 8, 16, 32, 64, 128


def uart(base: int = UART0, ibrd: int = 67, fbrd: int = 52, line: int = 0x70) -> Chip:
    """At 125 MHz; 67 and 52 are 115,200 baud as in the SDK's and the datasheet's formula (4.2.3.2.1)."""
    chip = Chip()
    chip.start_xosc()
    chip.start_pll(125, 6, 2)
    chip.store(CLOCKS + 0x48, 1 << 11)
    chip.store(RESETS + CLR, 3 << 22)
    chip.store(base + IBRD, ibrd)
    chip.store(base + FBRD, fbrd)
    chip.store(base + LCR_H, line)
    chip.store(base + CR, 0x301)
    return chip


def test_115200_baud_at_125_mhz() -> None:
    """The divisor 67 + 52/64 = 67.8125 makes 115,207 baud; a frame of 10 bits takes 10,850 cycles."""
    assert int(125_000_000 / (16 * 115_200)) == 67
    chip = uart()
    chip.store(UART0, ord("x"))
    assert chip.host.sent == [(chip.host.now, "UART0", b"x")]
    chip.run(10 * 1085 - 1)
    assert chip.load(UART0 + FR) & BUSY
    chip.run(1)
    assert chip.load(UART0 + FR) & BUSY == 0


@pytest.mark.parametrize(("line", "bits"), [(0x70, 10), (0x72, 11), (0x7A, 12), (0x10, 7), (0x38, 9)])
def test_the_bits_of_a_frame(line: int, bits: int) -> None:
    chip = uart(ibrd=1, fbrd=0, line=line)
    chip.store(UART0, 1)
    chip.run(16 * bits - 1)
    assert chip.load(UART0 + FR) & BUSY
    chip.run(1)
    assert not chip.load(UART0 + FR) & BUSY


@given(st.booleans(), st.lists(st.one_of(st.just(0), st.integers(1, 900)), max_size=90))
@settings(max_examples=25, deadline=None)
def test_flags_of_the_transmitter(has_fifo: bool, steps: list[int]) -> None:
    """0 sends a character, anything else lets as many cycles pass; the model moves bit by bit, 16 cycles each."""
    chip = uart(ibrd=1, fbrd=0, line=0x70 if has_fifo else 0x60)
    depth = 32 if has_fifo else 1
    fifo, left, sent = 0, 0, 0
    for step in steps:
        if step == 0:
            chip.store(UART0, 0x55)
            if fifo < depth:
                fifo, sent = fifo + 1, sent + 1
            if not left and fifo:
                fifo, left = fifo - 1, 160
        for _ in range(step):
            chip.run(1)
            left = max(0, left - 1)
            if not left and fifo:
                fifo, left = fifo - 1, 160
        flags = chip.load(UART0 + FR)
        assert bool(flags & TXFE) == (fifo == 0)
        assert bool(flags & TXFF) == (fifo == depth)
        assert bool(flags & BUSY) == (left > 0 or fifo > 0)
        assert len(chip.host.sent) == sent


def test_polling_the_flags_stays_native() -> None:
    """A program that sends 150 characters by polling comes to Python a few times a character, not per poll."""
    chip = uart()
    asked = chip.host.asked
    polls = 0
    for _ in range(150):
        while chip.load(UART0 + FR) & TXFF:
            polls += 1
            chip.run(6)
        chip.store(UART0, 1)
    assert polls > 100_000
    assert chip.host.asked - asked < 600


def test_the_transmit_interrupt_comes_when_the_fifo_falls_to_its_level() -> None:
    chip = uart(ibrd=1, fbrd=0)
    chip.store(UART0 + IFLS, 0)  # 1/8: 4 characters
    chip.store(UART0 + IMSC, 1 << 5)
    assert not chip.host.lines[20]
    for _ in range(7):
        chip.store(UART0, 1)
    chip.run(160 * 2 - 1)
    assert not chip.host.lines[20]  # one is being sent, five wait
    chip.run(1)
    assert chip.host.lines[20]
    assert chip.load(UART0 + MIS) == 1 << 5
    chip.store(UART0 + ICR, 1 << 5)
    assert not chip.host.lines[20]


def test_receiving_by_interrupt_and_timeout() -> None:
    chip = uart(UART1, ibrd=1, fbrd=0)
    chip.store(UART1 + IMSC, 1 << 4 | 1 << 6)
    receiver = chip.board.receivers["UART1"]
    receiver.receive(b"0123")
    chip.run(160 * 4 - 1)
    assert not chip.host.lines[21]
    chip.run(1)
    assert chip.host.lines[21] is False  # the level is 16 at IFLS as reset leaves it
    chip.run(32 * 16)
    assert chip.host.lines[21]
    assert chip.load(UART1 + RIS) == 1 << 6
    assert bytes(chip.load(UART1) for _ in range(4)) == b"0123"
    assert not chip.host.lines[21]
    assert chip.load(UART1 + FR) & RXFE
    receiver.receive(bytes(range(16)))
    chip.run(160 * 16)
    assert chip.load(UART1 + MIS) == 1 << 4


def test_what_has_come_counts_when_the_fifo_is_turned_off() -> None:
    """As pico-examples' uart_advanced does, while somebody sends already."""
    chip = uart(ibrd=1, fbrd=0)
    chip.board.receivers["UART0"].receive(b"ab")
    chip.run(160)
    chip.store(UART0 + IMSC, 1 << 4)
    assert not chip.host.lines[20]
    chip.store(UART0 + LCR_H, 0x60)
    assert chip.host.lines[20]
    assert chip.load(UART0) == ord("a")
    assert not chip.host.lines[20]
    chip.run(160)
    assert chip.host.lines[20]


def test_the_sender_waits_while_the_fifo_is_full_or_overruns_it() -> None:
    chip = uart(ibrd=1, fbrd=0)
    chip.board.receivers["UART0"].receive(bytes(range(100)))
    chip.run(160 * 100)
    assert chip.load(UART0 + FR) & RXFF
    received = []
    while len(received) < 100:
        while chip.load(UART0 + FR) & RXFE:
            chip.run(8)
        received.append(chip.load(UART0))
    assert received == list(range(100))

    chip = uart(ibrd=1, fbrd=0)
    chip.board.receivers["UART0"].paced = False  # type: ignore[attr-defined]
    chip.board.receivers["UART0"].receive(bytes(range(40)))
    chip.run(160 * 40)
    assert chip.load(UART0 + RIS) & 1 << 10
    assert [chip.load(UART0) for _ in range(32)] == list(range(32))
    chip.board.receivers["UART0"].receive(b"!")
    chip.run(160)
    assert chip.load(UART0) == 1 << 11 | ord("!")


def test_input_waits_until_the_receiver_is_enabled() -> None:
    chip = Chip()
    chip.board.receivers["UART0"].receive(b"hi")
    chip.run(1_000)
    chip.store(RESETS + CLR, 1 << 22)
    chip.store(CLOCKS + 0x48, 1 << 11)
    chip.store(UART0 + IBRD, 1)
    chip.store(UART0 + LCR_H, 0x70)
    chip.run(100_000)
    chip.store(UART0 + SET + CR, 1)
    assert chip.load(UART0 + FR) & RXFE
    chip.run(160)
    assert chip.load(UART0) == ord("h")


def test_what_no_pin_sends_is_named() -> None:
    chip = uart()
    chip.store(UART0, ord("x"))
    assert [(n.what, n.stores) for n in chip.board.bus.notes.values()] == [
        ("sent, and no pin has this UART's TX as its function", 1)
    ]
    chip.store(RESETS + CLR, 1 << 5)
    chip.store(0x4001_4000 + 8 * 16 + 4, 2)
    chip.store(UART0, ord("x"))
    assert [n.stores for n in chip.board.bus.notes.values()] == [1]


def test_an_alias_takes_two_cycles_more() -> None:
    """Datasheet 2.1.2: UARTs have a bus interposer."""
    chip = uart()
    before = chip.host.stalled
    chip.store(UART0 + IMSC, 1)
    chip.store(UART0 + SET + IMSC, 2)
    assert (chip.load(UART0 + IMSC), chip.host.stalled - before) == (3, 2)


def test_characters_wait_in_a_transmitter_that_is_off() -> None:
    chip = uart(ibrd=1, fbrd=0)
    chip.store(UART0 + CR, 0x300)
    chip.store(UART0, 1)
    chip.store(UART0, 2)
    chip.run(10_000)
    assert chip.host.sent == []
    assert chip.load(UART0 + FR) & (BUSY | TXFE) == BUSY
    chip.store(UART0 + SET + CR, 1)
    assert [data for _, _, data in chip.host.sent] == [b"\x01", b"\x02"]
    chip.run(320)
    assert chip.load(UART0 + FR) & (BUSY | TXFE) == TXFE
