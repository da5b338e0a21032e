"""Reading a file up to a limit, and writing one whole or not at all."""

from __future__ import annotations

import os
import re
import resource
import shlex
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from m0sim import files
from m0sim.errors import UsageError

ROOT = str(Path(files.__file__).parents[1])


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


# -- reading


def test_read_is_all_of_it_up_to_a_limit(tmp_path: Path) -> None:
    path = tmp_path / "a"
    for size in (0, 1, 1 << 20, (3 << 20) + 1):
        path.write_bytes(os.urandom(size))
        assert files.read(path, limit=size) == path.read_bytes()
        if size:
            with pytest.raises(UsageError, match=rf"a: longer than {size - 1:,} bytes"):
                files.read(path, limit=size - 1)


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("none", "No such file"),
        (".", "Is a directory"),
        ("file/a", "Not a directory"),
        ("a\0b", "null"),
        ("x" * 300, "too long"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, name: str, what: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=rf"cannot read the thing: .*{what}") as caught:
        files.read(tmp_path / name, what="the thing")
    assert str(caught.value).startswith(str(tmp_path / name))


def test_a_device_without_an_end_is_read_to_the_limit_only() -> None:
    with pytest.raises(UsageError, match="/dev/zero: longer than 5,000,000 bytes"):
        files.read(Path("/dev/zero"), limit=5_000_000)
    assert files.read(Path("/dev/null")) == b""


def test_a_named_pipe_without_a_writer_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_WRITER_SECONDS", 0.05)
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with pytest.raises(UsageError, match=r"pipe: nobody wrote anything to it for 0\.05 s: give a file, or a pipe"):
        files.read(path)


def test_a_pipe_whose_writer_says_nothing_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_SILENT_SECONDS", 0.05)
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = os.open(path, os.O_RDWR)
    os.write(writer, b"begun")
    with pytest.raises(UsageError, match="nobody wrote anything"):
        files.read(path)
    os.close(writer)


