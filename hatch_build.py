"""Build hook: assembles the kernels into the wheel, so that users need no toolchain. A checkout uses `make kernels`."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class KernelHook(BuildHookInterface):  # type: ignore[type-arg]
    """Adds m0sim/kernels/m0k.elf, assembled with the pinned ziglang of the build requirements."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable" or self.target_name != "wheel":
            return
        root = Path(self.root)
        sys.path.insert(0, str(root))
        from m0sim import toolchain

        self._folder = tempfile.TemporaryDirectory()
        output = Path(self._folder.name) / "m0k.elf"
        sources = sorted((root / "kernels").glob("*.S"))
        toolchain.find("zig").build(sources, output, linker_script=root / "kernels/m0sim.ld")
        build_data["force_include"][str(output)] = "m0sim/kernels/m0k.elf"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        if hasattr(self, "_folder"):
            self._folder.cleanup()
