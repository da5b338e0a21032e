"""``m0sim gdb``."""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from m0sim import files
from m0sim.cli import calling, options, voice
from m0sim.cli.calling import CallCommand
from m0sim.cli.shared import device_of, image_of, integer_of
from m0sim.errors import UsageError

if TYPE_CHECKING:
    from m0sim.chip.firmware import Firmware
    from m0sim.chip.run_cost import RunCost
    from m0sim.gdb.server import GdbServer

_OWN = ("127.0.0.1", "::1", "localhost")
_MOST_PORT = 65535


@click.command(cls=CallCommand)
@options.image_file
@click.argument("function", required=False, help="Called as `m0sim call` does. Without one, all firmware, from reset.")
@click.argument("args", nargs=-1, help="What it is called with.")
@options.profile
@click.option("--port", metavar="N", default="3333", help="TCP port to listen at; 0 for a free one.")
@click.option("--listen", metavar="ADDRESS", default=_OWN[0], help="Listen for other machines, too.")
@calling.preparation
@click.option(
    "--stdin", metavar="FILE|-", help="What the first UART, or a port on USB, receives; - for standard input."
)
@click.option("--flash", metavar="MODEL", help="cold or ideal. Default: as m0sim run and m0sim call have it.")
@options.base
@options.symbols
@options.bootrom
@voice.options
def gdb(port: str, listen: str, function: str | None, **asked: Any) -> None:
    """Let GDB debug firmware from reset, or one call, with its cycles.

    It waits for `gdb-multiarch IMAGE -ex "target remote :3333"`; there, `monitor help` tells what it knows of cost.
    When GDB kills the program, or leaves one that has ended, the report of `m0sim run` or `m0sim call` is shown.
    """
    from m0sim.gdb.server import GdbServer

    def ready(at: int) -> None:
        click.echo(f"listening at {listen}:{at}", err=True)

    with closing(GdbServer(listen, _port(port), lambda text: voice.note(f"note: {text}"), ready)) as server:
        if listen not in _OWN:
            voice.note(f"note: whoever reaches {listen} can read and write what this firmware has")
        if function is None:
            _debug_firmware(server, asked)
        else:
            _debug_call(server, function, asked)


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > _MOST_PORT:
        raise UsageError(f"--port {text!r}: a port is 0 to {_MOST_PORT}")
    return int(text)


def _debug_firmware(server: GdbServer, asked: dict[str, Any]) -> None:
    from m0sim.chip.firmware import Firmware
    from m0sim.report import text
    from m0sim.report.inlined import inlining
    from m0sim.report.run_text import run as report_of

    given = [name for name in ("result", "startup", "before", "stub", "register", "stdout") if asked[name]]
    if given:
        raise UsageError(f"--{given[0]} is for a call: name a function behind the image")
    image = image_of(asked["image_file"], asked["base"], asked["symbols"])
    firmware = Firmware(image, device_of(asked["profile"], None), bootrom=asked["bootrom"])
    done = _run(firmware, server, asked)
    text.show(report_of(done, firmware.device, inlining(done.cost, firmware.program)))
    if not done.is_good:
        raise click.exceptions.Exit(1)


def _run(firmware: Firmware, server: GdbServer, asked: dict[str, Any]) -> RunCost:
    """Run it, from reset again and again as long as the debugger wants to go back."""
    from m0sim.chip.engine.held import Rewind

    stdin = asked["stdin"]
    received = b"" if stdin is None else sys.stdin.buffer.read() if stdin == "-" else files.read(Path(stdin))
    shown = _Shown()
    while True:
        try:
            return firmware.run(
                stdin=received,
                flash=asked["flash"],
                max_cycles=integer_of("--max-cycles", asked["max_cycles"]),
                on_output=shown.add,
                debugger=server,
            )
        except Rewind:
            shown.begin_anew(forgets=server.is_reset)


class _Shown:
    """What the firmware prints goes to stdout, once: a run that goes back prints the same until there, and often on."""

    def __init__(self) -> None:
        self._shown = bytearray()
        self._at = 0

    def begin_anew(self, *, forgets: bool) -> None:
        """The next run begins; after a reset that a person asked for, all of it is shown again."""
        self._at = 0
        if forgets:
            self._shown.clear()

    def add(self, _: str, data: bytes) -> None:
        end = self._at + len(data)
        if self._shown[self._at : end] != data:
            del self._shown[self._at :]
            self._shown += data
            sys.stdout.write(data.decode("utf-8", "replace"))
            sys.stdout.flush()
        self._at = end


def _debug_call(server: GdbServer, function: str, asked: dict[str, Any]) -> None:
    from m0sim.report import text
    from m0sim.report.inlined import inlining

    if asked.pop("stdin") is not None:
        raise UsageError("--stdin is for firmware from reset: leave out the function")
    flash = asked.pop("flash") or "ideal"
    done = calling.run(calling.Asked(function=function, flash=flash, engine=None, clock=None, **asked), debugger=server)
    if done.fault is not None:
        calling.show_fault(done.fault)
        raise click.exceptions.Exit(1)
    text.show(text.call(done.cost, done.machine.device, inlining(done.cost, done.machine.program)))
