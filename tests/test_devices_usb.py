"""USB: a device on the controller's registers and the host that it is plugged into."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import islice
from pathlib import Path

import firmware_images
import pytest
from dma_chip import DmaChip
from hypothesis import given, settings
from hypothesis import strategies as st
from test_devices_rp2040 import CLR, RESETS

from m0sim import Firmware, toolchain
from m0sim.chip.devices.rp2040.usb_memory import UsbMemory
from m0sim.chip.devices.usb_host import Handshake, Reply, UsbHost, _port_in
from m0sim.chip.run_cost import RunCost

_LETTERS = bytes(b"\n"[0] if i % 64 == 63 else b"a"[0] + i % 26 for i in range(128))
"""What the program sends first: tests/firmware/run/usb_serial.c."""


@pytest.fixture(scope="module")
def serial(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return firmware_images.build("usb_serial", tmp_path_factory.mktemp("usb"))


def _run(elf: Path, sent: bytes) -> RunCost:
    return Firmware.from_elf(elf).run(seconds=1, stdin=sent)


class TestSerialPort:
    @pytest.mark.parametrize("size", [0, 1, 62, 63, 64, 127, 300])
    def test_what_is_sent_comes_back(self, serial: Path, size: int) -> None:
        """In packets of 64 bytes and less, an empty rest among them; first 128 letters by a pair of buffers."""
        sent = bytes(b"abcdefg"[i % 7] for i in range(size)) + b"."
        done = _run(serial, sent)
        assert (done.exit.reason, done.exit.code) == ("exit", 0)
        assert [(printed.source, printed.data) for printed in done.printed] == [("USB", _LETTERS + sent.upper())]

    def test_the_host_takes_its_time(self, serial: Path) -> None:
        """100 ms until the device is looked at, 10 of reset and 10 after it: USB 2.0, 7.1.7.3 and 7.1.7.5."""
        done = _run(serial, b".")
        assert done.first_output_cycle is not None
        assert 0.120 < done.first_output_cycle / 125e6 < 0.150

    def test_two_runs_are_the_same(self, serial: Path) -> None:
        first, second = _run(serial, b"twice."), _run(serial, b"twice.")
        assert first.cycles == second.cycles
        assert first.cost.executed == second.cost.executed

    def test_nothing_of_it_is_unmodelled(self, serial: Path) -> None:
        assert _run(serial, b".").unmodelled == ()

    def test_no_host_hears_a_wrong_clock(self, tmp_path: Path) -> None:
        """Section 4.1.1: clk_usb is 48 MHz. The report says why nothing comes."""
        made, folder = tmp_path / "slow.elf", firmware_images.FOLDER
        flags = ("-Os", f"-I{folder}", "-DNO_USB_CLOCK")
        sources = [folder / "start.S", folder / "usb_serial.c"]
        toolchain.find("zig").build(sources, made, flags=flags, linker_script=folder / "rp2040.ld")
        made.write_bytes(firmware_images._with_checksum(made.read_bytes()))
        done = Firmware.from_elf(made).run(seconds=0.2)
        assert done.printed == ()
        assert any("clk_usb at 0 Hz" in use.register for use in done.unmodelled)

    def test_a_clock_that_stops_unplugs_it(self, serial: Path) -> None:
        done = _run(serial, b"heard!")
        assert done.exit.reason == "time"
        assert [printed.data for printed in done.printed] == [_LETTERS]
        (use,) = done.unmodelled
        assert ("clk_usb at 0 Hz" in use.register, use.stores) == (True, 1)

    def test_after_a_reset_it_is_plugged_in_again(self, serial: Path) -> None:
        """Once: nothing is said of a clock that the reset has stopped."""
        done = Firmware.from_elf(serial).run(seconds=1, stdin=b"once.", resets=[0.05])
        assert done.first_output_cycle is not None
        assert (done.exit.code, done.unmodelled) == (0, ())
        again = Firmware.from_elf(serial).run(seconds=0.5, resets=[0.25])
        assert ([printed.data for printed in again.printed], again.unmodelled) == ([_LETTERS + _LETTERS], ())


def test_the_first_uart_has_the_input_until_a_port_is_open(tmp_path: Path) -> None:
    done = Firmware.from_elf(firmware_images.build("echo", tmp_path)).run(stdin=b"no usb here.", seconds=1)
    assert done.output == "ready\nNO USB HERE."


def test_zeros_in_registers_that_are_zero_are_nothing_to_tell() -> None:
    """TinyUSB cleared the whole block, registers of a host's among them; what is no zero is told, and its end."""
    chip, first, second = DmaChip(), 0x5011_0004, 0x5011_0008  # ADDR_ENDP1 and 2
    chip.store(RESETS + CLR, 1 << 24)
    chip.store(first, 0)
    assert chip.board.bus.notes == {}
    for value in (5, 0):
        chip.store(second, value)
    (note,) = chip.board.bus.notes.values()
    assert (note.offset, note.stores) == (8, 2)


