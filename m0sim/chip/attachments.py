"""Devices that are attached by name: what `m0sim run --i2c` and `--spi` are given."""

from __future__ import annotations

from pathlib import Path

from m0sim import files
from m0sim.chip.attached import I2cAttached, SpiAttached
from m0sim.chip.eeproms import SIZES, I2cEeprom, SpiEeprom, SpiLoopback
from m0sim.errors import UsageError, did_you_mean

_I2C_FORM = "BUS[@SDA,SCL]=DEVICE:ADDRESS[,FILE], such as 0=24c32:0x50,settings.bin or 0@4,5=24c32:0x50"
_SPI_FORM = "BUS=DEVICE:SELECT_PIN[,FILE], such as 0=25c256:17, or BUS=loopback"
_LOOPBACK = "loopback"


def i2c_attached(text: str) -> I2cAttached:
    """Such as ``0@4,5=24c32:0x50,settings.bin``: an EEPROM on two pins, and what it holds. Raises `UsageError`."""
    wired, is_given, rest = text.partition("=")
    bus_text, at, lines = wired.partition("@")
    bus, kind, place, content = _split(f"{bus_text}{is_given}{rest}", _I2C_FORM)
    _check_kind(text, kind, [name for name in SIZES if name.startswith("24")])
    pins = tuple(_number(text, pin, _I2C_FORM) for pin in lines.split(",")) if at else None
    if pins is not None and len(pins) != 2:
        raise UsageError(f"{text!r} is not {_I2C_FORM}")
    return I2cAttached(bus, _number(text, place, _I2C_FORM), I2cEeprom(kind, content), pins)


def spi_attached(text: str) -> SpiAttached:
    """Such as ``0=25c256:17,settings.bin``, or ``1=loopback``. Raises `UsageError`."""
    bus, kind, place, content = _split(text, _SPI_FORM)
    _check_kind(text, kind, [*(name for name in SIZES if name.startswith("25")), _LOOPBACK])
    if kind == _LOOPBACK:
        if content:
            raise UsageError(f"{text!r}: a wire holds nothing, so it takes no file")
        return SpiAttached(bus, SpiLoopback(), _number(text, place, _SPI_FORM) if place else None)
    return SpiAttached(bus, SpiEeprom(kind, content), _number(text, place, _SPI_FORM))


def _split(text: str, form: str) -> tuple[int, str, str, bytes]:
    """Bus, device, its place, and what a file has."""
    bus, is_given, rest = text.partition("=")
    if not is_given or not bus.strip().isdecimal():
        raise UsageError(f"{text!r} is not {form}")
    named, _, file = rest.partition(",")
    kind, _, place = named.partition(":")
    return int(bus), kind.strip().lower(), place.strip(), files.read(Path(file)) if file else b""


def _check_kind(text: str, kind: str, known: list[str]) -> None:
    if kind not in known:
        raise UsageError(f"{text!r}: unknown device {kind!r}: {', '.join(known)}{did_you_mean(kind, known)}")


def _number(text: str, place: str, form: str) -> int:
    try:
        return int(place, 0)
    except ValueError:
        raise UsageError(f"{text!r} is not {form}") from None
