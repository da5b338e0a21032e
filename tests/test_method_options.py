"""Options of methods: what each one uses, in one line what is refused, and what a run makes of them."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_cli import Run, run  # noqa: F401

from m0sim.errors import UsageError
from m0sim.study.learn import methods, networks
from m0sim.study.learn.config import Config, DeviceOptions
from m0sim.study.learn.experiment import study_file
from m0sim.study.learn.experiment.setting import Setting, tuned
from m0sim.study.learn.methods.options import SHARED, Option, check_declared, shared
from m0sim.study.whatif import grid

SCORES = ("keep", "refresh", "deviation")
EVERY = ("trained", "sharpness", "cool")
USED = {
    "niti-dynamic": EVERY,
    "niti-static": EVERY,
    "niti-partial": EVERY,
    "niti-replay": EVERY,
    "priot": (*EVERY, *SCORES),
    "priot-threshold": (*EVERY, "theta", "deviation"),
    "priot-s": (*EVERY, *SCORES, "theta", "prune", "fraction", "selection", "spread"),
    "priot-s-head": (*EVERY, *SCORES, "theta", "prune", "fraction", "selection", "spread"),
    "tin-tin": EVERY,
    "bias-last": EVERY,
    "zo-int8": EVERY,
    "fp32": (),
}
VALUES = {**dict.fromkeys(SHARED, 1), "prune": "top-k", "selection": "largest", "spread": "root"}


@pytest.mark.parametrize("name", USED)
@pytest.mark.parametrize("option", SHARED)
def test_what_a_method_uses_is_taken_and_all_else_refused(name: str, option: str) -> None:
    given = {
        option: VALUES[option],
        **({"prune": "threshold"} if option == "theta" and name.startswith("priot-s") else {}),
    }
    if option in USED[name]:
        assert Setting(name, 0, given).options == given
        return
    users = [other for other, used in USED.items() if option in used]
    with pytest.raises(UsageError, match=f"^{name} has no option {option}: it is for .*{users[-1]}$") as error:
        Setting(name, 0, {option: VALUES[option]})
    assert all(user in str(error.value) for user in users)


def test_an_option_of_one_methods_own_is_refused_for_others_whatever_its_value() -> None:
    for value in (60, "60", 101):
        with pytest.raises(UsageError, match=r"^niti-static has no option lo: it is for niti-partial$"):
            Setting("niti-static", 0, {"lo": value})


def test_of_two_shares_the_first_must_not_be_the_larger() -> None:
    method = methods.get("niti-partial")
    assert dict(method.configured(Config(()), {"lo": 40, "hi": 40}).own) == {"lo": 40, "hi": 40}
    for shares in ({"lo": 60, "hi": 59}, {"lo": 100, "hi": 0}):
        with pytest.raises(UsageError, match=r"^niti-partial: lo, \d+, must not be above hi, \d+$"):
            method.configured(Config(()), shares)


def test_defaults_are_those_of_the_configuration() -> None:
    defaults = {field.name: getattr(Config(()), field.name) for field in fields(Config)} | {"sharpness": 0}
    assert all(option.default == defaults[name] for name, option in SHARED.items())
    for name in methods.names():
        found = methods.get(name)
        configured = found.configured(Config(()), {})
        assert dict(configured.own) == {n: o.default for n, o in found.options.items() if n not in SHARED}
        assert replace(configured, own=()) == Config((), trained=found.default_trained)
        check_declared(found.options)
        assert found.can_leave_layers == ("trained" in found.options)


@pytest.mark.parametrize("option", ["keep", "refresh"])
def test_an_option_without_effect_beside_another_is_refused(option: str) -> None:
    Setting("priot-s", 0, {option: 1, "prune": "top-k"})
    with pytest.raises(UsageError, match=f"{option} has no effect on priot-s unless prune is top-k"):
        tuned("priot-s", None, {option: 1})  # tuned prunes by a threshold
    with pytest.raises(UsageError, match="theta has no effect on priot-s unless prune is threshold"):
        Setting("priot-s", 0, {"theta": 3})


def test_what_was_tuned_is_left_out_where_it_has_no_effect() -> None:
    assert "theta" in tuned("priot-s", None, {}).options
    assert tuned("priot-s", None, {"prune": "top-k", "keep": 0.5}).options == {
        "selection": "sensitive",
        "spread": "root",
        "prune": "top-k",
        "keep": 0.5,
    }


TRAIN = (
    "train",
    "--images",
    "4",
    "--epochs",
    "1",
    "--validation-images",
    "4",
    "--test-images",
    "4",
    "--engine",
    "golden",
)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((*TRAIN, "--method", "niti-static", "--theta", "5"), "niti-static has no option theta: it is for priot-thres"),
        ((*TRAIN, "--method", "priot", "--fraction", "0.2"), "priot has no option fraction: it is for priot-s"),
        ((*TRAIN, "--method", "fp32", "--cool", "5"), "fp32 has no option cool: it is for niti-dynamic"),
        (
            (*TRAIN, "--method", "niti-static", "--mask", "list"),
            "--mask list is of no use to niti-static: it is for priot",
        ),
        ((*TRAIN, "--method", "priot-s", "--mask", "bits"), "--mask bits is of no use to priot-s: it is for priot and"),
        ((*TRAIN, "--method", "fp32", "--scratch", "least"), "--scratch is of no use to fp32: it is for niti-dynamic"),
        ((*TRAIN, "--method", "fp32", "--form", "small"), "--form is of no use to fp32: it is for niti-dynamic"),
        ((*TRAIN, "--method", "niti-static", "--weights", "sram"), "--weights is of no use to niti-static: it is for"),
        ((*TRAIN, "--method", "priot", "--option", "keep"), "--option keep: must be NAME=VALUE"),
        ((*TRAIN, "--method", "priot", "--option", "keep=x"), "keep must be from 0 to 1, not 'x'"),
        ((*TRAIN, "--method", "priot", "--option", "kepe=1"), "priot has no option 'kepe'"),
        ((*TRAIN, "--method", "priot", "--keep", "1", "--option", "keep=1"), "keep is given twice"),
        ((*TRAIN, "--method", "priot", "--option", "cool=1.5"), "cool must be a whole number"),
        (("compare", "--mask", "bits", "--methods", "niti-static,tin-tin"), "of no use to niti-static, tin-tin"),
        (("compare", "--weights", "sram", "--methods", "niti-static"), "--weights is of no use to niti-static"),
        (("compare", "--form", "small", "--methods", "fp32"), "--form is of no use to fp32"),
        (("budget", "--sram", "64K", "--plan-only", "--fraction", "0.2", "--methods", "priot"), "it is for priot-s"),
        (("budget", "--sram", "64K", "--plan-only", "--mask", "fused", "--methods", "tin-tin"), "of no use to tin-tin"),
    ],
)
def test_refused_in_one_line(run: Run, arguments: tuple[str, ...], said: str) -> None:  # noqa: F811
    done = run(*arguments)
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert said in done.err


@pytest.mark.parametrize(
    "arguments",
    [
        (*TRAIN, "--method", "niti-static", "--weights", "sram", "--trained", "1"),
        (*TRAIN, "--method", "priot", "--option", "keep=0.9", "--option", "cool=8", "--mask", "bits"),
        (
            "budget",
            "--sram",
            "64K",
            "--plan-only",
            "--mask",
            "bits",
            "--fraction",
            "0.2",
            "--methods",
            "priot,priot-s,fp32",
        ),
        ("budget", "--sram", "64K", "--plan-only", "--weights", "sram", "--trained", "1", "--methods", "niti-static"),
        ("budget", "--sram", "64K", "--plan-only", "--fraction", "0.2"),
    ],
)
def test_one_use_is_enough(run: Run, arguments: tuple[str, ...]) -> None:  # noqa: F811
    assert run(*arguments).code == 0


STUDY = 'images = 4\nepochs = 1\n[[methods]]\nmethod = "{}"\nshifts = [0]\n{}\n'


@pytest.mark.parametrize(
    ("method", "line", "said"),
    [
        ("niti-static", "theta = 3", "niti-static has no option theta"),
        ("priot", "kepe = 3", "kepe: unknown key; did you mean 'keep'"),
        ("none.py", "", "none.py"),
    ],
)
def test_refused_in_a_study(tmp_path: Path, method: str, line: str, said: str) -> None:
    path = tmp_path / "s.toml"
    path.write_text(STUDY.format(method, line))
    with pytest.raises(UsageError, match=r"s.toml:\d: ") as error:
        study_file.read(path)
    assert said in str(error.value)


SWEEP = "[grid]\nnetwork = 'tiny-cnn-8'\nmethod = {}\n{}\n"


@pytest.mark.parametrize(
    ("names", "line", "said"),
    [
        (["priot"], "fraction = [0.1, 0.2]", "fraction is of no use to priot: it is for priot-s"),
        (["niti-static"], "mask = 'bits'", "mask bits is of no use to niti-static"),
        (["priot-s"], "mask = ['list', 'bits']", "mask bits is of no use to priot-s"),
        (["fp32"], "scratch = 'full'", "scratch is of no use to fp32"),
        (["fp32"], "trained = 1", "trained is of no use to fp32"),
        (["tin-tin"], "weights = 'sram'", "weights is of no use to tin-tin"),
        (["none.py"], "", "none.py"),
    ],
)
def test_refused_in_a_sweep(tmp_path: Path, names: list[str], line: str, said: str) -> None:
    path = tmp_path / "s.toml"
    path.write_text(SWEEP.format(names, line))
    with pytest.raises(UsageError, match=r"s.toml:[34]: ") as error:
        grid.load(path)
    assert said in str(error.value)
    path.write_text(SWEEP.format(["priot", "priot-s", "niti-static"], line if names != ["none.py"] else ""))
    assert grid.load(path).points


@given(st.integers(-50, 50), st.integers(-50, 50), st.integers(-60, 60))
def test_whole_numbers(low: int, high: int, value: int) -> None:
    if low > high:
        low, high = high, low
    option = Option(low, low, high)
    assert option.parse(str(value)) == value
    assert (option.problem(value) == "") == (low <= value <= high)
    assert option.problem(float(value))
    assert Option(float(low), low, high).problem(value) == option.problem(value).replace("a whole number ", "")


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "1e400"])
def test_no_number_is_in_no_range(value: str) -> None:
    option = SHARED["keep"]
    assert option.problem(option.parse(value))


@pytest.mark.parametrize("arguments", [(1,), (1, 2, 3), ("a", None, None, ("b",)), (1, 0, None), (True, 0, 1)])
def test_an_option_must_hold_its_default(arguments: tuple[object, ...]) -> None:
    with pytest.raises(ValueError, match=r"default|either"):
        Option(*arguments)  # type: ignore[arg-type]


def test_own_options_reach_golden_form_and_device() -> None:
    class Own(type(methods.get("niti-static"))):  # type: ignore[misc]
        name = "own"
        options = {**shared("cool"), "margin": Option(2, 0, 6), "mode": Option("a", choices=("a", "b"))}  # noqa: RUF012

    config = Own().configured(Config(()), {"mode": "b", "cool": 3})
    assert (config.option("margin"), config.option("mode"), config.cool) == (2, "b", 3)
    assert Own().outline(networks.get("mlp"), 1, None, DeviceOptions()).settings.config.option("margin") == 2
    with pytest.raises(ValueError, match="no option 'other'"):
        config.option("other")
