"""The RP2040's DMA, section 2.5 of the datasheet: transfers, triggers, chains, pacing, interrupts."""

from __future__ import annotations

import numpy as np
import pytest
from dma_chip import (
    ABORT,
    ALIASES,
    COUNT,
    CTRL,
    DMA,
    FLASH,
    INTE0,
    INTE1,
    INTF0,
    INTF1,
    INTR,
    INTS0,
    INTS1,
    LEVELS,
    MULTI,
    NUMBER,
    READ,
    SRAM,
    TIMER0,
    WRITE,
    Descriptor,
    DmaChip,
    expected,
)  # fmt: skip
from hypothesis import given, settings
from hypothesis import strategies as st
from test_devices_rp2040 import CLR, SET

from m0sim.chip.devices.rp2040.dma import STRIDE

LOW = st.integers(0, 1 << 12)


@st.composite
def descriptors(draw: st.DrawFn, most: int = 40) -> Descriptor:
    size = draw(st.integers(0, 2))
    place = st.integers(0, 255).map(lambda i: SRAM + (i << size))
    ring = draw(st.sampled_from([0, 0, 0, 1, 2, 3, 5]))
    return Descriptor(
        read=draw(place), write=draw(place) + draw(st.sampled_from([0, 0x1000])),
        count=draw(st.integers(0, 3) | st.integers(0, most)), size=size, incr_read=draw(st.booleans()),
        incr_write=draw(st.booleans()), ring=ring if ring >= size else 0, ring_on_write=draw(st.booleans()),
        bswap=draw(st.booleans()),
    )  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(wanted=descriptors(), seed=st.integers(0, 5))
def test_bytes_are_those_of_one_transfer_after_the_other(wanted: Descriptor, seed: int) -> None:
    chip = DmaChip()
    chip.fill(seed)
    memory = bytearray(chip.sram.tobytes())
    expected(memory, wanted)
    chip.start(0, wanted)
    took = chip.finish(0)
    assert chip.sram.tobytes() == bytes(memory)
    assert took == wanted.count + 2 if wanted.count else took == 1
    assert chip.load(chip.channel(0, COUNT)) == 0
    assert chip.load(DMA + 0x804) == wanted.count  # DBG_TCR: what the next one begins with
    end = [wanted.read, wanted.write]
    for writes, moves in enumerate((wanted.incr_read, wanted.incr_write)):
        moved = end[writes] + (wanted.count << wanted.size if moves else 0)
        if wanted.ring and moves and wanted.ring_on_write == bool(writes):
            moved = end[writes] // 2**wanted.ring * 2**wanted.ring + moved % 2**wanted.ring
        assert chip.load(chip.channel(0, WRITE if writes else READ)) == moved


def test_two_hundred_kilobytes() -> None:
    """Byte by byte: every byte comes, and a transfer takes a cycle."""
    chip = DmaChip()
    chip.fill(1)
    chip.start(3, Descriptor(SRAM, SRAM + 100_001, 100_000, size=0))
    assert chip.finish(3) == 100_002
    assert (chip.sram[100_001:200_001] == chip.sram[:100_000]).all()


def test_registers_tell_how_far_it_is() -> None:
    chip = DmaChip()
    chip.start(0, Descriptor(SRAM, SRAM + 0x1000, 500))
    for _ in range(5):
        chip.run(70)
        left = chip.load(chip.channel(0, COUNT))
        assert chip.load(chip.channel(0, READ)) == SRAM + 4 * (500 - left)
        assert chip.load(chip.channel(0, WRITE)) == SRAM + 0x1000 + 4 * (500 - left)
    assert left == 500 - 5 * 70
    assert chip.busy(0)


def test_registers_that_are_asked_for_in_each_cycle_are_never_stale() -> None:
    chip = DmaChip()
    chip.start(0, Descriptor(SRAM, SRAM + 0x1000, 500))
    for i in range(200):
        assert chip.load(chip.channel(0, COUNT)) == 500 - i
        assert chip.load(chip.channel(0, READ)) == SRAM + 4 * i
        assert chip.busy(0)
        chip.run(1)


