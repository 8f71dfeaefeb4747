"""Settings of differences between models, and what they add to a study."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from pydantic import Field

from pipeline.analyses.analysis import Analysis
from pipeline.configuration.names import declared, unique
from pipeline.configuration.settings import WHOLE, Name
from pipeline.fits.families import FAMILY

if TYPE_CHECKING:
    from pipeline.configuration.study import Study
    from pipeline.resources import Job
    from pipeline.study_size import SubjectSize


class ModelDifferences(Analysis):
    """Pairs of models, the second subtracted from the first."""

    target = "model_differences"
    page = "models"
    titles = {"model_differences": "Differences of models' R², voxel by voxel"}
    settings = {
        "model_differences": (
            dict[Name, list[str]],
            Field(
                default_factory=dict,
                description="Pairs of models, by a name of their own: test R² of the second is "
                "subtracted from that of the first, voxel by voxel.",
            ),
        )
    }

    def check(self, study: Study) -> None:
        for name, models in study.model_differences.items():
            key = f"model_differences.{name}"
            if len(models) != 2:
                raise ValueError(f"{key}: two models are compared, not {len(models)}")
            declared(key, models, study.fits())
            unique(key, models)

    def jobs(self, study: Study, subject: SubjectSize, widths: Mapping[str, int]) -> Iterator[Job]:
        from pipeline.resources import FLOAT, Job

        for _ in study.model_differences:
            yield Job(disk_bytes=subject.voxels * FLOAT * 6)

    def tables(self, study: Study) -> list[str]:
        return ["model_differences"] if study.model_differences else []

    def map_files(self, study: Study, subject: str, variant: str) -> list[str]:
        names = study.model_differences if variant == WHOLE else {}
        return [f"model_differences/{subject}/{name}.h5" for name in names]

    def methods(self, study: Study) -> Iterator[str]:
        if study.model_differences:
            yield (
                "Differences of models. R² of two models was compared voxel by voxel by sign flips "
                "of the paired differences of their squared errors (two-sided, tail by saddlepoint "
                f"approximation), with false discovery rates over the {FAMILY}."
            )


ANALYSIS = ModelDifferences()
