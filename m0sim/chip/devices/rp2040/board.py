"""The RP2040: its blocks, and what connects them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from m0sim.chip.devices.block import Block
from m0sim.chip.devices.board import Board
from m0sim.chip.devices.bus import Bus
from m0sim.chip.devices.clock import SystemClock
from m0sim.chip.devices.host import PROCESSOR_ALONE, Host, Resettable
from m0sim.chip.devices.rp2040.adc import Adc
from m0sim.chip.devices.rp2040.busctrl import Busctrl
from m0sim.chip.devices.rp2040.chip_reset import ChipReset
from m0sim.chip.devices.rp2040.clocks import Clocks
from m0sim.chip.devices.rp2040.dma import Dma
from m0sim.chip.devices.rp2040.dma_contending import ContendingDma
from m0sim.chip.devices.rp2040.dreq import Dreq, Duplex
from m0sim.chip.devices.rp2040.flash_chip import FlashChip
from m0sim.chip.devices.rp2040.gpio import F_UART, IoBank0, IoQspi, PadsBank0, PadsQspi
from m0sim.chip.devices.rp2040.i2c import I2c
from m0sim.chip.devices.rp2040.oscillators import ROSC_HZ, Rosc, Xosc
from m0sim.chip.devices.rp2040.pio import Pio
from m0sim.chip.devices.rp2040.pll import Pll
from m0sim.chip.devices.rp2040.pwm import SLICES, Pwm
from m0sim.chip.devices.rp2040.resets import Psm, Resets
from m0sim.chip.devices.rp2040.rtc import Rtc
from m0sim.chip.devices.rp2040.sio import Sio
from m0sim.chip.devices.rp2040.spi import Spi
from m0sim.chip.devices.rp2040.ssi import Ssi
from m0sim.chip.devices.rp2040.system import Syscfg, Sysinfo, Tbman, VregAndChipReset
from m0sim.chip.devices.rp2040.timer import Timer
from m0sim.chip.devices.rp2040.uart import Uart
from m0sim.chip.devices.rp2040.usb import Usb
from m0sim.chip.devices.rp2040.usb_memory import UsbMemory
from m0sim.chip.devices.rp2040.watchdog import Watchdog
from m0sim.chip.devices.rp2040.wires import Wires
from m0sim.chip.devices.rp2040.xip import XipAux, XipCtrl
from m0sim.chip.devices.usb_host import UsbHost

_UART_TX_PINS = ((0, 12, 16, 28), (4, 8, 20, 24))
"""Table 278."""
INTERRUPTS = (
    *(f"TIMER_IRQ_{i}" for i in range(4)),
    *("PWM_IRQ_WRAP", "USBCTRL_IRQ", "XIP_IRQ", "PIO0_IRQ_0", "PIO0_IRQ_1", "PIO1_IRQ_0", "PIO1_IRQ_1"),
    *("DMA_IRQ_0", "DMA_IRQ_1", "IO_IRQ_BANK0", "IO_IRQ_QSPI", "SIO_IRQ_PROC0", "SIO_IRQ_PROC1", "CLOCKS_IRQ"),
    *("SPI0_IRQ", "SPI1_IRQ", "UART0_IRQ", "UART1_IRQ", "ADC_IRQ_FIFO", "I2C0_IRQ", "I2C1_IRQ", "RTC_IRQ"),
)
"""By number: RP2040 datasheet, 2.3.2."""


def build(host: Host, flash_bytes: int = 2 << 20) -> Board:
    """An RP2040 served by `host` with a flash chip of that size, not reset yet."""
    clk_sys = SystemClock(ROSC_HZ)
    xosc, rosc = Xosc(clk_sys), Rosc(clk_sys)
    pll_sys = Pll("PLL_SYS", 0x4002_8000, xosc.source)
    pll_usb = Pll("PLL_USB", 0x4002_C000, xosc.source)
    sources = (xosc.source, rosc.source, pll_sys.source, pll_usb.source)
    clocks = Clocks(clk_sys, {source.name: source for source in sources})
    watchdog = Watchdog(clk_sys, clocks.clocks["ref"])
    uarts = [Uart(number, clk_sys, clocks.clocks["peri"]) for number in range(2)]
    chip = FlashChip(flash_bytes, clk_sys)
    chip.memory = host
    ssi, io_qspi, pads = Ssi(chip), IoQspi(), PadsBank0()
    io_qspi.selected = ssi.select
    io_bank0 = IoBank0(pads)
    for uart, pins in zip(uarts, _UART_TX_PINS, strict=True):
        uart.is_connected = partial(io_bank0.has_function, F_UART, pins)
    pios = [Pio(number) for number in range(2)]
    adc = Adc(clk_sys, clocks.clocks["adc"])
    pwm = Pwm(io_bank0)
    spis = [Spi(number, clk_sys, clocks.clocks["peri"]) for number in range(2)]
    i2cs = [I2c(number) for number in range(2)]
    xip_ctrl = XipCtrl()
    of_flash = dict(zip((37, 38, 39), (xip_ctrl.request(), *ssi.requests()), strict=True))
    dma = (ContendingDma if host.contends else Dma)(_requests(pios, spis, uarts, i2cs, pwm, adc) | of_flash)
    usb_host, usb_memory = UsbHost(), UsbMemory()
    usb = Usb(usb_memory, usb_host, clocks.clocks["usb"])
    resettable: list[Block] = [
        pll_sys, pll_usb, Syscfg(), Sysinfo(), Tbman(), Timer(clk_sys, watchdog.tick), *uarts,
        pads, io_bank0, io_qspi, PadsQspi(), pwm, adc, Rtc(clk_sys, clocks.clocks["rtc"]),
        *spis, *i2cs, Busctrl(), dma, *pios, usb,
    ]  # fmt: skip
    resets, psm, vreg = Resets(), Psm(), VregAndChipReset()
    resets.holds({block.name: block for block in resettable})
    # CLOCKS before XOSC, wherever both are reset: clk_sys never stands on an oscillator that is off
    always: list[Block] = [rosc, clocks, xosc, watchdog, resets, psm, vreg, xip_ctrl, ssi]
    bus = Bus(host, clk_sys, (*always, *resettable, usb_memory, XipAux(xip_ctrl), Sio(io_bank0)))
    bus.watchers += [*(pio.look_at_news for pio in pios), io_bank0.look_at_news]
    bus.tellers += [pio.tell_uses for pio in pios]
    stages: dict[str, list[Resettable]] = {
        "ROSC": [rosc], "XOSC": [clocks, xosc], "CLOCKS": [clocks], "RESETS": [resets, usb_memory],
        "XIP": [xip_ctrl, ssi], "VREG_AND_CHIP_RESET": [vreg],
    }  # fmt: skip
    usb_host.opened = lambda: usb_host.receive(uarts[0].withdraw())
    chip_reset = ChipReset(host, watchdog, resets, psm, vreg, stages)
    return Board(
        bus,
        clk_sys,
        {uart.name: uart for uart in uarts} | {"USB": usb_host},
        io_bank0,
        INTERRUPTS,
        wire=io_bank0.wire,
        analog=adc,
        by_core=PROCESSOR_ALONE,  # section 2.4.2.9
        pressed=chip_reset.by_pin,
        movers=dma.used,
        attach=Wires(io_bank0, i2cs, spis).attach,
    )


def _requests(
    pios: Sequence[Pio], spis: Sequence[Spi], uarts: Sequence[Uart], i2cs: Sequence[I2c], pwm: Pwm, adc: Adc
) -> dict[int, Dreq]:
    """By number: RP2040 datasheet, table 119."""
    found = dict(enumerate(request for pio in pios for request in pio.requests())) | {36: adc.request()}
    blocks: list[Sequence[Duplex]] = [spis, uarts, i2cs]
    for first, pair in zip((16, 20, 32), blocks, strict=True):
        for i, block in enumerate(pair):
            found[first + 2 * i], found[first + 2 * i + 1] = block.requests()
    return found | {24 + i: pwm.request(i) for i in range(SLICES)}
