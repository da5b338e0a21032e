"""Exported images and the logs of boards as one JSON object: docs/json.md has the names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from m0sim.board.image import Exported
from m0sim.board.log import BenchLog, BoardLog, Count
from m0sim.report.cost_json import SCHEMA


def exported(done: Exported, path: Path, left_out: Mapping[str, str]) -> dict[str, Any]:
    """What was exported; `left_out` says why a bench is not in it."""
    return {
        "schema": SCHEMA,
        "written": str(path),
        "bytes": len(done.uf2),
        "image": done.fingerprint,
        "entry": done.begin,
        "sram_bytes": done.sram_bytes,
        "code": done.code,
        "repeats": done.repeats,
        "benches": [
            {
                "name": bench.name,
                "cycles": bench.cycles,
                "later_cycles": bench.later_cycles,
                "result": bench.result_text,
                "memory": f"{bench.memory:08x}",
                "warnings": list(bench.warnings),
            }
            for bench in done.benches
        ],
        "left_out": [{"name": name, "reason": reason} for name, reason in left_out.items()],
    }


def log(found: BoardLog) -> dict[str, Any]:
    """What a board measured beside what was simulated."""
    return {
        "schema": SCHEMA,
        "log": str(found.path),
        "version": found.version,
        "image": found.image,
        "code": found.code,
        "clock_hz": found.clock_hz,
        "repeats": found.repeats,
        "is_complete": found.has_end,
        "is_intact": found.is_intact,
        "is_equal": found.is_equal,
        "benches": [_bench(bench) for bench in found.benches],
        "summary": {status: found.count(status) for status in ("equal", "differs", "missing")},
        "notes": list(found.notes),
    }


def _bench(bench: BenchLog) -> dict[str, Any]:
    return {
        "name": bench.name,
        "status": bench.status,
        "differences": list(bench.differences),
        "simulated": [_count(count) for count in bench.simulated],
        "board": [_count(count) for count in bench.measured],
        "fault": bench.fault,
    }


def _count(count: Count) -> dict[str, Any]:
    return {"cycles": count.cycles, "result": count.result, "memory": count.memory}
