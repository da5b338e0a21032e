"""C++ names by LLVM's demangler, and what hostile ones do to it."""

from __future__ import annotations

import random
import re
import shutil
import string
import subprocess
import time
from itertools import pairwise
from pathlib import Path

import pytest
from conftest import Build
from pace import slowdown

from m0sim.image import load_elf
from m0sim.image.cxx_names import demangled, shorter_names

SOURCE = r"""
struct Foo { int a; Foo(int x); ~Foo(); template<class T> Foo(T* p, int n); int get() const; operator int() const; };
Foo::Foo(int x) : a(x * 3) {}
Foo::~Foo() { a = 0; }
template<class T> Foo::Foo(T* p, int n) : a(*p + n) {}
template Foo::Foo(short*, int);
int Foo::get() const { return a; }
Foo::operator int() const { return a + 1; }
namespace n { struct Less { int k; }; int operator<(Less a, Less b) { return a.k < b.k; } }
namespace std { template<class A, class C> __attribute__((noinline)) int ins(A a, A b, C c) { return *a + *b + c.k; } }
template<class T, int N> __attribute__((noinline)) int arr(const T (&a)[N]) {
    int s = 0;
    for (auto x : a) s += x;
    return s;
}
extern "C" int use(int x) {
    Foo f(x);
    short s = 2;
    Foo g(&s, 4);
    int k[3] = {x, 2, 3}, y = 2;
    n::Less l = {3};
    return f.get() + g.get() + int(g) + arr(k) + std::ins(&x, &y, l) + (l < l);
}
"""
NAMES = {
    "Foo::Foo(int)": ["Foo::Foo(int)", "_ZN3FooC1Ei", "_ZN3FooC2Ei"],
    "Foo::Foo<short>(short*, int)": ["Foo::Foo<short>"],
    "Foo::~Foo()": ["Foo::~Foo"],
    "Foo::get() const": ["Foo::get"],
    "Foo::operator int() const": ["Foo::operator int"],
    "n::operator<(n::Less, n::Less)": ["n::operator<"],
    "int arr<int, 3>(int const (&) [3])": ["arr<int, 3>", "int arr<int, 3>", "arr<int, 3>(int const (&) [3])"],
    "int std::ins<int*, n::Less>(int*, int*, n::Less)": ["std::ins<int*, n::Less>"],
}


@pytest.mark.parametrize("toolchain", ["zig", "gnu"])
def test_names_are_what_people_write(build: Build, tmp_path: Path, toolchain: str) -> None:
    source = tmp_path / "names.cpp"
    source.write_text(SOURCE)
    image = load_elf(build(source, toolchain=toolchain))
    listed = {f.name for f in image.functions}
    assert listed >= NAMES.keys()
    for name, others in NAMES.items():
        for other in (name, *others):
            assert image.find(other).address == image.find(name).address, other


@pytest.mark.parametrize(
    ("name", "shorter"),
    [
        ("f(int)", {"f", "f(int)"}),
        ("int f<int>(int)", {"int f<int>", "f<int>(int)", "f<int>"}),
        ("a::b<(c)1>::operator unsigned int<d>() const &", {"a::b<(c)1>::operator unsigned int<d>"}),
        ("unsigned long a::f<b<c> >(b<c> (&) [2])", {"a::f<b<c> >", "a::f<b<c> >(b<c> (&) [2])"}),
        ("plain", set()),
        ("(", set()),
        (")", set()),
    ],
)
def test_what_people_leave_out(name: str, shorter: set[str]) -> None:
    assert shorter_names(name) >= shorter


@pytest.mark.parametrize("name", ["main", "_Z", "_ZN", "_Zbad", "_R1a", "", "_Z1fILf3f800000EEvv", "_Z1f\udcff"])
def test_what_is_no_name_stays(name: str) -> None:
    assert demangled(name) is None


def test_clones_keep_their_mark() -> None:
    assert demangled("_ZN1a1bEv.isra.0") == "a::b().isra.0"


