"""Settings of learning curves, and what they add to a study."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pydantic import Field, field_validator

from pipeline.analyses.analysis import Analysis, times
from pipeline.configuration.names import declared, unique
from pipeline.configuration.settings import WHOLE, Settings
from pipeline.configuration.variants import VariantSettings

if TYPE_CHECKING:
    from pipeline.configuration.study import Study
    from pipeline.estimates.resources import Job
    from pipeline.estimates.study_size import SubjectSize


class LearningCurveSettings(Settings):
    """Models fitted on fewer training images; smaller sets are subsets of larger ones."""

    models: list[str] = Field(min_length=2)
    """Models that are fitted on fewer images."""
    training_images: list[int] = Field(min_length=1)
    """Numbers of training images, ascending; the curve ends with all training images."""
    repeats: int = Field(default=1, ge=1)
    """Number of random draws of each number of images."""
    draws: int = Field(default=500, ge=100)
    """Number of bootstrap draws of test images for intervals."""

    @field_validator("training_images")
    @classmethod
    def _ascend(cls, numbers: list[int]) -> list[int]:
        if numbers != sorted(set(numbers)):
            raise ValueError("list the numbers once each, in ascending order")
        return numbers

    @property
    def variants(self) -> dict[str, VariantSettings]:
        """{name: variant}, one for each number of images and draw."""
        return {
            f"images{number}_draw{draw}": VariantSettings(
                training_images=number, draw=draw, models=self.models
            )
            for number in self.training_images
            for draw in range(self.repeats)
        }

    @property
    def fits(self) -> list[dict[str, Any]]:
        """Variant, model and draw of each point of the curves; all training images come last."""
        fewer = [
            {"variant": name, "model": model, "draw": variant.draw}
            for name, variant in self.variants.items()
            for model in self.models
        ]
        return [*fewer, *({"variant": WHOLE, "model": model, "draw": 0} for model in self.models)]


class LearningCurves(Analysis):
    """Scores of models that are fitted on fewer training images."""

    target = "learning_curves"
    tables = {
        "learning_curves": "Scores against the number of training images",
        "overtaking": "Models that overtake one another with more training images",
    }
    settings = {"learning_curves": (LearningCurveSettings | None, None)}

    def check(self, study: Study) -> None:
        """Raise ValueError where the settings do not go with the study."""
        if (settings := study.section(LearningCurveSettings)) is None:
            return
        declared("learning_curves.models", settings.models, study.models)
        unique("learning_curves.models", settings.models)
        if declared_twice := sorted(set(settings.variants) & set(study.variants)):
            raise ValueError(
                f"variants.{declared_twice[0]}: the learning curves use this name; choose another"
            )

    def variants(self, study: Study) -> dict[str, VariantSettings]:
        """Return one variant for each number of training images and draw."""
        settings = study.section(LearningCurveSettings)
        return {} if settings is None else settings.variants

    def job_settings(self, study: Study) -> dict[str, Any]:
        """Return the models, draws and bootstrap settings of the curves."""
        if (settings := study.section(LearningCurveSettings)) is None:
            return {}
        curve = {
            "models": [fit["model"] for fit in settings.fits],
            "draws": [fit["draw"] for fit in settings.fits],
            "resampling": {
                "draws": settings.draws,
                "resample": study.significance.resample,
                "seed": study.significance.seed,
            },
        }
        return {"learning_curve": curve}

    def predicted(self, study: Study) -> list[tuple[str, str]]:
        """(variant, model) of the fits on fewer and on all images."""
        settings = study.section(LearningCurveSettings)
        return [(fit["variant"], fit["model"]) for fit in settings.fits] if settings else []

    def jobs(self, study: Study, subject: SubjectSize, widths: Mapping[str, int]) -> Iterator[Job]:
        """Yield estimates of the jobs of one subject."""
        from pipeline.estimates.resources import FLOAT, Job
        from pipeline.estimates.study_size import n_rois

        if settings := study.section(LearningCurveSettings):
            drawn = settings.draws * len(settings.models) * (1 + len(settings.variants))
            yield Job(disk_bytes=2 * FLOAT * drawn * n_rois(study.rois))

    def results(self, study: Study, subject: str) -> list[str]:
        """Return the subject's result files."""
        return [f"learning_curves/{subject}.h5"]

    def table_settings(self, study: Study) -> dict[str, Any]:
        """Return the level of intervals."""
        return {"level": study.significance.level}

    def methods(self, study: Study) -> Iterator[str]:
        """Yield sentences for the report's methods."""
        if settings := study.section(LearningCurveSettings):
            numbers = ", ".join(map(str, settings.training_images))
            yield (
                f"Learning curves. {', '.join(settings.models)} were fitted on {numbers} and all "
                "training images, and scored on the same test images. Each number was drawn "
                f"{times(settings.repeats)}; within a draw, smaller sets are subsets of larger "
                "ones."
            )


ANALYSIS = LearningCurves()
