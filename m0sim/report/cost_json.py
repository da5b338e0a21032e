"""The JSON objects of docs/json.md. The names are fixed: other people's scripts read them.

`SCHEMA` goes up when a name changes its meaning or goes away, which it should not; new names do not raise it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from m0sim.chip.cost import Cost, Finding, FunctionCost
from m0sim.chip.device import Device
from m0sim.chip.energy import EnergyUse
from m0sim.chip.fault import Fault
from m0sim.image import Image
from m0sim.report import flash

if TYPE_CHECKING:
    from m0sim.image.signatures import Signature
    from m0sim.report.inlined import Inlining

SCHEMA = 1


def call(
    cost: Cost, fault: Fault | None = None, notes: Sequence[str] = (), found: Inlining | None = None
) -> dict[str, Any]:
    """The object that ``m0sim call --json`` prints; `notes` say what could not be read of debug information, `found`
    what code was inlined."""
    memory = asdict(cost.memory)
    memory["flash_total"] = cost.memory.flash_total
    memory["sram_total"] = cost.memory.sram_total
    return {
        "schema": SCHEMA,
        "function": cost.function,
        "profile": cost.profile,
        "level": cost.level,
        "result": cost.result.hex() if isinstance(cost.result, bytes) else cost.result,
        "result_type": cost.result_type,
        "cycles": cost.cycles,
        "stall_cycles": cost.stall_cycles,
        "instructions": cost.instructions,
        "loads": cost.loads,
        "stores": cost.stores,
        "bytes_loaded": cost.bytes_loaded,
        "bytes_stored": cost.bytes_stored,
        "branches_taken": cost.branches_taken,
        "branches_not_taken": cost.branches_not_taken,
        "stack_bytes": cost.stack_bytes,
        "heap_bytes": cost.heap_bytes,
        "seconds": cost.seconds,
        "energy_joules": cost.energy_joules,
        "energy_joules_low": cost.energy_joules_low,
        "energy_joules_high": cost.energy_joules_high,
        "energy_source": cost.energy_source,
        "energy_bounds_source": cost.energy_bounds_source,
        "memory": memory,
        "functions": functions(cost, found),
        "calls": [asdict(e) for e in cost.edges],
        "call_tree": [asdict(node) for node in cost.call_tree],
        "traffic": [asdict(t) for t in cost.traffic],
        "findings": [_finding(finding) for finding in cost.findings],
        "flash": None if cost.flash is None else flash.as_object(cost.flash),
        "stubs": list(cost.stubs),
        "output": cost.output.decode("utf-8", "replace"),
        "output_dropped": cost.output_dropped,
        "registers": [asdict(r) for r in cost.registers],
        "warnings": list(cost.warnings),
        "notes": list(notes),
        "provenance": None if cost.provenance is None else asdict(cost.provenance),
        "fault": None if fault is None else fault_object(fault),
    }


def functions(cost: Cost, found: Inlining | None = None) -> list[dict[str, Any]]:
    """Those of a cost, most self cycles first."""
    return [asdict(f) | source_costs(f, found) for f in cost.functions.values()]


def source_costs(function: FunctionCost, found: Inlining | None) -> dict[str, Any]:
    """A function's self cycles by functions of the source; without knowledge of any, all are its own."""
    if found is None:
        return {"own_cycles": function.self_cycles, "inlined": []}
    costs = found.functions[function.name]
    return {"own_cycles": costs.own_cycles, "inlined": [asdict(part) for part in costs.inlined]}


def _finding(finding: Finding) -> dict[str, Any]:
    return asdict(finding) | {"source": source_object(finding.source)}


def source_object(source: tuple[str, int] | None) -> dict[str, Any] | None:
    """File and line of an instruction; None where nothing tells."""
    return None if source is None else {"file": source[0], "line": source[1]}


def fault_object(fault: Fault) -> dict[str, Any]:
    """A fault without its cost."""
    return {
        "kind": fault.kind,
        "reason": fault.reason,
        "address": fault.address,
        "function": fault.function,
        "offset": fault.offset,
        "source": source_object(fault.source),
        "registers": fault.registers,
        "call_stack": [site.function for site in fault.call_stack],
    }


def listing(image: Image, *, signatures: bool = False) -> dict[str, Any]:
    """The object that ``m0sim list --json`` prints."""
    declared = image.signatures() if signatures else {}
    return {
        "schema": SCHEMA,
        "image": str(image.path),
        "functions": [
            {"name": f.name, "address": f.address, "size": f.size, "is_global": f.is_global}
            | ({"signature": _signature(declared[f.name])} if signatures else {})
            for f in image.functions
        ],
        "sections": [
            {"name": s.name, "kind": s.kind, "address": s.address, "size": s.size, "load_address": s.load_address}
            for s in image.sections
        ],
        "warnings": list(image.warnings),
    }


def _signature(declared: Signature | None) -> dict[str, Any] | None:
    if declared is None:
        return None
    return {
        "text": str(declared),
        "result": declared.result.name,
        "parameters": [{"name": p.name, "type": p.type.name} for p in declared.parameters],
        "variadic": declared.is_variadic,
    }


def energy(use: EnergyUse | None) -> dict[str, Any]:
    """Joules, bounds and source, under the names that every verb has for them."""
    return {
        "energy_joules": None if use is None else use.joules,
        "energy_joules_low": None if use is None else use.low_joules,
        "energy_joules_high": None if use is None else use.high_joules,
        "energy_source": None if use is None else use.source,
        "energy_bounds_source": None if use is None else use.bounds_source,
    }


def device(profile: Device) -> dict[str, Any]:
    """The object that ``m0sim profiles NAME --json`` prints."""
    values = asdict(profile)
    point = None if profile.energy is None else profile.energy.at(profile.clock_hz, "flash")
    if point is not None:  # the figures at the profile's clock
        values["energy"] |= {key: getattr(point, key) for key in ("current_amperes", "voltage_volts", "source")}
    values["path"] = profile.path.name
    return {"schema": SCHEMA, **values}
