"""Cycles of every kernel beside the same kernel compiled from C: ``make bench-kernels`` writes docs/kernels.md.

Nothing is timed: m0sim counts, so the file is the same whenever the kernels, the references and the compilers are.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from kernel_cases import BOUNDS, CONV_MACS_INSIDE, At, Block, Case, Code, Side, active_edges, cases
from numpy.typing import NDArray

from m0sim import Machine, toolchain
from m0sim.chip import isa
from m0sim.chip.buffer import Buffer
from m0sim.chip.cost import Cost
from m0sim.errors import UsageError
from m0sim.image import Image, load_elf
from m0sim.study.learn import blocks

_ROOT = Path(__file__).resolve().parent.parent
_KERNELS = _ROOT / "kernels"
OUTPUT = _ROOT / "docs" / "kernels.md"
LEVELS = ("-O3", "-Os")
NOTHING = _ROOT / "tests" / "firmware" / "nothing.S"
GROUPS = {
    "multiply": (isa.Kind.MULTIPLY,),
    "load": (isa.Kind.LOAD, isa.Kind.LOAD_MULTIPLE),
    "store": (isa.Kind.STORE, isa.Kind.STORE_MULTIPLE),
    "move, shift, add, compare": (isa.Kind.DATA,),
}
"""What is none of these is a branch, a call or a return."""
Fields = Mapping[str, tuple[str, ...]]
"""Of a function's block, in order."""
SLOWEST_RATIO = 1.5
"""How much faster than compiled code a kernel that multiplies has to be."""


@dataclass(frozen=True)
class Measured:
    """What the calls of one side cost."""

    cycles: int
    code_bytes: int
    """Of the functions that ran, with what they keep between their instructions."""
    stack_bytes: int
    shares: dict[str, float]
    """Of the cycles, by what the instructions do: a key of GROUPS."""
    result: NDArray[Any]


@dataclass(frozen=True)
class Row:
    """A case with what was measured; compilations by name, as in ``zig -O3``."""

    case: Case
    ours: Measured
    compiled: dict[str, Measured]

    def each(self, cycles: int) -> float:
        return cycles / self.case.count

    @property
    def ratio(self) -> float:
        """Cycles of the faster -O3 to the kernel's."""
        return min(m.cycles for name, m in self.compiled.items() if "-O3" in name) / self.ours.cycles


# ----------------------------------------------------------------------------------------------------------- measuring


def compilations(names: Sequence[str], levels: Sequence[str] = LEVELS) -> dict[str, Image]:
    """The references by each toolchain of `names` that is there, at each level."""
    sources = [*sorted((_KERNELS / "ref").glob("*.c")), NOTHING]
    there = [found for found in map(_found, names) if found is not None]
    return {f"{t.name} {level}": _built(t, sources, (level, "-g")) for t in there for level in levels}


def kernels(name: str = "zig") -> Image:
    """All of kernels/*.S."""
    return _built(toolchain.find(name), [*sorted(_KERNELS.glob("*.S")), NOTHING], ("-g",))


def _found(name: str) -> toolchain.Toolchain | None:
    try:
        return toolchain.find(name)
    except UsageError:
        return None


def _built(chosen: toolchain.Toolchain, sources: list[Path], flags: tuple[str, ...]) -> Image:
    with tempfile.TemporaryDirectory(prefix="m0sim-kernels-") as folder:
        path = Path(folder) / "bench.elf"
        return load_elf(chosen.build(sources, path, flags=flags, linker_script=_KERNELS / "m0sim.ld"))


def measure(image: Image, side: Side, fields: Fields | None = None) -> Measured:
    """Run the calls one after the other on one chip. `fields`: of the blocks of `image`, default m0k.h's of now."""
    machine = Machine(image)
    arrays = {name: machine.alloc(_whole_words(array)) for name, array in side.arrays.items()}
    fields = blocks.blocks() if fields is None else fields
    prepared = [(function, [_word(machine, arrays, fields, w) for w in words]) for function, words in side.calls]
    costs = [machine.call(function, *words) for function, words in prepared]
    result = arrays[side.result].read().view(side.arrays[side.result].dtype)[: side.arrays[side.result].size]
    return Measured(
        sum(cost.cycles for cost in costs),
        _code_bytes(image, costs),
        max(cost.stack_bytes for cost in costs),
        _shares(costs),
        np.asarray(side.view(result), np.int64),
    )


def _whole_words(array: NDArray[Any]) -> NDArray[np.uint8]:
    """Buffers are rounded up to words, with zeros: kernels may read those."""
    flat = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    return np.pad(flat, (0, -flat.size % 4))


