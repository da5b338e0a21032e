"""Every way a call goes wrong: what it is called, where it says it happened, and what had run by then (faults.S)."""

from __future__ import annotations

import os
import pickle
import signal
import threading
import time
from pathlib import Path

import pytest
from conftest import FIRMWARE, Build, Slices
from pace import slowdown
from rich.console import Console

from m0sim import Fault, Interrupted, Machine
from m0sim.report import text

pytestmark = pytest.mark.engines("unicorn", "fast")

STACK_TOP = 0x20042000  # the end of the RP2040's SRAM; faults.S has no data, so all of it is stack
ROOM = 264 * 1024
PROFILES = Path(__file__).parents[1] / "profiles"
NOWHERE = "(no symbol)"
NULL = " (a null pointer?)"
HIDDEN = "where the boot ROM has nothing for programs"


@pytest.fixture(scope="module")
def elf(build: Build) -> Path:
    return build("faults.S", flags=("-g", f"-I{FIRMWARE}"))


@pytest.fixture(scope="module")
def machine(elf: Path) -> Machine:
    return Machine.from_elf(elf)


def fault_of(machine: Machine, *request: object, **options: object) -> Fault:
    """The fault that a call raises. Whatever happened, the next call is right again."""
    with pytest.raises(Fault) as caught:
        machine.call(*request, **options)  # type: ignore[arg-type]
    after = machine.call("fine", 41)
    assert (after.result, after.cycles, after.instructions, after.stack_bytes) == (42, 3, 2, 0)
    return caught.value


def line_of(function: str) -> int:
    """Clang gives `.inst` the line of the instruction before it."""
    lines = (FIRMWARE / "faults.S").read_text().splitlines()
    line = next(number for number, line in enumerate(lines, 1) if line.endswith(f"FAULT {function}"))
    while ".inst" in lines[line - 1] or lines[line - 1].strip().startswith(".balign"):
        line -= 1
    return line


# Function; kind, offset of the instruction, cycles and instructions before it, a part of the reason.
HERE = [
    ("unaligned_load", "unaligned", 4, 2, 2, "load of 4 bytes at 0x00000001"),
    ("unaligned_store", "unaligned", 4, 2, 2, "store of 2 bytes at 0x20041ff9"),
    ("unaligned_ldm", "unaligned", 2, 1, 1, "load of 4 bytes at 0x00000002"),
    ("unmapped_load", "unmapped", 4, 3, 2, "load of 4 bytes at 0x30000008"),
    ("unmapped_store", "unmapped", 2, 2, 1, "store of 1 byte at 0x20042000"),
    ("unmapped_stm", "unmapped", 2, 2, 1, "store of 4 bytes at 0x20042000"),
    ("null_pointer", "unmapped", 2, 1, 1, "null pointer"),
    ("read_only", "read-only", 4, 3, 2, "store of 4 bytes to read-only memory at 0x10000000"),
    ("permanently_undefined", "undefined", 2, 1, 1, "UDF #0, a permanently"),
    ("compare_and_branch", "undefined", 2, 1, 1, "b108 is not"),
    ("divide", "undefined", 2, 1, 1, "fbb0 f0f1 is not"),
    ("after_loop", "undefined", 8, 1 + 3 * 3 - 1 + 1, 8, "UDF #0, a permanently"),
    ("first_of_two", "unaligned", 2, 1, 1, "0x00000001"),
    ("breakpoint", "breakpoint", 2, 1, 1, "BKPT #3"),
    ("supervisor", "supervisor-call", 2, 1, 1, "SVC #7"),
    ("sleeps", "asleep", 2, 1, 1, "WFI"),
    # ADR 1, BX 2; the target is refused, whatever it would be as Thumb code.
    ("arm_state", "arm-state", 4, 3, 2, "Arm state"),
    ("arm_state_sp", "arm-state", 4, 3, 2, "Arm state"),
    ("arm_state_undefined", "arm-state", 4, 3, 2, "Arm state"),
    ("beside_the_return", "unmapped", 4, 2, 2, "load of 4 bytes at 0xf0000008"),
    # An SP that is too low is the fault of the instruction that made it so.
    ("add_sp", "stack-overflow", 6, 4, 3, "270,336 bytes"),
    ("mov_sp", "stack-overflow", 6, 3, 3, "stack overflow"),
    ("push_behind_mov_sp", "stack-overflow", 6, 4, 3, "stack overflow"),
    ("push_behind_fault", "unaligned", 2, 1, 1, "0x00000001"),
]


