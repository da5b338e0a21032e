"""The golden model of on-device learning: against a scalar transcription, and against what is said about it."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from conftest import quick_of
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from m0sim.errors import UsageError
from m0sim.study.learn import additions, arithmetic, biases, draws, layers, layout, methods, networks, pools
from m0sim.study.learn.calibrate import Rules, calibrate
from m0sim.study.learn.config import DeviceOptions
from m0sim.study.learn.methods import Config
from m0sim.study.learn.methods.integer import Context
from m0sim.study.learn.methods.priot_s import largest_edges, random_edges, sensitivity, shares
from m0sim.study.learn.methods.pruning import kept_by, threshold, top_k
from m0sim.study.learn.methods.tin_tin import aligned
from m0sim.study.learn.networks import Add, AveragePool, Conv, Dense, Depthwise, Network, Pool
from m0sim.study.learn.state import Examples
from tests.reference import learning as scalar

LEARNED = {"tin-tin": (np.int16, -127 << 8), "bias-last": (np.int32, -biases.LARGEST)}
"""dtype and least value of what is learned, where it is not int8 from -127 on."""
SCORED_METHODS = ("priot", "priot-threshold", "priot-s")
INT32 = st.integers(-(2**31) + 1, 2**31 - 1)


# -- arithmetic -------------------------------------------------------------------------------------------------------


@example([2**31 - 1, -(2**31) + 1], 1)
@example([2**31 - 1, -(2**31) + 1], 24)
@given(st.lists(INT32, min_size=1, max_size=50), st.integers(-2, 24))
def test_shifts_equal_the_scalar_transcription(values: list[int], shift: int) -> None:
    for dtype in (np.int32, np.int64):
        x = np.array(values, dtype)
        assert arithmetic.round_shift(x, shift).tolist() == [scalar.round_shift(v, shift) for v in values]
        assert arithmetic.psto_shift(x, shift).tolist() == [scalar.psto_shift(v, shift) for v in values]
        assert arithmetic.sat(x).tolist() == [scalar.sat(v) for v in values]
        assert arithmetic.bit_length(x).tolist() == [scalar.bit_length(v) for v in values]


@given(st.lists(INT32, min_size=1, max_size=20), st.integers(25, 60))
def test_psto_allows_the_large_shifts_of_a_small_learning_rate(values: list[int], shift: int) -> None:
    assert arithmetic.psto_shift(np.array(values, np.int32), shift).tolist() == [
        scalar.psto_shift(v, shift) for v in values
    ]


@given(st.lists(st.tuples(INT32, st.integers(-1, 24)), min_size=1, max_size=20))
def test_a_shift_for_every_element(pairs: list[tuple[int, int]]) -> None:
    x, shift = np.array([v for v, _ in pairs], np.int32), np.array([s for _, s in pairs], np.int32)
    assert arithmetic.round_shift(x, shift).tolist() == [scalar.round_shift(v, s) for v, s in pairs]


@example([2**31 - 1, -(2**31) + 1], 24, False)
@example([2**31 - 1, -(2**31) + 1, -1], 0, True)
@given(st.lists(INT32 | st.integers(-300, 300), min_size=1, max_size=30), st.integers(0, 24), st.booleans())
def test_requantising_is_rounding_then_clamping(values: list[int], shift: int, relu: bool) -> None:
    acc = np.array([values], np.int32)
    expected = [scalar.sat(scalar.round_shift(v, shift)) for v in values]
    expected = [max(v, 0) for v in expected] if relu else expected
    for shifts in (shift, np.array([shift], np.int32)):
        assert layers.requantise(acc, shifts, relu).tolist() == [expected]


@given(st.integers(-(2**30), 2**30), st.integers(0, 24))
def test_round_shift_is_the_formula_of_the_kernels(x: int, shift: int) -> None:
    formula = x if shift == 0 else (x + (1 << (shift - 1)) + (x >> 31)) >> shift
    assert arithmetic.round_shift(np.array([x], np.int32), shift)[0] == formula


@pytest.mark.parametrize("shift", range(1, 13))
def test_rounding_is_symmetric_and_its_bias_is_as_stated(shift: int) -> None:
    """docs/arithmetic.md, "Roundings", in units of the last place, over every remainder of some negative numbers."""
    x = -np.arange(1, (1 << shift) * 8 + 1, dtype=np.int64)
    exact = x / 2.0**shift

    def bias(rounded: np.ndarray) -> float:
        return float(np.mean(rounded - exact))

    for rounding in (arithmetic.round_shift, arithmetic.psto_shift):
        np.testing.assert_array_equal(rounding(-x, shift), -rounding(x, shift))
    n = 2.0**-shift
    assert bias(arithmetic.round_shift(x, shift)) == pytest.approx(-n / 2)
    assert bias(x >> shift) == pytest.approx(-(1 - n) / 2)
    rest = x - ((x >> shift) << shift)
    floored = (x >> shift) - arithmetic.psto_shift(rest, shift)
    if shift >= 3:
        assert -0.5 <= bias(x >> shift) <= -0.4
        assert -1.0 <= bias(floored) <= -0.65
    if shift % 2 == 0:
        # Towards zero by half of 2**-h - 4**-h: q > u is a little rarer than q >= u.
        h = 2.0 ** -(shift // 2)
        assert bias(arithmetic.psto_shift(x, shift)) == pytest.approx((h - h * h) / 2)
    assert abs(bias(arithmetic.psto_shift(x, shift))) <= 0.25


def test_psto_moves_by_less_than_one_unit() -> None:
    x = np.arange(-5000, 5001, dtype=np.int32)
    for shift in range(15):
        assert np.abs(arithmetic.psto_shift(x, shift) - x / 2.0**shift).max() < 1


@pytest.mark.parametrize("terms", [0, 1, 1039, 1040, 1041, 1042, 2080, 2081, 65_535])
@pytest.mark.parametrize("dtype", [np.int8, np.float32])
def test_products_are_exact_at_the_extremes(terms: int, dtype: type[np.generic]) -> None:
    """Sums of n * 127^2 and all around them: every last bit is of consequence, and float32 has 24."""
    a = np.full((3, terms), 127, np.int8)
    a[1, ::2] *= -1
    a[2, -1:] = 126
    b = np.full((terms, 4), 127, np.int8)
    b[:, 1] *= -1
    b[::3, 2] *= -1
    b[:1, 3] = 126
    found = arithmetic.matmul(a.astype(dtype), b.astype(dtype))
    assert found.dtype == np.int32
    np.testing.assert_array_equal(found, a.astype(np.int64) @ b.astype(np.int64))


# -- networks and layout ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "weights", "macs"),
    [
        ("tiny-cnn", 72 + 1152 + 50_176 + 640, 784 * 72 + 196 * 1152 + 50_816),
        ("tiny-cnn-8", 72 + 1152 + 2048 + 320, 64 * 72 + 16 * 1152 + 2368),
        ("mlp", 101_632, 101_632),
        ("lenet", 430_500, 2_293_000),
        ("vgg11", 9_222_848, 152_769_536),
    ],
)
def test_networks_have_the_stated_sizes(name: str, weights: int, macs: int) -> None:
    network = networks.get(name)
    assert (network.weights, network.macs, network.classes) == (weights, macs, 10)


def test_a_wrong_name_is_one_line_with_a_suggestion() -> None:
    with pytest.raises(UsageError, match="did you mean 'tiny-cnn'"):
        networks.get("tiny-cn")
    with pytest.raises(UsageError, match="did you mean 'niti-static'"):
        methods.get("niti-statik")


@pytest.mark.parametrize(
    "stack",
    [
        (),
        (Conv(1),),
        (Pool(), Dense(2)),
        (Dense(2), Pool(), Dense(2)),
        (Dense(4), Conv(1), Dense(2)),
        (Conv(1, (9, 9), pad=0), Dense(2)),
    ],
)
def test_a_stack_that_cannot_run_is_refused(stack: tuple[Any, ...]) -> None:
    with pytest.raises(ValueError, match="wrong"):
        _ = Network("wrong", (4, 4, 1), stack).stages


@given(st.integers(1, 13), st.integers(1, 21), st.integers(0, 2**32))
def test_storage_is_the_device_layout(n_out: int, n_in: int, seed: int) -> None:
    index = layout.storage_index(n_out, n_in).reshape(n_out, n_in)
    assert index.tolist() == [[scalar.storage_index(o, i, n_in) for i in range(n_in)] for o in range(n_out)]
    order = layout.storage_order(n_out, n_in)
    assert (np.diff(index.reshape(-1)[order]) > 0).all()
    values = random_int8(np.random.default_rng(seed), (n_out, n_in))
    for pack, padding in ((layout.pack_weights, 128), (layout.pack_scores, 0)):
        packed = pack(values)
        assert packed.size == layout.array_bytes(n_out, n_in) == -(-n_out // 4) * 4 * -(-n_in // 4) * 4
        assert (np.delete(packed, index.reshape(-1)) == padding).all()
        np.testing.assert_array_equal(layout.unpack(packed, values.shape), values)


def test_storage_word_of_the_two_macs_trick() -> None:
    """(word & 0x00FF00FF) has input 4j+2 below and 4j above."""
    word = layout.pack_weights(np.array([[10, 11, 12, 13]], np.int8)).view("<u4")[0]
    assert word & 0x00FF00FF == (10 + 128) << 16 | 12 + 128


@given(st.sets(st.integers(0, 3000), max_size=40))
def test_gaps_there_and_back(edges: set[int]) -> None:
    storage = np.array(sorted(edges), np.int64)
    gaps = layout.pack_gaps(storage)
    at, walked = -1, []
    for gap in gaps.tolist():
        at += gap or 255
        walked += [at] if gap else []
    assert walked == sorted(edges)
    np.testing.assert_array_equal(layout.unpack_gaps(gaps), storage)


def test_scored_edges_in_device_order() -> None:
    scored = np.array([0, 3, 5, 9, 14], np.int64)
    storage, order = layout.scored_storage(scored, 3, 5)
    assert storage.tolist() == sorted(scalar.storage_index(e // 5, e % 5, 5) for e in scored.tolist())
    np.testing.assert_array_equal(layout.storage_index(3, 5)[scored[order]], storage)


# -- seeded draws -----------------------------------------------------------------------------------------------------


SCORES_DIGEST = "b81981c1f6460f99"
CHOICES = [6, 9, 9, 7, 7, 2, 9, 5]


def test_draws_are_the_same_everywhere() -> None:
    scores = draws.normal_scores(7, 2, 100_001)
    assert hashlib.sha256(scores.tobytes()).hexdigest()[:16] == SCORES_DIGEST
    assert draws.choices(7, 2, np.full(8, 10)).tolist() == CHOICES
    assert abs(scores.mean()) < 0.5
    assert abs(scores.std() - 32) < 0.3
    assert scores.min() >= -127


@pytest.mark.parametrize("deviation", [1, 8, 64, 127])
def test_the_deviation_of_initial_scores(deviation: int) -> None:
    """Clipping at 127 takes 5 % of 64 and a third of 127; rounding adds a twelfth to the variance."""
    scores = draws.normal_scores(3, 1, 50_001, deviation).astype(float)
    exact = np.clip(np.random.default_rng(0).normal(0, deviation, 200_000).round(), -127, 127)
    assert abs(scores.mean()) < 0.03 * deviation
    assert scores.std() == pytest.approx(exact.std(), rel=0.02)
    assert np.abs(scores).max() <= 127


def test_thresholds_do_not_hang_on_the_last_bit_of_erf() -> None:
    """No threshold is so near to the middle between two integers that another platform's erf could round it away."""
    steps = np.arange(-126.5, 127)
    for deviation in range(1, 128):
        exact = np.array([2**32 * draws.NormalDist(0, deviation).cdf(v) for v in steps])
        assert np.abs(exact % 1 - 0.5).min() > 4e-6  # nine units in the last place of a number near 2**32


