"""Contention at the RP2040's bus fabric: against a crossbar of tests/reference, and programs counted by hand."""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import firmware_images
import pytest
from conftest import quick_of
from device_host import FakeHost
from firmware_runs import POISON, choices_of, load
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import crossbar
from reference import encode as e
from reference.crossbar import MASTERS, ContendingCore, Crossbar
from reference.exception_programs import RAM, RAM_SIZE
from reference.slow_core import Region
from reference.two_cores import FLASH, STACKS, Programs

from m0sim import Firmware, UsageError
from m0sim.chip.devices.rp2040.busctrl import Busctrl
from m0sim.chip.engine.cores import Cores
from m0sim.chip.engine.emulator import Emulator
from m0sim.chip.engine.interpreter import Interpreter
from m0sim.chip.engine.processor import Processor
from m0sim.chip.engine.start import Start
from m0sim.chip.native.layout import Stop
from m0sim.chip.results import fabric
from m0sim.chip.results.fabric import PORTS
from m0sim.image import load_raw
from m0sim.report import run_json
from m0sim.report.page import page
from m0sim.report.run_figures import figures

LIMIT = 6_000


def slow(programs: Programs, priority: int) -> dict[str, Any]:
    """Both cores over the crossbar of tests/reference."""
    regions = [Region(FLASH, bytearray(programs.code), False), Region(RAM, bytearray(POISON * RAM_SIZE))]
    cores = [ContendingCore(regions, choices_of("rp2040"), "cortex-m0plus", 1) for _ in range(2)]
    for core, entry, table, stack in zip(cores, programs.entries, programs.tables, STACKS, strict=True):
        core.reset(stack, entry, table)
    bus = Crossbar([priority >> i & 1 for i in range(4)])
    stalls = crossbar.run(cores, bus, LIMIT)
    assert not any(core.stopped for core in cores)
    return {
        "ram": bytes(regions[1].content),
        "waits": {(MASTERS[i], port, MASTERS[k]): n for (i, port, k), n in bus.waits.items()},
        "accesses": dict(+bus.accesses),
        "contested": dict(+bus.contested),
        "cores": [
            {"r": core.r[:8], "pc": core.r[15], "now": core.now, "slept": core.slept, "ipsr": core.ipsr,
             "runs": dict(+core.executed), "stalls": dict(stalled)}
            for core, stalled in zip(cores, stalls, strict=True)
        ],
    }  # fmt: skip


def chip(code: bytes, base: int, pcs: Sequence[int], tables: Sequence[int] = (0, 0)) -> tuple[Cores, Any]:
    """Both cores about to execute, without a boot ROM; and the memory of the chip."""
    emulator = Emulator(load("rp2040"), load_raw(code, base), 1024)
    first = Processor(emulator, Interpreter(emulator), is_simple=True)
    cores = Cores(emulator, first, contends=True)
    first.reset(STACKS[0], pcs[0], tables[0])
    cores.begin(Start(pcs[1], STACKS[1], tables[1], ""))
    emulator.counters.core.port.sio.inbox.count = 0  # the ROM's answer: no ROM is here
    first.set_line(15, False)
    first.set_line(16, False)
    cores.restart_second()
    assert cores.second is not None
    cores.second.core.system.vtor = tables[1]
    return cores, emulator.space


def waits_of(cores: Cores) -> dict[tuple[str, str, str], int]:
    done = fabric.contention(fabric.counted(cores.fabric), None)
    return {(wait.master, wait.port, wait.against): wait.cycles for wait in done.waits}


