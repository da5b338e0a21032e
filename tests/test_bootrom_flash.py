"""The boot ROM's flash functions and its way from reset, with the devices of the RP2040 behind the registers."""

from __future__ import annotations

import re
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Build
from test_devices_rp2040 import Chip

from m0sim import Fault, Firmware, Machine
from m0sim.chip.peripherals import RegisterAccess
from m0sim.image import load_raw

SOURCE = Path(__file__).parents[1] / "m0sim/chip/bootrom"
RESETS, IO_QSPI, PADS_BANK0, PADS_QSPI = 0x4000C000, 0x40018000, 0x4001C000, 0x40020000
SCRATCH4, XIP, SSI = 0x4005801C, 0x14000000, 0x18000000
SET, CLR = 0x2000, 0x3000
REGISTERS = (
    *(RESETS, RESETS + 8, RESETS + SET, RESETS + CLR),
    *(IO_QSPI + 4 + 8 * pin for pin in range(6)),
    *(PADS_QSPI + 4 * pad for pad in range(7)),
    *(PADS_BANK0 + CLR + 0x6C + 4 * pin for pin in range(4)),
    *(XIP, XIP + 4),
    *(SSI + offset for offset in (0x00, 0x04, 0x08, 0x10, 0x14, 0x28, 0x60, 0xF4)),
    *(SCRATCH4 + 4 * i for i in range(4)),
)
PACE = 8
"""Cycles that go by with each access: the code runs beside the devices, which have a clock of their own here."""
STAGE = 0x20041F00
RETURN = 0xF0000001
"""Where a call returns to."""


class Board:
    """A machine whose registers are those of modelled devices."""

    def __init__(self, elf: Path) -> None:
        self.chip = Chip()
        self.machine = Machine.from_elf(elf)
        for address in REGISTERS:
            self.machine.on_read(address, self._load)
            self.machine.on_write(address, self._store)

    def _load(self, access: RegisterAccess) -> int:
        self.chip.run(PACE)
        return self.chip.load(access.address, access.size)

    def _store(self, access: RegisterAccess) -> None:
        self.chip.run(PACE)
        assert access.value is not None
        self.chip.store(access.address, access.value, access.size)

    @property
    def flash(self) -> bytearray:
        return self.chip.host.flash

    def rom(self, name: str, *arguments: int) -> int:
        result = self.machine.call(f"bootrom_{name}", *arguments, result="u32").result
        assert isinstance(result, int)
        return result

    def begin(self) -> None:
        self.rom("connect_internal_flash")
        self.rom("flash_exit_xip")


@pytest.fixture
def board(build: Build) -> Board:
    return Board(build("bootrom.S", flags=("-g",)))


def test_programming(board: Board) -> None:
    """In pages, to what flash can do: bits become 0."""
    board.begin()
    board.flash[0x1200:0x1300] = b"\x0f" * 256
    data = np.random.default_rng(1).integers(0, 256, 512, np.uint8)
    source = board.machine.alloc(data)
    board.rom("flash_range_program", 0x1100, source.address, 512)
    assert bytes(board.flash[0x1100:0x1200]) == data[:256].tobytes()
    assert bytes(board.flash[0x1200:0x1300]) == (data[256:] & 0x0F).tobytes()
    assert board.flash[0x10FF] == board.flash[0x1300] == 0xFF
    assert board.chip.board.bus.notes == {}


@pytest.mark.parametrize(
    ("address", "count", "block", "sent"),
    [
        (0x3000, 0x2000, 0x10000, [0x20, 0x20]),
        (0xF000, 0x12000, 0x10000, [0x20, 0xD8, 0x20]),
        (0x10000, 0x10000, 0x10000, [0xD8]),
        (0x10000, 0x10000, 1 << 31, [0x20] * 16),
        (0x10000, 0, 0x10000, []),
    ],
)
def test_erasing(board: Board, address: int, count: int, block: int, sent: list[int]) -> None:
    """By blocks where a whole one is to go, by sectors elsewhere."""
    commands: list[int] = []

    def carry_out(command: int) -> None:
        commands.append(command)
        chips_own(command)
        soon = board.chip.board.clock.seconds(board.chip.host.now + 1000)
        flash_chip._busy_until = min(flash_chip._busy_until, soon)  # it is 45 ms and more
        flash_chip._retime()

    interface: Any = next(device for device in board.chip.board.bus.devices if device.name == "XIP_SSI")
    flash_chip = interface._chip
    chips_own, flash_chip._carry_out = flash_chip._carry_out, carry_out
    board.flash[:] = bytes(len(board.flash))
    board.begin()
    board.rom("flash_range_erase", address, count, block, 0xD8)
    assert bytes(board.flash[address : address + count]) == b"\xff" * count
    assert sum(byte == 0xFF for byte in board.flash) == count
    assert [command for command in commands if command in (0x20, 0xD8)] == sent


def test_the_cache_is_flushed_and_enabled(board: Board) -> None:
    board.begin()
    board.chip.host.cache_enabled = False
    board.rom("flash_flush_cache")
    assert board.chip.host.flushed > 0
    assert board.chip.load(XIP) & 1
    assert board.chip.load(IO_QSPI + 0x0C) == 0  # the interface selects the chip again


def test_reading_by_command(board: Board) -> None:
    """Standard reads, 03h with 24 bits of address: what every chip answers."""
    board.begin()
    board.rom("flash_enter_cmd_xip")
    load = board.chip.load
    assert load(SSI + 0xF4) >> 24 == 0x03
    assert load(SSI + 0xF4) >> 8 & 3 == 2
    assert load(SSI + 0xF4) >> 2 & 15 == 6
    assert load(SSI) >> 16 & 31 == 31
    assert load(SSI) >> 8 & 3 == 3
    assert load(SSI + 8) == 1


