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
from m0sim.chip.device import Bus, Device, MemoryRegion, XipCache
from m0sim.chip.energy import Energy, EnergyPoint
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
    "rp2040-clkdiv4": ("cortex-m0plus", 1, 125_000_000, 0x10000000, 2 << 20, 0x20000000, 270_336, 0xD0000000),
    "samd21": ("cortex-m0plus", 1, 24_000_000, 0x00000000, 256 * 1024, 0x20000000, 32 * 1024, 0x60000000),
    "stm32l0": ("cortex-m0plus", 1, 16_000_000, 0x08000000, 192 * 1024, 0x20000000, 20 * 1024, 0x50000000),
    "stm32g0": ("cortex-m0plus", 1, 24_000_000, 0x08000000, 128 * 1024, 0x20000000, 36 * 1024, 0x50000000),
    "stm32g030": ("cortex-m0plus", 1, 16_000_000, 0x08000000, 32 * 1024, 0x20000000, 8 * 1024, 0x50000000),
    "mspm0g3507": ("cortex-m0plus", 1, 32_000_000, 0x00000000, 128 * 1024, 0x20000000, 32 * 1024, None),
    "mspm0c1104": ("cortex-m0plus", 1, 24_000_000, 0x00000000, 16 * 1024, 0x20000000, 1024, None),
    "cc2340": ("cortex-m0plus", 1, 48_000_000, 0x00000000, 256 * 1024, 0x20000000, 28 * 1024, None),
    "py32f002b": ("cortex-m0plus", 1, 24_000_000, 0x08000000, 24 * 1024, 0x20000000, 3 * 1024, 0x50000000),
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
    assert d.region("rom") == MemoryRegion("rom", "rom", 0, 16 * 1024, boot_rom="rp2040")
    assert [a.base for a in d.aliases] == [0x11000000, 0x12000000, 0x13000000]
    assert d.has_sio_divider
    assert d.io_port is not None
    assert d.io_port.contains(0xD0000060, 4)
    assert not d.io_port.contains(d.io_port.end - 2, 4)
    assert d.xip_cache == XipCache(size=16384, ways=2, line_bytes=8, miss_cycles_per_word=60)
    assert d.xip_cache.sets == 1024
    assert d.buses == (Bus("apb", 0x40000000, 0x70000, 3, 4),)
    assert d.buses[0].end == 0x40070000
    assert d.flash_timing is None


@pytest.mark.parametrize("name", [n for n in device.names() if not n.startswith("rp2040")])
def test_only_the_rp2040_has_a_divider_and_an_xip_cache(name: str) -> None:
    d = device.load(name)
    assert not d.has_sio_divider
    assert d.xip_cache is None


@pytest.mark.parametrize("name", ["stm32l0", "stm32g0", "stm32g030", "stm32f0", "stm32f031", "py32f002b"])
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
    assert [r.name for r in d.regions if r.is_writable] == ["xip_sram", "sram", "sram4", "sram5"]


def test_seconds_and_energy() -> None:
    d = device.load("samd21")
    assert d.seconds(24) == pytest.approx(1e-6)
    assert d.energy_joules(24) is None
    point = EnergyPoint(24_000_000, 0.025, 3.3, "any", "a loop", None, "", None, "", "measured")
    known = dataclasses.replace(d, energy=Energy((point,), interpolate=False))
    assert known.energy_joules(24_000_000) == pytest.approx(0.0825)
    assert known.energy_joules(0) == 0
    use = known.energy_use(24_000_000, 24_000_000)
    assert use is not None
    assert (use.low_joules, use.high_joules) == (None, None)
    assert use.source == "25 mA at 3.3 V, a loop (measured)"


