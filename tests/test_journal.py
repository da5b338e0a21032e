"""Journals: whatever a crash leaves of the last line, all lines before it stay, and what comes later is read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from m0sim.errors import UsageError
from m0sim.study import journal

OBJECTS = st.lists(st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=5), max_size=3), max_size=4)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(OBJECTS, st.data())
def test_a_cut_costs_the_line_that_it_goes_through(tmp_path: Path, objects: list, data: st.DataObject) -> None:
    path = tmp_path / "journal.jsonl"
    path.unlink(missing_ok=True)
    assert journal.lines(path) == []
    journal.append(path, *map(json.dumps, objects))
    assert [json.loads(line) for line in journal.lines(path)] == objects
    whole = path.read_bytes()
    cut = data.draw(st.integers(0, len(whole)))
    path.write_bytes(whole[:cut])
    ends = [i for i, byte in enumerate(whole) if byte == ord("\n")]
    kept = objects[: sum(end <= cut for end in ends)]  # a whole line needs not its end
    assert [json.loads(line) for line in journal.lines(path)] == kept
    for text in ('{"later": 1}', '{"last": 2}'):
        journal.append(path, text)
    written = "".join(json.dumps(o) + "\n" for o in kept)
    assert path.read_bytes().decode() == written + '{"later": 1}\n{"last": 2}\n'


def test_damaged_lines_in_the_middle_are_lines(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_bytes(b"\xff\n\n5\n7")
    assert journal.lines(path) == [b"\xff", b"", b"5"]  # the last one is no object: cut short
    journal.append(path)
    assert path.read_bytes() == b"\xff\n\n5\n"


def test_where_it_cannot_write(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"journal\.jsonl: cannot write: No such file or directory"):
        journal.append(tmp_path / "absent" / "journal.jsonl", "{}")
