"""Names of Rust functions: from what the linker calls them to the path that a person writes.

Sources: the rustc book, "v0 Symbol Format" (RFC 2603), for names that begin with ``_R``. The legacy format is that of
Itanium's nested names, ``_ZN`` lengths and parts ``E``, with ``$LT$`` and the like for what C++ cannot spell and a
last part that is a hash.

Names come from files that anyone may have made. References back into a v0 name can double it each time, so work, depth
and length are limited; a name that goes beyond, or that is not understood, stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable

TEXT_LIMIT = 4096
"""Characters of a path."""
_DEPTH_LIMIT = 60
_NAME_WORK, _FILE_WORK = 4_000, 1_000_000
"""Productions of the grammar for one name, and for all names of one file."""

_LEGACY = re.compile(r"_ZN([\w.$]+?)17h[0-9a-f]{16}E(?:\.llvm\.[0-9A-Fa-f]+)?")
_ESCAPES = {"SP": "@", "BP": "*", "RF": "&", "LT": "<", "GT": ">", "LP": "(", "RP": ")", "C": ","}
_BASIC_TYPES = dict(
    zip(
        "abcdefhijlmnopstuvxyz",
        "i8 bool char f64 str f32 u8 isize usize i32 u32 i128 u128 _ i16 u16 () ... i64 u64 !".split(),
        strict=True,
    )
)
_INTEGERS = "ahijlmnostxy"


class RustNames:
    """The demangler for the names of one file."""

    def __init__(self) -> None:
        self._work = _FILE_WORK

    def path(self, linkage_name: str) -> str | None:
        """The path without its hash, or None for what is no name of Rust's or cannot be read within the limits."""
        if linkage_name.startswith("_ZN"):
            return _legacy_path(linkage_name)
        if not linkage_name.startswith("_R") or self._work <= 0:
            return None
        name = _Name(linkage_name[2:], min(self._work, _NAME_WORK))
        try:
            return name.symbol()
        except _NotUnderstood:
            return None
        finally:
            self._work -= name.used


def _legacy_path(linkage_name: str) -> str | None:
    matched = _LEGACY.fullmatch(linkage_name)
    if matched is None:
        return None
    rest, parts = matched[1], []
    while rest:
        digits = re.match(r"\d{1,5}", rest)
        if digits is None:
            return None
        start, end = digits.end(), digits.end() + int(digits[0])
        if end > len(rest):
            return None
        parts.append(_unescaped(rest[start:end]))
        rest = rest[end:]
    text = "::".join(parts)
    return text if parts and len(text) <= TEXT_LIMIT else None


def _unescaped(part: str) -> str:
    if part.startswith("_$"):
        part = part[1:]

    def spelled(escape: re.Match[str]) -> str:
        if escape[0] in ("..", "."):
            return "::" if escape[0] == ".." else "."
        if escape[1] in _ESCAPES:
            return _ESCAPES[escape[1]]
        code = int(escape[1][1:], 16) if re.fullmatch(r"u[0-9a-f]{1,6}", escape[1]) else 0
        return chr(code) if 0 < code < 0x110000 else escape[0]

    return re.sub(r"\.\.|\$(\w{1,7})\$", spelled, part)


class _NotUnderstood(Exception):
    """The name is no name of Rust's, is of a later version, or is too much work."""


