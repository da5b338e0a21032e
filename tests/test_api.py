"""The study's Python calls: the same answers as the verbs, as tables, from plain arguments."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from m0sim import cli
from m0sim.errors import UsageError
from m0sim.study import (
    Backbone,
    Conv,
    Dense,
    Network,
    Pool,
    budget,
    compare,
    load_data,
    load_network,
    pretrain,
    runs,
    train,
)
from m0sim.study.learn import side_by_side
from m0sim.study.whatif import budget as whatif_budget

PARTS = ("backbone", "transfer", "validation", "test")
ROOT = Path(__file__).parents[1]


Verb = Callable[..., dict[str, Any]]


@pytest.fixture
def verb(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Verb:
    """The JSON object that a verb prints."""

    def printed(words: str, *more: object) -> dict[str, Any]:
        monkeypatch.setattr(sys, "argv", ["m0sim", *words.split(), *map(str, more), "--json"])
        capsys.readouterr()
        with pytest.raises(SystemExit) as caught:
            cli.main()
        assert not caught.value.code
        found: dict[str, Any] = json.loads(capsys.readouterr().out)
        return found

    return printed


def same(found: dict[str, Any]) -> dict[str, Any]:
    """As JSON has it: tuples are lists there."""
    passed: dict[str, Any] = json.loads(json.dumps(found))
    return passed


def modules(code: str) -> set[str]:
    """What a process has imported behind `code`."""
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"], capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_the_import_alone_is_cheap() -> None:
    bare = modules("import m0sim.errors")
    assert modules("import m0sim.study") - bare == {"m0sim.study"}
    networks = modules("from m0sim.study import Network, Conv, Dense")
    assert "m0sim.study.learn.networks" in networks
    assert not networks & {"numpy", "click", "matplotlib", "unicorn", "m0sim.study.api"}


def test_every_name_is_there() -> None:
    import m0sim.study

    assert set(m0sim.study.__all__) == set(m0sim.study._HOMES) <= set(dir(m0sim.study))
    for name in m0sim.study.__all__:
        assert getattr(m0sim.study, name).__doc__, name
    with pytest.raises(AttributeError, match="no attribute 'nonesuch'"):
        m0sim.study.nonesuch  # noqa: B018


@pytest.mark.long
def test_compare_is_the_verb(verb: Verb) -> None:
    told: list[tuple[int, int, str]] = []
    result = compare(
        methods=["priot", "niti-static"], steps=1, form="small", task="noise:5", progress=lambda *now: told.append(now)
    )
    words = "compare --methods priot,niti-static --steps 1 --form small --task noise:5"
    assert same(result.to_dict()) == verb(words)
    assert told == [(1, 2, "priot"), (2, 2, "niti-static")]
    rows = result.table()
    assert [row["method"] for row in rows] == ["priot", "niti-static"]
    for row, method in zip(rows, result.methods, strict=True):
        assert (row["cycles_mean"], row["sram_total"]) == (method.cycles_mean, method.sram["total"])
        assert row["phases_prune"] == method.phases["prune"]
        assert row.keys() == rows[0].keys()
        assert not [value for value in row.values() if isinstance(value, list | dict | tuple)]


def test_budget_is_the_verb(verb: Verb) -> None:
    asked: dict[str, Any] = {"sram": "3K,64K", "methods": "priot-s,niti-static", "plan_only": True}
    result = budget("tiny-cnn-8", solve="fraction", clock=64_000_000, **asked)
    words = "budget --network tiny-cnn-8 --sram 3K,64K --methods priot-s,niti-static --solve --plan-only --clock 64M"
    assert same(result.to_dict()) == verb(words)
    rows = result.table()
    assert [(row["method"], row["room"]) for row in rows] == [
        ("priot-s", "3K"),
        ("niti-static", "3K"),
        ("priot-s", "64K"),
        ("niti-static", "64K"),
    ]
    assert [row["needed_bytes"] for row in rows] == [row.asked.planned.needed_bytes for row in result.rows]
    assert [row["fits"] for row in rows] == [False, False, True, True]
    solved = result.table("solution")
    assert [row["value"] for row in solved] == [
        None if row.solution is None else row.solution.configuration.fraction for row in result.rows
    ]
    assert len(result.table("best")) == 4
    with pytest.raises(UsageError, match="asked, best and solution"):
        result.table("worst")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="nothing was solved for"):
        budget("tiny-cnn-8", **asked).table("solution")


def test_a_budget_in_bytes_runs_its_steps() -> None:
    result = budget("tiny-cnn-8", sram=65_536, methods="niti-static", data=load_data("digits"))
    assert result.table()[0]["cycles"] == result.rows[0].asked.cycles
    assert result.data == "digits"


@pytest.mark.parametrize(
    ("call", "line"),
    [
        (lambda: compare("tiny-cn-8"), "unknown network 'tiny-cn-8'.*did you mean"),
        (lambda: compare(methods=["priot", "niti"]), "unknown method 'niti'"),
        (lambda: compare(methods=["priot", "./nowhere.py:Mine"]), "nowhere.py"),
        (lambda: train(method="./nowhere.py:Mine"), "nowhere.py"),
        (lambda: compare(methods="niti-static", mask="fused"), "--mask fused is of no use to niti-static"),
        (lambda: budget(sram="16K", methods="niti-static", fraction=0.5), "--fraction is of no use"),
        (lambda: train(method="niti-static", mask="fused"), "--mask fused is of no use"),
        (lambda: compare(steps=0), "--steps must be from 1 to 100,000, not 0"),
        (lambda: compare(form="tiny"), "tiny"),
        (lambda: compare(task="turn:3"), "unknown task 'turn:3'"),
        (lambda: compare(data=load_data("digits", split="transfer=0.5")), "digits has fixed parts"),
        (lambda: load_data("x.npz", range="5:1"), "--range 5:1"),
        (lambda: budget(sram="16Q"), "--sram: '16Q' is no size"),
        (lambda: budget(sram="16K", solve="depth"), "--solve 'depth'"),
        (lambda: budget(sram="16K", profile="rp2044"), "rp2044"),
        (lambda: train(method="priott"), "unknown method 'priott'.*did you mean 'priot'"),
        (lambda: train(method="priot", rotate=30, task="none"), "give one of --rotate and --task"),
        (lambda: train(method="priot", kep=0.5), "kep"),
        (lambda: train(method="priot", keep=1.5), "keep must be from 0 to 1"),
        (lambda: train(method="priot", engine="chip"), "unknown engine 'chip'"),
        (lambda: train(method="priot", test_images=-1), "--test-images must be"),
        (lambda: train(method="priot", resume=True), "--resume needs the folder"),
        (lambda: train("lenet", method="priot"), "lenet"),
        (lambda: pretrain(seed=-1), "seed -1"),
        (lambda: pretrain(output="nowhere/x.npz"), "there is no folder nowhere"),
        (lambda: pretrain(Network("none", (8, 8, 1), ())), "none has 0 layers"),
        (lambda: load_network("x.toml"), "x.toml"),
    ],
)
def test_errors_are_those_of_the_command_line(call: Any, line: str) -> None:
    with pytest.raises(UsageError, match=line) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_what_all_leaves_out_is_a_warning() -> None:
    with pytest.warns(UserWarning, match="fp32 is left out: it trains all layers or none"):
        result = budget("tiny-cnn-8", sram="64K", trained=1, plan_only=True)
    assert "fp32" not in {row["method"] for row in result.table()}


class Asked(Exception):
    """Instead of the work: what was asked for."""


EVERY: dict[Callable[..., Any], tuple[Any, str, dict[str, Any]]] = {
    compare: (
        side_by_side,
        "compare",
        {
            "network": "tiny-cnn",
            "data": "random",
            "task": "contrast:0.5",
            "methods": "priot,priot-s",
            "steps": 3,
            "base": "priot-s",
            "width": 0.5,
            "mask": "bits",
            "scratch": "least",
            "form": "fast",
            "weights": "sram",
            "profile": "stm32g0",
            "clock": "16M",
        },
    ),
    budget: (
        whatif_budget,
        "answer",
        {
            "network": "tiny-cnn",
            "sram": "16K,8K+4K",
            "methods": "priot,priot-s",
            "solve": "width",
            "fraction": 0.25,
            "trained": 2,
            "width": 0.5,
            "batch": 2,
            "reuse": False,
            "stack_reserve": "1K",
            "mask": "fused",
            "scratch": "least",
            "form": "fast",
            "weights": "sram",
            "profile": "stm32g0",
            "clock": "16M",
            "data": "random",
            "plan_only": True,
        },
    ),
    train: (
        runs,
        "train",
        {
            "network": "tiny-cnn-8",
            "method": "priot-s",
            "data": "digits",
            "task": "noise:9",
            "images": 100,
            "epochs": 7,
            "seed": 3,
            "shift": 2,
            "engine": "timed",
            "validation_images": 50,
            "test_images": "first60",
            "backbone": "b.npz",
            "mask": "fused",
            "scratch": "least",
            "form": "fast",
            "weights": "sram",
            "profile": "stm32g0",
            "resume": True,
            "output": "out",
            "trained": 2,
            "keep": 0.6,
            "deviation": 20,
            "prune": "top-k",
            "fraction": 0.3,
            "selection": "largest",
            "spread": "even",
            "sharpness": 1,
            "cool": 9,
            "refresh": 10,
        },
    ),
}


@pytest.mark.parametrize("call", EVERY, ids=lambda call: call.__name__)
def test_every_keyword_is_an_option(call: Callable[..., Any], verb: Verb, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them together, none at its default: the same is asked for by the call and by the verb."""
    place, name, given = EVERY[call]
    known = {key for key, kept in signature(call).parameters.items() if kept.kind is not kept.VAR_KEYWORD}
    assert known - given.keys() == {"progress"} | ({"rotate"} if call is train else set())

    def ask(*task: Any, **more: Any) -> None:
        raise Asked(task[:2] if call is train else task[0], more)

    monkeypatch.setattr(place, name, ask)
    with pytest.raises(Asked) as ours:
        call(**given)
    words = []
    for key, value in given.items():
        option = key.replace("_", "-")
        switch = "--" if value else "--no-"
        words.append(f"{switch}{option}" if isinstance(value, bool) else f"--{option}={value}")
    with pytest.raises(Asked) as theirs:
        verb(call.__name__, *words)
    assert told(ours.value.args) == told(theirs.value.args)


