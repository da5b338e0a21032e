"""What a call may ask for: what is counted, what executes the code, and how long flash lets wait."""

from __future__ import annotations

from typing import Literal, cast, get_args

from m0sim.errors import UsageError, did_you_mean

Level = Literal["cycles", "memory"]
"""What is counted: at ``memory``, every access by its address as well."""
LEVELS: tuple[str, ...] = get_args(Level)


def level_of(text: str) -> Level:
    """The level of that name. Raises `UsageError` where there is none."""
    if text not in LEVELS:
        raise UsageError(_unknown("level", text, LEVELS))
    return cast(Level, text)


FlashModel = Literal["ideal", "cold", "warm"]
"""What flash does to `Cost.cycles`: nothing; what its cache misses when it begins empty; what it still misses when the
same call ran before."""
FLASH_MODELS: tuple[str, ...] = get_args(FlashModel)


def flash_model_of(text: str) -> FlashModel:
    """The model of that name. Raises `UsageError` where there is none."""
    if text not in FLASH_MODELS:
        raise UsageError(_unknown("flash model", text, FLASH_MODELS))
    return cast(FlashModel, text)


Engine = Literal["unicorn", "timed"]
"""What executes the code: Unicorn, or m0sim's own interpreter, which gives every cycle its place."""
ENGINES: tuple[str, ...] = get_args(Engine)


def engine_of(text: str, also: tuple[str, ...] = ()) -> Engine:
    """The engine of that name. Raises `UsageError` where there is none; `also` are words that would have done."""
    if text not in ENGINES:
        raise UsageError(_unknown("engine", text, (*ENGINES, *also)))
    return cast(Engine, text)


def chosen_engine(text: str | None, level: Level, flash: FlashModel) -> Engine:
    """The engine of that name; without one, the timed engine where only it can count what is asked for.

    Raises `UsageError` for an unknown name, and for what Unicorn cannot count.
    """
    if text is None:
        return "unicorn" if flash == "ideal" and level == "cycles" else "timed"
    if text == "unicorn" and flash != "ideal":
        raise UsageError(f"flash {flash!r} needs the timed engine: Unicorn counts without wait states")
    if text == "unicorn" and level == "memory":
        raise UsageError("level 'memory' needs the timed engine: Unicorn counts no addresses")
    return engine_of(text)


def _unknown(what: str, text: str, known: tuple[str, ...]) -> str:
    return f"unknown {what} {text!r}: one of {', '.join(known)}{did_you_mean(text, known)}"
