"""Inlined code: whose it is against pyelftools and by hand, in every report, and in damaged debug information."""

from __future__ import annotations

import io
import json
import random
import re
import struct
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import groupby, pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from conftest import Build, found_toolchain
from elftools.dwarf.ranges import BaseAddressEntry
from elftools.elf.elffile import ELFFile
from hypothesis import given
from hypothesis import strategies as st
from make_elf import CODE, Load, Sec, Sym, elf
from mutate_elf import SPECIAL, put, section
from profile_readers import Firefox, Pprof
from rich.console import Console
from test_exports import annotate, parse

from m0sim import Cost, Machine
from m0sim.check import baseline
from m0sim.check.figures import Figures, FunctionFigures
from m0sim.check.formats import text as check_text
from m0sim.check.where import where
from m0sim.chip.cost import CallNode
from m0sim.errors import UsageError
from m0sim.image import Image, load_elf
from m0sim.image.cxx_names import demangled
from m0sim.image.inlined import InlineFrame
from m0sim.report import annotate_data, callgrind, cost_json, firefox_profiler, inlined, pprof, speedscope, stacks, text
from m0sim.report.annotate import listing
from m0sim.report.page import page

FLASH = 0x10000000
BUILDS = [(tool, f"-gdwarf-{version}") for tool in ("zig", "gnu") for version in (4, 5)]
Case = tuple[Cost, Machine]


@pytest.fixture(scope="module", params=BUILDS, ids=lambda build: "".join(build))
def case(request: pytest.FixtureRequest, build: Build) -> Case:
    tool, version = request.param
    machine = Machine.from_elf(build("inlines.c", toolchain=tool, flags=("-O2", "-g", version)))
    return machine.call("work", 7), machine


@pytest.fixture(scope="module")
def zig(build: Build) -> Case:
    machine = Machine.from_elf(build("inlines.c", flags=("-O2", "-g")))
    return machine.call("work", 7), machine


def instructions(image: Image) -> list[int]:
    return [address for begin, end in image.code_ranges for address in range(begin, end, 2)]


def names(image: Image, addresses: Sequence[int]) -> list[tuple[str, ...]]:
    return inlined.names_at(addresses, image)


# ---------------------------------------------------------------------------------- whose code: a second reader


@cache
def of_pyelftools(path: Path, functions: frozenset[int]) -> dict[int, tuple[str, ...]]:
    """The inlined functions by address, by pyelftools, of what begins where one of `functions` does."""
    found: dict[int, tuple[str, ...]] = {}
    with path.open("rb") as file:
        debug = ELFFile(file).get_dwarf_info()
        lists = debug.range_lists()

        def code(die: Any) -> list[tuple[int, int]]:
            values = die.attributes
            if "DW_AT_ranges" in values:
                top = die.cu.get_top_DIE().attributes
                base = top["DW_AT_low_pc"].value if "DW_AT_low_pc" in top else 0
                pieces = []
                for entry in lists.get_range_list_at_offset(values["DW_AT_ranges"].value, cu=die.cu):
                    if isinstance(entry, BaseAddressEntry):
                        base = entry.base_address
                    else:
                        offset = 0 if getattr(entry, "is_absolute", False) else base
                        pieces.append((entry.begin_offset + offset, entry.end_offset + offset))
                return pieces
            if "DW_AT_high_pc" not in values:
                return []
            low, high = values["DW_AT_low_pc"].value, values["DW_AT_high_pc"]
            return [(low, high.value if high.form == "DW_FORM_addr" else low + high.value)]

        def name(die: Any) -> str:
            plain = ""
            while True:
                if "DW_AT_linkage_name" in die.attributes:
                    linkage = die.attributes["DW_AT_linkage_name"].value.decode()
                    return demangled(linkage) or linkage
                plain = plain or (die.attributes["DW_AT_name"].value.decode() if "DW_AT_name" in die.attributes else "")
                further = [a for a in ("DW_AT_abstract_origin", "DW_AT_specification") if a in die.attributes]
                if not further:
                    return plain
                die = die.get_DIE_from_attribute(further[0])

        def walk(die: Any, stack: tuple[str, ...], is_linked: bool) -> None:
            if die.tag == "DW_TAG_subprogram":
                stack, is_linked = (), all(begin in functions for begin, _ in code(die))
            elif die.tag == "DW_TAG_inlined_subroutine" and is_linked:
                stack = (*stack, name(die))
                for begin, end in code(die):
                    for address in range(begin, end, 2):
                        if len(found.get(address, ())) < len(stack):
                            found[address] = stack
            for child in die.iter_children():
                walk(child, stack, is_linked)

        for unit in debug.iter_CUs():
            walk(unit.get_top_DIE(), (), False)
    return found


