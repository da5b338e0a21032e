"""Devices in Python on the RP2040's I2C and SPI: what goes over the wire, and when."""

from __future__ import annotations

import json
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import firmware_images
import pytest
from dma_chip import SRAM, Descriptor, DmaChip
from hypothesis import given, settings
from hypothesis import strategies as st
from test_devices_rp2040 import CLOCKS, CLR, RESETS

from m0sim import Firmware
from m0sim.chip.attached import Attached, I2cAttached, I2cDevice, SpiAttached, SpiDevice
from m0sim.chip.attachments import i2c_attached, spi_attached
from m0sim.chip.eeproms import I2cEeprom, SpiEeprom, SpiLoopback
from m0sim.errors import UsageError
from m0sim.image import load_raw

I2C0, SPI0, IO_BANK0, SIO_OUT_SET, SIO_OUT_CLR, SIO_OE_SET = 0x4004_4000, 0x4003_C000, 0x4001_4000, 0x14, 0x18, 0x24
CMD, STOP, RESTART = 1 << 8, 1 << 9, 1 << 10
TX_EMPTY, TX_ABRT, STOP_DET = 1 << 4, 1 << 6, 1 << 9
PERIOD = 12 + 1 + 7 + 18 + 1
SELECT = 17


class Log(I2cDevice, SpiDevice):
    """Writes down what it is asked; reads as a count."""

    def __init__(self, acknowledges: int = 1 << 30) -> None:
        self.seen: list[tuple[object, ...]] = []
        self.acknowledges, self.count = acknowledges, 0

    def start(self, reads: bool, seconds: Fraction) -> bool:
        self.seen.append(("start", reads, seconds))
        return True

    def write(self, value: int) -> bool:
        self.seen.append(("write", value))
        self.acknowledges -= 1
        return self.acknowledges >= 0

    def read(self) -> int:
        self.count += 1
        self.seen.append(("read", self.count))
        return self.count

    def stop(self, seconds: Fraction) -> None:
        self.seen.append(("stop", seconds))

    def select(self, seconds: Fraction) -> None:
        self.seen.append(("select",))

    def exchange(self, value: int, bits: int) -> int:
        self.seen.append((value, bits))
        return value ^ 0xFF

    def deselect(self, seconds: Fraction) -> None:
        self.seen.append(("deselect",))


def attach(chip: DmaChip, attached: Attached) -> None:
    assert chip.board.attach is not None
    chip.board.attach(attached)


def i2c(device: I2cDevice, address: int = 0x50, *, pins: bool = True) -> DmaChip:
    """As i2c_init and i2c_write_blocking of pico-sdk set it up."""
    chip = DmaChip()
    attach(chip, I2cAttached(0, address, device))
    chip.start_xosc()
    chip.store(RESETS + CLR, 1 << 3 | 1 << 5 | 1 << 8)
    for pin in (4, 5) if pins else ():
        chip.store(IO_BANK0 + 8 * pin + 4, 3)
    chip.store(I2C0, 0x65 | 1 << 8)
    for register, value in ((0x1C, 12), (0x20, 18), (0xA0, 1), (0x38, 0), (0x3C, 0), (0x88, 3)):
        chip.store(I2C0 + register, value)
    chip.store(I2C0 + 4, address)
    chip.store(I2C0 + 0x6C, 1)
    return chip


def wait(chip: DmaChip, bits: int) -> int:
    begin = chip.host.now
    while not chip.load(I2C0 + 0x34) & bits:
        chip.run(1)
        assert chip.host.now - begin < 100_000
    return chip.host.now - begin


def send(chip: DmaChip, data: bytes, *, stop: bool = True, restart: bool = False) -> int:
    """i2c_write_blocking: the bytes that were acknowledged."""
    for i, byte in enumerate(data):
        last = i == len(data) - 1
        chip.store(I2C0 + 0x10, byte | (STOP if last and stop else 0) | (RESTART if restart and i == 0 else 0))
        wait(chip, TX_EMPTY)
        if chip.load(I2C0 + 0x80):
            chip.load(I2C0 + 0x54)
            wait(chip, STOP_DET)
            chip.load(I2C0 + 0x60)
            return i
    if stop:
        wait(chip, STOP_DET)
        chip.load(I2C0 + 0x60)
    return len(data)


