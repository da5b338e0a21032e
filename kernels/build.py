"""Assemble and link: ``python kernels/build.py OUTPUT.elf SOURCE... [--toolchain zig|gnu] [--movable]``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from m0sim import toolchain
from m0sim.errors import UsageError


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path)
    parser.add_argument("sources", type=Path, nargs="+")
    parser.add_argument("--toolchain", choices=toolchain.NAMES, default="zig")
    parser.add_argument("--movable", action="store_true", help="keep relocations: the study puts kernels anywhere")
    arguments = parser.parse_args()
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    try:
        chosen = toolchain.find(arguments.toolchain)
        script = Path(__file__).parent / "m0sim.ld"
        chosen.build(arguments.sources, arguments.output, linker_script=script, movable=arguments.movable)
    except UsageError as error:
        sys.exit(f"kernels/build.py: {error}")


if __name__ == "__main__":
    main()
