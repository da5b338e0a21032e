"""What paces the DMA: requests of UART, SPI, ADC and PWM. Nothing is lost, and everything comes at its time."""

from __future__ import annotations

from fractions import Fraction

import pytest
from dma_chip import ABORT, COUNT, CTRL, DMA, FLASH, INTR, SRAM, Descriptor, DmaChip
from hypothesis import given, settings
from hypothesis import strategies as st
from test_devices_rp2040 import CLOCKS, CLR, RESETS, SET

UART0, SPI0, ADC, PWM = 0x4003_4000, 0x4003_C000, 0x4004_C000, 0x4005_0000
SPI0_TX, SPI0_RX, UART0_TX, UART0_RX, PWM_WRAP3, DREQ_ADC = 16, 17, 20, 21, 27, 36


def uart(divisor: int = 10, fifos: bool = True) -> DmaChip:
    chip = DmaChip()
    chip.start_xosc()
    chip.store(CLOCKS + 0x48, 1 << 11)
    chip.store(RESETS + CLR, 1 << 22)
    chip.store(UART0 + 0x24, divisor)
    chip.store(UART0 + 0x2C, 0x60 | fifos << 4)
    chip.store(UART0 + 0x30, 0x301)
    chip.store(UART0 + 0x48, 3)
    return chip


@settings(max_examples=25, deadline=None)
@given(data=st.binary(max_size=90), fifos=st.booleans())
def test_a_transmitter_gets_every_byte_as_fast_as_it_sends(data: bytes, fifos: bool) -> None:
    chip = uart(fifos=fifos)
    chip.sram[: len(data)] = list(data)
    begin = chip.host.now
    chip.start(0, Descriptor(SRAM, UART0, len(data), size=0, incr_write=False, treq=UART0_TX))
    chip.finish(0)
    frame = 16 * 10 * 10
    chip.run(34 * frame)
    assert b"".join(sent for _, _, sent in chip.host.sent) == data
    ahead = 33 if fifos else 2  # one is sent while the FIFO is full
    times = [at - begin for at, _, _ in chip.host.sent]
    assert all(at <= max(0, i - ahead + 1) * frame + 4 * i + 12 for i, at in enumerate(times))
    assert all(at >= (i - ahead + 1) * frame for i, at in enumerate(times))


@settings(max_examples=25, deadline=None)
@given(data=st.binary(max_size=90), fifos=st.booleans())
def test_what_a_receiver_gets_comes_whole(data: bytes, fifos: bool) -> None:
    """The sender does not wait: what the DMA did not take in time would be lost."""
    chip = uart(fifos=fifos)
    chip.board.receivers["UART0"].paced = False  # type: ignore[attr-defined]
    chip.start(1, Descriptor(UART0, SRAM, len(data) or 1, size=0, incr_read=False, treq=UART0_RX))
    chip.board.receivers["UART0"].receive(data)
    chip.run(1600 * (len(data) + 2))
    assert chip.sram[: len(data)].tobytes() == data
    assert chip.load(UART0 + 0x3C) & 1 << 10 == 0  # no overrun
    assert chip.busy(1) == (not data)


def test_no_request_without_its_enable() -> None:
    chip = uart()
    chip.store(UART0 + 0x48, 0)
    chip.start(0, Descriptor(SRAM, UART0, 5, size=0, incr_write=False, treq=UART0_TX))
    chip.run(50_000)
    assert chip.load(chip.channel(0, COUNT)) == 5
    chip.store(UART0 + 0x48, 2)
    chip.finish(0)
    assert len(chip.host.sent) == 5


def test_spi_both_ways() -> None:
    """Two channels, as spi_dma of pico-examples has it: all that is sent comes back in loopback mode."""
    chip = DmaChip()
    chip.start_xosc()
    chip.store(CLOCKS + 0x48, 1 << 11)
    chip.store(RESETS + CLR, 1 << 16)
    chip.store(SPI0 + 0x10, 2)
    chip.store(SPI0, 7)
    chip.store(SPI0 + 4, 3)
    chip.store(SPI0 + 0x24, 3)
    chip.fill(8)
    chip.set_up(0, Descriptor(SRAM, SPI0 + 8, 256, size=0, incr_write=False, treq=SPI0_TX))
    chip.set_up(1, Descriptor(SPI0 + 8, SRAM + 0x1000, 256, size=0, incr_read=False, treq=SPI0_RX))
    chip.store(DMA + 0x430, 3)
    took = chip.finish(0, 1)
    assert (chip.sram[:256] == chip.sram[0x1000:0x1100]).all()
    assert took == pytest.approx(256 * 16, abs=40)  # no gap between frames
    assert chip.load(SPI0 + 0x18) & 1 == 0


