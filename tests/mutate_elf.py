"""Damaged ELF files: the same ones for the same seed. Also runs `load_elf` on them, in a process of its own.

``python tests/mutate_elf.py COUNT SEED FILE...`` prints what became of COUNT mutants as JSON.
"""

from __future__ import annotations

import contextlib
import json
import random
import resource
import struct
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

SPECIAL = (0, 1, 2, 3, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFF0, 0xFFFFFFFE, 0xFFFFFFFF)

Random = random.Random
Mutation = Callable[[Random, bytearray], None]


def mutants(
    original: bytes, count: int, seed: int, mutations: Sequence[tuple[str, Mutation]] = ()
) -> Iterator[tuple[str, bytes]]:
    """`count` damaged copies of `original`, each with the name of what was done: one of `mutations`, or of those here
    for a 32-bit, little-endian ELF."""
    for i in range(count):
        rng = random.Random(seed * 1_000_003 + i)
        content = bytearray(original)
        name, mutate = rng.choice(mutations or MUTATIONS)
        for _ in range(rng.choice((1, 1, 1, 2, 4))):
            try:
                mutate(rng, content)
            except (struct.error, IndexError, ValueError):
                break  # an earlier damage took away what this one damages
        yield name, bytes(content)


def put(content: bytearray, at: int, value: int, size: int = 4) -> None:
    if 0 <= at <= len(content) - size:
        content[at : at + size] = (value & ((1 << 8 * size) - 1)).to_bytes(size, "little")


def tables(content: bytes | bytearray) -> tuple[list[int], list[int]]:
    """Offsets of the program headers and of the section headers."""
    program_offset, section_offset = struct.unpack_from("<II", content, 28)
    program_count, section_count = struct.unpack_from("<H", content, 44)[0], struct.unpack_from("<H", content, 48)[0]
    return (
        [program_offset + 32 * i for i in range(min(program_count, 64))],
        [section_offset + 40 * i for i in range(min(section_count, 64))],
    )


def sections(content: bytes | bytearray) -> Iterator[tuple[str, int, int, int]]:
    """Name, header offset, content offset and size of each section that has content."""
    headers = tables(content)[1]
    names = struct.unpack_from("<I", content, headers[struct.unpack_from("<H", content, 50)[0]] + 16)[0]
    for header in headers:
        name_at, kind = struct.unpack_from("<II", content, header)
        offset, size = struct.unpack_from("<II", content, header + 16)
        if kind not in (0, 8) and size:
            start = names + name_at
            name = bytes(content[start : content.index(0, start)]).decode("latin-1")
            yield name, header, offset, min(size, len(content) - offset)


def section(content: bytes | bytearray, *wanted: str) -> list[tuple[int, int, int]]:
    return [(header, offset, size) for name, header, offset, size in sections(content) if name.startswith(wanted)]


