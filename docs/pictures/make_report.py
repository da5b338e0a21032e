"""Draw docs/pictures/report-light.png and report-dark.png: the HTML report of one training step on the chip.

Needs Chromium and `make kernels`. Run it after a change to the report: python docs/pictures/make_report.py [PAGE.html]
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from m0sim.chip import device
from m0sim.report.page import page
from m0sim.study.learn import datasets as data
from m0sim.study.learn import kernels, methods, networks, onchip
from m0sim.study.learn.calibrate import calibrate
from m0sim.study.learn.config import DeviceOptions
from m0sim.study.learn.pretrain import bundled
from m0sim.study.learn.program import DeviceProgram

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "tests"))
WIDTH, HEIGHT = 1200, 1250  # CSS pixels: down to the first functions


def main() -> None:
    program, images, labels = training_step("tiny-cnn-8", "priot")
    cost = program.step(images[0], int(labels[0]))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(sys.argv[1] if len(sys.argv) > 1 else f"{folder}/report.html")
        file.write_text(page(cost, program.machine), encoding="utf-8")
        draw(file)


def training_step(network_name: str, method_name: str) -> tuple[DeviceProgram, Any, Any]:
    """A network on the RP2040, ready for its first step, and images to train on."""
    network, method, backbone = networks.get(network_name), methods.get(method_name), bundled(network_name)
    digits = data.load("digits")
    images, labels = data.network_input(digits.images[:64]), digits.labels[:64]
    frozen = method.freeze(network, backbone.weights, backbone.config)
    config = calibrate(network, method, backbone.weights, images, labels, backbone.config)
    plan = onchip.plan(network, method.device, config, frozen, DeviceOptions())
    state = method.initial_state(network, frozen, config, 0)
    return onchip.deploy(plan, config, frozen, state, kernels.load(), device.load("rp2040")), images, labels


def draw(file: Path) -> None:
    """Both colour schemes."""
    from browser import Browser

    with Browser() as browser:
        for scheme in ("light", "dark"):
            picture = HERE / f"report-{scheme}.png"
            browser.open(file, width=WIDTH, dark=scheme == "dark").screenshot(picture, height=HEIGHT)


if __name__ == "__main__":
    main()
