"""Build hook: compiles the libraries and assembles the kernels into the wheel, so that users need no toolchain.

A wheel is for this machine, or for the target of m0sim/build_libraries.py that M0SIM_TARGET names. An editable
installation gets them in the source tree; `make kernels` makes them, and the kernels, in a checkout.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class NativeHook(BuildHookInterface):  # type: ignore[type-arg]
    """Adds the libraries, the boot ROM, what runs on boards, and the kernels, made with the pinned ziglang."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if self.target_name != "wheel":
            return
        root = Path(self.root)
        sys.path.insert(0, str(root))
        from m0sim import build_libraries, toolchain
        from m0sim.board.runtime import build as board
        from m0sim.chip.bootrom import build as boot_rom
        from m0sim.libraries import CORE, DEMANGLER

        name = os.environ.get("M0SIM_TARGET") or build_libraries.host()
        if version == "editable":
            for library in (CORE, DEMANGLER):
                build_libraries.build(library, name)
            boot_rom.build()
            board.build()
            return
        self._folder = tempfile.TemporaryDirectory()
        made = Path(self._folder.name)
        target = build_libraries.TARGETS[name]
        for library in (CORE, DEMANGLER):
            file = build_libraries.build(library, name, made / library.file_name(target.platform))
            place = library.folder.relative_to(root) / file.name
            build_data["force_include"][str(file)] = place.as_posix()
        for part, folder in ((boot_rom, "bootrom"), (board, "board")):
            file = part.build(made / folder / part.FILE.name)
            build_data["force_include"][str(file)] = part.FILE.relative_to(root).as_posix()
        build_data["tag"] = f"py3-none-{target.tag}"
        build_data["pure_python"] = False
        sources = sorted((root / "kernels").glob("*.S"))
        script = root / "kernels/m0sim.ld"
        toolchain.find("zig").build(sources, made / "m0k.elf", linker_script=script, movable=True)
        build_data["force_include"][str(made / "m0k.elf")] = "m0sim/kernels/m0k.elf"
        for source in (*sources, *sorted((root / "kernels").glob("*.inc"))):  # m0sim export-model copies some of them
            build_data["force_include"][str(source)] = f"m0sim/kernels/{source.name}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        if hasattr(self, "_folder"):
            self._folder.cleanup()
