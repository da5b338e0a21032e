"""The pytest plugin, driven end to end: pytest runs on small projects with firmware in them."""

from __future__ import annotations

import json

import firmware_images
import pytest
from conftest import Build

import m0sim.check.formats.text
import m0sim.chip.machine  # noqa: F401  # now: pytester forgets what its runs import, and NumPy cannot be imported twice

pytest_plugins = ["pytester"]

BASELINE = "m0sim-tests-baseline.json"
RUN = """
    def test_echo(m0sim):
        done = m0sim.firmware("echo.elf").run(stdin=b"abc.")
        assert done.output.endswith("ABC.")
        m0sim.check(done, max_latency={"UART0_IRQ": 200}, max_stack="1K")

    def test_never_ends(m0sim):
        m0sim.check(m0sim.firmware("echo.elf").run(max_cycles=1000))

    def test_too_late(m0sim):
        done = m0sim.firmware("echo.elf").run(stdin=b"abc.")
        m0sim.check(done, max_latency=1)
"""
ADD_UP = """
    .syntax unified
    .thumb
    .text
    .global add_up
    .type   add_up, %function
add_up:
    movs    r1, #0
1:  adds    r1, r1, r0
    {nop}
    subs    r0, r0, #1
    bne     1b
    movs    r0, r1
    bx      lr
    .size   add_up, . - add_up
"""
TEST = """
    import pytest

    @pytest.mark.parametrize("n", [1, 10])
    def test_add_up(m0sim, n):
        cost = m0sim("add.elf").call("add_up", n)
        assert cost.result == n * (n + 1) // 2
        m0sim.check(cost)
"""


def cycles(n: int, nops: int = 0) -> int:
    """By hand: MOVS; ADDS, SUBS, BNE taken (2) but in the last of n rounds (1); MOVS, BX (2)."""
    return 1 + n * (4 + nops) - 1 + 3


