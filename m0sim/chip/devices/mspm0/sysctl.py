"""SYSCTL: oscillators, the PLL, MCLK, flash wait states and resets. SLAU846, chapter 2 (PMCU); SLAU893 for MSPM0C.

HFXT is assumed to be a crystal of 40 MHz as on TI's LaunchPad, LFXT one of 32,768 Hz. The SYSPLL takes 20 microseconds
to lock and LFXT half a second to start: both are assumed. SYSOSC's user trim is not modelled.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from m0sim.chip.devices.block import Block, Register
from m0sim.chip.devices.clock import Source, SystemClock

HFXT_HZ, LFCLK_HZ, MFCLK_HZ = 40_000_000, 32_768, 4_000_000
_PLL_SECONDS, _LFXT_SECONDS = Fraction(20, 1_000_000), Fraction(1, 2)
_HFXTTIME_SECONDS = Fraction(64, 1_000_000)
"""A step of HFXTTIME."""
_USEHSCLK, _USELFCLK = 1 << 16, 1 << 20
_HFXTEN, _SYSPLLEN, _USEEXTHFCLK = 1 << 0, 1 << 8, 1 << 16
_RESET_KEY, _LFXT_KEY, _FCC_KEY = 0xE4, 0x91, 0x0E
_LFCLK_TRIGGER = 1 << 20


@dataclass(frozen=True, slots=True)
class Layout:
    """What differs between the parts."""

    sysosc_hz: int
    """At its base frequency."""
    has_high_speed: bool
    """Whether there are HFXT, LFXT and SYSPLL."""
    wait_limits: tuple[int, ...]
    """By flash wait states: MCLK in hertz that they are enough for."""


class Sysctl(Block):
    """Sources of MCLK change at once, where the new one is ready."""

    IIDX, IMASK, RIS, MIS, ICLR = 0x1020, 0x1028, 0x1030, 0x1038, 0x1048
    SYSOSCCFG, MCLKCFG, HSCLKEN, HSCLKCFG, HFCLKCLKCFG, LFCLKCFG = 0x1100, 0x1104, 0x1108, 0x110C, 0x1110, 0x1114
    SYSPLLCFG0, SYSPLLCFG1, SYSPLLPARAM0, SYSPLLPARAM1 = 0x1120, 0x1124, 0x1128, 0x112C
    GENCLKCFG, GENCLKEN, PMODECFG, FCC = 0x1138, 0x113C, 0x1140, 0x1150
    CLKSTATUS, SYSSTATUS, RSTCAUSE, RESETLEVEL, RESETCMD = 0x1204, 0x1208, 0x1220, 0x1300, 0x1304
    LFXTCTL, FCCCMD = 0x1314, 0x132C

    def __init__(self, layout: Layout, clock: SystemClock) -> None:
        super().__init__(
            "SYSCTL",
            0x400A_F000,
            (
                Register(self.IIDX, "IIDX", writable=0),
                Register(self.IMASK, "IMASK", effect=False),
                Register(self.RIS, "RIS", writable=0),
                Register(self.MIS, "MIS", writable=0),
                Register(self.ICLR, "ICLR", writable=0),
                Register(self.SYSOSCCFG, "SYSOSCCFG"),
                Register(self.MCLKCFG, "MCLKCFG"),
                Register(self.HSCLKEN, "HSCLKEN"),
                Register(self.HSCLKCFG, "HSCLKCFG", writable=1),
                Register(self.HFCLKCLKCFG, "HFCLKCLKCFG"),
                Register(self.LFCLKCFG, "LFCLKCFG"),
                Register(self.SYSPLLCFG0, "SYSPLLCFG0"),
                Register(self.SYSPLLCFG1, "SYSPLLCFG1"),
                Register(self.SYSPLLPARAM0, "SYSPLLPARAM0"),
                Register(self.SYSPLLPARAM1, "SYSPLLPARAM1"),
                Register(self.GENCLKCFG, "GENCLKCFG"),
                Register(self.GENCLKEN, "GENCLKEN"),
                Register(self.PMODECFG, "PMODECFG"),
                Register(self.FCC, "FCC", writable=0),
                Register(0x1170, "SYSOSCTRIMUSER", effect=False),
                Register(0x1178, "SRAMBOUNDARY"),
                Register(0x1180, "SYSTEMCFG"),
                Register(0x1200, "WRITELOCK", effect=False),
                Register(self.CLKSTATUS, "CLKSTATUS", writable=0),
                Register(self.SYSSTATUS, "SYSSTATUS", 0x40, writable=0),
                Register(self.RSTCAUSE, "RSTCAUSE", 0x1, writable=0),
                Register(self.RESETLEVEL, "RESETLEVEL", writable=7),
                Register(self.RESETCMD, "RESETCMD", writable=0),
                Register(0x1308, "BORTHRESHOLD", writable=3),
                Register(0x130C, "BORCLRCMD", writable=0),
                Register(0x1310, "SYSOSCFCLCTL", writable=0),
                Register(self.LFXTCTL, "LFXTCTL", writable=0),
                Register(0x1318, "EXLFCTL", writable=0, effect=False),
                Register(0x1324, "SYSSTATUSCLR", writable=0),
                Register(self.FCCCMD, "FCCCMD", writable=0),
            ),
        )
        self.size, self.has_aliases = 0x2000, False
        self._layout, self._clock = layout, clock
        self.lfclk, self.mfclk, self.ulpclk = Source("LFCLK"), Source("MFCLK"), Source("ULPCLK")
        self.mclk = clock
        self._ready: dict[str, Fraction] = {}
        """When HFCLK, SYSPLL and LFXT are good, or were, by name."""
        self._uses_lfxt = False
        self._count: tuple[Fraction, int] | None = None
        """When the frequency clock counter is done, and what it counted."""
        tuned = (self.SYSOSCCFG, self.MCLKCFG, self.HSCLKCFG, self.SYSPLLCFG0, self.SYSPLLCFG1, self.GENCLKEN)
        self.loads = {self.CLKSTATUS: self._status, self.FCC: lambda: 0 if self._count is None else self._count[1]}
        self.stores = dict.fromkeys(tuned, lambda _: self._tune())
        self.stores |= {
            self.HSCLKEN: self._enable,
            self.RESETCMD: self._reset_command,
            self.LFXTCTL: self._lfxt,
            self.FCCCMD: self._count_frequency,
        }

    # -- the block

    def reset(self) -> None:
        """SYSOSC at its base frequency, LFOSC."""
        super().reset()
        self._ready, self._uses_lfxt, self._count = {}, False, None
        self.lfclk.set(LFCLK_HZ)
        self._tune()

    def at(self) -> None:
        """A clock is good, or the counter is done."""
        self._tune()
        self._plan()

    def _plan(self) -> None:
        now, times = self._clock.seconds(), [*self._ready.values()]
        if self._count is not None:
            times.append(self._count[0])
        coming = [when for when in times if when > now]
        self.schedule(None)
        if coming:
            self.schedule_in(min(coming) - now)

    # -- clocks

    def _is_good(self, name: str) -> bool:
        when = self._ready.get(name)
        return when is not None and when <= self._clock.seconds()

    def _sysosc(self) -> Fraction:
        config = self.words[self.SYSOSCCFG]
        if config & 3 == 2:
            self.bus.unmodelled(self, self.SYSOSCCFG, config, "SYSOSC's user trim")
        return Fraction(MFCLK_HZ if config & 3 == 1 else self._layout.sysosc_hz)

    def _hfclk(self) -> Fraction:
        return Fraction(HFXT_HZ if self._is_good("hfclk") else 0)

    def _vco(self) -> Fraction:
        """SLAU846, 2.3.1.5 (SYSPLL): reference / PDIV * (QDIV + 1)."""
        if not self._is_good("pll"):
            return Fraction(0)
        reference = self._hfclk() if self.words[self.SYSPLLCFG0] & 1 else self._sysosc()
        config = self.words[self.SYSPLLCFG1]
        return reference / (1 << (config & 3)) * ((config >> 8 & 0x7F) + 1)

    def _pll_output(self) -> Fraction:
        """What the PLL gives HSCLK: SYSPLLCLK0 or SYSPLLCLK2X."""
        config = self.words[self.SYSPLLCFG0]
        if config & 1 << 1:
            return self._vco() * 2 / ((config >> 16 & 0xF) + 1) if config & 1 << 6 else Fraction(0)
        return self._vco() / (2 * ((config >> 8 & 0xF) + 1)) if config & 1 << 4 else Fraction(0)

    def _hsclk(self) -> Fraction:
        if not self._layout.has_high_speed:
            return Fraction(0)
        return self._hfclk() if self.words[self.HSCLKCFG] & 1 else self._pll_output()

    def _is_from_hsclk(self) -> bool:
        return bool(self.words[self.MCLKCFG] & _USEHSCLK and self._hsclk())

    def _is_from_lfclk(self) -> bool:
        return bool(self.words[self.MCLKCFG] & _USELFCLK)

    def _tune(self) -> None:
        """Set MCLK and what follows from it. MDIV divides SYSOSC only."""
        config = self.words[self.MCLKCFG]
        if self._is_from_hsclk():
            mclk = self._hsclk()
        elif self._is_from_lfclk():
            mclk = Fraction(LFCLK_HZ)
        else:
            mclk = self._sysosc() / ((config & 0xF) + 1)
        self.ulpclk.set(mclk / min((config >> 4 & 3) + 1, 3))
        self.mfclk.set(MFCLK_HZ)
        self._clock.set(mclk)
        self._set_waits(mclk)

    def _set_waits(self, mclk: Fraction) -> None:
        """FLASHWAIT counts while MCLK is from HSCLK; else hardware takes as many as the clock needs."""
        limits = self._layout.wait_limits
        needed = next((i for i, limit in enumerate(limits) if mclk <= limit), len(limits) - 1)
        waits = self.words[self.MCLKCFG] >> 8 & 0xF if self._is_from_hsclk() else needed
        if waits < needed:
            what = f"FLASHWAIT {waits} at {float(mclk) / 1e6:g} MHz: hardware reads wrong"
            self.bus.unmodelled(self, self.MCLKCFG, self.words[self.MCLKCFG], what)
        self.bus.host.set_flash_waits(waits)

    def _status(self) -> int:
        config, enabled = self.words[self.MCLKCFG], self.words[self.HSCLKEN]
        status = self.words[self.SYSOSCCFG] & 3 | 1 << 11  # LFOSCGOOD
        status |= 1 << 6 if self._uses_lfxt else 0
        status |= (1 << 10 if self._is_good("lfxt") else 0) | (1 << 17 if self._is_from_lfclk() else 0)
        if self._count is not None and self._count[0] <= self._clock.seconds():
            status |= 1 << 25
        if not self._layout.has_high_speed:
            return status
        status |= (1 << 4 if self._is_from_hsclk() else 0) | (1 << 16 if self.words[self.HSCLKCFG] & 1 else 0)
        status |= (1 << 8 if self._is_good("hfclk") else 0) | (1 << 9 if self._is_good("pll") else 0)
        status |= (0 if enabled & (_HFXTEN | _USEEXTHFCLK) else 1 << 13) | (0 if enabled & _SYSPLLEN else 1 << 14)
        status |= 0 if enabled else 1 << 12
        return status | (1 << 21 if self._hsclk() and config is not None else 0)

    # -- commands

    def _enable(self, enabled: int) -> None:
        if not self._layout.has_high_speed:
            self.bus.unmodelled(self, self.HSCLKEN, enabled, "an external high-frequency clock")
            return
        now = self._clock.seconds()
        startup = (self.words[self.HFCLKCLKCFG] & 0xFF) * _HFXTTIME_SECONDS
        wanted = {"hfclk": (enabled & _HFXTEN, startup), "pll": (enabled & _SYSPLLEN, _PLL_SECONDS)}
        if enabled & _USEEXTHFCLK:
            wanted["hfclk"] = (1, Fraction(0))
        for name, (is_on, seconds) in wanted.items():
            if not is_on:
                self._ready.pop(name, None)
            else:
                self._ready.setdefault(name, now + seconds)
        self._tune()
        self._plan()

    def _lfxt(self, value: int) -> None:
        if value >> 24 != _LFXT_KEY:
            return
        if value & 1:
            self._ready.setdefault("lfxt", self._clock.seconds() + _LFXT_SECONDS)
        if value & 2:
            self._uses_lfxt = True
        self._plan()

    def _count_frequency(self, value: int) -> None:
        """Count the chosen clock for so many periods of LFCLK: SLAU846, 2.3.5 (FCC)."""
        if value >> 24 != _FCC_KEY or not value & 1:
            return
        config = self.words[self.GENCLKCFG]
        vco, setting = self._vco(), self.words[self.SYSPLLCFG0]
        choices = {
            0: self._clock.hz,
            1: self._sysosc(),
            2: self._hfclk(),
            4: vco / (2 * ((setting >> 8 & 0xF) + 1)),
            5: vco / (2 * ((setting >> 12 & 0xF) + 1)),
            6: 2 * vco / ((setting >> 16 & 0xF) + 1),
        }
        hz = choices.get(config >> 16 & 0xF)
        if hz is None or not config & _LFCLK_TRIGGER:
            self.bus.unmodelled(self, self.FCCCMD, value, "the counter with an external clock or trigger")
            return
        seconds = Fraction((config >> 24 & 0x1F) + 1, LFCLK_HZ)
        self._count = (self._clock.seconds() + seconds, int(hz * seconds))
        self._plan()

    def _reset_command(self, value: int) -> None:
        if value >> 24 == _RESET_KEY and value & 1:
            self.bus.host.restart("the firmware reset the chip (SYSCTL.RESETCMD)")