def test_samples_of_the_adc_come_in_their_order() -> None:
    chip = DmaChip()
    chip.start_xosc()
    chip.store(CLOCKS + 0x60, 0x800 | 3 << 5)  # clk_adc from the crystal
    chip.store(RESETS + CLR, 1)
    chip.store(ADC, 1)
    chip.store(ADC + 0x10, 0)
    chip.store(ADC + 8, 1 | 8 | 1 << 24)
    chip.start(0, Descriptor(ADC + 0xC, SRAM, 60, size=1, incr_read=False, treq=DREQ_ADC))
    assert chip.board.analog is not None
    chip.board.analog.apply(0, Fraction(1))
    chip.store(ADC + SET, 1 << 3)
    begin = chip.host.now
    for i in range(60):
        chip.board.analog.apply(0, Fraction(i, 20))
        chip.run(96)
    took = chip.host.now - begin
    assert took == 60 * 96
    chip.run(6)
    assert not chip.busy(0)
    got = chip.sram[:120].view("<u2").tolist()
    assert got == [min(4095, int(Fraction(i, 20) * 4096 / Fraction(33, 10) + Fraction(1, 2))) for i in range(60)]
    chip.store(ADC + CLR, 1 << 3)
    assert chip.load(ADC + 8) & 1 << 11 == 0  # nothing was lost


def test_a_pwm_slice_asks_each_time_that_it_wraps() -> None:
    chip = DmaChip()
    chip.start_xosc()
    chip.store(RESETS + CLR, 1 << 14)
    slice3 = PWM + 3 * 0x14
    chip.store(slice3 + 0x10, 999)
    chip.sram[:40] = range(40)
    chip.store(slice3, 1)
    chip.run(3500)
    before = chip.load(slice3 + 8)
    chip.start(0, Descriptor(SRAM, slice3 + 0xC, 10, incr_write=False, treq=PWM_WRAP3))
    took = chip.finish(0)
    assert before < 1000
    assert took == pytest.approx(500 + 9 * 1000, abs=20)
    assert chip.load(slice3 + 0xC) == int.from_bytes(bytes(range(36, 40)), "little")


XIP, XIP_AUX, XIP_STREAM = 0x1400_0000, 0x5040_0000, 37


def streaming(words: int) -> DmaChip:
    """The flash chip has a pattern, and a stream of so many words of it has begun at its word 25."""
    chip = DmaChip()
    chip.host.flash[:0x1000] = bytes(i * 7 & 0xFF for i in range(0x1000))
    chip.store(XIP + 0x14, 0x1000_0064)
    chip.store(XIP + 0x18, words)
    return chip


@settings(max_examples=20, deadline=None)
@given(words=st.integers(0, 40), source=st.sampled_from([XIP_AUX, XIP + 0x1C]))
def test_a_stream_from_flash_comes_whole(words: int, source: int) -> None:
    chip = streaming(words)
    chip.start(0, Descriptor(source, SRAM, words, incr_read=False, treq=XIP_STREAM))
    took = chip.finish(0)
    assert chip.sram[: 4 * words].tobytes() == bytes(chip.host.flash[100 : 100 + 4 * words])
    assert took == (words * 60 + 2 if words else 1)
    assert chip.load(XIP + 0x14) == 0x1000_0064 + 4 * words
    assert chip.load(XIP + 0x18) == 0


def test_a_stream_waits_for_room() -> None:
    chip = streaming(5)
    chip.run(10_000)
    assert chip.load(XIP + 8) == 1 | 4  # flushed, FIFO full
    assert chip.load(XIP + 0x18) == 3
    first = [chip.load(XIP_AUX + 4 * i) for i in range(3)]
    assert first[2] == 0
    assert [word.to_bytes(4, "little") for word in first[:2]] == [bytes(chip.host.flash[i : i + 4]) for i in (100, 104)]
    chip.run(60)
    assert chip.load(XIP + 8) == 1
    chip.store(XIP + 0x18, 0)
    assert chip.load(XIP + 0x1C).to_bytes(4, "little") == bytes(chip.host.flash[108:112])
    chip.run(1000)
    assert chip.load(XIP + 8) == 1 | 2  # it was ended: empty


