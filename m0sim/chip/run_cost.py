"""What a run of whole firmware cost, from reset to its end: a `Cost`, and what a call of one function has not."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

from m0sim.chip.cost import Cost
from m0sim.chip.devices.moved import Moved
from m0sim.chip.field_docs import documented
from m0sim.chip.timeline import Timeline
from m0sim.chip.views import Views

ExitReason = Literal["until", "output", "time", "exit", "breakpoint", "fault", "interrupted", "limit"]
EXIT_REASONS: tuple[str, ...] = get_args(ExitReason)
"""A symbol that was waited for; a text that was waited for; the time that was asked for; the program's own end; BKPT;
what no correct code does; Ctrl-C; the limit of cycles, or a sleep from which nothing wakes."""


@documented
@dataclass(frozen=True, slots=True)
class Exit:
    """How a run ended."""

    reason: ExitReason
    code: int | None
    """The program's own exit code; None where it did not end by itself."""
    detail: str
    """One line, such as where it was."""

    @property
    def is_good(self) -> bool:
        """Whether it ended as asked for, or by itself with 0."""
        return self.reason in ("until", "output", "time") or (self.reason == "exit" and self.code == 0)


@documented
@dataclass(frozen=True, slots=True)
class Latency:
    """Cycles from where an exception was pending and enabled to the first instruction of its handler."""

    min: int
    """The shortest."""
    mean: float
    """Of all."""
    max: int
    """The longest."""
    held_by: str
    """What the longest one waited for: the mask, another handler, an instruction; empty where it waited for nothing."""


@documented
@dataclass(frozen=True, slots=True)
class HandlerCost:
    """One exception's share of a run."""

    name: str
    """Of its handler and of the exception, such as ``isr_timer (TIMER_IRQ_0)`` or ``isr_systick (SysTick)``."""
    exception: str
    """The exception's own name, whatever handles it: ``SysTick``, ``TIMER_IRQ_0``."""
    number: int
    """Of the exception: 15 for SysTick, 16 + n for interrupt n."""
    entries: int
    """How often it was entered."""
    self_cycles: int
    """Of the handler's own function, entry and return among them."""
    inclusive_cycles: int
    """With all that it called; handlers that preempted it are not in it."""
    latency: Latency | None
    """None where it was never entered for something that pended, as SVC."""
    tail_chained: int
    """Entries directly behind another handler."""


@documented
@dataclass(frozen=True, slots=True)
class StackUse:
    """How deep one stack went, observed; no worst case."""

    name: str
    """``msp``, or the function that a task begins in."""
    top: int
    """Highest address that it began at."""
    low: int

    @property
    def bytes(self) -> int:
        return self.top - self.low


@documented
@dataclass(frozen=True, slots=True)
class UnmodelledUse:
    """Accesses to a register that m0sim does not model: loads gave what was last stored, at first 0."""

    register: str
    """Block and offset, such as ``DMA+0x400``."""
    address: int
    loads: int
    stores: int
    function: str
    """Where the first access came from."""


@documented
@dataclass(frozen=True, slots=True)
class ClockRate:
    """The core's clock from one cycle on."""

    cycle: int
    hertz: float


@documented
@dataclass(frozen=True, slots=True)
class ChipReset:
    """A reset on the way, after which the firmware began again."""

    cycle: int
    seconds: float
    reason: str


@documented
@dataclass(frozen=True, slots=True)
class PinChange:
    """What the chip drives its pins to, from one cycle on."""

    cycle: int
    seconds: float
    out: int
    """Bit n: level of pin n, if it is driven."""
    driven: int
    """Bit n: 1 where pin n is driven."""


@documented
@dataclass(frozen=True, slots=True)
class MachineStep:
    """Where a state machine of PIO is, from one cycle on."""

    cycle: int
    seconds: float
    machine: str
    """Such as ``PIO0 SM1``."""
    pc: int | None
    """The instruction that it executes or waits in, 0 to 31; None while it is not enabled."""