def test_what_others_see_of_a_copy_is_at_most_64_cycles_old() -> None:
    """Nobody asks the DMA: transfer i is made in cycle i + 1, and seen up to `STRIDE` cycles later."""
    chip = DmaChip()
    chip.fill(3)
    chip.start(0, Descriptor(SRAM, SRAM + 0x1000, 500))
    since, oldest = chip.host.now, 0
    source, target = (chip.sram[begin : begin + 2000].view(np.uint32) for begin in (0, 0x1000))
    while chip.host.now - since < 600:
        done = min(chip.host.now - since, 500)
        copied = int((source == target).argmin()) if (source != target).any() else 500
        oldest = max(oldest, done - copied)
        assert done - STRIDE <= copied <= done
        chip.run(1)
    assert copied == 500
    assert 0 < oldest <= STRIDE == 64


@pytest.mark.parametrize(("ahead", "is_named"), [(4, True), (32, True), (36, False), (-4, False)])
def test_reading_what_was_just_written_is_named(ahead: int, is_named: bool) -> None:
    chip = DmaChip()
    chip.start(0, Descriptor(SRAM + 0x100, SRAM + 0x100 + ahead, 50))
    chip.finish(0)
    assert any("sooner" in note.what for note in chip.board.bus.notes.values()) is is_named


@pytest.mark.parametrize("alias", range(4))
def test_each_alias_has_all_registers_and_its_last_one_starts(alias: int) -> None:
    chip = DmaChip()
    chip.fill(2)
    wanted = Descriptor(SRAM, SRAM + 0x1000, 7, size=0)
    values = {READ: wanted.read, WRITE: wanted.write, COUNT: wanted.count, CTRL: wanted.ctrl(5)}
    order = ALIASES[alias]
    for register in order[:3]:
        chip.store(chip.channel(5, register, alias), values[register])
        assert not chip.busy(5)
    chip.store(chip.channel(5, order[3], alias), values[order[3]])
    assert chip.busy(5)
    chip.finish(5)
    assert (chip.sram[0x1000:0x1007] == chip.sram[:7]).all()
    assert chip.sram[0x1007] != chip.sram[7]
    for register in (READ, WRITE, COUNT, CTRL):
        assert len({chip.load(chip.channel(5, register, each)) for each in range(4)}) == 1


@pytest.mark.parametrize("quiet", [False, True])
@pytest.mark.parametrize("register", [READ, WRITE, COUNT])
def test_null_triggers(register: int, quiet: bool) -> None:
    """Section 2.5.2.3: nothing starts; with IRQ_QUIET, and only then, there is an interrupt."""
    chip = DmaChip()
    alias = next(i for i, order in enumerate(ALIASES) if order[3] == register)
    chip.set_up(2, Descriptor(SRAM, SRAM + 64, 1, quiet=quiet))
    chip.store(chip.channel(2, register, alias), 0)
    assert not chip.busy(2)
    assert chip.load(INTR) == quiet << 2


def test_no_interrupt_at_the_end_with_irq_quiet() -> None:
    chip = DmaChip()
    chip.start(0, Descriptor(SRAM, SRAM + 64, 1, quiet=True))
    chip.start(1, Descriptor(SRAM, SRAM + 64, 1))
    chip.finish(0, 1)
    assert chip.load(INTR) == 2


def test_what_is_off_does_not_start_and_what_runs_does_not_start_again() -> None:
    chip = DmaChip()
    off = Descriptor(SRAM, SRAM + 64, 3, enable=False)
    chip.start(0, off)
    chip.store(MULTI, 1)
    assert not chip.busy(0)
    chip.start(1, Descriptor(SRAM, SRAM + 0x100, 50))
    chip.store(chip.channel(1, COUNT, 1), 99)  # a trigger, of one that runs: the reload value alone changes
    assert 50 - 3 <= chip.load(chip.channel(1, COUNT)) <= 50
    assert chip.load(DMA + 0x844) == 99
    chip.finish(1)
    chip.store(MULTI, 2)
    assert chip.load(chip.channel(1, COUNT)) == 99


