"""Assemble, compile and link for the Cortex-M0+: ziglang from PyPI, or GNU ``arm-none-eabi-gcc``."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from m0sim.errors import UsageError

NAMES = ("zig", "gnu")
LANGUAGES = (".S", ".s", ".c", ".cpp")

# No host is behind the code, so nothing may be inserted that calls one: no UBSan traps (zig's default without -O), no
# stack guard, no unwind tables. Clang keeps a frame pointer on Thumb unless told otherwise, GCC does not: drop it.
_FREESTANDING = (
    "-ffreestanding",
    "-fno-stack-protector",
    "-fno-exceptions",
    "-fno-unwind-tables",
    "-fno-asynchronous-unwind-tables",
    "-fomit-frame-pointer",
    "-ffunction-sections",
)
_ZIG_FREESTANDING = (*_FREESTANDING, "-fno-sanitize=undefined")

# No entry symbol: functions are called by name. Small pages keep the file small; nothing pages it in. The debug
# information is kept by -g (zig strips at link time otherwise) and -O2 chooses an optimised compiler-rt.
_LINK = ("-nostdlib", "-static", "-O2", "-g", "-Wl,-e,0", "-Wl,-z,max-page-size=256")
# The same link in the words of zig's other driver: the first one cannot ask its linker for relocations.
_ZIG_MOVABLE = (
    *("-fentry=0", "-z", "max-page-size=256", "--gc-sections", "-fno-strip", "-OReleaseFast", "-fcompiler-rt"),
    "--emit-relocs",
)


@dataclass(frozen=True, slots=True)
class MovableLink:
    """How a toolchain links a program that keeps its relocations."""

    command: tuple[str, ...]
    runtime: tuple[str, ...]
    """As `Toolchain.runtime`."""
    output: str
    """The option that the output's path follows on without a space."""

    def of(self, objects: Sequence[Path], script: str, output: Path) -> list[str]:
        """The command line."""
        return [*self.command, "-T", script, *map(str, objects), *self.runtime, f"{self.output}{output}"]


@dataclass(frozen=True, slots=True)
class Toolchain:
    """A compiler driver for Thumb Cortex-M0+ code; get one with `find`."""

    name: str
    """``zig`` or ``gnu``."""
    command: tuple[str, ...]
    """The driver with the arguments that choose the target."""
    compile_flags: tuple[str, ...]
    """Flags of every compilation, before the caller's."""
    link_flags: tuple[str, ...]
    """Flags of every link, before the caller's."""
    runtime: tuple[str, ...]
    """What brings in the compiler's own helpers (division, floating point), last on the link line."""
    movable: MovableLink

    def version(self) -> str:
        """The compiler's version, for example ``zig 0.17.0`` or ``gnu 12.2.1``."""
        argument = "version" if self.name == "zig" else "-dumpfullversion"
        driver = self.command[:3] if self.name == "zig" else self.command[:1]
        return f"{self.name} {_run([*driver, argument]).strip()}"

    def build(
        self,
        sources: Sequence[Path],
        output: Path,
        *,
        flags: Sequence[str] = ("-O2", "-g"),
        linker_script: Path | None = None,
        libraries: Sequence[str] = (),
        link_flags: Sequence[str] = (),
        movable: bool = False,
    ) -> Path:
        """Compile `sources` (.S, .s, .c, .cpp), link them without startup code into the ELF `output`; returns `output`.

        `libraries` are names as in ``-lNAME``; the compiler's own runtime is always there. Nothing of `sources` is
        dropped as unreachable when `linker_script` keeps ``*.program.o`` as kernels/m0sim.ld does; without a script
        the linker's own default memory layout is used and nothing at all is dropped.
        What is `movable` keeps its relocations (``--emit-relocs``): they say which words are addresses. It needs a
        script, and takes no libraries and no flags.

        Raises `UsageError` with the compiler's message when a file is missing or does not compile or link.
        """
        if not sources:
            raise UsageError("nothing to build: give at least one .c, .cpp, .S or .s file")
        for path in (*sources, *([linker_script] if linker_script else [])):
            if not path.is_file():
                raise UsageError(f"{path}: no such file to build")
        for path in sources:
            if path.suffix not in LANGUAGES:
                raise UsageError(f"{path}: cannot tell the language, use a name in {', '.join(LANGUAGES)}")
        if movable and (linker_script is None or libraries or link_flags):
            raise ValueError("what is movable is linked by a script, without libraries or flags of its own")
        layout = [f"-Wl,-T,{linker_script}", "-Wl,--gc-sections"] if linker_script else ["-Wl,--no-gc-sections"]
        named = [f"-l{library}" for library in libraries]
        with tempfile.TemporaryDirectory(prefix="m0sim-") as folder:
            objects = self._compile(sources, flags, Path(folder))
            if movable:
                _run(self.movable.of(objects, str(linker_script), output))
                return output
            given = [*layout, *link_flags, *map(str, objects), *named, *self.runtime]
            _run([*self.command, *self.link_flags, *given, "-o", str(output)])
        return output

    def _compile(self, sources: Sequence[Path], flags: Sequence[str], folder: Path) -> list[Path]:
        """One object a source, each in a folder of its own: sources of different folders may share a name."""
        objects = [folder / str(i) / f"{source.stem}.program.o" for i, source in enumerate(sources)]
        commands = []
        for source, target in zip(sources, objects, strict=True):
            target.parent.mkdir()
            commands.append([*self.command, *self.compile_flags, *flags, "-c", str(source), "-o", str(target)])
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(_run, commands))
        return objects


def find(name: str = "zig") -> Toolchain:
    """The toolchain `name`, ``zig`` or ``gnu``; raises `UsageError` naming what to install when it is not there."""
    if name == "zig":
        if importlib.util.find_spec("ziglang") is None:
            raise UsageError("ziglang is not installed: pip install 'm0sim[toolchain]'")
        target = ("-target", "thumb-freestanding-eabi", "-mcpu=cortex_m0plus")
        command = (sys.executable, "-m", "ziglang", "cc", *target)
        movable = MovableLink((sys.executable, "-m", "ziglang", "build-exe", *target, *_ZIG_MOVABLE), (), "-femit-bin=")
        return Toolchain(name, command, _ZIG_FREESTANDING, _LINK, ("-rtlib=compiler-rt",), movable)
    if name == "gnu":
        driver = shutil.which("arm-none-eabi-gcc")
        if driver is None:
            raise UsageError("arm-none-eabi-gcc is not on PATH: apt install gcc-arm-none-eabi, or use toolchain 'zig'")
        gnu = (driver, "-mcpu=cortex-m0plus", "-mthumb")
        movable = MovableLink((*gnu, *_LINK, "-Wl,--gc-sections", "-Wl,--emit-relocs"), ("-lgcc",), "-o")
        return Toolchain(name, gnu, _FREESTANDING, _LINK, ("-lgcc",), movable)
    raise UsageError(f"no toolchain {name!r}; there are 'zig' and 'gnu'")


def is_installed(name: str = "zig") -> bool:
    """Whether `find` would find it."""
    try:
        find(name)
    except UsageError:
        return False
    return True


def _run(command: Sequence[str]) -> str:
    """Standard output of `command`; raises `UsageError` with all it said when it fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    except OSError as error:
        raise UsageError(f"cannot run {command[0]}: {error.strerror}") from error
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip()) or f"exit code {done.returncode}"
        raise UsageError(f"build failed: {said}")
    return done.stdout
