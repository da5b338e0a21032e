"""docs/study.ipynb: its code runs from top to bottom in one namespace, which is all that a kernel would do with it.

Without Jupyter: the cells are plain Python, and a kernel with what it needs is thirty packages and a server process.
"""

from __future__ import annotations

import ast
import json
import re
from typing import Any

import pytest
from test_cli import ROOT

FILE = ROOT / "docs/study.ipynb"
CELLS = json.loads(FILE.read_text(encoding="utf-8"))["cells"]
CODE = ["".join(cell["source"]) for cell in CELLS if cell["cell_type"] == "code"]


def test_the_file_is_a_stripped_notebook() -> None:
    whole = json.loads(FILE.read_text(encoding="utf-8"))
    assert (whole["nbformat"], whole["nbformat_minor"]) == (4, 5)
    assert len({cell["id"] for cell in CELLS}) == len(CELLS)
    for cell in CELLS:
        assert re.fullmatch("[a-zA-Z0-9-_]{1,64}", cell["id"])
        assert cell["cell_type"] in ("markdown", "code")
        if cell["cell_type"] == "code":
            assert (cell["outputs"], cell["execution_count"]) == ([], None)
    assert not [line for text in CODE for line in text.splitlines() if line.startswith(("%", "!"))]
    assert not re.search(r"[\"'(](/|[A-Z]:\\\\|~)", "".join(CODE))  # no path of somebody's machine


@pytest.mark.long
def test_the_notebook_runs(capsys: pytest.CaptureFixture[str]) -> None:
    namespace: dict[str, Any] = {}
    for number, text in enumerate(CODE):
        exec(compile(ast.parse(text), f"cell {number} of study.ipynb", "exec"), namespace)
    shown = capsys.readouterr().out.splitlines()
    assert shown[0] == "644 weights, 7,232 multiply-accumulates an image"
    assert namespace["backbone"].record["accuracy"]["quantised"] > 0.8
    assert [row["method"] for row in namespace["compared"].table()] == namespace["methods"]
    assert {row["fits"] for row in namespace["fits"].table()} == {True, False}  # or the budgets would show nothing
    before, *_, after = namespace["trained"].table()
    assert after["accuracy"] > before["accuracy"]
    assert namespace["trained"].learned.network == namespace["network"]
