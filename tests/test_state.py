"""What a call finds: the chip as after reset, or with `keep` and `before` as the last call left it (state.S)."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import FIRMWARE, Build

from m0sim import Fault, Machine

pytestmark = pytest.mark.engines("unicorn", "fast")

STACK_TOP = 0x20042000
DIVIDER = {
    "UDIVIDEND": 0x60,
    "UDIVISOR": 0x64,
    "SDIVIDEND": 0x68,
    "SDIVISOR": 0x6C,
    "QUOTIENT": 0x70,
    "REMAINDER": 0x74,
}
CSR = 0x78
READY, DIRTY = 1, 2


@pytest.fixture(scope="module")
def elf(build: Build) -> Path:
    return build("state.S", flags=("-g", f"-I{FIRMWARE}"))


@pytest.fixture(scope="module")
def machine(elf: Path) -> Machine:
    return Machine.from_elf(elf)


def value(machine: Machine, function: str, *args: int, **options: object) -> int:
    return machine.call(function, *args, result="u32", **options).result  # type: ignore[return-value, arg-type]


# ------------------------------------------------------------------------------------------------ special registers

#: What changes a register, and what shows it; its value at reset, kept, and after `before`.
SPECIAL = [
    ("interrupts_off", (), "get_primask", 0, 1),
    ("to_psp", (), "get_control", 0, 2),
    ("set_psp", (0x20000400,), "get_psp", 0, 0x20000400),
    ("to_psp", (), "get_psp", 0, STACK_TOP),
]


@pytest.mark.parametrize(("changes", "arguments", "shows", "fresh", "kept"), SPECIAL, ids=lambda v: str(v))
def test_special_registers(
    machine: Machine, changes: str, arguments: tuple[int, ...], shows: str, fresh: int, kept: int
) -> None:
    machine.call(changes, *arguments)
    assert value(machine, shows) == fresh
    machine.call(changes, *arguments)
    assert [value(machine, shows, keep=True) for _ in range(2)] == [kept, kept]
    assert value(machine, shows) == fresh
    if not arguments:
        assert value(machine, shows, before=[changes]) == kept
        assert value(machine, shows) == fresh


def test_a_critical_section_costs_the_same_in_every_call(machine: Machine) -> None:
    def cycles(**options: object) -> list[int]:
        return [machine.call("critical", **options).cycles, machine.count("critical", **options)]  # type: ignore[arg-type]

    assert cycles() == [8, 8]
    machine.call("interrupts_off")
    assert cycles() == [8, 8]
    machine.count("interrupts_off")
    assert cycles() == [8, 8]
    machine.call("interrupts_off")
    assert cycles(keep=True) == [9, 9]


def test_a_fault_leaves_nothing_behind(machine: Machine) -> None:
    for keep in (False, True):
        with pytest.raises(Fault, match="unaligned"):
            machine.call("to_psp_and_fault")
        found = {name: value(machine, name, keep=keep) for name in ("get_primask", "get_control", "get_flags")}
        assert found == {"get_primask": int(keep), "get_control": 2 * keep, "get_flags": 0}


@pytest.mark.parametrize("keep", [False, True])
def test_flags_and_general_registers_are_no_state(machine: Machine, keep: bool) -> None:
    """Each call sets them, as a caller would: they are not kept either."""
    machine.call("set_flags")
    assert value(machine, "get_flags", keep=keep) == 0
    machine.call("set_r12")
    assert value(machine, "get_r12", keep=keep) == 0


def test_a_kept_call_runs_on_the_stack_that_was_chosen(machine: Machine) -> None:
    """On the process stack its SP is the call's as well: at the top, empty."""
    machine.call("to_psp")
    cost = machine.call("pushes", keep=True)
    assert (cost.cycles, cost.stack_bytes, cost.stack_top, cost.warnings) == (3 + 5, 8, STACK_TOP, ())
    assert machine.call("get_msp", result="u32", keep=True).result == STACK_TOP


# ------------------------------------------------------------------------------------------------------------- SIO


@pytest.mark.parametrize(
    ("written", "given", "read", "found"),
    [
        (0x10, 5, 0x10, 5),  # GPIO_OUT
        (0x24, 6, 0x20, 6),  # GPIO_OE_SET
        (0x3C, 3, 0x30, 3),  # GPIO_HI_OUT_XOR
        (0x40, 9, 0x40, 9),  # GPIO_HI_OE
        (0x74, 77, 0x74, 77),  # DIV_REMAINDER
        (0x60, 88, 0x68, 88),  # the dividend under its other name
    ],
)
def test_registers_of_the_port_live_as_memory_does(
    machine: Machine, written: int, given: int, read: int, found: int
) -> None:
    machine.call("sio_write", written, given)
    assert value(machine, "sio_read", read, keep=True) == found
    assert value(machine, "sio_read", read) == 0
    machine.call("sio_write", written, given)
    machine.count("sio_read", read, keep=True)
    assert value(machine, "sio_read", read, keep=True) == found
    machine.count("sio_read", read)
    assert value(machine, "sio_read", read, keep=True) == 0


def test_a_spinlock_stays_taken(machine: Machine) -> None:
    lock = 0x100 + 4 * 5
    assert [value(machine, "sio_read", lock) for _ in range(2)] == [32, 32]
    assert value(machine, "sio_read", lock, keep=True) == 0
    machine.call("sio_write", lock, 0, keep=True)
    assert value(machine, "sio_read", lock, keep=True) == 32


