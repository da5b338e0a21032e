"""Build what runs on the board: ``python -m m0sim.board.runtime.build``. ``make`` and the build hook call it."""

from __future__ import annotations

import argparse
from pathlib import Path

from m0sim import toolchain

FOLDER = Path(__file__).resolve().parent
FILE = FOLDER / "rp2040.elf"
"""Where it is loaded from."""

_FLAGS = ("-Os", "-g0", "-std=c11", "-fno-builtin", "-Wall", "-Wextra", "-Werror", "-Wconversion", "-Wshadow")


def sources() -> list[Path]:
    """What it is made of."""
    return sorted([*FOLDER.glob("*.S"), *FOLDER.glob("*.c")])


def build(output: Path = FILE) -> Path:
    """Make the ELF with the pinned ziglang, with the relocations that `m0sim.image.moving` needs.

    Raises `UsageError` with the compiler's message where that fails.
    """
    output.parent.mkdir(parents=True, exist_ok=True)
    script = FOLDER / "runtime.ld"
    return toolchain.find("zig").build(sources(), output, flags=_FLAGS, linker_script=script, movable=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--output", type=Path, default=FILE)
    build(parser.parse_args().output)


if __name__ == "__main__":
    main()
