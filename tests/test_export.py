"""Images that measure themselves: their UF2 by a reader of the specification, and what they print by running them."""

from __future__ import annotations

import json
import random
import re
import struct
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

import numpy as np
import pytest
from conftest import FIRMWARE, Build
from engine_programs import programs_that_return
from test_cli import Run, run

from m0sim import Fault, Firmware, Machine, UsageError
from m0sim.board import log, second_stage
from m0sim.board.image import exported
from m0sim.board.layout import Code, laid_out
from m0sim.board.prepared import Prepared, prepare
from m0sim.board.request import Request
from m0sim.chip import arguments, device, operands
from m0sim.image import load_elf
from m0sim.image.moving import moved

__all__ = ["run"]
ROOT = Path(__file__).parents[1]
SRAM_END = 0x20042000


class BenchLine(NamedTuple):
    cycles: int
    result_text: str


def blocks_of(data: bytes) -> list[tuple[int, bytes]]:
    """UF2 as github.com/microsoft/uf2 and the RP2040's datasheet, 2.8.4.2, have it: address and content of each block.

    What pico-bootrom asks of a block for RAM is asserted: whole 512 bytes, three magic numbers, the family with its
    flag, 256 bytes of content, numbers from 0 in a count that all of them have, and no more than 1,280 blocks.
    """
    assert len(data) % 512 == 0
    found = []
    count = len(data) // 512
    for number in range(count):
        block = data[512 * number : 512 * number + 512]
        words = struct.unpack("<8I", block[:32])
        assert words[0] == 0x0A324655
        assert words[1] == 0x9E5D5157
        assert block[508:] == struct.pack("<I", 0x0AB16F30)
        assert words[2] == 0x2000
        assert words[4] == 256
        assert words[5:7] == (number, count)
        assert words[7] == 0xE48BFF56
        assert block[32 + 256 : 508] == bytes(476 - 256)
        found.append((words[3], block[32 : 32 + 256]))
    assert 1 <= count <= 1280
    return found


def requested(function: str, *args: str, **more: object) -> Request:
    return Request(function, function, tuple(map(operands.read, args)), **more)


def prepared(
    elf: Path, *requests: Request, repeats: int | None = None, code: Code = "sram"
) -> tuple[bytes, list[Prepared]]:
    image, chip = load_elf(elf), device.load("rp2040")
    layout = laid_out(image, code)
    benches = [prepare(request, image, layout, chip) for request in requests]
    return exported(layout, benches, repeats=repeats).uf2, benches


def log_of(text: str, folder: Path) -> list[BenchLine]:
    """The board's lines: of each bench, the first repeat."""
    file = folder / "log.txt"
    file.write_text(text)
    found = log.read(file)
    assert found.is_equal
    return [BenchLine(bench.measured[0].cycles, bench.measured[0].result) for bench in found.benches]


def printed(uf2: bytes, folder: Path) -> str:
    """What it prints in a chip that begins as after the boot ROM has loaded it, until it ends by itself."""
    file = folder / "bench.uf2"
    file.write_bytes(uf2)
    done = Firmware.from_file(file).run()
    assert (done.exit.reason, done.exit.code) == ("exit", 0), done.exit
    return done.output


CASES = """
#include <stdint.h>
int counter = 7;
static int blank[5];
static const int table[4] = {3, 1, 4, 1};
int (*volatile chosen)(int);
static int twice(int x) { return 2 * x + table[x & 3]; }
int changes(int n) { for (int i = 0; i < n; i++) { counter += i; blank[i % 5] += counter; } return counter; }
int through_pointer(int x) { chosen = twice; return chosen(x) + table[x & 3]; }
int many(int a, int b, int c, int d, int e, int f, int g) { return a + 2*b + 3*c + 5*d + 7*e + 11*f + 13*g; }
uint64_t wide(uint64_t a, uint32_t b) { return a * b; }
void nothing(void) {}
int writes(uint8_t *p, int n) { for (int i = 0; i < n; i++) p[i] = (uint8_t)(p[i] * 3 + i); return n; }
struct big { int a, b, c, d; };
struct big make(int x) { struct big s = {x, x + 1, x + 2, x * x}; return s; }
void prepare_it(int x) { counter = x; }
int look(int x) { return table[x & 3]; }
int where(int a, int b, int c, int d, int e) { int sp; __asm__ volatile("mov %0, sp" : "=r"(sp)); return sp + e; }
"""


