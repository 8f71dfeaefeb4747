"""Settings of intervals of regions, and what they add to a study."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pydantic import Field

from pipeline.analyses.analysis import Analysis
from pipeline.configuration.names import declared
from pipeline.configuration.settings import WHOLE, Settings

if TYPE_CHECKING:
    from pipeline.configuration.study import Study
    from pipeline.estimates.resources import Job
    from pipeline.estimates.study_size import SubjectSize


class RoiIntervalSettings(Settings):
    """Mean scores of each ROI in each subject, with intervals and tests.

    Scores are R² of all `models`, its differences between every two of them, and the variance
    components of all comparisons.
    """

    atlases: list[str] = Field(default=["composite"], min_length=1)
    """ROI atlases, from those listed in `rois`, or `composite`."""


class RoiIntervals(Analysis):
    """Intervals and tests of the mean scores of regions, for each subject."""

    target = "roi_intervals"
    page = "models"
    tables = {"roi_intervals": "Means of regions in each subject, with intervals over test images"}
    settings = {"roi_intervals": (RoiIntervalSettings | None, None)}

    def check(self, study: Study) -> None:
        """Raise ValueError where the settings do not go with the study."""
        if settings := study.section(RoiIntervalSettings):
            declared("roi_intervals.atlases", settings.atlases, study.roi_atlases)

    def job_settings(self, study: Study) -> dict[str, Any]:
        """Return the feature spaces and models of every comparison."""
        fitted = {
            name: {"spaces": spaces, "models": study.models_of(name)}
            for name, spaces in study.comparisons.items()
        }
        return {"fitted_comparisons": fitted}

    def predicted(self, study: Study) -> list[tuple[str, str]]:
        """(variant, model) of the models whose means are compared."""
        return [(WHOLE, model) for model in compared_models(study)]

    def jobs(self, study: Study, subject: SubjectSize, widths: Mapping[str, int]) -> Iterator[Job]:
        """Yield estimates of the jobs of one subject."""
        from pipeline.estimates.resources import DRAW_RATE, FLOAT, TESTS_BYTES, Job

        if study.section(RoiIntervalSettings):
            draws = study.significance.draws * subject.test_images * subject.voxels
            yield Job(
                core_seconds=2 * draws * len(compared_models(study)) / DRAW_RATE,
                memory_bytes=2 * TESTS_BYTES,
                disk_bytes=FLOAT * 1e5,
            )

    def results(self, study: Study, subject: str) -> list[str]:
        """Return the subject's result files."""
        return [f"roi_intervals/{subject}.h5"]

    def methods(self, study: Study) -> Iterator[str]:
        """Yield sentences for the report's methods."""
        yield (
            "Means of regions in single subjects. For each subject and region, R² of each model, "
            "its differences between models, and unique and shared variance were averaged over "
            "voxels. The means have bootstrap intervals over test images, with the same draws for "
            "all models, and were tested by sign flips of each image's contribution, with false "
            "discovery rates over all regions of a subject."
        )


def compared_models(study: Study) -> list[str]:
    """Return the single models, and those of all subsets of comparisons' spaces, each once."""
    of_comparisons = itertools.chain(*(study.models_of(name) for name in study.comparisons))
    return list(dict.fromkeys([*study.models, *of_comparisons]))


ANALYSIS = RoiIntervals()