def told(asked: Any) -> Any:
    """What two that ask for the same have in common: data classes by their fields, arrays by their bytes."""
    if isinstance(asked, np.ndarray):
        return asked.tobytes()
    if is_dataclass(asked):
        return [told(getattr(asked, field.name)) for field in fields(asked)]
    return list(map(told, asked)) if isinstance(asked, tuple | list) else asked


SHORT: dict[str, Any] = {"method": "priot-s", "images": 16, "validation_images": 32, "test_images": 32}
SHORT_WORDS = "train --method priot-s --images 16 --validation-images 32 --test-images 32"


def test_train_is_the_verb(verb: Verb, tmp_path: Path) -> None:
    told: list[tuple[int, int, str]] = []
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    result = train(**SHORT, epochs=2, fraction=0.2, output=ours, progress=lambda *now: told.append(now))
    found = verb(f"{SHORT_WORDS} --epochs 2 --fraction 0.2 -o", theirs)
    assert same(result.to_dict()) == found == json.loads((ours / "train.json").read_text())
    for name in ("train.json", "state.npz", "learned.npz", "checkpoint.npz"):
        assert (ours / name).read_bytes() == (theirs / name).read_bytes(), name
    assert told[-1] == (32, 32, "")
    assert len(told) == 32
    rows = result.table()
    assert [row["epoch"] for row in rows] == [0, 1, 2]
    assert [row["accuracy"] for row in rows] == [found["accuracy_before"], *found["accuracy"]]
    assert [row["accuracy_validation"] for row in rows[1:]] == found["accuracy_validation"]
    assert [row["cycles"] for row in rows] == [0, *found["cycles_by_epoch"]]
    assert [[row[f"pruned_{layer}"] for layer in range(4)] for row in rows] == [[None] * 4, *found["pruned"]]
    assert rows[2]["energy_joules"] == found["energy_joules"]


