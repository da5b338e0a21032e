"""What stands in for code and peripherals that are not simulated: values in turn, or a function of the host.

Nothing here knows an engine: it asks for the next words where a stub is entered or a register is read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from m0sim.chip.arguments import Words
from m0sim.errors import UsageError


class Memory(Protocol):
    """The simulated memory, as a host's function sees it while the code runs."""

    def read(self, address: int, size: int) -> npt.NDArray[np.uint8]:
        """A copy of `size` bytes."""

    def write(self, address: int, data: npt.ArrayLike | bytes) -> None:
        """Put bytes there."""


class Answers:
    """The answers of one stub or register.

    `given` is a value, a list or one-dimensional array of values that are given in turn, of which the last one stays,
    or a function that is called each time. `convert` makes words of one value, and raises `UsageError`. `words` is how
    many an answer may have at most; None is none.
    """

    def __init__(self, who: str, given: object, convert: Callable[[object], Words], words: int) -> None:
        self.count = 0
        """Answers given so far."""
        self._who = who
        self._convert = convert
        self._most = words
        self._function: Callable[[Any], object] | None = given if callable(given) else None
        self._values = () if callable(given) else tuple(self._words(value) for value in self._listed(given))

    def next(self, request: object) -> tuple[int, ...]:
        """The words of the next answer, none where there is none to give. `request` is what a function is called with.

        What a function raises goes through; what it should not return is a `UsageError`.
        """
        self.count += 1
        if self._function is not None:
            return self._words(self._function(request))
        return self._values[min(self.count, len(self._values)) - 1]

    def warnings(self) -> tuple[str, ...]:
        """A line where a list was used up."""
        over = self.count - len(self._values)
        if len(self._values) < 2 or over <= 0:
            return ()
        again = "once more" if over == 1 else f"{over:,} times more"
        return (f"{self._who} has {len(self._values)} values: the last one was given {again}",)

    def _listed(self, given: object) -> Sequence[object]:
        if isinstance(given, np.ndarray) and given.ndim == 1:
            given = list(given)
        values = given if isinstance(given, list | tuple) else [given]
        if not values:
            raise UsageError(f"{self._who} needs at least one value")
        return values

    def _words(self, value: object) -> tuple[int, ...]:
        if value is None and self._most > 1:
            return ()
        try:
            words = self._convert(value).words
        except UsageError as error:
            known = value.value if isinstance(value, Words) else None
            raise UsageError(f"{self._who}: {value if known is None else known!r} is no answer: {error}") from None
        if len(words) > self._most:
            raise UsageError(f"{self._who}: a value of 64 bits is no answer: there is room for 32")
        return words
