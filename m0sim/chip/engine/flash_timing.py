"""The wait states of a device's flash, as the native core has them."""

from __future__ import annotations

from m0sim.chip.device import Device


def waits_of(device: Device) -> dict[str, int]:
    """Values of the fields of `struct m0_waits` that do not change in a run, at the device's clock.

    The others are of `m0_wait_reset`. Without a table [flash] nothing waits.
    """
    timing = device.flash_timing
    if timing is None:
        return {"wait_states": 0, "word_shift": 2, "prefetches": 0, "sets": 0, "ways": 1, "holds_data": 0}
    return {
        "wait_states": timing.wait_states,
        "word_shift": timing.word_bytes.bit_length() - 1,
        "prefetches": int(timing.prefetch == "next"),
        "sets": timing.cache_lines // timing.cache_ways,
        "ways": timing.cache_ways,
        "holds_data": int(timing.cache_holds == "all"),
    }
