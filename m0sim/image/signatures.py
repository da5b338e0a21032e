"""What functions take and return, from their debug information: signatures with C's types as the AAPCS sees them.

An answer is a whole signature or none: where a type, a language or an optimisation leaves a doubt about how a function
is called, its caller is not told anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from m0sim.image.dwarf_entries import At, Entries, Entry, Tag
from m0sim.image.dwarf_forms import BadDwarf
from m0sim.names import printable

_DEPTH_LIMIT = 32
_MEMBER_LIMIT = 4096
_C = (0x01, 0x02, 0x0C, 0x1D, 0x2C)  # DW_LANG_C89, C, C99, C11, C17
_CXX = (0x04, 0x1A, 0x21, 0x2B)  # DW_LANG_C_plus_plus, _11, _14, _17
_RUST, _ASSEMBLER = 0x1C, (0x8001, 0x31)
_BY_REFERENCE, _BY_VALUE, _NOT_STANDARD = 4, 5, 3  # DW_CC_pass_by_reference, pass_by_value, nocall
_WRAPPERS = {Tag.CONST: "const", Tag.VOLATILE: "volatile", Tag.RESTRICT: "restrict", Tag.ATOMIC: "_Atomic"}
_POINTERS = {Tag.POINTER: "*", Tag.REFERENCE: "&", Tag.RVALUE_REFERENCE: "&&"}
_AGGREGATES = {Tag.STRUCTURE: "struct", Tag.CLASS: "class", Tag.UNION: "union"}
# DW_ATE_ constants (DWARF 5, table 7.11).
_SIGNED, _UNSIGNED, _FLOAT = (0x05, 0x06, 0x0D), (0x07, 0x08, 0x10, 0x01), 0x04
_BOOLEAN = 0x02

Kind = Literal["void", "bool", "signed", "unsigned", "float", "pointer", "struct", "array", "unknown"]


@dataclass(frozen=True, slots=True)
class Member:
    """A member of a struct, or an element of an array."""

    name: str
    offset: int
    """Bytes from the start of what it is in."""
    type: Type


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a function."""

    name: str
    """Empty where it has none."""
    type: Type


class Type:
    """A type as a caller sees it: typedefs and qualifiers are in its name only."""

    def __init__(self, reader: Signatures, entry: Entry | None, kind: Kind, name: str, size: int) -> None:
        self._reader = reader
        self._entry = entry
        self.kind = kind
        self.name = name
        """As C writes it, such as ``const int8_t *``."""
        self.size = size
        """Bytes; 0 for void and what is not known."""

    def __repr__(self) -> str:
        return f"<Type: {self.name}, {self.kind} of {self.size} bytes>"

    @cached_property
    def target(self) -> Type | None:
        """What a pointer points to; None for other types, pointers to void, and what cannot be read."""
        if self.kind != "pointer" or self._entry is None or At.TYPE not in self._entry.values:
            return None
        try:
            return self._reader.type_at(self._entry.number(At.TYPE))
        except BadDwarf:
            return None

    @cached_property
    def members(self) -> tuple[Member, ...] | None:
        """The members of a struct or elements of an array, by offset. None where they are not known, or are bit-fields
        or bases, which no plain list of values fills."""
        if self._entry is None or self.kind not in ("struct", "array"):
            return None
        try:
            found = tuple(self._reader.members(self._entry, self))
        except BadDwarf:
            return None
        fits = all(m.type.kind != "unknown" and 0 <= m.offset <= self.size - m.type.size for m in found)
        return found if found and fits else None

    @property
    def is_union(self) -> bool:
        return self._entry is not None and self._entry.tag == Tag.UNION

    @property
    def alignment(self) -> int | None:
        """Natural alignment in bytes (AAPCS32, 5); None where it is not known."""
        return self._alignment(_DEPTH_LIMIT)

    def _alignment(self, depth: int) -> int | None:
        if self.kind not in ("struct", "array"):
            return self.size or None
        if self.members is None or not depth:
            return None
        types = [m.type for m in (self.members[:1] if self.kind == "array" else self.members)]
        found = [each._alignment(depth - 1) for each in types]
        known = [alignment for alignment in found if alignment is not None]
        return max(known) if len(known) == len(found) else None


