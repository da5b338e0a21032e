"""Cycles of the kernels, and of the same kernels compiled from C: built, run on the same operands, compared.

Nothing is timed: m0sim counts.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from kernel_case import At, Block, Case, Code, Side
from numpy.typing import NDArray

from m0sim import Machine, toolchain
from m0sim.chip import device, isa
from m0sim.chip.buffer import Buffer
from m0sim.chip.cost import Cost
from m0sim.errors import UsageError
from m0sim.image import Image, load_elf
from m0sim.study.learn import blocks

_KERNELS = Path(__file__).resolve().parent.parent / "kernels"
NOTHING = Path(__file__).resolve().parent / "firmware" / "nothing.S"
SMALL = "-Os"
LEVELS = tuple(f"{level}{more}" for level in ("-O2", "-O3", "-Ofast") for more in ("", " unrolled"))
"""How the references are compiled for speed. GCC unrolls loops only where it is told, clang unless it is told."""
GROUPS = {
    "multiply": (isa.Kind.MULTIPLY,),
    "load": (isa.Kind.LOAD, isa.Kind.LOAD_MULTIPLE),
    "store": (isa.Kind.STORE, isa.Kind.STORE_MULTIPLE),
    "move, shift, add, compare": (isa.Kind.DATA,),
}
"""What is none of these is a branch, a call or a return."""
_DEVICE = device.load("rp2040")
Fields = Mapping[str, tuple[str, ...]]
"""Of a function's block, in order."""


@dataclass(frozen=True)
class Measured:
    """What the calls of one side cost."""

    cycles: int
    code_bytes: int
    """Of the functions that ran, with what they keep between their instructions."""
    stack_bytes: int
    shares: dict[str, float]
    """Of the cycles, by what the instructions do: a key of GROUPS."""
    result: NDArray[Any]


@dataclass(frozen=True)
class Row:
    """A case with what was measured; compilations by name, as in ``zig -O3``."""

    case: Case
    ours: Measured
    compiled: dict[str, Measured]
    lanes: dict[str, Measured]
    """The kernel's own idea in C, by form and compilation; empty where there is none."""

    def each(self, cycles: int) -> float:
        """Cycles for one unit."""
        return cycles / self.case.count

    def fastest(self, among: str = "") -> str:
        """The compilation of the plain C that takes the fewest cycles; `among` those whose names have this in them."""
        return fastest({name: found for name, found in self.compiled.items() if among in name})

    @property
    def ratio(self) -> float:
        """Cycles of the fastest compiled C to the kernel's."""
        return self.compiled[self.fastest()].cycles / self.ours.cycles


def fastest(compiled: Mapping[str, Measured]) -> str:
    """The first of the fastest."""
    return min(compiled, key=lambda name: compiled[name].cycles)


# ----------------------------------------------------------------------------------------------------------- measuring


def compilations(names: Sequence[str], levels: Sequence[str] = (*LEVELS, SMALL)) -> dict[str, Image]:
    """The references by each toolchain of `names` that is there, at each level; of the same code, the same image."""
    sources = [*sorted((_KERNELS / "ref").glob("*.c")), NOTHING]
    first: dict[bytes, Image] = {}
    found = {}
    for chosen, level in product(there(names), levels):
        image = _built(chosen, sources, flags(chosen.name, level))
        found[f"{chosen.name} {level}"] = first.setdefault(b"".join(part.data for part in image.segments), image)
    return found


def flags(compiler: str, level: str) -> tuple[str, ...]:
    """The compiler's words for a level. ``zig cc`` makes -O2 of -O2, -O3 and -Ofast; -Xclang reaches clang itself."""
    optimise, *unrolled = level.split()
    unroll = () if optimise == SMALL else ("-funroll-loops",) if unrolled else ("-fno-unroll-loops",)
    directly = ("-Xclang", optimise) if compiler == "zig" and optimise != SMALL else ()
    return (optimise, *directly, *unroll, "-g")


def same_code(compiled: Mapping[str, Image]) -> dict[str, str]:
    """Compilations that are the same as an earlier one, by their names."""
    first: dict[int, str] = {}
    names = {name: first.setdefault(id(image), name) for name, image in compiled.items()}
    return {name: earlier for name, earlier in names.items() if name != earlier}


def there(names: Sequence[str] = toolchain.NAMES) -> list[toolchain.Toolchain]:
    """The toolchains of `names` that are installed."""
    return [found for found in map(_found, names) if found is not None]


def kernels(name: str = "zig") -> Image:
    """All of kernels/*.S."""
    return _built(toolchain.find(name), [*sorted(_KERNELS.glob("*.S")), NOTHING], ("-g",))