class _Name:
    """A v0 name without its ``_R``: one method for each production of the grammar."""

    def __init__(self, text: str, work: int) -> None:
        self.text = text
        self.at = 0
        self.work = work
        self.used = 0
        self.depth = 0
        self.lifetimes = 0
        """Lifetimes bound by the ``for<...>`` around here."""

    def symbol(self) -> str:
        name, _, suffix = self.text.partition(".")
        self.text = name
        path = self.path(in_value=True)
        if self.at < len(name):
            self.path(in_value=False)  # the crate that asked for this instance
        if self.at < len(name):
            raise _NotUnderstood
        return path if suffix.startswith("llvm.") or not suffix else f"{path}.{suffix}"

    # -- letters and numbers

    def next(self) -> str:
        self.used += 1
        if self.at >= len(self.text) or self.used > self.work:
            raise _NotUnderstood
        self.at += 1
        return self.text[self.at - 1]

    def has(self, letter: str) -> bool:
        """Whether `letter` comes next; it is then read."""
        if self.text[self.at : self.at + 1] != letter:
            return False
        self.at += 1
        return True

    def base_62(self) -> int:
        if self.has("_"):
            return 0
        value = 0
        while (letter := self.next()) != "_":
            if not (letter.isascii() and letter.isalnum()) or value >> 64:
                raise _NotUnderstood
            digit = int(letter, 36) if not letter.isupper() else ord(letter) - ord("A") + 36
            value = 62 * value + digit
        return value + 1

    def optional_base_62(self, letter: str) -> int:
        return self.base_62() + 1 if self.has(letter) else 0

    def identifier(self) -> str:
        is_punycode = self.has("u")
        digits = re.compile(r"0|[1-9][0-9]{0,4}").match(self.text, self.at)
        if digits is None:
            raise _NotUnderstood
        self.at = digits.end()
        self.has("_")
        start, self.at = self.at, self.at + int(digits[0])
        if self.at > len(self.text):
            raise _NotUnderstood
        text = self.text[start : self.at]
        return _from_punycode(text) if is_punycode else text

    # -- what may repeat or nest

    def until_end(self, item: Callable[[], str]) -> list[str]:
        items = []
        while not self.has("E"):
            items.append(item())
        return items

    def nested(self, production: Callable[[], str]) -> str:
        self.depth += 1
        if self.depth > _DEPTH_LIMIT:
            raise _NotUnderstood
        text = production()
        self.depth -= 1
        if len(text) > TEXT_LIMIT:
            raise _NotUnderstood
        return text

    def back(self, production: Callable[[], str]) -> str:
        """What `production` reads at an earlier place of the name."""
        tag = self.at - 1
        place = self.base_62()
        if place >= tag:
            raise _NotUnderstood
        here, self.at = self.at, place
        text = self.nested(production)
        self.at = here
        return text

    # -- paths

    def path(self, in_value: bool) -> str:
        return self.nested(lambda: self._path(in_value))

    def _path(self, in_value: bool) -> str:
        tag = self.next()
        match tag:
            case "C":
                self.optional_base_62("s")
                return self.identifier()
            case "M" | "X":
                self.optional_base_62("s")
                self.path(in_value=False)  # where the impl stands
                return self._of_type(has_trait=tag == "X")
            case "Y":
                return self._of_type(has_trait=True)
            case "N":
                return self._member(in_value)
            case "I":
                name = self.path(in_value)
                arguments = ", ".join(self.until_end(self.generic_argument))
                return f"{name}{'::' if in_value else ''}<{arguments}>"
            case "B":
                return self.back(lambda: self._path(in_value))
        raise _NotUnderstood

    def _of_type(self, has_trait: bool) -> str:
        own = self.type()
        return f"<{own} as {self.path(in_value=False)}>" if has_trait else f"<{own}>"

    def _member(self, in_value: bool) -> str:
        space = self.next()
        parent = self.path(in_value)
        number = self.optional_base_62("s")
        name = self.identifier()
        if space.isupper():
            kind = {"C": "closure", "S": "shim"}.get(space, space)
            return f"{parent}::{{{kind}{':' if name else ''}{name}#{number}}}"
        return f"{parent}::{name}" if name else parent

    def generic_argument(self) -> str:
        if self.has("L"):
            return self.lifetime(self.base_62())
        return self.constant() if self.has("K") else self.type()

    # -- types

    def type(self) -> str:
        return self.nested(self._type)

    def _type(self) -> str:
        tag = self.next()
        match tag:
            case "A":
                return f"[{self.type()}; {self.constant()}]"
            case "S":
                return f"[{self.type()}]"
            case "T":
                members = self.until_end(self.type)
                return f"({members[0]},)" if len(members) == 1 else f"({', '.join(members)})"
            case "R" | "Q":
                number = self.base_62() if self.has("L") else 0
                lifetime = f"{self.lifetime(number)} " if number else ""
                return f"&{lifetime}{'mut ' if tag == 'Q' else ''}{self.type()}"
            case "P" | "O":
                return f"*{'const' if tag == 'P' else 'mut'} {self.type()}"
            case "F":
                return self._under_binder(self._function)
            case "D":
                bounds = self._under_binder(lambda: " + ".join(self.until_end(self._dyn_trait)))
                if not self.has("L"):
                    raise _NotUnderstood
                number = self.base_62()
                return f"dyn {bounds}" + (f" + {self.lifetime(number)}" if number else "")
            case "B":
                return self.back(self._type)
        if tag in _BASIC_TYPES:
            return _BASIC_TYPES[tag]
        self.at -= 1
        return self._path(in_value=False)

    def _under_binder(self, production: Callable[[], str]) -> str:
        count = self.optional_base_62("G")
        if count > 64:
            raise _NotUnderstood
        self.lifetimes += count
        names = ", ".join(self.lifetime(number) for number in range(count, 0, -1))
        text = production()
        self.lifetimes -= count
        return f"for<{names}> {text}" if count else text

    def lifetime(self, number: int) -> str:
        if not number:
            return "'_"
        place = self.lifetimes - number
        if place < 0:
            raise _NotUnderstood
        return f"'{chr(ord('a') + place)}" if place < 26 else f"'_{place}"

    def _function(self) -> str:
        words = "unsafe " if self.has("U") else ""
        if self.has("K"):
            abi = "C" if self.has("C") else self.identifier().replace("_", "-")
            words += f'extern "{abi}" '
        parameters = ", ".join(self.until_end(self.type))
        result = "" if self.has("u") else f" -> {self.type()}"
        return f"{words}fn({parameters}){result}"

    def _dyn_trait(self) -> str:
        trait = self.path(in_value=False)
        bindings = []
        while self.has("p"):
            name = self.identifier()
            bindings.append(f"{name} = {self.type()}")
        if not bindings:
            return trait
        return f"{trait[:-1]}, {', '.join(bindings)}>" if trait.endswith(">") else f"{trait}<{', '.join(bindings)}>"

    # -- constants

    def constant(self) -> str:
        return self.nested(self._constant)

    def _constant(self) -> str:
        tag = self.next()
        if tag == "B":
            return self.back(self._constant)
        if tag == "p":
            return "_"
        if tag not in _INTEGERS and tag not in "bc":
            raise _NotUnderstood  # strings, references and structs are behind features that are not stable
        sign = "-" if self.has("n") else ""
        digits = re.compile(r"[0-9a-f]{0,32}_").match(self.text, self.at)
        if digits is None:
            raise _NotUnderstood
        self.at = digits.end()
        value = int(digits[0][:-1] or "0", 16)
        if tag == "b" and value < 2:
            return "true" if value else "false"
        if tag == "c" and value < 0x110000:
            return repr(chr(value))
        return f"{sign}{value}" if value < 1 << 64 else f"{sign}0x{value:x}"


def _from_punycode(text: str) -> str:
    """RFC 3492, with ``_`` where that has ``-``."""
    ascii_part, _, rest = text.rpartition("_")
    if len(text) > 256 or not text.isascii():
        raise _NotUnderstood
    try:
        return f"{ascii_part}-{rest}".lstrip("-").encode().decode("punycode")
    except (UnicodeError, ValueError, OverflowError):
        raise _NotUnderstood from None
