"""Damaged ELF, HEX and UF2 files in `call`, `annotate` and the exports: a result or one line, soon, in bounds."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from pathlib import Path

import mutate_verbs
import pytest
from conftest import Build, parts
from flash_files import hex_file, uf2_file
from make_elf import CODE, Load, Sec, Sym, elf, reader
from test_debug_bounds import COMPRESSED, GOOD, packed

import m0sim
from m0sim.image import load_elf

FLASH, SRAM = 0x10000000, 0x20000000
MEMORY_LIMIT, SECONDS = 512 << 20, 5


@pytest.fixture(scope="module")
def originals(build: Build, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A linked ELF with both kinds of debug information, its HEX and UF2, compressed sections, and armlink's layout."""
    folder = tmp_path_factory.mktemp("originals")
    app = folder / "app.elf"
    app.write_bytes(build("statics_a.c", "pools.S", "lines.c", flags=("-O1", "-g")).read_bytes())
    memory = [(s.load_address, s.data) for s in load_elf(app).segments if s.data]
    (folder / "app.hex").write_bytes(hex_file(memory))
    (folder / "app.uf2").write_bytes(uf2_file(memory))
    code = reader(SRAM) + reader(SRAM + 8)
    load = FLASH + len(code) + 32
    table = struct.pack("<8I", load, SRAM, 8, FLASH | 1, load + 4, SRAM + 8, 16, FLASH + 12 | 1)
    sections = [Sec("ER_IROM1", FLASH, code + table, CODE), Sec("RW_IRAM1", SRAM, b"\x5a" * 4),
                Sec("RW_IRAM1", SRAM + 8, 16), Sec(".debug_line", 0, packed(GOOD), COMPRESSED),
                Sec(".zdebug_str", 0, b"ZLIB" + bytes(24), 0)]  # fmt: skip
    symbols = [Sym("get", FLASH | 1, 12), Sym("__decompress", FLASH + 12 | 1, 12),
               Sym("Region$$Table$$Base", FLASH + 24, 0, 0), Sym("Region$$Table$$Limit", FLASH + 56, 0, 0)]  # fmt: skip
    (folder / "keil.axf").write_bytes(elf(sections, [Load(FLASH, 0, 2, more=16)], symbols))
    return [folder / name for name in ("app.elf", "keil.axf", "app.hex", "app.uf2")]


def of_mutants(originals: list[Path], count: int, seed: int, timeout: float) -> dict[str, object]:
    root = Path(m0sim.__file__).parents[1]
    done = subprocess.run(
        [sys.executable, mutate_verbs.__file__, str(count), str(seed), *map(str, originals)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(root)},
        timeout=timeout,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def check(result: dict[str, object], count: int) -> None:
    assert result["escaped"] == []
    assert sum(result["outcomes"].values()) == count
    assert result["slowest"] < SECONDS
    assert result["memory_bytes"] < MEMORY_LIMIT


def test_the_originals_run(originals: list[Path], tmp_path: Path) -> None:
    assert [mutate_verbs.run(file, tmp_path, None) for file in originals] == ["ran"] * len(originals)


def test_a_few_mutants_end_in_a_result_or_a_line(originals: list[Path]) -> None:
    check(of_mutants(originals, 8, 5, 60), 8)


@pytest.mark.long
@pytest.mark.parametrize("seed", parts(range(100, 1100, 100), long=2))
def test_two_thousand_mutants_end_in_a_result_or_a_line(originals: list[Path], seed: int) -> None:
    """In ten parts of 200, half a minute each: two in the long run."""
    result = of_mutants(originals, 200, seed, 600)
    check(result, 200)
    ran = sum(n for kind, n in result["outcomes"].items() if not kind.endswith("refused"))
    assert 200 // 5 < ran < 200  # neither everything refused, nor everything let through
