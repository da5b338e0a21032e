"""Signatures from DWARF, against the source and pyelftools; calls that are checked by them."""

from __future__ import annotations

import random
import struct
import time
from pathlib import Path

import pytest
from conftest import Build
from elftools.elf.elffile import ELFFile

from m0sim import Machine, f32, f64, i64
from m0sim.chip import operands
from m0sim.errors import UsageError
from m0sim.image import Image, load_elf

BOTH = pytest.mark.parametrize("toolchain", ["zig", "gnu"])
EXPECTED = {
    "nothing": "void nothing(void)",
    "none_known": "int none_known(...)",
    "add": "int add(int a, int b)",
    "narrow": "uint8_t narrow(uint8_t a, int8_t b, BOOL c, char d)",
    "long_sum": "int64_t long_sum(int a, LONG b, ULONG c)",
    "half": "float half(float x)",
    "twice": "double twice(int a, double x)",
    "all_ones": "UINT all_ones(void)",
    "is_odd": "BOOL is_odd(UINT a)",
    "text_of": "const char *text_of(const char *const text, UINT n)",
    "first": "int first(const volatile sample *samples, sample **many, function *callback)",
    "colours": "int colours(enum colour c, enum sign s)",
    "variadic": "int variadic(const char *format, ...)",
    "make_small": "struct small make_small(int a, int b)",
    "make_point": "struct point make_point(int x, int y, int z)",
    "by_value": "int by_value(int before, struct point p, int behind)",
    "of_line": "int of_line(const struct line *l)",
    "of_union": "int of_union(union number u, const union number *v)",
}
SPELLINGS = {
    "zig": {"BOOL": "bool", "LONG": "long long", "ULONG": "unsigned long long", "UINT": "unsigned int"},
    "gnu": {"BOOL": "_Bool", "LONG": "long long int", "ULONG": "long long unsigned int", "UINT": "unsigned int"},
}


def expected(name: str, toolchain: str) -> str:
    text = EXPECTED[name]
    for word in ("BOOL", "ULONG", "LONG", "UINT"):
        text = text.replace(word, SPELLINGS[toolchain][word])
    return text


@BOTH
@pytest.mark.parametrize("version", [2, 3, 4, 5])
def test_signatures_are_those_of_the_source(build: Build, toolchain: str, version: int) -> None:
    flags = ("-O1", "-g", f"-gdwarf-{version}", "-std=gnu11")
    image = load_elf(build("signatures.c", toolchain=toolchain, flags=flags))
    normal = {"_Bool": "bool"}
    for name in EXPECTED:
        found = str(image.signature(image.find(name)))
        wanted = expected(name, toolchain)
        for old, new in normal.items():
            found, wanted = found.replace(old, new), wanted.replace(old, new)
        assert found == wanted
    assert image.signature_notes == ()
    assert {name: str(s) for name, s in image.signatures().items()} == {
        f.name: str(load_elf(image.path).signature(f)) for f in image.functions
    }


@BOTH
def test_parameters_are_those_that_pyelftools_reads(build: Build, toolchain: str) -> None:
    path = build("signatures.c", "statics_a.c", "lines.c", toolchain=toolchain)
    image = load_elf(path)
    seen = 0
    with path.open("rb") as file:
        for unit in ELFFile(file).get_dwarf_info().iter_CUs():
            for entry in unit.iter_DIEs():
                if entry.tag != "DW_TAG_subprogram" or "DW_AT_low_pc" not in entry.attributes:
                    continue
                if not any(f.address == entry.attributes["DW_AT_low_pc"].value for f in image.functions):
                    continue  # what the linker dropped
                signature = image.signature(image.find(hex(entry.attributes["DW_AT_low_pc"].value)))
                assert signature is not None
                children = [c for c in entry.iter_children() if c.tag == "DW_TAG_formal_parameter"]
                names = []
                for child in children:
                    while "DW_AT_name" not in child.attributes:
                        child = child.get_DIE_from_attribute("DW_AT_abstract_origin")
                    names.append(child.attributes["DW_AT_name"].value.decode())
                assert [p.name for p in signature.parameters] == names
                seen += 1
    assert seen > 25