@pytest.fixture(scope="module")
def cases(build: Build, tmp_path_factory: pytest.TempPathFactory) -> Path:
    source = tmp_path_factory.mktemp("export") / "cases.c"
    source.write_text(CASES)
    return build(source, movable=True)


def test_what_a_board_prints_is_what_call_counts(cases: Path, tmp_path: Path) -> None:
    """Variables are put back before each repeat, arguments lie on the stack, results have one word, two and none."""
    numbers = np.arange(1, 34, dtype=np.uint8)
    asked = [
        requested("changes", "9"),
        requested("through_pointer", "2"),
        requested("many", "1", "2", "3", "4", "5", "6", "-7"),
        requested("wide", "u64:0x123456789abcdef", "77"),
        requested("nothing"),
        requested("writes", f"hex:{numbers.tobytes().hex()}", "33"),
        requested("make", "12"),
        requested("changes", "3", before=(operands.read_call("prepare_it(1000)"),)),
        requested("where", "1", "2", "3", "4", "5"),
    ]
    uf2, _ = prepared(cases, *asked)
    blocks = blocks_of(uf2)
    assert min(at for at, _ in blocks) == blocks[0][0]  # where the boot ROM enters it
    text = printed(uf2, tmp_path)
    machine = Machine.from_elf(cases)
    costs = [
        machine.call("changes", 9),
        machine.call("through_pointer", 2),
        machine.call("many", 1, 2, 3, 4, 5, 6, -7),
        machine.call("wide", 0x123456789ABCDEF, 77),
        machine.call("nothing"),
        machine.call("writes", numbers, 33),
        machine.call("make", 12),
        machine.call("changes", 3, before=[("prepare_it", 1000)]),
        machine.call("where", 1, 2, 3, 4, 5),
    ]
    lines = [re.findall(rf"^board {i} cycles (\d+) result (\S+) memory ", text, re.M) for i in range(len(costs))]
    results = [
        *(f"{cost.result & 0xFFFFFFFF:08x}" for cost in costs[:3]),
        f"{costs[3].result:016x}",
        "-",
        "00000021",
        "-",
        f"{costs[7].result & 0xFFFFFFFF:08x}",
        f"{costs[8].result & 0xFFFFFFFF:08x}",  # the stack is where `call` has it
    ]
    assert lines == [[(str(cost.cycles), result)] * 3 for cost, result in zip(costs, results, strict=True)]


def test_memory_is_checked_as_well(cases: Path, tmp_path: Path) -> None:
    """The checksum is that of the variables, as the simulated call leaves them, and of the buffers."""
    uf2, (bench,) = prepared(cases, requested("writes", "hex:0102030405", "5"))
    found = re.findall(r" memory ([0-9a-f]{8})", printed(uf2, tmp_path))
    assert found == [f"{bench.memory:08x}"] * 4
    variables = [s for s in load_elf(cases).segments if 0x20000000 <= s.address < SRAM_END]
    content = b"".join(s.data.ljust(s.size, b"\0") for s in variables)
    assert bench.memory == crc32(content + bytes((3 * x + i) & 255 for i, x in enumerate([1, 2, 3, 4, 5])))


