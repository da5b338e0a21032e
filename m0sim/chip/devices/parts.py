"""Which peripherals a part has."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from m0sim.chip.device import Device
from m0sim.chip.devices import cc2340, nrf51, samd21
from m0sim.chip.devices.board import Board
from m0sim.chip.devices.host import Host
from m0sim.chip.devices.mspm0 import board as mspm0
from m0sim.chip.devices.rp2040 import board as rp2040
from m0sim.chip.devices.stm32 import board as stm32
from m0sim.chip.devices.stm32.parts import PARTS as STM32
from m0sim.errors import UsageError, did_you_mean

_OTHERS: dict[str, Callable[[Host], Board]] = {
    **{name: partial(stm32.build, part) for name, part in STM32.items()},
    "samd21": samd21.build,
    "nrf51": nrf51.build,
    "cc2340": cc2340.build,
    **{name: partial(mspm0.build, part) for name, part in mspm0.PARTS.items()},
}
KNOWN = ("rp2040", *_OTHERS)
"""Profiles whose peripherals are modelled, in part at least; profiles that extend one of them are too."""


def board_of(device: Device, host: Host) -> Board:
    """The peripherals of a part, served by `host`. Raises `UsageError` for a part whose ones are not modelled."""
    if device.has_sio_divider:
        return rp2040.build(host, device.flash.size if device.flash else 2 << 20)
    if device.peripherals in _OTHERS:
        return _OTHERS[device.peripherals](host)
    known, wanted = f"{', '.join(KNOWN[:-1])} and {KNOWN[-1]}", device.peripherals
    raise UsageError(
        f"m0sim run does not know the peripherals of {wanted}{did_you_mean(wanted, KNOWN)}: it knows those of {known}; "
        "a profile of a board names its part with extends or peripherals"
    )
