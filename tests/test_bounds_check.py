"""``max_stack_static`` in a manifest: the deepest stack by the code alone as a limit of a bench."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import Build
from test_cli import Run, run  # noqa: F401

BENCH = '[[bench]]\nname = "b"\nfunction = "{}"\nargs = [5]\n'


@pytest.fixture
def folder(build: Build, tmp_path: Path) -> Path:
    elf = build("bounded.c", toolchain="zig", flags=("-O2", "-g"))
    (tmp_path / "app.elf").write_bytes(elf.read_bytes())
    return tmp_path


def write(folder: Path, function: str, limit: str, more: str = "") -> Path:
    path = folder / "m0sim.toml"
    path.write_text(f'image = "app.elf"\n{more}{BENCH.format(function)}{limit}\n')
    return path


def test_a_limit_of_the_static_stack(run: Run, folder: Path) -> None:  # noqa: F811
    most = run("stack", folder / "app.elf", "one_or_other", "--json").json["stack_bytes"]
    assert run("check", write(folder, "one_or_other", f"max_stack_static = {most}")).code == 0
    over = run("check", write(folder, "one_or_other", f"max_stack_static = {most - 8}"), "--json")
    assert over.code == 1
    limit = {"name": "max_stack_static", "limit": most - 8, "value": most, "exceeded": True}
    assert limit in over.json["benches"][0]["limits"]
    text = run("check", folder).out
    assert f"max_stack_static {most - 8:,}: over by 8" in text
    assert run("check", write(folder, "one_or_other", 'max_stack_static = "64K"'), "--update").code == 0
    assert "static" not in (folder / "m0sim-baseline.json").read_text()


def test_no_bound_fails_the_bench_until_it_is_annotated(run: Run, folder: Path) -> None:  # noqa: F811
    done = run("check", write(folder, "by_variable_table", 'max_stack_static = "64K"'), "--json")
    assert done.code == 1
    failure = done.json["benches"][0]["failure"]
    assert failure["kind"] == "unbounded"
    assert failure["text"].startswith("max_stack_static: unbounded: by_variable_table+0x")
    told = '[stack.calls]\nby_variable_table = ["leaf", "calls_leaf", "calls_big", "leaf_with_bytes"]\n'
    path = write(folder, "by_variable_table", 'max_stack_static = "64K"', told)
    for jobs in (1, 2):
        assert run("check", path, "--jobs", jobs).code == 0
    assert run("stack", folder / "app.elf", "by_variable_table", "--annotations", path, "--max", "64K").code == 0


def test_a_wrong_annotation_of_a_manifest_is_named_with_its_line(run: Run, folder: Path) -> None:  # noqa: F811
    path = write(folder, "leaf", "max_stack_static = 64", "[stack.recursion]\nevne = 3\n")
    done = run("check", path)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"m0sim: {path}:3: stack.recursion.evne: no symbol 'evne' in ")
    assert "did you mean 'even'" in done.err
    assert run("check", write(folder, "leaf", "max_stack = 64", "[stack.recursion]\nevne = 3\n")).code == 0


def test_a_run_has_no_such_limit(run: Run, folder: Path) -> None:  # noqa: F811
    path = folder / "m0sim.toml"
    path.write_text('image = "app.elf"\n[[bench]]\nname = "b"\nrun = true\nmax_stack_static = 8\n')
    done = run("check", path)
    assert (done.code, done.out) == (2, "")
    assert "max_stack_static: belongs to a call's bench only" in done.err