@pytest.fixture(scope="module", params=["zig", "gnu"])
def image(request: pytest.FixtureRequest, build: Build) -> Image:
    return load_elf(build("signatures.c", toolchain=request.param, flags=("-O1", "-g", "-std=gnu11")))


@pytest.fixture
def machine(image: Image) -> Machine:
    return Machine(image)


def test_results_are_read_as_declared(machine: Machine) -> None:
    for call, result, kind in (
        (("nothing",), None, "void"),
        (("all_ones",), 0xFFFFFFFF, "u32"),
        (("add", -5, 3), -2, "s32"),
        (("long_sum", 1, 1 << 40, 2), (1 << 40) + 3, "s64"),
        (("half", 1.5), 1.5, "f32"),
        (("twice", 1, 2.5), 2.5, "f64"),
        (("is_odd", 3), 1, "u32"),
        (("narrow", 200, -1, 1, 3), 203, "u32"),
        (("make_small", -2, 0x1234), b"\xfe", "struct"),
    ):
        cost = machine.call(*call)
        found = cost.result[:1] if isinstance(cost.result, bytes) else cost.result
        assert (found, cost.result_type) == (result, kind), call
    assert machine.call("all_ones", result="s32").result == -1


def test_a_struct_is_returned_where_the_caller_says(machine: Machine) -> None:
    """The address in front of the arguments is m0sim's: one place for each function, however often it is called."""
    for x in (1, -7):
        cost = machine.call("make_point", x, 300, 70000)
        a, b, c = struct.unpack("<bxhi", cost.result)
        assert (a, b, c, cost.result_type) == (x, 300, 70000, "struct")
    assert len(machine.space.allocations) == 1
    small = machine.call("make_small", 5, 0x1234).result
    assert (small[0], small[2:]) == (5, b"\x34\x12")
    machine.reset()
    assert struct.unpack("<bxhi", machine.call("make_point", 4, 5, 6).result) == (4, 5, 6)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (("add", 1), r"argument 2 \(b, int\) is missing: int add\(int a, int b\)"),
        (("add",), r"argument 1 \(a, int\) is missing"),
        (("add", 1, 2, 3), r"argument 3 is too many: int add\(int a, int b\)"),
        (("nothing", 1), r"argument 1 is too many: void nothing\(void\)"),
        (("make_point", 1, 2, 3, 4), "m0sim passes the address of its result itself"),
        (("narrow", 256, 0, 0, 0), r"argument 1 \(a, uint8_t\): 256 is not from 0 to 255"),
        (("narrow", -1, 0, 0, 0), "-1 is not from 0 to 255"),
        (("narrow", 0, 128, 0, 0), r"argument 2 \(b, int8_t\): 128 is not from -128 to 127"),
        (("narrow", 0, 0, 2, 0), "2 is not from 0 to 1"),
        (("add", 1 << 32, 0), "is not from"),
        (("add", i64(1), 0), r"argument 1 \(a, int\): it has 32 bits, not 64: write 1"),
        (("add", f32(1.5), 0), r"argument 1 \(a, int\): it is no floating-point number"),
        (("add", 1.5, 0), "it is no floating-point number"),
        (("half", 1), r"argument 1 \(x, float\): write f32:1"),
        (("half", f64(1.5)), "write f32:1.5"),
        (("twice", 0, f32(1.5)), r"argument 2 \(x, double\): write f64:1.5"),
        (("long_sum", 0, 1 << 64, 0), "is not from"),
        (("by_value", 1, 2, 3), "write its members in braces"),
    ],
)
def test_arguments_that_a_function_does_not_take(machine: Machine, call: tuple[object, ...], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        machine.call(*call)


def test_what_is_not_known_is_not_checked(machine: Machine) -> None:
    assert machine.call("none_known").result == machine.call("none_known", 1, 2).result == 7
    assert machine.call("variadic", 0, 41, 42).result == 41
    with pytest.raises(UsageError, match=r"argument 1 \(format, const char \*\) is missing"):
        machine.call("variadic")


def called(machine: Machine, function: str, *texts: str, before: tuple[str, ...] = ()) -> object:
    values, outputs = operands.parse(machine, list(texts), function)
    first = [operands.place_call(machine, operands.read_call(text), outputs) for text in before]
    return machine.call(function, *values, before=first).result


@pytest.mark.parametrize(
    ("function", "texts", "result"),
    [
        ("by_value", ("7", "{1,-2,3}", "4"), 7000 + 1 - 20 + 300 + 4),
        ("wide_value", ("7", "{2,i64:30}", "4"), 7000 + 2 + 30 + 4),
        ("wide_value", ("7", "{2,30}", "4"), 7000 + 2 + 30 + 4),
        ("small_value", ("{-1,300}", "4"), -1 + 3000 + 4),
        ("split_value", ("1", "2", "{3,4,5}", "6"), 123456),
        ("array_value", ("{{1,2,3}}",), 123),
        ("of_points", ("struct:1,-2,3",), 1 - 20 + 300),
        ("of_points", ("struct:{1,-2,3}",), 1 - 20 + 300),
        ("of_line", ("struct:{{1,2,0},{0,0,5},str:A,{0,0,9}}",), 1 + 20 + 500 + 9000 + 65),
        ("of_union", ("{5}", "struct:6"), 11),
        ("of_list", ("struct:{struct:{struct:{0,5},60},700}",), 765),
        ("of_flags", ("hex:05000000",), 5),
        ("string_length", ("str:hello, you: {",), 13),
        ("string_length", ("str:",), 0),
        ("string_length", ("hex:616200",), 2),
        ("word_at", ("sym:table+8",), 3),
        ("word_at", ("sym:table+0x0c",), 4),
        ("word_at", ("sym:table",), 1),
    ],
)
def test_operands_are_laid_out_as_declared(
    machine: Machine, function: str, texts: tuple[str, ...], result: int
) -> None:
    assert called(machine, function, *texts) == result


@pytest.mark.parametrize(
    ("function", "texts", "message"),
    [
        ("of_points", ("struct:1,2",), r"struct point has 3 members \(x, y, z\), not 2"),
        ("of_points", ("struct:1,2,3,4",), "has 3 members"),
        ("of_points", ("struct:1,40000,3",), r"y \(int16_t\): 40000 is not from -32768 to 32767"),
        ("of_line", ("struct:{{1,2,0},5,0,{0,0,9}}",), r"to \(struct point\): write its members in braces"),
        ("of_line", ("struct:{{1,2,0},{0,0,5},0,7}",), r"rgb \(uint8_t\[3\]\): write its elements in braces"),
        ("of_line", ("struct:{{1,2},{0,0,5},0,{0,0,9}}",), r"from \(struct point\): struct point has 3 members"),
        ("of_flags", ("struct:1,2",), "bit-fields"),
        ("of_union", ("{1,2}", "0"), "has 1 members"),
        ("by_value", ("1", "{1,2}", "3"), "has 3 members"),
        ("add", ("{1}", "2"), r"which has no members"),
        ("word_at", ("sym:table+17",), "table has 16 bytes"),
        ("word_at", ("sym:tabel+4",), "did you mean 'table'"),
        ("string_length", ("hex:0g",), "no bytes in hex"),
        ("of_points", ("struct:{1,2",), "brace"),
        ("of_points", ("struct:1},2",), "brace"),
    ],
)
def test_operands_that_do_not_fit(machine: Machine, function: str, texts: tuple[str, ...], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        called(machine, function, *texts)


def test_before_takes_arguments(machine: Machine, tmp_path: Path) -> None:
    (tmp_path / "x.bin").write_bytes(b"\x09")
    assert called(machine, "current", before=(f"initialise(30, @{tmp_path / 'x.bin'})",)) == 39
    assert (
        called(machine, "current", before=("initialise(1,0)", "nothing", " initialise( 2 , hex:05 ) ", "nothing()"))
        == 7
    )
    extra = machine.alloc(bytearray(b"\x04"))
    assert machine.call("current", before=[("initialise", 50, extra)]).result == 54
    assert machine.call("current", before=[("initialise", 50, 0), "nothing"]).result == 50
    assert machine.call("current", before="nothing").result == 0
    for bad, message in (
        ("initialise(1)", r"argument 2 \(extra"),
        ("initialize(1, 2)", "did you mean 'initialise'"),
        ("initialise(1, x)", "'x' is not an integer"),
        ("nothing(1)", "too many"),
    ):
        with pytest.raises(UsageError, match=message):
            called(machine, "current", before=(bad,))
    with pytest.raises(UsageError, match="tuple"):
        machine.call("current", before=[("initialise", "1", 0)])


def test_cxx_methods_have_this_and_names_with_parameters_are_calls_too(build: Build, tmp_path: Path) -> None:
    source = tmp_path / "methods.cpp"
    source.write_text(
        "struct Counter { int n; int add(int k); static int twice(int k); virtual ~Counter(); };\n"
        "int Counter::add(int k) { return n += k; }\n"
        "int Counter::twice(int k) { return 2 * k; }\n"
        "Counter::~Counter() {}\n"
        "struct Plain { char a; int b; };\n"
        "int plain(Plain p) { return p.a + p.b; }\n"
        "int not_plain(Counter c) { return c.n; }\n"
        "int reference(const Plain &p, Plain &&q) { return p.b + q.b; }\n"
        "namespace ns { int state; void set(int k) { state = k; } int get() { return state; } }\n"
        'extern "C" void __cxa_pure_virtual() {}\n'
        "void operator delete(void *, unsigned) {} void operator delete(void *) {}\n"
    )
    image = load_elf(build(source, toolchain="gnu", flags=("-O1", "-g", "-fno-exceptions", "-fno-rtti")))
    machine = Machine(image)
    assert str(machine.signature("Counter::add")) == "int add(Counter *const this, int k)"
    assert str(machine.signature("Counter::twice")) == "int twice(int k)"
    assert str(machine.signature("reference")) == "int reference(const Plain &p, Plain &&q)"
    assert called(machine, "plain", "{3,40}") == 43
    assert machine.signature("not_plain") is None  # its copy goes by address, which the caller must make
    assert machine.call("Counter::add", machine.alloc(8), 5).result == 5
    for text in ("ns::set(int)(8)", "ns::set(8)"):
        assert called(machine, "ns::get", before=(text,)) == 8


def test_assembly_and_images_without_dwarf_are_not_checked(build: Build, tmp_path: Path) -> None:
    for flags in (("-O1", "-g"), ("-O1", "-g0")):
        machine = Machine.from_elf(build("pools.S", "statics_a.c", flags=flags))
        assert machine.signature("typed") is None
    assert machine.signature("use_a") is None
    assert machine.call("use_a", 1, 2, 3).result_type == "s32"


def test_rust_is_checked_where_its_calls_are_those_of_c(build: Build, tmp_path: Path) -> None:
    """The language is all that differs: a struct may be passed in parts, plain numbers are not."""
    path = build("signatures.c", toolchain="gnu", flags=("-O1", "-g", "-gdwarf-4", "-std=gnu11"))
    content = path.read_bytes()
    info = bytes(load_elf(path).debug[".debug_info"].data)
    # DW_AT_language of the only unit is one byte, 0x0c (C99) behind the offset of its producer.
    at = content.index(info) + 11 + 1 + 4
    assert content[at] == 0x0C
    rust = tmp_path / "rust.elf"
    rust.write_bytes(content[:at] + b"\x1c" + content[at + 1 :])
    machine = Machine.from_elf(rust)
    assert machine.signature("add") is not None
    assert machine.signature("by_value") is None
    assert machine.signature("make_point") is None


# ---------------------------------------------------------------------------------------------------- hostile files


def test_damaged_types_end_in_time_and_memory(build: Build, tmp_path: Path) -> None:
    """Bits of .debug_info and .debug_abbrev flipped: a signature, none, or a note; no other error."""
    path = build("signatures.c", toolchain="gnu", flags=("-O1", "-g", "-std=gnu11"))
    content, image = path.read_bytes(), load_elf(path)
    sections = [bytes(image.debug[name].data) for name in (".debug_info", ".debug_abbrev")]
    places = [(content.index(data), len(data)) for data in sections]
    rng = random.Random(5)
    bad = tmp_path / "bad.elf"
    started = time.process_time()
    for _ in range(60):
        damaged = bytearray(content)
        for _ in range(rng.choice((1, 3, 20))):
            start, size = rng.choice(places)
            damaged[start + rng.randrange(size)] = rng.randrange(256)
        bad.write_bytes(damaged)
        for signature in (found := load_elf(bad)).signatures().values():
            str(signature)
            for parameter in signature.parameters if signature else ():
                assert parameter.type.alignment is None or parameter.type.alignment >= 0
                assert parameter.type.target is None or parameter.type.target.members is None or found
    assert time.process_time() - started < 60


def test_a_type_that_contains_itself_is_no_type(build: Build, tmp_path: Path) -> None:
    """DW_AT_type of a typedef made to lead back to it."""
    from m0sim.image.dwarf_entries import At, Tag
    from m0sim.image.signatures import Signatures

    # One unit: a subprogram at 0x10000000 with a parameter of a typedef of itself.
    table = (
        (1, 0x11, 1),
        (2, Tag.SUBPROGRAM, 1, At.LOW_PC, 0x01, At.PROTOTYPED, 0x19),
        (3, Tag.PARAMETER, 0, At.TYPE, 0x13),
        (4, Tag.TYPEDEF, 0, At.TYPE, 0x13),
    )
    abbreviations = b"".join(bytes([*row, 0, 0]) for row in table) + b"\0"
    entries = bytes([1, 2]) + struct.pack("<I", 0x10000000) + bytes([3]) + struct.pack("<I", 23)
    entries += bytes([0, 4]) + struct.pack("<I", 23) + bytes([0])
    unit = struct.pack("<HIB", 4, 0, 4) + entries
    info = struct.pack("<I", len(unit)) + unit
    assert info[23] == 4
    signatures = Signatures({".debug_info": info, ".debug_abbrev": abbreviations})
    assert signatures.at(0x10000000, "f") is None
    assert "nested too deep" in signatures.notes[0]


@BOTH
def test_a_stub_answers_with_what_its_function_returns(build: Build, toolchain: str) -> None:
    machine = Machine.from_elf(build("signatures.c", toolchain=toolchain, flags=("-O1", "-g", "-std=gnu11")))
    assert machine.call("half", 1.0, stubs={"half": f32(2.5)}).result == 2.5
    assert machine.call("half", 1.0, stubs={"half": 2.5}).result == 2.5
    assert machine.call("twice", 1, 1.0, stubs={"twice": lambda call: 0.1}).result == 0.1
    assert machine.call("narrow", 1, 2, True, 4, stubs={"narrow": [255, 0]}).result == 255
    assert machine.call("long_sum", 1, 2, 3, stubs={"long_sum": -1}).result == -1
    assert machine.call("all_ones", stubs={"all_ones": -1}).result == 0xFFFFFFFF
    assert machine.call("nothing", stubs={"nothing": 7}).result is None
    for name, given, said in [
        ("half", 2, "the stub half: 2 is no answer: write f32:2"),
        ("half", f64(2.5), "the stub half: 2.5 is no answer: write f32:2.5"),
        ("narrow", 256, "256 is not from 0 to 255"),
        ("narrow", -1, "-1 is not from 0 to 255"),
        ("add", i64(5), "it has 32 bits, not 64: write 5"),
        ("add", 1.5, "it is no floating-point number"),
        ("is_odd", 2, "2 is not from 0 to 1"),
    ]:
        with pytest.raises(UsageError, match=said):
            machine.call("nothing", stubs={name: given})
        with pytest.raises(UsageError, match=said):
            machine.call(
                name,
                *{"half": [1.0], "is_odd": [1], "add": [1, 2]}.get(name, [1, 2, 1, 1]),
                stubs={name: lambda call, given=given: given},
            )
