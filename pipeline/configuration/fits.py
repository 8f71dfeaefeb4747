"""What is fitted on, how, and how it is tested."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from pydantic import Field, field_validator, model_validator

from encoding.scaling import Scaling
from pipeline.configuration.settings import Betas, Settings, Space

Penalty = Literal["banded", "single"]
# parts of the voxels of a fit
MOST_CHUNKS = 1000


class ResponseSettings(Settings):
    """Single-trial betas, their z-scoring before repeats are averaged, and their reliability."""

    space: Space
    """Space of the responses: NSD's functional volumes of 1.8 or 1 mm, the subject's own surface,
    or fsaverage."""
    betas: Betas
    """NSD's beta version 1, 2 or 3."""
    mask: Literal["nsdgeneral", "cortex"]
    """Voxels that are modelled: NSD's `nsdgeneral` ROI, or the whole cortex."""
    zscore_within: Literal["session", "run"] = "session"
    """Trials that are z-scored together; NSD's noise ceilings assume sessions."""
    zscore_trials: Literal["all", "training"] = "all"
    """Trials that give the mean and standard deviation; with `training`, nothing of a test image
    enters the scaling."""
    ncsnr: Literal["released", "recomputed"] = "released"
    """Noise-ceiling signal-to-noise ratio: NSD's file, or recomputed from the betas."""


class SplitSettings(Settings):
    """Training images, test images and cross-validation folds.

    With `test: clusters`, images that are similar in a feature `space` are on the same side of the
    split, and in the same fold.
    """

    test: Literal["shared1000", "shared515", "random", "clusters"] = "shared1000"
    """Test images: the 1,000 that all subjects share, the 515 of these that all saw three times, a
    random fraction of each subject's, or clusters of similar images."""
    test_fraction: float = Field(default=0.15, gt=0, lt=1)
    """Fraction of the images that test, with `test: random` or `clusters`."""
    space: str | None = None
    """Feature space in which images are compared: for clusters, and for the audit's search for near
    duplicates across the split."""
    clusters: int = Field(default=100, ge=3)
    """Number of clusters of images."""
    folds: int = Field(ge=2)
    """Number of cross-validation folds of the training images."""
    fold_order: Literal["shuffled", "listed"] = "shuffled"
    """Whether folds are drawn at random, or are neighbours by image number."""
    seed: int
    """Seed of the split and of the folds."""

    @model_validator(mode="after")
    def _clusters_are_of_a_space(self) -> SplitSettings:
        if self.test == "clusters" and self.space is None:
            raise ValueError("`space` is needed with `test: clusters`")
        if self.test == "clusters" and self.fold_order == "listed":
            raise ValueError("`fold_order: listed` would part clusters; choose `shuffled`")
        return self


class AlphaGrid(Settings):
    """Ridge penalties, evenly spaced on a logarithmic scale."""

    minimum: float = Field(gt=0)
    """Smallest penalty."""
    maximum: float = Field(gt=0)
    """Largest penalty."""
    number: int = Field(ge=1)
    """Number of penalties."""

    def values(self) -> np.ndarray:
        return np.logspace(np.log10(self.minimum), np.log10(self.maximum), self.number)

    @model_validator(mode="after")
    def _ordered(self) -> AlphaGrid:
        if self.maximum < self.minimum:
            raise ValueError("`maximum` is below `minimum`")
        return self