# -- pruning ----------------------------------------------------------------------------------------------------------


@given(st.integers(1, 9), st.integers(1, 12), st.integers(1, 127), st.data())
def test_top_k_keeps_exactly_k_with_ties_by_storage_index(n_out: int, n_in: int, spread: int, data: Any) -> None:
    k = data.draw(st.integers(0, n_out * n_in))
    values = data.draw(st.lists(st.integers(-spread, spread), min_size=n_out * n_in, max_size=n_out * n_in))
    storage = layout.storage_index(n_out, n_in)
    scores = np.array(values, np.int8)
    selection = top_k(scores, k)
    mask = kept_by(selection, scores, storage)
    assert mask.tolist() == scalar.top_k(values, k, storage.tolist())
    assert kept_on_device(values, storage.tolist(), selection) == mask.tolist()
    assert selection.cut >= 1


@given(st.lists(st.integers(-127, 127), min_size=1, max_size=30), st.integers(-127, 127))
def test_threshold(values: list[int], theta: int) -> None:
    selection = threshold(theta)
    mask = kept_by(selection, np.array(values, np.int8), np.arange(len(values)))
    assert mask.tolist() == [v >= theta for v in values]
    assert kept_on_device(values, list(range(len(values))), selection) == mask.tolist()


def kept_on_device(values: list[int], storage: list[int], selection: methods.Selection) -> list[bool]:
    """What a kernel makes of a selection, walking the edges in storage order."""
    ties, kept = selection.ties, [False] * len(values)
    for edge in sorted(range(len(values)), key=lambda edge: storage[edge]):
        equal = values[edge] + 128 == selection.cut and ties > 0
        ties -= equal
        kept[edge] = values[edge] + 128 > selection.cut or equal
    return kept


