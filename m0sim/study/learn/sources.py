"""One door to data: a name that m0sim knows, or a file of one's own, divided into parts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from m0sim.errors import UsageError
from m0sim.study.learn import data_csv, data_files, data_png, datasets, networks, split, transfer
from m0sim.study.learn.data_files import Contents, Reading
from m0sim.study.learn.datasets import Dataset, MisfitError
from m0sim.study.learn.networks import Network, Shape
from m0sim.study.learn.split import PARTS, Fractions
from m0sim.study.learn.transfer import Transfer

RANDOM = "random"


@dataclass(frozen=True, slots=True)
class FileOptions:
    """How a file of one's own is read and divided. A bundled data set takes none of it."""

    reading: Reading = field(default_factory=Reading)
    fractions: Fractions | None = None
    """None: as the file says, else `split.DEFAULT`."""
    seed: int = 0
    """Who is of which part, and the order in a part."""


@dataclass(frozen=True, slots=True)
class DataSource:
    """Which data: everything that decides about them. Small and picklable: who works on them reads them again."""

    name: str
    """One of `datasets.NAMES`, or a file or folder as it was typed."""
    data_dir: Path | None = None
    """Where the files of a known name are."""
    options: FileOptions = field(default_factory=FileOptions)
    place: str = ""
    """A second file, of the place that the device comes to: the images of all parts but the backbone's are from it."""
    hashes: tuple[str, ...] = ()
    """SHA-256 of the files, once they are known: they must not change any more."""

    @property
    def is_file(self) -> bool:
        """Whether it is a file of one's own."""
        return bool(self.name) and self.name not in (*datasets.NAMES, RANDOM) and transfer.is_file(self.name)

    @property
    def title(self) -> str:
        """The name for reports, without folders."""
        return title_of(self.name) if self.is_file else self.name


def title_of(name: str) -> str:
    """The name of a file or folder without what it is in."""
    return Path(name).name or Path(name).resolve().name


def load(source: DataSource, network: Network) -> Dataset:
    """The data, as images of the network's input shape. Raises UsageError, one line, where they cannot be read, and
    MisfitError where they are other images, or have more classes than the network."""
    _check_options(source)
    if source.name == RANDOM:
        found = datasets.random_images(network.input_shape, classes=network.classes)
    else:
        found = _file(source, 0, network) if source.is_file else datasets.load(source.name, source.data_dir)
    found.check(network)
    if not source.place:
        return found
    there = _file(source, 1, network)
    there.check(network)
    if there.classes > found.classes:
        raise UsageError(f"{source.place} has {there.classes} classes, {source.name} has {found.classes}")
    parts = {part: there.parts[part] for part in PARTS[1:]}
    return replace(there, name=found.name, parts=parts, split={**(found.split or {}), "place": dict(there.split or {})})


def known(source: DataSource) -> DataSource:
    """The same with the hashes of its files. Raises UsageError for a file that cannot be read."""
    if source.hashes or not (source.is_file or source.place):
        return source
    _check_options(source)
    return replace(source, hashes=tuple(_read(*place).sha256 for place in _places(source)))


def count(source: DataSource, part: str) -> int:
    """How many images a part has. Of a bundled data set nothing is read."""
    if not source.is_file and not source.place:
        if source.name not in datasets.NAMES:
            datasets.load(source.name)  # says what is wrong with it
        return len(datasets.SPLITS[source.name][part])
    return len(_divided(source, 1 if source.place and part != "backbone" else 0)[part])


def without_place(source: DataSource) -> DataSource:
    """The data alone, without those of the place that the device comes to: what a backbone is trained on."""
    if not source.place:
        return source
    options = source.options if source.is_file else FileOptions()
    return replace(source, place="", options=options, hashes=source.hashes[: int(source.is_file)])


def record(source: DataSource) -> dict[str, Any]:
    """What decides about the data besides their name, as JSON values; nothing of a bundled data set.

    ``split`` with the seed, the fractions (null: the file's own parts), the counts, the SHA-256 of the file, and how it
    was read.
    """
    found: dict[str, Any] = _record(source, 0) if source.is_file else {}
    if source.place:
        found["place"] = _record(source, 1)
    return {"split": found} if found else {}


def shapes(source: DataSource) -> tuple[Shape, ...]:
    """What [h, w, c] the images can be taken for. Of a bundled data set that is in files, nothing is checked."""
    return _read(*_places(source)[0]).shapes if source.is_file else (datasets.SHAPES[source.name],)


def words(split_record: Mapping[str, Any]) -> str:
    """The options, each behind a space, that divide and read a file as a record says."""
    found, given = split_record, split_record["fractions"]
    options = []
    if given is not None and given != split.DEFAULT.record():
        options.append("--split " + ",".join(f"{part}={share:g}" for part, share in given.items() if share))
    if found["seed"]:
        options.append(f"--split-seed {found['seed']}")
    if "range" in found:
        options.append("--range={:g}:{:g}".format(*found["range"]))
    if "window" in found:
        options.append("--window {}x{}".format(*found["window"]))
    if "label" in found:
        options.append(f"--label {found['label']}")
    return "".join(f" {option}" for option in options)


