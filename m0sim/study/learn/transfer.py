"""The transfer task: what is different in the place that the device comes to, and what it therefore has to learn.

``rotate:DEGREES`` turns images (rotate.py). ``noise:SIGMA`` adds to every value a number from N(0, SIGMA), SIGMA in
levels of 0..255; ``contrast:FACTOR`` makes of a value v 128 + FACTOR * (v - 128), rounded, a half up. Both are clipped
to 0..255. ``none`` changes nothing: the data are from that place. And ``FILE`` are other data, from that place.

All are integers, the same on every machine. Noise is drawn as draws.py says, with the seed 0 and the image's number in
its data set for a layer's: an image has the same noise in whatever part or run it is used.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from m0sim.errors import UsageError, did_you_mean
from m0sim.study.learn import draws
from m0sim.study.learn.rotate import rotate

Kind = Literal["rotate", "none", "noise", "contrast", "data"]
KINDS = ("rotate", "none", "noise", "contrast")

DEFAULT_ANGLE = 30.0

_AMOUNTS = {
    "rotate": (-math.inf, math.inf, "degrees"),
    "noise": (0.0, 128.0, "levels of 0..255"),
    "contrast": (0.0, 16.0, "a factor"),
}
"""Above what, up to what, and in what."""


@dataclass(frozen=True, slots=True)
class Transfer:
    """One of the tasks."""

    kind: Kind
    amount: float = 0.0
    """Degrees, SIGMA or FACTOR."""
    file: str = ""
    """Of kind ``data``: the file as it was typed."""

    @property
    def angle(self) -> float | None:
        """Degrees of a rotation; None of another task."""
        return self.amount if self.kind == "rotate" else None

    @property
    def words(self) -> str:
        """Behind the name of the data: ``turned by 30 degrees``."""
        match self.kind:
            case "rotate":
                return f"turned by {self.amount:g} degrees"
            case "noise":
                return f"with noise of deviation {self.amount:g}"
            case "contrast":
                return f"with contrast times {self.amount:g}"
            case "data":
                return f"and, from the new place, {self.title}"
            case _:
                return "as they are"

    @property
    def title(self) -> str:
        """As it was typed; of a file the name without its folder."""
        if self.kind == "data":
            return Path(self.file).name
        return self.kind if self.kind == "none" else f"{self.kind}:{_number(self.amount)}"

    def applied(self, images: NDArray[np.uint8], indices: Iterable[int]) -> NDArray[np.uint8]:
        """`images`, uint8 [n, h, w, c], changed; `indices` [n] are theirs in their data set.

        Raises UsageError where signals were to be turned.
        """
        match self.kind:
            case "rotate":
                if images.shape[1] == 1:
                    raise UsageError(
                        f"signals cannot be turned by {self.amount:g} degrees: --task none, noise or contrast"
                    )
                return rotate(images, self.amount)
            case "noise":
                return _noisy(images, indices, self.amount)
            case "contrast":
                return _contrasted(images, self.amount)
            case _:
                return images


def rotation(degrees: float = DEFAULT_ANGLE) -> Transfer:
    """The task of a turned sensor."""
    return Transfer("rotate", degrees)


NONE = Transfer("none")


def parse(text: str) -> Transfer:
    """A task as a person types it. Raises UsageError, one line, for what is unknown or out of range."""
    kind, colon, amount = text.partition(":")
    if kind == "none" and not colon:
        return NONE
    if kind in _AMOUNTS:
        return _measured(kind, amount, text)
    if is_file(text):
        return Transfer("data", file=text)
    known = ("rotate:DEGREES", "noise:SIGMA", "contrast:FACTOR", "none")
    hint = did_you_mean(kind, KINDS)
    raise UsageError(f"unknown task {text!r}: {', '.join(known)}, or a file of data{hint}")


def of_title(title: str) -> Transfer:
    """The task whose title this is; a name that is no task's is a file's."""
    return parse(title) if title.partition(":")[0] in KINDS else Transfer("data", file=title)


def is_file(text: str) -> bool:
    """Whether a name is that of a file of data, and not of something that m0sim knows."""
    return (
        text.lower().endswith((".npz", ".csv")) or "/" in text or "\\" in text or (bool(text) and Path(text).is_dir())
    )


def _measured(kind: str, amount: str, text: str) -> Transfer:
    low, high, unit = _AMOUNTS[kind]
    try:
        value = float(amount)
    except ValueError:
        raise UsageError(f"task {text!r}: {kind} needs a number ({unit}) behind a colon") from None
    if not math.isfinite(value) or not low < value <= high:
        raise UsageError(f"task {text!r}: {kind} must be above {low:g} and at most {high:g}: {unit}")
    if kind == "rotate":
        return Transfer("rotate", value)
    return Transfer("noise", value) if kind == "noise" else Transfer("contrast", value)


def _noisy(images: NDArray[np.uint8], indices: Iterable[int], sigma: float) -> NDArray[np.uint8]:
    result = np.empty_like(images)
    for image, index, out in zip(images, indices, result, strict=True):
        noise = draws.noise(int(index), image.size, sigma).reshape(image.shape)
        out[...] = np.clip(image + noise, 0, 255)
    return result


def _contrasted(images: NDArray[np.uint8], factor: float) -> NDArray[np.uint8]:
    """By a table of exact fractions of the factor as it was typed."""
    exact = Fraction(_number(factor))
    table = [128 + math.floor(exact * (v - 128) + Fraction(1, 2)) for v in range(256)]
    levels: NDArray[np.uint8] = np.clip(np.array(table), 0, 255).astype(np.uint8)
    return np.take(levels, images)


def _number(value: float) -> str:
    """A number as a person types it: 30, not 30.0."""
    return repr(value).removesuffix(".0")
