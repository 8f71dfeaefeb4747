"""Settings of shares of the noise ceiling, and what they add to a study."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from pydantic import Field

from pipeline.analyses.analysis import Analysis
from pipeline.configuration.settings import Settings

if TYPE_CHECKING:
    from pipeline.configuration.study import Study
    from pipeline.resources import Job
    from pipeline.study_size import SubjectSize


class CeilingShareSettings(Settings):
    """How unique and shared variance are divided by the noise ceiling."""

    min_noise_ceiling: float = Field(default=0.1, ge=0, lt=1)
    """Noise ceiling (R²) that a voxel must exceed; voxels below are NaN."""


class CeilingShares(Analysis):
    """Unique and shared variance of feature spaces as shares of the explainable variance."""

    target = "ceiling_shares"
    page = "comparisons"
    tables = {"ceiling_shares": "Unique and shared variance as shares of the noise ceiling"}
    settings = {"ceiling_shares": (CeilingShareSettings | None, None)}

    def jobs(self, study: Study, subject: SubjectSize, widths: Mapping[str, int]) -> Iterator[Job]:
        """Yield estimates of the jobs of one subject."""
        from pipeline.resources import FLOAT, Job

        if study.section(CeilingShareSettings):
            for spaces in study.comparisons.values():
                yield Job(disk_bytes=subject.voxels * FLOAT * (2 ** len(spaces) + 2))

    def is_on(self, study: Study) -> bool:
        """Test whether there are settings, and a comparison to apply them to."""
        return super().is_on(study) and bool(study.comparisons)

    def results(self, study: Study, subject: str) -> list[str]:
        """Return the subject's result files."""
        return [f"ceiling_shares/{subject}/{name}.h5" for name in study.comparisons]

    def map_files(self, study: Study, subject: str) -> list[str]:
        """Return the result files, all of which become maps."""
        return self.results(study, subject)

    def methods(self, study: Study) -> Iterator[str]:
        """Yield sentences for the report's methods."""
        if settings := study.section(CeilingShareSettings):
            yield (
                "Shares of the noise ceiling. Unique and shared variance was divided by the noise "
                "ceiling of the test images, voxel by voxel, where that is above "
                f"{settings.min_noise_ceiling:g}; for regions, mean variance was divided by mean "
                "noise ceiling."
            )


ANALYSIS = CeilingShares()
