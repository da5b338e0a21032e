"""A device with firmware in it: allocate buffers, call functions, get costs or faults."""

from __future__ import annotations

import signal
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from unicorn import (
    UC_ARCH_ARM,
    UC_HOOK_CODE,
    UC_HOOK_INTR,
    UC_HOOK_MEM_INVALID,
    UC_MODE_THUMB,
    UC_PROT_EXEC,
    Uc,
    UcError,
)
from unicorn.arm_const import (
    UC_ARM_REG_APSR,
    UC_ARM_REG_LR,
    UC_ARM_REG_MSP,
    UC_ARM_REG_PC,
    UC_ARM_REG_PSP,
    UC_ARM_REG_R0,
    UC_ARM_REG_R1,
    UC_ARM_REG_SP,
    UC_CPU_ARM_CORTEX_M0,
)

from m0sim import __version__, image
from m0sim.chip import arguments, device, isa, output, semihosting, trap
from m0sim.chip.accounting import Counters, Level, level_of
from m0sim.chip.arguments import ResultType, Words
from m0sim.chip.buffer import Buffer
from m0sim.chip.cost import Cost, MemoryUse, Provenance
from m0sim.chip.device import Device
from m0sim.chip.fault import CallSite, Fault, Interrupted
from m0sim.chip.heap import HeapWatch
from m0sim.chip.memory import MIN_STACK, AddressSpace
from m0sim.chip.mmio import Windows
from m0sim.chip.native.layout import Stop
from m0sim.chip.native.tables import CONTEXT_LIMIT
from m0sim.chip.peripherals import OnWrite, Peripherals, RegisterAccess
from m0sim.chip.registers import CallRegisters
from m0sim.chip.stubs import BX_LR, Stub, StubCall, reject_twins
from m0sim.errors import UsageError
from m0sim.image import Image, Symbol
from m0sim.ticker import ticking

if TYPE_CHECKING:
    from m0sim.image.signatures import Signature

#: Where a called function returns to: in the vendor's part of the system region, which no profile maps.
RETURN_ADDRESS = 0xF0000000
#: What runs the code, in the provenance of costs.
ENGINE = "unicorn"
DEFAULT_MAX_CYCLES = 10_000_000_000
# A call runs in slices: between two, Ctrl-C is looked at and progress is told. The first ends after so many cycles,
# which most calls do not reach. Then a thread ends them by the clock: code that rewrites itself runs a thousand times
# slower than a loop, and a call may turn from one into the other.
_FIRST_SLICE, _LATER_SLICES = 100_000, 1 << 60
_SLICE_SECONDS = 0.1

_REGISTERS = [UC_ARM_REG_R0 + i for i in range(13)]
_STUB_REGISTERS = [*_REGISTERS[:4], UC_ARM_REG_SP, UC_ARM_REG_LR]
_REGISTER_NAMES = [f"r{i}" for i in range(13)]


def _release(uc: Uc, hooks: list[int]) -> None:
    """Let go of what the Python hooks hold: the binding's closures live until the garbage collector comes."""
    for hook in hooks:
        uc.hook_del(hook)


Argument = int | float | Words | Buffer | np.generic | npt.NDArray[Any]
"""What a call passes: integers and buffers as one word, NumPy's float32 and float64 as what they are.

An array is put into a buffer for the call, and its address passed: what the function writes there is not read back.
"""
Value = int | Words | np.generic | Buffer | None
"""One answer of a stub or register; None, of a stub, returns without a value."""
StubValues = Mapping[str, Value | Sequence[Value] | Callable[[StubCall], Value]]
"""By name: a value, values that are returned in turn, of which the last stays, or a function that gives each."""
RegisterValues = Mapping[int, Value | Sequence[Value] | Callable[[RegisterAccess], Value]]
"""The same by address, for loads from registers of peripherals."""


