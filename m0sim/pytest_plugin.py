"""A pytest plugin: the fixture ``m0sim`` runs firmware in a test and checks what it costs; docs/pytest.md.

    def test_dot(m0sim):
        m = m0sim("build/app.elf")
        cost = m.call("dot_s8", m.alloc(a), m.alloc(b), 1000)
        assert cost.result == expected
        m0sim.check(cost, max_cycles=13_000)

Every pytest run of a project that has m0sim installed imports this file: what takes time is imported when it is used.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from m0sim.check.figures import Figures
    from m0sim.cost import Cost
    from m0sim.image import Image
    from m0sim.machine import Machine

_BASELINE = "m0sim-tests-baseline.json"
_HEADINGS = ("test", "status", "cycles", "stack", "SRAM", "code")
_OUTPUT = "m0sim_checks"


@dataclass(frozen=True, slots=True)
class Checked:
    """One check of one cost, as a worker of pytest-xdist hands it to the main process: plain values only."""

    name: str
    """The test's node id; with the check's own name, or its number from the second one on, behind it."""
    test: str
    """The test's node id."""
    cells: list[str]
    """Its row in the table at the end."""
    figures: dict[str, Any]
    """What the baseline keeps."""


class Checks:
    """All checks of a run, and the baseline that they are compared with."""

    def __init__(self, config: pytest.Config) -> None:
        self.folder = config.rootpath
        self.path = config.rootpath / (config.getoption("m0sim_baseline") or config.getini("m0sim_baseline"))
        self.updates: bool = config.getoption("m0sim_update")
        self.is_worker = hasattr(config, "workerinput")
        self.done: dict[str, Checked] = {}
        self.failed: set[str] = set()
        self._old: Mapping[str, Figures] | None = None
        self._images: dict[tuple[Path, int | None], Image] = {}

    def baseline(self) -> Mapping[str, Figures]:
        """The stored costs by check, read once."""
        if self._old is None:
            from m0sim.check import baseline

            self._old = baseline.read(self.path)
        return self._old

    def image(self, path: Path, base: int | None) -> Image:
        """An image, read once a run."""
        from m0sim.image import load_elf, load_raw

        if (path, base) not in self._images:
            self._images[path, base] = load_elf(path) if base is None else load_raw(path, base)
        return self._images[path, base]

    def updated(self) -> int | None:
        """Write the costs of the tests that passed into the baseline. How many; None where nothing changed."""
        from m0sim.check import baseline

        passed = [c for c in self.done.values() if c.test not in self.failed]
        found = {c.name: baseline.figures_of(c.figures) for c in passed}
        return len(found) if found and baseline.write(self.path, {**self.baseline(), **found}) else None

    # -- hooks

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Any:
        report: pytest.TestReport = yield
        if report.failed:
            self.failed.add(item.nodeid)
        return report

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """What a worker of pytest-xdist found; a worker that crashed has nothing to tell."""
        found = getattr(node, "workeroutput", {}).get(_OUTPUT)
        if found is not None:
            self.done |= {values["name"]: Checked(**values) for values in found["done"]}
            self.failed |= set(found["failed"])

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.is_worker and self.done:
            output = {"done": [asdict(c) for c in self.done.values()], "failed": sorted(self.failed)}
            session.config.workeroutput[_OUTPUT] = output  # type: ignore[attr-defined]

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        if self.is_worker or not self.done:
            return
        from m0sim.check.formats import text

        rows = [_HEADINGS, *(tuple(self.done[name].cells) for name in sorted(self.done))]
        terminalreporter.section("m0sim")
        for line in text.columns(rows, left=(0, 1)):
            terminalreporter.write_line(line)
        if self.updates:
            count = self.updated()
            said = "is unchanged" if count is None else f"now has the costs of {count} checks that passed"
            terminalreporter.write_line(f"{self.path} {said}")


