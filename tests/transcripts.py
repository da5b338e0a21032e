"""Transcripts on pages: console blocks, run as a reader would in a folder of their own, and what they show compared.

A comment above a block says what is not plain. `<!-- test: skip, REASON -->`: nothing of it is run. `long, REASON`: in
the long run only. `digits vary, REASON`: compared with every number masked. `needs PROGRAM`: run where that is there.
As a program this prints how many blocks of each page run, and which do not, and why.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from m0sim import toolchain

ROOT = Path(__file__).parents[1]
FENCE = re.compile(r"(?:^<!-- test: (.*?) -->\n)?^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
GAP = "..."
"""A line that stands for any number of lines that are left out."""
HOWS = ("skip", "long", "digits vary", "needs")
SAYS_CODE = '; echo "exit code $?"'
SUFFIXES = {"asm": ".S", "c": ".c", "ld": ".ld", "make": "Makefile", "python": ".py", "text": ".ld", "toml": ".toml"}
TRANSCRIPTS = ("console", "sh", "text", "")
"""Kinds of blocks that have commands, or what they print."""
EXAMPLE = "build/examples/dot.elf"
STUDY = (
    "figures of studies that take hours, which test_findings.py, test_study.py and test_stability.py hold to records"
)
HOME = "/home/you/m0sim"
"""What a page calls the folder that it is followed in."""
PATIENCE = 120
"""Seconds that a command of a page may take."""
COMPILERS = {
    "zig": "python -m ziglang cc -target thumb-freestanding-eabi -mcpu=cortex_m0plus",
    "gnu": "arm-none-eabi-gcc -mcpu=cortex-m0plus -mthumb",
}


@dataclass(frozen=True)
class Block:
    """A fenced block: its kind and text, the text before it back to the one before, and what its comment says."""

    kind: str
    text: str
    before: str
    line: int
    how: str = ""
    reason: str = ""

    @property
    def file(self) -> str | None:
        """What the block is called where it is a file: named in the paragraph above it, or in its first line."""
        suffix = SUFFIXES.get(self.kind)
        if suffix is None:
            return None
        paragraph = self.before.strip().rpartition("\n\n")[2]
        names = [name for name in re.findall(r"`(\w[\w./-]*)`", paragraph) if name.endswith(suffix)]
        first = re.match(r"# ([\w-]+\.toml)\n", self.text)
        return first[1] if first and suffix == ".toml" else names[-1] if names else None

    @property
    def has_transcript(self) -> bool:
        """Whether it must be run, or say why not."""
        return self.kind in TRANSCRIPTS and self.file is None


def parts(page: str) -> Iterator[Block]:
    """The blocks of a page."""
    behind = 0
    for fence in FENCE.finditer(page):
        how, _, reason = (fence[1] or "").partition(", ")
        if how.startswith("needs "):
            how, reason = "needs", how.removeprefix("needs ")
        line = page.count("\n", 0, fence.start()) + 1
        yield Block(fence[2], fence[3], page[behind : fence.start()], line, how, reason)
        behind = fence.end()


def blocks(page: str) -> Iterator[tuple[str, str, str]]:
    """Of each fenced block its kind, its contents, and the text before it back to the block before."""
    for block in parts(page):
        if block.kind:
            yield block.kind, block.text, block.before


def commands(console: str) -> Iterator[tuple[str, list[str]]]:
    """Each command, with the lines that it goes on for, and the lines that the page shows of what it prints."""
    for part in console.removeprefix("$ ").split("\n$ "):
        command, *output = part.rstrip("\n").split("\n")
        while command.endswith("\\"):
            command = f"{command}\n{output.pop(0)}"
        yield command, output


def missing(shown: list[str], printed: list[str]) -> str | None:
    """The first line shown that was not printed where it has to be: behind the one before, or behind a gap later."""
    at, may_skip = 0, False
    for line in shown:
        if line == GAP:
            may_skip = True
            continue
        found = next((i for i in range(at, len(printed)) if printed[i] == line), None)
        if found is None or (found != at and not may_skip):
            return line
        at, may_skip = found + 1, False
    return None if may_skip or at == len(printed) or not shown else f"(end, but {printed[at]!r} follows)"


def masked(lines: list[str]) -> list[str]:
    """Lines without their numbers, and without the width that these have."""
    return [re.sub(r"\s+", " ", re.sub(r"-?\d[\d,.]*(e[+-]\d+)?", "#", line)).strip() for line in lines]


@dataclass
class Reader:
    """Who follows a page: in which folder, with which m0sim. Shell variables and the folder last over blocks."""

    run: Callable[..., Any]
    """`m0sim` in this process: gives an object with `code`, `out` and `err`."""
    folder: Path
    is_long: bool = False
    toolchain: str = "zig"
    followed: list[str] = field(default_factory=list)
    """The commands that were run, and the Python."""
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """The folder gets what a clone has after `make kernels`, but for `build/`, which a page may write into."""
        for name in ("docs", "kernels", "profiles"):
            (self.folder / name).symlink_to(ROOT / name)
        for name in ("examples", "tests/firmware"):  # source text is read below the current folder only
            shutil.copytree(ROOT / name, self.folder / name)
        (self.folder / "build/examples").mkdir(parents=True)
        (self.folder / "build/kernels").symlink_to(ROOT / "build/kernels")
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        name = {
            f"GIT_{who}_{what}": "reader@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
        }
        self.environment = {**os.environ, **name, "PATH": path, "COLUMNS": "80"}
        self.environment.pop("PYTHONDONTWRITEBYTECODE", None)
        self.environment["PERL_HASH_SEED"] = "0"  # callgrind_annotate shows equal figures in the order of a hash

    def follow(self, page: str) -> list[str]:
        """Write the files of a page, run its commands and Python: what was run. A difference is an AssertionError."""
        os.chdir(self.folder)
        if any(
            EXAMPLE in block.text and block.how != "skip" for block in parts(page)
        ):  # made here, so that its lines are those of the copies here
            sources = [Path("examples") / name for name in ("dot.c", "dot_fast.S")]
            toolchain.find("zig").build(sources, Path(EXAMPLE), linker_script=ROOT / "kernels/m0sim.ld")
        for block in parts(page):
            if block.how == "skip" or (block.how == "long" and not self.is_long):
                continue
            if block.how == "needs" and shutil.which(block.reason) is None:
                continue
            if block.file is not None:
                file = Path(block.file)
                file.parent.mkdir(parents=True, exist_ok=True)
                assert ROOT not in file.resolve().parents, f"{file} is the repository's own"
                file.write_text(block.text, encoding="utf-8")
            elif block.kind == "console":
                for command, shown in commands(block.text):
                    self._do(command, shown, has_figures=block.how != "digits vary")
            elif block.kind == "python":
                self._python(block.text)
        return self.followed

    def _do(self, command: str, shown: list[str], *, has_figures: bool) -> None:
        if command.startswith("CC="):
            self.environment["CC"] = COMPILERS[self.toolchain]
            return
        typed = command.removesuffix(SAYS_CODE)
        code, streams = self._m0sim(typed) if _is_plain(typed) else self._shell(typed)
        streams = [[line.replace(str(self.folder), HOME) for line in lines] for lines in streams]
        if typed != command:
            streams = [[*lines, f"exit code {code}"] for lines in streams]
        elif code and not shown:
            raise AssertionError(f"$ {command}\nended with {code}: {streams}")
        compared = (lambda lines: lines) if has_figures else masked
        said = [missing(compared(shown), compared(lines)) for lines in streams]
        assert None in said, f"$ {command}\ndoes not print this line, or not there: {said[0]}\n" + "\n".join(
            streams[-1]
        )
        self.followed.append(command)

    def _m0sim(self, command: str) -> tuple[int, list[list[str]]]:
        """Its code, and what may be shown of it: what it prints to stdout, to stderr, or both as on a terminal."""
        os.environ["PATH"] = self.environment["PATH"]
        done = self.run(*shlex.split(command.replace("\\\n", ""), comments=True)[1:])
        out, err = done.out.splitlines(), done.err.splitlines()
        return done.code, [out, err, err + out] if done.code or not out else [out, err + out]

    def _shell(self, command: str) -> tuple[int, list[list[str]]]:
        state = self.folder / ".state"
        script = f'set -a\n{command}\ncode=$?\n{{ pwd && env -0; }} > "{state}"\nexit $code'
        done = subprocess.run(
            ["bash", "-c", script],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE,
        )
        where, _, variables = state.read_text().partition("\n")
        os.chdir(where)
        self.environment = dict(each.split("=", 1) for each in variables.split("\0") if "=" in each)
        return done.returncode, [done.stdout.splitlines()]

    def _python(self, program: str) -> None:
        """What a line with `print(...)  # shows` prints must be what it shows."""
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(program, "<page>", "exec"), {"__name__": "page"})
        for shown in re.findall(r"^print\(.*\)  # (.*)$", program, re.MULTILINE):
            assert shown in printed.getvalue().splitlines()
        self.followed.append(program)


def _is_plain(command: str) -> bool:
    """Whether it is m0sim alone, which then needs no process."""
    unquoted = re.sub(r"'[^']*'|\"[^\"$`]*\"", "", command.partition("  #")[0])
    return command.startswith("m0sim ") and not re.search(r"[|<>&;$*`]", unquoted)


def pages() -> dict[str, str]:
    """What there is to follow, by its path."""
    paths = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in paths}


def of_the_study(path: str) -> bool:
    """Whether a page shows what studies of hours found."""
    return path == "docs/study.md" or path.startswith("docs/study/")


def reason_not_to_run(path: str, block: Block) -> str | None:
    """Why nothing runs a block; None where it is run. A block that is not marked and no console has no reason: ''."""
    if of_the_study(path):
        return STUDY
    if block.how == "skip":
        return block.reason
    return None if block.kind == "console" else ""


def main() -> None:
    reasons: Counter[str] = Counter()
    run = 0
    for path, text in pages().items():
        for block in filter(lambda each: each.has_transcript, parts(text)):
            reason = reason_not_to_run(path, block)
            if reason is None:
                run += 1
            else:
                reasons[reason] += 1
                print(f"{path}:{block.line}: {reason or 'NOT MARKED'}")
    print(f"\n{run} are run, {reasons.total()} are not:")
    for reason, count in reasons.most_common():
        print(f"  {count:3} {reason or 'NOT MARKED'}")


if __name__ == "__main__":
    main()
