"""The DMA as two masters of the bus fabric: what it waits for, who waits for it, and that it moves the same bytes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import firmware_images
import numpy as np
import pytest
from device_host import FakeHost
from dma_chip import SRAM, Descriptor, DmaChip, expected
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.crossbar import Crossbar, port_of

from m0sim import Firmware
from m0sim.chip.devices.moved import Moved

SRAM4 = 0x2004_0000
CORE, READ, WRITE = 0, 2, 3


class Fabric(Crossbar):
    """The crossbar of tests/reference as a host has it: its cycles go by when somebody asks what was granted."""

    def __init__(self, chip: ContendingChip, priorities: tuple[int, ...] = (0, 0, 0, 0)) -> None:
        super().__init__(priorities)
        self.chip, self.done = chip, 0
        self.numbers, self.granted = [0] * 4, dict[tuple[int, int], int]()
        self.asked = [0] * 4

    def ask(self, master: int, address: int, cycle: int, hold: int) -> int | None:
        if address >> 28 in (0xD, 0xE):
            return None
        self.go_to(self.chip.board.clock.now)
        self.wish(master, cycle, port_of(address), hold=hold)
        self.asked[master] += 1
        return self.asked[master] - 1

    def go_to(self, now: int) -> None:
        while self.done < now:
            for master, _, granted in self.edge(self.done):
                if granted:
                    self.granted[master, self.numbers[master]] = self.done
                    self.numbers[master] += 1
            self.done += 1

    def granted_at(self, master: int, number: int) -> int | None:
        self.go_to(self.chip.board.clock.now)
        return self.granted.get((master, number))

    def withdraw(self, master: int) -> None:
        self.numbers[master] += len(self.wishes[master])
        self.wishes[master].clear()


class ContendingChip(DmaChip):
    """Whose masters wait for each other."""

    def __init__(self, priorities: tuple[int, ...] = (0, 0, 0, 0)) -> None:
        self.fabric = Fabric(self, priorities)
        super().__init__(FakeHost(crossbar=self.fabric))

    def core_asks(self, addresses: list[int], since: int) -> None:
        """A core that wants a word each cycle."""
        for i, address in enumerate(addresses):
            self.fabric.wish(CORE, since + i, port_of(address))

    @property
    def waits(self) -> dict[tuple[int, str, int], int]:
        self.fabric.go_to(self.host.now)
        return dict(self.fabric.waits)


def moved_by(chip: DmaChip, wanted: Descriptor) -> tuple[int, Moved]:
    """The cycles until a descriptor was done, by an interrupt that is looked at in each."""
    chip.fill(1)
    begin = chip.host.now
    chip.start(0, wanted)
    while chip.busy(0):
        chip.run(1)
        assert chip.host.now - begin < 20_000
    return chip.host.now - begin, chip.board.movers()[0]


class TestAlone:
    """Whoever meets nobody has the cycles that it has without contention."""

    @pytest.mark.parametrize("count", [1, 2, 63, 200])
    def test_other_banks(self, count: int) -> None:
        wanted = Descriptor(
            SRAM, SRAM + 0x1000 + 8, count
        )  # a write is two banks behind its read, the next read is one
        contending = ContendingChip()
        assert moved_by(contending, wanted) == moved_by(DmaChip(), wanted)
        assert contending.waits == {}

    @pytest.mark.parametrize("count", [1, 2, 50])
    def test_one_bank_has_a_read_or_a_write_a_cycle(self, count: int) -> None:
        chip = ContendingChip()
        cycles, _ = moved_by(chip, Descriptor(SRAM4, SRAM4 + 0x400, count))
        alone = moved_by(DmaChip(), Descriptor(SRAM4, SRAM4 + 0x400, 1))[0]
        assert cycles == alone + 2 * (count - 1)
        assert chip.waits.get((READ, "SRAM4", WRITE), 0) == count - 1
        assert chip.waits.get((WRITE, "SRAM4", READ), 0) == 0


class TestAgainstACore:
    """It wants a word of the bank that the DMA reads in each of 40 cycles."""

    WANTED = Descriptor(SRAM4, SRAM + 0x100, 60, incr_write=False, incr_read=False)

    def run(self, priorities: tuple[int, ...]) -> tuple[int, dict[tuple[int, str, int], int]]:
        chip = ContendingChip(priorities)
        chip.core_asks([SRAM4] * 40, chip.host.now + 2)
        cycles, _ = moved_by(chip, self.WANTED)
        return cycles, chip.waits

    def test_equals_have_every_other_cycle(self) -> None:
        alone = moved_by(ContendingChip(), self.WANTED)[0]
        cycles, waits = self.run((0, 0, 0, 0))
        assert set(waits) == {(CORE, "SRAM4", READ), (READ, "SRAM4", CORE)}
        assert abs(waits[CORE, "SRAM4", READ] - 40) <= 2
        assert cycles - alone == waits[READ, "SRAM4", CORE]
        assert abs(waits[READ, "SRAM4", CORE] - 40) <= 2

    def test_priority_of_the_core(self) -> None:
        alone = moved_by(ContendingChip(), self.WANTED)[0]
        cycles, waits = self.run((1, 0, 0, 0))
        assert set(waits) == {(READ, "SRAM4", CORE)}
        assert cycles - alone == waits[READ, "SRAM4", CORE]

    def test_priority_of_the_dma(self) -> None:
        alone = moved_by(ContendingChip(), self.WANTED)[0]
        cycles, waits = self.run((0, 0, 1, 0))
        assert cycles == alone
        assert set(waits) == {(CORE, "SRAM4", READ)}


@st.composite
def descriptors(draw: st.DrawFn) -> Descriptor:
    size = draw(st.integers(0, 2))
    area = draw(st.integers(0, 3)) * 0x400
    return Descriptor(
        SRAM + area + (draw(st.integers(0, 64)) << size),
        SRAM + 0x8000 + area + (draw(st.integers(0, 64)) << size),
        draw(st.integers(1, 90)),
        size,
        incr_read=draw(st.booleans()),
        incr_write=draw(st.booleans()),
        bswap=draw(st.booleans()),
        urgent=draw(st.booleans()),
    )


class TestBytes:
    @given(
        st.lists(descriptors(), min_size=1, max_size=3),
        st.lists(st.integers(0, 15), max_size=200),
        st.tuples(*[st.integers(0, 1)] * 4),
    )
    @settings(max_examples=15)
    def test_all_of_them_whatever_it_waits_for(
        self, wanted: list[Descriptor], core: list[int], priorities: tuple[int, ...]
    ) -> None:
        chip = ContendingChip(priorities)
        chip.fill(7)
        before = bytearray(chip.sram.tobytes())
        chip.core_asks([SRAM + 4 * word for word in core], chip.host.now)
        for channel, each in enumerate(wanted):
            own = replace(each, write=each.write + 0x2000 * channel)
            chip.start(channel, own)
            expected(before, own)
        chip.finish(*range(len(wanted)))
        assert np.array_equal(chip.sram, np.frombuffer(bytes(before), np.uint8))
        assert not any(moved.errors for moved in chip.board.movers())


class TestFirmware:
    """tests/firmware/run/contends.c, whose figures can be told from the datasheet's words alone."""

    @pytest.fixture
    def image(self, tmp_path: Path) -> Path:
        return firmware_images.build("contends", tmp_path)

    def test_loads_of_a_bank_that_the_dma_reads(self, image: Path) -> None:
        done = Firmware.from_elf(image).run(seconds=1, contention=True, flash="ideal")
        alone, equal, core_first, dma_first, priority = (
            list(map(int, line.split())) for line in done.output.splitlines()
        )
        assert priority == [0x1100]
        # Each load comes a cycle after a read of the DMA, so it is its turn: the DMA waits, once for each of 64.
        assert equal[:2] == [alone[0], 64]
        assert core_first[:2] == [alone[0], 64]
        # The first load waits until 1,000 reads are over, but for those that were made before it came.
        assert 900 < dma_first[0] - alone[0] <= 1000
        assert dma_first[1] == 1
        assert done.contention is not None
        assert {wait.port for wait in done.contention.waits} == {"SRAM0"}
        waits = {(wait.master, wait.against): wait.cycles for wait in done.contention.waits}
        assert waits == {("core 0", "DMA read"): dma_first[0] - alone[0], ("DMA read", "core 0"): 128}
        assert [moved.transfers for moved in done.moved] == [3000]
        assert done.unmodelled == ()

    def test_without_contention_the_counters_are_named(self, image: Path) -> None:
        done = Firmware.from_elf(image).run(seconds=1, flash="ideal")
        lines = [list(map(int, line.split())) for line in done.output.splitlines()]
        assert {line[0] for line in lines[:4]} == {lines[0][0]}
        assert all(line[1:] == [0, 0] for line in lines[1:4])
        assert any("BUSCTRL" in use.register and "--contention" in use.register for use in done.unmodelled)

    def test_what_the_dma_moves_is_the_same(self, tmp_path: Path) -> None:
        image = firmware_images.build("dma", tmp_path)
        plain, contending = (
            Firmware.from_elf(image).run(seconds=0.1, flash="ideal", contention=wanted) for wanted in (False, True)
        )
        assert contending.output == plain.output
        assert [(m.transfers, m.read_bytes, m.errors) for m in contending.moved] == [
            (m.transfers, m.read_bytes, m.errors) for m in plain.moved
        ]