@pytest.mark.parametrize("fraction", [0.05, 0.1, 0.3, 1.0])
def test_priot_s_scores_one_edge_a_block_or_the_largest(fraction: float) -> None:
    network = networks.get("tiny-cnn-8")
    rng = np.random.default_rng(3)
    for stage in network.stages:
        order = layout.storage_order(stage.n_out, stage.n_in)
        rank = np.argsort(order)
        chosen = random_edges(stage, fraction, seed=5)
        blocks = np.sort(rank[chosen]) // round(1 / fraction)
        np.testing.assert_array_equal(blocks, np.arange(-(-stage.edges // round(1 / fraction))))
        weights = random_int8(rng, stage.weight_shape)
        storage = layout.storage_index(stage.n_out, stage.n_in).tolist()
        sizes = [abs(int(w)) for w in weights.reshape(-1)]
        ranked = sorted(range(stage.edges), key=lambda edge, s=sizes, at=storage: (-s[edge], at[edge]))
        count = max(1, round(fraction * stage.edges))
        assert largest_edges(stage, weights, fraction).tolist() == sorted(ranked[:count])


@pytest.mark.parametrize("fraction", [1e-6, 0.02, 0.1, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("name", ["tiny-cnn", "tiny-cnn-8", "mlp"])
def test_shares_by_square_roots(name: str, fraction: float) -> None:
    """Lagrange's condition: share times root of the edges is one number, but for layers that have no more to give."""
    stages = networks.get(name).stages
    found = shares(stages, fraction, "root")
    levels = [share * stage.edges**0.5 for share, stage in zip(found, stages, strict=True)]
    assert all(0 < share <= 1 for share in found)
    assert all(share == 1 or level == pytest.approx(max(levels)) for share, level in zip(found, levels, strict=True))
    total = sum(stage.edges for stage in stages)
    scored = sum(share * stage.edges for share, stage in zip(found, stages, strict=True))
    assert scored == pytest.approx(fraction * total)
    assert shares(stages, fraction, "even") == [fraction] * len(stages)


def test_shares_of_three_layers_by_hand() -> None:
    """16, 100 and 900 edges, a third of them: roots 4, 10, 30. The first is due 339 * 4 / 44 = 31, and has 16."""
    stages = Network("three", (4, 4, 1), (Dense(1), Dense(100), Dense(9))).stages
    assert [stage.edges for stage in stages] == [16, 100, 900]
    rest = 1016 / 3 - 16
    assert shares(stages, 1 / 3, "root") == pytest.approx([1, rest * 10 / 40 / 100, rest * 30 / 40 / 900])


def test_sensitive_edges_are_those_that_the_examples_would_move_most() -> None:
    """By the transcription in plain integers, with 3 examples and every gradient multiplied out."""
    network = Network("small", (6, 5, 1), (Conv(3, (3, 2), pad=1), Pool(), Dense(5), Dense(3)))
    rng = np.random.default_rng(4)
    weights = [rng.integers(-127, 128, stage.weight_shape).astype(np.int8) for stage in network.stages]
    images, labels = rng.integers(0, 128, (3, 6, 5, 1)).astype(np.int8), np.array([0, 2, 1])
    config = Config((-7, -7, -9), fraction=0.3, selection="sensitive", spread="root")
    options = {"method": "niti-dynamic", "image_exponent": -7, "weight_exponents": (-7, -7, -9), "biases": (), "mu": 1}
    options |= {"first": 0, "cool": 0, "refresh": 1, "done": 0, "update": (), "added": [None] * 3}
    sums = [[0] * stage.edges for stage in network.stages]
    for image, label in zip(images, labels.tolist(), strict=True):
        parts = listed(weights), listed(weights), [None] * 3
        step = scalar.step(scalar_layers(network), *parts, image.tolist(), label, options)
        for total, w, g in zip(sums, listed(weights), step["gradients"], strict=True):
            total[:] = [t + abs(a * b) for t, a, b in zip(total, scalar.flat(w), scalar.flat(g), strict=True)]
    examples = Examples(images, labels)
    found = sensitivity(network, weights, config, examples)
    assert [array.reshape(-1).tolist() for array in found] == sums
    assert all(any(total) for total in sums)
    frozen = methods.get("priot-s").freeze(network, weights, config, examples)
    for scored, total, stage in zip(frozen.scored, sums, network.stages, strict=True):
        at = layout.storage_index(stage.n_out, stage.n_in).tolist()
        ranked = sorted(range(stage.edges), key=lambda edge, total=total, at=at: (-total[edge], at[edge]))
        assert scored.tolist() == sorted(ranked[: len(scored)])
    with pytest.raises(ValueError, match="calibration images"):
        methods.get("priot-s").freeze(network, weights, config)


# -- whole steps ------------------------------------------------------------------------------------------------------


def random_int8(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Values of one of several spreads, the extremes among them."""
    spread = int(rng.choice([2, 40, 127, 127]))
    return rng.integers(-spread, spread + 1, shape).astype(np.int8)


@st.composite
def small_networks(draw: st.DrawFn) -> Network:
    size = st.integers(1, 3)
    shape = (draw(st.integers(1, 8)), draw(st.integers(1, 8)), draw(size))
    stack: list[networks.Layer] = []
    for _ in range(draw(st.integers(0, 2))):
        kernel = (draw(size), draw(size))
        stride, bias = draw(st.integers(1, 2)), draw(st.booleans())
        pad = draw(st.integers(0, 2) | st.tuples(st.integers(0, 2), st.integers(0, 2)))
        is_depthwise = draw(st.booleans())
        channels = draw(st.integers(1, 6))
        stack.append(
            Depthwise(kernel, stride, pad, bias) if is_depthwise else Conv(channels, kernel, stride, pad, bias)
        )
        windows = st.sampled_from([(2, 2), (1, 2), (2, 1), (3, 2)])
        pool = draw(st.none() | st.builds(Pool, windows) | st.builds(AveragePool, st.none() | windows))
        stack += [pool] if pool else []
    stack += [Dense(draw(st.integers(2, 7)), draw(st.booleans())) for _ in range(draw(st.integers(0, 2)))]
    network = Network("small", shape, (*stack, Dense(draw(st.integers(2, 5)), draw(st.booleans()))))
    try:
        assume(all(min(stage.raw_shape) > 0 for stage in network.stages))
    except ValueError:
        assume(False)
    return network


@st.composite
def residual_networks(draw: st.DrawFn) -> Network:
    """Convolutions that keep the shape, with additions of anything of that shape: the input, nested, overlapping."""
    channels = draw(st.integers(1, 5))
    shape = (draw(st.integers(2, 6)), draw(st.integers(2, 6)), channels)
    stack: list[networks.Layer] = []
    within = [-1]
    for _ in range(draw(st.integers(2, 5))):
        side, bias = draw(st.sampled_from([1, 3])), draw(st.booleans())
        is_depthwise = draw(st.booleans())
        kernel, pad = (side, side), side // 2
        stack.append(Depthwise(kernel, 1, pad, bias) if is_depthwise else Conv(channels, kernel, 1, pad, bias))
        if draw(st.integers(0, 3)):
            stack.append(Add(draw(st.sampled_from(within))))
        if min(shape[:2]) >= 4 and draw(st.integers(0, 3)) == 0:
            stack.append(draw(st.sampled_from([Pool(), AveragePool((2, 2))])))
            shape, within = (shape[0] // 2, shape[1] // 2, channels), []
        within.append(len(stack) - 1)
    stack += [Dense(draw(st.integers(2, 7))) for _ in range(draw(st.integers(0, 1)))]
    network = Network("residual", (0, 0, 0), (*stack, Dense(draw(st.integers(2, 5)))))
    first_shape = shape
    for layer in stack:
        if isinstance(layer, Pool | AveragePool):
            first_shape = (first_shape[0] * 2, first_shape[1] * 2, channels)
    return replace(network, input_shape=first_shape)


def random_config(rng: np.random.Generator, network: Network) -> Config:
    return Config(
        weight_exponents=tuple(int(e) for e in rng.integers(-9, -4, len(network.stages))),
        biases=tuple(random_biases(rng, stage) for stage in network.stages),
        mu=int(rng.integers(-3, 8)),
        keep=float(rng.choice([0, 0.6, 0.8, 0.9, 0.9, 1])),
        theta=int(rng.choice([-127, -64, -40, -20, 0, 127])),
        prune=str(rng.choice(["top-k", "threshold"])),  # type: ignore[arg-type]
        deviation=int(rng.choice([4, 32, 127])),
        fraction=float(rng.choice([0.2, 0.5, 1])),
        selection=str(rng.choice(["random", "largest", "sensitive"])),  # type: ignore[arg-type]
        spread=str(rng.choice(["even", "root"])),  # type: ignore[arg-type]
        rate=int(rng.integers(-6, 8)),
        trained=int(rng.choice([0, rng.integers(len(network.stages)) + 1])),
        cool=int(rng.choice([0, 0, 1, 2])),
        refresh=int(rng.choice([1, 1, 2, 3])),
        seed=int(rng.integers(2**32)),
    )


def own_options(rng: np.random.Generator, name: str) -> dict[str, Any]:
    """Of those that only one method has."""
    if name == "niti-partial":
        lo, hi = sorted(int(rng.choice([0, 10, 40, 50, 99, 100])) for _ in range(2))
        return {"lo": lo, "hi": hi}
    if name == "zo-int8":
        few = {"back": (1, 1, 2, 3), "r": (1, 20, 127, 127), "sparsity": (0, 0, 1, 3), "front_shift": (-5, -2, 0, 1)}
        return {option: int(rng.choice(values)) for option, values in few.items()}
    if name == "niti-replay":
        return {"replay": int(rng.integers(1, 3)), "every": int(rng.integers(1, 3))}
    return {}


def random_biases(rng: np.random.Generator, stage: networks.Stage) -> tuple[int, ...]:
    """As large as the products, or far too small or large."""
    spread = int(rng.choice([20, 5000, 5000, 100_000, biases.LARGEST]))
    return tuple(rng.integers(-spread, spread + 1, stage.n_out).tolist()) if stage.layer.bias else ()


def jittered(rng: np.random.Generator, shifts: tuple[int, ...]) -> tuple[int, ...]:
    """Static shifts near those of a calibration, so that tensors are neither all zero nor all saturated."""
    return tuple(min(max(s + int(rng.integers(-2, 2)), 0), 24) for s in shifts)


def jittered_config(rng: np.random.Generator, network: Network, config: Config) -> Config:
    """The same of all shifts, but for those that would make what is added the coarser side."""
    by_bias = tuple(min(max(r + int(rng.integers(-4, 5)), -24), 24) for r in config.bias_update)
    found = replace(config, update=jittered(rng, config.update), bias_update=by_bias)
    first = len(network.stages) - config.trained if config.trained else 0
    for _ in range(20):
        moved = replace(found, forward=jittered(rng, config.forward), backward=jittered(rng, config.backward))
        try:
            additions.check(network, moved, first)
        except ValueError:
            continue
        return moved
    return found


def scalar_layers(network: Network) -> list[scalar.Layer]:
    def one(stage: networks.Stage) -> scalar.Layer:
        layer = stage.layer
        if isinstance(layer, Dense):
            return ("dense",)
        kind = "depthwise" if isinstance(layer, Depthwise) else "conv"
        pool = stage.pool and ("max" if stage.pooled else "mean", *pools.window_of(stage))
        return (kind, *layer.kernel, layer.stride, networks.pads_of(layer), pool)

    return [one(stage) for stage in network.stages]


def scalar_options(name: str, network: Network, config: Config, frozen: methods.Frozen) -> dict[str, Any]:
    by_threshold = name == "priot-threshold" or (name.startswith("priot-s") and config.prune == "threshold")
    return {
        "method": {"priot-threshold": "priot", "niti-replay": "niti-static"}.get(name, name),
        "image_exponent": config.image_exponent,
        "weight_exponents": config.weight_exponents,
        "biases": config.biases,
        "added": [stage.added for stage in network.stages],
        "forward": config.forward,
        "backward": config.backward,
        "update": config.update,
        "bias_update": config.bias_update,
        "mu": config.mu,
        "rate": config.rate,
        "keep": config.keep,
        "theta": config.theta if by_threshold else None,
        "scored": [s.tolist() for s in frozen.scored] or None,
        "cool": config.cool,
        "refresh": config.refresh,
        **dict(config.own),
        "first": len(config.weight_exponents) - (config.trained or len(config.weight_exponents)),
        "seed": config.seed,
    }


def listed(tensors: Any) -> list[Any]:
    return [None if t is None else t.tolist() for t in tensors]


@pytest.mark.parametrize("count", quick_of([20, 60], [20]))
@pytest.mark.parametrize("name", methods.integer_names())
def test_a_step_equals_the_scalar_transcription(name: str, count: int) -> None:
    """On random networks, shapes, values and configurations; a good part of the steps must reach the lowest layer."""
    reached = []

    @settings(max_examples=count, deadline=None)
    @given(network=small_networks(), seed=st.integers(0, 2**32))
    def equal(network: Network, seed: int) -> None:
        reached.extend(compare_steps(name, network, np.random.default_rng(seed)))

    equal()
    assert np.mean(reached) > 0.2


@pytest.mark.parametrize("count", quick_of([15, 25], [15]))
@pytest.mark.parametrize("name", quick_of(methods.integer_names(), ["niti-dynamic", "priot-s", "tin-tin", "zo-int8"]))
def test_a_step_with_additions_equals_the_scalar_transcription(name: str, count: int) -> None:
    reached, passed = [], []

    @settings(max_examples=count, deadline=None)
    @given(network=residual_networks(), seed=st.integers(0, 2**32))
    def equal(network: Network, seed: int) -> None:
        reached.extend(compare_steps(name, network, np.random.default_rng(seed)))
        passed.append(sum(bool(stage.added) for stage in network.stages))

    equal()
    assert np.mean(reached) > 0.2
    assert max(passed) >= 2


@given(st.integers(-40, 40), st.lists(st.tuples(st.integers(-127, 127), st.integers(-127, 127)), min_size=1))
@example(8, [(0, 127), (127, -127)])
@example(0, [(127, 1), (-127, -1), (-64, -64)])
def test_an_addition(difference: int, pairs: list[tuple[int, int]]) -> None:
    """By the transcription, one exponent and one an image."""
    a, b = ([pair[i] for pair in pairs] for i in (0, 1))
    want, exponent = scalar.add(a, difference - 3, b, -3)
    one, several = np.array([a, a], np.int8), np.array([b, b], np.int8)
    assert additions.add(one[0], several[0], difference).tolist() == want
    assert additions.add(one, several, np.array([difference, 0], np.int32)).tolist() == [
        want,
        scalar.add(a, 0, b, 0)[0],
    ]
    given = additions.forward(one[0], difference - 3, several[0], -3)
    assert (given[0].tolist(), given[1]) == ([max(x, 0) for x in want], exponent)


def test_calibration_makes_the_convolution_the_coarser_side() -> None:
    """Small weights beside a large exponent of what is added: the shift follows from it, not from the sums."""
    network = Network("residual", (4, 4, 2), (Conv(2), Conv(2), Add(0), Dense(3)))
    rng = np.random.default_rng(0)
    weights = [rng.integers(-9, 10, stage.weight_shape).astype(np.int8) for stage in network.stages]
    images, labels = np.abs(random_int8(rng, (12, 4, 4, 2))), rng.integers(3, size=12)
    method = methods.get("niti-static")
    for exponents, least in (((-7, -14, -7), 14), ((-7, -20, -7), 20), ((-7, -3, -7), 0)):
        config = calibrate(network, method, weights, images, labels, Config(exponents))
        skip = config.image_exponent + exponents[0] + config.forward[0]
        own = skip + exponents[1] + config.forward[1]
        assert own >= skip
        assert config.forward[1] >= least
        assert own == skip or least == 0 or config.forward[1] > least
        assert additions.forward_difference(network.stages[1], network, config) == own - skip
        frozen = method.freeze(network, weights, config)
        state = method.initial_state(network, frozen, config, 0)
        traces = [method.step(network, frozen, state, image, 0, config) for image in images]
        assert any((trace.errors[0] != 0).any() for trace in traces)
    with pytest.raises(UsageError, match="coarse"):
        calibrate(network, method, weights, images, labels, Config((-7, -32, -7)))
    with pytest.raises(ValueError, match="the forward shift of layer 1 is too small"):
        method.freeze(network, weights, Config((-7, -7, -7), forward=(5, 6, 5)))
    with pytest.raises(ValueError, match="the backward shift of layer 1 is too small for the error of layer 1"):
        method.freeze(network, weights, Config((-7, -7, -7), forward=(5, 7, 5), backward=(0, 6, 5)))


def compare_steps(name: str, network: Network, rng: np.random.Generator) -> list[bool]:
    """Three steps, every tensor; whether the lowest layer that learns changed in each."""
    method = methods.get(name)
    assume(not method.unsupported(network))
    own = own_options(rng, name)
    config = method.configured(random_config(rng, network), own)
    weights = [random_int8(rng, stage.weight_shape) for stage in network.stages]
    images = np.abs(random_int8(rng, (3, *network.input_shape)))
    labels = rng.integers(network.classes, size=3)
    config = calibrate(network, method, weights, images, labels, config, rules=Rules(moved=0.3))
    config = jittered_config(rng, network, config)
    old = np.abs(random_int8(rng, images.shape))
    frozen = method.freeze(network, weights, config, Examples(images, labels, old, labels[::-1]))
    state = method.initial_state(network, frozen, config, seed=int(rng.integers(1000)))
    stack, options, reached = scalar_layers(network), scalar_options(name, network, config, frozen), []
    cuts = scalar.cuts_of(listed(state.learned), options)
    for image, label in zip(images, labels.tolist(), strict=True):
        now = options | {"done": state.steps}
        used = state.weights if name == "bias-last" else weights
        want = scalar.step(stack, listed(used), listed(state.learned), cuts, image.tolist(), label, now)
        cuts = want["cuts"]
        trace = method.step(network, frozen, state, image, label, config)
        assert_half(trace, want, 0)
        if "every" in own:
            number, waits = divmod(state.steps + 1, own["every"])
            assert (trace.replayed is not None) == (waits == 0)
        if trace.replayed is not None:
            which = replay_order(config.seed, own["replay"])[(number - 1) % own["replay"]]
            parts = listed(weights), want["learned"], cuts, old[which].tolist(), int(labels[::-1][which])
            want = scalar.step(stack, *parts, now)
            assert_half(trace.replayed, want, frozen.first)
        assert listed(trace.state.learned) == want["learned"]
        assert listed(trace.state.weights) == want["next"]
        reached.append(bool((trace.state.learned[frozen.first] != state.learned[frozen.first]).any()))
        state = trace.state
    return reached


def assert_half(trace: methods.StepTrace, want: dict[str, Any], known: int) -> None:
    """Of a step on one image every tensor of the layers from `known` on."""
    for key in ("weights", "accumulators", "raw", "activations", "argmax", "errors"):
        assert listed(getattr(trace, key)[known:]) == want[key][known:], key
    assert [[] if g is None else g.whole().tolist() for g in trace.gradients] == want["gradients"]
    assert list(trace.exponents) == want["exponents"]


def replay_order(seed: int, count: int) -> list[int]:
    """By docs/arithmetic.md."""
    raw = np.random.PCG64(np.random.SeedSequence([seed, 5, 0])).random_raw(count).tolist()
    return sorted(range(count), key=lambda i: raw[i])


def wholes(trace: methods.StepTrace) -> list[np.ndarray]:
    """G of the layers that learn."""
    return [g.whole() for g in trace.gradients if g is not None]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ((), "layer 1 has 2 biases, not 0"),
        (((), (1, 2), ()), "biases of 3 layers, it has 2"),
        (((1, 2, 3), (1, 2)), "layer 0 has 0 biases, not 3"),
        (((), (1, -(2**29))), "a bias of layer 1 is not within"),
    ],
)
def test_biases_that_are_not_the_networks_are_refused(given: tuple[tuple[int, ...], ...], said: str) -> None:
    network = Network("small", (1, 1, 2), (Dense(3), Dense(2, bias=True)))
    weights = [np.zeros(stage.weight_shape, np.int8) for stage in network.stages]
    for name in methods.integer_names():
        with pytest.raises(ValueError, match=re.escape(said)):
            methods.get(name).model(network, weights, Config((-7, -7), biases=given), Examples(None, None), 0)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="fp32 does not train small: its C code has no biases"):
        methods.get("fp32").outline(network, 2, None, DeviceOptions())


@pytest.fixture(scope="module")
def digits() -> tuple[Network, list[np.ndarray], np.ndarray, np.ndarray]:
    """tiny-cnn-8 with random weights, and images with background."""
    network = networks.get("tiny-cnn-8")
    rng = np.random.default_rng(1)
    weights = [np.clip(rng.normal(0, 40, s.weight_shape).round(), -127, 127).astype(np.int8) for s in network.stages]
    images = rng.integers(0, 128, (40, *network.input_shape)) * (rng.random((40, *network.input_shape)) < 0.5)
    return network, weights, images.astype(np.int8), rng.integers(0, 10, 40)


def old_digits(digits: Any) -> Examples:
    """As many old images as any method wants."""
    _, _, images, labels = digits
    return Examples(images, labels, np.resize(images, (64, *images.shape[1:])), np.resize(labels, 64))


@pytest.mark.parametrize("name", methods.integer_names())
def test_training_changes_the_state_keeps_the_ranges_and_predicts_alike(name: str, digits: Any) -> None:
    network, weights, images, labels = digits
    method = methods.get(name)
    config = method.configured(Config((-7,) * 4, mu=0, trained=4), {})
    config = calibrate(network, method, weights, images, labels, config)
    frozen = method.freeze(network, weights, config, old_digits(digits))
    first = state = method.initial_state(network, frozen, config, seed=0)
    before = [w.copy() for w in (*first.learned, *frozen.weights)]
    one_by_one = []
    for image, label in zip(images, labels, strict=True):
        trace = method.step(network, frozen, state, image, int(label), config)
        one_by_one.append(trace.logits)
        state = trace.state if len(one_by_one) >= 20 else state
        for tensor in (*trace.weights, *trace.raw, *trace.activations, *trace.errors):
            assert tensor.dtype == np.int8
            assert tensor.min(initial=0) >= -127
        assert all(a.min() >= 0 for a in trace.activations[:-1])
        for array in trace.state.learned:
            dtype, least = LEARNED.get(name, (np.int8, -127))
            assert array.dtype == dtype
            assert array.min() >= least
    if name != "zo-int8":  # whose layers in front have moved by then
        all_at_once = method.logits(network, frozen, first, images[:20], config, batch=7)
        np.testing.assert_array_equal(np.stack(one_by_one[:20]), all_at_once)
    for array, copy in zip((*first.learned, *frozen.weights), before, strict=True):
        np.testing.assert_array_equal(array, copy)
    assert any((a != b).any() for a, b in zip(state.learned, first.learned, strict=True))
    again = method.state_of(network, frozen, method.arrays(state), config)
    assert_same_state(again, state)
    if name in SCORED_METHODS:
        assert listed(state.weights) == listed(
            np.where(layer.mask, w, 0) for w, layer in zip(weights, state.layers, strict=True)
        )


def assert_same_state(a: methods.State, b: methods.State) -> None:
    for one, other in zip(a.layers, b.layers, strict=True):
        np.testing.assert_array_equal(one.weights, other.weights)
        np.testing.assert_array_equal(one.learned, other.learned)
        np.testing.assert_array_equal(one.mask, other.mask)
        assert one.selection == other.selection


@pytest.mark.parametrize("trained", [1, 2, 4])
@pytest.mark.parametrize("name", methods.integer_names())
def test_only_the_last_layers_learn(name: str, trained: int, digits: Any) -> None:
    """Frozen layers are the backbone's, unmasked; state.npz names trained layers by their own index only."""
    network, weights, images, labels = digits
    method = methods.get(name)
    dense = {"sparsity": 0} if "sparsity" in method.options else {}  # few draws meet a small layer
    config = method.configured(Config((-7,) * 4, mu=3, rate=2, trained=trained), dense)
    config = calibrate(network, method, weights, images, labels, config, rules=Rules(moved=0.3))
    frozen = method.freeze(network, weights, config, old_digits(digits))
    state = method.initial_state(network, frozen, config, seed=0)
    first = frozen.first
    assert first == 4 - trained
    assert {int(key[-1]) for key in method.arrays(state)} == set(range(first, 4))
    after = state
    for image, label in zip(images[:10], labels, strict=False):
        trace = method.step(network, frozen, after, image, int(label), config)
        after = trace.state
        has_error = [i >= (3 if name == "zo-int8" else first) for i in range(4)]
        by_gradient = [i == 3 if name == "bias-last" else has_error[i] for i in range(4)]
        assert [e.size > 0 for e in trace.errors] == has_error
        assert [g is not None for g in trace.gradients] == by_gradient
    changed = [bool((a != b).any()) for a, b in zip(state.learned, after.learned, strict=True)]
    assert changed == [i >= first for i in range(4)]
    assert all(used is w for used, w in zip(after.weights[:first], weights, strict=False))
    for one, other in zip(state.layers, after.layers, strict=True):  # the same weights are cast once
        assert other.weights is not one.weights or other.factors is one.factors
    assert_same_state(method.state_of(network, frozen, method.arrays(after), config), after)


def test_the_learning_rate_falls_and_the_cut_lasts(digits: Any) -> None:
    network, weights, images, labels = digits
    method, start = methods.get("priot"), Config((-7,) * 4, cool=3, refresh=4)
    config = calibrate(network, method, weights, images, labels, start, rules=Rules(moved=0.2))
    frozen = method.freeze(network, weights, config)
    state = method.initial_state(network, frozen, config, seed=0)
    cuts, shifts, kept = [[layer.selection for layer in state.layers]], [], []
    for image, label in zip(images, labels, strict=True):
        trace = method.step(network, frozen, state, image, int(label), config)
        state = trace.state
        shifts.append(trace.update_shifts[3] - config.update[3])
        cuts.append([layer.selection for layer in state.layers])
        kept.append(sum(int(np.count_nonzero(layer.mask)) for layer in state.layers))
    assert shifts == [min(n // 3, 8, 24 - config.update[3]) for n in range(40)]
    renewed = [n + 1 for n, (a, b) in enumerate(pairwise(cuts)) if a != b]
    assert renewed
    assert all(n % 4 == 0 for n in renewed)
    exact = sum(round(config.keep * stage.edges) for stage in network.stages)
    assert all(count == exact for n, count in enumerate(kept) if (n + 1) % 4 == 0)
    assert any(count != exact for count in kept)


@pytest.mark.parametrize("changes", [{"cool": -1}, {"refresh": 0}])
def test_cool_and_refresh_count_steps(changes: dict[str, int], digits: Any) -> None:
    with pytest.raises(UsageError, match="cool must be 0 or more and refresh 1 or more"):
        methods.get("priot").freeze(digits[0], digits[1], Config((-7,) * 4, **changes))


@pytest.mark.parametrize("trained", [-1, 5])
def test_a_network_has_only_so_many_layers_to_train(trained: int, digits: Any) -> None:
    with pytest.raises(UsageError, match=r"tiny-cnn-8 has 4 layers .* 0\.\.4, not"):
        methods.get("priot").freeze(digits[0], digits[1], Config((-7,) * 4, trained=trained))


def test_unusable_backbones_are_refused() -> None:
    network = Network("one", (1, 1, 2), (Dense(2),))
    for bad in (np.zeros((2, 3), np.int8), np.zeros((2, 2), np.int16), np.full((2, 2), -128, np.int8)):
        with pytest.raises(ValueError, match="layer 0 needs"):
            methods.get("priot").freeze(network, [bad], Config((0,)))


# -- bounds -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [-127, 127])
def test_gradients_of_1048_positions_fit_int32(error: int) -> None:
    """The largest map that docs/arithmetic.md allows, at the extremes; shifts are exact there, too."""
    stage = Network("wide", (8, 131, 1), (Conv(1, (1, 1), pad=0), Dense(1))).stages[0]
    assert stage.positions == 1048
    raw, inputs = np.full(stage.raw_shape, error, np.int8), np.full(stage.in_shape, 127, np.int8)
    g = layers.gradient(stage, raw, layers.columns_of(stage, inputs[None])[0]).whole()
    assert g.item() == error * 127 * 1048
    product = np.int8([127]) * g.reshape(-1)
    assert product.dtype == np.int32
    assert abs(product.item()) == 1048 * 127**3 < 2**31
    for shift in range(25):
        assert arithmetic.round_shift(product, shift).item() == scalar.round_shift(product.item(), shift)


def test_accumulators_of_65535_inputs_fit_int32() -> None:
    assert 65_535 * 127 * 127 < 2**31


@given(st.lists(st.integers(-127, 127), min_size=1, max_size=70), st.integers(-40, 40), st.data())
def test_loss(logits: list[int], exponent: int, data: Any) -> None:
    label = data.draw(st.integers(0, len(logits) - 1))
    error = layers.loss(np.array(logits, np.int8), exponent, label)
    assert error.tolist() == scalar.loss(logits, exponent, label)
    assert error[label] <= 0 <= np.delete(error, label).min(initial=0)


# -- partial updates --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("percent", [100, 0])
def test_partial_updates_of_all_channels_are_niti_static_and_those_of_none_nothing(percent: int, digits: Any) -> None:
    network, weights, images, labels = digits
    whole, partial = methods.get("niti-static"), methods.get("niti-partial")
    config = partial.configured(Config((-7,) * 4, mu=3), {"lo": percent, "hi": percent})
    config = calibrate(network, partial, weights, images, labels, config)
    assert config == calibrate(network, whole, weights, images, labels, replace(config, forward=(), update=()))
    frozen = partial.freeze(network, weights, config)
    start = state = partial.initial_state(network, frozen, config, seed=0)
    for image, label in zip(images, labels, strict=True):
        trace = partial.step(network, frozen, state, image, int(label), config)
        other = whole.step(network, frozen, state, image, int(label), config)
        assert listed(trace.errors) == listed(other.errors)
        assert_same_state(trace.state, other.state if percent else start)
        state = trace.state
    assert all((a != b).any() for a, b in zip(state.learned, start.learned, strict=True)) == (percent > 0)


def test_the_worse_the_answer_the_more_channels_learn(digits: Any) -> None:
    """The number of rows of G follows the label's error, and the rows are niti-static's own."""
    network, weights, images, labels = digits
    whole, partial = methods.get("niti-static"), methods.get("niti-partial")
    config = partial.configured(Config((-7,) * 4, mu=3), {"lo": 20, "hi": 60})
    config = calibrate(network, partial, weights, images, labels, config)
    frozen = partial.freeze(network, weights, config)
    state, seen = partial.initial_state(network, frozen, config, seed=0), set()
    for image, label in zip(images, labels, strict=True):
        trace = partial.step(network, frozen, state, image, int(label), config)
        other = whole.step(network, frozen, state, image, int(label), config)
        wrong = int(-trace.loss_error[label])
        for stage, some, all_rows in zip(network.stages, wholes(trace), wholes(other), strict=True):
            flat, rows = all_rows.reshape(stage.n_out, -1), some.reshape(stage.n_out, -1)
            learn = rows.any(axis=1)
            most = -(-stage.n_out * (20 * 127 + 40 * wrong) // 12_700)
            assert learn.sum() <= most
            assert (rows[learn] == flat[learn]).all()
            seen.add((stage.index, most, bool(learn.sum() < flat.any(axis=1).sum())))
    assert len({most for index, most, _ in seen if index == 2}) > 5
    assert {index for index, _, is_less in seen if is_less} == {0, 1, 2, 3}


# -- tin-tin is SGD, NITI is not --------------------------------------------------------------------------------------


@given(st.integers(0, 2**32), st.integers(-20, -3), st.integers(-6, 10), st.integers(-14, 2))
def test_tin_tins_step_is_float_sgd_within_one_unit(seed: int, e_weight: int, rate: int, e_gradient: int) -> None:
    rng = np.random.default_rng(seed)
    stage = Network("dense", (1, 1, 9), (Dense(7),)).stages[0]
    g = np.multiply.outer(random_int8(rng, (7,)).astype(np.int32), random_int8(rng, (9,)).astype(np.int32))
    w16 = rng.integers(-(127 << 8), (127 << 8) + 1, g.shape).astype(np.int16)
    context = Context(stage, layers.Gradient(np.arange(7), g, g.shape), e_gradient)
    frozen = methods.Frozen((arithmetic.sat(w16),))
    new, _ = methods.get("tin-tin").learn(context, w16, frozen, Config((e_weight,), rate=rate))
    unit = 2.0 ** (e_weight - 8)
    sgd = w16 * unit - 2.0**-rate * (g * 2.0**e_gradient)
    sgd = np.clip(sgd, -(127 << 8) * unit, (127 << 8) * unit)
    assert np.abs(new * unit - sgd).max() < unit


def test_tin_tins_whole_step_is_float_sgd_and_niti_dynamics_is_not(digits: Any) -> None:
    """The same comparison on every layer of real steps, with the tensors and exponents of the step itself.

    NITI has no rate for which its step is SGD: even at the best one for each layer it is more than one unit of its own
    last place away, on steps whose gradients differ in scale.
    """
    network, weights, images, labels = digits
    config = Config((-7, -9, -8, -6), rate=1, mu=5)
    moved, best = 0, {}
    for name in ("tin-tin", "niti-dynamic"):
        method = methods.get(name)
        fraction = 8 if name == "tin-tin" else 0
        frozen = method.freeze(network, weights, config)
        state = method.initial_state(network, frozen, config, 0)
        for n, (image, label) in enumerate(zip(images, labels, strict=True)):
            trace = method.step(network, frozen, state, image, int(label), config)
            inputs = (config.image_exponent, *trace.exponents)
            for i, g in enumerate(wholes(trace)):
                unit = 2.0 ** (config.weight_exponents[i] - fraction)
                largest = 127 * 2.0 ** config.weight_exponents[i]
                for rate in [config.rate] if name == "tin-tin" else range(-12, 24):
                    real = 2.0**-rate * g * 2.0 ** (trace.error_exponents[i] + inputs[i])
                    sgd = np.clip(state.learned[i] * unit - real, -largest, largest)
                    off = np.abs(trace.state.learned[i] * unit - sgd).max() / unit
                    best.setdefault((name, i, rate), []).append(off)
                moved += int((trace.state.learned[i] != state.learned[i]).sum()) if name == "tin-tin" else 0
            if n >= 20:
                state = trace.state
    assert moved > 1000
    assert all(max(off) < 1 for (name, _, _), off in best.items() if name == "tin-tin")
    for i in range(4):
        assert min(max(off) for (name, j, _), off in best.items() if name == "niti-dynamic" and j == i) > 1


def test_niti_discards_the_gradients_scale_and_tin_tin_does_not() -> None:
    stage = Network("dense", (1, 1, 2), (Dense(1),)).stages[0]
    learned = np.zeros((1, 2), np.int8)
    g = layers.Gradient(np.arange(1), np.array([[1000, -300]], np.int32), (1, 2))
    frozen = methods.Frozen((learned,))
    for name, same in (("niti-dynamic", True), ("tin-tin", False)):
        steps = [
            methods.get(name).learn(Context(stage, g, exponent), learned, frozen, Config((-7,), mu=4))[0]
            for exponent in (-14, -10)
        ]
        assert (steps[0].tolist() == steps[1].tolist()) is same


def test_a_vanishing_or_huge_gradient_does_what_its_size_says() -> None:
    g = np.array([2**24, -(2**24), 1, 0], np.int32)
    assert aligned(g, 32).tolist() == [0, 0, 0, 0]
    assert aligned(g, -40)[2] == 2**16


# -- calibration ------------------------------------------------------------------------------------------------------


def test_forward_shifts_are_the_smallest_without_saturation(digits: Any) -> None:
    network, weights, images, labels = digits
    method = methods.get("niti-static")
    config = calibrate(network, method, weights, images, labels, Config((-7,) * 4))
    frozen = method.freeze(network, weights, config)
    state = method.initial_state(network, frozen, config, 0)
    for stage, p in zip(network.stages, config.forward, strict=True):
        largest = max(
            arithmetic.largest(method.step(network, frozen, state, image, 0, config).accumulators[stage.index])
            for image in images
        )
        assert largest >> p <= 127
        assert p == 0 or largest >> (p - 1) > 127
    dim = np.concatenate([images[:10], images[10:] >> 3])
    full, most = (
        calibrate(network, method, weights, dim, labels, Config((-7,) * 4), rules=Rules(forward_percentile=p))
        for p in (100, 50)
    )
    assert full.forward[0] - most.forward[0] in (2, 3)


@pytest.mark.parametrize("name", SCORED_METHODS)
@pytest.mark.parametrize("moved", [0.02, 0.2])
def test_score_shifts_move_the_stated_share(name: str, moved: float, digits: Any) -> None:
    network, weights, images, labels = digits
    method, start = methods.get(name), Config((-7,) * 4, fraction=0.25)
    config = calibrate(network, method, weights, images, labels, start, rules=Rules(moved=moved))
    frozen = method.freeze(network, weights, config)
    state = method.initial_state(network, frozen, config, 0)
    traces = [method.step(network, frozen, state, x, int(y), config) for x, y in zip(images, labels, strict=True)]
    for i, r in enumerate(config.update):
        deltas = np.stack([(weights[i] * wholes(t)[i]).reshape(-1) for t in traces if t.errors[i].any()])
        deltas = deltas[:, frozen.scored[i]] if frozen.scored else deltas
        assert np.mean(arithmetic.round_shift(deltas, r) != 0) <= moved
        assert r == 0 or np.mean(arithmetic.round_shift(deltas, r - 1) != 0) > moved


def test_weight_shifts_follow_mu_and_dynamic_methods_need_none(digits: Any) -> None:
    network, weights, images, labels = digits
    fast, slow = (
        calibrate(network, methods.get("niti-static"), weights, images, labels, Config((-7,) * 4, mu=mu))
        for mu in (2, -1)
    )
    assert [b - a for a, b in zip(fast.update, slow.update, strict=True)] == [3] * 4
    start = Config((-7,) * 4)
    assert calibrate(network, methods.get("tin-tin"), weights, images, labels, start) == start
    assert replace(fast, forward=(3, 3, 3, 3)).logit_exponent == -7 - 28 + 12
