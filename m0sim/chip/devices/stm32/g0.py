"""STM32G071 and STM32G030: RM0444 and RM0454, which agree in what is here.

Oscillators take the typical times of the datasheets DS12232 (G071) and DS12991 (G030), electrical characteristics. HSE
is assumed to be a crystal of 8 MHz, which takes 2 ms, LSE one of 32,768 Hz.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from m0sim.chip.devices.block import Register
from m0sim.chip.devices.stm32.part import Part, Plain, Port, Unit
from m0sim.chip.devices.stm32.rcc import Bit, Field, Frequencies, Layout, Oscillator, Words, fixed
from m0sim.chip.devices.stm32.usart import PrescaledUsart

_CR, _ICSCR, _CFGR, _PLLCFGR, _CCIPR, _BDCR, _CSR = 0x00, 0x04, 0x08, 0x0C, 0x54, 0x5C, 0x60
_IOPRSTR, _AHBRSTR, _APBRSTR1, _APBRSTR2 = 0x24, 0x28, 0x2C, 0x30
_IOPENR, _AHBENR, _APBENR1, _APBENR2 = 0x34, 0x38, 0x3C, 0x40
_HSI_MICROSECONDS = Fraction(4, 5)
_PLLREN = 1 << 28


def _hsisys(words: Words, given: Frequencies) -> Fraction:
    """RM0444, 5.4.1: HSIDIV."""
    return given["hsi16"] / (1 << (words[_CR] >> 11 & 7))


def _pll_source(words: Words) -> str:
    """RM0444, 5.4.4: PLLSRC."""
    return {2: "hsi16", 3: "hse"}.get(words[_PLLCFGR] & 3, "")


def _pll(words: Words, given: Frequencies) -> Fraction:
    """PLLRCLK = source / M * N / R: RM0444, 5.4.4."""
    setting, source = words[_PLLCFGR], _pll_source(words)
    if not source or not setting & _PLLREN:
        return Fraction(0)
    m, n, r = (setting >> 4 & 7) + 1, setting >> 8 & 0x7F, (setting >> 29 & 7) + 1
    return given[source] / m * n / r


def _pll_setting(words: Words) -> int:
    """The output PLLREN may be turned on and off at any time."""
    return words[_PLLCFGR] & ~_PLLREN


_LAYOUT = Layout(
    registers=(
        Register(_CR, "CR", 0x0000_0500),
        Register(_ICSCR, "ICSCR", 0x0000_4000, writable=0x7F00),
        Register(_CFGR, "CFGR"),
        Register(_PLLCFGR, "PLLCFGR", 0x1000),
        Register(0x18, "CIER", effect=False),
        Register(0x1C, "CIFR", writable=0),
        Register(0x20, "CICR", writable=0),
        Register(_IOPRSTR, "IOPRSTR"),
        Register(_AHBRSTR, "AHBRSTR"),
        Register(_APBRSTR1, "APBRSTR1"),
        Register(_APBRSTR2, "APBRSTR2"),
        Register(_IOPENR, "IOPENR"),
        Register(_AHBENR, "AHBENR", 0x100),
        Register(_APBENR1, "APBENR1"),
        Register(_APBENR2, "APBENR2"),
        Register(0x44, "IOPSMENR", 0x3F),
        Register(0x48, "AHBSMENR", 0x0005_1303),
        Register(0x4C, "APBSMENR1", 0xFFFF_FFB7),
        Register(0x50, "APBSMENR2", 0x0017_D801),
        Register(_CCIPR, "CCIPR"),
        Register(_BDCR, "BDCR"),
        Register(_CSR, "CSR"),
    ),
    oscillators={
        "hsi16": fixed(Bit(_CR, 8), Bit(_CR, 10), 16_000_000, _HSI_MICROSECONDS),
        "hse": fixed(Bit(_CR, 16), Bit(_CR, 17), 8_000_000, 2000),
        "lsi": fixed(Bit(_CSR, 0), Bit(_CSR, 1), 32_000, 80),
        "lse": fixed(Bit(_BDCR, 0), Bit(_BDCR, 1), 32_768, 2_000_000),
        "hsisys": Oscillator(
            Bit(_CR, 8), Bit(_CR, 10), _hsisys, _HSI_MICROSECONDS / 1_000_000, needs=lambda words: "hsi16"
        ),
        "pll": Oscillator(Bit(_CR, 24), Bit(_CR, 25), _pll, Fraction(15, 1_000_000), _pll_source),
    },
    on_after_reset="hsisys",
    system=Field(_CFGR, 0, ("hsisys", "hse", "pll", "lsi", "lse", "hsisys", "hsisys", "hsisys")),
    status_shift=3,
    ahb_shift=8,
    apb_shifts=(12,),
    kernels={},
    setting=_pll_setting,
)

_KERNEL = ("pclk", "sysclk", "hsi16", "lse")


def _on_apb1(name: str, base: int, line: int, bit: int, bits: int = 16, channels: int = 0) -> Unit:
    return Unit(name, base, line, Bit(_APBENR1, bit), Bit(_APBRSTR1, bit), bits=bits, channels=channels)


def _on_apb2(name: str, base: int, line: int, bit: int, channels: int = 0, match_line: int | None = None) -> Unit:
    return Unit(name, base, line, Bit(_APBENR2, bit), Bit(_APBRSTR2, bit), channels=channels, match_line=match_line)


def _port(letter: str, bit: int, moder: int = 0xFFFF_FFFF, ospeedr: int = 0, pupdr: int = 0) -> Port:
    return Port(letter, 0x5000_0000 + 0x400 * bit, Bit(_IOPENR, bit), Bit(_IOPRSTR, bit), moder, ospeedr, pupdr)


_FLASH = Plain(
    "FLASH",
    0x4002_2000,
    (
        Register(0x00, "ACR", 0x0004_0600, writable=0x0004_0F07),
        Register(0x08, "KEYR", effect=False),
        Register(0x0C, "OPTKEYR", effect=False),
        Register(0x10, "SR", writable=0, clears=0xC3FB),
        Register(0x14, "CR", 0xC000_0000, writable=0, effect=False),
        Register(0x18, "ECCR", writable=0),
        Register(0x20, "OPTR", 0xFFFF_FEAA, writable=0),
    ),
)
"""RM0444, 3.7: programming is not modelled. OPTR as the factory sets it."""

_PWR = Plain(
    "PWR",
    0x4000_7000,
    (
        Register(0x00, "CR1", 0x208),
        Register(0x04, "CR2"),
        Register(0x08, "CR3", 0x8000),
        Register(0x0C, "CR4"),
        Register(0x10, "SR1", writable=0),
        Register(0x14, "SR2", 0x80, writable=0),
        Register(0x18, "SCR", writable=0),
    ),
)
"""RM0444, 4.4: the regulator is in the range that is asked for at once (VOSF is 0)."""

_UNMODELLED = (
    ("RTC", 0x4000_2800, 0x400), ("WWDG", 0x4000_2C00, 0x400), ("IWDG", 0x4000_3000, 0x400),
    ("SPI2", 0x4000_3800, 0x400), ("I2C1", 0x4000_5400, 0x400), ("I2C2", 0x4000_5800, 0x400),
    ("TAMP", 0x4000_B000, 0x400), ("SYSCFG", 0x4001_0000, 0x400), ("ADC", 0x4001_2400, 0x400),
    ("SPI1", 0x4001_3000, 0x400), ("DBG", 0x4001_5800, 0x400), ("DMA1", 0x4002_0000, 0x800),
    ("DMAMUX", 0x4002_0800, 0x400), ("EXTI", 0x4002_1800, 0x400), ("CRC", 0x4002_3000, 0x400),
    ("system memory", 0x1FFF_0000, 0x8000),
)  # fmt: skip
"""RM0444, 2.2. System memory has the boot loader, and behind it the unique id, the flash's size and calibration."""

