"""Names: what is a function and what a label inside of one, and hostile names on their way into reports."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import pytest
from conftest import Build
from hypothesis import given, settings
from hypothesis import strategies as st
from profile_readers import Pprof
from rich.console import Console
from test_image import elf_with_functions

from m0sim import Cost, Machine
from m0sim.errors import UsageError
from m0sim.image import Image, load_elf
from m0sim.report import annotate, annotate_data, text
from m0sim.report import cost_json as data
from m0sim.report.page import page
from m0sim.report.profile_files import FORMATS

BOTH = pytest.mark.parametrize("toolchain", ["zig", "gnu"])
HEAD = "\t.syntax unified\n\t.cpu cortex-m0plus\n\t.thumb\n\t.text\n"

# As IAR's linker writes its labels: local functions without a size. Loops over the bytes of a buffer.
FILL = (
    HEAD
    + """
        .global fill
        .type fill, %function
        {at_start}
fill:   push {{r4, lr}}
        movs r4, #0xAA
        b   {second}
        .type {first}, %function
{first}: strb r4, [r0]
        adds r0, #1
        subs r1, #1
        .type {second}, %function
{second}: cmp r1, #0
        bne {first}
        pop {{r4, pc}}
        {at_end}
        .size fill, . - fill
        {behind}
        .bss
        .global room
room:   .space 64
"""
)


def built(build: Build, folder: Path, source: str, toolchain: str = "zig") -> Image:
    path = folder / "source.S"
    path.write_text(source)
    return load_elf(build(path, toolchain=toolchain))


def fill(build: Build, folder: Path, toolchain: str, **labels: str) -> tuple[Cost, Image]:
    names = {"first": "lbl1", "second": "lbl0", "at_start": "", "at_end": "", "behind": ""} | labels
    image = built(build, folder, FILL.format(**names), toolchain)
    machine = Machine(image)
    cost = machine.call("fill", machine.symbol("room").address, 50)
    assert bytes(machine.read(machine.symbol("room").address, 51)) == b"\xaa" * 50 + b"\0"
    return cost, image


@BOTH
@pytest.mark.parametrize(
    "labels",
    [
        {},
        {"first": "other_name", "second": "and_another"},
        {"at_start": ".type start, %function\nstart:"},
        {"at_end": ".type last, %function\nlast: nop\n"},
        {"behind": ".type pool, %function\npool: .word 0x12345678\n"},
    ],
    ids=["as it is", "other names", "at the start", "at the end", "a literal pool"],
)
def test_labels_in_a_function_are_no_functions(
    build: Build, tmp_path: Path, toolchain: str, labels: dict[str, str]
) -> None:
    cost, image = fill(build, tmp_path, toolchain, **labels)
    assert [f.name for f in image.functions] == ["fill"]
    # PUSH 3, MOVS 1, B 2; 50 times STRB 2, ADDS, SUBS; 51 times CMP, 50 times BNE 2, once 1; POP 5.
    assert cost.cycles == 6 + 50 * 4 + 51 + 50 * 2 + 1 + 5 == 363
    assert {f.name: (f.calls, f.self_cycles) for f in cost.functions.values()} == {"fill": (1, 363)}
    (shown,) = annotate.listing(cost, image).functions
    assert len(shown.loops) == 1
    assert image.find(labels.get("first", "lbl1")).kind == "label"


@BOTH
def test_a_label_can_be_called(build: Build, tmp_path: Path, toolchain: str) -> None:
    """Its code is that of the function around it."""
    source = (
        HEAD
        + """
        .global whole
        .type whole, %function
whole:  movs r0, #1
        .type label, %function
label:  adds r0, #2
        bx lr
        .size whole, . - whole
"""
    )
    cost = Machine(built(build, tmp_path, source, toolchain)).call("label", 5)
    assert (cost.result, cost.cycles) == (7, 3)
    assert {f.name: f.self_cycles for f in cost.functions.values()} == {"whole": 3}


@BOTH
def test_a_global_entry_inside_a_function_is_one(build: Build, tmp_path: Path, toolchain: str) -> None:
    """Hand-written code has second entries that other files call."""
    source = (
        HEAD
        + """
        .global whole
        .type whole, %function
whole:  movs r0, #1
        .global second
        .type second, %function
second: adds r0, #2
        bx lr
        .size whole, . - whole
"""
    )
    image = built(build, tmp_path, source, toolchain)
    assert [(f.name, f.size) for f in image.functions] == [("whole", 6), ("second", 4)]
    cost = Machine(image).call("whole")
    assert {f.name: f.self_cycles for f in cost.functions.values()} == {"whole": 1, "second": 3}


@BOTH
def test_functions_without_any_size_stay_functions(build: Build, tmp_path: Path, toolchain: str) -> None:
    source = (
        HEAD
        + """
        .global first
        .thumb_func