class Machine:
    """One simulated chip. Make one with `from_elf` or `from_raw`; a machine is for one thread at a time."""

    def __init__(
        self, firmware: Image, profile: str | Path | Device = device.DEFAULT, *, stack_bytes: int = MIN_STACK
    ) -> None:
        """An image in a chip; UsageError where it does not fit beside `stack_bytes` of stack."""
        self.image = firmware
        self.device = profile if isinstance(profile, Device) else device.load(profile)
        self.space = AddressSpace(self.device, firmware, stack_bytes)
        self.progress: Callable[[int], None] | None = None
        """Called with the cycles so far, several times a second while a call runs."""
        self._uc = Uc(UC_ARCH_ARM, UC_MODE_THUMB)
        self._uc.ctl_set_cpu_model(UC_CPU_ARM_CORTEX_M0)
        self._call_registers = CallRegisters(self._uc)
        self.space.map_into(self._uc)
        self._uc.mem_map(RETURN_ADDRESS, 1024, UC_PROT_EXEC)  # no data is there: a load or store is a fault
        self.counters = Counters(self.device, firmware, self.space)
        self._watch_memory = self.counters.attach(self._uc)
        self._peripherals = Peripherals(self.device, weakref.proxy(self))
        self._windows = Windows(self._uc, self._peripherals)
        self._traps = trap.Traps(self.device, self._windows.has)
        self._heap = HeapWatch(self.space, self.counters.limit_stack)
        hooks = [
            *self._heap.attach(self._uc),
            self._uc.hook_add(UC_HOOK_INTR, self._traps.on_interrupt),
            # Not over the SRAM, where every access is valid: a hook there would make all stores slow.
            *(
                self._uc.hook_add(UC_HOOK_MEM_INVALID, self._traps.on_invalid_access, None, begin, end - 1)
                for begin, end in self.space.other_ranges()
            ),
        ]
        self._output = output.Output(self.space)
        hooks += [
            self._uc.hook_add(UC_HOOK_CODE, self._output.on_write, None, symbol.address, symbol.address)
            for symbol in firmware.symbols
            if symbol.name == output.WRITE and symbol.kind == "function"
        ]
        weakref.finalize(self, _release, self._uc, hooks).atexit = False
        self._host_error: BaseException | None = None  # what a stub's function raised
        self._is_running = False
        self._reset_registers = self._uc.context_save()  # special and banked ones too
        self._rooms: dict[int, Buffer] = {}
        self._host_wrote = False
        self._interrupted = False
        self._is_due = False  # the clock has ended a slice
        self._is_initialised = False  # the image's own start-up function has given variables their first values

    @classmethod
    def from_elf(cls, path: str | Path, profile: str | Path | Device = device.DEFAULT) -> Machine:
        """A chip with an ELF executable in it. Raises UsageError for a file or profile that is bad or does not fit."""
        return cls(image.load_elf(path), profile)

    @classmethod
    def from_file(
        cls,
        path: str | Path,
        profile: str | Path | Device = device.DEFAULT,
        *,
        base: int | None = None,
        symbols: str | Path | None = None,
    ) -> Machine:
        """A chip with a firmware file in it: ELF, Intel HEX or UF2 by its content, or a raw binary at address `base`.

        `symbols` is the ELF that a HEX, UF2 or raw file was made from. Raises UsageError for files that are bad, do
        not fit the device, or do not belong together.
        """
        return cls(image.load_file(path, base=base, symbols=symbols), profile)

    @classmethod
    def from_raw(cls, data: bytes | str | Path, base: int, profile: str | Path | Device = device.DEFAULT) -> Machine:
        """A chip with a raw binary (bytes, or a file's path) at address `base`. It has no symbols: call addresses."""
        return cls(image.load_raw(data, base), profile)

    def __repr__(self) -> str:
        return f"<Machine: {self.image.path.name} on {self.device.name}, {len(self.space.allocations)} buffers>"

    # -- memory

    def alloc(self, content: npt.ArrayLike | int, *, align: int = 8, name: str = "") -> Buffer:
        """A new buffer holding an array, or `content` zero bytes if that is an integer.

        It lies between red zones, `align` bytes aligned (a power of two, at least 4). Raises UsageError when it does
        not fit beside the stack.
        """
        self._reject_while_running()
        if isinstance(content, int):
            if not 0 <= content < 1 << 32:
                raise UsageError(f"cannot allocate {content} bytes")
            content = np.zeros(content, np.uint8)
        array = np.ascontiguousarray(content)
        array = array.astype(array.dtype.newbyteorder("<"), copy=False)
        if array.dtype.hasobject:
            raise UsageError(f"cannot put an array of {array.dtype} into the simulated memory")
        if align < 1 or align & (align - 1):
            raise UsageError(f"an alignment is a power of two, not {align}")
        place = self.space.allocate(array.nbytes, max(4, align), name)
        buffer = Buffer(place.address, place.size, array.dtype, array.shape, place.name, self.space, place)
        buffer.write(array)
        return buffer

    def reset(self) -> None:
        """Make the chip what `from_elf` made it: after a reset, memory as loaded, flash too, every buffer freed.

        What `on_read` and `on_write` said of registers is forgotten.
        """
        self._reject_while_running()
        self._peripherals.forget()
        self.space.reset()
        self._is_initialised = False
        self._heap.begin()
        self._uc.context_restore(self._reset_registers)
        self.counters.reset_port()
        self._forget_code()

    def symbol(self, name: str) -> Symbol:
        """The symbol of that name: its `.address` and `.size`. Raises UsageError with the closest names."""
        return self.image.find(name)

    def signature(self, function: str | int) -> Signature | None:
        """What a function takes and returns, where the image's DWARF tells it for certain: `call` checks by it."""
        return self.image.signature(self._entry(function))

    def read(self, address: int, size: int) -> npt.NDArray[np.uint8]:
        """A copy of `size` bytes of memory, ``uint8[size]``."""
        return self._view(address, size).copy()

    def write(self, address: int, data: npt.ArrayLike | bytes) -> None:
        """Write an array's bytes to memory, flash included. While code runs, from a stub, only to data in SRAM."""
        array = np.frombuffer(data, np.uint8) if isinstance(data, bytes) else np.ascontiguousarray(data)
        view = self._view(address, array.nbytes)
        bank = self.space.bank_at(self.device.resolve(address))
        if self._is_running and self._holds_code(address, array.nbytes):
            raise UsageError(f"{array.nbytes} bytes at {address:#010x} are code or read-only: not while the code runs")
        view[:] = array.reshape(-1).view(np.uint8)
        if bank is not None and bank.kind != "sram":
            self._host_wrote = True
            self.counters.forget()  # in SRAM it looks for changes itself

    def _holds_code(self, address: int, size: int) -> bool:
        begin = self.device.resolve(address)
        bank = self.space.bank_at(begin)
        is_sram = bank is not None and bank.kind == "sram"
        return not is_sram or any(begin < end and first < begin + size for first, end in self.image.code_ranges)

    def _view(self, address: int, size: int) -> npt.NDArray[np.uint8]:
        view = self.space.view(address, size)
        if view is None:
            raise UsageError(f"{size} bytes at {address:#x} are not inside one memory of {self.device.name}")
        return view

    # -- calls

    def call(
        self,
        function: str | int,
        *args: Argument,
        keep: bool = False,
        result: ResultType | None = None,
        level: Level = "cycles",
        max_cycles: int = DEFAULT_MAX_CYCLES,
        before: str | Sequence[str | Sequence[Argument | str]] = (),
        stubs: StubValues | None = None,
        registers: RegisterValues | None = None,
        stdout: str | Sequence[str] = (),
    ) -> Cost:
        """Call a function by name or address and count what it costs, from its first instruction to its return.

        Arguments are passed as the AAPCS has it: integers and buffers as one word each; `arguments.i64`, `u64` and
        `f32` make the others. Where DWARF tells what the function takes, their number and kinds are checked, and plain
        integers and floats become what it takes. `result` is how r0 (and r1) is read: s32, u32, s64, u64, f32, f64 or
        void; without it, as DWARF declares it (a struct as its bytes), and as s32 where nothing does.

        Every call starts with the memory as loaded and an empty stack; buffers keep their contents. With `keep`, it
        starts with .data and .bss as the last call left them. `before` names a function to run first, uncounted, or
        several, each alone or as a tuple of its name and arguments: ``before=["reset", ("init", 1, table)]``.
        `stubs` replaces functions by a return, `registers` answers loads from peripherals: see `StubValues` and
        `RegisterValues`. What a function among them raises ends the call, and goes through. `stdout` names functions
        that print, which are replaced as stubs are: "put" for one like ``_write(fd, data, size)``, "put:char" and
        "put:str" for those with one argument. Without any, what goes through `_write` is noted, which runs as it is.

        Raises `Fault` when the simulated code goes wrong, and `UsageError` when the request makes no sense.
        """
        entry = self._entry(function)
        if result is not None:
            arguments.result_type(result)
        level_of(level)
        if max_cycles < 1:
            raise UsageError(f"max_cycles must be at least 1, not {max_cycles}")
        initialisers = [_initialiser(each) for each in ([before] if isinstance(before, str) else before)]
        stdout = [stdout] if isinstance(stdout, str) else stdout
        printing = [self._output.replacement(text) for text in stdout]
        replaced = [self._stub(name, given) for name, given in (stubs or {}).items()]
        replaced += [Stub(self._entry(name), given, self._words) for name, given in printing]
        reject_twins(replaced)
        self._output.listens = not printing and all(stub.symbol.name != output.WRITE for stub in replaced)
        provenance = self._provenance(entry, args, initialisers, stubs or {}, registers or {}, stdout)
        with self._answering(registers or {}), ExitStack() as arrays:
            call = self._call(entry, arrays.enter_context(self._passing(args)), result, level, max_cycles)
            call.stubs, call.provenance = replaced, provenance
            first = [
                self._call(self._entry(name), arrays.enter_context(self._passing(given)), "void", "cycles", max_cycles)
                for name, given in initialisers
            ]
            self._prepare(keep)
            with self._stubbed(replaced):
                for initialiser in first:
                    self._run(initialiser)
                    self.space.clear_stack()
                self._patch(replaced)  # what ran may have copied code to SRAM
                with self._watching(level):
                    return self._run(call)

    def count(self, function: str | int, *args: Argument, keep: bool = False) -> int:
        """The cycles of a `call`, and no other figure: for short calls much faster, and as exact."""
        entry = self._entry(function)
        with self._answering({}), self._passing(args) as values:
            call = self._call(entry, values, "void", "cycles", DEFAULT_MAX_CYCLES)
            self._prepare(keep)
            self._execute(call)
            self._check_after(call)
        return self.counters.cycles

    def on_read(self, address: int, given: Value | Sequence[Value] | Callable[[RegisterAccess], Value]) -> None:
        """Answer loads from a peripheral's register in all calls to come, as `registers` of `call` does for one.

        A register is a word; loads of a byte or halfword get their part of it. Stores to it are accepted and counted.
        With None, the register is gone again. Raises `UsageError` where `address` is no multiple of 4, or is memory or
        the single-cycle I/O port.
        """
        self._peripherals.on_read(address, given)

    def on_write(self, address: int, function: OnWrite | None) -> None:
        """Call `function` at each store to a peripheral's register from now on; with None no longer.

        What it returns is ignored. Loads are faults unless `on_read` or `registers` answers them. Raises `UsageError`
        as `on_read` does.
        """
        self._peripherals.on_write(address, function)

    def _entry(self, function: str | int) -> Symbol:
        symbol = self.image.find(function if isinstance(function, str) else hex(function))
        if symbol.kind == "object":
            raise UsageError(f"{symbol.name} is data, not a function")
        if not symbol.is_thumb:
            raise UsageError(f"{symbol.name} is Arm (A32) code; a Cortex-M0+ runs Thumb only")
        return symbol

    def _call(
        self,
        entry: Symbol,
        values: Sequence[int | float | Words],
        result: str | None,
        level: str,
        max_cycles: int,
    ) -> _Call:
        """A call of a function with arguments, as its signature has them where DWARF tells it."""
        signature = self.image.signature(entry)
        words = [arguments.plain(v) for v in values] if signature is None else arguments.declared(signature, values)
        room, struct_bytes = None, 0
        if signature is not None and signature.result.kind == "struct":
            struct_bytes = signature.result.size
            if signature.has_hidden_result:
                room = self._room_for_result(entry, struct_bytes)
                words.insert(0, arguments.word(room.address))
        result = result or arguments.declared_result(signature)
        return _Call(entry, words, result, level, max_cycles, struct_bytes=struct_bytes, room=room)

    def _room_for_result(self, entry: Symbol, size: int) -> Buffer:
        """Where a function puts the struct that it returns: each has one place, made at its first call."""
        room = self._rooms.get(entry.address)
        if room is None or room.is_freed:
            room = self._rooms[entry.address] = self.alloc(size, name=f"result of {entry.name}")
        return room

    def _stub(self, name: str, given: object) -> Stub:
        """A replaced function, whose answers are of the kind that DWARF declares, where it does."""
        function = self._entry(name)
        signature = self.image.signature(function)
        return Stub(function, given, lambda value: arguments.returned(signature, self._value(value)))

    def _words(self, argument: object) -> Words:
        return arguments.plain(self._value(argument))

    def _value(self, argument: object) -> int | float | Words:
        if isinstance(argument, Words):
            return argument
        if isinstance(argument, Buffer):
            if argument._space is not self.space:
                raise UsageError(f"{argument.name} belongs to another machine")
            if argument.is_freed:
                raise UsageError(f"{argument.name} was freed: allocate another buffer")
            return arguments.word(argument.address)
        if isinstance(argument, int | np.integer | np.bool_):
            return int(argument)
        if isinstance(argument, np.float32):
            return arguments.f32(float(argument))
        if isinstance(argument, np.float64):  # before float, which it is as well
            return arguments.f64(float(argument))
        if isinstance(argument, float):
            return argument
        if isinstance(argument, np.ndarray):
            raise UsageError("an array is no answer: put it into memory with machine.alloc(array) before the call")
        raise UsageError(f"cannot pass a {type(argument).__name__}: use an int, a buffer, or m0sim.i64, u64, f32")

    @contextmanager
    def _passing(self, args: Sequence[Argument]) -> Iterator[list[int | float | Words]]:
        """The arguments as numbers and words; arrays are in memory while this is active."""
        copies: list[Buffer] = []
        try:
            for argument in args:
                if isinstance(argument, np.ndarray):
                    if argument.ndim == 0:
                        raise UsageError(f"an array without dimensions is no argument: pass its value, {argument}")
                    copies.append(self.alloc(argument, name=_described(argument)))
            found = iter(copies)
            yield [self._value(next(found) if isinstance(a, np.ndarray) else a) for a in args]
        finally:
            for buffer in reversed(copies):
                buffer.free()

    def _prepare(self, keep: bool) -> None:
        code_changed = self._host_wrote or self.space.image_code_changed()
        if keep:
            self.space.clear_stack()
        else:
            self.space.restore()  # the stack's room, too
            self._is_initialised = False
            self._heap.begin()
            self._uc.context_restore(self._reset_registers)
            self.counters.reset_port()
        if code_changed or self.counters.has_writable_code():
            self._uc.ctl_flush_tb()  # the emulator does not notice what the host writes
        self._host_wrote = False

    @contextmanager
    def _watching(self, level: str) -> Iterator[None]:
        """Level ``memory`` costs speed in code translated while its hook is there, so translate afresh both times."""
        if level != "memory":
            yield
            return
        self._watch_memory(True)
        self._uc.ctl_flush_tb()
        try:
            yield
        finally:
            self._watch_memory(False)
            self._uc.ctl_flush_tb()

    @contextmanager
    def _answering(self, registers: RegisterValues) -> Iterator[None]:
        """While active, the peripherals' registers have their answers."""
        self._reject_while_running()
        self._peripherals.begin(registers, self._words)
        self._windows.map()
        try:
            yield
        finally:
            self._peripherals.end()

    def _reject_while_running(self) -> None:
        if self._is_running:
            raise UsageError("the machine runs: a function that it calls can read and write its memory, and no more")

    @contextmanager
    def _stubbed(self, stubs: Sequence[Stub]) -> Iterator[None]:
        """While active, each stub's function is ``BX LR``, and a hook there sets r0 and r1."""
        if not stubs:
            yield
            return
        saved = [(stub.symbol.address, self.read(stub.symbol.address, 2)) for stub in stubs]
        hooks = []
        try:
            for stub in stubs:
                at = stub.symbol.address
                hooks.append(self._uc.hook_add(UC_HOOK_CODE, self._enter_stub, stub, at, at))
            self._patch(stubs)
            yield
        finally:
            for hook in hooks:
                self._uc.hook_del(hook)
            for address, halfword in saved:
                self.write(address, halfword)
            self._forget_code()

    def _patch(self, stubs: Sequence[Stub]) -> None:
        for stub in stubs:
            self.write(stub.symbol.address, np.array([BX_LR], np.uint16))
        if stubs:
            self._forget_code()

    def _enter_stub(self, uc: Uc, address: int, size: int, stub: Stub) -> None:
        """The hook: what goes wrong in here is raised when the emulator has stopped."""
        if self._host_error is not None:
            return
        try:
            if self._halfword(address) != BX_LR:
                raise UsageError(
                    f"the stub {stub.symbol.name} was written over while the code ran: run the function that copies "
                    "code to SRAM with --before"
                )
            r0, r1, r2, r3, sp, lr = uc.reg_read_batch(_STUB_REGISTERS)
            words = stub.enter((r0, r1, r2, r3), sp, lr, weakref.proxy(self))
        except BaseException as error:  # whatever it is, it goes to whoever called
            self._host_error = error
            uc.emu_stop()
            return
        for register, word in zip(_REGISTERS, words, strict=False):
            uc.reg_write(register, word)

    def _forget_code(self) -> None:
        self.counters.forget()
        self._uc.ctl_flush_tb()

    # -- one run

    def _run(self, call: _Call) -> Cost:
        self._execute(call)
        cost = self._cost(call)
        self._check_after(call)
        return cost

    def _execute(self, call: _Call) -> None:
        registers, stack = arguments.place(call.words)
        top = self.space.stack_top & ~7
        sp = top - (len(stack) + 7 & ~7)
        if sp < self.space.stack_limit:
            raise UsageError(f"{len(stack)} bytes of arguments do not fit on the stack")
        if stack:
            self.write(sp, stack)
        call.sp, call.stack_argument_bytes = sp, len(stack)
        self._call_registers.write(registers, sp, RETURN_ADDRESS | 1)
        self.counters.begin(call.entry.address, RETURN_ADDRESS, sp, self.space.stack_limit)
        self._peripherals.begin_run()
        self._heap.clear()
        self._output.clear()
        with self._noticing_interrupts():
            self._emulate(call)
        self.counters.end(RETURN_ADDRESS, block_is_complete=True)
        self.counters.close_frames()
        self._heap.look(int(self.counters.core.sp_min))
        self._is_initialised |= call.entry == self.image.initialiser

    def _check_after(self, call: _Call) -> None:
        if self._interrupted:  # too late to stop this call, but a loop around it must end
            self._raise(call, "interrupted", "interrupted", call.entry.address, self._cost(call))
        if self._heap.collision:
            self._raise(call, "heap-collision", self._heap.collision, call.entry.address, self._cost(call))
        overruns = self.space.overruns()
        if overruns:
            self._raise(call, "red-zone", "; ".join(overruns), call.entry.address, self._cost(call))

    def _emulate(self, call: _Call) -> None:
        """Run in slices until the call returns; raise the Fault that stops it before."""
        pc = call.entry.address
        call.slice_cycles = _FIRST_SLICE
        while pc != RETURN_ADDRESS and self.counters.cycles < _FIRST_SLICE:
            pc = self._slice(call, pc, RETURN_ADDRESS)
        if pc == RETURN_ADDRESS:
            return
        call.slice_cycles = _LATER_SLICES
        with ticking(self._end_slice, _SLICE_SECONDS):
            while pc != RETURN_ADDRESS:
                pc = self._slice(call, pc, RETURN_ADDRESS)

    def _end_slice(self) -> None:
        """Called by the clock's thread: the block hook stops the run before the next block."""
        self._is_due = True
        self.counters.core.limit = -1

    def _slice(self, call: _Call, pc: int, until: int) -> int:
        """Emulate from `pc` until something happens, deal with it, and return where to go on."""
        if self._interrupted:
            return self._fail(call, "interrupted", "interrupted", pc)
        if self._is_due and self.progress is not None:
            self.progress(self.counters.cycles)
        self._is_due = False
        core = self.counters.core
        core.stop = Stop.NONE
        core.limit = min(call.max_cycles, self.counters.cycles + call.slice_cycles)
        self._traps.clear()
        self._windows.clear()
        self._host_error = None
        error = 0
        self._is_running = True
        try:
            self._uc.emu_start(pc | 1, until)
        except UcError as raised:
            error = raised.errno
        finally:
            self._is_running = False
        self._raise_host_error()
        pc = self._uc.reg_read(UC_ARM_REG_PC)
        stop = Stop(core.stop)
        if self._windows.is_refused:
            return self._after_refusal(call)
        if self._heap.collision:
            reason, at = self._heap.collision, self._heap.collision_at
            return self._fail(call, "heap-collision", reason, at, block_is_complete=False)
        if stop is Stop.PORT:
            return self._after_port_fault(call)
        if self._traps.happened or error:
            return self._after_trap(call, pc, error)
        if stop is not Stop.NONE and trap.is_arm_state(self._uc):
            return self._fail(
                call, "arm-state", trap.to_arm_state(pc), pc, block_is_complete=not self.counters.is_pending(pc)
            )
        if stop is Stop.NONE:
            return self._after_halt(call, pc, until)
        return self._after_stop(call, pc, stop)

    def _after_halt(self, call: _Call, pc: int, until: int) -> int:
        """The emulator came back by itself: the call returned, or the code sleeps."""
        if pc == RETURN_ADDRESS and trap.is_arm_state(self._uc):
            return self._fail_at_return(call)
        if pc == until or self._halfword(pc - 2) != trap.WFI:
            return pc
        return self._fail(call, "asleep", "WFI, and nothing is there to wake it", pc - 2, block_is_complete=False)

    def _fail_at_return(self, call: _Call) -> int:
        """Bit 0 of the return address was lost: a Cortex-M0+ comes back from the call with a HardFault."""
        at = self.counters.last_instruction
        function, entry = self.counters.function_at(at)
        self.counters.end(RETURN_ADDRESS, block_is_complete=True)
        self.counters.close_frames()
        reason = f"return to an even address, which asks for Arm state, by {function}+{at - entry:#x}"
        return self._raise(
            call, "arm-state", reason, RETURN_ADDRESS, self._cost(call), [(call.entry.name, RETURN_ADDRESS)]
        )

    def _after_stop(self, call: _Call, pc: int, stop: Stop) -> int:
        """The block hook ended the run before the block at `pc`."""
        at = int(self.counters.core.stop_address)
        if stop is Stop.GROW:
            self.counters.grow(pc)
            return pc
        if stop is Stop.SP_WRITE:
            begin, end = self.counters.watch_sp_writes()
            self._uc.ctl_remove_cache(begin, end + 2)  # the instruction behind it, too
            return pc
        if stop is Stop.LIMIT:
            return self._after_limit(call, pc)
        if stop is Stop.STACK and not self.counters.is_idle:
            return self._after_bad_sp(call, pc)
        if stop in (Stop.INVALID, Stop.DATA) or at != pc:
            pc = self._run_up_to(call, pc, at)
        reasons = {
            Stop.INVALID: ("undefined", trap.describe_undefined(self._halfword(at), self._halfword(at + 2))),
            Stop.DATA: ("not-code", "execution reached data"),
            Stop.STACK: ("stack-overflow", self._stack_message()),
            Stop.DEPTH: ("call-depth", "more than 65,536 calls are open"),
        }
        kind, reason = reasons[stop]
        if stop in (Stop.INVALID, Stop.DATA) and self._is_blank(at):
            kind, reason = "not-code", "execution reached memory that holds no code"
        return self._fail(call, kind, reason, at)

    def _after_bad_sp(self, call: _Call, pc: int) -> int:
        """The hook behind an instruction that wrote SP found it too low, or too low for what follows in the block.

        The instructions between it and the PUSH or SUB SP that is too much have not run, but count as if they had.
        """
        sp = self._uc.reg_read(UC_ARM_REG_SP)
        at = pc
        if sp < self.space.stack_limit:
            is_msr = self._halfword(pc - 4) & 0xFFF0 == 0xF380 and self._halfword(pc - 2) & 0xFF00 == 0x8800
            at -= 4 if is_msr else 2
        else:
            lowest = self.counters.core.sp_min
            while sp >= self.space.stack_limit:
                lowest = min(lowest, sp)
                sp += int(isa.FIRST[self._halfword(at), isa.SP_CHANGE])
                at += 4 if isa.is_wide(self._halfword(at)) else 2
            at -= 2  # PUSH and SUB SP are 16-bit instructions
            self.counters.core.sp_min = lowest
        return self._fail(call, "stack-overflow", self._stack_message(), at, block_is_complete=False)

    def _run_up_to(self, call: _Call, pc: int, address: int) -> int:
        """Emulate the part of a block that lies before a bad instruction, so that it counts and can fault itself."""
        while pc < address:
            self._uc.ctl_remove_cache(pc, address)
            pc = self._slice(call, pc, address)
        return pc

    def _after_limit(self, call: _Call, pc: int) -> int:
        if self.counters.cycles >= call.max_cycles:
            return self._fail(call, "cycle-limit", f"the limit of {call.max_cycles:,} cycles was reached", pc)
        return pc

    def _after_port_fault(self, call: _Call) -> int:
        """The access was not counted; the rest of its block may have run, and is not counted either."""
        offset = self.counters.core.port.fault_offset
        at = self.counters.core.stop_address
        reason = f"I/O port register {offset:#05x} is not modelled"
        return self._fail(call, "peripheral", reason, at, block_is_complete=False)

    def _raise_host_error(self) -> None:
        """Raise what a function of the host raised while the emulator ran. The next call starts afresh."""
        error = self._host_error or self._windows.error
        if error is not None:
            self._host_error = None
            self._windows.clear()
            raise error

    def _after_refusal(self, call: _Call) -> int:
        """As after a port fault, the rest of the block may have run, and is not counted."""
        reason, at = self._windows.refusal()
        return self._fail(call, "unmapped", reason, at, block_is_complete=False)

    def _after_semihosting(self, call: _Call, pc: int) -> int:
        """A debugger halts the core and answers in no time: the BKPT takes no cycle and counts as no instruction."""
        operation, parameter = self._uc.reg_read_batch((UC_ARM_REG_R0, UC_ARM_REG_R1))
        is_noted = self._output.listens and any(name == output.WRITE for name, _ in self.counters.call_stack())
        try:
            answer = semihosting.answer(operation, parameter, self, None if is_noted else self._output)
        except UsageError as error:
            answer = f"semihosting operation {operation:#04x}: {error}"
        if isinstance(answer, str):
            return self._fail(call, "breakpoint", answer, pc, block_is_complete=False)
        self.counters.end(pc, block_is_complete=False)
        self._uc.reg_write(UC_ARM_REG_R0, answer)
        call.semihosting_calls += 1
        return pc + 2

    def _after_trap(self, call: _Call, pc: int, error: int) -> int:
        if self._traps.is_breakpoint and self._halfword(pc) == semihosting.BKPT:
            return self._after_semihosting(call, pc)
        kind, reason, address = self._traps.explain(self._uc, pc, error, self._halfword)
        is_complete = kind in trap.AT_TARGET and not self.counters.is_pending(pc)
        return self._fail(call, kind, reason, address, block_is_complete=is_complete)

    def _stack_message(self) -> str:
        top, limit = self.space.stack_top, self.space.stack_limit
        free = f"stack overflow: more than the {top - limit:,} bytes that are free below {top:#x}"
        below = self.space.name_below_stack()
        return f"{free}, down to {below}" if below else free

    def _is_blank(self, address: int) -> bool:
        """True where nothing was ever written: what is there by chance looks like an instruction, UDF #222."""
        place = self.device.resolve(address)
        if any(s.address <= place < s.address + len(s.data) for s in self.image.segments):
            return False
        view = self.space.view(address, 2)
        return view is None or bytes(view) in (b"\xde\xde", b"\xff\xff")

    def _halfword(self, address: int) -> int:
        view = self.space.view(address, 2)
        return 0 if view is None else int(view.view(np.uint16)[0])

    @contextmanager
    def _noticing_interrupts(self) -> Iterator[None]:
        """Turn Ctrl-C into a flag that is looked at between slices: nothing counted is lost."""
        self._interrupted = False
        if (
            threading.current_thread() is not threading.main_thread()
            or signal.getsignal(signal.SIGINT) is not signal.default_int_handler
        ):
            yield
            return

        def note(number: int, frame: FrameType | None) -> None:
            self._interrupted = True

        signal.signal(signal.SIGINT, note)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    # -- results

    def _fail(self, call: _Call, kind: str, reason: str, address: int, *, block_is_complete: bool = True) -> int:
        self.counters.end(address, block_is_complete=block_is_complete)
        open_calls = self.counters.call_stack()
        self.counters.close_frames()
        self._heap.look(int(self.counters.core.sp_min))
        if self._heap.collision and kind not in ("heap-collision", "stack-overflow", "interrupted"):
            kind, reason = "heap-collision", f"{self._heap.collision}; then: {reason}"
        return self._raise(call, kind, reason, address, self._cost(call), open_calls)

    def _raise(
        self,
        call: _Call,
        kind: str,
        reason: str,
        address: int,
        cost: Cost,
        open_calls: Sequence[tuple[str, int]] = (),
    ) -> int:
        function, entry = self.counters.function_at(address)
        registers = self._registers(address, is_thumb=kind != "arm-state")
        sites = tuple(
            CallSite(name, None if back == RETURN_ADDRESS else back, self.image.source_line(back - 2))
            for name, back in open_calls
        )
        raise (Interrupted if kind == "interrupted" else Fault)(
            kind,
            reason,
            address=address,
            function=function,
            offset=address - entry,
            source=self.image.source_line(address),
            registers=registers,
            call_stack=sites,
            cost=cost,
        )

    def _registers(self, pc: int, is_thumb: bool) -> dict[str, int]:
        """All registers as ARMv6-M has them. A call runs in Thread mode: IPSR, the low bits of xPSR, is 0.

        Where the run stopped directly behind an instruction that wrote SP, PSP or APSR, the hook there did not run.
        """
        for register in (UC_ARM_REG_SP, UC_ARM_REG_MSP, UC_ARM_REG_PSP):
            self._uc.reg_write(register, self._uc.reg_read(register) & ~3)
        flags = self._uc.reg_read(UC_ARM_REG_APSR) & 0xF0000000
        self._uc.reg_write(UC_ARM_REG_APSR, flags)
        registers = {name: self._uc.reg_read(r) for name, r in zip(_REGISTER_NAMES, _REGISTERS, strict=True)}
        registers["sp"] = self._uc.reg_read(UC_ARM_REG_SP)
        registers["lr"] = self._uc.reg_read(UC_ARM_REG_LR)
        registers["pc"] = pc
        registers["xpsr"] = flags | is_thumb << 24
        return registers

    def _cost(self, call: _Call) -> Cost:
        counters = self.counters
        table = counters.instruction_table()
        totals = counters.totals(table)
        return Cost(
            function=call.entry.name,
            profile=self.device.name,
            level=call.level,
            result=self._result(call),
            result_type=call.result,
            cycles=counters.cycles,
            instructions=totals.instructions,
            loads=totals.loads,
            stores=totals.stores,
            bytes_loaded=totals.bytes_loaded,
            bytes_stored=totals.bytes_stored,
            branches_taken=totals.branches_taken,
            branches_not_taken=totals.branches_not_taken,
            stack_bytes=counters.stack_bytes,
            stack_top=call.sp,
            seconds=self.device.seconds(counters.cycles),
            energy_joules=self.device.energy_joules(counters.cycles),
            memory=self._memory_use(call),
            functions=counters.functions(table),
            edges=counters.edges(),
            call_tree=counters.call_tree(),
            instruction_table=table,
            traffic=counters.traffic() if call.level == "memory" else (),
            flash_misses=counters.flash_misses() if call.level == "memory" else None,
            stubs=tuple(stub.symbol.name for stub in call.stubs),
            registers=self._peripherals.uses(),
            heap_bytes=self._heap.bytes_used,
            output=self._output.kept,
            output_dropped=self._output.dropped,
            warnings=self._warnings(call),
            provenance=call.provenance,
        )

    def _provenance(
        self,
        entry: Symbol,
        args: Sequence[Argument],
        before: Sequence[tuple[str, list[Argument]]],
        stubs: StubValues,
        registers: RegisterValues,
        stdout: Sequence[str],
    ) -> Provenance:
        return Provenance(
            image=str(self.image.path),
            sha256=self.image.sha256,
            function=entry.name,
            arguments=tuple(_described(a) for a in args),
            before=tuple(f"{name}({', '.join(map(_described, given))})" if given else name for name, given in before),
            stubs=tuple(f"{name}={_described(given)}" for name, given in stubs.items()),
            registers=tuple(f"{address:#010x}={_described(given)}" for address, given in registers.items()),
            stdout=tuple(stdout),
            profile=self.device.name,
            engine=ENGINE,
            version=__version__,
        )

    def _result(self, call: _Call) -> int | float | bytes | None:
        r0, r1 = self._uc.reg_read(UC_ARM_REG_R0), self._uc.reg_read(UC_ARM_REG_R1)
        if call.result != "struct":
            return arguments.result(call.result, r0, r1)
        if call.room is not None:
            return bytes(call.room.read())
        return int(r0).to_bytes(4, "little")[: call.struct_bytes]

    def _memory_use(self, call: _Call) -> MemoryUse:
        sizes: dict[str, int] = {}
        for section in self.image.sections:
            region = self.device.region_at(section.address)
            place = "sram" if region is not None and region.kind == "sram" else "flash"
            key = f"{place}_{section.kind}"
            sizes[key] = sizes.get(key, 0) + section.size
            if place == "sram":
                sizes["flash_data"] = sizes.get("flash_data", 0) + section.stored_bytes
        return MemoryUse(
            flash_code=sizes.get("flash_code", 0),
            flash_rodata=sizes.get("flash_rodata", 0),
            flash_data=sizes.get("flash_data", 0),
            sram_code=sizes.get("sram_code", 0),
            sram_rodata=sizes.get("sram_rodata", 0),
            sram_data=sizes.get("sram_data", 0),
            sram_bss=sizes.get("sram_bss", 0),
            sram_arguments=self.space.allocated_bytes + call.stack_argument_bytes,
            sram_stack=self.counters.stack_bytes,
            sram_reserved=sizes.get("sram_reserved", 0),
            sram_heap=self._heap.bytes_in_free_sram,
        )

    def _warnings(self, call: _Call) -> tuple[str, ...]:
        found = list(self.image.warnings)
        if self.image.initialiser is not None and not self._is_initialised:
            found.append(
                "variables with a first value are blank: IAR's start-up code puts it there; run that first, with "
                f"--before {self.image.initialiser.name}"
            )
        found += [warning for stub in call.stubs for warning in stub.warnings()]
        found += self._peripherals.warnings()
        if call.semihosting_calls:
            calls = (
                "1 semihosting call" if call.semihosting_calls == 1 else f"{call.semihosting_calls:,} semihosting calls"
            )
            found.append(f"{calls} took no cycle: a debugger halts the core for as long as it likes")
        divider = self.counters.core.port.divider
        if divider.early:
            function, entry = self.counters.function_at(divider.early_at)
            offset = divider.early_at - entry
            found.append(
                f"the SIO divider was read before its 8 cycles were over, {divider.early} times, "
                f"first in {function}+{offset:#x}: the value read is not the quotient"
            )
        refused = self.counters.contexts_refused
        if refused:
            found.append(
                f"more than {CONTEXT_LIMIT:,} calling contexts: in call_tree, the cycles of {refused:,} calls are "
                "their callers' own"
            )
        found += self._beyond_stack_region()
        if self._uc.reg_read(UC_ARM_REG_PC) == RETURN_ADDRESS:
            changed = [n for n in range(4, 12) if self._uc.reg_read(_REGISTERS[n]) != 0]
            if changed:
                names = ", ".join(f"r{n}" for n in changed)
                found.append(f"{call.entry.name} did not restore {names}, as the AAPCS asks")
            if self._uc.reg_read(UC_ARM_REG_SP) != call.sp:
                found.append(f"{call.entry.name} returned with another SP than it was called with")
        return tuple(found)

    def _beyond_stack_region(self) -> list[str]:
        """A warning where the stack is deeper than what the image keeps for it; the simulated one has more room."""
        region = self.space.stack_region
        depth = self.space.stack_top - int(self.counters.core.sp_min)
        if region is None or depth <= region.size:
            return []
        over = self.space.below_stack_region(depth)
        names = ", ".join(over[:4]) + (f" and {len(over) - 4} more" if len(over) > 4 else "")
        return [
            f"the stack is {depth:,} bytes deep, {depth - region.size:,} more than the {region.size:,} that the image "
            f"keeps for it, down to {region.name} ({region.limit:#010x})"
            + (f": on the chip it overwrites {names}" if names else "")
        ]


