"""The backward and update kernels against each formula written out in NumPy, byte for byte, and their cycle bounds.

Everything the kernels may touch is compared, padding included; a write elsewhere hits a red zone and faults.
"""

from __future__ import annotations

import atexit
import shutil
import tempfile
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from conftest import examples, quick_of
from hypothesis import HealthCheck, given, settings
from hypothesis import example as always
from hypothesis import strategies as st

from m0sim import Machine, toolchain
from m0sim.chip.buffer import Buffer
from m0sim.chip.cost import Cost
from m0sim.errors import UsageError
from m0sim.study.learn import blocks

KERNELS = Path(__file__).parents[1] / "kernels"
SOURCES = ("dense_back", "back_list", "conv_back", "conv_gather", "conv_grad", "niti", "bias_update", "score", "sparse")
DYNAMIC = 0xFFFFFFFF

Array = npt.NDArray[Any]

many = settings(max_examples=examples(60), deadline=None, suppress_health_check=list(HealthCheck))


# The formulas


def sat(x: Array) -> Array:
    return np.asarray(np.clip(x, -127, 127))


def round_shift(x: Array, s: int) -> Array:
    x = x.astype(np.int64)
    return x if s <= 0 else (x + (1 << (s - 1)) + (x >> 63)) >> s


def psto_shift(x: Array, s: int) -> Array:
    x = x.astype(np.int64)
    if s <= 0:
        return x
    m, h = np.abs(x), s >> 1
    r = m & ((1 << s) - 1)
    q, u = r >> h, r & ((1 << h) - 1)
    return np.asarray(np.sign(x) * ((m >> s) + (q > (2 * u if s & 1 else u))))


def padded(n: int) -> int:
    return (n + 3) // 4 * 4


