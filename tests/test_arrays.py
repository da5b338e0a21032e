"""Files of NumPy from anybody: the arrays that NumPy wrote, or one line, whatever somebody else did to them."""

from __future__ import annotations

import io
import os
import random
import struct
import tracemalloc
import zipfile
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from m0sim import arrays
from m0sim.errors import UsageError

KINDS = (
    npst.integer_dtypes(endianness="=") | npst.floating_dtypes() | npst.boolean_dtypes() | npst.unicode_string_dtypes()
)
ARRAYS = npst.arrays(KINDS, npst.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3))


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def npy(array: Any, **options: Any) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, **options)
    return stream.getvalue()


def headed(header: str, data: bytes = b"", version: tuple[int, int] = (1, 0)) -> bytes:
    """A .npy file with any text for a header."""
    text = header.encode("latin1")
    size = struct.pack("<H" if version == (1, 0) else "<I", len(text))
    return b"\x93NUMPY" + bytes(version) + size + text + data


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("arrays")


@settings(max_examples=60, deadline=None)
@given(ARRAYS, st.booleans())
def test_npy_is_what_numpy_reads(folder: Path, array: np.ndarray[Any, Any], is_fortran: bool) -> None:
    given_array = np.asfortranarray(array) if is_fortran else array
    path = written(folder / "a.npy", npy(given_array))
    found, expected = arrays.read_npy(path), np.load(path)
    np.testing.assert_array_equal(found, expected)
    assert (found.dtype, found.flags.f_contiguous) == (expected.dtype, expected.flags.f_contiguous)
    assert found.flags.writeable
    assert arrays.to_npy(given_array) == path.read_bytes()


@settings(max_examples=30, deadline=None)
@given(st.dictionaries(st.text("abc", min_size=1, max_size=3), ARRAYS, max_size=3), st.booleans())
def test_npz_is_what_numpy_reads(folder: Path, given_arrays: dict[str, Any], is_deflated: bool) -> None:
    path = folder / "a.npz"
    if is_deflated:
        path.write_bytes(arrays.to_npz(given_arrays))
    else:
        np.savez(path, **given_arrays)
    with np.load(path) as expected:
        found = arrays.read_npz(path, "a thing")
        assert list(found) == expected.files
        for name in found:
            np.testing.assert_array_equal(found[name], expected[name])
            assert found[name].dtype == expected[name].dtype


BAD_ARRAYS = {
    "empty": (b"", "magic string"),
    "no array": (b"text" * 9, "magic string"),
    "objects": (npy(np.array([{}]), allow_pickle=True), "Python objects"),
    "objects within": (headed("{'descr': [('a', '|O')], 'fortran_order': False, 'shape': (1,)}", bytes(8)), "objects"),
    "too long": (npy(np.arange(3)) + b"x", "25 bytes of data"),
    "cut": (npy(np.arange(3))[:-1], "23 bytes of data"),
    "huge shape": (
        headed("{'descr': '|u1', 'fortran_order': False, 'shape': (1 << 60,)}".replace("1 << 60", "9" * 19)),
        "0 bytes",
    ),
    "huge item": (headed("{'descr': '|V2000000000', 'fortran_order': False, 'shape': (1,)}"), "0 bytes"),
    "negative": (headed("{'descr': '|u1', 'fortran_order': False, 'shape': (-1, -1)}", b"x"), ""),
    "long header": (headed("{'descr': '|u1', 'fortran_order': False, 'shape': ()}" + " " * 70_000, b"x", (2, 0)), ""),
    "code": (headed("__import__('os').system('touch /tmp/owned')", b""), ""),
    "nested": (headed("(" * 9000), ""),
    "minus": (headed("-" * 9000 + "1"), ""),
    "version": (b"\x93NUMPY\x09\x00" + bytes(99), "version"),
}


@pytest.mark.parametrize("name", BAD_ARRAYS)
def test_bad_arrays_are_one_line(tmp_path: Path, name: str) -> None:
    content, what = BAD_ARRAYS[name]
    for path, inside in ((tmp_path / "a.npy", None), (tmp_path / "a.npz", "a.npy")):
        if inside:
            with zipfile.ZipFile(path, "w") as archive:
                archive.writestr(inside, content)
        else:
            path.write_bytes(content)
        with pytest.raises(UsageError) as caught:
            arrays.read_npz(path, "a thing") if inside else arrays.read_npy(path)
        assert f"{path}: not a" in str(caught.value)
        assert what in str(caught.value)