@pytest.mark.long
def test_ctrl_c_keeps_the_run_which_goes_on(tmp_path: Path) -> None:
    whole = train(**SHORT, epochs=2)

    def press(done: int, todo: int, label: str) -> None:
        if done == 20:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt, match=r"1 of 2 epochs are done: go on with resume=True"):
        train(**SHORT, epochs=2, output=tmp_path, progress=press)
    told: list[int] = []
    rest = train(**SHORT, epochs=2, output=tmp_path, resume=True, progress=lambda done, todo, label: told.append(done))
    assert told == [*range(21, 33)]
    assert rest.to_dict() == whole.to_dict()
    with pytest.raises(KeyboardInterrupt, match="0 of 1 epochs are done: name a folder with output"):
        train(**SHORT, progress=lambda *now: signal.raise_signal(signal.SIGINT), epochs=1)


@pytest.fixture(scope="module")
def small() -> Backbone:
    """A network of one's own, pretrained on few digits that are arrays."""
    network = Network("small", (8, 8, 1), (Conv(4), Pool(), Dense(10)))
    return pretrain(network, data=digits(480, split="transfer=0.2,validation=0.15,test=0.25"))


def digits(count: int, **more: Any) -> Any:
    whole = load_digits()
    return load_data(images=whole.images[:count], labels=whole.labels[:count], **more)


