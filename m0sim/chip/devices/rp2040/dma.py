"""DMA: twelve channels that move data beside the processor. RP2040 datasheet, section 2.5.

What the datasheet fixes is the rate: a transfer each cycle at best, for all channels together, and longer where a bus
takes longer (section 2.1.3). The latencies are assumed: a channel makes its first transfer in the cycle behind its
trigger, or in that in which its request comes; a read and its write are made together, and a sequence has ended when
what its last read and its last write take is over. So FIFO_LEVELS are always 0.

Nobody is held up by the DMA, and it is held up by nobody: BUS_PRIORITY changes nothing. `dma_contending.py` has it
otherwise, for who asks for that.

Transfers that touch a peripheral are made in their own cycle. Those between memories that nothing paces are made
`STRIDE` cycles at a time, when their time has come: code that reads such memory meanwhile sees it as it was up to so
many cycles ago. Whoever reads a register of the DMA, or gets its interrupt, sees all that was done until then.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
import numpy.typing as npt

from m0sim.chip.devices.block import REPEAT, Block, Register
from m0sim.chip.devices.memories import Memory
from m0sim.chip.devices.moved import Moved
from m0sim.chip.devices.rp2040 import dma_copy, dma_sniffer
from m0sim.chip.devices.rp2040.dma_channel import (
    BSWAP,
    EN,
    FIRST_TIMER,
    HIGH_PRIORITY,
    INCR_READ,
    INCR_WRITE,
    IRQ_QUIET,
    MOST_CREDITS,
    READ_ERROR,
    SNIFF_EN,
    UNPACED,
    WORD,
    WRITABLE,
    WRITE_ERROR,
    Channel,
)
from m0sim.chip.devices.rp2040.dma_timer import PacingTimer
from m0sim.chip.devices.rp2040.dreq import Dreq

CHANNELS, TIMERS = 12, 4
STRIDE = 64
"""Cycles of transfers between memories that are made at a time."""
LATENCY = 1
"""Cycles from a trigger, or a store that brings a request, to the transfer: assumed."""
IN_FLIGHT = 8
"""Transfers that may be under way in the FIFOs; a read so close behind the write of what it reads is ambiguous."""

_DMA_IRQ_0 = 11
_APB, _APB_END, _APB_READ, _APB_WRITE = 0x4000_0000, 0x5000_0000, 3, 4
"""Cycles of an access by the bridge: section 2.1.3."""
_READ, _WRITE, _COUNT, _CONTROL = range(4)
_ORDER = ((_READ, _WRITE, _COUNT, _CONTROL), (_CONTROL, _READ, _WRITE, _COUNT),
          (_CONTROL, _COUNT, _READ, _WRITE), (_CONTROL, _WRITE, _COUNT, _READ))  # fmt: skip
"""Of each alias: table 118."""
_NAMES = ("READ_ADDR", "WRITE_ADDR", "TRANS_COUNT", "CTRL")
_ALL = (1 << CHANNELS) - 1
_MEMORIES = {0x00: "ROM", 0x10: "flash", 0x15: "the flash cache", 0x20: "SRAM"}
"""By the highest byte of an address, or else by its highest four bits: section 2.2."""
_SNIFF_EN = 1
_OUT_INV, _OUT_REV, _SNIFF_BSWAP = 1 << 11, 1 << 10, 1 << 9


class Dma(Block):
    """The controller. `requests` are the blocks' data requests by number."""

    STRIDE_CHANNEL, STRIDE_DEBUG = 0x40, 0x40
    INTR, INTE0, INTF0, INTS0, INTE1, INTF1, INTS1 = 0x400, 0x404, 0x408, 0x40C, 0x414, 0x418, 0x41C
    TIMER0, MULTI_CHAN_TRIGGER, SNIFF_CTRL, SNIFF_DATA = 0x420, 0x430, 0x434, 0x438
    FIFO_LEVELS, CHAN_ABORT, N_CHANNELS, DBG_CTDREQ, DBG_TCR = 0x440, 0x444, 0x448, 0x800, 0x804

    def __init__(self, requests: Mapping[int, Dreq]) -> None:
        super().__init__("DMA", 0x5000_0000, _registers())
        self._requests = requests
        self.channels = [Channel(i) for i in range(CHANNELS)]
        self._timers = [PacingTimer() for _ in range(TIMERS)]
        self._latched = 0
        self._free = 0
        """The first cycle in which another transfer can begin."""
        self._turn = CHANNELS - 1
        """The channel that was served last, and those of high priority that were since one of low was."""
        self._served: set[int] = set()
        self._sniffed = 0
        self._places: dict[int, str] = {}
        """Names of what is in a page of 4 KiB."""
        self._is_running = False
        self._is_moving_memory = False
        self._wire()

    def _wire(self) -> None:
        for channel in self.channels:
            for alias, order in enumerate(_ORDER):
                for place, kind in enumerate(order):
                    offset = self.STRIDE_CHANNEL * channel.number + 16 * alias + 4 * place
                    self.loads[offset] = partial(self._load_channel, channel, kind)
                    self.stores[offset] = partial(self._store_channel, channel, kind, place == 3)
            debug = self.STRIDE_DEBUG * channel.number
            self.loads[self.DBG_CTDREQ + debug] = partial(self._credits, channel)
            self.stores[self.DBG_CTDREQ + debug] = partial(self._forget_credits, channel)
            self.loads[self.DBG_TCR + debug] = partial(getattr, channel, "reload")
        self.loads |= {
            self.INTR: lambda: self._latched,
            self.INTS0: lambda: self._requested(0),
            self.INTS1: lambda: self._requested(1),
            self.SNIFF_DATA: self._read_sniffed,
        }
        for offset in (self.INTR, self.INTS0, self.INTS1):
            self.stores[offset] = self._clear
        for offset in (self.INTE0, self.INTF0, self.INTE1, self.INTF1):
            self.stores[offset] = lambda _: self._tell()
        self.stores |= {
            self.MULTI_CHAN_TRIGGER: self._start_many,
            self.CHAN_ABORT: self._abort,
            self.SNIFF_CTRL: self._control_sniffer,
            self.SNIFF_DATA: self._seed,
            **{self.TIMER0 + 4 * i: partial(self._set_timer, i) for i in range(TIMERS)},
        }

    # -- the block

    def reset(self) -> None:
        """All channels are idle. What they have moved stays in their `traffic`."""
        super().reset()
        for channel in self.channels:
            channel.reset()
        self._timers = [PacingTimer() for _ in range(TIMERS)]
        self._latched = self._free = self._sniffed = 0
        self._turn = CHANNELS - 1
        self._served.clear()
        self.bus.follow((), self._look)
        self._tell()

    def load(self, offset: int) -> int:
        """The register at `offset`, as of now."""
        self._run()
        return super().load(offset)

    def store(self, offset: int, value: int) -> None:
        """Store to the register at `offset`."""
        self._run()
        super().store(offset, value)
        if not self._is_running:
            self._plan(LATENCY)

    def at(self) -> None:
        """A transfer is due, has ended, or a request may have come."""
        self._plan(0)
        self._run()
        self._plan(0)

    def steady(self, offset: int) -> tuple[bool, int | None]:
        """Status has its value until the next event; addresses and counts where no memory is moved meanwhile."""
        is_steady, until = super().steady(offset)
        if offset < self.INTR and self._is_moving_memory:
            kind = _ORDER[offset >> 4 & 3][offset >> 2 & 3]
            is_steady = is_steady and kind == _CONTROL
        return is_steady and offset not in (self.SNIFF_DATA,) and offset < self.DBG_CTDREQ, until

    def used(self) -> tuple[Moved, ...]:
        """What channels have moved, of those that were started."""
        self._run()
        return tuple(
            channel.traffic.moved(f"DMA channel {channel.number}")
            for channel in self.channels
            if channel.traffic.sequences
        )

    # -- requests

    def _request(self, channel: Channel) -> Dreq | PacingTimer | None:
        """What paces a channel; None where nothing does, or nobody has that number."""
        number = channel.request
        if number == UNPACED:
            return None
        if FIRST_TIMER <= number < UNPACED:
            return self._timers[number - FIRST_TIMER]
        return self._requests.get(number)

    def _wanted(self, channel: Channel) -> int:
        """Transfers that are asked for now."""
        if channel.request == UNPACED:
            return MOST_CREDITS
        pulses = self._pulses(channel)
        if pulses is not None:
            channel.before = max(channel.before, pulses - MOST_CREDITS)
            return pulses - channel.before
        request = self._request(channel)
        return min(request.count(), MOST_CREDITS) if isinstance(request, Dreq) else 0

    def _pulses(self, channel: Channel) -> int | None:
        """All pulses of its request up to now; None of a request that is a level."""
        request = self._request(channel)
        if isinstance(request, PacingTimer):
            return request.pulses(self.bus.clock.now)
        return request.count() if request is not None and request.comes_in_pulses else None

    def _due(self, channel: Channel) -> int | None:
        """The cycle in which its request may come."""
        request, now = self._request(channel), self.bus.clock.now
        if request is None:
            return None
        cycle = request.next_pulse(now) if isinstance(request, PacingTimer) else request.due()
        return None if cycle is None else max(cycle, now + 1)

    def _name_of_request(self, channel: Channel) -> str:
        request = self._request(channel)
        if isinstance(request, PacingTimer):
            return f"TIMER{channel.request - FIRST_TIMER}"
        return f"DREQ {channel.request}" if request is None else request.name

    def _credits(self, channel: Channel) -> int:
        return self._wanted(channel) if channel.is_busy and channel.request != UNPACED else 0

    def _forget_credits(self, channel: Channel, _: int) -> None:
        channel.before += self._wanted(channel) if channel.request != UNPACED else 0

    # -- time

    def _plan(self, latency: int) -> None:
        """Find out which requests have come, and ask for the cycle in which something happens next."""
        now, cycles, waiting = self.bus.clock.now, [], []
        self._is_moving_memory = False
        for channel in self.channels:
            if channel.ends is not None:
                cycles.append(channel.ends)
            if not channel.is_active:
                continue
            if channel.planned is None and self._wanted(channel):
                channel.planned = max(channel.ready, now + latency)
            if channel.planned is None:
                due, request = self._due(channel), self._request(channel)
                cycles += [] if due is None else [due]
                waiting += [request.device] if isinstance(request, Dreq) else []
                continue
            first = max(channel.planned, self._free)
            if self._memories(channel) is not None:
                self._is_moving_memory = True
                first = max(first, min(first + channel.count - 1, now + STRIDE))
            cycles.append(max(first, now + (0 if latency == 0 else 1)))
        self.bus.follow(waiting, self._look)
        self.schedule(min(cycles, default=None))

    def _look(self) -> None:
        """Somebody accessed a block whose request is waited for, or it had an event."""
        if not self._is_running:
            self._run()
            self._plan(LATENCY)

    def _run(self) -> None:
        """Do all that happens until now."""
        if self._is_running or self.in_reset:
            return
        self._is_running = True
        now = self.bus.clock.now
        try:
            while self._step(now):
                pass
        finally:
            self._is_running = False

    def _step(self, now: int) -> bool:
        """Do what comes next, if it comes until now."""
        ended = min((c for c in self.channels if c.ends is not None), key=lambda c: c.ends or 0, default=None)
        waiting = {c: c.planned for c in self.channels if c.is_active and c.planned is not None}
        cycle = max(min(waiting.values()), self._free) if waiting else None
        if ended is not None and ended.ends is not None and ended.ends <= min(now, now if cycle is None else cycle):
            self._complete(ended, ended.ends)
            return True
        if cycle is None or cycle > now:
            return False
        ready = [channel for channel, planned in waiting.items() if planned <= cycle]
        until = min([now + 1, *(p for p in waiting.values() if p > cycle), *(c.ends for c in self.channels if c.ends)])
        if self._move_many(ready, cycle, until):
            return True
        chosen = self._choose(ready)
        self._transfer(chosen, cycle if self._memories(chosen) is not None else now)
        return True

    def _choose(self, ready: Sequence[Channel]) -> Channel:
        """Round robin; of high priority all come, then one of low."""
        ready = sorted(ready, key=lambda channel: (channel.number - self._turn - 1) % CHANNELS)
        urgent = [c for c in ready if c.control & HIGH_PRIORITY and c.number not in self._served]
        low = [c for c in ready if not c.control & HIGH_PRIORITY]
        if urgent:
            self._served.add(urgent[0].number)
            return urgent[0]
        self._served.clear()
        chosen = low[0] if low else ready[0]
        if low:
            self._turn = chosen.number
        else:
            self._served.add(chosen.number)
        return chosen

    # -- transfers

    def _memories(self, channel: Channel) -> tuple[Memory, Memory] | None:
        """Where it reads and writes, if that is memory and nothing paces it: then it may be late."""
        if channel.request != UNPACED:
            return None
        source = self.bus.host.memory_at(channel.read)
        target = self.bus.host.memory_at(channel.write)
        return None if source is None or target is None else (source, target)

    def _move_many(self, ready: Sequence[Channel], cycle: int, until: int) -> bool:
        """Transfers between memories, of one channel or of several of one priority in turns. False where it cannot."""
        if len({channel.control & HIGH_PRIORITY for channel in ready}) != 1:
            return False
        counts, memories = [(until - cycle) // len(ready)], {}
        for channel in ready:
            found = self._memories(channel)
            if found is None or found[0].waits:
                return False
            memories[channel] = found
            room = [channel.room(m.base, m.end, writes) for m, writes in zip(found, (False, True), strict=True)]
            counts += [*room, channel.count]
        count = min(counts)
        if count < 1:
            return False
        for place, channel in enumerate(sorted(ready, key=lambda c: (c.number - self._turn - 1) % CHANNELS)):
            first = cycle + place
            last = first + (count - 1) * len(ready)
            self._note_overlap(channel)
            low, high = dma_copy.span(channel, count, writes=True)
            data = dma_copy.copy(channel, count, *memories[channel])
            self._written(memories[channel][1], low, high)
            self._sniff(channel, data)
            self._made(channel, count, first, last, 1, 1)
            self._turn = channel.number
        self._free = cycle + count * len(ready)
        return True

    def _transfer(self, channel: Channel, cycle: int) -> None:
        """One of them, at a cycle."""
        if not self._wanted(channel):
            channel.planned = None  # somebody else was faster
            return
        read_cycles, write_cycles = self._read_cycles(channel.read), write_cycles_of(channel.write)
        if not self._moves(channel, cycle):
            return
        self._made(channel, 1, cycle, cycle, read_cycles, write_cycles)
        self._free = max(self._free, cycle + max(read_cycles, write_cycles))

    def _moves(self, channel: Channel, cycle: int) -> bool:
        """What its next transfer reads is written. False for a bus error, which ends the sequence."""
        size = channel.size
        value = self._load(channel.read, size)
        if value is None:
            self._fail(channel, READ_ERROR, cycle)
            return False
        data = value.to_bytes(size, "little")
        if channel.control & BSWAP:
            data = data[::-1]
        if not self._is_stored(channel.write, data, size):
            self._fail(channel, WRITE_ERROR, cycle)
            return False
        self._sniff(channel, np.frombuffer(data, np.uint8))
        return True

    def _read_cycles(self, address: int) -> int:
        """What a read takes. It goes through the flash cache."""
        memory = self.bus.host.memory_at(address)
        if memory is None:
            return _APB_READ if _APB <= address < _APB_END else 1
        return 1 + (self.bus.host.read_stall(address) if memory.waits else 0)

    def _load(self, address: int, size: int) -> int | None:
        """What is read, None for a bus error."""
        memory = self.bus.host.memory_at(address)
        if memory is None:
            return self.bus.read(address, size)
        data = memory.data[address - memory.base : address - memory.base + size]
        return int.from_bytes(data.tobytes(), "little")

    def _is_stored(self, address: int, data: bytes, size: int) -> bool:
        memory = self.bus.host.memory_at(address)
        if memory is None:
            value = int.from_bytes(data, "little")
            return self.bus.write(address, value * REPEAT.get(size, 1), size)
        if memory.is_writable:
            memory.data[address - memory.base : address - memory.base + size] = np.frombuffer(data, np.uint8)
        self._written(memory, address, address + size)
        return True

    def _written(self, memory: Memory, begin: int, end: int) -> None:
        if memory.is_writable:
            self.bus.host.memory_changed(begin, end)
        else:
            self.bus.host.note_dropped_store(begin)

    def _made(self, channel: Channel, count: int, first: int, last: int, reads: int, writes: int) -> None:
        """Transfers were made, the first and the last in those cycles."""
        traffic, wanted_since = channel.traffic, channel.planned
        assert wanted_since is not None
        if channel.request != UNPACED and wanted_since > channel.ready:
            name = self._name_of_request(channel)
            traffic.waited[name] = traffic.waited.get(name, 0) + wanted_since - channel.ready
        traffic.queued += first - wanted_since
        traffic.first_cycle = first if traffic.first_cycle is None else traffic.first_cycle
        traffic.last_cycle = last + max(reads, writes)
        traffic.ways[self._place(channel.read), self._place(channel.write)] += count * channel.size
        channel.advance(count)
        channel.ready = last + max(reads, writes)
        channel.planned = None
        channel.before += 1  # of a level, nobody looks at it
        if channel.count == 0:
            channel.ends = last + reads + writes
        elif self._wanted(channel):
            channel.planned = channel.ready

    def _place(self, address: int) -> str:
        """What is at an address: a memory, or a block."""
        page = address >> 12
        if page not in self._places:
            if self.bus.host.memory_at(address) is None:
                self._places[page] = self.bus.name_at(address)
            else:
                self._places[page] = _MEMORIES.get(address >> 24, _MEMORIES[address >> 28 << 4])
        return self._places[page]

    def _note_overlap(self, channel: Channel) -> None:
        ahead = channel.write - channel.read
        both = channel.control & (INCR_READ | INCR_WRITE) == INCR_READ | INCR_WRITE
        if both and 0 < ahead <= IN_FLIGHT * channel.size and channel.count * channel.size > ahead:
            what = "reading what it wrote a few transfers before: hardware may have read sooner"
            self.bus.unmodelled(self, self.STRIDE_CHANNEL * channel.number, None, what)

    def _fail(self, channel: Channel, error: int, cycle: int) -> None:
        """A bus error: the channel halts, and asks for its interrupt."""
        channel.errors |= error
        channel.traffic.errors += 1
        channel.is_busy, channel.planned = False, None
        self._free = max(self._free, cycle + 1)
        self._latch(1 << channel.number)

    def _complete(self, channel: Channel, cycle: int) -> None:
        channel.ends, channel.is_busy = None, False
        if not channel.control & IRQ_QUIET:
            self._latch(1 << channel.number)
        if channel.chain_to != channel.number and channel.chain_to < CHANNELS:
            self._start(self.channels[channel.chain_to], cycle, f"the chain of channel {channel.number}")

    # -- starting and stopping

    def _start(self, channel: Channel, cycle: int, by: str = "a store") -> None:
        """A trigger that is not null."""
        if not channel.control & EN or channel.is_busy:
            return
        channel.is_busy, channel.count = True, channel.reload
        channel.ready, channel.planned = cycle + LATENCY, None
        channel.traffic.sequences += 1
        channel.traffic.started[by] += 1
        if channel.count == 0:
            channel.ends = cycle + LATENCY
            return
        if (channel.read | channel.write) % channel.size:
            what = f"an address that is no multiple of {channel.size}, the size of its transfers"
            self.bus.unmodelled(self, self.STRIDE_CHANNEL * channel.number, channel.read, what)
            channel.read, channel.write = channel.read & -channel.size, channel.write & -channel.size
        if channel.request not in self._requests and channel.request < FIRST_TIMER:
            what = f"pacing by DREQ {channel.request}, which no block gives: it waits for ever"
            self.bus.unmodelled(self, self.STRIDE_CHANNEL * channel.number, channel.control, what)
        channel.before = self._pulses(channel) or 0
        if self._wanted(channel):
            channel.planned = channel.ready

    def _start_many(self, value: int) -> None:
        for channel in self.channels:
            if value >> channel.number & 1:
                self._start(channel, self.bus.clock.now)

    def _abort(self, value: int) -> None:
        """Nothing is in flight for longer than the store takes, so CHAN_ABORT reads as 0."""
        for channel in self.channels:
            if value >> channel.number & 1:
                channel.is_busy, channel.count, channel.planned, channel.ends = False, 0, None, None

    # -- registers of a channel

    def _load_channel(self, channel: Channel, kind: int) -> int:
        return (channel.read, channel.write, channel.count, channel.status)[kind]

    def _store_channel(self, channel: Channel, kind: int, triggers: bool, value: int) -> None:
        if kind == _READ:
            channel.read = value
        elif kind == _WRITE:
            channel.write = value
        elif kind == _COUNT:
            channel.reload = value
        else:
            self._control_channel(channel, value)
        if triggers and value:
            self._start(channel, self.bus.clock.now)
        elif triggers and channel.control & IRQ_QUIET:
            self._latch(1 << channel.number)

    def _control_channel(self, channel: Channel, value: int) -> None:
        channel.errors &= ~value
        channel.control = value & WRITABLE
        if channel.control & EN:
            channel.ready = max(channel.ready, self.bus.clock.now + LATENCY)
        channel.planned = None

    # -- interrupts

    def _latch(self, bits: int) -> None:
        self._latched |= bits
        for channel in self.channels:
            channel.traffic.interrupts += bits >> channel.number & 1
        self._tell()

    def _clear(self, value: int) -> None:
        self._latched &= ~value
        self._tell()

    def _requested(self, line: int) -> int:
        """INTS0 or INTS1."""
        enabled, forced = (self.INTE0, self.INTF0) if line == 0 else (self.INTE1, self.INTF1)
        return self._latched & self.words[enabled] | self.words[forced]

    def _tell(self) -> None:
        for line in range(2):
            self.bus.host.set_line(_DMA_IRQ_0 + line, self._requested(line) != 0)

    # -- timers and sniffer

    def _set_timer(self, number: int, value: int) -> None:
        self._timers[number] = self._timers[number].changed(value >> 16, value & 0xFFFF, self.bus.clock.now)

    def _control_sniffer(self, value: int) -> None:
        if value & _SNIFF_EN and value >> 5 & 0xF not in dma_sniffer.KINDS:
            self.bus.unmodelled(self, self.SNIFF_CTRL, value, "a checksum that the datasheet does not list")

    def _seed(self, value: int) -> None:
        self._sniffed = value

    def _read_sniffed(self) -> int:
        control = self.words[self.SNIFF_CTRL]
        return dma_sniffer.shown(
            self._sniffed, is_reversed=bool(control & _OUT_REV), is_inverted=bool(control & _OUT_INV)
        )

    def _sniff(self, channel: Channel, data: npt.NDArray[np.uint8]) -> None:
        control = self.words[self.SNIFF_CTRL]
        kind = control >> 5 & 0xF
        is_seen = control & _SNIFF_EN and control >> 1 & 0xF == channel.number and channel.control & SNIFF_EN
        if is_seen and kind in dma_sniffer.KINDS:
            swaps = bool(control & _SNIFF_BSWAP)
            self._sniffed = dma_sniffer.step(kind, self._sniffed, data, channel.size, swaps=swaps)


def write_cycles_of(address: int) -> int:
    """What a write takes."""
    return _APB_WRITE if _APB <= address < _APB_END else 1


def _registers() -> list[Register]:
    registers = []
    for i in range(CHANNELS):
        for alias, order in enumerate(_ORDER):
            for place, kind in enumerate(order):
                name = f"CH{i}_{f'AL{alias}_' if alias else ''}{_NAMES[kind]}{'_TRIG' if place == 3 else ''}"
                clears = READ_ERROR | WRITE_ERROR if kind == _CONTROL else 0
                offset = Dma.STRIDE_CHANNEL * i + 16 * alias + 4 * place
                registers.append(Register(offset, name, writable=0, clears=clears))
        registers.append(Register(Dma.DBG_CTDREQ + Dma.STRIDE_DEBUG * i, f"CH{i}_DBG_CTDREQ", writable=0, clears=WORD))
        registers.append(Register(Dma.DBG_TCR + Dma.STRIDE_DEBUG * i, f"CH{i}_DBG_TCR", writable=0))
    return [
        *registers,
        Register(Dma.INTR, "INTR", writable=0, clears=0xFFFF),
        *(Register(0x404 + 16 * line, f"INTE{line}", writable=_ALL) for line in range(2)),
        *(Register(0x408 + 16 * line, f"INTF{line}", writable=_ALL) for line in range(2)),
        *(Register(0x40C + 16 * line, f"INTS{line}", writable=0, clears=0xFFFF) for line in range(2)),
        *(Register(Dma.TIMER0 + 4 * i, f"TIMER{i}") for i in range(TIMERS)),
        Register(Dma.MULTI_CHAN_TRIGGER, "MULTI_CHAN_TRIGGER", writable=0),
        Register(Dma.SNIFF_CTRL, "SNIFF_CTRL", writable=0xFFF),
        Register(Dma.SNIFF_DATA, "SNIFF_DATA", writable=0),
        Register(Dma.FIFO_LEVELS, "FIFO_LEVELS", writable=0),
        Register(Dma.CHAN_ABORT, "CHAN_ABORT", writable=0),
        Register(Dma.N_CHANNELS, "N_CHANNELS", CHANNELS, writable=0),
    ]