# -- from reset


def second_stage(code: bytes) -> bytes:
    """256 bytes with the checksum of 2.8.1.3.1, by another CRC-32: of reflected bytes, reflected and inverted."""
    body = code.ljust(252, b"\0")
    mirrored = bytes(int(f"{byte:08b}"[::-1], 2) for byte in body)
    checksum = int(f"{zlib.crc32(mirrored) ^ 0xFFFFFFFF:032b}"[::-1], 2)
    return body + checksum.to_bytes(4, "little")


RETURNS = b"\x00\x48\x00\x47" + RETURN.to_bytes(4, "little")  # ldr r0, [pc]; bx r0
NOTES_LR = b"\x70\x46\x02\x49\x08\x60\x02\x48\x00\x47\x00\xbf"  # mov r0, lr; ldr r1, [pc, #8]; str r0, [r1]; ldr r0; bx


def reset(board: Board) -> None:
    """As a core begins: with the stack that the ROM's first word says."""
    board.machine.call("on_stack", board.machine.symbol("bootrom_reset").address, STAGE, keep=True)


def test_the_second_stage_runs_in_sram(board: Board) -> None:
    """With 0 in LR, so that it goes on to the program by itself; and with what it finds after the ROM."""
    noted = board.machine.alloc(4)
    code = NOTES_LR + noted.address.to_bytes(4, "little") + RETURN.to_bytes(4, "little")
    stage = second_stage(code)
    board.flash[:256] = stage
    board.machine.write(noted.address, b"\xff" * 4)
    reset(board)
    assert board.machine.read(STAGE, 256).tobytes() == stage
    assert noted.read().tobytes() == bytes(4)
    out_of_reset = ~board.chip.load(RESETS)
    assert out_of_reset >> 21 & out_of_reset >> 9 & out_of_reset >> 8 & out_of_reset >> 6 & 1
    assert all(board.chip.load(PADS_BANK0 + 0x6C + 4 * pin) & 1 << 6 == 0 for pin in range(4))
    assert board.chip.board.bus.notes == {}


@pytest.mark.parametrize("wrong", ["erased", "one bit"])
def test_without_a_second_stage_the_run_ends(board: Board, wrong: str) -> None:
    if wrong == "one bit":
        stage = bytearray(second_stage(RETURNS))
        stage[100] ^= 4
        board.flash[:256] = stage
    with pytest.raises(Fault, match="no boot2 in flash") as caught:
        reset(board)
    assert (caught.value.kind, caught.value.function) == ("breakpoint", "bootrom_reset")


def test_a_program_in_sram_is_entered_by_the_watchdogs_word(board: Board) -> None:
    """2.8.1.1; once only."""
    entry = board.machine.alloc(np.frombuffer(RETURNS, np.uint8))
    magic = 0xB007C0D3
    for i, word in enumerate((magic, entry.address + 1 ^ -magic & 0xFFFFFFFF, STAGE - 64, entry.address + 1)):
        board.chip.store(SCRATCH4 + 4 * i, word)
    reset(board)
    assert board.chip.load(SCRATCH4) == 0
    with pytest.raises(Fault, match="no boot2"):
        reset(board)


def test_exits_have_words(board: Board) -> None:
    for engine in ("unicorn", "timed"):
        with pytest.raises(Fault, match="reset to USB boot") as caught:
            board.machine.call("bootrom_reset_to_usb_boot", 0, 0, engine=engine)
        assert caught.value.kind == "breakpoint"
    numbers = re.findall(r"\.equ\s+EXIT_\w+, (0x\w+)", (SOURCE / "boot.S").read_text())
    from m0sim.chip.bootrom.tables import EXITS

    assert [int(number, 16) for number in numbers] == list(EXITS)


@pytest.mark.parametrize(
    ("function", "reason", "code", "detail"),
    [
        ("usb_boot", "exit", 0, "reset to USB boot"),
        ("faults", "fault", None, "bootrom_hardfault: load of 4 bytes at 0x00000001: unaligned"),
        (None, "fault", None, "no boot2 in flash (its checksum is wrong): reset to USB boot; m0sim call needs none"),
    ],
)
def test_how_a_run_from_reset_ends_in_it(
    build: Build, function: str | None, reason: str, code: int | None, detail: str
) -> None:
    """With the devices as `run` has them."""
    machine = Machine.from_elf(build("second_stage.S", flags=("-g",)))
    content = bytes(256)
    if function is not None:
        symbol = machine.symbol(function)
        content = second_stage(machine.read(symbol.address, symbol.size).tobytes())
    done = Firmware(load_raw(content, 0x10000000)).run(seconds=1)
    assert (done.exit.reason, done.exit.code) == (reason, code)
    assert detail in done.exit.detail
    assert done.exit.is_good == (code == 0)


def test_the_debuggers_trampoline(board: Board) -> None:
    """It calls what is in r7, and stops at the instruction that the table tells."""
    end = board.machine.symbol("bootrom_debug_trampoline_end").address
    with pytest.raises(Fault, match="BKPT #0") as caught:
        board.machine.call("by_trampoline", 0x0F0F, board.machine.symbol("bootrom_popcount32").address)
    assert (caught.value.registers["r0"], caught.value.registers["pc"]) == (8, end)
