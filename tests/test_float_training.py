"""How backbones are trained: what a step may do to images, gradients and rates; each rule against its formula."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from m0sim.study.learn import datasets, float_training, networks
from m0sim.study.learn.datasets import Dataset
from m0sim.study.learn.float_training import FloatRun, Recipe, augmented, clipped, rate_at
from m0sim.study.learn.networks import Dense, Network

CYCLE = Recipe(epochs=1, rate=0.05, rule="momentum")


def test_the_rate_goes_through_one_cycle() -> None:
    rates = [rate_at(CYCLE, step, 1000) for step in range(1, 1001)]
    top = int(np.argmax(rates))
    assert rates[top] == pytest.approx(0.05)
    assert 198 <= top <= 200
    assert np.all(np.diff(rates[: top + 1]) > 0)
    assert np.all(np.diff(rates[top:]) <= 0)
    assert rates[0] == pytest.approx(0.05 / 200)
    assert rates[600] == pytest.approx(0.025, rel=1e-2)  # half of the cosine
    assert 0 < rates[-1] < 1e-6


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_the_rate_of_few_steps(steps: int) -> None:
    assert all(0 < rate_at(CYCLE, step, steps) <= 0.05 for step in range(1, steps + 1))


@given(st.lists(st.integers(1, 5), min_size=1, max_size=4), st.floats(0.01, 100))
def test_clipping_keeps_the_direction(sizes: list[int], limit: float) -> None:
    rng = np.random.default_rng(3)
    gradients = [rng.normal(0, 1, size).astype(np.float32) for size in sizes]
    flat, made = np.concatenate(gradients), np.concatenate(clipped(gradients, limit))
    norm = float(np.linalg.norm(flat))
    assert np.linalg.norm(made) == pytest.approx(min(norm, limit), rel=1e-5)
    assert np.allclose(made * norm, flat * np.linalg.norm(made), rtol=1e-4, atol=1e-6)
    assert all(np.array_equal(a, b) for a, b in zip(clipped(gradients, math.inf), gradients, strict=True))


def test_images_are_mirrored_and_moved_and_nothing_else() -> None:
    """Every result is one of the few that are allowed, and all of them come."""
    image = np.arange(1, 4 * 5 * 2 + 1, dtype=np.uint8).reshape(1, 4, 5, 2)
    allowed = {}
    for is_mirrored in (False, True):
        turned = np.flip(image, axis=2) if is_mirrored else image
        for down in (-1, 0, 1):
            for right in (-1, 0, 1):
                moved = np.zeros_like(image)
                for y in range(4):
                    for x in range(5):
                        if 0 <= y - down < 4 and 0 <= x - right < 5:
                            moved[0, y, x] = turned[0, y - down, x - right]
                allowed[moved.tobytes()] = (is_mirrored, down, right)
    recipe = Recipe(epochs=1, rate=0.1, flip=True, move=1)
    made = augmented(np.repeat(image, 400, axis=0), recipe, np.random.default_rng(0))
    assert made.shape == (400, 4, 5, 2)
    assert {allowed[each.tobytes()] for each in made} == set(allowed.values())


def test_nothing_is_changed_unless_the_recipe_says_so() -> None:
    images = np.random.default_rng(1).integers(0, 256, (3, 4, 4, 1), dtype=np.uint8)
    assert augmented(images, Recipe(epochs=1, rate=0.1), np.random.default_rng(0)) is images


def _toy() -> tuple[Network, Dataset]:
    """One dense layer, one batch: a step can be computed by hand."""
    network = Network("toy", (1, 2, 1), (Dense(2),))
    images = np.array([[[[200], [50]]], [[[10], [90]]]], np.uint8)
    return network, Dataset("toy", images, np.array([0, 1], np.uint8))


def test_momentum_is_what_its_formula_says() -> None:
    """v = 0.9 v + g + decay w; w -= rate v: two epochs of one batch, against plain loops in float64."""
    network, data = _toy()
    recipe = Recipe(epochs=3, rate=0.5, decay=0.1, batch=2, rule="momentum")
    run = FloatRun(network, data, recipe, 4)
    run.train(lambda done, todo: None)
    weights = np.random.default_rng(4).normal(0.0, 1.0, (2, 2)).astype(np.float32).astype(np.float64)
    inputs = (data.images.reshape(2, 2) >> 1) / 128.0
    velocity = np.zeros((2, 2))
    for step in (1, 2, 3):
        gradient = np.zeros((2, 2))
        for x, label in zip(inputs, data.labels, strict=True):
            odds = np.exp(weights @ x)
            error = odds / odds.sum() - np.eye(2)[label]
            gradient += np.outer(error, x) / 2
        velocity = 0.9 * velocity + gradient + 0.1 * weights
        weights = weights - rate_at(recipe, step, 3) * velocity
    assert np.allclose(run.weights[0], weights, atol=1e-5)


def test_every_recipe_is_of_a_data_set() -> None:
    assert set(float_training.RECIPES) == set(datasets.NAMES)


def test_vgg11_quarter_is_the_quarter() -> None:
    """577,712 weights and 9,880,832 multiplications."""
    quarter = networks.get("vgg11-quarter")
    assert quarter.layers == networks.wide("vgg11", 0.25).layers
    assert sum(stage.edges for stage in quarter.stages) == 577_712
    assert sum(stage.edges * stage.positions for stage in quarter.stages) == 9_880_832


def test_a_recipe_as_json_has_no_infinity() -> None:
    made = float_training.as_json(Recipe(epochs=1, rate=0.1))
    assert made["clip"] is None
    assert float_training.as_json(replace(CYCLE, clip=2.0))["clip"] == 2.0
