"""What axe-core (https://github.com/dequelabs/axe-core) finds wrong with pages, in the browser that the tests use.

``npm install axe-core`` in a folder of its own; then
``python tests/page_axe.py FOLDER/node_modules/axe-core/axe.min.js PAGE.html...`` prints each violation, for light and
dark, at 400 and 1,400 pixels with everything open. Exits with 1 where there is one.
"""

from __future__ import annotations

import sys
from itertools import product
from pathlib import Path
from typing import Any

from browser import Browser

_OPEN = "document.querySelectorAll('main details').forEach((each) => (each.open = true))"
_RUN = "axe.run().then((found) => ({ passes: found.passes.length, violations: found.violations }))"


def main(axe: str, *pages: str) -> int:
    """The number of violations."""
    script, total = Path(axe).read_text(encoding="utf-8"), 0
    with Browser() as browser:
        for page, dark, width in product(pages, (False, True), (400, 1400)):
            tab = browser.open(Path(page), width=width, dark=dark)
            tab.run(_OPEN)
            tab.run(f"{script}; 0")
            found: dict[str, Any] = tab.run(_RUN)
            total += len(found["violations"])
            print(f"{page}, {'dark' if dark else 'light'}, {width} pixels: {found['passes']} rules hold, "
                  f"{len(found['violations'])} do not")  # fmt: skip
            for broken in found["violations"]:
                print(f"  {broken['id']} ({broken['impact']}): {broken['help']}")
                for node in broken["nodes"][:3]:
                    print(f"    {node['html'][:160]}")
    return total


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]) > 0)
