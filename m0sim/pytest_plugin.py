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
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from m0sim.check.figures import Figures
    from m0sim.check.limits import Budget
    from m0sim.check.measure import Failure, Images
    from m0sim.chip.cost import Cost
    from m0sim.chip.device import Device
    from m0sim.chip.firmware import Firmware
    from m0sim.chip.machine import Machine
    from m0sim.chip.options import Engine, FlashModel
    from m0sim.chip.run_cost import RunCost
    from m0sim.image import Image

_BASELINE = "m0sim-tests-baseline.json"
_OUTPUT = "m0sim_checks"
_UPDATE = "pytest --m0sim-update"


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
        self.strict: bool = config.getoption("m0sim_strict") and not self.updates
        self.is_worker = hasattr(config, "workerinput")
        self.done: dict[str, Checked] = {}
        self.not_passed: set[str] = set()
        self._update_said = ""
        self._update_failed = False

    @cached_property
    def baseline(self) -> Mapping[str, Figures]:
        """The stored costs by check. Raises `UsageError` where they are damaged."""
        __tracebackhide__ = True
        from m0sim.check import baseline

        return baseline.read(self.path, _UPDATE)

    @cached_property
    def images(self) -> Images:
        """Images and profiles, each read once a run."""
        from m0sim.check.measure import Images

        return Images()

    def update(self) -> str:
        """Write the costs of the tests that passed into the baseline, and tell what became of it."""
        from m0sim.check import baseline

        passed = [c for c in self.done.values() if c.test not in self.not_passed]
        found = {c.name: baseline.figures_of(c.figures) for c in passed}
        if not found or not baseline.update(self.path, found, keeps_others=True, command=_UPDATE):
            return f"{self.path} is unchanged"
        checks = "check" if len(found) == 1 else "checks"
        return f"{self.path} now has the costs of {len(found)} {checks} that passed"

    # -- hooks

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Any:
        report: pytest.TestReport = yield
        if not report.passed:
            self.not_passed.add(item.nodeid)
        return report

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """What a worker of pytest-xdist found; a worker that crashed has nothing to tell."""
        found = getattr(node, "workeroutput", {}).get(_OUTPUT)
        if found is not None:
            self.done |= {values["name"]: Checked(**values) for values in found["done"]}
            self.not_passed |= set(found["not_passed"])

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if not self.done:
            return
        if self.is_worker:
            output = {"done": [asdict(c) for c in self.done.values()], "not_passed": sorted(self.not_passed)}
            session.config.workeroutput[_OUTPUT] = output  # type: ignore[attr-defined]
        elif self.updates:
            self._finish_update(session)

    def _finish_update(self, session: pytest.Session) -> None:
        from m0sim.errors import M0simError

        try:
            self._update_said = self.update()
        except M0simError as error:
            self._update_said, self._update_failed = str(error), True
            if session.exitstatus == pytest.ExitCode.OK:
                session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        if self.is_worker or not self.done:
            return
        from m0sim.check.formats import text

        terminalreporter.section("m0sim")
        for line in text.table((self.done[name].cells for name in sorted(self.done)), "test"):
            terminalreporter.write_line(line)
        if self._update_said:
            terminalreporter.write_line(self._update_said, red=self._update_failed)


