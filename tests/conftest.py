"""Fixtures that several test modules share."""

from __future__ import annotations

import gc
import hashlib
import json
import os
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from engines import default_engine
from hypothesis import settings
from json_schemas import require_of_verb
from slowest_files import SlowestFiles, add_option

import m0sim.chip.engine.unicorn_run
from m0sim import cli, files, toolchain
from m0sim.chip.engine.unicorn_run import UnicornRun
from m0sim.errors import UsageError

FIRMWARE = Path(__file__).parent / "firmware"
LINKER_SCRIPT = Path(__file__).parents[1] / "kernels" / "m0sim.ld"

Build = Callable[..., Path]

# How long an example takes depends on who else uses the machine: no test fails by that. Examples are the same in every
# run, so that a red test is the change's doing; `make test-all` draws others each time. The quick run has half as many
# as the others.
settings.register_profile("m0sim", deadline=None, derandomize=True, max_examples=50)
settings.register_profile("long", deadline=None, derandomize=True, max_examples=100)
settings.register_profile("random", deadline=None, max_examples=100)
settings.load_profile("m0sim")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, Any, Any]:
    """What collecting thousands of tests leaves is there until the end: whoever looks for garbage need not look at it,
    which took a second each time."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.fixture(scope="module", autouse=True)
def _emulators_are_freed() -> Iterator[None]:
    """Unicorn's binding keeps an emulator in a cycle, and thousands of tests make one each."""
    yield
    gc.collect()


@pytest.fixture(scope="session", autouse=True)
def _this_process_goes_on() -> Iterator[None]:
    """The command line tunes the garbage collector for a process that ends, and tests call it thousands of times."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(cli, "gc", Mock(spec=gc))
        yield


@pytest.fixture(scope="session", autouse=True)
def _json_is_as_its_schema_says() -> Iterator[None]:
    """Whatever a verb writes as JSON in this process, in any test, has the names of its schema and no other."""
    text_of = files.json_text

    def checked(result: Mapping[str, Any]) -> str:
        text = text_of(result)
        require_of_verb(json.loads(text))
        return text

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(files, "json_text", checked)
        yield


@pytest.fixture
def readers_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The empty folder of someone who follows a page; what the page does to PATH is put back afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", os.environ["PATH"])
    return tmp_path


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """``build("memory.c", "pools.S", toolchain="zig", flags=("-O1", "-g")) -> Path`` of an ELF.

    Names are files in tests/firmware, or paths; each combination is built once a session. Skips the test when the
    toolchain is not installed.
    """
    folder = tmp_path_factory.mktemp("firmware")

    def built(
        *sources: str | Path, toolchain: str = "zig", flags: tuple[str, ...] = ("-O1", "-g"), **more: object
    ) -> Path:
        paths = [FIRMWARE / source for source in sources]
        key = hashlib.sha256(repr((paths, toolchain, flags, sorted(more.items(), key=str))).encode()).hexdigest()[:12]
        output = folder / f"{paths[0].stem}-{toolchain}-{key}.elf"
        if not output.exists():
            more.setdefault("linker_script", LINKER_SCRIPT)
            found_toolchain(toolchain).build(paths, output, flags=flags, **more)
        return output

    return built


def pytest_addoption(parser: pytest.Parser) -> None:
    add_option(parser)


def pytest_configure(config: pytest.Config) -> None:
    if files := config.getoption("--slowest-files"):
        config.pluginmanager.register(SlowestFiles(files))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Tests marked `engines` run on each of those: calls that name no engine run there. The nearest mark counts."""
    mark = metafunc.definition.get_closest_marker("engines")
    if mark is not None and len(mark.args) > 1:
        metafunc.fixturenames.append("_engine")
        long = [pytest.param("simple", marks=pytest.mark.long)] if "fast" in mark.args else []
        metafunc.parametrize("_engine", [*mark.args, *long], indirect=True)


@pytest.fixture
def _engine(request: pytest.FixtureRequest) -> Iterator[None]:
    with default_engine(request.param):
        yield


class Slices:
    """How many slices of runs have ended since `count` was set to 0."""

    count = 0


@pytest.fixture
def short_slices(monkeypatch: pytest.MonkeyPatch) -> Slices:
    """Every run is cut before each block, and what is cut is counted."""
    slices = Slices()
    goes_on = UnicornRun._after_limit

    def counted(self: UnicornRun, *args: Any) -> int:
        slices.count += 1
        return goes_on(self, *args)

    monkeypatch.setattr(UnicornRun, "_after_limit", counted)
    monkeypatch.setattr(m0sim.chip.engine.unicorn_run, "_FIRST_SLICE", 1)
    monkeypatch.setattr(m0sim.chip.engine.unicorn_run, "_LATER_SLICES", 1)
    return slices


def found_toolchain(name: str) -> toolchain.Toolchain:
    """The toolchain `name`; skips the test where it is not installed."""
    try:
        return toolchain.find(name)
    except UsageError as missing:
        pytest.skip(str(missing))


def examples(count: int) -> int:
    """How many examples a random test has in this run, if it has `count` in the long one."""
    return count * settings.default.max_examples // 100


def quick_of(values: Iterable[Any], quick: Collection[Any]) -> list[Any]:
    """Parameters of which the quick run has those that are in `quick`, and the long run all others."""
    return [value if value in quick else pytest.param(value, marks=pytest.mark.long) for value in values]


def parts(values: Sequence[Any], long: int) -> list[Any]:
    """Parameters of random tests that are long: the first `long` of `values`; the others repeat them: exhaustive."""
    return [*values[:long], *(pytest.param(value, marks=pytest.mark.exhaustive) for value in values[long:])]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The kernels' tests with a second toolchain repeat all the first one's: they belong to the long run.

    What is `exhaustive` is `long` as well, so that ``-m "not long"`` leaves it out.
    """
    for item in items:
        if item.get_closest_marker("exhaustive"):
            item.add_marker(pytest.mark.long)
        if item.path.stem.startswith("test_kernels") and "gnu" in item.nodeid.rpartition("[")[2]:
            item.add_marker(pytest.mark.long)
