"""The layout of shared memory, read from core.h: ctypes structures, NumPy dtypes, and numbers by name."""

from __future__ import annotations

import ctypes
import re
from enum import IntEnum, IntFlag
from pathlib import Path
from typing import Any, cast

import numpy as np

from m0sim.libraries import CORE

_SCALARS: dict[str, Any] = {
    f"{sign}int{bits}_t": getattr(ctypes, f"c_{sign}int{bits}") for sign in ("", "u") for bits in (8, 16, 32, 64)
}
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_DEFINE = re.compile(r"^#define (M0_\w+) (\w+) *$", re.MULTILINE)
_ENUM = re.compile(r"^enum \w+ \{(.*?)\};", re.MULTILINE | re.DOTALL)
_FUNCTION = re.compile(r"^typedef \w+ \(\*(\w+)\)\(.*\);\s*$", re.MULTILINE)
_STRUCT = re.compile(r"^struct (\w+) \{(.*?)^\};", re.MULTILINE | re.DOTALL)
_FIELD = re.compile(r"(?:struct )?(\w+) (\*?)(\w+)(?:\[(\d+)\])?")


def numbers(source: str) -> dict[str, int]:
    """Every ``#define NAME number`` and enumerator of a header."""
    text = _COMMENT.sub("", source)
    found = {name: int(value, 0) for name, value in _DEFINE.findall(text)}
    for body in _ENUM.findall(text):
        value = 0
        for entry in filter(None, map(str.strip, body.split(","))):
            name, _, given = entry.partition("=")
            value = int(given, 0) if given else value
            found[name.strip()] = value
            value += 1
    return found


def structures(source: str) -> dict[str, type[ctypes.Structure]]:
    """The structs of a header by name, laid out as C does; pointers are plain addresses, uint64.

    Raises ValueError for a field that is not of the kinds core.h lists.
    """
    text = _COMMENT.sub("", source)
    types = _SCALARS | dict.fromkeys(_FUNCTION.findall(text), ctypes.c_uint64)
    found: dict[str, type[ctypes.Structure]] = {}
    for name, body in _STRUCT.findall(text):
        fields = []
        for line in filter(None, map(str.strip, body.split(";"))):
            match = _FIELD.fullmatch(line)
            if match is None or (not match[2] and match[1] not in types):
                raise ValueError(f"struct {name}: cannot read the field {line!r}")
            kind = ctypes.c_uint64 if match[2] else types[match[1]]
            fields.append((match[3], kind * int(match[4]) if match[4] else kind))
        types[name] = found[name] = type(name, (ctypes.Structure,), {"_fields_": fields})
    return found


_SOURCE = cast(Path, CORE.header).read_text(encoding="utf-8")
_NUMBERS = numbers(_SOURCE)
_STRUCTURES = structures(_SOURCE)

#: ctypes structure of all that the core knows of one machine.
Core: Any = _STRUCTURES["m0_core"]

#: dtypes of the tables' rows.
BLOCK = np.dtype(_STRUCTURES["m0_block"])
FUNCTION = np.dtype(_STRUCTURES["m0_function"])
FRAME = np.dtype(_STRUCTURES["m0_frame"])
EDGE = np.dtype(_STRUCTURES["m0_edge"])
CONTEXT = np.dtype(_STRUCTURES["m0_context"])
TRAFFIC = np.dtype(_STRUCTURES["m0_traffic"])
EXECUTED = np.dtype(_STRUCTURES["m0_executed"])
OP = np.dtype(_STRUCTURES["m0_op"])
DETAIL = np.dtype(_STRUCTURES["m0_detail"])
LINE = np.dtype(_STRUCTURES["m0_line"])
CHUNK = np.dtype(_STRUCTURES["m0_chunk"])
CALL = np.dtype(_STRUCTURES["m0_call"])
XIP_WINDOW = np.dtype(_STRUCTURES["m0_xip_window"])
EVICTION = np.dtype(_STRUCTURES["m0_eviction"])
PIN_CHANGE = np.dtype(_STRUCTURES["m0_pin_change"])
PIO_COUNTS = np.dtype(_STRUCTURES["m0_pio_counts"])
PIO_STEP = np.dtype(_STRUCTURES["m0_pio_step"])
FINDING = np.dtype(_STRUCTURES["m0_finding"])
EXCEPTION = np.dtype(_STRUCTURES["m0_exception"])
TASK = np.dtype(_STRUCTURES["m0_task"])
PUBLISHED = np.dtype(_STRUCTURES["m0_published"])
SLICE = np.dtype(_STRUCTURES["m0_slice"])

#: ctypes structure of a register whose loads the core answers.
Published: Any = _STRUCTURES["m0_published"]

#: The key of an arc that leads nowhere.
KEY_NONE = _NUMBERS["M0_KEY_NONE"]
#: The first epoch; in epoch 0 nothing was compared.
EPOCH_ONE = _NUMBERS["M0_EPOCH_ONE"]
#: The bits of a key below the address.
KEY_SHIFT = _NUMBERS["M0_KEY_SHIFT"]
#: What a window onto flash does with the cache, bits.
XIP_LOOKED_UP = _NUMBERS["M0_XIP_LOOKED_UP"]
XIP_ALLOCATES = _NUMBERS["M0_XIP_ALLOCATES"]
#: What a block has for the target of its newest call if it made none.
NOTHING = _NUMBERS["M0_NOTHING"]


#: What is known of a byte at level `memory`, bits.
BYTE_READ, BYTE_WRITTEN = _NUMBERS["M0_BYTE_READ"], _NUMBERS["M0_BYTE_WRITTEN"]
BYTE_DEFINED, BYTE_INSIDE = _NUMBERS["M0_BYTE_DEFINED"], _NUMBERS["M0_BYTE_INSIDE"]
#: The kind of a finding that is a read outside; else it is one of what nobody wrote.
FINDING_OUTSIDE = _NUMBERS["M0_FINDING_OUTSIDE"]


