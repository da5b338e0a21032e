"""What `help` says of a data class: its fields with their docstrings, which Python itself throws away."""

from __future__ import annotations

import ast
import inspect
import textwrap
from dataclasses import fields
from typing import Any, TypeVar

T = TypeVar("T")


def documented(cls: type[T]) -> type[T]:
    """Decorates a data class: its docstring ends with a list of its fields. It is made when somebody reads it."""
    cls.__doc__ = _Doc(cls.__doc__ or "")  # type: ignore[assignment]
    return cls


class _Doc:
    """A docstring that is made when it is read."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __get__(self, instance: object, cls: type) -> str:
        try:
            said = field_docs(cls)
        except (OSError, SyntaxError, TypeError):  # no source is there: what Python has is all
            return self._text
        listed = [f"    {name}: {_type(cls, name)}\n{_indented(text)}" for name, text in said.items()]
        return f"{inspect.cleandoc(self._text)}\n\nFields:\n\n" + "\n".join(listed)


def field_docs(cls: type) -> dict[str, str]:
    """The docstring behind each field of a data class, from its source; empty of one without.

    Raises OSError where there is no source.
    """
    body = ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0]
    assert isinstance(body, ast.ClassDef)
    found = dict.fromkeys((field.name for field in fields(cls)), "")
    for declared, behind in zip(body.body, [*body.body[1:], None], strict=True):
        if isinstance(declared, ast.AnnAssign) and isinstance(declared.target, ast.Name):
            text = behind.value if isinstance(behind, ast.Expr) else None
            if isinstance(text, ast.Constant) and isinstance(text.value, str):
                found[declared.target.id] = " ".join(text.value.split())
    return found


def _type(cls: type, name: str) -> Any:
    return next(field.type for field in fields(cls) if field.name == name)


def _indented(text: str) -> str:
    return textwrap.fill(text, 112, initial_indent=" " * 8, subsequent_indent=" " * 8) if text else ""