class Bench:
    """What the fixture gives a test: call it for a machine, and let it check costs."""

    def __init__(self, checks: Checks, test: str) -> None:
        self._checks = checks
        self._test = test
        self._count = 0
        self._images: dict[int, tuple[Cost, Image]] = {}

    def __call__(self, image: str | Path, profile: str = "rp2040", *, base: int | None = None) -> Machine:
        """A fresh machine with an ELF file in it, or, with `base`, a raw binary that runs at that address.

        A relative path starts at pytest's root folder. Raises `UsageError` for what cannot be loaded.
        """
        from m0sim import device
        from m0sim.machine import Machine

        images = self._images

        class Recorded(Machine):
            """A machine whose costs are remembered with the image that they are of."""

            def call(self, *args: Any, **options: Any) -> Cost:
                cost = super().call(*args, **options)
                images[id(cost)] = cost, self.image
                return cost

        return Recorded(self._checks.image(self._checks.folder / image, base), device.load(profile))

    def check(
        self,
        cost: Cost,
        *,
        max_cycles: int | None = None,
        max_stack: int | str | None = None,
        max_sram: int | str | None = None,
        max_code: int | str | None = None,
        tolerance: str | Mapping[str, str] = "0%",
        name: str = "",
    ) -> None:
        """Fail the test where a cost is over a hard limit, or above the stored baseline by more than `tolerance`.

        Limits are cycles or bytes (also "16K"); `tolerance` is "5%" for the cycles, or a mapping such as
        ``{"cycles": "5%", "stack": "0%"}``. `name` tells several checks of one test apart. A check without a baseline
        passes; ``pytest --m0sim-update`` writes one. Raises `UsageError` for a limit that is none.
        """
        __tracebackhide__ = True
        from m0sim.check.compare import judge
        from m0sim.check.figures import Figures
        from m0sim.check.formats import text
        from m0sim.check.limits import Limits
        from m0sim.check.measure import Measurement

        limits = Limits.of(
            max_cycles=max_cycles, max_stack=max_stack, max_sram=max_sram, max_code=max_code, tolerance=tolerance
        )
        figures = Figures.of(cost, self._image_of(cost), self._checks.folder)
        key = self._name(name)
        old = None if self._checks.updates else self._checks.baseline().get(key)
        verdict = judge(Measurement(key, figures, warnings=cost.warnings), old, limits)
        self._note(key, figures, text.row(verdict))
        if verdict.is_bad:
            pytest.fail(text.explain(verdict))

    def _image_of(self, cost: Cost) -> Image:
        from m0sim.errors import UsageError

        if id(cost) not in self._images:
            raise UsageError("m0sim.check() takes what a machine of this test's m0sim(...) returned from call()")
        return self._images[id(cost)][1]

    def _name(self, name: str) -> str:
        self._count += 1
        own = name or (f"#{self._count}" if self._count > 1 else "")
        return f"{self._test} {own}".rstrip()

    def _note(self, key: str, figures: Figures, cells: tuple[str, ...]) -> None:
        from m0sim.check import baseline

        self._checks.done[key] = Checked(key, self._test, list(cells), baseline.bench_object(figures))


@pytest.fixture
def m0sim(request: pytest.FixtureRequest) -> Bench:
    """Run firmware on a simulated Cortex-M0+: ``m0sim(ELF)`` is a machine, ``m0sim.check(cost)`` checks a cost."""
    checks: Checks = request.config.stash[_CHECKS]
    return Bench(checks, request.node.nodeid)


_CHECKS = pytest.StashKey[Checks]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--m0sim-update`` and where the baseline is."""
    group = parser.getgroup("m0sim", "cost of Cortex-M0+ code")
    group.addoption("--m0sim-update", action="store_true", help="Store the costs of the tests that pass.")
    group.addoption("--m0sim-baseline", metavar="FILE", help="Where costs are stored, from the root folder.")
    parser.addini("m0sim_baseline", "Where costs are stored, from the root folder.", default=_BASELINE)


def pytest_configure(config: pytest.Config) -> None:
    """One `Checks` a run."""
    config.stash[_CHECKS] = checks = Checks(config)
    config.pluginmanager.register(checks, "m0sim-checks")