#: Operations and lines of a page of code.
CHUNK_OPS, CHUNK_LINES = _NUMBERS["M0_CHUNK_OPS"], _NUMBERS["M0_CHUNK_LINES"]


#: Exceptions there are numbers for, threads with a stack of their own, frames kept of each, and registers published.
EXCEPTIONS, TASKS = _NUMBERS["M0_EXCEPTIONS"], _NUMBERS["M0_TASKS"]
TASK_FRAMES, PUBLISHED_ROWS = _NUMBERS["M0_TASK_FRAMES"], _NUMBERS["M0_PUBLISHED"]
#: Slices of a timeline that end between two looks at whether there is room.
DRAWN_AT_ONCE = _NUMBERS["M0_DRAWN_AT_ONCE"]
#: A cycle that never comes.
NEVER = _NUMBERS["M0_NEVER"]
#: The halfword of BKPT 0xAB.
SEMIHOSTING = _NUMBERS["M0_SEMIHOSTING"]


class FaultCause(IntEnum):
    """Why a HardFault came; core.h explains each."""

    NONE = _NUMBERS["M0_CAUSE_NONE"]
    UNALIGNED = _NUMBERS["M0_CAUSE_UNALIGNED"]
    BUS = _NUMBERS["M0_CAUSE_BUS"]
    UNPRIVILEGED = _NUMBERS["M0_CAUSE_UNPRIVILEGED"]
    FETCH = _NUMBERS["M0_CAUSE_FETCH"]
    ARM_STATE = _NUMBERS["M0_CAUSE_ARM_STATE"]
    UNDEFINED = _NUMBERS["M0_CAUSE_UNDEFINED"]
    SUPERVISOR = _NUMBERS["M0_CAUSE_SUPERVISOR"]
    BREAKPOINT = _NUMBERS["M0_CAUSE_BREAKPOINT"]
    STACKING = _NUMBERS["M0_CAUSE_STACKING"]
    UNSTACKING = _NUMBERS["M0_CAUSE_UNSTACKING"]
    VECTOR = _NUMBERS["M0_CAUSE_VECTOR"]
    RETURN = _NUMBERS["M0_CAUSE_RETURN"]


class SliceKind(IntEnum):
    """What a slice of a timeline is of; core.h explains each."""

    CALL = _NUMBERS["M0_SLICE_CALL"]
    EXCEPTION = _NUMBERS["M0_SLICE_EXCEPTION"]
    SLEEP = _NUMBERS["M0_SLICE_SLEEP"]
    THREAD = _NUMBERS["M0_SLICE_THREAD"]


class Held(IntFlag):
    """What kept an exception waiting that was pending and enabled."""

    PRIMASK = _NUMBERS["M0_HELD_PRIMASK"]
    PRIORITY = _NUMBERS["M0_HELD_PRIORITY"]
    INSTRUCTION = _NUMBERS["M0_HELD_INSTRUCTION"]


class FlashModel(IntEnum):
    """How long the flash lets the core wait."""

    IDEAL = _NUMBERS["M0_FLASH_IDEAL"]
    CACHE = _NUMBERS["M0_FLASH_CACHE"]
    WAITS = _NUMBERS["M0_FLASH_WAITS"]


class Stop(IntEnum):
    """Why the core ended a run; core.h explains each."""

    NONE = _NUMBERS["M0_STOP_NONE"]
    LIMIT = _NUMBERS["M0_STOP_LIMIT"]
    GROW = _NUMBERS["M0_STOP_GROW"]
    INVALID = _NUMBERS["M0_STOP_INVALID"]
    DATA = _NUMBERS["M0_STOP_DATA"]
    STACK = _NUMBERS["M0_STOP_STACK"]
    DEPTH = _NUMBERS["M0_STOP_DEPTH"]
    SP_WRITE = _NUMBERS["M0_STOP_SP_WRITE"]
    PORT = _NUMBERS["M0_STOP_PORT"]
    ACCESS = _NUMBERS["M0_STOP_ACCESS"]
    UNALIGNED = _NUMBERS["M0_STOP_UNALIGNED"]
    READ_ONLY = _NUMBERS["M0_STOP_READ_ONLY"]
    SLEEP = _NUMBERS["M0_STOP_SLEEP"]
    SUPERVISOR = _NUMBERS["M0_STOP_SUPERVISOR"]
    BREAKPOINT = _NUMBERS["M0_STOP_BREAKPOINT"]
    WATCHED = _NUMBERS["M0_STOP_WATCHED"]
    GUARD = _NUMBERS["M0_STOP_GUARD"]
    JUMP = _NUMBERS["M0_STOP_JUMP"]
    ARM_STATE = _NUMBERS["M0_STOP_ARM_STATE"]
    RETURNED = _NUMBERS["M0_STOP_RETURNED"]
    DUE = _NUMBERS["M0_STOP_DUE"]
    ASLEEP = _NUMBERS["M0_STOP_ASLEEP"]
    LOCKUP = _NUMBERS["M0_STOP_LOCKUP"]
    RESET = _NUMBERS["M0_STOP_RESET"]
    FAULT = _NUMBERS["M0_STOP_FAULT"]
    PINS = _NUMBERS["M0_STOP_PINS"]
    LAUNCH = _NUMBERS["M0_STOP_LAUNCH"]
    TURN = _NUMBERS["M0_STOP_TURN"]
    EVENT = _NUMBERS["M0_STOP_EVENT"]


#: The members by number: `Stop(number)` takes ten times as long, and runs stop often.
STOPS = {int(stop): stop for stop in Stop}
