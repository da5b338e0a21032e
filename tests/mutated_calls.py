"""Damaged ELF files that load are run: ``python tests/mutated_calls.py COUNT SEED ELF...``. The core must live."""

from __future__ import annotations

import contextlib
import sys
import tempfile
from pathlib import Path

import mutate_elf

from m0sim import Machine
from m0sim.errors import M0simError
from m0sim.image import load_elf


def calls(path: Path, functions: int) -> int:
    """Call the first functions of an image, at both levels; how many calls were begun."""
    try:
        machine = Machine.from_elf(path)
    except M0simError:
        return 0
    begun = 0
    for symbol in load_elf(path).functions[:functions]:
        for level in ("cycles", "memory"):
            begun += 1
            with contextlib.suppress(M0simError):
                machine.call(symbol.address, 3, 2, 1, level=level, max_cycles=2000)
    return begun


def main() -> None:
    count, seed = int(sys.argv[1]), int(sys.argv[2])
    begun = 0
    with tempfile.TemporaryDirectory() as folder:
        for original in sys.argv[3:]:
            content = Path(original).read_bytes()
            for _, damaged in mutate_elf.mutants(content, count // len(sys.argv[3:]), seed):
                path = Path(folder) / "damaged.elf"
                path.write_bytes(damaged)
                begun += calls(path, functions=3)
    print(begun)


if __name__ == "__main__":
    main()
