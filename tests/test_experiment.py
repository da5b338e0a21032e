"""Training runs: engines that agree, checkpoints that lose nothing, and `m0sim train` itself, on the bundled digits."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import found_toolchain, quick_of
from hypothesis import given
from hypothesis import strategies as st

from m0sim import cli
from m0sim.chip.options import ENGINES
from m0sim.errors import UsageError
from m0sim.interrupts import noticing
from m0sim.study.learn import kernels, methods
from m0sim.study.learn.experiment import checkpoint, images
from m0sim.study.learn.experiment.setting import Setting, tuned
from m0sim.study.learn.experiment.training import RunProgress, Task, Training, TrainingRun, complete, same
from m0sim.study.learn.methods.base import Arrays
from m0sim.study.report import train_data, train_plots

try:
    kernels.load()
except UsageError as missing:
    pytest.skip(str(missing), allow_module_level=True)

MNIST = os.environ.get("M0SIM_MNIST_DIR")

#: Settings under which a few images change every layer that learns.
LEARNING: dict[str, Setting] = {
    "niti-static": Setting("niti-static", -1),
    "niti-dynamic": Setting("niti-dynamic", -1),
    "priot": Setting("priot", -4, {"keep": 0.9}),
    "priot-threshold": Setting("priot-threshold", -4),
    "priot-s": Setting("priot-s", -5, {"keep": 0.8, "fraction": 0.2}),
    "priot-s largest": Setting("priot-s", -5, {"prune": "threshold", "theta": -32, "selection": "largest"}),
    "priot-s sensitive": Setting("priot-s", -4, {"selection": "sensitive", "spread": "root", "deviation": 16}),
    "priot cool": Setting("priot", -5, {"keep": 0.9, "cool": 7, "refresh": 4}),
    "tin-tin": Setting("tin-tin", -1, {"sharpness": 1}),
    "niti-static last": Setting("niti-static", -1, {"trained": 1}),
    "priot last": Setting("priot", -4, {"keep": 0.9, "trained": 1}),
}


FEW: dict[str, Any] = {
    "network": "tiny-cnn-8",
    "data": "digits",
    "images": 20,
    "epochs": 2,
    "validation_images": 32,
    "test_images": 40,
    "engine": "golden",
    "measured": 0,
}


def task(setting: Setting, **changes: Any) -> Task:
    return Task(setting=setting, **{**FEW, **changes})


def trained(setting: Setting, **changes: Any) -> Training:
    return TrainingRun(task(setting, **changes)).train()


class TestOrder:
    @given(st.integers(0, 2**32), st.integers(0, 50), st.integers(0, 300))
    def test_it_is_a_permutation_of_its_own(self, seed: int, epoch: int, count: int) -> None:
        found = images.order(seed, epoch, count)
        assert sorted(found) == list(range(count))
        assert count < 20 or not np.array_equal(found, images.order(seed, epoch + 1, count))
        assert count < 20 or not np.array_equal(found, images.order(seed + 1, epoch, count))

    def test_it_never_changes(self) -> None:
        """Of SeedSequence([7, 2, 1]) through PCG64, whose streams NumPy promises to keep."""
        raw = [int(n) for n in np.random.PCG64(np.random.SeedSequence([7, 2, 1])).random_raw(8)]
        assert list(images.order(7, 1, 8)) == sorted(range(8), key=lambda i: raw[i])


class TestSetting:
    @pytest.mark.parametrize(
        ("method", "shift", "options", "said"),
        [
            ("priott", 0, {}, "did you mean 'priot'"),
            ("priot", 25, {}, "shift must be -24..24"),
            ("priot", 0, {"kep": 0.9}, "did you mean 'keep'"),
            ("priot", 0, {"keep": 1.5}, "keep must be from 0 to 1"),
            ("priot-threshold", 0, {"theta": 0.5}, "theta must be a whole number"),
            ("priot", 0, {"trained": True}, "trained must be a whole number"),
            ("priot-s", 0, {"selection": "best"}, "random, largest or sensitive"),
            ("fp32", 0, {"keep": 0.9}, "fp32 has no option keep"),
        ],
    )
    def test_what_is_wrong_is_said(self, method: str, shift: int, options: dict[str, Any], said: str) -> None:
        with pytest.raises(UsageError, match=said):
            Setting(method, shift, options)

    def test_labels(self) -> None:
        assert Setting("priot").label == "priot"
        assert Setting("priot-s", 3, {"fraction": 0.05, "selection": "largest"}).label == "priot-s 5 % largest"
        assert Setting("niti-static", 3, {"trained": 1}).label == "niti-static last layer"

    @pytest.mark.parametrize("name", ["niti-static", "priot", "priot-s", "niti-dynamic", "tin-tin"])
    def test_a_shift_is_that_many_bits(self, name: str) -> None:
        base, shifted = (TrainingRun(task(Setting(name, shift))).model.config for shift in (0, 2))  # type: ignore[attr-defined]
        assert shifted.forward == base.forward
        assert shifted.backward == base.backward
        assert [b - a for a, b in zip(base.update, shifted.update, strict=True)] == [2] * len(base.update)
        assert (shifted.mu, shifted.rate) == (base.mu - 2, base.rate + 2)

    def test_static_shifts_stay_in_range(self) -> None:
        for shift in (-24, 24):
            config = TrainingRun(task(Setting("priot", shift))).model.config  # type: ignore[attr-defined]
            assert set(config.update) <= {0, 24}

    def test_sharpness_is_seen_by_the_loss_alone(self) -> None:
        """Sharper logits give other errors; tin-tin's rate takes back what its gradients' exponents gain."""
        plain, sharp = (TrainingRun(task(Setting("tin-tin", 0, o))).model.config for o in ({}, {"sharpness": 2}))  # type: ignore[attr-defined]
        assert sharp.image_exponent == plain.image_exponent + 2
        assert sharp.rate == plain.rate + 2

    def test_tuned_fills_in_what_is_not_given(self) -> None:
        assert tuned("priot", 3, {"keep": 0.5}).shift == 3
        assert tuned("priot", None, {"keep": 0.5}).options["keep"] == 0.5


class TestEngines:
    @pytest.mark.parametrize("name", quick_of(LEARNING, ["niti-dynamic", "priot-s", "priot cool", "tin-tin"]))
    def test_device_and_golden_give_the_same_bytes(self, name: str) -> None:
        device, golden = (trained(LEARNING[name], engine=engine) for engine in ("device", "golden"))
        assert same(device.progress.arrays, golden.progress.arrays)
        assert changed(LEARNING[name], device.progress.arrays)
        assert [e.right_test for e in device.progress.epochs] == [e.right_test for e in golden.progress.epochs]
        assert [e.pruned for e in device.progress.epochs] == [e.pruned for e in golden.progress.epochs]

    @pytest.mark.long
    @pytest.mark.parametrize("name", ["niti-dynamic", "priot-s"])
    def test_an_estimate_from_every_step_is_the_measurement(self, name: str) -> None:
        device = trained(LEARNING[name], engine="device")
        golden = trained(LEARNING[name], measured=20)
        assert [e.cycles for e in golden.progress.epochs] == [e.cycles for e in device.progress.epochs]

    @pytest.mark.long
    def test_an_estimate_from_few_steps_is_near_the_measurement(self) -> None:
        more = {"images": 160, "epochs": 1}
        device, golden = (
            trained(LEARNING["priot"], engine="device", **more),
            trained(LEARNING["priot"], measured=16, **more),
        )
        assert golden.progress.cycles == pytest.approx(device.progress.cycles, rel=0.1)

    def test_float_steps_are_the_devices(self) -> None:
        found_toolchain("zig")
        few = {"images": 3, "epochs": 1}
        device, golden = (trained(Setting("fp32"), engine=engine, **few) for engine in ("device", "golden"))
        for name, values in golden.progress.arrays.items():
            assert values.dtype == np.float32
            np.testing.assert_allclose(device.progress.arrays[name], values, rtol=0, atol=2e-6)
        assert changed(Setting("fp32"), golden.progress.arrays)

    @pytest.mark.long
    def test_learning_helps(self) -> None:
        """Not a figure of the study: only that what is learned is what is wanted."""
        for setting in (Setting("niti-static"), Setting("fp32"), Setting("priot", -3, {"keep": 0.9})):
            run = trained(setting, images=0, epochs=1, validation_images=0)
            assert run.progress.epochs[0].right_validation > run.before[0] + 0.1 * run.validation, setting

    def test_before_is_the_backbone_as_it_is(self) -> None:
        weights, scores = (
            trained(Setting("niti-static"), epochs=1),
            trained(Setting("priot", 0, {"keep": 0.5}), epochs=1),
        )
        assert weights.before == weights.start
        assert scores.before != scores.start  # half of the edges are pruned at random

    def test_seeds_differ_and_repeat(self) -> None:
        a, again, b = (trained(LEARNING["priot-s"], seed=seed).progress.arrays for seed in (1, 1, 2))
        assert same(a, again)
        assert not same(a, b)

    @pytest.mark.long
    @pytest.mark.parametrize("name", LEARNING)
    def test_after_1024_images(self, name: str) -> None:
        """All of MNIST's transfer images where M0SIM_MNIST_DIR names the files, else the digits' 256, four times."""
        if MNIST:
            plain = Task("tiny-cnn", "mnist", LEARNING[name], Path(MNIST), images=1024, epochs=1, test_images=1)
        else:
            plain = task(LEARNING[name], images=256, epochs=4)
        device, golden = (
            TrainingRun(replace(plain, engine=engine, measured=0)).train().progress for engine in ("device", "golden")
        )
        assert same(device.arrays, golden.arrays)
        assert changed(LEARNING[name], device.arrays, plain.network, plain.data)


def changed(setting: Setting, arrays: Arrays, network: str = "tiny-cnn-8", data: str = "digits") -> bool:
    """Whether every learned array has moved."""
    start = TrainingRun(task(setting, network=network, data=data, data_dir=MNIST and Path(MNIST))).progress.arrays
    return all(not np.array_equal(arrays[name], start[name]) for name in start)


def whole_task(name: str, engine: str) -> Task:
    return task(LEARNING[name], engine=engine, measured=5)


@lru_cache
def uninterrupted(name: str, engine: str) -> Training:
    return TrainingRun(whole_task(name, engine)).train()


class TestCheckpoints:
    @pytest.mark.parametrize(
        ("name", "engine", "stops"),
        [
            *(("priot-s", "golden", [20]), ("priot cool", "device", [7, 33])),
            *(
                pytest.param(name, engine, stops, marks=pytest.mark.long)
                for name in ("priot-s", "priot cool")
                for engine in ("device", "golden")
                for stops in ([1], [20], [7, 33], [20, 39])
            ),
        ],
    )
    def test_a_resumed_run_is_the_same_run(self, tmp_path: Path, name: str, engine: str, stops: list[int]) -> None:
        """Where the cut is renewed every fourth step, a run only stops there."""
        asked = whole_task(name, engine)
        every = asked.setting.options.get("refresh", 1)
        whole = uninterrupted(name, engine)
        progress = None
        for stop in stops:
            run = TrainingRun(asked, progress)
            run.train(keep=lambda now: checkpoint.save(tmp_path, run.task, now), is_stopped=after(run, stop))  # noqa: B023
            progress = checkpoint.load(tmp_path, complete(asked))
            assert 20 * len(progress.epochs) + progress.position == -(-stop // every) * every
        resumed = TrainingRun(asked, progress).train()
        assert same(resumed.progress.arrays, whole.progress.arrays)
        assert train_data.to_json(resumed) == train_data.to_json(whole)

    def test_it_is_there_after_every_epoch(self, tmp_path: Path) -> None:
        seen = []
        run = TrainingRun(task(LEARNING["niti-static"]))

        def keep(progress: RunProgress) -> None:
            checkpoint.save(tmp_path, run.task, progress)
            seen.append(len(checkpoint.load(tmp_path, run.task).epochs))

        run.train(keep=keep)
        assert seen == [1, 2]

    def test_more_epochs_may_be_asked_for_but_nothing_else(self, tmp_path: Path) -> None:
        short, long = task(LEARNING["priot"], epochs=1), task(LEARNING["priot"], epochs=2)
        TrainingRun(short).train(keep=lambda now: checkpoint.save(tmp_path, complete(short), now))
        resumed = TrainingRun(long, checkpoint.load(tmp_path, complete(long))).train()
        assert same(resumed.progress.arrays, TrainingRun(long).train().progress.arrays)
        with pytest.raises(UsageError, match="was made with seed 0, not 1"):
            checkpoint.load(tmp_path, complete(replace(long, seed=1)))
        with pytest.raises(UsageError, match='was made with method "priot", not "priot-s"'):
            checkpoint.load(tmp_path, complete(replace(long, setting=LEARNING["priot-s"])))

    def test_damaged_files_are_refused(self, tmp_path: Path) -> None:
        asked = complete(task(LEARNING["niti-static"], epochs=1))
        with pytest.raises(UsageError, match="no such checkpoint"):
            checkpoint.load(tmp_path, asked)
        TrainingRun(asked).train(keep=lambda now: checkpoint.save(tmp_path, asked, now))
        path = tmp_path / checkpoint.CHECKPOINT
        good = path.read_bytes()
        rng = np.random.default_rng(0)
        cut = [good[:n] for n in rng.integers(0, len(good), 20)]
        for bad in [b"", b"no zip", *cut]:
            path.write_bytes(bad)
            with pytest.raises(UsageError, match="not a checkpoint"):
                checkpoint.load(tmp_path, asked)

    @pytest.mark.parametrize(
        ("key", "value", "said"),
        [
            ("task", 5, "not a checkpoint"),
            ("task", None, "not a checkpoint"),
            ("epochs", 5, "not a checkpoint"),
            ("epochs", [[1, 2, 3]], "not a checkpoint"),
            ("epochs", [[1, 2, "x", []]], "not a checkpoint"),
            ("epochs", [[1, 2, 3, [1.5]]], "not a checkpoint"),
            ("position", "1", "not a checkpoint"),
            ("position", -1, "not a checkpoint"),
            ("position", 1 << 40, "not a checkpoint"),
            ("cycles", None, "not a checkpoint"),
            ("step_cycles", 1.5, "not a checkpoint"),
            (None, None, "not a checkpoint"),
            ("weights0", np.zeros(3, np.int8), "not have the arrays"),
            ("weights0", None, "not have the arrays"),
            ("weights9", np.zeros(3, np.int8), "not have the arrays"),
        ],
    )
    def test_a_record_or_array_that_no_run_wrote_is_refused(
        self, tmp_path: Path, key: str | None, value: Any, said: str
    ) -> None:
        asked = complete(task(LEARNING["niti-static"], epochs=1, engine="golden"))
        checkpoint.save(tmp_path, asked, TrainingRun(asked).progress)
        path = tmp_path / checkpoint.CHECKPOINT
        with np.load(path) as stored:
            found: dict[str, Any] = dict(stored)
        record = json.loads(str(found["record"]))
        if key is None:
            record = [record]
        elif key.startswith("weights"):
            found[key] = value
        else:
            record[key] = value
        found["record"] = np.array(json.dumps(record))
        np.savez(path, **{name: array for name, array in found.items() if array is not None})
        with pytest.raises(UsageError, match=said):
            TrainingRun(asked, checkpoint.load(tmp_path, asked))

    def test_equal_states_are_equal_files(self, tmp_path: Path) -> None:
        arrays = trained(LEARNING["priot"]).progress.arrays
        contents = []
        for _ in range(2):
            checkpoint.save_state(tmp_path, arrays)
            contents.append((tmp_path / checkpoint.STATE).read_bytes())
            time.sleep(0.01)
        assert contents[0] == contents[1]


def after(run: TrainingRun, steps: int) -> Any:
    """A question that is answered with yes from that many steps on."""
    return lambda: 20 * len(run.progress.epochs) + run.progress.position >= steps


def test_ctrl_c_is_noticed_and_a_second_one_ends_all() -> None:
    with noticing() as stop:
        assert not stop()
        signal.raise_signal(signal.SIGINT)
        assert stop()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize("engine", ["device", "golden"])
def test_what_executes_the_steps_does_not_show(engine: str) -> None:
    few: dict[str, Any] = {"engine": engine, "images": 4, "measured": 2}
    found = [trained(LEARNING["priot-s"], **few, chip_engine=chip_engine) for chip_engine in ENGINES]
    assert train_data.to_json(found[0]) == train_data.to_json(found[1])
    assert same(found[0].progress.arrays, found[1].progress.arrays)
    assert found[0].progress.cycles > 0


# The command


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["m0sim", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0)


FIXED = {"accuracy_before", "accuracy", "cycles", "cycles_source", "sram_bytes", "state", "flash_estimate_cycles"}
SHORT = ("train", "--images", "8", "--epochs", "2", "--test-images", "first24")


class TestCommand:
    @pytest.mark.parametrize(
        ("method", "engine"),
        [
            *(("priot-s", "device"), ("niti-dynamic", "device"), ("zo-int8", "device"), ("priot", "golden")),
            *(
                pytest.param(name, engine, marks=pytest.mark.long)
                for name in methods.integer_names()
                for engine in ("device", "golden")
            ),
        ],
    )
    def test_json_has_the_fixed_names_and_the_state_is_the_same(
        self, monkeypatch: Any, capsys: Any, tmp_path: Path, method: str, engine: str
    ) -> None:
        monkeypatch.setattr(train_plots, "files", lambda training: {})  # they take most of the time
        assert run(monkeypatch, *SHORT, "--method", method, "--engine", engine, "--json", "-o", str(tmp_path)) == 0
        printed = json.loads(capsys.readouterr().out)
        assert printed.keys() >= FIXED
        assert json.loads((tmp_path / "train.json").read_text()) == printed
        assert len(printed["accuracy"]) == len(printed["accuracy_validation"]) == 2
        assert printed["cycles_source"] == {"device": "measured", "golden": "estimate"}[engine]
        assert printed["flash_estimate_cycles"] == pytest.approx(60 * printed["flash_misses_words"], rel=1e-12)
        assert printed["state"] == "state.npz"
        assert printed["test_images"] == 24
        with np.load(tmp_path / "state.npz") as state:
            kind, dtype = methods.get(method).learns, np.int16 if method == "tin-tin" else np.int8
            first = 4 - (methods.get(method).default_trained or 4)
            expected = {f"{kind}{i}": dtype for i in range(first, 4)}
            if method == "bias-last":
                expected = {f"biases{i}": np.int32 for i in range(4)} | {"weights3": np.int8}
            elif method == "priot-s-head":
                expected = {f"scores{i}": np.int8 for i in range(3)} | {"weights3": np.int8}
            assert {name: state[name].dtype for name in state.files} == expected

    @pytest.mark.long
    @pytest.mark.parametrize(
        ("method", "more"),
        [
            *((name, ()) for name in methods.names()),
            ("priot-s", ("--mask", "copy", "--trained", "2")),
            ("tin-tin", ("--images", "256", "--test-images", "all")),
            ("priot", ("--images", "256", "--test-images", "all", "--mask", "bits")),
        ],
    )
    def test_all_engines_give_the_same_files(
        self, monkeypatch: Any, capsys: Any, tmp_path: Path, method: str, more: tuple[str, ...]
    ) -> None:
        """JSON, learned arrays and checkpoint, to the byte; and a run may go on with another engine."""
        if method not in methods.available():
            pytest.skip(methods.get(method).requirement)
        monkeypatch.setattr(train_plots, "files", lambda training: {})
        arguments = (*SHORT, *more, "--method", method)
        found = {}
        for engine in ("device", "unicorn", "timed"):
            folder = tmp_path / engine
            assert run(monkeypatch, *arguments, "--engine", engine, "-o", str(folder)) == 0
            found[engine] = {path.name: path.read_bytes() for path in folder.iterdir()}
        learned = set() if method == "fp32" else {"learned.npz"}
        assert found["device"].keys() == {"train.json", "state.npz", "checkpoint.npz"} | learned
        assert found["timed"] == found["unicorn"] == found["device"]
        other = tmp_path / "half"
        for epochs, engine, resume in ((1, "unicorn", ()), (2, "timed", ("--resume",))):
            chosen = ("--epochs", str(epochs), "--engine", engine, *resume, "-o", str(other))
            assert run(monkeypatch, *arguments, *chosen) == 0
        assert {path.name: path.read_bytes() for path in other.iterdir()} == found["timed"]
        capsys.readouterr()

    def test_text_and_files(self, monkeypatch: Any, capsys: Any, tmp_path: Path) -> None:
        assert run(monkeypatch, *SHORT, "--method", "priot", "-o", str(tmp_path)) == 0
        text = capsys.readouterr().out
        for said in ("our reconstruction", "before", "pruned 3", "measured", "old task"):
            assert said in text
        assert re.search(r"\d [mu]J\b", text), "the profile has a current with a source"
        names = {"train.json", "state.npz", "learned.npz", "checkpoint.npz", "curve.png", "curve.svg"}
        assert {p.name for p in tmp_path.iterdir()} == names

    @pytest.mark.long
    def test_resume_goes_on_where_it_ended(self, monkeypatch: Any, capsys: Any, tmp_path: Path) -> None:
        arguments = (*SHORT, "--method", "priot", "-o", str(tmp_path))
        assert run(monkeypatch, *arguments, "--epochs", "1") == 0
        assert run(monkeypatch, *arguments, "--resume", "--json") == 0
        resumed = json.loads(capsys.readouterr().out.partition("{")[2].join(["{", ""]))
        assert run(monkeypatch, *SHORT, "--method", "priot", "--json") == 0
        assert resumed == json.loads(capsys.readouterr().out)

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (("--method", "priott"), "did you mean 'priot'"),
            (("--method", "priot", "--network", "tiny-cnn"), "takes images of 28 x 28 x 1"),
            (("--method", "priot", "--network", "lenet"), "no bundled backbone"),
            (("--method", "priot", "--data", "digit"), "did you mean 'digits'"),
            (("--method", "priot", "--data", "random"), "no data set 'random'"),
            (("--method", "priot", "--images", "257"), "--images must be 1 to 256"),
            (("--method", "priot", "--epochs", "0"), "--epochs"),
            (("--method", "priot", "--test-images", "some"), "--test-images"),
            (("--method", "priot", "--seed", "-1"), "--seed"),
            (("--method", "priot", "--engine", "fast"), "one of device, golden, unicorn, timed"),
            (("--method", "priot", "--engine", "timid"), "did you mean 'timed'"),
            (("--method", "priot", "--trained", "5"), "0..4"),
            (("--method", "priot", "--mask", "cpy"), "did you mean 'copy'"),
            (("--method", "priot", "--resume"), "-o DIR"),
            (("--method", "priot", "--resume", "-o", "/tmp/m0sim-no-such-run"), "no such checkpoint"),
        ],
    )
    def test_bad_usage_is_one_line(self, monkeypatch: Any, capsys: Any, arguments: tuple[str, ...], said: str) -> None:
        assert run(monkeypatch, "train", *arguments) == 2
        shown = capsys.readouterr()
        assert shown.out == ""
        assert shown.err.count("\n") == 1
        assert said in shown.err

    def test_ctrl_c_ends_with_what_there_is(self, tmp_path: Path) -> None:
        command = ["-m", "m0sim", "train", "--method", "priot", "--epochs", "1000", "-o", str(tmp_path), "--json"]
        process = subprocess.Popen(
            [sys.executable, *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        deadline = time.monotonic() + 60
        while not (tmp_path / "checkpoint.npz").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
        assert process.returncode == 1
        assert "resume with: m0sim train --method priot --epochs 1000 -o" in err
        printed = json.loads(out)
        assert not printed["is_finished"]
        assert len(printed["accuracy"]) >= 1
        assert (tmp_path / "state.npz").exists()


@pytest.mark.long
def test_curves_are_the_same_twice_and_need_no_epoch() -> None:
    finished = trained(LEARNING["niti-static"], measured=2)
    assert train_plots.files(finished) == train_plots.files(finished)
    assert train_plots.curve(replace(finished, progress=RunProgress(finished.progress.arrays))).startswith(b"<?xml")
