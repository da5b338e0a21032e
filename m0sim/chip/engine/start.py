"""Where a reset begins: the boot ROM, an image in SRAM, or the vectors in flash."""

from __future__ import annotations

from dataclasses import dataclass

from m0sim.chip.memory import AddressSpace
from m0sim.chip.started import Started
from m0sim.errors import UsageError
from m0sim.image import Image

VECTOR_TABLES = (
    *("__vectors", "_vectors", "vectors", "__Vectors", "__vector_table", "__VECTOR_TABLE", "__vectors_start"),
    *("g_pfnVectors", "__isr_vector", "__isr_vectors", "__interrupt_vector", "_vector_table", "vector_table"),
)
"""Of CMSIS's and ST's start-up files, pico-sdk, IAR, cortex-m-rt, Zephyr, ChibiOS."""


@dataclass(frozen=True, slots=True)
class Start:
    """The registers that matter when the first instruction runs."""

    pc: int
    sp: int
    vector_table: int
    function: str
    """What is entered, for a person."""


def start_of(image: Image, space: AddressSpace) -> Start:
    """Where the chip begins with this image in it. Raises `UsageError` where it has nothing to begin with."""
    if not image.segments:
        raise UsageError(f"{image.path}: there is nothing in it that could be run")
    lowest = min(segment.load_address for segment in image.segments if segment.size)
    return _in_sram(image, space, lowest) if space.is_sram(lowest) else later_start(image, space)


def later_start(image: Image, space: AddressSpace) -> Start:
    """Where it begins after a reset on the way, which nothing loads an image into SRAM for. Raises as `start_of`."""
    rom = space.device.region_at(0)
    if rom is not None and rom.kind == "rom" and space.view(0, 8) is not None:
        return _from_vectors(image, space, 0, "the boot ROM")
    table = next(region.base for region in space.device.regions if region.kind == "flash")
    return _from_vectors(image, space, table, "the image")


def second_core_start(image: Image, space: AddressSpace) -> Start | None:
    """Where core 1 of an RP2040 begins, in the boot ROM as core 0 does; None where there is no such core, or no ROM."""
    if not space.device.has_sio_divider:
        return None
    rom = space.device.region_at(0)
    try:
        start = later_start(image, space)
    except UsageError:
        return None
    return start if rom is not None and rom.kind == "rom" and rom.contains(start.pc) else None


def vector_table_of(image: Image, space: AddressSpace, started: Started | None) -> int | None:
    """The vector table that exceptions of a call find: that of start-up code, or the one that the image shows.

    Shown by a symbol, or where the hardware or boot2 looks: at the begin of flash, or 256 bytes behind it. None where
    there is none whose vector of SVC is code.
    """
    if started is not None:
        places = [started.vector_table]
    else:
        flash = [region.base for region in space.device.regions if region.kind == "flash"]
        places = [s.address for s in image.symbols if s.linkage_name in VECTOR_TABLES]
        places += [base + offset for base in flash for offset in (0, 256)]
    return next((place for place in places if _has_vectors(space, place)), None)


def _has_vectors(space: AddressSpace, table: int) -> bool:
    sp, reset, supervisor = (_word(space, table + 4 * number) for number in (0, 1, 11))
    is_code = all(entry & 1 and space.view(entry & ~1, 2) is not None for entry in (reset, supervisor))
    return is_code and not sp & 3 and space.is_sram(sp - 4)


def _in_sram(image: Image, space: AddressSpace, lowest: int) -> Start:
    """The boot ROM loads such an image and enters it, with SP at the end of SRAM: RP2040 datasheet, 2.8.4.2."""
    end = max(bank.end for bank in space.banks if bank.kind == "sram")
    entry = image.entry or lowest & ~1
    return Start(entry, end, 0, f"{entry:#010x}, in SRAM")


def _from_vectors(image: Image, space: AddressSpace, table: int, of: str) -> Start:
    """DDI 0419, B1.5.5: SP from the first word, the first instruction from the second."""
    sp, pc = _word(space, table), _word(space, table + 4)
    where = f"the vectors of {of} at {table:#010x}"
    if not pc & 1 or space.view(pc & ~1, 2) is None:
        raise UsageError(
            f"{image.path}: {where} begin with {sp:#010x}, {pc:#010x}: no stack and reset handler. Is it for another "
            f"part than {space.device.name}? --profile says which; m0sim call needs no vectors"
        )
    return Start(pc & ~1, sp & ~3, table, f"{pc & ~1:#010x}, from {where}")


def _word(space: AddressSpace, address: int) -> int:
    view = space.view(address, 4)
    return 0 if view is None else int.from_bytes(view.tobytes(), "little")
