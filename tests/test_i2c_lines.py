"""I2C by hand: a master that drives SDA and SCL edge by edge, and what devices on the lines are asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import pytest
from dma_chip import DmaChip
from hypothesis import given, settings
from hypothesis import strategies as st
from test_attached import I2C0, IO_BANK0, Log, attach, i2c, receive, send
from test_devices_rp2040 import CLR, RESETS

from m0sim.chip.attached import I2cAttached
from m0sim.chip.attachments import i2c_attached
from m0sim.chip.devices.i2c_lines import I2cLines
from m0sim.chip.eeproms import I2cEeprom
from m0sim.errors import UsageError

SIO_OE_SET, SIO_OE_CLR = 0x24, 0x28
SDA, SCL = 4, 5
WRITE_ONLY = 0x7F
ADDRESSES = (0x10, 0x50, WRITE_ONLY)


class WriteOnly(Log):
    """Does not acknowledge its address to be read."""

    def start(self, reads: bool, seconds: Fraction) -> bool:
        return super().start(reads, seconds) and not reads


class Master:
    """Open drain, as UM10204 draws it: figures 4 to 6."""

    def __init__(self, set_sda: Callable[[int], None], set_scl: Callable[[int], None], sda: Callable[[], int]) -> None:
        self.set_sda, self.set_scl, self.sda = set_sda, set_scl, sda

    def start(self) -> None:
        self.set_sda(1)
        self.set_scl(1)
        self.set_sda(0)
        self.set_scl(0)

    def stop(self) -> None:
        self.set_sda(0)
        self.set_scl(1)
        self.set_sda(1)

    def bit(self, value: int) -> int:
        self.set_sda(value)
        self.set_scl(1)
        seen = self.sda()
        self.set_scl(0)
        return seen

    def send(self, byte: int) -> bool:
        """Whether somebody acknowledges it."""
        for i in range(7, -1, -1):
            self.bit(byte >> i & 1)
        return not self.bit(1)

    def receive(self, *, goes_on: bool) -> int:
        byte = 0
        for _ in range(8):
            byte = byte << 1 | self.bit(1)
        self.bit(not goes_on)
        return byte


def alone(devices: dict[int, Log]) -> Master:
    """On lines of which nobody else knows."""
    drives, held = {"sda": 1, "scl": 1}, [False]

    def hold(is_low: bool) -> None:
        held[0] = is_low
        changed()

    lines = I2cLines(devices.get, hold)

    def level() -> int:
        return drives["sda"] & (not held[0])

    def changed() -> None:
        lines.change(level(), drives["scl"], Fraction(0))

    def set_line(name: str, value: int) -> None:
        drives[name] = value
        changed()

    return Master(lambda value: set_line("sda", value), lambda value: set_line("scl", value), level)


def on_pins(chip: DmaChip) -> Master:
    """By GPIO_OE of the I/O port, on pins 4 and 5."""

    def drive(pin: int, value: int) -> None:
        chip.host.store_sio(chip.board.bus, SIO_OE_CLR if value else SIO_OE_SET, 1 << pin)
        chip.run(10)

    chip.store(RESETS + CLR, 1 << 5 | 1 << 8)
    for pin in (SDA, SCL):
        chip.store(IO_BANK0 + 8 * pin + 4, 5)
    return Master(
        lambda value: drive(SDA, value),
        lambda value: drive(SCL, value),
        lambda: chip.host.pins.level >> SDA & 1,
    )


@dataclass(frozen=True)
class Asked:
    """From a start on: what a master does. `count` bytes are read, where `data` is None."""

    address: int
    data: bytes | None
    count: int
    stops: bool


def do(master: Master, asked: Asked) -> tuple[int, bytes]:
    """Bytes that were acknowledged, the address among them, and those that were read."""
    taken, read = 0, bytearray()
    master.start()
    if master.send(asked.address << 1 | (asked.data is None)):
        taken = 1
        for byte in asked.data or b"":
            if not master.send(byte):
                break
            taken += 1
        if asked.data is None:
            for i in range(asked.count):
                read.append(master.receive(goes_on=i + 1 < asked.count))
    if asked.stops:
        master.stop()
    return taken, bytes(read)


class Model:
    """What devices are asked, and answer, worked out from the transfers alone."""

    def __init__(self, room: dict[int, int]) -> None:
        self.room, self.count = dict(room), dict.fromkeys(room, 0)
        self.events: dict[int, list[tuple[object, ...]]] = {address: [] for address in room}
        self.open: int | None = None

    def do(self, asked: Asked) -> tuple[int, bytes]:
        address, taken, read = asked.address, 0, bytearray()
        self.open = address if address in self.room else None
        if self.open is not None:
            taken = 1
            self.events[address].append(("start", asked.data is None, Fraction(0)))
            if asked.data is None and address == WRITE_ONLY:
                self.open = None
                return 0, b""
            for byte in asked.data or b"":
                self.events[address].append(("write", byte))
                self.room[address] -= 1
                if self.room[address] < 0:
                    break
                taken += 1
            for _ in range(asked.count if asked.data is None else 0):
                self.count[address] += 1
                self.events[address].append(("read", self.count[address]))
                read.append(self.count[address] & 0xFF)
        if asked.stops and self.open is not None:
            self.events[self.open].append(("stop", Fraction(0)))
            self.open = None
        return taken, bytes(read)


_ASKED = st.builds(
    Asked,
    st.sampled_from((*ADDRESSES, 0x51, 0)),
    st.one_of(st.none(), st.binary(max_size=4)),
    st.integers(1, 4),
    st.booleans(),
)


@settings(max_examples=150)
@given(st.lists(_ASKED, max_size=8), st.integers(0, 6))
def test_transfers_reach_whom_they_are_for(transfers: list[Asked], room: int) -> None:
    """Any mixture of writes, reads and repeated starts, with a device that at last takes no more."""
    devices = {0x10: Log(), 0x50: Log(room), WRITE_ONLY: WriteOnly()}
    model = Model({address: device.acknowledges for address, device in devices.items()})
    master = alone(devices)
    for asked in transfers:
        assert do(master, asked) == model.do(asked)
    assert {address: device.seen for address, device in devices.items()} == model.events


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1)), max_size=60))
def test_no_edges_break_it(edges: list[tuple[int, int]]) -> None:
    """Whatever a program does to its pins: SDA is let go of by the next stop."""
    held: list[bool] = []
    lines = I2cLines({0x50: Log()}.get, held.append)
    for sda, scl in edges:
        lines.change(sda, scl, Fraction(0))
    for sda, scl in ((0, 0), (0, 1), (1, 1)):
        lines.change(sda, scl, Fraction(0))
    assert held[-1] is False


def scan(master: Master) -> list[int]:
    """As Python firmware looks for devices: an address, and a stop."""
    return [address for address in range(8, 0x78) if do(master, Asked(address, b"", 0, True))[0]]


class TestOnPins:
    def test_pins_that_were_the_i2c_s(self) -> None:
        """MicroPython's scan: the pins are made the I2C's, then the I/O port's."""
        eeprom = I2cEeprom("24c02", write_seconds=Fraction(0))
        chip = i2c(eeprom)
        master = on_pins(chip)
        assert scan(master) == [0x50]
        assert do(master, Asked(0x50, b"\x10hello", 0, True)) == (7, b"")
        assert do(master, Asked(0x50, b"\x11", 0, False)) == (2, b"")
        assert do(master, Asked(0x50, None, 3, True)) == (1, b"ell")
        for pin in (SDA, SCL):
            chip.store(IO_BANK0 + 8 * pin + 4, 3)
        assert send(chip, b"\x10", stop=False) == 1
        assert receive(chip, 5, restart=True) == b"hello"

    def test_nobody_is_on_pins_before(self) -> None:
        chip = DmaChip()
        attach(chip, I2cAttached(0, 0x50, Log()))
        master = on_pins(chip)
        assert scan(master) == list(range(8, 0x78))  # without pull-ups, SDA is low
        chip.store(0x4001_C004 + 4 * SDA, 0x5A)
        chip.store(0x4001_C004 + 4 * SCL, 0x5A)
        assert scan(master) == []

    def test_wired_pins_are_pulled_up_from_the_start(self) -> None:
        """CircuitPython refuses pins that its pull-downs pull down."""
        chip, device = DmaChip(), Log()
        attach(chip, I2cAttached(0, 0x50, device, (SDA, SCL)))
        master = on_pins(chip)
        assert chip.host.pins.level & 0x30 == 0x30
        assert scan(master) == [0x50]
        begun, stopped = device.seen
        assert begun[:2] == ("start", False)
        assert begun[2] < stopped[1]  # type: ignore[operator]

    def test_other_pins_do_not_lead_there(self) -> None:
        chip = i2c(Log())
        other = Log()
        attach(chip, I2cAttached(0, 0x51, other, (8, 9)))
        chip.store(I2C0 + 0x6C, 0)
        chip.store(I2C0 + 4, 0x51)
        chip.store(I2C0 + 0x6C, 1)
        assert send(chip, b"a") == 0
        assert scan(on_pins(chip)) == [0x50]
        assert other.seen == []


class TestWords:
    def test_pins(self) -> None:
        made = i2c_attached("1@26,27=24c02:0x27")
        assert (made.bus, made.pins, made.address) == (1, (26, 27), 0x27)

    @pytest.mark.parametrize("text", ["0@=24c02:1", "0@4=24c02:1", "0@4,5,6=24c02:1", "@4,5=24c02:1", "0@4,x=24c02:1"])
    def test_that_mean_nothing(self, text: str) -> None:
        with pytest.raises(UsageError, match="is not BUS"):
            i2c_attached(text)

    @pytest.mark.parametrize(("pins", "says"), [((5, 4), "5 is no SDA of I2C0: 0, 4"), ((4, 7), "7 is no SCL of I2C0")])
    def test_pins_that_are_others(self, pins: tuple[int, int], says: str) -> None:
        with pytest.raises(UsageError, match=says):
            attach(DmaChip(), I2cAttached(0, 0x50, Log(), pins))
