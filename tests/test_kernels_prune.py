"""Selection and masks (kernels/select.S, mask.S, sparse_mask.S) against NumPy, and the cycles that they state."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from conftest import examples, found_toolchain
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from m0sim import Machine, toolchain
from m0sim.chip.cost import Cost
from m0sim.errors import UsageError
from m0sim.image import Image, load_elf

KERNELS = Path(__file__).parents[1] / "kernels"
SOURCES = [KERNELS / name for name in ("select.S", "mask.S", "sparse_mask.S")]
MANY = settings(max_examples=examples(30), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

Bytes = npt.NDArray[np.uint8]
Block = list["str | int"]
Arrays = dict[str, npt.NDArray[Any]]


# --------------------------------------------------------------------------------------------------------- on the chip


@pytest.fixture(scope="module", params=toolchain.NAMES)
def image(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Image:
    path = tmp_path_factory.mktemp("prune") / "prune.elf"
    found_toolchain(request.param).build(SOURCES, path, linker_script=KERNELS / "m0sim.ld")
    return load_elf(path)


def toolchain_there(name: str) -> bool:
    try:
        toolchain.find(name)
    except UsageError:
        return False
    return True


_machines: dict[tuple[Path, int], Machine] = {}


def roomy_machine(image: Image, turn: int) -> Machine:
    """A machine to put buffers into; another one every few chips, since buffers are never freed."""
    key = (image.path, turn)
    if key not in _machines:
        _machines.clear()
        _machines[key] = Machine(image)
    return _machines[key]


class Chip:
    """Named arrays in a machine and one parameter block made of their names (addresses) and of numbers."""

    made = 0

    def __init__(self, image: Image, block: Block, **arrays: npt.NDArray[Any]) -> None:
        Chip.made += 1
        large = sum(array.nbytes for array in arrays.values()) > 15_000
        self.machine = Machine(image) if large else roomy_machine(image, Chip.made // 12)
        self.buffers = {name: self.machine.alloc(array, name=name) for name, array in arrays.items()}
        self.given = arrays
        words = [self.buffers[entry].address if isinstance(entry, str) else entry for entry in block]
        self.block = self.machine.alloc(np.array(words, np.uint32), name="block")

    def call(self, kernel: str, *more: int) -> Cost:
        return self.machine.call(kernel, self.block, *more, result="u32")

    def read(self, name: str) -> npt.NDArray[Any]:
        return self.buffers[name].read()

    def check_unchanged(self, *names: str) -> None:
        for name in names:
            np.testing.assert_array_equal(self.read(name), self.given[name], name)


def select(image: Image, scores: Bytes, k: int) -> tuple[tuple[int, int], Cost]:
    junk = np.full(256, 0xA5A5A5A5, np.uint32)
    block: Block = ["scores", scores.size, k, "selection", "histogram"]
    chip = Chip(image, block, scores=scores, selection=np.full(2, 77, np.uint32), histogram=junk)
    cost = chip.call("m0k_select")
    chip.check_unchanged("scores")
    cut, ties = chip.read("selection").tolist()
    return (cut, ties), cost


def mask_copy(image: Image, weights: Bytes, scores: Bytes, selection: tuple[int, int]) -> tuple[Bytes, Cost]:
    block: Block = ["weights", "scores", "selection", "out", scores.size]
    arrays: Arrays = {"weights": weights, "scores": scores, "selection": np.array(selection, np.uint32)}
    chip = Chip(image, block, **arrays, out=np.full_like(weights, 99))
    cost = chip.call("m0k_mask_copy")
    chip.check_unchanged(*arrays)
    return chip.read("out"), cost


def mask_pack(image: Image, scores: Bytes, selection: tuple[int, int]) -> tuple[Bytes, Cost]:
    arrays: Arrays = {"scores": scores, "selection": np.array(selection, np.uint32)}
    block: Block = ["scores", "selection", "bits", scores.size]
    chip = Chip(image, block, **arrays, bits=np.full(scores.size // 8, 99, np.uint8))
    cost = chip.call("m0k_mask_pack")
    chip.check_unchanged(*arrays)
    return chip.read("bits"), cost


#: The contracts' depths; rows_scores goes deeper while ties are left, deepest where they run out.
ROWS_STACK = {"m0k_rows_bits": (24,), "m0k_rows_scores": (52, 60, 76), "m0k_rows_sparse": (36,)}


def rows(chip: Chip, provider: str, groups: list[int]) -> tuple[Bytes, int]:
    """The rows of `groups` one after the other, ``uint8[len(groups), row_bytes]``, and the dearest call's cycles."""
    out, cycles = [], 0
    for group in groups:
        cost = chip.call(provider, group)
        assert cost.result == chip.buffers["scratch"].address
        assert cost.stack_bytes in ROWS_STACK[provider]
        out.append(chip.read("scratch"))
        cycles = max(cycles, cost.cycles)
    return np.array(out), cycles


