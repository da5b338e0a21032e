"""Images with labels: the bundled UCI digits, local MNIST (idx) and CIFAR-10 (binary) files, and how they are divided.

What each data set is divided into is fixed here, so that two studies never train and test on different images. The
images of `backbone` (training before deployment), `transfer` (training on the device), `validation` and `test` are
disjoint index ranges of the order in which `load` returns them.

Sources: MNIST, Y. LeCun, C. Cortes, C. Burges (idx format as they describe it); CIFAR-10, A. Krizhevsky (2009), binary
version; the digits' source and licence stand in digits/LICENCE.md.
"""

from __future__ import annotations

import hashlib
import http.client
import struct
import urllib.request
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from m0sim import arrays, files
from m0sim.errors import UsageError, did_you_mean
from m0sim.study.learn.layout import Index
from m0sim.study.learn.networks import Network

NAMES = ("digits", "mnist", "cifar10")
"""The data sets that `load` knows."""

SHAPES = {"digits": (8, 8, 1), "mnist": (28, 28, 1), "cifar10": (32, 32, 3)}
"""Of their images: height, width, channels."""

CLASSES = 10
"""Every one of the bundled names has ten classes, labelled 0..9."""

SPLITS: Mapping[str, Mapping[str, range]] = {
    # In the original order, where neighbours seem to be of one writer: the test range is harder than a random choice (a
    # support vector machine gets 95.6 % instead of 98.5 %), as another person's writing is for a device.
    "digits": {
        "backbone": range(1024),
        "transfer": range(1024, 1280),
        "validation": range(1280, 1408),
        "test": range(1408, 1797),
    },
    # 0..59,999 are the training images, 60,000..69,999 the test images.
    "mnist": {
        "backbone": range(56_000),
        "transfer": range(56_000, 57_024),
        "validation": range(57_024, 60_000),
        "test": range(60_000, 70_000),
    },
    # 0..49,999 are data_batch_1 to data_batch_5, 50,000..59,999 test_batch.
    "cifar10": {
        "backbone": range(46_000),
        "transfer": range(46_000, 47_024),
        "validation": range(47_024, 50_000),
        "test": range(50_000, 60_000),
    },
    # Noise, for costs alone.
    "random": {"transfer": range(32), "validation": range(32, 64)},
}
"""Index ranges of each data set's parts."""

MNIST_URL = "https://ossci-datasets.s3.amazonaws.com/mnist/"
"""A public mirror of the four original files."""

_DIGITS = Path(__file__).parent / "digits" / "digits.npz"


@dataclass(frozen=True, slots=True)
class IdxFile:
    """One of MNIST's files: its original name without ``.gz``, what is in it, SHA-256 of its decompressed bytes."""

    name: str
    shape: tuple[int, ...]
    sha256: str

    @property
    def magic(self) -> int:
        """0x0800 (unsigned bytes) plus the number of dimensions."""
        return 0x0800 + len(self.shape)

    @property
    def size(self) -> int:
        """Bytes of the decompressed file: magic, one word a dimension, the elements."""
        return 4 + 4 * len(self.shape) + int(np.prod(self.shape))


MNIST_FILES = (
    IdxFile(
        "train-images-idx3-ubyte",
        (60_000, 28, 28),
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    ),
    IdxFile("train-labels-idx1-ubyte", (60_000,), "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"),
    IdxFile(
        "t10k-images-idx3-ubyte", (10_000, 28, 28), "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"
    ),
    IdxFile("t10k-labels-idx1-ubyte", (10_000,), "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"),
)
"""Training images, training labels, test images, test labels."""

