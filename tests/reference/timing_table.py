"""The cycle tables of the Cortex-M0+ (Arm DDI 0484C, table 3-1) and the Cortex-M0 (Arm DDI 0432C, table 3-1).

One row for every line of the manuals' tables, in the manuals' order, for memory without wait states.
A row of a multiple transfer is the part that does not depend on the list: N, the number of registers, is added.
"""

CORES = ("cortex-m0plus", "cortex-m0")

# row: (Cortex-M0+, Cortex-M0)
TABLE: dict[str, tuple[int, int]] = {
    # Move
    "MOVS Rd,#imm8": (1, 1),
    "MOVS Rd,Rm": (1, 1),
    "MOV Rd,Rm": (1, 1),
    "MOV PC,Rm": (2, 3),
    # Add
    "ADDS Rd,Rn,#imm3": (1, 1),
    "ADDS Rd,Rn,Rm": (1, 1),
    "ADD Rd,Rd,Rm": (1, 1),
    "ADD PC,PC,Rm": (2, 3),
    "ADDS Rd,Rd,#imm8": (1, 1),
    "ADCS Rd,Rd,Rm": (1, 1),
    "ADD SP,SP,#imm": (1, 1),
    "ADD Rd,SP,#imm": (1, 1),
    "ADR Rd,label": (1, 1),
    # Subtract
    "SUBS Rd,Rn,Rm": (1, 1),
    "SUBS Rd,Rn,#imm3": (1, 1),
    "SUBS Rd,Rd,#imm8": (1, 1),
    "SBCS Rd,Rd,Rm": (1, 1),
    "SUB SP,SP,#imm": (1, 1),
    "RSBS Rd,Rn,#0": (1, 1),
    # Multiply: the implementer chooses the single-cycle or the iterative multiplier
    "MULS fast": (1, 1),
    "MULS slow": (32, 32),
    # Compare
    "CMP Rn,Rm": (1, 1),
    "CMN Rn,Rm": (1, 1),
    "CMP Rn,#imm8": (1, 1),
    # Logical
    "ANDS Rd,Rd,Rm": (1, 1),
    "EORS Rd,Rd,Rm": (1, 1),
    "ORRS Rd,Rd,Rm": (1, 1),
    "BICS Rd,Rd,Rm": (1, 1),
    "MVNS Rd,Rm": (1, 1),
    "TST Rn,Rm": (1, 1),
    # Shift
    "LSLS Rd,Rm,#imm": (1, 1),
    "LSLS Rd,Rd,Rs": (1, 1),
    "LSRS Rd,Rm,#imm": (1, 1),
    "LSRS Rd,Rd,Rs": (1, 1),
    "ASRS Rd,Rm,#imm": (1, 1),
    "ASRS Rd,Rd,Rs": (1, 1),
    # Rotate
    "RORS Rd,Rd,Rs": (1, 1),
    # Load (on the Cortex-M0+ one cycle less at the single-cycle I/O port, which these tests do not touch)
    "LDR Rd,[Rn,#imm]": (2, 2),
    "LDRH Rd,[Rn,#imm]": (2, 2),
    "LDRB Rd,[Rn,#imm]": (2, 2),
    "LDR Rd,[Rn,Rm]": (2, 2),
    "LDRH Rd,[Rn,Rm]": (2, 2),
    "LDRSH Rd,[Rn,Rm]": (2, 2),
    "LDRB Rd,[Rn,Rm]": (2, 2),
    "LDRSB Rd,[Rn,Rm]": (2, 2),
    "LDR Rd,label": (2, 2),
    "LDR Rd,[SP,#imm]": (2, 2),
    "LDM Rn!,{}": (1, 1),
    "LDM Rn,{Rn}": (1, 1),
    # Store
    "STR Rd,[Rn,#imm]": (2, 2),
    "STRH Rd,[Rn,#imm]": (2, 2),
    "STRB Rd,[Rn,#imm]": (2, 2),
    "STR Rd,[Rn,Rm]": (2, 2),
    "STRH Rd,[Rn,Rm]": (2, 2),
    "STRB Rd,[Rn,Rm]": (2, 2),
    "STR Rd,[SP,#imm]": (2, 2),
    "STM Rn!,{}": (1, 1),
    # Push and pop; N counts LR and PC
    "PUSH {}": (1, 1),
    "PUSH {LR}": (1, 1),
    "POP {}": (1, 1),
    "POP {PC}": (3, 4),
    # Branch
    "Bcc not taken": (1, 1),
    "Bcc taken": (2, 3),
    "B label": (2, 3),
    "BL label": (3, 4),
    "BX Rm": (2, 3),
    "BLX Rm": (2, 3),
    # Extend
    "SXTH Rd,Rm": (1, 1),
    "SXTB Rd,Rm": (1, 1),
    "UXTH Rd,Rm": (1, 1),
    "UXTB Rd,Rm": (1, 1),
    # Reverse
    "REV Rd,Rm": (1, 1),
    "REV16 Rd,Rm": (1, 1),
    "REVSH Rd,Rm": (1, 1),
    # State change
    "CPSID i": (1, 1),
    "CPSIE i": (1, 1),
    "MRS Rd,special": (3, 4),
    "MSR special,Rm": (3, 4),
    # Hint
    "SEV": (1, 1),
    "WFE": (2, 2),
    "YIELD": (1, 1),
    "NOP": (1, 1),
    # Barriers
    "ISB": (3, 4),
    "DMB": (3, 4),
    "DSB": (3, 4),
}


def cycles_of(core: str, bump: str | None = None) -> dict[str, int]:
    """The rows of one core; `bump` makes one row a cycle longer, to show that a comparison sees it."""
    column = CORES.index(core)
    return {row: cycles[column] + (row == bump) for row, cycles in TABLE.items()}