def test_input_goes_where_it_is_said_to(tmp_path: Path) -> None:
    """A UART that nobody reads takes 32 bytes: RP2040 datasheet, 4.2.2.4."""
    made, sent = firmware_images.build("usb_serial", tmp_path, defines=("LISTENS",)), bytes(range(48, 122)) + b"."
    for port, lost in ((None, 32), ("usb", 0)):
        done = Firmware.from_elf(made).run(seconds=1, stdin=sent, stdin_to=port)
        assert done.exit.code == 0
        assert done.printed[0].data == _LETTERS + sent[lost:].upper()
    elsewhere = Firmware.from_elf(made).run(seconds=0.2, stdin=sent, stdin_to="UART1")
    assert elsewhere.printed[0].data == _LETTERS


@given(st.integers(0, 0xFFF), st.integers(0, 0xFFFF_FFFF), st.sampled_from([1, 2, 4]))
def test_memory_takes_any_size(offset: int, value: int, size: int) -> None:
    offset -= offset % size
    memory, expected = UsbMemory(), bytearray(0x1000)
    expected[offset : offset + size] = (value & (1 << 8 * size) - 1).to_bytes(size, "little")
    if size == 4:
        memory.store(offset, value)
    else:
        memory.store_narrow(offset, value, size)
    assert memory.data == expected
    assert memory.load(offset & ~3) == int.from_bytes(expected[offset & ~3 :][:4], "little")


@given(st.binary(max_size=200))
def test_any_configuration_is_read_to_an_end(configuration: bytes) -> None:
    port = _port_in(configuration)
    assert port is None or (port.bulk_in < 16 and port.bulk_out < 16)


class Odd:
    """A device that answers what somebody says."""

    def __init__(self, draw: Callable[[], Reply]) -> None:
        self._draw = draw
        self.address = 0
        self.gave_up: list[str] = []
        self.frames: list[int] = []
        self.shown = b""

    def connect(self) -> None:
        pass

    def bus_reset(self) -> None:
        self.address = 0

    def frame(self, number: int) -> None:
        self.frames.append(number)

    def setup(self, packet: bytes) -> None:
        assert len(packet) == 8
        if packet[1] == 5:
            self.address = packet[2]

    def send(self, endpoint: int) -> Reply:
        assert 0 <= endpoint < 16
        return self._draw()

    def receive(self, endpoint: int, data: bytes, toggle: int) -> Handshake:
        assert len(data) <= 64
        return self._draw().handshake

    def show(self, data: bytes) -> None:
        self.shown += data

    def give_up(self, why: str) -> None:
        self.gave_up.append(why)


_ANSWERS = st.one_of(
    st.builds(Reply, st.sampled_from(Handshake), st.binary(max_size=64), st.integers(0, 1)),
    st.builds(Reply, st.just(Handshake.ACK), st.binary(min_size=9, max_size=64), st.just(1)),
)


@settings(max_examples=60)
@given(st.lists(_ANSWERS, min_size=1, max_size=30))
def test_no_device_breaks_the_host(answers: list[Reply]) -> None:
    """Whatever it answers, frames go on, a millisecond each, and the host gives up at most once."""
    turn = iter(range(1 << 30))
    device = Odd(lambda: answers[next(turn) % len(answers)])
    waits = list(islice(UsbHost().life(device), 6_000))
    assert len(waits) == 6_000
    assert all(0 <= wait <= Fraction(1, 10) for wait in waits)
    assert device.frames == list(range(1, len(device.frames) + 1))
    assert len(device.gave_up) <= 1


def test_a_device_that_never_answers_is_given_up() -> None:
    device = Odd(lambda: Reply(Handshake.NONE))
    for _ in islice(UsbHost().life(device), 20_000):
        if device.gave_up:
            break
    assert "nothing to send in 5 s" in device.gave_up[0]


def test_packets_of_another_size_are_refused() -> None:
    """What the host would get wrong, it does not begin: bMaxPacketSize0 is 8 (USB 2.0, table 9-8)."""
    device = Odd(lambda: Reply(Handshake.ACK, bytes((18, 1, 0, 2, 0, 0, 0, 8)), 1))
    list(islice(UsbHost().life(device), 200))
    assert device.gave_up == ["the host gave up: endpoint 0 has packets of 8 bytes: this host knows those of 64 only"]


def test_packets_are_as_long_as_an_endpoint_says() -> None:
    """A serial port whose endpoint takes 16 bytes."""
    interfaces = bytes((9, 4, 0, 0, 1, 2, 2, 0, 0, 9, 4, 1, 0, 2, 10, 0, 0, 0))
    port = _port_in(interfaces + bytes((7, 5, 0x02, 2, 16, 0, 0, 7, 5, 0x83, 2, 64, 0, 0)))
    assert port is not None
    assert (port.interface, port.bulk_in, port.bulk_out, port.out_bytes) == (0, 3, 2, 16)
