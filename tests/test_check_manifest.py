"""m0sim.toml: what is read, and that each mistake is one line with file, line, bench and key."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from conftest import Build, examples
from hypothesis import given, settings
from hypothesis import strategies as st

from m0sim.check import manifest, measure
from m0sim.check.bench import CallBench, RunBench
from m0sim.check.figures import Figures
from m0sim.check.limits import Limits, percent
from m0sim.check.manifest import Manifest
from m0sim.check.measure import Measurement
from m0sim.check.verdict import judge
from m0sim.chip.arguments import Words
from m0sim.chip.operands import Call, File, Struct, SymbolAddress, Zeroed
from m0sim.errors import M0simError, UsageError

GOOD = """\
image = "build/app.elf"
profile = "stm32f0"
tolerance = { cycles = "2%", stack = "0%" }

[[bench]]
name = "dot 1k"
function = "dot_s8"
args = ["@tests/a.bin", 1_000, "out:64", ["@x.bin", 5, "out:4"]]
expect = 12345
max_cycles = 13_000
max_code = "1K"

[[bench]]
name = "all keys"
function = "f"
image = "/abs/raw.bin"
base = 0x2000_0000
profile = "boards/mine.toml"
result = "f32"
expect = 0.1
before = ["init"]
stubs = { read_adc = 512, "ns::g()" = [-1, "f32:1.5"], next = "1,2" }
registers = { 0x4004c004 = [0, 0x80], "0x40034018" = "sym:table" }
stdout = ["uart::put:char", "_write"]
max_stack = 0
max_sram = 4096
tolerance = "0.25 %"
"""

Load = Callable[[str], Manifest]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def loaded(text: str) -> Manifest:
        (tmp_path / "m0sim.toml").write_text(text)
        return manifest.load(tmp_path / "m0sim.toml")

    return loaded


def test_every_manifest_of_a_folder_has_its_baseline(tmp_path: Path) -> None:
    names = {"m0sim.toml": "m0sim-baseline.json", "board.v2.toml": "board.v2-baseline.json"}
    for name, expected in names.items():
        (tmp_path / name).write_text(HEAD)
        assert manifest.load(tmp_path / name).baseline == tmp_path / expected


def test_a_good_one(load: Load, tmp_path: Path) -> None:
    found = load(GOOD)
    assert (found.build, found.image, found.baseline) == (
        *("", tmp_path / "build/app.elf", tmp_path / "m0sim-baseline.json"),
    )
    dot, other = found.benches
    assert isinstance(dot, CallBench)
    assert isinstance(other, CallBench)
    assert (dot.name, dot.function, dot.result, dot.expect) == ("dot 1k", "dot_s8", "s32", 12345)
    assert dot.args == (
        File(tmp_path / "tests/a.bin"),
        Words((1000,)),
        Zeroed("64", 64, None),
        Struct((File(tmp_path / "x.bin"), Words((5,)), Zeroed("4", 4, None))),
    )
    assert dot.limits.budgets == {"cycles": 13_000, "code": 1024}
    assert dot.limits.tolerances == {"cycles": Fraction(2, 100), "stack": 0}
    assert (dot.image, dot.base, dot.profile, dot.before, dot.stubs) == (found.image, None, "stm32f0", (), {})
    assert dot.place.line == 5
    assert (other.image, other.base) == (Path("/abs/raw.bin"), 0x20000000)
    assert other.profile == str(tmp_path / "boards/mine.toml")
    assert (other.before, other.stdout) == ((Call("init", "init"),), ("uart::put:char", "_write"))
    assert other.stubs == {
        "read_adc": (Words((512,)),),
        "ns::g()": (Words((0xFFFFFFFF,)), Words((0x3FC00000,), "float")),
        "next": (Words((1,)), Words((2,))),
    }
    assert other.registers == {0x4004C004: (Words((0,)), Words((0x80,))), 0x40034018: (SymbolAddress("table"),)}
    assert other.expect == float(np.float32(0.1)) != 0.1
    assert other.limits.budgets == {"stack": 0, "sram": 4096}
    assert other.limits.tolerances == {"cycles": Fraction(25, 10_000), "stack": 0}


def test_defaults(load: Load) -> None:
    (bench,) = load('image = "a.elf"\n[[bench]]\nname = "x"\nfunction = "f"').benches
    assert isinstance(bench, CallBench)
    assert (bench.args, bench.result, bench.expect, bench.profile) == ((), "s32", None, "rp2040")
    assert bench.limits == Limits({}, {"cycles": Fraction(0)})
    assert bench.stop_after == 10_000_000_000


def test_a_run(load: Load, tmp_path: Path) -> None:
    (bench,) = load(
        "image = 'a.elf'\nclock = '48M'\nbootrom = 'rom.bin'\n" + RUN + "until = 'main'\nuntil_output = 'done'\n"
        "for = '1.5ms'\nfrom = 'a'\nto = 'b'\nstdin = 'in.txt'\nexpect = -3\nflash = 'ideal'\nmax_energy = '1.5uJ'\n"
        "max_latency = { SysTick = 20 }\nmax_stack = '1K'\nmax_first_output = 0\n"
    ).benches
    assert isinstance(bench, RunBench)
    assert (bench.until, bench.until_output, bench.seconds) == ("main", "done", Fraction(3, 2000))
    assert (bench.begin, bench.end, bench.stdin, bench.expect) == ("a", "b", tmp_path / "in.txt", -3)
    assert (bench.clock_hz, bench.bootrom, bench.flash) == (
        None,
        tmp_path / "rom.bin",
        "ideal",
    )  # the firmware chooses its clock
    assert bench.limits.budgets == {"energy": 1500, "latency.SysTick": 20, "stack": 1024, "first_output": 0}
    (plain,) = load("image = 'a.elf'\n" + RUN).benches
    assert isinstance(plain, RunBench)
    assert (plain.until, plain.until_output, plain.seconds, plain.stdin) == (None, "", None, None)
    assert (plain.expect, plain.flash, plain.bootrom, plain.stop_after) == (0, None, None, 10_000_000_000)


def test_stop_after_is_inherited(load: Load) -> None:
    found = load("stop_after = 500\n" + HEAD + "[[bench]]\nname = 'y'\nfunction = 'f'\nstop_after = 7")
    assert [bench.stop_after for bench in found.benches] == [500, 7]


HEAD = 'image = "a.elf"\n[[bench]]\nname = "x"\nfunction = "f"\n'
RUN = "[[bench]]\nname = 'r'\nrun = true\n"
BAD = [
    # what follows HEAD, or a whole file; the line; what is named
    ("max_cycle = 1", 5, "bench 'x'", "max_cycle", "did you mean 'max_cycles'"),
    ("\n# no\nmax_cycles = -1", 7, "bench 'x'", "max_cycles", "-1"),
    ("max_cycles = '13K'", 5, "max_cycles", "an integer"),
    ("max_cycles = 13_000.0", 5, "max_cycles", "13000.0"),
    ("max_cycles = true", 5, "max_cycles", "True"),
    ("max_stack = '1X'", 5, "max_stack", "'1X'"),
    ("max_sram = [1]", 5, "max_sram", "[1]"),
    ("tolerance = 5", 5, "tolerance", '"5%"'),
    ("tolerance = '5'", 5, "tolerance", "'5'"),
    ("tolerance = '-5%'", 5, "tolerance", "'-5%'"),
    ("tolerance = { cycle = '5%' }", 5, "tolerance", "did you mean 'cycles'"),
    ("tolerance = { stack = 5 }", 5, "tolerance", "5"),
    ("args = 5", 5, "args", "an array"),
    ("args = [1.5]", 5, "args", "f32:1.5"),
    ("args = [1,\n 'ou:4']", 5, "args", "'ou'"),
    ("args = ['out:4:file']", 5, "args", "out:4:file"),
    ("args = [[]]", 5, "args", "at least one"),
    ("args = [4294967296]", 5, "args", "i64:4294967296"),
    ("result = 's16'", 5, "result", "s32, u32"),
    ("result = 'void'\nexpect = 1", 6, "expect", "void"),
    ("expect = 2147483648", 5, "expect", "2147483648"),
    ("result = 'u32'\nexpect = -1", 6, "expect", "-1"),
    ("expect = 1.0", 5, "expect", "an integer"),
    ("result = 'f32'\nexpect = '1'", 6, "expect", "a number"),
    ("before = 'init'", 5, "before", "an array"),
    ("before = [1]", 5, "before", "1"),
    ("stubs = ['a']", 5, "stubs", "a table"),
    ("stubs.read = 'x'", 5, "read", "an integer"),
    ("stubs.read = 4294967296", 5, "read", "4294967296"),
    ("stubs.read = 1.5", 5, "read", "f32:1.5"),
    ("stubs.read = []", 5, "read", "at least one"),
    ("stubs.read = ['@a.bin']", 5, "read", "no answer"),
    ("stubs.read = [[1]]", 5, "read", "no answer"),
    ("stdout = [1]", 5, "stdout", "names"),
    ("stdout = ['put:chr']", 5, "stdout", "FUNC:char"),
    ("registers = 5", 5, "registers", "a table"),
    ("registers.0x40000001 = 5", 5, "0x40000001", "multiple of 4"),
    ("registers.adc = 5", 5, "adc", "0x40034018"),
    ("registers.0x40000000 = 'x'", 5, "0x40000000", "an integer"),
    ("base = -1", 5, "base", "-0x1"),
    ("image = 5", 5, "image", "5"),
    ("stop_after = 0", 5, "stop_after", "from 1"),
    ("stop_after = '1M'", 5, "stop_after", "an integer"),
    ("tolerance = []", 5, "tolerance", '"5%"'),
    ("[[bench]]\nname = 'y'", 5, "bench 'y'", "function", "missing"),
    ("[[bench]]\nfunction = 'y'", 5, "bench[1]", "name", "missing"),
    ("[[bench]]\nname = ''\nfunction = 'y'", 6, "name", "''"),
    ('[[bench]]\nname = "a\\nb"\nfunction = "y"', 6, "name"),
    ("[[bench]]\nname = 'x'\nfunction = 'y'", 6, "bench 'x'", "name", "already taken in line 2"),
    ("[[bench]]\nname = 7\nfunction = 'y'", 6, "bench[1]", "name", "7"),
    ("[[bnch]]\nname = 'y'", 5, "bnch", "did you mean 'bench'"),
    ("build = 'make'", 5, "bench 'x'", "build", "above the first [[bench]]"),
    ("[bench.stack]\ncalls = {}", 5, "bench 'x'", "stack", "above the first [[bench]]"),
    ("[matrix]\nn = [1, 2]", 5, "matrix", "[bench.matrix]"),
    ("fail_on = 'outside'", 5, "fail_on: must be an array"),
    ("fail_on = ['outsid']", 5, "fail_on: unknown finding"),
    ("args = ['a.bin']", 5, "args", "write @a.bin"),
    ("until = 'main'", 5, "bench 'x'", "until", "run = true"),
    ("max_latency = 5", 5, "max_latency", "run = true"),
    ("run = 1", 5, "run", "true or false"),
    ("run = true", 4, "bench 'x'", "function", "a call's"),
    (RUN + "args = [1]", 8, "bench 'r'", "args", "a call's"),
    (RUN + "until = ''", 8, "until", "a name"),
    (RUN + "for = '50'", 8, "for", "50ms"),
    (RUN + "for = 50", 8, "for", "a string"),
    (RUN + "stdin = 5", 8, "stdin", "a string"),
    (RUN + "expect = 4294967296", 8, "expect", "2147483647"),
    (RUN + "flash = 'warm'", 8, "flash", "cold or ideal"),
    (RUN + "clock = '64M'", 8, "clock", "chooses its clock"),
    (RUN + "max_latency = '1K'", 8, "max_latency", "an integer"),
    (RUN + "max_latency = { SysTick = -1 }", 8, "max_latency", "-1"),
    (RUN + "max_stack = { msp = '1X' }", 8, "max_stack", "'1X'"),
    (RUN + "max_awake = { a = 1 }", 8, "max_awake", "an integer"),
    (RUN + "max_energy = 5", 8, "max_energy", "3.5mJ"),
    (RUN + "max_energy = '5 mW'", 8, "max_energy", "3.5mJ"),
    (RUN + "tolerance = { latencies = '5%' }", 8, "tolerance", "did you mean 'latency'"),
    ("= 5", 5, "not valid TOML"),
    ("args = [1,", 5, "not valid TOML"),
]


@pytest.mark.parametrize(("text", "line", "named"), [(text, line, named) for text, line, *named in BAD])
def test_bad_ones(load: Load, tmp_path: Path, text: str, line: int, named: list[str]) -> None:
    with pytest.raises(UsageError) as caught:
        load(HEAD + text)
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 'm0sim.toml'}:{line}: ")
    assert "\n" not in message
    assert message.count("m0sim.toml") == 1
    assert all(part in message for part in named), message


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "bench"),
        ("image = 'a.elf'", "bench"),
        ("bench = 5", "bench"),
        ("bench = [5]", "bench"),
        ("[bench]\nname = 'x'", "[[bench]]"),
        ("[[bench]]\nname = 'x'\nfunction = 'f'", "image"),
        ("build = 5\n" + HEAD, "build"),
        ("function = 'f'\n" + HEAD, "function: belongs into a bench"),
        ("fail_on = ['outside']\n" + HEAD, "fail_on: belongs into a bench"),
    ],
)
def test_bad_tops(load: Load, text: str, named: str) -> None:
    with pytest.raises(UsageError, match=rf"m0sim\.toml:\d+: .*{named.replace('[', chr(92) + '[')}"):
        load(text)


def test_an_image_is_no_manifest(tmp_path: Path) -> None:
    (tmp_path / "a.elf").write_bytes(b"\x7fELF\x01\x01\x01\xff")
    with pytest.raises(UsageError, match=r"a\.elf: not a text file in UTF-8, as the manifest is: byte 7"):
        manifest.load(tmp_path / "a.elf")


def test_no_manifest(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "m0sim.toml"):
        with pytest.raises(UsageError, match=r"m0sim\.toml: no such file: `m0sim init app\.elf` writes one"):
            manifest.load(path)


@pytest.mark.parametrize(
    ("text", "line", "named"),
    [
        ("function = 'sum_too'", 4, ["function", "did you mean 'sum_to'"]),
        ("function = 'same'\nbefore = ['same', 'int']", 5, ["before", "'int'"]),
        ("function = 'same'\nstubs = { helpr = 1 }", 5, ["stubs", "'helper'"]),
        ("function = 'same'\nstubs = { helper = 'sym:sam' }", 5, ["stubs", "'same'"]),
        ("function = 'same'\nstdout = ['sam:char']", 5, ["stdout", "'same'"]),
        ("function = 'same'\nregisters = { 0x20000000 = 1 }", 5, ["registers", "sram"]),
        ("function = 'same'\nargs = [1, ['@none.bin']]", 5, ["args", "none.bin", "no such file"]),
        ("function = 'same'\nargs = ['sym:sam']", 5, ["args", "'same'"]),
        ("function = 'same'\nimage = 'none.elf'", 5, ["image", "none.elf"]),
        ("function = 'same'\nprofile = 'rp2041'", 5, ["profile", "'rp2040'"]),
    ],
)
def test_what_only_the_image_shows(load: Load, build: Build, text: str, line: int, named: list[str]) -> None:
    image = build("hot.S", flags=("-g",))
    with pytest.raises(UsageError) as caught:
        measure.verify(load(f"image = {str(image)!r}\n[[bench]]\nname = 'x'\n{text}").benches, measure.Images())
    message = str(caught.value)
    assert f"m0sim.toml:{line}: bench 'x': " in message
    assert all(part in message for part in named), message


def test_an_argument_that_cannot_be_read(
    load: Load, build: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By fault injection: a superuser may read all."""
    (tmp_path / "in.bin").write_bytes(b"1")
    found = load(f"image = {str(build('hot.S'))!r}\n[[bench]]\nname='x'\nfunction='same'\nargs=['@in.bin']")
    images = measure.Images()
    measure.verify(found.benches, images)
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(
        UsageError, match=r"m0sim\.toml:5: bench 'x': args: .*in\.bin: cannot read it: Permission denied"
    ):
        measure.verify(found.benches, images)


