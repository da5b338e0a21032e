"""The cores as GDB sees them: threads, which it counts from 1 (GDB manual, E.7: thread-id syntax)."""

from __future__ import annotations

from m0sim.chip.engine.held import Held


def name(core: int) -> str:
    """The thread of a core."""
    return f"{core + 1:x}"


def core(text: str, count: int) -> int | None:
    """The core that a thread is; None where it is none of `count` cores. Raises ValueError."""
    number = int(text, 16) - 1
    return number if 0 <= number < count else None


def described(held: Held, number: int) -> str:
    """What a core does, in a few words: ``info threads`` shows them."""
    before, held.core = held.core, number
    try:
        return f"core {number}{_state(held)}"
    finally:
        held.core = before


def _state(held: Held) -> str:
    if held.is_held_in_reset:
        return ": held in reset"
    if not held.is_there:
        return ": waits in the boot ROM for its launch"
    where = f": exception {held.exception}" if held.exception else ""
    return f"{where}, asleep" if held.is_asleep and where else ": asleep" if held.is_asleep else where


def actions(text: str, count: int) -> dict[int, str]:
    """Of the actions of a ``vCont`` packet, the one of each core: c or s. A core without one is to stand still.

    The leftmost that fits holds (GDB manual, E.2). Raises ValueError.
    """
    found: dict[int, str] = {}
    for each in text.split(";"):
        action, _, thread = each.partition(":")
        kind = action[:1].lower()
        if kind not in ("c", "s"):
            raise ValueError(f"no such action: {each!r}")
        which = range(count) if thread in ("", "-1") else [core(thread, count)]
        for number in which:
            if number is not None:
                found.setdefault(number, kind)
    return found
