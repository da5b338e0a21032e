"""The bounds of an image: what other rooms ask for."""

from __future__ import annotations

from collections.abc import Callable

from m0sim.bounds import vectors
from m0sim.bounds.annotations import Annotations
from m0sim.bounds.code import CodeReader
from m0sim.bounds.cycles import CycleBound, Cycles
from m0sim.bounds.flow import looks_at_return
from m0sim.bounds.program import Program
from m0sim.bounds.stack import Bound, Stacks
from m0sim.bounds.vectors import Handler, Interrupts
from m0sim.chip.device import Device
from m0sim.chip.results.handlers import exception_name
from m0sim.chip.timing import timing
from m0sim.errors import UsageError
from m0sim.image import Image


class Analysis:
    """Bounds of the functions of one image on one part, with what a person says of it.

    Raises `UsageError`, one line with file and line, where an annotation names what the image has not.
    """

    def __init__(
        self,
        image: Image,
        device: Device,
        annotations: Annotations | None = None,
        *,
        elsewhere: Callable[[str], bool] = lambda name: False,
    ) -> None:
        """`elsewhere` says of a name that the image has not whether another one has it: then it is left out."""
        self._device = device
        self._code = CodeReader(
            image, [(region.base, region.end) for region in device.regions if region.kind == "sram"]
        )
        given = annotations or Annotations()
        self._table = vectors.find(self._code, device)
        self._handlers = {} if self._table is None else vectors.handlers(self._code, self._table)
        supervisor = self._handlers.get(vectors.SUPERVISOR_CALL)
        self._program = Program(self._code, given.resolve(self._code, elsewhere), supervisor)

    def stack(self, function: str) -> Bound:
        """Of a function, as `Image.find` understands its name."""
        entry = self._code.image.find(function).address
        self._program.read([entry])
        return Stacks(self._program, [entry]).bound(entry)

    def stacks(self) -> tuple[Bound, ...]:
        """Of all functions but helpers that are read as part of who calls them: those without a bound, the deepest."""
        starts = [function.address for function in self._code.image.functions]
        entries = [entry for entry in starts if self._code.is_code(entry) and not looks_at_return(self._code, entry)]
        self._program.read(entries)
        solved = Stacks(self._program, entries)
        bounds = [solved.bound(entry) for entry in entries]
        return tuple(sorted(bounds, key=lambda b: (b.stack_bytes is not None, -(b.stack_bytes or 0), b.address)))

    def interrupts(self) -> Interrupts:
        """Of the handlers of the image's vector table. Raises `UsageError` where there is none."""
        if self._table is None:
            raise UsageError(f"{self._code.image.path}: no vector table was found, neither by a symbol nor in flash")
        entries = list(self._handlers.values())
        self._program.read(entries)
        solved = Stacks(self._program, entries)
        found = [
            Handler(tuple(exception_name(number, ()) for number in numbers), numbers, solved.bound(entry))
            for entry, numbers in vectors.grouped(self._handlers)
        ]
        found.sort(key=lambda h: (h.stack_bytes is not None, -(h.stack_bytes or 0), h.numbers))
        return Interrupts(self._table, tuple(found))

    def cycles(self, function: str) -> CycleBound:
        """Of a call of a function."""
        entry = self._code.image.find(function).address
        self._program.read([entry])
        device = self._device
        return Cycles(self._program, timing(device.core, device.multiplier_cycles)).bound(entry)
