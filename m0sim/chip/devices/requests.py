"""A request line of the NVIC that more than one block, or more than one flag, can raise."""

from __future__ import annotations

from m0sim.chip.devices.host import Host


class RequestLine:
    """Interrupt `number`: requested while anyone requests it."""

    def __init__(self, host: Host, number: int) -> None:
        self._host, self._number = host, number
        self._raised: set[object] = set()

    def set(self, who: object, level: bool) -> None:
        """`who` requests it, or does not any more."""
        was_raised = bool(self._raised)
        if level:
            self._raised.add(who)
        else:
            self._raised.discard(who)
        if bool(self._raised) != was_raised:
            self._host.set_line(self._number, bool(self._raised))
