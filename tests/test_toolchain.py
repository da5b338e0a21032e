"""The toolchains build what tests and kernels need: no host behind the code, no helper that was not asked for."""

from __future__ import annotations

import importlib.util
import shutil
import struct
from pathlib import Path

import pytest
from conftest import FIRMWARE, LINKER_SCRIPT, Build, found_toolchain

from m0sim import toolchain
from m0sim.errors import UsageError
from m0sim.image import load_elf

BOTH = pytest.mark.parametrize("name", toolchain.NAMES)


def test_unknown_name_says_which_there_are() -> None:
    with pytest.raises(UsageError, match="'zig' and 'gnu'"):
        toolchain.find("keil")


def test_missing_zig_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"pip install 'm0sim\[toolchain\]'"):
        toolchain.find("zig")


def test_missing_gnu_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(UsageError, match="apt install gcc-arm-none-eabi"):
        toolchain.find("gnu")


@BOTH
def test_version_is_one_line_with_a_number(name: str) -> None:
    kind, number = found_toolchain(name).version().split()
    assert kind == name
    assert number.split(".")[0].isdigit()


@BOTH
def test_every_language_builds_into_an_arm_executable(build: Build, name: str) -> None:
    path = build("memory.c", "shapes.cpp", "pools.S", toolchain=name)
    kind, machine = struct.unpack_from("<HH", path.read_bytes(), 16)
    assert (kind, machine) == (2, 40)


@BOTH
def test_runtime_is_there_but_only_what_is_used(build: Build, name: str) -> None:
    """Division and float multiplication of memory.c come from the compiler's runtime; the rest of it is dropped."""
    text = build("memory.c", toolchain=name).read_bytes()
    offset, count = struct.unpack_from("<I", text, 28)[0], struct.unpack_from("<H", text, 44)[0]
    loaded = [struct.unpack_from("<8I", text, offset + 32 * i) for i in range(count)]
    assert sum(fields[4] for fields in loaded if fields[0] == 1) < 4096


@BOTH
def test_unoptimised_code_has_no_sanitizer_and_no_stack_guard(build: Build, name: str) -> None:
    image = load_elf(build("memory.c", "shapes.cpp", toolchain=name, flags=("-O0", "-g")))
    assert not [s.name for s in image.symbols if "ubsan" in s.name or "stack_chk" in s.name]


@BOTH
def test_compile_error_carries_the_compilers_message(tmp_path: Path, name: str) -> None:
    source = tmp_path / "wrong.c"
    source.write_text("int f(void) { return missing_thing; }\n")
    with pytest.raises(UsageError, match="missing_thing"):
        found_toolchain(name).build([source], tmp_path / "wrong.elf", linker_script=LINKER_SCRIPT)
    assert not (tmp_path / "wrong.elf").exists()


@BOTH
def test_link_error_carries_the_linkers_message(tmp_path: Path, name: str) -> None:
    source = tmp_path / "half.c"
    source.write_text("int elsewhere(void);\nint f(void) { return elsewhere() + 1; }\n")
    with pytest.raises(UsageError, match="elsewhere"):
        found_toolchain(name).build([source], tmp_path / "half.elf", linker_script=LINKER_SCRIPT)


def test_instructions_beyond_armv6m_do_not_assemble(tmp_path: Path) -> None:
    source = tmp_path / "m3.S"
    source.write_text("    .syntax unified\n    .thumb\n    udiv r0, r0, r1\n")
    with pytest.raises(UsageError, match="udiv"):
        found_toolchain("zig").build([source], tmp_path / "m3.elf", linker_script=LINKER_SCRIPT)


def test_wrong_sources_are_refused(tmp_path: Path) -> None:
    zig = found_toolchain("zig")
    with pytest.raises(UsageError, match="nothing to build"):
        zig.build([], tmp_path / "x.elf")
    with pytest.raises(UsageError, match="no such file"):
        zig.build([tmp_path / "absent.c"], tmp_path / "x.elf")
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(UsageError, match="language"):
        zig.build([tmp_path / "notes.txt"], tmp_path / "x.elf")
    with pytest.raises(UsageError, match=r"absent\.ld"):
        zig.build([FIRMWARE / "lines.c"], tmp_path / "x.elf", linker_script=tmp_path / "absent.ld")


def test_sources_of_one_name_in_two_folders(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "same.c").write_text(f"int in_{folder}(void) {{ return 1; }}\n")
    sources = [tmp_path / "one" / "same.c", tmp_path / "two" / "same.c"]
    text = found_toolchain("zig").build(sources, tmp_path / "same.elf", linker_script=LINKER_SCRIPT).read_bytes()
    assert b"in_one\0" in text
    assert b"in_two\0" in text
