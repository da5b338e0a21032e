"""The two header tables of an ELF file, as they are in it.

Sources: System V ABI chapters 4 (sections) and 5 (segments).
"""

from __future__ import annotations

from typing import NamedTuple


class Broken(Exception):
    """What is wrong with a file, to be said behind its path."""


class ProgramHeader(NamedTuple):
    type: int
    offset: int
    address: int
    load_address: int
    file_size: int
    size: int
    flags: int
    align: int


class SectionHeader(NamedTuple):
    name: int
    type: int
    flags: int
    address: int
    offset: int
    size: int
    link: int
    info: int
    align: int
    entry_size: int

    @property
    def takes_memory(self) -> bool:
        """Whether it is there when the program runs; thread-local storage is a template only."""
        return bool(self.flags & SHF_ALLOC and self.size and not self.flags & SHF_TLS)

    @property
    def is_stored(self) -> bool:
        """Whether the file has bytes for it."""
        return self.type != SHT_NOBITS


FILE_HEADER_SIZE = 52
PT_LOAD, PF_X, PF_W, PF_R = 1, 1, 2, 4
SHT_SYMTAB, SHT_STRTAB, SHT_NOBITS, SHT_REL = 2, 3, 8, 9
SHF_WRITE, SHF_ALLOC, SHF_EXEC, SHF_TLS, SHF_COMPRESSED = 1, 2, 4, 0x400, 0x800
