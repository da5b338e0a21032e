"""A host on the other end of a USB cable: it enumerates a device, and opens its serial port (CDC ACM) if it has one.

Sections are those of the USB 2.0 specification, and of the CDC specification for PSTN devices 1.2 (PSTN). Time is that
of full speed: 12 Mbit/s, a frame each millisecond. A host does not promise when it asks: this one asks once a frame,
and goes on as long as there is something.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from enum import Enum, auto
from fractions import Fraction
from typing import Protocol

_MS = Fraction(1, 1000)
_BIT = Fraction(1, 12_000_000)
_PACKET_BITS, _TOKEN_BITS, _HANDSHAKE_BITS, _GAPS_BITS = 35, 35, 19, 18
"""Sync, PID, CRC and the end of a data packet; a token; a handshake (8.3, 8.4); three turns of the bus. Bits that are
stuffed are not counted."""
_ATTACH, _RESET, _RECOVERY = 100 * _MS, 10 * _MS, 10 * _MS  # 7.1.7.3, 7.1.7.5
_SET_ADDRESS_RECOVERY = 2 * _MS  # 9.2.6.3
_MOST_TRIES = 5_000
"""Frames that a control transfer may take: 9.2.6.4."""
_BULK_BYTES = _CONTROL_BYTES = 64
_ADDRESS = 1
_DEVICE, _CONFIGURATION, _INTERFACE, _ENDPOINT = 1, 2, 4, 5  # descriptor types: table 9-5
_COMMUNICATIONS, _ACM, _CDC_DATA = 2, 2, 10  # PSTN 1.2; CDC 1.2, tables 2 and 6
_SET_LINE_CODING, _SET_CONTROL_LINE_STATE = 0x20, 0x22  # PSTN 1.2, table 13
_LINE_CODING = (115_200).to_bytes(4, "little") + bytes((0, 0, 8))
_DTR_AND_RTS = 3


class Handshake(Enum):
    """How a transaction ends."""

    ACK = auto()
    NAK = auto()
    STALL = auto()
    NONE = auto()
    """Nobody answers."""


@dataclass(frozen=True, slots=True)
class Reply:
    """To an IN token."""

    handshake: Handshake
    data: bytes = b""
    toggle: int = 0


class UsbDevice(Protocol):
    """A device as a host sees it: what it does at the end of each transaction."""

    @property
    def address(self) -> int:
        """That it answers to."""

    def connect(self) -> None:
        """It is plugged in."""

    def bus_reset(self) -> None:
        """The bus is reset."""

    def frame(self, number: int) -> None:
        """A frame begins."""

    def setup(self, packet: bytes) -> None:
        """A SETUP packet for endpoint 0."""

    def send(self, endpoint: int) -> Reply:
        """What it sends from an endpoint."""

    def receive(self, endpoint: int, data: bytes, toggle: int) -> Handshake:
        """Data for an endpoint."""

    def show(self, data: bytes) -> None:
        """What came over its serial port, for a person."""

    def give_up(self, why: str) -> None:
        """The host wants no more of it."""


@dataclass(frozen=True, slots=True)
class _Port:
    """A serial port: the interface that controls it, and its endpoints."""

    interface: int
    bulk_in: int
    bulk_out: int
    out_bytes: int
    """Of a packet to it."""


class _GaveUp(Exception):
    """The device does not do what a device has to."""


Wait = Generator[Fraction, None, None]


class UsbHost:
    """One host, and what is sent to a serial port of whatever is plugged in."""

    def __init__(self) -> None:
        self._to_send = bytearray()
        self.opened: Callable[[], None] = lambda: None
        """Called when a serial port is open."""

    def receive(self, data: bytes) -> None:
        """Send these bytes as soon as there is a port, after those before."""
        self._to_send += data

    def unplug(self) -> None:
        """The device is gone."""

    def life(self, device: UsbDevice) -> Iterator[Fraction]:
        """Everything from plugging in on: seconds to wait, and then what is done, again and again."""
        return _Plugged(device, self._to_send, self.opened).life()


class _Plugged:
    """A device that is plugged in."""

    def __init__(self, device: UsbDevice, to_send: bytearray, opened: Callable[[], None]) -> None:
        self._device, self._to_send, self._opened = device, to_send, opened
        self._left = _MS
        """Of the frame."""
        self._frame = 0
        self._address = 0
        self._toggles: dict[int, int] = {}

    def life(self) -> Iterator[Fraction]:
        yield _ATTACH
        self._device.connect()
        yield _RESET
        self._device.bus_reset()
        yield _RECOVERY
        try:
            port = yield from self._enumerate()
            if port is not None:
                yield from self._open(port)
                self._opened()
        except _GaveUp as error:
            port = None
            self._device.give_up(f"the host gave up: {error}")
        while True:
            yield from self._next_frame()
            if port is not None:
                yield from self._serve(port)

    # -- time

    def _next_frame(self) -> Wait:
        yield self._left
        self._left = _MS
        self._frame += 1
        self._device.frame(self._frame)

    def _take(self, data_bytes: int) -> Wait:
        """The time of a transaction, in the next frame where it does not fit into this one."""
        bits = _TOKEN_BITS + _PACKET_BITS + 8 * data_bytes + _HANDSHAKE_BITS + _GAPS_BITS
        if bits * _BIT >= self._left:
            yield from self._next_frame()
        self._left -= bits * _BIT
        yield bits * _BIT

    # -- control transfers: 8.5.3

    def _control(
        self, kind: int, request: int, value: int, index: int, out: bytes, length: int
    ) -> Generator[Fraction, None, bytes]:
        """What comes in, `length` bytes at most; or nothing, for `out` bytes that go out."""
        size = length or len(out)
        packet = bytes((kind, request)) + b"".join(each.to_bytes(2, "little") for each in (value, index, size))
        yield from self._take(8)
        self._device.setup(packet)
        toggle, found = 1, b""
        while length and len(found) < length:
            answer = yield from self._ask(0)
            if answer.toggle != toggle:
                raise _GaveUp("endpoint 0 sent the wrong of DATA0 and DATA1")
            found, toggle = found + answer.data, toggle ^ 1
            if len(answer.data) < _BULK_BYTES:
                break
        for begin in range(0, len(out), _BULK_BYTES):
            yield from self._tell(0, out[begin : begin + _BULK_BYTES], toggle)
            toggle ^= 1
        if length:
            yield from self._tell(0, b"", 1)
        else:
            yield from self._ask(0)
        return found

    def _ask(self, endpoint: int) -> Generator[Fraction, None, Reply]:
        for _ in range(_MOST_TRIES):
            yield from self._take(_BULK_BYTES)
            answer = self._device.send(endpoint) if self._device.address == self._address else Reply(Handshake.NONE)
            if answer.handshake is Handshake.ACK:
                return answer
            self._check(answer.handshake, endpoint)
            yield from self._next_frame()
        raise _GaveUp(f"endpoint {endpoint} had nothing to send in {_MOST_TRIES * _MS} s")

    def _tell(self, endpoint: int, data: bytes, toggle: int) -> Wait:
        for _ in range(_MOST_TRIES):
            yield from self._take(len(data))
            is_there = self._device.address == self._address
            handshake = self._device.receive(endpoint, data, toggle) if is_there else Handshake.NONE
            if handshake is Handshake.ACK:
                return
            self._check(handshake, endpoint)
            yield from self._next_frame()
        raise _GaveUp(f"endpoint {endpoint} took nothing in {_MOST_TRIES * _MS} s")

    def _check(self, handshake: Handshake, endpoint: int) -> None:
        if handshake is Handshake.STALL:
            raise _GaveUp(f"endpoint {endpoint} answered STALL")

    # -- enumeration: 9.1.2

    def _descriptor(self, kind: int, length: int) -> Generator[Fraction, None, bytes]:
        found = yield from self._control(0x80, 6, kind << 8, 0, b"", length)
        if len(found) < min(length, 8) or found[1] != kind:
            raise _GaveUp(f"no descriptor of type {kind}")
        return found

    def _enumerate(self) -> Generator[Fraction, None, _Port | None]:
        begin = yield from self._descriptor(_DEVICE, 8)
        if begin[7] != _CONTROL_BYTES:
            raise _GaveUp(f"endpoint 0 has packets of {begin[7]} bytes: this host knows those of {_CONTROL_BYTES} only")
        yield from self._control(0x00, 5, _ADDRESS, 0, b"", 0)
        yield _SET_ADDRESS_RECOVERY
        self._address = _ADDRESS
        yield from self._descriptor(_DEVICE, 18)
        head = yield from self._descriptor(_CONFIGURATION, 9)
        whole = yield from self._descriptor(_CONFIGURATION, int.from_bytes(head[2:4], "little"))
        yield from self._control(0x00, 9, whole[5], 0, b"", 0)
        return _port_in(whole)

    def _open(self, port: _Port) -> Wait:
        try:
            yield from self._control(0x21, _SET_LINE_CODING, 0, port.interface, _LINE_CODING, 0)
        except _GaveUp:  # who has no line has no coding: PSTN 1.2, 6.3.10 leaves it open
            yield from self._next_frame()
        yield from self._control(0x21, _SET_CONTROL_LINE_STATE, _DTR_AND_RTS, port.interface, b"", 0)

    # -- the serial port

    def _serve(self, port: _Port) -> Wait:
        """All that a port has to send, and then what there is to send to it."""
        while self._left > 100 * _BIT:
            yield from self._take(_BULK_BYTES)
            answer = self._device.send(port.bulk_in)
            if answer.handshake is not Handshake.ACK:
                break
            if answer.toggle == self._toggles.get(-port.bulk_in, 0):
                self._toggles[-port.bulk_in] = answer.toggle ^ 1
                self._device.show(answer.data)
        toggle = self._toggles.get(port.bulk_out, 0)
        if self._to_send:
            data = bytes(self._to_send[: port.out_bytes])
            yield from self._take(len(data))
            if self._device.receive(port.bulk_out, data, toggle) is Handshake.ACK:
                self._toggles[port.bulk_out] = toggle ^ 1
                del self._to_send[: len(data)]


def _port_in(configuration: bytes) -> _Port | None:
    """The first serial port that a configuration has; None for none."""
    control: int | None = None
    kind, ends = 0, dict[bool, tuple[int, int]]()
    at = 0
    while at + 2 <= len(configuration) and configuration[at] >= 2:
        part = configuration[at : at + configuration[at]]
        at += configuration[at]
        if part[1] == _INTERFACE and len(part) >= 9:
            kind = part[5]
            if kind == _COMMUNICATIONS and part[6] == _ACM and control is None:
                control = part[2]
        if part[1] == _ENDPOINT and len(part) >= 7 and kind == _CDC_DATA and part[3] & 3 == 2:
            size = int.from_bytes(part[4:6], "little")
            ends.setdefault(bool(part[2] & 0x80), (part[2] & 0xF, min(max(size, 1), _BULK_BYTES)))
        if control is not None and len(ends) == 2:
            return _Port(control, ends[True][0], *ends[False])
    return None
