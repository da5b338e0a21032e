"""The GDB server without GDB: packets, what a held run does, and damage."""

from __future__ import annotations

import random
import re
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import firmware_images
import pytest
from conftest import parts, quick_of
from firmware_runs import different, load, processor, run_processor, seen_of_processor
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import two_cores
from reference.slow_core import LineEvent
from reference.timed_programs import LIMIT, timed_program
from two_core_chip import TwoCoreChip

from m0sim import Firmware, Machine, UsageError
from m0sim.chip.engine.cores import OneCore
from m0sim.chip.engine.held import Held, Rewind, Stopped
from m0sim.chip.engine.points import Moment, Points, Watchpoint
from m0sim.chip.engine.processor import Processor
from m0sim.chip.native.layout import Stop
from m0sim.chip.options import FlashModel
from m0sim.chip.run_cost import RunCost
from m0sim.gdb import packets, registers
from m0sim.gdb.history import Way
from m0sim.gdb.packets import Reader, Signal
from m0sim.gdb.server import GdbServer
from m0sim.gdb.session import Detached, LetGo, Session
from m0sim.image import load_raw


@pytest.fixture(scope="module")
def alarms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return firmware_images.build("alarms", tmp_path_factory.mktemp("gdb"))


class Script:
    """A debugger that does what a function says, in each run anew."""

    def __init__(self, act: Callable[[Held], None]) -> None:
        self.hold = act


class Talk:
    """A session without a socket: a debugger that a test talks to."""

    def __init__(self, act: Callable[[Talk], None]) -> None:
        self.said: list[str] = []
        self.session = Session(self.said.append, lambda: False)
        self._act = act
        self.answer: str | None = None

    def hold(self, held: Held) -> None:
        self.answer = self.session.attach(held)
        self._act(self)

    def ask(self, packet: str) -> str:
        answer = self.session.hear(packet.encode("latin-1"))
        assert answer is not None
        return answer

    def monitor(self, text: str) -> str:
        answer = self.ask("qRcmd," + text.encode().hex())
        return "" if answer == "OK" else bytes.fromhex(answer).decode()


def run_anew(firmware: Firmware, debugger: object) -> RunCost:
    while True:
        try:
            return firmware.run(debugger=debugger)  # type: ignore[arg-type]
        except Rewind:
            continue


class TestPackets:
    @given(st.lists(st.binary(max_size=60)), st.lists(st.integers(1, 7), min_size=1))
    def test_what_is_sent_arrives(self, datas: list[bytes], cuts: list[int]) -> None:
        """However the network cuts it, with acknowledgements in between."""
        stream, reader, found, at = b"+".join(map(packets.encode, datas)), Reader(), [], 0
        while at < len(stream):
            size = cuts[at % len(cuts)]
            found += reader.feed(stream[at : at + size])
            at += size
        assert found == datas

    def test_the_sum_by_hand(self) -> None:
        """GDB manual, E.1: the sum of all characters, modulo 256; } before what is escaped, which is sent ^ 0x20."""
        assert packets.encode(b"OK") == b"$OK#9a"
        assert packets.encode(b"}") == b"$}]#da"
        assert list(Reader().feed(b"$OK#9A")) == [b"OK"]

    def test_damage_and_signals(self) -> None:
        assert list(Reader().feed(b"$OK#9b\x03-x$#00")) == [Signal.DAMAGED, Signal.BREAK, Signal.RESEND, b""]

    def test_what_is_too_long_is_refused_and_takes_no_room(self) -> None:
        reader = Reader()
        assert list(reader.feed(b"$")) == []
        for _ in range(100):
            assert list(reader.feed(b"a" * 10_000)) == []
        assert len(reader._left) <= 2 * packets.MOST + 10_001
        assert list(reader.feed(b"#00$OK#9a")) == [Signal.DAMAGED, b"OK"]

    @given(st.binary(max_size=400))
    def test_any_bytes_are_read_to_an_end(self, data: bytes) -> None:
        for item in Reader().feed(data):
            assert item in Signal or isinstance(item, bytes)


class Bare:
    """A generated program with interrupts, as a run that can be held."""

    def __init__(self, made: Processor, lines: tuple[LineEvent, ...]) -> None:
        self.points, self._made, self._lines, self._end = Points(), made, list(lines), ""
        self.cores = OneCore(made)
        self._wake()

    def _wake(self) -> None:
        self._made.wake_at(self._lines[0].cycle if self._lines else None)

    def slice_until(self, moment: Moment) -> None:
        stop = self._made.run(min(moment.before(0), LIMIT))
        if stop is Stop.DUE:
            while self._lines and self._lines[0].cycle <= self._made.now:
                event = self._lines.pop(0)
                self._made.set_line(event.irq, event.level)
            self._wake()
        elif stop is Stop.ACCESS:
            self._made.refuse()
        elif stop is not Stop.LIMIT or self._made.now >= LIMIT:
            self._end = stop.name

    def over(self) -> str | None:
        return self._end or None


