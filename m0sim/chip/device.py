"""A device profile: the core, the clock and the memories of one microcontroller, read from a TOML file.

Sizes are in bytes, clocks in hertz, currents in amperes, voltages in volts. What a profile does not say is unknown
(`None`), never guessed. docs/profiles.md describes the file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, get_args

from m0sim import plugins
from m0sim.chip.energy import Energy, EnergyUse, read_energy, use_of
from m0sim.chip.flash_timing import FlashTiming, read_flash_timing
from m0sim.errors import UsageError, did_you_mean
from m0sim.toml import Table, read

Core = Literal["cortex-m0plus", "cortex-m0"]
MemoryKind = Literal["rom", "flash", "sram"]

DEFAULT = "rp2040"
"""The profile that is used when the user names none."""

_ADDRESS_SPACE = 1 << 32
_PAGE = 4096


@dataclass(frozen=True, slots=True)
class Published:
    """Where figures of a profile were published."""

    figures: str
    """What they are of, such as ``clock`` or ``memory flash``."""
    source: str


@dataclass(frozen=True, slots=True)
class MemoryRegion:
    """One contiguous memory: `size` bytes from `base` on."""

    name: str
    kind: MemoryKind
    base: int
    size: int
    is_cache: bool = False
    """It is the memory of the flash cache: there only while the cache is off, as SRAM."""
    boot_rom: str = ""
    """Of a ROM, whose layout its content has; empty where nobody knows what is in it."""

    @property
    def end(self) -> int:
        """The first address behind the region."""
        return self.base + self.size

    @property
    def is_writable(self) -> bool:
        """Whether a store works. Flash is written through a controller, not by stores."""
        return self.kind == "sram"

    def contains(self, address: int, size: int = 1) -> bool:
        """Whether all `size` bytes from `address` on lie inside."""
        return self.base <= address and address + size <= self.end


@dataclass(frozen=True, slots=True)
class Alias:
    """The region named `of`, whole, seen a second time from `base` on.

    The rest matters where the region is behind the flash cache, and has the words of the RP2040's datasheet, 2.6.3.1.
    """

    of: str
    base: int
    cacheable: bool = True
    """Whether an access is looked up in the cache; else it goes to the flash always."""
    allocating: bool = True
    """Whether a word that was fetched from the flash is then in the cache."""


@dataclass(frozen=True, slots=True)
class IoPort:
    """The window of the Cortex-M0+ single-cycle I/O port: a load or store in it takes 1 cycle instead of 2."""

    base: int
    size: int

    @property
    def end(self) -> int:
        """The first address behind the window."""
        return self.base + self.size

    def contains(self, address: int, size: int = 1) -> bool:
        """Whether all `size` bytes from `address` on lie inside."""
        return self.base <= address and address + size <= self.end


@dataclass(frozen=True, slots=True)
class Bus:
    """A range of addresses on a slower bus: bus cycles of one access of the core that goes there."""

    name: str
    base: int
    size: int
    read_cycles: int
    write_cycles: int

    @property
    def end(self) -> int:
        """The first address behind the range."""
        return self.base + self.size


@dataclass(frozen=True, slots=True)
class XipCache:
    """The cache in front of an external flash. Lines are filled word by word, of 4 bytes, as the words are accessed."""

    size: int
    ways: int
    line_bytes: int
    miss_cycles_per_word: int
    """Cycles of the core that fetching a word from the flash adds."""

    @property
    def sets(self) -> int:
        """How many sets the lines are spread over."""
        return self.size // (self.ways * self.line_bytes)


@dataclass(frozen=True, slots=True)
class Device:
    """Everything m0sim knows of one microcontroller."""

    name: str
    peripherals: str
    """The bundled profile whose peripherals firmware finds in `m0sim run`: its own name, or of what it extends."""
    description: str
    core: Core
    multiplier_cycles: int
    clock_hz: int
    regions: tuple[MemoryRegion, ...]
    aliases: tuple[Alias, ...]
    io_port: IoPort | None
    has_sio_divider: bool
    energy: Energy | None
    xip_cache: XipCache | None
    flash_timing: FlashTiming | None
    """How flash waits at `clock_hz`; None where the profile does not say."""
    buses: tuple[Bus, ...]
    """Peripheral buses whose accesses take more than the core's own two cycles; empty where nothing is known."""
    clock_max_hz: int | None
    """The part's own limit; None where the profile is silent."""
    exception_entry: int | None
    """Cycles from where an exception is taken to the first instruction of its handler; None: those of the core."""
    exception_return: int | None
    """Cycles from behind the returning instruction to the one that goes on; None: assumed, see `timing.py`."""
    tail_chain: int | None
    """Cycles from behind the returning instruction to the first one of the handler that follows; None: the same."""
    zero_wait: str
    """Under which clock or wait-state setting the hardware runs as m0sim counts; empty when the profile is silent."""
    path: Path
    sources: tuple[Published, ...] = ()
    """All that the profile names, in the order of the file."""

    @property
    def flash(self) -> MemoryRegion | None:
        """The first flash region, or None on a device that runs from SRAM only."""
        return next((r for r in self.regions if r.kind == "flash"), None)

    @property
    def srams(self) -> tuple[MemoryRegion, ...]:
        """The SRAM regions by rising address, without a cache's memory; a profile has at least one."""
        return tuple(r for r in self.regions if r.kind == "sram" and not r.is_cache)

    @property
    def flash_bytes(self) -> int:
        """Bytes of flash in all, aliases not counted again."""
        return sum(r.size for r in self.regions if r.kind == "flash")

    @property
    def sram_bytes(self) -> int:
        """Bytes of SRAM in all, aliases not counted again."""
        return sum(r.size for r in self.srams)

    @property
    def flash_waits(self) -> bool:
        """Whether flash is known to keep the core waiting: behind a cache, or with wait states at this clock."""
        return self.xip_cache is not None or (self.flash_timing is not None and self.flash_timing.wait_states > 0)

    def require_flash_model(self) -> None:
        """Raises UsageError where nothing is known of how the flash waits."""
        if self.flash is not None and self.xip_cache is None and self.flash_timing is None:
            raise UsageError(
                f"how the flash of {self.name} waits is not known: its profile has no [flash] or [xip_cache]; "
                "count with flash ideal, or give a profile that has one"
            )

    def region(self, name: str) -> MemoryRegion:
        """The region of that name. Raises UsageError for an unknown one."""
        for region in self.regions:
            if region.name == name:
                return region
        known = [r.name for r in self.regions]
        raise UsageError(f"{self.name} has no memory {name!r}{did_you_mean(name, known)} (it has {', '.join(known)})")

    def resolve(self, address: int) -> int:
        """The address inside the aliased region if `address` is in an alias, else `address` itself."""
        for alias in self.aliases:
            target = self.region(alias.of)
            if alias.base <= address < alias.base + target.size:
                return address - alias.base + target.base
        return address

    def region_at(self, address: int) -> MemoryRegion | None:
        """The memory behind `address`, aliases resolved, or None where there is none."""
        address = self.resolve(address)
        return next((r for r in self.regions if r.contains(address)), None)

    def seconds(self, cycles: float) -> float:
        """How long `cycles` take at the profile's clock."""
        return cycles / self.clock_hz

    def energy_joules(self, cycles: float) -> float | None:
        """Joules that `cycles` of code in flash take, or None when the profile gives no current at this clock."""
        use = self.energy_use(cycles)
        return None if use is None else use.joules

    def energy_use(self, cycles: float, sram_cycles: float = 0) -> EnergyUse | None:
        """Joules, bounds and source of `cycles`, of which `sram_cycles` ran from SRAM; None as above."""
        if self.energy is None:
            return None
        return use_of(self.energy, self.clock_hz, cycles - sram_cycles, sram_cycles)

    def at_clock(self, clock_hz: int) -> Device:
        """The same part at another clock: its wait states, seconds and energy.

        Raises UsageError for a clock that is beyond the part, or that its flash has no wait states for.
        """
        limits = [self.clock_max_hz, None if self.flash_timing is None else self.flash_timing.max_hz]
        highest = min((limit for limit in limits if limit is not None), default=_MAX_CLOCK)
        if not 1 <= clock_hz <= highest:
            raise UsageError(f"{self.name} runs at 1 Hz to {highest / 1e6:g} MHz, not at {clock_hz / 1e6:g} MHz")
        timing = None if self.flash_timing is None else self.flash_timing.at(clock_hz)
        return replace(self, clock_hz=clock_hz, flash_timing=timing)


