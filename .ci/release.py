"""Is a tag ready to be released? ``python .ci/release.py v0.2.0``: it is m0sim's version, and CHANGELOG.md has it."""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def problem(tag: str, source: str, changes: str, citation: str) -> str:
    """One line on what is not ready; empty where all is. The texts: m0sim/__init__.py, CHANGELOG.md, CITATION.cff."""
    found = re.search(r'^__version__ = "(.+)"$', source, re.MULTILINE)
    version = found[1] if found else ""
    if tag != f"v{version}":
        return f"the tag is {tag}, and m0sim/__init__.py says {version}: tag v{version}, or change the version first"
    if not re.search(rf"^## \[{re.escape(version)}\] - \d{{4}}-\d\d-\d\d$", changes, re.MULTILINE):
        return f"CHANGELOG.md has no line '## [{version}] - YYYY-MM-DD': move what is under Unreleased below it"
    if f"\nversion: {version}\n" not in citation:
        return f"CITATION.cff is not of version {version}"
    return ""


if __name__ == "__main__":
    texts = [(ROOT / name).read_text() for name in ("m0sim/__init__.py", "CHANGELOG.md", "CITATION.cff")]
    sys.exit(problem(sys.argv[1], *texts) or 0)