def test_a_pause_keeps_it_busy() -> None:
    chip = DmaChip()
    wanted = Descriptor(SRAM, SRAM + 0x1000, 100)
    chip.start(0, wanted)
    chip.run(20)
    chip.store(chip.channel(0, CTRL, 1) + CLR, 1)
    left = chip.load(chip.channel(0, COUNT))
    chip.run(1000)
    assert chip.load(chip.channel(0, COUNT)) == left > 0
    assert chip.busy(0)
    chip.store(chip.channel(0, CTRL, 1) + SET, 1)
    assert chip.finish(0) == left + 2


def test_an_abort_ends_it() -> None:
    chip = DmaChip()
    chip.start(0, Descriptor(SRAM, SRAM + 0x1000, 1000, chain_to=1))
    chip.run(100)
    chip.store(ABORT, 1)
    assert chip.load(ABORT) == 0
    assert not chip.busy(0)
    chip.run(2000)
    assert chip.load(INTR) == 0
    assert chip.load(chip.channel(0, WRITE)) < SRAM + 0x1000 + 4000


# -- chains


@settings(max_examples=40, deadline=None)
@given(st.lists(descriptors(most=12), min_size=1, max_size=12))
def test_a_chain_of_channels_runs_in_its_order(wanted: list[Descriptor]) -> None:
    chip = DmaChip()
    chip.fill(3)
    memory = bytearray(chip.sram.tobytes())
    for i, each in enumerate(wanted):
        expected(memory, each)
        following = i + 1 if i + 1 < len(wanted) else None
        chip.set_up(i, Descriptor(**{**each.__dict__, "chain_to": following}))
    chip.store(MULTI, 1)
    chip.run(1 + sum(each.count + 3 for each in wanted))
    assert chip.sram.tobytes() == bytes(memory)
    assert chip.load(INTR) == (1 << len(wanted)) - 1
    assert not any(chip.busy(i) for i in range(12))


def _put(chip: DmaChip, address: int, words: list[int]) -> None:
    data = b"".join(word.to_bytes(4, "little") for word in words)
    for i, byte in enumerate(data):
        chip.sram[address - SRAM + i] = byte


@settings(max_examples=40, deadline=None)
@given(st.lists(descriptors(most=12).filter(lambda each: each.count > 0), max_size=6))
def test_control_blocks_of_four_words(wanted: list[Descriptor]) -> None:
    """Channel 0 writes blocks from a list into channel 1, which chains back; a null trigger ends the list."""
    chip = DmaChip()
    chip.fill(4)
    blocks = []
    for each in wanted:
        blocks += [each.read, each.write, each.count, Descriptor(**{**each.__dict__, "chain_to": 0}).ctrl(1)]
    _put(chip, SRAM + 0x8000, [*blocks, 0, 0, 0, 0])
    memory = bytearray(chip.sram.tobytes())
    for each in wanted:
        expected(memory, each)
    chip.start(0, Descriptor(SRAM + 0x8000, chip.channel(1, READ), 4, ring=4, ring_on_write=True))
    chip.run(100 + sum(each.count + 20 for each in wanted))
    assert chip.sram.tobytes() == bytes(memory)
    assert not chip.busy(0)
    assert not chip.busy(1)
    assert chip.load(chip.channel(0, READ)) == SRAM + 0x8000 + 16 * (len(wanted) + 1)


def test_control_blocks_as_the_datasheet_has_them() -> None:
    """Section 2.5.6.2: TRANS_COUNT and READ_ADDR_TRIG of alias 3, IRQ_QUIET, and a null trigger with an interrupt."""
    chip = DmaChip()
    words = [b"Transferring ", b"one ", b"word ", b"at ", b"a ", b"time.\n"]
    blocks, at = [], 0x100
    for word in words:
        chip.sram[at : at + len(word)] = list(word)
        blocks += [len(word), SRAM + at]
        at += len(word)
    _put(chip, SRAM + 0x1000, [*blocks, 0, 0])
    chip.set_up(1, Descriptor(0, SRAM + 0x2000, 0, size=0, chain_to=0, quiet=True))
    chip.start(0, Descriptor(SRAM + 0x1000, chip.channel(1, COUNT, 3), 2, ring=3, ring_on_write=True, quiet=True))
    while not chip.load(INTR):
        chip.run(1)
    assert chip.load(INTR) == 2
    text = b"".join(words)
    assert chip.sram[0x2000 : 0x2000 + len(text)].tobytes() == text