first:  push {lr}
        bl second
        pop {pc}
        .thumb_func
second: movs r0, #7
        bx lr
        .type third, %function
third:  bx lr
"""
    )
    image = built(build, tmp_path, source, toolchain)
    assert [(f.name, f.size) for f in image.functions] == [("first", 8), ("second", 4), ("third", 2)]
    cost = Machine(image).call("first")
    assert {f.name: (f.calls, f.self_cycles) for f in cost.functions.values()} == {"first": (1, 9), "second": (1, 3)}


@BOTH
def test_a_sized_function_inside_another(build: Build, tmp_path: Path, toolchain: str) -> None:
    """The code behind the inner one is the outer one's again, and a label there is none of either."""
    source = (
        HEAD
        + """
        .global outer
        .type outer, %function
outer:  movs r0, #1
        b 2f
        .type inner, %function
inner:  adds r0, #2
        bx lr
        .size inner, . - inner
        .type label, %function
label:
2:      adds r0, #4
        bx lr
        .size outer, . - outer
"""
    )
    image = built(build, tmp_path, source, toolchain)
    assert [f.name for f in image.functions] == ["outer", "inner"]
    begin = image.find("outer").address
    owners = [image.function_at(begin + i) for i in range(-2, 14, 2)]
    names = [None if f is None else f.name for f in owners]
    assert names == [None, "outer", "outer", "inner", "inner", "outer", "outer", None]
    cost = Machine(image).call("outer")
    assert {f.name: f.self_cycles for f in cost.functions.values()} == {"outer": 6}


# ------------------------------------------------------------------------------------------------- names of Rust's

LEGACY = "_ZN4core3ptr13drop_in_place17h{:016x}E"


def image_of(names: list[str], folder: Path) -> Image:
    (folder / "names.elf").write_bytes(elf_with_functions([name.encode() for name in names]))
    return load_elf(folder / "names.elf")


def test_rust_functions_have_their_paths(tmp_path: Path) -> None:
    names = [LEGACY.format(0xABC), "_RNvCs15kBYyAo9fc_7mycrate7example", "main"]
    image = image_of(names, tmp_path)
    assert [f.name for f in image.functions] == ["core::ptr::drop_in_place", "mycrate::example", "main"]
    for name in names:
        assert image.find(name).linkage_name == name
    with pytest.raises(UsageError, match="did you mean 'mycrate::example'"):
        image.find("mycrate::exampel")


def test_instances_of_one_rust_function_are_numbered_by_address(tmp_path: Path) -> None:
    """Whatever their hashes are: a build with another compiler has the same names."""
    for salt in (1, 0xFEED):
        image = image_of([LEGACY.format(salt * 7), "main", LEGACY.format(salt), LEGACY.format(salt * 3)], tmp_path)
        path = "core::ptr::drop_in_place"
        assert [f.name for f in image.functions] == [f"{path}#1", "main", f"{path}#2", f"{path}#3"]
        assert image.find(f"{path}#2").address == 0x10000004
        with pytest.raises(UsageError, match=r"ambiguous.*#1.*#2.*#3"):
            image.find(path)


def test_a_rust_path_is_a_name_for_calls_stubs_and_before(build: Build, tmp_path: Path) -> None:
    source = HEAD + "\n".join(
        f"""
        .global {name}
        .type {name}, %function
{name}: {code}
        .size {name}, . - {name}
"""
        for name, code in {
            "_ZN3app4read17h0123456789abcdefE": "movs r0, #1\n bx lr",
            "_ZN3app3run17hfedcba9876543210E": "push {lr}\n bl _ZN3app4read17h0123456789abcdefE\n pop {pc}",
            "_RNvC3app4init": "ldr r0, =state\n movs r1, #5\n str r1, [r0]\n bx lr\n .ltorg",
            "_RNvC3app3get": "ldr r0, =state\n ldr r0, [r0]\n bx lr\n .ltorg",
        }.items()
    )
    machine = Machine(built(build, tmp_path, source + "\n.bss\n.align 2\nstate: .word 0\n"))
    cost = machine.call("app::run")
    assert (cost.function, cost.result) == ("app::run", 1)
    assert set(cost.functions) == {"app::run", "app::read"}
    stubbed = machine.call("app::run", stubs={"app::read": 9})
    assert (stubbed.result, stubbed.warnings) == (9, ())
    assert machine.call("app::get", before=["app::init"]).result == 5


