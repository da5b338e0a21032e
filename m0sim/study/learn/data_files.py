"""Images or signals of one's own, with labels: what they must be, and a .npz file of them. docs/data.md shows it.

`data_csv` and `data_png` read other files. They are from anybody: sizes are looked at before anything is unpacked, and
whatever is ambiguous is refused. What one takes in memory is bounded by `files.LIMIT`, 256 MiB, for the file and again
for its arrays.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from m0sim import arrays, files
from m0sim.errors import UsageError, did_you_mean
from m0sim.names import printable
from m0sim.study.learn.split import PARTS

CLASSES_MAX = 256
"""Labels are bytes."""

_ROWS = 1 << 20  # values that are scaled at a time: a bound on the memory that takes
_NAMES = ("images", "labels", "split")

Shape = tuple[int, ...]
Range = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Reading:
    """How the values of a file are understood, where it does not say so itself."""

    range: Range | None = None
    """What becomes 0 and what 255; None: whole numbers are 0..255 already, and floats 0..1."""
    window: tuple[int, int] | None = None
    """A .csv's rows are windows of so many samples of so many channels; None: of one channel."""
    label: str = ""
    """A .csv's column of labels: first, last, or its name; empty: the one that is called label or class."""

    def record(self) -> dict[str, Any]:
        """What was given, as JSON has it."""
        found: dict[str, Any] = {}
        if self.range is not None:
            found["range"] = list(self.range)
        if self.window is not None:
            found["window"] = list(self.window)
        if self.label:
            found["label"] = self.label
        return found


def reading(values: str | None, window: str | None, label: str = "") -> Reading:
    """A reading as a person types it: ``LOW:HIGH`` and ``LENGTHxCHANNELS``. Raises UsageError, one line."""
    return Reading(
        None if values is None else _range(values), None if window is None else _window(window), label.strip()
    )


def _range(text: str) -> Range:
    try:
        low, high = map(float, text.split(":"))
    except ValueError:
        low, high = 0.0, 0.0
    if not (low < high and math.isfinite(high - low)):
        raise UsageError(f"--range {text}: two numbers, the smaller first, such as --range=-2:2")
    return low, high


def _window(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d{1,6})(?:x(\d{1,4}))?", text.strip().lower())
    length, channels = (int(found[1]), int(found[2] or 1)) if found else (0, 0)
    if not length or not channels:
        raise UsageError(f"--window {text}: samples and channels of a row, such as --window 64x3")
    return length, channels


@dataclass(frozen=True)
class Contents:
    """What a file has, checked: `values` uint8 [n, ...] with one to three axes behind the first, `labels` uint8 [n]."""

    path: Path
    values: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    class_names: tuple[str, ...]
    """Names of the classes; () where labels were numbers."""
    parts: NDArray[np.uint8] | None
    """Which of `PARTS` each image is of, where the file says so."""
    sha256: str

    @property
    def shapes(self) -> tuple[Shape, ...]:
        """What [h, w, c] an image can be taken for."""
        return shapes_of(self.values)

    def images(self, shape: Shape) -> NDArray[np.uint8]:
        """uint8 [n, h, w, c], `shape` being one of `shapes`."""
        return self.values.reshape(len(self.values), *shape)

    def name_of(self, label: int) -> str:
        """The name of a class, or its number."""
        return self.class_names[label] if self.class_names else str(label)


def read(path: Path, reading: Reading) -> Contents:
    """The arrays of a .npz file. Raises UsageError, one line, for whatever is wrong with them."""
    refuse_csv_options(path, reading)
    content = files.read(path)
    stored = arrays.npz_of(content, path, "data (.npz with images and labels)")
    names = [printable(name) for name in stored]
    for name in _NAMES[:2]:
        if name not in stored:
            has = ", ".join(names[:8]) or "nothing"
            raise UsageError(f"{path}: no array {name!r}; it has {has}{did_you_mean(name, names)}")
    for name in names:
        hint = did_you_mean(name, _NAMES)
        if name not in _NAMES and hint:  # to be ignored, it must not look like one that is not
            raise UsageError(f"{path}: an array {name!r}{hint}")
    digest = hashlib.sha256(content).hexdigest()
    return checked(path, stored["images"], stored["labels"], stored.get("split"), reading, digest)


def shapes_of(values: NDArray[np.uint8]) -> tuple[Shape, ...]:
    """What [h, w, c] an image of values [n, ...] can be taken for.

    Of three axes [n, h, w] is one grey level, [n, length, channels] a signal, which is an image of one row.
    """
    shape = values.shape[1:]
    if len(shape) == 3:
        return (shape,)
    if len(shape) == 1:
        return ((1, *shape, 1),)
    return tuple(dict.fromkeys(((*shape, 1), (1, *shape))))


def pixels(path: Path, values: NDArray[Any], reading: Reading) -> NDArray[np.uint8]:
    """uint8, 0..255, of the same shape [n, ...]. Raises UsageError, one line, for what no images are."""
    if not 2 <= values.ndim <= 4:
        raise UsageError(
            f"{path}: images {_axes(values)} must be [n, h, w, c], [n, h, w], or of signals [n, length, channels]"
        )
    if 0 in values.shape:
        raise UsageError(f"{path}: images {_axes(values)} are empty")
    return _pixels(path, values, reading.range)


def refuse_csv_options(path: Path, reading: Reading) -> None:
    """Raise UsageError where a file that is no .csv is told how to be read as one."""
    if reading.window is not None or reading.label:
        option = "--window" if reading.window is not None else "--label"
        raise UsageError(f"{path}: {option} is for .csv files")