def fast(programs: Programs, priority: int, slices: int = 10_000) -> dict[str, Any]:
    """The same on m0sim."""
    cores, space = chip(programs.code, FLASH, programs.entries, programs.tables)
    first, second = cores.first, cores.second
    assert second is not None
    cores.fabric.priority = priority
    while min(first.now, second.now) < LIMIT:
        assert cores.run(min(LIMIT, first.now + slices)) is Stop.LIMIT
    bank = next(bank for bank in space.banks if bank.base == RAM)
    ports = dict(zip(PORTS, cores.fabric.ports, strict=True))
    found = []
    for core in (first, second):
        runs, stalls = dict[int, int](), dict[int, int]()
        for row in core.executed():
            at = int(row["address"])
            runs[at] = runs.get(at, 0) + int(row["executions"])
            stalls[at] = stalls.get(at, 0) + int(row["stalls"])
        found.append(
            {"r": list(core.registers[:8]), "pc": core.pc, "now": core.now, "slept": core.sleep_cycles,
             "ipsr": core.exception, "runs": {at: n for at, n in runs.items() if n},
             "stalls": {at: n for at, n in stalls.items() if n}}
        )  # fmt: skip
    return {
        "ram": bytes(bank.data[:RAM_SIZE]),
        "waits": waits_of(cores),
        "accesses": {name: int(port.accesses) for name, port in ports.items() if port.accesses},
        "contested": {name: int(port.contested) for name, port in ports.items() if port.contested},
        "cores": found,
    }  # fmt: skip


class TestCrossbar:
    """Every cycle of two cores: who waited for whom, and what that did to them."""

    def check(self, seed: int, priority: int) -> None:
        programs = crossbar.programs(seed, STACKS)
        found, expected = fast(programs, priority), slow(programs, priority)
        wrong = [key for key, value in expected.items() if found[key] != value]
        assert not wrong, f"seed {seed}, priority {priority}"

    @given(st.integers(0, 1 << 32), st.integers(0, 3))
    @settings(max_examples=6)
    def test_each_cycle(self, seed: int, priority: int) -> None:
        self.check(seed, priority)

    @pytest.mark.long
    @given(st.integers(0, 1 << 32), st.integers(0, 3))
    @settings(max_examples=150)
    def test_each_cycle_of_many_programs(self, seed: int, priority: int) -> None:
        self.check(seed, priority)

    def test_where_a_run_is_looked_at_changes_nothing(self) -> None:
        programs = crossbar.programs(5, STACKS)
        assert fast(programs, 0, slices=37) == fast(programs, 0)

    @given(st.integers(0, 1 << 32))
    @settings(max_examples=3)
    def test_who_has_priority_never_waits_for_memory(self, seed: int) -> None:
        """The datasheet's promise, 2.1.1.1: no slowdown by masters of low priority."""
        found = fast(crossbar.programs(seed, STACKS), 2)
        assert {master for master, *_ in found["waits"]} == {"core 0"}


SRAM4, SRAM5 = 0x2004_0000, 0x2004_1000
LOOP = (e.immediate_offset("ldr", 0, 4, 0), e.branch(-6))
"""Four cycles: the load asks for its word in the first one, in the second for code ahead; the branch for its target."""


def both(programs: Sequence[Sequence[e.Halfwords]], r4: Sequence[int], cycles: int, priority: int = 0) -> Cores:
    """Core 0 runs its program in SRAM4 and core 1 its own in SRAM5, with r4 as given."""
    parts = [b"".join(struct.pack("<H", half) for each in program for half in each) for program in programs]
    cores, _ = chip(parts[0].ljust(SRAM5 - SRAM4, b"\0") + parts[1], SRAM4, (SRAM4, SRAM5))
    assert cores.second is not None
    cores.first.core.timed.r[4], cores.second.core.timed.r[4] = r4
    cores.fabric.priority = priority
    assert cores.run(cycles) is Stop.LIMIT
    return cores