@pytest.mark.parametrize("level", ["cycles", "memory"])
@pytest.mark.parametrize(("name", "kind", "offset", "cycles", "instructions", "reason"), HERE, ids=lambda v: str(v))
def test_fault_at_an_instruction(
    machine: Machine, name: str, kind: str, offset: int, cycles: int, instructions: int, reason: str, level: str
) -> None:
    fault = fault_of(machine, name, level=level)
    assert (fault.kind, fault.function, fault.offset) == (kind, name, offset)
    assert reason in fault.reason
    assert fault.address == machine.symbol(name).address + offset
    assert (fault.cost.cycles, fault.cost.instructions) == (cycles, instructions)
    assert fault.source is not None
    assert (Path(fault.source[0]).name, fault.source[1]) == ("faults.S", line_of(name))
    assert [site.function for site in fault.call_stack] == [name]
    assert fault.registers["pc"] == fault.address
    own = fault.cost.functions[name]
    assert (own.calls, own.self_cycles, own.inclusive_cycles, own.instructions) == (1, cycles, cycles, instructions)


def test_no_data_is_where_calls_return_to(machine: Machine) -> None:
    """Every time: an emulator may look at what is mapped the first time alone."""
    assert {fault_of(machine, "beside_the_return").kind for _ in range(4)} == {"unmapped"}


@pytest.mark.parametrize("name", ["push_behind_fault", "arm_state_sp", "unaligned_store"])
def test_the_stack_mark_holds_only_what_ran(machine: Machine, name: str) -> None:
    assert fault_of(machine, name).cost.stack_bytes == 0


@pytest.mark.parametrize(
    ("name", "depth"),
    [
        ("mov_sp_then_fault", 64),
        ("mov_sp_before_a_load", 64),
        ("add_sp_then_fault", 64),
        ("push_in_an_earlier_round", 12),
    ],
)
def test_the_stack_mark_holds_all_that_ran(machine: Machine, name: str, depth: int) -> None:
    assert fault_of(machine, name).cost.stack_bytes == depth


def test_the_stack_mark_before_a_push_that_does_not_fit(machine: Machine) -> None:
    assert fault_of(machine, "push_behind_mov_sp").cost.stack_bytes == ROOM - 8


@pytest.mark.parametrize("level", ["cycles", "memory"])
@pytest.mark.parametrize(
    ("name", "offset", "reason"),
    [
        ("undefined_high", 2, "UDF #222, a permanently undefined instruction"),  # as blank SRAM looks
        ("undefined_wide", 2, "UDF.W #43981, a permanently undefined instruction"),
        ("undefined_other", 2, "f7f0 b000 is not an ARMv6-M instruction"),
        ("rom_store", 2, "store of 1 byte to read-only memory at 0x00003fff"),
        ("null_store", 2, "store of 2 bytes to read-only memory at 0x0000003e (a null pointer?)"),
        ("null_pointer", 2, f"load of 4 bytes at 0x00000004, {HIDDEN} (a null pointer?)"),
        ("null_member", 2, f"load of 1 byte at 0x0000001f, {HIDDEN} (a null pointer?)"),
        ("unmapped_load", 4, "load of 4 bytes at 0x30000008, where there is no memory"),
        ("above_the_stack", 2, "load of 4 bytes at 0x20042008, where there is no memory"),
        ("above_the_stack_store", 0, "store of 4 bytes at 0x200423fc, where there is no memory"),
        ("above_the_stack_pop", 2, "load of 4 bytes at 0x20042000, where there is no memory"),
    ],
)
def test_what_a_fault_says(machine: Machine, name: str, offset: int, reason: str, level: str) -> None:
    fault = fault_of(machine, name, level=level)
    assert (fault.reason, fault.function, fault.offset) == (reason, name, offset)