def load_digits() -> Any:
    from m0sim.study.learn import datasets

    return datasets.load("digits")


@pytest.mark.long
def test_a_network_of_ones_own_goes_through_all(small: Backbone, tmp_path: Path, verb: Verb) -> None:
    assert small.record["data"] == "arrays.npz"
    assert small.record["accuracy"]["quantised"] > 0.8
    rows = compare(small, methods="niti-static", steps=1).table()
    assert [row["note"] for row in rows] == [""]  # no random weights
    planned = budget(small, sram="64K", methods=["niti-static"], plan_only=True).table("best")
    assert planned[0]["network"] == "small"
    data = digits(480, split="transfer=0.2,validation=0.15,test=0.25")
    learned = train(small, data=data, task="noise:40", **{**SHORT, "method": "niti-static"}, epochs=1).learned
    assert learned is not None
    assert learned.network == small.network
    assert not all(map(np.array_equal, learned.weights, small.weights))

    path = tmp_path / "small.npz"
    pretrain(small.network, data=data, output=path)
    read = load_network(path)
    assert isinstance(read, Backbone)
    assert all(map(np.array_equal, read.weights, small.weights))
    assert compare(path, methods="niti-static", steps=1).table() == rows
    assert (
        verb("compare --methods niti-static --steps 1 --network", path)["methods"][0]["cycles"]["mean"]
        == (rows[0]["cycles_mean"])
    )


def test_networks_are_loaded_by_name() -> None:
    assert isinstance(load_network("tiny-cnn-8"), Backbone)
    assert isinstance(load_network("lenet"), Network)


def test_arrays_are_data_as_a_file_is(tmp_path: Path, small: Backbone) -> None:
    whole = load_digits()
    given = {"images": whole.images[:480], "labels": whole.labels[:480]}
    small = replace(small, record={"made": "elsewhere"})  # or its own images would judge it, which is refused
    np.savez(tmp_path / "mine.npz", **given)
    words: Any = {"split": "transfer=0.4,validation=0.3,test=0.3", "split_seed": 3}
    ours = train(small, data=load_data(**given, **words), **SHORT, epochs=1).to_dict()
    theirs = train(small, data=load_data(tmp_path / "mine.npz", **words), **SHORT, epochs=1).to_dict()
    assert ours["split"].pop("sha256") != theirs["split"].pop("sha256")  # one is compressed
    assert (ours["split"].pop("file"), theirs["split"].pop("file")) == ("arrays.npz", "mine.npz")
    assert (ours.pop("data"), theirs.pop("data")) == ("arrays.npz", "mine.npz")
    assert ours == theirs

    parts = np.arange(480) % 4
    named = train(small, data=load_data(**given, split=np.array(PARTS)[parts]), **SHORT, epochs=1).to_dict()
    assert named["split"]["counts"] == dict.fromkeys(PARTS, 120)
    numbered = train(small, data=load_data(**given, split=parts.tolist()), **SHORT, epochs=1).to_dict()
    assert named["accuracy"] == numbered["accuracy"]


ONES = {"images": np.ones((4, 8, 8), np.uint8), "labels": [0, 1, 0, 1]}


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({}, "a name or a file, or else images and labels"),
        ({"data": "digits", "images": ONES["images"], "labels": [0]}, "a name or a file, or else images and labels"),
        ({"images": ONES["images"]}, "a name or a file, or else images and labels"),
        ({"data": "x.npz", "split": [0, 1]}, "split is an array: that goes with arrays"),
        ({"data": "nowhere/x.npz"}, "nowhere/x.npz: cannot read"),
        (ONES, "^the arrays: whole numbers from 0 to 1 would be two shades of black: say --range 0:1"),
        ({**ONES, "range": "0:1", "labels": [0, 1, 0]}, r"^the arrays: labels int64 \[3\] for 4 images"),
        ({**ONES, "labels": [0, 1, 0, None]}, "labels are Python objects"),
        ({**ONES, "images": [[1, 2], [3]], "labels": [0, 1]}, "images are no array"),
        ({**ONES, "range": "0:1", "split": [0, 1, 2, 4]}, "^the arrays: split 4; there are 0 backbone"),
        ({**ONES, "range": "0:1", "split": "transfer=2"}, "--split transfer=2"),
    ],
)
def test_what_is_no_data(given: dict[str, Any], line: str) -> None:
    with pytest.raises(UsageError, match=line) as caught:
        load_data(**given)
    assert "\n" not in str(caught.value)
