"""One chip in Unicorn: its memory mapped, the hooks in place, and what is to be kept right when bytes change."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt
from unicorn import (
    UC_ARCH_ARM,
    UC_HOOK_CODE,
    UC_HOOK_INTR,
    UC_HOOK_MEM_INVALID,
    UC_MODE_THUMB,
    Uc,
    UcError,
)
from unicorn.arm_const import (
    UC_ARM_REG_APSR,
    UC_ARM_REG_MSP,
    UC_ARM_REG_PC,
    UC_ARM_REG_PSP,
    UC_ARM_REG_SP,
    UC_CPU_ARM_CORTEX_M0,
)

from m0sim.chip import output
from m0sim.chip.arguments import Words
from m0sim.chip.bootrom.rom import BootRom
from m0sim.chip.device import Device
from m0sim.chip.engine import mapping, trap
from m0sim.chip.engine.counters import Counters
from m0sim.chip.engine.heap import HeapWatch
from m0sim.chip.engine.hooks import Hooks
from m0sim.chip.engine.mmio import Windows
from m0sim.chip.engine.registers import CallRegisters
from m0sim.chip.engine.trap import Traps
from m0sim.chip.memory import AddressSpace
from m0sim.chip.output import Output
from m0sim.chip.peripherals import Peripherals
from m0sim.chip.started import Started
from m0sim.chip.stubs import Stub
from m0sim.errors import UsageError
from m0sim.image import Image

#: Where a called function returns to: in the vendor's part of the system region, which no profile maps.
RETURN_ADDRESS = 0xF0000000


class Emulator:
    """What the runs of one machine share."""

    def __init__(
        self,
        device: Device,
        image: Image,
        stack_bytes: int,
        boot_rom: BootRom | None = None,
        *,
        from_reset: bool = False,
    ) -> None:
        """Raises `UsageError` where the image does not fit the device beside `stack_bytes` of stack.

        `from_reset` is as for `AddressSpace`.
        """
        self.device = device
        self.image = image
        self.space = AddressSpace(device, image, stack_bytes, boot_rom, from_reset=from_reset)
        self.uc = Uc(UC_ARCH_ARM, UC_MODE_THUMB)
        self.uc.ctl_set_cpu_model(UC_CPU_ARM_CORTEX_M0)
        self._call_registers = CallRegisters(self.uc)
        mapping.map_into(self.uc, self.space)
        self.counters = Counters(device, image, self.space, self.uc)
        self.hooks = Hooks(self.uc, self.counters, device, self.space)
        self.peripherals = Peripherals(device, weakref.proxy(self))
        self.windows = Windows(self.uc, self.peripherals, self.space)
        self.traps = Traps(device, self.windows.has, boot_rom)
        self.heap = HeapWatch(self.space, self.counters.limit_stack)
        self.output = Output(self.space)
        weakref.finalize(self, _release, self.uc, self._attach()).atexit = False
        self.is_running = False
        self.host_error: BaseException | None = None
        """What a function of the host raised while the code ran."""
        self._reset_registers = self.uc.context_save()  # special and banked ones too
        self._host_wrote = False
        self.code_version = 0
        """Goes up when bytes of flash changed."""
        self.stubs: tuple[Stub, ...] = ()
        """The functions that are replaced now."""
        self.is_initialised = False
        """Whether the image's own start-up function has given variables their first values."""
        self.started: Started | None = None
        """What calls begin with; None for memory as loaded."""

    def _attach(self) -> list[int]:
        """The hooks that Python answers: only where something rare happens."""
        return [
            *self.heap.attach(self.uc),
            self.uc.hook_add(UC_HOOK_INTR, self.traps.on_interrupt),
            # Not over the SRAM, where every access is valid: a hook there would make all stores slow.
            *(
                self.uc.hook_add(UC_HOOK_MEM_INVALID, self.traps.on_invalid_access, None, begin, end - 1)
                for begin, end in mapping.other_ranges(self.space)
            ),
            *(
                self.uc.hook_add(UC_HOOK_CODE, self.output.on_write, None, symbol.address, symbol.address)
                for symbol in self.image.symbols
                if symbol.name == output.WRITE and symbol.kind == "function"
            ),
        ]

    # -- memory

    def view(self, address: int, size: int) -> npt.NDArray[np.uint8]:
        """The host's view of memory, ``uint8[size]``. Raises `UsageError` where it is not inside one memory."""
        view = self.space.view(address, size)
        if view is None:
            raise UsageError(f"{size} bytes at {address:#x} are not inside one memory of {self.device.name}")
        return view

    def read(self, address: int, size: int) -> npt.NDArray[np.uint8]:
        """A copy of `size` bytes of memory, ``uint8[size]``. Raises `UsageError`.

        While code runs it is for the code, which finds nothing where a null pointer leads.
        """
        if self.is_running and not self.space.shows(address, size):
            raise UsageError(f"{size} bytes at {address:#x} are {trap.HIDDEN}")
        return self.view(address, size).copy()

    def write(self, address: int, data: npt.ArrayLike | bytes) -> None:
        """Write an array's bytes to memory; while code runs, only to data in SRAM. Raises `UsageError`."""
        array = np.frombuffer(data, np.uint8) if isinstance(data, bytes) else np.ascontiguousarray(data)
        view = self.view(address, array.nbytes)
        if self.space.boot_rom is not None and self.space.boot_rom.region.contains(address):
            raise UsageError(f"{address:#010x} is in the boot ROM, which cannot be written: give another, with bootrom")
        if self.is_running and self._holds_code(address, array.nbytes):
            raise UsageError(f"{array.nbytes} bytes at {address:#010x} are code or read-only: not while the code runs")
        view[:] = array.reshape(-1).view(np.uint8)
        self.counters.byte_states.host_wrote(address, array.nbytes)
        if not self.space.is_sram(address):
            self._host_wrote = True
            self.code_version += 1
            self.counters.forget()  # in SRAM it looks for changes itself

    def _holds_code(self, address: int, size: int) -> bool:
        begin = self.device.resolve(address)
        is_code = any(begin < end and first < begin + size for first, end in self.image.code_ranges)
        return is_code or not self.space.is_sram(address)

    @property
    def may_wait(self) -> bool:
        """Whether a call may find something in flash that waits, or a register on a slow bus."""
        device = self.device
        in_flash = (device.region_at(at) for s in self.image.segments for at in (s.address, s.load_address))
        has_flash = any(region is not None and region.kind == "flash" for region in in_flash)
        return (device.flash_waits and has_flash) or bool(device.buses and self.peripherals.has_registers)

    def forget_code_in_sram(self) -> None:
        """The bytes of SRAM are others now: Unicorn does not notice. The core looks itself."""
        if self.counters.has_writable_code():
            self.uc.ctl_flush_tb()

    def forget_code(self) -> None:
        """Decode and translate everything afresh."""
        self.code_version += 1
        self.counters.forget()
        self.uc.ctl_flush_tb()

    def reject_while_running(self) -> None:
        """Raises `UsageError` in functions of the host that the code calls."""
        if self.is_running:
            raise UsageError("the machine runs: a function that it calls can read and write its memory, and no more")

    # -- registers of peripherals

    def begin_answers(self, registers: Mapping[int, object], convert: Callable[[object], Words]) -> None:
        """From now on, the peripherals' registers have their answers. Raises `UsageError`, also while code runs."""
        self.reject_while_running()
        self.peripherals.begin(registers, convert)
        self.windows.map()

    def end_answers(self) -> None:
        """The call is over."""
        self.peripherals.end()

    # -- states

    def reset(self) -> None:
        """Put everything to what it was after loading; buffers are freed, answers of registers forgotten."""
        self.peripherals.forget()
        self.started = None
        self.space.reset()
        self.counters.byte_states.reset()
        self._reset_core()
        self.forget_code()

    def begin_with(self, started: Started | None) -> None:
        """Have calls begin with what start-up code left, or with memory as loaded. Raises `UsageError`; see space."""
        self.space.begin_with(started)
        self.started = started
        self.prepare(keep=False)
        self.forget_code()

    def prepare(self, keep: bool) -> None:
        """Before a call: memory as loaded or started, unless `keep`, but for the buffers; an empty stack."""
        code_changed = self._host_wrote or self.space.image_code_changed()
        if keep:
            self.space.clear_stack()
        else:
            self.space.restore()  # the stack's room, too
            self.counters.byte_states.restored()
            self._reset_core()
        if code_changed or self.counters.has_writable_code():
            self.uc.ctl_flush_tb()  # the emulator does not notice what the host writes
        self._host_wrote = False

    def _reset_core(self) -> None:
        self.is_initialised = self.started is not None
        self.heap.begin()
        if self.started is not None:
            self.heap.resume(self.started.handed_out)
            self.counters.byte_states.lost()
            begin, end = self.space.taken
            if begin < end:
                self.counters.byte_states.host_wrote(begin, end - begin)
        self.uc.context_restore(self._reset_registers)
        self.counters.reset_port()

    # -- registers

    def enter(self, registers: list[int], sp: int) -> None:
        """Set all registers for a call: r0 on from `registers`, the others 0, LR to `RETURN_ADDRESS`, flags clear."""
        self._call_registers.write(registers, sp, RETURN_ADDRESS | 1)

    def registers(self) -> tuple[int, ...]:
        """r0 to r12, SP and LR as they are."""
        return self._call_registers.read()

    def flags(self) -> int:
        """N, Z, C and V in bits 31 to 28.

        Where the run stopped directly behind an instruction that wrote SP, PSP or APSR, the hook there did not run.
        """
        for register in (UC_ARM_REG_SP, UC_ARM_REG_MSP, UC_ARM_REG_PSP):
            self.uc.reg_write(register, self.uc.reg_read(register) & ~3)
        flags = int(self.uc.reg_read(UC_ARM_REG_APSR)) & 0xF0000000
        self.uc.reg_write(UC_ARM_REG_APSR, flags)
        return flags

    def executed(self) -> None:
        """The counters know what ran."""

    def flash(self) -> None:
        """Nothing waits for flash."""

    def end_at(self, address: int, *, block_is_complete: bool) -> None:
        """Count the newest block, whole or up to an address."""
        self.counters.end(address, block_is_complete=block_is_complete)

    def emulate(self, begin: int, until: int) -> int:
        """Run until something stops it. Returns Unicorn's error, 0 for none; `traps`, `windows`, `heap` know more.

        Raises what a function of the host raised meanwhile. The next call starts afresh.
        """
        self.traps.clear()
        self.windows.clear()
        self.host_error = None
        error = 0
        try:
            self.uc.emu_start(begin | 1, until)
        except UcError as raised:
            error = raised.errno
        raised_by_host = self.host_error or self.windows.error
        if raised_by_host is not None:
            self.host_error = None
            self.windows.clear()
            raise raised_by_host
        return error

    @property
    def pc(self) -> int:
        return int(self.uc.reg_read(UC_ARM_REG_PC))


def _release(uc: Uc, hooks: list[int]) -> None:
    """Let go of what the Python hooks hold: the binding's closures live until the garbage collector comes."""
    for hook in hooks:
        uc.hook_del(hook)
