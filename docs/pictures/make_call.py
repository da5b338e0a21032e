"""Draw docs/pictures/call.svg, the report of one real call on a terminal. Run it after a change to the report."""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console

from m0sim import Machine
from m0sim.report import text

ROOT = Path(__file__).resolve().parents[2]


def main() -> None:
    machine = Machine.from_elf(ROOT / "build/examples/dot.elf")
    vectors = [machine.alloc(np.fromfile(ROOT / f"examples/{name}.bin", np.int8)) for name in "ab"]
    cost = machine.call("dot_s8", *vectors, 1000, flash_report=True)
    console = Console(record=True, width=104, file=io.StringIO(), highlight=False)
    console.print("[bold green]$[/] m0sim call dot.elf dot_s8 @a.bin @b.bin 1000")
    console.print(text.call(cost, machine.device))
    # rich's template fetches fonts from elsewhere; any monospace font will do.
    template = re.sub(r"@font-face \{\{.*?\}\}", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    svg = console.export_svg(title="m0sim", unique_id="call", code_format=template)
    (Path(__file__).parent / "call.svg").write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main()