@documented
@dataclass(frozen=True, slots=True)
class MachineCost:
    """What a state machine of PIO did, in pulses of its clock divider while it was enabled, here called steps."""

    name: str
    """Such as ``PIO0 SM1``."""
    enabled_cycles: int
    """Cycles of the system clock in which it was enabled."""
    steps: int
    """All: those that follow, added up."""
    executed: int
    """Instructions that came to their end, a step each."""
    delayed: int
    """In the delay of an instruction."""
    waited: tuple[tuple[str, int], ...]
    """In instructions that waited: for what, such as ``a word in TX``, and how many steps; the most first."""
    written: int
    """Words that the cores and the DMA put into its TX FIFO."""
    pulled: int
    """Words that it took out of that."""
    pushed: int
    """Words that it put into its RX FIFO."""
    read: int
    """Words that the cores and the DMA took out of that."""
    written_full: int
    """Words written to a TX FIFO that was full, and lost: FDEBUG.TXOVER."""
    pushed_full: int
    """Words lost by a PUSH that does not wait, into an RX FIFO that was full."""
    read_empty: int
    """Loads from an RX FIFO that was empty: FDEBUG.RXUNDER."""


@documented
@dataclass(frozen=True, slots=True)
class HeapSize:
    """How much the program's `sbrk` had given out, from one cycle on."""

    cycle: int
    bytes: int


@documented
@dataclass(frozen=True, slots=True)
class Printed:
    """What one device sent out, or semihosting printed."""

    source: str
    data: bytes


@documented
@dataclass(frozen=True, slots=True)
class CoreCost:
    """What one of two cores did."""

    number: int
    """0 or 1."""
    cost: Cost
    """Its functions, instructions and call tree."""
    sleep_cycles: int
    """Of its cycles, asleep in WFI or WFE; of core 1 also waiting in the boot ROM, or held in reset."""
    overhead_cycles: int
    """Of its cycles, entering exceptions and returning from them."""
    handlers: tuple[HandlerCost, ...]
    """By exception number."""
    stacks: tuple[StackUse, ...]
    """MSP first."""

    @property
    def load(self) -> float:
        """The share of its cycles that it was awake for, from 0 to 1."""
        return 1 - self.sleep_cycles / self.cost.cycles if self.cost.cycles else 0.0


@documented
@dataclass(frozen=True, slots=True)
class CoreLoad:
    """What one core did over time: cycles by bucket."""

    number: int
    """0 or 1."""
    busy: tuple[int, ...]
    """Awake ones. They add up to the core's cycles less those asleep."""
    handlers: tuple[int, ...]
    """Of these, in exceptions: their handlers, entry and return."""


@documented
@dataclass(frozen=True, slots=True)
class LoadOverTime:
    """The load of each core over a run, in buckets of equal length from where counting began."""

    bucket_cycles: int
    """Cycles of a bucket, a power of two; the last one ends with the run."""
    cores: tuple[CoreLoad, ...]
    """By number."""

    def merged(self, times: int) -> LoadOverTime:
        """So many buckets as one."""
        cores = tuple(
            CoreLoad(core.number, _added_up(core.busy, times), _added_up(core.handlers, times)) for core in self.cores
        )
        return LoadOverTime(self.bucket_cycles * times, cores)


@documented
@dataclass(frozen=True, slots=True)
class StackOverTime:
    """How deep the main stack of each core was, in stretches of equal length from where counting began."""

    begin: int
    """The cycle from which on it is counted."""
    bucket_cycles: int
    """Cycles of a stretch, which ends with the instruction that comes to its end; the last one ends with the run."""
    cores: tuple[tuple[int, ...], ...]
    """By core and stretch: bytes at the deepest. Stacks of threads (PSP) are not in it."""


def _added_up(figures: tuple[int, ...], times: int) -> tuple[int, ...]:
    return tuple(sum(figures[i : i + times]) for i in range(0, len(figures), times))