def check_against_pyelftools(path: Path) -> dict[int, tuple[str, ...]]:
    image = load_elf(path)
    expected = of_pyelftools(path, frozenset(f.address for f in image.functions))
    addresses = instructions(image)
    assert dict(zip(addresses, names(image, addresses), strict=True)) == {at: expected.get(at, ()) for at in addresses}
    assert image.notes_so_far == ()
    return expected


def test_inlined_code_is_what_pyelftools_reads(case: Case) -> None:
    expected = check_against_pyelftools(case[1].image.path)
    assert ("dense", "scaled", "clamped") in expected.values()


def test_an_inlined_function_may_be_in_several_pieces(case: Case) -> None:
    """One call's code, with others' between: not what is inlined to it, which makes pieces of it as well."""
    image = case[1].image
    table = image.inlined(np.array(instructions(image)))
    pieces = Counter(table.stack.tolist())
    outer = {stack[:depth] for stack in table.stacks for depth in range(len(stack))}
    assert max(pieces[place] for place, stack in enumerate(table.stacks) if stack not in outer) > 1


def test_frames_say_where_their_calls_were(zig: Case) -> None:
    image = zig[1].image
    addresses = np.array(instructions(image))
    table = image.inlined(addresses)
    lines = Path(__file__).with_name("firmware").joinpath("inlines.c").read_text().splitlines()
    header = Path(__file__).with_name("firmware").joinpath("inlines.h")
    frames = {frame for stack in table.stacks for frame in stack}
    assert {frame.name for frame in frames} >= {"clamped", "scaled", "dense", "logged"}
    for frame in frames:
        assert f"{frame.name}(" in lines[frame.call_line - 1]
        assert Path(frame.call_file).name == "inlines.c"
        assert (Path(frame.file) == header) == (frame.name == "clamped")


def test_partial_inlining(build: Build) -> None:
    """The rest of a function that was inlined in part is one of its own, and its first part is inlined code."""
    path = build("inlines.c", toolchain="gnu", flags=("-O2", "-g"))
    expected = check_against_pyelftools(path)
    (rest,) = (f for f in load_elf(path).functions if f.name.startswith("guarded."))
    assert rest.name.startswith("guarded.part")
    cost = Machine.from_elf(path).call("work", 7)
    found = inlined.inlining(cost, load_elf(path))
    assert found.functions[rest.name].own_cycles > 0
    assert ("guarded",) in expected.values()
    assert "guarded" in {part.name for f in found.functions.values() for part in f.inlined}


def test_link_time_optimisation(tmp_path: Path) -> None:
    """What is inlined from another unit is written there: DW_FORM_ref_addr."""
    found_toolchain("gnu")
    here, other, path = tmp_path / "here.c", tmp_path / "other.c", tmp_path / "app.elf"
    here.write_text("int taken(int x) { return x > 3 ? x >> 1 : x * 5; }")
    other.write_text("int taken(int); int __attribute__((used)) start(int x) { return taken(x) + taken(x + 1); }")
    flags = "-mcpu=cortex-m0plus -mthumb -O2 -g -flto -nostdlib -Wl,-e,start -Wl,-Ttext=0x10000000".split()
    subprocess.run(["arm-none-eabi-gcc", *flags, here, other, "-o", path], check=True)
    assert ("taken",) in check_against_pyelftools(path).values()
    assert {Path(frame.file).name for stack in load_elf(path).inlined(np.array([FLASH])).stacks for frame in stack} == {
        "here.c"
    }


def test_cxx_names_are_those_of_symbols(build: Build, tmp_path: Path) -> None:
    source = tmp_path / "names.cpp"
    source.write_text(
        "#define INLINED __attribute__((always_inline))\n"
        "namespace ns { template <class T> static inline INLINED T twice(T x) { return x + x; } }\n"
        "struct S { int v; INLINED int get(int by) const { return ns::twice(v) * by; } };\n"
        'extern "C" __attribute__((used)) int start(const S *s, short x) { return s->get(3) + ns::twice(x); }\n'
    )
    path = build(source, flags=("-O2", "-g"))
    found = set(names(load_elf(path), instructions(load_elf(path))))
    assert any(stack[:1] == ("S::get(int) const",) for stack in found)
    assert any("twice<short>(short)" in stack[-1] for stack in found if stack)