def bomb(size: int, count: int = 1, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A small archive of large arrays of zeros."""
    stream = io.BytesIO()
    header = headed(f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({size},)}}")
    with zipfile.ZipFile(stream, "w", method) as archive:
        for i in range(count):
            with archive.open(f"a{i}.npy", "w") as member:
                member.write(header)
                for _ in range(size >> 20):
                    member.write(bytes(1 << 20))
    return stream.getvalue()


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_bomb_is_refused_before_it_grows(tmp_path: Path, method: int) -> None:
    path = written(tmp_path / "bomb.npz", bomb(8 << 20, 4, method))
    assert path.stat().st_size < 100_000
    tracemalloc.start()
    with pytest.raises(UsageError, match=r"when inflated, more than|NumPy does not use"):
        arrays.read_npz(path, "a thing", limit=32 << 20)
    assert tracemalloc.get_traced_memory()[1] < 4 << 20
    tracemalloc.stop()
    if method == zipfile.ZIP_DEFLATED:
        assert arrays.read_npz(path, "a thing", limit=33 << 20)["a3"].size == 8 << 20


def test_a_bomb_that_lies_about_its_size_gives_no_more_than_it_says(tmp_path: Path) -> None:
    content = bytearray(bomb(8 << 20))
    directory = content.rindex(b"PK\1\2")
    struct.pack_into("<I", content, directory + 24, 200)  # what it says it has when inflated
    path = written(tmp_path / "bomb.npz", bytes(content))
    tracemalloc.start()
    with pytest.raises(UsageError):
        arrays.read_npz(path, "a thing")
    assert tracemalloc.get_traced_memory()[1] < 4 << 20
    tracemalloc.stop()


def test_members_without_end_are_refused(tmp_path: Path) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for i in range(arrays.MEMBERS + 1):
            archive.writestr(f"{i}", b"")
    with pytest.raises(UsageError, match="more than 4096 members"):
        arrays.read_npz(written(tmp_path / "a.npz", stream.getvalue()), "a thing")


@pytest.mark.parametrize("count", [700, pytest.param(20_000, marks=pytest.mark.long)])
def test_damaged_files_are_read_or_refused(tmp_path: Path, count: int) -> None:
    """Every fault of a damaged file is a `UsageError`; what is read all the same took no more than the limit."""
    chosen = random.Random(count)
    whole = {"weights_0": np.arange(60, dtype=np.int8).reshape(3, 4, 5), "record": np.array('{"schema": 1}')}
    stream = io.BytesIO()
    np.savez(stream, **whole)  # stored: damage reaches the headers, not only the checksums
    seeds = [npy(whole["weights_0"]), arrays.to_npz(whole), stream.getvalue()]
    path = tmp_path / "file"
    for _ in range(count):
        number = chosen.randrange(len(seeds))
        content = bytearray(seeds[number])
        for _ in range(chosen.randint(1, 4)):
            at = chosen.randrange(len(content))
            match chosen.randrange(4):
                case 0:
                    content[at] = chosen.randrange(256)
                case 1:
                    del content[at : at + chosen.randint(1, 40)]
                case 2:
                    content[at:at] = content[: chosen.randint(1, 40)]
                case _:
                    content[at : at + 4] = struct.pack("<I", chosen.choice([0, 1, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF]))
            content = content or bytearray(b"x")
        if number == 2 and chosen.random() < 0.7:
            _mend_checksums(content)
        path.write_bytes(content)
        with suppress(UsageError):
            arrays.read_npz(path, "a thing") if number else arrays.read_npy(path)


def _mend_checksums(content: bytearray) -> None:
    """Of the members that are still where the directory says, so that the damage gets past them."""
    at = content.find(b"PK\1\2")
    while at >= 0 and len(content) >= at + 46:
        size = struct.unpack_from("<I", content, at + 20)[0]
        start = struct.unpack_from("<I", content, at + 42)[0]
        if content[start : start + 4] == b"PK\3\4":
            begin = (
                start + 30 + sum(struct.unpack_from("<HH", content, start + 26)) if start + 30 <= len(content) else 0
            )
            struct.pack_into("<I", content, at + 16, zlib.crc32(content[begin : begin + size]))
        at = content.find(b"PK\1\2", at + 1)


def test_only_this_module_reads_numpys_files() -> None:
    package = Path(arrays.__file__).parent
    readers = [path.name for path in package.rglob("*.py") if "np.load(" in path.read_text()]
    assert readers == []
    assert not os.path.exists("/tmp/owned")
