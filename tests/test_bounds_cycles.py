"""Static bounds of machine code by hand: shapes that compilers seldom make, interrupts, and cycles of loops."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import Build
from test_bounds import analysed
from test_cli import Run, run  # noqa: F401

from m0sim import Machine
from m0sim.bounds.vectors import PRIORITIES
from m0sim.errors import UsageError

EXCEPTION = 36


@pytest.fixture(scope="module")
def elf(build: Build) -> Path:
    return build("bounded.S", flags=("-g",))


BY_HAND = {
    "leaf": 0,
    "big_frame": 4004,
    "frame_pointer": 44,
    "veneer": 4004,
    "by_literal": 8 + 4004,
    "reset": 4004,
    "traps": 4 + EXCEPTION + 8,
    "never": 4,
    "calls_never": 24 + 4,
    "straight": 4,
    "jumps_to_counts": 0,
    "big_interrupt": 108,
    "switches": 8 + 4004,
    "far_jumps": 8 + 16,
    "changed_by_nobody": 16,
    "known_on_one_way": 4 + 8,
}
UNKNOWN = {
    "unequal": "sp",
    "leaves_some": "sp",
    "from_memory": "sp",
    "calls_rom": "outside",
    "recurses": "recursion",
    "jumps_out": "jump",
    "unrolled": "jump",
    "changed_by_callee": "call",
    "changed_by_store": "call",
}


@pytest.mark.parametrize("function", BY_HAND)
def test_the_stack_by_hand(elf: Path, function: str) -> None:
    bound = analysed(elf).stack(function)
    assert bound.stack_bytes == BY_HAND[function], bound.reasons


@pytest.mark.parametrize("function", UNKNOWN)
def test_what_is_not_known_is_named(elf: Path, function: str) -> None:
    bound = analysed(elf).stack(function)
    assert bound.stack_bytes is None
    assert [reason.kind for reason in bound.reasons] == [UNKNOWN[function]]


def test_annotations_bound_what_is_not_known(elf: Path) -> None:
    told = analysed(elf, '[stack.frames]\nunequal = 4\nfrom_memory = 64\n[stack.bounds]\n"0x2000" = 100\n')
    assert told.stack("unequal").stack_bytes == 4
    assert told.stack("from_memory").stack_bytes == 64
    assert told.stack("calls_rom").stack_bytes == 108
    endless = analysed(elf, '[stack]\nnoreturn = ["0x2000"]\n[stack.bounds]\n"0x2000" = 100\n')
    assert endless.stack("calls_rom").stack_bytes == 108


def test_a_jump_into_unrolled_code_is_told_by_a_range(elf: Path) -> None:
    """From the first instruction behind the jump to the last one before POP: the longest way begins at the first."""
    text = '[stack.calls]\nunrolled = ["unrolled+0x06..0x0e"]\n'
    assert analysed(elf, text).stack("unrolled").stack_bytes == 8
    assert analysed(elf, text).cycles("unrolled").cycles == 3 + 2 + 2 + 1 + 1 + (3 + 1 + 2) + 1 + 5
    for wrong in ("unrolled+0x06..0xfffffe", "unrolled+0x06..7"):
        with pytest.raises(UsageError, match=r"notes\.toml:2: stack\.calls\.unrolled: "):
            analysed(elf, text.replace("unrolled+0x06..0x0e", wrong))


def test_interrupts_by_hand(elf: Path, run: Run) -> None:  # noqa: F811
    found = analysed(elf).interrupts()
    taken = {handler.bound.function: handler.stack_bytes for handler in found.handlers}
    assert taken == {
        "big_interrupt": 108 + EXCEPTION,
        "interrupt": 40 + EXCEPTION,
        "tick": 16 + EXCEPTION,
        "supervisor": 8 + EXCEPTION,
        "pend": 4 + EXCEPTION,
        "nmi": EXCEPTION,
        "hard_fault": EXCEPTION,
    }
    assert next(h for h in found.handlers if h.bound.function == "interrupt").exceptions == ("IRQ 0", "IRQ 1")
    # The four deepest: of the one that two interrupts run, each may be active, at priorities of their own.
    assert found.nested_bytes == (PRIORITIES + 2) * EXCEPTION + 108 + 40 + 40 + 16
    shown = run("stack", elf, "leaf", "--interrupts", "--json").json
    assert shown["total_bytes"] == shown["interrupts"]["nested_bytes"] == found.nested_bytes
    assert run("stack", elf, "leaf", "--interrupts", "--max", found.nested_bytes).code == 0
    assert run("stack", elf, "leaf", "--interrupts", "--max", found.nested_bytes - 1).code == 1


def test_no_vector_table_is_said(build: Build) -> None:
    with pytest.raises(UsageError, match="no vector table was found"):
        analysed(build("bounded.c", flags=("-O2", "-g"))).interrupts()


LOOPS = {
    "straight": ("", 10),
    "either": ("", 7),
    "counts": ('"counts+0x00" = 9', 1 + 9 * 3 - 2 + 2),
    "tests_first": ('"tests_first+0x02" = 9', 2 + 10 * 2 + 9 * 2 + 2),
    "nested": ('"nested+0x00" = 5\n"nested+0x02" = 4', 5 * (1 + 4 * 3 - 1 + 1 + 2) - 1 + 2),
    "calls_counts": ('"counts+0x00" = 9', 2 + 3 + (9 * 3 - 1 + 2) + 4),
    "jumps_to_counts": ('"counts+0x00" = 9', 2 + 9 * 3 - 1 + 2),
}


@pytest.mark.parametrize("function", LOOPS)
def test_the_most_cycles_are_those_of_a_run(elf: Path, function: str) -> None:
    """Loops that an instruction bounds: the run that takes the longest way takes just that."""
    text, by_hand = LOOPS[function]
    bound = analysed(elf, f"[cycles.loops]\n{text}\n").cycles(function)
    machine = Machine.from_elf(elf)
    arguments = {"either": (0, 1), "nested": (5,), "tests_first": (9,)}.get(function, (9,))
    assert bound.cycles == by_hand == max(machine.call(function, a).cycles for a in arguments)


def test_a_line_may_be_a_round_more(elf: Path, build: Build) -> None:
    lines = (Path(__file__).parent / "firmware/bounded.S").read_text().splitlines()
    line = next(n for n, text in enumerate(lines, 1) if text.startswith("function counts ")) + 2
    exact = analysed(elf, '[cycles.loops]\n"counts+0x00" = 9\n').cycles("counts").cycles
    for place in (f"bounded.S:{line}", f"counts:{line}"):
        assert analysed(elf, f'[cycles.loops]\n"{place}" = 9\n').cycles("counts").cycles == exact + 3


@pytest.mark.parametrize("function", ["shares_its_head", "nested"])
def test_a_line_that_two_loops_share_bounds_neither(elf: Path, function: str) -> None:
    source = (Path(__file__).parent / "firmware/bounded.S").read_text().splitlines()
    first = next(n for n, text in enumerate(source, 1) if text.startswith(f"function {function} "))
    lines = "".join(f'"bounded.S:{first + n}" = 9\n' for n in range(1, 6))
    bound = analysed(elf, f"[cycles.loops]\n{lines}").cycles(function)
    if function == "nested":  # each line is in one of them
        assert bound.cycles is not None
        return
    assert [(r.kind, r.place) for r in bound.reasons] == [("loop", "shares_its_head+0x00")]
    assert "a line is not enough" in bound.reasons[0].text
    exact = analysed(elf, '[cycles.loops]\n"shares_its_head+0x00" = 20\n').cycles(function).cycles
    assert exact >= Machine.from_elf(elf).call(function, 5, 4).cycles


def test_an_annotated_function_is_what_it_says(elf: Path) -> None:
    assert analysed(elf, "[cycles.bounds]\nrecurses = 99\n").cycles("recurses").cycles == 99
    assert analysed(elf, "[stack.bounds]\nrecurses = 96\n").stack("recurses").stack_bytes == 96


NO_CYCLES = {
    "counts": ("loop", '[cycles.loops] "counts+0x00" = N'),
    "two_ways_in": ("entries", '[cycles.bounds] "two_ways_in" = CYCLES'),
    "never": ("endless", ""),
    "recurses": ("recursion", '[cycles.bounds] "recurses" = CYCLES'),
    "traps": ("svc", '[cycles.bounds] "traps" = CYCLES'),
    "calls_rom": ("unknown", '[cycles.bounds] "0x00002000" = CYCLES'),
}


@pytest.mark.parametrize("function", NO_CYCLES)
def test_why_there_is_no_bound_of_cycles(elf: Path, function: str) -> None:
    bound = analysed(elf).cycles(function)
    assert bound.cycles is None
    kind, annotation = NO_CYCLES[function]
    assert [reason.kind for reason in bound.reasons] == [kind]
    assert bound.reasons[0].annotation.startswith(annotation)
    if kind == "unknown":
        assert analysed(elf, '[cycles.bounds]\n"0x2000" = 100\n').cycles(function).cycles == 3 + 2 + 2 + 100 + 5


def test_an_instruction_that_some_rounds_skip_bounds_no_loop(elf: Path) -> None:
    with pytest.raises(UsageError, match=r"not every round of its loop comes by there: say 'skips\+0x00'"):
        analysed(elf, '[cycles.loops]\n"skips+0x04" = 8\n').cycles("skips")


def test_sleep_is_noted(elf: Path) -> None:
    assert analysed(elf).cycles("sleeps").notes == ("sleeps+0x00 may sleep: cycles asleep are not counted",)


def test_the_verb_shows_cycles(elf: Path, run: Run, tmp_path: Path) -> None:  # noqa: F811
    cost, notes = tmp_path / "cost.json", tmp_path / "notes.toml"
    cycles = run("call", elf, "counts", 9, "--json", "-o", cost).json["cycles"]
    notes.write_text('[cycles.loops]\n"counts+0x00" = 9\n')
    options = ("--cycles", "--annotations", notes, "--observed", cost)
    shown = run("stack", elf, "counts", *options)
    assert f"counts: at most {cycles} cycles; {cycles} observed; an upper bound" in shown.out
    assert run("stack", elf, "counts", *options, "--json").json["cycles"]["upper_bound"] == cycles
    notes.write_text('[cycles.loops]\n"counts+0x00" = 8\n')
    wrong = run("stack", elf, "counts", *options)
    assert wrong.code == 1
    assert f"error: a run took {cycles} cycles, more than the bound" in wrong.out