def test_calls_longer_than_systick_counts(build: Build, tmp_path: Path) -> None:
    """SysTick goes round every 16,777,216 cycles: the microseconds tell how often."""
    source = tmp_path / "long.S"
    source.write_text(
        """
        .syntax unified
        .text
        .global spin
        .type spin, %function
        .thumb_func
spin:   subs r0, #1
        bne spin
        bx lr
        .size spin, . - spin
        """
    )
    turns = (1, 5_592_405)  # 3 cycles each and 1: the second is one turn of SysTick, 2^24 cycles
    uf2, benches = prepared(build(source), *(requested("spin", str(n)) for n in turns), repeats=1)
    assert [bench.cycles for bench in benches] == [3 * n + 1 for n in turns]
    counted = re.findall(r"^board \d+ cycles (\d+) ", printed(uf2, tmp_path), re.M)
    assert counted == [str(bench.cycles) for bench in benches]


@pytest.mark.long
@pytest.mark.parametrize("flash", [False, True])
def test_every_bench_of_the_kernels(run: Run, tmp_path: Path, flash: bool) -> None:
    """What an image of all of them prints from the ROM's entry on is what `check` keeps as their cycles."""
    uf2, text = tmp_path / "kernels.uf2", tmp_path / "log.txt"
    words = ["--flash"] if flash else []
    done = run("export", str(ROOT / "kernels/m0sim.toml"), "--no-build", "-o", str(uf2), "--json", *words).json
    assert done["left_out"] == []
    assert len(done["benches"]) >= 80
    if not flash:
        kept = json.loads((ROOT / "kernels/m0sim-baseline.json").read_text())["benches"]
        assert {b["name"]: b["cycles"] for b in done["benches"]} == {name: b["cycles"] for name, b in kept.items()}
    assert len(blocks_of(uf2.read_bytes())) * 512 == done["bytes"]
    text.write_text(run("run", str(uf2)).out)
    read = run("export", "--read", str(text), "--json")
    assert read.code == 0
    assert read.json["summary"] == {"equal": len(done["benches"]), "differs": 0, "missing": 0}
    for bench, told in zip(read.json["benches"], done["benches"], strict=True):
        first = {key: told[key] for key in ("cycles", "result", "memory")}
        later = first | {"cycles": told["later_cycles"]}
        assert (bench["name"], bench["board"]) == (told["name"], [first, later] if flash else [first] * 3)


@pytest.mark.long
@pytest.mark.parametrize("code", ["sram", "flash"])
@pytest.mark.parametrize("seed", range(3))
def test_random_programs(seed: int, code: Code, tmp_path: Path) -> None:
    """Those that other tests compare engines with: whatever they do, the board counts what `call` does."""
    asked, counted = [], []
    for number, (machine, entry, (buffer, *words)) in enumerate(programs_that_return(seed, 20, "rp2040")):
        content = operands.Content("data", buffer.read().tobytes())
        asked.append(Request(f"p{number}", hex(entry), (content, *map(arguments.word, words))))
        models = ("ideal",) * 3 if code == "sram" else ("cold", "warm")
        costs = []
        for model in models:
            buffer.write(np.frombuffer(content.content, np.uint8))
            costs.append(machine.call(entry, buffer, *words, flash=model))
        counted.append([cost.cycles for cost in costs])
    chip = device.load("rp2040")
    layout = laid_out(machine.image, code)
    benches, refused = [], 0
    for request in asked:
        try:
            benches.append(prepare(request, machine.image, layout, chip))
        except UsageError as error:
            refused += "depends on addresses" in str(error) or "executes WFE" in str(error)
            del counted[len(benches)]
    assert len(benches) + refused == 20
    assert len(benches) > 8
    found = read(tmp_path, printed(exported(layout, benches).uf2, tmp_path).encode())
    assert found.is_intact  # what they leave has registers in it that nobody passed: they are others on the board
    assert [[c.cycles for c in bench.measured] for bench in found.benches] == counted


