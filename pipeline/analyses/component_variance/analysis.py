"""Settings of components against unique variance, and what it adds to a study."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pydantic import Field

from pipeline.analyses.analysis import Analysis
from pipeline.analyses.weight_components.analysis import InterpretationSettings
from pipeline.configuration.names import declared
from pipeline.configuration.settings import Settings

if TYPE_CHECKING:
    from pipeline.configuration.study import Study


class ComponentVarianceSettings(Settings):
    """Correlation over voxels of the projections of `interpretation` with unique variance."""

    comparisons: list[str] = Field(min_length=1)
    """Comparisons of whose feature spaces the unique variance is taken."""
    atlases: list[str] = Field(default=[])
    """ROI atlases in whose regions it is computed too, from those in `rois`, or `composite`."""


class ComponentVariance(Analysis):
    """Correlation over voxels of projections on components with unique variance."""

    target = "component_variance"
    tables = {"component_variance": "Projections on components and unique variance"}
    settings = {"component_variance": (ComponentVarianceSettings | None, None)}

    def check(self, study: Study) -> None:
        """Raise ValueError where the settings do not go with the study."""
        if settings := study.section(ComponentVarianceSettings):
            if study.section(InterpretationSettings) is None:
                raise ValueError(
                    "component_variance: uses the components of `interpretation`, which the "
                    "configuration lacks; add it"
                )
            declared("component_variance.comparisons", settings.comparisons, study.comparisons)
            declared("component_variance.atlases", settings.atlases, study.roi_atlases)

    def methods(self, study: Study) -> Iterator[str]:
        """Yield sentences for the report's methods."""
        yield (
            "Components and unique variance. The voxels' projections on each component were "
            "correlated with the unique variance of feature spaces, by Pearson's r and Spearman's "
            "ρ over the voxels of each subject, and of regions. Both are "
            "larger, in absolute value, where responses are less noisy."
        )


ANALYSIS = ComponentVariance()
