"""Settings of intervals of regions, and what they add to a study."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pydantic import Field

from pipeline.analyses.analysis import Analysis
from pipeline.configuration.names import declared
from pipeline.configuration.settings import Settings

if TYPE_CHECKING:
    from pipeline.configuration.study import Study
    from pipeline.resources import Job
    from pipeline.study_size import SubjectSize


class RoiIntervalSettings(Settings):
    """Means over the voxels of each ROI: R² of all `models`, differences of every two of them, and
    the components of all comparisons.
    """

    atlases: list[str] = Field(default=["composite"], min_length=1)
    """ROI atlases, of those in `rois`, or `composite`."""


class RoiIntervals(Analysis):
    """Intervals and tests of the means of regions, one subject at a time."""

    target = "roi_intervals"
    page = "models"
    titles = {"roi_intervals": "Means of regions in each subject, with intervals over test images"}
    settings = {"roi_intervals": (RoiIntervalSettings | None, None)}

    def check(self, study: Study) -> None:
        if settings := study.section(RoiIntervalSettings):
            declared("roi_intervals.atlases", settings.atlases, study.roi_atlases)

    def job_settings(self, study: Study) -> dict[str, Any]:
        fitted = {
            name: {"spaces": spaces, "models": study.models_of(name)}
            for name, spaces in study.comparisons.items()
        }
        return {"fitted_comparisons": fitted}

    def jobs(self, study: Study, subject: SubjectSize, widths: Mapping[str, int]) -> Iterator[Job]:
        from pipeline.resources import DRAW_RATE, FLOAT, TESTS_BYTES, Job

        if study.section(RoiIntervalSettings):
            draws = study.significance.draws * subject.test_images * subject.voxels
            yield Job(
                core_seconds=2 * draws * len(compared_models(study)) / DRAW_RATE,
                memory_bytes=2 * TESTS_BYTES,
                disk_bytes=FLOAT * 1e5,
            )

    def tables(self, study: Study) -> list[str]:
        return ["roi_intervals"] if study.section(RoiIntervalSettings) else []

    def methods(self, study: Study) -> Iterator[str]:
        if study.section(RoiIntervalSettings):
            yield (
                "Means of regions in single subjects. Means over voxels of R², of its differences "
                "between models and of unique and shared variance have bootstrap intervals over "
                "test images, with the same draws for all models, and tests by sign flips of the "
                "images' parts of these means, with false discovery rates over all regions of a "
                "subject."
            )


def compared_models(study: Study) -> list[str]:
    """The study's single models, and those of all subsets of its comparisons' spaces, each once."""
    of_comparisons = itertools.chain(*(study.models_of(name) for name in study.comparisons))
    return list(dict.fromkeys([*study.models, *of_comparisons]))


ANALYSIS = RoiIntervals()
