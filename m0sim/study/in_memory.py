"""Arrays as data: they become a file of this process, which is then read, divided, hashed and recorded as any other.

The folder is gone when the process ends. The same arrays give the same bytes, so that a run may be resumed with them.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from m0sim import arrays, files
from m0sim.errors import UsageError
from m0sim.study.learn import sources
from m0sim.study.words import DataWords

_NAME = "arrays.npz"
"""What reports call them."""


def data(
    images: ArrayLike, labels: ArrayLike, parts: ArrayLike | None, split: str | None, split_seed: int, range: str | None
) -> DataWords:
    """Images and labels as a file has them, with the part of each or fractions. Raises UsageError, one line, for
    whatever is wrong with them."""
    given = {"images": images, "labels": labels, **({} if parts is None else {"split": parts})}
    path = _written({name: _array(name, values) for name, values in given.items()})
    said = DataWords(str(path), None, split, split_seed, range)
    try:
        sources.known(said.source())
    except UsageError as error:
        raise UsageError(str(error).replace(str(path), "the arrays")) from None
    return said


def _array(name: str, values: ArrayLike) -> NDArray[Any]:
    try:
        found = np.asarray(values)
    except ValueError as error:  # rows of different lengths
        raise UsageError(f"{name} are no array: {error}") from error
    if found.dtype.hasobject:
        raise UsageError(f"{name} are Python objects: give numbers, such as {name}.astype(...)")
    return found


def _written(stored: dict[str, NDArray[Any]]) -> Path:
    content = arrays.to_npz(stored)
    folder = Path(_folder().name) / hashlib.sha256(content).hexdigest()[:16]
    files.make_folder(folder)
    files.write(folder / _NAME, content)
    return folder / _NAME


@lru_cache(maxsize=1)
def _folder() -> TemporaryDirectory[str]:
    return TemporaryDirectory(prefix="m0sim-")
