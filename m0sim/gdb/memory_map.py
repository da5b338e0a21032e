"""The memory map that GDB asks for (GDB manual, F: Memory Map Format)."""

from __future__ import annotations

from m0sim.chip.engine.held import Held

_TYPES = {"sram": "ram", "flash": "flash", "rom": "rom"}
_REST = {"flash": '><property name="blocksize">0x1000</property></memory>'}  # what GDB erases at once before it loads


def of(held: Held) -> str:
    """memory-map.xml: in flash, GDB asks for breakpoints of the hardware's kind."""
    lines = [
        f'  <memory type="{_TYPES[kind]}" start="{begin:#x}" length="{end - begin:#x}"{_REST.get(kind, "/>")}\n'
        for kind, begin, end in held.regions()
    ]
    lines.append('  <memory type="ram" start="0x40000000" length="0xc0000000"/>\n')  # devices, and the core's registers
    return (
        '<?xml version="1.0"?>\n<!DOCTYPE memory-map PUBLIC "+//IDN gnu.org//DTD GDB Memory Map V1.0//EN" '
        f'"http://sourceware.org/gdb/gdb-memory-map.dtd">\n<memory-map>\n{"".join(lines)}</memory-map>\n'
    )
