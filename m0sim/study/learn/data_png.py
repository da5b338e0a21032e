"""A folder of PNGs by class: FOLDER/CLASS/*.png, or FOLDER/PART/CLASS/*.png with the names of parts.

Names of classes are sorted, the first is class 0; where all of them are numbers they are the labels. Pictures are grey
or RGB of 8 bits, all alike and of one size. A file's header is looked at before it is unpacked.
"""

from __future__ import annotations

import hashlib
import io
import struct
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from m0sim import arrays, files
from m0sim.errors import UsageError, did_you_mean
from m0sim.study.learn import data_files
from m0sim.study.learn.data_files import Contents, Reading
from m0sim.study.learn.split import PARTS

PIXELS_MAX = 1 << 20
"""Of one picture: no network on a Cortex-M0+ reads more."""

_FILE_LIMIT = 8 << 20
_FILES_MAX = 1 << 20
_BEGIN = b"\x89PNG\r\n\x1a\n"
_MODES = {"1": "L", "L": "L", "RGB": "RGB"}
_OTHERS = (".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm")


def read(folder: Path, reading: Reading) -> Contents:
    """The pictures of a folder. Raises UsageError, one line with the file's name, for whatever is wrong with them."""
    if find_spec("PIL") is None:
        raise UsageError(f"{folder}: a folder of PNGs needs the study: pip install 'm0sim[study]'")
    data_files.refuse_csv_options(folder, reading)
    found = _files(folder)
    names = _sorted({name for _, name, _ in found})
    digest = hashlib.sha256()
    images: list[NDArray[np.uint8]] = []
    left = files.LIMIT
    for _, _, path in found:
        content = files.read(path, _FILE_LIMIT)
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + hashlib.sha256(content).digest())
        image = _picture(path, content)
        left -= image.size
        if left < 0:
            raise UsageError(f"{folder}: more than {files.LIMIT:,} values in all pictures")
        if images and image.shape != images[0].shape:
            raise UsageError(f"{path}: is {_size(image)}, {found[0][2]} is {_size(images[0])}: all must be alike")
        images.append(image)
    are_numbers = all(map(_is_number, names))
    labels = np.array([int(name) if are_numbers else names.index(name) for _, name, _ in found], np.int64)
    parts = np.array([PARTS.index(part) for part, _, _ in found], np.uint8) if found[0][0] else None
    classes = None if are_numbers else names
    return data_files.checked(folder, np.stack(images), labels, parts, reading, digest.hexdigest(), classes)


def _files(folder: Path) -> list[tuple[str, str, Path]]:
    """(part or nothing, class, file), in the order of their names."""
    try:
        inside = _folders(folder)
        parts = [sub.name for sub in inside if sub.name in PARTS]
        if parts and len(parts) < len(inside):
            other = next(sub.name for sub in inside if sub.name not in PARTS)
            hint = did_you_mean(other, PARTS)
            raise UsageError(f"{folder}: {parts[0]} is a part, {other} is none ({', '.join(PARTS)}){hint}")
        groups = [(sub.name, each) for sub in inside for each in _folders(sub)] if parts else [("", s) for s in inside]
        found = [(part, each.name, path) for part, each in groups for path in _pictures(each)]
    except OSError as error:
        raise UsageError(f"{folder}: cannot read it: {error.strerror or error}") from error
    if not found:
        raise UsageError(f"{folder}: no pictures: FOLDER/CLASS/*.png, or FOLDER/PART/CLASS/*.png")
    if len(found) > _FILES_MAX:
        raise UsageError(f"{folder}: more than {_FILES_MAX:,} pictures")
    return found


def _folders(folder: Path) -> list[Path]:
    return sorted(each for each in folder.iterdir() if each.is_dir() and not each.name.startswith("."))


def _pictures(folder: Path) -> list[Path]:
    inside = sorted(each for each in folder.iterdir() if not each.name.startswith("."))
    for each in inside:
        if each.suffix.lower() in _OTHERS:
            raise UsageError(f"{each}: is no PNG: convert all pictures to PNG")
        if each.is_dir():
            raise UsageError(f"{each}: a folder in a class's folder: FOLDER/CLASS/*.png, or FOLDER/PART/CLASS/*.png")
    found = [each for each in inside if each.suffix.lower() == ".png"]
    if not found:
        raise UsageError(f"{folder}: a class without pictures: put its .png files there, or take the folder away")
    return found


def _sorted(names: set[str]) -> list[str]:
    return sorted(names, key=lambda name: (int(name) if _is_number(name) else 0, name))


def _is_number(name: str) -> bool:
    return name.isdecimal() and len(name) < 10


def _picture(path: Path, content: bytes) -> NDArray[np.uint8]:
    """uint8 [h, w, 1] of a grey picture, [h, w, 3] of one in colour."""
    from PIL import Image

    if content[:8] != _BEGIN or content[12:16] != b"IHDR" or len(content) < 24:
        raise UsageError(f"{path}: is no PNG")
    _check_size(path, *struct.unpack_from(">II", content, 16))
    try:
        with Image.open(io.BytesIO(content), formats=["PNG"]) as picture:
            picture.verify()  # checksums; afterwards a picture has to be opened again
        with Image.open(io.BytesIO(content), formats=["PNG"]) as picture:
            _check_size(path, *picture.size)
            if picture.mode not in _MODES or "transparency" in picture.info:
                raise UsageError(
                    f"{path}: a picture of mode {picture.mode}: grey or RGB of 8 bits, nothing transparent"
                )
            array: NDArray[Any] = np.asarray(picture.convert(_MODES[picture.mode]))
    except (*arrays.DAMAGED, struct.error, Image.DecompressionBombError) as error:
        raise UsageError(f"{path}: a damaged PNG: {error}") from error
    return array.reshape(*array.shape[:2], -1)


def _check_size(path: Path, width: int, height: int) -> None:
    if not 1 <= width * height <= PIXELS_MAX:
        raise UsageError(f"{path}: {width} x {height} pixels; at most {PIXELS_MAX:,}")


def _size(image: NDArray[np.uint8]) -> str:
    return " x ".join(map(str, image.shape))