# ------------------------------------------------------------------------------------------------- in reports


def by_hand(cost: Cost, image: Image) -> dict[str, Counter[str]]:
    """Self cycles by function and innermost source function, "" for its own: the rows of the listing, added up by what
    pyelftools says of their addresses."""
    sums: dict[str, Counter[str]] = {}
    expected = of_pyelftools(image.path, frozenset(f.address for f in image.functions))
    for function in listing(cost, image, everything=True).functions:
        sums[function.name] = Counter()
        for row in function.rows:
            sums[function.name][expected.get(row.instruction.address, ("",))[-1]] += row.cycles
    return sums


def by_source(cost: Cost, image: Image) -> Counter[str]:
    """Self cycles by what reports call a function of the source."""
    sums: Counter[str] = Counter()
    for name, parts in by_hand(cost, image).items():
        for part, cycles in parts.items():
            sums[f"{part} (inlined)" if part else name] += cycles
    return +sums


def test_the_split_is_what_the_listing_adds_up_to(case: Case) -> None:
    cost, machine = case
    sums = by_hand(cost, machine.program)
    found = inlined.inlining(cost, machine.program).functions
    assert {"layer", "once", "second", "work", "kept"} <= found.keys()
    for name, costs in found.items():
        assert sum(part.self_cycles for part in costs.inlined) + costs.own_cycles == cost.functions[name].self_cycles
        parts = {"": costs.own_cycles, **{part.name: part.self_cycles for part in costs.inlined}}
        assert +Counter(parts) == +sums[name]
    assert min(len(found[name].inlined) for name in ("layer", "once", "work")) > 0
    assert sum(by_source(cost, machine.program).values()) == cost.cycles


def test_json_and_text(case: Case) -> None:
    cost, machine = case
    expected = by_source(cost, machine.program)
    found = inlined.inlining(cost, machine.program)
    written = cost_json.call(cost, found=found)["functions"]
    sums = Counter({f["name"]: f["own_cycles"] for f in written})
    for function in written:
        sums.update({f"{part['name']} (inlined)": part["self_cycles"] for part in function["inlined"]})
    assert +sums == expected
    lines = as_text(text.functions(cost, found))
    column = lines[0].index("by source") + len("by source")
    cycles: Counter[str] = Counter()
    for line in lines[1:]:
        cycles[line[: lines[0].index("calls")].strip()] += int(line[:column].split()[-1].replace(",", ""))
    assert +cycles == expected


def as_text(report: Any) -> list[str]:
    out = io.StringIO()
    Console(file=out, width=300, color_system=None).print(report)
    return out.getvalue().splitlines()


def test_the_listing_says_what_is_inlined(zig: Case) -> None:
    cost, machine = zig
    found = listing(cost, machine.program, names=["layer"])
    written = annotate_data.to_json(found)["functions"][0]
    assert written["own_cycles"] + sum(part["self_cycles"] for part in written["inlined"]) == written["self_cycles"]
    assert ["dense", "scaled", "clamped"] in [row["inlined"] for row in written["rows"]]
    assert re.search(
        r"^cycles by source: [\d,]+ of \w+ \(inlined\), .*its own$",
        annotate_data.sources_sentence(found.functions[0].sources),
    )
    (row, *_) = (row for row in found.functions[0].rows if row.inlined == ("dense", "scaled", "clamped"))
    assert annotate_data.heading(row).endswith(", dense > scaled > clamped (inlined)")


def test_callgrind(case: Case, tmp_path: Path) -> None:
    cost, machine = case
    parsed = parse(callgrind.profile(cost, machine.program))
    own = Counter({re.sub(r" in [^)]*\)$", ")", name): 0 for name in parsed.own})
    for name, figures in parsed.own.items():
        own[re.sub(r" in [^)]*\)$", ")", name)] += figures["Cycles"]
    assert +own == by_source(cost, machine.program)
    into: Counter[str] = Counter()
    out_of: Counter[str] = Counter()
    for (caller, callee), figures in parsed.calls.items():
        into[callee] += figures["Cycles"]
        out_of[caller] += figures["Cycles"]
    for name, figures in parsed.own.items():
        assert figures["Cycles"] + out_of[name] == into[name] <= cost.cycles, name
    assert {name for name in parsed.own if " in " in name} >= {"logged (inlined in kept)"}
    found, total = annotate(cost, machine.program, tmp_path)
    assert total == cost.cycles
    assert found == {name: figures["Cycles"] for name, figures in parsed.own.items() if figures["Cycles"]}


