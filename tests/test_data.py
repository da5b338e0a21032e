"""Data sets are what they say or one clear line; rotation is exact, and the same as written down a second time."""

from __future__ import annotations

import gzip
import hashlib
import math
import os
import struct
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pace import slowdown

from m0sim.errors import UsageError
from m0sim.study.learn import datasets as data
from m0sim.study.learn.rotate import fixed_sin_cos, rotate

MNIST_DIR = os.environ.get("M0SIM_MNIST_DIR")
needs_mnist = pytest.mark.skipif(MNIST_DIR is None, reason="MNIST: name its folder in M0SIM_MNIST_DIR")


def images_of(seed: int, shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


# The data sets


@pytest.mark.parametrize("name", data.NAMES)
def test_parts_are_disjoint_and_cover_everything(name: str) -> None:
    indices = [i for part in data.SPLITS[name].values() for i in part]
    assert len(indices) == len(set(indices)) == max(indices) + 1


def test_digits() -> None:
    digits = data.load("digits")
    assert (digits.name, digits.images.shape, digits.images.dtype) == ("digits", (1797, 8, 8, 1), np.uint8)
    assert digits.labels.dtype == np.uint8
    # The counts of UCI's own description of the test part (optdigits.names).
    assert np.bincount(digits.labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    # The first row of optdigits.tes: 0,0,5,13,9,1,0,0 is a zero; 16ths become 255ths.
    assert digits.images[0, 0, :, 0].tolist() == [0, 0, 80, 207, 143, 16, 0, 0]
    assert sorted(set(digits.images.ravel().tolist())) == [round(Fraction(255 * v, 16)) for v in range(17)]
    for part in data.SPLITS["digits"]:
        assert set(digits.part(part).labels.tolist()) == set(range(10))


def test_digits_ship_with_licence_and_citation() -> None:
    folder = Path(data.__file__).parent / "digits"
    text = (folder / "LICENCE.md").read_text()
    assert "CC BY 4.0" in text
    assert "https://doi.org/10.24432/C50P49" in text
    assert (folder / "digits.npz").stat().st_size < 60_000


def test_part_is_the_documented_range() -> None:
    digits = data.load("digits")
    test = digits.part("test")
    assert np.array_equal(test.images, digits.images[1408:])
    with pytest.raises(UsageError, match="no part 'train'; there are backbone, transfer, validation, test"):
        digits.part("train")
    with pytest.raises(UsageError, match="389 images are not the whole data set"):
        test.part("test")


def test_loaded_data_cannot_be_changed_by_accident() -> None:
    with pytest.raises(ValueError, match="read-only"):
        data.load("digits").images[0] = 0


def test_network_input_is_half_a_pixel() -> None:
    pixels = np.arange(256, dtype=np.uint8)
    got = data.network_input(pixels)
    assert got.dtype == np.int8
    assert got.tolist() == [v // 2 for v in range(256)]


def test_names_and_folders() -> None:
    with pytest.raises(UsageError, match="did you mean 'mnist'"):
        data.load("mnits")
    with pytest.raises(UsageError, match="--data-dir"):
        data.load("mnist")
    with pytest.raises(UsageError, match="no such folder"):
        data.load("cifar10", Path("nowhere"))


# MNIST, from small files of the same format


@pytest.fixture
def small_mnist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with four good files, 6 training and 4 test images, that the loader takes for MNIST."""
    files = []
    for i, (file, count) in enumerate(zip(data.MNIST_FILES, (6, 6, 4, 4), strict=True)):
        shape = (count, *file.shape[1:])
        content = struct.pack(f">{1 + len(shape)}I", 0x0800 + len(shape), *shape) + images_of(i, shape).tobytes()
        files.append(data.IdxFile(file.name, shape, hashlib.sha256(content).hexdigest()))
        (tmp_path / file.name).write_bytes(content)
    monkeypatch.setattr(data, "MNIST_FILES", tuple(files))
    return tmp_path


def check_small_mnist(folder: Path) -> None:
    mnist = data.load("mnist", folder)
    assert (mnist.images.shape, len(mnist)) == ((10, 28, 28, 1), 10)
    for i, start in ((0, 0), (2, 6)):
        count = data.MNIST_FILES[i].shape[0]
        assert np.array_equal(mnist.images[start : start + count, ..., 0], images_of(i, (count, 28, 28)))
        assert np.array_equal(mnist.labels[start : start + count], images_of(i + 1, (count,)))


def test_mnist_plain(small_mnist: Path) -> None:
    check_small_mnist(small_mnist)


@pytest.mark.parametrize("spelling", ["{}.gz", "{dotted}", "{dotted}.gz"])
def test_mnist_names(small_mnist: Path, spelling: str) -> None:
    for path in list(small_mnist.iterdir()):
        content = path.read_bytes()
        path.unlink()
        name = spelling.format(path.name, dotted=path.name.replace("-idx", ".idx"))
        (small_mnist / name).write_bytes(gzip.compress(content, mtime=0) if name.endswith(".gz") else content)
    check_small_mnist(small_mnist)


def test_mnist_unpacked_but_still_called_gz(small_mnist: Path) -> None:
    for path in list(small_mnist.iterdir()):
        path.rename(f"{path}.gz")
    check_small_mnist(small_mnist)


def swap(folder: Path, a: str, b: str) -> None:
    first, second = (folder / a).read_bytes(), (folder / b).read_bytes()
    (folder / a).write_bytes(second)
    (folder / b).write_bytes(first)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
        ("train-images-idx3-ubyte", "t10k-images-idx3-ubyte"),
        ("train-labels-idx1-ubyte", "t10k-labels-idx1-ubyte"),
    ],
)
def test_swapped_mnist_files_are_told_by_name(small_mnist: Path, a: str, b: str) -> None:
    swap(small_mnist, a, b)
    with pytest.raises(UsageError, match=f"{a}: holds MNIST's {b}, not {a}: swapped") as error:
        data.load("mnist", small_mnist)
    assert "\n" not in str(error.value)


NAME = "train-images-idx3-ubyte"
HEADER = struct.pack(">4I", 0x803, 6, 28, 28)
PIXELS = 6 * 28 * 28
PACKED = gzip.compress(HEADER + bytes(PIXELS), mtime=0)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "0 bytes are too few"),
        (HEADER[:7], "7 bytes are too few"),
        (HEADER + bytes(PIXELS - 1), "truncated: 4719 of 4720 bytes"),
        (HEADER + bytes(PIXELS + 1), "longer than the 4720 bytes"),
        (HEADER + bytes(PIXELS), "SHA-256 .* expected"),
        (struct.pack(">2I", 0x801, 6) + bytes(PIXELS), "magic number 0x00000801, expected 0x00000803"),
        (struct.pack(">4I", 0x803, 6, 32, 32) + bytes(6 * 32 * 32), "6 x 32 x 32 elements, expected 6 x 28 x 28"),
        (b"<html>not found</html>", "magic number"),
        (PACKED[:-3], "truncated gzip"),
        (PACKED[:12], "truncated gzip"),
        (PACKED[:-6] + b"\0\0" + PACKED[-4:], "damaged gzip"),
        (b"\x1f\x8b" + bytes(40), "damaged gzip"),
        (gzip.compress(HEADER + bytes(1_000_000), mtime=0), "longer than"),
    ],
)
def test_wrong_mnist_files_are_one_line(small_mnist: Path, content: bytes, message: str) -> None:
    (small_mnist / NAME).write_bytes(content)
    with pytest.raises(UsageError, match=message) as error:
        data.load("mnist", small_mnist)
    assert NAME in str(error.value)
    assert "\n" not in str(error.value)


def test_missing_mnist_file(small_mnist: Path) -> None:
    (small_mnist / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(UsageError, match="t10k-labels-idx1-ubyte is missing"):
        data.load("mnist", small_mnist)


@needs_mnist
def test_mnist_itself() -> None:
    assert MNIST_DIR is not None
    mnist = data.load("mnist", Path(MNIST_DIR))
    assert mnist.images.shape == (70_000, 28, 28, 1)
    assert mnist.labels[:5].tolist() == [5, 0, 4, 1, 9]
    assert mnist.part("test").labels[:5].tolist() == [7, 2, 1, 0, 4]


# Fetching


@pytest.fixture
def mirror(small_mnist: Path) -> str:
    """A file:// address that serves the four files of `small_mnist`, packed."""
    folder = small_mnist / "mirror"
    folder.mkdir()
    for file in data.MNIST_FILES:
        (folder / f"{file.name}.gz").write_bytes(gzip.compress((small_mnist / file.name).read_bytes()))
    return folder.as_uri()


def test_fetch_then_load(mirror: str, tmp_path: Path) -> None:
    target, lines = tmp_path / "new" / "folder", list[str]()
    paths = data.fetch_mnist(target, base_url=mirror, report=lines.append)
    assert sorted(paths) == sorted(target.iterdir())
    check_small_mnist(target)
    assert len(lines) == 8
    lines.clear()
    data.fetch_mnist(target, base_url="file:///nowhere", report=lines.append)
    assert [line.endswith("is there") for line in lines] == [True] * 4


def test_fetch_replaces_a_damaged_file(mirror: str, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.mkdir()
    (target / f"{NAME}.gz").write_bytes(PACKED[:100])
    data.fetch_mnist(target, base_url=mirror)
    check_small_mnist(target)


def test_fetch_keeps_nothing_that_is_not_right(mirror: str, tmp_path: Path) -> None:
    (tmp_path / "mirror" / f"{NAME}.gz").write_bytes(PACKED)
    with pytest.raises(UsageError, match=f"{NAME}.gz: not MNIST's original"):
        data.fetch_mnist(tmp_path / "target", base_url=mirror)
    assert list((tmp_path / "target").iterdir()) == []


@pytest.mark.parametrize("url", ["file:///nowhere", "http://127.0.0.1:1", "nonsense", "http://[x"])
def test_fetch_without_a_server_is_one_line(tmp_path: Path, url: str) -> None:
    with pytest.raises(UsageError, match="cannot download") as error:
        data.fetch_mnist(tmp_path, base_url=url)
    assert "\n" not in str(error.value)


def test_fetch_into_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot make the folder"):
        data.fetch_mnist(tmp_path / "file")


# CIFAR-10, from files with fewer records


@pytest.fixture
def small_cifar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Six files of 100 records; as in CIFAR-10, only the test file has each class equally often."""
    monkeypatch.setattr(data, "_CIFAR10_RECORDS", 100)
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(10, dtype=np.uint8), 50)
    training = np.split(rng.permutation(labels), 5)
    for name, part in zip(data.CIFAR10_FILES, [*training, labels[::5]], strict=True):
        records = rng.integers(0, 256, (100, 3073), np.uint8)
        records[:, 0] = part
        (tmp_path / name).write_bytes(records.tobytes())
    return tmp_path


def test_cifar10_is_planes_of_colour(small_cifar: Path) -> None:
    cifar = data.load("cifar10", small_cifar)
    assert cifar.images.shape == (600, 32, 32, 3)
    record = (small_cifar / "data_batch_2.bin").read_bytes()[7 * 3073 : 8 * 3073]
    assert cifar.labels[107] == record[0]
    for y, x, c in ((0, 0, 0), (3, 5, 1), (31, 31, 2)):
        assert cifar.images[107, y, x, c] == record[1 + 1024 * c + 32 * y + x]


def test_cifar10_as_its_archive_unpacks(small_cifar: Path) -> None:
    folder = small_cifar / "cifar-10-batches-bin"
    folder.mkdir()
    for name in data.CIFAR10_FILES:
        (small_cifar / name).rename(folder / name)
    assert len(data.load("cifar10", small_cifar)) == 600


def test_wrong_cifar10_files_are_one_line(small_cifar: Path) -> None:
    path = small_cifar / "data_batch_3.bin"
    good = path.read_bytes()
    for content, message in (
        (good[:-1], "truncated: 307299 bytes"),
        (good + b"x", "too long"),
        (bytes([10]) + good[1:], "label 10"),
        ((small_cifar / "data_batch_1.bin").read_bytes(), "data_batch_3.bin and data_batch_1.bin are the same file"),
        (bytes([(good[0] + 1) % 10]) + good[1:], "the data_batch files: not 50 images of every class"),
    ):
        path.write_bytes(content)
        with pytest.raises(UsageError, match=message) as error:
            data.load("cifar10", small_cifar)
        assert "\n" not in str(error.value)
    path.unlink()
    with pytest.raises(UsageError, match=r"data_batch_3\.bin: missing"):
        data.load("cifar10", small_cifar)


def test_swapped_cifar10_files(small_cifar: Path) -> None:
    swap(small_cifar, "data_batch_1.bin", "test_batch.bin")
    with pytest.raises(UsageError, match="swapped or wrong"):
        data.load("cifar10", small_cifar)


# Rotation


def slow_rotate(image: np.ndarray, degrees: float) -> np.ndarray:
    """The same rule in exact fractions, a pixel at a time, for an image [h, w]."""
    # No angle tested is nearer to a rounding boundary than 1e-9: see test_fixed_sin_cos_is_the_rounded_value.
    sine, cosine = (Fraction(round(f(math.radians(degrees)) * 2**14), 2**14) for f in (math.sin, math.cos))
    height, width = image.shape
    middle_y, middle_x = Fraction(height - 1, 2), Fraction(width - 1, 2)
    result = np.zeros_like(image)
    for row in range(height):
        for column in range(width):
            y = middle_y + (column - middle_x) * sine + (row - middle_y) * cosine
            x = middle_x + (column - middle_x) * cosine - (row - middle_y) * sine
            total = Fraction(0)
            for i in (math.floor(y), math.floor(y) + 1):
                for j in (math.floor(x), math.floor(x) + 1):
                    if 0 <= i < height and 0 <= j < width:
                        total += int(image[i, j]) * (1 - abs(y - i)) * (1 - abs(x - j))
            result[row, column] = math.floor(total + Fraction(1, 2))
    return result


def test_fixed_sin_cos_is_the_rounded_value() -> None:
    """At all tenths of a degree, where a double (error below 1e-12 units) can tell which way to round."""
    for tenth in range(-3600, 7200):
        got = fixed_sin_cos(tenth / 10)
        for value, f in zip(got, (math.sin, math.cos), strict=True):
            exact = f(math.radians(tenth / 10)) * 2**14
            if tenth % 900:
                assert abs(exact - math.floor(exact) - 0.5) > 1e-9
            assert value == round(exact)


def test_angles_are_reduced_exactly() -> None:
    assert fixed_sin_cos(360 * 10**9 + 30) == fixed_sin_cos(30) == (8192, 14189)  # 1/2 and sqrt(3)/2, times 2^14
    assert fixed_sin_cos(1e300) == fixed_sin_cos(float(int(1e300) % 360))
    for angle in (math.nan, math.inf, -math.inf):
        with pytest.raises(UsageError, match="cannot rotate"):
            fixed_sin_cos(angle)


SHAPES = [(3, 28, 28, 1), (3, 7, 7, 2), (2, 32, 32, 3), (1, 1, 1, 1)]


@pytest.mark.parametrize("shape", SHAPES)
def test_quarter_turns_are_exact(shape: tuple[int, ...]) -> None:
    images = images_of(0, shape)
    for turns in range(-4, 9):
        assert np.array_equal(rotate(images, 90 * turns), np.rot90(images, turns, axes=(1, 2)))


def test_half_turn_of_an_oblong_image_is_exact() -> None:
    images = images_of(1, (2, 5, 8, 1))
    assert np.array_equal(rotate(images, 180), images[:, ::-1, ::-1])
    assert np.array_equal(rotate(images, 360), images)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 9), st.integers(1, 9), st.integers(-3600, 3600), st.integers(0, 2**32))
def test_equals_exact_fractions(height: int, width: int, tenths: int, seed: int) -> None:
    image = images_of(seed, (height, width))
    got = rotate(image[np.newaxis, :, :, np.newaxis], tenths / 10)
    assert np.array_equal(got[0, :, :, 0], slow_rotate(image, tenths / 10))


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 12), st.integers(-3600, 3600), st.integers(0, 2**32))
def test_symmetries_are_exact(size: int, tenths: int, seed: int) -> None:
    """A quarter turn more is the image a quarter turn further; the mirror image turns the other way."""
    images, angle = images_of(seed, (2, size, size, 1)), tenths / 10
    turned = rotate(images, angle)
    assert np.array_equal(rotate(images, (tenths + 900) / 10), np.rot90(turned, 1, axes=(1, 2)))
    assert np.array_equal(rotate(images[:, :, ::-1], -angle), turned[:, :, ::-1])
    assert np.array_equal(rotate(images[:, ::-1], -angle), turned[:, ::-1])


def test_one_pixel_turned_by_45_degrees() -> None:
    """Each neighbour lies (0.7071, 0.7071) from the centre: 255 * (1 - 0.7071)^2 = 21.9. Corners lie 1.41 away."""
    image = np.zeros((1, 3, 3, 1), np.uint8)
    image[0, 1, 1] = 255
    assert rotate(image, 45)[0, :, :, 0].tolist() == [[0, 22, 0], [22, 255, 22], [0, 22, 0]]


def test_positive_angles_turn_counter_clockwise() -> None:
    image = np.zeros((1, 21, 21, 1), np.uint8)
    image[0, 10, 20] = 200  # to the right of the centre
    row, column = np.argwhere(rotate(image, 45)[0, :, :, 0]).mean(axis=0)
    assert row < 5
    assert column > 15


@pytest.mark.parametrize("angle", [1, 30, 45, 61.7, 133, -10])
def test_mass_is_kept(angle: float) -> None:
    """A plain area stays plain to the grey level; a blob in the middle keeps its sum but for roundings."""
    plain = np.full((1, 28, 28, 1), 201, np.uint8)
    y, x = np.mgrid[:28, :28] - 13.5
    disc = np.hypot(y, x) < 13
    assert (rotate(plain, angle)[0, disc, 0] == 201).all()
    blob = (255 * np.exp(-(y**2 + 2 * (x - 2) ** 2) / 20)).astype(np.uint8)[np.newaxis, :, :, np.newaxis]
    turned = rotate(blob, angle).astype(int)
    assert turned.max() <= blob.max()
    assert abs(turned.sum() / blob.astype(int).sum() - 1) < 0.01


def test_images_of_a_batch_do_not_mix() -> None:
    images = images_of(2, (600, 9, 9, 1))
    whole = rotate(images, 17)
    for i in (0, 255, 256, 599):
        assert np.array_equal(whole[i : i + 1], rotate(images[i : i + 1], 17))
    assert rotate(images[:0], 17).shape == (0, 9, 9, 1)


def test_rotate_wants_a_batch_of_bytes() -> None:
    with pytest.raises(UsageError, match=r"got int8 \[1, 2, 2, 1\]"):
        rotate(np.zeros((1, 2, 2, 1), np.int8), 30)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"got uint8 \[28, 28\]"):
        rotate(np.zeros((28, 28), np.uint8), 30)


def test_ten_thousand_images_in_seconds() -> None:
    images = images_of(3, (10_000, 28, 28, 1))
    start = time.process_time()
    rotate(images, 30)
    assert time.process_time() - start < 5 * slowdown()  # about 0.15 s on an ordinary core
