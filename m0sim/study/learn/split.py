"""Which images of a file of one's own are for what: named parts, disjoint, every class in each of them.

Fractions and a seed decide. Every image gets a 64-bit number of PCG64's raw output, seeded by SeedSequence([seed, 4])
(stable by NumPy's promise). In the order of these numbers the first images of each class are the transfer part's, the
next the validation part's, then come test and backbone; a part of a class ends at its share of the images so far,
rounded, a half up. Inside of a part the same order holds, so that its first images are of all classes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from m0sim.errors import UsageError, did_you_mean
from m0sim.study.learn import draws
from m0sim.study.learn.layout import Index

PARTS = ("backbone", "transfer", "validation", "test")
"""Training before deployment, training on the device, choices, judgement."""

SEED_MAX = 2**31 - 1

_ORDER = ("transfer", "validation", "test", "backbone")
_NUMBER = re.compile(r"\d{0,9}\.?\d{1,9}|\d{1,9}\.|\d{1,9}/\d{1,9}")


@dataclass(frozen=True, slots=True)
class Fractions:
    """Shares of the images of every class, together at most 1; what is left over is not used."""

    backbone: Fraction
    transfer: Fraction
    validation: Fraction
    test: Fraction

    def without_backbone(self) -> Fractions:
        """The others' proportions, filling all there is: of data that no backbone is trained on."""
        used = self.transfer + self.validation + self.test
        return self if not used else Fractions(Fraction(0), *(getattr(self, part) / used for part in PARTS[1:]))

    def record(self) -> dict[str, float]:
        """As JSON has them."""
        return {part: round(float(getattr(self, part)), 9) for part in PARTS}

    def __str__(self) -> str:
        return ",".join(f"{part}={getattr(self, part)}" for part in PARTS if getattr(self, part))


DEFAULT = Fractions(Fraction(2, 5), Fraction(1, 5), Fraction(3, 20), Fraction(1, 4))


def fractions(text: str) -> Fractions:
    """Fractions as a person types them, ``transfer=0.2,validation=0.15,test=0.25``: what is left is the backbone's.

    Raises UsageError, one line, for anything else, and where they are more than 1 together.
    """
    given: dict[str, Fraction] = {}
    for word in filter(None, (word.strip() for word in text.split(","))):
        part, _, number = (piece.strip() for piece in word.partition("="))
        if part not in PARTS:
            raise UsageError(
                f"--split {word}: no part {part!r}; there are {', '.join(PARTS)}{did_you_mean(part, PARTS)}"
            )
        if part in given:
            raise UsageError(f"--split: {part} is there twice")
        given[part] = _fraction(word, number)
    if not given:
        raise UsageError("--split: no part; such as transfer=0.2,validation=0.15,test=0.25")
    total = sum(given.values(), Fraction(0))
    if total > 1:
        raise UsageError(f"--split {text}: together {float(total):g}, more than all images")
    given.setdefault("backbone", 1 - total)
    return Fractions(*(given.get(part, Fraction(0)) for part in PARTS))


def _fraction(word: str, number: str) -> Fraction:
    try:
        value = Fraction(number) if _NUMBER.fullmatch(number) else None
    except ZeroDivisionError:
        value = None
    if value is None or value > 1:
        raise UsageError(f"--split {word}: a part is a number from 0 to 1, such as 0.2")
    return value


def divided(labels: NDArray[np.uint8], wanted: Fractions, seed: int, names: Mapping[int, str]) -> dict[str, Index]:
    """Indices of each part's images, given their labels [n]; `names` are the classes'. Disjoint.

    Raises UsageError, one line, where a class has too few images for a part that is wanted.
    """
    order = _shuffled(seed, len(labels))
    chosen: dict[str, list[Index]] = {part: [] for part in PARTS}
    for label in np.unique(labels):
        own = order[labels[order] == label]
        start, share = 0, Fraction(0)
        for part in _ORDER:
            share += getattr(wanted, part)
            stop = int(share * len(own) + Fraction(1, 2))
            if getattr(wanted, part) and start == stop:
                raise UsageError(
                    f"class {names[int(label)]} has {len(own)} images, too few for {float(getattr(wanted, part)):g} of "
                    f"them in the {part} part: more images, or another --split"
                )
            chosen[part].append(own[start:stop])
            start = stop
    place = np.argsort(order)  # of each image in the order
    return {part: order[np.sort(place[np.concatenate(found)])] for part, found in chosen.items()}


def as_given(parts: NDArray[np.uint8], seed: int) -> dict[str, Index]:
    """Indices of each part's images, given which of `PARTS` each is of; in the seed's order."""
    order = _shuffled(seed, len(parts))
    return {part: order[parts[order] == number] for number, part in enumerate(PARTS)}


def _shuffled(seed: int, count: int) -> Index:
    if not 0 <= seed <= SEED_MAX:
        raise UsageError(f"--split-seed must be 0 to {SEED_MAX}, not {seed}")
    raw = np.random.PCG64(np.random.SeedSequence([seed, draws.SPLIT])).random_raw(count)
    return np.argsort(raw, kind="stable").astype(np.int64)
