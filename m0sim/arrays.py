"""NumPy's .npy and .npz files from anybody: looked at before anything is inflated, never unpickled.

The limits: a file, and what its arrays take in memory all told, at most `files.LIMIT` each unless the caller says less;
`MEMBERS` arrays in a .npz. Members are stored or deflated, as NumPy writes them.
"""

from __future__ import annotations

import io
import math
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from m0sim import files
from m0sim.errors import UsageError

Array = NDArray[Any]

MEMBERS = 4096
"""Arrays that a .npz may have: the learned arrays of the deepest network are a few dozen."""

_READERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
DAMAGED = (
    *(ValueError, TypeError, LookupError, AttributeError, ArithmeticError),  # headers of other types and shapes
    *(SyntaxError, TokenError, RecursionError, MemoryError),  # headers that are no literals
    *(EOFError, OSError, RuntimeError, zipfile.BadZipFile, zlib.error),  # RuntimeError: a member with a password
)
"""What NumPy, zipfile and JSON raise about a file that is damaged, or was made to be."""


def read_npy(path: Path, limit: int = files.LIMIT) -> Array:
    """The array of a .npy file. Raises `UsageError`, one line, for anything else."""
    content = files.read(path, limit)
    with refusing(path, "a NumPy array file that can be read"):
        return _array(content)


def read_npz(path: Path, what: str, limit: int = files.LIMIT) -> dict[str, Array]:
    """The arrays of a .npz file by name. Raises `UsageError`, one line, for anything that is not `what`."""
    return npz_of(files.read(path, limit), path, what, limit)


def npz_of(content: bytes, path: Path, what: str, limit: int = files.LIMIT) -> dict[str, Array]:
    """The same of the bytes of a file, which errors call `path`."""
    with refusing(path, what):
        if content.count(b"PK\1\2") > MEMBERS:  # of the directory's entries, each of which would become an object
            raise ValueError(f"more than {MEMBERS} members")
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = archive.infolist()
            total = sum(member.file_size for member in members)
            if total > limit:
                raise ValueError(f"{total:,} bytes when inflated, more than the {limit:,} that are")
            return {member.filename.removesuffix(".npy"): _array(_inflated(archive, member)) for member in members}


def to_npy(array: Array) -> bytes:
    """The bytes of a .npy file."""
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=False)
    return stream.getvalue()


def to_npz(arrays: Mapping[str, Array]) -> bytes:
    """The bytes of a compressed .npz file. NumPy stamps every member with one date: equal arrays are equal bytes."""
    stream = io.BytesIO()
    named: dict[str, Any] = dict(arrays)  # typed so that no name of theirs is taken for an option
    np.savez_compressed(stream, **named)
    return stream.getvalue()


@contextmanager
def refusing(path: Path, what: str) -> Iterator[None]:
    """Whatever is wrong with a file inside becomes a `UsageError`, one line: it is not `what`."""
    try:
        yield
    except DAMAGED as error:
        said = f"it has no {error}" if isinstance(error, KeyError) else str(error)
        raise UsageError(f"{path}: not {what}: {said or type(error).__name__}") from error


def _inflated(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):  # the others inflate without bound
        raise ValueError(f"{member.filename}: compressed in a way that NumPy does not use")
    with archive.open(member) as file:
        return file.read(member.file_size)  # without a number zipfile inflates it all before it looks at the size


def _array(content: bytes) -> Array:
    """A writable array, whose data the header promises to the byte."""
    stream = io.BytesIO(content)
    version = npy.read_magic(stream)
    if version not in _READERS:
        raise ValueError(f"version {version} of the format; 1.0 and 2.0 are read")
    shape, is_fortran, kind = _READERS[version](stream)
    if kind.hasobject:
        raise ValueError("an array of Python objects, which may run code when loaded")
    start = stream.tell()
    size = math.prod(shape) * kind.itemsize
    if size != len(content) - start:
        raise ValueError(f"{len(content) - start} bytes of data where shape {shape} of {kind} has {size}")
    flat = np.frombuffer(content, kind, math.prod(shape), start) if size else np.zeros(shape, kind).ravel()
    return flat.reshape(shape, order="F" if is_fortran else "C").copy(order="K")
