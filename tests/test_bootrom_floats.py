"""Floating point of the boot ROM, against NumPy and Python: RP2040 datasheet, 2.8.3.2.

Rounding is IEEE's, to nearest and even. Denormals are zeros, and NaNs infinities, at both ends.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from conftest import Build

from m0sim import Machine
from m0sim.chip.bootrom import tables

Words = npt.NDArray[np.uint32]
Bits = npt.NDArray[Any]


@dataclass(frozen=True)
class Format:
    """A format of IEEE's, and what the tables call its functions."""

    letter: str
    name: str
    real: Any
    bits: Any
    stored: int
    bias: int
    angles: int
    """Up to which sine and cosine are right."""

    @property
    def sign(self) -> int:
        return 1 << (8 * np.dtype(self.bits).itemsize - 1)

    @property
    def infinite(self) -> int:
        return self.sign - (1 << self.stored)

    @property
    def least(self) -> int:
        """The bits of the least number that is no denormal."""
        return 1 << self.stored


FLOAT = Format("f", "float", np.float32, np.uint32, 23, 127, 128)
DOUBLE = Format("d", "double", np.float64, np.uint64, 52, 1023, 1024)
FORMATS = pytest.mark.parametrize("form", [FLOAT, DOUBLE], ids=["float", "double"])


@pytest.fixture(scope="module")
def machine(build: Build) -> Machine:
    return Machine.from_elf(build("bootrom.S", flags=("-g",)))


def results(machine: Machine, name: str, *columns: Bits) -> Words:
    """r0 to r3 after each call of a function, ``uint32[n, 4]``; arguments are words, or pairs of them."""
    words = np.concatenate([c.view(np.uint32).reshape(len(c), -1) for c in columns], 1)
    given = np.zeros((len(words), 4), np.uint32)
    given[:, : words.shape[1]] = words
    source, to = machine.alloc(given), machine.alloc(given.nbytes)
    machine.call("apply", machine.symbol(f"bootrom_{name}").address, source, to, len(given))
    found: Words = to.read().view(np.uint32).reshape(-1, 4).copy()
    source.free()
    to.free()
    return found


def bits_of(words: Words, kind: Any, at: int = 0) -> Bits:
    """The word at `at`, or the pair of them."""
    count = np.dtype(kind).itemsize // 4
    return np.ascontiguousarray(words[:, at : at + count]).view(kind).reshape(-1)


def operands(form: Format, count: int, seed: int) -> Bits:
    """Any bits, small integers with a fraction, numbers around 1, and those at the ends of what there is."""
    rng = np.random.default_rng(seed)
    size = 8 * np.dtype(form.bits).itemsize
    anything = rng.integers(0, 1 << size, count, np.uint64).astype(form.bits)
    near = (rng.integers(-99, 99, count) * 2.0 ** rng.integers(-4, 4, count)).astype(form.real).view(form.bits)
    one = form.bits((form.bias - 1) << form.stored) + (anything >> form.bits(size - form.stored - 1))
    least = form.least
    ends = [0, 1, least - 1, least, least + 1, 2 * least - 1, form.infinite - 1, form.infinite, form.infinite + 1]
    ends = [*ends, form.bias << form.stored, (form.bias << form.stored) - 1, (form.bias << form.stored) + 1]
    edges = rng.choice(np.array([*ends, *(end | form.sign for end in ends)], form.bits), count)
    return np.choose(rng.integers(0, 4, count), [anything, near, one, edges]).astype(form.bits)


def far_apart(form: Format) -> tuple[Bits, Bits]:
    """Pairs whose sum depends on the smaller one by its last bits, or not at all. Many larger ones are powers of 2."""
    rng = np.random.default_rng(15)
    count = 600
    larger = np.where(rng.integers(0, 2, count), 1.0, rng.uniform(1, 2, count)) * rng.choice([-1.0, 1.0], count)
    smaller = np.where(rng.integers(0, 3, count), rng.uniform(1, 2, count), 1.0) * rng.choice([-1.0, 1.0], count)
    smaller *= 2.0 ** -rng.integers(form.stored - 1, form.stored + 4, count)
    return larger.astype(form.real).view(form.bits), smaller.astype(form.real).view(form.bits)


def flushed(form: Format, bits: Bits) -> Bits:
    """Denormals as zeros, NaNs as infinities; signs stay."""
    magnitude = bits & form.bits(form.sign - 1)
    magnitude = np.where(magnitude < form.least, 0, np.minimum(magnitude, form.infinite))
    return (magnitude.astype(form.bits) | bits & form.bits(form.sign)).astype(form.bits)


