"""Bare programs on the `Processor`: images with vector tables of their own, run from reset without any device."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from m0sim.chip import device
from m0sim.chip.engine.emulator import Emulator
from m0sim.chip.engine.interpreter import Interpreter
from m0sim.chip.engine.processor import Processor
from m0sim.chip.native.layout import Stop
from m0sim.image import Image, Symbol, load_elf, load_raw

LOG = 0x20010000
FORMS = ("fast", "simple")


@dataclass(frozen=True)
class Bare:
    """A program and the processor that runs it."""

    emulator: Emulator
    processor: Processor

    def word(self, address: int) -> int:
        view = self.emulator.space.view(address, 4)
        assert view is not None
        return int(view.view(np.uint32)[0])

    def words(self, address: int, count: int) -> list[int]:
        return [self.word(address + 4 * i) for i in range(count)]

    def log(self) -> list[int]:
        """What the program wrote where r7 points to."""
        return self.words(LOG, (self.processor.registers[7] - LOG) // 4)

    def run(self, limit: int = 1_000_000, slice_cycles: int | None = None) -> Stop:
        """Run to the first stop that is no slice's end."""
        while True:
            until = limit if slice_cycles is None else min(limit, self.processor.now + slice_cycles)
            stop = self.processor.run(until)
            if stop is not Stop.LIMIT or self.processor.now >= limit:
                return stop


@cache
def _image(elf: Path) -> Image:
    return load_elf(elf)


def bare(image: Image, vectors: int, *, profile: str = "rp2040", form: str = "fast", **options: Any) -> Bare:
    """A program that was reset: SP and PC come from its vector table."""
    emulator = Emulator(device.load(profile), image, 1024)
    processor = Processor(emulator, Interpreter(emulator), is_simple=form == "simple", **options)
    made = Bare(emulator, processor)
    processor.reset(made.word(vectors), made.word(vectors + 4), vectors)
    return made


def of_elf(elf: Path, name: str, **options: Any) -> Bare:
    """The program whose vector table is at the symbol `NAME_vectors`."""
    image = _image(elf)
    return bare(image, next(s.address for s in image.symbols if s.name == f"{name}_vectors"), **options)


def of_code(code: bytes, base: int, symbols: tuple[Symbol, ...] = (), **options: Any) -> Bare:
    """A program that begins with its vector table."""
    return bare(replace(load_raw(code, base), symbols=symbols), base, **options)