class Fixture:
    """What the fixture gives a test: call it for a machine, and let it check costs."""

    def __init__(self, checks: Checks, test: str) -> None:
        self._checks = checks
        self._test = test
        self._calls = 0
        self._unnamed = 0
        self._keys: set[str] = set()
        self._images: dict[tuple[object, ...], Image] = {}
        """Those of this test's machines, by what a cost's provenance says of them."""

    def __repr__(self) -> str:
        return f"<m0sim of {self._test}: {self._calls} calls, {len(self._keys)} checks>"

    def __call__(
        self,
        image: str | Path,
        profile: str = "rp2040",
        *,
        base: int | None = None,
        symbols: str | Path | None = None,
        flash: FlashModel = "ideal",
        engine: Engine | None = None,
        clock: int | str | None = None,
        bootrom: str | Path | None = None,
        startup: bool | str = False,
    ) -> Machine:
        """A fresh machine with an ELF, HEX or UF2 file in it, or, with `base`, a raw binary that runs at that address.

        `symbols` is the ELF that a file without names was made from. Relative paths start at pytest's root folder.
        `flash`, `engine` and `startup` are what `Machine.call` has for calls that say nothing else; `clock` is hertz,
        or a text such as "64M"; `bootrom` is as for a `Machine`. Raises `UsageError` for what cannot be loaded, and for
        what the part does not have.
        """
        __tracebackhide__ = True
        from m0sim.chip.machine import Machine
        from m0sim.chip.options import chosen_engine, flash_model_of

        fixture = self

        class Counted(Machine):
            """A machine whose calls the fixture's `repr` counts."""

            def call(self, *args: Any, **options: Any) -> Cost:
                __tracebackhide__ = True
                cost = super().call(*args, **{"flash": flash, "engine": engine, "startup": startup, **options})
                fixture._calls += 1
                return cost

        chip = self._device(profile, clock)
        chosen_engine(engine, "cycles", flash_model_of(flash))
        if flash != "ideal":
            chip.require_flash_model()
        machine = Counted(self._load(image, base, symbols), chip, bootrom=self._path(bootrom))
        if startup:
            machine.start_up("main" if startup is True else startup)
        return machine

    def firmware(
        self,
        image: str | Path,
        profile: str = "rp2040",
        *,
        base: int | None = None,
        symbols: str | Path | None = None,
        clock: int | str | None = None,
        bootrom: str | Path | None = None,
    ) -> Firmware:
        """The same file as whole firmware: each `Firmware.run` begins at reset, and what it returns can be checked."""
        __tracebackhide__ = True
        from m0sim.chip.firmware import Firmware

        chip = self._device(profile, clock)
        return Firmware(self._load(image, base, symbols), chip, bootrom=self._path(bootrom))

    def _path(self, path: str | Path | None) -> Path | None:
        return None if path is None else self._checks.folder / path

    def _device(self, profile: str, clock: int | str | None) -> Device:
        __tracebackhide__ = True
        from m0sim.chip import device

        return self._checks.images.device(profile, None if clock is None else device.clock(str(clock)))

    def _load(self, image: str | Path, base: int | None, symbols: str | Path | None) -> Image:
        __tracebackhide__ = True
        names = self._path(symbols)
        loaded = self._checks.images.image(self._checks.folder / image, base, names)
        self._images[str(loaded.path), loaded.sha256, base, None if names is None else str(names)] = loaded
        return loaded

    def check(
        self,
        cost: Cost | RunCost,
        *,
        max_cycles: int | None = None,
        max_stack: Budget | None = None,
        max_sram: int | str | None = None,
        max_code: int | str | None = None,
        max_awake: int | None = None,
        max_first_output: int | None = None,
        max_latency: Budget | None = None,
        max_entries: Budget | None = None,
        max_energy: str | None = None,
        tolerance: str | Mapping[str, str] = "0%",
        name: str = "",
    ) -> None:
        """Fail the test where a cost is over a hard limit, or above the stored baseline by more than `tolerance`.

        The limits from `max_awake` on are for runs of firmware: docs/check.md. A run that a fault ended fails, too.
        Limits are cycles or bytes (also "16K"); `tolerance` is "5%" for the cycles, or a mapping such as
        ``{"cycles": "5%", "stack": "0%"}``. `name` tells several checks of one test apart. A check without a baseline
        passes; ``pytest --m0sim-update`` writes one. Raises `UsageError` for a limit that is none, and a name twice.
        """
        __tracebackhide__ = True
        from m0sim.check.figures import Figures
        from m0sim.check.formats import text
        from m0sim.check.limits import Limits
        from m0sim.check.measure import Measurement
        from m0sim.check.verdict import judge, written
        from m0sim.chip.run_cost import RunCost

        limits = Limits.of(
            max_cycles=max_cycles,
            max_stack=max_stack,
            max_sram=max_sram,
            max_code=max_code,
            max_awake=max_awake,
            max_first_output=max_first_output,
            max_latency=max_latency,
            max_entries=max_entries,
            max_energy=max_energy,
            tolerance=tolerance,
        )
        counted = cost.cost if isinstance(cost, RunCost) else cost
        figures = Figures.of(cost, self._image_of(counted), self._checks.folder)
        key = self._key(name)
        if self._checks.updates:
            limits = limits.while_updating()
        failure = _bad_end(cost) if isinstance(cost, RunCost) else None
        measured = Measurement(key, figures, failure, counted.warnings)
        old = self._checks.baseline.get(key)
        verdict = judge(measured, old, limits, strict=self._checks.strict)
        if self._checks.updates:
            verdict = written(verdict, old)
        self._note(key, figures, text.row(verdict))
        if verdict.is_bad:
            pytest.fail(text.explain(verdict))

    def _image_of(self, cost: Cost) -> Image:
        __tracebackhide__ = True
        from m0sim.errors import UsageError

        of = cost.provenance
        found = None if of is None else self._images.get((of.image, of.sha256, of.base, of.symbols))
        if found is None:
            raise UsageError(
                "m0sim.check() takes what m0sim(...).call() or m0sim.firmware(...).run() of this test returned"
            )
        return found

    def _key(self, name: str) -> str:
        """What the baseline calls a check: its test, and its own name or, from the second unnamed one on, number."""
        __tracebackhide__ = True
        from m0sim.errors import UsageError

        self._unnamed += not name
        own = name or (f"#{self._unnamed}" if self._unnamed > 1 else "")
        key = f"{self._test} {own}".rstrip()
        if key in self._keys:
            raise UsageError(f"name {own!r} is taken in this test: give each check another one")
        self._keys.add(key)
        return key

    def _note(self, key: str, figures: Figures, cells: tuple[str, ...]) -> None:
        from m0sim.check import baseline

        self._checks.done[key] = Checked(key, self._test, list(cells), baseline.bench_object(figures))