@pytest.mark.parametrize("code", ["sram", pytest.param("flash", marks=pytest.mark.long)])
def test_programs_with_a_heap(build: Build, tmp_path: Path, code: Code) -> None:
    """It grows into free SRAM: what measures it lies above. The heap is as new for each repeat."""
    elf = build("heap.c", "bump.c", linker_script=FIRMWARE / "heap.ld", movable=True)
    asked = [requested("fill", "1000"), requested("sum", "hex:010203", "3"), requested("grow", "5")]
    machine = Machine.from_elf(elf)
    costs = [
        machine.call("fill", 1000),
        machine.call("sum", np.arange(1, 4, dtype=np.uint8), 3),
        machine.call("grow", 5),
    ]
    uf2, benches = prepared(elf, *asked, code=code)
    assert log_of(printed(uf2, tmp_path), tmp_path) == [(bench.cycles, bench.result_text) for bench in benches]
    assert [bench.result_text for bench in benches] == [f"{cost.result:08x}" for cost in costs]
    if code == "sram":
        assert [bench.cycles for bench in benches] == [cost.cycles for cost in costs]


@pytest.mark.long
def test_a_stack_of_its_own_and_a_heap_below_it(build: Build, tmp_path: Path) -> None:
    """As programs of the Pico's SDK have it: operands lie at the end of the heap's memory, far above the code."""
    elf = build("heap.c", "bump.c", linker_script=FIRMWARE / "claims.ld", movable=True)
    uf2, (bench,) = prepared(elf, requested("sum", f"hex:{bytes(range(200)).hex()}", "200"))
    assert bench.result_text == f"{sum(range(200)):08x}"
    assert log_of(printed(uf2, tmp_path), tmp_path) == [(bench.cycles, bench.result_text)]


@pytest.mark.parametrize(("name", "what"), [("wfe", "WFE"), ("svc #1", "SVC"), ("bkpt #0xab", "prints")])
def test_what_does_something_else_on_a_board_is_refused(build: Build, tmp_path: Path, name: str, what: str) -> None:
    source = tmp_path / "waits.S"
    source.write_text(
        f"""
        .syntax unified
        .section .vectors, "a"
        .word 0x20042000, waits + 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, waits + 1
        .text
        .global waits
        .type waits, %function
        .thumb_func
waits:  push {{r0, r1}}
        mov r1, sp
        movs r0, #3
        {name}
        add sp, #8
        bx lr
        .size waits, . - waits
        """
    )
    with pytest.raises((UsageError, Fault), match=rf"executes {what}|SVC|{what}, by"):
        prepared(build(source), requested("waits"))


def test_what_a_board_may_find_otherwise_is_said(build: Build, tmp_path: Path, run: Run) -> None:
    source = tmp_path / "old.c"
    source.write_text("int old(void) { volatile int found[4]; return found[2]; }")
    done = run("export", str(build(source)), "old", "-o", str(tmp_path / "b.uf2"))
    assert done.code == 0
    assert "warning: old: uninitialised: old+0x" in done.err


def test_writes_to_where_the_image_is_are_refused(build: Build, tmp_path: Path) -> None:
    source = tmp_path / "wild.c"
    source.write_text("int wild(int *p) { *p = 7; return 0; }")
    with pytest.raises(UsageError, match="writes to memory that the program does not claim"):
        prepared(build(source), requested("wild", "0x20000100"))


def test_a_fault_on_the_board_is_told(cases: Path, tmp_path: Path) -> None:
    """The function's first instruction is another one than in the simulation: undefined, so the board faults there."""
    uf2, _ = prepared(cases, requested("nothing"), requested("changes", "9"))
    place = laid_out(load_elf(cases), "sram").program.find("changes").address
    changed = bytearray(uf2)
    for at in range(0, len(uf2), 512):
        (address,) = struct.unpack_from("<I", uf2, at + 12)
        if address <= place < address + 256:
            struct.pack_into("<H", changed, at + 32 + place - address, 0xDE00)
    file = tmp_path / "bench.uf2"
    file.write_bytes(changed)
    text = Firmware.from_file(file).run(until_output="any key").output
    assert f"fault 1 pc {place:08x}" in text
    (tmp_path / "log.txt").write_text(text)
    found = log.read(tmp_path / "log.txt")
    assert found.is_intact
    assert [(bench.status, bench.fault) for bench in found.benches] == [("equal", None), ("differs", place)]


