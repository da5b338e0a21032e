"""The chip's memories for masters beside the processor: their bytes, and what follows when these change."""

from __future__ import annotations

from collections.abc import Callable

from m0sim.chip.banks import windows
from m0sim.chip.devices.memories import Memory
from m0sim.chip.engine.emulator import Emulator
from m0sim.chip.engine.interpreter import Interpreter
from m0sim.chip.native.library import CORE
from m0sim.chip.pages import PAGE

_LINE = 64
_LINES = PAGE // _LINE


class Memories:
    """Those of one run, at all of their addresses."""

    def __init__(self, chip: Emulator, interpreter: Interpreter, forget_code: Callable[[], None]) -> None:
        """`forget_code` is called when bytes of code have changed."""
        self._interpreter, self._forget_code = interpreter, forget_code
        self._tables = chip.counters.tables
        self._slots = chip.counters.pages.slots
        self.hits = self.misses = 0
        """Words that other masters read from flash through its cache, and those that were not in it."""
        self._all = []
        waits = interpreter.lets_flash_wait
        for bank in chip.space.banks:
            for base, offset, size in windows(bank, chip.device):
                data = bank.data[offset : offset + size]
                self._all.append(Memory(base, size, data, bank.kind == "sram", waits and bank.kind == "flash"))
        self._newest = self._all[0]

    def at(self, address: int) -> Memory | None:
        """The memory behind an address."""
        newest = self._newest
        if newest.base <= address < newest.end:
            return newest
        for memory in self._all:
            if memory.base <= address < memory.end:
                self._newest = memory
                return memory
        return None

    def changed(self, begin: int, end: int) -> None:
        """Bytes of one memory changed: decode afresh what was decoded, if it was there."""
        first = int(self._slots[begin // PAGE]) * _LINES + begin % PAGE // _LINE
        lines = self._tables["code_lines"][first : first + (end - 1) // _LINE - begin // _LINE + 1]
        if lines.any():
            self._forget_code()

    def read_stall(self, address: int) -> int:
        """Cycles that a read of flash takes more than one. It goes through the cache, but is none of the core's."""
        cache = self._interpreter.cache
        if cache is None:
            return int(CORE.m0_read_stall(self._tables.address, address))
        hits, code, data = cache.hits, cache.code_misses, cache.data_misses
        stall = int(CORE.m0_read_stall(self._tables.address, address))
        self.hits += cache.hits - hits
        self.misses += cache.data_misses - data
        cache.set_counts(hits, code, data)
        return stall
