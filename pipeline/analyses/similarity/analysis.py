"""Settings of representational similarity, and what it adds to a study."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, model_validator

from pipeline.analyses.analysis import Analysis
from pipeline.configuration.names import declared
from pipeline.configuration.settings import Settings

if TYPE_CHECKING:
    from pipeline.configuration.study import Study
    from pipeline.estimates.resources import Job
    from pipeline.estimates.study_size import SubjectSize


MEASURES = {
    "spearman": "Spearman's rank correlation",
    "pearson": "Pearson correlation",
    "cosine": "their cosine",
}


class RepresentationalSimilaritySettings(Settings):
    """Representational similarity of feature spaces and ROIs over the test images."""

    spaces: list[str] = Field(min_length=1)
    """Feature spaces that are compared."""
    atlases: list[str] = Field(min_length=1)
    """ROI atlases that are compared; `composite` has the composite ROIs."""
    images: Literal["common", "own"] = "common"
    """`common`: test images that all subjects share; `own`: all test images of each subject,
    without a noise ceiling over subjects."""
    measure: Literal["spearman", "pearson", "cosine"] = "spearman"
    """Measure by which two similarity matrices are compared."""
    corners: list[Annotated[list[str], Field(min_length=2, max_length=2)]] = Field(
        default_factory=list
    )
    """Pairs of feature spaces; for image pairs on which they agree or disagree most, the similarity
    in the brain is tabulated."""
    percentile: float = Field(default=2.5, gt=0, lt=50)
    """Percentile of a space's similarities, at both ends, that selects these image pairs."""
    permutations: int = Field(default=1000, ge=99)
    """Number of permutations of the images."""
    min_reliability: float = Field(default=0.1, ge=0, lt=1)
    """Minimum reliability (0 to 1) of a voxel."""
    min_voxels: int = Field(default=10, ge=2)
    """Minimum number of such voxels in a ROI."""
    seed: int = 0
    """Seed of the permutations."""

    @model_validator(mode="after")
    def _corners_are_of_spaces(self) -> RepresentationalSimilaritySettings:
        for pair in self.corners:
            if unknown := [space for space in pair if space not in self.spaces]:
                raise ValueError(
                    f"`corners` lists {unknown[0]}, which is not in `spaces`; add it there"
                )
        return self


class Similarity(Analysis):
    """Representational similarity of feature spaces and ROIs."""

    target = "representational_similarity"
    tables = {
        "representational_similarity": "Representational similarity of feature spaces and regions",
        "corner_pairs": "Image pairs on which two feature spaces agree or disagree most",
    }
    settings = {"representational_similarity": (RepresentationalSimilaritySettings | None, None)}
    references = {
        "Arvesen 1969": "Arvesen, J. N. (1969). Jackknifing U-statistics. The Annals of "
        "Mathematical Statistics 40, 2076-2100.",
        "Kriegeskorte et al. 2008": "Kriegeskorte, N., Mur, M., & Bandettini, P. (2008). "
        "Representational similarity analysis. Frontiers in Systems Neuroscience 2, 4.",
        "Nili et al. 2014": "Nili, H., Wingfield, C., Walther, A., Su, L., Marslen-Wilson, W., & "
        "Kriegeskorte, N. (2014). A toolbox for representational similarity analysis. PLoS "
        "Computational Biology 10, e1003553.",
    }

    def check(self, study: Study) -> None:
        """Raise ValueError where the settings do not go with the study."""
        if settings := study.section(RepresentationalSimilaritySettings):
            key = "representational_similarity"
            declared(f"{key}.spaces", settings.spaces, study.feature_spaces)
            declared(f"{key}.atlases", settings.atlases, study.roi_atlases)

    def feature_spaces(self, study: Study) -> list[str]:
        """Return the feature spaces that are compared."""
        settings = study.section(RepresentationalSimilaritySettings)
        return [] if settings is None else settings.spaces

    def jobs(self, study: Study, subject: SubjectSize, widths: Mapping[str, int]) -> Iterator[Job]:
        """Yield estimates of the jobs of one subject."""
        from pipeline.estimates.resources import FLOAT, Job
        from pipeline.estimates.study_size import n_rois

        if settings := study.section(RepresentationalSimilaritySettings):
            arrays, n = n_rois(settings.atlases) + len(settings.spaces), subject.test_images
            yield Job(disk_bytes=FLOAT * arrays * n * (n - 1) / 2)

    def methods(self, study: Study) -> Iterator[str]:
        """Yield sentences for the report's methods."""
        from pipeline.analyses.similarity.tables import AGREEMENT_FAMILY

        if settings := study.section(RepresentationalSimilaritySettings):
            yield (
                "Representational similarity (Kriegeskorte et al. 2008). Similarities (Pearson "
                "correlations of patterns) of all pairs of test images in "
                f"{', '.join(settings.spaces)} and in regions were compared by "
                f"{MEASURES[settings.measure]}. Each agreement was tested by "
                f"{settings.permutations} permutations of the images of one of the two, one-sided "
                f"(Nili et al. 2014), with the false discovery rate over {AGREEMENT_FAMILY}; its "
                f"interval ({study.significance.level:.0%}) is from a jackknife over images "
                f"(Arvesen 1969).{_corners(settings)}{_bounds(study, settings)}"
            )


def _corners(settings: RepresentationalSimilaritySettings) -> str:
    from pipeline.analyses.similarity.tables import CORNER_FAMILY

    if not settings.corners:
        return ""
    return (
        f" Pairs of images whose similarity is within the extreme {settings.percentile:g} % of "
        f"both spaces were compared with all pairs in each region by {settings.permutations} "
        f"permutations of images, two-sided, with the false discovery rate over {CORNER_FAMILY}."
    )


def _bounds(study: Study, settings: RepresentationalSimilaritySettings) -> str:
    if settings.images != "common" or len(study.subjects) < 2:
        return ""
    return " Bounds of the agreement over subjects follow Nili et al. 2014."


ANALYSIS = Similarity()
