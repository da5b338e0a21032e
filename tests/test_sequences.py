"""Calls of one machine do not see each other: random sequences cost, return and fault as on a fresh machine.

A *chain* is a call and the calls with `keep` behind it, which a fresh machine has to make as well. One machine makes
chain after chain: every function, option, level and fault of the test firmware, code in buffers, code that rewrites
itself, and what the host writes in between.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
from conftest import FIRMWARE, Build, parts

from m0sim import Cost, Fault, Machine, UsageError
from m0sim.chip import device
from m0sim.image import Image, load_elf

pytestmark = pytest.mark.engines("unicorn", "fast")

ROOM, SOURCE, TARGET = "room", "source", "target"
SOURCES = ("calls.S", "rewrites.S", "state.S", "faults.S", "port.S")
CONTENTS = {ROOM: bytes(64), SOURCE: bytes([0, 1, 2, 3, 4, 5, 6, 7] * 8), TARGET: bytes(64)}
#: What the host may put into the room: code that `trampoline` runs with 7 in r0, at the address in r2 less 1.
ROOMS = [
    *("05307047", "053006307047", "00f0b8ff"),  # ADDS, BX LR; ADDS, ADDS, BX LR; BL to the blank memory behind
    *(
        "0138fdd17047",
        "c046fdd17047",
    ),  # a loop of SUBS and BNE; one that has no end (flags as they are found) or no pass
    *("ed46ffb4ffbc7047", "ed46c046c0467047", "c046ed46ffb4ffbc7047"),  # MOV SP, SP; then PUSH and POP, or NOP
    *("ed4600206946ffb4ffbc7047", "ed46006cffb4ffbc7047"),  # the PUSH behind a fault
    *("6b460f3b9d46ffb4ffbc10b07047", "00de7047", "5278ff7f", "72b67047"),  # SP made odd; UDF; CPSID
    "1032104700de",  # BX to an odd, then even address ahead
]
PATCH = bytes.fromhex("07307047")
"""ADDS r0, #7; BX LR, which the host writes over `in_ram`."""
CHIP = device.load("rp2040")
SRAM, SRAM_BYTES = 0x20000000, 264 * 1024
NOTHING: Mapping[str, int] = MappingProxyType({})

#: Functions that a call may be of, with their arguments; a name is the address of that buffer.
FUNCTIONS: list[tuple[str, tuple[int | str, ...]]] = [
    *((name, (3,)) for name in ("leaf", "recursive", "is_even", "tail_b", "tail_bx", "calls_tails", "far_jump")),
    *((name, (5,)) for name in ("through_register", "falls", "calls_far", "catcher", "big_frame", "moves_sp")),
    *((name, (20,)) for name in ("process_stack", "hints", "barriers", "flash_loop", "ram_loop", "recursive")),
    *((name, ()) for name in ("bump", "stale_stack", "calls_slow", "patch", "pushes", "critical", "returns_by_mov")),
    *((name, ()) for name in ("get_primask", "get_control", "get_msp", "get_psp", "get_flags", "get_xpsr", "get_r12")),
    *((name, ()) for name in ("interrupts_off", "to_psp", "to_psp_and_fault", "set_flags", "set_r12")),
    *((name, ()) for name in ("divide_late", "csr", "quotient", "gpio", "narrow", "spinlock", "poll_3", "both")),
    *((name, ()) for name in ("returns_even_bx", "returns_even_pop", "calls_even", "calls_even_pop")),
    *((name, ()) for name in ("unaligned_load", "unaligned_store", "unaligned_ldm", "unmapped_load", "unmapped_stm")),
    *((name, ()) for name in ("null_pointer", "read_only", "permanently_undefined", "compare_and_branch", "divide")),
    *((name, ()) for name in ("after_loop", "first_of_two", "breakpoint", "supervisor", "sleeps", "arm_state")),
    *((name, ()) for name in ("arm_state_sp", "arm_state_undefined", "into_pool", "into_blank", "into_nowhere")),
    *((name, ()) for name in ("call_null", "into_port", "beside_the_return", "behind_the_return", "add_sp", "mov_sp")),
    *((name, ()) for name in ("push_behind_mov_sp", "push_behind_fault", "outer", "fine", "unaligned_port")),
    *((name, ()) for name in ("not_modelled", "not_modelled_store", "not_modelled_ldm", "spins", "idles", "in_ram")),
    ("endless_frames", ()),
    ("translate", (TARGET, SOURCE, 20)),
    ("alternate", (ROOM, 3)),
    ("rewrite_after_loads", (ROOM,)),
    ("copy_and_call", (ROOM, 7)),
    ("trampoline", (ROOM, 7)),
    ("trampoline", (ROOM, 300)),
    ("trampoline", (ROOM, 0)),
    ("calls_patched", (10,)),
    ("pokes", (TARGET, 63)),
    ("pokes", (TARGET, 64)),  # the red zone
    ("pokes", (ROOM, 2)),
    ("set_psp", (0x20000403,)),
    ("sio_write", (0x10, 5)),
    ("sio_write", (0x60, 1000)),
    ("sio_read", (0x10,)),
    ("sio_read", (0x70,)),
    ("sio_read", (0x114,)),
    ("divide_sdk", (100, 7)),
    ("csr_after", (0x60, 9, 0x74)),
    ("toggles", (21,)),
]
#: Those that show what is kept, or change it.
FOLLOWING = ["bump", "patch", "in_ram", "calls_patched", "critical", "get_control", "get_psp", "get_msp", "csr"]
FOLLOWING += ["quotient", "spinlock", "sio_read", "sio_write", "trampoline", "ram_loop", "to_psp_and_fault"]
BEFORE = ["bump", "patch", "interrupts_off", "to_psp", "divide_late", "spinlock", "calls_patched", "moves_sp"]
#: With 0 in r0, or what is put into the room, the last one too.
ENDLESS = ("spins", "idles", "trampoline")


