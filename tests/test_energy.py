"""Joules of whole calls, by where their code was, and the warning where flash waits."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from m0sim import Cost, Machine
from m0sim.chip import device

ADD_AND_RETURN = struct.pack("<2H", 0x3001, 0x4770)  # adds r0, #1; bx lr: 3 cycles on Cortex-M0+
CALL_R0 = struct.pack("<3H", 0xB500, 0x4780, 0xBD00)  # push {lr}; blx r0; pop {pc}: 2 + 2 + 4 cycles
VOLTS = 3.3


def run(profile: str, clock_hz: int, code: bytes, base: int, *args: int) -> Cost:
    return Machine.from_raw(code, base=base, profile=device.load(profile).at_clock(clock_hz)).call(base, *args)


@pytest.mark.parametrize(
    ("base", "typical", "low", "high", "word"),
    [
        (0x00000000, 7.6e-3, 4.24e-3, 8.6e-3, "from flash"),
        (0x00400000, 7.6e-3, 4.24e-3, 8.6e-3, "from flash"),  # the alias
        (0x20000000, 6.0e-3, 5.9e-3, 6.8e-3, "from SRAM"),
    ],
)
def test_where_the_code_is_says_which_current(base: int, typical: float, low: float, high: float, word: str) -> None:
    cost = run("mspm0g3507", 80_000_000, ADD_AND_RETURN, base, 1)
    seconds = 3 / 80e6
    assert (cost.cycles, cost.seconds) == (3, seconds)
    assert cost.energy_joules == pytest.approx(typical * VOLTS * seconds)
    assert cost.energy_joules_low == pytest.approx(low * VOLTS * seconds)
    assert cost.energy_joules_high == pytest.approx(high * VOLTS * seconds)
    assert cost.energy_source is not None
    assert cost.energy_source.count(" mA at ") == 1
    assert word in cost.energy_source


def test_code_in_flash_that_calls_code_in_sram() -> None:
    machine = Machine.from_raw(CALL_R0, base=0, profile=device.load("mspm0g3507").at_clock(48_000_000))
    callee = machine.alloc(np.frombuffer(ADD_AND_RETURN, np.uint8))
    cost = machine.call(0, callee.address | 1)
    assert cost.cycles == 8 + 3
    assert cost.energy_joules == pytest.approx((8 * 4.9e-3 + 3 * 3.8e-3) * VOLTS / 48e6)
    assert cost.energy_source is not None
    assert "from flash" in cost.energy_source
    assert "from SRAM" in cost.energy_source


@pytest.mark.parametrize(
    ("profile", "clock_hz", "base", "states"),
    [
        ("stm32g0", 24_000_000, 0x08000000, 0),
        ("stm32g0", 48_000_000, 0x08000000, 1),
        ("stm32g0", 64_000_000, 0x08000000, 2),
        ("stm32g0", 64_000_000, 0x00000000, 2),  # the alias
        ("stm32g0", 64_000_000, 0x20000000, 0),  # SRAM never waits
        ("rp2040", 125_000_000, 0x10000000, 0),
    ],
)
def test_a_warning_where_flash_waits(profile: str, clock_hz: int, base: int, states: int) -> None:
    warnings = [w for w in run(profile, clock_hz, ADD_AND_RETURN, base, 1).warnings if "wait state" in w]
    if states:
        plural = "s" if states == 2 else ""
        assert len(warnings) == 1
        assert warnings[0].startswith(
            f"flash has {states} wait state{plural} at {clock_hz // 1_000_000} MHz, which are"
        )
    else:
        assert warnings == []
