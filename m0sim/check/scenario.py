"""Benches that run whole firmware from reset: what they are asked, and whether they ended so."""

from __future__ import annotations

from m0sim import files
from m0sim.check.bench import RunBench
from m0sim.chip.device import Device
from m0sim.chip.firmware import Firmware
from m0sim.chip.run_cost import RunCost
from m0sim.image import Image


def firmware(bench: RunBench, image: Image, chip: Device) -> Firmware:
    """The image of a bench in its chip. Raises `UsageError` where it does not fit."""
    return Firmware(image, chip, bootrom=bench.bootrom)


def run(bench: RunBench, loaded: Firmware) -> RunCost:
    """Run it. Ctrl-C raises KeyboardInterrupt. Raises `UsageError` where a reset has nothing to start."""
    done = loaded.run(
        seconds=bench.seconds,
        until=bench.until,
        until_output=bench.until_output,
        begin=bench.begin,
        end=bench.end,
        stdin=b"" if bench.stdin is None else files.read(bench.stdin),
        flash=bench.flash,
        max_cycles=bench.stop_after,
    )
    if done.exit.reason == "interrupted":
        raise KeyboardInterrupt(done.exit.detail)
    return done


def missed(bench: RunBench, done: RunCost) -> str:
    """Why a run is no good, in one line; empty where it ended as asked for.

    Time that is over, and the program's own end, are good ends where nothing else was waited for.
    """
    names = [name for name in (bench.until, bench.end) if name is not None]
    waited = [*names, *([repr(bench.until_output)] if bench.until_output else [])]
    reason, expected = done.exit.reason, ""
    if bench.begin is not None and done.exit.is_good and done.missed:
        return f"ended by {reason}: {done.exit.detail}; {'; '.join(done.missed)}"
    if reason in ("until", "output") or (reason == "time" and not waited):
        return ""
    if reason == "exit" and not waited:
        if done.exit.code == bench.expect:
            return ""
        expected = f", expected {bench.expect}"
    before = f", before {' or '.join(waited)}" if waited else ""
    return f"ended by {reason}: {done.exit.detail}{before}{expected}"