_CLOCK = re.compile(r"(\d[\d_]*(?:\.\d+)?)\s*([kKmMgG]?)(?:[hH][zZ])?")
_MAX_CLOCK = 1_000_000_000


def clock(text: str) -> int:
    """Hertz, as people write them: 64M, 133MHz, 32.768k, 12_000_000. Raises UsageError for anything else."""
    match = _CLOCK.fullmatch(text.strip())
    if match is not None:
        hertz = Fraction(match[1].replace("_", "")) * {"": 1, "k": 10**3, "m": 10**6, "g": 10**9}[match[2].lower()]
        if hertz.denominator == 1 and 1 <= hertz <= _MAX_CLOCK:
            return int(hertz)
    raise UsageError(f"not a clock: {text!r}; give hertz, from 1 to 1G, such as 64M, 133MHz or 12_000_000")


def names() -> tuple[str, ...]:
    """The bundled profiles, sorted."""
    return tuple(sorted(path.stem for path in _bundled_directory().glob("*.toml")))


def installed_names() -> tuple[str, ...]:
    """The profiles of installed packages, sorted; none of them is read. A bundled one of the same name goes first."""
    return tuple(plugins.installed(plugins.PROFILES, names()))


def load(name_or_path: str | Path = DEFAULT) -> Device:
    """Read a bundled profile by name, or a profile file by path: one that ends in .toml or has a separator in it.

    Raises UsageError, in one line, for an unknown name, an unreadable file, and anything wrong in the file.
    """
    text = str(name_or_path)
    if isinstance(name_or_path, Path) or text.endswith(".toml") or "/" in text or "\\" in text:
        return _read(Path(name_or_path))
    return _read(_path_of(text))


