"""``m0sim call``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from m0sim.cli.shared import (
    NEGATIVE_NUMBERS,
    Base,
    ImageFile,
    Json,
    OutputFile,
    Profile,
    Progress,
    app,
    emit,
    machine_of,
    reject_unknown_options,
)
from m0sim.errors import UsageError

if TYPE_CHECKING:
    from m0sim.fault import Fault


@app.command(context_settings=NEGATIVE_NUMBERS)
def call(
    image_file: ImageFile,
    function: Annotated[str, typer.Argument(help="Its name as `m0sim list` shows it, or an address.")],
    args: Annotated[list[str] | None, typer.Argument(help="What it is called with; see below.")] = None,
    profile: Profile = "rp2040",
    result: Annotated[str, typer.Option(help="Type of the result: s32, u32, s64, u64, f32, f64, void.")] = "s32",
    level: Annotated[str, typer.Option(help="cycles, or memory: adds traffic per symbol and buffer.")] = "cycles",
    before: Annotated[
        list[str] | None, typer.Option(metavar="FUNC", help="Run this first, uncounted. May be repeated.")
    ] = None,
    stub: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="Replace a function by a return of VALUE.")
    ] = None,
    max_cycles: Annotated[str, typer.Option(metavar="N", help="Fault after this many.")] = "10000000000",
    base: Base = "",
    json_wanted: Json = False,
    output: OutputFile = None,
) -> None:
    """Call one function and show what it costs.

    \b
    Arguments:
      5, -5, 0x10     a 32-bit integer
      i64:N, u64:N    a 64-bit integer
      f32:X, f64:X    a float or double, as its bits
      @file.bin       a buffer with the bytes of a file
      @file.npy       a buffer with a NumPy array
      out:N           a zeroed buffer of N bytes (16, 0x10, 4K), shown after the call
      out:N:file      the same, written to a file
      sym:NAME        the address of a symbol
    """
    reject_unknown_options([str(image_file), function, *(args or [])], "call")
    from m0sim import operands
    from m0sim.fault import Fault
    from m0sim.report import data

    machine = machine_of(image_file, base, profile)
    values, outputs = operands.parse(machine, args or [])
    stubs = dict(_stub(text) for text in stub or [])
    with Progress(machine):
        try:
            cost = machine.call(
                function,
                *values,
                result=result,
                level=level,
                before=before or [],
                stubs=stubs,
                max_cycles=operands.integer(max_cycles),
            )
        except Fault as fault:
            emit(data.call(fault.cost, fault), json_wanted, output)
            if not json_wanted:
                _show_fault(fault)
            raise typer.Exit(1) from None
    for out in outputs:
        out.save()
    emit(data.call(cost) | {"outputs": [_shown(out) for out in outputs]}, json_wanted, output)
    if not json_wanted:
        from m0sim.report import text

        text.show(text.call(cost, machine.device))
        _show_outputs(outputs)


def _stub(text: str) -> tuple[str, int]:
    from m0sim import operands

    name, equals, value = text.partition("=")
    if not name or not equals:
        raise UsageError(f"--stub {text!r}: write NAME=VALUE, such as --stub read_adc=512")
    return name, operands.integer(value)


def _shown(out: Any) -> dict[str, Any]:
    path = None if out.path is None else str(out.path)
    return {"address": out.buffer.address, "bytes": out.buffer.read().tobytes().hex(), "file": path}


def _show_outputs(outputs: list[Any]) -> None:
    for out in outputs:
        if out.path is not None:
            typer.echo(f"\n{out.buffer.name}: {out.buffer.size} bytes written to {out.path}")
            continue
        typer.echo(f"\n{out.buffer.name} at {out.buffer.address:#010x}")
        contents = out.buffer.read().tobytes()
        for at in range(0, min(len(contents), 256), 16):
            typer.echo(f"  {at:04x}  {contents[at : at + 16].hex(' ')}")
        if len(contents) > 256:
            typer.echo(f"  ... {len(contents) - 256} more bytes; out:{out.buffer.size}:FILE writes all to a file")


def _show_fault(fault: Fault) -> None:
    from m0sim.report import text

    text.show(text.fault(fault), stderr=True)
