"""What one part has: tables that `board.build` makes a board of."""

from __future__ import annotations

from dataclasses import dataclass

from m0sim.chip.devices.block import Register
from m0sim.chip.devices.stm32.rcc import Bit, Layout
from m0sim.chip.devices.stm32.usart import Usart


@dataclass(frozen=True, slots=True)
class Unit:
    """A USART or a timer."""

    name: str
    base: int
    line: int
    """Its interrupt, which others may share."""
    enable: Bit
    reset: Bit
    bus: int = 0
    """Of the APBs, from 0."""
    bits: int = 16
    channels: int = 0
    match_line: int | None = None
    """The interrupt of matches, where that is another one."""


@dataclass(frozen=True, slots=True)
class Port:
    """A GPIO port, and what its registers are after a reset."""

    letter: str
    base: int
    enable: Bit
    reset: Bit
    moder: int
    ospeedr: int = 0
    pupdr: int = 0


@dataclass(frozen=True, slots=True)
class Plain:
    """A block that only keeps what is stored: what it does elsewhere is either nothing that runs code, or noted."""

    name: str
    base: int
    registers: tuple[Register, ...]
    inert: tuple[int, ...] = ()
    """Offsets of registers whose values other than that after a reset are noted."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part, or all parts of a family that have the same blocks."""

    layout: Layout
    hz: int
    """HCLK after a reset."""
    usarts: tuple[Unit, ...]
    timers: tuple[Unit, ...]
    ports: tuple[Port, ...]
    flash: Plain
    """Has ACR at 0, with LATENCY in its lowest bits."""
    latency_limits: tuple[int, ...]
    """By LATENCY: HCLK in hertz that it is enough for."""
    plain: tuple[Plain, ...]
    unmodelled: tuple[tuple[str, int, int], ...]
    """Name, base and size."""
    interrupts: tuple[str, ...]
    usart: type[Usart] = Usart