def test_constants_that_are_not_told_of_are_noticed(cases: Path, build: Build, tmp_path: Path) -> None:
    """Without relocations, code that looks for its constants in flash is refused, and code that does not is not."""
    source = tmp_path / "cases.c"
    source.write_text(CASES)
    elf = build(source)
    assert load_elf(elf).address_words is None
    prepared(elf, requested("writes", "hex:01", "1"))
    for name in ("through_pointer", "look"):
        with pytest.raises(UsageError, match=r"does not run where the board has it: .*--emit-relocs"):
            prepared(elf, requested(name, "2"))


def test_a_program_that_is_moved_keeps_its_signatures(cases: Path) -> None:
    image = load_elf(cases)
    there = moved(image, 0x1234_0000, lambda s: s.address < 0x20000000)
    for name in ("wide", "make", "many"):
        assert there.find(name).address == image.find(name).address + 0x1234_0000
        assert str(there.signature(there.find(name))) == str(image.signature(image.find(name)))
    assert there.find("counter").address == image.find("counter").address


# ----------------------------------------------------------------------------------------------------------- flash


def rom_checksum(content: bytes) -> int:
    """The boot ROM's CRC by zlib's, which takes bits the other way round and inverts the end."""
    turned = bytes(int(f"{byte:08b}"[::-1], 2) for byte in content)
    return int(f"{~crc32(turned) & 0xFFFFFFFF:032b}"[::-1], 2)


def test_the_checksum_of_a_second_stage() -> None:
    page = (ROOT / "docs/firmware.md").read_text()
    words = [int(word, 16) for word in re.search(r"\.section \.boot2.*\n\s+\.word(.*)", page)[1].split(",")]
    stage = struct.pack(f"<{len(words)}I", *words).ljust(252, b"\0")
    assert f".word   {second_stage.checksum(stage):#010x}" in page
    for content in (stage, bytes(252), bytes(range(252)), b"\xff" * 252):
        assert second_stage.checksum(content) == rom_checksum(content)


def test_from_flash_the_board_prints_what_call_counts_cold_and_warm(cases: Path, tmp_path: Path) -> None:
    asked = [requested("changes", "9"), requested("through_pointer", "2"), requested("writes", "hex:0102030405", "5")]
    asked.append(asked[0])  # what it needs is in the cache, until that is emptied
    uf2, _ = prepared(cases, *asked, code="flash")
    blocks = blocks_of(uf2)
    for first in range(0, len(blocks), 16):  # the boot ROM erases one sector for 16 numbers
        assert [at for at, _ in blocks[first : first + 16]] == list(
            range(blocks[first][0], blocks[first][0] + 4096, 256)
        )
        assert blocks[first][0] % 4096 == 0
    assert blocks[0][0] == 0x10000000
    stage = blocks[0][1]
    assert rom_checksum(stage[:252]) == int.from_bytes(stage[252:], "little")
    text = printed(uf2, tmp_path)
    machine = Machine.from_elf(cases)
    calls = [
        ("changes", (9,)),
        ("through_pointer", (2,)),
        ("writes", (np.arange(1, 6, dtype=np.uint8), 5)),
        ("changes", (9,)),
    ]
    counted = [[machine.call(name, *args, flash=flash).cycles for flash in ("cold", "warm")] for name, args in calls]
    for who in ("board", "m0sim"):
        found = [[int(n) for n in re.findall(rf"^{who} {i} cycles (\d+) ", text, re.M)] for i in range(4)]
        assert found == counted
    assert all(cold > warm for cold, warm in counted)


