"""Figures and names as people read them: thousands separated, SI prefixes, nothing that breaks a line."""

from __future__ import annotations

_PREFIXES = ((1.0, ""), (1e-3, "m"), (1e-6, "u"), (1e-9, "n"), (1e-12, "p"))


def count(value: int) -> str:
    """Such as ``1,234,567``."""
    return f"{value:,}"


def signed(value: int) -> str:
    """A change, such as ``+1,234``; ``0`` for none."""
    return f"{value:+,}" if value else "0"


def si(value: float, unit: str) -> str:
    """Such as ``12.3 us``: three significant digits, prefixes from pico to none."""
    for scale, prefix in _PREFIXES:
        if abs(value) >= scale:
            return f"{value / scale:.3g} {prefix}{unit}" if value < 1000 else f"{value:,.0f} {unit}"
    return f"0 {unit}" if value == 0 else f"{value:.3g} {unit}"


def share(part: int, whole: int) -> str:
    """Such as ``12.3 %``."""
    return f"{100 * part / whole:.1f} %" if whole else "-"


def size(bytes_: int) -> str:
    """Such as ``12.3 KiB``; bytes below one, MiB from one on."""
    if abs(bytes_) < 1 << 10:
        return f"{bytes_} bytes"
    unit, scale = ("MiB", 1 << 20) if abs(bytes_) >= 1 << 20 else ("KiB", 1 << 10)
    return f"{bytes_ / scale:.3g} {unit}" if abs(bytes_) < 1000 * scale else f"{bytes_ / scale:,.0f} {unit}"


def size_exactly(bytes_: int) -> str:
    """Such as ``1,234 bytes (1.21 KiB)``; ``12 bytes`` below a KiB."""
    return f"{count(bytes_)} bytes" + (f" ({size(bytes_)})" if abs(bytes_) >= 1 << 10 else "")


def kib(bytes_: float) -> str:
    """Memory in a column headed KiB, such as ``62.66``; ``0`` is none at all."""
    return f"{bytes_ / 1024:,.2f}" if bytes_ else "0"
