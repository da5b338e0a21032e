"""What installed packages add to m0sim: exports, profiles and methods, found by their entry points.

Nothing is read before somebody asks for a name that m0sim does not have, or for a list, and nothing is imported before
it is used. What cannot be loaded is one line that names its package. docs/plugins.md has an example of each kind.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from m0sim.errors import UsageError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

EXPORTS, PROFILES, METHODS = GROUPS = ("m0sim.exports", "m0sim.profiles", "m0sim.methods")
"""The groups of entry points, by kind."""


def installed(group: str, taken: Collection[str] = ()) -> dict[str, tuple[EntryPoint, ...]]:
    """The entry points of a group by name, sorted, without those that m0sim has itself; none of them is loaded.

    More than one of a name is a clash, which `load` refuses.
    """
    from importlib.metadata import entry_points  # a fiftieth of a second that most calls do without

    found: dict[str, tuple[EntryPoint, ...]] = {}
    for point in entry_points(group=group):
        if point.name not in taken:
            found[point.name] = (*found.get(point.name, ()), point)
    return dict(sorted(found.items()))


def load(points: tuple[EntryPoint, ...], kind: str) -> Any:
    """What the entry points of one name are; `kind` is a word for it, such as "export". Raises `UsageError`."""
    where = described(points, kind)
    if len(points) > 1:
        raise UsageError(f"{where}: remove one of these packages")
    try:
        return points[0].load()
    except Exception as error:
        raise failed(where, "cannot be loaded", error) from error


def described(points: tuple[EntryPoint, ...], kind: str) -> str:
    """Such as ``export 'folded' of my-exports 1.0``."""
    return f"{kind} {points[0].name!r} of {packages(points)}"


def failed(where: str, what: str, error: Exception) -> UsageError:
    """The line for an exception of somebody else's code."""
    said = " ".join(str(error).split())
    return UsageError(f"{where}: {what}: {type(error).__name__}{f': {said}' if said else ''}")


def packages(points: tuple[EntryPoint, ...]) -> str:
    """The packages of entry points, for people."""
    dists = [point.dist for point in points]
    return " and ".join(p.value if d is None else f"{d.name} {d.version}" for p, d in zip(points, dists, strict=True))
