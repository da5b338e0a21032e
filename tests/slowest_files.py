"""The end of a run of tests: how much processor time it took, and which files took most of it.

Processor time, of this process and of those that it waited for, is the same on a machine that others use. Run by hand:
``pytest --slowest-files 30``. Nothing fails by it.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Generator

import pytest


def add_option(parser: pytest.Parser) -> None:
    parser.addoption(
        "--slowest-files", type=int, default=0, metavar="N", help="print the N files that took most processor time"
    )


def processor_seconds() -> float:
    """What this process, and the processes that it started and waited for, have used until now: user and system."""
    return sum(os.times()[:4])


class SlowestFiles:
    """Registered in every process of a run: those that run tests measure, the one that prints adds up."""

    def __init__(self, files: int) -> None:
        self.files = files
        self.seconds: Counter[str] = Counter()
        self.tests: Counter[str] = Counter()
        self.before = 0.0

    def pytest_runtest_logstart(self) -> None:
        # In a process that runs tests, the first one pays for no collection.
        self.before = self.before or processor_seconds()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        now = processor_seconds()
        # An attribute of a report reaches the process that prints.
        report.processor_seconds = now - self.before  # type: ignore[attr-defined]
        self.before = now
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        file = report.nodeid.partition("::")[0]
        self.seconds[file] += report.processor_seconds  # type: ignore[attr-defined]
        self.tests[file] += report.when == "setup"

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        terminalreporter.section(f"processor time of the tests: {self.seconds.total():.0f} s; slowest files")
        for file, seconds in self.seconds.most_common(self.files):
            terminalreporter.line(f"{seconds:7.1f} s  {self.tests[file]:5} tests  {file}")
