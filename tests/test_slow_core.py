"""The oracle of exceptions is right where there are none: against the manual's pseudocode and the timed engine.

tests/test_exceptions_qemu.py holds what it does of exceptions.
"""

from __future__ import annotations

import struct

import numpy as np
import pytest
from engine_programs import programs_that_return
from reference import semantics
from reference.accountant import priced_rows
from reference.encode import LR, PC, SP
from reference.semantics import Case, State
from reference.slow_core import Core, Region

from m0sim import Machine
from m0sim.chip.engine.emulator import RETURN_ADDRESS

CODE, DATA, STACK = 0x1000, 0x20000000, 0x20001000
CORES = (("cortex-m0plus", 1), ("cortex-m0plus", 32), ("cortex-m0", 1))
CASES = semantics.cases()
PROFILES = {"rp2040": CORES[0], "m0plus-slowmul": CORES[1], "stm32f0": CORES[2]}
IMAGE_BYTES = 0x4000


def stepped(case: Case, registers: list[int], flags: int, core: tuple[str, int]) -> Core:
    """The case's steps, until it has come behind them."""
    halfwords = sum((step.halfwords for step in case.steps), ())
    code = bytearray(struct.pack(f"<{len(halfwords)}H", *halfwords))
    regions = [
        Region(CODE, code + bytes(64), False),
        Region(DATA, bytearray(_content())),
        Region(STACK, bytearray(1024)),
    ]
    found = Core(regions, core=core[0], multiplier=core[1])
    found.reset(STACK + 512, CODE)
    found.r[:13], found.r[LR], found.apsr = registers, RETURN_ADDRESS | 1, flags
    while found.r[PC] != CODE + len(code):
        found.step()
        assert not found.taken, found.r[PC]
        if found.asleep:  # WFE with nothing to come: the state that it is compared with goes on
            found.asleep = ""
    return found


def _content() -> bytes:
    return np.random.default_rng(5).integers(0, 256, 512, np.uint8).tobytes()


def expected(case: Case, registers: list[int], flags: int) -> State:
    memory = dict(enumerate(_content(), DATA))
    halfwords = sum((step.halfwords for step in case.steps), ())
    memory |= dict(enumerate(struct.pack(f"<{len(halfwords)}H", *halfwords) + bytes(64), CODE))
    memory |= {STACK + place: 0 for place in range(1024)}
    state = State([*registers, STACK + 512, RETURN_ADDRESS | 1, 0], memory=memory)
    state.apsr = flags
    semantics.run(case.steps, state, CODE)
    return state


LONG = pytest.mark.long


@pytest.mark.parametrize(("core", "stride"), [(CORES[0], 17), *(pytest.param(core, 1, marks=LONG) for core in CORES)])
def test_every_instruction_is_the_manuals(core: tuple[str, int], stride: int) -> None:
    rng, table = np.random.default_rng(1), priced_rows(*core)
    for case in CASES:
        for number, operands in enumerate(case.operands[::stride]):
            registers = [int(value) for value in rng.integers(0, 1 << 32, 13)]
            for register, value in operands:
                if register < 13:
                    registers[register] = value if value >= 0 else DATA - 1 - value
            flags = number % 16 << 28
            found, state = stepped(case, registers, flags, core), expected(case, registers, flags)
            where = f"{case.name}, operands {number}"
            assert [*found.r[:13], found.r[LR]] == [*state.r[:13], state.r[LR]], where
            assert found.get(SP) == state.r[SP], where
            assert found.apsr == state.apsr, where
            for region in found.regions:
                assert region.content == bytes(state.memory[region.base + i] for i in range(len(region.content))), where
            assert found.now == sum(table[row] + registers for row, registers in state.rows), where


SEEDS = [
    1,
    *(pytest.param(seed, marks=LONG) for seed in range(2, 7)),
    *(pytest.param(seed, marks=pytest.mark.exhaustive) for seed in range(7, 22)),
]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("profile", PROFILES)
def test_programs_are_the_timed_engines(profile: str, seed: int) -> None:
    """Registers, flags, memory, instructions and cycles."""
    for machine, entry, arguments in programs_that_return(seed, 12, profile):
        data, *words = arguments
        content = data.read()
        cost = machine.call(entry, *arguments, engine="timed")
        found = returned(machine, entry, data.address, content.tobytes(), words, cost.stack_top, PROFILES[profile])
        engine = machine.interpreter
        assert (found.executed.total(), found.now) == (cost.instructions, cost.cycles)
        assert (*found.r[:13], found.get(SP), found.r[LR]) == engine.registers()
        assert found.apsr == engine.flags()
        assert found.regions[1].content == data.read().tobytes()


def returned(
    machine: Machine, entry: int, data: int, content: bytes, words: list[int], stack: int, core: tuple[str, int]
) -> Core:
    """The call of a program on the slow core."""
    flash = machine.device.flash
    image = bytearray(machine.read(flash.base, IMAGE_BYTES).tobytes())
    regions = [
        Region(flash.base, image, False),
        Region(data, bytearray(content)),
        Region(stack - 8192, bytearray(8192)),
    ]
    found = Core(regions, core=core[0], multiplier=core[1])
    found.reset(stack, entry)
    found.r[:4] = [data, *words]
    found.r[LR] = RETURN_ADDRESS | 1
    while found.r[PC] != RETURN_ADDRESS:
        found.step()
        found.asleep = ""
    return found
