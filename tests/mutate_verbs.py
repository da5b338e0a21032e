"""Damaged ELF, HEX and UF2 files through the verbs that read them: `call` with every export and others.

``python tests/mutate_verbs.py COUNT SEED FILE...`` prints what became of COUNT mutants as JSON. A HEX or UF2 file is
run with the ELF of the same name beside it as its symbol file, every second time.
"""

from __future__ import annotations

import contextlib
import gc
import json
import random
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import mutate_elf
from flash_files import record
from mutate_elf import Random, put

EXPORTS = ("html", "callgrind", "speedscope", "collapsed", "pprof", "firefox", "lcov")
ADDRESS_SPACE = 16 << 30  # an emulator reserves a gigabyte for its code; what counts is the memory that is touched


# --------------------------------------------------------------------------------- damage that knows the format


def cut(rng: Random, content: bytearray) -> None:
    del content[rng.randrange(len(content)) :]


def flip(rng: Random, content: bytearray) -> None:
    for _ in range(rng.choice((1, 1, 8))):
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)


def repeat_a_piece(rng: Random, content: bytearray) -> None:
    """Lines or blocks twice, or in another place."""
    size = 512 if content[:4] == b"UF2\n" else 44
    at = rng.randrange(len(content)) // size * size
    to = rng.randrange(len(content)) // size * size
    content[to:to] = content[at : at + size * rng.choice((1, 3))]


def hex_record(rng: Random, content: bytearray) -> None:
    """A record with a right checksum and a wrong meaning."""
    lines = content.split(b"\n")
    sizes = (0, 1, 2, 4, 16, 255)
    made = record(rng.choice((0, 0, 1, 2, 3, 4, 5, 6, 255)), rng.choice((0, 1, 0xFFFE, 0xFFFF)),
                  rng.randbytes(rng.choice(sizes)))  # fmt: skip
    lines.insert(rng.randrange(len(lines)), made.encode())
    content[:] = b"\n".join(lines)


