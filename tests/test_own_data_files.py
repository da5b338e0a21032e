"""CSV windows and folders of PNGs: what they are read as, and one line for everything that is wrong with them."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from m0sim.errors import UsageError
from m0sim.study.learn import data_csv, data_files, data_png, sources
from m0sim.study.learn.data_files import Reading
from m0sim.study.learn.networks import Dense, Network
from m0sim.study.learn.sources import DataSource, FileOptions

# CSV


def csv(path: Path, text: str, **reading: Any) -> data_files.Contents:
    path.write_text(text)
    return data_csv.read(path, Reading(**reading))


ROWS = "0,1,2,3,4\n1,5,6,7,8\n0,250,251,252,253\n"


@pytest.mark.parametrize(
    ("text", "label"),
    [
        (ROWS, "first"),
        ("1,2,3,4,0\n5,6,7,8,1\n250,251,252,253,0\n", "last"),
        ("label,a,b,c,d\n" + ROWS, ""),
        ("\ufeffCLASS,a,b,c,d\r\n" + ROWS.replace("\n", "\r\n"), ""),
        ("a,b,kind,c,d\n1,2,0,3,4\n\n5,6,1,7,8\n250,251,0,252,253\n", "kind"),
        ('"a","b","kind","c","d"\n1, 2 ,0,3,4\n5,6,1,7,8\n250,251,0,252,253', "Kind"),
    ],
)
def test_rows_are_windows(text: str, label: str, tmp_path: Path) -> None:
    found = csv(tmp_path / "a.csv", text, label=label)
    assert found.values.tolist() == [[1, 2, 3, 4], [5, 6, 7, 8], [250, 251, 252, 253]]
    assert found.labels.tolist() == [0, 1, 0]
    assert found.shapes == ((1, 4, 1),)


def test_a_window_of_channels(tmp_path: Path) -> None:
    """All channels of a sample, then the next sample."""
    found = csv(tmp_path / "a.csv", ROWS, label="first", window=(2, 2))
    assert found.values[1].tolist() == [[5, 6], [7, 8]]
    assert found.shapes == ((2, 2, 1), (1, 2, 2))


def test_names_floats_and_parts(tmp_path: Path) -> None:
    text = "split,label,a,b\ntest,worn,0.5,1\ntransfer,good,0,0.1\nbackbone,good,0,0\nvalidation,worn,1,1\n"
    found = csv(tmp_path / "a.csv", text)
    assert found.class_names == ("good", "worn")
    assert found.labels.tolist() == [1, 0, 0, 1]
    assert found.values.tolist() == [[128, 255], [0, 26], [0, 0], [255, 255]]
    assert found.parts is not None
    assert found.parts.tolist() == [3, 1, 0, 2]
    scaled = csv(tmp_path / "b.csv", "1,-2,2\n0,0,-1\n", label="first", range=(-2, 2))
    assert scaled.values.tolist() == [[0, 255], [128, 64]]


@pytest.mark.parametrize(
    ("text", "reading", "said"),
    [
        ("", {}, "is empty"),
        ("\n \n", {}, "is empty"),
        ("1\n2\n", {}, ":1: one column"),
        (ROWS, {}, "which column has the labels.: say --label first or --label last"),
        (ROWS, {"label": "kind"}, "no header with a column 'kind'"),
        ("kinds,a,b\n0,1,2\n", {"label": "kind"}, ":1: no column 'kind'.*did you mean 'kinds'"),
        ("kinds,a,b\n0,1,2\n", {}, ":1: no column is called label or class"),
        ("label,a\n", {}, "no values"),
        ("0,1,2\n1,5\n", {"label": "first"}, ":2: 2 columns, the first row has 3"),
        ("label,a,b\n0,1,2\n1,5,x\n", {}, ":3: 'x' is no number"),
        ("0,1,2\n1,5,\n", {"label": "first"}, ":2: '' is no number"),
        ("0,1,2\n1,5,nan\n", {"label": "first"}, "image 1 has a value that is no number"),
        ("0,1,2\n1,5,1e400\n", {"label": "first"}, "image 1 has a value that is no number"),
        ("0,-1,2\n1,5,3\n", {"label": "first"}, "int64 from -1 to 5: whole numbers are 0 to 255"),
        ("0,1.5,2\n1,5,3\n", {"label": "first"}, "floats from 1.5 to 5: floats are 0 to 1"),
        (ROWS, {"label": "first", "window": (3, 1)}, "rows of 4 values are no windows of 3 x 1"),
        ("1,5,6\n2,7,8\n", {"label": "first"}, "no image of class 0"),
        ("0,5,6\n-1,7,8\n", {"label": "first"}, "label -1"),
        ("label,a\n" + "9" * 200_000 + ",1\n", {}, ":2: not a .csv file: field larger"),
        ('0,1,2\n1,"2\n3",4\n', {"label": "first"}, ":2: not a .csv file: unexpected end of data"),
        ("0" + ",1" * 600_000, {"label": "first"}, ":1: longer than 1,048,576 characters"),
    ],
)
def test_a_careless_csv_is_one_line(text: str, reading: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=said) as refused:
        csv(tmp_path / "a.csv", text, **reading)
    assert "a.csv" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"0,1,2\n\xff\xfe")
    with pytest.raises(UsageError, match="not a text file in UTF-8: byte 6"):
        data_csv.read(tmp_path / "a.csv", Reading())


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("2:-2", None), "--range 2:-2: two numbers"),
        (("1", None), "two numbers"),
        (("nan:1", None), "two numbers"),
        (("-1e308:1e308", None), "two numbers"),
        ((None, "64x"), "--window 64x: samples and channels"),
        ((None, "0x3"), "--window 0x3"),
        ((None, "x3"), "--window x3"),
    ],
)
def test_a_careless_reading_is_one_line(given: tuple[str | None, str | None], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        data_files.reading(*given)
    assert data_files.reading("-2:2", "64x3", " first ") == Reading((-2.0, 2.0), (64, 3), "first")
    assert data_files.reading(None, "64").window == (64, 1)


def test_only_a_csv_has_windows(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", images=np.zeros((4, 4), np.uint8), labels=np.arange(4))
    small = Network("small", (1, 4, 1), (Dense(4),))
    with pytest.raises(UsageError, match=r"a.npz: --window is for .csv files"):
        sources.load(DataSource(str(tmp_path / "a.npz"), options=FileOptions(Reading(window=(4, 1)))), small)


# PNG


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(
    pixels: np.ndarray, colour: int = -1, bits: int = 8, size: tuple[int, int] | None = None, extra: bytes = b""
) -> bytes:
    """A PNG as its specification says (ISO/IEC 15948): `pixels` [h, w] or [h, w, channels], rows without a filter."""
    kind = colour if colour >= 0 else {1: 0, 2: 4, 3: 2, 4: 6}[1 if pixels.ndim == 2 else pixels.shape[2]]
    width, height = size or (pixels.shape[1], pixels.shape[0])
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + extra + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def folder(root: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


def grey(seed: int = 0, shape: tuple[int, ...] = (3, 4)) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def test_classes_are_folders_in_their_order(tmp_path: Path) -> None:
    files = {"worn/b.png": png(grey(0)), "good/a.png": png(grey(1)), "worn/a.PNG": png(grey(2)), "good/note.txt": b"x"}
    found = data_png.read(folder(tmp_path, files), Reading())
    assert found.class_names == ("good", "worn")
    assert found.labels.tolist() == [0, 1, 1]
    assert np.array_equal(found.values[..., 0], [grey(1), grey(2), grey(0)])
    assert (found.shapes, found.parts) == (((3, 4, 1),), None)


def test_numbers_are_labels_and_colours_are_three(tmp_path: Path) -> None:
    files = {f"{label}/x.png": png(grey(label, (3, 4, 3))) for label in range(11)}
    found = data_png.read(folder(tmp_path, files), Reading())
    assert sorted(found.labels.tolist()) == list(range(11))
    for label, image in zip(found.labels, found.values, strict=True):
        assert np.array_equal(image, grey(int(label), (3, 4, 3)))
    assert found.class_names == ()


def test_parts_are_folders_above(tmp_path: Path) -> None:
    parts = ("backbone", "transfer", "validation", "test")
    files = {f"{part}/{name}/x.png": png(grey()) for part in parts for name in ("a", "b")}
    found = data_png.read(folder(tmp_path, files), Reading())
    assert found.parts is not None
    assert sorted(zip(found.parts.tolist(), found.labels.tolist(), strict=True)) == [
        (p, c) for p in range(4) for c in (0, 1)
    ]


def test_the_hash_is_of_names_and_contents(tmp_path: Path) -> None:
    files = {"a/x.png": png(grey(0)), "b/x.png": png(grey(1))}
    one = data_png.read(folder(tmp_path / "1", files), Reading()).sha256
    assert data_png.read(folder(tmp_path / "2", files), Reading()).sha256 == one
    swapped = {"a/x.png": png(grey(1)), "b/x.png": png(grey(0))}
    renamed = {"a/y.png": png(grey(0)), "b/x.png": png(grey(1))}
    others = [
        data_png.read(folder(tmp_path / str(i), f), Reading()).sha256 for i, f in enumerate((swapped, renamed), 3)
    ]
    assert len({one, *others}) == 3


GOOD = {"a/1.png": png(grey(0)), "b/1.png": png(grey(1))}


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"readme.txt": b""}, "no pictures: FOLDER/CLASS"),
        ({"x.png": png(grey())}, "no pictures: FOLDER/CLASS"),
        ({"a/1.png": png(grey())}, "all images are of class a"),
        ({**GOOD, "c/none.txt": b""}, "c: a class without pictures"),
        ({**GOOD, "c/1.jpg": b""}, "1.jpg: is no PNG: convert"),
        ({**GOOD, "c/d/1.png": png(grey())}, "d: a folder in a class's folder"),
        ({"test/a/1.png": b"", "train/a/1.png": b""}, "test is a part, train is none"),
        ({**GOOD, "b/2.png": png(grey(2, (4, 3)))}, "2.png: is 4 x 3 x 1, .*1.png is 3 x 4 x 1: all must be alike"),
        ({**GOOD, "b/2.png": png(grey(2, (3, 4, 3)))}, "is 3 x 4 x 3"),
        ({**GOOD, "b/2.png": png(grey(2, (3, 4, 4)))}, "mode RGBA: grey or RGB of 8 bits, nothing transparent"),
        ({**GOOD, "b/2.png": png(grey(2, (3, 8)), bits=16, size=(4, 3))}, "mode I;16"),
        ({**GOOD, "b/2.png": png(grey(2), extra=chunk(b"tRNS", b"\0\7"))}, "nothing transparent"),
        ({**GOOD, "b/2.png": b""}, "2.png: is no PNG"),
        ({**GOOD, "b/2.png": b"\xff\xd8\xff\xe0" + bytes(40)}, "2.png: is no PNG"),
        ({**GOOD, "b/2.png": png(grey())[:60]}, "2.png: a damaged PNG"),
        ({**GOOD, "b/2.png": png(grey(), size=(60_000, 60_000))}, "60000 x 60000 pixels; at most 1,048,576"),
        ({**GOOD, "b/2.png": png(grey(), size=(0, 3))}, "0 x 3 pixels"),
        ({"1/1.png": png(grey()), "2/1.png": png(grey())}, "no image of class 0"),
    ],
)
def test_a_careless_folder_is_one_line(files: dict[str, bytes], said: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=said) as refused:
        data_png.read(folder(tmp_path, files), Reading())
    assert str(tmp_path) in str(refused.value)
    assert "\n" not in str(refused.value)


CHECKSUMS = {len(png(grey(3))) - i for i in (1, 2, 3, 4, 9, 10, 11, 12)}
"""Of the pixels, whose stream has one of its own, and of the end."""


@pytest.mark.parametrize("at", range(len(png(grey(3)))))
def test_a_changed_byte_changes_no_pixel(at: int, tmp_path: Path) -> None:
    """The file is refused, or only a checksum was changed that pillow does not look at."""
    content = bytearray(png(grey(3)))
    content[at] ^= 0x5A
    root = folder(tmp_path, {**GOOD, "b/2.png": bytes(content)})
    if at in CHECKSUMS:
        assert np.array_equal(data_png.read(root, Reading()).values[2, ..., 0], grey(3))
    else:
        with pytest.raises(UsageError, match=r"2\.png: "):
            data_png.read(root, Reading())


def test_a_folder_without_pillow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_png, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match="needs the study: pip install"):
        data_png.read(folder(tmp_path, GOOD), Reading())
