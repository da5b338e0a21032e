"""Run benches, each on a chip of its own, one after the other or in several processes."""

from __future__ import annotations

import gc
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from m0sim import interrupts, processes
from m0sim.bounds.analysis import Analysis
from m0sim.bounds.annotations import is_place
from m0sim.bounds.code import CodeReader
from m0sim.bounds.stack import Bound
from m0sim.check import engines, scenario
from m0sim.check.bench import Bench, CallBench, RunBench
from m0sim.check.figures import Figures
from m0sim.check.manifest import Manifest
from m0sim.chip import device, operands, output, replies
from m0sim.chip.cost import Cost
from m0sim.chip.device import Device
from m0sim.chip.fault import Fault, Interrupted
from m0sim.chip.machine import Machine
from m0sim.chip.operands import Operand
from m0sim.chip.options import chosen_engine
from m0sim.chip.peripherals import check_address
from m0sim.errors import M0simError, UsageError
from m0sim.image import Image, load_file
from m0sim.report import cost_json as data

Progress = Callable[[str, int, int], None]
"""Told the name of the bench that is running, how many are done, and of how many."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a bench has no figures, or none to keep."""

    kind: Literal["fault", "expect", "refused", "exit", "unbounded", "engines", "board"]
    """The code went wrong; it returned something else; it could not be called, as when its arguments do not fit; a run
    of whole firmware did not end as it should; its code alone does not tell how deep its stack gets; the engines, or
    the simulation and a board, do not agree."""
    text: str
    """One line."""
    fault: Mapping[str, Any] | None = None
    """As ``m0sim call --json`` has it."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """What came of running a bench."""

    name: str
    figures: Figures | None
    """None after a fault or refusal."""
    failure: Failure | None = None
    warnings: tuple[str, ...] = ()


def build(manifest: Manifest) -> None:
    """Run the manifest's build command, its output on stderr. Raises `M0simError` when it fails."""
    if not manifest.build:
        return
    sys.stderr.flush()
    done = subprocess.run(manifest.build, shell=True, cwd=manifest.folder, stdout=sys.stderr.fileno(), check=False)
    if done.returncode:
        raise M0simError(f"the build failed with exit code {done.returncode}: {manifest.build}")


class Images:
    """Images and profiles, each read once."""

    def __init__(self) -> None:
        self._images: dict[tuple[Path, int | None, Path | None], Image] = {}
        self._devices: dict[tuple[str, int | None], Device] = {}

    def image(self, path: Path, base: int | None, symbols: Path | None = None) -> Image:
        """An ELF, HEX or UF2 file, or a raw binary that runs at `base`; with the names of `symbols`.

        Raises `UsageError`.
        """
        key = path, base, symbols
        if key not in self._images:
            self._images[key] = load_file(path, base=base, symbols=symbols)
        return self._images[key]

    @property
    def read(self) -> tuple[Image, ...]:
        """Those that were read."""
        return tuple(self._images.values())

    def device(self, profile: str, clock_hz: int | None = None) -> Device:
        """The device of a profile's name or path, at its own clock or another one. Raises `UsageError`."""
        key = profile, clock_hz
        if key not in self._devices:
            self._devices[key] = device.load(profile) if clock_hz is None else self.device(profile).at_clock(clock_hz)
        return self._devices[key]


def verify(benches: Sequence[Bench], images: Images) -> None:
    """Look for all that benches name: images, profiles, functions, symbols, files.

    Raises `UsageError` that names the manifest's file, line, bench and key.
    """
    for bench in benches:
        with _naming(bench, "profile"):
            images.device(bench.profile)
        with _naming(bench, "clock"):
            chip = images.device(bench.profile, bench.clock_hz)
        with _naming(bench, "flash"):
            if bench.flash not in (None, "ideal"):
                chip.require_flash_model()
        with _naming(bench, "bootrom"):
            if bench.bootrom is not None:
                _verify_file(bench.bootrom)
        with _naming(bench, "image"):
            image = images.image(bench.image, bench.base, bench.symbols)
        if isinstance(bench, RunBench):
            _verify_run(bench, image, chip)
        else:
            _verify_call(bench, image, chip)
    _verify_annotations(benches, images)


