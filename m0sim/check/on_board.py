"""Benches of a manifest as calls for a board."""

from __future__ import annotations

from m0sim.board.request import Request
from m0sim.check.bench import Bench, CallBench
from m0sim.errors import UsageError


def request(bench: Bench) -> Request:
    """The call of a bench. Raises `UsageError` for what nothing on a board can do."""
    if not isinstance(bench, CallBench):
        raise UsageError("is whole firmware, which measures nothing by itself")
    for key in ("startup", "stubs", "registers", "stdout", "bootrom"):
        if getattr(bench, key):
            raise UsageError(f"needs {key}, which an exported image does not have")
    if bench.flash != "ideal":
        raise UsageError(f"counts with {bench.flash} flash, and the exported code runs from SRAM")
    return Request(bench.name, bench.function, bench.args, bench.result, bench.before, bench.stop_after)
