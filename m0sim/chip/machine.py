"""A device with firmware in it: allocate buffers, call functions, get costs or faults."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from m0sim import __version__, image
from m0sim.chip import arguments, buffer, device, output
from m0sim.chip.arguments import ResultType
from m0sim.chip.bootrom.rom import boot_rom_of, with_boot_rom
from m0sim.chip.buffer import Buffer
from m0sim.chip.call import Argument, Callables, Passed, RegisterValues, StubValues, Value, initialiser
from m0sim.chip.cost import Cost, finding_kinds_of
from m0sim.chip.device import Device
from m0sim.chip.engine.counters import Counters
from m0sim.chip.engine.emulator import Emulator
from m0sim.chip.engine.flash_runs import FlashRuns
from m0sim.chip.engine.interpreter import Interpreter
from m0sim.chip.engine.patches import patch, patched
from m0sim.chip.memory import MIN_STACK, AddressSpace
from m0sim.chip.options import Engine, FlashModel, Level, chosen_engine, engine_of, flash_model_of, level_of
from m0sim.chip.peripherals import OnWrite, RegisterAccess
from m0sim.chip.provenance import provenance_of
from m0sim.chip.started import Started
from m0sim.chip.stubs import Stub, reject_twins
from m0sim.errors import UsageError
from m0sim.image import Image, Symbol

if TYPE_CHECKING:
    from m0sim.chip.engine.held import Debugger
    from m0sim.image.signatures import Signature

DEFAULT_MAX_CYCLES = 10_000_000_000


class Machine:
    """One simulated chip. Make one with `from_elf` or `from_raw`; a machine is for one thread at a time."""

    def __init__(
        self,
        firmware: Image,
        profile: str | Path | Device = device.DEFAULT,
        *,
        stack_bytes: int = MIN_STACK,
        bootrom: str | Path | None = None,
    ) -> None:
        """An image in a chip; UsageError where it does not fit beside `stack_bytes` of stack.

        `bootrom` is a file with the vendor's boot ROM, an ELF or all of its bytes (.bin); without one, a chip whose
        boot ROM is known has m0sim's own.
        """
        self.device = profile if isinstance(profile, Device) else device.load(profile)
        self._bootrom = bootrom
        self._started: dict[str, Started] = {}
        boot_rom = boot_rom_of(self.device, firmware, bootrom)
        self.image = firmware
        self.program = firmware if boot_rom is None else with_boot_rom(firmware, boot_rom)
        """The image, and beside it what the boot ROM has: all code that a call may execute, and its names."""
        self._emulator = Emulator(self.device, self.program, stack_bytes, boot_rom)
        self._callables = Callables(self.program, self.space)
        self._interpreter: Interpreter | None = None
        self.progress: Callable[[int], None] | None = None
        """Called with the cycles so far, several times a second while a call runs."""

    @classmethod
    def from_elf(
        cls, path: str | Path, profile: str | Path | Device = device.DEFAULT, *, bootrom: str | Path | None = None
    ) -> Machine:
        """A chip with an ELF executable in it. Raises UsageError for a file or profile that is bad or does not fit.

        `bootrom` is as for a `Machine`.
        """
        return cls(image.load_elf(path), profile, bootrom=bootrom)

    @classmethod
    def from_file(
        cls,
        path: str | Path,
        profile: str | Path | Device = device.DEFAULT,
        *,
        base: int | None = None,
        symbols: str | Path | None = None,
        bootrom: str | Path | None = None,
    ) -> Machine:
        """A chip with a firmware file in it: ELF, Intel HEX or UF2 by its content, or a raw binary at address `base`.

        `symbols` is the ELF that a HEX, UF2 or raw file was made from, `bootrom` as for a `Machine`. Raises UsageError
        for files that are bad, do not fit the device, or do not belong together.
        """
        return cls(image.load_file(path, base=base, symbols=symbols), profile, bootrom=bootrom)

    @classmethod
    def from_raw(cls, data: bytes | str | Path, base: int, profile: str | Path | Device = device.DEFAULT) -> Machine:
        """A chip with a raw binary (bytes, or a file's path) at address `base`. It has no symbols: call addresses."""
        return cls(image.load_raw(data, base), profile)

    def __repr__(self) -> str:
        return f"<Machine: {self.image.path.name} on {self.device.name}, {len(self.space.allocations)} buffers>"

    @property
    def space(self) -> AddressSpace:
        """The memories: what lies where."""
        return self._emulator.space

    @property
    def counters(self) -> Counters:
        """What was counted, before it is a `Cost`."""
        return self._emulator.counters

    # -- memory

    def alloc(self, content: npt.ArrayLike | int, *, align: int = 8, name: str = "") -> Buffer:
        """A new buffer holding an array, or `content` zero bytes if that is an integer.

        It lies between red zones, `align` bytes aligned (a power of two, at least 4). Raises UsageError when it does
        not fit beside the stack.
        """
        self._emulator.reject_while_running()
        return buffer.allocate(self.space, content, align=align, name=name)

    def reset(self) -> None:
        """Make the chip what `from_elf` made it: after a reset, memory as loaded, flash too, every buffer freed.

        What `on_read` and `on_write` said of registers is forgotten.
        """
        self._emulator.reject_while_running()
        self._emulator.reset()

    def symbol(self, name: str) -> Symbol:
        """The symbol of that name: its `.address` and `.size`. Raises UsageError with the closest names."""
        return self.program.find(name)

    def signature(self, function: str | int) -> Signature | None:
        """What a function takes and returns, where the image's DWARF tells it for certain: `call` checks by it."""
        return self.program.signature(self._callables.entry(function))

    def read(self, address: int, size: int) -> npt.NDArray[np.uint8]:
        """A copy of `size` bytes of memory, ``uint8[size]``."""
        return self._emulator.read(address, size)

    def write(self, address: int, data: npt.ArrayLike | bytes) -> None:
        """Write an array's bytes to memory, flash included. While code runs, from a stub, only to data in SRAM."""
        self._emulator.write(address, data)

    # -- calls

    def call(
        self,
        function: str | int,
        *args: Argument,
        keep: bool = False,
        result: ResultType | None = None,
        level: Level = "cycles",
        fail_on: Sequence[str] = (),
        max_cycles: int = DEFAULT_MAX_CYCLES,
        before: str | Sequence[str | Sequence[Argument | str]] = (),
        stubs: StubValues | None = None,
        registers: RegisterValues | None = None,
        stdout: str | Sequence[str] = (),
        engine: Engine | None = None,
        flash: FlashModel = "ideal",
        flash_report: bool = False,
        startup: bool | str = False,
        debugger: Debugger | None = None,
    ) -> Cost:
        """Call a function by name or address and count what it costs, from its first instruction to its return.

        Arguments are passed as the AAPCS has it: integers and buffers as one word each; `arguments.i64`, `u64` and
        `f32` make the others. Where DWARF tells what the function takes, their number and kinds are checked, and plain
        integers and floats become what it takes. `result` is how r0 (and r1) is read: s32, u32, s64, u64, f32, f64 or
        void; without it, as DWARF declares it (a struct as its bytes), and as s32 where nothing does.

        Every call starts with the memory as loaded and an empty stack; buffers keep their contents. With `keep`, it
        starts with .data and .bss as the last call left them. `before` names a function to run first, uncounted, or
        several, each alone or as a tuple of its name and arguments: ``before=["reset", ("init", 1, table)]``.
        `stubs` replaces functions by a return, `registers` answers loads from peripherals: see `StubValues` and
        `RegisterValues`. What a function among them raises ends the call, and goes through. `stdout` names functions
        that print, which are replaced as stubs are: "put" for one like ``_write(fd, data, size)``, "put:char" and
        "put:str" for those with one argument. Without any, what goes through `_write` is noted, which runs as it is.

        With `startup`, what "as loaded" means above is memory as the image's own start-up code leaves it: from reset to
        ``main``, or to the function that is named, uncounted, on a chip with devices. It runs once for a machine. What
        it did to registers of peripherals is not there in the call.

        At level ``memory`` accesses are counted by what they went to, and `Cost.findings` has reads of memory that
        belongs to nothing, or that nothing was written to. `fail_on` makes kinds of them faults ("outside",
        "uninitialised") and counts at that level.

        `flash` says what code and constants in flash cost: nothing beyond memory without wait states (``ideal``), or
        what they wait for, with the cache in front of it empty (``cold``) or as the same call left it (``warm``). Then
        `engine` is ``timed``, m0sim's own interpreter. For a warm cache the call runs twice, from the same memory and
        with answers from their first on; `Cost.flash` has both. `flash_report` fills `Cost.flash` whatever `flash` is,
        where the call is at most 50 million instructions long: two more runs. Functions of yours that answer stubs or
        registers are called in each run.

        `debugger` holds the call before its first instruction, on the timed engine, see `engine.held`; it has no level
        ``memory``, and no warm flash.

        Raises `Fault` when the simulated code goes wrong or takes more than `max_cycles`, and `UsageError` when the
        request makes no sense.
        """
        entry = self._callables.entry(function)
        if result is not None:
            arguments.result_type(result)
        kinds = finding_kinds_of([fail_on] if isinstance(fail_on, str) else fail_on)
        level = "memory" if kinds else level_of(level)
        chosen = chosen_engine(engine, level, flash_model_of(flash))
        if debugger is not None and (level == "memory" or flash == "warm" or engine == "unicorn"):
            raise UsageError("a debugger holds calls of the timed engine, at level cycles, with ideal or cold flash")
        if flash != "ideal":
            self.device.require_flash_model()
        if max_cycles < 1:
            raise UsageError(f"max_cycles must be at least 1, not {max_cycles}")
        initialisers = [initialiser(each) for each in ([before] if isinstance(before, str) else before)]
        stdout = [stdout] if isinstance(stdout, str) else stdout
        replaced = self._replaced(stubs or {}, stdout)
        provenance = provenance_of(
            self.image,
            self.device,
            entry.name,
            args,
            before=initialisers,
            stubs=stubs or {},
            registers=registers or {},
            stdout=stdout,
            engine=chosen if debugger is None else "timed",
            version=__version__,
            bootrom=self._bootrom,
            startup=_start_up_function(startup),
        )
        keep = self._begin_with(startup) and keep
        self._emulator.begin_answers(registers or {}, self._callables.words)
        with ExitStack() as arrays:
            arrays.callback(self._emulator.end_answers)
            values = arrays.enter_context(self._callables.passing(args))
            call = self._callables.call(
                entry, values, result, level, max_cycles, stubs=replaced, provenance=provenance, fail_on=kinds
            )
            first = [
                self._callables.call(
                    self._callables.entry(name),
                    arrays.enter_context(self._callables.passing(given)),
                    "void",
                    level,
                    max_cycles,
                )
                for name, given in initialisers
            ]
            self._emulator.prepare(keep)
            with patched(self._emulator, replaced):
                runs = self._runs
                for each in first:  # what they write, the call may read
                    runs.counted(each, chosen if level == "cycles" else "timed", "ideal")
                    self.space.clear_stack()
                patch(self._emulator, replaced)  # what ran may have copied code to SRAM
                if debugger is not None:
                    return runs.held(call, debugger, flash)
                return (runs.reported if flash_report else runs.counted)(call, chosen, flash)

    def passed(self, function: str | int, *args: Argument) -> Passed:
        """What `call` passes for these arguments, which are no arrays. Raises `UsageError` as that does."""
        entry = self._callables.entry(function)
        with self._callables.passing(args) as values:
            call = self._callables.call(entry, values, None, "cycles", DEFAULT_MAX_CYCLES)
        registers, stack = arguments.place(call.words)
        return Passed(entry.address | 1, tuple(registers), stack)

    def start_up(self, function: str = "main") -> None:
        """Run the image's own start-up code, from reset until control comes to a function, for calls with `startup`.

        The first such call does the same. Before buffers are allocated it is better, as they then lie clear of what
        start-up code took that the image does not tell of. Raises `UsageError` where control never comes there.
        """
        self._begin_with(function)

    def _begin_with(self, startup: bool | str) -> bool:
        """Choose what calls begin with; whether the call before began with that, too."""
        function = _start_up_function(startup)
        started = None if function is None else self._started.get(function)
        if function is not None and started is None:
            from m0sim.chip.firmware import Firmware  # with every part's peripherals, which other calls do not need

            self._emulator.reject_while_running()
            firmware = Firmware(self.image, self.device, bootrom=self._bootrom)
            firmware.progress = self.progress
            started = self._started[function] = firmware.start_up(function)
        if started is self._emulator.started:
            return True
        self._emulator.reject_while_running()
        self._emulator.begin_with(started)
        return False

    def _replaced(self, stubs: StubValues, stdout: Sequence[str]) -> list[Stub]:
        """The stubs that the caller named, and those of functions that print, which `output` answers."""
        chip_output = self._emulator.output
        printing = [chip_output.replacement(text) for text in stdout]
        replaced = [self._callables.stub(name, given) for name, given in stubs.items()]
        replaced += [Stub(self._callables.entry(name), given, self._callables.words) for name, given in printing]
        reject_twins(replaced)
        chip_output.listens = not printing and all(stub.symbol.name != output.WRITE for stub in replaced)
        return replaced

    @property
    def _runs(self) -> FlashRuns:
        return FlashRuns(self._emulator, lambda: self.interpreter, self.progress)

    @property
    def interpreter(self) -> Interpreter:
        """The timed engine, made when it is first needed."""
        if self._interpreter is None:
            self._interpreter = Interpreter(self._emulator)
        return self._interpreter

    def count(
        self,
        function: str | int,
        *args: Argument,
        keep: bool = False,
        engine: Engine = "unicorn",
        startup: bool | str = False,
    ) -> int:
        """The cycles of a `call`, and no other figure: for short calls much faster, and as exact."""
        entry, chosen = self._callables.entry(function), engine_of(engine)
        keep = self._begin_with(startup) and keep
        self._emulator.begin_answers({}, self._callables.words)
        try:
            with self._callables.passing(args) as values:
                call = self._callables.call(entry, values, "void", "cycles", DEFAULT_MAX_CYCLES)
                self._emulator.prepare(keep)
                self._runs.executed(call, chosen).check()
        finally:
            self._emulator.end_answers()
        return self.counters.cycles

    def on_read(self, address: int, given: Value | Sequence[Value] | Callable[[RegisterAccess], Value]) -> None:
        """Answer loads from a peripheral's register in all calls to come, as `registers` of `call` does for one.

        A register is a word; loads of a byte or halfword get their part of it. Stores to it are accepted and counted.
        With None, the register is gone again. Raises `UsageError` where `address` is no multiple of 4, or is memory or
        the single-cycle I/O port.
        """
        self._emulator.peripherals.on_read(address, given)

    def on_write(self, address: int, function: OnWrite | None) -> None:
        """Call `function` at each store to a peripheral's register from now on; with None no longer.

        What it returns is ignored. Loads are faults unless `on_read` or `registers` answers them. Raises `UsageError`
        as `on_read` does.
        """
        self._emulator.peripherals.on_write(address, function)


def _start_up_function(startup: bool | str) -> str | None:
    """Up to which function start-up code runs; None for not at all."""
    return (startup if isinstance(startup, str) else "main") if startup else None
