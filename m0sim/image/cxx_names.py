"""C++ names as people write them, by LLVM's demangler."""

from __future__ import annotations

import ctypes
from functools import lru_cache
from typing import Any

from m0sim import libraries

_ROOM = 1 << 16  # bytes for one name


def demangled(linkage_name: str) -> str | None:
    """What a linker's name means, ``Foo::Foo<short>(short*, int)``; None where it is no C++ name.

    GCC's ``.isra.0`` and the like stay. A name of more than 4,096 bytes is none, nor is one that means more than 64 KiB
    or has a floating-point value in it.
    """
    if not linkage_name.startswith("_Z"):
        return None
    mangled, dot, clone = linkage_name.partition(".")
    function, text = _demangler()
    length = function(mangled.encode("utf-8", "replace"), text, _ROOM)
    return text.raw[:length].decode("utf-8", "replace") + dot + clone if length else None


@lru_cache(maxsize=1)
def _demangler() -> tuple[Any, Any]:
    """The function and where it writes to: it has one room, and one thread at a time calls it."""
    function = libraries.DEMANGLER.load(keeps_gil=True).m0_demangle
    function.restype = ctypes.c_size_t
    function.argtypes = ctypes.c_char_p, ctypes.c_char_p, ctypes.c_size_t
    return function, ctypes.create_string_buffer(_ROOM)


def shorter_names(name: str) -> set[str]:
    """What people leave out of a C++ name: parameters, the return type that templates have, or both."""
    if "(" not in name:
        return set()
    bare = without_return_type(name)
    return {without_parameters(name), bare, without_parameters(bare)}


def without_parameters(name: str) -> str:
    """``ns::f`` of ``ns::f(int)``; names without parameters come back as they are."""
    if not name.rstrip(" constvlaire&").endswith(")"):
        return name
    depth = 0
    for at in range(name.rindex(")"), -1, -1):
        depth += (name[at] == ")") - (name[at] == "(")
        if not depth:
            return name[:at] or name
    return name


def without_return_type(name: str) -> str:
    """``ns::f<int>(int)`` of ``int ns::f<int>(int)``; names without a return type come back as they are."""
    head = without_parameters(name)
    depth = begin = 0
    for at, letter in enumerate(head):
        depth += (letter in "<([") - (letter in ">)]")
        if head.startswith("operator", at):  # what follows belongs to it: operator unsigned int, operator<
            break
        if letter == " " and not depth:
            begin = at + 1
    return name[begin:]
