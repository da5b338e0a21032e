"""Assemble the boot ROM: ``python -m m0sim.chip.bootrom.build``. ``make`` and the build hook of the wheels call it."""

from __future__ import annotations

import argparse
from pathlib import Path

from m0sim import toolchain

FOLDER = Path(__file__).resolve().parent
FILE = FOLDER / "rp2040.elf"
"""Where it is loaded from."""

# It fits into 16 KiB. No source lines: a report names functions of the ROM, not places in it.
_FLAGS = ("-O2", "-g0", "-std=c11", "-Wall", "-Wextra", "-Werror", "-Wconversion", "-Wshadow")


def sources() -> list[Path]:
    """What it is made of, sorted: their order is that of the code."""
    return sorted([*FOLDER.glob("*.S"), *FOLDER.glob("*.c")])


def build(output: Path = FILE) -> Path:
    """Make the ELF with the pinned ziglang. Raises `UsageError` with the compiler's message where that fails."""
    output.parent.mkdir(parents=True, exist_ok=True)
    return toolchain.find("zig").build(sources(), output, flags=_FLAGS, linker_script=FOLDER / "bootrom.ld")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--output", type=Path, default=FILE)
    build(parser.parse_args().output)


if __name__ == "__main__":
    main()
