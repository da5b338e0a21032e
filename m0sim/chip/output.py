"""What the firmware prints: collected from `_write`, from semihosting, and from functions that the user names."""

from __future__ import annotations

from collections.abc import Callable

from unicorn import Uc
from unicorn.arm_const import UC_ARM_REG_R0, UC_ARM_REG_R1, UC_ARM_REG_R2

from m0sim.chip.answers import Memory
from m0sim.chip.memory import AddressSpace
from m0sim.chip.stubs import StubCall
from m0sim.errors import UsageError

#: Bytes that are kept of one run.
LIMIT = 1 << 20
#: What newlib's stdio prints through: ``int _write(int fd, const char *data, int size)``.
WRITE = "_write"
_KINDS = ("write", "char", "str")
_STDOUT, _STDERR = 1, 2
_CHUNK = 64  # divides the size of every memory, so that a chunk lies in one


class Output:
    """The bytes that one run printed, the first `LIMIT` of them."""

    def __init__(self, space: AddressSpace) -> None:
        self._space = space
        self.listens = True
        """Whether calls of `_write` are noted; it runs as it is, with its own cost."""
        self.clear()

    def clear(self) -> None:
        """Nothing was printed yet."""
        self._kept = bytearray()
        self.dropped = 0
        """Bytes behind the limit."""

    @property
    def kept(self) -> bytes:
        return bytes(self._kept)

    def add(self, data: bytes) -> None:
        """Note what was printed."""
        room = LIMIT - len(self._kept)
        self._kept += data[:room]
        self.dropped += max(0, len(data) - room)

    def on_write(self, uc: Uc, address: int, size: int, data: object) -> None:
        """UC_HOOK_CODE at the first instruction of `_write`."""
        self.see(*uc.reg_read_batch((UC_ARM_REG_R0, UC_ARM_REG_R1, UC_ARM_REG_R2)))

    def see(self, descriptor: int, begin: int, length: int) -> None:
        """Note what `_write` was called with."""
        if self.listens and descriptor in (_STDOUT, _STDERR):
            view = self._space.view(begin, length) if self._space.shows(begin, length) else None
            self.add(b"" if view is None else view.tobytes())  # the function itself will meet what is wrong with it

    def replacement(self, text: str) -> tuple[str, Callable[[StubCall], int]]:
        """The function that ``--stdout FUNC``, ``FUNC:char`` or ``FUNC:str`` names, and what answers its calls."""
        name, kind = named(text)
        answers: dict[str, Callable[[StubCall], int]] = {"write": self._write, "char": self._char, "str": self._str}
        return name, answers[kind]

    def _write(self, call: StubCall) -> int:
        descriptor, begin, size, _ = call.args
        try:
            if descriptor not in (_STDOUT, _STDERR):
                raise UsageError(f"{descriptor} is neither stdout (1) nor stderr (2)")
            self.add(call.read(begin, size).tobytes())
        except UsageError as error:
            raise UsageError(
                f"--stdout {call.name}: was called with other arguments than (fd, data, size): {error}; "
                f"for one like putchar write {call.name}:char, for one like puts {call.name}:str"
            ) from None
        return size

    def _char(self, call: StubCall) -> int:
        self.add(bytes([call.args[0] & 0xFF]))
        return call.args[0]

    def _str(self, call: StubCall) -> int:
        try:
            self.add(c_string(call, call.args[0]))
        except UsageError as error:
            raise UsageError(f"--stdout {call.name}: called with no string at {call.args[0]:#010x}: {error}") from None
        return 0


def named(text: str) -> tuple[str, str]:
    """Name and kind of the function in ``FUNC``, ``FUNC:char`` or ``FUNC:str``. Raises `UsageError`."""
    name, colon, kind = text.rpartition(":")
    if not colon or name.endswith(":"):  # of C++ and Rust names the colons come in pairs
        name, kind = text, "write"
    if kind not in _KINDS or not name:
        raise UsageError(f"{text!r}: write FUNC for a function like _write(fd, data, size), FUNC:char or FUNC:str")
    return name, kind


def c_string(memory: Memory, address: int) -> bytes:
    """The bytes up to a NUL, `LIMIT` at most. Raises `UsageError` where there is no memory."""
    found = bytearray()
    while len(found) < LIMIT:
        size = _CHUNK - address % _CHUNK
        piece, nul, _ = memory.read(address, size).tobytes().partition(b"\0")
        found += piece
        if nul:
            break
        address += size
    return bytes(found)
