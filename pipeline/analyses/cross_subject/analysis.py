"""Settings of encoders applied to other subjects, and what they add to a study."""

from __future__ import annotations

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


class CrossSubjectSettings(Settings):
    """Encoders of one subject, compared with the responses of another subject's regions."""

    models: list[str] | None = Field(default=None, min_length=1)
    """Models whose predictions are compared; by default all of `models`."""
    atlases: list[str] = Field(default=["composite"], min_length=1)
    """ROI atlases, from those listed in `rois`, or `composite`."""
    min_reliability: float = Field(default=0.1, ge=0, lt=1)
    """Reliability of the voxels that are averaged."""
    min_voxels: int = Field(default=10, ge=1)
    """Number of such voxels that a region must have."""


class CrossSubject(Analysis):
    """Mean responses of regions, predicted by the encoders of other subjects."""

    target = "cross_subject"
    compares_subjects = True
    tables = {"cross_subject": "Regions predicted by other subjects' encoders"}
    settings = {"cross_subject": (CrossSubjectSettings | None, None)}

    def check(self, study: Study) -> None:
        """Raise ValueError where the settings do not go with the study."""
        if settings := study.section(CrossSubjectSettings):
            declared("cross_subject.models", settings.models or [], study.models)
            declared("cross_subject.atlases", settings.atlases, study.roi_atlases)

    def job_settings(self, study: Study) -> dict[str, Any]:
        """Return the settings without models, which the files of predictions name."""
        if (settings := study.section(CrossSubjectSettings)) is None:
            return {}
        return {"averaged_regions": settings.model_dump(mode="json", exclude={"models"})}

    def predicted(self, study: Study) -> list[tuple[str, str]]:
        """(variant, model) of the models whose predictions are averaged."""
        settings = study.section(CrossSubjectSettings)
        return [(WHOLE, model) for model in (settings and settings.models) or study.models]

    def jobs(self, study: Study, subject: SubjectSize, widths: Mapping[str, int]) -> Iterator[Job]:
        """Yield estimates of the jobs of one subject."""
        from pipeline.estimates.resources import FLOAT, Job
        from pipeline.estimates.study_size import n_rois

        if settings := study.section(CrossSubjectSettings):
            values = n_rois(settings.atlases) * (1 + len(self.predicted(study)))
            yield Job(disk_bytes=2 * FLOAT * values * (subject.test_images + len(study.subjects)))

    def results(self, study: Study, subject: str) -> list[str]:
        """Return the subject's result files."""
        return [f"cross_subject/{subject}.h5"]

    def methods(self, study: Study) -> Iterator[str]:
        """Yield sentences for the report's methods."""
        if settings := study.section(CrossSubjectSettings):
            yield (
                "Encoders of other subjects. Predicted and measured responses to test images were "
                "averaged over the voxels of each region with a reliability of at least "
                f"{settings.min_reliability:g}. The mean of one subject's region was correlated "
                "with what another subject's encoder predicts for the same region, and with the "
                "other's measured responses, over the test images of both. Intervals are paired "
                "with the subject's own encoder on the same images."
            )


ANALYSIS = CrossSubject()
