"""A study's results as JSON, as tables, and as Markdown: no wall times, so that the same study gives the same bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from m0sim.report import cost_json
from m0sim.report.cost_json import SCHEMA
from m0sim.report.units import count, si
from m0sim.study.learn import sources
from m0sim.study.learn.comparison import RECONSTRUCTION
from m0sim.study.learn.experiment.setting import Setting
from m0sim.study.learn.experiment.study import UNTUNED, Chosen, RunResult, RunResults, Study, StudyEntry, key_of, spread
from m0sim.study.learn.experiment.study_run import FinishedRuns
from m0sim.study.learn.experiment.training import accuracy, known_accuracy
from m0sim.study.learn.methods import BASE, is_reconstruction, record
from m0sim.study.learn.transfer import Transfer
from m0sim.study.report import robustness_data, study_summary, study_tasks
from m0sim.study.report.compare_data import Sheet, markdown_table, plain
from m0sim.study.report.study_tasks import data_words, file_of, heads, place, short, task_of, tasks_of

Values = dict[str, Any]


def result(study: Study, chosen: Chosen, rows: RunResults) -> Values:
    """The object that ``m0sim study --json`` prints and study.json holds."""
    finals = [f for what in study.tasks for f in _finals(study, what, chosen, rows)] if study.seeds else []
    are_angles = all(what.angle is not None for what in study.tasks)
    return {
        "schema": SCHEMA,
        "network": study.found.name,
        "data": study.source.title,
        **({"note": study.note} if study.note else {}),
        **sources.record(study.source),
        "profile": study.profile.name,
        "clock_hz": study.profile.clock_hz,
        "angles": [what.angle for what in study.tasks],
        **({} if are_angles else {"tasks": [what.title for what in study.tasks]}),
        "seeds": list(study.seeds),
        "images": study.images,
        "epochs": study.epochs,
        "validation_images": study.validation_images,
        "test_images": study.test_images,
        "tuning_epochs": study.tuning_epochs,
        "tuning_seeds": list(study.tuning_seeds),
        "tuning": [_tuning(study, entry, what, chosen, rows) for what in study.tasks for entry in study.entries],
        "finals": finals,
        "gaps": _gaps(finals),
        "robustness": robustness_data.result(study, chosen, rows),
    }


def _tuning(study: Study, entry: StudyEntry, what: Transfer, chosen: Chosen, rows: RunResults) -> Values:
    tries = study.tries(entry, what)
    runs = [
        {
            "shift": task.setting.shift,
            "seed": task.seed,
            "accuracy_validation": [accuracy(n, study.validation_images) for n in rows[key_of(task)].right_validation],
        }
        for task in tries
    ]
    return {
        **study_tasks.to_json(what),
        "method": entry.setting.method,
        "label": entry.setting.label,
        "options": dict(entry.setting.options),
        "before": accuracy(rows[key_of(tries[0])].before[0], study.validation_images),
        "runs": runs,
        "chosen_shift": chosen[what, entry.setting.label],
    }


def _finals(study: Study, what: Transfer, chosen: Chosen, rows: RunResults) -> list[Values]:
    found = []
    for entry in study.entries:
        setting = Setting(entry.setting.method, chosen[what, entry.setting.label], entry.setting.options)
        found.append(_final(study, setting, True, entry.label, what, rows))
        if entry.has_untuned:
            found.append(_final(study, entry.plain, False, entry.label, what, rows))
    return found


def _final(study: Study, setting: Setting, is_tuned: bool, label: str, what: Transfer, rows: RunResults) -> Values:
    done = [rows[key_of(study.final(setting, what, seed))] for seed in study.seeds]
    total, first = study.test_images, done[0]
    test = [[known_accuracy(n, total) for n in row.right_test] for row in done]
    validation = [[accuracy(n, study.validation_images) for n in row.right_validation] for row in done]
    cycles = first.cycles[-1]
    return {
        **study_tasks.to_json(what),
        "method": setting.method,
        **record(setting.method),
        "label": label,
        "is_tuned": is_tuned,
        "shift": setting.shift,
        "options": dict(setting.options),
        "accuracy_before": accuracy(first.before[1], total),
        "accuracy": test,
        "accuracy_validation": validation,
        "chosen_epochs": [row.chosen + 1 for row in done],
        "last": _ends(done, test)[0],
        "chosen": _ends(done, test)[1],
        **_forgotten(done),
        "swing": _falls(test),
        "swing_validation": _falls(validation),
        "cycles": cycles,
        "cycles_by_epoch": list(first.cycles),
        "cycles_source": "estimate",
        "seconds": study.profile.seconds(cycles),
        **cost_json.energy(study.profile.energy_use(cycles)),
        "sram_bytes": first.sram_bytes,
        "fits": first.fits,
        "pruned": [list(row.pruned) for row in done],
        "is_reconstruction": is_reconstruction(setting.method),
    }


Accuracies = Sequence[Sequence[float | None]]
"""By seed and epoch; None where nothing was judged."""


def _ends(done: Sequence[RunResult], found: Accuracies) -> tuple[dict[str, float] | None, dict[str, float] | None]:
    """Spreads over the seeds: after the last epoch, and after the one that validation chose; None where not judged."""
    last = [accuracies[-1] for accuracies in found]
    chosen = [accuracies[row.chosen] for row, accuracies in zip(done, found, strict=True)]
    return _known_spread(last), _known_spread(chosen)


def _known_spread(values: Sequence[float | None]) -> dict[str, float] | None:
    known = [value for value in values if value is not None]
    return spread(known) if len(known) == len(values) else None


def _forgotten(done: Sequence[RunResult]) -> Values:
    """What is left of the old task: its images are the same for all seeds."""
    count = done[0].old_images
    found = [[known_accuracy(n, count) for n in row.right_old] for row in done]
    return {
        "old_images": count,
        "accuracy_old_before": accuracy(done[0].before_old, count) if count else None,
        "accuracy_old": found,
        "old_last": _ends(done, found)[0],
        "old_chosen": _ends(done, found)[1],
    }


def _falls(found: Accuracies) -> dict[str, float] | None:
    """The largest fall from one epoch to the next: how much a method oscillates. None where epochs were not judged."""
    falls = []
    for accuracies in found:
        known = [value for value in accuracies if value is not None]
        if len(known) < len(accuracies):
            return None
        falls.append(round(max([0.0, *(a - b for a, b in pairwise(known))]), 6))
    return spread(falls)


def _gaps(finals: Sequence[Values]) -> list[Values]:
    """Every method's test accuracy minus the base method's, in points, seed by seed."""
    found = []
    for final in finals:
        wanted = (task_of(final), final["is_tuned"])
        same = (f for f in finals if (task_of(f), f["is_tuned"]) == wanted)
        base = next((f for f in same if f["label"] == BASE), None)
        if base is None or final["label"] == BASE:
            continue
        found.append(
            {
                **study_tasks.to_json(task_of(final)),
                "label": final["label"],
                "is_tuned": final["is_tuned"],
                "last": spread(_differences(final, base, lambda f, i: -1)),
                "chosen": spread(_differences(final, base, lambda f, i: f["chosen_epochs"][i] - 1)),
            }
        )
    return found


def _differences(final: Values, base: Values, epoch: Any) -> list[float]:
    pairs = enumerate(zip(final["accuracy"], base["accuracy"], strict=True))
    return [100 * (a[epoch(final, i)] - b[epoch(base, i)]) for i, (a, b) in pairs]


def times(finished: FinishedRuns) -> Values:
    """Wall times of the runs, which differ from machine to machine and from day to day."""
    return {"schema": SCHEMA, "seconds": round(sum(finished.seconds.values()), 1), "runs": finished.seconds}


# Tables


def sheets(r: Values) -> list[Sheet]:
    """The tables of a result: all tasks, for each task final accuracy and tuning, the gaps, how wide the road is."""
    return [sheet for sheet, _ in pictured(r)]


def pictured(r: Values) -> list[tuple[Sheet, str]]:
    """The tables, each with the name of the plot that shows the same, if there is one."""
    parts = [(study_summary.sheet(r), "front")] if r["finals"] else []
    for what in tasks_of(r):
        finals = [f for f in r["finals"] if task_of(f) == what]
        if finals:
            parts.append((_final_sheet(r, what, finals), f"curves-{file_of(what)}"))
        parts.append((_tuning_sheet(r, what), ""))
    gaps = [(_gap_sheet(r), "")] if r["gaps"] else []
    roads = [(sheet, "" if i else "robustness") for i, sheet in enumerate(robustness_data.sheets(r))]
    return [*parts, *gaps, *roads]


def _final_sheet(r: Values, what: Transfer, finals: Sequence[Values]) -> Sheet:
    rows = [_final_row(f, r["epochs"] * r["images"]) for f in finals]
    before = f"{100 * finals[0]['accuracy_before']:.2f} %"
    return Sheet(
        f"test accuracy: {data_words(r)} {what.words}",
        f"{r['epochs']} epochs of {count(r['images'])} images, {len(r['seeds'])} seeds: mean and (least to largest). "
        f"Chosen: the epoch with the best validation accuracy. {count(r['test_images'])} test images; no transfer "
        f"(static scales): {before}. Old task: {_old_words(finals[0])}. Fall: largest of validation accuracy from one "
        f"epoch to the next, mean of the seeds. Cycles, seconds and joules of the whole training on {r['profile']}, "
        f"estimated from measured steps of the first seed; SRAM planned, with stack. *: {RECONSTRUCTION}.",
        (
            *(
                "method",
                "shift",
                "last epoch, %",
                "chosen epoch, %",
                "old task, last, %",
                "old task, chosen, %",
                "fall",
            ),
            *("cycles a step", "seconds", "energy", "SRAM"),
        ),
        tuple(rows),
    )


def _final_row(f: Values, steps: int) -> tuple[str, ...]:
    energy = f["energy_joules"]
    return (
        f"{f['label']}{'*' * f['is_reconstruction']}{'' if f['is_tuned'] else ', untuned'}",
        str(f["shift"]),
        _range(f["last"], 100),
        _range(f["chosen"], 100),
        _old_range(f, "old_last"),
        _old_range(f, "old_chosen"),
        _fall(f),
        count(round(f["cycles"] / steps)),
        f"{f['seconds']:,.1f}",
        "unknown" if energy is None else si(energy, "J"),
        count(f["sram_bytes"]) + ("" if f["fits"] else " (does not fit)"),
    )


def _old_words(f: Values) -> str:
    """What the old task is; a result from before it was asked does not have it."""
    if not f.get("old_images"):
        return "not judged"
    before = f"{100 * f['accuracy_old_before']:.2f} %"
    return f"{count(f['old_images'])} test images as the backbone knows them, {before} before"


def _old_range(f: Values, which: str) -> str:
    return _range(f[which], 100) if f.get(which) else "-"


def _fall(f: Values) -> str:
    falls = _falls(f["accuracy_validation"])
    return "-" if falls is None else f"{100 * falls['mean']:.1f}"


def _range(s: Mapping[str, float], scale: float) -> str:
    mean, low, high = (scale * s[name] for name in ("mean", "min", "max"))
    return f"{mean:.2f} ({low:.2f} to {high:.2f})"


def _tuning_sheet(r: Values, what: Transfer) -> Sheet:
    found = [t for t in r["tuning"] if task_of(t) == what]
    width = max(len({run["shift"] for run in t["runs"]}) for t in found)
    rows = []
    for t in found:
        cells = [f"{shift:+d}: {100 * value:.1f}" for shift, value in _by_shift(t).items()]
        rows.append((t["label"], f"{100 * t['before']:.1f}", f"{t['chosen_shift']:+d}", *cells))
    return Sheet(
        f"tuning at {place(what)}",
        f"Validation accuracy, %, after {r['tuning_epochs']} epochs by learning shift; "
        f"{count(r['validation_images'])} images, seed {', '.join(map(str, r['tuning_seeds']))}. Shift {UNTUNED:+d} is "
        "the calibrated one.",
        ("method", "before", "chosen", *(f"setting {i + 1}" for i in range(width))),
        tuple(rows),
    )


def _by_shift(t: Values) -> dict[int, float]:
    """Mean validation accuracy after the last tuning epoch, by shift."""
    found: dict[int, list[float]] = {}
    for run in t["runs"]:
        found.setdefault(run["shift"], []).append(run["accuracy_validation"][-1])
    return {shift: sum(values) / len(values) for shift, values in found.items()}


def _gap_sheet(r: Values) -> Sheet:
    rows = [
        (g["label"], short(task_of(g)), "tuned" if g["is_tuned"] else "untuned", _range(g["last"], 1), _gap(g))
        for g in r["gaps"]
    ]
    return Sheet(
        f"gap to {BASE}, points",
        f"Test accuracy minus that of {BASE} at the same {heads(r)[0]} and seed, both tuned or both untuned: mean "
        "and (least to largest) over the seeds. The paper's abstract claims 8.08 to 33.75 points for PRIOT over "
        "existing static methods: its claim, not ours.",
        ("method", heads(r)[1], "setting", "last epoch", "chosen epoch"),
        tuple(rows),
    )


def _gap(g: Values) -> str:
    return _range(g["chosen"], 1)


def heading(r: Values) -> str:
    """One line: what was studied."""
    return f"{r['network']} on {data_words(r)}: {len(r['tuning'])} tuned settings, {len(r['seeds'])} seeds"


def markdown(r: Values) -> str:
    """study.md: the tables, and the curves that lie beside it."""
    parts = ["# m0sim study", f"{plain(heading(r))}."]
    for sheet in sheets(r):
        title = f"{sheet.title[:1].upper()}{sheet.title[1:]}"
        parts += [f"## {title}", plain(sheet.remark), markdown_table(sheet)]
    parts += [f"![{place(what)}](curves-{file_of(what)}.png)" for what in tasks_of(r) if r["finals"]]
    parts += ["![What an answer costs](front.png)"] if r["finals"] else []
    parts += ["![How wide the road is](robustness.png)"] if r.get("robustness") else []
    return "\n\n".join(parts) + "\n"
