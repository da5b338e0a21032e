"""Random guest programs: ``python tests/random_guests.py SEED COUNT``. Nothing is compared; the core must live.

A program is random halfwords, most of them valid ARMv6-M, run in SRAM until it returns, faults or used up its cycles.
It finds pointers to its own code, its data, the I/O port and the end of the memory in the registers: so it rewrites
itself, runs off its end, and calls and jumps to and fro.
"""

from __future__ import annotations

import sys

import numpy as np
from engines import FORMS, default_engine

from m0sim import Fault, Machine
from m0sim.chip import isa
from m0sim.chip.options import Level

CODE, DATA = 0x20000000, 0x20004000
POINTERS = (CODE, CODE + 64, CODE + 65, CODE + 129, DATA, 0x10000000, 0xD0000000, 0xD0000060, 0x20041FFC, 0)
_KINDS = isa.FIRST[:, isa.KIND]
ENCODINGS = {kind: np.flatnonzero(kind == _KINDS).astype(np.uint16) for kind in isa.Kind}
WEIGHTS = {
    isa.Kind.DATA: 60,
    isa.Kind.MULTIPLY: 2,
    isa.Kind.LOAD: 6,
    isa.Kind.STORE: 8,
    isa.Kind.LOAD_MULTIPLE: 3,
    isa.Kind.STORE_MULTIPLE: 4,
    isa.Kind.POP_PC: 1,
    isa.Kind.BRANCH_CONDITIONAL: 8,
    isa.Kind.BRANCH: 2,
    isa.Kind.BRANCH_EXCHANGE: 1,
    isa.Kind.BRANCH_LINK_EXCHANGE: 2,
    isa.Kind.WRITE_PC: 1,
    isa.Kind.SLEEP: 0.3,
    isa.Kind.SUPERVISOR_CALL: 0.1,
    isa.Kind.INVALID: 0.2,
}
_SHARES = np.array(list(WEIGHTS.values())) / sum(WEIGHTS.values())


def program(rng: np.random.Generator) -> np.ndarray:
    """Up to 256 halfwords."""
    size = int(rng.choice([4, 16, 64, 256]))
    kinds = rng.choice(list(WEIGHTS), size, p=_SHARES)
    code = np.array([rng.choice(ENCODINGS[isa.Kind(kind)]) for kind in kinds])
    near = np.isin(kinds, (isa.Kind.BRANCH_CONDITIONAL, isa.Kind.BRANCH))
    code[near] &= 0xFF0F  # to somewhere inside, most of them
    based = np.isin(kinds, (isa.Kind.LOAD, isa.Kind.STORE)) & (code >> 12 != 4) & (code >> 12 != 9)
    code[based] &= 0xFFDF  # from r0 to r3, which begin as pointers
    links = np.flatnonzero(rng.random(size - 1) < 0.04)  # BL a little forward or back
    code[links] = np.where(rng.random(len(links)) < 0.5, 0xF000, 0xF7FF)
    code[links + 1] = np.where(code[links] == 0xF000, 0xF800, 0xFF00) + rng.integers(0, 64, len(links))
    if rng.random() < 0.5:
        code[-1] = 0x4770
    return code


def main() -> None:
    seed, count = int(sys.argv[1]), int(sys.argv[2])
    rng = np.random.default_rng(seed)
    machine = Machine.from_raw(bytes(0x8000), CODE)
    faults: dict[str, int] = {}
    for _ in range(count):
        machine.write(CODE, rng.integers(0, 256, 1024, np.uint8))
        machine.write(CODE, program(rng))
        level: Level = "memory" if rng.random() < 0.1 else "cycles"
        form = FORMS[rng.integers(len(FORMS))]
        arguments = [int(value) for value in rng.choice(POINTERS, 4)]
        try:
            # Kept, or else the call would begin with the memory as it was loaded.
            with default_engine(form):
                cost = machine.call(CODE, *arguments, keep=True, max_cycles=2000, level=level)
            assert sum(f.self_cycles for f in cost.functions.values()) == cost.cycles
            kind = "returned"
        except Fault as fault:
            kind = fault.kind
        faults[kind] = faults.get(kind, 0) + 1
    print(dict(sorted(faults.items(), key=lambda item: -item[1])))


if __name__ == "__main__":
    main()
