"""Methods are asked for what they can do, never for their names: a new one is a module and a line in the registry."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from m0sim.chip import device
from m0sim.study.learn import datasets, methods, side_by_side
from m0sim.study.learn.config import DeviceOptions
from m0sim.study.learn.experiment.setting import tuned
from m0sim.study.learn.experiment.training import Task, TrainingRun, same
from m0sim.study.learn.methods import priot
from m0sim.study.whatif import planned
from m0sim.study.whatif.configuration import configure

PACKAGE = Path(__file__).parents[1] / "m0sim"
OWN = ("study/learn/methods/", "study/learn/float_step.py")
"""Where names of methods may decide."""
SHORTEST = 4
"""A prefix of a name with so many letters is a name: ``startswith("priot")``."""
WORDS = ("bias",)
"""Prefixes that mean something else: what a layer has."""


def is_name(node: ast.AST) -> bool:
    if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
        return False
    text = node.value
    if text in WORDS:
        return False
    return any(name == text or (len(text) >= SHORTEST and name.startswith(text)) for name in methods.names())


def deciding(tree: ast.AST) -> Iterator[ast.AST]:
    """Constants that something is compared with, looked up by, or that are listed to be."""
    for node in ast.walk(tree):
        match node:
            case ast.Compare(left=left, comparators=others):
                yield from (left, *others)
            case ast.Tuple(elts=elements) | ast.List(elts=elements) | ast.Set(elts=elements):
                if all(isinstance(e, ast.Constant) and isinstance(e.value, str) for e in elements):
                    yield from elements
            case ast.Dict(keys=keys):
                yield from filter(None, keys)
            case ast.Subscript(slice=key):
                yield key
            case ast.MatchValue(value=value):
                yield value
            case ast.Call(func=ast.Attribute(), args=arguments):
                yield from arguments
                yield from (e for a in arguments if isinstance(a, ast.Tuple) for e in a.elts)
            case ast.Assign(value=value) | ast.AnnAssign(value=value) if value is not None:
                yield value


def found(source: str) -> list[int]:
    """Lines on which a method's name decides something."""
    return sorted({node.lineno for node in deciding(ast.parse(source)) if is_name(node)})


def test_no_name_decides_outside_of_the_registry() -> None:
    sources = {path: path.relative_to(PACKAGE).as_posix() for path in sorted(PACKAGE.rglob("*.py"))}
    assert len(sources) > 100
    places = [
        f"{name}:{line}"
        for path, name in sources.items()
        if not name.startswith(OWN)
        for line in found(path.read_text(encoding="utf-8"))
    ]
    assert places == []


@pytest.mark.parametrize(
    "source",
    [
        'if method == "priot-s": pass',
        'if "fp32" != method: pass',
        'if method in ("priot", "tin-tin"): pass',
        'if method.startswith("priot"): pass',
        'if method.startswith(("x", "niti")): pass',
        'COLOURS = {"tin-tin": 1}',
        'NAMES = ("niti-static", "other")',
        'x = looks["fp32"]',
        'methods.get("priot")',
        'match method:\n    case "fp32":\n        pass',
        'METHOD = "fp32"',
    ],
)
def test_a_name_that_decides_is_found(source: str) -> None:
    assert found(source)


@pytest.mark.parametrize(
    "source", ['"""priot"""', 'help("such as priot,priot-s, or all")', 'x = "plan"', 'SPEC = ("priot", 1)']
)
def test_other_words_are_not(source: str) -> None:
    assert not found(source)


def test_every_method_brings_all_of_it() -> None:
    for name in methods.names():
        method = methods.get(name)
        assert method.name == name
        assert method.source
        assert method.is_reconstruction == ("abstract" in method.source)
        assert method.learns in ("weights", "scores")
        assert (method.learns == "scores") == bool(method.mask_forms)
    assert {name for name in methods.names() if methods.is_reconstruction(name)} == {
        *("niti-partial", "niti-replay", "priot", "priot-threshold", "priot-s", "priot-s-head"),
        *("tin-tin", "bias-last", "zo-int8"),
    }
    assert methods.integer_names() == methods.names()[:-1]


class Twin(priot.Priot):
    """A new method, as one would add it: PRIOT under another name."""

    name = "twin"
    source = "a test"
    is_reconstruction = False


def test_a_new_method_is_there_for_everyone(monkeypatch: pytest.MonkeyPatch) -> None:
    """One registration: it is planned, measured, compared, trained on both engines, and drawn."""
    monkeypatch.setattr(methods, "_METHODS", {**methods._METHODS, "twin": Twin()})
    one, other = (planned.plan(configure("tiny-cnn-8", name)) for name in ("priot", "twin"))
    assert one.plan.placed == other.plan.placed
    digits, chip = datasets.load("digits"), device.load("rp2040")
    task = side_by_side.task_of("tiny-cnn-8", digits, chip, "priot,twin", steps=1, base="", options=DeviceOptions())
    priot_found, twin_found = side_by_side.compare(task).methods
    assert replace(twin_found, method="priot", note=priot_found.note) == priot_found
    assert (priot_found.remark, twin_found.remark) == ("our reconstruction", "")
    few = {"images": 4, "epochs": 1, "validation_images": 10, "test_images": 10}
    runs = [
        TrainingRun(Task("tiny-cnn-8", "digits", tuned(*s, {}), **few)).train() for s in (("priot", 0), ("twin", 0))
    ]
    assert same(*(run.progress.arrays for run in runs))
    front_plot = pytest.importorskip("m0sim.study.report.front_plot")
    assert front_plot.draw([front_plot.PlottedPoint("twin", "twin", 1024, 1e6, 1)], "twin").startswith(b"<?xml")