@pytest.mark.parametrize("seed", parts(range(20), long=16))
def test_steps_count_what_one_run_counts(seed: int) -> None:
    """Every instruction of generated programs with interrupts, one at a time: all that can be seen is the same."""
    program = timed_program(random.Random(seed).randbytes(150), load("rp2040").flash.base)
    whole, chip = processor(program.image, program.entry, "rp2040")
    run_processor(whole, LIMIT, program.lines)
    stepped, other = processor(program.image, program.entry, "rp2040")
    run = Bare(stepped, program.lines)
    held = Held(run, other)  # type: ignore[arg-type]
    steps = 0
    while run.over() is None:
        held.step()
        steps += 1
    assert steps > 100
    assert different(seen_of_processor(whole, chip), seen_of_processor(stepped, other)) == {}


class TestTwoCores:
    LIMIT = 6_000

    @pytest.mark.parametrize("flash", quick_of(["ideal", "cold"], ["cold"]))
    @pytest.mark.parametrize("seed", parts(range(20), long=17))
    def test_steps_of_either_count_what_one_run_counts(self, seed: int, flash: str) -> None:
        """One instruction at a time, of a core drawn anew for each: both ran what they run in one go, in that order."""
        programs, draw = two_cores.programs(seed), random.Random(seed)
        whole = TwoCoreChip(programs, flash=flash, limit=self.LIMIT)
        whole.slice_until(Moment(self.LIMIT))
        stepped = TwoCoreChip(programs, flash=flash, limit=self.LIMIT)
        held = Held(stepped, stepped.emulator)  # type: ignore[arg-type]
        steps = 0
        while held.over() is None:
            held.core = core = draw.randrange(2)
            before = held.moment
            assert held.step().core == core or held.over() is not None
            assert held.moment > before
            steps += 1
        assert steps > 500
        stepped.slice_until(Moment(self.LIMIT))
        assert stepped.seen() == whole.seen()

    @pytest.mark.parametrize("flash", quick_of(["ideal", "cold"], ["cold"]))
    @pytest.mark.parametrize("seed", parts(range(4), long=3))
    def test_where_it_stands_can_be_come_to(self, seed: int, flash: str) -> None:
        """Stops at breakpoints, watchpoints and steps of both cores: each is a place that a run anew comes to."""
        programs, draw = two_cores.programs(seed), random.Random(seed)
        stepped = TwoCoreChip(programs, flash=flash, limit=self.LIMIT)
        held = Held(stepped, stepped.emulator)  # type: ignore[arg-type]
        where: list[tuple[Moment, list[dict[str, object]]]] = []
        kinds = set()
        while held.over() is None:
            held.set_breakpoints({entry + 2 * draw.randrange(60) for entry in programs.entries})
            watched = Watchpoint(two_cores.SHARED + 16 * draw.randrange(4), 16, loads=True, stores=True)
            held.set_watchpoints([watched] if draw.random() < 0.3 else [])
            held.core = draw.randrange(2)
            until = Moment(held.moment.cycle + 100)
            stopped = held.step() if draw.random() < 0.6 else held.go(lambda: False, until)
            kinds.add((stopped.why, stopped.core))
            where.append((held.moment, stepped.seen()))
        assert {("step", 0), ("step", 1)} <= kinds
        assert {"breakpoint", "watchpoint"} <= {why for why, _ in kinds}
        for moment, seen in draw.sample(where[:-1], 40):
            other = TwoCoreChip(programs, flash=flash, limit=self.LIMIT)
            Held(other, other.emulator).run_to(moment)  # type: ignore[arg-type]
            found = other.seen()
            assert [_place(core) for core in found] == [_place(core) for core in seen], moment
        whole = TwoCoreChip(programs, flash=flash, limit=self.LIMIT)
        whole.slice_until(Moment(self.LIMIT))
        held.let_go()
        stepped.slice_until(Moment(self.LIMIT))
        assert stepped.seen() == whole.seen()

    @pytest.mark.parametrize("seed", parts(range(4), long=3))
    def test_an_access_whose_instruction_waited_for_flash_keeps_its_place(self, seed: int) -> None:
        """It began before the other core's turn, and stands still behind that: it goes first all the same."""
        programs = two_cores.programs(seed)
        stopped = TwoCoreChip(programs, flash="cold", limit=self.LIMIT)
        held = Held(stopped, stopped.emulator)  # type: ignore[arg-type]
        held.set_watchpoints([Watchpoint(two_cores.SHARED, 64, loads=True, stores=True)])
        where = []
        for _ in range(40):
            assert held.go(lambda: False).why == "watchpoint"
            where.append((held.moment, held.now, [_place(core) for core in stopped.seen()]))
        assert any(moment.cycle < now for moment, now, _ in where)
        for moment, _, seen in where:
            other = TwoCoreChip(programs, flash="cold", limit=self.LIMIT)
            Held(other, other.emulator).run_to(moment)  # type: ignore[arg-type]
            assert [_place(core) for core in other.seen()] == seen
        whole = TwoCoreChip(programs, flash="cold", limit=self.LIMIT)
        whole.slice_until(Moment(self.LIMIT))
        held.let_go()
        stopped.slice_until(Moment(self.LIMIT))
        assert stopped.seen() == whole.seen()

    def test_a_breakpoint_of_both_stops_each(self) -> None:
        """The same code on both: nobody passes a breakpoint because the other one stands there."""
        programs = two_cores.programs(1)
        both = replace(programs, entries=(programs.entries[0],) * 2)
        chip = TwoCoreChip(both, limit=self.LIMIT)
        held = Held(chip, chip.emulator)  # type: ignore[arg-type]
        held.set_breakpoints({programs.entries[0] + 4})
        first, second = held.go(lambda: False), held.go(lambda: False)
        assert (first.why, first.core, second.why, second.core) == ("breakpoint", 0, "breakpoint", 1)