def _bad_end(done: RunCost) -> Failure | None:
    """A fault and the like; the code that a program ends with is the test's to look at."""
    from m0sim.check.measure import Failure

    is_good = done.exit.is_good or done.exit.reason == "exit"
    return None if is_good else Failure("exit", f"ended by {done.exit.reason}: {done.exit.detail}")


@pytest.fixture
def m0sim(request: pytest.FixtureRequest) -> Fixture:
    """Run firmware on a simulated Cortex-M0+: ``m0sim(ELF)`` is a machine, ``m0sim.check(cost)`` checks a cost."""
    checks: Checks = request.config.stash[_CHECKS]
    return Fixture(checks, request.node.nodeid)


_CHECKS = pytest.StashKey[Checks]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--m0sim-update``, ``--m0sim-strict``, and where the baseline is."""
    group = parser.getgroup("m0sim", "cost of Cortex-M0+ code")
    group.addoption("--m0sim-update", action="store_true", help="Store the costs of the tests that pass.")
    group.addoption("--m0sim-strict", action="store_true", help="A check without a stored cost fails.")
    group.addoption("--m0sim-baseline", metavar="FILE", help="Where costs are stored, from the root folder.")
    parser.addini("m0sim_baseline", "Where costs are stored, from the root folder.", default=_BASELINE)


def pytest_configure(config: pytest.Config) -> None:
    """One `Checks` a run."""
    config.stash[_CHECKS] = checks = Checks(config)
    config.pluginmanager.register(checks, "m0sim-checks")
