"""Settings of replication over subjects, and what it adds to a study."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pipeline.analyses.analysis import Analysis
from pipeline.configuration.settings import Settings

if TYPE_CHECKING:
    from pipeline.configuration.study import Study


class ReplicationSettings(Settings):
    """Subjects are counted in whom a region's mean is significant, by `roi_intervals`."""


class Replication(Analysis):
    """In how many subjects each model, component and difference is significant in a region."""

    target = "replication"
    page = "models"
    titles = {"replication": "In how many subjects regions are significant"}
    settings = {"replication": (ReplicationSettings | None, None)}

    def check(self, study: Study) -> None:
        if study.section(ReplicationSettings) and not study.roi_intervals:
            raise ValueError(
                "replication: counts subjects by the tests of `roi_intervals`; switch that on too"
            )

    def tables(self, study: Study) -> list[str]:
        return ["replication"] if study.section(ReplicationSettings) else []

    def methods(self, study: Study) -> Iterator[str]:
        if study.section(ReplicationSettings):
            yield (
                "Replication. For each region, subjects were counted in whom its mean was "
                "significant (false discovery rate of 5 % within the subject)."
            )


ANALYSIS = Replication()
