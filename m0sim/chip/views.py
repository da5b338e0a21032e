"""How a cost is seen from Python: as JSON's object, columns, or HTML.

What makes them is above the chip, which knows its name alone, as `m0sim/cli/verbs.py` knows the study's verbs: it is
imported when a view is first asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_PLACE = "m0sim.report.views"
TABLES = ("functions", "calls", "call_tree", "instructions", "traffic", "handlers")
"""What `Views.to_columns` can be asked for; the last one of a run only."""


class Views:
    """The views of a `Cost` and a `RunCost`."""

    __slots__ = ()

    def to_dict(self, machine: Any = None) -> dict[str, Any]:
        """The object that ``--json`` prints of it (`m0sim schema` has its names), as Python's own types.

        What was inlined is in it if `machine` is the `Machine` or `Firmware` that it is of, whose image tells; without
        one, a function has no ``own_cycles`` and ``inlined``. What belongs to a command line is not in it: ``outputs``
        of a call, and the notes on debug information. Raises `UsageError` for a machine with another image.
        """
        found: dict[str, Any] = _views().to_dict(self, machine)
        return found

    def to_columns(self, table: str = "functions") -> dict[str, Any]:
        """A table as columns by name, all of one length, such as ``pandas.DataFrame`` and ``polars.DataFrame`` take.

        `table` is functions (most self cycles first), calls (by place of the call), call_tree (parents first),
        instructions (by address; int64 arrays), traffic (level ``memory`` only, else empty), or, of a run, handlers.
        Raises `UsageError` for another one.
        """
        found: dict[str, Any] = _views().to_columns(self, table)
        return found

    def to_html(self, machine: Any = None) -> str:
        """A page for a browser, all in one file.

        With the `Machine` or `Firmware` that it is of, the report that ``--html`` writes, with listing, flame graph and
        memories; alone, its figures and functions. Raises `UsageError` for a machine with another image.
        """
        found: str = _views().to_html(self, machine)
        return found

    def _repr_html_(self) -> str:
        """What a notebook shows: figures and functions."""
        found: str = _views().fragment(self)
        return found


def _views() -> Any:
    return import_module(_PLACE)