@dataclass(slots=True)
class _Call:
    """What one run is to do, and where its stack begins."""

    entry: Symbol
    words: list[Words]
    result: str
    level: str
    max_cycles: int
    stubs: Sequence[Stub] = ()
    provenance: Provenance | None = None
    struct_bytes: int = 0
    """Of a struct that it returns; 0 for other results."""
    room: Buffer | None = None
    """Where it is to put that struct; None for one that fits in r0."""
    sp: int = 0
    stack_argument_bytes: int = 0
    slice_cycles: int = 0
    semihosting_calls: int = 0


def _initialiser(before: str | Sequence[Argument | str]) -> tuple[str, list[Argument]]:
    """The name and arguments of a function to run first."""
    name, *given = (before,) if isinstance(before, str) else before
    args = [a for a in given if not isinstance(a, str)]
    if not isinstance(name, str) or len(args) < len(given):
        raise UsageError(f"before: {before!r} is no function's name, nor a tuple of one and its arguments")
    return name, args


def _described(given: object) -> str:
    """An argument or answer in a few words that are the same every time."""
    if isinstance(given, Words):
        return f"{sum(word << 32 * i for i, word in enumerate(given.words)):#x}"
    if isinstance(given, Buffer):
        return f"{given.name} ({given.size} bytes)"
    if isinstance(given, np.ndarray):
        return f"{given.dtype}[{', '.join(map(str, given.shape))}]"
    if isinstance(given, list | tuple):
        return ",".join(_described(one) for one in given)
    return getattr(given, "__qualname__", str(given))
