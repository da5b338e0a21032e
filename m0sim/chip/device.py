"""A device profile: the core, the clock and the memories of one microcontroller, read from a TOML file.

Sizes are in bytes, clocks in hertz, currents in amperes, voltages in volts. What a profile does not say is unknown
(`None`), never guessed. docs/profiles.md describes the file.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal, get_args

from m0sim.errors import UsageError, did_you_mean
from m0sim.toml import Table, read

Core = Literal["cortex-m0plus", "cortex-m0"]
MemoryKind = Literal["rom", "flash", "sram"]

DEFAULT = "rp2040"
"""The profile that is used when the user names none."""

_ADDRESS_SPACE = 1 << 32
_PAGE = 4096


@dataclass(frozen=True, slots=True)
class MemoryRegion:
    """One contiguous memory: `size` bytes from `base` on."""

    name: str
    kind: MemoryKind
    base: int
    size: int

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
class Energy:
    """A published supply current of the running core. It holds at the profile's clock only."""

    current_amperes: float
    voltage_volts: float
    source: str

    def energy_joules(self, seconds: float) -> float:
        """Joules drawn in `seconds` of running."""
        return self.current_amperes * self.voltage_volts * seconds


@dataclass(frozen=True, slots=True)
class XipCache:
    """The cache in front of an external flash. Lines are filled word by word, of 4 bytes, as the words are accessed."""

    size: int
    ways: int
    line_bytes: int
    miss_cycles_per_word: int
    """Cycles of the core that fetching a word from the flash adds."""
    estimate_cycles_per_word: int
    """The same in the estimate of level ``memory``, which fetches whole lines."""

    @property
    def sets(self) -> int:
        """How many sets the lines are spread over."""
        return self.size // (self.ways * self.line_bytes)


@dataclass(frozen=True, slots=True)
class Device:
    """Everything m0sim knows of one microcontroller."""

    name: str
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
    zero_wait: str
    """Under which clock or wait-state setting the hardware runs as m0sim counts; empty when the profile is silent."""
    path: Path

    @property
    def flash(self) -> MemoryRegion | None:
        """The first flash region, or None on a device that runs from SRAM only."""
        return next((r for r in self.regions if r.kind == "flash"), None)

    @property
    def srams(self) -> tuple[MemoryRegion, ...]:
        """The SRAM regions by rising address; a profile has at least one."""
        return tuple(r for r in self.regions if r.kind == "sram")

    @property
    def flash_bytes(self) -> int:
        """Bytes of flash in all, aliases not counted again."""
        return sum(r.size for r in self.regions if r.kind == "flash")

    @property
    def sram_bytes(self) -> int:
        """Bytes of SRAM in all, aliases not counted again."""
        return sum(r.size for r in self.srams)

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
        """Joules that `cycles` take at the profile's clock, or None when the profile gives no current."""
        return None if self.energy is None else self.energy.energy_joules(self.seconds(cycles))


def names() -> tuple[str, ...]:
    """The bundled profiles, sorted."""
    return tuple(sorted(path.stem for path in _bundled_directory().glob("*.toml")))


def load(name_or_path: str | Path = DEFAULT) -> Device:
    """Read a bundled profile by name, or a profile file by path: one that ends in .toml or has a separator in it.

    Raises UsageError, in one line, for an unknown name, an unreadable file, and anything wrong in the file.
    """
    text = str(name_or_path)
    if isinstance(name_or_path, Path) or text.endswith(".toml") or "/" in text or "\\" in text:
        return _read(Path(name_or_path))
    if text not in names():
        known = ", ".join(names())
        raise UsageError(f"no profile {text!r}{did_you_mean(text, names())} (bundled: {known}; or give a .toml file)")
    return _read(_bundled_directory() / f"{text}.toml")


def _bundled_directory() -> Path:
    package = Path(__file__).resolve().parents[1]
    in_wheel = package / "profiles"
    return in_wheel if in_wheel.is_dir() else package.parent / "profiles"


