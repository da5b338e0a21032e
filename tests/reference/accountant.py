"""The slow reference accountant: one Python hook an instruction, Capstone for its name, the manual for its cycles."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import capstone as cs
import unicorn as uni
from capstone.arm import ARM_OP_IMM, ARM_OP_MEM, ARM_OP_REG
from unicorn import arm_const as arm

from .timing_table import cycles_of

RETURN_ADDRESS = 0xF0000000
"""Where the called function returns to: a page of its own, LR = RETURN_ADDRESS | 1."""

PAGE = 0x1000
N, Z, C, V = 1 << 31, 1 << 30, 1 << 29, 1 << 28
GENERAL = [getattr(arm, f"UC_ARM_REG_R{number}") for number in range(13)]

_md = cs.Cs(cs.CS_ARCH_ARM, cs.CS_MODE_THUMB + cs.CS_MODE_MCLASS)
_md.detail = True


@dataclass(frozen=True)
class Instruction:
    """What the accountant has to know of the instruction at one address."""

    row: str
    """Its row of the timing table; of a conditional branch, the row when not taken."""
    registers: int = 0
    """N: how many registers a multiple transfer moves."""
    condition: str = ""
    """The two letters of a conditional branch."""


@dataclass
class Trace:
    """What one run did, before any cycle is counted."""

    instructions: dict[int, Instruction] = field(default_factory=dict)
    executed: Counter[int] = field(default_factory=Counter)
    taken: Counter[int] = field(default_factory=Counter)
    path: list[tuple[int, bool]] = field(default_factory=list)
    """The addresses in the order they ran, each with whether a conditional branch was taken."""
    accesses: Counter[tuple[int, int, bool]] = field(default_factory=Counter)
    """How often each address was accessed, by size and whether it was written."""
    reads: list[tuple[int, int]] = field(default_factory=list)
    """Each load: the index in `path` of the instruction that made it, and its address; in the order they were made."""
    loads: int = 0
    stores: int = 0
    bytes_loaded: int = 0
    bytes_stored: int = 0
    stack_bytes: int = 0
    result: int = 0

    @property
    def rows(self) -> set[str]:
        """The rows of the timing table that the run needs, with both names of MULS."""
        rows = {each.row for each in self.instructions.values()}
        rows |= {"MULS fast", "MULS slow"} if "MULS" in rows else set()
        conditional = {address for address, each in self.instructions.items() if each.condition}
        if not any(self.executed[address] > self.taken[address] for address in conditional):
            rows.discard("Bcc not taken")
        return (rows | {"Bcc taken"} if self.taken.total() else rows) - {"MULS"}


@dataclass(frozen=True)
class ReferenceCost:
    """One run priced with one core's table. Conditional branches only in `branches_taken`, `branches_not_taken`."""

    cycles: int
    instructions: int
    loads: int
    stores: int
    bytes_loaded: int
    bytes_stored: int
    branches_taken: int
    branches_not_taken: int
    stack_bytes: int
    result: int
    executed: Mapping[int, int]
    self_cycles: Mapping[int, int]


def _kinds(instruction: cs.CsInsn) -> list[str]:
    """One word an operand: r, sp, pc, imm, or the base and index of a memory operand."""
    words = []
    for operand in instruction.operands:
        if operand.type == ARM_OP_REG:
            name = instruction.reg_name(operand.reg)
            words.append(name if name in ("sp", "pc") else "r")
        elif operand.type == ARM_OP_IMM:
            words.append("imm")
        elif operand.type == ARM_OP_MEM:
            base = instruction.reg_name(operand.mem.base)
            words.append(
                "[pc]" if base == "pc" else "[sp]" if base == "sp" else "[r,r]" if operand.mem.index else "[r,#]"
            )
    return words


_ADDRESSING = {"[pc]": "label", "[sp]": "[SP,#imm]", "[r,r]": "[Rn,Rm]", "[r,#]": "[Rn,#imm]"}
_SAME_NAME = {"SEV", "WFE", "YIELD", "NOP", "ISB", "DMB", "DSB"}
_ROWS = {
    ("movs", "imm"): "MOVS Rd,#imm8",
    ("movs", "r"): "MOVS Rd,Rm",
    ("adds", "r imm"): "ADDS Rd,Rn,#imm3",
    ("adds", "r r"): "ADDS Rd,Rn,Rm",
    ("adds", "imm"): "ADDS Rd,Rd,#imm8",
    ("subs", "r imm"): "SUBS Rd,Rn,#imm3",
    ("subs", "r r"): "SUBS Rd,Rn,Rm",
    ("subs", "imm"): "SUBS Rd,Rd,#imm8",
    ("adr", "imm"): "ADR Rd,label",
    ("rsbs", "r imm"): "RSBS Rd,Rn,#0",
    ("muls", "r r"): "MULS",
    ("cmp", "r"): "CMP Rn,Rm",
    ("cmp", "sp"): "CMP Rn,Rm",
    ("cmp", "imm"): "CMP Rn,#imm8",
    ("cmn", "r"): "CMN Rn,Rm",
    ("tst", "r"): "TST Rn,Rm",
    ("mvns", "r"): "MVNS Rd,Rm",
    **{(name, "r"): f"{name.upper()} Rd,Rd,Rm" for name in ("adcs", "sbcs", "ands", "eors", "orrs", "bics")},
    **{(name, "r imm"): f"{name.upper()} Rd,Rm,#imm" for name in ("lsls", "lsrs", "asrs")},
    **{(name, "r"): f"{name.upper()} Rd,Rd,Rs" for name in ("lsls", "lsrs", "asrs", "rors")},
    **{(name, "r"): f"{name.upper()} Rd,Rm" for name in ("sxth", "sxtb", "uxth", "uxtb", "rev", "rev16", "revsh")},
}


