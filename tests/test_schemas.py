"""JSON Schemas: every verb and file has one, they are closed, and what m0sim writes is what they say.

The verbs that other tests run in this process are held to them, too: `json_schemas.require_of_verb`, in conftest.py.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import Build
from json_schemas import require, shortened, validator
from jsonschema import Draft202012Validator
from test_cli import Run, elf, faulty, run
from test_firmware import Built, built

from m0sim import schemas
from m0sim.check import manifest
from m0sim.cli import verbs

__all__ = ["built", "elf", "faulty", "run"]

ROOT = Path(schemas.__file__).parents[2]
DOCS = ROOT / "docs"
NAMES = schemas.names()
FILES = {"baseline", "history-line", "manifest", "times"}


def with_json() -> set[str]:
    """The verbs that have --json."""
    commands = {name: verb.load() for name, verb in verbs.VERBS.items()}
    return {name for name, command in commands.items() if any("--json" in each.opts for each in command.params)}


def parts(schema: Any, at: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every schema in a schema, by its place."""
    if isinstance(schema, dict):
        yield at, schema
        for key, value in schema.items():
            yield from parts(value, f"{at}/{key}")
    elif isinstance(schema, list):
        for i, value in enumerate(schema):
            yield from parts(value, f"{at}/{i}")


def test_every_verb_with_json_has_a_schema_and_every_schema_a_verb_or_a_file() -> None:
    assert set(NAMES) == with_json() | FILES


@pytest.mark.parametrize("name", NAMES)
def test_a_schema_is_valid_closed_and_says_what_it_is(name: str) -> None:
    schema = schemas.load(name)
    Draft202012Validator.check_schema(schema)
    assert schema["$id"] == f"{name}.json"
    assert schema["title"]
    assert schema["description"].endswith(".")
    for at, part in parts(schema):
        if isinstance(part.get("properties"), dict) and not at.endswith("/properties"):
            assert part.get("additionalProperties") is False, f"{name}{at} lets names pass that it does not have"
            assert set(part.get("required", [])) <= set(part["properties"]), f"{name}{at}"
        elif part.get("type") == "object":
            assert isinstance(part.get("additionalProperties"), dict), f"{name}{at} says nothing of what is in it"


@pytest.mark.parametrize("name", NAMES)
def test_all_references_of_a_whole_schema_are_inside_of_it(name: str) -> None:
    whole = schemas.whole(name)
    Draft202012Validator.check_schema(whole)
    resolver = Draft202012Validator(whole)._resolver
    for at, part in parts({key: value for key, value in whole.items() if key != "$defs"}):
        if isinstance(part.get("$ref"), str):
            assert resolver.lookup(part["$ref"]).contents, at
    for file in (key for key in whole.get("$defs", {}) if key.endswith(".json")):
        assert whole["$defs"][file]["$id"] == file


def test_docs_have_every_name_at_the_top_of_an_object() -> None:
    pages = "".join((DOCS / page).read_text() for page in ("json.md", "check.md", "annotate.md"))
    words = set(re.findall(r"`([a-z0-9_]+)(?:\[\])?`", pages))
    for name in with_json():
        missing = set(schemas.load(name).get("properties", {})) - words
        assert not missing, f"{name}: in no table of docs/json.md, check.md or annotate.md"


# ------------------------------------------------------------------------------------------------ what is written


def test_the_schema_verb(run: Run) -> None:
    assert [line.split()[0] for line in run("schema").out.splitlines()] == list(NAMES)
    shown = json.loads(run("schema", "run").out)
    assert shown == schemas.whole("run")
    assert set(shown["$defs"]) == {"core", "master", "port", "stack", "call.json"}
    done = run("schema", "cal")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("m0sim: no schema 'cal'; did you mean 'call'? (there are annotate, baseline, ")


