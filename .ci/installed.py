"""Does an installed m0sim work on this system? ``python .ci/installed.py examples``, with the extra `toolchain`.

Compiles the example, calls it on both engines through the command line, and compares what they say, which must be the
same to the cycle.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

TARGET = ("-target", "thumb-freestanding-eabi", "-mcpu=cortex_m0plus", "-O2", "-g", "-nostdlib")


def main(examples: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        elf = Path(folder) / "dot.elf"
        link = ("-Wl,--entry=dot_s8", "-Wl,--image-base=0x10000000")
        run("ziglang", "cc", *TARGET, *link, "-o", str(elf), str(examples / "dot.c"))
        operands = [f"@{examples / name}" for name in ("a.bin", "b.bin")]
        words = ("m0sim", "call", str(elf), "dot_s8", *operands, "1000", "--json", "--engine")
        found = [json.loads(run(*words, engine)) for engine in ("unicorn", "timed")]
    one, other = ({key: value for key, value in each.items() if key != "provenance"} for each in found)
    assert one == other, "the engines do not agree"
    assert one["cycles"] > one["instructions"] > 1000
    assert run("m0sim", "--version").split() == ["m0sim", version("m0sim")]
    print(f"m0sim {version('m0sim')} on {sys.platform}, Python {sys.version.split()[0]}: {one['cycles']:,} cycles")


def run(module: str, *words: str) -> str:
    """What a module printed, run away from the checkout, so that it is the installed one."""
    command = [sys.executable, "-m", module, *words]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=tempfile.gettempdir()).stdout


if __name__ == "__main__":
    main(Path(os.path.abspath(sys.argv[1])))
