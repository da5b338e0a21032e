"""STM32F072 and STM32F031: RM0091.

Oscillators take the times of the datasheets (STM32F072x8/xB, STM32F031x4/x6, electrical characteristics): the typical
one, or the longest where only that is given. HSE is assumed to be a crystal of 8 MHz, which takes 2 ms, LSE one of
32,768 Hz.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from m0sim.chip.devices.block import Register
from m0sim.chip.devices.stm32.part import Part, Plain, Port, Unit
from m0sim.chip.devices.stm32.rcc import Bit, Field, Frequencies, Layout, Oscillator, Words, fixed

_CR, _CFGR, _APB2RSTR, _APB1RSTR, _AHBENR, _APB2ENR, _APB1ENR = 0x00, 0x04, 0x0C, 0x10, 0x14, 0x18, 0x1C
_BDCR, _CSR, _AHBRSTR, _CFGR2, _CFGR3, _CR2 = 0x20, 0x24, 0x28, 0x2C, 0x30, 0x34
_SOURCES = ("hsi", "hsi", "hse", "hsi48")
"""By PLLSRC: RM0091, 6.4.2. The first is HSI / 2, the others go through PREDIV."""


def _pll_source(words: Words) -> str:
    return _SOURCES[words[_CFGR] >> 15 & 3]


def _pll(words: Words, given: Frequencies) -> Fraction:
    """Source / PREDIV * PLLMUL: RM0091, 6.2.3, 6.4.2 and 6.4.12."""
    choice, multiplier = words[_CFGR] >> 15 & 3, min((words[_CFGR] >> 18 & 0xF) + 2, 16)
    divider = 2 if choice == 0 else (words[_CFGR2] & 0xF) + 1
    return given[_SOURCES[choice]] / divider * multiplier


def _pll_setting(words: Words) -> tuple[int, int]:
    return words[_CFGR] & 0x003F_8000, words[_CFGR2]


_LAYOUT = Layout(
    registers=(
        Register(_CR, "CR", 0x0000_0083),
        Register(_CFGR, "CFGR"),
        Register(0x08, "CIR", effect=False),
        Register(_APB2RSTR, "APB2RSTR"),
        Register(_APB1RSTR, "APB1RSTR"),
        Register(_AHBENR, "AHBENR", 0x14),
        Register(_APB2ENR, "APB2ENR"),
        Register(_APB1ENR, "APB1ENR"),
        Register(_BDCR, "BDCR"),
        Register(_CSR, "CSR"),
        Register(_AHBRSTR, "AHBRSTR"),
        Register(_CFGR2, "CFGR2", writable=0xF),
        Register(_CFGR3, "CFGR3"),
        Register(_CR2, "CR2", 0x80),
    ),
    oscillators={
        "hsi": fixed(Bit(_CR, 0), Bit(_CR, 1), 8_000_000, 1),
        "hse": fixed(Bit(_CR, 16), Bit(_CR, 17), 8_000_000, 2000),
        "hsi14": fixed(Bit(_CR2, 0), Bit(_CR2, 1), 14_000_000, 1),
        "hsi48": fixed(Bit(_CR2, 16), Bit(_CR2, 17), 48_000_000, 6),
        "lsi": fixed(Bit(_CSR, 0), Bit(_CSR, 1), 40_000, 85),
        "lse": fixed(Bit(_BDCR, 0), Bit(_BDCR, 1), 32_768, 2_000_000),
        "pll": Oscillator(Bit(_CR, 24), Bit(_CR, 25), _pll, Fraction(200, 1_000_000), _pll_source),
    },
    on_after_reset="hsi",
    system=Field(_CFGR, 0, ("hsi", "hse", "pll", "hsi48")),
    status_shift=2,
    ahb_shift=4,
    apb_shifts=(8,),
    kernels={},
    setting=_pll_setting,
)

_KERNEL = ("pclk", "sysclk", "lse", "hsi")
"""RM0091, 6.4.13: USARTxSW."""


def _on_apb1(name: str, base: int, line: int, bit: int, bits: int = 16, channels: int = 0) -> Unit:
    return Unit(name, base, line, Bit(_APB1ENR, bit), Bit(_APB1RSTR, bit), bits=bits, channels=channels)


def _on_apb2(name: str, base: int, line: int, bit: int, channels: int = 0, match_line: int | None = None) -> Unit:
    return Unit(name, base, line, Bit(_APB2ENR, bit), Bit(_APB2RSTR, bit), channels=channels, match_line=match_line)


def _port(letter: str, moder: int = 0, pupdr: int = 0) -> Port:
    number = ord(letter) - ord("A")
    base, bit = 0x4800_0000 + 0x400 * number, 17 + number
    return Port(letter, base, Bit(_AHBENR, bit), Bit(_AHBRSTR, bit), moder, pupdr=pupdr)


_FLASH = Plain(
    "FLASH",
    0x4002_2000,
    (
        Register(0x00, "ACR", 0x30, writable=0x17),
        Register(0x04, "KEYR", effect=False),
        Register(0x08, "OPTKEYR", effect=False),
        Register(0x0C, "SR", writable=0, clears=0x34),
        Register(0x10, "CR", 0x80, writable=0, effect=False),
        Register(0x14, "AR", effect=False),
        Register(0x1C, "OBR", 0x03FF_FFF2, writable=0),
        Register(0x20, "WRPR", 0xFFFF_FFFF, writable=0),
    ),
)
"""RM0091, 3.5: programming is not modelled. PRFTBS is 1 as after a reset, whatever PRFTBE is."""

_PWR = Plain("PWR", 0x4000_7000, (Register(0x00, "CR"), Register(0x04, "CSR", 0x8)))
"""RM0091, 5.4: VREFINTRDYF is set."""

_UNMODELLED = (
    ("RTC", 0x4000_2800, 0x400), ("WWDG", 0x4000_2C00, 0x400), ("IWDG", 0x4000_3000, 0x400),
    ("I2C1", 0x4000_5400, 0x400), ("SYSCFG", 0x4001_0000, 0x400), ("EXTI", 0x4001_0400, 0x400),
    ("ADC", 0x4001_2400, 0x400), ("SPI1", 0x4001_3000, 0x400), ("DBGMCU", 0x4001_5800, 0x400),
    ("DMA1", 0x4002_0000, 0x400), ("CRC", 0x4002_3000, 0x400), ("system memory", 0x1FFF_C000, 0x4000),
)  # fmt: skip
"""RM0091, 2.2. System memory has the boot loader, and behind it option bytes, the unique id and calibration."""

_F072_ONLY = (
    ("SPI2", 0x4000_3800, 0x400), ("I2C2", 0x4000_5800, 0x400), ("USB", 0x4000_5C00, 0x800),
    ("CAN", 0x4000_6400, 0x400), ("CRS", 0x4000_6C00, 0x400), ("DAC", 0x4000_7400, 0x400),
    ("CEC", 0x4000_7800, 0x400), ("TSC", 0x4002_4000, 0x400),
)  # fmt: skip

_INTERRUPTS = (
    "WWDG", "PVD_VDDIO2", "RTC", "FLASH", "RCC_CRS", "EXTI0_1", "EXTI2_3", "EXTI4_15", "TSC", "DMA_CH1", "DMA_CH2_3",
    "DMA_CH4_5_6_7", "ADC_COMP", "TIM1_BRK_UP_TRG_COM", "TIM1_CC", "TIM2", "TIM3", "TIM6_DAC", "TIM7", "TIM14", "TIM15",
    "TIM16", "TIM17", "I2C1", "I2C2", "SPI1", "SPI2", "USART1", "USART2", "USART3_4", "CEC_CAN", "USB",
)  # fmt: skip
"""RM0091, 12.1.3, table 37."""

STM32F072 = Part(
    layout=replace(_LAYOUT, kernels={"USART1": Field(_CFGR3, 0, _KERNEL), "USART2": Field(_CFGR3, 16, _KERNEL)}),
    hz=8_000_000,
    usarts=(
        _on_apb2("USART1", 0x4001_3800, 27, 14),
        _on_apb1("USART2", 0x4000_4400, 28, 17),
        _on_apb1("USART3", 0x4000_4800, 29, 18),
        _on_apb1("USART4", 0x4000_4C00, 29, 19),
    ),
    timers=(
        _on_apb2("TIM1", 0x4001_2C00, 13, 11, channels=4, match_line=14),
        _on_apb1("TIM2", 0x4000_0000, 15, 0, bits=32, channels=4),
        _on_apb1("TIM3", 0x4000_0400, 16, 1, channels=4),
        _on_apb1("TIM6", 0x4000_1000, 17, 4),
        _on_apb1("TIM7", 0x4000_1400, 18, 5),
        _on_apb1("TIM14", 0x4000_2000, 19, 8, channels=1),
        _on_apb2("TIM15", 0x4001_4000, 20, 16, channels=2),
        _on_apb2("TIM16", 0x4001_4400, 21, 17, channels=1),
        _on_apb2("TIM17", 0x4001_4800, 22, 18, channels=1),
    ),
    ports=(_port("A", 0x2800_0000, 0x2400_0000), _port("B"), _port("C"), _port("D"), _port("E"), _port("F")),
    flash=_FLASH,
    latency_limits=(24_000_000, 48_000_000),
    plain=(_PWR,),
    unmodelled=(*_UNMODELLED, *_F072_ONLY),
    interrupts=_INTERRUPTS,
)

_NOT_IN_F031 = ("TIM6", "TIM7", "TIM15", "USART2", "USART3", "USART4")

STM32F031 = replace(
    STM32F072,
    layout=replace(
        _LAYOUT,
        oscillators={name: oscillator for name, oscillator in _LAYOUT.oscillators.items() if name != "hsi48"},
        system=Field(_CFGR, 0, ("hsi", "hse", "pll", "hsi")),
        kernels={"USART1": Field(_CFGR3, 0, _KERNEL)},
    ),
    usarts=tuple(unit for unit in STM32F072.usarts if unit.name not in _NOT_IN_F031),
    timers=tuple(unit for unit in STM32F072.timers if unit.name not in _NOT_IN_F031),
    ports=tuple(port for port in STM32F072.ports if port.letter in "ABCF"),
    unmodelled=_UNMODELLED,
)
"""RM0091, 1.4 and 6.4.2. Its PLLSRC is one bit, the higher one."""
