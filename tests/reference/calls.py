"""Who called whom, from the path that the reference accountant recorded: entries and inclusive cycles of functions."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from .accountant import Trace, priced_rows

RETURNS = {"BX Rm", "POP {PC}", "MOV PC,Rm"}


Path = tuple[tuple[int, str], ...]
"""A calling context from the root inwards: the call's address (0 for the root) and the function that it entered."""


@dataclass(frozen=True)
class Frame:
    function: str
    returns_to: int
    started: int
    """Cycles when it was entered."""
    path: Path
    is_tail: bool = False
    """Entered by a branch: it returns where the frame below it does."""


@dataclass(frozen=True)
class Span:
    """One function's place in the code."""

    name: str
    start: int
    end: int


def function_at(spans: list[Span], address: int) -> str:
    return next((span.name for span in spans if span.start <= address < span.end), "")


def folded(path: Path, call_address: int, function: str) -> Path:
    """The context of a call: one step further in, or out to where its function already is."""
    depths = [depth for depth, (_, name) in enumerate(path, start=1) if name == function]
    return path[: depths[0]] if depths else (*path, (call_address, function))


class Shadow:
    """The call stack as the path shows it.

    A branch to the start of another function is a tail call: a frame of its own, which ends where its caller's ends.
    A call's own instruction belongs to the caller. Of a function's frames, the outermost counts as inclusive.
    """

    def __init__(self, entry: str) -> None:
        self.frames: list[Frame] = []
        self.entries, self.own, self.inclusive = Counter[str](), Counter[str](), Counter[str]()
        self.path_entries, self.path_own = Counter[Path](), Counter[Path]()
        self.clock = 0
        self.enter(entry, -1, 0)

    def enter(self, function: str, returns_to: int, call_address: int, is_tail: bool = False) -> None:
        path = folded(self.frames[-1].path if self.frames else (), call_address, function)
        self.frames.append(Frame(function, returns_to, self.clock, path, is_tail))
        self.entries[function] += 1
        self.path_entries[path] += 1

    def spend(self, function: str, cycles: int) -> None:
        self.clock += cycles
        self.own[function] += cycles
        self.path_own[self.frames[-1].path] += cycles

    def leave(self) -> None:
        """The top frame and, as long as it was a tail call, the one below it."""
        is_tail = True
        while is_tail:
            frame = self.frames.pop()
            is_tail = frame.is_tail
            if all(outer.function != frame.function for outer in self.frames):
                self.inclusive[frame.function] += self.clock - frame.started


def follow(run: Trace, spans: list[Span], core: str, multiplier: int) -> Shadow:
    """The call stack of a whole run."""
    table = priced_rows(core, multiplier)
    starts = {span.start: span.name for span in spans}
    shadow = Shadow(starts[run.path[0][0]])
    following = [address for address, _ in run.path[1:]] + [-1]
    for (address, taken), after in zip(run.path, following, strict=True):
        found = run.instructions[address]
        here = function_at(spans, address)
        shadow.spend(here, table["Bcc taken"] if taken else table[found.row] + found.registers)
        if found.row in ("BL label", "BLX Rm"):
            shadow.enter(starts[after], address + (4 if found.row == "BL label" else 2), address)
        elif found.row in RETURNS and after == shadow.frames[-1].returns_to:
            shadow.leave()
        elif starts.get(after, here) != here:
            shadow.enter(starts[after], shadow.frames[-1].returns_to, address, is_tail=True)
    return shadow


def attribute(run: Trace, spans: list[Span], core: str, multiplier: int) -> dict[str, tuple[int, int, int]]:
    """By function: entries, self cycles, inclusive cycles."""
    shadow = follow(run, spans, core, multiplier)
    return {name: (times, shadow.own[name], shadow.inclusive[name]) for name, times in shadow.entries.items()}


def call_tree(run: Trace, spans: list[Span], core: str, multiplier: int) -> dict[Path, tuple[int, int, int]]:
    """By calling context: entries, self cycles, and the self cycles of all contexts that begin with it."""
    shadow = follow(run, spans, core, multiplier)
    own = shadow.path_own
    inclusive = {
        path: sum(cycles for other, cycles in own.items() if other[: len(path)] == path) for path in shadow.path_entries
    }
    return {path: (times, own[path], inclusive[path]) for path, times in shadow.path_entries.items()}
