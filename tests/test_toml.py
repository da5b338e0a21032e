"""Where the keys of a TOML file are, against documents whose writer kept count."""

from __future__ import annotations

import pickle
import sys
import time
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from m0sim import toml
from m0sim.check import manifest
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


# -- lines are found only when an error tells one, in time that grows with the text


def steps(run: Callable[[], object]) -> int:
    """Calls that Python makes: unlike time, the same on every machine and under every load."""
    calls = 0

    def count(*_: object) -> None:
        nonlocal calls
        calls += 1

    sys.setprofile(count)
    try:
        run()
    finally:
        sys.setprofile(None)
    return calls


MANY = {
    "benches": lambda n: "image = 'a.elf'\n" + '[[bench]]\nname = "x"\nargs = [1, 2]\nlimits = { a = 1 }\n' * n,
    "keys": lambda n: "".join(f"key{i} = {i}\n" for i in range(4 * n)),
    "array": lambda n: "a = [\n" + "  1,\n" * (4 * n) + "]\n",
    "string": lambda n: 'a = """\n' + "[[bench]] # '\n" * (4 * n) + '"""\n',
    "comments": lambda n: "# [[bench]] '''\n\n" * (4 * n) + "a = 1\n",
}


@pytest.mark.parametrize("what", MANY)
def test_lines_take_time_in_proportion_to_the_text(what: str) -> None:
    small, large = MANY[what](50), MANY[what](200)
    tomllib.loads(large)
    assert steps(lambda: toml.key_lines(large)) < 4.5 * steps(lambda: toml.key_lines(small)) + 100


@pytest.mark.parametrize("what", MANY)
def test_lines_copy_nothing_that_grows(what: str) -> None:
    """What calls do not show: dictionaries or texts copied again and again. Time, but against tomllib's own."""
    text = MANY[what](2000)

    def seconds(run: Callable[[str], object]) -> float:
        best = 1e9
        for _ in range(3):
            start = time.process_time()
            run(text)
            best = min(best, time.process_time() - start)
        return best

    assert seconds(toml.key_lines) < 12 * seconds(tomllib.loads) + 0.01


def test_no_line_is_looked_for_without_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "m0sim.toml"
    path.write_text('image = "a.elf"\n[[bench]]\nname = "x"\nfunction = "f"\nargs = [1]\nmax_cycles = 5\n')
    found = manifest.load(path)
    assert found.benches[0].place.line == 2

    def fail(_: str) -> None:
        raise AssertionError("looked for lines")

    monkeypatch.setattr(toml, "key_lines", fail)
    assert manifest.load(path).benches[0].name == "x"
    assert len(pickle.dumps(found.benches)) == len(pickle.dumps(manifest.load(path).benches))  # without the text
