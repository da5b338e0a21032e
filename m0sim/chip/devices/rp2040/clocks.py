"""CLOCKS: the clock generators, the frequency counter, and resuscitation. RP2040 datasheet, section 2.15."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from functools import partial

from m0sim.chip.devices.block import WORD, Block, Register
from m0sim.chip.devices.clock import Source, SystemClock
from m0sim.chip.devices.interrupts import Interrupts

_CLOCKS_IRQ = 17
_ENABLE, _KILL = 1 << 11, 1 << 10
_RESUS_CLEAR, _RESUS_FORCE, _RESUS_ENABLE = 1 << 16, 1 << 12, 1 << 8

_DIVIDE_BY_ONE = 0x100

GENERATORS = ("gpout0", "gpout1", "gpout2", "gpout3", "ref", "sys", "peri", "usb", "adc", "rtc")
"""In the order of their registers, three each: CTRL, DIV and SELECTED."""

_GPOUT = ("pll_sys", "gpin0", "gpin1", "pll_usb", "rosc", "xosc", "sys", "usb", "adc", "rtc", "ref")
_AUX = ("pll_usb", "pll_sys", "rosc", "xosc", "gpin0", "gpin1")
_AUX_SOURCES: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(GENERATORS[:4], _GPOUT),
    "ref": ("pll_usb", "gpin0", "gpin1"),
    "sys": ("pll_sys", "pll_usb", "rosc", "xosc", "gpin0", "gpin1"),
    "peri": ("sys", "pll_sys", "pll_usb", "rosc", "xosc", "gpin0", "gpin1"),
    **dict.fromkeys(("usb", "adc", "rtc"), _AUX),
}
_GLITCHLESS = {"ref": ("rosc", "aux", "xosc"), "sys": ("ref", "aux")}
_AUXSRC_BITS = {**dict.fromkeys(GENERATORS[:4], 0xF), "ref": 3}
"""Width of AUXSRC, from bit 5 on; 3 bits where it is not here."""
_INT_BITS = {**dict.fromkeys(("ref", "usb", "adc"), 0x3)}
_WITHOUT_FRACTION = {"ref", "usb", "adc"}
_ORDER = ("ref", "sys", "peri", "usb", "adc", "rtc", *GENERATORS[:4])
"""Each after those that it can be made of."""

_FC0_SOURCES = (
    None, "pll_sys", "pll_usb", "rosc", "rosc", "xosc", "gpin0", "gpin1", "ref", "sys", "peri", "usb", "adc", "rtc",
)  # fmt: skip
_FC0_DONE, _FC0_DIED, _FC0_FAST, _FC0_SLOW, _FC0_FAIL, _FC0_RUNNING, _FC0_PASS = (
    1 << bit for bit in (4, 28, 24, 20, 16, 8, 0)
)


class Clocks(Block):
    """Frequencies follow the registers at once: the few cycles that a generator takes to switch are not modelled."""

    CLK_REF_CTRL, CLK_SYS_CTRL = 0x30, 0x3C
    CLK_SYS_RESUS_CTRL, CLK_SYS_RESUS_STATUS = 0x78, 0x7C
    FC0_REF_KHZ, FC0_MIN_KHZ, FC0_MAX_KHZ, FC0_DELAY, FC0_INTERVAL = 0x80, 0x84, 0x88, 0x8C, 0x90
    FC0_SRC, FC0_STATUS, FC0_RESULT = 0x94, 0x98, 0x9C
    WAKE_EN0, SLEEP_EN0, ENABLED0 = 0xA0, 0xA8, 0xB0
    INTR, INTE, INTF, INTS = 0xB8, 0xBC, 0xC0, 0xC4

    def __init__(self, clk_sys: SystemClock, sources: Mapping[str, Source]) -> None:
        """`sources` are rosc, xosc, pll_sys and pll_usb."""
        super().__init__("CLOCKS", 0x4000_8000, _registers())
        self.clocks: dict[str, Source] = {name: Source(f"clk_{name}") for name in GENERATORS} | {"sys": clk_sys}
        """What the generators make, by name without ``clk_``."""
        self._clk_sys = clk_sys
        self._inputs = dict(sources) | {"gpin0": Source("gpin0"), "gpin1": Source("gpin1")} | self.clocks
        self._resussed = False
        self._is_setting = False
        self._status, self._result, self._measured = 0, 0, ""
        for source in sources.values():
            source.watch(self._changed)
        for i, name in enumerate(GENERATORS):
            self.loads[12 * i + 8] = partial(self._selected, name, 12 * i)
            self.stores[12 * i] = self.stores[12 * i + 4] = lambda _: self._changed()
        self.stores[12 * GENERATORS.index("peri") + 4] = self._divide_peri
        self.loads |= {
            self.CLK_SYS_RESUS_STATUS: lambda: int(self._resussed),
            self.FC0_STATUS: lambda: self._status,
            self.FC0_RESULT: lambda: self._result,
            self.ENABLED0: lambda: self.words[self.WAKE_EN0],
            self.ENABLED0 + 4: lambda: self.words[self.WAKE_EN0 + 4],
        }
        self.stores |= {self.CLK_SYS_RESUS_CTRL: self._resus, self.FC0_SRC: self._measure}
        self.volatile = set()
        self._interrupts = Interrupts(self, (_CLOCKS_IRQ,), (self.INTR, self.INTE, self.INTF, self.INTS))

    def reset(self) -> None:
        """Everything from the ring oscillator."""
        super().reset()
        self._resussed = False
        self._status = self._result = 0
        self._interrupts.reset()
        self._changed()

    def at(self) -> None:
        """The frequency counter's interval is over. A count of one is 32 MHz / 2**interval in the result's 1/32 kHz."""
        source, reference = self._inputs[self._measured], self.clocks["ref"]
        exponent = self.words[self.FC0_INTERVAL]
        edges = int(source.hz * self._window() / reference.hz) if reference.hz else 0
        self._result = (edges << 15 - exponent) & 0x3FFF_FFFF
        khz = self._result >> 5
        slow, fast = khz < self.words[self.FC0_MIN_KHZ], khz > self.words[self.FC0_MAX_KHZ]
        self._status = _FC0_DONE | slow * (_FC0_SLOW | _FC0_FAIL) | fast * (_FC0_FAST | _FC0_FAIL)
        if not source.hz:
            self._status |= _FC0_DIED
        if not (slow or fast):
            self._status |= _FC0_PASS

    # -- generators

    def _selected(self, name: str, offset: int) -> int:
        """One-hot. A glitchless multiplexer stays at its source while the one that it shall switch to stands still."""
        return 1 << (self.words[offset] & 3 if name == "ref" else self.words[offset] & 1) if name in _GLITCHLESS else 1

    def _changed(self) -> None:
        if self._is_setting:
            return
        self._is_setting = True
        for name in _ORDER:
            self.clocks[name].set(self._frequency(name))
        self._is_setting = False
        if not self._clk_sys.hz:
            self._stopped()

    def _frequency(self, name: str) -> Fraction:
        control = self.words[12 * GENERATORS.index(name)]
        auxiliary = _AUX_SOURCES[name]
        auxsrc = control >> 5 & _AUXSRC_BITS.get(name, 7)
        source = auxiliary[auxsrc] if auxsrc < len(auxiliary) else ""
        if name in _GLITCHLESS:
            choices = _GLITCHLESS[name]
            selected = 0 if name == "sys" and self._resussed else control & (3 if name == "ref" else 1)
            source = "" if selected >= len(choices) else choices[selected] if choices[selected] != "aux" else source
        elif not control & _ENABLE or control & _KILL:
            return Fraction(0)
        return self._inputs[source].hz / self._divisor(name) if source else Fraction(0)

    def _divisor(self, name: str) -> Fraction:
        if name == "peri":
            return Fraction(1)  # it has none: CLK_PERI_DIV is in the SDK's list of registers only
        div = self.words[12 * GENERATORS.index(name) + 4]
        if name in _WITHOUT_FRACTION:
            return Fraction(div >> 8 & 3 or 4)
        return Fraction(div >> 8 or 1 << 16) + Fraction(div & 0xFF, 256)

    def _divide_peri(self, value: int) -> None:
        if value != _DIVIDE_BY_ONE:
            self.bus.unmodelled(
                self, 12 * GENERATORS.index("peri") + 4, value, "dividing clk_peri, which has no divider"
            )

    # -- resuscitation

    def _stopped(self) -> None:
        """clk_sys stands still. After TIMEOUT cycles of clk_ref, it is made of that, if this is enabled."""
        control, clk_ref = self.words[self.CLK_SYS_RESUS_CTRL], self.clocks["ref"]
        if not control & _RESUS_ENABLE or not clk_ref.hz:
            self.bus.host.halt("clk_sys stands still: its source in CLOCKS is off, and nothing can ever happen again")
            return
        self._clk_sys.stand((control & 0xFF) / clk_ref.hz)
        self._resuscitate()

    def _resuscitate(self) -> None:
        self._resussed = True
        self._interrupts.latch(1)
        self._changed()

    def _resus(self, value: int) -> None:
        if value & _RESUS_CLEAR:
            self._resussed = False
            self._interrupts.latched = 0
            self._interrupts.latch(0)
            self._changed()
        elif value & _RESUS_FORCE:
            self._resuscitate()

    # -- the frequency counter

    def _measure(self, value: int) -> None:
        name = _FC0_SOURCES[value] if value < len(_FC0_SOURCES) else None
        if name is None:
            self._status = 0
            self.schedule(None)
            return
        self._measured = name
        self._status = _FC0_RUNNING
        reference = self.clocks["ref"].hz
        if reference:
            self.schedule_in((self._window() + self.words[self.FC0_DELAY]) / reference)

    def _window(self) -> Fraction:
        """Cycles of clk_ref in which edges are counted: 2**interval / 1024 ms, by FC0_REF_KHZ."""
        return Fraction(self.words[self.FC0_REF_KHZ] << self.words[self.FC0_INTERVAL], 1024)


def _registers() -> list[Register]:
    registers = []
    for i, name in enumerate(GENERATORS):
        named = name.upper()
        glitchless = {"ref": 0x63, "sys": 0xE1}.get(name, 0x13_1FE0 if i < 4 else 0x13_0CE0)
        mask = 0x300 if name in _WITHOUT_FRACTION else WORD
        registers += [
            Register(12 * i, f"CLK_{named}_CTRL", writable=glitchless),
            Register(12 * i + 4, f"CLK_{named}_DIV", 0x100, writable=mask),
            Register(12 * i + 8, f"CLK_{named}_SELECTED", 1, writable=0),
        ]
    fixed: tuple[tuple[int, str, int, int], ...] = (
        (Clocks.CLK_SYS_RESUS_CTRL, "CLK_SYS_RESUS_CTRL", 0xFF, 0x1_11FF),
        (Clocks.CLK_SYS_RESUS_STATUS, "CLK_SYS_RESUS_STATUS", 0, 0),
        (Clocks.FC0_REF_KHZ, "FC0_REF_KHZ", 0, 0xF_FFFF),
        (Clocks.FC0_MIN_KHZ, "FC0_MIN_KHZ", 0, 0x1FF_FFFF),
        (Clocks.FC0_MAX_KHZ, "FC0_MAX_KHZ", 0x1FF_FFFF, 0x1FF_FFFF),
        (Clocks.FC0_DELAY, "FC0_DELAY", 1, 7),
        (Clocks.FC0_INTERVAL, "FC0_INTERVAL", 8, 0xF),
        (Clocks.FC0_SRC, "FC0_SRC", 0, 0xFF),
        (Clocks.FC0_STATUS, "FC0_STATUS", 0, 0),
        (Clocks.FC0_RESULT, "FC0_RESULT", 0, 0),
        (Clocks.WAKE_EN0, "WAKE_EN0", WORD, WORD),
        (Clocks.WAKE_EN0 + 4, "WAKE_EN1", 0x7FFF, 0x7FFF),
        (Clocks.SLEEP_EN0, "SLEEP_EN0", WORD, WORD),
        (Clocks.SLEEP_EN0 + 4, "SLEEP_EN1", 0x7FFF, 0x7FFF),
        (Clocks.ENABLED0, "ENABLED0", 0, 0),
        (Clocks.ENABLED0 + 4, "ENABLED1", 0, 0),
        (Clocks.INTR, "INTR", 0, 0),
        (Clocks.INTE, "INTE", 0, 1),
        (Clocks.INTF, "INTF", 0, 1),
        (Clocks.INTS, "INTS", 0, 0),
    )
    gated = {"WAKE_EN0", "WAKE_EN1", "SLEEP_EN0", "SLEEP_EN1"}
    return registers + [Register(o, name, reset, mask, effect=name not in gated) for o, name, reset, mask in fixed]
