"""What a whole check found: what the formats show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from m0sim.check.bench import Place
from m0sim.check.growth import Growth
from m0sim.check.verdict import Verdict


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file that a result comes from."""

    role: str
    """Such as ``image`` or ``baseline``."""
    path: Path
    """As it was given."""
    sha256: str
    """Of its content, in hexadecimal."""


@dataclass(frozen=True, slots=True)
class Result:
    """The verdicts on all benches, in the manifest's order."""

    verdicts: tuple[Verdict, ...]
    notes: tuple[str, ...] = ()
    """What a person should know besides, such as benches that only the baseline has."""
    manifest: Path | None = None
    """None where two baselines were compared."""
    places: Mapping[str, Place] = field(default_factory=dict)
    """Where the manifest has each bench, by its name."""
    growths: tuple[Growth, ...] = ()
    """How cycles grow with the sizes of matrices."""
    command: tuple[str, ...] = ()
    """Words of the command line that give the same result again."""
    files: tuple[SourceFile, ...] = ()
    """What was read: the same bytes give the same result."""

    @property
    def is_bad(self) -> bool:
        """Whether a build should fail."""
        return any(verdict.is_bad for verdict in self.verdicts)