@pytest.mark.long
def test_code_behind_a_second_stage_of_its_own_stays(build: Build, tmp_path: Path) -> None:
    """Only the second stage is another one then; code that needs its place and tells of no addresses runs, too."""
    words = bytearray(252)
    source, script = tmp_path / "own.S", tmp_path / "own.ld"
    source.write_text(
        f"""
        .syntax unified
        .section .boot2, "a"
        .space 252
        .word {rom_checksum(bytes(words)):#x}
        .text
        .global look
        .type look, %function
        .thumb_func
look:   ldr r0, =constant
        ldr r0, [r0]
        bx lr
        .ltorg
        .size look, . - look
        .section .rodata.constant, "a"
        .p2align 2
constant: .word 0x12345678
        """
    )
    script.write_text(
        """SECTIONS {
            .boot2 0x10000000 : { KEEP(*(.boot2)) }
            .text : { KEEP(*(.text*)) }
            .rodata : { KEEP(*(.rodata*)) }
        }"""
    )
    elf = build(source, linker_script=script)
    uf2, (bench,) = prepared(elf, requested("look"), code="flash")
    there = dict(blocks_of(uf2))
    linked = load_elf(elf).segments[0]
    assert there[0x10000100][: linked.size - 256] == linked.data[256:]
    assert bench.result_text == "12345678"
    assert printed(uf2, tmp_path).count("result 12345678") == 4


def test_what_cannot_run_from_flash_is_refused(cases: Path, build: Build) -> None:
    with pytest.raises(UsageError, match="calls other functions first"):
        prepared(cases, requested("changes", "3", before=(operands.read_call("prepare_it(1)"),)), code="flash")


# ------------------------------------------------------------------------------------------------------------ logs


