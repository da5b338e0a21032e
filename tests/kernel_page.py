"""docs/kernels.md: tables of what was measured."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from textwrap import fill

from kernel_bounds import BOUNDS, NOT_FASTER
from kernel_case import Case
from kernel_case_conv import CONV_MACS_INSIDE
from kernel_case_scores import active_edges
from kernel_libraries import Ours, libraries
from kernel_measure import SMALL, Measured, Row, fastest

SLOWEST_RATIO = 1.5
"""How much faster than compiled code a kernel that multiplies has to be."""

HEAD = """\
# What the kernels cost

Written by `make bench-kernels` (`python tests/bench_kernels.py`); do not edit.
Compilers: {versions}. Profile rp2040: Cortex-M0+, zero wait states, single-cycle multiplier.
Cycles are counted, not timed: the same kernels and compilers give the same file.

Every kernel of `kernels/*.S` runs beside the same kernel compiled from C (`kernels/ref/*.c`: `restrict` loops over
row-major arrays that skip errors of zero, as the kernels do). Both have the same operands, and their results are
compared byte for byte. The C is compiled by each compiler with -O2, -O3 and -Ofast, each with -funroll-loops
("unrolled") and with -fno-unroll-loops, and with -Os; the ratio is that of the fastest of all these, which the table
names, to the kernel. (`zig cc` makes -O2 of -O2, -O3 and -Ofast; here clang itself is told.)

{same}"Steps" are those of PRIOT on tiny-cnn with the first {steps} transfer images of MNIST, rotated by 30 degrees
(`tests/data/tiny-cnn-steps.npz`). The busiest is the one that moves most scores of the dense layer. {idle} of the
{steps} have a loss without an error: nothing goes back and no score moves, so that means of backward and update are
over the other {active}. Uniform operands are random over their whole range.

Cycles include the call, the bias or border handling, and for forward kernels the requantisation. A convolution's MACs
count at the border too, as usual, though 9 % of them at 14x14 have a padding zero, which the references skip; in
backward kernels a MAC is one with an error that is not zero.

`make bench-against REV=640f1b5` runs these rows, and more on operands at the ends (no zeros, all zeros, one that is not
zero, every edge moved, ties everywhere, other shapes; `tests/kernel_extremes.py`), beside the kernels of that commit,
compares their results, and fails where a row takes more than 1.06 times as long.
"""

TARGETS = """\
## Targets

Kernels that multiply: at least 1.5 times faster than compiled C; the others: no slower. This was asked for when the
references were compiled by two compilers at one level each, and is held here to the fastest of all:
{reached} of the {count} rows under "Cycles" reach it. Those that do not are listed after the absolute speeds, with what
keeps them from it.

| what | asked for | measured | |
| --- | ---: | ---: | --- |
{rows}

Edges whose score moved in `m0k_score_dense`:

{moved}

Not counting MACs with a padding zero, `m0k_conv_forward` takes {inside} cycles for each with uniform operands.
"""

LANES = """\
## The same idea in C

`kernels/ref/swar.c` is what a C programmer gets who knows the kernels' idea: two products a multiplication in lanes of
16 bits, four outputs at once, the same order of weights, in two forms, of which one skips words of zeros. The ratio is
that of the faster form in its fastest compilation to the kernel: what assembly and its choices at run time give beyond
the idea. 1.5 was not asked for here. "rows": the fastest plain C of the table above.
"""


@dataclass(frozen=True)
class Steps:
    """How many steps are recorded, and how many of them have an error."""

    all: int
    active: int


def page(rows: Sequence[Row], versions: Sequence[str], same: Mapping[str, str], steps: Steps, ours: Ours) -> str:
    """The whole file. `same`: compilations with an earlier one's code."""
    parts = [head(versions, same, steps), _targets(rows), "## Cycles\n\n" + _cycles(rows), LANES + "\n" + _lanes(rows)]
    return "\n".join([*parts, libraries(ours), "## Bytes\n\n" + _bytes(rows), _bounds(rows)])


def head(versions: Sequence[str], same: Mapping[str, str], steps: Steps) -> str:
    """What is before the tables."""
    number = {"steps": steps.all, "active": steps.active, "idle": steps.all - steps.active}
    return HEAD.format(versions=" and ".join(versions), same=_same(same), **number)


def _same(same: Mapping[str, str]) -> str:
    if not same:
        return ""
    text = "; ".join(f"{name} is the code of {earlier}" for name, earlier in same.items())
    return fill(f"Not all of them differ: {text}.", 119) + "\n\n"