@pytest.mark.parametrize(
    ("name", "kind", "address", "reason"),
    [
        ("jump_42", "arm-state", 0x142, "jump to an even address, 0x00000142, which asks for Arm state"),
        ("jump_43", "not-code", 0x142, f"jump to 0x00000142, {HIDDEN}"),
        ("call_null", "not-code", 0, f"jump to 0x00000000, {HIDDEN} (a null pointer?)"),
        (
            "call_null_even",
            "arm-state",
            0,
            "jump to an even address, 0x00000000, which asks for Arm state (a null pointer?)",
        ),
        ("into_nowhere", "not-code", 0x30000000, "jump to 0x30000000, where there is no memory"),
        ("into_nowhere_even", "arm-state", 0x30000000, "jump to an even address, 0x30000000, which asks for Arm state"),
    ],
)
def test_what_a_jump_into_nothing_says(machine: Machine, name: str, kind: str, address: int, reason: str) -> None:
    fault = fault_of(machine, name)
    assert (fault.kind, fault.address) == (kind, address)
    assert fault.reason == reason
    assert fault.call_stack[0].function == name


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("rom_load", "load of 4 bytes at 0x00000140, ROM, contents unknown"),
        ("rom_store", "store of 1 byte at 0x00003fff, ROM, contents unknown"),
        ("null_pointer", "load of 4 bytes at 0x00000004, ROM, contents unknown (a null pointer?)"),
        ("jump_43", "jump to 0x00000142, ROM, contents unknown"),
        ("call_null", "jump to 0x00000000, ROM, contents unknown (a null pointer?)"),
    ],
)
def test_a_rom_that_nobody_knows(elf: Path, tmp_path: Path, name: str, reason: str) -> None:
    text = (PROFILES / "rp2040.toml").read_text()
    profile = tmp_path / "unknown.toml"
    profile.write_text(text.replace('boot_rom = "rp2040"\n', ""))
    assert fault_of(Machine.from_elf(elf, profile), name).reason == reason


def test_a_chip_without_a_rom_says_nothing_of_one(elf: Path, tmp_path: Path) -> None:
    text = (PROFILES / "rp2040.toml").read_text()
    begin = text.index("[[memory]]")
    profile = tmp_path / "bare.toml"
    profile.write_text(text[:begin] + text[text.index("[[memory]]", begin + 1) :])
    fault = fault_of(Machine.from_elf(elf, profile), "rom_load")
    assert fault.reason == "load of 4 bytes at 0x00000140, where there is no memory"


@pytest.mark.parametrize(("name", "sp"), [("odd_sp_undefined", 45), ("odd_sp_load", 45), ("odd_sp_far", 45)])
def test_the_low_bits_of_sp_are_zero(machine: Machine, name: str, sp: int) -> None:
    """Directly behind the instruction that wrote them, and later (DDI 0419, B1.4.1)."""
    assert fault_of(machine, name).registers["sp"] == (STACK_TOP - sp) & ~3


def test_sp_relative_accesses_of_an_odd_sp(machine: Machine) -> None:
    """They are those of the SP that ARMv6-M has: aligned."""
    assert machine.call("odd_sp_accesses", 77).result == 77


@pytest.mark.parametrize(
    ("name", "flags"),
    [("flags_nzcv", 0xF), ("flags_z", 0x4), ("flags_c", 0x2), ("flags_n", 0x8), ("flags_v", 0x9), ("flags_msr", 0x5)],
)
def test_the_program_status(machine: Machine, name: str, flags: int) -> None:
    """Flags as the instruction before left them, the Thumb bit, and no exception."""
    assert fault_of(machine, name).registers["xpsr"] == flags << 28 | 1 << 24


def test_the_program_status_in_words(machine: Machine) -> None:
    assert fault_of(machine, "arm_state").registers["xpsr"] == 0
    printed = Console(width=160)
    with printed.capture() as capture:
        printed.print(text.fault(fault_of(machine, "flags_msr")))
    assert "\n  xpsr 51000000  flags nZcV, IPSR 0 (Thread mode)\n" in capture.get()


