"""Rust's names: pairs from its documentation, binutils as oracle, and names made to grow."""

from __future__ import annotations

import re
import shutil
import subprocess
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pace import slowdown

from m0sim.image.rust_names import TEXT_LIMIT, RustNames

# The first ten are from the rustc book's "v0 Symbol Format" and RFC 2603.
PAIRS = {
    "_RNvMsr_NtCs3ssYzQotkvD_3std4pathNtB5_7PathBuf3newCs15kBYyAo9fc_7mycrate": "<std::path::PathBuf>::new",
    "_RNvCs15kBYyAo9fc_7mycrate7example": "mycrate::example",
    "_RNvMs_Cs4Cv8Wi1oAIB_7mycrateNtB4_7Example3foo": "<mycrate::Example>::foo",
    "_RNvXCs15kBYyAo9fc_7mycrateNtB2_7ExampleNtB2_5Trait3foo": "<mycrate::Example as mycrate::Trait>::foo",
    "_RNvYNtCs15kBYyAo9fc_7mycrate7ExampleNtB4_5Trait7exampleB4_": "<mycrate::Example as mycrate::Trait>::example",
    "_RNCNvCsgStHSCytQ6I_7mycrate4main0B3_": "mycrate::main::{closure#0}",
    "_RNCNvCsgStHSCytQ6I_7mycrate4mains_0B3_": "mycrate::main::{closure#1}",
    "_RINvCsgStHSCytQ6I_7mycrate7examplelKj1_EB2_": "mycrate::example::<i32, 1>",
    "_RINvCs7qp2U7fqm6G_7mycrate7exampleFG0_RL1_hRL0_tEuEB2_": ("mycrate::example::<for<'a, 'b> fn(&'a u8, &'b u16)>"),
    "_RNqCs4fqI2P2rA04_11utf8_identsu30____7hkackfecea1cbdathfdh9hlq6y": (
        "utf8_idents::\u10e1\u10d0\u10ed\u10db\u10d4\u10da\u10d0\u10d3_\u10d2\u10d4\u10db\u10e0\u10d8\u10d4\u10da\u10d8_"
        "\u10e1\u10d0\u10d3\u10d8\u10da\u10d8"
    ),
    # Every kind of type, and what a type's letter can hold.
    "_RINvC1a1fabcdefhijlmnostuxyzpE": (
        "a::f::<i8, bool, char, f64, str, f32, u8, isize, usize, i32, u32, i128, u128, i16, u16, (), i64, u64, !, _>"
    ),
    "_RINvC1a1fAhKj4_E": None,
    "_RINvC1a1fAhj4_E": "a::f::<[u8; 4]>",
    "_RINvC1a1fShThEThtETEE": "a::f::<[u8], (u8,), (u8, u16), ()>",
    "_RINvC1a1fRhQhPhOhRL_hE": "a::f::<&u8, &mut u8, *const u8, *mut u8, &u8>",
    "_RINvC1a1fFUKCmEhFEuE": 'a::f::<unsafe extern "C" fn(u32) -> u8, fn()>',
    "_RINvC1a1fDNtB2_1tEL_DINtB2_1thEp1ImEL_E": "a::f::<dyn a::t, dyn a::t<u8, I = u32>>",
    "_RINvC1a1fKb0_Kb1_Kc61_Kan80_KpE": "a::f::<false, true, 'a', -128, _>",
    "_RINvC1a1fL_E": "a::f::<'_>",
    "_RNvC1a1f.llvm.1234ABCD": "a::f",
    "_RNSC1a4call": "a::{shim:call#0}",
    # The legacy format.
    "_ZN4core3fmt9Formatter3pad17h0123456789abcdefE": "core::fmt::Formatter::pad",
    "_ZN4core3fmt9Formatter3pad17h0123456789abcdefE.llvm.12AB": "core::fmt::Formatter::pad",
    "_ZN60_$LT$alloc..vec..Vec$LT$T$GT$$u20$as$u20$core..ops..Drop$GT$4drop17h0123456789abcdefE": (
        "<alloc::vec::Vec<T> as core::ops::Drop>::drop"
    ),
    "_ZN3app4main28_$u7b$$u7b$closure$u7d$$u7d$17h0123456789abcdefE": "app::main::{{closure}}",
    "_ZN37_$LT$$RF$$u5b$T$u5d$$u20$as$u20$A$GT$1f17h0123456789abcdefE": "<&[T] as A>::f",
    # No names of Rust's.
    "_ZN8geometry4areaEi": None,
    "_ZN3app4main17h0123456789abcdeE": None,
    "_ZN17h0123456789abcdefE": None,
    "main": None,
    "": None,
    "_R": None,
    "_RC": None,
    "_RNvC1a": None,
    "_RNvC1a9f": None,
    "_RB_": None,
    "_RMC1aB_": None,
    "_Reset_Handler": None,
}