def _place(core: dict[str, object]) -> tuple[object, ...]:
    return core["r"], core["pc"], core["ipsr"], core["ram"]


class TestHeld:
    def test_steps_of_whole_firmware_cost_nothing(self, alarms: Path) -> None:
        """With timers, sleep and a UART, 3,000 instructions stepped: the report is the same to the last figure."""

        def act(held: Held) -> None:
            held.set_breakpoints({Firmware.from_elf(alarms).program.find("main").address})
            assert held.go(lambda: False).why == "breakpoint"
            for _ in range(3_000):
                held.step()

        plain = Firmware.from_elf(alarms).run()
        held = Firmware.from_elf(alarms).run(debugger=Script(act))
        assert held.cost.executed == plain.cost.executed
        assert (held.cycles, held.seconds, held.output) == (plain.cycles, plain.seconds, plain.output)
        assert held.handlers == plain.handlers
        assert held.stacks == plain.stacks

    def test_a_region_between_breakpoints_costs_what_from_to_says(self, alarms: Path) -> None:
        firmware = Firmware.from_elf(alarms)
        wanted = firmware.run(begin="main", end="IRQ1_Handler")
        found: list[str] = []

        def act(talk: Talk) -> None:
            for name in ("main", "IRQ1_Handler"):
                address = firmware.program.find(name).address
                assert talk.ask(f"Z1,{address:x},2") == "OK"
                assert talk.ask("vCont;c").startswith("T05")
                assert talk.ask(f"z1,{address:x},2") == "OK"
            found.append(talk.monitor("cost"))

        run_anew(firmware, Talk(act))
        lines = {words[0]: words[1] for line in found[0].splitlines() if len(words := line.split()) > 1}
        assert int(lines["cycles"].replace(",", "")) == wanted.cycles
        assert int(lines["instructions"].replace(",", "")) == wanted.cost.instructions
        assert int(lines["loads"].replace(",", "")) == wanted.cost.loads
        assert int(lines["asleep"].replace(",", "")) == wanted.sleep_cycles
        cycles = {name: int(number.replace(",", "")) for number, name in lines.items() if name in wanted.cost.functions}
        assert cycles == {f.name: f.self_cycles for f in wanted.cost.functions.values() if f.self_cycles}

    def test_backwards(self, alarms: Path) -> None:
        """Each step back comes to the place, the registers and the memory that were there on the way forth."""
        firmware = Firmware.from_elf(alarms)
        seen: list[tuple[int, dict[str, int], bytes]] = []
        left = 6

        def now(held: Held) -> tuple[int, dict[str, int], bytes]:
            return held.now, held.registers(), held.read(0x20000000, 64)

        def act(talk: Talk) -> None:
            nonlocal left
            held = talk.session.held
            if not seen:
                assert talk.ask(f"Z0,{firmware.program.find('IRQ0_Handler').address:x},2") == "OK"
                assert talk.ask("c").startswith("T05")
                seen.append(now(held))
                for _ in range(6):
                    talk.ask("s")
                    seen.append(now(held))
            assert now(held) == seen[left]
            left -= 1
            if left >= 0:
                talk.ask("bs")

        run_anew(firmware, Talk(act))
        assert left == -1
        assert len({cycle for cycle, *_ in seen}) == 7

    def test_back_to_the_last_breakpoint(self, alarms: Path) -> None:
        firmware, where = Firmware.from_elf(alarms), list[int]()

        def act(talk: Talk) -> None:
            held = talk.session.held
            if not where:
                assert talk.ask(f"Z0,{firmware.program.find('IRQ0_Handler').address:x},2") == "OK"
                for _ in range(3):
                    talk.ask("c")
                    where.append(held.now)
                talk.ask("bc")
            assert held.now == where[1]
            assert talk.answer == "T05thread:1;swbreak:;"

        run_anew(firmware, Talk(act))
        assert where == sorted(set(where))

    def test_a_change_is_made_again_on_the_way_back(self, alarms: Path) -> None:
        firmware, begun = Firmware.from_elf(alarms), list[int]()
        counts = firmware.program.find("counts").address

        def act(talk: Talk) -> None:
            held = talk.session.held
            if not begun:
                talk.ask(f"Z0,{firmware.program.find('IRQ0_Handler').address:x},2")
                talk.ask("c")
                assert talk.ask(f"M{counts:x},4:07000000") == "OK"
                assert talk.ask("P5=78563412") == "OK"
                talk.ask("s")
                talk.ask("s")
                begun.append(held.now)
                talk.ask("bs")
            assert held.now < begun[0]
            assert talk.ask(f"m{counts:x},4") == "07000000"
            assert talk.ask("p5") == "78563412"

        run_anew(firmware, Talk(act))

    def test_what_was_changed_before_a_way_back_is_not_made_on_another_way(self, alarms: Path) -> None:
        """A change, back to before it, on past its cycle, and a step back: memory is as the program has it."""
        firmware, stage = Firmware.from_elf(alarms), [0]
        counts = firmware.program.find("counts").address

        def act(talk: Talk) -> None:
            stage[0] += 1
            if stage[0] == 1:
                talk.ask(f"Z0,{firmware.program.find('IRQ0_Handler').address:x},2")
                talk.ask("c")
                talk.ask("s")
                talk.ask("s")
                talk.ask(f"M{counts:x},4:63000000")
                talk.ask("bs")
            if stage[0] == 2:
                for _ in range(5):
                    talk.ask("s")
                assert talk.ask(f"m{counts:x},4") == "00000000"
                talk.ask("bs")
            assert talk.ask(f"m{counts:x},4") == "00000000"

        run_anew(firmware, Talk(act))
        assert stage == [3]

    def test_watchpoints_stop_before_the_access(self, alarms: Path) -> None:
        firmware = Firmware.from_elf(alarms)
        times = firmware.program.find("times").address
        found: list[tuple[str, int]] = []

        def act(held: Held) -> None:
            held.set_watchpoints([Watchpoint(times + 4, 4, loads=False, stores=True)])
            while held.go(lambda: False).why == "watchpoint":
                before = held.read(times + 4, 4)
                held.step()
                found.append((before.hex(), int.from_bytes(held.read(times + 4, 4), "little")))

        done = firmware.run(debugger=Script(act))
        assert found[0] == ("dededede", 0)  # start-up code clears it
        assert found[1:] == [("00000000", int(done.output.split()[1]))]
        assert done.cost.executed == Firmware.from_elf(alarms).run().cost.executed

    def test_a_fault_is_shown_before_its_handler(self, tmp_path: Path) -> None:
        firmware = Firmware.from_elf(firmware_images.build("faulty", tmp_path))
        why: list[Stopped] = []

        def act(held: Held) -> None:
            why.append(held.go(lambda: False))

        firmware.run(debugger=Script(act))
        assert why[0].why == "fault"
        assert "HardFault" in why[0].detail

    def test_registers_of_devices_and_of_the_core(self, alarms: Path) -> None:
        def act(held: Held) -> None:
            assert int.from_bytes(held.read(0xE000ED00, 4), "little") == 0x410CC601  # CPUID: DDI 0484C, table 4-1
            assert held.read(0xD0000000, 4) == b"\0\0\0\0"  # CPUID of the SIO: core 0 (RP2040 datasheet, 2.3.1.7)
            assert held.write(0x4005800C, (0x12345678).to_bytes(4, "little"))  # a scratch register of the watchdog
            assert held.read(0x4005800C, 4).hex() == "78563412"
            assert held.read(0x60000000, 4) == b""
            assert not held.write(0x60000000, b"abcd")
            assert held.read(0x20041FFE, 8) == held.read(0x20041FFE, 2)

        Firmware.from_elf(alarms).run(debugger=Script(act))


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return firmware_images.build("shared", tmp_path_factory.mktemp("gdb"))


