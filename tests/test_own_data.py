"""Data of one's own: what files may be, how they are divided, what is changed, and one line for everything careless."""

from __future__ import annotations

import io
import zipfile
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_cli import Run, run  # noqa: F401

from m0sim import arrays
from m0sim.errors import UsageError
from m0sim.study.learn import data_files, networks, sources, split, transfer
from m0sim.study.learn.data_files import Reading
from m0sim.study.learn.datasets import Dataset
from m0sim.study.learn.networks import Conv, Dense, Network
from m0sim.study.learn.rotate import rotate
from m0sim.study.learn.sources import DataSource, FileOptions

PARTS = ("backbone", "transfer", "validation", "test")
SMALL = Network("small", (8, 8, 1), (Dense(4), Dense(3)))
SIGNAL = Network("signal", (1, 8, 2), (Conv(2, (1, 3), pad=(0, 1)), Dense(3)))


def pictures(count: int = 60, shape: tuple[int, ...] = (8, 8, 1), seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, *shape), np.uint8)


def labels(count: int = 60, classes: int = 3) -> np.ndarray:
    return (np.arange(count) * 7 % classes).astype(np.uint8)


def npz(path: Path, **given: Any) -> str:
    """A file of 60 images of 3 classes, some arrays being others, or left out where they are None."""
    stored = {"images": pictures(), "labels": labels(), **given}
    path.write_bytes(arrays.to_npz({name: np.asarray(a) for name, a in stored.items() if a is not None}))
    return str(path)


def load(name: str, network: Network = SMALL, **options: Any) -> Dataset:
    return sources.load(DataSource(name, options=FileOptions(**options)), network)


# What is read


def test_images_of_three_axes_are_what_the_network_takes(tmp_path: Path) -> None:
    """[n, h, w] are grey images, [n, length, channels] signals: images of one row."""
    grey = load(npz(tmp_path / "a.npz", images=pictures(shape=(8, 8))))
    assert np.array_equal(grey.images[..., 0], pictures(shape=(8, 8)))
    signals = load(npz(tmp_path / "b.npz", images=pictures(shape=(8, 2))), SIGNAL)
    assert np.array_equal(signals.images[:, 0], pictures(shape=(8, 2)))
    flat = load(npz(tmp_path / "c.npz", images=pictures(shape=(8,))), replace(SIGNAL, input_shape=(1, 8, 1)))
    assert np.array_equal(flat.images[:, 0, :, 0], pictures(shape=(8,)))
    with pytest.raises(
        UsageError, match=r"signal takes images of 1 x 8 x 2, those of .*a.npz are 8 x 8 x 1 or 1 x 8 x 8"
    ):
        load(str(tmp_path / "a.npz"), SIGNAL)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "int64", ">i4", ">u2"])
def test_whole_numbers_are_as_they_are(tmp_path: Path, dtype: str) -> None:
    found = load(npz(tmp_path / "a.npz", images=pictures().astype(dtype), labels=labels().astype(dtype)))
    assert np.array_equal(found.images, pictures())
    assert found.images.dtype == found.labels.dtype == np.uint8


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", ">f4"])
def test_floats_of_0_to_1_become_levels(tmp_path: Path, dtype: str) -> None:
    values = np.random.default_rng(1).random((60, 8, 8, 1)).astype(dtype)
    values.ravel()[:2] = 0, 1
    found = load(npz(tmp_path / "a.npz", images=values))
    wanted = [round(Fraction(float(v)) * 255) for v in values.ravel()]  # Python's: a half to the even number
    assert found.images.ravel().tolist() == wanted


def test_a_range_says_what_is_0_and_255(tmp_path: Path) -> None:
    values = np.linspace(-2, 2, 60 * 64).reshape(60, 8, 8)
    name = npz(tmp_path / "a.npz", images=values)
    found = load(name, reading=data_files.reading("-2:2", None))
    assert found.images.ravel().tolist() == [round((Fraction(v) + 2) * 255 / 4) for v in values.ravel().tolist()]
    ints = npz(tmp_path / "b.npz", images=(values * 8000).astype(np.int16))
    assert load(ints, reading=Reading(range=(-16000, 16000))).images.max() == 255
    with pytest.raises(UsageError, match=r"values from -2 to 2 are outside of --range -1:2"):
        load(name, reading=Reading(range=(-1, 2)))


