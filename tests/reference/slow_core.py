"""A slow ARMv6-M core that executes firmware from reset, cycle by cycle: the oracle of m0sim's exceptions.

It is written from the manuals and shares no code with m0sim: instructions and exceptions from Arm DDI 0419 (A6.7,
B1.5), cycles from Arm DDI 0484C and DDI 0432C (table 3-1, by way of `timing_table`), abandoned multiples, late arrival
and tail-chaining from section 3.6.1 of both. All time goes by in `_tick`, one cycle a turn.

What the manuals leave open is chosen in `Choices`, and nowhere else.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from . import slow_system as system_
from .slow_system import HARD_FAULT, MASK, NMI, SVCALL, System
from .timing_table import cycles_of

SP, LR, PC = 13, 14, 15
SEMIHOSTING = 0xBEAB


@dataclass(frozen=True)
class Choices:
    """What neither manual says to the cycle."""

    entry: int = 15
    """Cycles from the instruction boundary at which an exception is taken to its handler's first instruction. DDI 0484C
    3.6.1 gives 15 as the worst case, which is taken for every case."""
    exit: int = 13
    """Cycles of the instruction that returns from an exception, on top of what the table says of it."""
    tail_chain: int = 9
    """The same, where another exception is taken instead of unstacking."""
    late: int = 9
    """First so many cycles of an entry in which an exception of a higher priority still takes its place. Behind them,
    and in all of a tail-chain, it waits for the handler's first instruction."""
    load_at: int = 0
    """Cycles of a load before its access: what it reads of a counter is of that cycle."""
    store_at: int = 0
    """The same of a store: a counter that it starts counts from then on. AHB-Lite would have 1 and 2, the cycle of the
    data phase and its end."""
    faulting: int = 0
    """Cycles of an instruction that faults, before the entry of HardFault."""
    supervisor_call: int = 0
    """Cycles of SVC before the entry."""
    abandons: bool = True
    """Multiples and the 32-cycle multiplication are abandoned (3.6.1), so that the entry begins in the cycle in which
    the exception pends. POP with PC is one of them up to its end. What is abandoned has done nothing."""


class Fault(Exception):
    """A synchronous fault: HardFault, or lockup."""

    behind = 0
    """Bytes from the instruction to the address in the frame."""


class Lockup(Exception):
    """A fault at the priority of HardFault or NMI: B1.5.13."""


class Abandoned(Exception):
    """The instruction will begin again."""


@dataclass
class Region:
    base: int
    content: bytearray
    writable: bool = True

    def has(self, address: int, size: int) -> bool:
        return self.base <= address and address + size <= self.base + len(self.content)


@dataclass
class LineEvent:
    """What the world outside does once `cycle` cycles have gone by."""

    cycle: int
    irq: int
    level: bool


@dataclass
class Taken:
    """One exception that was taken."""

    number: int
    cycle: int
    """In which its handler's first instruction begins."""
    tail_chained: bool
    late: bool
    """Another one's entry had begun."""
    latency: int
    """Cycles since it was pending and enabled."""