# profile: clock and the memory the code runs from; typical, low and high milliamperes; volts. From the datasheets.
CURRENTS = {
    ("rp2040", 12_000_000, "flash"): (4.8, 3.4, 6.7, 3.3),
    ("rp2040", 50_000_000, "sram"): (13.6, 9.5, 16.6, 3.3),
    ("rp2040", 100_000_000, "flash"): (23.6, 16.5, 27.6, 3.3),
    ("rp2040", 125_000_000, "sram"): (28.5, 19.95, 33.0, 3.3),  # half way from 100 to 150 MHz
    ("rp2040", 150_000_000, "flash"): (33.4, 23.4, 38.4, 3.3),
    ("rp2040-clkdiv4", 125_000_000, "flash"): (28.5, 19.95, 33.0, 3.3),
    ("mspm0g3507", 80_000_000, "flash"): (7.6, 4.24, 8.6, 3.3),
    ("mspm0g3507", 48_000_000, "flash"): (4.9, 4.8, 5.7, 3.3),
    ("mspm0g3507", 32_000_000, "flash"): (3.4, 3.3, 4.1, 3.3),
    ("mspm0g3507", 4_000_000, "flash"): (0.7, 0.6, 1.4, 3.3),
    ("mspm0g3507", 80_000_000, "sram"): (6.0, 5.9, 6.8, 3.3),
    ("mspm0g3507", 48_000_000, "sram"): (3.8, 3.7, 5.0, 3.3),
    ("mspm0g3507", 32_000_000, "sram"): (2.6, 2.5, 3.4, 3.3),
    ("mspm0g3507", 4_000_000, "sram"): (0.6, 0.6, 1.0, 3.3),
    ("mspm0c1104", 24_000_000, "flash"): (2.08, 2.06, 2.45, 3.3),
    ("stm32g030", 16_000_000, "flash"): (1.6, None, None, 3.0),
    ("cc2340", 48_000_000, "flash"): (2.6, None, 4.1, 3.0),
    ("stm32f031", 24_000_000, "sram"): (6.1, None, None, 3.6),
    ("nrf51", 16_000_000, "flash"): (4.71, None, None, 2.957),
}


@pytest.mark.parametrize("case", sorted(CURRENTS))
def test_a_second_of_running_takes_the_published_current(case: tuple[str, int, str]) -> None:
    name, clock_hz, memory = case
    typical, low, high, volts = CURRENTS[case]
    use = device.load(name).at_clock(clock_hz).energy_use(clock_hz, clock_hz if memory == "sram" else 0)
    assert use is not None
    assert use.joules == pytest.approx(typical * 1e-3 * volts)
    for joules, milliamperes in ((use.low_joules, low), (use.high_joules, high)):
        assert joules == (None if milliamperes is None else pytest.approx(milliamperes * 1e-3 * volts))
    assert ("interpolated between 100 and 150 MHz" in use.source) == (clock_hz == 125_000_000)


@pytest.mark.parametrize("name", device.names())
def test_every_published_current_is_checked(name: str) -> None:
    energy = device.load(name).energy
    of = {(p.clock_hz, p.memory) for p in (energy.points if energy else ())}
    checked = {(clock, memory) for known, clock, memory in CURRENTS if known == name.removesuffix("-clkdiv4")}
    for clock_hz, memory in of:
        assert any(clock == clock_hz and memory in ("any", where) for clock, where in checked), (clock_hz, memory)


@pytest.mark.parametrize("name", [n for n in device.names() if device.load(n).energy])
@given(st.integers(1, 10**12), st.integers(0, 100))
def test_bounds_lie_around_the_figure(name: str, cycles: int, percent: int) -> None:
    use = LOADED[name].energy_use(cycles, cycles * percent / 100)
    assert use is not None
    assert (use.low_joules or 0) <= use.joules * (1 + 1e-12)
    assert use.high_joules is None or use.high_joules >= use.joules * (1 - 1e-12)


def test_flash_and_sram_code_add_up() -> None:
    d = device.load("mspm0g3507").at_clock(80_000_000)
    mixed = d.energy_use(80_000_000, 20_000_000)
    assert mixed is not None
    assert mixed.joules == pytest.approx(0.75 * 7.6e-3 * 3.3 + 0.25 * 6.0e-3 * 3.3)
    assert mixed.source.count(" mA at 3.3 V, CoreMark from ") == 2


