"""``m0sim run``."""

from __future__ import annotations

import codecs
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from m0sim import files
from m0sim.cli import options, voice
from m0sim.cli.shared import Progress, command_of, device_of, emit, exports_of, image_of, integer_of, show_notes
from m0sim.names import printable

if TYPE_CHECKING:
    from m0sim.chip.firmware import Firmware
    from m0sim.chip.run_cost import RunCost
    from m0sim.report.inlined import Inlining
    from m0sim.report.profile_files import Export


@click.command()
@options.image_file
@options.profile
@click.option("--for", "duration", metavar="TIME", help="Stop after so much simulated time, such as 50ms or 2s.")
@click.option("--until", metavar="SYMBOL", help="Stop when control comes to this function or address.")
@click.option("--until-output", metavar="TEXT", help="Stop when the firmware has printed this.")
@click.option("--from", "begin", metavar="SYMBOL", help="Count only from the first time that control comes here,")
@click.option("--to", "end", metavar="SYMBOL", help="until it then comes here.")
@click.option(
    "--pin",
    "driven",
    metavar="PIN=LEVEL@TIME",
    multiple=True,
    help="Drive a pin from outside, such as 9=0@10ms,1@12ms; z lets go of it.",
)
@click.option(
    "--wire",
    "wires",
    metavar="PIN=DRIVER",
    multiple=True,
    help="A wire between two pins, such as 5=2: pin 5 has the level of pin 2.",
)
@click.option(
    "--adc",
    metavar="CHANNEL=VOLTS@TIME",
    multiple=True,
    help="What a channel of the ADC is at, such as 0=1.65, or 0=@FILE with lines of seconds,volts.",
)
@click.option("--reset", "resets", metavar="TIME", multiple=True, help="Press the reset button then.")
@click.option(
    "--i2c",
    metavar="BUS=DEVICE:ADDRESS,FILE",
    multiple=True,
    help="Attach an EEPROM, such as 0=24c32:0x50,settings.bin, or to pins 4 and 5: 0@4,5=24c32:0x50.",
)
@click.option(
    "--spi",
    metavar="BUS=DEVICE:PIN,FILE",
    multiple=True,
    help="Attach an EEPROM, such as 0=25c256:17, with its chip select, or 0=loopback.",
)
@click.option(
    "--stdin", "stdin", metavar="FILE|-", help="What the first UART, or a port on USB, receives; - for standard input."
)
@click.option("--stdin-to", metavar="PORT", help="Which port receives it, such as UART1 or USB.")
@click.option("--bootrom", metavar="FILE", type=options.PATH, help="The vendor's boot ROM, instead of m0sim's own.")
@click.option("--flash", metavar="MODEL", help="cold (default where the part's flash waits) or ideal.")
@click.option("--max-cycles", metavar="N", default="100000000000", help="Give up after this many.")
@click.option("--quantum", metavar="CYCLES", default="1", help="How far one of two cores may run ahead: 1 is exact.")
@click.option(
    "--contention", is_flag=True, help="Cores and DMA wait for each other at the RP2040's bus fabric: an estimate."
)
@click.option("--vcd", metavar="FILE", type=options.PATH, help="Write the pins over time.")
@click.option(
    "--timeline", metavar="FILE", type=options.PATH, help="Write what ran when, for Perfetto and chrome://tracing."
)
@click.option(
    "--timeline-limit",
    metavar="N",
    help="Calls, handlers and sleeps in it at most: the shortest are left out. 1000000.",
)
@options.profiles
@click.option(
    "--core", metavar="0|1|both", help="Of which core profiles, --lcov and --export are. Default: all that ran."
)
@click.option("--html", metavar="FILE", type=options.PATH, help="Write a report for a browser, all in one file.")
@options.exports
@options.base
@options.symbols
@options.json_wanted
@options.output()
@voice.options
def run(
    image_file: Path,
    profile: str,
    base: str | None,
    symbols: Path | None,
    bootrom: Path | None,
    vcd: Path | None,
    core: str | None,
    timeline: Path | None,
    timeline_limit: str | None,
    html: Path | None,
    exports: tuple[str, ...],
    json_wanted: bool,
    output: Path | None,
    **asked: Any,
) -> None:
    """Run whole firmware from reset until it stops, and show what it prints and what it costs.

    It stops at the end of --for, at --until or --until-output, when the program ends (_exit, or by semihosting), at a
    fault, or by Ctrl-C, with the report so far. Exits with 0 where a condition that was asked for ended it, or the
    program with 0; with 1 where --for was over, or the program, before what was waited for came.
    """
    from m0sim.chip.firmware import Firmware
    from m0sim.report.inlined import inlining

    profiles = {name: asked.pop(name) for name in options.PROFILES}
    for path in (*profiles.values(), vcd, timeline, html, output):
        files.check_folder(path)
    wanted = exports_of(exports)
    if core is not None:
        _check_core(core, has_files=bool(wanted) or any(profiles.values()))
    image = image_of(image_file, base, symbols)
    if profiles["lcov"] is not None:
        from m0sim.report.lcov import require_lines

        require_lines(image)
    firmware = Firmware(image, device_of(profile, None), bootrom=bootrom)
    done = _run(firmware, _shown(json_wanted), pins=vcd is not None, timeline=_most(timeline, timeline_limit), **asked)
    _write(done, firmware, vcd, html)
    if timeline is not None:
        _write_timeline(done, firmware, timeline)
    found = inlining(done.cost, firmware.program)
    show_notes(image)
    on_second = inlining(done.cores[1].cost, firmware.program) if done.cores else None
    _report(done, firmware, (found, on_second), json_wanted, output)
    if wanted or any(profiles.values()):
        _write_profiles(done, firmware, profiles, wanted, core or "both")
    if not done.is_good:
        raise click.exceptions.Exit(1)


