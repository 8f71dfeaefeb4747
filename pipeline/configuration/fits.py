"""Responses, splits, encoding models and tests."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, get_args

import numpy as np
from pydantic import BeforeValidator, Field, model_validator

from encoding.scaling import Scaling
from pipeline.configuration.masks import Mask
from pipeline.configuration.settings import Betas, Settings, Space

Penalty = Literal["banded", "single"]


def _first_sessions(number: Any) -> Any:
    """Take 1-10 for 10, and refuse other ranges."""
    if found := re.fullmatch(r"(\d+)-(\d+)", str(number)):
        if found[1] != "1":
            raise ValueError(
                f"{number} is no range from the first session on, which alone can be taken; write "
                f"1-{found[2]}, or {found[2]}"
            )
        return int(found[2])
    return number


FIRST_SESSIONS = BeforeValidator(_first_sessions, json_schema_input_type=int | str | None)


class ResponseSettings(Settings):
    """Single-trial betas, their z-scoring before repeats are averaged, and their reliability."""

    space: Space
    """Space of the responses: NSD's functional volumes of 1.8 or 1 mm, the subject's own surface,
    or fsaverage."""
    betas: Betas
    """NSD's beta version 1, 2 or 3."""
    mask: Mask
    """Voxels that are modelled: NSD's `nsdgeneral` ROI, the whole cortex, or those that meet
    further conditions."""
    zscore_within: Literal["session", "run"] = "session"
    """Trials that are z-scored together; NSD's noise ceilings assume sessions."""
    zscore_trials: Literal["all", "training"] = "all"
    """Trials that give the mean and standard deviation; with `training`, test images do
    not influence the scaling."""
    sessions: Annotated[Annotated[int, Field(ge=1)] | None, FIRST_SESSIONS] = None
    """Number of sessions, the first ones, whose trials are used (10, or 1-10); by default all.
    NSD's released ncsnr is of all sessions."""
    ncsnr: Literal["released", "recomputed"] = "released"
    """Noise-ceiling signal-to-noise ratio: NSD's file, or recomputed from the betas."""

    @model_validator(mode="after")
    def _mask_is_in_the_space(self) -> ResponseSettings:
        self.mask.require_file_of(self.space)
        return self


NamedTest = Literal["shared1000", "shared515", "random", "clusters"]
# path of a user's table
TestTable = Annotated[str, Field(pattern=r"\.tsv$")]


def _known_test(test: Any) -> Any:
    """Refuse what is neither a name nor the path of a table."""
    if test not in get_args(NamedTest) and not str(test).endswith(".tsv"):
        raise ValueError(
            f"unknown test images {test!r}; choose among {', '.join(get_args(NamedTest))}, or name "
            "a table that ends with .tsv"
        )
    return test


TestImages = Annotated[NamedTest | TestTable, BeforeValidator(_known_test)]


class SplitSettings(Settings):
    """Training images, test images and cross-validation folds.

    With `test: clusters`, images that are similar in a feature `space` are on the same side of the
    split, and in the same fold.
    """

    test: TestImages = "shared1000"
    """Test images: the 1,000 that all subjects share, the 515 of these that all saw three times, a
    random fraction of each subject's, clusters of similar images, or those of your own table, such
    as `my_split.tsv` (docs/encoding_models.md)."""
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
    def _clusters_need_a_space(self) -> SplitSettings:
        if self.test == "clusters" and self.space is None:
            raise ValueError("`space` is needed with `test: clusters`")
        if self.test == "clusters" and self.fold_order == "listed":
            raise ValueError("`fold_order: listed` would split clusters; choose `shuffled`")
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
        """Penalties (`number`,), float64, ascending."""
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
    `image_weights: repeats` weights each training image by the number of trials in its averaged
    response, also in cross-validation (`encoding.ridge.image_weights`).
    `stacking` weights a comparison's single-space models by their cross-validation errors
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
    """`exact` scores every candidate and penalty by cross-validation; `windowed` only those
    whose generalised cross-validation error is close to the lowest (docs/solver.md)."""
    backend: Literal["auto", "numpy", "torch", "torch_cuda"] = "auto"
    """Array library of the solver; `auto` is `torch_cuda` on a machine with a GPU, else `numpy`."""
    memory_gb: float = Field(default=8, gt=0)
    """Memory that one fit may use, in GB."""
    missing_images: Literal["available", "exclude"] = "exclude"
    """Voxels that some session did not cover are left out (`exclude`), or fitted on the images that
    they have (`available`)."""
    image_weights: Literal["equal", "repeats"] = "equal"
    """`repeats`: weight each image by the number of trials in its averaged response."""
    stacking: bool = True
    """Whether the single-space models of a comparison are also stacked."""

    @property
    def takes_smaller_models_over(self) -> bool:
        """Test whether a voxel takes over a smaller model that is better in cross-validation.

        A single penalty cannot leave a space out, and himalaya searches only a model's own
        candidates.
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
    def _weighted_images_need_the_native_solver(self) -> EncodingSettings:
        native = (self.solver, self.missing_images) == ("native", "exclude")
        if self.image_weights == "repeats" and not native:
            raise ValueError(
                "`image_weights: repeats` goes with `solver: native` and `missing_images: exclude`"
            )
        return self


class ScatterSettings(Settings):
    """Division of a fit's voxels among jobs, which does not change results."""

    voxel_chunks: int = Field(default=1, ge=1, le=1000, strict=True)
    """Number of jobs per fit, each for a part of the voxels."""


class SignificanceSettings(Settings):
    """Bootstrap intervals over test images, and tests of every voxel (docs/significance.md)."""

    test: Literal["permutation", "bootstrap"] = "permutation"
    """`permutation`: p values from the tails of null distributions; `bootstrap`: the fraction
    of bootstrap draws at or below 0, as published."""
    draws: int = Field(default=2000, ge=100)
    """Number of bootstrap draws of test images."""
    level: float = Field(default=0.95, gt=0, lt=1)
    """Coverage of the bootstrap intervals."""
    resample: Literal["images", "clusters"] = "images"
    """Units that are drawn: single images, or clusters of similar images (`splits.space`)."""
    seed: int = 0
    """Seed of the draws."""


class CalibrationSettings(Settings):
    """Simulated experiments with known truth (`snakemake validate`).

    They are fitted and tested with the study's own `encoding`, `significance` and number of folds.
    """

    experiments: int = Field(default=20, ge=2)
    """Number of simulated experiments per condition."""
