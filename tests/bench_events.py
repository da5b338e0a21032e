"""What events cost m0sim: ``python tests/bench_events.py``. Medians of one process, each kind beside the others.

Not a test: absolute figures depend on the machine and on what else runs there. The ratios are what to compare: of the
cycles that are simulated in a second of the host's, with SysTick's handler every millisecond and every 10 microseconds
of the chip's, to those of the same code without events. Last, a second of firmware that sleeps half of it.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import struct
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from firmware_runner import Bare, of_elf

from m0sim import Machine, toolchain
from m0sim.chip.native.layout import Stop
from m0sim.image import Image, load_elf

_ROOT = Path(__file__).resolve().parent.parent
_SOURCES = tuple(_ROOT / name for name in ("tests/firmware/events.S", "tests/firmware/bench.S", "examples/dot_fast.S"))
_CLOCK = 125_000_000
_RELOADS = {"SysTick every 1 ms": _CLOCK // 1000 - 1, "SysTick every 10 us": _CLOCK // 100_000 - 1}
_PROGRAMS = {"loop of 9 instructions": ("loop_of_nine", 12), "a call every 3.5 instructions": ("many_calls", 17)}
"""Function, and about the cycles of each round."""
_ROUND_CYCLES = 100_000_000
_FORMS = ("fast", "simple")


@dataclass(frozen=True)
class Bench:
    elf: Path
    image: Image

    def address(self, name: str) -> int:
        return next(symbol.address for symbol in self.image.symbols if symbol.name == name)

    def firmware(self, function: str, argument: int, reload: int, form: str) -> Bare:
        made = of_elf(self.elf, "events", form=form)
        view = made.emulator.space.view(self.address("events_asked"), 12)
        assert view is not None
        view[:] = memoryview(struct.pack("<3I", reload, self.address(function) | 1, argument))
        return made


def _rate(made: Bare, ticks: bool) -> float:
    """Cycles a second of the host's."""
    begin = time.perf_counter()
    stop = made.run(1 << 40)
    seconds = time.perf_counter() - begin
    assert stop is Stop.BREAKPOINT
    assert (made.processor.exceptions["entries"][15] > 0) == ticks
    return made.processor.now / seconds


def _call_rate(bench: Bench, function: str, argument: int) -> float:
    machine = Machine.from_elf(bench.elf)
    begin = time.perf_counter()
    cost = machine.call(function, argument, engine="timed")
    return cost.cycles / (time.perf_counter() - begin)


def _measure(bench: Bench, function: str, argument: int, rounds: int, form: str) -> dict[str, float]:
    rates: dict[str, list[float]] = {}
    for _ in range(rounds):
        rates.setdefault("a call, timed engine", []).append(_call_rate(bench, function, argument))
        for label, reload in {"firmware, no events": 0, **_RELOADS}.items():
            made = bench.firmware(function, argument, reload, form)
            rates.setdefault(label, []).append(_rate(made, reload != 0))
    return {label: statistics.median(found) for label, found in rates.items()}


def _half_asleep(bench: Bench, rounds: int, form: str) -> None:
    seconds = []
    for _ in range(rounds):
        made = bench.firmware("half_asleep", 1000, _RELOADS["SysTick every 1 ms"], form)
        begin = time.perf_counter()
        assert made.run(1 << 40) is Stop.BREAKPOINT
        seconds.append(time.perf_counter() - begin)
    slept, ran = made.processor.sleep_cycles, made.processor.now
    print(f"\n{ran / _CLOCK:.3f} s of firmware, {slept / ran:.0%} asleep: {statistics.median(seconds):.3f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--form", choices=_FORMS, default="fast", help="form of the interpreter")
    asked = parser.parse_args()
    print(f"Python {platform.python_version()}, {platform.machine()}, medians of {asked.rounds} rounds")
    with tempfile.TemporaryDirectory() as folder:
        elf = toolchain.find().build(_SOURCES, Path(folder) / "events.elf", linker_script=_ROOT / "kernels/m0sim.ld")
        bench = Bench(elf, load_elf(elf))
        for label, (function, cycles) in _PROGRAMS.items():
            rates = _measure(bench, function, _ROUND_CYCLES // cycles, asked.rounds, asked.form)
            print(f"\n{label}")
            for kind, rate in rates.items():
                share = rate / rates["firmware, no events"]
                print(f"  {kind:24}{rate / 1e6:8,.0f} million cycles a second{share:8.3f} of no events")
        _half_asleep(bench, asked.rounds, asked.form)


if __name__ == "__main__":
    main()
