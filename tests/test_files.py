"""Writing a file whole or not at all."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from m0sim import files
from m0sim.errors import UsageError


def test_new_and_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    files.write(path, "one\n")
    assert path.read_bytes() == b"one\n"
    files.write(path, b"\xff\x00")
    assert path.read_bytes() == b"\xff\x00"
    assert os.listdir(tmp_path) == ["a.json"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(28, "No space left on device")])
def test_a_failure_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    path = tmp_path / "a.json"
    path.write_text("old")

    def fail(_: int) -> None:
        raise error

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises((KeyboardInterrupt, UsageError)):
        files.write(path, "new")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.json"]


def test_link_and_permissions_are_kept(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("old")
    target.chmod(0o664)
    link = tmp_path / "link"
    link.symlink_to(target)
    files.write(link, "new")
    assert link.is_symlink()
    assert target.read_text() == "new"
    assert stat.S_IMODE(target.stat().st_mode) == 0o664


def test_a_device_is_written_to(tmp_path: Path) -> None:
    files.write(Path("/dev/null"), "gone")
    assert not Path("/dev/null").is_file()


def test_what_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no-such/a\.json: cannot write: No such file or directory"):
        files.write(tmp_path / "no-such" / "a.json", "x")


def test_a_missing_folder_is_named_beforehand(tmp_path: Path) -> None:
    files.check_folder(None)
    files.check_folder(tmp_path / "a.json")
    with pytest.raises(UsageError, match=r"a\.json: there is no folder .*no-such to write to"):
        files.check_folder(tmp_path / "no-such" / "a.json")