def rounded(form: Format, value: Fraction) -> int:
    """The bits of the nearest number to one that is not 0, even on ties, where exponents go on below the least."""
    sign, value = (form.sign, -value) if value < 0 else (0, value)
    exponent = 0
    while value >= 2 << form.stored:
        value, exponent = value / 2, exponent + 1
    while value < 1 << form.stored:
        value, exponent = value * 2, exponent - 1
    whole = round(value)
    packed = (exponent + form.stored + form.bias - 1) * (1 << form.stored) + whole
    return sign if packed < form.least else sign | min(packed, form.infinite)


def exact(form: Format, name: str, a: Any, b: Any) -> int | None:
    """A sum, product or quotient by fractions; None where it is none, or 0."""
    if not (np.isfinite(a) and np.isfinite(b)) or (name == "div" and b == 0):
        return None
    left, right = Fraction(float(a)), Fraction(float(b))
    sums = {"add": left + right, "sub": left - right, "mul": left * right}
    value = left / right if name == "div" else sums[name]
    return rounded(form, value) if value else None


OPERATIONS: dict[str, Callable[..., Any]] = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.divide,
}


@FORMATS
@pytest.mark.parametrize("name", OPERATIONS)
def test_arithmetic(machine: Machine, form: Format, name: str) -> None:
    """As IEEE has it, bit for bit; a result that would be NaN is an infinity, one below the least number a zero."""
    pairs = (operands(form, 3000, 1), operands(form, 3000, 2)), far_apart(form)
    a, b = (np.concatenate(column) for column in zip(*pairs, strict=True))
    found = bits_of(results(machine, form.letter + name, a, b), form.bits)
    left, right = flushed(form, a).view(form.real), flushed(form, b).view(form.real)
    with np.errstate(all="ignore"):
        ieee = OPERATIONS[name](left, right).astype(form.real)
    expected = flushed(form, ieee.view(form.bits))
    is_nan = np.isnan(ieee)
    assert is_nan.any()
    assert (found[is_nan] & form.bits(form.sign - 1) == form.infinite).all()
    # IEEE rounds denormals where they are; at the least number that is another result than before they are dropped.
    at_least = np.abs(ieee.view(form.bits) & form.bits(form.sign - 1)) == form.least
    same = found == expected
    assert same[~is_nan & ~at_least].all(), [hex(x) for x in (a[~same & ~is_nan][0], b[~same & ~is_nan][0])]
    for i in [*np.flatnonzero(at_least), *range(40)]:
        value = exact(form, name, left[i], right[i])
        assert value is None or found[i] == value, (hex(a[i]), hex(b[i]))


@FORMATS
def test_square_roots(machine: Machine, form: Format) -> None:
    """-0 stays, what is below it gives minus infinity."""
    a = operands(form, 2000, 3)
    found = bits_of(results(machine, f"{form.letter}sqrt", a), form.bits)
    value = flushed(form, a).view(form.real)
    with np.errstate(invalid="ignore"):
        expected = np.where(value < 0, form.real(-np.inf), np.sqrt(value)).astype(form.real)
    assert (found == expected.view(form.bits)).all()


@FORMATS
def test_comparing(machine: Machine, form: Format) -> None:
    a, b = operands(form, 2000, 4), operands(form, 2000, 5)
    b[::5] = a[::5]
    left, right = flushed(form, a).view(form.real), flushed(form, b).view(form.real)
    expected = (left > right).astype(np.int32) - (left < right)
    assert (results(machine, f"{form.letter}cmp", a, b)[:, 0].view(np.int32) == expected).all()
    assert set(expected.tolist()) == {-1, 0, 1}


# -- integers and fixed point

POINTS = np.array([0, 0, 0, 1, 7, 16, 31, 32, 40, 63, -1, -8], np.int32)


def fixed(form: Format, bits: int, point: int, width: int, is_signed: bool) -> int:
    """Down, and to the nearest that the integer has."""
    low, high = (-(1 << width - 1), (1 << width - 1) - 1) if is_signed else (0, (1 << width) - 1)
    value = float(np.array([bits], form.bits).view(form.real)[0])
    if math.isinf(value):
        return low if value < 0 else high
    return max(low, min(high, math.floor(Fraction(value) * Fraction(2) ** point)))


@FORMATS
@pytest.mark.parametrize("kind", ["int", "fix", "uint", "ufix", "int64", "fix64", "uint64", "ufix64"])
def test_to_integers(machine: Machine, form: Format, kind: str) -> None:
    """Rounded down, and clamped."""
    width, is_signed = 64 if "64" in kind else 32, not kind.startswith("u")
    rng = np.random.default_rng(6)
    spread = (rng.normal(size=700) * 2.0 ** rng.integers(-3, 66, 700)).astype(form.real).view(form.bits)
    a = np.concatenate([operands(form, 500, 7), spread])
    points = rng.choice(POINTS, len(a))
    words = results(machine, f"{form.name}2{kind}", a, points)
    points = points if "fix" in kind else points * 0
    found = bits_of(words, {32: np.int32, 64: np.int64}[width] if is_signed else {32: np.uint32, 64: np.uint64}[width])
    expected = [
        fixed(form, bits, point, width, is_signed)
        for bits, point in zip(flushed(form, a).tolist(), points.tolist(), strict=True)
    ]
    assert found.tolist() == expected


