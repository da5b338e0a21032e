"""What can be seen, and changed, of a run that stands still: of one of its cores, and of its memory."""

from __future__ import annotations

import ctypes
from typing import Protocol

from m0sim.chip.banks import windows
from m0sim.chip.engine.cores import Cores, OneCore
from m0sim.chip.engine.emulator import Emulator
from m0sim.chip.engine.points import Moment, Points
from m0sim.chip.engine.processor import Processor
from m0sim.chip.engine.run_counts import RunCounts, after, counted
from m0sim.chip.engine.start import Start
from m0sim.chip.native.library import CORE

_ANSWERED = 1  # of m0_access_for_debugger


class Run(Protocol):
    """What a run offers to be held."""

    points: Points

    @property
    def cores(self) -> Cores | OneCore:
        """What it runs on."""

    def slice_until(self, moment: Moment) -> None:
        """Run until something happens, to that moment at the latest, and deal with it."""

    def place_points(self) -> None:
        """`points` has other addresses and watchpoints now."""

    def over(self) -> str | None:
        """How it ended, for a person; None as long as it goes on."""

    def is_interrupted(self) -> bool:
        """Whether Ctrl-C came."""

    def end_by_debugger(self) -> None:
        """End it here."""

    def load(self, address: int, size: int) -> int | None:
        """What a device gives; None where there is none."""

    def store(self, address: int, value: int, size: int) -> bool:
        """Store to a device; False where there is none."""

    def seconds(self) -> float:
        """Simulated time since it began."""


