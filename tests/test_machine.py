"""Calls and their cost against cycles worked out by hand, from the remarks beside the instructions in calls.S."""

from __future__ import annotations

import gc
import struct
import weakref
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from conftest import FIRMWARE, LINKER_SCRIPT, Build, Slices

import m0sim.chip.engine.unicorn_run
from m0sim import Cost, Fault, Machine, UsageError, f32, i64, u64

pytestmark = pytest.mark.engines("unicorn", "fast")

ASSEMBLY = ("-g", f"-I{FIRMWARE}")
BOTH = pytest.mark.parametrize("toolchain", ["zig", "gnu"])
Functions = dict[str, tuple[int, int, int]]


@pytest.fixture(scope="module")
def calls(build: Build) -> Path:
    return build("calls.S", flags=ASSEMBLY)


@pytest.fixture(scope="module")
def machine(calls: Path) -> Machine:
    return Machine.from_elf(calls)


@pytest.fixture(scope="module")
def rewrites(build: Build) -> Machine:
    return Machine.from_elf(build("rewrites.S", flags=ASSEMBLY))


def functions(cost: Cost) -> Functions:
    """Calls, self and inclusive cycles by function."""
    return {f.name: (f.calls, f.self_cycles, f.inclusive_cycles) for f in cost.functions.values()}


def check_sums(cost: Cost) -> None:
    assert sum(f.self_cycles for f in cost.functions.values()) == cost.cycles
    assert sum(f.instructions for f in cost.functions.values()) == cost.instructions
    assert cost.functions[cost.function].inclusive_cycles == cost.cycles


# ------------------------------------------------------------------------------------------- functions and stacks

# Function, argument; result, bytes of stack, and calls, self and inclusive cycles of every function.
TREES: list[tuple[str, int, int, int, Functions]] = [
    ("leaf", 4, 5, 0, {"leaf": (1, 3, 3)}),
    # 15 cycles a level, but 12 of the innermost: a branch taken (1 more), no SUBS and no BL (4 less).
    ("recursive", 0, 0, 8, {"recursive": (1, 12, 12)}),
    ("recursive", 5, 15, 48, {"recursive": (6, 87, 87)}),
    # 12 a level, 10 of the innermost, which is is_odd(0). is_odd is inclusive from is_odd(4): all but is_even(5).
    ("is_even", 5, 0, 24, {"is_even": (3, 36, 70), "is_odd": (3, 34, 58)}),
    ("tail_b", 0, 2, 0, {"tail_b": (1, 3, 6), "leaf": (1, 3, 3)}),
    ("tail_bx", 0, 1, 0, {"tail_bx": (1, 4, 7), "leaf": (1, 3, 3)}),
    (
        "calls_tails",
        0,
        3,
        4,
        {"calls_tails": (1, 12, 25), "tail_b": (1, 3, 6), "tail_bx": (1, 4, 7), "leaf": (2, 6, 6)},
    ),
    ("through_register", 7, 8, 4, {"through_register": (1, 10, 13), "leaf": (1, 3, 3)}),
    ("far_jump", 3, 3, 4, {"far_jump": (1, 9, 9)}),
    ("calls_far", 0, 2, 8, {"calls_far": (1, 10, 20), "far_out": (1, 5, 10), "far_target": (1, 5, 5)}),
    ("catcher", 8, 9, 12, {"catcher": (1, 15, 23), "thrower_caller": (1, 5, 8), "thrower": (1, 3, 3)}),
    ("big_frame", 6, 6, 1024, {"big_frame": (1, 12, 12)}),
    ("moves_sp", 6, 6, 72, {"moves_sp": (1, 13, 13)}),
    ("process_stack", 6, 6, 144, {"process_stack": (1, 31, 31)}),
    ("hints", 6, 1, 0, {"hints": (1, 12, 12)}),
    ("barriers", 6, 0, 0, {"barriers": (1, 17, 17)}),
]


# Running on into the next function enters it.
FALLS: Functions = {"falls": (1, 1, 4), "falls_into": (1, 3, 3)}