def decode(code: bytes, address: int) -> Instruction:
    """The instruction at the start of `code`, put in its row of the timing table."""
    found = next(_md.disasm(code, address, 1))
    name, kinds = found.mnemonic, _kinds(found)
    if name.upper() in _SAME_NAME:
        return Instruction(name.upper())
    if name in ("push", "pop", "ldm", "stm"):
        return _multiple(found)
    if name.startswith(("ldr", "str")):
        return Instruction(f"{name.upper()} Rd,{_ADDRESSING[kinds[1]]}")
    if name in ("mov", "add", "sub"):
        return Instruction(_move_or_add(name, kinds))
    if name in ("b", "bl", "bx", "blx"):
        return Instruction(f"{name.upper()} {'Rm' if name.endswith('x') else 'label'}")
    if name.startswith("b") and len(name) == 3:
        return Instruction("Bcc not taken", condition=name[1:])
    if name in ("cpsid", "cpsie"):
        return Instruction(f"{name.upper()} i")
    if name in ("mrs", "msr"):
        return Instruction("MRS Rd,special" if name == "mrs" else "MSR special,Rm")
    return Instruction(_ROWS[name, " ".join(kinds[1:])])


def _multiple(found: cs.CsInsn) -> Instruction:
    names = [found.reg_name(operand.reg) for operand in found.operands]
    if found.mnemonic == "push":
        return Instruction("PUSH {LR}" if "lr" in names else "PUSH {}", len(names))
    if found.mnemonic == "pop":
        return Instruction("POP {PC}" if "pc" in names else "POP {}", len(names))
    base, *moved = names
    if found.mnemonic == "stm":
        return Instruction("STM Rn!,{}", len(moved))
    return Instruction("LDM Rn,{Rn}" if base in moved else "LDM Rn!,{}", len(moved))


def _move_or_add(name: str, kinds: list[str]) -> str:
    """MOV, ADD and SUB that leave the flags alone: by destination, then by whether an immediate is added."""
    if kinds[0] == "pc":
        return "MOV PC,Rm" if name == "mov" else "ADD PC,PC,Rm"
    if name == "mov":
        return "MOV Rd,Rm"
    if kinds[-1] != "imm":
        return "ADD Rd,Rd,Rm"
    return f"{name.upper()} SP,SP,#imm" if kinds[0] == "sp" else "ADD Rd,SP,#imm"


def passes(condition: str, flags: int) -> bool:
    """ConditionPassed() of DDI 0419, A6.3: `flags` holds N, Z, C and V where APSR has them."""
    n, z, c, v = (bool(flags & bit) for bit in (N, Z, C, V))
    base = {"eq": z, "cs": c, "mi": n, "vs": v, "hi": c and not z, "ge": n == v, "gt": n == v and not z}
    inverse = {"ne": "eq", "cc": "cs", "pl": "mi", "vc": "vs", "ls": "hi", "lt": "ge", "le": "gt"}
    condition = {"hs": "cs", "lo": "cc"}.get(condition, condition)
    return base[condition] if condition in base else not base[inverse[condition]]


class Watch:
    """The hooks of one run: they fill a Trace."""

    def __init__(self, uc: uni.Uc, stack_top: int) -> None:
        self.trace, self.stack_top, self.last = Trace(), stack_top, ""
        uc.hook_add(uni.UC_HOOK_CODE, self.step)
        uc.hook_add(uni.UC_HOOK_MEM_READ | uni.UC_HOOK_MEM_WRITE, self.access)

    def mark_stack(self, uc: uni.Uc) -> None:
        depth = self.stack_top - uc.reg_read(arm.UC_ARM_REG_SP)
        self.trace.stack_bytes = max(self.trace.stack_bytes, depth)

    def step(self, uc: uni.Uc, address: int, size: int, _data: object) -> None:
        """Before each instruction: SP is what the instruction before it left."""
        trace = self.trace
        self.mark_stack(uc)
        if address not in trace.instructions:
            trace.instructions[address] = decode(bytes(uc.mem_read(address, size)), address)
        found = trace.instructions[address]
        self.last = found.row
        taken = bool(found.condition) and passes(found.condition, uc.reg_read(arm.UC_ARM_REG_APSR))
        trace.executed[address] += 1
        trace.taken[address] += taken
        trace.path.append((address, taken))

    def access(self, _uc: uni.Uc, kind: int, address: int, size: int, _value: int, _data: object) -> None:
        trace = self.trace
        trace.accesses[address, size, kind == uni.UC_MEM_WRITE] += 1
        if kind == uni.UC_MEM_WRITE:
            trace.stores += 1
            trace.bytes_stored += size
        else:
            trace.reads.append((len(trace.path) - 1, address))
            trace.loads += 1
            trace.bytes_loaded += size


