"""A memory budget as JSON (docs/json.md), and as the tables that text and HTML share."""

from __future__ import annotations

from typing import Any

from m0sim.report import cost_json
from m0sim.report.cost_json import SCHEMA
from m0sim.report.units import count, kib, si
from m0sim.study.learn.comparison import RECONSTRUCTION
from m0sim.study.learn.methods import is_reconstruction, record
from m0sim.study.report.compare_data import Sheet
from m0sim.study.whatif import sizes
from m0sim.study.whatif.budget import Answer, Budget, BudgetRow, knob_value
from m0sim.study.whatif.configuration import Configuration, layers_of, wide_network


def to_json(budget: Budget) -> dict[str, Any]:
    """The object that ``m0sim budget --json`` prints and budget.json holds."""
    asked = budget.question
    network = wide_network(asked.found.network, asked.knobs.width)
    solved = {"solve": asked.solve, "solution": _solution(budget, budget.solution)} if asked.solve else {}
    return {
        "schema": SCHEMA,
        "network": asked.found.name,
        "weight_count": network.weights,
        "macs": network.macs,
        "profile": asked.device.name,
        "clock_hz": asked.device.clock_hz,
        "data": budget.data or None,
        "rows": [_row(budget, row) for row in budget.rows],
        **solved,
    }


def _row(budget: Budget, row: BudgetRow) -> dict[str, Any]:
    solved = {"solution": _solution(budget, row.solution)} if budget.question.solve else {}
    best = None if row.best is None else _answer(budget, row.best)
    return {**_answer(budget, row.asked), "best": best, **solved}


def _answer(budget: Budget, answer: Answer) -> dict[str, Any]:
    planned, device = answer.planned, budget.question.device
    tensor, phase = planned.limiting
    cycles, measured = answer.cycles, answer.measured
    return {
        "sram_bytes": answer.room.size,
        "banks": list(answer.room.banks),
        "method": answer.configuration.method,
        **record(answer.configuration.method),
        "is_reconstruction": is_reconstruction(answer.configuration.method),
        **knobs(answer.configuration),
        "fits": answer.fits,
        "needed_bytes": planned.needed_bytes,
        "spare_bytes": answer.spare_bytes,
        "plan_bytes": planned.plan.sram_bytes,
        "lower_bound_bytes": planned.plan.lower_bound,
        "ratio_to_bound": planned.ratio,
        "stack_bytes": planned.stack_bytes,
        "sram_by_kind": planned.plan.sram_by_kind(),
        "flash_bytes": planned.need.flash_bytes,
        "limiting": {"tensor": tensor, "phase": phase},
        "cycles": cycles,
        "cycles_source": answer.cycles_source,
        "cycles_of_steps": None if measured is None else list(measured.cycles),
        "flash_estimate_cycles": None if measured is None else measured.flash_estimate_cycles,
        "flash_misses_words": None if measured is None else measured.flash_misses_words,
        "seconds": None if cycles is None else device.seconds(cycles),
        **cost_json.energy(None if cycles is None else device.energy_use(cycles)),
    }


def knobs(c: Configuration) -> dict[str, Any]:
    """The knobs by name; ``layers`` is how many could learn."""
    return {
        "network": c.network.name,
        "width": c.width,
        "trained": c.trained,
        "layers": layers_of(c),
        "fraction": c.fraction,
        "mask": c.mask,
        "weights": c.weights,
        "scratch": c.scratch,
        "reuse": c.reuse,
        "batch": c.batch,
    }


def _solution(budget: Budget, answer: Answer | None) -> dict[str, Any] | None:
    knob = budget.question.solve
    if answer is None or knob is None:
        return None
    return {"knob": knob, "value": knob_value(answer.configuration, knob), **_answer(budget, answer)}


def heading(budget: Budget) -> str:
    """One line: what was asked."""
    asked = budget.question
    device, width = asked.device, f" at {asked.knobs.width:g} times its width" if asked.knobs.width != 1 else ""
    steps = f"steps on {budget.data}" if budget.data else "planned, nothing was run"
    network = wide_network(asked.found.network, asked.knobs.width)
    size = f"{count(network.weights)} weights, {count(network.macs)} forward MACs"
    return f"{asked.found.name}{width} ({size}) on {device.name} ({device.clock_hz / 1e6:g} MHz): {steps}"


def sheets(budget: Budget) -> tuple[Sheet, ...]:
    """What was asked for, the best that fits, and what was solved."""
    both = (_asked(budget), _best(budget))
    return (*both, _solved(budget)) if budget.question.solve else both


def _asked(budget: Budget) -> Sheet:
    rows = []
    for row in budget.rows:
        a = row.asked
        tensor, phase = a.planned.limiting
        rows.append(
            (
                a.configuration.method,
                sizes.kib(a.room),
                "yes" if a.fits else "no",
                kib(a.planned.needed_bytes),
                kib(a.spare_bytes),
                f"{a.planned.ratio:.3f}",
                tensor,
                phase,
                *_costs(budget, a),
            )
        )
    return Sheet(
        "what was asked for",
        f"{shown(budget)} Needed: SRAM of the plan and the stack, KiB; spare: negative when missing. Ratio: the plan "
        "over the most bytes that are live at one time, which no plan can be below. Limiting: the largest tensor at "
        f"that time, and the phase. {_said_of_cycles(budget)}",
        ("method", "SRAM, KiB", "fits", "needed, KiB", "spare, KiB", "ratio", "limiting", "phase", *_COSTS),
        tuple(rows),
    )


