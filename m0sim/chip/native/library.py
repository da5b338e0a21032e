"""The compiled core, loaded: its callbacks for Unicorn by address, and what Python calls itself."""

from __future__ import annotations

import ctypes
from typing import Any

from m0sim import libraries

_POINTER, _WORD, _COUNT = ctypes.c_void_p, ctypes.c_uint32, ctypes.c_uint64
_FUNCTIONS: dict[str, tuple[Any, ...]] = {
    "m0_begin": (None, _POINTER, _WORD, _WORD),
    "m0_settle": (None, _POINTER, _POINTER, _WORD),
    "m0_settle_part": (None, _POINTER, _POINTER, _WORD),
    "m0_close_frames": (None, _POINTER),
    "m0_fold": (_COUNT, _POINTER),
    "m0_expand": (_COUNT, _POINTER, _POINTER),
    "m0_rehash": (None, _POINTER),
    "m0_read_stall": (_WORD, _POINTER, _WORD),
    "m0_begin_timed": (None, _POINTER),
    "m0_run_timed": (None, _POINTER),
    "m0_forget_timed": (None, _POINTER),
    "m0_count_timed": (_COUNT, _POINTER),
    "m0_expand_timed": (_COUNT, _POINTER, _POINTER),
    "m0_update_pins": (None, _POINTER, ctypes.c_int64),
    "m0_pio_settle": (None, _POINTER, ctypes.c_int64),
    "m0_pio_settle_counts": (None, _POINTER, ctypes.c_int64),
    "m0_pio_reset": (None, _POINTER, _WORD, ctypes.c_bool, ctypes.c_int64),
    "m0_pio_load": (_WORD, _POINTER, _WORD, ctypes.c_int64, _WORD, _WORD),
    "m0_pio_store": (None, _POINTER, _WORD, ctypes.c_int64, _WORD, _WORD, _WORD, _WORD),
    "m0_pio_dreqs": (_WORD, _POINTER),
    "m0_pio_due": (ctypes.c_int64, _POINTER),
    "m0_reset_system": (None, _POINTER),
    "m0_run_firmware": (None, _POINTER),
    "m0_take_stack_low": (ctypes.c_int64, _POINTER),
    "m0_begin_drawing": (None, _POINTER),
    "m0_end_drawing": (None, _POINTER),
    "m0_run_cores": (None, _POINTER),
    "m0_ask_as": (ctypes.c_int64, _POINTER, _WORD, _WORD, ctypes.c_int64, _WORD),
    "m0_request_mail": (None, _POINTER, ctypes.c_int64),
    "m0_set_line": (None, _POINTER, _WORD, ctypes.c_bool),
    "m0_pend_exception": (None, _POINTER, _WORD),
    "m0_hard_fault": (None, _POINTER, _WORD),
    "m0_set_reference_clock": (None, _POINTER, _WORD, _WORD),
    "m0_sleep_until": (None, _POINTER, ctypes.c_int64),
    "m0_settle_load": (None, _POINTER),
    "m0_begin_load": (None, _POINTER),
    "m0_publish": (ctypes.c_bool, _POINTER, _POINTER),
    "m0_access_for_debugger": (_WORD, _POINTER, _WORD, _WORD, _WORD, _POINTER),
    "m0_wait_reset": (None, _POINTER),
    "m0_wait_stream": (None, _POINTER, _POINTER, _POINTER, _COUNT, _POINTER),
    "m0_xip_drop": (None, _POINTER, _WORD),
    "m0_xip_empty": (None, _POINTER),
    "m0_xip_is_settled": (ctypes.c_bool, _POINTER, _WORD, _WORD),
    "m0_xip_stream": (None, _POINTER, _POINTER, _POINTER, _COUNT, _POINTER),
}


def _loaded() -> ctypes.CDLL:
    core = libraries.CORE.load()
    for name, (result, *arguments) in _FUNCTIONS.items():
        function = getattr(core, name)
        function.restype, function.argtypes = result, arguments
    return core


CORE = _loaded()


def address_of(name: str) -> int:
    """Host address of one of the core's functions."""
    return ctypes.cast(getattr(CORE, name), ctypes.c_void_p).value or 0
