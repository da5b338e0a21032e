"""docs/site.py, which belongs to the site and to no package, as a module."""

from __future__ import annotations

import importlib.util
from pathlib import Path

_spec = importlib.util.spec_from_file_location("m0sim_site", Path(__file__).parents[1] / "docs/site.py")
assert _spec is not None
assert _spec.loader is not None
site = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(site)
