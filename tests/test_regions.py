"""Heap and stack regions by the names that toolchains give them, and stacks that leave theirs."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import FIRMWARE, Build

from m0sim import Fault, Machine
from m0sim.image import Section, Symbol
from m0sim.image.heap_and_stack import claimed, heap_of, sbrk_of, stack_of, uses_heap
from m0sim.image.segments import Kind

TOP = 0x20002000


def symbol(name: str, address: int, size: int = 0, kind: str = "") -> Symbol:
    return Symbol(name, name, address, size, kind or ("object" if size else "label"), kind == "function", True, "")  # type: ignore[arg-type]


def section(name: str, address: int, size: int, kind: Kind = "reserved") -> Section:
    return Section(name, address, size, kind, None)


def is_sram(address: int) -> bool:
    return 0x20000000 <= address < TOP


END = symbol("end", 0x20000100)


@pytest.mark.parametrize(
    ("symbols", "sections", "expected"),
    [
        ([END], [], (0x20000100, None, "end")),
        ([symbol("_end", 0x20000100)], [], (0x20000100, None, "_end")),
        ([symbol("__end__", 0x20000100)], [], (0x20000100, None, "__end__")),
        # CMSIS: a sized label; the linker script's `end` is the same place
        ([END, symbol("__HeapBase", 0x20000100, 0xC00)], [], (0x20000100, 0x20000D00, "__HeapBase")),
        ([symbol("__HeapBase", 0x20000100), symbol("__HeapLimit", 0x20000200)], [], (0x20000100, 0x20000200, None)),
        # Keil: startup.s in both its dialects, and armclang's scatter file
        ([symbol("Heap_Mem", 0x20000200, 0x200)], [], (0x20000200, 0x20000400, "Heap_Mem")),
        ([symbol("__heap_base", 0x20000200), symbol("__heap_limit", 0x20000400)], [], (0x20000200, 0x20000400, None)),
        (
            [symbol("Image$$ARM_LIB_HEAP$$ZI$$Base", 0x20000200), symbol("Image$$ARM_LIB_HEAP$$ZI$$Limit", 0x20000300)],
            [],
            (0x20000200, 0x20000300, None),
        ),
        # IAR
        ([symbol("HEAP$$Base", 0x20000200), symbol("HEAP$$Limit", 0x20000600)], [], (0x20000200, 0x20000600, None)),
        # ChibiOS, picolibc, cortex-m-rt
        ([symbol("__heap_base__", 0x20000200), symbol("__heap_end__", TOP)], [], (0x20000200, TOP, None)),
        ([symbol("__heap_start", 0x20000200), symbol("__heap_end", 0x20000800)], [], (0x20000200, 0x20000800, None)),
        ([symbol("__sheap", 0x20000200)], [], (0x20000200, None, "__sheap")),
        ([], [section(".heap", 0x20000300, 0x800)], (0x20000300, 0x20000B00, "section .heap")),
        ([], [section("HEAP", 0x20000300, 0x800, "bss")], (0x20000300, 0x20000B00, "section HEAP")),
        # newlib's variable heap_end and a pointer heap_base are no places of the heap; nor is an `end` in flash
        ([symbol("heap_end", 0x20000010, 4), symbol("heap_base", 0x20000014, 4), END], [], (0x20000100, None, "end")),
        ([symbol("end", 0x10000100)], [], None),
        ([symbol("end", 0x20000100, 4)], [], None),
        ([symbol("end", 0x20000100, 0, "function")], [], None),
        ([], [section(".stack", 0x20000300, 0x800)], None),
    ],
)
def test_where_a_heap_begins(
    symbols: list[Symbol], sections: list[Section], expected: tuple[int, int | None, str | None] | None
) -> None:
    heap = heap_of(symbols, sections, is_sram)
    if expected is None:
        assert heap is None
        return
    assert heap is not None
    assert (heap.base, heap.limit) == expected[:2]
    assert expected[2] in (None, heap.name)


@pytest.mark.parametrize(
    ("symbols", "sections", "expected"),
    [
        ([symbol("__StackTop", TOP), symbol("__StackLimit", TOP - 0x400)], [], (TOP - 0x400, TOP)),
        # pico-sdk: its __StackLimit is where the heap must end
        (
            [symbol("__StackTop", TOP), symbol("__StackLimit", 0x20000800), symbol("__StackBottom", TOP - 0x800)],
            [],
            (TOP - 0x800, TOP),
        ),
        ([symbol("_estack", TOP), symbol("_Min_Stack_Size", 0x400)], [], (TOP - 0x400, TOP)),
        ([symbol("__initial_sp", 0x20000800), symbol("Stack_Mem", 0x20000400, 0x400)], [], (0x20000400, 0x20000800)),
        ([symbol("Stack_Mem", 0x20000400, 0x400)], [], (0x20000400, 0x20000800)),
        ([symbol("__initial_sp", 0x20000800), symbol("__stack_limit", 0x20000600)], [], (0x20000600, 0x20000800)),
        ([symbol("CSTACK$$Limit", 0x20000800), symbol("CSTACK$$Base", 0x20000600)], [], (0x20000600, 0x20000800)),
        (
            [symbol("Image$$ARM_LIB_STACK$$ZI$$Limit", TOP), symbol("Image$$ARM_LIB_STACK$$ZI$$Base", TOP - 0x100)],
            [],
            (TOP - 0x100, TOP),
        ),
        ([symbol("_stack_start", TOP), symbol("_stack_end", TOP - 0x200)], [], (TOP - 0x200, TOP)),
        ([symbol("__main_stack_end__", TOP), symbol("__main_stack_base__", TOP - 64)], [], (TOP - 64, TOP)),
        ([symbol("z_main_stack", 0x20000400, 0x400)], [], (0x20000400, 0x20000800)),
        ([], [section("CSTACK", 0x20000400, 0x400)], (0x20000400, 0x20000800)),
        ([], [section(".stack_dummy", TOP - 0x800, 0x800)], (TOP - 0x800, TOP)),
        ([symbol("__StackTop", TOP)], [], None),
        ([symbol("_estack", TOP), symbol("_Min_Stack_Size", 0)], [], None),
        ([symbol("__StackTop", TOP), symbol("__StackLimit", TOP)], [], None),
        ([symbol("__StackTop", TOP), symbol("__StackLimit", 0x1000)], [], None),
        ([], [section(".heap", 0x20000400, 0x400)], None),
    ],
)
def test_where_a_stack_ends(symbols: list[Symbol], sections: list[Section], expected: tuple[int, int] | None) -> None:
    stack = stack_of(symbols, sections, is_sram)
    assert (None if stack is None else (stack.limit, stack.top)) == expected


def test_sections_that_claim_and_what_is_in_them() -> None:
    """A variable that somebody puts into .heap is no free memory; CMSIS's __HeapBase, with the heap's size, is."""
    sections = [
        section(".bss", 0x20000000, 0x100, "bss"),
        section(".heap", 0x20000100, 0x400),
        section("._user_heap_stack", 0x20000600, 0x100, "bss"),
        section(".heaps_of_data", 0x20000700, 0x100, "bss"),
    ]
    symbols = [symbol("__HeapBase", 0x20000100, 0x400), symbol("pool", 0x20000200, 0x80)]
    assert claimed(symbols, sections) == (
        (0x20000100, 0x20000200),
        (0x20000280, 0x20000500),
        (0x20000600, 0x20000700),
    )


@pytest.mark.parametrize("name", ["malloc", "_malloc_r", "_sbrk", "sbrk", "__sbrk", "_Znwj", "_Znaj", "__iar_dlmalloc"])
def test_allocators(name: str) -> None:
    assert uses_heap([symbol("main", 0, 4, "function"), symbol(name, 4, 4, "function")])
    assert not uses_heap([symbol("my_" + name, 0, 4, "function")])
    assert not uses_heap([symbol(name, 0, 4, "object")])


def test_which_sbrk_is_followed() -> None:
    found = sbrk_of([symbol("_sbrk_r", 0, 4, "function"), symbol("_sbrk", 4, 4, "function")])
    assert found is not None
    assert (found[0].linkage_name, found[1]) == ("_sbrk", 0)
    found = sbrk_of([symbol("_sbrk_r", 0, 4, "function")])
    assert found is not None
    assert found[1] == 1  # _sbrk_r(reent, increment)
    assert sbrk_of([symbol("malloc", 0, 4, "function")]) is None


# -- on the machine


def with_symbols(build: Build, folder: Path, **values: int) -> Machine:
    """tests/firmware/calls.S with more symbols, as a linker script would define them."""
    source = folder / "symbols.S"
    source.write_text("".join(f".globl {name}\n{name} = {value:#x}\n" for name, value in values.items()))
    return Machine.from_elf(build("calls.S", *([source] if values else []), flags=("-g", f"-I{FIRMWARE}")))


STACKS = {
    "limit": {"__StackTop": 0x20042000, "__StackLimit": 0x20041F00},
    "size": {"_estack": 0x20042000, "_Min_Stack_Size": 0x100},
    "elsewhere": {"__initial_sp": 0x20001100, "__stack_limit": 0x20001000},  # as Keil lays out: amid the data
}


@pytest.mark.parametrize("names", STACKS)
def test_a_stack_deeper_than_its_region(build: Build, tmp_path: Path, names: str) -> None:
    """recursive takes 8 bytes a level, n + 1 levels: 31 fill 256 bytes, and 32 are 8 too many."""
    machine = with_symbols(build, tmp_path, **STACKS[names])
    plain = with_symbols(build, tmp_path)
    assert machine.call("recursive", 31).warnings == ()
    cost = machine.call("recursive", 32)
    (warning,) = cost.warnings
    assert "264 bytes deep, 8 more than the 256 that the image keeps" in warning
    assert ("__StackLimit (0x20041f00)" in warning) == (names == "limit")
    other = plain.call("recursive", 32)
    assert (cost.cycles, cost.stack_bytes, other.warnings) == (other.cycles, other.stack_bytes, ())
    assert len(machine.call("recursive", 32, before=["leaf"]).warnings) == 1


def test_the_objects_that_a_deep_stack_would_overwrite(build: Build, tmp_path: Path) -> None:
    limit = with_symbols(build, tmp_path).symbol("in_bss").address + 4  # the stack directly above a variable
    machine = with_symbols(build, tmp_path, __StackLimit=limit, __StackTop=limit + 256)
    assert machine.call("recursive", 31).warnings == ()
    assert "on the chip it overwrites in_bss" in machine.call("recursive", 32).warnings[0]


def test_a_stack_that_comes_down_to_a_variable(build: Build) -> None:
    machine = Machine.from_elf(build("calls.S", flags=("-g", f"-I{FIRMWARE}")))
    with pytest.raises(Fault, match=r"stack overflow.*down to"):
        machine.call("recursive", 100_000)


HEAP_BLOCKS = {
    "Heap_Mem": "char Heap_Mem[1024]; char *bottom(void) { return Heap_Mem; }",
    "HEAP$$Base": """static char block[1024]; char *bottom(void) { return block; }
        __asm__(".globl HEAP$$Base; HEAP$$Base = block; .globl HEAP$$Limit; HEAP$$Limit = block + 1024");""",
}


@pytest.mark.parametrize("name", HEAP_BLOCKS)
def test_a_heap_that_is_a_block_of_the_image(build: Build, tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    """Keil's and IAR's heaps have their size: buffers stay where they were, the mark is what was written."""
    source = tmp_path_factory.mktemp("block") / "block.c"
    source.write_text(
        HEAP_BLOCKS[name]
        + """
        static int used;
        void *malloc(unsigned size) { char *p = bottom() + used; used += size; return p; }
        void init(void) { *(volatile int *)malloc(4) = 42; }
        int get(void) { return *(volatile int *)bottom(); }
        int fill(int n) { volatile char *p = malloc(n); for (int i = 0; i < n; i++) p[i] = 1; return used; }
        """
    )
    machine = Machine.from_elf(build(source))
    assert machine.call("get", before=["init"]).result == 42
    assert machine.call("fill", 100).heap_bytes == 100
    assert machine.call("fill", 100, keep=True).heap_bytes == 200
    cost = machine.call("fill", 50, before=["init"])
    assert (cost.heap_bytes, cost.memory.sram_heap) == (54, 0)
    assert machine.call("fill", 1024).heap_bytes == 1024
    block = machine.call("bottom", result="u32").result
    assert machine.alloc(8).address >= block + 1024


def test_rust_has_an_allocator_in_either_mangling() -> None:
    for name in ("__rust_alloc", "_RNvCs5QKde7ScR4H_7___rustc12___rust_alloc"):
        assert uses_heap([symbol(name, 0, 4, "function")])
