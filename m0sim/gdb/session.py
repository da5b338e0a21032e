"""What GDB asks of a run that is held: a packet in, the answer out. Knows no socket.

Packets are those of the GDB manual, appendix E; one that is not known is answered with nothing, as it asks for.
"""

from __future__ import annotations

from collections.abc import Callable, Set
from typing import ClassVar, TypeVar

from m0sim.chip.engine.held import MOST_WATCHPOINTS, Held, Stopped
from m0sim.chip.engine.points import Watchpoint
from m0sim.gdb import memory_map, monitor, packets, registers, threads
from m0sim.gdb.history import History, Way

_FEATURES = (
    f"PacketSize={packets.MOST:x};QStartNoAckMode+;qXfer:features:read+;qXfer:memory-map:read+;vContSupported+;"
    "swbreak+;hwbreak+;ReverseStep+;ReverseContinue+"
)
_SIGNALS = {"step": 5, "breakpoint": 5, "watchpoint": 5, "bkpt": 5, "interrupt": 2, "fault": 11, "end": 15}
"""GDB's numbers: TRAP, INT, SEGV, and TERM, at which `next` gives up (GDB manual, E.5 and its signals.def)."""
_ERROR = "E01"
_Answer = TypeVar("_Answer")


class LetGo(Exception):  # no error
    """GDB is done with the program: it killed it. With the answer, if one is due."""


class Detached(Exception):  # no error
    """GDB goes away, and may come again; its last packet is answered."""