@FORMATS
@pytest.mark.parametrize("kind", ["int", "fix", "uint", "ufix", "int64", "fix64", "uint64", "ufix64"])
def test_from_integers(machine: Machine, form: Format, kind: str) -> None:
    """To the nearest number."""
    width, is_signed = 64 if "64" in kind else 32, not kind.startswith("u")
    rng = np.random.default_rng(8)
    unsigned, signed = {32: (np.uint32, np.int32), 64: (np.uint64, np.int64)}[width]
    values = rng.integers(0, 1 << width, 600, np.uint64).astype(unsigned)
    values = values >> rng.integers(0, width, 600).astype(unsigned)
    edges = [0, 1, 1 << width - 1, (1 << width) - 1, (1 << 24) + 1, (1 << 24) + 3, (1 << 25) - 1, (1 << 53) + 1]
    values = np.concatenate([values, np.array([e % (1 << width) for e in edges], unsigned)])
    points = rng.choice(POINTS, len(values))
    found = bits_of(results(machine, f"{kind}2{form.name}", values, points), form.bits)
    points = points if "fix" in kind else points * 0
    numbers = values.view(signed).tolist() if is_signed else values.tolist()
    for number, point, bits in zip(numbers, points.tolist(), found.tolist(), strict=True):
        expected = rounded(form, Fraction(number) / Fraction(2) ** point) if number else 0
        assert bits == expected, (number, point, hex(bits))


def test_between_the_formats(machine: Machine) -> None:
    a, b = operands(FLOAT, 2000, 9), operands(DOUBLE, 2000, 10)
    spread = np.random.default_rng(11).normal(size=2000).astype(np.float32).astype(np.float64)
    b = np.concatenate([b, spread.view(np.uint64), (spread + 2.0**-26).view(np.uint64)])
    wider = bits_of(results(machine, "float2double", a), np.uint64)
    assert (wider == flushed(FLOAT, a).view(np.float32).astype(np.float64).view(np.uint64)).all()
    narrower = bits_of(results(machine, "double2float", b), np.uint32)
    with np.errstate(over="ignore"):
        expected = flushed(DOUBLE, b).view(np.float64).astype(np.float32).view(np.uint32)
    differing = narrower != flushed(FLOAT, expected)
    assert (expected[differing] & 0x7FFFFFFF == FLOAT.least).all()  # as above


# -- scientific functions

ULP = {"sin": 1.5, "cos": 1.5, "tan": 3.5, "exp": 1.5, "ln": 1.5, "atan2": 2.0}
"""Units in the last place that results may differ from Python's, which may be one off for doubles."""


def distance(form: Format, found: Bits, expected: npt.NDArray[np.float64]) -> float:
    """The largest error in units in the last place."""
    unit = np.spacing(np.abs(expected).astype(form.real)).astype(np.float64)
    return float((np.abs(found.view(form.real).astype(np.float64) - expected) / unit).max())


def arguments(form: Format, name: str) -> npt.NDArray[Any]:
    """Over the whole range, around what is delicate, and very small."""
    rng = np.random.default_rng(12)
    small = rng.uniform(-1, 1, 200) * 2.0 ** rng.integers(-40, 0, 200)
    if name == "exp":
        low, high = (-87, 88.7) if form is FLOAT else (-708, 709.7)
        return np.concatenate([rng.uniform(low, high, 300), small]).astype(form.real)
    if name == "ln":
        top = form.bias - 2
        around = 1 + rng.uniform(-1, 1, 200) * 2.0 ** rng.integers(-20, -1, 200)
        return np.concatenate([2.0 ** rng.uniform(-top, top, 300), around, rng.uniform(0.5, 2, 100)]).astype(form.real)
    quarters = np.arange(-40, 41) * (math.pi / 2)
    return np.concatenate([rng.uniform(-form.angles, form.angles, 300), small, quarters]).astype(form.real)


@FORMATS
@pytest.mark.parametrize("name", ["sin", "cos", "tan", "exp", "ln"])
def test_scientific_functions(machine: Machine, form: Format, name: str) -> None:
    x = arguments(form, name)
    found = bits_of(results(machine, form.letter + name, x.view(form.bits)), form.bits)
    function = getattr(math, {"ln": "log"}.get(name, name))
    assert distance(form, found, np.array([function(float(value)) for value in x])) <= ULP[name]