@pytest.mark.parametrize(("mangled", "path"), PAIRS.items())
def test_known_names(mangled: str, path: str | None) -> None:
    assert RustNames().path(mangled) == path


def test_paths_are_those_of_binutils() -> None:
    found = shutil.which("c++filt")
    if found is None:
        pytest.skip("c++filt is not installed")
    names = [mangled for mangled, path in PAIRS.items() if path is not None]
    done = subprocess.run([found, "-s", "rust", *names], capture_output=True, encoding="utf-8", check=True)
    # It adds the hash of a crate or function, and the type of a constant.
    hashes_and_types = re.compile(r"(?<=\w)\[[0-9a-f]+\]|::h[0-9a-f]{16}$|: (usize|bool|char|i8)")
    for mangled, said in zip(names, done.stdout.splitlines(), strict=True):
        assert RustNames().path(mangled) == hashes_and_types.sub("", said)


@settings(max_examples=300, deadline=None)
@given(st.text("RNvCMXYIBsKLEDFGTASPQph_0123ab", max_size=60))
def test_any_text_is_read_or_left_alone(text: str) -> None:
    for start in ("_R", "_RNvC1a1f", "_RINvC1a1f"):
        path = RustNames().path(start + text)
        assert path is None or 0 < len(path) <= TEXT_LIMIT


@settings(max_examples=100, deadline=None)
@given(st.sampled_from([m for m, path in PAIRS.items() if path]), st.data())
def test_a_damaged_name_is_read_or_left_alone(mangled: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(2, len(mangled) - 1))
    letter = data.draw(st.characters(min_codepoint=33, max_codepoint=255))
    path = RustNames().path(mangled[:at] + letter + mangled[at + data.draw(st.integers(0, 3)) :])
    assert path is None or len(path) <= TEXT_LIMIT


def base_62(value: int) -> str:
    digits = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
    if not value:
        return "_"
    value, text = value - 1, ""
    while value or not text:
        value, digit = divmod(value, 62)
        text = digits[digit] + text
    return text + "_"


def doubling(times: int) -> str:
    """A name with a type that holds the one before it twice, `times` times over: 2**times of them, written out."""
    name, last = "INvC1a1f", "u"
    for _ in range(times):
        here = len(name)
        name += f"T{last}{last}E"
        last = f"B{base_62(here)}"
    return f"_R{name}E"


def test_names_that_double_are_read_while_they_are_short() -> None:
    assert RustNames().path(doubling(2)) == "a::f::<((), ()), (((), ()), ((), ()))>"
    assert RustNames().path(doubling(40)) is None


def test_names_of_one_file_share_a_limit() -> None:
    """2,000 such names would be 8 million steps of a second for each million."""
    names, name = RustNames(), doubling(30)
    started = time.process_time()
    assert {names.path(name) for _ in range(2_000)} == {None}
    assert names.path("_RNvC1a1f") is None, "the work of the file is done"
    assert time.process_time() - started < 10 * slowdown()


@pytest.mark.parametrize("nest", ["S" * 5000, "INvC1a1f" * 500, "NvMC1aS" * 300, "_RINvC1a1f" + "T" * 900])
def test_nests_end(nest: str) -> None:
    assert RustNames().path("_R" + nest) is None