def _to(talk: Talk, firmware: Firmware, name: str, thread: int) -> None:
    """On to a function, where that thread comes to it."""
    address = firmware.program.find(name).address
    assert talk.ask(f"Z1,{address:x},2") == "OK"
    assert talk.ask("vCont;c") == f"T05thread:{thread};hwbreak:;"
    assert talk.ask(f"z1,{address:x},2") == "OK"


class TestThreads:
    """Both cores of firmware, packet by packet."""

    def test_steps_of_both_cost_nothing(self, shared: Path) -> None:
        """3,000 of them, of either: both cores' reports are the same to the last figure."""
        firmware, draw = Firmware.from_elf(shared), random.Random(1)

        def act(held: Held) -> None:
            held.set_breakpoints({firmware.program.find("core1_main").address})
            assert held.go(lambda: False) == Stopped("breakpoint", core=1)
            for _ in range(3_000):
                held.core = draw.randrange(2)
                held.step()

        plain, held = firmware.run(), firmware.run(debugger=Script(act))
        assert (held.cycles, held.seconds, held.output) == (plain.cycles, plain.seconds, plain.output)
        for one, other in zip(plain.cores, held.cores, strict=True):
            assert one.cost.executed == other.cost.executed
            assert one.cost.functions == other.cost.functions
            assert (one.sleep_cycles, one.handlers, one.stacks) == (other.sleep_cycles, other.handlers, other.stacks)

    def test_which_threads_there_are(self, shared: Path) -> None:
        firmware = Firmware.from_elf(shared)

        def act(talk: Talk) -> None:
            def state(thread: int) -> str:
                return bytes.fromhex(talk.ask(f"qThreadExtraInfo,{thread}")).decode()

            assert [talk.ask(each) for each in ("qfThreadInfo", "qsThreadInfo", "qC")] == ["m1,2", "l", "QC1"]
            assert [talk.ask(each) for each in ("T1", "T2", "T3", "T0", "Hg3", "Hx1")] == ["OK", "OK"] + ["E01"] * 4
            assert [state(1), state(2)] == ["core 0", "core 1: waits in the boot ROM for its launch"]
            assert [talk.ask(each) for each in ("Hg2", "qC", "Hg0", "qC", "Hc-1")] == ["OK", "QC2", "OK", "QC2", "OK"]
            assert talk.ask("p5") == "00000000"
            assert talk.ask("P5=01000000").startswith("E.core 1 has not begun")
            assert "boot ROM" in talk.monitor("cost")
            _to(talk, firmware, "IRQ16_Handler", 2)
            assert talk.ask("qC") == "QC2"
            assert state(2) == "core 1: exception 32"
            assert talk.ask("P5=78563412") == "OK"
            assert [talk.ask(each) for each in ("Hg1", "p5", "Hg2", "p5")][3] == "78563412"
            assert [talk.ask(each) for each in ("Hg1", "md0000000,4")][1] == "00000000"  # CPUID of the SIO: 2.3.1.7
            assert [talk.ask(each) for each in ("Hg2", "md0000000,4")][1] == "01000000"

        run_anew(firmware, Talk(act))

    def test_one_that_is_held_in_reset(self, tmp_path: Path) -> None:
        firmware, seen = Firmware.from_elf(firmware_images.build("relaunch", tmp_path)), set[str]()

        def act(talk: Talk) -> None:
            _to(talk, firmware, "counts", 2)
            for _ in range(400):
                talk.session.held.core = 0
                talk.session.held.go(lambda: False, Moment(talk.session.held.moment.cycle + 500))
                seen.add(bytes.fromhex(talk.ask("qThreadExtraInfo,2")).decode())

        run_anew(firmware, Talk(act))
        assert {"core 1", "core 1: held in reset", "core 1: asleep"} <= seen

    def test_a_region_of_each_costs_what_from_to_says(self, shared: Path) -> None:
        firmware = Firmware.from_elf(shared)
        wanted = firmware.run(begin="core1_main", end="IRQ16_Handler")
        said: list[dict[str, int]] = []

        def act(talk: Talk) -> None:
            _to(talk, firmware, "core1_main", 2)
            _to(talk, firmware, "IRQ16_Handler", 2)
            for core in "01":
                lines = [line.split() for line in talk.monitor(f"cost {core}").splitlines() if line]
                said.append({words[0]: int(words[1].replace(",", "")) for words in lines if words[0].isalpha() and
                             words[0] != "self"})  # fmt: skip

        run_anew(firmware, Talk(act))
        for number, core in enumerate(wanted.cores):
            assert said[number]["core"] == number
            assert said[number]["instructions"] == core.cost.instructions
            assert said[number]["loads"] == core.cost.loads
            assert said[number].get("asleep", 0) == core.sleep_cycles
            assert said[number]["cycles"] == core.cost.cycles

    @pytest.mark.parametrize("thread", [1, 2])
    def test_backwards(self, shared: Path, thread: int) -> None:
        """Each step back comes to registers of both cores and memory that were there on the way forth."""
        firmware = Firmware.from_elf(shared)
        seen: list[tuple[object, ...]] = []
        left = 6

        def now(held: Held) -> tuple[object, ...]:
            looked_at, both = held.core, []
            for held.core in range(2):
                both.append(held.registers())
            held.core = looked_at
            return held.moment, both, held.read(0x20000000, 64)

        def act(talk: Talk) -> None:
            nonlocal left
            held = talk.session.held
            if not seen:
                _to(talk, firmware, "IRQ16_Handler", 2)
                talk.ask("P4=78563412")
                for _ in range(7):
                    assert talk.ask(f"vCont;s:{thread};c") == f"T05thread:{thread};"
                    seen.append(now(held))
            assert now(held) == seen[left]
            left -= 1
            if left >= 0:
                talk.ask(f"Hc{thread}")
                talk.ask("bs")

        run_anew(firmware, Talk(act))
        assert left == -1

    def test_a_change_of_the_other_core_is_made_again_there(self, shared: Path) -> None:
        firmware, runs = Firmware.from_elf(shared), [0]

        def act(talk: Talk) -> None:
            runs[0] += 1
            if runs[0] == 1:
                _to(talk, firmware, "core1_main", 2)
                assert [talk.ask(each) for each in ("Hg1", "P9=78563412", "vCont;s:2;c", "vCont;s:2;c")][1] == "OK"
                talk.ask("bs")
            first, second = [talk.ask(each) for each in ("Hg1", "p9", "Hg2", "p9")][1::2]
            assert first == "78563412" != second

        run_anew(firmware, Talk(act))
        assert runs[0] > 1

    def test_back_to_the_last_breakpoint_of_any(self, shared: Path) -> None:
        firmware, stops, back = Firmware.from_elf(shared), list[tuple[str, Moment]](), list[tuple[str, Moment]]()
        address = firmware.program.find("add").address

        def act(talk: Talk) -> None:
            held = talk.session.held
            if not stops:
                talk.ask(f"Z0,{address:x},2")
                for _ in range(5):
                    stops.append((talk.ask("vCont;c"), held.moment))
            else:
                back.append((str(talk.answer), held.moment))
            if len(back) < 3:
                talk.ask("bc")

        run_anew(firmware, Talk(act))
        assert back == stops[3:0:-1]
        assert {reply for reply, _ in stops} == {"T05thread:1;swbreak:;", "T05thread:2;swbreak:;"}

    def test_one_thread_alone_does_not_go_alone(self, shared: Path) -> None:
        """With scheduler-locking, a step is of that thread; the other one does what comes before, and no more."""
        firmware = Firmware.from_elf(shared)

        def act(talk: Talk) -> None:
            held = talk.session.held
            _to(talk, firmware, "core1_main", 2)
            before = held.now
            assert talk.ask("vCont;s:2") == "T05thread:2;"
            assert held.now > before
            assert held.moment == Moment(held.now, 1)
            assert not talk.said
            talk.ask("vCont;c:2")
            assert "both cores go on" in talk.said[0]

        run_anew(firmware, Talk(act))

    def test_no_breakpoint_is_missed_while_one_steps_over_it(self, shared: Path) -> None:
        """GDB takes a breakpoint away, steps, and puts it back: the other core does not come through meanwhile."""
        programs = two_cores.programs(1)
        both = replace(programs, entries=(programs.entries[0],) * 2)
        chip, session = TwoCoreChip(both, limit=6_000), Session(lambda _: None, lambda: False)
        address = programs.entries[0] + 4
        session.attach(Held(chip, chip.emulator))  # type: ignore[arg-type]

        def ask(packet: str) -> str:
            return session.hear(packet.encode()) or ""

        ask(f"Z0,{address:x},2")
        assert ask("vCont;c") == "T05thread:1;swbreak:;"
        ask(f"z0,{address:x},2")
        assert ask("vCont;s:1") == "T05thread:1;"
        ask(f"Z0,{address:x},2")
        assert ask("vCont;c") == "T05thread:2;swbreak:;"

    def test_what_is_loaded_is_what_is_there(self, shared: Path) -> None:
        firmware = Firmware.from_elf(shared)

        def act(talk: Talk) -> None:
            there = talk.session.held.read(0x10000000, 64).decode("latin-1")
            assert talk.ask("vFlashErase:10000000,1000") == "OK"
            assert talk.ask(f"vFlashWrite:10000000:{there}") == "OK"
            assert talk.ask("vFlashDone") == "OK"
            assert talk.ask(f"vFlashWrite:10000000:{there[1:]}") == "E01"
            assert "start m0sim gdb with that one" in talk.said[0]

        run_anew(firmware, Talk(act))

    def test_the_end_is_said_once(self, shared: Path) -> None:
        """No SIGTRAP, at which GDB's `next` goes on for ever."""

        def act(talk: Talk) -> None:
            assert [talk.ask(each) for each in ("vCont;c", "vCont;s:1;c", "vCont;s:1")] == ["T0fthread:1;"] * 3
            assert talk.said == ["the program ended: exit: _exit(0)\n"]

        run_anew(Firmware.from_elf(shared), Talk(act))

    @pytest.mark.parametrize(
        ("typed", "said"),
        [("halt", "stands still"), ("arm semihosting enable", "always answered"), ("mdw 0x20000000", "x/4xw"),
         ("trace", "monitor trace on|off"), ("cost 7", "monitor cost [CORE]"), ("Cycle", "did you mean 'cycles'"),
         ("cost core1", "has not left the boot ROM"), ("init", "no probe")],
    )  # fmt: skip
    def test_what_is_typed_from_habit(self, shared: Path, typed: str, said: str) -> None:
        def act(talk: Talk) -> None:
            assert said in talk.monitor(typed)

        run_anew(Firmware.from_elf(shared), Talk(act))

    def test_a_quantum_is_refused(self, shared: Path) -> None:
        with pytest.raises(UsageError, match="quantum"):
            Firmware.from_elf(shared).run(quantum=2, debugger=Script(lambda _: None))