CIFAR10_FILES = (*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin")
"""CIFAR-10's training files and its test file."""

_CIFAR10_RECORD = 1 + 3 * 32 * 32
_CIFAR10_RECORDS = 10_000


class MisfitError(UsageError):
    """Images that can be read, but are not a network's."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """`images` uint8 [n, h, w, c], 0..255, and `labels` uint8 [n], from 0 on, read-only, of the data set `name`."""

    name: str
    images: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    parts: Mapping[str, range | Index] = field(default_factory=dict)
    """Which images are of which part; nothing of what is a part itself."""
    split: Mapping[str, Any] | None = None
    """Of a file of one's own, how it was divided and its hash, as the JSON has it."""

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def classes(self) -> int:
        """One more than the largest label."""
        return int(self.labels.max()) + 1

    def check(self, network: Network) -> None:
        """Raise MisfitError where the images are not the network's, or of more classes than it tells apart."""
        if self.images.shape[1:] != network.input_shape:
            wanted, has = (" x ".join(map(str, shape)) for shape in (network.input_shape, self.images.shape[1:]))
            raise MisfitError(f"{network.name} takes images of {wanted}, those of {self.name} are {has}")
        if self.classes > network.classes:
            raise MisfitError(f"{network.name} tells {network.classes} classes apart, {self.name} has {self.classes}")

    def part(self, part: str) -> Dataset:
        """The images of one part of a whole data set: ``backbone``, ``transfer``, ``validation`` or ``test``."""
        indices = self.indices(part)
        chosen = slice(indices.start, indices.stop) if isinstance(indices, range) else indices
        return Dataset(self.name, self.images[chosen], self.labels[chosen])

    def indices(self, part: str) -> range | Index:
        """Which images of a whole data set are of a part. Raises UsageError where there are none."""
        if self.parts and part not in self.parts:
            raise UsageError(f"{self.name} has no part {part!r}; there are {', '.join(self.parts)}")
        if not self.parts:
            raise UsageError(f"{self.name}: {len(self)} images are not the whole data set, which alone has parts")
        if not len(self.parts[part]):
            raise UsageError(f"{self.name} has no images in its {part} part: give it some with --split")
        return self.parts[part]


def load(name: str, data_dir: Path | None = None) -> Dataset:
    """The whole data set `name`; see `SPLITS` for the order of its images.

    ``digits`` is bundled (1,797 images [8, 8, 1]; its values v in 0..16 become round(v * 255 / 16), so 0..255).
    ``mnist`` (70,000 images [28, 28, 1]) and ``cifar10`` (60,000 images [32, 32, 3]) are read from files in `data_dir`.
    Raises `UsageError`, one line, for an unknown name and for missing, wrong, truncated or swapped files.
    """
    if name not in NAMES:
        own = " (a file of your own: .npz, .csv or a folder of PNGs)"
        raise UsageError(f"no data set {name!r}; there are {', '.join(NAMES)}{did_you_mean(name, NAMES) or own}")
    if name == "digits":
        return _digits()
    if data_dir is None:
        raise UsageError(f"{name} is not bundled: name the folder with its files (--data-dir DIR)")
    if not data_dir.is_dir():
        raise UsageError(f"{data_dir}: no such folder with the files of {name}")
    return _mnist(data_dir) if name == "mnist" else _cifar10(data_dir)


def random_images(shape: tuple[int, ...], seed: int = 0, classes: int = CLASSES) -> Dataset:
    """64 images of noise [height, width, channels]: enough to measure what a network costs without its data set."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (64, *shape), dtype=np.uint8)
    return _dataset("random", images, rng.integers(0, classes, 64, dtype=np.uint8))


def network_input(images: NDArray[np.uint8]) -> NDArray[np.int8]:
    """What a network on the device sees: pixels 0..255 halved to int8 0..127, of the same shape."""
    return (images >> 1).astype(np.int8)


def fetch_mnist(
    data_dir: Path, *, base_url: str = MNIST_URL, report: Callable[[str], None] | None = None, timeout: float = 30.0
) -> list[Path]:
    """Download MNIST's four files (11 MB) into `data_dir`, made if needed; returns their paths.

    Files that are there already and right are left alone. A file appears under its name only when it is complete and
    its checksum is right. `report` is told in one line what happens with each file; `timeout` is in seconds.
    Raises `UsageError`, one line, when a file cannot be had or is not the original.
    """
    tell = report or (lambda line: None)
    paths = []
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{data_dir}: cannot make the folder: {error.strerror}") from error
    for file in MNIST_FILES:
        path = data_dir / f"{file.name}.gz"
        if _is_right(path, file):
            tell(f"{path}: is there")
        else:
            url = f"{base_url.rstrip('/')}/{file.name}.gz"
            tell(f"{url}: downloading")
            content = _download(url, file, timeout)
            _check_idx(_decompressed(content, url, file.size), url, file)
            files.write(path, content)
            tell(f"{path}: written, {len(content)} bytes")
        paths.append(path)
    return paths


def _digits() -> Dataset:
    stored = arrays.read_npz(_DIGITS, "the digits that m0sim brings")
    sixteenths, labels = stored["images"].astype(np.uint16), stored["labels"]
    images = ((sixteenths * 255 + 8) // 16).astype(np.uint8)
    return _dataset("digits", images[..., np.newaxis], labels)


def _dataset(name: str, images: NDArray[np.uint8], labels: NDArray[np.uint8]) -> Dataset:
    images.setflags(write=False)
    labels.setflags(write=False)
    return Dataset(name, images, labels, SPLITS[name])


# MNIST


def _mnist(folder: Path) -> Dataset:
    parts = [_read_idx(_find_idx(folder, file), file) for file in MNIST_FILES]
    images = np.concatenate([parts[0], parts[2]])[..., np.newaxis]
    return _dataset("mnist", images, np.concatenate([parts[1], parts[3]]))


def _find_idx(folder: Path, file: IdxFile) -> Path:
    """The file under one of its usual names: with a hyphen or a dot before ``idx``, plain or gzip."""
    stems = (file.name, file.name.replace("-idx", ".idx"))
    candidates = [folder / f"{stem}{ending}" for stem in stems for ending in ("", ".gz")]
    for path in candidates:
        if path.is_file():
            return path
    raise UsageError(f"{folder}: MNIST's file {file.name} is missing (plain or .gz); m0sim data fetch mnist gets it")


def _read_idx(path: Path, file: IdxFile) -> NDArray[np.uint8]:
    """The elements of one idx file as uint8 in its shape; raises `UsageError` when it is anything but the original."""
    content = _decompressed(files.read(path), path, file.size)
    _check_idx(content, path, file)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * len(file.shape)).reshape(file.shape)


def _is_right(path: Path, file: IdxFile) -> bool:
    try:
        _read_idx(path, file)
    except UsageError:
        return False
    return True


def _decompressed(content: bytes, source: Path | str, size: int) -> bytes:
    """`content` without gzip, which its first bytes tell (browsers unpack a file and leave its name).

    At most one byte more than the largest file of MNIST is unpacked, however large a damaged file claims to be.
    """
    if content[:2] != b"\x1f\x8b":
        return content
    limit = max(size, *(file.size for file in MNIST_FILES)) + 1
    unpack = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    try:
        plain = unpack.decompress(content, limit)
    except zlib.error as error:
        raise UsageError(f"{source}: damaged gzip file ({error})") from error
    if len(plain) < limit and not unpack.eof:
        raise UsageError(f"{source}: truncated gzip file")
    return plain


def _check_idx(content: bytes, source: Path | str, file: IdxFile) -> None:
    """Raise `UsageError`, as exact as can be, unless `content` is the original of `file`."""
    digest = hashlib.sha256(content).hexdigest()
    if digest == file.sha256:
        return
    for other in MNIST_FILES:
        if digest == other.sha256:
            raise UsageError(f"{source}: holds MNIST's {other.name}, not {file.name}: swapped files?")
    header = 4 + 4 * len(file.shape)
    if len(content) < header:
        raise UsageError(f"{source}: {len(content)} bytes are too few for an idx file: truncated?")
    magic, *shape = struct.unpack_from(f">{1 + len(file.shape)}I", content)
    if magic != file.magic:
        raise UsageError(f"{source}: not {file.name}: magic number {magic:#010x}, expected {file.magic:#010x}")
    if tuple(shape) != file.shape:
        found, wanted = (" x ".join(map(str, s)) for s in (shape, file.shape))
        raise UsageError(f"{source}: not {file.name}: {found} elements, expected {wanted}")
    if len(content) < file.size:
        raise UsageError(f"{source}: truncated: {len(content)} of {file.size} bytes")
    if len(content) > file.size:
        raise UsageError(f"{source}: longer than the {file.size} bytes of {file.name}")
    raise UsageError(
        f"{source}: not MNIST's original {file.name}: SHA-256 {digest[:12]}..., expected {file.sha256[:12]}..."
    )


def _download(url: str, file: IdxFile, timeout: float) -> bytes:
    """What `url` serves, at most a little more than the uncompressed file could need."""
    try:
        with urllib.request.urlopen(url, timeout=timeout) as answer:
            content: bytes = answer.read(file.size + 65_536)
    except (OSError, http.client.HTTPException, ValueError) as error:  # URLError and timeouts are OSErrors
        reason = getattr(error, "reason", None) or error
        raise UsageError(f"{url}: cannot download: {reason}") from error
    return content


# CIFAR-10


def _cifar10(folder: Path) -> Dataset:
    """Sizes, labels and class counts are checked; no checksums, for none are published for the files of the archive."""
    if not (folder / CIFAR10_FILES[0]).is_file() and (folder / "cifar-10-batches-bin").is_dir():
        folder = folder / "cifar-10-batches-bin"  # as the archive unpacks
    batches = [_read_cifar10(folder / name) for name in CIFAR10_FILES]
    _check_cifar10(folder, batches)
    records = np.concatenate(batches)
    images = records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)  # planes of red, green, blue to HWC
    return _dataset("cifar10", np.ascontiguousarray(images), records[:, 0].copy())


def _read_cifar10(path: Path) -> NDArray[np.uint8]:
    """The records of one file, uint8 [10000, 3073]: label, then red, green and blue planes of 32 x 32."""
    if not path.is_file():
        raise UsageError(f"{path}: missing; CIFAR-10's binary version has {', '.join(CIFAR10_FILES)}")
    expected = _CIFAR10_RECORDS * _CIFAR10_RECORD
    size = path.stat().st_size
    if size != expected:
        state = "truncated" if size < expected else "too long"
        raise UsageError(f"{path}: {state}: {size} bytes, CIFAR-10's binary version has {expected}")
    records = np.frombuffer(files.read(path), np.uint8).reshape(-1, _CIFAR10_RECORD)
    if records[:, 0].max() >= CLASSES:
        raise UsageError(f"{path}: not CIFAR-10's binary version: label {records[:, 0].max()}, expected 0..9")
    return records


def _check_cifar10(folder: Path, batches: list[NDArray[np.uint8]]) -> None:
    """Tell swapped and doubled files: each class is in the test file 1,000 times, in the others 5,000 together."""
    for i, batch in enumerate(batches):
        for j in range(i):
            if np.array_equal(batch, batches[j]):
                raise UsageError(f"{folder}: {CIFAR10_FILES[i]} and {CIFAR10_FILES[j]} are the same file")
    for name, parts in (("the data_batch files", batches[:-1]), ("test_batch.bin", batches[-1:])):
        counts = np.bincount(np.concatenate([part[:, 0] for part in parts]), minlength=CLASSES)
        each = len(parts) * _CIFAR10_RECORDS // CLASSES
        if (counts != each).any():
            raise UsageError(f"{folder}: {name}: not {each} images of every class: swapped or wrong files?")