def references(levels: int) -> str:
    """A name whose every class has the one before it as an argument, twice."""
    letters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    number = [f"S{letters[n // 36] if n > 35 else ''}{letters[n % 36]}_" for n in range(0, 2 * levels, 2)]
    return "_Z1f1AIiiE" + "".join(f"1BI{each}{each}E" for each in number)


def test_names_that_grow_come_as_far_as_they_fit() -> None:
    assert demangled(references(1)) == "f(A<int, int>, B<A<int, int>, A<int, int>>)"
    lengths = [len(demangled(references(levels)) or "") for levels in range(1, 40)]
    grown = lengths.index(0)
    assert grown > 8
    assert all(after > 1.5 * before for before, after in pairwise(lengths[2:grown]))
    assert not any(lengths[grown:])


DEEP = {
    "pointers": "_Z1f" + "P" * 100_000 + "i",
    "as many as are read": "_Z1f" + "P" * 4091 + "i",
    "templates": "_Z1f" + "1aI" * 1000 + "i" + "E" * 1000,
    "expressions": "_Z1fIX" + "ng" * 2000 + "Li1EEEvv",
    "functions": "_Z1f" + "PF" * 1000 + "v" + "vE" * 1000,
    "locals": "_Z" + "Z" * 2000 + "1fv" + "E1g" * 600,
    "packs": "_Z1fI" + "J" * 1900 + "i" + "E" * 1900 + "Evv",
    "empty packs": "_Z1fIJE" + "".join(f"J{t}{t}E" for t in ["T_", *(f"T{n}_" for n in range(60))]) + "Evv",
    "one long name": "_Z4000" + "a" * 4000 + "v",
}


@pytest.mark.parametrize("name", DEEP.values(), ids=DEEP)
def test_names_that_ask_for_much_come_back(name: str) -> None:
    started = time.process_time()
    text = demangled(name)
    assert time.process_time() - started < 0.5 * slowdown()
    if len(name) > 4096:
        assert text is None


def test_after_a_name_that_was_too_much_others_are_right() -> None:
    for _ in range(100):
        assert demangled(references(30)) is None
        assert demangled("_ZN3FooC1Ei") == "Foo::Foo(int)"


def test_damaged_names_come_back(build: Build) -> None:
    """20,000 of them, changed in a few places."""
    rng = random.Random(5)
    names = [*(n for others in NAMES.values() for n in others), references(4), *(n[:200] for n in DEEP.values())]
    names += [symbol.linkage_name for symbol in load_elf(build("shapes.cpp")).symbols]
    letters = string.digits + string.ascii_letters + "_.$"
    for _ in range(20_000):
        name = list("_Z" + rng.choice(names).removeprefix("_Z"))
        for _ in range(rng.randrange(1, 6)):
            at = rng.randrange(2, len(name) + 1)
            name[at : at + rng.randrange(2)] = rng.choices(letters, k=rng.randrange(3))
        demangled("".join(name))


def test_every_name_is_that_of_llvm() -> None:
    """The host's own C++ library, against a build of the demangler that others made."""
    for program in ("llvm-cxxfilt", "gcc", "nm"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    library = output_of("gcc", "-print-file-name=libstdc++.so").strip()
    listed = {line.split()[-1].partition("@")[0] for line in output_of("nm", "-D", library).splitlines()}
    names = sorted(name for name in listed if name.startswith("_Z") and "B5cxx11" not in name)  # old ones differ
    theirs = output_of("llvm-cxxfilt", input="\n".join(names)).splitlines()
    differing = [n for n, t in zip(names, theirs, strict=True) if unspaced(demangled(n) or n) != unspaced(t)]
    assert differing == []
    assert len(names) > 3000


def unspaced(text: str) -> str:
    """Older ones write ``> >``."""
    return re.sub("> (?=>)", ">", text)


def output_of(*command: str, **more: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True, **more).stdout
