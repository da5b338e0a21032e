"""The private peripherals of an ARMv6-M core, cycle by cycle: NVIC, SCB and SysTick (Arm DDI 0419, B1.5, B3.2 to B3.4).

Plain and slow: the oracle of m0sim's native exceptions, with which it shares no code. `reference.slow_core` executes.
"""

from __future__ import annotations

from dataclasses import dataclass, field

MASK = 0xFFFFFFFF
NMI, HARD_FAULT, SVCALL, PENDSV, SYSTICK, IRQ0 = 2, 3, 11, 14, 15, 16
THREAD_PRIORITY = 4
"""Lower than any of the four that two bits give: B1.5.4."""
BASE, END = 0xE0000000, 0xE0100000
_OFFSETS = (0x010, 0x014, 0x018, 0x100, 0x180, 0x200, 0x280, 0xD04, 0xD08, 0xD0C, 0xD10, 0xD14, 0xD1C, 0xD20)
"""From 0xE000E000, without NVIC_IPRn: SYST_CSR, RVR, CVR, NVIC_ISER, ICER, ISPR, ICPR, ICSR, VTOR, AIRCR, SCR, CCR,
SHPR2, SHPR3 (B3.2.2, B3.3.2, B3.4.2)."""


@dataclass
class Sleep:
    """SCR, B3.2.7."""

    on_exit: bool = False
    deep: bool = False
    event_on_pend: bool = False

    @property
    def word(self) -> int:
        return self.on_exit << 1 | self.deep << 2 | self.event_on_pend << 4

    def write(self, value: int) -> None:
        self.on_exit, self.deep, self.event_on_pend = (bool(value >> bit & 1) for bit in (1, 2, 4))


@dataclass
class SysTick:
    """B3.3. One `edge` a cycle of the core's clock: there is no other, and CLKSOURCE reads as one."""

    enabled: int = 0
    pends: int = 0
    counted: int = 0
    reload: int = 0
    current: int = 0

    def edge(self) -> bool:
        """True where the exception is to be pended: the counter came from 1 to 0."""
        if not self.enabled:
            return False
        if self.current == 0:
            self.current = self.reload
            return False
        self.current -= 1
        if self.current != 0:
            return False
        self.counted = 1
        return bool(self.pends)

    def read_control(self) -> int:
        """A read clears COUNTFLAG."""
        value = self.enabled | self.pends << 1 | 1 << 2 | self.counted << 16
        self.counted = 0
        return value

    def write_control(self, value: int) -> None:
        self.enabled, self.pends = value & 1, value >> 1 & 1

    def write_current(self) -> None:
        """Any write: 0, from where the next edge reloads. Nothing is pended."""
        self.current = self.counted = 0