@dataclass(frozen=True, slots=True)
class Signature:
    """What a function takes and returns."""

    name: str
    result: Type
    parameters: tuple[Parameter, ...]
    is_variadic: bool
    """Whether more arguments may follow: after ``...``, or where C does not say what a function takes."""

    @property
    def has_hidden_result(self) -> bool:
        """Whether the caller passes the address for the result in front of all arguments (AAPCS32, 5.4)."""
        return self.result.kind == "struct" and self.result.size > 4

    def __str__(self) -> str:
        parameters = [_declared(p.type.name, p.name) for p in self.parameters] + ["..."] * self.is_variadic
        return f"{_declared(self.result.name, self.name)}({', '.join(parameters) or 'void'})"


def _declared(type_name: str, name: str) -> str:
    if not name:
        return type_name
    return f"{type_name}{'' if type_name.endswith(('*', '&')) else ' '}{name}"


class Signatures:
    """The signatures of one image, each read when it is asked for."""

    def __init__(self, sections: Mapping[str, bytes], unread: str = "") -> None:
        """`unread` says why a section that they stand in is not among `sections`."""
        self.notes: tuple[str, ...] = ()
        """Why signatures are missing that the file has."""
        self._types: dict[int, Type] = {}
        self._known: dict[int, Signature | None] = {}
        self._entries: Entries | None = None
        if unread:
            self._note(unread)
        try:
            if sections.get(".debug_info") and sections.get(".debug_abbrev"):
                self._entries = Entries(sections)
        except BadDwarf as bad:
            self._note(bad)

    def _note(self, bad: BadDwarf | str) -> None:
        note = f"signatures of functions are left out: {bad}"
        if note not in self.notes:
            self.notes += (note,)

    def at(self, address: int, linkage_name: str) -> Signature | None:
        """The signature of the function that begins at `address`, or None where nothing certain is known."""
        if address not in self._known:
            self._known[address] = None
            try:
                entry = None if self._entries is None else self._entries.subprogram(address)
                self._known[address] = None if entry is None else self._signature(entry, linkage_name)
            except BadDwarf as bad:
                self._note(bad)
        return self._known[address]

    def read_all(self, linkage_names: Mapping[int, str]) -> None:
        """Read the signatures of all these functions in one go; `at` then knows them. By address."""
        if self._entries is None:
            return
        try:
            for entry in self._entries.subprograms():
                address = entry.number(At.LOW_PC)
                if address in linkage_names and self._known.get(address) is None:
                    self._known[address] = None
                    try:
                        self._known[address] = self._signature(entry, linkage_names[address])
                    except BadDwarf as bad:
                        self._note(bad)
        except BadDwarf as bad:
            self._note(bad)

    # -- functions

    def _signature(self, entry: Entry, linkage_name: str) -> Signature | None:
        assert self._entries is not None
        declarations = [entry]  # the code, what it is an instance of, what that was declared as
        while len(declarations) < 4:
            last = declarations[-1]
            further = last.number(At.ABSTRACT_ORIGIN, -1)
            further = last.number(At.SPECIFICATION, -1) if further < 0 else further
            if further < 0:
                break
            declarations.append(self._entries.at(further))
        if "." in linkage_name or entry.language in _ASSEMBLER:  # a clone of GCC's takes what it likes
            return None
        if any(d.number(At.CALLING_CONVENTION) == _NOT_STANDARD for d in declarations):
            return None
        result = self._first_type(declarations)
        parameters, is_variadic = self._parameters(declarations)
        is_c = entry.language in _C
        if is_c and not parameters and not any(At.PROTOTYPED in d.values for d in declarations):
            is_variadic = True
        name = next((d.name for d in declarations if d.name), linkage_name)
        signature = Signature(printable(name), result, parameters, is_variadic)
        return signature if self._is_certain(signature, entry.language) else None

    def _is_certain(self, signature: Signature, language: int) -> bool:
        types = [signature.result, *(p.type for p in signature.parameters)]
        for each in types:
            if each.kind in ("unknown", "array") or (each.kind == "struct" and not each.size):
                return False
            if each.kind == "struct" and language == _RUST:  # Rust's own calls may pass its parts
                return False
        if any(p.type.kind == "void" for p in signature.parameters):
            return False
        # The name of a parameter that is a struct says nothing of how its words are aligned: the members do.
        return all(p.type.kind != "struct" or p.type.alignment is not None for p in signature.parameters)

    def _first_type(self, declarations: list[Entry]) -> Type:
        for each in declarations:
            if At.TYPE in each.values:
                return self._passed(self.type_at(each.number(At.TYPE)))
        return Type(self, None, "void", "void", 0)

    def _parameters(self, declarations: list[Entry]) -> tuple[tuple[Parameter, ...], bool]:
        assert self._entries is not None
        for each in declarations:
            parameters = []
            is_variadic = False
            for child in self._entries.children(each):
                if child.tag == Tag.PARAMETER:
                    parameters.append(self._parameter(child))
                is_variadic |= child.tag == Tag.UNSPECIFIED_PARAMETERS
            if parameters or is_variadic:
                return tuple(parameters), is_variadic
        return (), False

    def _parameter(self, entry: Entry) -> Parameter:
        assert self._entries is not None
        name, origin = entry.name, entry
        for _ in range(3):
            if At.TYPE in origin.values or At.ABSTRACT_ORIGIN not in origin.values:
                break
            origin = self._entries.at(origin.number(At.ABSTRACT_ORIGIN))
            name = name or origin.name
        if At.TYPE not in origin.values:
            raise BadDwarf("a parameter has no type")
        return Parameter(printable(name), self._passed(self.type_at(origin.number(At.TYPE))))

    def _passed(self, found: Type) -> Type:
        """What goes for a value of this type. A class of C++ that cannot be copied as bytes goes by its address, and
        where the compiler does not say which those are, nothing is certain."""
        if found.kind != "struct" or found._entry is None:
            return found
        convention = found._entry.number(At.CALLING_CONVENTION)
        if convention == _BY_REFERENCE or (convention != _BY_VALUE and found._entry.language in _CXX):
            return Type(self, None, "unknown", found.name, found.size)
        return found

    # -- types

    def type_at(self, offset: int, depth: int = _DEPTH_LIMIT) -> Type:
        """The type whose entry is at this offset of .debug_info."""
        if offset not in self._types:
            if not depth or self._entries is None:
                raise BadDwarf("types are nested too deep")
            self._types[offset] = self._type(self._entries.at(offset), depth - 1)
        return self._types[offset]

    def _type(self, entry: Entry, depth: int) -> Type:
        size = entry.number(At.BYTE_SIZE)
        if entry.tag == Tag.BASE:
            return Type(self, entry, _kind_of_base(entry.number(At.ENCODING), size), entry.name, size)
        if entry.tag in _POINTERS:
            return Type(self, entry, "pointer", self._pointer_name(entry, depth), 4)
        if entry.tag == Tag.UNSPECIFIED:  # decltype(nullptr)
            return Type(self, entry, "pointer", entry.name, 4)
        if entry.tag == Tag.TYPEDEF:
            named = self._wrapped(entry, depth)
            return Type(self, named._entry, named.kind, entry.name or named.name, named.size)
        if entry.tag in _WRAPPERS:
            named = self._wrapped(entry, depth)
            word = _WRAPPERS[entry.tag]
            if word == "volatile" and named.name.startswith("const "):  # compilers nest them either way
                return Type(self, named._entry, named.kind, f"const volatile {named.name[6:]}", named.size)
            behind = named.kind == "pointer" and named.name.endswith(("*", word))
            name = f"{named.name}{word}" if behind else f"{word} {named.name}"
            return Type(self, named._entry, named.kind, name, named.size)
        if entry.tag == Tag.ENUMERATION:
            return self._enumeration(entry, depth)
        if entry.tag in _AGGREGATES:
            word = "" if entry.language in (*_CXX, _RUST) else f"{_AGGREGATES[entry.tag]} "
            return Type(self, entry, "struct", f"{word}{entry.name or '(unnamed)'}", size)
        if entry.tag == Tag.ARRAY:
            return self._array(entry, depth)
        if entry.tag == Tag.SUBROUTINE_TYPE:
            return Type(self, entry, "unknown", "function", 0)
        return Type(self, entry, "unknown", entry.name or "?", size)

    def _wrapped(self, entry: Entry, depth: int) -> Type:
        if At.TYPE not in entry.values:
            return Type(self, None, "void", "void", 0)
        return self.type_at(entry.number(At.TYPE), depth)

    def _pointer_name(self, entry: Entry, depth: int) -> str:
        name = self._wrapped(entry, depth).name
        if entry.language == _RUST and entry.name:
            return entry.name
        return f"{name}{'' if name.endswith('*') else ' '}{_POINTERS[entry.tag]}"

    def _enumeration(self, entry: Entry, depth: int) -> Type:
        kind: Kind = "signed"
        size = entry.number(At.BYTE_SIZE)
        if At.TYPE in entry.values:
            under = self._wrapped(entry, depth)
            kind, size = under.kind, size or under.size
        elif At.ENCODING in entry.values:
            kind = _kind_of_base(entry.number(At.ENCODING), size)
        if kind not in ("signed", "unsigned", "bool") or size not in (1, 2, 4, 8):
            return Type(self, entry, "unknown", entry.name, size)
        word = "" if entry.language in (*_CXX, _RUST) else "enum "
        return Type(self, None, kind, f"{word}{entry.name or '(unnamed)'}", size)

    def _array(self, entry: Entry, depth: int) -> Type:
        assert self._entries is not None
        element = self._wrapped(entry, depth)
        count = 1
        for child in self._entries.children(entry):
            if child.tag == Tag.SUBRANGE:
                upper = child.number(At.UPPER_BOUND, -1)
                count *= max(child.number(At.COUNT, upper + 1), 0)
        size = element.size * count
        return Type(self, entry, "array" if size < 1 << 32 else "unknown", f"{element.name}[{count}]", size)

    def members(self, entry: Entry, whole: Type) -> Iterator[Member]:
        """The members of a struct's entry, or the elements of an array's."""
        assert self._entries is not None
        if entry.tag == Tag.ARRAY:
            element = self.type_at(entry.number(At.TYPE))
            if not element.size or whole.size // element.size > _MEMBER_LIMIT:
                raise BadDwarf("an array is too long")
            for offset in range(0, whole.size, element.size):
                yield Member(f"[{offset // element.size}]", offset, element)
            return
        for child in self._entries.children(entry):
            if child.tag in (Tag.INHERITANCE, Tag.VARIANT_PART):
                raise BadDwarf("a class has a base")
            if child.tag != Tag.MEMBER or At.EXTERNAL in child.values:  # a static member is a variable
                continue
            if At.BIT_SIZE in child.values or At.DATA_BIT_OFFSET in child.values:
                raise BadDwarf("a struct has a bit-field")
            member = self.type_at(child.number(At.TYPE, -1))
            yield Member(printable(child.name), child.number(At.MEMBER_LOCATION), member)


def _kind_of_base(encoding: int, size: int) -> Kind:
    if size not in (1, 2, 4, 8):
        return "unknown"
    if encoding == _BOOLEAN:
        return "bool"
    if encoding in _SIGNED:
        return "signed"
    if encoding in _UNSIGNED:
        return "unsigned"
    return "float" if encoding == _FLOAT and size in (4, 8) else "unknown"
