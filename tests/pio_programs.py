"""Generated PIO programs, set-ups and what a processor does to them meanwhile, for the native PIO and the slow one."""

from __future__ import annotations

from random import Random
from typing import Any

import numpy as np
from reference.slow_pio import SlowPio
from sio_registers import Sio

from m0sim.chip.native import layout
from m0sim.chip.native.library import CORE

LOG = 1 << 14
_CTRL, _FDEBUG, _TXF0, _RXF0, _IRQ, _IRQ_FORCE, _BYPASS, _MEMORY = 0x00, 0x08, 0x10, 0x20, 0x30, 0x34, 0x38, 0x48
_CLKDIV, _EXECCTRL, _SHIFTCTRL, _INSTR, _PINCTRL = 0xC8, 0xCC, 0xD0, 0xD8, 0xDC
READABLE = [*range(0x00, 0x10, 4), *range(0x30, 0x48, 4), *range(0xC8, 0x144, 4)]
_OUT, _OE = 0x10, 0x20


class Fast:
    """The native one, with pins of given functions."""

    def __init__(self, functions: list[int]) -> None:
        self.sio = Sio()
        self.core: Any = self.sio.core
        pins = self.pins = self.core.port.pins
        everything = (1 << 30) - 1
        pins.out_and = pins.oe_and = pins.in_and = pins.inputs = everything
        pins.port = sum(1 << pin for pin, who in enumerate(functions) if who == 2)
        for block in range(2):
            pins.pio[block] = sum(1 << pin for pin, who in enumerate(functions) if who == block)
            self.sio.reset_pio(block)
        self.log = np.zeros(LOG, layout.PIN_CHANGE)
        pins.log, pins.log_capacity = self.log.ctypes.data, LOG

    def due(self, now: int) -> int:
        """The cycle before which nobody is to be told anything."""
        self.core.cycles = now
        return int(CORE.m0_pio_due(self.sio.address))


def instruction(random: Random) -> int:
    """Any, reserved ones now and then."""
    code, low, field = random.randrange(8), random.randrange(32), random.randrange(32)
    if random.random() < 0.6:
        field &= random.choice((0, 1, 16, 24))
    argument = random.randrange(8)
    few_flags = random.choice((0, 1, 16, 17, low & 0x17))
    if code == 1 and random.random() < 0.5:
        argument, low = argument & 4 | random.choice((1, 2)), few_flags
    if code == 6:
        argument, low = argument & 3, few_flags
    if code == 4 and random.random() < 0.9:
        low = 0
    return code << 13 | field << 8 | argument << 5 | low


def _divisor(random: Random) -> int:
    kind = random.random()
    if kind < 0.5:
        return 1 << 16
    whole = random.choice((1, 1, 2, 2, 3, 5, 17))
    return whole << 16 | (random.randrange(256) << 8 if kind < 0.85 else 0)


def _execctrl(random: Random) -> int:
    value = random.getrandbits(5) | random.getrandbits(5) << 24 | random.getrandbits(2) << 29
    value |= random.getrandbits(5) << 7 | random.randrange(2, 32) << 12
    if random.random() < 0.3:
        value |= 1 << 17
    if random.random() < 0.3:
        value |= 1 << 18 | random.randrange(8) << 19
    return value


def _shiftctrl(random: Random) -> int:
    threshold = [random.choice((0, 1, 4, 8, 16, random.randrange(32))) for _ in range(2)]
    value = random.getrandbits(4) << 16 | threshold[0] << 20 | threshold[1] << 25
    return value | (random.choice((1, 2, 3)) << 30 if random.random() < 0.25 else 0)


def _pinctrl(random: Random) -> int:
    bases = sum(random.choice((0, 2, 3, 29, random.randrange(32))) << shift for shift in (0, 5, 10, 15))
    return bases | random.randrange(34) << 20 | random.randrange(6) << 26 | random.choice((0, 0, 1, 2, 3, 5, 6)) << 29


