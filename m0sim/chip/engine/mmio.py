"""Peripheral registers in Unicorn: pages of MMIO, and the instruction behind an access that nothing answers.

A plain MMIO page tells the program counter at the start of the block only. So the pages have no rights: then Unicorn
asks before each access, with the program counter at the instruction, and makes the access when it is told to go on.
What is refused ends the run, but a store's block runs on to its end: the registers are noted when it is refused.
"""

from __future__ import annotations

from collections.abc import Callable

from unicorn import UC_PROT_NONE, Uc
from unicorn.arm_const import (
    UC_ARM_REG_APSR_NZCV,
    UC_ARM_REG_LR,
    UC_ARM_REG_PC,
    UC_ARM_REG_R0,
    UC_ARM_REG_SP,
)

from m0sim.chip.engine import trap
from m0sim.chip.memory import AddressSpace
from m0sim.chip.peripherals import Peripherals
from m0sim.chip.stops import Cause, FaultKind

_PAGE = 1024  # the emulator's
_REGISTERS = [*(UC_ARM_REG_R0 + i for i in range(13)), UC_ARM_REG_SP, UC_ARM_REG_LR, UC_ARM_REG_APSR_NZCV]


class Windows:
    """The MMIO pages of one emulator. They stay once mapped; a register without an answer is refused in them."""

    def __init__(self, uc: Uc, peripherals: Peripherals, space: AddressSpace) -> None:
        self._uc = uc
        self._peripherals = peripherals
        self._space = space
        self._mapped: set[int] = set()
        self.clear()
        if space.has_own_boot_rom:
            self._map(0, self._load_rom, self._store_rom)

    def clear(self) -> None:
        """Forget what stopped the last slice."""
        self.error: BaseException | None = None
        """What a function of the host raised, or returned that is no answer."""
        self._refusal: tuple[Cause, tuple[int, ...]] | None = None

    @property
    def is_refused(self) -> bool:
        """True where an access that nothing answers stopped the run."""
        return self._refusal is not None

    def map(self) -> None:
        """Map the pages of all registers that have an answer."""
        for base in sorted(self._peripherals.pages(_PAGE) - self._mapped):
            self._map(base, self._load, self._store)

    def _map(self, base: int, load: Callable[..., int], store: Callable[..., None]) -> None:
        self._uc.mmio_map(base, _PAGE, load, base, store, base)
        self._uc.mem_protect(base, _PAGE, UC_PROT_NONE)
        self._mapped.add(base)

    def has(self, address: int) -> bool:
        """True where an access is to be made, although the page has no right for it."""
        return address & ~(_PAGE - 1) in self._mapped

    def refusal(self) -> Cause:
        """Why the last access was refused; the registers are put back to the instruction that made it."""
        assert self._refusal is not None
        cause, values = self._refusal
        for register, value in zip(_REGISTERS, values, strict=True):
            self._uc.reg_write(register, value)
        return cause

    def _load(self, uc: Uc, offset: int, size: int, base: int) -> int:
        address = base + offset
        reason = trap.unmapped(False, size, address)
        return self._guarded(reason, lambda: self._peripherals.load(address, size))

    def _store(self, uc: Uc, offset: int, size: int, value: int, base: int) -> None:
        address = base + offset
        reason = trap.unmapped(True, size, address)
        self._guarded(reason, lambda: self._peripherals.store(address, size, value) or None)

    def _load_rom(self, uc: Uc, offset: int, size: int, base: int) -> int:
        reason = trap.unmapped(False, size, offset, trap.HIDDEN)
        view = self._space.view(offset, size) if self._space.shows(offset, size) else None
        return self._guarded(reason, lambda: None if view is None else int.from_bytes(view.tobytes(), "little"))

    def _store_rom(self, uc: Uc, offset: int, size: int, value: int, base: int) -> None:
        self._guarded(trap.read_only(size, offset), lambda: None, FaultKind.READ_ONLY)

    def _guarded(self, reason: str, answer: Callable[[], int | None], kind: FaultKind = FaultKind.UNMAPPED) -> int:
        """The answer. Where there is none, or the host's function fails, the run stops."""
        if self.is_refused or self.error is not None:
            return 0  # the rest of a block that was stopped
        value = None
        try:
            value = answer()
            if value is None:
                registers = tuple(self._uc.reg_read_batch(_REGISTERS))
                self._refusal = Cause(kind, reason, self._uc.reg_read(UC_ARM_REG_PC)), registers
        except BaseException as error:  # whatever it is, it is raised again where the run was started
            self.error = error
        if value is None:
            self._uc.emu_stop()
        return value if isinstance(value, int) else 0
