"""Puya PY32F002B: reference manual, chapters RCC, FLASH, GPIO, TIM and USART.

Laid out as an STM32G0, with an older USART and no PLL. Times until oscillators are ready are not known: assumed as an
STM32G0's. HSE is an external clock, assumed to be of 24 MHz; LSE 32,768 Hz.
"""

from __future__ import annotations

from fractions import Fraction

from m0sim.chip.devices.block import Register
from m0sim.chip.devices.stm32.part import Part, Plain, Port, Unit
from m0sim.chip.devices.stm32.rcc import Bit, Field, Frequencies, Layout, Oscillator, Words, fixed
from m0sim.chip.devices.stm32.usart import OldUsart

_CR, _ICSCR, _CFGR, _BDCR, _CSR = 0x00, 0x04, 0x08, 0x5C, 0x60
_IOPRSTR, _APBRSTR1, _APBRSTR2, _IOPENR, _APBENR1, _APBENR2 = 0x24, 0x2C, 0x30, 0x34, 0x3C, 0x40
_HSI_HZ = (4_000_000, 8_000_000, 0, 0, 24_000_000, 48_000_000, 0, 0)
"""By HSI_FS."""
_HSI_24_MHZ = 4 << 13


def _hsi(words: Words, given: Frequencies) -> Fraction:
    """By HSI_FS and HSIDIV."""
    return Fraction(_HSI_HZ[words[_ICSCR] >> 13 & 7]) / (1 << (words[_CR] >> 11 & 7))


_LAYOUT = Layout(
    registers=(
        Register(_CR, "CR", 0x0000_0500),
        Register(_ICSCR, "ICSCR", _HSI_24_MHZ),
        Register(_CFGR, "CFGR"),
        Register(0x18, "CIER", effect=False),
        Register(0x1C, "CIFR", writable=0),
        Register(0x20, "CICR", writable=0),
        Register(_IOPRSTR, "IOPRSTR"),
        Register(0x28, "AHBRSTR"),
        Register(_APBRSTR1, "APBRSTR1"),
        Register(_APBRSTR2, "APBRSTR2"),
        Register(_IOPENR, "IOPENR"),
        Register(0x38, "AHBENR", 0x300),
        Register(_APBENR1, "APBENR1"),
        Register(_APBENR2, "APBENR2"),
        Register(0x54, "CCIPR", effect=False),
        Register(_BDCR, "BDCR"),
        Register(_CSR, "CSR"),
        Register(0x80, "VREFBUF", effect=False),
    ),
    oscillators={
        "hsi": Oscillator(Bit(_CR, 8), Bit(_CR, 10), _hsi, Fraction(4, 5) / 1_000_000),
        "hse": fixed(Bit(_CR, 18), Bit(_CR, 17), 24_000_000, 0),
        "lsi": fixed(Bit(_CSR, 0), Bit(_CSR, 1), 32_768, 80),
        "lse": fixed(Bit(_BDCR, 0), Bit(_BDCR, 1), 32_768, 2_000_000),
    },
    on_after_reset="hsi",
    system=Field(_CFGR, 0, ("hsi", "hse", "hsi", "lsi", "lse", "hsi", "hsi", "hsi")),
    status_shift=3,
    ahb_shift=8,
    apb_shifts=(12,),
    kernels={},
    setting=lambda words: None,
)

_FLASH = Plain(
    "FLASH",
    0x4002_2000,
    (
        Register(0x00, "ACR", writable=0x3),
        Register(0x08, "KEYR", effect=False),
        Register(0x0C, "OPTKEYR", effect=False),
        Register(0x10, "SR", writable=0, clears=0xC011),
        Register(0x14, "CR", 0xC000_0000, writable=0, effect=False),
    ),
)
_PWR = Plain("PWR", 0x4000_7000, (Register(0x00, "CR1"), Register(0x04, "CR2"), Register(0x14, "SR")))
_FACTORY = Plain("factory bytes", 0x1FFF_0000, (Register(0x100, "HSI 24 MHz trimming", _HSI_24_MHZ, writable=0),))
"""SystemInit takes ICSCR from here."""

_UNMODELLED = (
    ("IWDG", 0x4000_3000, 0x400), ("I2C", 0x4000_5400, 0x400), ("LPTIM1", 0x4000_7C00, 0x400),
    ("SYSCFG", 0x4001_0000, 0x400), ("ADC", 0x4001_2400, 0x400), ("SPI1", 0x4001_3000, 0x400),
    ("DBGMCU", 0x4001_5800, 0x400), ("EXTI", 0x4002_1800, 0x400), ("CRC", 0x4002_3000, 0x400),
)  # fmt: skip

_INTERRUPTS = (
    "", "", "", "FLASH", "RCC", "EXTI0_1", "EXTI2_3", "EXTI4_15", "", "", "", "", "ADC_COMP", "TIM1_BRK_UP_TRG_COM",
    "TIM1_CC", "", "", "LPTIM1", "", "TIM14", "", "", "", "I2C1", "", "SPI1", "", "USART1",
)  # fmt: skip

_TIM1 = Unit("TIM1", 0x4001_2C00, 13, Bit(_APBENR2, 11), Bit(_APBRSTR2, 11), channels=4, match_line=14)
_TIM14 = Unit("TIM14", 0x4000_2000, 19, Bit(_APBENR2, 15), Bit(_APBRSTR2, 15), channels=1)

PY32F002B = Part(
    layout=_LAYOUT,
    hz=24_000_000,
    usarts=(Unit("USART1", 0x4001_3800, 27, Bit(_APBENR2, 14), Bit(_APBRSTR2, 14)),),
    timers=(_TIM1, _TIM14),
    ports=tuple(
        Port(letter, 0x5000_0000 + 0x400 * i, Bit(_IOPENR, i), Bit(_IOPRSTR, i), 0xFFFF_FFFF)
        for i, letter in enumerate("ABC")
    ),
    flash=_FLASH,
    latency_limits=(24_000_000, 48_000_000),
    plain=(_PWR, _FACTORY),
    unmodelled=_UNMODELLED,
    interrupts=_INTERRUPTS,
    usart=OldUsart,
)
