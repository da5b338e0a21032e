"""What a reset reaches: RP2040 datasheet, sections 2.12 (chip), 2.13.4 (watchdog) and 2.4.2.9 (processor)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from m0sim.chip.devices.host import Host, Reach, Resettable
from m0sim.chip.devices.rp2040.resets import Psm, Resets
from m0sim.chip.devices.rp2040.system import VregAndChipReset
from m0sim.chip.devices.rp2040.watchdog import Watchdog


class ChipReset:
    """The watchdog resets what the WDSEL registers of PSM and RESETS select; the RUN pin everything."""

    def __init__(
        self,
        host: Host,
        watchdog: Watchdog,
        resets: Resets,
        psm: Psm,
        vreg: VregAndChipReset,
        stages: Mapping[str, Sequence[Resettable]],
    ) -> None:
        """`stages` has the devices that each of PSM's stages resets, where there are any."""
        self._host, self._watchdog, self._resets, self._psm, self._vreg = host, watchdog, resets, psm, vreg
        self._stages = stages
        watchdog.fired = self.by_watchdog

    def by_watchdog(self, reason: str) -> None:
        """The watchdog has fired. Where PSM does not select the processor, that runs on."""
        self._resets.watchdog_fired()
        reached = self._psm.watchdog_fired()
        if "PROC0" in reached:
            devices = [device for stage in reached for device in self._stages.get(stage, ())]
            self._host.restart(reason, Reach([*devices, self._watchdog], port="SIO" in reached))
        elif "PROC1" in reached:
            self._host.restart_second_core()

    def by_pin(self) -> None:
        """The RUN pin was low: what only that resets, and who says so afterwards."""
        self._watchdog.power_on()
        self._vreg.pressed()