@pytest.fixture(scope="module")
def intact(cases: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    uf2, _ = prepared(cases, requested("changes", "9"), requested("nothing"))
    return printed(uf2, tmp_path_factory.mktemp("log"))


def read(folder: Path, content: bytes) -> log.BoardLog:
    file = folder / "log.txt"
    file.write_bytes(content)
    return log.read(file)


def test_a_log_may_have_anything_around_it(intact: str, tmp_path: Path) -> None:
    for before, after in ((b"", b""), (b"\xff\x00\x80boot", b"\r\n> "), (b"m0sim export 1 version x\n", b"\xfe" * 50)):
        for text in (intact, intact.replace("\r\n", "\n"), intact.replace("\r\n", "\r\r\n")):
            found = read(tmp_path, before + text.encode() + after)
            assert found.is_equal
            assert [bench.status for bench in found.benches] == ["equal", "equal"]
            assert [bench.name for bench in found.benches] == ["changes", "nothing"]


def test_of_several_reports_the_last_whole_one_counts(intact: str, tmp_path: Path) -> None:
    half = intact[: len(intact) // 2]
    assert read(tmp_path, (intact + half).encode()).is_equal
    assert read(tmp_path, (half + intact).encode()).is_equal
    other = intact.replace("board 1 cycles 2", "board 1 cycles 3")
    assert read(tmp_path, (other + intact).encode()).is_equal
    assert read(tmp_path, (intact + other).encode()).is_equal  # the other one was damaged on the way


def test_what_is_missing_is_said(intact: str, tmp_path: Path, run: Run) -> None:
    lines = intact.splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith("m0sim export"))
    for end in range(first + 1, len(lines) - 2):
        found = read(tmp_path, "\n".join(lines[:end]).encode())
        assert not found.is_equal
        assert not found.has_end
        assert found.count("missing") >= 1 or end == len(lines) - 2 or "end" in lines[end]
    done = run("export", "--read", str(tmp_path / "log.txt"))
    assert done.code == 1
    assert "the log ends before the report does" in done.out


@pytest.mark.parametrize("part", ["cycles", "result", "memory"])
def test_a_difference_is_a_difference(intact: str, tmp_path: Path, run: Run, part: str) -> None:
    """Of each figure, with a right checksum: what a board that counts otherwise prints."""
    at = next(m for m in re.finditer(rf"^board 0 .*{part} (\w+)", intact, re.M)).span(1)
    changed = intact[: at[0]] + ("1" * (at[1] - at[0])) + intact[at[1] :]
    lines = [line for line in changed.splitlines() if line]
    first = next(i for i, line in enumerate(lines) if line.startswith("m0sim export"))
    end = next(i for i, line in enumerate(lines) if line.startswith("end "))
    checked = "".join(f"{line}\n" for line in lines[first:end])
    found = read(tmp_path, f"{checked}end {crc32(checked.encode()):08x}\n".encode())
    assert found.is_intact
    assert [bench.status for bench in found.benches] == ["differs", "equal"]
    assert found.benches[0].differences == (part,)
    done = run("export", "--read", str(tmp_path / "log.txt"), "--json")
    assert (done.code, done.json["is_equal"]) == (1, False)
    assert done.json["summary"] == {"equal": 1, "differs": 1, "missing": 0}


def test_any_change_of_a_character_is_noticed(intact: str, tmp_path: Path) -> None:
    rng = random.Random(20)
    begin, end = intact.index("m0sim export"), intact.index("\r\nend ") + 14
    for _ in range(40):
        at = rng.randrange(begin, end)
        if intact[at] in "\r\n":
            continue
        changed = intact[:at] + chr(ord(intact[at]) ^ 1) + intact[at + 1 :]
        with suppress(UsageError):  # the head was changed
            assert not read(tmp_path, changed.encode()).is_equal


def test_damaged_logs_do_no_harm(intact: str, tmp_path: Path) -> None:
    rng = random.Random(7)
    text = intact.encode()
    for _ in range(80):
        data = bytearray(text)
        for _ in range(rng.randrange(1, 12)):
            at = rng.randrange(len(data))
            data[at : at + rng.randrange(3)] = rng.randbytes(rng.randrange(4))
        with suppress(UsageError):
            found = read(tmp_path, bytes(data))
            assert not found.is_equal or found.is_intact
    with pytest.raises(UsageError, match="no exported image has"):
        read(tmp_path, re.sub(rb"benches \d+", b"benches 999999999", text))
    with pytest.raises(UsageError, match="no line that begins with"):
        read(tmp_path, b"hello\n" * 1000)


# --------------------------------------------------------------------------------------------------------- the verb


def test_one_call_from_the_command_line(run: Run, tmp_path: Path) -> None:
    elf, uf2 = ROOT / "build/examples/dot.elf", tmp_path / "bench.uf2"
    words = ("dot_s8", f"@{ROOT}/examples/a.bin", f"@{ROOT}/examples/b.bin", "1000")
    done = run("export", str(elf), *words, "-o", str(uf2), "--repeats", "2")
    assert (done.code, done.err) == (0, "")
    call = run("call", str(elf), *words, "--json").json
    assert f"{call['cycles']:,}" in done.out
    text = tmp_path / "log.txt"
    text.write_text(printed(uf2.read_bytes(), tmp_path))
    read = run("export", "--read", str(text))
    assert read.code == 0
    assert re.search(rf"dot_s8 +{call['cycles']:,} +{call['cycles']:,} +0 +equal", read.out)
    assert "1 equal, 0 differ, 0 missing" in read.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["x.elf"], "say where the image goes: -o bench.uf2"),
        (["x.elf", "-o", "b.uf2"], "name the function that is to be measured, behind the image"),
        (["x.elf", "--read", "log.txt"], "--read takes the log alone"),
        (["m.toml", "f", "-o", "b.uf2"], "says itself what is called: leave out a function"),
        (["x.elf", "f", "--only", "a", "-o", "b.uf2"], "--only chooses benches of a manifest"),
        (["x.elf", "f", "-o", "b.uf2"], "x.elf: no such file"),
        (["--read", "none.txt"], "none.txt: cannot read the log"),
    ],
)
def test_what_makes_no_sense_is_refused(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    done = run("export", *words)
    assert done.code == 2
    assert said in done.err
    assert done.err.count("\n") == 1


def test_benches_that_no_board_can_measure_are_told(run: Run, build: Build, tmp_path: Path) -> None:
    elf = ROOT / "build/examples/dot.elf"
    manifest = tmp_path / "m0sim.toml"
    manifest.write_text(
        f"""
        image = "{elf}"
        [[bench]]
        name = "good"
        function = "dot_s8"
        args = ["hex:0102", "hex:0304", 2]
        [[bench]]
        name = "too large"
        function = "dot_s8"
        args = ["out:200K", "out:100K", 2]
        [[bench]]
        name = "stubbed"
        function = "dot_s8"
        args = ["hex:0102", "hex:0304", 2]
        stubs = {{ dot_s8 = 1 }}
        [[bench]]
        name = "cold"
        function = "dot_s8"
        args = ["hex:0102", "hex:0304", 2]
        flash = "cold"
        [[bench]]
        name = "another part"
        function = "dot_s8"
        args = ["hex:0102", "hex:0304", 2]
        profile = "stm32g0"
        """
    )
    done = run("export", str(manifest), "-o", str(tmp_path / "b.uf2"), "--json")
    assert done.code == 0
    assert [bench["name"] for bench in done.json["benches"]] == ["good"]
    reasons = {each["name"]: each["reason"] for each in done.json["left_out"]}
    assert list(reasons) == ["stubbed", "cold", "another part", "too large"]
    assert reasons["another part"] == "is for stm32g0, and the board has an RP2040"
    assert "do not fit into the SRAM" in reasons["too large"]
    assert reasons["stubbed"] == "needs stubs, which an exported image does not have"
    with manifest.open("a") as file:
        file.write('[[bench]]\nname = "slow"\nfunction = "dot_s8"\nargs = [1, 3, 0]\nprofile = "rp2040-clkdiv4"\n')
    done = run("export", str(manifest), "--flash", "-o", str(tmp_path / "b.uf2"), "--json").json
    assert [bench["name"] for bench in done["benches"]] == ["good", "cold"]
    reasons = {each["name"]: each["reason"] for each in done["left_out"]}
    assert reasons["slow"] == "is for rp2040-clkdiv4, and the board has an RP2040, its flash at half the clock"


# ------------------------------------------------------------------------------------------ without a debugger


def test_a_key_runs_it_again(cases: Path, tmp_path: Path) -> None:
    """The breakpoint that ends a run of m0sim is a NOP here, as it is on a board on which nobody looks."""
    uf2, _ = prepared(cases, requested("changes", "9"), repeats=1)
    assert uf2.count(b"\xab\xbe") == 2  # and the handler of faults, which looks for it
    file = tmp_path / "bench.uf2"
    file.write_bytes(uf2.replace(b"\xab\xbe", b"\x00\xbf", 1))
    firmware = Firmware.from_file(file)
    text = firmware.run(stdin=b"x", seconds=0.1).output
    once = firmware.run(seconds=0.1).output
    assert once.count("any key runs it again") == 1
    assert text == once + once
    assert read(tmp_path, text.encode()).is_equal


def test_a_breakpoint_that_nobody_takes_is_left_behind() -> None:
    """It comes to the handler of faults, with the frame that was stacked: DDI 0419, B1.5.6."""
    machine = Machine.from_elf(ROOT / "m0sim/board/runtime/rp2040.elf")
    ends = machine.symbol("board_exit")
    code = machine.read(ends.address, ends.size).tobytes()
    pc = ends.address + code.index(b"\xab\xbe")
    frame = [10, 11, 12, 13, 14, 15, pc, 0x01000000]
    machine.call("fault", 0, 0, 0, 0, *frame)
    stacked = machine.read(machine.space.stack_top - 32, 32).view(np.uint32).tolist()
    assert stacked == [10, 11, 12, 13, 14, 15, pc + 2, 0x01000000]
