"""Images of the old task, which the backbone was trained on: which they are, as the methods that want them get them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from test_own_data import SMALL, npz, pictures

from m0sim.errors import UsageError
from m0sim.study.learn import datasets, networks, sources
from m0sim.study.learn import side_by_side as compare
from m0sim.study.learn.datasets import Dataset
from m0sim.study.learn.experiment import images
from m0sim.study.learn.sources import DataSource, FileOptions
from m0sim.study.learn.split import fractions

DIGITS = networks.get("tiny-cnn-8")


def test_they_are_the_first_of_the_backbone_part_as_they_are() -> None:
    whole = datasets.load("digits")
    found = images.old(DataSource("digits"), DIGITS, 5)
    assert np.array_equal(found.images, whole.images[:5] >> 1)
    assert np.array_equal(found.labels, whole.labels[:5])
    assert found.images.dtype == np.int8
    assert not len(images.old(DataSource("digits"), DIGITS, 0))


def test_they_are_not_from_the_new_place(tmp_path: Path) -> None:
    """Of files, and of a bundled data set, which takes no options of a file."""
    one, two = npz(tmp_path / "a.npz"), npz(tmp_path / "b.npz", images=pictures(seed=9))
    options = FileOptions(seed=3)
    here = sources.load(DataSource(one, options=options), SMALL)
    with_place = sources.known(DataSource(one, options=options, place=two))
    found = images.old(with_place, SMALL, 7)
    assert np.array_equal(found.images, here.part("backbone").images[:7] >> 1)
    assert np.array_equal(found.labels, here.part("backbone").labels[:7])
    digits = sources.known(DataSource("digits", options=options, place=two))
    assert np.array_equal(images.old(digits, DIGITS, 2).images, datasets.load("digits").images[:2] >> 1)


def test_more_than_there_are_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"1025 images of the old task are wanted, digits has 1024 in its backbone"):
        images.old(DataSource("digits"), DIGITS, 1025)
    options = FileOptions(fractions=fractions("transfer=0.4,validation=0.3,test=0.3"))
    with pytest.raises(UsageError, match=r"1 images of the old task are wanted, a.npz has 0 in its backbone part"):
        images.old(DataSource(npz(tmp_path / "a.npz"), options=options), SMALL, 1)


@pytest.mark.parametrize("part", ["backbone", "validation"])
def test_costs_are_of_the_backbone_part_or_for_want_of_it_of_another(part: str) -> None:
    """Repeated where there are too few: cycles depend little on them."""
    data = Dataset("few", pictures(6), np.arange(6, dtype=np.uint8) % 3, {"validation": range(4, 6), part: range(2, 4)})
    found = compare._old_images(compare.ComparisonTask(SMALL, data, None, ()), 3)  # type: ignore[arg-type]
    assert np.array_equal(found.images, pictures(6)[[2, 3, 2]] >> 1)
    assert found.labels.tolist() == [2, 0, 2]
