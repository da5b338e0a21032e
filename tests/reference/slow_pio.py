"""PIO a second time, for the tests alone: both blocks, every cycle of every machine, one after the other.

Written from chapter 3 of the RP2040 datasheet (build 2023-06); it shares no code with the native one, skips nothing
and knows no shortcuts: dividers count down, synchronisers are two registers, each pin looks at all writes to it. The
choices where the datasheet is silent are those of docs/firmware.md.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field

WORD = 0xFFFF_FFFF
PINS = range(30)


class Stall(Exception):
    """The instruction waits, for what its text says."""


@dataclass
class Divider:
    """3.5.5: counts down from the integer, and gives a pulse at 1."""

    counter: int = 1
    total: int = 0
    longer: bool = False

    def tick(self, whole: int, fraction: int) -> bool:
        if self.counter > 1:
            self.counter -= 1
            return False
        self.counter = (whole or 65536) + self.longer
        self.total += fraction
        self.longer = self.total >= 256
        self.total %= 256
        return True


@dataclass
class Write:
    """To the levels or directions of some pins: pin by pin."""

    is_direction: bool
    bits: dict[int, int]


@dataclass
class Machine:
    """3.2."""

    number: int
    clkdiv: int = 1 << 16
    execctrl: int = 0x1F << 12
    shiftctrl: int = 3 << 18
    pinctrl: int = 5 << 26
    enabled: bool = False
    pc: int = 0
    x: int = 0
    y: int = 0
    isr: int = 0
    osr: int = 0
    shifted_in: int = 0
    shifted_out: int = 32
    delay: int = 0
    waiting_on_irq: bool = False
    forced: int | None = None
    forced_stalls: bool = False
    latch: int | None = None
    sticky: Write | None = None
    divider: Divider = field(default_factory=Divider)
    tx: deque[int] = field(default_factory=deque)
    rx: deque[int] = field(default_factory=deque)
    steps: Counter[str] = field(default_factory=Counter)
    """Pulses while it was enabled, by what it did: ``executes``, ``delays``, or what it waited for."""
    enabled_cycles: int = 0
    moved: Counter[str] = field(default_factory=Counter)
    """Words that went into FIFOs and out of them, and those that did not."""

    # fields of registers

    def exec_bits(self, high: int, low: int) -> int:
        return self.execctrl >> low & (1 << high - low + 1) - 1

    def shift_bits(self, high: int, low: int) -> int:
        return self.shiftctrl >> low & (1 << high - low + 1) - 1

    def pin_bits(self, high: int, low: int) -> int:
        return self.pinctrl >> low & (1 << high - low + 1) - 1

    @property
    def tx_depth(self) -> int:
        return (4, 8, 0, 0)[self.shiftctrl >> 30]

    @property
    def rx_depth(self) -> int:
        return (4, 0, 8, 0)[self.shiftctrl >> 30]

    @property
    def push_threshold(self) -> int:
        return self.shift_bits(24, 20) or 32

    @property
    def pull_threshold(self) -> int:
        return self.shift_bits(29, 25) or 32

    def restart(self) -> None:
        self.shifted_in, self.shifted_out = 0, 32
        self.isr = self.delay = 0
        self.waiting_on_irq = self.forced_stalls = False
        self.forced = self.latch = self.sticky = None


class Block:
    """One block: 3.7."""

    def __init__(self) -> None:
        self.machines = [Machine(i) for i in range(4)]
        self.memory = [0] * 32
        self.irq = [False] * 8
        self.txstall, self.txover, self.rxunder, self.rxstall = ([False] * 4 for _ in range(4))
        self.bypass = 0
        self.levels, self.directions = [0] * 32, [0] * 32
        self.inte, self.intf = [0, 0], [0, 0]

    @property
    def out(self) -> int:
        return sum(self.levels[pin] << pin for pin in PINS)

    @property
    def oe(self) -> int:
        return sum(self.directions[pin] << pin for pin in PINS)

    @property
    def raw(self) -> int:
        value = 0
        for m in self.machines:
            value |= bool(m.rx) << m.number
            value |= (len(m.tx) < m.tx_depth) << m.number + 4
            value |= self.irq[m.number] << m.number + 8
        return value

    def requested(self, line: int) -> int:
        return self.raw & self.inte[line] | self.intf[line]

    @property
    def fdebug(self) -> int:
        lists = (self.txstall, 24), (self.txover, 16), (self.rxunder, 8), (self.rxstall, 0)
        return sum(flag << shift + i for flags, shift in lists for i, flag in enumerate(flags))

    @property
    def fstat(self) -> int:
        value = 0
        for m in self.machines:
            value |= (not m.tx) << 24 + m.number | (len(m.tx) == m.tx_depth) << 16 + m.number
            value |= (not m.rx) << 8 + m.number | (len(m.rx) == m.rx_depth) << m.number
        return value

    @property
    def flevel(self) -> int:
        return sum(len(m.tx) << 8 * m.number | len(m.rx) << 8 * m.number + 4 for m in self.machines)

    # -- the bus

    def store(self, offset: int, value: int) -> None:
        if 0x48 <= offset < 0xC8:
            self.memory[(offset - 0x48) // 4] = value & 0xFFFF
        elif 0xC8 <= offset < 0x128:
            self._store_machine(self.machines[(offset - 0xC8) // 0x18], (offset - 0xC8) % 0x18, value)
        elif 0x10 <= offset < 0x20:
            machine = self.machines[(offset - 0x10) // 4]
            if len(machine.tx) == machine.tx_depth:
                self.txover[machine.number] = True
                machine.moved["written, full"] += 1
            else:
                machine.tx.append(value)
                machine.moved["written"] += 1
        elif offset == 0x00:
            for i, machine in enumerate(self.machines):
                machine.enabled = bool(value >> i & 1)
                if value >> i + 4 & 1:
                    machine.restart()
                if value >> i + 8 & 1:
                    machine.divider = Divider()
        elif offset == 0x08:
            for flags, shift in (self.txstall, 24), (self.txover, 16), (self.rxunder, 8), (self.rxstall, 0):
                for i in range(4):
                    flags[i] &= not value >> shift + i & 1
        elif offset in (0x30, 0x34):
            for i in range(8):
                if value >> i & 1:
                    self.irq[i] = offset == 0x34
        elif offset == 0x38:
            self.bypass = value
        elif offset in (0x12C, 0x138):
            self.inte[offset == 0x138] = value & 0xFFF
        elif offset in (0x130, 0x13C):
            self.intf[offset == 0x13C] = value & 0xFFF

    def _store_machine(self, m: Machine, which: int, value: int) -> None:
        if which == 0x00:
            m.clkdiv = value & 0xFFFF_FF00
        elif which == 0x04:
            m.execctrl = value & ~(1 << 31 | 3 << 5)
            if not m.exec_bits(17, 17):
                m.sticky = None
        elif which == 0x08:
            changed = (value ^ m.shiftctrl) >> 30
            m.shiftctrl = value & 0xFFFF_0000
            if changed:
                m.tx.clear()
                m.rx.clear()
        elif which == 0x10:
            m.forced, m.forced_stalls = value & 0xFFFF, False
        elif which == 0x14:
            m.pinctrl = value

    def load(self, offset: int) -> int:
        if 0x20 <= offset < 0x30:
            machine = self.machines[(offset - 0x20) // 4]
            if machine.rx:
                machine.moved["read"] += 1
                return machine.rx.popleft()
            self.rxunder[machine.number] = True
            machine.moved["read, empty"] += 1
            return 0
        if 0xC8 <= offset < 0x128:
            m, which = self.machines[(offset - 0xC8) // 0x18], (offset - 0xC8) % 0x18
            stalled = (m.forced is not None and m.forced_stalls) << 31
            return (m.clkdiv, m.execctrl | stalled, m.shiftctrl, m.pc, self.memory[m.pc], m.pinctrl)[which // 4]
        if offset >= 0x12C:
            line, which = divmod(offset - 0x12C, 12)
            return self.requested(line) if which == 8 else (self.inte, self.intf)[which // 4][line]
        match offset:
            case 0x00:
                return sum(m.enabled << m.number for m in self.machines)
            case 0x04:
                return self.fstat
            case 0x08:
                return self.fdebug
            case 0x0C:
                return self.flevel
            case 0x30:
                return sum(flag << i for i, flag in enumerate(self.irq))
            case 0x38:
                return self.bypass
            case 0x3C:
                return self.out
            case 0x40:
                return self.oe
            case 0x44:
                return 32 << 16 | 4 << 8 | 4
            case 0x128:
                return self.raw
        return 0

    # -- a cycle

    def tick(self, now: int, synchronised: int) -> None:
        """One cycle of clk_sys; what pins are now, and what they were two cycles ago."""
        self.seen = [(now if self.bypass >> pin & 1 else synchronised) >> pin & 1 for pin in range(32)]
        self.irq_before = list(self.irq)
        self.irq_set: set[int] = set()
        self.irq_cleared: set[int] = set()
        everything: list[tuple[Write | None, Write | None]] = []
        for machine in self.machines:
            everything.append(self._tick_machine(machine))
        for pin in PINS:  # 3.5.6.1: the highest-numbered machine's; of one, side-set
            for written in everything:
                for write in written:
                    if write is not None and pin in write.bits:
                        (self.directions if write.is_direction else self.levels)[pin] = write.bits[pin]
        for i in range(8):
            self.irq[i] = i in self.irq_set or (self.irq_before[i] and i not in self.irq_cleared)

    def _tick_machine(self, m: Machine) -> tuple[Write | None, Write | None]:
        """What it writes to pins in this cycle: by OUT, SET or MOV, and by side-set."""
        pulse = m.divider.tick(m.clkdiv >> 16, m.clkdiv >> 8 & 0xFF)
        self.written: Write | None = None
        self.wrote = False
        side = None
        self.doing = "executes"
        m.enabled_cycles += m.enabled
        if m.forced is not None:
            side = self._forced(m, m.forced)
        elif m.enabled and pulse:
            if m.delay:
                m.delay -= 1
                self.doing = "delays"
                self._refill(m)
            else:
                side = self._from_program(m)
        if m.enabled and pulse:
            m.steps[self.doing] += 1
        if self.wrote and m.exec_bits(17, 17):
            m.sticky = self.written
        return (self.written if self.wrote else m.sticky), side

    def _forced(self, m: Machine, word: int) -> Write | None:
        side, _ = self._side(m, word)
        try:
            self._execute(m, word)
        except Stall as stall:
            self.doing = str(stall)
            m.forced_stalls = True
            m.latch = None
        else:
            m.forced, m.forced_stalls = None, False
        return side

    def _from_program(self, m: Machine) -> Write | None:
        """3.5.7, 3.5.2."""
        is_latched = m.latch is not None
        word = m.latch if m.latch is not None else self.memory[m.pc]
        before, m.latch = m.latch, None
        side, delay = self._side(m, word)
        try:
            jumped = self._execute(m, word)
        except Stall as stall:
            self.doing = str(stall)
            m.latch = before
            return side
        if not is_latched and not jumped:
            m.pc = m.exec_bits(11, 7) if m.pc == m.exec_bits(16, 12) else (m.pc + 1) % 32
        m.delay = 0 if m.latch is not None else delay
        return side

    def _side(self, m: Machine, word: int) -> tuple[Write | None, int]:
        """3.5.1."""
        bits = [word >> 12 - i & 1 for i in range(5)]  # the highest first
        count = min(m.pin_bits(31, 29), 5)
        delay = 0
        for bit in bits[count:]:
            delay = 2 * delay + bit
        data = bits[:count]
        if not data:
            return None, delay
        if m.exec_bits(30, 30) and not data.pop(0):
            return None, delay
        pins = {(m.pin_bits(14, 10) + i) % 32: bit for i, bit in enumerate(reversed(data))}
        return Write(bool(m.exec_bits(29, 29)), pins), delay

    def _refill(self, m: Machine) -> None:
        """3.5.4.2, what is no OUT."""
        if m.shift_bits(17, 17) and m.shifted_out >= m.pull_threshold and m.tx:
            m.osr, m.shifted_out = self._pulled(m), 0

    def _pulled(self, m: Machine) -> int:
        m.moved["pulled"] += 1
        return m.tx.popleft()

    # -- instructions

    def _execute(self, m: Machine, word: int) -> bool:
        """Whether it set the program counter. Raises `Stall`."""
        code, argument, low = word >> 13, word >> 5 & 7, word & 31
        if code == 3:
            return self._out(m, argument, low or 32)
        try:
            if code == 0:
                return self._jmp(m, argument, low)
            if code == 1:
                self._wait(m, bool(argument & 4), argument & 3, low)
            elif code == 2:
                self._in(m, argument, low or 32)
            elif code == 4:
                (self._pull if argument & 4 else self._push)(m, bool(argument & 2), bool(argument & 1))
            elif code == 5:
                return self._mov(m, argument, low >> 3, low & 7)
            elif code == 6:
                self._irq(m, bool(argument & 2), bool(argument & 1), self._flag(m, low))
            elif argument in (0, 4):
                self._to_pins(m, argument == 4, m.pin_bits(9, 5), m.pin_bits(28, 26), low)
            elif argument == 1:
                m.x = low
            elif argument == 2:
                m.y = low
            return False
        finally:
            self._refill(m)

    def _jmp(self, m: Machine, condition: int, target: int) -> bool:
        x, y = m.x, m.y
        if condition == 2:
            m.x = (x - 1) % 2**32
        if condition == 4:
            m.y = (y - 1) % 2**32
        taken = (
            True, x == 0, x != 0, y == 0, y != 0, x != y, bool(self.seen[m.exec_bits(28, 24)]),
            m.shifted_out < m.pull_threshold,
        )[condition]  # fmt: skip
        if taken:
            m.pc = target
        return taken

    def _flag(self, m: Machine, index: int) -> int:
        flag = index & 7
        return flag & 4 | (flag + m.number) % 4 if index & 16 else flag

    def _wait(self, m: Machine, polarity: bool, source: int, index: int) -> None:
        if source == 0 and self.seen[index] != polarity:
            raise Stall("pin")
        if source == 1 and self.seen[(m.pin_bits(19, 15) + index) % 32] != polarity:
            raise Stall("pin")
        if source == 2:
            flag = self._flag(m, index)
            if self.irq_before[flag] != polarity:
                raise Stall("flag")
            if polarity:
                self.irq_cleared.add(flag)

    def _inputs(self, m: Machine) -> int:
        return sum(self.seen[(m.pin_bits(19, 15) + i) % 32] << i for i in range(32))

    def _in(self, m: Machine, source: int, count: int) -> None:
        value = {0: self._inputs(m), 1: m.x, 2: m.y, 6: m.isr, 7: m.osr}.get(source, 0) % 2**count
        shifted = m.isr // 2**count + value * 2 ** (32 - count) if m.shift_bits(18, 18) else m.isr * 2**count + value
        total = min(m.shifted_in + count, 32)
        if m.shift_bits(16, 16) and total >= m.push_threshold:
            if len(m.rx) == m.rx_depth:
                self.rxstall[m.number] = True
                raise Stall("RX full")
            m.rx.append(shifted % 2**32)
            m.moved["pushed"] += 1
            shifted = total = 0
        m.isr, m.shifted_in = shifted % 2**32, total

    def _out(self, m: Machine, destination: int, count: int) -> bool:
        if m.shift_bits(17, 17) and m.shifted_out >= m.pull_threshold:
            if m.tx:
                m.osr, m.shifted_out = self._pulled(m), 0
                raise Stall("fills")
            self.txstall[m.number] = True
            raise Stall("TX empty")
        if m.shift_bits(19, 19):
            value, m.osr = m.osr % 2**count, m.osr // 2**count
        else:
            value, m.osr = m.osr // 2 ** (32 - count), m.osr * 2**count % 2**32
        m.shifted_out = min(m.shifted_out + count, 32)
        jumped = False
        if destination in (0, 4):
            self._out_pins(m, destination == 4, value)
        elif destination == 1:
            m.x = value
        elif destination == 2:
            m.y = value
        elif destination == 5:
            m.pc, jumped = value % 32, True
        elif destination == 6:
            m.isr, m.shifted_in = value, count
        elif destination == 7:
            m.latch = value % 2**16
        self._refill(m)
        return jumped

    def _push(self, m: Machine, if_full: bool, block: bool) -> None:
        if if_full and m.shifted_in < m.push_threshold:
            return
        if len(m.rx) == m.rx_depth:
            self.rxstall[m.number] = True
            if block:
                raise Stall("RX full")
            m.moved["pushed, full"] += 1
        else:
            m.rx.append(m.isr)
            m.moved["pushed"] += 1
        m.isr = m.shifted_in = 0

    def _pull(self, m: Machine, if_empty: bool, block: bool) -> None:
        if if_empty and m.shifted_out < m.pull_threshold:
            return
        if m.shift_bits(17, 17) and m.shifted_out == 0:
            return
        if m.tx:
            m.osr = self._pulled(m)
        elif block:
            self.txstall[m.number] = True
            raise Stall("TX empty")
        else:
            m.osr = m.x
        m.shifted_out = 0

    def _mov(self, m: Machine, destination: int, operation: int, source: int) -> bool:
        level = len(m.rx) if m.exec_bits(4, 4) else len(m.tx)
        status = WORD if level < m.exec_bits(3, 0) else 0
        value = {0: self._inputs(m), 1: m.x, 2: m.y, 5: status, 6: m.isr, 7: m.osr}.get(source, 0)
        if operation == 1:
            value = WORD - value
        if operation == 2:
            value = int(f"{value:032b}"[::-1], 2)
        if destination == 0:
            self._out_pins(m, False, value)
        elif destination == 1:
            m.x = value
        elif destination == 2:
            m.y = value
        elif destination == 4:
            m.latch = value % 2**16
        elif destination == 5:
            m.pc = value % 32
        elif destination == 6:
            m.isr, m.shifted_in = value, 0
        elif destination == 7:
            m.osr, m.shifted_out = value, 0
        return destination == 5

    def _irq(self, m: Machine, clear: bool, wait: bool, flag: int) -> None:
        if clear:
            self.irq_cleared.add(flag)
        elif not wait:
            self.irq_set.add(flag)
        elif not m.waiting_on_irq:
            self.irq_set.add(flag)
            m.waiting_on_irq = True
            raise Stall("clear")
        elif self.irq_before[flag]:
            raise Stall("clear")
        else:
            m.waiting_on_irq = False

    def _out_pins(self, m: Machine, is_direction: bool, value: int) -> None:
        if m.exec_bits(18, 18) and not value >> m.exec_bits(23, 19) & 1:
            self.wrote, self.written = True, None
        else:
            self._to_pins(m, is_direction, m.pin_bits(4, 0), min(m.pin_bits(25, 20), 32), value)

    def _to_pins(self, m: Machine, is_direction: bool, base: int, count: int, value: int) -> None:
        self.wrote = True
        self.written = Write(is_direction, {(base + i) % 32: value >> i & 1 for i in range(count)})


class SlowPio:
    """Both blocks and the pins that they share."""

    def __init__(self, functions: list[int]) -> None:
        """`functions` says of each pin who drives it: 0 and 1 the PIO blocks, 2 the I/O port."""
        self.blocks = [Block(), Block()]
        self.functions = functions
        self.port_out = self.port_oe = self.outside = 0
        self.history = [0, 0]
        """Levels of the last two cycles, the newest first."""

    def pins(self) -> tuple[int, int]:
        """Levels now, and which of them the chip drives."""
        level = driven = 0
        sources = [(block.out, block.oe) for block in self.blocks] + [(self.port_out, self.port_oe)]
        for pin in PINS:
            out, oe = sources[self.functions[pin]]
            driven |= oe & 1 << pin
            level |= (out if oe >> pin & 1 else self.outside) & 1 << pin
        return level, driven

    def tick(self) -> None:
        level, _ = self.pins()
        for block in self.blocks:
            block.tick(level, self.history[1])
        self.history = [level, self.history[0]]

    @property
    def lines(self) -> int:
        return sum(bool(self.blocks[i >> 1].requested(i & 1)) << i for i in range(4))

    @property
    def dreqs(self) -> int:
        return sum((block.raw >> 4 & 15 | (block.raw & 15) << 4) << 8 * i for i, block in enumerate(self.blocks))