class Standing:
    """A run that stands still. Addresses and values are plain integers.

    What asks for one core asks for `core`, the one that is looked at: after a stop, that which stopped.
    """

    def __init__(self, run: Run, chip: Emulator) -> None:
        self._run, self._chip, self._cores = run, chip, run.cores
        self.core = 0
        self._marks: list[RunCounts | None] = [None, None]
        self.mark()

    # -- where it is

    @property
    def core_count(self) -> int:
        """How many cores there are, those among them that are not there yet."""
        return 2 if self._cores.has_two else 1

    @property
    def is_there(self) -> bool:
        """Whether the core runs its program, or sleeps in it: core 1 does not while it waits in the boot ROM."""
        return self._present(self.core) is not None

    @property
    def now(self) -> int:
        """Cycles since it began, sleep included: those that the core has come to."""
        return self._processor.now

    @property
    def seconds(self) -> float:
        return self._run.seconds()

    @property
    def pc(self) -> int:
        return self._processor.pc if self.is_there else self.registers()["pc"]

    @property
    def exception(self) -> int:
        """Number of the exception that executes, 0 in Thread mode."""
        return self._processor.exception

    @property
    def is_asleep(self) -> bool:
        return self._processor.is_asleep

    @property
    def is_held_in_reset(self) -> bool:
        """Whether the core is, as core 1 of an RP2040 can be."""
        return self.core == 1 and self._cores.is_held

    def place(self, address: int) -> str:
        """``function+offset`` and the source line, for a person."""
        function, entry = self._chip.counters.functions.around(address)
        source = self._chip.image.source_line(address)
        name = function if address == entry else f"{function}+{address - entry:#x}"
        return name + (f" ({source[0]}:{source[1]})" if source else "")

    def _present(self, core: int) -> Processor | None:
        present = self._cores.present()
        return present[core] if core < len(present) else None

    @property
    def _processor(self) -> Processor:
        """The core; core 0 in place of one that is not there: its cycles are those of both."""
        return self._present(self.core) or self._cores.first

    # -- registers

    def registers(self) -> dict[str, int]:
        """By name: r0 to r12, sp, lr, pc, xpsr, msp, psp, primask and control.

        A core 1 that waits in the boot ROM executes that when somebody sends it something: until then it stands where
        its reset puts it.
        """
        if not self.is_there and self._cores.rom is not None:
            return self._after_reset(self._cores.rom)
        timed = self._processor.core.timed
        found = {f"r{number}": int(timed.r[number]) for number in range(13)}
        uses_psp = bool(timed.control & 2)
        sp, other = int(timed.r[13]), int(timed.other_sp)
        thumb = 1 << 24
        return found | {
            "sp": sp,
            "lr": int(timed.r[14]),
            "pc": self.pc,
            "xpsr": self._processor.interpreter.flags() | thumb | self.exception,
            "msp": other if uses_psp else sp,
            "psp": sp if uses_psp else other,
            "primask": int(timed.primask),
            "control": int(timed.control),
        }

    @staticmethod
    def _after_reset(rom: Start) -> dict[str, int]:
        found = {f"r{number}": 0 for number in range(13)} | {"sp": rom.sp, "lr": 0xFFFFFFFF, "pc": rom.pc & ~1}
        return found | {"xpsr": 1 << 24, "msp": rom.sp, "psp": 0, "primask": 0, "control": 0}

    def set_register(self, name: str, value: int) -> bool:
        """False for a register that cannot be set so: CONTROL, the exception number; any of a core not `is_there`."""
        if not self.is_there:
            return False
        timed = self._processor.core.timed
        uses_psp = bool(timed.control & 2)
        if name[0] == "r":
            timed.r[int(name[1:])] = value
        elif name in ("sp", "msp", "psp") and (name == "sp" or (name == "psp") == uses_psp):
            timed.r[13] = value & ~3
        elif name in ("msp", "psp"):
            timed.other_sp = value & ~3
        elif name == "lr":
            timed.r[14] = value
        elif name == "pc":
            timed.pc = value & ~1
        elif name == "xpsr":
            timed.n, timed.z = value & 1 << 31, not value >> 30 & 1
            timed.c, timed.v = value >> 29 & 1, (value >> 28 & 1) << 31
        elif name == "primask":
            timed.primask = value & 1
            self._processor.core.system.attention = 1
        else:
            return False
        return True

    # -- memory

    def is_memory(self, address: int) -> bool:
        """Whether reading there has no effect."""
        return self._chip.space.view(address, 1) is not None

    def read(self, address: int, size: int) -> bytes:
        """Bytes from memory, or of registers of a device, whose loads are made. Shorter where nothing is there."""
        view = self._chip.space.view(address, size)
        if view is not None:
            return view.tobytes()
        if size in (1, 2, 4) and not address % size and self._chip.space.view(address, 1) is None:
            value = ctypes.c_uint32(0)
            answer = self._access(address, size, False, value)
            given = value.value if answer == _ANSWERED else None
            given = self._run.load(address, size) if answer == 0 else given
            return b"" if given is None else given.to_bytes(4, "little")[:size]
        found = bytearray()
        if not (address | size) % 4 and self._chip.space.view(address, 1) is None:
            while len(found) < size and (word := self.read(address + len(found), 4)):
                found += word
            return bytes(found)
        while len(found) < size and (byte := self._chip.space.view(address + len(found), 1)) is not None:
            found += byte.tobytes()
        return bytes(found)

    def write(self, address: int, data: bytes) -> bool:
        """The same, written; flash too. False where nothing is there."""
        view = self._chip.space.view(address, len(data))
        if view is not None:
            view[:] = list(data)
            self._cores.forget_code()
            return True
        if len(data) not in (1, 2, 4) or address % len(data):
            return False
        value = ctypes.c_uint32(int.from_bytes(data, "little"))
        answer = self._access(address, len(data), True, value)
        return answer == _ANSWERED or (answer == 0 and self._run.store(address, value.value, len(data)))

    def regions(self) -> list[tuple[str, int, int]]:
        """Memory by address, aliases among it: kind (sram, flash, rom), begin and end. No two meet."""
        device, found = self._chip.device, []
        for bank in self._chip.space.banks:
            found += [(bank.kind, begin, begin + size) for begin, _, size in windows(bank, device)]
        regions: list[tuple[str, int, int]] = []
        for kind, begin, end in sorted(found, key=lambda each: each[1:]):
            begin = max(begin, regions[-1][2]) if regions else begin
            if begin < end:
                regions.append((kind, begin, end))
        return regions

    def _access(self, address: int, size: int, is_store: bool, value: ctypes.c_uint32) -> int:
        table = self._processor.address
        return int(CORE.m0_access_for_debugger(table, address, size, is_store, ctypes.byref(value)))

    # -- what it cost

    def mark(self) -> None:
        """What `since_mark` counts begins here, on all cores."""
        self._marks[0] = counted(self._cores.first, ended=False)
        self._marks[1] = None
        self._cores.settle()
        self._cores.mark_second(self._mark_second, "debugger")

    def _mark_second(self, second: Processor) -> None:
        self._marks[1] = counted(second, ended=False)

    def since_mark(self) -> RunCounts | None:
        """What the core did since `mark`; None where it never left the boot ROM."""
        self._cores.settle()
        processor = self._cores.first if self.core == 0 else self._cores.second
        if processor is None:
            return None
        counts, mark = counted(processor, ended=True), self._marks[self.core]
        return counts if mark is None else after(counts, mark)
