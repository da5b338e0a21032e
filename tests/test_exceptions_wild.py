"""Code that no compiler would write, as firmware: all forms of the engine show the same, whatever goes wrong in it.

Vectors lead into random code, whose registers have pointers to itself, to its data, to the registers of the core and to
devices. SysTick is on, requests come and go at random cycles, devices answer or refuse. HardFault's handler goes on
behind the instruction that faulted, so that most programs run to the end of their time.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from conftest import parts
from engine_programs import function
from firmware_runner import Bare, of_code
from random_guests import program
from test_exceptions import everything

from m0sim.chip.native.layout import Stop

LIMIT = 4000
STACK = 0x20003000
GO_ON = (0x9806, 0x3002, 0x9006, 0x4770)  # the stacked PC, 2 more
_CORE = (0xE000ED04, 0xE000E100, 0xE000E200, 0xE000E010)
_OTHER = (0xD0000010, 0xD0000060, 0x40000000, 0x20041FFC)

Cuts = Callable[[], int]


def image_of(rng: np.random.Generator, base: int) -> tuple[bytes, list[int]]:
    """Vectors and code; and what r0 to r7 are at first."""
    image, starts = np.zeros(0x2000 // 2, np.uint16), []
    for number in range(6):
        code = program(rng)
        at = 0x400 + number * 0x240 + 2 * int(rng.integers(0, 32))
        image[at // 2 : at // 2 + len(code)] = code
        starts.append(base + at)

    def somewhere() -> int:
        return int(rng.choice(starts)) + 2 * int(rng.integers(0, 8))

    words = image.view(np.uint32)
    words[:2] = STACK + 4 * int(rng.integers(0, 2)), starts[0] | 1
    words[2:48] = [somewhere() | int(rng.random() < 0.97) for _ in range(46)]
    image[0x300 // 2 : 0x300 // 2 + len(GO_ON)] = GO_ON
    words[3] = base + 0x301 if rng.random() < 0.9 else words[3]
    data = (base + 0x3000, base + 0x3100, *_CORE, *_OTHER, somewhere() | 1, int(rng.integers(0, 1 << 32)))
    return image.tobytes(), [int(rng.choice(data)) for _ in range(8)]


def begun(seed: int, base: int, **options: Any) -> tuple[Bare, list[tuple[int, int, int]]]:
    """The program, with SysTick on and random priorities; and the requests that come: cycle, interrupt, what."""
    rng = np.random.default_rng(seed)
    code, registers = image_of(rng, base)
    names = [function(f"f{at:x}", base + at, 64) for at in range(0, len(code), 64) if seed % 3 and rng.random() < 0.8]
    program_ = of_code(code, base, symbols=tuple(names), **options)
    core = program_.emulator.counters.core
    core.timed.r[: len(registers)] = registers
    core.system.enabled |= int(rng.integers(0, 1 << 32)) << 16
    core.system.systick.control, core.system.systick.reload = 7, int(rng.integers(20, 300))
    priorities = program_.emulator.counters.tables["exceptions"]["priority"]
    priorities[[11, 14, 15, *range(16, 48)]] = rng.integers(0, 4, 35)
    requests = [(int(rng.integers(10, LIMIT)), int(rng.integers(0, 32)), int(rng.integers(0, 3))) for _ in range(20)]
    return program_, sorted(requests)


def shown(seed: int, base: int, cuts: Cuts = lambda: LIMIT, **options: Any) -> dict[str, Any]:
    """Run it; `cuts` gives the cycles of each slice."""
    program_, requests = begun(seed, base, **options)
    processor, asked = program_.processor, []
    processor.wake_at(requests[0][0])
    while True:
        stop = processor.run(min(LIMIT, processor.now + cuts()))
        if stop is Stop.DUE:
            while requests and requests[0][0] <= processor.now:
                _, number, what = requests.pop(0)
                if what == 2:
                    processor.pulse(number)
                else:
                    processor.set_line(number, bool(what))
            processor.wake_at(requests[0][0] if requests else None)
        elif stop in (Stop.ACCESS, Stop.READ_ONLY):
            access = processor.access
            asked.append((stop, access.address, access.size, access.is_store, access.value, processor.now))
            if access.address % 3 == 0:
                processor.refuse()
            else:
                processor.answer(access.address * 7)
        elif stop is Stop.BREAKPOINT:
            processor.fault_breakpoint()
        elif stop is not Stop.LIMIT or processor.now >= LIMIT:
            found = {"stop": stop, "asked": asked, "fault": processor.fault, "msp": processor.msp_low}
            return found | everything(program_)


def compare(seed: int) -> tuple[Stop, int]:
    """The simple form, the fast one, and the fast one in slices; in flash, which may be cold, or in SRAM."""
    base, options = (0x10000000, 0x20000000)[seed % 2], {"flash": "cold"} if seed % 4 == 0 else {}
    simple = shown(seed, base, form="simple", **options)
    rng = random.Random(seed)
    for cuts in (lambda: LIMIT, lambda: rng.choice((1, 2, 3, 5, 17, 96, 400))):
        fast = shown(seed, base, cuts, **options)
        assert [name for name in simple if fast[name] != simple[name]] == [], seed
    return simple["stop"], simple["taken"]


def compare_all(seeds: range) -> None:
    ends, taken = Counter(), 0
    for seed in seeds:
        stop, count = compare(seed)
        ends[stop] += 1
        taken += count
    assert ends[Stop.LIMIT] > len(seeds) / 2
    assert taken > 30 * len(seeds)


def test_all_forms_show_the_same() -> None:
    compare_all(range(16))


@pytest.mark.long
@pytest.mark.parametrize("shard", parts(range(4), long=2))
def test_all_forms_show_the_same_of_many(shard: int) -> None:
    compare_all(range(1000 + 200 * shard, 1200 + 200 * shard))