class EncodingSettings(Settings):
    """Ridge regression with hyperparameters chosen for each voxel by cross-validation.

    `scaling: zscore` divides each feature by its standard deviation over training images, but by no
    less than a tenth of the root mean square of its space's standard deviations;
    `zscore_unfloored` has no such floor; `center` does not divide (`encoding.scaling`).
    `image_weights: repeats` weighs training images by the number of trials that their responses are
    averaged of, in cross-validation too (`encoding.ridge.image_weights`).
    `stacking` weighs a comparison's single-space models by their cross-validation errors
    (`encoding.ridge.stacking`).
    """

    alphas: AlphaGrid
    """Grid of ridge penalties."""
    penalty: Penalty = "banded"
    """`banded`: one penalty per feature space; `single`: one penalty on the concatenated features
    of a model."""
    scaling: Scaling = "zscore"
    """How features are scaled (docs/presets.md compares the three)."""
    band_weight_samples: int = Field(default=20, ge=1)
    """Number of random candidates for the relative weights of feature spaces (random search, Dupré
    la Tour et al. 2022)."""
    seed: int
    """Seed of these candidates."""
    solver: Literal["native", "himalaya"] = "native"
    """This project's solver, or himalaya's (with `search: exact`)."""
    search: Literal["exact", "windowed"] = "windowed"
    """`exact` scores every candidate and penalty by cross-validation; `windowed` only those that
    generalised cross-validation leaves in contention (docs/solver.md)."""
    backend: Literal["numpy", "torch", "torch_cuda"] = "numpy"
    """Array library of the solver."""
    memory_gb: float = Field(default=8, gt=0)
    """Memory that one fit may use, in GB."""
    missing_images: Literal["available", "exclude"] = "exclude"
    """A voxel that some session did not cover is left out (`exclude`), or fitted on the images it
    has (`available`)."""
    image_weights: Literal["equal", "repeats"] = "equal"
    """`repeats`: images weigh as many trials as their responses are averaged of."""
    stacking: bool = True
    """Whether the single-space models of a comparison are also stacked."""

    @property
    def takes_smaller_models_over(self) -> bool:
        """Whether a model is nowhere worse in cross-validation than those of fewer of its spaces.

        A single penalty leaves no space out, and himalaya picks among a model's own candidates.
        """
        return (self.penalty, self.solver) == ("banded", "native")

    @model_validator(mode="after")
    def _himalaya_searches_exactly(self) -> EncodingSettings:
        if self.solver == "himalaya" and (self.search, self.missing_images) != ("exact", "exclude"):
            raise ValueError(
                "`solver: himalaya` goes with `search: exact` and `missing_images: exclude`"
            )
        if self.solver == "himalaya" and self.penalty == "single":
            raise ValueError("`penalty: single` goes with `solver: native`")
        return self

    @model_validator(mode="after")
    def _weighed_images_are_measured(self) -> EncodingSettings:
        native = (self.solver, self.missing_images) == ("native", "exclude")
        if self.image_weights == "repeats" and not native:
            raise ValueError(
                "`image_weights: repeats` goes with `solver: native` and `missing_images: exclude`"
            )
        return self


class ScatterSettings(Settings):
    """A fit's voxels are divided among jobs; the number changes no result."""

    voxel_chunks: int = 1
    """Number of jobs per fit, each for a part of the voxels (1 to 1,000)."""

    @model_validator(mode="before")
    @classmethod
    def _not_chosen_by_itself(cls, values: Any) -> Any:
        if isinstance(values, dict) and (
            values.get("voxel_chunks") == "auto" or "longest_hours" in values
        ):
            raise ValueError(
                "`voxel_chunks: auto` and `longest_hours` are no more: write a number, "
                "`scatter: {voxel_chunks: 1}`; `snakemake preflight` tells how long a fit takes"
            )
        return values

    @field_validator("voxel_chunks", mode="before")
    @classmethod
    def _is_some(cls, value: Any) -> Any:
        if type(value) is int and 1 <= value <= MOST_CHUNKS:
            return value
        raise ValueError(f"expected a whole number from 1 to {MOST_CHUNKS}")


class SignificanceSettings(Settings):
    """Bootstrap intervals over test images, and tests of every voxel (docs/significance.md)."""

    test: Literal["permutation", "bootstrap"] = "permutation"
    """`permutation`: p values from the tails of null distributions; `bootstrap`: the share of
    bootstrap draws at or below 0, as published."""
    draws: int = Field(default=2000, ge=100)
    """Number of bootstrap draws of test images."""
    level: float = Field(default=0.95, gt=0, lt=1)
    """Coverage of the bootstrap intervals."""
    resample: Literal["images", "clusters"] = "images"
    """Units that are drawn: single images, or clusters of similar images (`splits.space`)."""
    seed: int = 0
    """Seed of the draws."""

    @model_validator(mode="before")
    @classmethod
    def _without_permutations(cls, values: Any) -> Any:
        if isinstance(values, dict) and "permutations" in values:
            raise ValueError(
                "`permutations` are no longer drawn: p of `test: permutation` are told by the "
                "tails of distributions; remove the key (`draws` is of intervals alone)"
            )
        return values


class CalibrationSettings(Settings):
    """Simulated experiments of known truth, which `snakemake validate` fits and tests with the
    study's own `encoding`, `significance` and number of folds.
    """

    experiments: int = Field(default=20, ge=2)
    """Number of simulated experiments per condition of `snakemake validate`."""
