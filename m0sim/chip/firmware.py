"""Whole firmware in a chip: run it from reset, as a board would."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import numpy.typing as npt

from m0sim import __version__, image
from m0sim.chip import device
from m0sim.chip.attached import Attached
from m0sim.chip.bootrom.rom import boot_rom_of, with_boot_rom
from m0sim.chip.cost import Provenance
from m0sim.chip.device import Device
from m0sim.chip.devices.host import BY_PIN
from m0sim.chip.devices.parts import board_of
from m0sim.chip.engine.cores import Cores
from m0sim.chip.engine.emulator import Emulator
from m0sim.chip.engine.firmware_run import FirmwareRun, Parts, Wanted
from m0sim.chip.engine.heap import HeapWatch
from m0sim.chip.engine.held import Debugger
from m0sim.chip.engine.host import ChipHost
from m0sim.chip.engine.interpreter import Interpreter
from m0sim.chip.engine.printed import OnOutput, Output
from m0sim.chip.engine.processor import Processor
from m0sim.chip.engine.recorder import Recorder
from m0sim.chip.engine.run_counts import RunCounts, after, counted
from m0sim.chip.engine.start import Start, later_start, second_core_start, start_of
from m0sim.chip.engine.world import World
from m0sim.chip.inputs import AnalogInput, AnalogSource, Outside, PinInput, PinWire
from m0sim.chip.memory import AddressSpace
from m0sim.chip.native import layout
from m0sim.chip.options import FlashModel, flash_model_of
from m0sim.chip.results import fabric
from m0sim.chip.results.handlers import exception_name
from m0sim.chip.results.machines import machines
from m0sim.chip.results.runs import Left, run_cost
from m0sim.chip.run_cost import Contention, Exit, MachineStep, PinChange, RunCost, UnmodelledUse
from m0sim.chip.started import Started
from m0sim.chip.timeline import Timeline
from m0sim.errors import UsageError, did_you_mean
from m0sim.image import Image

MAX_CYCLES = 100_000_000_000
MOST_QUANTUM = 1_000_000
START_UP_CYCLES = 1_000_000_000
"""What start-up code may take: seconds on any part."""


class Firmware:
    """One chip with firmware in it. Make one with `from_elf` or `from_file`; each `run` begins at reset."""

    def __init__(
        self, firmware: Image, profile: str | Path | Device = device.DEFAULT, *, bootrom: str | Path | None = None
    ) -> None:
        """An image in a chip, where the programmer puts it. Raises `UsageError` where it does not fit.

        `bootrom` is as for a `Machine`.
        """
        self.device = profile if isinstance(profile, Device) else device.load(profile)
        self._bootrom = None if bootrom is None else str(bootrom)
        self._boot_rom = boot_rom_of(self.device, firmware, bootrom)
        self.image = firmware
        self.program = firmware if self._boot_rom is None else with_boot_rom(firmware, self._boot_rom)
        """The image, and beside it what the boot ROM has: all code that may run, and its names."""
        self.space = AddressSpace(self.device, self.program, 0, self._boot_rom, from_reset=True)
        """The memories, as the last run left them."""
        self._heap: HeapWatch
        self._processor: Processor
        self.progress: Callable[[int], None] | None = None
        """Called with the cycles so far, several times a second while it runs."""

    @classmethod
    def from_elf(
        cls, path: str | Path, profile: str | Path | Device = device.DEFAULT, *, bootrom: str | Path | None = None
    ) -> Firmware:
        """A chip with an ELF executable in it. Raises `UsageError` for files that are bad or do not fit."""
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
    ) -> Firmware:
        """The same of an ELF, Intel HEX or UF2 file, or a raw binary at `base`; all is as for `Machine.from_file`."""
        return cls(image.load_file(path, base=base, symbols=symbols), profile, bootrom=bootrom)

    def __repr__(self) -> str:
        return f"<Firmware: {self.image.path.name} on {self.device.name}>"

    def run(
        self,
        *,
        seconds: float | Fraction | None = None,
        until: str | None = None,
        until_output: str = "",
        begin: str | None = None,
        end: str | None = None,
        stdin: bytes = b"",
        stdin_to: str | None = None,
        pins_driven: Sequence[PinInput] = (),
        wires: Sequence[PinWire] = (),
        adc: Sequence[AnalogInput | AnalogSource] = (),
        resets: Sequence[float | Fraction] = (),
        attached: Sequence[Attached] = (),
        flash: str | None = None,
        max_cycles: int = MAX_CYCLES,
        pins: bool = False,
        timeline: int = 0,
        quantum: int = 1,
        contention: bool = False,
        on_output: OnOutput | None = None,
        debugger: Debugger | None = None,
    ) -> RunCost:
        """Run from reset until something ends it: `RunCost.exit` says what.

        That is `seconds` of simulated time, control at `until` (a function or an address), the text `until_output`, the
        program's own end, a fault, Ctrl-C, or `max_cycles`. With `begin`, only what runs after control first came
        there is counted, up to `end` where that is given.

        `stdin` is what the first UART receives, or the port `stdin_to`, by the name that its output has; `pins_driven`
        and `adc` what is done to pins and to channels of the ADC, `wires` connect pins, `resets` are the seconds at
        which the reset button is pressed. Resets on the way, whoever asks for them, end nothing: the firmware begins
        again, and `RunCost.resets` tells why. `attached` are devices on I2C and SPI: `m0sim.chip.attached`.

        `flash` is ``cold``, as after reset, or ``ideal``, which lets nothing wait. `pins` fills `RunCost.pins`; a
        `timeline` of so many slices at most `RunCost.timeline`, see `m0sim.chip.timeline`. Where
        both cores of an RP2040 run, a core may be `quantum` cycles, less one, ahead of the other: 1 is exact, more is
        faster, and every run with the same number is the same. With `contention`, the cores and the DMA wait
        for each other where they want the same port of the RP2040's bus fabric in a cycle: an estimate,
        `RunCost.contention` has who waited for whom, and docs/accuracy.md what it assumes.
        `on_output` hears what the firmware prints as it comes. `debugger` holds the run before its first instruction,
        see `engine.held`.

        Raises `UsageError` when the request makes no sense, or the image has nothing that a reset could start.
        """
        if max_cycles < 1:
            raise UsageError(f"max_cycles must be at least 1, not {max_cycles}")
        if seconds is not None and seconds <= 0:
            raise UsageError(f"seconds must be more than 0, not {seconds}")
        if not 1 <= quantum <= MOST_QUANTUM:
            raise UsageError(f"quantum must be 1 to {MOST_QUANTUM:,} cycles, not {quantum}")
        if timeline < 0:
            raise UsageError(f"timeline must be at least 0 slices, not {timeline}")
        if debugger is not None and quantum != 1:
            raise UsageError("a debugger holds both cores in their exact order: leave out the quantum")
        if contention and not self.device.has_sio_divider:
            raise UsageError(f"contention is that of an RP2040's bus fabric, which {self.device.name} has not")
        if debugger is not None and contention:
            raise UsageError("a debugger holds both cores where nobody waits for the bus: leave out the contention")
        if contention and quantum != 1:
            raise UsageError(f"with contention every cycle is looked at: quantum must be 1, not {quantum}")
        if pins and not self.device.has_sio_divider:
            raise UsageError(
                f"pins over time (--vcd) are those of an RP2040; {self.device.name} has none that are recorded"
            )
        wanted = Wanted(
            seconds=None if seconds is None else Fraction(seconds),
            until=self._address(until),
            until_output=until_output.encode(),
            begin=self._address(begin),
            end=self._address(end),
            max_cycles=max_cycles,
            pins=pins,
            draws_pins=self.device.has_sio_divider,
            quantum=quantum,
            contention=contention,
        )
        presses = tuple(Fraction(at) for at in resets)
        driven, volts = tuple(pins_driven), tuple(adc)
        outside = Outside(driven, tuple(wires), volts, presses, stdin, tuple(attached), stdin_to)
        run = _Run(self, wanted, self._flash_model(flash), outside, on_output, Recorder(timeline) if timeline else None)
        return run.cost(debugger)

    def start_up(self, function: str = "main", *, max_cycles: int = START_UP_CYCLES) -> Started:
        """Run until control comes to a function, and give what is in memory then.

        Raises `UsageError` where the image has no such function, or control never comes there.
        """
        target = self.program.find(function)
        done = self.run(until=function, flash="ideal", max_cycles=max_cycles)
        if done.exit.reason == "interrupted":
            raise KeyboardInterrupt(f"start-up: {done.exit.detail}")
        if done.exit.reason != "until":
            raise UsageError(
                f"{self.image.path}: start-up code never came to {target.name}: ended by {done.exit.reason}: "
                f"{done.exit.detail} (m0sim run --until {target.name} shows more; --startup=SYMBOL is another place)"
            )
        main = done.stacks[0]
        return Started(
            function=target.name,
            contents=tuple(bank.data.copy() for bank in self.space.banks),
            handed_out=self._heap.handed_out,
            heap_end=self.space.heap_end,
            vector_table=self._processor.vector_table,
            stack=(main.low, main.top),
        )

    def _address(self, name: str | None) -> int | None:
        if name is None:
            return None
        symbol = self.program.find(name)
        if symbol.kind == "object":
            raise UsageError(f"{name!r} is data: control never comes there; name a function or an address in code")
        return symbol.address

    def _flash_model(self, flash: str | None) -> FlashModel:
        waits = self.device.xip_cache is not None or self.device.flash_timing is not None
        if flash == "warm":
            raise UsageError("firmware that runs from reset finds the flash cache cold: cold or ideal")
        if flash not in (None, "cold", "ideal"):
            raise UsageError(f"unknown flash model {flash!r}: cold or ideal{did_you_mean(flash, ('cold', 'ideal'))}")
        model: FlashModel = flash_model_of(flash) if flash is not None else "cold" if waits else "ideal"
        if model != "ideal":
            self.device.require_flash_model()
        return model


class _Run:
    """One run of a firmware in a chip of its own."""

    def __init__(
        self,
        firmware: Firmware,
        wanted: Wanted,
        flash: FlashModel,
        outside: Outside,
        on_output: OnOutput | None,
        recorder: Recorder | None,
    ) -> None:
        self._firmware, self._wanted, self._flash = firmware, wanted, flash
        self._chip = Emulator(firmware.device, firmware.program, 0, firmware._boot_rom, from_reset=True)
        firmware.space, firmware._heap = self._chip.space, self._chip.heap
        self._interpreter = Interpreter(self._chip)
        self._processor = firmware._processor = Processor(
            self._chip, self._interpreter, flash=flash, is_simple=wanted.contention
        )
        self._output = Output(wanted.until_output, on_output)
        self._cores = Cores(
            self._chip, self._processor, flash=flash, quantum=wanted.quantum, contends=wanted.contention
        )
        self._recorder = self._cores.recorder = recorder
        self._host = ChipHost(self._chip, self._interpreter, self._cores, self._output)
        self._board = board_of(firmware.device, self._host)
        self._host.follow(self._board.clock)
        self._outside = outside
        self._attach(outside.attached)
        self._world = World(self._board, outside, self._press)
        self._start: Start = start_of(firmware.image, self._chip.space)
        self._second_before: RunCounts | None = None
        self._pio_before: npt.NDArray[Any] | None = None
        self._fabric_before: fabric.FabricCounts | None = None

    def _attach(self, attached: Sequence[Attached]) -> None:
        for each in attached:
            if self._board.attach is None:
                raise UsageError(f"{self._firmware.device.name} has no I2C and no SPI that is modelled")
            self._board.attach(each)

    def _press(self) -> None:
        self._host.restart("the reset pin was low", BY_PIN)

    def cost(self, debugger: Debugger | None) -> RunCost:
        """Run, and tell what it cost."""
        parts = Parts(
            *(self._chip, self._interpreter, self._cores, self._board, self._host, self._output, self._world),
            self._recorder,
        )
        run = self._run = FirmwareRun(parts, self._wanted, self._mark, self._firmware.progress, debugger)
        image, space = self._firmware.image, self._chip.space
        run.begin(self._start, partial(later_start, image, space), second_core_start(image, space))
        ended = run.execute()
        self._cores.settle()
        firmware, counts = self._firmware, self._counts_of(self._processor, run.before)
        left = self._left(ended, counts, tuple(run.faults))
        second = None
        if self._cores.second is not None:
            counts_of_second = self._counts_of(self._cores.second, self._second_before)
            second = counts_of_second.counts, self._left_by(self._cores.second, counts_of_second, left)
        done = run_cost(firmware.program, firmware.device, counts.counts, left, second)
        done = replace(done, stack_over_time=run.marks.end(self._processor.now, self._cores.all))
        return done if self._recorder is None else replace(done, timeline=self._timeline(self._recorder))

    def _timeline(self, recorder: Recorder) -> Timeline:
        return recorder.end(self._host.scale, lambda number: exception_name(number, self._board.interrupts))

    def _mark(self) -> RunCounts:
        """What was counted up to now."""
        self._cores.settle()
        self._cores.mark_second(self._mark_second)
        self._processor.begin_load()
        self._pio_before = self._host.pio_counts()
        self._fabric_before = fabric.counted(self._cores.fabric)
        return counted(self._processor, ended=False)

    def _mark_second(self, second: Processor) -> None:
        second.begin_load()
        self._second_before = counted(second, ended=False)

    @staticmethod
    def _counts_of(processor: Processor, before: RunCounts | None) -> RunCounts:
        counts = counted(processor, ended=True)
        return counts if before is None else after(counts, before)

    @staticmethod
    def _left_by(second: Processor, counts: RunCounts, left: Left) -> Left:
        """What core 1 left, where it is not the same as with core 0."""
        return replace(
            left,
            sleep_cycles=counts.sleep_cycles,
            load=counts.load,
            overhead_cycles=counts.overhead_cycles,
            exceptions=counts.exceptions,
            tasks=second.tasks,
            registers=second.registers,
            sp=second.msp_high,
            msp_low=second.msp_low,
            stack_region=None,
            missed=(),
            notes=(),
            flash=counts.flash,
        )

    def _left(self, ended: Exit, counts: RunCounts, faults: tuple[str, ...]) -> Left:
        chip, processor = self._chip, self._processor
        first, printed = processor.now - counts.counts.cycles, self._output.first_cycle
        return Left(
            exit=ended,
            seconds=self._host.seconds_at(processor.now) - self._host.seconds_at(first),
            first_cycle=first,
            sleep_cycles=counts.sleep_cycles,
            load=counts.load,
            overhead_cycles=counts.overhead_cycles,
            exceptions=counts.exceptions,
            tasks=processor.tasks,
            registers=processor.registers,
            sp=processor.msp_high,
            msp_low=processor.msp_low,
            stack_region=chip.space.stack_region,
            heap_bytes=chip.heap.bytes_used,
            heap_bytes_in_free_sram=chip.heap.bytes_in_free_sram,
            printed=self._output.printed(),
            printed_dropped=self._output.dropped,
            first_output_cycle=None if printed is None or printed < first else printed - first,
            interrupts=self._board.interrupts,
            unmodelled=self._unmodelled(),
            clocks=self._host.rates_since(first),
            pins=self._pins(),
            state_machines=self._steps(),
            heap=tuple(self._run.heap),
            resets=tuple(self._run.resets),
            faults=faults,
            moved=self._board.movers(),
            pio=machines(self._host.pio_counts(), self._pio_before),
            missed=self._run.missed(),
            notes=tuple(self._notes()),
            provenance=self._provenance(),
            boot_rom=chip.space.boot_rom,
            flash=counts.flash,
            contention=self._contention(),
        )

    def _contention(self) -> Contention | None:
        if not self._wanted.contention:
            return None
        return fabric.contention(fabric.counted(self._cores.fabric), self._fabric_before)

    def _notes(self) -> Iterator[str]:
        """What a reader of the cost should know."""
        second = self._cores.second
        refused = self._processor.tasks_refused + (0 if second is None else second.tasks_refused)
        if second is not None and not self._wanted.contention:
            yield (
                "both cores ran: figures that do not name a core are core 0's; what a core waits for where both want "
                "the same memory, flash or bus in one cycle is not counted"
            )
        if second is not None and self._wanted.contention:
            yield "both cores ran: figures that do not name a core are core 0's"
        if self._wanted.contention:
            yield "contention is an estimate: docs/accuracy.md has what it assumes of the bus fabric and the cores"
        if refused:
            yield (
                f"{refused:,} times a thread found no room among 64 with 256 open calls each: "
                "inclusive cycles and the call tree leave out calls of threads that were switched out then"
            )
        if self._host.dropped_stores:
            yield f"{self._host.dropped_stores:,} stores went to flash or ROM, which dropped them"

    def _unmodelled(self) -> tuple[UnmodelledUse, ...]:
        around = self._chip.counters.functions.around
        for tell in self._board.bus.tellers:
            tell()
        bases = {device.name: device.base for device in self._board.bus.devices}
        uses = [
            UnmodelledUse(
                register=f"{note.device}+{note.offset:#05x}" + (f" ({note.what})" if note.what else ""),
                address=bases[note.device] + note.offset,
                loads=note.loads,
                stores=note.stores,
                function=around(note.pc)[0],
            )
            for note in self._board.bus.notes.values()
        ]
        return tuple(sorted(uses, key=lambda use: (-(use.loads + use.stores), use.address)))

    def _steps(self) -> tuple[MachineStep, ...]:
        rows = zip(*(self._run.steps[name].tolist() for name in ("cycle", "machine", "pc")), strict=True)
        return tuple(
            MachineStep(
                cycle, self._host.seconds_at(cycle), f"PIO{i // 4} SM{i % 4}", None if pc == layout.NOTHING else pc
            )
            for cycle, i, pc in rows
        )

    def _pins(self) -> tuple[PinChange, ...]:
        rows = zip(*(self._run.pins[name].tolist() for name in ("cycle", "level", "driven")), strict=True)
        return tuple(PinChange(cycle, self._host.seconds_at(cycle), level, driven) for cycle, level, driven in rows)

    def _provenance(self) -> Provenance:
        firmware, device = self._firmware.image, self._firmware.device
        return Provenance(
            image=str(firmware.path),
            sha256=firmware.sha256,
            function="(reset)",
            arguments=(),
            before=(),
            stubs=(),
            registers=(),
            stdout=(),
            profile=device.name,
            engine="timed",
            version=__version__,
            base=firmware.base,
            symbols=None if firmware.symbol_file is None else str(firmware.symbol_file),
            clock_hz=None,  # the firmware chooses: RunCost.clocks
            bootrom=self._firmware._bootrom,
        )
