"""MSPM0G3507 and MSPM0C1104: their blocks, wired together.

Addresses and interrupts: SLASEX6B and SLASF90B, chapter 8.
"""

from __future__ import annotations

from dataclasses import dataclass

from m0sim.chip.devices.block import Device
from m0sim.chip.devices.board import Board
from m0sim.chip.devices.bus import Bus
from m0sim.chip.devices.clock import Source, SystemClock
from m0sim.chip.devices.host import Host
from m0sim.chip.devices.mspm0.gpio import Gpio, Iomux, Ports
from m0sim.chip.devices.mspm0.sysctl import Layout, Sysctl
from m0sim.chip.devices.mspm0.timer import Timer
from m0sim.chip.devices.mspm0.uart import Uart
from m0sim.chip.devices.requests import RequestLine
from m0sim.chip.devices.unmodelled import UnmodelledBlock

_INTERRUPTS = 32


@dataclass(frozen=True, slots=True)
class Unit:
    """A UART or a timer."""

    name: str
    base: int
    line: int
    is_fast: bool = False
    """In power domain 1: its bus clock is MCLK, else ULPCLK."""
    bits: int = 16


@dataclass(frozen=True, slots=True)
class Part:
    """What a part has."""

    layout: Layout
    uarts: tuple[Unit, ...]
    timers: tuple[Unit, ...]
    ports: tuple[tuple[str, int], ...]
    unmodelled: tuple[tuple[str, int], ...]
    interrupts: tuple[str, ...]


_COMMON = (
    ("WWDT0", 0x4008_0000), ("DEBUGSS", 0x400C_6000), ("FLASHCTL", 0x400C_C000), ("I2C0", 0x400F_0000),
    ("CPUSS", 0x4040_0000), ("WUC", 0x4042_4000), ("DMA", 0x4042_A000), ("CRC", 0x4044_0000),
    ("SPI0", 0x4046_8000), ("VREF", 0x4003_0000), ("FACTORYREGION", 0x41C4_0000),
)  # fmt: skip

PARTS = {
    "mspm0g3507": Part(
        layout=Layout(32_000_000, has_high_speed=True, wait_limits=(24_000_000, 48_000_000, 80_000_000)),
        uarts=(
            Unit("UART0", 0x4010_8000, 15),
            Unit("UART1", 0x4010_0000, 13),
            Unit("UART2", 0x4010_2000, 14),
            Unit("UART3", 0x4050_0000, 3, is_fast=True),
        ),
        timers=(
            Unit("TIMG0", 0x4008_4000, 16),
            Unit("TIMG8", 0x4009_0000, 2),
            Unit("TIMG6", 0x4086_8000, 17, is_fast=True),
            Unit("TIMG7", 0x4086_A000, 20, is_fast=True),
            Unit("TIMG12", 0x4087_0000, 21, is_fast=True, bits=32),
            Unit("TIMA0", 0x4086_0000, 18, is_fast=True),
            Unit("TIMA1", 0x4086_2000, 19, is_fast=True),
        ),
        ports=(("GPIOA", 0x400A_0000), ("GPIOB", 0x400A_2000)),
        unmodelled=(
            *_COMMON,
            *(("ADC0", 0x4000_0000), ("ADC1", 0x4000_2000), ("COMP0", 0x4000_8000), ("COMP1", 0x4000_A000)),
            *(("COMP2", 0x4000_C000), ("DAC0", 0x4001_8000), ("OPA0", 0x4002_0000), ("OPA1", 0x4002_2000)),
            *(("WWDT1", 0x4008_2000), ("RTC", 0x4009_4000), ("I2C1", 0x400F_2000), ("MATHACL", 0x4041_0000)),
            *(("AES", 0x4044_2000), ("TRNG", 0x4044_4000), ("SPI1", 0x4046_A000), ("CANFD0", 0x4050_8000)),
            *(("ADC0 results", 0x4055_6000), ("ADC1 results", 0x4055_8000)),
        ),
        interrupts=(
            "GROUP0", "GROUP1", "TIMG8", "UART3", "ADC0", "ADC1", "CANFD0", "DAC0", "", "SPI0", "SPI1", "", "", "UART1",
            "UART2", "UART0", "TIMG0", "TIMG6", "TIMA0", "TIMA1", "TIMG7", "TIMG12", "", "", "I2C0", "I2C1", "", "",
            "AES", "", "RTC", "DMA",
        ),
    ),
    "mspm0c1104": Part(
        layout=Layout(24_000_000, has_high_speed=False, wait_limits=(24_000_000,)),
        uarts=(Unit("UART0", 0x4010_8000, 15),),
        timers=(Unit("TIMG14", 0x4008_4000, 16), Unit("TIMG8", 0x4009_0000, 2), Unit("TIMA0", 0x4086_0000, 18)),
        ports=(("GPIOA", 0x400A_0000),),
        unmodelled=(*_COMMON, ("ADC0", 0x4000_4000), ("ADC0 results", 0x4055_A000)),
        interrupts=(
            "GROUP0", "GROUP1", "TIMG8", "", "ADC0", "", "", "", "", "SPI0", "", "", "", "", "", "UART0", "TIMG14", "",
            "TIMA0", "", "", "", "", "", "I2C0", "", "", "", "", "", "", "DMA",
        ),
    ),
}  # fmt: skip


def build(part: Part, host: Host) -> Board:
    """The part served by `host`, not reset yet."""
    clock = SystemClock(part.layout.sysosc_hz)
    sysctl = Sysctl(part.layout, clock)
    lines = [RequestLine(host, number) for number in range(_INTERRUPTS)]

    def clocks(unit: Unit) -> tuple[SystemClock, Source, Source, Source]:
        return clock, sysctl.lfclk, sysctl.mfclk, sysctl.mclk if unit.is_fast else sysctl.ulpclk

    uarts = {unit.name: Uart(unit.name, unit.base, lines[unit.line], *clocks(unit)) for unit in part.uarts}
    timers = [Timer(unit.name, unit.base, lines[unit.line], *clocks(unit), bits=unit.bits) for unit in part.timers]
    ports = [Gpio(name, base, lines[1]) for name, base in part.ports]
    unmodelled = [UnmodelledBlock(name, base, 0x2000, has_aliases=False) for name, base in part.unmodelled]
    devices: list[Device] = [sysctl, Iomux(), *uarts.values(), *timers, *ports, *unmodelled]
    return Board(Bus(host, clock, devices), clock, uarts, interrupts=part.interrupts, pins=Ports(ports))
