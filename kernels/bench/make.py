"""The operands of kernels/m0sim.toml: ``python kernels/bench/make.py`` writes the .bin files beside it again.

They look like a training step's: activations behind a ReLU, half of them zero; errors of which three quarters are zero;
weights and scores over their whole range. What a value is matters to the cycles of some kernels only (they skip zeros),
but it must never change, or the baseline would.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from m0sim.study.learn import layout

HERE = Path(__file__).parent
DENSE = (32, 196)
"""Outputs and inputs of the dense layer: 6,272 edges."""
WIDE = (64, 196)
"""Outputs and inputs of a dense layer that prepares its inputs."""
CONV = (16, 72)
"""3 x 3 x 8 to 16 channels, on 7 x 7 positions."""
POSITIONS = 49


def operands() -> dict[str, NDArray[np.generic]]:
    """Every file's contents by its name without .bin."""
    rng = np.random.default_rng(20)
    n_out, n_in = DENSE
    edges = n_out * n_in
    activations = rng.integers(1, 128, POSITIONS * 8) * rng.integers(0, 2, POSITIONS * 8)
    errors = rng.integers(-127, 128, POSITIONS * 16) * (rng.integers(0, 4, POSITIONS * 16) == 0)
    wide = rng.integers(-127 * 256, 127 * 256 + 1, DENSE)
    scored = np.sort(rng.choice(edges, edges // 10, replace=False))
    storage, _ = layout.scored_storage(scored, n_out, n_in)
    found: dict[str, NDArray[np.generic]] = {
        "activations": activations.astype(np.int8),
        "signed": rng.integers(-127, 128, POSITIONS * 8).astype(np.int8),
        "errors": errors.astype(np.int8),
        "weights": rng.integers(1, 256, edges).astype(np.uint8),
        "scores": rng.integers(1, 256, edges).astype(np.uint8),
        "wide": layout.pack_wide(wide.astype(np.int16)),
        "sums": rng.integers(-(1 << 16), (1 << 16) + 1, CONV).astype(np.int32),
        "argmax": rng.integers(0, 4, 3 * 3 * 16).astype(np.uint8),
        "gaps": layout.pack_gaps(storage),
    }
    found |= _wide()
    counts = np.bincount(found["scores"], minlength=256)
    return found | {"histogram": np.array([1, *counts[1:]], np.uint16)}


def _wide() -> dict[str, NDArray[np.generic]]:
    """A dense layer that prepares its inputs: none of them zero, or a fifth of them not, which are small."""
    rng = np.random.default_rng(21)
    weights = rng.integers(-127, 128, WIDE).astype(np.int8)
    return {
        "full": rng.integers(1, 128, WIDE[1]).astype(np.int8),
        "few": (rng.integers(1, 32, WIDE[1]) * (rng.integers(0, 5, WIDE[1]) == 0)).astype(np.int8),
        "layer": layout.pack_weights(weights),
        "columns": layout.pack_columns(weights),
    }


if __name__ == "__main__":
    for name, array in operands().items():
        (HERE / f"{name}.bin").write_bytes(array.tobytes())
