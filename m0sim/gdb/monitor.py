"""``monitor`` commands: what a debugger of a real chip cannot tell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from m0sim.chip.results.calls import functions
from m0sim.chip.results.instructions import instruction_table, totals
from m0sim.errors import did_you_mean
from m0sim.gdb.history import Way
from m0sim.names import printable

if TYPE_CHECKING:
    from m0sim.gdb.session import Session

_HELP = """\
monitor cycles         cycles so far, and since the program last went on
monitor cost           what ran since the last continue, or since monitor mark: by function
monitor mark           have monitor cost count from here on
monitor trace on|off   show the cycles of each step and continue as it stops
monitor faults on|off  stop where a HardFault comes, before its handler (on)
monitor reset          begin anew; GDB sees it after: maintenance flush register-cache
"""
_MOST_FUNCTIONS = 20
_SWITCHES = {"on": True, "off": False}


def answer(session: Session, words: list[str]) -> str:
    """The text for GDB's console. Raises `Rewind` for a reset."""
    match words:
        case ["cycles"]:
            return _cycles(session)
        case ["cost"]:
            return _cost(session)
        case ["mark"]:
            session.held.mark()
            return f"counting from cycle {session.held.now:,}\n"
        case ["trace", switch] if switch in _SWITCHES:
            session.traces = _SWITCHES[switch]
        case ["faults", switch] if switch in _SWITCHES:
            session.stops_at_faults = session.held.stops_at_faults = _SWITCHES[switch]
        case ["reset", *_]:
            session.history.rewind(Way.RESET)
        case ["help"] | []:
            return _HELP
        case [name, *_]:
            known = ("cycles", "cost", "mark", "trace", "faults", "reset", "help")
            return f"no such command: {printable(name)}{did_you_mean(name, known)}\n{_HELP}"
    return ""


def _cycles(session: Session) -> str:
    held = session.held
    where = f"at {printable(held.place(held.pc))}" if held.is_there else "in the boot ROM"
    core = f"core {held.core}: " if held.core_count > 1 else ""
    return (
        f"{core}{held.now:,} cycles, {held.now - session.last_stop:,} since the program last went on; "
        f"{held.seconds * 1e3:.6g} ms; {where}\n"
    )


def _cost(session: Session) -> str:
    held = session.held
    done = held.since_mark()
    if done is None:
        return f"core {held.core} has not left the boot ROM yet\n"
    table = instruction_table(done.counts)
    sums = totals(table)
    lines = [f"core          {held.core:>14}"] if held.core_count > 1 else []
    lines += [
        f"cycles        {done.counts.cycles:>14,}",
        f"instructions  {sums.instructions:>14,}",
        f"loads         {sums.loads:>14,}   {sums.bytes_loaded:,} bytes",
        f"stores        {sums.stores:>14,}   {sums.bytes_stored:,} bytes",
    ]
    if done.sleep_cycles:
        lines.append(f"asleep        {done.sleep_cycles:>14,}")
    if done.overhead_cycles:
        lines.append(f"exceptions    {done.overhead_cycles:>14,}   entering them and returning: no function has those")
    ran = sorted(functions(done.counts, table).values(), key=lambda each: -each.self_cycles)
    ran = [each for each in ran if each.self_cycles]
    lines += ["", "   self cycles   function"]
    lines += [f"{each.self_cycles:>14,}   {printable(each.name)}" for each in ran[:_MOST_FUNCTIONS]]
    if len(ran) > _MOST_FUNCTIONS:
        rest = sum(each.self_cycles for each in ran[_MOST_FUNCTIONS:])
        lines.append(f"{rest:>14,}   in {len(ran) - _MOST_FUNCTIONS} more")
    return "\n".join(lines) + "\n"
