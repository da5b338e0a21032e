"""The profile formats that a `Cost` can be written in: m0sim's by the name of their option, and those of packages."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from m0sim import files, plugins
from m0sim.chip.cost import Cost
from m0sim.errors import UsageError, did_you_mean
from m0sim.image import Image
from m0sim.report import callgrind, firefox_profiler, inlined, lcov, pprof, speedscope, stacks
from m0sim.report.on_core import OnCore
from m0sim.report.sources import Sources

Export = Callable[[Cost, Image], str | bytes]
"""Makes the content of a file."""
FORMATS: Mapping[str, Export] = {
    "callgrind": callgrind.profile,
    "speedscope": speedscope.profile,
    "collapsed": stacks.collapsed,
    "pprof": pprof.profile,
    "firefox": firefox_profiler.profile,
    "lcov": lcov.tracefile,
}
_OF_CORES: Mapping[str, Callable[[Sequence[OnCore], Image], str | bytes]] = {
    "callgrind": callgrind.profile_of,
    "speedscope": speedscope.profile_of,
    "collapsed": stacks.collapsed_of,
    "pprof": pprof.profile_of,
    "firefox": firefox_profiler.profile_of,
}
"""The same of several cores; lcov wants to know of sources, too."""
_BY_STACK = ("speedscope", "collapsed", "pprof", "firefox")
"""Those with cycles by stack, where the cycles of inlined code may be shared out among contexts."""


def notes(cores: Sequence[OnCore], image: Image, wanted: Mapping[str, Path | None]) -> list[str]:
    """What is not exact in the formats that have a path."""
    if not any(wanted.get(name) for name in _BY_STACK):
        return []
    found = [inlined.stacks(core.cost, inlined.inlining(core.cost, image)).note for core in cores]
    return [note for note in dict.fromkeys(found) if note]


def write(
    cores: Sequence[OnCore], image: Image, wanted: Mapping[str, Path | None], sources: Sources | None = None
) -> None:
    """Write the formats that have a path, each file whole or not at all. `sources` is as for `lcov.tracefile`.

    Raises `UsageError` when a file cannot be written, and for lcov when the image has no line information.
    """
    for name, path in wanted.items():
        if path is not None:
            is_lcov = name == "lcov"
            files.write(path, lcov.tracefile_of(cores, image, sources) if is_lcov else _OF_CORES[name](cores, image))


def installed_exports(texts: Sequence[str]) -> tuple[tuple[Export, Path], ...]:
    """What ``--export NAME=FILE`` asks for. Raises `UsageError`, before any work, for what there is not."""
    return tuple(_asked(text) for text in texts)


def _asked(text: str) -> tuple[Export, Path]:
    name, equals, path = text.partition("=")
    if not equals or not name or not path:
        raise UsageError(f"--export {text!r}: write NAME=FILE")
    files.check_folder(Path(path))
    return export_of(name), Path(path)


def export_of(name: str) -> Export:
    """The function of an installed package that makes an export. Raises `UsageError`."""
    if name in FORMATS:
        raise UsageError(f"--export {name}: m0sim has it itself: --{name} FILE")
    found = plugins.installed(plugins.EXPORTS)
    if name not in found:
        known = f"there are {', '.join(found)}" if found else "no installed package brings one, see docs/plugins.md"
        raise UsageError(f"no export {name!r}{did_you_mean(name, found)} ({known})")
    where = plugins.described(found[name], "export")
    made = plugins.load(found[name], "export")
    if not callable(made):
        raise UsageError(f"{where}: is no function of a cost and an image, but {type(made).__name__}")

    def export(cost: Cost, image: Image) -> str | bytes:
        try:
            content = made(cost, image)
        except Exception as error:
            raise plugins.failed(where, "failed", error) from error
        if not isinstance(content, str | bytes):
            raise UsageError(f"{where}: gave {type(content).__name__}, and must give str or bytes")
        return content

    return export
