"""The RP2040's flash interface and the chip behind it, asked as the SDK's flash functions ask."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_devices_rp2040 import CLR, RESETS, Chip

SSI, XIP, IO_QSPI = 0x1800_0000, 0x1400_0000, 0x4001_8000
CTRLR0, SSIENR, SER, BAUDR, TXFLR, RXFLR, SR, DR0 = 0x00, 0x08, 0x10, 0x14, 0x20, 0x24, 0x28, 0x60
BUSY, TFNF, TFE, RFNE = 1, 2, 4, 8
FRAME = 8 * 4


def chip() -> Chip:
    """The interface in standard SPI, 8 bits a frame, a clock divided by 4."""
    made = Chip()
    made.store(RESETS + CLR, 1 << 6)
    made.store(SSI + SSIENR, 0)
    made.store(SSI + BAUDR, 4)
    made.store(SSI + CTRLR0, 7 << 16)
    made.store(SSI + SER, 1)
    made.store(SSI + SSIENR, 1)
    return made


def command(made: Chip, sent: bytes) -> bytes:
    """Force the select line low, and exchange byte for byte, at most 16 under way."""
    made.store(IO_QSPI + 0x0C, 2 << 8)
    received = bytearray()
    left = list(sent)
    polls = 0
    while len(received) < len(sent):
        polls += 1
        assert polls < 100_000
        status = made.load(SSI + SR)
        if left and status & TFNF and len(sent) - len(left) - len(received) < 14:
            made.store(SSI + DR0, left.pop(0), 1)
        if status & RFNE:
            received.append(made.load(SSI + DR0) & 0xFF)
        made.run(4)
    made.store(IO_QSPI + 0x0C, 3 << 8)
    made.store(IO_QSPI + 0x0C, 0)
    return bytes(received)


def wait(made: Chip) -> Fraction:
    """Poll the chip until it is not busy; the time that took."""
    begin = made.board.clock.seconds(made.host.now)
    while command(made, b"\x05\x00")[1] & 1:
        made.run(2_000)
    return made.board.clock.seconds(made.host.now) - begin


def test_identity() -> None:
    made = chip()
    assert command(made, b"\x9f\x00\x00\x00")[1:] == b"\xef\x40\x15"  # 2 MiB
    unique = command(made, b"\x4b" + bytes(12))[5:]
    assert len(set(unique)) > 1
    assert unique == command(made, b"\x4b" + bytes(12))[5:]
    assert command(made, b"\x90" + bytes(5))[4:] == b"\xef\x14"


def test_a_frame_takes_its_bits() -> None:
    made = chip()
    begin = made.host.now
    for _ in range(3):
        made.store(SSI + DR0, 0x9F)
    assert made.load(SSI + TXFLR) == 2
    made.run(FRAME - 1)
    assert made.load(SSI + RXFLR) == 0
    made.run(1)
    assert made.load(SSI + RXFLR) == 1
    while made.load(SSI + SR) & BUSY:
        made.run(1)
    assert made.host.now - begin == 3 * FRAME
    assert made.load(SSI + SR) & TFE
    assert [made.load(SSI + DR0) for _ in range(3)] == [0xFF, 0xEF, 0x40]


@pytest.mark.parametrize(("code", "size", "milliseconds"), [(0x20, 4096, 45), (0x52, 32768, 120), (0xD8, 65536, 150)])
def test_erasing(code: int, size: int, milliseconds: int) -> None:
    made = chip()
    made.host.flash[:] = bytes(len(made.host.flash))
    address = 0x2_1234
    erase = bytes((code,)) + address.to_bytes(3, "big")
    command(made, erase)
    assert not any(made.host.flash)  # without write enable, nothing
    command(made, b"\x06")
    assert command(made, b"\x05\x00")[1] == 2
    command(made, erase)
    assert command(made, b"\x05\x00")[1] & 1
    taken = wait(made)
    assert milliseconds <= taken * 1000 < milliseconds + 2
    first = address & -size
    assert made.host.flash[first : first + size] == b"\xff" * size
    assert made.host.flash.count(0xFF) == size
    assert command(made, b"\x05\x00")[1] == 0  # and the enable is used up
    assert made.host.flushed == 1  # the reset's: erasing flushes no cache


@given(st.integers(0, 0x1FFF), st.binary(min_size=1, max_size=300), st.binary(min_size=256, max_size=256))
@settings(max_examples=30, deadline=None)
def test_programming(address: int, data: bytes, before: bytes) -> None:
    """It clears bits, of the last 256 bytes, and wraps inside the page."""
    made = chip()
    page = address & -256
    made.host.flash[page : page + 256] = before
    expected = list(before)
    last = {}
    for i, byte in enumerate(data):
        last[(address + i) & 0xFF] = byte
    for at, byte in last.items():
        expected[at] = before[at] & byte
    command(made, b"\x06")
    command(made, b"\x02" + address.to_bytes(3, "big") + data)
    command(made, b"\x06")  # ignored, it is busy
    assert 350 < wait(made) * 1_000_000 < 1_000
    assert list(made.host.flash[page : page + 256]) == expected
    assert command(made, b"\x03" + page.to_bytes(3, "big") + bytes(256))[4:] == bytes(expected)
    assert command(made, b"\x0b" + page.to_bytes(3, "big") + bytes(257))[5:] == bytes(expected)


def test_flushing_the_cache() -> None:
    made = chip()
    flushed = made.host.flushed
    made.store(XIP + 4, 1)
    assert made.host.flushed == flushed + 1
    stalled = made.host.stalled
    made.run(24)
    made.load(XIP + 4)
    assert made.host.stalled - stalled == 1000
    made.run(999)
    assert made.load(XIP + 8) & 1 == 0
    made.run(1)
    assert made.load(XIP + 8) & 1
    made.store(XIP + CLR, 1)
    assert not made.host.cache_enabled
    made.host.cache_counts = (5, 9)
    assert (made.load(XIP + 0x0C), made.load(XIP + 0x10)) == (5, 9)
    made.store(XIP + 0x10, 1)
    made.host.cache_counts = (6, 11)
    assert (made.load(XIP + 0x0C), made.load(XIP + 0x10)) == (6, 2)