class TestCalls:
    def test_a_held_call_costs_what_a_call_costs(self, build: Callable[..., Path]) -> None:
        elf = build("profiled.c", flags=("-O1", "-g"))
        plain = Machine.from_elf(elf).call("work", 5)

        def act(held: Held) -> None:
            for _ in range(100):
                held.step()

        for flash in ("ideal", "cold"):
            plain = Machine.from_elf(elf).call("work", 5, flash=flash, engine="timed")  # type: ignore[arg-type]
            held = Machine.from_elf(elf).call("work", 5, flash=flash, debugger=Script(act))  # type: ignore[arg-type]
            assert held.executed == plain.executed
            assert (held.cycles, held.result, held.stack_bytes) == (plain.cycles, plain.result, plain.stack_bytes)
            assert held.functions == plain.functions

    @pytest.mark.parametrize(("flash", "extra"), [("ideal", 0), ("cold", 2)])
    def test_accesses_of_devices_take_what_they_take(self, flash: FlashModel, extra: int) -> None:
        """Two loads from a register, each a cycle longer on the peripheral bus where waiting is counted, and once."""
        code = struct.pack("<6H", 0x4801, 0x6801, 0x6801, 0x4770, 0, 0x4005)  # ldr r0, =0x40050000; two loads; bx lr
        machine, registers = Machine(load_raw(code, 0x20000000)), {0x40050000: 5}
        plain = machine.call(0x20000000, registers=registers, flash=flash, engine="timed")
        held = machine.call(0x20000000, registers=registers, flash=flash, debugger=Script(lambda _: None))
        assert plain.cycles == held.cycles == 8 + extra

    def test_a_call_begins_anew(self, build: Callable[..., Path]) -> None:
        cycles: list[int] = []

        def act(talk: Talk) -> None:
            held = talk.session.held
            for _ in range(10):
                held.step()
            cycles.append(held.now)
            if len(cycles) < 3:
                talk.session.history.rewind(Way.RESET)

        Machine.from_elf(build("profiled.c", flags=("-O1", "-g"))).call("work", 5, debugger=Talk(act))
        assert cycles[0] == cycles[1] == cycles[2]

    def test_what_a_debugger_cannot_hold(self, build: Callable[..., Path]) -> None:
        machine = Machine.from_elf(build("profiled.c", flags=("-O1", "-g")))
        for options in ({"level": "memory"}, {"flash": "warm"}, {"engine": "unicorn"}):
            with pytest.raises(UsageError, match="timed engine"):
                machine.call("work", 5, debugger=Script(lambda _: None), **options)  # type: ignore[arg-type]