def test_ping_pong_without_a_gap_but_the_chain() -> None:
    chip = DmaChip()
    chip.fill(5)
    chip.set_up(1, Descriptor(SRAM + 40, SRAM + 0x1000 + 40, 10, chain_to=0))
    chip.start(0, Descriptor(SRAM, SRAM + 0x1000, 10, chain_to=1))
    chip.run(10 + 3 + 10 + 1)
    assert (chip.sram[0x1000:0x1050] == chip.sram[: 80 - 0]).all()
    assert chip.load(INTR) == 3


# -- several at once


def test_channels_share_the_cycles() -> None:
    chip = DmaChip()
    chip.fill(6)
    for i in range(4):
        chip.set_up(i, Descriptor(SRAM + 0x1000 * i, SRAM + 0x8000 + 0x1000 * i, 100 * (i + 1)))
    begin = chip.host.now
    chip.store(MULTI, 0xF)
    ends = []
    for i in range(4):
        chip.finish(i)
        ends.append(chip.host.now)
    # 100 rounds of four, 100 of three, 100 of two; the first transfer is in cycle 1, and two cycles end the last one
    assert [end - begin for end in ends] == [397 + 2, 698 + 2, 899 + 2, 1000 + 2]
    for i in range(4):
        low = 0x1000 * i
        assert (chip.sram[low : low + 400 * (i + 1)] == chip.sram[0x8000 + low : 0x8000 + low + 400 * (i + 1)]).all()


def test_high_priority_takes_all_but_every_second_cycle() -> None:
    """In each round all of high priority come, and one of low: with one of each, each has half."""
    chip = DmaChip()
    for i in range(3):
        chip.set_up(i, Descriptor(SRAM + 0x1000 * i, SRAM + 0x8000 + 0x1000 * i, 300, urgent=i == 2))
    chip.store(MULTI, 7)
    chip.run(300)
    left = [chip.load(chip.channel(i, COUNT)) for i in range(3)]
    assert left == [225, 225, 150]


# -- errors


@pytest.mark.parametrize(("read", "write", "flags"), [
    (0x3000_0000, SRAM, 3 << 30), (SRAM, 0x3000_0000, 5 << 29),
    (0xD000_0000, SRAM, 3 << 30), (SRAM, 0xE000_E010, 5 << 29),
])  # fmt: skip
def test_bus_errors(read: int, write: int, flags: int) -> None:
    """The channel halts and raises its interrupt. The I/O port and the private bus are the processor's alone."""
    chip = DmaChip()
    chip.start(0, Descriptor(read, write, 5, chain_to=1, quiet=True))
    chip.run(10)
    status = chip.load(chip.channel(0, CTRL))
    assert status & 0xFF00_0000 == flags
    assert chip.load(INTR) == 1
    chip.store(chip.channel(0, CTRL, 1), flags & 3 << 29)
    assert chip.load(chip.channel(0, CTRL)) >> 29 == 0


def test_stores_to_flash_and_rom_are_dropped() -> None:
    chip = DmaChip()
    chip.fill(7)
    chip.start(0, Descriptor(SRAM, FLASH, 2))
    chip.start(1, Descriptor(SRAM, 0x100, 2))
    chip.finish(0, 1)
    assert not chip.flash.any()
    assert set(chip.host.dropped) >= {0x100, FLASH}


def test_flash_lets_it_wait() -> None:
    chip = DmaChip()
    chip.host.stall_of_flash = 60
    chip.flash[:40] = range(40)
    chip.start(0, Descriptor(FLASH, SRAM, 10))
    assert chip.finish(0) == 10 * 61 + 1 + 1
    assert chip.sram[:40].tolist() == list(range(40))


def test_peripherals_take_what_their_bus_takes() -> None:
    """Section 2.1.3: three cycles for a read over APB, four for a write."""
    chip = DmaChip()
    scratch, reset_done = 0x4005_800C, 0x4000_C008
    chip.start(0, Descriptor(reset_done, SRAM, 10, incr_read=False))
    assert chip.finish(0) == 10 * 3 + 2
    assert chip.sram[36:40].tobytes() == chip.load(reset_done).to_bytes(4, "little")
    chip.start(0, Descriptor(SRAM, scratch, 10, incr_write=False))
    assert chip.finish(0) == 10 * 4 + 2
    assert chip.load(scratch) == chip.load(reset_done)