def test_falling_through_into_the_next_function(machine: Machine) -> None:
    cost = machine.call("falls", 0)
    assert (cost.cycles, functions(cost)) == (4, FALLS)


@pytest.mark.parametrize("level", ["cycles", "memory"])
@pytest.mark.parametrize(("name", "argument", "result", "stack", "tree"), TREES, ids=lambda value: str(value)[:20])
def test_functions(
    machine: Machine, level: str, name: str, argument: int, result: int, stack: int, tree: Functions
) -> None:
    cost = machine.call(name, argument, level=level)
    assert functions(cost) == tree
    assert (cost.cycles, cost.stack_bytes) == (tree[name][2], stack)
    assert cost.warnings == ()
    if name != "barriers":  # returns the flags
        assert cost.result == result
    check_sums(cost)


def test_gnu_tools_give_the_same(build: Build) -> None:
    gnu = Machine.from_elf(build("calls.S", toolchain="gnu", flags=ASSEMBLY))
    for name, argument, _, stack, tree in TREES:
        cost = gnu.call(name, argument)
        assert (functions(cost), cost.stack_bytes) == (tree, stack)


# M0+ and M0: taken branches, BX, BLX and BL differ, and so do MRS, MSR, barriers and POP {PC}.
@pytest.mark.parametrize(
    ("name", "arguments", "rp2040", "stm32f0", "slowmul"),
    [
        ("leaf", (1,), 3, 4, 3),
        ("recursive", (5,), 87, 5 * 17 + 14, 87),  # per level BL and POP {PC} 1 more; inside, Bcc and POP {PC}
        ("tail_bx", (1,), 7, 9, 7),
        ("hints", (), 12, 14, 12),
        ("barriers", (), 17, 23, 17),
        ("flash_loop", (10,), 31, 10 * 4 - 2 + 3, 31),
        ("multiply", (3, 4), 3, 4, 34),
    ],
)
def test_cores(
    elsewhere: dict[str, Machine], name: str, arguments: tuple[int, ...], rp2040: int, stm32f0: int, slowmul: int
) -> None:
    found = {profile: machine.call(name, *arguments).cycles for profile, machine in elsewhere.items()}
    assert found == {"rp2040": rp2040, "stm32f0": stm32f0, "m0plus-slowmul": slowmul}


@pytest.fixture(scope="module")
def elsewhere(build: Build, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Machine]:
    """The same program, linked to where the flash of three chips is."""
    machines = {}
    for profile, base in (("rp2040", "0x10000000"), ("stm32f0", "0x08000000"), ("m0plus-slowmul", "0x00000000")):
        script = tmp_path_factory.mktemp("scripts") / f"{profile}.ld"
        script.write_text(LINKER_SCRIPT.read_text().replace("0x10000000", base))
        elf = build("calls.S", flags=(*ASSEMBLY, f"-DBASE={base}"), linker_script=script)
        machines[profile] = Machine.from_elf(elf, profile)
    return machines


def test_code_in_sram_costs_what_it_costs_in_flash(machine: Machine) -> None:
    flash, ram = machine.call("flash_loop", 1000), machine.call("ram_loop", 1000)
    assert flash.cycles == ram.cycles == 3 * 1000 + 1
    assert (flash.branches_taken, flash.branches_not_taken) == (ram.branches_taken, ram.branches_not_taken) == (999, 1)
    assert flash.instructions == ram.instructions == 2001


