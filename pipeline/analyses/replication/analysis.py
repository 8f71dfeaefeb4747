"""Settings of replication over subjects, and what it adds to a study."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pipeline.analyses.analysis import Analysis
from pipeline.analyses.roi_intervals.analysis import RoiIntervalSettings
from pipeline.configuration.settings import Settings

if TYPE_CHECKING:
    from pipeline.configuration.study import Study


class ReplicationSettings(Settings):
    """A table counting the subjects in whom `roi_intervals` finds a region's mean significant."""


class Replication(Analysis):
    """Number of subjects in whom a model, component or difference is significant in a region."""

    target = "replication"
    page = "models"
    tables = {"replication": "Number of subjects in whom regions are significant"}
    settings = {"replication": (ReplicationSettings | None, None)}

    def check(self, study: Study) -> None:
        """Raise ValueError where the settings do not go with the study."""
        if study.section(ReplicationSettings) and not study.section(RoiIntervalSettings):
            raise ValueError(
                "replication: uses the tests of `roi_intervals`, which the configuration lacks; "
                "add it"
            )

    def methods(self, study: Study) -> Iterator[str]:
        """Yield sentences for the report's methods."""
        yield (
            "Replication. For each region, subjects were counted in whom its mean was significant "
            "(false discovery rate of 5 % within the subject)."
        )


ANALYSIS = Replication()