def refuse(*_: object) -> None:
    raise PermissionError(13, "Permission denied")


def test_only(load: Load) -> None:
    found = load(GOOD)
    assert found.only([]) == found.benches
    assert [bench.name for bench in found.only(["all keys"])] == ["all keys"]
    with pytest.raises(UsageError, match="'dot 1k'"):
        found.only(["dot 1"])


def test_build(load: Load, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    measure.build(load('build = "echo out; echo err >&2; pwd > here"\n' + HEAD))
    assert (tmp_path / "here").read_text().strip() == str(tmp_path)
    out, err = capfd.readouterr()
    assert (out, sorted(err.split())) == ("", ["err", "out"])
    with pytest.raises(M0simError, match=r"exit code 3: exit 3") as caught:
        measure.build(load('build = "exit 3"\n' + HEAD))
    assert not isinstance(caught.value, UsageError)


# Limits


def figures(cycles: int = 0, stack: int = 0) -> Figures:
    return Figures("f", "rp2040", cycles, 0, stack, 0, 0, {})


@settings(deadline=None, max_examples=examples(400))
@given(
    st.integers(0, 10**12) | st.integers(0, 10**7).map(lambda k: k * 100_000),
    st.integers(0, 999),
    st.integers(0, 999),
    st.integers(1, 10**7),
)
def test_tolerances_are_exact(old: int, whole: int, thousandths: int, other: int) -> None:
    """Against integers: new * 100,000 <= old * (100,000 + p), at the edge and elsewhere."""
    factor = 100_000 + 1000 * whole + thousandths
    edge = old * factor // 100_000
    limits = Limits.of(tolerance=f"{whole}.{thousandths:03}%")
    for new in (max(0, edge - 1), edge, edge + 1, other):
        verdict = judge(Measurement("x", figures(new)), figures(old), limits)
        assert (verdict.status != "regressed") == (new * 100_000 <= old * factor)


def test_percent() -> None:
    assert percent("5%") == Fraction(1, 20)
    assert percent(" 0.10 % ") == Fraction(1, 1000)
    for bad in ("", "%", "5", "5 percent", "1e3%", ".5%", "5.%", "nan%", "٣%", 5, None):
        with pytest.raises(UsageError):
            percent(bad)


def test_limits_of_a_run() -> None:
    """What is counted in cycles has the tolerance of cycles, where it has none of its own."""
    limits = Limits.of(
        max_latency={"SysTick": 20},
        max_stack={"msp": "1K"},
        max_energy="2 mJ",
        tolerance={"cycles": "5%", "latency": "10%"},
    )
    assert limits.budgets == {"latency.SysTick": 20, "stack.msp": 1024, "energy": 2_000_000}
    assert [limits.budget_of(key) for key in ("latency.SysTick", "latency.PendSV", "stack.msp", "stack")] == [
        *(20, None, 1024, None)
    ]
    assert limits.tolerance_of("latency.SysTick") == Fraction(1, 10)
    assert [limits.tolerance_of(key) for key in ("awake", "first_output", "stack.msp", "entries.x", "energy")] == [
        *(Fraction(1, 20), Fraction(1, 20), None, None, None)
    ]
    every = Limits.of(max_latency=20, max_stack=100)
    assert [every.budget_of(key) for key in ("latency.SysTick", "stack.msp")] == [20, 100]
    assert limits.while_updating().tolerance_of("awake") is None


def test_limits_from_arguments() -> None:
    limits = Limits.of(max_cycles=5, max_stack="1K", tolerance={"stack": "10%"})
    assert limits.budgets == {"cycles": 5, "stack": 1024}
    assert limits.tolerances == {"cycles": 0, "stack": Fraction(1, 10)}
    for bad, named in (({"max_cycles": -1}, "max_cycles: "), ({"tolerance": "x"}, "tolerance: ")):
        with pytest.raises(UsageError, match=named):
            Limits.of(**bad)  # type: ignore[arg-type]


def test_huge_expectations_of_floats(load: Load) -> None:
    huge = "9" * 400
    for result in ("f32", "f64"):
        (bench,) = load(HEAD + f"result = '{result}'\nexpect = -{huge}").benches
        assert isinstance(bench, CallBench)
        assert bench.expect == -math.inf
    (bench,) = load(HEAD + "result = 'f32'\nexpect = nan").benches
    assert isinstance(bench, CallBench)
    assert bench.expect is not None
    assert math.isnan(bench.expect)