SSI, XIP_SSIRX = 0x1800_0000, 39


def test_frames_of_flash_by_one_address() -> None:
    """As flash_ssi_dma of pico-examples has it: four lines, 32 bits a frame, words most significant byte first."""
    chip = DmaChip()
    chip.host.flash[:0x1000] = bytes(i * 7 & 0xFF for i in range(0x1000))
    for register, value in (
        (0x08, 0), (0x14, 2), (0x00, 2 << 21 | 31 << 16 | 3 << 8), (0xF4, 4 << 11 | 8 << 2), (0x04, 39), (0x4C, 1),
        (0x08, 1), (0x10, 1),
    ):  # fmt: skip
        chip.store(SSI + register, value)
    chip.start(0, Descriptor(SSI + 0x60, SRAM, 40, incr_read=False, treq=XIP_SSIRX, bswap=True))
    begin = chip.host.now
    chip.store(SSI + 0x60, 0x64 << 8 | 0xA0)
    chip.finish(0)
    assert chip.sram[:160].tobytes() == bytes(chip.host.flash[100:260])
    # 8 clocks of address, 4 to wait, 8 a frame, two cycles each; then the last transfer
    assert chip.host.now - begin == (8 + 4 + 40 * 8) * 2 + 2
    assert chip.load(SSI + 0x28) & 1 == 0


def test_it_says_what_it_waited_for() -> None:
    chip = uart()
    chip.start(4, Descriptor(SRAM, UART0, 40, size=0, incr_write=False, treq=UART0_TX))
    chip.finish(4)
    moved = chip.board.movers()
    assert [(each.name, each.transfers, each.read_bytes, each.written_bytes) for each in moved] == [
        ("DMA channel 4", 40, 40, 40)
    ]
    (waited,) = moved[0].waited
    assert waited[0] == "UART0_TX"
    assert waited[1] == pytest.approx(7 * 1600, rel=0.05)
    assert moved[0].last_cycle - moved[0].first_cycle == pytest.approx(waited[1], abs=40 * 4 + 10)


def test_it_says_from_where_to_where_and_who_started_it() -> None:
    chip = uart()
    chip.start(4, Descriptor(FLASH, SRAM, 10, quiet=True))
    chip.finish(4)
    chip.start(4, Descriptor(SRAM, SRAM + 0x1000, 6, quiet=True))
    chip.finish(4)
    (four,) = [moved for moved in chip.board.movers() if moved.name == "DMA channel 4"]
    assert four.ways == (("flash", "SRAM", 40), ("SRAM", "SRAM", 24))
    assert four.started == (("a store", 2),)
    assert four.interrupts == 0
    chip.start(4, Descriptor(SRAM, UART0, 1, size=0, treq=UART0_TX))
    chip.finish(4)
    (four,) = [moved for moved in chip.board.movers() if moved.name == "DMA channel 4"]
    assert four.ways[-1] == ("SRAM", "UART0", 1)
    assert (four.started, four.interrupts) == ((("a store", 3),), 1)


def test_it_says_whose_chain_started_it() -> None:
    chip = uart()
    chip.set_up(5, Descriptor(SRAM, SRAM + 0x1000, 2))
    for _ in range(3):
        chip.start(4, Descriptor(SRAM, SRAM + 0x2000, 1, chain_to=5))
        chip.run(200)
    four, five = chip.board.movers()
    assert five.started == (("the chain of channel 4", 3),)
    assert five.ways == (("SRAM", "SRAM", 24),)
    assert (four.interrupts, five.interrupts) == (3, 3)


def test_a_block_in_reset_and_an_abort() -> None:
    chip = uart()
    chip.start(0, Descriptor(SRAM, UART0, 500, size=0, incr_write=False, treq=UART0_TX))
    chip.run(100)
    chip.store(ABORT, 1)
    chip.run(100_000)
    assert chip.load(INTR) == 0
    chip.start(0, Descriptor(SRAM, UART0, 500, size=0, incr_write=False, treq=UART0_TX))
    chip.store(RESETS + SET, 1 << 2)
    chip.run(1_000_000)
    sent = len(chip.host.sent)
    chip.store(RESETS + CLR, 1 << 2)
    assert chip.load(chip.channel(0, CTRL)) == 0
    chip.run(100_000)
    assert len(chip.host.sent) == sent < 500
