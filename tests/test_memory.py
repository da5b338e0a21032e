"""Buffers, red zones and what is restored between calls."""

from __future__ import annotations

import struct
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from conftest import FIRMWARE, Build

from m0sim import Fault, Machine, UsageError

SRAM, SRAM_END = 0x20000000, 0x20042000
RED_ZONE = 16


@pytest.fixture
def machine(build: Build) -> Machine:
    return Machine.from_elf(build("calls.S", flags=("-g", f"-I{FIRMWARE}")))


@pytest.mark.parametrize(
    "array",
    [
        np.array([-128, 127], np.int8),
        np.arange(12, dtype=np.int16).reshape(3, 4),
        np.arange(12, dtype=np.uint32).reshape(3, 4).T,
        np.arange(24, dtype=np.int64)[::2],
        np.array([1.5, np.inf], np.float32),
        np.array([True, False]),
        np.zeros(0, np.int32),
        np.zeros((0, 3)),
    ],
    ids=lambda a: f"{a.dtype}{a.shape}",
)
def test_buffers_give_back_what_was_put_in(machine: Machine, array: np.ndarray) -> None:
    buffer = machine.alloc(array)
    read = buffer.read()
    assert (read.dtype, read.shape) == (array.dtype, array.shape)
    assert np.array_equal(read, array)
    buffer.write(np.zeros_like(array))
    assert not buffer.read().any()


def test_the_chip_is_little_endian(machine: Machine) -> None:
    """Whatever the array's own byte order is, the program sees its values."""
    buffer = machine.alloc(np.array([1, 2], ">u4"))
    assert machine.read(buffer.address, 8).tobytes() == b"\1\0\0\0\2\0\0\0"
    assert buffer.read().tolist() == [1, 2]
    buffer.write(np.array([3, 4], ">u4"))
    assert machine.read(buffer.address, 8).tobytes() == b"\3\0\0\0\4\0\0\0"


def test_a_read_is_a_copy(machine: Machine) -> None:
    buffer = machine.alloc(np.array([1, 2], np.int32))
    buffer.read()[0] = 9
    assert buffer.read().tolist() == [1, 2]


def test_buffers_stand_apart_and_clear_of_data_and_stack(machine: Machine) -> None:
    sizes = [1, 3, 16, 100, 4096, 0, 7]
    buffers = [machine.alloc(size) for size in sizes]
    spans = sorted((b.address, b.address + b.size) for b in buffers)
    data = [(s.address, s.address + s.size) for s in machine.image.sections if s.address >= SRAM]
    assert all(begin - RED_ZONE >= end for _, end in data for begin, _ in spans)
    assert all(b - e >= 2 * RED_ZONE for (_, e), (b, _) in pairwise(spans))
    assert spans[-1][1] < SRAM_END - 1024
    assert all(begin % 8 == 0 for begin, _ in spans)
    cost = machine.call("leaf", 1)
    assert cost.memory.sram_arguments == sum(sizes)
    assert cost.stack_top == SRAM_END


@pytest.mark.parametrize("align", [1, 2, 4, 64, 4096])
def test_alignment(machine: Machine, align: int) -> None:
    machine.alloc(3)
    assert machine.alloc(8, align=align).address % max(4, align) == 0


