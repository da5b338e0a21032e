"""The assembled kernels: those that a wheel carries, or those that `make kernels` put into build/."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache, lru_cache
from pathlib import Path

from m0sim import image
from m0sim.errors import UsageError
from m0sim.image import Image, moving
from m0sim.study.learn.step import Code, Constants, Op, Step, Word

_PACKAGE = Path(__file__).resolve().parents[2]
NAME = "m0k.elf"
PLACES = (_PACKAGE / "kernels" / NAME, _PACKAGE.parent / "build" / "kernels" / NAME)

LINKED_AT = 0x10000000
"""Start of the RP2040's flash, as in kernels/m0sim.ld."""

_DISPATCHER = 16  # m0k_step and a phase function, 8 bytes each

#: Stack of each kernel in bytes, from the contracts in kernels/*.S; a test compares the two.
STACK = {
    "m0k_conv_forward": 272,
    "m0k_dense_forward": 116,
    "m0k_depthwise_forward": 120,
    "m0k_depthwise_back": 152,
    "m0k_depthwise_grad": 152,
    "m0k_pool": 56,
    "m0k_pool_window": 76,
    "m0k_average": 64,
    "m0k_requant": 28,
    "m0k_first_values": 16,
    "m0k_add": 44,
    "m0k_loss": 36,
    "m0k_dense_back": 112,
    "m0k_conv_back": 264,
    "m0k_conv_grad": 200,
    "m0k_unpool": 60,
    "m0k_average_back": 64,
    "m0k_choose_channels": 52,
    "m0k_bias_update": 60,
    "m0k_gates_pack": 20,
    "m0k_gates_unpack": 16,
    "m0k_places_pack": 12,
    "m0k_places_unpack": 12,
    "m0k_niti_dense": 56,
    "m0k_niti_grad": 36,
    "m0k_niti_rows": 88,
    "m0k_niti_measure": 20,
    "m0k_score_dense": 60,
    "m0k_score_grad": 52,
    "m0k_sparse_dense": 112,
    "m0k_sparse_grad": 100,
    "m0k_select": 20,
    "m0k_select_kept": 20,
    "m0k_prune_list": 56,
    "m0k_sparse_list": 36,
    "m0k_correct_forward": 36,
    "m0k_correct_back": 40,
    "m0k_mask_copy": 68,
    "m0k_mask_pack": 68,
    "m0k_sparse_copy": 52,
    "m0k_rows_bits": 24,
    "m0k_rows_scores": 76,
    "m0k_rows_sparse": 36,
    "m0k_w16_copy": 20,
    "m0k_rows_w16": 20,
    "m0k_tintin_dense": 60,
    "m0k_tintin_grad": 36,
    "m0k_zo_next": 0,
    "m0k_rows_zo": 68,
    "m0k_zo_move": 56,
    "m0k_zo_loss": 24,
    "m0k_replay": 20,
}


def load() -> Image:
    """The kernels as an image. Raises UsageError where neither a wheel nor a build has them."""
    for path in PLACES:
        if path.is_file():
            status = path.stat()
            return _loaded(path, status.st_mtime_ns, status.st_size)
    raise UsageError("the kernels are not assembled: run make kernels (needs the extra m0sim[toolchain])")


@lru_cache(maxsize=1)
def _loaded(path: Path, *_: int) -> Image:
    """The image of a file as it is now: a run loads it for every program that it makes."""
    return image.load_elf(path)


@cache
def version() -> str:
    """A hash of their code: other kernels take other cycles."""
    found = hashlib.sha256()
    for segment in load().segments:
        found.update(segment.address.to_bytes(8, "little") + segment.data)
    return f"kernels {found.hexdigest()[:16]}"


def moved(kernels: Image, distance: int) -> Image:
    """The same kernels at other addresses.

    Raises UsageError for an image that does not say which words these are.
    """
    if distance == 0:
        return kernels
    if kernels.address_words is None:
        raise UsageError(
            f"{kernels.path}: cannot be moved to this device's flash: link it with --emit-relocs, as make kernels does"
        )
    return moving.moved(kernels, distance)


def stack_bytes(step: Step, others: Mapping[str, int] | None = None) -> int:
    """The deepest stack of a step: dispatcher, kernel and, where it calls one, provider.

    `others` has the stack of kernels that are not m0sim's, by name.
    """
    stacks = {**STACK, **(others or {})}
    return _DISPATCHER + max(_stack_of(op, stacks) for op in step.ops)


def _stack_of(op: Op, stacks: Mapping[str, int]) -> int:
    return stacks[op.kernel] + max((stacks[symbol] for symbol in _called(op.words)), default=0)


def _called(words: tuple[Word, ...]) -> list[str]:
    found = [word.symbol for word in words if isinstance(word, Code)]
    for word in words:
        if isinstance(word, Constants):
            found += _called(word.words)
    return found
