"""Settings of the components of encoding weights, and what they add to a study."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pydantic import Field

from pipeline.analyses.analysis import Analysis
from pipeline.configuration.names import declared
from pipeline.configuration.settings import WHOLE, Settings

if TYPE_CHECKING:
    from pipeline.configuration.study import Study
    from pipeline.resources import Job
    from pipeline.study_size import SubjectSize

TABLES = (
    "components",
    "component_stability",
    "preferred_images",
    "preferred_categories",
    "voxel_groups",
    "voxel_clusters",
)
BEST_IMAGES = "best_images"
# of preferred images
PHOTOGRAPHS_BYTES = 45e6


class InterpretationSettings(Settings):
    """Principal components and clusters of encoding weights, over voxels of all subjects.

    Every subject contributes the same number of voxels. Images that show what a component prefers
    are taken from those that trained no model.
    """

    model: str
    """Model whose weights are analysed; a comparison stands for its joint model."""
    voxels_per_subject: int = Field(default=2500, ge=3)
    """Largest number of voxels of each subject, the most reliable first."""
    components: int = Field(default=20, ge=2)
    """Number of principal components."""
    min_noise_ceiling: float = Field(default=0.1, ge=0, lt=1)
    """Least reliability of these voxels, 0 to 1."""
    images: int = Field(default=20, ge=1)
    """Number of images at each end of a component, and evenly spaced along it."""
    tree_depth: int = Field(default=4, ge=1)
    """Number of components by whose sign voxels are split, one after another."""
    least_voxels: int = Field(default=5, ge=1)
    """Least number of voxels of a branch in each subject, and of a ROI with best images."""
    clusters: int = Field(default=10, ge=2)
    """Number of k-means clusters of the voxels' weights."""
    permutations: int = Field(default=100, ge=19)
    """Number of fits to permuted images that components are tested against."""
    seed: int = 0
    """Seed of clusters and permutations."""


class WeightComponents(Analysis):
    """Principal components of the weights of models, and the images that they prefer."""

    target = "interpretation"
    settings = {"interpretation": (InterpretationSettings | None, None)}

    def check(self, study: Study) -> None:
        if study.section(InterpretationSettings) and study.encoding.image_weights != "equal":
            raise ValueError(
                "interpretation: weights are fitted again without `encoding.image_weights`; choose "
                "`equal`"
            )
        if settings := study.section(InterpretationSettings):
            known = [*study.comparisons, *study.fits(WHOLE)]
            declared("interpretation.model", [settings.model], known)
            if own := [s for s in interpreted(study) if study.feature_spaces[s].is_fitted]:
                raise ValueError(
                    f"interpretation.model: principal components of {own[0]} are each subject's "
                    "own, so that their weights cannot be compared; take a space without them"
                )

    def stimuli(self, study: Study) -> list[str]:
        return ["captions", "categories"] if study.section(InterpretationSettings) else []

    def job_settings(self, study: Study) -> dict[str, Any]:
        return {"interpreted": interpreted(study)}

    def jobs(self, study: Study, subject: SubjectSize, widths: Mapping[str, int]) -> Iterator[Job]:
        """Weights of all voxels, and those of permuted images; what is projected on them."""
        from pipeline.resources import FLOAT, SOLVER_RATES, START, Job, solver_memory

        if settings := study.section(InterpretationSettings):
            spaces = [widths[space] for space in interpreted(study)]
            train, width = subject.images - subject.test_images, sum(spaces)
            rank, chosen = min(train, width), min(settings.voxels_per_subject, subject.voxels)
            solved = 18 * rank**2 * max(rank, train / 3)
            solved += 4 * train * rank * (subject.voxels + chosen * settings.permutations)
            values = chosen * (1 + settings.permutations) * width
            values += subject.voxels * settings.components
            memory = solver_memory(study, subject, spaces)
            yield Job(START + solved / SOLVER_RATES["native"], memory, FLOAT * values)
            yield from [Job()] * 3

    def picture_bytes(self, study: Study) -> float:
        return PHOTOGRAPHS_BYTES if study.section(InterpretationSettings) else 0

    def tables(self, study: Study) -> list[str]:
        return [*TABLES, BEST_IMAGES] if study.section(InterpretationSettings) else []

    def map_files(self, study: Study, subject: str, variant: str) -> list[str]:
        on = study.section(InterpretationSettings) is not None and variant == WHOLE
        return [f"interpretation/{subject}/projections.h5"] if on else []

    def methods(self, study: Study) -> Iterator[str]:
        if settings := study.section(InterpretationSettings):
            yield (
                f"Components. The weights of {settings.model} in at most "
                f"{settings.voxels_per_subject} voxels of each subject with the best reliability "
                f"(none below {settings.min_noise_ceiling:g}) were decomposed into "
                f"{settings.components} principal components, and into {settings.clusters} "
                "clusters by k-means. Wang et al. 2023 took 20,000 voxels of each subject, chosen "
                "by R². Components and their stability over subjects are compared with those of "
                f"{settings.permutations} fits to permuted images. Images are ranked among those "
                "that no model was trained on."
            )


def interpreted(study: Study) -> list[str]:
    """Feature spaces of the model whose weights are analysed: of a comparison, all of it."""
    if (settings := study.section(InterpretationSettings)) is None:
        return []
    model = settings.model
    return study.fitted_as(study.comparisons.get(model) or study.fits(WHOLE)[model])


ANALYSIS = WeightComponents()
