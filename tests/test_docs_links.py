"""Every link between pages, and every anchor, on the site and on GitHub; every page has its place on the site."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest
from generated_pages import site
from page_links import DOCS, ROOT, broken, generated, github_anchors, is_external, links, pages, site_anchors

from m0sim.cli import verbs

MKDOCS = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    assert list(broken(page, page.read_text(encoding="utf-8"))) == []


def test_links_of_the_generated_pages() -> None:
    assert [each for page, text in generated().items() for each in broken(page, text)] == []


def test_there_are_such_links() -> None:
    found = [target for page in pages() for target in links(page.read_text(encoding="utf-8"))]
    inside = [target for target in found if not is_external(target)]
    assert len(inside) > 100
    assert sum("#" in target for target in inside) > 20
    assert sum(map(is_external, found)) > 0


def test_every_page_is_in_the_navigation() -> None:
    nav = re.findall(r"([\w./-]+\.md)$", MKDOCS[MKDOCS.index("\nnav:") :], re.MULTILINE)
    there = {page.relative_to(DOCS).as_posix() for page in pages() if DOCS in page.parents}
    assert sorted(nav) == sorted(there | set(site.GENERATED))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[a](none.md)", "no such file"),
        ("[a](call.md#none)", "the site has no such anchor"),
        ("[a](#none)", "the site has no such anchor"),
        ("![a](pictures/none.svg)", "no such file"),
        ('<img src="pictures/none.svg">', "no such file"),
        ("[a [b] c](none.md)", "no such file"),
        ("[a][b]\n\n[b]: none.md", "no such file"),
        ("[a](../README.md)", "outside of docs/"),
        ("[a](pictures)", "a folder"),
        ("# A & b\n\n[a](#a-b)", "the site has no such anchor"),
        ("# A\n# A\n[a](#a_1)", "GitHub has no such anchor"),
    ],
)
def test_what_is_broken_is_found(text: str, said: str) -> None:
    (found,) = broken(DOCS / "page.md", text)
    assert said in found


@pytest.mark.parametrize(
    "text",
    ["[a](call.md)", "[a](https://none.example)", "```text\n[a](none.md)\n```", "`[a](none.md)`", "<!-- [a](b) -->"],
)
def test_what_is_no_broken_link(text: str) -> None:
    assert list(broken(DOCS / "page.md", text)) == []


def test_anchors() -> None:
    page = "# `m0sim diff`\n## What's *new*, and [old](x.md)?\n## m0sim diff\n```sh\n# no heading\n```\n"
    assert site_anchors(page) == {"m0sim-diff", "whats-new-and-old", "m0sim-diff_1"}
    assert github_anchors(page) == {"m0sim-diff", "whats-new-and-old", "m0sim-diff-1"}


def test_anchors_are_those_of_markdown() -> None:
    """The same as the library itself makes, where it is installed (extra docs)."""
    markdown = pytest.importorskip("markdown")
    slugify = pytest.importorskip("pymdownx.slugs").slugify(case="lower")
    for page in pages():
        text = page.read_text(encoding="utf-8")
        extensions = ["toc", "pymdownx.superfences", "tables", "attr_list", "md_in_html"]
        converter = markdown.Markdown(extensions=extensions, extension_configs={"toc": {"slugify": slugify}})
        made = set(re.findall(r'\bid="([^"]+)"', converter.convert(text)))
        assert site_anchors(text) == made, page


def test_the_reference_of_the_command_line_has_every_option() -> None:
    page = site.cli_page()
    for name, verb in verbs.VERBS.items():
        section = re.split(rf"^### m0sim {re.escape(name)}$", page, flags=re.MULTILINE)[1].split("\n### ")[0]
        for parameter in verb.load().params:
            if isinstance(parameter, click.Option) and not parameter.hidden:
                assert all(option in section for option in (*parameter.opts, *parameter.secondary_opts)), (
                    name,
                    parameter,
                )