@pytest.mark.parametrize("size", [0, 1, 300_000])
@pytest.mark.parametrize("delay", [0.0, 0.1])
def test_a_named_pipe_is_read_to_its_end(tmp_path: Path, size: int, delay: float) -> None:
    """Also where the writer comes after the reader, writes in parts, and stops in between."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    content = os.urandom(size)

    def write() -> None:
        time.sleep(delay)
        with path.open("wb", buffering=0) as file:
            file.write(content[: size // 2])
            time.sleep(delay)
            file.write(content[size // 2 :])

    writer = threading.Thread(target=write)
    writer.start()
    assert files.read(path) == content
    writer.join()


def test_a_shells_pipe_is_read() -> None:
    """As ``<(...)`` makes it: /dev/fd/N of a pipe whose writer may have gone already."""
    reader, writer = os.pipe()
    os.write(writer, b"some bytes")
    os.close(writer)
    assert files.read(Path(f"/dev/fd/{reader}")) == b"some bytes"
    os.close(reader)


# -- faults while writing


def no_space(*_: object, **__: object) -> None:
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("function", ["open", "fsync", "replace", "chmod"])
def test_whatever_fails_the_old_file_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, function: str) -> None:
    path = tmp_path / "a.json"
    path.write_text("old")
    with monkeypatch.context() as patch:
        patch.setattr(os, function, no_space)
        with pytest.raises(UsageError, match=r"a\.json: cannot write: No space left on device"):
            files.write(path, "new")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.json"]


def test_a_full_disk_keeps_the_old_file(tmp_path: Path) -> None:
    """A real fault: no file of this process may grow beyond 4 KiB."""
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        with pytest.raises(UsageError, match=r"a\.bin: cannot write: File too large"):
            files.write(path, bytes(5000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.bin"]


def test_a_long_name_has_room_for_the_new_file_beside_it(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 255)
    files.write(path, "a")
    files.write(path, "b")
    assert path.read_text() == "b"


def test_a_dangling_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "target")
    files.write(tmp_path / "link", "new")
    assert (tmp_path / "target").read_text() == "new"
    assert (tmp_path / "link").is_symlink()


def test_a_pipe_is_written_to(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    files.write(path, "text")
    assert os.read(reader, 10) == b"text"
    os.close(reader)
    assert stat.S_ISFIFO(path.stat().st_mode)


@pytest.mark.parametrize("redirected", ["> out", "| cat > out", ">> out"])
def test_stdout_keeps_what_was_printed_before(tmp_path: Path, redirected: str) -> None:
    program = "from pathlib import Path; from m0sim import files; print('before')\n"
    program += "for name in ('/dev/stdout', '/dev/fd/1', '/proc/self/fd/1'): files.write(Path(name), 'text\\n')\n"
    program += "print('after')"
    command = f"{shlex.quote(sys.executable)} -c {shlex.quote(program)} {redirected}"
    subprocess.run(["bash", "-c", command], check=True, cwd=tmp_path, env=os.environ | {"PYTHONPATH": ROOT}, timeout=60)
    assert (tmp_path / "out").read_text() == "before\ntext\ntext\ntext\nafter\n"


def test_files_are_written_in_no_other_way() -> None:
    """A journal is appended to; all else is written whole or not at all."""
    package = Path(files.__file__).parent
    writers = re.compile(
        r"""write_text\(|write_bytes\(|\bopen\([^)]*["'](w|x|r\+)|np\.save|tofile\(|savefig\((?!file)"""
    )
    found = {path.name for path in package.rglob("*.py") if writers.search(path.read_text())}
    assert found == {"files.py", "arrays.py"}  # the latter into memory


# -- one process at a time

COUNT = """
import sys
from pathlib import Path
from m0sim import files
path = Path(sys.argv[1])
for _ in range(int(sys.argv[2])):
    with files.locked(path):
        files.write(path, str(int(path.read_text()) + 1))
"""
HOLD = """
import sys, time
from pathlib import Path
from m0sim import files
with files.locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def python(program: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": ROOT})


def test_changes_of_several_processes_all_count(tmp_path: Path) -> None:
    path = tmp_path / "count"
    path.write_text("0")
    (tmp_path / "link").symlink_to(path)  # the same file by another name
    processes = [python(COUNT, tmp_path / name, 40) for name in ("count", "count", "link")]
    assert [process.wait(timeout=60) for process in processes] == [0, 0, 0]
    assert path.read_text() == "120"
    assert sorted(os.listdir(tmp_path)) == ["count", "link"]  # the lock is gone


def test_a_process_that_died_holds_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    holder = python(HOLD, path)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    assert os.listdir(tmp_path) == [".a.json.lock"]
    holder.kill()
    holder.wait(timeout=60)
    with files.locked(path):
        files.write(path, "mine")
    assert os.listdir(tmp_path) == ["a.json"]


def test_a_turn_that_does_not_come_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_TURN_SECONDS", 0.1)
    path = tmp_path / "a.json"
    holder = python(HOLD, path)
    assert holder.stdout is not None
    holder.stdout.readline()
    with pytest.raises(UsageError, match=r"a\.json: another process has held .*\.a\.json\.lock for 0\.1 s"):
        files.locked(path).__enter__()
    holder.kill()
    holder.wait(timeout=60)


@pytest.mark.parametrize("path", ["/proc/a.json", "/no/such/folder/a.json"])
def test_where_nothing_can_be_written_is_one_line(path: str) -> None:
    with pytest.raises(UsageError, match=rf"^{path}: cannot write: [^\n]*$"):
        files.locked(Path(path)).__enter__()
    assert not Path("/no").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody who may not write")
def test_a_folder_that_may_only_be_read_is_one_line(tmp_path: Path) -> None:
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)

    def as_nobody() -> None:
        with pytest.raises(UsageError, match=r"a\.json: cannot write: Permission denied"):
            files.locked(tmp_path / "a.json").__enter__()

    child = os.fork()
    if child == 0:
        os.setuid(65534)
        try:
            as_nobody()
        except BaseException:
            os._exit(1)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0


def test_a_fault_inside_gives_the_lock_back(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    with pytest.raises(UsageError, match="inside"), files.locked(path):
        raise UsageError("inside")
    with files.locked(path):
        pass