# -- damage


def _mutated(rng: random.Random) -> bytes:
    """A packet that GDB might send, often with something wrong in it."""
    known = [
        *(b"?", b"g", b"G" + b"00" * 68, b"p0", b"P19=00000000", b"m20000000,40", b"M20000000,2:abcd", b"mfffffffc,10"),
        *(b"X20000000,3:abc", b"Z0,10000100,2", b"Z2,20000000,4", b"z2,20000000,4", b"Z9,0,0", b"vCont?", b"vCont;s:1"),
        *(b"qSupported:multiprocess+", b"qXfer:features:read:target.xml:0,fff", b"qXfer:memory-map:read::0,fff"),
        *(b"qRcmd,6379636c6573", b"qRcmd,636f7374", b"qRcmd,zz", b"Hg0", b"T1", b"qfThreadInfo", b"qC", b"s", b"S05"),
        *(b"m40054028,4", b"mE000E010,4", b"M40054000,4:00000000", b"m,", b"m1", b"P", b"Z", b"v", b"q", b"", b"!"),
        *(b"Hg2", b"Hc2", b"T2", b"qThreadExtraInfo,2", b"vCont;s:2", b"vCont;s:2;s:1", b"vCont;S0b:1", b"vFlashDone"),
        *(
            b"vFlashErase:10000000,1000",
            b"vFlashWrite:10000000:ab",
            b"qRcmd,72656720",
            b"z0,10000100,2",
            b"md0000050,40",
        ),
    ]
    packet = bytearray(rng.choice(known))
    for _ in range(rng.choice((0, 0, 1, 1, 2, 5))):
        if packet and rng.random() < 0.7:
            at = rng.randrange(len(packet))
            packet[at : at + rng.randrange(3)] = rng.randbytes(rng.randrange(4))
        else:
            packet += rng.choice((b",", b":", b";", b"-1", b"ffffffffffffffff", b"\xff", b"="))
    return bytes(packet)