def receive(chip: DmaChip, count: int, *, restart: bool = False) -> bytes:
    """i2c_read_blocking."""
    got = bytearray()
    for i in range(count):
        last = i == count - 1
        chip.store(I2C0 + 0x10, CMD | (STOP if last else 0) | (RESTART if restart and i == 0 else 0))
        while not chip.load(I2C0 + 0x78):
            chip.run(1)
        got.append(chip.load(I2C0 + 0x10))
    return bytes(got)


class TestI2c:
    def test_what_goes_over_the_wire(self) -> None:
        device = Log()
        chip = i2c(device)
        begin = chip.board.clock.seconds()
        assert send(chip, b"\x12\x34", stop=False) == 2
        assert receive(chip, 3, restart=True) == b"\x01\x02\x03"
        wait(chip, STOP_DET)
        bit = Fraction(PERIOD, 12_000_000)
        assert device.seen == [
            ("start", False, begin + 10 * bit), ("write", 0x12), ("write", 0x34),
            ("start", True, begin + 38 * bit), ("read", 1), ("read", 2), ("read", 3), ("stop", begin + 66 * bit),
        ]  # fmt: skip

    @pytest.mark.parametrize("restart", [False, True])
    def test_another_direction_begins_anew(self, restart: bool) -> None:
        """With or without RESTART in the command: section 4.3.17, IC_DATA_CMD."""
        device = Log()
        chip = i2c(device)
        begin, bit = chip.board.clock.seconds(), Fraction(PERIOD, 12_000_000)
        for command in (7, CMD | (RESTART if restart else 0), CMD | STOP):
            chip.store(I2C0 + 0x10, command)
        wait(chip, STOP_DET)
        assert device.seen == [
            ("start", False, begin + 10 * bit), ("write", 7), ("start", True, begin + 29 * bit),
            ("read", 1), ("read", 2), ("stop", begin + 48 * bit),
        ]  # fmt: skip
        assert chip.load(I2C0 + 0x34) & 1 << 12  # RESTART_DET

    def test_where_no_restart_is_allowed_there_is_a_stop_and_a_start(self) -> None:
        """IC_CON.IC_RESTART_EN is 0: a stop takes a bit, a start and an address ten."""
        device = Log()
        chip = i2c(device)
        chip.store(I2C0 + 0x6C, 0)
        chip.store(I2C0, 0x45 | 1 << 8)
        chip.store(I2C0 + 0x6C, 1)
        begin, bit = chip.board.clock.seconds(), Fraction(PERIOD, 12_000_000)
        for command in (7, CMD, CMD | RESTART | STOP):
            chip.store(I2C0 + 0x10, command)
        chip.run(70 * PERIOD)
        assert device.seen == [
            ("start", False, begin + 10 * bit), ("write", 7), ("stop", begin + 20 * bit),
            ("start", True, begin + 30 * bit), ("read", 1), ("stop", begin + 40 * bit),
            ("start", True, begin + 50 * bit), ("read", 2), ("stop", begin + 60 * bit),
        ]  # fmt: skip
        assert not chip.load(I2C0 + 0x34) & 1 << 12

    def test_times(self) -> None:
        """A start and an address are ten bits, a byte nine, a stop one."""
        chip = i2c(Log())
        chip.store(I2C0 + 0x10, 7 | STOP)
        assert wait(chip, TX_EMPTY) == 19 * PERIOD
        assert wait(chip, STOP_DET) == PERIOD
        assert chip.load(I2C0 + 0x70) & 0x21 == 0

    def test_fifos(self) -> None:
        chip = i2c(Log())
        for _ in range(20):
            chip.store(I2C0 + 0x10, CMD)
        assert chip.load(I2C0 + 0x34) & 8  # TX_OVER
        assert chip.load(I2C0 + 0x74) == 16
        chip.run(PERIOD * (10 + 9 * 16))
        assert chip.load(I2C0 + 0x78) == 16
        assert chip.load(I2C0 + 0x70) & 0x1C == 0x1C  # RFF, RFNE, TFE
        assert [chip.load(I2C0 + 0x10) & 0xFF for _ in range(17)] == [*range(1, 17), 0]
        assert chip.load(I2C0 + 0x34) & 1  # RX_UNDER

    def test_a_byte_that_is_not_acknowledged(self) -> None:
        device = Log(acknowledges=1)
        chip = i2c(device)
        for byte in range(4):
            chip.store(I2C0 + 0x10, byte)
        wait(chip, TX_ABRT)
        assert chip.load(I2C0 + 0x80) == 8 | 2 << 23  # ABRT_TXDATA_NOACK, two commands flushed
        chip.store(I2C0 + 0x10, 9)  # lost until the abort is cleared
        wait(chip, STOP_DET)
        chip.load(I2C0 + 0x54)
        chip.load(I2C0 + 0x60)
        assert send(chip, b"\x05") == 0
        assert [each for each in device.seen if each[0] == "write"] == [("write", 0), ("write", 1), ("write", 5)]

    @pytest.mark.parametrize(("address", "pins"), [(0x51, True), (0x50, False)])
    def test_nobody_there(self, address: int, pins: bool) -> None:
        chip = i2c(Log(), pins=pins)
        chip.store(I2C0 + 0x6C, 0)
        chip.store(I2C0 + 4, address)
        chip.store(I2C0 + 0x6C, 1)
        assert send(chip, b"\x05") == 0
        assert any("nobody answers" in note.what for note in chip.board.bus.notes.values()) is not pins

    def test_interrupts(self) -> None:
        chip = i2c(Log())
        chip.store(I2C0 + 0x30, 4)  # RX_FULL
        chip.store(I2C0 + 0x10, CMD | STOP)
        chip.run(19 * PERIOD - 1)
        assert not chip.host.lines[23]
        chip.run(1)
        assert chip.host.lines[23]
        chip.load(I2C0 + 0x10)
        assert not chip.host.lines[23]

    def test_by_dma(self) -> None:
        """A channel sends commands, one takes what comes: nothing is lost."""
        chip = i2c(Log())
        commands = [CMD] * 39 + [CMD | STOP]
        chip.sram[:80] = list(b"".join(command.to_bytes(2, "little") for command in commands))
        chip.set_up(0, Descriptor(SRAM, I2C0 + 0x10, 40, size=1, incr_write=False, treq=32))
        chip.set_up(1, Descriptor(I2C0 + 0x10, SRAM + 0x100, 40, size=0, incr_read=False, treq=33))
        chip.store(0x5000_0430, 3)
        chip.finish(0, 1)
        assert chip.sram[0x100 : 0x100 + 40].tolist() == list(range(1, 41))