@pytest.fixture(scope="session")
def firmware(build: Build, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """ELF files by what stands in the loop. Built here: pytester moves HOME, and with it the compiler's cache."""
    found = {}
    for nop in ("", "nop"):
        source = tmp_path_factory.mktemp("source") / "add.S"
        source.write_text(ADD_UP.format(nop=nop))
        found[nop] = build(source, flags=("-g",)).read_bytes()
    return found


@pytest.fixture(scope="session")
def echo(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Whole firmware that sends back what it receives."""
    return firmware_images.build("echo", tmp_path_factory.mktemp("echo")).read_bytes()


@pytest.fixture
def project(firmware: dict[str, bytes], pytester: pytest.Pytester) -> pytest.Pytester:
    """A folder with ``add.elf`` and one test file."""
    (pytester.path / "add.elf").write_bytes(firmware[""])
    pytester.makepyfile(test_cost=TEST)
    return pytester


def slow_down(project: pytest.Pytester, firmware: dict[str, bytes]) -> None:
    """One more instruction in the loop."""
    (project.path / "add.elf").write_bytes(firmware["nop"])


def stored(pytester: pytest.Pytester) -> dict[str, int]:
    benches = json.loads((pytester.path / BASELINE).read_text())["benches"]
    return {name: bench["cycles"] for name, bench in benches.items()}


def test_without_a_baseline_checks_pass_and_are_shown(project: pytest.Pytester) -> None:
    result = project.runpytest()
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(
        [
            "*= m0sim =*",
            "test *status *cycles *stack *SRAM *code",
            f"test_cost.py::test_add_up[[]10] *new *{cycles(10)} *",
            f"test_cost.py::test_add_up[[]1] *new *{cycles(1)} *",
        ]
    )
    assert not (project.path / BASELINE).exists()


def test_whole_firmware(pytester: pytest.Pytester, echo: bytes) -> None:
    (pytester.path / "echo.elf").write_bytes(echo)
    pytester.makepyfile(test_run=RUN)
    result = pytester.runpytest("--m0sim-update")
    result.assert_outcomes(passed=1, failed=2)
    result.stdout.fnmatch_lines(["*exit: ended by limit: 1,000 cycles were reached*"])
    result.stdout.fnmatch_lines(["*max_latency.UART0_IRQ 1: over by *"])
    (bench,) = json.loads((pytester.path / BASELINE).read_text())["benches"].values()
    assert bench["run"]["entries"].keys() == {"UART0_IRQ"}
    pytester.runpytest().stdout.fnmatch_lines(["test_run.py::test_echo (cold flash) *unchanged *"])


def test_update_stores_what_later_runs_compare_with(project: pytest.Pytester, firmware: dict[str, bytes]) -> None:
    project.runpytest("--m0sim-update").assert_outcomes(passed=2)
    names = [f"test_cost.py::test_add_up[{n}]" for n in (1, 10)]
    assert stored(project) == {names[0]: cycles(1), names[1]: cycles(10)}
    project.runpytest().stdout.fnmatch_lines([f"{names[0].replace('[', '[[]')} *unchanged *"])

    slow_down(project, firmware)
    result = project.runpytest()
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(
        [
            f"*regressed, {cycles(10)} -> {cycles(10, 1)} cycles*",
            f"*add_up *{cycles(10)} *{cycles(10, 1)} *+10",
            "*nop*",
        ]
    )
    assert stored(project)[names[1]] == cycles(10)

    project.runpytest("--m0sim-update").assert_outcomes(passed=2)
    assert stored(project) == {names[0]: cycles(1, 1), names[1]: cycles(10, 1)}


def test_update_keeps_the_costs_of_tests_that_fail_or_do_not_run(
    project: pytest.Pytester, firmware: dict[str, bytes]
) -> None:
    project.runpytest("--m0sim-update")
    before = stored(project)
    slow_down(project, firmware)
    project.makepyfile(test_cost=TEST + "        assert n == 1\n")
    project.runpytest("--m0sim-update").assert_outcomes(passed=1, failed=1)
    names = list(before)
    assert stored(project) == {**before, "test_cost.py::test_add_up[1]": cycles(1, 1)}

    project.runpytest("--m0sim-update", "-k", "no-such-test")
    assert list(stored(project)) == names


def test_hard_limits(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_cost=f"""
        def test_within(m0sim):
            m0sim.check(m0sim("add.elf").call("add_up", 10), max_cycles={cycles(10)}, max_stack=0, max_code="1K")

        def test_over(m0sim):
            m0sim.check(m0sim("add.elf").call("add_up", 10), max_cycles={cycles(10) - 1})

        def test_over_while_updating(m0sim):
            m0sim.check(m0sim("add.elf").call("add_up", 10), max_code=1)

        def test_no_limit(m0sim):
            m0sim.check(m0sim("add.elf").call("add_up", 10), max_cycles=-1)
        """
    )
    result = project.runpytest("--m0sim-update")
    result.assert_outcomes(passed=1, failed=3)
    result.stdout.fnmatch_lines(
        ["*max_cycles 42: over by 1*", "*max_code 1: over by *", "*max_cycles: must be 0 or more, not -1*"]
    )
    assert list(stored(project)) == ["test_cost.py::test_within"]


def test_tolerance_is_of_the_baseline(project: pytest.Pytester, firmware: dict[str, bytes]) -> None:
    """10 nops of 43 cycles more are 23.3 %."""
    test = TEST.replace('"n", [1, 10]', '"n", [10]').replace("check(cost)", 'check(cost, tolerance="{}%")')
    project.makepyfile(test_cost=test.format(0))
    project.runpytest("--m0sim-update").assert_outcomes(passed=1)
    slow_down(project, firmware)
    for percent, outcome in (("23.2", {"failed": 1}), ("23.3", {"passed": 1})):
        project.makepyfile(test_cost=test.format(percent))
        project.runpytest().assert_outcomes(**outcome)


def test_unnamed_checks_are_numbered_among_themselves(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_cost="""
        def test_mixed(m0sim):
            m = m0sim("add.elf")
            m0sim.check(m.call("add_up", 1), name="one")
            m0sim.check(m.call("add_up", 2))
            m0sim.check(m.call("add_up", 3))
        """
    )
    project.runpytest("--m0sim-update").assert_outcomes(passed=1)
    test = "test_cost.py::test_mixed"
    assert stored(project) == {f"{test} one": cycles(1), test: cycles(2), f"{test} #2": cycles(3)}


@pytest.mark.parametrize("name", ["x", "#2"])
def test_a_name_twice_is_refused(project: pytest.Pytester, name: str) -> None:
    """Also where it is the number of an unnamed check."""
    project.makepyfile(
        test_cost=f"""
        def test_twice(m0sim):
            m = m0sim("add.elf")
            for _ in range(2):
                m0sim.check(m.call("add_up", 1))
            for n in (2, 3):
                m0sim.check(m.call("add_up", n), name={name!r})
        """
    )
    result = project.runpytest("--m0sim-update")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f"E *UsageError: name '{name}' is taken in this test*"])
    assert not (project.path / BASELINE).exists()


def test_strict_fails_without_a_stored_cost(project: pytest.Pytester) -> None:
    result = project.runpytest("--m0sim-strict", "-k", "10")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*it has no baseline*"])
    project.runpytest("--m0sim-strict", "--m0sim-update").assert_outcomes(passed=2)
    project.runpytest("--m0sim-strict").assert_outcomes(passed=2)


def test_an_update_keeps_what_another_run_stored_meanwhile(project: pytest.Pytester) -> None:
    project.runpytest("--m0sim-update", "-k", "10")
    project.makepyfile(
        test_later=f"""
        from pathlib import Path

        def test_another_run_ends(m0sim):
            m0sim.check(m0sim("add.elf").call("add_up", 1))  # the baseline has been read
            path = Path({BASELINE!r})
            path.write_text(path.read_text().replace("[10]", "[11]"))
        """
    )
    project.runpytest("--m0sim-update", "test_later.py").assert_outcomes(passed=1)
    assert set(stored(project)) == {"test_cost.py::test_add_up[11]", "test_later.py::test_another_run_ends"}


def test_updates_show_what_was_stored_before(project: pytest.Pytester, firmware: dict[str, bytes]) -> None:
    project.runpytest("--m0sim-update")
    slow_down(project, firmware)
    result = project.runpytest("--m0sim-update", "-k", "10")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines([f"*updated  {cycles(10, 1)}|{cycles(10)} (+*", "*has the costs of 1 check that *"])
    result = project.runpytest("--m0sim-update", "-k", "10")  # now there is nothing to replace
    result.stdout.fnmatch_lines([f"*unchanged  *{cycles(10, 1)} *", "*m0sim-tests-baseline.json is unchanged*"])


@pytest.mark.parametrize("more", [(), ("-p", "no:terminal"), pytest.param(("-n", "1"), marks=pytest.mark.long)])
@pytest.mark.long
def test_a_baseline_that_cannot_be_written(project: pytest.Pytester, more: tuple[str, ...]) -> None:
    if "-n" in more:
        pytest.importorskip("xdist")
    result = project.runpytest_subprocess("--m0sim-update", "--m0sim-baseline", "none/b.json", *more)
    assert result.ret == 1
    assert "Traceback" not in result.stdout.str() + result.stderr.str()
    if "no:terminal" not in more:
        result.stdout.fnmatch_lines(["*= m0sim =*", "*none/b.json: cannot write: *", "*2 passed*"])


@pytest.mark.long
def test_updates_do_not_need_the_terminal(project: pytest.Pytester) -> None:
    assert project.runpytest_subprocess("--m0sim-update", "-p", "no:terminal").ret == 0
    assert set(stored(project).values()) == {cycles(1), cycles(10)}


def test_tests_that_skip_after_their_check_store_nothing(project: pytest.Pytester) -> None:
    skip = "        if n == 10:\n            pytest.skip()\n"
    project.makepyfile(test_cost=TEST + skip)
    project.runpytest("--m0sim-update").assert_outcomes(passed=1, skipped=1)
    assert list(stored(project)) == ["test_cost.py::test_add_up[1]"]


@pytest.mark.parametrize(
    "line",
    ["m0sim.check(5)", "m0sim.check(m.call('add_up', 1), max_cycles=-1)"],
)
def test_what_is_wrong_is_shown_at_the_test(project: pytest.Pytester, line: str) -> None:
    project.makepyfile(test_cost=f"def test_it(m0sim):\n    m = m0sim('add.elf')\n    {line}\n")
    shown = project.runpytest().stdout.str()
    assert f">       {line}" in shown or f">   {line}" in shown
    assert "pytest_plugin.py" not in shown


def test_several_checks_in_one_test(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_cost="""
        def test_many(m0sim):
            m = m0sim("add.elf")
            for n in (1, 2):
                m0sim.check(m.call("add_up", n))
            m0sim.check(m.call("add_up", 3), name="three")
        """
    )
    project.runpytest("--m0sim-update").assert_outcomes(passed=1)
    test = "test_cost.py::test_many"
    assert stored(project) == {test: cycles(1), f"{test} #2": cycles(2), f"{test} three": cycles(3)}


@pytest.mark.long
def test_workers_of_xdist_report_and_store_the_same(project: pytest.Pytester) -> None:
    pytest.importorskip("xdist")
    project.runpytest("--m0sim-update")
    alone = (project.path / BASELINE).read_bytes()
    (project.path / BASELINE).unlink()
    result = project.runpytest_subprocess("-n", "2", "--m0sim-update")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["*= m0sim =*", "*costs of 2 checks*"])
    assert (project.path / BASELINE).read_bytes() == alone
    assert project.runpytest_subprocess("-n", "2").ret == 0


def test_the_baseline_may_lie_elsewhere(project: pytest.Pytester) -> None:
    project.makeini("[pytest]\nm0sim_baseline = costs.json\n")
    project.runpytest("--m0sim-update")
    project.runpytest("--m0sim-update", "--m0sim-baseline", "other.json")
    assert (project.path / "costs.json").read_bytes() == (project.path / "other.json").read_bytes()
    assert not (project.path / BASELINE).exists()


def test_from_a_folder_below(project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """Images and baseline are found from the root folder, wherever pytest is started."""
    project.makeini("[pytest]\n")
    below = project.mkdir("below")
    (below / "test_below.py").write_text((project.path / "test_cost.py").read_text())
    monkeypatch.chdir(below)
    project.runpytest("--m0sim-update").assert_outcomes(passed=2)
    assert set(stored(project)) == {f"below/test_below.py::test_add_up[{n}]" for n in (1, 10)}


@pytest.mark.parametrize("content", ["{", '{"schema": 99}', "[]", '{"schema": 1, "benches": {"a": 5}}'])
def test_a_damaged_baseline_fails_the_tests_that_need_it(project: pytest.Pytester, content: str) -> None:
    (project.path / BASELINE).write_text(content)
    result = project.runpytest("-k", "10")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f"E *UsageError: *{BASELINE}*"])
    assert "m0sim check --update" not in result.stdout.str()
    assert (project.path / BASELINE).read_text() == content


def test_a_fault_is_a_failed_test(project: pytest.Pytester) -> None:
    project.makepyfile(test_cost='def test_fault(m0sim):\n    m0sim("add.elf").call("add_up", 10, max_cycles=20)\n')
    result = project.runpytest()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E *Fault: *"])


def test_a_cost_from_elsewhere_is_refused(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_cost="""
        from m0sim import Machine

        def test_foreign(m0sim):
            m0sim.check(Machine.from_elf("add.elf").call("add_up", 1))
        """
    )
    project.runpytest().stdout.fnmatch_lines(["E *UsageError: m0sim.check() takes what *"])


def test_raw_binaries_and_profiles(project: pytest.Pytester) -> None:
    """MOVS r0, #7; BX LR: 1 + 2 cycles on M0+, 1 + 3 on M0."""
    (project.path / "seven.bin").write_bytes(bytes([7, 0x20, 0x70, 0x47]))
    project.makepyfile(
        test_cost="""
        def test_seven(m0sim):
            assert m0sim("seven.bin", base=0x10000000).call(0x10000000).cycles == 3
            assert m0sim("seven.bin", "stm32f0", base=0x08000000).call("0x08000000").cycles == 4
        """
    )
    project.runpytest().assert_outcomes(passed=1)


def test_the_same_file_elsewhere_is_checked_as_what_it_is(project: pytest.Pytester) -> None:
    """One file at two addresses in one test: BX LR, and a BL to the function that the names put at its target."""
    (project.path / "call.bin").write_bytes(bytes([0x00, 0xB5, 0x00, 0xF0, 0x01, 0xF8, 0x00, 0xBD, 0x70, 0x47]))
    project.makepyfile(
        test_cost="""
        def test_twice(m0sim):
            for base in (0x10000000, 0x20000000):
                cost = m0sim("call.bin", base=base).call(base)
                assert cost.provenance.base == base
                m0sim.check(cost, name=hex(base))
        """
    )
    project.runpytest("--m0sim-update").assert_outcomes(passed=1)
    baseline = json.loads((project.path / "m0sim-tests-baseline.json").read_text())
    assert len(baseline["benches"]) == 2
    project.runpytest("--m0sim-strict").assert_outcomes(passed=1)


MODULES_AT_THE_END = """
    import os, sys

    def pytest_unconfigure():
        with open(os.environ["MODULES"], "w") as file:
            file.write("\\n".join(sys.modules))
"""


@pytest.mark.long
def test_projects_that_do_not_use_it_pay_little(project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """To the last hook of a run the plugin has imported itself and nothing else."""
    project.makeconftest(MODULES_AT_THE_END)
    project.makepyfile(test_cost="def test_nothing():\n    pass\n")
    modules = []
    for more in ([], ["-p", "no:m0sim"]):
        monkeypatch.setenv("MODULES", str(project.path / "modules.txt"))
        project.runpytest_subprocess(*more).assert_outcomes(passed=1)
        modules.append(set((project.path / "modules.txt").read_text().split()))
    used, unused = modules
    assert used - unused == {"m0sim", "m0sim.pytest_plugin"}


COUNTED = """
    import sys
    import pytest

    calls = depth = 0

    def count(frame, event, _):
        global calls, depth
        if event == "call" and (depth or frame.f_globals.get("__name__", "").startswith("m0sim")):
            depth += 1
        elif event == "return" and depth:
            depth -= 1
        calls += depth > 0 and event in ("call", "c_call")

    sys.setprofile(count)
    code = pytest.main(["-q", "-p", "no:cacheprovider", "test_cost.py"])
    sys.setprofile(None)
    print("calls", calls)
    sys.exit(code)
"""


@pytest.mark.long
def test_what_the_plugin_adds_to_a_whole_run(project: pytest.Pytester) -> None:
    """Calls of functions by the plugin, and by what it calls: no other process changes them, as it does a time."""
    project.makepyfile(counted=COUNTED)
    calls = []
    for tests in (1, 51):
        project.makepyfile(test_cost="".join(f"def test_{i}():\n    pass\n" for i in range(tests)))
        done = project.runpython(project.path / "counted.py")
        assert done.ret == 0
        calls.append(int(done.outlines[-1].removeprefix("calls ")))
    assert 0 < calls[0] < 5_000
    assert calls[1] - calls[0] <= 50 * 12, calls


# ------------------------------------------------------------------------------------------ flash, clocks and engines


FLASH_TEST = """
    def test_add_up(m0sim):
        cost = m0sim("add.elf"{more}).call("add_up", 10)
        m0sim.check(cost)
"""


def test_a_baseline_of_another_flash_is_none(project: pytest.Pytester) -> None:
    project.makepyfile(test_cost=FLASH_TEST.format(more=""))
    project.runpytest("--m0sim-update").assert_outcomes(passed=1)
    project.makepyfile(test_cost=FLASH_TEST.format(more=", flash='cold'"))
    project.runpytest().stdout.fnmatch_lines(["test_cost.py::test_add_up (cold flash) *new *"])
    result = project.runpytest("--m0sim-strict")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*the baseline is with ideal flash, this is with cold flash: not compared*"])
    project.runpytest("--m0sim-update").assert_outcomes(passed=1)
    assert stored(project)["test_cost.py::test_add_up"] > cycles(10)
    project.runpytest("--m0sim-strict").stdout.fnmatch_lines(["test_cost.py::test_add_up (cold flash) *unchanged *"])


def test_what_a_call_says_goes_before_what_its_machine_says(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_cost="""
        def test_add_up(m0sim):
            machine = m0sim("add.elf", flash="cold", engine="timed", clock="12M")
            assert machine.device.clock_hz == 12_000_000
            cold, ideal = machine.call("add_up", 10), machine.call("add_up", 10, flash="ideal", engine="unicorn")
            assert (cold.flash_model, cold.provenance.engine) == ("cold", "timed")
            assert (ideal.flash_model, ideal.provenance.engine) == ("ideal", "unicorn")
            assert cold.cycles > ideal.cycles
        """
    )
    project.runpytest().assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("flash='wram'", "unknown flash model 'wram': one of ideal, cold, warm; did you mean 'warm'?"),
        ("engine='timd'", "unknown engine 'timd': one of unicorn, timed; did you mean 'timed'?"),
        ("flash='warm', engine='unicorn'", "flash 'warm' needs the timed engine"),
        ("flash='warm', profile='cc2340'", "how the flash of cc2340 waits is not known"),
        ("clock='fast'", "not a clock: 'fast'"),
        ("profile='samd21', clock=96_000_000", "samd21 runs at 1 Hz to 48 MHz, not at 96 MHz"),
    ],
)
def test_machines_that_there_are_not(project: pytest.Pytester, more: str, said: str) -> None:
    project.makepyfile(test_cost=FLASH_TEST.format(more=f", {more}"))
    result = project.runpytest()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f"E *UsageError: {said}*"])
