"""What a whole check found: what the formats show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from m0sim.check.compare import Verdict


@dataclass(frozen=True, slots=True)
class Result:
    """The verdicts on all benches, in the manifest's order."""

    verdicts: tuple[Verdict, ...]
    notes: tuple[str, ...] = ()
    """What a person should know besides, such as benches that only the baseline has."""
    manifest: Path | None = None
    """None where two baselines were compared."""
    lines: Mapping[str, int] = field(default_factory=dict)
    """The manifest's line for each bench's name."""

    strict: bool = False
    """Whether a bench without a baseline fails."""

    def reasons(self, verdict: Verdict) -> tuple[str, ...]:
        """Why a build should fail for a bench, a line each; none where it should not."""
        is_missing = self.strict and verdict.status == "new"
        return (*verdict.reasons, *(["it has no baseline"] if is_missing else []))

    @property
    def is_bad(self) -> bool:
        """Whether a build should fail."""
        return any(self.reasons(verdict) for verdict in self.verdicts)

    @property
    def is_over_budget(self) -> bool:
        """Whether it should fail even with these figures as the baseline."""
        return any(check.is_budget for verdict in self.verdicts for check in verdict.exceeded)