def test_switch_helper_of_gcc(build: Build) -> None:
    """It returns behind its table by way of LR: 13 cycles, as counted in libgcc's source, and the caller goes on."""
    machine = Machine.from_elf(build("aapcs.c", toolchain="gnu", flags=("-Os", "-g")))
    cost = machine.call("choose_all", 80)
    bodies = [
        *(lambda v: v + 7, lambda v: v * 11, lambda v: v - 5, lambda v: ~v, lambda v: v ^ 0x55),
        *(lambda v: v // 3, lambda v: v << 3, lambda v: -v),
    ]
    assert cost.result == sum(bodies[i & 7](i) for i in range(80))
    tree = functions(cost)
    helper = tree.pop("__gnu_thumb1_case_uqi")
    assert helper == (80, 80 * 13, 80 * 13)
    divide = [name for name in tree if "div" in name]
    assert set(tree) == {"choose_all", "choose", *divide}
    assert tree["choose"][0] == 80
    assert tree["choose"][2] == tree["choose"][1] + helper[1] + sum(tree[name][1] for name in divide)
    check_sums(cost)


# --------------------------------------------------------------------------------------------- arguments, results


@BOTH
def test_arguments_are_where_c_expects_them(build: Build, toolchain: str) -> None:
    machine = Machine.from_elf(build("aapcs.c", toolchain=toolchain))
    call = partial(machine.call)
    big = -(1 << 40) + 3
    mixed = call("mixed", -1, i64(big), 2, i64(7 << 33), 5, result="s64")
    assert mixed.result == -1 + 10 * big + 200 + 1000 * (7 << 33) + 50000
    assert mixed.memory.sram_arguments == 20  # c, padding, d, e: what follows a stacked argument is stacked
    seven = call("seven", 1, 2, 3, 4, 5, 6, -7)
    assert (seven.result, seven.memory.sram_arguments) == (1 + 4 + 9 + 16 + 25 + 36 - 49, 12)
    assert call("pair_first", i64(5 << 32), 6, u64(7 << 32)).result == 18
    assert call("join", 0x89ABCDEF, 0x01234567, result="u64").result == 0x89ABCDEF01234567
    assert call("join", 0x89ABCDEF, 0x01234567, result="s64").result == 0x89ABCDEF01234567 - (1 << 64)
    assert call("complement", 0, result="s32").result == -1
    assert call("complement", 0).result == 0xFFFFFFFF  # as it is declared
    assert call("complement", 0, result="u32").result == 0xFFFFFFFF
    assert call("complement", 0xFFFFFFFE).result == call("complement", -2).result == 1
    blend = call("blend", f32(1.5), 3, f32(-2.25), f32(4), f32(7), f32(2), result="f32")
    assert blend.result == 1.5 * 3 - 2.25 * 4 - 7 / 2
    assert call("widen", f32(0.1), -3, result="f64").result == float(np.float32(0.1)) - 3
    assert call("nothing", 3, result="void").result is None
    data = machine.alloc(np.array([3, -4, -5], np.int8))
    assert call("last_of", data, data.size).result == -5


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda m: m.call("leaf", 1 << 32), "does not fit in 32 bits"),
        (lambda m: m.call("leaf", -(1 << 31) - 1), "does not fit in 32 bits"),
        (lambda m: m.call("leaf", 1.5), "f32"),
        (lambda m: m.call("leaf", np.zeros(())), "without dimensions"),
        (lambda m: m.call("leaf", "text"), "str"),
        (lambda m: m.call("leaf", 1, result="int"), "s32, u32"),
        (lambda m: m.call("leaf", 1, level="all"), "cycles, memory"),
        (lambda m: m.call("leaf", 1, level="memory", engine="unicorn"), "level 'memory' needs the timed engine"),
        (lambda m: m.call("leaf", 1, max_cycles=0), "max_cycles"),
        (lambda m: m.call("leaff", 1), "leaf"),
        (lambda m: m.call("in_data"), "data"),
        (lambda m: m.call("leaf", before=["leef"]), "leaf"),
        (lambda m: m.call("leaf", stubs={"leef": 1}), "leaf"),
        (lambda m: m.call("leaf", stubs={"slow": 1 << 40}), "32 bits"),
        (lambda m: m.call(0x20041000), "0x20041000"),
        (lambda m: m.call("leaf", *range(80_000)), "stack"),
        (lambda m: m.call("leaf", Machine(m.image).alloc(4)), "another machine"),
    ],
)
def test_requests_that_make_no_sense(machine: Machine, wrong: Callable[[Machine], object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        wrong(machine)
    assert machine.call("leaf", 1).cycles == 3


# ----------------------------------------------------------------------------------------- before, stubs, keep


def test_every_call_starts_from_the_image(machine: Machine) -> None:
    first, second = machine.call("bump"), machine.call("bump")
    assert first.result == second.result == 102
    assert first.cycles == second.cycles == 17


def test_keep_goes_on_where_the_last_call_ended(machine: Machine) -> None:
    machine.call("bump")
    assert [machine.call("bump", keep=True).result for _ in range(3)] == [104, 106, 108]
    assert machine.call("bump").result == 102


def test_before_runs_first_and_does_not_count(machine: Machine) -> None:
    cost = machine.call("bump", before=["bump", "bump"])
    assert (cost.result, cost.cycles) == (106, 17)
    assert functions(cost) == {"bump": (1, 17, 17)}


def test_a_call_does_not_see_what_the_last_left_on_the_stack(machine: Machine) -> None:
    first = machine.call("stale_stack", 1234)
    assert machine.call("stale_stack", 5678).result == first.result
    assert machine.call("stale_stack", 1, keep=True).result == first.result
    assert machine.call("stale_stack", 1, before=["stale_stack"]).result == first.result


@pytest.mark.parametrize("level", ["cycles", "memory"])
def test_stubs_are_returns_of_a_value(machine: Machine, level: str) -> None:
    cost = machine.call("calls_slow", stubs={"slow": -7}, level=level)
    assert cost.result == -7
    assert cost.stubs == ("slow",)
    # Two BX LR of 2 cycles; PUSH 2, two BL of 3, POP {PC} 4.
    assert functions(cost) == {"calls_slow": (1, 12, 16), "slow": (2, 4, 4)}
    with pytest.raises(Fault, match="0x40000000"):  # gone again
        machine.call("calls_slow")


def test_stubs_are_gone_after_a_fault(machine: Machine) -> None:
    with pytest.raises(Fault) as caught:
        machine.call("calls_slow", stubs={"leaf": 1})
    assert caught.value.cost.stubs == ("leaf",)
    assert machine.call("leaf", 5).result == 6


def test_functions_in_sram_can_be_stubs(machine: Machine) -> None:
    assert machine.call("ram_loop", 10, stubs={"ram_loop": 3}).cycles == 2
    assert machine.call("ram_loop", 10).cycles == 31


# ------------------------------------------------------------------------------------------------- repeatability


def everything(cost: Cost) -> tuple[object, ...]:
    """All that a cost says."""
    table = cost.instruction_table
    rows = tuple(column.tobytes() for column in (table.address, table.encoding, table.executions, table.cycles))
    return (*(getattr(cost, name) for name in Cost.__annotations__ if name != "instruction_table"), rows)


def test_the_same_counts_every_time(calls: Path) -> None:
    one, other = Machine.from_elf(calls), Machine.from_elf(calls)
    for name, argument, _, _, _ in TREES:
        costs = [everything(m.call(name, argument)) for m in (one, other, one, other, other)]
        assert costs[1:] == costs[:-1], name


@pytest.mark.engines("unicorn")
def test_the_same_counts_wherever_a_run_is_interrupted(
    calls: Path, short_slices: Slices, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run looks at Ctrl-C between slices. However short they are, they do not show."""
    cut, whole = Machine.from_elf(calls), Machine.from_elf(calls)
    asked = [*TREES, ("flash_loop", 40, 0, 0, {}), ("ram_loop", 40, 0, 0, {}), ("slow", 0, 0, 0, {})]
    for cycles in (1, 7, 16):
        for name, argument, *_ in asked:
            with monkeypatch.context() as patch:
                patch.setattr(m0sim.chip.engine.unicorn_run, "_FIRST_SLICE", 100_000)
                expected = outcome(whole, name, argument)
            monkeypatch.setattr(m0sim.chip.engine.unicorn_run, "_FIRST_SLICE", cycles)
            monkeypatch.setattr(m0sim.chip.engine.unicorn_run, "_LATER_SLICES", cycles)
            short_slices.count = 0
            assert outcome(cut, name, argument) == expected, (name, cycles)
            if cycles == 1:
                # A branch taken and a call begin a block each, and each begins a slice.
                assert short_slices.count >= expected[0], name
            elif name in ("recursive", "flash_loop", "ram_loop") and argument:
                assert short_slices.count >= 3


def outcome(machine: Machine, name: str, argument: int) -> tuple[int, object]:
    """How many blocks there are at least, and all that came of a call."""
    try:
        cost = machine.call(name, argument)
    except Fault as fault:
        return 0, (str(fault), fault.registers, everything(fault.cost))
    return cost.branches_taken + sum(edge.calls for edge in cost.edges), everything(cost)


@pytest.mark.engines("unicorn")
def test_progress_is_told(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(m0sim.chip.engine.unicorn_run, "_SLICE_SECONDS", 0.002)
    seen: list[int] = []
    machine.progress = seen.append
    try:
        machine.call("flash_loop", 10_000_000)
        several = [*seen]
        machine.call("flash_loop", 100)  # over before there is anything to tell
    finally:
        machine.progress = None
    assert seen == several == sorted(several)
    assert 0 < seen[0] < seen[-1] < 30_000_001


# ------------------------------------------------------------------------------------------------- level memory


def test_a_table_inside_a_function_is_its_own_in_traffic(build: Build) -> None:
    """Of two symbols around a byte, the object has it; what is left of the function are its literals."""
    machine = Machine.from_elf(build("inner.S", flags=("-g", f"-I{FIRMWARE}")))
    table, function = machine.symbol("inner_table"), machine.symbol("reads_its_table")
    assert function.address < table.address < table.address + table.size <= function.address + function.size
    cost = machine.call("reads_its_table", 2, level="memory")
    assert cost.result == 103
    rows = {t.name: (t.loads, t.bytes_loaded, t.bytes_touched) for t in cost.traffic}
    assert rows == {"inner_table": (1, 1, 1), "reads_its_table (literals)": (1, 4, 4)}


def test_traffic(machine: Machine) -> None:
    source = machine.alloc(np.array([0, 1, 2, 1, 0], np.uint8), name="source")
    target = machine.alloc(5, name="target")
    plain = machine.call("translate", target, source, 5)
    cost = machine.call("translate", target, source, 5, level="memory")
    assert target.read().tobytes() == b"abcba"
    # PUSH 3, LDR 2; five times SUBS 1, loads and store 6, BNE 2 but at last 1; POP {r4, PC} 5
    assert plain.cycles == cost.cycles == 3 + 2 + 5 * 9 - 1 + 5
    assert plain.traffic == ()
    rows = {t.name: (t.loads, t.stores, t.bytes_loaded, t.bytes_stored, t.bytes_touched) for t in cost.traffic}
    assert rows == {
        "source": (5, 0, 5, 0, 5),
        "letters": (5, 0, 5, 0, 3),
        "target": (0, 5, 0, 5, 5),
        "(stack)": (2, 2, 8, 8, 8),
        "translate (literals)": (1, 0, 4, 0, 4),
    }
    assert (cost.loads, cost.stores, cost.bytes_loaded, cost.bytes_stored) == (13, 7, 22, 13)
    assert functions(plain) == functions(cost)


def test_traffic_is_that_of_the_buffers_of_each_run(machine: Machine) -> None:
    """What a run before it had there, buffers and stack, has nothing of what moves in this one."""
    source = machine.alloc(np.array([0, 1, 2, 1, 0], np.uint8), name="source")
    target = machine.alloc(5, name="target")
    machine.call("translate", target, source, 5, level="memory")
    place = target.address
    target.free()
    unnamed = {t.name: t.stores for t in machine.call("translate", place, source, 5, level="memory").traffic}
    assert (unnamed["(sram)"], "target" in unnamed) == (5, False)
    other = machine.alloc(2, name="other")
    behind = machine.alloc(2, name="behind")
    rows = {
        t.name: (t.stores, t.bytes_touched) for t in machine.call("translate", other, source, 2, level="memory").traffic
    }
    assert (rows["other"], "behind" in rows, "(sram)" in rows) == ((2, 2), False, False)
    machine.call("translate", behind, source, 2, level="memory")
    again = {
        t.name: (t.stores, t.bytes_touched)
        for t in machine.call("translate", behind, source, 2, level="memory").traffic
    }
    assert (again["behind"], again["(stack)"], "other" in again) == ((2, 2), rows["(stack)"], False)


# --------------------------------------------------------------------------------------------- code that changes


@pytest.mark.parametrize("level", ["cycles", "memory"])
@pytest.mark.parametrize("times", [1, 2, 300])
def test_two_bodies_in_turn_at_one_address(rewrites: Machine, times: int, level: str) -> None:
    room = rewrites.alloc(8)
    cost = rewrites.call("alternate", room, times, level=level)
    # Outside the loop 9 and POP 8; a round 2+2+1+1+2+3+1 + 2+2+2+2+1+1+2+4+1+1+2 = 32, the last 1 less.
    assert (cost.result, cost.cycles) == (6 * times, 9 + 32 * times - 1 + 8)
    assert functions(cost)["(no symbol)"] == (2 * times, 7 * times, 7 * times)
    rows = [(row.encoding, row.executions) for row in cost.instruction_table.rows if row.address == room.address]
    assert sorted(rows) == [(0x3001, times), (0x3002, times)]
    check_sums(cost)


def test_code_rewritten_after_the_emulator_forgot_its_page(rewrites: Machine) -> None:
    """What was executed once stays watched, also when a store, not a fetch, brings the page back into the TLB."""
    cost = rewrites.call("rewrite_after_loads", rewrites.alloc(8))
    assert cost.result == 1 + 2
    assert functions(cost)["(no symbol)"] == (2, 6, 6)


def test_data_in_the_same_kib_as_code(rewrites: Machine) -> None:
    """Stores beside code are slow, not wrong: the room is written as data, run, and written again around the code."""
    data = rewrites.alloc(np.arange(64, dtype=np.uint32))
    for value in range(3):
        data.write(np.full(64, value, np.uint32))
        assert rewrites.call("alternate", data.address + 8 * value, 5).result == 30
        words = data.read().tolist()
        assert words[2 * value : 2 * value + 2] == [0x30033002, 0x47704770]
        assert words[: 2 * value] + words[2 * value + 2 :] == [value] * 62


def test_code_copied_to_a_buffer(rewrites: Machine) -> None:
    room = rewrites.alloc(16)
    for argument in (0, 5):  # the second time, the code is there already
        cost = rewrites.call("copy_and_call", room, argument)
        assert (cost.result, cost.cycles) == (42 + argument, 21 + 5)
    assert functions(cost) == {"copy_and_call": (1, 21, 26), "(no symbol)": (1, 5, 5)}


def test_code_that_the_host_writes(rewrites: Machine) -> None:
    bodies = {(0x3001, 0x4770, 0, 0): (1, 3), (0x3002, 0x3003, 0x3004, 0x4770): (9, 5), (0x4770, 0, 0, 0): (0, 2)}
    room = rewrites.alloc(np.zeros(4, np.uint16))
    for body, (adds, cycles) in [*bodies.items()] * 2:
        room.write(body)
        cost = rewrites.call("trampoline", room, 7, keep=True)
        assert (cost.result, cost.cycles) == (7 + adds, 10 + cycles), body


def test_code_that_the_host_writes_where_nothing_could_be_run(build: Build) -> None:
    """The block before was refused and never counted, but the emulator has translated it."""
    rewrites = Machine.from_elf(build("rewrites.S", flags=ASSEMBLY))
    room = rewrites.alloc(np.zeros(4, np.uint16))
    for _ in range(2):
        room.write([0xDE00, 0x4770, 0, 0])
        with pytest.raises(Fault, match="UDF #0"):
            rewrites.call("trampoline", room, 7)
        room.write([0x466B, 0x3001, 0x4770, 0])  # MOV r3, SP; ADDS r0, #1; BX LR
        assert rewrites.call("trampoline", room, 7).result == 8


def test_the_host_rewrites_flash() -> None:
    code = struct.pack("<2H", 0x3001, 0x4770)  # ADDS r0, #1; BX LR
    machine = Machine.from_raw(code, 0x10000000)
    assert machine.call(0x10000000, 3, 5).cycles == 3
    machine.write(0x10000000, struct.pack("<H", 0x9800))  # LDR r0, [sp]
    cost = machine.call(0x10000000, 3, 5, 0, 0, 77)
    assert (cost.result, cost.cycles) == (77, 4)
    machine.write(0x10000000, struct.pack("<H", 0x4348))  # MULS r0, r1
    cost = machine.call(0x10000000, 3, 5)
    assert (cost.result, cost.cycles) == (15, 3)
    assert [row.encoding for row in cost.instruction_table.rows] == [0x4348, 0x4770]


def test_the_stack_mark_of_code_that_was_rewritten(rewrites: Machine) -> None:
    room = rewrites.alloc(np.zeros(4, np.uint16))
    marks = []
    for second, third in ((0x46C0, 0x46C0), (0xB4FF, 0xBCFF), (0x46C0, 0x46C0)):  # NOP; PUSH and POP of 8; NOP
        room.write([0x46ED, second, third, 0x4770])  # MOV SP, SP; ...; BX LR
        marks.append(rewrites.call("trampoline", room).stack_bytes)
    assert marks == [4, 36, 4]


def test_a_function_that_is_patched_between_two_calls_of_it(rewrites: Machine) -> None:
    for _ in range(2):  # each call starts from the image, so the patch does not last
        cost = rewrites.call("calls_patched", 10)
        assert cost.result == 10 + 1 + 2
        assert functions(cost)["in_ram"] == (2, 6, 6)
        rows = [(r.encoding, r.executions) for r in cost.instruction_table.rows if r.function == "in_ram"]
        assert sorted(rows) == [(0x3001, 1), (0x3002, 1), (0x4770, 2)]


def test_keep_runs_the_patched_code(rewrites: Machine) -> None:
    assert rewrites.call("in_ram", 10).result == 11
    rewrites.call("patch")
    assert rewrites.call("in_ram", 10, keep=True).result == 12
    assert rewrites.call("in_ram", 10, before=["patch"]).result == 12
    assert rewrites.call("in_ram", 10).result == 11


# ------------------------------------------------------------------------------------------------- images, chips


def test_raw_binary() -> None:
    code = struct.pack("<4H", 0x1840, 0x3801, 0xD1FC, 0x4770)  # ADDS r0, r0, r1; SUBS r0, #1; BNE to itself; BX
    machine = Machine.from_raw(code, 0x10000000)
    cost = machine.call(0x10000000, 0, 1)
    assert (cost.result, cost.cycles, cost.instructions) == (0, 5, 4)
    assert machine.call("0x10000000", 0, 1).cycles == 5
    with pytest.raises(UsageError):
        machine.call("main")


def test_a_profile_of_ones_own(calls: Path, tmp_path: Path) -> None:
    bundled = Path(m0sim.__file__).parents[1] / "profiles" / "rp2040.toml"
    mine = tmp_path / "mine.toml"
    text = bundled.read_text().replace("multiplier_cycles = 1", "multiplier_cycles = 32")
    mine.write_text(text.replace("clock_hz = 125_000_000", "clock_hz = 1_000"))
    cost = Machine.from_elf(calls, mine).call("multiply", 3, 4)
    assert (cost.result, cost.cycles, cost.seconds) == (12, 34, 0.034)


def test_a_stub_that_is_never_called_is_named(machine: Machine) -> None:
    cost = machine.call("leaf", 1, stubs={"big_frame": 5})
    assert [w for w in cost.warnings if "big_frame" in w] == ["the stub big_frame was never called: is it inlined?"]
    called = machine.call("through_register", 7, stubs={"leaf": 5})
    assert not [w for w in called.warnings if "stub" in w]


def test_a_buffer_takes_no_lossy_array(machine: Machine) -> None:
    buffer = machine.alloc(np.zeros(4, np.int8))
    with pytest.raises(UsageError, match="holds int8: convert the float64 array"):
        buffer.write(np.zeros(4))


def test_a_machine_is_gone_with_its_last_name(calls: Path) -> None:
    """Its tables have 30 MB: a loop that makes many must not wait for the garbage collector."""
    gc.disable()
    try:
        machine = Machine.from_elf(calls)
        machine.call("bump")
        tables = weakref.ref(machine.counters)
        del machine
        assert tables() is None
    finally:
        gc.enable()
