"""A part of the family: its blocks, wired together."""

from __future__ import annotations

from collections.abc import Sequence

from m0sim.chip.devices.board import Board
from m0sim.chip.devices.bus import Bus
from m0sim.chip.devices.clock import SystemClock
from m0sim.chip.devices.host import Host
from m0sim.chip.devices.requests import RequestLine
from m0sim.chip.devices.stm32.gpio import Gpio, Ports
from m0sim.chip.devices.stm32.part import Part, Plain
from m0sim.chip.devices.stm32.peripheral import Peripheral
from m0sim.chip.devices.stm32.rcc import Rcc
from m0sim.chip.devices.stm32.timer import Timer
from m0sim.chip.devices.stm32.usart import Usart
from m0sim.chip.devices.unmodelled import UnmodelledBlock

INTERRUPTS = 32


class Kept(Peripheral):
    """A block that only keeps what is stored."""

    def __init__(self, plain: Plain) -> None:
        super().__init__(plain.name, plain.base, plain.registers)
        self.inert(*plain.inert)


class Flash(Kept):
    """The flash's interface: on the AHB. LATENCY counts at once; where it is too low for the clock, that is noted."""

    ACR = 0x00
    is_on_apb = False

    def __init__(self, plain: Plain, clock: SystemClock, limits: Sequence[int]) -> None:
        super().__init__(plain)
        self._clock, self._limits = clock, limits
        self.stores[self.ACR] = lambda _: self._tell()
        clock.watch(self._check)

    def reset(self) -> None:
        """No wait states, or what else a reset leaves."""
        super().reset()
        self._tell()

    def _latency(self) -> int:
        return self.words[self.ACR] & (1 << (len(self._limits) - 1).bit_length()) - 1

    def _tell(self) -> None:
        self.bus.host.set_flash_waits(self._latency())
        self._check()

    def _check(self) -> None:
        latency, hz = min(self._latency(), len(self._limits) - 1), self._clock.hz
        if hz > self._limits[latency]:
            what = f"LATENCY {latency} at {float(hz) / 1e6:g} MHz: hardware reads wrong, it is up to"
            self.bus.unmodelled(self, self.ACR, latency, f"{what} {self._limits[latency] / 1e6:g} MHz")


def build(part: Part, host: Host) -> Board:
    """The part served by `host`, not reset yet."""
    clock = SystemClock(part.hz)
    rcc = Rcc(part.layout, clock)
    lines = [RequestLine(host, number) for number in range(INTERRUPTS)]
    usarts: dict[str, Usart] = {}
    blocks: list[Peripheral] = [
        rcc,
        Flash(part.flash, clock, part.latency_limits),
        *(Kept(plain) for plain in part.plain),
    ]
    for unit in part.usarts:
        usart = part.usart(unit.name, unit.base, lines[unit.line], clock, rcc.kernel(unit.name, unit.bus))
        usarts[unit.name] = usart
        rcc.gate(usart, unit.enable, unit.reset)
    for unit in part.timers:
        requests = [lines[number] for number in (unit.line, unit.match_line) if number is not None]
        source, bits, channels = rcc.timers[unit.bus], unit.bits, unit.channels
        timer = Timer(unit.name, unit.base, requests, clock, source, bits=bits, channels=channels)
        rcc.gate(timer, unit.enable, unit.reset)
        blocks.append(timer)
    ports: dict[int, Gpio] = {}
    for port in part.ports:
        gpio = Gpio(f"GPIO{port.letter}", port.base, port.moder, port.ospeedr, port.pupdr)
        rcc.gate(gpio, port.enable, port.reset)
        ports[ord(port.letter) - ord("A")] = gpio
    unmodelled = [UnmodelledBlock(name, base, size, has_aliases=False) for name, base, size in part.unmodelled]
    bus = Bus(host, clock, (*blocks, *usarts.values(), *ports.values(), *unmodelled))
    return Board(bus, clock, usarts, interrupts=part.interrupts, pins=Ports(ports))
