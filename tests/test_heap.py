"""A heap that grows behind the data: kept, kept clear of buffers and stack, and measured."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from conftest import FIRMWARE, Build
from hypothesis import given, settings
from hypothesis import strategies as st

from m0sim import Fault, Machine, UsageError
from m0sim.chip.room import RED_ZONE, Room
from m0sim.report import cost_json as data
from m0sim.report.figures import figures
from m0sim.report.page_memory import memory_maps

pytestmark = pytest.mark.engines("unicorn", "fast")

HEAP, CLAIMS = FIRMWARE / "heap.ld", FIRMWARE / "claims.ld"
NEWLIBS = {"nano": ("c_nano", "nosys", "c_nano"), "full": ("c", "nosys", "c")}
KINDS = ("bump", "claims", "bare", "inlined", "nano", "full", "nano-claims", "full-claims", "nano-pool", "full-pool")

Make = Callable[[str], Machine]


@pytest.fixture
def make(build: Build) -> Make:
    """A machine with tests/firmware/heap.c and the allocator of that kind."""

    def made(kind: str) -> Machine:
        name, _, more = kind.partition("-")
        script = CLAIMS if "claims" in kind else HEAP
        if name in NEWLIBS:
            sources = ("heap.c", "pool.c") if more == "pool" else ("heap.c",)
            options = {"toolchain": "gnu", "libraries": NEWLIBS[name]}
        else:
            sources, options = ("heap.c", "bump_bare.c" if name == "bare" else "bump.c"), {}
        flags = ("-O1", "-g", "-fno-builtin", *(["-DINLINED"] if name == "inlined" else []))
        return Machine.from_elf(build(*sources, linker_script=script, flags=flags, **options))

    return made


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_allocated_before_is_there(make: Make, kind: str) -> None:
    machine = make(kind)
    assert machine.call("get", before=["init"]).result == 42
    machine.call("set", 7, keep=True)
    assert machine.call("get", keep=True).result == 7
    assert machine.call("get", before=["init"]).result == 42
    buffer = machine.alloc(np.ones(5000, np.uint8))
    assert machine.call("get", before=["init"]).result == 42
    assert np.all(buffer.read() == 1)


@pytest.mark.parametrize("kind", KINDS)
def test_buffers_are_clear_of_the_heap(make: Make, kind: str) -> None:
    machine = make(kind)
    small, large = machine.alloc(np.ones(200, np.uint8)), machine.alloc(np.full(60_000, 2, np.uint8))
    for _ in range(2):
        assert machine.call("sum", small, 200).result == 200
        assert machine.call("sum", large, 3000).result == 6000
    assert machine.call("sum", large, 3000, keep=True).result == 6000
    assert machine.call("grow", 40).result == 820


# -- how much of it was used


@pytest.mark.parametrize(("kind", "header"), [("bump", 0), ("claims", 0), ("nano", 8), ("nano-claims", 8)])
def test_the_mark_is_what_sbrk_gave(make: Make, kind: str, header: int) -> None:
    """nano's malloc asks for a block and its header, in whole 8 bytes or 4; written or not."""
    machine = make(kind)
    assert machine.call("get", before=["init"]).heap_bytes == 16 + header
    assert machine.call("deep", 3).heap_bytes == 0
    cost = machine.call("take", 1000)
    assert cost.heap_bytes == 1000 + header
    assert cost.memory.sram_heap == cost.heap_bytes
    assert machine.call("take", 1000, keep=True).heap_bytes == 2 * (1000 + header)


@pytest.mark.parametrize("kind", ["nano", "full"])
def test_the_mark_of_a_pool(make: Make, kind: str) -> None:
    """The pool is counted as bss: it is not added again."""
    cost = make(f"{kind}-pool").call("fill", 1000)
    assert 1000 < cost.heap_bytes < 1000 + 4096 + 64  # newlib's full malloc asks for whole pages
    assert cost.memory.sram_heap == 0


@pytest.mark.parametrize("kind", ["bare", "inlined"])
def test_the_mark_of_a_heap_without_sbrk_is_what_was_written(make: Make, kind: str) -> None:
    machine = make(kind)
    assert machine.call("take", 1000).heap_bytes == 0
    assert machine.call("fill", 1000).heap_bytes == 1000
    assert machine.call("take", 8, keep=True).heap_bytes == 1000
    assert machine.call("deep", 0).heap_bytes == 0
    assert machine.count("fill", 40) > 0
    assert machine.call("take", 8, keep=True).heap_bytes == 40


def test_no_heap_no_mark(build: Build) -> None:
    machine = Machine.from_elf(build("calls.S", flags=("-g", f"-I{FIRMWARE}")))
    cost = machine.call("leaf", 1)
    assert (cost.heap_bytes, cost.memory.sram_heap) == (None, 0)
    assert data.call(cost)["heap_bytes"] is None