def _path_of(name: str) -> Path:
    """The file of a bundled profile, or of an installed package's: its entry point is the path. Raises UsageError."""
    if name in names():
        return _bundled_directory() / f"{name}.toml"
    found = plugins.installed(plugins.PROFILES)
    if name not in found:
        known = (*names(), *found)
        raise UsageError(
            f"no profile {name!r}{did_you_mean(name, known)} (there are {', '.join(known)}; or give a .toml file)"
        )
    path = plugins.load(found[name], "profile")
    if not isinstance(path, str | Path):
        where = plugins.described(found[name], "profile")
        raise UsageError(f"{where}: is no path of a .toml file, but {type(path).__name__}")
    return Path(path)


def _bundled_directory() -> Path:
    package = Path(__file__).resolve().parents[1]
    in_wheel = package / "profiles"
    return in_wheel if in_wheel.is_dir() else package.parent / "profiles"


_TOP_KEYS = (
    *("extends", "name", "peripherals", "description", "core", "core_source", "multiplier_cycles", "multiplier_source"),
    *("clock_hz", "clock_source", "clock_max_hz", "clock_max_source", "zero_wait", "zero_wait_source"),
    *("exception_entry", "exception_return", "tail_chain", "exception_source"),
    *("memory", "alias", "io_port", "xip_cache", "flash", "bus", "energy"),
)
_MEMORY_KEYS = ("name", "kind", "base", "size", "is_cache", "boot_rom", "source")
_BOOT_ROMS = ("rp2040",)
_ALIAS_KEYS = ("of", "base", "cacheable", "allocating", "source")
_IO_PORT_KEYS = ("base", "size", "sio_divider", "source")
_XIP_CACHE_KEYS = ("size", "ways", "line_bytes", "clkdiv", "miss_clocks_per_word", "source", "miss_source")
_BUS_KEYS = ("name", "base", "size", "read_cycles", "write_cycles", "source")


def _read(path: Path) -> Device:
    top, told = _extended(path, ())
    core: Core = top.choice("core", get_args(Core))
    clock_hz = top.integer("clock_hz", 1, _MAX_CLOCK)
    sources = ("core_source", "multiplier_source", "clock_source", "clock_max_source", "zero_wait_source")
    for key in (*sources, "exception_source"):
        top.text(key, "")
    regions = _regions(top)
    port = top.table("io_port", _IO_PORT_KEYS)
    if port is not None and core == "cortex-m0":
        top.fail("io_port", "a cortex-m0 has no single-cycle I/O port")
    device = Device(
        name=top.text("name", path.stem),
        peripherals=top.text("peripherals", top.text("name", path.stem)),
        description=top.text("description", ""),
        core=core,
        multiplier_cycles=_multiplier_cycles(top),
        clock_hz=clock_hz,
        regions=regions,
        aliases=_aliases(top, regions),
        io_port=None if port is None else _io_port(port),
        has_sio_divider=port is not None and port.flag("sio_divider", False),
        energy=read_energy(top, clock_hz),
        xip_cache=_xip_cache(top),
        flash_timing=read_flash_timing(top, clock_hz),
        buses=_buses(top),
        clock_max_hz=_clock_max_hz(top, clock_hz),
        exception_entry=_cycles(top, "exception_entry"),
        exception_return=_cycles(top, "exception_return"),
        tail_chain=_cycles(top, "tail_chain"),
        zero_wait=top.text("zero_wait", ""),
        path=path,
        sources=tuple(dict.fromkeys(_sources(told))),
    )
    _reject_overlaps(top, device)
    _reject_unaligned_cache(top, device)
    return device