@pytest.mark.parametrize("count", [400, pytest.param(10_000, marks=pytest.mark.long)])
def test_malformed_packets_do_no_harm(shared: Path, count: int) -> None:
    firmware, rng, heard = Firmware.from_elf(shared), random.Random(count), 0

    def act(talk: Talk) -> None:
        nonlocal heard
        if not heard:
            _to(talk, firmware, "core1_main", 2)
        while heard < count:
            heard += 1
            packet = _mutated(rng)
            if packet[:1] in b"cCb" or packet.startswith(b"vCont;c"):
                continue  # goes on to the end, or back
            try:
                answer = talk.session.hear(packet)
            except (LetGo, Detached):
                continue
            assert answer is None or isinstance(answer.encode("latin-1"), bytes)
        assert talk.ask("g")[: 8 * 17]

    done = run_anew(firmware, Talk(act))
    assert heard == count
    assert done is not None


@contextmanager
def served(firmware: Firmware) -> Iterator[tuple[int, list[RunCost], list[str]]]:
    """A server in a thread; its port, what the run cost in the end, and what was noted."""
    done: list[RunCost] = []
    notes: list[str] = []
    server = GdbServer("127.0.0.1", 0, notes.append)

    def run() -> None:
        done.append(run_anew(firmware, server))

    with closing(server):
        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        yield server.port, done, notes
        thread.join(30)
        assert not thread.is_alive()