def _shown(json_wanted: bool) -> Callable[[str, bytes], None]:
    """What the firmware prints goes to stdout as it comes; to stderr where stdout is one JSON object."""
    stream = sys.stderr if json_wanted else sys.stdout
    decoders: dict[str, codecs.IncrementalDecoder] = {}  # a character may come in bytes, and those of two mixed

    def show(source: str, data: bytes) -> None:
        decoder = decoders.setdefault(source, codecs.getincrementaldecoder("utf-8")("replace"))
        stream.write(decoder.decode(data))
        stream.flush()

    return show


def _run(
    firmware: Firmware,
    show: Callable[[str, bytes], None],
    *,
    pins: bool,
    timeline: int,
    duration: str | None,
    until: str | None,
    until_output: str | None,
    begin: str | None,
    end: str | None,
    driven: tuple[str, ...],
    wires: tuple[str, ...],
    adc: tuple[str, ...],
    resets: tuple[str, ...],
    i2c: tuple[str, ...],
    spi: tuple[str, ...],
    stdin: str | None,
    stdin_to: str | None,
    flash: str | None,
    max_cycles: str,
    quantum: str,
    contention: bool,
) -> RunCost:
    from m0sim.chip.attachments import i2c_attached, spi_attached
    from m0sim.chip.durations import seconds_of
    from m0sim.chip.inputs import analog_inputs, pin_inputs, pin_wire
    from m0sim.errors import UsageError

    if until_output == "":
        raise UsageError("--until-output: a text of no characters is never waited for; leave it out")
    if stdin is None and stdin_to is not None:
        raise UsageError("--stdin-to is for --stdin: say what is sent there")

    received = b"" if stdin is None else sys.stdin.buffer.read() if stdin == "-" else files.read(Path(stdin))
    with Progress(firmware):
        return firmware.run(
            seconds=None if duration is None else seconds_of(duration),
            until=until,
            until_output="" if until_output is None else until_output,
            begin=begin,
            end=end,
            stdin=received,
            stdin_to=stdin_to,
            pins_driven=[each for text in driven for each in pin_inputs(text)],
            wires=[pin_wire(text) for text in wires],
            adc=[each for text in adc for each in analog_inputs(text)],
            resets=[seconds_of(text) for text in resets],
            attached=[*map(i2c_attached, i2c), *map(spi_attached, spi)],
            flash=flash,
            max_cycles=integer_of("--max-cycles", max_cycles),
            quantum=integer_of("--quantum", quantum),
            contention=contention,
            pins=pins,
            timeline=timeline,
            on_output=show,
        )


def _most(timeline: Path | None, limit: str | None) -> int:
    """Slices of a timeline, 0 where none is wanted."""
    from m0sim.chip.timeline import MOST_SLICES
    from m0sim.errors import UsageError

    if timeline is None:
        if limit is not None:
            raise UsageError("--timeline-limit is of a timeline: add --timeline FILE")
        return 0
    most = MOST_SLICES if limit is None else integer_of("--timeline-limit", limit)
    if most < 1:
        raise UsageError(f"--timeline-limit must be at least 1, not {most}")
    return most


def _write_timeline(done: RunCost, firmware: Firmware, path: Path) -> None:
    from m0sim.report.perfetto import trace

    files.write(path, trace(done, name=f"{firmware.device.name}, {firmware.image.path.name}"))
    assert done.timeline is not None
    if done.timeline.note():
        voice.note(f"note: {done.timeline.note()}")


def _check_core(core: str, *, has_files: bool) -> None:
    from m0sim.errors import UsageError
    from m0sim.report import on_core

    on_core.check(core)
    if not has_files:
        raise UsageError(
            "--core is for profiles: add --callgrind FILE, --lcov FILE or the like; reports have both cores"
        )


def _write_profiles(
    done: RunCost,
    firmware: Firmware,
    profiles: dict[str, Path | None],
    exports: Sequence[tuple[Export, Path]],
    core: str,
) -> None:
    from m0sim.report import profile_files
    from m0sim.report.on_core import chosen
    from m0sim.report.sources import Sources

    cores, program = chosen(done, core), firmware.program
    profile_files.write(cores, program, profiles, Sources(firmware.image.path, ()))
    for note in profile_files.notes(cores, program, profiles):
        voice.note(f"note: {printable(note)}")
    for export, path in exports:
        files.write(path, export(cores[0].cost, program))
    if exports and len(cores) > 1:
        voice.note("note: what --export wrote is of core 0 alone; --core 1 is of the other")


def _write(done: RunCost, firmware: Firmware, vcd: Path | None, html: Path | None) -> None:
    if vcd is not None:
        from m0sim.report.vcd import vcd as vcd_of

        files.write(vcd, vcd_of(done.pins, done.state_machines, name=firmware.device.name))
    if html is not None:
        from m0sim.report.page import page

        command = command_of(click.get_current_context(), without=options.WRITTEN)
        files.write(html, page(done.cost, firmware, run=done, command=command))


def _report(
    done: RunCost,
    firmware: Firmware,
    found: tuple[Inlining, Inlining | None],
    json_wanted: bool,
    output: Path | None,
) -> None:
    """`found` is what was inlined, by core."""
    from m0sim.report import run_json, text
    from m0sim.report.run_text import run as report_of

    emit(run_json.run(done, firmware.image.notes_so_far, *found), json_wanted, output)
    if not json_wanted:
        text.show(report_of(done, firmware.device, *found))