_COSTS = ("cycles", "flash (est.)", "ms", "energy")


def _costs(budget: Budget, a: Answer) -> tuple[str, ...]:
    if a.cycles is None or a.measured is None:
        return ("-",) * len(_COSTS)
    device, extra = budget.question.device, a.measured.flash_estimate_cycles
    joules = device.energy_joules(a.cycles)
    return (
        count(a.cycles),
        "-" if extra is None else count(round(extra)),
        f"{1e3 * device.seconds(a.cycles):,.3f}",
        "unknown" if joules is None else si(joules, "J"),
    )


def _said_of_cycles(budget: Budget) -> str:
    if not budget.data:
        return "No step was run: there are no cycles."
    return (
        f"Cycles: measured on the simulated chip at level memory, mean of at most {_steps(budget)} steps, zero wait "
        "states; flash: what flash adds, by a model, with its cache warm from the step before."
    )


def _steps(budget: Budget) -> int:
    measured = [row.asked.measured for row in budget.rows if row.asked.measured is not None]
    return max((len(m.cycles) for m in measured), default=0)


def shown(budget: Budget) -> str:
    """The knobs of the rows, in words."""
    asked = [row.asked.configuration for row in budget.rows]
    found = {
        "layers learning": {f"{c.trained} of {layers_of(c)}" for c in asked},
        "scored": {f"{100 * c.fraction:.3g} %" for c in asked if c.fraction is not None},
        "mask": {c.mask for c in asked if c.mask is not None},
        "scratch": {c.scratch for c in asked if c.scratch is not None},
        "frozen weights in": {c.weights for c in asked if c.weights is not None},
        "batch": {str(c.batch) for c in asked if c.batch != 1},
        "reuse": {"off" for c in asked if not c.reuse},
    }
    return "; ".join(f"{name}: {', '.join(sorted(values))}" for name, values in found.items() if values) + "."


def _best(budget: Budget) -> Sheet:
    rows = [_chosen(budget, row, row.best) for row in budget.rows]
    return Sheet(
        "the best that fits",
        "The most layers that learn, then the largest share of scored edges, then the fewest cycles, the estimate for "
        "flash included. What an option names stays as it was named.",
        _CHOSEN,
        tuple(rows),
    )


_CHOSEN = (
    *("method", "SRAM, KiB", "layers", "scored", "mask", "scratch", "weights", "width", "needed, KiB", "spare, KiB"),
    *_COSTS,
)


def _chosen(budget: Budget, row: BudgetRow, a: Answer | None) -> tuple[str, ...]:
    name = row.asked.configuration.method
    if a is None:
        return (name, sizes.kib(row.asked.room), "nothing", *["-"] * (len(_CHOSEN) - 3))
    c = a.configuration
    return (
        name,
        sizes.kib(a.room),
        f"{c.trained} of {layers_of(c)}",
        "-" if c.fraction is None else f"{100 * c.fraction:.3g} %",
        c.mask or "-",
        c.scratch or "-",
        c.weights or "-",
        f"{c.width:g}",
        kib(a.planned.needed_bytes),
        kib(a.spare_bytes),
        *_costs(budget, a),
    )


_SOLVED = {
    "fraction": "the largest share of scored edges that fits",
    "width": "the widest network that fits",
    "layers": "the most layers that can learn",
}


def _solved(budget: Budget) -> Sheet:
    knob = budget.question.solve or "fraction"
    rows = [_chosen(budget, row, row.solution) for row in budget.rows]
    if knob == "fraction":
        rows = [
            chosen
            for chosen, row in zip(rows, budget.rows, strict=True)
            if row.asked.configuration.fraction is not None
        ]
    return Sheet(_SOLVED[knob], "All other knobs as asked.", _CHOSEN, tuple(rows))


def notes(budget: Budget) -> tuple[str, ...]:
    """What a reader of the figures must know."""
    asked = budget.question
    said = [
        "Code and constants are in flash. SRAM is the step's alone: add what your firmware needs, and 32 bytes of "
        "stack for an interrupt that may come."
    ]
    names = [name for name in asked.methods if is_reconstruction(name)]
    if names:
        said.append(f"{', '.join(names)}: {RECONSTRUCTION}; none of this is a paper's number.")
    measured = [m for row in budget.rows if (m := row.asked.measured) is not None]
    if any(m.note for m in measured):
        said.append(f"{', '.join(sorted({m.note for m in measured if m.note}))}: there is no backbone of this network.")
    if budget.data == "random":
        said.append("The images are noise, on which a step takes longer than on real ones: name those with --data.")
    if asked.knobs.batch != 1:
        said.append("A batch is planned only: int32 gradients add up in SRAM, and there is no kernel for it.")
    return tuple(said)
