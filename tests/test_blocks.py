"""The kernels' parameter blocks: one header, from which the assembler's offsets and the host's packing come."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from m0sim import toolchain
from m0sim.study.learn import blocks

KERNELS = Path(__file__).parents[1] / "kernels"
HEADER = (KERNELS / "m0k.h").read_text(encoding="utf-8")


def test_the_offsets_are_those_of_the_header() -> None:
    assert (KERNELS / "m0k.inc").read_text(encoding="utf-8") == blocks.offsets(HEADER), "run make kernels"


def test_the_compiler_sees_the_same_offsets(tmp_path: Path) -> None:
    """What we read out of the header is what a C compiler makes of it: _Static_assert for every field."""
    lines = ['#include "m0k.h"', "#include <stddef.h>"]
    for block, fields in blocks.parse(HEADER).items():
        lines.append(f'_Static_assert(sizeof({block}_t) == {4 * len(fields)}, "{block}");')
        for i, field in enumerate(fields):
            lines.append(f'_Static_assert(offsetof({block}_t, {field}) == {4 * i}, "{block}.{field}");')
    source = tmp_path / "offsets.c"
    source.write_text("\n".join(lines), encoding="utf-8")
    command = [*toolchain.find("zig").command, "-c", f"-I{KERNELS}", str(source), "-o", str(tmp_path / "offsets.o")]
    subprocess.run(command, check=True)
    source.write_text("\n".join([*lines, '_Static_assert(sizeof(m0k_dense_t) == 4, "wrong");']), encoding="utf-8")
    assert subprocess.run(command, check=False, capture_output=True).returncode != 0


def test_every_kernel_has_its_block() -> None:
    assert blocks.blocks()["m0k_dense_forward"] == blocks.parse(HEADER)["m0k_dense"]
    assert blocks.blocks()["m0k_dense_forward"][-2:] == ("columns", "pick")
    assert blocks.blocks()["m0k_rows_w16"] == ("weights16", "scratch", "row_bytes")


def test_words_are_packed_by_name() -> None:
    words = {"ties": 2, "cut": 1}
    assert blocks.pack("m0k_selection", words) == (1, 2)
    with pytest.raises(ValueError, match="lacks ties"):
        blocks.pack("m0k_selection", {"cut": 1})
    with pytest.raises(ValueError, match=r"no field 'tie'.*ties"):
        blocks.pack("m0k_selection", words | {"tie": 3})


@pytest.mark.parametrize("field", ["int8_t x", "uint8_t a[4]", "uint64_t t"])
def test_a_field_that_is_no_word_is_refused(field: str) -> None:
    with pytest.raises(ValueError, match="is no 32-bit word"):
        blocks.parse(f"typedef struct {{ uint32_t n; {field}; }} m0k_bad_t;")


def test_declarations_as_c_has_them() -> None:
    text = "typedef struct { /* a, b */ const int8_t *p, *q; int32_t n,m; void (*f)(const void *x, int y); } k_t;"
    assert blocks.parse(text) == {"k": ("p", "q", "n", "m", "f")}