@pytest.mark.parametrize(("name", "clock_hz"), [("mspm0g3507", 60_000_000), ("rp2040", 151_000_000), ("rp2040", 8)])
def test_no_current_is_scaled_to_another_clock(name: str, clock_hz: int) -> None:
    d = device.load(name).at_clock(clock_hz)
    assert d.energy_use(1000) is None
    assert d.energy_joules(1000) is None


# profile: clock, wait states; the manuals' tables written again.
WAITS = {
    "stm32g0": ((24_000_000, 0), (24_000_001, 1), (48_000_000, 1), (48_000_001, 2), (64_000_000, 2)),
    "stm32g030": ((16_000_000, 0), (48_000_000, 1), (64_000_000, 2)),
    "stm32l0": ((16_000_000, 0), (16_000_001, 1), (32_000_000, 1)),
    "stm32f0": ((24_000_000, 0), (24_000_001, 1), (48_000_000, 1)),
    "stm32f031": ((24_000_000, 0), (24_000_001, 1), (48_000_000, 1)),
    "samd21": ((1, 0), (24_000_000, 0), (24_000_001, 1), (48_000_000, 1)),
    "mspm0g3507": ((24_000_000, 0), (32_000_000, 1), (48_000_000, 1), (48_000_001, 2), (80_000_000, 2)),
    "mspm0c1104": ((24_000_000, 0),),
    "nrf51": ((16_000_000, 0),),
    "py32f002b": ((24_000_000, 0),),
    "m0plus-slowmul": ((48_000_000, 0), (1_000_000_000, 0)),
}
ORGANISATION = {
    "stm32g0": (8, "next", 2, 2, "code"),
    "stm32g030": (8, "next", 2, 2, "code"),
    "stm32l0": (4, "next", 0, 1, "code"),
    "stm32f0": (4, "next", 0, 1, "code"),
    "stm32f031": (4, "next", 0, 1, "code"),
    "samd21": (8, "none", 8, 1, "all"),
    "mspm0g3507": (8, "next", 4, 4, "code"),
    "mspm0c1104": (8, "none", 0, 1, "code"),
    "nrf51": (4, "none", 0, 1, "code"),
    "py32f002b": (4, "none", 0, 1, "code"),
    "m0plus-slowmul": (4, "none", 0, 1, "code"),
}


def test_the_profiles_with_flash_timing() -> None:
    assert {n for n in device.names() if device.load(n).flash_timing} == set(WAITS) == set(ORGANISATION)


@pytest.mark.parametrize("name", sorted(WAITS))
def test_clock_picks_the_row_of_wait_states(name: str) -> None:
    for clock_hz, cycles in WAITS[name]:
        timing = device.load(name).at_clock(clock_hz).flash_timing
        assert timing is not None
        assert timing.wait_states == cycles
        assert timing.is_exact == (cycles == 0)
    organisation = (timing.word_bytes, timing.prefetch, timing.cache_lines, timing.cache_ways, timing.cache_holds)
    assert organisation == ORGANISATION[name]
    highest = max(WAITS[name])[0]
    with pytest.raises(UsageError, match=rf"^{name} runs at 1 Hz to {highest // 1_000_000} MHz, not at "):
        device.load(name).at_clock(highest + 1)


def test_at_clock_changes_nothing_but_the_clock() -> None:
    d = device.load("stm32g0")
    fast = d.at_clock(64_000_000)
    assert fast.seconds(64) == pytest.approx(1e-6)
    assert dataclasses.replace(fast, clock_hz=d.clock_hz, flash_timing=d.flash_timing) == d
    assert fast.at_clock(24_000_000) == d
    with pytest.raises(UsageError, match="rp2040 runs at 1 Hz to 200 MHz, not at 250 MHz"):
        device.load("rp2040").at_clock(250_000_000)


@pytest.mark.parametrize(
    ("text", "hertz"),
    [
        *(("64M", 64_000_000), ("133MHz", 133_000_000), ("12_000_000", 12_000_000), ("32.768k", 32_768)),
        *(("48mhz", 48_000_000), ("1G", 1_000_000_000), (" 8 MHz ", 8_000_000), ("1", 1), ("62.5 MHz", 62_500_000)),
    ],
)
def test_clocks_as_people_write_them(text: str, hertz: int) -> None:
    assert device.clock(text) == hertz


