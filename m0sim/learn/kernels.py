"""The assembled kernels: those that a wheel carries, or those that `make kernels` put into build/."""

from __future__ import annotations

from pathlib import Path

from m0sim import image
from m0sim.errors import UsageError
from m0sim.image import Image
from m0sim.learn.step import Block, Code, Op, Step, Word

_PACKAGE = Path(__file__).resolve().parent.parent
NAME = "m0k.elf"
PLACES = (_PACKAGE / "kernels" / NAME, _PACKAGE.parent / "build" / "kernels" / NAME)

_DISPATCHER = 16  # m0k_step and a phase function, 8 bytes each

#: Stack of each kernel in bytes, from the contracts in kernels/*.S; a test compares the two.
STACK = {
    "m0k_conv_forward": 208,
    "m0k_dense_forward": 88,
    "m0k_pool": 56,
    "m0k_requant": 20,
    "m0k_loss": 36,
    "m0k_dense_back": 80,
    "m0k_conv_back": 148,
    "m0k_conv_grad": 120,
    "m0k_niti_dense": 56,
    "m0k_niti_grad": 36,
    "m0k_score_dense": 52,
    "m0k_score_grad": 44,
    "m0k_sparse_dense": 40,
    "m0k_sparse_grad": 104,
    "m0k_select": 20,
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
}


def load() -> Image:
    """The kernels as an image. Raises UsageError where neither a wheel nor a build has them."""
    for path in PLACES:
        if path.is_file():
            return image.load_elf(path)
    raise UsageError("the kernels are not assembled: run make kernels (needs the extra m0sim[toolchain])")


def stack_bytes(step: Step) -> int:
    """The deepest stack of a step: dispatcher, kernel and, where it calls one, provider."""
    return _DISPATCHER + max(_stack_of(op) for op in step.ops)


def _stack_of(op: Op) -> int:
    return STACK[op.kernel] + max((STACK[symbol] for symbol in _called(op.words)), default=0)


def _called(words: tuple[Word, ...]) -> list[str]:
    found = [word.symbol for word in words if isinstance(word, Code)]
    for word in words:
        if isinstance(word, Block):
            found += _called(word.words)
    return found
