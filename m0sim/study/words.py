"""What a person says about data and memory, on the command line or in Python, as words; and what they mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from m0sim.study.learn.config import DeviceOptions
    from m0sim.study.learn.sources import DataSource
    from m0sim.study.learn.transfer import Transfer


@dataclass(frozen=True)
class MemoryWords:
    """What was typed about memory that is given for time; None: nothing."""

    mask: str | None
    scratch: str | None
    form: str | None
    weights: str | None

    def resolved(self) -> MemoryWords:
        """With what the form names, where something else is not named besides it. UsageError for an unknown form."""
        from m0sim.study.learn import step

        if self.form is None:
            return self
        mask, scratch = step.form(self.form)
        return replace(self, mask=self.mask or mask, scratch=self.scratch or scratch)

    def check(self, names: Sequence[str], *, is_part: bool = False) -> None:
        """Raises UsageError for what was said and none of the methods uses; `is_part` as in `uses.check_memory`."""
        from m0sim.study.learn import uses

        uses.check_memory(names, **asdict(self), is_part=is_part)

    def options(self) -> DeviceOptions:
        """How a step is deployed, with defaults for what was not typed."""
        from m0sim.study.learn.config import DeviceOptions

        named = replace(self, form=self.form or "default").resolved()
        default = DeviceOptions()
        return DeviceOptions(
            named.mask or default.mask_form,
            named.weights or default.weights_place,
            scratch=named.scratch or default.scratch,
        )


@dataclass(frozen=True)
class DataWords:
    """What was typed about data."""

    data_name: str | None
    data_dir: Path | None = None
    split: str | None = None
    split_seed: int = 0
    range: str | None = None
    window: str | None = None
    label: str = ""
    task: str | None = None

    @property
    def default_network(self) -> str:
        """A network that takes these data. Raises UsageError where m0sim brings none."""
        from m0sim.study.learn import sources

        source = self.source()
        return sources.network_for(source) if source.is_file else sources.starting_network(source)

    @property
    def starting_network(self) -> str:
        """A network whose backbone a run on these data may start from, unasked. Raises UsageError for a file: none that
        m0sim brings has seen such data."""
        from m0sim.study.learn import sources

        return sources.starting_network(self.source())

    def source(self) -> DataSource:
        """The data that they name; without a name where nothing was typed. UsageError for what is no such words."""
        from m0sim.study.learn import data_files, split
        from m0sim.study.learn.sources import DataSource, FileOptions

        reading = data_files.reading(self.range, self.window, self.label)
        fractions = split.fractions(self.split) if self.split is not None else None
        options = FileOptions(reading, fractions, self.split_seed)
        transfer = self.transfer()
        return DataSource(self.data_name or "", self.data_dir, options, place=transfer.file if transfer else "")

    def transfer(self) -> Transfer | None:
        """The transfer task, None where there was none typed."""
        from m0sim.study.learn import transfer

        return None if self.task is None else transfer.parse(self.task)
