"""The pages in docs/ and the README against the code: what their Python imports is there, what they show is printed."""

from __future__ import annotations

import ast
import re
from importlib import import_module
from pathlib import Path

import pytest
from test_cli import Run, run  # noqa: F401
from transcripts import blocks, commands, missing

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def imports(page: Path) -> list[tuple[str, str]]:
    """Module and name of every ``from m0sim... import name`` in the page's Python blocks."""
    blocks = re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    nodes = [node for block in blocks for node in ast.walk(ast.parse(block))]
    found = [
        (node.module or "", name.name) for node in nodes if isinstance(node, ast.ImportFrom) for name in node.names
    ]
    return [(module, name) for module, name in found if module.split(".")[0] == "m0sim"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_a_page_imports_is_there(page: Path) -> None:
    for module, name in imports(page):
        assert hasattr(import_module(module), name) or import_module(f"{module}.{name}"), f"{module}.{name}"


def test_there_are_such_pages() -> None:
    assert {page.name for page in PAGES if imports(page)} >= {"README.md", "call.md", "check.md"}


def test_the_transcript_of_the_readme(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    """The call that it shows prints just that: energy with bounds and its source among it."""
    monkeypatch.chdir(ROOT)
    if not Path("build/examples/dot.elf").exists():
        pytest.skip("build/examples/dot.elf is not there: make kernels")
    consoles = [text for kind, text, _ in blocks(PAGES[0].read_text(encoding="utf-8")) if kind == "console"]
    calls = [pair for text in consoles for pair in commands(text) if pair[0].startswith("m0sim call build/examples")]
    command, shown = calls[0]
    assert missing(shown, run(*command.split()[1:]).out.splitlines()) is None
    assert any(re.match(r"energy .* uJ  .* uJ to .* uJ; .*RP2040 datasheet, figure 172", line) for line in shown)