@pytest.mark.parametrize(
    ("content", "align", "message"),
    [
        (300_000, 8, "do not fit"),
        (1 << 40, 8, "cannot allocate 1099511627776 bytes"),
        (-1, 8, "cannot allocate -1 bytes"),
        (4, 3, "power of two"),
        (4, 0, "power of two"),
        (np.array([object()]), 8, "object"),
    ],
)
def test_what_cannot_be_allocated(machine: Machine, content: object, align: int, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        machine.alloc(content, align=align)  # type: ignore[arg-type]


def test_memory_is_used_up_to_the_stack_reserve(machine: Machine) -> None:
    for _ in range(260):  # 1000 bytes and two red zones each: 262 of them would leave 0 bytes for the stack
        machine.alloc(1000)
    with pytest.raises(UsageError, match="do not fit"):
        machine.alloc(3000)
    assert machine.call("recursive", 20).result == 210  # and there is room for a stack


def test_a_write_of_another_size(machine: Machine) -> None:
    buffer = machine.alloc(np.zeros(3, np.int16), name="three")
    with pytest.raises(UsageError, match="three has 6 bytes, not 8"):
        buffer.write([1, 2, 3, 4])
    buffer.write([1, 2, 3])
    assert buffer.read().tolist() == [1, 2, 3]


def test_buffers_survive_calls_and_variables_do_not(machine: Machine) -> None:
    buffer = machine.alloc(np.arange(100, dtype=np.uint8))
    machine.write(machine.symbol("in_data").address, np.array([7], np.uint32))
    machine.call("bump")
    assert np.array_equal(buffer.read(), np.arange(100))
    assert machine.read(machine.symbol("in_data").address, 4).view(np.uint32)[0] == 101
    machine.write(machine.symbol("in_data").address, np.array([7], np.uint32))
    assert machine.call("bump", keep=True).result == 8 + 2  # in_bss was 1


@pytest.mark.parametrize(("address", "size"), [(0x4000, 4), (0x1FFFFFFF, 2), (0x20041FFE, 4), (0x30000000, 1), (-4, 4)])
def test_reads_outside_memory(machine: Machine, address: int, size: int) -> None:
    with pytest.raises(UsageError, match="not inside one memory"):
        machine.read(address, size)


def test_memory_by_kind(build: Build) -> None:
    elf = build("calls.S", flags=("-g", f"-I{FIRMWARE}"))
    machine = Machine.from_elf(elf)
    sizes = {s.name: s.size for s in machine.image.sections}
    use = machine.call("recursive", 3).memory
    assert (use.flash_code, use.flash_rodata) == (sizes[".text"], 8)
    assert (use.sram_code, use.sram_data, use.sram_bss, use.sram_stack) == (sizes[".ramfunc"], 4, sizes[".bss"], 32)
    assert use.flash_data == 4 + sizes[".ramfunc"]  # what startup code copies to SRAM is stored in flash


def test_an_image_that_leaves_no_room(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="outside the memory"):
        Machine.from_raw(bytes(8), 0x30000000)
    with pytest.raises(UsageError, match="for a stack"):
        Machine.from_raw(bytes(SRAM_END - SRAM - 100), SRAM)


TWO_REGIONS = """
core = "cortex-m0plus"
clock_hz = 1_000_000
[[memory]]
name = "flash"
kind = "flash"
base = 0x1000_0000
size = 0x1000
[[memory]]
name = "low"
kind = "sram"
base = 0x2000_0000
size = 0x2000
[[memory]]
name = "high"
kind = "sram"
base = 0x2000_2000
size = 0x2000
[[alias]]
of = "low"
base = 0x3000_0000
[[alias]]
of = "low"
base = 0x3000_2000
[[alias]]
of = "high"
base = 0x3100_0000
"""


@pytest.mark.parametrize(("seen", "at"), [(0x30000010, 0x20000010), (0x30002010, 0x20000010), (0x31000010, 0x20002010)])
def test_aliases_of_adjacent_memories(tmp_path: Path, seen: int, at: int) -> None:
    profile = tmp_path / "two.toml"
    profile.write_text(TWO_REGIONS)
    stores = struct.pack("<2H", 0x6001, 0x4770)  # STR r1, [r0]; BX lr
    machine = Machine.from_raw(stores, 0x10000000, profile)
    machine.call(0x10000000, seen, 0x12345678)
    assert machine.read(at, 4).view(np.uint32)[0] == 0x12345678
    with pytest.raises(Fault):
        machine.call(0x10000000, 0x31002000, 1)  # behind the end of the alias


# -- what a buffer takes for a value


@pytest.mark.parametrize(
    ("dtype", "values", "message"),
    [
        (np.int8, [1, 300, 400], r"int8 \(-128 to 127\): 300 at index 1 is not"),
        (np.int8, [0, 0, -129], "-129 at index 2"),
        (np.uint8, [-1, 0, 0], "-1 at index 0"),
        (np.int16, [1.0, 1.5, 2.0], "1.5 at index 1"),
        (np.int32, [1.0, 2.0, np.nan], "nan at index 2"),
        (np.int64, [1.0, 2.0, 2.0**63], "at index 2"),
        (np.uint64, [1 << 64, 0, 0], "18446744073709551616 at index 0"),
        (np.uint64, [(1 << 64) - 1, 5, -1], "-1 at index 2"),
        (np.uint32, [0, np.inf, 0], "inf at index 1"),
        (np.float32, [0.0, 1e39, 0.0], r"values of float32: 1e\+39 at index 1"),
        (np.float32, [0, 0, (1 << 24) + 1], "16777217 at index 2"),
        (np.bool_, [0, 1, 2], "values of bool: 2 at index 2"),
        (np.int8, ["a", "b", "c"], "a at index 0"),
        (np.int8, [None, 1, 2], "None at index 0"),
    ],
)
def test_a_value_that_a_buffer_cannot_hold(machine: Machine, dtype: type, values: list, message: str) -> None:
    buffer = machine.alloc(np.ones(3, dtype), name="samples")
    with pytest.raises(UsageError, match=message):
        buffer.write(values)
    assert buffer.read().tolist() == [1, 1, 1]  # nothing of it was written


def test_the_first_bad_value_of_a_table(machine: Machine) -> None:
    buffer = machine.alloc(np.zeros((2, 3), np.uint8), name="table")
    wide = np.array([[1, 2, 3], [4, 256, -1]])
    with pytest.raises(UsageError, match=r"256 at index 1, 1 is not one.*astype"):
        buffer.write(wide)
    buffer.write(wide.astype(np.uint8))
    assert buffer.read().tolist() == [[1, 2, 3], [4, 0, 255]]


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.int64, np.uint64])
def test_the_outermost_values_go_in(machine: Machine, dtype: type) -> None:
    ends = [int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)]
    buffer = machine.alloc(np.zeros(2, dtype))
    buffer.write(ends)
    assert buffer.read().tolist() == ends
    for i, beyond in enumerate((ends[0] - 1, ends[1] + 1)):
        with pytest.raises(UsageError, match=f"{beyond} at index {i}"):
            buffer.write([beyond if i == 0 else 0, beyond])


