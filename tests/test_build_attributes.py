"""What an image was compiled for, as its build attributes say: bytes by hand after the ABI's addenda."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m0sim import Machine
from m0sim.chip.fault import Fault
from m0sim.image.build_attributes import foreign_architecture

M4 = bytes.fromhex(
    "41"  # format version "A"
    "23000000 6165616269 00"  # 35 bytes, "aeabi"
    "01 19000000"  # of the file: 25 bytes
    "05 4172 6d20 4d34 00"  # Tag_CPU_name, "Arm M4"
    "06 0d 07 4d"  # Tag_CPU_arch 13, Tag_CPU_arch_profile "M"
    "20 00 6e6f00"  # Tag_compatibility: a flag and a name
    "43 3200"  # Tag_conformance, "2": odd, so text
)


def test_bytes_by_hand() -> None:
    assert len(M4) == 1 + 35
    assert foreign_architecture(M4) == "Armv7E-M (Cortex-M4, Cortex-M7)"
    assert foreign_architecture(M4.replace(b"\x06\x0d", b"\x06\x0c")) == ""  # Armv6S-M
    assert foreign_architecture(M4.replace(b"aeabi", b"other")) == ""
    assert foreign_architecture(M4.replace(b"\x01\x19", b"\x02\x19")) == ""  # of a section, not of the file
    assert foreign_architecture(b"") == ""


@given(st.binary(max_size=60), st.integers(0, len(M4)))
def test_damaged_ones_say_nothing(other: bytes, kept: int) -> None:
    foreign_architecture(M4[:kept] + other)
    foreign_architecture(other)
    assert foreign_architecture(M4[: min(kept, len(M4) - 1)]) == ""


@pytest.mark.skipif(not shutil.which("arm-none-eabi-gcc"), reason="needs arm-none-eabi-gcc")
@pytest.mark.parametrize(
    ("core", "said"), [("cortex-m0plus", ""), ("cortex-m0", ""), ("cortex-m4", "Armv7E-M"), ("cortex-m33", "Armv8-M")]
)
def test_images_of_a_compiler(core: str, said: str, tmp_path: Path) -> None:
    source, elf = tmp_path / "a.c", tmp_path / "a.elf"
    source.write_text("int twice(int a) { return 2 * a; }\nint divide(int a) { return a / 3 + __builtin_clz(a); }\n")
    options = ("-O1", "-mthumb", "-nostdlib", "-Wl,-e0,-Ttext=0x20000000", "-lgcc")
    subprocess.run(["arm-none-eabi-gcc", f"-mcpu={core}", source, "-o", elf, *options], check=True)
    machine = Machine.from_file(elf)
    assert said in machine.image.compiled_for
    assert bool(machine.image.compiled_for) == bool(said)
    warnings = machine.call("twice", 21).warnings
    assert [f"compiled for {said}" in line for line in warnings] == [True] * bool(said)
    if said:
        with pytest.raises(Fault, match=f"not an ARMv6-M instruction: the image was compiled for {said}"):
            machine.call("divide", 9)
