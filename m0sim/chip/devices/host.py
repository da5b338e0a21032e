"""What devices ask of the machine that they are part of."""

from __future__ import annotations

from collections.abc import MutableSequence, Sequence
from dataclasses import dataclass
from typing import Protocol

from m0sim.chip.devices.memories import Memory


class Resettable(Protocol):
    """A device, as far as a reset goes."""

    def reset(self) -> None:
        """Go back to the state that a reset leaves."""


@dataclass(frozen=True, slots=True)
class Reach:
    """What is reset with the processor."""

    devices: Sequence[Resettable] | None = None
    """None: all of them."""
    port: bool = True
    """The I/O port, and what is behind it."""
    by_pin: bool = False
    """By the reset pin, which outdoes what keeps its state otherwise."""
    second_core: bool = True
    """The other core with the one that asked, where there are two."""


EVERYTHING = Reach()
PROCESSOR_ALONE = Reach((), port=False, second_core=False)
BY_PIN = Reach(by_pin=True)


class Host(Protocol):
    """The processor that devices serve, the world outside of the chip, and the memory that a flash controller changes.

    Cycles are those of the processor's clock since it was reset; addresses and values are unsigned 32-bit numbers.
    """

    @property
    def now(self) -> int:
        """The cycle count; while an access is answered, the cycle in which the access is made."""

    @property
    def pc(self) -> int:
        """Address of the instruction that makes the access, or of the next one."""

    def set_line(self, number: int, level: bool) -> None:
        """Set the request line of interrupt `number`, 0 to 31, to all cores."""

    def set_line_of(self, core: int, number: int, level: bool) -> None:
        """The same of an interrupt that each core has a line of its own for."""

    def hold_second_core(self, is_held: bool) -> None:
        """Hold core 1 in reset, or let it begin in the boot ROM."""

    def restart_second_core(self) -> None:
        """Reset core 1 alone."""

    def send_event(self) -> None:
        """Wake a core that waits for an event."""

    def wake_at(self, cycle: int | None) -> None:
        """Ask for `Bus.advance` at that cycle instead of the one that was asked for before; None for no more."""

    def publish(self, address: int, value: int, until: int | None = None) -> None:
        """Answer loads of a register with `value` without asking, before cycle `until`."""

    def publish_counter(
        self, address: int, start: int, since: int, numerator: int, denominator: int, shift: int = 0
    ) -> None:
        """The same with (start + (now - since) * numerator // denominator) >> shift, its low 32 bits."""

    def withdraw(self, address: int) -> None:
        """Ask for the register's value again."""

    def stall(self, cycles: int) -> None:
        """The access that is being answered takes so many cycles more than its bus says."""

    def output(self, data: bytes, source: str) -> None:
        """The device `source` sent bytes."""

    def restart(self, reason: str, reach: Reach = EVERYTHING) -> None:
        """The chip resets itself when the access is answered, or what is due is done."""

    def halt(self, reason: str) -> None:
        """Nothing can ever go on: the run ends, and this is why."""

    def read_flash(self, offset: int, size: int) -> bytes:
        """Bytes of the flash memory; those behind its end repeat it, as an address line that is not there does."""

    def write_flash(self, offset: int, data: bytes) -> None:
        """Change the flash memory, and forget what was decoded of code there."""

    def memory_at(self, address: int) -> Memory | None:
        """The memory behind an address, as masters beside the processor see it; None where there is none."""

    def memory_changed(self, begin: int, end: int) -> None:
        """Bytes of a memory were changed: forget what was decoded of code there."""

    def read_stall(self, address: int) -> int:
        """Cycles that a read of a memory that waits takes more than one, by a master that is not the processor."""

    @property
    def flash_word_cycles(self) -> int:
        """Cycles that a word of flash takes which no cache has."""

    def set_bus_priority(self, masters: int) -> None:
        """Which masters of the bus come first, a bit each: core 0, core 1, reads and writes of the DMA."""

    @property
    def contends(self) -> bool:
        """Whether masters of the bus hold each other up; if not, nobody asks for it."""

    def ask_for_bus(self, master: int, address: int, cycle: int, hold: int) -> int | None:
        """A master, 2 or 3 (see `set_bus_priority`), wants to make an access in a cycle, which takes `hold` of them.

        The number of the access, by which it is granted; None where no port leads to the address.
        """

    def bus_granted_at(self, master: int, number: int) -> int | None:
        """The cycle in which one of the newest 16 accesses of a master was granted; None: not yet."""

    def withdraw_from_bus(self, master: int) -> None:
        """A master wants nothing any more."""

    def bus_accesses(self, port: int, *, contested: bool) -> int | None:
        """Accesses that a port of the bus has taken so far, or those of them that had to wait; None: nobody counts."""

    def note_dropped_store(self, address: int) -> None:
        """A store went to flash or ROM."""

    def flush_cache(self) -> None:
        """Forget what the flash cache holds."""

    def enable_cache(self, enabled: bool) -> None:
        """Turn the flash cache on or off; while it is off, its memory can be used as SRAM."""

    def set_flash_waits(self, states: int) -> None:
        """Flash on the chip has so many wait states from now on."""

    @property
    def cache_counts(self) -> tuple[int, int]:
        """Words read through the flash cache that were in it, and all; (0, 0) where the run has no model of it."""

    @property
    def pins(self) -> PinState:
        """How GPIO_OUT and GPIO_OE of the I/O port come to pins: to change, and then to call `update_pins`."""

    def update_pins(self) -> None:
        """What `pins` says has changed now."""

    @property
    def outputs(self) -> tuple[int, int]:
        """GPIO_OUT and GPIO_OE of the I/O port, a bit a pin."""

    def load_pio(self, number: int, offset: int) -> int:
        """A register of a PIO block, 0 or 1."""

    def store_pio(self, number: int, offset: int, alias: int, value: int) -> None:
        """Store to it, or through its aliases: 1 flips bits, 2 sets and 3 clears them."""

    def reset_pio(self, number: int, is_held: bool) -> None:
        """The block is as a reset leaves it; while it is held there, its registers come to the bus."""

    @property
    def pio_requests(self) -> int:
        """DREQs of both blocks as of now, a bit each by the DMA's numbers."""

    @property
    def pio_now(self) -> int:
        """The cycle that PIO has come to: where one of these was noticed, that."""

    def watch_pio(self, numbers: int) -> None:
        """When one of these DREQs is high, call `Bus.advance` once."""

    def take_pio_news(self, numbers: int) -> int:
        """Which of some DREQs that were watched have become high since the last time that this was asked."""

    def pio_uses(self, number: int) -> Sequence[tuple[int, int, int]]:
        """How often something was used that is not modelled, its register and the first instruction that did so."""


