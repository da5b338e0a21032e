"""Where the keys of a TOML file are, against documents whose writer kept count."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from m0sim import toml
from m0sim.errors import UsageError

NAMES = st.text("abcxyz_-", min_size=1, max_size=4)
# Values over several lines, whose lines look like statements.
TRAPS = ["[[bench]]", "name = 1", "# no comment", "[a.b]", "'", '"', "]", "", "    ", "= ="]
LITERALS = [line for line in TRAPS if "'" not in line]
BASIC = [line for line in TRAPS if '"' not in line]
VALUES = st.one_of(
    st.sampled_from(["1", "true", "'# [x]'", '"a = 1"', "{a = 1, b = {c = '['}}", "[1, [2, '3']]", "1_000"]),
    st.lists(st.sampled_from(BASIC), min_size=1, max_size=4).map(lambda lines: '"""\n' + "\n".join(lines) + '\n"""'),
    st.lists(st.sampled_from(LITERALS), min_size=1, max_size=4).map(lambda lines: "'''" + "\n".join(lines) + "\n'''"),
    st.lists(st.sampled_from(["1", "'[[bench]]'", "[\n 2]", "# [[bench]]\n 3"]), min_size=1, max_size=4).map(
        lambda items: "[\n" + ",\n".join(items) + "\n]"
    ),
)
FILLERS = st.sampled_from(["", "# [[bench]]", "   ", "# name = '''", '\t# """'])


@dataclass
class Writer:
    """A document, and the line of each key in it."""

    text: str = ""
    lines: dict[tuple[str | int, ...], int] = field(default_factory=dict)

    def put(self, path: tuple[str | int, ...], statement: str) -> None:
        self.lines.setdefault(path, self.text.count("\n") + 1)
        self.text += statement + "\n"


@st.composite
def documents(draw: st.DrawFn) -> Writer:
    found = Writer()
    counts: dict[str, int] = {}
    paths: list[tuple[str | int, ...]] = [()]
    for _ in range(draw(st.integers(0, 4))):
        name = draw(NAMES)
        is_array = draw(st.booleans()) if name not in counts else counts[name] > 0
        if not is_array and name in counts:
            continue
        counts[name] = counts.get(name, 0) + 1 if is_array else 0
        paths.append((f"t{name}", counts[name] - 1) if is_array else (f"t{name}",))
    for path in paths:
        for filler in draw(st.lists(FILLERS, max_size=2)):
            found.text += filler + "\n"
        if path:
            header = f"[[{path[0]}]]" if len(path) > 1 else f"[{path[0]}]"
            found.put(path, draw(st.sampled_from(["", "  "])) + header + draw(st.sampled_from(["", " # ["])))
        for name in draw(st.lists(NAMES, max_size=3, unique=True)):
            found.put((*path, name), f"{name} = {draw(VALUES)}" + draw(st.sampled_from(["", " # '''"])))
            for filler in draw(st.lists(FILLERS, max_size=2)):
                found.text += filler + "\n"
    return found


@settings(deadline=None)
@given(documents())
def test_lines_of_keys(document: Writer) -> None:
    tomllib.loads(document.text)  # the writer writes TOML
    found = toml.key_lines(document.text)
    assert {path: found[path] for path in document.lines} == document.lines


def test_lines_of_all_that_toml_has() -> None:
    text = """\
# first
a.b = 1
a.c = 2
"quoted key" = [
  1,
  { c = 2 },
]
[bench.deep]
x = '''
[[bench2]]
y = 1
'''
[[list]]
k = 1
[list.sub]
k = 2
[[list.more]]
k = 3
[[list]]
k = 4
[[list.more]]
k = 5
""".replace("\n", "\r\n")
    found = toml.key_lines(text)
    assert [found["a",], found["a", "b"], found["a", "c"]] == [2, 2, 3]
    assert found["quoted key",] == found["quoted key", 1, "c"] == 4
    assert found["bench", "deep"] == 8
    assert found["bench", "deep", "x"] == 9
    assert ("bench2",) not in found
    assert [found["list", 0], found["list", 0, "k"], found["list", 0, "sub"], found["list", 0, "sub", "k"]] == [
        *(13, 14, 15, 16)
    ]
    assert [found["list", 0, "more", 0, "k"], found["list", 1, "k"], found["list", 1, "more", 0, "k"]] == [18, 20, 22]


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("a = 1\nb = \n", 2),
        ("a = 1\n\n\nc = [1,\n 2\n", 4),
        ("a = 1\na = 2\n", 2),
        ("a = 1\nb = " + "9" * 5000, 2),
        ('a = """\nb\n', 1),
        ("[[a]]\nb = 'x\ny'\n", 2),
    ],
)
def test_syntax_errors_have_a_line(tmp_path: Path, content: str, line: int) -> None:
    file = tmp_path / "x.toml"
    file.write_text(content)
    with pytest.raises(UsageError) as caught:
        toml.read(file, "the file", ("a", "b", "c"))
    assert str(caught.value).startswith(f"{file}:{line}: not valid TOML: ")
    assert "\n" not in str(caught.value)


def test_too_many_brackets(tmp_path: Path) -> None:
    file = tmp_path / "x.toml"
    file.write_text("a =" + "[" * 5000 + "]" * 5000)
    with pytest.raises(UsageError, match="nested"):
        toml.read(file, "the file", ("a",))


def test_files_that_are_no_text(tmp_path: Path) -> None:
    file = tmp_path / "x.toml"
    file.write_bytes(b"a = '\xff'")
    for path, what in ((file, "UTF-8"), (tmp_path, "cannot read the file"), (tmp_path / "none", "cannot read")):
        with pytest.raises(UsageError, match=what):
            toml.read(path, "the file", ("a",))