def starting_network(source: DataSource) -> str:
    """The network whose bundled backbone a run starts from, unasked. Raises UsageError for a file: none has seen it."""
    if source.is_file:
        raise UsageError(
            f"{source.name}: from which backbone? m0sim pretrain --data {source.name} -o backbone.npz makes one, then "
            "say --network backbone.npz; a name, such as tiny-cnn-8, is the bundled one"
        )
    return {"digits": "tiny-cnn-8", "cifar10": "vgg11-quarter"}.get(source.name, "tiny-cnn")


def network_for(source: DataSource) -> str:
    """The bundled network that a file's images fit. Raises UsageError where there is none."""
    contents = _read(*_places(source)[0])
    for name, network in networks.NETWORKS.items():
        if network.input_shape in contents.shapes:
            return name
    raise UsageError(f"{source.name} has images of {_shapes(contents)}: name a network that takes them with --network")


def default_transfer(data: Dataset) -> Transfer:
    """What the device has to learn unless somebody says so: turned images; of one's own data, and of signals, as they
    are."""
    is_turned = data.split is None and data.images.shape[1] > 1
    return transfer.rotation() if is_turned else transfer.NONE


def check_backbone(source: DataSource, made: Mapping[str, Any]) -> None:
    """Raise UsageError where a backbone, whose record is `made`, may have been trained on images that now judge it:
    those of the same file, divided otherwise."""
    its = made.get("split")
    ours = record(source).get("split")
    if not isinstance(its, dict) or not ours:
        return
    for mine in (ours, ours.get("place", {})):
        is_same_file = "sha256" in mine and mine["sha256"] == its.get("sha256")
        keys = ("fractions",) if mine.get("fractions") is None else ("fractions", "seed")
        if is_same_file and any(mine[key] != its.get(key) for key in keys):
            raise UsageError(
                f"the backbone was trained on other parts of {mine['file']}: give --split and --split-seed as its "
                f"m0sim pretrain had them (seed {its.get('seed')}, {its.get('fractions')})"
            )


def _check_options(source: DataSource) -> None:
    if not source.is_file and not source.place and source.options != FileOptions():
        raise UsageError(
            f"{source.name} has fixed parts: --split, --split-seed, --range, --window and --label are for files"
        )


def _places(source: DataSource) -> list[tuple[Path, Reading]]:
    """The files that there are."""
    names = [source.name] if source.is_file else []
    return [(Path(name), source.options.reading) for name in [*names, *filter(None, [source.place])]]


@lru_cache(maxsize=4)
def _read(path: Path, reading: Reading) -> Contents:
    """Once a process."""
    if path.is_dir():
        return data_png.read(path, reading)
    kind = path.suffix.lower()
    if kind not in (".npz", ".csv"):
        raise UsageError(f"{path}: data are a .npz file, a .csv file or a folder of PNGs by class")
    return data_csv.read(path, reading) if kind == ".csv" else data_files.read(path, reading)


def forget() -> None:
    """Read files again when they are needed next."""
    for kept in (_read, _divided):
        kept.cache_clear()


def _contents(source: DataSource, which: int) -> Contents:
    """Of the data (0) or the new place (1)."""
    at = -1 if which else 0
    contents = _read(*_places(source)[at])
    if source.hashes and source.hashes[at] != contents.sha256:
        raise UsageError(f"{contents.path}: has changed since the run began")
    return contents


def _file(source: DataSource, which: int, network: Network) -> Dataset:
    contents, name = _contents(source, which), title_of(source.place if which else source.name)
    if network.input_shape not in contents.shapes:
        wanted = " x ".join(map(str, network.input_shape))
        raise MisfitError(f"{network.name} takes images of {wanted}, those of {name} are {_shapes(contents)}")
    images = contents.images(network.input_shape)
    for array in (images, contents.labels):
        array.setflags(write=False)
    return Dataset(name, images, contents.labels, _divided(source, which), _record(source, which))


def _shapes(contents: Contents) -> str:
    return " or ".join(" x ".join(map(str, shape)) for shape in contents.shapes)


@lru_cache(maxsize=4)
def _divided(source: DataSource, which: int) -> Mapping[str, Any]:
    contents, options = _contents(source, which), source.options
    if contents.parts is not None:
        if options.fractions is not None:
            raise UsageError(f"{contents.path} has an array split, which says its parts: leave out --split")
        return split.as_given(contents.parts, options.seed)
    names = {label: contents.name_of(label) for label in range(int(contents.labels.max()) + 1)}
    try:
        return split.divided(contents.labels, _fractions(source, which), options.seed, names)
    except UsageError as error:
        raise UsageError(f"{contents.path}: {error}") from error


def _fractions(source: DataSource, which: int) -> Fractions:
    fractions = source.options.fractions or split.DEFAULT
    return fractions.without_backbone() if which else fractions


def _record(source: DataSource, which: int) -> dict[str, Any]:
    contents = _contents(source, which)
    is_given = contents.parts is not None
    return {
        "file": title_of(source.place if which else source.name),
        "sha256": contents.sha256,
        "seed": source.options.seed,
        "fractions": None if is_given else _fractions(source, which).record(),
        "counts": {part: len(indices) for part, indices in _divided(source, which).items()},
        "classes": list(contents.class_names) or int(contents.labels.max()) + 1,
        **source.options.reading.record(),
    }
