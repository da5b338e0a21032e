"""Write m0k.inc, the assembler's offsets of the fields in m0k.h: ``python kernels/make_offsets.py``."""

from pathlib import Path

from m0sim.study.learn.blocks import offsets

HERE = Path(__file__).parent

if __name__ == "__main__":
    (HERE / "m0k.inc").write_text(offsets((HERE / "m0k.h").read_text(encoding="utf-8")), encoding="utf-8")
