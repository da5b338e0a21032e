"""IO_BANK0, PADS_BANK0, IO_QSPI and PADS_QSPI: functions of pins, their interrupts and their pads.

RP2040 datasheet, section 2.19. Levels themselves are the host's, who knows what the I/O port drives: see `PinState`.
The two cycles by which the input synchroniser delays GPIO_IN are not modelled: as if SYSCFG.PROC_IN_SYNC_BYPASS, which
is stored, were set for all pins (section 2.21.2). PIO has its own, which is modelled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from m0sim.chip.devices.block import WORD, Block, Register

PINS = 30
F_SPI, F_UART, F_I2C, F_PWM, F_SIO, F_PIO0, F_PIO1, F_CLOCK, F_USB = range(1, 10)
NULL = 31
_UNMODELLED = {
    F_SPI: "SPI as the pin's function: its waveform is not drawn",
    F_I2C: "I2C as the pin's function: its waveform is not drawn",
    F_CLOCK: "a clock as the pin's function: its waveform is not drawn",
    F_USB: "USB as the pin's function",
}
_IO_IRQ_BANK0, _IO_IRQ_QSPI = 13, 14
_INTF, _INTS = 0x10, 0x20
_NIBBLES = 8
"""Pins in one register of interrupts: 4 bits each."""
_LEVEL_LOW, _LEVEL_HIGH, _EDGE_LOW, _EDGE_HIGH = 1, 2, 4, 8
_OVER_INVERT, _OVER_LOW, _OVER_HIGH = 1, 2, 3
_IE, _OD, _PUE, _PDE = 1 << 6, 1 << 7, 1 << 3, 1 << 2
_PAD_RESET = 0x56
_PIO_OUTPUTS = 0x3C, 0x40
"""DBG_PADOUT and DBG_PADOE."""
_UART_TX, _UART_RTS = 0, 3
"""Of four pins in a row, the ones that a UART drives."""


def _override(code: int, value: int) -> int:
    """A bit as OUTOVER and its like change it."""
    return (value, value ^ 1, 0, 1)[code]


class PadsBank0(Block):
    """What each pad does: pulls, its input, and whether its output is off. Drive strength and slew rate are stored."""

    VOLTAGE_SELECT, GPIO0 = 0x00, 0x04

    def __init__(self) -> None:
        super().__init__(
            "PADS_BANK0",
            0x4001_C000,
            (
                Register(self.VOLTAGE_SELECT, "VOLTAGE_SELECT", writable=1),
                *(Register(self.GPIO0 + 4 * i, f"GPIO{i}", _PAD_RESET, writable=0xFF) for i in range(PINS)),
                Register(0x7C, "SWCLK", 0xDA, writable=0xFF),
                Register(0x80, "SWD", 0x5A, writable=0xFF),
            ),
        )
        self.changed: Callable[[int], None] = lambda pin: None
        """Called with the number of a pin whose pad has changed."""
        self.stores = {self.GPIO0 + 4 * i: partial(self._tell, i) for i in range(PINS)}

    def pad(self, pin: int) -> int:
        """The register of a pin."""
        return self.words[self.GPIO0 + 4 * pin]

    def reset(self) -> None:
        """Inputs, pulled down."""
        super().reset()
        for pin in range(PINS):
            self.changed(pin)

    def _tell(self, pin: int, _: int) -> None:
        self.changed(pin)


class IoBank0(Block):
    """Functions of pins 0 to 29, and their interrupts to each core. `drive` is what the world outside does to a pin."""

    numbers = range(PINS)
    INTR, PROC0_INTE, PROC1_INTE, DORMANT_WAKE_INTE = 0xF0, 0x100, 0x130, 0x160
    INTE_OF = (PROC0_INTE, PROC1_INTE)
    """By core; INTF is 0x10 behind it, INTS 0x20."""

    def __init__(self, pads: PadsBank0) -> None:
        super().__init__("IO_BANK0", 0x4001_4000, _bank0_registers())
        self._pads = pads
        pads.changed = self._update
        self._outside: list[int | None] = [None] * PINS
        self._peripheral: dict[int, list[int | None]] = {F_PWM: [0] * PINS}
        """By function: the level that it drives pins to that have it; None where it reads them."""
        self.followers: list[Callable[[], None]] = []
        """Called when pins have other functions, or are watched or not any more, or PIO begins to look at them."""
        self.levels_wanted: Callable[[], None] = lambda: None
        """Called before somebody looks at levels that a peripheral has not put."""
        self._is_sampled = False
        self._listeners: dict[int, list[Callable[[], None]]] = {}
        self._edges = [0] * PINS
        """By pin: latched edges, as bits of INTR."""
        for pin in range(PINS):
            self.loads[8 * pin] = partial(self._status, pin)
            self.stores[8 * pin + 4] = partial(self._function_changed, pin)
        for i in range(4):
            self.loads[self.INTR + 4 * i] = partial(self._raw, i)
            self.stores[self.INTR + 4 * i] = partial(self._clear, i)
            for inte in self.INTE_OF:
                self.loads[inte + _INTS + 4 * i] = partial(self._requested, inte, i)
                for offset in (inte, inte + _INTF):
                    self.stores[offset + 4 * i] = lambda _: self._watch()
        self.volatile = set(self.loads)

    def reset(self) -> None:
        """No pin has a function, and nothing is enabled."""
        super().reset()
        self._edges = [0] * PINS
        for pin in range(PINS):
            self._update(pin)
        self._watch()

    def function(self, pin: int) -> int:
        """FUNCSEL of a pin."""
        return self.words[8 * pin + 4] & 0x1F

    def has_function(self, function: int, pins: Iterable[int]) -> bool:
        """Whether one of some pins has a function."""
        return any(self.words[8 * pin + 4] & 0x1F == function for pin in pins)

    def pins_of(self, function: int, within: range) -> list[int]:
        """Pins that have a function, of some."""
        return [pin for pin in within if self.function(pin) == function]

    def drive(self, pin: int, level: int | None) -> None:
        """The world outside drives a pin to 0 or 1, or with None lets go of it."""
        self._outside[pin] = level
        self._update(pin)
        self.look()

    def wire(self, pin: int, to: int) -> None:
        """Connect a pin to another one, which drives it."""
        pins = self.bus.host.pins
        pins.wires[pin] = to
        pins.wired |= 1 << pin
        self._update(pin)
        self.look()

    def listen(self, pin: int, changed: Callable[[], None]) -> None:
        """Call `changed` whenever a pin has another level, as its input sees it."""
        self._listeners.setdefault(pin, []).append(changed)
        self._watch()

    def listen_no_more(self, pin: int, changed: Callable[[], None]) -> None:
        """Do not call it any more."""
        self._listeners[pin].remove(changed)
        if not self._listeners[pin]:
            del self._listeners[pin]
        self._watch()

    def put(self, function: int, pin: int, level: int | None) -> None:
        """A peripheral drives a pin, if that has its function; with None it reads it."""
        if self._peripheral[function][pin] == level:
            return
        self._peripheral[function][pin] = level
        if self.function(pin) == function:
            self._update(pin)

    def look_at_news(self) -> None:
        """The same, if a watched pin has changed, or PIO begins to look."""
        pins = self.bus.host.pins
        if pins.is_news:
            if pins.is_sampled and not self._is_sampled:
                self._is_sampled = True
                self._tell_followers()
            self.look()

    def look(self) -> None:
        """Take over what has happened to pins, and set the request line."""
        pins = self.bus.host.pins
        rose, fell = pins.rose, pins.fell
        pins.rose = pins.fell = pins.is_news = 0
        if rose | fell:
            for pin in range(PINS):
                if (rose | fell) >> pin & 1:
                    self._edges[pin] |= self._edge(pin, rose >> pin & 1, fell >> pin & 1)
                    for changed in self._listeners.get(pin, ()):
                        changed()
        self._tell()

    # -- a pin

    def _function_changed(self, pin: int, _: int) -> None:
        function = self.function(pin)
        if function in _UNMODELLED:
            self.bus.unmodelled(self, 8 * pin + 4, function, _UNMODELLED[function])
        if function == F_UART and self._ends_of(pin):
            self.bus.unmodelled(self, 8 * pin + 4, function, "UART at a wire: what it sends does not come to the wire")
        self._update(pin)
        self._tell_followers()

    def _tell_followers(self) -> None:
        for changed in self.followers:
            changed()

    def _update(self, pin: int) -> None:
        """Tell the host how a pin is driven and read now."""
        pins, ctrl, pad, bit = self.bus.host.pins, self.words[8 * pin + 4], self._pads.pad(pin), 1 << pin
        function = ctrl & 0x1F
        out, enabled = self._driven(function, pin)
        masks: dict[str, int] = {"port": function == F_SIO, "other_out": out, "other_oe": enabled}
        for name, code in (("out", ctrl >> 8 & 3), ("oe", ctrl >> 12 & 3), ("in", ctrl >> 16 & 3)):
            masks[f"{name}_and"] = code < _OVER_LOW
            masks[f"{name}_xor"] = code in (_OVER_INVERT, _OVER_HIGH)
        if pad & _OD:
            masks["oe_and"] = masks["oe_xor"] = 0
        masks["inputs"] = pad >> 6 & 1
        masks["outside"] = self._level_outside(pin, pad, pins.level >> pin & 1)
        for name, value in masks.items():
            old = getattr(pins, name)
            setattr(pins, name, old | bit if value else old & ~bit)
        for i, pio in enumerate((F_PIO0, F_PIO1)):
            pins.pio[i] = pins.pio[i] | bit if function == pio else pins.pio[i] & ~bit
        self.bus.host.update_pins()
        if pins.wired & bit:
            self._update(pins.wires[pin])  # which has the pull-up of this pin, too

    def _driven(self, function: int, pin: int) -> tuple[int, int]:
        """What a function other than the I/O port drives a pin to, and whether it does."""
        if function == F_UART:
            return 1, int(pin % 4 in (_UART_TX, _UART_RTS))  # idle; what is sent is not drawn
        levels = self._peripheral.get(function)
        level = None if levels is None else levels[pin]
        return (0, 0) if level is None else (level, 1)

    def _level_outside(self, pin: int, pad: int, now: int) -> int:
        driven = self._outside[pin]
        if driven is not None:
            return driven
        if pad & (_PUE | _PDE) == _PUE | _PDE:
            return now  # a bus keeper
        # without any pull too it reads as 0, for a floating pin may be anything; of a wire's two ends a pull-up wins
        return int(bool(pad & _PUE) or any(self._pads.pad(end) & _PUE for end in self._ends_of(pin)))

    def _ends_of(self, pin: int) -> list[int]:
        """Pins that a wire connects to this one."""
        pins = self.bus.host.pins
        return [end for end in range(PINS) if pins.wired >> end & 1 and pins.wires[end] == pin] if pins.wired else []

    def _status(self, pin: int) -> int:
        self.levels_wanted()
        pins, (out, enabled) = self.bus.host.pins, self.bus.host.outputs
        ctrl = self.words[8 * pin + 4]
        from_out = ((out & pins.port) | pins.other_out) >> pin & 1
        from_oe = ((enabled & pins.port) | pins.other_oe) >> pin & 1
        if ctrl & 0x1F in (F_PIO0, F_PIO1):
            number = (ctrl & 0x1F) - F_PIO0
            from_out, from_oe = (self.bus.host.load_pio(number, offset) >> pin & 1 for offset in _PIO_OUTPUTS)
        seen = pins.seen >> pin & 1
        return (
            from_out << 8
            | _override(ctrl >> 8 & 3, from_out) << 9
            | from_oe << 12
            | (pins.driven >> pin & 1) << 13
            | seen << 17
            | _override(ctrl >> 16 & 3, seen) << 19
            | seen << 24
            | _override(ctrl >> 28 & 3, seen) << 26
        )

    # -- interrupts

    def _edge(self, pin: int, rose: int, fell: int) -> int:
        over = self.words[8 * pin + 4] >> 28 & 3
        if over >= _OVER_LOW:
            return 0
        if over == _OVER_INVERT:
            rose, fell = fell, rose
        return rose * _EDGE_HIGH | fell * _EDGE_LOW

    def _nibble(self, pin: int) -> int:
        level = _override(self.words[8 * pin + 4] >> 28 & 3, self.bus.host.pins.seen >> pin & 1)
        return self._edges[pin] | (_LEVEL_HIGH if level else _LEVEL_LOW)

    def _raw(self, i: int) -> int:
        """INTR0 to 3."""
        self.levels_wanted()
        self.look()
        pins = range(_NIBBLES * i, min(_NIBBLES * i + _NIBBLES, PINS))
        return sum(self._nibble(pin) << 4 * (pin % _NIBBLES) for pin in pins)

    def _clear(self, i: int, value: int) -> None:
        self.look()
        for pin in range(_NIBBLES * i, min(_NIBBLES * i + _NIBBLES, PINS)):
            self._edges[pin] &= ~(value >> 4 * (pin % _NIBBLES))
        self._tell()

    def _requested(self, inte: int, i: int) -> int:
        enabled, forced = self.words[inte + 4 * i], self.words[inte + _INTF + 4 * i]
        if not enabled | forced:
            return 0
        return self._raw(i) & enabled | forced

    def _tell(self) -> None:
        for core, inte in enumerate(self.INTE_OF):
            self.bus.host.set_line_of(core, _IO_IRQ_BANK0, any(self._asks(inte, i) for i in range(4)))

    def _asks(self, inte: int, i: int) -> bool:
        """Whether eight pins ask for the interrupt of a core."""
        enabled, forced = self.words[inte + 4 * i], self.words[inte + _INTF + 4 * i]
        pins = range(_NIBBLES * i, min(_NIBBLES * i + _NIBBLES, PINS)) if enabled else ()
        return forced != 0 or any(self._nibble(pin) & enabled >> 4 * (pin % _NIBBLES) & 0xF for pin in pins)

    def _watch(self) -> None:
        """Have the host tell of changes of those pins that may request an interrupt."""
        watched = sum(1 << pin for pin in self._listeners)
        for pin in range(PINS):
            enabled = [self.words[inte + 4 * (pin // _NIBBLES)] for inte in self.INTE_OF]
            if (enabled[0] | enabled[1]) >> 4 * (pin % _NIBBLES) & 0xF:
                watched |= 1 << pin
        self.bus.host.pins.watched = watched
        self._tell_followers()
        self.look()


def _bank0_registers() -> list[Register]:
    registers = []
    for pin in range(PINS):
        registers.append(Register(8 * pin, f"GPIO{pin}_STATUS", writable=0))
        registers.append(Register(8 * pin + 4, f"GPIO{pin}_CTRL", NULL, writable=0x3003_331F))
    for i in range(4):
        mask = WORD if i < 3 else 0xFF_FFFF
        registers.append(Register(IoBank0.INTR + 4 * i, f"INTR{i}", writable=0, clears=0xCCCC_CCCC & mask))
        for offset, name in (
            (IoBank0.PROC0_INTE, "PROC0"),
            (IoBank0.PROC1_INTE, "PROC1"),
            (IoBank0.DORMANT_WAKE_INTE, "DORMANT_WAKE"),
        ):
            is_ours = name != "DORMANT_WAKE"
            registers.append(Register(offset + 4 * i, f"{name}_INTE{i}", writable=mask, effect=is_ours))
            registers.append(Register(offset + _INTF + 4 * i, f"{name}_INTF{i}", writable=mask, effect=is_ours))
            registers.append(Register(offset + _INTS + 4 * i, f"{name}_INTS{i}", writable=0, effect=is_ours))
    return registers


class IoQspi(Block):
    """The six pins of the flash. Their functions are stored; OUTOVER of QSPI_SS is how the flash is chosen by hand."""

    SS_CTRL = 0x0C

    def __init__(self) -> None:
        names = ("SCLK", "SS", "SD0", "SD1", "SD2", "SD3")
        registers = []
        for i, name in enumerate(names):
            registers.append(Register(8 * i, f"GPIO_QSPI_{name}_STATUS", writable=0))
            registers.append(Register(8 * i + 4, f"GPIO_QSPI_{name}_CTRL", NULL, writable=0x3003_331F))
        for i, name in enumerate(("PROC0", "PROC1", "DORMANT_WAKE")):
            for j, kind in enumerate(("INTE", "INTF", "INTS")):
                offset = 0x34 + 12 * i + 4 * j
                registers.append(Register(offset, f"{name}_{kind}", writable=0xFF_FFFF, effect=False))
        registers.append(Register(0x30, "INTR", writable=0, effect=False))
        super().__init__("IO_QSPI", 0x4001_8000, registers)
        self.selected: Callable[[bool], None] = lambda forced: None
        """Called when QSPI_SS is forced low or is not any more."""
        self.stores = {self.SS_CTRL: lambda value: self.selected(value >> 8 & 3 == _OVER_LOW)}


class PadsQspi(Block):
    """Stored and read back."""

    def __init__(self) -> None:
        names = (("SCLK", 0x56), ("SD0", 0x52), ("SD1", 0x52), ("SD2", 0x52), ("SD3", 0x52), ("SS", 0x5A))
        registers = [Register(0, "VOLTAGE_SELECT", writable=1)]
        registers += [Register(4 + 4 * i, f"GPIO_QSPI_{n}", value, writable=0xFF) for i, (n, value) in enumerate(names)]
        super().__init__("PADS_QSPI", 0x4002_0000, registers)