def test_two_constructors_of_one_address_have_one_name(build: Build, tmp_path: Path) -> None:
    """C++ has a second name for a constructor and destructor; which is shorter does not matter."""
    source = tmp_path / "twins.cpp"
    source.write_text(
        "struct Foo { int x; Foo(int); ~Foo(); };\n"
        "__attribute__((noinline)) Foo::Foo(int a) : x(a) {}\n"
        "__attribute__((noinline)) Foo::~Foo() { x = 0; }\n"
        'extern "C" int use() { Foo f(3); return f.x; }\n'
    )
    image = load_elf(build(source, toolchain="gnu"))
    assert {f.name for f in image.functions} >= {"Foo::Foo(int)", "Foo::~Foo()", "use"}
    assert not [f.name for f in image.functions if f.name.startswith("_ZN3Foo")]
    for twins in (("_ZN3FooC1Ei", "_ZN3FooC2Ei", "Foo::Foo"), ("_ZN3FooD1Ev", "_ZN3FooD2Ev", "Foo::~Foo")):
        assert len({image.find(name).address for name in twins}) == 1


# ------------------------------------------------------------------------------------------------- hostile names

HOSTILE = [b"\n", b"\r\n", b"\x1b[2J", b"\x1b]0;x\x07", b"\xe2\x80\xae", b"\xc2\x85", b"\xff", b"\x9b2J"]
HOSTILE += [
    b"\nend_of_record\nSF:/x\n",
    b"\nfn=(1) x\n",
    b"\n;a 99999\n",
    b"; 1 2",
    b"</script><b>",
    b"\xe2\x80\xa8",
    b"\x7f",
]


def put_name(content: bytes, old: bytes, new: bytes) -> bytes:
    """`content` with a name, wherever it stands, replaced by one as long."""
    assert old + b"\0" in content
    return content.replace(old + b"\0", (new + old)[: len(old)] + b"\0")


@pytest.fixture(scope="module")
def victim(build: Build, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An ELF whose names are long enough to hold others: of functions, a variable, a section, files."""
    folder = tmp_path_factory.mktemp("victim")
    sources = [folder / f"{'f' * 40}.c", folder / f"{'h' * 40}.c"]
    for source, function in zip(sources, ("g" * 40, "start"), strict=True):
        source.write_text(
            f"extern int {'v' * 40}, {'g' * 40}(int);\n"
            f"__attribute__((noinline)) static int {'s' * 40}(int x) {{ return x * {'v' * 40}; }}\n"
            f"__attribute__((noinline)) int {function}(int x) {{\n"
            f"  return {'s' * 40}(x) + {'s' * 40}(x + 1) + (x > 5 ? 0 : {'g' * 40}(x + 10)); }}\n"
        )
    sources.append(folder / "variable.c")
    sources[-1].write_text(f"int {'v' * 40} = 5;\n")
    elf = folder / "victim.elf"  # beside its sources, which lcov wants
    shutil.copy(build(*sources, toolchain="zig", flags=("-O1", "-g")), elf)
    return elf


def everything(path: Path) -> dict[str, str]:
    """All that m0sim writes about a call of this image."""
    machine = Machine.from_elf(path)
    cost = machine.call("start", 2, level="memory")
    contents = {name: write(cost, machine.image) for name, write in FORMATS.items()}
    written = {name: content for name, content in contents.items() if isinstance(content, str)}
    written["pprof"] = "\n".join(Pprof(bytes(contents["pprof"])).strings)
    shown = annotate.listing(cost, machine.image, everything=True)
    terminal = io.StringIO()
    console = Console(file=terminal, width=1000, highlight=False, color_system=None)
    console.print(text.call(cost, machine.device))
    console.print(text.listing(machine.image))
    written["terminal"] = terminal.getvalue()
    written["json"] = json.dumps([data.call(cost), data.listing(machine.image), annotate_data.to_json(shown)])
    written["html"] = page(cost, machine)
    return written


NAMES = [b"v" * 40, b"s" * 40, b"g" * 40, b".ramfunc", b"f" * 40 + b".c", b"h" * 40 + b".c"]


@pytest.fixture(scope="module")
def expected(victim: Path) -> dict[str, str]:
    return everything(victim)


@settings(max_examples=8, deadline=None)
@given(st.lists(st.sampled_from(HOSTILE), min_size=6, max_size=6))
def test_hostile_names_are_safe_in_all_that_is_written(
    victim: Path, expected: dict[str, str], hostile: list[bytes]
) -> None:
    bad = victim.with_name("hostile.elf")
    content = victim.read_bytes()
    for name, new in zip(NAMES, hostile, strict=True):
        content = put_name(content, name, new)
    bad.write_bytes(content)
    found = everything(bad)
    for kind in found:
        assert found[kind].replace("\n", "").isprintable(), kind
        if kind != "html":
            assert found[kind].count("\n") == expected[kind].count("\n"), kind
    assert found["collapsed"].count(";") == expected["collapsed"].count(";")
    json.loads(found["json"]), json.loads(found["speedscope"])