@documented
@dataclass(frozen=True, slots=True)
class BusWait:
    """What one master of the bus fabric waited for at one port while another master had that."""

    master: str
    """``core 0``, ``core 1``, ``DMA read`` or ``DMA write``."""
    port: str
    """As the RP2040 datasheet calls it: ``SRAM0`` to ``SRAM5``, ``XIP_MAIN``, ``ROM``, ``APB``, ``FASTPERI``."""
    against: str
    """The other master."""
    cycles: int


@documented
@dataclass(frozen=True, slots=True)
class BusPort:
    """One port of the bus fabric."""

    port: str
    accesses: int
    contested: int
    """Of these, such as had to wait for another master."""


@documented
@dataclass(frozen=True, slots=True)
class Contention:
    """Who waited for whom at the bus fabric: an estimate, docs/accuracy.md has what it assumes."""

    waits: tuple[BusWait, ...]
    """Most cycles first."""
    ports: tuple[BusPort, ...]
    """Of those that were used."""


@documented
@dataclass(frozen=True)
class RunCost(Views):
    """A whole run."""

    cost: Cost
    """Everything that a call has as well: functions, instructions, the call tree with a root for each handler."""
    exit: Exit
    """What ended it."""
    seconds: float
    """By the clocks that the firmware chose."""
    sleep_cycles: int
    """Of `cycles`, asleep in WFI or WFE."""
    overhead_cycles: int
    """Of `cycles`, entering exceptions and returning from them: no instruction has them."""
    printed: tuple[Printed, ...]
    """By source, in the order of their first output."""
    handlers: tuple[HandlerCost, ...]
    """By exception number."""
    stacks: tuple[StackUse, ...]
    """MSP first."""
    unmodelled: tuple[UnmodelledUse, ...]
    """Most accesses first."""
    clocks: tuple[ClockRate, ...]
    """Each change of the core's clock, the first at reset."""
    first_output_cycle: int | None = None
    """Cycles from where counting began to the first byte; None where nothing was printed since."""
    heap: tuple[HeapSize, ...] = ()
    """Each growth of the heap; empty where nobody asked `sbrk` for memory."""
    pins: tuple[PinChange, ...] = field(default=(), repr=False)
    """What the chip drove its pins to; only where that was asked for."""
    state_machines: tuple[MachineStep, ...] = field(default=(), repr=False)
    """Where those of PIO went; only where pins were asked for."""
    resets: tuple[ChipReset, ...] = ()
    """After the first one, with which the run begins."""
    faults: tuple[str, ...] = ()
    """What led to HardFault, one line each."""
    timeline: Timeline | None = field(default=None, repr=False)
    """What all cores did over time; only where that was asked for."""
    moved: tuple[Moved, ...] = ()
    """What masters of the bus beside the processor have moved since reset, such as the channels of a DMA."""
    pio: tuple[MachineCost, ...] = ()
    """The state machines of PIO that did something, by number."""
    missed: tuple[str, ...] = ()
    """What was waited for and did not come before the run ended, one line each; among `cost.warnings` too."""
    stack_over_time: StackOverTime | None = None
    """None where counting never began."""
    load: LoadOverTime = LoadOverTime(1, ())
    """How busy each core was, over time."""
    cores: tuple[CoreCost, ...] = ()
    """Both cores, where core 1 was launched, the first one as in `cost`, `handlers` and `stacks`; else empty."""
    contention: Contention | None = None
    """Who waited for whom at the bus fabric; None where that was not asked for."""

    @property
    def is_good(self) -> bool:
        """Whether it ended well, and all that was waited for came."""
        return self.exit.is_good and not self.missed

    @property
    def cycles(self) -> int:
        """From reset, asleep ones among them."""
        return self.cost.cycles

    @property
    def output(self) -> str:
        """All that was printed, by source; bytes that are no UTF-8 as U+FFFD."""
        return "".join(printed.data.decode("utf-8", "replace") for printed in self.printed)

    @property
    def awake_share(self) -> float:
        """From 0 to 1."""
        return 1 - self.sleep_cycles / self.cycles if self.cycles else 1.0
