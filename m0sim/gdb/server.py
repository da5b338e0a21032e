"""The server: one GDB at a time, over TCP. It holds a run, and a GDB may go and another come."""

from __future__ import annotations

import select
import socket
from collections.abc import Callable
from contextlib import suppress

from m0sim.chip.engine.held import Held
from m0sim.errors import UsageError
from m0sim.gdb.packets import Reader, Signal, encode
from m0sim.gdb.session import Detached, LetGo, Session

_PATIENCE = 0.1
"""Seconds between two looks at Ctrl-C."""
_CHUNK = 1 << 16


class GdbServer:
    """A `Debugger` (`m0sim.chip.engine.held`) that does what a GDB wants."""

    def __init__(
        self, host: str, port: int, note: Callable[[str], None], ready: Callable[[int], None] = lambda _: None
    ) -> None:
        """Listen. `note` shows a person who comes and goes; `ready` is told the port when there is a run to debug.

        Raises `UsageError` where nobody can listen there.
        """
        self._note = note
        self._ready: Callable[[int], None] | None = ready
        self._session = Session(self._say, self._is_asked_to_stop)
        self._client: socket.socket | None = None
        self._waiting: list[bytes | Signal] = []
        self._reader = Reader()
        self._has_no_acks = False
        self._last = b""
        try:
            family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
            self._listener = socket.create_server(address[:2], family=family, backlog=1)
        except OSError as error:
            reason = error.strerror or str(error)
            raise UsageError(f"{host}:{port}: {reason}; --port N is another port, 0 a free one") from None

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._listener.getsockname()[1])

    @property
    def is_reset(self) -> bool:
        """Whether the run that begins anew is a reset, all of which is new."""
        return self._session.history.is_reset

    def close(self) -> None:
        """Nobody is heard any more."""
        self._hang_up()
        self._listener.close()

    def hold(self, held: Held) -> None:
        """Do what GDB wants until it kills the program, leaves one that has ended, or Ctrl-C comes."""
        if self._ready is not None:
            self._ready(self.port)
            self._ready = None
        answer = self._session.attach(held)
        if answer is not None:
            self._send(answer)
        try:
            while not held.is_interrupted():
                if self._client is None and held.over() is not None and self._session.has_been_used:
                    return
                self._look(held)
        except LetGo:
            held.end()
        self._hang_up()

    # -- the connection

    def _look(self, held: Held) -> None:
        """Wait a little for somebody, and do what they want."""
        if self._client is None:
            self._accept()
            return
        if not self._waiting:
            self._receive(_PATIENCE)
        while self._waiting and self._client is not None:
            self._deal_with(self._waiting.pop(0))

    def _accept(self) -> None:
        if not select.select([self._listener], [], [], _PATIENCE)[0]:
            return
        self._client, (name, *_) = self._listener.accept()
        self._client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._client.settimeout(10)
        self._reader, self._waiting, self._has_no_acks, self._last = Reader(), [], False, b""
        self._note(f"a debugger at {name}")

    def _receive(self, seconds: float) -> None:
        """Take what has come. A client that is gone is no error."""
        if self._client is None or not select.select([self._client], [], [], seconds)[0]:
            return
        try:
            data = self._client.recv(_CHUNK)
        except OSError:
            data = b""
        if not data:
            self._note("the debugger is gone; the program stands still")
            self._hang_up()
            return
        self._waiting += self._reader.feed(data)

    def _is_asked_to_stop(self) -> bool:
        """Whether GDB's Ctrl-C has come, or GDB is gone, while the program runs."""
        self._receive(0)
        if Signal.BREAK in self._waiting:
            self._waiting.remove(Signal.BREAK)
            return True
        return self._client is None

    def _hang_up(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None
        self._waiting = []

    # -- packets

    def _deal_with(self, item: bytes | Signal) -> None:
        if item is Signal.DAMAGED:
            self._raw(b"" if self._has_no_acks else b"-")
        elif item is Signal.RESEND:
            self._raw(self._last)
        elif isinstance(item, bytes):
            self._answer(item)

    def _answer(self, data: bytes) -> None:
        if not self._has_no_acks:
            self._raw(b"+")
        try:
            answer = self._session.hear(data)
        except LetGo as done:
            for answer in done.args:
                self._send(answer)
            raise
        except Detached:
            self._send("OK")
            self._note("the debugger has detached; the program stands still")
            self._hang_up()
            return
        if answer is not None:
            self._send(answer)
        if data == b"QStartNoAckMode":
            self._has_no_acks = True

    def _say(self, text: str) -> None:
        """A line in GDB's console (GDB manual, E.9: the O packet)."""
        self._send("O" + text.encode().hex())

    def _send(self, answer: str) -> None:
        self._last = encode(answer.encode("latin-1"))
        self._raw(self._last)

    def _raw(self, data: bytes) -> None:
        if self._client is not None and data:
            with suppress(OSError):
                self._client.sendall(data)
