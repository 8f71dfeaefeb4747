"""What is asked of fitted models: components of weights, and similarities of images."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from pipeline.settings import Settings


class InterpretationSettings(Settings):
    """Principal components of the weights of `model` (a model, or a contrast's joint one).

    As many voxels of each subject, of the best reliability, have a part in them: at most
    `voxels_per_subject`, and none below `least_ceiling`. Their `images` at the top and the bottom,
    and evenly spaced ones, are of those that no model was trained on. The first `tree_depth`
    components split voxels by sign, halves of at least `least_voxels` in each subject; smaller
    ROIs have no best images. `clusters` is the k of a k-means of the same voxels. Components are
    tested against those of weights fitted to permuted images, `permutations` times.
    """

    model: str
    voxels_per_subject: int = Field(default=2500, ge=3)
    components: int = Field(default=20, ge=2)
    least_ceiling: float = Field(default=0.1, ge=0, lt=1)
    images: int = Field(default=20, ge=1)
    tree_depth: int = Field(default=4, ge=1)
    least_voxels: int = Field(default=5, ge=1)
    clusters: int = Field(default=10, ge=2)
    permutations: int = Field(default=100, ge=19)
    seed: int = 0


class RepresentationalSimilaritySettings(Settings):
    """Feature `spaces` and ROIs of `atlases`, compared by how similar they find test images.

    `images: common` takes those that test every subject, which a noise ceiling over subjects needs;
    `own` all of each subject. Of every two spaces in `corners`, pairs of images beyond the
    `percentile` of both are looked up in the brain.
    """

    spaces: list[str] = Field(min_length=1)
    atlases: list[str] = Field(min_length=1)
    images: Literal["common", "own"] = "common"
    comparison: Literal["spearman", "pearson", "cosine"] = "spearman"
    corners: list[Annotated[list[str], Field(min_length=2, max_length=2)]] = Field(
        default_factory=list
    )
    percentile: float = Field(default=2.5, gt=0, lt=50)
    permutations: int = Field(default=1000, ge=99)
    least_ceiling: float = Field(default=0.1, ge=0, lt=1)
    least_voxels: int = Field(default=10, ge=2)
    seed: int = 0

    @model_validator(mode="after")
    def _corners_are_of_spaces(self) -> RepresentationalSimilaritySettings:
        for pair in self.corners:
            if unknown := [space for space in pair if space not in self.spaces]:
                raise ValueError(f"`corners` name {unknown[0]}, which is not among `spaces`")
        return self
