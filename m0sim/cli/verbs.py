"""The table of verbs, and the group that imports a verb's module only when that verb was typed.

The study's verbs stand here by name alone: nothing in the profiler imports the study.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any

import click


@dataclass(frozen=True, slots=True)
class Verb:
    """Where a verb is, as ``module:name``, and what the list of verbs says about it: one line of a terminal."""

    place: str
    help: str

    def load(self) -> click.Command:
        """Import it."""
        module, _, name = self.place.partition(":")
        command = getattr(import_module(module), name)
        assert isinstance(command, click.Command)
        return command


PROFILER = {
    "annotate": Verb("m0sim.cli.annotate:annotate", "Call one function and show what each instruction costs."),
    "call": Verb("m0sim.cli.call:call", "Call one function and show what it costs."),
    "check": Verb("m0sim.cli.check:check", "Measure the benches of a manifest against the baseline."),
    "completion": Verb("m0sim.cli.completion_verb:completion", "Print what completes verbs and options in a shell."),
    "diff": Verb("m0sim.cli.check:diff", "Compare two baselines, or two results of `m0sim call`."),
    "export": Verb("m0sim.cli.export:export", "Write an image that measures calls on a real Pico."),
    "gdb": Verb("m0sim.cli.gdb:gdb", "Let GDB debug firmware or a call, with its cycles."),
    "history": Verb("m0sim.cli.history:history", "Show how costs changed over runs of `m0sim check`."),
    "init": Verb("m0sim.cli.init:init", "Write a first m0sim.toml for an image."),
    "list": Verb("m0sim.cli.listing:list_", "Show the functions and sections of an image."),
    "plugins": Verb("m0sim.cli.plugins:plugins", "List what installed packages add to m0sim."),
    "profiles": Verb("m0sim.cli.profiles:profiles", "List the device profiles, or show one."),
    "run": Verb("m0sim.cli.run:run", "Run whole firmware from reset until it stops."),
    "schema": Verb("m0sim.cli.schema:schema", "Print the JSON Schema of what a verb prints."),
    "size": Verb("m0sim.cli.size:size", "Show what an image takes in flash and SRAM, and what grew."),
    "stack": Verb("m0sim.cli.stack:stack", "Bound the stack of functions by their code alone."),
}
STUDY = {
    "budget": Verb("m0sim.study.cli.budget:budget", "What can be trained in so much SRAM, and what it costs."),
    "compare": Verb("m0sim.study.cli.compare:compare", "Run a training step of every method on the chip."),
    "data": Verb("m0sim.study.cli.data:data", "Data sets."),
    "export-model": Verb("m0sim.study.cli.export_model:export_model", "Write a network as C and as ONNX."),
    "import": Verb("m0sim.study.cli.import_:import_", "Make an int8 backbone of a float model (ONNX)."),
    "pretrain": Verb("m0sim.study.cli.pretrain:pretrain", "Train a backbone, quantise and calibrate it."),
    "study": Verb("m0sim.study.cli.study:study", "Tune and train every method with several seeds."),
    "sweep": Verb("m0sim.study.cli.sweep:sweep", "Measure a grid of configurations on all cores."),
    "train": Verb("m0sim.study.cli.train:train", "Let a backbone learn rotated images on the chip."),
}
SECTIONS = {"Commands": PROFILER, "Commands for learning on the device": STUDY}
VERBS = PROFILER | STUDY


class Verbs(click.Group):
    """The group of all verbs. Its help, completion and suggestions need the table only."""

    def __init__(self, **settings: Any) -> None:
        listed = {name: click.Command(name, short_help=verb.help) for name, verb in VERBS.items()}
        super().__init__(commands=listed, **settings)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """What click found for the words that were typed, with the real verb in the place of the listed one."""
        name, _, rest = super().resolve_command(ctx, args)
        return name, VERBS[name].load() if name else None, rest

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The profiler's verbs, and those of the study."""
        for title, verbs in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(name, verb.help) for name, verb in verbs.items()])
