"""The figures of a run, as text and HTML show them."""

from __future__ import annotations

from dataclasses import replace

from m0sim.chip.run_cost import HandlerCost, RunCost, StackUse
from m0sim.report.figures import Figure
from m0sim.report.figures import figures as figures_of_call
from m0sim.report.units import count, share, si

_OF_A_CALL = ("result", "time", "stack")
_TIMES = ("time", "asleep", "first output")


def figures(done: RunCost) -> list[Figure]:
    """The summary of a run: that of its cost, with time by its own clocks, and sleep."""
    cost = done.cost
    clocks = ", ".join(dict.fromkeys(f"{clock.hertz / 1e6:.6g} MHz" for clock in done.clocks))
    cycles, *rest = [figure for figure in figures_of_call(cost) if figure.label not in _OF_A_CALL]
    sure = cycles.certainty  # when something happens is as sure as the cycles until then
    asleep = Figure("asleep", count(done.sleep_cycles), share(done.sleep_cycles, cost.cycles), sure)
    first = []
    if done.first_output_cycle is not None:
        first.append(Figure("first output", count(done.first_output_cycle), "cycles to the first byte", sure))
    time = Figure("time", si(done.seconds, "s"), f"clock: {clocks}", sure)
    found = [cycles, time, asleep, *first, *rest]
    return found if done.contention is None else [_contended(figure) for figure in found]


def _contended(figure: Figure) -> Figure:
    """Where masters of the bus wait for each other, times are estimates."""
    if figure.label == "cycles":
        remark = "; ".join(filter(None, (figure.remark, "contention: an estimate, docs/accuracy.md")))
        return replace(figure, remark=remark, certainty="estimate")
    if figure.label == "stalls":
        return replace(figure, remark=f"{figure.remark}, or for who else has the bus", certainty="estimate")
    return replace(figure, certainty="estimate") if figure.certainty == "exact" and figure.label in _TIMES else figure


def stacks_of(done: RunCost) -> list[StackUse]:
    """All stacks; where both cores ran, their names say of which one."""
    if not done.cores:
        return list(done.stacks)
    return [replace(s, name=f"{s.name}, core {core.number}") for core in done.cores for s in core.stacks]


def handlers_of(done: RunCost) -> list[HandlerCost]:
    """All handlers; where both cores ran, their names say on which one."""
    if not done.cores:
        return list(done.handlers)
    return [replace(h, name=f"{h.name}, core {core.number}") for core in done.cores for h in core.handlers]