def test_narrow_stores_come_in_all_lanes() -> None:
    """Section 2.1.4."""
    chip = DmaChip()
    chip.sram[0:2] = 0xA5, 0x3C
    chip.start(0, Descriptor(SRAM, 0x4005_800C, 1, size=0))
    chip.start(1, Descriptor(SRAM, 0x4005_8010, 1, size=1))
    chip.finish(0, 1)
    assert chip.load(0x4005_800C) == 0xA5A5_A5A5
    assert chip.load(0x4005_8010) == 0x3CA5_3CA5


# -- interrupts


def test_both_lines_have_their_own_masks() -> None:
    chip = DmaChip()
    chip.store(INTE0, 1)
    chip.store(INTE1, 2)
    chip.start(0, Descriptor(SRAM, SRAM + 64, 1))
    chip.finish(0)
    assert (chip.host.lines[11], chip.host.lines[12]) == (True, False)
    chip.start(1, Descriptor(SRAM, SRAM + 64, 1))
    chip.finish(1)
    assert (chip.load(INTR), chip.load(INTS0), chip.load(INTS1)) == (3, 1, 2)
    assert chip.host.lines[12]
    chip.store(INTS0, 1)
    assert (chip.load(INTR), chip.host.lines[11], chip.host.lines[12]) == (2, False, True)
    chip.store(INTR, 2)
    assert not chip.host.lines[12]
    chip.store(INTF1, 0x800)
    assert (chip.load(INTS1), chip.host.lines[12]) == (0x800, True)
    chip.store(INTF1, 0)
    chip.store(INTF0, 1)
    assert (chip.host.lines[11], chip.host.lines[12]) == (True, False)


def test_the_interrupt_comes_when_the_last_transfer_has_ended() -> None:
    chip = DmaChip()
    chip.store(INTE0, 1)
    chip.start(0, Descriptor(SRAM, SRAM + 0x1000, 1000))
    chip.run(1001)
    assert not chip.host.lines[11]
    chip.run(1)
    assert chip.host.lines[11]


def test_constants() -> None:
    chip = DmaChip()
    assert chip.load(NUMBER) == 12
    assert chip.load(LEVELS) == 0


# -- pacing timers


@pytest.mark.parametrize(("x", "y"), [(1, 1), (1, 2), (3, 7), (1, 65535), (65535, 65535), (9, 4)])
def test_a_timer_gives_x_of_y_cycles(x: int, y: int) -> None:
    chip = DmaChip()
    chip.store(TIMER0 + 4, x << 16 | y)
    chip.start(0, Descriptor(SRAM, SRAM + 0x1000, 21, treq=0x3C))
    took = chip.finish(0, limit=2_000_000)
    assert took == pytest.approx(21 * max(1, y / x) + 2, abs=max(1, y / x))
    if y > 2 * x:
        exact = [-(-(i + 1) * y // x) for i in range(21)]
        assert took in range(exact[20] - y, exact[20] + 5)


@pytest.mark.parametrize("value", [0, 1, 1 << 16])
def test_a_timer_without_a_rate_gives_nothing(value: int) -> None:
    chip = DmaChip()
    chip.store(TIMER0, value)
    chip.start(0, Descriptor(SRAM, SRAM + 0x1000, 2, treq=0x3B))
    chip.run(200_000)
    assert chip.busy(0)
    assert chip.load(chip.channel(0, COUNT)) == 2


def test_pulses_from_before_the_trigger_do_not_count() -> None:
    chip = DmaChip()
    chip.store(TIMER0, 1 << 16 | 100)
    chip.run(10_000)
    chip.start(0, Descriptor(SRAM, SRAM + 0x1000, 3, treq=0x3B))
    assert 200 < chip.finish(0) <= 302


def test_a_request_that_no_block_gives_is_named() -> None:
    chip = DmaChip()
    chip.start(0, Descriptor(SRAM, SRAM + 0x1000, 3, treq=50))
    chip.run(1000)
    assert chip.busy(0)
    assert any("DREQ 50" in note.what for note in chip.board.bus.notes.values())
    chip.store(ABORT, 1)
    assert not chip.busy(0)
