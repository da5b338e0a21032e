"""How fast firmware with interrupts is simulated: ``python tests/bench_events.py``.

The loops of bench.S and examples/dot_fast.S with SysTick off, every millisecond and every 10 microseconds of 125 MHz,
its handler counting in memory; processor time for each simulated cycle, the least of some rounds, each kind of
run beside the others in every round. Not a test: the ratios are what to compare.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
from firmware_runner import of_elf

from m0sim import toolchain
from m0sim.chip.native.layout import Stop

_ROOT = Path(__file__).resolve().parent.parent
_SOURCES = [_ROOT / name for name in ("tests/firmware/bench_events.S", "tests/firmware/bench.S", "examples/dot_fast.S")]
_PROGRAMS = {"ticking_nine": "loop of 9 instructions", "ticking_calls": "a call every 3.5 instructions",
             "ticking_dot": "kernel dot_s8_fast"}  # fmt: skip
_SCALES = {"ticking_nine": 3_000_000, "ticking_calls": 3_000_000, "ticking_dot": 120}
_PERIODS = {"off": 0, "1 ms": 125_000, "10 us": 1_250}
_GIVEN = 0x20020000


def measure(elf: Path, name: str, period: int) -> float:
    """Nanoseconds of the host's processor for each simulated cycle."""
    program = of_elf(elf, name)
    program.emulator.write(_GIVEN, np.uint32([max(period - 1, 0), _SCALES[name]]))
    begin = time.process_time()
    stop = program.run(limit=1 << 40, slice_cycles=20_000_000)
    taken = time.process_time() - begin
    assert stop is Stop.BREAKPOINT
    return taken * 1e9 / program.processor.now


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        elf = toolchain.find().build(_SOURCES, Path(folder) / "b.elf", linker_script=_ROOT / "kernels/m0sim.ld")
        for name, label in _PROGRAMS.items():
            found: dict[str, list[float]] = {kind: [] for kind in _PERIODS}
            for _ in range(rounds):
                for kind, period in _PERIODS.items():
                    found[kind].append(measure(elf, name, period))
            least = {kind: min(values) for kind, values in found.items()}
            rows = "  ".join(f"{kind} {value:.2f} ns, {value / least['off']:.2f}" for kind, value in least.items())
            print(f"{label:32}{rows}")


if __name__ == "__main__":
    main()
