"""Stubs and registers: what code gets from a world that is not simulated (answers.S), and what that costs."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import FIRMWARE, Build
from hypothesis import given
from hypothesis import strategies as st
from test_cli import Run, run  # noqa: F401

from m0sim import Fault, Machine, UsageError, f32, f64, i64, u64
from m0sim.chip.cost import RegisterUse
from m0sim.chip.peripherals import RegisterAccess
from m0sim.chip.stubs import StubCall

pytestmark = pytest.mark.engines("unicorn", "fast")

ADC = 0x4004C004


@pytest.fixture(scope="module")
def elf(build: Build) -> Path:
    return build("answers.S", flags=("-g", f"-I{FIRMWARE}"))


@pytest.fixture(scope="module")
def looked(elf: Path) -> Machine:
    return Machine.from_elf(elf)


@pytest.fixture
def machine(elf: Path) -> Machine:
    return Machine.from_elf(elf)


# --------------------------------------------------------------------------------------------------------- values


def test_a_stub_costs_its_return_only(machine: Machine) -> None:
    cost = machine.call("twice_adc", stubs={"read_adc": 5})
    # PUSH 3, twice BL 3 and BX 2, MOV, LSLS, ADDS, POP with PC 5
    assert (cost.result, cost.cycles, cost.instructions, cost.warnings) == (15, 3 + 2 * 5 + 3 + 5, 9, ())


@pytest.mark.parametrize(
    ("value", "kind", "result"),
    [
        (f32(1.5), "f32", 1.5),
        (np.float32(1.5), "f32", 1.5),
        (f64(-2.25), "f64", -2.25),
        (np.float64(-2.25), "f64", -2.25),
        (i64(-5), "s64", -5),
        (u64(1 << 63), "u64", 1 << 63),
        (-1, "u32", 0xFFFFFFFF),
        (0xFFFFFFFF, "s32", -1),
        (np.int8(-3), "s32", -3),
        (np.uint32(1 << 31), "u32", 1 << 31),
        (True, "s32", 1),
    ],
)
def test_values_of_all_kinds(machine: Machine, value: Any, kind: Any, result: float) -> None:
    for given_value in (value, [value], lambda call: value):
        cost = machine.call("passes", stubs={"wide": given_value}, result=kind)
        assert (cost.result, cost.cycles) == (result, 3 + 3 + 2 + 5)


@pytest.mark.parametrize("level", ["cycles", "memory"])
def test_values_in_turn(machine: Machine, level: Any) -> None:
    assert machine.call("twice_adc", stubs={"read_adc": [1, 10]}, level=level).result == 21
    cost = machine.call("twice_adc", stubs={"read_adc": np.array([1, 10, 99], np.int16)}, level=level)
    assert (cost.result, cost.warnings) == (21, ())
    for _ in range(2):  # each call begins at the first
        cost = machine.call("wait_ready", ADC, registers={ADC: [0, 2, 4, 1]}, level=level)
        assert cost.result == 4


@given(st.lists(st.integers(0, (1 << 31) - 1), min_size=1, max_size=5), st.integers(1, 9))
def test_which_value_comes_when(looked: Machine, values: list[int], ready_at: int) -> None:
    """A list against what a plain function of the count gives."""
    listed = [2 * value for value in values]  # bit 0 clear: not ready
    given_list = [*[*listed, *[0] * 9][: ready_at - 1], 1]
    seen: list[int] = []

    def by_count(access: RegisterAccess) -> int:
        seen.append(access.count)
        return given_list[access.count - 1]

    for registers in ({ADC: given_list}, {ADC: by_count}):
        cost = looked.call("wait_ready", ADC, registers=registers)
        # MOVS 2, per look ADDS, LDR, TST and BEQ, MOV and BX
        assert (cost.result, cost.cycles) == (ready_at, 2 + 6 * ready_at - 1 + 3)
        assert cost.registers == (RegisterUse(ADC, ready_at, 0, None),)
    assert seen == list(range(1, ready_at + 1))


def test_a_list_that_is_used_up_keeps_its_last_value_and_says_so(machine: Machine) -> None:
    with pytest.raises(Fault) as caught:
        machine.call("wait_ready", ADC, registers={ADC: [4, 2]}, max_cycles=1000)
    (use,) = caught.value.cost.registers
    found = [w for w in caught.value.cost.warnings if "values" in w]
    assert found == [f"register 0x4004c004 has 2 values: the last one was given {use.loads - 2} times more"]
    cost = machine.call("thrice", stubs={"read_adc": [1, 10]})
    assert cost.result == 21
    assert cost.warnings == ("the stub read_adc has 2 values: the last one was given once more",)
    assert machine.call("thrice", stubs={"read_adc": [7]}).warnings == ()  # one value is no list


# ------------------------------------------------------------------------------------------------------ functions


def test_what_a_function_sees_of_a_call(machine: Machine) -> None:
    seen: list[StubCall] = []

    def add(call: StubCall) -> int:
        seen.append(call)
        return sum(call.args) + int(call.read(call.sp, 4).view("<u4")[0])

    assert machine.call("sums", stubs={"stubbed_sum": add}).result == 15
    (call,) = seen
    assert (call.name, call.args, call.count) == ("stubbed_sum", (1, 2, 3, 4), 1)
    assert machine.image.function_at(call.return_address).name == "sums"  # type: ignore[union-attr]
    assert "_memory" not in repr(call)


def test_a_function_without_a_value_leaves_the_registers(machine: Machine) -> None:
    assert machine.call("passes", 41, stubs={"wide": lambda call: None}).result == 41
    assert machine.call("passes", 41, stubs={"wide": None}).result == 41


def test_a_function_writes_memory(machine: Machine) -> None:
    buffer = machine.alloc(np.zeros(4, np.uint8))
    machine.call("passes", buffer, stubs={"wide": lambda call: call.write(call.args[0], b"abcd")})
    assert buffer.read().tobytes() == b"abcd"


@pytest.mark.parametrize(
    ("value", "told"),
    [("x", "'x'"), (1.5, "m0sim.f32"), (1 << 40, "32 bits"), ([1, 2], "list"), (b"ab", "bytes"), (object(), "object")],
)
def test_what_is_no_answer_is_one_clear_error(machine: Machine, value: object, told: str) -> None:
    """From a function, and where it can be known before the call."""
    for options in (
        {"stubs": {"read_adc": lambda call: value}},
        {"registers": {ADC: lambda access: value}},
        *([] if isinstance(value, list) else [{"stubs": {"read_adc": value}}, {"registers": {ADC: [value]}}]),
    ):
        with pytest.raises(UsageError) as caught:
            machine.call("twice_adc", **options)  # type: ignore[arg-type]
        who = "the stub read_adc" if "stubs" in options else "register 0x4004c004"
        assert str(caught.value).startswith(f"{who}: ")
        assert told in str(caught.value)
        assert "\n" not in str(caught.value)
    assert machine.call("twice_adc", stubs={"read_adc": 5}).result == 15


def test_a_register_has_32_bits(machine: Machine) -> None:
    for answer in (f64(1), lambda access: i64(1), None, lambda access: None):
        with pytest.raises(UsageError, match="register 0x4004c004"):
            machine.call("twice_adc", registers={ADC: answer})
    with pytest.raises(UsageError, match="at least one"):
        machine.call("twice_adc", registers={ADC: []})


class Boom(Exception):
    """Nothing that m0sim knows."""


@pytest.mark.parametrize("error", [Boom, KeyError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("way", ["stub", "load", "store"])
@pytest.mark.parametrize("level", ["cycles", "memory"])
def test_what_a_function_raises_goes_through(machine: Machine, error: Any, way: str, level: Any) -> None:
    before = machine.call("twice_adc", stubs={"read_adc": 5})

    def the_users_own(request: object) -> int:
        raise error("why")

    options: dict[str, Any] = {
        "stub": {"stubs": {"read_adc": the_users_own}},
        "load": {"registers": {ADC: the_users_own}},
    }
    machine.on_write(ADC, the_users_own if way == "store" else None)
    with pytest.raises(error, match="why") as caught:
        machine.call("stores" if way == "store" else "twice_adc", ADC, 1, level=level, **options.get(way, {}))
    names = [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
    assert "the_users_own" in names
    machine.on_write(ADC, None)
    assert machine.call("twice_adc", stubs={"read_adc": 5}) == before
    with pytest.raises(Fault, match="a peripheral"):
        machine.call("twice_adc")


def test_a_function_cannot_make_the_machine_run(machine: Machine) -> None:
    for again in (
        lambda call: machine.call("read_adc"),
        lambda call: machine.count("read_adc"),
        lambda call: machine.alloc(4),
        lambda call: machine.reset(),
    ):
        with pytest.raises(UsageError, match="the machine runs"):
            machine.call("twice_adc", stubs={"read_adc": again})
    with pytest.raises(UsageError, match="while the code runs"):
        machine.call("twice_adc", stubs={"read_adc": lambda call: call.write(0x10000000, b"ab")})
    with pytest.raises(UsageError, match="while the code runs"):
        machine.call("twice_adc", stubs={"read_adc": lambda call: call.write(machine.symbol("in_sram").address, b"ab")})
    assert machine.call("twice_adc", stubs={"read_adc": 5}).result == 15


# --------------------------------------------------------------------------------------------- how a stub is reached


@pytest.mark.parametrize("function", ["passes", "by_literal", "by_veneer", "wide"])
def test_however_it_is_reached(machine: Machine, function: str) -> None:
    cost = machine.call(function, stubs={"wide": 77})
    assert (cost.result, cost.warnings) == (77, ())
    assert machine.call(function).result == 0


@pytest.mark.parametrize("name", ["shapes::area(int, int)", "shapes::area", "_ZN6shapes4areaEii"])
def test_cxx_names(build: Build, name: str, tmp_path: Path) -> None:
    source = tmp_path / "shapes.cpp"
    source.write_text(
        'namespace shapes { __attribute__((noinline)) int area(int a, int b) { asm volatile(""); return a * b; } }\n'
        'extern "C" int twice(int a, int b) { return 2 * shapes::area(a, b); }\n'
    )
    cost = Machine.from_elf(build(source)).call("twice", 3, 4, stubs={name: 5})
    assert (cost.result, cost.stubs, cost.warnings) == (10, ("shapes::area(int, int)",), ())


def test_two_stubs_for_one_function(machine: Machine) -> None:
    with pytest.raises(UsageError, match="two stubs are for wide"):
        machine.call("passes", stubs={"wide": 5, hex(machine.symbol("wide").address): 6})


def test_start_up_code_that_copies_over_a_stub(machine: Machine) -> None:
    assert machine.call("calls_sram", before=["copies_code"], stubs={"in_sram": 9}).result == 9
    with pytest.raises(UsageError, match="written over"):
        machine.call("copies_and_calls", stubs={"in_sram": 9})
    assert machine.call("copies_and_calls").result == 1


# -------------------------------------------------------------------------------------------------------- registers


def test_parts_of_a_register(machine: Machine) -> None:
    word = 0x89AB_CDEF
    cost = machine.call("parts", ADC, registers={ADC: word}, result="u64")
    assert cost.result == ((0xEF | 0x89 << 8) ^ 0x89AB) | 0xFFFF_CDEF << 32
    assert cost.registers == (RegisterUse(ADC, 4, 0, None),)
    plain = machine.call("parts", machine.alloc(np.array([word], np.uint32)), result="u64")
    assert (plain.result, plain.cycles, plain.loads) == (cost.result, cost.cycles, cost.loads)


def test_several_registers_of_one_instruction(machine: Machine) -> None:
    cost = machine.call("two", ADC, registers={ADC: 30, ADC + 4: 72})
    assert (cost.result, cost.cycles) == (42, 3 + 1 + 2)


def test_stores_are_accepted_and_told(machine: Machine) -> None:
    seen: list[tuple[int, int, int | None, int]] = []
    machine.on_write(ADC, lambda access: seen.append((access.address - ADC, access.size, access.value, access.count)))
    cost = machine.call("stores", ADC, 0x12345678)
    assert seen == [(0, 4, 0x12345678, 1), (2, 2, 0x5678, 2), (1, 1, 0x78, 3)]
    assert cost.registers == (RegisterUse(ADC, 0, 3, 0x78),)
    assert machine.call("stores", ADC, 1, registers={ADC: 0}).registers == (RegisterUse(ADC, 0, 3, 1),)
    with pytest.raises(Fault, match="load of 4 bytes"):  # nobody said what it reads as
        machine.call("twice_adc")


def test_registers_of_all_calls(machine: Machine) -> None:
    machine.on_read(ADC, [1, 10])
    assert [machine.call("twice_adc").result for _ in range(2)] == [21, 21]
    assert machine.count("twice_adc") == machine.call("twice_adc").cycles
    assert machine.call("twice_adc", registers={ADC: 1}).result == 3
    machine.on_read(ADC, lambda access: access.count)
    assert [machine.call("twice_adc").result for _ in range(2)] == [5, 5]
    machine.on_read(ADC, None)
    with pytest.raises(Fault, match="a peripheral"):
        machine.call("twice_adc")
    machine.on_read(ADC, 5)
    machine.reset()
    with pytest.raises(Fault, match="a peripheral"):
        machine.call("twice_adc")


def test_that_a_bus_may_be_slower_is_said(machine: Machine) -> None:
    cost = machine.call("twice_adc", registers={ADC: 1})
    assert cost.warnings == (
        "2 accesses to registers counted as of memory without wait states: a peripheral bus may add some",
    )


@pytest.mark.parametrize("warm", [False, True])
@pytest.mark.parametrize(("function", "moved"), [("beside", "load of 4 bytes"), ("beside_store", "store of 1 byte")])
def test_beside_a_register_is_the_fault_of_old(machine: Machine, function: str, moved: str, warm: bool) -> None:
    """Same instruction, registers and counts, as where the page has no register at all."""
    end_of_page = (ADC | 0x3FF) - 3  # what lies behind is in a page of its own
    plain = Machine.from_elf(machine.image.path)
    faults = []
    for m, address in ((machine, ADC), (plain, end_of_page)):
        if warm:
            m.on_read(address + 4, 5)
            m.on_write(address + 4, lambda access: None)
            m.call(function, address, registers={address: 3})
            m.on_read(address + 4, None)
            m.on_write(address + 4, None)
        with pytest.raises(Fault) as caught:
            m.call(function, address, registers={address: 3})
        faults.append(caught.value)
    refused, unmapped = faults
    assert (refused.kind, refused.place) == (unmapped.kind, unmapped.place) == ("unmapped", refused.place)
    assert moved in refused.reason
    assert refused.reason.endswith(f"say --register {ADC + 4:#x}=VALUE")
    assert refused.registers["r3"] == unmapped.registers["r3"] == 8
    assert refused.registers["r1"] == 3
    counted = [(f.cost.cycles, f.cost.instructions, f.cost.loads, f.cost.stores) for f in faults]
    assert counted[0] == counted[1]


def test_a_jump_to_a_register(machine: Machine) -> None:
    with pytest.raises(Fault) as caught:
        machine.call("jumps", ADC, registers={ADC: 0x4770})
    assert caught.value.kind == "not-code"


@pytest.mark.parametrize(
    ("address", "told"),
    [
        (ADC + 1, "multiple of 4"),
        (0x20000000, "sram"),
        (0x10000000, "flash"),
        (0xD0000000, "I/O port"),
        (-4, "multiple"),
    ],
)
def test_what_is_no_register(machine: Machine, address: int, told: str) -> None:
    for ask in (
        lambda: machine.on_read(address, 1),
        lambda: machine.on_write(address, print),
        lambda: machine.call("read_adc", registers={address: 1}),
    ):
        with pytest.raises(UsageError, match=told):
            ask()


# ----------------------------------------------------------------------------------------------- the command line


@pytest.mark.parametrize(
    ("command", "result"),
    [
        ("twice_adc --stub read_adc=5", 15),
        ("twice_adc --stub read_adc=1,0x10", 33),
        ("twice_adc --stub read_adc=-1,1", 1),
        ("passes --result f32 --stub wide=f32:1.5", 1.5),
        ("passes --result f64 --stub wide=f64:-2.5", -2.5),
        ("passes --result u64 --stub wide=u64:0x100000000", 1 << 32),
        ("passes --result u32 --stub wide=sym:wide", None),
        ("twice_adc --register 0x4004c004=1,10", 21),
        ("wait_ready 0x4004c004 --register 0x4004C004=0,0,1", 3),
    ],
)
def test_as_text(run: Run, elf: Path, command: str, result: float | None) -> None:  # noqa: F811
    function, *rest = command.split()
    found = run("call", elf, function, *rest, "--json").json
    assert found["result"] == (Machine.from_elf(elf).symbol("wide").address | 1 if result is None else result)
    assert run("annotate", elf, function, *rest, "--json").json["result"] == found["result"]
    assert [r["address"] for r in found["registers"]] == ([ADC] if "--register" in command else [])


@pytest.mark.parametrize(
    ("option", "told"),
    [
        (["--stub", "wide"], "NAME=VALUE"),
        (["--stub", "wide=1.5"], "f32:1.5"),
        (["--stub", "wide=1,,2"], "''"),
        (["--stub", "wide=@file"], "no answer"),
        (["--stub", "wide=sym:nothing"], "no symbol 'nothing'"),
        (["--stub", "wide=1", "--stub", "wide=2"], "given twice"),
        (["--register", "0x4004c004"], "ADDRESS=VALUE"),
        (["--register", "0x4004c005=1"], "multiple of 4"),
        (["--register", "adc=1"], "0x40034018"),
        (["--register", "0x4004c004=u64:1"], "64 bits"),
        (["--register", "0x20000000=1"], "sram"),
    ],
)
def test_what_is_wrong_as_text_is_one_line(run: Run, elf: Path, option: list[str], told: str) -> None:  # noqa: F811
    done = run("call", elf, "passes", *option)
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert told in done.err


def test_the_report_shows_registers(run: Run, elf: Path, tmp_path: Path) -> None:  # noqa: F811
    page = tmp_path / "page.html"
    done = run("call", elf, "stores", "0x4004c004", "0x1234", "--register", "0x4004c004=0", "--html", page)
    assert "0x4004c004       0        3          0x34" in done.out
    assert "<code>0x4004c004</code> (loads: 0, stores: 3)" in page.read_text()