@dataclass
class System:
    """Pending, active and enabled exceptions by number, and the registers that show them."""

    pending: set[int] = field(default_factory=set)
    active: set[int] = field(default_factory=set)
    enabled: set[int] = field(default_factory=set)
    """Interrupts, by exception number."""
    lines: set[int] = field(default_factory=set)
    """Interrupts whose request line is high."""
    priorities: dict[int, int] = field(default_factory=dict)
    primask: int = 0
    vtor: int = 0
    event: bool = False
    sleep: Sleep = field(default_factory=Sleep)
    systick: SysTick = field(default_factory=SysTick)
    reset_asked: bool = False
    now: int = 0
    ready_since: dict[int, int] = field(default_factory=dict)
    """Since which cycle an exception is pending and enabled."""

    # -- priorities: B1.5.4

    def priority(self, number: int) -> int:
        return {NMI: -2, HARD_FAULT: -1}.get(number, self.priorities.get(number, 0))

    def execution_priority(self, *, masked: bool = True) -> int:
        """Of the active exceptions, boosted by PRIMASK unless that is left out."""
        found = min((self.priority(number) for number in self.active), default=THREAD_PRIORITY)
        return min(found, 0) if masked and self.primask else found

    def is_enabled(self, number: int) -> bool:
        return number < IRQ0 or number in self.enabled

    def highest(self) -> int | None:
        """The pending and enabled exception of the highest priority; of equal ones, the lowest number."""
        able = [number for number in self.pending if self.is_enabled(number)]
        return min(able, key=lambda number: (self.priority(number), number), default=None)

    def takable(self, *, masked: bool = True) -> int | None:
        number = self.highest()
        if number is None or self.priority(number) >= self.execution_priority(masked=masked):
            return None
        return number

    # -- states

    def pend(self, number: int) -> None:
        if number in self.pending:
            return
        self.event |= self.sleep.event_on_pend and number >= IRQ0
        self.pending.add(number)
        self.ready_since[number] = self.now

    def enable(self, numbers: set[int]) -> None:
        for number in numbers & self.pending - self.enabled:
            self.ready_since[number] = self.now
        self.enabled |= numbers

    def set_line(self, irq: int, level: bool) -> None:
        """A rising edge pends; so does a level that is still high when the handler has returned."""
        number = IRQ0 + irq
        if level and number not in self.lines:
            self.lines.add(number)
            self.pend(number)
        elif not level:
            self.lines.discard(number)

    def activate(self, number: int) -> None:
        self.pending.discard(number)
        self.active.add(number)

    def deactivate(self, number: int) -> None:
        self.active.discard(number)
        if number in self.lines:
            self.pend(number)

    def edge(self, now: int) -> None:
        """The end of a cycle of the core's clock, which has now had so many."""
        self.now = now
        if self.systick.edge():
            self.pend(SYSTICK)

    # -- registers

    @staticmethod
    def has(address: int) -> bool:
        return address - 0xE000E000 in (*_OFFSETS, *range(0x400, 0x420, 4))

    def load(self, address: int, ipsr: int) -> int:
        offset = address - 0xE000E000
        if 0x400 <= offset < 0x420:
            return self._read_priorities(IRQ0 + offset - 0x400)
        systick = self.systick
        return {
            0x010: systick.read_control,
            0x014: lambda: systick.reload,
            0x018: lambda: systick.current,
            0x100: lambda: _mask(self.enabled),
            0x180: lambda: _mask(self.enabled),
            0x200: lambda: _mask(self.pending),
            0x280: lambda: _mask(self.pending),
            0xD04: lambda: self._read_icsr(ipsr),
            0xD08: lambda: self.vtor,
            0xD0C: lambda: 0xFA050000,
            0xD10: lambda: self.sleep.word,
            0xD14: lambda: 0x208,
            0xD1C: lambda: self._read_priorities(8),
            0xD20: lambda: self._read_priorities(12),
        }[offset]()

    def store(self, address: int, value: int) -> None:
        offset = address - 0xE000E000
        if 0x400 <= offset < 0x420:
            self._write_priorities(IRQ0 + offset - 0x400, value)
            return
        {
            0x010: lambda: self.systick.write_control(value),
            0x014: lambda: setattr(self.systick, "reload", value & 0xFFFFFF),
            0x018: self.systick.write_current,
            0x100: lambda: self.enable(_numbers(value)),
            0x180: lambda: self.enabled.difference_update(_numbers(value)),
            0x200: lambda: [self.pend(number) for number in _numbers(value)],
            0x280: lambda: self.pending.difference_update(_numbers(value) - (self.lines - self.active)),
            0xD04: lambda: self._write_icsr(value),
            0xD08: lambda: setattr(self, "vtor", value & ~0xFF & MASK),
            0xD0C: lambda: setattr(self, "reset_asked", value >> 16 == 0x05FA and bool(value & 4)),
            0xD10: lambda: self.sleep.write(value),
            0xD14: lambda: None,
            0xD1C: lambda: self._write_priorities(8, value),
            0xD20: lambda: self._write_priorities(12, value),
        }[offset]()

    def _read_priorities(self, first: int) -> int:
        return sum(self.priorities.get(first + place, 0) << 8 * place + 6 for place in range(4))

    def _write_priorities(self, first: int, value: int) -> None:
        """The two high bits of each byte are there; of SHPR2 and SHPR3, three bytes."""
        for place in range(4):
            if first + place >= SVCALL and first + place not in (12, 13):
                self.priorities[first + place] = value >> 8 * place + 6 & 3

    def _read_icsr(self, ipsr: int) -> int:
        highest = self.highest() or 0
        interrupts = any(number >= IRQ0 for number in self.pending)
        pended = (SYSTICK in self.pending) << 26 | (PENDSV in self.pending) << 28 | (NMI in self.pending) << 31
        return ipsr | highest << 12 | interrupts << 22 | pended

    def _write_icsr(self, value: int) -> None:
        for bit, number in ((26, SYSTICK), (28, PENDSV), (31, NMI)):
            if value >> bit & 1:
                self.pend(number)
        for bit, number in ((25, SYSTICK), (27, PENDSV)):
            if value >> bit & 1:
                self.pending.discard(number)


def _mask(numbers: set[int]) -> int:
    return sum(1 << number - IRQ0 for number in numbers if number >= IRQ0)


def _numbers(mask: int) -> set[int]:
    return {IRQ0 + bit for bit in range(32) if mask >> bit & 1}
