"""A method that cannot train a network says so in one line: left out of all methods, refused where it was named."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from m0sim.errors import UsageError
from m0sim.study.learn import datasets as data
from m0sim.study.learn import float_step, methods, networks, side_by_side
from m0sim.study.learn.config import Config, DeviceOptions
from m0sim.study.learn.networks import Add, AveragePool, Conv, Dense, Depthwise, Layer, Network, Pool
from m0sim.study.whatif import budget
from m0sim.study.whatif.configuration import configure

LACKING: dict[str, tuple[Layer, ...]] = {
    "biases": (Conv(2), Dense(3, bias=True)),
    "depthwise convolutions": (Conv(2), Depthwise(), Dense(3)),
    "average pools": (Conv(2), AveragePool(), Dense(3)),
    "pools but of 2 x 2": (Conv(2), Pool((1, 2)), Dense(3)),
    "additions": (Conv(2), Conv(2), Add(0), Dense(3)),
    "paddings that differ between rows and columns": (Conv(2, pad=(0, 1)), Dense(3)),
}
APART = Network("apart", (8, 8, 1), (Conv(4), Depthwise(), Dense(10)))


@pytest.mark.parametrize("what", LACKING)
def test_fp32_says_what_it_has_no_code_for(what: str) -> None:
    network = Network("some", (4, 6, 2), LACKING[what])
    assert methods.get("fp32").unsupported(network) == f"its C code has no {what}"
    assert not any(methods.get(name).unsupported(network) for name in methods.integer_names())
    with pytest.raises(UsageError, match=f"fp32 does not train some: its C code has no {what}"):
        methods.get("fp32").outline(network, 0, None, DeviceOptions())
    with pytest.raises(ValueError, match=f"some: its C code has no {what}"):
        float_step.build(network, 0.01)


def test_fp32_trains_what_is_bundled_and_lists_all_that_is_lacking() -> None:
    assert not any(methods.get("fp32").unsupported(network) for network in networks.NETWORKS.values())
    both = replace(APART, layers=(*APART.layers[:-1], Dense(10, bias=True)))
    assert methods.get("fp32").unsupported(both) == "its C code has no biases and no depthwise convolutions"
    with pytest.raises(UsageError, match="fp32 does not train apart: its C code has no depthwise convolutions; choose"):
        methods.get("fp32").model(APART, (), Config(()), side_by_side.Examples(*[[]] * 2), 0)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["priot", "priot-threshold", "priot-s"])
def test_score_gradients_that_may_leave_32_bits_are_refused(name: str) -> None:
    """W * G of all positions at their largest, and half of 2**24: 36 * 29 = 1,044 positions fit, 1,045 do not."""
    assert 1044 * 127**3 + 2**23 < 2**31 <= 1045 * 127**3 + 2**23
    method, last = methods.get(name), Dense(3)
    assert not method.unsupported(Network("fits", (36, 29, 1), (Conv(2), last)))
    assert not method.unsupported(Network("pooled", (72, 58, 1), (Conv(2), Pool(), last)))
    why = "layer 0 has an error at 1,045 positions, and W * G of more than 1,044 may leave 32 bits"
    assert method.unsupported(Network("large", (55, 19, 1), (Conv(2), last))) == why
    assert not methods.get("niti-static").unsupported(Network("large", (55, 19, 1), (Conv(2), last)))


def test_all_methods_leave_it_out_and_a_named_one_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(networks.NETWORKS, "apart", APART)
    refused = re.escape("fp32 does not train apart: its C code has no depthwise convolutions")
    left = ["fp32 is left out: its C code has no depthwise convolutions"]

    def compared(text: str) -> tuple[str, ...]:
        digits, chip = data.load("digits"), side_by_side.Device
        task = side_by_side.task_of("apart", digits, chip, text, steps=1, base="", options=DeviceOptions())  # type: ignore[arg-type]
        return task.methods

    def planned(text: str) -> tuple[str, ...]:
        return budget.chosen_methods(text, budget.Knobs(), "apart")

    for chosen in (compared, planned):
        assert chosen("all") == methods.integer_names()
        assert side_by_side.left_out("all", chosen("all"), APART) == left
        assert chosen("priot,tin-tin") == ("priot", "tin-tin")
        with pytest.raises(UsageError, match=refused):
            chosen("priot,fp32")
    with pytest.raises(UsageError, match=refused):
        configure("apart", "fp32")
