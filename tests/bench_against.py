"""Cycles of every row beside those of other kernels, such as an earlier commit's: ``make bench-against REV=...``.

Both run the cases of this checkout, the rows of docs/kernels.md and those at the ends (kernel_extremes.py), and must
give the same bytes. A field that the other kernels' header has not is left out of their blocks.
"""

from __future__ import annotations

import argparse
import io
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import kernel_measure
import numpy as np
from kernel_case import Block, Case, Side
from kernel_cases import cases
from kernel_extremes import extremes
from kernel_measure import Fields, Measured, measure

from m0sim import toolchain
from m0sim.errors import M0simError, UsageError
from m0sim.image import Image, load_elf
from m0sim.study.learn import blocks

ROOT = Path(__file__).resolve().parent.parent
RENAMED = {"patch": "scratch"}
"""Fields by an old name, for a header that has it, and what they are called now."""
REPLACED = {"m0k_select_kept": "m0k_select"}
"""Functions, and what did their work where they are not there."""


@dataclass(frozen=True)
class Kernels:
    """Kernels that can run the cases: their image, and their blocks' fields."""

    image: Image
    fields: Fields

    def side(self, side: Side) -> Side:
        """The calls as these kernels take them: where one is for all outputs, not those for the outputs behind."""
        calls = [(self._named(function), [self._word(word) for word in words]) for function, words in side.calls]
        return replace(side, calls=[call for call in calls if not any(map(self._is_for_others, call[1]))])

    def _named(self, function: str) -> str:
        return function if function in self.fields else REPLACED.get(function, function)

    def _is_for_others(self, word: Any) -> bool:
        return isinstance(word, Block) and bool(word.words.get("first_out")) and not self._has(word, "first_out")

    def _has(self, block: Block, field: str) -> bool:
        return field in self.fields[block.function]

    def _word(self, word: Any) -> Any:
        if not isinstance(word, Block):
            return word
        old = {name: word.words[now] for name, now in RENAMED.items() if now in word.words}
        return Block(self._named(word.function), old | word.words)


def at_commit(revision: str) -> Kernels:
    """The kernels of a commit of this repository, assembled now. UsageError where git has not that commit."""
    found = subprocess.run(["git", "archive", revision, "kernels"], cwd=ROOT, capture_output=True, check=False)
    if found.returncode:
        raise UsageError(f"git has no kernels of {revision}: {found.stderr.decode().strip()}")
    with tempfile.TemporaryDirectory(prefix="m0sim-kernels-") as folder:
        with tarfile.open(fileobj=io.BytesIO(found.stdout)) as archive:
            archive.extractall(folder, filter="data")
        path, sources = Path(folder) / "kernels", [*sorted(Path(folder).glob("kernels/*.S")), kernel_measure.NOTHING]
        elf = toolchain.find("zig").build(sources, path / "old.elf", flags=("-g",), linker_script=path / "m0sim.ld")
        return Kernels(load_elf(elf), blocks.of_functions((path / "m0k.h").read_text(encoding="utf-8")))


def _measured(case: Case, kernels: Kernels) -> Measured:
    """Cycles and results of all runs together."""
    found = [measure(kernels.image, kernels.side(run.ours), kernels.fields) for run in case.runs]
    result = np.concatenate([one.result for one in found])
    return replace(found[0], cycles=sum(one.cycles for one in found), result=result)


def line(case: Case, old: Kernels, new: Kernels) -> tuple[str, float]:
    """The row's text, and its cycles to those of the old kernels (0 where these have no such kernel)."""
    after = _measured(case, new)
    name = f"{case.kernel}, {case.operands}"
    if case.kernel not in {symbol.name for symbol in old.image.symbols}:
        return f"{'':>12} {after.cycles:>12,} {'new':>6}  {name}", 0.0
    before = _measured(case, old)
    ratio = after.cycles / before.cycles
    differs = "" if np.array_equal(before.result, after.result) else "  DIFFERENT RESULTS"
    return f"{before.cycles:>12,} {after.cycles:>12,} {ratio:>6.3f}  {name}{differs}", float(
        "inf"
    ) if differs else ratio


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("revision", help="the other kernels' commit, such as 640f1b5")
    parser.add_argument("-k", default="", help="only rows with this in their name")
    parser.add_argument("--most", type=float, default=1.06, help="the ratio above which a row is too slow: 1.06")
    arguments = parser.parse_args()
    try:
        old, new = at_commit(arguments.revision), Kernels(kernel_measure.kernels(), blocks.blocks())
    except M0simError as error:
        sys.exit(f"bench_against.py: {error}")
    print(f"{arguments.revision:>12} {'now':>12} {'ratio':>6}")
    slow = []
    for case in (*cases(), *extremes()):
        if arguments.k in f"{case.kernel}, {case.operands}":
            text, ratio = line(case, old, new)
            print(text, flush=True)
            slow += [text] if ratio > arguments.most else []
    print(f"{len(slow)} rows take more than {arguments.most} times as long" + "".join(f"\n{text}" for text in slow))
    sys.exit(bool(slow))


if __name__ == "__main__":
    main()
