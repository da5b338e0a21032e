"""Cycles of m0sim's own boot ROM beside the vendor's published averages: ``python tests/bench_bootrom.py``.

Means over 1,000 calls with random numbers; the same at every run. The vendor's are of the RP2040 datasheet, tables 164,
169 and 170, versions V2 and V3, "over random (worst case) input": what input that is, it does not say.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt

from m0sim import Machine, toolchain

_TESTS = Path(__file__).resolve().parent
_CALLS = 1000

_VENDORS = {
    "popcount32": 20,
    "reverse32": 22,
    "clz32": 9.6,
    "ctz32": 11,
    "fadd": 71,
    "fsub": 74,
    "fmul": 58,
    "fdiv": 71,
    "fsqrt": 63,
    "fcmp": 25,
    "float2int": 40,
    "int2float": 55,
    "float2double": 15,
    "fsin": 577,
    "fcos": 587,
    "ftan": 653,
    "fsincos": 577,
    "fexp": 524,
    "fln": 789,
    "fatan2": 667,
    "dadd": 91,
    "dsub": 95,
    "dmul": 155,
    "ddiv": 183,
    "dsqrt": 169,
    "dcmp": 39,
    "double2int": 75,
    "int2double": 69,
    "double2float": 23,
    "dsin": 1618,
    "dcos": 1617,
    "dtan": 1891,
    "dsincos": 1718,
    "dexp": 804,
    "dln": 428,
    "datan2": 2168,
}


def _arguments(name: str) -> npt.NDArray[np.uint32]:
    """r0 to r3 of each call: angles and exponents up to 80, else numbers from 2^-10 to 2^11, of both signs."""
    rng = np.random.default_rng(2040)
    if name[-2:] == "32" or name.startswith("int2"):
        return rng.integers(0, 1 << 32, (_CALLS, 4), np.uint32)
    numbers = rng.uniform(1, 2, (_CALLS, 2)) * 2.0 ** rng.integers(-10, 11, (_CALLS, 2))
    if name[1:] in ("sin", "cos", "tan", "sincos", "exp"):
        numbers = rng.uniform(-80, 80, (_CALLS, 2))
    elif name[1:] not in ("sqrt", "ln"):
        numbers *= rng.choice([-1.0, 1.0], (_CALLS, 2))
    if name.startswith("d"):
        return numbers.view(np.uint32)
    return np.pad(numbers.astype(np.float32).view(np.uint32), ((0, 0), (0, 2)))


def _mean(machine: Machine, name: str) -> float:
    given = _arguments(name)
    source, to = machine.alloc(given), machine.alloc(given.nbytes)
    cost = machine.call("apply", machine.symbol(f"bootrom_{name}").address, source, to, _CALLS)
    source.free()
    to.free()
    own = cost.functions[f"bootrom_{name}"]
    assert own.calls >= _CALLS
    inside = sum(edge.inclusive_cycles for edge in cost.edges if edge.caller == "apply")
    return inside / _CALLS


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        elf = Path(folder) / "bootrom.elf"
        script = _TESTS.parent / "kernels/m0sim.ld"
        toolchain.find("zig").build([_TESTS / "firmware/bootrom.S"], elf, flags=(), linker_script=script)
        machine = Machine.from_elf(elf)
        print("| function | m0sim's | the vendor's |\n|---|---|---|")
        for name, vendors in _VENDORS.items():
            print(f"| `{name}` | {_mean(machine, name):,.0f} | {vendors:,} |")


if __name__ == "__main__":
    main()