def test_the_mark_is_reported(make: Make) -> None:
    machine = make("claims")
    cost = machine.call("fill", 100)
    assert data.call(cost)["heap_bytes"] == 104
    assert ("heap", "104") in [(f.label, f.value) for f in figures(cost)]
    sram = memory_maps(cost, machine)[-1]
    assert [(p.address, p.size) for p in sram.parts if p.kind == "heap"] == [(machine.symbol("end").address, 104)]


# -- growing together


def faulting(machine: Machine, *call: object, **options: object) -> Fault:
    with pytest.raises(Fault) as caught:
        machine.call(*call, **options)  # type: ignore[arg-type]
    return caught.value


@pytest.mark.parametrize("kind", ["bump", "claims", "nano", "full", "nano-claims", "full-claims"])
def test_a_heap_that_grows_into_a_buffer(make: Make, kind: str) -> None:
    """Before a byte of the buffer is written, and in the function that asked for too much."""
    machine = make(kind)
    buffer = machine.alloc(np.ones(100_000, np.uint8), name="samples")
    room = buffer.address - machine.symbol("end").address
    fault = faulting(machine, "fill", room + 100)
    assert fault.kind == "heap-collision"
    assert "heap and buffer collide" in fault.reason
    assert "samples (100000 bytes at 0x" in fault.reason
    assert fault.function in ("_sbrk", "malloc", "fill")
    assert np.all(buffer.read() == 1)
    assert machine.call("fill", room - 8192).result == 1
    assert machine.call("sum", buffer, 100).result == 100


@pytest.mark.parametrize("kind", ["bare", "inlined"])
def test_a_heap_without_sbrk_that_grows_into_a_buffer(make: Make, kind: str) -> None:
    machine = make(kind)
    buffer = machine.alloc(np.ones(1000, np.uint8), name="samples")
    room = buffer.address - 16 - machine.symbol("end").address
    assert machine.call("fill", room).result == 1  # up to the red zone, and not into it
    fault = faulting(machine, "fill", room + 1)
    assert (fault.kind, fault.reason.count("collide")) == ("heap-collision", 1)
    assert "into samples" in fault.reason


@pytest.mark.parametrize("kind", ["bump", "claims", "nano", "full", "nano-claims"])
def test_a_stack_that_comes_down_to_the_heap(make: Make, kind: str) -> None:
    machine = make(kind)
    room = machine.space.stack_top - machine.symbol("end").address
    bytes_of_heap = room - 20_000
    assert machine.call("heap_then_deep", bytes_of_heap, 20).stack_bytes < 8000
    fault = faulting(machine, "heap_then_deep", bytes_of_heap, 1000)
    assert fault.kind == "stack-overflow"
    assert "down to the heap, which ends at 0x" in fault.reason
    assert fault.function == "deep"
    assert faulting(machine, "deep", 5000).cost.stack_bytes > room - 300  # all of it where no heap is used


@pytest.mark.parametrize("kind", ["bump", "claims", "nano", "full", "nano-claims"])
def test_a_heap_that_grows_up_to_the_stack(make: Make, kind: str) -> None:
    machine = make(kind)
    room = machine.space.stack_top - machine.symbol("end").address
    assert machine.call("deep_then_heap", room - 40_000, 100).stack_bytes > 10_000
    fault = faulting(machine, "deep_then_heap", room - 10_000, 100)
    assert fault.kind == "heap-collision"
    assert "heap and stack collide" in fault.reason
    assert "SP is 0x" in fault.reason
    assert len(fault.call_stack) > 100


@pytest.mark.parametrize("kind", ["bare", "inlined"])
def test_stack_and_heap_that_met_unseen(make: Make, kind: str) -> None:
    """Without an sbrk to watch it shows after the run, in what was written."""
    machine = make(kind)
    room = machine.space.stack_top - machine.symbol("end").address
    assert machine.call("fill_then_deep", room - 20_000, 20).result is not None
    fault = faulting(machine, "fill_then_deep", room - 20_000, 1000)
    assert fault.kind == "heap-collision"
    assert "heap and stack collide" in fault.reason
    machine.call("fill", room - 20_000)
    fault = faulting(machine, "deep", 1000, keep=True)
    assert (fault.kind, "down to the heap" in fault.reason) == ("stack-overflow", True)


def test_a_stack_that_comes_down_to_a_buffer(make: Make) -> None:
    machine = make("bump")
    machine.alloc(1000, name="samples")
    fault = faulting(machine, "deep", 5000)
    assert "down to the buffer samples" in fault.reason