@pytest.mark.parametrize("text", ["", "0", "-1", "64X", "M", "1e6", "2G", "0.5", "1.2.3M", "12 34", "0x10", "_1"])
def test_what_is_no_clock(text: str) -> None:
    with pytest.raises(UsageError, match="not a clock"):
        device.clock(text)


# Profiles that extend others


def test_a_board_says_only_what_differs(write: Any) -> None:
    text = 'extends = "rp2040"\n[xip_cache]\nclkdiv = 3\n[[memory]]\nname = "flash"\nkind = "flash"\n'
    d = device.load(write(text + "base = 0x1000_0000\nsize = 0x10_0000\n"))
    base = device.load("rp2040")
    assert (d.name, d.flash_bytes) == ("board", 1 << 20)
    assert d.xip_cache == dataclasses.replace(base.xip_cache, miss_cycles_per_word=90)  # 30 clocks of the flash  # type: ignore[type-var]
    assert d.srams == base.srams
    assert d.energy == base.energy
    assert d.region_at(0x1308_0000) == d.flash
    assert d.region_at(0x1318_0000) is None


def test_extends_a_file_beside_it(write: Any) -> None:
    path = write(MINIMAL)
    path.rename(path.parent / "base.toml")
    mine = write('extends = "base.toml"\nclock_hz = 1_000\n')
    assert device.load(mine).clock_hz == 1000
    assert device.load(mine).flash == device.load(path.parent / "base.toml").flash


