"""A sweep's results: one row a point, one Parquet file, the same bytes however the sweep was run."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from m0sim import files
from m0sim.errors import UsageError
from m0sim.study.learn import methods
from m0sim.study.learn.methods import Method
from m0sim.study.learn.methods.options import SHARED
from m0sim.study.whatif import planned
from m0sim.study.whatif.configuration import DEFAULT_FRACTION, layers_of
from m0sim.study.whatif.grid import Constraints, Point
from m0sim.study.whatif.measure import Measured

NAME = "results.parquet"
MEASURED, FAILED, TOO_LARGE = "measured", "failed", "too large"
"""Status of a point; too large: for the largest budget of the sweep, and only planned."""

SweepRow = dict[str, Any]
JournalEntry = Mapping[str, Any]
"""What the journal has of a point."""

COLUMNS = {
    **dict.fromkeys(("key", "status", "reason", "network", "method"), "string"),
    "width": "double",
    **dict.fromkeys(("trained", "layers"), "int64"),
    "fraction": "double",
    **dict.fromkeys(("mask", "weights", "scratch"), "string"),
    "reuse": "bool",
    **dict.fromkeys(("profile", "data"), "string"),
    **dict.fromkeys(("seed", "steps", "needed_bytes", "plan_bytes", "lower_bound_bytes", "stack_bytes"), "int64"),
    "flash_bytes": "int64",
    **dict.fromkeys(("limiting_tensor", "limiting_phase"), "string"),
    "fits": "bool",
    **dict.fromkeys(("cycles", "cycles_min", "cycles_max"), "int64"),
    "cycles_source": "string",
    **dict.fromkeys(("flash_estimate_cycles", "flash_misses_words", "seconds", "energy_joules", "accuracy"), "double"),
}
"""Name and type of every column; all but key and status may be null."""

_OF_FLASH = ("flash_estimate_cycles", "flash_misses_words")
_ALWAYS = ("key", "network", "method")
_NEEDED = {
    MEASURED: (*_ALWAYS, "width", "trained", "layers", "needed_bytes", "cycles", "profile", "seed"),
    FAILED: (*_ALWAYS, "reason"),
    TOO_LARGE: _ALWAYS,
}
"""What a row with a status has."""
_ROWS = 1 << 20
"""More than any sweep has."""


def measured_entry(key: str, point: Point, measured: Measured) -> SweepRow:
    """What the journal keeps of a measured point."""
    kept = {"cycles": list(measured.cycles)} | {name: getattr(measured, name) for name in _OF_FLASH}
    return {"key": key, "point": dict(point.values), "measured": kept}


def failed_entry(key: str, point: Point, reason: str) -> SweepRow:
    """What the journal keeps of a point that has no figures."""
    return {"key": key, "point": dict(point.values), "reason": " ".join(reason.split())}


def row(key: str, point: Point, data: str, entry: JournalEntry, accuracy: float | None) -> SweepRow:
    """The row of a finished point, or, with an empty entry, of one that is too large to be run."""
    made: SweepRow = dict.fromkeys(COLUMNS) | {"key": key, "profile": point.device.name, "seed": point.seed}
    made["status"] = MEASURED if "measured" in entry else FAILED if "reason" in entry else TOO_LARGE
    made["reason"] = entry.get("reason")
    if point.configuration is None:
        return (
            made
            | {"network": point.network}
            | {name: point.values[name] for name in ("method", "width", "trained", "reuse")}
        )
    made |= _planned(point) | {"data": data, "accuracy": accuracy}
    return made | _costs(point, entry["measured"]) if "measured" in entry else made


def _planned(point: Point) -> SweepRow:
    assert point.configuration is not None
    made, c = planned.plan(point.configuration), point.configuration
    tensor, phase = made.limiting
    return {
        "network": c.network.name,
        **{name: getattr(c, name) for name in ("method", "width", "trained", "fraction", "mask", "weights")},
        "scratch": c.scratch,
        "reuse": c.reuse,
        "layers": layers_of(c),
        "needed_bytes": made.needed_bytes,
        "plan_bytes": made.plan.sram_bytes,
        "lower_bound_bytes": made.plan.lower_bound,
        "stack_bytes": made.stack_bytes,
        "flash_bytes": made.need.flash_bytes,
        "limiting_tensor": tensor,
        "limiting_phase": phase,
        "fits": made.need.fits(point.device),
    }


def _costs(point: Point, found: JournalEntry) -> SweepRow:
    cycles = found["cycles"]
    mean = round(sum(cycles) / len(cycles))
    return {
        "steps": len(cycles),
        "cycles": mean,
        "cycles_min": min(cycles),
        "cycles_max": max(cycles),
        "cycles_source": "measured",
        **{name: found[name] for name in _OF_FLASH},
        "seconds": point.device.seconds(mean),
        "energy_joules": point.device.energy_joules(mean),
    }


def to_parquet(rows: Iterable[SweepRow]) -> bytes:
    """The file: rows in the order of their keys."""
    import pyarrow
    from pyarrow import parquet

    table = pyarrow.Table.from_pylist(sorted(rows, key=lambda r: r["key"]), schema=_schema(pyarrow))
    file = io.BytesIO()
    parquet.write_table(table, file, compression="zstd")
    return file.getvalue()


def _schema(pyarrow: Any) -> Any:
    return pyarrow.schema([(name, _type(pyarrow, kind)) for name, kind in COLUMNS.items()])


def _type(pyarrow: Any, kind: str) -> Any:
    return {"string": pyarrow.string(), "double": pyarrow.float64(), "int64": pyarrow.int64(), "bool": pyarrow.bool_()}[
        kind
    ]


def read(folder: Path) -> list[SweepRow]:
    """The rows in a sweep's folder. UsageError where there are none."""
    need_extra()
    import pyarrow
    from pyarrow import parquet

    path = folder / NAME
    if not path.is_file():
        raise UsageError(f"{path}: no such file: the sweep did not end; run it again, and it goes on where it was")
    try:
        about = parquet.read_metadata(path)
        size = sum(about.row_group(i).total_byte_size for i in range(about.num_row_groups))
        if about.num_rows > _ROWS or size > files.LIMIT:
            raise ValueError(f"{about.num_rows:,} rows, {size:,} bytes: more than {_ROWS:,} or {files.LIMIT:,}")
        missing = [name for name in COLUMNS if name not in about.schema.to_arrow_schema().names]
        if missing:
            raise ValueError(f"no column {missing[0]}")
        rows = parquet.read_table(path, columns=list(COLUMNS)).select(list(COLUMNS)).cast(_schema(pyarrow)).to_pylist()
        _check(rows)
    except (OSError, ValueError, KeyError, MemoryError, pyarrow.ArrowException) as error:
        why = " ".join(str(error).split())
        raise UsageError(f"{path}: not the results of a sweep by this m0sim ({why}): run the sweep again") from error
    return list(rows)


