"""The macros of kernels/*.S and kernels/*.inc: what each says that it costs, and whose source lines its code has."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from conftest import Build

from m0sim import toolchain
from m0sim.image import load_file

KERNELS = Path(__file__).parents[1] / "kernels"
SOURCES = {path.name: path.read_text(encoding="utf-8").split("\n") for path in sorted(KERNELS.glob("*.[Si]*"))}


@dataclass(frozen=True, slots=True)
class Macro:
    comment: str
    """The lines directly above it, as one."""
    body: tuple[str, ...]
    """First word of each of its lines."""

    @property
    def cycles(self) -> int | None:
        """The one number of cycles that its comment ends with; None where there are several or conditions."""
        said = re.findall(r"(\d+) cycles", self.comment)
        return int(said[0]) if len(said) == 1 and re.search(r"[.;:] \d+ cycles\.$", self.comment) else None


def macros(name: str) -> Iterator[tuple[str, Macro]]:
    lines = SOURCES[name]
    for i, line in enumerate(lines):
        if found := re.match(r"    \.macro (\w+)", line):
            above = next(j for j in range(i, 0, -1) if not lines[j - 1].startswith("@ "))
            end = lines.index("    .endm", i)
            body = tuple(text.split()[0] for text in lines[i + 1 : end] if text.startswith("    "))
            yield found[1], Macro(" ".join(text[2:] for text in lines[above:i]), body)


COMMON = {name: macro for source in SOURCES if source.endswith(".inc") for name, macro in macros(source)}


def straight(macro: Macro, known: dict[str, Macro]) -> bool:
    """Whether it runs each of its instructions once, whatever they find."""
    inside = [known[word] for word in macro.body if word in known]
    branches = re.compile(r"b[lx]?|blx|b[a-z]{2}|\\\w+|\.\w+")  # or what its caller gives, or a directive
    return not any(map(branches.fullmatch, macro.body)) and all(straight(macro, known) for macro in inside)


def measured(name: str, lines: dict[str, dict[int, list[list[float]]]]) -> dict[str, set[float]]:
    """Cycles of one expansion of each macro of a source, from all its calls that the baseline's benches run."""
    found: dict[str, set[float]] = defaultdict(set)
    for number, runs in lines[name].items():
        words = SOURCES[name][number - 1].split()
        found[words[0]] |= {cycles / executions for executions, cycles in runs}
    return found


def test_a_straight_macro_costs_what_its_comment_says() -> None:
    lines: dict[str, dict[int, list[list[float]]]] = defaultdict(lambda: defaultdict(list))
    for bench in json.loads((KERNELS / "m0sim-baseline.json").read_text())["benches"].values():
        for function in bench["functions"].values():
            sums: dict[str, list[float]] = {}
            for _, _, where, executions, cycles in function["rows"]:
                entry = sums.setdefault(where, [executions, 0])
                entry[1] += cycles
            for where, entry in sums.items():
                file, _, number = (where or ":0").rpartition(":")
                lines[file][int(number)].append(entry)
    checked = set()
    for source in SOURCES:
        if source.endswith(".S"):
            known = COMMON | dict(macros(source))
            for name, costs in measured(source, lines).items():
                if name in known and known[name].cycles is not None and straight(known[name], known):
                    assert costs == {known[name].cycles}, f"{source}: {name}"
                    checked.add(name)
    assert len(checked) > 30, "the macros' comments are not read any more"


def test_every_macro_says_what_it_costs() -> None:
    for source in SOURCES:
        for name, macro in macros(source):
            if not name.endswith("FUNCTION"):  # these three make no code
                assert re.search(rf"\b{name}\b.*\d cycles?\b", macro.comment), f"{source}: {name}"


@pytest.mark.parametrize("tool", toolchain.NAMES)
def test_code_has_the_lines_of_its_kernel_and_none_of_an_include(tool: str, build: Build) -> None:
    image = load_file(build(KERNELS / "score.S", toolchain=tool))
    assert {Path(row.file).name for row in image.lines() if row.file} == {"score.S"}
    start = image.find("m0k_score_dense").address
    rows = {image.source_line(start + offset) for offset in range(0, 12, 2)}
    assert len(rows) == 1
    file, line = rows.pop() or ("", 0)
    assert SOURCES[Path(file).name][line - 1].split() == ["SAVE_ALL"]