class Story:
    """What happens in one run: `before` any cycle of it, `at` some of them."""

    def __init__(self, seed: int, cycles: int) -> None:
        random = self._random = Random(seed)
        self.cycles = cycles
        self.functions = [random.choice((0, 0, 1, 2)) for _ in range(30)]
        self.before = [step for block in range(2) for step in self._set_up(block)]
        self.at: dict[int, list[tuple[str, int, int, int]]] = {}
        pace = random.choice((3, 10, 40, 200))
        cycle = 0
        while (cycle := cycle + random.randrange(1, 2 * pace)) < cycles:
            self.at[cycle] = [self._act() for _ in range(random.choice((1, 1, 1, 2, 5)))]

    def _set_up(self, block: int) -> list[tuple[str, int, int, int]]:
        random = self._random
        size = random.choice((3, 8, 32))
        words = [instruction(random) for _ in range(size)]
        made = [("store", block, _MEMORY + 4 * i, words[i % size]) for i in range(32)]
        for i in range(4):
            base = 0x18 * i
            made += [
                ("store", block, _CLKDIV + base, _divisor(random)),
                ("store", block, _EXECCTRL + base, _execctrl(random)),
                ("store", block, _SHIFTCTRL + base, _shiftctrl(random)),
                ("store", block, _PINCTRL + base, _pinctrl(random)),
            ]
        made.append(("store", block, _BYPASS, random.getrandbits(32) & random.getrandbits(32)))
        if random.random() < 0.6:
            made += [("store", block, offset, random.getrandbits(12)) for offset in (0x12C, 0x138)]
        machines = random.choice((1, 2, 4, 8, 15, random.randrange(16)))
        return [*made, ("store", block, _CTRL, machines | random.choice((0, 15 << 8)))]

    def _act(self) -> tuple[str, int, int, int]:
        random, block = self._random, self._random.randrange(2)
        i = random.randrange(4)
        base = 0x18 * i
        kinds: list[tuple[float, tuple[str, int, int, int]]] = [
            (6, ("store", block, _TXF0 + 4 * i, random.getrandbits(32) >> random.choice((0, 16, 27)))),
            (6, ("load", block, _RXF0 + 4 * i, 0)),
            (2, ("outside", 0, 0, random.getrandbits(30))),
            (1, ("port", 0, _OUT, random.getrandbits(30))),
            (0.5, ("port", 0, _OE, random.getrandbits(30))),
            (3, ("store", block, _INSTR + base, instruction(random))),
            (1, ("store", block, _CTRL, random.getrandbits(12) & random.getrandbits(12) | random.getrandbits(4))),
            (1, ("store", block, _IRQ, random.getrandbits(8))),
            (0.5, ("store", block, _IRQ_FORCE, random.getrandbits(8))),
            (1, ("store", block, _FDEBUG, random.getrandbits(28))),
            (0.5, ("store", block, _CLKDIV + base, _divisor(random))),
            (0.5, ("store", block, _EXECCTRL + base, _execctrl(random))),
            (0.5, ("store", block, _SHIFTCTRL + base, _shiftctrl(random))),
            (0.5, ("store", block, _PINCTRL + base, _pinctrl(random))),
            (0.5, ("store", block, _MEMORY + 4 * random.randrange(32), instruction(random))),
            (0.3, ("store", block, 0x130 + 12 * random.randrange(2), random.getrandbits(12) & random.getrandbits(12))),
            (0.3, ("store", block, 0x12C + 12 * random.randrange(2), random.getrandbits(12))),
            (0.2, ("store", block, _BYPASS, random.getrandbits(32))),
            (2, ("load", block, random.choice(READABLE), 0)),
        ]
        return random.choices([what for _, what in kinds], [weight for weight, _ in kinds])[0]


def act_slowly(slow: SlowPio, what: tuple[str, int, int, int]) -> int:
    kind, block, offset, value = what
    if kind == "store":
        slow.blocks[block].store(offset, value)
    elif kind == "load":
        return slow.blocks[block].load(offset)
    elif kind == "outside":
        slow.outside = value
    elif offset == _OUT:
        slow.port_out = value
    else:
        slow.port_oe = value
    return 0


def act_fast(fast: Fast, what: tuple[str, int, int, int], now: int) -> int:
    kind, block, offset, value = what
    if kind == "store":
        fast.sio.store_pio(block, offset, value, now)
    elif kind == "load":
        return fast.sio.load_pio(block, offset, now)
    elif kind == "outside":
        fast.sio.settle_pio(now)
        fast.pins.outside = value
        fast.sio.update_pins(now)
    else:
        fast.core.port.now = now
        fast.sio.store(offset, value)
    return 0


def state_of_slow(slow: SlowPio, registers: bool = True) -> list[Any]:
    """All that can be seen, and what machines keep for themselves."""
    return [
        [(m.x, m.y, m.isr, m.osr, m.shifted_in, m.shifted_out, list(m.tx), list(m.rx), m.waiting_on_irq)
         for block in slow.blocks for m in block.machines],
        [[block.load(offset) for offset in READABLE] for block in slow.blocks] if registers else [],
        slow.pins(), slow.lines, slow.dreqs,
    ]  # fmt: skip


def state_of_fast(fast: Fast, now: int, registers: bool = True) -> list[Any]:
    fast.sio.settle_pio(now)
    machines = [machine for block in fast.core.pio.blocks for machine in block.machines]
    return [
        [(m.x, m.y, m.isr, m.osr, m.isr_count, m.osr_count, _words(m.tx), _words(m.rx), bool(m.waits_irq))
         for m in machines],
        [[fast.sio.load_pio(block, offset, now) for offset in READABLE] for block in range(2)] if registers else [],
        (fast.pins.level, fast.pins.driven), fast.core.pio.lines, fast.sio.dreqs,
    ]  # fmt: skip


DOINGS = ("executes", "TX empty", "RX full", "pin", "flag", "clear", "fills", "delays")
"""In the order of `enum m0_pio_doing`."""
WORDS = {
    "written": "written", "pulled": "pulled", "pushed": "pushed", "read": "read", "written_full": "written, full",
    "pushed_full": "pushed, full", "read_empty": "read, empty",
}  # fmt: skip
Counts = list[tuple[int, dict[str, int], dict[str, int]]]
"""By machine: cycles in which it was enabled, steps, words."""


def counts_of_slow(slow: SlowPio) -> Counts:
    machines = [machine for block in slow.blocks for machine in block.machines]
    return [(machine.enabled_cycles, dict(machine.steps), dict(machine.moved)) for machine in machines]


def counts_of_fast(fast: Fast, now: int) -> Counts:
    CORE.m0_pio_settle_counts(fast.sio.address, now)
    return [
        (
            row.enabled,
            {name: times for name, times in zip(DOINGS, row.steps, strict=True) if times},
            {name: getattr(row, field) for field, name in WORDS.items() if getattr(row, field)},
        )
        for row in fast.core.pio_counts
    ]


def _words(fifo: Any) -> list[int]:
    return [fifo.words[(fifo.first + i) % 8] for i in range(fifo.count)]