@dataclass(frozen=True)
class Step:
    """One call, and what the host does before it."""

    function: str
    args: tuple[int | str, ...]
    level: str = "cycles"
    before: tuple[str, ...] = ()
    stubs: Mapping[str, int] = field(default_factory=dict, hash=False)
    max_cycles: int = 100_000
    counts_only: bool = False
    writes: bytes = b""
    """Into `in_ram` before a kept call, where the code lies that it runs."""


def steps(rng: random.Random, wanted: int) -> list[Step]:
    """Every function at least once, plainly; and so many more, with options."""
    found = [Step(name, args, max_cycles=5_000) for name, args in FUNCTIONS]
    while len(found) < wanted:
        name, args = rng.choice(FUNCTIONS)
        kind = rng.choice(["count", "level", "before", "stubs", "limit", "all"])
        if kind == "count" and name not in ENDLESS:
            found.append(Step(name, args, counts_only=True))
            continue
        every = kind == "all"
        found.append(
            Step(
                name,
                args,
                level="memory" if every or kind == "level" else "cycles",
                before=tuple(rng.choices(BEFORE, k=rng.choice([1, 2]))) if every or kind == "before" else (),
                stubs=rng.choice([{"slow": 3}, {"leaf": 9}, {"in_ram": -1}]) if every or kind == "stubs" else NOTHING,
                max_cycles=rng.randrange(1, 60) if kind == "limit" else 5_000,
            )
        )
    return found


def fresh(image: Image) -> Machine:
    machine = Machine(image, CHIP)
    for name, content in CONTENTS.items():
        machine.alloc(np.frombuffer(content, np.uint8), name=name)
    return machine


def places(machine: Machine) -> dict[str, int]:
    return {allocation.name: allocation.address for allocation in machine.space.allocations}


def everything(cost: Cost) -> tuple[object, ...]:
    """All that a cost says."""
    table = cost.instruction_table
    rows = tuple(column.tobytes() for column in (table.address, table.encoding, table.executions, table.cycles))
    return (*(getattr(cost, name) for name in Cost.__annotations__ if name != "instruction_table"), rows)


