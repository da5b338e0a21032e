"""Networks as TOML: what is read, what is written, and what is refused, in one line with file and line."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m0sim.errors import UsageError
from m0sim.study.learn import network_limits, network_toml, networks
from m0sim.study.learn.networks import Add, AveragePool, Conv, Dense, Depthwise, Layer, Network, Pool

FILE = Path("net.toml")
HEAD = '[network]\nname = "mine"\ninput = [8, 8, 1]\n'


def read(text: str) -> Network:
    return network_toml.parse(text, FILE)


def layers(*bodies: str, head: str = HEAD) -> str:
    return head + "".join(f"[[layer]]\n{body}\n" for body in bodies)


def test_what_a_person_writes_is_read() -> None:
    found = read(
        layers(
            "conv = 8",
            'pool = 2\nname = "small"',
            'depthwise = true\nkernel = 5\npad = "same"\nbias = true',
            'add = "small"',
            "conv = 12\nkernel = [1, 3]\npad = [0, 1]\nstride = 2",
            "average = [2, 1]",
            "dense = 10\nbias = true",
        )
    )
    assert found == Network(
        "mine",
        (8, 8, 1),
        (
            *(Conv(8), Pool(), Depthwise((5, 5), pad=2, bias=True), Add(1)),
            *(Conv(12, (1, 3), stride=2, pad=(0, 1)), AveragePool((2, 1)), Dense(10, bias=True)),
        ),
    )


def test_signals_are_images_of_one_row() -> None:
    head = '[network]\nname = "wave"\ninput = [128, 3]\n'
    found = read(
        layers("conv = 8", "pool = 2", 'depthwise = 5\npad = "same"', 'average = "all"', "dense = 3", head=head)
    )
    assert found.input_shape == (1, 128, 3)
    assert found.layers == (
        *(Conv(8, (1, 3), pad=(0, 1)), Pool((1, 2)), Depthwise((1, 5), pad=(0, 2)), AveragePool(None), Dense(3)),
    )
    assert [stage.raw_shape for stage in found.stages] == [(1, 128, 8), (1, 64, 8), (3,)]


@pytest.mark.parametrize("name", networks.NETWORKS)
def test_bundled_networks_go_there_and_back(name: str) -> None:
    network = networks.get(name)
    assert read(network_toml.dumps(network)) == network


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("", 1, "network: missing"),
        ("[network]\nnam = 'a'\n", 2, "unknown key; did you mean 'name'"),
        ("[network]\nname = 'a b'\n", 2, "letters, digits"),
        ("[network]\nname = 'a'\n", 1, "input: missing"),
        ("[network]\nname = 'a'\ninput = [8]\n", 3, "of signals [length, channels]"),
        ("[network]\nname = 'a'\ninput = [8, 8, 0]\n", 3, "each 1 to 65,535"),
        ("[network]\nname = 'a'\ninput = [8, 8, true]\n", 3, "each 1 to"),
        ("[network]\nname = 'a'\ninput = [8, 8, 1]\n", 1, "layer: missing"),
        ("[network]\nname = 'a'\ninput = [2000, 2000, 1]\n[[layer]]\ndense = 2\n", 3, "4,000,000 values"),
        (layers("cnov = 8", "dense = 10"), 5, "unknown key; did you mean 'conv'"),
        (layers("conv = 8\nkernal = 3", "dense = 10"), 6, "did you mean 'kernel'"),
        (layers("kernel = 3", "dense = 10"), 4, "a layer has one of conv, depthwise, pool, average, dense, add"),
        (layers("conv = 8\npool = 2", "dense = 10"), 6, "it has conv and pool"),
        (layers("conv = 8", "dense = 10\nstride = 2"), 8, "dense has no stride"),
        (layers("conv = 0", "dense = 10"), 5, "from 1 to 65535"),
        (layers("conv = 8\nkernel = [3]", "dense = 10"), 6, "an integer or [rows, columns]"),
        (layers("conv = 8\nkernel = 4\npad = 'same'", "dense = 10"), 7, "odd kernels"),
        (layers("conv = 8\npad = 3", "dense = 10"), 5, "less than the kernel's 3 x 3"),
        (layers("conv = 8\nkernel = 11\npad = 0", "dense = 10"), 5, "leaves nothing of the image: 8 x 8 x 1 comes in"),
        (layers("pool = 2", "dense = 10"), 5, "must be a convolution or dense, not a pool"),
        (layers("conv = 8", "pool = 3", "dense = 10"), 7, "must be 2, [1, 2] or [2, 1]"),
        (layers("conv = 8", "average = 0", "dense = 10"), 7, "or 'all'"),
        (layers("conv = 8"), 5, "is the last one and must be dense"),
        (layers("dense = 1"), 5, "one for each class, 2 to 256"),
        (layers("dense = 257"), 5, "one for each class, 2 to 256"),
        (layers("dense = 40000", "dense = 60000", "dense = 2"), 3, "weights: at most 16,777,216"),
        (layers("depthwise = false", "dense = 10"), 5, "or true, not False"),
        (layers("depthwise = 3\nkernel = 3", "dense = 10"), 6, "is there twice"),
        (layers("conv = 8\nname = 'a'", "conv = 8\nname = 'a'", "dense = 10"), 9, "must be another one"),
        (layers("conv = 8\nname = 'first'", "conv = 8", "add = 'frist'", "dense = 10"), 10, "did you mean 'first'"),
        (
            layers("conv = 8\nname = 'a'", "pool = 2", "conv = 8", "add = 'a'", "dense = 10"),
            12,
            "by the pool behind it",
        ),
        (layers("conv = 8\nname = 'a'", "conv = 9", "add = 'a'", "dense = 10"), 8, "'a' gives 8 x 8 x 8, needed is"),
        (layers("dense = 4\nname = 'input'", "dense = 10"), 6, "must be another one"),
        (layers("dense = 10", head=HEAD.replace("mine", "mlp")), 2, "is the name of a bundled network"),
        (layers(*["dense = 3"] * 65), 3, "65 layers: a network has 1 to 64"),
    ],
)
def test_what_is_wrong_is_said_in_one_line_with_its_place(text: str, line: int, says: str) -> None:
    with pytest.raises(UsageError) as refused:
        read(text)
    assert str(refused.value).startswith(f"net.toml:{line}: ")
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_bundled_name_may_have_biases() -> None:
    wanted = networks.with_biases(networks.get("tiny-cnn-8"), [True, False, False, True])
    assert read(network_toml.dumps(wanted)) == wanted


def test_what_could_not_be_read_is_not_written() -> None:
    with pytest.raises(UsageError, match="name"):
        network_toml.dumps(Network("no name\n", (8, 8, 1), (Dense(10),)))
    with pytest.raises(UsageError, match="one for each class"):
        network_toml.dumps(Network("one", (8, 8, 1), (Dense(1),)))


@pytest.mark.parametrize(
    ("network", "says"),
    [
        (Network("a", (8, 8), (Dense(2),)), "must be [height, width, channels]"),
        (Network("a", (8, 8, 1), ()), "0 layers"),
        (Network("a", (8, 8, 1), (Conv(2, (3, 3), stride=0), Dense(2))), "layer 0 has a stride of 0"),
        (Network("a", (8, 8, 1), (Conv(2, (0, 3)), Dense(2))), "layer 0 has a kernel of 0 x 3"),
        (
            Network("a", (9, 40, 1), (Depthwise((1, 16), pad=0), Dense(2))),
            "layer 0 is depthwise with a kernel of 1 x 16",
        ),
        (Network("a", (8, 8, 1), (Conv(2), Pool((3, 3)), Dense(2))), "layer 1 is a maximum over 3 x 3"),
        (Network("a", (300, 300, 1), (Conv(2, pad=0), Dense(2))), "layer 0 has 88,804 positions"),
        (Network("a", (100, 100, 8), (Dense(4), Dense(2))), "layer 0 has 80,000 inputs an output"),
        (Network("a", (200, 200, 1), (Dense(4, bias=True), Dense(2))), "with biases"),
        (Network("a", (100, 100, 1), (Conv(2), AveragePool(None), Dense(2))), "averaged over 10,000 positions"),
        (Network("a", (128, 128, 1), (Conv(65), Dense(2))), "gives 1,064,960 values"),
        (
            Network("a", (60, 60, 64), (Conv(64, (9, 9)), Pool(), Conv(64, (9, 9)), Pool(), Dense(2))),
            "multiply-accumulates",
        ),
    ],
)
def test_python_objects_have_the_same_limits(network: Network, says: str) -> None:
    with pytest.raises(ValueError, match=re.escape(says)):
        network_limits.check(network)


@st.composite
def stacks(draw: st.DrawFn) -> Network:
    """Networks of every kind of layer on images or signals; most of them fit together, all are written and read."""
    is_signal = draw(st.booleans())
    side = st.integers(1, 5)

    def pair(low: int, high: int) -> tuple[int, int]:
        return draw(st.integers(low, high)) if not is_signal else low, draw(st.integers(low, high))

    def shaped() -> tuple[tuple[int, int], int, int | tuple[int, int], bool]:
        kernel = pair(1, 3)
        pads = draw(st.integers(0, kernel[0] - 1)), draw(st.integers(0, kernel[1] - 1))
        pad = pads[0] if pads[0] == pads[1] else pads
        return kernel, draw(st.integers(1, 2)), pad, draw(st.booleans())

    found: list[Layer] = []
    for _ in range(draw(st.integers(0, 4))):
        found.append(Conv(draw(side), *shaped()) if draw(st.booleans()) else Depthwise(*shaped()))
        behind = draw(st.sampled_from(["", "pool", "average", "add"]))
        if behind == "pool":
            found.append(Pool((1, 2) if is_signal else draw(st.sampled_from(network_limits.POOLS))))
        elif behind == "average":
            found.append(AveragePool(draw(st.sampled_from([None, pair(1, 3)]))))
        elif behind == "add":
            found[-1:] = [Conv(1), found[-1], Conv(1), Add(len(found))] if not is_signal else [found[-1]]
    found += [Dense(draw(side), draw(st.booleans())) for _ in range(draw(st.integers(0, 2)))]
    shape = (1 if is_signal else draw(st.integers(1, 20)), draw(st.integers(1, 40)), draw(side))
    return Network("drawn", shape, (*found, Dense(draw(st.integers(2, 9)))))


@given(stacks())
def test_written_networks_are_read_as_they_were(network: Network) -> None:
    try:
        network_limits.check(network)
    except ValueError:
        with pytest.raises(UsageError):
            network_toml.dumps(network)
        return
    text = network_toml.dumps(network)
    assert read(text) == network
    assert read(text.replace("stride = 1\n", "")) == network  # the defaults are those that the page says


@given(st.text(max_size=200), st.integers(0, 200))
def test_damaged_files_are_refused_in_one_line(junk: str, at: int) -> None:
    text = network_toml.dumps(networks.get("tiny-cnn-8"))
    said = ""
    try:
        read(text[:at] + junk + text[at:])
    except UsageError as error:
        said = str(error)
    assert "\n" not in said
    assert not said or said.startswith("net.toml:")


def test_a_copy_with_another_name_is_another_network() -> None:
    network = replace(networks.get("mlp"), name="mine")
    assert read(network_toml.dumps(network)) == network != networks.get("mlp")
