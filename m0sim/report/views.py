"""What `m0sim.chip.views` shows of a cost: JSON's object, columns for data frames, and HTML."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, fields
from html import escape
from itertools import chain
from typing import Any

from m0sim import files
from m0sim.chip.cost import CallEdge, CallNode, Cost, FunctionCost, TrafficCost
from m0sim.chip.firmware import Firmware
from m0sim.chip.machine import Machine
from m0sim.chip.run_cost import HandlerCost, RunCost
from m0sim.chip.views import TABLES
from m0sim.errors import UsageError, did_you_mean
from m0sim.image import Image
from m0sim.names import printable
from m0sim.report import cost_json, run_json
from m0sim.report.figures import Figure, figures
from m0sim.report.inlined import inlining
from m0sim.report.page import page
from m0sim.report.run_figures import figures as figures_of_run
from m0sim.report.units import count, share

_MOST_FUNCTIONS = 12
# Colours and fonts are the notebook's own, light or dark: lines and what is less important are its text, fainter.
_STYLE = (
    ".m0sim{margin:.5em 0}.m0sim table{border-collapse:collapse;display:inline-table;margin:.5em 2em .5em 0;"
    "vertical-align:top;background:none;color:inherit}.m0sim tr{background:none!important}"
    ".m0sim td,.m0sim th{padding:.1em .6em;text-align:right;border:0;border-bottom:1px solid rgba(128,128,128,.35);"
    "font-variant-numeric:tabular-nums}"
    ".m0sim td:first-child,.m0sim th:first-child{text-align:left;padding-left:0;white-space:nowrap}"
    ".m0sim .faint{opacity:.7}.m0sim .remark{opacity:.7;text-align:left}"
)
_PAGE = (
    '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
    '<meta name="viewport" content="width=device-width"><style>:root{{color-scheme:light dark;'
    "font:15px/1.5 system-ui,sans-serif}}</style></head><body>{body}</body></html>\n"
)


def to_dict(cost: Cost | RunCost, machine: Machine | Firmware | None) -> dict[str, Any]:
    """As a reader of the JSON has it: with "nan" and "inf" for what is no number there."""
    call = cost.cost if isinstance(cost, RunCost) else cost
    inlined = None if machine is None else inlining(call, _program_of(call, machine))
    if isinstance(cost, RunCost):
        second = cost.cores[1].cost if cost.cores else None
        on_second = None if machine is None or second is None else inlining(second, machine.program)
        made = run_json.run(cost, found=inlined, on_second=on_second)
    else:
        made = cost_json.call(cost, found=inlined)
    found: dict[str, Any] = json.loads(files.json_text(made))
    if machine is None:  # nothing is known of it, which is not the same as nothing
        for function in chain(found["functions"], *(core["functions"] for core in found.get("cores", ()))):
            del function["own_cycles"], function["inlined"]
    return found


def _program_of(cost: Cost, machine: Machine | Firmware) -> Image:
    """What the machine ran, if that is what the cost is of. Raises `UsageError` otherwise."""
    if cost.provenance is not None and cost.provenance.sha256 != machine.image.sha256:
        raise UsageError(f"the cost is of {cost.provenance.image}, the machine has {machine.image.path}: other bytes")
    return machine.program


def to_columns(cost: Cost | RunCost, table: str) -> dict[str, Any]:
    """See `m0sim.chip.views.Views.to_columns`."""
    call = cost.cost if isinstance(cost, RunCost) else cost
    if table == "instructions":
        return _instructions(call)
    kinds: dict[str, tuple[type, Sequence[Any]]] = {
        "functions": (FunctionCost, list(call.functions.values())),
        "calls": (CallEdge, call.edges),
        "call_tree": (CallNode, call.call_tree),
        "traffic": (TrafficCost, call.traffic),
    }
    if isinstance(cost, RunCost):
        kinds["handlers"] = (HandlerCost, cost.handlers)
    if table not in kinds:
        known = [name for name in TABLES if name in kinds or name == "instructions"]
        raise UsageError(f"no table {table!r}{did_you_mean(table, known)} (there are {', '.join(known)})")
    kind, rows = kinds[table]
    if table == "handlers":
        return _handlers(rows)
    return {field.name: [getattr(row, field.name) for row in rows] for field in fields(kind)}


def _instructions(cost: Cost) -> dict[str, Any]:
    table = cost.instruction_table
    columns = {
        name: getattr(table, name) for name in ("address", "encoding", "executions", "taken", "cycles", "stalls")
    }
    return {"function": [table.function_names[i] for i in table.function.tolist()], **columns}


def _handlers(rows: Sequence[HandlerCost]) -> dict[str, Any]:
    """A latency's figures are columns of their own; None where there is none."""
    names = [field.name for field in fields(HandlerCost) if field.name != "latency"]
    columns: dict[str, Any] = {name: [getattr(row, name) for row in rows] for name in names}
    latencies = [{} if row.latency is None else asdict(row.latency) for row in rows]
    return columns | {f"latency_{name}": [each.get(name) for each in latencies] for name in ("min", "mean", "max")}


def to_html(cost: Cost | RunCost, machine: Machine | Firmware | None) -> str:
    """See `m0sim.chip.views.Views.to_html`. Raises `UsageError` for a machine with another image."""
    run, call = (cost, cost.cost) if isinstance(cost, RunCost) else (None, cost)
    if machine is None:
        return _PAGE.format(title=escape(printable(f"m0sim: {_title(cost)}")), body=fragment(cost))
    _program_of(call, machine)
    return page(call, machine, run=run)


def fragment(cost: Cost | RunCost) -> str:
    """A piece of HTML: title, figures, functions. Names of a file are text in it, whatever they have in them."""
    call = cost.cost if isinstance(cost, RunCost) else cost
    shown = figures_of_run(cost) if isinstance(cost, RunCost) else figures(call)
    warnings = "".join(f"<div>warning: {escape(printable(line))}</div>" for line in call.warnings)
    return (
        f'<div class="m0sim"><style>{_STYLE}</style><div><b>{escape(printable(_title(cost)))}</b></div>'
        f"<table><tbody>{''.join(map(_figure, shown))}</tbody></table>{_functions(call)}{warnings}</div>"
    )


def _title(cost: Cost | RunCost) -> str:
    if isinstance(cost, RunCost):
        return f"{cost.cost.profile}: {cost.exit.reason}, {cost.exit.detail}"
    return f"{cost.function} on {cost.profile}"


def _figure(figure: Figure) -> str:
    remark = escape(printable(figure.remark))
    value = escape(printable(figure.value))
    return f'<tr><th scope="row">{figure.label}</th><td>{value}</td><td class="remark">{remark}</td></tr>'


def _functions(cost: Cost) -> str:
    rows = list(cost.functions.values())
    body = "".join(
        f"<tr><td>{escape(printable(row.name))}</td><td>{count(row.calls)}</td><td>{count(row.self_cycles)}</td>"
        f"<td>{share(row.self_cycles, cost.cycles)}</td><td>{count(row.inclusive_cycles)}</td></tr>"
        for row in rows[:_MOST_FUNCTIONS]
    )
    left = len(rows) - _MOST_FUNCTIONS
    more = f'<tr class="faint"><td>... and {left} more</td></tr>' if left > 0 else ""
    heads = "".join(f'<th scope="col">{name}</th>' for name in ("function", "calls", "self cycles", "", "inclusive"))
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{body}{more}</tbody></table>"
