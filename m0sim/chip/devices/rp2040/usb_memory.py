"""USBCTRL_DPRAM: 4 KiB of memory that the processor and the USB controller share. RP2040 datasheet, 4.1.2.5.

Of a device: the SETUP packet, a control word for each endpoint but 0, a word for its buffers, and the buffers.
"""

from __future__ import annotations

from m0sim.chip.devices.block import Device

_SIZE = 0x1000
_CONTROLS, _BUFFERS, _EP0_DATA = 0x08, 0x80, 0x100
_ENABLE, _DOUBLE, _PER_BUFFER, _PER_DOUBLE = 1 << 31, 1 << 30, 1 << 29, 1 << 28
_FULL, _LAST, _PID, _SELECT_FIRST, _STALL, _AVAILABLE = 1 << 15, 1 << 14, 1 << 13, 1 << 12, 1 << 11, 1 << 10
_LENGTH = 0x3FF
_BUFFER_BYTES = 64


class UsbMemory(Device):
    """The memory; loads and stores of any size change what they say, and no more."""

    name = "USBCTRL_DPRAM"
    base = 0x5010_0000
    size = _SIZE
    has_aliases = False

    def __init__(self) -> None:
        self.data = bytearray(_SIZE)
        self._next: dict[tuple[int, bool], int] = {}

    def reset(self) -> None:
        """Memory keeps what is in it; which buffer of a pair is next is forgotten."""
        self.choose_first_buffers()

    def choose_first_buffers(self) -> None:
        """Every endpoint goes on with its first buffer."""
        self._next = {}

    def load(self, offset: int) -> int:
        """The word at `offset`."""
        return int.from_bytes(self.data[offset : offset + 4], "little")

    def store(self, offset: int, value: int) -> None:
        """Store a word. That for an endpoint's buffers may say which of them is next."""
        self.data[offset : offset + 4] = (value & 0xFFFF_FFFF).to_bytes(4, "little")
        place = divmod((offset - _BUFFERS) // 4, 2)
        if _BUFFERS <= offset < _EP0_DATA and value & _SELECT_FIRST:
            self._next[place[0], not place[1]] = 0

    def load_narrow(self, offset: int, size: int) -> int:
        """One or two bytes."""
        return int.from_bytes(self.data[offset : offset + size], "little")

    def store_narrow(self, offset: int, value: int, size: int) -> None:
        """One or two bytes, the others as they are."""
        self.data[offset : offset + size] = (value & (1 << 8 * size) - 1).to_bytes(size, "little")

    # -- what is in it

    def set_setup(self, packet: bytes) -> None:
        """A SETUP packet of eight bytes has come."""
        self.data[:8] = packet

    def control(self, endpoint: int, is_in: bool) -> int:
        """The control word of an endpoint from 1 on."""
        return self.load(_CONTROLS + 8 * (endpoint - 1) + 4 * (not is_in))

    def is_enabled(self, endpoint: int, is_in: bool) -> bool:
        """Whether an endpoint from 1 on answers at all."""
        return bool(self.control(endpoint, is_in) & _ENABLE)

    def is_stalled(self, endpoint: int, is_in: bool) -> bool:
        """Whether an endpoint answers STALL, if that is armed."""
        return bool(self.load(_place(endpoint, is_in)) & _STALL)

    def next_buffer(self, endpoint: int, is_in: bool) -> Buffer:
        """The buffer that the controller looks at next."""
        is_double = endpoint > 0 and self.control(endpoint, is_in) & _DOUBLE
        number = self._next.get((endpoint, is_in), 0) if is_double else 0
        begin = self.control(endpoint, is_in) & 0xFFC0 if endpoint else _EP0_DATA
        return Buffer(self, endpoint, is_in, number, begin + number * _BUFFER_BYTES)

    def tells_of(self, buffer: Buffer) -> bool:
        """Whether the end of a buffer of an endpoint from 1 on is to be told: of each, or of a pair's second."""
        control = self.control(buffer.endpoint, buffer.is_in)
        if control & _DOUBLE and control & _PER_DOUBLE:
            return buffer.number == 1
        return bool(control & _PER_BUFFER)

    def finish(self, buffer: Buffer) -> None:
        """The other one of a pair is next."""
        if buffer.endpoint and self.control(buffer.endpoint, buffer.is_in) & _DOUBLE:
            self._next[buffer.endpoint, buffer.is_in] = 1 - buffer.number


class Buffer:
    """One buffer of an endpoint, by the half of the word that controls it."""

    def __init__(self, memory: UsbMemory, endpoint: int, is_in: bool, number: int, begin: int) -> None:
        self._memory, self.endpoint, self.is_in, self.number = memory, endpoint, is_in, number
        self._begin = begin
        self._at = _place(endpoint, is_in) + 2 * number

    @property
    def _half(self) -> int:
        return self._memory.load_narrow(self._at, 2)

    @property
    def is_available(self) -> bool:
        """Whether the controller may use it."""
        return bool(self._half & _AVAILABLE)

    @property
    def is_full(self) -> bool:
        """Whether there is something in it."""
        return bool(self._half & _FULL)

    @property
    def is_last(self) -> bool:
        """Whether it ends a transfer."""
        return bool(self._half & _LAST)

    @property
    def toggle(self) -> int:
        """0 for DATA0, 1 for DATA1."""
        return int(bool(self._half & _PID))

    def sent(self) -> bytes:
        """What is in it, which is sent: it is empty, and the firmware's again."""
        half = self._half
        length = half & _LENGTH
        self._memory.store_narrow(self._at, half & ~(_FULL | _AVAILABLE), 2)
        return bytes(self._memory.data[self._begin : self._begin + length])

    def take(self, data: bytes) -> None:
        """Put something into it: it is full, and the firmware's again."""
        half = self._half
        taken = data[: half & _LENGTH]
        self._memory.data[self._begin : self._begin + len(taken)] = taken
        self._memory.store_narrow(self._at, half & ~(_AVAILABLE | _LENGTH) | _FULL | len(taken), 2)


def _place(endpoint: int, is_in: bool) -> int:
    """Of the word that controls an endpoint's buffers."""
    return _BUFFERS + 8 * endpoint + 4 * (not is_in)