# --------------------------------------------------------------------------------------------------- what it must give


def packed(logical: Bytes, padding: int) -> Bytes:
    """``[n_out, n_in]`` in the device's storage order: groups of four outputs, words of the inputs 2, 3, 0, 1."""
    n_out, n_in = logical.shape
    groups, words = -(-n_out // 4), -(-n_in // 4)
    padded = np.full((groups * 4, words * 4), padding, np.uint8)
    padded[:n_out, :n_in] = logical
    return padded.reshape(groups, 4, words, 4)[..., [2, 3, 0, 1]].transpose(0, 2, 1, 3).reshape(-1).copy()


def wanted_selection(scores: Bytes, k: int) -> tuple[int, int]:
    real = np.sort(scores[scores > 0])[::-1]
    k = min(k, real.size)
    if k == 0:
        return 255, 0
    cut = int(real[k - 1])
    return cut, k - int(np.count_nonzero(real > cut))


def kept(scores: Bytes, selection: tuple[int, int]) -> npt.NDArray[np.bool_]:
    cut, ties = selection
    equal = scores == cut
    keep: npt.NDArray[np.bool_] = (scores > cut) | (equal & (np.cumsum(equal) <= ties))
    return keep


def masked(weights: Bytes, keep: npt.NDArray[np.bool_]) -> Bytes:
    return np.where(keep, weights, 128).astype(np.uint8)


# ------------------------------------------------------------------------------------------------------------ operands


def draw_scores(rng: np.random.Generator, style: str, shape: tuple[int, ...]) -> Bytes:
    if style == "equal":
        return np.full(shape, rng.integers(1, 256), np.uint8)
    if style == "few":
        return rng.choice(rng.integers(1, 256, 3), shape).astype(np.uint8)
    if style == "near":
        return np.clip(rng.normal(rng.integers(1, 256), 3, shape), 1, 255).astype(np.uint8)
    return rng.integers(1, 256, shape).astype(np.uint8)


SHAPES = st.tuples(st.integers(1, 9), st.integers(1, 45))
STYLES = st.sampled_from(["uniform", "few", "equal", "near"])
SEEDS = st.integers(0, 2**32 - 1)
SHARES = st.one_of(st.sampled_from([0.0, 1.0, 2.0]), st.floats(0, 1))


def layer(shape: tuple[int, int], style: str, seed: int) -> tuple[Bytes, Bytes]:
    """Weights and scores of a layer in storage order, with their padding."""
    rng = np.random.default_rng(seed)
    weights = rng.integers(1, 256, shape).astype(np.uint8)
    return packed(weights, 128), packed(draw_scores(rng, style, shape), 0)


# -------------------------------------------------------------------------------------------------------------- select


@MANY
@given(shape=SHAPES, style=STYLES, seed=SEEDS, share=SHARES)
@example(shape=(1, 1), style="uniform", seed=0, share=0.0)
@example(shape=(1, 1), style="uniform", seed=0, share=1.0)
def test_select_keeps_exactly_k(image: Image, shape: tuple[int, int], style: str, seed: int, share: float) -> None:
    _, scores = layer(shape, style, seed)
    k = round(share * shape[0] * shape[1])
    selection, cost = select(image, scores, k)
    assert selection == wanted_selection(scores, k)
    assert cost.stack_bytes == 20
    keep = kept(scores, selection)
    best = np.argsort(-scores.astype(int), kind="stable")[: min(k, shape[0] * shape[1])]
    assert sorted(best.tolist()) == np.flatnonzero(keep).tolist()


@MANY
@given(n=st.integers(0, 70), style=STYLES, seed=SEEDS, k=st.integers(0, 80))
def test_select_takes_any_number_of_scores(image: Image, n: int, style: str, seed: int, k: int) -> None:
    scores = draw_scores(np.random.default_rng(seed), style, (n,))
    selection, cost = select(image, scores, k)
    assert selection == wanted_selection(scores, k)
    blocks, rest = divmod(n, 16)
    fixed = 432 - 2 * (blocks > 0) - 2 * (rest > 0)
    assert cost.cycles == fixed + 121 * blocks + 12 * rest + 7 * (255 - selection[0])


@MANY
@given(shape=SHAPES, style=STYLES, seed=SEEDS, share=SHARES, is_current=st.booleans())
@example(shape=(1, 1), style="uniform", seed=0, share=0.0, is_current=True)
@example(shape=(9, 45), style="equal", seed=1, share=2.0, is_current=True)
def test_select_kept_counts_only_what_it_must(
    image: Image, shape: tuple[int, int], style: str, seed: int, share: float, is_current: bool
) -> None:
    """The same cut; a histogram that is current is believed, another one made anew."""
    _, scores = layer(shape, style, seed)
    k, right = round(share * shape[0] * shape[1]), np.array([1, *np.bincount(scores, minlength=256)[1:]], np.uint16)
    given_bins = right if is_current else np.array([0, *[0xA5A5] * 255], np.uint16)
    block: Block = ["scores", scores.size, k, "selection", "bins"]
    chip = Chip(image, block, scores=scores, selection=np.full(2, 77, np.uint32), bins=given_bins)
    cost = chip.call("m0k_select_kept")
    chip.check_unchanged("scores")
    cut, ties = chip.read("selection").tolist()
    assert (cut, ties) == wanted_selection(scores, k)
    np.testing.assert_array_equal(chip.read("bins"), right)
    blocks, rest = divmod(scores.size, 16)
    more = 17 * cut if k > np.count_nonzero(scores) else 0
    counting = 0 if is_current else 260 + 121 * blocks + 12 * rest
    assert cost.cycles <= 50 + 7 * (255 - cut) + more + counting
    assert cost.stack_bytes <= 20


@pytest.mark.parametrize("is_current", [False, True])
def test_select_kept_of_nothing_and_of_very_much(image: Image, is_current: bool) -> None:
    for scores, k, expected in (
        (np.zeros(32, np.uint8), 5, (255, 0)),
        (np.full(65_535, 9, np.uint8), 65_534, (9, 65_534)),
    ):
        bins = np.zeros(256, np.uint16)
        bins[[0, 9]] = is_current, is_current * np.count_nonzero(scores)
        block: Block = ["scores", scores.size, k, "selection", "bins"]
        chip = Chip(image, block, scores=scores, selection=np.zeros(2, np.uint32), bins=bins)
        chip.call("m0k_select_kept")
        assert tuple(chip.read("selection").tolist()) == expected


def test_select_with_padding_only_keeps_nothing(image: Image) -> None:
    assert select(image, np.zeros(32, np.uint8), 5)[0] == (255, 0)


def test_select_counts_more_than_16_bits(image: Image) -> None:
    scores = np.full(70_000, 9, np.uint8)
    assert select(image, scores, 69_999)[0] == (9, 69_999)


# ---------------------------------------------------------------------------------------------------------- mask, rows


@MANY
@given(shape=SHAPES, style=STYLES, seed=SEEDS, share=SHARES)
@example(shape=(9, 45), style="equal", seed=1, share=0.5)
def test_masks_keep_what_was_selected(
    image: Image, shape: tuple[int, int], style: str, seed: int, share: float
) -> None:
    weights, scores = layer(shape, style, seed)
    selection = wanted_selection(scores, round(share * shape[0] * shape[1]))
    keep = kept(scores, selection)
    out, cost = mask_copy(image, weights, scores, selection)
    np.testing.assert_array_equal(out, masked(weights, keep))
    assert cost.stack_bytes in (44, 52, 68)
    bits, cost = mask_pack(image, scores, selection)
    np.testing.assert_array_equal(bits, np.packbits(keep, bitorder="little"))
    assert cost.stack_bytes in (44, 52, 68)


def check_selections(image: Image, weights: Bytes, scores: Bytes, selections: list[tuple[int, int]]) -> None:
    """Both masks for many selections, all of them in memory from the start: writing between calls is slow."""
    machine, n = Machine(image), scores.size
    put = {name: machine.alloc(array).address for name, array in {"weights": weights, "scores": scores}.items()}
    chosen, out = machine.alloc(np.array(selections, np.uint32)).address, machine.alloc(weights)
    blocks = [
        [put["weights"], put["scores"], at, out.address, n, put["scores"], at, out.address, n]
        for at in range(chosen, chosen + 8 * len(selections), 8)
    ]
    first_block = machine.alloc(np.array(blocks, np.uint32)).address
    for i, selection in enumerate(selections):
        keep = kept(scores, selection)
        machine.call("m0k_mask_copy", first_block + 36 * i)
        np.testing.assert_array_equal(out.read(), masked(weights, keep))
        machine.call("m0k_mask_pack", first_block + 36 * i + 20)
        np.testing.assert_array_equal(out.read()[: n // 8], np.packbits(keep, bitorder="little"))


@pytest.mark.long
def test_every_threshold(image: Image) -> None:
    """Every cut with the scores around it, without ties and with ties that end in, between and behind blocks."""
    rng = np.random.default_rng(0)
    scores = np.concatenate([np.arange(256), rng.permutation(256), np.zeros(16)]).astype(np.uint8)
    weights = rng.integers(0, 256, scores.size).astype(np.uint8)
    selections = [(cut, ties) for cut in range(256) for ties in (0, 1, 2, 3) if cut or not ties]
    check_selections(image, weights, scores, selections)


def test_ties_run_out_at_every_place(image: Image) -> None:
    scores = np.full(64, 200, np.uint8)
    check_selections(image, np.arange(64, dtype=np.uint8), scores, [(200, ties) for ties in range(66)])


def test_mask_of_nothing(image: Image) -> None:
    nothing = np.zeros(0, np.uint8)
    assert mask_copy(image, nothing, nothing, (7, 3))[0].size == 0
    assert mask_pack(image, nothing, (7, 3))[0].size == 0


def test_mask_copy_in_place(image: Image) -> None:
    weights, scores = layer((5, 20), "few", 3)
    selection = wanted_selection(scores, 50)
    arrays: Arrays = {"weights": weights, "scores": scores, "selection": np.array(selection, np.uint32)}
    chip = Chip(image, ["weights", "scores", "selection", "weights", scores.size], **arrays)
    chip.call("m0k_mask_copy")
    np.testing.assert_array_equal(chip.read("weights"), masked(weights, kept(scores, selection)))


@MANY
@given(shape=SHAPES, style=STYLES, seed=SEEDS, share=SHARES)
@example(shape=(9, 3), style="equal", seed=1, share=0.5)
def test_rows_from_scores(image: Image, shape: tuple[int, int], style: str, seed: int, share: float) -> None:
    """Groups in order, twice: ties go on from group to group and start afresh at group 0."""
    weights, scores = layer(shape, style, seed)
    selection = wanted_selection(scores, round(share * shape[0] * shape[1]))
    groups = -(-shape[0] // 4)
    row_bytes = scores.size // groups
    arrays: Arrays = {"weights": weights, "scores": scores, "selection": np.array(selection, np.uint32)}
    more: Arrays = {"scratch": np.zeros(row_bytes, np.uint8), "state": np.full(1, 0xDEAD, np.uint32)}
    block: Block = ["weights", "scores", "selection", "scratch", row_bytes, "state"]
    chip = Chip(image, block, **arrays, **more)
    expected = masked(weights, kept(scores, selection)).reshape(groups, row_bytes)
    for _ in range(2):
        np.testing.assert_array_equal(rows(chip, "m0k_rows_scores", list(range(groups)))[0], expected)
    chip.check_unchanged(*arrays)


@MANY
@given(shape=SHAPES, seed=SEEDS, share=st.floats(0, 1))
def test_rows_from_bits(image: Image, shape: tuple[int, int], seed: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    weights, _ = layer(shape, "uniform", seed)
    keep = rng.random(weights.size) < share
    groups = -(-shape[0] // 4)
    row_bytes = weights.size // groups
    arrays = {"weights": weights, "bits": np.packbits(keep, bitorder="little")}
    chip = Chip(image, ["weights", "bits", "scratch", row_bytes], **arrays, scratch=np.zeros(row_bytes, np.uint8))
    order = rng.permutation(groups).tolist()
    out, cycles = rows(chip, "m0k_rows_bits", order)
    np.testing.assert_array_equal(out, masked(weights, keep).reshape(groups, row_bytes)[order])
    chip.check_unchanged(*arrays)
    assert cycles == 36 + 52 * (row_bytes // 16)


# -------------------------------------------------------------------------------------------------------------- sparse


def gap_list(edges: npt.NDArray[np.int64]) -> Bytes:
    """Rising storage indices as gaps: 1 .. 255 to the next, 0 for 255 further without an edge."""
    out: list[int] = []
    for gap in np.diff(edges, prepend=-1).tolist():
        out += [0] * ((gap - 1) // 255) + [(gap - 1) % 255 + 1]
    return np.array(out, np.uint8)


def sparse_case(shape: tuple[int, int], style: str, seed: int, fraction: float, share: float) -> Arrays:
    """Weights, a scored set, its gaps and scores, and a selection; `expected` is the masked layer."""
    rng = np.random.default_rng(seed)
    weights, _ = layer(shape, style, seed)
    edges = np.flatnonzero(rng.random(weights.size) < fraction)
    scores = draw_scores(rng, style, (edges.size,))
    selection = wanted_selection(scores, round(share * edges.size))
    expected = weights.copy()
    expected[edges[~kept(scores, selection)]] = 128
    arrays: Arrays = {"weights": weights, "gaps": gap_list(edges), "scores": scores, "expected": expected}
    return {**arrays, "selection": np.array(selection, np.uint32)}


SPARSE_SHAPES = st.tuples(st.integers(1, 13), st.integers(1, 130))
FRACTIONS = st.one_of(st.sampled_from([0.0, 1.0, 0.002, 0.01]), st.floats(0, 1))


@MANY
@given(shape=SPARSE_SHAPES, style=STYLES, seed=SEEDS, fraction=FRACTIONS, share=SHARES)
@example(shape=(13, 130), style="uniform", seed=5, fraction=0.002, share=0.5)
@example(shape=(1, 1), style="equal", seed=5, fraction=1.0, share=0.5)
def test_sparse_masks(
    image: Image, shape: tuple[int, int], style: str, seed: int, fraction: float, share: float
) -> None:
    arrays = sparse_case(shape, style, seed, fraction, share)
    expected = arrays.pop("expected")
    count, n = arrays["scores"].size, expected.size
    groups = -(-shape[0] // 4)
    row_bytes = n // groups
    lists: Block = ["weights", "scores", "selection", "gaps", count]

    chip = Chip(image, [*lists, "out", n], **arrays, out=np.full(n, 3, np.uint8))
    cost = chip.call("m0k_sparse_copy")
    np.testing.assert_array_equal(chip.read("out"), expected)
    chip.check_unchanged(*arrays)
    assert cost.stack_bytes <= 52
    far = int(np.count_nonzero(arrays["gaps"] == 0))
    equal = int(np.count_nonzero(arrays["scores"] == arrays["selection"][0]))
    assert cost.cycles <= 160 + 43 * n // 64 + 18 * count + 6 * equal + 7 * far

    more: Arrays = {"scratch": np.zeros(row_bytes, np.uint8), "state": np.full(4, 0xDEAD, np.uint32)}
    chip = Chip(image, [*lists, "scratch", row_bytes, "state"], **arrays, **more)
    for _ in range(2):
        out, _ = rows(chip, "m0k_rows_sparse", list(range(groups)))
        np.testing.assert_array_equal(out, expected.reshape(groups, row_bytes))
    chip.check_unchanged(*arrays)


# ----------------------------------------------------------------------------------------------------------- registers


CALLER = """
    .syntax unified
    .cpu cortex-m0plus
    .thumb
    .section .text.callers, "ax", %progbits
    .type callers, %function
    .global callers
    .thumb_func
callers:                                @ r0, r1 arguments, r2 function: r0 = sum of what r4-r11 hold after it
    push {r4-r7, lr}
    movs r3, #1
    movs r4, #2
    movs r5, #4
    movs r6, #8
    mov r8, r3
    mov r9, r4
    mov r10, r5
    mov r11, r6
    movs r4, #16
    movs r5, #32
    movs r6, #64
    movs r7, #128
    blx r2
    adds r4, r4, r5
    adds r4, r4, r6
    adds r4, r4, r7
    add r4, r8
    add r4, r9
    add r4, r10
    add r4, r11
    movs r0, r4
    pop {r4-r7, pc}
    .size callers, . - callers
"""


@pytest.mark.parametrize("name", toolchain.NAMES)
def test_registers_are_the_callers(tmp_path: Path, name: str) -> None:
    (tmp_path / "callers.S").write_text(CALLER)
    path = tmp_path / "callers.elf"
    found_toolchain(name).build([*SOURCES, tmp_path / "callers.S"], path, linker_script=KERNELS / "m0sim.ld")
    image = load_elf(path)
    arrays = sparse_case((4, 20), "few", 7, 1.0, 0.5)
    more: Arrays = {"out": np.zeros(80, np.uint8), "state": np.zeros(4, np.uint32), "bins": np.zeros(256, np.uint32)}
    ends: dict[str, Block] = {
        "m0k_select": ["scores", 80, 30, "state", "bins"],
        "m0k_mask_copy": ["weights", "scores", "selection", "out", 80],
        "m0k_mask_pack": ["scores", "selection", "out", 80],
        "m0k_sparse_copy": ["weights", "scores", "selection", "gaps", 80, "out", 80],
        "m0k_rows_bits": ["weights", "scores", "out", 80],
        "m0k_rows_scores": ["weights", "scores", "selection", "out", 80, "state"],
        "m0k_rows_sparse": ["weights", "scores", "selection", "gaps", 80, "out", 80, "state"],
    }
    for kernel, block in ends.items():
        chip = Chip(image, block, **arrays, **more)
        cost = chip.machine.call("callers", chip.block, 0, image.find(kernel).address | 1)
        assert cost.result == 255, kernel


# -------------------------------------------------------------------------------------------------------------- cycles


def blocks_with_ties(scores: Bytes, selection: tuple[int, int]) -> tuple[int, int]:
    """Blocks of 16 up to the one in which the ties run out, and how many of them hold an equal score."""
    equal = (scores == selection[0]).reshape(-1, 16)
    before = np.cumsum(equal.sum(1)) - equal.sum(1)
    seen = before < selection[1]
    return int(seen.sum()), int((seen & equal.any(1)).sum())


@MANY
@given(blocks=st.integers(1, 40), style=STYLES, seed=SEEDS, share=SHARES, cut=st.integers(0, 255))
def test_mask_cycles(image: Image, blocks: int, style: str, seed: int, share: float, cut: int) -> None:
    rng = np.random.default_rng(seed)
    scores = draw_scores(rng, style, (16 * blocks,))
    low = 2 * (cut < 128)
    assert mask_copy(image, scores, scores, (cut, 0))[1].cycles == 90 + 63 * blocks - low
    assert mask_pack(image, scores, (cut, 0))[1].cycles == 89 + 42 * blocks - low
    selection = wanted_selection(scores, round(share * scores.size))
    seen, met = blocks_with_ties(scores, selection)
    more = 450 + 26 * seen + 58 * met
    assert mask_copy(image, scores, scores, selection)[1].cycles <= 90 + 63 * blocks + more
    assert mask_pack(image, scores, selection)[1].cycles <= 89 + 42 * blocks + more


@pytest.mark.parametrize("cut", [0, 127, 128, 255])
def test_rows_from_scores_cycles(image: Image, cut: int) -> None:
    weights, scores = layer((8, 20), "uniform", cut)
    arrays: Arrays = {"weights": weights, "scores": scores, "selection": np.array([cut, 0], np.uint32)}
    block: Block = ["weights", "scores", "selection", "scratch", 80, "state"]
    chip = Chip(image, block, **arrays, scratch=np.zeros(80, np.uint8), state=np.zeros(1, np.uint32))
    low = 2 * (cut < 128)
    assert [chip.call("m0k_rows_scores", g).cycles for g in (0, 1)] == [109 + 63 * 5 - low, 106 + 63 * 5 - low]


@pytest.mark.skipif(not all(map(toolchain_there, toolchain.NAMES)), reason="needs both zig and gnu")
def test_both_toolchains_give_the_same_instructions(tmp_path: Path) -> None:
    """Sizes and cycles of every function; the tests above hold each one's results."""
    costs = []
    for name in toolchain.NAMES:
        path = toolchain.find(name).build(SOURCES, tmp_path / f"{name}.elf", linker_script=KERNELS / "m0sim.ld")
        image = load_elf(path)
        weights, scores = layer((9, 45), "few", 1)
        selection, cost = select(image, scores, 200)
        sparse = sparse_case((9, 45), "few", 1, 0.3, 0.5)
        block: Block = ["weights", "scores", "selection", "gaps", sparse["scores"].size, "expected", weights.size]
        costs.append(
            [
                {s.name: s.size for s in image.symbols},
                cost.cycles,
                mask_copy(image, weights, scores, selection)[1].cycles,
                mask_pack(image, scores, selection)[1].cycles,
                Chip(image, block, **sparse).call("m0k_sparse_copy").cycles,
            ]
        )
    assert costs[0] == costs[1]
