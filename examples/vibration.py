"""Synthetic vibration signals of a motor in three states, as a data set for m0sim: windows of an accelerometer.

    python examples/vibration.py -o vibration.npz
    m0sim pretrain --network examples/vibration.toml --data vibration.npz -o backbone.npz

Class 0, normal: the shaft's frequency and two harmonics. 1, imbalance: the shaft's frequency stands out. 2, a damaged
bearing: each ball that passes the damage rings the housing, a few times a turn. All have noise, a load that changes
the shaft's speed by some percent, and a phase and an amplitude of their own. `--machine 1` is another motor: slower,
another housing, more noise; what was learned on the first one is less right there. A seed gives the same signals again.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RATE = 2000.0
"""Samples a second."""
LEVELS = 128
"""Level of no acceleration in uint8."""
STATES = ("normal", "imbalance", "bearing")


@dataclass(frozen=True)
class Machine:
    """A motor and where its sensor is."""

    shaft: float
    """Turns a second."""
    ring: float
    """Frequency of the housing, in 1/s."""
    balls: float
    """Balls that pass a damage of the outer ring in a turn."""
    noise: float
    """Standard deviation, in levels of 8 bits."""


MACHINES = (Machine(48.0, 620.0, 3.6, 4.0), Machine(37.0, 480.0, 4.8, 8.0))


def signals(
    windows: int, length: int, channels: int, seed: int, machine: Machine
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """uint8 [windows, length, channels], and the state of each window: as many of one as of another, mixed."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(windows) % len(STATES)).astype(np.uint8)
    found = np.stack([window(rng, STATES[label], length, channels, machine) for label in labels])
    return np.clip(np.round(LEVELS + found), 0, 255).astype(np.uint8), labels


def window(rng: np.random.Generator, state: str, length: int, channels: int, machine: Machine) -> NDArray[np.float64]:
    """Acceleration in levels, [length, channels]: each channel is an axis, which sees the same with other gains."""
    time = np.arange(length) / RATE
    shaft = machine.shaft * rng.uniform(0.95, 1.05)
    turns = shaft * time + rng.uniform()
    gain = 40.0 if state == "imbalance" else 14.0
    parts = [gain * np.sin(2 * np.pi * turns)]
    parts += [rng.uniform(3, 8) * np.sin(2 * np.pi * (k * turns + rng.uniform())) for k in (2, 3)]
    if state == "bearing":
        parts.append(rings(rng, time, machine.balls * shaft, machine.ring * rng.uniform(0.97, 1.03)))
    gains = rng.uniform(0.7, 1.0, (len(parts), channels))
    clean = np.stack(parts, axis=1) @ gains
    return np.asarray(rng.uniform(0.8, 1.2) * clean + rng.normal(0, machine.noise, (length, channels)))


def rings(rng: np.random.Generator, time: NDArray[np.float64], passes: float, ring: float) -> NDArray[np.float64]:
    """A burst that dies away at each of `passes` blows a second."""
    since = np.mod(time + rng.uniform() / passes, 1 / passes)
    return rng.uniform(40, 60) * np.exp(-since * 400) * np.sin(2 * np.pi * ring * since)


def main() -> None:
    parser = argparse.ArgumentParser(description="Synthetic vibration signals: normal, imbalance, bearing.")
    parser.add_argument("-o", "--output", default="vibration.npz")
    parser.add_argument("--windows", type=int, default=1500)
    parser.add_argument("--length", type=int, default=128, help="samples in a window")
    parser.add_argument("--channels", type=int, default=1, help="axes of the sensor, such as 1 or 3")
    parser.add_argument("--machine", type=int, default=0, choices=range(len(MACHINES)))
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    made = signals(options.windows, options.length, options.channels, options.seed, MACHINES[options.machine])
    np.savez_compressed(options.output, images=made[0], labels=made[1])
    print(f"{options.output}: {options.windows} windows of {options.length} x {options.channels}: {', '.join(STATES)}")


if __name__ == "__main__":
    main()
