"""STM32L073: RM0367.

Oscillators take the times of the datasheet STM32L073xx (DocID027096), electrical characteristics: the typical one, or
the longest where only that is given. HSE is assumed to be a crystal of 8 MHz, which takes 2 ms, LSE one of 32,768 Hz.
"""

from __future__ import annotations

from fractions import Fraction

from m0sim.chip.devices.block import Register
from m0sim.chip.devices.stm32.part import Part, Plain, Port, Unit
from m0sim.chip.devices.stm32.rcc import Bit, Field, Frequencies, Layout, Oscillator, Words, fixed

_CR, _ICSCR, _CRRCR, _CFGR, _CCIPR, _CSR = 0x00, 0x04, 0x08, 0x0C, 0x4C, 0x50
_IOPRSTR, _AHBRSTR, _APB2RSTR, _APB1RSTR = 0x1C, 0x20, 0x24, 0x28
_IOPENR, _AHBENR, _APB2ENR, _APB1ENR = 0x2C, 0x30, 0x34, 0x38
_MULTIPLIERS = (3, 4, 6, 8, 12, 16, 24, 32, 48)
"""By PLLMUL: RM0367, 7.3.4."""
_MSI_MICROSECONDS = Fraction(5)
"""At 2.1 MHz, as after a reset; other ranges are given this time, too."""


def _msi(words: Words, given: Frequencies) -> Fraction:
    """65,536 Hz to 4.194 MHz: RM0367, 7.3.2, MSIRANGE."""
    return Fraction(65_536 << min(words[_ICSCR] >> 13 & 7, 6))


def _hsi16(words: Words, given: Frequencies) -> Fraction:
    """Divided by 4 with HSI16DIVEN: RM0367, 7.3.1."""
    return Fraction(16_000_000, 4 if words[_CR] & 1 << 3 else 1)


def _pll_source(words: Words) -> str:
    return "hse" if words[_CFGR] & 1 << 16 else "hsi16"


def _pll(words: Words, given: Frequencies) -> Fraction:
    """Source * PLLMUL / PLLDIV: RM0367, 7.2.5 and 7.3.4."""
    multiplier, divider = words[_CFGR] >> 18 & 0xF, words[_CFGR] >> 22 & 3
    if multiplier >= len(_MULTIPLIERS) or divider == 0:
        return Fraction(0)
    return given[_pll_source(words)] * _MULTIPLIERS[multiplier] / (divider + 1)


def _pll_setting(words: Words) -> int:
    return words[_CFGR] & 0x00FD_0000


_LAYOUT = Layout(
    registers=(
        Register(_CR, "CR", 0x0000_0300),
        Register(_ICSCR, "ICSCR", 0x0000_B000),
        Register(_CRRCR, "CRRCR"),
        Register(_CFGR, "CFGR"),
        Register(0x10, "CIER", effect=False),
        Register(0x14, "CIFR", writable=0),
        Register(0x18, "CICR", writable=0),
        Register(_IOPRSTR, "IOPRSTR"),
        Register(_AHBRSTR, "AHBRSTR"),
        Register(_APB2RSTR, "APB2RSTR"),
        Register(_APB1RSTR, "APB1RSTR"),
        Register(_IOPENR, "IOPENR"),
        Register(_AHBENR, "AHBENR", 0x100),
        Register(_APB2ENR, "APB2ENR"),
        Register(_APB1ENR, "APB1ENR"),
        Register(0x3C, "IOPSMENR", 0x9F),
        Register(0x40, "AHBSMENR", 0x0111_1301),
        Register(0x44, "APB2SMENR", 0x0040_5225),
        Register(0x48, "APB1SMENR", 0xF8FE_CA33),
        Register(_CCIPR, "CCIPR"),
        Register(_CSR, "CSR"),
    ),
    oscillators={
        "msi": Oscillator(Bit(_CR, 8), Bit(_CR, 9), _msi, _MSI_MICROSECONDS / 1_000_000),
        "hsi16": Oscillator(Bit(_CR, 0), Bit(_CR, 2), _hsi16, Fraction(37, 10) / 1_000_000),
        "hsi48": fixed(Bit(_CRRCR, 0), Bit(_CRRCR, 1), 48_000_000, 6),
        "hse": fixed(Bit(_CR, 16), Bit(_CR, 17), 8_000_000, 2000),
        "lsi": fixed(Bit(_CSR, 0), Bit(_CSR, 1), 37_000, 200),
        "lse": fixed(Bit(_CSR, 8), Bit(_CSR, 9), 32_768, 2_000_000),
        "pll": Oscillator(Bit(_CR, 24), Bit(_CR, 25), _pll, Fraction(115, 1_000_000), _pll_source),
    },
    on_after_reset="msi",
    system=Field(_CFGR, 0, ("msi", "hsi16", "hse", "pll")),
    status_shift=2,
    ahb_shift=4,
    apb_shifts=(8, 11),
    kernels={
        "USART1": Field(_CCIPR, 0, ("pclk", "sysclk", "hsi16", "lse")),
        "USART2": Field(_CCIPR, 2, ("pclk", "sysclk", "hsi16", "lse")),
    },
    setting=_pll_setting,
)


def _on_apb1(name: str, base: int, line: int, bit: int, channels: int = 0) -> Unit:
    return Unit(name, base, line, Bit(_APB1ENR, bit), Bit(_APB1RSTR, bit), bus=0, channels=channels)