@dataclass(frozen=True)
class Memory:
    """One piece of memory before the run: where it is, what is in it, and how much room it takes."""

    address: int
    content: bytes = b""
    size: int = 0


def _load(uc: uni.Uc, pieces: list[Memory]) -> None:
    pages = {0xF0000}
    for piece in pieces:
        last = piece.address + max(piece.size, len(piece.content)) - 1
        pages |= set(range(piece.address // PAGE, last // PAGE + 1))
    for page in sorted(pages):
        uc.mem_map(page * PAGE, PAGE)
    for piece in pieces:
        uc.mem_write(piece.address, piece.content)


def trace(entry: int, registers: list[int], stack_top: int, memory: list[Memory], limit: int = 100_000) -> Trace:
    """Call `entry` with r0, r1... = `registers` and record everything until it returns to LR."""
    uc = uni.Uc(uni.UC_ARCH_ARM, uni.UC_MODE_THUMB)
    uc.ctl_set_cpu_model(arm.UC_CPU_ARM_CORTEX_M0)
    _load(uc, memory)
    watch = Watch(uc, stack_top)
    for register, value in zip(GENERAL, registers, strict=False):
        uc.reg_write(register, value & 0xFFFFFFFF)
    uc.reg_write(arm.UC_ARM_REG_SP, stack_top)
    uc.reg_write(arm.UC_ARM_REG_LR, RETURN_ADDRESS | 1)
    pc = entry & ~1
    while pc != RETURN_ADDRESS:
        try:
            uc.emu_start(pc | 1, RETURN_ADDRESS, count=limit)
        except uni.UcError:
            # Unicorn stops behind YIELD and WFE, which a Cortex-M0+ runs as hints (DDI 0419, A6.7).
            if watch.last not in ("YIELD", "WFE"):
                raise
        pc = uc.reg_read(arm.UC_ARM_REG_PC)
        if len(watch.trace.path) >= limit:
            raise RuntimeError(f"no return after {limit} instructions")
    watch.mark_stack(uc)
    result = uc.reg_read(arm.UC_ARM_REG_R0)
    watch.trace.result = result - (1 << 32) if result >> 31 else result
    return watch.trace


def priced_rows(core: str, multiplier: int, bump: str | None = None) -> dict[str, int]:
    """The timing table with the multiplier chosen."""
    table = cycles_of(core, bump)
    table["MULS"] = table["MULS slow" if multiplier == 32 else "MULS fast"]
    return table


def price(run: Trace, core: str, multiplier: int = 1, bump: str | None = None) -> ReferenceCost:
    """Count the cycles of a run; `bump` makes one row of the timing table a cycle longer."""
    table = priced_rows(core, multiplier, bump)
    self_cycles = {}
    for address, times in run.executed.items():
        found, taken = run.instructions[address], run.taken[address]
        self_cycles[address] = (times - taken) * (table[found.row] + found.registers) + taken * table["Bcc taken"]
    conditional = sum(times for address, times in run.executed.items() if run.instructions[address].condition)
    taken = run.taken.total()
    return ReferenceCost(
        cycles=sum(self_cycles.values()),
        instructions=run.executed.total(),
        loads=run.loads,
        stores=run.stores,
        bytes_loaded=run.bytes_loaded,
        bytes_stored=run.bytes_stored,
        branches_taken=taken,
        branches_not_taken=conditional - taken,
        stack_bytes=run.stack_bytes,
        result=run.result,
        executed=dict(run.executed),
        self_cycles=self_cycles,
    )


def count(
    program: bytes,
    base: int,
    entry_offset: int,
    registers: list[int],
    *,
    core: str = "cortex-m0plus",
    multiplier: int = 1,
    stack_top: int = 0x20010000,
    data: Memory = Memory(0x20000000, size=PAGE),
) -> ReferenceCost:
    """What the call of base + entry_offset costs: first instruction to the return landing on LR."""
    stack = Memory(stack_top - 2 * PAGE, size=2 * PAGE)
    run = trace(base + entry_offset, registers, stack_top, [Memory(base, program), data, stack])
    return price(run, core, multiplier)