def _talk(port: int, *sent: bytes, awaited: bytes = b"") -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        for each in sent:
            client.sendall(each)
        found = b""
        while awaited and awaited not in found:
            piece = client.recv(4096)
            assert piece
            found += piece
        return found


def test_a_client_that_vanishes_leaves_the_program_as_it_is(alarms: Path) -> None:
    encode = packets.encode
    with served(Firmware.from_elf(alarms)) as (port, done, notes):
        _talk(port, encode(b"qSupported"), b"$g#", awaited=b"ReverseStep")  # in the middle of a packet
        _talk(port, encode(b"s"), encode(b"s"), awaited=b"T05thread:1;#")
        _talk(port, encode(b"c"))  # while the program runs
        cycles = encode(b"qRcmd," + b"cycles".hex().encode())
        assert bytes.fromhex(_talk(port, cycles, awaited=b"#").split(b"$")[1].split(b"#")[0].decode())
        assert _talk(port, b"$g#00", awaited=b"-") == b"-"
        detached = _talk(port, encode(b"D"), awaited=b"$OK#9a")
        assert b"$OK#9a" in detached
        assert b"$T0" in _talk(port, b"-" + encode(b"?"), awaited=b"#")
        _talk(port, encode(b"vKill;1"), awaited=b"$OK#9a")
    assert done[0].exit.reason in ("interrupted", "exit")
    assert any("gone" in note for note in notes)
    assert any("detached" in note for note in notes)


def test_only_one_server_at_a_port() -> None:
    with closing(GdbServer("127.0.0.1", 0, lambda _: None)) as first, pytest.raises(UsageError, match="--port"):
        GdbServer("127.0.0.1", first.port, lambda _: None)


def test_the_description_has_every_register_once() -> None:
    """In the order of a `g` packet, which is that of their numbers."""
    text = registers.description()
    numbers = [int(number) for number in re.findall(r'regnum="(\d+)"', text)]
    assert numbers == sorted(numbers) == list(registers.NUMBERS.values())


@settings(max_examples=20)
@given(st.integers(0, 0xFFFFFFFF), st.sampled_from(sorted(registers.NUMBERS)))
def test_registers_read_back_what_was_written(value: int, name: str) -> None:
    made, chip = processor(timed_program(b"12345", load("rp2040").flash.base).image, 0x10000000, "rp2040")
    held = Held(Bare(made, ()), chip)  # type: ignore[arg-type]
    before = held.registers()
    assert held.set_register(name, value) == (name != "control")
    after = held.registers()
    kept = {
        "sp": 0xFFFFFFFC,
        "msp": 0xFFFFFFFC,
        "psp": 0xFFFFFFFC,
        "pc": 0xFFFFFFFE,
        "xpsr": 0xF0000000,
        "primask": 1,
        "control": 0,
    }.get(name, 0xFFFFFFFF)
    assert after[name] & kept == value & kept
    others = set(before) - {name} - ({"sp", "msp"} if name in ("sp", "msp") else set())
    assert {other: after[other] for other in others} == {other: before[other] for other in others}
