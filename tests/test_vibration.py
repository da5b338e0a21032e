"""examples/vibration.py and vibration.toml: what a user of signals begins with."""

from __future__ import annotations

import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from m0sim.study.learn import network_toml

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture(scope="module")
def made() -> dict[str, Any]:
    return runpy.run_path(str(EXAMPLES / "vibration.py"))


@pytest.mark.parametrize("machine", [0, 1])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_states_can_be_told_by_what_their_text_says(made: dict[str, Any], channels: int, machine: int) -> None:
    """By energy at the shaft's frequency and around the housing's, which is what the classes are."""
    motor = made["MACHINES"][machine]
    signals, states = made["signals"](300, 128, channels, 5, motor)
    assert signals.shape == (300, 128, channels)
    assert signals.dtype == np.uint8
    assert np.bincount(states).tolist() == [100, 100, 100]
    power = np.abs(np.fft.rfft(signals - signals.mean(axis=1, keepdims=True), axis=1)).sum(axis=2)
    frequency = np.fft.rfftfreq(128, 1 / made["RATE"])
    at_shaft = power[:, np.abs(frequency - motor.shaft) < 20].max(axis=1)
    at_ring = power[:, np.abs(frequency - motor.ring) < 100].sum(axis=1)
    assert at_shaft[states == 1].min() > np.median(at_shaft[states == 0])
    assert np.median(at_shaft[states == 1]) > 2 * np.median(at_shaft[states == 0])
    assert np.median(at_ring[states == 2]) > 2 * np.median(at_ring[states == 0])


def test_a_seed_gives_the_same_file(tmp_path: Path, made: dict[str, Any]) -> None:
    for name, seed in (("a.npz", 3), ("b.npz", 3), ("c.npz", 4)):
        command = [sys.executable, EXAMPLES / "vibration.py", "--windows", "30", "--seed", str(seed), "-o", name]
        said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
        assert said == f"{name}: 30 windows of 128 x 1: normal, imbalance, bearing\n"
    a, b, c = (np.load(tmp_path / name)["images"] for name in ("a.npz", "b.npz", "c.npz"))
    np.testing.assert_array_equal(a, b)
    assert (a != c).any()
    np.testing.assert_array_equal(a, made["signals"](30, 128, 1, 3, made["MACHINES"][0])[0])


def test_the_network_reads_one_axis_and_tells_the_states_apart(made: dict[str, Any]) -> None:
    network = network_toml.read(EXAMPLES / "vibration.toml")
    assert network.input_shape == (1, 128, 1)
    assert network.classes == len(made["STATES"])
