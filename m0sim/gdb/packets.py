"""Packets of GDB's remote protocol: ``$data#sum`` (GDB manual, E.1), from bytes and to bytes."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum

MOST = 0x4000
"""Bytes of a packet's data; what is longer is answered as a damaged one."""
_ESCAPE = 0x7D


class Signal(Enum):
    """What comes that is no packet."""

    BREAK = "a byte 0x03: stop the program"
    DAMAGED = "a packet whose sum is wrong, or that is too long"
    RESEND = "a minus: the last packet came damaged"


def encode(data: bytes) -> bytes:
    """A packet with this data."""
    escaped = b"".join(bytes([_ESCAPE, each ^ 0x20]) if each in b"#$}*" else bytes([each]) for each in data)
    return b"$%b#%02x" % (escaped, sum(escaped) & 0xFF)


def decode(escaped: bytes) -> bytes:
    """The data of a packet, without its escapes."""
    parts = escaped.split(b"}")
    return parts[0] + b"".join(bytes([part[0] ^ 0x20]) + part[1:] if part else b"" for part in parts[1:])


class Reader:
    """Takes bytes as they come, and gives packets and signals. What is neither is passed over."""

    def __init__(self) -> None:
        self._left = bytearray()
        self._is_too_long = False

    def feed(self, data: bytes) -> Iterator[bytes | Signal]:
        """All that is whole by now, in order."""
        self._left += data
        while (item := self._next()) is not None:
            yield item

    def _next(self) -> bytes | Signal | None:
        left = self._left
        while left:
            if left[0] == 0x24:  # $
                return self._packet()
            first = left.pop(0)
            if first == 0x03:
                return Signal.BREAK
            if first == 0x2D:  # -
                return Signal.RESEND
        return None

    def _packet(self) -> bytes | Signal | None:
        left = self._left
        end = left.find(b"#")
        if end < 0 or len(left) < end + 3:
            if end < 0 and len(left) > 2 * MOST:  # nobody knows where it ends: only that it is no good
                self._is_too_long = True
                del left[1:]
            return None
        escaped, given = bytes(left[1:end]), bytes(left[end + 1 : end + 3])
        del left[: end + 3]
        is_damaged = self._is_too_long or len(escaped) > 2 * MOST or b"%02x" % (sum(escaped) & 0xFF) != given.lower()
        self._is_too_long = False
        return Signal.DAMAGED if is_damaged else decode(escaped)