class PinState(Protocol):
    """How GPIO_OUT and GPIO_OE of the I/O port come to pins and GPIO_IN, a bit a pin in each number.

    Of a pin, what drives it is ``out = ((sio_out & port) | other_out) & out_and ^ out_xor``, whether it does is the
    same with `oe`, its level is ``out if oe else outside``, or what a wire brings instead of `outside`, and GPIO_IN is
    ``level & inputs & in_and ^ in_xor``.
    """

    port: int
    pio: MutableSequence[int]
    """Pins of the two PIO blocks, whose outputs come to pins as the port's do."""
    other_out: int
    other_oe: int
    out_and: int
    out_xor: int
    oe_and: int
    oe_xor: int
    in_and: int
    in_xor: int
    inputs: int
    outside: int
    watched: int
    """Pins whose changes of `seen` shall lead to `Bus.advance` behind the instruction that makes them."""
    level: int
    """The pins now, to read."""
    driven: int
    """Those that the chip drives, to read."""
    seen: int
    """``level & inputs``, to read."""
    rose: int
    """Pins of `seen` that have become 1 since this was set to 0."""
    fell: int
    """The same of those that have become 0."""
    is_news: int
    """1: a watched pin has changed since this was set to 0."""
    wired: int
    """Pins that a wire connects to another one: they have its level, where the chip does not drive them itself."""
    wires: MutableSequence[int]
    """By pin: that other one."""
    unfollowed: int
    """Pins whose levels are not put here as they change: loads of GPIO_IN are asked for while there are any."""
    is_sampled: int
    """1: PIO may look at any pin in any cycle."""
    log_capacity: int
    """Changes that somebody has made room for, 0 where nobody looks at the pins."""