def test_stacks(case: Case) -> None:
    """What contexts share out adds up again: by function of the source it is exact, and each context keeps its own."""
    cost, machine = case
    rows = [line.rpartition(" ") for line in stacks.collapsed(cost, machine.program).splitlines()]
    last: Counter[str] = Counter()
    whole: Counter[tuple[str, ...]] = Counter()
    for stack, _, cycles in rows:
        frames = stack.split(";")
        last[frames[-1].replace(", estimate", "")] += int(cycles)
        whole[tuple(frame for frame in frames if "(inlined" not in frame)] += int(cycles)
    assert last == by_source(cost, machine.program)
    assert whole == Counter({stack: sum(n.self_cycles for s, n in stacks.walk(cost.call_tree) if s == stack)
                             for stack, _ in stacks.walk(cost.call_tree)})  # fmt: skip
    tree = inlined.stacks(cost, inlined.inlining(cost, machine.program))
    assert (tree.tree[0].inclusive_cycles, sum(node.self_cycles for node in tree.tree)) == (cost.cycles, cost.cycles)
    assert "layer" in tree.shared_out
    assert "layer" in tree.note
    profile = json.loads(speedscope.profile(cost, machine.program))
    frames = [frame["name"] for frame in profile["shared"]["frames"]]
    samples = zip(profile["profiles"][0]["samples"], profile["profiles"][0]["weights"], strict=True)
    sums: Counter[str] = Counter()
    for sample, weight in samples:
        sums[";".join(frames[index] for index in sample)] += weight
    expected = {stack: int(cycles) for stack, _, cycles in rows}
    assert sums == expected
    read = [Pprof(pprof.profile(cost, machine.program)), Firefox(firefox_profiler.profile(cost, machine.program))]
    for found in read:
        assert {";".join(stack): cycles for stack, cycles in found.stacks().items()} == expected
    assert f"estimate: {tree.note}" in cast(Pprof, read[0]).comments
    assert any(", estimate)" in stack for stack in expected)


def test_one_context_is_exact(zig: Case) -> None:
    machine = zig[1]
    cost = machine.call("layer", FLASH, FLASH, 5)
    lines = stacks.collapsed(cost, machine.program).splitlines()
    assert {line.rpartition(" ")[0].rpartition(";")[2]: int(line.rpartition(" ")[2]) for line in lines} != {}
    sums: Counter[str] = Counter()
    for line in lines:
        sums[line.rpartition(" ")[0].rpartition(";")[2]] += int(line.rpartition(" ")[2])
    assert sums == by_source(cost, machine.program)
    assert not any("estimate" in line for line in lines)


def test_the_page_has_rows_and_boxes(zig: Case) -> None:
    cost, machine = zig
    written = page(cost, machine)
    assert "clamped (inlined in once)" in written
    assert "dense &gt; scaled &gt; clamped (inlined)" in written
    assert '<th scope="col">by source</th>' in written
    assert re.search(r'title="dense \(inlined, estimate\): [\d,]+ cycles \([\d.]+ %\), [\d,]+ its own"', written)


def test_without_debug_information_nothing_changes(build: Build) -> None:
    machine = Machine.from_elf(build("inlines.c", flags=("-O2", "-g0")))
    cost = machine.call("work", 7)
    found = inlined.inlining(cost, machine.program)
    assert found.is_empty
    assert as_text(text.functions(cost, found)) == as_text(text.functions(cost))
    assert inlined.stacks(cost, found).tree is cost.call_tree
    assert all((costs.own_cycles, costs.inlined) == (cost.functions[name].self_cycles, ())
               for name, costs in found.functions.items())  # fmt: skip
    assert "_inlines" not in machine.image.__dict__


