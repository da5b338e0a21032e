"""GDB itself drives the server: a session of breakpoints in handlers, watchpoints, steps back, detaching, a reset.

tests/data/gdb/session.gdb is what is typed, session.txt what comes of it: the lines that say where the program is, what
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
    r"# .*|\$\d+ = .*|(Old|New) value = .*|(Temporary breakpoint|Breakpoint) [\d.]+, \w+ \(.*|#\d+ .*|\w+ \(.*\) at .*"
    r"|0x\w+ <.*|.*signal SIG.*|.*\[Inferior .*|(Hardware|No symbol|no such) .*|.*\d,?\d* cycles.*|cycles .*"
    r"|(instructions|loads|stores|asleep|exceptions) .*| +[\d,]+   \w+|counting .*|the program .*"
)


def session(folder: Path) -> str:
    """What comes of the script: GDB's own words, then what the server said to its console, then the report's head."""
    elf = firmware_images.build("alarms", folder)
    command = [sys.executable, "-m", "m0sim", "gdb", str(elf), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        assert server.stderr is not None
        try:
            port = server.stderr.readline().rpartition(":")[2].strip()
            script = folder / "session.gdb"
            script.write_text((_DATA / "session.gdb").read_text().replace("PORT", port))
            gdb = [_GDB, "-nx", "-q", "-batch", "-x", str(script), str(elf)]
            done = subprocess.run(gdb, capture_output=True, text=True, timeout=60, check=False)
            report = server.stdout.read()
        finally:
            server.kill()
    said = "\n".join([*_lines(done.stdout), "----", *_lines(done.stderr), "----", *report.splitlines()[:7], ""])
    said = re.sub(r"(start\.S:)\d+", r"\1N", said)
    return re.sub(r"\S*(tests/firmware/run/)", r"\1", re.sub(r"0x[12]0[0-9a-f]{6}", "ADDRESS", said))


def _lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if _KEPT.fullmatch(line)]


@pytest.mark.skipif(shutil.which(_GDB) is None, reason=f"{_GDB} is not installed")
def test_the_session(tmp_path: Path) -> None:
    typed = [line for line in (_DATA / "session.gdb").read_text().splitlines() if not line.startswith(("echo", "set "))]
    assert len(typed) >= 40
    assert session(tmp_path) == (_DATA / "session.txt").read_text()


if __name__ == "__main__":
    with TemporaryDirectory() as made:
        (_DATA / "session.txt").write_text(session(Path(made)))
