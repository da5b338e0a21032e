"""The pages of docs/ and the README, followed as a reader would: each command runs, and prints what the page shows."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from conftest import found_toolchain
from test_cli import Run
from test_cli import run_with_children as run  # noqa: F401
from transcripts import (
    GAP,
    HOWS,
    ROOT,
    Reader,
    commands,
    masked,
    missing,
    of_the_study,
    pages,
    parts,
    reason_not_to_run,
)

PAGES = pages()
OWN = {"api", "data", "firmware", "import", "methods", "networks", "timing"}
"""Pages that tests/test_docs_NAME.py follows with the same means: there is more to say about what comes out."""
FOLLOWED = [path for path in PAGES if not of_the_study(path) and Path(path).stem not in OWN]
LONG = [path for path in FOLLOWED if any(block.how == "long" for block in parts(PAGES[path]))]


@pytest.mark.parametrize(
    ("path", "is_long"),
    [(path, False) for path in FOLLOWED] + [pytest.param(path, True, marks=pytest.mark.long) for path in LONG],
)
def test_a_page_is_what_its_commands_print(
    path: str,
    is_long: bool,
    readers_folder: Path,
    run: Run,  # noqa: F811
) -> None:
    if not (ROOT / "build/examples/dot.elf").exists():
        pytest.skip("build/examples/dot.elf is not there: make kernels")
    found_toolchain("zig")
    Reader(run, readers_folder, is_long).follow(PAGES[path])


@pytest.mark.parametrize("path", PAGES)
def test_a_block_is_run_or_says_why_not(path: str) -> None:
    for block in parts(PAGES[path]):
        where = f"{path}:{block.line}"
        assert not block.how or block.how in HOWS, f"{where}: a mark is one of {HOWS}"
        assert not block.how or block.reason, f"{where}: a mark gives its reason behind a comma"
        assert not block.has_transcript or reason_not_to_run(path, block) != "", (
            f"{where}: commands are in a ```console block, which is run; else mark it: <!-- test: skip, REASON -->"
        )


def test_how_many_are_run() -> None:
    """`python tests/transcripts.py` lists those that are not, and why."""
    reasons = Counter(
        reason_not_to_run(path, block) for path, text in PAGES.items() for block in parts(text) if block.has_transcript
    )
    assert reasons[None] >= 60
    assert reasons.total() - reasons[None] <= 60


def test_pages_of_their_own_are_followed() -> None:
    for name in OWN:
        assert "from transcripts import" in (ROOT / f"tests/test_docs_{name}.py").read_text(encoding="utf-8"), name


def follow(page: str, folder: Path, program: Run, is_long: bool = False) -> list[str]:
    folder.mkdir(exist_ok=True)
    return Reader(program, folder, is_long).follow(page)


@pytest.mark.parametrize(
    "page",
    [
        "```console\n$ echo a\nb\n```",
        "```console\n$ echo a; echo b\na\n```",
        "```console\n$ false\n```",
        '```console\n$ true; echo "exit code $?"\nexit code 1\n```',
        "```console\n$ m0sim profiles rp2041\n```",
        "```console\n$ m0sim --version\nm0sim 99\n```",
        "<!-- test: digits vary, so -->\n```console\n$ echo a 1\nb 2\n```",
        "<!-- test: long, so -->\n```console\n$ echo a\nb\n```",
        "```python\nprint(1)  # 2\n```",
    ],
)
def test_what_differs_is_found(page: str, readers_folder: Path, run: Run) -> None:  # noqa: F811
    with pytest.raises(AssertionError):
        follow(f"{page}\n", readers_folder, run, is_long=True)


@pytest.mark.parametrize(
    "page",
    [
        "```console\n$ echo a\na\n```",
        "```console\n$ mkdir d && cd d\n$ X=1\n```\n\n```console\n$ pwd | sed 's|.*/||'; echo $X\nd\n1\n```",
        '```console\n$ false; echo "exit code $?"\nexit code 1\n```',
        '```console\n$ m0sim profiles rp2041; echo "exit code $?"\n...\nexit code 2\n```',
        "<!-- test: digits vary, so -->\n```console\n$ echo a   1.5 2\na 20 3.75\n```",
        "<!-- test: skip, so -->\n```console\n$ false\n```",
        "<!-- test: long, so -->\n```console\n$ false\n```",
        "<!-- test: needs no-such-program -->\n```console\n$ false\n```",
        "`a.toml`:\n\n```toml\nb\n```\n\n```console\n$ cat a.toml\nb\n$ echo \\\n    c\nc\n```",
        "```python\nprint(1)  # 1\n```",
    ],
)
def test_what_is_the_same(page: str, readers_folder: Path, run: Run) -> None:  # noqa: F811
    follow(f"{page}\n", readers_folder, run)


def test_what_a_gap_stands_for() -> None:
    assert missing(["a", GAP, "c"], ["a", "b", "c"]) is None
    assert missing(["a", "c"], ["a", "b", "c"]) == "c"
    assert missing([GAP, "c", "a"], ["a", "b", "c"]) == "a"
    assert missing(["a"], ["a", "b"]) == "(end, but 'b' follows)"
    assert missing([], ["a"]) is None


def test_a_command_goes_on_for_lines() -> None:
    assert list(commands("$ a \\\n  b\nc\n$ d\n")) == [("a \\\n  b", ["c"]), ("d", [])]


def test_masked_lines() -> None:
    assert masked(["cycles   1,234  -5.0 % 1e-5"]) == masked(["cycles 12  3 % 20"])
    assert masked(["a 1"]) != masked(["b 1"])