def _on_apb2(name: str, base: int, line: int, bit: int, channels: int = 0, match_line: int | None = None) -> Unit:
    return Unit(
        name, base, line, Bit(_APB2ENR, bit), Bit(_APB2RSTR, bit), bus=1, channels=channels, match_line=match_line
    )


def _port(letter: str, moder: int = 0xFFFF_FFFF, pupdr: int = 0) -> Port:
    number = ord(letter) - ord("A")
    base = 0x5000_0000 + 0x400 * number
    return Port(letter, base, Bit(_IOPENR, number), Bit(_IOPRSTR, number), moder, pupdr=pupdr)


_FLASH = Plain(
    "FLASH",
    0x4002_2000,
    (
        Register(0x00, "ACR", writable=0x7F),
        Register(0x04, "PECR", 0x7, writable=0, effect=False),
        Register(0x08, "PDKEYR", effect=False),
        Register(0x0C, "PEKEYR", effect=False),
        Register(0x10, "PRGKEYR", effect=False),
        Register(0x14, "OPTKEYR", effect=False),
        Register(0x18, "SR", 0xC, writable=0, clears=0x3_2F02),
        Register(0x1C, "OPTR", 0x8070_00AA, writable=0),
        Register(0x20, "WRPROT1", writable=0),
    ),
)
"""RM0367, 3.7: programming is not modelled. OPTR as the factory sets it."""

_PWR = Plain("PWR", 0x4000_7000, (Register(0x00, "CR", 0x1000), Register(0x04, "CSR", 0x8)))
"""RM0367, 6.4: the regulator is in the range that is asked for at once (VOSF is 0), VREFINTRDYF is set."""

_UNMODELLED = (
    ("RTC", 0x4000_2800, 0x400), ("LCD", 0x4000_2400, 0x400), ("WWDG", 0x4000_2C00, 0x400),
    ("IWDG", 0x4000_3000, 0x400), ("SPI2", 0x4000_3800, 0x400), ("LPUART1", 0x4000_4800, 0x400),
    ("I2C1", 0x4000_5400, 0x400), ("I2C2", 0x4000_5800, 0x400), ("USB", 0x4000_5C00, 0x800),
    ("CRS", 0x4000_6C00, 0x400), ("DAC", 0x4000_7400, 0x400), ("I2C3", 0x4000_7800, 0x400),
    ("LPTIM1", 0x4000_7C00, 0x400), ("SYSCFG", 0x4001_0000, 0x400), ("EXTI", 0x4001_0400, 0x400),
    ("FIREWALL", 0x4001_1C00, 0x400), ("ADC", 0x4001_2400, 0x400), ("SPI1", 0x4001_3000, 0x400),
    ("DBG", 0x4001_5800, 0x400), ("DMA1", 0x4002_0000, 0x400), ("CRC", 0x4002_3000, 0x400),
    ("TSC", 0x4002_4000, 0x400), ("RNG", 0x4002_5000, 0x400), ("AES", 0x4002_6000, 0x400),
    ("data EEPROM", 0x0808_0000, 0x1800), ("system memory", 0x1FF0_0000, 0x2000), ("factory bytes", 0x1FF8_0000, 0x400),
)  # fmt: skip
"""RM0367, 2.2 and 3.3.1. The factory bytes have option bytes, the unique id, the flash's size and calibration."""

_INTERRUPTS = (
    "WWDG", "PVD", "RTC", "FLASH", "RCC_CRS", "EXTI0_1", "EXTI2_3", "EXTI4_15", "TSC", "DMA1_Channel1",
    "DMA1_Channel2_3", "DMA1_Channel4_7", "ADC_COMP", "LPTIM1", "USART4_USART5", "TIM2", "TIM3", "TIM6_DAC", "TIM7",
    "", "TIM21", "I2C3", "TIM22", "I2C1", "I2C2", "SPI1", "SPI2", "USART1", "USART2", "LPUART1_AES_RNG", "LCD", "USB",
)  # fmt: skip
"""RM0367, 13.3, table 55."""

STM32L073 = Part(
    layout=_LAYOUT,
    hz=2_097_152,
    usarts=(
        _on_apb2("USART1", 0x4001_3800, 27, 14),
        _on_apb1("USART2", 0x4000_4400, 28, 17),
        _on_apb1("USART4", 0x4000_4C00, 14, 19),
        _on_apb1("USART5", 0x4000_5000, 14, 20),
    ),
    timers=(
        _on_apb1("TIM2", 0x4000_0000, 15, 0, channels=4),
        _on_apb1("TIM3", 0x4000_0400, 16, 1, channels=4),
        _on_apb1("TIM6", 0x4000_1000, 17, 4),
        _on_apb1("TIM7", 0x4000_1400, 18, 5),
        _on_apb2("TIM21", 0x4001_0800, 20, 2, channels=2),
        _on_apb2("TIM22", 0x4001_1400, 22, 5, channels=2),
    ),
    ports=(
        _port("A", 0xEBFF_FCFF, 0x2400_0000),
        _port("B"),
        _port("C"),
        _port("D"),
        _port("E"),
        _port("H"),
    ),
    flash=_FLASH,
    latency_limits=(16_000_000, 32_000_000),
    plain=(_PWR,),
    unmodelled=_UNMODELLED,
    interrupts=_INTERRUPTS,
)