def _verify_annotations(benches: Sequence[Bench], images: Images) -> None:
    """What they name is in the image of each bench that needs them, or in another one's."""
    bounded = [bench for bench in benches if isinstance(bench, CallBench) and bench.bounds_stack]
    found = {id(image): image for image in (images.image(b.image, b.base, b.symbols) for b in bounded)}
    codes = [CodeReader(image) for image in found.values()]
    for code in codes:  # all benches of a manifest have the same annotations
        bounded[0].told.resolve(code, lambda name: any(is_place(other, name) for other in codes))


def _verify_run(bench: RunBench, image: Image, chip: Device) -> None:
    with _naming(bench, "engine"):
        if bench.engine == "unicorn":
            raise UsageError("whole firmware runs on the timed engine: leave it out")
    with _naming(bench, "image"):
        firmware = scenario.firmware(bench, image, chip)
    for key, name in (("until", bench.until), ("from", bench.begin), ("to", bench.end)):
        with _naming(bench, key):
            if name is not None:
                firmware.program.find(name)
    with _naming(bench, "stdin"):
        if bench.stdin is not None:
            _verify_file(bench.stdin)


def _verify_call(bench: CallBench, image: Image, chip: Device) -> None:
    with _naming(bench, "engine"):
        chosen_engine(bench.engine, bench.level, bench.flash)
    for key, names in (("function", (bench.function,)), ("stubs", bench.stubs)):
        with _naming(bench, key):
            for name in names:
                image.find(name)
    with _naming(bench, "startup"):
        if bench.startup is not None:
            image.find(bench.startup)
    with _naming(bench, "stubs"):
        _verify_operands([one for several in bench.stubs.values() for one in several], image)
    with _naming(bench, "stdout"):
        for text in bench.stdout:
            image.find(output.named(text)[0])
    with _naming(bench, "registers"):
        for address, several in bench.registers.items():
            check_address(chip, address)
            _verify_operands(several, image)
    with _naming(bench, "args"):
        _verify_operands(bench.args, image)
    with _naming(bench, "before"):
        for call in bench.before:
            operands.name_of(image, call)
            _verify_operands(call.args, image)


def _verify_operands(given: Sequence[Operand], image: Image) -> None:
    for argument in given:
        for part in operands.parts(argument):
            if isinstance(part, operands.SymbolAddress):
                image.find(part.name)
            if isinstance(part, operands.File):
                _verify_file(part.path)


def _verify_file(path: Path) -> None:
    try:
        if not path.is_file():  # a pipe has its bytes only once
            raise UsageError(f"{path}: {'not a regular file' if path.exists() else 'no such file'}")
        path.open("rb").close()
    except OSError as error:
        raise UsageError(f"{path}: cannot read it: {error.strerror}") from error


@contextmanager
def _naming(bench: Bench, key: str) -> Iterator[None]:
    try:
        yield
    except UsageError as error:
        raise bench.place.error(key, str(error)) from error


def measure(
    benches: Sequence[Bench],
    folder: Path,
    *,
    images: Images | None = None,
    jobs: int = 1,
    progress: Progress | None = None,
) -> list[Measurement]:
    """Measure benches, in their order, in `jobs` processes. Sources are told relative to `folder`.

    `images` are those read already; with several processes, each reads its own. `progress` is called before each bench
    with its name, how many are done, and of how many. Ctrl-C raises KeyboardInterrupt.
    """
    measured = _measured(benches, folder, images or Images(), jobs)
    found: list[Measurement] = []

    def tell() -> None:
        if progress is not None and len(found) < len(benches):
            progress(benches[len(found)].name, len(found), len(benches))

    tell()
    for measurement in measured:
        found.append(measurement)
        tell()
    return found


def _measured(benches: Sequence[Bench], folder: Path, images: Images, jobs: int) -> Iterator[Measurement]:
    if jobs <= 1 or len(benches) <= 1:
        for bench in benches:
            yield run(bench, folder, images)
        return
    try:
        with processes.pool(min(jobs, len(benches))) as pool:
            with interrupts.held_back():  # it starts the processes
                found = pool.map(_run_in_worker, benches, [folder] * len(benches))
            yield from found
    except BrokenProcessPool:
        raise M0simError("a process that measured was killed: is there enough memory for so many --jobs?") from None


