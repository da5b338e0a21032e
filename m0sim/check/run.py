"""The whole of ``m0sim check`` and ``m0sim diff``, without their output."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from m0sim.check import baseline, inputs, measure, on_board
from m0sim.check.bench import Bench, CallBench
from m0sim.check.figures import Figures
from m0sim.check.growth import growths
from m0sim.check.limits import Limits
from m0sim.check.manifest import Manifest
from m0sim.check.measure import Images, Measurement, Progress
from m0sim.check.result import Result
from m0sim.check.verdict import Verdict, is_new, judge, written
from m0sim.chip.options import Engine
from m0sim.errors import M0simError, UsageError


@dataclass(frozen=True, slots=True)
class Options:
    """What a user may ask of a check."""

    only: tuple[str, ...] = ()
    """Names of benches; empty for all."""
    jobs: int = 1
    against: Path | None = None
    """Another build of the manifest's image to compare with, instead of the baseline."""
    baseline: Path | None = None
    """The baseline's file; None for the one beside the manifest."""
    strict: bool = False
    """Whether a bench without a baseline fails."""
    updates: bool = False
    """Whether the figures become the baseline: then nothing but the budgets is a limit."""
    engine: Engine | None = None
    """What executes all benches; None for what each of them says."""
    all_engines: bool = False
    """Whether the engines must agree, where both can count a bench."""
    board: Path | None = None
    """The log of a board that must agree, too."""

    def path(self, manifest: Manifest) -> Path:
        """The baseline's file."""
        return self.baseline or manifest.baseline

    @property
    def words(self) -> tuple[str, ...]:
        """As they are typed; none that leave the result as it is."""
        paths = (("--against", self.against), ("--baseline", self.baseline), ("--board", self.board))
        flags = (("--strict", self.strict), ("--update", self.updates))
        return (
            *(word for name in self.only for word in ("--only", name)),
            *(word for option, path in paths if path is not None for word in (option, str(path))),
            *(() if self.engine is None else ("--engine", self.engine)),
            *(("--engine", "all") if self.all_engines else ()),
            *(option for option, is_set in flags if is_set),
        )


def check(manifest: Manifest, options: Options, progress: Progress | None = None) -> Result:
    """Measure the benches and compare them with the baseline or with another image.

    Raises `UsageError` for what the manifest has wrong, and for a damaged baseline, before anything is measured.
    """
    benches = manifest.only(options.only)
    if options.engine is not None:
        benches = tuple(replace(bench, engine=options.engine) for bench in benches)
    if options.all_engines:
        benches = tuple(replace(bench, all_engines=True) for bench in benches)
    log = None if options.board is None else on_board.read_log(options.board)
    images = Images()
    measure.verify(benches, images)
    read = [*inputs.source("manifest", manifest.path), *inputs.of_images("image", images.read)]
    if options.against is None:
        old, notes = _stored(manifest, options)
        read += inputs.source("baseline", options.path(manifest))
    else:
        others = Images()
        old, notes = _measured_before(manifest, benches, options, others)
        read += inputs.of_images("old image", [image for image in others.read if image.path == options.against])
    read += inputs.of_benches(benches)
    found = measure.measure(benches, manifest.folder, images=images, jobs=options.jobs, progress=progress)
    if log is not None:
        found = [on_board.compared(m, bench, log) for m, bench in zip(found, benches, strict=True)]
        notes = [*notes, *on_board.notes(benches, log)]
        read += inputs.source("board", log.path)
    if options.all_engines:
        notes = [*notes, *_on_one_engine(benches)]
    verdicts = tuple(_judged(m, old.get(m.name), b.limits, options) for m, b in zip(found, benches, strict=True))
    if options.updates and all(verdict.status != "failed" for verdict in verdicts):  # else nothing is written
        verdicts = tuple(written(verdict, old.get(verdict.name)) for verdict in verdicts)
    places = {bench.name: bench.place for bench in benches}
    return Result(
        verdicts,
        tuple(notes),
        manifest.path,
        places,
        growths(benches, verdicts),
        command=("m0sim", "check", str(manifest.path), *options.words),
        files=tuple(read),
    )


def _on_one_engine(benches: tuple[Bench, ...]) -> list[str]:
    """What is to be said of benches that only one engine can count."""
    alone = [bench.name for bench in benches if not (isinstance(bench, CallBench) and bench.runs_on_both)]
    if not alone:
        return []
    return [f"on the timed engine alone, as no other can count them: {on_board.shortened_list(alone)}"]


