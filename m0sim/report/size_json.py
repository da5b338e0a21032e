"""What an image takes as one JSON object: docs/json.md has its names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from m0sim.report.cost_json import SCHEMA
from m0sim.report.size_data import By, Bytes, Row, Size


def to_json(size: Size, wanted: Sequence[By], old: Size | None = None) -> dict[str, Any]:
    """The object; `size` has the figures before where it was compared with `old`."""
    return {
        "schema": SCHEMA,
        **_image(size),
        "against": None if old is None else _image(old),
        "objects_from": size.objects_from or None,
        **{
            f"{by}s": [_row(row, by) for row in size.rows(by)] if by in wanted and _has(size, by) else None
            for by in ("section", "object", "symbol")
        },
        "notes": list(size.notes),
    }


def _has(size: Size, by: By) -> bool:
    return by == "section" or size.has_symbols


def _image(size: Size) -> dict[str, Any]:
    return {
        "image": str(size.path),
        "sha256": size.sha256,
        "flash": size.total.flash,
        "sram": size.total.sram if size.is_sram_known else None,
        "sram_reserved": size.reserved if size.is_sram_known else None,
    }


def _row(row: Row, by: By) -> dict[str, Any]:
    places = {
        "section": {"kind": row.kind, "address": row.address},
        "object": {},
        "symbol": {"kind": row.kind, "section": row.section, "object": row.object or None, "address": row.address},
    }
    before = {} if row.before is None else _bytes(row.before, "_before")
    return {"name": row.name, **places[by], **_bytes(row.size), **before}


def _bytes(size: Bytes, suffix: str = "") -> dict[str, int]:
    return {f"flash{suffix}": size.flash, f"sram{suffix}": size.sram}