def test_heap_and_stack_in_traffic(make: Make) -> None:
    machine = make("bump")
    rows = {t.name: t for t in machine.call("fill", 1000, level="memory").traffic}
    assert (rows["(heap)"].stores, rows["(heap)"].bytes_touched) == (1000, 1000)
    assert rows["(stack)"].bytes_stored <= 64


# -- room


def test_buffers_up_to_the_reserves(make: Make) -> None:
    """1,024 bytes stay for the heap and as many for the stack."""
    machine = make("bump")
    end = machine.symbol("end").address
    room = machine.space.stack_top - 1024 - (end + 1024) - 2 * 16
    with pytest.raises(UsageError, match="do not fit"):
        machine.alloc(room + 8)
    whole = machine.alloc(room)
    assert (whole.address, machine.space.stack_limit) == (end + 1024 + 16, machine.space.stack_top - 1024)
    assert machine.call("fill", 1024).result == 1
    assert faulting(machine, "fill", 1025).kind == "heap-collision"
    whole.free()
    assert machine.alloc(room).address == whole.address


def test_beside_a_heap_buffers_keep_clear_of_the_stack_that_the_image_asks_for() -> None:
    gap = (0x20000000, 0x20008000)
    room = Room([gap], gap, heap_base=gap[0], stack_size=0x6000)
    taken = room.take(100, 8, "", 1024)
    assert taken is not None
    assert gap[1] - 0x6000 - 8 <= taken.end <= gap[1] - 0x6000
    assert room.stack_bottom <= gap[1] - 0x6000


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 3000), st.sampled_from([4, 8, 64, 1024]), st.booleans()), max_size=30),
    st.booleans(),
)
def test_rooms_never_overlap(requests: list[tuple[int, int, bool]], has_heap: bool) -> None:
    gap = (0x20000008, 0x20008000)
    room = Room([gap], gap, heap_base=0x20000008 if has_heap else None)
    for size, align, is_freed in requests:
        taken = room.take(size, align, "", 1024)
        if taken is None:
            continue
        assert taken.address % align == 0
        assert taken.begin <= taken.address - RED_ZONE
        assert taken.address + size + RED_ZONE <= taken.end
        assert gap[0] + (1024 if has_heap else 0) <= taken.begin
        assert taken.address + size + RED_ZONE <= gap[1] - 1024
        others = [a for a in room.allocations if a is not taken]
        assert all(a.end <= taken.begin or taken.end <= a.begin for a in others)
        if is_freed:
            room.free(room.allocations[len(others) // 2])


def test_a_section_that_claims_the_rest_of_sram(build: Build) -> None:
    """Even where nothing uses the heap: 4 KiB lie in what it claims, the stack where it always was."""
    machine = Machine.from_elf(build("memory.c", linker_script=CLAIMS))
    assert machine.space.heap is None
    buffer = machine.alloc(4096)
    assert machine.symbol("end").address <= buffer.address < 0x20040000
    assert machine.space.stack_top == 0x20042000


def test_an_sbrk_that_says_no(build: Build, tmp_path_factory: pytest.TempPathFactory) -> None:
    """-1, or null as some write it: the heap has not grown, and a program that can go on without does."""
    source = tmp_path_factory.mktemp("limits") / "limited.c"
    source.write_text(
        """
        extern char end[];
        static char *top = end;
        void *failed;
        __attribute__((noinline)) void *_sbrk(int n) {
            char *old = top;
            if (top + n > end + 100) return failed;
            top += n;
            return old;
        }
        int both(void *no) { failed = no; return (_sbrk(64) != no) + 2 * (_sbrk(64) == no) + 4 * (_sbrk(-32) != no); }
        """
    )
    machine = Machine.from_elf(build(source, linker_script=HEAP))
    buffer = machine.alloc(100)
    for failed in (-1, 0):
        cost = machine.call("both", failed)
        assert (cost.result, cost.heap_bytes) == (7, 64)
    assert buffer.address > machine.symbol("end").address + 1024


@pytest.mark.parametrize("kind", ["bump", "bare", "nano"])
def test_calls_leave_no_heap_behind(make: Make, kind: str) -> None:
    """Whatever ran before, faults included, a call gives what it gives on a fresh machine."""
    used = make(kind)
    room = used.space.stack_top - used.symbol("end").address
    calls = [
        ("fill", 500),
        ("deep", 9),
        ("take", 40),
        ("fill_then_deep", room - 9000, 1000),
        ("fill", 500),
        ("grow", 9),
    ]

    def figures_of(machine: Machine, call: tuple) -> tuple:
        try:
            cost = machine.call(*call)
        except Fault as fault:
            return fault.kind, fault.reason, fault.cost.cycles, fault.cost.heap_bytes
        return cost.result, cost.cycles, cost.stack_bytes, cost.heap_bytes

    for call in calls:
        assert figures_of(used, call) == figures_of(make(kind), call), call