_TOP_KEYS = (
    *("name", "description", "core", "core_source", "multiplier_cycles", "multiplier_source"),
    *("clock_hz", "clock_source", "zero_wait", "zero_wait_source"),
    *("memory", "alias", "io_port", "xip_cache", "energy"),
)
_MEMORY_KEYS = ("name", "kind", "base", "size", "source")
_ALIAS_KEYS = ("of", "base", "cacheable", "allocating", "source")
_IO_PORT_KEYS = ("base", "size", "sio_divider", "source")
_XIP_CACHE_KEYS = (
    *("size", "ways", "line_bytes", "miss_cycles_per_word", "clkdiv", "miss_clocks_per_word", "source", "miss_source"),
)
_ENERGY_KEYS = ("current_amperes", "voltage_volts", "clock_hz", "running_from", "source")


def _read(path: Path) -> Device:
    top = read(path, "the profile", _TOP_KEYS)
    core: Core = top.choice("core", get_args(Core))
    clock_hz = top.integer("clock_hz", 1, 1_000_000_000)
    for key in ("core_source", "multiplier_source", "clock_source", "zero_wait_source"):
        top.text(key, "")
    regions = _regions(top)
    port = top.table("io_port", _IO_PORT_KEYS)
    if port is not None and core == "cortex-m0":
        top.fail("io_port", "a cortex-m0 has no single-cycle I/O port")
    device = Device(
        name=top.text("name", path.stem),
        description=top.text("description", ""),
        core=core,
        multiplier_cycles=_multiplier_cycles(top),
        clock_hz=clock_hz,
        regions=regions,
        aliases=_aliases(top, regions),
        io_port=None if port is None else _io_port(port),
        has_sio_divider=port is not None and port.flag("sio_divider", False),
        energy=_energy(top, clock_hz),
        xip_cache=_xip_cache(top),
        zero_wait=top.text("zero_wait", ""),
        path=path,
    )
    _reject_overlaps(top, device)
    _reject_unaligned_cache(top, device)
    return device


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
        regions.append(MemoryRegion(name, kind, base, size))
    if not any(r.kind == "sram" for r in regions):
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
    estimate = table.integer("miss_cycles_per_word", 1, 100_000)
    # The clock of the flash is that of the core, divided: what a fetch takes, it takes in clocks of the flash.
    clkdiv = table.integer("clkdiv", 0, 0xFFFE, default=0)
    clocks = table.integer("miss_clocks_per_word", 0, 10_000, default=0)
    if bool(clkdiv) != bool(clocks):
        table.fail("clkdiv" if clkdiv else "miss_clocks_per_word", "clkdiv and miss_clocks_per_word go together")
    return XipCache(size, ways, line_bytes, clkdiv * clocks or estimate, estimate)


def _energy(top: Table, clock_hz: int) -> Energy | None:
    table = top.table("energy", _ENERGY_KEYS)
    if table is None:
        return None
    table.text("running_from", "")
    measured_hz = table.integer("clock_hz", 1, 1_000_000_000, default=clock_hz)
    if measured_hz != clock_hz:
        # Current does not scale with the clock alone: a figure from another clock would be a guess.
        table.fail("clock_hz", f"the current is of {measured_hz} Hz, but the profile runs at {clock_hz} Hz")
    return Energy(
        # The bounds catch milliamperes and millivolts given as amperes and volts.
        current_amperes=table.positive("current_amperes", 1, "A"),
        voltage_volts=table.positive("voltage_volts", 10, "V"),
        source=table.text("source"),
    )


def _reject_overlaps(top: Table, device: Device) -> None:
    spans = [(r.base, r.end, f"memory {r.name!r}") for r in device.regions]
    for alias in device.aliases:
        spans.append((alias.base, alias.base + device.region(alias.of).size, f"alias of {alias.of!r}"))
    if device.io_port is not None:
        spans.append((device.io_port.base, device.io_port.end, "io_port"))
    spans.sort()
    for (_, end, first), (base, _, second) in pairwise(spans):
        if base < end:
            key = next(name for name in ("memory", "alias", "io_port") if second.startswith(name))
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
