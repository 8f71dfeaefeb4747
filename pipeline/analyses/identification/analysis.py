"""Settings of the identification of images, and what it adds to a study."""

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


class ErrorConsistencySettings(Settings):
    """Settings by which test images are identified from predicted patterns, and errors compared."""

    models: list[str] | None = Field(default=None, min_length=1)
    """Models whose predictions identify images; by default all of `models`."""
    atlases: list[str] = Field(default=["composite"], min_length=1)
    """ROI atlases whose patterns are used; `composite` has the composite ROIs."""
    min_reliability: float = Field(default=0.1, ge=0, lt=1)
    """Minimum reliability (0 to 1) of the voxels of a pattern."""


class Identification(Analysis):
    """Identification of test images, and whether two predictors miss the same ones."""

    target = "error_consistency"
    tables = {
        "error_consistency": "Agreement of predictors on which images are identified",
        "image_accuracy": "Identified images per region and predictor",
    }
    settings = {"error_consistency": (ErrorConsistencySettings | None, None)}
    references = {
        "Geirhos et al. 2020": "Geirhos, R., Meding, K., & Wichmann, F. A. (2020). Beyond "
        "accuracy: quantifying trial-by-trial behaviour of CNNs and humans by measuring error "
        "consistency. Advances in Neural Information Processing Systems 33.",
        "Kay et al. 2008": "Kay, K. N., Naselaris, T., Prenger, R. J., & Gallant, J. L. (2008). "
        "Identifying natural images from human brain activity. Nature 452, 352-355.",
    }

    def check(self, study: Study) -> None:
        """Raise ValueError where the settings do not go with the study."""
        if settings := study.section(ErrorConsistencySettings):
            declared("error_consistency.models", identifying_models(study), study.models)
            declared("error_consistency.atlases", settings.atlases, study.roi_atlases)

    def job_settings(self, study: Study) -> dict[str, Any]:
        """Return models and settings; fits between brains use the encoding models' penalties."""
        if (settings := study.section(ErrorConsistencySettings)) is None:
            return {}
        identification = {
            **settings.model_dump(mode="json", exclude={"models"}),
            "alphas": study.encoding.alphas.model_dump(mode="json"),
            "folds": study.splits.folds,
            "seed": study.splits.seed,
        }
        return {"identifying_models": identifying_models(study), "identification": identification}

    def predicted(self, study: Study) -> list[tuple[str, str]]:
        """(variant, model) of the models whose predicted patterns identify images."""
        return [(WHOLE, model) for model in identifying_models(study)]

    def jobs(self, study: Study, subject: SubjectSize, widths: Mapping[str, int]) -> Iterator[Job]:
        """Yield estimates of the jobs of one subject."""
        from encoding.identification import SIMULATED
        from pipeline.estimates.resources import FLOAT, Job
        from pipeline.estimates.study_size import n_rois

        if settings := study.section(ErrorConsistencySettings):
            others = len(study.subjects) - 1
            # by models, by other brains, and by models on images of both; observed and simulated
            identified = len(identifying_models(study)) * (1 + others) + others
            per_image = SIMULATED + 2 * FLOAT
            n_bytes = n_rois(settings.atlases) * identified * subject.test_images * per_image
            yield Job(disk_bytes=n_bytes)

    def results(self, study: Study, subject: str) -> list[str]:
        """Return the subject's result files."""
        return [f"identification/{subject}.h5"]

    def table_settings(self, study: Study) -> dict[str, Any]:
        """Return the settings of intervals."""
        return study.significance.model_dump(mode="json")

    def methods(self, study: Study) -> Iterator[str]:
        """Yield sentences for the report's methods."""
        if settings := study.section(ErrorConsistencySettings):
            yield (
                "Identification. A test image counts as identified if, among the predicted "
                "patterns of all images, its own correlates best with its measured pattern (Kay "
                "et al. 2008), over voxels with a reliability of at least "
                f"{settings.min_reliability:g}. Cohen's κ measures whether two predictors miss "
                "the same images more often than their accuracies alone imply (Geirhos et al. "
                "2020). It is reported with the κ of simulated predictors whose own errors are "
                "independent, so that they share only the noise of the measured responses. Other "
                "brains predict by ridge regression on their responses to the same images."
            )


def identifying_models(study: Study) -> list[str]:
    """Return the models whose predicted patterns identify test images."""
    settings = study.section(ErrorConsistencySettings)
    return (settings and settings.models) or study.models


ANALYSIS = Identification()