class TestByHand:
    def test_different_banks_never_wait(self) -> None:
        for addresses in ((RAM, RAM + 4), (RAM + 8, RAM + 28), (SRAM4 + 64, SRAM5 + 64)):
            cores = both((LOOP, LOOP), addresses, 400)
            assert waits_of(cores) == {}, addresses
            assert all(port.contested == 0 for port in cores.fabric.ports)

    def test_the_same_bank_waits_once_where_both_have_one_rhythm(self) -> None:
        """Core 1 waits a cycle, and from then on comes a cycle behind core 0."""
        cores = both((LOOP, LOOP), (RAM, RAM + 16), 400)
        assert waits_of(cores) == {("core 1", "SRAM0", "core 0"): 1}
        assert (cores.fabric.ports[PORTS.index("SRAM0")].accesses, cores.first.now) == (200, 400)

    @pytest.mark.parametrize(
        ("priority", "waits"), [(0, (3, 4)), (1, (0, 6)), (2, (4, 0)), (3, (3, 4))], ids=["none", "0", "1", "both"]
    )
    def test_four_words_of_one_bank(self, priority: int, waits: tuple[int, int]) -> None:
        """Seven cycles of an LDM of four words on each core.

        Of equals each in turn: core 0 gets cycles 0, 2, 4 and 6, core 1 those between. With priority, core 0 has its
        words in cycles 0 to 3, and then code from the same bank: ahead in cycle 4, where it branches to in 5. The code
        of core 1 is elsewhere.
        """
        program = (e.multiple("ldm", 4, [0, 1, 2, 3]), e.branch(-6))
        found = waits_of(both((program, program), (SRAM4 + 256, SRAM4 + 256), 7, priority))
        expected = {("core 0", "SRAM4", "core 1"): waits[0], ("core 1", "SRAM4", "core 0"): waits[1]}
        assert found == {key: cycles for key, cycles in expected.items() if cycles}

    def test_waits_are_stalls_of_the_instruction(self) -> None:
        cores = both((LOOP, LOOP), (RAM, RAM), 400)
        assert cores.second is not None
        stalls = {int(row["address"]): int(row["stalls"]) for row in cores.second.executed()}
        assert stalls == {SRAM5: 1, SRAM5 + 2: 0}


@pytest.fixture(scope="module")
def torture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return firmware_images.build("torture", tmp_path_factory.mktemp("contention"))


class TestFirmware:
    def test_locks_hold_and_each_run_is_the_same(self, torture: Path) -> None:
        texts = set()
        for _ in range(2):
            done = Firmware.from_elf(torture).run(seconds=1, contention=True)
            assert done.output == "1600 whole 6\n"
            texts.add(json.dumps(run_json.run(done)))
        assert len(texts) == 1
        assert done.contention is not None
        assert {wait.against for wait in done.contention.waits} == {"core 0", "core 1"}
        assert all(wait.master != wait.against for wait in done.contention.waits)
        waited = sum(wait.cycles for wait in done.contention.waits)
        plain = Firmware.from_elf(torture).run(seconds=1)
        assert plain.contention is None
        assert done.cycles > plain.cycles
        assert waited > 1000
        assert any("estimate" in line for line in done.cost.warnings)

    def test_every_cycle_is_somebodys(self, torture: Path) -> None:
        done = Firmware.from_elf(torture).run(seconds=1, contention=True, flash="cold")
        for core in done.cores:
            own = sum(function.self_cycles for function in core.cost.functions.values())
            assert own + core.sleep_cycles + core.overhead_cycles == core.cost.cycles
            tree = dict[str, int]()
            for node in core.cost.call_tree:
                tree[node.function] = tree.get(node.function, 0) + node.self_cycles
            assert sum(tree.values()) == core.cost.cycles

    @pytest.mark.parametrize("name", ["tasks", "allocates", "pio"])
    @pytest.mark.parametrize("flash", quick_of(["ideal", "cold"], ["cold"]))
    def test_a_core_alone_waits_for_nobody(self, tmp_path: Path, name: str, flash: str) -> None:
        """Then every figure is as without."""
        image = firmware_images.build(name, tmp_path)
        plain, contending = (
            run_json.run(Firmware.from_elf(image).run(seconds=0.05, flash=flash, contention=wanted))
            for wanted in (False, True)
        )
        assert contending.pop("contention")["waits"] == []
        assert plain.pop("contention") is None
        contending["warnings"] = [line for line in contending["warnings"] if "contention" not in line]
        assert contending == plain

    def test_text_and_page(self, torture: Path) -> None:
        firmware = Firmware.from_elf(torture)
        done = firmware.run(seconds=1, contention=True, flash="ideal")
        assert done.contention is not None
        first = done.contention.waits[0]
        shown = page(done.cost, firmware, run=done, command="m0sim run")
        row = shown[shown.index('id="contention"') :].split("</tr>")[1]
        assert all(word in row for word in (first.master, first.port, f"{first.cycles:,}", first.against))
        assert {figure.certainty for figure in figures(done) if figure.label in ("cycles", "time")} == {"estimate"}
        without = page(done.cost, firmware, run=replace(done, contention=None), command="m0sim run")
        assert 'id="contention"' not in without
        assert ["Waiting for each other" in text for text in (shown, without)] == [False, True]

    def test_what_makes_no_sense(self, torture: Path) -> None:
        with pytest.raises(UsageError, match="quantum must be 1, not 8"):
            Firmware.from_elf(torture).run(seconds=1, contention=True, quantum=8)
        with pytest.raises(UsageError, match="bus fabric, which"):
            Firmware(load_raw(bytes(64), 0x2000_0000), "stm32g0").run(seconds=1, contention=True)