def test_a_call_without_debug_information_loads_no_reader_of_it(build: Build) -> None:
    path = build("inlines.c", flags=("-O2", "-g0"))
    code = (
        "import sys; from m0sim.cli import app\n"
        f"app(['call', {str(path)!r}, 'work', '7', '-o', {str(path) + '.json'!r}], standalone_mode=False)\n"
        "assert not {'m0sim.image.inlined', 'm0sim.image.dwarf'} & sys.modules.keys()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


# ------------------------------------------------------------------------------------------------ by hand


def frame(name: str, line: int = 1) -> InlineFrame:
    return InlineFrame(name, "a.c", "a.c", line)


def test_recursion_of_inlined_functions_is_folded() -> None:
    a, b, c, again = frame("a"), frame("b"), frame("c"), frame("a", 7)
    assert inlined.unfolded((a, b)) == [(a,), (a, b)]
    assert inlined.unfolded((a, again)) == [(a,)]
    assert inlined.unfolded((a, b, again, c)) == [(a,), (a, b, again, c)]
    assert inlined.unfolded(()) == []


def shared(selfs: Sequence[int], cycles: dict[str, int]) -> inlined.Stacks:
    """A function ``f`` in a context for each of `selfs`, below a root; `cycles` by inlined function, "" its own."""
    tree = [CallNode("root", -1, 0, 1, 5, 5 + sum(selfs))]
    for i, spent in enumerate(selfs):
        tree += [CallNode(f"c{i}", 0, 100 + i, 1, 0, spent), CallNode("f", 1 + 2 * i, 200, 1, spent, spent)]
    own = {(frame(name),) if name else (): n for name, n in cycles.items()}
    found = inlined.Inlining(tuple(own), {}, {"root": {(): 5}, "f": own}, {})
    return inlined.stacks(cast(Cost, SimpleNamespace(call_tree=tuple(tree))), found)


def selfs_of(found: inlined.Stacks) -> dict[str, int]:
    return {";".join(stack): node.self_cycles for stack, node in stacks.walk(found.tree) if node.self_cycles}


def test_one_context_has_what_was_counted() -> None:
    found = shared([10], {"": 3, "g": 7})
    assert selfs_of(found) == {"root": 5, "root;c0;f": 3, "root;c0;f;g (inlined)": 7}
    assert (found.shared_out, found.note) == ((), "")


def test_several_contexts_share_out_by_their_cycles() -> None:
    found = shared([10, 30], {"": 12, "g": 28})
    assert selfs_of(found) == {
        "root": 5, "root;c0;f": 3, "root;c0;f;g (inlined, estimate)": 7,
        "root;c1;f": 9, "root;c1;f;g (inlined, estimate)": 21,
    }  # fmt: skip
    assert found.shared_out == ("f",)


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=6), st.lists(st.integers(0, 100), min_size=2, max_size=5))
def test_sharing_out_keeps_both_sums(selfs: list[int], weights: list[int]) -> None:
    """Every context's cycles and every inlined function's, whatever the rounding."""
    total = sum(selfs)
    cuts = sorted(total * w // 100 for w in weights)
    parts = [high - low for low, high in pairwise([0, *cuts, total])]
    cycles = {f"g{i}" if i else "": part for i, part in enumerate(parts)}
    found = shared(selfs, cycles)
    by_context: Counter[str] = Counter()
    by_name: Counter[str] = Counter()
    for stack, spent in selfs_of(found).items():
        if ";f" in stack:
            by_context[stack.split(";")[1]] += spent
            by_name[stack.partition(";f")[2].removeprefix(";").partition(" ")[0]] += spent
    assert by_context == Counter({f"c{i}": spent for i, spent in enumerate(selfs)})
    assert by_name == +Counter(cycles)


def test_sleep_is_a_functions_own() -> None:
    found = shared([40], {"": 5, "g": 28})
    assert selfs_of(found) == {"root": 5, "root;c0;f": 12, "root;c0;f;g (inlined)": 28}


def test_a_function_whose_contexts_have_other_cycles_stays_whole() -> None:
    found = shared([10, 30], {"": 12, "g": 29})
    assert selfs_of(found) == {"root": 5, "root;c0;f": 10, "root;c1;f": 30}


# ---------------------------------------------------------------------------------- debug information by hand

ABBREVIATIONS = (
    b"\1\x11\1\x11\1\x12\6\0\0"  # unit: code
    b"\2\x2e\1\3\x08\x11\1\x12\6\0\0"  # subprogram: name, code
    b"\3\x2e\0\3\x08\x20\x0b\0\0"  # abstract: name, inline
    b"\4\x2e\0\3\x08\x6e\x08\x20\x0b\0\0"  # abstract: name, linkage name, inline
    b"\5\x1d\1\x31\x13\x11\1\x12\6\0\0"  # inlined: origin in the unit, code
    b"\6\x1d\1\x31\x10\x11\1\x12\6\0\0"  # inlined: origin anywhere, code
    b"\7\x1d\1\x31\x13\x55\x17\0\0"  # inlined: origin in the unit, ranges
    b"\x08\x2e\0\x31\x13\0\0"  # abstract: origin
    b"\x09\x0b\1\0\0"  # lexical block
    b"\0"
)


class Dwarf:
    """``.debug_info`` of version 4, written entry by entry."""

    def __init__(self) -> None:
        self.info = bytearray()
        self.start = 0

    def unit(self) -> None:
        self.start = len(self.info)
        self.info += struct.pack("<IHIB", 0, 4, 0, 4) + b"\1" + struct.pack("<II", FLASH, 64)

    def abstract(self, name: str, linkage: str = "") -> int:
        at = len(self.info)
        self.info += bytes([4 if linkage else 3]) + name.encode() + b"\0"
        self.info += linkage.encode() + b"\0\1" if linkage else b"\1"
        return at

    def instance(self, origin: int) -> int:
        at = len(self.info)
        self.info += b"\x08" + struct.pack("<I", origin - self.start)
        return at

    def function(self, name: str, begin: int = 0, size: int = 64) -> None:
        self.info += b"\2" + name.encode() + b"\0" + struct.pack("<II", FLASH + begin, size)

    def inlined(self, origin: int, begin: int, end: int, across: bool = False) -> None:
        self.info += b"\6" if across else b"\5"
        self.info += struct.pack(
            "<III", origin - (0 if across else self.start), FLASH + begin, (end - begin) & 0xFFFFFFFF
        )

    def pieces(self, origin: int, at: int) -> None:
        self.info += b"\7" + struct.pack("<II", origin - self.start, at)

    def end(self, lists: int = 1) -> None:
        self.info += bytes(lists)

    def end_unit(self) -> None:
        self.end()
        struct.pack_into("<I", self.info, self.start, len(self.info) - self.start - 4)


def image_of(
    folder: Path, info: bytes, ranges: bytes = b"", symbols: Sequence[Sym] = (Sym("f", FLASH | 1, 64),)
) -> Image:
    debug = [
        Sec(".debug_info", 0, info, 0),
        Sec(".debug_abbrev", 0, ABBREVIATIONS, 0),
        Sec(".debug_ranges", 0, ranges, 0),
    ]
    path = folder / "app.elf"
    path.write_bytes(elf([Sec(".text", FLASH, b"\xc0\x46" * 32, CODE), *debug], [Load(FLASH, 0, 1)], symbols))
    return load_elf(path)


def spans(image: Image) -> list[tuple[int, int, tuple[str, ...]]]:
    """Begin and end behind FLASH, and the stack, of all that is inlined."""
    addresses = range(FLASH, FLASH + 64, 2)
    found = []
    for stack, pairs in groupby(zip(addresses, names(image, addresses), strict=True), key=lambda pair: pair[1]):
        places = [address - FLASH for address, _ in pairs]
        if stack:
            found.append((places[0], places[-1] + 2, stack))
    return found


def test_nested_neighbours_and_blocks(tmp_path: Path) -> None:
    """One that ends where its parent does, one after the other without a gap, and one in a block behind another."""
    made = Dwarf()
    made.unit()
    a, b = made.abstract("a"), made.abstract("b")
    made.function("f")
    made.inlined(a, 4, 20)
    made.inlined(b, 8, 20)
    made.end(2)
    made.inlined(b, 20, 24)
    made.end()
    made.info += b"\x09"
    made.inlined(a, 24, 24)  # empty: optimised away
    made.end()
    made.inlined(a, 30, 32)
    made.end(3)
    made.end_unit()
    image = image_of(tmp_path, bytes(made.info))
    assert spans(image) == [(4, 8, ("a",)), (8, 20, ("a", "b")), (20, 24, ("b",)), (30, 32, ("a",))]
    assert image.notes_so_far == ()


def test_several_ranges_with_a_base(tmp_path: Path) -> None:
    """DWARF 4, 2.17.3: offsets to the unit's address, and to a base that the list gives."""
    made = Dwarf()
    made.unit()
    a = made.abstract("a")
    made.function("f")
    made.pieces(a, 8)
    made.end(2)
    made.end_unit()
    ranges = bytes(8) + struct.pack("<8I", 2, 6, 0xFFFFFFFF, FLASH + 10, 0, 4, 0, 0)
    assert spans(image_of(tmp_path, bytes(made.info), ranges)) == [(2, 6, ("a",)), (10, 14, ("a",))]


def test_origins_in_other_units_and_their_names(tmp_path: Path) -> None:
    made = Dwarf()
    made.unit()
    rust = made.abstract("sum", "_ZN4core4iter3sum17h0123456789abcdefE")
    cxx = made.abstract("twice", "_ZN2ns5twiceEi")
    bad = made.abstract("kept", "_Zbroken")
    made.end_unit()
    made.unit()
    again = made.instance(made.abstract("named"))
    made.function("f")
    made.inlined(rust, 0, 4, across=True)
    made.end()
    made.inlined(cxx, 4, 8, across=True)
    made.end()
    made.inlined(bad, 8, 12, across=True)
    made.end()
    made.inlined(again, 12, 16)
    made.end(2)
    made.end_unit()
    assert spans(image_of(tmp_path, bytes(made.info))) == [
        (0, 4, ("core::iter::sum",)), (4, 8, ("ns::twice(int)",)), (8, 12, ("kept",)), (12, 16, ("named",))
    ]  # fmt: skip


def test_what_the_linker_dropped_is_no_code(tmp_path: Path) -> None:
    """Its addresses are 0 or so, which may be flash; and of two for one function the first holds."""
    made = Dwarf()
    made.unit()
    a, b = made.abstract("a"), made.abstract("b")
    for begin, size, origin in ((2, 40, b), (0, 66, b), (0, 64, a), (0, 64, b)):
        made.function("f", begin, size)
        made.inlined(origin, 4, 8)
        made.end(2)
    made.end_unit()
    image = image_of(tmp_path, bytes(made.info))
    assert spans(image) == [(4, 8, ("a",))]
    assert image.notes_so_far == ()


def damaged(kind: str) -> Dwarf:
    made = Dwarf()
    made.unit()
    a, b = made.abstract("a"), made.abstract("b")
    if kind == "inlined in no function":
        made.inlined(a, 0, 4)
        made.end()
    made.function("f")
    made.inlined(a, 4, 20)
    if kind == "a cycle of origins":
        made.inlined(len(made.info), 8, 12)
        made.end()
    if kind == "an origin that is a block":
        made.info += b"\x09\0"
        made.inlined(len(made.info) - 2, 8, 12)
        made.end()
    if kind == "an origin outside":
        made.inlined(1 << 20, 8, 12, across=True)
        made.end()
    if kind == "beyond its parent":
        made.inlined(b, 8, 22)
        made.end()
    if kind == "before its parent":
        made.inlined(b, 2, 8)
        made.end()
    if kind == "no end":
        made.inlined(b, 12, 8)
        made.end()
    made.end()
    if kind == "over its neighbour":
        made.inlined(b, 18, 24)
        made.end()
    if kind == "in its neighbour":
        made.inlined(b, 8, 12)
        made.end()
    if kind == "without a name":
        made.inlined(made.abstract(""), 24, 28)
        made.end()
    if kind == "ranges that do not end":
        made.pieces(a, 0)
        made.end()
    if kind == "too deep":
        for _ in range(70):
            made.inlined(b, 24, 28)
        made.end(70)
    made.end()
    if kind == "an unknown abbreviation":
        made.info += b"\x7f"
    made.end_unit()
    if kind == "cut":
        del made.info[-12:]
    return made


@pytest.mark.parametrize(
    "kind",
    [
        "inlined in no function", "a cycle of origins", "an origin that is a block", "an origin outside",
        "beyond its parent", "before its parent", "no end", "over its neighbour", "in its neighbour", "without a name",
        "ranges that do not end", "too deep", "cut",
    ],
)  # fmt: skip
def test_damage_is_a_note_and_no_split(tmp_path: Path, kind: str) -> None:
    assert spans(image_of(tmp_path, bytes(damaged("").info))) == [(4, 20, ("a",))]
    image = image_of(tmp_path, bytes(damaged(kind).info), b"\1\0\0\0\2\0\0\0")
    assert spans(image) == []
    (note,) = image.notes_so_far
    assert note.startswith("inlined functions are left out: ")
    assert "\n" not in note


def test_damage_after_a_function_leaves_that_function(tmp_path: Path) -> None:
    image = image_of(tmp_path, bytes(damaged("an unknown abbreviation").info))
    assert spans(image) in ([], [(4, 20, ("a",))])
    assert image.notes_so_far == ("inlined functions are left out: unit 0x0: an entry has no abbreviation",)


SECTIONS = (".debug_info", ".debug_abbrev", ".debug_rnglists", ".debug_ranges", ".debug_addr", ".debug_str")


def mutants(original: bytes, count: int) -> Iterator[bytes]:
    rng = random.Random(18)
    found = section(original, *SECTIONS)
    for _ in range(count):
        content = bytearray(original)
        for _ in range(rng.choice((1, 1, 2, 8))):
            _, offset, size = rng.choice(found)
            at = offset + rng.randrange(size)
            if rng.random() < 0.5:
                content[at] ^= 1 << rng.randrange(8)
            else:
                put(content, at, rng.choice((*SPECIAL, FLASH, FLASH + 2, size)), rng.choice((1, 2, 4)))
        yield bytes(content)


@pytest.mark.parametrize(("flags", "count"), [("-gdwarf-4", 60), ("-gdwarf-5", 60)])
def test_damaged_files_are_read_to_an_end(build: Build, tmp_path: Path, flags: str, count: int) -> None:
    """Whatever is said of the code, it is a table in order, whose stacks lie in functions, or a note of one line."""
    path = build("inlines.c", flags=("-O2", "-g", flags))
    for content in mutants(path.read_bytes(), count):
        check_mutant(tmp_path / "mutant.elf", content)


@pytest.mark.long
@pytest.mark.parametrize("flags", ["-gdwarf-4", "-gdwarf-5"])
def test_many_damaged_files(build: Build, tmp_path: Path, flags: str) -> None:
    path = build("inlines.c", toolchain="gnu", flags=("-O2", "-g", flags))
    for content in mutants(path.read_bytes(), 1500):
        check_mutant(tmp_path / "mutant.elf", content)


def check_mutant(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    image = load_elf(path)
    addresses = np.array(instructions(image), np.int64)
    table = image.inlined(addresses)
    assert (np.diff(table.starts) > 0).all()
    places = table.places(addresses)
    assert ((places >= 0) & (places < len(table.stacks))).all()
    assert table.stacks[0] == ()
    for address, place in zip(addresses.tolist(), places.tolist(), strict=True):
        assert place == 0 or image.function_at(address) is not None
    assert all(note.startswith("inlined functions are left out: ") and "\n" not in note for note in image.notes_so_far)


# ------------------------------------------------------------------------------------------------ in `check`


def figures(**functions: FunctionFigures) -> Figures:
    return Figures("f", "rp2040", sum(f.self_cycles for f in functions.values()), 1, 0, 0, 0, functions)


def test_a_regression_says_which_function_of_the_source_moved() -> None:
    old = figures(f=FunctionFigures(100, (), {"clamp": 40}), h=FunctionFigures(50, (), {"clamp": 20}))
    new = figures(f=FunctionFigures(130, (), {"clamp": 70}), h=FunctionFigures(65, (), {"clamp": 30, "half": 5}))
    found = where(old, new)
    assert found is not None
    assert [(s.name, s.old, s.new) for s in found.sources] == [("clamp", 60, 100), ("half", None, 5)]
    lines = check_text.where(found, "bench", {})
    assert [line.split() for line in lines[lines.index("") + 1 :]] == [
        ["by", "source", "function", "old", "new", "change"], ["clamp", "60", "100", "+40"], ["half", "-", "5", "new"]
    ]  # fmt: skip


def test_a_function_and_its_inlined_code_are_one_of_the_source() -> None:
    old = figures(f=FunctionFigures(100, (), {"clamp": 40}), clamp=FunctionFigures(7))
    new = figures(f=FunctionFigures(90, (), {"clamp": 30}), clamp=FunctionFigures(8))
    found = where(old, new)
    assert found is not None
    assert [(s.name, s.old, s.new) for s in found.sources] == [("clamp", 47, 38)]


def test_a_baseline_of_before_has_no_sources_to_compare() -> None:
    found = where(figures(f=FunctionFigures(100)), figures(f=FunctionFigures(130, (), {"clamp": 70})))
    assert found is not None
    assert found.sources == ()


def test_baselines_keep_what_was_inlined(zig: Case, tmp_path: Path) -> None:
    cost, machine = zig
    made = Figures.of(cost, machine.program, tmp_path)
    assert made.functions["once"].inlined
    assert made.functions["once"].own_cycles < made.functions["once"].self_cycles
    path = tmp_path / "baseline.json"
    baseline.write(path, {"bench": made})
    assert baseline.read(path) == {"bench": made}
    path.write_text(json.dumps(cost_json.call(cost, found=inlined.inlining(cost, machine.program))))
    found = baseline.read_any(path)
    assert isinstance(found, Figures)
    assert {name: f.inlined for name, f in found.functions.items()} == {
        name: f.inlined for name, f in made.functions.items()
    }


def test_a_baseline_with_more_inlined_than_there_is_is_refused(zig: Case, tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    baseline.write(path, {"bench": figures(f=FunctionFigures(100, (), {"clamp": 40}))})
    path.write_text(path.read_text().replace('"clamp": 40', '"clamp": 101'))
    with pytest.raises(UsageError, match="f: inlined: more cycles than self_cycles"):
        baseline.read(path)
