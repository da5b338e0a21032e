"""docs/networks.md, followed in an empty folder: its files, and every command."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from test_cli import ROOT, Run, run  # noqa: F401
from transcripts import Reader

from m0sim.study.learn import network_limits, network_toml

PAGE = (ROOT / "docs/networks.md").read_text(encoding="utf-8")


@pytest.mark.long
def test_the_page_is_followed(readers_folder: Path, run: Run) -> None:  # noqa: F811
    followed = [typed.split()[1] for typed in Reader(run, readers_folder).follow(PAGE)]
    assert followed == ["budget", "pretrain", "compare", "train", "compare"]
    trained = json.loads(Path("out/train.json").read_text())
    assert (trained["network"], trained["backbone"]) == ("separable", "backbone.npz")
    assert trained["accuracy"][-1] > trained["accuracy_before"] + 0.1


def test_the_page_has_every_key() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \|(.*)$", PAGE, re.MULTILINE))
    assert list(rows) == list(network_toml.KEYS)
    said = {layer: set(re.findall(r"`(\w+)` \(", row)) for layer, row in rows.items()}
    said["depthwise"] = said["conv"]  # "the same"
    assert said == {layer: set(keys) for layer, keys in network_toml.KEYS.items()}


def test_the_page_has_the_limits() -> None:
    limits = network_limits
    for limit in (limits.LAYERS_MAX, limits.SIDE_MAX, limits.VALUES_MAX, limits.WEIGHTS_MAX, limits.MACS_MAX):
        assert f"{limit:,} " in PAGE
    assert f"2 to {limits.CLASSES_MAX} classes" in PAGE
