"""Cycles of every kernel beside the same kernel compiled from C: ``make bench-kernels`` writes docs/kernels.md.

Nothing is timed: m0sim counts, so the file is the same whenever the kernels, the references and the compilers are.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from kernel_cases import cases
from kernel_libraries import forward_cycles, of_rows
from kernel_measure import compare, compilations, kernels, same_code, there
from kernel_operands import recorded
from kernel_page import Steps, page

from m0sim import toolchain
from m0sim.errors import UsageError

OUTPUT = Path(__file__).resolve().parent.parent / "docs" / "kernels.md"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    arguments = parser.parse_args()
    try:
        compiled, image = compilations(toolchain.NAMES), kernels()
    except UsageError as error:
        sys.exit(f"bench_kernels.py: {error}")
    same, steps = same_code(compiled), recorded()
    rows = [compare(case, image, compiled) for case in cases()]
    number = Steps(len(steps), sum(not step.is_idle for step in steps))
    ours = of_rows(rows, forward_cycles(steps), len(steps))
    text = page(rows, [found.version() for found in there()], same, number, ours)
    arguments.output.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