def pack(values: Array, bias: int, fill: int) -> Array:
    """The edge array of `values` int8 [n_out, n_in]: uint8 [groups * 4 * P]."""
    n_out, n_in = values.shape
    full = np.full((padded(n_out), padded(n_in)), fill, np.int64)
    full[:n_out, :n_in] = values.astype(np.int64) + bias
    words = full.reshape(-1, 4, padded(n_in) // 4, 4).transpose(0, 2, 1, 3)
    return words[..., [2, 3, 0, 1]].astype(np.uint8).reshape(-1)


def pack_weights(w: Array) -> Array:
    return pack(w, 128, 128)


def pack_scores(s: Array) -> Array:
    return pack(s, 128, 0)


def pad_bytes(values: Array, fill: int = 0) -> Array:
    """A flat int8 copy whose size is a multiple of four."""
    flat = values.reshape(-1).astype(np.int8)
    return np.concatenate([flat, np.full(-flat.size % 4, fill, np.int8)])


# The machine


@cache
def elf(name: str) -> Path:
    """The kernels and the provider below, assembled by toolchain `name`; skips the test where it is not installed."""
    folder = Path(tempfile.mkdtemp(prefix="m0sim-kernels-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    (folder / "provider.S").write_text(PROVIDER, encoding="utf-8")
    paths = [*(KERNELS / f"{source}.S" for source in SOURCES), folder / "provider.S"]
    try:
        return toolchain.find(name).build(paths, folder / f"{name}.elf", linker_script=KERNELS / "m0sim.ld")
    except UsageError as missing:
        if "build failed" in str(missing):
            raise
        pytest.skip(str(missing))


# A provider as masked layers have it: context { weights, group bytes, groups asked for }. It gives nothing unless asked
# for one group after the other from 0, and leaves rubbish in all registers that are the callee's.
PROVIDER = """
        .syntax unified
        .cpu cortex-m0plus
        .thumb
        .section .text.provider, "ax", %progbits
        .global provider
        .type provider, %function
        .thumb_func
provider:
        push {r0, r1, r2, lr}
        ldr r2, [r0, #8]
        cmp r1, r2
        bne 1f
        adds r2, #1
        str r2, [r0, #8]
        ldr r2, [r0, #4]
        muls r1, r2, r1
        ldr r0, [r0, #0]
        adds r0, r0, r1
        ldr r2, =0xDEADBEEF
        mov r12, r2
        movs r1, r2
        movs r3, r2
        add sp, #12
        pop {pc}
1:      movs r0, #0
        add sp, #12
        pop {pc}
        .ltorg
        .size provider, . - provider
"""


def call(machine: Machine, name: str, *fields: Any) -> tuple[Cost, list[Any]]:
    """Run `name` on a block of `fields`; an array becomes a buffer. Returns the cost and the arrays afterwards.

    Fields that are left out at the end are 0.
    """
    fields += (0,) * (len(blocks.blocks()[name]) - len(fields))
    buffers = [machine.alloc(f) if isinstance(f, np.ndarray) else f for f in fields]
    words = [b.address if isinstance(b, Buffer) else int(b) for b in buffers]
    block = machine.alloc(np.array(words, np.uint32))
    cost = machine.call(name, block, result="void")
    assert block.read().tolist() == words
    for given_array, buffer, constant in zip(fields, buffers, constants(name, len(fields)), strict=True):
        if constant and isinstance(given_array, np.ndarray):
            np.testing.assert_array_equal(buffer.read(), given_array)
    return cost, [b.read() if isinstance(b, Buffer) else b for b in buffers]


def constants(name: str, count: int) -> list[bool]:
    """Which fields of the block must not be written through."""
    written = {
        "m0k_dense_back": (2, 3, 11),
        "m0k_conv_back": (4, 5, 20),
        "m0k_conv_grad": (3, 15, 16),
        "m0k_bias_update": (1,),
        "m0k_niti_dense": (2,),
        "m0k_niti_grad": (1,),
        "m0k_niti_measure": (3,),
        "m0k_score_dense": (3, 8),
        "m0k_score_grad": (2, 7),
        "m0k_sparse_dense": (3, 9),
        "m0k_sparse_grad": (2,),
    }[name]
    return [i not in written for i in range(count)]


def run(name: str, *fields: Any) -> tuple[Cost, list[Any]]:
    return call(Machine.from_elf(elf("zig")), name, *fields)


# Values: extremes, zeros and small ones are as likely as any


def values(rng: np.random.Generator, shape: Any, low: int = -127, high: int = 127) -> Array:
    kind = rng.integers(5)
    anything = rng.integers(low, high + 1, shape)
    if kind == 0:
        anything = rng.choice([low, high], shape)
    if kind == 1:
        anything = np.clip(rng.integers(-3, 4, shape), low, high)
    if kind >= 3:
        anything = anything * (rng.random(shape) < rng.choice([0.0, 0.1, 0.5, 0.9]))
    return np.asarray(anything, np.int8)


def gradients(rng: np.random.Generator, n_out: int, n_in: int, largest: int) -> Array:
    """int32 [n_out][P] as m0k_conv_grad leaves it, the padding zero."""
    scale = int(rng.choice([1, 3, 200, 16129, largest]))
    grad = np.zeros((n_out, padded(n_in)), np.int32)
    grad[:, :n_in] = rng.integers(-scale, scale + 1, (n_out, n_in))
    if rng.integers(2):
        grad[rng.random(grad.shape) < 0.5] = 0
    return grad


seeds = st.integers(0, 2**32 - 1)
sizes = st.one_of(st.sampled_from([1, 2, 3, 4, 5, 7, 8, 9]), st.integers(1, 70))
shifts = st.one_of(st.sampled_from([0, 1, 2, 3, 24]), st.integers(0, 24))


#: What the histogram of scores is before the update: not there, not up to date, or right.
counters = st.sampled_from(["none", "stale", "current"])


def histogram(stored: Array, state: str) -> Array:
    """uint16 [256] of scores as they are stored, its first counter 1 where it is current; rubbish where it is not."""
    if state == "stale":
        return np.array([0, *[0xA5A5] * 255], np.uint16)
    return np.array([1, *np.bincount(stored, minlength=256)[1:]], np.uint16)


def check_histogram(found: Array, state: str, before: Array, after: Array, n: int, shift: int, clamped: int = 0) -> int:
    """
    It is that of the new scores, or says that it is not; no more than a bound. Scores that clamp count as moved, also
    those that were at the limit before. Returns how many edges moved.
    """
    moved = np.count_nonzero(before != after)
    if state == "current" and found[0]:
        np.testing.assert_array_equal(found, histogram(after, state))
    elif state == "current":
        assert shift == 0 or moved + clamped > n // 32, "it was given up though few scores moved"
    else:
        np.testing.assert_array_equal(found, histogram(before, state))
    return moved


@many
@given(seeds, sizes, sizes, shifts, st.booleans(), counters)
def test_score_dense(seed: int, n_in: int, n_out: int, shift: int, signed: bool, state: str) -> None:
    rng = np.random.default_rng(seed)
    w, s = values(rng, (n_out, n_in)), values(rng, (n_out, n_in))
    e, a = values(rng, n_out), values(rng, n_in, -127 if signed else 0)
    delta = round_shift(w * (e[:, None].astype(np.int64) * a[None].astype(np.int64)), shift)
    cost, after = run(
        "m0k_score_dense",
        *(pad_bytes(e, 9), pad_bytes(a, 127), pack_weights(w), pack_scores(s), n_in, n_out, shift, int(signed)),
        0 if state == "none" else histogram(pack_scores(s), state),
    )
    np.testing.assert_array_equal(after[3], pack_scores(sat(s - delta)))
    words, active = padded(n_in) // 4, np.count_nonzero(e)
    clamped, counted = np.count_nonzero(np.abs(s - delta) > 127), 0
    if state != "none":
        counted = check_histogram(after[8], state, pack_scores(s), after[3], n_in * n_out, shift, clamped)
    most = n_in * n_out * 5 // 32 + n_in if shift else 0
    extra = 17 * min(most, counted + clamped) + (28 + 2 * words) * active if state == "current" else 0
    assert cost.cycles <= 115 + 38 * n_out + active * (12 + 85 * words) + 4 * clamped + extra
    assert cost.stack_bytes <= 60


@many
@given(seeds, sizes, sizes, shifts, counters)
def test_score_grad(seed: int, n_in: int, n_out: int, shift: int, state: str) -> None:
    rng = np.random.default_rng(seed)
    w, s = values(rng, (n_out, n_in)), values(rng, (n_out, n_in))
    grad = gradients(rng, n_out, n_in, 127 * 127 * 784)
    delta = round_shift(w * grad[:, :n_in].astype(np.int64), shift)
    bins = 0 if state == "none" else histogram(pack_scores(s), state)
    cost, after = run("m0k_score_grad", grad, pack_weights(w), pack_scores(s), n_in, n_out, shift, 0, bins)
    np.testing.assert_array_equal(after[2], pack_scores(sat(s - delta)))
    clamped, counted, words = np.count_nonzero(np.abs(s - delta) > 127), 0, padded(n_in) // 4
    if state != "none":
        counted = check_histogram(after[7], state, pack_scores(s), after[2], n_in * n_out, shift, clamped)
    most = padded(n_in) * n_out * 5 // 32 + n_in if shift else 0
    extra = 15 * min(most, counted + clamped) + (20 + 2 * words) * n_out if state == "current" else 0
    assert cost.cycles <= 70 + 34 * n_out + 71 * words * n_out + 4 * clamped + extra
    assert cost.stack_bytes <= 52


@pytest.mark.parametrize("share", [0.02, 1.0])
def test_the_histogram_is_given_up_where_most_scores_move(share: float) -> None:
    """And costs little until then: at most 8 % of an update that moves all of 64 * 32 edges."""
    rng = np.random.default_rng(0)
    w, s = rng.choice([-100, 100], (32, 64)), np.zeros((32, 64), np.int8)
    e, a = np.full(32, 100), np.where(np.arange(64) < 64 * share, 100, 0)
    grad = np.outer(e, a).astype(np.int32)
    for kernel, data, at in (("dense", (pad_bytes(e), pad_bytes(a)), 3), ("grad", (grad,), 2)):
        scores = pack_scores(s)
        fields = [*data, pack_weights(w), scores, 64, 32, 15, 0]
        plain, _ = run(f"m0k_score_{kernel}", *fields, 0)
        cost, after = run(f"m0k_score_{kernel}", *fields, histogram(scores, "current"))
        assert (after[-1][0] == 0) == (share == 1.0)
        assert np.count_nonzero(after[at] != scores) == 32 * np.count_nonzero(a)
        assert share < 1.0 or cost.cycles <= 1.08 * plain.cycles


@many
@given(seeds, sizes, sizes, shifts, st.booleans(), st.booleans())
def test_dense_back(seed: int, n_in: int, n_out: int, shift: int, gated: bool, dynamic: bool) -> None:
    rng = np.random.default_rng(seed)
    w, e, gate = values(rng, (n_out, n_in)), values(rng, n_out), values(rng, n_in, -127 if seed & 1 else 0)
    acc = w.astype(np.int64).T @ e.astype(np.int64)
    out = sat(round_shift(acc, shift))
    if gated:
        out[gate <= 0] = 0
    scratch = np.full(padded(n_in), 0x5A5A5A5A, np.int32)
    cost, after = run(
        "m0k_dense_back",
        *(pad_bytes(e, 77), pack_weights(w), scratch, np.full(n_in, 55, np.int8), n_in, n_out, shift),
        *(gate if gated else 0, 0, 0, int(dynamic), 0, 0, 0),
    )
    np.testing.assert_array_equal(after[3], np.full(n_in, 55) if dynamic else out)
    if dynamic:
        np.testing.assert_array_equal(after[2][:n_in], acc)
    assert cost.cycles <= dense_back_cycles(e, n_in, dynamic)
    assert cost.stack_bytes <= 92


def dense_back_cycles(e: Array, n_in: int, dynamic: bool) -> int:
    """The bound at the head of dense_back.S, without lists."""
    words = padded(n_in) // 4
    groups = pad_bytes(e, 77).reshape(-1, 4).astype(int)
    return 165 + 10 * words + (0 if dynamic else 26 * n_in) + group_cycles(groups, words)


def group_cycles(groups: Array, words: int) -> int:
    cycles = 130 * len(groups)
    for group in groups:
        count = int(np.count_nonzero(group))
        if count >= 3 and np.abs(group).sum() <= 258:
            cycles += 61 * words
        else:
            cycles += count // 2 * (46 * words + 70) + count % 2 * (36 * words + 40)
    return cycles


@many
@given(
    seed=seeds,
    n_in=st.integers(125, 180),
    n_out=st.one_of(st.sampled_from([1, 3, 63, 64, 65, 128, 129]), st.integers(1, 140)),
    largest=st.sampled_from([1, 20, 64, 65, 127]),
    share=st.sampled_from([0.0, 0.1, 0.5, 1.0]),
    dynamic=st.booleans(),
    first=st.booleans(),
)
def test_dense_back_over_lists(
    seed: int, n_in: int, n_out: int, largest: int, share: float, dynamic: bool, first: bool
) -> None:
    """Errors of all magnitudes, closed gates in runs; what is in front of and behind the list stays as it was."""
    rng = np.random.default_rng(seed)
    w = values(rng, (n_out, n_in))
    e = (rng.integers(-largest, largest + 1, n_out) * (rng.random(n_out) < share)).astype(np.int8)
    gate = values(rng, padded(n_in)) * np.repeat(rng.random(1 + n_in // 16) < 0.5, 16)[: padded(n_in)]
    start = rng.integers(-(1 << 20), 1 << 20, padded(n_in)).astype(np.int32) if first else np.zeros(padded(n_in), int)
    start = start if e.any() else start * 0
    acc = start[:n_in] + w.astype(np.int64).T @ e.astype(np.int64)
    room = 3 * min(padded(n_out), 64)
    scratch = np.full(room + 2, 0x5A5A5A5A, np.uint32)
    machine = Machine.from_elf(elf("zig"))
    held = machine.alloc(scratch)
    sums = start.astype(np.int32) if first else np.full(padded(n_in), 7, np.int32)
    cost, after = call(
        machine,
        "m0k_dense_back",
        *(pad_bytes(e), pack_weights(w), sums, np.full(padded(n_in), 55, np.int8), n_in, n_out, 9),
        *(np.asarray(gate, np.int8), 0, 0, int(dynamic), held.address + 4, int(first), 0),
    )
    if dynamic:
        np.testing.assert_array_equal(after[2][:n_in], acc)
    else:
        np.testing.assert_array_equal(after[3][:n_in], np.where(gate[:n_in] > 0, sat(round_shift(acc, 9)), 0))
        assert (after[3][n_in:] == 55).all()
    assert held.read()[[0, -1]].tolist() == [0x5A5A5A5A] * 2
    assert cost.stack_bytes <= 112
    assert cost.cycles <= list_cycles(e, n_in, dynamic)
    if n_in >= 128 and n_out <= 64 and e.any():
        groups = pad_bytes(e).reshape(-1, 4).astype(int)
        assert (cost.stack_bytes == 112) == (list_costs(np.abs(groups[groups != 0]), groups) < 0)


def list_cycles(e: Array, n_in: int, dynamic: bool) -> int:
    """The bound at the head of dense_back.S: with n_in >= 128 the better way for each 64 outputs."""
    groups = pad_bytes(e).reshape(-1, 4).astype(int)
    if not e.any():
        return 140 + 8 * len(groups) + (2 * n_in if dynamic else n_in // 2)
    words, total = padded(n_in) // 4, 0
    groups = groups[: np.flatnonzero(groups.any(1))[-1] + 1]
    for at in range(0, len(groups), 16):
        batch = groups[at : at + 16]
        by_groups, used = group_cycles(batch, words), np.abs(batch[batch != 0])
        if n_in < 128 or list_costs(used, batch) > 0:
            total += by_groups
        else:
            rest = group_cycles(batch, words % 4) if words % 4 else 0
            total += words // 4 * (42 * len(used) + 120 * chunks(used) + 40) + rest
        total += 110 + 55 * len(batch) + 36 * len(used) if n_in >= 128 else 0
    return 165 + 10 * words + (0 if dynamic else 26 * n_in) + total


def list_costs(used: Array, groups: Array) -> int:
    """What the list costs for 16 inputs, more than groups of outputs do."""
    cost = 42 * len(used) + 120 * chunks(used) + 40
    for group in groups:
        count = int(np.count_nonzero(group))
        at_once = count >= 3 and np.abs(group).sum() <= 258
        cost -= 244 if at_once else count // 2 * 184 + count % 2 * 144
    return cost


def chunks(magnitudes: Array) -> int:
    """How many runs of errors, each as long as 258 allows."""
    found, left = 1, 258
    for magnitude in magnitudes.tolist():
        left -= magnitude
        if left < 0:
            found, left = found + 1, 258 - magnitude
    return found


@pytest.mark.parametrize("picked", [None, 0, 1])
def test_dense_back_asks_its_provider_where_it_is_picked(picked: int | None) -> None:
    rng = np.random.default_rng(2)
    w, other, e = values(rng, (9, 150)), values(rng, (9, 150)), rng.integers(-9, 10, 9).astype(np.int8)
    machine = Machine.from_elf(elf("zig"))
    plain = machine.alloc(pack_weights(other))
    context = machine.alloc(np.array([plain.address, 4 * padded(150), 0], np.uint32))
    pick = 0 if picked is None else machine.alloc(np.array([picked], np.uint32)).address
    room = machine.alloc(np.zeros(64, np.uint32)).address
    _, after = call(
        machine,
        "m0k_dense_back",
        *(pad_bytes(e), pack_weights(w), np.zeros(152, np.int32), 0, 150, 9, 0, 0),
        *(machine.symbol("provider").address | 1, context.address, 1, room, 0, pick),
    )
    used = w if picked == 0 else other
    np.testing.assert_array_equal(after[2][:150], used.astype(np.int64).T @ e.astype(np.int64))


@dataclass
class Conv:
    """A convolution's shape, and the errors at its output (pooled or not)."""

    height: int
    width: int
    channels: int
    n_out: int
    kernel_h: int
    kernel_w: int
    stride: int
    pad_h: int
    pad_w: int

    @property
    def out_shape(self) -> tuple[int, int]:
        rows = (self.height + 2 * self.pad_h - self.kernel_h) // self.stride + 1
        return rows, (self.width + 2 * self.pad_w - self.kernel_w) // self.stride + 1

    @property
    def n_in(self) -> int:
        return self.kernel_h * self.kernel_w * self.channels

    @property
    def fields(self) -> tuple[int, ...]:
        return (
            *(self.height, self.width, self.channels, self.n_out),
            *(self.kernel_h, self.kernel_w, self.stride, self.pad_h, self.pad_w),
        )

    def errors(self, rng: np.random.Generator, pooled: bool) -> tuple[Array, Array | None, Array]:
        """The error, its argmax or None, and the same error at the convolution's own output."""
        rows, columns = self.out_shape
        if not pooled:
            error = values(rng, (rows, columns, self.n_out))
            return error, None, error.astype(np.int64)
        error = values(rng, (rows // 2, columns // 2, self.n_out))
        argmax = rng.integers(0, 4, error.shape).astype(np.uint8)
        full = np.zeros((rows, columns, self.n_out), np.int64)
        y, x, o = np.indices(error.shape)
        full[2 * y + argmax // 2, 2 * x + argmax % 2, o] = error
        return error, argmax, full


@st.composite
def convs(draw: Any) -> Conv:
    kernel_h, kernel_w = draw(st.sampled_from([(3, 3), (1, 1), (5, 5), (2, 3), (3, 1), (1, 5)]))
    pad_h, pad_w = draw(st.integers(0, 2)), draw(st.integers(0, 2))
    height = draw(st.integers(max(1, kernel_h - 2 * pad_h), 9))
    width = draw(st.integers(max(1, kernel_w - 2 * pad_w), 9))
    channels, n_out = draw(st.sampled_from([1, 2, 3, 4, 5, 8, 12])), draw(st.integers(1, 10))
    return Conv(height, width, channels, n_out, kernel_h, kernel_w, draw(st.integers(1, 3)), pad_h, pad_w)


def spread(conv: Conv, w: Array, full: Array) -> Array:
    """int64 [height][width][channels]: every error times every weight, added where the weight's input was."""
    wide = np.zeros((conv.height + 2 * conv.pad_h, conv.width + 2 * conv.pad_w, conv.channels), np.int64)
    kernel = w.astype(np.int64).reshape(conv.n_out, conv.kernel_h, conv.kernel_w, conv.channels)
    for y, x in np.ndindex(full.shape[:2]):
        top, left = y * conv.stride, x * conv.stride
        wide[top : top + conv.kernel_h, left : left + conv.kernel_w] += np.tensordot(full[y, x], kernel, 1)
    return wide[conv.pad_h : conv.pad_h + conv.height, conv.pad_w : conv.pad_w + conv.width]


@many
@given(seeds, convs(), shifts, st.booleans(), st.booleans(), st.booleans())
def test_conv_back(seed: int, conv: Conv, shift: int, pooled: bool, gated: bool, dynamic: bool) -> None:
    rng = np.random.default_rng(seed)
    w, (error, argmax, full) = values(rng, (conv.n_out, conv.n_in)), conv.errors(rng, pooled)
    shape = (conv.height, conv.width, conv.channels)
    gate = values(rng, shape, -127 if seed & 1 else 0)
    acc = spread(conv, w, full)
    out = sat(round_shift(acc, shift))
    if gated:
        out[gate <= 0] = 0
    scratch, place = np.full(shape, 0x5A5A5A5A, np.int32), np.full(shape, 55, np.int8)
    cost, after = run(
        "m0k_conv_back",
        *(pad_bytes(error, 99), 0 if argmax is None else argmax, 0, pack_weights(w), scratch, place),
        *(*conv.fields, shift, gate if gated else 0, int(dynamic)),
    )
    np.testing.assert_array_equal(after[5], place if dynamic else out)
    np.testing.assert_array_equal(after[4], acc)
    assert cost.cycles <= conv_back_cycles(conv, error, argmax, dynamic)
    assert cost.stack_bytes <= 172


@many
@given(seeds, convs(), st.booleans())
@pytest.mark.long
def test_conv_back_asks_a_provider_for_one_group_after_the_other(seed: int, conv: Conv, pooled: bool) -> None:
    rng = np.random.default_rng(seed)
    w, (error, argmax, _) = values(rng, (conv.n_out, conv.n_in)), conv.errors(rng, pooled)
    if seed % 2:
        error[..., conv.n_out // 2 :] = 0
    machine = Machine.from_elf(elf("zig"))
    weights = machine.alloc(pack_weights(w))
    context = machine.alloc(np.array([weights.address, 4 * padded(conv.n_in), 0], np.uint32))
    shape, place = (conv.height, conv.width, conv.channels), 0 if argmax is None else argmax
    fields = [pad_bytes(error), place, 0, 0, np.zeros(shape, np.int32), 0, *conv.fields, 0, 0, 1]
    provider = machine.symbol("provider").address | 1
    _, after = call(machine, "m0k_conv_back", *fields, provider, context)
    fields[3] = pack_weights(w)
    _, expected = run("m0k_conv_back", *fields)
    np.testing.assert_array_equal(after[4], expected[4])
    with_error = np.flatnonzero(error.reshape(-1, conv.n_out).any(axis=0))
    assert context.read()[2] == (with_error[-1] // 4 + 1 if with_error.size else 0)


@many
@given(seeds, convs(), st.sampled_from([4, 8, 12, 20]), shifts, st.booleans(), st.booleans())
def test_conv_back_without_sums(seed: int, conv: Conv, channels: int, shift: int, pooled: bool, gated: bool) -> None:
    conv, rng = replace(conv, channels=channels), np.random.default_rng(seed)
    w, (error, argmax, full) = values(rng, (conv.n_out, conv.n_in)), conv.errors(rng, pooled)
    error = (error * (rng.random(error.shape) < rng.choice([0.1, 0.5, 1.0]))).astype(np.int8)
    if seed % 3:
        error = np.clip(error, -9, 9)
    y, x, o = np.indices(full.shape)
    if pooled:
        full = np.zeros(full.shape, np.int64)
        y, x, o = np.indices(error.shape)
        assert argmax is not None
        full[2 * y + argmax // 2, 2 * x + argmax % 2, o] = error
    else:
        full = error.astype(np.int64)
    shape = (conv.height, conv.width, conv.channels)
    gate = values(rng, shape, -127 if seed & 1 else 0)
    out = sat(round_shift(spread(conv, w, full), shift))
    if gated:
        out[gate <= 0] = 0
    room = np.full(gather_scratch(conv, pooled) // 4, 0x5A5A5A5A, np.uint32)
    cost, after = run(
        "m0k_conv_back",
        *(pad_bytes(error), 0 if argmax is None else argmax, 0, pack_weights(w), 0, np.full(shape, 55, np.int8)),
        *(*conv.fields, shift, gate if gated else 0, 0, 0, 0, room),
    )
    np.testing.assert_array_equal(after[5], out)
    assert cost.cycles <= gather_cycles(conv, error, full, gate if gated else None)
    assert cost.stack_bytes <= 264


@pytest.mark.parametrize("count", quick_of([1, 2, 3, 4, 5, 9], [1, 4, 5]))
@pytest.mark.parametrize("signs", [(1, 1), (-1, 1), (1, -1)])
def test_conv_back_without_sums_at_the_ends(count: int, signs: tuple[int, int]) -> None:
    """Lanes hold 258 in magnitudes of errors; with a small shift less than that saturates."""
    conv = Conv(3, 3, 8, count, 1, 1, 1, 0, 0)
    error = np.full((3, 3, count), 127 * signs[0], np.int8)
    error[1], error[2] = signs[0], error[2] // 43
    w = np.full((count, 8), 127 * signs[1], np.int8)
    room, place = np.zeros(gather_scratch(conv, False) // 4, np.uint32), np.full((3, 3, 8), 55, np.int8)
    for shift in (0, 1, 6, 7, 8, 9, 12, 15, 16, 24):
        fields = [pad_bytes(error), 0, 0, pack_weights(w), 0, place, *conv.fields, shift, 0, 0, 0, 0, room]
        expected = sat(round_shift(spread(conv, w, error.astype(np.int64)), shift))
        np.testing.assert_array_equal(run("m0k_conv_back", *fields)[1][5], expected)


def gather_cycles(conv: Conv, error: Array, full: Array, gate: Array | None) -> float:
    """The bound at the head of conv_gather.S."""
    (rows, columns), c, n_out = error.shape[:2], conv.channels, conv.n_out
    groups = -(-n_out // 4)
    some = error.astype(bool)
    padded_out = np.zeros((rows, columns, 4 * groups), bool)
    padded_out[..., :n_out] = some
    busy = int(padded_out.reshape(rows, columns, groups, 4).any(axis=-1).sum())
    cycles = 800 + rows * (150 + columns * (50 + groups * (9 if n_out % 4 == 0 else 50)))
    cycles += busy * (180 if n_out % 4 == 0 else 270) + 50 * np.count_nonzero(error)
    cycles += rows * (8 if full.shape[0] == rows else 20) * (conv.width + 9)
    ones = np.ones((n_out, conv.n_in), np.int64)
    reach = spread(
        replace(conv, channels=1), ones[:, : conv.kernel_h * conv.kernel_w], full.astype(bool).astype(np.int64)
    )
    magnitudes = spread(replace(conv, channels=1), ones[:, : conv.kernel_h * conv.kernel_w], np.abs(full))
    is_open = np.ones(reach.shape[:2], bool) if gate is None else (gate != 0).any(axis=-1)
    at = is_open & (reach[..., 0] > 0)
    each = np.where(magnitudes[..., 0] > 258, 8 + 5.25 * c, 5 + 3 * c)
    cycles += conv.height * (170 + 20 * conv.kernel_h) + conv.height * conv.width * (70 + 3 * c + 20 * conv.kernel_h)
    return float(cycles + (at * (150 + 32 * c + 30 * conv.kernel_h + reach[..., 0] * each)).sum())


def gather_scratch(conv: Conv, pooled: bool) -> int:
    """The bytes that the head of conv_gather.S asks for."""
    units = conv.kernel_h // 2 + 1 if pooled else conv.kernel_h
    columns = conv.out_shape[1] // 2 if pooled else conv.out_shape[1]
    heads = (2 if pooled else 1) * (conv.width + conv.kernel_w)
    return 40 + 16 * conv.kernel_h + (8 * conv.n_out if pooled else 0) + units * 8 * (columns * conv.n_out + heads)


def conv_back_cycles(conv: Conv, error: Array, argmax: Array | None, dynamic: bool) -> int:
    """The bound at the head of conv_back.S."""
    size, taps = conv.height * conv.width * conv.channels, conv.kernel_w * conv.channels
    row = 24 if conv.channels % 4 == 0 else 90 + 30 * min(taps, 6)
    words = conv.n_in / 4
    place = np.zeros(error.shape, np.uint8) if argmax is None else argmax
    cycles = 350 + 24 * error.size + 100 * error.shape[0] * error.shape[1] + (2 if dynamic else 29) * size
    for position in range(4):
        count = np.count_nonzero((error != 0) & (place == position), axis=-1)
        pairs, alone = int((count // 2).sum()), int((count % 2).sum())
        cycles += pairs * (46 * words + conv.kernel_h * row + 170)
        cycles += alone * (36 * words + conv.kernel_h * row + 170)
    return int(cycles)


def correlate(conv: Conv, image: Array, full: Array) -> Array:
    """int64 [n_out][n_in]: every error times the patch it came from, summed over positions."""
    wide = np.pad(image.astype(np.int64), [(conv.pad_h, conv.pad_h), (conv.pad_w, conv.pad_w), (0, 0)])
    grad = np.zeros((conv.n_out, conv.n_in), np.int64)
    for y, x in np.ndindex(full.shape[:2]):
        top, left = y * conv.stride, x * conv.stride
        patch = wide[top : top + conv.kernel_h, left : left + conv.kernel_w]
        grad += np.outer(full[y, x], patch)
    return grad


@many
@given(seeds, convs(), st.booleans(), st.integers(1, 10))
def test_conv_grad(seed: int, conv: Conv, pooled: bool, at_once: int) -> None:
    """All outputs, `at_once` of them a call, by what scratch keeps from call to call."""
    rng = np.random.default_rng(seed)
    error, argmax, full = conv.errors(rng, pooled)
    error[..., rng.random(conv.n_out) < 0.3] = 0
    full = full * (error != 0).any(axis=(0, 1))
    image = values(rng, (conv.height, conv.width, conv.channels), 0)
    grad = np.zeros((conv.n_out, padded(conv.n_in)), np.int64)
    grad[:, : conv.n_in] = correlate(conv, image, full)
    machine = Machine.from_elf(elf("zig"))
    places = [machine.alloc(a) for a in (pad_bytes(error), pad_bytes(image))]
    where = [places[0].address, machine.alloc(argmax).address if argmax is not None else 0]
    where += [places[1].address]
    scratch = machine.alloc(np.full(conv_grad_scratch(conv, pooled) // 4, 0x5A5A5A5A, np.uint32))
    for first in range(0, conv.n_out, at_once):
        count = min(at_once, conv.n_out - first)
        place = machine.alloc(np.full((count, grad.shape[1]), 0x5A5A5A5A, np.int32))
        active = machine.alloc(np.full(1, 7, np.uint32))
        words = [*where, place.address, *conv.fields, first, count, scratch.address, active.address]
        block = machine.alloc(np.array(words, np.uint32))
        cost = machine.call("m0k_conv_grad", block, result="void", keep=True)
        np.testing.assert_array_equal(place.read(), grad[first : first + count])
        some = error[..., first : first + count]
        assert active.read().tolist() == [int(some.any())]
        assert cost.cycles <= conv_grad_cycles(conv, error, first, count)
        assert cost.stack_bytes <= 200
    np.testing.assert_array_equal(places[0].read(), pad_bytes(error))
    np.testing.assert_array_equal(places[1].read(), pad_bytes(image))


def conv_grad_scratch(conv: Conv, pooled: bool) -> int:
    """The bytes that the head of conv_grad.S asks for."""
    rows, columns = (n // 2 if pooled else n for n in conv.out_shape)
    row, zeros = padded((conv.width + conv.pad_w) * conv.channels), padded(conv.pad_w * conv.channels)
    image = zeros + (conv.height + 2 * conv.pad_h) * row if conv.pad_h + conv.pad_w else 0
    return 4 + image + 32 * (min(rows * columns, 48) + (conv.channels % 4 != 0))


def conv_grad_cycles(conv: Conv, error: Array, first: int, count: int) -> float:
    """The bound at the head of conv_grad.S, with as many walks as there may be."""
    n, taps, by_words = conv.n_in, conv.kernel_w * conv.channels, conv.channels % 4 == 0
    blocks = -(-taps // 12) if by_words else taps // 9 + taps % 9 // 3 + taps % 9 % 3
    blocks = 1 if taps == conv.kernel_h == 3 else blocks * conv.kernel_h
    rows, columns = error.shape[:2]
    is_whole = (conv.n_out | first | count) % 4 == 0
    cycles = 500 + 200 + conv_grad_scratch(conv, False) / 2 + 40 * conv.height
    cycles += conv.height * conv.width * conv.channels * (8 if conv.width * conv.channels % 4 else 2)
    for at in range(first, first + count, 4):
        group = np.abs(error[..., at : min(at + 4, first + count)].astype(int))
        cycles += 250 + 8 * padded(n) + rows * (40 + columns * (8 if is_whole else 60))
        cells = int(group.any(axis=-1).sum())
        cycles += cells * (60 if is_whole else 110)
        walked = np.count_nonzero(group) * (30 + 7 * blocks + n * (2 if by_words else 4))
        full = cells // min(max(rows * columns, 1), 48) + 1
        walks = sum(min(2 * int(magnitudes.sum()) // 258, np.count_nonzero(magnitudes)) for magnitudes in group.T)
        walks = group.shape[-1] * full + (walks if by_words else 0)
        walked += walks * (130 + 50 * blocks + 7 * n + 20 * conv.kernel_h)
        cycles += max(walked, np.count_nonzero(group) * (170 + 30 * conv.kernel_h + 8 * n))
    return float(cycles)


bias_limits = st.sampled_from([0, 1, 127, 2**20, 2**29 - 4, 2**29 - 1]) | st.integers(0, 2**29 - 1)


@many
@given(
    *(seeds, st.sampled_from([1, 2, 3, 255, 256, 257, 513]) | st.integers(1, 40), sizes),
    *(st.integers(0, 31), st.integers(0, 30), bias_limits),
)
@always(0, 1, 8, 31, 30, 2**29 - 1)
@always(1, 512, 4, 0, 14, 2**29 - 1)
def test_bias_update(seed: int, positions: int, channels: int, right: int, left: int, limit: int) -> None:
    """By Python's integers; 256 positions fill the lanes, errors of +-127 at the extremes."""
    rng = np.random.default_rng(seed)
    error = values(rng, (positions, channels))
    before = [int(b) for b in rng.choice([0, limit, -limit, int(rng.integers(-limit, limit + 1))], channels)]
    cost, after = run(
        *("m0k_bias_update", pad_bytes(error.reshape(-1), 99), np.array(before, np.int32)),
        *(positions, channels, right, left, limit),
    )
    expected, clamping = [], 0
    for c, b in enumerate(before):
        total = sum(error[:, c].tolist())
        wide = (abs(total) + (1 << right >> 1) >> right << left) * (-1 if total < 0 else 1)
        step = max(-limit, min(limit, wide))
        expected.append(max(-limit, min(limit, b - step)))
        clamping += 3 * (step != wide) + 2 * (b - step > limit) + 4 * (b - step < -limit)
    assert after[1].tolist() == expected
    fours, ones = 139 + 41 * -(-positions // 256) + 11 * positions, 63 + 5 * positions + 2 * (positions % 2)
    assert cost.cycles == 59 + (channels * ones if channels % 4 else channels // 4 * fours) + clamping
    assert cost.stack_bytes <= 60


def niti_shift(largest: int, shift: int, mu: int) -> int:
    return max(0, int(largest).bit_length() - mu) if shift == DYNAMIC else shift


def niti_shifts(draw: Any) -> tuple[int, int]:
    """(shift, mu): static, or dynamic."""
    if draw(st.booleans()):
        return draw(shifts), 0
    return DYNAMIC, draw(st.integers(-20, 16))


niti_rounding = st.composite(niti_shifts)()


@many
@given(seeds, sizes, sizes, niti_rounding, st.booleans())
def test_niti_dense(seed: int, n_in: int, n_out: int, rounding: tuple[int, int], signed: bool) -> None:
    rng = np.random.default_rng(seed)
    w, e, a = values(rng, (n_out, n_in)), values(rng, n_out), values(rng, n_in, -127 if signed else 0)
    grad = np.outer(e.astype(np.int64), a)
    shift = niti_shift(int(np.abs(grad).max()), *rounding)
    cost, after = run(
        "m0k_niti_dense",
        *(pad_bytes(e, 99), pad_bytes(a, 127), pack_weights(w)),
        *(n_in, n_out, rounding[0], rounding[1] & 0xFFFFFFFF, int(signed)),
    )
    delta = psto_shift(grad, shift)
    np.testing.assert_array_equal(after[2], pack_weights(sat(w - delta)))
    words, active = padded(n_in) // 4, int(np.count_nonzero(e))
    bound = 130 + 34 * n_out + (12 * (n_in + n_out) + 200 if rounding[0] == DYNAMIC else 0)
    if shift >= 6 and not signed:
        clamped = np.zeros((n_out, words * 4), bool)
        clamped[:, :n_in] = np.abs(w - delta) > 127
        bound += 52 * int(np.count_nonzero(clamped.reshape(n_out, words, 4).any(-1))) + active * (70 + 59 * words)
    else:
        bound += active * (70 + 108 * words)
    assert cost.cycles <= bound
    assert cost.stack_bytes <= 56


@many
@given(seeds, sizes, sizes, niti_rounding)
def test_niti_grad(seed: int, n_in: int, n_out: int, rounding: tuple[int, int]) -> None:
    rng = np.random.default_rng(seed)
    w, grad = values(rng, (n_out, n_in)), gradients(rng, n_out, n_in, 2**30 - 1)
    shift = niti_shift(int(np.abs(grad).max()), *rounding)
    cost, after = run("m0k_niti_grad", grad, pack_weights(w), n_in, n_out, rounding[0], rounding[1] & 0xFFFFFFFF)
    np.testing.assert_array_equal(after[1], pack_weights(sat(w - psto_shift(grad[:, :n_in], shift))))
    edges = grad.size
    assert cost.cycles <= 70 + 16 * n_out + 104 * edges // 4 + (6 * edges + 110 if rounding[0] == DYNAMIC else 0)
    assert cost.stack_bytes <= 36


@many
@given(seeds, sizes, sizes, st.integers(-24, 31), st.sampled_from([0, 1, 2, 127, 2**30 - 1]), st.integers(1, 9))
def test_niti_grad_of_parts(seed: int, n_in: int, n_out: int, mu: int, largest: int, at_once: int) -> None:
    """Measured part by part and then updated part by part, it is the update by the whole gradient."""
    rng = np.random.default_rng(seed)
    w, grad = values(rng, (n_out, n_in)), gradients(rng, n_out, n_in, largest)
    grad[rng.random(n_out) < 0.3] = 0
    at_once = min(at_once * 4 if at_once < 5 else n_out, n_out)
    parts = [grad[first : first + at_once] for first in range(0, n_out, at_once)]
    machine = Machine.from_elf(elf("zig"))
    magnitudes = machine.alloc(np.full(1, 0xFFFFFFFF, np.uint32))  # of another step
    active = [machine.alloc(np.array([part.any()], np.uint32)).address for part in parts]
    measured = 0
    for part, is_active in zip(parts, active, strict=True):
        begin = int(part is parts[0])
        fields = [part, n_in, part.shape[0], magnitudes.address, begin, is_active if begin or seed % 2 else 0]
        cost, _ = call(machine, "m0k_niti_measure", *fields)
        measured |= int(np.bitwise_or.reduce(np.abs(part), axis=None))
        assert magnitudes.read().tolist() == [measured]
        assert cost.cycles <= (70 + 6 * part.size if part.any() or not fields[-1] else 20)
        assert cost.stack_bytes <= 20
    whole = pack_weights(sat(w - psto_shift(grad[:, :n_in], niti_shift(int(np.abs(grad).max()), DYNAMIC, mu))))
    row = 4 * padded(n_in)
    for number, (part, is_active) in enumerate(zip(parts, active, strict=True)):
        edges = slice(number * at_once // 4 * row, (number * at_once // 4 + padded(part.shape[0]) // 4) * row)
        fields = [part, pack_weights(w)[edges], n_in, part.shape[0], DYNAMIC, mu & 0xFFFFFFFF]
        cost, after = call(machine, "m0k_niti_grad", *fields, is_active, magnitudes.address)
        np.testing.assert_array_equal(after[1], whole[edges])
        assert cost.cycles <= 70 + 16 * part.shape[0] + 104 * part.size // 4 + 110
    assert magnitudes.read().tolist() == [measured]


def scored(rng: np.random.Generator, n_out: int, n_in: int) -> tuple[Array, Array]:
    """A random set of real edges as storage indices, and their gap list."""
    real = np.flatnonzero(pack(np.ones((n_out, n_in), np.int8), 0, 0))
    chosen = real[rng.random(real.size) < rng.choice([0.01, 0.1, 0.5, 1.0])]
    gaps: list[int] = []
    for distance in np.diff(chosen, prepend=-1).tolist():
        empty, last = divmod(distance - 1, 255)
        gaps += [0] * empty + [last + 1]
    return chosen, np.array(gaps or [0], np.uint8)


@many
@given(seeds, sizes, sizes, shifts, counters)
def test_sparse_dense(seed: int, n_in: int, n_out: int, shift: int, state: str) -> None:
    rng = np.random.default_rng(seed)
    w, s = values(rng, (n_out, n_in)), values(rng, (n_out, n_in))
    e, a = values(rng, n_out), values(rng, n_in, -127 if seed & 1 else 0)
    where, gaps = scored(rng, n_out, n_in)
    new = sat(s - round_shift(w * np.outer(e.astype(np.int64), a), shift))
    cost, after = run(
        "m0k_sparse_dense",
        *(pad_bytes(e), pad_bytes(a), pack_weights(w), pack_scores(s)[where], gaps, where.size, n_in, n_out, shift),
        0 if state == "none" else histogram(pack_scores(s)[where], state),
    )
    np.testing.assert_array_equal(after[3], pack_scores(new)[where])
    if state != "none":
        changed = np.count_nonzero(round_shift(w * np.outer(e.astype(np.int64), a), shift).reshape(-1))
        few = 0 < changed <= where.size // 16
        check_histogram(after[9], state, pack_scores(s)[where], after[3], 0, 0)
        assert after[9][0] or state == "stale" or not few
    zeros = np.count_nonzero(gaps == 0)
    counting = 28 * (where.size // 16 + 1) if state == "current" else 0
    assert cost.cycles <= 110 + 80 * (padded(n_out) // 4) + 22 * zeros + 41 * where.size + counting
    assert cost.stack_bytes <= 112


@many
@given(seeds, sizes, sizes, shifts)
def test_sparse_grad(seed: int, n_in: int, n_out: int, shift: int) -> None:
    rng = np.random.default_rng(seed)
    w, s = values(rng, (n_out, n_in)), values(rng, (n_out, n_in))
    grad = gradients(rng, n_out, n_in, 127 * 127 * 784)
    where, gaps = scored(rng, n_out, n_in)
    new = sat(s - round_shift(w * grad[:, :n_in].astype(np.int64), shift))
    cost, after = run(
        "m0k_sparse_grad",
        *(grad, pack_weights(w), pack_scores(s)[where], gaps, where.size, n_in, n_out, shift),
    )
    np.testing.assert_array_equal(after[2], pack_scores(new)[where])
    zeros = np.count_nonzero(gaps == 0)
    assert cost.cycles <= 120 + 17 * (padded(n_out) // 4) + 22 * zeros + 34 * where.size
    assert cost.stack_bytes <= 100


# Providers, extreme sizes, two toolchains


@many
@given(seeds, sizes, sizes)
def test_dense_back_asks_a_provider_for_one_group_after_the_other(seed: int, n_in: int, n_out: int) -> None:
    rng = np.random.default_rng(seed)
    w, e = values(rng, (n_out, n_in)), values(rng, n_out)
    machine = Machine.from_elf(elf("zig"))
    weights = machine.alloc(pack_weights(w))
    context = machine.alloc(np.array([weights.address, 4 * padded(n_in), 0], np.uint32))
    _, after = call(
        machine,
        "m0k_dense_back",
        *(pad_bytes(e), 0, np.zeros(padded(n_in), np.int32), 0, n_in, n_out, 0, 0),
        *(machine.symbol("provider").address | 1, context.address, 1, 0, 0, 0),
    )
    np.testing.assert_array_equal(after[2][:n_in], w.astype(np.int64).T @ e.astype(np.int64))
    groups = np.flatnonzero(pad_bytes(e).reshape(-1, 4).any(1))
    assert context.read()[2] == (groups[-1] + 1 if groups.size else 0)


@pytest.mark.parametrize("value", [-127, 127])
@pytest.mark.parametrize("error", [-127, 127, 43, 86])
def test_dense_back_holds_at_the_extremes(value: int, error: int) -> None:
    for n_out in range(1, 9):
        w, e = np.full((n_out, 7), value, np.int8), np.full(n_out, error, np.int8)
        w[:, ::2] *= -1
        scratch = np.zeros(8, np.int32)
        _, after = run("m0k_dense_back", pad_bytes(e), pack_weights(w), scratch, 0, 7, n_out, 0, 0, 0, 0, 1, 0, 0, 0)
        np.testing.assert_array_equal(after[2][:7], w.astype(np.int64).T @ e.astype(np.int64))


FLASH = 0x10100000


def in_flash(machine: Machine, array: Array, offset: int = 0) -> int:
    machine.write(FLASH + offset, array)
    return FLASH + offset


@pytest.mark.parametrize(("n_in", "n_out"), [(65535, 1), (1, 65535)])
def test_the_largest_dense_layers(n_in: int, n_out: int) -> None:
    rng = np.random.default_rng(5)
    w, e = values(rng, (n_out, n_in)), rng.integers(-127, 128, n_out).astype(np.int8)
    a = rng.integers(0, 128, n_in).astype(np.int8)
    full = w * np.outer(e.astype(np.int64), a)
    machine = Machine.from_elf(elf("zig"))
    weights = in_flash(machine, pack_weights(w))
    error, image = in_flash(machine, pad_bytes(e), 0x60000), in_flash(machine, pad_bytes(a), 0x80000)
    s = np.zeros((n_out, n_in), np.int8)
    _, after = call(machine, "m0k_score_dense", error, image, weights, pack_scores(s), n_in, n_out, 15, 0, 0)
    np.testing.assert_array_equal(after[3], pack_scores(sat(-round_shift(full, 15))))

    machine = Machine.from_elf(elf("zig"))
    error, image = in_flash(machine, pad_bytes(e), 0x60000), in_flash(machine, pad_bytes(a), 0x80000)
    _, after = call(machine, "m0k_niti_dense", error, image, pack_weights(w), n_in, n_out, DYNAMIC, 4, 0)
    grad = np.outer(e.astype(np.int64), a)
    moved = psto_shift(grad, niti_shift(int(np.abs(grad).max()), DYNAMIC, 4))
    np.testing.assert_array_equal(after[2], pack_weights(sat(w - moved)))

    machine = Machine.from_elf(elf("zig"))
    weights, error = in_flash(machine, pack_weights(w)), in_flash(machine, pad_bytes(e), 0x60000)
    scratch, room = np.zeros(padded(n_in), np.int32), np.zeros(3 * 64, np.uint32)
    _, after = call(machine, "m0k_dense_back", error, weights, scratch, 0, n_in, n_out, 0, 0, 0, 0, 1, room, 0, 0)
    np.testing.assert_array_equal(after[2][:n_in], w.astype(np.int64).T @ e.astype(np.int64))


@many
@given(seeds, sizes, sizes, shifts)
@pytest.mark.long
def test_sparse_grad_takes_four_outputs_at_a_time(seed: int, n_in: int, n_out: int, shift: int) -> None:
    """Each call has the lists from where its outputs' edges begin, and no edge of another output is touched."""
    rng = np.random.default_rng(seed)
    w, s = values(rng, (n_out, n_in)), values(rng, (n_out, n_in))
    grad = gradients(rng, n_out, n_in, 127 * 127 * 784)
    where, gaps = scored(rng, n_out, n_in)
    new = pack_scores(sat(s - round_shift(w * grad[:, :n_in].astype(np.int64), shift)))[where]
    scores, weights, row = pack_scores(s)[where], pack_weights(w), 4 * padded(n_in)
    machine = Machine.from_elf(elf("zig"))
    for first in range(0, n_out, 4):
        at = range(first // 4 * row, first // 4 * row + row)
        own = (where >= at.start) & (where < at.stop)
        before = where[where < at.start]
        passed = at.start - 1 - (before[-1] if before.size else -1)
        used = np.flatnonzero(gaps)[before.size - 1] + 1 if before.size else 0
        fields = [grad[first : first + 4], weights[at.start : at.stop], scores[own], gaps[used:]]
        outputs = min(4, n_out - first)
        fields += [np.count_nonzero(own), n_in, outputs, shift, 0, passed]
        _, after = call(machine, "m0k_sparse_grad", *fields)
        np.testing.assert_array_equal(after[2], new[own])


@pytest.mark.parametrize("name", ["m0k_niti_grad", "m0k_score_grad", "m0k_sparse_grad"])
def test_a_gradient_of_zeros_is_not_looked_at(name: str) -> None:
    """Where m0k_conv_grad left a 0 as `active`; where it left a 1 the update is what it is without that word."""
    fields = example(name)
    learned, at = constants(name, len(fields)).index(False), blocks.blocks()[name].index("active")
    for active in (0, 1):
        given_fields = [*fields, *(0,) * (at - len(fields))]
        given_fields[at : at + 1] = [np.array([active], np.uint32)]
        cost, after = run(name, *given_fields)
        expected = run(name, *fields)[1] if active else fields
        np.testing.assert_array_equal(after[learned], expected[learned])
        assert active or cost.cycles <= 12


def example(name: str) -> list[Any]:
    """A block for kernel `name`, the same at every call."""
    rng = np.random.default_rng(11)
    n_in, n_out, conv = 37, 11, Conv(9, 8, 4, 6, 3, 3, 1, 1, 1)
    w, s = values(rng, (n_out, n_in), -126), values(rng, (n_out, n_in), -126)
    e, a = rng.integers(-127, 128, n_out), rng.integers(0, 128, n_in)
    e[::3] = a[::5] = 0
    error, argmax = rng.integers(-127, 128, (4, 4, 6)).astype(np.int8), rng.integers(0, 4, (4, 4, 6)).astype(np.uint8)
    image = rng.integers(0, 128, (9, 8, 4)).astype(np.int8)
    kernel, acc = values(rng, (6, 36)), np.zeros((9, 8, 4), np.int32)
    grad = np.zeros((n_out, padded(n_in)), np.int32)
    grad[:, :n_in] = rng.integers(-(10**6), 10**6, (n_out, n_in))
    where, gaps = scored(rng, n_out, n_in)
    few, u, v = pack_scores(s)[where], pack_weights(w), pack_scores(s)
    examples: dict[str, list[Any]] = {
        "m0k_dense_back": [pad_bytes(e), u, np.zeros(padded(n_in), np.int32), pad_bytes(a), n_in, n_out, 9, *(0,) * 7],
        "m0k_conv_back": [error, argmax, 0, pack_weights(kernel), acc, image, *conv.fields, 8, image, 0],
        "m0k_conv_grad": [
            *(error, argmax, image, np.zeros((6, 36), np.int32), *conv.fields, 0, 6),
            *(np.zeros(conv_grad_scratch(conv, True) // 4, np.uint32), np.zeros(1, np.uint32)),
        ],
        "m0k_bias_update": [error, rng.integers(-900, 900, 6).astype(np.int32), 16, 6, 3, 5, 1000],
        "m0k_niti_dense": [pad_bytes(e), pad_bytes(a), u, n_in, n_out, 9, 0, 0],
        "m0k_niti_grad": [grad, u, n_in, n_out, DYNAMIC, 3],
        "m0k_niti_measure": [grad, n_in, n_out, np.full(1, 2**29, np.uint32), 0],
        "m0k_score_dense": [pad_bytes(e), pad_bytes(a), u, v, n_in, n_out, 14, 0, histogram(v, "current")],
        "m0k_score_grad": [grad, u, v, n_in, n_out, 20, 0, histogram(v, "current")],
        "m0k_sparse_dense": [
            pad_bytes(e),
            pad_bytes(a),
            u,
            few,
            gaps,
            where.size,
            n_in,
            n_out,
            14,
            histogram(few, "current"),
        ],
        "m0k_sparse_grad": [grad, u, few, gaps, where.size, n_in, n_out, 20],
    }
    return examples[name]


KERNEL_NAMES = (
    *("dense_back", "conv_back", "conv_grad", "bias_update", "niti_dense", "niti_grad", "niti_measure"),
    *("score_dense", "score_grad", "sparse_dense", "sparse_grad"),
)


@pytest.mark.parametrize("name", [f"m0k_{name}" for name in KERNEL_NAMES])
def test_both_toolchains_give_the_same_results_and_cycles(name: str) -> None:
    ours, theirs = (call(Machine.from_elf(elf(t)), name, *example(name)) for t in ("zig", "gnu"))
    assert ours[0].cycles == theirs[0].cycles
    assert ours[0].instructions == theirs[0].instructions
    for mine, other in zip(ours[1], theirs[1], strict=True):
        np.testing.assert_array_equal(mine, other)


def test_the_speed_that_was_asked_for() -> None:
    """PRIOT's dense update at 784 to 64: cycles an edge on uniform operands, and with half of both operands zero."""
    rng = np.random.default_rng(1)
    n_in, n_out, shift = 784, 64, 15
    w, s = rng.integers(-127, 128, (n_out, n_in)), rng.integers(-127, 128, (n_out, n_in))
    e, a = rng.integers(-127, 128, n_out), rng.integers(0, 128, n_in)
    for target in (21, 16):
        cost, _ = run(
            "m0k_score_dense",
            *(pad_bytes(e), pad_bytes(a), pack_weights(w), pack_scores(s), n_in, n_out, shift, 0, 0),
        )
        assert cost.cycles <= target * n_in * n_out
        e[rng.random(n_out) < 0.5] = 0
        a[rng.random(n_in) < 0.5] = 0