class TestRegisters:
    """BUSCTRL: RP2040 datasheet, 2.1.1.2 and 2.1.5."""

    PRIORITY, ACK, CTR0, SEL0, CTR1, SEL1 = 0x00, 0x04, 0x08, 0x0C, 0x10, 0x14

    @pytest.fixture
    def block(self) -> tuple[Busctrl, FakeHost]:
        from m0sim.chip.devices.bus import Bus
        from m0sim.chip.devices.clock import SystemClock

        block, host = Busctrl(), FakeHost()
        Bus(host, SystemClock(125_000_000), [block]).reset()
        host.bus_counts = [10 * event for event in range(20)]
        return block, host

    def test_priorities_are_kept_and_told(self, block: tuple[Busctrl, FakeHost]) -> None:
        busctrl, host = block
        assert (busctrl.load(self.PRIORITY), busctrl.load(self.ACK), host.bus_priority) == (0, 1, 0)
        for value, masters in ((0x1, 1), (0x10, 2), (0x100, 4), (0x1000, 8), (0xFFFF_FFFF, 15)):
            busctrl.store(self.PRIORITY, value)
            assert (busctrl.load(self.PRIORITY), host.bus_priority) == (value & 0x1111, masters)

    def test_a_counter_counts_its_event_since_it_was_cleared(self, block: tuple[Busctrl, FakeHost]) -> None:
        busctrl, host = block
        assert host.bus_counts is not None
        assert busctrl.load(self.SEL0) == 0x1F
        busctrl.store(self.SEL0, 15)  # all accesses of SRAM0
        busctrl.store(self.SEL1, 14)  # those that had to wait
        assert (busctrl.load(self.CTR0), busctrl.load(self.CTR1)) == (0, 0)
        host.bus_counts[15] += 7
        host.bus_counts[14] += 2
        assert (busctrl.load(self.CTR0), busctrl.load(self.CTR1)) == (7, 2)
        busctrl.store(self.SEL0, 3)
        host.bus_counts[15] += 100
        host.bus_counts[3] += 1
        assert busctrl.load(self.CTR0) == 8
        busctrl.store(self.CTR0, 5)
        assert busctrl.load(self.CTR0) == 0
        host.bus_counts[3] += 1 << 24
        assert busctrl.load(self.CTR0) == 0xFF_FFFF

    def test_an_event_that_there_is_not(self, block: tuple[Busctrl, FakeHost]) -> None:
        busctrl, _ = block
        busctrl.store(self.SEL0, 20)
        assert busctrl.load(self.CTR0) == 0
