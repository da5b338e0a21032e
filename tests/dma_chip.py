"""An RP2040's devices with memories behind them, and its DMA as a program drives it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from device_host import FakeHost
from test_devices_rp2040 import CLR, RESETS, Chip

from m0sim.chip.devices.memories import Memory

DMA, SRAM, FLASH, ROM = 0x5000_0000, 0x2000_0000, 0x1000_0000, 0
SRAM_BYTES = 0x4_2000
INTR, INTE0, INTF0, INTS0, INTE1, INTF1, INTS1 = (DMA + 0x400 + 4 * i for i in (0, 1, 2, 3, 5, 6, 7))
TIMER0, MULTI, SNIFF_CTRL, SNIFF_DATA, LEVELS, ABORT, NUMBER = (
    DMA + offset for offset in (0x420, 0x430, 0x434, 0x438, 0x440, 0x444, 0x448)
)
READ, WRITE, COUNT, CTRL = 0x0, 0x4, 0x8, 0xC
ALIASES = (
    (READ, WRITE, COUNT, CTRL),
    (CTRL, READ, WRITE, COUNT),
    (CTRL, COUNT, READ, WRITE),
    (CTRL, WRITE, COUNT, READ),
)
UNPACED, BUSY = 0x3F, 1 << 24


@dataclass(frozen=True)
class Descriptor:
    """What a program wants of a channel, in the datasheet's terms."""

    read: int
    write: int
    count: int
    size: int = 2
    """DATA_SIZE: 0 to 2."""
    incr_read: bool = True
    incr_write: bool = True
    ring: int = 0
    ring_on_write: bool = False
    chain_to: int | None = None
    treq: int = UNPACED
    quiet: bool = False
    bswap: bool = False
    sniff: bool = False
    urgent: bool = False
    enable: bool = True

    def ctrl(self, channel: int) -> int:
        chain_to = channel if self.chain_to is None else self.chain_to
        return (
            self.enable | self.urgent << 1 | self.size << 2 | self.incr_read << 4 | self.incr_write << 5
            | self.ring << 6 | self.ring_on_write << 10 | chain_to << 11 | self.treq << 15 | self.quiet << 21
            | self.bswap << 22 | self.sniff << 23
        )  # fmt: skip


class DmaChip(Chip):
    """With the DMA out of reset."""

    def __init__(self, host: FakeHost | None = None) -> None:
        super().__init__(host)
        self.sram = np.zeros(SRAM_BYTES, np.uint8)
        self.flash = np.zeros(1 << 16, np.uint8)
        self.host.memories += [
            Memory(SRAM, SRAM_BYTES, self.sram, True, False),
            Memory(FLASH, len(self.flash), self.flash, False, True),
            Memory(ROM, 0x4000, np.zeros(0x4000, np.uint8), False, False),
        ]
        self.store(RESETS + CLR, 1 << 2)

    def channel(self, channel: int, register: int, alias: int = 0) -> int:
        """Where a register of a channel is."""
        return DMA + 0x40 * channel + 16 * alias + 4 * ALIASES[alias].index(register)

    def set_up(self, channel: int, wanted: Descriptor) -> None:
        """All but the trigger."""
        self.store(self.channel(channel, READ), wanted.read)
        self.store(self.channel(channel, WRITE), wanted.write)
        self.store(self.channel(channel, COUNT), wanted.count)
        self.store(self.channel(channel, CTRL, 1), wanted.ctrl(channel))

    def start(self, channel: int, wanted: Descriptor) -> None:
        self.set_up(channel, wanted)
        self.store(self.channel(channel, CTRL), wanted.ctrl(channel))

    def busy(self, channel: int) -> bool:
        return bool(self.load(self.channel(channel, CTRL)) & BUSY)

    def finish(self, *channels: int, limit: int = 1_000_000) -> int:
        """Let time pass until channels are idle; the cycles that it took."""
        begin = self.host.now
        while any(self.busy(channel) for channel in channels):
            assert self.host.now - begin < limit, "it never ends"
            self.run(1 if self.host.wake is None else max(1, self.host.wake - self.host.now))
        return self.host.now - begin

    def fill(self, seed: int) -> None:
        self.sram[:] = np.random.default_rng(seed).integers(0, 256, SRAM_BYTES, np.uint8)


def expected(memory: bytearray, wanted: Descriptor, base: int = SRAM) -> bytes:
    """The transfers one by one, straight from the datasheet's words: changes `memory`, gives what passed."""
    size, read, write, passed = 1 << wanted.size, wanted.read, wanted.write, b""
    for _ in range(wanted.count):
        unit = bytes(memory[read - base : read - base + size])
        unit = unit[::-1] if wanted.bswap else unit
        passed += unit
        memory[write - base : write - base + size] = unit
        if wanted.incr_read:
            read = _stepped(read, size, 0 if wanted.ring_on_write else wanted.ring)
        if wanted.incr_write:
            write = _stepped(write, size, wanted.ring if wanted.ring_on_write else 0)
    return passed


def _stepped(address: int, size: int, ring: int) -> int:
    if not ring:
        return address + size
    low = address % 2**ring
    return address - low + (low + size) % 2**ring
