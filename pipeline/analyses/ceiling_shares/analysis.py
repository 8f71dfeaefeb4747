"""Settings of shares of the noise ceiling, and what they add to a study."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pydantic import Field

from pipeline.analyses.analysis import Analysis
from pipeline.configuration.settings import Settings

if TYPE_CHECKING:
    from pipeline.configuration.study import Study


class CeilingShareSettings(Settings):
    """Settings by which unique and shared variance are divided by the noise ceiling."""

    min_noise_ceiling: float = Field(default=0.1, ge=0, lt=1)
    """Noise ceiling (R²) that a voxel must exceed; voxels below are NaN."""


class CeilingShares(Analysis):
    """Unique and shared variance of feature spaces as shares of the explainable variance."""

    target = "ceiling_shares"
    mapped = True
    page = "comparisons"
    tables = {"ceiling_shares": "Unique and shared variance as shares of the noise ceiling"}
    settings = {"ceiling_shares": (CeilingShareSettings | None, None)}

    def values_per_voxel(self, study: Study) -> list[int]:
        """Return the number of values per voxel in each result."""
        return [2 ** len(spaces) + 2 for spaces in study.comparisons.values()]

    def is_on(self, study: Study) -> bool:
        """Test whether there are settings, and a comparison to apply them to."""
        return super().is_on(study) and bool(study.comparisons)

    def results(self, study: Study, subject: str) -> list[str]:
        """Return the subject's result files."""
        return [f"ceiling_shares/{subject}/{name}.h5" for name in study.comparisons]

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
