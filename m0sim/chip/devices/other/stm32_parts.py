"""Which blocks of `stm32` a profile has, and where."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from m0sim.chip.devices.block import Device
from m0sim.chip.devices.board import Board
from m0sim.chip.devices.bus import Bus
from m0sim.chip.devices.clock import SystemClock
from m0sim.chip.devices.host import Host
from m0sim.chip.devices.other import stm32
from m0sim.chip.devices.unmodelled import UnmodelledBlock

_APB, _APB2, _AHB = 0x4000_0000, 0x4001_0000, 0x4002_0000
_USART1, _USART2, _USART3, _USART4 = _APB2 + 0x3800, _APB + 0x4400, _APB + 0x4800, _APB + 0x4C00


@dataclass(frozen=True, slots=True)
class Part:
    """One part's blocks: by name, their address and interrupts."""

    rcc: type[stm32.Rcc]
    usarts: Mapping[str, tuple[int, int]]
    timers: Mapping[str, tuple[int, tuple[int, ...]]]
    ports: str
    """Letters of its ports, in the order of their addresses; ``-`` where there is none."""
    port_base: int
    port_a: int
    """MODER of port A after reset."""
    layout: stm32.UsartLayout = stm32.NEWER
    port_modes: int = 0
    wide: tuple[str, ...] = ()
    """Timers of 32 bits."""
    spaces: tuple[tuple[int, int], ...] = ((_APB, 0x8C00), (_APB2, 0x5C00), (_AHB, 0x6400))
    """Ranges of addresses where the part has more than is modelled."""


_F0_TIMERS = {"TIM3": (_APB + 0x400, (16,)), "TIM14": (_APB + 0x2000, (19,)), "TIM1": (_APB2 + 0x2C00, (13, 14))}
_F0_TIMERS |= {"TIM16": (_APB2 + 0x4400, (21,)), "TIM17": (_APB2 + 0x4800, (22,))}
_TIM2 = {"TIM2": (_APB, (15,))}
_BASIC = {"TIM6": (_APB + 0x1000, (17,)), "TIM7": (_APB + 0x1400, (18,)), "TIM15": (_APB2 + 0x4000, (20,))}
_TWO = {"USART1": (_USART1, 27), "USART2": (_USART2, 28)}
_FOUR = _TWO | {"USART3": (_USART3, 29), "USART4": (_USART4, 29)}
_PORTS_F0, _PORTS_G0 = 0x4800_0000, 0x5000_0000

PARTS = {
    "stm32f0": Part(stm32.RccF0, _FOUR, _TIM2 | _F0_TIMERS | _BASIC, "ABCDEF", _PORTS_F0, 0x2800_0000, wide=("TIM2",)),
    "stm32f031": Part(
        stm32.RccF031, {"USART1": (_USART1, 27)}, _TIM2 | _F0_TIMERS, "ABC--F", _PORTS_F0, 0x2800_0000, wide=("TIM2",)
    ),
    "stm32l0": Part(
        stm32.RccL0,
        _TWO | {"USART4": (_USART4, 14), "USART5": (_APB + 0x5000, 14)},
        _TIM2
        | {"TIM3": (_APB + 0x400, (16,)), "TIM6": (_APB + 0x1000, (17,)), "TIM7": (_APB + 0x1400, (18,))}
        | {"TIM21": (_APB2 + 0x800, (20,)), "TIM22": (_APB2 + 0x1400, (22,))},
        "ABCDE--H",
        _PORTS_G0,
        0xEBFF_FCFF,
        port_modes=0xFFFF_FFFF,
    ),
    "stm32g0": Part(
        stm32.RccG0, _FOUR, _TIM2 | _F0_TIMERS | _BASIC, "ABCD-F", _PORTS_G0, 0xEBFF_FFFF,
        port_modes=0xFFFF_FFFF, wide=("TIM2",),
    ),
    "stm32g030": Part(
        stm32.RccG0, _TWO, _F0_TIMERS, "ABCD-F", _PORTS_G0, 0xEBFF_FFFF, port_modes=0xFFFF_FFFF
    ),
    "py32f002b": Part(
        stm32.RccPy32,
        {"USART1": (_USART1, 27)},
        {"TIM1": (_APB2 + 0x2C00, (13, 14)), "TIM14": (_APB + 0x2000, (19,))},
        "ABC",
        _PORTS_G0,
        0xFFFF_FFFF,
        layout=stm32.OLDER,
        port_modes=0xFFFF_FFFF,
    ),
}  # fmt: skip


def build(name: str, host: Host) -> Board:
    """The peripherals of the profile `name`, one of `PARTS`."""
    part = PARTS[name]
    clock = SystemClock(0)
    rcc = part.rcc(clock)
    clock.set(rcc.frequency())
    usarts = {
        called: stm32.Usart(called, base, line, clock, rcc.pclk, part.layout)
        for called, (base, line) in part.usarts.items()
    }
    devices: list[Device] = [
        UnmodelledBlock(f"peripherals at {base:#010x}", base, size, has_aliases=False) for base, size in part.spaces
    ]
    devices += [rcc, stm32.Storage("FLASH", _AHB + 0x2000), stm32.Storage("PWR", _APB + 0x7000), *usarts.values()]
    for called, (base, lines) in part.timers.items():
        bits = 32 if called in part.wide else 16
        devices.append(stm32.Tim(called, base, lines, clock, rcc.timer_clock, bits))
    for i, letter in ((i, letter) for i, letter in enumerate(part.ports) if letter != "-"):
        devices.append(stm32.Gpio(letter, part.port_base + 0x400 * i, part.port_a if i == 0 else part.port_modes))
    return Board(Bus(host, clock, devices), clock, usarts)