def checked(
    path: Path,
    values: NDArray[Any],
    labels: NDArray[Any],
    split: NDArray[Any] | None,
    reading: Reading,
    sha256: str,
    class_names: Sequence[str] | None = None,
) -> Contents:
    """Contents of arrays as somebody has them. Raises UsageError, one line, for whatever they must not be.

    `class_names`: of labels that count from 0; without them labels are numbers, or names themselves.
    """
    found = pixels(path, values, reading)
    if labels.shape != values.shape[:1]:
        hint = ": of one-hot labels take .argmax(axis=1)" if labels.ndim == 2 else ""
        raise UsageError(f"{path}: labels {_axes(labels)} for {len(values)} images{hint}")
    numbers, names = (
        (labels, tuple(map(printable, class_names))) if class_names is not None else _numbered(path, labels)
    )
    return Contents(
        path,
        found,
        _checked_labels(path, numbers, names),
        names,
        None if split is None else _parts(path, split, len(values)),
        sha256,
    )


def _axes(array: NDArray[Any]) -> str:
    return f"{array.dtype} [{', '.join(map(str, array.shape))}]"


# Labels and parts


def _numbered(path: Path, labels: NDArray[Any]) -> tuple[NDArray[Any], tuple[str, ...]]:
    """Labels as numbers, and the classes' names where they were names: sorted, the first is class 0."""
    if labels.dtype.kind in "iu":
        return labels, ()
    if labels.dtype.kind != "U":
        raise UsageError(f"{path}: labels are {labels.dtype}: they must be whole numbers from 0 on, or names")
    names, numbers = np.unique(labels, return_inverse=True)
    return numbers.reshape(-1), tuple(printable(str(name)) for name in names)


def _checked_labels(path: Path, labels: NDArray[Any], names: tuple[str, ...]) -> NDArray[np.uint8]:
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= CLASSES_MAX:
        wrong = low if low < 0 else high
        raise UsageError(f"{path}: label {wrong}: labels are 0 to {CLASSES_MAX - 1}")
    counts = np.bincount(labels.astype(np.int64))
    if not counts.all():
        missing = int(np.flatnonzero(counts == 0)[0])
        raise UsageError(
            f"{path}: labels {low} to {high}, but no image of class {missing}: classes count from 0, no gaps"
        )
    if len(counts) < 2:
        name = names[0] if names else "0"
        raise UsageError(f"{path}: all images are of class {name}: there is nothing to tell apart")
    return labels.astype(np.uint8)


def _parts(path: Path, split: NDArray[Any], count: int) -> NDArray[np.uint8]:
    if split.shape != (count,):
        raise UsageError(f"{path}: split {_axes(split)} for {count} images")
    if split.dtype.kind in "iu":
        if split.min() < 0 or split.max() >= len(PARTS):
            wrong = int(split.min()) if split.min() < 0 else int(split.max())
            numbered = ", ".join(f"{number} {part}" for number, part in enumerate(PARTS))
            raise UsageError(f"{path}: split {wrong}; there are {numbered}")
        return split.astype(np.uint8)
    if split.dtype.kind != "U":
        raise UsageError(f"{path}: split is {split.dtype}: names of parts ({', '.join(PARTS)}) or 0 to 3")
    for name in np.unique(split):
        if name not in PARTS:
            hint = did_you_mean(str(name), PARTS)
            raise UsageError(f"{path}: split has a part {str(name)!r}; there are {', '.join(PARTS)}{hint}")
    return np.array([PARTS.index(name) for name in split.tolist()], np.uint8)


# Values


def _pixels(path: Path, values: NDArray[Any], wanted: Range | None) -> NDArray[np.uint8]:
    """uint8, 0..255, of the same shape."""
    if values.dtype.kind not in "iuf":
        raise UsageError(f"{path}: images are {values.dtype}: they must be uint8, or floats from 0 to 1")
    low, high = values.min(), values.max()
    if not (np.isfinite(low) and np.isfinite(high)):  # a NaN among them makes both NaN
        at = np.flatnonzero(~np.isfinite(values.reshape(len(values), -1)).all(axis=1))[0]
        raise UsageError(f"{path}: image {at} has a value that is no number (NaN or infinite)")
    if wanted is None and values.dtype.kind == "f":
        wanted = (0.0, 1.0)
        if low < 0 or high > 1:
            raise UsageError(
                f"{path}: floats from {low:g} to {high:g}: floats are 0 to 1; what becomes 0 and 255 else, say with "
                "--range LOW:HIGH"
            )
    if wanted is not None:
        return _scaled(path, values, wanted, float(low), float(high))
    if low < 0 or high > 255:
        raise UsageError(
            f"{path}: {values.dtype} from {low} to {high}: whole numbers are 0 to 255; else say --range LOW:HIGH"
        )
    if values.dtype == np.int8:
        raise UsageError(f"{path}: images are int8: give uint8, 0 to 255; 0 to 127 with --range 0:127")
    if high <= 1:
        raise UsageError(f"{path}: whole numbers from 0 to 1 would be two shades of black: say --range 0:1")
    return values.astype(np.uint8)


def _scaled(path: Path, values: NDArray[Any], wanted: Range, low: float, high: float) -> NDArray[np.uint8]:
    """LOW..HIGH to 0..255, rounded, a half to the even number."""
    if low < wanted[0] or high > wanted[1]:
        raise UsageError(f"{path}: values from {low:g} to {high:g} are outside of --range {wanted[0]:g}:{wanted[1]:g}")
    flat, result = values.reshape(-1), np.empty(values.size, np.uint8)
    for at in range(0, len(flat), _ROWS):
        part = flat[at : at + _ROWS].astype(np.float64)
        result[at : at + _ROWS] = np.rint((part - wanted[0]) * 255 / (wanted[1] - wanted[0]))
    return result.reshape(values.shape)
