"""An RP2040 whose cores run the programs of tests/reference/two_cores.py, without a boot ROM and without devices."""

from __future__ import annotations

from typing import Any

from firmware_runs import load
from reference.exception_programs import RAM, RAM_SIZE
from reference.two_cores import FLASH, STACKS, Programs

from m0sim.chip.engine.cores import Cores
from m0sim.chip.engine.emulator import Emulator
from m0sim.chip.engine.interpreter import Interpreter
from m0sim.chip.engine.points import Moment, Points
from m0sim.chip.engine.processor import Processor
from m0sim.chip.engine.start import Start
from m0sim.chip.native.layout import Stop
from m0sim.image import load_raw


class TwoCoreChip:
    """Both cores at the beginning of their programs; a run that a debugger can hold, which ends at a cycle."""

    def __init__(self, programs: Programs, quantum: int = 1, flash: Any = "ideal", limit: int = 1 << 40) -> None:
        self.emulator = Emulator(load("rp2040"), load_raw(programs.code, FLASH), 1024)
        self.first = Processor(self.emulator, Interpreter(self.emulator), flash=flash)
        self.cores = Cores(self.emulator, self.first, quantum=quantum, flash=flash)
        self.first.reset(STACKS[0], programs.entries[0], programs.tables[0])
        self.cores.begin(Start(programs.entries[1], STACKS[1], programs.tables[1], ""))
        self.emulator.counters.core.port.sio.inbox.count = 0  # the ROM's answer: no ROM is here
        self.first.set_line(15, False)
        self.first.set_line(16, False)
        self.cores.restart_second()
        assert self.cores.second is not None
        self.second = self.cores.second
        self.second.core.system.vtor = programs.tables[1]
        self.points, self._limit = Points(), limit

    # -- a run that can be held

    def slice_until(self, moment: Moment) -> None:
        stop = self.cores.run(min(self._limit, moment.before(0)), limit_of_second=min(self._limit, moment.before(1)))
        running = self.cores.running
        if stop is Stop.WATCHED:
            if not self.points.stops(running.number, running.pc, running.now):
                running.pass_watched()
        elif stop is Stop.GUARD:
            self.points.at_guard = running.number
        else:
            assert stop is Stop.LIMIT

    def place_points(self) -> None:
        self.cores.watch(self.points.addresses, self.points.watchpoints)

    def over(self) -> str | None:
        return "the limit" if self.cores.now >= self._limit else None

    # -- what can be seen

    def seen(self) -> list[dict[str, Any]]:
        """Of each core: registers, time, memory, and how often each instruction ran."""
        bank = next(bank for bank in self.emulator.space.banks if bank.base == RAM)
        found = []
        for core in (self.first, self.second):
            runs: dict[int, int] = {}
            for row in core.executed():
                runs[int(row["address"])] = runs.get(int(row["address"]), 0) + int(row["executions"])
            found.append(
                {"r": list(core.registers[:8]), "pc": core.pc, "now": core.now, "slept": core.sleep_cycles,
                 "ipsr": core.exception, "ram": bytes(bank.data[:RAM_SIZE]),
                 "runs": {at: n for at, n in runs.items() if n}}
            )  # fmt: skip
        return found
