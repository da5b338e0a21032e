"""By profile: what part it is."""

from __future__ import annotations

from m0sim.chip.devices.stm32 import f0, g0, l0, py32

PARTS = {
    "stm32f0": f0.STM32F072,
    "stm32f031": f0.STM32F031,
    "stm32g0": g0.STM32G071,
    "stm32g030": g0.STM32G030,
    "stm32l0": l0.STM32L073,
    "py32f002b": py32.PY32F002B,
}
