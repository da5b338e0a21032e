"""Instructions of a baseline as assembly."""

from __future__ import annotations

from functools import cache
from typing import Any

from m0sim.check.figures import InstructionRow


def assembly(row: InstructionRow) -> str:
    """Such as ``ldrb r3, [r0, r2]``. Branches go to offsets in the function; others are there by name already."""
    if not set(row.code) <= set("0123456789abcdef") or len(row.code) not in (4, 8):
        return row.code
    halfwords = (row.code[at : at + 4] for at in range(0, len(row.code), 4))
    code = b"".join(int(halfword, 16).to_bytes(2, "little") for halfword in halfwords)
    for _, _, mnemonic, rest in _decoder().disasm_lite(code, row.offset):
        return f"{mnemonic} {rest}".rstrip()
    return f".hword 0x{row.code}"


@cache
def _decoder() -> Any:
    from capstone import CS_ARCH_ARM, CS_MODE_MCLASS, CS_MODE_THUMB, Cs

    return Cs(CS_ARCH_ARM, CS_MODE_THUMB | CS_MODE_MCLASS)
