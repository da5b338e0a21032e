"""``make wheels``: a wheel for every platform from this machine; that of this machine in an empty environment."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
import venv
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import firmware_images
import pytest
import shared_objects
from conftest import Build

from m0sim import __version__, schemas
from m0sim.build_libraries import TARGETS, host
from m0sim.libraries import CORE, DEMANGLER

ROOT = Path(__file__).resolve().parents[1]
LIBRARIES = (CORE, DEMANGLER)
MACHINES = {
    "linux-x86_64": ("ELF", "EM_X86_64"),
    "linux-aarch64": ("ELF", "EM_AARCH64"),
    "linux-x86_64-musl": ("ELF", "EM_X86_64"),
    "linux-aarch64-musl": ("ELF", "EM_AARCH64"),
    "macos-x86_64": ("Mach-O", "x86-64"),
    "macos-arm64": ("Mach-O", "arm64"),
    "windows-x86_64": ("PE", "x86-64"),
}
CORE_EXPORTS = set(
    re.findall(r"M0_EXPORT (?:extern )?[\w ]+?\*?(m0_\w+)[(\[]", (CORE.folder / "functions.h").read_text())
)

pytestmark = pytest.mark.long


Made = Callable[[str], Path]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Makes the wheel of a target as the Makefile does, when it is asked for: each of xdist's workers has some."""
    if importlib.util.find_spec("hatchling") is None:
        pytest.skip("hatchling is not installed")

    @cache
    def of(name: str) -> Path:
        folder = tmp_path_factory.mktemp(name)
        command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
        subprocess.run(command, cwd=ROOT, env={**os.environ, "M0SIM_TARGET": name}, check=True, capture_output=True)
        (wheel,) = folder.glob("*.whl")
        return wheel

    return of


def test_there_is_one_for_every_target() -> None:
    assert MACHINES.keys() == TARGETS.keys()
    done = subprocess.run(["make", "-n", "wheels"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert re.findall("M0SIM_TARGET=(\\S+)", done.stdout) == list(TARGETS)


@pytest.mark.parametrize("name", TARGETS)
def test_a_wheel_has_the_libraries_of_its_platform(made: Made, name: str) -> None:
    target = TARGETS[name]
    assert made(name).name == f"m0sim-{__version__}-py3-none-{target.tag}.whl"
    with zipfile.ZipFile(made(name)) as wheel:
        files = set(wheel.namelist())
        assert "m0sim/kernels/m0k.elf" in files
        assert {f"m0sim/schemas/{each}.json" for each in schemas.names()} <= files
        assert {"m0sim/kernels/dense.S", "m0sim/kernels/run.S", "m0sim/kernels/macros.inc"} <= set(
            files
        )  # for export-model
        assert "m0sim/chip/native/core.h" in files
        for built in ("m0sim/chip/bootrom/rp2040.elf", "m0sim/board/runtime/rp2040.elf"):
            assert str(ROOT).encode() not in wheel.read(built)
        names = {f"{lib.folder.relative_to(ROOT).as_posix()}/{lib.file_name(target.platform)}" for lib in LIBRARIES}
        assert names == {file for file in files if file.endswith((".so", ".dylib", ".dll"))}
        for library in LIBRARIES:
            path = library.folder.relative_to(ROOT).as_posix()
            found = shared_objects.read(wheel.read(f"{path}/{library.file_name(target.platform)}"))
            assert (found.format, found.machine) == MACHINES[name]
            assert found.exports == (CORE_EXPORTS if library is CORE else {"m0_demangle"})
            assert found.imports <= {"/usr/lib/libSystem.B.dylib"} | (
                {"libc.so.6", "libc.so"} if on_arm(name, library) else set()
            )
            allowed = {"setjmp", "longjmp", "_setjmp", "_longjmp"} if on_arm(name, library) else set()
            assert found.undefined <= allowed | {"dyld_stub_binder"}
        metadata = next(wheel.read(file).decode() for file in files if file.endswith(".dist-info/WHEEL"))
        assert f"Tag: py3-none-{target.tag}\n" in metadata
        assert "Root-Is-Purelib: false" in metadata


def on_arm(name: str, library: object) -> bool:
    """There the demangler leaves by the C library's longjmp."""
    return library is DEMANGLER and ("aarch64" in name or "arm64" in name)


def test_the_one_of_this_machine_works_alone(made: Made, build: Build, tmp_path: Path) -> None:
    """With what it depends on and nothing else, far from the checkout, and without a compiler."""
    venv.create(tmp_path / "env", with_pip=True)
    programs = tmp_path / "env/bin"
    install = [str(programs / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    done = subprocess.run([*install, str(made(host()))], capture_output=True, text=True)
    if done.returncode and "No matching distribution" in done.stderr:
        pytest.skip("pip finds no packages here")
    assert done.returncode == 0, done.stderr
    clean = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}

    def m0sim(*arguments: str) -> str:
        command = [str(programs / "m0sim"), *arguments]
        return subprocess.run(command, cwd=tmp_path, env=clean, capture_output=True, text=True, check=True).stdout

    image = build("shapes.cpp")
    cost = json.loads(m0sim("call", str(image), "use_shapes", "--json"))
    assert cost["result"] == 8 + 8 + 4 + 6 + 3
    assert "int geometry::twice<int>(int)" in m0sim("list", str(image))
    echo = firmware_images.build("echo", tmp_path)
    (tmp_path / "typed").write_text("hello, World 123.")
    run = json.loads(m0sim("run", str(echo), "--stdin", "typed", "--for", "1s", "--json"))
    assert (run["exit"]["reason"], run["output"]) == ("exit", "ready\nHELLO, WORLD 123.")
    for verb, *options in (["compare"], ["sweep", "x.toml"], ["budget", "--sram", "16K"]):
        refused = subprocess.run([str(programs / "m0sim"), verb, *options], env=clean, capture_output=True, text=True)
        said = f"m0sim: {verb} needs the study: pip install 'm0sim[study]'\n"
        assert (refused.returncode, refused.stdout, refused.stderr) == (2, "", said)
    listed = subprocess.run([*install[:3], "list", "--format", "json"], capture_output=True, text=True, check=True)
    assert not {"ziglang", "matplotlib", "dask", "pyarrow", "numba", "llvmlite", "itanium-demangler"} & {
        p["name"] for p in json.loads(listed.stdout)
    }
