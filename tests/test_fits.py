"""What fits a chip: one rule for every verb, and it is that of the machine that places the bytes."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import pytest

from m0sim import cli
from m0sim.chip import device
from m0sim.chip.device import Device, MemoryRegion
from m0sim.errors import UsageError
from m0sim.study.learn import datasets as data
from m0sim.study.learn import deployment, fit, float_step, kernels, methods
from m0sim.study.learn import side_by_side as compare
from m0sim.study.learn.deployment import Deployment
from m0sim.study.learn.experiment.setting import Setting, model_of
from m0sim.study.learn.fit import Need
from m0sim.study.learn.methods.fp32 import real_weights
from m0sim.study.learn.pretrain import bundled
from m0sim.study.learn.program import DeviceProgram
from m0sim.study.whatif import measure, planned, results, solve
from m0sim.study.whatif.configuration import configure, wide_network
from m0sim.study.whatif.grid import Point
from m0sim.study.whatif.planned import Planned
from m0sim.study.whatif.sizes import SramRoom

try:
    kernels.load()
except UsageError as missing:
    pytest.skip(str(missing), allow_module_level=True)

CHIP = device.load("rp2040")
BASE = 0x20000000
NARROW = 0.25  # a network of this width: its plans end at other places
CONFIGURATIONS = [
    *((method, 1.0) for method in methods.integer_names()),
    *((method, NARROW) for method in ("niti-dynamic", "priot-s", "tin-tin")),
]


def chip(*sizes: int, flash: int = 1 << 20, apart: int = 0x10000) -> Device:
    """A chip with SRAM regions of these sizes, `apart` from begin to begin."""
    regions = [MemoryRegion(f"sram{i}", "sram", BASE + i * apart, size) for i, size in enumerate(sizes)]
    return replace(CHIP, regions=(MemoryRegion("flash", "flash", 0x10000000, flash), *regions), aliases=())


@lru_cache
def start(width: float) -> compare.StartingPoint:
    task = compare.ComparisonTask(wide_network("tiny-cnn-8", width), data.load("digits"), CHIP, (), 1)
    return compare.start_of(task)


def plan(method: str, width: float = 1.0) -> Planned:
    return planned.plan(configure("tiny-cnn-8", method, width=width))


def placed(made: Planned, where: Device, monkeypatch: pytest.MonkeyPatch) -> DeviceProgram:
    """The step on that very chip: no enlarged copy is made."""
    monkeypatch.setattr(deployment, "chip_for", lambda need, device: device)
    model = measure.model_of(made.configuration, start(made.configuration.width), 0)
    return measure.deployment_of(made, model, where).program(model.initial())


def needed(made: Planned) -> int:
    """Plan and stack, both from an address that 8 divides; written down a second time."""
    return (made.plan.sram_bytes + 7 & ~7) + (made.stack_bytes + 7 & ~7)


@pytest.mark.parametrize(("method", "width"), CONFIGURATIONS)
def test_what_just_fits_runs_and_a_byte_less_does_not(method: str, width: float, monkeypatch) -> None:
    made = plan(method, width)
    size = needed(made)
    assert made.needed_bytes == size
    image, label = start(width).training[0][0], int(start(width).training[1][0])
    cost = placed(made, chip(size), monkeypatch).step(image, label)
    assert cost.cycles == placed(made, CHIP, monkeypatch).step(image, label).cycles
    assert cost.stack_bytes <= made.stack_bytes
    for less in (1, 4, 8):
        with pytest.raises(UsageError):
            placed(made, chip(size - less), monkeypatch)


@pytest.mark.parametrize(("method", "width"), CONFIGURATIONS)
@pytest.mark.parametrize("less", [0, 1])
def test_every_verb_says_the_same(method: str, width: float, less: int) -> None:
    made = plan(method, width)
    size = needed(made) - less
    here, room = chip(size), SramRoom(str(size), (size,))
    point = Point({"network": "tiny-cnn-8"}, made.configuration, here, 0, "")
    says = {
        "budget": made.fits(room, here),
        "budget, spare": made.spare_bytes(room) >= 0,
        "solve": solve.first_fit([made.configuration], solve.Space(room, here)) is not None,
        "sweep": results._planned(point)["fits"],
    }
    if width == 1.0:
        backbone = bundled("tiny-cnn-8")
        examples = start(width).examples(methods.get(method))
        train = Deployment.of(model_of(Setting(method), backbone, examples, 0), made.configuration.options, here)
        says |= {"train": train.is_fit, "train, bytes": train.need.sram_bytes <= size}
    assert says == dict.fromkeys(says, less == 0)


@pytest.mark.parametrize("less", [0, 4])
def test_on_the_command_line_with_a_profile_of_that_size(less: int, monkeypatch, capsys, tmp_path: Path) -> None:
    """Where `budget` said "fits, spare 0" `compare` refused once."""
    size = needed(plan("niti-static"))
    profile = tmp_path / "tight.toml"
    profile.write_text(
        'core = "cortex-m0plus"\nclock_hz = 48_000_000\n'
        '[[memory]]\nname = "flash"\nkind = "flash"\nbase = 0x0800_0000\nsize = 0x2_0000\n'
        f'[[memory]]\nname = "sram"\nkind = "sram"\nbase = 0x2000_0000\nsize = {size - less}\n'
    )
    chosen = ("--network", "tiny-cnn-8", "--methods", "niti-static", "--profile", str(profile), "--json")

    def told(*arguments: str) -> dict:
        monkeypatch.setattr(sys, "argv", ["m0sim", *arguments, *chosen])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        assert not ended.value.code
        return json.loads(capsys.readouterr().out)

    row = told("budget", "--sram", str(size - less))["rows"][0]
    compared = told("compare", "--steps", "1")["methods"][0]
    assert row["fits"] == compared["fits"] == (less == 0)
    assert row["spare_bytes"] == -less
    assert row["needed_bytes"] == compared["sram_planned"] == size


@pytest.mark.skipif(not float_step.is_available(), reason="compiles C: needs m0sim[toolchain]")
def test_what_just_fits_of_float32(monkeypatch) -> None:
    made = planned.plan(configure("tiny-cnn-8", "fp32"))
    size = needed(made)
    weights = real_weights(start(1.0).weights, start(1.0).config)
    assert float_step.FloatProgram(made.plan, chip(size), weights, "zig").fits
    assert not float_step.FloatProgram(made.plan, chip(size - 1), weights, "zig").fits
    image, label = start(1.0).training[0][0], int(start(1.0).training[1][0])
    tight = placed(made, chip(size), monkeypatch).step(image, label)
    assert tight.cycles == placed(made, CHIP, monkeypatch).step(image, label).cycles
    monkeypatch.setattr(float_step, "chip_for", lambda need, device: device)
    with pytest.raises(UsageError):
        float_step.FloatProgram(made.plan, chip(size - 1), weights, "zig")


class TestStretches:
    """SRAM that lies apart: the plan in the first stretch, the stack at the end of the last that holds it."""

    def test_regions_that_follow_one_another_are_one(self) -> None:
        assert fit.stretches(chip(0x1000, 0x1000, 0x800, apart=0x1000)) == [0x2800]
        assert fit.stretches(chip(0x1000, 0x1000, 0x800, apart=0x2000)) == [0x1000, 0x1000, 0x800]

    @pytest.mark.parametrize(
        ("sizes", "fits"),
        [
            (lambda whole, plan, stack: (plan, stack), True),
            (lambda whole, plan, stack: (plan - 1, stack), False),
            (lambda whole, plan, stack: (plan, stack - 1), False),
            (lambda whole, plan, stack: (plan - 1, 4096), False),
            (lambda whole, plan, stack: (whole, 64), True),
            (lambda whole, plan, stack: (whole - 1, 64), False),
            (lambda whole, plan, stack: (plan, 64, 4096, 64), True),
        ],
    )
    def test_the_machine_agrees(
        self, sizes: Callable[[int, int, int], tuple[int, ...]], fits: bool, monkeypatch
    ) -> None:
        made = plan("niti-static")
        stack = -(-made.stack_bytes // 8) * 8
        where = chip(*sizes(needed(made), made.plan.sram_bytes, stack))
        assert made.need.fits(where) == fits
        if not fits:
            with pytest.raises(UsageError):
                placed(made, where, monkeypatch)
            return
        monkeypatch.undo()
        measured = measure.measure(made, where, start(1.0))  # which refuses a step that leaves plan and stack
        assert measured.cycles == measure.measure(made, CHIP, start(1.0)).cycles


@pytest.mark.parametrize(
    ("banks", "fits"), [((8864, 224), True), ((8865, 223), False), ((8863, 224), False), ((4096, 4768, 224), True)]
)
def test_in_banks_the_stack_is_within_the_last(banks: tuple[int, ...], fits: bool) -> None:
    assert Need(8864, 224, 0).fits_banks(banks) == fits


class TestFlash:
    def test_at_the_boundary(self) -> None:
        made = plan("priot-s")
        flash = made.plan.flash_bytes + fit.FLASH_FOR_CODE
        room = SramRoom("64K", (65536,))
        assert made.fits(room, chip(65536, flash=flash))
        assert not made.fits(room, chip(65536, flash=flash - 1))
        assert made.need.fits(chip(65536, flash=flash))
        assert not made.need.fits(chip(65536, flash=flash - 1))

    def test_no_flash_holds_nothing(self) -> None:
        bare = replace(CHIP, regions=CHIP.srams)
        assert not Need(8, 8, 8).fits(bare)
        with pytest.raises(UsageError, match="has no flash"):
            fit.chip_for(Need(8, 8, 8), bare)

    @pytest.mark.parametrize("method", methods.integer_names())
    def test_what_is_set_aside_for_code_is_enough(self, method: str, monkeypatch) -> None:
        program = placed(plan(method), CHIP, monkeypatch)
        assert program.flash_bytes <= program.plan.flash_bytes + fit.FLASH_FOR_CODE


def test_what_fits_runs_on_the_chip_itself() -> None:
    assert fit.chip_for(Need(1000, 100, 1000), CHIP) is CHIP
    grown = fit.chip_for(Need(1 << 20, 320, 1000), CHIP)
    assert Need(1 << 20, 320, 1000).fits(grown)