def uf2_field(rng: Random, content: bytearray) -> None:
    """Flags, address, size, number, count or family of a block."""
    at = 512 * rng.randrange(max(len(content) // 512, 1)) + 4 * rng.randrange(8)
    put(content, at, rng.choice((*mutate_elf.SPECIAL, 0x2000, 0x2001, 256, 0x10000000, 0x20000000, 0xE48BFF56)))


def compressed_debug(rng: Random, content: bytearray) -> None:
    """The header or the stream of a compressed section."""
    found = mutate_elf.section(content, ".debug_", ".zdebug_")
    header, offset, size = rng.choice(found)
    if rng.random() < 0.5:
        put(content, offset + 4 * rng.randrange(3), rng.choice((*mutate_elf.SPECIAL, 1 << 20, 1 << 26, 2)))
    elif rng.random() < 0.5:
        put(content, header + 8, rng.choice((0, 0x800, 0x802)))
    else:
        content[offset + rng.randrange(size)] ^= 1 << rng.randrange(8)


def section_addresses(rng: Random, content: bytearray) -> None:
    """Run addresses of sections, as only armlink's images have them: elsewhere, at the edges, on top of each other."""
    headers = mutate_elf.tables(content)[1]
    values = (0, 0x10000000, 0x10000004, 0x20000000, 0x20041FFC, 0x20042000, 0xFFFFFFFC)
    put(content, rng.choice(headers) + rng.choice((12, 12, 20)), rng.choice(values))


def region_table(rng: Random, content: bytearray) -> None:
    """Words of code and tables: armlink's region table is among them."""
    _, offset, size = rng.choice(mutate_elf.section(content, "ER_", ".text"))
    put(content, offset + 4 * rng.randrange(max(size // 4, 1)), rng.choice((*mutate_elf.SPECIAL, 0x20000000)))


ELF = (*mutate_elf.MUTATIONS, *((m.__name__, m) for m in (compressed_debug, section_addresses, region_table)))
HEX = tuple((m.__name__, m) for m in (cut, flip, repeat_a_piece, hex_record))
UF2 = tuple((m.__name__, m) for m in (cut, flip, repeat_a_piece, uf2_field))
KINDS: dict[str, tuple[tuple[str, Callable[[Random, bytearray], None]], ...]] = {
    ".elf": ELF, ".axf": ELF, ".hex": HEX, ".uf2": UF2
}  # fmt: skip


def mutants(path: Path, count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    original = path.read_bytes()
    return mutate_elf.mutants(original, count, seed, KINDS[path.suffix])


# ----------------------------------------------------------------------------------------------------- the verbs


def run(path: Path, folder: Path, symbols: Path | None) -> str:
    """What became of a file in both verbs: ``ran``, ``fault`` or ``refused``; other exceptions go up."""
    from click.testing import CliRunner

    from m0sim.cli import app
    from m0sim.errors import M0simError, UsageError
    from m0sim.image import load_file

    names = [] if symbols is None else ["--symbols", str(symbols)]
    given = ["1", "2"]
    try:
        image = load_file(path, symbols=symbols)
        function = image.functions[0].name if image.functions else f"0x{image.code_ranges[0][0]:x}"
        signature = image.signature(image.find(function))
        given = given if signature is None else ["1"] * len(signature.parameters)
    except (UsageError, IndexError):
        function = "main"
    exports = [f"--{name}={folder / name}" for name in EXPORTS]
    limits = ["--max-cycles", "20000"]
    outcome = "refused"
    for verb, words in (
        ("call", [function, *given, *limits, *exports]),
        ("call", [function, *given, *limits, *exports[:-1]]),
        ("annotate", [function, *given, *limits, "--all"]),
        ("stack", []),
        ("stack", [function, "--cycles"]),
    ):
        arguments = [verb, str(path), *words, *names]
        done = CliRunner().invoke(app, arguments)
        error = done.exception
        if error is not None and not isinstance(error, SystemExit | M0simError):
            raise error
        assert "Traceback" not in done.output
        if isinstance(error, M0simError):
            assert "\n" not in str(error), str(error)
        elif verb != "stack" and done.exit_code in (0, 1):
            outcome = "fault" if done.exit_code else "ran"
    for options in (["--all"], ["--against", str(path), "--json"]):
        done = CliRunner().invoke(app, ["size", str(path), *names, *options])
        if done.exception is not None and not isinstance(done.exception, SystemExit | M0simError):
            raise done.exception
        if done.exit_code == 0 and "--json" in options:
            assert_adds_up(json.loads(done.stdout))
    return outcome


def assert_adds_up(size: dict[str, Any]) -> None:
    """The rows of every table that there is, to the totals."""
    for rows in (size["sections"], size["objects"], size["symbols"]):
        assert rows is None or sum(row["flash"] for row in rows) == size["flash"]
        assert rows is None or size["sram"] is None or sum(row["sram"] for row in rows) == size["sram"]


def main(count: int, seed: int, files: list[str]) -> dict[str, object]:
    """Outcomes by kind, exceptions that escaped, the slowest (seconds of CPU) and the largest memory (bytes)."""
    outcomes: Counter[str] = Counter()
    escaped: list[str] = []
    slowest = largest = 0.0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run(Path(files[0]), folder, None)  # what is imported and compiled once is no mutant's cost
        gc.freeze()
        for number, file in enumerate(map(Path, files)):
            share = count // len(files) + (number < count % len(files))
            mutant = folder / f"mutant{file.suffix}"
            for i, (kind, content) in enumerate(mutants(file, share, seed + number)):
                mutant.write_bytes(content)
                symbols = file.with_suffix(".elf") if i % 2 and file.suffix in (".hex", ".uf2") else None
                reset_peak()
                started = time.process_time()
                try:
                    outcomes[f"{file.suffix} {kind}: {run(mutant, folder, symbols)}"] += 1
                except Exception as error:
                    escaped.append(f"{file.name} seed {seed + number} mutant {i} {kind}: {error!r}")
                took = time.process_time() - started
                gc.collect()  # an emulator is in a cycle
                slowest, largest = max(slowest, took), max(largest, mutate_elf.peak_memory())
    return {"outcomes": dict(outcomes), "escaped": escaped, "slowest": slowest, "memory_bytes": largest}


def reset_peak() -> None:
    """Begin a new high-water mark of memory, where the kernel lets us."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    random.seed(0)
    print(json.dumps(main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])))