def _judged(measured: Measurement, old: Figures | None, limits: Limits, options: Options) -> Verdict:
    if options.updates:
        return judge(measured, old, limits.while_updating())
    return judge(measured, old, limits, strict=options.strict)


def _stored(manifest: Manifest, options: Options) -> tuple[dict[str, Figures], list[str]]:
    """The baseline, and what is to be said of it. A file that must be there or cannot be written is refused."""
    path = options.path(manifest)
    if options.updates and not path.parent.is_dir():
        raise UsageError(f"{path}: cannot write: there is no folder {path.parent}")
    if not options.updates and not baseline.exists(path):
        if options.baseline is not None:
            raise UsageError(f"{path}: there is no such baseline: `m0sim check --update` with it writes one")
        return {}, ["there is no baseline yet: m0sim check --update writes one"]
    old = baseline.read(path)
    gone = [] if options.only else sorted(old.keys() - {bench.name for bench in manifest.benches})
    return old, [f"the baseline has a bench {name!r} that the manifest has not" for name in gone]


def _measured_before(
    manifest: Manifest, benches: tuple[Bench, ...], options: Options, images: Images
) -> tuple[dict[str, Figures], list[str]]:
    """Figures of the other image, and what it could not run; `images` reads it."""
    if options.against is None or manifest.image is None:
        raise UsageError(f"{manifest.path}: names no image of its own, so there is nothing to compare with --against")
    others = measure.with_image(benches, manifest.image, options.against)
    for bench in others[:1]:
        images.image(bench.image, bench.base, bench.symbols)  # better refused as a whole than bench by bench
    found = measure.measure(others, manifest.folder, images=images, jobs=options.jobs)
    notes = [f"{options.against}: bench {m.name!r}: {m.failure.text}" for m in found if m.failure is not None]
    return {m.name: m.figures for m in found if m.figures is not None and m.failure is None}, notes


def update(manifest: Manifest, options: Options, result: Result) -> str:
    """Write what was measured as the baseline; says what was done, such as ``written: 1 new, 2 updated, 5 unchanged``.

    With `Options.only`, the other benches keep their entries. Raises `M0simError`, and writes nothing, when a bench
    failed.
    """
    failed = [verdict.name for verdict in result.verdicts if verdict.status == "failed"]
    path = options.path(manifest)
    if failed:
        raise M0simError(f"{path}: not written: {', '.join(map(repr, failed))} failed")
    found = {v.name: v.figures for v in result.verdicts if v.figures is not None}
    old = baseline.read(path)
    if not baseline.update(path, found, keeps_others=bool(options.only)):
        return "is up to date"
    changed = [name for name, figures in found.items() if is_new(old.get(name), figures)]
    counts = {
        "new": len(found.keys() - old.keys()),
        "updated": len(old.keys() & set(changed)),
        "unchanged": len(found) - len(changed),
        "removed": 0 if options.only else len(old.keys() - found.keys()),
    }
    return "written: " + ", ".join(f"{n} {what}" for what, n in counts.items() if n or what != "removed")


def diff(old: Path, new: Path) -> Result:
    """Compare two baselines, or two objects of ``m0sim call --json``: every bench of either. Raises `UsageError`."""
    before, after = baseline.read_any(old), baseline.read_any(new)
    notes = []
    if isinstance(before, Figures) and isinstance(after, Figures) and before.function != after.function:
        notes = [f"{after.function!r} of {new} is compared with {before.function!r} of {old}"]
        before = {after.function: before}
    olds, news = _by_name(before), _by_name(after)
    notes += [f"{name!r} is in {old} only" for name in sorted(olds.keys() - news.keys())]
    verdicts = [
        judge(Measurement(name, news[name]), olds.get(name), Limits(), across_waits=True) for name in sorted(news)
    ]
    read = [*inputs.source("old", old), *inputs.source("new", new)]
    return Result(tuple(verdicts), tuple(notes), command=("m0sim", "diff", str(old), str(new)), files=tuple(read))


def _by_name(found: dict[str, Figures] | Figures) -> dict[str, Figures]:
    """A single run goes by its function's name."""
    return {found.function: found} if isinstance(found, Figures) else found