def test_the_same_value_in_a_board_of_clkdiv_4() -> None:
    slow, fast = device.load("rp2040-clkdiv4").xip_cache, device.load("rp2040").xip_cache
    assert slow is not None
    assert fast is not None
    assert (slow.size, slow.ways, slow.line_bytes) == (fast.size, fast.ways, fast.line_bytes)
    assert slow.miss_cycles_per_word == 2 * fast.miss_cycles_per_word


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
CACHE = MINIMAL + "[xip_cache]\nsize = 0x4000\nways = 2\nline_bytes = 8\nclkdiv = 2\nmiss_clocks_per_word = 30\n"
POINTS = (
    MINIMAL
    + """[energy]
source = "bench"
[[energy.point]]
clock_hz = 8
current_amperes = 0.01
voltage_volts = 3.3
low_amperes = 0.005
low_source = "cold"
high_amperes = 0.02
high_source = "hot"
[[energy.point]]
clock_hz = 9
current_amperes = 0.02
voltage_volts = 3.3
memory = "sram"
"""
)
WAITING = (
    MINIMAL
    + """[flash]
word_bytes = 8
prefetch = "next"
cache_lines = 4
cache_ways = 2
source = "manual"
[[flash.wait_states]]
up_to_hz = 24_000_000
cycles = 0
[[flash.wait_states]]
up_to_hz = 48_000_000
cycles = 1
"""
)
BUS = MINIMAL + '[[bus]]\nname = "apb"\nbase = 0x4000_0000\nsize = 0x1000\nread_cycles = 3\nwrite_cycles = 4\n'
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
    "no sram but a cache": (
        MINIMAL.replace('kind = "sram"', 'kind = "sram"\nis_cache = true'),
        "memory: missing a [[memory]] of kind 'sram'",
    ),
    "cache in flash": (
        MINIMAL.replace('kind = "flash"', 'kind = "flash"\nis_cache = true'),
        "memory[0].is_cache: only memory of kind 'sram' can be a cache's",
    ),
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
    "cache clock": (CACHE.replace("clkdiv = 2", "clkdiv = 0"), "xip_cache.clkdiv: must be"),
    "cache without a clock": (CACHE.replace("clkdiv = 2\n", ""), "xip_cache.clkdiv: missing"),
    "cache miss": (CACHE.replace("_word = 30", "_word = 0"), "xip_cache.miss_clocks_per_word: must be"),
    "cache in cycles": (CACHE + "miss_cycles_per_word = 40\n", "xip_cache.miss_cycles_per_word: unknown key"),
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
    "energy in two forms": (
        POINTS.replace("[energy]", "[energy]\ncurrent_amperes = 0.1"),
        "energy.current_amperes: belongs into an [[energy.point]]",
    ),
    "low above": (
        POINTS.replace("0.005", "0.015"),
        "energy.point[0].low_amperes: 0.015 is above current_amperes, 0.01",
    ),
    "high below": (
        POINTS.replace("high_amperes = 0.02", "high_amperes = 0.009"),
        "energy.point[0].high_amperes: 0.009 is",
    ),
    "low without source": (POINTS.replace('low_source = "cold"', ""), "energy.point[0].low_source: missing"),
    "point without source": (POINTS.replace('source = "bench"\n', "", 1), "energy.point[0].source: missing"),
    "point twice": (
        POINTS.replace("clock_hz = 9", "clock_hz = 8")
        .replace('"sram"\n', '"any"\n')
        .replace('kind = "any"', 'kind = "sram"'),
        "energy.point: two of them are of 8 Hz and memory 'any'",
    ),
    "point memory": (POINTS + '[[energy.point]]\nmemory = "rom"\n', "energy.point[2]."),
    "waits missing": (WAITING.split("[[flash")[0], "flash.wait_states: missing"),
    "waits falling": (
        WAITING.replace("24_000_000", "50_000_000"),
        "flash.wait_states: the rows must have rising clocks",
    ),
    "waits below the clock": (
        WAITING.replace("up_to_hz = 48", "up_to_hz = 40"),
        "flash.wait_states: no row for clock_hz",
    ),
    "flash word": (
        WAITING.replace("word_bytes = 8", "word_bytes = 12"),
        "flash.word_bytes: must be 4, 8 or 16, not 12",
    ),
    "flash ways": (WAITING.replace("ways = 2", "ways = 3"), "flash.cache_ways: 4 lines are not sets of 3"),
    "flash lines": (WAITING.replace("lines = 4", "lines = 65"), "flash.cache_lines: must be from 0 to 64"),
    "flash prefetch": (WAITING.replace('"next"', '"nxt"'), "flash.prefetch: must be one of none, next, not 'nxt'"),
    "flash source": (WAITING.replace('source = "manual"', ""), "flash.source: missing"),
    "clock above its limit": ("clock_max_hz = 47_000_000\n" + MINIMAL, "clock_max_hz: 47000000 is below clock_hz"),
    "bus overlap": (BUS.replace("0x4000_0000", "0x2000_1000"), "bus: bus 'apb' at 0x20001000 overlaps memory"),
    "bus cycles": (BUS.replace("read_cycles = 3", "read_cycles = 0"), "bus[0].read_cycles: must be from 1 to 255"),
    "extends nothing": ('extends = "rp2400"\n', "extends: no profile 'rp2400'; did you mean 'rp2040'"),
    "extends itself": ('extends = "board.toml"\n', "extends: 'board.toml' extends this profile in turn"),
    "wrong in what it adds": (
        'extends = "rp2040"\n[xip_cache]\nways = 3\n',
        "xip_cache.size: must be a multiple of 24",
    ),
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


@pytest.mark.parametrize(
    "good",
    [MINIMAL, ENERGY, POINTS, CACHE, PORT, WAITING, BUS],
    ids=["minimal", "energy", "points", "cache", "port", "waiting", "bus"],
)
def test_the_profiles_that_the_wrong_ones_start_from_are_right(good: str, write: Any) -> None:
    device.load(write(good))


def test_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "board.toml"
    path.write_bytes(b'name = "\xff"\n')
    assert refusal(path) == "not a text file in UTF-8, as the profile is: byte 8"


def test_import_brings_in_nothing_heavy() -> None:
    code = "import sys, m0sim.chip.device; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert not loaded & {"unicorn", "capstone", "numpy", "numba", "elftools", "matplotlib", "rich", "click"}
