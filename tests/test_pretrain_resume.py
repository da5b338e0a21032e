"""A backbone whose training was ended and goes on is the same, byte for byte; another checkpoint is refused."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_cli import Run, run  # noqa: F401

from m0sim import arrays
from m0sim.errors import UsageError
from m0sim.study import runs
from m0sim.study.learn import datasets, float_training, network_toml, pretrain, pretrain_checkpoint
from m0sim.study.learn.datasets import Dataset
from m0sim.study.learn.float_training import Recipe
from m0sim.study.learn.networks import Conv, Dense, Network
from m0sim.study.learn.pretrain import Pretraining

TINY = Network("tiny", (8, 8, 1), (Conv(2, stride=2, bias=True), Dense(10)))
ADAM = Recipe(epochs=3, rate=1e-2, decay=0.1, smoothing=0.1, batch=200)
MOMENTUM = replace(ADAM, rule="momentum", rate=0.05, clip=2.0, flip=True, move=1)
"""Five batches an epoch, and what is left over."""


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return datasets.load("digits")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(float_training, "RECIPES", {"digits": ADAM})
    monkeypatch.setattr(pretrain, "CALIBRATION_IMAGES", 32)


def press_at(step: int) -> Callable[..., None]:
    """A listener to progress that presses Ctrl-C after this step."""

    def tell(done: int, todo: int, label: str = "") -> None:
        if done == step:
            signal.raise_signal(signal.SIGINT)

    return tell


def interrupted(digits: Dataset, file: Path, step: int = 7) -> Path:
    """The checkpoint of a run that was ended after this step."""
    with pytest.raises(KeyboardInterrupt):
        runs.pretrain(Pretraining(TINY, digits, 1), file, press_at(step))
    return file.with_name("b.checkpoint.npz")


@pytest.mark.parametrize("recipe", [ADAM, MOMENTUM])
@pytest.mark.parametrize("steps", [[1], [5], [7, 8], [15], [3, 10, 14]])
def test_a_resumed_backbone_is_the_same_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, digits: Dataset, recipe: Recipe, steps: Sequence[int]
) -> None:
    monkeypatch.setattr(float_training, "RECIPES", {"digits": recipe})
    whole, parts = tmp_path / "whole.npz", tmp_path / "parts.npz"
    runs.pretrain(Pretraining(TINY, digits, 1), whole)
    for i, step in enumerate(steps):
        said = rf"^{step // 5} of 3 epochs are done: go on with resume=True$"
        with pytest.raises(KeyboardInterrupt, match=said):
            runs.pretrain(Pretraining(TINY, digits, 1), parts, press_at(step), resume=i > 0)
        assert not parts.exists()
    told: list[int] = []
    runs.pretrain(Pretraining(TINY, digits, 1), parts, lambda done, todo: told.append(done), resume=True)
    assert told == [*range(steps[-1] + 1, 16)]
    assert parts.read_bytes() == whole.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["parts.npz", "whole.npz"]


def test_there_is_a_checkpoint_after_every_epoch(tmp_path: Path, digits: Dataset) -> None:
    """Where nothing can be kept any more, as when the power fails, an epoch at most is lost."""
    path, found = tmp_path / "b.checkpoint.npz", dict[int, int]()

    def look(done: int, todo: int) -> None:
        if path.exists():
            found[done] = json.loads(str(np.load(path)["record"]))["step"]

    runs.pretrain(Pretraining(TINY, digits, 1), tmp_path / "b.npz", look)
    assert found == {step: (step - 1) // 5 * 5 for step in range(6, 16)}


def test_nothing_is_kept_beside_what_is_no_file(digits: Dataset) -> None:
    assert pretrain_checkpoint.path_for(Path("/dev/null")) is None
    with pytest.raises(KeyboardInterrupt, match="0 of 3 epochs are done: name a file"):
        runs.pretrain(Pretraining(TINY, digits), None, press_at(2))
    for output in (None, Path("/dev/null")):
        with pytest.raises(UsageError, match="--resume needs the file whose checkpoint to resume from: -o FILE"):
            runs.pretrain(Pretraining(TINY, digits), output, resume=True)


def test_another_training_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, digits: Dataset) -> None:
    file = tmp_path / "b.npz"
    path = interrupted(digits, file)
    wider = replace(TINY, layers=(Conv(3, stride=2, bias=True), Dense(10)))
    changed = digits.images.copy()
    changed[1500, 0, 0] ^= 1  # a test image, which is part of what the record says

    def refused(training: Pretraining, said: str) -> None:
        with pytest.raises(UsageError, match=said) as found:
            runs.pretrain(training, file, resume=True)
        assert str(found.value).startswith(f"{path}: was made with ")
        assert "\n" not in str(found.value)

    refused(Pretraining(wider, digits, 1), "network .*conv = 2.*, not .*conv = 3")
    refused(Pretraining(TINY, digits, 2), "seed 1, not 2")
    refused(Pretraining(TINY, digits, 1, "copies"), 'note "", not "copies"')
    refused(Pretraining(TINY, replace(digits, images=changed), 1), "images_sha256 .*, not")
    monkeypatch.setattr(float_training, "RECIPES", {"digits": replace(ADAM, epochs=4)})
    refused(Pretraining(TINY, digits, 1), 'recipe .*"epochs": 3,.* not .*"epochs": 4,')


def _record(stored: dict[str, Any], **changes: Any) -> dict[str, Any]:
    record = {**json.loads(str(stored["record"])), **changes}
    return {**stored, "record": np.array(json.dumps(record))}


DAMAGE: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "no record": lambda stored: {name: array for name, array in stored.items() if name != "record"},
    "no text": lambda stored: {**stored, "record": np.array("{")},
    "a list": lambda stored: {**stored, "record": np.array("[]")},
    "schema": lambda stored: _record(stored, schema=2),
    "no weights": lambda stored: {name: array for name, array in stored.items() if name != "weights_1"},
    "shape": lambda stored: {**stored, "weights_0": stored["weights_0"][:1]},
    "kind": lambda stored: {**stored, "mean_0": stored["mean_0"].astype(np.float64)},
    "step": lambda stored: _record(stored, step=16),
    "no number": lambda stored: _record(stored, step=1.5),
    "order": lambda stored: {**stored, "order": np.full_like(stored["order"], 3)},
    "far": lambda stored: {**stored, "order": stored["order"] + 1},
    "dice": lambda stored: _record(stored, random={"bit_generator": "PCG64", "state": {"state": -1, "inc": 1}}),
    "other dice": lambda stored: _record(stored, random={"bit_generator": "MT19937"}),
    "no dice": lambda stored: _record(stored, random=None),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_checkpoint_that_is_none_is_one_line(tmp_path: Path, digits: Dataset, kind: str) -> None:
    path = interrupted(digits, tmp_path / "b.npz")
    stored = arrays.read_npz(path, "it")
    path.write_bytes(arrays.to_npz(DAMAGE[kind](stored)))
    with pytest.raises(UsageError, match=r"b\.checkpoint\.npz: not a checkpoint of m0sim pretrain: [^\n]+$"):
        runs.pretrain(Pretraining(TINY, digits, 1), tmp_path / "b.npz", resume=True)


def test_damaged_bytes_are_refused(tmp_path: Path, digits: Dataset) -> None:
    """Cut anywhere, or with a byte changed where an array is: never another backbone."""
    path = interrupted(digits, tmp_path / "b.npz")
    whole = path.read_bytes()
    middle = len(whole) // 2
    spoiled = [whole[:at] for at in (0, 1, middle, len(whole) - 1)]
    spoiled.append(whole[:middle] + bytes([whole[middle] ^ 0x40]) + whole[middle + 1 :])
    for content in spoiled:
        path.write_bytes(content)
        with pytest.raises(UsageError, match=r"not a checkpoint of m0sim pretrain: [^\n]+$"):
            runs.pretrain(Pretraining(TINY, digits, 1), tmp_path / "b.npz", resume=True)


def test_the_verb_says_how_to_go_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, run: Run) -> None:  # noqa: F811
    network = tmp_path / "tiny.toml"
    network.write_text(network_toml.dumps(TINY))
    words = ("pretrain", "--network", str(network), "--seed", "3", "-o")
    whole, parts = (str(tmp_path / f"{name}.npz") for name in ("whole", "parts"))
    missing = run(*words, parts, "--resume")
    assert (missing.code, missing.out) == (2, "")
    assert (
        missing.err
        == f"m0sim: {tmp_path}/parts.checkpoint.npz: no such checkpoint to resume from; leave out --resume\n"
    )
    assert run(*words, whole).code == 0
    with monkeypatch.context() as patch:
        train = float_training.FloatRun._train_batch

        def press(self: Any) -> None:
            train(self)
            if self.step == 8:
                signal.raise_signal(signal.SIGINT)

        patch.setattr(float_training.FloatRun, "_train_batch", press)
        ended = run(*words, parts)
    assert (ended.code, ended.out) == (1, "")
    assert (
        ended.err
        == f"m0sim: interrupted; resume with: m0sim pretrain --network {network} --seed 3 -o {parts} --resume\n"
    )
    assert run(*words, parts, "--resume").code == 0
    assert Path(parts).read_bytes() == Path(whole).read_bytes()
