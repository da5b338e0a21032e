"""Which source files a report may show: the image names them, and the image may be anyone's."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from conftest import Build
from test_cli import Outcome, Run, run  # noqa: F401

from m0sim.errors import UsageError
from m0sim.report.sources import Sources

SECRET = "int secret = 271828;"


@pytest.fixture(scope="module")
def secret(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that no report may show unless its folder was named."""
    path = tmp_path_factory.mktemp("private") / "secret.txt"
    path.write_text(f"{SECRET}\n")
    return path


@pytest.fixture(scope="module")
def image(build: Build, secret: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its line table says that `get` was compiled from the secret, `link` from a link to it, `own` from beside it."""
    folder = tmp_path_factory.mktemp("image")
    (folder / "link.c").symlink_to(secret)
    (folder / "own.c").write_text("int own(void) { return 2; } // shown\n")
    code = folder / "code.c"
    code.write_text(
        f'#line 1 "{secret}"\nint get(void) {{ return 1; }}\n'
        f'#line 1 "{folder}/link.c"\nint link(void) {{ return 1; }}\n'
        f'#line 1 "{folder}/../{secret.parent.name}/secret.txt"\nint dots(void) {{ return 1; }}\n'
        f'#line 1 "{folder}/own.c"\nint own(void) {{ return 2; }}\n'
    )
    elf = folder / "code.elf"
    os.replace(build(code, flags=("-g", "-O1", "-ffunction-sections")), elf)
    return elf


def reports(run: Run, image: Path, function: str, *options: str) -> tuple[Outcome, list[str]]:  # noqa: F811
    """The listing, and all else that says or shows something of sources."""
    folder = image.parent
    listing = run("annotate", image, function, *options)
    files = [folder / "page.html", folder / "cover.info"]
    call = run("call", image, function, "--html", files[0], "--lcov", files[1], *options)
    assert (listing.code, call.code) == (0, 0), listing.err + call.err
    as_json = run("annotate", image, function, "--json", *options)
    texts = [file.read_text() for file in files]
    return call, [listing.out, as_json.out, *texts]


@pytest.mark.parametrize("function", ["get", "link", "dots"])
def test_text_from_outside_stays_there(run: Run, image: Path, secret: Path, function: str) -> None:  # noqa: F811
    call, texts = reports(run, image, function)
    assert all(SECRET not in text for text in texts)
    assert f"SF:{secret}" not in texts[3]  # genhtml would show it
    assert call.err.count("note: ") == 1
    assert "--source-root" in call.err
    assert "source text left out" in texts[0]
    assert "source text left out" in json.loads(texts[1])["notes"][0]
    assert "source text left out" in texts[2]


@pytest.mark.parametrize("function", ["get", "link", "dots"])
def test_a_named_folder_is_read(run: Run, image: Path, secret: Path, function: str) -> None:  # noqa: F811
    call, texts = reports(run, image, function, "--source-root", str(secret.parent))
    assert all(SECRET in text for text in texts[:3])
    assert f"SF:{secret}" in texts[3]
    assert "note: " not in call.err


@pytest.mark.parametrize("name", ["secret.c", "link.c"])
def test_the_root_that_a_note_names_is_the_one(tmp_path: Path, name: str) -> None:
    own, other = tmp_path / "own", tmp_path / "other"
    own.mkdir()
    other.mkdir()
    (other / "secret.c").write_text(SECRET)
    (own / "link.c").symlink_to(other / "secret.c")
    file = str((own if name == "link.c" else other) / name)
    sources = Sources(own / "code.elf")
    assert sources.line(file, 1) is None
    (note,) = sources.notes()
    root = Path(note.partition("--source-root ")[2].partition(" ")[0])
    assert Sources(own / "code.elf", [root]).line(file, 1) == SECRET


def test_the_folder_of_the_image_is_read(run: Run, image: Path) -> None:  # noqa: F811
    _, texts = reports(run, image, "own")
    assert all("// shown" in text for text in texts[:3])
    assert json.loads(texts[1])["notes"] == []


def test_a_root_that_is_no_folder(run: Run, image: Path) -> None:  # noqa: F811
    done = run("call", image, "own", "--source-root", "nowhere")
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "nowhere" in done.err


def test_the_root_of_the_file_system_counts_only_when_named(
    image: Path, secret: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Containers run things in /."""
    monkeypatch.chdir("/")
    assert Sources(image).line(str(secret), 1) is None
    assert Sources(Path("/code.elf")).line(str(secret), 1) is None
    assert Sources(image, [Path("/")]).line(str(secret), 1) == SECRET


def test_neighbours_of_a_root_are_outside(tmp_path: Path) -> None:
    """/a/bc is not below /a/b."""
    for name in ("in", "inside"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.c").write_text("text")
    sources = Sources(tmp_path / "in" / "code.elf")
    assert sources.line(str(tmp_path / "in" / "x.c"), 1) == "text"
    assert sources.line(str(tmp_path / "inside" / "x.c"), 1) is None
    assert sources.line(str(tmp_path / "in" / "x.c"), 0) is None
    assert len(sources.notes()) == 1


def test_what_is_not_there_is_not_mentioned(tmp_path: Path) -> None:
    sources = Sources(tmp_path / "code.elf")
    assert sources.line("/nowhere/x.c", 1) is None
    assert sources.notes() == ()


def test_a_bad_root_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such folder"):
        Sources(tmp_path / "code.elf", [tmp_path / "missing"])