def outcome(machine: Machine, step: Step, keep: bool) -> tuple[object, ...]:
    """What came of a call: all figures or the fault, and the memory."""
    if step.writes:
        machine.write(machine.symbol("in_ram").address, step.writes)
    addresses = places(machine)
    args = [addresses[a] if isinstance(a, str) else a for a in step.args]
    came: tuple[object, ...]
    try:
        if step.counts_only:
            came = ("count", machine.count(step.function, *args, keep=keep))
        else:
            options: dict[str, Any] = {"level": step.level, "before": step.before, "stubs": step.stubs}
            cost = machine.call(step.function, *args, keep=keep, max_cycles=step.max_cycles, **options)
            came = ("cost", *everything(cost))
    except Fault as fault:
        site = (fault.kind, fault.reason, fault.address, fault.function, fault.offset, fault.source)
        came = ("fault", *site, fault.registers, fault.call_stack, *everything(fault.cost))
    except UsageError as refused:  # a stub whose place the code wrote over
        came = ("refused", str(refused))
    return (*came, hash(machine.read(SRAM, SRAM_BYTES).tobytes()))


class Reference:
    """What chains come to on fresh machines, each found out once."""

    def __init__(self, image: Image) -> None:
        self.image = image
        self._known: dict[tuple[object, ...], tuple[object, ...]] = {}

    def of(self, buffers: tuple[bytes, ...], chain: list[Step]) -> tuple[object, ...]:
        """The outcome of the last call of a chain that begins with these contents of the buffers."""
        key = (buffers, repr(chain))
        if key not in self._known:
            machine = fresh(self.image)
            put(machine, buffers)
            for i, step in enumerate(chain):
                self._known[buffers, repr(chain[: i + 1])] = outcome(machine, step, keep=i > 0)
        return self._known[key]


def contents(machine: Machine) -> tuple[bytes, ...]:
    return tuple(machine.read(a.address, a.size).tobytes() for a in machine.space.allocations)


def put(machine: Machine, buffers: tuple[bytes, ...]) -> None:
    for allocation, content in zip(machine.space.allocations, buffers, strict=True):
        machine.write(allocation.address, content)


def sequences(reference: Reference, pool: list[Step], count: int, seed: int) -> int:
    """Compare `count` chains; a machine makes 100 of them. Returns the number of calls."""
    rng = random.Random(seed)
    following = [step for step in pool if step.function in FOLLOWING and not step.stubs][: len(pool) // 8]
    patched = [replace(step, writes=PATCH) for step in following if step.function in ("in_ram", "calls_patched")]
    calls = 0
    for number in range(count):
        if number % 100 == 0:
            machine, history = fresh(reference.image), list[list[Step]]()
        chain = [rng.choice(pool), *rng.choices(following + patched, k=rng.choice([0, 0, 0, 1, 1, 2]))]
        history.append(chain)
        if rng.random() < 0.8:  # or else the buffers are as the last chain left them
            body = rng.choice(ROOMS) if any(ROOM in step.args for step in chain) else ""
            put(machine, tuple({**CONTENTS, ROOM: bytes.fromhex(body).ljust(64, b"\0")}.values()))
        start = contents(machine)
        for i in range(len(chain)):
            found = outcome(machine, chain[i], keep=i > 0)
            assert found == reference.of(start, chain[: i + 1]), (chain[: i + 1], history[-4:])
            calls += 1
    return calls


@pytest.fixture(scope="module")
def image(build: Build) -> Image:
    return load_elf(build(*SOURCES, flags=("-g", f"-I{FIRMWARE}")))


@pytest.fixture(scope="module")
def reference(image: Image) -> Reference:
    return Reference(image)


@pytest.fixture(scope="module")
def pool() -> list[Step]:
    return steps(random.Random(2), 300)


def test_sequences_of_calls_are_as_on_fresh_machines(reference: Reference, pool: list[Step]) -> None:
    assert sequences(reference, pool, 50, seed=2) > 60


@pytest.mark.long
@pytest.mark.parametrize("seed", parts(range(3, 23), long=1))
def test_20_000_sequences(reference: Reference, pool: list[Step], seed: int) -> None:
    """In 20 parts, of which the long run has one."""
    assert sequences(reference, pool, 1_000, seed) > 1_500
