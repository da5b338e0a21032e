"""PIO against a slow one that shares no code, cycle by cycle, on generated programs."""

from __future__ import annotations

from random import Random

import pytest
from pio_programs import (
    DOINGS,
    WORDS,
    Counts,
    Fast,
    Story,
    act_fast,
    act_slowly,
    counts_of_fast,
    counts_of_slow,
    state_of_fast,
    state_of_slow,
)
from reference.slow_pio import SlowPio

CYCLES = 200


def follow(seed: int, cycles: int = CYCLES) -> Counts:
    """One story on both. The fast one is looked at in every cycle, or only now and then: then it runs behind.

    Returns what was counted.
    """
    story, random = Story(seed, cycles), Random(seed)
    slow, fast = SlowPio(story.functions), Fast(story.functions)
    stride = random.choice((1, 1, 7, 60, 1000))
    for what in story.before:
        act_slowly(slow, what)
        act_fast(fast, what, 0)
    told, levels, foreseen = 0, [], 0
    watched = fast.core.pio.dreq_watched = random.getrandbits(16) if random.random() < 0.3 else 0
    lines, dreqs = slow.lines, slow.dreqs
    for now in range(cycles):
        acts = story.at.get(now, ())
        for what in acts:
            assert act_slowly(slow, what) == act_fast(fast, what, now), (seed, now, what)
        if random.randrange(stride) == 0:
            registers = random.randrange(10) == 0
            assert state_of_fast(fast, now, registers) == state_of_slow(slow, registers), (seed, now)
        if random.randrange(4 * stride) == 0:
            assert counts_of_fast(fast, now) == counts_of_slow(slow), (seed, now)
        if acts or now >= told:
            fast.sio.settle_pio(now)
            fast.core.pio.news, fast.core.pio.dreq_watched = 0, watched & ~slow.dreqs
            foreseen = told = fast.due(now)
            lines, dreqs = slow.lines, slow.dreqs
        levels.append(slow.pins())
        slow.tick()
        is_news = slow.lines != lines or slow.dreqs & ~dreqs & watched
        assert not is_news or now + 1 >= foreseen, (seed, now, "nobody was told")
        lines, dreqs = slow.lines, slow.dreqs
    assert state_of_fast(fast, cycles) == state_of_slow(slow), seed
    assert counts_of_fast(fast, cycles) == counts_of_slow(slow), seed
    levels.append(slow.pins())
    drawn = {int(row["cycle"]): (int(row["level"]), int(row["driven"])) for row in fast.log[: fast.pins.log_count]}
    at = (0, 0)
    for now in range(cycles + 1):
        at = drawn.get(now, at)
        assert at == levels[now], (seed, now)
    return counts_of_slow(slow)


@pytest.mark.parametrize("seed", range(100))
def test_generated_programs(seed: int) -> None:
    follow(seed)


@pytest.mark.long
@pytest.mark.parametrize("batch", range(20))
def test_many_generated_programs(batch: int) -> None:
    for seed in range(1000 + 100 * batch, 1100 + 100 * batch):
        follow(seed)


def test_everything_that_is_counted_comes_up() -> None:
    rows = [row for seed in range(12) for row in follow(seed)]
    assert {name for _, steps, _ in rows for name in steps} == set(DOINGS)
    assert {name for _, _, words in rows for name in words} == set(WORDS.values())
