"""Links and anchors of Markdown pages. As a program it lists the links that leave the project: no test opens them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
FENCE = re.compile(r"^( *)(```+|~~~+).*?^\1\2 *$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"(`+)(?!`).+?(?<!`)\1(?!`)", re.DOTALL)
LINK = re.compile(
    r"!?\[(?:[^\[\]]|\[[^\[\]]*\])*\]\(\s*<?([^()\s>]+(?:\([^()\s]*\)[^()\s>]*)?)>?(?:\s+\"[^\"]*\")?\s*\)"
)
ATTRIBUTE = re.compile(r"<(?:a|img|source|iframe)\b[^>]*?\b(?:href|src|srcset)=\"([^\"\s]+)\"")
REFERENCE = re.compile(r"^\[[^\]]+\]:\s+(\S+)", re.MULTILINE)
COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)


def pages() -> list[Path]:
    """Everything that is written in Markdown for people: docs/, and what lies in the root."""
    return [*sorted(ROOT.glob("*.md")), *sorted(DOCS.rglob("*.md"))]


def prose(text: str) -> str:
    """A page without its code and comments: what is a link there is none."""
    return CODE.sub("", COMMENT.sub("", FENCE.sub("", text)))


def links(text: str) -> list[str]:
    """Targets of all links and pictures, as they are written."""
    plain = prose(text)
    return [found for pattern in (LINK, ATTRIBUTE, REFERENCE) for found in pattern.findall(plain)]


def is_external(target: str) -> bool:
    """Whether it has a scheme: https:, mailto:."""
    return re.match(r"[a-zA-Z][a-zA-Z0-9+.-]*:", target) is not None


def headings(text: str) -> Iterator[str]:
    """What a reader sees of each heading."""
    for heading in re.findall(r"^#{1,6} +(.*?)(?: +#+)? *$", COMMENT.sub("", FENCE.sub("", text)), re.MULTILINE):
        shown = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        yield re.sub(r"(?<!\\)[`*]", "", shown)


def site_anchors(text: str) -> set[str]:
    """Those that MkDocs makes with the `slugify` of mkdocs.yml: GitHub's, but for `_1` behind a second one."""
    return _anchors(text, "_")


def github_anchors(text: str) -> set[str]:
    """Those that GitHub makes: no blank is dropped, and `-1` behind a second one."""
    return _anchors(text, "-")


def _anchors(text: str, joint: str) -> set[str]:
    seen: Counter[str] = Counter()
    found = set()
    for heading in headings(text):
        slug = re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")
        found.add(f"{slug}{joint}{seen[slug]}" if seen[slug] else slug)
        seen[slug] += 1
    return found | _ids(text)


def _ids(text: str) -> set[str]:
    return set(re.findall(r"<[^>]*?\b(?:id|name)=\"([^\"]+)\"", FENCE.sub("", text)))


@cache
def generated() -> dict[Path, str]:
    """Pages of the site that are in no folder: where they would be, and what they say."""
    from generated_pages import site

    reports = dict.fromkeys((DOCS / path for path in (*site.REPORTS, *site.STUDIES, site.RESULT[0], *site.SCHEMAS)), "")
    return {DOCS / path: getattr(site, function)() for path, function in site.GENERATED.items()} | reports


def broken(page: Path, text: str) -> Iterator[str]:
    """Each link of a page that leads nowhere, and why."""
    is_of_the_site = DOCS in page.parents
    for target in links(text):
        if is_external(target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        if path and file not in generated() and not file.exists():
            yield f"{target}: no such file"
        elif is_of_the_site and DOCS not in file.parents:
            yield f"{target}: outside of docs/, so not on the site"
        elif file.is_dir() and is_of_the_site:
            yield f"{target}: a folder, which the site has no page for"
        elif anchor and file.suffix == ".md":
            there = text if file == page else generated().get(file) or file.read_text(encoding="utf-8")
            if is_of_the_site and anchor not in site_anchors(there):
                yield f"{target}: the site has no such anchor"
            elif file not in generated() and anchor not in github_anchors(there):
                yield f"{target}: GitHub has no such anchor"


def main() -> None:
    for page in pages():
        for target in sorted(set(filter(is_external, links(page.read_text(encoding="utf-8"))))):
            print(f"{page.relative_to(ROOT)}: {target}")


if __name__ == "__main__":
    main()