_G071_ONLY = (
    ("DAC", 0x4000_7400, 0x400), ("CEC", 0x4000_7800, 0x400), ("LPTIM1", 0x4000_7C00, 0x400),
    ("LPUART1", 0x4000_8000, 0x400), ("LPTIM2", 0x4000_9400, 0x400), ("UCPD1", 0x4000_A000, 0x400),
    ("UCPD2", 0x4000_A400, 0x400), ("AES", 0x4002_6000, 0x400),
    ("RNG", 0x4002_5000, 0x400),
)  # fmt: skip

_INTERRUPTS = (
    "WWDG", "PVD", "RTC_TAMP", "FLASH", "RCC", "EXTI0_1", "EXTI2_3", "EXTI4_15", "UCPD1_UCPD2", "DMA1_Channel1",
    "DMA1_Channel2_3", "DMA1_Ch4_7_DMAMUX", "ADC_COMP", "TIM1_BRK_UP_TRG_COM", "TIM1_CC", "TIM2", "TIM3",
    "TIM6_DAC_LPTIM1", "TIM7_LPTIM2", "TIM14", "TIM15", "TIM16", "TIM17", "I2C1", "I2C2", "SPI1", "SPI2", "USART1",
    "USART2", "USART3_4_LPUART1", "CEC", "AES_RNG",
)  # fmt: skip
"""RM0444, 12.3, table 60."""

_PORTS = (
    _port("A", 0, 0xEBFF_FFFF, 0x0C00_0000, 0x2400_0000), _port("B", 1), _port("C", 2), _port("D", 3), _port("F", 5),
)  # fmt: skip

STM32G071 = Part(
    layout=replace(_LAYOUT, kernels={"USART1": Field(_CCIPR, 0, _KERNEL), "USART2": Field(_CCIPR, 2, _KERNEL)}),
    hz=16_000_000,
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
        _on_apb2("TIM14", 0x4000_2000, 19, 15, channels=1),
        _on_apb2("TIM15", 0x4001_4000, 20, 16, channels=2),
        _on_apb2("TIM16", 0x4001_4400, 21, 17, channels=1),
        _on_apb2("TIM17", 0x4001_4800, 22, 18, channels=1),
    ),
    ports=_PORTS,
    flash=_FLASH,
    latency_limits=(24_000_000, 48_000_000, 64_000_000),
    plain=(_PWR,),
    unmodelled=(*_UNMODELLED, *_G071_ONLY),
    interrupts=_INTERRUPTS,
    usart=PrescaledUsart,
)

_ONLY_G071 = ("TIM2", "TIM6", "TIM7", "TIM15", "USART3", "USART4")

STM32G030 = replace(
    STM32G071,
    layout=replace(_LAYOUT, kernels={"USART1": Field(_CCIPR, 0, _KERNEL)}),
    usarts=tuple(unit for unit in STM32G071.usarts if unit.name not in _ONLY_G071),
    timers=tuple(unit for unit in STM32G071.timers if unit.name not in _ONLY_G071),
    unmodelled=_UNMODELLED,
)
"""RM0454, 1.4: what STM32G030 has of it."""