@dataclass
class Core:
    regions: list[Region]
    choices: Choices = Choices()
    core: str = "cortex-m0plus"
    multiplier: int = 1
    lines: list[LineEvent] = field(default_factory=list)
    """In the order of time."""
    single_cycle: tuple[int, int] = (0, 0)
    """Addresses from, to, of a port that loads and stores take one cycle at."""

    now: int = 0
    r: list[int] = field(default_factory=lambda: [0] * 16)
    """r13 is not used: see `sp`."""
    stacks: list[int] = field(default_factory=lambda: [0, 0])
    """MSP and PSP."""
    n: int = 0
    z: int = 0
    c: int = 0
    v: int = 0
    t: int = 1
    ipsr: int = 0
    spsel: int = 0
    npriv: int = 0
    asleep: str = ""
    """The instruction that put it to sleep, or nothing."""
    slept: int = 0
    executed: Counter[int] = field(default_factory=Counter)
    """By address, without those that faulted or began again."""
    abandoned: int = 0
    """Instructions that had to begin again."""
    begins_again: bool = False
    system: System = field(default_factory=System)
    taken: list[Taken] = field(default_factory=list)
    stopped: str = ""

    def __post_init__(self) -> None:
        self.cycles = cycles_of(self.core)

    # -- state

    def reset(self, sp: int, pc: int, vector_table: int = 0) -> None:
        self.stacks[0], self.r[PC], self.t = sp & ~3, pc & ~1, 1
        self.r[LR] = MASK
        self.system.vtor = vector_table
        self.z = 1

    @property
    def in_handler(self) -> bool:
        return self.ipsr != 0

    @property
    def stack(self) -> int:
        """Which stack is in use: 1 for the process stack (B1.4.1)."""
        return int(self.spsel and not self.in_handler)

    @property
    def privileged(self) -> bool:
        return self.in_handler or not self.npriv

    def get(self, number: int) -> int:
        return self.stacks[self.stack] if number == SP else self.here + 4 if number == PC else self.r[number]

    def put(self, number: int, value: int) -> None:
        if number == SP:
            self.stacks[self.stack] = value & ~3 & MASK
        else:
            self.r[number] = value & MASK

    @property
    def xpsr(self) -> int:
        return self.apsr | self.t << 24 | self.ipsr

    @property
    def apsr(self) -> int:
        return self.n << 31 | self.z << 30 | self.c << 29 | self.v << 28

    @apsr.setter
    def apsr(self, value: int) -> None:
        self.n, self.z, self.c, self.v = (value >> bit & 1 for bit in (31, 30, 29, 28))

    # -- time

    def _tick(self, cycles: int = 1) -> None:
        for _ in range(cycles):
            self.now += 1
            self.system.edge(self.now)
            while self.lines and self.lines[0].cycle <= self.now:
                event = self.lines.pop(0)
                self.system.set_line(event.irq, event.level)

    def run(self, until: int) -> None:
        """Go on to the first instruction boundary at or behind that cycle, or to what stops it."""
        while self.now < until and not self.stopped:
            self.step()

    def step(self) -> None:
        """One instruction, one exception entry, or one cycle of sleep."""
        try:
            if self.asleep:
                self._doze()
            elif (number := self.system.takable()) is not None:
                self._enter(number, self.r[PC])
            else:
                self._execute()
        except Lockup as lockup:
            self.stopped = f"lockup: {lockup}"

    def _doze(self) -> None:
        """B1.5.17 and .18: WFI looks past PRIMASK, WFE does not."""
        system = self.system
        wakes = system.takable(masked=self.asleep == "wfe") is not None
        if self.asleep == "wfe" and system.event:
            wakes, system.event = True, False
        if wakes:
            self.asleep = ""
        else:
            self.slept += 1
            self._tick()

    # -- memory

    def _region(self, address: int, size: int) -> Region | None:
        return next((region for region in self.regions if region.has(address, size)), None)

    def _check(self, address: int, size: int, *, stores: bool) -> Region | None:
        """Where an access goes, None for the private peripherals; or a fault."""
        what = f"{'store' if stores else 'load'} at {address:#x}"
        if address % size:
            raise Fault(f"unaligned {what}")
        if system_.BASE <= address < system_.END:
            if not self.privileged or size != 4 or not self.system.has(address):
                raise Fault(what)
            return None
        region = next((region for region in self.regions if region.has(address, size)), None)
        if region is None or (stores and not region.writable):
            raise Fault(what)
        return region

    def load(self, address: int, size: int) -> int:
        region = self._check(address, size, stores=False)
        if region is None:
            return self.system.load(address, self.ipsr)
        return int.from_bytes(region.content[address - region.base : address - region.base + size], "little")

    def store(self, address: int, size: int, value: int) -> None:
        region = self._check(address, size, stores=True)
        if region is None:
            self.system.store(address, value & MASK)
            return
        offset = address - region.base
        region.content[offset : offset + size] = (value & (1 << 8 * size) - 1).to_bytes(size, "little")

    def _fetch(self, address: int) -> int:
        region = next((region for region in self.regions if region.has(address, 2)), None)
        if not self.t or region is None:
            raise Fault(f"no code at {address:#x}")
        return int.from_bytes(region.content[address - region.base : address - region.base + 2], "little")

    # -- exceptions: B1.5.6 to B1.5.8

    def _enter(self, number: int, return_address: int) -> None:
        """PushStack and ExceptionTaken; who arrives late takes the entry over."""
        which, lr = self.stack, 0xFFFFFFF1 if self.in_handler else 0xFFFFFFFD if self.spsel else 0xFFFFFFF9
        first, began = number, self.now
        self.abandoned += self.begins_again
        self.begins_again = False
        for _ in range(self.choices.late):
            self._tick()
            number = self.system.takable() or number
        sp = self.stacks[which]
        frame = sp - 0x20 & ~4 & MASK
        words = [*self.r[:4], self.r[12], self.r[LR], return_address, self.xpsr | (sp >> 2 & 1) << 9]
        self.stacks[which] = frame
        try:
            for place, word in enumerate(words):
                self.store(frame + 4 * place, 4, word)
        except Fault as fault:
            number = self._derived(number, f"stacking: {fault}")
        self.r[LR] = lr
        self._take(number, began + self.choices.entry, tail_chained=False, late=number != first)

    def _derived(self, number: int, what: str) -> int:
        """A fault in the entry of an exception is a HardFault, which comes first, if it is not NMI that is entered.

        HardFault itself is entered all the same. DDI 0484C 3.6.1 has lockup where it is HardFault that NMI preempts.
        """
        if self.system.execution_priority(masked=False) < 0:
            raise Lockup(what)
        self.system.pend(HARD_FAULT)
        return number if number == NMI else HARD_FAULT

    def _take(self, number: int, begins: int, *, tail_chained: bool, late: bool) -> None:
        """It is active, and no longer pending, from now on; its first instruction comes later."""
        ready = self.system.ready_since[number]
        self.ipsr, self.spsel = number, 0
        self.system.activate(number)
        self.system.event = True
        self._tick(begins - self.now)
        try:
            vector = self.load(self.system.vtor + 4 * number & MASK, 4)
        except Fault as fault:
            raise Lockup(f"no vector, which is not modelled: {fault}") from fault
        self.r[PC], self.t = vector & ~1, vector & 1
        self.taken.append(Taken(number, self.now, tail_chained, late, self.now - ready))

    def _return(self, exc_return: int) -> None:
        """ExceptionReturn. The table's cycles of the returning instruction have gone by."""
        self.system.deactivate(self.ipsr)
        if exc_return >> 4 & 0xFFFFFF != 0xFFFFFF or exc_return & 15 not in (1, 9, 13):
            raise Lockup(f"returns with {exc_return:#x}, which is UNPREDICTABLE")
        number = self.system.takable()
        if number is not None:
            self.r[LR] = exc_return
            self._take(number, self.now + self.choices.tail_chain, tail_chained=True, late=False)
            return
        self._tick(self.choices.exit)
        self.spsel = int(exc_return & 15 == 13)
        frame = self.stacks[self.spsel]
        words = [self.load(frame + 4 * place, 4) for place in range(8)]
        self.r[:4], self.r[12], self.r[LR] = words[:4], words[4], words[5]
        self.r[PC], self.apsr, self.ipsr, self.t = words[6] & ~1, words[7], words[7] & 0x3F, words[7] >> 24 & 1
        self.stacks[self.spsel] = frame + 0x20 | (words[7] >> 9 & 1) << 2
        if self.in_handler != (exc_return & 15 == 1):
            raise Lockup("returns to another mode than the frame's, which is UNPREDICTABLE")
        self.system.event = True
        if self.system.sleep.on_exit and not self.in_handler:
            self.asleep = "wfi"

    def _hard_fault(self, what: str, return_address: int) -> None:
        if self.system.execution_priority(masked=False) < 0:
            raise Lockup(what)
        self._tick(self.choices.faulting)
        self.system.pend(HARD_FAULT)
        self._enter(HARD_FAULT, return_address)

    # -- instructions

    def _execute(self) -> None:
        self.here = self.r[PC]
        try:
            first = self._fetch(self.here)
            self.size = 4 if first >> 11 in (29, 30, 31) else 2
            second = self._fetch(self.here + 2) if self.size == 4 else 0
            self.next = self.here + self.size
            self.exc_return: int | None = None
            self._decoded(first, second)
        except Abandoned:
            self.begins_again = True
            return
        except Fault as fault:
            self._hard_fault(str(fault), self.here + fault.behind)
            return
        self.executed[self.here] += not self.stopped
        self.r[PC] = self.next & MASK
        if self.exc_return is not None:
            self._return(self.exc_return)

    def _spend(self, row: str, registers: int = 0) -> None:
        self._tick(self.cycles[row] + registers)

    def _decoded(self, first: int, second: int) -> None:
        """A5.2: the six high bits."""
        top = first >> 10
        if top < 0b010000:
            self._shift_add_move(first)
        elif top == 0b010000:
            self._data_processing(first)
        elif top == 0b010001:
            self._special(first)
        elif first >> 11 == 0b01001:
            self._load_to(first >> 8 & 7, (self.here + 4 & ~3) + 4 * (first & 0xFF), 4)
        elif first >> 12 == 5:
            self._access_register(first)
        elif first >> 12 in (6, 7, 8):
            self._access_immediate(first)
        elif first >> 12 == 9:
            address = self.get(SP) + 4 * (first & 0xFF)
            self._access(first >> 8 & 7, address, 4, loads=bool(first >> 11 & 1))
        elif first >> 12 == 10:
            base = self.get(SP) if first >> 11 & 1 else self.here + 4 & ~3
            self.put(first >> 8 & 7, base + 4 * (first & 0xFF))
            self._tick()
        elif first >> 12 == 11:
            self._miscellaneous(first)
        elif first >> 11 == 0b11000:
            self._store_multiple(first >> 8 & 7, _listed(first & 0xFF))
        elif first >> 11 == 0b11001:
            self._load_multiple(first >> 8 & 7, _listed(first & 0xFF))
        elif first >> 12 == 13:
            self._branch_if(first)
        elif first >> 11 == 0b11100:
            self._spend("B label")
            self.next = self.here + 4 + _signed(first << 1 & 0xFFF, 12)
        else:
            self._wide(first, second)

    def _set_nz(self, value: int) -> int:
        self.n, self.z = value >> 31, int(value == 0)
        return value

    def _add(self, x: int, y: int, carry: int) -> int:
        total = x + y + carry
        value = total & MASK
        self.c, self.v = total >> 32, int(_signed(x) + _signed(y) + carry != _signed(value))
        return self._set_nz(value)

    def _shifted(self, kind: int, value: int, amount: int) -> int:
        """LSL, LSR, ASR, ROR: a bit at a time, as nobody else writes it. N and Z are not set here."""
        for _ in range(amount):
            if kind == 0:
                self.c, value = value >> 31, value << 1 & MASK
            else:
                self.c = value & 1
                value = value >> 1 | {1: 0, 2: value >> 31, 3: value & 1}[kind] << 31
        return value

    def _shift_add_move(self, first: int) -> None:
        self._tick()
        kind, rd, rn = first >> 11, first & 7, first >> 3 & 7
        if kind < 3:
            amount = first >> 6 & 31
            amount = 32 if amount == 0 and kind else amount
            self.put(rd, self._set_nz(self._shifted(kind, self.get(rn), amount)))
        elif kind == 3:
            operand = first >> 6 & 7 if first >> 10 & 1 else self.get(first >> 6 & 7)
            minus = first >> 9 & 1
            self.put(rd, self._add(self.get(rn), operand ^ (MASK if minus else 0), minus))
        else:
            rd, value = first >> 8 & 7, first & 0xFF
            if kind == 4:
                self.put(rd, self._set_nz(value))
            elif kind == 5:
                self._add(self.get(rd), value ^ MASK, 1)
            else:
                self.put(rd, self._add(self.get(rd), value ^ (MASK if kind == 7 else 0), kind == 7))

    def _data_processing(self, first: int) -> None:
        opcode, rd = first >> 6 & 15, first & 7
        x, y = self.get(rd), self.get(first >> 3 & 7)
        if opcode == 13:
            self._multiply(rd, x, y)
            return
        self._tick()
        if opcode in (2, 3, 4, 7):
            kind = {2: 0, 3: 1, 4: 2, 7: 3}[opcode]
            self.put(rd, self._set_nz(self._shifted(kind, x, y & 0xFF)))
            return
        results: dict[int, Callable[[], int]] = {
            0: lambda: self._set_nz(x & y),
            1: lambda: self._set_nz(x ^ y),
            5: lambda: self._add(x, y, self.c),
            6: lambda: self._add(x, y ^ MASK, self.c),
            8: lambda: self._set_nz(x & y),
            9: lambda: self._add(y ^ MASK, 0, 1),
            10: lambda: self._add(x, y ^ MASK, 1),
            11: lambda: self._add(x, y, 0),
            12: lambda: self._set_nz(x | y),
            14: lambda: self._set_nz(x & ~y),
            15: lambda: self._set_nz(y ^ MASK),
        }
        value = results[opcode]()
        if opcode not in (8, 10, 11):
            self.put(rd, value)

    def _multiply(self, rd: int, x: int, y: int) -> None:
        self._pass(self.multiplier)
        self.put(rd, self._set_nz(x * y & MASK))

    def _special(self, first: int) -> None:
        """A5.2.3: ADD, CMP, MOV of all registers; BX, BLX."""
        kind, rd, rm = first >> 8 & 3, first >> 4 & 8 | first & 7, first >> 3 & 15
        value = self.get(rm)
        if kind == 3:
            self._exchange(first, rm, value)
            return
        if kind == 1:
            if (rd < 8 and rm < 8) or PC in (rd, rm):
                raise Fault("UNPREDICTABLE CMP")
            self._tick()
            self._add(self.get(rd), value ^ MASK, 1)
            return
        value = value + self.get(rd) & MASK if kind == 0 else value
        if kind == 0 and rd == rm == PC:
            raise Fault("UNPREDICTABLE ADD")
        if rd == PC:
            self._spend("MOV PC,Rm")
            self.next = value & ~1
        else:
            self._tick()
            self.put(rd, value)

    def _exchange(self, first: int, rm: int, value: int) -> None:
        links = first >> 7 & 1
        if first & 7 or rm == PC:
            raise Fault("UNPREDICTABLE BX or BLX")
        self._spend("BX Rm")
        if links:
            self.r[LR] = self.here + 2 | 1
            self.next, self.t = value & ~1, value & 1
        else:
            self._bx_write_pc(value)

    def _bx_write_pc(self, value: int) -> None:
        """B1.5.8: in Handler mode, a branch to 0xFXXXXXXX by BX or POP returns from the exception."""
        if self.in_handler and value >> 28 == 15:
            self.exc_return = value
        else:
            self.next, self.t = value & ~1, value & 1

    # -- loads and stores

    def _is_fast(self, address: int) -> bool:
        return self.single_cycle[0] <= address < self.single_cycle[1]

    def _load_to(self, rt: int, address: int, size: int, *, signs: bool = False) -> None:
        address &= MASK
        if not self._is_fast(address):
            self._tick(self.choices.load_at)
        value = self.load(address, size)
        self._tick(1 if self._is_fast(address) else 2 - self.choices.load_at)
        self.put(rt, _signed(value, 8 * size) if signs else value)

    def _store_from(self, rt: int, address: int, size: int) -> None:
        address &= MASK
        if not self._is_fast(address):
            self._tick(self.choices.store_at)
            self._check(address, size, stores=True)
            self.system.now = self.now + 2 - self.choices.store_at  # what it pends is pending when it has ended
        self.store(address, size, self.get(rt))
        self._tick(1 if self._is_fast(address) else 2 - self.choices.store_at)

    def _access(self, rt: int, address: int, size: int, *, loads: bool, signs: bool = False) -> None:
        if loads:
            self._load_to(rt, address, size, signs=signs)
        else:
            self._store_from(rt, address, size)

    def _access_register(self, first: int) -> None:
        """A5.2.4: STR, STRH, STRB, LDRSB, LDR, LDRH, LDRB, LDRSH."""
        opcode = first >> 9 & 7
        size, signs = {0: 4, 1: 2, 2: 1, 3: 1, 4: 4, 5: 2, 6: 1, 7: 2}[opcode], opcode in (3, 7)
        address = self.get(first >> 3 & 7) + self.get(first >> 6 & 7)
        self._access(first & 7, address, size, loads=opcode > 2, signs=signs)

    def _access_immediate(self, first: int) -> None:
        size = {6: 4, 7: 1, 8: 2}[first >> 12]
        address = self.get(first >> 3 & 7) + size * (first >> 6 & 31)
        self._access(first & 7, address, size, loads=bool(first >> 11 & 1))

    def _multiple(self, base: int, registers: list[int], *, stores: bool, cycles: int) -> list[int]:
        """A6.7.25 and its like: the lowest register at the lowest address. Returns the words that were moved.

        Words before one that faults have been moved.
        """
        if not registers:
            raise Fault("UNPREDICTABLE: no registers")
        places = [(base + 4 * place & MASK, number) for place, number in enumerate(registers)]
        for count, (address, _) in enumerate(places):
            try:
                self._check(address, 4, stores=stores)
            except Fault:
                self._move(places[:count], stores=stores)
                raise
        self._pass(cycles)
        return self._move(places, stores=stores)

    def _move(self, places: list[tuple[int, int]], *, stores: bool) -> list[int]:
        words = [self.get(number) if stores else self.load(address, 4) for address, number in places]
        for (address, number), word in zip(places, words, strict=True):
            if stores:
                self.store(address, 4, word)
            elif number != PC:
                self.put(number, word)
        return words

    def _pass(self, cycles: int) -> None:
        """Cycles of an instruction that an exception may end in any of them but the last."""
        for cycle in range(cycles):
            self._tick()
            if cycle < cycles - 1 and self.choices.abandons and self.system.takable() is not None:
                raise Abandoned

    def _load_multiple(self, rn: int, registers: list[int]) -> None:
        base, cycles = self.get(rn), self.cycles["LDM Rn!,{}"] + len(registers)
        self._multiple(base, registers, stores=False, cycles=cycles)
        if rn not in registers:
            self.put(rn, base + 4 * len(registers))

    def _store_multiple(self, rn: int, registers: list[int]) -> None:
        base, cycles = self.get(rn), self.cycles["STM Rn!,{}"] + len(registers)
        self._multiple(base, registers, stores=True, cycles=cycles)
        self.put(rn, base + 4 * len(registers))

    def _push(self, registers: list[int]) -> None:
        base, cycles = self.get(SP) - 4 * len(registers), self.cycles["PUSH {}"] + len(registers)
        self._multiple(base, registers, stores=True, cycles=cycles)
        self.put(SP, base)

    def _pop(self, registers: list[int]) -> None:
        base, row = self.get(SP), "POP {PC}" if PC in registers else "POP {}"
        words = self._multiple(base, registers, stores=False, cycles=self.cycles[row] + len(registers))
        self.put(SP, base + 4 * len(registers))
        if PC in registers:
            self._bx_write_pc(words[-1])

    # -- the rest

    def _miscellaneous(self, first: int) -> None:
        """A5.2.5."""
        rd, rm = first & 7, first >> 3 & 7
        if first >> 8 == 0xB0:
            self._tick()
            distance = 4 * (first & 0x7F)
            self.put(SP, self.get(SP) + (-distance if first >> 7 & 1 else distance))
        elif first >> 8 == 0xB2:
            self._tick()
            bits = 8 if first >> 6 & 1 else 16
            low = self.get(rm) & (1 << bits) - 1
            self.put(rd, low if first >> 7 & 1 else _signed(low, bits))
        elif first >> 9 == 0xB4 >> 1:
            self._push(_listed(first & 0xFF) + [LR] * (first >> 8 & 1))
        elif first >> 9 == 0xBC >> 1:
            self._pop(_listed(first & 0xFF) + [PC] * (first >> 8 & 1))
        elif first in (0xB662, 0xB672):
            self._tick()
            if self.privileged:
                self.system.primask = first >> 4 & 1
        elif first >> 8 == 0xBA and first >> 6 & 3 != 2:
            self._tick()
            self._reverse(first >> 6 & 3, rd, self.get(rm))
        elif first == SEMIHOSTING:
            self.stopped, self.next = "semihosting", self.here
        elif first >> 8 == 0xBF and first & 15 == 0:
            self._hint(first >> 4 & 15)
        else:
            raise Fault(f"undefined or BKPT {first:#x}")

    def _reverse(self, kind: int, rd: int, value: int) -> None:
        b = value.to_bytes(4, "little")
        order = {0: (3, 2, 1, 0), 1: (1, 0, 3, 2)}.get(kind)
        low = int.from_bytes(bytes((b[1], b[0])), "little")
        self.put(rd, int.from_bytes(bytes(b[i] for i in order), "little") if order else _signed(low, 16))

    def _hint(self, number: int) -> None:
        if number not in (2, 3):
            self._tick()
            self.system.event |= number == 4
            return
        self._tick(2)
        if number == 2 and self.system.event:
            self.system.event = False
        else:
            self.asleep = "wfi" if number == 3 else "wfe"

    def _branch_if(self, first: int) -> None:
        condition = first >> 8 & 15
        if condition == 15:
            self._supervisor_call()
            return
        if condition == 14:
            raise Fault("UDF")
        if self._passes(condition):
            self._spend("Bcc taken")
            self.next = self.here + 4 + _signed(first << 1 & 0x1FF, 9)
        else:
            self._spend("Bcc not taken")

    def _passes(self, condition: int) -> bool:
        """A6.3, table A6-1."""
        n, z, c, v = self.n, self.z, self.c, self.v
        holds = (z, c, n, v, c and not z, n == v, n == v and not z)[condition >> 1]
        return bool(holds) != bool(condition & 1)

    def _supervisor_call(self) -> None:
        """A6.7.68: pended, and taken before the next instruction, or a HardFault where its priority is too low.

        B1.5.6 does not say what the frame has then. Handlers of firmware (Zephyr's, on ARMv6-M) look for the SVC in
        front of the address that they find there.
        """
        if self.system.priority(SVCALL) >= self.system.execution_priority():
            fault = Fault("SVC that cannot be taken")
            fault.behind = 2
            raise fault
        self._tick(self.choices.supervisor_call)
        self.system.pend(SVCALL)

    def _wide(self, first: int, second: int) -> None:
        """A5.3."""
        if first >> 11 == 0b11110 and second >> 14 == 3 and second >> 12 & 1:
            self._branch_link(first, second)
        elif first >> 4 == 0xF38 and second >> 8 == 0x88 and first & 15 not in (SP, PC):
            self._spend("MSR special,Rm")
            self._write_special(second & 0xFF, self.get(first & 15))
        elif first == 0xF3EF and second >> 12 == 8 and second >> 8 & 15 not in (SP, PC):
            self._spend("MRS Rd,special")
            self.put(second >> 8 & 15, self._read_special(second & 0xFF))
        elif first == 0xF3BF and second >> 8 == 0x8F and second >> 4 & 15 in (4, 5, 6):
            self._spend("DSB")
        else:
            raise Fault(f"undefined {first:#x} {second:#x}")

    def _branch_link(self, first: int, second: int) -> None:
        self._spend("BL label")
        sign, j1, j2 = first >> 10 & 1, second >> 13 & 1, second >> 11 & 1
        i1, i2 = 1 - (j1 ^ sign), 1 - (j2 ^ sign)
        distance = sign << 24 | i1 << 23 | i2 << 22 | (first & 0x3FF) << 12 | (second & 0x7FF) << 1
        self.r[LR] = self.here + 4 | 1
        self.next = self.here + 4 + _signed(distance, 25)

    def _read_special(self, sysm: int) -> int:
        """B5.2.2."""
        if sysm >> 3 == 0:
            ipsr = self.ipsr if sysm & 1 else 0
            return ipsr | (self.apsr if not sysm & 4 else 0)
        if sysm == 20:
            return self.spsel << 1 | self.npriv
        if not self.privileged:
            return 0
        return {8: self.stacks[0], 9: self.stacks[1], 16: self.system.primask}[sysm]

    def _write_special(self, sysm: int, value: int) -> None:
        """B5.2.3."""
        if sysm >> 3 == 0:
            self.apsr = self.apsr if sysm & 4 else value
        elif not self.privileged:
            pass
        elif sysm in (8, 9):
            self.stacks[sysm - 8] = value & ~3
        elif sysm == 16:
            self.system.primask = value & 1
        elif sysm == 20:
            self.npriv = value & 1 if self.core == "cortex-m0plus" else 0  # the M0 has no unprivileged code
            if not self.in_handler:
                self.spsel = value >> 1 & 1


def _signed(value: int, bits: int = 32) -> int:
    return value - (1 << bits) if value >> bits - 1 & 1 else value


def _listed(mask: int) -> list[int]:
    return [number for number in range(8) if mask >> number & 1]
