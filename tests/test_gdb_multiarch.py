"""GDB itself drives the server: breakpoints in handlers, watchpoints, steps back, both cores, detaching, a reset.

In tests/data/gdb, NAME.gdb is what is typed, NAME.txt what comes of it: the lines that say where the program is, what
is in memory, and what it cost. To write the latter again: python tests/test_gdb_multiarch.py
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import firmware_images
import pytest

_DATA = Path(__file__).parent / "data/gdb"
_GDB = "gdb-multiarch"
_KEPT = re.compile(
    r"# .*|\$\d+ = .*|(Old|New) value = .*|(Thread \d+ hit )?(Temporary breakpoint|Breakpoint) [\d.]+, \w+ \(.*|#\d+ .*"
    r"|\w+ \(.*\) at .*|[ *] \d    Thread .*|\[Switching .*|\w+ += .*|The target .*|.*cycle depends on .*|core +\d"
    r"|0x\w+ <.*|.*signal SIG.*|.*\[Inferior .*|(Thread \d+ hit )?(Hardware|No symbol|no such) .*|.*\d,?\d* cycles.*"
    r"|(cycles|instructions|loads|stores|asleep|exceptions) .*| +[\d,]+   \w+|counting .*|the program .*"
)


_IMAGES = {"session": "alarms", "cores": "shared"}


def session(name: str, folder: Path) -> str:
    """What comes of the script: GDB's own words, then what the server said to its console, then the report's head."""
    elf = firmware_images.build(_IMAGES[name], folder)
    command = [sys.executable, "-m", "m0sim", "gdb", str(elf), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        assert server.stderr is not None
        try:
            port = server.stderr.readline().rpartition(":")[2].strip()
            script = folder / "session.gdb"
            script.write_text((_DATA / f"{name}.gdb").read_text().replace("PORT", port))
            gdb = [_GDB, "-nx", "-q", "-batch", "-x", str(script), str(elf)]
            done = subprocess.run(gdb, capture_output=True, text=True, timeout=60, check=False)
            report = server.stdout.read() if done.returncode == 0 else ""  # else it waits for another GDB
        finally:
            server.kill()
    said = "\n".join([*_lines(done.stdout), "----", *_lines(done.stderr), "----", *report.splitlines()[:7], ""])
    said = re.sub(r"(start\.S:)\d+", r"\1N", said)
    return re.sub(r"\S*(firmware/run/)", r"\1", re.sub(r"0x[12]0[0-9a-f]{6}", "ADDRESS", said))


def _lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if _KEPT.fullmatch(line)]


@pytest.mark.skipif(shutil.which(_GDB) is None, reason=f"{_GDB} is not installed")
@pytest.mark.parametrize("name", _IMAGES)
def test_the_session(name: str, tmp_path: Path) -> None:
    lines = (_DATA / f"{name}.gdb").read_text().splitlines()
    assert len([line for line in lines if not line.startswith(("echo", "set "))]) >= 40
    assert session(name, tmp_path) == (_DATA / f"{name}.txt").read_text()


if __name__ == "__main__":
    for each in _IMAGES:
        with TemporaryDirectory() as made:
            (_DATA / f"{each}.txt").write_text(session(each, Path(made)))