def test_floats_that_are_whole_go_into_integers_and_lists_make_buffers(machine: Machine) -> None:
    buffer = machine.alloc([1, 2, 3])
    buffer.write([4.0, -0.0, 5.0])
    assert buffer.read().tolist() == [4, 0, 5]
    assert machine.alloc([0.5, np.nan]).dtype == np.float64
    machine.alloc(np.zeros(2, np.float32)).write([0.1, np.nan])  # rounding is what float32 does


# -- freeing, and a machine like new


def test_freed_room_is_used_again(machine: Machine) -> None:
    first, second, third = (machine.alloc(100, name=name) for name in "abc")
    second.free()
    assert second.is_freed
    assert not first.is_freed
    assert machine.alloc(105).address > third.address  # 104 bytes are free between
    again = machine.alloc(np.full(104, 7, np.uint8))
    assert again.address == second.address
    assert machine.call("leaf", 1).memory.sram_arguments == 100 + 100 + 105 + 104
    assert again.read().tolist() == [7] * 104
    for use in (second.read, second.free, lambda: second.write([0] * 100), lambda: machine.call("leaf", second)):
        with pytest.raises(UsageError, match="b was freed"):
            use()


def test_a_freed_buffer_has_no_red_zone(machine: Machine) -> None:
    """Its room is free: what stands there is no overrun."""
    buffer = machine.alloc(16)
    address = buffer.address
    buffer.free()
    machine.write(address - 4, bytes(24))
    assert machine.space.overruns() == []


