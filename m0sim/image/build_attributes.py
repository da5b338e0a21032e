"""What a linker says that an image was built for: the section .ARM.attributes.

Source: Addenda to, and Errata in, the ABI for the Arm Architecture (Arm's abi-aa, addenda32), "Build Attributes".
A file that others made is read here, so that every step goes forward and each length is held to what is there. It is
for a hint alone, so what is damaged says nothing.
"""

from __future__ import annotations

SHT_ARM_ATTRIBUTES = 0x70000003
_TAG_FILE = 1
_TAG_CPU_RAW_NAME, _TAG_CPU_NAME, _TAG_CPU_ARCH = 4, 5, 6
_TAG_COMPATIBILITY = 32
_NEWER = {
    8: "Armv6T2",
    10: "Armv7",
    13: "Armv7E-M (Cortex-M4, Cortex-M7)",
    14: "Armv8-A",
    15: "Armv8-R",
    16: "Armv8-M Baseline (Cortex-M23)",
    17: "Armv8-M Mainline (Cortex-M33)",
    21: "Armv8.1-M Mainline (Cortex-M55)",
}
"""Values of Tag_CPU_arch whose Thumb code may have instructions that Armv6-M has not."""


def foreign_architecture(content: bytes) -> str:
    """The architecture that code was compiled for, where it has more instructions than Armv6-M; empty otherwise."""
    try:
        architecture = _attributes_of_file(content).get(_TAG_CPU_ARCH)
    except _Damaged:
        return ""
    return "" if architecture is None else _NEWER.get(architecture, "")


class _Damaged(Exception):
    """A length or a name goes beyond the section."""


def _attributes_of_file(content: bytes) -> dict[int, int]:
    """The numbers among the attributes that hold for the whole file, of the vendor "aeabi"."""
    if content[:1] != b"A":  # format version; there is no other
        return {}
    at = 1
    while at < len(content):
        size = _word(content, at)
        vendor, start = _text(content, at + 4)
        if size < 5 or at + size > len(content) or start > at + size:
            raise _Damaged
        if vendor == b"aeabi":
            return _numbers(content[start : at + size])
        at += size
    return {}


def _numbers(content: bytes) -> dict[int, int]:
    """Of the first group that is about the file; groups about sections or symbols are passed over."""
    at = 0
    while at < len(content):
        size = _word(content, at + 1)
        if size < 5 or at + size > len(content):
            raise _Damaged
        if content[at] == _TAG_FILE:
            return _values(content[at + 5 : at + size])
        at += size
    return {}


def _values(content: bytes) -> dict[int, int]:
    found, at = {}, 0
    while at < len(content):
        tag, at = _uleb(content, at)
        has_text = tag in (_TAG_CPU_RAW_NAME, _TAG_CPU_NAME) or (tag > _TAG_COMPATIBILITY and tag % 2)
        if not has_text:
            found[tag], at = _uleb(content, at)
        if has_text or tag == _TAG_COMPATIBILITY:
            at = _text(content, at)[1]
    return found


def _word(content: bytes, at: int) -> int:
    if at + 4 > len(content):
        raise _Damaged
    return int.from_bytes(content[at : at + 4], "little")


def _text(content: bytes, at: int) -> tuple[bytes, int]:
    """A string that a zero ends, and where the next thing begins."""
    end = content.find(b"\0", at)
    if end < 0:
        raise _Damaged
    return content[at:end], end + 1


def _uleb(content: bytes, at: int) -> tuple[int, int]:
    value = 0
    for place, byte in enumerate(content[at : at + 5]):
        value |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return value, at + place + 1
    raise _Damaged