# Function; kind, the function and address of the target, cycles and instructions before it.
ELSEWHERE = [
    ("into_blank", NOWHERE, 0x10100000, 4, 2),
    ("into_nowhere", NOWHERE, 0x30000000, 4, 2),
    ("call_null", NOWHERE, 0x00000000, 2 + 1 + 2, 3),
    ("into_port", NOWHERE, 0xD0000000, 4, 2),
    ("behind_the_return", NOWHERE, 0xF0000010, 1 + 1 + 2, 3),
]


@pytest.mark.parametrize(("name", "function", "address", "cycles", "instructions"), ELSEWHERE)
def test_fault_where_no_code_is(
    machine: Machine, name: str, function: str, address: int, cycles: int, instructions: int
) -> None:
    fault = fault_of(machine, name)
    assert (fault.kind, fault.function, fault.address) == ("not-code", function, address)
    assert (fault.cost.cycles, fault.cost.instructions) == (cycles, instructions)
    assert fault.call_stack[0].function == name
    assert fault.source is None


def test_running_into_the_literal_pool(machine: Machine) -> None:
    fault = fault_of(machine, "into_pool")
    assert (fault.kind, fault.function, fault.offset) == ("not-code", "into_pool", 4)
    assert (fault.cost.cycles, fault.cost.instructions) == (1 + 2, 2)


def test_registers_and_open_calls(machine: Machine) -> None:
    fault = fault_of(machine, "outer", 1, 2, 3, 4)
    assert {name: fault.registers[name] for name in ("r0", "r1", "r2", "r3", "r4", "r12")} == {
        "r0": 1,
        "r1": 2,
        "r2": 3,
        "r3": 4,
        "r4": 0,
        "r12": 0,
    }
    assert fault.registers["sp"] == STACK_TOP - 4 - 8
    outer, middle = machine.symbol("outer").address, machine.symbol("middle").address
    assert fault.registers["lr"] == middle + 2 + 4 + 1
    assert [(site.function, site.return_address) for site in fault.call_stack] == [
        ("outer", None),
        ("middle", outer + 4 + 4),
        ("permanently_undefined", middle + 2 + 4),
    ]
    # PUSH 2, NOP 1, BL 3; PUSH 3, BL 3; MOVS 1
    assert {f.name: (f.self_cycles, f.inclusive_cycles) for f in fault.cost.functions.values()} == {
        "outer": (6, 13),
        "middle": (6, 7),
        "permanently_undefined": (1, 1),
    }
    assert fault.cost.stack_bytes == 12
    assert str(fault).startswith("UDF #0, a permanently undefined instruction in permanently_undefined+0x2 (")


def test_recursion_into_the_end_of_the_stack(machine: Machine) -> None:
    fault = fault_of(machine, "endless_recursion")
    levels = ROOM // 20  # PUSH of five registers 6, BL 3
    assert (fault.kind, fault.function, fault.offset) == ("stack-overflow", "endless_recursion", 0)
    assert (fault.cost.cycles, fault.cost.instructions) == (9 * levels, 2 * levels)
    assert fault.cost.stack_bytes == 20 * levels
    assert len(fault.call_stack) == levels + 1
    assert fault.source is not None
    assert fault.source[1] == line_of("endless_recursion")
    printed = Console(width=160)
    with printed.capture() as capture:
        printed.print(text.fault(fault))
    assert capture.get().count("\n") < 30


