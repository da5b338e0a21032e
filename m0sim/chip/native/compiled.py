"""Numba's decorators, with a cache that is right for code in several files.

Numba keeps what it compiled until the file that holds the function changes. But a function's machine code also has in
it those that it calls, and the layout of the tables, from other files. So its name, which names its cache file as well,
tells what all of them were.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba

from m0sim.chip import isa

_Function = Callable[..., Any]


def stamp(folder: Path, *others: Path) -> str:
    """Tells the modules in `folder`, and the files `others`, from what they were before any change."""
    digest = hashlib.sha256()
    for path in (*sorted(folder.glob("*.py")), *others):
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:12]


def _can_be_kept() -> bool:
    """Whether there is a folder for the cache: m0sim's own, the user's, or the one that NUMBA_CACHE_DIR names."""
    try:
        numba.njit(cache=True)(stamp)
    except RuntimeError:  # "no locator available"
        hint = "set NUMBA_CACHE_DIR to a folder that can be written to"
        warnings.warn(f"the counting hooks are compiled anew, which takes some seconds: {hint}", stacklevel=2)
        return False
    return True


_STAMP = stamp(Path(__file__).parent, Path(isa.__file__))
_IS_CACHED = _can_be_kept()


def njit(function: _Function) -> Any:
    """``numba.njit``, cached."""
    return numba.njit(cache=_IS_CACHED)(_stamped(function))


def njit_inline(function: _Function) -> Any:
    """``numba.njit``, cached; its callers hold a copy each."""
    return numba.njit(cache=_IS_CACHED, forceinline=True)(_stamped(function))


def cfunc(signature: str, **options: Any) -> Callable[[_Function], Any]:
    """``numba.cfunc``, cached: a function whose ``address`` Unicorn can call."""
    return lambda function: numba.cfunc(signature, cache=_IS_CACHED, **options)(_stamped(function))


def _stamped(function: _Function) -> _Function:
    function.__qualname__ += f".{_STAMP}"
    return function