def _check(rows: Sequence[SweepRow]) -> None:
    """Raises ValueError for a row that no sweep wrote."""
    for number, found in enumerate(rows):
        if found["status"] not in (MEASURED, FAILED, TOO_LARGE):
            raise ValueError(f"row {number}: unknown status {found['status']!r}")
        missing = [name for name in _NEEDED[found["status"]] if found[name] is None]
        if missing:
            raise ValueError(f"row {number}: {missing[0]} is missing")
        if found["status"] == MEASURED and not 0 <= found["trained"] <= found["layers"] > 0 < found["cycles"]:
            raise ValueError(f"row {number}: layers or cycles cannot be")


def need_extra() -> None:
    """UsageError, which says what to do, where Dask or PyArrow are not installed."""
    if find_spec("distributed") is None or find_spec("pyarrow") is None:
        raise UsageError("sweeps need Dask and PyArrow: pip install 'm0sim[study]'")


def accuracies(paths: Sequence[Path]) -> dict[tuple[Any, ...], float]:
    """Mean accuracy after the last epoch of the results of ``m0sim train``.

    By network and backbone, method, width, number of layers that learn (0: all), and fraction, as a configuration has
    them, and the method's own options.
    """
    found: dict[tuple[Any, ...], list[float]] = {}
    for path in paths:
        try:
            result = json.loads(files.read(path))
            options = result.get("options", {})
            if result["method"] not in methods.names():
                raise ValueError(f"unknown method {result['method']!r}")
            method = methods.get(result["method"])
            fraction = float(options.get("fraction", DEFAULT_FRACTION)) if method.has_fraction else None
            key = (
                (result["network"], result.get("backbone_sha256")),
                result["method"],
                1.0,
                int(options.get("trained", method.default_trained)),
                fraction if fraction is None else 1 / round(1 / fraction),
                _own(method, options),
            )
            found.setdefault(key, []).append(float(result["accuracy"][-1]))
        except (LookupError, OSError, ValueError, TypeError, AttributeError, ArithmeticError) as error:
            raise UsageError(f"{path}: not the result of m0sim train: {error!r}") from error
    return {key: sum(values) / len(values) for key, values in found.items()}


def accuracy_of(
    point: Point, known: Mapping[tuple[Any, ...], float], backbone_sha256: str | None = None
) -> float | None:
    """The accuracy of a point's method, layers and fraction, where a training result gave one: of the same backbone,
    which is one's own where it has a hash."""
    c = point.configuration
    if c is None:
        return None
    trained = 0 if c.trained == layers_of(c) else c.trained
    own = _own(methods.get(c.method), {})
    return known.get(((c.network.name, backbone_sha256), c.method, c.width, trained, c.fraction, own))


def _own(method: Method, options: Mapping[str, Any]) -> tuple[Any, ...]:
    """The values of the options that only this method has: a sweep uses their defaults."""
    return tuple(options.get(name, option.default) for name, option in method.options.items() if name not in SHARED)


def best(rows: Sequence[SweepRow], constraints: Constraints) -> list[tuple[int, SweepRow]]:
    """For each budget and method the best measured row that fits, without a row where nothing does.

    Best is the highest accuracy, where it is known; then the most layers that learn, the largest share of scored edges,
    the fewest cycles with what flash adds, and the least SRAM.
    """
    found = []
    for budget in constraints.sram:
        fitting = [r for r in rows if r["status"] == MEASURED and r["needed_bytes"] <= budget]
        if constraints.cycles is not None:
            fitting = [r for r in fitting if r["cycles"] <= constraints.cycles]
        for method in dict.fromkeys(r["method"] for r in sorted(rows, key=lambda r: str(r["method"]))):
            own = [r for r in fitting if r["method"] == method]
            if own:
                found.append((budget, max(own, key=_worth)))
    return found


def _worth(r: SweepRow) -> tuple[Any, ...]:
    cycles = r["cycles"] + (r["flash_estimate_cycles"] or 0.0)
    return (
        r["accuracy"] or 0.0,
        r["trained"] / r["layers"],
        r["fraction"] or 0.0,
        -cycles,
        -r["needed_bytes"],
        r["key"],
    )
