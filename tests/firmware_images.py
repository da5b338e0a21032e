"""Whole firmware for tests: the programs of tests/firmware/run, built with the pinned compiler."""

from __future__ import annotations

from pathlib import Path

from m0sim import toolchain

FOLDER = Path(__file__).parent / "firmware/run"
_BOOT2 = 0x10000000
_CHECKED = 252  # bytes of boot2 that its checksum is of


def build(name: str, folder: Path, *, in_ram: bool = False, defines: tuple[str, ...] = ()) -> Path:
    """The ELF of ``name.c`` or ``name.S`` with start-up code, for flash, or as an image in SRAM."""
    source = next(path for path in (FOLDER / f"{name}.c", FOLDER / f"{name}.S") if path.exists())
    made = folder / f"{name}.elf"
    script = FOLDER / ("ram.ld" if in_ram else "rp2040.ld")
    flags = ("-Os", "-g", f"-I{FOLDER}", *(f"-D{define}" for define in defines))
    toolchain.find("zig").build([FOLDER / "start.S", source], made, flags=flags, linker_script=script)
    if not in_ram:
        made.write_bytes(_with_checksum(made.read_bytes()))
    return made


def _with_checksum(elf: bytes) -> bytes:
    """The file with the checksum of boot2 that the boot ROM asks for: RP2040 datasheet, 2.8.1.3.1."""
    header = int.from_bytes(elf[28:32], "little")
    for i in range(int.from_bytes(elf[44:46], "little")):
        _, offset, _, load_address, size = (
            int.from_bytes(elf[header + 32 * i + 4 * k :][:4], "little") for k in range(5)
        )
        if load_address == _BOOT2 and size >= 256:
            checksum = crc32(elf[offset : offset + _CHECKED]).to_bytes(4, "little")
            return elf[: offset + _CHECKED] + checksum + elf[offset + 256 :]
    raise ValueError("no segment of boot2")


def crc32(data: bytes) -> int:
    """Polynomial 0x04c11db7, highest bit first, from 0xffffffff on, not inverted at the end."""
    rest = 0xFFFFFFFF
    for byte in data:
        rest ^= byte << 24
        for _ in range(8):
            rest = (rest << 1 ^ (0x04C11DB7 if rest >> 31 else 0)) & 0xFFFFFFFF
    return rest