def _found(name: str) -> toolchain.Toolchain | None:
    try:
        return toolchain.find(name)
    except UsageError:
        return None


def _built(chosen: toolchain.Toolchain, sources: list[Path], flags: tuple[str, ...]) -> Image:
    with tempfile.TemporaryDirectory(prefix="m0sim-kernels-") as folder:
        path = Path(folder) / "bench.elf"
        return load_elf(chosen.build(sources, path, flags=flags, linker_script=_KERNELS / "m0sim.ld"))


def measure(image: Image, side: Side, fields: Fields | None = None) -> Measured:
    """Run the calls one after the other on one chip. `fields`: of the blocks of `image`, default m0k.h's of now."""
    machine = Machine(image, _DEVICE)
    arrays = {name: machine.alloc(_whole_words(array)) for name, array in side.arrays.items()}
    fields = blocks.blocks() if fields is None else fields
    prepared = [(function, [_word(machine, arrays, fields, w) for w in words]) for function, words in side.calls]
    costs = [machine.call(function, *words) for function, words in prepared]
    result = arrays[side.result].read().view(side.arrays[side.result].dtype)[: side.arrays[side.result].size]
    return Measured(
        sum(cost.cycles for cost in costs),
        _code_bytes(image, costs),
        max(cost.stack_bytes for cost in costs),
        _shares(costs),
        np.asarray(side.view(result), np.int64),
    )


def _whole_words(array: NDArray[Any]) -> NDArray[np.uint8]:
    """Buffers are rounded up to words, with zeros: kernels may read those."""
    flat = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    return np.pad(flat, (0, -flat.size % 4))


def _word(machine: Machine, arrays: dict[str, Buffer], fields: Fields, word: Any) -> int:
    """The number that stands for `word`; blocks are put into memory."""
    if isinstance(word, str):
        return arrays[word].address
    if isinstance(word, At):
        return arrays[word.name].address + word.offset
    if isinstance(word, Code):
        return machine.symbol(word.name).address | 1
    if isinstance(word, Block):
        word = tuple(word.words.get(name, 0) for name in fields[word.function])
    if isinstance(word, tuple):
        numbers = [_word(machine, arrays, fields, entry) & 0xFFFFFFFF for entry in word]
        return machine.alloc(np.array(numbers, np.uint32)).address
    return int(word)


def _code_bytes(image: Image, costs: list[Cost]) -> int:
    sizes = {symbol.address: symbol.size for symbol in image.symbols if symbol.kind == "function"}
    return sum(sizes.get(address, 0) for address in {f.address for cost in costs for f in cost.functions.values()})


def _shares(costs: list[Cost]) -> dict[str, float]:
    cycles = dict.fromkeys([*GROUPS, "branch"], 0)
    group_of = {kind: group for group, kinds in GROUPS.items() for kind in kinds}
    for cost in costs:
        table = cost.instruction_table
        for encoding, spent in zip(table.encoding.tolist(), table.cycles.tolist(), strict=True):
            cycles[group_of.get(isa.kind_of(encoding & 0xFFFF, encoding >> 16), "branch")] += spent
    return {group: spent / sum(cycles.values()) for group, spent in cycles.items()}


def compare(case: Case, image: Image, compiled: Mapping[str, Image]) -> Row:
    """Measure all sides. AssertionError where they do not give the same: then they are not the same kernel."""
    ours = [measure(image, run.ours) for run in case.runs]
    results = [found.result for found in ours]
    plain = _by_name(case, [run.reference for run in case.runs], results, compiled)
    lanes: dict[str, Measured] = {}
    for form in case.lanes:
        found = _by_name(case, [run.lanes[form] for run in case.runs], results, compiled)
        lanes |= {f"{form}, {name}": one for name, one in found.items()}
    return Row(case, _together(ours), plain, lanes)


def _by_name(
    case: Case, sides: Sequence[Side], results: Sequence[NDArray[Any]], compiled: Mapping[str, Image]
) -> dict[str, Measured]:
    """What each compilation takes for all of `sides`; the same image is run once."""
    found: dict[int, Measured] = {}
    for name, image in compiled.items():
        if id(image) in found:
            continue
        runs = [measure(image, side) for side in sides]
        for run, result in zip(runs, results, strict=True):
            np.testing.assert_array_equal(result, run.result, f"{case.kernel} ({case.operands}) and {name}")
        found[id(image)] = _together(runs)
    return {name: found[id(image)] for name, image in compiled.items()}


def _together(found: list[Measured]) -> Measured:
    """Cycles summed, sizes of the largest; shares and result are the first's."""
    first = found[0]
    sizes = (max(one.code_bytes for one in found), max(one.stack_bytes for one in found))
    return Measured(sum(one.cycles for one in found), *sizes, first.shares, first.result)
