"""The memories of the chip as a master beside the processor sees them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, eq=False, slots=True)
class Memory:
    """One memory at one of its addresses."""

    base: int
    size: int
    data: npt.NDArray[np.uint8]
    """Its bytes themselves, no copy."""
    is_writable: bool
    """False: stores are dropped, as by flash and ROM."""
    waits: bool
    """Whether a read may take longer than a cycle: of that, `Host.read_stall` knows."""

    @property
    def end(self) -> int:
        return self.base + self.size
