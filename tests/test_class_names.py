"""A class of the study has a name of its own: whoever reads `Row` or `Task` need not ask whose it is."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "m0sim"


def adds_to_its_namesake(node: ast.ClassDef) -> bool:
    """`class Budget(budget.Budget)`: what the calls from Python return is the study's own, with tables."""
    return any(isinstance(base, ast.Attribute) and base.attr == node.name for base in node.bases)


def test_no_class_of_the_study_is_called_as_another_one() -> None:
    places: dict[str, list[str]] = defaultdict(list)
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_") and not adds_to_its_namesake(node):
                places[node.name].append(path.relative_to(PACKAGE).as_posix())
    assert len(places) > 100
    shared = {name: where for name, where in places.items() if len(where) > 1}
    assert not {name: where for name, where in shared.items() if any(w.startswith("study/") for w in where)}
