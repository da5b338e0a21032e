"""The command line: one thin verb a command. Heavy modules are imported by the verb that needs them."""

from __future__ import annotations

import gc
import io
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from m0sim.errors import M0simError, UsageError, did_you_mean

if TYPE_CHECKING:
    from m0sim.device import Device
    from m0sim.fault import Fault
    from m0sim.image import Image
    from m0sim.machine import Machine

app = typer.Typer(
    name="m0sim",
    help="Exact cycles, memory traffic, stack and energy of Cortex-M0+ code, from an emulated RP2040.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

#: Base of every error that typer's parser raises (click's ClickException, which typer bundles but does not export).
_ParserError: Any = typer.BadParameter.__mro__[2]

_PARSER_INTERRUPTED = 130  # what typer makes of a KeyboardInterrupt

_SETTINGS: dict[str, Any] = {"help_option_names": ["-h", "--help"]}
# So that -5 is an argument; `_reject_unknown_options` catches what was meant as an option.
_NEGATIVE_NUMBERS = {**_SETTINGS, "ignore_unknown_options": True}

ImageFile = Annotated[Path, typer.Argument(metavar="IMAGE", help="ELF executable, or a raw binary with --base.")]
Profile = Annotated[
    str, typer.Option("--profile", "-p", metavar="NAME|FILE", help="Device: a bundled profile or a .toml file.")
]
Base = Annotated[str, typer.Option("--base", metavar="ADDRESS", help="IMAGE is a raw binary that runs here.")]
DataDirectory = Annotated[Path | None, typer.Option(metavar="DIR", help="Where the files of mnist or cifar10 are.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
OutputFile = Annotated[
    Path | None, typer.Option("--output", "-o", metavar="FILE", help="Also write the JSON object to a file.")
]


def _print_version(wanted: bool) -> None:
    if wanted:
        from m0sim import __version__

        typer.echo(f"m0sim {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


@app.command(context_settings=_NEGATIVE_NUMBERS)
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
    _reject_unknown_options([str(image_file), function, *(args or [])], "call")
    from m0sim import operands
    from m0sim.fault import Fault
    from m0sim.report import data

    machine = _machine(image_file, base, profile)
    values, outputs = operands.parse(machine, args or [])
    stubs = dict(_stub(text) for text in stub or [])
    with _Progress(machine):
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
            _emit(data.call(fault.cost, fault), json_wanted, output)
            if not json_wanted:
                _show_fault(fault)
            raise typer.Exit(1) from None
    for out in outputs:
        out.save()
    _emit(data.call(cost) | {"outputs": [_shown(out) for out in outputs]}, json_wanted, output)
    if not json_wanted:
        from m0sim.report import text

        text.show(text.call(cost, machine.device))
        _show_outputs(outputs)


@app.command("list", context_settings=_SETTINGS)
def list_(image_file: ImageFile, base: Base = "", json_wanted: Json = False, output: OutputFile = None) -> None:
    """Show the functions and sections of an image."""
    from m0sim.report import data

    image = _image(image_file, base)
    _emit(data.listing(image), json_wanted, output)
    if not json_wanted:
        from m0sim.report import text

        text.show(text.listing(image))


@app.command(context_settings=_SETTINGS)
def profiles(
    name: Annotated[str, typer.Argument(metavar="[NAME|FILE]", help="Show this one in full.")] = "",
    json_wanted: Json = False,
    output: OutputFile = None,
) -> None:
    """List the device profiles, or show one."""
    from m0sim import device
    from m0sim.report import data

    chosen = [device.load(name)] if name else [device.load(n) for n in device.names()]
    objects = [data.device(d) for d in chosen]
    _emit(objects[0] if name else {"schema": data.SCHEMA, "profiles": objects}, json_wanted, output)
    if not json_wanted:
        from m0sim.report import text

        text.show(text.profile(chosen[0]) if name else text.profiles(chosen))


@app.command(context_settings=_SETTINGS)
def compare(
    network: Annotated[str, typer.Option(help="tiny-cnn, tiny-cnn-8, mlp, lenet or vgg11.")] = "",
    data_name: Annotated[
        str, typer.Option("--data", help="digits (bundled), mnist, cifar10, or random: noise, for costs alone.")
    ] = "digits",
    data_dir: DataDirectory = None,
    methods: Annotated[str, typer.Option(help="Methods, separated by commas, or all.")] = "all",
    steps: Annotated[int, typer.Option(help="Training steps of each method.")] = 5,
    base: Annotated[
        str, typer.Option(metavar="METHOD", help="What ratios refer to; the first method by default.")
    ] = "",
    mask: Annotated[
        str, typer.Option(help="How PRIOT keeps its mask: fused (least SRAM), bits, or copy (fastest passes).")
    ] = "fused",
    weights: Annotated[str, typer.Option(help="Where PRIOT's frozen weights are: flash or sram.")] = "flash",
    profile: Profile = "rp2040",
    json_wanted: Json = False,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="DIR", help="Write JSON, Markdown, plots and HTML there.")
    ] = None,
) -> None:
    """Run one training step of every method on the chip: cycles, SRAM and flash side by side."""
    _one_blas_thread()
    from m0sim import device
    from m0sim.learn import compare as comparing
    from m0sim.learn import data as datasets
    from m0sim.learn import networks
    from m0sim.learn.onchip import Options
    from m0sim.report import compare_data

    chosen = network or {"digits": "tiny-cnn-8", "cifar10": "vgg11"}.get(data_name, "tiny-cnn")
    if data_name == "random":
        images = datasets.random_images(networks.get(chosen).input_shape)
    else:
        images = datasets.load(data_name, data_dir)
    options = Options(mask_form=mask, weights_place=weights)
    chip = device.load(profile)
    task = comparing.task_of(chosen, images, chip, methods, steps=steps, base=base, options=options)
    if methods == "all" and "fp32" not in task.methods:
        typer.echo("m0sim: fp32 is left out: it is compiled, which needs the extra m0sim[toolchain]", err=True)
    if output is not None:
        _make_folder(output)  # better refused before the work than after it
    with _Bar(steps * len(task.methods)) as bar:
        result = comparing.compare(task, bar.advance)
    if output is not None:
        _write_comparison(result, output)
    if json_wanted:
        _emit(compare_data.to_json(result), True, None)
        return
    from m0sim.report import compare_text, text

    text.show(compare_text.compare(result))
    if output is not None:
        typer.echo(f"\nwritten to {output}: compare.json, compare.md, compare.html, and the plots as PNG and SVG")


@app.command(context_settings=_SETTINGS)
def pretrain(
    network: Annotated[str, typer.Option(help="The network to train.")] = "tiny-cnn-8",
    data_name: Annotated[str, typer.Option("--data", help="digits (bundled), mnist or cifar10.")] = "digits",
    data_dir: DataDirectory = None,
    seed: Annotated[int, typer.Option(help="Of initial weights and the order of images.")] = 0,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The .npz to write.")] = Path(
        "backbone.npz"
    ),
    json_wanted: Json = False,
) -> None:
    """Train a backbone on upright images in NumPy, quantise it, calibrate its shifts, and write it as one .npz."""
    if not output.parent.is_dir():  # better before than after the training
        raise UsageError(f"{output}: there is no folder {output.parent} to write to")
    _one_blas_thread()
    from m0sim.learn import data as datasets
    from m0sim.learn import networks
    from m0sim.learn import pretrain as training

    images = datasets.load(data_name, data_dir)
    with _Bar(0) as bar:
        backbone = training.pretrain(networks.get(network), images, seed, bar.share)
    training.save(backbone, output)
    record = dict(backbone.record)
    _emit({**record, "schema": 1, "file": str(output)}, json_wanted, None)
    if not json_wanted:
        accuracy = record["accuracy"]
        shares = ", ".join(f"{100 * value:.2f} % {name}" for name, value in accuracy.items())
        typer.echo(f"{output}: {network} on {data_name}, upright test accuracy {shares}")


data_app = typer.Typer(help="Data sets.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(data_app, name="data")


@data_app.command("fetch")
def fetch(
    name: Annotated[str, typer.Argument(help="mnist")],
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Where to put the files.")] = Path("data/mnist"),
) -> None:
    """Download a data set and check its checksums."""
    from m0sim.learn import data as datasets

    if name != "mnist":
        raise UsageError(f"cannot fetch {name!r}: only mnist; digits are bundled")
    datasets.fetch_mnist(directory)
    typer.echo(f"mnist is in {directory}")


def _machine(image_file: Path, base: str, profile: str) -> Machine:
    from m0sim import device
    from m0sim.machine import Machine

    chosen: Device = device.load(profile)
    return Machine(_image(image_file, base), chosen)


def _image(path: Path, base: str) -> Image:
    from m0sim import image

    if not base:
        return image.load_elf(path)
    try:
        address = int(base, 0)
    except ValueError:
        raise UsageError(f"--base {base!r} is not an address, such as 0x10000000") from None
    if _is_elf(path):
        raise UsageError(f"{path}: is an ELF file, which says itself where it runs: leave out --base")
    return image.load_raw(path, address)


def _is_elf(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(4) == b"\x7fELF"
    except OSError:
        return False  # the loader says what is wrong


def _stub(text: str) -> tuple[str, int]:
    from m0sim import operands

    name, equals, value = text.partition("=")
    if not name or not equals:
        raise UsageError(f"--stub {text!r}: write NAME=VALUE, such as --stub read_adc=512")
    return name, operands.integer(value)


def _reject_unknown_options(texts: list[str], command: str) -> None:
    """Every option is known to the parser, so a dashed word that came through as an argument must be a number."""
    for text in texts:
        if not text.startswith("-") or text[1:2].isdigit() or text == "-":
            continue
        name = text.partition("=")[0]
        group: Any = typer.main.get_command(app)
        known = [option for parameter in group.commands[command].params for option in parameter.opts]
        raise UsageError(f"no such option: {name}{did_you_mean(name, known)}")


def _emit(result: dict[str, Any], to_stdout: bool, output: Path | None) -> None:
    if not to_stdout and output is None:
        return
    import json

    text = json.dumps(_finite(result), indent=2)
    if to_stdout:
        typer.echo(text)
    if output is not None:
        try:
            output.write_text(text + "\n", encoding="utf-8")
        except OSError as error:
            raise UsageError(f"{output}: cannot write: {error.strerror}") from error


def _finite(value: Any) -> Any:
    """JSON has no NaN or infinity: they become the strings "nan", "inf" and "-inf"."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if isinstance(value, float) and (value != value or abs(value) == float("inf")):
        return str(value)
    return value


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


def _one_blas_thread() -> None:
    """Small matrices are slower on more threads; it has to be said before NumPy is imported."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{folder}: cannot make this folder: {error.strerror}") from error


def _write_comparison(result: Any, folder: Path) -> None:
    from m0sim.report import compare_data, compare_html, compare_plots

    try:
        _emit(compare_data.to_json(result), False, folder / "compare.json")
        (folder / "compare.md").write_text(compare_data.markdown(result), encoding="utf-8")
        (folder / "compare.html").write_text(compare_html.page(result), encoding="utf-8")
        for name, content in compare_plots.files(result).items():
            (folder / name).write_bytes(content)
    except OSError as error:
        raise UsageError(f"{error.filename or folder}: cannot write: {error.strerror}") from error


class _Bar:
    """A progress bar on stderr where that is a terminal."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._done = 0

    def __enter__(self) -> _Bar:
        from rich.console import Console
        from rich.progress import Progress

        self._bar = Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty())
        self._task = self._bar.add_task("", total=self._total or None)
        self._bar.start()
        return self

    def advance(self, label: str, done: int, todo: int) -> None:
        """One more step of the method `label`."""
        self._done += 1
        self._bar.update(self._task, description=f"{label} {done}/{todo}", completed=self._done)

    def share(self, done: int, todo: int) -> None:
        """`done` of `todo`, all told."""
        self._bar.update(self._task, completed=done, total=todo)

    def __exit__(self, *_: object) -> None:
        self._bar.stop()


class _Progress:
    """A line on the terminal while a long call runs; nothing for a short one, or where stderr is no terminal."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._shown = False

    def __enter__(self) -> None:
        if sys.stderr.isatty():
            self._machine.progress = self._show

    def _show(self, cycles: int) -> None:
        self._shown = True
        seconds = self._machine.device.seconds(cycles)
        sys.stderr.write(f"\r{cycles:,} cycles, {seconds:.1f} s on the device (Ctrl-C stops) ")
        sys.stderr.flush()

    def __exit__(self, *_: object) -> None:
        if self._shown:
            sys.stderr.write("\r\x1b[K")


def main() -> None:
    """Entry point of the console script: every error is one line; usage errors exit with 2, faults with 1."""
    gc.set_threshold(100_000)  # importing makes many objects and no garbage: collecting then doubles start-up time
    code: Any = 0
    try:
        if isinstance(sys.stdout, io.TextIOWrapper):  # symbols may have names that the terminal has no letters for
            sys.stdout.reconfigure(errors="backslashreplace")
        code = app(_arguments(), standalone_mode=False)
        if code == _PARSER_INTERRUPTED:
            raise KeyboardInterrupt
        sys.stdout.flush()
    except UsageError as error:
        _fail(str(error), 2)
    except M0simError as error:
        _fail(str(error), 1)
    except _ParserError as error:
        _fail(error.format_message(), error.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        _fail("interrupted", 1)
    except SystemExit:  # the parser's answer to a closed pipe: the reader, such as head, has seen enough
        code = 0
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is still buffered goes nowhere
        if not isinstance(error, BrokenPipeError):  # that is a reader, such as head, that has seen enough
            _fail(error.strerror or str(error), 2)
    finally:
        gc.freeze()  # nor is there anything to collect at exit: a third of the run time of a small call
    sys.exit(code if isinstance(code, int) else 0)


def _arguments() -> list[str]:
    """What was typed, with negative octal numbers in decimal: the parser would find the option -o in -0o17."""
    return [str(int(text, 0)) if re.fullmatch("-0[oO](_?[0-7])+", text) else text for text in sys.argv[1:]]


def _fail(message: str, code: int) -> None:
    one_line = " ".join(message.split())
    sys.stderr.write(f"m0sim: {one_line}\n")
    sys.exit(code)