def truncate(rng: Random, content: bytearray) -> None:
    """At the edges of headers, tables and sections, or anywhere."""
    program, headers = tables(content)
    edges = [0, 1, 4, 16, 51, 52, *program, *headers, len(content) - 1]
    edges += [at for _, _, offset, size in sections(content) for at in (offset, offset + size // 2, offset + size)]
    at = rng.choice(edges) + rng.choice((-1, 0, 1)) if rng.random() < 0.8 else rng.randrange(len(content))
    del content[max(at, 0) :]


def flip_file_header(rng: Random, content: bytearray) -> None:
    content[rng.randrange(52)] ^= 1 << rng.randrange(8)


def special_file_header(rng: Random, content: bytearray) -> None:
    at, size = rng.choice([(24, 4), (28, 4), (32, 4), (36, 4), (42, 2), (44, 2), (46, 2), (48, 2), (50, 2)])
    put(content, at, rng.choice((*SPECIAL, len(content), len(content) - 1, 52)), size)


def special_program_header(rng: Random, content: bytearray) -> None:
    at = rng.choice(tables(content)[0]) + 4 * rng.randrange(8)
    put(content, at, rng.choice((*SPECIAL, len(content), len(content) - 1, 0x10000000, 0x20000000, 256 << 20)))


def overlap_segments(rng: Random, content: bytearray) -> None:
    headers = tables(content)[0]
    one, other = rng.choice(headers), rng.choice(headers)
    address, size = struct.unpack_from("<I", content, one + 8)[0], struct.unpack_from("<I", content, one + 20)[0]
    put(content, other + 8, address + rng.randrange(-8, size + 8))


def special_section_header(rng: Random, content: bytearray) -> None:
    at = rng.choice(tables(content)[1]) + 4 * rng.randrange(10)
    put(content, at, rng.choice((*SPECIAL, len(content), len(content) - 1, 0x10000000, 16, 24)))


def cyclic_sections(rng: Random, content: bytearray) -> None:
    """Links that lead to the section itself or round in circles, entries of size 0, tables on top of others."""
    headers = tables(content)[1]
    index = rng.randrange(len(headers))
    field = rng.choice((16, 20, 24, 28, 36))
    other = struct.unpack_from("<I", content, rng.choice(headers) + 16)[0]
    values = {16: other, 20: len(content), 24: rng.choice((index, rng.randrange(len(headers)))), 28: index, 36: 0}
    put(content, headers[index] + field, values[field])
    if rng.random() < 0.2:
        put(content, 50, rng.randrange(len(headers) + 2), 2)


def flip_symbols(rng: Random, content: bytearray) -> None:
    _, offset, size = rng.choice(section(content, ".symtab"))
    for _ in range(rng.choice((1, 8, 64))):
        content[offset + rng.randrange(size)] ^= 1 << rng.randrange(8)


def special_symbol(rng: Random, content: bytearray) -> None:
    _, offset, size = rng.choice(section(content, ".symtab"))
    put(content, offset + 16 * rng.randrange(size // 16) + 4 * rng.randrange(4), rng.choice(SPECIAL))


def damage_strings(rng: Random, content: bytearray) -> None:
    """Names without an end, names that begin like C++ ones and are none, names that are no UTF-8."""
    _, offset, size = rng.choice(section(content, ".strtab", ".shstrtab"))
    at = offset + rng.randrange(size)
    filler = rng.choice((b"\xff" * 64, b"_Z" * 32, b"_ZN1AIS_S0_S1_E", b"_ZNSt" + b"I" * 40, b"A" * size, b"\0" * 16))
    end = min(at + len(filler), offset + size)
    content[at:end] = filler[: end - at]


def flip_debug(rng: Random, content: bytearray) -> None:
    found = section(content, ".debug_line", ".debug_info", ".debug_abbrev", ".debug_str")
    _, offset, size = rng.choice(found)
    near = rng.choice((size, min(size, 64)))  # unit headers are at the start
    for _ in range(rng.choice((1, 4, 32))):
        content[offset + rng.randrange(near)] ^= 1 << rng.randrange(8)


def special_debug(rng: Random, content: bytearray) -> None:
    """Lengths, counts and offsets of DWARF: 0, huge, or back to where they stand."""
    _, offset, size = rng.choice(section(content, ".debug_line", ".debug_info", ".debug_abbrev"))
    at = rng.choice((0, rng.randrange(min(size, 64)), rng.randrange(size)))
    put(content, offset + at, rng.choice((*SPECIAL, at, size)), rng.choice((1, 2, 4, 8)))


def endless_numbers(rng: Random, content: bytearray) -> None:
    """LEB128 numbers that do not end."""
    _, offset, size = rng.choice(section(content, ".debug_line", ".debug_info", ".debug_abbrev"))
    start = rng.randrange(size)
    length = min(rng.choice((12, 200, size)), size - start)
    content[offset + start : offset + start + length] = b"\xff" * length


def damage_code(rng: Random, content: bytearray) -> None:
    _, offset, size = rng.choice(section(content, ".text"))
    for _ in range(8):
        content[offset + rng.randrange(size)] = rng.randrange(256)


def flip_anything(rng: Random, content: bytearray) -> None:
    for _ in range(rng.choice((1, 16, 256))):
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)


MUTATIONS: tuple[tuple[str, Mutation], ...] = tuple(
    (mutate.__name__, mutate)
    for mutate in (
        truncate,
        flip_file_header,
        special_file_header,
        special_program_header,
        overlap_segments,
        special_section_header,
        cyclic_sections,
        flip_symbols,
        special_symbol,
        damage_strings,
        flip_debug,
        special_debug,
        endless_numbers,
        damage_code,
        flip_anything,
    )
)


def load(path: Path) -> str:
    """Loads an image and asks it everything that reads the file: ``image``, or ``error``."""
    from m0sim.errors import UsageError
    from m0sim.image import load_elf

    message = ""
    try:
        image = load_elf(path)
    except UsageError as error:
        message = str(error)
    if message:
        assert message.startswith(str(path)), message
        assert "\n" not in message, message
        return "error"
    for function in image.functions:
        image.source_line(function.address)
        image.function_at(function.address)
    for symbol in image.symbols:
        assert image.find(symbol.name) is symbol, symbol
    assert len({s.name for s in image.symbols}) == len(image.symbols)
    with contextlib.suppress(UsageError):
        image.find("no_such_function")
    assert sum(len(s.data) for s in image.segments) <= sum(s.size for s in image.segments) <= 256 << 20
    return "image"


def main(count: int, seed: int, files: list[str]) -> dict[str, object]:
    """Outcomes by kind, exceptions that escaped, the slowest (seconds of CPU) and the largest memory (bytes)."""
    outcomes: Counter[str] = Counter()
    escaped: list[str] = []
    slowest = 0.0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "mutant.elf")
        for number, file in enumerate(files):
            share = count // len(files) + (number < count % len(files))
            for i, (kind, content) in enumerate(mutants(Path(file).read_bytes(), share, seed + number)):
                path.write_bytes(content)
                started = time.process_time()
                try:
                    outcomes[f"{kind}: {load(path)}"] += 1
                except Exception as error:
                    escaped.append(f"{Path(file).name} seed {seed + number} mutant {i} {kind}: {error!r}")
                slowest = max(slowest, time.process_time() - started)
    memory = peak_memory()
    return {"outcomes": dict(outcomes), "escaped": escaped, "slowest": slowest, "memory_bytes": memory}


def peak_memory() -> int:
    """Bytes; of this process alone, where the kernel tells: ru_maxrss begins at what the parent had."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return int(status.split("VmHWM:")[1].split()[0]) * 1024


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
    print(json.dumps(main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])))
