"""What a call is of, in words: a `Provenance`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from m0sim.chip.call import Argument, RegisterValues, StubValues, described
from m0sim.chip.cost import Provenance
from m0sim.chip.device import Device
from m0sim.chip.options import Engine
from m0sim.image import Image


def provenance_of(
    image: Image,
    device: Device,
    function: str,
    args: Sequence[Argument],
    *,
    before: Sequence[tuple[str, list[Argument]]],
    stubs: StubValues,
    registers: RegisterValues,
    stdout: Sequence[str],
    engine: Engine,
    version: str,
    bootrom: str | Path | None = None,
    startup: str | None = None,
) -> Provenance:
    """Of a call from Python; `engine` is what executes the code, `version` that of m0sim.

    `bootrom` is the file in the boot ROM, if one was given; `startup` what start-up code ran up to, if it did.
    """
    return Provenance(
        image=str(image.path),
        sha256=image.sha256,
        function=function,
        arguments=tuple(described(a) for a in args),
        before=tuple(f"{name}({', '.join(map(described, given))})" if given else name for name, given in before),
        stubs=tuple(f"{name}={described(given)}" for name, given in stubs.items()),
        registers=tuple(f"{address:#010x}={described(given)}" for address, given in registers.items()),
        stdout=tuple(stdout),
        profile=device.name,
        engine=engine,
        version=version,
        base=image.base,
        clock_hz=device.clock_hz,
        startup=startup,
        bootrom=None if bootrom is None else str(bootrom),
        symbols=None if image.symbol_file is None else str(image.symbol_file),
    )
