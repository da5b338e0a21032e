"""How fast PIO is simulated: ``python tests/bench_pio.py``.

Millions of simulated cycles in a second of the host's processor: of PIO alone on some programs, then of firmware with
four machines at work and an interrupt of theirs every 1,000 cycles, the core asleep in between. Not a test.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import firmware_images
from pio_assembler import jmp, pull, set_
from test_pio_drivers import AUTOPULL, CLKDIV, FJOIN_TX, PINCTRL, SHIFTCTRL, TXF, WS2812, Pio

from m0sim import Firmware

_CYCLES = 10_000_000


def _machines(program: Sequence[int], count: int, divisor: int = 1) -> Pio:
    pio = Pio(program)
    pio.pins.log_capacity = 0
    for i in range(count):
        pio.store(0xCC, (len(program) - 1) << 12, i)
        pio.store(PINCTRL, 1 << 26 | i << 5, i)
        pio.store(CLKDIV, divisor << 16, i)
    return pio


def _square(count: int, divisor: int = 1) -> Callable[[], Pio]:
    def make() -> Pio:
        pio = _machines([set_("pins", 1), set_("pins", 0)], count, divisor)
        pio.start((1 << count) - 1)
        return pio

    return make


def _waiting() -> Pio:
    pio = _machines([pull(), jmp(0)], 4)
    pio.start(15)
    return pio


def _counting() -> Pio:
    pio = _machines([jmp(0, "x--", delay=31)], 1)
    pio.start()
    return pio


def _lights() -> Pio:
    pio = _machines(WS2812, 1, 15)
    pio.store(SHIFTCTRL, AUTOPULL | FJOIN_TX)
    pio.store(PINCTRL, 1 << 29)
    pio.start()
    return pio


def _rate(pio: Pio, feeds: bool) -> float:
    begin = time.process_time()
    end = pio.now + _CYCLES
    while pio.now < end:
        if feeds:
            for _ in range(8):
                pio.store(TXF, 0x12345678)
        pio.run(8 * 24 * 150 if feeds else _CYCLES)
    return _CYCLES / (time.process_time() - begin) / 1e6


def _firmware(seconds: float) -> float:
    with tempfile.TemporaryDirectory() as folder:
        elf = firmware_images.build("pio", Path(folder), defines=("ANSWERS=100000000",))
        begin = time.process_time()
        done = Firmware.from_elf(elf).run(seconds=seconds)
        return done.cycles / (time.process_time() - begin) / 1e6


def main() -> None:
    cases = [
        ("a square wave, each cycle", _square(1), False),
        ("four square waves, each cycle", _square(4), False),
        ("a square wave, every 100 cycles", _square(1, 100), False),
        ("delays of 31 cycles", _counting, False),
        ("WS2812 at 800 kHz", _lights, True),
        ("four machines that wait", _waiting, False),
    ]
    for label, make, feeds in cases:
        print(f"{label:34}{max(_rate(make(), feeds) for _ in range(3)):10,.0f} Mcycles/s")
    print(f"{'firmware with four machines':34}{_firmware(0.5):10,.0f} Mcycles/s")


if __name__ == "__main__":
    main()