def objects(value: Any, at: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every object in an object, by its place."""
    if isinstance(value, dict):
        yield at, value
        for key, item in value.items():
            yield from objects(item, f"{at}.{key}".lstrip("."))
    elif isinstance(value, list):
        for item in value:
            yield from objects(item, f"{at}[]")


def places_that_are_closed(found: dict[str, Any], name: str, may_lack: tuple[str, ...] = ()) -> set[str]:
    """The places of an object, of which each takes no name more; it takes none less, either."""
    require(found, name)
    found = shortened(found, 3)  # of an array, a few items stand for all
    valid, closed = validator(name), set()
    for at, each in objects(found):
        each["brand_new"] = "?"
        if not valid.is_valid(found):
            closed.add(at)
        del each["brand_new"]
    for key, value in list(found.items()):
        del found[key]
        assert (key in may_lack) == valid.is_valid(found), f"{key}: may be left out"
        found[key] = value
    return closed


def test_what_a_call_has_is_closed(run: Run, elf: Path) -> None:
    words = (elf, "translate", "out:4", "hex:01020300", 4, "--level", "memory", "--flash", "warm", "--json")
    found = run("call", *words, "--register", "0x40034018=1", "--stub", "slow=2").json
    assert places_that_are_closed(found, "call", ("outputs",)) == {
        *("", "memory", "functions[]", "call_tree[]", "traffic[]", "registers[]", "provenance", "outputs[]"),
        *("flash", "flash.misses", "flash.cold_misses", "flash.warm_misses"),
    }


def test_what_a_fault_has_is_closed(run: Run, faulty: Path) -> None:
    found = run("call", faulty, "outer", 1, "--json").json
    assert places_that_are_closed(found, "call", ("outputs",)) >= {"fault", "fault.registers", "fault.source"}


def test_what_a_run_has_is_closed(run: Run, built: Built) -> None:
    found = run("run", built("tasks"), "--until-output", "both worked", "--for", "50ms", "--json").json
    places = places_that_are_closed(found, "run")
    assert places >= {"", "exit", "outputs[]", "handlers[]", "handlers[].latency", "stack", "stack.msp", "stack.psp[]"}
    assert places >= {"clocks[]", "functions[]", "provenance", "flash"}


def test_what_a_check_and_its_baseline_have_is_closed(run: Run, tmp_path: Path, elf: Path) -> None:
    path = tmp_path / "m0sim.toml"
    path.write_text(f'image = "{elf}"\n[[bench]]\nname = "loop"\nfunction = "flash_loop"\nargs = [5]\n')
    assert run("check", path, "--update").code == 0
    kept = tmp_path / "m0sim-baseline.json"
    places = places_that_are_closed(json.loads(kept.read_text()), "baseline")
    assert places >= {"", "benches.loop", "benches.loop.functions.flash_loop"}
    path.write_text(path.read_text().replace("[5]", "[6]") + "max_cycles = 4\n")
    found = run("check", path, "--json").json
    assert places_that_are_closed(found, "check") >= {
        *("", "benches[]", "benches[].limits[]", "benches[].before", "benches[].where", "summary"),
        *("benches[].where.functions[]", "benches[].where.functions[].instructions[][].old"),
    }
    require(run("diff", kept, kept, "--json").json, "diff")


def test_lists_sizes_and_profiles(run: Run, build: Build) -> None:
    elf = build("memory.c", flags=("-O1", "-g"))
    assert "functions[].signature.parameters[]" in places_that_are_closed(
        run("list", elf, "--signatures", "--json").json, "list"
    )
    for words in ((), ("rp2040",), ("stm32g0",)):
        assert "" in places_that_are_closed(run("profiles", *words, "--json").json, "profiles")
    for words in (("product", "--cycles", "--max", "1"), ("touch",), ()):
        places = places_that_are_closed(run("stack", elf, *words, "--json").json, "stack")
        assert places & {"path[]", "functions[].path[]"}
    found = run("size", elf, "--against", elf, "--json").json
    assert places_that_are_closed(found, "size") == {"", "against", "sections[]", "objects[]", "symbols[]"}
    found = run("annotate", elf, "touch", 1, "--all", "--json").json
    assert places_that_are_closed(found, "annotate") >= {"", "functions[]", "functions[].rows[]", "left_out"}


@pytest.mark.parametrize("path", sorted((DOCS / "study").glob("*.json")), ids=lambda path: path.name)
def test_studies_of_before_are_read_still(path: Path) -> None:
    found = json.loads(path.read_text())
    if "finals" in found:
        require(found, "study")


def test_files_of_the_project() -> None:
    kernels = ROOT / "kernels"
    require(json.loads((kernels / "m0sim-baseline.json").read_text()), "baseline")
    require(tomllib.loads((kernels / "m0sim.toml").read_text()), "manifest")


def test_a_manifest_has_the_keys_that_are_read() -> None:
    schema = schemas.load("manifest")
    assert set(schema["properties"]) == set(manifest.TOP_KEYS)
    assert set(schema["$defs"]["bench"]["properties"]) == set(manifest._BENCH_KEYS)


def test_manifests_in_the_docs() -> None:
    blocks = re.findall(r"^```toml\n(.*?)^```", (DOCS / "check.md").read_text(), re.MULTILINE | re.DOTALL)
    shown = [tomllib.loads(block) for block in blocks if "[[bench]]" in block]
    assert shown
    for each in shown:
        require(each, "manifest")


def test_bounds_with_interrupts(run: Run, built: Built) -> None:
    found = run("stack", built("tasks"), "--interrupts", "--json").json
    assert {"", "interrupts", "interrupts.handlers[]"} <= places_that_are_closed(found, "stack")