@FORMATS
def test_sine_and_cosine_at_once(machine: Machine, form: Format) -> None:
    """In r0 and r1, doubles in r1:r0 and r3:r2; the same as one by one."""
    x = arguments(form, "sin").view(form.bits)
    both = results(machine, f"{form.letter}sincos", x)
    for at, name in ((0, "sin"), (np.dtype(form.bits).itemsize // 4, "cos")):
        alone = bits_of(results(machine, form.letter + name, x), form.bits)
        assert (bits_of(both, form.bits, at) == alone).all()


@FORMATS
def test_arc_tangent(machine: Machine, form: Format) -> None:
    """All quadrants, signs of zeros and infinities included."""
    rng = np.random.default_rng(13)
    y, x = (rng.uniform(-1, 1, 500) * 2.0 ** rng.integers(-20, 20, 500) for _ in range(2))
    edges = [0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, 5.0, -5.0]
    y, x = (np.concatenate([a, b.ravel()]) for a, b in zip((y, x), np.meshgrid(edges, edges), strict=True))
    y, x = y.astype(form.real), x.astype(form.real)
    found = bits_of(results(machine, f"{form.letter}atan2", y.view(form.bits), x.view(form.bits)), form.bits)
    expected = np.array([math.atan2(float(a), float(b)) for a, b in zip(y, x, strict=True)])
    assert (np.signbit(found.view(form.real)) == np.signbit(expected)).all()
    assert distance(form, found, expected) <= ULP["atan2"]


@FORMATS
@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        ("exp", [0, -0.0, np.inf, -np.inf, np.nan, 1000, -1000, -708.5], [1, 1, np.inf, 0, np.inf, np.inf, 0, 0]),
        ("ln", [0, -0.0, 1, -1, np.inf, -np.inf, np.nan], [-np.inf, -np.inf, 0, -np.inf, np.inf, -np.inf, np.inf]),
        ("sin", [0, -0.0], [0, -0.0]),
        ("cos", [0, -0.0], [1, 1]),
    ],
)
def test_ends(machine: Machine, form: Format, name: str, given: list[float], expected: list[float]) -> None:
    found = bits_of(results(machine, form.letter + name, np.array(given, form.real).view(form.bits)), form.bits)
    assert found.view(form.real).tolist() == expected


@pytest.mark.parametrize("name", ["fadd", "fsqrt", "int2float", "ddiv", "dsincos", "datan2", "fln"])
def test_it_runs_where_it_is_copied_to(machine: Machine, name: str) -> None:
    """From fplib_start to fplib_end (table 171), into SRAM."""
    rom = machine.read(0, 0x4000).tobytes()
    data = int.from_bytes(rom[0x16:0x18], "little")
    begin, end = (tables.look_up(rom, data, letters) for letters in ("FS", "FE"))
    copy = machine.alloc(np.frombuffer(rom[begin:end], np.uint8))
    given = operands(DOUBLE if name[0] == "d" else FLOAT, 40, 14).view(np.uint32).reshape(-1, 4)
    source, to = machine.alloc(given), machine.alloc(given.nbytes)
    found = []
    for address in (machine.symbol(f"bootrom_{name}").address, None):
        moved = copy.address + machine.symbol(f"bootrom_{name}").address - begin
        cost = machine.call("apply", moved if address is None else address, source, to, len(given))
        found.append(to.read().tobytes())
    assert found[0] == found[1]
    assert cost.warnings == ()  # nothing of it is the ROM's
    for buffer in (to, source, copy):
        buffer.free()


def test_what_is_spent_in_it_is_said(machine: Machine) -> None:
    """The vendor's code takes other cycles."""
    cost = machine.call("bootrom_fadd", 0x3F800000, 0x40000000, result="f32")
    assert cost.result == 3
    assert cost.warnings == (
        f"{cost.cycles} cycles were spent in functions of m0sim's own boot ROM, {cost.cycles} of them of floating "
        "point: the vendor's take others; give it with --bootrom FILE",
    )
    assert "floating point" not in machine.call("bootrom_ctz32", 8).warnings[0]
    assert machine.call("load", 0x20000000).warnings == ()


def test_every_function_of_the_tables_is_tested() -> None:
    fixed_kinds = ["int", "fix", "uint", "ufix", "int64", "fix64", "uint64", "ufix64"]
    for form, names in ((FLOAT, tables.FLOAT), (DOUBLE, tables.DOUBLE)):
        tested = {form.letter + name for name in (*OPERATIONS, "sqrt", "cmp", "sin", "cos", "tan", "exp", "ln")}
        tested |= {form.letter + name for name in ("sincos", "atan2")} | {"float2double", "double2float"}
        tested |= {f"{form.name}2{kind}" for kind in fixed_kinds} | {f"{kind}2{form.name}" for kind in fixed_kinds}
        assert {name for name in names if name is not None} <= tested
