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
monitor cost [CORE]    what ran since the last continue, or since monitor mark: by function
monitor mark           have monitor cost count from here on
monitor trace on|off   show the cycles of each step and continue as it stops
monitor faults on|off  stop where a HardFault comes, before its handler (on)
monitor reset          begin anew; GDB sees it after: maintenance flush register-cache
"""
_MOST_FUNCTIONS = 20
_SWITCHES = {"on": True, "off": False}
_KNOWN = ("cycles", "cost", "mark", "trace", "faults", "reset", "help")
_OF_PROBES = {
    **dict.fromkeys(("halt", "stop"), "it stands still already: GDB asks only while it does"),
    **dict.fromkeys(("resume", "go", "run", "step"), "GDB goes on: continue, stepi"),
    **dict.fromkeys(("reg", "regs"), "GDB shows registers: info registers"),
    **dict.fromkeys(("mdw", "mdh", "mdb", "mww", "mwh", "mwb"), "GDB reads and writes memory: x/4xw ADDRESS, set var"),
    **dict.fromkeys(("bp", "rbp", "wp", "clrbp"), "GDB has breakpoints, without limit: break, watch, delete"),
    **dict.fromkeys(("arm", "semihosting", "rtos"), "semihosting is always answered; both cores are always threads"),
    **dict.fromkeys(("flash", "program", "erase", "load"), "the image is in flash from the beginning"),
    **dict.fromkeys(("shutdown", "exit", "quit"), "GDB ends it, with its report: kill"),
    **dict.fromkeys(
        ("init", "speed", "adapter", "gdb_sync", "poll", "targets", "endian"), "nothing to do: no probe is here"
    ),
}
"""What people, and IDEs, type that know OpenOCD, pyOCD and J-Link."""


def answer(session: Session, words: list[str]) -> str:
    """The text for GDB's console. Raises `Rewind` for a reset."""
    match [word.lower() for word in words]:
        case ["cycles"]:
            return _cycles(session)
        case ["cost"]:
            return _cost(session, session.held.core)
        case ["cost", *core] if core[-1].removeprefix("core") in ("0", "1"):
            return _cost(session, int(core[-1][-1]))
        case ["mark"]:
            session.held.mark()
            return f"counting from cycle {session.held.now:,}\n"
        case ["trace", switch] if switch in _SWITCHES:
            session.traces = _SWITCHES[switch]
            return ""
        case ["faults", switch] if switch in _SWITCHES:
            session.stops_at_faults = session.held.stops_at_faults = _SWITCHES[switch]
            return ""
        case ["reset", *_]:
            session.history.rewind(Way.RESET)
        case ["help"] | []:
            return _HELP
        case [name, *_] if name in _OF_PROBES:
            return f"{_OF_PROBES[name]}\n"
        case [name, *_] if name in _KNOWN:
            return _usage(name)
        case [name, *_]:
            return f"no such command: {printable(name)}{did_you_mean(name, _KNOWN)}\n{_HELP}"
    return ""


def _usage(name: str) -> str:
    return next((f"{line}\n" for line in _HELP.splitlines() if line.split()[1] == name), _HELP)


def _cycles(session: Session) -> str:
    held = session.held
    where = f"at {printable(held.place(held.pc))}" if held.is_there else "in the boot ROM"
    core = f"core {held.core}: " if held.core_count > 1 else ""
    return (
        f"{core}{held.now:,} cycles, {held.now - session.last_stop:,} since the program last went on; "
        f"{held.seconds * 1e3:.6g} ms; {where}\n"
    )


def _cost(session: Session, core: int) -> str:
    held, looked_at = session.held, session.held.core
    if core >= held.core_count:
        return f"there is no core {core}\n"
    held.core = core
    done = held.since_mark()
    held.core = looked_at
    if done is None:
        return f"core {core} has not left the boot ROM yet\n"
    table = instruction_table(done.counts)
    sums = totals(table)
    lines = [f"core          {core:>14}"] if held.core_count > 1 else []
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
