"""The registers as GDB numbers them, and the description that it asks for (GDB manual, G.5.3: M-profile)."""

from __future__ import annotations

NUMBERS = {**{f"r{n}": n for n in range(13)}, "sp": 13, "lr": 14, "pc": 15, "xpsr": 25} | {
    "msp": 26,
    "psp": 27,
    "primask": 28,
    "control": 29,
}
"""By name, in the order of a ``g`` packet."""
NAMES = {number: name for name, number in NUMBERS.items()}
_TYPES = {"sp": "data_ptr", "pc": "code_ptr", "msp": "data_ptr", "psp": "data_ptr"}


def description() -> str:
    """target.xml."""
    core = "".join(_line(name) for name, number in NUMBERS.items() if number <= 25)
    system = "".join(_line(name) for name, number in NUMBERS.items() if number > 25)
    return (
        '<?xml version="1.0"?>\n<!DOCTYPE target SYSTEM "gdb-target.dtd">\n<target version="1.0">\n'
        "  <architecture>arm</architecture>\n"
        f'  <feature name="org.gnu.gdb.arm.m-profile">\n{core}  </feature>\n'
        f'  <feature name="org.gnu.gdb.arm.m-system">\n{system}  </feature>\n</target>\n'
    )


def _line(name: str) -> str:
    kind = _TYPES.get(name, "uint32")
    return f'    <reg name="{name}" bitsize="32" type="{kind}" regnum="{NUMBERS[name]}"/>\n'
