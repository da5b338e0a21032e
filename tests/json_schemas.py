"""What m0sim prints as JSON, held against its schemas: in tests/conftest.py, for every verb that a test runs here."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import click
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from m0sim import schemas

_MOST = 50
"""Items of an array that are looked at: a call tree may have hundreds of thousands of the same kind."""


@cache
def validator(name: str) -> Draft202012Validator:
    resources = [(f"{each}.json", Resource.from_contents(schemas.load(each))) for each in schemas.names()]
    return Draft202012Validator(schemas.load(name), registry=Registry().with_resources(resources))


def require(found: Any, name: str) -> None:
    """Fails where an object is not what the schema `name` says, with the place in it."""
    for error in validator(name).iter_errors(shortened(found, _MOST)):
        raise AssertionError(f"m0sim/schemas/{name}.json: {error.json_path}: {error.message}"[:2000])


def require_of_verb(found: Mapping[str, Any]) -> None:
    """The same of what the verb that runs now prints."""
    context = click.get_current_context(silent=True)
    if context is not None and context.info_name is not None:
        is_times = context.info_name == "study" and "runs" in found
        require(found, "times" if is_times else context.info_name)


def shortened(value: Any, most: int) -> Any:
    """A copy of what JSON has, with at most so many items in each array."""
    if isinstance(value, Mapping):
        return {key: shortened(item, most) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [shortened(item, most) for item in value[:most]]
    return value