def test_numpy_takes_a_buffer_for_an_array(machine: Machine) -> None:
    values = np.arange(6, dtype=np.int16).reshape(2, 3)
    buffer = machine.alloc(values)
    assert np.array_equal(buffer, values)
    assert np.asarray(buffer).dtype == np.int16
    assert np.asarray(buffer, np.float32).dtype == np.float32
    assert int(np.sum(buffer)) == 15
    with pytest.raises(ValueError, match="copy"):
        np.array(buffer, copy=False)


def test_reset_makes_a_machine_like_new(build: Build) -> None:
    elf = build("calls.S", flags=("-g", f"-I{FIRMWARE}"))
    used, fresh = Machine.from_elf(elf), Machine.from_elf(elf)
    cycles = fresh.call("leaf", 5).cycles
    fresh = Machine.from_elf(elf)  # a call leaves its stack's contents
    buffer = used.alloc(1000)
    used.call("bump")
    entry = used.symbol("leaf").address
    used.write(entry, np.array([0x4770, 0x4770], np.uint16))  # in flash: leaf only returns
    assert used.call("leaf", 5).cycles < cycles
    assert "calls" in repr(used)
    assert "1 buffers" in repr(used)
    used.reset()
    assert buffer.is_freed
    for mine, theirs in zip(used.space.banks, fresh.space.banks, strict=True):
        assert np.array_equal(mine.data, theirs.data)
    assert used.call("leaf", 5).cycles == cycles
    mine, theirs = used.alloc(10), fresh.alloc(10)
    assert (mine.address, mine.name) == (theirs.address, theirs.name)


# -- the edges of what fits


def test_a_buffer_that_fits_to_the_byte(machine: Machine) -> None:
    """One gap above the data: its first and last 16 bytes are red zones, and 1,024 bytes stay for the stack."""
    probe = machine.alloc(1)
    begin = probe.address
    probe.free()
    room = SRAM_END - 1024 - RED_ZONE - begin
    with pytest.raises(UsageError, match=f"{room + 1} bytes do not fit"):
        machine.alloc(room + 1)
    whole = machine.alloc(room)
    assert whole.address == begin
    assert machine.space.stack_limit == SRAM_END - 1024
    with pytest.raises(UsageError, match="do not fit"):
        machine.alloc(0)
    deepest = machine.call("recursive", 1024 // 8 - 1)  # 8 bytes a level, 0 included: exactly the reserve
    assert deepest.stack_bytes == 1024
    with pytest.raises(Fault, match="stack overflow"):
        machine.call("recursive", 1024 // 8)


@pytest.mark.parametrize("place", [*range(-RED_ZONE, 0), *range(24, 24 + RED_ZONE)])
def test_every_byte_of_a_red_zone_is_watched(machine: Machine, place: int) -> None:
    """Also against a write of zeros, of the fill byte, and of what another red zone holds."""
    other = machine.alloc(24, name="other")
    buffer = machine.alloc(24, name="mine")
    zone = place if place < 0 else place - 24
    twin = machine.read(other.address + (place if place < 0 else 24 + zone), 1)
    own = machine.read(buffer.address + place, 1)
    for written in (0, 0xDE, 0xFF, int(twin[0])):
        assert own[0] != written
        machine.write(buffer.address + place, bytes([written]))
        found = machine.space.overruns()
        assert len(found) == 1
        assert "1 byte written" in found[0]
        assert "mine" in found[0]
    assert machine.space.overruns() == []


def test_a_red_zone_copied_from_another_buffer_does_not_pass(machine: Machine) -> None:
    buffers = [machine.alloc(size) for size in (24, 24, 240, 1000)]
    zones = [(b.address + at) for b in buffers for at in (-RED_ZONE, b.size)]
    for source in zones:
        for target in zones:
            if source != target:
                machine.write(target, machine.read(source, RED_ZONE))
                assert len(machine.space.overruns()) == 1, (hex(source), hex(target))
