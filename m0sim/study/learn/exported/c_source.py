"""A network as C: constant arrays in the kernels' layout, one parameter block a kernel call, and the kernels' sources.

What is written compiles by itself with arm-none-eabi-gcc; nothing of m0sim is needed for that.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import m0sim
from m0sim.errors import UsageError
from m0sim.study.learn.blocks import blocks, type_of
from m0sim.study.learn.exported.inference import Inference
from m0sim.study.learn.imported.float_network import describes
from m0sim.study.learn.plan import Placed
from m0sim.study.learn.pretrain import Backbone
from m0sim.study.learn.step import Op, Ref, Word

_PACKAGE = Path(__file__).resolve().parents[3]
_PLACES = (_PACKAGE / "kernels", _PACKAGE.parent / "kernels")
_HEADER = "m0k.h"
_COMMENT = re.compile(r"/\*.*?\*/|@[^\n]*", re.DOTALL)
_DEFINED = re.compile(r"^ *FUNCTION (m0k_\w+)", re.MULTILINE)
_NAMED = re.compile(r"\bm0k_\w+")
_INCLUDED = re.compile(r'^ *#include "([\w.]+)"', re.MULTILINE)
_WORDS_A_LINE = 8

_LINKER_SCRIPT = """\
/* For m0sim call alone: code in an RP2040's flash, variables in its SRAM, no start-up code. A product has its own. */
MEMORY
{
    FLASH (rx)  : ORIGIN = 0x10000000, LENGTH = 2048K
    SRAM  (rwx) : ORIGIN = 0x20000000, LENGTH = 264K
}
SECTIONS
{
    .text : { *(.text .text.*) *(.rodata .rodata.*) } > FLASH
    .bss (NOLOAD) : ALIGN(8) { *(.bss .bss.* COMMON) } > SRAM
    /DISCARD/ : { *(.ARM.exidx .ARM.exidx.* .ARM.attributes) }
}
"""


def files(backbone: Backbone, inference: Inference) -> dict[str, str]:
    """The files of a folder by name: model.c, model.h, m0k.h, a Makefile, a linker script, and the kernels' sources.

    Raises UsageError where the kernels' sources are not there.
    """
    sources = _sources({op.kernel for op in inference.plan.step.ops})
    objects = [f"{Path(name).stem}.o" for name in sources if name.endswith(".S")]
    return {
        "model.c": _source(backbone, inference),
        "model.h": _header(backbone, inference),
        "model.ld": _LINKER_SCRIPT,
        "Makefile": _makefile(objects),
        **sources,
    }


# The kernels


def _sources(wanted: set[str]) -> dict[str, str]:
    """The kernels' sources that define these functions and all that they call, with what they include."""
    folder = next((place for place in _PLACES if (place / "dense.S").is_file()), None)
    if folder is None:
        raise UsageError("the kernels' sources are not installed: install m0sim from its wheel or a checkout")
    texts = {path.name: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.S"))}
    place = {name: file for file, text in texts.items() for name in _DEFINED.findall(text)}
    needed: dict[str, str] = {}
    todo = sorted(wanted)
    while todo:
        file = place[todo.pop()]
        if file not in needed:
            needed[file] = texts[file]
            named = _NAMED.findall(_COMMENT.sub("", texts[file]))
            todo += sorted({name for name in named if name in place} - set(_DEFINED.findall(texts[file])))
    included = {name for text in needed.values() for name in _INCLUDED.findall(text)} | {_HEADER}
    headers = {name: (folder / name).read_text(encoding="utf-8") for name in sorted(included)}
    return dict(sorted(needed.items())) | headers


def _makefile(objects: list[str]) -> str:
    return "\n".join(
        (
            "# make: libmodel.a, for a firmware that includes model.h. make model.elf: for m0sim call.",
            "CC     := arm-none-eabi-gcc",
            "AR     := arm-none-eabi-ar",
            "CFLAGS := -mcpu=cortex-m0plus -mthumb -O2 -g -Wall -Wextra -ffunction-sections -fdata-sections",
            f"OBJECTS := model.o {' '.join(objects)}",
            "",
            "libmodel.a: $(OBJECTS)",
            "\t$(AR) rcs $@ $^",
            "",
            "model.elf: $(OBJECTS) model.ld",
            "\t$(CC) -mcpu=cortex-m0plus -mthumb -nostdlib -static -Wl,-e,0 -T model.ld $(OBJECTS) -lgcc -o $@",
            "",
            "model.o: model.c model.h m0k.h",
            "\t$(CC) $(CFLAGS) -fno-tree-loop-distribute-patterns -c $< -o $@",
            "",
            "%.o: %.S $(wildcard *.inc)",
            "\t$(CC) $(CFLAGS) -c $< -o $@",
            "",
            "clean:",
            "\trm -f $(OBJECTS) libmodel.a model.elf",
            "",
            ".PHONY: clean",
            "",
        )
    )


# The network


def _title(backbone: Backbone) -> str:
    """The first line of a file. A name may be anybody's: nothing of it ends a comment."""
    name = backbone.network.name.replace("*", " x ").replace("/", " ")
    return f"/* {name}: {describes(backbone.network)}. Written by m0sim export-model {m0sim.__version__}. */"


def _header(backbone: Backbone, inference: Inference) -> str:
    network, plan = backbone.network, inference.plan
    height, width, channels = network.input_shape
    return f"""\
{_title(backbone)}
#ifndef MODEL_H
#define MODEL_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {{
#endif

#define MODEL_HEIGHT {height}
#define MODEL_WIDTH {width}
#define MODEL_CHANNELS {channels}
#define MODEL_INPUTS {height * width * channels}
#define MODEL_CLASSES {network.classes}
#define MODEL_LOGIT_EXPONENT ({backbone.config.logit_exponent}) /* real logit = value * 2^this */
#define MODEL_SRAM_BYTES {plan.sram_bytes} /* static, in model.c */
#define MODEL_FLASH_BYTES {plan.most_flash_bytes} /* constant arrays; code comes on top */
#define MODEL_STACK_BYTES {inference.stack_bytes} /* of the deepest kernel; its caller comes on top */

/* An image is [height][width][channels], 0 .. 127: a pixel of 8 bits shifted right by one. Not reentrant. */
void model_run(const int8_t image[MODEL_INPUTS], int8_t logits[MODEL_CLASSES]);

/* The class with the largest logit, the first of equals. */
uint32_t model_classify(const int8_t image[MODEL_INPUTS]);

#ifdef __cplusplus
}}
#endif

#endif
"""


def _source(backbone: Backbone, inference: Inference) -> str:
    plan = inference.plan
    ops = plan.step.ops
    parts = [
        _title(backbone),
        '#include "model.h"',
        '#include "m0k.h"',
        "",
        f"static uint32_t memory[{plan.sram_bytes // 4}]; /* of all that is not constant; it must be zeros at first */",
        "",
        *_arrays(inference),
        *(_block(i, op, inference) for i, op in enumerate(ops)),
        _functions(inference),
    ]
    return "\n".join(parts)


def _arrays(inference: Inference) -> Iterator[str]:
    """The constant tensors, as words."""
    for placed in inference.plan.placed.values():
        if placed.tensor.place != "flash":
            continue
        content = inference.contents[placed.tensor.name].ljust(placed.tensor.size, b"\0")
        words = [f"0x{word:08x}" for word in np.frombuffer(content, "<u4").tolist()]
        lines = [", ".join(words[i : i + _WORDS_A_LINE]) for i in range(0, len(words), _WORDS_A_LINE)]
        yield f"static const uint32_t {placed.tensor.name}[{len(words)}] = {{"
        yield from (f"    {line}," for line in lines)
        yield "};\n"


def _block(index: int, op: Op, inference: Inference) -> str:
    """The parameter block of a kernel call."""
    fields = zip(blocks()[op.kernel], op.words, strict=True)
    values = [f"    .{name} = {_value(word, inference)}," for name, word in fields]
    return "\n".join([f"static const {type_of(op.kernel)} call{index} = {{", *values, "};\n"])


def _value(word: Word, inference: Inference) -> str:
    if isinstance(word, Ref):
        return _address(inference.plan.placed[word.tensor], word.offset)
    assert isinstance(word, int)  # a forward pass asks no provider
    return str(word)


def _address(placed: Placed, offset: int = 0) -> str:
    words = (offset if placed.tensor.place == "flash" else placed.offset + offset) // 4
    if placed.tensor.place == "flash":
        return f"(const void *)({placed.tensor.name} + {words})"
    return f"(void *)(memory + {words})"


def _functions(inference: Inference) -> str:
    placed = inference.plan.placed
    calls = "\n".join(f"    {op.kernel}(&call{i});" for i, op in enumerate(inference.plan.step.ops))
    image, logits = (_address(placed[name]) for name in (inference.image, inference.logits))
    return f"""\
static int8_t *run(const int8_t *image)
{{
    int8_t *in = {image};
    for (uint32_t i = 0; i < MODEL_INPUTS; i++)
        in[i] = image[i];
{calls}
    return {logits};
}}

void model_run(const int8_t image[MODEL_INPUTS], int8_t logits[MODEL_CLASSES])
{{
    const int8_t *out = run(image);
    for (uint32_t i = 0; i < MODEL_CLASSES; i++)
        logits[i] = out[i];
}}

uint32_t model_classify(const int8_t image[MODEL_INPUTS])
{{
    const int8_t *out = run(image);
    uint32_t best = 0;
    for (uint32_t i = 1; i < MODEL_CLASSES; i++)
        if (out[i] > out[best])
            best = i;
    return best;
}}
"""
