"""INTE masks, then INTF forces, in all blocks of the RP2040 that have both, and the request lines follow."""

from __future__ import annotations

import pytest
from device_host import FakeHost
from test_devices_rp2040 import CLR, RESETS, Chip

from m0sim.chip.devices.rp2040.board import INTERRUPTS

BLOCKS = {
    # INTE, a bit of it, and whose line that is: RP2040 datasheet 2.5.7, 2.15.7, 2.19.6.1, 4.1.4, 4.5.3, 4.6.5, 4.8.6,
    # 4.9.6
    "CLOCKS": (0x4000_80BC, 0, "CLOCKS_IRQ"),
    "TIMER": (0x4005_4038, 2, "TIMER_IRQ_2"),
    "PWM": (0x4005_00A8, 5, "PWM_IRQ_WRAP"),
    "ADC": (0x4004_C018, 0, "ADC_IRQ_FIFO"),
    "RTC": (0x4005_C024, 0, "RTC_IRQ"),
    "USB": (0x5011_0090, 12, "USBCTRL_IRQ"),
    "DMA, 0": (0x5000_0404, 11, "DMA_IRQ_0"),
    "DMA, 1": (0x5000_0414, 11, "DMA_IRQ_1"),
    "IO_BANK0": (0x4001_4100, 7, "IO_IRQ_BANK0"),
}
_DISTANCE = {"IO_BANK0": 0x10}
"""From INTE to INTF, and from there to INTS; of all others 4."""


def _chip() -> Chip:
    made = Chip()
    made.start_xosc()
    made.store(RESETS + CLR, 0x1FF_FFFF)
    return made


@pytest.mark.parametrize("name", BLOCKS)
def test_what_is_forced_needs_no_enable_and_what_is_enabled_nothing_else(name: str) -> None:
    """ "Interrupt status after masking & forcing"; the DMA's INTF: "remains asserted until INTF0 is cleared"."""
    inte, bit, line_name = BLOCKS[name]
    made, line, step = _chip(), INTERRUPTS.index(line_name), _DISTANCE.get(name, 4)
    intf, ints = inte + step, inte + 2 * step

    def state() -> tuple[bool, bool]:
        status = made.load(ints)
        assert status in (0, 1 << bit)
        return status != 0, made.host.lines.get(line, False)

    assert state() == (False, False)
    made.store(intf, 1 << bit)
    assert state() == (True, True)
    made.store(inte, 1 << bit)
    assert state() == (True, True)
    made.store(intf, 0)
    assert state() == (False, False)  # enabled alone is nothing: INTR is 0
    made.store(intf, 1 << bit)
    made.store(inte, 0)
    assert state() == (True, True)
    made.store(intf, 0)
    assert state() == (False, False)


def test_lines_of_core_1_are_its_own() -> None:
    """PROC1_INTF of IO_BANK0 is for core 1 alone: section 2.19.3."""
    made = _chip()
    host: FakeHost = made.host
    line = INTERRUPTS.index("IO_IRQ_BANK0")
    made.store(0x4001_4140, 1)
    assert made.load(0x4001_4150) == 1
    assert host.lines_of_second[line]
    assert not host.lines.get(line)