def _sources(raw: dict[str, Any], of: str = "") -> Iterator[Published]:
    """Every ``source`` and ``..._source`` of a table, and of those in it."""
    for key, value in raw.items():
        name = " ".join(filter(None, (of, key.removesuffix("source").strip("_").replace("_", " "))))
        if isinstance(value, dict):
            yield from _sources(value, name)
        elif isinstance(value, list):
            for table in filter(lambda each: isinstance(each, dict), value):
                yield from _sources(table, f"{name} {table.get('name', table.get('of', ''))}".strip())
        elif key.endswith("source") and value:
            yield Published(name, str(value))


def _still_told(base: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """A base without the sources of figures that its extension has others for."""

    def is_told(key: str) -> bool:
        # Of the figures whose names begin like it; what is only ``source``, of all in the table.
        of = key.removesuffix("source").rstrip("_")
        figures = [name for name in own if not name.endswith("source") and name.startswith(of)]
        return not (key.endswith("source") and figures)

    return {
        key: _still_told(value, own[key]) if isinstance(value, dict) and isinstance(own.get(key), dict) else value
        for key, value in base.items()
        if is_told(key)
    }


def _extended(path: Path, below: tuple[Path, ...]) -> tuple[Table, dict[str, Any]]:
    """The top table of a file, with what it does not say taken from the profile that it extends.

    And the same where sources hold for figures that are as they were there.
    """
    top = read(path, "the profile", _TOP_KEYS)
    if "extends" not in top.raw:
        return top, top.raw
    text = top.text("extends")
    if text.endswith(".toml"):
        base = path.parent / text
    else:
        try:
            base = _path_of(text)
        except UsageError as error:
            top.fail("extends", str(error))
    if base.resolve() in (seen := (*below, path.resolve())):
        top.fail("extends", f"{text!r} extends this profile in turn")
    below_it, told = _extended(base, seen)
    peripherals = below_it.raw.get("peripherals", below_it.raw.get("name", base.stem))
    own = {"name": path.stem, "peripherals": peripherals} | top.raw
    top.raw = _merged(below_it.raw, own)
    return top, _merged(_still_told(told, own), own)


def _merged(base: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """Own keys before the base's, tables key by key; a [[memory]] takes the place of the one that has its name.

    Other arrays of tables replace the base's. Own entries come first, so that an error finds their lines.
    """
    merged = base | own
    for key, value in own.items():
        below = base.get(key)
        if isinstance(value, dict) and isinstance(below, dict):
            merged[key] = _merged(below, value)
        elif key == "memory" and isinstance(value, list) and isinstance(below, list):
            named = [m.get("name") for m in value if isinstance(m, dict)]
            merged[key] = value + [m for m in below if m.get("name") not in named]
    return merged


def _multiplier_cycles(top: Table) -> int:
    # Arm offers two multipliers, nothing between: DDI 0484C and DDI 0432C, table 3-1.
    cycles = top.integer("multiplier_cycles", 1, 32, default=1)
    if cycles not in (1, 32):
        top.fail("multiplier_cycles", f"must be 1 or 32, not {cycles}")
    return cycles


def _base_and_size(table: Table, size_multiple: int) -> tuple[int, int]:
    # A base on a page of the emulator's: no two memories then share one.
    base = table.integer("base", 0, _ADDRESS_SPACE - 1, multiple_of=_PAGE)
    size = table.integer("size", 1, _ADDRESS_SPACE, multiple_of=size_multiple)
    if base + size > _ADDRESS_SPACE:
        table.fail("size", f"{base:#x} + {size:#x} is beyond the 32-bit address space")
    return base, size


def _regions(top: Table) -> tuple[MemoryRegion, ...]:
    regions: list[MemoryRegion] = []
    for table in top.tables("memory", _MEMORY_KEYS):
        name = table.text("name")
        if any(r.name == name for r in regions):
            table.fail("name", f"{name!r} is already taken")
        kind: MemoryKind = table.choice("kind", get_args(MemoryKind))
        base, size = _base_and_size(table, size_multiple=4)
        table.text("source", "")
        is_cache = table.flag("is_cache", False)
        if is_cache and kind != "sram":
            table.fail("is_cache", "only memory of kind 'sram' can be a cache's")
        boot_rom = table.choice("boot_rom", _BOOT_ROMS) if "boot_rom" in table.raw else ""
        if boot_rom and (kind, base) != ("rom", 0):
            table.fail("boot_rom", "only memory of kind 'rom' at 0 can have one")
        regions.append(MemoryRegion(name, kind, base, size, is_cache, boot_rom))
    if not any(r.kind == "sram" and not r.is_cache for r in regions):
        top.fail("memory", "missing a [[memory]] of kind 'sram'")
    return tuple(sorted(regions, key=lambda r: r.base))


def _aliases(top: Table, regions: tuple[MemoryRegion, ...]) -> tuple[Alias, ...]:
    sizes = {r.name: r.size for r in regions}
    aliases = []
    for table in top.tables("alias", _ALIAS_KEYS):
        of = table.choice("of", tuple(sizes))
        base = table.integer("base", 0, _ADDRESS_SPACE - sizes[of], multiple_of=_PAGE)
        table.text("source", "")
        aliases.append(Alias(of, base, table.flag("cacheable", True), table.flag("allocating", True)))
    return tuple(aliases)


def _io_port(table: Table) -> IoPort:
    table.text("source", "")
    return IoPort(*_base_and_size(table, size_multiple=_PAGE))


def _xip_cache(top: Table) -> XipCache | None:
    table = top.table("xip_cache", _XIP_CACHE_KEYS)
    if table is None:
        return None
    for key in ("source", "miss_source"):
        table.text(key, "")
    ways = table.integer("ways", 1, 64)
    line_bytes = table.integer("line_bytes", 4, 64)
    if line_bytes & (line_bytes - 1):
        table.fail("line_bytes", f"must be a power of two, not {line_bytes}")
    size = table.integer("size", 1, 1 << 24, multiple_of=ways * line_bytes)
    sets = size // (ways * line_bytes)
    if sets & (sets - 1):
        table.fail("size", f"makes {sets} sets of {ways} lines: their number must be a power of two")
    # The clock of the flash is that of the core, divided: what a fetch takes, it takes in clocks of the flash.
    clkdiv = table.integer("clkdiv", 1, 0xFFFE)
    clocks = table.integer("miss_clocks_per_word", 1, 10_000)
    return XipCache(size, ways, line_bytes, clkdiv * clocks)


def _clock_max_hz(top: Table, clock_hz: int) -> int | None:
    if "clock_max_hz" not in top.raw:
        return None
    highest = top.integer("clock_max_hz", 1, _MAX_CLOCK)
    if highest < clock_hz:
        top.fail("clock_max_hz", f"{highest} is below clock_hz, {clock_hz}")
    return highest


def _cycles(top: Table, key: str) -> int | None:
    return top.integer(key, 1, 255) if key in top.raw else None


def _buses(top: Table) -> tuple[Bus, ...]:
    buses = []
    for table in top.tables("bus", _BUS_KEYS):
        table.text("source", "")
        name = table.text("name", "")
        base, size = _base_and_size(table, size_multiple=_PAGE)
        buses.append(Bus(name, base, size, table.integer("read_cycles", 1, 255), table.integer("write_cycles", 1, 255)))
    return tuple(sorted(buses, key=lambda bus: bus.base))


def _reject_overlaps(top: Table, device: Device) -> None:
    spans = [(r.base, r.end, f"memory {r.name!r}") for r in device.regions]
    for alias in device.aliases:
        spans.append((alias.base, alias.base + device.region(alias.of).size, f"alias of {alias.of!r}"))
    spans += [(bus.base, bus.end, f"bus {bus.name!r}") for bus in device.buses]
    if device.io_port is not None:
        spans.append((device.io_port.base, device.io_port.end, "io_port"))
    spans.sort()
    for (_, end, first), (base, _, second) in pairwise(spans):
        if base < end:
            key = next(name for name in ("memory", "alias", "io_port", "bus") if second.startswith(name))
            top.fail(key, f"{second} at {base:#x} overlaps {first}, which ends at {end:#x}")


def _reject_unaligned_cache(top: Table, device: Device) -> None:
    """Bits of an address must give the set of the cache, whichever address the flash is seen at."""
    cache, flash = device.xip_cache, device.flash
    if cache is None:
        return
    if flash is None:
        top.fail("xip_cache", "there is no [[memory]] of kind 'flash' that it could be in front of")
    way_bytes = cache.size // cache.ways
    for base in (flash.base, *(alias.base for alias in device.aliases if alias.of == flash.name)):
        if base % way_bytes:
            top.fail("xip_cache", f"flash at {base:#x}: must begin on a multiple of one way, {way_bytes:#x}")