def _word(machine: Machine, arrays: dict[str, Buffer], fields: Fields, word: Any) -> int:
    """The number that stands for `word`; blocks are put into memory."""
    if isinstance(word, str):
        return arrays[word].address
    if isinstance(word, At):
        return arrays[word.name].address + word.offset
    if isinstance(word, Code):
        return machine.symbol(word.name).address | 1
    if isinstance(word, Block):
        word = tuple(word.words.get(name, 0) for name in fields[word.function])
    if isinstance(word, tuple):
        numbers = [_word(machine, arrays, fields, entry) & 0xFFFFFFFF for entry in word]
        return machine.alloc(np.array(numbers, np.uint32)).address
    return int(word)


def _code_bytes(image: Image, costs: list[Cost]) -> int:
    sizes = {symbol.address: symbol.size for symbol in image.symbols if symbol.kind == "function"}
    return sum(sizes.get(address, 0) for address in {f.address for cost in costs for f in cost.functions.values()})


def _shares(costs: list[Cost]) -> dict[str, float]:
    cycles = dict.fromkeys([*GROUPS, "branch"], 0)
    group_of = {kind: group for group, kinds in GROUPS.items() for kind in kinds}
    for cost in costs:
        table = cost.instruction_table
        for encoding, spent in zip(table.encoding.tolist(), table.cycles.tolist(), strict=True):
            cycles[group_of.get(isa.kind_of(encoding & 0xFFFF, encoding >> 16), "branch")] += spent
    return {group: spent / sum(cycles.values()) for group, spent in cycles.items()}


def compare(case: Case, image: Image, compiled: dict[str, Image]) -> Row:
    """Measure both sides. AssertionError where they do not give the same: then they are not the same kernel."""
    ours = measure(image, case.ours)
    others = {name: measure(other, case.reference) for name, other in compiled.items()}
    for name, other in others.items():
        np.testing.assert_array_equal(ours.result, other.result, f"{case.kernel} ({case.operands}) and {name}")
    return Row(case, ours, others)


# ----------------------------------------------------------------------------------------------------------- the table

HEAD = """\
# What the kernels cost

Written by `make bench-kernels` (`python tests/bench_kernels.py`); do not edit.
Compilers: {versions}. Profile rp2040: Cortex-M0+, zero wait states, single-cycle multiplier.
Cycles are counted, not timed: the same kernels and compilers give the same file.

Every kernel of `kernels/*.S` runs beside the same kernel compiled from C (`kernels/ref/*.c`: `restrict` loops over
row-major arrays that skip errors of zero, as the kernels do). Both have the same operands, and their results are
compared byte for byte. "Recorded" operands are the tensors of one step of PRIOT on tiny-cnn with MNIST rotated by 30
degrees (`tests/data/tiny-cnn-step.npz`): of the first 40 transfer images the one that moved most scores of the dense
layer, since most images move none. Uniform operands are random over their whole range.

Cycles include the call, the bias or border handling, and for forward kernels the requantisation. The ratio is that of
the faster -O3 to the kernel. A convolution's MACs count at the border too, as usual, though 9 % of them at 14x14 have
a padding zero, which the references skip; in backward kernels a MAC is one with an error that is not zero.
"""

TARGETS = """\
## Targets

Kernels that multiply: at least 1.5 times faster than the faster compiled -O3; the others: no slower.
{reached} of the {count} rows under "Cycles" reach that; those that do not are listed after the absolute speeds.

| what | asked for | measured | |
| --- | ---: | ---: | --- |
{rows}

Edges whose score moved in `m0k_score_dense`:

{moved}

Not counting MACs with a padding zero, `m0k_conv_forward` takes {inside} cycles for each.
"""


def table(rows: Sequence[Row], versions: Sequence[str]) -> str:
    """The whole file."""
    head = HEAD.format(versions=" and ".join(versions))
    parts = [head, _targets(rows), "## Cycles\n\n" + _cycles(rows), "## Bytes\n\n" + _bytes(rows), _bounds(rows)]
    return "\n".join(parts)


def _cycles(rows: Sequence[Row]) -> str:
    names = list(rows[0].compiled)
    lines = [_line("kernel", "operands", "cycles per", "kernel", *names, "ratio")]
    lines.append(_line("---", "---", "---", *["---:"] * (len(names) + 2)))
    for row in rows:
        compiled = [f"{row.each(row.compiled[name].cycles):.2f}" for name in names]
        numbers = [f"{row.each(row.ours.cycles):.2f}", *compiled, f"{row.ratio:.2f}"]
        lines.append(_line(f"`{row.case.kernel}`", row.case.operands, row.case.unit, *numbers))
    return "\n".join(lines) + "\n"


