"""The single-cycle I/O port and the RP2040's SIO behind it. Cycles are worked out in port.S, values in C's terms."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import FIRMWARE, Build

from m0sim import Cost, Fault, Machine

pytestmark = pytest.mark.engines("unicorn", "fast")

INT_MIN = -(1 << 31)


@pytest.fixture(scope="module")
def elf(build: Build) -> Path:
    return build("port.S", flags=("-g", f"-I{FIRMWARE}"))


@pytest.fixture(scope="module")
def machine(elf: Path) -> Machine:
    return Machine.from_elf(elf)


def check_sums(cost: Cost) -> None:
    """What the port saves is taken from the right instructions, functions and totals."""
    assert sum(row.cycles for row in cost.instruction_table.rows) == cost.cycles
    assert sum(f.self_cycles for f in cost.functions.values()) == cost.cycles
    assert all(row.cycles > 0 for row in cost.instruction_table.rows)


@pytest.mark.parametrize("level", ["cycles", "memory"])
@pytest.mark.parametrize(
    ("name", "argument", "result", "cycles"),
    [
        ("gpio", 0, 9, 13),
        ("narrow", 0, 0xA5A5, 2 + 1 + 1 + 1 + 2),
        ("multiple", 0, 15, 12),
        ("both", 21, 42, 14),
        ("toggles", 1, 1, 9),
        ("toggles", 2, 0, 13),
        ("toggles", 1001, 1, 5 + 4 * 1001),
        ("spinlock", 0, 8 | 8 << 16, 12),
    ],
)
def test_cycles(machine: Machine, name: str, argument: int, result: int, cycles: int, level: str) -> None:
    for _ in range(2):  # the second time with blocks and registers of the first
        cost = machine.call(name, argument, level=level)
        assert (cost.result, cost.cycles, cost.warnings) == (result, cycles, ())
        check_sums(cost)


def truncated(a: int, b: int) -> tuple[int, int]:
    """Quotient towards zero, and remainder. By zero as the datasheet's section 2.3.1.5 has it."""
    if b == 0:
        return (1 if a < 0 else -1), a
    quotient = abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)
    return quotient, a - quotient * b


OPERANDS = [0, 1, 2, 7, 100, 0x7FFFFFFF, -1, -2, -7, -100, INT_MIN]


@pytest.mark.parametrize("a", OPERANDS)
@pytest.mark.parametrize("b", OPERANDS)
def test_divider(machine: Machine, a: int, b: int) -> None:
    for name, sign in (("divide_unsigned", False), ("divide_sdk", False), ("divide_signed", True)):
        cost = machine.call(name, a, b, result="u64")
        quotient, remainder = truncated(a, b) if sign else truncated(a % (1 << 32), b % (1 << 32))
        assert cost.result == quotient % (1 << 32) | remainder % (1 << 32) << 32, name
        assert (cost.cycles, cost.warnings) == (2 + 2 + 8 + 2 + 2, ())


def test_reading_the_divider_too_early_is_said(machine: Machine) -> None:
    """Six cycles after the divisor, both results are early by one or two."""
    cost = machine.call("divide_early", 100, 7)
    offset = 2 + 2 + 2 + 6 * 2
    assert len(cost.warnings) == 1
    assert f"2 times, first in divide_early+{offset:#x}" in cost.warnings[0]
    assert cost.cycles == 2 + 2 + 6 + 2 + 2
    assert machine.call("divide_unsigned", 100, 7).warnings == ()


@pytest.mark.parametrize("nops", [0, 1, 2, 3, 4, 5, 6, 7, 8, 20])
@pytest.mark.parametrize("level", ["cycles", "memory"])
def test_polling_the_divider(machine: Machine, nops: int, level: str) -> None:
    """The store takes cycle 0, so READY reads as one from cycle 9. The loop reads in cycle 2 + nops, then every 5."""
    rounds = 1
    while 2 + nops + 5 * (rounds - 1) < 9:
        rounds += 1
    cost = machine.call(f"poll_{nops}", 0, 5, level=level)
    assert cost.result == rounds
    assert cost.cycles == 2 + 1 + 2 + nops + 5 * rounds - 1 + 2
    assert (cost.branches_taken, cost.branches_not_taken) == (rounds - 1, 1)
    check_sums(cost)


@pytest.mark.parametrize(
    ("name", "kind", "offset", "cycles", "instructions"),
    [
        ("not_modelled", "peripheral", 4, 3, 2),
        ("not_modelled_store", "peripheral", 4, 3, 2),
        ("not_modelled_ldm", "peripheral", 2, 2, 1),
        ("unaligned_port", "unaligned", 2, 2, 1),
    ],
)
@pytest.mark.parametrize("level", ["cycles", "memory"])
def test_faults(
    machine: Machine, name: str, kind: str, offset: int, cycles: int, instructions: int, level: str
) -> None:
    with pytest.raises(Fault) as caught:
        machine.call(name, level=level)
    fault = caught.value
    assert (fault.kind, fault.function, fault.offset) == (kind, name, offset)
    assert (fault.cost.cycles, fault.cost.instructions) == (cycles, instructions)
    check_sums(fault.cost)
    assert machine.call("gpio").cycles == 13


def test_a_register_that_pointed_elsewhere_before(machine: Machine) -> None:
    rows = machine.call("same_register", 0, 5).instruction_table.rows
    assert [row.cycles for row in rows] == [1, 1, 2, 1, 2, 1, 1, 1, 1, 1, 1, 1, 2]


def test_every_call_finds_the_port_as_after_reset(machine: Machine) -> None:
    machine.call("divide_unsigned", 100, 7)
    machine.call("gpio")
    assert machine.call("toggles", 1).result == 1
    assert machine.call("spinlock").result == 8 | 8 << 16


def test_a_chip_without_a_port(build: Build, tmp_path: Path) -> None:
    bundled = Path(__file__).parents[1] / "profiles" / "rp2040.toml"
    text = bundled.read_text()
    begin, end = text.index("[io_port]"), text.index("# A miss sends")
    profile = tmp_path / "bare.toml"
    profile.write_text(text[:begin] + text[end:])
    machine = Machine.from_elf(build("port.S", flags=("-g", f"-I{FIRMWARE}")), profile)
    with pytest.raises(Fault, match="0xd0000010, where there is no memory"):
        machine.call("gpio")
