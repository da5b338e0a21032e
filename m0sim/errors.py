"""The two ways m0sim says no: the user asked for something impossible, or the simulated code did."""

from __future__ import annotations

from collections.abc import Iterable


class M0simError(Exception):
    """Base of every error that m0sim raises on purpose. ``str()`` of it is what a person reads."""


class UsageError(M0simError):
    """The request cannot be carried out: a wrong path, name, argument or profile. One line; exit code 2."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A phrase such as ``; did you mean 'dot_s8'?`` with the closest of `known`, or the empty string."""
    import difflib  # a hundredth of a second that only an error needs

    names = list(dict.fromkeys(known))
    by_key: dict[str, list[str]] = {}
    for each in names:  # a person forgets capitals, namespaces and parameters first
        for key in {each.lower(), each.lower().partition("(")[0].rpartition("::")[2]}:
            by_key.setdefault(key, []).append(each)
    keys = difflib.get_close_matches(name.lower(), list(by_key), n=3, cutoff=0.6)
    close = list(dict.fromkeys(each for key in keys for each in by_key[key]))[:3]
    if not close:
        return ""
    return "; did you mean " + " or ".join(repr(c) for c in close) + "?"
