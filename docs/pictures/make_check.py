"""Draw docs/pictures/check-light.png and check-dark.png: the upper part of the gallery's page of a check.

Needs Chromium and `make kernels`. Run it after a change to the page: python docs/pictures/make_check.py
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from m0sim.check import manifest, run
from m0sim.check.formats.page import page

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT / "tests"))
WIDTH, HEIGHT = 1200, 1000  # CSS pixels: down to the functions


def main() -> None:
    from browser import Browser

    os.chdir(ROOT)
    result = run.check(manifest.load(Path("examples/dot.toml")), run.Options())
    with tempfile.TemporaryDirectory() as folder, Browser() as browser:
        file = Path(folder) / "check.html"
        file.write_text(page(result), encoding="utf-8")
        for scheme in ("light", "dark"):
            picture = HERE / f"check-{scheme}.png"
            browser.open(file, width=WIDTH, dark=scheme == "dark").screenshot(picture, height=HEIGHT)


if __name__ == "__main__":
    main()
