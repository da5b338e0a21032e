"""docs/architecture.md against the tree: what it names is there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "architecture.md"


def test_what_the_page_names_is_there() -> None:
    names = set(re.findall(r"`([\w/.]+(?:\.(?:py|c|h|toml)|/))`", PAGE.read_text()))
    assert len(names) > 40
    tracked = [
        path.relative_to(ROOT).as_posix() + "/" * path.is_dir()
        for folder in ("docs", "m0sim", "kernels", "tests", "profiles")
        for path in (ROOT / folder, *(ROOT / folder).rglob("*"))
    ]
    missing = [
        name for name in names if "NAME" not in name and not any(f"/{each}".endswith(f"/{name}") for each in tracked)
    ]
    assert missing == []
