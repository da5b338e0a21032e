"""The templates of the HTML reports, and what makes any text safe to put into them."""

from __future__ import annotations

from typing import Any

import jinja2
from markupsafe import Markup

from m0sim.names import printable
from m0sim.report.units import count, share, size_exactly


def render(name: str, package: str = "m0sim.report", **context: Any) -> str:
    """A template of `package` filled in; the base templates are this package's.

    Every text in it is escaped, and has neither control characters nor lone surrogates.
    """
    environment = jinja2.Environment(
        loader=jinja2.ChoiceLoader([jinja2.PackageLoader(package), jinja2.PackageLoader("m0sim.report")]),
        autoescape=True,
        finalize=_plain,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters.update(count=count, address=_address, bytes=size_exactly)
    environment.globals.update(share=share)
    return environment.get_template(name).render(context)


def _plain(value: Any) -> Any:
    """Names come from images and command lines: HTML has no place for some of what can be in them."""
    return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _address(value: int) -> str:
    return f"0x{value:08x}"
