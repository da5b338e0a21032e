"""What keeps PRIOT's accuracy steady.

python -m m0sim.study.stability run priot:-2:30:0 priot,cool=2048:-4:30:0 --data-dir DIR  # METHOD:SHIFT:ANGLE:SEED
python -m m0sim.study.stability cycles --data-dir DIR                                     # the costs on the device
python -m m0sim.study.stability table                                                     # the page

DIR holds MNIST's files. `run` adds lines to stability.jsonl, `cycles` replaces those of the costs, and `table` makes
stability.md from them. `run` trains on the golden model, so it can try arithmetic that no kernel has.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from m0sim import files
from m0sim.errors import UsageError
from m0sim.study import journal
from m0sim.study.stability import figures, page
from m0sim.study.stability.runs import VARIANTS, measure, read_spec, run


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m m0sim.study.stability", description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("docs/study"), metavar="DIR", help="of figures and page")
    verbs = parser.add_subparsers(dest="verb", required=True)
    runs = verbs.add_parser("run", help="train and add runs to stability.jsonl")
    runs.add_argument("specs", nargs="+", metavar="SPEC", help="METHOD[,OPTION=VALUE...]:SHIFT:ANGLE:SEED")
    measured = verbs.add_parser("cycles", help="measure the costs on the device anew")
    for verb in (runs, measured):
        verb.add_argument("--data-dir", type=Path, required=True, metavar="DIR", help="with MNIST's files")
    verbs.add_parser("table", help="write stability.md from stability.jsonl")
    asked = parser.parse_args()
    asked.figures = asked.folder / figures.FILE
    try:
        {"run": _run, "cycles": _cycles, "table": _table}[asked.verb](asked)
    except UsageError as wrong:
        print(f"stability: {wrong}", file=sys.stderr)
        sys.exit(2)


def _run(asked: argparse.Namespace) -> None:
    files.check_folder(asked.figures)
    for spec in [read_spec(text) for text in asked.specs]:
        journal.append(asked.figures, json.dumps({**asdict(spec), "accuracy": run(spec, asked.data_dir)}))


def _cycles(asked: argparse.Namespace) -> None:
    kept = [line for line in _lines(asked) if "cycles" not in json.loads(line)]
    measured = [json.dumps(measure(*variant, asked.data_dir)) for variant in VARIANTS]
    _write(asked, figures.arranged([*kept, *measured]))


def _table(asked: argparse.Namespace) -> None:
    lines = figures.arranged(_lines(asked))
    content = page.page(figures.figures(lines))
    _write(asked, lines)
    files.write(asked.folder / page.FILE, content)


def _lines(asked: argparse.Namespace) -> list[str]:
    if not asked.figures.is_file():
        raise UsageError(f"{asked.figures}: no such file: run this in a checkout, or name its docs/study with --folder")
    return [line.decode() for line in journal.lines(asked.figures)]


def _write(asked: argparse.Namespace, lines: Iterable[str]) -> None:
    files.write(asked.figures, "".join(f"{line}\n" for line in lines))


if __name__ == "__main__":
    main()