def test_frames_into_the_end_of_the_stack(machine: Machine) -> None:
    fault = fault_of(machine, "endless_frames")
    frames = ROOM // 504  # 536: after 268 rounds of SUB, SUB, B the first SUB would not fit, so the offset is 0
    assert frames % 2 == 0
    assert (fault.kind, fault.offset) == ("stack-overflow", 0)
    assert fault.cost.cycles == frames // 2 * 4
    assert fault.cost.stack_bytes == frames * 504
    fault = fault_of(machine, "endless_frames", *[0] * (4 + 126))  # 504 bytes of arguments: one frame less
    assert (fault.offset, fault.cost.cycles) == (2, (frames - 2) // 2 * 4 + 1)
    assert fault.cost.stack_bytes == (frames - 1) * 504


def test_stack_overflow_stops_at_the_buffers(elf: Path) -> None:
    machine = Machine.from_elf(elf)
    buffer = machine.alloc(200_000)
    fault = fault_of(machine, "endless_recursion")
    room = STACK_TOP - (buffer.address + 200_000 + 16)
    assert fault.cost.stack_bytes == room // 20 * 20
    assert not buffer.read().any()


@pytest.mark.parametrize(("limit", "cycles"), [(1, 2), (1000, 1000), (1001, 1002), (3_000_001, 3_000_002)])
def test_cycle_limit_in_a_jump_to_itself(machine: Machine, limit: int, cycles: int) -> None:
    fault = fault_of(machine, "spins", max_cycles=limit)
    assert (fault.kind, fault.function, fault.offset) == ("cycle-limit", "spins", 0)
    assert (fault.cost.cycles, fault.cost.instructions) == (cycles, cycles // 2)
    assert fault.source is not None
    assert fault.source[1] == line_of("spins")


def test_cycle_limit_of_a_loop(machine: Machine) -> None:
    """It is looked at between blocks. A call that ends within the limit is no fault."""
    fault = fault_of(machine, "counts_down", 1_000_000, max_cycles=300)
    assert (fault.cost.cycles, fault.registers["r0"]) == (300, 1_000_000 - 100)
    assert machine.call("counts_down", 100, max_cycles=301).cycles == 301


@pytest.mark.parametrize("request_", [("counts_down", 100), ("fine", 1), ("outer",), ("idles",)], ids=str)
def test_where_the_cycle_limit_is(machine: Machine, request_: tuple[str | int, ...]) -> None:
    """A call that takes more cycles than it may is a fault, whatever ended it, on each engine."""

    def end(limit: int) -> tuple[str, int]:
        try:
            return "", machine.call(*request_, max_cycles=limit).cycles
        except Fault as fault:
            return fault.kind, fault.cost.cycles

    kind, cycles = end(400)
    takes = 400 if kind == "cycle-limit" else cycles + (kind != "")  # the instruction that faults would be the next
    assert takes > 1
    for limit in range(max(1, takes - 8), takes + 4):
        ended, count = end(limit)
        if limit >= takes and kind != "cycle-limit":
            assert (ended, count) == (kind, cycles), limit
        else:
            assert ended == "cycle-limit", limit
            assert limit <= count < limit + 8


def test_cycle_limit_with_waits(machine: Machine) -> None:
    fault = fault_of(machine, "idles", max_cycles=400)
    assert (fault.kind, fault.cost.cycles, fault.cost.instructions) == ("cycle-limit", 400, 200)


def test_call_depth(machine: Machine) -> None:
    fault = fault_of(machine, "endless_links")
    assert (fault.kind, fault.function) == ("call-depth", "endless_links")
    assert fault.cost.cycles == 3 * fault.cost.instructions
    assert 65_000 < fault.cost.instructions <= 65_536


@pytest.mark.parametrize(
    ("offset", "message"),
    [
        (10, "1 byte written directly behind the end of small (10 bytes)"),
        (13, "1 byte written 3 bytes behind the end of small (10 bytes)"),
        (-1, "1 byte written directly before small (10 bytes)"),
        (-16, "at least 1 byte written 15 bytes before small (10 bytes)"),  # the zone ends there
        (25, "at least 1 byte written 15 bytes behind the end of small (10 bytes)"),
    ],
)
def test_red_zones(elf: Path, offset: int, message: str) -> None:
    machine = Machine.from_elf(elf)
    small = machine.alloc(10, name="small")
    for inside in (0, 9):
        machine.call("pokes", small, inside)
    fault = fault_of(machine, "pokes", small, offset)
    assert (fault.kind, fault.reason, fault.function) == ("red-zone", message, "pokes")
    assert fault.cost.cycles == 4  # the call is complete: STRB 2, BX 2
    machine.call("pokes", small, 0, keep=True)  # and the red zone is whole again


def test_fault_in_a_function_that_runs_before(machine: Machine) -> None:
    fault = fault_of(machine, "fine", 1, before=["fine", "outer"], level="memory")
    assert (fault.kind, fault.function, fault.cost.function) == ("undefined", "permanently_undefined", "outer")
    assert fault.cost.cycles == 13


@pytest.mark.engines("unicorn")
def test_the_same_fault_wherever_a_run_is_sliced(machine: Machine, short_slices: Slices) -> None:
    ended = {}
    for name, kind, offset, cycles, instructions, _ in HERE:
        short_slices.count = 0
        fault = fault_of(machine, name)
        ended[name] = short_slices.count
        found = (fault.kind, fault.offset, fault.cost.cycles, fault.cost.instructions)
        assert found == (kind, offset, cycles, instructions), name
    assert ended["after_loop"] == 3  # behind the first block, the second, and the loop
    short_slices.count = 0
    fault = fault_of(machine, "outer")
    assert [site.function for site in fault.call_stack] == ["outer", "middle", "permanently_undefined"]
    assert (fault.cost.cycles, short_slices.count) == (13, 2)
    for limit in range(1, 20):
        short_slices.count = 0
        fault = fault_of(machine, "counts_down", 100, max_cycles=limit)
        assert (fault.kind, fault.cost.cycles) == ("cycle-limit", -(-limit // 3) * 3)
        assert short_slices.count == -(-limit // 3)  # the last one is the limit's own


# ------------------------------------------------------------------------------------------------------- Ctrl-C


def interrupt_after(seconds: float) -> None:
    def send() -> None:
        time.sleep(seconds)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=send, daemon=True).start()


@pytest.mark.parametrize("level", ["cycles", "memory"])
@pytest.mark.parametrize("name", ["spins", "idles"])
def test_interrupt_stops_within_a_second(machine: Machine, name: str, level: str) -> None:
    interrupt_after(0.1)
    began, started = time.perf_counter(), time.process_time()
    with pytest.raises(Interrupted) as caught:
        machine.call(name, level=level)
    assert time.process_time() - started < 1.1 * slowdown()
    assert time.perf_counter() - began > 0.05
    assert caught.value.kind == "interrupted"
    assert isinstance(caught.value, KeyboardInterrupt)
    assert caught.value.cost.cycles > 1000
    assert caught.value.function == name
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert machine.call("fine", 1).cycles == 3


def test_interrupt_stops_code_that_becomes_slow(build: Build) -> None:
    """A slice is bounded by time: after a fast loop come 30 million cycles that take half a minute."""
    machine = Machine.from_elf(build("calls.S", "rewrites.S", flags=("-g", f"-I{FIRMWARE}")))
    room = machine.alloc(8)
    machine.call("flash_loop", 20_000_000)
    interrupt_after(0.2)
    started = time.process_time()
    with pytest.raises(Interrupted) as caught:
        machine.call("alternate", room, 1_000_000)
    assert time.process_time() - started < 1.2 * slowdown()
    assert 1000 < caught.value.cost.cycles < 31_000_000


def test_interrupt_ends_a_loop_of_short_calls(machine: Machine) -> None:
    interrupt_after(0.1)
    started = time.perf_counter()

    def call_on() -> None:
        while time.perf_counter() - started < 30:
            machine.call("counts_down", 1_000_000)

    with pytest.raises(KeyboardInterrupt):
        call_on()


def test_a_fault_travels_between_processes(machine: Machine) -> None:
    fault = fault_of(machine, "unmapped_store")
    copy = pickle.loads(pickle.dumps(fault))
    assert (str(copy), copy.registers, copy.cost.cycles) == (str(fault), fault.registers, fault.cost.cycles)
    assert type(copy) is type(fault)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("sp_load", "load of 4 bytes at 0x4000000c"),
        ("sp_store", "store of 4 bytes at 0x40000008"),
        ("sp_pop", "load of 4 bytes at 0x40000008"),  # its second word
    ],
)
def test_an_access_relative_to_sp_is_found_in_its_block(machine: Machine, name: str, reason: str) -> None:
    fault = fault_of(machine, name, registers={0x40000004: 5})
    assert (fault.function, fault.offset, fault.cost.instructions) == (name, 8, 4)
    assert fault.reason.startswith(reason)