class TestI2cEeprom:
    @settings(max_examples=20, deadline=None)
    @given(st.lists(st.tuples(st.integers(0, 250), st.binary(min_size=1, max_size=12)), max_size=4))
    def test_pages(self, writes: list[tuple[int, bytes]]) -> None:
        """A write goes round in its page of eight: what is read then."""
        eeprom, expected = I2cEeprom("24c02"), bytearray(b"\xff" * 256)
        chip = i2c(eeprom)
        for address, data in writes:
            for i, byte in enumerate(data):
                expected[address // 8 * 8 + (address + i) % 8] = byte
            assert send(chip, bytes([address]) + data) == 1 + len(data)
            chip.run(60_001)
        assert bytes(eeprom.data) == bytes(expected)
        send(chip, b"\xfe", stop=False)
        assert receive(chip, 4, restart=True) == bytes([*expected[254:], *expected[:2]])

    def test_busy_for_five_milliseconds(self) -> None:
        chip = i2c(I2cEeprom("24c32", b"hello"))
        send(chip, b"\x00\x01E")
        begin = chip.host.now
        while send(chip, b"\x00\x00", stop=False) == 0:
            assert chip.host.now - begin < 100_000
        assert chip.host.now - begin == pytest.approx(60_000, abs=40 * PERIOD)
        assert receive(chip, 5, restart=True) == b"hEllo"

    def test_no_stop_no_write(self) -> None:
        eeprom = I2cEeprom("24c02")
        chip = i2c(eeprom)
        send(chip, b"\x00A", stop=False)
        receive(chip, 1, restart=True)
        assert eeprom.data[0] == 0xFF
        send(chip, b"\x00B", stop=False)
        assert receive(chip, 1) == b"\xff"  # another direction, and no RESTART asked for: that is one all the same
        assert send(chip, b"\x01", stop=False) == 1  # nothing is being written: it acknowledges
        assert set(eeprom.data) == {0xFF}


def spi(device: SpiDevice, select: int | None = SELECT, mode: int = 0, bits: int = 8) -> DmaChip:
    chip = DmaChip()
    attach(chip, SpiAttached(0, device, select))
    chip.start_xosc()
    chip.store(CLOCKS + 0x48, 1 << 11)
    chip.store(RESETS + CLR, 1 << 16 | 1 << 5 | 1 << 8)
    chip.store(IO_BANK0 + 8 * SELECT + 4, 5)
    chip.host.store_sio(chip.board.bus, SIO_OUT_SET, 1 << SELECT)
    chip.host.store_sio(chip.board.bus, SIO_OE_SET, 1 << SELECT)
    chip.store(SPI0 + 0x10, 4)
    chip.store(SPI0, bits - 1 | mode << 6)
    chip.store(SPI0 + 4, 2)
    return chip


def exchange(chip: DmaChip, data: bytes, *, selects: bool = True) -> bytes:
    """spi_write_read_blocking, with the chip select around it."""
    got = bytearray()
    if selects:
        chip.host.store_sio(chip.board.bus, SIO_OUT_CLR, 1 << SELECT)
    for byte in data:
        chip.store(SPI0 + 8, byte)
        while not chip.load(SPI0 + 0xC) & 4:
            chip.run(1)
        got.append(chip.load(SPI0 + 8))
    if selects:
        chip.host.store_sio(chip.board.bus, SIO_OUT_SET, 1 << SELECT)
    return bytes(got)


class TestSpi:
    def test_what_goes_over_the_wire(self) -> None:
        device = Log()
        chip = spi(device)
        assert exchange(chip, b"\x01\x02") == b"\xfe\xfd"
        assert exchange(chip, b"\x03", selects=False) == b"\x00"
        assert exchange(chip, b"\x04") == b"\xfb"
        assert device.seen == [
            ("select",), (1, 8), (2, 8), ("deselect",), ("select",), (4, 8), ("deselect",),
        ]  # fmt: skip

    def test_a_select_that_is_low_before_the_last_frame_has_ended(self) -> None:
        """A driver that does not wait: the frame under way is cut off from its device only when it has begun."""
        device = Log()
        chip = spi(device)
        chip.host.store_sio(chip.board.bus, SIO_OUT_CLR, 1 << SELECT)
        chip.store(SPI0 + 8, 1)
        chip.run(33)
        chip.host.store_sio(chip.board.bus, SIO_OUT_SET, 1 << SELECT)
        assert device.seen == [("select",), (1, 8), ("deselect",)]

    @pytest.mark.parametrize(("mode", "selects"), [(0, 3), (2, 1)])
    def test_its_own_chip_select(self, mode: int, selects: int) -> None:
        """Section 4.4.3.9 and on: with SPH 0 it goes high between frames, with SPH 1 it stays low."""
        device = Log()
        chip = spi(device, mode=mode)
        chip.store(IO_BANK0 + 8 * SELECT + 4, 1)
        for byte in range(3):
            chip.store(SPI0 + 8, byte)
        chip.run(3 * 32 + 1)
        chip.load(SPI0 + 0xC)
        assert device.seen.count(("select",)) == device.seen.count(("deselect",)) == selects

    def test_a_wire(self) -> None:
        chip = spi(SpiLoopback(), None, bits=12)
        for value in (0xABC, 0xFFFF):
            chip.store(SPI0 + 8, value)
        chip.run(100)
        assert [chip.load(SPI0 + 8), chip.load(SPI0 + 8)] == [0xABC, 0xFFF]


class TestSpiEeprom:
    def test_it_is_written_and_read(self) -> None:
        eeprom = SpiEeprom(content=b"0123")
        chip = spi(eeprom)
        assert exchange(chip, b"\x03\x00\x01\0\0\0") == b"\xff\xff\xff12" + b"3"
        exchange(chip, b"\x02\x00\x00X")
        assert eeprom.data[:2] == b"01"  # not without WREN
        exchange(chip, b"\x06")
        assert exchange(chip, b"\x05\0")[1] == 2
        exchange(chip, b"\x02\x00\x3eab" + b"c")  # round in its page of 64
        assert exchange(chip, b"\x05\0")[1] & 1
        assert exchange(chip, b"\x03\x00\x00\0")[3] == 0xFF  # busy
        chip.run(60_000)
        assert exchange(chip, b"\x05\0")[1] == 0
        assert exchange(chip, b"\x03\x00\x3e\0\0\0")[3:] == b"ab\xff"
        assert exchange(chip, b"\x03\x00\x00\0")[3:] == b"c"


class TestAttaching:
    @pytest.mark.parametrize(
        ("attached", "says"),
        [
            (I2cAttached(2, 0x50, Log()), "there is no I2C2"),
            (SpiAttached(2, Log()), "there is no SPI2"),
            (I2cAttached(0, 0x400, Log()), "I2C address 0x400"),
            (SpiAttached(0, Log(), 30), "there is no pin 30"),
        ],
    )
    def test_what_cannot_be(self, attached: Attached, says: str) -> None:
        with pytest.raises(UsageError, match=says):
            attach(DmaChip(), attached)

    def test_two_at_one_address(self) -> None:
        chip = DmaChip()
        attach(chip, I2cAttached(0, 0x50, Log()))
        attach(chip, I2cAttached(1, 0x50, Log()))
        with pytest.raises(UsageError, match="two devices at address 0x50"):
            attach(chip, I2cAttached(0, 0x50, Log()))

    def test_by_name(self) -> None:
        made = i2c_attached("1=24c02:0x27")
        assert (made.bus, made.address) == (1, 0x27)
        wire, eeprom = spi_attached("0=loopback"), spi_attached("1=25C256:9")
        assert (wire.bus, wire.select, eeprom.bus, eeprom.select) == (0, None, 1, 9)

    @pytest.mark.parametrize("text", ["", "0", "x=24c02:1", "0=24c02", "0=24c02:y", "0=25c256:17", "0=24c03:0x50"])
    def test_words_for_i2c_that_mean_nothing(self, text: str) -> None:
        with pytest.raises(UsageError):
            i2c_attached(text)

    @pytest.mark.parametrize("text", ["0=24c02:1", "0=25c256", "0=loop", "0=loopback,/dev/null/x", "=loopback"])
    def test_words_for_spi_that_mean_nothing(self, text: str) -> None:
        with pytest.raises(UsageError):
            spi_attached(text)

    def test_too_long_a_content(self) -> None:
        with pytest.raises(UsageError, match="24c02 has 256 bytes"):
            I2cEeprom("24c02", bytes(257))


@pytest.fixture(scope="module")
def elf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return firmware_images.build("eeproms", tmp_path_factory.mktemp("attached"))


class TestFirmware:
    def test_eeproms(self, elf: Path) -> None:
        first, second = I2cEeprom("24c64"), SpiEeprom(content=b"stored")
        done = Firmware.from_elf(elf).run(
            seconds=1, attached=[I2cAttached(0, 0x50, first), SpiAttached(0, second, SELECT)]
        )
        read, busy, stored = done.output.splitlines()
        assert (read, stored, done.exit.reason) == ("Hello", "stored", "exit")
        assert bytes(first.data[0x20:0x25]) == b"Hello"
        assert 4900 < int(busy) < 5100

    def test_by_command(self, elf: Path, tmp_path: Path) -> None:
        content = tmp_path / "content.bin"
        content.write_bytes(b"a file")
        command = [sys.executable, "-m", "m0sim", "run", str(elf)]
        given = ["--i2c", "0=24c32:0x50", "--spi", f"0=25c256:17,{content}", "--json"]
        done = subprocess.run([*command, *given], capture_output=True, text=True, timeout=60)
        assert json.loads(done.stdout)["output"].splitlines()[::2] == ["Hello", "a file"]
        refused = subprocess.run([*command, "--i2c", "0=24c3:0x50"], capture_output=True, text=True, timeout=60)
        assert (refused.returncode, "24c32" in refused.stderr) == (2, True)

    def test_another_part(self) -> None:
        image = load_raw(bytes.fromhex("0020002009000008") + b"\xfe\xe7" * 8, 0x0800_0000)
        with pytest.raises(UsageError, match="no I2C and no SPI"):
            Firmware(image, "stm32g0").run(seconds=1, attached=[I2cAttached(0, 0x50, Log())])
