"""How static shifts are found, and how wrong they are made on purpose: as a text, as values, applied to a `Config`.

``images:16`` calibrates on the first 16 images of the transfer part instead of 128. ``upright`` calibrates on the same
images as they are before the task changes them (with a file of another place: on the transfer images of the first).
``off:+1`` makes all static shifts that calibration found larger by one, ``off:-2`` smaller by two; ``forward``,
``backward`` and ``update`` in its place move those alone. Shifts stay within 0..24, and exponents follow: the device
would know what its shifts are, but has chosen them badly. Commas join them: ``images:16,upright``.

A method that calibration images do not decide about (`Method.is_calibrated`: niti-dynamic, tin-tin, fp32) ignores all
of it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, get_args

from m0sim.errors import UsageError, did_you_mean
from m0sim.study.learn.arithmetic import STATIC_SHIFT_MAX
from m0sim.study.learn.config import Config
from m0sim.study.learn.experiment.images import CALIBRATION

Shifts = Literal["all", "forward", "backward", "update"]
_ONE_KIND: tuple[Shifts, ...] = get_args(Shifts)[1:]
_WORDS = ("images", "upright", "off", *_ONE_KIND)
_OFF = f"off, {', '.join(_ONE_KIND)} with how much, such as off:+1"


@dataclass(frozen=True, slots=True)
class Calibration:
    """The default is the right one."""

    images: int = CALIBRATION
    """The first so many of the transfer part."""
    upright: bool = False
    """Whether they are taken as they are before the task changes them."""
    off: int = 0
    """What is added to static shifts after they were found."""
    shifts: Shifts = "all"
    """Which ones: of the accumulators, of the errors, of the updates, or all of them."""

    def __post_init__(self) -> None:
        if self.images < 1:
            raise UsageError(f"calibration images must be 1 or more, not {self.images}")
        if abs(self.off) > STATIC_SHIFT_MAX:
            raise UsageError(f"calibration off must be -{STATIC_SHIFT_MAX} to {STATIC_SHIFT_MAX}, not {self.off}")
        if self.shifts not in get_args(Shifts) or (self.shifts != "all" and not self.off):
            raise UsageError(f"calibration shifts must be one of {', '.join(get_args(Shifts))}, with off, not 0")

    @property
    def title(self) -> str:
        """As it is typed; nothing of the right one."""
        parts = [f"images:{self.images}"] if self.images != CALIBRATION else []
        parts += ["upright"] if self.upright else []
        parts += [f"{'off' if self.shifts == 'all' else self.shifts}:{self.off:+d}"] if self.off else []
        return ",".join(parts)

    def applied(self, config: Config) -> Config:
        """A calibrated configuration with its shifts off; as it is where a method has none of them."""
        return replace(
            config,
            forward=self._moved("forward", config.forward),
            backward=self._moved("backward", config.backward),
            update=self._moved("update", config.update),
            bias_update=self._moved("update", config.bias_update, -STATIC_SHIFT_MAX),
        )

    def _moved(self, kind: Shifts, shifts: tuple[int, ...], least: int = 0) -> tuple[int, ...]:
        by = self.off if self.shifts in ("all", kind) else 0
        return tuple(min(max(shift + by, least), STATIC_SHIFT_MAX) for shift in shifts)


RIGHT = Calibration()


def parse(text: str) -> Calibration:
    """A calibration as a person types it. Raises UsageError, one line, for what is unknown, twice, or out of range."""
    found: dict[str, int | bool | str] = {}
    for part in text.split(","):
        word, colon, value = part.strip().partition(":")
        if word not in _WORDS:
            hint = did_you_mean(word, _WORDS)
            raise UsageError(f"unknown calibration {part.strip()!r}: images:16, upright, or {_OFF}{hint}")
        more = _field(word, colon, value, text)
        if more.keys() & found.keys():
            raise UsageError(f"calibration {text!r}: {' and '.join(more.keys() & found.keys())} is there twice")
        found |= more
    return Calibration(**found)  # type: ignore[arg-type]


def _field(word: str, colon: str, value: str, text: str) -> dict[str, int | bool | str]:
    if word == "upright":
        if colon:
            raise UsageError(f"calibration {text!r}: upright takes no number")
        return {"upright": True}
    try:
        number = int(value)
    except ValueError:
        raise UsageError(f"calibration {text!r}: {word} needs a whole number behind a colon") from None
    if word == "images":
        return {"images": number}
    if not number:
        raise UsageError(f"calibration {text!r}: {word} must not be 0")
    return {"off": number, "shifts": "all" if word == "off" else word}
