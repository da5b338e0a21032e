"""Device profiles: the bundled ones against facts written out again, and every way a profile can be wrong."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m0sim.chip import device
from m0sim.chip.device import Device, Energy, MemoryRegion, XipCache
from m0sim.errors import UsageError

MINIMAL = """
core = "cortex-m0plus"
clock_hz = 48_000_000

[[memory]]
name = "flash"
kind = "flash"
base = 0x0
size = 0x1_0000

[[memory]]
name = "sram"
kind = "sram"
base = 0x2000_0000
size = 0x2000
"""

# name: core, MUL, clock, flash base and bytes, SRAM base and bytes, I/O port base.
FACTS = {
    "rp2040": ("cortex-m0plus", 1, 125_000_000, 0x10000000, 2 * 1024 * 1024, 0x20000000, 270_336, 0xD0000000),
    "samd21": ("cortex-m0plus", 1, 24_000_000, 0x00000000, 256 * 1024, 0x20000000, 32 * 1024, 0x60000000),
    "stm32l0": ("cortex-m0plus", 1, 16_000_000, 0x08000000, 192 * 1024, 0x20000000, 20 * 1024, 0x50000000),
    "stm32g0": ("cortex-m0plus", 1, 24_000_000, 0x08000000, 128 * 1024, 0x20000000, 36 * 1024, 0x50000000),
    "stm32f0": ("cortex-m0", 1, 24_000_000, 0x08000000, 128 * 1024, 0x20000000, 16 * 1024, None),
    "stm32f031": ("cortex-m0", 1, 24_000_000, 0x08000000, 32 * 1024, 0x20000000, 4 * 1024, None),
    "nrf51": ("cortex-m0", 1, 16_000_000, 0x00000000, 256 * 1024, 0x20000000, 16 * 1024, None),
    "m0plus-slowmul": ("cortex-m0plus", 32, 48_000_000, 0x00000000, 256 * 1024, 0x20000000, 32 * 1024, None),
}


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def write_profile(text: str) -> Path:
        path = tmp_path / "board.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write_profile


def refusal(path: Path) -> str:
    """What `load` says of a wrong profile, with the path of the file and the line cut off."""
    with pytest.raises(UsageError) as caught:
        device.load(path)
    message = str(caught.value)
    assert "\n" not in message
    place, colon, what = message.removeprefix(str(path)).partition(": ")
    assert message.startswith(str(path))
    assert colon
    assert re.fullmatch(r"(:[1-9]\d*)?", place)
    return what


# The bundled profiles


def test_facts_cover_every_bundled_profile() -> None:
    assert set(device.names()) == set(FACTS)
    assert device.DEFAULT in device.names()


@pytest.mark.parametrize("name", sorted(FACTS))
def test_bundled_profile_matches_the_facts(name: str) -> None:
    d = device.load(name)
    assert d.flash is not None
    port = d.io_port.base if d.io_port else None
    assert (
        *(d.core, d.multiplier_cycles, d.clock_hz, d.flash.base, d.flash_bytes),
        *(d.srams[0].base, d.sram_bytes, port),
    ) == FACTS[name]
    assert d.name == name == d.path.stem
    assert d.description
    assert d.zero_wait


def tables(value: dict[str, Any], place: str) -> Iterator[tuple[str, dict[str, Any]]]:
    yield place, value
    for key, inner in value.items():
        for i, entry in enumerate(inner if isinstance(inner, list) else [inner]):
            if isinstance(entry, dict):
                yield from tables(entry, f"{place}.{key}[{i}]")


@pytest.mark.parametrize("name", device.names())
def test_every_figure_has_its_source_beside_it(name: str) -> None:
    raw = tomllib.loads(device.load(name).path.read_text(encoding="utf-8"))
    for place, table in tables(raw, name):
        for key, value in table.items():
            if isinstance(value, int | float) or key in ("core", "zero_wait"):
                short = key.removesuffix("_cycles").removesuffix("_hz")
                source = table.get(f"{short}_source") if table is raw else table.get("source")
                assert source, f"{place}.{key} has no source"
                assert len(source) > 10


def test_rp2040() -> None:
    d = device.load()
    assert d == device.load("rp2040")
    assert d.sram_bytes == 264 * 1024
    assert [(r.name, r.base, r.size) for r in d.srams] == [
        ("sram", 0x20000000, 256 * 1024),
        ("sram4", 0x20040000, 4096),
        ("sram5", 0x20041000, 4096),
    ]
    assert d.region("rom") == MemoryRegion("rom", "rom", 0, 16 * 1024)
    assert [a.base for a in d.aliases] == [0x11000000, 0x12000000, 0x13000000]
    assert d.has_sio_divider
    assert d.io_port is not None
    assert d.io_port.contains(0xD0000060, 4)
    assert not d.io_port.contains(d.io_port.end - 2, 4)
    assert d.xip_cache == XipCache(
        size=16384, ways=2, line_bytes=8, miss_cycles_per_word=60, estimate_cycles_per_word=40
    )
    assert d.xip_cache.sets == 1024
    assert d.energy is None


@pytest.mark.parametrize("name", [n for n in device.names() if n != "rp2040"])
def test_only_the_rp2040_has_a_divider_and_an_xip_cache(name: str) -> None:
    d = device.load(name)
    assert not d.has_sio_divider
    assert d.xip_cache is None


@pytest.mark.parametrize("name", ["stm32l0", "stm32g0", "stm32f0", "stm32f031"])
def test_stm32_shows_its_flash_at_zero(name: str) -> None:
    d = device.load(name)
    assert d.region_at(0) == d.flash
    assert d.resolve(0x100) == 0x08000100


# Looking things up


def test_region_at_and_resolve() -> None:
    d = device.load("rp2040")
    assert d.region_at(0x20040004) == d.region("sram4")
    assert d.region_at(0x13000010) == d.flash
    assert d.resolve(0x13000010) == 0x10000010
    assert d.resolve(0x20000000) == 0x20000000
    assert d.region_at(0x13200000) is None
    assert d.region_at(0x20042000) is None
    assert d.region_at(0x40000000) is None


def test_unknown_region_name() -> None:
    with pytest.raises(UsageError, match=r"rp2040 has no memory 'sran'; did you mean 'sram"):
        device.load("rp2040").region("sran")


def test_only_sram_is_writable() -> None:
    d = device.load("rp2040")
    assert [r.name for r in d.regions if r.is_writable] == ["sram", "sram4", "sram5"]


def test_seconds_and_energy() -> None:
    d = device.load("rp2040")
    assert d.seconds(125) == pytest.approx(1e-6)
    assert d.energy_joules(125) is None
    known = dataclasses.replace(d, energy=Energy(0.025, 3.3, "measured"))
    assert known.energy_joules(125_000_000) == pytest.approx(0.0825)
    assert known.energy_joules(0) == 0


def test_a_device_cannot_be_changed() -> None:
    d = device.load()
    with pytest.raises(dataclasses.FrozenInstanceError):
        d.clock_hz = 1  # type: ignore[misc]


regions = st.builds(
    MemoryRegion,
    name=st.just("r"),
    kind=st.sampled_from(["rom", "flash", "sram"]),
    base=st.integers(0, 60),
    size=st.integers(1, 20),
)


@given(regions, st.integers(0, 90), st.integers(1, 8))
def test_contains_is_every_byte_inside(region: MemoryRegion, address: int, size: int) -> None:
    inside = set(range(region.base, region.base + region.size))
    assert region.contains(address, size) == (set(range(address, address + size)) <= inside)


pages = st.tuples(st.integers(0, 12), st.integers(1, 6))


@given(spans=st.lists(pages, min_size=1, max_size=4))
def test_a_profile_is_refused_exactly_when_two_of_its_memories_share_a_byte(
    tmp_path_factory: pytest.TempPathFactory, spans: list[tuple[int, int]]
) -> None:
    text = 'core = "cortex-m0"\nclock_hz = 1\n'
    for i, (base, size) in enumerate(spans):
        text += f'[[memory]]\nname = "m{i}"\nkind = "sram"\nbase = {base * 4096}\nsize = {size * 4096}\n'
    path = tmp_path_factory.getbasetemp() / "overlap.toml"
    path.write_text(text, encoding="utf-8")
    covered = [page for base, size in spans for page in range(base, base + size)]
    if len(set(covered)) == len(covered):
        assert device.load(path).sram_bytes == 4096 * len(covered)
    else:
        assert " overlaps memory " in refusal(path)


@given(st.sampled_from(device.names()), st.integers(0, 2**32 - 1))
def test_region_at_agrees_with_resolve(name: str, address: int) -> None:
    d = LOADED[name]
    region = d.region_at(address)
    assert region == next((r for r in d.regions if r.contains(d.resolve(address))), None)


LOADED: dict[str, Device] = {name: device.load(name) for name in device.names()}


# Finding a profile


def test_unknown_name() -> None:
    with pytest.raises(UsageError) as caught:
        device.load("rp2O40")
    message = str(caught.value)
    assert "did you mean 'rp2040'?" in message
    assert all(name in message for name in device.names())
    assert "\n" not in message


def test_path_forms(write: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(MINIMAL)
    monkeypatch.chdir(path.parent)
    for form in (path, str(path), "board.toml", "./board.toml", Path("board.toml")):
        assert device.load(form).clock_hz == 48_000_000


def test_missing_file_and_directory(tmp_path: Path) -> None:
    assert refusal(tmp_path / "none.toml").startswith("cannot read the profile: No such file")
    assert refusal(tmp_path).startswith("cannot read the profile: ")


def test_wheel_keeps_its_profiles_inside_the_package(write: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    package = write(MINIMAL).parent / "m0sim"
    (package / "profiles").mkdir(parents=True)
    (package / "profiles" / "mine.toml").write_text(MINIMAL)
    monkeypatch.setattr(device, "__file__", str(package / "chip" / "device.py"))
    assert device.names() == ("mine",)
    assert device.load("mine").name == "mine"


# The file itself


def test_minimal_profile(write: Any) -> None:
    d = device.load(write(MINIMAL))
    assert (d.name, d.description, d.multiplier_cycles) == ("board", "", 1)
    assert (d.aliases, d.io_port, d.energy, d.xip_cache, d.zero_wait) == ((), None, None, None, "")
    assert d.sram_bytes == 0x2000


def test_flash_is_optional(write: Any) -> None:
    d = device.load(write(MINIMAL.replace('kind = "flash"', 'kind = "sram"')))
    assert d.flash is None
    assert d.flash_bytes == 0
    assert [r.base for r in d.srams] == [0, 0x20000000]


def test_byte_order_mark_and_crlf(tmp_path: Path) -> None:
    path = tmp_path / "board.toml"
    path.write_bytes(b"\xef\xbb\xbf" + MINIMAL.replace("\n", "\r\n").encode())
    assert device.load(path).sram_bytes == 0x2000


def test_example_in_the_docs_loads(write: Any) -> None:
    text = (Path(__file__).parents[1] / "docs" / "profiles.md").read_text(encoding="utf-8")
    blocks = [block.split("```")[0] for block in text.split("```toml\n")[1:]]
    assert len(blocks) >= 2
    for block in blocks:
        device.load(write(block))


def test_docs_table_names_every_profile() -> None:
    text = (Path(__file__).parents[1] / "docs" / "profiles.md").read_text(encoding="utf-8")
    for name in device.names():
        d = device.load(name)
        row = next(line for line in text.splitlines() if line.startswith(f"| `{name}`"))
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        assert cells[2] == str(d.multiplier_cycles)
        assert cells[3] == f"{d.clock_hz // 1_000_000} MHz"
        assert cells[5] == f"{d.sram_bytes // 1024} KiB"
        assert cells[6] == f"{d.flash_bytes // 1024} KiB"
        assert cells[7] == ("unknown" if d.energy is None else "known")


SRAM = 'kind = "sram"\nbase = 0x2000_0000\nsize = 0x2000'
ENERGY = MINIMAL + '[energy]\ncurrent_amperes = 0.01\nvoltage_volts = 3.3\nsource = "bench"\n'
CACHE = MINIMAL + "[xip_cache]\nsize = 0x4000\nways = 2\nline_bytes = 8\nmiss_cycles_per_word = 40\n"
PORT = MINIMAL + "[io_port]\nbase = 0xD000_0000\nsize = 0x1000\n"

WRONG = {
    "unknown key": (MINIMAL.replace("clock_hz", "clock_khz"), "clock_khz: unknown key; did you mean 'clock_hz'"),
    "unknown key below": (MINIMAL.replace(SRAM, SRAM + "\nsiz = 1"), "memory[1].siz: unknown key; did you mean 'size'"),
    "unknown key of two lines": ('"a\\nb" = 1\n' + MINIMAL, "a\\nb: unknown key"),
    "unknown table": (MINIMAL + "[wifi]\n", "wifi: unknown key"),
    "missing core": (MINIMAL.replace('core = "cortex-m0plus"', ""), "core: missing"),
    "missing clock": (MINIMAL.replace("clock_hz = 48_000_000", ""), "clock_hz: missing"),
    "missing size": (MINIMAL.replace("size = 0x2000", ""), "memory[1].size: missing"),
    "unknown core": (MINIMAL.replace("cortex-m0plus", "cortex-m0+"), "core: must be one of cortex-m0plus, cortex-m0,"),
    "multiplier": ("multiplier_cycles = 16\n" + MINIMAL, "multiplier_cycles: must be 1 or 32, not 16"),
    "multiplier beyond": ("multiplier_cycles = 64\n" + MINIMAL, "multiplier_cycles: must be from 1 to 32"),
    "text for number": (MINIMAL.replace("48_000_000", '"48 MHz"'), "clock_hz: must be an integer, not '48 MHz'"),
    "float for integer": (MINIMAL.replace("48_000_000", "48e6"), "clock_hz: must be an integer"),
    "true for integer": (MINIMAL.replace("48_000_000", "true"), "clock_hz: must be an integer, not True"),
    "number for text": (MINIMAL.replace('"cortex-m0plus"', "0"), "core: must be a string, not 0"),
    "zero clock": (MINIMAL.replace("48_000_000", "0"), "clock_hz: must be from 1 to 1000000000, not 0"),
    "negative size": (MINIMAL.replace("size = 0x2000", "size = -4096"), "memory[1].size: must be from 0x1"),
    "odd size": (MINIMAL.replace("size = 0x2000", "size = 0x2001"), "memory[1].size: must be a multiple of 4"),
    "unaligned base": (MINIMAL.replace("base = 0x0", "base = 0x100"), "memory[0].base: must be a multiple of 4096"),
    "beyond 32 bits": (MINIMAL.replace("0x2000_0000", "0xffff_f000"), "memory[1].size: 0xfffff000 + 0x2000 is beyond"),
    "base beyond": (MINIMAL.replace("0x2000_0000", "0x1_0000_0000"), "memory[1].base: must be from 0x0"),
    "overlap": (MINIMAL.replace("0x2000_0000", "0xf000"), "memory: memory 'sram' at 0xf000 overlaps memory 'flash'"),
    "name twice": (MINIMAL.replace('name = "sram"', 'name = "flash"'), "memory[1].name: 'flash' is already taken"),
    "unknown kind": (MINIMAL.replace('kind = "sram"', 'kind = "ram"'), "memory[1].kind: must be one of rom, flash"),
    "no sram": (MINIMAL.replace('kind = "sram"', 'kind = "rom"'), "memory: missing a [[memory]] of kind 'sram'"),
    "no memory": ('core = "cortex-m0"\nclock_hz = 1\n', "memory: missing"),
    "memory as table": ('core = "cortex-m0"\nclock_hz = 1\n[memory]\n', "memory: must be an array of tables"),
    "memory as numbers": ('core = "cortex-m0"\nclock_hz = 1\nmemory = [1]\n', "memory[0]: must be a table, not 1"),
    "port as number": ("io_port = 5\n" + MINIMAL, "io_port: must be a table, not 5"),
    "port on M0": (PORT.replace("cortex-m0plus", "cortex-m0"), "io_port: a cortex-m0 has no single-cycle I/O port"),
    "port size": (PORT.replace("0x1000\n", "0x180\n"), "io_port.size: must be a multiple of 4096"),
    "port overlap": (PORT.replace("0xD000_0000", "0x2000_1000"), "io_port: io_port at 0x20001000 overlaps memory"),
    "divider": (PORT + "sio_divider = 1\n", "io_port.sio_divider: must be true or false, not 1"),
    "alias of nothing": (MINIMAL + '[[alias]]\nof = "flahs"\nbase = 0\n', "alias[0].of: must be one of flash, sram"),
    "alias overlap": (
        MINIMAL + '[[alias]]\nof = "flash"\nbase = 0x1000\n',
        "alias: alias of 'flash' at 0x1000 overlaps",
    ),
    "alias beyond": (MINIMAL + '[[alias]]\nof = "flash"\nbase = 0xffff_f000\n', "alias[0].base: must be from"),
    "cache ways": (CACHE.replace("ways = 2", "ways = 3"), "xip_cache.size: must be a multiple of 24"),
    "cache line": (CACHE.replace("line_bytes = 8", "line_bytes = 6"), "xip_cache.line_bytes: must be a power of two"),
    "cache sets": (CACHE.replace("size = 0x4000", "size = 0x3000"), "xip_cache.size: makes 768 sets of 2 lines"),
    "cache clock": (CACHE + "clkdiv = 2\n", "xip_cache.clkdiv: clkdiv and miss_clocks_per_word go together"),
    "cache clocks": (
        CACHE + "miss_clocks_per_word = 30\n",
        "xip_cache.miss_clocks_per_word: clkdiv and miss_clocks_per_word go together",
    ),
    "cache base": (CACHE.replace("base = 0x0", "base = 0x1000"), "xip_cache: flash at 0x1000: must begin on a"),
    "cache alias": (
        CACHE + '[[alias]]\nof = "flash"\nbase = 0x4000_1000\n',
        "xip_cache: flash at 0x40001000: must begin on a multiple of one way, 0x2000",
    ),
    "cache of nothing": (CACHE.replace('kind = "flash"', 'kind = "rom"'), "xip_cache: there is no [[memory]] of"),
    "energy source": (ENERGY.replace('source = "bench"', ""), "energy.source: missing"),
    "energy in mA": (ENERGY.replace("0.01", "10"), "energy.current_amperes: must be above 0 and at most 1 A, not 10"),
    "energy nan": (ENERGY.replace("0.01", "nan"), "energy.current_amperes: must be above 0"),
    "energy text": (ENERGY.replace("3.3", '"3V3"'), "energy.voltage_volts: must be a number, not '3V3'"),
    "energy clock": (ENERGY + "clock_hz = 16_000_000\n", "energy.clock_hz: the current is of 16000000 Hz"),
    "syntax": (MINIMAL.replace("clock_hz =", "clock_hz"), "not valid TOML: "),
    "syntax line": (MINIMAL.replace("clock_hz =", "clock_hz"), "(at line 3, column"),
}


@pytest.mark.parametrize("kind", sorted(WRONG))
def test_wrong_profile_names_file_and_key(kind: str, write: Any) -> None:
    text, expected = WRONG[kind]
    message = refusal(write(text))
    if kind == "syntax line":
        assert expected in message
    else:
        assert message.startswith(expected)


@pytest.mark.parametrize("good", [MINIMAL, ENERGY, CACHE, PORT], ids=["minimal", "energy", "cache", "port"])
def test_the_profiles_that_the_wrong_ones_start_from_are_right(good: str, write: Any) -> None:
    device.load(write(good))


def test_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "board.toml"
    path.write_bytes(b'name = "\xff"\n')
    assert refusal(path) == "not a text file in UTF-8: byte 8"


def test_import_brings_in_nothing_heavy() -> None:
    code = "import sys, m0sim.chip.device; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert not loaded & {"unicorn", "capstone", "numpy", "numba", "elftools", "matplotlib", "rich", "click"}