def test_no_time_passes_between_two_calls(machine: Machine) -> None:
    assert machine.call("divide_late").cycles == 2 + 3 * 1000 - 1 + 2 + 4 + 2
    # Written in the last cycle but two. LDR 2, then the read: cycle 4 of the division's 8.
    assert [value(machine, "csr", keep=True) for _ in range(3)] == [DIRTY, DIRTY | READY, DIRTY | READY]
    assert value(machine, "quotient", keep=True) == 14
    assert value(machine, "csr", keep=True) == READY
    assert (value(machine, "csr"), value(machine, "quotient")) == (READY, 0)


def test_a_division_that_a_function_before_began(machine: Machine) -> None:
    assert value(machine, "csr", before=["divide_late"]) == DIRTY
    cost = machine.call("quotient", before=["divide_late"])
    assert (cost.result, cost.cycles, cost.warnings) == (14, 2 + 10 + 1 + 2, ())
    early = machine.call("sio_read", 0x70, before=["divide_late"])
    assert [warning.partition(" was read ")[0] for warning in early.warnings] == ["the SIO divider"]


def test_a_division_outlives_a_fault(machine: Machine) -> None:
    machine.call("divide_late")
    with pytest.raises(Fault):
        machine.call("to_psp_and_fault", keep=True)
    assert value(machine, "quotient", keep=True) == 14
    with pytest.raises(Fault):
        machine.call("sio_write", 0x50, 1, keep=True)  # FIFO_ST is not modelled
    assert value(machine, "sio_read", 0x70, keep=True) == 14


@pytest.mark.parametrize("register", DIVIDER)
def test_a_write_makes_the_divider_dirty_until_the_quotient_is_read(machine: Machine, register: str) -> None:
    offset = DIVIDER[register]
    assert value(machine, "csr_after", offset, 3, 0) == READY | DIRTY
    assert value(machine, "csr_after", offset, 3, DIVIDER["REMAINDER"]) == READY | DIRTY
    assert value(machine, "csr_after", offset, 3, DIVIDER["UDIVIDEND"]) == READY | DIRTY
    assert value(machine, "csr_after", offset, 3, CSR) == READY | DIRTY
    assert value(machine, "csr_after", offset, 3, DIVIDER["QUOTIENT"]) == READY
    assert value(machine, "csr") == READY


def test_the_status_register_is_read_only(machine: Machine) -> None:
    assert value(machine, "csr_after", CSR, 3, 0) == READY
    assert value(machine, "csr_while_dividing", CSR, 3) == DIRTY


@pytest.mark.parametrize("register", DIVIDER)
def test_writing_a_result_ends_a_division(machine: Machine, register: str) -> None:
    ends = register in ("QUOTIENT", "REMAINDER")
    assert value(machine, "csr_while_dividing", DIVIDER[register], 3) == (DIRTY | READY if ends else DIRTY)


# ---------------------------------------------------------------------------------------- returns to even addresses


@pytest.mark.parametrize("level", ["cycles", "memory"])
@pytest.mark.parametrize(
    ("name", "cycles", "instructions", "open_calls"),
    [
        ("returns_even_bx", 6, 5, ["returns_even_bx"]),
        ("returns_even_pop", 2 + 2 + 4, 4, ["returns_even_pop"]),
        ("calls_even", 2 + 3 + 2 + 2, 5, ["calls_even"]),
        ("calls_even_pop", 2 + 3 + 3 + 2 + 1 + 2 + 5, 7, ["calls_even_pop"]),
        ("even_to_itself", 1 + 1 + 2, 3, ["even_to_itself"]),
    ],
)
def test_a_return_to_an_even_address_is_a_fault(
    machine: Machine, name: str, cycles: int, instructions: int, open_calls: list[str], level: str
) -> None:
    with pytest.raises(Fault, match="even address") as caught:
        machine.call(name, level=level)
    fault = caught.value
    assert (fault.kind, fault.cost.cycles, fault.cost.instructions) == ("arm-state", cycles, instructions)
    assert [site.function for site in fault.call_stack] == open_calls
    with pytest.raises(Fault, match="even address"):
        machine.count(name)
    assert machine.call("pushes").cycles == 8


def test_a_fault_at_the_return_says_which_instruction_it_was(machine: Machine) -> None:
    with pytest.raises(Fault, match=r"return to an even address, .* by returns_even_bx\+0x8"):
        machine.call("returns_even_bx")
    with pytest.raises(Fault, match=r"by returns_even_pop\+0x6"):
        machine.call("returns_even_pop")


def test_mov_to_pc_ignores_bit_0(machine: Machine) -> None:
    assert machine.call("returns_by_mov").cycles == 1 + 1 + 2


# ---------------------------------------------------------------------------------- what a function has to give back


@pytest.mark.parametrize("number", range(4, 12))
def test_a_register_that_is_not_restored_is_named(machine: Machine, number: int) -> None:
    name = f"dirties_r{number}"
    assert machine.call(name).warnings == (f"{name} did not restore r{number}, as the AAPCS asks",)


def test_all_that_are_not_restored_are_named(machine: Machine) -> None:
    assert machine.call("dirties_two").warnings == ("dirties_two did not restore r6, r11, as the AAPCS asks",)
    assert machine.call("restores_all").warnings == ()
    assert machine.call("set_r12").warnings == ()  # a scratch register


@pytest.mark.parametrize("name", ["returns_lower_sp", "returns_higher_sp"])
def test_another_sp_at_the_return_is_said(machine: Machine, name: str) -> None:
    assert machine.call(name).warnings == (f"{name} returned with another SP than it was called with",)
    assert machine.call(name, 1, 2, 3, 4, 5).warnings == (f"{name} returned with another SP than it was called with",)
    assert machine.call("pushes", 1, 2, 3, 4, 5).warnings == ()
