"""Settings of the components of encoding weights, and what they add to a study."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pydantic import Field

from encoding.variance_partitioning import model_name
from pipeline.analyses.analysis import Analysis
from pipeline.configuration.names import declared
from pipeline.configuration.settings import WHOLE, Settings

if TYPE_CHECKING:
    from pipeline.configuration.study import Study
    from pipeline.estimates.resources import Job
    from pipeline.estimates.study_size import SubjectSize

BEST_IMAGES = "best_images"
# size of all figures of preferred images
PHOTOGRAPHS_BYTES = 45e6


class InterpretationSettings(Settings):
    """Principal components and clusters of encoding weights, over voxels of all subjects.

    Every subject contributes the same number of voxels. Preferred images are taken from those on
    which no model was trained.
    """

    model: str
    """Model whose weights are analysed; the name of a comparison means its joint model."""
    voxels_per_subject: int = Field(default=2500, ge=3)
    """Maximum number of voxels per subject; the most reliable are taken."""
    components: int = Field(default=20, ge=2)
    """Number of principal components."""
    min_reliability: float = Field(default=0.1, ge=0, lt=1)
    """Minimum reliability (0 to 1) of these voxels."""
    images: int = Field(default=20, ge=1)
    """Number of images listed at each end of a component, and evenly spaced along it."""
    tree_depth: int = Field(default=4, ge=1)
    """Number of components by whose signs voxels are split, one after another."""
    min_voxels: int = Field(default=5, ge=1)
    """Minimum number of voxels of a branch in each subject, and of a ROI with best images."""
    clusters: int = Field(default=10, ge=2)
    """Number of k-means clusters of the voxels' weights."""
    permutations: int = Field(default=100, ge=19)
    """Number of fits to permuted images that components are tested against."""
    seed: int = 0
    """Seed of clusters and permutations."""


class WeightComponents(Analysis):
    """Principal components of the weights of models, and the images that they prefer."""

    target = "interpretation"
    tables = {
        "components": "Components of the encoding weights",
        "component_stability": "Agreement of each subject's components with the others'",
        "preferred_images": "Images with the largest and smallest scores",
        "preferred_categories": "Labels of images with the largest and smallest scores",
        "label_consistency": "Agreement of the labels of the images with the extreme scores",
        "voxel_groups": "Regions of groups of voxels",
        "voxel_clusters": "Agreement of clusters of voxels over subjects",
        BEST_IMAGES: "Images with the largest predicted response of each region",
    }
    settings = {"interpretation": (InterpretationSettings | None, None)}
    references = {
        "Jaccard 1912": "Jaccard, P. (1912). The distribution of the flora in the alpine zone. New "
        "Phytologist 11, 37-50."
    }

    def check(self, study: Study) -> None:
        """Raise ValueError where the settings do not go with the study."""
        if study.section(InterpretationSettings) and study.encoding.image_weights != "equal":
            raise ValueError(
                "interpretation: does not support weighted training images; set "
                "`encoding.image_weights` to `equal`"
            )
        if settings := study.section(InterpretationSettings):
            known = [*study.comparisons, *study.fits(WHOLE)]
            declared("interpretation.model", [settings.model], known)
            if own := [s for s in interpreted(study) if study.feature_spaces[s].is_fitted]:
                raise ValueError(
                    f"interpretation.model: the principal components of {own[0]} differ between "
                    "subjects, so that weights cannot be compared; choose a model whose spaces "
                    "have none"
                )

    def stimuli(self, study: Study) -> list[str]:
        """Return the COCO files that describe images."""
        return ["captions", "categories"] if study.section(InterpretationSettings) else []

    def job_settings(self, study: Study) -> dict[str, Any]:
        """Return the feature spaces of the model whose weights are analysed."""
        return {"interpreted": interpreted(study)}

    def predicted(self, study: Study) -> list[tuple[str, str]]:
        """(variant, model) of the model whose predictions rank images."""
        spaces = interpreted(study)
        return [(WHOLE, model_name(spaces))] if spaces else []

    def jobs(self, study: Study, subject: SubjectSize, widths: Mapping[str, int]) -> Iterator[Job]:
        """Yield estimates for fitting weights, measured and permuted, and for smaller jobs."""
        from pipeline.estimates.resources import FLOAT, SOLVER_RATES, START, Job, solver_memory

        if settings := study.section(InterpretationSettings):
            spaces = [widths[space] for space in interpreted(study)]
            train, width = subject.images - subject.test_images, sum(spaces)
            rank, chosen = min(train, width), min(settings.voxels_per_subject, subject.voxels)
            solved = 18 * rank**2 * max(rank, train / 3)
            solved += 4 * train * rank * (subject.voxels + chosen * settings.permutations)
            values = chosen * width + subject.voxels * settings.components
            yield Job(
                START + solved / SOLVER_RATES["native"],
                solver_memory(study, subject, spaces),
                FLOAT * values,
                temporary_bytes=FLOAT * chosen * settings.permutations * width,
            )
            yield from [Job()] * 3

    def picture_bytes(self, study: Study) -> float:
        """Return the size of figures of preferred images."""
        return PHOTOGRAPHS_BYTES if study.section(InterpretationSettings) else 0

    def map_files(self, study: Study, subject: str) -> list[str]:
        """Return the voxels' projections on the components."""
        return [f"interpretation/{subject}/projections.h5"]

    def methods(self, study: Study) -> Iterator[str]:
        """Yield sentences for the report's methods."""
        if settings := study.section(InterpretationSettings):
            yield (
                f"Components. The weights of {settings.model} in the at most "
                f"{settings.voxels_per_subject} most reliable voxels of each subject (reliability "
                f"at least {settings.min_reliability:g}) were decomposed into "
                f"{settings.components} principal components, and into {settings.clusters} "
                "clusters by k-means (Wang et al. 2023 used 20,000 voxels per subject, chosen by "
                "R²). Components and their stability over subjects are compared with those of "
                f"{settings.permutations} fits to permuted images. Preferred images are chosen "
                "among those on which no model was trained. The labels of a component's highest, "
                "and of its lowest images are compared in pairs, by the Jaccard index (Jaccard "
                "1912), as more images are taken."
            )


def interpreted(study: Study) -> list[str]:
    """Return the feature spaces of the model whose weights are analysed."""
    if (settings := study.section(InterpretationSettings)) is None:
        return []
    model = settings.model
    return study.fitted_as(study.comparisons.get(model) or study.fits(WHOLE)[model])


ANALYSIS = WeightComponents()
