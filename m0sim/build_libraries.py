"""Compile the native core and the demangler: ``python -m m0sim.build_libraries [core|demangler] [--target NAME] ...``.

The pinned ziglang does it for every platform from any machine. ``make`` and the build hook of the wheels call this; a
user never does.
"""

from __future__ import annotations

import argparse
import platform
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from m0sim.libraries import CORE, DEMANGLER, Library

# Warnings are errors, -O2 keeps zig from adding checks of its own, and only what the sources export is visible. Nothing
# is linked: memory is Python's, or fixed, so one file serves every distribution of its platform.
_WARNINGS = "-Wall -Wextra -Werror -Wconversion -Wshadow -Wstrict-prototypes".split()
_FLAGS = "-O2 -fPIC -fno-stack-protector -fomit-frame-pointer -fvisibility=hidden -fno-strict-aliasing".split()
_FLAGS += ["-fno-slp-vectorize"]  # two counters side by side are two additions, not a vector that is put together first
_C_FLAGS = "-std=c11 -ffreestanding".split()
_CXX_FLAGS = "-std=c++20 -fno-exceptions -fno-rtti -fno-threadsafe-statics -fno-builtin -DNDEBUG".split()
_CXX_FLAGS += ["-D__NO_CTYPE", "-D_DONT_USE_CTYPE_INLINE_"]  # tables of glibc's and Apple's
SANITIZERS = ("undefined", "address")


@dataclass(frozen=True, slots=True)
class Target:
    """One platform that wheels are for."""

    zig: str
    """What ``zig cc -target`` calls it, the oldest C library included."""
    tag: str
    """The platform part of a wheel's tag."""
    platform: str
    """``sys.platform`` there."""


TARGETS = {
    "linux-x86_64": Target("x86_64-linux-gnu.2.17", "manylinux2014_x86_64", "linux"),
    "linux-aarch64": Target("aarch64-linux-gnu.2.17", "manylinux2014_aarch64", "linux"),
    "linux-x86_64-musl": Target("x86_64-linux-musl", "musllinux_1_1_x86_64", "linux"),
    "linux-aarch64-musl": Target("aarch64-linux-musl", "musllinux_1_1_aarch64", "linux"),
    "macos-x86_64": Target("x86_64-macos.11.0", "macosx_11_0_x86_64", "darwin"),
    "macos-arm64": Target("aarch64-macos.11.0", "macosx_11_0_arm64", "darwin"),
    "windows-x86_64": Target("x86_64-windows-gnu", "win_amd64", "win32"),
}


def host() -> str:
    """The name in `TARGETS` of the machine that this runs on. Raises SystemExit where there is none."""
    system = {"Linux": "linux", "Darwin": "macos", "Windows": "windows"}.get(platform.system(), "")
    machine = {"AMD64": "x86_64", "arm64": "arm64" if system == "macos" else "aarch64"}
    name = f"{system}-{machine.get(platform.machine(), platform.machine())}"
    if name not in TARGETS:
        raise SystemExit(f"m0sim has no libraries for {platform.system()} on {platform.machine()}")
    if system == "linux" and platform.libc_ver()[0] != "glibc":
        name += "-musl"
    return name


def build(library: Library, name: str, output: Path | None = None, sanitize: str | None = None) -> Path:
    """Compile a library for the target `name` into `output`, by default to where it is loaded from.

    Raises SystemExit with the compiler's messages where it does not compile.
    """
    target = TARGETS[name]
    output = output or library.folder / library.file_name(target.platform)
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output.parent) as folder:
        made = Path(folder) / output.name
        objects = [_compiled(source, target, Path(folder), library, sanitize) for source in _sources(library)]
        link = ["-shared"] if sanitize else ["-shared", "-nostdlib", "-s"]
        if library is DEMANGLER and "aarch64" in target.zig:
            link = ["-shared", "-s"]  # longjmp comes from the C library there
        if sanitize:
            link.append(f"-fsanitize={sanitize}")
        _zig("cc", target, *link, *objects, "-o", str(made))
        made.replace(output)  # a process that runs the old one keeps it
    return output


def _sources(library: Library) -> list[Path]:
    """What it is made of; the demangler proper is zig's own file, of the C++ library that zig brings."""
    sources = sorted(library.folder.glob("*.c"))
    return [*sources, _libcxxabi() / "src/cxa_demangle.cpp"] if library is DEMANGLER else sources


def _libcxxabi() -> Path:
    import ziglang

    return Path(ziglang.__file__).parent / "lib/libcxxabi"


def _compiled(source: Path, target: Target, folder: Path, library: Library, sanitize: str | None) -> str:
    """The object of one source."""
    flags = list(_FLAGS)
    if target.platform == "win32":
        flags += ["-mno-stack-arg-probe", "-D_CRTIMP="]  # nothing of the C runtime
    if source.suffix == ".cpp":
        headers = [_libcxxabi() / "include", _libcxxabi().with_name("libcxx") / "include"]
        flags += [*_CXX_FLAGS, *(f"-I{path}" for path in headers)]
    else:
        flags += [*_C_FLAGS, *_WARNINGS]
        flags.append("-fno-builtin" if library is DEMANGLER else f'-DM0_HEADER_HASH="{library.digest()}"')
    if sanitize:
        flags += ["-g", f"-fsanitize={sanitize}", "-fno-sanitize-recover=all"]
    output = str(folder / f"{source.stem}.o")
    _zig("c++" if source.suffix == ".cpp" else "cc", target, *flags, "-c", str(source), "-o", output)
    return output


def _zig(driver: str, target: Target, *arguments: str) -> None:
    command = [sys.executable, "-m", "ziglang", driver, "-target", target.zig, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)}\n{done.stderr.strip()}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("library", choices=["core", "demangler"])
    parser.add_argument("--target", choices=TARGETS, default=None)
    parser.add_argument("--sanitize", choices=SANITIZERS)
    parser.add_argument("-o", "--output", type=Path)
    arguments = parser.parse_args()
    library = CORE if arguments.library == "core" else DEMANGLER
    build(library, arguments.target or host(), arguments.output, arguments.sanitize)


if __name__ == "__main__":
    main()