def _cycles(rows: Sequence[Row]) -> str:
    compilers = _compilers(rows)
    small = [f"{name} {SMALL}" for name in compilers]
    lines = [_line("kernel", "operands", "cycles per", "kernel", "C", "fastest C", *compilers, *small, "ratio")]
    lines.append(_line("---", "---", "---", "---:", "---:", "---", *["---:"] * (len(compilers) + len(small) + 1)))
    for row in rows:
        best = [
            row.compiled[row.fastest()].cycles,
            *(row.compiled[row.fastest(f"{name} ")].cycles for name in compilers),
        ]
        first, *others = (f"{row.each(cycles):.2f}" for cycles in best)
        numbers = [*others, *(f"{row.each(row.compiled[name].cycles):.2f}" for name in small), f"{row.ratio:.2f}"]
        own = f"{row.each(row.ours.cycles):.2f}"
        what = (f"`{row.case.kernel}`", row.case.operands, row.case.unit)
        lines.append(_line(*what, own, first, row.fastest(), *numbers))
    note = "Columns of a compiler: its fastest level, and -Os.\n"
    return "\n".join(lines) + "\n\n" + note


def _compilers(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(name.split()[0] for name in rows[0].compiled))


def _lanes(rows: Sequence[Row]) -> str:
    lines = [_line("kernel", "operands", "cycles per", "kernel", "rows", "lanes", "fastest", "ratio")]
    lines.append(_line("---", "---", "---", "---:", "---:", "---:", "---", "---:"))
    for row in rows:
        if row.lanes:
            name = fastest(row.lanes)
            cycles = (row.ours.cycles, row.compiled[row.fastest()].cycles, row.lanes[name].cycles)
            numbers = [f"{row.each(one):.2f}" for one in cycles]
            ratio = f"{row.lanes[name].cycles / row.ours.cycles:.2f}"
            lines.append(_line(f"`{row.case.kernel}`", row.case.operands, row.case.unit, *numbers, name, ratio))
    return "\n".join(lines) + "\n"


def _bytes(rows: Sequence[Row]) -> str:
    """One line a kernel: the largest of its rows."""
    names = [f"{name} {SMALL}" for name in _compilers(rows)]
    head = "Code / stack: the functions that ran, helpers and literals included, and the depth reached.\n"
    lines = [_line("kernel", "kernel", *names, "fastest C of the first row", ""), _line("---", *["---:"] * 4, "---")]
    for kernel, group in _by_kernel(rows).items():
        best = group[0].fastest()
        cells = [_sizes([row.ours for row in group])]
        cells += [_sizes([row.compiled[name] for row in group]) for name in (*names, best)]
        lines.append(_line(f"`{kernel}`", *cells, best))
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
    note: str = ""

    @property
    def verdict(self) -> str:
        if not self.missed_by:
            return "reached"
        by = f"{self.missed_by:.2f}" if self.missed_by >= 0.005 else "less than 0.01"
        return f"missed by {by}{self.note}"


def speeds(rows: Sequence[Row]) -> list[Target]:
    """The absolute speeds that were asked for, in the order of the table."""
    return [_speed(row) for row in rows if row.case.limit is not None]


def _speed(row: Row) -> Target:
    assert row.case.limit is not None
    each, limit = row.each(row.ours.cycles), row.case.limit
    what = f"`{row.case.kernel}`, {row.case.operands}: cycles per {row.case.unit}"
    return Target(what, f"<= {limit:.2f}", each, max(0.0, each - limit), _because(row.case.bound))


def _because(why: str) -> str:
    return f": {why}" if why else ""


def ratios(rows: Sequence[Row]) -> list[Target]:
    """Every row's ratio to compiled C, slowest first."""
    ordered = sorted(rows, key=lambda row: row.ratio / least_ratio(row.case))
    return [_ratio(row) for row in ordered]


def _ratio(row: Row) -> Target:
    least, what = least_ratio(row.case), f"`{row.case.kernel}`, {row.case.operands}: ratio"
    note = f" beside {row.fastest()}{_because(NOT_FASTER.get(row.case.kernel, ''))}"
    return Target(what, f">= {least:.1f}", row.ratio, max(0.0, least - row.ratio), note)


def least_ratio(case: Case) -> float:
    return SLOWEST_RATIO if case.is_multiplying else 1.0


def _targets(rows: Sequence[Row]) -> str:
    """The absolute speeds, and the ratios that are missed."""
    missed = [target for target in ratios(rows) if target.missed_by]
    lines = [_line(t.what, t.asked, f"{t.measured:.2f}", t.verdict) for t in (*speeds(rows), *missed)]
    moved = "\n".join(f"* {_moved(row)}" for row in _updates(rows))
    inside, reached = _inside(rows), len(rows) - len(missed)
    return TARGETS.format(rows="\n".join(lines), reached=reached, count=len(rows), moved=moved, inside=inside)


def _inside(rows: Iterable[Row]) -> str:
    found = [row for row in rows if row.case.kernel == "m0k_conv_forward"]
    uniform = [row for row in found if "8 to 16 at" in row.case.operands and "uniform" in row.case.operands]
    return " and ".join(f"{row.ours.cycles / CONV_MACS_INSIDE:.2f}" for row in uniform)


def _updates(rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if row.case.kernel == "m0k_score_dense" and row.case.moved is not None]


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