_worker_images = Images()


def _run_in_worker(bench: Bench, folder: Path) -> Measurement:
    return run(bench, folder, _worker_images)


def run(bench: Bench, folder: Path, images: Images) -> Measurement:
    """Measure one bench in this process. Ctrl-C raises `Interrupted`."""
    gc.collect(1)  # the emulator of the bench before is in a cycle, and has memory to give back
    try:
        image, chip = images.image(bench.image, bench.base, bench.symbols), images.device(bench.profile, bench.clock_hz)
        if isinstance(bench, RunBench):
            return _ran(bench, folder, image, chip)
        return _called(bench, folder, image, chip)
    except Interrupted:
        raise
    except Fault as fault:
        text = f"{fault.reason}, at {fault.address:#010x}, {fault.place}"
        return Measurement(bench.name, None, Failure("fault", text, data.fault_object(fault)), fault.cost.warnings)
    except UsageError as error:
        return Measurement(bench.name, None, Failure("refused", str(error)))


def _ran(bench: RunBench, folder: Path, image: Image, chip: Device) -> Measurement:
    done = scenario.run(bench, scenario.firmware(bench, image, chip))
    figures, missed = Figures.of(done, image, folder), scenario.missed(bench, done)
    failure = Failure("exit", missed) if missed else None
    return Measurement(bench.name, figures, failure, (*done.cost.warnings, *image.notes_so_far))


def _called(bench: CallBench, folder: Path, image: Image, chip: Device) -> Measurement:
    machine = Machine(image, chip, bootrom=bench.bootrom)
    cost = _call(bench, machine)
    figures, failure = Figures.of(cost, image, folder), _missed(bench, cost)
    if bench.all_engines and bench.runs_on_both:
        other = Machine(image, chip, bootrom=bench.bootrom)
        differs = engines.difference(cost, machine, _call(_on_the_other(bench, cost), other), other)
        failure = failure or (Failure("engines", differs) if differs else None)
    if bench.bounds_stack:
        bound = Analysis(image, chip, bench.told, elsewhere=lambda _: True).stack(bench.function)
        figures = replace(figures, stack_static_bytes=bound.stack_bytes)
        failure = failure or _unbounded(bound)
    return Measurement(bench.name, figures, failure, (*cost.warnings, *image.notes_so_far))


def _unbounded(bound: Bound) -> Failure | None:
    if bound.stack_bytes is not None:
        return None
    first, left = bound.reasons[0], len(bound.reasons) - 1
    more = f" (and {left} more: m0sim stack shows them)" if left else ""
    return Failure("unbounded", f"max_stack_static: {first.line}{more}")


def _call(bench: CallBench, machine: Machine) -> Cost:
    if bench.startup is not None:
        machine.start_up(bench.startup)  # before buffers are there: they keep clear of what it took
    types = operands.types_of(machine, bench.function, len(bench.args))
    arguments = [operands.place(machine, arg, [], type_) for arg, type_ in zip(bench.args, types, strict=True)]
    return machine.call(
        bench.function,
        *arguments,
        result=bench.result,
        before=[operands.place_call(machine, call, []) for call in bench.before],
        stubs=replies.placed(machine, bench.stubs),
        registers=replies.placed(machine, bench.registers),
        stdout=bench.stdout,
        max_cycles=bench.stop_after,
        fail_on=bench.fail_on,
        flash=bench.flash,
        engine=bench.engine,
        startup=bench.startup or False,
    )


def _on_the_other(bench: CallBench, cost: Cost) -> CallBench:
    return replace(bench, engine="timed" if engines.engine_of(cost) == "unicorn" else "unicorn")


def _missed(bench: CallBench, cost: Cost) -> Failure | None:
    expected, found = bench.expect, cost.result
    if expected is None or found == expected or (expected != expected and found != found):  # nan is not itself
        return None
    return Failure("expect", f"returned {cost.result_text}, expected {expected}")


def with_image(benches: Sequence[Bench], old: Path | None, new: Path) -> tuple[Bench, ...]:
    """Those benches that run the image `old`, running `new`, with its own names, instead."""
    return tuple(replace(bench, image=new, symbols=None) for bench in benches if bench.image == old)
