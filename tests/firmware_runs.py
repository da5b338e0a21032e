"""One program on m0sim's Processor and on the slow core, and all that can be seen of it."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

from reference import exception_programs as programs
from reference.exception_programs import Image
from reference.slow_core import Choices, Core, LineEvent, Region
from reference.slow_system import IRQ0

from m0sim.chip import device, timing
from m0sim.chip.engine.emulator import Emulator
from m0sim.chip.engine.interpreter import Interpreter
from m0sim.chip.engine.processor import Processor
from m0sim.chip.native.layout import Stop
from m0sim.image import load_raw

Log = tuple[int, ...]
Seen = dict[str, Any]
POISON = b"\xde"
"""What m0sim has where nothing was written."""
load = cache(device.load)


def choices_of(profile: str) -> Choices:
    """The cycles of exceptions that m0sim has for the part: what the manuals leave open, see `Choices`."""
    cycles = timing.exception_timing(load(profile))
    return Choices(entry=cycles.entry, exit=cycles.leaving, tail_chain=cycles.tail_chain, late=cycles.saving)


def slow_core(image: Image, entry: int, profile: str, lines: Sequence[LineEvent] = (), kind: type[Core] = Core) -> Core:
    part = load(profile)
    regions = [
        Region(part.flash.base, bytearray(image.code), False),
        Region(programs.RAM, bytearray(POISON * programs.RAM_SIZE)),
    ]
    core = kind(regions, choices_of(profile), part.core, part.multiplier_cycles, list(lines))
    core.reset(programs.MAIN_STACK, entry, part.flash.base)
    return core


def processor(image: Image, entry: int, profile: str, *, is_simple: bool = False) -> tuple[Processor, Emulator]:
    part = load(profile)
    emulator = Emulator(part, load_raw(image.code, part.flash.base), 1024)
    made = Processor(emulator, Interpreter(emulator), is_simple=is_simple)
    made.reset(programs.MAIN_STACK, entry, part.flash.base)
    return made, emulator


def run_processor(
    made: Processor, limit: int, lines: Sequence[LineEvent] = (), cuts: Iterator[int] | None = None
) -> Stop:
    """Run to `limit`, to where semihosting is asked for something, or to an end; `cuts`: cycles of each slice."""
    waiting = list(lines)
    made.wake_at(waiting[0].cycle if waiting else None)
    while True:
        until = limit if cuts is None else min(limit, made.now + next(cuts))
        stop = made.run(until)
        if stop is Stop.DUE:
            while waiting and waiting[0].cycle <= made.now:
                event = waiting.pop(0)
                made.set_line(event.irq, event.level)
            made.wake_at(waiting[0].cycle if waiting else None)
        elif stop is Stop.ACCESS:
            made.refuse()
        elif stop is not Stop.LIMIT or made.now >= limit:
            return stop


def ram_of(emulator: Emulator) -> bytes:
    bank = next(bank for bank in emulator.space.banks if bank.base <= programs.RAM < bank.base + len(bank.data))
    return bytes(bank.data[: programs.RAM_SIZE])


def logs(written: bytes) -> Iterator[Log]:
    """Of each program what it logged, from what semihosting was asked to write."""
    words = struct.unpack(f"<{len(written) // 4}I", written)
    while words:
        size = words[0] // 4 + 1
        yield words[1:size]
        words = words[size:]


def log_in(ram: bytes, block: int) -> Log:
    """What semihosting is asked to write: `block` is its r1."""
    _, address, size = struct.unpack_from("<3I", ram, block - programs.RAM)
    (log,) = logs(ram[address - programs.RAM :][:size])
    return log


# -- everything


def seen_of_core(core: Core) -> Seen:
    counted = Counter(taken.number for taken in core.taken)
    known = [taken for taken in core.taken if taken.number < IRQ0]
    return {
        "registers": (*core.r[:13], core.get(13), core.r[14]),
        "pc": core.r[15],
        "flags": core.apsr,
        "ipsr": core.ipsr,
        "primask": core.system.primask,
        "control": core.spsel << 1 | core.npriv,
        "psp": core.stacks[1],
        "msp": core.stacks[0],
        "cycles": core.now,
        "slept": core.slept,
        "abandoned": core.abandoned,
        "executed": +core.executed,
        "pending": sum(1 << number for number in core.system.pending),
        "active": sum(1 << number for number in core.system.active),
        "entries": dict(counted),
        "tail-chained": dict(Counter(taken.number for taken in core.taken if taken.tail_chained)),
        "late": dict(Counter(taken.number for taken in core.taken if taken.late)),
        "latencies": {
            number: (min(found), sum(found), max(found))
            for number in {taken.number for taken in known}
            if (found := [taken.latency for taken in known if taken.number == number])
        },
        "ram": bytes(core.regions[1].content),
    }


def seen_of_processor(made: Processor, emulator: Emulator) -> Seen:
    core, rows = emulator.counters.core, made.exceptions
    system, timed = core.system, core.timed
    uses_psp = bool(timed.control & 2)
    mine, other = timed.r[13], timed.other_sp
    numbers = [number for number in range(48) if rows["entries"][number]]
    return {
        "registers": made.registers,
        "pc": made.pc,
        "flags": _flags(timed),
        "ipsr": made.exception,
        "primask": timed.primask,
        "control": timed.control,
        "psp": mine if uses_psp else other,
        "msp": other if uses_psp else mine,
        "cycles": made.now,
        "slept": made.sleep_cycles,
        "abandoned": made.abandoned[0],
        "executed": _executed(made),
        "pending": system.pending,
        "active": system.active,
        "entries": {number: int(rows["entries"][number]) for number in numbers},
        "tail-chained": {n: int(rows["tail_chained"][n]) for n in numbers if rows["tail_chained"][n]},
        "late": {n: int(rows["late"][n]) for n in numbers if rows["late"][n]},
        "latencies": {
            n: tuple(int(rows[f"latency_{which}"][n]) for which in ("min", "sum", "max")) for n in numbers if n < IRQ0
        },
        "ram": ram_of(emulator),
    }


def _executed(made: Processor) -> Counter[int]:
    found: Counter[int] = Counter()
    for row in made.executed():
        found[int(row["address"])] += int(row["executions"])
    return +found


def _flags(timed: Any) -> int:
    return timed.n & 1 << 31 | (timed.z == 0) << 30 | timed.c << 29 | (timed.v >> 31) << 28


def different(expected: Seen, found: Seen) -> dict[str, tuple[Any, Any]]:
    """What differs; of memory, the first word that does."""
    pairs = {name: (expected[name], found[name]) for name in expected if expected[name] != found[name]}
    if "ram" in pairs:
        words = [struct.unpack(f"<{len(ram) // 4}I", ram) for ram in pairs["ram"]]
        place = next(place for place, (a, b) in enumerate(zip(*words, strict=True)) if a != b)
        pairs["ram"] = tuple((hex(programs.RAM + 4 * place), [hex(w) for w in ram[place : place + 6]]) for ram in words)
    return pairs