def test_names_are_classes(tmp_path: Path) -> None:
    names = np.array(["worn", "good", "loose"])[labels()]
    source = DataSource(npz(tmp_path / "a.npz", labels=names))
    found = sources.load(source, SMALL)
    assert [("good", "loose", "worn")[label] for label in found.labels] == names.tolist()
    assert sources.record(source)["split"]["classes"] == ["good", "loose", "worn"]


CARELESS: dict[str, tuple[dict[str, Any], str]] = {
    "no images": ({"images": None}, "no array 'images'; it has labels"),
    "another name": ({"images": None, "image": pictures()}, "no array 'images'.*did you mean 'image'"),
    "no labels": ({"labels": None}, "no array 'labels'; it has images"),
    "one axis": ({"images": np.zeros(60, np.uint8)}, r"images uint8 \[60\] must be \[n, h, w, c\]"),
    "five axes": ({"images": np.zeros((60, 1, 1, 1, 1), np.uint8)}, "must be"),
    "nothing": ({"images": pictures(0), "labels": labels(0)}, "are empty"),
    "no columns": ({"images": np.zeros((60, 8, 0, 1), np.uint8)}, "are empty"),
    "fewer labels": ({"labels": labels(59)}, r"labels uint8 \[59\] for 60 images"),
    "one-hot labels": ({"labels": np.eye(3)[labels()]}, r"of one-hot labels take .argmax\(axis=1\)"),
    "labels as floats": ({"labels": labels().astype(float)}, "labels are float64: they must be whole numbers"),
    "negative labels": ({"labels": labels().astype(int) - 1}, "label -1: labels are 0 to 255"),
    "large labels": ({"labels": labels().astype(int) * 200}, "label 400"),
    "labels from 1 on": ({"labels": labels() + 1}, "no image of class 0: classes count from 0, no gaps"),
    "a gap": ({"labels": labels() * 2}, "no image of class 1"),
    "one class": ({"labels": labels() * 0}, "all images are of class 0"),
    "more classes than the network": ({"labels": labels(classes=5)}, "small tells 3 classes apart, a.npz has 5"),
    "other images": ({"images": pictures(shape=(9, 8, 1))}, "takes images of 8 x 8 x 1, those of .* are 9 x 8 x 1"),
    "colour": ({"images": pictures(shape=(8, 8, 3))}, "those of .* are 8 x 8 x 3"),
    "channels first": ({"images": pictures(shape=(1, 8, 8))}, "those of .* are 1 x 8 x 8"),
    "NaN": ({"images": np.where(np.arange(60 * 64) == 700, np.nan, 0.5).reshape(60, 8, 8)}, "image 10 has a value"),
    "infinite": ({"images": np.full((60, 8, 8), np.inf)}, "image 0 has a value that is no number"),
    "floats of 0 to 255": ({"images": pictures() * 1.0}, "floats from 0 to 255: floats are 0 to 1;.*--range LOW:HIGH"),
    "floats around 0": ({"images": pictures() / 128 - 1}, "floats from -1 to .*--range"),
    "audio": ({"images": pictures().astype(np.int16) - 99}, "int16 from -99 to 156: whole numbers are 0 to 255"),
    "halved already": ({"images": (pictures() >> 1).astype(np.int8)}, "int8: give uint8.*--range 0:127"),
    "black and white": ({"images": pictures() >> 7}, "two shades of black: say --range 0:1"),
    "booleans": ({"images": pictures() > 99}, "images are bool: they must be uint8"),
    "complex": ({"images": pictures() * 1j}, "images are complex128"),
    "text": ({"images": np.full((60, 8, 8), "a")}, "images are <U1"),
    "a split too short": ({"split": np.zeros(3, int)}, r"split int64 \[3\] for 60 images"),
    "no such part": ({"split": np.array(["tset"] * 60)}, "a part 'tset'.*did you mean 'test'"),
    "no such number": ({"split": np.full(60, 4)}, "split 4; there are 0 backbone, 1 transfer, 2 validation, 3 test"),
    "a name like split": ({"splits": np.zeros(60, int)}, "an array 'splits'; did you mean 'split'"),
    "an array that breaks lines": ({"images": None, "a\nb": labels()}, r"it has labels, a\\nb"),
    "a class that breaks lines": (
        {"labels": np.array(["a", "b\n\x1b[2J"])[(labels() + np.arange(60) // 58).clip(max=1) * (np.arange(60) > 57)]},
        r"class b\\n\\x1b\[2J has 2 images",
    ),
    "split as floats": ({"split": np.zeros(60)}, "split is float64"),
}


@pytest.mark.parametrize("case", CARELESS)
def test_a_careless_npz_is_one_line(case: str, tmp_path: Path, run: Run) -> None:  # noqa: F811
    given, said = CARELESS[case]
    name = npz(tmp_path / "a.npz", **given)
    with pytest.raises(UsageError, match=said) as refused:
        load(name)
    assert "a.npz" in str(refused.value)
    assert "\n" not in str(refused.value)
    ended = run("compare", "--network", "tiny-cnn-8", "--data", name, "--methods", "niti-static", "--steps", "1")
    if case != "more classes than the network":  # tiny-cnn-8 has ten
        assert (ended.code, ended.out, ended.err.count("\n")) == (2, "", 1)


def zipped(content: bytes, times: int = 1) -> bytes:
    """An archive of images.npy, which is so many times the content."""
    stream = io.BytesIO()
    with (
        zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("images.npy", "w") as member,
    ):
        for _ in range(times):
            member.write(content)
    return stream.getvalue()


HOSTILE: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty": (lambda: b"", "not data"),
    "damaged": (lambda: b"PK\3\4 and no more", "not data"),
    "a bomb": (lambda: zipped(bytes(1 << 20), 300), "bytes when inflated"),
    "cut short": (lambda: zipped(arrays.to_npy(np.zeros(4))[:-9]), "bytes of data where"),
    "no array": (lambda: zipped(b"no array"), "not data"),
}


@pytest.mark.parametrize(("content", "said"), HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_npz_is_one_line(content: Callable[[], bytes], said: str, tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_bytes(content())
    with pytest.raises(UsageError, match=said) as refused:
        load(str(tmp_path / "a.npz"))
    assert "\n" not in str(refused.value)


def test_names_that_are_no_data(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"a.npz: cannot read it: No such file"):
        load(str(tmp_path / "a.npz"))
    (tmp_path / "a.png").write_bytes(b"")
    with pytest.raises(UsageError, match=r"a.png: data are a .npz file, a .csv file or a folder of PNGs by class"):
        load(str(tmp_path / "a.png"))
    with pytest.raises(UsageError, match=r"no data set 'mine'; there are digits, mnist, cifar10 \(a file of your own"):
        load("mine")
    with pytest.raises(UsageError, match="digits has fixed parts: --split"):
        load("digits", networks.get("tiny-cnn-8"), seed=1)


# Parts


def shares(text: str) -> split.Fractions:
    return split.fractions(text)


@given(st.lists(st.integers(20, 60), min_size=2, max_size=5), st.integers(0, 2**31 - 1), st.randoms())
def test_parts_are_disjoint_and_have_their_share_of_every_class(sizes: list[int], seed: int, random: Any) -> None:
    of_class = [label for label, size in enumerate(sizes) for _ in range(size)]
    random.shuffle(of_class)
    wanted = shares("transfer=0.2,validation=0.15,test=0.25")
    found = split.divided(np.array(of_class, np.uint8), wanted, seed, {})
    assert Counter(i for part in found.values() for i in part.tolist()) == Counter(range(len(of_class)))
    for label, size in enumerate(sizes):
        for part in PARTS:
            own = sum(of_class[i] == label for i in found[part])
            assert abs(own - getattr(wanted, part) * size) <= 1


def test_parts_never_change() -> None:
    """By another transcription: Python's sort of the raw numbers, class by class."""
    of_class = labels(40).tolist()
    raw = [int(n) for n in np.random.PCG64(np.random.SeedSequence([5, 4])).random_raw(40)]
    wanted: dict[str, list[int]] = {part: [] for part in PARTS}
    for label in range(3):
        own = sorted((i for i in range(40) if of_class[i] == label), key=lambda i: raw[i])
        cuts = [0, *(int(Fraction(share, 100) * len(own) + Fraction(1, 2)) for share in (20, 35, 60, 100))]
        for part, start, stop in zip(("transfer", "validation", "test", "backbone"), cuts, cuts[1:], strict=False):
            wanted[part] += own[start:stop]
    found = split.divided(np.array(of_class, np.uint8), split.DEFAULT, 5, {})
    assert {part: list(i) for part, i in found.items()} == {
        part: sorted(indices, key=lambda i: raw[i]) for part, indices in wanted.items()
    }


def test_what_is_left_over_is_not_used() -> None:
    found = split.divided(labels(60), shares("backbone=0.1,test=1/3"), 0, {})
    assert {part: len(indices) for part, indices in found.items()} == {
        "backbone": 6,
        "transfer": 0,
        "validation": 0,
        "test": 21,
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no part; such as"),
        ("tset=0.2", "no part 'tset'.*did you mean 'test'"),
        ("train=0.2", "no part 'train'"),
        ("test", "test: a part is a number from 0 to 1"),
        ("test=1/0", "a number from 0 to 1"),
        ("test=nan", "a number from 0 to 1"),
        ("test=1e-999999999", "a number from 0 to 1"),
        ("test=-1", "a number from 0 to 1"),
        ("test=1.5", "a number from 0 to 1"),
        ("test=0.5,transfer=0.6", "together 1.1, more than all images"),
        ("test=0.5,test=0.1", "test is there twice"),
    ],
)
def test_a_careless_split_is_one_line(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        shares(text)


def test_too_few_images_of_a_class(tmp_path: Path) -> None:
    few = np.array([0] * 30 + [1] * 27 + [2] * 3)
    with pytest.raises(
        UsageError, match=r"a.npz: class 2 has 3 images, too few for 0.15 of them in the validation part"
    ):
        load(npz(tmp_path / "a.npz", labels=few))
    with pytest.raises(UsageError, match="class worn has 3 images"):
        load(npz(tmp_path / "b.npz", labels=np.array(["good", "odd", "worn"])[few]))
    found = load(str(tmp_path / "a.npz"), fractions=shares("transfer=1/3,test=1/3"))
    with pytest.raises(UsageError, match=r"a.npz has no images in its validation part: give it some with --split"):
        found.part("validation")


@pytest.mark.parametrize("as_names", [True, False])
def test_parts_that_the_file_says(as_names: bool, tmp_path: Path) -> None:
    numbers = np.arange(60) % 4
    given = np.array(PARTS)[numbers] if as_names else numbers
    source = DataSource(npz(tmp_path / "a.npz", split=given))
    found = sources.load(source, SMALL)
    for number, part in enumerate(PARTS):
        assert sorted(found.indices(part)) == list(range(number, 60, 4))
    assert sources.record(source)["split"]["fractions"] is None
    with pytest.raises(UsageError, match="leave out --split"):
        load(source.name, fractions=split.DEFAULT)


def test_what_is_recorded(tmp_path: Path) -> None:
    import hashlib

    name = npz(tmp_path / "a.npz")
    found = sources.record(DataSource(name, options=FileOptions(fractions=shares("transfer=0.5,test=0.25"), seed=3)))
    assert found["split"] == {
        "file": "a.npz",
        "sha256": hashlib.sha256(Path(name).read_bytes()).hexdigest(),
        "seed": 3,
        "fractions": {"backbone": 0.25, "transfer": 0.5, "validation": 0.0, "test": 0.25},
        "counts": {"backbone": 15, "transfer": 30, "validation": 0, "test": 15},
        "classes": 3,
    }
    assert sources.record(DataSource("digits")) == {}


# The transfer task


def test_a_rotation_is_the_old_one() -> None:
    images = pictures(5)
    assert np.array_equal(transfer.parse("rotate:37.5").applied(images, range(5)), rotate(images, 37.5))
    assert transfer.parse("rotate:30").title == "rotate:30"
    assert transfer.parse("rotate:30").angle == 30.0


@pytest.mark.parametrize("sigma", [20, 127.5])
def test_noise_by_another_transcription(sigma: float) -> None:
    """Thresholds and draws one by one in Python's integers; every image has its own by its number."""
    images = pictures(3, (3, 3, 1))
    if sigma > 100:
        images[:] = np.where(np.arange(27).reshape(images.shape) % 2, 0, 255)  # the ends of the noise can be seen
    found = transfer.parse(f"noise:{sigma}").applied(images, [7, 0, 7])
    for image, index, got in zip(images, (7, 0, 7), found, strict=True):
        raw = np.random.PCG64(np.random.SeedSequence([0, 3, index])).random_raw(5)
        draws = [half for word in map(int, raw) for half in (word & 0xFFFFFFFF, word >> 32)][:9]
        for pixel, draw, value in zip(image.ravel().tolist(), draws, got.ravel().tolist(), strict=True):
            below = sum(round(2**32 * NormalDist(0, sigma).cdf(v + 0.5)) <= draw for v in range(-255, 255))
            assert value == min(max(pixel + below - 255, 0), 255)


def test_noise_has_its_deviation() -> None:
    grey = np.full((50, 20, 20, 1), 128, np.uint8)
    noise = transfer.parse("noise:12.5").applied(grey, range(50)).astype(int) - 128
    assert abs(noise.std() - 12.5) < 0.3
    assert abs(noise.mean()) < 0.3


@given(st.sampled_from(["0.5", "2", "0.1", "1", "1.25", "0.333"]))
def test_contrast_is_exact(factor: str) -> None:
    levels = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    found = transfer.parse(f"contrast:{factor}").applied(levels, [0]).ravel().tolist()
    exact = [128 + Fraction(factor) * (v - 128) for v in range(256)]
    assert found == [min(max((2 * x + 1) // 2, 0), 255) for x in exact]


def test_none_changes_nothing() -> None:
    assert transfer.parse("none").applied(pictures(), range(60)) is not None
    assert np.array_equal(transfer.parse("none").applied(pictures(), range(60)), pictures())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nois:3", "unknown task 'nois:3'.*did you mean 'noise'"),
        ("rotate", "rotate needs a number"),
        ("noise:", "noise needs a number"),
        ("noise:much", "noise needs a number"),
        ("noise:0", "noise must be above 0 and at most 128"),
        ("noise:nan", "noise must be above 0"),
        ("noise:1e9", "at most 128"),
        ("contrast:-1", "contrast must be above 0 and at most 16"),
        ("rotate:inf", "rotate must be"),
        ("none:3", "unknown task"),
        ("", "unknown task ''"),
    ],
)
def test_a_careless_task_is_one_line(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        transfer.parse(text)


def test_signals_are_not_turned() -> None:
    with pytest.raises(UsageError, match="signals cannot be turned by 30 degrees: --task none, noise or contrast"):
        transfer.rotation().applied(pictures(2, (1, 8, 2)), range(2))


def test_a_second_file_is_the_new_place(tmp_path: Path) -> None:
    """All parts but the backbone's are its; it has no backbone part, the others share what there is."""
    one, two = npz(tmp_path / "a.npz"), npz(tmp_path / "b.npz", images=pictures(seed=9))
    found = sources.load(DataSource(one, place=two), SMALL)
    assert np.array_equal(found.images, pictures(seed=9))
    assert found.name == "a.npz"
    assert {part: len(found.parts[part]) for part in found.parts} == {"transfer": 21, "validation": 15, "test": 24}
    assert found.split is not None
    assert (found.split["file"], found.split["place"]["file"]) == ("a.npz", "b.npz")
    with pytest.raises(UsageError, match="no part 'backbone'"):
        found.part("backbone")
    other = npz(tmp_path / "c.npz", labels=labels(classes=2))
    with pytest.raises(UsageError, match=r"b.npz has 3 classes, .*c.npz has 2"):
        sources.load(DataSource(other, place=two), SMALL)