class Session:
    """A conversation about one run, which may begin anew (`attach`). Breakpoints stay from run to run."""

    def __init__(self, say: Callable[[str], None], is_asked: Callable[[], bool]) -> None:
        """`say` shows a line in GDB's console; `is_asked` tells whether GDB wants the program to stop."""
        self.say, self._is_asked = say, is_asked
        self.history = History()
        self.has_been_used = False
        """Whether anybody has asked for anything."""
        self.traces = False
        """Whether each stop tells the cycles since the last one."""
        self.stops_at_faults = True
        self.last_stop = 0
        """The cycle at which the program last went on."""
        self._breakpoints: dict[tuple[int, int], None] = {}
        self._watchpoints: dict[tuple[int, int, int], None] = {}
        self._removed: set[int] = set()
        """Where breakpoints were until now: GDB takes one away to step over it, and only one core is to do so."""
        self._moves = 0
        """The core that GDB's next step, or way back, is meant for."""
        self._said_that_both_run = False
        self._said_of_end = ""
        self._stopped = Stopped("interrupt")
        self.held: Held

    def attach(self, held: Held) -> str | None:
        """A run stands before its first instruction. The answer that GDB still waits for, from the run before."""
        self.held = held
        held.stops_at_faults = self.stops_at_faults
        found = self.history.replay(held, self._place_points)
        self._place_points()
        self.last_stop = held.now
        if found is None:
            return None
        held.mark()
        self._stopped, self._moves = found, found.core
        return self._stop_reply() if found.why != "interrupt" else "OK"  # of monitor reset

    def hear(self, data: bytes) -> str | None:
        """The answer to a packet; None where none is due now."""
        self.has_been_used = True
        try:
            text = data.decode("latin-1")
            letter = text[:1]
            answer = self._LETTERS.get(letter)
            return "" if answer is None else answer(self, text[1:])
        except ValueError:  # a number that is none, a field that is missing
            return _ERROR

    # -- going on

    def _resumed(self, steps: int | None) -> str:
        """Go on; where a core `steps`, to behind its step."""
        held = self.held
        held.core = held.core if steps is None else steps
        self._place_points(also=set() if steps is None else self._removed & {held.pc})
        self._removed = set()
        self.last_stop = held.now
        self.history.forget_after(held.moment)
        if steps is None:
            held.mark()
        if (over := held.over()) is not None:
            self._stopped = Stopped("end", over, core=held.core)
        else:
            self._stopped = held.go(self._is_asked) if steps is None else held.step(self._is_asked)
        self._moves = held.core
        return self._stop_reply()

    def _stop_reply(self) -> str:
        stopped, held = self._stopped, self.held
        line = f"the program ended: {stopped.detail}\n" if stopped.why == "end" else f"{stopped.detail}\n"
        if stopped.detail and line != self._said_of_end:
            self.say(line)
        self._said_of_end = line if stopped.why == "end" else ""
        if self.traces:
            self.say(f"{held.now - self.last_stop:,} cycles, {held.now:,} in all\n")
        is_begin = stopped.why == "end" and not stopped.detail
        signal = _SIGNALS["step" if is_begin else stopped.why]
        reply = f"T{signal:02x}thread:{threads.name(stopped.core)};"
        if stopped.why == "watchpoint" and (point := stopped.watchpoint) is not None:
            kind = "awatch" if point.loads and point.stores else "rwatch" if point.loads else "watch"
            return f"{reply}{kind}:{point.address:x};"
        if stopped.why == "breakpoint":
            return f"{reply}{'hwbreak' if (1, held.pc) in self._breakpoints else 'swbreak'}:;"
        if is_begin:
            return f"{reply}replaylog:begin;"
        return reply

    def _reason(self, _: str) -> str:
        self.held.core = self._stopped.core
        return self._stop_reply()

    def _continue(self, rest: str) -> str:
        self._jump(rest)
        return self._resumed(None)

    def _step(self, rest: str) -> str:
        self._jump(rest)
        return self._resumed(self._moves)

    def _continue_signalled(self, rest: str) -> str:
        return self._continue(rest.partition(";")[2])

    def _step_signalled(self, rest: str) -> str:
        return self._step(rest.partition(";")[2])

    def _jump(self, address: str) -> None:
        if address:
            self._write_register("pc", int(address, 16))

    def _backwards(self, rest: str) -> str:
        moment = self.held.moment
        if moment.cycle == 0:
            self._stopped = Stopped("end", core=self.held.core)
            return self._stop_reply()
        if rest == "s":
            self.history.rewind(Way.STEP, moment, self._moves)
        if rest == "c":
            self.history.rewind(Way.CONTINUE, moment)
        return ""

    def _verbose(self, rest: str) -> str:
        if rest.startswith("Flash"):
            return self._load(*rest.partition(":")[::2])
        name, _, actions = rest.partition(";")
        if name == "Cont?":
            return "vCont;c;C;s;S"
        if name == "Cont" and actions:
            wanted = threads.actions(actions, self.held.core_count)
            if len(wanted) < self.held.core_count and any(action == "c" for action in wanted.values()):
                self._say_that_both_run()
            return self._resumed(next((core for core, action in wanted.items() if action == "s"), None))
        if name.startswith("Kill"):
            raise LetGo("OK")
        return ""

    def _load(self, name: str, rest: str) -> str:
        """What GDB's ``load`` wants. The image is there; another one would not be what costs are told of."""
        if name != "FlashWrite":
            return "OK"  # FlashErase, FlashDone
        address, _, contents = rest.partition(":")
        data = contents.encode("latin-1")
        if self.held.read(int(address, 16), len(data)) == data:
            return "OK"
        self.say("what GDB loads is not the image that runs here: start m0sim gdb with that one\n")
        return _ERROR

    def _say_that_both_run(self) -> None:
        if not self._said_that_both_run:
            self.say("both cores go on: what one does in a cycle depends on what the other did before\n")
        self._said_that_both_run = True

    def _kill(self, _: str) -> str:
        raise LetGo

    def _detach(self, _: str) -> str:
        raise Detached

    # -- registers

    def _read_registers(self, _: str) -> str:
        return "".join(_word(value) for value in self.held.registers().values())

    def _write_registers(self, text: str) -> str:
        words = [int.from_bytes(bytes.fromhex(text[at : at + 8]), "little") for at in range(0, len(text), 8)]
        for name, value in zip(registers.NUMBERS, words, strict=False):
            self._write_register(name, value)
        return "OK" if self.held.is_there else _ERROR

    def _read_register(self, number: str) -> str:
        name = registers.NAMES.get(int(number, 16))
        return _ERROR if name is None else _word(self.held.registers()[name])

    def _set_register(self, text: str) -> str:
        number, _, value = text.partition("=")
        name = registers.NAMES.get(int(number, 16))
        if name is None or len(value) != 8:
            return _ERROR
        if self._write_register(name, int.from_bytes(bytes.fromhex(value), "little")):
            return "OK"
        return f"E.{name} cannot be set" if self.held.is_there else "E.core 1 has not begun: it waits in the boot ROM"

    def _write_register(self, name: str, value: int) -> bool:
        if self.held.registers()[name] == value:
            return True
        return self.history.do(self.held, _of(self.held.core, lambda held: held.set_register(name, value)))

    # -- memory

    def _read_memory(self, text: str) -> str:
        address, size = _span(text)
        if not 0 <= size <= packets.MOST // 2:
            return _ERROR
        found = self.history.ask(self.held, _of(self.held.core, lambda held: held.read(address, size)), address)
        return found.hex() if found or size == 0 else _ERROR

    def _write_memory(self, text: str) -> str:
        where, _, contents = text.partition(":")
        return self._written(*_span(where), bytes.fromhex(contents))

    def _write_binary(self, text: str) -> str:
        where, _, contents = text.partition(":")
        return self._written(*_span(where), contents.encode("latin-1"))

    def _written(self, address: int, size: int, contents: bytes) -> str:
        if len(contents) != size:
            return _ERROR
        if not size:
            return "OK"
        write = _of(self.held.core, lambda held: held.write(address, contents))
        return "OK" if self.history.do(self.held, write) else _ERROR

    # -- breakpoints and watchpoints

    def _insert(self, text: str) -> str:
        kind, address, size = _point(text)
        if kind in (0, 1):
            self._breakpoints[(kind, address & ~1)] = None
        elif kind in (2, 3, 4) and size > 0:
            if len(self._watchpoints) >= MOST_WATCHPOINTS:
                return _ERROR
            self._watchpoints[(kind, address, size)] = None
        else:
            return ""
        return "OK"

    def _remove(self, text: str) -> str:
        kind, address, size = _point(text)
        if (kind, address & ~1) in self._breakpoints:
            del self._breakpoints[kind, address & ~1]
            self._removed.add(address & ~1)
        self._watchpoints.pop((kind, address, size), None)
        return "OK"

    def _place_points(self, also: Set[int] = frozenset()) -> None:
        """Only where the program goes on: GDB takes all away when it stops, and puts them back."""
        self.held.set_breakpoints({address for _, address in self._breakpoints} | also)
        watch = [
            Watchpoint(address, size, loads=kind in (3, 4), stores=kind in (2, 4))
            for kind, address, size in self._watchpoints
        ]
        self.held.set_watchpoints(watch)

    # -- questions

    def _query(self, text: str) -> str:
        name, _, rest = text.partition(":")
        if name == "Supported":
            return _FEATURES
        if name == "Xfer":
            return self._transfer(rest)
        if name == "Attached":
            return "1"
        if name == "C":
            return f"QC{threads.name(self.held.core)}"
        if name == "fThreadInfo":
            return "m" + ",".join(map(threads.name, range(self.held.core_count)))
        if name == "sThreadInfo":
            return "l"
        if name.startswith("ThreadExtraInfo,"):
            core = threads.core(name.partition(",")[2], self.held.core_count)
            return _ERROR if core is None else threads.described(self.held, core).encode().hex()
        if text.startswith("Rcmd,"):
            return self._monitor(text[5:])
        return ""

    def _transfer(self, rest: str) -> str:
        what, _, annex = rest.partition(":read:")
        name, _, span = annex.partition(":")
        if (what, name) == ("features", "target.xml"):
            contents = registers.description()
        elif (what, name) == ("memory-map", ""):
            contents = memory_map.of(self.held)
        else:
            return "E00"
        begin, size = _span(span)
        return ("l" if begin + size >= len(contents) else "m") + contents[begin : begin + size]

    def _monitor(self, text: str) -> str:
        words = bytes.fromhex(text).decode("utf-8", "replace").split()
        answer = monitor.answer(self, words)
        return answer.encode().hex() if answer else "OK"

    def _set(self, text: str) -> str:
        return "OK" if text in ("StartNoAckMode",) else ""

    def _thread(self, text: str) -> str:
        if text[1:] in ("0", "-1"):  # any, or all
            return "OK"
        core = threads.core(text[1:], self.held.core_count)
        if core is None or text[:1] not in ("g", "c"):
            return _ERROR
        if text[0] == "g":
            self.held.core = core
        else:
            self._moves = core
        return "OK"

    def _is_alive(self, text: str) -> str:
        return _ERROR if threads.core(text, self.held.core_count) is None else "OK"

    _LETTERS: ClassVar[dict[str, Callable[[Session, str], str | None]]] = {
        "?": _reason,
        "c": _continue,
        "C": _continue_signalled,
        "s": _step,
        "S": _step_signalled,
        "b": _backwards,
        "v": _verbose,
        "k": _kill,
        "D": _detach,
        "g": _read_registers,
        "G": _write_registers,
        "p": _read_register,
        "P": _set_register,
        "m": _read_memory,
        "M": _write_memory,
        "X": _write_binary,
        "Z": _insert,
        "z": _remove,
        "q": _query,
        "Q": _set,
        "H": _thread,
        "T": _is_alive,
    }


def _of(core: int, act: Callable[[Held], _Answer]) -> Callable[[Held], _Answer]:
    """The same, done to a core."""

    def of_core(held: Held) -> _Answer:
        held.core = core
        return act(held)

    return of_core


def _word(value: int) -> str:
    return (value & 0xFFFFFFFF).to_bytes(4, "little").hex()


def _span(text: str) -> tuple[int, int]:
    begin, _, size = text.partition(",")
    return int(begin, 16) & 0xFFFFFFFF, int(size, 16)


def _point(text: str) -> tuple[int, int, int]:
    kind, address, size = text.partition(";")[0].split(",")
    return int(kind, 16), int(address, 16) & 0xFFFFFFFF, int(size, 16)