def _bytes(rows: Sequence[Row]) -> str:
    """One line a kernel: the largest of its rows."""
    names = list(rows[0].compiled)
    head = "Code / stack: the functions that ran, helpers and literals included, and the depth reached.\n"
    lines = [_line("kernel", "kernel", *names), _line("---", *["---:"] * (len(names) + 1))]
    for kernel, group in _by_kernel(rows).items():
        cells = [_sizes([row.ours for row in group])]
        cells += [_sizes([row.compiled[name] for row in group]) for name in names]
        lines.append(_line(f"`{kernel}`", *cells))
    return head + "\n" + "\n".join(lines) + "\n"


def _sizes(found: Sequence[Measured]) -> str:
    return f"{max(m.code_bytes for m in found):,} / {max(m.stack_bytes for m in found)}"


def _bounds(rows: Sequence[Row]) -> str:
    """Where the cycles go in a kernel's first row, and what that means."""
    groups = list(rows[0].ours.shares)
    lines = [_line("kernel", *groups, "bounded by"), _line("---", *["---:"] * len(groups), "---")]
    for kernel, group in _by_kernel(rows).items():
        lines.append(_line(f"`{kernel}`", *(f"{group[0].ours.shares[name]:.0%}" for name in groups), BOUNDS[kernel]))
    head = "Share of the cycles in the kernel's first row above, by instructions; branches include calls and returns.\n"
    return f"## What bounds each kernel\n\n{head}\n" + "\n".join(lines) + "\n"


def _by_kernel(rows: Sequence[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row.case.kernel, []).append(row)
    return found


def _line(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"


@dataclass(frozen=True)
class Target:
    """Something that was asked for; `missed_by` is 0 where it is reached."""

    what: str
    asked: str
    measured: float
    missed_by: float


def targets(rows: Sequence[Row]) -> list[Target]:
    """What was asked for and measured: the absolute speeds, then every row's ratio to compiled code, slowest first."""
    found = []
    for row in rows:
        if row.case.limit is not None:
            each = row.each(row.ours.cycles)
            what = f"`{row.case.kernel}`, {row.case.operands}: cycles per {row.case.unit}"
            found.append(Target(what, f"<= {row.case.limit:.1f}", each, max(0.0, each - row.case.limit)))
    for row in sorted(rows, key=lambda row: row.ratio / least_ratio(row.case)):
        least = least_ratio(row.case)
        what = f"`{row.case.kernel}`, {row.case.operands}: ratio"
        found.append(Target(what, f">= {least:.1f}", row.ratio, max(0.0, least - row.ratio)))
    return found


def least_ratio(case: Case) -> float:
    return SLOWEST_RATIO if case.is_multiplying else 1.0


def _targets(rows: Sequence[Row]) -> str:
    """The absolute speeds, and the ratios that are missed."""
    found = targets(rows)
    ratios = found[-len(rows) :]
    shown = found[: -len(rows)] + [target for target in ratios if target.missed_by]
    lines = []
    for target in shown:
        verdict = f"missed by {target.missed_by:.2f}" if target.missed_by else "reached"
        lines.append(_line(target.what, target.asked, f"{target.measured:.2f}", verdict))
    reached = sum(not target.missed_by for target in ratios)
    moved = "\n".join(f"* {_moved(row)}" for row in _updates(rows))
    return TARGETS.format(rows="\n".join(lines), reached=reached, count=len(rows), moved=moved, inside=_inside(rows))


def _inside(rows: Sequence[Row]) -> str:
    convolutions = [row for row in rows if row.case.kernel == "m0k_conv_forward"]
    return " and ".join(f"{row.ours.cycles / CONV_MACS_INSIDE:.2f}" for row in convolutions)


def _updates(rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if row.case.kernel == "m0k_score_dense"]


def _moved(row: Row) -> str:
    """Also over the edges whose output has an error: the others are skipped as a whole."""
    case, active = row.case, active_edges(row.case)
    assert case.moved is not None
    moved = round(case.moved * case.count)
    text = f"{case.operands}: {moved:,} of {case.count:,} ({case.moved:.1%})"
    if active < case.count:
        text += f"; of the {active:,} edges whose output has an error {moved / active:.1%}, "
        text += f"at {row.ours.cycles / active:.2f} cycles for each of these"
    return text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    arguments = parser.parse_args()
    try:
        compiled, image = compilations(toolchain.NAMES), kernels()
    except UsageError as error:
        sys.exit(f"bench_kernels.py: {error}")
    rows = [compare(case, image, compiled) for case in cases()]
    versions = [found.version() for found in map(_found, toolchain.NAMES) if found is not None]
    text = table(rows, versions)
    arguments.output.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
